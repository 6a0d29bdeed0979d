"""Failure lines from judgements, and the risk under them, against integrators of their own."""

import math

import numpy as np
import pandas as pd
import pytest
from judged_studies import HYPOTHESES, VALUES, judgements, problem
from scipy import integrate, special, stats

import reward_hypotheses as rh
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of


@pytest.mark.parametrize("seed", range(16))
def test_a_line_against_a_dense_grid(seed):
    rewards, said, centre, spread = problem(seed)
    p = (np.arange(3000) + 0.5) / 3000  # equally probable values of u before the answers, and of beta
    u, beta = stats.norm.ppf(p, centre, spread), np.exp(stats.norm.ppf((np.arange(400) + 0.5) / 400))
    likelihood = np.zeros(len(u))
    for b in beta:
        z = b * (u[:, None] - rewards) / rewards.std()
        likelihood += np.prod(special.expit(np.where(said, z, -z)), axis=1) / len(beta)
    mean = likelihood @ u / likelihood.sum()
    sd = math.sqrt(likelihood @ (u - mean) ** 2 / likelihood.sum())
    found = rh.failure_line(judgements(rewards, said, centre, spread), {"h": "r"}, draws=20_000)
    assert abs(float(found["mean"][0]) - mean) < 0.01 * sd
    assert float(found["sd"][0]) == pytest.approx(sd, rel=0.01)
    assert float(found["log_evidence"][0]) == pytest.approx(math.log(likelihood.mean()), abs=0.01)
    want = np.interp([0.025, 0.5, 0.975], np.cumsum(likelihood) / likelihood.sum(), u)
    np.testing.assert_allclose(found["quantiles"].values[:, 0], want, atol=0.05 * sd)
    drawn = found["fail_utility"].values[:, 0]
    assert abs(drawn.mean() - float(found["mean"][0])) < 4.5 * sd / math.sqrt(len(drawn))
    assert float(found["mcse"][0]) < 1e-3 * sd


@pytest.mark.parametrize("seed", range(20, 24))
def test_a_line_against_adaptive_quadrature(seed):
    rewards, said, centre, spread = problem(seed)
    rewards, said = rewards[:6], said[:6]
    scale = rewards.std()

    def joint(t, v):
        z = math.exp(t) * (centre + spread * v - rewards) / scale
        return float(np.prod(special.expit(np.where(said, z, -z)))) * math.exp(-(t**2 + v**2) / 2) / (2 * math.pi)

    total = integrate.dblquad(joint, -7, 7, -7, 7, epsabs=1e-8, epsrel=1e-6)[0]
    first = integrate.dblquad(lambda t, v: v * joint(t, v), -7, 7, -7, 7, epsabs=1e-8, epsrel=1e-6)[0]
    found = rh.failure_line(judgements(rewards, said, centre, spread), {"h": "r"})
    assert float(found["mean"][0]) == pytest.approx(centre + spread * first / total, abs=1e-4 * spread)
    assert float(found["log_evidence"][0]) == pytest.approx(math.log(total), abs=1e-4)


def test_a_fixed_rationality_and_units():
    rewards, said, centre, spread = problem(3)
    one = judgements(rewards, said, centre, spread, rationality=2.0)
    assert float(rh.failure_line(one, {"h": "r"})["rationality"][0]) == pytest.approx(2.0)
    with pytest.raises(rh.InputError, match="centre: 'h' is no hypothesis"):
        rh.failure_line(judgements(rewards, said, {"h": 0}, 1), {"flags": "r"})
    scaled = judgements(rewards, said, {"h": centre, "tenths": 10 * centre}, {"h": spread, "tenths": 10 * spread})
    found = rh.failure_line(scaled, {"h": "r", "tenths": "10 * r"})
    assert float(found["mean"][1]) == pytest.approx(10 * float(found["mean"][0]), rel=1e-9)
    assert float(found["log_evidence"][1]) == pytest.approx(float(found["log_evidence"][0]), abs=1e-9)


def tables(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 30))
    asked = {"x": x[:12], "y": y[:12], "nothing": x[:12] < rng.normal(-0.4, 0.4, 12)}
    test = pd.DataFrame({"scene": np.arange(30) // 3, "option": np.arange(30) % 3, "x": x, "y": y})
    return rng, asked, test


def test_risk_of_one_tree_against_draws_of_the_line():
    rng, asked, test = tables(1)
    train = test.assign(chosen=test.groupby("scene")["x"].transform("max") == test["x"])
    said = rh.FailureJudgements(asked, "nothing", centre=0, spread=1, source="a test")
    tree = rh.fit(HYPOTHESES, VALUES, [rh.Choices(train, "chosen")], fail_utility=0, random_seed=1)
    agent = rh.Uniform()
    found = rh.risk_under_failure_judgements(tree, test, said, agent=agent, random_seed=2)
    lines = rh.failure_line(said, HYPOTHESES, draws=150, random_seed=3)["fail_utility"]
    each = []
    for row in lines.values:
        moved = rh.fit(
            HYPOTHESES, VALUES, [rh.Choices(train, "chosen")], dict(zip(HYPOTHESES, row, strict=True)), draws=1
        )
        each.append(float(rh.catastrophe_risk(moved, test, agent=agent)["mean"]))
    assert abs(float(found["mean"]) - np.mean(each)) < 4.5 * np.std(each) / math.sqrt(len(each))
    assert float(found["mcse"]) == 0
    risks = found["risk"].values
    assert abs(risks.mean() - float(found["mean"])) < 4.5 * risks.std() / math.sqrt(len(risks))
    known = rh.catastrophe_risk(tree, test, agent=agent)
    assert found["upper"] - found["lower"] > known["upper"] - known["lower"]
    narrow = rh.FailureJudgements(asked, "nothing", centre=-0.5, spread=1e-6, source="a test")
    alone = rh.risk_under_failure_judgements(tree, test, narrow, agent=agent)
    at = rh.catastrophe_risk(rh.fit(HYPOTHESES, VALUES, [rh.Choices(train, "chosen")], -0.5), test, agent=agent)
    assert float(alone["mean"]) == pytest.approx(float(at["mean"]), abs=1e-6)


def test_risk_of_labels_that_rest_on_the_line():
    rng, asked, test = tables(4)
    train = {"x": test["x"].values, "y": test["y"].values, "good": test["x"].values > -0.3}
    labels = [rh.Labels(train, "good", noise=(1, 9))]
    said = rh.FailureJudgements(asked, "nothing", centre=0, spread=0.7, source="a test")

    def fitted(u):
        return rh.fit(HYPOTHESES, VALUES, labels, u, draws=1, chains=1)

    with pytest.raises(rh.InputError, match="the evidence of labels rests on it; give a function"):
        rh.risk_under_failure_judgements(fitted(0), test, said)
    found = rh.risk_under_failure_judgements(fitted, test, said, agent=rh.Uniform(), refits=60, random_seed=5)
    # by hand: a grid over each line, labels and answers together
    hypotheses = hypotheses_of(HYPOTHESES)
    lines = said.lines(hypotheses)
    p = (np.arange(100) + 0.5) / 100
    u = np.array([one.quantile(p) for one in lines])
    trees = [fitted(dict(zip(HYPOTHESES, row, strict=True))) for row in u.T]
    log_l = np.array([t["evidence"]["log_evidence"].values for t in trees]).T
    evidence = np.exp(log_l - log_l.max())
    agents = evidence.mean(axis=1) / evidence.mean(axis=1).sum()
    pick = [test.loc[test.groupby("scene")[h].idxmax()] for h in HYPOTHESES]
    weights = np.array([2, 1]) / 3 * evidence.mean(axis=1)
    mean = 0.0
    for j, name in enumerate(HYPOTHESES):
        worse = sum(
            w * (picked[name].values[:, None] < u[j]).mean(axis=0) for w, picked in zip(agents, pick, strict=True)
        )
        mean += weights[j] / weights.sum() * float(evidence[j] @ worse / evidence[j].sum())
    assert abs(float(found["mean"]) - mean) < 5 * float(found["mcse"]) + 0.01
    risks = found["risk"].values
    assert abs(risks.mean() - float(found["mean"])) < 4.5 * risks.std() / math.sqrt(len(risks))
    assert found["lower"] <= found["mean"] <= found["upper"] and found.attrs["refits"] == 60


def make(**changes):
    rewards, said, centre, spread = problem(0)
    given = {
        "table": {"r": rewards, "nothing": said},
        "column": "nothing",
        "centre": 0,
        "spread": 1,
        "source": "x",
    } | changes
    return rh.FailureJudgements(given.pop("table"), given.pop("column"), **given)


BAD = {
    "no source": ({"source": " "}, "source: missing"),
    "a spread of 0": ({"spread": 0}, "spread: 0; give a positive finite number"),
    "a centre that is no number": ({"centre": "low"}, "centre: 'low'; give a finite number"),
    "a negative spread of one": ({"spread": {"h": -1}}, "spread: 'h': -1"),
    "no column": ({"column": "nothin"}, "'nothin'"),
    "no truth values": ({"column": "r"}, "true where a judge would rather it did nothing"),
    "a rationality of 0": ({"rationality": 0}, "rationality: 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_judgements(name):
    changes, message = BAD[name]
    with pytest.raises(rh.InputError) as refused:
        make(**changes)
    assert message in str(refused.value)


def test_other_bad_input():
    with pytest.raises(rh.InputError, match="so it has no scale"):
        rh.failure_line(make(), {"h": "r", "flat": "0 * r"})
    with pytest.raises(rh.InputError, match="no column 'q'"):
        rh.failure_line(make(), {"h": "q"})
    with pytest.raises(rh.InputError, match="continuous weights"):
        rh.failure_line(make(centre=0), {"h": rh.Linear(["r"], source="x")})
    with pytest.raises(rh.InputError, match=r"give rh.FailureJudgements"):
        rh.failure_line(3, {"h": "r"})
    with pytest.raises(rh.InputError, match="prob"):
        rh.failure_line(make(), {"h": "r"}, prob=95)
    _, asked, test = tables(1)
    said = rh.FailureJudgements(asked, "nothing", centre=0, spread=1, source="x")
    with pytest.raises(rh.InputError, match="may abstain acts by what it was told"):
        rh.risk_under_failure_judgements(lambda u: u, test, said, policy=rh.Commit(abstain=True))
    with pytest.raises(rh.InputError, match="it must give a tree"):
        rh.risk_under_failure_judgements(lambda u: u, test, said)
    with pytest.raises(rh.InputError, match="give a tree from fit"):
        rh.risk_under_failure_judgements(3, test, said)
    with pytest.raises(rh.InputError, match="give None or a prior"):
        rh.risk_under_failure_judgements(lambda u: u, test, said, agent=3)


# In a study file
