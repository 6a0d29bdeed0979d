"""Wrong input: exit 2, a clear line a problem, nothing on stdout, nothing written."""

import os
import re
from pathlib import Path

import pytest
from studies import TEST, TRAINING, shell, small, toml_text

from reward_hypotheses.cli.main import main

ARROW_SIZE = 5_000_000


def toml(text):
    return lambda folder: (folder / "study.toml").write_text(text, encoding="utf-8")


def study(**changes):
    return toml(toml_text(small(**changes)))


def table(name, text):
    def change(folder):
        path = folder / f"{name}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def both(*changes):
    def change(folder):
        for one in changes:
            one(folder)

    return change


def hypothesis(text):
    return study(hypotheses={"red paint": text, "flags": "where(flags, 100, -100)"})


def feedback(**changes):
    entry = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19]}
    for key, value in changes.items():
        if value is None:
            entry.pop(key)
        else:
            entry[key] = value
    return study(feedback=[entry])


def values(**changes):
    section = {"weights": {"flags": 8, "red paint": 1}, "source": "a test"}
    for key, value in changes.items():
        if value is None:
            section.pop(key)
        else:
            section[key] = value
    return study(values=section)


HEAD = "red_paint,flags,slope,is_pad\n"
FOLDER = object()
CHOSEN = {"kind": "choices", "table": "test", "column": "red_paint"}

# name -> (what is changed, what each line of stderr must say, one pattern a line)
CASES = {
    "import in an expression": (
        hypothesis("__import__('os').system('touch pwned')"),
        [r"study.toml: \[hypotheses\] 'red paint': at position 12: there is no text"],
    ),
    "a call of something unknown": (hypothesis("open(flags)"), [r"no function 'open'; there is 'where'"]),
    "a misspelt function": (hypothesis("wher(flags, 1, 0)"), [r"no function 'wher'; did you mean 'where'\?"]),
    "attribute access": (hypothesis("flags.real"), [r"position 6: '\.' is no operator: there are no attributes"]),
    "indexing": (hypothesis("flags[0]"), [r"position 6: '\[' is not part"]),
    "a comprehension": (hypothesis("[x for x in flags]"), [r"position 1: '\['"]),
    "a lambda": (hypothesis("lambda: 1"), [r"position 7: ':'"]),
    "an f-string": (hypothesis("f'{flags}'"), [r"position 2: there is no text"]),
    "a walrus": (hypothesis("(a := 1)"), [r"':' is not part"]),
    "an unknown feature": (
        hypothesis("where(red_pant, 100, -100)"),
        [r"\[hypotheses\] 'red paint': no column 'red_pant' in training\.csv, test\.csv; did you mean 'red_paint'\?"],
    ),
    "doubled ampersands": (
        hypothesis("where(flags && red_paint, 1, 0)"),
        [r"position 14: '&' stands where .*; write & once"],
    ),
    "an exclamation mark": (hypothesis("where(!flags, 1, 0)"), [r"'!' is no operator; negate with ~ or not"]),
    "a name of two words": (
        hypothesis("where(red paint, 1, 0)"),
        [r"position 11: 'paint' stands where .*; if 'red paint' is one name, write `red paint`"],
    ),
    "two names in a row": (
        hypothesis("red paint"),
        [r"'paint' cannot follow here.*; if 'red paint' is one name, write `red paint`"],
    ),
    "an if": (hypothesis("1 if flags else 0"), [r"'if' cannot follow here; choose with where"]),
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
    "a section misspelt": (
        toml(toml_text(small()).replace("[hypotheses]", "[hypothesis]")),
        [r"hypothesis: unknown key; did you mean 'hypotheses'"],
    ),
    "a path with backslashes": (
        toml(toml_text(small()).replace('"training.csv"', '"C:\\Users\\x.csv"')),
        [r"not TOML: .*; a backslash in double quotes is an escape"],
    ),
    "curly quotes": (toml("title = \u201cx\u201d\n"), [r"not TOML: .*; use straight quotes"]),
    "True": (toml("x = True\n"), [r"write true and false in small letters"]),
    "a key with spaces": (toml("red paint = 1\n"), [r"a key with spaces goes in quotes"]),
    "a tower of powers": (
        hypothesis("9**9**9**9"),
        [r"training\.csv.*'red paint' has a reward of inf", r"test\.csv.*inf"],
    ),
    "a constant too large": (hypothesis("1e999"), [r"a constant that is not finite"]),
    "division by zero": (
        hypothesis("1/(slope - 0.5)"),
        [r"training\.csv: line 2: .* reward of inf", r"test\.csv: line 2"],
    ),
    "an expression too long": (hypothesis("1+" * 6000 + "1"), [r"longer than 10000 characters"]),
    "an expression too deep": (hypothesis("(" * 300 + "1" + ")" * 300), [r"nested deeper than 100"]),
    "a chained comparison": (hypothesis("where(0 < slope < 3, 1, 0)"), [r"a chained comparison; bracket"]),
    "logic on numbers": (hypothesis("where(slope & flags, 1, 0)"), [r"'&' takes true or false on each side"]),
    "a number as condition": (hypothesis("where(slope, 1, 0)"), [r"condition of 'where' must be true or false"]),
    "an expression that is a number": (hypothesis(5), [r"'red paint': 5 is no expression; write it in quotes"]),
    "an empty expression": (hypothesis(""), [r"an empty expression"]),
    "no tables": (
        study(tables=None),
        [r"\[tables\]: the section is missing", r"\[\[feedback\]\] table: 'training' is no table"],
    ),
    "no hypotheses": (study(hypotheses=None), [r"\[hypotheses\]: the section is missing"]),
    "empty hypotheses": (study(hypotheses={}), [r"\[hypotheses\]: there is none"]),
    "no values": (study(values=None), [r"\[values\]: the section is missing; state the human values"]),
    "no catastrophe": (study(catastrophe=None), [r"\[catastrophe\]: the section is missing"]),
    "no failure line": (study(catastrophe={}), [r"fail_utility: missing; .*no default"]),
    "no feedback": (study(feedback=None), [r"\[\[feedback\]\]: there is none"]),
    "no source": (values(source=None), [r"\[values\] source: missing; say who was asked"]),
    "an empty source": (values(source="  "), [r"source: missing"]),
    "negative weight": (values(weights={"flags": -1, "red paint": 1}), [r"weights: 'flags' has -1; .*0 or more"]),
    "all weights zero": (values(weights={"flags": 0, "red paint": 0}), [r"weights: all are 0"]),
    "a weight of nan": (toml(toml_text(small()).replace('"flags" = 8', '"flags" = nan')), [r"'flags' has nan"]),
    "a weight of inf": (toml(toml_text(small()).replace('"flags" = 8', '"flags" = inf')), [r"'flags' has inf"]),
    "a weight that is text": (
        values(weights={"flags": "8", "red paint": 1}),
        [r"'flags' has '8'; a weight is a finite number"],
    ),
    "a weight for nobody": (
        values(weights={"flags": 8, "red paint": 1, "flag": 2}),
        [r"weights: 'flag' is no hypothesis; did you mean 'flags'\?"],
    ),
    "a hypothesis without weight": (values(weights={"flags": 8}), [r"hypothesis 'red paint' has no weight"]),
    "strength 0": (values(strength=0), [r"strength: 0; it must be a positive"]),
    "strength inf": (toml(toml_text(small()).replace('"strength" = 20', '"strength" = inf')), [r"strength: inf"]),
    "weights and judges": (values(judges=[]), [r"weights and judges together"]),
    "judge without source": (
        study(values={"judges": [{"name": "a", "weights": {"flags": 1, "red paint": 1}}]}),
        [r"judges: 'a': source: missing"],
    ),
    "a pool that is none": (
        study(
            values={"judges": [{"name": "a", "weights": {"flags": 1, "red paint": 1}, "source": "x"}], "pool": "median"}
        ),
        [r"pool: 'median'; give \"linear\" or \"log\""],
    ),
    "uniform values without source": (study(values={"prior": "uniform"}), [r"source: missing; say why"]),
    "an unknown agent prior": (
        study(agent={"prior": "unifrom"}),
        [r"\[agent\] prior: 'unifrom'; did you mean 'uniform'"],
    ),
    "an unknown language": (
        study(agent={"prior": {"name": "simplicity", "language": "french"}}),
        [r"language: 'french' is unknown; there is 'rules'"],
    ),
    "costs for nobody": (
        study(analysis={"languages": [{"name": "mine", "costs": {"flag": 1}}]}),
        [r"no hypothesis names 'flag'; did you mean 'flags'"],
    ),
    "a policy that is none": (
        study(agent={"policy": "obey"}),
        [r"policy: 'obey' is no policy of this version; there is 'commit'"],
    ),
    "cvar without a tail": (study(agent={"policy": "cvar"}), [r"'cvar' needs tail"]),
    "a tail in percent": (
        study(agent={"policy": {"name": "cvar", "tail": 5}}),
        [r"\[agent\] policy: tail: 5; give the worst"],
    ),
    "a base that is none": (
        study(agent={"policy": {"name": "quantilize", "q": 0.1, "base": "people"}}),
        [r"\[agent\] policy: base: 'people'; there is \"uniform\""],
    ),
    "boltzmann without beta": (study(agent={"policy": "boltzmann"}), [r"'boltzmann' needs beta"]),
    "boltzmann, beta negative": (
        study(agent={"policy": {"name": "boltzmann", "beta": -1}}),
        [r"\[agent\] policy: beta: -1"],
    ),
    "about that is a number": (study(about=3), [r"^study\.toml: about: 3 is no text; write it in quotes$"]),
    "about that is empty": (study(about=""), [r"^study\.toml: about: '' says nothing; write some text in quotes$"]),
    "abstain that is a word": (
        study(agent={"policy": {"name": "commit", "abstain": "yes"}}),
        [r"abstain: 'yes'; give true or false"],
    ),
    "fail_utility nan": (
        toml(toml_text(small()).replace('"fail_utility" = 0', '"fail_utility" = nan')),
        [r"fail_utility: nan is not a finite"],
    ),
    "fail_utility for one": (
        study(catastrophe={"fail_utility": {"flags": 0}}),
        [r"fail_utility: hypothesis 'red paint' has no value"],
    ),
    "fail_utility differs in a scene": (
        study(catastrophe={"fail_utility": "slope"}),
        [r"test\.csv: scene 0: \[catastrophe\] fail_utility \(slope\) of hypothesis 'red paint' differs"],
    ),
    "the agent's line differs in a scene": (
        study(agent={"fail_utility": "slope"}),
        [r"test\.csv: scene 0: \[agent\] fail_utility \(slope\) .* differs"],
    ),
    "the agent's line is not finite": (
        study(agent={"fail_utility": "1/(slope - slope)"}),
        [r"test\.csv: line 2: .* \[agent\] fail_utility of inf"],
    ),
    "a weight of 400 digits": (
        toml(toml_text(small()).replace('"flags" = 8', '"flags" = ' + "9" * 400)),
        [r"'flags' has a number of very many"],
    ),
    "a target of 400 digits": (
        toml(toml_text(small(analysis={"targets": [0.5]})).replace("[0.5]", "[" + "9" * 400 + "]")),
        [r"targets: "],
    ),
    "noise of 400 digits": (toml(toml_text(small()).replace("[1, 19]", "[1, " + "9" * 400 + "]")), [r"noise: "]),
    "a kind that is a list": (feedback(kind=["labels"]), [r"kind: \['labels'\] is no kind of this version"]),
    "a name that is a list": (feedback(name=["x"]), [r"name: \['x'\]; give a name"]),
    "a path with a NUL": (study(tables={"training": "training.csv", "test": "a\x00b"}), [r"is no path"]),
    "judges too heavy": (
        study(
            values={
                "judges": [
                    {"name": n, "weights": {"flags": 1, "red paint": 1}, "source": "x", "weight": w}
                    for n, w in (("a", 0), ("b", 0.0))
                ]
            }
        ),
        [r"every judge's weight is 0"],
    ),
    "judges with nothing in common": (
        study(
            values={
                "judges": [
                    {"name": "a", "weights": {"flags": 1, "red paint": 0}, "source": "x"},
                    {"name": "b", "weights": {"flags": 0, "red paint": 1}, "source": "y"},
                ],
                "pool": "log",
            }
        ),
        [r"\[values\] no hypothesis has a positive weight under both .* pool linearly"],
    ),
    "costs too large": (
        study(analysis={"languages": [{"name": "mine", "costs": {"flags": 1e308}}]}),
        [r"'flags' has 1e\+308; give bits"],
    ),
    "draws by the billion": (study(fit={"draws": 10**9}), [r"\[fit\] draws: 1000000000"]),
    "a source that is a date": (
        toml(toml_text(small()).replace('"source" = "a test"', '"source" = 2024-01-01')),
        [r"source: missing; say who was asked"],
    ),
    "a test that is a number": (study(analysis={"test": 5}), [r"\[analysis\] test: 5 is no text"]),
    "a weight in training that is negative": (
        table("training", "scene_weight," + HEAD + "-1,1,1,1,1\n1,0,0,2,0\n"),
        [
            r"\[\[feedback\]\] training\.csv: column 'scene_weight' is not the same everywhere; .*count = \"scene_weight\""
        ],
    ),
    "nothing available at all": (
        table("training", "available," + HEAD + "0,1,1,1,1\n0,0,0,2,0\n"),
        [r"training\.csv: column 'available' is false in every row"],
    ),
    "sigma2 beyond reason": (
        study(feedback=[{"kind": "rewards", "table": "training", "column": "slope", "sigma2": [1e16, 1e16]}]),
        [r"sigma2: \[1e\+16, 1e\+16\]; give \[a, b\], shape \(at most 1e9\)"],
    ),
    "noise (0, -1)": (feedback(noise=[0, -1]), [r"noise: \[0, -1\]; give \[a, b\] with a and b positive"]),
    "noise 0.5": (feedback(noise=0.5), [r"noise: 0.5; give"]),
    "no noise": (feedback(noise=None), [r"\[\[feedback\]\] noise: missing"]),
    "a kind of later": (
        feedback(kind="corrections"),
        [
            r"kind: 'corrections' is no kind of this version; there is 'labels', 'rewards', 'choices', 'rankings', 'ratings', "
            r"'stops', 'proxy', 'demonstrations'"
        ],
    ),
    "a kind misspelt": (feedback(kind="label"), [r"kind: 'label' is no kind of this version; did you mean 'labels'"]),
    "rewards without sigma2": (
        study(feedback=[{"kind": "rewards", "table": "training", "column": "slope"}]),
        [r"sigma2: missing"],
    ),
    "a table unknown to feedback": (
        feedback(table="trainig"),
        [r"table: 'trainig' is no table; did you mean 'training'"],
    ),
    "a column unknown to feedback": (
        feedback(column="is_pda"),
        [r"training\.csv: no column 'is_pda'; did you mean 'is_pad'"],
    ),
    "an unknown key": (feedback(nose=[1, 2]), [r"\[\[feedback\]\] nose: unknown key; did you mean 'noise'"]),
    "an unknown section": (study(catastroph={"x": 1}), [r"catastroph: unknown key; did you mean 'catastrophe'"]),
    "an unknown test": (
        study(analysis={"test": "tset"}),
        [r"\[analysis\] test: 'tset' is no table; did you mean 'test'"],
    ),
    "a target above 1": (study(analysis={"targets": [2]}), [r"targets: \[2\]; give a list of risks"]),
    "a contamination of 0": (study(analysis={"contaminations": [0]}), [r"contaminations: \[0\]"]),
    "no deployments": (study(analysis={"deployments": [0]}), [r"deployments: \[0\]; give a list of whole numbers"]),
    "prob 1": (study(analysis={"prob": 1}), [r"prob: 1; give the probability"]),
    "draws 0": (study(fit={"draws": 0}), [r"\[fit\] draws: 0; give a whole number"]),
    "an unknown method": (study(fit={"method": "nutz"}), [r"\[fit\] method: 'nutz'; did you mean 'nuts'"]),
    "a negative seed": (study(seed=-1), [r"seed: -1; give a whole number"]),
    "duplicate keys": (toml("seed = 1\nseed = 2\n"), [r"study.toml: a key stands twice; give each key once .*line 2"]),
    "duplicate sections": (toml("[values]\n[values]\n"), [r"a section stands twice"]),
    "not TOML": (toml("title = \n"), [r"study.toml: not TOML: .*line 1"]),
    "bytes that are no text": (lambda f: (f / "study.toml").write_bytes(b"\xff\xfe\x00"), [r"byte 0xff is not UTF-8"]),
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
    "an answer about no hypothesis": (
        both(
            study(values={"judgements": "answers.csv", "source": "a test"}),
            table("answers", "judge,left,right,answer\nAnn,flags,red paint,equal\nAnn,flag,red paint,equal\n"),
        ),
        [r"judgements: answers\.csv: line 3: left: 'flag' is no hypothesis; did you mean 'flags'\?"],
    ),
    "one human, two rationalities": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann", "rationality": 2}]),
        [
            r"human 'Ann': number 1 \(choices\) has rationality \{ dist = .*\}, number 2 \(choices_2\) has 2\.0; .* give both"
        ],
    ),
    "one human, two scales": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann", "scale": "raw"}]),
        [r"number 1 \(choices\) has scale \"unit\", number 2 \(choices_2\) has \"raw\""],
    ),
    "a shared rationality that is to be sampled": (
        study(feedback=[CHOSEN | {"human": "Ann"}, CHOSEN | {"human": "Ann"}], fit={"method": "nuts"}),
        [r"'nuts', but number 1 \(choices\), number 2 \(choices_2\) share the rationality of 'Ann'.*use 'auto'"],
    ),
    "a grade that is blank": (
        both(
            study(feedback=[{"kind": "ratings", "table": "training", "column": "said", "grades": ["bad", "good"]}]),
            table("training", "red_paint,flags,slope,is_pad,said\n1,1,0,1,good\n0,0,0,0,\n"),
        ),
        [r"line 3: column 'said' is missing; .*missing = \"drop\""],
    ),
    "two hypotheses broken": (
        study(hypotheses={"red paint": "1 +", "flags": "(flags"}),
        [r"'red paint': at position 4: it ends", r"'flags': at position 7: it ends where '\)'"],
    ),
    "many things at once": (
        study(
            hypotheses={"red paint": "where(red_pant, 1, 0)", "flags": "flags +"},
            values={"weights": {"flags": 8, "red paint": -1}},
            catastrophe={},
            feedback=[{"kind": "labels", "table": "trainin", "column": "is_pad", "noise": [1, 19]}],
        ),
        [
            r"'flags': at position 8",
            r"source: missing",
            r"'red paint' has -1",
            r"fail_utility: missing",
            r"table: 'trainin' is no table",
            r"'red paint': no column 'red_pant' in test\.csv",
        ],
    ),
}


@pytest.fixture
def folder(tmp_path):
    study()(tmp_path)
    table("training", TRAINING)(tmp_path)
    table("test", TEST)(tmp_path)
    return tmp_path


def snapshot(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize("case", CASES)
def test_refused(case, command, folder, capsys, monkeypatch):
    if command == "check" and case == "impossible under all":
        return  # check does not fit; that the data are impossible is found by fitting
    change, wanted = CASES[case]
    change(folder)
    before = snapshot(folder)
    monkeypatch.chdir(folder)
    arguments = [command, str(folder / "study.toml")] + (["--out", str(folder / "report")] if command == "run" else [])
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().split("\n")
    for pattern in wanted:
        assert any(re.search(pattern, line) for line in lines), (pattern, lines)
    assert len(lines) == len(wanted), lines
    assert all(line.startswith("study.toml: ") for line in lines)
    assert all(len(line) < 400 for line in lines), lines
    assert snapshot(folder) == before


def test_good_study_is_not_refused(folder):
    assert main(["check", str(folder / "study.toml")]) == 0


def test_missing_study(tmp_path, folder):
    done = shell("run", folder / "sutdy.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file; did you mean 'study.toml'?" in done.stderr
    assert shell("run", folder).stderr.endswith("is a folder; give the path of a study file (TOML)\n")


def test_out_that_cannot_be_written(folder):
    (folder / "file").write_text("x")
    for out, words in (
        (folder / "file", "is a file; give a folder"),
        (folder / "file" / "inside", "is a file, so no folder can be made in it"),
    ):
        done = shell("run", folder / "study.toml", "--out", out)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_out_of_somebody_else(folder):
    mine = folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    done = shell("run", folder / "study.toml", "--out", mine)
    assert done.returncode == 2
    assert "holds 'thesis.txt' and no manifest.json" in done.stderr
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]


def test_out_that_somebody_changed(folder, capsys):
    out = folder / "report"
    again = ["run", str(folder / "study.toml"), "--out", str(out)]
    assert main(again) == 0
    assert main(again) == 0  # our own is replaced
    before = snapshot(out)
    (out / "note.txt").write_text("mine")
    assert main(again) == 2
    assert "holds 'note.txt', which no run wrote" in capsys.readouterr().err
    (out / "note.txt").unlink()
    assert snapshot(out) == before
    text = (out / "tables" / "weights.csv").read_text()
    (out / "tables" / "weights.csv").write_text(text + "\n")
    assert main(again) == 2
    assert "'tables/weights.csv' was changed" in capsys.readouterr().err
    (out / "tables" / "weights.csv").unlink()
    assert main(again) == 2
    assert "'tables/weights.csv', which its manifest.json lists, is gone" in capsys.readouterr().err
    (out / "tables" / "weights.csv").write_text(text)
    for make, name in (
        (lambda: (out / "mine").mkdir(), "mine"),
        (lambda: (out / "tables" / "link").symlink_to("/tmp"), "tables/link"),
    ):
        make()
        assert main(again) == 2
        assert f"holds '{name}', which no run wrote" in capsys.readouterr().err
        path = out / name
        path.unlink() if path.is_symlink() else path.rmdir()
    assert main(again) == 0
    assert not [p for p in folder.iterdir() if p.name.endswith(".partial")]


def test_nothing_of_a_study_is_executed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for text in ("__import__('os').system('touch pwned')", "exec(\"open('pwned','w')\")", "`__class__`"):
        hypothesis(text)(folder)
        assert main(["run", "study.toml", "--json"]) == 2
    assert not Path("pwned").exists()
