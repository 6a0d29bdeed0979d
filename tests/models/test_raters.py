"""Raters, partially pooled: against nested quadrature and sums over assignments, written apart from the code."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reward_hypotheses as rh
from reward_hypotheses.models.inference.hierarchy import integral
from reward_hypotheses.models.inference.hierarchy.latents import Latents
from reward_hypotheses.models.weights.raters.fit import _linear
from reward_hypotheses.models.weights.raters.law import ETA, Law, OfWeights
from reward_hypotheses.models.weights.raters.likelihoods import Rows
from reward_hypotheses.models.weights.raters.who import raters_of

RULES = {"up": "x", "down": "-x"}
EVEN = rh.Elicited({"up": 1, "down": 1}, "an example")
ONE = rh.Uniform("one hypothesis")
WITHIN = 6.0  # Monte Carlo errors: a false alarm below 1e-8


def compared(raters, each, seed, features=1, **more):
    """Return comparisons of raters with weights of their own."""
    rng = np.random.default_rng(seed)
    n = raters * each
    x = rng.normal(size=(n, 2, features)).round(2)
    weights = rng.normal(size=(raters, features)) * 1.5
    who = np.repeat(np.arange(raters), each)
    worth = (x * weights[who][:, None]).sum(axis=-1) + rng.gumbel(size=(n, 2))
    table = {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "chosen": (worth == worth.max(axis=1, keepdims=True)).ravel(),
        "who": np.repeat([f"p{w}" for w in who], 2),
        "letter": np.tile(["a", "b"], n),
        "number": np.repeat(np.arange(n), 2),
    }
    return table | {f"x{k}" if features > 1 else "x": x[..., k].ravel() for k in range(features)} | more


def apart(table, column="x"):
    """Return the chosen option less the other: (comparison,)."""
    x = np.asarray(table[column]).reshape(-1, 2)
    first = np.asarray(table["chosen"]).reshape(-1, 2)[:, 0]
    return np.where(first, x[:, 0] - x[:, 1], x[:, 1] - x[:, 0])


def log_sigmoid(z):
    return -np.logaddexp(0.0, -z)


def half_normal(sd, scale=1.0):
    return math.sqrt(2 / math.pi) / scale * np.exp(-0.5 * (sd / scale) ** 2)


def fitted(table, hypotheses, prior, kind=rh.Choices, column="chosen", line=0.0, **settings):
    return rh.fit(hypotheses, prior, [kind(table, column, rater="who", **settings)], line, draws=500, chains=4)


def test_weights_of_raters_are_those_of_nested_quadrature():
    table, sd = compared(4, 6, seed=3), 1.5
    tree = fitted(table, {"any": rh.Linear(["x"], prior={"normal": sd}, source="s")}, ONE)
    differences = (apart(table) / np.std(table["x"])).reshape(4, 6)
    mu = np.linspace(-5 * sd, 5 * sd, 141)
    log_tau = np.linspace(-9.0, 2.2, 181)
    z, w = np.polynomial.hermite_e.hermegauss(80)
    tau = np.exp(log_tau)
    weights = mu[:, None, None] + tau[None, :, None] * z  # (mu, tau, node)
    likelihood = [np.exp(log_sigmoid(weights[..., None] * row).sum(axis=-1)) for row in differences]
    by_rater = [(of * w).sum(axis=-1) / math.sqrt(2 * math.pi) for of in likelihood]
    prior = np.exp(-0.5 * (mu / sd) ** 2)[:, None] / (sd * math.sqrt(2 * math.pi)) * (half_normal(tau, sd) * tau)[None]
    joint = prior * np.prod(by_rater, axis=0)
    cell = (mu[1] - mu[0]) * (log_tau[1] - log_tau[0])
    raters, evidence = tree["raters"], joint.sum() * cell
    mean = {
        "mean": (joint * mu[:, None]).sum() * cell / evidence,
        "first": (joint * ((likelihood[0] * weights * w).sum(-1) / math.sqrt(2 * math.pi)) / by_rater[0]).sum()
        * cell
        / evidence,
    }
    assert abs(raters.attrs["log_evidence"] - math.log(evidence)) < WITHIN * raters.attrs["mcse"] + 1e-3
    assert raters.attrs["k_hat"] < 0.7
    drawn = {"mean": raters["reward_weight_mean"][:, 0, 0], "first": raters["reward_weight"][:, 0, 0]}
    for key, values in drawn.items():
        error = float(values.std()) / math.sqrt(min(raters.attrs["ess"], values.size))
        assert abs(float(values.mean()) - mean[key]) < WITHIN * error, key
    assert tree["posterior"]["reward_weight"].std() > raters["reward_weight_mean"].std()  # a person, not the mean


def test_shares_of_rules_are_those_of_all_assignments():
    table = compared(6, 5, seed=4)
    tree = fitted(table, RULES, rh.Elicited({"up": 3, "down": 1}, "s", strength=2), rationality=2.0)
    z = (2.0 * apart(table) / scale_of(table)).reshape(6, 5)
    likelihood = np.exp(np.stack([log_sigmoid(z).sum(axis=1), log_sigmoid(-z).sum(axis=1)], axis=1))
    alpha, total, up, first = np.array([1.5, 0.5]), 0.0, 0.0, 0.0
    for assigned in product((0, 1), repeat=6):
        counts = np.bincount(assigned, minlength=2)
        log_mass = sum(math.lgamma(a + c) - math.lgamma(a) for a, c in zip(alpha, counts, strict=True))
        log_mass += math.lgamma(2.0) - math.lgamma(8.0)
        mass = math.exp(log_mass) * np.prod(likelihood[range(6), assigned])
        total, up, first = total + mass, up + mass * (1.5 + counts[0]) / 8, first + mass * (assigned[0] == 0)
    raters = tree["raters"]
    assert abs(raters.attrs["log_evidence"] - math.log(total)) < WITHIN * raters.attrs["mcse"]
    share, ess = raters["share"][:, 0, 0], raters.attrs["ess"]
    assert abs(float(tree["evidence"]["weight"][0]) - up / total) < WITHIN * float(share.std()) / math.sqrt(ess)
    p = first / total
    drawn = float(raters["rater_weight"][0, 0])
    assert abs(drawn - p) < WITHIN * math.sqrt(p * (1 - p) / ess) + 1e-3


def scale_of(table, column="x"):
    """Return the spread that the scale "unit" divides by: over all rows, never by rater."""
    return math.sqrt(np.asarray(table[column]).reshape(-1, 2).var(axis=1).mean())


@pytest.mark.parametrize("kind", ["choices", "labels"])
def test_pooled_nuisances_are_those_of_nested_quadrature(kind):
    t, omega = np.linspace(-9, 9, 181), np.exp(np.linspace(-8.0, 2.0, 121))
    nodes, w = np.polynomial.hermite_e.hermegauss(60)
    line = t[:, None, None] + omega[None, :, None] * nodes
    if kind == "choices":
        table = compared(3, 8, seed=5)
        tree = fitted(table, {"up": "x"}, ONE)
        z = (apart(table) / scale_of(table)).reshape(3, 8)
        by_rater = [np.exp(log_sigmoid(np.exp(np.minimum(line, 30))[..., None] * row).sum(axis=-1)) for row in z]
        prior = np.exp(-0.5 * t**2) / math.sqrt(2 * math.pi)
    else:
        rng = np.random.default_rng(6)
        x, who = rng.normal(size=24), np.repeat(np.arange(3), 8)
        wrong = rng.random(24) < np.array([0.1, 0.1, 0.4])[who]
        table = {"x": x, "good": (x > 0) ^ wrong, "who": who}
        tree = fitted(table, {"up": "x"}, ONE, rh.Labels, "good", noise=(2, 6))
        eps = 0.5 / (1 + np.exp(-line))
        k = np.bincount(who, wrong)
        by_rater = [eps**n * (1 - eps) ** (8 - n) for n in k]
        grid = np.linspace(1e-6, 0.5 - 1e-6, 200_001)
        norm = np.trapezoid(grid * (1 - grid) ** 5, grid)
        at = 0.5 / (1 + np.exp(-t))
        prior = at * (1 - at) ** 5 / norm * at * (1 - 2 * at)
    joint = prior[:, None] * half_normal(omega)[None] * omega[None]
    for of in by_rater:
        joint = joint * (of * w).sum(axis=-1) / math.sqrt(2 * math.pi)
    evidence = joint.sum() * (t[1] - t[0]) * math.log(omega[1] / omega[0])
    raters = tree["raters"]
    assert abs(raters.attrs["log_evidence"] - math.log(evidence)) < WITHIN * raters.attrs["mcse"] + 1e-3


def test_names_order_of_a_missing_rater_and_silent_rules():
    table = compared(5, 6, seed=7)
    first = fitted(table, RULES, EVEN)
    other = fitted(table | {"who": np.char.replace(table["who"], "p", "somebody ")}, RULES, EVEN)
    np.testing.assert_array_equal(first["raters"]["share"], other["raters"]["share"])
    n = len(table["who"])
    gone = fitted(table | {"who": np.full(n, "")}, RULES, EVEN)
    apart = fitted(table | {"who": np.repeat([f"q{k}" for k in range(n // 2)], 2)}, RULES, EVEN)
    np.testing.assert_array_equal(gone["raters"]["share"], apart["raters"]["share"])
    assert gone["raters"].attrs["named"] == 0
    twice = {"up": "x", "again": "3 * x + 1", "down": "-x"}
    three = rh.Elicited({"up": 1, "again": 3, "down": 2}, "an example")
    weight = fitted(table, twice, three)["evidence"]["weight"].to_numpy()
    np.testing.assert_allclose(weight[1], 3 * weight[0], rtol=1e-12)


KINDS = {
    "choices": (rh.Choices, {}),
    "rankings": (rh.Rankings, {}),
    "ratings": (rh.Ratings, {"grades": [1, 2, 3]}),
    "stops": (rh.Stops, {}),
    "labels": (rh.Labels, {"noise": (1, 9)}),
}


def answered(kind, seed=8, raters=4, each=8):
    """Return answers of a kind by raters."""
    rng = np.random.default_rng(seed)
    n, options = raters * each, 3 if kind in ("choices", "rankings") else 1
    x = rng.normal(size=(n, options)).round(2)
    who = np.repeat(np.arange(raters), each)
    worth = x * np.where(who % 2, -2, 2)[:, None] + rng.gumbel(size=x.shape)
    said = {
        "choices": worth == worth.max(axis=1, keepdims=True),
        "rankings": np.minimum(3 - worth.argsort(axis=1).argsort(axis=1), 2),
        "ratings": np.digitize(worth, [-1, 1]) + 1,
        "stops": worth < 0,
        "labels": worth > 0,
    }[kind]
    table = {"x": x.ravel(), "said": said.ravel(), "who": np.repeat(who, options)}
    places = {"scene": np.repeat(np.arange(n), options), "option": np.tile(list("abc"), n)} if options > 1 else {}
    return places | table


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linear", [False, True])
def test_every_kind_is_fitted_by_rater(kind, linear):
    make, given_settings = KINDS[kind]
    feedback = make(answered(kind), "said", rater="who", **given_settings)
    hypotheses = {"any": rh.Linear(["x"], prior={"normal": 2.0}, source="s")} if linear else RULES
    if kind == "labels" and linear:
        with pytest.raises(rh.InputError, match="steps in the weights of 'any'"):
            rh.fit(hypotheses, ONE, [feedback], 0.0)
        return
    tree = rh.fit(hypotheses, ONE if linear else EVEN, [feedback], 0.0)
    raters = tree["raters"]
    wants = raters["reward_weight"].mean("rater_draw")[:, 0] if linear else 0.5 - raters["rater_weight"][:, 1]
    assert list(np.sign(wants.to_numpy())) == [1, -1, 1, -1]
    assert raters.attrs["k_hat"] < 0.7


def test_many_raters_share_draws_and_agree():
    table = compared(30, 12, seed=9, features=2)
    hypotheses = {"any": rh.Linear(["x0", "x1"], prior={"normal": 2.0}, source="s")}
    each = fitted(table, hypotheses, ONE)["raters"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integral, "NOISE", 1e-4)  # too much noise for draws of their own
        patch.setattr(integral, "MANY_GROUPS", 1)
        patch.setattr(integral, "MANY", 16)
        shared = fitted(table, hypotheses, ONE)["raters"]
    error = math.hypot(each.attrs["mcse"], shared.attrs["mcse"])
    assert abs(each.attrs["log_evidence"] - shared.attrs["log_evidence"]) < WITHIN * error
    for variable in ("reward_weight_mean", "reward_weight"):
        a, b = (part[variable].mean("rater_draw").to_numpy() for part in (each, shared))
        ess = min(each.attrs["ess"], shared.attrs["ess"])
        sd = each[variable].std("rater_draw").to_numpy()
        assert (np.abs(a - b) < WITHIN * sd * math.sqrt(2 / ess)).all()


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_rows_are_sums_over_choices(seed):
    rng = np.random.default_rng(seed)
    stages, options, features, raters = int(rng.integers(1, 30)), int(rng.integers(2, 5)), 3, 4
    x = rng.normal(size=(stages, options, features)) * rng.choice([0.1, 1, 30])
    there = rng.random((stages, options)) < 0.7
    chosen = rng.integers(options, size=stages)
    there[np.arange(stages), chosen] = True
    counts = rng.integers(1, 4, size=stages).astype(float) if rng.random() < 0.5 else None
    rater = rng.integers(raters, size=stages)
    rows = Rows(x, there, chosen, counts, rater, raters)
    e = rng.normal(size=(2, raters, features))
    expected = np.zeros((2, raters))
    for p, i in product(range(2), range(stages)):
        z = np.where(there[i], x[i] @ e[p, rater[i]], -np.inf)
        expected[p, rater[i]] += (1 if counts is None else counts[i]) * (z[chosen[i]] - np.logaddexp.reduce(z))
    np.testing.assert_allclose(rows.log_likelihood(e), expected, rtol=1e-9, atol=1e-9)


def test_derivatives_are_those_of_differences():
    table = compared(3, 10, seed=10, features=2)
    made = rh.Choices(table, "chosen", rater="who", name="choices")
    linear = rh.Linear(["x0", "x1"], prior={"normal": 2.0}, sign={"x1": "+"}, source="s")
    from reward_hypotheses.models.fit import prepared

    listed, line, feedback = prepared({"any": linear}, [made], 0.0)
    latents = _linear(listed, 0, 1.0, feedback, line, raters_of(feedback), False).latents
    at = np.random.default_rng(0).normal(size=(3, 2)) / 2
    for exact, differences in zip(latents.derivatives(at), Latents.derivatives(latents, at), strict=True):
        np.testing.assert_allclose(exact, differences, atol=1e-4)


def test_correlations_have_the_lkj_prior():
    k, n = 3, 40_000

    class Nothing:
        dimension = 0

        def prior_draws_of_weights(self, n, rng):
            return np.zeros((n, 0))

    law = Law(np.ones(1), [OfWeights(Nothing(), np.zeros(k), np.ones(k), True)], [()], {}, 1)  # type: ignore[arg-type]
    root = law.correlation(law.prior_draws(n, np.random.default_rng(11)), 0)
    correlation = root @ np.swapaxes(root, 1, 2)
    np.testing.assert_allclose(correlation[:, range(k), range(k)], 1, rtol=1e-12)
    a = ETA - 1 + k / 2  # each correlation alone is 2 Beta(a, a) - 1
    variance, fourth = 1 / (2 * a + 1), 3 / ((2 * a + 1) * (2 * a + 3))
    for i, j in ((0, 1), (0, 2), (1, 2)):
        r = correlation[:, i, j]
        assert abs(r.mean()) < WITHIN * math.sqrt(variance / n)
        assert abs((r**2).mean() - variance) < WITHIN * math.sqrt((fourth - variance**2) / n)


BAD = {
    "no column": ({"rater": "whom"}, "no column 'whom'"),
    "a fraction": ({"rater": "x"}, "which names no rater; a name or a whole number does"),
    "two in a scene": ({"rater": "letter"}, "a scene is one rater's"),
    "group without rater": ({"group": "who"}, "without rater; name the column of raters too"),
    "human": ({"rater": "who", "human": "Ann"}, "give one of the two"),
    "two groups": ({"rater": "who", "group": "number"}, "a rater is in one group"),
    "not a name": ({"rater": 5}, "name the column that says whose answers these are"),
    "not a truth value": ({"rater": "who", "correlated": "yes"}, "give true or false"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_raters_are_said(case):
    wrong, message = BAD[case]
    with pytest.raises(rh.InputError, match=message):
        rh.fit(RULES, EVEN, [rh.Choices(compared(3, 4, seed=1), "chosen", **wrong)], 0.0)


def test_what_cannot_be_fitted_by_rater_is_said():
    table = compared(3, 4, seed=1)
    feedback = [rh.Choices(table, "chosen", rater="who")]
    refusals = {
        "integrated by 'auto' alone": lambda: rh.fit(RULES, EVEN, feedback, 0.0, method="nuts"),
        "each rater has a reward": lambda: rh.fit(RULES, EVEN, feedback, 0.0, log_likelihood=True),
        "one reward for all": lambda: rh.pymc_model(RULES, EVEN, feedback, 0.0),
        "rewards are not fitted by rater": lambda: rh.Rewards(table, "x", sigma2=1.0, rater="who"),
        "several judges": lambda: rh.fit(RULES, rh.LinearPool([EVEN, EVEN]), feedback, 0.0),
        "fitted without raters": lambda: rh.people_risk(rh.fit(RULES, EVEN, [rh.Choices(table, "chosen")], 0.0), table),
        "counts several answers": lambda: rh.fit(
            RULES,
            EVEN,
            [rh.Choices(table | {"n": np.full(24, 2), "who": np.full(24, "")}, "chosen", rater="who", count="n")],
            0.0,
        ),
        "impossible under every hypothesis": lambda: rh.fit(
            {"up": "x"},
            ONE,
            [rh.Labels({"x": [1.0, 1.0], "good": [True, False], "who": ["a", "b"]}, "good", noise=0, rater="who")],
            0.0,
        ),
    }
    for message, call in refusals.items():
        try:
            call()
        except rh.InputError as error:
            assert message in str(error), message
        else:
            pytest.fail(message)
