"""What to ask next, against sums written apart."""

import math

import mpmath
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import reward_hypotheses as rh
from reward_hypotheses.analysis.design.query_kinds import _mean_below_half
from reward_hypotheses.analysis.design.query_value import best_first
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses import valuation as module
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation

LINE = 0.3


def world(rng, n, options, hypotheses):
    data = {f"x{k}": (("scene", "option"), rng.normal(size=(n, options)).round(2)) for k in range(hypotheses)}
    return xr.Dataset(data)


def fitted(rng, hypotheses=3, strength=6.0, noise=0.1, policy_of_weights=None):
    """A tree, and its judge's weights by a formula of their own."""
    train = world(rng, 4, 2, hypotheses)
    truth = int(rng.integers(hypotheses))
    train["said"] = (train[f"x{truth}"] > LINE) ^ (rng.random(train["x0"].shape) < noise)
    names = [f"h{k}" for k in range(hypotheses)]
    prior = dict(zip(names, rng.integers(1, 6, hypotheses).tolist(), strict=True))
    tree = rh.fit(
        {name: f"x{k}" for k, name in enumerate(names)},
        rh.Elicited(prior, source="a test", strength=strength),
        [rh.Labels(train, "said", noise=noise)],
        LINE,
    )
    wrong = np.array([int(((train[f"x{k}"] > LINE) != train["said"]).sum()) for k in range(hypotheses)])
    n = train["said"].size
    likelihood = noise**wrong * (1 - noise) ** (n - wrong)
    pi = np.array(list(prior.values())) / sum(prior.values())
    return tree, pi, likelihood


def normalised(x):
    return x / sum(x)


def best(weights, rewards, abstain):
    """``mean_m max_o sum_j v_j r_j`` by loops; rewards (hypothesis, scene, option)."""
    total = 0.0
    for m in range(rewards.shape[1]):
        worths = [sum(w * r for w, r in zip(weights, rewards[:, m, o], strict=True)) for o in range(rewards.shape[2])]
        total += max([*worths, *([LINE * sum(weights)] if abstain else [])])
    return total / rewards.shape[1]


def catastrophes(agent, judge, rewards):
    """Risk of an agent that commits and must act, by loops (no ties)."""
    total = 0.0
    for i, w in enumerate(agent):
        for m in range(rewards.shape[1]):
            o = int(np.argmax(rewards[i, m]))
            total += w * sum(v * (rewards[j, m, o] < LINE) for j, v in enumerate(judge))
    return total / rewards.shape[1]


def expected(chance, judge, agent, rewards, abstain):
    """Fall in regret, information and change in risk of one question, chance (answer, hypothesis)."""
    fall, told, change = -best(judge, rewards, abstain), 0.0, 0.0
    for q in chance:
        p = float(sum(judge * q))
        after = judge * q / p
        fall += p * best(after, rewards, abstain)
        told += p * sum(a * math.log(a / v) for a, v in zip(after, judge, strict=True) if a > 0)
        change += p * (catastrophes(normalised(agent * q), after, rewards) - catastrophes(agent, judge, rewards))
    return fall, told, change


def stacked(data, hypotheses=3):
    return np.array([data[f"x{k}"].values for k in range(hypotheses)])


@pytest.mark.parametrize("seed", range(20))
def test_labels_choices_and_values(seed):
    rng = np.random.default_rng([51, seed])
    tree, pi, likelihood = fitted(rng)
    candidates, test = world(rng, 5, 3, 3), world(rng, 6, 3, 3)
    abstain = bool(seed % 2)
    policy = rh.Commit(abstain=abstain) if abstain else None
    found = rh.rank_queries(tree, candidates, test, policy, rh.Uniform(), noise=0.2, rationality=1.5)
    judge, agent = normalised(pi * likelihood), normalised(likelihood)
    rewards, asked = stacked(test), stacked(candidates)
    scale = np.sqrt(asked.var(axis=2).mean(axis=1))
    by_kind = {kind: int((found["kind"] == kind).sum()) for kind in ("label", "choice", "values")}
    assert by_kind == {"label": 15, "choice": 5, "values": 3}
    for k in range(found.sizes["query"]):
        one = found.isel(query=k)
        if one["kind"] == "label":
            m, o = int(one["scene"]), int(one["option"])
            yes = np.where(asked[:, m, o] > LINE, 0.8, 0.2)
            chance = np.array([yes, 1 - yes])
        elif one["kind"] == "choice":
            z = np.exp(1.5 * asked[:, int(one["scene"])] / scale[:, None])
            chance = (z / z.sum(axis=1, keepdims=True)).T
        else:
            continue
        fall, told, change = expected(chance, judge, agent, rewards, abstain)
        assert float(one["regret_fall"]) == pytest.approx(fall, abs=1e-9)
        assert float(one["information"]) == pytest.approx(told, abs=1e-9)
        if not abstain:
            assert float(one["risk_change"]) == pytest.approx(change, abs=1e-9)
    values = found["regret_fall"].values
    assert (np.diff(values) <= 1e-8).all() and (values >= 0).all()  # ordered, but for rounding
    regret = sum(v * np.maximum(r.max(axis=1), LINE).mean() for v, r in zip(judge, rewards, strict=True))
    assert found.attrs["regret"] == pytest.approx(max(regret - best(judge, rewards, abstain), 0), abs=1e-9)
    for name in ("regret_fall", "information", "risk_change"):
        assert not found[f"{name}_mcse"].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_judgement_about_values_against_draws_of_them(seed):
    """pi drawn from its Dirichlet, i preferred with chance pi_i / (pi_i + pi_j), and the data."""
    rng = np.random.default_rng([52, seed])
    strength = float(rng.uniform(2, 10))
    tree, pi, likelihood = fitted(rng, strength=strength)
    candidates, test = world(rng, 2, 2, 3), world(rng, 4, 3, 3)
    found = rh.rank_queries(tree, candidates, test, agent=None)
    rewards = stacked(test)
    judge = normalised(pi * likelihood)
    n = 400_000
    draws = rng.dirichlet(strength * pi, n)
    for k in np.flatnonzero(found["kind"] == "values"):
        one = found.isel(query=k)
        names = [w for w in str(one["words"].values).split("'") if w.startswith("h")]
        i, j = (int(name[1:]) for name in names)
        batches = []
        for some in np.array_split(draws, 20):
            first = some[:, i] / (some[:, i] + some[:, j])
            chance = np.array([(some * y[:, None]).mean(axis=0) for y in (first, 1 - first)]) / some.mean(axis=0)
            batches.append(expected(chance, judge, judge, rewards, False))
        mean, error = np.mean(batches, axis=0), np.std(batches, axis=0, ddof=1) / math.sqrt(20)
        for name, value, se in zip(("regret_fall", "information", "risk_change"), mean, error, strict=True):
            assert abs(float(one[name]) - value) <= 6 * se + 2e-4 * max(abs(value), 0.01), (name, value, se)


def test_values_without_a_strength_take_nothing_from_a_judgement():
    rng = np.random.default_rng(53)
    tree, *_ = fitted(rng, strength=None)
    found = rh.rank_queries(tree, world(rng, 2, 2, 3), world(rng, 3, 3, 3))
    some = found.where(found["kind"] == "values", drop=True)
    assert some.sizes["query"] == 3
    assert not some["information"].any() and not some["regret_fall"].any() and not some["risk_change"].any()


def test_an_answer_that_raises_the_risk():
    """An agent of uniform prior is even between two rules; told more of what it half knows, it acts on what is wrong."""
    import xarray as xr

    train = xr.Dataset({"a": ("scene", [1.0, -1.0]), "b": ("scene", [1.0, -1.0]), "said": ("scene", [True, False])})
    tree = rh.fit(
        {"a": "a", "b": "b"},
        rh.Elicited({"a": 0.95, "b": 0.05}, source="a test"),
        [rh.Labels(train, "said", noise=0.1)],
        0,
    )
    one = xr.Dataset({"a": ("scene", [1.0]), "b": ("scene", [-1.0])})
    test = xr.Dataset({"a": (("scene", "option"), [[1.0, -1.0]]), "b": (("scene", "option"), [[-1.0, 1.0]])})
    unlike = rh.Elicited({"a": 0.05, "b": 0.95}, source="an agent with another bias")
    found = rh.rank_queries(tree, one, test, agent=unlike, noise=0.4)
    label = found.where(found["kind"] == "label", drop=True)
    assert float(label["regret_fall"][0]) == 0.0  # the judge does the same whatever is answered
    assert float(label["risk_change"][0]) < 0
    most = rh.rank_queries(
        tree, one, test, rh.MostProbable(), rh.Elicited({"a": 0.55, "b": 0.45}, source="x"), noise=0.4
    )
    label = most.where(most["kind"] == "label", drop=True)
    assert float(label["risk_change"][0]) > 0 and float(label["regret_fall"][0]) == 0.0


def test_what_the_tree_knows_of_the_noise_is_used_with_its_error():
    rng = np.random.default_rng(54)
    train = world(rng, 12, 2, 2)
    train["said"] = (train["x0"] > LINE) ^ (rng.random(train["x0"].shape) < 0.1)
    worth = train["x0"] + rng.gumbel(size=train["x0"].shape)
    train["chosen"] = worth == worth.max("option")
    made = [rh.Labels(train, "said", noise=(1, 9)), rh.Choices(train, "chosen")]
    tree = rh.fit({"h0": "x0", "h1": "x1"}, rh.Uniform("a test"), made, LINE, random_seed=3)
    candidates, test = world(rng, 4, 2, 2), world(rng, 5, 3, 2)
    found = rh.rank_queries(tree, candidates, test)
    wrong = np.array([int(((train[f"x{k}"] > LINE) != train["said"]).sum()) for k in range(2)])
    from scipy.special import beta, betainc

    def below(a, b):
        return beta(a, b) * betainc(a, b, 0.5)

    n = train["said"].size
    eps = np.array([below(2 + k, 9 + n - k) / below(1 + k, 9 + n - k) for k in wrong])
    judge = tree["evidence"]["weight"].values
    asked, rewards = stacked(candidates, 2), stacked(test, 2)
    labels = [k for k in range(found.sizes["query"]) if found["kind"][k] == "label"]
    assert len(labels) == 8
    for k in labels:
        one = found.isel(query=k)
        right = asked[:, int(one["scene"]), int(one["option"])] > LINE
        yes = np.where(right, 1 - eps, eps)
        fall, told, change = expected(np.array([yes, 1 - yes]), judge, judge, rewards, False)
        for name, value in (("regret_fall", fall), ("information", told), ("risk_change", change)):
            assert abs(float(one[name]) - value) <= 8 * float(one[f"{name}_mcse"]) + 1e-9, name
    # choices: the posterior of beta by a grid
    grid = np.linspace(-6, 6, 4001)
    scale = np.sqrt(stacked(train, 2).var(axis=2).mean(axis=1))
    picks = train["chosen"].values
    shares = []
    for h, reward in enumerate(stacked(train, 2)):
        z = np.exp(grid)[:, None, None] * (reward - reward.max(axis=1, keepdims=True)) / scale[h]
        ll = (z - np.log(np.exp(z).sum(axis=2, keepdims=True)))[:, picks].sum(axis=1) - grid**2 / 2
        shares.append(np.exp(ll - ll.max()) / np.exp(ll - ll.max()).sum())
    for k in np.flatnonzero(found["kind"] == "choice"):
        one = found.isel(query=k)
        chance = []
        for h in range(2):
            z = np.exp(grid)[:, None] * asked[h, int(one["scene"])] / scale[h]
            e = np.exp(z - z.max(axis=1, keepdims=True))
            chance.append(shares[h] @ (e / e.sum(axis=1, keepdims=True)))
        fall, told, change = expected(np.array(chance).T, judge, judge, rewards, False)
        for name, value in (("regret_fall", fall), ("information", told), ("risk_change", change)):
            error = float(one[f"{name}_mcse"])
            assert abs(float(one[name]) - value) <= 8 * error + 1e-9, (name, value, float(one[name]), error)
            assert error > 0 or name != "information"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_policies_that_draw_no_hypothesis(seed):
    """The risk after an answer, by the policy itself; and nothing anybody says raises the judge's regret."""
    rng = np.random.default_rng(seed)
    tree, pi, likelihood = fitted(rng)
    candidates, test = world(rng, 2, 2, 3), world(rng, 3, 3, 3)
    found = rh.rank_queries(tree, candidates, test, rh.Expected(), noise=0.2)
    judge, rewards, asked = normalised(pi * likelihood), stacked(test), stacked(candidates)

    def risk(weights, truths):
        picks = np.tensordot(weights, rewards, 1).argmax(axis=1)
        return float(np.mean([truths @ (rewards[:, m, o] < LINE) for m, o in enumerate(picks)]))

    for k in np.flatnonzero(found["kind"] == "label"):
        one = found.isel(query=k)
        yes = np.where(asked[:, int(one["scene"]), int(one["option"])] > LINE, 0.8, 0.2)
        change = -risk(judge, judge)
        for q in (yes, 1 - yes):
            p = float(judge @ q)
            change += p * risk(judge * q / p, judge * q / p)
        assert float(one["risk_change"]) == pytest.approx(change, abs=1e-9)
        assert float(one["regret_fall"]) >= 0


def test_of_equals_the_more_informative_then_the_earlier_whatever_rounding_says():
    fall = np.array([2.0, 2.0 + 1e-15, 3.0, 0.0, 2.0 - 1e-15, 0.0])
    told = np.array([0.1, 0.1, 0.0, 0.2, 0.3, 0.2 + 1e-16])
    assert best_first(fall, told, 1.0).tolist() == [2, 4, 0, 1, 3, 5]


@pytest.mark.parametrize(("a", "b"), [(2, 8), (1, 19), (0.5, 0.5), (30, 3)])
def test_a_prior_of_the_noise_is_its_mean_below_one_half(a, b):
    def mass(p):
        return mpmath.betainc(p, b, 0, mpmath.mpf(1) / 2)

    mean = float(mass(a + 1) / mass(a))
    if (a, b) == (2, 8):
        assert mean == pytest.approx(0.1928287, abs=1e-7)
    assert _mean_below_half(a, b) == pytest.approx(mean, rel=1e-11)
    tree, *_ = fitted(np.random.default_rng(57))
    asked, test = (world(np.random.default_rng(k), 3, 2, 3) for k in (58, 59))
    by_prior, by_mean = (rh.rank_queries(tree, asked, test, noise=noise) for noise in ((a, b), mean))
    xr.testing.assert_allclose(by_prior, by_mean, rtol=1e-9, atol=1e-12)
    assert float(by_prior["information"].max()) > 0


def ragged(rng, widths, hypotheses=3, top=-1.0):
    """A scene of each width, rewards below 0 unless told, and the rewards as lists (hypothesis, scene, option)."""
    shape = (len(widths), max(widths))
    data = {f"x{k}": (("scene", "option"), top - rng.random(shape)) for k in range(hypotheses)}
    data["available"] = (("scene", "option"), np.arange(shape[1]) < np.array(widths)[:, None])
    data = xr.Dataset(data)
    return data, [[data[f"x{k}"].values[m, :w] for m, w in enumerate(widths)] for k in range(hypotheses)]


@pytest.mark.parametrize("abstain", [False, True])
@pytest.mark.parametrize("widths", [[2, 2, 4, 4, 1, 3], [4, 4, 2, 2, 1, 1], [3, 1, 1, 1, 1, 2]])
def test_blocks_of_several_widths_give_what_one_block_does(widths, abstain, monkeypatch):
    rng = np.random.default_rng(66)
    tree, pi, likelihood = fitted(rng)
    judge = normalised(pi * likelihood)
    asked, (test, rewards) = world(rng, 3, 2, 3), ragged(rng, widths, top=0.8 if abstain else -1.0)
    policy = rh.Commit(abstain=abstain)
    whole = rh.rank_queries(tree, asked, test, policy, noise=0.02)
    monkeypatch.setattr(module, "LEAST_ITEMS", 4)
    assert float(whole["regret_fall"].max()) > 0
    blocks = list(Valuation(hypotheses_of({"h": "x0"}), as_table(test), FailureLine((LINE,))).blocks())
    assert len({block.shape[0] for block in blocks}) > 1
    xr.testing.assert_allclose(rh.rank_queries(tree, asked, test, policy, noise=0.02), whole, rtol=1e-12, atol=1e-12)

    def worth(weights):
        of_scenes = []
        for m in range(len(widths)):
            mixed = [sum(w * rewards[h][m][o] for h, w in enumerate(weights)) for o in range(widths[m])]
            of_scenes.append(max([*mixed, *([LINE * sum(weights)] if abstain else [])]))
        return sum(of_scenes) / len(widths)

    for k in np.flatnonzero(whole["kind"] == "label"):
        one = whole.isel(query=k)
        right = stacked(asked)[:, int(one["scene"]), int(one["option"])] > LINE
        yes = np.where(right, 0.98, 0.02)
        fall = worth(judge * yes) + worth(judge * (1 - yes)) - worth(judge)
        assert float(one["regret_fall"]) == pytest.approx(fall, abs=1e-12)


def test_a_scene_of_one_option_stops_no_question_about_the_others():
    rng = np.random.default_rng(68)
    tree, pi, likelihood = fitted(rng)
    asked, rewards = ragged(rng, [2, 1, 3])
    test = world(rng, 4, 3, 3)
    found = rh.rank_queries(tree, asked, test, rationality=1.5)
    choices = found.isel(query=np.flatnonzero(found["kind"] == "choice"))
    assert sorted(choices["scene"].values.tolist()) == ["0", "2"]
    spread = [math.sqrt((rewards[h][0].var() + rewards[h][2].var()) / 2) for h in range(3)]
    judge = normalised(pi * likelihood)
    assert float(choices["regret_fall"].max()) > 0 and float(choices["information"].min()) > 0
    for k in range(2):
        one = choices.isel(query=k)
        odds = [np.exp(1.5 * rewards[h][int(one["scene"])] / spread[h]) for h in range(3)]
        chance = np.array([o / o.sum() for o in odds]).T
        fall, told, change = expected(chance, judge, judge, stacked(test), False)
        for name, value in (("regret_fall", fall), ("information", told), ("risk_change", change)):
            assert float(one[name]) == pytest.approx(value, abs=1e-9), name
    alone, _ = ragged(rng, [1, 1])
    assert "choice" not in rh.rank_queries(tree, alone, test, rationality=1.5)["kind"].values.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": 0.7}, "noise: 0.7; give"),
        ({"noise": (1, -1)}, r"noise: \(1, -1\); give"),
        ({"rationality": 0}, "rationality: 0; give a positive number"),
        ({"policy": "commit"}, "policy: 'commit' is no policy"),
        ({"candidates": {"x0": np.zeros((2, 2))}}, "no column 'x1'"),
        ({"candidates": 3}, "a int is not a table"),
    ],
)
def test_refuses(change, message):
    rng = np.random.default_rng(55)
    tree, *_ = fitted(rng)
    arguments = {"candidates": world(rng, 2, 2, 3), "test": world(rng, 2, 2, 3)} | change
    with pytest.raises(rh.InputError, match=message):
        rh.rank_queries(tree, **arguments)


def test_refuses_continuous_weights():
    rng = np.random.default_rng(56)
    train = world(rng, 10, 2, 2)
    train["chosen"] = train["x0"] == train["x0"].max("option")
    tree = rh.fit(
        {"mix": rh.Linear(["x0", "x1"], source="a test")}, rh.Uniform("a test"), [rh.Choices(train, "chosen")], 0
    )
    with pytest.raises(rh.InputError, match="continuous weights"):
        rh.rank_queries(tree, world(rng, 2, 2, 2), world(rng, 2, 2, 2))
