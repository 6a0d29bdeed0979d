"""Feedbacks of one human, some of whom have nuisances of their own beside the rationality that all share."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.boltzmann.likelihood import BoltzmannRational
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.laplace import DRAWS, K_HAT, Base, Weighted, laplace
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.inference.smc import smc

KEPT_CHAINS, KEPT_DRAWS = 4, 4000
WORK = 200_000_000  # numbers that the draws of one integral cost, at most
LEAST_DRAWS = 4000


def evidence_jointly(feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation]) -> list[Evidence]:
    """``log integral p(beta) prod_k [integral p(D_k | r_h, beta, c_k) p(c_k) dc_k] dbeta``, with its Monte Carlo error.

    Over all nuisances at once, by Laplace's approximation and importance sampling; by sequential Monte Carlo where the
    Pareto k-hat is above 0.7. The whole stands with the first feedback, and 0 with the others; all hold the classes of all
    together, and draws of their nuisances that go together.

    Parameters
    ----------
    feedback : sequence of Rational
        Of one human whose rationality is inferred.
    """
    each = [one.classes(valuation) for one, valuation in zip(feedback, valuations, strict=True)]
    together: dict[tuple[int, ...], int] = {}
    by_hypothesis = zip(*(c.tolist() for c in each), strict=True)
    classes = np.array([together.setdefault(key, len(together)) for key in by_hypothesis])
    _, first, inverse, _ = distinct(classes)
    priors: dict[str, Nuisance] = {}
    for one in feedback:
        priors |= {one.variable(key): prior for key, prior in one.nuisances.items()}
    values, errors, methods = np.empty(len(first)), np.empty(len(first)), []
    kept = np.empty((len(priors), KEPT_CHAINS * KEPT_DRAWS, len(first)))
    for c, h in enumerate(first.tolist()):
        said, cells = _said(feedback, valuations, int(h))
        rng = np.random.default_rng([31, c])
        method, found = _integrated(priors, said, int(np.clip(WORK // max(cells, 1), LEAST_DRAWS, DRAWS)), rng)
        values[c], errors[c] = found.value, found.mcse
        methods.append(method)
        below = np.cumsum(found.weights)
        evenly = (rng.random() + np.arange(kept.shape[1])) / kept.shape[1] * below[-1]
        rows = rng.permutation(np.minimum(np.searchsorted(below, evenly), len(below) - 1))
        for k, prior in enumerate(priors.values()):
            kept[k, :, c] = prior.from_line(found.points[rows, k])[0]
    draws = dict(zip(priors, kept[:, :, inverse].reshape(len(priors), KEPT_CHAINS, KEPT_DRAWS, -1), strict=True))
    nothing = np.zeros(len(classes))
    return [
        Evidence(
            values[inverse] if k == 0 else nothing,
            inverse,
            one.n_answers,
            mcse=errors[inverse] if k == 0 else nothing,
            draws={key: draws[one.variable(key)] for key in one.nuisances},
            method="smc" if "smc" in methods else "laplace",
        )
        for k, one in enumerate(feedback)
    ]


type Said = Callable[[dict[str, np.ndarray]], np.ndarray]


def _said(feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation], h: int) -> tuple[Said, int]:
    """Log likelihood of all that was said, of nuisances (point,) by variable: (point,); and the numbers that one costs."""
    parts = [one.part(valuation, h) for one, valuation in zip(feedback, valuations, strict=True)]

    def said(theta: dict[str, np.ndarray]) -> np.ndarray:
        mine = [{key: theta[one.variable(key)] for key in one.nuisances} for one in feedback]
        return np.sum([part.log_likelihoods(own) for part, own in zip(parts, mine, strict=True)], axis=0)

    return said, sum(part.inputs.size for part in parts)


def _integrated(
    priors: Mapping[str, Nuisance], said: Said, draws: int, rng: np.random.Generator
) -> tuple[str, Weighted]:
    """Over nuisances mapped to the line, (point, nuisance): by the quicker way if it can be trusted."""

    def at(phi: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        columns = zip(priors.items(), phi.T, strict=True)
        return {name: prior.from_line(column) for (name, prior), column in columns}

    def log_prior(phi: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = sum(priors[name].log_density(x) + jacobian for name, (x, jacobian) in at(phi).items())
        return np.where(np.isnan(found), -np.inf, found)

    def log_likelihood(phi: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            found = said({name: x for name, (x, _) in at(phi).items()})
        return np.where(np.isnan(found), -np.inf, found)

    def drawn(n: int, rng: np.random.Generator) -> np.ndarray:
        return np.stack([prior.to_line(prior.draws((n,), rng)) for prior in priors.values()], axis=-1)

    start = np.array([[float(prior.to_line(np.array([prior.start]))[0]) for prior in priors.values()]])
    base = Base(log_prior, drawn)
    found = laplace(lambda phi: log_prior(phi) + log_likelihood(phi), start, rng, draws=draws, base=base)
    if found.k_hat <= K_HAT and np.isfinite(found.value):
        return "laplace", found
    return "smc", smc(log_prior, log_likelihood, drawn, rng)
