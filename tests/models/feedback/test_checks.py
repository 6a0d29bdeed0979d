"""Predictive checks of few items and of planted misfits, against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.weights.weigh import weigh


def check_of(one, hypotheses, seed=0):
    listed = hypotheses_of(hypotheses)
    (one,) = named([one])
    posterior = weigh(listed, rh.Uniform("a test"), [one], stated_line(0.0, listed.names))
    return one.check(posterior.valuations[0], posterior.evidence[0], posterior.weights, np.random.default_rng(seed))


def within(check, p):
    """Whether a share of replications is p, but for their number (a false alarm in 100,000)."""
    return abs(check.p - p) < 4.5 * math.sqrt(p * (1 - p) / check.replications)


@pytest.mark.parametrize(
    "seen", [[1.0, 0.4], [1.0, 0.4, 0.6], [1.0, -0.8, 0.5, 0.6, -0.1], [0.9, 1.1, 0.7, 0.8, -2, 1, 1, 1]]
)
def test_rewards_of_one_group_by_the_beta_distribution(seen):
    """The mean of n residuals in standard errors, z / rms: z^2 / sum of squares is Beta(1/2, (n - 1)/2)."""
    seen = np.array(seen)
    n, z = len(seen), abs(seen.sum()) / math.sqrt(len(seen))
    statistic = z / math.sqrt(np.mean(seen**2))
    p = stats.beta(0.5, (n - 1) / 2).sf(statistic**2 / n)
    assert 0.03 < p < 0.97
    found = check_of(rh.Rewards({"x": np.ones(n), "seen": seen}, "seen", sigma2=(2, 2)), {"nothing": "0*x"})
    assert found.statistic == pytest.approx(statistic, rel=1e-12) and within(found, p)


@pytest.mark.parametrize("seen", [[1.0, 0.3], [0.8, -0.7], [-1.0, 0.55]])
def test_rewards_of_groups_of_one_item(seen):
    """Two groups of an item each: the greater of |cos| and |sin| of any angle, times the root of 2."""
    seen = np.array(seen)
    largest = np.abs(seen).max() / math.sqrt(np.mean(seen**2))
    found = check_of(rh.Rewards({"x": [1.0, -1.0], "seen": seen}, "seen", sigma2=(2, 2)), {"apart": "0.001*x"})
    exact = np.abs(seen - [0.001, -0.001]).max() / math.sqrt(np.mean((seen - [0.001, -0.001]) ** 2))
    assert found.statistic == pytest.approx(exact, rel=1e-12) and exact == pytest.approx(largest, abs=0.01)
    assert within(found, 4 / math.pi * math.acos(exact / math.sqrt(2)))


def test_rewards_of_two_groups_by_quadrature():
    """n residuals in two groups: two standard normals over the root mean square of them and n - 2 more."""
    x = np.array([1.0, 1.0, 1.0, -1.0])
    seen = np.array([0.9, 0.7, -0.2, 0.8])
    left = seen - x * 1e-3
    n = len(x)
    largest = max(abs(left[:3].sum()) / math.sqrt(3), abs(left[3])) / math.sqrt(np.mean(left**2))

    def above(
        length, angle
    ):  # in an eighth of a circle the first of the two is the larger; the rest is chi-squared of 2
        room = n * (length * math.cos(angle) / largest) ** 2 - length**2
        return -math.expm1(-max(room, 0) / 2) * length * math.exp(-(length**2) / 2) * 4 / math.pi

    p = integrate.dblquad(above, 0, math.pi / 4, 0, 12, epsabs=1e-5)[0]
    found = check_of(rh.Rewards({"x": x, "seen": seen}, "seen", sigma2=(2, 2)), {"apart": "0.001*x"})
    assert found.statistic == pytest.approx(largest, rel=1e-12) and 0.03 < p < 0.97 and within(found, p)


@pytest.mark.parametrize("kind", ["stops", "ratings"])
def test_a_misfit_that_goes_with_the_place_in_the_table_is_named(kind):
    """In the second half of the table people stop more (or grade lower); a column says which half."""
    rng = np.random.default_rng(7)
    n = 400
    x, late = rng.normal(size=n), (np.arange(n) >= n // 2).astype(float)
    worth = 2 * x - 2.5 * late + 1.25 + rng.logistic(size=n)
    table = {"x": x, "late": late, "said": worth < 0 if kind == "stops" else (worth > 0).astype(int)}
    one = rh.Stops(table, "said") if kind == "stops" else rh.Ratings(table, "said", grades=[0, 1])
    found = check_of(replace(one, needs=("x", "late")), {"x": "x"})
    assert found.p < 0.01
    assert "choices depend on column 'late' in a way that the leading hypothesis 'x' does not" in found.misfit[0]


def test_the_score_of_a_column_by_loops():
    """Of stops at a known rationality: ``sum x (stopped - p)`` over the root of ``sum x^2 p (1 - p)``, if it is the largest."""
    rng = np.random.default_rng(8)
    n = 60
    x, y = rng.normal(size=n), rng.normal(size=n)
    said = y + 0.3 * rng.logistic(size=n) < 0
    one = replace(rh.Stops({"x": x, "y": y, "said": said}, "said", rationality=1.5), needs=("x", "y"))
    found = check_of(one, {"x": "x"})
    s = math.sqrt(np.mean(x**2))
    p = [1 / (1 + math.exp(1.5 * r / s)) for r in x]
    apart = sum(c * (stopped - q) for c, stopped, q in zip(y, said, p, strict=True))
    assert found.statistic == pytest.approx(
        abs(apart) / math.sqrt(sum(c**2 * q * (1 - q) for c, q in zip(y, p, strict=True)))
    )
    assert found.p < 0.01 and "column 'y'" in found.misfit[0]
