"""The evidence of some of the feedbacks, fitted without the others."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.linear_family.integrate import fit_family
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.shared_nuisances import exactly

MEMBERS = 1000  # draws of a family's weights, of which only the evidence is asked


class Parts:
    """``log p(D_S | h)`` of any set S of feedbacks, nats.

    The log evidences of feedbacks that share nothing add up. Feedbacks of one human share a rationality, and all
    feedbacks share the weights of a family of rewards: their evidence is a separate integral for each set. A family's
    features keep the unit that all feedbacks together give them, so that the family's prior does not depend on the set.

    Parameters
    ----------
    posterior : Posterior
        With its feedback, as `weigh` gives it.
    seed : int
        Seed of the samples for families.
    """

    def __init__(self, posterior: Posterior, seed: int = 0) -> None:
        self.posterior, self.seed = posterior, seed
        self.fixed = list(posterior.hypotheses.fixed)
        self._held: dict[frozenset[int], tuple[np.ndarray, np.ndarray]] = {}
        self._shared: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def everything(self) -> frozenset[int]:
        """All feedbacks."""
        return frozenset(range(len(self.posterior.feedback)))

    @cached_property
    def groups(self) -> list[tuple[int, ...]]:
        """Positions of the feedbacks, with those of one human together."""
        found: dict[object, list[int]] = {}
        for k, data in enumerate(self.posterior.feedback):
            found.setdefault(k if data.shares is None else data.shares, []).append(k)
        return [tuple(group) for group in found.values()]

    def separate(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Return whether the log evidences of two sets of feedbacks add up.

        They do where the sets share nothing but the hypothesis.
        """
        first, second = set(some), set(others)
        together = self.posterior.families or self.posterior.spaces
        return not together and not any(first & set(g) and second & set(g) for g in self.groups)

    def log_evidence(self, feedbacks: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``log p(D_S | h)`` and its Monte Carlo error: two arrays (hypothesis,)."""
        some = frozenset(feedbacks)
        if some not in self._held:
            self._held[some] = self._found(some)
        return self._held[some]

    def _found(self, some: frozenset[int]) -> tuple[np.ndarray, np.ndarray]:
        posterior = self.posterior
        if some == self.everything:
            return posterior.log_evidence, posterior.mcse
        value, variance = np.zeros(len(posterior.hypotheses)), np.zeros(len(posterior.hypotheses))
        for group in self.groups:
            members = tuple(k for k in group if k in some)
            if members and self.fixed:
                found, error = self._of_one_human(members, group)
                value[self.fixed] += found
                variance[self.fixed] += error**2
        if (cells := posterior.cell_posterior) is not None:
            value[cells.hypothesis] = cells.log_evidence(sorted(some))
        for h, rules in posterior.spaces.items():
            value[h] = rules.log_evidence(sorted(some))
        for h in posterior.families:
            if some:
                value[h], error_of_family = self._of_family(h, some)
                variance[h] = error_of_family**2
        return value, np.sqrt(variance)

    def _of_one_human(self, members: tuple[int, ...], group: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return the evidence of the fixed hypotheses from one human's feedbacks.

        Two arrays (fixed hypothesis,): log evidence and Monte Carlo error, nats.
        """
        posterior = self.posterior
        if members == group:
            evidence = [posterior.evidence[k] for k in members]
            value = np.sum([e.log_evidence for e in evidence], axis=0)[self.fixed]
            error = np.sqrt(np.sum([e.mcse**2 for e in evidence], axis=0))[self.fixed]
            return value, error
        if members not in self._shared:
            listed = posterior.hypotheses.only(self.fixed)
            some = [posterior.feedback[k] for k in members]
            over = [
                Valuation(listed, data.items, posterior.valuations[k].line.only(self.fixed), for_labels=True)
                for k, data in zip(members, some, strict=True)
            ]
            exact = [e for e in exactly(some, over, "auto") if e is not None]
            value = np.sum([e.log_evidence for e in exact], axis=0)
            self._shared[members] = value, np.sqrt(np.sum([e.mcse**2 for e in exact], axis=0))
        return self._shared[members]

    def _of_family(self, h: int, some: frozenset[int]) -> tuple[float, float]:
        posterior = self.posterior
        name = posterior.hypotheses.names[h]
        feedback = [posterior.feedback[k] for k in sorted(some)]
        rng = substream(self.seed, f"weights of {name} by {sorted(some)}")
        line = posterior.valuations[0].line.values[h]
        fitted = posterior.families[h]
        _, value, error = fit_family(name, fitted.linear, feedback, line, MEMBERS, rng, fitted.scale)
        return value, error
