"""Rewards with continuous weights: against brute force over their draws, closed forms, and NUTS; what is refused."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from linear_cases import SOURCE, choosing, fitted

import reward_hypotheses as rh


def evidence_of(tree, name="family"):
    found = tree["evidence"].to_dataset().sel(hypothesis=name)
    return float(found["log_evidence"]), float(found["mcse"])


def draws_of(tree):
    return tree["posterior"]["reward_weight"].to_numpy().reshape(-1, tree["posterior"].sizes["feature"])


KINDS = {
    "choices": lambda t: rh.Choices(t, "chosen"),
    "rankings": lambda t: rh.Rankings(t, "rank"),
    "stops": lambda t: rh.Stops(t, "stopped"),
    "ratings": lambda t: rh.Ratings(t, "grade", grades=[0, 1, 2]),
    "labels": lambda t: rh.Labels(t, "good", noise=(1, 9)),
    "rewards": lambda t: rh.Rewards(t, "seen", sigma2=(3, 0.2)),
}


@pytest.mark.parametrize("prior", ["sphere", {"normal": 1.5}])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_finds_the_weights(kind, prior):
    tree = fitted(choosing(1), [KINDS[kind](choosing(1))], prior=prior)
    w = draws_of(tree)
    direction = w.mean(axis=0) / np.linalg.norm(w.mean(axis=0))
    assert direction @ [2 / math.sqrt(5), -1 / math.sqrt(5)] > 0.95
    assert evidence_of(tree)[1] < 0.1
    if prior == "sphere":
        np.testing.assert_allclose((w**2).sum(axis=1), 1.0, rtol=1e-12)
    families = json.loads(tree.attrs["families"])["family"]
    assert families["method"] in (("prior", "smc") if kind == "labels" else ("laplace",))
    assert families["k_hat"] is None or families["k_hat"] <= 0.7
    assert set(tree["posterior_predictive"]) == {kind} == set(tree["prior_predictive"])


def test_evidence_of_one_choice_is_known():
    """Of one comparison every direction is as likely as its opposite, so it is log 1/2, whatever the rationality."""
    table = {"x": [[0.3, 1.0]], "y": [[2.0, 0.5]], "chosen": [[True, False]]}
    for prior in ("sphere", {"normal": 2.0}):
        value, error = evidence_of(fitted(table, [rh.Choices(table, "chosen")], prior=prior))
        assert abs(value + math.log(2)) < 5 * error + 1e-9


def test_feedbacks_multiply_inside_the_integral():
    table = choosing(2, scenes=6)
    feedback = [rh.Choices(table, "chosen"), rh.Rankings(table, "rank")]
    together, error = evidence_of(fitted(table, feedback))
    apart = sum(evidence_of(fitted(table, [one]))[0] for one in feedback)
    assert together > apart + 0.2 + 5 * error  # both are about one direction
    tree = fitted(table, feedback)
    assert float(tree["evidence"]["log_evidence"].sel(hypothesis="family")) == together


def test_a_feature_in_other_units_changes_nothing():
    table = choosing(3)
    other = table | {"x": 1000 * table["x"] + 5}
    a, b = (evidence_of(fitted(t, [rh.Choices(t, "chosen")])) for t in (table, other))
    assert abs(a[0] - b[0]) < 1e-6


def test_under_a_normal_prior_the_length_is_the_rationality():
    table = choosing(4, beta=1.0)
    trees = [
        fitted(table, [rh.Choices(table, "chosen", rationality=r)], prior={"normal": 1.0}) for r in (None, 0.1, 7.0)
    ]
    assert len({evidence_of(tree)[0] for tree in trees}) == 1
    assert (trees[0]["posterior"]["choices_rationality"].sel(hypothesis="family") == 1).all()


def test_a_family_of_one_feature_is_two_hypotheses():
    """On the sphere one weight is 1 or -1: half of each evidence."""
    table = choosing(5, scenes=8, weights=(0.6, 0.0))
    tree = fitted(table, [rh.Choices(table, "chosen")], features=["x"], hypotheses={"up": "x", "down": "-x"})
    log_evidence = tree["evidence"]["log_evidence"].to_numpy()
    want = np.logaddexp(log_evidence[1], log_evidence[2]) - math.log(2)
    assert abs(log_evidence[0] - want) < 5 * evidence_of(tree)[1] + 1e-9


def by_hand(tree, test, line, draws=400):
    """C between draws of the family, in plain numpy: (agent's draw, true draw)."""
    w = draws_of(tree)
    scale = tree["constant_data"]["reward_weight_scale"].to_numpy()
    reward = np.einsum("dk,ksO->dsO", w[:draws] / scale, np.stack([test["x"], test["y"]]))
    best = reward.argmax(axis=2)
    worse = reward < line
    taken = np.take_along_axis(worse[None], best[:, None, :, None], axis=3)[..., 0]
    return taken.mean(axis=2)


def test_risk_matrix_and_deployments_against_all_pairs_of_draws():
    table, test = choosing(6, scenes=10), choosing(7, scenes=60, options=4)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail=-0.4)
    risk = rh.catastrophe_risk(tree, test, deployments=[1, 5, 50])
    pairs = by_hand(tree, test, -0.4)
    apart = ~np.eye(len(pairs), dtype=bool)
    for deployments in (1, 5, 50):
        want = 1 - (1 - pairs) ** deployments
        spread = math.sqrt((want.mean(axis=0).var() + want.mean(axis=1).var()) / len(pairs))
        got = float(risk["at_least_one"].sel(deployments=deployments))
        error = math.hypot(spread, float(risk["at_least_one_mcse"].sel(deployments=deployments)))
        assert abs(got - want[apart].mean()) < 5 * error
    assert 0 < float(risk["mcse"]) < 0.02
    assert float(risk["matrix"][0, 0]) == pytest.approx(float(risk["mean"]), abs=1e-12)


@pytest.mark.parametrize(
    "policy",
    [rh.Commit(), rh.Commit(abstain=True), rh.Boltzmann(2.0), rh.Boltzmann(2.0, abstain=True), rh.MostProbable()],
)
def test_a_family_acts_as_its_draws_do(policy):
    """The same numbers from hypotheses that are the draws, each with its share of the weight."""
    table, test = choosing(8, scenes=10), choosing(9, scenes=30, options=4)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail=-0.4, draws=50, chains=4)
    w = draws_of(tree) / tree["constant_data"]["reward_weight_scale"].to_numpy()
    agents, judges = w[0::2], w[1::2]  # 100 of each
    risk = rh.catastrophe_risk(tree, test, policy=policy)
    names = {
        f"{role} {i}": f"({a!r})*x + ({b!r})*y"
        for role, some in (("agent", agents), ("judge", judges))
        for i, (a, b) in enumerate(some.tolist())
    }
    told = {"x": [0.0], "y": [0.0], "good": [False]}
    flat = rh.fit(names, rh.Uniform(SOURCE), [rh.Labels(told, "good", noise=0.1)], fail_utility=-0.4)
    alone = rh.Commit() if isinstance(policy, rh.MostProbable) else policy  # of one hypothesis they do the same
    matrix = rh.catastrophe_risk(flat, test, policy=alone)["matrix"].to_numpy()
    assert float(risk["matrix"][0, 0]) == pytest.approx(matrix[:100, 100:].mean(), abs=1e-12)


def test_expected_acts_by_the_mean_weights():
    table, test = choosing(10, scenes=10), choosing(11, scenes=30, options=4)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail=-0.4)
    risk = rh.catastrophe_risk(tree, test, policy=rh.Expected())
    w, scale = draws_of(tree), tree["constant_data"]["reward_weight_scale"].to_numpy()
    reward = np.einsum("k,ksO->sO", w.mean(axis=0) / scale, np.stack([test["x"], test["y"]]))
    best = reward.argmax(axis=1)
    each = np.einsum("dk,ksO->dsO", w[1::2] / scale, np.stack([test["x"], test["y"]]))
    want = (each[:, np.arange(30), best] < -0.4).mean()
    assert float(risk["mean"]) == pytest.approx(want, abs=1e-12)
    assert np.isfinite(float(risk["regret"])) and float(risk["regret"]) > 0


def test_predictions_follow_the_risk():
    table, test = choosing(6, scenes=10), choosing(7, scenes=60, options=4)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail=-0.4, hypotheses={"x": "x"})
    risk = rh.catastrophe_risk(tree, test)
    drawn = rh.predict(tree, test, draws=2000)["predictions"]["catastrophe"].mean("scene").to_numpy()
    error = math.hypot(drawn.std() / math.sqrt(2000), float(risk["mcse"]))
    assert abs(drawn.mean() - float(risk["mean"])) < 5 * error


def test_bits_and_bounds_take_a_family_as_one_hypothesis():
    table, test = choosing(12, scenes=4), choosing(13, scenes=50)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail=-1.0, hypotheses={"y": "y"})
    bits = rh.value_bits(tree, test, 0.05)
    assert bits.sizes == {"hypothesis": 2}
    lower, upper = rh.risk_bounds(tree, test, 0.1)
    mean = float(rh.catastrophe_risk(tree, test)["mean"])
    assert lower <= mean <= upper


def test_saved_and_read_back_it_is_the_same(tmp_path):
    table, test = choosing(14), choosing(15)
    tree = fitted(table, [rh.Choices(table, "chosen"), rh.Stops(table, "stopped")], hypotheses={"x": "x"})
    tree.to_netcdf(tmp_path / "a.nc")
    tree.to_zarr(tmp_path / "a.zarr", mode="w", consolidated=False)
    for path in ("a.nc", "a.zarr"):
        with xr.open_datatree(
            tmp_path / path, **({"engine": "zarr", "consolidated": False} if path.endswith("zarr") else {})
        ) as back:
            xr.testing.assert_identical(rh.catastrophe_risk(tree, test), rh.catastrophe_risk(back, test))
            xr.testing.assert_identical(rh.silent_directions(tree, test), rh.silent_directions(back, test))


def test_an_agent_read_from_a_tree_of_the_same_family_has_weights_of_its_own():
    table, other, test = choosing(16), choosing(17, weights=(-1.0, 0.3)), choosing(18, scenes=100)
    judge, agent = (fitted(t, [rh.Choices(t, "chosen")], fail=-0.3) for t in (table, other))
    same, apart = rh.catastrophe_risk(judge, test), rh.catastrophe_risk(judge, test, agent=agent)
    assert float(apart["mean"]) > float(same["mean"]) + 0.2
    assert apart["agent_hypothesis"].values.tolist() == ["family"]


def test_without_a_failure_line_it_may_be_an_agent_and_no_judge():
    table, test = choosing(19), choosing(20)
    values = rh.Elicited({"family": 0, "x": 1}, SOURCE)
    tree = fitted(table, [rh.Choices(table, "chosen")], fail={"x": -0.5}, hypotheses={"x": "x"}, values=values)
    risk = rh.catastrophe_risk(tree, test, agent=rh.Uniform())
    matrix = risk["matrix"].to_pandas()
    assert (matrix["family"] == 0).all() and matrix.loc["family", "x"] > 0
    with pytest.raises(rh.InputError, match="'family' has none, so it says nothing of what is catastrophic"):
        fitted(table, [rh.Choices(table, "chosen")], fail={"x": -0.5}, hypotheses={"x": "x"})
    with pytest.raises(rh.InputError, match="no failure line"):
        fitted(table, [rh.Stops(table, "stopped")], fail={"x": -0.5}, hypotheses={"x": "x"}, values=values)


def coinciding(seed, scenes=50, shifted=False):
    rng = np.random.default_rng(seed)
    red = rng.random((scenes, 3)) < 0.5
    flags = rng.random((scenes, 3)) < 0.5 if shifted else red
    near = rng.normal(size=(scenes, 3))
    noisy = 2 * flags + near + rng.gumbel(size=red.shape)
    return {"red": red, "flags": flags, "near": near, "chosen": noisy == noisy.max(axis=1, keepdims=True)}


@pytest.mark.parametrize("prior", ["sphere", {"normal": 1.0}])
def test_silent_directions_in_words_and_their_share(prior):
    train, test = coinciding(1), coinciding(2, shifted=True)
    tree = fitted(train, [rh.Choices(train, "chosen")], prior=prior, features=["red", "flags", "near"])
    silent = rh.silent_directions(tree, test)
    assert silent["direction"].values.tolist() == ["red minus flags"]
    np.testing.assert_allclose(silent["coefficients"].values, [[1, -1, 0]], atol=1e-9)
    scale = [train["red"].std(), train["flags"].std(), train["near"].std()]
    x = np.stack([test["red"], test["flags"], test["near"]]) / np.reshape(scale, (3, 1, 1))
    x = x - x.mean(axis=2, keepdims=True)
    want = ((x[0] - x[1]) ** 2).mean() / 2 / (x**2).sum(axis=0).mean()
    assert float(silent["share"]) == pytest.approx(want, rel=1e-9)
    w = draws_of(tree)
    apart = (w[:, 0] - w[:, 1]) / math.sqrt(2)
    assert abs(np.mean(apart > 0) - 0.5) < 5 * 0.5 / math.sqrt(1000)  # the prior, untouched
    assert w[:, 0].mean() + w[:, 1].mean() > 0.3


def test_endless_training_leaves_what_is_silent():
    train, test = coinciding(3, scenes=400), coinciding(4, scenes=300, shifted=True)
    tree = fitted(train, [rh.Choices(train, "chosen")], features=["red", "flags", "near"], fail=-0.5)
    risk = rh.catastrophe_risk(tree, test)
    assert 0 < float(risk["limit"]) < float(risk["mean"]) + 5 * float(risk["mcse"])
    told = coinciding(3, scenes=400, shifted=True)
    seen = fitted(told, [rh.Choices(told, "chosen")], features=["red", "flags", "near"], fail=-0.5)
    assert rh.silent_directions(seen)["direction"].size == 0
    left = rh.catastrophe_risk(seen, test)
    assert float(left["limit"]) < 0.3 * float(risk["limit"])


def test_a_family_is_in_no_silent_pair():
    train = coinciding(5)
    tree = fitted(
        train, [rh.Choices(train, "chosen")], features=["red", "flags"], hypotheses={"a": "red", "b": "flags"}
    )
    family, a, b = tree["evidence"]["silent_class"].values.tolist()
    assert a == b != family
