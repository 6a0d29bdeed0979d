"""Differences between two runs: their results documents, part by part."""

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from typing import Any

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.registry import KINDS
from reward_hypotheses.models.policies.registry import POLICIES
from reward_hypotheses.study.replace_parts import PARTS
from reward_hypotheses.study.sections.analysis import FitSpec

Document = Mapping[str, Any]
BESIDES = ("what is asked", "title", "versions")
"""Parts on which no mean risk rests."""


def described(document: Document) -> dict[str, Any]:
    """Describe the study of a run, part by part, in plain values that can be compared.

    Tables and files are described by their digests.

    Raises
    ------
    InputError
        The text of the study in the document is no study.
    """
    try:
        parts = _described(document, tomllib.loads(document["study"]["text"]))
        json.dumps(parts, allow_nan=False)
        return parts
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"not a whole results document ({type(error).__name__}: {error}); run its study again"
        ) from None


def _described(document: Document, written: Mapping[str, Any]) -> dict[str, Any]:
    agent, analysis, catastrophe = written.get("agent", {}), written.get("analysis", {}), written["catastrophe"]
    digests, line = document["data_sha256"], _line(catastrophe)
    test = document["test_table"]
    judgements = catastrophe.get("judgements")
    settings = {k: v for k, v in analysis.items() if k not in ("test", "also", "ledger", "support")}
    settings |= {"support": _data(analysis["support"], document, written)} if "support" in analysis else {}
    parts = {
        "hypotheses": {name: _reward(reward) for name, reward in written["hypotheses"].items()},
        "failure line": {
            "": line,
            "judgements": None
            if judgements is None
            else judgements | {"table": _data(judgements["table"], document, written)},
        },
        "data and feedback": {
            name: _feedback(entry, document, written, ("kind", "column")) | {"settings": feedback["settings"]}
            for (name, feedback), entry in zip(document["feedback"].items(), written["feedback"], strict=True)
        },
        "values": _values(document["values"]),
        "agent": {
            "policy": _policy(agent.get("policy", "commit")),
            "prior": _prior(agent.get("prior", "values")),
            "fail_utility": _line(agent),
            "hypotheses": agent.get("hypotheses", {}),
            "feedback": {
                str(k): _feedback(entry, document, written, entry)
                for k, entry in enumerate(agent.get("feedback", []), start=1)
            },
        },
        "test": {"": None if test is None else digests[test], "also": [digests[name] for name in document["also"]]},
        "fit": {"seed": document["seed"]}
        | {f.name: written.get("fit", {}).get(f.name, f.default) for f in fields(FitSpec)},
        "what is asked": settings,
        "title": {"": document["title"]},
        "versions": dict(document["versions"]),
    }
    assert tuple(parts) == (*PARTS, *BESIDES)
    return parts


def _line(section: Mapping[str, Any]) -> Any:
    """Return a failure line as stated, in reward units or in standard deviations."""
    if "fail_utility_sd" in section:
        return {"in standard deviations": section["fail_utility_sd"]}
    return section.get("fail_utility")


def changes(a: Document, b: Document) -> list[dict[str, Any]]:
    """Return the changes from one run to another.

    Each names its part, the key in it (``what``), and the values before and after, null where there is none.
    """
    before, after = described(a), described(b)
    both = (before, after)
    by_name = all(isinstance(parts["failure line"][""], Mapping) for parts in both)
    if a["fail_utility"] == b["fail_utility"] and not by_name:
        for parts in both:  # one line for all hypotheses equals the same line for each
            parts["failure line"][""] = a["fail_utility"]
    changed = [
        {"part": part, "what": place, "before": old, "after": new}
        for part in (*PARTS, *BESIDES)
        for place, old, new in _differences(before[part], after[part], "")
    ]
    names = [list(parts["hypotheses"]) for parts in both]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        place = sum(change["part"] == "hypotheses" for change in changed)
        changed.insert(place, {"part": "hypotheses", "what": "their order", "before": names[0], "after": names[1]})
    return changed


def _differences(before: Any, after: Any, at: str) -> list[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            difference
            for key in dict.fromkeys([*before, *after])
            for difference in _differences(before.get(key), after.get(key), f"{at} {key}".strip())
        ]
    return [] if before == after else [(at, before, after)]


def _reward(reward: Any) -> Any:
    return {"prior": "sphere", **reward} if isinstance(reward, Mapping) else reward


def _by_name(written: Any) -> dict[str, Any]:
    return dict(written) if isinstance(written, Mapping) else {"name": written}


def _policy(written: Any) -> dict[str, Any]:
    stated = _by_name(written)
    return {f.name: f.default for f in fields(POLICIES[stated["name"]]) if f.default is not MISSING} | stated


def _prior(written: Any) -> dict[str, Any]:
    stated = _by_name(written)
    return {"language": "rules", **stated} if stated["name"] == "simplicity" else stated


def _values(recorded: Mapping[str, Any]) -> dict[str, Any]:
    values = {key: value for key, value in recorded.items() if key != "inferred"}
    if "judges" in values:
        values["judges"] = {judge["name"]: {"weight": 1, **judge} for judge in values["judges"]}
    if "judgements" in values:
        values["judgements"] = {key: value for key, value in values["judgements"].items() if key != "file"}
    if "prior" in values:
        values["prior"] = _prior(values["prior"])
    return values


def _feedback(
    entry: Mapping[str, Any], document: Document, written: Mapping[str, Any], keys: Collection[str]
) -> dict[str, Any]:
    """Return a feedback with digests of its data, and the given keys as written."""
    places = ("table", "mdp")
    settings = {key: value for key, value in entry.items() if key in keys and key not in (*places, "name")}
    data = {f"data of its {key}": _data(entry[key], document, written) for key in places if key in entry}
    return {"kind": KINDS[entry["kind"]].kind, **settings, **data}


def _data(name: str, document: Document, written: Mapping[str, Any]) -> Any:
    """Return a table or an MDP by the digests of its files, and how it was read."""
    digests = document["data_sha256"]
    if name in written.get("mdps", {}):
        transitions = digests[f"{name} transitions"]
        return {"states": digests[name], "transitions": transitions, "discount": written["mdps"][name]["discount"]}
    spec = written["tables"][name]
    pairs = isinstance(spec, Mapping) and spec.get("comparisons", False)
    return {"comparisons": digests[name]} if pairs else digests[name]
