"""More data: asymptotic risk, items needed, bits of human values, minimax bounds."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.analysis.report.phrases import LEAST, counted, leading, listed, pair_ranks, percent
from reward_hypotheses.analysis.report.presentation import Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable
from reward_hypotheses.models.policies.registry import POLICIES

UNSETTLED = 0.01
"""Posterior weight of either hypothesis above which a pair is not settled."""


def present(document: Document) -> Iterator[Presentation]:
    """Present what more training data would change."""
    simulated = {name: entry for name, entry in document["telling"].items() if entry is not None and entry["pairs"]}
    tables = [_table(document, simulated)] if simulated else []
    if document["risk"] is None:
        yield Presentation("limit", "limit", tables=tables)
        return
    parts = texts(_limit(document), _minimax(document), *more_data(document))
    yield Presentation("limit", "limit", parts, tables)
    figure = BY_SIZE if document.get("bits_by_size") else None
    yield Presentation("bits_by_size", "limit", [Part("figure", name=BY_SIZE.name)], figure=figure)


def _limit(document: Document) -> str:
    risk = document["risk"]
    if document["bounded_pairs"]:
        return (
            "What endless training of this kind would leave is not known, for it leaves hypotheses undecided that it is not silent about"
            f": {document['bounded_pairs'][0]['words']}."
        )
    if risk["limit"] is None:
        return ""
    removed = risk["mean"] - risk["limit"]
    text = f"The risk is {percent(risk['mean'])}. {endless(risk, takes_best(document))}"
    if abs(removed) < LEAST:
        text += " More of the same data changes nothing."
    else:
        verb = "remove" if removed > 0 else "add"
        text += f" More of the same data can {verb} a catastrophe in {percent(abs(removed))} of scenes."
    if document["silent_pairs"]:
        text += " Where the data are silent, only other data, or telling the agent more of human values, changes what it takes up."
    return text


def takes_best(document: Document) -> bool:
    """Return whether an agent that knows the truth always takes the best option."""
    agent = document["agent"]
    misled = agent["abstain"] and agent["fail_utility"] is not None
    policy = POLICIES.get(agent["policy"])
    return policy is not None and policy.maximises and not misled


def endless(risk: Mapping[str, Any], best: bool = True) -> str:
    """Return the asymptotic risk and its reasons.

    `best` is the value of `takes_best`. The text is empty where the risk is and stays 0, or is not known.
    """
    limit, silent = risk["limit"], risk["limit_silent"]
    if limit is None or max(limit, risk["mean"]) < 1e-9:
        return ""
    if limit < 1e-9:
        return "Endless training of this kind would leave none of it."
    verb = "still leave" if limit <= risk["mean"] + LEAST else "raise it to"
    quiet = "the data are silent between hypotheses that differ on the test, so assumptions decide what is good and what the agent takes up"
    forced = "even the best option on offer there is worse than failing"
    if not best:
        forced = "even where the agent knows what people mean, its policy takes a worse option now and then (or none is better)"
    if (risk.get("unmodelled") or {"weight": 0})["weight"] >= LEAST:
        forced = (
            f"no listed rule may be right, and more of the same says nothing of what training never saw; or {forced}"
        )
    if limit - silent < LEAST and silent > 0:
        why = quiet
    elif silent < LEAST:
        why = forced
    else:
        why = f"{percent(silent)} because {quiet}; the rest because {forced}"
    return f"Endless training of this kind would {verb} {percent(limit)}: {why}."


def _minimax(document: Document) -> str:
    """Return the minimax lower bound of the risk.

    The text is empty where training tells all hypotheses apart.
    """
    minimax = document["impossible"]
    least = None if minimax is None else minimax["risk"].get("0.0")
    if minimax is None or not least:
        return ""
    half = minimax["risk"].get("0.5")
    wary = "" if half is None else f" If it refrains in half of the scenes, at least {percent(half)}."
    return (
        f"An agent that sees only such training does the same whichever of {listed(minimax['hypotheses'], 6)} is true. If it always "
        f"acts, the larger of its risks under them is at least {percent(least)}, whatever its prior and policy.{wary}"
    )


def more_data(document: Document) -> list[str]:
    """Return the items in all that would settle unsettled pairs, by feedback."""
    sentences, weights = [], document["weights"]
    for name, simulated in document["telling"].items():
        if simulated is None:
            continue
        unsettled = [p for p in simulated["pairs"] if min(weights[p["truth"]], weights[p["other"]]) > UNSETTLED]
        unsettled.sort(key=lambda p: -weights[p["truth"]])
        for pair in unsettled[:2]:
            expected = ExpectedItems(name, simulated, pair)
            aim = f"if {pair['truth']!r} is true, to favour it over {pair['other']!r} at {expected.odds:g} to 1"
            if math.isinf(expected.items):
                sentence = f"More than {expected.most:,} items of {name} such as these would be needed in all, {aim}."
            else:
                sentence = (
                    f"About {counted(int(expected.items), 'item')} of {name} such as these in all can be expected, {aim}"
                    f"{expected.so_far(document)}."
                )
            sentences.append(sentence)
    return sentences


@dataclass(frozen=True)
class ExpectedItems:
    """The expected items of a feedback that favour one hypothesis over another."""

    feedback: str
    simulated: Mapping[str, Any]
    pair: Mapping[str, Any]

    @property
    def odds(self) -> float:
        """Odds to be reached."""
        return float(next(iter(self.pair["items"])))

    @property
    def items(self) -> float:
        """Items in all; infinite where the simulated sizes do not reach the odds."""
        items = next(iter(self.pair["items"].values()))
        return math.inf if items is None else items

    @property
    def most(self) -> int:
        """The largest simulated size."""
        return int(self.simulated["sizes"][-1])

    def log_odds(self, document: Document) -> float | None:
        """Return the log Bayes factor of training for the hypothesis.

        The result is None with several feedbacks, or where it is not known.
        """
        truth, other = self.pair["truth"], self.pair["other"]
        for pair in document["pairs"] if len(document["n_items"]) == 1 else ():
            factor = pair["log_bayes_factor"]
            if factor is not None and set(pair["pair"]) == {truth, other}:
                return float(-factor if pair["pair"][0] == other else factor)
        return None

    def missed(self, document: Document) -> bool:
        """Return whether training has at least this many items and misses the odds."""
        log_odds = self.log_odds(document)
        enough = document["n_items"][self.feedback] >= self.items
        return log_odds is not None and enough and 0 <= log_odds < math.log(self.odds)

    def so_far(self, document: Document) -> str:
        """Return the odds of the pair in training, to follow the expected items."""
        n, log_odds = document["n_items"][self.feedback], self.log_odds(document)
        if log_odds is None:
            return f"; training has {n:,}"
        if log_odds < 0:
            return f"; the {n:,} of training favour {self.pair['other']!r}"
        short = ", less than expected: people may go by neither" if self.missed(document) else ""
        return f"; the {n:,} of training do so at {_odds(log_odds)} to 1{short}"

    def sentence(self, document: Document) -> str:
        """Return the number of items, and the odds of the pair in training."""
        never = math.isinf(self.items)
        which = f" of {self.feedback}" if len(document["telling"]) > 1 else ""
        many = f"more than {self.most:,}" if never else f"about {self.items:,}"
        aim = f"{self.pair['truth']!r} over {self.pair['other']!r} at {self.odds:g} to 1"
        return f"{many}{which} in all are expected to favour {aim}" + ("" if never else self.so_far(document))


def hardest(document: Document, least: float = UNSETTLED) -> ExpectedItems | None:
    """Return the items that tell the leading hypothesis from its closest rival.

    Only hypotheses that agent or judge give more weight than ``least`` count, and of each the feedback that tells it soonest;
    None where no number was simulated for any of them.
    """
    weights, agent, lead = document["weights"], document["agent_weights"], leading(document)
    soonest: dict[str, ExpectedItems] = {}
    for name, simulated in document["telling"].items():
        if simulated is None:
            continue
        classes = {h: members for members in simulated["classes"] for h in members}
        for pair in simulated["pairs"]:
            others = classes.get(pair["other"], ())
            if lead not in classes.get(pair["truth"], ()) or not any(
                max(weights[h], agent.get(h, 0.0)) > least for h in others
            ):
                continue
            expected = ExpectedItems(name, simulated, pair)
            if pair["other"] not in soonest or expected.items < soonest[pair["other"]].items:
                soonest[pair["other"]] = expected
    return max(soonest.values(), key=lambda expected: expected.items, default=None)


def _odds(log_odds: float) -> str:
    """Return odds that are not below 1, in two digits."""
    if log_odds > math.log(1e6):
        return "more than 1,000,000"
    x = float(f"{math.exp(log_odds):.2g}")
    return f"{x:,.0f}" if x >= 10 else f"{x:g}"


def _table(document: Document, simulated: Mapping[str, Mapping[str, Any]]) -> PaperTable:
    odds = list(next(iter(simulated.values()))["pairs"][0]["items"])
    columns = (
        Column("feedback", "feedback"),
        Column("truth", "if it is true"),
        Column("other", "over"),
        *(Column(f"items_{o}", f"items for {float(o):g} to 1", "count", error=f"items_{o}_mcse") for o in odds),
        *(Column(f"items_{o}_mcse") for o in odds),
        Column("at_most"),
    )
    rows = tuple(
        (
            name,
            pair["truth"],
            pair["other"],
            *(pair[key][o] for key in ("items", "items_mcse") for o in odds),
            entry["sizes"][-1],
        )
        for name, entry in simulated.items()
        for pair in entry["pairs"]
    )
    caption = (
        "Fewest items in all such as training has, of each feedback, of which a log Bayes factor of so many to one is expected in favour "
        "of the hypothesis, were it true; none given where that is not reached. By simulation."
    )
    ranks = pair_ranks(document, [row[1:3] for row in rows])
    return PaperTable("telling", "What more data would tell", caption, columns, rows, ranks=ranks)


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    from reward_hypotheses.analysis.report import figure_style as style

    curve = document["bits_by_size"]
    fig, ax = style.figure(style.COLUMN, 2.5)
    sizes = np.array(curve["sizes"], float)
    for key, color, line, label in (
        ("training", style.VERMILION, "-", "items of training"),
        ("telling", style.BLUE, "--", "items of the test, judged"),
    ):
        mean, lower, upper = (np.array(curve[key][k], float) for k in ("mean", "lower", "upper"))
        ax.fill_between(sizes, lower, upper, color=color, alpha=0.18, linewidth=0)
        ax.plot(sizes, mean, line, color=color, marker="o", markersize=3, label=label)
    ax.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0.0, *(10.0**k for k in range(int(math.log10(max(sizes[-1], 1))) + 1))]
    style.fixed_ticks(ax, ticks, ",.0f")
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    ax.set_xlabel("items seen")
    ax.set_ylabel(f"bits that an agent of uniform prior\nneeds for a risk of {100 * curve['target']:g}%")
    ax.grid(axis="y")
    ax.set_axisbelow(True)
    style.legend(fig)
    return fig


def _caption(document: Document) -> tuple[str, str]:
    curve = document["bits_by_size"]
    caption = (
        f"The least that an agent of uniform prior must be told of human values, in bits, for a risk of at most "
        f"{100 * curve['target']:g}%, by how many items it saw: items of training, or items of the test, each judged by a "
        f"hypothesis drawn from the human values. One bit is the answer to one even yes-or-no question. Means of "
        f"{curve['replications']} draws of the data; bands hold {100 * curve['band']:g}% of them."
    )
    if any(any(curve[key]["impossible"]) for key in ("training", "telling")):
        caption += " Where even who knew the truth could not bring the risk so low, a draw is left out of the mean."
    training, judged = ([v for v in curve[key]["mean"] if v is not None] for key in ("training", "telling"))
    needed = curve["training"]["mean"][-1]
    if needed is None:
        return "No amount of information about human values brings the risk so low.", caption
    of_agent = (document["value_bits_of_agent"] or {}).get(repr(float(curve["target"])))
    this = "" if of_agent is None or abs(of_agent - needed) < 0.005 else f" (this study's agent {of_agent:.2f})"
    short = f"an agent of uniform prior {needed:.2f} bits of human values short{this}"
    flat = len(training) > 2 and abs(training[-1] - training[-3]) < 0.02
    if flat and document["silent_pairs"] and judged and needed > judged[-1] + 0.05:
        stays = f"it leaves {short}, however much of it there is"
        return f"More of this training soon stops helping: {stays}. Items that tell would help.", caption
    return f"{curve['sizes'][-1]:,} items of training leave {short}.", caption


BY_SIZE = Plot("bits_by_size", _draw, _caption)
