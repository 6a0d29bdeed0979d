"""The section of the page in which a reader moves values, agent and failure line."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import visible

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent
SCRIPTS = ("risk.js", "setting.js", "controls.js")
FORMAT = 1
"""Version of the explorer's document that the script knows."""
PAGE_BYTES = 1_000_000
"""Length of a page above which it holds no cells."""
OLD = "This page has no controls to change the settings: the folder of the run holds no explorer.json. Run the study again to have them."
"""Why a page that was made again has no controls."""


@dataclass(frozen=True)
class ExplorerSection:
    """The section, and the script that moves it.

    Attributes
    ----------
    markup : Markup
        Empty without an explorer.
    script : str
        For a ``<script>`` element after the section; empty without controls.
    """

    markup: "Markup"
    script: str = ""


def explorer_section(explorer: Mapping[str, Any] | str | None) -> ExplorerSection:
    """Return the section of the page.

    Parameters
    ----------
    explorer : dict, str or None
        As `analysis.results.explorer.explorer_document` makes it; a sentence that says why there is none; or None, for a
        page without the section.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    if explorer is not None and not isinstance(explorer, str) and explorer.get("format") != FORMAT:
        explorer = OLD
    if explorer is None:
        return ExplorerSection(Markup(""))
    if isinstance(explorer, str):
        sentence = Markup('<section id="explorer"><p class="small">{}</p></section>').format(explorer)
        return ExplorerSection(sentence)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((HERE / "explorer.html.jinja").read_text(encoding="utf-8"))
    labels = [visible(str(name)) for name in explorer["hypotheses"]]
    markup = template.render(
        css=Markup((HERE / "explorer.css").read_text(encoding="utf-8")),
        data=Markup(in_script({**explorer, "labels": labels})),
    )
    return ExplorerSection(Markup(markup), script())


def in_script(value: Any) -> str:
    """Return JSON for a ``<script>`` element, without a character that ends it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def script() -> str:
    """Return the script of the controls."""
    parts = "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return f'\n(() => {{\n"use strict";\n{parts}}})();\n'


def without_cells(explorer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an explorer without the cells of the test."""
    return {**explorer, "cells": None, "cells_why_not": "with the cells of the test it would be longer than 1 MB"}
