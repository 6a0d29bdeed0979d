"""Values from answers about pairs of hypotheses, against integrators of their own."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import special, stats
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.data.readers.pairwise_judgements import GRADES
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of

MARGIN = 4.5  # standard errors: a false alarm in 150,000


def listed(n):
    return hypotheses_of({f"h{i}": "x" for i in range(n)})


def graded(gap, c1, c2):
    """Probability of each grade, as differences of logistic distribution functions."""
    cuts = np.array([-np.inf, -c2, -c1, c1, c2, np.inf])
    return [special.expit(cuts[g + 1] - gap) - special.expit(cuts[g] - gap) for g in range(5)]


def simulated(rng, n, judges, answers, spread=2.0, disagreement=1.0):
    """Draw worths and answers by the model."""
    m = rng.normal(0, spread, n)
    own = m + abs(rng.normal(0, disagreement)) * rng.normal(size=(judges, n))
    c1 = 0.5 * math.exp(0.75 * rng.normal())
    c2 = c1 + 1.5 * math.exp(0.75 * rng.normal())
    said = []
    for _ in range(answers):
        k, (left, right) = rng.integers(judges), rng.choice(n, 2, replace=False)
        grade = rng.choice(5, p=[float(p) for p in graded(own[k, left] - own[k, right], c1, c2)])
        said.append((f"judge {k}", f"h{left}", f"h{right}", GRADES[grade]))
    return said, m


def by_grid(said):
    """Mean of ``pi_0`` for two hypotheses: sums over grids of the gap, tau, both cut points, and each judge's own gap."""
    gap = np.linspace(-14, 14, 113)  # m_0 - m_1 ~ Normal(0, 2 sqrt 2)
    score = (np.arange(16) + 0.5) / 16
    taus = stats.halfnorm.ppf(score)
    z, z_weight = np.polynomial.hermite_e.hermegauss(20)
    nodes = list(zip(*np.polynomial.hermite_e.hermegauss(10), strict=True))
    total = np.zeros(len(gap))
    for tau, (u, wu), (v, wv) in itertools.product(taus, nodes, nodes):
        c1 = 0.5 * math.exp(0.75 * u)
        c2 = c1 + 1.5 * math.exp(0.75 * v)
        chance = graded(gap[:, None] + tau * math.sqrt(2) * z, c1, c2)
        likelihood = np.ones(len(gap))
        for judge in {row[0] for row in said}:
            of_judge = np.ones((len(gap), len(z)))
            for _, left, _, answer in (row for row in said if row[0] == judge):
                grade = GRADES.index(answer)
                of_judge = of_judge * chance[grade if left == "h0" else 4 - grade]
            likelihood = likelihood * (of_judge @ z_weight) / z_weight.sum()
        total += wu * wv * likelihood
    density = total * stats.norm.pdf(gap, 0, 2 * math.sqrt(2))
    return float(density @ special.expit(gap) / density.sum())


def by_brute_force(said, n, rng, draws=1_000_000):
    """Mean of pi by draws from the prior, weighed by the answers; with its error and effective number."""
    m = rng.normal(0, 2, (draws, n))
    tau = np.abs(rng.normal(0, 1, draws))
    c1 = 0.5 * np.exp(0.75 * rng.normal(size=draws))
    c2 = c1 + 1.5 * np.exp(0.75 * rng.normal(size=draws))
    likelihood = np.ones(draws)
    for judge in sorted({row[0] for row in said}):
        own = m + tau[:, None] * rng.normal(size=(draws, n))
        for _, left, right, answer in (row for row in said if row[0] == judge):
            gap = own[:, int(left[1])] - own[:, int(right[1])]
            edges = [np.full(draws, -np.inf), -c2, -c1, c1, c2, np.full(draws, np.inf)]
            g = GRADES.index(answer)
            likelihood *= special.expit(edges[g + 1] - gap) - special.expit(edges[g] - gap)
    w = likelihood / likelihood.sum()
    pi = special.softmax(m, axis=1)
    mean = w @ pi
    return mean, np.sqrt(w**2 @ (pi - mean) ** 2), 1 / (w @ w)


@pytest.mark.parametrize("seed", range(12))
def test_two_hypotheses_against_a_grid(seed):
    rng = np.random.default_rng(seed)
    said, _ = simulated(rng, 2, 1 + seed % 2, int(rng.integers(1, 9)))
    found = rh.Judgements(said, "a test").inferred(("h0", "h1"))
    assert abs(found.pool.mean()[0] - by_grid(said)) < MARGIN * found.mcse[0] + 1.5e-3  # the grid's own error


@pytest.mark.parametrize("seed", range(8))
def test_three_hypotheses_against_brute_force(seed):
    rng = np.random.default_rng(100 + seed)
    said, _ = simulated(rng, 3, int(rng.integers(1, 4)), int(rng.integers(2, 8)))
    want, error, worth = by_brute_force(said, 3, rng, 300_000)
    assert worth > 500
    found = rh.Judgements(said, "a test").inferred(("h0", "h1", "h2"))
    assert (np.abs(found.pool.mean() - want) < MARGIN * np.hypot(error, found.mcse)).all()
    assert found.mcse.max() < 0.01


def test_gradient_is_of_the_density():
    said, _ = simulated(np.random.default_rng(5), 4, 3, 20)
    model = rh.Judgements(said, "a test").inferred(tuple(f"h{i}" for i in range(4))).model
    at = np.random.default_rng(6).normal(size=(4, model.size))
    step = 1e-5 * np.eye(model.size)
    slopes = [(model.log_density(at + s) - model.log_density(at - s)) / 2e-5 for s in step]
    np.testing.assert_allclose(model.gradient(at), np.array(slopes).T, atol=1e-6)


def test_symmetric_answers_give_equal_weights():
    said = [(k, a, b, g) for k in "AB" for a, b in (("h0", "h1"), ("h1", "h0")) for g in ("left much", "equal")]
    found = rh.Judgements(said, "a test").inferred(("h0", "h1"))
    assert abs(found.pool.mean()[0] - 0.5) < MARGIN * found.mcse[0]


def spread_of(said, n=2):
    held = rh.Judgements(said, "a test").weighted_draws(listed(n))
    return float(np.sqrt(held.chance @ (held.pi[:, 0] - held.mean()[0]) ** 2)), held.mean()[0]


def test_agreement_narrows_and_disagreement_widens():
    one = [("A", "h0", "h1", "left a little")]
    agreed = [(k, "h0", "h1", "left a little") for k in "ABCDEFGH"]
    split = [(k, "h0", "h1", "left much" if k in "ABCDEF" else "right much") for k in "ABCDEFGH"]
    same = [("A", "h0", "h1", "left much" if i < 6 else "right much") for i in range(8)]
    assert spread_of(agreed)[0] < 0.7 * spread_of(one)[0]
    agree, differ = (rh.Judgements(s, "a test").inferred(("h0", "h1")) for s in (agreed, split))
    assert agree.pool.chance @ agree.tau < 0.85 * (differ.pool.chance @ differ.tau)
    assert spread_of(split)[0] > spread_of(agreed)[0]
    assert spread_of(same)[0] > spread_of(split)[0]  # one person's answers say less of everybody than eight people's


def test_rows_and_sides_in_any_order():
    said, _ = simulated(np.random.default_rng(3), 3, 2, 6)
    flipped = [(k, right, left, GRADES[4 - GRADES.index(g)]) for k, left, right, g in reversed(said)]
    h = listed(3)
    np.testing.assert_array_equal(rh.Judgements(said, "x").weights_of(h), rh.Judgements(flipped, "x").weights_of(h))
    rows = [dict(zip(("judge", "left", "right", "answer"), row, strict=True)) for row in said]
    for given in (rows, pd.DataFrame(rows)):
        assert rh.Judgements(given, "x").answers == rh.Judgements(said, "x").answers


def test_draws_are_given_the_truth():
    said, _ = simulated(np.random.default_rng(8), 3, 2, 5)
    prior, h = rh.Judgements(said, "x"), listed(3)
    held, mean = prior.weighted_draws(h), prior.weights_of(h)
    n = 40_000
    for truth in range(3):
        drawn = prior.draws(h, np.full(n, truth), np.random.default_rng(truth))
        want = held.chance @ (held.pi * held.pi[:, [truth]]) / mean[truth]
        assert (np.abs(drawn.mean(axis=0) - want) < MARGIN * drawn.std(axis=0) / math.sqrt(n)).all()
    pool = rh.LinearPool((prior, rh.Elicited({"h0": 1, "h1": 1, "h2": 2}, "y", 6)), (2, 1))
    truths = np.random.default_rng(9).choice(3, n, p=pool.weights_of(h))
    drawn = pool.draws(h, truths, np.random.default_rng(10))
    error = MARGIN * drawn.std(axis=0) / math.sqrt(n)
    assert (np.abs(drawn.mean(axis=0) - pool.weights_of(h)) < error).all()


def test_a_hypothesis_nobody_was_asked_about():
    prior = rh.Judgements([("A", "h0", "h1", "equal")], "x")
    assert prior.never_judged(("h0", "h1", "h2")) == ["h2"]
    found = prior.inferred(("h0", "h1", "h2"))
    assert abs(found.pool.mean()[0] - found.pool.mean()[1]) < 2 * MARGIN * found.mcse[0]


ANSWERS = "judge,left,right,answer\nAnn,flags,red paint,left much\nBob,red paint,flags,right a little\nCleo,red paint,flags,equal\n"
HYPOTHESES = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}


def scenes(apart):
    return {"red_paint": [True, False] * 4, "flags": [True, False] * 4 if not apart else [False, True] * 4}


def test_a_saved_tree_gives_the_same_risk(tmp_path):
    (tmp_path / "answers.csv").write_text(ANSWERS, encoding="utf-8")
    judged = rh.Judgements(tmp_path / "answers.csv", "three people")
    data = scenes(False) | {"is_pad": [True, False] * 4}
    test = scenes(True) | {"scene": np.arange(8) // 2, "option": np.arange(8) % 2}
    test = pd.DataFrame(test)
    for k, prior in enumerate(
        (judged, rh.LinearPool((judged, rh.Elicited({"flags": 1, "red paint": 3}, "y", 5, "Dan"))))
    ):
        tree = rh.fit(HYPOTHESES, prior, [rh.Labels(data, "is_pad", noise=(1, 19))], 0, random_seed=1)
        about = json.loads(tree.attrs["study"])["prior"]
        assert "Cleo" in json.dumps(about)
        path = tmp_path / f"{k}.nc"
        tree.to_netcdf(path, engine="h5netcdf")
        with xr.open_datatree(path, engine="h5netcdf") as again:
            for risk_of in (rh.catastrophe_risk, rh.risk_by_judge):
                before, after = (risk_of(t, test, agent=rh.Simplicity("columns")) for t in (tree, again))
                assert before.identical(after)
        risk = rh.catastrophe_risk(tree, test, agent=rh.Simplicity("columns"))
        assert risk["lower"] < risk["mean"] < risk["upper"]
        by_judge = rh.risk_by_judge(tree, test, agent=rh.Simplicity("columns"))
        assert by_judge["judge"].values.tolist() == ["Ann", "Bob", "Cleo", "Dan"][: 3 + k]
        assert float(by_judge["pool_mean"]) == pytest.approx(float(risk["mean"]), abs=1e-12)
        assert (float(by_judge["pool_lower"]), float(by_judge["pool_upper"])) == (risk["lower"], risk["upper"])
        by_truth = risk["by_truth"].values
        for name in by_judge["judge"].values:
            one = by_judge.sel(judge=name)
            assert float(one["mean"]) == pytest.approx(float(one["weight"].values @ by_truth), abs=1e-12)
            assert one["lower"] <= one["mean"] <= one["upper"]


def test_one_judge_of_a_pool_is_that_judge_alone():
    data = scenes(False) | {"is_pad": [True, False, True, True, True, False, True, False]}
    test = pd.DataFrame(scenes(True) | {"scene": np.arange(8) // 2, "option": np.arange(8) % 2})
    ann = rh.Elicited({"flags": 8, "red paint": 1}, "x", 20, "Ann")
    bob = rh.Elicited({"flags": 1, "red paint": 1}, "y")
    labels = [rh.Labels(data, "is_pad", noise=(1, 19))]
    for pool in (rh.LinearPool((ann, bob)), rh.log_pool((ann, bob), (2, 1))):
        tree = rh.fit(HYPOTHESES, pool, labels, 0, random_seed=1)
        found = rh.risk_by_judge(tree, test, agent=rh.Uniform())
        assert found["judge"].values.tolist() == ["Ann", "judge 2"]
        for name, one in (("Ann", ann), ("judge 2", bob)):
            alone = rh.catastrophe_risk(rh.fit(HYPOTHESES, one, labels, 0, random_seed=1), test, agent=rh.Uniform())
            assert float(found["mean"].sel(judge=name)) == pytest.approx(float(alone["mean"]), abs=1e-12)
        assert np.isnan(found["lower"].sel(judge="judge 2")) and found["upper"].sel(judge="Ann") > 0
    with pytest.raises(rh.InputError, match="prob"):
        rh.risk_by_judge(tree, test, prob=1)


def test_a_study(tmp_path):
    (tmp_path / "answers.csv").write_text(ANSWERS, encoding="utf-8")
    values = {"judgements": "answers.csv", "source": "three people, by letter"}
    agent = {"policy": "commit", "prior": {"name": "simplicity", "language": "columns"}}
    results = rh.run(write(tmp_path, small(values=values, agent=agent), training=TRAINING, test=TEST))
    assert results["risk"]["lower"] < results["risk"]["mean"] < results["risk"]["upper"]
    assert len(results["values"]["judgements"]["answers"]) == 3 and results["values"]["inferred"]["method"] in (
        "laplace",
        "smc",
    )
    assert list(results["risk_by_judge"]["judges"]) == ["Ann", "Bob", "Cleo"]
    assert results["risk_by_judge"]["pool"]["mean"] == results["risk"]["mean"]
    rows = [r._asdict() for r in rh.Judgements(tmp_path / "answers.csv", "x").answers]
    inline = rh.run(write(tmp_path, small(values={"judgements": rows, "source": "x"}), training=TRAINING, test=TEST))
    assert inline["weights"] == results["weights"]
    assert rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))["risk_by_judge"] is None


GOOD = ("Ann", "h0", "h1", "equal")
BAD_ROWS = {
    "a blank judge": ([("", "h0", "h1", "equal")], "row 1: judge: blank"),
    "no grade": ([GOOD, ("Ann", "h0", "h1", "left")], "row 2: answer: 'left' is no answer; did you mean"),
    "itself": ([("Ann", "h0", "h0", "equal")], "'h0' is compared with itself"),
    "no rows": ([], "there is none"),
    "three cells": ([("Ann", "h0", "h1")], "give judge, left, right and answer"),
    "another key": (
        [{"judge": "A", "left": "h0", "rigth": "h1", "answer": "equal"}],
        "'rigth' is no part of an answer",
    ),
    "no file": ("nowhere.csv", "no such file"),
    "a number": (3, "give rows"),
    "a frame without judges": (
        pd.DataFrame({"left": ["h0"], "right": ["h1"], "answer": ["equal"]}),
        "no column 'judge'",
    ),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_answers(name):
    answers, message = BAD_ROWS[name]
    with pytest.raises(rh.InputError) as refused:
        rh.Judgements(answers, "x")
    assert message in str(refused.value)


def test_other_bad_input():
    for settings in ({"source": ""}, {"source": "x", "spread": 0}, {"source": "x", "disagreement": "much"}):
        with pytest.raises(rh.InputError):
            rh.Judgements([GOOD], **settings)
    prior = rh.Judgements([GOOD], "x")
    with pytest.raises(rh.InputError, match="'h1' is no hypothesis; there is 'h0', 'h2'"):
        prior.weights_of(hypotheses_of({"h0": "x", "h2": "x"}))
    for make in (lambda: prior**0.5, lambda: rh.Uniform() * prior, lambda: rh.log_pool((prior, rh.Uniform()), (1, 1))):
        with pytest.raises(rh.InputError, match="pool them linearly"):
            make()
    with pytest.raises(rh.InputError, match="use rh.fit"):
        rh.pymc_model({"h0": "x", "h1": "-x"}, prior, [rh.Labels({"x": [1.0], "y": [True]}, "y", noise=(1, 9))], 0)


ROW = {"judge": "Ann", "left": "flags", "right": "red paint", "answer": "equal"}
BAD_STUDIES = {
    "no source": ({"judgements": [ROW]}, "[values] source: missing"),
    "unknown hypothesis": (
        {"judgements": [ROW | {"left": "flag"}], "source": "x"},
        "'flag' is no hypothesis; did you mean",
    ),
    "no grade": ({"judgements": [ROW | {"answer": "yes"}], "source": "x"}, "row 1: answer: 'yes' is no answer"),
    "blank judge": ({"judgements": [ROW | {"judge": " "}], "source": "x"}, "row 1: judge: blank"),
    "no file": ({"judgements": "answer.csv", "source": "x"}, "answer.csv: no such file"),
    "a number": ({"judgements": 3, "source": "x"}, "give the path of a CSV file"),
    "with weights": ({"judgements": [ROW], "weights": {"flags": 1, "red paint": 1}, "source": "x"}, "together"),
    "spread alone": ({"weights": {"flags": 1, "red paint": 1}, "spread": 1, "source": "x"}, "it goes with judgements"),
    "a bad spread": ({"judgements": [ROW], "spread": -1, "source": "x"}, "spread: -1; give a number of nats"),
    "strength": ({"judgements": [ROW], "strength": 3, "source": "x"}, "[values] strength: it goes with weights"),
}


@pytest.mark.parametrize("name", BAD_STUDIES)
def test_bad_studies(name, tmp_path, capsys):
    values, message = BAD_STUDIES[name]
    assert main(["run", str(write(tmp_path, small(values=values), training=TRAINING, test=TEST)), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err
