"""Two runs side by side: what changed, and the effect of each change on the risk."""

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.report.layout.output_folder import refuse_changed
from reward_hypotheses.analysis.report.phrases import percent, plainly, risk_interval
from reward_hypotheses.analysis.results.document import SCHEMA_VERSION, mean_risk
from reward_hypotheses.data.errors import InputError, shown, visible
from reward_hypotheses.data.readers.csv import path_of
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.study.diff import changes
from reward_hypotheses.study.load import load
from reward_hypotheses.study.replace_parts import PARTS, combine
from reward_hypotheses.study.run import case_of_study, run_study
from reward_hypotheses.study.section_reader import errors_named
from reward_hypotheses.study.validated_study import Study

RIGHT = "give the folder of a run, or a study file"
SAME = 1e-9
"""Risks within this are one risk, computed again."""
WIDTH = 80


@dataclass(frozen=True, eq=False)
class Side:
    """One of two runs.

    Attributes
    ----------
    source : str
        Where the run comes from, as messages call it.
    study : Study or None
        The study of the run, where it can be read; else ``why`` it cannot.
    """

    source: str
    document: Mapping[str, Any]
    study: Study | None
    why: str = ""

    @property
    def risk(self) -> float | None:
        """The mean risk on the test; None where there is no test."""
        return None if self.document["risk"] is None else float(self.document["risk"]["mean"])

    def summary(self) -> dict[str, Any]:
        """Return where the run comes from, its title and its risk."""
        risk = self.document["risk"]
        ends = None if risk is None else {key: risk[key] for key in ("mean", "lower", "upper")}
        return {"from": self.source, "title": self.document["title"], "risk": ends}

    def spent(self) -> list[str]:
        """Return a note where the test was used to choose an agent."""
        if (self.document.get("spent") or {}).get(self.document["test_table"]) is None:
            return []
        return [f"the test of {self.source} was used to choose an agent: its risk is training evidence, not a test"]


def compare(a: Any, b: Any, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Compare two runs: what changed, and what each change did to the risk.

    The changes are applied to the first study one part at a time, in the order of ``order``, each with the risk before and
    after. The effects add up to the total change. They depend on the order: an interaction of two changes is counted for
    the later change. A part that is invalid without other changes (values that do not name every new hypothesis) is applied
    in one step with the fewest others that make a valid study, and the step gives the reason.

    Parameters
    ----------
    a, b : str, Path or dict
        A study file, which is run; the folder of a run or its ``results.json``; or the results document that `run` returned.
        For a folder, the study is read from the file beside the folder, if that file gives the same risk. Without the study
        there are no steps.
    progress : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        ``a`` and ``b`` (``from``, ``title``, ``risk``: mean, lower, upper). ``total``: risk of b less risk of a. ``changes``
        (``part``, ``what``, ``before``, ``after``; null where absent). ``order``. ``steps`` (``parts``, ``before``, ``after``,
        ``effect``, ``why`` the parts form one step); null without steps, and a note gives the reason. ``notes``,
        ``schema_version``.

    Raises
    ------
    InputError
        An argument that is neither a run nor a study; a study that `run` refuses.
    NotTrustedError
        Numbers of a study that cannot be trusted.
    """
    problems: list[str] = []
    sides: list[Side] = []
    for name, run in (("a", a), ("b", b)):
        try:
            sides.append(_side(run, name, progress))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    first, second = sides
    changed = changes(first.document, second.document)
    steps, notes = _steps(first, second, changed, progress)
    return {
        "a": first.summary(),
        "b": second.summary(),
        "total": None if first.risk is None or second.risk is None else second.risk - first.risk,
        "changes": changed,
        "order": list(PARTS),
        "steps": steps,
        "notes": [*notes, *first.spent(), *second.spent()],
        "schema_version": SCHEMA_VERSION,
    }


def _steps(
    first: Side, second: Side, changed: list[dict[str, Any]], progress: Callable[[str], None]
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """Apply the changes one after another.

    Returns
    -------
    steps, notes
        Each step with the risk before and after; None without steps, and a note gives the reason.
    """
    for side in (first, second):
        if side.risk is None:
            return None, [f"{side.source} has no test, so there is no risk to compare"]
    unread = [f"{side.source}: {side.why}" for side in (first, second) if side.study is None]
    if unread:
        return None, [f"only the total effect is known, not that of each change; {'; '.join(unread)}"]
    assert first.risk is not None and second.risk is not None
    left = [part for part in PARTS if any(change["part"] == part for change in changed)]
    applied: list[str] = []
    steps: list[dict[str, Any]] = []
    before = first.risk
    while left:
        parts, after, why = _next(first, second, applied, left, progress)
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
    first: Side, second: Side, applied: list[str], left: list[str], progress: Callable[[str], None]
) -> tuple[list[str], float, str | None]:
    """Apply the first change that is left, with the fewest others of a valid study.

    Returns
    -------
    parts, risk, why
        The parts applied, the risk after them, and the reason for applying more than one.
    """
    assert first.study is not None and second.study is not None and second.risk is not None
    why = None
    for parts in _sets(left):
        if len(parts) == len(left):
            return parts, second.risk, why
        progress(f"the risk with the other {plainly(parts)}")
        try:
            study = combine(first.study, second.study, {*applied, *parts})
            return parts, mean_risk(case_of_study(study, progress)), why
        except (InputError, NotTrustedError) as error:
            problems = error.in_file if isinstance(error, InputError) else error.problems
            why = why or f"{plainly(parts)} alone: {problems[0]}"
    raise AssertionError("the last set is all that is left")


def _sets(left: list[str]) -> Iterator[list[str]]:
    """Yield the sets of parts that hold the first of these, smaller sets first."""
    for n in range(len(left)):
        for others in combinations(left[1:], n):
            yield [left[0], *others]


def _side(run: Any, name: str, progress: Callable[[str], None]) -> Side:
    """Read a run, or run a study file."""
    if isinstance(run, Mapping):
        return Side(name, _checked(run, name), None, "a results document does not say where its study is")
    path = path_of(run, "a run's folder or a study file")
    source = str(path)
    if path.is_dir() or path.suffix == ".json":
        results = path / "results.json" if path.is_dir() else path
        refuse_changed(results.parent, source)
        document = _checked(_read(results, source, path.is_dir()), source)
        study, why = _study_beside(results.parent, document, progress)
        return Side(source, document, study, why)
    progress(source)
    try:
        study_run = run_study(path, progress)
    except InputError as error:
        problems = (p.removeprefix(f"{source}: ").removeprefix(f"{path.name}: ") for p in error.problems)
        raise InputError([f"{source}: {p}" for p in problems]) from None
    except NotTrustedError as error:
        raise NotTrustedError([f"{source}: {p}" for p in error.problems]) from None
    return Side(source, study_run.document, study_run.study)


def _read(results: Path, source: str, is_folder: bool) -> Any:
    if is_folder and not results.exists():
        raise InputError(f"{source}: holds no results.json, so no run wrote it; {RIGHT}")
    data = read_bytes(results, source, "a run's results.json, its folder, or a study file")
    try:
        return json_of(data.decode())
    except ValueError:
        raise InputError(f"{source}: its results are not JSON; {RIGHT}") from None


def _checked(document: Any, source: str) -> Mapping[str, Any]:
    """Return a results document; refuse other objects and unknown schema versions."""
    if not isinstance(document, Mapping) or "risk" not in document:
        raise InputError(f"{source}: not a results document; {RIGHT}")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{source}: {shown(document.get('schema_version'))} is no schema_version of results that this version knows"
        )
    try:
        with errors_named(source):
            changes(document, document)
        risk = document["risk"]
        assert risk is None or 0 <= risk["mean"] <= 1
        assert risk is None or all(risk[end] is None or 0 <= risk[end] <= 1 for end in ("lower", "upper"))
        _ = (document.get("spent") or {}).get(document["test_table"])
    except (LookupError, TypeError, AttributeError, AssertionError):
        raise InputError(f"{source}: not a whole results document; run its study again") from None
    return document


def _study_beside(
    folder: Path, document: Mapping[str, Any], progress: Callable[[str], None]
) -> tuple[Study | None, str]:
    """Return the study of a run, if its file beside the folder is unchanged.

    Otherwise return None and the reason.
    """
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


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Lay a comparison out for a terminal, at 80 columns."""
    lines: list[str] = []

    def say(text: str, indent: str = "") -> None:
        plain = visible(" ".join(text.split()))
        lines.extend(textwrap.wrap(plain, WIDTH, subsequent_indent=indent, break_on_hyphens=False))

    for name in ("a", "b"):
        side = comparison[name]
        say(f"{name.upper()}: {side['from']}, {side['title']!r}: {_risk(side['risk'])}", "   ")
    lines.append("")
    say("What changed" if comparison["changes"] else "Nothing changed.")
    for change in comparison["changes"]:
        place = f"{change['part']}: {change['what']}".removesuffix(": ")
        say(f"- {place}: {_short(change['before'])} -> {_short(change['after'])}", "  ")
    if comparison["steps"]:
        lines += ["", *_table(comparison)]
        for step in comparison["steps"]:
            if step["why"]:
                say(f"{plainly(step['parts'])}: one step, for they do not go apart ({step['why']}).")
    elif comparison["total"] is not None:
        lines += ["", f"Effect of all on the risk: {_signed(comparison['total'])} percentage points."]
    for note in comparison["notes"]:
        say(f"Mind: {note}.")
    return "\n".join(lines)


def _risk(risk: Mapping[str, Any] | None) -> str:
    if risk is None:
        return "no test"
    ends = risk_interval(risk)
    interval = "" if ends is None else f" ({percent(ends[0])} to {percent(ends[1])})"
    return f"risk {percent(risk['mean'])}{interval}"


def _table(comparison: Mapping[str, Any]) -> list[str]:
    """Return the lines of the table of steps."""

    def row(name: str, before: str, after: str, effect: str) -> str:
        return f"{name:48}{before:>10}{after:>10}{effect:>10}"

    lines = [row("Applied in this order", "before", "after", "effect")]
    for number, step in enumerate(comparison["steps"], start=1):
        *first, last = textwrap.wrap(f"{number}. {plainly(step['parts'])}", 46, subsequent_indent="   ")
        lines += [*first, row(last, percent(step["before"]), percent(step["after"]), _signed(step["effect"]))]
    before, after = (percent(comparison[name]["risk"]["mean"]) for name in ("a", "b"))
    lines.append(row("   in all", before, after, _signed(comparison["total"])))
    lines.append("Risks in percent of scenes, effects in percentage points.")
    return lines


def _signed(effect: float) -> str:
    """Return an effect in percentage points as text; only an effect of 0 reads as 0."""
    if effect == 0:
        return "0"
    return f"{100 * effect:+.1f}" if abs(effect) >= 0.0005 else ("<+0.1" if effect > 0 else ">-0.1")


def _short(value: Any) -> str:
    """Return a value for a line: of a digest, its beginning."""
    if value is None:
        return "nothing"
    if isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef"):
        return value[:12]
    if isinstance(value, Mapping):
        text = "{ " + ", ".join(f"{key} = {_short(inner)}" for key, inner in value.items()) + " }"
    elif isinstance(value, list):
        text = "[" + ", ".join(_short(inner) for inner in value) + "]"
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "..."
