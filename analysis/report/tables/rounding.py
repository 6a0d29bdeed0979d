"""Numbers for a reader, rounded to their error.

Only a share that is exactly 0 or 1 reads as 0 % or 100 %.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from reward_hypotheses.analysis.report.phrases import percent

Kind = Literal["text", "share", "level", "nats", "number", "count", "row"]
"""How a value is shown: an estimated `share` and a stated `level` in percent; `row`: in the unit of its row."""

DIGITS = 3
NOISE = 1e-7
"""Relative error below which a number counts as exact: such an error is that of the arithmetic."""

NOTHING = "\N{EM DASH}"


def rounded(value: float, error: float | None = None) -> str:
    """Round a number to the first digit of its error; else to three digits.

    Parameters
    ----------
    value : float
    error : float or None
        0, None, or below 1e-7 of the number: none.

    Returns
    -------
    str
        A number in Python's notation. Ties are rounded like Python's `round`. Zero has no sign. A number below 1e-4
        that needs more than six decimals, and one of 1e9 or more, has an exponent.
    """
    if error is not None and error > NOISE * abs(value):
        decimals = -_exponent(error)
    else:
        near = Decimal(f"{value:.{DIGITS - 1}e}")  # 0.9996 is 1.00, of another power of ten
        decimals = DIGITS - 1 - near.adjusted() if near else 0
    near = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)  # exact, of the number as stored
    if near == 0:
        return f"{0:.{min(max(decimals, 0), 6)}f}"
    if abs(near) >= 1e9 or (abs(near) < 1e-4 and decimals > 6):
        digits, power = f"{near:.{decimals + near.adjusted()}e}".split("e")
        return f"{digits}e{int(power)}"
    return f"{near:f}"


def _exponent(x: float) -> int:
    """Return the power of ten of the first significant digit."""
    return Decimal(repr(float(x))).adjusted()


def shown(value: Any, kind: Kind, error: float | None = None, zero: float | None = None) -> str:
    """Return a rounded value for a reader, with its sign of percent; a dash for None."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if kind == "text":
        return str(value)
    if kind == "count":
        return f"{round(value):,}"
    if kind == "level":
        return f"{100 * value:g}%"
    known = error is not None and error > NOISE * abs(value)
    if kind == "share":
        return _share(value, error) if known and value else percent(value, zero)
    if kind == "nats" and not known:
        return _typeset(f"{round(value, 2) + 0.0:.2f}")
    return _typeset(rounded(value, error))


def _share(x: float, error: float | None) -> str:
    """Return a share in percent, rounded to its error.

    Only an exact share reads as 0 or 100.
    """
    text = rounded(100 * x, None if error is None else 100 * error)
    if error is not None and float(text) in (0.0, 100.0) and x < 1 - 1e-12:
        decimals = -_exponent(100 * error)
        step = 10.0**-decimals
        wide = f"{step if float(text) == 0 else max(100 - step, 0):.{max(decimals, 0)}f}"
        return f"{'<' if float(text) == 0 else '>'}{wide}%"
    return _typeset(text) + "%"


POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _typeset(number: str) -> str:
    digits, _, power = number.partition("e")
    times = f" \N{MULTIPLICATION SIGN} 10{power.translate(POWERS)}" if power else ""
    return digits.replace("-", "\N{MINUS SIGN}") + times
