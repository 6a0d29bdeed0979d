"""Predicted choices, against sums and integrals written apart."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from scipy import stats
from scipy.special import logsumexp

import reward_hypotheses as rh
from reward_hypotheses.analysis.agents.predicted import choosers
from reward_hypotheses.data.errors import InputError

RNG = np.random.default_rng(11)
RULES = {"a": "a", "b": "b"}
PRIOR = rh.Elicited({"a": 3, "b": 1}, source="t")
LOG_BETA = np.linspace(-7, 7, 4001)


def scenes(n, options=3, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(n, options)).round(2) for name in ("a", "b")}


def marked(n, options, which):
    out = np.zeros((n, options), bool)
    out[np.arange(n), which] = True
    return out


TRAIN = scenes(12)
PICKED = np.array([2, 0, 0, 2, 1, 2, 1, 0, 2, 2, 2, 2])
TEST = scenes(9, seed=5)
SAID = np.array([0, 2, 1, 1, 0, 0, 2, 1, 0])


def softmax(z):
    odds = np.exp(z - z.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def spread(rewards):
    return math.sqrt(np.mean([np.var(row) for row in rewards]))


def log_likelihood(beta, rewards):
    z = beta * rewards / spread(rewards)
    return (z[np.arange(len(PICKED)), PICKED] - logsumexp(z, axis=1)).sum()


def fitted(rationality=1.5, rules=RULES, prior=PRIOR, **options):
    choices = rh.Choices({**TRAIN, "chosen": marked(12, 3, PICKED)}, "chosen", rationality=rationality)
    return rh.fit(rules, prior, [choices], 0.0, **{"draws": 500, "random_seed": 3} | options)


@pytest.fixture(scope="module")
def known():
    return fitted()


@pytest.fixture(scope="module")
def inferred():
    return fitted(rationality=None)


def weights_at(beta):
    logs = np.log([0.75, 0.25]) + [log_likelihood(beta, TRAIN[h]) for h in RULES]
    odds = np.exp(logs - logs.max())
    return odds / odds.sum()


def test_two_hypotheses_by_hand():
    """One choice between two options; each line of the sum is worked out here."""
    choices = rh.Choices({"a": [[1.0, 0]], "b": [[0.0, 2]], "y": [[True, False]]}, "y", rationality=0.5)
    tree = rh.fit(RULES, rh.Uniform(source="t"), [choices], 0.0, draws=10)
    like_a, like_b = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))  # beta r / s = 0.5 * 1 / 0.5 and 0.5 * 2 / 1
    weight_a = like_a / (like_a + like_b)
    out = rh.predict_choices(tree, {"a": [[3.0, 0]], "b": [[1.0, 2]], "y": [[False, True]]}, chosen="y")
    first = weight_a / (1 + math.exp(-3)) + (1 - weight_a) / (1 + math.exp(0.5))
    np.testing.assert_allclose(out["probability"], [[first, 1 - first]], rtol=1e-12)
    np.testing.assert_allclose(out["share"], [first, 1 - first], rtol=1e-12)
    assert float(out["log_score"]) == pytest.approx(math.log(1 - first), rel=1e-12)
    for name in ("probability_mcse", "share_mcse", "as_agent_mcse", "log_score_mcse"):
        assert not out[name].any()


def test_known_rationality_is_exact(known):
    w = weights_at(1.5)
    p = sum(w[k] * softmax(1.5 * TEST[h] / spread(TRAIN[h])) for k, h in enumerate(RULES))
    test = {**TEST, "y": marked(9, 3, SAID), "scene_weight": np.arange(1.0, 10)}
    share = np.arange(1.0, 10) / 45
    out = rh.predict_choices(known, test, chosen="y")
    np.testing.assert_allclose(out["probability"], p, rtol=1e-10)
    np.testing.assert_allclose(out["share"], share @ p, rtol=1e-10)
    by_scene = np.log(p[np.arange(9), SAID])
    np.testing.assert_allclose(out["log_score_by_scene"], by_scene, rtol=1e-10)
    assert float(out["log_score"]) == pytest.approx(share @ by_scene, rel=1e-10)
    agent = sum(w[k] * (TEST[h] == TEST[h].max(axis=1, keepdims=True)) for k, h in enumerate(RULES))
    assert float(out["as_agent"]) == pytest.approx(share @ (p * agent).sum(axis=1), rel=1e-10)
    without = rh.predict_choices(known, {k: v for k, v in test.items() if k != "y"})
    assert without["probability"].equals(out["probability"]) and "log_score" not in without


def test_inferred_rationality_against_quadrature(inferred):
    prior = stats.norm.logpdf(LOG_BETA)
    logs = np.array([[log_likelihood(math.exp(x), TRAIN[h]) for x in LOG_BETA] for h in RULES]) + prior
    joint = np.exp(logs - logs.max()) * np.array([[0.75], [0.25]])
    joint /= joint.sum()
    p = np.zeros((9, 3))
    for k, h in enumerate(RULES):
        each = softmax(np.exp(LOG_BETA)[:, None, None] * TEST[h] / spread(TRAIN[h]))
        p += np.tensordot(joint[k], each, axes=1)
    test = {**TEST, "y": marked(9, 3, SAID)}
    out = rh.predict_choices(inferred, test, chosen="y")
    error = out["probability_mcse"].to_numpy()
    assert (error > 0).all() and error.max() < 0.01
    assert (np.abs(out["probability"] - p) < 5 * error).all()
    assert (np.abs(out["share"] - p.mean(axis=0)) < 5 * out["share_mcse"]).all()
    score = np.log(p[np.arange(9), SAID]).mean()
    assert abs(float(out["log_score"]) - score) < 5 * float(out["log_score_mcse"]) < 0.1
    w = joint.sum(axis=1)
    agent = sum(w[k] * (TEST[h] == TEST[h].max(axis=1, keepdims=True)) for k, h in enumerate(RULES))
    together = (p * agent).sum(axis=1).mean()
    assert abs(float(out["as_agent"]) - together) < 5 * float(out["as_agent_mcse"]) < 0.05


@pytest.mark.parametrize("rationality", [None, 1.5])
def test_continuous_weights_against_quadrature(rationality):
    rules = {"mixed": rh.Linear(["a", "b"], prior="sphere", source="t")}
    tree = fitted(rationality, rules, rh.Uniform(source="t"), draws=1000)
    unit = np.array([TRAIN[name].std() for name in RULES])
    angles = np.linspace(0, 2 * np.pi, 121)[:-1]
    log_beta = LOG_BETA[::40] if rationality is None else [math.log(rationality)]
    logs, chances = np.empty((len(angles), len(log_beta))), np.empty((len(angles), len(log_beta), 9, 3))
    for i, angle in enumerate(angles):
        w = np.array([math.cos(angle), math.sin(angle)]) / unit
        train, test = (w[0] * d["a"] + w[1] * d["b"] for d in (TRAIN, TEST))
        for j, x in enumerate(log_beta):
            logs[i, j] = log_likelihood(math.exp(x), train) + stats.norm.logpdf(x)
            chances[i, j] = softmax(math.exp(x) * test / spread(train))
    mass = np.exp(logs - logs.max())
    p = np.tensordot(mass / mass.sum(), chances, axes=2)
    out = rh.predict_choices(tree, TEST)
    assert (np.abs(out["probability"] - p) < 5 * out["probability_mcse"]).all()
    assert float(out["probability_mcse"].max()) < 0.05
    assert (np.abs(out["share"] - p.mean(axis=0)) < 5 * out["share_mcse"]).all()


def test_errors_are_those_of_repeated_fits():
    """The spread over 40 seeds is the stated error: chi-squared of 39 with a false alarm below 1e-4."""
    test = {**TEST, "y": marked(9, 3, SAID)}
    outs = [rh.predict_choices(fitted(None, draws=100, random_seed=k), test, chosen="y") for k in range(40)]
    low, high = stats.chi2.ppf([1e-5, 1 - 1e-5], 39) / 39
    for name in ("share", "as_agent", "log_score"):
        squares = np.var([out[name].to_numpy() for out in outs], axis=0, ddof=1)
        stated = np.mean([out[f"{name}_mcse"].to_numpy() ** 2 for out in outs], axis=0)
        assert (low / 1.2 < squares / stated).all() and (squares / stated < high * 1.2).all(), name


def test_errors_of_sampled_evidence_are_carried():
    """Beside a linear reward the weights are estimated; their error is in that of the probabilities."""
    rules = {"a": "a", "mixed": rh.Linear(["a", "b"], prior="sphere", source="t")}
    prior = rh.Uniform(source="t")
    outs = [rh.predict_choices(fitted(1.0, rules, prior, draws=250, random_seed=k), TEST) for k in range(25)]
    squares = np.var([out["share"].to_numpy() for out in outs], axis=0, ddof=1)
    stated = np.mean([out["share_mcse"].to_numpy() ** 2 for out in outs], axis=0)
    assert (stated > 0).all() and (squares < stated * stats.chi2.ppf(1 - 1e-5, 24) / 24).all()
    assert (stated < 20 * squares).all()


@pytest.mark.slow
def test_intervals_hold_what_they_say():
    """Truth, training and test drawn from the model 150 times: intervals of 90 % hold at least 90 %."""
    held, surprise = [], []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        train, test = ({name: rng.normal(size=(n, 3)) for name in RULES} for n in (15, 30))
        truth, beta = rng.choice(list(RULES)), math.exp(rng.normal())
        said, chosen = (
            np.array([rng.choice(3, p=row) for row in softmax(beta * d[truth] / spread(train[truth]))])
            for d in (train, test)
        )
        choices = rh.Choices({**train, "y": marked(15, 3, said)}, "y")
        tree = rh.fit(RULES, rh.Uniform(source="t"), [choices], 0.0, draws=100, random_seed=seed)
        out = rh.predict_choices(tree, test, prob=0.9, draws=400)
        observed = np.bincount(chosen, minlength=3) / 30
        held.append((out["share_lower"] - 1e-9 <= observed) & (observed <= out["share_upper"] + 1e-9))
        surprise.append(float(out["probability"].to_numpy()[:, 0].mean() - observed[0]))
    low = stats.binom.ppf(2e-5, 150, 0.9) / 150
    assert (np.mean(held, axis=0) >= low).all()
    assert abs(np.mean(surprise)) < 4.2 * np.std(surprise) / math.sqrt(150)


def test_callables(tmp_path):
    """A tree read from a file gets its callables again."""
    rules = {"a": lambda d: d["a"], "b": "b"}
    tree = fitted(rules=rules)
    expected = rh.predict_choices(tree, TEST)["probability"]
    tree.to_netcdf(tmp_path / "t.nc", engine="h5netcdf")
    read = xr.open_datatree(tmp_path / "t.nc", engine="h5netcdf").load()
    got = rh.predict_choices(read, TEST, hypotheses=rules)["probability"]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    out = rh.register_prediction(read, TEST, tmp_path / "p.json", hypotheses=rules, chosen="y")
    np.testing.assert_allclose(out["probability"], expected, rtol=1e-12)


def test_a_failing_option_is_worth_the_failure_line():
    choices = rh.Choices({"a": [[1.0, 0]], "y": [[True, False]]}, "y", rationality=1.0)
    tree = rh.fit({"a": "a"}, rh.Uniform(source="t"), [choices], 2.0, draws=10)
    test = {"a": [[1.0, 0, 9]], "is_failing": [[False, False, True]]}
    out = rh.predict_choices(tree, test)
    np.testing.assert_allclose(out["probability"], [softmax(np.array([1.0, 0, 2]) / 0.5)], rtol=1e-12)
    ragged = {**test, "available": [[True, False, True]]}
    out = rh.predict_choices(tree, ragged)
    np.testing.assert_allclose(out["probability"], [[1 / (1 + math.exp(2)), np.nan, 1 / (1 + math.exp(-2))]])


def test_interval_of_the_share_is_predictive():
    """60 equal scenes under one hypothesis: the number of choices is binomial."""
    choices = rh.Choices({"a": [[1.0, 0]], "y": [[True, False]]}, "y", rationality=0.5)
    tree = rh.fit({"a": "a"}, rh.Uniform(source="t"), [choices], 0.0, draws=10)
    out = rh.predict_choices(tree, {"a": np.tile([1.0, 0], (60, 1))}, draws=4000)
    p = 1 / (1 + math.exp(-1))
    for end, at in (("lower", 0.025), ("upper", 0.975)):
        error = 5 * math.sqrt(at * (1 - at) / 4000)
        low, high = stats.binom.ppf([at - error, at + error], 60, p) / 60
        assert low - 1e-9 <= float(out[f"share_{end}"][0]) <= high + 1e-9
        assert low - 1e-9 <= float(out[f"as_agent_{end}"]) <= high + 1e-9
    assert float(out["share_lower"][1]) == pytest.approx(1 - float(out["share_upper"][0]))


def test_one_hypothesis_for_all_scenes(known):
    """Opposite hypotheses: in a deployment nearly all choose by one of them, so the interval is wide."""
    rules = {"a": "a", "not a": "-a"}
    silent = rh.Choices({"a": [[1.0, 1]], "y": [[True, False]]}, "y", rationality=5.0, scale="raw")
    tree = rh.fit(rules, rh.Uniform(source="t"), [silent], 0.0, draws=10)
    out = rh.predict_choices(tree, {"a": np.tile([1.0, 0], (50, 1))})
    np.testing.assert_allclose(out["share"], [0.5, 0.5])
    assert float(out["share_lower"][0]) < 0.05 and float(out["share_upper"][0]) > 0.95


@pytest.mark.parametrize("policy", [None, rh.Boltzmann(2.0), rh.Expected(), rh.Commit(abstain=True)])
def test_an_agent(known, policy):
    """Its probabilities are those of a policy, and its drawn shares those of its probabilities."""
    test = {**TEST, "y": marked(9, 3, SAID)}
    out = rh.predict_choices(known, test, rh.Uniform(), policy=policy, chosen="y", draws=4000)
    assert out.attrs["who"] == "agent" and "as_agent" not in out
    np.testing.assert_allclose(out["probability"].sum("option") + out["abstained"], 1.0)
    drawn = rh.predict(known, test, policy, rh.Uniform(), draws=20_000)["predictions"]["option"].to_numpy()[0]
    often = np.stack([(drawn == o).mean(axis=0) for o in range(3)], axis=1)
    assert np.abs(often - out["probability"]).max() < 5 * 0.5 / math.sqrt(20_000)
    share = out["share"].to_numpy()
    assert (out["share_lower"] - 1e-3 <= share).all() and (share <= out["share_upper"] + 1e-3).all()


def test_an_agent_read_from_a_tree(known, inferred):
    out = rh.predict_choices(known, TEST, inferred, policy=rh.Boltzmann("inferred"))
    people = rh.predict_choices(inferred, TEST)
    np.testing.assert_allclose(out["probability"], people["probability"], atol=1e-9)


def test_errors_name_what_is_wrong(known):
    labels = rh.Labels({"a": [1.0, -1], "good": [True, False]}, "good", noise=(1, 9))
    stops = rh.Stops({"a": [1.0, -1], "stopped": [False, True]}, "stopped")
    without = rh.fit({"a": "a"}, rh.Uniform(source="t"), [labels], 0.0, draws=10)
    stopped = rh.fit({"a": "a"}, rh.Uniform(source="t"), [labels, stops], 0.0, draws=10)
    two, none = marked(9, 3, SAID), marked(9, 3, SAID)
    two[4, :2], none[5] = True, False
    cases = {
        lambda: rh.predict_choices(known, TEST, "everyone"): "who: 'everyone'; give 'population', 'rater'",
        lambda: rh.predict_choices(known, TEST, 3): "who: a int; give 'population'",
        lambda: rh.predict_choices(known, TEST, "rater"): "who: 'rater', and the tree was fitted without raters",
        lambda: rh.predict_choices(known, TEST, chosen="y"): "no column 'y'",
        lambda: rh.predict_choices(known, {**TEST, "y": two}, chosen="y"): "scene 4: column 'y' marks 2",
        lambda: rh.predict_choices(known, {**TEST, "y": none}, chosen="y"): "scene 5: column 'y' marks 0",
        lambda: rh.predict_choices(known, {"a": [1.0, 2], "b": [1.0, 2]}): "no options",
        lambda: rh.predict_choices(known, TEST, feedback="other"): r"'other' is no feedback.*give one of \['choices'\]",
        lambda: rh.predict_choices(known, TEST, rh.Uniform(), feedback="choices"): "feedback: it tells",
        lambda: rh.predict_choices(without, TEST): r"its feedbacks are 'labels' \(labels\)",
        lambda: rh.predict_choices(stopped, TEST): "feedback='stops'",
        lambda: rh.predict_choices(known, TEST, draws=10): "draws",
        lambda: rh.predict_choices(known, TEST, prob=1.0): "prob",
        lambda: rh.predict_choices(xr.DataTree(), TEST): "fit",
    }
    for call, message in cases.items():
        with pytest.raises(InputError, match=message):
            call()
    borrowed = rh.predict_choices(stopped, TEST, feedback="stops")
    assert borrowed.attrs["feedback"] == "stops"


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_sums_units_and_order(known, data):
    """Probabilities add up to 1; units and order of options change nothing but the order."""
    n = data.draw(st.integers(1, 6))
    number = st.floats(-5, 5).map(lambda x: round(x, 3))
    grid = st.lists(st.lists(number, min_size=3, max_size=3), min_size=n, max_size=n)
    test = {name: np.array(data.draw(grid)) for name in RULES}
    factor, order = data.draw(st.sampled_from([0.5, 4.0])), data.draw(st.permutations(range(3)))
    out = rh.predict_choices(known, test, draws=100)["probability"].to_numpy()
    np.testing.assert_allclose(out.sum(axis=1), 1.0)
    turned = {name: values[:, order] for name, values in test.items()}
    np.testing.assert_allclose(
        rh.predict_choices(known, turned, draws=100)["probability"], out[:, order], rtol=1e-9, atol=1e-12
    )
    rules = {name: f"{factor} * {name} + 3" for name in RULES}
    scaled = fitted(rules=rules)
    np.testing.assert_allclose(rh.predict_choices(scaled, test, draws=100)["probability"], out, rtol=1e-7, atol=1e-12)


def test_large_tests_are_computed_in_blocks(inferred, monkeypatch):
    from reward_hypotheses.analysis.agents.predicted import chances

    whole = rh.predict_choices(inferred, TEST, draws=100)
    monkeypatch.setattr(chances, "CELLS", 60)
    parts = rh.predict_choices(inferred, TEST, draws=100)
    np.testing.assert_allclose(parts["probability"], whole["probability"], rtol=1e-12)
    np.testing.assert_allclose(parts["share_mcse"], whole["share_mcse"], rtol=1e-9)


def test_some_scenes_keep_their_places():
    from reward_hypotheses.data.readers.in_memory import as_table

    table = as_table({**TEST, "available": marked(9, 3, SAID) | marked(9, 3, (SAID + 1) % 3)}, "t")
    part, items = choosers.some_scenes(table, [4, 2])
    assert part.n_scenes == 2 and part.scene_names == ("4", "2")
    np.testing.assert_array_equal(part.columns["a"].values, table.columns["a"].values[items])
    np.testing.assert_array_equal(part.positions, table.positions[items])
