"""Read the rationality of a feedback: a number, or its prior."""

import json
from collections.abc import Mapping
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite

DEFAULT = {"dist": "lognormal", "mu": 0.0, "sigma": 1.0}


def read_rationality(value: Any) -> float | tuple[str, float, float]:
    """Read a rationality: a number, or its prior.

    The prior is ``{ dist = "lognormal", mu = 0, sigma = 1 }`` or a tuple of these values. None is the default prior.

    Raises
    ------
    InputError
        A rationality that is no positive number up to 1e9, and an unknown or impossible prior.
    """
    value = DEFAULT if value is None else value
    if isinstance(value, tuple) and len(value) == 3 and value[0] == "lognormal":
        value = dict(zip(DEFAULT, value, strict=True))
    if isinstance(value, Mapping):
        return prior_of_rationality(value)
    if not 0 < (finite(value) or 0) <= 1e9:
        raise InputError(
            f"rationality: {shown(value)}; give a positive number, or its prior, "
            '{ dist = "lognormal", mu = 0, sigma = 1 }'
        )
    return float(value)


def prior_of_rationality(prior: Mapping[str, Any]) -> tuple[str, float, float]:
    """Read the prior of a rationality: ``("lognormal", mu, sigma)``.

    InputError names an unknown key or a wrong value.
    """
    for key in prior:
        if key not in DEFAULT:
            raise InputError(f"rationality: {key!r} is unknown; {suggestion(str(key), DEFAULT)}")
    if prior.get("dist", "lognormal") != "lognormal":
        raise InputError(f"rationality: dist: {shown(prior['dist'])}; give 'lognormal'")
    mu, sigma = finite(prior.get("mu", 0.0)), finite(prior.get("sigma", 1.0))
    if mu is None or abs(mu) > 20:
        raise InputError(f"rationality: mu: {shown(prior['mu'])}; give a number from -20 to 20, the mean of log beta")
    if sigma is None or not 1e-3 <= sigma <= 20:
        raise InputError(
            f"rationality: sigma: {shown(prior['sigma'])}; give a number from 0.001 to 20, the spread of log beta"
        )
    return ("lognormal", mu, sigma)


def as_written(value: Any) -> str:
    """Return a rationality or scale in the notation of a study file."""
    if isinstance(value, tuple):
        return f"{{ dist = {json.dumps(value[0])}, mu = {value[1]:g}, sigma = {value[2]:g} }}"
    return json.dumps(value)
