"""Scenes until the first catastrophe of one deployment, against rational arithmetic and against simulated deployments."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report import figure_files
from reward_hypotheses.analysis.report.layout.html import page
from reward_hypotheses.analysis.report.tables import table_files as tables
from reward_hypotheses.analysis.results.document import presented

ROOT = Path(__file__).resolve().parents[3]
MIXED = ROOT / "data" / "examples" / "mixed" / "study.toml"


@pytest.fixture(scope="module")
def mixed():
    return rh.run(MIXED)


def within(document, n):
    """``sum_ij w_i v_j (1 - (1 - C_ij)^n)``, term by term in fractions."""
    w, v = document["agent_weights"], document["weights"]
    return sum(
        Fraction(w[i]) * Fraction(v[j]) * (1 - (1 - Fraction(c)) ** n)
        for i, row in document["matrix"].items()
        for j, c in row.items()
    )


def test_the_distribution_is_a_mixture_of_geometric_ones(mixed):
    numbers = mixed["first_catastrophe"]
    for n in (1, 2, 5, 10, 20, 50):
        assert numbers["within"][str(n)] == pytest.approx(float(within(mixed, n)), abs=1e-12)
    zero = [
        Fraction(mixed["agent_weights"][i]) * Fraction(mixed["weights"][j])
        for i, row in mixed["matrix"].items()
        for j, c in row.items()
        if c == 0
    ]
    assert numbers["never"] == pytest.approx(float(sum(zero)), abs=1e-12)
    assert numbers["within"]["1"] == pytest.approx(mixed["risk"]["mean"], abs=1e-12)
    for deployments in ("1", "10", "100", "1000"):
        assert numbers["within"][deployments] == pytest.approx(mixed["risk"]["at_least_one"][deployments], abs=1e-12)
    for q, n in numbers["scenes"].items():
        if n is None:
            assert 1 - numbers["never"] < float(q)
        else:
            assert within(mixed, n) >= Fraction(q) - Fraction(1, 10**12)
            assert n == 1 or within(mixed, n - 1) < Fraction(q)


def test_deployments_that_are_simulated(mixed):
    """40,000 deployments; a false alarm below 1e-5."""
    rng = np.random.default_rng(4)
    names = list(mixed["agent_weights"])
    matrix = np.array([[mixed["matrix"][i][j] for j in mixed["hypotheses"]] for i in names])
    runs = 40_000
    agent = rng.choice(len(names), runs, p=np.array(list(mixed["agent_weights"].values())))
    truth = rng.choice(len(mixed["hypotheses"]), runs, p=np.array(list(mixed["weights"].values())))
    rate = matrix[agent, truth]
    first = np.where(rate > 0, rng.geometric(np.where(rate > 0, rate, 1.0)), np.inf)
    for n, share in mixed["first_catastrophe"]["within"].items():
        assert (first <= int(n)).mean() == pytest.approx(share, abs=5 * 0.5 / runs**0.5)
    assert np.isinf(first).mean() == pytest.approx(mixed["first_catastrophe"]["never"], abs=5 * 0.5 / runs**0.5)


def run_small(folder, **changes):
    return rh.run(write(folder, small(**changes), training=TRAINING, test=TEST))


def test_a_policy_that_acts_on_all_weights_draws_the_truth_alone(tmp_path):
    document = run_small(tmp_path, agent={"policy": "expected"})
    risk, numbers = document["risk_by_truth"], document["first_catastrophe"]
    for n in (1, 5, 100):
        expected = sum(v * (1 - (1 - risk[j]) ** n) for j, v in document["weights"].items())
        assert numbers["within"][str(n)] == pytest.approx(expected, abs=1e-12)


def test_an_agent_that_never_fails(tmp_path):
    document = run_small(tmp_path, catastrophe={"fail_utility": -1000})
    numbers = document["first_catastrophe"]
    assert numbers["never"] == pytest.approx(1) and set(numbers["scenes"].values()) == {None}
    (shown,) = [p for p in presented(document) if p.name == "first_catastrophe"]
    assert shown.parts[0].text == "100.0% of deployments never meet a catastrophe."


def test_continuous_weights_have_an_error(tmp_path):
    document = rh.run(ROOT / "tests" / "golden" / "studies" / "linear.toml")
    numbers, errors = document["first_catastrophe"], document["mcse"]["first_catastrophe"]
    assert numbers["within"]["10"] == pytest.approx(document["risk"]["at_least_one"]["10"], abs=1e-12)
    assert 0 < errors["never"] < 0.01 and 0 < errors["within"]["10"] < 0.01


def test_the_report_has_sentence_table_and_figure(mixed):
    presentations = presented(mixed)
    figures = figure_files.drawn(mixed, presentations)
    text = page(mixed, presentations, figures, {})
    assert 'id="figure-first_catastrophe"' in text and "60.6% of deployments never meet a catastrophe" in text
    files = tables.table_files(mixed, presentations)
    assert files["tables/first_catastrophe.csv"].decode().splitlines()[1] == "0.05,1,0.0"
    assert json.loads(json.dumps(mixed)) == mixed
    without = {key: value for key, value in mixed.items() if key != "first_catastrophe"}
    assert "first_catastrophe" not in {p.name for p in presented(without)}  # results of an older version
