"""Callable rewards, kept for as long as the tree that was fitted with them is alive in this process."""

import weakref
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import xarray as xr

_held: dict[str, Mapping[str, Callable[..., Any]]] = {}


def keep(tree: xr.DataTree, rewards: Mapping[str, Any]) -> None:
    """Keep the callables among rewards until the tree is gone; the tree's attribute ``callables`` says which they are."""
    found = {name: reward for name, reward in rewards.items() if callable(reward)}
    if found:
        token = uuid4().hex
        tree.attrs["callables"] = token
        _held[token] = found
        weakref.finalize(tree, _held.pop, token, None).atexit = False


def kept(tree: xr.DataTree) -> Mapping[str, Callable[..., Any]]:
    """Callables that a tree was fitted with, by name; none where it was read from a file, or its original is gone."""
    token = tree.attrs.get("callables")
    return _held.get(token, {}) if isinstance(token, str) else {}
