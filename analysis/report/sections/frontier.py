"""The frontier of safety and reward: every built-in policy by the agent's weights."""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.report.phrases import capital, error_of, own_policy, percent, policies, policy_name
from reward_hypotheses.analysis.report.presentation import Axes, Document, Figure, Part, Plot, Presentation, Tree, texts
from reward_hypotheses.analysis.report.tables.table_model import Column, PaperTable, cells, estimated_share

if TYPE_CHECKING:
    import numpy as np

type Policy = Mapping[str, Any]

SAME = 1e-9
EACH_LINE = 0.135
"""Inches from one line of the policies' names to the next."""


def present(document: Document) -> Iterator[Presentation]:
    """Present the frontier, where there is a test."""
    if document["risk"] is None:
        return
    tables = [_table(document)] if document.get("frontier") else []
    figure = FRONTIER if policies(document) else None
    parts = [*texts(*safest(document)), Part("figure", name=FRONTIER.name)]
    yield Presentation("frontier", "number", parts, tables, figure)


def safest(document: Document) -> list[str]:
    """Return sentences on the safest policy and the study's own, with their rewards."""
    entries = policies(document)
    study_policy = next((entry for entry in entries if entry["own"]), None)
    if study_policy is None:
        return []
    best = min(entries, key=_by_risk)
    equal = sum(_same_outcome(entry, best) for entry in entries)
    who = repr(best["words"]) + (f" (and {equal - 1} that do as well)" if equal > 1 else "")
    sentences = [
        f"Of the built-in policies, by the same weights, the safest is {who}: a risk of {percent(best['risk'])} at an expected "
        f"reward of {best['reward']:.3g} a scene, refraining in {percent(best['abstained'])} of scenes. The study's own, "
        f"{study_policy['words']!r}: {percent(study_policy['risk'])} at {study_policy['reward']:.3g}."
    ]
    if study_policy["efficient"]:
        sentences.append("None of them is safer than the study's own and earns as much.")
    else:
        no_riskier = [
            e
            for e in entries
            if e["risk"] <= study_policy["risk"] + SAME and e["reward"] >= study_policy["reward"] - SAME
        ]
        richest = max(no_riskier, key=lambda entry: (entry["reward"], -entry["risk"]))
        if richest is best:
            sentences.append("The safest earns no less.")
        elif richest is not study_policy:
            sentences.append(
                f"No more risky than it, and earning most, is {richest['words']!r}: {percent(richest['risk'])} at {richest['reward']:.3g}."
            )
    sentences.append(
        "Expected reward is the judge's, and adds up rewards of different hypotheses as they stand, which sets an exchange rate "
        "between them: that is a human value too."
    )
    return sentences


def _by_risk(entry: Policy) -> tuple[float, float]:
    return round(entry["risk"], 9), -entry["reward"]


def _same_outcome(entry: Policy, other: Policy) -> bool:
    near = SAME * max(abs(entry["reward"]), abs(other["reward"]), 1e-300)
    return abs(entry["risk"] - other["risk"]) <= SAME and abs(entry["reward"] - other["reward"]) <= near


def _table(document: Document) -> PaperTable:
    numbers = ("risk", "reward", "regret", "abstained", "price")
    columns = (
        Column("policy", "policy"),
        estimated_share("risk", "risk", document["risk"]["upper_of_zero"]),
        Column("reward", "reward", "number", error="reward_mcse"),
        estimated_share("abstained", "abstains"),
        Column("price", "its price", "number", error="price_mcse"),
        Column("efficient", "best"),
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
        "Every built-in policy, by the agent's own weights. Reward: what the judge expects, reward units a scene, rewards of "
        "different hypotheses added up as they stand. Its price: how much less that is than of the same policy that must act. "
        "Best: none other is safer and earns as much."
    )
    return PaperTable("frontier", "Safety and reward, policy by policy", caption, columns, cells(columns, rows))


def _caption(document: Document) -> tuple[str, str]:
    caption = (
        "Every built-in policy, by the agent's own weights: what it risks, and what the judge expects it to earn, rewards of "
        "different hypotheses added up as they stand. A dotted line joins a policy that must act to the same that may abstain."
    )
    entries, study_policy = policies(document), own_policy(document)
    assert study_policy is not None
    if len({(round(e["risk"], 9), e["reward"]) for e in entries if e["efficient"]}) > 1:
        caption += " On the stairs: no other is safer and earns as much."
    if study_policy["efficient"]:
        return "No built-in policy is safer than the study's own and earns as much.", caption
    safer = [
        e for e in entries if e["risk"] < study_policy["risk"] - SAME and e["reward"] >= study_policy["reward"] - SAME
    ]
    if not safer:
        best = max((e for e in entries if e["risk"] <= study_policy["risk"] + SAME), key=lambda e: e["reward"])
        return f"{best['words']!r} is as safe as the study's own policy, and is expected to earn more.", caption
    best = min(safer, key=_by_risk)
    more = "earns more" if best["reward"] > study_policy["reward"] + SAME else "earns as much"
    risks = f"{percent(best['risk'])} against {percent(study_policy['risk'])}"
    return capital(f"{best['words']!r} is safer than the study's own policy and {more}: {risks}."), caption


def _draw(document: Document, _: Tree) -> Figure:
    from reward_hypotheses.analysis.report import figure_style as style

    entries = policies(document)
    spots = _spots(entries)
    labels = [textwrap.wrap(_spot_words(spot), 62) for spot in spots]
    lines = sum(map(len, labels)) + 0.35 * len(labels)
    height, ratios = 3.0 + EACH_LINE * lines, (2.4, EACH_LINE * lines)
    fig, (ax, below) = style.figure(style.PAGE * 0.62, height, rows=2, ratios=ratios)
    acting = {_key(entry): entry for entry in entries if not entry["abstain"]}
    for entry in entries:
        other = acting.get(_key(entry))
        if entry["abstain"] and other is not None:
            ends = [other["risk"], entry["risk"]], [other["reward"], entry["reward"]]
            ax.plot(*ends, color=style.MUTED, linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
    stairs = sorted({(entry["risk"], entry["reward"]) for entry in entries if entry["efficient"]})
    ax.step(*zip(*stairs, strict=True), where="post", color=style.BLUE, linewidth=1.2, zorder=2)
    marks = []
    for spot in spots:
        study_policy = next((entry for entry in spot if entry["own"]), None)
        efficient = any(entry["efficient"] for entry in spot)
        color = style.VERMILION if study_policy else style.BLUE if efficient else style.MUTED
        face = "white" if all(entry["abstain"] for entry in spot) else color
        mark = study_policy or spot[0]
        marks.append((mark["risk"], mark["reward"]))
        form, order = ("D", 5) if study_policy else ("o", 4)
        ax.plot(*marks[-1], form, markerfacecolor=face, markeredgecolor=color, zorder=order)
    style.shares_axis(ax, "risk (% of test scenes)", most=max(max(entry["risk"] for entry in entries), 0.01))
    ax.set_ylabel("expected reward\n(the judge's, units a scene)")
    ax.margins(y=0.1)
    ax.grid(visible=False)
    _list_below(below, spots, labels, lines)
    style.key(ax, "o", style.MUTED, "must act")
    style.key(ax, "o", style.MUTED, "may abstain", hollow=True)
    style.key(ax, "D", style.VERMILION, "this study's")
    ax.plot([], [], color=style.BLUE, marker="o", label="no other is safer and earns as much")
    style.legend(fig, columns=2)
    fig.draw_without_rendering()  # so that it is known where the marks are
    _number(ax, spots, marks)
    return fig


def _spots(entries: Sequence[Policy]) -> list[list[Policy]]:
    """Group policies whose marks would overlap; the best rewarded group comes first."""
    rewards = [entry["reward"] for entry in entries]
    span = max(max(rewards) - min(rewards), 1e-12)
    spots: list[list[Policy]] = []
    for entry in entries:
        for spot in spots:
            apart = (entry["risk"] - spot[0]["risk"]) / 0.012, (entry["reward"] - spot[0]["reward"]) / (0.015 * span)
            if math.hypot(*apart) < 1:
                spot.append(entry)
                break
        else:
            spots.append([entry])
    return sorted(spots, key=lambda spot: -spot[0]["reward"])


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


def _number(ax: Axes, spots: Sequence[Sequence[Policy]], marks: Sequence[tuple[float, float]]) -> None:
    """Number the marks, each number near its mark and clear of all others."""
    import numpy as np

    from reward_hypotheses.analysis.report import figure_style as style

    scale = 72 / ax.figure.dpi
    at = ax.transData.transform(np.array(marks)) * scale
    low, high = ax.get_window_extent().get_points() * scale
    half = np.array([5.5, 5.0])  # of a number of two digits, in points
    taken = [(mark, np.array([4.0, 4.0])) for mark in at]
    places = [
        r * np.array([math.cos(angle), math.sin(angle)])
        for r in (10.0, 12.0, 15.0, 20.0, 26.0, 33.0, 41.0, 50.0, 60.0, 75.0)
        for angle in np.pi / 4 + np.pi / 8 * np.arange(16)
    ]

    def clear(middle: "np.ndarray") -> bool:
        inside = bool((middle - half > low).all() and (middle - half < high + (2, 0)).all())
        return inside and all((np.abs(middle - other) >= half + size).any() for other, size in taken)

    for number, (spot, mark) in enumerate(zip(spots, at, strict=True), start=1):
        by = next((place for place in places if clear(mark + place)), places[0])
        taken.append((mark + by, half))
        line = {"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 3}
        text = ax.annotate(
            str(number),
            marks[number - 1],
            tuple(by),
            textcoords="offset points",
            ha="center",
            va="center",
            arrowprops=line if np.hypot(*by) > 13 else None,
            annotation_clip=False,
            zorder=6,
            **_text_style(spot),
        )
        text.set_in_layout(False)


def _text_style(spot: Sequence[Policy]) -> dict[str, Any]:
    """Return the style in which a mark is named."""
    from reward_hypotheses.analysis.report import figure_style as style

    if any(entry["own"] for entry in spot):
        return {"fontsize": 7.5, "color": style.VERMILION, "fontweight": "bold"}
    color = style.INK if any(entry["efficient"] for entry in spot) else style.MUTED
    return {"fontsize": 7.5, "color": color, "fontweight": "normal"}


def _list_below(ax: Axes, spots: Sequence[Sequence[Policy]], labels: Sequence[Sequence[str]], lines: float) -> None:
    """Name every mark by its number, in a list."""
    ax.set_axis_off()
    done = 0.0
    for number, (spot, label) in enumerate(zip(spots, labels, strict=True), start=1):
        for x, align, words in ((-0.035, "right", str(number)), (-0.015, "left", "\n".join(label))):
            place: dict[str, Any] = {"transform": ax.transAxes, "ha": align, "va": "top", "linespacing": 1.25}
            ax.text(x, 1 - done / lines, words, **place, **_text_style(spot)).set_in_layout(False)
        done += len(label) + 0.35


FRONTIER = Plot("frontier", _draw, _caption)
