"""The posterior over hypotheses: one evidence, which every prior reweights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.arrays import distinct
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.catastrophe import FailureLine
from reward_hypotheses.models.feedback.base import Evidence, Feedback
from reward_hypotheses.models.hypotheses import Hypotheses
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.special import log_sum_exp, normalise_log
from reward_hypotheses.models.valuation import Valuation


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the data say about the hypotheses, and what somebody holds who accepts them.

    Attributes
    ----------
    hypotheses : Hypotheses
    prior : Prior
        The judge's.
    log_prior : ndarray (hypothesis,)
    log_evidence : ndarray (hypothesis,)
        Sum over feedbacks, nats; nuisances integrated out; -inf where the data are impossible.
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class cannot be told apart by any feedback given: training is silent between them.
    weights : ndarray (hypothesis,)
        The judge's posterior weights.
    feedback, valuations, evidence : tuple
        One a feedback.
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

    def reweighted(self, prior: Prior | None) -> np.ndarray:
        """Posterior weights under another prior (None: the judge's) and the same evidence: (hypothesis,).

        Raises
        ------
        InputError
            The data are impossible under every hypothesis to which that prior gives weight.
        """
        if prior is None:
            return self.weights
        return posterior_weights(prior.weights_of(self.hypotheses), prior.log_prior(self.hypotheses), self.log_evidence)

    def draws(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw value priors from ``p(pi | data)``, the weights that follow, and the hypotheses they were drawn with.

        Two arrays (draw, hypothesis), and the index of a hypothesis (draw,).

        A hypothesis is drawn from the weights, then pi given it; only so is the mean of the weights drawn the posterior
        weight (draws from ``p(pi)`` would leave the data out).
        """
        truths = rng.choice(len(self.weights), n, p=self.weights)
        pi = self.prior.draws(self.hypotheses, truths, rng)
        with np.errstate(divide="ignore"):
            log_weights = np.log(pi) + self.log_evidence
        log_weights -= log_weights.max(axis=1, keepdims=True)
        weights = np.exp(log_weights)
        return pi, weights / weights.sum(axis=1, keepdims=True), truths

    def within_classes(self, prior: Prior | None) -> np.ndarray:
        """A prior (None: the judge's) normalised within each silent class, uniform where it is 0 there: (hypothesis,).

        It is what data of this kind leave of the prior, however many there are.
        """
        prior = self.prior if prior is None else prior
        weights, log_weights = prior.weights_of(self.hypotheses), prior.log_prior(self.hypotheses)
        out = np.empty(len(weights))
        for members in self.members():
            if np.max(log_weights[members]) > -np.inf:
                out[members] = posterior_weights(weights[members], log_weights[members], np.zeros(len(members)))
            else:
                out[members] = 1.0 / len(members)
        return out

    def members(self) -> list[np.ndarray]:
        """Indices of the hypotheses of each silent class."""
        return [np.flatnonzero(self.classes == c) for c in range(int(self.classes.max()) + 1)]


def posterior_weights(prior: np.ndarray, log_prior: np.ndarray, log_evidence: np.ndarray) -> np.ndarray:
    """``w_h`` proportional to ``pi_h L_h``, normalised; equal inputs give exactly equal weights.

    Where the data say nothing the prior comes back to the last digit, so the product is taken outside of logs unless it
    underflows there. Both the prior and its logarithm are given, for 1e-400 has only the latter.
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


def weigh(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    valuations: Sequence[Valuation] | None = None,
) -> Posterior:
    """Weigh hypotheses by feedback: ``w_h`` proportional to ``pi_h prod_k p(D_k | r_h)``, nuisances integrated out.

    Raises
    ------
    InputError
        What a prior or feedback refuses, or data that are impossible under every hypothesis.
    """
    if valuations is None:
        valuations = [Valuation(hypotheses, one.items, line, for_labels=True) for one in feedback]
    evidence = [one.evidence(valuation) for one, valuation in zip(feedback, valuations, strict=True)]
    log_prior = prior.log_prior(hypotheses)
    together: dict[tuple[int, ...], int] = {}
    by_hypothesis = zip(*(e.classes.tolist() for e in evidence), strict=True)
    classes = np.array([together.setdefault(key, len(together)) for key in by_hypothesis])
    log_evidence = np.array([e.log_evidence for e in evidence]).sum(axis=0)
    return Posterior(
        hypotheses=hypotheses,
        prior=prior,
        log_prior=log_prior,
        log_evidence=log_evidence,
        classes=classes,
        weights=posterior_weights(prior.weights_of(hypotheses), log_prior, log_evidence),
        feedback=tuple(feedback),
        valuations=tuple(valuations),
        evidence=tuple(evidence),
    )


def log_marginal(posterior: Posterior) -> float:
    """``log sum_h pi_h L_h``, nats: how well the judge's prior predicted the data."""
    return log_sum_exp(posterior.log_prior + posterior.log_evidence)
