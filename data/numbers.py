"""Numbers as people write them."""

import math
from typing import Any

import numpy as np


def finite(value: Any) -> float | None:
    """Give a finite number as a float; None for anything else, a boolean or an integer of 400 digits among it."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
