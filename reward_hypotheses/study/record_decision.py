"""The ledger of a study: records of the decisions made from a test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.report.layout.output_folder import refuse_changed
from reward_hypotheses.data.errors import InputError, suggestion, visible
from reward_hypotheses.data.readers.csv import sha256
from reward_hypotheses.data.readers.decision_ledger import Ledger
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import run_study
from reward_hypotheses.study.validated_study import Study


def record(path: Path, decided: str, table: str | None, time: str | None, progress: Callable[[str], None]) -> list[str]:
    """Record what was decided from a test of a study; return lines to print.

    The test is the first one unless a table is named.

    The risk is read from the run beside the study, if that run belongs to this study and these data. Otherwise the risk is
    computed.

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
    entry = ledger.record(digest, decided, table=name, study=study.spec.title, risk=risk, time=time)
    return [
        f"Recorded as line {entry.sequence} of {study.spec.analysis.ledger}: by results on {name!r} (risk {risk:.3f}), {_plain(decided)}.",
        "From now on runs say that this test was used to choose an agent.",
    ]


def shown_ledger(path: Path, progress: Callable[[str], None]) -> list[str]:
    """Return lines on the entries of a study's ledger and on its spent tests.

    Raises
    ------
    InputError
        The study is wrong or names no ledger, or the ledger does not verify.
    """
    study = load(path, progress)
    _ledger(study)
    recorded = study.recorded
    state = "every line verified" if recorded.entries else "nothing recorded yet"
    lines = [f"{study.spec.analysis.ledger}: {state}."]
    for entry in recorded.entries:
        risk = "not stated" if entry.risk is None else f"{entry.risk:.3f}"
        of = f" of {entry.study!r}" if entry.study else ""
        about = f"{entry.table!r}{of} ({entry.sha256[:12]}), risk {risk}"
        lines.append(f"{entry.sequence}. {entry.time}  {about}: {_plain(entry.decided)}")
    lines += [f"{number}. was cut off while it was written" for number in recorded.cut_off]
    for name in study.tests:
        times = len(recorded.of(study.sources.digests[name]))
        often = "once" if times == 1 else f"{times} times"
        lines.append(f"{name}: {f'spent: an agent was chosen by it {often}' if times else 'not spent'}")
    return lines


def _plain(text: str) -> str:
    return visible(" ".join(text.split()))


def _ledger(study: Study) -> Ledger:
    if study.spec.analysis.ledger is None:
        raise InputError(
            f'{study.path.name}: [analysis] ledger: missing; write ledger = "ledger.jsonl", so that runs read what is recorded'
        )
    return Ledger(study.path.parent / study.spec.analysis.ledger)


def _risk(study: Study, name: str, progress: Callable[[str], None]) -> float:
    """Return the mean risk on a test: of the run beside the study, or computed."""
    document = _run_beside(study)
    if document is None:
        document = run_study(study.path, progress, read_ledger=False).document
    on_test = document if name == document["test_table"] else document["also"][name]
    return float(on_test["risk"]["mean"])


def _run_beside(study: Study) -> dict[str, Any] | None:
    """Return the results in the folder beside the study.

    The result is None if they belong to another study or to other data.
    """
    folder = study.path.with_suffix("")
    try:
        refuse_changed(folder, str(folder))
        document = json_of(read_bytes(folder / "results.json", "results.json").decode())
        same_study = document["study"]["sha256"] == sha256(study.text.encode())
        same_data = document["data_sha256"] == study.sources.digests
        means = [float(on_test["risk"]["mean"]) for on_test in (document, *document["also"].values())]
        return document if same_study and same_data and all(0 <= mean <= 1 for mean in means) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
