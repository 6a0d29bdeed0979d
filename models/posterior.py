"""The posterior over hypotheses: one evidence, which every prior reweights."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import by_rows, distinct
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.none_of_the_above import CellPosterior
from reward_hypotheses.models.hypotheses.valuation import Valuation, on_test
from reward_hypotheses.models.inference.laplace import K_HAT
from reward_hypotheses.models.inference.special import normalise_log
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.priors.base import Prior

if TYPE_CHECKING:
    from reward_hypotheses.models.inference.trust import Sampler
    from reward_hypotheses.models.rule_space.family.fitted import FittedRules
    from reward_hypotheses.models.weights.raters.draws import RaterDraws

METHODS = ("auto", "exact", "nuts")
LOG_BAYES_FACTOR = 0.1
"""A log Bayes factor between hypotheses that matter is trusted up to this Monte Carlo error."""
MATTERS = 0.001  # posterior weight


@dataclass(frozen=True, eq=False)
class Estimate:
    """How the log evidence of one feedback was computed.

    Attributes
    ----------
    name : str
    method : {"exact", "laplace", "smc", "nuts"}
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class have one estimate, and one error.
    mcse : ndarray (hypothesis,)
        Monte Carlo error of the log evidence, nats; 0 where exact.
    """

    name: str
    method: str
    classes: np.ndarray
    mcse: np.ndarray


@dataclass(frozen=True, eq=False)
class Posterior:
    """Evidence of every hypothesis, and the judge's posterior weights.

    Attributes
    ----------
    hypotheses : Hypotheses
        As fitted: each family by the posterior of its weights, an unmodelled hypothesis by its cells.
    prior : Prior
    log_prior : ndarray (hypothesis,)
    log_evidence : ndarray (hypothesis,)
        Sum over feedbacks, nats; nuisances integrated out; -inf where the data are impossible.
    classes : ndarray (hypothesis,) of int
        Silent classes: no feedback can tell hypotheses of one class apart.
    weights : ndarray (hypothesis,)
    feedback, valuations, evidence : tuple
        One entry for each feedback. The valuations have families at their mean weights.
    estimates : tuple of Estimate
    sampler : Sampler or None
    k_hat : ndarray (hypothesis,) or None
        Pareto shape behind each log evidence, of an extended model.
    prior_mcse : ndarray (hypothesis,) or None
        Monte Carlo error of `log_prior`, where it was drawn.
    silence_known : bool
        Whether `classes` hold for more data too.
    people : RaterDraws or None
        Of raters, where feedback names them; the posterior is then that of a person drawn from their population.
    """

    hypotheses: Hypotheses
    prior: Prior
    log_prior: np.ndarray
    log_evidence: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    feedback: tuple[Feedback, ...]
    valuations: tuple[Valuation, ...]
    evidence: tuple[Evidence, ...]
    estimates: tuple[Estimate, ...] = ()
    sampler: "Sampler | None" = None
    k_hat: np.ndarray | None = None
    prior_mcse: np.ndarray | None = None
    silence_known: bool = True
    people: "RaterDraws | None" = None

    @property
    def families(self) -> dict[int, Fitted]:
        """Posterior of the weights of each linear family, by position."""
        return self.hypotheses.fitted

    @property
    def spaces(self) -> "dict[int, FittedRules]":
        """Posterior of the rules of each space of rules, by position."""
        return self.hypotheses.fitted_spaces

    @property
    def cell_posterior(self) -> CellPosterior | None:
        """Posterior of every cell's label probability; None without an unmodelled rule."""
        return self.hypotheses.cell_posterior

    @property
    def exact(self) -> bool:
        """Whether evidence and prior weights are exact, and no rules were drawn."""
        return not self.spaces and self.prior_mcse is None and not any(e.mcse.any() for e in self.estimates)

    @property
    def mcse(self) -> np.ndarray:
        """Monte Carlo error of the log evidence, nats: (hypothesis,)."""
        return np.sqrt(sum((e.mcse**2 for e in self.estimates), np.zeros(len(self.log_evidence))))

    def mcse_between(self, i: int, j: int) -> float:
        """Return the Monte Carlo error of a log Bayes factor, nats.

        0 between silent hypotheses, because their errors are equal.
        """
        return math.sqrt(
            sum(float(e.mcse[i] ** 2 + e.mcse[j] ** 2) for e in self.estimates if e.classes[i] != e.classes[j])
        )

    def on(self, table: Table, line: FailureLine, agent_line: FailureLine | None = None) -> Valuation:
        """Evaluate the hypotheses on a test, families by separate draws of both sides."""
        return on_test(self.hypotheses, table, line, agent_line)

    def of_rules(self) -> "Posterior":
        """Return the posterior among the rules, without an unmodelled hypothesis.

        The prior is still that of all hypotheses.
        """
        rules = list(self.hypotheses.rules)
        if len(rules) == len(self.hypotheses):
            return self
        total = math.fsum(self.weights[rules].tolist())
        return replace(
            self,
            hypotheses=self.hypotheses.only(rules),
            log_prior=self.log_prior[rules],
            log_evidence=self.log_evidence[rules],
            classes=self.classes[rules],
            weights=self.weights[rules] / total if total > 1e-200 else self.acting(None)[rules],
            valuations=tuple(v.of_rules() for v in self.valuations),
            evidence=tuple(e.only(rules) for e in self.evidence),
            estimates=tuple(replace(e, classes=e.classes[rules], mcse=e.mcse[rules]) for e in self.estimates),
        )

    def inputs_of_member(self, feedback: Feedback, valuation: Valuation, h: int, weights: np.ndarray) -> np.ndarray:
        """Return the inputs of a feedback's likelihood for given family weights.

        Parameters
        ----------
        feedback : Feedback
            As the family reads it.
        h : int
            Position of the family.
        weights : ndarray (feature,)
        """
        member = Hypotheses((self.hypotheses.names[h],), (self.families[h].member(weights),))
        return feedback.at(Valuation(member, feedback.items, valuation.line.only([h])), 0)

    def untrusted(self, *agents: np.ndarray) -> list[str]:
        """Return why the numbers cannot be trusted: samplers, and Monte Carlo errors.

        Parameters
        ----------
        agents : ndarray (hypothesis,)
            Weights that are used beside the judge's.
        """
        problems = [] if self.sampler is None else list(self.sampler.problems)
        matter = np.flatnonzero(np.max([self.weights, *agents], axis=0) > MATTERS)
        worst, pair = 0.0, (0, 0)
        for a, i in enumerate(matter.tolist()):
            for j in matter[a + 1 :].tolist():
                if (error := self.mcse_between(i, j)) > worst:
                    worst, pair = error, (i, j)
        if worst > LOG_BAYES_FACTOR:
            i, j = pair
            problems.append(
                f"the log Bayes factor between {self.hypotheses.names[i]!r} and {self.hypotheses.names[j]!r} has a Monte Carlo "
                f"error of {worst:.2f}, above {LOG_BAYES_FACTOR}; take more draws"
            )
        shapes = np.full(len(self.weights), -np.inf) if self.k_hat is None else self.k_hat
        problems += [
            f"the log evidence of {self.hypotheses.names[h]!r} rests on few draws (Pareto k-hat {shapes[h]:.2f}, above {K_HAT}), for the "
            "sampled model gives it little weight; take more draws, or give it more prior weight in the model"
            for h in matter.tolist()
            if shapes[h] > K_HAT
        ]
        if self.people is not None:
            return problems + self.people.problems
        for h, fitted in self.families.items():
            if self.mcse[h] > 5 * LOG_BAYES_FACTOR or fitted.k_hat > K_HAT:
                problems.append(
                    f"the log evidence of {self.hypotheses.names[h]!r} has a Monte Carlo error of {self.mcse[h]:.2f} nats "
                    f"({fitted.method}), so that its weights cannot be trusted; take fewer features, or more data"
                )
        return problems

    def refuse_untrusted(self, agent: np.ndarray) -> None:
        """Raise NotTrustedError where an agent's weights rest on few sampled draws."""
        if self.k_hat is not None and (problems := self.untrusted(agent)):
            raise NotTrustedError(problems)

    def perturbed(self, n: int, rng: np.random.Generator) -> "Iterator[Posterior]":
        """Yield n posteriors whose evidence is moved by its Monte Carlo error.

        Silent hypotheses move together. Without an error, each posterior yielded is this posterior.
        """
        if self.exact:
            yield from (self,) * n
            return
        for _ in range(n):
            moved = self.log_evidence
            for estimate in self.estimates:
                by_class = rng.standard_normal(int(estimate.classes.max()) + 1)
                moved = moved + by_class[estimate.classes] * estimate.mcse
            log_prior, pi = self.log_prior, self.prior.weights_of(self.hypotheses)
            if self.prior_mcse is not None:
                log_prior = log_prior + rng.standard_normal(len(pi)) * self.prior_mcse
                pi = np.exp(log_prior)
            weights = posterior_weights(pi, log_prior, moved)
            yield replace(self, log_evidence=moved, weights=weights, estimates=())

    def reweighted(self, prior: Prior | None) -> np.ndarray:
        """Return the posterior weights under another prior: (hypothesis,).

        Parameters
        ----------
        prior : Prior or None
            None: the judge's prior.

        Raises
        ------
        InputError
            The data are impossible under every hypothesis to which that prior gives weight.
        """
        if prior is None:
            return self.weights
        return posterior_weights(prior.weights_of(self.hypotheses), prior.log_prior(self.hypotheses), self.log_evidence)

    def acting_prior(self, prior: Prior | None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``pi_h`` and ``log pi_h`` of an agent: two arrays (hypothesis,).

        An unmodelled hypothesis recommends no action, so no agent acts by it: 0 and -inf.

        Parameters
        ----------
        prior : Prior or None
            The agent's prior. None: the judge's.
        """
        prior = self.prior if prior is None else prior
        rules = self.hypotheses.rules
        if len(rules) == len(self.hypotheses):
            return prior.weights_of(self.hypotheses), prior.log_prior(self.hypotheses)
        log_prior = np.full(len(self.hypotheses), -np.inf)
        log_prior[list(rules)] = prior.log_prior_among(self.hypotheses, rules)
        return np.exp(log_prior), log_prior

    def acting(self, prior: Prior | None) -> np.ndarray:
        """Return the posterior weights of an agent: (hypothesis,).

        Where a hypothesis is unmodelled, the weights of the rules add up to 1.

        Parameters
        ----------
        prior : Prior or None
            The agent's prior. None: the judge's.

        Raises
        ------
        InputError
            The data are impossible under every rule to which that prior gives weight.
        """
        none = self.hypotheses.unmodelled
        if none is None:
            return self.reweighted(prior)
        weights, log_prior = self.acting_prior(prior)
        if not np.max(log_prior + self.log_evidence) > -np.inf:
            raise InputError(
                f"the data are impossible under every rule, and by {self.hypotheses.names[none]!r} no agent can act; allow for "
                "noise, or list a rule that could have made them"
            )
        return posterior_weights(weights, log_prior, self.log_evidence)

    def worth(self, n: int) -> int:
        """Return how many independent draws n draws of the values are worth."""
        known = [part.weighted_draws(self.hypotheses) for _, part in self.prior.parts()]
        return int(min([n, *(drawn.effective for drawn in known if drawn is not None and drawn.effective is not None)]))

    def draws(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw value priors from ``p(pi | data)``, with the weights that follow.

        A hypothesis is drawn from the weights, then pi given that hypothesis. Only then is the mean of the drawn
        weights the posterior weight (draws from ``p(pi)`` would leave the data out).

        Returns
        -------
        ndarray (draw, hypothesis), ndarray (draw, hypothesis), ndarray (draw,)
            Value priors, weights, and the index of the hypothesis drawn.
        """
        truths = rng.choice(len(self.weights), n, p=self.weights)
        if self.people is not None:
            values = self.prior.weights_of(self.hypotheses)
            return np.tile(values, (n, 1)), self.people.share[rng.integers(self.people.n, size=n)], truths
        pi = self.prior.draws(self.hypotheses, truths, rng)
        alike = pi.strides[0] == 0  # certain values are one row, repeated
        weights = np.empty((1 if alike else n, pi.shape[1]))

        def work(rows: slice) -> None:
            some = weights[rows]
            with np.errstate(divide="ignore"):
                np.log(pi[rows], out=some)
            some += self.log_evidence
            some -= some.max(axis=1, keepdims=True)
            np.exp(some, out=some)
            some /= some.sum(axis=1, keepdims=True)

        by_rows(work, *weights.shape)
        return pi, np.broadcast_to(weights, pi.shape) if alike else weights, truths

    def acting_draws(self, prior: Prior | None, n: int, rng: np.random.Generator) -> np.ndarray | None:
        """Draw the weights of an agent from ``p(pi | data)``: (draw, hypothesis).

        Its prior is the judge's where `prior` is None. The mean of the draws is the agent's posterior weights.

        Returns None of a prior without a strength, which leaves the weights fixed.
        """
        own = self.prior if prior is None else prior
        if not own.uncertain:
            return None
        weights = replace(self, prior=own, weights=self.reweighted(own)).draws(n, rng)[1]
        none = self.hypotheses.unmodelled
        if none is None:
            return weights
        weights[:, none] = 0.0
        total = weights.sum(axis=1, keepdims=True)
        return np.where(total > 0, weights / np.where(total > 0, total, 1.0), self.acting(prior))

    def within_classes(self, prior: Prior | None) -> np.ndarray:
        """Return a prior normalised within each silent class: (hypothesis,).

        Uniform in a class to which the prior gives 0. More data of this kind cannot change the prior within a class.

        Parameters
        ----------
        prior : Prior or None
            None: the judge's prior.
        """
        weights, log_weights = self.acting_prior(prior)  # one that is unmodelled is alone in its class
        out = np.empty(len(weights))
        for members in self.members():
            if np.max(log_weights[members]) > -np.inf:
                out[members] = posterior_weights(weights[members], log_weights[members], np.zeros(len(members)))
            else:
                out[members] = 1.0 / len(members)
        return out

    def members(self) -> list[np.ndarray]:
        """Return the positions of the hypotheses of each silent class."""
        return [np.flatnonzero(self.classes == c) for c in range(int(self.classes.max()) + 1)]


def posterior_weights(prior: np.ndarray, log_prior: np.ndarray, log_evidence: np.ndarray) -> np.ndarray:
    """Return ``w_h`` proportional to ``pi_h L_h``, normalised: (hypothesis,).

    Equal inputs give exactly equal weights. Where the data say nothing the prior comes back to the last digit, so the
    product is taken outside of logs unless it underflows. Both the prior and its logarithm are given, for 1e-400 has
    only a logarithm.

    Raises
    ------
    InputError
        The data are impossible under every hypothesis to which the prior gives weight.
    """
    log_posterior = log_prior + log_evidence
    if not np.max(log_posterior) > -np.inf:
        raise InputError(
            "the data are impossible under every hypothesis that the prior gives weight; allow for noise, or list a "
            "hypothesis that could have made them"
        )
    values, _, place, _ = distinct(log_evidence)
    likelihood = np.exp(values - values[-1])[place]
    product = prior * likelihood
    if np.max(product) > 1e-200:
        return product / math.fsum(product.tolist())
    return normalise_log(log_posterior)
