"""Failure lines from judgements, and the risk under them, against integrators of their own."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats
from studies import SHOWN, TEST, TRAINING, csv_text, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.sensitivity.failure_line_refits import refitted
from reward_hypotheses.analysis.sensitivity.failure_line_study import few, judged_of
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.weights.weigh import weigh
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import evaluate


def problem(seed):
    """Items, answers, and a prior of the line, drawn by the model."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 25))
    rewards = rng.choice([0.3, 5.0, 200.0]) * rng.normal(size=n)
    scale = rewards.std()
    centre, spread = float(rewards.mean() + 0.5 * scale * rng.normal()), float(scale * rng.choice([0.3, 1.0, 3.0]))
    u, beta = rng.normal(centre, spread), math.exp(rng.normal())
    said = rng.random(n) < special.expit(beta * (u - rewards) / scale)
    return rewards, said, centre, spread


def judgements(rewards, said, centre, spread, **more):
    table = {"r": rewards, "nothing": said}
    return rh.FailureJudgements(table, "nothing", centre=centre, spread=spread, source="a test", **more)


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


HYPOTHESES = {"x": "x", "y": "y"}
VALUES = rh.Elicited({"x": 2, "y": 1}, "a test", 10)


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


def asked_for(**changes):
    """The key of a study, changed; None leaves a part out."""
    given = {"table": "shown", "column": "rather_nothing", "centre": 0, "spread": 50, "source": "a test"} | changes
    return {"fail_utility": 0, "judgements": {key: value for key, value in given.items() if value is not None}}


def paints(**changes):
    """The essay's study, asked where failing lies."""
    given = {
        "tables": {"training": "training.csv", "test": "test.csv", "shown": "shown.csv"},
        "catastrophe": asked_for(),
    }
    return small(**given | changes)


def texts(seed, labels):
    """Tables as CSV files hold them: training, test, and items that were shown; and the same as arrays."""
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.normal(size=(2, 45)), 3)
    scene, option = np.arange(45) // 3, np.arange(45) % 3
    columns = {"scene": scene, "option": option}
    meant = x + 0.8 * y + 1.5 * rng.normal(size=45)  # noisy, so that neither hypothesis is ruled out
    train = columns | {"x": x, "y": y, "chosen": meant == np.repeat(meant.reshape(15, 3).max(axis=1), 3)}
    if labels:
        train = {"x": x, "y": y, "good": meant > -0.3}
    x, y = np.round(rng.normal(size=(2, 45)), 3)
    test = columns | {"x": x, "y": y}
    x, y = np.round(rng.normal(size=(2, 14)), 3)
    shown = {"x": x, "y": y, "nothing": x < rng.normal(-0.4, 0.6, 14)}
    return {"training": train, "test": test, "shown": shown}


def as_csv(columns):
    return csv_text(
        [dict(zip(columns, row, strict=True)) for row in zip(*(v.tolist() for v in columns.values()), strict=True)]
    )


LABELLED = {"kind": "labels", "table": "training", "column": "good", "noise": [1, 9]}
CHOSEN = {"kind": "choices", "table": "training", "column": "chosen"}
LINE = -0.2


def study(seed, *feedback, **changes):
    document = {
        "seed": seed,
        "tables": {"training": "training.csv", "test": "test.csv", "shown": "shown.csv"},
        "hypotheses": dict(HYPOTHESES),
        "values": {"weights": {"x": 2, "y": 1}, "source": "a test", "strength": 10},
        "agent": {"prior": "uniform"},
        "catastrophe": {
            "fail_utility": LINE,
            "judgements": {"table": "shown", "column": "nothing", "centre": -0.1, "spread": 0.8, "source": "a test"},
        },
        "feedback": list(feedback),
    }
    return document | changes


def results_of(folder, document, tables):
    return rh.run(write(folder, document, **{name: as_csv(columns) for name, columns in tables.items()}))


def of_python(tables):
    """The same judgements as an object."""
    return rh.FailureJudgements(tables["shown"], "nothing", centre=-0.1, spread=0.8, source="a test")


def test_a_study_gives_what_the_functions_give(tmp_path):
    tables = texts(1, labels=False)
    results = results_of(tmp_path, study(7, CHOSEN), tables)
    tree = rh.fit(HYPOTHESES, VALUES, [rh.Choices(pd.DataFrame(tables["training"]), "chosen")], LINE, random_seed=7)
    said = of_python(tables)
    found = rh.risk_under_failure_judgements(
        tree, pd.DataFrame(tables["test"]), said, agent=rh.Uniform(), random_seed=7
    )
    risk = results["risk_under_judged_line"]
    assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-12)
    for end in ("lower", "upper"):
        error = math.hypot(risk[f"mcse_{end}"], float(found[f"mcse_{end}"]))
        assert 0 < error < 0.01 and abs(risk[end] - float(found[end])) < 4.5 * error
    assert [risk[key] for key in ("mcse", "refits", "effective_refits")] == [0, 0, None]
    assert set(risk["mcse_by_truth"].values()) | set(risk["mcse_weights"].values()) == {0}
    assert risk["weights"] == results["weights"]
    lines, known = rh.failure_line(said, HYPOTHESES), results["failure_line"]
    for name in HYPOTHESES:
        assert risk["by_truth"][name] == pytest.approx(float(found["by_truth"].sel(hypothesis=name)), abs=1e-12)
        one, given = lines.sel(hypothesis=name), known["by_hypothesis"][name]
        for key in ("mean", "sd", "mcse", "rationality", "log_evidence"):
            assert given[key] == pytest.approx(float(one[key]), abs=1e-12)
        assert [given["lower"], given["upper"]] == pytest.approx(one["quantiles"].values[[0, 2]].tolist(), abs=1e-12)
    assert [known[key] for key in ("source", "table", "column", "items")] == ["a test", "shown", "nothing", 14]
    assert known["rather_nothing"] == int(tables["shown"]["nothing"].sum())
    assert known["settings"]["centre"] == {"x": -0.1, "y": -0.1}
    assert results["mcse"] is None


def test_a_study_of_labels_gives_what_the_function_gives(tmp_path):
    """Of an agent whose weights labels do not move: the function would have it learn from labels and answers together."""
    tables = texts(2, labels=True)
    language = {"name": "mine", "costs": {"x": 1, "y": 2000}}
    document = study(3, LABELLED, agent={"prior": {"name": "simplicity", "language": language}})
    risk = results_of(tmp_path, document, tables)["risk_under_judged_line"]
    labels = [rh.Labels(tables["training"], "good", noise=(1, 9))]

    def fitted(u):
        return rh.fit(HYPOTHESES, VALUES, labels, u, draws=1, chains=1)

    for seed, refits in ((3, 200), (4, 150)):
        found = rh.risk_under_failure_judgements(
            fitted,
            pd.DataFrame(tables["test"]),
            of_python(tables),
            agent=rh.Simplicity(language),
            refits=refits,
            random_seed=seed,
        )
        for key in ("mean", "lower", "upper"):
            error = f"mcse_{key}" if key != "mean" else "mcse"
            both = math.hypot(risk[error], float(found[error]))
            assert abs(risk[key] - float(found[key])) < 4.5 * both and 0 < both < 0.15
        if seed == 3:  # the same draws of u
            assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-9)
            assert risk["mcse"] == pytest.approx(float(found["mcse"]), rel=1e-6)
            for name in HYPOTHESES:
                assert risk["by_truth"][name] == pytest.approx(float(found["by_truth"].sel(hypothesis=name)), abs=1e-9)
    assert risk["refits"] == 200 and 20 < risk["effective_refits"] <= 200


N_U, N_BETA = 4001, 301


def grid(rewards, said, centre, spread, n=N_U):
    """``p(u | answers)`` on a grid, by sums over a grid of u and log beta: nodes, and probabilities (node,)."""
    u = np.linspace(centre - 8 * spread, centre + 8 * spread, n)
    beta = np.exp(np.linspace(-7, 7, N_BETA))
    mass = np.zeros(len(u))
    for b in beta:
        z = b * (u[:, None] - rewards) / rewards.std()
        mass += np.exp(special.log_expit(np.where(said, z, -z)).sum(axis=1)) * stats.norm.pdf(np.log(b))
    mass *= stats.norm.pdf(u, centre, spread)
    return u, mass / mass.sum()


def evidence_of_labels(rewards, labels, u, a=1, b=9):
    """``int p(labels | r, u, eps) p(eps) d eps`` over eps < 1/2 at each u: (node,)."""
    wrong = ((rewards > u[:, None]) != labels).sum(axis=1)
    n = len(labels)
    top = special.betaln(a + wrong, b + n - wrong) + np.log(special.betainc(a + wrong, b + n - wrong, 0.5))
    return np.exp(top - special.betaln(a, b) - np.log(special.betainc(a, b, 0.5)))


def by_grid(tables, agents, *, labels, told=None):
    """Weights of the judge, and risk by truth: two dicts, by sums over a grid; of an agent that may abstain where told a line."""
    train, test, shown = (tables[name] for name in ("training", "test", "shown"))
    likelihood, truths = {}, {}
    for name in HYPOTHESES:
        u, mass = grid(shown[name], shown["nothing"], -0.1, 0.8)
        if labels:
            evidence = evidence_of_labels(train[name], train["good"], u)
            likelihood[name] = evidence @ mass
            mass = mass * evidence / likelihood[name]
        truths[name] = 0.0
        for taken, share in agents.items():
            for scene in np.unique(test["scene"]):
                inside = np.flatnonzero(test["scene"] == scene)
                best = inside[np.argmax(test[taken][inside])]
                if told is None or test[taken][best] > told:
                    above = 1 - np.interp(test[name][best], u, np.cumsum(mass) - mass / 2)
                    truths[name] += share * above / len(np.unique(test["scene"]))
    if not labels:
        return None, truths
    weights = {name: prior * likelihood[name] for name, prior in (("x", 2 / 3), ("y", 1 / 3))}
    return {name: w / sum(weights.values()) for name, w in weights.items()}, truths


@pytest.mark.parametrize("told", [None, 0.8])
@pytest.mark.parametrize("labels", [False, True])
def test_the_risk_of_a_study_against_sums_over_a_grid(tmp_path, labels, told):
    tables = texts(39, labels)
    agent = {"prior": "uniform"}
    if told is not None:
        agent |= {"policy": {"name": "commit", "abstain": True}, "fail_utility": told}
    results = results_of(tmp_path, study(11, LABELLED if labels else CHOSEN, agent=agent), tables)
    risk = results["risk_under_judged_line"]
    weights, truths = by_grid(tables, results["agent_weights"], labels=labels, told=told)
    if labels:  # the agent learned by the line that was stated
        by_hand = [
            evidence_of_labels(tables["training"][h], tables["training"]["good"], np.array([LINE]))[0] for h in "xy"
        ]
        assert list(results["agent_weights"].values()) == pytest.approx(np.array(by_hand) / sum(by_hand), rel=1e-6)
    else:
        weights = results["weights"]
    rounding = 1e-3 if labels else 1e-5  # of the grid: the likelihood of labels is a step at every reward
    for name in HYPOTHESES:
        assert abs(risk["by_truth"][name] - truths[name]) < 4.5 * risk["mcse_by_truth"][name] + rounding
        assert abs(risk["weights"][name] - weights[name]) < 4.5 * risk["mcse_weights"][name] + rounding
    mean = sum(weights[name] * truths[name] for name in HYPOTHESES)
    assert abs(risk["mean"] - mean) < 4.5 * risk["mcse"] + rounding
    assert (risk["mcse"] > 0) == labels and risk["mcse"] < 0.03
    assert 0.01 < mean < 0.9 and abs(mean - results["risk"]["mean"]) > 0.001


def test_errors_of_refits_are_those_that_are_seen(tmp_path):
    """Over seeds, what is computed scatters as its Monte Carlo errors say."""
    tables = texts(39, labels=True)
    loaded = load(write(tmp_path, study(0, LABELLED), **{name: as_csv(columns) for name, columns in tables.items()}))
    valuations, tests = evaluate(loaded)
    posterior = weigh(loaded.hypotheses, loaded.prior, loaded.feedback, loaded.line, valuations)
    agent, seen, errors = np.array([0.5, 0.5]), [], []
    for seed in range(24):
        judged = judged_of(posterior, loaded.judgements, loaded.lines, seed)
        found = judged.risk(posterior, tests["test"], loaded.policy, agent, 0.9, 1000, seed)
        seen.append([found.mean, *found.by_truth, *found.weights, found.ends.lower, found.ends.upper])
        errors.append(
            [found.mcse, *found.mcse_by_truth, *found.mcse_weights, found.ends.mcse_lower, found.ends.mcse_upper]
        )
    ratio = np.var(seen, axis=0, ddof=1) / np.mean(np.square(errors), axis=0)
    # of 24 seeds: the quantiles 1e-6 and 1 - 1e-6 of chi-squared of 23 degrees over 23, and 15 % for the errors' own error
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], 23) / 23
    assert (ratio[:5] > low / 1.3).all() and (ratio[:5] < high * 1.3).all(), ratio
    assert (ratio[5:] > low / 4).all() and (ratio[5:] < high * 1.3).all(), ratio  # ends move in steps: errors are wide


def test_the_same_study_gives_the_same_bytes(tmp_path):
    tables = texts(6, labels=True)
    one, other = (json.dumps(results_of(tmp_path, study(1, LABELLED), tables)) for _ in range(2))
    assert one == other


def test_hypotheses_that_nothing_tells_apart_keep_their_odds(tmp_path):
    together = "red_paint,flags,slope,rather_nothing\n1,1,0.5,0\n0,0,2.5,1\n0,0,1,0\n1,1,1,0\n"
    results = rh.run(write(tmp_path, paints(), training=TRAINING, test=TEST, shown=together))
    risk = results["risk_under_judged_line"]
    assert risk["refits"] == 200 and risk["weights"] == results["weights"]
    assert len({json.dumps(one) for one in results["failure_line"]["by_hypothesis"].values()}) == 1


def test_without_judgements_or_a_test_the_keys_are_null(tmp_path):
    results = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert results["failure_line"] is None and results["risk_under_judged_line"] is None
    document = paints(tables={"training": "training.csv", "shown": "shown.csv"})
    results = rh.run(write(tmp_path, document, training=TRAINING, shown=SHOWN))
    assert results["failure_line"]["items"] == 5 and results["risk_under_judged_line"] is None


def test_the_table_is_of_the_study_and_not_of_its_training(tmp_path):
    document = paints(analysis={"also": ["again"]})
    document["tables"]["again"] = "test.csv"
    results = rh.run(write(tmp_path, document, training=TRAINING, test=TEST, shown=SHOWN))
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert results["training_tables"] == ["training"] and results["shift"] == plain["shift"]
    assert results["tables"]["shown"]["items"] == 5 and len(results["data_sha256"]["shown"]) == 64
    assert results["risk"] == plain["risk"] and results["weights"] == plain["weights"]
    assert results["also"]["again"]["risk_under_judged_line"] == results["risk_under_judged_line"]


def test_a_line_that_differs_between_scenes_is_told_of(tmp_path):
    document = paints(catastrophe=asked_for() | {"fail_utility": "where(steep, -1, 0)"})
    test = "\n".join(line + (",steep" if k == 0 else ",1") for k, line in enumerate(TEST.strip().split("\n"))) + "\n"
    training = TRAINING.replace("\n", ",0\n").replace("is_pad,0", "is_pad,steep")
    results = rh.run(write(tmp_path, document, training=training, test=test, shown=SHOWN))
    told = [w for w in results["warnings"] if "is one number" in w]
    assert len(told) == 2 and "where(steep, -1, 0)" in told[0]
    assert results["risk_under_judged_line"]["mean"] > 0


def rated(tables):
    good = tables["training"]["x"] + 0.8 * tables["training"]["y"] + np.random.default_rng(3).normal(size=45)
    tables["training"]["grade"] = np.where(good > 0.5, "good", np.where(good > -0.5, "fair", "bad"))
    tables["training"]["stopped"] = good < -0.6
    return tables


RATED = {"kind": "ratings", "table": "training", "column": "grade", "grades": ["bad", "fair", "good"], "human": "Ann"}
STOPPED = {"kind": "stops", "table": "training", "column": "stopped", "human": "Ann"}


def test_sampled_evidence(tmp_path):
    """Where it does not rest on the line its error is in the risk's; where it does there is no risk, and a warning."""
    tables = rated(texts(8, labels=True))
    results = results_of(tmp_path, study(2, RATED), tables)
    risk = results["risk_under_judged_line"]
    assert (
        risk["refits"] == 0
        and 0 < risk["mcse"] < 0.01
        and results["mcse"]["risk_under_judged_line"]["mean"] == risk["mcse"]
    )
    assert risk["mcse_lower"] > 0 and risk["mcse_weights"]["x"] == pytest.approx(results["mcse"]["weights"]["x"])
    # beside labels that are weighed again, both errors count
    results = results_of(tmp_path, study(2, RATED, LABELLED), tables)
    risk = results["risk_under_judged_line"]
    assert risk["refits"] >= 200 and risk["mcse"] > results["mcse"]["risk_under_judged_line"]["mean"] > 0
    # a human who both rates and stops has one rationality, so neither is weighed alone
    results = results_of(tmp_path, study(2, RATED, STOPPED), tables)
    assert results["risk_under_judged_line"] is None and results["failure_line"] is not None
    told = [w for w in results["warnings"] if w.startswith("risk_under_judged_line is null")]
    assert len(told) == 1 and "'ratings', 'stops'" in told[0] and "not computed exactly" in told[0]


def test_stops_and_choices_of_one_human(tmp_path):
    """What shares a rationality with stops is weighed again with them: against a whole fit at every line."""
    tables = texts(9, labels=False)
    tables["training"]["stopped"] = tables["training"]["x"] < -0.3 + np.random.default_rng(1).logistic(size=45)
    both = [{**CHOSEN, "human": "Ann"}, STOPPED]
    language = {"name": "mine", "costs": {"x": 1, "y": 2000}}
    document = study(3, *both, agent={"prior": {"name": "simplicity", "language": language}})
    risk = results_of(tmp_path, document, tables)["risk_under_judged_line"]
    train = pd.DataFrame(tables["training"])
    feedback = [rh.Choices(train, "chosen", human="Ann"), rh.Stops(train, "stopped", human="Ann")]
    found = rh.risk_under_failure_judgements(
        lambda u: rh.fit(HYPOTHESES, VALUES, feedback, u, draws=1, chains=1),
        pd.DataFrame(tables["test"]),
        of_python(tables),
        agent=rh.Simplicity(language),
        refits=200,
        random_seed=3,
    )
    assert risk["refits"] == 200 and 0.01 < risk["mean"] < 0.9
    assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-7)
    assert risk["weights"]["x"] == pytest.approx(float(found["weight"].sel(hypothesis="x")), abs=1e-7)


def test_a_proxy_says_nothing_of_the_line():
    tables = texts(5, labels=False)
    said, test = of_python(tables), pd.DataFrame(tables["test"])
    proxy = rh.Proxy(test, chosen="mine", candidates={"mine": "x + y", "other": "x - y"})
    trees = [rh.fit(HYPOTHESES, VALUES, [proxy], line, random_seed=1) for line in (-5, 5)]
    one, other = (rh.risk_under_failure_judgements(tree, test, said, agent=rh.Uniform()) for tree in trees)
    assert float(one["mean"]) == float(other["mean"]) and float(one["mcse"]) == 0


def test_an_agent_with_hypotheses_of_its_own(tmp_path):
    tables = texts(39, labels=False)
    agent = {"prior": "uniform", "hypotheses": {"lazy": "-x - y"}}
    results = results_of(tmp_path, study(4, CHOSEN, agent=agent), tables)
    tables["test"]["lazy"] = -tables["test"]["x"] - tables["test"]["y"]
    _, truths = by_grid(tables, results["agent_weights"], labels=False)
    risk = results["risk_under_judged_line"]
    assert list(risk["by_truth"]) == ["x", "y"] and list(results["agent_weights"]) == ["x", "y", "lazy"]
    assert risk["mean"] == pytest.approx(sum(results["weights"][n] * truths[n] for n in HYPOTHESES), abs=1e-3)


def test_lines_that_the_data_know_far_better_than_the_judgements(tmp_path):
    """Few draws from what the judgements allow count, so more are taken where the data leave the line."""
    tables = texts(13, labels=True)
    x = tables["training"]["x"]
    tables["training"]["good"] = x > np.sort(x)[22]
    document = study(1, LABELLED | {"noise": [1, 200]})
    document["catastrophe"]["judgements"] |= {"spread": 8}
    results = results_of(tmp_path, document, tables)
    risk = results["risk_under_judged_line"]
    assert risk["effective_refits"] > 40
    evidence = {}
    for name in HYPOTHESES:
        u, mass = grid(tables["shown"][name], tables["shown"]["nothing"], -0.1, 8, 60001)
        likelihood = evidence_of_labels(tables["training"][name], tables["training"]["good"], u, 1, 200)
        evidence[name] = likelihood @ mass
        after = mass * likelihood / evidence[name]
        truth = 0.0
        for taken, share in results["agent_weights"].items():
            picked = [3 * m + int(np.argmax(r)) for m, r in enumerate(tables["test"][taken].reshape(15, 3))]
            truth += share * np.mean([after[u > tables["test"][name][best]].sum() for best in picked])
        assert abs(risk["by_truth"][name] - truth) < 4.5 * risk["mcse_by_truth"][name] + 1e-3
        assert risk["mcse_by_truth"][name] < 0.05
    odds = evidence["x"] / evidence["y"] * 2
    assert abs(risk["weights"]["x"] - odds / (1 + odds)) < 4.5 * risk["mcse_weights"]["x"] + 1e-9
    assert few(risk) == [] and few(None) == [] and few(risk | {"effective_refits": None}) == []
    assert "only as many as 3 count" in few(risk | {"effective_refits": 3.01})[0]


def test_refits_of_a_likelihood_in_closed_form():
    """A normal likelihood far narrower than the judgements: its integral, and the mean of u after it."""
    rewards, said, centre, spread = problem(2)
    line = judgements(rewards, said, centre, spread).lines(hypotheses_of({"h": "r"}))[0]
    at, sd = float(line.quantile([0.8])[0]), 1e-4 * line.sd
    found = refitted([line] * 2, lambda u: stats.norm.logpdf(u, [at, line.mean], [sd, 1e6 * line.sd]), 200, 1)
    density = (float(line.above(np.array([at - sd]))[0]) - float(line.above(np.array([at + sd]))[0])) / (2 * sd)
    draws = found.near
    count = draws.effective()
    assert count.min() > 40 and found.near is not found.anywhere
    flat = stats.norm.logpdf(0, 0, 1e6 * line.sd)
    for h, log_z in enumerate((math.log(density), flat)):
        error = np.sqrt(1 / count[h] - 1 / len(draws.u)) + 1e-3
        assert abs(draws.evidence()[h] - log_z) < 4.5 * error
    mean = draws.chances()[:, 0] @ draws.u[:, 0]
    assert abs(mean - at) < 4.5 * sd / math.sqrt(count[0])
    assert len(found.anywhere.u) == 200 and found.anywhere.effective()[0] < 5


def test_impossible_data_are_told_of(tmp_path):
    tables = texts(5, labels=True)
    x = tables["training"]["x"]
    middle = float(np.sort(x)[22])
    tables["training"]["good"] = x > middle
    never = study(1, LABELLED | {"noise": 0}, hypotheses={"x": "x", "y": "x * x * x"})
    never["catastrophe"]["fail_utility"] = {"x": middle, "y": middle**3}
    never["catastrophe"]["judgements"] |= {"centre": 50, "spread": 0.1}
    results = results_of(tmp_path, never, tables)
    assert results["risk_under_judged_line"] is None
    assert any("impossible at each of 200 failure lines" in w for w in results["warnings"])


def test_the_report_says_what_was_asked(tmp_path):
    document = paints(catastrophe=asked_for(source="<b>Ann</b> & Bob, by letter"))
    path = write(tmp_path, document, training=TRAINING, test=TEST, shown=SHOWN)
    out = tmp_path / "out"
    assert main(["run", str(path), "--out", str(out)]) == 0
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Where failing lies was asked too: of 5 items of shown" in html
    assert "&lt;b&gt;Ann&lt;/b&gt; &amp; Bob, by letter" in html and "<b>Ann" not in html
    assert "By the stated line the risk is" in html and "weighed again at 200 lines" in html
    rows = (out / "tables" / "failure_line.csv").read_text(encoding="utf-8").strip().split("\n")
    assert rows[0].startswith("hypothesis,declared,mean,lower,upper") and len(rows) == 3
    assert "Where failing lies" in html and (out / "tables" / "failure_line.tex").exists()


def test_a_run_that_prints_imports_nothing_heavy(tmp_path):
    path = write(tmp_path, paints(), training=TRAINING, test=TEST, shown=SHOWN)
    code = (
        "import sys, json\n"
        "from reward_hypotheses.cli.main import main\n"
        f"assert main(['run', {str(path)!r}, '--json']) == 0\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr.strip().splitlines()[-1]))
    assert "reward_hypotheses.analysis.sensitivity.failure_line_refits" in loaded
    assert not loaded.intersection(("xarray", "scipy", "pandas", "pymc", "matplotlib", "numpy.ma"))
    assert json.loads(done.stdout)["risk_under_judged_line"]["refits"] == 200


FLAT = {"red paint": "where(red_paint, 100, -100)", "flags": "0 * slope + 3"}
FAMILY = {"red paint": "where(red_paint, 100, -100)", "flags": {"linear": ["flags"], "source": "x"}}
BAD_STUDIES = {
    "a path": ({"catastrophe": {"fail_utility": 0, "judgements": "shown.csv"}}, None, ["'shown.csv'; give { table = "]),
    "nothing in it": (
        {"catastrophe": {"fail_utility": 0, "judgements": {}}},
        None,
        [f"{key}: missing; " for key in ("table", "column", "centre", "spread", "source")],
    ),
    "an unknown key": (
        {"catastrophe": asked_for(centre=None, centr=0)},
        None,
        ["centr: unknown key; did you mean 'centre'?"],
    ),
    "an unknown table": (
        {"catastrophe": asked_for(table="shwn")},
        None,
        ["table: 'shwn' is no table; did you mean 'shown'?"],
    ),
    "no such column": (
        {"catastrophe": asked_for(column="rather")},
        None,
        ["shown.csv: no column 'rather'; did you mean 'rather_nothing'?"],
    ),
    "a column of numbers": (
        {"catastrophe": asked_for(column="slope")},
        None,
        ["shown.csv: line 2: column 'slope' is '0.5'; it must be true where a judge would rather it did nothing"],
    ),
    "an answer that is missing": ({}, SHOWN + "1,1,0.5,\n", ["shown.csv: line 7: column 'rather_nothing' is missing"]),
    "no source": ({"catastrophe": asked_for(source=" ")}, None, ["source: missing; say who was asked, when, and how"]),
    "a spread of 0, and more": (
        {"catastrophe": asked_for(spread=0, column="rather")},
        None,
        ["spread: 0; give a positive finite number", "no column 'rather'"],
    ),
    "a spread that floats do not tell": (
        {"catastrophe": asked_for(centre=50, spread={"flags": 1, "red paint": 1e-12})},
        None,
        ["spread: 1e-12, which is nothing beside a centre of 50 (hypothesis 'red paint')"],
    ),
    "a spread far too wide": (
        {"catastrophe": asked_for(spread=1e140)},
        None,
        ["hypothesis 'red paint': its failure line is integrated to", "hypothesis 'flags': its failure line"],
    ),
    "a centre beyond all numbers": (
        {"catastrophe": asked_for(centre=1e200)},
        None,
        ["centre: 1e+200; give a finite number"],
    ),
    "a centre that leaves one out": (
        {"catastrophe": asked_for(centre={"flags": 0})},
        None,
        ["centre: hypothesis 'red paint' has no centre; give one for every hypothesis"],
    ),
    "a rationality below 0": (
        {"catastrophe": asked_for(rationality=-1)},
        None,
        ["rationality: -1; give a positive number"],
    ),
    "continuous weights": ({"hypotheses": FAMILY}, None, ["hypothesis 'flags' has continuous weights, of which"]),
    "items worth the same": (
        {"hypotheses": FLAT},
        None,
        ["hypothesis 'flags': every item that was asked about is worth 3, so it has no scale; ask about items that"],
    ),
    "a feature lacking": (
        {},
        "red_paint,slope,rather_nothing\n1,0.5,0\n0,0.5,1\n",
        [
            "shown.csv: no column 'flags'; there is 'red_paint', 'slope', 'rather_nothing' (named by [hypotheses] 'flags')"
        ],
    ),
    "a feature that is boolean elsewhere": (
        {},
        SHOWN + "1,0.5,1,0\n",
        ["'flags' is boolean only where all cells are 0 or 1: shown.csv: line 7 is '0.5'"],
    ),
    "a reward that is not finite": (
        {"hypotheses": {"red paint": "where(red_paint, 100, -100)", "flags": "1 / slope"}},
        SHOWN + "1,1,0,0\n",
        ["shown.csv: line 7: hypothesis 'flags' has a reward of inf"],
    ),
    "an item that is failing": (
        {},
        "red_paint,flags,slope,rather_nothing,is_failing\n1,1,1,0,0\n0,0,1,1,1\n",
        ["shown.csv: line 3: is_failing is true"],
    ),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", BAD_STUDIES)
def test_bad_studies(tmp_path, name, command, capsys):
    changes, shown, messages = BAD_STUDIES[name]
    path = write(tmp_path, paints(**changes), training=TRAINING, test=TEST, shown=shown or SHOWN)
    assert main([command, str(path)]) == 2
    printed = capsys.readouterr()
    lines = printed.err.strip().split("\n")
    assert printed.out == "" and len(lines) == len(messages), printed.err
    for line, message in zip(lines, messages, strict=True):
        assert message in line and "study.toml: " in line
        assert "[catastrophe] judgements: " in line or "[hypotheses]" in line
