"""Shares of a population that go by each hypothesis: ``s ~ Dirichlet(alpha)``, likelihood ``prod_k sum_h s_h L_kh``."""

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
        Exact where the method is, else Rao and Blackwell's from the counts sampled.
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
    """Return the posterior of the shares: exactly where the vectors of counts are few, else by Gibbs sampling.

    Parameters
    ----------
    log_likelihood : ndarray (agent, hypothesis)
        ``log L_kh``, nats; -inf where the choices of agent k are impossible under h.
    alpha : ndarray (hypothesis,)
        Of the Dirichlet prior, positive.
    n : int
        Draws.
    """
    agents, hypotheses = log_likelihood.shape
    if (agents + 1) ** (hypotheses - 1) <= MOST_COUNTS:
        return exact(log_likelihood, alpha, n, rng)
    return gibbs(log_likelihood, alpha, n, rng)


def exact(log_likelihood: np.ndarray, alpha: np.ndarray, n: int, rng: np.random.Generator) -> Shares:
    """Return the mixture of Dirichlets over how many agents go by each hypothesis, added up agent by agent.

    ``p(c | D) ∝ f(c) Gamma(A) / Gamma(A + K) prod_h Gamma(alpha_h + c_h) / Gamma(alpha_h)``, A the sum of alpha and f(c)
    the sum, over who goes by what with these counts c, of ``prod_k L_kh``; draws are independent.
    """
    agents, hypotheses = log_likelihood.shape
    top = log_likelihood.max(axis=1, keepdims=True)
    likelihood, scale = np.exp(log_likelihood - top), float(top.sum())
    ways = np.zeros((agents + 1,) * (hypotheses - 1))
    ways[(0,) * (hypotheses - 1)] = 1.0
    for row in likelihood:
        more = ways * row[-1]
        for h in range(hypotheses - 1):
            lower = tuple(slice(None, -1) if k == h else slice(None) for k in range(hypotheses - 1))
            upper = tuple(slice(1, None) if k == h else slice(None) for k in range(hypotheses - 1))
            more[upper] += ways[lower] * row[h]
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
    gammas = rng.standard_gamma(alpha + counts[drawn])
    ends = math.lgamma(total_alpha) - math.lgamma(total_alpha + agents)
    return Shares(
        mean,
        np.sqrt(np.maximum(square - mean**2, 0.0)),
        np.zeros(hypotheses),
        gammas / gammas.sum(axis=1, keepdims=True),
        "exact",
        scale + peak + math.log(total) + ends,
    )


def gibbs(log_likelihood: np.ndarray, alpha: np.ndarray, n: int, rng: np.random.Generator) -> Shares:
    """Draw in turn who goes by what given the shares, and the shares given that; four chains from the prior.

    The Monte Carlo error is by batch means, the square root of the draws of a chain in a batch.
    """
    agents, hypotheses = log_likelihood.shape
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    each = -(-n // CHAINS)
    gammas = rng.standard_gamma(np.broadcast_to(alpha, (CHAINS, hypotheses)))
    share = gammas / gammas.sum(axis=1, keepdims=True)
    draws, means = np.empty((2, CHAINS, each, hypotheses))
    squares = np.empty((CHAINS, each, hypotheses))
    total_alpha = float(alpha.sum()) + agents
    for step in range(WARM + each):
        below = np.cumsum(share[:, None, :] * likelihood, axis=-1)
        taken = (rng.random((CHAINS, agents, 1)) * below[..., -1:] >= below).sum(axis=-1)
        taken = np.minimum(taken, hypotheses - 1)
        counts = np.stack([(taken == h).sum(axis=1) for h in range(hypotheses)], axis=-1)
        gammas = rng.standard_gamma(alpha + counts)
        share = gammas / gammas.sum(axis=1, keepdims=True)
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


def agent_weights(log_likelihood: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return each agent's weights, ``E[s_h L_kh / sum_j s_j L_kj]`` over draws of the shares: (agent, hypothesis)."""
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    out = np.zeros_like(likelihood)
    for some in np.array_split(draws, max(1, len(draws) // 500)):
        joint = some[:, None, :] * likelihood
        out += (joint / joint.sum(axis=-1, keepdims=True)).sum(axis=0)
    return out / len(draws)
