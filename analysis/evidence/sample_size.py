"""Sample sizes: the expected log Bayes factor by the number of items.

The expectation is over simulated data.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import Likelihood
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.inference.nuisance_priors import LogNormal
from reward_hypotheses.models.posterior import Posterior

SIZES = (1, 2, 3, 5, 7, 10, 15, 20, 50, 100, 200, 500, 1000)
ODDS = (20.0, 150.0)
"""Strong and very strong evidence (Kass and Raftery 1995)."""
FIRST, ROWS = 20, 32
"""Items whose likelihoods are computed one by one, and replications, of kinds with a rationality."""
MOST = 8
"""Number of classes of hypotheses that are simulated, the weightiest."""
REPLICATIONS = 100
WORK = 20_000_000
"""Numbers that a simulation of a kind with a rationality works on, about."""
REACH, NODES, FINE = 5.0, 49, 513
"""Of a rationality: standard deviations of its logarithm on either side; points where the likelihood is computed; points
where the interpolating polynomial is integrated."""
WIDEST = 2.0
"""Greatest standard deviation of the logarithm of a rationality for which `NODES` points are enough."""


@dataclass(frozen=True, eq=False)
class ExpectedFactors:
    """Expected log Bayes factors of one feedback, by the number of its items.

    Attributes
    ----------
    sizes : ndarray (size,)
    place : dict of int to int
        Row of each simulated hypothesis; hypotheses between which the feedback is silent share a row.
    mean, mcse : ndarray (truth, other, size)
        ``E[log p(D_n | truth) - log p(D_n | other)]`` over data of the truth, nats, and its Monte Carlo error; inf where
        data of the truth can be impossible under the other hypothesis.
    replications : int
    """

    sizes: np.ndarray
    place: dict[int, int]
    mean: np.ndarray
    mcse: np.ndarray
    replications: int

    def items(self, truth: int, other: int, odds: float) -> tuple[float, float]:
        """Return the fewest items whose expected log Bayes factor passes ``log(odds)``.

        The log odds are ``log(odds)``; the Monte Carlo error of the number follows. The expectation is
        interpolated linearly between sizes. NaN, twice, where it stays below up to the largest size.
        """
        i, j = self.place[truth], self.place[other]
        mean, error = self.mean[i, j], self.mcse[i, j]
        above = np.flatnonzero(mean >= math.log(odds))
        if not len(above):
            return math.nan, math.nan
        k = int(above[0])
        before, at = (0.0, 0.0) if k == 0 else (float(self.sizes[k - 1]), float(mean[k - 1]))
        if math.isinf(mean[k]):
            return float(self.sizes[k]), 0.0
        slope = (float(mean[k]) - at) / (float(self.sizes[k]) - before)
        return math.ceil(before + (math.log(odds) - at) / slope - 1e-9), float(error[k]) / slope


def expected_factors(posterior: Posterior, k: int, rng: np.random.Generator) -> ExpectedFactors | None:
    """Simulate data of one feedback, and weigh hypotheses by the first n items.

    Items are drawn from the items of training, with replacement. Answers are drawn from the model under the true
    hypothesis, with the nuisance drawn from ``p(theta | D, h)``, so that the noise is as in training. The evidence of these
    data uses the prior of the nuisance, so that the expected log Bayes factor is not n times a constant.

    Parameters
    ----------
    k : int
        Number of the feedback.

    Returns
    -------
    ExpectedFactors or None
        None for a proxy, for kinds whose evidence is more than a sum or an integral over one rationality, and where all
        hypotheses have continuous weights.
    """
    feedback, valuation = posterior.feedback[k], posterior.valuations[k]
    if not _can_simulate(feedback):
        return None
    fixed = [h for h in np.argsort(-posterior.weights, kind="stable").tolist() if h in posterior.hypotheses.fixed]
    classes = posterior.evidence[k].classes
    first: dict[int, int] = {}
    for h in fixed:
        if len(first) < MOST:
            first.setdefault(int(classes[h]), h)
    if not first:
        return None
    place = {h: list(first).index(int(classes[h])) for h in fixed if int(classes[h]) in first}
    inputs = np.array([feedback.at(valuation, h) for h in first.values()])
    rows = REPLICATIONS if isinstance(feedback, ClosedForm) else ROWS
    drawn = feedback.draws(posterior.evidence[k], np.array(list(first.values())), rows, rng)
    if isinstance(feedback, ClosedForm):
        log_evidence = _in_closed_form(feedback, inputs, drawn, rng)
    else:
        assert isinstance(feedback, Rational)
        log_evidence = _by_quadrature(feedback, inputs, drawn, rng)
    of_truth = np.diagonal(log_evidence, axis1=0, axis2=2).transpose(2, 0, 1)[:, :, None, :]
    with np.errstate(invalid="ignore"):
        factors = np.where(of_truth == log_evidence, 0.0, of_truth - log_evidence)  # (truth, replication, other, size)
        mean, error = factors.mean(axis=1), factors.std(axis=1, ddof=1) / math.sqrt(factors.shape[1])
    n = factors.shape[-1]
    return ExpectedFactors(np.array(SIZES[:n]), place, mean, np.where(np.isfinite(mean), error, 0.0), factors.shape[1])


def _can_simulate(feedback: Feedback) -> bool:
    if isinstance(feedback, ClosedForm):
        return True
    if not isinstance(feedback, Rational) or not feedback.symbolic or feedback.kind == "proxy":
        return False
    prior = feedback.nuisances.get("rationality")
    return set(feedback.nuisances) <= {"rationality"} and (not isinstance(prior, LogNormal) or prior.sigma <= WIDEST)


def _in_closed_form(
    feedback: ClosedForm, inputs: np.ndarray, drawn: Mapping[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return log evidence of simulated data of a kind in closed form.

    Shape (truth, replication, hypothesis, size); nuisances of the data are drawn.
    """
    n, most = len(inputs), SIZES[-1]
    out = np.zeros((n, REPLICATIONS, n, len(SIZES)))
    for truth in tracked(range(n), what="simulated sample sizes"):
        items = feedback.unit_of(rng.integers(feedback.n_answers, size=(REPLICATIONS, most)))
        answers = np.empty((REPLICATIONS, most), np.asarray(feedback.observed).dtype)
        for row in range(REPLICATIONS):
            theta = {name: draws[row : row + 1, truth] for name, draws in drawn.items()}
            answers[row] = feedback.replicate(inputs[truth, items[row]], theta, 1, rng)[0]
        at = np.array(SIZES) - 1
        terms = (feedback.terms(of_hypothesis[items], answers) for of_hypothesis in inputs)
        sums = np.array([np.cumsum(of_items, axis=-1, dtype=float)[..., at] for of_items in terms])
        rows = sums.transpose(0, 2, 1, 3)  # (hypothesis, replication, statistic, size)
        for s, size in enumerate(SIZES):
            log_evidence = feedback.log_marginal(rows[..., s].reshape(n * REPLICATIONS, -1), size)
            out[truth, :, :, s] = np.reshape(log_evidence, (n, REPLICATIONS)).T
    return out


def _by_quadrature(
    feedback: Rational, inputs: np.ndarray, drawn: Mapping[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Return log evidence of simulated data, the rationality integrated out.

    Shape (truth, replication, hypothesis, size).
    """
    prior = feedback.nuisances.get("rationality")
    rule = _rule(prior) if isinstance(prior, LogNormal) else None
    theta = {} if rule is None else {"rationality": np.exp(rule[0])}
    n, width, nodes = len(inputs), int(np.prod(inputs.shape[2:], initial=1)), 1 if rule is None else NODES
    each = n * n * ROWS * width * nodes
    sizes = [size for size in SIZES if size <= max(FIRST, WORK // each)]
    out = np.zeros((n, ROWS, n, len(sizes)))
    few = np.array([size for size in sizes if size <= FIRST]) - 1
    for truth in tracked(range(n), what="simulated sample sizes"):
        at = np.zeros((ROWS, n, len(sizes), nodes))
        for row in tracked(range(ROWS)):
            units = feedback.unit_of(rng.integers(feedback.n_answers, size=sizes[-1]))
            theta_row = {name: draws[row : row + 1, truth] for name, draws in drawn.items()}
            replicated = feedback.replicate_units(inputs[truth, units], theta_row, 1, rng, units)
            answers = np.asarray(replicated)[0].astype(float)
            columns = {name: values[:, None] for name, values in theta.items()}
            for h in range(n):
                ll = np.atleast_2d(feedback.log_likelihood(inputs[h, units[:FIRST]], columns, answers[:FIRST], np))
                at[row, h, : len(few)] = np.cumsum(ll, axis=1)[:, few].T
            for s, (lo, hi) in enumerate(itertools.pairwise(sizes[len(few) - 1 :]), start=len(few)):
                for h, part in enumerate(_parts(feedback, inputs[:, units[lo:hi]], answers[lo:hi])):
                    at[row, h, s] = at[row, h, s - 1] + part.log_likelihoods(theta)
        out[truth] = at[..., 0] if rule is None else _integrated(at, *rule[1:])
    return out


def _parts(feedback: Rational, inputs: np.ndarray, answers: np.ndarray) -> Iterator[Likelihood]:
    """Yield the likelihood of some answers under each hypothesis.

    `inputs` has shape (hypothesis, unit, ...).
    """
    counts = np.ones(len(answers))
    stages = feedback.as_stages(answers, inputs[0] > -np.inf, None)
    for of_hypothesis in inputs:
        steps = None if stages is None else stages.steps(feedback.options(of_hypothesis))
        yield Likelihood(feedback, of_hypothesis, answers, counts, steps)


def _integrated(at: np.ndarray, interpolate: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    """Return log integrals of log likelihoods known at the nodes (..., node): (...)."""
    f = at.reshape(-1, at.shape[-1]) @ interpolate.T + log_weights
    top = f.max(axis=-1)
    return np.asarray(top + np.log(np.exp(f - top[:, None]).sum(axis=-1))).reshape(at.shape[:-1])


def _rule(prior: LogNormal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a quadrature rule over the logarithm of the rationality.

    Chebyshev points of ``t = log beta``, the interpolation to a fine grid, and log weights on the grid.

    The log likelihood is smooth in t for any number of items, so that a polynomial interpolates it. The integrand narrows
    with the number of items and needs many points.
    """
    half = REACH * prior.sigma
    k = np.arange(NODES)
    x = np.cos(np.pi * k / (NODES - 1))
    weights = np.where(k % 2, -1.0, 1.0)
    weights[[0, -1]] /= 2
    fine = np.linspace(-1.0, 1.0, FINE)
    apart = fine[:, None] - x
    exact = np.abs(apart) < 1e-14
    terms = weights / np.where(exact, 1.0, apart)
    matrix = terms / terms.sum(axis=1, keepdims=True)
    matrix[exact.any(axis=1)] = exact[exact.any(axis=1)]
    step = 2 * half / (FINE - 1)
    log_weights = prior.log_density_of_log(prior.mu + half * fine) + math.log(step)
    log_weights[[0, -1]] -= math.log(2.0)
    return prior.mu + half * x, matrix, log_weights


def sample_size_document(posterior: Posterior, seed: int) -> dict[str, Any]:
    """Return the expected log Bayes factors of each feedback, as plain numbers."""
    names = posterior.hypotheses.names
    document: dict[str, Any] = {}
    for k, feedback in enumerate(posterior.feedback):
        simulated = expected_factors(posterior, k, substream(seed, f"telling {feedback.name}"))
        if simulated is None:
            document[str(feedback.name)] = None
            continue
        classes: dict[int, list[int]] = {}
        for h, place in sorted(simulated.place.items()):
            classes.setdefault(place, []).append(h)
        first = {place: max(members, key=lambda h: posterior.weights[h]) for place, members in classes.items()}
        pairs = []
        for (i, truth), (j, other) in itertools.permutations(sorted(first.items(), key=lambda item: item[1]), 2):
            needed = {repr(odds): simulated.items(truth, other, odds) for odds in ODDS}
            pairs.append(
                {
                    "truth": names[truth],
                    "other": names[other],
                    "log_bayes_factor": simulated.mean[i, j].tolist(),
                    "mcse": simulated.mcse[i, j].tolist(),
                    "items": {key: None if math.isnan(n) else int(n) for key, (n, _) in needed.items()},
                    "items_mcse": {key: error for key, (_, error) in needed.items()},
                }
            )
        document[str(feedback.name)] = {
            "sizes": simulated.sizes.tolist(),
            "replications": simulated.replications,
            "classes": [[names[h] for h in members] for _, members in sorted(classes.items())],
            "pairs": pairs,
        }
    return document


class SampleSize(Section[Document]):
    """Number of items that separate two hypotheses, feedback by feedback."""

    keys = ("telling",)

    @override
    def compute(self, case: Case) -> Document:
        return sample_size_document(case.posterior.of_rules(), case.seed)
