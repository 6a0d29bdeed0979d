"""Rules against enumeration: each function once, none missing, and every name read back by the parser."""

import itertools
import math

import numpy as np
import pytest
from rule_studies import boolean, rng_of_now

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.rule_space.formulas import least_costs, shortest
from reward_hypotheses.models.rule_space.space import RuleSpace


def values(space, columns, members, table):
    """Values of a rule on items, by its definition."""
    cell = np.zeros(columns.shape[1], np.int64)
    for q, literal in enumerate(members):
        cell |= columns[literal].astype(np.int64) << q
    return (table >> cell & 1).astype(bool)


def rules(space):
    for s in space.sizes:
        layouts, which = space.kinds(s)
        for members, layout in zip(space.sets(s).tolist(), which.tolist(), strict=True):
            for table in space.canonical(layouts[layout]).tolist():
                yield tuple(members), table


def functions_by_partition(columns, at_most):
    """Every function of at most k columns, as bytes: one value for each combination of values of k columns."""
    out = set()
    for chosen in itertools.combinations(range(len(columns)), min(at_most, len(columns))):
        _, block = np.unique(columns[list(chosen)], axis=1, return_inverse=True)
        for bits in itertools.product((False, True), repeat=int(block.max()) + 1):
            out.add(np.array(bits)[block.reshape(-1)].tobytes())
    return out


@pytest.mark.parametrize(
    ("levels", "at_most", "n"),
    [([2] * 6, 3, 4524), ([4, 4, 4], 3, 8036), ([4, 2, 3], 3, None), ([5, 2], 3, None), ([3, 3], 4, 512)],
)
def test_each_function_once_and_none_missing(levels, at_most, n):
    """Features by their number of levels: a feature of m levels has m - 1 thresholds, and 2 levels are a Boolean."""
    grid = np.array(list(itertools.product(*map(range, levels)))).T
    cuts = [(f, c) for f, m in enumerate(levels) for c in range(m - 1)]
    space = RuleSpace(tuple(f"r{f} > {c}" for f, c in cuts), at_most, tuple(f for f, _ in cuts))
    columns = np.array([grid[f] > c for f, c in cuts])
    seen = [values(space, columns, members, table).tobytes() for members, table in rules(space)]
    assert len(seen) == len(set(seen)) == space.n_rules
    assert n is None or n == len(seen)
    assert set(seen) == functions_by_partition(columns, at_most)


@pytest.mark.parametrize(("n", "k", "count"), [(32, 3, 1_086_306), (16, 4, 117_684_394), (5, 4, 325_262), (2, 3, 16)])
def test_number_of_rules(n, k, count):
    assert boolean(n, k).n_rules == count


def test_places():
    space = boolean(9, 4)
    for s in space.sizes:
        rows = space.sets(s).tolist()
        assert rows == sorted(map(list, itertools.combinations(range(9), s)), key=lambda row: row[::-1])
        assert [space.place(row) for row in rows] == list(range(math.comb(9, s)))
        assert [list(space.members(s, place)) for place in range(len(rows))] == rows


def test_layouts_of_features_in_any_order():
    space = RuleSpace(("a > 0", "b", "a > 1", "a > 2"), 3, (4, 1, 4, 4))
    layouts, which = space.kinds(3)
    found = {tuple(row): layouts[k] for row, k in zip(space.sets(3).tolist(), which.tolist(), strict=True)}
    assert found == {(0, 1, 2): (0, 1, 0), (0, 1, 3): (0, 1, 0), (0, 2, 3): (0, 0, 0), (1, 2, 3): (0, 1, 1)}
    assert [len(space.canonical(layout)) for layout in ((0, 1, 0), (0, 0, 0), (0, 1, 1))] == [34, 2, 34]


def test_every_name_is_read_back():
    """The toolkit's parser evaluates each formula to its table, in as many symbols as the least cost says."""
    literals = ("flags", "red paint > 1", "min(depth, 3) > 1", "min(depth, 3) > 2.5", "wide", "~narrow")
    literals = tuple(x.replace("red paint", "`red paint`") for x in literals)
    space = RuleSpace(literals, 3, (0, 1, 2, 2, 3, 4))
    grid = np.array(list(itertools.product((0, 1), (0, 2), (0, 2, 4), (0, 1), (0, 1)))).T
    table = dict(zip(("flags", "red paint", "depth", "wide", "narrow"), grid.astype(float), strict=True))
    table |= {name: table[name].astype(bool) for name in ("flags", "wide", "narrow")}
    columns = np.array([parse(x).evaluate(table.__getitem__) for x in literals]).astype(bool)
    symbols = np.array([len(parse(x).program) for x in literals])
    for members, f in rules(space):
        read = parse(space.expression(members, f))
        read.check(lambda name: table[name].dtype == bool)
        assert (read.evaluate(table.__getitem__) == values(space, columns, members, f)).all(), read.text
        costs = tuple(symbols[list(members)].astype(float).tolist())
        assert len(read.program) == least_costs(space.layout(members), 1.0, costs)[f]


def test_names_of_four_literals():
    rng = rng_of_now()
    space = boolean(5, 4)
    columns = np.array(list(itertools.product((False, True), repeat=5))).T
    table = dict(zip(space.literals, columns, strict=True))
    costs = least_costs((0, 1, 2, 3), 1.0, (1.0,) * 4)
    for f in rng.choice(space.canonical((0, 1, 2, 3)), 200, replace=False).tolist():
        members = sorted(rng.choice(5, 4, replace=False).tolist())
        read = parse(space.expression(members, f))
        assert (read.evaluate(table.__getitem__) == values(space, columns, members, f)).all(), read.text
        assert len(read.program) == costs[f]


def least_by_fixed_point(operator, literal):
    """Least costs by joining all pairs of tables until nothing becomes cheaper."""
    s = len(literal)
    tables = np.arange(2**2**s)
    cost = np.full(len(tables), np.inf)
    for q, of in enumerate(literal):
        cost[sum(2**c for c in range(2**s) if c // 2**q % 2)] = of
    while True:
        before = cost.copy()
        np.minimum.at(cost, tables[::-1], before + operator)
        pair = (before[:, None] + before + operator).ravel()
        for joined in (
            tables[:, None] & tables,
            tables[:, None] | tables,
            tables[:, None] ^ tables,
            tables[::-1, None] ^ tables,
        ):
            np.minimum.at(cost, joined.ravel(), pair)
        if (before == cost).all():
            return cost


def test_least_costs_against_a_fixed_point():
    rng = rng_of_now()
    drawn = [tuple(rng.uniform(0, 4, s).tolist()) for s in (2, 2, 3, 3, 3, 3, 3, 3)]
    for literal in [(1.0,), (2.0, 0.0), (1.0, 1.0, 1.0), *drawn]:
        expected = least_by_fixed_point(1.5, literal)
        ours = shortest(1.5, literal).cost(1.5, literal)
        np.testing.assert_allclose(ours, expected, rtol=1e-13)
        for layout in {(0,) * len(literal), tuple(range(len(literal)))}:
            space = RuleSpace(tuple(f"x{q} > 0" for q in range(len(literal))), 3, layout)
            possible = [c for c in range(2 ** len(literal)) if layout[-1] or c & (c + 1) == 0]
            mask = sum(1 << c for c in possible)
            canonical = space.canonical(layout)
            for f in canonical.tolist():  # the cheapest formula among those that agree on possible cells
                alike = expected[[g for g in range(len(expected)) if g & mask == f]].min()
                assert least_costs(layout, 1.5, literal)[f] == pytest.approx(alike, rel=1e-13)
            assert np.isinf(np.delete(least_costs(layout, 1.5, literal), canonical)).all()


def test_formulas_are_the_same_with_and_without_numba():
    rng = rng_of_now()
    for literal in [(1.0, 1.0), (1.0, 1.0, 1.0), *(tuple(rng.uniform(0, 4, 3).tolist()) for _ in range(8))]:
        ours, compiled = (shortest(1.0, literal, how) for how in (False, True))
        for name in ("operators", "literals", "operator", "left", "right"):
            assert (getattr(ours, name) == getattr(compiled, name)).all()


@pytest.mark.parametrize(
    ("literals", "at_most", "feature", "message"),
    [
        ((), 3, (), "none given"),
        (("a", "b", "a"), 3, (0, 1, 2), "'a' is given twice"),
        (("a", "b"), 5, (0, 1), "at_most: 5"),
        (("a", "b"), 0, (0, 1), "at_most: 0"),
        (("a", "b"), 2, (0,), "1 numbers for 2 literals"),
    ],
)
def test_messages(literals, at_most, feature, message):
    with pytest.raises(InputError, match=message):
        RuleSpace(literals, at_most, feature)
