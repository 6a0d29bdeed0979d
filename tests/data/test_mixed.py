"""The shipped study of five kinds of feedback: made by its script, and saying what its page says."""

from pathlib import Path

import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.examples import make_mixed

DATA = Path(make_mixed.__file__).resolve().parent / "mixed"
KINDS = {"labels", "choices", "rankings", "proxy", "demonstrations"}


@pytest.fixture(scope="module")
def results():
    return rh.run(DATA / "study.toml")


def test_tables_are_what_the_script_makes(tmp_path):
    make_mixed.main(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in DATA.glob("*.csv"))
    for name in made:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_five_kinds_say_different_things(results):
    assert {one["kind"] for one in results["feedback"].values()} == KINDS
    held = results["evidence_by_feedback"]["given_others"]
    assert (
        set(held["labels"]["favours"]) == set(held["proxy"]["favours"]) == set(results["hypotheses"]) - {"level ground"}
    )
    assert set(held["comparisons"]["favours"]) == {"level red paint", "level flags", "level ground"}
    assert held["rankings"]["favours"] == ["level flags"] == held["demonstrations"]["others_favour"]
    assert held["demonstrations"]["favours"] == ["level red paint"] == held["rankings"]["others_favour"]


def test_two_of_them_contradict_each_other_and_nothing_else_is_wrong(results):
    found = results["evidence_by_feedback"]
    assert results["warnings"] == found["contradictions"] and len(found["contradictions"]) == 1
    assert {name for name, one in found["given_others"].items() if one["contradicted"]} == {
        "rankings",
        "demonstrations",
    }
    assert results["misfit"] == [] and results["shifted"]
    assert 0.3 < results["weights"]["level flags"] < 0.4 and 0.6 < results["weights"]["level red paint"] < 0.7
