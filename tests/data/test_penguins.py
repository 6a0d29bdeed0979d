"""The shipped study: made by its script, and saying what a biologist would accept."""

import csv
from pathlib import Path

import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.examples import make_penguins

DATA = Path(make_penguins.__file__).resolve().parent / "penguins"


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_tables_are_what_the_script_makes(tmp_path):
    make_penguins.main(tmp_path)
    for name in ("training.csv", "test.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_island_and_body_coincide_in_training_and_part_on_the_test():
    training, test = rows(DATA / "training.csv"), rows(DATA / "test.csv")

    def body(row):
        return float(row["flipper"]) - 10 * float(row["bill_depth"]) > 38

    assert (len(training), sum(r["is_gentoo"] == "1" for r in training), len(test)) == (174, 123, 44)
    assert all((r["biscoe"] == "1") == body(r) == (r["is_gentoo"] == "1") for r in training)
    assert all(r["biscoe"] == "1" and not body(r) and r["is_gentoo"] == "0" for r in test)


def test_reading():
    results = rh.run(DATA / "study.toml")
    assert results["silent_pairs"] == [["the island", "the body"]]
    assert results["weights"] == pytest.approx({"the island": 0.1, "the body": 0.9})
    assert results["matrix"]["the island"]["the body"] == 1.0  # all 44 Adelie penguins of Biscoe are called Gentoos
    assert results["matrix"]["the body"]["the island"] == 0.0  # it leaves them unnamed, which is no catastrophe
    assert results["risk"]["mean"] == pytest.approx(0.45) == results["risk"]["limit"]
    assert results["shifted"] and results["warnings"] == []
    assert results["predictive_check"]["labels"]["p"] > 0.05
