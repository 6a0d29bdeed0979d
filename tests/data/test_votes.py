"""The shipped study of real votes: made by its script, parting where it says, and read as an independent sum reads it."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.tables.table_files import table_files
from reward_hypotheses.analysis.results.document import presented
from reward_hypotheses.data.examples import make_votes

DATA = Path(make_votes.__file__).resolve().parent / "votes"


def columns(table):
    """Columns of a table, of the first option of each voter and of the second: name -> (voter, 2)."""
    with (DATA / f"{table}.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = ("is_nearer", "is_own_party", "nearer", "own_party", "by_party", "chosen")
    return {name: np.array([int(row[name]) for row in rows]).reshape(-1, 2) for name in names}


def log_evidence(reward, chosen):
    """Of comparisons under a reward, beta ~ LogNormal(0, 1) summed over by quad."""
    apart = (reward[:, 0] - reward[:, 1]) * np.where(chosen[:, 0], 1, -1) / math.sqrt(np.mean(reward.var(axis=1)))

    def density(t):
        return math.exp(-np.logaddexp(0, -math.exp(t) * apart).sum() + 100 - t * t / 2) / math.sqrt(2 * math.pi)

    return math.log(quad(density, -8, 5, epsabs=0, epsrel=1e-10, limit=400, points=[-1, 0, 1])[0]) - 100


def test_tables_are_what_the_script_makes(tmp_path):
    make_votes.main(tmp_path)
    for name in ("training.csv", "test.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_cues_agree_in_training_and_part_on_the_test():
    for table, n, sign in (("training", 686, 1), ("test", 104, -1)):
        t = columns(table)
        assert len(t["nearer"]) == n and (np.sign(t["nearer"] * t["own_party"]) == sign).all()
        assert (t["is_nearer"] == (t["nearer"] > 0)).all() and (t["by_party"] == (t["own_party"] > 0)).all()
        assert (t["chosen"].sum(axis=1) == 1).all() and (t["nearer"].sum(axis=1) == 0).all()
    assert (columns("test")["chosen"] != columns("test")["by_party"]).any(axis=1).sum() == 36


@pytest.fixture(scope="module")
def results():
    return rh.run(DATA / "study.toml")


def test_the_report_names_the_pair(results):
    (topic,) = (part for part in presented(results) if part.name == "degree_pairs")
    assert [part.text for part in [*topic.parts, *topic.more]] == topic.terminal and len(topic.terminal) == 2
    assert "the risk is 40.0%" in topic.terminal[1] and "against 100.0% with it" in topic.terminal[1]
    (first,) = (part for part in presented(results) if part.name == "misfits")
    assert any(
        "Without the evidence that rests on degrees alone, the risk is 40.0%" in part.text for part in first.parts
    )
    files = table_files(results, presented(results))
    row = next(csv.DictReader(files["tables/degree_pairs.csv"].decode().splitlines()))
    assert (row["first"], row["second"], row["training"], row["test"]) == ("nearness", "party", "1.0", "0.0")
    assert "15.9" in files["tables/degree_pairs.tex"].decode()


def test_evidence_by_degree_alone(results):
    t = columns("training")
    (pair,) = results["degree_pairs"]["pairs"]
    by_hand = log_evidence(t["nearer"], t["chosen"]) - log_evidence(t["own_party"], t["chosen"])
    assert pair["nats"] == pytest.approx(by_hand, abs=1e-6) and pair["favours"] == "nearness"
    assert results["risk"]["mean"] == pytest.approx(1 / (1 + 1.5 * math.exp(-by_hand)), rel=1e-9)
    assert results["degree_pairs"]["risk"]["mean"] == pytest.approx(0.4)
    assert results["degree_pairs"]["risk"]["lower"] < 36 / 104 < results["degree_pairs"]["risk"]["upper"]
    assert pair["agreement"] == {"training": 1.0, "test": 0.0} and pair["scenes"] == {"training": 686, "test": 104}
    assert results["warnings"][0] == pair["words"] and "rests on degrees alone" in results["warnings"][1]
