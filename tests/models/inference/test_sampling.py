"""Evidence by sampling: the bridge, the gates, and agreement with what can be had exactly."""

import csv
import json
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from sampling_cases import DATA, FIXED, RED, STUDIES, TEXTS, Blunt, N, fitted, study
from scipy import integrate, stats

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{i}")
    else:
        yield path, value


def by_names(parts, named=None):
    """Parts of the risk by what they are about, for how large they are, and so their order, may differ."""
    named = parts if named is None else named
    found = {key: parts[key] for key in ("left", "removed", "others")}
    for one, who in zip(parts["classes"], named["classes"], strict=True):
        found[", ".join(who["hypotheses"])] = {key: one[key] for key in ("weight", "risk", "left", "removed")}
    for one, who in zip(parts["pairs"] or (), named["pairs"] or (), strict=True):
        found[f"{who['agent']} for {who['truth']}"] = {key: one[key] for key in ("risk", "left", "removed")}
    return found


def agreement(exact, sampled):
    """Differences between two results documents in Monte Carlo errors: path -> score."""
    scores = {}
    errors = sampled["mcse"] | {"risk_parts": by_names(sampled["mcse"]["risk_parts"], sampled["risk_parts"])}
    found, want = (dict(leaves(one | {"risk_parts": by_names(one["risk_parts"])})) for one in (sampled, exact))
    for path, error in leaves(errors):
        if path.startswith("/also") or error is None:
            assert error is not None or isinstance(found.get(path), str | bool | None), path
            continue
        if path in ("/risk/lower", "/risk/upper"):
            end = path.rsplit("/", 1)[1]
            error = math.hypot(sampled["risk"][f"mcse_{end}"], exact["risk"][f"mcse_{end}"])
        difference = found[path] - want[path]
        # what rests on no estimate is equal but for rounding
        assert error > 0 or abs(difference) <= 1e-9 * max(1, abs(want[path])), path
        if error > 0:
            scores[path] = difference / max(error, 1e-12)
    return scores


@pytest.mark.parametrize("name", STUDIES)
def test_exact_and_sampled_agree(name, tmp_path):
    """Every number of the results within 5 of its Monte Carlo errors, which are small enough to mean something."""
    exact = rh.run(study(tmp_path, "exact", **STUDIES[name]))
    sampled = rh.run(study(tmp_path, "nuts", **STUDIES[name]))
    assert exact["mcse"] is None and exact["fit"]["sampler"] is None
    assert set(sampled["fit"]["methods"].values()) == {"nuts"}
    sampler = sampled["fit"]["sampler"]
    assert sampler["divergences"] == 0 and sampler["r_hat"] <= 1.01 and sampler["ess"] >= 400
    scores = agreement(exact, sampled)
    assert len(scores) > 40 and "/risk/mean" in scores and "/log_evidence/flags" in scores
    assert max(map(abs, scores.values())) < 5.5, {k: v for k, v in scores.items() if abs(v) >= 5.5}
    assert 0.01 < exact["weights"]["level ground"] < 0.99  # so that evidence matters
    assert 0 < sampled["risk"]["mcse"] == sampled["mcse"]["risk"]["mean"] < 0.005
    assert max(sampled["mcse"]["log_evidence"].values()) < 0.02
    # silent pairs are exactly silent, however they were sampled
    assert sampled["silent_pairs"] == exact["silent_pairs"] == [["red paint", "flags"]]
    assert sampled["log_evidence"]["red paint"] == sampled["log_evidence"]["flags"]
    pair = next(p for p in sampled["pairs"] if set(p["pair"]) == {"red paint", "flags"})
    assert pair["log_bayes_factor"] == 0
    within = sampled["weights"]["flags"] / sampled["weights"]["red paint"]
    assert within == pytest.approx(exact["prior"]["flags"] / exact["prior"]["red paint"], rel=1e-14)


def test_what_is_printed_and_written_says_what_was_sampled(tmp_path, capsys):
    errors = {}
    for method in ("exact", "nuts"):
        path = study(tmp_path, method, **STUDIES["labels, uncertain values"])
        assert main(["run", str(path), "--full", "--out", str(tmp_path / method)]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        sampled = "NUTS (nutpie) sampled 'labels': 4 chains of 1,000 draws, no divergence"
        assert (sampled in printed) == (method == "nuts")
        for table in ("weights", "agents", "pairs"):
            with (tmp_path / method / "tables" / f"{table}.csv").open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            columns = [c for c in rows[0] if c.endswith("mcse")]
            errors[method, table] = [float(row[c]) for row in rows for c in columns]
    assert not any(map(any, (errors["exact", t] for t in ("weights", "agents", "pairs"))))
    assert all(errors["nuts", "weights"][:4]) and any(errors["nuts", "agents"]) and any(errors["nuts", "pairs"])


def test_the_sampled_tree(tree, scenes, tmp_path):
    exact = fitted("auto")
    assert set(tree.children) == set(exact.children)
    assert tree.attrs["method"] == "nuts" and exact.attrs["method"] == "exact"
    study = json.loads(tree.attrs["study"])
    assert study["feedback"][0]["noise"] == [1, 4] and study["feedback"][1]["sigma2"] == [2, 40_000]
    assert {"reward_hypotheses", "numpy", "nutpie"} < set(json.loads(tree.attrs["versions"]))
    assert "nutpie" not in json.loads(exact.attrs["versions"]) and tree.attrs["seed"] == 4
    methods = json.loads(tree.attrs["methods"])
    assert methods["labels"].startswith("nuts: asked for") and set(methods) == {"labels", "rewards"}
    assert json.loads(exact.attrs["methods"])["labels"].startswith("exact: the nuisance is integrated")
    for group in ("posterior", "prior"):
        assert set(tree[group].data_vars) == set(exact[group].data_vars)
    found = tree["sample_stats"]
    assert set(found.data_vars) >= {
        "diverging",
        "energy",
        "lp",
        "tree_depth",
        "n_steps",
        "step_size",
        "acceptance_rate",
    }
    assert found.sizes == {"chain": 4, "draw": 1000} and not found["diverging"].any()
    assert found.attrs["ess"] >= 400 and found.attrs["r_hat"] <= 1.01
    assert not exact["sample_stats"].data_vars
    assert (tree["evidence"]["mcse"] > 0).all() and not exact["evidence"]["mcse"].any()
    eps = tree["posterior"]["labels_eps"]
    assert (eps.sel(hypothesis="flags") == eps.sel(hypothesis="red paint")).all()  # one class, sampled once
    tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf") as back:
        first, again = rh.catastrophe_risk(tree, scenes), rh.catastrophe_risk(back, scenes)
        assert back.identical(tree) and again.identical(first)
    assert float(first["mcse"]) > 0 and float(first["regret_mcse"]) > 0 and "floor_mcse" in first
    assert float(rh.value_bits(tree, scenes, 0.3)["mcse"]) > 0
    wanted = rh.catastrophe_risk(exact, scenes)
    assert abs(float(first["mean"] - wanted["mean"])) < 5 * float(first["mcse"])
    assert float(wanted["mcse"]) == 0 and "floor_mcse" not in wanted


def test_the_tree_is_what_the_study_says(tmp_path, scenes):
    path = study(tmp_path, "nuts", **STUDIES["both, uncertain values"])
    document = rh.run(path)
    assert rh.run(path) == document  # the same seed, the same digits
    table = rh.read_table(tmp_path / "training.csv")
    feedback = [rh.Labels(table, "is_pad", noise=(1, 4)), rh.Rewards(table, "seen", sigma2=(2, 40_000))]
    tree = rh.fit(TEXTS, rh.Elicited(FIXED["weights"], "a test", 20), feedback, 0, method="nuts", random_seed=4)
    assert tree["evidence"]["log_evidence"].to_numpy().tolist() == list(document["log_evidence"].values())
    risk = rh.catastrophe_risk(tree, scenes, agent=rh.Uniform())
    for key in ("mean", "lower", "upper", "mcse", "mcse_lower", "mcse_upper", "limit", "regret"):
        assert float(risk[key]) == pytest.approx(document["risk"][key], rel=1e-12), key


def test_draws_kept(scenes):
    few = fitted(draws=30, chains=2)
    assert few["posterior"].sizes["draw"] == few["sample_stats"].sizes["draw"] == 30
    assert few["posterior"].sizes["chain"] == 2
    assert few["sample_stats"].attrs["sampled_draws"] == 1000 and few["sample_stats"].attrs["sampled_chains"] == 4
    pointwise = fitted(log_likelihood=True)
    assert pointwise["log_likelihood"]["labels"].sizes["draw"] == pointwise["posterior"].sizes["draw"] == 50
    eps = pointwise["posterior"]["labels_eps"].sel(hypothesis="flags").to_numpy()[..., None]
    right = DATA["red_paint"] == DATA["is_pad"]
    got = pointwise["log_likelihood"]["labels"].sel(hypothesis="flags").to_numpy()
    np.testing.assert_allclose(got, np.where(right, np.log1p(-eps), np.log(eps)), rtol=1e-12)


def test_nuisances_have_their_posterior(tree):
    """Means of the draws against the closed forms, in Monte Carlo errors of autocorrelated draws."""
    import arviz as az

    labels = rh.Labels(DATA, "is_pad", noise=(1, 4))
    wrong = {n: int((p != DATA["is_pad"]).sum()) for n, p in (("flags", RED), ("level ground", DATA["slope"] < 1))}
    for name, k in wrong.items():
        draws = tree["posterior"]["labels_eps"].sel(hypothesis=name).to_numpy()
        mcse = draws.std() / math.sqrt(float(az.ess(draws, method="mean")))
        assert abs(draws.mean() - labels.eps_mean(np.array([k]), N)[0]) < 5 * mcse, name
    residual = DATA["seen"] - np.where(RED, 100.0, -100.0)
    draws = np.log(tree["posterior"]["rewards_sigma2"].sel(hypothesis="flags").to_numpy())
    mcse = draws.std() / math.sqrt(float(az.ess(draws, method="mean")))
    a, b = 2 + N / 2, 40_000 + float(residual @ residual) / 2
    want = integrate.quad(lambda x: x * math.exp(stats.gamma.logpdf(math.exp(-x), a, scale=1 / b) - x), 5, 14)[0]
    assert abs(draws.mean() - want) < 5 * mcse


@pytest.mark.slow
def test_errors_are_as_large_as_said(scenes):
    """Over seeds, evidence, weight and risk scatter about the exact values by their stated Monte Carlo errors."""
    exact = fitted("exact", draws=1)
    want = float(rh.catastrophe_risk(exact, scenes)["mean"])
    scores = {"evidence": [], "risk": []}
    for seed in range(40):
        tree = fitted(seed=seed, draws=1)
        found, error = tree["evidence"]["log_evidence"] - exact["evidence"]["log_evidence"], tree["evidence"]["mcse"]
        scores["evidence"].extend((found / error).to_numpy()[1:].tolist())
        risk = rh.catastrophe_risk(tree, scenes)
        scores["risk"].append((float(risk["mean"]) - want) / float(risk["mcse"]))
    for name, some in scores.items():
        mean_square = float(np.mean(np.square(some)))
        # chi squared of 40 degrees (evidence of two classes: as many at least): a false alarm below 1e-4
        assert 0.3 < mean_square < 2.2, (name, mean_square)


def test_numbers_that_cannot_be_trusted(tmp_path, capfd):
    """Mass that no float can hold: exit 3, nothing on stdout, nothing written."""
    never = {"kind": "labels", "table": "training", "column": "red_paint", "noise": [0.0001, 1]}
    path = study(tmp_path, "nuts", feedback=[never], values=FIXED)
    assert main(["run", str(path), "--json", "--out", str(tmp_path / "out")]) == 3
    out, err = capfd.readouterr()
    assert not out and not (tmp_path / "out").exists()
    assert err.startswith(("study.toml: ", "["))
    last = [line for line in err.splitlines() if line.startswith("study.toml: ")]
    assert last == [
        "study.toml: the sampled evidence of 'red paint', 'flags' is not a number: a nuisance reaches values that no float holds; "
        "where there is a closed form, method = 'auto' takes it"
    ]
    exact = rh.run(study(tmp_path, "auto", feedback=[never], values=FIXED))
    assert exact["log_evidence"]["flags"] > -1


@dataclass(frozen=True, eq=False)
class TwoModes(Blunt):
    """A likelihood with two modes far apart, between which no chain goes."""

    kind: ClassVar[str] = "two_modes"

    def log_likelihood(self, inputs, theta, observed, xp):
        width = xp.log(theta["width"])
        return -5 * xp.minimum((width - 1) ** 2, (width - 5) ** 2) + 0 * (observed - inputs)


def test_what_did_not_converge_is_kept_to_look_at():
    with pytest.raises(rh.NotTrustedError, match="R-hat of two_modes_width of 'red paint' is") as caught:
        fitted("auto", feedback=[TwoModes(DATA, "seen", width=(0.5, 30.0))])
    assert caught.value.tree["posterior"]["two_modes_width"].sizes["chain"] == 4
    assert len(caught.value.problems) >= 1


def test_an_error_too_large_to_tell_is_not_trusted(tree):
    from reward_hypotheses.models.tree.read import posterior_of

    posterior, _ = posterior_of(tree)
    assert posterior.untrusted() == [] and posterior.mcse_between(0, 1) == 0 < posterior.mcse_between(0, 2) < 0.05
    coarse = tree.copy()
    coarse["evidence"] = coarse["evidence"].to_dataset().assign(feedback_mcse=coarse["evidence"]["feedback_mcse"] * 100)
    posterior, _ = posterior_of(coarse)
    (problem,) = posterior.untrusted()
    assert "'level ground'" in problem and "above 0.1" in problem


def test_fixed_nuisances_need_no_sampler():
    tree = fitted("nuts", feedback=[rh.Labels(DATA, "is_pad", noise=0.2)])
    exact = fitted("exact", feedback=[rh.Labels(DATA, "is_pad", noise=0.2)])
    assert tree.attrs["method"] == "exact" and not tree["sample_stats"].data_vars
    assert tree["evidence"].identical(exact["evidence"])
    assert "no nuisance" in json.loads(tree.attrs["methods"])["labels"]
