"""Number of scenes until the first catastrophe of one deployment.

The mean may be infinite, so quantiles and the probability of never are given.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, override

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.risk.intervals import at_least_one, never_any

if TYPE_CHECKING:
    from reward_hypotheses.analysis.report.claims import Sentence
    from reward_hypotheses.analysis.report.presentation import Figure, Presentation

QUANTILES = (0.05, 0.5, 0.95)
LONGEST = 2**53
"""Greatest number of scenes of a deployment: a later catastrophe counts as none."""
LENGTHS = tuple(m * 10**k for k in range(5) for m in (1, 2, 5))
"""Scenes of a deployment for which the probability of a catastrophe is given."""


def first_catastrophe(case: Case) -> Document:
    """Return the number T of scenes up to the first catastrophe of one deployment.

    A deployment draws one truth j, and one hypothesis i for the agent if the policy draws one. Its scenes are then drawn
    independently from the test. Given i and j, T is geometric with the catastrophe rate ``C_ij``::

        P(T <= n) = sum_ij w_i v_j (1 - (1 - C_ij)^n)        P(T = infinity) = sum_ij w_i v_j [C_ij = 0]

    Returns
    -------
    dict
        ``never``, ``P(T = infinity)``; ``scenes``, the least n with ``P(T <= n) >= q`` for each q of `QUANTILES`, None where
        n is infinite; ``within``, ``P(T <= n)`` for each n of `LENGTHS`.
    """
    about = case.risk, case.policy, case.agent_weights, case.judge_weights

    def within(n: int) -> float:
        return at_least_one(*about, n)

    never = never_any(*about)
    return {
        "never": never,
        "scenes": {repr(q): _least(within, q) if q <= 1 - never else None for q in QUANTILES},
        "within": {str(n): within(n) for n in LENGTHS},
    }


def _least(within: Any, q: float) -> int | None:
    """Return the least n with ``within(n) >= q``; None where n is beyond `LONGEST`."""
    high = 1
    while within(high) < q:
        high *= 2
        if high > LONGEST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if within(middle) >= q else (middle, high)
    return high


class ScenesToFirstCatastrophe(Section[Document]):
    """Scenes until the first catastrophe of one deployment."""

    keys = ("first_catastrophe",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document:
        return first_catastrophe(case)

    @override
    def present(self, document: Mapping[str, Any]) -> "Iterator[Presentation]":
        from reward_hypotheses.analysis.report.phrases import error_of
        from reward_hypotheses.analysis.report.presentation import Part, Plot, Presentation
        from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable

        numbers = document.get("first_catastrophe")
        if not numbers:
            return
        rows = tuple(
            (float(q), n, error_of(document, "first_catastrophe", "scenes", q)) for q, n in numbers["scenes"].items()
        )
        columns = (
            Column("deployments", "deployments", "share", "%"),
            Column("scenes", "scenes", "count", error="scenes_mcse"),
            Column("scenes_mcse"),
        )
        caption = (
            "Scenes within which this share of deployments meets its first catastrophe. A dash: the share never does."
        )
        table = PaperTable("first_catastrophe", "Scenes until the first catastrophe", caption, columns, rows)
        plot = Plot("first_catastrophe", _draw, _caption, _informs)
        said = in_words(document)
        parts = [Part("figure", name=plot.name) if _informs(document) else Part("text", said)]
        yield Presentation("first_catastrophe", "precision", parts, [table], plot, [said])


def _caption(document: Mapping[str, Any]) -> tuple[str, str]:
    from reward_hypotheses.analysis.report.claims import Sentence

    return in_words(document), Sentence("Dashed line: share of deployments that meet a catastrophe at any length.")


def in_words(document: Mapping[str, Any]) -> "Sentence":
    """Return when deployments meet their first catastrophe, and how many never do."""
    from reward_hypotheses.analysis.report.claims import Sentence, paragraph
    from reward_hypotheses.analysis.report.phrases import counted

    shares = {q: n for q, n in document["first_catastrophe"]["scenes"].items() if n is not None}
    met = ", ".join(f"{100 * float(q):g}% within {counted(n, 'scene')}" for q, n in shares.items())
    if not met:
        return _never(document)
    places = [("first_catastrophe", "scenes", q) for q in shares]
    first = Sentence(f"Share of deployments that meet their first catastrophe: {met}.", *map(float, shares), *places)
    return paragraph(first, _never(document))


def _never(document: Mapping[str, Any]) -> "Sentence":
    """Return the share of deployments that never meet a catastrophe."""
    from reward_hypotheses.analysis.report.claims import Sentence, holds
    from reward_hypotheses.analysis.report.phrases import percent

    never = document["first_catastrophe"]["never"]
    if never == 0:
        claims = [holds(lambda d: d["first_catastrophe"]["never"] == 0)]
        return Sentence("Every deployment meets a catastrophe if the deployment lasts long enough.", claims=claims)
    text = f"{percent(never)} of deployments never meet a catastrophe."
    return Sentence(text, "first_catastrophe.never", claims=[holds(lambda d: d["first_catastrophe"]["never"] > 0)])


def _draw(document: Mapping[str, Any], tree: Any) -> "Figure":
    """Draw the share of deployments with a catastrophe by their length."""
    from reward_hypotheses.analysis.plots import style
    from reward_hypotheses.analysis.plots.report_figures.first_catastrophe import draw_first_catastrophe

    numbers = document["first_catastrophe"]
    fig, ax = style.figure(style.COLUMN, 2.2)
    draw_first_catastrophe(
        ax, list(map(int, numbers["within"])), list(numbers["within"].values()), 1 - numbers["never"]
    )
    return fig


def _informs(document: Mapping[str, Any]) -> bool:
    """Return whether the share of deployments changes with their length."""
    from reward_hypotheses.analysis.plots import style

    return not style.alike(document["first_catastrophe"]["within"].values())
