"""The report is made of the results document alone, topic by topic."""

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import reports
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout import chapters, html, terminal
from reward_hypotheses.analysis.report.presentation import Presentation, texts
from reward_hypotheses.analysis.report.tables import table_files as tables
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable
from reward_hypotheses.analysis.results.document import presented

ROOT = Path(__file__).resolve().parents[3] / "analysis" / "report"
PACKAGE = "reward_hypotheses"
REPORT = f"{PACKAGE}.analysis.report"
MAY = {REPORT, f"{PACKAGE}.data.errors", f"{PACKAGE}.data.column", f"{PACKAGE}.data.progress"}
MAY |= {f"{PACKAGE}.analysis.plots"}  # functions of arrays, which draw
MAY |= {f"{PACKAGE}.models.policies.registry", f"{PACKAGE}.models.priors.registry"}  # words that a noun has of itself
FOLDER = {f"{PACKAGE}.data.atomic_write", f"{PACKAGE}.data.readers.safe_files"}
LIBRARIES = {"jinja2", "markupsafe", "rich", "matplotlib", "fontTools", "numpy"}
DRAWING = {"matplotlib", "fontTools", "numpy"}
TYPES = {"xarray"}


def imported(tree, inside=False, typing=False):
    """Yield (module, whether inside a function, whether for types alone) of every import."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, inside, typing
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        yield from imported(node, inside or function, typing or checking)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_report_imports_nothing_of_the_analysis(path):
    for name, inside, typing in imported(ast.parse(path.read_text(encoding="utf-8"))):
        top = name.split(".")[0]
        if top == PACKAGE:
            may = MAY | FOLDER if path.name == "output_folder.py" else MAY
            assert any(name == known or name.startswith(f"{known}.") for known in may), name
        else:
            assert top in LIBRARIES | sys.stdlib_module_names or (typing and top in TYPES), name
        if path.name != "figure_files.py":
            assert inside or typing or top not in DRAWING, f"{name} is imported before anything is drawn"


PLOTS = ROOT.parent / "plots"


@pytest.mark.parametrize("path", sorted(PLOTS.rglob("*.py")), ids=lambda path: str(path.relative_to(PLOTS)))
def test_figures_import_the_rest_when_they_are_called(path):
    """Neither the analysis nor a library that draws is imported with a module of figures."""
    for name, inside, typing in imported(ast.parse(path.read_text(encoding="utf-8"))):
        top = name.split(".")[0]
        early = name.startswith((f"{PACKAGE}.analysis.plots", f"{PACKAGE}.data")) or top in sys.stdlib_module_names
        assert inside or typing or early or top == "numpy", name


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layer")
    return json.loads(json.dumps(rh.run(write(folder, small(), training=TRAINING, test=TEST))))


def test_names_of_presentations_are_all_different(document):
    keys = [(part.name, part.chapter) for part in presented(document)]
    assert len(keys) == len(set(keys))
    assert len(reports.PLOTS) == 12


def test_a_layout_names_presentations_that_there_are(document):
    found = {part.name for path in ROOT.parent.parent.glob("tests/golden/kept/*/results.json")
             for part in presented(json.loads(path.read_text(encoding="utf-8")))}  # fmt: skip
    assert found >= {name for _, names in chapters.CHAPTERS.values() for name in names}
    assert {part.chapter for part in presented(document)} >= set(terminal.FIRST)


def test_a_new_topic_needs_no_layout(document, capsys):
    """It stands behind the topics that the layout names, in its chapter or in one of its own."""
    table = PaperTable("regret_by_day", "Regret by day", "One a day.", (Column("day", "day"),), ((1,),))
    known = Presentation("new", "shift", texts("Tuesdays are worst."), [table], terminal=["Mind Tuesdays."])
    unknown = replace(known, name="other", chapter="Days of the week", tables=(), terminal=["Seven days."])
    presentations = [known, unknown, *presented(document)]
    text = html.page(document, presentations, {}, {})
    chapter = text[text.index('<details id="shift">') : text.index('<details id="precision">')]
    assert "<p>Tuesdays are worst.</p>" in chapter and "Regret by day" in chapter
    assert text.index('<details id="provenance">') < text.index(
        '<details id="Days-of-the-week"><summary><h2>Days of the week'
    )
    names = [table.name for table in tables.paper_tables(presentations)]
    assert set(names[-2:]) == {"regret_by_day", "first_catastrophe"}  # neither of which the layout names
    terminal.print_summary(document, presentations, full=True)
    out = capsys.readouterr().out
    risk, shift, days = (out.index(s) for s in ("What the risk depends on", "Is the test a", "Days of"))
    assert risk < shift < out.index("Mind Tuesdays.") < days < out.index("Seven days.")
