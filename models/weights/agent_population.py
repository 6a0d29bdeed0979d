"""Posterior of the shares of a population that follow each hypothesis.

The prior is ``s ~ Dirichlet(alpha)``, the likelihood ``prod_k sum_h s_h L_kh`` over agents k.
"""

import math
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.inference.special import log_gamma

MOST_COUNTS = 400_000
"""Vectors of counts, over all of which the posterior is added up exactly; beyond, Gibbs sampling."""
CHAINS, WARM = 4, 500


@dataclass(frozen=True, eq=False)
class Shares:
    """Posterior of the shares.

    Attributes
    ----------
    mean, sd : ndarray (hypothesis,)
        Exact, or Rao-Blackwell estimates from sampled counts.
    mcse : ndarray (hypothesis,)
        Monte Carlo error of the mean; 0 where exact.
    draws : ndarray (draw, hypothesis)
    method : {"exact", "gibbs"}
    log_evidence : float
        ``log E[prod_k sum_h s_h L_kh]`` over the prior, nats; NaN where sampled.
    """

    mean: np.ndarray
    sd: np.ndarray
    mcse: np.ndarray
    draws: np.ndarray
    method: str
    log_evidence: float


def shares_of(log_likelihood: np.ndarray, alpha: np.ndarray, n: int, rng: np.random.Generator) -> Shares:
    """Return the posterior of the shares, exactly or by Gibbs sampling.

    Exactly where there are at most 400,000 vectors of counts.

    Parameters
    ----------
    log_likelihood : ndarray (agent, hypothesis)
        ``log L_kh``, nats; -inf where the choices of agent k are impossible under h.
    alpha : ndarray (hypothesis,)
        Parameters of the Dirichlet prior, positive.
    n : int
        Number of draws.
    """
    agents, hypotheses = log_likelihood.shape
    if (agents + 1) ** (hypotheses - 1) <= MOST_COUNTS:
        return exact(log_likelihood, alpha, n, rng)
    return gibbs(log_likelihood, alpha, n, rng)


def exact(log_likelihood: np.ndarray, alpha: np.ndarray, n: int, rng: np.random.Generator) -> Shares:
    """Return the exact posterior: a mixture of Dirichlets over counts.

    The counts c say how many agents follow each hypothesis.
    ``p(c | D) ∝ f(c) Gamma(A) / Gamma(A + K) prod_h Gamma(alpha_h + c_h) / Gamma(alpha_h)``, with A the sum of alpha, K
    the number of agents, and f(c) the sum of ``prod_k L_kh`` over the assignments with counts c, computed agent by
    agent. Draws are independent.
    """
    agents, hypotheses = log_likelihood.shape
    top = log_likelihood.max(axis=1, keepdims=True)
    likelihood, scale = np.exp(log_likelihood - top), float(top.sum())
    ways = np.zeros((agents + 1,) * (hypotheses - 1))
    ways[(0,) * (hypotheses - 1)] = 1.0
    for row in likelihood:
        more = ways * row[-1]
        for h in range(hypotheses - 1):
            upper = np.moveaxis(more, h, 0)[1:]  # a view: one agent more goes by h
            upper += np.moveaxis(ways, h, 0)[:-1] * row[h]
        largest = float(more.max())
        ways, scale = more / largest, scale + math.log(largest)
    counts = np.stack(np.nonzero(ways), axis=-1)
    counts = np.concatenate([counts, agents - counts.sum(axis=1, keepdims=True)], axis=1)
    total_alpha = float(alpha.sum())
    rising = log_gamma(alpha + np.arange(agents + 1)[:, None]) - log_gamma(alpha)  # (count, hypothesis)
    log_mass = np.log(ways[ways > 0]) + rising[counts, np.arange(hypotheses)].sum(axis=1)
    peak = float(log_mass.max())
    mass = np.exp(log_mass - peak)
    total = math.fsum(mass.tolist())
    mass /= total
    posterior_mean = (alpha + counts) / (total_alpha + agents)
    mean = mass @ posterior_mean
    square = mass @ (posterior_mean * (alpha + counts + 1) / (total_alpha + agents + 1))
    drawn = rng.choice(len(mass), n, p=mass)
    ends = math.lgamma(total_alpha) - math.lgamma(total_alpha + agents)
    return Shares(
        mean,
        np.sqrt(np.maximum(square - mean**2, 0.0)),
        np.zeros(hypotheses),
        _dirichlet(alpha + counts[drawn], rng),
        "exact",
        scale + peak + math.log(total) + ends,
    )


def gibbs(log_likelihood: np.ndarray, alpha: np.ndarray, n: int, rng: np.random.Generator) -> Shares:
    """Return the posterior by Gibbs sampling in four chains from the prior.

    The assignment of agents given the shares and the shares given the assignment are drawn in turn. The Monte Carlo
    error is by batch means; a batch holds the square root of the number of a chain's draws.
    """
    agents, hypotheses = log_likelihood.shape
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    each = -(-n // CHAINS)
    share = _dirichlet(np.broadcast_to(alpha, (CHAINS, hypotheses)), rng)
    draws, means = np.empty((2, CHAINS, each, hypotheses))
    squares = np.empty((CHAINS, each, hypotheses))
    total_alpha = float(alpha.sum()) + agents
    for step in range(WARM + each):
        below = np.cumsum(share[:, None, :] * likelihood, axis=-1)
        taken = (rng.random((CHAINS, agents, 1)) * below[..., -1:] >= below).sum(axis=-1)
        taken = np.minimum(taken, hypotheses - 1)
        counts = np.stack([(taken == h).sum(axis=1) for h in range(hypotheses)], axis=-1)
        share = _dirichlet(alpha + counts, rng)
        if step >= WARM:
            draws[:, step - WARM] = share
            means[:, step - WARM] = (alpha + counts) / total_alpha
            squares[:, step - WARM] = (alpha + counts) * (alpha + counts + 1) / (total_alpha * (total_alpha + 1))
    size = max(1, math.isqrt(each))
    batches = means[:, : each // size * size].reshape(CHAINS, -1, size, hypotheses).mean(axis=2).reshape(-1, hypotheses)
    mean = means.mean(axis=(0, 1))
    return Shares(
        mean,
        np.sqrt(np.maximum(squares.mean(axis=(0, 1)) - mean**2, 0.0)),
        batches.std(axis=0, ddof=1) / math.sqrt(len(batches)),
        draws.reshape(-1, hypotheses)[:n],
        "gibbs",
        math.nan,
    )


def _dirichlet(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw shares, once for each row of parameters: (row, hypothesis)."""
    gammas = rng.standard_gamma(alpha)
    return gammas / gammas.sum(axis=1, keepdims=True)


def agent_weights(log_likelihood: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the posterior weights of each agent: (agent, hypothesis).

    ``E[s_h L_kh / sum_j s_j L_kj]`` over draws of the shares.
    """
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    out = np.zeros_like(likelihood)
    for some in np.array_split(draws, max(1, len(draws) // 500)):
        joint = some[:, None, :] * likelihood
        out += (joint / joint.sum(axis=-1, keepdims=True)).sum(axis=0)
    return out / len(draws)
