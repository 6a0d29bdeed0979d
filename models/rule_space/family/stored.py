"""A fitted rule space in the group ``rules`` of a tree."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.rule_space.answers.evidence import AnswerEvidence
from reward_hypotheses.models.rule_space.counts import CellCounts
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.family.literals import Literals
from reward_hypotheses.models.rule_space.family.patterns import Patterns
from reward_hypotheses.models.rule_space.outcomes.scenes import packed_rows
from reward_hypotheses.models.rule_space.space import RuleSpace

if TYPE_CHECKING:
    from reward_hypotheses.models.posterior import Posterior


def group_of(posterior: "Posterior") -> xr.Dataset:
    """Return the group ``rules``: counts by set of literals and cell.

    ``space_<h>_cells_<s>`` (feedback, set, cell), h the position of the hypothesis: false labels less true ones among the
    items in a cell of a set of s literals, sets in colexicographic order; 0 of choices and stops.
    ``space_<h>_seen`` (byte, pattern): the distinct patterns of literals in training, a bit each. With choices or stops also
    ``space_<h>_answers_<s>`` (set, table), their log evidence, nats; ``space_<h>_against_<s>`` (feedback, set, table), the
    answers that go against each rule; and ``space_<h>_numbers`` (2, pattern), which tell silent rules.
    """
    names = posterior.hypotheses.names
    variables: dict[str, Any] = {}
    about = {}
    for h, fitted in posterior.spaces.items():
        key, patterns = f"space_{h}", fitted.patterns  # a hypothesis may have a name that no file takes
        for s in fitted.literals.space.sizes:
            none = np.zeros((fitted.literals.space.n_sets(s), 1 << s), np.int64)
            cells = np.stack([none if counts is None else counts.cells[s] for counts in fitted.counts])
            variables[f"{key}_cells_{s}"] = (("feedback", f"{key}_set_{s}", f"cell_{s}"), cells)
        variables[f"{key}_seen"] = ((f"{key}_byte", f"{key}_pattern"), packed_rows(patterns.seen))
        variables |= _answers(key, fitted)
        if patterns.numbers is not None:
            variables[f"{key}_numbers"] = (("twice", f"{key}_pattern"), patterns.numbers.view(np.int64))
        about[names[h]] = {
            "key": key,
            "beside": {name: signature.tolist() for name, signature in patterns.beside.items()},
            "literals": list(fitted.literals.space.literals),
            "feature": list(fitted.literals.space.feature),
            "columns": list(fitted.columns),
            "noise": [list(noise) if isinstance(noise, tuple) else noise for noise in fitted.noise],
            "n_true": [None if counts is None else counts.n_true for counts in fitted.counts],
            "n_items": [None if counts is None else counts.n_items for counts in fitted.counts],
        }
    feedback = [str(data.name) for data in posterior.feedback]
    return xr.Dataset(variables, {"feedback": feedback}, {"spaces": json.dumps(about)})


def _answers(key: str, fitted: FittedRules) -> dict[str, Any]:
    """Return the evidence of choices and stops, all together, by set and table."""
    if fitted.answers is None:
        return {}
    every, none = range(len(fitted.counts)), fitted.counts
    out: dict[str, Any] = {}
    for s, values in enumerate(fitted.answers.log(every) or ()):
        dims = f"{key}_set_{s}", f"table_{s}"
        out[f"{key}_answers_{s}"] = (dims, values)
        nothing = np.zeros(values.shape, np.int32)
        against = [nothing if none[k] is not None else fitted.answers.contradicted[k][s] for k in every]
        out[f"{key}_against_{s}"] = (("feedback", *dims), np.stack(against).astype(np.int32))
    return out


def fitted_in(group: xr.Dataset, name: str, rules: Rules) -> FittedRules:
    """Read a fitted rule space from the group ``rules`` of a tree."""
    about = json.loads(group.attrs["spaces"])[name]
    key = about["key"]
    space = RuleSpace(tuple(about["literals"]), rules.at_most, tuple(about["feature"]))

    def read(variable: str, *dims: str) -> np.ndarray:
        return np.asarray(group[f"{key}_{variable}"].transpose(*dims).to_numpy())

    cells = {s: read(f"cells_{s}", "feedback", f"{key}_set_{s}", f"cell_{s}") for s in space.sizes}
    counts = tuple(
        None
        if n_items is None
        else CellCounts([cells[s][k].astype(np.int64) for s in space.sizes], int(n_true), int(n_items))
        for k, (n_true, n_items) in enumerate(zip(about["n_true"], about["n_items"], strict=True))
    )
    noise = tuple(tuple(x) if isinstance(x, list) else x for x in about["noise"])
    literals = Literals(space, tuple(map(parse, space.literals)))
    packed = read("seen", f"{key}_byte", f"{key}_pattern").astype(np.uint8, copy=False)
    seen = np.unpackbits(packed, axis=0, count=len(space.literals)).view(bool)
    numbers = None
    if f"{key}_numbers" in group:
        numbers = read("numbers", "twice", f"{key}_pattern").astype(np.int64).view(np.uint64)
    beside = {who: np.array(signature, np.uint64) for who, signature in about["beside"].items()}
    answers = None
    if rational := [k for k, of in enumerate(counts) if of is None]:
        dims = {s: (f"{key}_set_{s}", f"table_{s}") for s in space.sizes}
        known = [read(f"answers_{s}", *dims[s]).astype(float) for s in space.sizes]
        against = [read(f"against_{s}", "feedback", *dims[s]).astype(np.int64) for s in space.sizes]
        contradicted = {k: [of[k] for of in against] for k in rational}
        answers = AnswerEvidence(space, dict.fromkeys(rational), {frozenset(rational): known}, contradicted)
    return FittedRules(
        rules, literals, tuple(about["columns"]), counts, noise, Patterns(seen, numbers, beside), answers
    )
