"""A fitted rule space in the group ``rules`` of a tree."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.rule_space.counts import CellCounts
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.family.literals import Literals
from reward_hypotheses.models.rule_space.outcomes.scenes import packed_rows
from reward_hypotheses.models.rule_space.space import RuleSpace

if TYPE_CHECKING:
    from reward_hypotheses.models.posterior import Posterior


def group_of(posterior: "Posterior") -> xr.Dataset:
    """Return the group ``rules``: counts by set of literals and cell.

    ``space_<h>_cells_<s>`` (feedback, set, cell), h the position of the hypothesis: false labels less true ones among the
    items in a cell of a set of s literals, sets in colexicographic order. ``space_<h>_seen`` (byte, pattern): the distinct
    patterns of literals in training, a bit each, then the predictions of the hypotheses that stand beside the space.
    """
    names = posterior.hypotheses.names
    variables: dict[str, Any] = {}
    about = {}
    for h, fitted in posterior.spaces.items():
        key = f"space_{h}"  # a hypothesis may have a name that no file takes
        for s in fitted.literals.space.sizes:
            cells = np.stack([counts.cells[s] for counts in fitted.counts])
            variables[f"{key}_cells_{s}"] = (("feedback", f"{key}_set_{s}", f"cell_{s}"), cells)
        seen = packed_rows([*fitted.seen, *fitted.beside.values()])
        variables[f"{key}_seen"] = ((f"{key}_byte", f"{key}_pattern"), seen)
        about[names[h]] = {
            "key": key,
            "beside": list(fitted.beside),
            "literals": list(fitted.literals.space.literals),
            "feature": list(fitted.literals.space.feature),
            "columns": list(fitted.columns),
            "noise": [list(noise) if isinstance(noise, tuple) else noise for noise in fitted.noise],
            "n_true": [counts.n_true for counts in fitted.counts],
            "n_items": [counts.n_items for counts in fitted.counts],
        }
    feedback = [str(data.name) for data in posterior.feedback]
    return xr.Dataset(variables, {"feedback": feedback}, {"spaces": json.dumps(about)})


def fitted_in(group: xr.Dataset, name: str, rules: Rules) -> FittedRules:
    """Read a fitted rule space from the group ``rules`` of a tree."""
    about = json.loads(group.attrs["spaces"])[name]
    key = about["key"]
    space = RuleSpace(tuple(about["literals"]), rules.at_most, tuple(about["feature"]))
    cells = {
        s: group[f"{key}_cells_{s}"].transpose("feedback", f"{key}_set_{s}", f"cell_{s}").to_numpy()
        for s in space.sizes
    }
    counts = tuple(
        CellCounts([cells[s][k].astype(np.int64) for s in space.sizes], int(n_true), int(n_items))
        for k, (n_true, n_items) in enumerate(zip(about["n_true"], about["n_items"], strict=True))
    )
    noise = tuple(tuple(x) if isinstance(x, list) else float(x) for x in about["noise"])
    literals = Literals(space, tuple(map(parse, space.literals)))
    packed = group[f"{key}_seen"].transpose(f"{key}_byte", f"{key}_pattern").to_numpy().astype(np.uint8)
    n = len(space.literals)
    bits = np.unpackbits(packed, axis=0, count=n + len(about["beside"])).astype(bool)
    beside = dict(zip(about["beside"], bits[n:], strict=True))
    return FittedRules(rules, literals, tuple(about["columns"]), counts, noise, bits[:n], beside)
