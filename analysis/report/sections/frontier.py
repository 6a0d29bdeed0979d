"""The frontier of safety and reward: every built-in policy by the agent's weights."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.plots.frontier import Mark, draw_frontier, groups_of, label_marks
from reward_hypotheses.analysis.report.claims import Claim, Read, Sentence, below, exceeds, holds, paragraph, value
from reward_hypotheses.analysis.report.phrases import LEAST, error_of, percent, policies, policy_name
from reward_hypotheses.analysis.report.presentation import Axes, Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.sentences.comparisons import UNSEEN, claims_alike, claims_less, greater
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, estimated_share

type Policy = Mapping[str, Any]

ROUNDING = 1e-9
"""Share of the largest reward below which a reward is a rounding error."""
EACH_LINE = 0.135
"""Inches from one line of the policies' names to the next."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the frontier, where there is a test."""
    if document["risk"] is None:
        return
    tables = [_table(document)] if document.get("frontier") else []
    compared = _own(document) is not None
    figure = FRONTIER if compared else None
    parts = [Part("figure", name=FRONTIER.name)] if compared else []
    said = safest(document)
    finding = safer_policy(document)
    yield Presentation(
        "frontier",
        "policies",
        [*parts, *texts(*said)],
        tables,
        figure,
        [*said, *_exchange()] if compared else said,
        finding=finding,
    )


def safer_policy(document: Document) -> Sentence:
    """Return whether a policy with the same permission to abstain is safer."""
    own = _own(document)
    if own is None:
        return Sentence("No policies were compared.", claims=[holds(lambda d: not d.get("frontier"))])
    entries = document["frontier"]
    alike = [k for k in _computed(document, entries[own]["abstain"]) if k != own]
    now, name = entries[own]["risk"], policy_name(entries[own])
    if not alike:
        text = f"The policy {name!r} was compared with no other policy that {_may(entries[own])}."
        claims = [
            holds(
                lambda d: not any(_comparable(e, d["frontier"][own]) for k, e in enumerate(d["frontier"]) if k != own)
            )
        ]
        return Sentence(text, claims=claims)
    best = min(alike, key=lambda k: entries[k]["risk"])
    if greater(document, _risk(own), _risk(best)):
        text = f"{policy_name(entries[best])!r} is safer than the study's policy {name!r}: {percent(entries[best]['risk'])} against {percent(now)}."
        return Sentence(text, _risk(best), _risk(own), claims=claims_less(_risk(best), _risk(own)))
    text = f"No other policy that {_may(entries[own])} is safer than {name!r} ({percent(now)})."
    return Sentence(text, _risk(own), claims=[_not_less(k, own) for k in alike])


def safest(document: Document) -> list[Sentence]:
    """Return sentences on the study's own policy, and on the safest ones."""
    own = _own(document)
    if own is None:
        return []
    entry = document["frontier"][own]
    first = Sentence(
        f"The study's policy {policy_name(entry)!r}: risk {percent(entry['risk'])}, expected reward {_earned(document, own)} a scene.",
        _risk(own),
        _reward(own),
    )
    kinds = [entry["abstain"], not entry["abstain"]]
    if not any(greater(document, _risk(own), _risk(k)) for k in _computed(document, entry["abstain"])):
        kinds = kinds[1:]  # the finding says that the study's own is the safest of its kind
    return [sentence for sentence in (first, *(_safest_of(document, kind) for kind in kinds)) if sentence]


def _safest_of(document: Document, abstain: bool) -> Sentence:
    """Return the safest policy of those that may abstain, or of those that must act."""
    entries, those = document["frontier"], _computed(document, abstain)
    if not those:
        return Sentence("")
    order = sorted(those, key=lambda k: (round(entries[k]["risk"], 9), -entries[k]["reward"]))
    best, as_safe = order[0], [k for k in order[1:] if not greater(document, _risk(k), _risk(order[0]))]
    entry = entries[best]
    risk = percent(entry["risk"], None if entry["abstained"] > 1 - LEAST else document["risk"]["upper_of_zero"])
    reads: list[Read] = [_risk(best), _reward(best), "risk.upper_of_zero", len(as_safe)]
    claims: list[Claim] = [_not_less(k, best) for k in those]
    refrains = ""
    if abstain:
        refrains = f", abstaining in {percent(entry['abstained'])} of scenes"
        reads.append(("frontier", best, "abstained"))
    n, group = len(as_safe) + 1, f"policies that {_may(entry)}"
    if len(those) == 1:
        lead = f"The one policy that {_may(entry)} is {policy_name(entry)!r}"
        claims = [holds(lambda d: sum(_comparable(e, d["frontier"][best]) for e in d["frontier"]) == 1)]
    elif as_safe:
        share_of = f"All {n} {group}" if n == len(those) else f"Of the {len(those)} {group}, {n}"
        lead = f"{share_of} have about the lowest risk, such as {policy_name(entry)!r}"
        reads += [n, len(those)]
        claims += claims_alike(_risk(best), *map(_risk, as_safe))
    else:
        lead = f"Of the {len(those)} {group}, {policy_name(entry)!r} is the safest"
        reads.append(len(those))
    return Sentence(f"{lead}: risk {risk}, reward {_earned(document, best)}{refrains}.", *reads, claims=claims)


def _dominated(document: Document, own: int) -> Sentence:
    """Return whether the study's own policy is Pareto-efficient.

    The result is empty where the errors leave it open.
    """
    entries = document["frontier"]
    if entries[own]["efficient"]:

        def dominates(d: Document, k: int) -> bool:
            e, o = d["frontier"][k], d["frontier"][own]
            return bool(e["risk"] is not None and e["risk"] < o["risk"] - LEAST and _more(d, k, own))

        text = "The study's policy is Pareto-efficient: no other policy is both safer and better rewarded."
        return Sentence(text, claims=[holds(lambda d: not any(dominates(d, k) for k in range(len(d["frontier"]))))])
    better = [
        k for k in _computed(document) if not exceeds(document, _risk(k), _risk(own), 0.0) and _more(document, k, own)
    ]
    if not better:
        return Sentence("")
    k = max(better, key=lambda k: (entries[k]["reward"], -entries[k]["risk"]))
    risk = "At a lower risk" if greater(document, _risk(own), _risk(k)) else "At about the same risk"
    claims = claims_less(_risk(k), _risk(own)) if "lower" in risk else claims_alike(_risk(own), _risk(k))
    text = f"{risk}, {entries[k]['words']!r} has a higher reward: {_earned(document, k)} instead of {_earned(document, own)}."
    return Sentence(text, _reward(k), _reward(own), claims=[*claims, below(_reward(own), _reward(k), 0.0)])


def _exchange() -> list[Sentence]:
    """Return how rewards of different hypotheses are added."""
    return [
        Sentence("Expected rewards are the judge's, and add rewards of several hypotheses without rescaling."),
        Sentence("The sum sets an exchange rate between hypotheses, which is a human value."),
    ]


def _own(document: Document) -> int | None:
    """Return the place of the study's own policy.

    The result is None where its outcome was not computed.
    """
    entries = enumerate(document.get("frontier") or [])
    return next((k for k, entry in entries if entry["own"] and entry["risk"] is not None), None)


def _computed(document: Document, abstain: bool | None = None) -> list[int]:
    """Return the places of policies with an outcome, of one permission or of all."""
    entries = enumerate(document["frontier"])
    return [k for k, e in entries if e["risk"] is not None and (abstain is None or e["abstain"] == abstain)]


def _comparable(entry: Policy, other: Policy) -> bool:
    return entry["risk"] is not None and bool(entry["abstain"] == other["abstain"])


def _risk(k: int) -> Read:
    return ("frontier", k, "risk")


def _reward(k: int) -> Read:
    return ("frontier", k, "reward")


def _may(entry: Policy) -> str:
    return "may abstain" if entry["abstain"] else "must act"


def _more(document: Document, k: int, other: int) -> bool:
    """Return whether a policy earns more than another.

    By more than the error, and in the digits shown.
    """
    return exceeds(document, _reward(k), _reward(other), 0.0) and _earned(document, k) != _earned(document, other)


def _earned(document: Document, k: int) -> str:
    """Return the reward of a policy for a reader.

    What rounding leaves of a sum of rewards is 0.
    """
    scale = max(abs(entry["reward"]) for entry in policies(document))
    reward = document["frontier"][k]["reward"]
    return "0" if abs(reward) < ROUNDING * scale else f"{reward:.3g}"


def _not_less(k: int, best: int) -> Claim:
    """Claim that a policy is not safer than another by more than the errors."""

    def as_risky(d: Document) -> bool:
        errors = [error_of(d, *place) or 0.0 for place in (("frontier", k, "risk"), ("frontier", best, "risk"))]
        apart = value(d, _risk(best)) - value(d, _risk(k))
        return bool(apart <= max(UNSEEN, 2 * math.hypot(*errors)))

    return holds(as_risky)


def _table(document: Document) -> PaperTable:
    numbers = ("risk", "reward", "regret", "abstained", "price")
    columns = (
        Column("policy", "policy"),
        estimated_share("risk", "risk", document["risk"]["upper_of_zero"]),
        Column("reward", "reward", "number", error="reward_mcse"),
        estimated_share("abstained", "abstains"),
        Column("price", "cost of abstaining", "number", error="price_mcse"),
        Column("efficient", "efficient"),
        Column("regret"),
        Column("own"),
        Column("lacking"),
        *(Column(f"{key}_mcse") for key in numbers),
    )
    rows = (
        entry
        | {"policy": entry["words"] + (" (this study's)" if entry["own"] else "")}
        | {f"{key}_mcse": None if entry[key] is None else error_of(document, "frontier", k, key) for key in numbers}
        for k, entry in enumerate(document["frontier"])
    )
    caption = (
        "Built-in policies with the agent's weights. Reward: the judge's expectation, reward units a scene, added over hypotheses "
        "without rescaling. Efficient: no other policy is both safer and better rewarded."
    )
    return PaperTable("frontier", "Risk and reward by policy", caption, columns, cells(columns, rows))


def _caption(document: Document) -> tuple[str, str]:
    marks = [
        Sentence("Built-in policies with the agent's weights; rewards as the judge expects them."),
        Sentence("Dotted: a policy that must act, and the policy with permission to abstain."),
    ]
    efficient = {(round(e["risk"], 9), e["reward"]) for e in policies(document) if e["efficient"]}
    if len(efficient) > 1:
        marks.append(
            Sentence(
                "Stairs: Pareto-efficient policies.",
                claims=[holds(lambda d: sum(bool(e["efficient"]) for e in d["frontier"]) > 1)],
            )
        )
    own = _own(document)
    assert own is not None
    return _dominated(document, own) or Sentence("Risk and expected reward of the built-in policies."), paragraph(
        *marks
    )


def _draw(document: Document, _: Tree) -> Figure:
    import numpy as np

    entries = policies(document)
    risk, reward = (np.array([entry[key] for entry in entries], float) for key in ("risk", "reward"))
    spots = [[entries[k] for k in group] for group in groups_of(risk, reward)]
    labels = [textwrap.wrap(_spot_words(spot), 62) for spot in spots]
    lines = sum(map(len, labels)) + 0.35 * len(labels)
    height, ratios = 3.0 + EACH_LINE * lines, (2.4, EACH_LINE * lines)
    fig, (ax, below) = style.figure(style.PAGE * 0.62, height, rows=2, ratios=ratios)
    abstain, own, best = ([entry[key] for entry in entries] for key in ("abstain", "own", "efficient"))
    marks = draw_frontier(ax, risk, reward, abstain, own, best, [_key(entry) for entry in entries])
    _list_below(below, labels, marks, lines)
    style.legend(fig, columns=2)
    label_marks(ax, [str(number) for number in range(1, len(spots) + 1)], marks)
    return fig


def _informs(document: Document) -> bool:
    entries = policies(document)
    rewards = [entry["reward"] for entry in entries]
    span = max(map(abs, rewards), default=0.0)
    return not (style.alike(entry["risk"] for entry in entries) and style.alike(rewards, span))


def _key(entry: Policy) -> tuple[str, str]:
    """Return a policy and its settings, without its permission to abstain."""
    return entry["policy"], str(entry["settings"])


def _spot_words(spot: Sequence[Policy]) -> str:
    """Return the policies for which a mark stands."""
    names = {_key(e): policy_name(e) + (" (this study's)" if e["own"] else "") for e in sorted(spot, key=_is_own)}
    acting = [_key(entry) for entry in spot if not entry["abstain"]]
    abstaining = [_key(entry) for entry in spot if entry["abstain"]]
    groups = [
        ([key for key in acting if key in abstaining], " (abstaining or not)"),
        ([key for key in acting if key not in abstaining], ""),
        ([key for key in abstaining if key not in acting], " + abstaining"),
    ]
    return "; ".join(", ".join(names[key] for key in keys) + end for keys, end in groups if keys)


def _is_own(entry: Policy) -> bool:
    return bool(entry["own"])


def _list_below(ax: Axes, labels: Sequence[Sequence[str]], marks: Sequence[Mark], lines: float) -> None:
    """Name every mark by its number, in a list."""
    ax.set_axis_off()
    done = 0.0
    for number, (label, mark) in enumerate(zip(labels, marks, strict=True), start=1):
        for x, align, words in ((-0.035, "right", str(number)), (-0.015, "left", "\n".join(label))):
            place: dict[str, Any] = {"transform": ax.transAxes, "ha": align, "va": "top", "linespacing": 1.25}
            ax.text(x, 1 - done / lines, words, **place, **mark.look).set_in_layout(False)
        done += len(label) + 0.35


FRONTIER = Plot("frontier", _draw, _caption, _informs)
