"""A table with every kind of column, for tests of shifts."""

import numpy as np
import xarray as xr

GRID = ("scene", "option")
SCENES, OPTIONS = 30, 4


def arrays():
    rng = np.random.default_rng(5)
    shape = (SCENES, OPTIONS)
    available = rng.random(shape) < 0.8
    available[:, 0] |= ~available.any(1)
    available[:, -1] |= np.arange(SCENES) == 0  # so that every position is some scene's
    slope = rng.gamma(4.0, 4.0, shape)
    slope[3, 0] = np.nan
    return {
        "red": rng.random(shape) < 0.5,
        "flags": rng.random(shape) < 0.5,
        "slope": slope,
        "depth": rng.normal(size=shape),
        "count": rng.integers(0, 9, shape),
        "kind": rng.choice(np.array(["rock", "sand", "ice"], object), shape),
        "wind": rng.random(SCENES),
        "scene_weight": rng.gamma(2.0, 1.0, SCENES),
        "is_failing": np.zeros(shape, bool),
        "available": available,
        "option_name": np.broadcast_to(np.array(["a", "b", "c", "d"], object), shape),
    }


def as_dataset():
    variables = {name: (GRID[: a.ndim], a.copy(), {"units": name}) for name, a in arrays().items()}
    coords = {
        "scene": [f"m{k}" for k in range(SCENES)],
        "option": [10, 20, 30, 40],
        "place": ("scene", np.arange(SCENES) * 2.0),
        "side": ("option", np.array(["l", "m", "r", "s"], object)),
    }
    data = xr.Dataset(variables, coords=coords, attrs={"source": "made", "more": 3})
    data["depth"] = data["depth"].transpose("option", "scene")
    data["depth"].encoding = {"dtype": "int16"}  # a file's packing, which the changed values would not fit
    return data


def by_depth(data):
    data["red"].values[:] = True  # a callable that spoils what it is given spoils a copy
    return data["depth"] > 0


CALLS = {  # name -> (its arguments, what it changes)
    "repaint": (dict(features=["red", "slope", "kind"]), {"red", "slope", "kind"}),
    "decorrelate": (dict(features=["red", "depth", "count"]), {"red", "depth", "count"}),
    "intervene": (dict(feature="red", value=by_depth, where="count > 2"), {"red"}),
    "reweight": (dict(weight=np.arange(1.0, SCENES + 1)), {"scene_weight"}),
    "resample": (dict(n=50), {"scene_weight", "scene", "resampled_from"}),
    "add_options": (dict(options=[{"red": True, "count": 3}, {"red": False, "kind": "sand"}]), set()),
    "fade": (dict(features=["red", "depth"], by=0.4), {"red", "depth"}),
}
RANDOM = {"repaint", "decorrelate", "resample", "fade"}
