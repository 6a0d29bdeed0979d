"""What has labels is read by them: trees, Datasets, DataFrames and arrays; and what is passed in is copied."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table

RNG = np.random.default_rng(5)
ROWS = {
    "scene": np.repeat(np.arange(20), 2),
    "option": np.tile([0, 1], 20),
    "a": RNG.integers(0, 2, 40),
    "b": RNG.integers(0, 2, 40),
    "x": RNG.normal(size=40).round(3),
}
ROWS |= {"y": ROWS["a"] ^ (RNG.random(40) < 0.1), "chosen": np.tile([1, 0], 20)}
TEST = {k: v[20:] for k, v in ROWS.items() if k not in ("y", "chosen")}
RULES = {"z": "where(a, 1, -1)", "m": "where(b, 1, -1)", "c": "x"}


def rearranged(tree, order):
    """A tree as somebody might hand it back: hypotheses, features and judges sorted, dims transposed."""

    def other(data):
        for dim in ("hypothesis", "feature", "judge"):
            if dim in data.coords:
                data = data.sortby(dim, ascending=order == "up")
        return data.map(lambda v: v.transpose(*v.dims[::-1]), keep_attrs=True)

    out = tree.map_over_datasets(other)
    out.attrs.update(tree.attrs)
    return out


def judged():
    one, two = ({"z": 3, "m": 1, "c": 2}, {"z": 1, "m": 5, "c": 1})
    return rh.LinearPool(
        (rh.Elicited(one, source="s", strength=9, label="zoe"), rh.Elicited(two, source="s", label="amy"))
    )


FEEDBACK = [rh.Labels(ROWS, "y", noise=(1, 19)), rh.Choices(ROWS, "chosen")]
QUICK = {"draws": 25, "chains": 2, "random_seed": 1}


@pytest.fixture(scope="module")
def trees():
    rules = rh.fit(RULES, judged(), FEEDBACK, 0, **QUICK)
    linear = rh.fit(
        {"z": RULES["z"], "lin": rh.Linear(["x", "b", "a"], source="s")},
        rh.Elicited({"z": 1, "lin": 2}, source="s", strength=5), FEEDBACK[1:], 0, **QUICK,
    )  # fmt: skip
    return {"rules": rules, "linear": linear}


@pytest.mark.parametrize(("which", "order"), [("rules", "up"), ("rules", "down"), ("linear", "up")])
def test_a_rearranged_tree_gives_the_same_numbers(which, order, trees):
    tree, moved = trees[which], rearranged(trees[which], order)
    asked = {
        "risk": lambda t: rh.catastrophe_risk(t, TEST),
        "bits": lambda t: rh.value_bits(t, TEST),
        "agent": lambda t: rh.catastrophe_risk(tree, TEST, agent=t, policy=rh.Boltzmann("inferred")),
        "bounds": lambda t: xr.Dataset(dict(zip("ab", rh.risk_bounds(t, TEST), strict=True))),
        "predictions": lambda t: rh.predict(t, TEST, draws=20)["predictions"].to_dataset(),
        "index": lambda t: rh.index_draws(t)["log_prior"].to_dataset(),
        "given": lambda t: rh.given(t, "z")["posterior"].to_dataset().map(lambda v: v.transpose("chain", "draw", ...)),
    }
    if which == "rules":
        asked |= {
            "judges": lambda t: rh.risk_by_judge(t, TEST),
            "queries": lambda t: rh.rank_queries(t, TEST, TEST),
        }
    else:
        asked["directions"] = lambda t: rh.silent_directions(t, TEST)
    for name, ask in asked.items():
        left, right = ask(tree), ask(moved)
        if name == "given" and "feature" in left.dims:
            right = right.sel(feature=left["feature"])
        xr.testing.assert_identical(left, right)


def test_a_tree_that_lacks_a_hypothesis_is_refused(trees):
    tree = trees["rules"]
    less = tree.map_over_datasets(lambda d: d.isel(hypothesis=slice(1, None)) if "hypothesis" in d.dims else d)
    less.attrs.update(tree.attrs)
    with pytest.raises(InputError, match="'evidence' holds hypothesis .* fitted with"):
        rh.catastrophe_risk(less, TEST)


def test_hypotheses_may_be_given_in_any_order():
    callables = {"z": lambda d: d["a"] * 2 - 1.0, "m": lambda d: d["b"] * 2 - 1.0}
    tree = rh.fit(callables, rh.Uniform("o"), FEEDBACK[:1], 0, **QUICK)
    found = [
        float(rh.catastrophe_risk(tree, TEST, hypotheses=given)["mean"])
        for given in (callables, dict(reversed(callables.items())))
    ]
    assert found[0] == found[1]


def test_a_callable_that_sorts_its_scenes_is_put_back():
    named = ROWS | {"scene": np.repeat([f"s{i}" for i in RNG.permutation(20)], 2)}
    said = [rh.Labels(named, "y", noise=0.1)]
    text = rh.fit({"x": "x", "b": "b"}, rh.Uniform("o"), said, 0, **QUICK)
    rewards = {"x": lambda d: d["x"].sortby("scene"), "b": lambda d: d["b"].transpose() * 1.0}
    tree = rh.fit(rewards, rh.Uniform("o"), said, 0, **QUICK)
    np.testing.assert_array_equal(tree["evidence"]["log_evidence"], text["evidence"]["log_evidence"])
    with pytest.raises(InputError, match="other scenes than the table"):
        rh.fit({"x": lambda d: d["x"][1:], "b": "b"}, rh.Uniform("o"), said, 0, **QUICK)


def test_arrays_of_an_mdp_are_read_by_label():
    """Everything of an MDP by labels in another order is what it is by position."""
    n, m = 4, 2
    p = RNG.dirichlet(np.ones(n), (m, n))
    states, actions = ["d", "b", "c", "a"], ["right", "left"]
    features = {"gold": RNG.normal(size=n), "state": states}
    by_place = rh.MDP(features, p, 0.9, actions=actions)
    array = xr.DataArray(
        p, dims=("action", "state", "next_state"), coords={"action": actions, "state": states, "next_state": states}
    )
    mixed = array.sortby("state").sortby("next_state").transpose("next_state", "action", "state")
    for given in (array, mixed, mixed.sortby("action")):
        mdp = rh.MDP(features, given, 0.9, actions=actions)
        for key in ("starts", "next_state", "probability"):
            np.testing.assert_array_equal(getattr(mdp.transitions, key), getattr(by_place.transitions, key))
    reward = xr.DataArray(np.arange(4.0), dims="state", coords={"state": states})
    xr.testing.assert_identical(rh.plan(mdp, reward.sortby("state"), 2.0), rh.plan(mdp, reward.to_numpy(), 2.0))
    policy = rh.plan(mdp, reward, 2.0)["policy"]
    start = xr.DataArray([0.5, 0.3, 0.2, 0.0], dims="state", coords={"state": states})
    xr.testing.assert_identical(
        rh.occupancy(mdp, policy.sortby("state").transpose(), start=start.sortby("state")),
        rh.occupancy(mdp, policy.to_numpy(), start=start.to_numpy()),
    )
    samples = xr.DataArray(
        RNG.normal(size=(3, n, m)), dims=("sample", "state", "action"), coords={"state": states, "action": actions}
    )
    xr.testing.assert_allclose(
        rh.cvar_policy(mdp, samples.sortby("state").transpose("action", "state", "sample"), None, 0.5, 0.5, "a"),
        rh.cvar_policy(mdp, samples.to_numpy(), None, 0.5, 0.5, "a"),
    )
    with pytest.raises(InputError, match="state 'e': there is none"):
        rh.plan(mdp, reward.assign_coords(state=["d", "b", "c", "e"]), 2.0)


def test_rows_by_index():
    """A DataFrame whose index says scene and option, as Dataset.to_dataframe() gives it, is the one with these as columns."""
    frame = pd.DataFrame(ROWS)
    for columns in (["scene", "option"], ["scene"], ["option", "scene"]):
        table = as_table(frame.set_index(columns))
        assert table.scene_names == as_table(frame).scene_names and table.n_items == 40 and table.has_options
    ragged = as_table(frame[frame.index != 3]).to_dataset()
    again = as_table(ragged.to_dataframe())
    assert again.n_items == 39 and again.digest == as_table(ragged).digest
    states = pd.DataFrame({"gold": [1.0, 2.0]}, index=pd.Index(["u", "v"], name="state"))
    moves = pd.Series([1.0, 1.0], name="probability", index=pd.MultiIndex.from_tuples(
        [("go", "u", "v"), ("go", "v", "u")], names=["action", "state", "next_state"])).to_frame()  # fmt: skip
    mdp = rh.MDP(states, moves, 0.5)
    assert mdp.state.names == ("u", "v")
    steps = pd.DataFrame({"state": ["u", "v"], "action": "go"}, index=pd.MultiIndex.from_tuples(
        [("t", 0), ("t", 1)], names=["trajectory", "step"]))  # fmt: skip
    assert rh.Demonstrations(mdp, steps).trajectories.names == ("t",)


def test_what_a_mask_hides_is_missing():
    mask = np.array([False, True, False, False])
    for values in ([1, 1, 0, 0], [1.0, 2, 3, 4], [True, False, True, False], ["a", "b", "c", "d"]):
        column = as_table({"x": np.ma.array(values, mask=mask), "y": [1, 2, 3, 4]}).columns["x"]
        assert column.missing().tolist() == mask.tolist() and column.names.missing().tolist() == mask.tolist()
    grid = as_table({"x": np.ma.array([[1.0, 2], [3, 4]], mask=mask.reshape(2, 2)), "s": [1, 2]})
    assert grid.columns["x"].missing().tolist() == mask.tolist()
    labelled = {"y": np.ma.array([1, 1, 0, 0], mask=mask), "a": [1, 1, 0, 0]}
    with pytest.raises(InputError, match="scene 1: column 'y' is missing"):
        rh.fit({"a": "a"}, rh.Uniform("o"), [rh.Labels(labelled, "y", noise=0.1)], 0, **QUICK)
    assert rh.Labels(labelled, "y", noise=0.1, missing="drop").dropped == 1


@pytest.mark.parametrize(
    "column",
    [pd.array(["x", pd.NA], "string"), pd.array([True, pd.NA], "boolean"), pd.array([1, pd.NA], "Int64"),
     pd.to_datetime(["2026-01-01", None]), pd.Categorical(["u", None]), np.array([[1], {}], object),
     np.array([1j, 2]), pd.to_timedelta([1, None])],
    ids=lambda c: str(getattr(c, "dtype", c)),
)  # fmt: skip
def test_columns_nobody_uses_may_hold_anything(column):
    frame = pd.DataFrame({"a": [1.0, 0.0], "y": [True, False], "note": pd.Series(column)})
    rh.fit({"a": "a"}, rh.Uniform("o"), [rh.Labels(frame, "y", noise=0.1)], 0, **QUICK)
    with pytest.raises(InputError, match="column 'note'"):
        rh.fit({"a": "note"}, rh.Uniform("o"), [rh.Labels(frame, "y", noise=0.1)], 0, **QUICK)


def test_missing_in_columns_in_use():
    frame = pd.DataFrame({"a": [1, 1, 0], "y": pd.array([True, pd.NA, False], "boolean")})
    assert rh.Labels(frame, "y", noise=0.1, missing="drop").dropped == 1
    with pytest.raises(InputError, match="row 1: column 'y' is missing|scene 1: column 'y' is missing"):
        _ = rh.Labels(frame, "y", noise=0.1).observed


@pytest.mark.parametrize(
    ("table", "what"),
    [({"a": [[1, 2], [3]], "y": [1, 0]}, "column 'a': lists of different lengths"),
     ({"a": np.ones((2, 2)), "b": np.ones((2, 3))}, "columns of different shapes"),
     ({"a": np.ones((2, 2)), "b": np.ones(3)}, "columns of different shapes"),
     ({"a": np.ones((2, 2)), "scene": ["u"]}, "different shapes"),
     ({"a": np.ones((2, 2)), "option": ["u"]}, "'option' has 1 names for 2"),
     ({"a": np.ones((2, 2, 2))}, "different shapes"),
     ({"a": 1.0}, "different shapes"),
     ({"a": [1, 2], "b": [1, 2, 3]}, "different shapes")],
)  # fmt: skip
def test_shapes_that_do_not_fit_get_one_line(table, what):
    with pytest.raises(InputError, match=what) as error:
        as_table(table)
    assert len(error.value.problems) == 1


def test_names_of_grids():
    table = as_table({"x": np.arange(4.0).reshape(2, 2), "w": [5, 6], "scene": ["1.1", "1.10"], "option": ["l", "r"]})
    assert table.scene_names == ("1.1", "1.10") and table.columns["w"].values.tolist() == [5, 5, 6, 6]
    assert [table.option_names.text(i) for i in range(4)] == ["l", "r", "l", "r"]


def test_a_generator_of_feedback():
    listed, made = (
        rh.fit(RULES, rh.Uniform("o"), given, 0, **QUICK)["evidence"].to_dataset()
        for given in (FEEDBACK, (one for one in FEEDBACK))
    )
    xr.testing.assert_identical(listed, made)
    for wrong in (FEEDBACK[0], 3, [3], iter([])):
        with pytest.raises(InputError, match="feedback: "):
            rh.fit(RULES, rh.Uniform("o"), wrong, 0, **QUICK)


def test_what_is_passed_in_is_copied():
    """Changing an array, list or dict after it was passed in changes nothing."""
    arrays = {"a": np.array([True, True, False]), "b": np.array([1.0, 2, 3]), "y": np.array([True, False, False])}
    weights, centre = {"a": 1.0, "b": 3.0}, {"a": 0.0, "b": 1.0}
    noise, rationality = [1.0, 19.0], {"dist": "lognormal", "mu": 0, "sigma": 1}
    features, grades, candidates = ["a", "b"], ["0", "1"], {"p": "b", "q": "-b"}
    costs = {"name": "mine", "costs": {"a": 3}}
    pairs = [[(0, 0), (1, 0)]]
    world, p = {"gold": np.array([True, False])}, np.array([[[0.0, 1.0], [1.0, 0.0]]])
    dataset = xr.Dataset({k: ("scene", v) for k, v in arrays.items()})
    options = {k: np.tile(v, (2, 1)) for k, v in arrays.items()}
    pool = [rh.Elicited(weights, source="s"), rh.Elicited({"a": 1, "b": 1}, source="s")]
    shares = [1.0, 2.0]

    made = {
        "labels": rh.Labels(arrays, "y", noise=noise), "dataset": rh.Labels(dataset, "y", noise=noise),
        "frame": rh.Labels(pd.DataFrame(arrays), "y", noise=noise), "stops": rh.Stops(arrays, "y", rationality=rationality),
        "ratings": rh.Ratings(arrays, "y", grades=grades), "proxy": rh.Proxy(options, chosen="p", candidates=candidates),
        "prior": rh.Elicited(weights, source="s"), "pool": rh.LinearPool(pool, shares),
        "simplicity": rh.Simplicity(costs), "linear": rh.Linear(features, source="s"),
        "line": rh.FailureJudgements(arrays, "y", centre=centre, spread=1.0, source="s"),
    }  # fmt: skip
    mdp = rh.MDP(world, p, 0.5)
    made["demonstrations"] = rh.Demonstrations(mdp, pairs)

    def seen():
        tables = {k: v.table.digest for k, v in made.items() if hasattr(v, "table")}
        lines = [line.mean for line in made["line"].lines(rh.fit and _hypotheses())]
        told = {k: repr({f: getattr(v, f) for f in _fields(v) if f not in ("table", "mdp")}) for k, v in made.items()}
        return tables, told, lines, mdp.table.digest, mdp.transitions.probability.tolist(), made["pool"].parts()[0][0]

    before = seen()
    for array in (*arrays.values(), *(v for v in options.values()), world["gold"], p):
        array[...] = 1 - array.astype(int)
    dataset["a"][:] = False
    for changed in (weights, centre, candidates, costs["costs"], rationality):
        changed.clear()
    for changed in (noise, features, grades, pairs, pool, shares):
        changed.clear()
    assert seen() == before


def _fields(thing):
    from dataclasses import fields

    return [f.name for f in fields(thing)]


def _hypotheses():
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of

    return hypotheses_of({"a": "a", "b": "b"})


def test_nothing_warns_on_the_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        as_table(pd.DataFrame({"scene": ["a"], "t": pd.to_datetime(["2026-01-01"]), "x": [1.0]}))
