"""Text that a spreadsheet would run or a terminal obey, comparisons, and numbers of any size."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import page
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.errors import visible
from reward_hypotheses.models.feedback.boltzmann.score_tests import score
from reward_hypotheses.models.hypotheses import callable_registry as callables

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\N{FULLWIDTH EQUALS SIGN}1"]


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(st.sampled_from(FORMULAS) | st.text(max_size=8), min_size=1, max_size=5))
def test_no_cell_of_a_table_is_a_formula(names):
    table = PaperTable("t", "", "", tuple(Column(name, "words") for name in names), (tuple(names), tuple(names)))
    for row in csv.reader(io.StringIO(table.csv().decode(errors="surrogatepass"), newline="")):
        for cell, name in zip(row, names, strict=True):
            number = cell.strip().lstrip("+-").replace(".", "", 1).isdecimal()
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or number or float(cell) is not None
            assert cell in (name, f"'{name}")


def test_numbers_of_a_table_stay_numbers():
    numbers = (-1.5, -0.0, 1e-300, -3, None, True, "-1.5", "+2", "-inf")
    table = PaperTable("t", "", "", tuple(Column(f"c{i}", "words") for i in range(len(numbers))), (numbers,))
    (_, row) = csv.reader(io.StringIO(table.csv().decode()))
    assert row == ["-1.5", "-0.0", "1e-300", "-3", "", "true", "-1.5", "+2", "-inf"]


OBEYED = ["\x1b[31m", "\x07", "\u202e", "\u2066", "\u200f", "\x9b", "\u061c", "\u2028"]


def test_controls_are_marks_in_the_report_and_on_the_terminal(tmp_path, capsys):
    assert visible("a\x1b[31m\u202eb\tc\r\nd\re") == "a<U+001B>[31m<U+202E>b\tc\nd<U+000D>e"
    name = "flags\u202eevil\u2066"
    study = small(title="on \u200fthe\u202e other hand", about="x\u2067y")
    study["hypotheses"] = {"red paint": "where(red_paint, 100, -100)", name: "where(flags, 100, -100)"}
    study["values"]["weights"] = {name: 8, "red paint": 1}
    path = write(tmp_path, study, training=TRAINING, test=TEST)
    document = rh.run(path)
    document["riskiest_scenes"] = [one | {"scene": "".join(OBEYED)} for one in document["riskiest_scenes"]]
    text = page(document, {}, {})
    assert not any(c in text for c in "\x1b\x07\u202e\u2066\u2067\u200f\x9b\u061c\u2028")
    assert "flags&lt;U+202E&gt;evil&lt;U+2066&gt;" in text and "&lt;U+202E&gt; other hand" in text
    assert main(["check", str(path)]) == 0
    from reports import print_summary

    print_summary(document)
    said = capsys.readouterr()
    assert not any(c in said.out + said.err for c in "\x1b\x07\u202e\u2066\u2067\u200f\x9b\u061c\u2028")
    assert main(["check", str(tmp_path / "\u202etlc.toml")]) == 2
    assert "<U+202E>tlc.toml" in capsys.readouterr().err


PAIRS = {"left_cost": [1.0, 2.0, 3.0], "right_cost": [3.0, 1.0, 4.0], "weather": ["wet", "dry", "wet"]}


def test_comparisons_of_a_frame_and_of_a_test(tmp_path):
    chosen = pd.DataFrame(PAIRS | {"chosen": ["left", "right", "left"]})
    chosen.to_csv(tmp_path / "p.csv", index=False)
    expected = rh.read_comparisons(tmp_path / "p.csv")
    for given_table in (chosen, {k: v.to_numpy() for k, v in chosen.items()}):
        xr.testing.assert_equal(rh.read_comparisons(given_table), expected)
    xr.testing.assert_equal(rh.read_comparisons(pd.DataFrame(PAIRS)), expected.drop_vars("chosen"))
    with pytest.raises(rh.InputError, match="is not a table"):
        rh.read_comparisons(3)
    with pytest.raises(rh.InputError, match="column 'chosen' is 'neither'; it must be left or right"):
        rh.read_comparisons(chosen.replace("left", "neither"))


def test_a_study_whose_test_is_of_comparisons_that_nobody_made(tmp_path):
    rng = np.random.default_rng(2)
    cost = rng.normal(size=(30, 2))
    frame = pd.DataFrame({"left_cost": cost[:, 0], "right_cost": cost[:, 1]})
    side = np.where(cost[:, 0] < cost[:, 1], "left", "right")
    study = small(
        tables={name: {"path": f"{name}.csv", "comparisons": True} for name in ("training", "test")},
        hypotheses={"cheap": "-cost", "dear": "cost"},
        values={"weights": {"cheap": 1, "dear": 1}, "source": "a test"},
        feedback=[{"kind": "choices", "table": "training", "column": "chosen"}],
    )
    csvs = {"training": frame.assign(chosen=side).to_csv(index=False), "test": frame.to_csv(index=False)}
    document = rh.run(write(tmp_path, study, **csvs))
    assert document["weights"]["cheap"] > 0.99
    lacking = write(tmp_path, study, training=csvs["test"], test=csvs["test"])
    with pytest.raises(rh.InputError, match=r"training\.csv: no column 'chosen'"):
        rh.run(lacking)


def test_help_shows_comparisons_judges_linear_and_shift(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for words in ("comparisons = true", "judges = [", "{ linear = [", "shift = ["):
        assert words in shown


def test_callables_are_kept_while_their_tree_is_alive(tmp_path):
    rng = np.random.default_rng(4)
    x = rng.random(30)
    labels = rh.Labels({"x": x, "ok": x > 0.5}, "ok", noise=(1, 19))

    def fit(reward):
        return rh.fit({"a": reward, "b": "-x"}, rh.Uniform(source="a test"), [labels], 0.0, draws=20)

    def rising(data):
        return data["x"] - 0.5

    test = {"x": np.arange(12.0).reshape(4, 3) / 12}
    tree, held = fit(rising), len(callables._remembered)
    again = {"a": rising, "b": "-x"}
    risk = rh.catastrophe_risk(tree, test)
    xr.testing.assert_identical(risk, rh.catastrophe_risk(tree, test, hypotheses=again))
    tree.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "t.nc", engine="h5netcdf") as opened:
        read = opened.load()
    other = fit(lambda data: 0.5 - data["x"])
    other_too = fit(lambda data: data["x"] - 0.25)
    mixed = rh.catastrophe_risk(other, test, agent=other_too)
    written = rh.catastrophe_risk(fit("0.5 - x"), test, agent=fit("x - 0.25"))
    assert mixed["mean"] == pytest.approx(written["mean"].item(), abs=1e-12)  # not taken for the judge's
    xr.testing.assert_allclose(mixed["matrix"], written["matrix"])
    del tree
    import gc

    gc.collect()
    assert len(callables._remembered) == held + 1  # the two others, for the one that is gone
    with pytest.raises(rh.InputError, match="hypothesis 'a' was a callable .*; pass hypotheses= with it again"):
        rh.catastrophe_risk(read, test)
    xr.testing.assert_identical(rh.catastrophe_risk(read, test, hypotheses=again), risk)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300])
def test_scores_of_features_have_no_unit(size):
    rng = np.random.default_rng(6)
    features = rng.normal(size=(3, 8, 4))
    said = np.eye(4)[rng.integers(4, size=8)]
    chance = rng.dirichlet(np.ones(4), 8)
    mean = [[sum(c * x for c, x in zip(chance[u], features[f, u], strict=True)) for u in range(8)] for f in range(3)]
    expected = []
    for f in range(3):
        variance = sum(chance[u] @ (features[f, u] - mean[f][u]) ** 2 for u in range(8))
        expected.append(sum(features[f, u] @ said[u] - mean[f][u] for u in range(8)) / variance**0.5)
    np.testing.assert_allclose(score(size * features, said, chance), expected, rtol=1e-9)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_ratings_of_items_with_a_feature_of_any_size(tmp_path):
    rows = [f"{x},{big},{grade}" for x, big, grade in zip(range(8), [1.7e308, 1.6e308] * 4, "aabbabbb", strict=True)]
    study = small(
        tables={"training": "training.csv"},
        hypotheses={"up": "x", "down": "-x"},
        values={"weights": {"up": 1, "down": 1}, "source": "a test"},
        feedback=[{"kind": "ratings", "table": "training", "column": "grade", "grades": ["a", "b"]}],
    )
    document = rh.run(write(tmp_path, study, training="\n".join(["x,big,grade", *rows]) + "\n"))
    assert document["weights"]["up"] > 0.5
