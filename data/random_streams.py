"""Randomness: one named substream a purpose, so that what is drawn for one does not depend on what else was drawn."""

import hashlib

import numpy as np


def substream(seed: int, purpose: str) -> np.random.Generator:
    """Give the generator of one purpose, independent of every other purpose's."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, key]))
