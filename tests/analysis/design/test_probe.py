"""Agents that others trained, put before probe scenes: what they chose, whatever form they have, and what is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import ROOT, RUNTIME
from scipy.stats import binom

import reward_hypotheses as rh
from reward_hypotheses.data.examples import make_network

NETWORK = ROOT / "data" / "examples" / "network" / "agent.onnx"
RED, FLAGS = "where(red, 100, -100)", "where(flags, 100, -100)"


def scenes(n=6, options=3, seed=0, **more):
    rng = np.random.default_rng(seed)
    columns = {name: (("scene", "option"), rng.random((n, options)) < 0.5) for name in ("red", "flags")}
    columns["depth"] = (("scene", "option"), rng.random((n, options)))
    return xr.Dataset(columns | more)


def named():
    """Scenes b, a and 7, whose options have names; of the second, one is not available."""
    rows = [
        ("b", "left", 1, True),
        ("b", "right", 0, True),
        ("a", "left", 0, True),
        ("a", "right", 1, False),
        ("7", "left", 1, True),
        ("7", "right", 1, True),
    ]
    return dict(zip(("scene", "option", "red", "available"), map(np.array, zip(*rows, strict=True)), strict=True))


def taken(asked):
    """Position chosen in each scene, which is one."""
    assert asked.chosen.dtype == bool and (asked.chosen.sum("option") == 1).all()
    return asked.chosen.values.argmax(axis=1).tolist()


def deepest(scene):
    return np.argmax(scene["depth"], axis=-1)


class Model:
    """As Stable-Baselines3's predict has it."""

    def __init__(self):
        self.told = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.told.append(deterministic)
        return np.asarray(np.argmax(observation, axis=-1)), state


# what is recorded


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


# what is drawn


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


# abstaining


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


# what is refused


@pytest.mark.parametrize(
    "answer, message",
    [
        (3, "takes option 3; there are options 0 to 2"),
        (-2, "takes option -2; there are options 0 to 2"),
        ("left", "answers 'left'; give the position of an option, 0 to 2, or 3 probabilities"),
        (None, "answers None; give the position"),
        (1.0, r"answers 1\.0; give the position"),
        (True, "answers True; give the position"),
        (np.nan, "answers nan; give the position"),
        ([0.5, 0.5], r"answers an array of shape \(2,\); give the position"),
        ([[1, 0, 0]], r"answers an array of shape \(1, 3\); give the position"),
        ([0.5, 0.5, 0, 0], r"answers an array of shape \(4,\)"),
        (["a", "b", "c"], r"answers \['a', 'b', 'c'\]; give"),
        ([0.5, 0.6, np.nan], r"gives probabilities \[0\.5, 0\.6, nan\]; all must be finite"),
        ([np.inf, 0, 0], "all must be finite"),
        ([1.2, -0.2, 0], r"gives probabilities \[1\.2, -0\.2, 0\.0\]; none may be negative"),
        ([0.5, 0.4, 0.05], r"add up to 0\.95; they must add up to 1 \(of scores take the softmax\)"),
        ([0, 0, 0], "add up to 0; they must add up to 1"),
    ],
)
def test_answers_that_are_none(answer, message):
    with pytest.raises(rh.InputError, match=f"^agent: scene c: .*{message}"):
        rh.probe(lambda s: answer if s["scene"] == "c" else (0 if np.ndim(answer) == 0 else [1, 0, 0]),
                 scenes(4).assign_coords(scene=list("abcd")))  # fmt: skip


def test_probabilities_are_rescaled_within_rounding():
    half = np.array([0.3335, 0.3335, 0.3335], np.float16)
    assert len(taken(rh.probe(lambda s: half, scenes()))) == 6


@pytest.mark.parametrize(
    "answer, message",
    [
        (np.zeros(5, int), r"agent: answers an array of shape \(5,\) for 6 scenes at once; .*\(6,\) or \(6, 3\)"),
        (np.zeros((6, 2)), r"shape \(6, 2\) for 6"),
        (np.zeros((3, 6)), r"shape \(3, 6\) for 6"),
        (0, r"shape \(\) for 6"),
        (np.empty((0, 3), object), "agent: scene 0: answers"),
        (np.zeros(6), "agent: scene 0: answers 0.0; give the position"),
        (np.array([0, 0, 9, 0, 0, 0]), "agent: scene 2: takes option 9"),
        (np.array([["a"] * 3] * 6), r"agent: scene 0: answers \['a', 'a', 'a'\]"),
        (np.vstack([np.eye(3), [[0.5, 0.5, 0.5]], np.eye(3)[:2]]), r"agent: scene 3: gives probabilities \[0\.5"),
    ],
)
def test_answers_at_once_that_are_none(answer, message):
    with pytest.raises(rh.InputError, match=message):
        rh.probe(lambda s: answer, scenes(), batched=True)


def test_not_available():
    with pytest.raises(rh.InputError, match="scene a: takes option 1, which is not available; take one that is"):
        rh.probe(lambda s: 1, named())
    with pytest.raises(rh.InputError, match=r"scene a: gives option 1, which is not available, probability 0\.3"):
        rh.probe(lambda s: [0.7, 0.3], named())
    masked = rh.probe(lambda s: np.array([1.0, 1e-8]) if s["scene"] == "a" else np.array([0.5, 0.5]), named(), draws=50)
    assert not masked.chosen.values[50:100, 1].any() and masked.chosen.values[:50].any(axis=0).all()
    gone = np.ones((6, 3), bool)
    gone[4] = False
    with pytest.raises(rh.InputError, match="scenes: scene 4: no option is available"):
        rh.probe(deepest, scenes(available=(("scene", "option"), gone)))


def test_what_the_agent_raises_names_the_scene():
    def breaks(scene):
        if scene["scene"] == 4:
            raise ZeroDivisionError("mine")
        return 0

    probes = scenes().assign_coords(scene=range(6))
    for agent, observe in ((breaks, None), (lambda s: 0, breaks)):
        with pytest.raises(ZeroDivisionError, match="mine") as caught:
            rh.probe(agent, probes, observe=observe)
        assert caught.value.__notes__ == ["raised by the agent that is probed, in scene 4"]
    with pytest.raises(KeyError) as caught:
        rh.probe(lambda s: s["no such"], probes, batched=True)
    assert caught.value.__notes__ == ["raised by the agent that is probed, in all scenes at once"]


@pytest.mark.parametrize(
    "agent, options, message",
    [
        (Model(), {}, "observe: not given, and an agent with predict sees observations"),
        (Model(), {"observe": "depth"}, "observe: 'depth'; give a function of a scene"),
        (7, {}, "agent: 7; give a function of a scene, an object with predict, or a table"),
        (lambda s: [1, 0, 0], {"deterministic": True, "draws": 2}, "draws: 2 times the most probable option"),
        (deepest, {"draws": 0}, "draws: 0; give a whole number from 1 on"),
        ({"option": [0] * 6}, {"batched": True}, "observe, batched: of an agent that is asked"),
        ({"scene": [0], "option": [0], "chosen": [1]}, {"draws": 2}, "column 'chosen' tells one choice a scene"),
        (lambda s: 0 if s["red"][0] else [1, 0, 0], {}, "give the same kind in every scene"),
    ],
)
def test_ways_of_asking_that_are_none(agent, options, message):
    with pytest.raises(rh.InputError, match=message):
        rh.probe(agent, scenes(), **options)


def test_predict_that_returns_something_else():
    class Other:
        def predict(self, x, deterministic):
            return np.zeros(3)

    with pytest.raises(rh.InputError, match=r"agent: scene 0: predict returned .*, and not \(action, state\)"):
        rh.probe(Other(), scenes(), observe=lambda s: s)


def test_tables_that_are_no_probes():
    with pytest.raises(rh.InputError, match="scenes: there are no options"):
        rh.probe(deepest, {"depth": np.zeros(3)})
    with pytest.raises(rh.InputError, match="scenes: there is a column 'chosen', which the agent could read"):
        rh.probe(deepest, rh.probe(deepest, scenes()))


# exported tables

EXPORTS = {
    "taken": "scene,option\n7,right\nb,left\na,left\n",
    "chosen": "scene,option,chosen\nb,left,true\nb,right,false\na,left,1\n7,left,0\n7,right,1\na,right,0\n",
    "probability": "scene,option,probability\nb,left,1\nb,right,0\na,left,1\n7,right,1\na,right,0\n",
    "in order": "option\nleft\nleft\nright\n",
}


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
@pytest.mark.parametrize("form", ["csv", "frame", "columns", "parquet"])
def test_an_export(export, form, tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text(export)
    frame = pd.read_csv(path)
    frame.to_parquet(tmp_path / "choices.parquet")
    given = {
        "csv": path,
        "frame": frame,
        "columns": {c: frame[c].tolist() for c in frame},
        "parquet": str(tmp_path / "choices.parquet"),
    }[form]
    asked = rh.probe(given, named())
    assert taken(asked) == [0, 0, 1] and asked.scene.values.tolist() == ["b", "a", "7"]
    assert json.loads(asked.attrs["probe"])["agent"] == "exported"


def test_an_export_of_what_was_asked_comes_back():
    for probes in (scenes(), scenes().assign_coords(scene=[5, 3, 9, 1, 2, 4], option=["x", "y", "z"])):
        asked = rh.probe(deepest, probes)
        assert rh.probe(asked[["chosen"]], probes).chosen.equals(asked.chosen)
        frame = asked.chosen.to_dataframe().reset_index().sample(frac=1, random_state=1)
        assert rh.probe(frame, probes).chosen.equals(asked.chosen)
        assert rh.probe(frame[frame.chosen][["scene", "option"]], probes).chosen.equals(asked.chosen)


def test_names_come_before_numbers():
    probes = {"scene": [0, 0, 1, 1], "option": [1, 2, 1, 2], "red": [0, 1, 1, 0]}  # options are called 1 and 2
    for table in (probes, pd.DataFrame(probes)):
        assert taken(rh.probe({"scene": [0, 1], "option": [2, 1]}, table)) == [1, 0]
        with pytest.raises(rh.InputError, match="agent: row 0: scene '0': option '0' is none of its options"):
            rh.probe({"scene": [0, 1], "option": [0, 1]}, table)


def test_an_export_of_several_draws():
    asked = rh.probe({"scene": ["b", "a", "b", "7", "a", "7"], "option": ["left", "left", "right", "right", "left", "left"]},
                     named(), draws=2)  # fmt: skip
    assert taken(asked) == [0, 1, 0, 0, 1, 0] and asked.scene.values[1:3].tolist() == ["b, draw 1", "a, draw 0"]
    in_order = rh.probe({"option": ["left", "right", "left", "left", "right", "left"]}, named(), draws=2)
    assert in_order.identical(asked)


HEAD = {"one": "scene,option\n", "chosen": "scene,option,chosen\n", "p": "scene,option,probability\n"}


@pytest.mark.parametrize(
    "text, messages",
    [
        (HEAD["one"] + "b,left\na,left\n", ["scene '7': no row; there must be exactly one"]),
        (
            HEAD["one"] + "b,left\nb,right\na,left\n7,left\n",
            ["scene 'b': 2 rows; there must be exactly one; with draws=n it may have n"],
        ),
        (
            HEAD["one"] + "c,left\na,up\n7,left\nb,left\n",
            ["line 2: scene 'c' is none of those asked about; there is 'b', 'a', '7'",
             "line 3: scene 'a': option 'up' is none of its options; there is 'left'"],
        ),
        (HEAD["one"] + "b,left\na,left\n7,\n", ["line 4: scene '7': option '' is none of its options"]),
        ("option\nleft\nleft\n", ["2 rows for 3 choices; give one row for each, in the scenes' order"]),
        ("scene,choice\nb,left\n", ["no column 'option'"]),
        ("option,chosen\nleft,1\n", ["no column 'scene', which says what scene the options of a row are of"]),
        ("scene,option,chosen,probability\nb,left,1,1\n", ["columns 'chosen' and 'probability' both"]),
        (HEAD["one"], ["no rows"]),
        (HEAD["chosen"] + "b,left,1\na,left,yes\n7,left,1\n", ["line 3: column 'chosen' is 'yes'; it must be true or false"]),
        (HEAD["chosen"] + "b,left,1\na,left,1\n7,left,0\n", ["scene '7': no chosen option; there must be exactly one"]),
        (HEAD["chosen"] + "b,left,1\nb,right,1\na,left,1\n7,left,1\n", ["scene 'b': 2 chosen options"]),
        (HEAD["chosen"] + "b,left,1\nb,left,0\na,left,1\n7,left,1\n",
         ["line 3: scene 'b': option 'left' stands there twice, in line 2 already"]),
        (HEAD["p"] + "b,left,1\na,left,\n7,left,1\n", ["line 3: column 'probability' is missing; it must be a finite number"]),
        (HEAD["p"] + "b,left,1\na,left,x\n7,left,1\n", ["line 3: column 'probability' is 'x'; it must be a finite number"]),
        (HEAD["p"] + "b,left,1\na,left,1\n", ["scene '7': no row; give the probability of each of its options"]),
        (HEAD["p"] + "b,left,1\na,left,.4\n7,left,1\n", ["scene a: gives probabilities", "add up to 0.4"]),
        (HEAD["one"] + "b,-1\na,left\n7,left\n", ["scene b: abstains (-1); give abstain=True"]),
        (HEAD["p"] + "b,-1,1\na,left,1\n7,left,1\n", ["scene b: abstains with probability 1; give abstain=True"]),
    ],
)  # fmt: skip
def test_exports_that_do_not_match(text, messages, tmp_path):
    path = tmp_path / "choices.csv"
    path.write_text(text)
    with pytest.raises(rh.InputError) as caught:
        rh.probe(path, named())
    assert len(caught.value.problems) == (2 if "is none of those" in str(caught.value) else 1)
    for message in messages:
        assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_exports_of_what_is_not_available(tmp_path):
    table = named()
    grid = rh.probe(lambda s: 0, table).drop_vars("chosen")  # 'right' of scene a has lost its name
    for probes in (table, grid):
        with pytest.raises(rh.InputError, match="scene 'a': option 'right' is none of its options"):
            rh.probe({"scene": ["b", "a", "7"], "option": ["left", "right", "left"]}, probes)
    numbered = scenes(available=(("scene", "option"), np.arange(18).reshape(6, 3) != 4))
    with pytest.raises(rh.InputError, match="agent: row 1: scene '1': option '1' is not available there"):
        rh.probe({"option": [0, 1, 0, 0, 0, 0]}, numbered)


def test_many_problems_are_counted():
    with pytest.raises(rh.InputError) as caught:
        rh.probe({"scene": np.arange(100, 150), "option": np.zeros(50, int)}, scenes())
    assert len(caught.value.problems) == 21 and caught.value.problems[-1] == "30 more problems of this kind"


def test_scenes_of_one_name_are_refused_to_an_export():
    twice = scenes().assign_coords(scene=[0, 0, 1, 2, 3, 4])
    with pytest.raises(rh.InputError, match="scenes: '0' stands several times"):
        rh.probe({"scene": np.arange(6), "option": np.zeros(6, int)}, twice)
    assert taken(rh.probe({"option": np.zeros(6, int)}, twice)) == [0] * 6
    with pytest.raises(rh.InputError, match=r"agent: columns of shapes"):
        rh.probe({"scene": np.arange(6), "option": np.zeros(5, int)}, scenes())
    with pytest.raises(rh.InputError, match="no such file"):
        rh.probe("nowhere.csv", scenes())
    with pytest.raises(rh.InputError, match="rows are needed here; give CSV or Parquet"):
        rh.probe("choices.nc", scenes())


# what is read off it


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


# a network


@pytest.fixture(scope="module")
def network():
    if not RUNTIME:
        pytest.skip("no onnxruntime: the extra dev installs it where there is a wheel")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(NETWORK), providers=["CPUExecutionProvider"])
    return lambda s: session.run(["probability"], {"sites": sites_of(s).astype(np.float32)})[0]


@pytest.fixture(scope="module")
def weights():
    return make_network.trained()


def sites_of(columns):
    return np.stack([np.asarray(columns[name], float) for name in make_network.SEEN], axis=-1)


@pytest.mark.onnx
def test_the_network_is_what_its_script_makes(network, weights):
    probes = rh.landing_sites(100, seed=11, mix={"independent": 1})
    by_hand = make_network.probabilities(sites_of(probes), weights)
    assert np.abs(network(probes) - by_hand).max() < 1e-3  # single precision, and training on another machine
    assert NETWORK.stat().st_size < 2000


@pytest.mark.onnx
def test_a_network_in_onnx(network):
    probes = rh.landing_sites(100, seed=11, mix={"independent": 1})
    chance = np.asarray(network(probes), float)
    together = rh.probe(network, probes, batched=True, deterministic=True)
    one_by_one = rh.probe(lambda s: network({k: v[None] for k, v in s.items()})[0], probes, deterministic=True)
    assert taken(together) == taken(one_by_one) == chance.argmax(axis=1).tolist()
    drawn = rh.probe(network, probes, batched=True, draws=50, random_seed=1)
    share = float((drawn.chosen & drawn.red_paint).sum()) / 5000
    expected = float((chance * probes.red_paint.values).sum(axis=1).mean())
    assert abs(share - expected) < 4 * math.sqrt(0.25 / 5000)


def test_predicted_and_measured(weights):
    """The network's catastrophes on a shift, predicted from its choices in probes, and counted; and the named rules' error."""

    def network(scenes):
        return make_network.probabilities(sites_of(scenes), weights)

    probes = rh.landing_sites(120, seed=5, mix={"independent": 1})
    test = rh.landing_sites(60, seed=1, shifted=True)
    measured = 1 - float((network(test) * test.flags.values).sum(axis=1).mean())
    rules = {"red paint": "where(red_paint, 1, -1)", "flags": "where(flags, 1, -1)"}
    mixture = rh.Linear(["red_paint", "flags", "depth"], source="what it sees")
    judge = rh.fit(rules, rh.Uniform("a"), [rh.Labels(probes, "is_pad", noise=(1, 19))], 0, random_seed=1)
    choices = [rh.Choices(rh.probe(network, probes, batched=True, random_seed=1), "chosen")]
    error = {}
    for name, listed in (("mixture", {"a mixture": mixture}), ("rules", rules)):
        agent = rh.fit(listed, rh.Uniform("a"), choices, 0, random_seed=1)
        risk = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent)
        error[name] = abs(float(risk["by_truth"].sel(hypothesis="flags")) - measured)
    assert 0.4 < measured < 0.6
    assert (
        error["mixture"] < 0.15 < 0.3 < error["rules"]
    )  # by draws of the probes the first has a standard deviation of 0.05
