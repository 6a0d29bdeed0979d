"""A small fit with its risk, and the results of the essay's study, shared by the tests of figures."""

import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot
import pytest
from plotted import TEST, WEIGHTS, fitted

import reward_hypotheses as rh

KEPT = Path(__file__).resolve().parents[2] / "golden" / "kept"


@pytest.fixture(scope="session")
def tree():
    return fitted(WEIGHTS, strength=20)


@pytest.fixture(scope="session")
def risk(tree):
    return rh.catastrophe_risk(tree, TEST, rh.Commit(), rh.Uniform("a test"))


@pytest.fixture(scope="session")
def essay():
    return json.loads((KEPT / "essay" / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def _closed_figures():
    matplotlib.use("Agg")
    yield
    matplotlib.pyplot.close("all")
