"""Paragraphs for a paper: true numbers, safe names, citations that exist, and machine and run time beside the results."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import claims_check
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import NASTY, table_files
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.paper.literature import ENTRIES, bibtex
from reward_hypotheses.analysis.report.paper.markup import cited, code, literal, tex
from reward_hypotheses.analysis.report.sections import methods

ROOT = Path(__file__).resolve().parents[3]
KEPT = sorted((ROOT / "tests" / "golden" / "kept").glob("*/results.json"))
RUN = {"system": "Linux", "machine": "x86_64", "processors": 2, "seconds": 12.34}
NAMES = [path.parent.name for path in KEPT]


def document(path):
    return json.loads(path.read_text(encoding="utf-8"))


def leaves(value):
    """Yield every number of a document, those in texts and keys and the lengths of lists among them."""
    if isinstance(value, dict):
        yield len(value)
        for key, inner in value.items():
            yield from leaves(key)
            yield from leaves(inner)
    elif isinstance(value, list):
        yield len(value)
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield from map(float, re.findall(r"(?<![\w.])\d+(?:\.\d+)?", value))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


@pytest.mark.parametrize("path", KEPT, ids=NAMES)
def test_every_number_stands_in_the_results(path):
    results = document(path)
    known = list(leaves(results))
    (shown,) = methods.present(results)
    for part in shown.parts:
        text = re.sub(r"`[^`]*`|\[@[^]]*\]|; \d+ more stands? in", "", str(part.text))
        text = text.replace("first 12 digits of its SHA-256", "")
        for sign, digits, percent in re.findall(r"(?<![\w.])([<>]?)(\d+(?:\.\d+)?)(%?)", text):
            half = 0.5 * 10.0 ** -len(digits.partition(".")[2]) * (1 + 1e-9)
            scale = 100 if percent else 1
            near = [scale * x for x in known if abs(scale * x - float(digits)) <= half]
            beyond = [x for x in known if (0 <= scale * x <= float(digits)) or (float(digits) <= scale * x <= 100)]
            assert near or (sign and beyond), (part.strong, digits)
    assert claims_check.problems(results | {"run": RUN}, list(methods.present(results | {"run": RUN}))) == []


def test_the_paragraphs_of_the_essays_study():
    results = document(next(path for path in KEPT if path.parent.name == "essay")) | {"run": RUN}
    (shown,) = methods.present(results)
    told = {part.name: str(part.text) for part in shown.parts}
    assert sum(len(text.split()) for text in told.values()) <= 330
    assert list(told) == ["methods", "results", "reproducibility"]
    for name, said in (
        ("methods", "80% for 'flags', 10% for 'red paint'"),
        ("methods", results["values"]["source"]),
        ("methods", "equivalent to 20 judgements"),
        ("methods", "800 answers on table 'training'"),
        ("results", "is 73% of scenes (95% credible interval 63% to 79%)"),
        ("results", "silent between 'red paint' and 'flags'"),
        ("results", "would stay at about 73%"),
        ("results", "detected a shift (p = 0.001, 999 permutations)"),
        ("reproducibility", "Random seed: 1."),
        ("reproducibility", results["study"]["sha256"][:12]),
        ("reproducibility", "`Linux x86_64`, 2 processors; run time 12 s"),
    ):
        assert said in told[name], said
    del results["run"]
    assert "run time" not in str(next(methods.present(results)).parts[2].text)


@pytest.mark.parametrize("path", KEPT, ids=NAMES)
def test_citations_and_entries_are_the_same(path):
    results = document(path)
    files = table_files(results)
    markdown, bib, latex = (files[f"tables/methods.{form}"].decode() for form in ("md", "bib", "tex"))
    keys = re.findall(r"^@\w+\{([\w-]+),", bib, re.M)
    assert set(keys) == set(cited(markdown)) and len(keys) == len(set(keys))
    assert set(keys) == {key for group in re.findall(r"\\cite\{([^}]*)\}", latex) for key in group.split(",")}
    assert {"reward-hypotheses", "numpy", "permutations"} <= set(keys)
    assert f"Version {results['versions']['reward_hypotheses']}" in bib
    assert ("nuts" in keys) == ("nuts" in results["fit"]["methods"].values())


def test_the_software_is_cited_as_it_asks_to_be():
    cff = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    title, author = (re.search(rf'{key}: "?(.*?)"?$', cff, re.M)[1] for key in ("title", "- name"))
    entry = bibtex(["reward-hypotheses"], "1.2").decode().replace("\\_", "_")
    assert title in entry and author in entry and "Version 1.2" in entry


def test_every_entry_has_what_bibtex_needs():
    needs = {"article": {"journal", "volume"}, "book": {"publisher"}, "inproceedings": {"booktitle"}, "misc": set()}
    for key, (kind, fields) in ENTRIES.items():
        assert needs[kind] | {"author", "title"} <= set(fields), key
        assert kind == "misc" or re.fullmatch("(19|20)[0-9]{2}", fields["year"])


plain = st.text().map(lambda text: " ".join(text.split()))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(plain)
def test_a_users_text_stays_text_in_markdown_and_tex(text):
    markdown = literal(text)
    assert re.sub(r"\\(.)", r"\1", markdown, flags=re.DOTALL) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*\[\]<>]", re.sub(r"\\.", "", markdown, flags=re.DOTALL))
    assert cited(markdown) == [] and "\\cite" not in tex(markdown) and "\\texttt" not in tex(markdown)
    assert tex(markdown).isascii() and code(text).count("`") == 2


def test_names_that_would_break_a_paper(tmp_path):
    hypotheses = dict(zip(NASTY, small()["hypotheses"].values(), strict=False))
    values = {"weights": dict.fromkeys(hypotheses, 1), "source": "_said_ by [@luce] & 50% \\input{x}", "strength": 4}
    study = small(title="100%\n \\end{document}", hypotheses=hypotheses, values=values)
    files = table_files(rh.run(write(tmp_path, study, training=TRAINING, test=TEST)))
    markdown, latex = (files[f"tables/methods.{form}"].decode() for form in ("md", "tex"))
    assert "\\[\\@luce\\]" in markdown and "luce" not in cited(markdown)
    assert "<script>" not in markdown.replace("\\<", "") and "\\input{" not in latex and "\\end{document}" not in latex
    assert r"50\% \textbackslash{}input\{x\}" in latex and latex.isascii()


def test_machine_and_run_time_stand_beside_the_results(demo, tmp_path):
    run = json.loads((demo / "run.json").read_text())
    assert set(run) == {"system", "machine", "processors", "seconds"} and run["seconds"] > 0
    assert "run" not in document(demo / "results.json")
    page = (demo / "report.html").read_text(encoding="utf-8")
    assert f"run time {run['seconds']:.2g} s" in page and rh.report(demo) == page
    assert "run time" not in rh.report(demo / "results.json")
    for form in ("md", "tex"):
        assert f"run time {run['seconds']:.2g} s" in (demo / "tables" / f"methods.{form}").read_text(encoding="utf-8")
    changed = Path(shutil.copytree(demo, tmp_path / "changed"))
    (changed / "run.json").write_text("{}")
    with pytest.raises(rh.InputError, match=r"'run\.json' was changed"):
        rh.report(changed)


@pytest.mark.latex
def test_bibtex_takes_every_entry(tmp_path):
    if not (shutil.which("pdflatex") and shutil.which("bibtex")):
        pytest.skip("no pdflatex or bibtex on the path")
    (tmp_path / "all.bib").write_bytes(bibtex(ENTRIES, "1"))
    text = [
        "\\documentclass{article}",
        "\\begin{document}",
        "\\nocite{*}",
        "\\bibliographystyle{plain}",
        "\\bibliography{all}",
    ]
    (tmp_path / "paper.tex").write_text("\n".join([*text, "\\end{document}", ""]))
    for command in (
        ["pdflatex", "-draftmode", "-halt-on-error", "-interaction=nonstopmode", "paper"],
        ["bibtex", "paper"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "Warning" not in done.stdout.replace("empty year in reward-hypotheses", ""), done.stdout
    assert (tmp_path / "paper.bbl").read_text().count("\\bibitem") == len(ENTRIES)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
