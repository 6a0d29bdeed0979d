"""A name is a name: text as it stands, whole numbers as their digits, from whatever form a table comes in."""

import csv
import io
import json
import math
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.column import MISSING, name_of
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.readers import csv as readers
from reward_hypotheses.data.readers.in_memory import as_table

PAIRS = [
    ("1.1", "1.10"), ("007", "7"), ("1e5", "100000"), ("9007199254740993", "9007199254740992"), ("True", "1"),
    ("True", "true"), ("inf", "Infinity"), ("1_000", "1000"), ("٣", "3"), ("x", "X"), ("0", "-0"), ("+1", "1"), (".5", "0.5"),
    ("1.50", "2.0"),
]  # fmt: skip
ONLY_IN_MEMORY = [("NA", "ZA"), ("nan", "x"), ("", "x"), ("NaN", "NA")]


def written(frame, kind, tmp_path):
    """The same rows in another form."""
    if kind == "category":
        return frame.astype({"scene": "category", "option": "category"})
    if kind == "string[pyarrow]":
        return frame.astype({"scene": kind, "option": kind})
    if kind == "dict":
        return {c: frame[c].tolist() for c in frame}
    if kind == "arrow":
        return pa.Table.from_pandas(frame)
    if kind == "index":
        return frame.set_index(["scene", "option"])
    if kind in ("csv", "parquet"):
        path = tmp_path / f"t.{kind}"
        if kind == "csv":  # with "\n" as line end, Python 3.12 leaves a lone "\r" unquoted
            frame.to_csv(path, index=False, lineterminator="\r\n")
        else:
            frame.to_parquet(path)
        return rh.read_table(path)
    return frame


MEMORY = ["DataFrame", "category", "string[pyarrow]", "dict", "arrow", "index", "parquet"]


@pytest.mark.parametrize("kind", [*MEMORY, "csv"])
def test_two_names_are_two_scenes_and_two_options(kind, tmp_path):
    """Log evidence of two scenes of two, ``sum log sigmoid``, whatever the scenes and options are called."""
    right = [-sum(math.log1p(math.exp(-d)) for d in ds) for ds in ((-5, 7), (5, -7))]
    for a, b in PAIRS + ([] if kind == "csv" else ONLY_IN_MEMORY):
        frame = pd.DataFrame({"scene": [a, a, b, b], "option": [a, b, a, b], "x": [0.0, 5, 9, 2], "rank": [1, 2, 1, 2]})
        table = as_table(written(frame, kind, tmp_path))
        assert table.scene_names == (a, b), (a, b)
        options = table.option_names
        assert [options.text(i) for i in range(4)] == [a, b, a, b]
        if (a, b) in PAIRS[:4]:
            ranked = rh.Rankings(written(frame, kind, tmp_path), "rank", rationality=1.0, scale="raw")
            tree = rh.fit({"x": "x", "y": "-x"}, rh.Uniform("o"), [ranked], 0, draws=2, chains=1, random_seed=1)
            np.testing.assert_allclose(tree["evidence"]["log_evidence"], right, rtol=1e-12)


@pytest.mark.parametrize("arrow_from", [0, 10**9], ids=["pyarrow", "standard library"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=6))
def test_random_names(names, arrow_from, tmp_path, monkeypatch):
    """Scenes are the distinct texts without outer blanks, in order, from a DataFrame, Parquet and CSV alike."""
    monkeypatch.setattr(readers, "ARROW_FROM", arrow_from)
    frame = pd.DataFrame({"scene": names, "option": [f"o{i}" for i in range(len(names))], "x": 1.5})
    expected = tuple(dict.fromkeys(name.strip() for name in names))
    merged = len(expected) < len(set(names))
    for kind in ("DataFrame", "parquet", "csv"):
        if kind == "csv" and not MISSING.isdisjoint(expected):
            continue
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            made = written(frame, kind, tmp_path)
            table = as_table(made)
        assert table.scene_names == expected
        assert any("written with blanks" in str(w.message) for w in told) == merged
    order = [expected.index(name.strip()) for name in names]
    assert np.repeat(np.arange(len(expected)), np.diff(table.starts)).tolist() == sorted(order)


def test_numbers_and_truth_values_as_names():
    big = 2**53
    for values, right in (
        ([big + 1, big], ("9007199254740993", "9007199254740992")),
        (np.array([2**63 + 1, 2**63], np.uint64), ("9223372036854775809", "9223372036854775808")),
        ([1.0, 2.5], ("1", "2.5")),
        ([True, False], ("true", "false")),
        ([1, True], ("1", "true")),
        ([big + 1, 0.5], ("9007199254740993", "0.5")),
        (pd.array([big + 1, big], "Int64"), ("9007199254740993", "9007199254740992")),
        (pa.array([big + 1, big]), ("9007199254740993", "9007199254740992")),
        (np.array(["2026-01-02", "2026-01-03"], "M8[D]"), ("2026-01-02", "2026-01-03")),
        (np.array([b"a", b"b"]), ("a", "b")),
    ):
        assert as_table({"scene": values, "x": [1.0, 2.0]}).scene_names == right
    assert as_table({"scene": [1, "1", 1.0], "option": [0, 1, 2], "x": [1, 2, 3]}).n_scenes == 1
    for gone in (None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "D")):
        assert name_of(gone) is None
        with pytest.raises(InputError, match="column 'scene' is missing"):
            as_table({"scene": np.array(["a", gone], object), "x": [1, 2]})
    labelled = xr.Dataset({"x": ("scene", [1.0, 2.0])}, coords={"scene": [1.0, 2.5]})
    assert as_table(labelled).scene_names == ("1", "2.5")
    named = xr.Dataset({"x": (("scene", "option"), [[1.0, 2.0]])}, coords={"option": ["1.1", "1.10"]})
    assert [as_table(named).option_names.text(i) for i in (0, 1)] == ["1.1", "1.10"]


def test_a_parquet_column_with_gaps_keeps_its_digits(tmp_path):
    pd.DataFrame({"agent": pd.array([2**53 + 1, 2**53, None], "Int64"), "x": [1.0, 2, 3]}).to_parquet(
        tmp_path / "t.parquet"
    )
    column = as_table(rh.read_table(tmp_path / "t.parquet")).columns["agent"]
    assert column.names.vocabulary == ("9007199254740993", "9007199254740992")
    assert column.missing().tolist() == [False, False, True]


def test_blanks_that_merge_names_are_told_once(tmp_path):
    rows = "scene,option,x,chosen\na ,0,1,1\n a,1,2,0\nb,0,1,1\nb,1,2,0\n"
    (tmp_path / "t.csv").write_text(rows)
    with pytest.warns(UserWarning, match="column 'scene': 'a' is written with blanks around it and without"):
        table = rh.read_table(tmp_path / "t.csv")
    assert table["scene"].to_numpy().tolist() == ["a", "b"]
    (tmp_path / "s.toml").write_text(
        '[tables]\nt = "t.csv"\n[hypotheses]\nx = "x"\ny = "-x"\n[values]\nprior = "uniform"\nsource = "s"\n'
        '[catastrophe]\nfail_utility = 0\n[[feedback]]\nkind = "choices"\ntable = "t"\ncolumn = "chosen"\n'
    )
    assert [w for w in rh.run(tmp_path / "s.toml")["warnings"] if "written with blanks" in w]


GRADES = ["1.1", "1.10", "007", "7", "NA"]


@pytest.mark.parametrize("kind", [*MEMORY[:-2], "parquet", "csv"])
def test_grades_are_names(kind, tmp_path):
    grades = GRADES[:4] if kind == "csv" else GRADES
    frame = pd.DataFrame(
        {"grade": grades * 2, "x": np.arange(2.0 * len(grades)), "scene": "s", "option": range(2 * len(grades))}
    )
    table = written(frame, kind, tmp_path)
    said = rh.Ratings(table, "grade", grades=grades, missing="drop")
    assert said.observed.tolist() == list(range(len(grades))) * 2
    if kind == "DataFrame":
        with pytest.raises(InputError, match="'1.10', which is no grade"):
            _ = rh.Ratings(frame[1:], "grade", grades=["1.2", "2"]).observed


def test_grades_that_are_numbers(tmp_path):
    """``1.0`` is the grade 1, as a column of whole numbers with gaps is written; 0 and 1 alone are grades, not truth values."""
    (tmp_path / "t.csv").write_text("x,grade,other\n1,1.0,1\n2,,0\n3,3.0,1\n")
    table = rh.read_table(tmp_path / "t.csv")
    assert rh.Ratings(table, "grade", grades=[1, 2, 3], missing="drop").observed.tolist() == [0, 2]
    assert rh.Ratings(table, "grade", grades=["1.0", "2.0", "3.0"], missing="drop").observed.tolist() == [0, 2]
    assert rh.Ratings(table, "other", grades=[0, 1, 2]).observed.tolist() == [1, 0, 1]


@pytest.mark.parametrize("rows", [40, 10_500], ids=["few", "many"])
def test_columns_that_numbers_do_not_tell(rows, tmp_path, monkeypatch):
    """A column of a CSV keeps its numbers, and its names beside them where numbers would merge or change them."""
    path, own = tmp_path / "t.csv", [f"{i:07d}" for i in range(rows)]
    cells = {
        "padded": own,
        "version": [("1.1", "1.10")[i % 2] for i in range(rows)],
        "price": [f"{i / 8:.3f}" for i in range(rows)],
        "plain": [str(i) for i in range(rows)],
        "big": [str(2**53 + i) for i in range(rows)],
        "small": [repr(i * 1e-9) for i in range(rows)],
        "truth": [("True", "False")[i % 2] for i in range(rows)],
    }
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([list(cells), *zip(*cells.values(), strict=True)])
    for arrow_from in (0, 10**9):
        monkeypatch.setattr(readers, "ARROW_FROM", arrow_from)
        data = rh.read_table(path)
        assert [c for c in data.coords if c.endswith("as written")] == [
            f"{c} as written" for c in ("padded", "version", "big")
        ]
        assert all(v.dtype.kind in "bif" for v in data.data_vars.values())
        for again in (data, data.isel(scene=slice(0, 9)), data.to_dataframe().iloc[:9]):
            table = as_table(again)
            assert set(table.columns) == set(cells)
            for c in ("padded", "version", "big", "plain"):
                names = table.columns[c].names
                assert [names.text(i) for i in range(9)] == cells[c][:9]
                assert table.columns[c].values[:9].tolist() == [float(t) for t in cells[c][:9]]


def test_agents_are_names(tmp_path):
    frame = pd.DataFrame(
        {"scene": np.repeat(np.arange(8), 2), "option": [0, 1] * 8, "x": [1.0, 0.0] * 8, "chosen": [1, 0] * 4 + [0, 1] * 4,
         "who": np.repeat(["1.1", "1.10", "007", "7"], 4)}
    )  # fmt: skip
    for kind in ("DataFrame", "csv", "parquet", "arrow"):
        feedback = [rh.Choices(written(frame, kind, tmp_path), "chosen")]
        read = rh.agents_read({"x": "x", "y": "-x"}, 1.0, feedback, 0, source="s", by="who", draws=10)
        assert read["agents"]["agent"].to_numpy().tolist() == ["1.1", "1.10", "007", "7"]


def test_states_actions_and_trajectories_are_names(tmp_path):
    states = pd.DataFrame({"state": ["1.1", "1.10", "007", "7"], "gold": [0.0, 1, 2, 3]})
    moves = pd.DataFrame(
        [(a, s, t, 1.0) for a, shift in (("1", 1), ("01", 2)) for s, t in zip(states.state, np.roll(states.state, -shift), strict=True)],
        columns=["action", "state", "next_state", "probability"],
    )  # fmt: skip
    steps = pd.DataFrame(
        {"trajectory": ["1", "1", "01", "01"], "step": [0, 1, 0, 1], "state": ["1.1", "1.10", "1.10", "7"],
         "action": ["1", "01", "01", "1"]}
    )  # fmt: skip
    for kind in ("DataFrame", "category", "dict", "csv", "parquet"):
        some = [f.astype({c: "category" for c in f if f[c].dtype == object}) if kind == "category" else
                written(f, kind, tmp_path) for f in (states, moves, steps)]  # fmt: skip
        if kind in ("csv", "parquet"):
            from reward_hypotheses.data.readers.files import read_any

            some = []
            for f in (states, moves, steps):
                written(f, kind, tmp_path)
                some.append(read_any(tmp_path / f"t.{kind}", "t")[0])
        mdp = rh.MDP(some[0], some[1], 0.9)
        assert mdp.state.names == ("1.1", "1.10", "007", "7") and mdp.action.names == ("1", "01")
        made = rh.Demonstrations(mdp, some[2]).trajectories
        assert (
            made.names == ("1", "01") and made.state.tolist() == [0, 1, 1, 3] and made.action.tolist() == [0, 1, 1, 0]
        )
    with pytest.raises(InputError, match="state '07': there is none"):
        mdp.start("07")
    assert mdp.start("7").tolist() == [0, 0, 0, 1]


def test_judges_and_exported_options_are_names():
    rows = pd.DataFrame({"judge": [1.0, 2**53], "left": ["1.1", "007"], "right": ["1.10", "7"], "answer": "left much"})
    prior = rh.Judgements(rows, source="s")
    assert [a[:3] for a in prior.answers] == [("1", "1.1", "1.10"), (str(2**53), "007", "7")]
    scenes = pd.DataFrame({"scene": ["007", "007", "7", "7"], "option": ["1.1", "1.10"] * 2, "x": [1.0, 2, 3, 4]})
    taken = pd.DataFrame({"scene": ["7", "007"], "option": ["1.10", "1.1"]})
    found = rh.probe(taken, scenes)
    assert found["chosen"].to_numpy().tolist() == [[True, False], [False, True]]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
)
ODD = [
    "km/h",
    "price/kg",
    "item",
    "scale",
    "\\",
    "..",
    "a`b",
    "$x$",
    "x" * 300,
    "weight",
    "hypothesis",
    "\x01",
    "option_item",
]
PLACES = ("scene", "option", "available", "chosen", "is_failing", "option_name", "scene_weight")
NAMES = WORDS.map(str.strip).filter(lambda n: n and n not in PLACES and n[0] != "#")
COLUMNS = st.lists(st.sampled_from(ODD) | NAMES, min_size=1, max_size=4, unique=True)


def tick(name):
    return "`" + name.replace("`", "``") + "`"


def rows_of(names, seed):
    rng = np.random.default_rng(seed)
    cells = {n: rng.integers(0, 5, 12).astype(float) + i / 8 for i, n in enumerate(names)}
    return {"scene": np.repeat(np.arange(6), 2), "option": np.tile([0, 1], 6), "chosen": np.tile([1, 0], 6)} | cells


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=COLUMNS, seed=st.integers(0, 99))
def test_columns_of_any_name_in_trees(names, seed, tmp_path_factory):
    """Fit, NetCDF, Zarr and predictions: same evidence as plain names, every column found again by its name."""
    table = rows_of(names, seed)
    plain = {f"c{names.index(k)}" if k in names else k: v for k, v in table.items()}

    def fitted(rows, columns):
        rewards = {f"h{i}": tick(c) for i, c in enumerate(columns)} | {"sum": " + ".join(map(tick, columns))}
        feedback = [rh.Choices(rows, "chosen"), rh.Labels(rows, "chosen", noise=(1, 19))]
        return rh.fit(rewards, rh.Uniform("o"), feedback, 1, draws=4, chains=1, random_seed=1)

    tree, other = fitted(table, names), fitted(plain, [f"c{i}" for i in range(len(names))])
    np.testing.assert_array_equal(tree["evidence"]["log_evidence"], other["evidence"]["log_evidence"])
    folder = tmp_path_factory.mktemp("tree")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="zarr")
        tree.to_netcdf(folder / "t.nc", engine="h5netcdf")
        tree.to_zarr(folder / "t.zarr")
        for read in (
            xr.open_datatree(folder / "t.nc", engine="h5netcdf"),
            xr.open_datatree(folder / "t.zarr", engine="zarr"),
        ):
            with read:
                held = read["constant_data"]
                columns = {tuple(v): k for k, v in json.loads(held.attrs["columns"]).items()}
                assert set(columns) == {(f, n) for f in ("choices", "labels") for n in names}
                for n in names:
                    np.testing.assert_array_equal(held[columns["labels", n]].to_numpy(), table[n])
                    np.testing.assert_array_equal(held[columns["choices", n]].to_numpy(), table[n].reshape(6, 2))
                assert held["choices_scale"].dims == ("hypothesis",)
                assert rh.catastrophe_risk(read, table)["mean"] == rh.catastrophe_risk(other, plain)["mean"]
    told = rh.predict(tree, table, draws=2)["predictions_constant_data"]
    names_of = json.loads(told.attrs.get("columns", "{}"))
    assert {names_of.get(k, k) for k in told.data_vars} >= set(names)


def study_of(names, folder, which):
    table = rows_of(names, 3)
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    columns = names if which == "odd" else [f"c{i}" for i in range(len(names))]
    writer.writerow(["scene", "option", "chosen", *columns])
    writer.writerows(zip(*table.values(), strict=True))
    (folder / f"{which}.csv").write_text(out.getvalue(), encoding="utf-8", newline="")
    texts = [json.dumps(tick(c), ensure_ascii=False).replace("\x7f", "\\u007f") for c in columns]
    rewards = "".join(f"h{i} = {text}\n" for i, text in enumerate(texts))
    (folder / f"{which}.toml").write_text(
        f'[tables]\ntraining = "{which}.csv"\ntest = "{which}.csv"\n[hypotheses]\n{rewards}[values]\nprior = "uniform"\n'
        'source = "s"\n[catastrophe]\nfail_utility = 1\n[[feedback]]\nkind = "choices"\ntable = "training"\n'
        'column = "chosen"\n[fit]\ndraws = 50\n',
        encoding="utf-8",
    )
    return folder / f"{which}.toml"


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=COLUMNS)
def test_columns_of_any_name_in_studies(names, tmp_path_factory):
    """The numbers are those of plain names."""
    folder = tmp_path_factory.mktemp("study")
    odd, plain = (rh.run(study_of(names, folder, which)) for which in ("odd", "plain"))
    for key in ("log_evidence", "weights", "risk", "matrix"):
        assert odd[key] == plain[key]


def test_columns_of_any_name_in_a_report(tmp_path, capsys):
    names = ["km/h", "item", 'a`b, "$x_1$ \U0001f600 \\ <b>']
    study = study_of(names, tmp_path, "odd")
    assert main(["run", str(study), "--out", str(tmp_path / "out")]) == 0, capsys.readouterr()
    capsys.readouterr()
    assert "km/h" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    with xr.open_datatree(tmp_path / "out" / "posterior.nc", engine="h5netcdf") as tree:
        held = json.loads(tree["constant_data"].attrs["columns"])
        assert {column for _, column in held.values()} == set(names)


def test_backticks_in_backticks():
    assert parse("`a``b` + `c`").columns == ("a`b", "c")
    assert parse("````").columns == ("`",)
    for wrong in ("``", "`a``", "`"):
        with pytest.raises(InputError, match="backtick"):
            parse(wrong)
