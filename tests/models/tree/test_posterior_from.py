"""The tree of a model that PyMC sampled: against `fit`, brute force, and what cannot be computed.

Draws of a model are made exactly here, by its own hypotheses, so that nothing is compiled for a sampler.
"""

import itertools
import math
import re
import warnings

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.models.inference.mixture_evidence import mixture_evidence
from reward_hypotheses.models.tree.read import posterior_of

with warnings.catch_warnings():  # of its own dependencies, on import
    warnings.simplefilter("ignore")
    import pymc as pm
    import pytensor.tensor as pt

RNG = np.random.default_rng(8)
RED = RNG.random(8) < 0.5
DATA = {"red": RED, "flags": RED, "deep": RED ^ (np.arange(8) % 3 == 0), "good": RED ^ (np.arange(8) == 1)}
RULES = {"red": "where(red, 1, -1)", "flags": "where(flags, 1, -1)", "deep": "where(deep, 1, -1)"}
VALUES = rh.Elicited({"red": 1, "flags": 3, "deep": 2}, "a test", strength=6)
TEST = {name: RNG.random((30, 3)) < 0.5 for name in ("red", "flags", "deep")}
CHAINS, DRAWS = 4, 400


def refused(*wants, error=rh.InputError):
    return pytest.raises(error, match=".*".join(re.escape(w) for w in wants))


def tree_of(model, draws, **stats):
    """A tree as of pm.sample: draws (draw, ...) of the free variables, and what the model computes from them."""
    named = [*model.free_RVs, *model.deterministics]
    evaluate = model.compile_fn(model.deterministics, inputs=model.free_RVs, mode="FAST_COMPILE", point_fn=False)
    rows = [evaluate(*(draws[v.name][t] for v in model.free_RVs)) for t in range(len(draws[model.free_RVs[0].name]))]
    values = draws | {
        v.name: np.array(column) for v, column in zip(model.deterministics, zip(*rows, strict=True), strict=True)
    }
    out = {}
    for variable in named:
        dims = model.named_vars_to_dims.get(variable.name, ())
        array = values[variable.name]
        out[variable.name] = (("chain", "draw", *dims), array.reshape(CHAINS, -1, *array.shape[1:]))
    coords = {dim: list(labels) for dim, labels in model.coords.items() if any(dim in dims for dims, _ in out.values())}
    groups = {"posterior": xr.Dataset(out, coords=coords)}
    if stats:
        groups["sample_stats"] = xr.Dataset({k: (("chain", "draw"), v) for k, v in stats.items()})
    return xr.DataTree.from_dict(groups)


def exact_draws(tree, prior_weights, strength, nuisances, seed):
    """Draws of the model of `fit`: h from the weights, pi given h, the nuisances of h given the data, of others from the prior."""
    rng = np.random.default_rng(seed)
    w, n = tree["evidence"]["weight"].to_numpy(), CHAINS * DRAWS
    truths = rng.choice(len(w), n, p=w)
    each = np.arange(len(w))
    out = {"value_prior": np.array([rng.dirichlet(strength * prior_weights + (each == h)) for h in truths])}
    for name in nuisances:
        after, before = (tree[group][name].to_numpy().reshape(-1, len(w)) for group in ("posterior", "prior"))
        out[name] = np.where(each == truths[:, None], rng.permuted(after[:n], axis=0), rng.permuted(before[:n], axis=0))
    return truths, out


def agree(got, want, names=("mean", "lower", "upper", "floor", "limit")):
    for name in names:
        key = {"mean": "mcse", "lower": "mcse_lower", "upper": "mcse_upper"}.get(name, f"{name}_mcse")
        errors = [float(risk[key]) for risk in (got, want) if key in risk and np.isfinite(risk[key])]
        assert abs(float(got[name]) - float(want[name])) < 4 * math.hypot(*errors) + 1e-9, name
    gap = (
        np.abs(got["interval"] - want["interval"])
        <= 4 * np.hypot(got["interval_mcse"], want["interval_mcse"]) + 4 * got["mcse"]
    )
    assert gap.sel(source=["values", "all"]).all()


KINDS = {
    "labels": lambda: rh.Labels(DATA, "good", noise=(2, 6)),
    "choices": lambda: rh.Choices(
        {k: v.reshape(4, 2) for k, v in DATA.items()} | {"chosen": np.arange(2) == np.array([0, 1, 1, 0])[:, None]},
        "chosen",
    ),
}


@pytest.fixture(scope="module")
def plain():
    """An unextended model of each kind, with exact draws of it."""
    out = {}
    for kind, make in KINDS.items():
        tree = rh.fit(RULES, VALUES, [make()], 0, random_seed=3)
        model = rh.pymc_model(RULES, VALUES, [make()], 0)
        nuisance = f"{kind}_{'eps' if kind == 'labels' else 'rationality'}"
        draws = exact_draws(tree, np.array([1, 3, 2]) / 6, 6, [nuisance], seed=4)[1]
        out[kind] = tree, model, tree_of(model, draws)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_was_not_extended_is_that_of_fit(plain, kind):
    fitted, model, idata = plain[kind]
    tree = rh.posterior_from(idata, model, random_seed=3)
    evidence = tree["evidence"].to_dataset()
    want = fitted["evidence"]["log_evidence"].to_numpy()
    apart = evidence["log_evidence"].to_numpy() - (want - want[int(np.argmax(evidence["weight"].to_numpy()))])
    assert np.all(np.abs(apart) <= 4 * evidence["mcse"].to_numpy() + 1e-9)
    assert 0 < evidence["mcse"].max() < 0.1
    if kind == "labels":  # ties stay ties
        assert evidence["log_evidence"][0] == evidence["log_evidence"][1]
        assert evidence["silent_class"].to_numpy().tolist() == [0, 0, 1]
    np.testing.assert_allclose(tree["posterior"]["weight"].mean(("chain", "draw")), evidence["weight"], atol=0.02)
    own = rh.Elicited({"red": 1, "flags": 1, "deep": 4}, "an agent", strength=5)
    for policy, agent in ((rh.Commit(), None), (rh.Commit() if kind == "labels" else rh.Expected(), own)):
        agree(*(rh.catastrophe_risk(t, TEST, policy, agent) for t in (tree, fitted)))


def test_what_takes_a_tree_takes_it(plain, tmp_path):
    fitted, model, idata = plain["choices"]
    tree = rh.posterior_from(idata, model)
    tree.to_netcdf(tmp_path / "tree.nc")
    with xr.open_datatree(tmp_path / "tree.nc") as again:
        assert float(rh.catastrophe_risk(again, TEST)["upper"]) == float(rh.catastrophe_risk(tree, TEST)["upper"])
    error = 4 * tree["evidence"]["mcse"].to_numpy().max()
    for compute in (
        lambda t: float(rh.predict_rate(t, TEST, n_scenes=20, draws=1000)["mean"]) / 20,
        lambda t: float(rh.value_bits(t, TEST, target=0.2)["bits"]),
        lambda t: rh.risk_bounds(t, TEST)[1],
        lambda t: rh.worst_case(t, TEST, tail=0.2).risk,
        lambda t: rh.predict(t, TEST, draws=4000)["predictions"]["catastrophe"].mean().item(),
    ):
        assert abs(compute(tree) - compute(fitted)) < error + 0.02
    agents = [rh.catastrophe_risk(fitted, TEST, rh.Boltzmann("inferred"), agent) for agent in (tree, fitted)]
    assert abs(float(agents[0]["mean"]) - float(agents[1]["mean"])) < 0.02


def with_survey(weighed=False):
    """One noise rate for all hypotheses, and ten people asked whether they mean red; a term by hypothesis, too."""
    rules = {name: RULES[name] for name in ("red", "deep")}
    values = rh.Elicited({"red": 2, "deep": 1}, "a test", strength=3)

    def rate():
        return (0.5 * pm.math.sigmoid(pm.Normal("typical", -1, 1)) * pt.ones(8))[None, :]

    model = rh.pymc_model(rules, values, [rh.Labels(DATA, "good", noise=(2, 6))], 0, nuisances={"labels_eps": rate})
    extra = np.array([0.0, 1.3])
    with model:
        pm.Binomial("survey", n=10, p=model["value_prior"][0], observed=3)
        if weighed:
            both = model["weight"] * pm.math.exp(extra)
            pm.Potential("told", pm.math.log(both.sum()))
            pm.Deterministic("weight_told", both / both.sum(), dims="hypothesis")
    return model, extra if weighed else np.zeros(2)


@pytest.fixture(scope="module", params=[False, True])
def surveyed(request):
    """The extended model, exact draws from a grid of its values and noise, and what a plain sum over the grid gives."""
    model, extra = with_survey(request.param)
    pi = (np.arange(800) + 0.5) / 800
    z = np.linspace(-6, 4, 400)
    eps = 0.5 / (1 + np.exp(-z))
    wrong = [int((DATA[name] != DATA["good"]).sum()) for name in ("red", "deep")]
    likelihood = [eps**k * (1 - eps) ** (8 - k) * math.exp(e) for k, e in zip(wrong, extra, strict=True)]
    of_values = pi ** (2 - 1 + 3) * (1 - pi) ** (1 - 1 + 7)
    of_noise = np.exp(-((z + 1) ** 2) / 2)
    mixture = np.outer(pi, likelihood[0]) + np.outer(1 - pi, likelihood[1])
    joint = of_values[:, None] * of_noise * mixture
    evidence = [float((of_noise * one).sum() / of_noise.sum()) for one in likelihood]
    mean = float((of_values * pi).sum() / of_values.sum())
    at = np.random.default_rng(5).choice(joint.size, CHAINS * DRAWS, p=(joint / joint.sum()).ravel())
    first, second = np.divmod(at, len(z))
    draws = {"value_prior": np.stack([pi[first], 1 - pi[first]], axis=1), "typical": z[second]}
    of_pi = joint.sum(axis=1) / joint.sum()
    given_pi = pi * evidence[0] / (pi * evidence[0] + (1 - pi) * evidence[1])
    idata = tree_of(model, draws)
    name = "weight_told" if request.param else "weight"
    return model, idata, name, np.array(evidence), mean, of_pi, given_pi


def test_an_extended_model_against_brute_force(surveyed):
    model, idata, name, evidence, mean, of_pi, given_pi = surveyed
    tree = rh.posterior_from(idata, model, weight=name)
    found = tree["evidence"].to_dataset()
    apart = np.diff(found["log_evidence"].to_numpy()) - math.log(evidence[1] / evidence[0])
    assert abs(apart[0]) < 4 * found["mcse"].max().item()
    assert found["mcse"].max().item() < 0.1
    weight = mean * evidence[0] / (mean * evidence[0] + (1 - mean) * evidence[1])
    ess = CHAINS * DRAWS
    assert abs(found["weight"][0].item() - weight) < 4 * math.sqrt(of_pi @ (given_pi - weight) ** 2 / ess) + 0.005
    of_values = math.sqrt(of_pi @ (given_pi - weight) ** 2 / ess) / (weight * (1 - weight))
    assert found["log_prior_mcse"].max().item() == pytest.approx(of_values, rel=0.3)
    assert abs(found["prior"][0].item() - mean) < 0.02
    bad = {h: ~TEST[h] for h in ("red", "deep")}
    pick = {h: (TEST[h] + 1e-9) / (TEST[h] + 1e-9).sum(axis=1, keepdims=True) for h in bad}
    pick = {h: np.where(p < 1e-6, 0, p) for h, p in pick.items()}
    rate = {(i, j): (pick[i] * bad[j]).sum(axis=1).mean() for i, j in itertools.product(bad, bad)}
    agent = evidence / evidence.sum()
    by_truth = np.array([agent[0] * rate["red", j] + agent[1] * rate["deep", j] for j in bad])
    risk = rh.catastrophe_risk(tree, TEST, agent=rh.Uniform())
    assert abs(float(risk["mean"]) - (weight * by_truth[0] + (1 - weight) * by_truth[1])) < 4 * float(risk["mcse"])
    risks = given_pi * by_truth[0] + (1 - given_pi) * by_truth[1]
    order = np.argsort(risks)
    ends = np.interp([0.025, 0.975], np.cumsum(of_pi[order]), risks[order])
    for end, want in zip(("lower", "upper"), ends, strict=True):
        assert abs(float(risk[end]) - want) < 4 * float(risk[f"mcse_{end}"]) + 4 * float(risk["mcse"])
    assert np.isnan(risk["limit"]) == (name != "weight")  # the term tells what the labels cannot
    repeated = idata["posterior"].to_dataset().isel(draw=np.arange(DRAWS) // 2)  # worth half as many
    few = rh.posterior_from(xr.DataTree.from_dict({"posterior": repeated}), model, weight=name)
    assert 1.1 < float(few["evidence"]["mcse"].max() / found["mcse"].max()) < 1.8
    effective = [t["evidence"]["opinion_effective"].item() for t in (few, tree)]
    assert posterior_of(few)[0].worth(4000) == int(effective[0]) < 0.7 * effective[1]


def test_reward_weights(plain):
    """A hypothesis with continuous weights, by its draws given that hypothesis."""
    rng = np.random.default_rng(2)
    table = {k: rng.normal(size=(12, 3)) for k in ("x", "y")}
    table["chosen"] = (table["x"] + table["y"] + rng.gumbel(size=(12, 3))).argmax(axis=1)[:, None] == np.arange(3)
    hypotheses = {"x": "x", "mix": rh.Linear(["x", "y"], prior={"normal": 1.5}, source="a test")}
    values = rh.Elicited({"x": 1, "mix": 2}, "a test", strength=6)
    about = hypotheses, values, [rh.Choices(table, "chosen")], 0.2
    fitted, model = rh.fit(*about, random_seed=1), rh.pymc_model(*about)
    truths, draws = exact_draws(fitted, np.array([1, 2]) / 3, 6, ["choices_rationality"], seed=6)
    draws["choices_rationality"] = np.maximum(draws["choices_rationality"], 1e-3)
    after, before = (fitted[group]["reward_weight"].to_numpy().reshape(-1, 2) for group in ("posterior", "prior"))
    rows = rng.permutation(len(after))[: len(truths)]
    draws["reward_weight"] = np.where(truths[:, None] == 1, after[rows], before[rows])
    test = {k: rng.normal(size=(40, 3)) for k in ("x", "y")}
    tree = rh.posterior_from(tree_of(model, draws), model)
    agree(*(rh.catastrophe_risk(t, test) for t in (tree, fitted)), names=("mean", "lower", "upper"))
    weights = [t["posterior"]["reward_weight"].to_numpy().reshape(-1, 2).mean(axis=0) for t in (tree, fitted)]
    np.testing.assert_allclose(*weights, atol=0.1)


def test_refusals(plain):
    _, model, idata = plain["labels"]
    draws = idata["posterior"].to_dataset()

    def of(dataset):
        return xr.DataTree.from_dict({"posterior": dataset})

    with refused("model", "rh.pymc_model did not return"):
        rh.posterior_from(idata, pm.Model())
    with refused("idata", "group 'posterior'"):
        rh.posterior_from(draws, model)
    with refused("no draws of 'labels_eps'"):
        rh.posterior_from(of(draws.drop_vars("labels_eps")), model)
    holed = draws["value_prior"].copy()
    holed[2, 7] = np.nan
    with refused("'value_prior' holds NaN in 3 places"):
        rh.posterior_from(of(draws.assign(value_prior=holed)), model)
    with refused("the model gives the weights", "another model"):
        rh.posterior_from(of(draws.assign(labels_eps=draws["labels_eps"] * 0.5)), model)
    with refused("holds hypothesis", "the model has ['red', 'flags', 'deep']"):
        rh.posterior_from(of(draws.assign_coords(hypothesis=["red", "flags", "depp"])), model)
    with refused("weight: 'wieght' is no deterministic", "did you mean 'weight'"):
        rh.posterior_from(idata, model, weight="wieght")
    fixed = rh.pymc_model(RULES, rh.Uniform("a test"), [rh.Labels(DATA, "good", noise=0.1)], 0)
    with refused("no free variables"):
        rh.posterior_from(idata, fixed)


def test_terms_that_tie_values_to_nuisances():
    told = with_survey(weighed=True)[0]
    with refused("a term by hypothesis was added", "name it in weight="):
        rh.posterior_from(xr.DataTree(), told)
    model, _ = with_survey()
    with model:
        pm.Potential("both", model["value_prior"][0] * model["typical"])
    with refused("the term 'both' ties the values to 'typical'"):
        rh.posterior_from(xr.DataTree(), model)


def test_draws_that_cannot_be_trusted(plain):
    _, model, idata = plain["labels"]
    draws = idata["posterior"].to_dataset()
    diverging = np.zeros((CHAINS, DRAWS), bool)
    diverging[0, :2] = True
    stats = xr.Dataset({"diverging": (("chain", "draw"), diverging)})
    with refused("2 of 1600 NUTS draws diverged", error=rh.NotTrustedError) as raised:
        rh.posterior_from(xr.DataTree.from_dict({"posterior": draws, "sample_stats": stats}), model)
    assert "evidence" in raised.value.tree.children
    with refused("effective sample size of", error=rh.NotTrustedError):
        rh.posterior_from(xr.DataTree.from_dict({"posterior": draws.isel(draw=slice(60))}), model)
    order = np.argsort(draws["weight"].isel(hypothesis=2).to_numpy().ravel())
    apart = draws.stack(all=("chain", "draw")).isel(all=order)
    split = {name: apart[name].transpose("all", ...).to_numpy() for name in draws.data_vars}
    stuck = xr.Dataset(
        {n: (("chain", "draw", "hypothesis"), v.reshape(CHAINS, DRAWS, -1)) for n, v in split.items()},
        coords={"hypothesis": draws["hypothesis"].to_numpy()},
    )
    with refused("R-hat of", error=rh.NotTrustedError):
        rh.posterior_from(xr.DataTree.from_dict({"posterior": stuck}), model)


def test_an_agent_that_rests_on_few_draws_is_refused():
    """A hypothesis that the data nearly rule out has no reliable evidence; an agent that believes it is refused."""
    rng = np.random.default_rng(3)
    red = rng.random(60) < 0.5
    data = {"red": red, "deep": red ^ (rng.random(60) < 0.4), "good": red}
    rules = {name: RULES[name] for name in ("red", "deep")}
    about = rules, rh.Elicited({"red": 1, "deep": 1}, "a test", strength=8), [rh.Labels(data, "good", noise=(1, 19))], 0
    fitted, model = rh.fit(*about), rh.pymc_model(*about)
    draws = exact_draws(fitted, np.full(2, 0.5), 8, ["labels_eps"], seed=1)[1]
    tree = rh.posterior_from(tree_of(model, draws), model)
    assert tree["evidence"]["k_hat"][1] > 0.7
    test = {name: TEST[name] for name in rules}
    rh.catastrophe_risk(tree, test)
    with refused("'deep' rests on few draws", error=rh.NotTrustedError):
        rh.catastrophe_risk(tree, test, agent=rh.Elicited({"red": 1e-30, "deep": 1}, "an agent"))
    with refused("'deep' rests on few draws", error=rh.NotTrustedError):
        rh.risk_bounds(tree, test)


def test_the_evidence_of_a_mixture_in_closed_form():
    """Fixed shares: the evidence is the ratio of mean weights to shares; a component that is impossible has none."""
    rng = np.random.default_rng(1)
    shares = np.log(np.broadcast_to([0.2, 0.5, 0.3], (2, 500, 3)))
    weights = rng.dirichlet([2.0, 3.0], size=(2, 500))
    with np.errstate(divide="ignore"):
        found = mixture_evidence(shares, np.log(np.concatenate([weights, np.zeros((2, 500, 1))], axis=-1)))
    mean = weights.mean(axis=(0, 1))
    assert found.value[2] == -np.inf
    assert found.value[0] - found.value[1] == pytest.approx(math.log(mean[0] / 0.2) - math.log(mean[1] / 0.5), abs=1e-9)
    # the error of log(m / (1 - m)) is that of m over m (1 - m)
    want = weights[..., 0].std() / math.sqrt(1000) / (mean[0] * mean[1])
    assert found.mcse.max() == pytest.approx(want, rel=0.25)
