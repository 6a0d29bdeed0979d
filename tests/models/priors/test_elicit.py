"""Weights and strength from stated quantiles, against scipy's beta distribution."""

import builtins

import numpy as np
import pytest
from scipy import optimize, stats

import reward_hypotheses as rh
from reward_hypotheses.models.priors.quantiles import beta_quantile

LEVELS = (0.05, 0.5, 0.95)


@pytest.mark.parametrize("seed", range(30))
def test_quantiles_of_a_beta(seed):
    rng = np.random.default_rng(seed)
    (a, b), p = np.exp(rng.normal(1, 1.5, 2)), float(rng.uniform(0.01, 0.99))
    assert beta_quantile(p, a, b) == pytest.approx(float(stats.beta.ppf(p, a, b)), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_quantiles_of_a_dirichlet_give_it_back(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 4))
    alpha = np.exp(rng.normal(1, 0.8, n))
    total = alpha.sum()
    stated = {f"h{i}": {p: float(stats.beta.ppf(p, a, total - a)) for p in LEVELS} for i, a in enumerate(alpha)}
    found = rh.elicit(stated, "a test")
    assert found.misfit < 1e-6
    np.testing.assert_allclose(list(found.prior.weights.values()), alpha / total, rtol=1e-4)
    assert found.prior.strength == pytest.approx(total, rel=1e-4)


def test_what_no_dirichlet_has_is_fitted_and_said():
    stated = {"a": {0.05: 0.3, 0.95: 0.7}, "b": {0.05: 0.1, 0.95: 0.5}, "c": {0.05: 0.2, 0.95: 0.3}}
    found = rh.elicit(stated, "a test")

    def squares(log_alpha):
        alpha = np.exp(log_alpha)
        gaps = [
            stats.beta.ppf(p, a, alpha.sum() - a) - x
            for a, given in zip(alpha, stated.values(), strict=True)
            for p, x in given.items()
        ]
        return float(np.square(gaps).sum())

    alpha = np.array(list(found.prior.weights.values())) * found.prior.strength
    best = optimize.minimize(squares, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    assert squares(np.log(alpha)) <= best.fun + 1e-9
    gaps = [abs(found.fitted[n][p] - x) for n, given in stated.items() for p, x in given.items()]
    assert found.misfit == pytest.approx(max(gaps)) and found.misfit > 0.02


def test_a_sentence():
    """Two numbers about flags say all of two hypotheses."""
    found = rh.elicit({"flags": {0.05: 0.6, 0.95: 0.95}, "red paint": {}}, "the operator", "Ann")
    a, b = (found.prior.strength * found.prior.weights[name] for name in ("flags", "red paint"))
    np.testing.assert_allclose(stats.beta.ppf([0.05, 0.95], a, b), [0.6, 0.95], atol=1e-6)
    assert found.misfit < 1e-6 and found.prior.label == "Ann" and found.prior.source == "the operator"


BAD = {
    "no source": ({"a": {0.05: 0.2, 0.95: 0.5}, "b": {}}, "", "source: missing"),
    "one hypothesis": ({"a": {0.05: 0.2, 0.95: 0.5}}, "x", "two at least"),
    "a number": ({"a": 0.5, "b": {}}, "x", "'a': 0.5; give"),
    "per cent": ({"a": {5: 0.2, 95: 0.5}, "b": {}}, "x", "above 0 and below 1"),
    "a weight of 1": ({"a": {0.05: 0.2, 0.95: 1}, "b": {}}, "x", "above 0 and below 1"),
    "falling": ({"a": {0.05: 0.5, 0.95: 0.2}, "b": {}}, "x", "does not rise"),
    "too few": ({"a": {0.05: 0.2, 0.95: 0.5}, "b": {}, "c": {}}, "x", "2 of 3 hypotheses"),
    "no spread": ({"a": {0.5: 0.2}, "b": {0.5: 0.8}}, "x", "two of one of them"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    quantiles, source, message = BAD[name]
    with pytest.raises(rh.InputError) as refused:
        rh.elicit(quantiles, source)
    assert message in str(refused.value)


def test_preliz_is_asked_for_only_when_used(monkeypatch):
    found = rh.elicit({"a": {0.05: 0.2, 0.95: 0.5}, "b": {}}, "x")
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "preliz":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(rh.InputError, match=r"pip install 'reward-hypotheses\[elicit\]'"):
        found.to_preliz()
