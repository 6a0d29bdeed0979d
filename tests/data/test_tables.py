"""Tables: CSV -> Table -> Dataset, by both readers."""

import time

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers import csv as readers
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table


def read(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return readers.read_csv(path, "t")


def same(a: Table, b: Table):
    assert list(a.columns) == list(b.columns)
    for name in a.columns:
        x, y = a.columns[name], b.columns[name]
        assert x.vocabulary == y.vocabulary, name
        np.testing.assert_array_equal(x.values, y.values)
    np.testing.assert_array_equal(a.starts, b.starts)
    np.testing.assert_array_equal(a.rows, b.rows)
    assert a.scene_names == b.scene_names and a.has_options == b.has_options
    assert (a.option_names is None) == (b.option_names is None)
    if a.option_names is not None:
        assert a.option_names.vocabulary == b.option_names.vocabulary
        np.testing.assert_array_equal(a.option_names.values, b.option_names.values)


def test_kinds_of_column(tmp_path):
    t = read(tmp_path, "a,b,c,d,e\n1,true,0.5,x,\n0,False,NA,y,3\n")
    assert t.columns["a"].is_boolean() and t.columns["b"].is_boolean()
    assert not t.columns["c"].is_boolean() and t.columns["d"].is_text
    np.testing.assert_array_equal(t.columns["c"].missing(), [False, True])
    np.testing.assert_array_equal(t.columns["e"].missing(), [True, False])
    assert t.column_order == ("a", "b", "c", "d", "e")
    d = t.to_dataset()
    assert d["a"].dtype == bool and d["b"].dtype == bool and d["c"].dtype == float
    assert d["d"].to_numpy().tolist() == ["x", "y"]


def test_scenes_in_any_order_and_ragged(tmp_path):
    t = read(tmp_path, "scene,option,x\nb,7,1\na,0,2\nb,9,3\na,1,4\na,5,5\n")
    assert t.scene_names == ("b", "a")
    np.testing.assert_array_equal(t.columns["x"].values, [1, 3, 2, 4, 5])
    np.testing.assert_array_equal(t.starts, [0, 2, 5])
    np.testing.assert_array_equal(t.rows, [2, 4, 3, 5, 6])
    d = t.to_dataset()
    assert d.sizes == {"scene": 2, "option": 3}
    np.testing.assert_array_equal(d["available"], [[True, True, False], [True, True, True]])
    assert d["option_name"].to_numpy().tolist() == [["7", "9", ""], ["0", "1", "5"]]
    again = as_table(d)
    np.testing.assert_array_equal(again.columns["x"].values, t.columns["x"].values)
    np.testing.assert_array_equal(again.starts, t.starts)


def test_a_place_is_its_text(tmp_path):
    t = read(tmp_path, "scene,x\n007,1\n7,2\n7.0,3\n")
    assert t.scene_names == ("007", "7", "7.0")


def test_missing_cells_matter_where_they_are_used(tmp_path):
    """A column of 0/1 with empty cells is boolean; the cells are judged where something uses them."""
    from studies import TRAINING, small, write

    failing = "scene,option,red_paint,flags,is_failing\n0,0,1,0,0\n0,1,0,1,0\n0,2,,,1\n"
    rh.run(write(tmp_path, small(), training=TRAINING, test=failing))
    gaps = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2,0\n,,1.0,\n"
    entry = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19], "missing": "drop"}
    test = "scene,option,red_paint,flags\n0,0,1,0\n0,1,0,1\n"
    document = rh.run(write(tmp_path, small(feedback=[entry]), training=gaps, test=test))
    assert document["n_items"] == {"labels": 2}
    half = "red_paint,flags,slope,is_pad\n1,1,0.5,1\n0,0,2,0\n,0,1.0,0\n"  # a feature is missing, the label is not
    document = rh.run(write(tmp_path, small(feedback=[entry]), training=half, test=test))
    assert document["n_items"] == {"labels": 2} and any("1 of 3 rows" in w for w in document["warnings"])
    holes = read(tmp_path, "scene,option,available,x\n0,0,1,1\n0,1,0,2\n0,2,1,3\n").to_dataset()
    np.testing.assert_array_equal(holes["available"], [[True, False, True]])
    np.testing.assert_array_equal(holes["x"], [[1, np.nan, 3]])


def test_weights_of_any_scale(tmp_path):
    from studies import TRAINING, small, write

    found = []
    for scale in (1.0, 1e-200, 1e305):
        rows = "".join(
            f"{m},{o},{scale * (m + 1)!r},{int(o == 0)},{int(o == 1 - m % 2)}\n" for m in range(5) for o in range(3)
        )
        test = "scene,option,scene_weight,red_paint,flags\n" + rows
        found.append(rh.run(write(tmp_path, small(), training=TRAINING, test=test))["risk"])
    for one in found[1:]:
        assert one["mean"] == pytest.approx(found[0]["mean"], rel=1e-12)
        assert one["se_scenes"] == pytest.approx(found[0]["se_scenes"], rel=1e-12)


def test_available(tmp_path):
    t = read(tmp_path, "scene,option,available,x\n0,0,true,1\n0,1,false,2\n1,0,1,3\n1,1,1,4\n")
    np.testing.assert_array_equal(t.columns["x"].values, [1, 3, 4])
    np.testing.assert_array_equal(t.starts, [0, 1, 3])
    assert "available" not in t.columns


def test_oddities_of_csv(tmp_path):
    plain = read(tmp_path, "a,b\n1,x\n2,y\n")
    for text in (
        "\ufeffa,b\n1,x\n2,y\n",
        "a,b\r\n1,x\r\n2,y\r\n",
        "a,b\n1,x\n2,y",
        '"a","b"\n"1","x"\n2,"y"\n',
        " a , b \n 1 , x\n2,y \n",
    ):
        same(read(tmp_path, text), plain)
    spaced = read(tmp_path, "a,b\n\n1,x\n\n2,y\n\n")
    np.testing.assert_array_equal(spaced.rows, [3, 5])
    quoted = read(tmp_path, 'a,b\n1,"x,\nz"\n2,y\n')
    assert quoted.columns["b"].vocabulary == ("x,\nz", "y")
    np.testing.assert_array_equal(quoted.rows, [2, 4])
    with pytest.raises(InputError, match="line 1: no column has a name"):
        read(tmp_path, ",,\nx,y,z\n1,2,3\n")
    unnamed = read(tmp_path, ",a,b\n0,1,x\n1,2,y\n")
    same(unnamed, plain)


def test_text_that_turns_up_late(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", 3)
    t = read(tmp_path, "a,b\n" + "1,2\n" * 10 + "x,3\n")
    assert t.columns["a"].vocabulary == ("1", "x")
    assert not t.columns["b"].is_text
    t = read(tmp_path, "a\n" + "true\n" * 5 + "2\n")
    assert t.columns["a"].vocabulary == ("true", "2")
    t = read(tmp_path, "a\n" + "1\n" * 5 + "true\n")
    assert t.columns["a"].is_boolean()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,x\n2,y\n", [2, 3]),
        ("\na,b\n1,x\n2,y\n", [3, 4]),
        ("\r\na,b\r\n1,x\r\n2,y\r\n", [3, 4]),
        ("a,b\r\n\r\n1,x\r\n2,y\r\n", [3, 4]),
        ("a,b\n1,x\n\n\n\n\n2,y\n", [2, 7]),
        ("a,b\n1,x\n2,y\n\n\n\n\n\n", [2, 3]),
        ("a,b\n1,x\r\r2,y\n", [2, 4]),
        ('a,b\n1,"x"\n2,y\n', [2, 3]),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2, 20_000])
def test_rows_know_their_lines(text, rows, chunk, tmp_path, monkeypatch):
    """Lines with nothing on them count as lines, at the start of a file and where a whole chunk is made of them too."""
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", chunk)
    t = read(tmp_path, text)
    assert t.rows.tolist() == rows
    assert t.columns["a"].values.tolist() == [1, 2] and t.columns["b"].vocabulary == ("x", "y")


@pytest.mark.parametrize(("blank", "line"), [("", 9), ("\n", 13)])
def test_a_ragged_row_is_named_by_its_line(blank, line, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", 3)
    text = "a,b\n" + "1,2\n" * 2 + blank * 4 + "1,2\n" * 5
    for wrong, cells in (("1\n", 1), ("1,2,3\n", 3)):
        with pytest.raises(InputError, match=f"line {line}: {cells} cells where the header has 2 columns"):
            read(tmp_path, text + wrong + "1,2\n")


def test_bytes_that_are_no_text_are_named_by_their_line(tmp_path):
    for data, words in ((b"a,b\n1,2\n3,\0\n", "line 3: holds a NUL"), (b"a,b\n1,2\n3,\xe9\n", "line 3: byte 0xe9")):
        (tmp_path / "wrong.csv").write_bytes(data)
        with pytest.raises(InputError, match=words):
            readers.read_csv(tmp_path / "wrong.csv", "wrong")


@pytest.mark.parametrize(
    ("cells", "vocabulary"),
    [
        (
            ["2", "1", "1", "0", "0", "1", "true"],
            ("2", "1", "0", "true"),
        ),  # a number that is neither 0 nor 1, long before
        (["0", "2", "1", "true"], ("0", "2", "1", "true")),
        (["true", "", "0", "5", "1"], ("true", "0", "5", "1")),
        (["NA", " 7 ", "0", "NA", "1", "0", "false"], ("7", "0", "1", "false")),
        (["true", "1", "x"], ("true", "1", "x")),
    ],
)
def test_words_among_numbers_other_than_0_and_1_are_text(cells, vocabulary, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", 3)
    column = read(tmp_path, "a,k\n" + "".join(f"{cell},1\n" for cell in cells)).columns["a"]
    assert column.is_text and set(column.vocabulary) == set(vocabulary)


def test_words_are_truth_values_where_all_else_is_0_and_1(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ROWS_AT_ONCE", 2)
    column = read(tmp_path, "a,k\n" + "".join(f"{c},1\n" for c in ["0", "1", "TRUE", "False", " 1 ", "NA"])).columns[
        "a"
    ]
    assert (
        column.is_boolean()
        and column.values[:5].tolist() == [0, 1, 1, 0, 1]
        and column.missing().tolist() == [False] * 5 + [True]
    )
    assert read(tmp_path, "a,k\n1_0,1\n2,1\n").columns["a"].is_text


@pytest.mark.parametrize("quick", [False, True])
def test_headers_and_names_of_both_readers(quick, tmp_path, monkeypatch):
    """Unnamed columns are left out however many, a place is its stripped text, and a number alone names a column."""
    monkeypatch.setattr(readers, "ARROW_FROM", 0 if quick else 10**9)
    t = read(tmp_path, "scene, option ,,x,\n007, a ,9,1,9\n007,b,9,2,9\n7,a,9,3,9\n")
    assert set(t.columns) == {"x"} and t.n_scenes == 2 and t.n_items == 3
    with pytest.raises(InputError, match="line 3: column 'option' is missing"):
        read(tmp_path, "scene,option,x\n0,a,1\n0,NA,2\n")
    assert read(tmp_path, "1,x\n2,3\n").columns["1"].values.tolist() == [2]
    with pytest.raises(InputError, match="header seems to be missing"):
        read(tmp_path, "1,2\n3,4\n")
    assert list(read(tmp_path, "a;b,c\n1,2\n").columns) == ["a;b", "c"]
    for mark, what in (("\t", "tabs"), (";", "semicolons")):
        with pytest.raises(InputError, match=f"separated by {what}"):
            read(tmp_path, f"a{mark}b\n1{mark}2\n")


CELLS = [
    "nan(1)",
    "NAN",
    "-nan",
    "1",
    "0",
    "true",
    "FALSE",
    "0.5",
    "-3e4",
    "",
    "NA",
    "NaN",
    "inf",
    "1_0",
    "x y",
    " 7 ",
    "0x10",
    "١",
    "nan",
    "+5",
]


def test_both_readers_agree(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for k in range(60):
        names = ["scene", "option", "a", "b", "c"]
        n = int(rng.integers(1, 40))
        few = rng.choice(CELLS, 3)
        rows = [
            [str(i // 3), f"o{i % 3}", str(rng.choice(few)), f"{rng.normal():.3f}", str(rng.choice(CELLS))]
            for i in range(n)
        ]
        text = ",".join(names) + "\n" + "".join(",".join(r) + "\n" for r in rows)
        slow = read(tmp_path, text)
        monkeypatch.setattr(readers, "ARROW_FROM", 0)
        quick = read(tmp_path, text)
        monkeypatch.undo()
        same(quick, slow)
        assert k >= 0


def test_thousands_of_option_names_stay_small_and_quick(tmp_path):
    n = 5000
    rows = "".join(f"{i},answer_{2 * i},{i % 2}\n{i},answer_{2 * i + 1},{1 - i % 2}\n" for i in range(n))
    start = time.perf_counter()
    t = read(tmp_path, "scene,option,chosen\n" + rows)
    d = t.to_dataset()
    assert time.perf_counter() - start < 5  # a dense grid over names took 25 s at half the size
    assert d.sizes == {"scene": n, "option": 2}


def test_one_scene_with_very_many_options(tmp_path):
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation

    rows = "".join(f"{i},0,{i % 3}\n{i},1,{(i + 1) % 3}\n" for i in range(20_000))
    big = "".join(f"big,{i},{i % 7}\n" for i in range(30_000))
    t = read(tmp_path, "scene,option,x\n" + rows + big)
    h = hypotheses_of({"x": "x"})
    valuation = Valuation(h, t, stated_line(1.0, h.names))
    assert sum(b.shape[0] * b.shape[1] for b in valuation.blocks()) < 5 * t.n_items
    from reward_hypotheses.analysis.risk.catastrophe import scalar_risk
    from reward_hypotheses.models.policies.commit import Commit

    risk, _ = scalar_risk(valuation, Commit(), np.ones(1), np.ones(1))
    assert risk[0] == 0.0
