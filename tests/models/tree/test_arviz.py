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


RNG = np.random.default_rng(0)
RED = RNG.random(60) < 0.5
TRAIN = {
    "red": RED,
    "flags": RED,
    "depth": np.where(RNG.random(60) < 0.85, 1, -1) * np.where(RED, 1.0, -1.0),
    "good": RED ^ (RNG.random(60) < 0.3),
    "seen": np.where(RED, 10.0, -10.0) + RNG.normal(0, 40, 60),
}


def fitted(method, **options):
    feedback = [rh.Labels(TRAIN, "good", noise=(1, 3)), rh.Rewards(TRAIN, "seen", sigma2=(2, 100))]
    prior = rh.Elicited({"red paint": 1, "flags": 6, "deep": 3}, "a test", 20)
    return rh.fit(TEXTS, prior, feedback, fail_utility=0, method=method, **{"random_seed": 2, **options})


@pytest.fixture(scope="module", params=["exact", "nuts"])
def tree(request):
    return fitted(request.param)


@pytest.fixture(scope="module", params=["exact", "nuts"])
def pointwise(request):
    return fitted(request.param, log_likelihood=True, random_seed=5)


def test_summary(tree):
    summary = az.summary(
        tree, var_names=["weight", "labels_eps", "rewards_sigma2"], round_to="none", ci_prob=0.95, ci_kind="eti"
    )
    weight = tree["evidence"]["weight"]
    for name in TEXTS:
        row = summary.loc[f"weight[{name}]"]
        assert abs(row["mean"] - float(weight.sel(hypothesis=name))) < 5 * row["mcse_mean"] + 1e-12
    assert (summary["r_hat"] <= 1.01).all() and (summary["ess_bulk"] >= 400).all()
    if tree.attrs["method"] == "exact":  # whose draws are independent
        assert (summary["ess_bulk"] > 3000).all()


PLOTS = {
    "forest": lambda t: az.plot_forest(t, var_names=["weight"], ci_probs=(0.5, 0.95)),
    "prior_posterior": lambda t: az.plot_prior_posterior(t, var_names=["weight"]),
    "dist": lambda t: az.plot_dist(t, var_names=["labels_eps"], ci_prob=0.95, ci_kind="eti"),
    "trace_dist": lambda t: az.plot_trace_dist(t, var_names=["rewards_sigma2"]),
    "rank": lambda t: az.plot_rank(t, var_names=["labels_eps"]),
    "ppc_dist": lambda t: az.plot_ppc_dist(t, var_names=["rewards"]),
    "ppc_pit": lambda t: az.plot_ppc_pit(t, var_names=["rewards"]),
    "ppc_tstat": lambda t: az.plot_ppc_tstat(t, var_names=["rewards"], t_stat="mean"),
    "ppc_pava": lambda t: az.plot_ppc_pava(t, var_names=["labels"]),
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots(name, tree, tmp_path):
    collection = PLOTS[name](tree)
    collection.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5_000
    matplotlib.pyplot.close("all")


def test_energy_is_of_a_sampler(tree, tmp_path):
    if tree.attrs["method"] == "exact":
        assert tree["sample_stats"].attrs["note"].startswith("draws are independent and exact")
        return
    az.plot_energy(tree).savefig(tmp_path / "figure.png")
    assert (az.bfmi(tree)["energy"] > 0.3).all()
    matplotlib.pyplot.close("all")


def test_one_hypothesis_at_a_time(pointwise):
    """loo given a hypothesis against the closed form, and exact ties between silent hypotheses."""
    trees = {name: rh.given(pointwise, name) for name in TEXTS}
    assert set(trees["flags"]["posterior"].data_vars) == {"labels_eps", "rewards_sigma2"}
    for variable, seen in (("labels", TRAIN["good"]), ("rewards", TRAIN["seen"])):
        table = az.compare(trees, var_name=variable, round_to="none")
        assert table.loc["red paint", "elpd"] == table.loc["flags", "elpd"] > table.loc["deep", "elpd"]
        for name, better in (("flags", RED), ("deep", TRAIN["depth"] > 0)):
            found = az.loo(trees[name], var_name=variable, pointwise=True)
            assert (found.pareto_k < 0.6).all()
            assert abs(float(found.elpd) - left_out(variable, better, seen)) < 0.5, (variable, name)
    with pytest.raises(rh.InputError, match="'flag' is no hypothesis; did you mean 'flags'"):
        rh.given(pointwise, "flag")
    with pytest.raises(rh.InputError, match="fit\\(\\) did not make it"):
        rh.catastrophe_risk(trees["flags"], {"depth": [0.0]})


def left_out(variable, better, seen):
    """``sum_i log p(y_i | all others, h)``, from differences of exact log evidences."""
    reward = np.where(better, 10.0, -10.0)
    total = 0.0
    for i in range(len(seen)):
        rest = np.arange(len(seen)) != i
        pair = []
        for kept in (np.ones(len(seen), bool), rest):
            data = {"r": reward[kept], "y": seen[kept]}
            kind = (
                rh.Labels(data, "y", noise=(1, 3)) if variable == "labels" else rh.Rewards(data, "y", sigma2=(2, 100))
            )
            found = rh.fit({"h": "r"}, rh.Uniform("x"), [kind], fail_utility=0, draws=1)
            pair.append(float(found["evidence"]["log_evidence"][0]))
        total += pair[0] - pair[1]
    return total


def test_psense_of_the_index(tree):
    """ArviZ's power-scaling on draws of the index: the prior matters, and where data are silent they do not."""
    found = az.psense_summary(rh.index_draws(tree), round_to=6)
    row = found.loc["hypothesis_index"]
    assert row["prior"] > 0.05
    silent = {name: TEXTS[name] for name in ("red paint", "flags")}
    labels = [rh.Labels(TRAIN, "good", noise=(1, 3))]
    method = tree.attrs["method"]
    values = rh.Elicited({"red paint": 1, "flags": 6}, "a test", 20)
    both = rh.fit(silent, values, labels, fail_utility=0, random_seed=2, method=method)
    row = az.psense_summary(rh.index_draws(both), round_to=6).loc["hypothesis_index"]
    assert row["prior"] > 0.05 and row["likelihood"] < 1e-4
    assert "weak likelihood" in row["diagnosis"]


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
    assert (found["log_prior"]["hypothesis_index"].to_numpy().ravel() == y).all()
    assert abs(products.mean() - exact) < 5 * products.std() / math.sqrt(len(products))


def test_loo_is_not_offered(tree):
    """The observations of the mixture are not independent given its parameters: there is no group to mislead with."""
    assert "log_likelihood" not in tree.children
