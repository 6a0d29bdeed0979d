"""Agents that others trained, put before probe scenes: what they chose, whatever form they have, and what is refused."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from probe_scenes import Model, deepest, scenes, taken
from scipy.stats import binom

import reward_hypotheses as rh

RED, FLAGS = "where(red, 100, -100)", "where(flags, 100, -100)"


@pytest.mark.parametrize(
    "agent",
    [
        deepest,
        lambda s: int(deepest(s)),
        lambda s: np.eye(3)[deepest(s)],
        lambda s: np.eye(3, dtype=np.float32)[deepest(s)].tolist(),
        lambda s: np.eye(3, dtype=bool)[deepest(s)],
        lambda s: xr.DataArray(np.eye(3)[deepest(s)], dims="option"),
    ],
)
def test_a_function(agent):
    probes = scenes()
    asked = rh.probe(agent, probes)
    assert taken(asked) == probes.depth.values.argmax(axis=1).tolist()
    assert asked.drop_vars("chosen").equals(probes) and "chosen" not in probes
    assert json.loads(asked.attrs["probe"])["agent"] == "function"


@pytest.mark.parametrize(
    "table", [scenes(), scenes().to_dataframe().reset_index(), {k: v.values for k, v in scenes().items()}]
)
def test_every_kind_of_table(table):
    assert taken(rh.probe(deepest, table)) == scenes().depth.values.argmax(axis=1).tolist()


def test_all_at_once():
    probes = scenes(50)
    calls = []

    def at_once(all_scenes):
        calls.append(all_scenes["depth"].shape)
        return deepest(all_scenes)

    assert rh.probe(at_once, probes, batched=True).identical(rh.probe(deepest, probes))
    assert calls == [(50, 3)]

    def chances(some):
        return np.exp(3 * some["depth"]) / np.exp(3 * some["depth"]).sum(axis=-1, keepdims=True)

    one_by_one, together = (rh.probe(chances, probes, batched=b, draws=4, random_seed=3) for b in (False, True))
    assert one_by_one.identical(together) and together.sizes["scene"] == 200
    assert together.scene.values[3:5].tolist() == ["0, draw 3", "1, draw 0"]


def test_what_a_scene_shows():
    probes = scenes(2).assign(
        picture=(("scene", "y", "x"), np.zeros((2, 5, 7))),
        wind=("scene", [1.0, 2.0]),
        place=("option", [10, 20, 30]),
        turned=(("option", "scene"), np.arange(6).reshape(3, 2)),
    )
    seen = []
    rh.probe(lambda s: seen.append(s) or 0, probes.assign_coords(scene=["first", "second"]))
    assert seen[1]["scene"] == "second" and seen[1]["wind"] == 2.0 and seen[1]["picture"].shape == (5, 7)
    assert seen[1]["place"].tolist() == [10, 20, 30] and seen[1]["turned"].tolist() == [1, 3, 5]


def test_what_it_writes_is_not_recorded():
    probes = scenes()
    before = probes.copy(deep=True)

    def vandal(scene):
        scene["depth"][:] = -1
        scene["red"] = None
        return 0

    assert rh.probe(vandal, probes).drop_vars("chosen").equals(before) and probes.equals(before)


def test_predict():
    probes, model = scenes(), Model()
    asked = rh.probe(model, probes, observe=lambda s: s["depth"], deterministic=True)
    assert taken(asked) == taken(rh.probe(deepest, probes)) and model.told == [True] * 6
    rh.probe(model, probes, observe=lambda s: s["depth"], batched=True)
    assert model.told[6:] == [False]
    assert (
        taken(rh.probe(deepest, probes, observe=lambda s: {"depth": -s["depth"]}))
        == probes.depth.values.argmin(1).tolist()
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=5).filter(any),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_draws_follow_the_probabilities(parts, seed, by_export):
    draws = 2000
    p = np.array(parts) / sum(parts)
    probes = xr.Dataset({"x": (("scene", "option"), np.zeros((1, len(p))))})
    agent = (
        {"scene": np.zeros(len(p), int), "option": np.arange(len(p)), "probability": p} if by_export else lambda _: p
    )
    asked = rh.probe(agent, probes, draws=draws, random_seed=seed)
    counts = asked.chosen.sum("scene").values
    assert counts.sum() == draws
    # two-sided, all options of all examples together below 1e-4
    for count, chance in zip(counts.tolist(), p.tolist(), strict=True):
        tail = min(binom.cdf(count, draws, chance), binom.sf(count - 1, draws, chance))
        assert tail > 1e-4 / (2 * 25 * 5)
    assert (counts[p == 0] == 0).all()


def test_scenes_are_drawn_independently():
    probes = scenes(2000, 2)
    picks = np.array(taken(rh.probe(lambda _: [0.5, 0.5], probes, random_seed=1)))
    together = np.sum(picks[::2] == picks[1::2])
    assert min(binom.cdf(together, 1000, 0.5), binom.sf(together - 1, 1000, 0.5)) > 5e-5
    again = [taken(rh.probe(lambda _: [0.5, 0.5], probes, random_seed=s)) for s in (1, 2)]
    assert again[0] == picks.tolist() and again[1] != again[0]


def test_the_most_probable():
    probes = scenes(400)
    asked = rh.probe(lambda s: [0.3, 0.4, 0.3], probes, deterministic=True)
    assert set(taken(asked)) == {1}
    tied = np.array(taken(rh.probe(lambda s: [0.4, 0.2, 0.4 * (1 + 1e-12)], probes, deterministic=True, random_seed=5)))
    assert set(tied.tolist()) == {0, 2}
    k = int((tied == 0).sum())
    assert min(binom.cdf(k, 400, 0.5), binom.sf(k - 1, 400, 0.5)) > 5e-5


def test_an_agent_that_draws_itself_is_asked_again():
    rng = np.random.default_rng(0)
    asked = rh.probe(lambda s: rng.integers(3), scenes(20), draws=5)
    assert asked.sizes["scene"] == 100 and len({*taken(asked)}) == 3
    assert asked.red.values[:5].tolist() == [scenes(20).red.values[0].tolist()] * 5
    batched = rh.probe(lambda s: rng.integers(3, size=20), scenes(20), draws=5, batched=True)
    assert batched.sizes["scene"] == 100


@pytest.mark.parametrize("says", [-1, [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, np.float32(1.0)]])
def test_abstaining(says):
    asked = rh.probe(lambda s: says if s["red"].all() else 0, scenes(40), abstain=True) if says == -1 else rh.probe(
        lambda s: says if s["red"].all() else [1, 0, 0, 0], scenes(40), abstain=True
    )  # fmt: skip
    all_red = scenes(40).red.values.all(axis=1)
    assert (
        asked.sizes["option"] == 4 and asked.is_failing.values[:, 3].all() and not asked.is_failing.values[:, :3].any()
    )
    assert np.array_equal(asked.chosen.values[:, 3], all_red) and all_red.any()
    tree = rh.fit({"red": RED, "flags": FLAGS}, rh.Uniform("a"), [rh.Choices(asked, "chosen")], 0, random_seed=1)
    assert np.isfinite(tree["evidence"]["log_evidence"]).all()


def test_an_option_that_is_failing():
    failing = np.zeros((6, 3), bool)
    failing[:, 1] = True
    probes = scenes(is_failing=(("scene", "option"), failing))
    assert set(taken(rh.probe(lambda s: -1, probes))) == {1}
    assert set(taken(rh.probe(lambda s: [0, 0, 0, 1.0], probes))) == {1}
    assert set(taken(rh.probe({"option": [-1] * 6}, probes))) == {1}
    with pytest.raises(rh.InputError, match="abstain: the scenes have an option that is failing"):
        rh.probe(lambda s: -1, probes, abstain=True)
    with pytest.raises(rh.InputError, match=r"agent: scene 0: abstains \(-1\); give abstain=True"):
        rh.probe(lambda s: -1, scenes())


def test_the_evidence_is_that_of_the_choices():
    """Against Luce's rule written out, rationality given."""
    probes = scenes(30, seed=4)
    asked = rh.probe(lambda s: s["red"].argmax(), probes)
    tree = rh.fit(
        {"red": RED, "flags": FLAGS}, rh.Uniform("a"), [rh.Choices(asked, "chosen", rationality=2.0)], 0, random_seed=1
    )
    for name, found in zip(("red", "flags"), tree["evidence"]["log_evidence"].values.tolist(), strict=True):
        reward = np.where(probes[name].values, 100.0, -100.0)
        s = math.sqrt(reward.var(axis=1).mean())
        by_hand = 0.0
        for m, pick in enumerate(probes.red.values.argmax(axis=1)):
            z = [2.0 * r / s for r in reward[m]]
            by_hand += z[pick] - math.log(sum(math.exp(v) for v in z))
        assert found == pytest.approx(by_hand, abs=1e-9)


def test_a_population():
    probes = scenes(60, seed=2)
    runs = [lambda s: s["red"].argmax()] * 3 + [lambda s: s["flags"].argmax()]
    asked = xr.concat(
        [rh.probe(a, probes).assign(agent=("scene", [f"run {k}"] * 60)) for k, a in enumerate(runs)], "scene"
    )
    read = rh.agents_read({"red": RED, "flags": FLAGS}, 1.0, [rh.Choices(asked, "chosen")], 0, source="any")
    assert read["agents"]["weight"].sel(hypothesis="red").values.round(2).tolist() == [1, 1, 1, 0]
