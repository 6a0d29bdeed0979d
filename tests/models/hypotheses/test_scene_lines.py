"""Failure lines that a scene gives: the reward of the option that is failing, or the mean of the scene."""

import numpy as np
import pytest

import reward_hypotheses as rh
from tests.support.linear_cases import SOURCE, choosing, fitted

TRAINING = choosing(1, scenes=6)
TEST = choosing(5, scenes=8, options=4)
MARKED = np.zeros((8, 4), bool)
MARKED[np.arange(8), np.arange(8) % 4] = True
ON_TEST = {"x": TEST["x"], "y": TEST["y"], "is_failing": MARKED}
REAL = ~MARKED


def line_of(r, line):
    if line == "this option":
        return np.where(MARKED, r, 0.0).sum(axis=-1)
    if line == "scene mean":
        return np.where(REAL, r, 0.0).sum(axis=-1) / 3
    return np.full(r.shape[:-1], line)


@pytest.fixture(scope="module", params=["sphere"], ids=str)
def fits(request):
    choices = [rh.Choices({name: TRAINING[name] for name in ("x", "y", "chosen")}, "chosen")]
    tree = fitted(TRAINING, choices, prior=request.param, fail="this option")
    weights = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 2)
    per_unit = weights / tree["constant_data"]["reward_weight_scale"].to_numpy()
    rewards = np.einsum("nk,kso->nso", per_unit, np.stack([TEST["x"], TEST["y"]]))
    return choices, request.param, rewards


@pytest.mark.parametrize("line", ["this option", "scene mean", 0.3])
def test_risk_is_that_of_every_draw(fits, line):
    """Agents are the draws at even places, truths those at odd places; each has its own line."""
    choices, prior, rewards = fits
    tree = fitted(TRAINING, choices, prior=prior, fail=line)
    agents, truths = rewards[::2][:2000], rewards[1::2][:2000]
    bad = (truths < line_of(truths, line)[..., None]).mean(axis=0)

    def best(r):
        real = np.where(REAL, r, -np.inf)
        return real == real.max(axis=-1, keepdims=True)

    acts = best(agents).astype(float)
    acting = np.where(REAL, agents, -np.inf).max(axis=-1) >= line_of(agents, line)
    expected = {
        rh.Commit(): acts.mean(axis=0),
        rh.Commit(abstain=True): (acts * acting[..., None]).mean(axis=0),
        rh.Expected(): best(rewards.mean(axis=0)),
    }
    for policy, chance in expected.items():
        risk = rh.catastrophe_risk(tree, ON_TEST, policy)
        assert float(risk["mean"]) == pytest.approx((chance * bad).sum(axis=-1).mean(), abs=1e-12)
        by_truth = ((truths < line_of(truths, line)[..., None]) * chance).sum(axis=-1).mean(axis=-1)
        ends = risk["interval"].sel(source="reward_weights").to_numpy()
        assert np.allclose(ends, np.quantile(by_truth, [0.025, 0.975]), atol=0.02)


def test_open_weights_of_a_judge_are_in_the_interval_in_every_design():
    """The interval of all sources is as wide as that of the judge's reward weights, whoever acts and however.

    `lower` and `upper` are of the values alone, and a point where one hypothesis has all their weight.
    """
    choices = [rh.Choices({name: TRAINING[name] for name in ("x", "y", "chosen")}, "chosen")]
    sure = rh.Elicited({"family": 1}, source=SOURCE, strength=20)
    judge = fitted(TRAINING, choices, fail="this option", values=sure, draws=100)
    named = rh.fit({"x": "x", "y": "-y"}, rh.Uniform(SOURCE), choices, "this option", draws=100)
    own = fitted(TRAINING, choices, fail=0.0, draws=100)
    designs = [(None, rh.Commit()), (None, rh.Expected()), (None, rh.MostProbable()), (named, rh.Commit())]
    for agent, policy in [*designs, (own, rh.Expected()), (own, rh.Boltzmann(2.0))]:
        risk = rh.catastrophe_risk(judge, ON_TEST, policy, agent)
        low, high = (risk["interval"].sel(bound=bound) for bound in ("lower", "upper"))
        alone, every = (float((high - low).sel(source=source)) for source in ("reward_weights", "all"))
        assert every > 0.8 * alone > 0.02, (agent, policy)
        assert float(risk["lower"]) == pytest.approx(float(risk["mean"])) == pytest.approx(float(risk["upper"]))


def test_labels_and_stops_are_judged_by_the_moving_line():
    """Labels and stops by "this option" are those by a line of 0 with that option's features subtracted."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 12, 3))
    marked = np.zeros((12, 3), bool)
    marked[:, 0] = True
    good = (x - x[:, :1] - 0.5 * (y - y[:, :1]) > 0) ^ (rng.random((12, 3)) < 0.1)
    table = {"x": x, "y": y, "good": good, "stop": ~good, "is_failing": marked}
    apart = {"x": x - x[:, :1], "y": y - y[:, :1], "good": good, "stop": ~good, "is_failing": marked}
    unit = {"x": 1.0, "y": 1.0}
    for feedback in (lambda t: rh.Labels(t, "good", noise=(1, 9)), lambda t: rh.Stops(t, "stop")):
        values = []
        for data, line in ((table, "this option"), (apart, 0.0)):
            linear = rh.Linear(["x", "y"], prior="sphere", source=SOURCE, unit=unit)
            tree = rh.fit({"f": linear, "x": "x"}, rh.Uniform(SOURCE), [feedback(data)], line, random_seed=1)
            values.append(tree["evidence"]["log_evidence"].to_numpy())
        assert np.allclose(*values, atol=1e-9)


def test_named_hypotheses_have_such_lines_too():
    tree = rh.fit(
        {"x": "x", "y": "y"},
        rh.Uniform(SOURCE),
        [rh.Choices({name: TRAINING[name] for name in ("x", "y", "chosen")}, "chosen")],
        {"x": "this option", "y": "scene mean"},
    )
    risk = rh.catastrophe_risk(tree, ON_TEST, rh.Commit())
    for j, line in (("x", "this option"), ("y", "scene mean")):
        bad = TEST[j] < line_of(TEST[j], line)[:, None]
        for i in ("x", "y"):
            real = np.where(REAL, TEST[i], -np.inf)
            chosen = real == real.max(axis=1, keepdims=True)
            at = risk["matrix"].sel(agent_hypothesis=i, true_hypothesis=j)
            assert float(at) == pytest.approx((chosen & bad).sum() / 8)
    again = rh.catastrophe_risk(tree.copy(), ON_TEST, rh.Commit())
    assert float(again["mean"]) == float(risk["mean"])


def test_messages():
    choices = [rh.Choices({name: TRAINING[name] for name in ("x", "y", "chosen")}, "chosen")]
    tree = fitted(TRAINING, choices, fail="this option")
    with pytest.raises(rh.InputError, match="'this option': no column 'is_failing' marks the option"):
        rh.catastrophe_risk(tree, {"x": TEST["x"], "y": TEST["y"]}, rh.Commit())
    with pytest.raises(rh.InputError, match="scene 0: fail_utility 'this option': is_failing marks 3 options"):
        rh.catastrophe_risk(tree, ON_TEST | {"is_failing": REAL}, rh.Commit())
    mean = fitted(TRAINING, choices, fail="scene mean")
    whole = {"x": [[1.0, 2.0], [0.0, 1.0]], "y": [[1.0, 2.0], [0.0, 1.0]], "is_failing": [[False, True], [True, True]]}
    with pytest.raises(rh.InputError, match="scene 1: fail_utility 'scene mean': is_failing marks every option"):
        rh.catastrophe_risk(mean, {name: np.array(values) for name, values in whole.items()})
    with pytest.raises(rh.InputError, match="'scene mean': the table has no options"):
        rh.catastrophe_risk(mean, {"x": TEST["x"][:, 0], "y": TEST["y"][:, 0]}, rh.Commit())
