"""Tables that are refused: each problem a line, nothing on stdout, nothing written."""

import os

import pytest
from bad_studies import HEAD, both, feedback, hypothesis, refused, study, table
from studies import TEST

# name -> (what is changed, what each line of stderr must say, one pattern a line)
CASES = {
    "text in one feature blames one cell": (
        table("training", HEAD + "1,1,1,1\nx,0,2,0\n"),
        [r"training\.csv: line 3: column 'red_paint' is 'x'"],
    ),
    "a half among zeros and ones": (
        table("training", HEAD + "1,1,1,1\n0.5,0,2,0\n1,1,1,1\n"),
        [
            r"'red paint': at position 1: the condition .* 'red_paint' is boolean only where all .* training\.csv: line 3 is '0\.5'"
        ],
    ),
    "no header": (
        table("training", "1,1,0.5,1\n0,0,2.5,0\n"),
        [r"line 1: every column name is a number, so the header"],
    ),
    "a comment in a table": (table("training", "# mine\n" + HEAD + "1,1,1,1\n"), [r"line 1: starts with '#'"]),
    "UTF-16": (table("training", HEAD.encode("utf-16")), [r"is UTF-16 text; save the file as UTF-8"]),
    "a path with a NUL": (study(tables={"training": "training.csv", "test": "a\x00b"}), [r"is no path"]),
    "nothing available at all": (
        table("training", "available," + HEAD + "0,1,1,1,1\n0,0,0,2,0\n"),
        [r"training\.csv: column 'available' is false in every row"],
    ),
    "labels that are neither": (
        table("training", HEAD + "1,1,1,yes\n0,0,2,no\n"),
        [r"training\.csv: line 2: column 'is_pad' is 'yes'; it must be true"],
    ),
    "labels of 2": (table("training", HEAD + "1,1,1,1\n0,0,2,2\n"), [r"line 3: column 'is_pad' is '2'"]),
    "a missing label": (table("training", HEAD + "1,1,1,1\n0,0,2,\n"), [r"line 3: column 'is_pad' is missing"]),
    "every label missing, dropped": (
        both(feedback(missing="drop"), table("training", HEAD + "1,1,1,\n0,0,2,NA\n")),
        [r"column 'is_pad', or a feature, is missing in every row"],
    ),
    "text in a feature": (
        both(hypothesis("where(slope < 1, 100, -100)"), table("training", HEAD + "1,1,1.5,1\n0,0,steep,0\n")),
        [r"training\.csv: line 3: column 'slope' is 'steep', which is not a number"],
    ),
    "a number that is none": (
        both(hypothesis("where(slope < 1, 100, -100)"), table("training", HEAD + "1,1,1_000,1\n0,0,2,0\n")),
        [r"line 2: column 'slope' is '1_000'"],
    ),
    "true among numbers": (
        both(hypothesis("where(slope < 1, 100, -100)"), table("training", HEAD + "1,1,2.5,1\n0,0,true,0\n")),
        [r"line 3: column 'slope' is 'true'"],
    ),
    "a missing feature cell": (
        table("training", HEAD + "1,1,1,1\n,0,2,0\n"),
        [r"training\.csv: line 3: column 'red_paint' is missing"],
    ),
    "an infinite feature": (
        both(hypothesis("where(slope < 1, 100, -100)"), table("training", HEAD + "1,1,inf,1\n0,0,2,0\n")),
        [r"line 2: column 'slope' is infinite"],
    ),
    "an empty table": (table("training", ""), [r"training\.csv: is empty"]),
    "a header alone": (table("training", HEAD), [r"training\.csv: no rows below the header"]),
    "a ragged table": (
        table("training", HEAD + "1,1,1,1\n0,0,2\n"),
        [r"training\.csv: line 3: 3 cells where the header has 4"],
    ),
    "a binary table": (table("training", b"\x89PNG\r\n\x1a\n\x00\x00"), [r"training\.csv: line 3: holds a NUL byte"]),
    "a table not in UTF-8": (table("training", b"a,b\n\xe9,1\n"), [r"training\.csv: line 2: byte 0xe9 is not UTF-8"]),
    "semicolons": (
        table("training", "red_paint;flags;is_pad\n1;1;1\n"),
        [r"separated by semicolons; separate them by commas"],
    ),
    "a column twice": (table("training", "flags,flags,is_pad\n1,1,1\n"), [r"line 1: column 'flags' stands twice"]),
    "an open quote": (table("training", HEAD + '"1,1,1,1\n'), [r"training\.csv: line .*quotes must be closed"]),
    "an option twice": (
        table("test", "scene,option,red_paint,flags\n0,0,1,0\n0,1,0,1\n0,1,0,0\n"),
        [r"test\.csv: lines 3 and 4: scene '0' has option '1' twice"],
    ),
    "a scene twice": (
        table("test", "scene,red_paint,flags\n0,1,0\n0,0,1\n"),
        [r"lines 2 and 3: scene '0' stands twice"],
    ),
    "a scene missing": (
        table("test", "scene,option,red_paint,flags\n0,0,1,0\n,1,0,1\n"),
        [r"line 3: column 'scene' is missing"],
    ),
    "a feature missing in one table": (
        table("test", "scene,option,flags\n0,0,1\n"),
        [r"test\.csv: no column 'red_paint'.*there is 'flags'.*named by \[hypotheses\] 'red paint'"],
    ),
    "a boolean in one table alone": (
        both(hypothesis("where(slope & flags, 1, -1)"), table("training", HEAD + "1,1,1,1\n0,0,0,0\n")),
        [r"'&' takes true or false"],
    ),
    "no option available": (
        table("test", "scene,option,available,red_paint,flags\n0,0,1,1,0\n1,0,0,0,1\n"),
        [r"test\.csv: scene 1 has no available option"],
    ),
    "available that is neither": (
        table("test", "scene,option,available,red_paint,flags\n0,0,maybe,1,0\n"),
        [r"column 'available' is 'maybe'"],
    ),
    "negative scene weight": (
        table("test", "scene,option,scene_weight,red_paint,flags\n0,0,-1,1,0\n"),
        [r"line 2: scene_weight is negative"],
    ),
    "uneven scene weight": (
        table("test", "scene,option,scene_weight,red_paint,flags\n0,0,1,1,0\n0,1,2,0,1\n"),
        [r"line 3: scene_weight differs"],
    ),
    "nothing but failing": (
        table("test", "scene,option,is_failing,red_paint,flags\n0,0,1,1,0\n1,0,0,0,1\n"),
        [r"scene 0 offers nothing but failing"],
    ),
    "impossible under all": (
        both(feedback(noise=0.0), table("training", HEAD + "1,1,1,1\n1,1,2,0\n")),
        [r"study.toml: the data are impossible under every hypothesis"],
    ),
    "a table that is not there": (
        study(tables={"training": "nope.csv", "test": "test.csv"}),
        [r"nope\.csv: no such file"],
    ),
    "a table that is a folder": (
        lambda f: (os.remove(f / "test.csv"), (f / "test.csv").mkdir()),
        [r"test\.csv: is a folder"],
    ),
    "Parquet that is not there": (
        study(tables={"training": "training.csv", "test": "x.parquet"}),
        [r"x\.parquet: no such file"],
    ),
    "Parquet that is none": (
        both(
            study(tables={"training": "training.csv", "test": "x.parquet"}),
            lambda f: (f / "x.parquet").write_text(TEST),
        ),
        [r"x\.parquet: cannot be read as Parquet"],
    ),
    "NetCDF that is none": (
        both(study(tables={"training": "training.csv", "test": "x.nc"}), lambda f: (f / "x.nc").write_text(TEST)),
        [r"x\.nc: cannot be read as nc"],
    ),
    "Zarr that is not there": (
        study(tables={"training": "training.csv", "test": "x.zarr"}),
        [r"x\.zarr: no such folder"],
    ),
    "a table that is a number": (
        study(tables={"training": "training.csv", "test": 3}),
        [r"\[tables\] test: 3 is no path"],
    ),
    "a spreadsheet": (
        table("training", b"PK\x03\x04 and so on"),
        [r"training\.csv: is a spreadsheet \(\.xlsx, \.ods\) or another archive; save it as CSV"],
    ),
    "Parquet called CSV": (table("test", b"PAR1 and so on"), [r"test\.csv: is a Parquet file; save it as CSV"]),
}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_refused(case, command, folder, capsys, monkeypatch):
    if command == "check" and case == "impossible under all":
        return  # check does not fit; that the data are impossible is found by fitting
    refused(*CASES[case], command, folder, capsys, monkeypatch)
