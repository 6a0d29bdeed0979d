"""The prior of a rationality."""

import json
from collections.abc import Mapping
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite

DEFAULT = {"dist": "lognormal", "mu": 0.0, "sigma": 1.0}


def prior_of_rationality(given: Mapping[str, Any]) -> tuple[str, float, float]:
    """Read ``{ dist = "lognormal", mu = 0, sigma = 1 }``; InputError says what is wrong with it."""
    for key in given:
        if key not in DEFAULT:
            raise InputError(f"rationality: {key!r} is unknown; {suggestion(str(key), DEFAULT)}")
    if given.get("dist", "lognormal") != "lognormal":
        raise InputError(f"rationality: dist: {shown(given['dist'])}; give 'lognormal'")
    mu, sigma = finite(given.get("mu", 0.0)), finite(given.get("sigma", 1.0))
    if mu is None or abs(mu) > 20:
        raise InputError(f"rationality: mu: {shown(given['mu'])}; give a number from -20 to 20, the mean of log beta")
    if sigma is None or not 1e-3 <= sigma <= 20:
        raise InputError(
            f"rationality: sigma: {shown(given['sigma'])}; give a number from 0.001 to 20, the spread of log beta"
        )
    return ("lognormal", mu, sigma)


def as_written(value: Any) -> str:
    """A rationality or scale as it is written in a study file."""
    if isinstance(value, tuple):
        return f"{{ dist = {json.dumps(value[0])}, mu = {value[1]:g}, sigma = {value[2]:g} }}"
    return json.dumps(value)
