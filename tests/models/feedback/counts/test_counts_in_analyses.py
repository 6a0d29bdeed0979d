"""Counts of answers in analyses, samplers and trees."""

import itertools
import math

import numpy as np
import pytest
from counted_cases import HYPOTHESES, IN_ITEMS, IN_SCENES, ITEM_TIMES, KINDS, LINE, NOISY, TIMES, X, Y, both, expanded

import reward_hypotheses as rh
from reward_hypotheses.analysis.evidence.by_feedback import contributions
from reward_hypotheses.analysis.evidence.sample_size import expected_factors
from reward_hypotheses.analysis.evidence.worst_fitting_subgroup import subgroup_check
from reward_hypotheses.analysis.sensitivity.value_bits_by_sample_size import bits_curve
from reward_hypotheses.analysis.shift.impact_measure import impact_of
from reward_hypotheses.analysis.shift.two_sample_test import shift_check
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.weights import sampled_evidence as sampling
from reward_hypotheses.models.weights.weigh import weigh


def valued(data, names=tuple(HYPOTHESES)):
    listed = hypotheses_of({name: HYPOTHESES[name] for name in names})
    return Valuation(listed, as_table(data), stated_line({name: LINE[name] for name in names}, names))


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
        monkeypatch.setattr("reward_hypotheses.analysis.evidence.worst_fitting_subgroup.MOST_ITEMS", most)
        for few_rows in (2000, 0):
            monkeypatch.setattr("reward_hypotheses.analysis.evidence.worst_fitting_subgroup.FEW_ROWS", few_rows)
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
