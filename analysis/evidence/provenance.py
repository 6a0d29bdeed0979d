"""Origin of the numbers: the study, its tables, and the ledger of tests."""

from collections.abc import Iterator
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.data.table import Table


class Title(Section[Document]):
    """Title, subject and file of the study."""

    keys = ("title", "about", "study")
    topic = "study_question"

    @override
    def compute(self, case: Case) -> Document:
        source = case.source
        return {
            "title": source.title,
            "about": source.about or None,
            "study": dict(source.study) if source.study else None,
        }


class TestTable(Section[str]):
    """Name of the first test."""

    keys = ("test_table",)

    @override
    def compute(self, case: Case) -> str | None:
        return next(iter(case.tests), None)


class LedgerOfTests(Section[Document]):
    """The ledger of tests, and the tests that were used to choose an agent.

    None without a ledger.
    """

    keys = ("ledger", "spent")
    urgency = 80

    @override
    def compute(self, case: Case) -> Document | None:
        source = case.source
        if source.ledger is None:
            return None
        recorded = source.recorded
        spent: Document = {}
        for name in case.tests:
            entries = recorded.of(source.digests.get(name, ""))
            spent[name] = None
            if entries:
                spent[name] = {"times": len(entries), "last": entries[-1].time, "decided": entries[-1].decided}
        return {
            "ledger": {
                "file": source.ledger,
                "sha256": recorded.sha256,
                "entries": len(recorded.entries),
                "cut_off": list(recorded.cut_off),
            },
            "spent": spent,
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        file, recorded = case.source.ledger, case.source.recorded
        if recorded.sha256 is None and case.tests:
            yield (
                f"the ledger {file!r} does not exist: nothing was recorded yet (reward-hypotheses ledger record makes it), or "
                "its path is another"
            )
        for number in recorded.cut_off:
            yield f"line {number} of the ledger {file!r} was cut off while it was written; which test it is about is not known"
        for name, entry in result["spent"].items():
            if entry is not None:
                times = "once" if entry["times"] == 1 else f"{entry['times']} times, last"
                yield (
                    f"table {name!r} was used to choose an agent, {times} on {entry['last'][:10]} ({entry['decided']}): its risk is "
                    "training evidence, not a test"
                )


class Tables(Section[Document]):
    """Size and origin of every table that is used."""

    keys = ("training_tables", "tables")
    topic = "methods"
    urgency = 50

    @override
    def compute(self, case: Case) -> Document:
        origins = case.source.origins
        return {
            "training_tables": list(dict.fromkeys(v.table.name for v in case.training.valuations)),
            "tables": {t.name: _shape(t) | {"origin": origins.get(t.name)} for t in case.once(_tables)},
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        for name, origin in case.source.origins.items():
            if "shift" in origin and not origin.get("chosen_by"):
                yield f"table {name!r} was made by shifts, and who chose them is not stated: chosen_by = ..."
        for table in case.once(_tables):
            yield from table.odd_columns()


def _tables(case: Case) -> list[Table]:
    """Return every table that is used, once.

    Training, tests, support, judgements, and the agent's own choices.
    """
    tables = {v.table.name: v.table for v in [*case.training.valuations, *case.tests.values()]}
    others = [case.training.support] if case.training.support is not None else []
    others += [case.judged.judgements.asked.table] if case.judged is not None else []
    for table in [*others, *case.agent.tables]:
        tables.setdefault(table.name, table)
    return list(tables.values())


def _shape(table: Table) -> Document:
    widths = np.diff(table.starts)
    return {
        "scenes": table.n_scenes,
        "items": table.n_items,
        "options": [int(widths.min()), int(widths.max())] if table.has_options else None,
        "weighted": "scene_weight" in table.columns,
    }
