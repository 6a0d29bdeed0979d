"""What a notebook shows of results and of risks; both stay the values that they were."""

import copy
import json
import pickle
from html.parser import HTMLParser

import xarray as xr
from reports import NASTY
from studies import TEST as TEST_TABLE
from studies import TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.results.results import Results
from reward_hypotheses.analysis.risk.distribution.risk_dataset import RiskDataset


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


def plain(risk):
    return xr.Dataset(risk.data_vars, risk.coords, risk.attrs)


def test_a_risk_is_a_dataset(risk, tmp_path):
    """Its files, copies and parts are; a part shows what xarray shows."""
    assert type(risk) is RiskDataset and type(pickle.loads(pickle.dumps(risk))) is RiskDataset
    part = risk[["mean"]]
    assert type(part) is RiskDataset and "1.6em" not in part._repr_html_() and "1.6em" in risk._repr_html_()
    risk.to_netcdf(tmp_path / "risk.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "risk.nc", engine="h5netcdf") as read:
        xr.testing.assert_equal(plain(risk), read.load())
        xr.testing.assert_identical(plain(risk).isel(chain=0), read.isel(chain=0))
    assert xr.DataTree(risk)["mean"].item() == risk["mean"].item() and float((risk - risk)["mean"]) == 0


def test_a_risk_on_one_screen(risk, essay):
    text = risk._repr_html_()
    shown = words(text)
    assert f"{100 * float(risk['mean']):.1f}%" in shown and "riskiest scenes" in shown
    assert "<details>" in text and "xr-wrap" in text
    worst = int(risk["by_scene"].to_numpy().argmax())
    assert f"{100 * float(risk['by_scene'][worst]):.1f}%" in shown
    for name, value in zip(risk["hypothesis"].to_numpy(), risk["by_truth"].to_numpy(), strict=True):
        assert f"{name} {100 * value:.1f}%" in shown
