"""Counts: a row with a count says what the same rows, so often, say; the expanded table is the oracle."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from counted_cases import HYPOTHESES, IN_ITEMS, IN_SCENES, ITEM_TIMES, KINDS, LINE, TIMES, WALKS, WORLD, both

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.boltzmann import score_tests, trajectory_steps
from reward_hypotheses.models.feedback.kinds import labels, rewards
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.predictive_check import predictive_check
from reward_hypotheses.models.weights.weigh import weigh

FAILING = {"x", "y", "stopped", "n", "is_failing"}


@pytest.fixture
def few(monkeypatch):
    """Few replications: that two checks are the same takes no more."""
    for module in (score_tests, trajectory_steps):
        monkeypatch.setattr(module, "CHECKED", 40)
    for module in (labels, rewards):
        monkeypatch.setattr(module, "REPLICATIONS", 200)


@pytest.mark.parametrize("kind", list(KINDS))
def test_counts_are_rows(kind, few):
    counted, rows = both(kind)
    one, other = counted.feedback[0], rows.feedback[0]
    error = 5 * np.hypot(counted.mcse, rows.mcse) if kind == "ratings" else 0.0
    off = np.abs(counted.log_evidence - rows.log_evidence)
    assert (off <= 1e-12 * np.abs(rows.log_evidence) + error).all(), off
    assert counted.log_evidence[0] != counted.log_evidence[1]
    assert counted.evidence[0].n_items == rows.evidence[0].n_items == one.n_answers == other.n_answers
    assert counted.classes.tolist() == rows.classes.tolist()
    scales = [p.feedback[0].scales(p.valuations[0]) for p in (counted, rows)]
    assert (scales[0] is None) == (scales[1] is None)
    if scales[0] is not None:
        np.testing.assert_allclose(scales[0], scales[1], rtol=1e-13)
    np.testing.assert_allclose(counted.weights, rows.weights, rtol=1e-9 if kind != "ratings" else 0.1)
    checks = [predictive_check(p, 0, np.random.default_rng(3)) for p in (counted, rows)]
    if kind == "ratings":  # draws of the cut points differ within their error
        assert abs(checks[0].p - checks[1].p) <= 5 * math.hypot(checks[0].mcse, checks[1].mcse)
    else:
        assert checks[0].p == checks[1].p
        assert checks[0].statistic == pytest.approx(checks[1].statistic, rel=1e-9)
        np.testing.assert_allclose(checks[0].replicated, checks[1].replicated, rtol=1e-9)
        assert checks[0].misfit == checks[1].misfit


def test_a_check_of_many_answers_looks_at_as_many_as_of_rows(few, monkeypatch):
    monkeypatch.setattr(score_tests, "CHECKED_UNITS", 15)
    found = [predictive_check(p, 0, np.random.default_rng(4)) for p in both("rankings")]
    np.testing.assert_allclose(found[0].replicated, found[1].replicated, rtol=1e-9)
    assert found[0].p == found[1].p


GOALS = {"c": "where(c, 1, 0)", "b": "where(b, 1, -0.1)"}
WALK_TIMES = [4, 1, 3]


@pytest.mark.parametrize("planner", ["optimal", "soft"])
def test_counts_of_trajectories(planner, few):
    often = [walk for walk, n in zip(WALKS, WALK_TIMES, strict=True) for _ in range(n)]
    rows = [
        {"trajectory": f"walk {i}", "step": t, "state": s, "action": a, "times": WALK_TIMES[i]}
        for i, walk in enumerate(WALKS)
        for t, (s, a) in enumerate(walk)
    ]
    given = (
        rh.Demonstrations(WORLD, WALKS, planner=planner, count=WALK_TIMES),
        rh.Demonstrations(WORLD, pd.DataFrame(rows), planner=planner, count="times"),
        rh.Demonstrations(WORLD, often, planner=planner),
    )
    found = []
    for one in given:
        listed, line, made = prepared(GOALS, [one], 0.0)
        p = weigh(listed, rh.Uniform("a test"), made, line)
        found.append((p.log_evidence, p.evidence[0].n_items, predictive_check(p, 0, np.random.default_rng(2)), made[0]))
    for log_evidence, n, check, one in found[:2]:
        np.testing.assert_allclose(log_evidence, found[2][0], rtol=1e-12)
        assert (n, one.settings()["trajectories"]) == (found[2][1], len(often))
        assert (check.p, check.misfit) == (found[2][2].p, found[2][2].misfit)
        np.testing.assert_allclose(check.replicated, found[2][2].replicated, rtol=1e-9)


def test_a_proxy_written_so_often_is_so_many_proxies_of_one_human(few):
    def made(**settings):
        return rh.Proxy(IN_SCENES, chosen="x", candidates={"x": "x", "y": "y", "less": "-x"}, human="Ann", **settings)

    listed, line, once = prepared(HYPOTHESES, [made() for _ in range(4)], LINE)
    _, _, counted = prepared(HYPOTHESES, [made(count=4)], LINE)
    four, one = (weigh(listed, rh.Uniform("a test"), feedback, line) for feedback in (once, counted))
    np.testing.assert_allclose(one.log_evidence, four.log_evidence, rtol=1e-12)
    assert one.evidence[0].n_items == 4
    assert 0.01 < predictive_check(one, 0, np.random.default_rng(1)).p <= 1


@pytest.mark.parametrize(("kind", "prior"), [("choices", "sphere"), ("stops", {"normal": 1.0}), ("labels", "sphere")])
def test_units_and_evidence_of_continuous_weights(kind, prior):
    mixture = {"mixture": rh.Linear(["x", "y"], prior=prior, source="a test")}
    counted, rows = both(kind, mixture, 0.3)
    one, other = counted.families[0], rows.families[0]
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-13)
    table = {
        k: np.repeat(np.asarray(v), TIMES if np.ndim(v) == 2 else ITEM_TIMES, axis=0) for k, v in KINDS[kind][0].items()
    }
    real = (
        table["available"]
        if "available" in table
        else ~table["is_failing"]
        if kind == "stops"
        else np.ones(len(table["x"]), bool)
    )
    np.testing.assert_allclose(one.scale, [table["x"][real].std(), table["y"][real].std()], rtol=1e-13)
    np.testing.assert_allclose(
        counted.log_evidence, rows.log_evidence, atol=5 * math.hypot(counted.mcse[0], rows.mcse[0])
    )
    np.testing.assert_allclose(
        one.spreads.get(f"{kind}_rationality", 0), other.spreads.get(f"{kind}_rationality", 0), rtol=1e-12
    )
    if kind != "labels":  # the same draws of the same integrand
        np.testing.assert_allclose(counted.log_evidence, rows.log_evidence, rtol=1e-9)


def test_a_table_with_two_counts_is_two_tables():
    table = {k: v for k, v in IN_ITEMS.items() if k != "is_failing"} | {"m": ITEM_TIMES[::-1]}
    mixture = {"mixture": rh.Linear(["x", "y"], prior={"normal": 1.0}, source="a test")}

    def scale(*feedback):
        listed, line, made = prepared(mixture, feedback, 0.3)
        return weigh(listed, rh.Uniform("a test"), made, line).families[0].scale

    found = scale(rh.Stops(table, "stopped", count="n"), rh.Rewards(table, "seen", sigma2=(4, 6), count="m"))
    often = ITEM_TIMES + ITEM_TIMES[::-1]
    expected = [np.repeat(table[c], often).std() for c in ("x", "y")]
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    alone = scale(rh.Stops(table, "stopped", count="n"), rh.Rewards(table, "seen", sigma2=(4, 6)))
    np.testing.assert_allclose(alone, [np.repeat(table[c], ITEM_TIMES + 1).std() for c in ("x", "y")], rtol=1e-13)


def test_a_billion_answers_cost_no_more():
    n = np.array([900_000_000, 100_000_000])
    table = {
        "scene": [0, 0, 1, 1],
        "option": [0, 1, 0, 1],
        "x": [1, 0, 1, 0],
        "chosen": [1, 0, 0, 1],
        "n": np.repeat(n, 2),
    }
    one = rh.Choices(table, "chosen", rationality=1.5, count="n")
    tree = rh.fit(
        {"x": "x", "-x": "-x"}, rh.Uniform("a test"), [one, rh.Choices(table, "chosen", count="n", name="free")], 0
    )
    z = 1.5 / 0.5  # the spread of 1 and 0 is a half
    exact = [-(n[0] * math.log1p(math.exp(-s)) + n[1] * math.log1p(math.exp(s))) for s in (z, -z)]
    listed, line, made = prepared({"x": "x", "-x": "-x"}, [one], 0)
    np.testing.assert_allclose(weigh(listed, rh.Uniform("a test"), made, line).log_evidence, exact, rtol=1e-12)
    beta = tree["posterior"]["free_rationality"].sel(hypothesis="x").values
    assert (
        beta.mean() == pytest.approx(math.log(9) / 2, abs=1e-4) and beta.std() < 1e-4
    )  # 9 to 1 is log 9 in units of s
    rows = {"x": [1.0, -1.0, 1.0], "good": [True, False, False], "n": [10**9, 10**9, 10**9]}
    made = rh.Labels(rows, "good", noise=0.25, count="n")
    found = rh.fit({"x": "x"}, rh.Uniform("a test"), [made], 0)["evidence"]["log_evidence"].item()
    assert found == pytest.approx(1e9 * (2 * math.log(0.75) + math.log(0.25)), rel=1e-12)
    tree = rh.fit({"x": "x", "-x": "-x"}, rh.Uniform("a test"), [rh.Labels(rows, "good", noise=(1, 9), count="n")], 0)
    eps = tree["posterior"]["labels_eps"].sel(hypothesis="x")
    assert float(eps.mean()) == pytest.approx(1 / 3, abs=1e-4)


def test_rewards_of_counts_in_exact_arithmetic():
    """The sum of squares of a hundred million rows, as a fraction."""
    seen, times = [0.25, 1.5, -0.75], [10**8, 3, 7 * 10**7]
    table = {"x": [0.5, 1.0, -1.0], "seen": seen, "n": times}
    squares = sum(n * (Fraction(y) - Fraction(x)) ** 2 for x, y, n in zip(table["x"], seen, times, strict=True))
    listed, line, made = prepared({"x": "x"}, [rh.Rewards(table, "seen", sigma2=(4, 6), count="n")], 0)
    found = weigh(listed, rh.Uniform("a test"), made, line).evidence[0]
    assert found.statistics[0, 0] == float(squares) and found.n_items == sum(times)
