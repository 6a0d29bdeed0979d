"""Spaces of rules: how many fit, the heaviest, the risk by prior and feature."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.claims import Sentence, below, exceeds, holds
from reward_hypotheses.analysis.report.phrases import counted, percent
from reward_hypotheses.analysis.report.presentation import Document, Presentation, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, share

SIMPLICITY = "simplicity, "
"""Before the language, in the name of a prior."""


def present(document: Document) -> Iterator[Presentation]:
    """Present every space of rules."""
    for name, space in (document.get("rule_spaces") or {}).items():
        place = ("rule_spaces", name)
        if space["hypothesis"]:
            found = [_heaviest(space, place), *_priors(document, space, place), *_features(space, place)]
        else:
            told = _outcome(space, place) or _priors(document, space, place)
            found = [*_simplest(space, place), *told]
        of = f" of {name!r}" if len(document["rule_spaces"]) > 1 else ""
        tables = [_top(name, space, of), _by_prior(name, space, of), *_by_feature(name, space, of)]
        yield Presentation(
            f"rule_space {name}",
            "rules",
            texts(*found),
            tables,
            terminal=[_finding(document, space, place), *found],
            finding=_finding(document, space, place),
        )


def _finding(document: Document, space: Mapping[str, Any], place: tuple[str, ...]) -> Sentence:
    n, total = space["fitting"], space["rules"]
    reads = (*place, "fitting"), (*place, "rules")
    what = "label" if all(feedback["kind"] == "labels" for feedback in document["feedback"].values()) else "answer"
    if n == 0:
        none = holds(lambda d: d[place[0]][place[1]]["fitting"] == 0)
        return Sentence(f"None of {total:,} rules fits every training {what}.", *reads, claims=[none])
    return Sentence(f"{n:,} of {counted(total, 'rule')} contradict no training {what}.", *reads)


def _heaviest(space: Mapping[str, Any], place: tuple[str, ...]) -> Sentence:
    """Return the heaviest rule, or how many share the highest weight."""
    top = space["top"][0]
    tied = sum(t["weight"] >= top["weight"] * (1 - 1e-9) for t in space["top"])
    most = holds(lambda d: all(t["weight"] <= top["weight"] for t in d[place[0]][place[1]]["top"]))
    first: tuple[str | int, ...] = (*place, "top", 0, "weight")
    if tied == 1:
        text = f"The heaviest rule, {top['rule']!r}, has {percent(top['weight'])} of the weight of the space."
        return Sentence(text, first, claims=[most])
    equal = holds(lambda d: d[place[0]][place[1]]["top"][tied - 1]["weight"] >= top["weight"] * (1 - 1e-9))
    more = "At least " if tied == len(space["top"]) < space["rules"] else ""
    text = f"{more}{tied} rules share the highest weight, {percent(top['weight'])} of the space each, such as {top['rule']!r}."
    return Sentence(text, first, tied, claims=[most, equal])


def _simplest(space: Mapping[str, Any], place: tuple[str, ...]) -> list[Sentence]:
    """Return the rule that each language of simplicity puts first."""
    firsts = {name: of["first"] for name, of in space["priors"].items() if name.startswith(SIMPLICITY)}
    if not firsts:
        return []
    said: list[str] = []
    for name, first in firsts.items():
        alike = (
            f"{' and '.join(map(repr, first))} alike"
            if len(first) == 2
            else f"{space['priors'][name]['tied']:,} alike, such as {first[0]!r}"
        )
        language = f"{'' if said else 'language '}{name.removeprefix(SIMPLICITY)!r}"
        said.append(f"{repr(first[0]) if len(first) == 1 else alike} ({language})")
    same = holds(lambda d: all(d[place[0]][place[1]]["priors"][n]["first"] == first for n, first in firsts.items()))
    counts = [(*place, "priors", name, "tied") for name in firsts]
    return [Sentence(f"Simplicity puts first {', '.join(said)}.", *counts, claims=[same])]


def _outcome(space: Mapping[str, Any], place: tuple[str, ...]) -> list[Sentence]:
    """Return how often an agent that draws a rule chooses what the study asks about."""
    shares = {name: of["outcome"] for name, of in space["priors"].items() if of["outcome"] is not None}
    if not shares:
        return []
    low, high = min(shares, key=shares.__getitem__), max(shares, key=shares.__getitem__)
    places = [(*place, "priors", name, "outcome") for name in (low, high)]
    what = f"An agent that draws a rule chooses {space['outcome']!r}"
    if percent(shares[low]) == percent(shares[high]):
        every = [(*place, "priors", name, "outcome") for name in shares]
        claims = [holds(lambda d: all(abs(_at(d, p) - shares[low]) < 0.0011 for p in every))]
        return [Sentence(f"{what} in {percent(shares[low])} of scenes, whatever the prior.", places[0], claims=claims)]
    text = f"{what} in {percent(shares[low])} of scenes with {low!r}, and in {percent(shares[high])} with {high!r}."
    return [Sentence(text, *places, claims=[below(places[0], places[1])])]


def _priors(document: Document, space: Mapping[str, Any], place: tuple[str, ...]) -> list[Sentence]:
    """Return how the prior over rules changes the risk of an agent that draws a rule."""
    risks = {name: of["risk"] for name, of in space["priors"].items() if of["risk"] is not None}
    if len(risks) < 2:
        return []
    low, high = min(risks, key=risks.__getitem__), max(risks, key=risks.__getitem__)
    places = [(*place, "priors", name, "risk") for name in (low, high)]
    if not exceeds(document, places[1], places[0]) or percent(risks[low]) == percent(risks[high]):
        every = [(*place, "priors", name, "risk") for name in risks]
        claims = [holds(lambda d: all(abs(_at(d, p) - risks[low]) < 0.0011 for p in every))]
        return [Sentence(f"The risk is {percent(risks[low])} whatever the prior over rules.", places[0], claims=claims)]
    text = (
        f"An agent that draws a rule has a risk of {percent(risks[low])} with the prior {low!r} over rules and "
        f"{percent(risks[high])} with {high!r}."
    )
    return [Sentence(text, *places, claims=[below(places[0], places[1])])]


def _at(document: Any, path: tuple[str, ...]) -> float:
    for key in path:
        document = document[key]
    return float(document)


def _features(space: Mapping[str, Any], place: tuple[str, ...]) -> list[Sentence]:
    """Return the feature on which agent and truth disagree most."""
    features = space["features"]
    if not features or features[0]["disputed"] < 0.0005:
        return []
    first = features[0]
    most = holds(lambda d: all(f["disputed"] <= first["disputed"] for f in d[place[0]][place[1]]["features"]))
    text = f"Between two rules of the space, {percent(first['disputed'])} is the risk of pairs of which only one reads {first['feature']!r}."
    return [Sentence(text, (*place, "features", 0, "disputed"), claims=[most])]


def _top(name: str, space: Mapping[str, Any], of: str) -> PaperTable:
    columns = (
        Column("rule", "rule"),
        share("weight", "weight"),
        Column("bits", "length", "number", "bits"),
        Column("contradicted", "labels contradicted", "count"),
    )
    rows = tuple(tuple(top[column.key] for column in columns) for top in space["top"])
    caption = (
        f"The heaviest rules of {name!r}: posterior weight in the space, length in the language 'rules', wrong labels."
    )
    return PaperTable(_key("rules", name), f"Heaviest rules{of}", caption, columns, rows)


def _by_prior(name: str, space: Mapping[str, Any], of: str) -> PaperTable:
    asked = space["outcome"]
    columns = (
        Column("prior", "prior over rules"),
        Column("first", "heaviest rules"),
        share("weight", "weight of each"),
        share("risk", "risk"),
        *([] if asked is None else [share("outcome", asked)]),
    )
    rows = tuple(
        (prior, _heads(of), of["weight"], of["risk"], *([] if asked is None else [of["outcome"]]))
        for prior, of in space["priors"].items()
    )
    caption = f"Priors over the rules of {name!r}: the heaviest rules, and what an agent does that draws a rule by the prior and the labels."
    return PaperTable(_key("rule_priors", name), f"Priors over rules{of}", caption, columns, rows)


def _heads(of: Mapping[str, Any]) -> str:
    """Return the heaviest rules of a prior, at most three by name."""
    names = ", ".join(of["first"][:3])
    return f"{names} and {of['tied'] - 3:,} more" if of["tied"] > 3 else names


def _by_feature(name: str, space: Mapping[str, Any], of: str) -> list[PaperTable]:
    if not space["features"]:
        return []
    words = {
        "agent_alone": "agent alone reads it",
        "truth_alone": "truth alone reads it",
        "both": "both",
        "neither": "neither",
        "read_by_truth": "weight of rules that read it",
    }
    columns = Column("feature", "feature"), *(share(key, text) for key, text in words.items())
    rows = tuple((f["feature"], *(f[key] for key in words)) for f in space["features"])
    caption = "The risk of two rules drawn from the space, by which of them reads a feature."
    return [PaperTable(_key("rule_features", name), f"Rules by feature{of}", caption, columns, rows)]


def _key(table: str, name: str) -> str:
    """Return the name of a table's files."""
    plain = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_").lower()
    return f"{table}_{plain}" if plain else table
