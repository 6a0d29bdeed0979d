"""Every page of the docs runs as shown, prints what it shows, and draws the figures that it shows."""

import json
import re
from pathlib import Path

import pytest
from claims_check import REPLACED
from pages import BLOCK, ROOT, RUNTIME, alike, run

PAGES = sorted((ROOT / "docs").glob("*.md"))
PICTURE = re.compile(r"^!\[.+\]\((figures/.+?\.png)\)$", re.M)


NO_PROSE = re.compile(r"`[^`]*`|(?<=\])\([^)]*\)|<[^>]*>")
"""Inline code, targets of links, and tags."""


def prose(page):
    """Return what a page or a notebook says in words."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return NO_PROSE.sub(" ", BLOCK.sub("", text))


def replaced_in(text):
    """Return the phrases that the report avoids and a text holds, as whole words, also across a line's end."""
    words = {phrase: r"\s+".join(map(re.escape, phrase.split())) for phrase in REPLACED}
    return [phrase for phrase, pattern in words.items() if re.search(rf"\b{pattern}\b", text, re.IGNORECASE)]


def marked(page):
    needs = [pytest.mark.onnx] if "import onnxruntime" in page.read_text(encoding="utf-8") else []
    return pytest.param(page, marks=needs, id=page.stem)


@pytest.mark.slow
@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_page(page, tmp_path, monkeypatch, request):
    import matplotlib.pyplot

    if "onnx" in request.keywords and not RUNTIME:
        pytest.skip("no onnxruntime: the extra dev installs it where there is a wheel")

    matplotlib.use("Agg")
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for shown, got in run(page):
        assert alike(shown, got), f"{page.name} shows\n{shown}\nand prints\n{got}"
    drawn = {f"figures/{path.name}" for path in Path("docs/figures").iterdir()}
    shown = set(PICTURE.findall(page.read_text(encoding="utf-8")))
    assert drawn == shown
    for picture in shown:
        assert (ROOT / "docs" / picture).stat().st_size > 5000
    matplotlib.pyplot.close("all")


def test_pages():
    names = {
        "add-a-feedback",
        "all-the-rules",
        "api",
        "argue-with-it",
        "bring-your-agent",
        "demonstrations",
        "extend-in-pymc",
        "feedback",
        "first-catastrophe",
        "first-study",
        "gallery",
        "fly-it",
        "walk-it",
        "sweep-it",
        "how-to-read-a-risk",
        "inspect-with-arviz",
        "is-any-hypothesis-right",
        "lava",
        "ledger-and-compare",
        "mixed-evidence",
        "my-raters-disagree",
        "predict-what-people-choose",
        "read-the-agent",
        "read-the-numbers",
        "sources-of-doubt",
        "travel",
        "values",
        "votes",
        "worst-case",
        "what-safety-costs",
        "what-to-ask-next",
    }
    assert {p.stem for p in PAGES} == names
    pictures = {f"figures/{p.name}" for p in (ROOT / "docs" / "figures").iterdir()}
    text = "".join(p.read_text(encoding="utf-8") + "\n" for p in PAGES)
    assert pictures == set(PICTURE.findall(text))
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / "docs" / link).exists(), link


def test_pages_avoid_the_phrases_that_the_report_avoids():
    pages = [ROOT / "README.md", *PAGES, ROOT / "docs" / "essay.ipynb"]
    found = {page.name: replaced_in(prose(page)) for page in pages if page.name != "api.md"}
    assert {name: phrases for name, phrases in found.items() if phrases} == {}


def test_replaced_phrases_are_whole_words_outside_code(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Bits, by `told `.\n\n```text\nendless training\n```\n\n[Untold](endless.md) rewards, as\nthey stand.\n"
    )
    assert replaced_in(prose(page)) == ["as they stand"]


@pytest.mark.slow
def test_the_notebook(tmp_path, monkeypatch):
    import matplotlib.pyplot
    import notebook

    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    cells = notebook.run(ROOT / "docs" / "essay.ipynb")
    assert len(cells) > 5
    for cell, got in cells:
        assert [o["output_type"] for o in cell["outputs"]] == [o["output_type"] for o in got]
        for shown, out in zip(cell["outputs"], got, strict=True):
            assert alike("".join(shown.get("text", "")), "".join(out.get("text", "")))
            assert ("data" in shown) == ("data" in out)


def test_outputs_are_compared():
    assert alike("mean 0.123\nx  2", "mean 0.125\nx 2")
    assert not alike("mean 0.1", "mean 0.2") and not alike("mean 1", "means 1") and not alike("1 2", "1")
