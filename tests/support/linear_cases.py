"""Choices by known weights, for several tests."""

import numpy as np

import reward_hypotheses as rh

SOURCE = "a test"


def choosing(seed, scenes=40, options=3, weights=(1.0, -0.5), beta=2.0, **more):
    """Scenes of standard normal features x and y, and what somebody of these weights chose, ranked, stopped and graded."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, scenes, options))
    worth = beta * (weights[0] * x + weights[1] * y)
    noisy = worth + rng.gumbel(size=worth.shape)
    table = {"x": x, "y": y, "chosen": noisy == noisy.max(axis=1, keepdims=True)}
    table["rank"] = (-noisy).argsort(axis=1).argsort(axis=1) + 1.0
    table["stopped"] = rng.logistic(size=worth.shape) < -worth - 0.5
    table["grade"] = np.digitize(worth + rng.logistic(size=worth.shape), [-1.0, 1.0])
    table["good"] = worth > -0.5
    table["seen"] = worth + 0.3 * rng.normal(size=worth.shape)
    return table | more


def fitted(table, feedback, prior="sphere", features=("x", "y"), fail=0.0, hypotheses=None, values=None, **options):
    family = {"family": rh.Linear(list(features), prior=prior, source=SOURCE)}
    hypotheses = family | ({} if hypotheses is None else hypotheses)
    values = rh.Uniform(SOURCE) if values is None else values
    return rh.fit(hypotheses, values, feedback, fail_utility=fail, random_seed=3, **options)
