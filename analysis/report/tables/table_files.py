"""Files of tables, each as CSV and as TeX, and of headline numbers.

A table holds plain values. Its CSV has them in full; on paper a number is rounded to its Monte Carlo error, and the
error's own column and long texts are left out.
"""

from collections.abc import Iterable

from reward_hypotheses.analysis.report.presentation import Document, Presentation
from reward_hypotheses.analysis.report.tables.headline_numbers import quantities
from reward_hypotheses.analysis.report.tables.latex import numbers_file, tabular_file
from reward_hypotheses.analysis.report.tables.table_model import PaperTable

ORDER = """
    headline risk_by_source weights pairs degree_pairs evidence_by_feedback pairs_by_feedback agreement telling subgroups
    reward_weights failure_line agent_reading agent_distance matrix agents frontier riskiest_scenes risk_parts bits bounds tipping
    risk_by_line languages worst_case impact
""".split()
"""Tables that come first, in their order."""


def paper_tables(presentations: Iterable[Presentation]) -> list[PaperTable]:
    """Return the tables of all presentations: those of `ORDER`, then the others."""
    tables = [table for presentation in presentations for table in presentation.tables]
    return sorted(tables, key=lambda table: ORDER.index(table.name) if table.name in ORDER else len(ORDER))


def table_files(document: Document, presentations: Iterable[Presentation]) -> dict[str, bytes]:
    """Return every table as CSV and as TeX, and the headline numbers as TeX macros.

    Returns
    -------
    dict of str to bytes
        ``tables/NAME.csv`` and ``tables/NAME.tex`` of every table, ``tables/numbers.tex``, and the files of presentations.
    """
    title, version = document["title"], document["versions"].get("reward_hypotheses", "")
    files: dict[str, bytes] = {}
    presentations = list(presentations)
    for table in paper_tables(presentations):
        files[f"tables/{table.name}.csv"] = table.csv()
        files[f"tables/{table.name}.tex"] = tabular_file(table.cut(), title, version)
    for presentation in presentations:
        files |= presentation.files
    files["tables/numbers.tex"] = numbers_file(quantities(document), title, version)
    return files
