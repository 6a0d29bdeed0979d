"""The registry of all kinds of feedback that ship."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import override

from reward_hypotheses.models.feedback.base import Feedback

SHIPPED = ("labels", "rewards", "choices", "rankings", "ratings", "stops", "proxy", "demonstrations")
"""A new kind is one file of this name in `kinds`, and one entry here."""


class _Kinds(Mapping[str, type[Feedback]]):
    """The kinds that a study file may name; each is imported when asked for."""

    @override
    def __getitem__(self, name: str) -> type[Feedback]:
        if name not in SHIPPED:
            raise KeyError(name)
        return _imported(name)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(SHIPPED)

    @override
    def __len__(self) -> int:
        return len(SHIPPED)

    @override
    def __contains__(self, name: object) -> bool:
        return name in SHIPPED


@cache
def _imported(name: str) -> type[Feedback]:
    kind: type[Feedback] = getattr(import_module(f"{__package__}.kinds.{name}"), name.capitalize())
    return kind


KINDS: Mapping[str, type[Feedback]] = _Kinds()
