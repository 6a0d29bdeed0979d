"""Evidence of feedbacks of one human with several nuisances.

All feedbacks share the rationality; some have other nuisances of their own.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.boltzmann.likelihood import BoltzmannRational
from reward_hypotheses.models.feedback.evidence import Evidence, common_classes
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.laplace import DRAWS, K_HAT, Base, Weighted, laplace
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.inference.smc import smc

KEPT_CHAINS, KEPT_DRAWS = 4, 4000
WORK = 200_000_000  # numbers that the draws of one integral cost, at most
LEAST_DRAWS = 4000


def evidence_jointly(feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation]) -> list[Evidence]:
    """Return the evidence of feedbacks of one human with further nuisances.

    One integral covers all nuisances.

    The log evidence is ``log integral p(beta) prod_k [integral p(D_k | r_h, beta, c_k) p(c_k) dc_k] dbeta``. It is found by
    Laplace's approximation and importance sampling, or by sequential Monte Carlo where the Pareto k-hat is above 0.7. Every
    feedback gets the classes of all feedbacks together (see `Evidence.beside`). The draws of its nuisances belong to the
    same joint draws as those of the other feedbacks.

    Parameters
    ----------
    feedback : sequence of Rational
        Of one human whose rationality is inferred.
    """
    classes = common_classes([each.classes(valuation) for each, valuation in zip(feedback, valuations, strict=True)])
    _, first, inverse, _ = distinct(classes)
    priors: dict[str, Nuisance] = {}
    for each in feedback:
        priors |= {each.variable(key): prior for key, prior in each.nuisances.items()}
    values, errors, methods = np.empty(len(first)), np.empty(len(first)), []
    points = np.empty((len(priors), KEPT_CHAINS * KEPT_DRAWS, len(first)))
    for c, h in enumerate(first.tolist()):
        log_likelihood, cells = _likelihood_of(feedback, valuations, int(h))
        rng = np.random.default_rng([31, c])
        n = int(np.clip(WORK // max(cells, 1), LEAST_DRAWS, DRAWS))
        method, sample = _integrated(priors, log_likelihood, n, rng)
        values[c], errors[c] = sample.value, sample.mcse
        methods.append(method)
        rows = sample.resampled(points.shape[1], rng)
        for k, prior in enumerate(priors.values()):
            points[k, :, c] = prior.from_line(sample.points[rows, k])[0]
    draws = dict(zip(priors, points[:, :, inverse].reshape(len(priors), KEPT_CHAINS, KEPT_DRAWS, -1), strict=True))
    return [
        Evidence(
            values[inverse],
            inverse,
            each.n_answers,
            mcse=errors[inverse],
            draws={key: draws[each.variable(key)] for key in each.nuisances},
            method="smc" if "smc" in methods else "laplace",
        ).beside(first=k == 0)
        for k, each in enumerate(feedback)
    ]


type LogLikelihood = Callable[[dict[str, np.ndarray]], np.ndarray]


def _likelihood_of(
    feedback: Sequence[BoltzmannRational], valuations: Sequence[Valuation], h: int
) -> tuple[LogLikelihood, int]:
    """Return the log likelihood of all answers, and its size in floats.

    The log likelihood is a function of the nuisances by variable, (point,) each.
    """
    parts = [
        (each.likelihood(valuation, h), {key: each.variable(key) for key in each.nuisances})
        for each, valuation in zip(feedback, valuations, strict=True)
    ]

    def log_likelihood(theta: dict[str, np.ndarray]) -> np.ndarray:
        each = [
            likelihood.log_likelihoods({key: theta[variable] for key, variable in variables.items()})
            for likelihood, variables in parts
        ]
        return np.asarray(np.sum(each, axis=0))

    return log_likelihood, sum(likelihood.inputs.size for likelihood, _ in parts)


def _integrated(
    priors: Mapping[str, Nuisance], log_likelihood: LogLikelihood, draws: int, rng: np.random.Generator
) -> tuple[str, Weighted]:
    """Integrate the likelihood over the nuisances.

    Nuisances are mapped to the real line: (point, nuisance). Laplace's approximation is used where it can be trusted,
    else sequential Monte Carlo. Returns the name of the method, and the weighted draws.
    """

    def at(phi: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        columns = zip(priors.items(), phi.T, strict=True)
        return {name: prior.from_line(column) for (name, prior), column in columns}

    def log_prior(phi: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            density = sum(priors[name].log_density(x) + jacobian for name, (x, jacobian) in at(phi).items())
        return np.where(np.isnan(density), -np.inf, density)

    def on_line(phi: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            values = log_likelihood({name: x for name, (x, _) in at(phi).items()})
        return np.where(np.isnan(values), -np.inf, values)

    def prior_draws(n: int, rng: np.random.Generator) -> np.ndarray:
        return np.stack([prior.to_line(prior.draws((n,), rng)) for prior in priors.values()], axis=-1)

    start = np.array([[float(prior.to_line(np.array([prior.start]))[0]) for prior in priors.values()]])
    base = Base(log_prior, prior_draws)
    sample = laplace(lambda phi: log_prior(phi) + on_line(phi), start, rng, draws=draws, base=base)
    if sample.k_hat <= K_HAT and np.isfinite(sample.value):
        return "laplace", sample
    return "smc", smc(log_prior, on_line, prior_draws, rng)
