"""What an agent may not answer in a probe scene."""

import numpy as np
import pytest
from probe_scenes import Model, deepest, named, scenes, taken

import reward_hypotheses as rh


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
