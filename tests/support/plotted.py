"""A small fit with its test, for tests of figures."""

import numpy as np

import reward_hypotheses as rh

RULES = {"red": "where(red, 1, -1)", "flags": "where(flags, 1, -1)", "deep": "where(depth > 0.5, 1, -1)"}
WEIGHTS = {"red": 2, "flags": 5, "deep": 3}


def scenes(n, seed, together):
    rng = np.random.default_rng(seed)
    red = rng.random((n, 3)) < 0.5
    flags = red if together else rng.random((n, 3)) < 0.5
    return {"red": red, "flags": flags, "depth": rng.random((n, 3))}


TEST = scenes(40, 2, together=False)


def fitted(weights, strength=None):
    train = scenes(5, 1, together=True)
    noisy = train["red"] ^ (np.random.default_rng(3).random((5, 3)) < 0.2)
    values = rh.Elicited(weights, source="a test", strength=strength)
    labels = rh.Labels(train | {"good": noisy}, "good", noise=(1, 3))
    return rh.fit(RULES, values, [labels], fail_utility=0, random_seed=1)
