"""Random streams: one named, independent substream for each purpose."""

import hashlib

import numpy as np


def substream(seed: int, purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose, independent of all other purposes."""
    key = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, key]))
