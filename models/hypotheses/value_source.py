"""Sources of human values: who stated them, when and how."""


def source_problems(source: object) -> list[str]:
    """Say that a source is missing; empty where a source is a text."""
    stated = isinstance(source, str) and source.strip()
    return [] if stated else ["source: missing; say who was asked, when, and how"]
