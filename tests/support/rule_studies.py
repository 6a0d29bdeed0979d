"""Small tables with a space of rules, and the same rules listed one by one as expressions."""

import time

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.models.rule_space.space import RuleSpace

FEATURES = ["red", "flags", "depth"]
NOISE = (1.0, 19.0)


def tables(seed, n=40, scenes=24, options=3, ragged=False, failing=False):
    """Return a training table in which red and flags coincide, and a test in which they do not."""
    rng = np.random.default_rng(seed)
    red = rng.random(n) < 0.4
    training = {"red": red, "flags": red.copy(), "depth": rng.random(n).round(2), "level": rng.random(n) < 0.5}
    training["pad"] = red ^ (rng.random(n) < 0.05)
    m = scenes * options
    test = {
        "scene": np.repeat(np.arange(scenes), options),
        "option": np.tile(np.arange(options), scenes),
        "red": rng.random(m) < 0.4,
        "flags": rng.random(m) < 0.4,
        "depth": rng.random(m).round(2),
        "level": rng.random(m) < 0.5,
    }
    if ragged:
        test["available"] = rng.random(m) < 0.8
        test["available"][::options] = True
        test["scene_weight"] = np.repeat(rng.integers(1, 4, scenes), options)
    if failing:
        test["is_failing"] = test["option"] == options - 1
    return training, test


def space(features=FEATURES, **changes):
    """Return a space of at most two of the features, two cuts each."""
    return rh.Rules(features, **({"at_most": 2, "prior": "uniform", "thresholds": 2, "source": "a test"} | changes))


def listed(fitted):
    """Return every rule of a fitted space as an expression."""
    of, out = fitted.literals.space, []
    for s in of.sizes:
        layouts, which = of.kinds(s)
        for place in range(of.n_sets(s)):
            out += [
                of.expression(of.members(s, place), int(table))
                for table in of.canonical(layouts[which[place]]).tolist()
            ]
    return out


def fits(hypotheses, prior, training, **changes):
    """Fit with few draws."""
    feedback = changes.pop("feedback", None) or [rh.Labels(training, "pad", noise=NOISE)]
    return rh.fit(hypotheses, prior, feedback, **({"fail_utility": 0, "draws": 20, "chains": 1} | changes))


def reward(rule, high=100, low=-100):
    """Return a rule as a reward expression."""
    return f"where({rule}, {high}, {low})"


def rng_of_now():
    """Return a generator whose seed is the time, and print it."""
    seed = time.time_ns() % 2**32
    print("seed", seed)
    return np.random.default_rng(seed)


def boolean(n, at_most):
    """Return the space over n Boolean features."""
    return RuleSpace(tuple(f"x{i}" for i in range(n)), at_most, tuple(range(n)))
