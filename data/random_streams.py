"""Randomness: one named substream a purpose, so that what is drawn for one does not depend on what else was drawn."""

import hashlib

import numpy as np


def substream(seed: int, purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose, independent of all other purposes."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, key]))
