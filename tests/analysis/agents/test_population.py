"""Populations of agents, and which scenes to ask."""

import itertools
import math

import numpy as np
import pytest
from agent_studies import FLAGS, RED, dataset, log_probes, probes_of, scenes
from scipy.special import gammaln, logsumexp
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.distribution.open_sources import OpenSources
from reward_hypotheses.models.weights.agent_population import exact, gibbs


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


def test_agents_read(tmp_path, monkeypatch):
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
    drawn = []
    monkeypatch.setattr(OpenSources, "drawn", lambda sources, draw=OpenSources.drawn: drawn.append(1) or draw(sources))
    risk = rh.population_risk(judge, test, found)
    assert len(drawn) == 1  # the sources are drawn once
    shares = risk["interval"].sel(source="agent")  # the posterior of the shares, the values and scenes averaged
    assert shares.to_numpy() == pytest.approx([float(risk["lower"]), float(risk["upper"])], abs=1e-12)
    assert float(risk["variance"].sel(source="agent", order="first")) == pytest.approx(float(risk["sd"]) ** 2, rel=1e-3)
    assert risk["catastrophe_rate"].dims == ("draw",)
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
