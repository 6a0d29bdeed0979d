"""Integrals of densities that are narrow, shifted, skewed or in two places: against closed forms and quadrature."""

import math

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from reward_hypotheses.models.inference.laplace import Base, laplace
from reward_hypotheses.models.inference.quadrature import highest, log_integral, log_integral_of_one_hill
from reward_hypotheses.models.inference.smc import smc

EXACT = 2e-10


def log_gamma_density(a, b):
    """Of ``t = log x``, x gamma distributed: skewed to the left, steeply cut to the right; over the line it is Gamma(a) / b^a."""
    with mpmath.workdps(40):
        over_top = float(mpmath.loggamma(a) - a * mpmath.log(mpmath.mpf(a)) + a)  # b moves it, and no more
    middle = math.log(a / b)

    def f(t):
        with np.errstate(over="ignore"):
            return -a * (np.expm1(t - middle) - (t - middle))  # less its top

    return f, over_top, middle


def log_logistic_density(a, b):
    """Of the logit of a beta variable: both tails exponential, of their own slope; over the line it is B(a, b)."""
    with mpmath.workdps(40):
        want = float(mpmath.log(mpmath.beta(a, b)))
    return (lambda t: -a * np.logaddexp(0, -t) - b * np.logaddexp(0, t)), want


@pytest.mark.parametrize("start", [(-8, 8), (-1, 1), (20, 21), (-300, 200)])
@pytest.mark.parametrize("b", [1.0, 1e-20, 1e30])
@pytest.mark.parametrize("a", [0.3, 3.0, 1e3, 1e7])
def test_skewed_densities(a, b, start):
    f, want, middle = log_gamma_density(a, b)
    found = log_integral(f, start)
    assert found.value == pytest.approx(want, abs=EXACT) and found.error == 0
    assert found.nodes[0] < middle < found.nodes[-1]
    at = found.quantiles(np.array([0.001, 0.1, 0.5, 0.9, 0.999]))
    shares = special.gammainc(a, a * np.exp(at - middle))
    np.testing.assert_allclose(shares, [0.001, 0.1, 0.5, 0.9, 0.999], atol=1e-4)
    assert found.shares() @ found.nodes == pytest.approx(float(mpmath.digamma(a)) - math.log(a) + middle, abs=1e-8)


@pytest.mark.parametrize("start", [(-8, 8), (0, 1), (-40, -39), (100, 500)])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.05, 3.0), (40.0, 0.2), (1e4, 3e4), (1e6, 2.0)])
def test_tails_of_two_slopes(a, b, start):
    f, want = log_logistic_density(a, b)
    found = log_integral(f, start)
    assert found.value == pytest.approx(want, abs=EXACT, rel=1e-13) and found.error < EXACT


@pytest.mark.parametrize("width", [1e-6, 1e-3, 1.0, 20.0])
@pytest.mark.parametrize("centre", [-500.0, -7.9, 0.0, 3e-3, 63.0, 400.0])
def test_bells_anywhere(centre, width):
    found = log_integral(lambda t: -0.5 * ((t - centre) / width) ** 2, (-8, 8))
    assert found.value == pytest.approx(math.log(width * math.sqrt(2 * math.pi)), abs=EXACT) and found.error < EXACT


@pytest.mark.parametrize("far", [3.0, 9.0, 40.0])
@pytest.mark.parametrize("width", [0.02, 0.3])
def test_two_hills_of_two_starts(far, width):
    """One at 0 and one of a share of it far away, each found from a start of its own; all that lies between counts."""

    def f(t):
        return np.logaddexp(-0.5 * (t / width) ** 2, math.log(0.3) - 0.5 * ((t - far) / (2 * width)) ** 2)

    found = log_integral(f, (-1, 1), (far - 1, far + 1))
    assert found.value == pytest.approx(math.log(1.6 * width * math.sqrt(2 * math.pi)), abs=EXACT)
    assert found.quantiles(np.array([1 / 1.6]))[0] == pytest.approx(far / 2, abs=far / 2)
    assert (found.quantiles(np.array([0.3, 0.9])) < far / 2).tolist() == [True, False]


def test_hills_of_very_different_widths():
    """As fine as the narrow one asks, wherever the wide one lies."""

    def f(t):
        return np.logaddexp(math.log(20) - 0.5 * (t / 0.05) ** 2, -0.5 * (t - 60) ** 2)

    found = log_integral(f, (-0.1, 0.1), (58, 62))
    assert found.value == pytest.approx(math.log(2 * math.sqrt(2 * math.pi)), abs=EXACT)


@pytest.mark.parametrize("height", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("starts", [((-0.1, 0.1), (10, 14)), ((10, 14), (-0.1, 0.1))])
def test_a_narrow_hill_inside_the_window_of_a_wide_one(height, starts):
    def f(t):
        return np.logaddexp(math.log(height) - 0.5 * (t / 0.01) ** 2, -0.5 * (t - 12) ** 2)

    found = log_integral(f, *starts)
    assert found.value == pytest.approx(math.log((1 + height / 100) * math.sqrt(2 * math.pi)), abs=EXACT)
    assert found.error == 0


def test_a_second_hill_too_low_to_count():
    def f(t):
        return np.logaddexp(-0.5 * t**2, -60 - 0.5 * (t - 40) ** 2)

    found = log_integral(f, (-1, 1), (39, 41))
    assert found.nodes[-1] < 20 and found.value == pytest.approx(0.5 * math.log(2 * math.pi), abs=EXACT)


@pytest.mark.parametrize("a", [8.0, 12.0, 30.0, 60.0, 150.0, 400.0, 1e3, 1e4, 1e6])
@pytest.mark.parametrize("b", [1e-3, 1.0, 1e4])
def test_one_narrow_skewed_hill_by_few_values(a, b):
    f, want, middle = log_gamma_density(a, b)
    asked = []

    def counted(t):
        asked.append(len(t))
        return f(t)

    found = log_integral_of_one_hill(counted, lambda t: f(t - 0.02), middle - 9, middle + 7)
    assert found.value == pytest.approx(want, abs=EXACT) and sum(asked) <= 170
    shares = special.gammainc(a, a * np.exp(found.quantiles(np.array([0.01, 0.5, 0.99])) - middle))
    np.testing.assert_allclose(shares, [0.01, 0.5, 0.99], atol=1e-4)


@pytest.mark.parametrize("at", [-7.99, -0.3, 0.0, 6.5, 7.999])
def test_where_a_hill_is_highest(at):
    assert highest(lambda t: -np.abs(t - at), -8, 8) == pytest.approx(at, abs=1e-2)
    flat_left = highest(lambda t: -np.maximum(t - at, 0.0), -8, 8)
    assert flat_left == pytest.approx(at, abs=1e-2)


def mixture(shares, centres, sds):
    """A log density of two dimensions with a bell in each of some places, and its integral."""
    parts = [stats.multivariate_normal(c, np.diag(np.square(sd))) for c, sd in zip(centres, sds, strict=True)]

    def f(phi):
        return special.logsumexp(
            [math.log(a) + np.atleast_1d(p.logpdf(phi)) for a, p in zip(shares, parts, strict=True)], axis=0
        )

    return f, math.log(sum(shares))


@pytest.mark.parametrize("refitted", [False, True])
def test_a_target_in_two_places(refitted):
    """With a start at each, and with one start from which only the base leads to the other."""
    shares, centres = [0.7, 0.3], np.array([[0.0, 0.0], [9.0, 4.0]])
    f, want = mixture(shares, centres, [(1, 1), (0.5, 2)])
    wide = stats.multivariate_normal([4, 2], np.eye(2) * 25)
    base = Base(wide.logpdf, lambda n, rng: wide.rvs(n, random_state=rng))
    starts = centres[:1] if refitted else centres + 0.3
    found = laplace(f, starts, np.random.default_rng(2), base=base)
    assert found.k_hat < 0.7 and abs(found.value - want) < 4.5 * found.mcse < 0.1
    second = found.points[:, 0] > 5
    error = 4.5 * math.sqrt(found.weights[second] @ found.weights[second] + 0.3**2 * found.weights @ found.weights)
    assert abs(found.weights[second].sum() - 0.3) < error < 0.1
    assert found.weights.sum() == pytest.approx(1)
    if refitted:
        assert 1 / (found.weights @ found.weights) > 0.2 * len(found.weights)  # the bell moved to what was drawn


def test_a_proposal_too_narrow_is_fitted_anew():
    """A density with a spike on a hill: from the spike's curvature alone the hill would have the largest of weights."""
    f, want = mixture([0.5, 0.5], np.zeros((2, 2)), [(0.1, 0.1), (2.0, 2.0)])
    found = laplace(f, np.array([[0.01, 0.01]]), np.random.default_rng(4))
    assert found.k_hat < 0.7 and abs(found.value - want) < 4.5 * found.mcse < 0.2
    far = (found.points**2).sum(axis=1) > 1
    share = 0.5 * math.exp(-1 / 8) + 0.5 * math.exp(-50)
    assert abs(found.weights[far].sum() - share) < 4.5 * 2 * math.sqrt(found.weights @ found.weights)


def test_what_nothing_leads_to_shows_in_the_error():
    """A narrow mode away from the start, of half the mass: without a base the weights cannot know, with one they do."""
    f, _ = mixture([0.5, 0.5], np.array([[0.0, 0.0], [12.0, 0.0]]), [(1, 1), (1, 1)])
    missed = laplace(f, np.zeros((1, 2)), np.random.default_rng(1))
    assert missed.value == pytest.approx(math.log(0.5), abs=0.05)
    wide = stats.multivariate_normal([0, 0], np.eye(2) * 64)
    base = Base(wide.logpdf, lambda n, rng: wide.rvs(n, random_state=rng))
    seen = laplace(f, np.zeros((1, 2)), np.random.default_rng(1), base=base)
    assert abs(seen.value) < 4.5 * seen.mcse < 0.3


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("d", [1, 2])
def test_sequential_monte_carlo_of_a_gaussian(d, gradients):
    """Prior standard normal, likelihood a narrow bell: evidence, mean and spread by formula; the error by runs."""
    sd, seen = 0.2, np.linspace(0.5, 1.5, d)

    def log_prior(x):
        return stats.norm.logpdf(x).sum(axis=1)

    def log_likelihood(x):
        return stats.norm.logpdf(x, seen, sd).sum(axis=1)

    def slopes(x):
        return -x, (seen - x) / sd**2

    runs = [
        smc(
            log_prior,
            log_likelihood,
            lambda n, rng: rng.standard_normal((n, d)),
            np.random.default_rng([seed, 6]),
            slopes if gradients else None,
        )
        for seed in range(4)
    ]
    want = stats.norm.logpdf(seen, 0, math.sqrt(1 + sd**2)).sum()
    mcse = math.sqrt(np.mean([one.mcse**2 for one in runs]))
    values = np.array([one.value for one in runs])
    assert 0.002 < mcse < 0.05 and abs(values.mean() - want) < 5 * mcse / math.sqrt(4)
    assert 0.2 < values.std(ddof=1) / mcse < 3
    mean, spread = seen / (1 + sd**2), sd / math.sqrt(1 + sd**2)
    for one in runs:
        assert one.weights.sum() == pytest.approx(1) and one.points.shape == (8000, d)
        assert (np.abs(one.weights @ one.points - mean) < 0.15 * spread).all()
        got = np.sqrt(one.weights @ (one.points - mean) ** 2)
        assert (np.abs(got / spread - 1) < 0.15).all()


def test_sequential_monte_carlo_of_nothing_and_of_much():
    def run(log_likelihood):
        return smc(
            lambda x: stats.norm.logpdf(x[:, 0]), log_likelihood, lambda n, rng: rng.standard_normal((n, 1)),
            np.random.default_rng(3),
        )  # fmt: skip

    assert run(lambda x: np.full(len(x), -np.inf)).value == -math.inf
    flat = run(lambda x: np.full(len(x), -1e6))
    assert flat.value == pytest.approx(-1e6, abs=1e-6) and flat.mcse == pytest.approx(0, abs=1e-9)
    half = run(lambda x: np.where(x[:, 0] > 0, 0.0, -np.inf))
    assert abs(half.value - math.log(0.5)) < 5 * max(half.mcse, 0.005) and (half.points[:, 0] > 0).all()
    unlikely = run(lambda x: np.where(x[:, 0] > 2.5, 0.0, -np.inf))
    assert abs(unlikely.value - stats.norm.logsf(2.5)) < 5 * unlikely.mcse < 1
