"""Demonstrations: their evidence against another integrator, silence, trees, checks, and what is refused."""

import re

import hypothesis
import numpy as np
import oracles_mdp as oracle
import pytest
from hypothesis import strategies as st

import reward_hypotheses as rh
from reward_hypotheses.models.mdp import planning
from reward_hypotheses.models.mdp.trajectories import sampled
from reward_hypotheses.models.weights.predictive_check import predictive_check

HYPOTHESES = {"x": "x", "twice x": "2*x", "y": "y", "mix": "x - 2*y", "minus x": "-x", "nothing": "0*x + 3"}


def refused(*wants):
    return pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants))


def rewards_of(name, s):
    x, y = s["x"], s["y"]
    return {"x": x, "twice x": 2 * x, "y": y, "mix": x - 2 * y, "minus x": -x, "nothing": 0 * x + 3}[name]


def unit_of(r, p):
    """By hand: s of a reward (state,) in an MDP (action, state, next_state); None where choices are at chance."""
    if np.ptp(r) > 0:
        return np.std(r)
    return abs(r[0]) or None if (p.sum(axis=2) == 0).any() else None


def walked(mdp, rng, n=3, steps=8):
    policy = rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states)
    return list(sampled(mdp, policy, mdp.start(), n, steps, rng))


def a_case(seed, g=None):
    rng = np.random.default_rng(seed)
    p = oracle.random_mdp(rng)
    states = oracle.states_of(rng, p.shape[1])
    states["x"][0] += 1  # never all equal
    states["y"][-1] += 1
    mdp = rh.MDP(states, p, float(rng.choice([0.0, 0.5, 0.9]) if g is None else g))
    while True:
        made = walked(mdp, rng)
        if any(not mdp.ended[s] for one in made for s, _ in one):
            return rng, p, states, mdp, made


def fitted(feedback, hypotheses=HYPOTHESES, **options):
    return rh.fit(hypotheses, rh.Uniform("a test"), feedback, 0.0, draws=50, chains=1, random_seed=1, **options)


def scored(mdp, made):
    return [(s, a) for one in made for s, a in one if not mdp.ended[s]]


@pytest.mark.parametrize("seed", range(20))
def test_optimal_evidence(seed):
    rng, p, states, mdp, made = a_case(seed)
    scale = ("unit", "raw")[seed % 2]
    prior = {"mu": float(rng.normal()), "sigma": float(rng.uniform(0.3, 2))}
    got = fitted([rh.Demonstrations(mdp, made, rationality=prior, scale=scale)])
    fixed = fitted([rh.Demonstrations(mdp, made, rationality=1.7, scale=scale)])
    for h, name in enumerate(HYPOTHESES):
        r = rewards_of(name, states)
        unit = unit_of(r, p)
        q = oracle.optimal_q(p, 0 * r if unit is None else r, mdp.discount) / (unit or 1.0 if scale == "unit" else 1.0)

        def ll(beta, q=q):
            return oracle.log_likelihood(q, scored(mdp, made), beta)

        assert fixed["evidence"]["log_evidence"].values[h] == pytest.approx(ll(1.7), rel=1e-10, abs=1e-10)
        assert got["evidence"]["log_evidence"].values[h] == pytest.approx(oracle.integral(ll, **prior), abs=1e-8)
    first, twice, *_ = got["evidence"]["log_evidence"].values
    assert first == twice if scale == "unit" else mdp.discount == 0 or first != twice


@pytest.mark.parametrize("seed", range(20))
def test_soft_evidence(seed):
    rng, p, states, mdp, made = a_case(1000 + seed, g=(0.0, 0.5, 0.8)[seed % 3])
    prior = {"mu": float(rng.normal() / 2), "sigma": float(rng.uniform(0.3, 1))}
    few = {name: HYPOTHESES[name] for name in ("x", "mix", "nothing")}
    got = fitted([rh.Demonstrations(mdp, made, planner="soft", rationality=prior)], few)
    fixed = fitted([rh.Demonstrations(mdp, made, planner="soft", rationality=1.7)], few)
    for h, name in enumerate(few):
        r = rewards_of(name, states)
        unit = unit_of(r, p)
        z = 0 * r if unit is None else r / unit

        def ll(beta, z=z):
            q = oracle.soft_q(p, z, mdp.discount, beta) if z.any() else np.zeros((len(z), len(p)))
            return oracle.log_likelihood(q, scored(mdp, made), beta)

        assert fixed["evidence"]["log_evidence"].values[h] == pytest.approx(ll(1.7), rel=1e-10, abs=1e-10)
        if name != "mix":  # two are enough: every node of the oracle's integral plans by plain loops
            t = np.linspace(prior["mu"] - 9 * prior["sigma"], prior["mu"] + 9 * prior["sigma"], 61)
            f = np.array([ll(np.exp(x)) for x in t]) - 0.5 * ((t - prior["mu"]) / prior["sigma"]) ** 2
            rule = np.logaddexp.reduce(f) + np.log(t[1] - t[0]) - np.log(prior["sigma"] * np.sqrt(2 * np.pi))
            assert got["evidence"]["log_evidence"].values[h] == pytest.approx(rule, abs=1e-8)


@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(
    st.integers(0, 10**6), st.floats(1e-3, 1e3), st.floats(-100, 100), st.sampled_from(["optimal", "soft"])
)
def test_rewards_in_other_units_change_nothing(seed, a, b, planner):
    """``a r + b`` explains as much as r where no episode ends; and what was done apart adds up at a given rationality."""
    rng = np.random.default_rng(seed)
    p = oracle.random_mdp(rng, ends=False)
    states = oracle.states_of(rng, p.shape[1])
    states["x"][0] += 9
    mdp = rh.MDP(states, p, 0.7)
    one, two = walked(mdp, rng, n=2)
    rewards = {"r": "x", "moved": f"{a!r} * x + {b!r}" if b >= 0 else f"{a!r} * x - {-b!r}"}
    tree = fitted([rh.Demonstrations(mdp, [one, two], planner=planner)], rewards)
    first, moved = tree["evidence"]["log_evidence"].values
    assert first == moved and tree["evidence"]["silent_class"].values.tolist() == [0, 0]
    each = [
        fitted([rh.Demonstrations(mdp, w, planner=planner, rationality=2)], rewards) for w in ([one], [two], [one, two])
    ]
    said = [float(t["evidence"]["log_evidence"][0]) for t in each]
    assert said[0] + said[1] == pytest.approx(said[2], abs=1e-10)


def corridor(n=6, g=0.9, end=True):
    """A corridor with a goal at its right end; left and right."""
    p = np.zeros((2, n, n))
    p[0, np.arange(n), np.maximum(np.arange(n) - 1, 0)] = 1
    p[1, np.arange(n), np.minimum(np.arange(n) + 1, n - 1)] = 1
    if end:
        p[:, -1] = 0
    states = {
        "state": [f"s{i}" for i in range(n)],
        "place": np.arange(float(n)),
        "goal": np.arange(n) == n - 1,
        "pit": np.arange(n) == 0,
    }
    return rh.MDP(states, p, g, actions=["left", "right"])


WALK = [[("s2", "right"), ("s3", "right"), ("s4", "left"), ("s3", "right"), ("s4", "right"), ("s5", None)]]


def test_names_and_numbers_say_the_same():
    mdp = corridor()
    places, moves = mdp.state.place, mdp.action.place
    numbers = [[(places(s), 0 if a is None else moves(a)) for s, a in one] for one in WALK]
    rows = [(k, t, s, a or "") for k, one in enumerate(WALK) for t, (s, a) in enumerate(one)]
    table = dict(zip(("trajectory", "step", "state", "action"), map(list, zip(*rows, strict=True)), strict=True))
    found = [fitted([rh.Demonstrations(mdp, given)], {"g": "goal", "p": "place"}) for given in (WALK, numbers, table)]
    first, *others = [tree["evidence"]["log_evidence"].values for tree in found]
    assert all((first == other).all() for other in others)
    assert found[0]["posterior_predictive"]["demonstrations"].shape[2:] == (5, 2)


def test_silence():
    """Rewards that differ where nobody can come from the states visited have the same advantages there, if not the same s."""
    mdp = corridor(end=False)
    given = {"goal": "goal", "shifted": "3*goal - 1", "pit": "pit", "callable": lambda d: d["goal"] * 2.0}
    for planner in ("optimal", "soft"):
        tree = fitted([rh.Demonstrations(mdp, [[("s2", "right"), ("s3", "right")]], planner=planner)], given)
        classes = tree["evidence"]["silent_class"].values
        assert classes[0] == classes[1] == classes[3] != classes[2]
        value = tree["evidence"]["log_evidence"].values
        assert value[0] == value[1] == value[3] > value[2]
    raw = fitted([rh.Demonstrations(mdp, [[("s2", "right")]], scale="raw")], given)["evidence"]["silent_class"].values
    assert len(set(raw)) == 4


def test_constants_matter_to_the_soft_planner_where_episodes_end():
    mdp = corridor()
    given = {"goal": "goal", "less": "goal - 1", "nothing": "0*goal", "twice": "2*goal"}
    tree = fitted([rh.Demonstrations(mdp, WALK, planner="soft")], given)
    classes = tree["evidence"]["silent_class"].values
    assert classes[0] == classes[3] and len({*classes[:3]}) == 3
    chance = fitted([rh.Demonstrations(mdp, WALK)], given)["evidence"]["log_evidence"].values[2]
    assert chance == pytest.approx(5 * np.log(0.5))
    assert tree["evidence"]["log_evidence"].values[2] == pytest.approx(5 * np.log(0.5))


@pytest.mark.parametrize("planner", ["optimal", "soft"])
def test_a_tree_holds_what_its_groups_say(planner):
    mdp = corridor()
    one = rh.Demonstrations(mdp, WALK, planner=planner, name="walk")
    tree = fitted([one], {"goal": "100*goal", "pit": "-pit"}, log_likelihood=True)
    assert tree["posterior"]["walk_rationality"].shape == (1, 50, 2)
    assert tree["constant_data"]["walk_scale"].values == pytest.approx([100 * np.sqrt(5) / 6, np.sqrt(5) / 6])
    assert tree["constant_data"]["walk_state"].values.tolist() == [2, 3, 4, 3, 4]
    assert tree["constant_data"]["walk_goal"].values.tolist() == [False] * 5
    assert tree["observed_data"]["walk"].values.argmax(axis=1).tolist() == [1, 1, 0, 1, 1]
    ll = tree["log_likelihood"]["walk"].values
    assert ll.shape == (1, 50, 2, 5) and (ll <= 0).all()
    beta = tree["posterior"]["walk_rationality"].values[0, 7, 0]
    r = np.array([0, 0, 0, 0, 0, 6 / np.sqrt(5)])
    p = mdp.transitions.dense()
    q = oracle.soft_q(p, r, 0.9, beta) if planner == "soft" else planning.optimal(mdp, r[None]).q[0]
    want = [oracle.log_likelihood(q, [step], beta) for step in [(2, 1), (3, 1), (4, 0), (3, 1), (4, 1)]]
    assert ll[0, 7, 0] == pytest.approx(want, abs=1e-9)
    study = tree.attrs["study"]
    assert '"planner": "' + planner in study and '"states": 6' in study


def test_a_human_of_demonstrations_and_choices():
    mdp = corridor()
    scenes = {"goal": [[True, False]] * 3, "pit": [[False, True]] * 3, "c": [[True, False]] * 3}
    both = [rh.Demonstrations(mdp, WALK, human="Ann"), rh.Choices(scenes, "c", human="Ann")]
    tree = fitted(both, {"goal": "goal", "pit": "-pit"})
    assert "Ann_rationality" in tree["posterior"]
    apart = fitted([rh.Demonstrations(mdp, WALK), rh.Choices(scenes, "c")], {"goal": "goal", "pit": "-pit"})
    assert not np.allclose(tree["evidence"]["log_evidence"], apart["evidence"]["log_evidence"])


@pytest.mark.parametrize(
    ("planner", "prior"), [("optimal", "sphere"), ("soft", "sphere"), ("optimal", {"normal": 1.5})]
)
def test_continuous_weights(planner, prior):
    """Bayesian inverse reinforcement learning: against a grid over directions and rationality, or over weights."""
    mdp = rh.MDP(*rh.gridworld(["A.B", ".C."], {"A": "a", "B": "b", "C": "c"}, ends="C", slip=0.1), 0.8)
    walks = rh.demonstrate(mdp, "b - a / 2", 2.0, 3, 6, random_seed=2)
    steps = [(mdp.state.place(s), mdp.action.place(a)) for one in walks for s, a in one if s != "1,1"]
    phi = np.array([mdp.table.columns[name].values / mdp.table.columns[name].values.std() for name in ("a", "b")])
    family = rh.Linear(["a", "b"], prior=prior, source="a test")
    tree = fitted([rh.Demonstrations(mdp, walks, planner=planner)], {"family": family, "b": "b"})
    if prior == "sphere":
        turn, t = (np.arange(60) + 0.5) / 60 * 2 * np.pi, np.linspace(-5, 5, 41)
        rewards = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ phi
        each = [(r / r.std(), np.exp(x)) for x in t for r in rewards]
        log_prior = np.repeat(-0.5 * t**2, 60) + np.log((t[1] - t[0]) / 60 / np.sqrt(2 * np.pi))
    else:
        w = np.linspace(-7, 7, 71)
        each = [(x * phi[0] + y * phi[1], 1.0) for x in w for y in w]
        square = np.add.outer(w**2, w**2).ravel() / 1.5**2
        log_prior = -0.5 * square + 2 * np.log((w[1] - w[0]) / 1.5 / np.sqrt(2 * np.pi))
    plan = planning.optimal if planner == "optimal" else lambda mdp, scaled: planning.soft(mdp, scaled)
    worth = plan(mdp, np.array([beta * r for r, beta in each])).q
    said = [oracle.log_likelihood(q, steps, 1.0) for q in worth]
    want = np.logaddexp.reduce(np.array(said) + log_prior)
    evidence = tree["evidence"].sel(hypothesis="family")
    assert abs(float(evidence["log_evidence"]) - want) < 5 * float(evidence["mcse"]) + 0.01
    drawn = tree["posterior"]["reward_weight"]
    assert float((drawn.sel(feature="b") > 0).mean()) > 0.9
    assert tree["posterior_predictive"]["demonstrations"].sizes["demonstrations_action"] == 4


def world(g=0.9):
    rng = np.random.default_rng(3)
    n, steps = 7, [(-1, 0), (1, 0), (0, -1), (0, 1)]
    p = np.zeros((4, n * n, n * n))
    for s in range(n * n):
        for a in range(4):
            for b in range(4):
                x, y = s // n + steps[b][0], s % n + steps[b][1]
                to = x * n + y if 0 <= x < n and 0 <= y < n else s
                p[a, s, to] += 0.9 if a == b else 0.1 / 3
    return rh.MDP({c: rng.normal(size=n * n) for c in ("red", "green", "blue")}, p, g)


def followed(mdp, reward, beta, start, steps, rng):
    q = planning.optimal(mdp, reward[None] / reward.std()).q[0]
    return next(sampled(mdp, np.exp(planning.log_softmax(beta * q)), start, 1, steps, rng))


def checked(mdp, made, seed=1, planner="optimal"):
    from reward_hypotheses.data.random_streams import substream
    from reward_hypotheses.models.fit import prepared
    from reward_hypotheses.models.weights.weigh import weigh

    given = {"red": "red", "green": "green", "both": "red + green"}
    listed, line, feedback = prepared(given, [rh.Demonstrations(mdp, made, planner=planner)], 0.0)
    return predictive_check(weigh(listed, rh.Uniform("a test"), feedback, line), 0, substream(seed, "check"))


def test_who_changes_their_mind_is_noticed():
    """Somebody follows red, and after step 50 something that nobody listed."""
    mdp = world()
    red, blue = (mdp.table.columns[c].values for c in ("red", "blue"))
    noticed = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        before = followed(mdp, red, 4.0, mdp.start(), 50, rng)
        start = np.zeros(49)
        row = before[-1][1] * 49 + before[-1][0]
        start[mdp.transitions.next_state[mdp.transitions.starts[row]]] = 1.0
        after = followed(mdp, -red if seed % 2 else blue, 4.0, start, 60, rng)
        found = checked(mdp, [before + after])
        noticed += bool(found.misfit) and found.p < 0.01
    assert noticed == 6
    assert "changes as a trajectory goes on" in found.misfit[0] or "in a way that" in found.misfit[0]


@pytest.mark.slow
def test_who_does_not_is_not():
    """Of demonstrators as the model has them, about one in twenty has p below .05 (at most: beta is inferred)."""
    mdp = world()
    red = mdp.table.columns["red"].values
    ps = []
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        beta = float(np.exp(rng.normal() / 2))
        made = [followed(mdp, red, beta, mdp.start(), 40, rng) for _ in range(2)]
        ps.append(checked(mdp, made, seed).p)
    assert sum(p < 0.05 for p in ps) <= 8  # P(Binomial(60, .05) > 8) < .005
    assert 0.3 < np.mean(ps) < 0.7


def test_soft_demonstrators_are_checked_too():
    mdp = world(0.8)
    rng = np.random.default_rng(0)
    found = checked(mdp, [followed(mdp, mdp.table.columns["red"].values, 2.0, mdp.start(), 30, rng)], planner="soft")
    assert 0.01 < found.p <= 1 and not found.misfit


@pytest.mark.slow
def test_sampling_agrees():
    mdp = corridor()
    given = {"goal": "goal", "place": "place", "pit": "-pit"}
    exact = fitted([rh.Demonstrations(mdp, WALK)], given)["evidence"]
    tree = fitted([rh.Demonstrations(mdp, WALK)], given, method="nuts")["evidence"]
    assert (np.abs(tree["log_evidence"] - exact["log_evidence"]) < 5 * tree["mcse"] + 1e-3).all()
    model = rh.pymc_model(given, rh.Uniform("a test"), [rh.Demonstrations(mdp, WALK)], 0.0)
    assert "demonstrations_rationality" in model.named_vars


MDP, LINEAR = corridor(), rh.Linear(["goal", "pit"], source="x")
BAD = {
    "no MDP": (lambda: rh.Demonstrations({"x": [1]}, WALK), ["mdp: a dict", "rh.MDP"]),
    "no trajectory": (lambda: rh.Demonstrations(MDP, []), ["trajectories: there is none"]),
    "an empty one": (lambda: rh.Demonstrations(MDP, [*WALK, []]), ["trajectory 1: is empty"]),
    "a jump": (
        lambda: rh.Demonstrations(MDP, [[("s1", "right"), ("s4", "left")]]),
        ["trajectory 0, step 0: action 'right' in state 's1' cannot lead to state 's4'", "it leads to 's2'"],
    ),
    "an unknown action": (
        lambda: rh.Demonstrations(MDP, [[("s1", "rihgt")]]),
        ["trajectory 0, step 0: action 'rihgt'", "did you mean 'right'?"],
    ),
    "an action out of range": (lambda: rh.Demonstrations(MDP, [[(1, 2)]]), ["step 0: action 2", "from 0 to 1"]),
    "a negative state": (lambda: rh.Demonstrations(MDP, [[(-1, 1)]]), ["step 0: state -1", "from 0 to 5"]),
    "a step after the end": (
        lambda: rh.Demonstrations(MDP, [[("s4", "right"), ("s5", "left"), ("s4", "left")]]),
        ["trajectory 0, step 1: the episode has ended in state 's5'", "goes on"],
    ),
    "a step without an action": (lambda: rh.Demonstrations(MDP, [[("s1", None)]]), ["step 0: action None"]),
    "no pair": (lambda: rh.Demonstrations(MDP, [["s1", "right"]]), ["trajectory 0, step 0: 's1' is no step"]),
    "words": (lambda: rh.Demonstrations(MDP, "s1 right"), ["trajectories: 's1 right'"]),
    "nothing scored": (lambda: rh.Demonstrations(MDP, [[("s5", None)]]), ["every step is in a state where"]),
    "another planner": (
        lambda: rh.Demonstrations(MDP, WALK, planner="best"),
        ["planner: 'best'", "'optimal' or 'soft'"],
    ),
    "another scale": (lambda: rh.Demonstrations(MDP, WALK, scale="none"), ["scale: 'none'"]),
    "soft at discount 1": (
        lambda: rh.Demonstrations(rh.MDP({"x": [0.0, 1]}, [[[0, 1], [0, 0]]], 1), [[(0, 0)]], planner="soft"),
        ["planner: 'soft' needs a discount below 1"],
    ),
    "a table without a column": (
        lambda: rh.Demonstrations(MDP, {"trajectory": [0], "step": [0], "state": ["s1"]}),
        ["no column 'action'"],
    ),
    "a step left out": (
        lambda: rh.Demonstrations(
            MDP, {"trajectory": [0, 0], "step": [0, 2], "state": ["s1", "s2"], "action": ["right", "right"]}
        ),
        ["trajectory '0': step 2 comes after step 0"],
    ),
    "continuous weights in PyMC": (
        lambda: rh.pymc_model({"l": LINEAR}, rh.Uniform("x"), [rh.Demonstrations(MDP, WALK)], 0.0),
        ["are planned anew for all continuous weights", "fit()"],
    ),
    "soft by NUTS": (
        lambda: fitted([rh.Demonstrations(MDP, WALK, planner="soft")], {"g": "goal", "p": "pit"}, method="nuts"),
        ["cannot be sampled", "'auto'"],
    ),
    "a column that there is not": (
        lambda: fitted([rh.Demonstrations(MDP, WALK)], {"g": "gaol"}),
        ["no column 'gaol' in states", "did you mean 'goal'?"],
    ),
    "an infinite reward": (
        lambda: fitted([rh.Demonstrations(MDP, WALK)], {"g": "1 / place"}),
        ["states: state s0: hypothesis 'g'", "inf"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    make, wants = BAD[case]
    with refused(*wants):
        make()
