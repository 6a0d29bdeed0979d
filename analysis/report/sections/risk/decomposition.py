"""Parts of the risk, by the agent's hypothesis and the true hypothesis."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.risk_matrix import draw_risk_matrix, size_of
from reward_hypotheses.analysis.report.claims import Claim, Sentence, holds, paragraph
from reward_hypotheses.analysis.report.phrases import (
    DRAWS_ONE,
    LEAST,
    counted,
    error_of,
    percent,
    silent_groups,
    weightiest,
    zeros_note,
)
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sentences.comparisons import claims_alike, claims_less, greater
from reward_hypotheses.analysis.report.tables.table_model import (
    MOST_HYPOTHESES,
    Column,
    PaperTable,
    cells,
    estimated_share,
    share,
    with_errors,
)

MOST, ALL = 2, 6
"""Parts that are named at once, and with those that are folded away."""
NUMBERS = ("risk", "left", "removed")


def present(document: Document) -> Iterator[Presentation]:
    """Present the parts of the risk and its matrix, where there is a test."""
    if document["risk"] is None:
        return
    tables = [] if document["risk_parts"] is None else [_parts_table(document)]
    parts, more = _parts(document)
    yield Presentation("risk_parts", "parts", parts, tables, finding=largest_part(document), more=more)
    figure = [Part("figure", name=MATRIX.name)]
    yield Presentation("matrix", "parts", figure, [_matrix_table(document)], MATRIX)


class Contribution(NamedTuple):
    """A part of the risk: ``risk = sum_ij w_i v_j C_ij``.

    The sum is over the agent's hypothesis i and the true hypothesis j.
    """

    agent: str
    truth: str
    agent_weight: float
    weight: float
    share: float

    @property
    def risk(self) -> float:
        """Share of all scenes that end in a catastrophe in this way."""
        return self.agent_weight * self.weight * self.share


def contributions(document: Document) -> list[Contribution]:
    """Return the parts of the risk, largest first.

    Only the risk of an agent that draws one hypothesis from its weights has such parts.
    """
    if document["risk"] is None or document["agent"]["policy"] not in DRAWS_ONE:
        return []
    agent_weights, weights = document["agent_weights"], document["weights"]
    parts = [
        Contribution(i, j, agent_weights[i], weights[j], c)
        for i, row in document["matrix"].items()
        for j, c in row.items()
    ]
    return sorted((part for part in parts if part.risk > 0), key=lambda part: -part.risk)


def largest_part(document: Document) -> Sentence:
    """Return the largest part of the risk, by agent and truth or by truth alone."""
    mean = document["risk"]["mean"]
    if mean == 0:
        claims = [holds(lambda d: d["risk"]["mean"] == 0)]
        return Sentence("No catastrophe was found, so the risk has no parts.", claims=claims)
    if mean < LEAST:
        claims = [holds(lambda d: d["risk"]["mean"] < LEAST)]
        return Sentence(f"Every part of the risk of {percent(mean)} is too small to show.", "risk.mean", claims=claims)
    parts = {(part.agent, part.truth): part.risk for part in contributions(document)} or _by_truth(document)
    order = sorted(parts, key=lambda key: -parts[key])
    top = parts[order[0]]
    alike = [key for key in order if top - parts[key] <= LEAST or percent(parts[key]) == percent(top)]
    claims = _claims_largest(alike)
    if len(alike) > 1:
        text = f"The {len(alike)} largest parts of the risk are about the same, {percent(top)} each."
        return Sentence(text, len(alike), lambda d: _size(d, *order[0]), claims=claims)
    agent, truth = order[0]
    text = f"Largest part, {percent(top)}: {truth!r} is true."
    if agent:
        follows = f"follows {agent!r} but {truth!r} is true" if agent != truth else f"follows the true {truth!r}"
        text = f"Largest part, {percent(top)}: the agent {follows}."
    return Sentence(text, lambda d: _size(d, *order[0]), claims=claims)


def _by_truth(document: Document) -> dict[tuple[str, str], float]:
    """Return the parts of the risk by the true hypothesis.

    For agents that weigh hypotheses at once.
    """
    weights, risks = document["weights"], document["risk_by_truth"]
    return {("", name): weights[name] * risk for name, risk in risks.items() if risk is not None}


def _size(document: Document, agent: str, truth: str) -> float:
    """Return a part of the risk; the agent's name is empty for the part of a truth."""
    weight = document["weights"][truth]
    if agent:
        return float(document["agent_weights"][agent] * weight * document["matrix"][agent][truth])
    return float(weight * (document["risk_by_truth"][truth] or 0.0))


def _claims_largest(keys: list[tuple[str, str]]) -> list[Claim]:
    """Claim that these parts of the risk are about the largest."""

    def largest(d: Document) -> bool:
        every = [(i, j) for i in (d["matrix"] if keys[0][0] else ("",)) for j in d["weights"]]
        top = _size(d, *keys[0])
        apart = {key: top - _size(d, *key) for key in every}
        same = {key for key in every if percent(_size(d, *key)) == percent(top)}
        return all(apart[key] < 1.001 * LEAST or key in same for key in keys) and all(
            key in keys or (apart[key] > 0.999 * LEAST and key not in same) or _size(d, *key) == 0 for key in every
        )

    return [holds(largest)]


def _parts(document: Document) -> tuple[list[Part], list[Part]]:
    """Return the largest parts of the risk, and the parts that are folded away."""
    parts = contributions(document)
    if not parts or document["risk"]["mean"] < LEAST:
        return [], []
    large = [part for part in parts if part.risk >= LEAST][:ALL] or parts[:1]
    entries = [_entry(document, part) for part in large]
    shown = entries[:MOST]
    rest = parts[len(large) :]
    folded = entries[len(shown) :]
    if rest:
        n = len(rest)

        def sum_of_rest(d: Document) -> float:
            return sum(part.risk for part in contributions(d)[len(large) :])

        claims = [holds(lambda d: sum(w * v * c > 0 for w, v, c in _terms(d)) == n + len(large))]
        noun = counted(n, "smaller part")
        folded.append(Sentence(f"Risk {percent(sum_of_rest(document))}: {noun}.", sum_of_rest, n, claims=claims))
    intro = Sentence(
        f"The risk of {percent(document['risk']['mean'])} is a sum of parts (weights in brackets):", "risk.mean"
    )
    more = []
    if folded:
        more = [Part("list", entries=folded)]
    return [*texts(intro), Part("list", entries=shown)], more


def _terms(document: Document) -> list[tuple[float, float, float]]:
    weights, judge = document["agent_weights"], document["weights"]
    return [(weights[i], judge[j], c) for i, row in document["matrix"].items() for j, c in row.items()]


def _entry(document: Document, part: Contribution) -> Sentence:
    i, j = part.agent, part.truth
    text = (
        f"Risk {percent(part.risk)}: the agent follows {i!r} ({percent(part.agent_weight)}), {j!r} is true "
        f"({percent(part.weight)}), and {percent(part.share)} of scenes are catastrophes."
    )
    places = (("agent_weights", i), ("weights", j), ("matrix", i, j))
    size = Sentence(text, lambda d: d["agent_weights"][i] * d["weights"][j] * d["matrix"][i][j], *places)
    return paragraph(size, what_stays(document, i, j))


def what_stays(document: Document, agent: str, truth: str) -> Sentence:
    """Return the effect of unlimited training data on a part of the risk.

    The text is empty where the effect is not known.
    """
    parts = (document["risk_parts"] or {}).get("pairs") or ()
    k = next((k for k, p in enumerate(parts) if (p["agent"], p["truth"]) == (agent, truth)), None)
    if k is None:
        return Sentence("")
    part = parts[k]
    left, now = (("risk_parts", "pairs", k, key) for key in ("left", "risk"))
    silent = holds(lambda d: d["risk_parts"]["pairs"][k]["silent"])
    if agent == truth:
        if agent in (document.get("reward_weights") or {}):
            return Sentence("Agent and truth may have different reward weights within this hypothesis.")
        if agent in (document.get("rule_spaces") or {}):
            return Sentence("The agent may follow another rule of the space than the true one.")
        fails = holds(lambda d: d["matrix"][agent][truth] > 0)
        text = "Either no option there is better than failing, or the policy does not take such an option."
        return Sentence(text, claims=[fails])
    if part["silent"]:
        apart = "Training cannot separate the two hypotheses"
        if greater(document, now, left):
            text = f"{apart}; unlimited training data would lower this part to {percent(part['left'])}."
            return Sentence(text, left, claims=[silent, *claims_less(left, now)])
        if greater(document, left, now):
            rises = Sentence(
                f"Unlimited training data would raise this part to {percent(part['left'])}, because it rules out other hypotheses.",
                left,
                claims=claims_less(now, left),
            )
            return paragraph(Sentence(f"{apart}.", claims=[silent]), rises)
        return Sentence(
            "Training cannot separate the two; more data changes nothing.",
            claims=[silent, *claims_alike(left, now)],
        )
    if part["left"] > 0:
        stays = holds(lambda d: d["risk_parts"]["pairs"][k]["left"] > 0)
        return Sentence(
            "More training data leaves this part, because the agent follows listed hypotheses only.", claims=[stays]
        )
    told = holds(lambda d: not d["risk_parts"]["pairs"][k]["silent"] and d["risk_parts"]["pairs"][k]["left"] == 0)
    return Sentence("More training data would separate the two hypotheses.", claims=[told])


def _parts_table(document: Document) -> PaperTable:
    """Return the risk as a sum over pairs of hypotheses, or over classes."""
    parts, zero = document["risk_parts"], document["risk"]["upper_of_zero"]
    by_pair = parts["pairs"] is not None
    first: tuple[Column, ...] = (Column("hypotheses", "true hypothesis, one of"), share("weight", "weight"))
    if by_pair:
        first = (Column("agent", "agent's hypothesis"), Column("truth", "true hypothesis"), Column("silent", "silent"))
    columns = with_errors(
        *first,
        estimated_share("risk", "now", zero),
        estimated_share("left", "left", zero),
        estimated_share("removed", "removed"),
    )

    def row(part: Mapping[str, Any], *path: str | int) -> dict[str, Any]:
        return {**part, **{f"{name}_mcse": error_of(document, "risk_parts", *path, name) for name in NUMBERS}}

    rest = parts["others"]
    if by_pair:
        rows = [row(part, "pairs", k) for k, part in enumerate(parts["pairs"])]
        if rest["pairs"]:
            rows.append(
                row(rest, "others") | {"agent": counted(rest["pairs"], "other pair"), "truth": "", "silent": None}
            )
    else:
        classes = ({**part, "hypotheses": ", ".join(part["hypotheses"])} for part in parts["classes"])
        rows = [row(part, "classes", k) for k, part in enumerate(classes)]
    caption = (
        "The risk as a sum: now, left by unlimited training data of this kind, and removed by it. Below 0, the part grows. "
        "Silent: training cannot separate the two."
    )
    return PaperTable("risk_parts", "Parts of the risk", caption, columns, cells(columns, rows))


def _matrix_table(document: Document) -> PaperTable:
    """Return the matrix: a row for every hypothesis of the agent, its own among them."""
    matrix, weights = document["matrix"], document["weights"]
    ranks = {name: max(weights.get(name, 0.0), document["agent_weights"][name]) for name in matrix}
    names = [name for name in document["hypotheses"] if name in matrix]
    names += [name for name in matrix if name not in names]
    truths = document["hypotheses"]
    columns = (
        Column("agent_hypothesis", "agent's hypothesis"),
        *(Column(name, name, "share", "%", rank=ranks.get(name, weights[name])) for name in truths),
    )
    return PaperTable(
        "matrix",
        "Risk by the agent's hypothesis and the true one",
        "Share of scenes with a catastrophe, by the agent's hypothesis (row) and the true hypothesis (column).",
        columns,
        tuple((agent, *(matrix[agent][truth] for truth in truths)) for agent in names),
        over="true hypothesis",
        notes=zeros_note(document, [matrix[agent][truth] for agent in names for truth in truths]),
        ranks=tuple(ranks[name] for name in names),
        most=MOST_HYPOTHESES,
    )


def _cells(document: Document) -> tuple[list[str], list[str], list[list[float]]]:
    """Return the agent's hypotheses, the true ones, and the catastrophe rates."""
    truths, matrix, held = weightiest(document, style.MOST), document["matrix"], document["agent_weights"]
    alone = sorted(matrix.keys() - set(document["hypotheses"]), key=lambda name: (-held[name], name))
    agents = [*truths, *alone[: style.MOST]]
    return agents, truths, [[matrix[agent][truth] for truth in truths] for agent in agents]


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    agents, truths, cells = _cells(document)
    fig, ax = style.figure(*size_of(len(agents), len(truths)))
    draw_risk_matrix(ax, agents, truths, np.array(cells))
    return fig


def _informs(document: Document) -> bool:
    return not style.alike(rate for row in _cells(document)[2] for rate in row)


def _caption(document: Document) -> tuple[str, str]:
    return dangerous(document), Sentence("Row: what the agent follows. Column: the true hypothesis.")


def dangerous(document: Document) -> Sentence:
    """Return the risk of a pair of hypotheses that training cannot separate."""
    if document["dangerous_pairs"]:
        pair = document["dangerous_pairs"][0]
        i, j = pair["agent"], pair["truth"]
        text = (
            f"Following {i!r} where {j!r} is true is a catastrophe in {percent(pair['risk'])} of scenes; training cannot "
            "separate the two."
        )
        silent = holds(lambda d: any({i, j} == set(p) for p in _silent(d)))
        return Sentence(text, ("dangerous_pairs", 0, "risk"), claims=[silent])
    if not document["silent_pairs"]:
        return Sentence("Catastrophe rate of an agent that follows one hypothesis, by the true hypothesis.")
    text = "Hypotheses that training cannot separate lead to no catastrophe for one another."
    return Sentence(text, claims=[holds(lambda d: d["silent_pairs"] and not d["dangerous_pairs"])])


def _silent(document: Document) -> list[tuple[str, str]]:
    """Return the pairs that are equivalent in training, through others too."""
    groups = silent_groups(document["silent_pairs"])
    return [(a, b) for group in groups for a in group for b in group]


MATRIX = Plot("matrix", _draw, _caption, _informs)
