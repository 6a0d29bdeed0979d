"""Counts: a row with a count says what the same rows, so often, say; the expanded table is the oracle."""

import itertools
import json
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from mdp_studies import DEMOS, written
from mdp_studies import study as study_of_demos
from studies import csv_text, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.evidence.by_feedback import contributions
from reward_hypotheses.analysis.evidence.sample_size import expected_factors
from reward_hypotheses.analysis.evidence.subgroups import subgroup_check
from reward_hypotheses.analysis.sensitivity.learning_curve import bits_curve
from reward_hypotheses.analysis.shift.impact import impact_of
from reward_hypotheses.analysis.shift.two_sample_test import shift_check
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.feedback import demonstrations, labels, rewards
from reward_hypotheses.models.feedback.boltzmann import model as rational
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.failure_line import failure_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.weights import sampled_evidence as sampling
from reward_hypotheses.models.weights.weigh import weigh

RNG = np.random.default_rng(5)
SCENES, OPTIONS = 7, 3
X, Y = RNG.normal(size=(2, SCENES, OPTIONS)).round(2)
NOISY = X + RNG.gumbel(size=X.shape)
RANK = (-NOISY).argsort(axis=1).argsort(axis=1) + 1.0
TIMES = np.array([1, 9, 2, 5, 1, 12, 3])
IN_SCENES = {
    "x": X,
    "y": Y,
    "chosen": RANK == 1,
    "rank": RANK,
    "top": np.minimum(RANK, 2),
    "available": np.array([[o < 2 or s % 2 == 1 for o in range(OPTIONS)] for s in range(SCENES)]) | (RANK == 1),
    "n": np.repeat(TIMES[:, None], OPTIONS, axis=1),
}
N_ITEMS = 14
ITEM_TIMES = np.random.default_rng(6).integers(1, 8, N_ITEMS)
IN_ITEMS = {
    "x": X.ravel()[:N_ITEMS],
    "y": Y.ravel()[:N_ITEMS],
    "grade": np.digitize(NOISY.ravel()[:N_ITEMS], [0, 1.5]),
    "stopped": NOISY.ravel()[:N_ITEMS] < 0.3,
    "good": NOISY.ravel()[:N_ITEMS] > 0.3,
    "seen": NOISY.ravel()[:N_ITEMS],
    "is_failing": np.arange(N_ITEMS) == 4,
    "n": ITEM_TIMES,
}
HYPOTHESES = {"x": "x", "y": "y", "x again": "2*x"}
LINE = {"x": 0.3, "y": 0.3, "x again": 0.6}
FAILING = {"x", "y", "stopped", "n", "is_failing"}
KINDS = {
    "labels": (IN_ITEMS, lambda t, **k: rh.Labels(t, "good", noise=(2, 8), **k)),
    "labels of a fixed noise": (IN_ITEMS, lambda t, **k: rh.Labels(t, "good", noise=0.2, **k)),
    "rewards": (IN_ITEMS, lambda t, **k: rh.Rewards(t, "seen", sigma2=(4, 6), **k)),
    "choices": (IN_SCENES, lambda t, **k: rh.Choices(t, "chosen", **k)),
    "choices, raw": (IN_SCENES, lambda t, **k: rh.Choices(t, "chosen", rationality=0.7, scale="raw", **k)),
    "rankings": (IN_SCENES, lambda t, **k: rh.Rankings(t, "rank", **k)),
    "rankings of the best": (IN_SCENES, lambda t, **k: rh.Rankings(t, "top", **k)),
    "ratings": (IN_ITEMS, lambda t, **k: rh.Ratings(t, "grade", grades=[0, 1, 2], rationality=1.3, **k)),
    "stops": (IN_ITEMS, lambda t, **k: rh.Stops(t, "stopped", **k)),
}


def expanded(table, times="n"):
    """Each row (or scene) as often as its count says, one copy after another."""
    by_row = np.asarray(table[times])
    by_row = by_row if by_row.ndim == 1 else by_row[:, 0]
    return {name: np.repeat(values, by_row, axis=0) for name, values in table.items() if name != times}


def both(kind, hypotheses=HYPOTHESES, line=LINE, drop=("is_failing",), seed=1):
    """Posteriors by counts and by rows; without failing items unless the kind compares with failing."""
    table, make = KINDS[kind]
    gone = () if kind == "stops" else drop
    table = {k: v for k, v in table.items() if k not in gone}
    for data, settings in ((table, {"count": "n"}), (expanded(table), {})):
        listed, at, made = prepared(hypotheses, [make(data, **settings)], line)
        yield weigh(listed, rh.Uniform("a test"), made, at, seed=seed)


@pytest.fixture
def few(monkeypatch):
    """Few replications: that two checks are the same takes no more."""
    for module, name in ((rational, "CHECKED"), (demonstrations, "CHECKED")):
        monkeypatch.setattr(module, name, 40)
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
    checks = [p.check(0, np.random.default_rng(3)) for p in (counted, rows)]
    if kind == "ratings":  # draws of the cut points differ within their error
        assert abs(checks[0].p - checks[1].p) <= 5 * math.hypot(checks[0].mcse, checks[1].mcse)
    else:
        assert checks[0].p == checks[1].p
        assert checks[0].statistic == pytest.approx(checks[1].statistic, rel=1e-9)
        np.testing.assert_allclose(checks[0].replicated, checks[1].replicated, rtol=1e-9)
        assert checks[0].misfit == checks[1].misfit


def test_a_check_of_many_answers_looks_at_as_many_as_of_rows(few, monkeypatch):
    monkeypatch.setattr(rational, "CHECKED_UNITS", 15)
    found = [p.check(0, np.random.default_rng(4)) for p in both("rankings")]
    np.testing.assert_allclose(found[0].replicated, found[1].replicated, rtol=1e-9)
    assert found[0].p == found[1].p


WORLD = rh.MDP(*rh.gridworld(["a.b", "...", "..c"], {"a": "a", "b": "b", "c": "c"}, slip=0.1), discount=0.9)
GOALS = {"c": "where(c, 1, 0)", "b": "where(b, 1, -0.1)"}
WALKS = rh.demonstrate(WORLD, "where(c, 1, 0)", 2.0, n=3, steps=6, random_seed=1)
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
        found.append((p.log_evidence, p.evidence[0].n_items, p.check(0, np.random.default_rng(2)), made[0]))
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
    assert 0.01 < one.check(0, np.random.default_rng(1)).p <= 1


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


def valued(data, names=tuple(HYPOTHESES)):
    listed = hypotheses_of({name: HYPOTHESES[name] for name in names})
    return Valuation(listed, as_table(data), failure_line({name: LINE[name] for name in names}, names))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("table", [IN_SCENES, IN_ITEMS])
def test_the_shift_check_counts(table, weighted):
    """The same statistic and shares as by rows, and p within the error of 999 permutations."""
    rng = np.random.default_rng(8)
    drawn = rng.integers(len(expanded(table)["x"]), size=40)  # as training has them, and a little else
    test = {
        c: expanded(table)[c][drawn] + (rng.random(40) < 0.2).reshape(-1, *[1] * (np.ndim(table[c]) - 1)) for c in "xy"
    }
    shape = test["x"].shape
    if weighted:
        weight = rng.integers(1, 4, 40)
        test["scene_weight"] = np.broadcast_to(weight.reshape(-1, *[1] * (len(shape) - 1)), shape)
    table = {k: v for k, v in table.items() if k in ("x", "y", "n", "available")}
    plain = {k: v for k, v in table.items() if k != "n"}
    counts = as_table(table).numbers("n")
    weights = np.full(3, 1 / 3)
    by_counts = shift_check([valued(plain)], valued(test), weights, np.random.default_rng(1), [counts])
    by_rows = shift_check([valued(expanded(table))], valued(test), weights, np.random.default_rng(1))
    unlike = shift_check([valued(plain)], valued(test), weights, np.random.default_rng(1))
    assert by_counts.statistic == pytest.approx(by_rows.statistic, rel=1e-9) != unlike.statistic
    assert (by_counts.indicator, by_counts.n_new) == (by_rows.indicator, by_rows.n_new)
    assert [k[0] for k in by_counts.kinds] == [k[0] for k in by_rows.kinds]
    np.testing.assert_allclose([k[1:] for k in by_counts.kinds], [k[1:] for k in by_rows.kinds], rtol=1e-9)
    p = (by_counts.p + by_rows.p) / 2
    assert 0.001 < p < 1 and abs(by_counts.p - by_rows.p) <= 4.5 * math.sqrt(2 * p * (1 - p) / 999)
    huge = shift_check([valued(plain)], valued(test), weights, np.random.default_rng(1), [counts * 1e8])
    assert huge.statistic == pytest.approx(by_counts.statistic, rel=0.5) and 0 < huge.p <= 1


def test_counts_that_differ_in_a_scene_shift_items():
    n = np.arange(1, 1 + X.size).reshape(X.shape)
    table, test = {"x": X, "y": Y}, {"x": X[::-1] + 1, "y": Y}
    flat = {k: np.repeat(v.ravel(), n.ravel()) for k, v in table.items()}
    weights = np.full(3, 1 / 3)
    found = shift_check([valued(table)], valued(test), weights, np.random.default_rng(1), [n.ravel().astype(float)])
    rows = shift_check([valued(flat)], valued(test), weights, np.random.default_rng(1))
    assert found.statistic == pytest.approx(rows.statistic, rel=1e-9) and found.indicator == rows.indicator


def test_subgroups_count(monkeypatch):
    """The subgroup, its size and its shares are those of the rows, and p within its error; also of some labels at random."""
    rng = np.random.default_rng(2)
    n = 60
    table = {"x": rng.normal(size=n), "y": rng.normal(size=n), "wet": rng.random(n) < 0.5, "n": rng.integers(1, 30, n)}
    table["good"] = (table["x"] > 0) ^ ((table["y"] > 0.4) & (rng.random(n) < 0.25))
    found = []
    for most in (50_000, 500):
        monkeypatch.setattr("reward_hypotheses.analysis.evidence.subgroups.MOST_ITEMS", most)
        for few_rows in (2000, 0):
            monkeypatch.setattr("reward_hypotheses.analysis.evidence.subgroups.FEW_ROWS", few_rows)
            for data, settings in ((table, {"count": "n"}), (expanded(table), {})):
                made = rh.Labels(data, "good", noise=(1, 9), **settings)
                listed, line, made = prepared({"x": "x", "y": "y"}, [made], 0.0)
                p = weigh(listed, rh.Uniform("a test"), made, line)
                found.append(subgroup_check(p, 0, np.random.default_rng(1)))
    for one, rows in itertools.batched(found, 2):
        for key in ("words", "n", "contradicted", "elsewhere", "looked_at"):
            assert getattr(one, key) == getattr(rows, key), key
        assert one.statistic == pytest.approx(rows.statistic, rel=1e-9)
        assert abs(one.p - rows.p) <= 4.5 * math.hypot(one.mcse, rows.mcse)
        assert one.replicated.mean() == pytest.approx(rows.replicated.mean(), abs=0.1)
    assert found[0].n > 60 and found[0].words


def test_what_is_drawn_again_from_training_counts():
    """Telling, the curve of bits and contributions draw answers, not rows: the same draws as by rows."""
    pair, line = {"x": "x", "y": "y"}, 0.3
    for kind in ("labels", "choices"):
        counted, rows = both(kind, pair, line)
        one, other = (expected_factors(p, 0, np.random.default_rng(2)) for p in (counted, rows))
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-7, atol=1e-9)
    counted, rows = both("labels", pair, line)
    test = valued({"x": NOISY, "y": NOISY[::-1]}, pair)
    matrix = np.array([[0.0, 0.3], [0.2, 0.0]])
    one, other = (bits_curve(p, test, matrix, 0.01, np.random.default_rng(3)) for p in (counted, rows))
    assert one.sizes == other.sizes and one.sizes[-1] == int(ITEM_TIMES.sum())
    np.testing.assert_allclose(one.training, other.training, atol=1e-9)
    found = []
    for data, settings in ((IN_ITEMS, {"count": "n"}), (expanded(IN_ITEMS), {})):
        some = [KINDS["labels"][1](data, **settings), KINDS["stops"][1](data, **settings)]
        listed, at, made = prepared(pair, some, line)
        found.append(contributions(weigh(listed, rh.Uniform("a test"), made, at), checked=False))
    np.testing.assert_allclose(found[0].alone, found[1].alone, rtol=1e-12)
    np.testing.assert_allclose(found[0].agreement[0, 1], found[1].agreement[0, 1], rtol=1e-9)


def test_impact_counts():
    table = as_table({k: IN_ITEMS[k] for k in ("x", "y")})
    test = as_table({"x": np.linspace(-3, 3, 9), "y": np.linspace(2, -2, 9)})
    found = impact_of([table], test, ["x", "y"], counts=[ITEM_TIMES.astype(float)])
    rows = impact_of([as_table(expanded({k: IN_ITEMS[k] for k in ("x", "y", "n")}))], test, ["x", "y"])
    np.testing.assert_allclose(found.distance, rows.distance, rtol=1e-9)
    np.testing.assert_allclose(found.as_far, rows.as_far, atol=1e-12)


def test_cells_of_an_unmodelled_hypothesis_count():
    table = {k: IN_ITEMS[k] for k in ("x", "y", "good", "n")}
    hypotheses = {"x": "x", "y": "y", "none": rh.Unmodelled(1.0, source="a test")}
    trees = [
        rh.fit(hypotheses, rh.Uniform("a test"), [made], {"x": 0.3, "y": 0.3}, random_seed=1)
        for made in (KINDS["labels"][1](table, count="n"), KINDS["labels"][1](expanded(table)))
    ]
    a, b = (tree["evidence"].to_dataset() for tree in trees)
    np.testing.assert_allclose(a["log_evidence"], b["log_evidence"], rtol=1e-12)
    np.testing.assert_array_equal(a["cell_items"], b["cell_items"])
    np.testing.assert_array_equal(a["cell_true"], b["cell_true"])


@pytest.mark.parametrize("kind", ["labels", "stops"])
def test_what_nuts_samples_counts(kind):
    """Its target by counts is that by rows, wherever the nuisance is; items that are alike are one."""
    parts = []
    for p in both(kind, {"x": "x", "y": "y"}, 0.3):
        part = sampling._part(p.feedback[0], p.valuations[0], p.classes)
        phi = np.linspace(-2, 2, 5)[:, None]
        parts.append((np.array([part.log_target(c, phi) for c in range(2)]), part.counts))
    np.testing.assert_allclose(parts[0][0], parts[1][0], rtol=1e-12)
    assert parts[0][1].sum() == parts[1][1].sum() == ITEM_TIMES.sum()


def test_pymc_counts():
    mixture = {"x": "x", "mixture": rh.Linear(["x", "y"], prior={"normal": 1.0}, source="a test")}
    found = []
    for data, settings in ((IN_SCENES, {"count": "n"}), (expanded(IN_SCENES), {})):
        one = KINDS["choices"][1](data, rationality=1.5, **settings)
        model = rh.pymc_model(mixture, rh.Uniform("a test"), [one], 0.3)
        assert ("choices_counts" in model.named_vars) == bool(settings)
        evaluate = model.compile_fn(
            model["log_likelihood_of"], inputs=[model["reward_weight"]], mode="FAST_COMPILE", point_fn=False
        )
        found.append(evaluate(np.array([0.8, -0.3])))
    np.testing.assert_allclose(*found, rtol=1e-12)


@pytest.mark.parametrize("kind", ["labels", "stops", "choices", "ratings", "rewards"])
def test_predictive_draws_hold_what_so_many_answers_would_be(kind):
    """Sums over the rows of a tree by counts are distributed as sums over all rows; the observed are equal."""
    table, make = KINDS[kind]
    table = {k: v for k, v in table.items() if k != "is_failing"}
    trees = [
        rh.fit({"x": "x"}, rh.Uniform("a test"), [make(data, **settings)], 0.3, random_seed=7, log_likelihood=True)
        for data, settings in ((table, {"count": "n"}), (expanded(table), {}))
    ]
    name = make(expanded(table)).kind
    times = ITEM_TIMES if table is not IN_SCENES and np.ndim(table["x"]) == 1 else TIMES
    counted, rows = (tree["observed_data"][name].values for tree in trees)
    groups = [[tree[f"{g}_predictive"][name].values for tree in trees] for g in ("prior", "posterior")]
    if kind == "choices":
        np.testing.assert_array_equal(counted, np.add.reduceat(rows, np.cumsum(times) - times, axis=0))
        sums = [[made[..., 0].sum(axis=-1) for made in group] for group in groups]
    elif kind == "ratings":
        assert trees[0]["observed_data"][name].dims == ("ratings_item", "ratings_grade")
        assert counted.sum() == times.sum() and (counted @ np.arange(3)).sum() == rows.sum()
        sums = [[(group[0] @ np.arange(3)).sum(axis=-1), group[1].sum(axis=-1)] for group in groups]
    elif kind == "rewards":
        sums = [[(group[0] * times).sum(axis=-1), group[1].sum(axis=-1)] for group in groups]
    else:
        assert counted.sum() == rows.sum() and (counted <= times).all()
        sums = [[made.sum(axis=-1) for made in group] for group in groups]
    for a, b in sums:
        a, b = a.ravel(), b.ravel()
        assert abs(a.mean() - b.mean()) < 4.5 * math.sqrt((a.var() + b.var()) / len(a))
        ratio = math.log(a.std() / b.std())
        assert abs(ratio) < 0.5, ratio  # one answer a row, in place of so many, would be off by a factor of two
    np.testing.assert_array_equal(trees[0]["constant_data"][f"{name}_counts"].values, times)
    totals = [tree["log_likelihood"][name].sum(f"{name}_item").mean().item() for tree in trees]
    assert trees[0]["log_likelihood"][name].sizes[f"{name}_item"] == len(times)
    assert totals[0] == pytest.approx(totals[1], rel=0.02)


def test_a_column_that_is_called_count_is_a_feature_unless_named():
    table = {"count": [3.0, -1.0, 2.0, -2.0], "n": [2, 1, 1, 3], "good": [True, False, True, True]}
    plain = rh.fit({"count": "count"}, rh.Uniform("a test"), [rh.Labels(table, "good", noise=0.1)], 0)
    assert plain["evidence"]["log_evidence"].item() == pytest.approx(3 * math.log(0.9) + math.log(0.1), rel=1e-14)
    counted = rh.fit({"count": "count"}, rh.Uniform("a test"), [rh.Labels(table, "good", noise=0.1, count="n")], 0)
    assert counted["evidence"]["log_evidence"].item() == pytest.approx(4 * math.log(0.9) + 3 * math.log(0.1), rel=1e-14)
    assert "count" not in json.loads(plain.attrs["study"])["feedback"][0]
    assert json.loads(counted.attrs["study"])["feedback"][0]["count"] == "n"


def test_counts_of_one_are_no_counts():
    table = {k: v for k, v in IN_ITEMS.items()} | {"n": np.ones(N_ITEMS, int)}
    assert KINDS["labels"][1](table, count="n").counts is None


def test_missing_counts_are_dropped_where_that_is_asked():
    n = np.where(np.arange(N_ITEMS) == 3, np.nan, ITEM_TIMES.astype(float))
    table = {k: v for k, v in IN_ITEMS.items() if k != "is_failing"} | {"n": n}
    one = rh.Labels(table, "good", noise=(2, 8), count="n", missing="drop")
    assert (one.dropped, one.n_answers) == (1, int(np.nansum(n)))
    with pytest.raises(rh.InputError, match="column 'n' is missing"):
        _ = rh.Labels(table, "good", noise=(2, 8), count="n").counts
    lacking = IN_SCENES | {"n": np.where(np.arange(OPTIONS) == 1, [[np.nan]] + [[1.0]] * 6, 1.0) * IN_SCENES["n"]}
    for make in (lambda: rh.Choices(lacking, "chosen", count="n", missing="drop"),
                 lambda: rh.Rankings(lacking, "rank", count="n", missing="drop")):  # fmt: skip
        assert len(make().units) == SCENES - 1 and make().n_answers == TIMES[1:].sum()


ONE_SCENE = {"scene": [0, 0], "option": [0, 1], "x": [1, 0], "chosen": [1, 0], "good": [1, 0]}
WEIGHTED = {"scene": [0, 0, 1, 1], "option": [0, 1, 0, 1], "x": [1, 0, 1, 0], "chosen": [1, 0, 0, 1], "r": [1, 2, 2, 1]}
WEIGHTED |= {"scene_weight": [9, 9, 1, 1]}
STEPS = {"trajectory": [0, 0], "step": [0, 1], "state": [0, 0], "action": ["up", "up"], "n": [1, 2]}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rh.Labels(ONE_SCENE | {"n": [0, 1]}, "good", noise=0.1, count="n"), r"scene 0, option 0: column 'n' is 0; .* from 1"),
        (lambda: rh.Labels(ONE_SCENE | {"n": [1, 1.5]}, "good", noise=0.1, count="n"), r"option 1: column 'n' is 1\.5; "),
        (lambda: rh.Labels(ONE_SCENE | {"n": [1, 1e13]}, "good", noise=0.1, count="n"), r"1e\+13; .* to 10\^12"),
        (lambda: rh.Labels(ONE_SCENE | {"n": ["a", "b"]}, "good", noise=0.1, count="n"), r"column 'n' is 'a', which is not a number"),
        (lambda: rh.Labels(ONE_SCENE, "good", noise=0.1, count="m"), r"no column 'm'"),
        (lambda: rh.Labels(ONE_SCENE, "good", noise=0.1, count=3), r"^count: 3; name the column .* in quotes"),
        (lambda: rh.Choices(ONE_SCENE | {"n": [2, 3]}, "chosen", count="n"), r"option 1: column 'n' differs .* constant in a scene"),
        (lambda: rh.Choices(WEIGHTED, "chosen"), r"'scene_weight' is not the same .* count = \"scene_weight\""),
        (lambda: rh.Rankings(WEIGHTED, "r"), r"count = \"scene_weight\""),
        (lambda: rh.Labels(WEIGHTED, "chosen", noise=0.1), r"count = \"scene_weight\""),
        (lambda: rh.Rewards(WEIGHTED, "r", sigma2=(1, 1)), r"count = \"scene_weight\""),
        (lambda: rh.Stops(WEIGHTED, "chosen"), r"count = \"scene_weight\""),
        (lambda: rh.Ratings(WEIGHTED, "r", grades=[1, 2]), r"count = \"scene_weight\""),
        (lambda: rh.Proxy(WEIGHTED, chosen="a", candidates={"a": "x", "b": "-x"}), r"'scene_weight' .* rh\.resample .*count says"),
        (lambda: rh.Proxy(IN_SCENES, chosen="a", candidates={"a": "x", "b": "-x"}, count="n"), r"^count: 'n'; a proxy is one answer"),
        (lambda: rh.Proxy(IN_SCENES, chosen="a", candidates={"a": "x", "b": "-x"}, count=0), r"^count: 0; a proxy"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count=[1, 2]), r"^count: 2 numbers; give one .* of the 3"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count=[1, 2, 0.5]), r"^count: trajectory 2: 0\.5; give one"),
        (lambda: rh.Demonstrations(WORLD, WALKS, count="n"), r"^count: 'n'; .* a column can be named where"),
        (lambda: rh.Demonstrations(WORLD, STEPS, count="m"), r"no column 'm'"),
        (lambda: rh.Demonstrations(WORLD, STEPS, count="n"), r"trajectory '0': column 'n' is '1' and '2'; .* constant in a traj"),
        (lambda: rh.Demonstrations(WORLD, STEPS | {"n": [0, 0]}, count="n"), r"column 'n' is '0'; .* whole number"),
        (lambda: rh.Demonstrations(WORLD, STEPS | {"scene_weight": [1, 2]}), r"count = \"scene_weight\""),
        (lambda: rh.FailureJudgements(WEIGHTED, "chosen", centre=0, spread=1, source="s"), r"'scene_weight' .* a row for each"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(make, message):
    with pytest.raises(rh.InputError, match=message) as error:
        _ = make().counts
    assert len(str(error.value).splitlines()) == 1


def test_equal_weights_say_nothing_and_may_stay():
    third = WEIGHTED | {"scene_weight": [1 / 3, 1 / 3, 1 - 2 / 3, 1 - 2 / 3]}
    for weights in (
        third,
        WEIGHTED | {"scene_weight": [None] * 4},
        {k: v for k, v in WEIGHTED.items() if k != "scene_weight"},
    ):
        assert rh.Choices(weights, "chosen").n_answers == 2
    assert rh.Choices(WEIGHTED, "chosen", count="scene_weight").n_answers == 10


def test_a_study_counts(tmp_path, capsys):
    """By counts and by rows: the same evidence, weights, checks, shift and risk; what is wrong names the feedback."""
    rng = np.random.default_rng(4)
    rows, times = [], []
    for k in range(8):
        red, slope = k % 2, round(float(rng.gamma(2.0)), 2)
        times.append(int(rng.integers(1, 9)))
        rows.append(
            {"red_paint": red, "flags": red, "slope": slope, "is_pad": red if k else 1 - red, "times": times[-1]}
        )
    test = [
        {"scene": m, "option": o, "red_paint": int(o == 0), "flags": int(o == 1), "slope": 0.5 + o, "times": o, "scene_weight": 1 + m % 2}
        for m in range(6)
        for o in range(3)
    ]  # fmt: skip
    documents = []
    entry = small()["feedback"][0]
    plain = [{k: v for k, v in row.items() if k != "times"} for row in rows]
    repeated = [row for row, n in zip(plain, times, strict=True) for _ in range(n)]
    for name, training, extra in (("counts", rows, {"count": "times"}), ("rows", repeated, {})):
        folder = tmp_path / name
        folder.mkdir()
        study = small(feedback=[entry | extra])
        documents.append(rh.run(write(folder, study, training=csv_text(training), test=csv_text(test))))
    a, b = documents
    for key in ("log_evidence", "weights", "n_items", "silent_pairs", "training_tables"):
        assert a[key] == (b[key] if key != "log_evidence" else pytest.approx(b[key], rel=1e-12)), key
    assert a["n_items"] == {"labels": sum(times)}
    assert a["risk"]["mean"] == pytest.approx(b["risk"]["mean"], rel=1e-12)
    assert a["shift"]["statistic"] == pytest.approx(b["shift"]["statistic"], rel=1e-9)
    assert a["predictive_check"]["labels"]["p"] == b["predictive_check"]["labels"]["p"]
    assert a["impact"]["features"] == b["impact"]["features"] and "times" not in a["impact"]["features"]
    path = tmp_path / "counts" / "study.toml"
    assert main(["check", str(path)]) == 0
    assert f"labels: {sum(times)} answers, counted by 'times'" in capsys.readouterr().out
    weighted = csv_text([row | {"scene_weight": n} for row, n in zip(plain, times, strict=True)])
    write(tmp_path / "counts", small(), training=weighted, test=csv_text(test))
    assert main(["check", str(path)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and "[[feedback]]" in said[0] and 'count = "scene_weight"' in said[0]


def test_a_study_counts_trajectories(tmp_path):
    demos = DEMOS.splitlines()
    times = ["times"] + ["3" if line.startswith("Ann") else "2" for line in demos[1:]]
    entry = study_of_demos()["feedback"][0] | {"count": "times"}
    text = "\n".join(",".join(row) for row in zip(demos, times, strict=True)) + "\n"
    one = rh.check(written(tmp_path, study_of_demos(feedback=[entry]), demos=text)).feedback[0]
    assert one.n_answers == 2 * 3 + 2 * 2  # of Ann's three steps the last is after the end
    with pytest.raises(rh.InputError, match=r"\[\[feedback\]\] .*trajectory 'Bob': column 'times' is '2' and '5'"):
        rh.check(written(tmp_path, study_of_demos(feedback=[entry]), demos=text[:-2] + "5\n"))


@dataclass(frozen=True, eq=False)
class Careless(rh.Labels):
    kind: ClassVar[str] = "careless"

    def evidence(self, valuation):
        return rh.Labels.evidence(replace(self, count=None), valuation)


def test_a_kind_that_loses_its_counts_does_not_conform():
    table = {k: IN_ITEMS[k] for k in ("x", "y", "good")}
    with pytest.raises(AssertionError, match=r"weigh each answer by self\.counts"):
        rh.conforms(Careless(table, "good", noise=0.2), {"x": "x", "y": "y"}, fail_utility=0.3, replications=300)
