"""The risk taken apart: against rational arithmetic, and its columns add up."""

import csv
import io
import math
from fractions import Fraction

import numpy as np
import pytest
from oracles import endless_limit
from reports import table_files
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh

H = {
    "red": "where(red_paint, 3, -1)",
    "flags": "where(flags, 2, -2)",
    "both": "where(red_paint & flags, 1, -1)",
    "flat": "2 - slope",
    "steep": "slope - 1",
}
SILENT = {"red": 0, "flags": 0, "both": 0, "flat": 1, "steep": 2}


def study(folder, policy="commit", abstain=False, prior="uniform", **values):
    weights = {"red": 1, "flags": 4, "both": 2, "flat": 3, "steep": 2} | values
    training = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2.5,0\n0,0,1.5,0\n1,1,2.5,1\n"
    document = small(
        hypotheses=H,
        values={"weights": weights, "source": "a test", "strength": 12},
        agent={"policy": {"name": policy, "abstain": abstain}, "prior": prior},
    )
    return write(folder, document, training=training, test=TEST)


@pytest.mark.parametrize("prior", ["uniform", "values", "simplicity"])
def test_parts_are_those_of_rational_arithmetic_and_add_up(tmp_path, prior):
    found = rh.run(study(tmp_path, prior=prior))
    parts = found["risk_parts"]
    w, v = ({n: Fraction(x) for n, x in found[key].items()} for key in ("agent_weights", "weights"))
    c = {i: {j: Fraction(x) for j, x in row.items()} for i, row in found["matrix"].items()}
    names = list(H)
    limit = endless_limit(
        [w[n] for n in names],
        [v[n] for n in names],
        [[c[i][j] for j in names] for i in names],
        [SILENT[n] for n in names],
        [Fraction(found["agent_prior"][n]) for n in names],
    )
    assert parts["left"] == pytest.approx(float(limit), rel=1e-12) == pytest.approx(found["risk"]["limit"])
    assert parts["left"] + parts["removed"] == pytest.approx(found["risk"]["mean"], rel=1e-14)
    listed = {(p["agent"], p["truth"]): p for p in parts["pairs"]}
    for i in names:
        for j in names:
            now = w[i] * v[j] * c[i][j]
            same = SILENT[i] == SILENT[j]
            of_class = [n for n in names if SILENT[n] == SILENT[j]]
            p = found["agent_prior"][i] / sum(found["agent_prior"][n] for n in of_class) if same else 0
            left = float(v[j] * c[i][j]) * p
            if now == 0 and left == 0:
                assert (i, j) not in listed
                continue
            part = listed.pop((i, j))
            assert part["risk"] == pytest.approx(float(now), rel=1e-12)
            assert part["left"] == pytest.approx(left, rel=1e-12)
            assert part["removed"] == pytest.approx(part["risk"] - part["left"], abs=1e-14)
            assert part["silent"] == (same and i != j)
    assert not listed and parts["others"]["pairs"] == 0
    for column, total in (("risk", found["risk"]["mean"]), ("left", parts["left"]), ("removed", parts["removed"])):
        for entries in (parts["pairs"], parts["classes"]):
            assert math.fsum(one[column] for one in entries) == pytest.approx(total, abs=1e-15)
    sizes = [max(p["risk"], p["left"]) for p in parts["pairs"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_policy_that_acts_on_all_weights_has_classes_alone(tmp_path):
    found = rh.run(study(tmp_path, policy="expected", abstain=True))
    parts = found["risk_parts"]
    assert parts["pairs"] is None and parts["others"] is None
    by_class = {tuple(one["hypotheses"]): one for one in parts["classes"]}
    assert set(by_class) == {("red", "flags", "both"), ("flat",), ("steep",)}
    for names, one in by_class.items():
        assert one["risk"] == pytest.approx(sum(found["weights"][n] * found["risk_by_truth"][n] for n in names))
        assert one["weight"] == pytest.approx(sum(found["weights"][n] for n in names))
    assert math.fsum(one["left"] for one in parts["classes"]) == pytest.approx(found["risk"]["limit"])


def test_pairs_beyond_those_listed_are_added_up(tmp_path):
    names = [f"above {k}" for k in range(8)]
    rng = np.random.default_rng(3)
    columns = [f"x{k}" for k in range(8)]
    rows = [",".join(["scene", "option", *columns])]
    rows += [f"{m},{o}," + ",".join(f"{x:.3f}" for x in rng.normal(size=8)) for m in range(9) for o in range(3)]
    training = "\n".join([",".join([*columns, "is_pad"]), ",".join(["1"] * 9), ",".join(["-1"] * 8 + ["0"])])
    document = small(
        hypotheses=dict(zip(names, columns, strict=True)),
        values={"weights": {n: k + 1 for k, n in enumerate(names)}, "source": "a test"},
    )
    parts = rh.run(write(tmp_path, document, training=training + "\n", test="\n".join(rows) + "\n"))["risk_parts"]
    assert len(parts["pairs"]) == 20 and parts["others"]["pairs"] > 20
    total = math.fsum(p["risk"] for p in parts["pairs"]) + parts["others"]["risk"]
    assert total == pytest.approx(parts["left"] + parts["removed"], rel=1e-13)
    assert parts["others"]["left"] == pytest.approx(parts["left"] - math.fsum(p["left"] for p in parts["pairs"]))


def test_errors_of_parts_stand_under_their_keys_and_in_the_table(tmp_path):
    scores = "red_paint,flags,slope,graded\n" + "".join(
        f"{r},{r},{s},{g}\n" for r, s, g in ((1, 0.5, "good"), (0, 2.5, "bad"), (1, 1.0, "good"), (0, 1.5, "fair")) * 5
    )
    ratings = {"kind": "ratings", "table": "training", "column": "graded", "grades": ["bad", "fair", "good"]}
    found = rh.run(
        write(
            tmp_path,
            small(hypotheses=H, values={"prior": "uniform", "source": "a test"}, feedback=[ratings]),
            training=scores,
            test=TEST,
        )
    )
    error = found["mcse"]["risk_parts"]
    assert error["left"] > 0 and len(error["pairs"]) == len(found["risk_parts"]["pairs"])
    by_weight = found["risk_parts"]["classes"]
    assert [e["weight"] for e in error["classes"]] != [0.0] * len(by_weight)
    rows = list(csv.DictReader(io.StringIO(table_files(found)["tables/risk_parts.csv"].decode())))
    assert [row["risk_mcse"] for row in rows] == [repr(p["risk"]) for p in error["pairs"]]
    assert [float(row["left"]) for row in rows] == [p["left"] for p in found["risk_parts"]["pairs"]]


def test_no_test_no_parts(tmp_path):
    assert rh.run(write(tmp_path, small(tables={"training": "training.csv"}), training=TRAINING))["risk_parts"] is None
