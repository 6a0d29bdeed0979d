"""What changed between two runs: their results documents, part by part."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.study.combine import PARTS
from reward_hypotheses.study.sections.analysis import FEEDBACK, POLICIES

Document = Mapping[str, Any]
BESIDES = ("what is asked", "title", "versions")
"""Parts on which no mean risk rests."""
FIT = {"method": "auto", "draws": 1000, "chains": 4}


def described(document: Document) -> dict[str, Any]:
    """Say what a run was of, part by part, in plain values that can be compared; tables and files by their digests.

    Raises
    ------
    InputError
        The study's text in the document is none.
    """
    try:
        found = _described(document, tomllib.loads(document["study"]["text"]))
        json.dumps(found, allow_nan=False)
        return found
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(
            f"not a whole results document ({type(error).__name__}: {error}); run its study again"
        ) from None


def _described(document: Document, raw: Mapping[str, Any]) -> dict[str, Any]:
    agent, analysis = raw.get("agent", {}), raw.get("analysis", {})
    digests, line = document["data_sha256"], _line(raw["catastrophe"])
    judged = raw["catastrophe"].get("judgements")
    also = [digests[name] for name in document["also"]]
    asked = {k: v for k, v in analysis.items() if k not in ("test", "also", "ledger", "support")}
    asked |= {"support": _data(analysis["support"], document, raw)} if "support" in analysis else {}
    found = {
        "hypotheses": {name: _reward(reward) for name, reward in raw["hypotheses"].items()},
        "failure line": {
            "": line,
            "judgements": None if judged is None else judged | {"table": _data(judged["table"], document, raw)},
        },
        "data and feedback": {
            name: _entry(entry, document, raw) | {"settings": one["settings"]}
            for (name, one), entry in zip(document["feedback"].items(), raw["feedback"], strict=True)
        },
        "values": _values(document["values"]),
        "agent": {
            "policy": _policy(agent.get("policy", "commit")),
            "prior": _prior(agent.get("prior", "values")),
            "fail_utility": _line(agent),
            "hypotheses": agent.get("hypotheses", {}),
            "feedback": {
                str(k): _entry(one, document, raw, whole=True) for k, one in enumerate(agent.get("feedback", []), 1)
            },
        },
        "test": {"": None if document["test_table"] is None else digests[document["test_table"]], "also": also},
        "fit": {"seed": document["seed"], **{k: raw.get("fit", {}).get(k, v) for k, v in FIT.items()}},
        "what is asked": asked,
        "title": {"": document["title"]},
        "versions": dict(document["versions"]),
    }
    assert tuple(found) == (*PARTS, *BESIDES)
    return found


def _line(given: Mapping[str, Any]) -> Any:
    """A failure line as a study file states it, in reward units or in standard deviations."""
    return (
        {"in standard deviations": given["fail_utility_sd"]}
        if "fail_utility_sd" in given
        else given.get("fail_utility")
    )


def changes(a: Document, b: Document) -> list[dict[str, Any]]:
    """What changed from one run to another: part, what in it, before and after (null where it was or is not there)."""
    before, after = described(a), described(b)
    if a["fail_utility"] == b["fail_utility"] and not _both_by_name(before, after):
        for one in (before, after):  # one for all, and the same by name
            one["failure line"][""] = a["fail_utility"]
    found = []
    for part in (*PARTS, *BESIDES):
        for what, old, new in _differences(before[part], after[part], ""):
            found.append({"part": part, "what": what, "before": old, "after": new})
    names = [list(one["hypotheses"]) for one in (before, after)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        place = sum(change["part"] == "hypotheses" for change in found)
        found.insert(place, {"part": "hypotheses", "what": "their order", "before": names[0], "after": names[1]})
    return found


def _both_by_name(before: Document, after: Document) -> bool:
    return all(isinstance(one["failure line"][""], Mapping) for one in (before, after))


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


def _policy(given: Any) -> dict[str, Any]:
    stated = dict(given) if isinstance(given, Mapping) else {"name": given}
    defaults = {f.name: f.default for f in fields(POLICIES[stated["name"]]) if f.default is not MISSING}
    return {**defaults, **stated}


def _prior(given: Any) -> dict[str, Any]:
    stated = dict(given) if isinstance(given, Mapping) else {"name": given}
    return {"language": "rules", **stated} if stated["name"] == "simplicity" else stated


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: value for key, value in given.items() if key != "inferred"}
    if "judges" in said:
        said["judges"] = {judge["name"]: {"weight": 1, **judge} for judge in said["judges"]}
    if "judgements" in said:
        said["judgements"] = {key: value for key, value in said["judgements"].items() if key != "file"}
    if "prior" in said:
        said["prior"] = _prior(said["prior"])
    return said


def _entry(entry: Mapping[str, Any], document: Document, raw: Mapping[str, Any], whole: bool = False) -> dict[str, Any]:
    """A feedback by the digests of its data; `whole`: with its settings as they were written."""
    places = ("table", "mdp")
    said = {key: value for key, value in entry.items() if whole or key in ("kind", "column")}
    data = {f"data of its {key}": _data(entry[key], document, raw) for key in places if key in entry}
    kept = {key: value for key, value in said.items() if key not in (*places, "name")}
    return {"kind": FEEDBACK[entry["kind"]].kind, **kept, **data}


def _data(name: str, document: Document, raw: Mapping[str, Any]) -> Any:
    """A table or an MDP by the digests of what it was read from, and how it was read."""
    digests = document["data_sha256"]
    if name in raw.get("mdps", {}):
        transitions = digests[f"{name} transitions"]
        return {"states": digests[name], "transitions": transitions, "discount": raw["mdps"][name]["discount"]}
    spec = raw["tables"][name]
    pairs = isinstance(spec, Mapping) and spec.get("comparisons", False)
    return {"comparisons": digests[name]} if pairs else digests[name]
