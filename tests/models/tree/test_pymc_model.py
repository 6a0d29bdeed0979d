"""The model in PyMC against the exact posterior: its density point by point, and its draws."""

import math
import warnings

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.models.inference.special import log_incomplete_beta

with warnings.catch_warnings():  # of its own dependencies, on import
    warnings.simplefilter("ignore")
    import arviz as az
    import pymc as pm

RNG = np.random.default_rng(3)
RED = RNG.random(30) < 0.5
DATA = {
    "red": RED,
    "flags": RED,
    "deep": RNG.random(30) < 0.5,
    "good": RED ^ (RNG.random(30) < 0.2),
    "seen": np.where(RED, 1.0, -1.0) + RNG.normal(0, 1.5, 30),
}
TEXTS = {
    "red": "where(red, 1, -1)",
    "flags": "where(flags, 1, -1)",
    "deep": "where(deep, 1, -1)",
    "never": "where(deep, -1, 1)",
}
PRIOR = rh.Elicited({"red": 1, "flags": 3, "deep": 2, "never": 0}, "a test", 10)
FEEDBACK = [rh.Labels(DATA, "good", noise=(2, 6)), rh.Rewards(DATA, "seen", sigma2=(3, 4))]


@pytest.fixture(scope="module")
def model():
    return rh.pymc_model(TEXTS, PRIOR, FEEDBACK, fail_utility=0)


def test_its_parts(model):
    assert list(model.coords["hypothesis"]) == ["red", "flags", "deep"]  # one of weight 0 is left out
    assert {v.name for v in model.free_RVs} == {"value_prior", "labels_eps", "rewards_sigma2"}
    assert {"labels_inputs", "labels_observed", "rewards_inputs", "rewards_observed"} <= set(model.named_vars)
    assert {d.name for d in model.deterministics} == {"log_likelihood_of", "weight"}


def test_density_point_by_point(model):
    """log p(D | pi, theta) = log sum_h pi_h prod p(D_k | h, theta), in plain arithmetic."""
    evaluate = model.compile_fn(
        [model["feedback"], model["weight"]], inputs=model.free_RVs, mode="FAST_COMPILE", point_fn=False
    )
    predicted = [DATA[n] for n in ("red", "flags", "deep")]
    for _ in range(5):
        pi = RNG.dirichlet(np.ones(3))
        eps, sigma2 = RNG.uniform(0.01, 0.49, 3), RNG.uniform(0.5, 3, 3)
        log_terms = []
        for h in range(3):
            right = predicted[h] == DATA["good"]
            labels = sum(math.log(1 - eps[h]) if r else math.log(eps[h]) for r in right)
            reward = np.where(predicted[h], 1.0, -1.0)
            rewards = sum(
                -0.5 * math.log(2 * math.pi * sigma2[h]) - (y - r) ** 2 / (2 * sigma2[h])
                for y, r in zip(DATA["seen"], reward, strict=True)
            )
            log_terms.append(math.log(pi[h]) + labels + rewards)
        want = math.log(sum(math.exp(t) for t in log_terms))
        given = {"value_prior": pi, "labels_eps": eps, "rewards_sigma2": sigma2}
        got, weights = evaluate(*(given[v.name] for v in model.free_RVs))
        assert float(got) == pytest.approx(want, abs=1e-9)
        np.testing.assert_allclose(weights, np.exp(np.array(log_terms) - want), rtol=1e-9)


def test_the_prior_of_the_noise_is_cut_at_one_half(model):
    """Its density is that of the exact path: Beta(2, 6) over its mass below 1/2."""
    with pm.Model(coords={"hypothesis": ["h"]}):
        eps = FEEDBACK[0].pymc_nuisances("labels")["eps"]
        x = np.array([0.2])
        got = pm.logp(eps, x).eval()
    want = FEEDBACK[0].log_prior({"eps": x})["eps"]
    np.testing.assert_allclose(got, want, atol=1e-6)  # PyMC's incomplete beta function is that exact
    assert float(log_incomplete_beta(0.5, 2.0, 6.0)) < 0


def test_pools_and_fixed_values():
    pool = rh.LinearPool([PRIOR, rh.Elicited({"red": 1, "flags": 1, "deep": 1, "never": 0}, "fixed")], [1, 1])
    model = rh.pymc_model(TEXTS, pool, FEEDBACK[:1], fail_utility=0)
    assert {v.name for v in model.free_RVs} == {"value_prior_0", "labels_eps"}
    assert "value_prior" in {d.name for d in model.deterministics}
    fixed = rh.pymc_model(TEXTS, rh.Uniform("x"), [rh.Labels(DATA, "good", noise=0.1)], fail_utility=0)
    assert not fixed.free_RVs  # nothing to sample: the exact path is there for it
    with pytest.raises(rh.InputError, match="no column 'rde'"):
        rh.pymc_model({"a": "rde"}, rh.Uniform("x"), FEEDBACK, fail_utility=0)


def test_nuisances_of_ones_own(model):
    """The same prior given by hand is the same density; one that differs by item too; an unknown one is refused."""

    def eps():
        return FEEDBACK[0].pymc_nuisances("labels")["eps"]

    def eps_by_item():
        return eps()[:, None] * np.ones(30)

    point = {"value_prior": np.array([0.2, 0.5, 0.3]), "labels_eps": np.full(3, 0.2), "rewards_sigma2": np.full(3, 2.0)}

    def density(of):
        evaluate = of.compile_fn(of["feedback"], inputs=of.free_RVs, mode="FAST_COMPILE", point_fn=False)
        return float(evaluate(*(point[v.name] for v in of.free_RVs)))

    for make in (eps, eps_by_item):
        own = rh.pymc_model(TEXTS, PRIOR, FEEDBACK, fail_utility=0, nuisances={"labels_eps": make})
        assert density(own) == pytest.approx(density(model), abs=1e-9)
    with pytest.raises(rh.InputError, match="nuisances: 'label_eps' is none of this model; did you mean 'labels_eps'"):
        rh.pymc_model(TEXTS, PRIOR, FEEDBACK, fail_utility=0, nuisances={"label_eps": eps})


@pytest.mark.slow
def test_sampled_weights_agree_with_the_exact_ones():
    """Two hypotheses of moderate weight and two that are silent; nothing of the exact path is in the sampled one."""
    few = {name: values[:8] for name, values in DATA.items()}
    few["deep"] = few["red"] ^ (np.arange(8) % 4 == 0)
    feedback = [rh.Labels(few, "good", noise=(2, 6))]
    exact = rh.fit(TEXTS, PRIOR, feedback, fail_utility=0)["evidence"]["weight"]
    with rh.pymc_model(TEXTS, PRIOR, feedback, fail_utility=0):
        tree = pm.sample(4000, chains=4, random_seed=5, progressbar=False)
    assert not tree["sample_stats"]["diverging"].any()
    summary = az.summary(tree, var_names=["weight"], round_to="none", ci_prob=0.89, ci_kind="eti")
    for name in ("red", "flags", "deep"):
        row = summary.loc[f"weight[{name}]"]
        assert row["ess_bulk"] > 1000 and row["r_hat"] <= 1.01
        assert 0.02 < float(exact.sel(hypothesis=name)) < 0.98
        assert abs(row["mean"] - float(exact.sel(hypothesis=name))) < 5 * row["mcse_mean"], name
