"""What a notebook shows of results and risks: one screen of HTML, texts escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    import xarray as xr

MOST_ROWS, MOST_WARNINGS, SCENES = 12, 5, 5
"""Hypotheses, warnings and scenes that are listed."""


def results_html(document: Mapping[str, Any]) -> str:
    """Return a results document on one screen: warnings, risk, weights."""
    risk, weights = document.get("risk"), document["weights"]
    parts = [_element("strong", document.get("title") or "A study of reward hypotheses"), _warnings(document)]
    if risk is None:
        parts.append(_element("p", "There is no test, so there is no risk."))
    else:
        ends = risk.get("intervals") or {"values": None if risk["lower"] is None else [risk["lower"], risk["upper"]]}
        parts.append(_risk(risk["mean"], risk["prob"], ends, risk["limit"]))
    names = sorted(weights, key=lambda name: -weights[name])
    columns = ("prior", "weights", "agent_weights")
    rows = ((name, *(_percent(document[key].get(name)) for key in columns)) for name in names[:MOST_ROWS])
    parts.append(_table(("hypothesis", "prior", "posterior weight", "agent's weight"), rows))
    if len(names) > MOST_ROWS:
        parts.append(_element("p", f"{len(names) - MOST_ROWS} hypotheses of smaller weight are not shown."))
    return f"<div>{''.join(parts)}</div>"


def risk_html(risk: "xr.Dataset", plain: str) -> str:
    """Return a risk on one screen, and xarray's own view of the Dataset, `plain`.

    To unfold.
    """
    import numpy as np

    ends = {}
    for source in risk["source"].to_numpy().tolist():
        pair = risk["interval"].sel(source=source).to_numpy()
        ends[str(source)] = None if np.isnan(pair).any() else pair.tolist()
    limit = float(risk["limit"]) if "limit" in risk else float("nan")
    parts = [
        _element("strong", "Catastrophe risk"),
        _risk(float(risk["mean"]), risk.attrs["prob"], ends, None if np.isnan(limit) else limit),
    ]
    truths = [str(name) for name in risk["by_truth"]["hypothesis"].to_numpy()]
    by_truth = sorted(zip(truths, risk["by_truth"].to_numpy().tolist(), strict=True), key=lambda row: -row[1])
    tables = [_table(("if this is true", "risk"), ((name, _percent(x)) for name, x in by_truth[:MOST_ROWS]))]
    if "by_scene" in risk:
        scenes = risk["by_scene"].to_numpy()
        if np.ptp(scenes) > 1e-9:
            worst = np.argsort(-scenes, kind="stable")[:SCENES]
            names = risk["by_scene"]["scene"].to_numpy()
            rows = ((str(names[m]), _percent(float(scenes[m]))) for m in worst)
            tables.append(_table(("riskiest scenes", "risk"), rows))
        else:
            parts.append(_element("p", f"The risk is the same in all {len(scenes):,} scenes."))
    parts.append(f'<div style="display: flex; gap: 2em; align-items: flex-start">{"".join(tables)}</div>')
    return f"<div>{''.join(parts)}<details><summary>The whole Dataset</summary>{plain}</details></div>"


def _risk(mean: float, prob: float, ends: Mapping[str, Sequence[float] | None], limit: float | None) -> str:
    """Return the risk, its interval, and what the interval contains."""
    from reward_hypotheses.analysis.report.phrases import SOURCES

    every = ends.get("all")
    if every is None:
        text = "No interval: the values are stated without a strength."
    else:
        sources = [words for key, words in SOURCES.items() if (pair := ends.get(key)) and pair[1] - pair[0] > 1e-9]
        inside = f"It contains {_listed(sources)}." if sources else "No source of uncertainty moves the risk."
        text = f"{100 * prob:g}% interval {_percent(every[0])} to {_percent(every[1])}. {inside}"
        if ends.get("values") is None:
            text += " The values are stated without a strength, so uncertainty about them is not in it."
    if limit is not None:
        text += f" More training data of this kind would leave {_percent(limit)}."
    return f'<p><span style="font-size: 1.6em">{_percent(mean)}</span> of test scenes end in a catastrophe. {_text(text)}</p>'


def _warnings(document: Mapping[str, Any]) -> str:
    warnings = document.get("warnings") or []
    if not warnings:
        return ""
    listed = "".join(_element("li", warning) for warning in warnings[:MOST_WARNINGS])
    more = f"<li>{len(warnings) - MOST_WARNINGS} more under 'warnings'</li>" if len(warnings) > MOST_WARNINGS else ""
    return f"<ul>{listed}{more}</ul>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(_element("th", text) for text in heads)
    body = "".join(f"<tr>{''.join(_element('td', text) for text in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _percent(share: float | None) -> str:
    from reward_hypotheses.analysis.report.phrases import percent

    return percent(share)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    return escape(visible(str(text)))
