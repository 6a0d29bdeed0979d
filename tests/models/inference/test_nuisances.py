"""Priors of nuisances, and bridge sampling against closed forms."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from reward_hypotheses.models.inference.bridge_sampling import bridge
from reward_hypotheses.models.inference.nuisance_priors import BetaBelowHalf, InverseGamma

NUISANCES = [
    BetaBelowHalf(1, 19),
    BetaBelowHalf(3, 2),
    BetaBelowHalf(0.3, 0.4),
    InverseGamma(2, 3),
    InverseGamma(0.5, 0.1),
]


@pytest.mark.parametrize("prior", NUISANCES, ids=repr)
def test_conformance_of_nuisances(prior):
    """The density integrates to 1, its draws have it, and the map to the line is a map with that Jacobian."""
    phi = np.linspace(-12, 12, 49)
    x, log_jacobian = prior.from_line(phi)
    assert ((x > prior.low) & (x < prior.high)).all() and prior.low < prior.start < prior.high
    np.testing.assert_allclose(prior.to_line(x), phi, atol=1e-9)
    step = 1e-5
    slope = (prior.from_line(phi + step)[0] - prior.from_line(phi - step)[0]) / (2 * step)
    np.testing.assert_allclose(np.exp(log_jacobian), slope, rtol=1e-6)

    line = np.linspace(-200, 200, 400_001)
    point, jacobian = prior.from_line(line)
    with np.errstate(all="ignore"):  # at the far ends of the line the point is an end of the support
        density = np.nan_to_num(np.exp(prior.log_density(point) + jacobian))
    below = integrate.cumulative_simpson(density, x=line, initial=0)
    assert below[-1] == pytest.approx(1, abs=1e-8)
    draws = prior.to_line(prior.draws((5000,), np.random.default_rng(1)))
    assert stats.kstest(np.interp(draws, line, below), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("prior", [NUISANCES[0], NUISANCES[3]], ids=repr)
def test_nuisances_in_pymc(prior):
    """PyMC's density is ours (to what its incomplete beta function is worth), on the line and at its ends."""
    import pymc as pm

    with pm.Model(coords={"h": [0, 1]}) as model:
        variable = prior.pymc("x", "h")
    value = model.rvs_to_values[variable]
    logp = model.compile_logp(jacobian=True, sum=False)
    for phi in (-8.0, -1.0, 0.7, 6.0):
        x, log_jacobian = prior.from_line(np.full(2, phi))
        got = np.asarray(logp({value.name: np.full(2, phi)})[0])
        np.testing.assert_allclose(got, prior.log_density(x) + log_jacobian, atol=1e-6)
    start = model.initial_point()[value.name]
    np.testing.assert_allclose(prior.from_line(start)[0], prior.start)


def test_the_bridge_against_closed_forms():
    """Gaussians of three dimensions and logs of gammas: right, and by as much wrong as it says."""
    scores = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        root = np.array([[1.0, 0, 0], [0.8, 0.5, 0], [-2.0, 0.3, 3.0]])
        draws = rng.standard_normal((4, 500, 3)) @ root.T + 5
        inverse = np.linalg.inv(root)
        value, mcse = bridge(lambda x, i=inverse: -0.5 * (((x - 5) @ i.T) ** 2).sum(axis=1) + 700, draws, rng)
        want = 700 + 1.5 * math.log(2 * math.pi) + math.log(1.5)
        scores.append((value - want) / mcse)
        a = (0.4, 3.0, 200.0)[seed % 3]
        phi = np.log(rng.standard_gamma(a, (4, 500, 1)))
        value, mcse = bridge(lambda x, a=a: a * x[:, 0] - np.exp(x[:, 0]), phi, rng)
        assert mcse < 0.02
        scores.append((value - math.lgamma(a)) / mcse)
    assert max(map(abs, scores)) < 5.5  # 120 scores: a false alarm in 2e5 runs
    assert 0.7 < math.sqrt(np.mean(np.square(scores))) < 1.35
    nowhere = bridge(lambda x: np.full(len(x), np.nan), np.zeros((4, 100, 1)) + np.arange(100)[:, None], rng)
    assert np.isnan(nowhere).all()
