"""The heaviest rules of a space, and those that training cannot tell apart."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.rounding_error_bounds import bound_of
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.rule_space.family.fitted import FittedRules
from reward_hypotheses.models.rule_space.formulas import least_costs
from reward_hypotheses.models.rule_space.outcomes.silence import NamedRules, agreeing
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import Rule
from reward_hypotheses.models.tree.read import in_order, posterior_of


def top_rules(tree: xr.DataTree, n: int = 20, hypothesis: str | None = None) -> xr.Dataset:
    """Return the heaviest rules of a space of rules.

    Parameters
    ----------
    tree : DataTree
        From `fit`, with a hypothesis that is `Rules`.
    n : int
        Number of rules.
    hypothesis : str, optional
        The space; needed where there are several.

    Returns
    -------
    Dataset
        Over ``rule``, the expression of each rule: ``weight`` and ``prior``, of all rules of the space 1; ``bits``, the
        length of the expression in the language "rules"; ``contradicted`` (feedback, rule), the labels that it gets wrong.
        Attributes: ``rules``, the number of rules of the space, and ``space_weight``, its posterior weight among the
        hypotheses.

    Raises
    ------
    InputError
        No hypothesis is a space of rules, or n is no positive whole number.
    """
    posterior, h, fitted = space_in(tree, hypothesis)
    rules = fitted.weights.top(whole(n, "n", 1))
    return _dataset(posterior, h, fitted, rules, _feedback(tree))


def equivalent_rules(tree: xr.DataTree, rule: str, n: int = 20, hypothesis: str | None = None) -> xr.Dataset:
    """Return the rules of a space that training cannot tell from a rule.

    These approve of exactly the same training items.

    Parameters
    ----------
    tree, n, hypothesis
        As for `top_rules`.
    rule : str
        A condition over columns that hypotheses of the tree read, such as ``"flags"`` or ``"flags & ~(depth > 0.3)"``.

    Returns
    -------
    Dataset
        As `top_rules`, the n heaviest of them, of equal weight the simplest first. Attributes also: ``equivalent``, how
        many there are; ``equivalent_weight``, their weight in the space; and ``simplest``, the shortest expression.

    Raises
    ------
    InputError
        As for `top_rules`; a rule that is no condition, or names a column that training does not have.
    """
    posterior, h, fitted = space_in(tree, hypothesis)
    approved, most = _approved(tree, fitted, rule), whole(n, "n", 1)
    found: list[Rule] = []
    weights, simplest = np.zeros(0), ""
    if approved is not None:
        rules, weights = agreeing(fitted.signatures, fitted.weights, fitted.signatures.approving(approved))
        symbols = _symbols(fitted.literals.space, rules)
        keys = np.stack([rules.size, rules.place, rules.table], axis=1)
        order = np.lexsort((symbols, -np.round(weights / max(weights.max(initial=0.0), 1e-300), 12)))[:most]
        found = [_rule(keys[k], float(weights[k])) for k in order]
        simplest = fitted.name_of(_rule(keys[np.argmin(symbols)], 0.0)) if len(rules) else ""
    out = _dataset(posterior, h, fitted, found, _feedback(tree))
    about = {"equivalent": len(weights), "equivalent_weight": float(weights.sum()), "simplest": simplest}
    return out.assign_attrs(about)


def space_in(tree: xr.DataTree, hypothesis: str | None = None) -> tuple[Posterior, int, FittedRules]:
    """Return the posterior of a tree, and its space of rules with its place.

    Raises
    ------
    InputError
        There is no space of that name, or none, or several and no name.
    """
    if not isinstance(tree, xr.DataTree):
        raise InputError(f"tree: a {type(tree).__name__}; give the tree of rh.fit")
    posterior, _ = posterior_of(tree)
    names = {posterior.hypotheses.names[h]: h for h in posterior.spaces}
    if not names:
        raise InputError("tree: no hypothesis is a space of rules; fit one with rh.Rules")
    if hypothesis is None and len(names) > 1:
        raise InputError(
            f"hypothesis: the tree has {len(names)} spaces of rules; name one of {', '.join(map(repr, names))}"
        )
    name = next(iter(names)) if hypothesis is None else hypothesis
    if name not in names:
        raise InputError(f"hypothesis: {name!r} is no space of rules; {suggestion(str(name), names)}")
    return posterior, names[name], posterior.spaces[names[name]]


def _feedback(tree: xr.DataTree) -> list[str]:
    return [str(name) for name in tree["rules"]["feedback"].to_numpy()]


def _dataset(
    posterior: Posterior, h: int, fitted: FittedRules, rules: Sequence[Rule], feedback: Sequence[str]
) -> xr.Dataset:
    names = [fitted.name_of(rule) for rule in rules]
    prior = [fitted.before.weight(rule.size, rule.place, rule.table) for rule in rules]
    bits = fitted.bits(names)
    wrong = np.array([fitted.wrong(k, rules) for k in range(len(feedback))]).reshape(len(feedback), len(rules))
    return xr.Dataset(
        {
            "weight": ("rule", [rule.weight for rule in rules]),
            "prior": ("rule", prior),
            "bits": ("rule", bits),
            "contradicted": (("feedback", "rule"), wrong.astype(np.int64)),
        },
        coords={"rule": names, "feedback": list(feedback)},
        attrs={
            "hypothesis": posterior.hypotheses.names[h],
            "rules": fitted.literals.space.n_rules,
            "space_weight": float(posterior.weights[h]),
        },
    )


def _approved(tree: xr.DataTree, fitted: FittedRules, rule: str) -> np.ndarray | None:
    """Return of which patterns of training a rule approves: bool (pattern,).

    None where the rule tells items apart that are alike in all literals.
    """
    try:
        expression = parse(rule)
    except InputError as error:
        raise InputError(f"rule: {problem}" for problem in error.problems) from None
    constant = in_order(tree, "constant_data")
    columns: dict[str, list[np.ndarray]] = {}
    for variable, (_, column) in json.loads(constant.attrs["columns"]).items():
        columns.setdefault(column, []).append(constant[variable].to_numpy().ravel())
    values = {name: np.concatenate(parts) for name, parts in columns.items()}
    if missing := [c for c in expression.columns if c not in values]:
        raise InputError(
            f"rule: {missing[0]!r} is no column that a hypothesis of the tree reads; {suggestion(missing[0], values)}"
        )
    if not expression.is_truth(lambda name: values[name].dtype == bool):
        raise InputError(f"rule: {rule!r} is a number; give a condition, such as '{rule} > 0'")
    size = len(next(iter(values.values())))
    literals = fitted.literals.evaluate(values.__getitem__, lambda name: bound_of(values[name]), (size,))
    approved = np.broadcast_to(np.asarray(expression.evaluate(values.__getitem__), bool), size)
    rows, which = np.unique(
        np.packbits(np.hstack([fitted.patterns.seen, literals]), axis=0), axis=1, return_inverse=True
    )
    n = fitted.patterns.seen.shape[1]
    by_row: Any = np.full((2, rows.shape[1]), False)
    which = which.reshape(-1)
    for k, value in enumerate((True, False)):
        by_row[k, which[n:][approved == value]] = True
    if (by_row[0] & by_row[1]).any():
        return None
    return np.asarray(by_row[0, which[:n]])


def _rule(key: np.ndarray, weight: float) -> Rule:
    return Rule(int(key[0]), int(key[1]), int(key[2]), weight)


def _symbols(space: RuleSpace, rules: NamedRules) -> np.ndarray:
    """Return the least number of symbols of each rule's formula: (rule,)."""
    length = [float(len(parse(text).program)) for text in space.literals]
    out = np.empty(len(rules))
    for k, (s, place, table) in enumerate(
        zip(rules.size.tolist(), rules.place.tolist(), rules.table.tolist(), strict=True)
    ):
        members = space.members(s, place)
        out[k] = least_costs(space.layout(members), 1.0, tuple(length[i] for i in members))[table]
    return out
