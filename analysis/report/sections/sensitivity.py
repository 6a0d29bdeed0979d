"""Sensitivity of the risk to the prior, the failure line and bits of human values."""

from collections.abc import Iterator

from reward_hypotheses.analysis.report.phrases import DRAWS_ONE, MOVES, NEAR, bits_in_words, error_of, percent, plainly
from reward_hypotheses.analysis.report.presentation import Document, Figure, Grid, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, estimated_share, share, with_errors


def present(document: Document) -> Iterator[Presentation]:
    """Present what else the risk depends on, where there is a test."""
    if document["risk"] is None:
        return
    sentences = hinges(document)
    tables = [_bits_table(document)] if _some_bits(document) else []
    yield Presentation("floor", "hinges", texts(*sentences), tables, terminal=sentences)
    if document["risk_bounds"]:
        terminal: list[str | Grid] = [_bounds_grid(document)]
        if document["agent"]["prior"] == "values":
            terminal.append("There the agent's weights are held, although its prior is these values.")
        parts = texts(_bounds(document))
        yield Presentation("bounds", "hinges", parts, [_bounds_table(document)], terminal=terminal)
    yield Presentation("tipping", "hinges", texts(*other_values(document)), [_tipping_table(document)])
    curve = document.get("risk_by_line")
    if curve and curve["at"] is not None:
        parts = [Part("figure", name=BY_LINE.name)]
        yield Presentation("risk_by_line", "hinges", parts, [_line_table(document)], BY_LINE)


def hinges(document: Document) -> list[str]:
    """Return sentences on lowest risk, regret, deployments and bits of human values."""
    risk = document["risk"]
    zero, by_size = risk["upper_of_zero"], risk["at_least_one"]
    refrains = "this one always acts"
    if document["agent"]["abstain"]:
        refrains = f"this one can be below it, and refrains in {percent(risk['abstained'], zero)} of scenes"
    sentences = [
        f"The least risk of an agent that always acts is {percent(risk['floor'], zero)}, by what the judge knows; {refrains}.",
        f"Regret, how much less reward than the best on offer: {risk['regret']:.3g} reward units a scene, rewards of different "
        "hypotheses added up as they stand.",
    ]
    if by_size and risk["mean"] > 0:
        event = "At least one catastrophe in so many scenes of one deployment"
        if document["agent"]["policy"] in DRAWS_ONE:
            event += ", which keeps to what it took up"
        shares = {int(n): percent(p) for n, p in by_size.items()}
        if len(shares) > 1 and len(set(shares.values())) == 1:
            sentences.append(f"{event}: {shares[min(shares)]}, be it {min(shares):,} or {max(shares):,}.")
        else:
            sentences.append(f"{event}: " + "; ".join(f"{n:,}: {share}" for n, share in shares.items()) + ".")
    return sentences + _bits_of_values(document)


def _bits_of_values(document: Document) -> list[str]:
    """Return the bits of human values that an agent needs for a lower risk.

    An agent of uniform prior is mentioned where it needs another number.
    """
    sentences: dict[str, str] = {}
    for who, bits in (
        ("this agent", document.get("value_bits_of_agent") or {}),
        ("an agent of uniform prior", document["value_bits"]),
    ):
        words = "; ".join(
            f"{bits_in_words(n, 3)} for a risk of {100 * float(target):g}%"
            for target, n in bits.items()
            if n is not None
        )
        if words:
            sentences.setdefault(words, f"What {who} must be told of human values: {words}.")
    return list(sentences.values())


def _some_bits(document: Document) -> bool:
    """Return whether a target of the risk can be reached by some number of bits."""
    by_truth = (bits for target in document["value_bits"] for bits in document["value_bits_by_truth"][target].values())
    return any(bits is not None for bits in [*document["value_bits"].values(), *by_truth])


def _bits_table(document: Document) -> PaperTable:
    by_truth, weights, names = document["value_bits_by_truth"], document["weights"], document["hypotheses"]
    of_agent = document["value_bits_of_agent"] or {}
    columns = [
        Column("target_risk", "target risk", "level", "%"),
        Column("bits", "uniform prior", "number", "bits", error="mcse"),
        Column("mcse"),
        Column("bits of this agent", "this agent", "number", "bits", error="mcse of this agent"),
        Column("mcse of this agent"),
    ]
    for name in names:
        error, rank = f"mcse if {name}", weights[name]
        columns.append(Column(f"bits if {name}", f"if {name}", "number", "bits", error=error, rank=rank))
        columns.append(Column(error, rank=rank))
    rows = []
    for target, value in document["value_bits"].items():
        row = [float(target), value, error_of(document, "value_bits", target), of_agent.get(target)]
        row.append(error_of(document, "value_bits_of_agent", target) if of_agent else None)
        for name in names:
            row += [by_truth[target][name], error_of(document, "value_bits_by_truth", target, name)]
        rows.append(tuple(row))
    caption = (
        "What an agent of uniform prior must be told of human values to bring its risk down to a target: averaged over the "
        "posterior weights, and if each hypothesis is true; beside it this study's own agent, averaged. A dash: no amount of it does."
    )
    return PaperTable("bits", "Bits of human values", caption, tuple(columns), tuple(rows))


def _bounds(document: Document) -> str:
    contamination, (low, high) = list(document["risk_bounds"].items())[-1]
    return (
        f"Were {100 * float(contamination):g}% of the human-value prior moved to other hypotheses of the list, and the agent's own "
        f"weights as they are, the risk would lie between {percent(low)} and {percent(high)}; were it moved to a truth that "
        "nobody listed, which fits the training data as well as the best and finds every outcome catastrophic, at most "
        f"{percent(document['risk_bounds_unlisted'][contamination])}."
    )


def _bounds_grid(document: Document) -> Grid:
    zero = document["risk"]["upper_of_zero"]
    rows = [
        [f"{100 * float(e):g}%", *(percent(x, zero) for x in (*ends, document["risk_bounds_unlisted"][e]))]
        for e, ends in document["risk_bounds"].items()
    ]
    return Grid(["prior that may be wrong", "least risk", "greatest", "or by an unlisted truth"], rows)


def _bounds_table(document: Document) -> PaperTable:
    zero = document["risk"]["upper_of_zero"]
    bounds = (("lower", "least risk"), ("upper", "greatest risk"), ("unlisted", "or by an unlisted truth"))
    columns = (
        Column("contamination", "prior that may be wrong", "level", "%"),
        *(estimated_share(key, words, zero) for key, words in bounds),
    )
    rows = tuple(
        (
            float(e),
            *ends,
            document["risk_bounds_unlisted"][e],
            *(error_of(document, "risk_bounds", e, end) for end in (0, 1)),
            error_of(document, "risk_bounds_unlisted", e),
        )
        for e, ends in document["risk_bounds"].items()
    )
    caption = (
        "Bounds of the risk where a share of the prior is replaced by any other over the same hypotheses, or by a truth "
        "that none of them is."
    )
    return PaperTable("bounds", "Risk under a wrong prior", caption, with_errors(*columns), rows)


def other_values(document: Document) -> list[str]:
    """Return the risk under other values of the judge, and the nearest tipping point."""
    sentences = []
    within = "; ".join(
        f"a factor of {float(factor):g}, between {percent(low)} and {percent(high)}"
        for factor, (low, high) in (document["risk_bounds_within_factor"] or {}).items()
    )
    if within:
        sentences.append(f"Were the odds of the values off by up to so much, the risk would lie within: {within}.")
    if document["risk_bounds_jointly"]:
        contamination, ends = list(document["risk_bounds_jointly"].items())[-1]
        about = "" if ends["exact"] else " at least"
        sentences.append(
            f"The agent goes by the same values: were {100 * float(contamination):g}% of them any others, for both, the risk would lie{about} "
            f"between {percent(ends['lower'])} and {percent(ends['upper'])}."
        )
    tipping = [
        (name, float(target), weight, document["prior"][name])
        for name, point in document["tipping"].items()
        for target, weight in point["risk_at"].items()
        if weight is not None
    ]
    if tipping:
        name, target, weight, now = min(tipping, key=lambda point: abs(point[2] - point[3]))
        way = "above" if document["risk"]["mean"] < target else "below"
        sentences.append(
            f"The risk is {way} {100 * target:g}% where the values give {name!r} {'more' if weight > now else 'less'} than "
            f"{percent(weight)}, the others in proportion; they give it {percent(now)}."
        )
    return sentences


def _tipping_table(document: Document) -> PaperTable:
    targets = list(document["value_bits"])
    columns = (
        Column("hypothesis", "hypothesis"),
        share("prior", "prior"),
        estimated_share("leads_from", "leads from"),
        *(share(f"risk {t}", f"risk {100 * float(t):g}%", error=f"risk {t} mcse") for t in targets),
    )
    rows = tuple(
        (
            name,
            document["prior"][name],
            point["leads_from"],
            *(point["risk_at"][t] for t in targets),
            error_of(document, "tipping", name, "leads_from"),
            *(error_of(document, "tipping", name, "risk_at", t) for t in targets),
        )
        for name, point in document["tipping"].items()
    )
    caption = (
        "What weight among the values would tip the answer, the other weights in proportion and the agent as it is: the least at "
        "which the hypothesis is the most probable after the data, and that at which the risk is so much. A dash: no weight is."
    )
    ranks = tuple(document["weights"][row[0]] for row in rows)
    return PaperTable("tipping", "Tipping points", caption, with_errors(*columns), rows, ranks=ranks)


def line_moved(document: Document) -> str:
    """Return the risk with another failure line; empty where that was not computed."""
    curve, now = document["risk_by_line"], document["risk"]["mean"]
    if curve is None or curve["at"] is None:
        return ""
    computed = [(t, x) for t, x in zip(curve["at"], curve["risk"], strict=True) if x is not None]
    moved = [(t, x) for t, x in sorted(computed, key=lambda point: abs(point[0])) if t]
    if not moved:
        return (
            "With the failure line moved at all, as far as was tried, the data are impossible under every hypothesis."
        )
    changes = {
        way: next(((abs(t), x) for t, x in moved if t * sign > 0 and abs(x - now) >= MOVES), None)
        for way, sign in (("lower", -1), ("higher", 1))
    }
    step = abs(moved[0][0])
    risks = [
        f"{change[0]:g} standard deviations of the rewards {way}{' (the least step tried)' if change[0] == step else ''} it is "
        f"{percent(change[1])}"
        for way, change in changes.items()
        if change is not None
    ]
    if not risks:
        low, high = (f"{abs(t):g}" for t in (computed[0][0], computed[-1][0]))
        beyond = "" if None not in curve["risk"] else " Beyond that the data are impossible under every hypothesis."
        return (
            f"Where exactly failing lies hardly matters: moving the line by up to {low} standard deviations of the rewards down, or "
            f"{high} up, changes the risk by less than 5 percentage points.{beyond}"
        )
    nearest = min(change[0] for change in changes.values() if change is not None)
    head = (
        "The risk rests on where failing lies" if nearest <= NEAR else "Where exactly failing lies matters only far off"
    )
    return f"{head}: with the line {', '.join(risks)}."


def _line_table(document: Document) -> PaperTable:
    curve, zero = document["risk_by_line"], document["risk"]["upper_of_zero"]
    columns = (
        Column("moved", "failing is worth", "number"),
        estimated_share("risk", "risk", zero),
        Column("lead", "leading hypothesis"),
    )
    rows = tuple(
        (t, risk, lead, error_of(document, "risk_by_line", "risk", k))
        for k, (t, risk, lead) in enumerate(zip(curve["at"], curve["risk"], curve["lead"], strict=True))
    )
    again = f" {plainly(curve['refitted'])} weighed again each time;" if curve["refitted"] else ""
    caption = (
        "The risk with failing worth so many standard deviations of the rewards on the test more than was stated, under every "
        f"hypothesis;{again} the agent stays as it is."
    )
    return PaperTable("risk_by_line", "Risk by the failure line", caption, with_errors(*columns), rows)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from reward_hypotheses.analysis.report import figure_style as style

    curve, now = document["risk_by_line"], document["risk"]["mean"]
    fig, ax = style.figure(style.COLUMN, 1.9)
    at, risk = np.array(curve["at"]), np.array(curve["risk"], float)
    ax.plot(at, risk, "o", color=style.BLUE, markersize=3, label="the line moved")
    just_above = now + (curve.get("on_line") or 0.0)  # outcomes worth exactly what failing is count from there on
    for side, risks in ((at <= 0, risk), (at >= 0, np.where(at == 0, just_above, risk))):
        ax.plot(at[side], risks[side], color=style.BLUE, linewidth=1)
    ax.axvline(0, color=style.MUTED, linewidth=0.8, linestyle=(0, (3, 2)))
    ax.plot([0], [now], "D", color=style.VERMILION, markersize=6, label="as it was stated", zorder=4)
    ax.set_xlabel("failing worth so much more (sd of rewards)")
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}"))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.grid(True, axis="y")
    ax.set_axisbelow(True)
    ax.set_ylabel("catastrophe risk (%)")
    style.legend(fig, ax)
    return fig


def _caption(document: Document) -> tuple[str, str]:
    return line_moved(document), (
        "The risk by what failing completely is worth, under every hypothesis so many standard deviations of its rewards on the "
        "test more (right) or less (left) than was stated. The judge's weights follow; the agent, and what it was told, stay as "
        "they are."
    )


BY_LINE = Plot("risk_by_line", _draw, _caption)
