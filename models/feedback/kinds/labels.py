"""Labels: whether an item is better than failing."""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, Weighed, misfit_in_words
from reward_hypotheses.models.hypotheses.failure_line import better_than_failing
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.inference.nuisance_priors import BetaBelowHalf, Nuisance, Theta, beta_below_half
from reward_hypotheses.models.inference.special import log_gamma, log_incomplete_beta

REPLICATIONS = 1000
SOFT = 1e-30  # noise that stands for none while sampling looks for what is possible


@dataclass(frozen=True, eq=False)
class Labels(ClosedForm):
    """Labels: true where the item is better than failing, ``r_h > u_h``.

    A label is flipped with probability eps. With ``noise = (a, b)``, eps ~ Beta(a, b) restricted to eps < 1/2: labels
    are right more often than wrong. (Without the restriction, a rule that is wrong everywhere beats a rule that is
    right for 80 %.) The evidence of k wrong labels among n is ``B(1/2; a + k, b + n - k) / B(1/2; a, b)``, B the
    incomplete beta function. With a number, eps is fixed, and the evidence is ``eps^k (1 - eps)^(n - k)``.

    Parameters
    ----------
    table, column, missing, name
        As for every feedback; the column holds true/false or 1/0.
    noise : (a, b) or float
        a, b > 0; or eps in [0, 1/2).
    """

    kind: ClassVar[str] = "labels"
    by_rater: ClassVar[bool] = True
    required: ClassVar[dict[str, str]] = ClosedForm.required | {
        "noise": "state the prior of the share of wrong labels, noise = [a, b], such as [1, 19]"
    }

    _: KW_ONLY
    noise: tuple[float, float] | float

    def __post_init__(self) -> None:
        super().__post_init__()
        noise = self.noise
        if isinstance(noise, (tuple, list)):
            if len(noise) != 2 or not all(1e-9 <= (finite(x) or 0) <= 1e9 for x in noise):
                raise InputError(
                    f"noise: {shown(list(noise))}; give [a, b] with a and b positive and finite, such as [1, 19]"
                )
            object.__setattr__(self, "noise", (float(noise[0]), float(noise[1])))
        elif not 0 <= (-1.0 if (number := finite(noise)) is None else number) < 0.5:
            raise InputError(
                f"noise: {shown(noise)}; give [a, b] for a Beta(a, b) prior below 1/2, such as [1, 19], or a number in [0, 0.5)"
            )

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        return self.items.booleans(self.column, what="true where the item is better than failing, else false")

    @override
    def softened(self) -> "Labels":
        """Return labels with a noise of 1e-30 in place of a noise of 0."""
        return replace(self, noise=SOFT) if self.noise == 0 else self

    @property
    @override
    def nuisances(self) -> Mapping[str, Nuisance]:
        return {"eps": BetaBelowHalf(*self.noise)} if isinstance(self.noise, tuple) else {}

    @override
    def inputs(self, block: Block, h: int) -> np.ndarray:
        """Return whether h predicts a true label: (option, scene) of bool."""
        return block.better(h)

    @override
    def predicted(self, rewards: np.ndarray, failure: Any, tolerance: Any) -> np.ndarray:
        return better_than_failing(rewards, failure, tolerance)

    @override
    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Return the number of wrong labels."""
        wrong = inputs ^ observed
        return (float(np.count_nonzero(wrong if inside is None else wrong & inside)),)

    @override
    def terms(self, inputs: np.ndarray, observed: np.ndarray) -> np.ndarray:
        return (inputs ^ observed)[None]

    @override
    def gather(self, block: Block, observed: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Count wrong labels on packed bits where the block stores them.

        Packed bits take an eighth of the bytes, and need no unpacking.
        """
        bits = [block.better_bits(h) for h in range(len(block.valuation.hypotheses))]
        if observed is None or self.item_counts is not None or any(b is None for b in bits):
            return super().gather(block, observed)
        inside = np.packbits(np.ones(block.shape, bool) if block.available is None else block.available)
        labels = np.packbits(block.gather(observed)) & inside
        predicted = [np.asarray(b) & inside for b in bits]
        wrong = [int(np.bitwise_count(p ^ labels).sum()) for p in predicted]
        return np.array(wrong, float)[:, None], [p.tobytes() for p in predicted]

    @override
    def log_marginal(self, statistics: np.ndarray, n_items: int) -> np.ndarray:
        """Return the log evidence of k wrong labels among n: (class,)."""
        wrong, _, where, _ = distinct(statistics[:, 0])
        right = n_items - wrong
        if isinstance(self.noise, tuple):
            return _log_marginal(tuple(wrong.tolist()), n_items, *self.noise)[where]
        return (_times(wrong, self.noise) + right * math.log1p(-self.noise))[where]

    def eps_draws(
        self, wrong: np.ndarray, n_items: int, rng: np.random.Generator, shape: tuple[int, ...] = ()
    ) -> np.ndarray:
        """Draw eps from ``p(eps | k wrong of n)``: an array of `shape`, or of k's.

        k broadcasts to `shape`.
        """
        if not isinstance(self.noise, tuple):
            return np.full(shape or wrong.shape, float(self.noise))
        a, b = self.noise
        return beta_below_half(a + wrong, b + n_items - wrong, rng, shape)

    @override
    def posterior_draws(
        self, statistics: np.ndarray, n_items: int, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        return {"eps": self.eps_draws(statistics[:, 0], n_items, rng, (n, len(statistics)))}

    @override
    def counted_tally(self) -> np.ndarray:
        """Return how many of the labels of each item are true: (item,)."""
        return (self.observed * np.asarray(self.counts)).astype(np.int64)

    def _eps(self, theta: Theta, n: int) -> np.ndarray:
        """Return eps at n draws of the nuisances: (n, 1)."""
        return theta["eps"][:, None] if isinstance(self.noise, tuple) else np.full((n, 1), self.noise)

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        eps = self._eps(theta, n)
        return rng.binomial(np.asarray(self.counts, np.int64), np.where(inputs, 1 - eps, eps))

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return inputs ^ (rng.random((n, len(inputs))) < self._eps(theta, n))

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        right = abs(inputs - observed) < 0.5
        if not isinstance(self.noise, tuple):
            impossible = -math.inf if self.noise == 0 else math.log(self.noise)
            return xp.where(right, math.log1p(-self.noise), impossible)
        eps = theta["eps"]
        return xp.where(right, xp.log1p(-eps), xp.log(eps))

    @override
    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check the largest rate of disagreement over cells.

        Cells are the distinct vectors of predictions.

        eps cannot absorb a high rate in one cell: labels that are all wrong there, and right elsewhere, stand out.
        """
        evidence, lead, name = over.evidence, over.lead, over.lead_name
        cell, _ = self.cells(over.valuation, evidence.classes)
        size, counts = np.bincount(cell, self.counts).astype(np.int64), 1.0 if self.counts is None else self.counts
        observed = self.observed
        drawn = over.drawn(REPLICATIONS, rng)
        eps = self.eps_draws(evidence.statistics[drawn, 0], evidence.n_items, rng)
        replicated = largest_rate(size, eps, rng)
        rates: dict[int, float] = {}
        for h in {*drawn.tolist(), lead}:
            first = int(np.flatnonzero(evidence.classes == evidence.classes[h])[0])
            if first not in rates:
                wrong = self.at(over.valuation, first) != observed
                rates[first] = float((np.bincount(cell, wrong * counts) / size).max())
            rates[h] = rates[first]
        p = float((replicated >= np.array([rates[int(h)] for h in drawn]) - 1e-12).mean())
        misfit = []
        if p < MISFIT:
            what = f"{rates[lead]:.0%} of labels in one group of items contradict the leading hypothesis {name!r}"
            misfit.append(misfit_in_words(str(self.name), what, p, REPLICATIONS))
        if isinstance(self.noise, tuple):
            mean = self.eps_mean(evidence.statistics[lead : lead + 1, 0], evidence.n_items)[0]
            below = math.exp(
                float(log_incomplete_beta(float(mean), *self.noise)) - float(log_incomplete_beta(0.5, *self.noise))
            )
            if below > 0.975:
                misfit.append(
                    f"{self.name}: under the leading hypothesis {name!r}, {mean:.0%} of labels are wrong, beyond the 97.5% point "
                    f"of the declared noise, Beta{self.noise} below 1/2"
                )
        what = f"largest share of contradicted labels over {len(size)} groups of items that the hypotheses treat alike"
        return Check.of(rates[lead], p, what, replicated, misfit)

    def eps_mean(self, wrong: np.ndarray, n_items: int) -> np.ndarray:
        """Return the posterior mean of eps for each number of wrong labels."""
        if not isinstance(self.noise, tuple):
            return np.full(len(wrong), float(self.noise))
        p, q = self.noise[0] + wrong, self.noise[1] + n_items - wrong
        return np.exp(log_incomplete_beta(0.5, p + 1, q) - log_incomplete_beta(0.5, p, q))


@lru_cache(maxsize=256)
def _log_marginal(wrong: tuple[float, ...], n_items: int, a: float, b: float) -> np.ndarray:
    """Return the log evidence of each number k of wrong labels, nats.

    ``log B(1/2; a + k, b + n - k) / B(1/2; a, b)``. Cached, because refits ask for the same k again.
    """
    k = np.array(wrong)
    log_evidence = log_incomplete_beta(0.5, a + k, b + n_items - k) - log_incomplete_beta(0.5, a, b)
    log_evidence.flags.writeable = False
    return log_evidence


def _times(count: np.ndarray, probability: float) -> np.ndarray:
    """Return ``count * log(probability)`` with 0 * log 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count == 0, 0.0, count * np.log(probability))


def largest_rate(size: np.ndarray, eps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw the largest rate over cells, one for each eps: (draw,).

    The rate of a cell c is ``Binomial(n_c, eps) / n_c``; `size` holds the n_c.

    The greatest of m cells of one size n has distribution function F(k)^m, which is inverted where m is large.
    """
    best = np.zeros(len(eps))
    sizes, _, _, copies = distinct(size)
    for n, m in zip(sizes.tolist(), copies.tolist(), strict=True):
        if m <= n + 1:
            count = np.zeros(len(eps))
            for lo in range(0, m, 1000):
                count = np.maximum(count, rng.binomial(n, eps, (min(1000, m - lo), len(eps))).max(axis=0))
        else:
            k = np.arange(n + 1)
            choose = log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                log_eps = np.where(k > 0, k * np.log(eps)[:, None], 0.0)
            log_pmf = choose + log_eps + (n - k) * np.log1p(-eps)[:, None]
            below = np.minimum(np.cumsum(np.exp(log_pmf), axis=1), 1.0)
            with np.errstate(divide="ignore"):
                log_below = m * np.log(below)
            count = (log_below < np.log(rng.random(len(eps)))[:, None]).sum(axis=1)
            count = np.minimum(count, n)
        best = np.maximum(best, count / n)
    return best
