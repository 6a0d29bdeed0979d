"""Rewards with continuous weights: against brute force over their draws, closed forms, and NUTS; what is refused."""

import json
import math

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk import linear_pairs

SOURCE = "a test"


def choosing(seed, scenes=40, options=3, weights=(1.0, -0.5), beta=2.0, **more):
    """Scenes of standard normal features x and y, and what somebody of these weights chose, ranked, stopped and graded."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, scenes, options))
    worth = beta * (weights[0] * x + weights[1] * y)
    noisy = worth + rng.gumbel(size=worth.shape)
    table = {"x": x, "y": y, "chosen": noisy == noisy.max(axis=1, keepdims=True)}
    table["rank"] = (-noisy).argsort(axis=1).argsort(axis=1) + 1.0
    table["stopped"] = rng.logistic(size=worth.shape) < -worth - 0.5
    table["grade"] = np.digitize(worth + rng.logistic(size=worth.shape), [-1.0, 1.0])
    table["good"] = worth > -0.5
    table["seen"] = worth + 0.3 * rng.normal(size=worth.shape)
    return table | more


def fitted(table, feedback, prior="sphere", features=("x", "y"), fail=0.0, hypotheses=None, values=None, **options):
    family = {"family": rh.Linear(list(features), prior=prior, source=SOURCE)}
    hypotheses = family | ({} if hypotheses is None else hypotheses)
    values = rh.Uniform(SOURCE) if values is None else values
    return rh.fit(hypotheses, values, feedback, fail_utility=fail, random_seed=3, **options)


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


# Risk: agent and truth are drawn independently.


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


# What training cannot see.


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


# What is refused.


BAD = {
    "no features": (lambda: rh.Linear([], source=SOURCE), "list the features"),
    "a text": (lambda: rh.Linear("x", source=SOURCE), "list the features"),
    "no source": (lambda: rh.Linear(["x"]), "no source"),
    "a feature twice": (lambda: rh.Linear(["x", "y", "x"], source=SOURCE), "'x' stands twice"),
    "a feature that does not parse": (lambda: rh.Linear(["x +"], source=SOURCE), "feature 'x \\+'"),
    "a number as feature": (lambda: rh.Linear(["x", 3], source=SOURCE), "3 is no feature"),
    "another prior": (lambda: rh.Linear(["x"], prior="cube", source=SOURCE), 'give "sphere" or'),
    "a spread of 0": (lambda: rh.Linear(["x"], prior={"normal": 0}, source=SOURCE), "standard deviation of a weight"),
    "an unknown column": (lambda: _fit(["x", "z"]), "feature 'z': no column 'z'.*did you mean|feature 'z': no column 'z'"),
    "a feature that never varies": (lambda: _fit(["x", "0*y"]), "the same in every row"),
    "logic on numbers": (lambda: _fit(["x & y"]), "takes true or false"),
    "a feature that is not finite": (lambda: _fit(["x", "1/(x - x)"]), "finite|must be"),
    "asked exactly": (lambda: _fit(["x"], method="exact"), "'exact', but the weights of 'family' are integrated by.*use 'auto'"),
    "two of a name with /": (lambda: _two("a/b", "c"), "'a/b': a '/' in it"),
    "as a simplicity prior": (lambda: _fit(["x"], values=rh.Simplicity(source=SOURCE)), "has continuous weights and has no length"),
}  # fmt: skip


def _two(*names):
    families = {name: rh.Linear(["x"], source=SOURCE) for name in names}
    return rh.fit(families, rh.Uniform(SOURCE), [rh.Choices(choosing(1), "chosen")], 0)


def _fit(features, **options):
    table = choosing(1, scenes=5)
    return fitted(table, [rh.Choices(table, "chosen")], features=features, **options)


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case):
    make, says = BAD[case]
    with pytest.raises(rh.InputError, match=says):
        make()


def test_a_kind_that_says_what_it_depends_on_by_block_alone_is_refused():
    class Above(rh.Labels):
        kind = "above"

        def inputs(self, block, h):
            return block.better(h)

        predicted = rh.Feedback.predicted

    table = choosing(1, scenes=5)
    with pytest.raises(rh.InputError, match="not in predicted"):
        fitted(table, [Above(table, "good", noise=0.1)])


STUDY = """
[tables]
training = "training.csv"
test = "test.csv"
[hypotheses]
"x alone" = "x"
"family" = {{ linear = {features}, prior = {prior}, source = "a test" }}
[values]
weights = {{ "x alone" = 1, "family" = 1 }}
source = "a test"
strength = 5
[agent]
prior = "uniform"
[catastrophe]
fail_utility = {fail}
[[feedback]]
kind = "choices"
table = "training"
column = "chosen"
"""


def study(folder, features='["x", "y"]', prior='"sphere"', fail="-0.5"):
    for name, seed in (("training", 21), ("test", 22)):
        table = choosing(seed, scenes=30)
        rows = ["scene,option,x,y,chosen"]
        for s in range(30):
            for o in range(3):
                rows.append(f"{s},{o},{table['x'][s, o]!r},{table['y'][s, o]!r},{int(table['chosen'][s, o])}")
        (folder / f"{name}.csv").write_text("\n".join(rows).replace("np.float64(", "").replace(")", "") + "\n")
    path = folder / "study.toml"
    path.write_text(STUDY.format(features=features, prior=prior, fail=fail))
    return path


def test_a_study_file_and_its_saved_posterior_agree(tmp_path, capsys):
    from reward_hypotheses.cli.main import main

    path = study(tmp_path)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert main(["run", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == results
    with xr.open_datatree(tmp_path / "out" / "posterior.nc") as tree:
        test = rh.read_table(tmp_path / "test.csv")
        risk = rh.catastrophe_risk(tree, test, agent=rh.Uniform())
    assert float(risk["mean"]) == results["risk"]["mean"] and float(risk["limit"]) == results["risk"]["limit"]
    assert results["silent_pairs"] == [] and results["silent_directions"]["family"]["directions"] == []
    known = results["reward_weights"]["family"]
    assert set(known["features"]) == {"x", "y"} and known["method"] == "laplace" and known["k_hat"] < 0.7
    assert results["risk"]["mcse"] > 0 and results["mcse"]["matrix"]["family"]["family"] > 0
    assert results["mcse"]["matrix"]["x alone"]["x alone"] == 0
    assert results["risk_by_agent_prior"]["simplicity"] is None
    assert "family" in (tmp_path / "out" / "tables" / "reward_weights.csv").read_text()
    assert results["fit"]["methods"] == {"choices": "exact", "family": "laplace"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"features": '"x"'}, "[hypotheses] 'family': linear: 'x'; list the features"),
        ({"features": '["x", "zz"]'}, "[hypotheses] 'family': feature 'zz': no column 'zz' in training.csv"),
        ({"features": '["x", "x"]'}, "[hypotheses] 'family': linear: feature 'x' stands twice"),
        ({"prior": '"ball"'}, "[hypotheses] 'family': linear: prior: 'ball'; give \"sphere\" or { normal = sd }"),
        ({"prior": "{ normal = -1 }"}, "linear: prior: normal: -1; give the standard deviation of a weight, positive"),
        ({"fail": '{ "x alone" = 0 }'}, "[catastrophe] fail_utility: hypothesis 'family' has none"),
        ({"fail": '{ "family" = 0 }'}, "[catastrophe] fail_utility: hypothesis 'x alone' has no value"),
    ],
)
def test_a_study_that_is_wrong(change, says, tmp_path, capsys):
    from reward_hypotheses.cli.main import main

    assert main(["run", str(study(tmp_path, **change)), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and len(err.strip().splitlines()) == 1


def test_a_human_who_follows_a_reward_outside_of_the_family_is_noticed(tmp_path):
    rng = np.random.default_rng(5)
    table = choosing(23, scenes=300)
    z = rng.normal(size=(300, 3))
    noisy = table["x"] + np.where(np.arange(300)[:, None] % 2 == 0, 3 * z, 0.0) + rng.gumbel(size=z.shape)
    table |= {"z": z, "chosen": noisy == noisy.max(axis=1, keepdims=True)}
    from reward_hypotheses.models.fit import prepared
    from reward_hypotheses.models.weights.weigh import weigh

    hypotheses = {"family": rh.Linear(["x", "y"], source=SOURCE), "z": "z"}
    listed, line, made = prepared(hypotheses, [rh.Choices(table, "chosen")], 0.0)
    posterior = weigh(listed, rh.Elicited({"family": 1, "z": 0}, SOURCE), made, line)
    assert posterior.check(0, np.random.default_rng(1)).p < 0.01
    good = choosing(24, scenes=300)
    listed, line, made = prepared({"family": hypotheses["family"]}, [rh.Choices(good, "chosen")], 0.0)
    assert weigh(listed, rh.Uniform(SOURCE), made, line).check(0, np.random.default_rng(1)).p > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["sphere", {"normal": 1.5}])
def test_nuts_agrees(prior):
    import arviz as az
    import pymc as pm

    table = choosing(25, scenes=25)
    hypotheses = {"family": rh.Linear(["x", "y"], prior=prior, source=SOURCE)}
    feedback = [rh.Choices(table, "chosen"), rh.Stops(table, "stopped"), rh.Rewards(table, "seen", sigma2=(3, 0.2))]
    tree = rh.fit(hypotheses, rh.Uniform(SOURCE), feedback[:2], fail_utility=-0.5, random_seed=1)
    with rh.pymc_model(hypotheses, rh.Uniform(SOURCE), feedback[:2], fail_utility=-0.5):
        sampled = pm.sample(1000, tune=1000, chains=4, random_seed=1, progressbar=False)
    checked = 0
    for variable in ("reward_weight", "choices_rationality", "stops_rationality"):
        if prior != "sphere" and variable != "reward_weight":
            continue
        theirs, ours = (t["posterior"][variable] for t in (sampled, tree))
        error = np.hypot(az.mcse(theirs).to_numpy(), ours.std(("chain", "draw")).to_numpy() / math.sqrt(1000))
        apart = (theirs.mean(("chain", "draw")) - ours.mean(("chain", "draw"))).to_numpy()
        assert (np.abs(apart) < 5 * error).all(), variable
        checked += apart.size
    assert checked == (4 if prior == "sphere" else 2)


def test_matrices_of_other_agents_are_forgotten(monkeypatch):
    monkeypatch.setattr(linear_pairs, "KEPT_CELLS", 30)
    held = {("pairs", "policy", bytes([k])): (np.zeros(10), None) for k in range(5)} | {0: (np.zeros(1000), None)}
    linear_pairs._make_room(held, 10)
    assert list(held) == [("pairs", "policy", b"\x03"), ("pairs", "policy", b"\x04"), 0]
    linear_pairs._make_room(held, 100)
    assert list(held) == [0]
