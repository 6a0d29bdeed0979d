"""Worst-case shift against general optimisers, the test that it makes, and the search for the worst scene."""

import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

import reward_hypotheses as rh
from reward_hypotheses.analysis.shift.worst_case import divergence, worst_tail, worst_within

LINE = 0.3
POLICIES = (
    rh.Commit(),
    rh.Commit(abstain=True),
    rh.Expected(),
    rh.MostProbable(),
    rh.Maximin(0.9),
    rh.Cvar(0.3),
    rh.Quantilize(0.4),
    rh.Boltzmann(2.0),
)


def world(rng, n, options, hypotheses=3):
    return xr.Dataset(
        {f"x{k}": (("scene", "option"), rng.normal(size=(n, options)).round(1)) for k in range(hypotheses)}
    )


def fitted(rng, hypotheses=3, line=LINE):
    train = world(rng, 3, 2, hypotheses)
    train["said"] = train["x0"] > LINE
    train["level"] = xr.full_like(train["x0"], 0.1)
    return rh.fit(
        {f"h{k}": f"x{k}" for k in range(hypotheses)},
        rh.Elicited({f"h{k}": k + 1 for k in range(hypotheses)}, source="a test"),
        [rh.Labels(train, "said", noise=0.2)],
        line,
    )


def drawn(rng, n):
    """Weights and risks of scenes, some of them of the same risk and some without weight."""
    share = rng.dirichlet(np.ones(n))
    if n > 2:
        share[int(rng.integers(n))] = 0.0
    risk = rng.integers(0, 4, n) / 4 if rng.random() < 0.5 else rng.random(n)
    return share / share.sum(), risk


@pytest.mark.parametrize("seed", range(30))
def test_the_tail_is_the_linear_programs(seed):
    rng = np.random.default_rng([61, seed])
    share, risk = drawn(rng, int(rng.integers(2, 9)))
    tail = float(rng.uniform(0.02, 1))
    found = worst_tail(share, risk, tail)
    ends = [(0, s / tail) for s in share]
    want = linprog(-risk, A_eq=np.ones((1, len(share))), b_eq=[1], bounds=ends, method="highs")
    assert found @ risk == pytest.approx(-want.fun, abs=1e-9)
    assert found.sum() == pytest.approx(1) and (found <= share / tail + 1e-12).all() and (found >= 0).all()
    same = {r: {round(q / s, 9) for q, s, x in zip(found, share, risk, strict=True) if x == r and s > 0} for r in risk}
    assert all(len(shares) <= 1 for shares in same.values())  # equals share alike


@pytest.mark.parametrize("seed", range(20))
def test_the_ball_is_a_general_optimisers(seed):
    rng = np.random.default_rng([62, seed])
    share, risk = drawn(rng, int(rng.integers(2, 7)))
    nats = float(rng.choice([0.01, 0.1, 0.5, 1.0]))
    found = worst_within(share, risk, nats)
    assert divergence(found, share) <= nats + 1e-9
    p, x = share[share > 0], risk[share > 0]

    def kl(q):
        return float(np.sum(np.where(q > 0, q * np.log(np.maximum(q, 1e-300) / p), 0.0)))

    want = minimize(
        lambda q: -q @ x,
        p,
        jac=lambda q: -x,
        bounds=[(1e-12, 1)] * len(p),
        constraints=[
            {"type": "eq", "fun": lambda q: q.sum() - 1},
            {"type": "ineq", "fun": lambda q: nats - kl(q)},
        ],
        options={"maxiter": 500, "ftol": 1e-12},
        method="SLSQP",
    )
    assert kl(want.x) <= nats + 1e-6
    assert found @ risk == pytest.approx(-want.fun, abs=2e-5)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0, 12), st.floats(0, 3))
def test_the_ball_is_monotone_and_bounded(seed, nats, more):
    share, risk = drawn(np.random.default_rng([63, seed]), 6)
    small, large = (worst_within(share, risk, k) for k in (nats, nats + more))
    assert share @ risk - 1e-12 <= small @ risk <= large @ risk + 1e-9 <= risk[share > 0].max() + 1e-8
    for q, k in ((small, nats), (large, nats + more)):
        assert divergence(q, share) <= k + 1e-9 and q.sum() == pytest.approx(1) and not q[share == 0].any()


def test_the_limits_of_the_ball_are_exact():
    share, risk = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.1, 0.9, 0.9, 0.3])
    np.testing.assert_array_equal(worst_within(share, risk, 0), share)
    for nats in (-math.log(0.4), 1.0, 50.0):
        np.testing.assert_allclose(worst_within(share, risk, nats), [0, 0.5, 0.5, 0], rtol=1e-15)
    near = worst_within(share, risk, -math.log(0.4) - 1e-9)
    assert near @ risk == pytest.approx(0.9, abs=1e-8) and near[0] > 0
    np.testing.assert_array_equal(worst_within(share, np.full(4, 0.3), 2.0), share)  # none is worse
    close = np.array([0.5, 0.5 + 1e-10, 0.5, 0.5])  # nearly the same
    assert worst_within(share, close, 0.5)[1] == pytest.approx(share[1] + (1 - share[1]) * 0.5, abs=0.5)
    assert divergence(worst_within(share, close, 0.5), share) == pytest.approx(0.5, abs=1e-6)


def test_tiny_balls():
    """For few nats k the risk rises by sqrt(2 k Var): the delta method."""
    rng = np.random.default_rng(5)
    share, risk = rng.dirichlet(np.ones(50)), rng.random(50)
    deviation = math.sqrt(share @ (risk - share @ risk) ** 2)
    for nats in (1e-6, 1e-8, 1e-10):
        rise = worst_within(share, risk, nats) @ risk - share @ risk
        assert rise == pytest.approx(math.sqrt(2 * nats) * deviation, rel=5e-3)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.name}{'*' * p.abstain}")
@pytest.mark.parametrize("how", [{}, {"tail": 0.35}, {"kl": 0.2}, {"kl": 20.0}, {"tail": 1.0}, {"kl": 0}])
def test_the_table_has_the_risk_that_is_given(policy, how, tmp_path):
    rng = np.random.default_rng(64)
    tree, pool = fitted(rng), world(rng, 40, 3)
    pool["available"] = (("scene", "option"), rng.random((40, 3)) < 0.8)
    pool["available"][:, 0] = True
    pool["scene_weight"] = ("scene", rng.integers(0, 4, 40))
    agent = rh.Uniform()
    found = rh.worst_case(tree, pool, policy, agent, **how)
    everywhere = rh.catastrophe_risk(tree, pool, policy, agent)
    assert found.pool_risk == pytest.approx(float(everywhere["mean"]), abs=1e-12)
    assert found.risk >= found.pool_risk - 1e-12 and found.mcse == 0
    assert found.weights.values @ everywhere["by_scene"].values == pytest.approx(found.risk, abs=1e-12)
    assert found.effective_scenes == pytest.approx(1 / (found.weights.values**2).sum())
    if how in ({"tail": 1.0}, {"kl": 0}):
        assert found.risk == pytest.approx(found.pool_risk, abs=1e-12)
    table = found.table()
    path = tmp_path / "worst.csv"
    table.to_dataframe().reset_index().to_csv(path, index=False)
    for test in (table, rh.read_table(path)):
        again = rh.catastrophe_risk(tree, test, policy, agent)
        if policy.name == "boltzmann":  # its scale is that of the table it acts on
            scale = rh.catastrophe_risk(tree, pool, policy, agent)["by_scene"].sel(scene=test["scene"].values)
            assert scale.values @ test["scene_weight"].isel(option=0, missing_dims="ignore").values == pytest.approx(
                found.risk, abs=1e-9
            )
        else:
            assert float(again["mean"]) == pytest.approx(found.risk, abs=1e-12)
    assert (table["scene_weight"] > 0).all() and set(table["scene"].values) <= set(range(40))


def test_what_sets_it_apart():
    """A planted pool: the agent goes by x0, and where `trap` is set its best by x0 is bad under all else."""
    n = 40
    trap = np.arange(n) < 8
    data = {
        "x0": (("scene", "option"), np.tile([1.0, 0.5], (n, 1))),
        "x1": (("scene", "option"), np.stack([np.where(trap, -1.0, 1.0), np.ones(n)], axis=1)),
        "trap": ("scene", trap),
        "same": ("scene", np.full(n, 2.5)),
        "name": ("scene", np.array(["a"] * n, dtype=object)),
        "gap": (("scene", "option"), np.full((n, 2), np.nan)),
    }
    pool = xr.Dataset(data)
    train = {"x0": [1.0, -1.0], "x1": [1.0, -1.0], "said": [True, False]}
    tree = rh.fit({"h0": "x0", "h1": "x1"}, rh.Uniform("a coin"), [rh.Labels(train, "said", noise=0.1)], 0)
    found = rh.worst_case(tree, pool, rh.MostProbable(), tail=0.1)
    weights = found.weights.values
    np.testing.assert_allclose(weights[trap], 1 / 8)  # a tenth of the mass, shared by the eight that are as bad
    assert not weights[~trap].any() and found.effective_scenes == pytest.approx(8)
    assert found.divergence == pytest.approx(-math.log(0.2))
    one = found.features.isel(difference=0)
    assert (one["feature"].item(), one["of"].item()) in {("trap", "scene"), ("x1", "taken"), ("x1", "scene")}
    listed = zip(found.features["feature"].values, found.features["of"].values, strict=True)
    by_name = {(str(f), str(o)): d for d, (f, o) in enumerate(listed)}
    assert set(by_name) == {
        ("x0", "scene"),
        ("x0", "taken"),
        ("x1", "scene"),
        ("x1", "taken"),
        ("trap", "scene"),
        ("same", "scene"),
    }
    got = found.features.isel(difference=by_name["trap", "scene"])
    assert float(got["worst"]) == 1 and float(got["pool"]) == pytest.approx(0.2)
    assert float(got["standardised"]) == pytest.approx(0.8 / 0.4)
    assert float(found.features.isel(difference=by_name["same", "scene"])["standardised"]) == 0
    assert "trap of the options on offer (1 against 0.2)" in found.words and "risk is 0.25, against 0.05" in found.words
    # what is taken, by loops: MostProbable splits between the two, x0's best and x1's
    x1 = pool["x1"].values
    taken = [0.5 * x1[m, 0] + 0.5 * (x1[m, 1] if trap[m] else x1[m].mean()) for m in range(n)]
    got = found.features.isel(difference=by_name["x1", "taken"])
    assert float(got["worst"]) == pytest.approx(np.mean(np.array(taken)[trap]))
    assert float(got["pool"]) == pytest.approx(np.mean(taken))
    differences = np.abs(found.features["standardised"].values)
    assert (np.diff(differences) <= 1e-12).all()
    only = rh.worst_case(tree, pool, rh.MostProbable(), features=["trap"])
    assert only.features["feature"].values.tolist() == ["trap"]
    assert "is worse" in rh.worst_case(tree, pool, rh.MostProbable(), kl=0).words


def test_items_alone_and_no_feature():
    train = {"x0": [1.0, -1.0], "x1": [1.0, -1.0], "said": [True, False]}
    tree = rh.fit({"h0": "x0", "h1": "x1"}, rh.Uniform("a coin"), [rh.Labels(train, "said", noise=0.1)], 0)
    items = {"x0": [1.0, -1.0, 1.0, 1.0], "x1": [1.0, -1.0, -1.0, 1.0]}
    found = rh.worst_case(tree, items, tail=0.25)
    np.testing.assert_allclose(found.weights, [0, 1, 0, 0])
    assert set(found.features["of"].values) == {"item"} and "x1 of the item (-1 against 0)" in found.words
    assert float(rh.catastrophe_risk(tree, found.table())["mean"]) == found.risk == 1
    assert json_of(found.table())[-1]["chosen_by"] == "rh.worst_case"


def json_of(table):
    import json

    return json.loads(table.attrs["shifts"])


def test_the_record_of_a_pool_is_kept():
    rng = np.random.default_rng(65)
    tree, pool = fitted(rng), world(rng, 10, 2)
    pool = rh.reweight(pool, "x0 > 0", chosen_by="a test", why="to see")
    pool = pool.assign_coords(scene=[f"s{m}" for m in range(10)])
    table = rh.worst_case(tree, pool).table()
    assert [one["name"] for one in json_of(table)] == ["reweight", "worst_case"]
    assert set(table["scene"].values.tolist()) <= {f"s{m}" for m in range(10)}


def test_a_family_and_an_agent_of_its_own():
    rng = np.random.default_rng(66)
    train = world(rng, 12, 2)
    train["chosen"] = train["x0"] == train["x0"].max("option")
    tree = rh.fit(
        {"h1": "x1", "mix": rh.Linear(["x0", "x1"], prior="sphere", source="a test")},
        rh.Uniform("a coin"),
        [rh.Choices(train, "chosen")],
        {"h1": 0, "mix": 0},
    )
    pool = world(rng, 15, 3)
    for agent in (rh.Uniform(), fitted(rng)):
        found = rh.worst_case(tree, pool, agent=agent, kl=0.3)
        assert found.pool_risk == pytest.approx(float(rh.catastrophe_risk(tree, pool, agent=agent)["mean"]), abs=1e-9)
        assert found.mcse > 0 and found.risk > found.pool_risk


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tail": 0}, "tail: 0; give the worst share"),
        ({"tail": 1.5}, "tail: 1.5"),
        ({"tail": "all"}, "tail: 'all'"),
        ({"kl": -0.1}, "kl: -0.1; give nats"),
        ({"kl": math.inf}, "kl: inf"),
        ({"tail": 0.1, "kl": 0.1}, "both are given"),
        ({"features": ["x9"]}, "no column 'x9'"),
        ({"features": ["scene_weight"]}, "a meaning of its own"),
        ({"policy": "commit"}, "is no policy"),
    ],
)
def test_what_is_refused(change, said):
    rng = np.random.default_rng(67)
    pool = world(rng, 4, 2).assign(scene_weight=("scene", [1.0, 1, 1, 1]))
    with pytest.raises(rh.InputError, match=said):
        rh.worst_case(fitted(rng), pool, **change)


# --- the worst scene -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: f"{p.name}{'*' * p.abstain}")
@pytest.mark.parametrize("avoidable", [False, True])
def test_searched_equals_looked_at(policy, avoidable):
    rng = np.random.default_rng(71)
    tree = fitted(rng)
    box = {"x0": (-1, 1, 1), "x1": [-0.5, 1.5], "x2": [0.0, 2.0]}
    asked = {"options": 2, "avoidable": avoidable, "agent": rh.Uniform()}
    exact = rh.search_worst(tree, box, policy, **asked, exhaustive=10**6)
    found = rh.search_worst(tree, box, policy, **asked, exhaustive=0, restarts=12, seed=3)
    assert exact.exact and exact.scenes == exact.evaluations == 12 * 13 // 2 and not found.exact

    def sought(one):
        return one.risk - one.floor if avoidable else one.risk

    assert sought(found) == pytest.approx(sought(exact), abs=1e-9)
    assert (np.diff(found.path) >= 0).all() and len(exact.path) == 1
    for one in (exact, found):
        assert one.path[-1] == pytest.approx(sought(one), abs=1e-9)
        told = rh.catastrophe_risk(tree, one.table(), policy, rh.Uniform())
        assert float(told["mean"]) == pytest.approx(one.risk, abs=1e-12)
        assert one.floor == pytest.approx(0.0 if policy.abstain else float(told["floor"]), abs=1e-12)


def test_enumeration_is_all_scenes():
    """The greatest risk over the whole grid, scene by scene, of an agent that does not look at the table's scale."""
    rng = np.random.default_rng(72)
    tree = fitted(rng, 2)
    a, b = [-1.0, 0.2, 1.0], [-2.0, 0.4]
    kinds = [(x, y) for x in a for y in b]
    scenes = [(p, q) for p in kinds for q in kinds]
    pool = xr.Dataset({f"x{k}": (("scene", "option"), np.array([[o[k] for o in s] for s in scenes])) for k in (0, 1)})
    for policy in (rh.Commit(), rh.Expected(), rh.Commit(abstain=True)):
        by_scene = rh.catastrophe_risk(tree, pool, policy)["by_scene"]
        assert rh.search_worst(tree, {"x0": a, "x1": b}, policy).risk == pytest.approx(float(by_scene.max()), abs=1e-12)


def test_one_feature_at_a_time_and_features_of_the_scene():
    rng = np.random.default_rng(73)
    tree = fitted(rng, 3, line="level")
    box = {"x0": (-1, 1, 0.1), "x1": (-1, 1, 0.1), "x2": (-1, 1, 0.1), "level": (-0.5, 0.5, 0.25)}
    found = rh.search_worst(tree, box, agent=rh.Uniform(), options=3, avoidable=True, seed=1)
    assert not found.exact and found.scenes == math.comb(21**3 + 2, 3) * 5 and found.risk > 0.3
    table = found.table()
    assert len(set(table["level"].values.ravel())) == 1  # the failure line reads it
    again = rh.search_worst(tree, box, agent=rh.Uniform(), options=3, avoidable=True, seed=1)
    assert again.table().equals(table) and (again.path == found.path).all()
    assert (np.diff(found.path) >= 0).all()
    assert json_of(table)[-1]["name"] == "search_worst"
    single = rh.search_worst(tree, {**box, "x2": [0.5]}, options=1, shared=["x0"], exhaustive=10)
    assert single.table().sizes["option"] == 1


def test_kinds_of_values():
    train = {"red": [True, False], "depth": [0.5, 2.0], "said": [True, False]}
    tree = rh.fit(
        {"red": "where(red, 1, -1)", "flat": "1 - depth"}, rh.Uniform("x"), [rh.Labels(train, "said", noise=0.1)], 0
    )
    found = rh.search_worst(tree, {"red": bool, "depth": (0, 1.2, 0.4)}, rh.MostProbable(), avoidable=True)
    assert found.scenes == 8 * 9 // 2 and found.table()["red"].dtype == bool and found.table()["depth"].dtype == float
    assert found.exact and "no other of the 36 scenes" in found.words


@pytest.mark.parametrize(
    ("box", "more", "said"),
    [
        ({}, {}, "box: give a dict"),
        ([1], {}, "box: give a dict"),
        ({"x0": (0, 1)}, {}, "give \\(low, high, step\\)"),
        ({"x0": (0, 1, -1)}, {}, "step above 0"),
        ({"x0": (1, 0, 1)}, {}, "low must be at most high"),
        ({"x0": (0, 1, 1e-9)}, {}, "more than 10,000 values"),
        ({"x0": ["a"]}, {}, "must be finite numbers"),
        ({"x0": [math.nan]}, {}, "must be finite numbers"),
        ({"x0": []}, {}, "give \\(low, high, step\\)"),
        ({"scene": [1]}, {}, "is no feature"),
        ({"x0": [0, 1]}, {}, "no column 'x1'"),
        ({"x0": [0, 1], "x1": [0], "x2": [0]}, {"shared": ["x9"]}, "shared: 'x9' is not in the box"),
        ({"x0": [0, 1], "x1": [0], "x2": [0]}, {"options": 0}, "options: 0"),
        ({"x0": [0, 1], "x1": [0], "x2": [0]}, {"restarts": 0}, "restarts: 0"),
    ],
)
def test_boxes_that_are_refused(box, more, said):
    tree = fitted(np.random.default_rng(74))
    with pytest.raises(rh.InputError, match=said):
        rh.search_worst(tree, box, **more)
