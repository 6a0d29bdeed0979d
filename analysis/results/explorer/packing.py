"""Arrays of numbers as short JSON: base64 of their bytes, little-endian."""

import base64

import numpy as np

from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.data.numerics import distinct

INTEGERS = (("u8", 2**8), ("u16", 2**16), ("u32", 2**32))


def packed(values: np.ndarray) -> Document:
    """Return floats as JSON that gives them back to the last bit.

    ``{"all", "n"}`` where all are equal; ``{"table", "u8" | "u16"}``, distinct values and places among them, where that is
    shorter; else ``{"f64"}``.

    Parameters
    ----------
    values : ndarray (n,) of float
        Finite.
    """
    values = np.asarray(values, "<f8").ravel()
    if len(values) and (values == values[0]).all():
        return {"all": float(values[0]), "n": len(values)}
    table, _, place, _ = distinct(values)
    coded = packed_integers(place) if len(table) <= 2**16 else {}
    width = 1 if "u8" in coded else 2
    if coded and 8 * len(table) + width * len(values) < 8 * len(values):
        return {"table": _base64(table.astype("<f8")), **coded}
    return {"f64": _base64(values)}


def packed_integers(values: np.ndarray) -> Document:
    """Return whole numbers from 0 as JSON, ``{"u8" | "u16" | "u32"}``: (n,)."""
    most = int(values.max(initial=0))
    name = next(name for name, end in INTEGERS if most < end)
    return {name: _base64(values.astype(f"<u{int(name[1:]) // 8}"))}


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
