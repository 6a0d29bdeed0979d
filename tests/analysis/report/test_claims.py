"""Every sentence of the report is true of the results, in 500 random studies and in the bundled ones."""

import json
import sys
from pathlib import Path

import claims_check
import pytest
import random_studies
from bench.report_mutants import MODULES, faults

from reward_hypotheses.analysis.report import claims
from reward_hypotheses.analysis.report.claims import Sentence, alike, below, exceeds, holds, margin, paragraph
from reward_hypotheses.analysis.results.document import presented

KEPT = sorted(Path(__file__).parents[2].glob("golden/kept/*/results.json"))
SHORT = ("essay", "read", "example-abstain")
DOCUMENT = {
    "risk": {"mean": 0.5, "mcse": 0.01, "limit": 0.53, "floor": 0.515},
    "mcse": {"risk": {"limit": 0.0, "floor": 0.0}, "regret": 3.0},
    "regret": 5.0,
}


@pytest.mark.parametrize("seed", range(10))
def test_every_sentence_of_random_studies_is_true(tmp_path, seed):
    """Fifty studies each: numbers, claims and words, by code of the tests alone."""
    found = [p for document in random_studies.documents(tmp_path, seed, 50) for p in claims_check.problems(document)]
    assert found == []


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.parent.name)
def test_every_sentence_of_bundled_studies_is_true(path):
    assert claims_check.problems(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_difference_must_exceed_the_errors_of_both_sides():
    assert margin(DOCUMENT, "risk.mean", "risk.limit") == pytest.approx(0.02)
    assert exceeds(DOCUMENT, "risk.limit", "risk.mean") and below("risk.mean", "risk.limit").holds(DOCUMENT)
    assert not exceeds(DOCUMENT, "risk.floor", "risk.mean") and alike("risk.floor", "risk.mean").holds(DOCUMENT)
    assert not exceeds(DOCUMENT, "risk.mean", "risk.limit") and not below("risk.limit", "risk.mean").holds(DOCUMENT)
    assert exceeds(DOCUMENT, "risk.limit", "risk.floor") and not exceeds(DOCUMENT, 11.0, "regret")
    assert exceeds(DOCUMENT, 11.1, "regret") and not exceeds(DOCUMENT, 11.1, "regret", 7.0)


def test_a_paragraph_keeps_the_claims_of_its_sentences():
    first, second = Sentence("One.", "risk.mean", claims=[below("risk.mean", 1.0)]), Sentence("Two.", 2)
    both = paragraph(first, "", paragraph(second, "Three."))
    assert both == "One. Two. Three." and list(both.parts) == ["One.", "Two.", "Three."]
    assert [part.claims for part in both.parts] == [first.claims, (), ()]


@pytest.mark.parametrize(
    ("sentence", "problem"),
    [
        (Sentence("The risk is 50.0%.", "risk.mean"), None),
        (Sentence("The risk is 50.1%.", "risk.mean"), "50.1%"),
        (Sentence("The risk is 50.0%."), "50.0%"),
        (Sentence("The risk is lower.", "risk.mean"), "claims nothing"),
        (Sentence("The risk is lower.", claims=[below("risk.mean", "risk.limit")]), None),
        (Sentence("The risk is lower.", claims=[below("risk.mean", "risk.floor")]), "is false"),
        (Sentence("The risk is lower.", claims=[below("risk.limit", "risk.mean")]), "is false"),
        (Sentence("The risks are equal.", claims=[alike("risk.limit", "risk.mean")]), "is false"),
        (Sentence("The risks are equal.", claims=[holds(lambda d: d["risk"]["mean"] > 1)]), "is false"),
        (Sentence("The risk is 50.0%.", "risk.mode.x"), None),
        (Sentence(" ".join(["word"] * 31)), "31 words"),
        (Sentence("Endless training."), "says 'endless'"),
    ],
)
def test_the_check_finds_what_is_wrong(sentence, problem):
    found = list(claims_check.problems_of(DOCUMENT, sentence))
    if sentence.reads == ("risk.mode.x",):
        assert found  # it reads what is not there
    else:
        assert (found == []) if problem is None else any(problem in text for text in found)


@pytest.mark.parametrize(
    "wrong", [lambda *_: True, lambda *_: False, lambda d, a, b, least=0.0: exceeds(d, b, a, least)]
)
def test_a_guard_that_is_removed_or_inverted_is_found(wrong, tmp_path, monkeypatch):
    """The claims beside the sentences do not use the guards that chose them."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in KEPT]
    documents += random_studies.documents(tmp_path, 11, 15)
    texts = [_texts(document) for document in documents]
    for name, module in list(sys.modules.items()):
        if name.startswith("reward_hypotheses.") and getattr(module, "exceeds", None) is exceeds:
            monkeypatch.setattr(module, "exceeds", wrong)
    monkeypatch.setattr(claims, "exceeds", wrong)
    changed = [k for k, document in enumerate(documents) if _texts(document) != texts[k]]
    assert changed and any(claims_check.problems(documents[k]) for k in changed)


@pytest.mark.parametrize("name", ["sections.risk.precision"])
def test_planted_faults_are_found(name):
    """Nine of ten comparisons that are inverted, or conditions that are dropped, where a reader sees the change."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in KEPT if path.parent.name in SHORT]
    found = [verdict for _, _, verdict, _ in faults(MODULES[name], documents) if verdict != "unseen"]
    assert found.count("found") >= 0.9 * len(found) > 10, found


def _texts(document):
    return [str(text) for shown in presented(document) for _, text in claims_check.texts_of(shown, document)]
