"""Integrals with one mode and with several, found wherever they are."""

import math

import numpy as np
import pytest
from rational_cases import evidence
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.models.inference.quadrature import log_integral


@pytest.mark.parametrize(("centre", "width"), [(0, 1), (300, 0.01), (-200, 5), (3, 1e-4), (0, 30)])
def test_integrals_find_where_the_mass_is(centre, width):
    found = log_integral(lambda t: -0.5 * ((t - centre) / width) ** 2, (-8, 8))
    assert found.value == pytest.approx(math.log(width * math.sqrt(2 * math.pi)), abs=1e-10)
    drawn = found.draws(20_000, np.random.default_rng(1))
    assert abs(drawn.mean() - centre) < 5 * width / math.sqrt(20_000)
    assert abs(drawn.std() / width - 1) < 5 / math.sqrt(40_000)


def test_an_integrand_that_vanishes():
    assert log_integral(lambda t: np.full(len(t), -np.inf), (-1, 1)).value == -math.inf


def test_integrals_in_a_few_dimensions():
    from arviz_stats.base import array_stats

    from reward_hypotheses.models.inference.laplace import laplace, pareto_k

    rng = np.random.default_rng(3)
    for d in (1, 2, 4):
        root = rng.normal(size=(d, d)) + 2 * np.eye(d)
        precision = root @ root.T

        def f(phi, precision=precision, d=d):
            z = phi - 1.5
            return -0.5 * np.einsum("ni,ij,nj->n", z, precision, z)

        found = laplace(f, np.zeros((1, d)), np.random.default_rng(1))
        want = 0.5 * (d * math.log(2 * math.pi) - float(np.linalg.slogdet(precision)[1]))
        assert abs(found.value - want) < 5 * found.mcse < 0.05 and found.k_hat < 0.7
        assert np.abs(found.weights @ found.points - 1.5).max() < 0.1
    heavy = laplace(
        lambda phi: -np.log1p(phi[:, 0] ** 2), np.zeros((1, 1)), np.random.default_rng(1)
    )  # a Cauchy: no proposal has its tails
    assert heavy.k_hat > 0.1
    for shape in (-0.2, 0.3, 0.9):
        log_ratio = np.log(stats.genpareto(shape).rvs(20_000, random_state=np.random.default_rng(5)) + 1)
        _, theirs = array_stats.psislw(-log_ratio)
        assert pareto_k(log_ratio) == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.parametrize(
    ("n", "right", "mu", "sigma", "x"),
    [
        (10_000, 0.9, 0.0, 0.1, 0.001),  # the data's rationality lies 50 of the prior's deviations away: two modes
        (10_000, 0.99, -6.0, 0.1, 1.0),
        (100_000, 0.9, -8.0, 0.05, 1.0),
        (100_000, 0.6, 0.0, 20.0, 1.0),  # a prior so wide that its first grid sees a plateau
        (100_000, 0.6, -20.0, 20.0, 1.0),
        (20, 1.0, 0.0, 1.0, 1.0),  # never wrong: the likelihood rises for ever
        (1000, 0.1, 0.0, 1.0, 1.0),  # mostly wrong: it falls for ever
    ],
)
def test_modes_far_apart_are_both_found(n, right, mu, sigma, x):
    """Comparisons of one pair: against sums over a very fine grid around every place where mass can be."""
    won = np.arange(n) < round(right * n)
    data = {"x": np.tile([x, 0.0], (n, 1)), "c": np.stack([won, ~won], axis=1)}
    got, tree = evidence([rh.Choices(data, "c", scale="raw", rationality={"mu": mu, "sigma": sigma})], {"x": "x"})
    k = int(won.sum())

    def f(t):
        z = np.exp(t) * x
        return -k * np.logaddexp(0, -z) - (n - k) * np.logaddexp(0, z) - 0.5 * ((t - mu) / sigma) ** 2

    grid = np.unique(
        np.concatenate([np.linspace(-60, 60, 600_001), np.linspace(mu - 12 * sigma, mu + 12 * sigma, 200_001)])
    )
    y = f(grid)
    steps = np.diff(grid)
    top = y.max()
    mass = float(((np.exp(y[1:] - top) + np.exp(y[:-1] - top)) / 2 * steps).sum())
    want = top + math.log(mass) - math.log(sigma * math.sqrt(2 * math.pi))
    assert abs(got[0] - want) < max(1e-6, 1e-10 * abs(want))
    assert tree["evidence"]["mcse"].values[0] < 1e-8
