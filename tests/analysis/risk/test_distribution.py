"""The distribution of the risk by source, against closed forms of Dirichlet moments and against plain loops."""

import itertools
import math

import arviz as az
import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.distribution import open_sources
from reward_hypotheses.analysis.risk.distribution.alike_scenes import FixedScenes, alike

SOURCES = ("values", "agent", "reward_weights", "scenes", "evidence", "all")
SCENES, OPTIONS = 7, 3
RNG = np.random.default_rng(3)
TEST = {name: RNG.random((SCENES, OPTIONS)) < 0.5 for name in ("red", "flags", "deep")}
RULES = {name: f"where({name}, 1, -1)" for name in TEST}
TRAINING = {name: [True, False, True, False] for name in TEST}  # says nothing of which rule holds
LABELS = rh.Labels({**TRAINING, "good": [True, False, True, False]}, "good", noise=(1, 9))
VALUES, STRENGTH = {"red": 1, "flags": 3, "deep": 2}, 6.0
AGENT, AGENT_STRENGTH = {"red": 2, "flags": 1, "deep": 1}, 10.0


@pytest.fixture(scope="module")
def judge():
    return rh.fit(RULES, rh.Elicited(VALUES, source="t", strength=STRENGTH), [LABELS], 0, draws=2500, random_seed=2)


def second_moments(mean, concentration):
    """Return ``E[p p']`` of ``p ~ Dirichlet(concentration * mean)``; of the mean itself without a concentration."""
    outer = np.outer(mean, mean)
    if concentration is None:
        return outer
    return (concentration * outer + np.diag(mean)) / (concentration + 1)


def share(weights):
    return np.array(list(weights.values()), float) / sum(weights.values())


def certain(test):
    """Return where an agent certain of i ends in what j calls a catastrophe, by scene: (scene, agent, truth)."""
    names = list(RULES)
    out = np.zeros((SCENES, len(names), len(names)))
    for m, (i, a), (j, b) in itertools.product(range(SCENES), enumerate(names), enumerate(names)):
        good = [o for o in range(OPTIONS) if test[a][m, o]] or list(range(OPTIONS))
        out[m, i, j] = sum(not test[b][m, o] for o in good) / len(good)
    return out


def variance(cost, w, v, s):
    """Return ``Var(sum_m s_m w' C_m v)`` of independent vectors, given their means and second moments."""
    mean = np.einsum("m,i,j,mij", s[0], w[0], v[0], cost)
    square = np.einsum("mn,ik,jl,mij,nkl", s[1], w[1], v[1], cost, cost, optimize=True)
    return mean, square - mean**2


def expected(test, weights=None):
    """Return the mean, and first-order and total variances by source, in closed form."""
    cost = certain(test)
    scenes = np.full(SCENES, 1 / SCENES) if weights is None else np.asarray(weights) / sum(weights)
    about = {
        "agent": (share(AGENT), AGENT_STRENGTH),
        "values": (share(VALUES), STRENGTH),
        "scenes": (scenes, 1 / float(scenes @ scenes)),
    }

    def of(drawn):
        moments = [(mean, second_moments(mean, k if name in drawn else None)) for name, (mean, k) in about.items()]
        return variance(cost, *moments)

    mean, whole = of(about)
    parts = {source: (of([source])[1], whole - of([o for o in about if o != source])[1]) for source in about}
    return mean, parts | {"all": (whole, whole)}


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("weights", [None, [3, 1, 0.5, 2, 0, 1, 1]])
def test_variances_are_those_of_dirichlet_moments(judge, weights, repeated, monkeypatch):
    test = TEST
    if repeated:  # a test too large for a weight a scene, three scenes again and again
        monkeypatch.setattr(open_sources, "CELLS", 0)
        monkeypatch.setattr(open_sources, "LEAST_SCENES", 3)
        test = {name: values[[0, 1, 2, 0, 1, 2, 0]] for name, values in TEST.items()}
    table = xr.Dataset({name: (("scene", "option"), values) for name, values in test.items()})
    if weights is not None:
        table["scene_weight"] = ("scene", np.array(weights, float))
    agent = rh.Elicited(AGENT, source="t", strength=AGENT_STRENGTH)
    out = rh.catastrophe_risk(judge, table, rh.Commit(), agent)
    mean, parts = expected(test, weights)
    assert float(out["mean"]) == pytest.approx(mean, abs=1e-12)
    rate = out["catastrophe_rate"].to_numpy().ravel()
    assert abs(rate.mean() - mean) < 4.5 * rate.std() / math.sqrt(rate.size)
    for source, (first, total) in parts.items():
        at = out.sel(source=source)
        for order, exact in (("first", first), ("total", total)):
            error = float(at["variance_mcse"].sel(order=order))
            assert abs(float(at["variance"].sel(order=order)) - exact) < 5 * error + 1e-15, (source, order)
            assert error < 0.1 * exact
    for source in ("reward_weights", "evidence"):
        assert (out["interval"].sel(source=source) == out["mean"]).all()
        assert (out["variance"].sel(source=source) == 0).all()


def test_values_alone_are_the_interval_of_the_contract(judge):
    out = rh.catastrophe_risk(judge, TEST, prob=0.8)
    for end in ("lower", "upper"):
        assert float(out["interval"].sel(source="values", bound=end)) == float(out[end])
        assert float(out["interval_mcse"].sel(source="values", bound=end)) == float(out[f"mcse_{end}"])
    wide = out["interval"].sel(source="all")
    assert wide.sel(bound="lower") < out["lower"] < out["upper"] < wide.sel(bound="upper")
    assert list(out["source"].to_numpy()) == list(SOURCES)


def test_arviz_takes_the_draws(judge):
    out = rh.catastrophe_risk(judge, TEST)
    summary = az.summary(out[["catastrophe_rate"]], ci_prob=0.95, ci_kind="eti", round_to="none")
    lower, upper = out["interval"].sel(source="all").to_numpy()
    assert summary["eti95_lb"].item() == pytest.approx(lower, abs=1e-3)
    assert summary["eti95_ub"].item() == pytest.approx(upper, abs=1e-3)


def test_values_without_a_strength_are_unknown_and_left_out():
    tree = rh.fit(RULES, rh.Elicited(VALUES, source="t"), [LABELS], 0, draws=50, random_seed=2)
    out = rh.catastrophe_risk(tree, TEST)
    assert np.isnan(out["interval"].sel(source="values")).all() and np.isnan(out["variance"].sel(source="values")).all()
    assert (out["interval"].sel(source="all") == out["interval"].sel(source="scenes")).all()
    one = {name: values[:1] for name, values in TEST.items()}
    out = rh.catastrophe_risk(tree, one)
    assert np.isnan(out["interval"].sel(source=["scenes", "all"])).all()
    assert np.isnan(out["variance"].sel(source=["scenes", "all"])).all()
    weighted = {**{name: values[:2] for name, values in TEST.items()}, "scene_weight": np.array([1.0, 0.0])}
    assert np.isnan(rh.catastrophe_risk(tree, weighted)["interval"].sel(source="scenes")).all()


def test_policies_on_all_weights_act_by_their_mean(judge):
    agent = rh.Elicited(AGENT, source="t", strength=AGENT_STRENGTH)
    for policy in (rh.Expected(), rh.MostProbable(), rh.Cvar(0.3), rh.Maximin(0.9)):
        out = rh.catastrophe_risk(judge, TEST, policy, agent)
        assert (out["variance"].sel(source="agent") == 0).all(), policy.name
        rate = out["catastrophe_rate"].to_numpy().ravel()
        assert abs(rate.mean() - float(out["mean"])) < 4.5 * rate.std() / math.sqrt(rate.size), policy.name


@pytest.fixture(scope="module")
def read():
    """An agent that weighs two cues, read off its choices, and a judge with continuous weights."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2, 60, 3))
    chosen = np.argmax(1.5 * x[0] - 0.5 * x[1] + rng.gumbel(size=x.shape[1:]), axis=1)[:, None] == np.arange(3)
    family = {"mix": rh.Linear(["x", "y"], prior={"normal": 2}, source="t")}
    probes = rh.Choices({"x": x[0], "y": x[1], "c": chosen}, "c")
    agent = rh.fit(family, rh.Uniform("t"), [probes], 0, draws=500, random_seed=1)
    judge = rh.fit(
        {"x": "x", "m": family["mix"]},
        rh.Elicited({"x": 1, "m": 2}, source="t", strength=9),
        [probes],
        0,
        draws=500,
        random_seed=4,
    )
    return judge, agent


def test_draws_of_weights_are_averaged_by_plain_loops(read):
    judge, agent = read
    rng = np.random.default_rng(9)
    test = dict(zip("xy", rng.normal(size=(2, 9, 3)), strict=True))
    out = rh.catastrophe_risk(judge, test, rh.Commit(), agent)
    features = np.stack([test["x"], test["y"]], axis=-1)

    def drawn(tree):
        weights = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 2)
        return weights / tree["constant_data"]["reward_weight_scale"].to_numpy().ravel()

    acts, truths = drawn(agent), drawn(judge)
    v = judge["evidence"]["weight"].to_numpy()
    took = np.array([(features @ w).argmax(axis=1) for w in acts])
    bad_x = test["x"] < 0
    bad = np.array([(features @ w) < 0 for w in truths])
    by_judge = v[0] * bad_x + v[1] * bad.mean(axis=0)
    by_agent = np.array([by_judge[np.arange(9), t].mean() for t in took])
    shared = np.array([[b[np.arange(9), t].mean() for t in took[::7]] for b in bad[::3]]).mean(axis=1)
    by_truth = v[0] * np.mean([bad_x[np.arange(9), t].mean() for t in took]) + v[1] * shared
    for source, draws in (("agent", by_agent), ("reward_weights", by_truth)):
        at = out.sel(source=source, order="first")
        assert abs(float(at["variance"]) - draws.var()) < 6 * float(at["variance_mcse"]) + 0.1 * draws.var(), source
        low, high = np.quantile(draws, [0.025, 0.975])
        sizes = 5 * out["interval_mcse"].sel(source=source).to_numpy() + 0.25 * (high - low) * 0.2
        assert (np.abs(out["interval"].sel(source=source) - [low, high]) < sizes).all(), source
    assert float(out["variance"].sel(source="all", order="total")) > by_agent.var()


def test_ten_agents_that_were_read_off_their_choices():
    """An agent weighs two cues; it is read off 100 of its choices. The interval holds its risk, and is not wide."""
    rng = np.random.default_rng(11)
    values = rh.Elicited({"coin": 8, "right end": 2}, source="t", strength=20)
    together = [True] * 20 + [False] * 20
    labels = rh.Labels({"coin": together, "end": together, "good": together}, "good", noise=(1, 19))
    judge = rh.fit({"coin": "where(coin, 1, -1)", "right end": "where(end, 1, -1)"}, values, [labels], 0, random_seed=1)
    v = judge["evidence"]["weight"].to_numpy()
    held, by_values, widths = [], [], []
    for seed in range(10):
        w = rng.normal(0, 2, 2)

        def scenes(n, w=w):
            cues = rng.random((2, n, 3)) < 0.5
            odds = np.exp(np.tensordot(w, cues, axes=1))
            return dict(zip(("coin", "end"), cues, strict=True)), odds / odds.sum(axis=1, keepdims=True)

        probes, chance = scenes(100)
        chosen = (rng.random((100, 1)) > chance.cumsum(axis=1)).sum(axis=1)[:, None] == np.arange(3)
        mixture = rh.Linear(["coin", "end"], prior={"normal": 3}, source="t")
        agent = rh.fit(
            {"a mixture": mixture}, rh.Uniform("t"), [rh.Choices({**probes, "c": chosen}, "c")], 0, random_seed=seed
        )
        test, chance = scenes(300)
        risk = float((chance * (v[0] * ~test["coin"] + v[1] * ~test["end"])).sum(axis=1).mean())
        out = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent)
        lower, upper = out["interval"].sel(source="all").to_numpy()
        held.append(lower <= risk <= upper)
        by_values.append(float(out["lower"]) <= risk <= float(out["upper"]))
        widths.append(upper - lower)
    assert sum(held) >= 8
    assert np.mean(widths) < 0.25
    assert sum(by_values) < 10  # values alone do not hold it


def test_the_mean_of_the_draws_is_the_risk_where_data_and_prior_disagree():
    """The agent's prior is uncertain, and the data move its weights far: the contract's mean is the centre all the same."""
    part = np.repeat([True, False], 4)
    labels = rh.Labels({"red": part, "flags": ~part, "deep": part, "good": part}, "good", noise=(1, 9))
    tree = rh.fit(RULES, rh.Elicited(VALUES, source="t", strength=STRENGTH), [labels], 0, draws=2500, random_seed=2)
    agent = rh.Elicited({"red": 0.01, "flags": 0.98, "deep": 0.01}, source="t", strength=20)
    out = rh.catastrophe_risk(tree, TEST, agent=agent)
    rate = out["catastrophe_rate"].to_numpy().ravel()
    assert abs(rate.mean() - float(out["mean"])) < 4.5 * rate.std() / math.sqrt(rate.size)
    lower, upper = out["interval"].sel(source="agent").to_numpy()
    assert lower <= out["mean"] <= upper


def test_scenes_of_very_many_options(judge):
    wide = {name: RNG.random((3, 30_000)) < 0.5 for name in RULES}
    out = rh.catastrophe_risk(judge, wide)
    assert float(out["variance"].sel(source="scenes", order="first")) == pytest.approx(
        float(out["se_scenes"]) ** 2 * 2 / 4,
        rel=0.1,  # of three scenes: ddof 1, and n + 1
    )


def test_errors_are_those_of_the_distinct_draws():
    """Twelve draws of an agent's weights, again and again, are worth twelve."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(2, 60, 3))
    chosen = np.argmax(x[0] + rng.gumbel(size=x.shape[1:]), axis=1)[:, None] == np.arange(3)
    probes = rh.Choices({"x": x[0], "y": x[1], "c": chosen}, "c")
    judge = rh.fit({"x": "x"}, rh.Elicited({"x": 1}, source="t"), [probes], 0, draws=50, random_seed=1)
    test = dict(zip("xy", rng.normal(size=(2, 9, 3)), strict=True))
    found = []
    for seed in range(8):
        agent = rh.fit(
            {"m": rh.Linear(["x", "y"], source="t")}, rh.Uniform("t"), [probes], 0, draws=25, chains=1, random_seed=seed
        )
        at = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent).sel(source="agent")
        found.append((float(at["variance"].sel(order="first")), float(at["variance_mcse"].sel(order="first"))))
    values, errors = np.array(found).T
    assert 0.3 < values.std(ddof=1) / np.sqrt(np.mean(errors**2)) < 3


def test_scenes_alike_are_one_group_and_a_rate_of_0_is_alike_to_0_alone():
    seen = np.array([[0.5, 0.5 + 1e-15, 0.0, 1e-14, 0.5]])
    part = FixedScenes(np.array([1.0, 2, 3, 4, 5]), np.array([0.1, 0.2, 0.3, 0.15, 0.25]), seen, None)
    found = alike([part, part], 3)
    order = np.lexsort((found.mass, found.seen[0]))
    assert found.seen[0][order][0] == 0 and found.seen[0][order][1] == 1e-14
    np.testing.assert_allclose(found.concentration[order], [6, 8, 16], rtol=1e-15)
    np.testing.assert_allclose(found.mass[order], [0.6, 0.3, 1.1], rtol=1e-15)
    assert alike([part, part], 2) is None
    assert alike([part, None], 3) is None


def test_a_large_test_is_drawn_from_a_sample_of_its_scenes(judge, monkeypatch):
    monkeypatch.setattr(open_sources, "alike", lambda parts, most: None)  # as where all scenes differ
    rng = np.random.default_rng(5)
    test = {name: rng.random((3000, 3)) < 0.5 for name in RULES}
    agent = rh.Elicited(AGENT, source="t", strength=AGENT_STRENGTH)
    whole = rh.catastrophe_risk(judge, test, rh.Commit(), agent)
    monkeypatch.setattr(open_sources, "CELLS", open_sources.CELLS // 10)
    some = rh.catastrophe_risk(judge, test, rh.Commit(), agent)
    for key in ("values", "agent", "scenes", "all"):
        a, b = (float(out["variance"].sel(source=key, order="total")) for out in (whole, some))
        error = sum(float(out["variance_mcse"].sel(source=key, order="total")) for out in (whole, some))
        assert abs(a - b) < 5 * error + 0.2 * a, key
    assert (whole["interval"].sel(source="values") == some["interval"].sel(source="values")).all()


def test_an_mdp_has_values_and_agent(judge):
    states = {"red": [True, False, True], "flags": [True, True, False], "deep": [False, True, True]}
    go = np.zeros((2, 3, 3))
    go[0], go[1] = np.eye(3), np.roll(np.eye(3), 1, axis=1)
    mdp = rh.MDP(states, go, 0.9)
    agent = rh.Elicited(AGENT, source="t", strength=AGENT_STRENGTH)
    out = rh.catastrophe_risk(judge, mdp, rh.Commit(), agent, horizon=3)
    cost = out["matrix"].to_numpy()[None]
    one = np.ones(1), np.ones((1, 1))
    w, v = (share(AGENT), AGENT_STRENGTH), (share(VALUES), STRENGTH)

    def of(a, b):
        return variance(cost, (w[0], second_moments(w[0], a)), (v[0], second_moments(v[0], b)), one)[1]

    exact = {"agent": of(w[1], None), "values": of(None, v[1]), "all": of(w[1], v[1])}
    for source, first in exact.items():
        at = out.sel(source=source, order="first")
        assert abs(float(at["variance"]) - first) < 5 * float(at["variance_mcse"]), source
    assert np.isnan(out["interval"].sel(source="scenes")).all()
