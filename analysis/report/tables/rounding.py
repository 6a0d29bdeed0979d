"""Numbers for a reader, rounded to their error and their uncertainty.

Only a share that is exactly 0 or 1 reads as 0 % or 100 %. The rules:

- A number is rounded to the first digit of its Monte Carlo error; an exact number to three digits, an exact share to 0.1 %.
- A headline number (``numbers.tex``) is rounded further where it rests on something uncertain. The unit of its last digit is
  then the power of ten of which the uncertainty u holds between 3.55 and 35.4, so that u keeps one or two significant digits
  (Particle Data Group, Review of Particle Physics, introduction, section 5.3). Of the two units the coarser one counts. No share
  is coarser than 1 % for its uncertainty: that of a share has two digits at most.

`headline_numbers` states the uncertainty of every headline number.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Literal

from reward_hypotheses.analysis.report.phrases import percent

Kind = Literal["text", "share", "level", "nats", "number", "count", "row"]
"""How a value is shown: an estimated `share` and a stated `level` in percent; `row`: in the unit of its row."""

DIGITS = 3
NOISE = 1e-7
"""Relative error below which a number counts as exact: such an error is that of the arithmetic."""

MOST_UNCERTAIN = 35.0
"""Greatest uncertainty of a share, in percent: it leaves whole percents, of which 35 has two digits."""

NOTHING = "\N{EM DASH}"


def rounded(value: float, error: float | None = None, uncertainty: float | None = None) -> str:
    """Round a number to the first digit of its error; else to three digits.

    Parameters
    ----------
    value : float
    error : float or None
        Monte Carlo error. 0, None, or below 1e-7 of the number: none.
    uncertainty : float or None
        Of what the number rests on, such as half of its interval; it can make the last digit coarser and never finer.

    Returns
    -------
    str
        A number in Python's notation. Ties are rounded like Python's `round`. Zero has no sign. A number below 1e-4
        that needs more than six decimals, and one of 1e9 or more, has an exponent.
    """
    last = _digit_of_error(value, error)
    if last is None:
        near = Decimal(f"{value:.{DIGITS - 1}e}")  # 0.9996 is 1.00, of another power of ten
        last = near.adjusted() - DIGITS + 1 if near else 0
    decimals = -_coarser(last, value, uncertainty)
    near = Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)  # exact, of the number as stored
    if near == 0:
        return f"{0:.{min(max(decimals, 0), 6)}f}"
    if abs(near) >= 1e9 or (abs(near) < 1e-4 and decimals > 6):
        digits, power = f"{near:.{decimals + near.adjusted()}e}".split("e")
        return f"{digits}e{int(power)}"
    return f"{near:f}"


def _digit_of_error(value: float, error: float | None) -> int | None:
    """Return the power of ten of an error's first digit; None if exact."""
    return Decimal(repr(float(error))).adjusted() if error is not None and error > NOISE * abs(value) else None


def _coarser(last: int, value: float, uncertainty: float | None) -> int:
    """Return the last digit's power of ten, as coarse as the uncertainty."""
    if uncertainty is None or uncertainty <= NOISE * abs(value):
        return last
    three = Decimal(f"{uncertainty:.2e}")
    return max(last, three.adjusted() - (three.scaleb(-three.adjusted()) < Decimal("3.55")))


def shown(
    value: Any, kind: Kind, error: float | None = None, zero: float | None = None, uncertainty: float | None = None
) -> str:
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
    exact = _digit_of_error(value, error) is None
    if kind == "share":
        return _share(value, error, zero, uncertainty)
    if kind == "nats" and exact:
        return _typeset(f"{round(value, 2) + 0.0:.2f}")
    return _typeset(rounded(value, error, uncertainty))


def _share(x: float, error: float | None, zero: float | None, uncertainty: float | None) -> str:
    """Return a share in percent, rounded to its error and its uncertainty.

    Only an exact share reads as 0 or 100.
    """
    error = None if error is None else 100 * error
    uncertainty = None if uncertainty is None else min(100 * uncertainty, MOST_UNCERTAIN)
    finest = _digit_of_error(100 * x, error)
    last = _coarser(-1 if finest is None else finest, 100 * x, uncertainty)
    if x == 0 or (finest is None and last == -1):
        return percent(x, zero)
    near = Decimal(100 * x).quantize(Decimal(1).scaleb(last), ROUND_HALF_EVEN)
    if near in (0, 100) and x < 1 - 1e-12:
        step = 10.0**last
        wide = f"{step if near == 0 else max(100 - step, 0):.{max(-last, 0)}f}"
        return f"{'<' if near == 0 else '>'}{wide}%"
    return _typeset(rounded(100 * x, error if finest is not None else 0.1, uncertainty)) + "%"


POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _typeset(number: str) -> str:
    digits, _, power = number.partition("e")
    times = f" \N{MULTIPLICATION SIGN} 10{power.translate(POWERS)}" if power else ""
    return digits.replace("-", "\N{MINUS SIGN}") + times
