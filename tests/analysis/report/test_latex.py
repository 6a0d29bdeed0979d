"""Tables and numbers of a paper: rounding, TeX of any text, and that LaTeX takes all of it."""

import json
import math
import re
import shutil
import subprocess
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from reports import paper_tables, table_files
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.phrases import percent
from reward_hypotheses.analysis.report.tables.headline_numbers import macro_names, quantities, spelled
from reward_hypotheses.analysis.report.tables.latex import LETTERS, MATHS, escaped, tabular_file
from reward_hypotheses.analysis.report.tables.rounding import NOISE, rounded, shown
from reward_hypotheses.analysis.report.tables.table_model import MOST_HYPOTHESES, MOST_ROWS, Column, PaperTable

ROOT = Path(__file__).resolve().parents[3]
NASTY = r"""a_b & 100% $x$ #1 {brace} \backslash ~ ^ < > | "quoted" é α 中 😀 <script>"""
NASTY_TOO = (
    "[opt] * -- ''x'' `tick` ?` !` ,, ñ ő ą ế ﬁ ½ ≤ ∑ x² 10⁻³ “so” – — … ß Ø Ł\tΩ ά\n \u200b𝑥 ∉ ÿ^^M \\end{tabular}"
)
ENGINES = [e for e in ("pdflatex", "lualatex", "tectonic") if shutil.which(e)]

settled = settings(max_examples=300, deadline=None, derandomize=True)
numbers = st.floats(min_value=-1e12, max_value=1e12)
errors = st.floats(min_value=1e-9, max_value=1e6)


@pytest.mark.parametrize(
    ("value", "error", "want"),
    [
        (0.04996, 0.0004, "0.0500"),
        (0.45, 0.0, "0.450"),
        (0.45, None, "0.450"),
        (0.45, 1e-17, "0.450"),
        (46.4067870116, 1e-9, "46.4"),
        (46.4067870116, 1e-5, "46.40679"),
        (-0.0004, 0.01, "0.00"),
        (3.0, 40.0, "0"),
        (1234.5, 30.0, "1230"),
        (1234.5, None, "1230"),
        (0.125, 0.01, "0.12"),
        (2.5, 1.0, "2"),
        (25.0, 10.0, "20"),
        (0.96, 0.96, "1.0"),
        (0.00123, 0.00123, "0.001"),
        (0.0, None, "0"),
        (0.0, 0.003, "0.000"),
        (0.0, 1e-300, "0.000000"),
        (999.6, None, "1000"),
        (3.21e-9, 2e-11, "3.21e-9"),
        (3.21e-9, 2e-8, "0.000000"),
        (-1.5e12, None, "-1.50e12"),
    ],
)
def test_rounded(value, error, want):
    assert rounded(value, error) == want


@settled
@given(numbers, errors)
@example(25.0, 10.0)
def test_rounding_keeps_within_half_a_unit_of_the_errors_place(value, error):
    assume(error > NOISE * abs(value))
    text = rounded(value, error)
    unit = Fraction(10) ** Decimal(repr(error)).adjusted()
    slack = Fraction(math.ulp(value) + math.ulp(float(text)))  # the number itself is known no better
    assert abs(Fraction(text) - Fraction(value)) <= unit / 2 + slack
    assert (Fraction(text) / unit).denominator == 1
    assert Fraction(text) or not text.startswith("-")


@settled
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_without_an_error_three_digits_are_left(value):
    text = rounded(value)
    assert abs(Fraction(text) - Fraction(value)) <= abs(Fraction(value)) / 199
    assert len(Decimal(text).normalize().as_tuple().digits) <= 3
    assert math.isinf(float(text)) or rounded(float(text)) == text  # the greatest floats round beyond all floats


@settled
@given(numbers, errors)
def test_rounding_is_odd_and_settled(value, error):
    text = rounded(value, error)
    assert rounded(-value, error) == (("-" + text).replace("--", "") if float(text) else text)
    assert float(rounded(float(text), error)) == pytest.approx(float(text), rel=1e-9) or abs(float(text)) < error


@settled
@given(st.floats(min_value=0, max_value=1), st.sampled_from([None, 0.0]))
def test_a_share_without_an_error_is_that_of_the_summary(x, error):
    assert shown(x, "share", error) == percent(x)


@settled
@given(st.floats(min_value=0, max_value=1), st.floats(min_value=1e-10, max_value=0.5))
def test_no_share_looks_like_none_or_all_unless_it_is(x, error):
    text = shown(x, "share", error)
    bare = text.rstrip("%")
    assert text.endswith("%")
    if bare[0] not in "<>":
        assert (float(bare.replace("−", "-").replace(" × 10", "e").translate(PLAIN)) == 0) == (x == 0)
        assert x == 1 or float(bare.split()[0]) != 100 or x > 1 - 1e-12
    elif bare[0] == "<":
        assert 0 < 100 * x < float(bare[1:])
    else:
        assert float(bare[1:]) < 100 * x < 100


PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def test_shown():
    assert shown(None, "share") == "—" and shown(True, "text") == "yes" and shown(1234, "count") == "1,234"
    assert (
        shown(-2.1972, "nats") == "−2.20" and shown(-0.001, "nats") == "0.00" and shown(-2.1972, "nats", 0.1) == "−2.2"
    )
    assert shown(0.07, "level") == "7%" and shown(0.0, "share", zero=0.066) == "0% (< 6.6%)"
    assert shown(0.36788857, "share", 0.0024) == "36.8%" and shown(0.49378, "share", 0.00026) == "49.38%"
    assert shown(1e-6, "share", 0.02) == "<1%" and shown(0.9999, "share", 0.02) == ">99%"
    assert shown(3.21e-9, "number") == "3.21 × 10⁻⁹"


@settled
@given(st.text())
@example(NASTY)
@example(NASTY_TOO)
def test_any_text_is_escaped_to_ascii_in_one_line(text):
    tex = escaped(text)
    assert tex.isascii() and tex.isprintable()
    known = r"\\[{}$&#_%]|\\[~^\"](?=\{)|\\ensuremath\{(?:\\?\w+|[-<>|]|\^(?:\{.\}|\\circ))\}"
    assert not re.search(r'[$&#_%~^<>|"]', re.sub(known, "", tex))
    depth = 0
    for c in re.sub(r"\\[{}]", "", tex):
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert depth == 0


def test_escaped():
    assert escaped("a_b & 100% {x} #1 $") == r"a\_b \& 100\% \{x\} \#1 \$"
    assert escaped("é α 中 😀") == r"\'{e} \ensuremath{\alpha} ? ?"
    assert escaped("a--b\n\tc\x00d") == "a-{}-b cd"
    assert escaped("e\u0301") == r"\'{e}" and escaped("ﬁ½") == "fi1/2" and escaped("[a]*") == "{[}a{]}{*}"


def test_names_of_macros_are_letters_and_all_different():
    names = ["the island", "The Island", "the island ", "h1", "h 1", "中", "😀", "α-β", "\u0301", NASTY, NASTY + "!"]
    names += [f"中{'文' * i}" for i in range(1, 40)]
    found = macro_names(names)
    assert list(found) == names and len(set(found.values())) == len(names)
    assert all(re.fullmatch("[A-Za-z]+", letters) for letters in found.values())
    assert [found[n] for n in names[:9]] == [
        "TheIsland", "TheIslandA", "TheIslandB", "HOne", "HOneA", "Unnamed", "UnnamedA", "AlphaBeta", "UnnamedB",
    ]  # fmt: skip


@settled
@given(st.lists(st.floats(min_value=0, max_value=1).map(repr), unique=True))
def test_spelled_numbers_differ(targets):
    found = list(map(spelled, targets))
    assert len(set(found)) == len(found) and all(re.fullmatch("[A-Za-z]+", one) for one in found)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    def made(name, **changes):
        path = write(tmp_path_factory.mktemp(name), small(**changes), training=TRAINING, test=TEST)
        # JSON escapes a character beyond 16 bits as two halves, which TOML does not know
        halves = re.compile(r"\\ud[89ab]\w\w\\ud[c-f]\w\w")
        text = halves.sub(lambda m: json.loads(f'"{m[0]}"'), path.read_text(encoding="utf-8"))
        path.write_text(text, encoding="utf-8")
        return rh.run(path)

    nasty = {NASTY: "where(red_paint, 100, -100)", NASTY_TOO: "where(flags & (slope < 2), 100, -100)"}
    steep = {f"above {i}_%": f"where(slope > {i / 20}, 100, -100)" for i in range(60)}
    return {
        "penguins": rh.run(ROOT / "data" / "examples" / "penguins" / "study.toml"),
        "nasty": made(
            "nasty",
            title=NASTY + NASTY_TOO,
            hypotheses=nasty,
            values={"weights": dict.fromkeys(nasty, 1), "source": NASTY},
        ),
        "sixty": made("sixty", hypotheses=steep, values={"prior": "uniform", "source": "a test"}),
        "expected": made("expected", agent={"policy": "expected", "prior": "uniform"}),
        "untested": made("untested", tables={"training": "training.csv"}),
        "alone": made(
            "alone", hypotheses={"flags": "where(flags, 100, -100)"}, values={"prior": "uniform", "source": "a test"}
        ),
    }


PAPER = {f"tables/{name}" for name in ("numbers.tex", "methods.tex", "methods.md", "methods.bib")}
TESTED = {
    "headline",
    "weights",
    "pairs",
    "matrix",
    "agents",
    "riskiest_scenes",
    "risk_parts",
    "risk_by_line",
    "languages",
    "bits",
    "bounds",
    "tipping",
    "worst_case",
    "impact",
    "subgroups",
    "first_catastrophe",
    "risk_by_source",
    "frontier",
}


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("penguins", TESTED),
        ("nasty", TESTED),
        ("sixty", TESTED | {"telling"}),
        ("alone", TESTED),
        ("expected", TESTED - {"bits"}),
        ("untested", {"weights", "pairs", "subgroups"}),
    ],
)
def test_every_table_is_there_in_both_forms(name, want, documents):
    files = table_files(documents[name])
    assert set(files) == {f"tables/{t}.{form}" for t in want for form in ("csv", "tex")} | PAPER
    assert files == table_files(json.loads(json.dumps(documents[name])))
    for path, data in files.items():
        if path.endswith(".tex"):
            assert data.decode().startswith("% Study: ")


def test_a_table_holds_plain_values_and_is_shown_rounded(documents):
    tables = {t.name: t for t in paper_tables(documents["penguins"])}
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.header[0] == table.columns[0] and table.title and table.caption
        for row, cells in zip(table.rows, table.body, strict=True):
            assert len(cells) == len(table.header) and all(isinstance(c, str) for c in cells) and row
    assert tables["weights"].body == [
        ["the island", "10.0", "−1.01", "10.0", "50.0", "0 (< 6.6)"],
        ["the body", "90.0", "−1.01", "90.0", "50.0", "50.0"],
    ]
    assert tables["pairs"].body == [["the island", "the body", "−2.20", "silent", "−2.20"]]
    assert tables["matrix"].body == [["the island", "0", "100.0"], ["the body", "0", "0"]]
    assert tables["bits"].body[0] == ["10", "0.447", "0.447", "0", "0.531"]
    assert tables["bounds"].body[2] == ["10", "40.5", "45.5", "50.5"]
    assert tables["headline"].body[0] == ["catastrophe risk", "45.0", "36.8", "49.38", "0", "% of scenes"]
    assert tables["weights"].header[-1].align == "right" and tables["weights"].header[-1].unit == "%"


def test_long_and_wide_tables_are_cut(documents):
    document = documents["sixty"]
    tables = {t.name: t.cut() for t in paper_tables(document)}
    heaviest = sorted(document["weights"].values(), reverse=True)
    rows = [row[4] for row in tables["weights"].rows]
    assert rows == heaviest[:MOST_ROWS] and tables["weights"].notes == ("20 more stand in weights.csv.",)
    matrix = tables["matrix"]
    assert len(matrix.rows) == MOST_HYPOTHESES == len(matrix.header) - 1
    assert [row[0] for row in matrix.rows] == [column.words for column in matrix.header[1:]]
    assert "The 8 weightiest of 60 hypotheses; all stand in matrix.csv." in matrix.notes
    assert len(tables["bits"].header) == 3 + MOST_HYPOTHESES and len(tables["bits"].columns) == 5 + 2 * MOST_HYPOTHESES
    for text in (tabular_file(t, "", "").decode() for t in tables.values()):
        assert text.startswith("% A study\n")


def test_errors_of_sampled_numbers_round_them():
    columns = (Column("a", "a"), Column("x", "x", "nats", "nats", error="e"), Column("e"))
    table = PaperTable("t", "T", "c", columns, (("one", -1.23456, 0.02), ("two", None, None), ("three", 5.0, 0.0)))
    assert table.body == [["one", "−1.23"], ["two", "—"], ["three", "5.00"]]
    assert table.csv() == b"a,x,e\none,-1.23456,0.02\ntwo,,\nthree,5.0,0.0\n"


def test_errors_of_a_document_round_its_tables_and_macros(documents):
    document = json.loads(json.dumps(documents["penguins"]))
    document["mcse"] = {
        "weights": {"the island": 0.03, "the body": 0.0004},
        "risk": {"mean": 0.002, "limit": None},
        "value_bits": {"0.1": 0.02},
        "risk_bounds": {"0.01": [0.3, 0.0]},
    }
    document["risk"]["mcse"] = 0.002
    tables = {t.name: t for t in paper_tables(document)}
    assert [row[3] for row in tables["weights"].body] == ["10", "90.00"]
    assert tables["headline"].body[0] == ["catastrophe risk", "45.0", "36.8", "49.38", "0.2", "% of scenes"]
    assert tables["bits"].body[0][1] == "0.45" and tables["bounds"].body[0][1:3] == ["40", "45.1"]
    found = macros(document)
    assert found["RHweightTheIsland"][0] == r"10\%" and found["RHriskMcse"][0] == r"0.2\%"
    assert found["RHbitsZeroPointOne"][0] == "0.45" and found["RHlimit"][0] == r"45\%"


def macros(document):
    text = table_files(document)["tables/numbers.tex"].decode()
    found = re.findall(r"^\\newcommand\{\\(\w+)\}\{(.*?)\} % (.*?) = (.*) in results\.json$", text, re.M)
    assert len(found) == text.count("\\newcommand") == len({name for name, *_ in found})
    return {name: tuple(rest) for name, *rest in found}


def test_numbers(documents):
    found = macros(documents["penguins"])
    assert found["RHrisk"] == (r"45\%", "0.45", "risk.mean")
    assert found["RHriskLower"][0] == r"37\%" and found["RHriskUpper"][0] == r"49\%"
    assert found["RHbitsZeroPointZeroOne"] == ("0.82", "0.8207349668633869", 'value_bits["0.01"]')
    assert found["RHweightTheBody"] == (r"90\%", "0.9", 'weights["the body"]')
    assert found["RHshiftP"][0] == "0.001" and found["RHshifted"][0] == "yes" and found["RHnScenes"][0] == "44"
    assert found["RHversion"][0] == rh.__version__
    fixed = """risk riskLower riskUpper prob riskMcse limit floor regret abstained seScenes nScenes shiftP shifted
        riskUniform riskSimplicity riskValues seed version""".split()
    for document in documents.values():
        assert {f"RH{name}" for name in fixed} <= set(macros(document))
    untested = macros(documents["untested"])
    assert untested["RHrisk"] == ("--", "null", "risk.mean") and untested["RHshifted"][0] == "--"
    assert all(one.macro.isascii() and one.macro.isalpha() for d in documents.values() for one in quantities(d))


@pytest.fixture(scope="module")
def compiled(documents, tmp_path_factory):
    """One paper that has every file of every study in it -> its log and its PDF."""
    if not ENGINES:
        pytest.skip("no LaTeX (pdflatex, lualatex or tectonic) on the path")
    folder = tmp_path_factory.mktemp("paper")
    parts = []
    for name, document in documents.items():
        for path, data in table_files(document).items():
            target = folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        used = ", ".join(rf"\{one.macro}{{}}" for one in quantities(document))
        inputs = [rf"\noindent\input{{{name}/tables/{t.name}.tex}}\bigskip\par" for t in paper_tables(document)]
        inputs.append(rf"\input{{{name}/tables/methods.tex}}\par")
        parts += ["{", rf"\input{{{name}/tables/numbers.tex}}", used, r"\par\bigskip", *inputs, r"}\clearpage"]
    signs = " ".join(map(escaped, [*LETTERS, *MATHS, *map(chr, range(0x20, 0x250)), NASTY, NASTY_TOO]))
    head = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\textwidth=12cm", r"\begin{document}", r"\sloppy"]
    (folder / "paper.tex").write_text("\n".join([*head, *parts, signs, r"\end{document}", ""]), encoding="ascii")
    engine = ENGINES[0]
    options = [] if engine == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [engine, *options, "paper.tex"], cwd=folder, capture_output=True, text=True, errors="replace", timeout=300
    )
    return done, folder / "paper.pdf"


@pytest.mark.latex
def test_latex_takes_every_file(compiled):
    done, pdf = compiled
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Undefined control sequence" not in done.stdout and "Missing character" not in done.stdout
    pages = re.search(r"Output written on paper\.pdf \((\d+) pages?", done.stdout)
    assert pdf.stat().st_size > 10_000 and (pages is None or int(pages[1]) >= 6)


@pytest.mark.latex
def test_tables_of_two_hypotheses_fit_a_column_of_12_cm(compiled):
    done, _ = compiled
    said = done.stdout.replace("./", "").replace("\n", "")
    parts = re.findall(r"\((\w+)/tables/(\w+)\.tex(.*?)(?=\(\w+/tables/|$)", said)
    assert len(parts) > 30
    wide = [
        (study, name, said)
        for study, name, said in parts
        if name != "methods" and study != "sixty" and "Overfull \\hbox" in said
    ]
    assert not wide
