"""Recording in a study's ledger what was decided from one of its tests, and showing what is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.report.output_folder import refuse_changed
from reward_hypotheses.data.errors import InputError, suggestion, visible
from reward_hypotheses.data.ledger import Ledger
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.readers.file_bytes import json_of, read_bytes
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import answer
from reward_hypotheses.study.study import Study


def record(path: Path, decided: str, table: str | None, time: str | None, progress: Callable[[str], None]) -> list[str]:
    """Record what was decided from a test of a study (its first unless one is named); what to tell whoever did.

    The risk is that of the run beside the study, where that is of this study and these data; else it is computed.

    Raises
    ------
    InputError
        The study is wrong or names no ledger, the table is no test of it, or what `Ledger.record` refuses.
    NotTrustedError
        The risk was to be computed, and cannot be trusted.
    """
    study = load(path, progress, read_ledger=False)
    ledger = _ledger(study)
    if not study.tests:
        raise InputError(
            f"{path.name}: there is no test, so no agent can have been chosen by one; name one in [analysis]"
        )
    name = next(iter(study.tests)) if table is None else table
    if name not in study.tests:
        raise InputError(f"--table {name}: is no test of {path.name}; {suggestion(name, study.tests)}")
    digest = study.sources.digests[name]
    Ledger.refuse(digest, decided, time=time)  # before anything is computed
    risk = _risk(study, name, progress)
    entry = ledger.record(digest, decided, table=name, study=study.title, risk=risk, time=time)
    return [
        f"Recorded as line {entry.sequence} of {study.ledger}: by results on {name!r} (risk {risk:.3f}), {_plain(decided)}.",
        "From now on runs say that this test was used to choose an agent.",
    ]


def shown_ledger(path: Path, progress: Callable[[str], None]) -> list[str]:
    """What the ledger of a study holds, line by line, and which of the study's tests are spent.

    Raises
    ------
    InputError
        The study is wrong or names no ledger, or the ledger does not verify.
    """
    study = load(path, progress)
    _ledger(study)
    found = study.recorded
    lines = [f"{study.ledger}: {'nothing recorded yet' if not found.entries else 'every line verified'}."]
    for entry in found.entries:
        risk = "not stated" if entry.risk is None else f"{entry.risk:.3f}"
        of = f" of {entry.study!r}" if entry.study else ""
        about = f"{entry.table!r}{of} ({entry.sha256[:12]}), risk {risk}"
        lines.append(f"{entry.sequence}. {entry.time}  {about}: {_plain(entry.decided)}")
    lines += [f"{number}. was cut off while it was written" for number in found.cut_off]
    for name in study.tests:
        times = len(found.of(study.sources.digests[name]))
        said = (
            f"spent: an agent was chosen by it {'once' if times == 1 else f'{times} times'}" if times else "not spent"
        )
        lines.append(f"{name}: {said}")
    return lines


def _plain(text: str) -> str:
    return visible(" ".join(text.split()))


def _ledger(study: Study) -> Ledger:
    if study.ledger is None:
        raise InputError(
            f'{study.path.name}: [analysis] ledger: missing; write ledger = "ledger.jsonl", so that runs read what is recorded'
        )
    return Ledger(study.path.parent / study.ledger)


def _risk(study: Study, name: str, progress: Callable[[str], None]) -> float:
    document = _of_the_run_beside(study)
    if document is None:
        document = answer(study.path, progress, read_ledger=False).document
    one = document if name == document["test_table"] else document["also"][name]
    return float(one["risk"]["mean"])


def _of_the_run_beside(study: Study) -> dict[str, Any] | None:
    """Results of the run in its usual place; None where they are of another study or of other data, or none."""
    folder = study.path.with_suffix("")
    try:
        refuse_changed(folder, str(folder))
        found = json_of(read_bytes(folder / "results.json", "results.json").decode())
        same = found["study"]["sha256"] == sha256(study.text.encode()) and found["data_sha256"] == study.sources.digests
        means = [found, *found["also"].values()]
        return found if same and all(0 <= float(one["risk"]["mean"]) <= 1 for one in means) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
