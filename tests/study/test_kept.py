"""What the version before wrote is still read: trees, and results documents.

``tests/kept`` holds the posterior and the results of two studies (the example's, and one with continuous weights), fitted
with few draws by the version before the folders were rebuilt.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "kept"
TESTS = {"essay": ROOT / "example" / "shifted.csv", "linear": KEPT / "linear_test.csv"}


@pytest.fixture(params=sorted(TESTS))
def study(request):
    with xr.open_datatree(KEPT / f"{request.param}.nc", engine="h5netcdf") as opened:
        tree = opened.load()
    return request.param, tree, json.loads((KEPT / f"{request.param}.json").read_text())


def test_a_tree_gives_the_numbers_of_its_results(study):
    name, tree, results = study
    agent = None if results["agent"]["prior"] == "values" else rh.Uniform()
    line = results["agent"]["fail_utility"]
    abstain = results["agent"]["abstain"]
    risk = rh.catastrophe_risk(
        tree, rh.read_table(TESTS[name]), rh.Commit(abstain=abstain), agent, agent_fail_utility=line
    )
    assert results["agent"]["policy"] == "commit"
    near = 1e-9 if name == "essay" else 0.05  # a tree holds few of the draws of continuous weights
    for hypothesis, weight in results["weights"].items():
        assert float(tree["posterior"]["weight"].sel(hypothesis=hypothesis).mean()) == pytest.approx(weight, abs=0.2)
        by_truth = float(risk["by_truth"].sel(hypothesis=hypothesis))
        assert by_truth == pytest.approx(results["risk_by_truth"][hypothesis], abs=near)
    assert float(risk["mean"]) == pytest.approx(results["risk"]["mean"], abs=near)
    assert risk["matrix"].shape == (len(results["hypotheses"]),) * 2 and np.isfinite(risk["matrix"]).all()


def test_a_report_is_made_of_results(study):
    _, tree, results = study
    page = rh.report(results, tree=tree)
    assert results["title"] in page and page.count("<svg") > 4
