"""Equal means equal up to rounding at that item, and nothing elsewhere in a table matters."""

import math
from fractions import Fraction

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.rounding_error_bounds import WHOLE, all_equal, bound_of, equal

PENALTIES = (1e3, 1e9, 1e11, 1e15)
PRIOR = rh.Elicited({"a": 1, "b": 1}, source="a test")


def bounded(text, **columns):
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    bounds = {name: bound_of(values) for name, values in arrays.items()}
    return parse(text).bounded(arrays.__getitem__, bounds.__getitem__)


def same(one, other):
    (x, of_x), (y, of_y) = bounded(one), bounded(other)
    return bool(equal(x, y, of_x, of_y))


# the bound itself, against rational arithmetic


def random_decimal(rng):
    """A decimal of 1 to 12 digits: its text and its value."""
    digits = int(rng.integers(1, 13))
    whole = int(rng.integers(0, 10**digits))
    places = int(rng.integers(0, digits + 1))
    text = f"{whole // 10**places}.{whole % 10**places:0{places}d}" if places else str(whole)
    return text, Fraction(whole, 10**places)


def random_expression(rng, depth):
    """An expression of decimals: its text, its value, and whether the value is defined."""
    if depth == 0 or rng.random() < 0.2:
        return random_decimal(rng)
    kind = rng.choice(["+", "-", "*", "min", "max", "abs", "-x"])
    a, x = random_expression(rng, depth - 1)
    if kind == "abs":
        return f"abs({a})", abs(x)
    if kind == "-x":
        return f"-({a})", -x
    b, y = random_expression(rng, depth - 1)
    if kind in ("min", "max"):
        return f"{kind}({a}, {b})", min(x, y) if kind == "min" else max(x, y)
    return f"({a}) {kind} ({b})", {"+": x + y, "-": x - y, "*": x * y}[str(kind)]


def test_bounds_hold_the_true_value_of_a_thousand_decimal_expressions():
    rng = np.random.default_rng(1)
    loosest = 0.0
    for _ in range(1000):
        text, true = random_expression(rng, 4)
        value, error = bounded(text)
        off = abs(Fraction(float(value)) - true)
        assert off <= Fraction(float(error)), text
        if error == 0:
            assert true.denominator == 1, text
        loosest = max(loosest, float(error) / max(abs(float(value)), 1e-300) if off else 0.0)
    assert 0 < loosest < 1e-9  # some are inexact, and no bound is far off


def test_decimals_that_are_equal_stay_equal_and_those_that_differ_stay_different():
    rng = np.random.default_rng(2)
    seen = {True: 0, False: 0}
    for _ in range(1000):
        (a, x), (b, y) = random_decimal(rng), random_decimal(rng)
        total = x + y
        places = max((len(t.partition(".")[2]) for t in (a, b)), default=0)
        written = total + Fraction(int(rng.integers(-1, 2)), 10**places)  # equal, or off by one in the last digit
        if len(str(int(abs(written) * 10**places))) > 12 or written < 0:
            continue
        scaled = int(written * 10**places)
        text = f"{scaled // 10**places}.{scaled % 10**places:0{places}d}" if places else str(scaled)
        assert same(f"{a} + {b}", text) == (written == total), (a, b, text)
        seen[written == total] += 1
    assert min(seen.values()) > 100


def test_a_tenth_and_two_tenths_are_three_tenths():
    assert same("0.1 + 0.2", "0.3")
    assert not same("0.1 + 0.2", "0.300000000001")
    assert same("0.3 - 0.1 - 0.2", "0")


def test_whole_numbers_are_exact_up_to_2_to_the_53():
    when = np.array([1_700_000_000_000_000.0, 1_700_000_000_000_001.0])
    value, error = bounded("x - 1700000000000000", x=when)
    assert value.tolist() == [0.0, 1.0] and error == 0.0
    assert bounded("x + 1", x=np.array([WHOLE]))[1].tolist() == [1.0]  # rounds to even: off by 1
    assert bounded("x * x", x=np.array([3.0, 2.0**27]))[1][0] == 0.0


@pytest.mark.parametrize("text", ["a / b", "a ** b", "exp(a)", "log(a)", "sqrt(a)", "a ** 3", "a ** 2", "1 / (a - b)"])
def test_bounds_of_functions_hold_what_mpmath_finds(text):
    import mpmath

    rng = np.random.default_rng(3)
    a, b = rng.uniform(0.05, 4, 200), rng.uniform(0.05, 4, 200)
    value, error = bounded(text, a=a, b=b)
    with mpmath.workdps(60):
        names = {"exp": mpmath.exp, "log": mpmath.log, "sqrt": mpmath.sqrt}
        for k in range(len(a)):
            # the worst of cells moved by half a unit in the last place
            for s in (-1, 1):
                for t in (-1, 1):
                    x = mpmath.mpf(a[k]) + s * mpmath.mpf(np.spacing(a[k])) / 2
                    y = mpmath.mpf(b[k]) + t * mpmath.mpf(np.spacing(b[k])) / 2
                    true = _by_mpmath(text, x, y, names)
                    assert abs(true - mpmath.mpf(value[k])) <= error[k] * (1 + 1e-6), (text, a[k], b[k])
    assert (error <= 1e-12 * np.abs(value) / np.minimum(np.abs(a - b), 1)).all()


def _by_mpmath(text, a, b, names):
    return {
        "a / b": lambda: a / b,
        "a ** b": lambda: a**b,
        "exp(a)": lambda: names["exp"](a),
        "log(a)": lambda: names["log"](a),
        "sqrt(a)": lambda: names["sqrt"](a),
        "a ** 3": lambda: a**3,
        "a ** 2": lambda: a**2,
        "1 / (a - b)": lambda: 1 / (a - b),
    }[text]()


def test_where_a_derivative_is_infinite_the_bound_is_what_the_function_changes_by():
    _, error = bounded("sqrt(x - 0.3)", x=np.array([0.1 + 0.2, 0.3]))
    assert (error > 1e-9).all() and (error < 1e-7).all()
    assert bounded("sqrt(x)", x=np.array([0.0]))[1] == pytest.approx(0, abs=1e-300)


def test_the_branch_taken_counts():
    x = np.array([1.0, 0.1])
    for text in ("where(x > 0.5, 5, x)", "max(x, 5 * x - 4)", "clip(x, 0, 0.1 + 0.9)"):
        value, error = bounded(text, x=x)
        assert error[1] > 0, text
    assert bounded("where(x > 0.5, 5, x)", x=x)[1][0] == 0.0
    assert bounded("1 / (1 + exp(800 * x))", x=x)[1].max() < 1e-30  # through infinity, and back


def test_all_equal_looks_at_each_row_and_at_what_is_inside():
    values = np.array([[0.3, 0.1 + 0.2, 9.0], [1.0, 2.0, 9.0]])
    inside = np.array([[True, True, False], [True, True, False]])
    error = np.full(values.shape, 1e-16)
    assert all_equal(values, error, inside, axis=1).tolist() == [True, False]
    assert not all_equal(values, 0.0, inside, axis=1).any()


# what follows it


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_prohibitive_penalty_changes_nothing_elsewhere(penalty):
    rng = np.random.default_rng(0)
    a, b, crash = rng.uniform(-100, 100, (20, 2)), rng.uniform(-100, 100, (20, 2)), np.zeros((20, 2))
    crash[0, 1] = 1
    train = {"a": rng.uniform(-100, 100, 30), "b": rng.uniform(-100, 100, 30), "crash": np.eye(30)[0]}
    train["good"] = train["a"] > 0
    hypotheses = {h: f"where(crash > 0, -{penalty:.0f}, {h})" for h in ("a", "b")}
    tree = rh.fit(hypotheses, PRIOR, [rh.Labels(train, "good", noise=(1, 19))], fail_utility=0, random_seed=1)
    found = rh.catastrophe_risk(tree, {"a": a, "b": b, "crash": crash}, agent=rh.Uniform())
    rewards = np.where(crash > 0, -penalty, np.array([a, b]))
    picked = rewards.argmax(axis=2)
    weights = tree["evidence"]["weight"].to_numpy()
    bad = np.array([[[rewards[j, m, picked[i, m]] < 0 for m in range(20)] for j in (0, 1)] for i in (0, 1)])
    assert float(found["mean"]) == pytest.approx(
        float((weights[:, None] * weights[None]).T.ravel() @ bad.mean(2).ravel())
    )
    assert 0 < float(found["mean"]) < 0.5
    assert weights[0] > 0.99


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("kind", ["choices", "rankings", "rewards", "stops", "ratings"])
def test_a_prohibitive_penalty_silences_no_feedback(kind, penalty):
    """Two hypotheses that differ elsewhere are told apart, and two that agree up to rounding are not."""
    rng = np.random.default_rng(4)
    n = 12
    x = rng.uniform(-3, 3, (n, 3)).round(3)
    crash = np.zeros((n, 3))
    crash[0, 2] = 1
    table = {"x": x, "crash": crash, "y": rng.uniform(-3, 3, (n, 3)).round(3)}
    table["chosen"] = x == x.max(axis=1, keepdims=True)
    table["rank"] = (-x).argsort(axis=1).argsort(axis=1) + 1
    table["seen"], table["stop"] = np.where(crash > 0, -penalty, x), x < 0
    table["grade"] = np.clip(np.floor(x) + 3, 0, 5).astype(int)
    flat = {key: value.ravel() for key, value in table.items()}
    made = {
        "choices": lambda: rh.Choices(table, "chosen", rationality=1.0),
        "rankings": lambda: rh.Rankings(table, "rank", rationality=1.0),
        "rewards": lambda: rh.Rewards(flat, "seen", sigma2=(2, 2)),
        "stops": lambda: rh.Stops(flat, "stop", rationality=1.0),
        "ratings": lambda: rh.Ratings(flat, "grade", grades=[0, 1, 2, 3, 4, 5], rationality=1.0),
    }[kind]()
    rewards = {"x": "x", "again": "x + 0.1 + 0.2 - 0.3", "y": "y"}
    hypotheses = {name: f"where(crash > 0, -{penalty:.0f}, {text})" for name, text in rewards.items()}
    prior = rh.Uniform("a test")
    tree = rh.fit(hypotheses, prior, [made], fail_utility=0, random_seed=1)
    classes = tree["evidence"]["silent_class"].to_numpy()
    log_evidence = tree["evidence"]["log_evidence"].to_numpy()
    assert classes[0] == classes[1] != classes[2]
    assert log_evidence[0] == log_evidence[1] != log_evidence[2]


def test_clock_times_in_microseconds_are_compared_exactly():
    start = 1_700_000_000_000_000
    arrival = np.array([[0.0, 5.0], [3.0, 1.0], [2.0, 2.0]]) + start
    hypotheses = {"early": "-arrival", "late": "arrival", "early in microseconds since": f"{start} - arrival"}
    chosen = np.array([[1, 0], [0, 1], [1, 0]])
    prior = rh.Uniform("a test")
    feedback = [rh.Choices({"arrival": arrival, "chosen": chosen}, "chosen", rationality=1.0)]
    tree = rh.fit(hypotheses, prior, feedback, fail_utility={name: 0 for name in hypotheses}, random_seed=1)
    evidence = tree["evidence"]["log_evidence"].to_numpy()
    s = math.sqrt((2.5**2 + 1 + 0) / 3)
    right = -math.log1p(math.exp(-5 / s)) - math.log1p(math.exp(-2 / s)) - math.log(2)
    assert evidence[0] == evidence[2] == pytest.approx(right, abs=1e-14)
    line = {name: f"{'-' if 'late' not in name else ''}{start + 2}" for name in hypotheses}
    line["early in microseconds since"] = -2
    labels = [rh.Labels({"arrival": arrival.ravel(), "ok": np.ones(6)}, "ok", noise=0.25)]
    tree = rh.fit(hypotheses, prior, labels, fail_utility={k: float(v) for k, v in line.items()}, random_seed=1)
    early = (arrival.ravel() - start < 2).sum()
    wrong = {0: 6 - early, 1: 6 - (arrival.ravel() - start > 2).sum(), 2: 6 - early}
    for h, k in wrong.items():
        found = float(tree["evidence"]["log_evidence"][h])
        assert found == pytest.approx(k * math.log(0.25) + (6 - k) * math.log(0.75), abs=1e-12)


@pytest.mark.parametrize(
    "policy", [rh.Commit(), rh.MostProbable(), rh.Maximin(), rh.Quantilize(0.4), rh.Commit(abstain=True)]
)
def test_options_equal_up_to_rounding_tie_whatever_else_the_table_holds(policy):
    """Of 0.1 + 0.2 and 0.3 each is taken half of the time; 0.3 and 0.3000001 are never taken for one."""
    table = {
        "x": np.array([[0.1, 0.3], [0.3, 0.3000001], [-1e12, 0.0]]),
        "y": np.array([[0.2, 0.0], [0.0, 0.0], [0.0, 0.0]]),
        "bad": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
    }
    hypotheses = {"a": "x + y", "b": "-bad"}
    prior = rh.Elicited({"a": 1, "b": 1}, source="a test")
    train = {"x": [1.0, 2.0], "y": [0.0, 0.0], "bad": [0.0, 0.0], "seen": [1.0, 2.0]}
    tree = rh.fit(hypotheses, prior, [rh.Rewards(train, "seen", sigma2=(2, 2))], fail_utility=-0.5, random_seed=1)
    found = rh.catastrophe_risk(tree, table, policy=policy, agent=rh.Elicited({"a": 1, "b": 0}, source="sure of a"))
    by_truth = found["by_truth"].to_numpy()  # b calls the first option of the first two scenes a catastrophe
    taken = {rh.Quantilize(0.4): (0.5, 0.0)}.get(policy, (0.5, 0.0))
    assert by_truth[1] == pytest.approx(sum(taken) / 3, abs=1e-15)


def test_what_equals_failing_is_neither_a_true_label_nor_a_catastrophe():
    table = {"x": [0.1, 0.1, 0.1, -1e12], "y": [0.2, 0.2000001, 0.1999999, 0.0], "ok": [0, 1, 0, 0]}
    prior = rh.Uniform("a test")
    tree = rh.fit({"a": "x + y"}, prior, [rh.Labels(table, "ok", noise=0.25)], fail_utility=0.3, random_seed=1)
    assert float(tree["evidence"]["log_evidence"][0]) == pytest.approx(4 * math.log(0.75), abs=1e-14)
    risk = rh.catastrophe_risk(tree, {key: table[key] for key in ("x", "y")})
    assert float(risk["mean"]) == 0.5  # the last two alone


def test_a_state_that_cannot_be_reached_changes_no_plan():
    """Values, ties, catastrophes and silence, with pivots that would carry its rounding elsewhere."""
    rng = np.random.default_rng(5)
    n = 8
    transitions = rng.dirichlet(np.full(n - 1, 0.4), (2, n - 1))
    whole = np.zeros((2, n, n))
    whole[:, : n - 1, : n - 1] = transitions
    whole[:, n - 1, : n - 1] = np.eye(n - 1)[0]  # leads in, and nothing leads to it
    r = rng.uniform(-5, 5, n).round(2)
    answers = []
    for worth in (-1.0, -1e6, -1e12):
        r[-1] = worth
        mdp = rh.MDP({"r": r}, whole, 0.95)
        found = rh.plan(mdp, "r")
        tree = rh.fit(
            {"r": "r", "again": "r + 0.1 + 0.2 - 0.3", "other": "abs(r)"},
            rh.Uniform("a test"),
            [rh.Demonstrations(mdp, [[(0, 0), (1, 1)]], rationality=1.0, scale="raw")],
            fail_utility=0,
            random_seed=1,
        )
        risk = rh.catastrophe_risk(tree, mdp, start=0, horizon=5)
        evidence = tree["evidence"]["log_evidence"].to_numpy()
        classes = tree["evidence"]["silent_class"].to_numpy()
        assert evidence[0] == evidence[1] and classes[0] == classes[1] != classes[2]
        q = found["q"].to_numpy()[: n - 1]
        answers.append(
            np.concatenate([q.ravel(), found["policy"].to_numpy()[: n - 1].ravel(), evidence, [risk["mean"]]])
        )
    assert answers[1] == pytest.approx(answers[0], abs=1e-12)
    assert answers[2] == pytest.approx(answers[0], abs=1e-12)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_a_proxy_is_planned_and_weighed_item_by_item(penalty):
    world = {
        "x": np.array([[0.1, 0.3, 5.0], [1.0, 2.0, 0.0]]),
        "y": np.array([[0.2, 0.0, 0.0], [0.0, 0.0, 0.0]]),
        "crash": np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]),
        "z": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]]),
    }
    candidates = {"sum": f"where(crash > 0, -{penalty:.0f}, x + y)", "less": "-x - z"}
    proxy = rh.Proxy(world, chosen="sum", candidates=candidates, rationality=1.0)
    does = proxy.does[0].reshape(2, 3)
    assert does.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]
    prior = rh.Uniform("a test")
    tree = rh.fit({"z": f"where(crash > 0, -{penalty:.0f}, z)", "-z": "-z"}, prior, [proxy], 0.0, random_seed=1)
    assert len(set(tree["evidence"]["silent_class"].to_numpy().tolist())) == 2


def test_regret_and_prices_are_not_lost_beside_a_penalty_that_is_avoided():
    crash = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    test = {
        "a": np.array([[1.0, 0.5, 0.0], [0.2, 0.1, 0.0]]),
        "b": np.array([[0.0, 1.0, 0.0], [0.1, 0.2, 0.0]]),
        "crash": crash,
    }
    train = {"a": [1.0], "b": [1.0], "crash": [0.0], "seen": [1.0]}
    found = []
    for penalty in (1e3, 1e13):
        hypotheses = {h: f"where(crash > 0, -{penalty:.0f}, {h})" for h in ("a", "b")}
        tree = rh.fit(hypotheses, PRIOR, [rh.Rewards(train, "seen", sigma2=(2, 2))], fail_utility=-1, random_seed=1)
        found.append(float(rh.catastrophe_risk(tree, test, agent=rh.Elicited({"a": 1, "b": 0}, source="a"))["regret"]))
    assert found == pytest.approx([(1.0 + 0.1) / 4] * 2, rel=1e-12)


def test_boltzmann_of_clock_times_is_that_of_the_times_since_the_first():
    """An offset of all rewards takes no digit from the spread by which a policy scales them; scenes are ragged."""
    rng = np.random.default_rng(6)
    widths = [7, 1, 4, 7, 3, 2]
    late = rng.integers(0, 6, size=sum(widths)).astype(float)
    bad = (rng.random(len(late)) < 0.4).astype(float)
    scene = np.repeat(np.arange(len(widths)), widths)
    test = {"scene": scene, "option": np.arange(len(late)), "bad": bad}
    train = {"t": [1.0, 2.0], "bad": [0.0, 0.0], "seen": [1.0, 2.0]}
    parts = [late[scene == k] for k in range(len(widths))]
    s = math.sqrt(np.mean([part.var() for part in parts if len(part) > 1]))
    odds = [np.exp(3 * (part - part.max()) / s) for part in parts]
    right = np.mean([o @ bad[scene == k] / o.sum() for k, o in enumerate(odds)])
    hypotheses = {"late": "t", "harmless": "-bad"}
    tree = rh.fit(hypotheses, rh.Uniform("a test"), [rh.Rewards(train, "seen", sigma2=(2, 2))], -0.5, random_seed=1)
    for start in (0, 1_700_000_000_000_000):
        table = test | {"t": late + start}
        agent = rh.Elicited({"late": 1, "harmless": 0}, source="sure of late")
        found = rh.catastrophe_risk(tree, table, policy=rh.Boltzmann(3.0), agent=agent)
        assert float(found["by_truth"][1]) == pytest.approx(right, abs=1e-13)


@pytest.mark.parametrize("kind", ["choices", "rewards"])
def test_many_hypotheses_are_told_apart_in_few_comparisons_beside_a_penalty(kind, monkeypatch):
    """Of 300, two and two alike, each is compared with few others, although the penalty's rounding hides their sums."""
    from reward_hypotheses.models.feedback import equivalence

    compared = []
    monkeypatch.setattr(equivalence, "equal", lambda *args: compared.append(1) or equal(*args))
    rng = np.random.default_rng(7)
    x, y = rng.uniform(-3, 3, (2, 6, 3)).round(3)
    crash = np.zeros((6, 3))
    crash[0, 2] = 1
    table = {"x": x, "y": y, "crash": crash, "chosen": x == x.max(axis=1, keepdims=True)}
    hypotheses = {}
    for k, (a, b) in enumerate(rng.normal(size=(150, 2)).round(3).tolist()):
        hypotheses[f"{k}"] = f"where(crash > 0, -1e15, {a} * x + {b} * y)"
        hypotheses[f"{k} again"] = f"where(crash > 0, -1e15, {b} * y + {a} * x + 0.1 + 0.2 - 0.3)"
    feedback = rh.Choices(table, "chosen", rationality=1.0)
    if kind == "rewards":
        feedback = rh.Rewards({key: value.ravel() for key, value in table.items()}, "x", sigma2=(2, 2))
    tree = rh.fit(hypotheses, rh.Uniform("a test"), [feedback], fail_utility=0, random_seed=1)
    assert tree["evidence"]["silent_class"].to_numpy().tolist() == np.repeat(np.arange(150), 2).tolist()
    assert 150 <= len(compared) < 1500
