"""The rules of two features as hypotheses of their own: the same risk, limit and regret as over the rule space."""

import numpy as np
import pytest
from rule_oracle import Given, functions, space_of

import reward_hypotheses as rh
from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import MostProbableRules, choices, expected
from reward_hypotheses.models.rule_space.outcomes.limit import limit
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes, risk
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.outcomes.silence import silent_classes

SPACE = space_of(2, 2)
RULES = functions(SPACE)
REWARD = (3.0, -2.0)
OTHER = rh.Elicited({f"rule {h}": 1.0 + h * 7 % 11 for h in range(len(RULES))}, source="stated")
POLICIES = [
    rh.Commit(),
    rh.Commit(abstain=True),
    rh.MostProbable(),
    rh.MostProbable(abstain=True),
    rh.Expected(),
    rh.Expected(abstain=True),
    rh.Boltzmann(1.4),
    rh.Boltzmann(0.6, abstain=True),
]


@pytest.fixture(scope="module")
def study():
    rng = np.random.default_rng(7)
    names = [f"rule {h}" for h in range(len(RULES))]
    texts = [f"where({SPACE.expression(members, table)}, {REWARD[0]}, {REWARD[1]})" for members, table in RULES]
    prior = rh.Elicited(dict(zip(names, rng.gamma(1.0, size=len(names)).tolist(), strict=True)), source="drawn")
    train = {"x0": [True, False, True, True], "x1": [True, False, True, True], "good": [True, False, True, False]}
    there = rng.random((3, 12)) < 0.8
    there[:, 0] = True
    failing = (rng.random((3, 12)) < 0.15) & there
    literals, weights = rng.random((2, 3, 12)) < 0.5, rng.gamma(2.0, size=12)
    scene, option = (z.T.ravel() for z in np.meshgrid(np.arange(12), np.arange(3)))
    rows = there.T.ravel()
    test = {
        "scene": scene[rows],
        "option": option[rows],
        "x0": literals[0].T.ravel()[rows],
        "x1": literals[1].T.ravel()[rows],
        "is_failing": failing.T.ravel()[rows],
        "scene_weight": weights[scene[rows]],
    }
    tree = rh.fit(
        dict(zip(names, texts, strict=True)), prior, [rh.Labels(train, "good", noise=(1, 19))], fail_utility=0
    )
    return tree, test, Scenes(literals, there, failing, weights), train


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("told", [None, 3.0])
def test_the_risk_of_rules_as_hypotheses(policy, told, study):
    tree, test, scenes, train = study
    known = rh.catastrophe_risk(tree, test, policy=policy, agent=OTHER, agent_fail_utility=told)
    judge = np.exp(tree["evidence"]["log_posterior"].values)
    likelihood = np.exp(tree["evidence"]["log_evidence"].values) * list(OTHER.weights.values())
    given = {"judge": Given(RULES, judge / judge.sum()), "agent": Given(RULES, likelihood / likelihood.sum())}
    acts_by = MostProbableRules(SPACE, given["agent"]) if isinstance(policy, rh.MostProbable) else given["agent"]
    failing = (0.0 if told is None else told) if policy.abstain else None
    acting, stakes = Acting(REWARD, failing, getattr(policy, "beta", None)), Stakes(REWARD, 0.0)
    agent, true = (choices(SPACE, w, scenes, acting) for w in (acts_by, given["judge"]))
    chosen = agent.chosen
    if isinstance(policy, rh.Expected):
        chosen = expected(agent.approved, scenes, REWARD, failing)
    found = risk(chosen, true, scenes, stakes, acting, policy.draws_one)
    for name in ("mean", "floor", "abstained", "regret"):
        np.testing.assert_allclose(getattr(found, name), float(known[name]), rtol=0, atol=1e-12, err_msg=name)
    np.testing.assert_allclose(found.by_scene, known["by_scene"].values, rtol=0, atol=1e-12)
    classes = silent_classes(SPACE, given["agent"], given["judge"], np.array([train["x0"], train["x1"]]))
    name = policy.name if policy.name in ("most_probable", "expected") else "commit"
    for compiled in (False, True):
        left = limit(classes, scenes, acting, stakes, policy=name, compiled=compiled)
        np.testing.assert_allclose(left.mean, float(known["limit"]), rtol=0, atol=1e-12)
