"""The posterior as a tree: what fit() gives, what it becomes when saved and read, and what is computed from it."""

import json
import math
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from studies import HERE, TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.inference.special import log_incomplete_beta

EXAMPLE = HERE / "example"
TEXTS = {
    "red paint": "where(red_paint, 100, -100)",
    "flags": "where(flags, 100, -100) - 50*crater",
    "both": "where(red_paint & flags, 100, -20)",
    "level ground": "where(~crater & (slope < 4), 100, -100)",
}
WEIGHTS = {"flags": 8, "red paint": 1, "both": 2, "level ground": 1}
ANN = rh.Elicited(WEIGHTS, "Ann", 20)
BOB = rh.Elicited(dict.fromkeys(WEIGHTS, 1), "Bob", 5)
PRIORS = [ANN, rh.Elicited(WEIGHTS, "fixed"), rh.LinearPool([ANN, BOB], [2, 1]), rh.log_pool([ANN, BOB], [1, 1])]


@pytest.fixture(scope="module")
def train():
    return rh.read_table(EXAMPLE / "training.csv")


@pytest.fixture(scope="module")
def test():
    return rh.read_table(EXAMPLE / "shifted.csv")


@pytest.fixture(scope="module")
def tree(train):
    return rh.fit(TEXTS, ANN, [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=0.0, random_seed=1)


GROUPS = {
    "posterior",
    "prior",
    "evidence",
    "sample_stats",
    "posterior_predictive",
    "prior_predictive",
    "observed_data",
    "constant_data",
}


def test_groups(tree):
    assert set(tree.children) == GROUPS
    posterior = tree["posterior"]
    assert posterior["weight"].dims == posterior["labels_eps"].dims == ("chain", "draw", "hypothesis")
    assert posterior.sizes == {"chain": 4, "draw": 1000, "hypothesis": 4}
    assert set(tree["prior"].data_vars) == set(posterior.data_vars)
    assert posterior["hypothesis"].to_numpy().tolist() == list(TEXTS)
    assert tree["posterior_predictive"]["labels"].sizes == {"chain": 4, "draw": 50, "labels_item": 40}
    assert tree["posterior_predictive"]["draw"].to_numpy().tolist() == list(range(50))
    assert tree["observed_data"]["labels"].dtype == bool
    assert set(tree["constant_data"].data_vars) == {f"labels_{c}" for c in ("red_paint", "flags", "crater", "slope")}
    assert tree["sample_stats"].attrs["method"] == "exact" and not tree["sample_stats"].data_vars
    assert json.loads(tree.attrs["study"])["prior"]["source"] == "Ann"
    assert not tree["evidence"]["mcse"].to_numpy().any()


def test_noise_is_drawn_once_for_each_number_of_wrong_labels():
    """Rules that are wrong as often share their draws, before and after; each column has its own distribution."""
    rng = np.random.default_rng(3)
    x = rng.random((20, 100)) < 0.5
    said = x[0] ^ (rng.random(100) < 0.1)
    data = {f"x{k}": column for k, column in enumerate(x)} | {"said": said}
    rules = {f"{a}{k}": f"where({a}x{k}, 1, -1)" for k in range(20) for a in ("", "~")}
    tree = rh.fit(rules, rh.Uniform("a test"), [rh.Labels(data, "said", noise=(2, 6))], 0.0)
    wrong = np.array([(column ^ said).sum() for row in x for column in (row, ~row)])
    assert len(set(wrong)) < 30
    for group, given in (("posterior", wrong), ("prior", 0 * wrong)):
        eps = tree[group]["labels_eps"].to_numpy().reshape(-1, len(wrong))
        assert len({column.tobytes() for column in eps.T}) == len(set(wrong))
        for k in set(wrong.tolist()):
            column, p = eps[:, wrong == k], 2 + int(given[wrong == k][0])
            q = 8 + (100 if group == "posterior" else 0) - p
            assert (column == column[:, :1]).all()
            below = stats.beta.cdf(column[:, 0], p, q) / stats.beta.cdf(0.5, p, q)
            assert stats.kstest(below, "uniform").pvalue > 2e-6  # some 50 columns: an alarm in 1e4 runs


@pytest.mark.parametrize("name", ["study", "abstain"])
def test_the_same_numbers_as_the_study(name, train, test):
    document = rh.run(EXAMPLE / f"{name}.toml")
    line = {"red paint": 0, "flags": 0, "both": -30, "level ground": 0} if name == "abstain" else 0
    fitted = rh.fit(
        TEXTS, rh.Elicited(WEIGHTS, "x"), [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=line, random_seed=1
    )
    policy = rh.Commit(abstain=name == "abstain")
    risk = rh.catastrophe_risk(fitted, test, policy=policy, agent=rh.Uniform())
    for key in ("mean", "limit", "floor", "abstained", "regret", "se_scenes"):
        assert float(risk[key]) == document["risk"][key], key
    for a in TEXTS:
        assert float(risk["by_truth"].sel(hypothesis=a)) == document["risk_by_truth"][a]
        for b in TEXTS:
            assert float(risk["matrix"].sel(agent_hypothesis=a, true_hypothesis=b)) == document["matrix"][a][b]
    assert math.isnan(risk["lower"]) and document["risk"]["lower"] is None
    for t, bits in document["value_bits"].items():
        found = rh.value_bits(fitted, test, target=float(t), policy=policy)
        assert float(found["bits"]) == (math.inf if bits is None else bits)
        assert bool(found.attrs["reason"]) == (bits is None)
    for e, bounds in document["risk_bounds"].items():
        assert list(rh.risk_bounds(fitted, test, float(e), policy=policy, agent=rh.Uniform())) == bounds


def test_same_seed_same_interval_as_json(tmp_path):
    document = rh.run(write(tmp_path, small(agent={"prior": "uniform"}, seed=3), training=TRAINING, test=TEST))
    table = rh.read_table(tmp_path / "training.csv")
    hypotheses = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}
    prior = rh.Elicited({"flags": 8, "red paint": 1}, "a test", 20)
    for draws in (1000, 10):  # few draws in the tree: the interval comes from 4,000 all the same
        tree = rh.fit(
            hypotheses, prior, [rh.Labels(table, "is_pad", noise=(1, 19))], fail_utility=0, random_seed=3, draws=draws
        )
        risk = rh.catastrophe_risk(tree, rh.read_table(tmp_path / "test.csv"), agent=rh.Uniform())
        for key in ("lower", "upper", "mcse_lower", "mcse_upper", "mean"):
            assert float(risk[key]) == document["risk"][key]
        assert risk["risk"].sizes == {"chain": 4, "draw": draws}


@pytest.mark.parametrize("prior", PRIORS, ids=lambda p: p.name)
def test_draws_average_to_the_posterior_weight(prior, train):
    tree = rh.fit(
        TEXTS, prior, [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=0.0, draws=20_000, random_seed=2
    )
    for group, want in (("posterior", tree["evidence"]["weight"]), ("prior", tree["evidence"]["prior"])):
        draws = tree[group]["weight"].stack(sample=("chain", "draw"))
        error = draws.std("sample") / math.sqrt(draws.sizes["sample"]) + 1e-12
        assert float((np.abs(draws.mean("sample") - want) / error).max()) < 5


def test_nuisances_are_draws_given_the_data(tree, train):
    """Mean of eps given k wrong of n: B(1/2; p + 1, q) / B(1/2; p, q)."""
    predicted = train["red_paint"].to_numpy()
    wrong, n = int((predicted != train["is_pad"].to_numpy()).sum()), train.sizes["scene"]
    for group, p, q in (("posterior", 1.0 + wrong, 19.0 + n - wrong), ("prior", 1.0, 19.0)):
        draws = tree[group]["labels_eps"].sel(hypothesis="red paint").to_numpy().ravel()
        want = math.exp(float(log_incomplete_beta(0.5, p + 1, q) - log_incomplete_beta(0.5, p, q)))
        assert abs(draws.mean() - want) < 5 * draws.std() / math.sqrt(len(draws))
        assert draws.max() < 0.5
    rewards = xr.Dataset({"x": ("scene", [1.0, 2.0, 3.0, 4.0]), "y": ("scene", [1.5, 1.5, 3.5, 4.5])})
    fitted = rh.fit({"x": "x"}, rh.Uniform("x"), [rh.Rewards(rewards, "y", sigma2=(3, 2))], fail_utility=0, draws=5000)
    draws = fitted["posterior"]["rewards_sigma2"].to_numpy().ravel()
    want = (2 + 1.0 / 2) / (3 + 2 - 1)  # inverse gamma with shape 3 + n/2 and scale 2 + S/2, S = 1
    assert abs(draws.mean() - want) < 5 * draws.std() / math.sqrt(len(draws))


def test_replications_against_closed_forms(train):
    """Prior predictive: a label is true where h predicts it, flipped with the prior mean of eps."""
    tree = rh.fit(
        {"flags": "where(flags, 1, -1)"}, rh.Uniform("x"), [rh.Labels(train, "is_pad", noise=(2, 6))], fail_utility=0
    )
    flags = train["flags"].to_numpy()
    for group, theta in (("prior_predictive", "prior"), ("posterior_predictive", "posterior")):
        flipped = (tree[group]["labels"].to_numpy() != flags).mean(axis=2).ravel()
        eps = tree[theta]["labels_eps"].to_numpy()[:, :50, 0].ravel()
        error = math.sqrt(float((eps * (1 - eps)).mean()) / (flipped.size * len(flags)))
        assert abs(flipped.mean() - eps.mean()) < 5 * error


@pytest.mark.parametrize("kind", ["nc", "zarr"])
def test_saved_and_read(kind, tree, test, tmp_path):
    path = tmp_path / f"posterior.{kind}"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")  # of zarr itself, about its own format
        if kind == "nc":
            tree.to_netcdf(path)
            again = xr.open_datatree(path)
        else:
            tree.to_zarr(path, mode="w")
            again = xr.open_datatree(path, engine="zarr")
    assert again.attrs == tree.attrs and set(again.children) == set(tree.children)
    for group in tree.children:
        xr.testing.assert_identical(again[group].to_dataset(), tree[group].to_dataset())
    for policy in (rh.Commit(), rh.Expected(abstain=True), rh.Boltzmann(2.0)):
        xr.testing.assert_identical(
            rh.catastrophe_risk(again, test, policy, rh.Simplicity("letters")),
            rh.catastrophe_risk(tree, test, policy, rh.Simplicity("letters")),
        )
    again.close()


def test_predict(tree, test):
    for policy in (rh.Commit(), rh.Commit(abstain=True), rh.Expected(), rh.Boltzmann(1.0)):
        risk = rh.catastrophe_risk(tree, test, policy, rh.Uniform())
        found = rh.predict(tree, test, policy, rh.Uniform(), draws=4000, random_seed=5)
        group = found["predictions"]
        assert group["option"].dims == group["catastrophe"].dims == ("chain", "draw", "scene")
        by_draw = group["catastrophe"].mean("scene").to_numpy().ravel()
        assert abs(by_draw.mean() - float(risk["mean"])) < 5 * by_draw.std() / math.sqrt(len(by_draw))
        abstained = (group["option"] == -1).mean("scene").to_numpy().ravel()
        error = abstained.std() / math.sqrt(len(abstained)) + 1e-9
        assert abs(abstained.mean() - float(risk["abstained"])) < 5 * error
        assert not bool((group["catastrophe"] & (group["option"] == -1)).any())
    assert "red_paint" in found["predictions_constant_data"]


def test_predicted_options_are_positions_of_the_test():
    """Options that are not available keep their places."""
    train = {"x": np.array([1.0, -1.0]), "y": np.array([True, False])}
    test = xr.Dataset(
        {"x": (("scene", "option"), [[-1.0, 5.0, 1.0]]), "available": (("scene", "option"), [[True, False, True]])}
    )
    tree = rh.fit({"x": "x"}, rh.Uniform("a test"), [rh.Labels(train, "y", noise=0.1)], fail_utility=0)
    option = rh.predict(tree, test, draws=10)["predictions"]["option"]
    assert set(option.to_numpy().ravel().tolist()) == {2}


def test_index_draws(tree):
    found = rh.index_draws(tree)
    index = found["posterior"]["hypothesis_index"].to_numpy()
    evidence = tree["evidence"]
    np.testing.assert_array_equal(found["log_prior"]["hypothesis_index"], evidence["log_prior"].to_numpy()[index])
    np.testing.assert_array_equal(found["log_likelihood"]["data"][..., 0], evidence["log_evidence"].to_numpy()[index])
    share = np.bincount(index.ravel(), minlength=4) / index.size
    weight = evidence["weight"].to_numpy()
    assert (np.abs(share - weight) < 5 * np.sqrt(weight * (1 - weight) / index.size) + 1e-12).all()


def test_log_likelihood(train):
    labels = rh.Labels(train, "is_pad", noise=(1, 19))
    tree = rh.fit(TEXTS, ANN, [labels], fail_utility=0, log_likelihood=True)
    found = tree["log_likelihood"]["labels"]
    assert found.dims == ("chain", "draw", "hypothesis", "labels_item")
    assert tree["posterior"].sizes["chain"] * tree["posterior"].sizes["draw"] == 200
    eps = tree["posterior"]["labels_eps"]
    right = xr.DataArray(train["red_paint"].to_numpy() == train["is_pad"].to_numpy(), dims="labels_item")
    want = xr.where(right, np.log1p(-eps.sel(hypothesis="red paint")), np.log(eps.sel(hypothesis="red paint")))
    xr.testing.assert_allclose(
        found.sel(hypothesis="red paint").drop_vars("labels_item"), want.transpose("chain", "draw", "labels_item")
    )
    density = np.exp(tree["log_prior"]["labels_eps"].to_numpy())
    assert np.isfinite(density).all() and density.min() > 0
    # the harmonic identity E[1 / p(y | eps)] under the posterior is 1 / evidence; here the reverse, by the prior's draws
    many = (
        rh.fit(TEXTS, ANN, [labels], fail_utility=0, draws=20_000)["prior"]["labels_eps"]
        .sel(hypothesis="red paint")
        .to_numpy()
        .ravel()
    )
    wrong = int((~right).sum())
    likelihood = many**wrong * (1 - many) ** (len(right) - wrong)
    evidence = math.exp(float(tree["evidence"]["log_evidence"].sel(hypothesis="red paint")))
    assert abs(likelihood.mean() - evidence) < 5 * likelihood.std() / math.sqrt(len(many))


def test_callables_and_other_agents(train, test):
    texts = dict(TEXTS)
    plain = rh.fit(texts, ANN, [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=0.0)
    own = texts | {"flags": lambda d: 200.0 * d["flags"] - 100 - 50 * d["crater"]}
    tree = rh.fit(own, ANN, [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=0.0)
    np.testing.assert_array_equal(tree["evidence"]["log_evidence"], plain["evidence"]["log_evidence"])
    np.testing.assert_array_equal(*(rh.catastrophe_risk(one, test)["mean"] for one in (tree, plain)))
    del tree.attrs["callables"]  # as in another process
    with pytest.raises(rh.InputError, match="was a callable .*; pass hypotheses="):
        rh.catastrophe_risk(tree, test)
    risk = rh.catastrophe_risk(tree, test, hypotheses=own, agent=rh.Uniform())
    assert float(risk["mean"]) == float(rh.catastrophe_risk(plain, test, agent=rh.Uniform())["mean"])
    other = rh.fit(texts, BOB, [rh.Labels(train, "is_pad", noise=(1, 19))], fail_utility=0.0)
    read = rh.catastrophe_risk(plain, test, agent=other)
    assert float(read["mean"]) == float(rh.catastrophe_risk(plain, test, agent=BOB)["mean"])
    assert math.isnan(read["limit"]) and math.isnan(rh.value_bits(plain, test, agent=other)["bits"])


def test_wrong_calls(train, test, tree):
    labels = rh.Labels(train, "is_pad", noise=(1, 19))
    for make, words in (
        (lambda: rh.fit({}, ANN, [labels], 0), "no hypothesis"),
        (lambda: rh.fit(TEXTS, ANN, [], 0), "feedback: there is none"),
        (lambda: rh.fit(TEXTS, ANN, [labels], 0, method="smc"), "method: 'smc'"),
        (lambda: rh.fit(TEXTS, ANN, [labels], {"flags": 0}), "hypothesis 'red paint' has no value"),
        (lambda: rh.fit(TEXTS, ANN, [labels], 0, draws=0), "draws: 0; give a whole number from 1 on"),
        (lambda: rh.fit({**TEXTS, "both": "red_pant"}, ANN, [labels], 0), "no column 'red_pant'"),
        (lambda: rh.catastrophe_risk(xr.DataTree(), test), "fit\\(\\) did not make it"),
        (lambda: rh.catastrophe_risk(tree, test.drop_vars("flags")), "no column 'flags'"),
        (lambda: rh.catastrophe_risk(tree, test, agent="uniform"), "agent: a str"),
        (lambda: rh.catastrophe_risk(tree, test, hypotheses={"a": "1"}), "the tree has"),
        (lambda: rh.catastrophe_risk(tree, test, agent_fail_utility=math.nan), "agent_fail_utility"),
        (lambda: rh.risk_bounds(tree, test, 2.0), "contamination: 2.0"),
        (lambda: rh.risk_bounds(tree, test, "a"), "contamination: 'a'"),
        (lambda: rh.catastrophe_risk(tree, test, prob=2), "prob: 2"),
        (lambda: rh.catastrophe_risk(tree, test, deployments=(0,)), "deployments: 0"),
        (lambda: rh.predict(tree, test, draws=0), "draws: 0"),
        (lambda: rh.fit(TEXTS, ANN, [labels], 0, draws=2.5), "draws: 2.5"),
        (lambda: rh.fit(TEXTS, ANN, [labels], 0, chains="4"), "chains: '4'"),
        (lambda: rh.fit(TEXTS, ANN, [labels], 0, random_seed=-1), "random_seed: -1"),
        (lambda: rh.pymc_model(TEXTS, ANN, [labels], 0, nuisances={"labels_eps": 0.1}), "a function that returns it"),
        (lambda: rh.pymc_model(TEXTS, ANN, [labels], 0, nuisances={"labels_eps": lambda: None}), "returned None"),
    ):
        with pytest.raises(rh.InputError, match=words):
            make()


def test_run_writes_the_tree(tmp_path):
    study = write(tmp_path, small(), training=TRAINING, test=TEST)
    assert main(["run", str(study), "--json", "--out", str(tmp_path / "out")]) == 0
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    with xr.open_datatree(tmp_path / "out" / "posterior.nc") as tree:
        risk = rh.catastrophe_risk(tree, rh.read_table(tmp_path / "test.csv"), agent=rh.Uniform())
        for key in ("mean", "lower", "upper", "limit"):
            assert float(risk[key]) == document["risk"][key]
