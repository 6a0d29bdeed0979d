"""The worst case and impact in the results of a study, its tables and its page."""

import csv
import io
import json

import numpy as np
import pytest
import xarray as xr
from reports import table_files
from studies import TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.shift import beside_impact, present, worst_tenth
from reward_hypotheses.data.readers.csv import read_csv

MIXED = "scene,option,red_paint,flags,slope\n" + "".join(
    f"{m},0,1,{int(m >= 4)},{0.5 + m / 50}\n{m},1,0,{int(m < 4)},1.5\n" for m in range(20)
)  # paint and flags part in the first four of twenty scenes


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write(tmp_path_factory.mktemp("study"), small(), training=TRAINING, test=MIXED)


@pytest.fixture(scope="module")
def results(study):
    return json.loads(json.dumps(rh.run(study)))


@pytest.fixture(scope="module")
def tree(study):
    labels = rh.Labels(rh.read_table(study.with_name("training.csv")), "is_pad", noise=(1, 19))
    prior = rh.Elicited({"red paint": 1, "flags": 8}, source="a test", strength=20)
    rewards = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}
    return rh.fit(rewards, prior, [labels], 0, random_seed=1)


def test_the_study_says_what_the_functions_say(study, results, tree):
    test, training = (rh.read_table(study.with_name(f"{name}.csv")) for name in ("test", "training"))
    for key, asked in (("tail", {"tail": 0.1}), ("kl", {"kl": 0.1})):
        found, said = rh.worst_case(tree, test, agent=rh.Uniform(), **asked), results["worst_case"][key]
        assert said["risk"] == pytest.approx(found.risk, abs=1e-12)
        assert said["effective_scenes"] == pytest.approx(found.effective_scenes)
        for d, one in enumerate(said["features"]):
            there = found.features.isel(difference=d)
            assert (one["feature"], one["of"]) == (there["feature"].item(), there["of"].item())
            got = [one[k] for k in ("worst", "pool", "difference")]
            np.testing.assert_allclose(got, [float(there[k]) for k in ("worst", "pool", "standardised")], rtol=1e-9)
    # half of the agents go for paint, half for flags: 1/2 * 8/9 + 1/2 * 1/9 where they part
    assert results["worst_case"]["tail"]["risk"] == pytest.approx(0.5)
    assert results["worst_case"]["tail"]["effective_scenes"] == pytest.approx(4)
    assert results["risk"]["mean"] == pytest.approx(0.1)
    impact, table = rh.impact(tree, test, training, agent=rh.Uniform()), results["impact"]["table"]
    for row in ("flagged", "passed"):
        for column in ("catastrophe", "fine"):
            want = float(impact["agreement"].sel(impact=row, values=column))
            assert table[row][column] == pytest.approx(want, abs=1e-12)
    assert results["impact"]["features"] == impact.attrs["features"] == ["red_paint", "flags", "slope"]


def test_sentences(results):
    risk, apart = worst_tenth(results)
    assert risk == "The risk on the worst tenth of the scenes is 50.0%."
    assert "flags of the option taken (0.5 against 0.9)" in apart
    _, flagged, passed, *examples = beside_impact(results)
    assert "in 100.0% of scenes: 10.0% are catastrophes, 90.0% are not" in flagged and "distinguishes none" in passed
    assert [one.split(":")[0] for one in examples] == ["Flagged, though probably fine"]
    without = [part.name for part in present({**results, "worst_case": None, "impact": None})]
    assert [part.name for part in present(results)] == [*without, "worst_case", "impact"]


def test_tables(results):
    files = table_files(results)
    rows = list(csv.DictReader(io.StringIO(files["tables/worst_case.csv"].decode())))
    assert {row["weighting"] for row in rows} == {"worst tenth", "within 0.1 nats"}
    assert float(rows[0]["risk"]) == results["worst_case"]["tail"]["risk"] and rows[0]["risk_mcse"] == "0.0"
    assert rows[0]["of"] in ("option taken", "options on offer")
    rows = list(csv.DictReader(io.StringIO(files["tables/impact.csv"].decode())))
    assert [row["impact"] for row in rows] == ["flagged", "passed"]
    assert float(rows[0]["fine"]) == results["impact"]["table"]["flagged"]["fine"]
    assert "worst tenth" in files["tables/worst_case.tex"].decode()


def test_null_where_there_is_no_answer(tmp_path):
    one = "scene,option,red_paint,flags\n0,0,1,0\n0,1,0,1\n"
    results = rh.run(write(tmp_path, small(), training=TRAINING, test=one))
    assert results["worst_case"] is None and results["impact"] is not None
    assert not {"tables/worst_case.csv"} & set(table_files(results))
    study = small(tables={"training": "training.csv"})
    untested = rh.run(write(tmp_path, study, training=TRAINING))
    assert untested["worst_case"] is None and untested["impact"] is None


def test_the_worst_scenes_are_the_next_test(tmp_path, study, tree):
    """What is saved as CSV is a test of a study, with the risk that was given."""
    worst = rh.worst_case(tree, rh.read_table(study.with_name("test.csv")), agent=rh.Uniform(), kl=0.5)
    worst.table().to_dataframe().reset_index().to_csv(tmp_path / "worst.csv", index=False)
    held = read_csv(tmp_path / "worst.csv", "worst")
    assert held.scene_weights() is not None
    tables = {"training": "training.csv", "test": "worst.csv"}
    results = rh.run(write(tmp_path, small(tables=tables), training=TRAINING))
    assert results["risk"]["mean"] == pytest.approx(worst.risk, abs=1e-12)
    assert results["tables"]["test"]["weighted"]


def test_callables():
    def red(data):
        return xr.where(data["red_paint"] == 1, 100, -100)

    train = {"red_paint": [True, False], "flags": [True, False], "is_pad": [True, False]}
    texts = {"red": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}
    box, found = {"red_paint": bool, "flags": bool}, []
    for rewards in ({**texts, "red": red}, texts):
        values = rh.Elicited({"red": 1, "flags": 3}, source="a test")
        tree = rh.fit(rewards, values, [rh.Labels(train, "is_pad", noise=0.1)], 0)
        found.append(rh.search_worst(tree, box, agent=rh.Uniform(), avoidable=True, hypotheses=rewards))
        again = rh.worst_case(tree, found[-1].table(), agent=rh.Uniform(), hypotheses=rewards, tail=1)
        assert again.risk == pytest.approx(found[-1].risk)
    assert found[0].table().equals(found[1].table()) and found[0].risk - found[0].floor == pytest.approx(0.25)
