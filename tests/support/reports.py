"""Parts of the report of a results document, for tests."""

import importlib
import pkgutil

from reward_hypotheses.analysis.report import figure_files, sections
from reward_hypotheses.analysis.report.layout import html, terminal
from reward_hypotheses.analysis.report.presentation import Plot
from reward_hypotheses.analysis.report.tables import table_files as tables
from reward_hypotheses.analysis.results.document import presented

TOPICS = [
    importlib.import_module(module.name) for module in pkgutil.walk_packages(sections.__path__, f"{sections.__name__}.")
]
PLOTS = {plot.name: plot for topic in TOPICS for plot in vars(topic).values() if isinstance(plot, Plot)}

NASTY = [
    '<script>document.title = "taken"</script>',
    '"><img src=x onerror="document.title = 1">',
    "$x_1$ & {y} --> ]]> \\b",
]
"""Names and texts that would break a page, a figure or a script."""


def point(name, document):
    """Return the finding and the caption of a figure."""
    return PLOTS[name].caption(document)


def page(document, figures, frames):
    """Return the page."""
    return html.page(document, presented(document), figures, frames)


def drawn(document, tree=None):
    """Draw every figure."""
    return figure_files.drawn(document, presented(document), tree)


def paper_tables(document):
    """Return every table."""
    return tables.paper_tables(presented(document))


def table_files(document):
    """Return the files of every table."""
    return tables.table_files(document, presented(document))


def print_summary(document, *arguments, **options):
    """Print the summary."""
    terminal.print_summary(document, presented(document), *arguments, **options)
