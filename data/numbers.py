"""Numbers as people write them."""

import math
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown


def finite(value: Any) -> float | None:
    """Give a finite number as a float; None for anything else, a boolean or an integer of 400 digits among it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: object, what: str, least: int = 0) -> int:
    """Give a whole number of at least so many, bools not counted; InputError naming it otherwise."""
    number = value if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None
    if number is None or number < least:
        raise InputError(f"{what}: {shown(value)}; give a whole number from {least} on")
    return int(number)
