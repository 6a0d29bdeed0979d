"""Tables of scenes whose chosen options and stops are evidence over a space of rules."""

import numpy as np


def answered(rng, n, options, ragged=False, failing=False):
    """Return scenes with the features of `rule_studies.tables`, a chosen option, stops, and counts."""
    m = n * options
    table = {
        "scene": np.repeat(np.arange(n), options),
        "option": np.tile(np.arange(options), n),
        "red": rng.random(m) < 0.4,
        "flags": rng.random(m) < 0.4,
        "depth": rng.random(m).round(2),
        "level": rng.random(m) < 0.5,
    }
    worth = 100.0 * table["red"] + rng.gumbel(size=m) * 80
    if ragged:
        table["available"] = rng.random(m) < 0.7
        table["available"][::options] = True
        worth[~table["available"]] = -np.inf
    if failing:
        table["is_failing"] = rng.random(m) < 0.2
    best = worth.reshape(n, options).argmax(axis=1)
    table["chosen"] = (np.arange(options) == best[:, None]).ravel()
    table["stopped"] = rng.random(m) < 0.4
    table["times"] = np.repeat(rng.integers(1, 4, n), options)
    return table
