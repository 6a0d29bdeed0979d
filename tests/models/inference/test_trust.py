"""Which numbers are not trusted, what is reported where the quicker integral is not, and rules that have lost all weight."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.boltzmann import joint
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.posterior import Estimate
from reward_hypotheses.models.priors import judgements
from reward_hypotheses.models.weights.predictive_check import predictive_check
from reward_hypotheses.models.weights.weigh import weigh

RUNS = 10
X = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 0.8], [2.0, 1.0, -0.5], [0.0, 0.4, 1.2]])


def three(weights=(1, 1, 1)):
    """A posterior of three hypotheses that choices tell apart, and no error in it."""
    table = {"x": X, "y": X**2, "z": -X, "c": np.eye(3, dtype=bool)[[1, 2, 0, 2]]}
    named = {"a": "x", "b": "y", "c": "z"}
    listed, line, made = prepared(named, [rh.Choices(table, "c", rationality=1.0)], 0)
    prior = rh.Elicited(dict(zip(named, weights, strict=True)), source="a test")
    return weigh(listed, prior, made, line)


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
def test_the_pair_whose_bayes_factor_is_uncertain_is_named(pair):
    errors = np.zeros(3)
    errors[list(pair)] = 0.08  # below 0.1 with another, 0.113 with each other
    posterior = replace(three((1, 1, 10_000)), estimates=(Estimate("choices", "smc", np.arange(3), errors),))
    assert posterior.weights.min() > 0.1
    (said,) = posterior.untrusted()
    assert f"between {'abc'[pair[0]]!r} and {'abc'[pair[1]]!r}" in said and "error of 0.11, above 0.1" in said


def test_two_hypotheses_of_two_classes():
    table = {"x": X, "y": X**2, "c": np.eye(3, dtype=bool)[[1, 2, 0, 2]]}
    listed, line, made = prepared({"a": "x", "b": "y"}, [rh.Choices(table, "c", rationality=1.0)], 0)
    posterior = weigh(listed, rh.Uniform("a test"), made, line)

    def said(classes, *errors):
        estimates = tuple(Estimate("choices", "smc", np.array(classes), np.full(2, e)) for e in errors)
        return replace(posterior, estimates=estimates).untrusted()

    assert "between 'a' and 'b' has a Monte Carlo error of 0.28" in said([0, 1], 0.2)[0]
    assert said([0, 0], 0.2) == []  # of one class: one estimate, one error
    assert said([0, 1], 0.07) == []
    assert "error of 0.14" in said([0, 1], 0.07, 0.07)[0]  # of two feedbacks, 0.07 twice for either


def test_what_has_no_weight_needs_no_trust():
    posterior = three((10_000, 10_000, 1))
    weights = posterior.weights
    assert weights[2] < 0.001 < weights[:2].min()
    posterior = replace(posterior, estimates=(Estimate("choices", "smc", np.arange(3), np.array([0, 0, 9.0])),))
    assert posterior.untrusted() == []
    assert "'c'" in posterior.untrusted(np.array([0.5, 0.4, 0.1]))[0]  # to an agent it matters


def one_human(seed):
    """Somebody who grades in two grades and chooses between two."""
    rng = np.random.default_rng(seed)
    graded, scenes = {}, {}
    for name in ("x", "y"):
        graded[name], scenes[name] = rng.normal(size=12), rng.normal(size=(12, 2))
    graded["g"] = (graded["x"] + rng.logistic(size=12) > 0).astype(int)
    noisy = 2 * scenes["x"] + rng.gumbel(size=(12, 2))
    scenes["c"] = noisy == noisy.max(axis=1, keepdims=True)
    return graded, scenes


def by_grid(graded, scenes, name):
    """``log p`` of all that was said, and the mean of log beta: sums over grids of it and of the one cut point."""
    t, v = np.linspace(-7, 7, 561), (np.arange(2000) + 0.5) / 2000
    z = (graded[name] - graded[name].mean()) / graded[name].std()
    w = scenes[name] / math.sqrt(np.mean(np.var(scenes[name], axis=1)))
    found = []
    for beta in np.exp(t):
        below = special.logit(v) - beta * z[:, None]  # v is uniform: the only stick of two grades
        grades = special.log_expit(np.where(graded["g"][:, None] == 0, below, -below)).sum(axis=0)
        chose = (beta * w[scenes["c"]]).sum() - np.logaddexp.reduce(beta * w, axis=1).sum()
        found.append(special.logsumexp(grades) - math.log(len(v)) + chose)
    joint = np.array(found) - 0.5 * t**2 - 0.5 * math.log(2 * math.pi)
    share = np.exp(joint - special.logsumexp(joint))
    return (
        special.logsumexp(joint) + math.log(t[1] - t[0]),
        float(share @ t),
        math.sqrt(share @ t**2 - (share @ t) ** 2),
    )


@pytest.mark.parametrize("method", ["laplace", "smc"])
def test_one_human_whose_quicker_integral_is_not_trusted(method, monkeypatch):
    """By sequential Monte Carlo then, with the error of that: against a grid."""
    if method == "smc":
        monkeypatch.setattr(joint, "K_HAT", -math.inf)
    graded, scenes = one_human(5)
    feedback = [rh.Choices(scenes, "c", human="Ann"), rh.Ratings(graded, "g", grades=[0, 1], human="Ann")]
    tree = rh.fit({"x": "x", "y": "y"}, rh.Uniform("a test"), feedback, 0, random_seed=1)
    assert tree["evidence"].attrs["method"] == method
    for h, name in enumerate(("x", "y")):
        want, mean, sd = by_grid(graded, scenes, name)
        got, mcse = (float(tree["evidence"][key].values[h]) for key in ("log_evidence", "mcse"))
        assert 1e-4 < mcse < 0.05 and abs(got - want) < 4.5 * mcse
        drawn = np.log(tree["posterior"]["Ann_rationality"].values[..., h])
        assert abs(drawn.mean() - mean) < 0.15 * sd and abs(drawn.std() / sd - 1) < 0.15


SAID = [
    ("Ann", "a", "b", "left much"),
    ("Ann", "b", "c", "equal"),
    ("Bob", "a", "b", "right a little"),
    ("Bob", "c", "a", "left a little"),
]


@pytest.mark.parametrize(("limit", "value"), [("K_HAT", -math.inf), ("LEAST_SHARE", 2.0)])
def test_judgements_whose_quicker_integral_is_not_trusted(limit, value, monkeypatch):
    """The same weights by the other method, within both errors; each error is what runs scatter by."""
    plain = rh.Judgements(SAID, "a test").inferred(("a", "b", "c"))
    assert plain.method == "laplace" and math.isfinite(plain.k_hat)
    monkeypatch.setattr(judgements, limit, value)
    whole, errors = [], []
    for seed in range(RUNS):
        monkeypatch.setattr(
            judgements, "substream", lambda _, name, seed=seed: np.random.default_rng([seed, len(name)])
        )
        judgements.infer.cache_clear()
        found = rh.Judgements(SAID, "a test").inferred(("a", "b", "c"))
        assert found.method == "smc" and math.isnan(found.k_hat) and 0 < found.ess <= len(found.weighted.weights)
        shares, apart = found.weighted.weights, found.pool.pi - found.pool.mean()
        islands = (shares[:, None] * apart).reshape(8, 1000, 3).sum(axis=1)  # independent, of mean 0
        np.testing.assert_allclose(found.mcse, math.sqrt(8) * islands.std(axis=0, ddof=1), rtol=1e-9)
        assert found.ess <= (shares @ apart**2 / found.mcse**2).min() * (1 + 1e-9)
        whole.append(found.pool.mean())
        errors.append(found.mcse)
    judgements.infer.cache_clear()
    whole, errors = np.array(whole), np.sqrt(np.mean(np.square(errors), axis=0))
    assert (np.abs(whole.mean(axis=0) - plain.pool.mean()) < 4.5 * np.hypot(errors / RUNS**0.5, plain.mcse)).all()
    scatter = whole.std(axis=0, ddof=1) / errors
    assert ((scatter > 0.3) & (scatter < 2.5)).all()


def without_mass(disagreeing):
    """An unmodelled hypothesis beside two rules that many sure labels contradict: one rule more often by so many."""
    n = 600
    deep = np.arange(n) % 2 == 0
    red = deep ^ (np.arange(n) < disagreeing)
    table = {"deep": deep, "red": red, "good": ~deep}
    rules = {"deep": "where(deep, 1, -1)", "red": "where(red, 1, -1)"}
    named = rules | {"none": rh.Unmodelled(1.0, source="a test")}
    listed, line, made = prepared(named, [rh.Labels(table, "good", noise=1e-6)], 0)
    return weigh(listed, rh.Elicited({"deep": 3, "red": 1, "none": 1}, source="a test"), made, line)


@pytest.mark.parametrize("disagreeing", [0, 1])
def test_rules_that_have_lost_all_weight_keep_their_odds(disagreeing):
    posterior = without_mass(disagreeing)
    assert posterior.weights.tolist() == [0, 0, 1]
    rules = posterior.of_rules()
    assert rules.hypotheses.names == ("deep", "red")
    odds = 3 * ((1e-6 / (1 - 1e-6)) ** disagreeing)  # the one that is right more often gains
    assert rules.weights[0] / rules.weights[1] == pytest.approx(odds, rel=1e-9) and sum(rules.weights) == 1
    found = predictive_check(posterior, 0, np.random.default_rng(1))
    assert found.p == 0 and "of labels in one group of items contradict the leading hypothesis" in found.misfit[0]
