"""Bits of human values and bounds over priors, against general optimisers."""

import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_hypotheses.analysis.risk.intervals import quantile, upper_limit_of_none
from reward_hypotheses.analysis.sensitivity.prior import contamination_bounds, risk_bound_unlisted
from reward_hypotheses.analysis.sensitivity.value_bits import bits_needed


def logs(w):
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(w, float))


def test_the_worked_case():
    """Two silent hypotheses: 1 - H2(0.01) bits at every training size, whatever v."""
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    want = 1 + 0.01 * math.log2(0.01) + 0.99 * math.log2(0.99)
    for v in ([0.5, 0.5], [0.9, 0.1], [1.0, 0.0]):
        assert bits_needed(flip, np.array(v), logs([0.5, 0.5]), 0.01).bits == pytest.approx(want, abs=1e-12)
    assert want == pytest.approx(0.9192, abs=1e-4)


@pytest.mark.parametrize("seed", range(25))
def test_against_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    matrix = rng.choice([0, 0.25, 0.5, 1], (n, n)) * (1 - np.eye(n) * rng.integers(0, 2))
    v, w = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    target = float(rng.choice([0.02, 0.1, 0.3]))
    got = bits_needed(matrix, v, logs(w), target)
    want = oracles.value_bits(matrix.tolist(), v.tolist(), w.tolist(), target)
    exact = float(oracles.value_bits_blahut(matrix.tolist(), v.tolist(), w.tolist(), target))
    if math.isinf(want):
        assert math.isinf(got.bits) and got.reason
        return
    assert got.bits == pytest.approx(want, abs=1e-5)
    assert got.bits == pytest.approx(exact, abs=1e-10)
    for j in range(n):
        alone = float(oracles.value_bits_blahut(matrix.tolist(), np.eye(n)[j].tolist(), w.tolist(), target))
        assert got.by_truth[j] == pytest.approx(alone, abs=1e-10)


def test_limits_of_bits():
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    v = np.array([0.25, 0.75])
    assert bits_needed(flip, v, logs([0.25, 0.75]), 0.5).bits == 0
    at_limit = bits_needed(flip, v, logs([0.25, 0.75]), 0.0)
    assert at_limit.bits == pytest.approx(0.25 * 2 - 0.75 * math.log2(0.75), abs=1e-12)
    close = bits_needed(flip, v, logs([0.25, 0.75]), 1e-9)
    assert 0 < at_limit.bits - close.bits < 1e-6
    never = bits_needed(np.array([[0.2, 1.0], [1.0, 0.2]]), v, logs([0.5, 0.5]), 0.1)
    assert math.isinf(never.bits) and "0.2" in never.reason
    shut = bits_needed(flip, v, logs([1.0, 0.0]), 0.5)
    assert math.isinf(shut.bits) and shut.by_truth[0] == 0 and math.isinf(shut.by_truth[1])


def test_weights_that_underflow_are_still_a_place_to_start_from():
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    tiny = np.array([0.0, -1000.0])
    got = bits_needed(flip, np.array([0.0, 1.0]), tiny, 0.0)
    assert got.bits == pytest.approx(1000 / math.log(2))
    nearly = bits_needed(flip, np.array([0.0, 1.0]), tiny, 0.01)
    assert nearly.bits == pytest.approx(0.99 * 1000 / math.log(2), rel=1e-3)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.001, 0.4), st.floats(0.0, 0.2))
def test_bits_fall_as_the_target_rises(seed, target, more):
    rng = np.random.default_rng(seed)
    matrix, v, w = rng.random((4, 4)), rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
    np.fill_diagonal(matrix, 0)
    a, b = (bits_needed(matrix, v, logs(w), t).bits for t in (target, target + more))
    assert b <= a + 1e-12


@pytest.mark.parametrize("seed", range(25))
def test_bounds_against_a_linear_program(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 7))
    prior, d = rng.dirichlet(np.ones(n)), rng.random(n)
    evidence = np.exp(rng.normal(scale=3, size=n))
    e = float(rng.choice([0.01, 0.1, 0.5]))
    want = oracles.risk_bounds(prior.tolist(), evidence.tolist(), d.tolist(), e)
    np.testing.assert_allclose(
        contamination_bounds(logs(prior), logs(evidence), d, e), [float(x) for x in want], atol=1e-8
    )
    exact = oracles.risk_bounds_exact(prior.tolist(), evidence.tolist(), d.tolist(), e)
    np.testing.assert_allclose(
        contamination_bounds(logs(prior), logs(evidence), d, e), [float(x) for x in exact], atol=1e-13
    )
    unlisted = risk_bound_unlisted(logs(prior), logs(evidence), d, e)
    assert unlisted == pytest.approx(
        float(oracles.risk_bound_unlisted(prior.tolist(), evidence.tolist(), d.tolist(), e))
    )
    assert unlisted >= max(exact) - 1e-12


def test_bounds_of_extreme_evidence():
    """Evidence of 1e-5000 neither underflows nor overflows."""
    log_prior, log_evidence = logs([0.5, 0.5, 0.0]), np.array([-11000.0, -12000.0, -9000.0])
    d = np.array([0.2, 0.4, 0.9])
    lower, upper = contamination_bounds(log_prior, log_evidence, d, 0.1)
    assert lower == pytest.approx(0.2) and upper == pytest.approx(0.9)
    lower, upper = contamination_bounds(log_prior, np.array([0.0, -np.inf, -9000.0]), d, 0.1)
    assert (lower, upper) == (pytest.approx(0.2), pytest.approx(0.2))


def test_upper_limit_of_none():
    assert (1 - upper_limit_of_none(25)) ** 25 == pytest.approx(0.05)
    assert upper_limit_of_none(1000) == pytest.approx(3 / 1000, rel=0.01)


def test_quantiles_and_their_errors():
    rng = np.random.default_rng(0)
    n, p = 4000, 0.975
    found = np.array([quantile(np.sort(rng.normal(size=n)), p) for _ in range(400)])
    assert abs(found[:, 0].mean() - 1.959964) < 5 * found[:, 0].std() / 20
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)
