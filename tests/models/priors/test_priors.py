"""Priors: one conformance test for all, then what each promises."""

import math
import random

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.priors import languages, registry

H = hypotheses_of(
    {
        "red paint": "where(red_paint, 100, -100)",
        "flags": "where(flags, 100, -100)",
        "both": "where(red_paint & flags, 100, -2.5)",
        "none": "-slope ** 2",
    },
    columns=("red_paint", "flags", "crater", "slope"),
)
ANN = rh.Elicited({"red paint": 1, "flags": 8, "both": 2, "none": 0}, "Ann, asked in June", 12)
BOB = rh.Elicited({"red paint": 3, "flags": 3, "both": 3, "none": 1}, "Bob", 5)
CAT = rh.Elicited({"red paint": 1, "flags": 1, "both": 0, "none": 2}, "Cat")


class Mine(rh.Prior):
    """A user's own: one equation."""

    source = "mine"

    def log_weights(self, hypotheses):
        return -np.arange(len(hypotheses), dtype=float)


PRIORS = [
    rh.Uniform("why not"),
    ANN,
    CAT,
    rh.Simplicity("rules"),
    rh.Simplicity("letters"),
    rh.Simplicity("columns"),
    rh.Simplicity({"name": "mine", "costs": {"flags": 12, "slope": 0.5}}),
    rh.LinearPool([ANN, BOB, CAT], [1, 2, 3]),
    rh.LinearPool([rh.LinearPool([ANN, BOB]), CAT]),
    rh.log_pool([ANN, BOB], [1, 1]),
    ANN**0.5,
    BOB * CAT,
    Mine(),
]


@pytest.mark.parametrize("prior", registry.SHIPPED, ids=lambda p: p.name)
def test_a_prior_that_ships_knows_itself(prior):
    assert prior.sentence == registry.prior_in_words(prior.name)
    assert prior.source is None and any(isinstance(prior, kind) for kind in registry.FOILS.values())


@pytest.mark.parametrize("language", languages.LANGUAGES.values(), ids=lambda language: language.name)
def test_a_language_knows_itself(language):
    assert languages.LANGUAGES[language.name] is language and language.sentence
    expressions = [reward.expression for reward in H.rewards]
    bits = language.bits(expressions, H.columns)
    assert bits.shape == (4,) and (bits > 0).all() and bits[0] < bits[2]
    np.testing.assert_array_equal(bits, rh.Simplicity(language.name).bits(H))


@pytest.mark.parametrize("prior", [*PRIORS, *registry.SHIPPED], ids=lambda p: p.name)
def test_conformance(prior):
    log_prior = prior.log_prior(H)
    assert log_prior.shape == (4,) and not np.isnan(log_prior).any()
    assert math.fsum(np.exp(log_prior)) == pytest.approx(1, abs=1e-14)
    assert isinstance(prior.name, str) and (prior.source is None or isinstance(prior.source, str))
    assert math.fsum(share for share, _ in prior.parts()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    possible = np.flatnonzero(log_prior > -np.inf)
    draws = prior.draws(H, np.repeat(possible, 50), rng)
    assert draws.shape == (50 * len(possible), 4)
    np.testing.assert_allclose(draws.sum(axis=1), 1, atol=1e-12)
    assert (draws >= 0).all() and (draws[:, log_prior == -np.inf] == 0).all()
    if not prior.uncertain:
        np.testing.assert_allclose(draws, np.broadcast_to(np.exp(log_prior), draws.shape), atol=1e-15)
    squared = prior**2
    np.testing.assert_allclose(np.exp(squared.log_prior(H)), np.exp(2 * log_prior) / np.exp(2 * log_prior).sum())
    np.testing.assert_allclose(np.exp((prior * prior).log_prior(H)), np.exp(squared.log_prior(H)), atol=1e-15)
    flat = np.exp((prior**0).log_prior(H))
    np.testing.assert_allclose(flat, 1 / 4)  # 0^0 = 1: nothing is left of it, its zeros neither
    assert (prior**1).uncertain == prior.uncertain and (prior**2).uncertain == prior.uncertain


@pytest.mark.parametrize("prior", [p for p in PRIORS if p.uncertain], ids=lambda p: p.name)
def test_mean_of_draws_is_the_posterior_weight(prior):
    """Draw h from w, then pi given h; the weights that follow average to w. Draws from p(pi) do not."""
    log_evidence = np.array([0.0, -2.0, 1.0, 0.5])
    log_prior = prior.log_prior(H)
    w = np.exp(log_prior + log_evidence)
    w /= w.sum()
    rng = np.random.default_rng(3)
    truths = rng.choice(4, 200_000, p=w)
    pi = prior.draws(H, truths, rng)
    weights = pi * np.exp(log_evidence)
    weights /= weights.sum(axis=1, keepdims=True)
    error = weights.std(axis=0) / math.sqrt(len(weights)) + 1e-12
    z = (weights.mean(axis=0) - w) / error
    assert np.abs(z).max() < 5, z
    blind = prior.draws(H, rng.choice(4, 200_000, p=np.exp(log_prior)), rng) * np.exp(log_evidence)
    blind /= blind.sum(axis=1, keepdims=True)
    assert np.abs((blind.mean(axis=0) - w) / error).max() > 5  # the planted bug is seen


def test_strength_counts_judgements():
    """Variance of a Dirichlet: m (1 - m) / (s + 1)."""
    rng = np.random.default_rng(1)
    prior = rh.Elicited({"red paint": 1, "flags": 8, "both": 2, "none": 1}, "x", 12)
    m = np.exp(prior.log_prior(H))
    draws = prior.draws(H, rng.choice(4, 100_000, p=m), rng)
    # averaged over h ~ m, draws given h are draws from p(pi)
    np.testing.assert_allclose(draws.mean(axis=0), m, atol=5e-3)
    np.testing.assert_allclose(draws.var(axis=0), m * (1 - m) / 13, rtol=0.03)


def test_extreme_weights_are_no_zeros():
    prior = rh.Elicited({"red paint": 1e-300, "flags": 1e300, "both": 0, "none": 1}, "x")
    assert prior.log_prior(H)[0] == pytest.approx(-600 * math.log(10))


def test_small_strengths_do_not_underflow():
    prior = rh.Elicited({"red paint": 1, "flags": 8, "both": 2, "none": 1}, "x", 1e-4)
    draws = prior.draws(H, np.zeros(1000, int), np.random.default_rng(0))
    assert np.isfinite(draws).all()
    np.testing.assert_allclose(draws.sum(axis=1), 1)


def test_pools():
    mean = np.exp(rh.LinearPool([ANN, CAT], [3, 1]).log_prior(H))
    np.testing.assert_allclose(mean, [0.75 / 11 + 0.25 / 4, 6 / 11 + 0.25 / 4, 1.5 / 11, 0.125])
    geometric = np.exp(rh.log_pool([ANN, BOB], [3, 1]).log_prior(H))
    want = np.array([1, 8, 2, 0]) ** 0.75 * np.array([3, 3, 3, 1]) ** 0.25
    np.testing.assert_allclose(geometric, want / want.sum())
    alike = rh.log_pool([ANN, ANN], [1, 1])
    assert alike.strength == pytest.approx(24)  # two judges of 12 judgements each who agree
    assert "Ann" in alike.source and "Bob" in rh.LinearPool([ANN, BOB]).source
    veto = rh.Elicited({"red paint": 0, "flags": 1, "both": 0, "none": 0}, "Dan")
    np.testing.assert_allclose(rh.log_pool([ANN, veto], [1, 0]).log_prior(H), ANN.log_prior(H))
    with pytest.raises(InputError, match="logarithmic pool is empty"):
        rh.log_pool([rh.Elicited({"red paint": 1, "flags": 0, "both": 0, "none": 0}, "x"), veto], [1, 1]).log_prior(H)
    np.testing.assert_allclose(
        rh.LinearPool([ANN, BOB], [1e308, 1e308]).log_prior(H), rh.LinearPool([ANN, BOB]).log_prior(H)
    )
    for bad in ([-1, 1], [0, 0], [1], [math.nan, 1]):
        with pytest.raises(InputError, match="give one a prior"):
            rh.LinearPool([ANN, BOB], bad)


def test_linear_pool_reweights_judges_and_log_pool_does_not():
    log_evidence = np.array([0.0, -3.0, 0.0, 0.0])
    w = np.exp(rh.LinearPool([ANN, BOB]).log_prior(H) + log_evidence)
    w /= w.sum()

    def posterior(judge):
        v = np.exp(judge.log_prior(H) + log_evidence)
        return v.sum(), v / v.sum()

    (ma, va), (mb, vb) = posterior(ANN), posterior(BOB)
    np.testing.assert_allclose(w, (ma * va + mb * vb) / (ma + mb))
    w = np.exp(rh.log_pool([ANN, BOB], [1, 1]).log_prior(H) + log_evidence)
    together = np.sqrt(va * vb)
    np.testing.assert_allclose(w / w.sum(), together / together.sum())  # externally Bayesian


@pytest.mark.parametrize("language", ["rules", "letters", "columns", {"name": "mine", "costs": {"flags": 12}}])
def test_simplicity_against_the_oracle(language):
    rng = random.Random(2)
    for _ in range(30):
        study = oracles.random_study(rng)
        texts = {f"h{i}": text for i, (text, _) in enumerate(study["hypotheses"])}
        order = list(study["training"][0])
        hypotheses = hypotheses_of(texts, order)
        used = {c for text in texts.values() for c in oracles.expression_columns(text)}
        spoken = language
        if isinstance(language, dict):
            if not used:
                continue
            spoken = {"name": "mine", "costs": {c: 12 + i for i, c in enumerate(sorted(used))}}
        given_to_oracle = spoken if isinstance(spoken, str) else spoken["costs"]
        want = [oracles.simplicity_bits(t, given_to_oracle, sorted(used), order) for t in texts.values()]
        np.testing.assert_allclose(rh.Simplicity(spoken).bits(hypotheses), want, rtol=1e-12)


def test_the_essays_pair():
    pair = hypotheses_of(
        {"red": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}, columns=("red_paint", "flags")
    )
    bits = {language: rh.Simplicity(language).bits(pair) for language in ("rules", "letters", "columns")}
    assert bits["rules"][0] == bits["rules"][1]
    assert bits["letters"][0] - bits["letters"][1] == 32
    assert bits["columns"][1] - bits["columns"][0] == 2


def test_a_callable_has_no_length():
    hypotheses = hypotheses_of({"f": lambda d: d["x"]})
    with pytest.raises(InputError, match="callable and has no length"):
        rh.Simplicity().log_prior(hypotheses)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4).filter(any), st.floats(0.01, 100))
def test_weights_are_normalised_whatever_their_scale(weights, scale):
    a = rh.Elicited(dict(zip(H.names, weights, strict=True)), "x").log_prior(H)
    b = rh.Elicited(dict(zip(H.names, [w * scale for w in weights], strict=True)), "x").log_prior(H)
    np.testing.assert_allclose(np.exp(a), np.exp(b), atol=1e-14)


def test_wrong_priors():
    for make, words in (
        (lambda: rh.Elicited({"a": 1}, ""), "source: missing"),
        (lambda: rh.Elicited({"a": -1}, "x"), "0 or more"),
        (lambda: rh.Elicited({}, "x"), "weights: missing"),
        (lambda: rh.Elicited({"a": 1}, "x", math.inf), "strength"),
        (lambda: ANN**-1, "power"),
        (lambda: rh.Simplicity("latin"), "unknown"),
        (lambda: rh.Simplicity({"name": "rules", "costs": {}}), "name of its own"),
        (lambda: rh.Simplicity({"name": "m", "costs": {"flags": -1}}), "from 0 to 1e9"),
        (lambda: rh.Elicited({"flag": 1}, "x").log_prior(H), "did you mean 'flags'"),
    ):
        with pytest.raises(InputError, match=words):
            make()
