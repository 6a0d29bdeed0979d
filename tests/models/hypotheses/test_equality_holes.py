"""Faults in the bound of rounding that other tests let pass: branches, whole numbers, ties, families, plans, groups."""

import itertools

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.rounding_error_bounds import WHOLE, all_equal, bound_of, equal, half_ulp, settled
from reward_hypotheses.models.feedback.equivalence import overlapping
from reward_hypotheses.models.hypotheses import valuation
from reward_hypotheses.models.mdp.planning import greedy, optimal, scales, soft
from reward_hypotheses.models.mdp.transitions import BAND
from reward_hypotheses.models.policies.greatest import greatest

SOURCE = "a test"


def error_of(text, **columns):
    arrays = {name: np.array(values, float) for name, values in columns.items()}
    bounds = {name: bound_of(values) for name, values in arrays.items()}
    return np.asarray(parse(text).bounded(arrays.__getitem__, bounds.__getitem__)[1]).tolist()


def half(x):
    return float(half_ulp(x))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("max(0.1, 5, 3.3)", 0.0),
        ("min(5, 0.1)", half(0.1)),
        ("min(5, 0.1, 3.3)", half(0.1)),
        ("min(0.1, 5, 7.3)", half(0.1)),
        ("clip(0 - 1, 0.1, 5)", half(0.1)),
        ("clip(7, 0, 5.5)", half(5.5)),
        ("clip(0 - 1, 6, 5.5)", half(5.5)),
        ("where(1 > 2, 0.1, 3)", 0.0),
        ("3 ** 2", 0.0),
        ("9007199254740994", 1.0),
        ("134217728 * 134217728", half(2.0**54)),
        ("9007199254740991 + 0", 0.0),
        ("7 * 0.1", 7 * half(0.1) + half(0.7)),
        ("0.1 * 7", 7 * half(0.1) + half(0.7)),
        ("-abs(0.1)", half(0.1)),
        ("3 + 0.1", half(0.1) + half(3.1)),
        ("0.1 - 3", half(0.1) + half(2.9)),
        ("2 ** 100.1", 2**100.1 * np.log(2) * half(100.1) + 2 * half(2**100.1)),
        ("sqrt(0.1)", half(0.1) / 2 / 0.1**0.5 + 2 * half(0.1**0.5)),
    ],
)
def test_the_bound_of_an_operation(text, right):
    assert error_of(text) == pytest.approx(right, rel=1e-12, abs=0)


def test_the_bound_of_cells():
    assert bound_of(np.array([WHOLE + 2, 1.0, 0.5])).error.tolist() == [1.0, 0.0, half(0.5)]
    assert bound_of(np.array([WHOLE + 2, 1.0])).error.tolist() == [1.0, 0.0]
    assert bound_of(np.array([np.nan, 3.0])).exact
    assert error_of("where(x > 0, 1, 9007199254740990) + where(x > 0, 1, 9007199254740990)", x=[1, -1]) == [0, 1]
    assert settled(np.array([np.nan, np.inf, 0.25]), np.array([1.0, 2.0, 3.0])).tolist() == [
        2 * half(1),
        2 * half(2),
        0.25,
    ]


def test_the_bound_of_a_quotient_whose_divisor_is_nothing_but_rounding():
    """Also where the square of the divisor is beyond what a double holds."""
    for size in (1.0, 1e200):
        x, y, z = 0.1 * size, 0.2 * size, (0.1 + 0.2) * size
        (error,) = error_of("x / (y + z - w)", x=[x], y=[x], z=[y], w=[z * (1 + 2e-16)])
        assert error > 1e10  # of a quotient of about 1e15


def test_equal_within_twice_the_sum_of_the_bounds():
    pairs = [(4.0, 1, 1), (5.0, 1, 1), (6.0, 1, 2), (6.5, 1, 2), (4.0, 2, 0), (4.5, 2, 0)]
    assert [bool(equal(0.0, gap, a, b)) for gap, a, b in pairs] == [True, False, True, False, True, False]
    for gap, a, b in pairs:
        right = bool(equal(0.0, gap, a, b))
        assert bool(all_equal(np.array([gap, 0.0]), np.array([a, b], float))) == right
        best = greatest(np.array([[gap], [0.0]]), np.array([[a], [b]], float)) + 0.0
        assert best.ravel().tolist() == ([0.5, 0.5] if right else [1.0, 0.0])
        choice = greedy(np.array([[gap, 0.0]]), np.array([[a, b]], float))
        assert choice.ravel().tolist() == ([0.5, 0.5] if right else [1.0, 0.0])
    assert bool(all_equal(np.array([0.0, 4.0]), 1.0)) and not bool(all_equal(np.array([0.0, 4.5]), 1.0))
    # the errors of what is neither count for nothing
    assert not bool(all_equal(np.array([0.0, 2.0, 5.0]), np.array([1.0, 99.0, 1.0])))
    worth, error = np.array([[4.5], [0.0], [-1e6]]), np.array([[1.0], [1.0], [1e3]])
    assert (greatest(worth, error) + 0.0).ravel().tolist() == [1, 0, 0]
    assert greedy(worth.T, error.T).ravel().tolist() == [1, 0, 0]
    assert (greatest(worth[:2], 1.125) + 0.0).ravel().tolist() == [0.5, 0.5]
    assert (greatest(worth[:2], 1.0) + 0.0).ravel().tolist() == [1, 0]


NOUGHT = "0.1 + 0.2 - 0.3"  # 5.6e-17 as computed
CELL = 0.3
NEXT = float(np.nextafter(np.nextafter(0.3, 1), 1))  # two last places away: still equal, by the errors of both


def of_labels(hypothesis, line, **columns):
    n = len(next(iter(columns.values())))
    labels = rh.Labels({**columns, "ok": np.zeros(n)}, "ok", noise=0.25)
    tree = rh.fit({"a": hypothesis}, rh.Uniform(SOURCE), [labels], fail_utility=line, random_seed=1)
    risk = float(rh.catastrophe_risk(tree, columns, hypotheses={"a": hypothesis})["mean"])
    better = (n * np.log(0.75) - float(tree["evidence"]["log_evidence"][0])) / np.log(3)
    return round(better, 9), risk


@pytest.mark.parametrize("cells", [valuation.KEEP_CELLS, 0])
def test_a_failure_line_has_an_error_of_its_own(cells, monkeypatch):
    """Of what equals it nothing is better or worse, whether rewards are kept or not, beside 2 items that are."""
    monkeypatch.setattr(valuation, "KEEP_CELLS", cells)
    assert of_labels("x", NOUGHT, x=[0.0, 1.0, -1.0, 0.0]) == (1, 0.25)
    assert of_labels(f"x + {NOUGHT}", 0, x=[0.0, 1.0, -1.0, 0.0]) == (1, 0.25)
    assert of_labels("x", "y", x=[CELL, NEXT, 1.0, 0.0], y=[NEXT, CELL, CELL, CELL]) == (1, 0.25)
    assert of_labels("1.0 * x", "y", x=[NEXT, 1e15, 0.0], y=[CELL, CELL, CELL]) == (1, pytest.approx(1 / 3))


def test_a_callable_has_an_error_too():
    columns = {"x": np.array([0.1, 0.3, 0.3]), "y": np.array([0.2, 0.0, 1e-9])}
    assert of_labels(lambda table: table["x"] + table["y"], 0.3, **columns) == (1, 0)
    assert of_labels(lambda table: -table["x"] - table["y"], -0.3, **columns)[1] == pytest.approx(1 / 3)


def test_a_failure_line_may_differ_by_rounding_between_options():
    table = {"x": np.array([[0.1, 0.3]]), "y": np.array([[0.2, 0.0]]), "ok": np.array([[0, 0]])}
    tree = rh.fit({"a": "x"}, rh.Uniform(SOURCE), [rh.Labels(table, "ok", noise=0.25)], "x + y", random_seed=1)
    assert float(rh.catastrophe_risk(tree, {key: table[key] for key in "xy"})["mean"]) == 0.0  # 0.3 equals the line
    with pytest.raises(rh.InputError, match="differs"):
        rh.fit({"a": "x"}, rh.Uniform(SOURCE), [rh.Labels(table, "ok", noise=0.25)], "x + 2 * y", random_seed=1)


def test_abstaining_ties_by_the_error_of_what_the_agent_was_told():
    """An option worth 0 against being told 0.1 + 0.2 - 0.3, the judge's own line being another and exact."""
    train = {"x": [1.0], "bad": [0.0], "seen": [1.0]}
    hypotheses = {"x": "x", "harmless": "-bad"}
    prior, line = rh.Uniform(SOURCE), {"x": -7, "harmless": -0.5}
    tree = rh.fit(hypotheses, prior, [rh.Rewards(train, "seen", sigma2=(2, 2))], line, random_seed=1)
    test = {"x": np.array([[0.0, -1.0], [0.0, -1e15]]), "bad": np.ones((2, 2))}
    for told, share in ((NOUGHT, 0.5), ("0.001", 0.0), ("-0.001", 1.0)):
        found = rh.catastrophe_risk(
            tree,
            test,
            policy=rh.Commit(abstain=True),
            agent=rh.Elicited({"x": 1, "harmless": 0}, source="sure of x"),
            agent_fail_utility=told,
        )
        assert float(found["by_truth"][1]) == share


@pytest.fixture(scope="module")
def family():
    rng = np.random.default_rng(8)
    train = {key: rng.normal(size=(30, 2)) for key in "xz"} | {key: np.zeros((30, 2)) for key in ("y", "a", "b")}
    train["chosen"] = train["x"] + 0.2 * train["z"] > (train["x"] + 0.2 * train["z"])[:, ::-1]
    hypotheses = {"family": rh.Linear(["x + y", "z"], source=SOURCE), "not a": "-a", "not b": "-b"}
    lines = {"family": NOUGHT, "not a": -0.5, "not b": -0.5}
    return rh.fit(
        hypotheses, rh.Uniform(SOURCE), [rh.Choices(train, "chosen")], lines, draws=50, chains=1, random_seed=1
    )


def options(*rows):
    """Scenes of three options (x, y, z); the first is a, the second is b."""
    grid = np.array(rows, float)
    table = {key: grid[..., k] for k, key in enumerate("xyz")}
    return table | {"a": np.eye(3)[0] * np.ones((len(rows), 1)), "b": np.eye(3)[1] * np.ones((len(rows), 1))}


def test_draws_of_a_family_tie_by_the_errors_of_the_options_at_hand(family):
    agent = rh.Elicited({"family": 1, "not a": 0, "not b": 0}, source="sure of the family")
    tied = [[0.1, 0.2, 1], [0.3, 0, 1], [-50, 0, 0]]
    apart = [[0.3, 0, 1], [0.3000001, 0, 1], [-50, 0, 0]]
    huge = [[-1e15, 0, 0], [-2e15, 0, 0], [0, 0, 0]]
    for rows, right in (
        ([tied], (0.5, 0.5)),
        ([tied, huge], (0.25, 0.25)),
        ([apart], (0, 1)),
        ([apart, huge], (0, 0.5)),
    ):
        found = rh.catastrophe_risk(family, options(*rows), agent=agent)["by_truth"].to_numpy()
        assert found[1:] == pytest.approx(right, abs=1e-12)
    lone = [[0, 0, 0], [-1, 0, 0], [-1, 0, 0]]  # against failing, worth NOUGHT
    for rows, right in (([lone], 0.5), ([lone, huge], 0.25)):
        found = rh.catastrophe_risk(family, options(*rows), policy=rh.Commit(abstain=True), agent=agent)
        assert float(found["by_truth"][1]) == pytest.approx(right, abs=1e-12)


def test_draws_of_a_family_call_what_equals_failing_no_catastrophe(family):
    agent = rh.Elicited({"family": 0, "not a": 0, "not b": 1}, source="takes the first or the last")
    for first, last, right in ((0, 0, 0.0), (0, -1e-3, 0.5), (1e-3, -1e-3, 0.5)):
        rows = [[first, 0, 0], [5, 0, 0], [last, 0, 0]]
        for beside in ([], [[[1e15, 0, 0], [0, 0, 0], [2e15, 0, 0]]]):
            found = rh.catastrophe_risk(family, options(rows, *beside), agent=agent)
            assert float(found["by_truth"][0]) == pytest.approx(right / (1 + len(beside)), abs=1e-12)


def chain(n, narrow):
    """n states in a row, stay or go right, and one that nothing leads to: its transitions, narrow or scattered."""
    whole = np.zeros((2, n + 1, n + 1))
    for s in range(n):
        whole[0, s, s] = whole[1, s, min(s + 1, n - 1)] = 1
    whole[:, n, :n] = np.eye(n)[0] if narrow else 1 / n
    return whole


@pytest.mark.parametrize("narrow", [True, False])
def test_plans_settle_where_each_state_is_whatever_another_is_worth(narrow):
    n, g = 70, 0.99
    mdp = rh.MDP({"r": np.zeros(n + 1)}, chain(n, narrow), g)
    assert (mdp.transitions.order[1] < BAND * (n + 1)) == narrow  # solved along the band, and as a whole
    r = np.zeros(n + 1)
    r[0], r[n - 1] = 0.05, 1.0
    right = g ** (n - 1.0 - np.arange(n)) / (1 - g) + r[:n] * (np.arange(n) == 0)
    scaled = np.random.default_rng(9).normal(size=n + 1)
    calm = soft(mdp, scaled[None]).q[0, :n]
    for worth in (0.0, -1e12, 1e12):
        r[n] = scaled[n] = 1e3 * worth  # beside 1e15 no gain here is one
        plans = optimal(mdp, r[None])
        assert plans.v[0, :n] == pytest.approx(right, rel=1e-11, abs=1e-11)
        assert plans.error[0, :n].max() < 1e-9 and (worth == 0 or plans.error[0, n].min() > 1e-3)
        found = soft(mdp, scaled[None])
        assert found.q[0, :n] == pytest.approx(calm, rel=1e-11, abs=1e-11)


def test_plans_tie_by_the_errors_of_the_rewards():
    """Two actions, one to a state worth 0.1 + 0.2 - 0.3 and one to a state worth 0: no error but the rewards' own."""
    whole = np.zeros((2, 3, 3))
    whole[0, 0, 1] = whole[1, 0, 2] = 1
    whole[:, 1, 1] = whole[:, 2, 2] = 1
    mdp = rh.MDP({"r": np.zeros(3)}, whole, 0.5)
    r, error = np.array([[0.0, 0.1 + 0.2 - 0.3, 0.0]]), np.array([[0.0, 1e-16, 0.0]])
    plans = optimal(mdp, r, error)
    assert greedy(plans.q, plans.error)[0, 0].tolist() == [0.5, 0.5]
    plans = optimal(mdp, r)
    assert greedy(plans.q, plans.error)[0, 0].tolist() == [1.0, 0.0]


def test_an_offset_of_all_rewards_takes_no_digit_from_the_scale_of_an_mdp():
    mdp = rh.MDP({"r": np.zeros(7)}, np.eye(7)[None], 0.5)
    rewards = np.array([[0.0, 3.0, 1.0, 5.0, 2.0, 0.0, 4.0]])
    for start in (0, 1_700_000_000_000_000):
        assert scales(mdp, rewards + start, np.zeros((1, 7))) == pytest.approx(rewards.std(), rel=1e-14)


def test_overlapping_intervals_are_the_linked_ones():
    rng = np.random.default_rng(10)
    for _ in range(50):
        n = int(rng.integers(1, 9))
        marks, slack = rng.uniform(0, 10, n), rng.choice([0.0, 0.2, 1.0, 4.0], n)
        group = list(range(n))
        for _ in range(n):
            for i, j in itertools.product(range(n), repeat=2):
                if abs(marks[i] - marks[j]) <= slack[i] + slack[j]:
                    group[i] = group[j] = min(group[i], group[j])
        right = sorted([i for i in range(n) if group[i] == one] for one in set(group))
        assert sorted(overlapping(marks, slack)) == right


def test_rewards_of_many_blocks_are_compared_in_every_one(monkeypatch):
    """What differs in the first block alone differs; what is whole numbers in the first may be equal up to rounding later."""
    monkeypatch.setattr(valuation, "LEAST_ITEMS", 4)
    n = 16
    crash, first = np.eye(n)[0], np.eye(n)[1]
    table = {"x": np.linspace(-1, 1, n).round(3), "crash": crash, "first": first, "seen": np.zeros(n)}
    hypotheses = {"x": "x - 1e15 * crash", "again": f"x - 1e15 * crash + {NOUGHT}", "other": "x - 1e15 * crash + first"}
    tree = rh.fit(hypotheses, rh.Uniform(SOURCE), [rh.Rewards(table, "seen", sigma2=(2, 2))], 0, random_seed=1)
    assert tree["evidence"]["silent_class"].to_numpy().tolist() == [0, 0, 1]
    pairs = {"x": np.array([[1.0, 1.0]] * 4 + [[0.1, 0.3]] * 4), "y": np.array([[0.0, 0.0]] * 4 + [[0.2, 0.0]] * 4)}
    pairs["chosen"] = np.array([[1, 0]] * 8)
    tree = rh.fit({"sum": "x + y"}, rh.Uniform(SOURCE), [rh.Choices(pairs, "chosen")], 0, random_seed=1)
    assert float(tree["evidence"]["log_evidence"][0]) == pytest.approx(-8 * np.log(2), abs=1e-9)


def test_options_that_are_equal_but_for_one_that_is_failing_have_no_spread():
    table = {
        "scene": [0, 0, 0],
        "option": [0, 1, 2],
        "x": [0.1, 0.3, 9.0],
        "y": [0.2, 0.0, 0.0],
        "is_failing": [0, 0, 1],
        "chosen": [1, 0, 0],
    }
    tree = rh.fit(
        {"sum": "x + y"}, rh.Uniform(SOURCE), [rh.Choices(table, "chosen", rationality=1.0)], -1, random_seed=1
    )
    assert float(tree["evidence"]["log_evidence"][0]) == pytest.approx(-np.log(3), abs=1e-12)


@pytest.mark.parametrize("kind", ["choices", "stops", "ratings"])
def test_hypotheses_that_scaling_makes_one_are_one_whatever_rounding_their_scale_takes(kind):
    """a r + b, a > 0, of rewards whose bounds are wide at one item, and a hypothesis that differs by more than that."""
    rng = np.random.default_rng(11)
    x = rng.uniform(-3, 3, (6, 3)).round(3)
    x[0, 1] = x[0, 2] + 1e-4
    far = np.zeros((6, 3))
    far[2, 1] = 1
    table = {"x": x, "far": far, "chosen": x == x.max(axis=1, keepdims=True), "stop": x < 0}
    table["grade"] = (x > 0).astype(int)
    flat = {key: value.ravel() for key, value in table.items()}
    made = {
        "choices": lambda: rh.Choices(table, "chosen", rationality=1.0),
        "stops": lambda: rh.Stops(flat, "stop", rationality=1.0),
        "ratings": lambda: rh.Ratings(flat, "grade", grades=[0, 1], rationality=1.0),
    }[kind]()
    wide = "far * (123456789.1 - 123456788.2)"
    hypotheses = {
        "r": f"x + {wide}",
        "a r": f"(x + {wide}) * 0.7 / 0.3",
        "a r + b": f"0.1 * {wide} + x / 10",
        "other": f"x + {wide} + 1e-6 * (x > 1)" if kind == "stops" else f"x + {wide} + 1e-6 * x * x",
    }
    tree = rh.fit(hypotheses, rh.Uniform(SOURCE), [made], fail_utility=0, random_seed=1)
    classes = tree["evidence"]["silent_class"].to_numpy()
    assert classes.tolist() == [0, 0, 0, 1]
