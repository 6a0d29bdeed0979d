"""Fixtures that folders of these tests share."""

from sampling_cases import scenes, tree

__all__ = ["scenes", "tree"]
