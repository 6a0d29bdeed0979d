"""Evidence by sampling: the bridge, the gates, and agreement with what can be had exactly."""

import csv
import json
import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from scipy import integrate, stats
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.inference.bridge_sampling import bridge
from reward_hypotheses.models.inference.nuisance_priors import BetaBelowHalf, InverseGamma
from reward_hypotheses.models.weights.weigh import weigh

NUISANCES = [
    BetaBelowHalf(1, 19),
    BetaBelowHalf(3, 2),
    BetaBelowHalf(0.3, 0.4),
    InverseGamma(2, 3),
    InverseGamma(0.5, 0.1),
]


@dataclass(frozen=True, eq=False)
class Blunt(rh.Feedback):
    """A user's own kind: ``y ~ Laplace(r_h, width)``. The toolkit knows no closed form of it, this test does."""

    kind: ClassVar[str] = "blunt"

    _: KW_ONLY
    width: tuple[float, float]

    @property
    def nuisances(self):
        return {"width": InverseGamma(*self.width)}

    def log_likelihood(self, inputs, theta, observed, xp):
        width = theta["width"]
        return -xp.log(2 * width) - abs(observed - inputs) / width

    def replicate(self, inputs, theta, n, rng):
        return inputs + theta["width"][:, None] * rng.laplace(size=(n, len(inputs)))

    def closed_form(self, reward):
        a, b = self.width
        n, total = len(reward), float(np.abs(self.observed - reward).sum())
        return math.lgamma(a + n) - math.lgamma(a) + a * math.log(b) - (a + n) * math.log(b + total) - n * math.log(2)


@pytest.mark.parametrize("prior", NUISANCES, ids=repr)
def test_conformance_of_nuisances(prior):
    """The density integrates to 1, its draws have it, and the map to the line is a map with that Jacobian."""
    phi = np.linspace(-12, 12, 49)
    x, log_jacobian = prior.from_line(phi)
    assert ((x > prior.low) & (x < prior.high)).all() and prior.low < prior.start < prior.high
    np.testing.assert_allclose(prior.to_line(x), phi, atol=1e-9)
    step = 1e-5
    slope = (prior.from_line(phi + step)[0] - prior.from_line(phi - step)[0]) / (2 * step)
    np.testing.assert_allclose(np.exp(log_jacobian), slope, rtol=1e-6)

    line = np.linspace(-200, 200, 400_001)
    point, jacobian = prior.from_line(line)
    with np.errstate(all="ignore"):  # at the far ends of the line the point is an end of the support
        density = np.nan_to_num(np.exp(prior.log_density(point) + jacobian))
    below = integrate.cumulative_simpson(density, x=line, initial=0)
    assert below[-1] == pytest.approx(1, abs=1e-8)
    draws = prior.to_line(prior.draws((5000,), np.random.default_rng(1)))
    assert stats.kstest(np.interp(draws, line, below), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("prior", [NUISANCES[0], NUISANCES[3]], ids=repr)
def test_nuisances_in_pymc(prior):
    """PyMC's density is ours (to what its incomplete beta function is worth), on the line and at its ends."""
    import pymc as pm

    with pm.Model(coords={"h": [0, 1]}) as model:
        variable = prior.pymc("x", "h")
    value = model.rvs_to_values[variable]
    logp = model.compile_logp(jacobian=True, sum=False)
    for phi in (-8.0, -1.0, 0.7, 6.0):
        x, log_jacobian = prior.from_line(np.full(2, phi))
        got = np.asarray(logp({value.name: np.full(2, phi)})[0])
        np.testing.assert_allclose(got, prior.log_density(x) + log_jacobian, atol=1e-6)
    start = model.initial_point()[value.name]
    np.testing.assert_allclose(prior.from_line(start)[0], prior.start)


def test_the_bridge_against_closed_forms():
    """Gaussians of three dimensions and logs of gammas: right, and by as much wrong as it says."""
    scores = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        root = np.array([[1.0, 0, 0], [0.8, 0.5, 0], [-2.0, 0.3, 3.0]])
        draws = rng.standard_normal((4, 500, 3)) @ root.T + 5
        inverse = np.linalg.inv(root)
        value, mcse = bridge(lambda x, i=inverse: -0.5 * (((x - 5) @ i.T) ** 2).sum(axis=1) + 700, draws, rng)
        want = 700 + 1.5 * math.log(2 * math.pi) + math.log(1.5)
        scores.append((value - want) / mcse)
        a = (0.4, 3.0, 200.0)[seed % 3]
        phi = np.log(rng.standard_gamma(a, (4, 500, 1)))
        value, mcse = bridge(lambda x, a=a: a * x[:, 0] - np.exp(x[:, 0]), phi, rng)
        assert mcse < 0.02
        scores.append((value - math.lgamma(a)) / mcse)
    assert max(map(abs, scores)) < 5.5  # 120 scores: a false alarm in 2e5 runs
    assert 0.7 < math.sqrt(np.mean(np.square(scores))) < 1.35
    nowhere = bridge(lambda x: np.full(len(x), np.nan), np.zeros((4, 100, 1)) + np.arange(100)[:, None], rng)
    assert np.isnan(nowhere).all()


RNG = np.random.default_rng(12)
N = 40
RED = RNG.random(N) < 0.5
DATA = {
    "red_paint": RED,
    "flags": RED,
    "slope": np.where(RNG.random(N) < 0.8, np.where(RED, 0.5, 2.5), np.where(RED, 2.5, 0.5)),
    "is_pad": RED ^ (RNG.random(N) < 0.3),
    "seen": np.where(RED, 30.0, -30.0) + RNG.normal(0, 200, N).round(1),
}
TEXTS = {
    "red paint": "where(red_paint, 100, -100)",
    "flags": "where(flags, 100, -100)",
    "level ground": "where(slope < 1, 100, -100)",
}
LABELS = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 4]}
REWARDS = {"kind": "rewards", "table": "training", "column": "seen", "sigma2": [2, 40_000]}
ANN = {"name": "Ann", "weights": {"flags": 8, "red paint": 1, "level ground": 3}, "source": "a test", "strength": 20}
BOB = {"name": "Bob", "weights": {"flags": 1, "red paint": 1, "level ground": 1}, "source": "a test", "strength": 5}
FIXED = {"weights": ANN["weights"], "source": "a test"}
STUDIES = {
    "labels, fixed values": {"values": FIXED, "feedback": [LABELS]},
    "labels, uncertain values": {"values": FIXED | {"strength": 20}, "feedback": [LABELS]},
    "rewards, judges pooled linearly": {"values": {"judges": [ANN, BOB], "pool": "linear"}, "feedback": [REWARDS]},
    "rewards, judges pooled in logs": {"values": {"judges": [ANN, BOB], "pool": "log"}, "feedback": [REWARDS]},
    "both, uncertain values": {"values": FIXED | {"strength": 20}, "feedback": [LABELS, REWARDS]},
    "both, an agent that adds up rewards": {
        "values": FIXED,
        "agent": {"policy": {"name": "expected", "abstain": True}, "prior": "values"},
        "feedback": [LABELS, REWARDS],
    },
}


def training():
    lines = [",".join(DATA)]
    lines += [
        ",".join(str(int(v) if isinstance(v, (bool, np.bool_)) else v) for v in row)
        for row in zip(*DATA.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def study(folder, method, **changes):
    document = small(hypotheses=TEXTS, fit={"method": method}, seed=4, analysis={"targets": [0.3, 0.05]}, **changes)
    return write(folder, document, training=training(), test=TEST)


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
        assert main(["run", str(path), "--out", str(tmp_path / method)]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert ("Sampled: labels, by NUTS (nutpie), 4 chains of 1,000 draws, no divergence" in printed) == (
            method == "nuts"
        )
        for table in ("weights", "agents", "pairs"):
            with (tmp_path / method / "tables" / f"{table}.csv").open(newline="") as stream:
                rows = list(csv.DictReader(stream))
            columns = [c for c in rows[0] if c.endswith("mcse")]
            errors[method, table] = [float(row[c]) for row in rows for c in columns]
    assert not any(map(any, (errors["exact", t] for t in ("weights", "agents", "pairs"))))
    assert all(errors["nuts", "weights"][:4]) and any(errors["nuts", "agents"]) and any(errors["nuts", "pairs"])


def fitted(method="nuts", seed=4, feedback=None, **options):
    feedback = feedback or [rh.Labels(DATA, "is_pad", noise=(1, 4)), rh.Rewards(DATA, "seen", sigma2=(2, 40_000))]
    prior = rh.Elicited(ANN["weights"], "a test", 20)
    return rh.fit(TEXTS, prior, feedback, fail_utility=0, method=method, random_seed=seed, **options)


@pytest.fixture(scope="module")
def tree():
    return fitted()


@pytest.fixture(scope="module")
def scenes():
    names, *rows = [line.split(",") for line in TEST.splitlines()]
    columns = {name: np.array(column, float) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    options = int(columns["option"].max()) + 1
    features = {k: v.reshape(-1, options) for k, v in columns.items() if k not in ("scene", "option")}
    return xr.Dataset({k: (("scene", "option"), v) for k, v in features.items()})


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


def test_a_kind_without_a_closed_form():
    """auto takes the exact path for labels, NUTS for a user's own kind, and says so."""
    blunt = Blunt(DATA, "seen", width=(2.0, 100.0))
    feedback = [rh.Labels(DATA, "is_pad", noise=(1, 4)), blunt]
    tree = fitted("auto", feedback=feedback)
    assert tree.attrs["method"] == "exact and nuts"
    methods = json.loads(tree.attrs["methods"])
    assert methods["labels"].startswith("exact") and methods["blunt"] == (
        "nuts: there is no closed form; the evidence of each silent class is estimated once, by bridge sampling"
    )
    exact = fitted("exact", feedback=feedback[:1])["evidence"]["log_evidence"]
    rewards = {"flags": RED, "level ground": DATA["slope"] < 1}
    for name, better in rewards.items():
        want = float(exact.sel(hypothesis=name)) + blunt.closed_form(np.where(better, 100.0, -100.0))
        got, error = (float(tree["evidence"][k].sel(hypothesis=name)) for k in ("log_evidence", "mcse"))
        assert 0 < error < 0.02 and abs(got - want) < 5 * error
    values = tree["evidence"]["log_evidence"]
    assert float(values.sel(hypothesis="flags")) == float(values.sel(hypothesis="red paint"))
    assert {"labels_eps", "blunt_width"} < set(tree["posterior"].data_vars)
    assert tree["posterior_predictive"]["blunt"].dims == ("chain", "draw", "blunt_item")
    with pytest.raises(rh.InputError, match="blunt has no exact form; use 'auto' or 'nuts'"):
        fitted("exact", feedback=feedback)


@pytest.mark.parametrize("good", [True, False])
def test_predictive_check_of_ones_own_kind(good):
    listed, line, made = prepared(TEXTS, [Blunt(DATA, "seen", width=(2.0, 100.0))], 0)
    if not good:  # rewards of a few items that no width explains
        odd = {**DATA, "seen": np.where(np.arange(N) < 2, 1e6, np.where(RED, 100.0, -100.0))}
        listed, line, made = prepared(TEXTS, [Blunt(odd, "seen", width=(2.0, 100.0))], 0)
    posterior = weigh(listed, rh.Uniform("x"), made, line)
    check = made[0].check(posterior.valuations[0], posterior.evidence[0], posterior.weights, np.random.default_rng(0))
    assert check.what == "mean log likelihood of an item, nats"
    assert 0 <= check.p <= 1 and check.mcse > 0
    if good:
        assert check.p > 0.01 and not check.misfit


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


def test_an_agent_with_hypotheses_of_its_own(scenes, tree):
    """C is rectangular: rows of the agent's hypotheses, columns of the judge's; by brute force over scenes."""
    own = {"steep": "where(slope > 2, 3, 0)", "flags": "where(flags, 1, -1)", "red paint": "where(red_paint, 1, -1)"}
    prior = rh.Elicited({"steep": 1, "flags": 2, "red paint": 3}, "the agent")
    agent = rh.fit(own, prior, [rh.Labels(DATA, "is_pad", noise=0.2)], fail_utility=-0.5)
    judge = fitted("exact")
    found = rh.catastrophe_risk(judge, scenes, agent=agent, deployments=(1, 5))
    assert found["matrix"].dims == ("agent_hypothesis", "true_hypothesis") and found["matrix"].shape == (3, 3)
    assert found["agent_hypothesis"].to_numpy().tolist() == list(own)
    red, flags, slope = (np.asarray(scenes[k], float) for k in ("red_paint", "flags", "slope"))
    rewards = [np.where(slope > 2, 3, 0), np.where(flags > 0, 1, -1), np.where(red > 0, 1, -1)]
    truths = [np.where(red > 0, 100, -100), np.where(flags > 0, 100, -100), np.where(slope < 1, 100, -100)]
    matrix = np.array(
        [
            [
                np.mean([np.mean([t[m, o] < 0 for o in np.flatnonzero(r[m] == r[m].max())]) for m in range(len(r))])
                for t in truths
            ]
            for r in rewards
        ]
    )
    np.testing.assert_allclose(found["matrix"], matrix, atol=1e-12)
    w, v = agent["evidence"]["weight"].to_numpy(), judge["evidence"]["weight"].to_numpy()
    assert float(found["mean"]) == pytest.approx(w @ matrix @ v, rel=1e-12)
    np.testing.assert_allclose(found["by_truth"], w @ matrix, atol=1e-12)
    np.testing.assert_allclose(found["by_agent"], matrix @ v, atol=1e-12)
    assert found["by_agent"].dims == ("agent_hypothesis",) and math.isnan(found["limit"])
    assert float(found["at_least_one"][1]) == pytest.approx(w @ (1 - (1 - matrix) ** 5) @ v, rel=1e-12)
    lower, upper = rh.risk_bounds(judge, scenes, 0.1, agent=agent)
    assert lower < float(found["mean"]) < upper
    bits = rh.value_bits(judge, scenes, agent=agent)
    assert math.isnan(bits["bits"]) and "another tree" in bits.attrs["reason"]
    more = rh.predict(judge, scenes, agent=agent, draws=400)["predictions"]
    rate, mean = float(more["catastrophe"].mean()), float(found["mean"])
    spread = more["catastrophe"].mean(("chain", "scene")).std() / math.sqrt(400)
    assert abs(rate - mean) < 5 * float(spread)
    # its own failure line is its tree's: abstaining it prefers -0.5 to landing on red paint or flags that are not there
    shy = rh.catastrophe_risk(judge, scenes, policy=rh.Commit(abstain=True), agent=agent, agent_fail_utility=2)
    assert float(shy["abstained"]) == pytest.approx(float(w[1] + w[2]))
    # sampled evidence of the judge, of the agent, or of both: the error is there
    sampled = rh.catastrophe_risk(tree, scenes, agent=agent)
    assert 0 < float(sampled["mcse"]) and abs(float(sampled["mean"] - found["mean"])) < 5 * float(sampled["mcse"])
    other = rh.catastrophe_risk(judge, scenes, agent=tree)
    assert float(other["mcse"]) > 0


def test_callables_of_both_are_given_together(scenes):
    own = {"steep": lambda d: 1.0 * (d["slope"] > 2)}
    agent = rh.fit(own, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], fail_utility=0.5)
    judge = fitted("exact")
    assert rh.catastrophe_risk(judge, scenes, agent=agent)["matrix"].shape == (1, 3)
    del agent.attrs["callables"]  # as in another process
    with pytest.raises(rh.InputError, match="'steep' was a callable"):
        rh.catastrophe_risk(judge, scenes, agent=agent)
    found = rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses={**TEXTS, **own})
    assert found["matrix"].shape == (1, 3)
    with pytest.raises(rh.InputError, match="the tree has"):
        rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses={**TEXTS, **own, "other": "1"})


def test_an_agent_whose_hypotheses_stand_in_another_order(scenes):
    labels = [rh.Labels(DATA, "is_pad", noise=(1, 4))]
    prior = rh.Elicited(ANN["weights"], "a test", 20)
    judge = rh.fit(TEXTS, prior, labels, 0)
    agent = rh.fit(dict(reversed(TEXTS.items())), prior, labels, 0)
    want, got = (rh.catastrophe_risk(judge, scenes, agent=a) for a in (judge, agent))
    assert float(got["mean"]) == pytest.approx(float(want["mean"]), rel=1e-12)
    np.testing.assert_allclose(
        got["matrix"].sel(agent_hypothesis=list(TEXTS)), want["matrix"].sel(agent_hypothesis=list(TEXTS)), atol=1e-12
    )


def test_an_agent_that_is_the_judge_shares_its_error(tree, scenes):
    one, other = rh.catastrophe_risk(tree, scenes), rh.catastrophe_risk(tree, scenes, agent=tree)
    assert float(one["mcse"]) == float(other["mcse"]) > 0 and float(one["regret_mcse"]) == float(other["regret_mcse"])


def test_callables_override_only_callables(scenes):
    judge = rh.fit(
        {"red paint": lambda d: d["red_paint"] - 0.5}, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0
    )
    own = {"red paint": "where(flags, 1, -1)", "steep": "slope"}
    agent = rh.fit(own, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0)
    given = {"red paint": lambda d: d["red_paint"] - 0.5}
    found = rh.catastrophe_risk(judge, scenes, agent=agent, hypotheses=given)
    assert float(found["matrix"].sel(agent_hypothesis="red paint", true_hypothesis="red paint")) == 1  # lands by flags
    both = rh.fit(given | {"steep": "slope"}, rh.Uniform("x"), [rh.Labels(DATA, "is_pad", noise=0.2)], 0)
    with pytest.raises(rh.InputError, match="'red paint' is a callable of the judge's and of the agent's"):
        rh.catastrophe_risk(judge, scenes, agent=both, hypotheses=given)


@dataclass(frozen=True, eq=False)
class Offset(Blunt):
    """A kind whose prior depends on the data and whose likelihood reads another column, item by item."""

    kind: ClassVar[str] = "offset"

    @property
    def nuisances(self):
        return {"width": InverseGamma(self.width[0], self.width[1] * float(np.std(self.observed)))}

    def log_likelihood(self, inputs, theta, observed, xp):
        return super().log_likelihood(inputs + 10 * self.items.columns["slope"].values, theta, observed, xp)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_kinds_that_read_more_than_their_inputs(scale):
    """Items keep their order, and no model compiled for other data is used."""
    data = {**DATA, "seen": DATA["seen"] * scale}
    feedback = Offset(data, "seen", width=(2.0, 1.0))
    tree = fitted("auto", feedback=[feedback])
    blunt = Blunt(data, "seen", width=(2.0, float(np.std(data["seen"]))))
    for name, better in {"flags": RED, "level ground": DATA["slope"] < 1}.items():
        want = blunt.closed_form(np.where(better, 100.0, -100.0) + 10 * DATA["slope"])
        got, error = (float(tree["evidence"][k].sel(hypothesis=name)) for k in ("log_evidence", "mcse"))
        assert abs(got - want) < 5 * error, name


@dataclass(frozen=True, eq=False)
class AtLeast(Blunt):
    """What is seen is never below the reward: exponential above it."""

    kind: ClassVar[str] = "at_least"

    def log_likelihood(self, inputs, theta, observed, xp):
        above = -xp.log(theta["width"]) - abs(observed - inputs) / theta["width"]
        return xp.where(observed >= inputs, above, -np.inf)


@dataclass(frozen=True, eq=False)
class Known(Blunt):
    """No nuisance, no closed form given: a plain product."""

    kind: ClassVar[str] = "known"

    @property
    def nuisances(self):
        return {}

    def log_likelihood(self, inputs, theta, observed, xp):
        return super().log_likelihood(inputs, {"width": 90.0}, observed, xp)

    def replicate(self, inputs, theta, n, rng):
        return inputs + 90 * rng.laplace(size=(n, len(inputs)))


def test_impossible_under_one_hypothesis():
    data = {**DATA, "seen": np.where(DATA["slope"] < 1, 100.0, -100.0) + 7.0}
    tree = fitted("auto", feedback=[AtLeast(data, "seen", width=(2.0, 10.0))])
    evidence = tree["evidence"]["log_evidence"]
    assert float(evidence.sel(hypothesis="flags")) == -np.inf and np.isfinite(
        float(evidence.sel(hypothesis="level ground"))
    )
    assert float(tree["evidence"]["weight"].sel(hypothesis="level ground")) == 1
    with pytest.raises(rh.InputError, match="impossible under every hypothesis"):
        fitted("auto", feedback=[AtLeast({**data, "seen": data["seen"] - 1e3}, "seen", width=(2.0, 10.0))])


@dataclass(frozen=True, eq=False)
class HalfExact(Blunt):
    """Exact evidence, and no draws of its nuisance to go with it."""

    kind: ClassVar[str] = "half_exact"

    def evidence(self, valuation):
        classes = self.classes(valuation)
        return Evidence(np.zeros(len(classes)), classes, self.items.n_items)


def test_exact_evidence_needs_exact_draws():
    with pytest.raises(rh.InputError, match="half_exact: HalfExact gives exact evidence without draws"):
        fitted("auto", feedback=[HalfExact(DATA, "seen", width=(2.0, 100.0))])


def test_a_product_is_exact():
    for method in ("exact", "auto", "nuts"):
        tree = fitted(method, feedback=[Known(DATA, "seen", width=(1, 1))])
        want = stats.laplace.logpdf(DATA["seen"], np.where(RED, 100.0, -100.0), 90).sum()
        assert float(tree["evidence"]["log_evidence"].sel(hypothesis="flags")) == pytest.approx(want, rel=1e-12)
        assert tree.attrs["method"] == "exact"


def test_a_test_table_named_like_a_key(tmp_path):
    document = rh.run(study(tmp_path, "nuts", **STUDIES["labels, fixed values"]))
    tables = {"training": "training.csv", "weights": "test.csv"}
    path = study(tmp_path, "nuts", tables=tables, **STUDIES["labels, fixed values"])
    path.write_text(path.read_text().replace("[analysis]", '[analysis]\ntest = "weights"'))
    assert rh.run(path)["mcse"] == document["mcse"]


@dataclass(frozen=True, eq=False)
class Inputs(Blunt):
    """Its nuisance has the name of the data that the model holds."""

    kind: ClassVar[str] = "inputs"
    width: tuple[float, float] = (1, 1)

    @property
    def nuisances(self):
        return {"inputs": InverseGamma(*self.width)}


def test_names_that_would_be_two_things():
    def wrong(words, *feedback):
        with pytest.raises(rh.InputError, match=words):
            fitted("exact", feedback=list(feedback))

    wrong("'a/b' cannot name a variable", rh.Labels(DATA, "is_pad", noise=(1, 4), name="a/b"))
    wrong("'chain' cannot name a variable", rh.Labels(DATA, "is_pad", noise=(1, 4), name="chain"))
    first = rh.Labels(DATA, "is_pad", noise=(1, 4), name="x")
    wrong("'y_inputs' is also a name of feedback 'y'", Inputs(DATA, "seen", name="y"))

    class Nameless(Blunt):
        kind = ""

    with pytest.raises(rh.InputError, match="Nameless has no kind"):
        Nameless(DATA, "seen", width=(1, 1))

    class Numbers(Blunt):
        nuisances = {"width": 3}

    wrong("the prior of nuisance 'width' is 3", Numbers(DATA, "seen", width=(1, 1)))
    with pytest.raises(rh.InputError, match="give a list of feedback"):
        rh.fit(TEXTS, rh.Uniform("x"), first, 0)
    with pytest.raises(rh.InputError, match="prior: a NoneType"):
        rh.fit(TEXTS, None, [first], 0)
