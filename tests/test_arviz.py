"""What ArviZ does with a tree: every call that the docs name, with warnings as errors."""

import math
import warnings

import matplotlib
import numpy as np
import pytest

import reward_hypotheses as rh

matplotlib.use("Agg")
with warnings.catch_warnings():  # of its own dependencies, on import
    warnings.simplefilter("ignore")
    import arviz as az

TEXTS = {
    "red paint": "where(red, 10, -10)",
    "flags": "where(flags, 10, -10)",
    "deep": "where(depth > 0, 10, -10)",
}


@pytest.fixture(scope="module")
def tree():
    rng = np.random.default_rng(0)
    red = rng.random(60) < 0.5
    depth = np.where(rng.random(60) < 0.75, 1, -1) * np.where(red, 1.0, -1.0)
    train = {
        "red": red,
        "flags": red,
        "depth": depth,
        "good": red ^ (rng.random(60) < 0.1),
        "seen": np.where(red, 10.0, -10.0) + rng.normal(0, 12, 60),
    }
    feedback = [rh.Labels(train, "good", noise=(1, 3)), rh.Rewards(train, "seen", sigma2=(2, 100))]
    prior = rh.Elicited({"red paint": 1, "flags": 6, "deep": 3}, "a test", 20)
    return rh.fit(TEXTS, prior, feedback, fail_utility=0, random_seed=2)


def test_summary(tree):
    summary = az.summary(
        tree, var_names=["weight", "labels_eps", "rewards_sigma2"], round_to="none", ci_prob=0.95, ci_kind="eti"
    )
    weight = tree["evidence"]["weight"]
    for name in TEXTS:
        row = summary.loc[f"weight[{name}]"]
        assert abs(row["mean"] - float(weight.sel(hypothesis=name))) < 5 * row["mcse_mean"] + 1e-12
    assert (summary["r_hat"] < 1.01).all() and (summary["ess_bulk"] > 3000).all()  # exact draws are independent


@pytest.mark.parametrize(
    "plot",
    [
        lambda t: az.plot_forest(t, var_names=["weight"], ci_probs=(0.5, 0.95)),
        lambda t: az.plot_dist(t, var_names=["labels_eps"], ci_prob=0.95, ci_kind="eti"),
        lambda t: az.plot_trace_dist(t, var_names=["rewards_sigma2"]),
        lambda t: az.plot_ppc_dist(t, var_names=["rewards"]),
        lambda t: az.plot_ppc_pit(t, var_names=["rewards"]),
        lambda t: az.plot_ppc_tstat(t, var_names=["rewards"], t_stat="mean"),
        lambda t: az.plot_ppc_pava(t, var_names=["labels"]),
    ],
    ids=["forest", "dist", "trace_dist", "ppc_dist", "ppc_pit", "ppc_tstat", "ppc_pava"],
)
def test_plots(plot, tree, tmp_path):
    collection = plot(tree)
    collection.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    matplotlib.pyplot.close("all")


def test_power_scaling_of_the_index(tree):
    """Power-scaling the prior of the index moves the mean of d(h) by Cov_v(d, log pi): ArviZ's weights against the exact."""
    found = rh.index_draws(tree)
    index = found["posterior"]["hypothesis_index"].to_numpy().ravel()
    log_prior = tree["evidence"]["log_prior"].to_numpy()
    v = tree["evidence"]["weight"].to_numpy()
    d = np.array([1.0, 0.0, 0.5])
    exact = v @ (d * log_prior) - (v @ d) * (v @ log_prior)
    x, y = d[index], log_prior[index]
    products = (x - x.mean()) * (y - y.mean())
    assert abs(products.mean() - exact) < 5 * products.std() / math.sqrt(len(products))


def test_loo_is_not_offered(tree):
    """The observations of the mixture are not independent given its parameters: there is no group to mislead with."""
    assert "log_likelihood" not in tree.children
