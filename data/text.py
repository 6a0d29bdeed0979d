"""Text that users brought, made safe to show."""

import re

CONTROLS = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)
"""Control characters but tabs and line ends, surrogates, and what sets the direction of text (Unicode annex 9)."""


def visible(text: str) -> str:
    """A text whose control and bidirectional characters are marks such as ``<U+202E>``, which no terminal or browser obeys."""
    return CONTROLS.sub(lambda found: f"<U+{ord(found[0]):04X}>", text.replace("\r\n", "\n"))
