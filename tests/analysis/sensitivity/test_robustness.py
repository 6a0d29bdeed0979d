"""How wrong the values may be, and what no agent can do: against enumeration, a general optimiser and finite differences."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from reward_hypotheses.analysis.sensitivity.prior import bounds_within_factor, slopes, tipping_point, weight_to_lead
from reward_hypotheses.analysis.shift.minimax_lower_bound import _by_program, _kinds, minimax_risk
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation


def some(seed, n=5):
    rng = np.random.default_rng(seed)
    return np.log(rng.dirichlet(np.ones(n))), rng.normal(0, 3, n), rng.random(n)


def risk(prior, log_evidence, d):
    mass = prior * np.exp(log_evidence - log_evidence.max())
    return float(mass @ d / mass.sum())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(1, 100))
def test_bounds_within_a_factor_are_attained_and_not_passed(seed, factor):
    log_prior, log_evidence, d = some(seed)
    corners = [
        risk(np.exp(log_prior) * np.array(g), log_evidence, d) for g in itertools.product([1.0, factor], repeat=len(d))
    ]
    lower, upper = bounds_within_factor(log_prior, log_evidence, d, factor)
    assert lower == pytest.approx(min(corners), abs=1e-12) and upper == pytest.approx(max(corners), abs=1e-12)
    rng = np.random.default_rng(seed)
    for g in rng.uniform(1, factor, (20, len(d))):
        assert lower - 1e-12 <= risk(np.exp(log_prior) * g, log_evidence, d) <= upper + 1e-12
    wider = bounds_within_factor(log_prior, log_evidence, d, 2 * factor)
    assert wider[0] <= lower + 1e-12 and wider[1] >= upper - 1e-12


def test_bounds_within_a_factor_by_a_general_optimiser():
    log_prior, log_evidence, d = some(3)
    found = minimize(
        lambda t: -risk(np.exp(log_prior) * np.exp(t), log_evidence, d),
        np.full(5, 0.3),
        bounds=[(0, math.log(7))] * 5,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-12},
    )
    assert bounds_within_factor(log_prior, log_evidence, d, 7)[1] == pytest.approx(-found.fun, abs=1e-8)
    assert bounds_within_factor(log_prior, log_evidence, d, 1) == pytest.approx(
        [risk(np.exp(log_prior), log_evidence, d)] * 2
    )


def at_weight(log_prior, h, x):
    prior = np.exp(log_prior)
    prior[h] = 0
    prior *= (1 - x) / prior.sum()
    prior[h] = x
    return prior


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.01, 0.99))
def test_at_a_tipping_point_the_risk_is_the_threshold(seed, threshold):
    log_prior, log_evidence, d = some(seed)
    for h in range(len(d)):
        x = tipping_point(log_prior, log_evidence, d, h, threshold)
        ends = sorted(risk(at_weight(log_prior, h, e), log_evidence, d) for e in (0.0, 1.0))
        assert math.isnan(x) != (ends[0] < threshold < ends[1])
        if not math.isnan(x):
            assert 0 < x < 1
            assert risk(at_weight(log_prior, h, x), log_evidence, d) == pytest.approx(threshold, abs=1e-9)
        lead = weight_to_lead(log_prior, log_evidence, h)
        if 1e-6 < lead < 1 - 1e-6:
            for weight, leads in ((lead * (1 - 1e-9), False), (lead + (1 - lead) * 1e-9, True)):
                posterior = np.log(at_weight(log_prior, h, weight)) + log_evidence
                assert (posterior.argmax() == h) == leads


def test_tipping_points_at_the_edges():
    log_prior, d = np.log([0.5, 0.5]), np.array([0.0, 1.0])
    assert tipping_point(log_prior, np.zeros(2), d, 1, 0.25) == 0.25  # silent: the risk is the weight
    assert math.isnan(tipping_point(log_prior, np.array([0.0, -np.inf]), d, 1, 0.25))  # no weight makes it possible
    assert math.isnan(tipping_point(np.zeros(1), np.zeros(1), np.ones(1), 0, 0.5))  # there is no other
    assert math.isnan(weight_to_lead(log_prior, np.array([0.0, -np.inf]), 1))
    assert weight_to_lead(log_prior, np.array([-np.inf, 0.0]), 1) == 0
    assert weight_to_lead(log_prior, np.zeros(2), 1) == 0.5
    assert weight_to_lead(log_prior, np.array([800.0, 0.0]), 1) == 1.0


@pytest.mark.parametrize("seed", range(20))
def test_slopes_are_derivatives(seed):
    log_prior, log_evidence, d = some(seed)
    e = 1e-5

    def powered(a, b):
        x = a * log_prior + b * log_evidence
        v = np.exp(x - x.max())
        return float(v @ d / v.sum())

    prior, likelihood = slopes(log_prior, log_evidence, d)
    assert prior == pytest.approx((powered(1 + e, 1) - powered(1 - e, 1)) / (2 * e), abs=1e-8)
    assert likelihood == pytest.approx((powered(1, 1 + e) - powered(1, 1 - e)) / (2 * e), abs=1e-8)


def test_slopes_of_what_is_ruled_out():
    log_prior, log_evidence = np.array([-np.inf, 0.0, 0.0]), np.array([0.0, -np.inf, 0.0])
    assert slopes(log_prior, log_evidence, np.array([0.1, 0.2, 0.3])) == (0.0, 0.0)


def random_world(rng, scenes=6, options=3, n=3, weights=False):
    bad = rng.random((n, scenes, options)) < 0.5
    available = rng.random((scenes, options)) < 0.8
    available[:, 0] = True
    columns = {f"r{h}": np.where(bad[h], -1.0, 1.0) for h in range(n)} | {"available": available}
    share = rng.integers(1, 5, scenes) / 1.0 if weights else np.ones(scenes)
    if weights:
        columns["scene_weight"] = np.repeat(share[:, None], options, axis=1)
    h = hypotheses_of({f"h{h}": f"r{h}" for h in range(n)})
    return Valuation(h, as_table(columns), stated_line(0.0, h.names)), bad, available, share / share.sum()


def by_scene(bad, available, share, rho):
    """The linear program scene by scene, option by option, as it is written."""
    n, scenes, options = bad.shape
    size = scenes * (options + 1) + 1
    risks, whole = np.zeros((n + 1, size)), np.zeros((scenes, size))
    for m in range(scenes):
        for o in range(options):
            risks[:n, m * (options + 1) + o] = share[m] * bad[:, m, o]
        risks[n, m * (options + 1) + options] = share[m]
        whole[m, m * (options + 1) : (m + 1) * (options + 1)] = 1
    risks[:n, -1] = -1
    bounds = [(0, 1 if o == options or available[m, o] else 0) for m in range(scenes) for o in range(options + 1)]
    cost = np.eye(size)[-1]
    return linprog(cost, risks, np.append(np.zeros(n), rho), whole, np.ones(scenes), bounds=[*bounds, (0, None)]).fun


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("seed", range(12))
def test_the_impossible_is_the_linear_program(seed, n):
    rng = np.random.default_rng([seed, n])
    valuation, bad, available, share = random_world(rng, n=n, weights=seed % 2 == 1)
    rhos = [0.0, 0.1, 0.35, 1.0]
    got = minimax_risk(valuation, list(range(n)), rhos)
    np.testing.assert_allclose(got, [by_scene(bad, available, share, rho) for rho in rhos], atol=1e-9)
    assert (np.diff(got) <= 1e-12).all() and got[-1] == pytest.approx(0, abs=1e-12)
    if n == 2:
        kinds = _kinds(valuation, [0, 1])
        np.testing.assert_allclose(got, [_by_program(kinds, 2, rho) for rho in rhos], atol=1e-9)


def test_the_essays_study_is_impossible_by_half():
    """One red crater and one flagged pad a scene: (1 - rho) / 2, to the last digit."""
    table = as_table({"r": np.array([[1.0, -1.0, -1.0]] * 7), "f": np.array([[-1.0, 1.0, -1.0]] * 7)})
    h = hypotheses_of({"red": "r", "flags": "f"})
    rhos = [0.0, 0.25, 0.5, 1.0]
    got = minimax_risk(Valuation(h, table, stated_line(0.0, h.names)), [0, 1], rhos)
    assert got.tolist() == [(1 - rho) / 2 for rho in rhos]
