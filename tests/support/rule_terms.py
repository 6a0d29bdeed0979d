"""Comparisons for rules on the sentences of a report, written apart from the report."""

import math

LEAST = 0.0005
DRAWS_ONE = ("commit", "boltzmann", "quantilize")


def at(document, place):
    """Return the entry at a tuple of keys; None where the path ends in a null."""
    for key in place:
        if document is None:
            return None
        document = document[key] if isinstance(document, list) else document.get(key)
    return document


def error(document, place):
    """Return the Monte Carlo error at a place, or 0."""
    if place == ("risk", "mean"):
        return document["risk"]["mcse"] or 0.0
    found = at(document, ("mcse", *place))
    return found if isinstance(found, (int, float)) else 0.0


def apart(document, low, high, least=LEAST):
    """Return whether the entry at `low` is below that at `high` by more than the errors."""
    allowed = max(least, 2 * math.hypot(error(document, low), error(document, high)))
    return at(document, high) - at(document, low) > allowed


def shown(x):
    """Return a share as it is written."""
    if x == 0:
        return "0%"
    if abs(x) < 0.0005:
        return "<0.1%"
    if 0.9995 <= x < 1 - 1e-12:
        return ">99.9%"
    return f"{100 * x:.1f}%"


def seen_apart(document, low, high):
    """Return whether a share is below another by more than the errors, and is written so."""
    return apart(document, low, high) and shown(at(document, low)) != shown(at(document, high))


def spent(document, table=None):
    """Return whether a test chose an agent."""
    return (document.get("spent") or {}).get(table or document["test_table"]) is not None


def zero(document, rate):
    """Return the upper limit that stands beside a rate of 0; empty where none follows."""
    limit = None if spent(document) else document["risk"]["upper_of_zero"]
    return "" if rate != 0 or limit is None else f" (< {shown(limit)})"


def interval(risk):
    """Return the interval of a risk; None where it has none."""
    if risk.get("intervals"):
        return risk["intervals"]["all"]
    return None if risk["lower"] is None else [risk["lower"], risk["upper"]]


def groups(pairs):
    """Return the sets of hypotheses that pairs join."""
    out = []
    for pair in map(set, pairs):
        joined = [group for group in out if group & pair]
        out = [group for group in out if not group & pair] + [pair.union(*joined)]
    return out


def list_of(words):
    """Return texts as a person lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def assumed(document):
    """Return whether the study's agent is none of those that differ by their prior alone."""
    return document["agent_reading"] is not None or not set(document["agent_weights"]) <= set(document["weights"])


def permission(document):
    return "may_abstain" if document["agent"]["abstain"] else "acts"
