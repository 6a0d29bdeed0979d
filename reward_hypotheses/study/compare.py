"""Two runs side by side: what changed, and the effect of each change on the risk."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.document import SCHEMA_VERSION, mean_risk
from reward_hypotheses.analysis.report.output_folder import refuse_changed
from reward_hypotheses.analysis.report.phrases import percent, plainly
from reward_hypotheses.data.errors import InputError, shown, visible
from reward_hypotheses.data.readers.csv import path_of
from reward_hypotheses.data.readers.file_bytes import json_of, read_bytes
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.study.combine import PARTS, mixed
from reward_hypotheses.study.diff import changes
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import answer, case_of_study
from reward_hypotheses.study.study import Study

RIGHT = "give the folder of a run, or a study file"
SAME = 1e-9
"""Risks within this are one risk, computed again."""
WIDTH = 80


@dataclass(frozen=True, eq=False)
class Side:
    """One of two runs.

    Attributes
    ----------
    study : Study or None
        What it was of, where that can be read; else ``why`` it cannot.
    """

    called: str
    document: Mapping[str, Any]
    study: Study | None
    why: str = ""

    @property
    def risk(self) -> float | None:
        """Its mean risk on its test."""
        return None if self.document["risk"] is None else float(self.document["risk"]["mean"])


def compare(a: Any, b: Any, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Compare two runs: what changed, and what each change did to the risk.

    The changes are applied to the first study one part at a time, in the order of ``order``, each with the risk before and after;
    the effects add up to the whole change. They depend on that order: of two changes that act together, the later one is
    given what they do together. Parts that do not go together with what is there (values that do not name every new hypothesis)
    are applied in one step with the fewest others that make them do, and the step says why.

    Parameters
    ----------
    a, b : str, Path or dict
        A study file, which is run; the folder of a run or its ``results.json``; or the results document that `run` returned. Of
        results the study is read where it stands beside the folder and gives the same risk; without it there are no steps.
    progress : callable, optional
        Told, in words, what is being done.

    Returns
    -------
    dict
        ``a`` and ``b`` (``from``, ``title``, ``risk``: mean, lower, upper), ``total`` (risk of b less that of a), ``changes`` (``part``,
        ``what``, ``before``, ``after``; null where it was or is not there), ``order``, ``steps`` (``parts``, ``before``, ``after``, ``effect``,
        ``why`` they are one step; null where there are none, and a note says why), ``notes``, ``schema_version``.

    Raises
    ------
    InputError
        What is neither a run nor a study; a study that `run` refuses.
    NotTrustedError
        Numbers of a study that cannot be trusted.
    """
    problems: list[str] = []
    sides: list[Side] = []
    for name, given in (("a", a), ("b", b)):
        try:
            sides.append(_side(given, name, progress))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    first, second = sides
    found = changes(first.document, second.document)
    steps, notes = _steps(first, second, found, progress)
    return {
        "a": _of(first),
        "b": _of(second),
        "total": None if first.risk is None or second.risk is None else second.risk - first.risk,
        "changes": found,
        "order": list(PARTS),
        "steps": steps,
        "notes": [*notes, *_spent(first), *_spent(second)],
        "schema_version": SCHEMA_VERSION,
    }


def _of(side: Side) -> dict[str, Any]:
    risk = side.document["risk"]
    ends = None if risk is None else {key: risk[key] for key in ("mean", "lower", "upper")}
    return {"from": side.called, "title": side.document["title"], "risk": ends}


def _steps(
    first: Side, second: Side, found: list[dict[str, Any]], progress: Callable[[str], None]
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """The changes one after another, each with the risk before and after; or why there are none."""
    for side in (first, second):
        if side.risk is None:
            return None, [f"{side.called} has no test, so there is no risk to compare"]
    assert first.risk is not None and second.risk is not None
    lacking = [f"{side.called}: {side.why}" for side in (first, second) if side.study is None]
    if lacking:
        return None, [f"only the total effect is known, not that of each change; {'; '.join(lacking)}"]
    assert first.study is not None and second.study is not None
    left = [part for part in PARTS if any(change["part"] == part for change in found)]
    applied: list[str] = []
    steps: list[dict[str, Any]] = []
    before = first.risk
    while left:
        parts, after, why = _next(first.study, second, applied, left, progress)
        steps.append({"parts": parts, "before": before, "after": after, "effect": after - before, "why": why})
        applied += parts
        left = [part for part in left if part not in parts]
        before = after
    notes = []
    if not steps and abs(second.risk - first.risk) > 0:
        notes.append(
            "the risks differ, although nothing on which they rest did: were they computed by different versions?"
        )
    if len(steps) > 1:
        notes.append(
            "the effects depend on the order in which the changes are applied; in another order they add up to the same total"
        )
    return steps, notes


def _next(
    study: Study, second: Side, applied: list[str], left: list[str], progress: Callable[[str], None]
) -> tuple[list[str], float, str | None]:
    """Apply the first of the changes that are left, with the fewest others that make a valid study: which, the risk, why these."""
    assert second.study is not None and second.risk is not None
    why = None
    for parts in _sets(left):
        if len(parts) == len(left):
            return parts, second.risk, why
        progress(f"the risk with the other {plainly(parts)}")
        try:
            return parts, mean_risk(case_of_study(mixed(study, second.study, {*applied, *parts}), progress)), why
        except (InputError, NotTrustedError) as error:
            said = str(error.problems[0]).removeprefix(f"{study.path.name}: ").removeprefix(": ")
            why = why or f"{plainly(parts)} alone: {said}"
    raise AssertionError("the last set is all that is left")


def _sets(left: list[str]) -> Iterator[list[str]]:
    """Sets of what is left that hold its first, the smaller ones first."""
    for n in range(len(left)):
        for others in combinations(left[1:], n):
            yield [left[0], *others]


def _spent(side: Side) -> list[str]:
    found = (side.document.get("spent") or {}).get(side.document["test_table"])
    if found is None:
        return []
    return [f"the test of {side.called} was used to choose an agent: its risk is training evidence, not a test"]


def _side(given: Any, name: str, progress: Callable[[str], None]) -> Side:
    if isinstance(given, Mapping):
        return Side(name, _checked(given, name), None, "a results document does not say where its study is")
    path = path_of(given, "a run's folder or a study file")
    called = str(path)
    if path.is_dir() or path.suffix == ".json":
        results = path / "results.json" if path.is_dir() else path
        refuse_changed(results.parent, called)
        document = _checked(_read(results, called, path.is_dir()), called)
        study, why = _study_beside(results.parent, document, progress)
        return Side(called, document, study, why)
    progress(called)
    try:
        found = answer(path, progress)
    except InputError as error:
        raise InputError([f"{called}: {p.removeprefix(f'{path.name}: ')}" for p in _once(error, called)]) from None
    except NotTrustedError as error:
        raise NotTrustedError([f"{called}: {p}" for p in error.problems]) from None
    return Side(called, found.document, found.study)


def _once(error: InputError, called: str) -> list[str]:
    """Problems without the path that some of them begin with."""
    return [p.removeprefix(f"{called}: ") for p in error.problems]


def _read(results: Path, called: str, is_folder: bool) -> Any:
    if is_folder and not results.exists():
        raise InputError(f"{called}: holds no results.json, so no run wrote it; {RIGHT}")
    data = read_bytes(results, called, "a run's results.json, its folder, or a study file")
    try:
        return json_of(data.decode())
    except ValueError:
        raise InputError(f"{called}: its results are not JSON; {RIGHT}") from None


def _checked(document: Any, called: str) -> Mapping[str, Any]:
    """Refuse what is no results document that this version knows."""
    if not isinstance(document, Mapping) or "risk" not in document:
        raise InputError(f"{called}: not a results document; {RIGHT}")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{called}: {shown(document.get('schema_version'))} is no schema_version of results that this version knows"
        )
    try:
        changes(document, document)
        risk = document["risk"]
        assert risk is None or 0 <= risk["mean"] <= 1
        assert risk is None or all(risk[end] is None or 0 <= risk[end] <= 1 for end in ("lower", "upper"))
        _ = (document.get("spent") or {}).get(document["test_table"])
    except InputError as error:
        raise InputError([f"{called}: {p}" for p in error.problems]) from None
    except (LookupError, TypeError, AttributeError, AssertionError):
        raise InputError(f"{called}: not a whole results document; run its study again") from None
    return document


def _study_beside(
    folder: Path, document: Mapping[str, Any], progress: Callable[[str], None]
) -> tuple[Study | None, str]:
    """The study of a run, where it stands beside the folder and is the one that was run; else None, and why."""
    path = folder.absolute().parent / Path(str(document["study"]["file"])).name
    if not path.is_file():
        return None, f"its study {path.name!r} is not beside its folder"
    try:
        study = load(path, progress, read_ledger=False)
        if study.text != document["study"]["text"] or study.sources.digests != document["data_sha256"]:
            return None, f"{path.name!r} beside its folder, or its data, changed since"
        if document["risk"] is not None:
            again = mean_risk(case_of_study(study, progress))
            if abs(again - document["risk"]["mean"]) > SAME:
                return None, f"{path.name!r} beside its folder gives another risk with this version, {percent(again)}"
    except (InputError, NotTrustedError) as error:
        return None, f"{path.name!r} beside its folder cannot be run now ({error.problems[0]})"
    return study, ""


def comparison_text(found: Mapping[str, Any]) -> str:
    """Lay a comparison out for a terminal, at 80 columns."""
    lines: list[str] = []

    def say(text: str, indent: str = "") -> None:
        plain = visible(" ".join(text.split()))
        lines.extend(textwrap.wrap(plain, WIDTH, subsequent_indent=indent, break_on_hyphens=False))

    for name in ("a", "b"):
        one = found[name]
        risk = "no test" if one["risk"] is None else f"risk {percent(one['risk']['mean'])}"
        if one["risk"] is not None and one["risk"]["lower"] is not None:
            risk += f" ({percent(one['risk']['lower'])} to {percent(one['risk']['upper'])})"
        say(f"{name.upper()}: {one['from']}, {one['title']!r}: {risk}", "   ")
    lines.append("")
    say("What changed" if found["changes"] else "Nothing changed.")
    for change in found["changes"]:
        what = f"{change['part']}: {change['what']}".removesuffix(": ")
        say(f"- {what}: {_short(change['before'])} -> {_short(change['after'])}", "  ")
    if found["steps"]:
        lines += ["", *_table(found)]
        for step in found["steps"]:
            if step["why"]:
                say(f"{_parts(step)}: one step, for they do not go apart ({step['why']}).")
    elif found["total"] is not None:
        lines += ["", f"Effect of all on the risk: {_signed(found['total'])} percentage points."]
    for note in found["notes"]:
        say(f"Mind: {note}.")
    return "\n".join(lines)


def _table(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{'Applied in this order':48}{'before':>10}{'after':>10}{'effect':>10}"]
    for number, step in enumerate(found["steps"], start=1):
        name = textwrap.wrap(f"{number}. {_parts(step)}", 46, subsequent_indent="   ")
        lines += name[:-1]
        lines.append(
            f"{name[-1]:48}{percent(step['before']):>10}{percent(step['after']):>10}{_signed(step['effect']):>10}"
        )
    ends = percent(found["a"]["risk"]["mean"]), percent(found["b"]["risk"]["mean"])
    lines.append(f"{'   in all':48}{ends[0]:>10}{ends[1]:>10}{_signed(found['total']):>10}")
    lines.append("Risks in percent of scenes, effects in percentage points.")
    return lines


def _parts(step: Mapping[str, Any]) -> str:
    return plainly(step["parts"])


def _signed(effect: float) -> str:
    """An effect in percentage points; one that is not 0 never looks like 0."""
    if effect == 0:
        return "0"
    return f"{100 * effect:+.1f}" if abs(effect) >= 0.0005 else ("<+0.1" if effect > 0 else ">-0.1")


def _short(value: Any) -> str:
    """A value for a line: digests by their beginning, nothing as such."""
    if value is None:
        return "nothing"
    if isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef"):
        return value[:12]
    if isinstance(value, Mapping):
        said = "{ " + ", ".join(f"{key} = {_short(inner)}" for key, inner in value.items()) + " }"
    elif isinstance(value, list):
        said = "[" + ", ".join(_short(inner) for inner in value) + "]"
    else:
        said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 100 else said[:97] + "..."
