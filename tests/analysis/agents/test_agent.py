"""Agents read off their own choices: weights, rationality, populations, which scenes to ask, and what is warned of."""

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betainc, betaln, gammaln, logsumexp
from studies import TEST, TRAINING, csv_text, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.weights.population import exact, gibbs

RED, FLAGS = "where(red_paint, 100, -100)", "where(flags, 100, -100)"
PROBES = {"kind": "choices", "table": "probes", "column": "chosen"}
MIX = {"linear": ["red_paint", "flags"], "source": "a test"}


def scenes(n, options, rng):
    return {name: rng.random((n, options)) < 0.5 for name in ("red_paint", "flags")} | {
        "slope": rng.normal(size=(n, options)).round(3)
    }


def chosen(worth, rng):
    noisy = worth + rng.gumbel(size=worth.shape)
    return noisy == noisy.max(axis=1, keepdims=True)


def rows(columns):
    n, options = columns["slope"].shape
    return csv_text(
        [
            {"scene": m, "option": o}
            | {k: bool(v[m, o]) if v.dtype == bool else float(v[m, o]) for k, v in columns.items()}
            for m in range(n)
            for o in range(options)
        ]
    )


def dataset(columns):
    import xarray as xr

    return xr.Dataset({k: (("scene", "option"), v) for k, v in columns.items()})


def probes_of(rng, n=60, options=3, follow="red_paint", beta=2.5):
    made = scenes(n, options, rng)
    return made | {"chosen": chosen(beta * made[follow], rng)}


def study(folder, probes, tables=None, training=TRAINING, **changes):
    files = {"training": "training.csv", "test": "test.csv", "probes": "probes.csv"} if tables is None else tables
    agent = {"prior": "uniform", "feedback": [PROBES]} | changes.pop("agent", {})
    document = small(tables=files, agent=agent, **changes)
    return write(folder, document, training=training, test=TEST, probes=rows(probes))


def log_quad(f):
    """``log integral exp(f)`` over the line, f having one top."""
    nodes = np.linspace(-12, 12, 301)
    values = np.array([f(t) for t in nodes])
    top, peak = float(nodes[values.argmax()]), float(values.max())
    value, _ = quad(lambda t: math.exp(f(t) - peak), top - 8, top + 8, points=[top], limit=400, epsabs=0, epsrel=1e-11)
    return math.log(value) + peak


def log_probes(reward, picks):
    """``log integral prod softmax(beta r / s) LogNormal(beta; 0, 1) dbeta``, written apart."""
    s = math.sqrt(reward.var(axis=1).mean())

    def f(t):
        z = math.exp(t) * reward / (s if s > 0 else 1) * (s > 0)
        return float((z[picks] - logsumexp(z, axis=1)).sum()) - t * t / 2 - math.log(2 * math.pi) / 2

    return log_quad(f)


def log_labels(wrong, n):
    return (
        betaln(1 + wrong, 19 + n - wrong)
        + math.log(betainc(1 + wrong, 19 + n - wrong, 0.5))
        - betaln(1, 19)
        - math.log(betainc(1, 19, 0.5))
    )


@pytest.mark.parametrize("seed", range(20))
def test_weights_are_prior_times_training_times_probes(seed, tmp_path):
    rng = np.random.default_rng([7, seed])
    probes = probes_of(rng, int(rng.integers(2, 30)), int(rng.integers(2, 5)), "flags", rng.uniform(0, 3))
    training = scenes(int(rng.integers(3, 12)), 2, rng)
    training["is_pad"] = training["red_paint"] ^ (rng.random(training["red_paint"].shape) < 0.3)
    got = rh.run(
        study(
            tmp_path,
            probes,
            {"training": "training.csv", "probes": "probes.csv"},
            rows(training),
            hypotheses={"red paint": RED, "flags": FLAGS, "slope": "slope"},
            values={"weights": {"red paint": 2, "flags": 1, "slope": 3}, "source": "a test"},
            agent={"prior": "values"},
        )
    )
    rewards = {"red paint": 200.0 * probes["red_paint"], "flags": 200.0 * probes["flags"], "slope": probes["slope"]}
    said = {"red paint": training["red_paint"], "flags": training["flags"], "slope": training["slope"] > 0}
    by_probes = np.array([log_probes(rewards[n], probes["chosen"]) for n in rewards])
    by_labels = np.array([log_labels(int((said[n] != training["is_pad"]).sum()), said[n].size) for n in rewards])
    read = got["agent_reading"]
    assert list(read["log_evidence"].values()) == pytest.approx(by_probes, abs=1e-7)
    for key, evidence in (("with_training", by_probes + by_labels), ("without_training", by_probes)):
        log_weights = np.log([2, 1, 3]) + evidence
        want = np.exp(log_weights - logsumexp(log_weights))
        assert list(read[key]["weights"].values()) == pytest.approx(want, abs=1e-7)
    assert got["agent_weights"] == read["with_training"]["weights"]
    assert read["log_chance"] == pytest.approx(-len(probes["slope"]) * math.log(probes["slope"].shape[1]))
    assert got["risk"] is None and read["with_training"]["risk"] is None


def test_risk_and_distance_follow_from_the_weights(tmp_path):
    got = rh.run(study(tmp_path, probes_of(np.random.default_rng(3), 6, beta=1.0)))
    read, names = got["agent_reading"], got["hypotheses"]
    judge = np.array([got["weights"][n] for n in names])
    matrix = np.array([[got["matrix"][a][b] for b in names] for a in names])
    for key in ("with_training", "without_training"):
        w = np.array([read[key]["weights"][n] for n in names])
        assert read[key]["risk"] == pytest.approx(w @ matrix @ judge)
        for prior, foil in (("uniform", [0.5, 0.5]), ("simplicity", [0.5, 0.5]), ("values", judge)):
            assert read[key]["distance"][prior]["total_variation"] == pytest.approx(abs(w - foil).sum() / 2)
            assert read[key]["distance"][prior]["bits"] == pytest.approx((w * np.log2(w / foil)).sum(), abs=1e-12)
    assert got["risk"]["mean"] == pytest.approx(read["with_training"]["risk"])
    # endless training of this kind: it is silent between the two, and the agent's choices stay as they are
    assert got["risk"]["limit"] == pytest.approx(got["risk"]["mean"])
    assert got["risk_by_agent_prior"]["uniform"] == pytest.approx(np.array([0.5, 0.5]) @ matrix @ judge)
    assert rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))["agent_reading"] is None


def test_a_reward_with_weights_beside_named_ones(tmp_path):
    """As rh.fit has it on all feedback at once, and risks that are finite; the judge holds no such reward."""
    probes = probes_of(np.random.default_rng(4), 40, beta=1.5)
    got = rh.run(study(tmp_path, probes, agent={"hypotheses": {"mix": MIX, "flags": FLAGS}}))
    labels = {"red_paint": [True, False] * 10, "flags": [True, False] * 10, "slope": [0.5, 2.5] * 10}
    hypotheses = {"red paint": RED, "flags": FLAGS, "mix": rh.Linear(["red_paint", "flags"], source="a test")}
    training = rh.Labels(labels | {"is_pad": labels["flags"]}, "is_pad", noise=(1, 19))
    choices = rh.Choices(dataset(probes), "chosen", name="agent_choices")
    whole = rh.fit(hypotheses, rh.Uniform("a test"), [training, choices], 0, random_seed=1)
    alone = rh.fit(hypotheses, rh.Uniform("a test"), [choices], 0, random_seed=2)
    for key, tree in (("with_training", whole), ("without_training", alone)):
        w = tree["evidence"]["weight"].to_numpy()
        error = 5 * math.sqrt(2) * float(tree["evidence"]["mcse"].max()) * w * (1 - w) + 1e-9
        assert (np.abs(np.array(list(got["agent_reading"][key]["weights"].values())) - w) < error).all()
    assert list(got["agent_weights"]) == ["red paint", "flags", "mix"] and list(got["weights"]) == [
        "red paint",
        "flags",
    ]
    assert list(got["matrix"]) == ["red paint", "flags", "mix"] and list(got["matrix"]["mix"]) == ["red paint", "flags"]
    assert got["risk"]["mcse"] > 0 and 0 < got["risk"]["mean"] < 1
    assert (
        got["agent_reading"]["with_training"]["distance"]["uniform"]["bits"] is None
    )  # infinite: it holds a reward of its own
    judge = rh.fit(
        {"red paint": RED, "flags": FLAGS},
        rh.Elicited({"flags": 8, "red paint": 1}, "a test", 20),
        [training],
        0,
        random_seed=1,
    )
    test = rh.read_table(tmp_path / "test.csv")
    risk = rh.catastrophe_risk(judge, test, agent=whole)
    assert float(risk["mean"]) == pytest.approx(
        got["risk"]["mean"], abs=5 * (float(risk["mcse"]) + got["risk"]["mcse"])
    )


def test_a_family_that_judge_and_agent_hold(tmp_path):
    """What the agent's choices say of its weights is said of the agent alone."""
    changes = {
        "hypotheses": {"red paint": RED, "mix": MIX},
        "values": {"weights": {"red paint": 1, "mix": 1}, "source": "a test"},
    }
    got = rh.run(study(tmp_path, probes_of(np.random.default_rng(5), 30), **changes))
    assert list(got["agent_weights"]) == ["red paint", "mix", "the agent's mix"]
    assert got["agent_weights"]["mix"] == 0 < got["agent_weights"]["the agent's mix"]
    assert got["matrix"]["mix"] != got["matrix"]["the agent's mix"]


def test_boltzmann_of_inferred_rationality(tmp_path):
    """By quad; and in Python from a tree, by draws, within its Monte Carlo error."""
    probes = probes_of(np.random.default_rng(6), 25, beta=1.0)
    policy = {"name": "boltzmann", "beta": "inferred"}
    got = rh.run(study(tmp_path, probes, agent={"policy": policy}))
    reward = 200.0 * probes["red_paint"]
    s = math.sqrt(reward.var(axis=1).mean())

    def log_joint(t):
        z = math.exp(t) * reward / s
        return float((z[probes["chosen"]] - logsumexp(z, axis=1)).sum()) - t * t / 2 - math.log(2 * math.pi) / 2

    evidence = log_quad(log_joint)

    def mean(of):
        return quad(lambda t: of(math.exp(t)) * math.exp(log_joint(t) - evidence), -8, 5, limit=400, epsrel=1e-9)[0]

    of_red = mean(lambda beta: math.exp(200 * beta / s) / (math.exp(200 * beta / s) + 2))  # of three sites one is red
    assert got["matrix"]["red paint"]["flags"] == pytest.approx(1 - (1 - of_red) / 2, abs=2e-6)  # kept at 257 nodes
    known = got["agent_reading"]["rationality"]["agent_choices_rationality"]["red paint"]
    assert known["mean"] == pytest.approx(mean(lambda beta: beta), abs=1e-6)
    assert known["sd"] == pytest.approx(math.sqrt(mean(lambda beta: (beta - known["mean"]) ** 2)), abs=1e-5)
    inside = quad(lambda t: math.exp(log_joint(t) - evidence), math.log(known["lower"]), math.log(known["upper"]))[0]
    assert inside == pytest.approx(0.95, abs=2e-3)
    hypotheses = {"red paint": RED, "flags": FLAGS}
    agent = rh.fit(hypotheses, rh.Uniform("x"), [rh.Choices(dataset(probes), "chosen")], 0)
    labels = {"red_paint": [True, False], "flags": [True, False], "is_pad": [True, False]}
    judge = rh.fit(
        hypotheses, rh.Elicited({"flags": 8, "red paint": 1}, "x"), [rh.Labels(labels, "is_pad", noise=(1, 19))], 0
    )
    test = rh.read_table(tmp_path / "test.csv")
    risk = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent)
    without = got["agent_reading"]["without_training"]["risk"]
    assert 0 < float(risk["mcse"]) < 0.01
    assert float(risk["mean"]) == pytest.approx(without, abs=5 * float(risk["mcse"]))
    assert got["risk"]["mcse"] == 0
    for agents in (None, rh.Uniform(), judge):
        with pytest.raises(rh.InputError, match="read from the agent's own choices"):
            rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agents)
    fixed = rh.fit(hypotheses, rh.Uniform("x"), [rh.Choices(dataset(probes), "chosen", rationality=1.3)], 0)
    beta = 1.3 * float(np.sqrt((200.0**2) * 2 / 9)) / s  # s of the test, where one of three sites is red, instead
    stored = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), fixed)["matrix"].to_numpy()[0]
    given = rh.catastrophe_risk(judge, test, rh.Boltzmann(beta), fixed)["matrix"].to_numpy()[0]
    assert stored == pytest.approx(given, abs=1e-12)


def brute_shares(log_likelihood, alpha):
    """Over every way in which agents may go by hypotheses: evidence, mean and sd of the shares."""
    agents, n = log_likelihood.shape
    logs, means, squares = [], [], []
    for taken in itertools.product(range(n), repeat=agents):
        a = alpha + np.bincount(taken, minlength=n)
        found = sum(log_likelihood[k, h] for k, h in enumerate(taken))
        found += gammaln(a).sum() - gammaln(a.sum()) - gammaln(alpha).sum() + gammaln(alpha.sum())
        logs.append(found)
        means.append(a / a.sum())
        squares.append(a * (a + 1) / (a.sum() * (a.sum() + 1)))
    p = np.exp(np.array(logs) - logsumexp(logs))
    mean = p @ np.array(means)
    return float(logsumexp(logs)), mean, np.sqrt(p @ np.array(squares) - mean**2)


@pytest.mark.parametrize("seed", range(6))
def test_shares_of_a_population(seed):
    rng = np.random.default_rng([11, seed])
    log_likelihood, alpha = rng.normal(scale=2, size=(5, 3)) - 40, rng.uniform(0.3, 2, 3)
    evidence, mean, sd = brute_shares(log_likelihood, alpha)
    found = exact(log_likelihood, alpha, 4000, rng)
    assert found.log_evidence == pytest.approx(evidence, abs=1e-9)
    assert found.mean == pytest.approx(mean, abs=1e-12) and found.sd == pytest.approx(sd, abs=1e-10)
    assert (np.abs(found.draws.mean(axis=0) - mean) < 5 * sd / math.sqrt(4000)).all()
    sampled = gibbs(log_likelihood, alpha, 8000, rng)
    assert (sampled.mcse < 0.01).all() and (np.abs(sampled.mean - mean) < 5 * sampled.mcse).all()
    assert sampled.sd == pytest.approx(sd, abs=0.01)


def population(rng, agents=7, n=15):
    parts = [probes_of(rng, n, 3, "red_paint" if k < 5 else "flags", 3.0) for k in range(agents)]
    pooled = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    whose = np.repeat([f"seed {k}" for k in range(agents)], n)
    return dataset(pooled).assign(agent=(("scene", "option"), np.repeat(whose[:, None], 3, axis=1))), parts


def test_agents_read(tmp_path):
    probes, parts = population(np.random.default_rng(8))
    hypotheses = {"red paint": RED, "flags": FLAGS}
    found = rh.agents_read(hypotheses, 1.0, [rh.Choices(probes, "chosen")], 0, source="a test")
    want = [[log_probes(200.0 * p[n], p["chosen"]) for n in ("red_paint", "flags")] for p in parts]
    assert found["agents"]["log_evidence"].to_numpy() == pytest.approx(np.array(want), abs=1e-7)
    _, mean, sd = brute_shares(np.array(want), np.ones(2))
    assert found["shares"]["mean"].to_numpy() == pytest.approx(mean, abs=1e-7)
    assert found["agents"]["weight"].sel(hypothesis="red paint").to_numpy().round().tolist() == [1] * 5 + [0] * 2
    labels = {"red_paint": [True, False], "flags": [True, False], "is_pad": [True, False]}
    judge = rh.fit(
        hypotheses, rh.Elicited({"flags": 8, "red paint": 1}, "x"), [rh.Labels(labels, "is_pad", noise=(1, 19))], 0
    )
    write(tmp_path, small(), test=TEST)
    test = rh.read_table(tmp_path / "test.csv")
    risk = rh.population_risk(judge, test, found)
    certain = np.array([8 / 9, 1 / 9])
    assert float(risk["mean"]) == pytest.approx(mean @ certain, abs=1e-9)
    assert abs(float(risk["sd"]) - (certain[0] - certain[1]) * sd[0]) < 0.02
    assert float(risk["lower"]) < float(risk["mean"]) < float(risk["upper"])
    more = hypotheses | {"mix": rh.Linear(["red_paint", "flags"], source="a test")}
    beside = rh.agents_read(
        more, {"red paint": 1, "flags": 1, "mix": 0.5}, [rh.Choices(probes, "chosen")], 0, source="x"
    )
    again = rh.population_risk(judge, test, beside)
    assert float(again["mcse"]) > 0 and abs(float(again["mean"]) - float(risk["mean"])) < 0.2
    with pytest.raises(rh.InputError, match="does not draw one"):
        rh.population_risk(judge, test, found, rh.Expected())
    with pytest.raises(rh.InputError, match="agents_read"):
        rh.population_risk(judge, test, judge)


def test_agents_read_refuses():
    probes, _ = population(np.random.default_rng(9), 2, 4)
    hypotheses = {"red paint": RED, "flags": FLAGS}

    def read(alpha=1.0, table=probes, **more):
        return rh.agents_read(hypotheses, alpha, [rh.Choices(table, "chosen")], 0, source="a test", **more)

    two = probes.assign(agent=(("scene", "option"), np.array([["a", "b", "a"]] * 8)))
    for what, message in (
        (lambda: read(0.0), "alpha: 0.0; give a positive number"),
        (lambda: read({"red paint": 1}), "hypothesis 'flags' has no alpha"),
        (lambda: read(by="model"), "no column 'model'"),
        (lambda: read(table=two), "names two agents"),
        (lambda: rh.agents_read({"flags": FLAGS}, 1, [rh.Choices(probes, "chosen")], 0, source="x"), "at least two"),
    ):
        with pytest.raises(rh.InputError, match=message):
            what()


def joint_information(chance, prior):
    """``I(h; choices)`` of independent choices, by every way they may come out: chance (scene, hypothesis, option)."""
    total = 0.0
    for taken in itertools.product(*(range(c.shape[1]) for c in chance)):
        p = np.prod([c[:, o] for c, o in zip(chance, taken, strict=True)], axis=0) * prior
        some = p > 0
        total += float((p[some] * np.log(p[some] / prior[some] / p.sum())).sum()) if p.sum() > 0 else 0.0
    return total


@pytest.mark.parametrize("seed", range(4))
def test_probes_tell_apart(seed):
    rng = np.random.default_rng([13, seed])
    made = scenes(8, 3, rng)
    made["red_paint"][2] = made["flags"][2] = False
    made["slope"][2] = 1.0  # all agree
    hypotheses = {"red paint": RED, "flags": FLAGS, "slope": "slope"}
    found = rh.choose_probes(hypotheses, dataset(made), 8, rationality=1.5)
    rewards = [200.0 * made["red_paint"], 200.0 * made["flags"], made["slope"]]
    z = [1.5 * r / math.sqrt(r.var(axis=1).mean()) for r in rewards]
    chance = np.stack([np.exp(x - logsumexp(x, axis=1, keepdims=True)) for x in z], axis=1)
    prior = np.full(3, 1 / 3)
    alone = [joint_information(chance[[m]], prior) for m in range(8)]
    pairs = {(a, b): joint_information(chance[[a, b]], prior) for a in range(8) for b in range(8) if a != b}
    picks = found["position"].to_numpy().tolist()
    assert picks[0] == int(np.argmax(alone)) and found["information"].to_numpy()[0] == pytest.approx(max(alone))
    after = {b: pairs[picks[0], b] for b in range(8) if b != picks[0]}
    assert picks[1] == max(after, key=after.get)
    assert float(found["together"][1]) == pytest.approx(pairs[picks[0], picks[1]], abs=1e-10)
    best = max(pairs.values())
    assert (1 - 1 / math.e) * best < float(found["together"][1]) <= best + 1e-10  # submodular: Nemhauser et al. 1978
    assert float(found["together"][1]) > np.mean(list(pairs.values()))  # of random pairs
    assert 2 not in picks and len(set(picks)) == len(picks)
    assert (np.diff(found["together"]) > -5 * found["mcse"].to_numpy()[1:] - 1e-12).all()
    assert float(found["together"][-1]) < found.attrs["entropy"]


def test_probes_beyond_what_can_be_gone_through():
    """Simulated: against every way in which eight binary choices come out, which is more than are gone through."""
    rng = np.random.default_rng(14)
    made = scenes(12, 2, rng)
    hypotheses = {"red paint": RED, "flags": FLAGS}
    found = rh.choose_probes(hypotheses, dataset(made), 12, rationality=1.0, random_seed=3)
    rewards = [200.0 * made["red_paint"], 200.0 * made["flags"]]
    z = [r / math.sqrt(r.var(axis=1).mean()) for r in rewards]
    chance = np.stack([np.exp(x - logsumexp(x, axis=1, keepdims=True)) for x in z], axis=1)
    picks = found["position"].to_numpy()
    for k, (value, error) in enumerate(zip(found["together"].values, found["mcse"].values, strict=True)):
        want = joint_information(chance[picks[: k + 1]], np.full(2, 0.5))
        assert abs(value - want) < 5 * error + 1e-10
    agreeing = {"red_paint": made["red_paint"], "flags": made["red_paint"]}
    assert rh.choose_probes(hypotheses, dataset(agreeing), 3).sizes["pick"] == 0
    beside = rh.choose_probes(hypotheses | {"mix": rh.Linear(["red_paint", "flags"], source="x")}, dataset(made), 3)
    assert beside.sizes["pick"] == 3
    for arguments, message in (
        ((hypotheses, {"red_paint": [True], "flags": [True]}, 1), "no options to choose from"),
        ((hypotheses, dataset(made), 0), "k: 0"),
        (({"x": "nothing"}, dataset(made), 1), "no column 'nothing'"),
    ):
        with pytest.raises(rh.InputError, match=message):
            rh.choose_probes(*arguments)
    with pytest.raises(rh.InputError, match="rationality: -1"):
        rh.choose_probes(hypotheses, dataset(made), 1, rationality=-1)


def test_who_follows_no_hypothesis_is_found_out(tmp_path):
    """Agents that go by something else are flagged; of those that go by a hypothesis, few are."""
    rng = np.random.default_rng(15)
    flagged = {"slope": 0, "red_paint": 0}
    for follow in flagged:
        for k in range(10):
            folder = tmp_path / f"{follow}{k}"
            folder.mkdir()
            tables = {"training": "training.csv", "probes": "probes.csv"}
            got = rh.run(study(folder, probes_of(rng, 50, 3, follow, 2.0), tables))
            said = got["agent_reading"]["warnings"]
            assert all(w in got["warnings"] for w in said)
            flagged[follow] += any("no hypothesis" in w for w in said)
    assert flagged["slope"] == 10
    assert flagged["red_paint"] <= 3  # at 1 in 100 each, four or more of ten come in 2 of a million


def told_apart(n, rng):
    """Training that speaks for flags: (labels, rewards of each hypothesis)."""
    made = scenes(n, 2, rng)
    made["is_pad"] = made["flags"]
    return made


def test_choices_that_contradict_training(tmp_path, capsys):
    """An agent that goes by red, after training that speaks for flags: both weights, both risks, and a warning."""
    from reward_hypotheses.analysis.report.sections.agents import BY_PRIOR

    rng = np.random.default_rng(41)
    training, probes = told_apart(40, rng), probes_of(rng, 40)
    got = rh.run(study(tmp_path, probes, training=rows(training), agent={"prior": "uniform"}))
    read = got["agent_reading"]
    wrong = {
        name: int((training["is_pad"] != (training[c])).sum())
        for name, c in (("red paint", "red_paint"), ("flags", "flags"))
    }
    labels = np.array([log_labels(wrong[h], training["is_pad"].size) for h in ("red paint", "flags")])
    picks = np.array([log_probes(200.0 * probes[c], probes["chosen"]) for c in ("red_paint", "flags")])
    half = math.log(2)
    expected = logsumexp(labels + picks) - half - (logsumexp(labels) - half) - (logsumexp(picks) - half)
    against = read["training_and_choices"]
    assert against["agreement"] == pytest.approx(expected, abs=1e-7) and against["contradicted"]
    assert against["chance_at_most"] == pytest.approx(math.exp(expected), rel=1e-6)
    assert read["with_training"]["weights"]["flags"] > 0.99 > 0.5 > read["without_training"]["weights"]["flags"]
    assert read["contradiction"] == read["warnings"][0] and read["contradiction"] in got["warnings"]
    assert "by its choices alone it goes by 'red paint', with the training data by 'flags'" in read["contradiction"]
    chance = len(probes["chosen"]) * -math.log(3)
    assert picks[1] < chance and any("does not explain its own choices" in w for w in read["warnings"])
    assert main(["run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "But what the agent did and what the training data say" in said
    assert "By its own choices alone, without what the training data say of it, the agent's risk is" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("contradict each other") >= 1
    fig = BY_PRIOR.draw(got, None)
    assert "its choices, training aside" in [tick.get_text() for tick in fig.axes[0].get_yticklabels()]


def test_choices_that_agree_with_training(tmp_path):
    rng = np.random.default_rng(42)
    probes = probes_of(rng, 40, follow="flags")
    read = rh.run(study(tmp_path, probes, training=rows(told_apart(40, rng))))["agent_reading"]
    assert not read["training_and_choices"]["contradicted"] and read["training_and_choices"]["agreement"] > 0
    assert read["contradiction"] is None
    assert read["predictive_check_with_training"]["agent_choices"]["p"] > 0.01


@pytest.mark.parametrize(
    "values",
    [
        {
            "judges": [
                {"name": "a", "weights": {"red paint": 1, "flags": 3}, "source": "a", "strength": 9},
                {"name": "b", "weights": {"red paint": 3, "flags": 1}, "source": "b", "strength": 4},
            ]
        },
        {"judgements": "answers.csv", "source": "a test"},
    ],
)
def test_several_judges_of_an_agent_with_hypotheses_of_its_own(values, tmp_path):
    """Risk under each judge, the agent holding a hypothesis that no judge does."""
    (tmp_path / "answers.csv").write_text(
        "judge,left,right,answer\na,flags,red paint,left much\nb,flags,red paint,left a little\n"
    )
    probes = probes_of(np.random.default_rng(43), 30)
    agent = {"hypotheses": {"slope": "slope"}, "prior": "uniform"}
    got = rh.run(study(tmp_path, probes, values=values, agent=agent))
    judges = got["risk_by_judge"]["judges"]
    assert set(judges) == {"a", "b"}
    truths = got["risk_by_truth"]
    low, high = min(truths.values()), max(truths.values())
    assert all(low - 1e-12 <= one["mean"] <= high + 1e-12 for one in judges.values())
    assert got["risk_by_judge"]["pool"]["mean"] == pytest.approx(got["risk"]["mean"], abs=1e-12)


def test_probes_that_cannot_tell(tmp_path):
    probes = probes_of(np.random.default_rng(16), 20)
    probes["flags"] = probes["red_paint"]
    got = rh.run(study(tmp_path, probes))["agent_reading"]
    assert got["pairs"][0]["silent"] and got["pairs"][0]["log_bayes_factor"] == 0
    assert [w for w in got["warnings"] if "cannot tell 'red paint' from 'flags'" in w]
    probes["flags"] = probes["red_paint"].copy()
    probes["flags"][0] = ~probes["flags"][0]
    got = rh.run(study(tmp_path, probes))["agent_reading"]
    assert not got["pairs"][0]["silent"] and [w for w in got["warnings"] if "hardly tell" in w]


def test_a_mixture_is_found_out_by_its_columns(tmp_path):
    rng = np.random.default_rng(17)
    probes = scenes(70, 3, rng)
    probes["chosen"] = chosen(3.0 * probes["red_paint"] + 2.5 * probes["flags"], rng)
    got = rh.run(study(tmp_path, probes))
    assert [w for w in got["agent_reading"]["warnings"] if "no hypothesis fits agent_choices" in w]
    beside = rh.run(study(tmp_path, probes, agent={"hypotheses": {"mix": MIX}}))["agent_reading"]
    assert beside["with_training"]["weights"]["mix"] > 0.99 and not beside["warnings"]


BAD = {
    "agent.feedback without a table": (
        {"feedback": [{"kind": "choices", "column": "chosen"}]},
        r"\[\[agent\.feedback\]\] table: missing; name the table",
    ),
    "a table that there is not": (
        {"feedback": [PROBES | {"table": "probs"}]},
        r"\[\[agent\.feedback\]\] table: 'probs' is no table; did you mean 'probes'\?",
    ),
    "a column that is missing": (
        {"feedback": [PROBES | {"column": "chose"}]},
        r"\[\[agent\.feedback\]\] probes\.csv: no column 'chose'; did you mean 'chosen'",
    ),
    "an unknown kind": (
        {"feedback": [PROBES | {"kind": "choice"}]},
        r"\[\[agent\.feedback\]\] kind: 'choice' is no kind of this version; did you mean 'choices'",
    ),
    "one section instead of a list": (
        {"feedback": PROBES},
        r"\[\[agent\.feedback\]\]: write each feedback below a line \[\[agent\.feedback\]\]",
    ),
    "a hypothesis of the judge's with another reward": (
        {"hypotheses": {"flags": "where(flags, 1, 0)"}},
        r"\[agent\] hypotheses: 'flags' is another reward in \[hypotheses\]; .* another name",
    ),
    "a hypothesis that does not parse": (
        {"hypotheses": {"new": "where(flags, 1"}},
        r"\[agent\] hypotheses 'new': at position",
    ),
    "a hypothesis of an unknown column": (
        {"hypotheses": {"new": "flag"}},
        r"\[agent\] hypotheses 'new': no column 'flag' in .*did you mean 'flags'",
    ),
    "values for what the agent alone holds": (
        {"hypotheses": {"new": "slope"}, "prior": "values"},
        r"\[agent\] prior: the values say nothing of 'new', .*prior = \"uniform\"",
    ),
    "simplicity of a reward with weights": (
        {"hypotheses": {"mix": MIX}, "prior": "simplicity"},
        r"\[agent\] prior: .*mix",
    ),
    "inferred rationality without choices": (
        {"policy": {"name": "boltzmann", "beta": "inferred"}, "feedback": []},
        r"\[agent\] policy: beta = \"inferred\" is read from the agent's own choices; give \[\[agent\.feedback\]\]",
    ),
    "inferred rationality of labels": (
        {
            "policy": {"name": "boltzmann", "beta": "inferred"},
            "feedback": [{"kind": "labels", "table": "probes", "column": "chosen", "noise": [1, 19]}],
        },
        r"\[agent\] policy: beta = \"inferred\"",
    ),
    "no failure line to abstain by": (
        {
            "policy": {"name": "commit", "abstain": True},
            "hypotheses": {"new": "slope"},
            "fail_utility": {"flags": 0, "red paint": 0},
        },
        r"\[agent\] hypotheses: 'new' has no failure line, .*state it in \[agent\] fail_utility",
    ),
    "a beta that is neither": (
        {"policy": {"name": "boltzmann", "beta": "guessed"}},
        r"\[agent\] policy: beta: 'guessed'; give the agent's rationality",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, tmp_path):
    agent, pattern = BAD[name]
    with pytest.raises(rh.InputError, match=pattern) as caught:
        rh.check(study(tmp_path, probes_of(np.random.default_rng(18), 4), agent=agent))
    assert len(caught.value.problems) == 1, caught.value.problems


def test_two_feedbacks_of_one_agent_and_its_human(tmp_path):
    """A human of the training data is not the agent, whatever it is called."""
    probes = probes_of(np.random.default_rng(19), 20)
    twice = [PROBES | {"human": "Ann"}, PROBES | {"human": "Ann", "name": "again"}]
    changes = {"feedback": [PROBES | {"human": "Ann"}], "agent": {"feedback": twice}}
    got = rh.run(study(tmp_path, probes, **changes))
    read = got["agent_reading"]
    assert list(read["feedback"]) == ["agent_choices", "agent_again"] and list(got["n_items"]) == ["choices"]
    assert list(read["rationality"]) == ["agent_Ann_rationality"]
    assert list(read["weights_by_feedback"]) == ["agent_choices", "agent_again"]
    reward = {"red paint": 200.0 * probes["red_paint"], "flags": 200.0 * probes["flags"]}
    doubled = {k: np.concatenate([v, v]) for k, v in (reward | {"chosen": probes["chosen"]}).items()}
    for name in reward:
        assert read["log_evidence"][name] == pytest.approx(log_probes(doubled[name], doubled["chosen"]), abs=1e-7)


def test_run_writes_the_reading_and_stays_quick(tmp_path):
    path = study(tmp_path, probes_of(np.random.default_rng(20), 30))
    code = (
        "import sys, json\nfrom reward_hypotheses.cli.main import main\n"
        f"assert main(['run', {str(path)!r}, '--json']) == 0\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    heavy = {"scipy", "xarray", "pandas", "pymc", "arviz", "matplotlib"}
    assert not heavy & set(json.loads(done.stderr.strip().splitlines()[-1]))
    assert json.loads(done.stdout)["agent_reading"]["log_evidence"]["flags"] < 0
    assert shell("check", path).returncode == 0


def test_the_report_says_what_the_agent_goes_by(tmp_path):
    from reports import paper_tables

    from reward_hypotheses.analysis.report.sections.agents import policy_in_words, present, read_off

    got = json.loads(json.dumps(rh.run(study(tmp_path, probes_of(np.random.default_rng(21), 40)))))
    said = " ".join(read_off(got))
    assert "With what the training data say, the agent goes by 'red paint' at" in said
    assert (
        "its rationality (agent_choices_rationality) is" in said
        and "Share of its weight that lies on other hypotheses" in said
    )
    assert "read off its own choices" in policy_in_words(got)[0]
    tables = {table.name: table for table in paper_tables(got)}
    assert b"red paint" in tables["agent_reading"].csv() and b"simplicity" in tables["agent_distance"].csv()
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert "inferred_agent" not in {part.name for part in present(plain)} and "agent_reading" not in {
        table.name for table in paper_tables(plain)
    }
    path = study(tmp_path, probes_of(np.random.default_rng(21), 40))
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What the agent goes by" in page and (tmp_path / "out" / "tables" / "agent_reading.tex").exists()


def test_an_mdp_takes_a_number():
    mdp = rh.MDP(*rh.gridworld(["..P"], {"P": "goal"}), discount=0.9)
    walk = rh.Demonstrations(mdp, rh.demonstrate(mdp, "goal", 2.0, n=2, steps=4))
    tree = rh.fit({"goal": "goal", "not": "-goal"}, rh.Uniform("a test"), [walk], 0)
    with pytest.raises(rh.InputError, match="in an MDP give beta a number"):
        rh.catastrophe_risk(tree, mdp, rh.Boltzmann("inferred"), tree, horizon=3)
