"""Evidence taken apart by feedback: against enumeration and grids, and contradictions where they were planted."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from oracles import labels_evidence
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.evidence.by_feedback import (
    CONTRADICTION,
    contributions,
)
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.weigh import weigh

TWO = {"a": "where(x, 1, -1)", "b": "where(y, 1, -1)", "c": "where(x & y, 1, -1)"}
VALUES = {"a": 3, "b": 2, "c": 1}
PRIOR = rh.Elicited(VALUES, source="a test")


def labels(features, given, name, noise):
    table = {"x": features[0], "y": features[1], "said": given}
    return rh.Labels(table, "said", noise=noise, name=name)


def test_agreement_is_that_of_every_pair_of_data_sets():
    """All 2^3 x 2^3 data sets: agreement is the log ratio of their chances, and e^-agreement is 1 on average."""
    first, second = ([1, 0, 1], [0, 1, 1]), ([1, 1, 0], [0, 1, 0])
    eps = Fraction(1, 4)

    def predicted(features):
        xs, ys = ([bool(v) for v in f] for f in features)
        return [xs, ys, [x and y for x, y in zip(xs, ys, strict=True)]]

    weight = [Fraction(v, 6) for v in VALUES.values()]
    total, often, below = Fraction(0), Fraction(0), Fraction(0)
    for mine, theirs in itertools.product(itertools.product([True, False], repeat=3), repeat=2):
        alone = [labels_evidence(predicted(f), s, eps) for f, s in ((first, mine), (second, theirs))]
        p_first, p_second = (sum(w * e for w, e in zip(weight, each, strict=True)) for each in alone)
        p_both = sum(w * e * f for w, e, f in zip(weight, *alone, strict=True))
        found = rh.evidence_by_feedback(
            TWO, PRIOR, [labels(first, mine, "one", 0.25), labels(second, theirs, "two", 0.25)], 0.0
        )
        expected = math.log(p_both / (p_first * p_second))
        assert found["agreement"].values[0, 1] == pytest.approx(expected, abs=1e-13)
        assert np.array_equal(found["agreement"].values, found["agreement"].values.T, equal_nan=True)
        assert found["agreement_with_others"].values == pytest.approx([expected] * 2, abs=1e-13)
        assert found["chance_at_most"].values == pytest.approx([min(math.exp(expected), 1.0)] * 2)
        assert np.exp(found["nats"].values) == pytest.approx(np.array(alone, float))
        others = [w * e / p_second for w, e in zip(weight, alone[1], strict=True)]
        assert found["weight_by_others"].values[0] == pytest.approx(np.array(others, float))
        e_value = p_first * p_second / p_both
        total += p_both
        often += p_both * e_value
        below += p_both * (e_value >= Fraction(6, 5))
    assert total == often == 1
    assert 0 < below <= Fraction(5, 6)


def grid_evidence(parts, human):
    """log integral of prod_k p(D_k | beta) LogNormal(beta; 0, 1): by the trapezoid rule on log beta."""
    t = np.linspace(-9, 9, 20_001)
    logs = np.sum([[part(math.exp(v)) for v in t] for part in parts], axis=0) - t * t / 2 - math.log(2 * math.pi) / 2
    top = logs.max()
    assert human in (None, "Ann")
    return top + math.log(np.trapezoid(np.exp(logs - top), t))


def test_one_human_against_a_grid():
    """Choices and a ranking by one person: what each says alone, and what they say by sharing a rationality."""
    choices = {
        "scene": [0, 0, 1, 1, 2, 2],
        "x": [1, 0, 1, 0, 0, 1],
        "y": [0, 1, 1, 0, 1, 1],
        "took": [1, 0, 1, 0, 0, 1],
    }
    ranked = {"scene": [0, 0, 0], "x": [1, 0, 0], "y": [1, 1, 0], "place": [1, 2, 3]}
    kinds = [
        rh.Choices(choices | {"option": [0, 1] * 3}, "took", human="Ann"),
        rh.Rankings(ranked | {"option": [0, 1, 2]}, "place", human="Ann"),
    ]
    found = rh.evidence_by_feedback(TWO, PRIOR, kinds, 0.0)

    def rewards(table, h):
        x, y = np.array(table["x"]), np.array(table["y"])
        return np.where([x, y, x & y][h], 1.0, -1.0)

    def by_choices(h):
        r = rewards(choices, h).reshape(3, 2)
        s = math.sqrt(r.var(axis=1).mean())
        took = np.array(choices["took"]).reshape(3, 2)

        def log_likelihood(beta):
            z = beta * r / s
            return float((z * took).sum() - np.logaddexp(z[:, 0], z[:, 1]).sum())

        return log_likelihood

    def by_rank(h):
        r = rewards(ranked, h)
        s = r.std()

        def log_likelihood(beta):
            z = beta * r / s
            return float(z[0] - np.logaddexp(np.logaddexp(z[0], z[1]), z[2]) + z[1] - np.logaddexp(z[1], z[2]))

        return log_likelihood

    alone = np.array([[grid_evidence([by(h)], "Ann") for h in range(3)] for by in (by_choices, by_rank)])
    both = np.array([grid_evidence([by_choices(h), by_rank(h)], "Ann") for h in range(3)])
    assert found["nats"].values == pytest.approx(alone, abs=1e-7)
    assert found["together"].values == pytest.approx(both - alone.sum(axis=0), abs=1e-7)
    assert np.abs(found["together"].values).max() > 0.01
    pi = np.array([3, 2, 1]) / 6
    expected = math.log((pi * np.exp(both)).sum()) - sum(math.log((pi * np.exp(one)).sum()) for one in alone)
    assert found["agreement"].values[0, 1] == pytest.approx(expected, abs=1e-7)
    assert found["agreement_mcse"].values[0, 1] == 0


def test_continuous_weights_against_a_grid():
    """A family of normal weights on two features: each feedback's integral, and that of both, on a grid."""
    rng = np.random.default_rng(3)
    n = 24
    tables = [
        {
            "scene": np.repeat(np.arange(n), 2),
            "option": np.tile([0, 1], n),
            "u": rng.normal(size=2 * n),
            "v": rng.normal(size=2 * n),
        }
        for _ in range(2)
    ]
    for table, w in zip(tables, ((1.0, 0.5), (1.0, -0.5)), strict=True):
        r = (table["u"] * w[0] + table["v"] * w[1]).reshape(n, 2)
        first = rng.random(n) < 1 / (1 + np.exp(r[:, 1] - r[:, 0]))
        table["took"] = np.stack([first, ~first], axis=1).ravel()
    linear = {"family": rh.Linear(["u", "v"], prior={"normal": 1.5}, source="a test"), "chance": "0*u"}
    prior = rh.Elicited({"family": 1, "chance": 1}, source="a test")
    kinds = [rh.Choices(table, "took", name=name) for table, name in zip(tables, ("one", "two"), strict=True)]
    found = rh.evidence_by_feedback(linear, prior, kinds, 0.0, random_seed=4)
    scale = np.concatenate([np.stack([t["u"], t["v"]], axis=1) for t in tables]).std(axis=0)
    g = np.linspace(-12, 12, 601)
    w = np.stack(np.meshgrid(g, g, indexing="ij"), axis=-1).reshape(-1, 2)
    log_prior = -(w**2).sum(axis=1) / (2 * 1.5**2) - math.log(2 * math.pi * 1.5**2)
    by_kind = []
    for table in tables:
        features = np.stack([table["u"], table["v"]], axis=1) / scale
        d = (features[0::2] - features[1::2]) * np.where(table["took"][0::2], 1, -1)[:, None]
        by_kind.append(-np.logaddexp(0, -(w @ d.T)).sum(axis=1))
    cell = (g[1] - g[0]) ** 2

    def log_integral(logs):
        top = (logs + log_prior).max()
        return top + math.log(np.exp(logs + log_prior - top).sum() * cell)

    alone = [log_integral(logs) for logs in by_kind]
    both = log_integral(by_kind[0] + by_kind[1])
    mcse = found["mcse"].sel(hypothesis="family").values
    assert (mcse < 0.05).all()
    z = (found["nats"].sel(hypothesis="family").values - alone) / mcse
    assert np.abs(z).max() < 5
    assert found["nats"].sel(hypothesis="chance").values == pytest.approx(-n * math.log(2))
    assert found["together"].sel(hypothesis="chance").item() == pytest.approx(0, abs=1e-12)
    expected = math.log((math.exp(both) + 4.0 ** (-n)) / 2)
    expected -= sum(math.log((math.exp(one) + 2.0 ** (-n)) / 2) for one in alone)
    error = found["agreement_mcse"].values[0, 1]
    assert 0 < error < 0.1
    assert abs(found["agreement"].values[0, 1] - expected) < 5 * error
    assert np.isnan(found["p"].values).all()


def simulated(rng, truths, n):
    """Labels of one who goes by truths[0] and choices of one who goes by truths[1], on random items."""
    x, y = rng.random((2, 2 * n)) < 0.5
    named = {"a": x, "b": y, "c": x & y}
    said = named[truths[0]] ^ (rng.random(2 * n) < 0.05)
    table = {"scene": np.repeat(np.arange(n), 2), "option": np.tile([0, 1], n), "x": x, "y": y, "said": said}
    r = np.where(named[truths[1]], 1.0, -1.0).reshape(n, 2)
    first = rng.random(n) < 1 / (1 + np.exp(-2 * (r[:, 0] - r[:, 1])))
    table["took"] = np.stack([first, ~first], axis=1).ravel()
    items = {name: values for name, values in table.items() if name in ("x", "y", "said")}
    return [rh.Labels(items, "said", noise=(1, 19)), rh.Choices(table, "took")]


def test_contradictions_where_planted_and_seldom_else():
    rng = np.random.default_rng(11)

    def chance(truths, n):
        hypotheses, line, feedback = prepared(TWO, simulated(rng, truths, n), 0.0)
        return contributions(weigh(hypotheses, PRIOR, feedback, line), checked=False).given_others[0].chance

    drawn = rng.choice(list(TWO), size=150, p=np.array(list(VALUES.values())) / 6)
    well = [chance((h, h), 20) for h in drawn]
    assert sum(c < CONTRADICTION for c in well) <= 7  # at 0.01 each, 8 of 150 have a chance of 9e-5
    planted = [chance(("a", "b"), 40) for _ in range(30)]
    assert sum(c < CONTRADICTION for c in planted) >= 25


def told(**changes):
    """The small study, told a second time by choices that go by flags."""
    chosen = "scene,option,red_paint,flags,slope,took\n" + "".join(
        f"{m},0,1,0,0.5,{int(m == 0)}\n{m},1,0,1,0.5,{int(m > 0)}\n" for m in range(12)
    )
    study = small(
        tables={"training": "training.csv", "test": "test.csv", "asked": "asked.csv"},
        feedback=[
            {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19]},
            {"kind": "choices", "table": "asked", "column": "took", "name": "asked"},
        ],
    )
    return study | changes, {"training": TRAINING, "test": TEST, "asked": chosen}


def test_study_has_what_python_has(tmp_path):
    study, tables = told()
    path = write(tmp_path, study, **tables)
    results = rh.run(path)
    found = results["evidence_by_feedback"]
    frames = {name: rh.read_table(tmp_path / f"{name}.csv") for name in ("training", "asked")}
    kinds = [
        rh.Labels(frames["training"], "is_pad", noise=(1, 19)),
        rh.Choices(frames["asked"], "took", name="asked"),
    ]
    prior = rh.Elicited({"red paint": 1, "flags": 8}, source="a test", strength=20)
    same = rh.evidence_by_feedback(study["hypotheses"], prior, kinds, 0.0, random_seed=1)
    for k, name in enumerate(("labels", "asked")):
        assert list(found["nats"][name].values()) == same["nats"].values[k].tolist()
        assert found["given_others"][name]["agreement"] == same["agreement_with_others"].values[k]
        assert list(found["given_others"][name]["weights"].values()) == same["weight_by_others"].values[k].tolist()
        assert found["given_others"][name]["p"] == same["p"].values[k]
    (pair,) = found["pairs"]
    assert pair["feedback"]["labels"] == 0 == pair["together"]
    assert pair["all"] == pytest.approx(pair["values"] + sum(pair["feedback"].values()))
    assert found["given_others"]["labels"]["favours"] == [] and found["given_others"]["asked"]["favours"] == ["flags"]
    assert found["given_others"]["labels"]["words"] == "labels: does not distinguish the hypotheses"
    assert found["contradictions"] == []
    assert rh.run(write(tmp_path, small(), **tables))["evidence_by_feedback"] is None


def test_contradiction_is_told_first(tmp_path):
    """Choices by red paint beside choices by flags: the warnings, the page and its tables say so."""
    study, tables = told()
    study["tables"]["again"] = "again.csv"
    study["feedback"].append({"kind": "choices", "table": "again", "column": "took", "name": "again"})
    tables["again"] = tables["asked"].replace("red_paint,flags", "flags,red_paint")
    path = write(tmp_path, study, **tables)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    found = results["evidence_by_feedback"]
    (said,) = found["contradictions"]
    assert said.startswith(
        "asked and again contradict each other: if both follow one listed hypothesis, so little agreement"
    )
    assert results["warnings"][0] == said
    assert not found["given_others"]["labels"]["contradicted"]
    assert all(found["given_others"][name]["contradicted"] for name in ("asked", "again"))
    page = (tmp_path / "out" / "report.html").read_text()
    assert (
        page.index(f"A{said[1:]}")
        < page.index("contradict the other feedback")
        < page.index("What each feedback favours")
    )
    assert page.count(f"A{said[1:]}") == 1
    assert (tmp_path / "out" / "figures" / "evidence_by_feedback.png").stat().st_size > 5000
    table = (tmp_path / "out" / "tables" / "evidence_by_feedback.csv").read_text().splitlines()
    assert table[0].startswith("hypothesis,by labels,by asked,by again,together,log_evidence")
    assert [line.split(",")[2] for line in table[1:]] == [
        repr(found["nats"]["asked"][h]) for h in results["hypotheses"]
    ]


def test_a_hypothesis_that_one_feedback_rules_out(tmp_path):
    """Impossible data are null, and no figure or table stumbles over them."""
    study, tables = told()
    study["feedback"][0]["noise"] = 0
    study["hypotheses"]["slope"] = "where(slope > 9, 1, -1)"
    study["values"] = {"prior": "uniform", "source": "a test"}
    path = write(tmp_path, study, **tables)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())["evidence_by_feedback"]
    assert found["nats"]["labels"]["slope"] is None and found["nats"]["asked"]["slope"] is not None
    assert found["given_others"]["labels"]["words"].startswith("labels: speaks against 'slope'; ")


def test_one_feedback_has_nothing_to_agree_with():
    found = rh.evidence_by_feedback(TWO, PRIOR, [labels(([1, 0], [0, 1]), [True, False], None, (1, 19))], 0.0)
    assert "agreement_with_others" not in found and np.isnan(found["agreement"].values).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({}, PRIOR, None, 0.0), "no hypothesis; give"),
        ((TWO, {"a": 1}, None, 0.0), "values: a dict; give a prior"),
        ((TWO, PRIOR, [], 0.0), "feedback"),
        ((TWO, PRIOR, None, None), "fail_utility"),
        ((TWO, rh.Elicited({"a": 1}, source="x"), None, 0.0), "'b'"),
    ],
)
def test_bad_input(arguments, words):
    hypotheses, prior, kinds, line = arguments
    if kinds is None:
        kinds = [labels(([1, 0], [0, 1]), [True, False], None, (1, 19))]
    with pytest.raises(rh.InputError, match=words):
        rh.evidence_by_feedback(hypotheses, prior, kinds, line)
