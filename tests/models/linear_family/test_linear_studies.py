"""Families of rewards in study files, and families that are refused."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from linear_cases import SOURCE, choosing, fitted

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.distribution import pairs as linear_pairs
from reward_hypotheses.models.weights.predictive_check import predictive_check

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
    assert predictive_check(posterior, 0, np.random.default_rng(1)).p < 0.01
    good = choosing(24, scenes=300)
    listed, line, made = prepared({"family": hypotheses["family"]}, [rh.Choices(good, "chosen")], 0.0)
    assert predictive_check(weigh(listed, rh.Uniform(SOURCE), made, line), 0, np.random.default_rng(1)).p > 0.01


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
