"""Scenes to probe an agent with."""

import numpy as np
import xarray as xr


def scenes(n=6, options=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    columns = {name: (("scene", "option"), rng.random((n, options)) < 0.5) for name in ("red", "flags")}
    columns["depth"] = (("scene", "option"), rng.random((n, options)))
    return xr.Dataset(columns | more)


def named():
    """Scenes b, a and 7, whose options have names; of the second, one is not available."""
    rows = [
        ("b", "left", 1, True),
        ("b", "right", 0, True),
        ("a", "left", 0, True),
        ("a", "right", 1, False),
        ("7", "left", 1, True),
        ("7", "right", 1, True),
    ]
    return dict(zip(("scene", "option", "red", "available"), map(np.array, zip(*rows, strict=True)), strict=True))


def taken(asked):
    """Position chosen in each scene, which is one."""
    assert asked.chosen.dtype == bool and (asked.chosen.sum("option") == 1).all()
    return asked.chosen.values.argmax(axis=1).tolist()


def deepest(scene):
    return np.argmax(scene["depth"], axis=-1)


class Model:
    """As Stable-Baselines3's predict has it."""

    def __init__(self):
        self.told = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.told.append(deterministic)
        return np.asarray(np.argmax(observation, axis=-1)), state
