"""Fewest characters of rules against all texts of so many characters, parsed and evaluated."""

import itertools

import numpy as np
import pytest

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.priors.languages import LANGUAGES
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.rule_space.characters import fewest_characters, written
from reward_hypotheses.models.rule_space.family.declared import Rules
from reward_hypotheses.models.rule_space.prior import simplicity_prior
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.truth_tables import possible_cells


def texts(literals, most):
    """Every text of at most so many characters that literals, brackets and operators make, whatever binds how."""
    by_length = {n: {text for text in literals if len(text) == n} for n in range(1, most + 1)}
    for n in range(2, most + 1):
        by_length[n] |= {f"~{text}" for text in by_length[n - 1]}
        by_length[n] |= {f"({text})" for text in by_length.get(n - 2, ())}
        for operator in ("&", "|", "==", "!="):
            for left in range(1, n - len(operator)):
                pairs = itertools.product(by_length[left], by_length[n - len(operator) - left])
                by_length[n] |= {f"{a}{operator}{b}" for a, b in pairs}
    return by_length


def shortest_texts(literals, columns, most):
    """Truth table -> fewest characters of a text that the toolkit reads, by the toolkit's own parser."""
    out = {}
    for n, some in texts(literals, most).items():
        for text in some:
            try:
                rule = parse(text)
            except InputError:  # a chained comparison, a negated number
                continue
            if rule.is_truth(lambda name: columns[name].dtype == bool):
                out.setdefault(tuple(np.asarray(rule.evaluate(columns.__getitem__), bool).tolist()), n)
    return out


def values_in_cells(literals):
    cells = np.arange(1 << len(literals))
    return {name: (cells >> q & 1).astype(bool) for q, name in enumerate(literals)}


@pytest.mark.parametrize(("literals", "most"), [(("a", "bb"), 9), (("a", "b", "c"), 7)])
def test_all_texts(literals, most):
    layout = tuple(range(len(literals)))
    found = shortest_texts(literals, values_in_cells(literals), most)
    fewest = fewest_characters(layout, tuple(map(written, literals)))
    known = 0
    for table in np.flatnonzero(np.isfinite(fewest)).tolist():
        values = tuple(bool(table >> c & 1) for c in range(1 << len(literals)))
        if fewest[table] <= most:
            known += 1
            assert found[values] == fewest[table], (values, table)
        else:
            assert values not in found
    assert known > (9 if len(literals) == 2 else 30)


def test_thresholds_and_bound_texts():
    """A threshold needs brackets; a feature with an operator of its own binds as that operator does."""
    columns = {"a": np.array([0, 1, 0, 1], bool), "d": np.array([0.0, 0.0, 2.0, 2.0])}
    found = shortest_texts(("a", "d>1"), columns, 9)
    fewest = fewest_characters((0, 1), (written("a"), written("d > 1")))
    for table in np.flatnonzero(fewest <= 9).tolist():
        assert found[tuple(bool(table >> c & 1) for c in range(4))] == fewest[table]
    assert written("d > 1") == (3, 3) and written("a & b") == (3, 1) and written("a | b") == (3, 2)
    assert written("~a") == (2, 0) and written("abs(d)") == (6, 0) and written("not a") == (4, 3)
    both = fewest_characters((0, 1), (written("a & b"), written("c")))
    assert both[0b1110] == len("a&b|c") and both[0b0111] == len("~(a&b&c)")


def test_impossible_cells_and_constants():
    layout = (0, 0)
    literals = written("d > 1"), written("d > 2")
    free, fewest = fewest_characters((0, 1), literals), fewest_characters(layout, literals)
    impossible = np.flatnonzero(~possible_cells(layout))
    for table in np.flatnonzero(np.isfinite(fewest)).tolist():
        completed = [table | int(extra) << int(impossible[0]) for extra in (0, 1)]
        assert fewest[table] == min(free[t] for t in completed if np.isfinite(free[t]))
    assert fewest_characters((), ())[1] == len("0==0")


def test_prior_of_letters():
    """2^-8 for each character, whatever the number of features."""
    space = RuleSpace(("red_paint", "flags", "d > 1"), 2, (0, 1, 2))
    prior = simplicity_prior(space, LANGUAGES["letters"])
    row = prior.rows(1, slice(None))
    assert row[1, 0b10] - row[0, 0b10] == pytest.approx(8 * 4 * np.log(2))
    assert row[1, 0b10] - prior.rows(2, slice(None))[0, 0b1000] == pytest.approx(8 * 10 * np.log(2))
    total = sum(np.exp(prior.rows(s, slice(None))).sum() for s in space.sizes)
    assert total == pytest.approx(1)
    with pytest.raises(InputError, match="'letters' shortest formulas are known for at most 3 features"):
        Rules(["a", "b"], at_most=4, prior=Simplicity("letters"), source="a test")
