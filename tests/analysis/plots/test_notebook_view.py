"""What a notebook shows of results and of risks; both stay the values that they were."""

import copy
import json
import pickle
import sys
import types
from html.parser import HTMLParser

import pytest
import xarray as xr
from plotted import TEST
from reports import NASTY
from studies import TEST as TEST_TABLE
from studies import TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.results.notebook_html import risk_html, show_risks_in_notebooks
from reward_hypotheses.analysis.results.results import Results


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.words.append(data)


def words(text):
    return " ".join(" ".join(Page(text).words).split())


def test_results_are_a_dict(tmp_path):
    results = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST_TABLE))
    plain = json.loads(json.dumps(results))
    assert isinstance(results, dict) and type(plain) is dict and results == plain
    for copied in (pickle.loads(pickle.dumps(results)), copy.copy(results), copy.deepcopy(results)):
        assert copied == plain and type(copied) is Results
    shown = words(results._repr_html_())
    assert f"{100 * results['risk']['mean']:.1f}%" in shown and "posterior weight" in shown
    assert all(name in shown for name in results["hypotheses"])
    assert "There is no test" in words(Results(results | {"risk": None})._repr_html_())


def test_results_show_what_the_interval_contains_and_warnings_above(essay):
    shown = words(Results(essay)._repr_html_())
    assert "95% interval 63.1% to 79.1%" in shown and "uncertainty about the stated values" in shown
    warned = words(Results(essay | {"warnings": ["mind this"]})._repr_html_())
    assert warned.index("mind this") < warned.index("73.3%")
    assert "uncertainty about them is not in it" in words(
        Results(
            essay | {"risk": essay["risk"] | {"intervals": essay["risk"]["intervals"] | {"values": None}}}
        )._repr_html_()
    )


def test_every_text_is_escaped(essay):
    flags = json.dumps(NASTY[0])
    document = Results(json.loads(json.dumps(essay).replace('"flags"', flags)) | {"title": NASTY[1], "warnings": NASTY})
    page = Page(document._repr_html_())
    assert not {"script", "img"} & set(page.tags)
    assert NASTY[0] in "".join(page.words) and NASTY[1] in "".join(page.words)


def test_a_risk_is_a_plain_dataset(risk, tmp_path):
    assert type(risk) is xr.Dataset
    risk.to_netcdf(tmp_path / "risk.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "risk.nc", engine="h5netcdf") as read:
        xr.testing.assert_equal(risk, read.load())
        xr.testing.assert_identical(risk, pickle.loads(pickle.dumps(read)))


def test_a_risk_on_one_screen(risk, essay):
    text = risk_html(risk)
    shown = words(text)
    assert f"{100 * float(risk['mean']):.1f}%" in shown and "riskiest scenes" in shown
    assert "<details>" in text and risk._repr_html_()[:40] in text
    worst = int(risk["by_scene"].to_numpy().argmax())
    assert f"{100 * float(risk['by_scene'][worst]):.1f}%" in shown
    for name, value in zip(risk["hypothesis"].to_numpy(), risk["by_truth"].to_numpy(), strict=True):
        assert f"{name} {100 * value:.1f}%" in shown


class Formatter:
    def __init__(self):
        self.type_printers = {}

    def for_type(self, kind, function):
        self.type_printers[kind] = function


@pytest.fixture
def formatter(monkeypatch):
    """What IPython has of a running notebook."""
    formatter = Formatter()
    display = types.SimpleNamespace(formatters={"text/html": formatter})
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(display_formatter=display)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    return formatter


def test_a_notebook_shows_risks_and_other_datasets_as_before(formatter, tree, risk):
    other = xr.Dataset({"x": 1})
    formatter.type_printers[xr.Dataset] = lambda data: "the user's own"
    again = rh.catastrophe_risk(tree, TEST, rh.Commit(), rh.Uniform("a test"))
    shown = formatter.type_printers[xr.Dataset]
    assert words(shown(again)) == words(risk_html(again)) and shown(other) == "the user's own"
    part = risk[["mean", "risk", "interval", "catastrophe_rate", "by_truth"]].drop_attrs()
    assert shown(part) == "the user's own"
    show_risks_in_notebooks()
    assert formatter.type_printers[xr.Dataset] is shown  # once is enough


def test_outside_a_notebook_nothing_happens(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    show_risks_in_notebooks()
