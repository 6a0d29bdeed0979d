"""Spaces of rules: how many fit, the heaviest, the risk by prior and feature."""

from collections.abc import Iterator, Mapping
from typing import Any

from reward_hypotheses.analysis.report.claims import Sentence, below, exceeds, holds
from reward_hypotheses.analysis.report.phrases import counted, percent
from reward_hypotheses.analysis.report.presentation import Document, Presentation, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, share


def present(document: Document) -> Iterator[Presentation]:
    """Present every space of rules."""
    for name, space in (document.get("rule_spaces") or {}).items():
        place = ("rule_spaces", name)
        found = [_heaviest(space, place), *_priors(document, space, place), *_features(space, place)]
        tables = [_top(name, space), _by_prior(name, space), *_by_feature(name, space)]
        yield Presentation(
            f"rule_space {name}",
            "rules",
            texts(*found),
            tables,
            terminal=[_finding(space, place), *found],
            finding=_finding(space, place),
        )


def _finding(space: Mapping[str, Any], place: tuple[str, ...]) -> Sentence:
    n, total = space["fitting"], space["rules"]
    reads = (*place, "fitting"), (*place, "rules")
    if n == 0:
        none = holds(lambda d: d[place[0]][place[1]]["fitting"] == 0)
        return Sentence(f"None of {total:,} rules fits every training label.", *reads, claims=[none])
    return Sentence(f"{n:,} of {counted(total, 'rule')} contradict no training label.", *reads)


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


def _top(name: str, space: Mapping[str, Any]) -> PaperTable:
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
    return PaperTable(_key("rules", name), f"Heaviest rules of {name!r}", caption, columns, rows)


def _by_prior(name: str, space: Mapping[str, Any]) -> PaperTable:
    columns = (
        Column("prior", "prior over rules"),
        Column("first", "heaviest rule"),
        share("weight", "weight"),
        share("risk", "risk"),
    )
    rows = tuple((prior, of["first"], of["weight"], of["risk"]) for prior, of in space["priors"].items())
    caption = f"Priors over the rules of {name!r}: the heaviest rule (of equals the first), and the risk of an agent that draws a rule by it."
    return PaperTable(_key("rule_priors", name), f"Priors over the rules of {name!r}", caption, columns, rows)


def _by_feature(name: str, space: Mapping[str, Any]) -> list[PaperTable]:
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
    return [PaperTable(_key("rule_features", name), f"Risk by feature of {name!r}", caption, columns, rows)]


def _key(table: str, name: str) -> str:
    """Return the name of a table's files."""
    plain = "".join(c if c.isalnum() and c.isascii() else "_" for c in name).strip("_").lower()
    return f"{table}_{plain}" if plain else table
