"""A space of rules gives what the same rules give that are listed one by one as expressions."""

import math
import time

import numpy as np
import pytest
from rule_studies import NOISE, fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.rules.on_test import fitting
from reward_hypotheses.models.tree.read import posterior_of

SEED = int(time.time())
POLICIES = (
    rh.Commit(),
    rh.Commit(abstain=True),
    rh.MostProbable(),
    rh.Expected(),
    rh.Expected(abstain=True),
    rh.Boltzmann(2.0),
    rh.Boltzmann(0.5, abstain=True),
)
NUMBERS = ("mean", "floor", "abstained", "regret", "limit", "by_scene")


@pytest.fixture(scope="module", params=[{}, {"ragged": True}, {"failing": True}], ids=["plain", "ragged", "failing"])
def both(request):
    """Fit a space alone, and its rules listed; print the seed."""
    print("seed", SEED)
    training, test = tables(SEED, **request.param)
    tree = fits({"any": space()}, rh.Uniform(source="a test"), training)
    fitted = posterior_of(tree)[0].spaces[0]
    names = listed(fitted)
    every = fits({name: reward(name) for name in names}, rh.Uniform(source="a test"), training)
    return tree, every, test, names, fitted


def test_weights_and_evidence(both):
    tree, every, _, names, fitted = both
    weights = every["evidence"]["weight"].to_numpy()
    found = rh.top_rules(tree, len(names))
    assert found.sizes["rule"] == len(names) == found.attrs["rules"]
    of = dict(zip(found["rule"].to_numpy().tolist(), found["weight"].to_numpy(), strict=True))
    assert [of[name] for name in names] == pytest.approx(weights.tolist(), abs=1e-13)
    log_evidence = every["evidence"]["log_evidence"].to_numpy()
    total = np.logaddexp.reduce(log_evidence - math.log(len(names)))
    assert float(tree["evidence"]["log_evidence"][0]) == pytest.approx(total, abs=1e-10)
    n, weight = fitting(fitted)
    fit = log_evidence >= log_evidence.max() - 1e-9 if n else np.zeros(len(names), bool)
    assert (n, weight) == (int(fit.sum()), pytest.approx(float(weights[fit].sum()), abs=1e-12))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.words)
def test_risk_and_what_endless_training_leaves(both, policy):
    tree, every, test, _, _ = both
    found, wanted = (rh.catastrophe_risk(of, test, policy=policy) for of in (tree, every))
    for key in NUMBERS:
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=1e-11, err_msg=f"{key}, seed {SEED}")


def test_deployments_follow_one_rule(both):
    tree, every, test, _, _ = both
    found, wanted = (rh.catastrophe_risk(of, test, deployments=(1, 10, 100)) for of in (tree, every))
    error = 7 * found["at_least_one_mcse"].to_numpy() + 1e-6
    assert (np.abs(found["at_least_one"] - wanted["at_least_one"]).to_numpy() <= error).all(), SEED


@pytest.mark.parametrize(
    "policy", [rh.Commit(), rh.Expected(abstain=True), rh.Boltzmann(2.0)], ids=lambda policy: policy.words
)
def test_beside_listed_hypotheses(policy):
    """The space beside a rule that it contains and one that it does not, each with weights of its own."""
    training, test = tables(SEED + 1)
    values = rh.Elicited({"flags": 3, "any": 2, "deep": 1}, "a test", strength=20)
    named = {"flags": reward("flags", 100, -50), "deep": reward("depth > 0.31", 10, -10)}
    tree = fits({"flags": named["flags"], "any": space(), "deep": named["deep"]}, values, training)
    names = listed(posterior_of(tree)[0].spaces[1])
    inside = {f"any: {name}": reward(name) for name in names}
    weights = {"flags": 3.0, "deep": 1.0} | {name: 2.0 / len(names) for name in inside}
    every = fits(named | inside, rh.Elicited(weights, "a test"), training)
    found, wanted = (rh.catastrophe_risk(of, test, policy=policy) for of in (tree, every))
    for key in NUMBERS:
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=1e-11, err_msg=f"{key}, seed {SEED + 1}")


def test_counts_two_feedbacks_and_failing_items():
    rng = np.random.default_rng(SEED + 2)
    first, test = tables(SEED + 2)
    second, _ = tables(SEED + 3, n=30)
    first["times"] = rng.integers(1, 5, len(first["pad"]))
    second["is_failing"] = rng.random(len(second["pad"])) < 0.2
    feedback = [
        rh.Labels(first, "pad", noise=NOISE, count="times", name="a"),
        rh.Labels(second, "pad", noise=0.1, name="b"),
    ]
    tree = fits({"any": space()}, rh.Uniform(source="a test"), first, feedback=feedback)
    names = listed(posterior_of(tree)[0].spaces[0])
    every = fits({n: reward(n) for n in names}, rh.Uniform(source="a test"), first, feedback=feedback)
    found, wanted = (rh.catastrophe_risk(of, test) for of in (tree, every))
    for key in NUMBERS:
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=1e-11, err_msg=f"{key}, seed {SEED + 2}")


@pytest.mark.parametrize("stated", ["feature sets", rh.Simplicity("rules"), rh.Simplicity("columns")], ids=str)
def test_priors_and_multipliers(stated):
    """Simplicity is that of the same rules listed in the same language."""
    training, _ = tables(SEED + 4)
    plain = fits({"any": space(["red", "flags", "level"], prior=stated)}, rh.Uniform(source="a test"), training)
    names = listed(posterior_of(plain)[0].spaces[0])
    top = rh.top_rules(plain, len(names))
    prior = dict(zip(top["rule"].to_numpy().tolist(), top["prior"].to_numpy(), strict=True))
    assert sum(prior.values()) == pytest.approx(1, abs=1e-12)
    reads = {n: frozenset(f for f in ("red", "flags", "level") if f in n) for n in names}
    if stated == "feature sets":
        sizes = {of: sum(r == of for r in reads.values()) for of in reads.values()}
        wanted = {n: 1 / (len(sizes) * sizes[reads[n]]) for n in names}
    else:
        every = fits({n: reward(n) for n in names}, rh.Simplicity(stated.language, source="a test"), training)
        wanted = dict(zip(names, every["evidence"]["prior"].to_numpy(), strict=True))
    assert prior == pytest.approx(wanted, rel=1e-9)
    moved = fits(
        {
            "any": space(
                ["red", "flags", "level"], prior=stated, multipliers={"flags": {"value": 8, "source": "a test"}}
            )
        },
        rh.Uniform(source="a test"),
        training,
    )
    after = rh.top_rules(moved, len(names))
    odds = dict(zip(after["rule"].to_numpy().tolist(), after["prior"].to_numpy(), strict=True))
    ratio = {n: odds[n] / prior[n] / (odds["red"] / prior["red"]) for n in names}
    assert ratio == pytest.approx({n: 8.0 if "flags" in reads[n] else 1.0 for n in names}, rel=1e-9)


def test_labels_without_noise_that_no_rule_explains():
    """They leave a space no weight beside a hypothesis that explains them, and are refused otherwise."""
    training, test = tables(SEED)
    right = "(depth > 0.31) & level & red"
    training["pad"] = (training["depth"] > 0.31) & training["level"] & training["red"]
    training["pad"][:2], training["red"][:2] = True, (True, False)
    training["depth"][:2], training["level"][:2] = 0.5, True
    training["pad"][1] = False
    training["flags"][:2] = training["red"][:2]
    feedback = [rh.Labels(training, "pad", noise=0.0), rh.Labels(training, "pad", noise=NOISE, name="again")]
    narrow = space(["level"], at_most=1)
    tree = fits({"any": narrow, "right": reward(right)}, rh.Uniform(source="a test"), training, feedback=feedback)
    assert tree["evidence"]["weight"].to_numpy().tolist() == [0.0, 1.0]
    assert math.isfinite(float(rh.catastrophe_risk(tree, test)["limit"]))
    with pytest.raises(rh.InputError, match="no rule of the space explains every label"):
        fits({"any": narrow}, rh.Uniform(source="a test"), training, feedback=feedback)
    with pytest.raises(rh.InputError, match="impossible under every hypothesis"):
        fits({"any": narrow, "level": reward("level")}, rh.Uniform(source="a test"), training, feedback=feedback)
