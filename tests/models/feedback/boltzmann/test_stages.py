"""Very many units at once: against each kind's own likelihood, enumeration of orders, and another integrator."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.boltzmann.marginal import _integral
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import LinearSteps, Stages
from reward_hypotheses.models.inference.quadrature import log_integral, log_integral_of_one_hill


def by_orders(z, ranks):
    """``log p`` of one ranking for worths (case, option): the sum over every full order that agrees with it; (case,).

    Ties for the last place are included.
    """
    options = np.flatnonzero(ranks == ranks)
    orders = options[list(itertools.permutations(range(len(options))))]
    orders = orders[(np.diff(ranks[orders], axis=1) >= 0).all(axis=1)]
    worth = z[:, orders]  # (case, order, place)
    left = np.logaddexp.accumulate(worth[..., ::-1], axis=-1)[..., ::-1]
    return special.logsumexp((worth - left).sum(axis=-1), axis=-1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 30),
    width=st.integers(1, 6),
    places=st.integers(1, 7),
    size=st.sampled_from([1e-3, 1.0, 30.0, 4e3, 1e200]),
    counted=st.booleans(),
)
def test_rankings_with_ties(seed, n, width, places, size, counted):
    """Of any width, with options missing, where exponentials overflow and where they do not."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)) * size
    inside = rng.random((n, width)) < 0.8
    ranks = np.where(inside, rng.integers(1, places + 1, (n, width)), np.nan)
    counts = rng.integers(1, 5, n).astype(float) if counted else None
    beta = np.array([1e-6, 0.3, 1.0, 2.5])
    steps = Stages(ranks, inside, counts).steps(np.where(inside, x, -np.inf))
    each = [by_orders(beta[:, None] * x[m], ranks[m]) if inside[m].any() else np.zeros(len(beta)) for m in range(n)]
    want = (np.ones(n) if counts is None else counts) @ np.array(each)
    assert steps.log_likelihoods(beta) == pytest.approx(want, rel=1e-11, abs=1e-11)


def test_more_units_than_are_laid_out_at_once():
    rng = np.random.default_rng(3)
    n = 200_000
    x = rng.normal(size=(n, 3))
    chosen = np.eye(3, dtype=bool)[rng.integers(3, size=n)]
    stages = Stages(2.0 - chosen, np.ones((n, 3), bool))
    assert len(stages.layouts) > 1
    beta = np.array([0.2, 1.0, 300.0])
    want = [float((b * x[chosen] - special.logsumexp(b * x, axis=1)).sum()) for b in beta]
    assert stages.steps(x).log_likelihoods(beta) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("slope", [3.0, 0.02, 0.0, -1.0])
@pytest.mark.parametrize("kind", ["choices", "rankings", "stops"])
def test_what_very_many_say_is_integrated_by_few_likelihoods(kind, slope):
    """Against QUADPACK, of a likelihood written out, with rewards that explain all, little, nothing and the contrary."""
    rng = np.random.default_rng(8)
    n = 21_000 if kind == "stops" else 8_000
    x = rng.normal(size=n if kind == "stops" else (n, 3))
    utility = slope * x + (rng.logistic(size=n) if kind == "stops" else rng.gumbel(size=x.shape))
    order = np.argsort(-utility, axis=-1)
    if kind == "stops":
        said, s = utility > 0, float(np.sqrt(np.mean(x**2)))
        feedback = rh.Stops({"x": -x, "s": said}, "s")
    elif kind == "choices":
        said, s = utility == utility.max(axis=1, keepdims=True), float(np.sqrt(x.var(axis=1).mean()))
        feedback = rh.Choices({"x": x, "c": said}, "c")
    else:
        ranks = np.argsort(order, axis=1) + 1.0
        s = float(np.sqrt(x.var(axis=1).mean()))
        feedback = rh.Rankings({"x": x, "r": ranks}, "r")

    def log_likelihood(t):
        z = math.exp(t) * x / s
        if kind == "stops":
            return float(-np.logaddexp(0, np.where(said, -z, z)).sum())
        if kind == "choices":
            return float((z[said] - special.logsumexp(z, axis=1)).sum())
        best = np.take_along_axis(z, order, axis=1)
        return float(sum((best[:, k] - special.logsumexp(best[:, k:], axis=1)).sum() for k in range(2)))

    def f(t):
        return log_likelihood(t) - 0.5 * t * t - 0.5 * math.log(2 * math.pi)

    coarse = np.linspace(-18, 5, 300)
    values = np.array([f(t) for t in coarse])
    near = coarse[values > values.max() - 60]
    fine = np.linspace(near[0] - 0.1, near[-1] + 0.1, 100)
    values = np.array([f(t) for t in fine])
    top, near = values.max(), fine[values > values.max() - 45]
    found = integrate.quad(
        lambda t: math.exp(f(t) - top), near[0] - 0.02, near[-1] + 0.02, epsabs=0, epsrel=1e-10, limit=200
    )
    tree = rh.fit({"x": "x"}, rh.Uniform("a test"), [feedback], fail_utility=0.0, random_seed=1, draws=1, chains=1)
    got = float(tree["evidence"]["log_evidence"].values[0])
    assert got == pytest.approx(top + math.log(found[0]), abs=1e-8, rel=1e-13)


class Counted:
    """A likelihood in steps that counts how often it is asked for."""

    def __init__(self, steps):
        self.stages, self.steps, self.asked = steps.stages, steps, 0

    def log_likelihoods(self, beta):
        self.asked += len(beta)
        return self.steps.log_likelihoods(beta)


def test_few_likelihoods_are_enough():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30_000, 3))
    utility = 1.5 * x + rng.gumbel(size=x.shape)
    feedback = rh.Choices({"x": x, "c": utility == utility.max(axis=1, keepdims=True)}, "c")
    from reward_hypotheses.models.feedback.boltzmann.likelihood import Likelihood
    from reward_hypotheses.models.inference.nuisance_priors import LogNormal

    steps = Counted(feedback.in_stages.steps(x))
    likelihood = Likelihood(feedback, x, np.asarray(feedback.observed, float), np.ones(len(x)), steps)
    narrow = _integral([likelihood], LogNormal(0.0, 1.0))
    assert steps.asked <= 40
    plain = log_integral(
        lambda t: steps.log_likelihoods(np.exp(t)) + LogNormal(0.0, 1.0).log_density_of_log(t), (-8, 8)
    )
    assert narrow.value == pytest.approx(plain.value, abs=1e-8)


def test_what_is_no_narrow_hill_is_left_to_the_other_rule():
    def ragged(t):
        return -1e5 * (t - 0.3) ** 2 - 0.5 * np.cos(4e3 * t)

    def flat(t):
        return np.zeros(len(t))

    def hill(t):
        return -1e5 * (t - 0.3) ** 2 + 50 * (t - 0.3) ** 3

    assert log_integral_of_one_hill(ragged, ragged, -8, 8) is None
    assert log_integral_of_one_hill(flat, flat, -8, 8) is None
    found = log_integral_of_one_hill(hill, hill, -8, 8)
    assert found.value == pytest.approx(0.5 * math.log(math.pi / 1e5), abs=1e-8)


def exactly(z, ranks):
    """``log p`` of one ranking by sums over its orders in 60 digits."""
    with mpmath.workdps(60):
        w = [mpmath.exp(mpmath.mpf(float(v))) for v in z]
        total = mpmath.mpf(0)
        for order in itertools.permutations(range(len(z))):
            if all(ranks[a] <= ranks[b] for a, b in itertools.pairwise(order)):
                total += mpmath.fprod(w[i] / mpmath.fsum(w[j] for j in order[k:]) for k, i in enumerate(order))
        return float(mpmath.log(total))


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("top", [20.0, 40.0, 170.0, 340.0, 680.0, 800.0, 5e4])
def test_utilities_near_and_beyond_what_a_double_holds(top, linear):
    """Units of +-``top``, each alone and all at once (beside moderate ones), with ties and without, at several beta."""
    rng = np.random.default_rng(12)
    signs = np.array(
        [[1, -1, 0, 1], [-1, -1, 1, 1], [1, 1, 1, -1], [0, 0.5, -0.5, 1], [-1, -0.9, -0.8, 1], [0, 0, 0, 1e-3]]
    )
    z = top * signs
    ranks = np.array([[4, 1, 2, 3], [1, 2, 3, 4], [1, 1, 1, 4], [2, 1, 1, 3], [1, 1, 3, 4], [2, 2, 1, 4]], float)
    z = np.vstack([z, rng.normal(size=(2, 4))])
    ranks = np.vstack([ranks, [[2, 3, 1, 4], [1, 1, 2, 3]]])
    each = [exactly(z[m], ranks[m]) for m in range(len(z))]
    half = [exactly(z[m] / 2, ranks[m]) for m in range(len(z))]

    def found(some):
        stages = Stages(ranks[some], np.ones((len(some), 4), bool))
        if linear:
            return LinearSteps(stages, z[some][:, :, None]).log_likelihoods(np.array([[1.0], [0.5]]))
        return stages.steps(z[some]).log_likelihoods(np.array([1.0, 0.5]))

    for some in [[m] for m in range(len(z))] + [list(range(len(z))), [0, 6], list(range(6)) * 30]:
        want = [math.fsum(each[m] for m in some), math.fsum(half[m] for m in some)]
        np.testing.assert_allclose(found(some), want, rtol=1e-12, atol=1e-13)
