"""Callable rewards, remembered as long as their tree is alive.

A tree that was fitted with callables finds them again in the same process.
"""

import weakref
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import xarray as xr

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses

_remembered: dict[str, Mapping[str, Callable[..., Any]]] = {}


def remember_callables(tree: xr.DataTree, hypotheses: Hypotheses) -> None:
    """Remember the callables among hypotheses until the tree is gone.

    The attribute ``callables`` of the tree holds the token that finds them.
    """
    pairs = zip(hypotheses.names, hypotheses.rewards, strict=True)
    functions = {name: reward.function for name, reward in pairs if reward.function is not None}
    if functions:
        token = uuid4().hex
        tree.attrs["callables"] = token
        _remembered[token] = functions
        weakref.finalize(tree, _remembered.pop, token, None).atexit = False


def callables_of(tree: xr.DataTree) -> Mapping[str, Callable[..., Any]]:
    """Return the callables that a tree was fitted with, by name.

    Empty where the tree was read from a file, or the original tree is gone.
    """
    token = tree.attrs.get("callables")
    return _remembered.get(token, {}) if isinstance(token, str) else {}
