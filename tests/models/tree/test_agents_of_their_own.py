"""Agents with hypotheses of their own, in Python and in a tree."""

import math

import numpy as np
import pytest
from sampling_cases import ANN, DATA, TEXTS, fitted

import reward_hypotheses as rh


def test_an_agent_with_hypotheses_of_its_own(scenes, tree):
    """C is rectangular: rows of the agent's hypotheses, columns of the judge's; by brute force over scenes."""
    own = {"steep": "where(slope > 2, 3, 0)", "flags": "where(flags, 1, -1)", "red paint": "where(red_paint, 1, -1)"}
    prior = rh.Elicited({"steep": 1, "flags": 2, "red paint": 3}, "the agent")
    agent = rh.fit(own, prior, [rh.Labels(DATA, "is_pad", noise=0.2)], fail_utility=-0.5)
    judge = fitted("exact")
    found = rh.catastrophe_risk(judge, scenes, agent=agent, deployments=(1, 5))
    assert found["matrix"].dims == ("agent_hypothesis", "true_hypothesis") and found["matrix"].shape == (3, 3)
    assert found["agent_hypothesis"].to_numpy().tolist() == list(own)
    red, flags, slope = (np.asarray(scenes[k], float) for k in ("red_paint", "flags", "slope"))
    rewards = [np.where(slope > 2, 3, 0), np.where(flags > 0, 1, -1), np.where(red > 0, 1, -1)]
    truths = [np.where(red > 0, 100, -100), np.where(flags > 0, 100, -100), np.where(slope < 1, 100, -100)]
    matrix = np.array(
        [
            [
                np.mean([np.mean([t[m, o] < 0 for o in np.flatnonzero(r[m] == r[m].max())]) for m in range(len(r))])
                for t in truths
            ]
            for r in rewards
        ]
    )
    np.testing.assert_allclose(found["matrix"], matrix, atol=1e-12)
    w, v = agent["evidence"]["weight"].to_numpy(), judge["evidence"]["weight"].to_numpy()
    assert float(found["mean"]) == pytest.approx(w @ matrix @ v, rel=1e-12)
    np.testing.assert_allclose(found["by_truth"], w @ matrix, atol=1e-12)
    np.testing.assert_allclose(found["by_agent"], matrix @ v, atol=1e-12)
    assert found["by_agent"].dims == ("agent_hypothesis",) and math.isnan(found["limit"])
    assert float(found["at_least_one"][1]) == pytest.approx(w @ (1 - (1 - matrix) ** 5) @ v, rel=1e-12)
    lower, upper = rh.risk_bounds(judge, scenes, 0.1, agent=agent)
    assert lower < float(found["mean"]) < upper
    bits = rh.value_bits(judge, scenes, agent=agent)
    assert math.isnan(bits["bits"]) and "another tree" in bits.attrs["reason"]
    more = rh.predict(judge, scenes, agent=agent, draws=400)["predictions"]
    rate, mean = float(more["catastrophe"].mean()), float(found["mean"])
    spread = more["catastrophe"].mean(("chain", "scene")).std() / math.sqrt(400)
    assert abs(rate - mean) < 5 * float(spread)
    # its own failure line is its tree's: abstaining it prefers -0.5 to landing on red paint or flags that are not there
    shy = rh.catastrophe_risk(judge, scenes, policy=rh.Commit(abstain=True), agent=agent, agent_fail_utility=2)
    assert float(shy["abstained"]) == pytest.approx(float(w[1] + w[2]))
    # sampled evidence of the judge, of the agent, or of both: the error is there
    sampled = rh.catastrophe_risk(tree, scenes, agent=agent)
    assert 0 < float(sampled["mcse"]) and abs(float(sampled["mean"] - found["mean"])) < 5 * float(sampled["mcse"])
    other = rh.catastrophe_risk(judge, scenes, agent=tree)
    assert float(other["mcse"]) > 0


def test_callables_of_both_are_given_together(scenes):
    own = {"steep": lambda d: 1.0 * (d["slope"] > 2)}
    agent = rh.fit(own, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], fail_utility=0.5)
    judge = fitted("exact")
    assert rh.catastrophe_risk(judge, scenes, agent=agent)["matrix"].shape == (1, 3)
    del agent.attrs["callables"]  # as in another process
    with pytest.raises(rh.InputError, match="'steep' was a callable"):
        rh.catastrophe_risk(judge, scenes, agent=agent)
    found = rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses={**TEXTS, **own})
    assert found["matrix"].shape == (1, 3)
    with pytest.raises(rh.InputError, match="the tree has"):
        rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses={**TEXTS, **own, "other": "1"})


def test_an_agent_whose_hypotheses_stand_in_another_order(scenes):
    labels = [rh.Labels(DATA, "is_pad", noise=(1, 4))]
    prior = rh.Elicited(ANN["weights"], "a test", 20)
    judge = rh.fit(TEXTS, prior, labels, 0)
    agent = rh.fit(dict(reversed(TEXTS.items())), prior, labels, 0)
    want, got = (rh.catastrophe_risk(judge, scenes, agent=a) for a in (judge, agent))
    assert float(got["mean"]) == pytest.approx(float(want["mean"]), rel=1e-12)
    np.testing.assert_allclose(
        got["matrix"].sel(agent_hypothesis=list(TEXTS)), want["matrix"].sel(agent_hypothesis=list(TEXTS)), atol=1e-12
    )


def test_an_agent_that_is_the_judge_shares_its_error(tree, scenes):
    one, other = rh.catastrophe_risk(tree, scenes), rh.catastrophe_risk(tree, scenes, agent=tree)
    assert float(one["mcse"]) == float(other["mcse"]) > 0 and float(one["regret_mcse"]) == float(other["regret_mcse"])


def test_callables_override_only_callables(scenes):
    judge = rh.fit(
        {"red paint": lambda d: d["red_paint"] - 0.5}, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0
    )
    own = {"red paint": "where(flags, 1, -1)", "steep": "slope"}
    agent = rh.fit(own, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0)
    given = {"red paint": lambda d: d["red_paint"] - 0.5}
    found = rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses=given)
    assert float(found["matrix"].sel(agent_hypothesis="red paint", true_hypothesis="red paint")) == 1  # lands by flags
    both = rh.fit(given | {"steep": "slope"}, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0)
    with pytest.raises(rh.InputError, match="'red paint' is a callable of the judge's and of the agent's"):
        rh.catastrophe_risk(judge, scenes, agent=both, hypotheses=given)
