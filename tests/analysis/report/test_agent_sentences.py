"""Lists, tables and comparisons about the agent, derived again from the results: nothing left out, no difference below its error."""

import json
import re
from pathlib import Path

import claims_check
import pytest
import random_studies

from reward_hypotheses.analysis.report.phrases import percent
from reward_hypotheses.analysis.report.sections import agents, frontier
from reward_hypotheses.analysis.report.sections.agents import own_prior, policy_in_short
from reward_hypotheses.analysis.report.sections.risk import decomposition
from reward_hypotheses.analysis.report.sentences.comparisons import cut, heaviest, weights_in_words
from reward_hypotheses.analysis.report.sentences.expected_items import hardest
from reward_hypotheses.analysis.results.document import presented
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.models.priors.registry import prior_in_words

KEPT = {
    path.parent.name: path for path in sorted((Path(__file__).parents[2] / "golden" / "kept").glob("*/results.json"))
}
CHAPTERS = ("agent", "parts", "policies", "limit")
MOST_WORDS, MOST_OF_FINDING = 120, 18
RISK = {"upper_of_zero": 0.1}


def kept(name):
    return json.loads(KEPT[name].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    made = random_studies.documents(tmp_path_factory.mktemp("random"), 123, 8)
    return [*map(kept, KEPT), *(json.loads(json.dumps(document)) for document in made)]


def in_chapters(document):
    return [p for p in presented(document) if p.chapter in CHAPTERS]


@pytest.mark.parametrize("name", KEPT)
def test_a_chapter_has_at_most_120_words_and_a_short_finding(name):
    document, words, figures = kept(name), dict.fromkeys(CHAPTERS, 0), dict.fromkeys(CHAPTERS, 0)
    for p in in_chapters(document):
        said = [text for place, text in claims_check.texts_of(p, document) if place == "parts"]
        if any(part.kind == "figure" for part in p.parts):
            said, figures[p.chapter] = [*said, *p.figure.caption(document)], figures[p.chapter] + 1
        words[p.chapter] += sum(len(text.split()) for text in said)
        assert len(p.finding.split()) <= MOST_OF_FINDING, p.finding
        assert all(len(table.caption.split()) <= 35 for table in p.tables), p.name
    assert max(words.values()) <= MOST_WORDS and max(figures.values()) <= 1, words
    heads = {p.chapter: p.finding for p in reversed(in_chapters(document)) if p.finding}
    assert heads.keys() == set(CHAPTERS)


def test_every_hypothesis_stands_in_the_tables(documents):
    """With the agent's own, those of a weight of 0, and those without a length."""
    for document in documents:
        tables = {table.name: table for p in in_chapters(document) for table in p.tables}
        for name, held in (
            ("languages", document["hypotheses"]),
            ("agent_reading", document["agent_weights"]),
            ("matrix", document.get("matrix") or ()),
        ):
            if name in tables:
                assert sorted(row[0] for row in tables[name].rows) == sorted(held), name


def test_the_weightiest_hypothesis_of_the_agent_stays_in_a_table_that_is_cut():
    names = [f"h{k}" for k in range(12)]
    weights = dict.fromkeys(names, 0.0) | {"h3": 1.0}
    agent = weights | {"h3": 0.0, "its own": 1.0}
    document = {
        "hypotheses": names,
        "weights": weights,
        "agent_weights": agent,
        "matrix": {name: dict.fromkeys(names, 0.5) for name in agent},
        "risk": RISK | {"n_scenes": 3},
    }
    cut_table = decomposition._matrix_table(document).cut()
    assert {"h3", "its own"} <= {row[0] for row in cut_table.rows} and "h3" in {c.key for c in cut_table.columns}


def test_a_list_of_weights_says_how_many_more_there_are():
    weights = {f"h{k}": w for k, w in enumerate([0.1, 0.5, 0.05, 0.2, 0.1, 0.05])}
    document = {"w": weights, "mcse": None}
    text = weights_in_words(document, ("w",), 3)
    assert text == "50.0% 'h1', 20.0% 'h3', 10.0% 'h0', and 20.0% on 3 more"
    assert weights_in_words({"w": {"a": 0.0, "b": 1.0}, "mcse": None}, ("w",)) == "100.0% 'b', 0% 'a'"
    assert weights_in_words({"w": dict.fromkeys("abcde", 0.2), "mcse": None}, ("w",)).count("20.0%") == 5
    assert cut(list("abcdef")) == "'a', 'b', 'c', 'd' and 2 more" and cut(list("abcde")).endswith("'d' and 'e'")
    assert heaviest({"w": {"a": 0.3, "b": 0.3004, "c": 0.29}, "mcse": None}, ("w",)) == ["b", "a"]
    assert heaviest({"w": {"a": 0.3, "b": 0.33}, "mcse": {"w": {"a": 0.02, "b": 0.0}}}, ("w",)) == ["b", "a"]


def test_numbers_that_are_compared_differ_as_they_are_shown(documents):
    against = re.compile(r"from (\S+) to (\S+?)\.?$|: (\S+) against (\S+)\.$| (\S+) instead of (\S+)\.$")
    compared = 0
    for document in documents:
        for p in in_chapters(document):
            for _, text in claims_check.texts_of(p, document):
                for found in against.finditer(text) if text else ():
                    left, right = [group for group in found.groups() if group]
                    assert left != right, text
                    compared += 1
    assert compared > 10


def test_the_safest_policy_of_the_report_is_that_of_the_table(documents):
    """By brute force over the rows of the table, of the permission that the study's agent has."""
    safer = 0
    for document in documents:
        if not document.get("frontier") or document["mcse"] is not None:
            continue
        own = next(e for e in document["frontier"] if e["own"])
        risks = [
            e["risk"]
            for e in document["frontier"]
            if e["risk"] is not None and e["abstain"] == own["abstain"] and not e["own"]
        ]
        said = frontier.safer_policy(document)
        if said.startswith("No other"):
            assert min(risks) >= own["risk"] - 0.001 and percent(own["risk"]) in said
        else:
            assert f": {percent(min(risks))} against {percent(own['risk'])}." in said and min(risks) < own["risk"]
            safer += 1
    assert safer


def test_an_agent_of_another_kind_is_compared_with_no_prior_of_its_own():
    document = kept("essay")
    assert own_prior(document) == document["agent"]["prior"]
    alone = document | {"agent_weights": document["agent_weights"] | {"its own": 0.0}}
    for of_another_kind in (alone, kept("read")):
        assert own_prior(of_another_kind) == ""
        table = agents._priors_table(of_another_kind)
        assert "of another kind" in table.caption and table.title == "Agents with an assumed prior"
        assert not any("this study" in row[0] for row in agents._grid(of_another_kind).rows)


@pytest.mark.parametrize(
    "policy, settings, says",
    [
        ("boltzmann", {"beta": 0}, "takes an option at random"),
        ("boltzmann", {"beta": 2}, "a softmax of its reward"),
        ("quantilize", {"q": 1}, "takes an option at random"),
        ("cvar", {"tail": 1}, "maximises the expected reward"),
        ("cvar", {"tail": 0.1}, "over the worst hypotheses"),
    ],
)
def test_a_policy_is_described_at_its_settings(policy, settings, says):
    entry = {"policy": policy, "settings": settings, "abstain": False, "own": True, "risk": 0.1}
    entry["words"] = POLICIES[policy](**settings).words
    said = policy_in_short({"agent": {"policy": policy}, "frontier": [entry]})
    assert says in said and entry["words"] in said
    waiting = POLICIES["quantilize"](q=1, abstain=True)
    assert "at random, whatever" not in waiting.does  # it refrains where an option is worse than failing


def test_a_prior_that_somebody_stated_has_no_words():
    assert prior_in_words("elicited") == "" and "costs" in prior_in_words("simplicity, mine")
    assert hardest({"weights": {"a": 1.0}, "agent_weights": {"a": 1.0}, "telling": {"labels": None}}) is None
