"""Operators and functions of expressions: spelling and number of arguments."""

import numpy as np

FUNCTIONS = {"where": (3, 3), "min": (2, 99), "max": (2, 99), "abs": (1, 1), "exp": (1, 1)}
FUNCTIONS |= {"log": (1, 1), "sqrt": (1, 1), "clip": (3, 3)}
ARITHMETIC = ("+", "-", "*", "/", "**")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = ("and", "or", "not")
SPELLED = {"&": "and", "|": "or"}
ALPHABET = len(ARITHMETIC) + len(COMPARISONS) + len(LOGIC) + len(FUNCTIONS)
"""Operators and functions, 22: logic counts once however it is spelled (``&`` is ``and``)."""
Operand = tuple[np.ndarray | np.float64 | float, np.ndarray | None]
"""A value and, for truth values, where they are undefined (None: nowhere). Undefined numbers are NaN.

A constant is a float, of which numpy makes shorter work than of its own scalars.
"""
