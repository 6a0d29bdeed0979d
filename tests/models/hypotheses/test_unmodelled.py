"""A hypothesis that no listed rule is right: its evidence and its risk, by enumeration with rational arithmetic."""

import itertools
from fractions import Fraction
from math import comb, factorial, log

import numpy as np
import pytest
import xarray as xr
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.risk.answer import answer
from reward_hypotheses.analysis.report.sections.value_sources import unmodelled_source
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.none_of_the_above import cell_codes
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.tree.read import posterior_of

RULES = {"flags": "where(flags, 1, -1)", "deep": "where(deep, 1, -1)", "red": "where(red, 1, -1)"}
PRIOR = {"flags": 4, "deep": 3, "red": 2, "none": 1}
GRID = {"flags": [0, 0, 1, 1], "deep": [0, 1, 0, 1], "red": [0, 0, 1, 1]}  # in training red and flags coincide


def beta(p: int, q: int) -> Fraction:
    return Fraction(factorial(p - 1) * factorial(q - 1), factorial(p + q - 1))


def beta_below_half(p: int, q: int) -> Fraction:
    """``int_0^(1/2) t^(p-1) (1-t)^(q-1) dt``, term by term."""
    terms = (Fraction((-1) ** i * comb(q - 1, i), (p + i) * 2 ** (p + i)) for i in range(q))
    return sum(terms, Fraction(0))


def of_cells(cells: list, labels: list, c: int) -> Fraction:
    out = Fraction(1)
    for cell in set(cells):
        said = [bool(y) for x, y in zip(cells, labels, strict=True) if x == cell]
        out *= beta(c + sum(said), c + len(said) - sum(said)) / beta(c, c)
    return out


def of_rule(predicted: list, labels: list, a: int, b: int) -> Fraction:
    wrong = sum(bool(p) != bool(y) for p, y in zip(predicted, labels, strict=True))
    return beta_below_half(a + wrong, b + len(labels) - wrong) / beta_below_half(a, b)


def table(labels, times=1, **more):
    return {k: np.tile(v, times) for k, v in GRID.items()} | {"is_pad": np.array(labels)} | more


def fitted(labels, times=1, c=1.0, noise=(1, 19), prior=PRIOR, strength=None, **rest):
    none = rh.Unmodelled(c, source="a test")
    values = rh.Elicited(prior, source="a test", strength=strength)
    data = table(labels, times)
    return rh.fit(
        RULES | {"none": none}, values, [rh.Labels(data, "is_pad", noise=noise)], fail_utility=0, random_seed=1, **rest
    )


@pytest.mark.parametrize("c", [1, 2])
@pytest.mark.parametrize("wrong", [0, 1])
@pytest.mark.parametrize("truth", ["flags", "xor"])
def test_posterior_weights_by_rational_arithmetic(c, wrong, truth):
    times = 6
    flags, deep = (np.tile(GRID[k], times).astype(bool) for k in ("flags", "deep"))
    labels = flags if truth == "flags" else flags ^ deep
    labels = labels ^ (np.arange(len(labels)) < wrong)
    cells = list(zip(flags, deep, strict=True))
    each = {n: of_rule(list(np.tile(GRID[n], times)), list(labels), 1, 19) for n in RULES}
    each["none"] = of_cells(cells, list(labels), c)
    joint = {n: PRIOR[n] * each[n] for n in PRIOR}
    tree = fitted(labels, times, c=float(c))
    total = sum(joint.values())
    weight = tree["evidence"]["weight"]
    for name in PRIOR:
        assert float(weight.sel(hypothesis=name)) == pytest.approx(float(joint[name] / total), rel=1e-9)
        found = float(tree["evidence"]["log_evidence"].sel(hypothesis=name))
        assert found == pytest.approx(log(each[name].numerator) - log(each[name].denominator), abs=1e-9)
    lead = str(weight.idxmax("hypothesis").values)
    assert lead == ("none" if truth == "xor" else "flags")  # where a rule fits it loses, where none does it wins
    assert float(weight.sel(hypothesis="none")) > 0.99 if truth == "xor" else weight.sel(hypothesis="none") < 0.01


def test_evidence_sums_to_one_over_all_labels_and_one_label_a_cell_is_a_coin():
    total, mean = 0.0, np.zeros(4)
    for labels in itertools.product([0, 1], repeat=8):
        cells = _weighed([rh.Labels(table(labels, 2), "is_pad", noise=0.1)], c=0.7).cell_posterior
        p = np.exp(cells.log_evidence([0]))
        total += p
        mean += p * cells.mean
    assert total == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(
        mean, 0.5, rtol=1e-12
    )  # what is expected of theta is what will be held of it, on average
    coin = _weighed([rh.Labels(table([0, 1, 1, 0]), "is_pad", noise=0.1)], c=0.7)
    assert coin.log_evidence[-1] == pytest.approx(4 * log(0.5))


def _weighed(feedback, c=1.0, hypotheses=RULES):
    from reward_hypotheses.models.weights.weigh import weigh

    listed, line, made = prepared(dict(hypotheses) | {"none": rh.Unmodelled(c, "a test")}, feedback, 0)
    return weigh(listed, Uniform("a test"), made, line)


def test_two_feedbacks_share_their_cells():
    first, second = [0, 1, 1, 0] * 2, [0, 1, 0, 0] * 2
    noise = (1, 9)
    feedback = [rh.Labels(table(labels, 2), "is_pad", noise=noise) for labels in (first, second)]
    cells = [0, 1, 2, 3] * 2
    both = float(of_cells(cells * 2, first + second, 1))
    alone = [float(of_cells(cells, labels, 1)) for labels in (first, second)]
    posterior = _weighed(feedback)
    assert posterior.log_evidence[-1] == pytest.approx(log(both), abs=1e-12)
    found = rh.evidence_by_feedback(RULES | {"none": rh.Unmodelled(1, "a test")}, Uniform("a test"), feedback, 0)
    none = found.sel(hypothesis="none")
    np.testing.assert_allclose(none["nats"], np.log(alone), atol=1e-12)
    assert float(none["together"]) == pytest.approx(log(both) - sum(map(log, alone)), abs=1e-12)
    assert (found["together"].values[:3] == 0).all()
    assert sorted(posterior.cell_posterior.mean.tolist()) == pytest.approx(sorted([1 / 6, 5 / 6, 3 / 6, 1 / 6]))


def test_cells_do_not_depend_on_the_table():
    rng = np.random.default_rng(3)
    rules = rng.random((70, 3000)) < 0.5
    codes = cell_codes(((h, 0), predicted) for h, predicted in enumerate(rules))
    assert len(set(codes.tolist())) == len({c.tobytes() for c in rules.T})
    later = cell_codes(((h, 0), predicted) for h, predicted in enumerate(rules[:, 1000:]))
    assert (later == codes[1000:]).all()


LABELS = [0, 1, 1, 0] * 5  # flags xor deep
SHIFTED = {
    "scene": [0, 0, 0, 1, 1, 1],
    "option": [0, 1, 2, 0, 1, 2],
    "flags": [1, 1, 0, 0, 1, 0],
    "deep": [0, 1, 1, 1, 0, 0],
    "red": [1, 0, 0, 1, 0, 0],
}


@pytest.mark.parametrize(
    "policy", [rh.Commit(), rh.Commit(abstain=True), rh.Expected(), rh.MostProbable(), rh.Boltzmann(2)]
)
def test_risk_by_hand(policy):
    tree = fitted(LABELS, 5, prior={"flags": 1, "deep": 2, "red": 1, "none": 1e-6}, strength=10)
    v = tree["evidence"]["weight"].values
    found = rh.catastrophe_risk(tree, SHIFTED, policy, agent=rh.Uniform())
    # (1,0,1) (0,1,0) (0,0,0) and (1,1,1) are seen in training; the label of (1,0) and (0,1) is true 5 times of 5
    theta = {(1, 0, 1): 6 / 7, (0, 1, 0): 6 / 7, (0, 0, 0): 1 / 7, (1, 1, 1): 1 / 7}
    rows = list(zip(SHIFTED["flags"], SHIFTED["deep"], SHIFTED["red"], strict=True))
    k = np.array([1 - theta[row] if row in theta else 0.5 for row in rows]).reshape(2, 3)
    picks = rh.predict(tree, SHIFTED, policy, agent=rh.Uniform(), draws=4000)["predictions"]["option"].values[0]
    share = np.array([[(picks[:, m] == o).mean() for o in range(3)] for m in range(2)])
    got = float(found["by_truth"].sel(hypothesis="none"))
    assert got == pytest.approx(float((share * k).sum() / 2), abs=5 * 0.5 / np.sqrt(2 * 4000))
    uniform = float(found["matrix"].sel(agent_hypothesis="none", true_hypothesis="none"))
    choices = 4 if policy.abstain else 3
    assert uniform == pytest.approx(k.sum() / (2 * choices))  # an agent certain of it has no ground to choose by
    assert float(found["mean"]) == pytest.approx(float(found["by_truth"].values @ v))
    never = np.array([row not in theta for row in rows]).reshape(2, 3)
    assert float(found["unmodelled_unseen"]) == pytest.approx(
        float((share * never).sum() / 2), abs=5 * 0.5 / np.sqrt(8000)
    )
    half = v[3] * float(found["unmodelled_unseen"]) / 2
    ends = [float(found["mean"]) - half, float(found["mean"]) + half]
    assert [float(found["unmodelled_lower"]), float(found["unmodelled_upper"])] == pytest.approx(ends)
    assert float(found["limit"]) >= 0 and 0 <= float(found["lower"]) <= float(found["upper"]) <= 1
    drawn = rh.predict(tree, SHIFTED, policy, agent=rh.Uniform(), draws=4000)["predictions"]["catastrophe"]
    per = drawn.values[0].mean(axis=1)
    assert float(per.mean()) == pytest.approx(float(found["mean"]), abs=5 * per.std() / np.sqrt(len(per)))


def test_belief_is_a_martingale():
    """Over all data, what will be believed of an item is on average what was believed before."""
    items = {
        "flags": [0, 0, 1, 1, 1],
        "deep": [0, 1, 0, 1, 0],
        "red": [0, 0, 1, 1, 0],
    }  # the last cell is not in training
    test = as_table(items, "test").with_booleans(items)
    expected, chance = np.zeros(5), 0.0
    for labels in itertools.product([0, 1], repeat=8):
        posterior = _weighed([rh.Labels(table(labels, 2), "is_pad", noise=0.2)], c=0.5)
        p = np.exp(posterior.log_evidence).mean()
        (block,) = posterior.on(test, posterior.valuations[0].line).blocks()
        expected += p * sum(v * block.worse(h)[0] for h, v in enumerate(posterior.weights))
        chance += p
    rules = np.array([items[n] for n in ("flags", "deep", "red")])
    assert chance == pytest.approx(1)
    np.testing.assert_allclose(expected, ((rules == 0).sum(axis=0) + 0.5) / 4)


def test_no_agent_holds_it_and_simplicity_of_an_agent_needs_no_length_of_it():
    tree = fitted(LABELS, 5)
    rules = fit_of_rules(LABELS, 5)
    for agent in (rh.Uniform(), rh.Simplicity("rules")):
        with_it = rh.catastrophe_risk(tree, SHIFTED, agent=agent)
        without = rh.catastrophe_risk(rules, SHIFTED, agent=agent)
        np.testing.assert_allclose(with_it["by_truth"].values[:3], without["by_truth"].values, rtol=1e-9)
    mine = rh.catastrophe_risk(tree, SHIFTED)
    np.testing.assert_allclose(
        mine["by_truth"].values[:3], rh.catastrophe_risk(rules, SHIFTED)["by_truth"].values, rtol=1e-9
    )
    theirs = rh.catastrophe_risk(tree, SHIFTED, agent=tree)
    np.testing.assert_allclose(theirs["by_truth"].values, mine["by_truth"].values, rtol=1e-12)
    bits = rh.value_bits(tree, SHIFTED, target=0.45)
    assert float(bits["by_truth"].sel(hypothesis="flags")) == pytest.approx(
        float(rh.value_bits(rules, SHIFTED, target=0.45)["by_truth"].sel(hypothesis="flags"))
    )


def fit_of_rules(labels, times):
    values = rh.Elicited({n: PRIOR[n] for n in RULES}, source="a test")
    data = [rh.Labels(table(labels, times), "is_pad", noise=(1, 19))]
    return rh.fit(RULES, values, data, fail_utility=0, random_seed=1)


def test_a_tree_reads_back(tmp_path):
    tree = fitted(LABELS, 5, log_likelihood=True, strength=10, prior={"flags": 1, "deep": 1, "red": 1, "none": 1e-8})
    tree.to_netcdf(tmp_path / "t.nc")
    with xr.open_datatree(tmp_path / "t.nc") as again:
        again.load()
        first, second = (rh.catastrophe_risk(t, SHIFTED, rh.Expected()) for t in (tree, again))
        xr.testing.assert_allclose(first, second)
    assert np.isnan(tree["posterior"]["labels_eps"].sel(hypothesis="none")).all()
    assert np.isfinite(tree["posterior"]["labels_eps"].sel(hypothesis="flags")).all()
    likelihood = tree["log_likelihood"]["labels"].sel(hypothesis="none")
    true = np.exp(likelihood.values.reshape(-1, 20)).mean(axis=0)
    assert true == pytest.approx(6 / 7, abs=0.1)  # each label was as its cell's five
    made = tree["prior_predictive"]["labels"].values
    assert 0.2 < made.mean() < 0.8


WRONG = {
    "not a number": (lambda: rh.Unmodelled("1", source="x"), "concentration"),
    "zero": (lambda: rh.Unmodelled(0, source="x"), "concentration"),
    "no source": (lambda: rh.Unmodelled(1), "source"),
    "alone": (lambda: _weighed([rh.Labels(table(LABELS, 5), "is_pad", noise=0.1)], hypotheses={}), "no others"),
    "two": (
        lambda: _weighed(
            [rh.Labels(table(LABELS, 5), "is_pad", noise=0.1)], hypotheses=RULES | {"x": rh.Unmodelled(2, "x")}
        ),
        "both unmodelled",
    ),
    "linear": (
        lambda: _weighed(
            [rh.Labels(table(LABELS, 5), "is_pad", noise=0.1)],
            hypotheses=RULES | {"x": rh.Linear(["flags"], source="x")},
        ),
        "continuous weights",
    ),
    "rewards": (
        lambda: _weighed([rh.Rewards(table(LABELS, 5), "is_pad", sigma2=(2, 1))]),
        r"rewards: hypothesis 'none' is unmodelled, and gives labels alone",
    ),
    "simplicity as values": (
        lambda: rh.fit(
            RULES | {"none": rh.Unmodelled(1, "x")},
            rh.Simplicity(source="x"),
            [rh.Labels(table(LABELS, 5), "is_pad", noise=0.1)],
            0,
        ),
        "is unmodelled and has no length",
    ),
    "pymc": (
        lambda: rh.pymc_model(
            RULES | {"none": rh.Unmodelled(1, "x")},
            rh.Uniform("x"),
            [rh.Labels(table(LABELS, 5), "is_pad", noise=0.1)],
            fail_utility=0,
        ),
        "list rules alone",
    ),
    "queries": (lambda: rh.rank_queries(fitted(LABELS, 5), SHIFTED, SHIFTED), "no answer is predicted"),
    "probes": (lambda: rh.choose_probes(RULES | {"none": rh.Unmodelled(1, "x")}, SHIFTED, 1), "no agent chooses"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused(case):
    make, message = WRONG[case]
    with pytest.raises(rh.InputError, match=message):
        make()


NONE = {"unmodelled": 1, "source": "x"}
STUDY = {
    "hypotheses": small()["hypotheses"] | {"something else": NONE},
    "values": {"weights": {"flags": 8, "red paint": 1, "something else": 1}, "source": "x", "strength": 20},
}
REFUSED = {
    "unknown key": ({"hypotheses": small()["hypotheses"] | {"something else": NONE | {"c": 2}}}, "'c' is unknown"),
    "no source": ({"hypotheses": small()["hypotheses"] | {"something else": {"unmodelled": 1}}}, "no source"),
    "stops": (
        {"feedback": [{"kind": "stops", "table": "training", "column": "is_pad"}]},
        r"stops: hypothesis 'something else' is unmodelled",
    ),
    "simplicity": ({"values": {"prior": "simplicity", "source": "x"}}, r"\[values\].*has no length"),
    "of the agent": ({"agent": {"prior": "uniform", "hypotheses": {"mine": NONE}}}, "by which an agent could act"),
    "a reading": (
        {"agent": {"prior": "uniform", "feedback": [{"kind": "choices", "table": "test", "column": "flags"}]}},
        "beside which no agent is read",
    ),
    "nothing for the agent": (
        {
            "values": {"weights": {"flags": 0, "red paint": 0, "something else": 1}, "source": "x"},
            "agent": {"prior": "values"},
        },
        r"\[agent\] prior.*nobody can act",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_study_refuses(case, tmp_path):
    changes, message = REFUSED[case]
    path = write(tmp_path, small(**(STUDY | changes)), training=TRAINING, test=TEST)
    with pytest.raises(rh.InputError, match=message):
        rh.check(path)


def test_a_study(tmp_path):
    document = small(**STUDY, agent={"prior": "simplicity"})
    results = rh.run(write(tmp_path, document, training=TRAINING, test=TEST))
    assert results["silent_pairs"] == [["red paint", "flags"]]
    assert results["fail_utility"]["something else"] is None
    assert results["agent_weights"]["something else"] == 0 and results["agent_prior"]["something else"] == 0
    assert results["risk_by_language"]["rules"] is not None
    bounds, risk = results["risk"]["unmodelled"], results["risk"]
    assert bounds["weight"] == results["weights"]["something else"] == results["unmodelled"]["weight"]
    assert results["unmodelled"] | {"weight": 0} == {
        "hypothesis": "something else",
        "weight": 0,
        "concentration": 1.0,
        "source": "x",
        "cells": 2,
        "items": 20,
    }
    half = bounds["weight"] * bounds["unseen"] / 2
    assert bounds["unseen"] == pytest.approx(1)  # the agent picks what is red or between flags, never both
    assert [bounds["lower"], bounds["upper"]] == pytest.approx([risk["mean"] - half, risk["mean"] + half])
    assert any("no agent can follow 'something else'" in w for w in results["warnings"])
    assert "something else" not in str(results["shift"]["kinds"])


def test_a_failure_line_need_not_name_it(tmp_path):
    line = {"fail_utility": {"flags": -5, "red paint": 0}}
    named, every = (
        rh.run(write(tmp_path, small(**STUDY, catastrophe=c), training=TRAINING, test=TEST))
        for c in (line, {"fail_utility": line["fail_utility"] | {"something else": 3}})
    )
    assert named["risk"] == every["risk"] and named["fail_utility"] == every["fail_utility"]
    assert named["fail_utility"]["something else"] is None


def test_the_report_gives_bounds_where_no_rule_fits(tmp_path):
    odd = TRAINING + "1,1,2.5,0\n0,0,0.5,1\n" * 10  # half of what is said of each cell contradicts both rules
    results = rh.run(write(tmp_path, small(**STUDY), training=odd, test=TEST))
    found = results["risk"]["unmodelled"]
    assert found["weight"] > 0.9
    said = " ".join(answer(results))
    assert any(
        "'something else' stands for a reward that is not among the listed rules" in one
        for one in unmodelled_source(results)
    )
    assert "'something else' (none of the listed rules) has posterior weight" in said and "the risk is between" in said
    assert any("the unmodelled hypothesis 'something else' has a posterior weight of" in w for w in results["warnings"])


def test_draws_of_an_agent_leave_the_unmodelled_rule_out():
    """The weights of the rules add up to 1 in every draw."""
    posterior = posterior_of(fitted(LABELS, 5, strength=10))[0]
    drawn = posterior.acting_draws(None, 4000, np.random.default_rng(2))
    np.testing.assert_allclose(drawn.sum(axis=1), 1, rtol=1e-12)
    assert not drawn[:, posterior.hypotheses.unmodelled].any()
