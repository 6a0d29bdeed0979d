"""Predictive checks, draws and reports of Boltzmann-rational kinds."""

import html
import math
from dataclasses import replace

import numpy as np
import pytest
from rational_cases import ROWS, evidence, spread
from scipy import stats
from studies import small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.weights.weigh import weigh


def _answers(kind, worth, plant, rng):
    """What somebody of that worth (scene, option) says in some way that goes wrong; a feedback."""
    scenes = np.arange(len(worth))[:, None]
    if plant == "stops caring":
        worth = np.where(scenes < len(worth) // 2, 2 * worth, 0.0)
    noisy = worth + rng.gumbel(size=worth.shape)
    if kind == "choices":
        return noisy == noisy.max(axis=1, keepdims=True)
    if kind == "rankings":
        rank = (-noisy).argsort(axis=1).argsort(axis=1) + 1.0
        if plant == "the rest at random":
            order = np.where(rank > 2, rng.random(rank.shape), 9.0).argsort(axis=1).argsort(axis=1) + 3.0
            rank = np.where(rank > 2, order, rank)
        return rank
    logistic = rng.logistic(size=worth.shape)
    return logistic < -worth if kind == "stops" else np.digitize(worth + logistic, [-1.0, 1.0])


@pytest.mark.parametrize("kind", ["choices", "rankings", "stops", "ratings"])
def test_planted_misfits_are_noticed(kind, monkeypatch):
    """Half of the answers by another feature, or by none; the lower places of a ranking at random."""
    # an error of .01 nats is nothing here
    monkeypatch.setattr("reward_hypotheses.models.inference.laplace.DRAWS", 2000)
    monkeypatch.setattr("reward_hypotheses.models.feedback.boltzmann.joint.DRAWS", 2000)
    options = 4 if kind in ("choices", "rankings") else 2  # of which each has an answer of its own
    make = {
        "choices": lambda t: rh.Choices(t, "said"),
        "rankings": lambda t: rh.Rankings(t, "said"),
        "stops": lambda t: rh.Stops(t, "said"),
        "ratings": lambda t: rh.Ratings(t, "said", grades=[0, 1, 2]),
    }[kind]
    listed = hypotheses_of({"x": "x", "y": "y", "both": "x - y"})
    line = stated_line(0.0, listed.names)
    plants = ["another half of the time", "stops caring", *(["the rest at random"] if kind == "rankings" else [])]
    found = {}
    for plant in ["nothing", *plants]:
        p = []
        for seed in range(20 if plant == "nothing" else 3):
            rng = np.random.default_rng([seed, 41])
            x, y = rng.normal(size=(2, 100, options))
            worth = (
                2 * x if plant != "another half of the time" else np.where(np.arange(100)[:, None] < 50, 2 * x, 2 * y)
            )
            (one,) = named([make({"x": x, "y": y, "said": _answers(kind, worth, plant, rng)})])
            one = replace(one, needs=("x", "y"))
            posterior = weigh(listed, rh.Uniform("t"), [one], line)
            check = one.check(posterior.valuations[0], posterior.evidence[0], posterior.weights, rng)
            p.append(check.p)
            assert bool(check.misfit) == (check.p < 0.01)
        found[plant] = np.array(p)
    assert all((found[plant] < 0.01).all() for plant in plants), found
    assert (found["nothing"] < 0.01).sum() <= 3 and found["nothing"].mean() > 0.2  # of 20


def test_draws_of_rationality_follow_its_posterior():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(25, 3))
    z = 2 * x + rng.gumbel(size=x.shape)
    data = {"x": x, "c": z == z.max(axis=1, keepdims=True)}
    tree = rh.fit({"x": "x"}, rh.Uniform("u"), [rh.Choices(data, "c")], 0, draws=5000, chains=4, random_seed=3)
    drawn = np.sort(tree["posterior"]["choices_rationality"].to_numpy().ravel())
    s = spread(x, np.ones(x.shape, bool))

    def f(beta):
        picked = (np.asarray(x)[data["c"]] / s * beta).sum()
        return picked - np.logaddexp.reduce(beta * x / s, axis=1).sum() + stats.lognorm.logpdf(beta, 1)

    grid = np.linspace(1e-3, 8, 8001)
    density = np.exp(np.array([f(b) for b in grid]) - max(f(b) for b in grid))
    below = np.cumsum(density) / density.sum()
    gap = np.abs(np.interp(drawn, grid, below) - (np.arange(len(drawn)) + 0.5) / len(drawn)).max()
    assert gap < 2.3 / math.sqrt(len(drawn))  # Kolmogorov-Smirnov, a false alarm in 20,000
    prior = np.log(tree["prior"]["choices_rationality"].to_numpy().ravel())
    assert abs(prior.mean()) < 5 / math.sqrt(20_000) and abs(prior.std() - 1) < 5 / math.sqrt(2 * 20_000)


@pytest.mark.slow
def test_sampled_evidence_agrees_with_the_exact():
    rng = np.random.default_rng(9)
    x, y = rng.normal(size=(2, 40, 3))
    z = 2 * x + rng.gumbel(size=x.shape)
    there = rng.random(x.shape) < 0.8
    there[:, 0] = True
    z[~there] = -np.inf
    order = (-z).argsort(axis=1).argsort(axis=1) + 1.0
    data = {"x": x, "y": y, "c": z == z.max(axis=1, keepdims=True), "available": there, "r": order}
    stops = {"x": rng.normal(size=40), "y": rng.normal(size=40), "stop": rng.random(40) < 0.5}
    made = [rh.Choices(data, "c"), rh.Rankings(data, "r"), rh.Stops(stops, "stop")]
    texts = {"x": "x", "twice": "2*x - 0.3", "y": "y"}  # silent in stops too: u - r in proportion
    exact = rh.fit(texts, rh.Uniform("u"), made, 0.3, random_seed=1)
    sampled = rh.fit(texts, rh.Uniform("u"), made, 0.3, random_seed=1, method="nuts")
    difference = (sampled["evidence"]["log_evidence"] - exact["evidence"]["log_evidence"]).to_numpy()
    assert (np.abs(difference) < 5 * sampled["evidence"]["mcse"].to_numpy()).all()
    for tree in (exact, sampled):
        assert tree["evidence"]["log_evidence"].values[0] == tree["evidence"]["log_evidence"].values[1]
    for name in ("choices", "rankings", "stops"):
        one, other = (t["posterior"][f"{name}_rationality"].to_numpy().reshape(-1, 3) for t in (exact, sampled))
        assert (
            np.abs(one.mean(axis=0) - other.mean(axis=0)) < 5 * np.hypot(one.std(axis=0), other.std(axis=0)) / 20
        ).all()


def test_a_human_who_follows_something_else_is_noticed(tmp_path):
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(2, 150, 3))
    cases = {"as modelled": 2 * x, "y counts too": 2 * x + 1.5 * y, "half of x": np.where(x > 0, 2 * x, 0)}
    for case, worth in cases.items():
        z = worth + rng.gumbel(size=x.shape)
        rows = [
            f"{m},{o},{x[m, o]:.3f},{y[m, o]:.3f},{int(z[m].argmax() == o)},{int(z[m, o] < 0)},{(-z[m]).argsort().argsort()[o] + 1}"
            for m in range(150)
            for o in range(3)
        ]
        training = "scene,option,x,y,c,stop,r\n" + "\n".join(rows) + "\n"
        for kind, column in (("choices", "c"), ("rankings", "r")):
            study = small(hypotheses={"x": "x", "y": "y"}, tables={"training": "training.csv"})
            study["values"] = {"weights": {"x": 1, "y": 1}, "source": "a test"}
            study["feedback"] = [{"kind": kind, "table": "training", "column": column}]
            document = rh.run(write(tmp_path, study, training=training))
            p = document["predictive_check"][kind]["p"]
            if case == "as modelled":
                assert p > 0.01 and not document["misfit"]
            elif case == "y counts too":
                assert p < 0.01 and "column 'y'" in document["misfit"][0]


def test_what_a_review_found():
    rng = np.random.default_rng(11)
    x = rng.normal(size=(50, 3))
    data = {"x": x, "c": x == x.max(axis=1, keepdims=True)}
    raw, tree = evidence([rh.Choices(data, "c", scale="raw")], {"x": "x", "1e10": "1e10*x", "-1e10": "-1e10*x"})
    assert (
        tree["evidence"]["silent_class"].values.tolist() == [0, 1, 2] and raw[1] > raw[2] + 50
    )  # large rewards are no ties
    small, _ = evidence([rh.Choices(data, "c")], {"x": "x", "tiny": "x * 1e-160"})
    assert small[0] == pytest.approx(small[1], abs=1e-9)
    stops = {"x": np.zeros(20), "s": np.ones(20, bool)}
    tied, tree = evidence([rh.Stops(stops, "s")], {"a": "0*x + 0.1 + 0.2", "b": "0*x + 0.3"})
    assert tied.tolist() == pytest.approx([20 * math.log(0.5)] * 2) and tree["evidence"][
        "silent_class"
    ].values.tolist() == [0, 0]
    with pytest.raises(rh.InputError, match="'choices_rationality' is also a name of"):
        evidence([rh.Choices(data, "c"), rh.Stops(stops, "s", human="choices")], {"x": "x"})
    alone = {"x": x[:, :2], "c": np.tile([True, False], (50, 1)), "is_failing": np.tile([False, True], (50, 1))}
    with pytest.raises(rh.InputError, match="no scene has two options besides failing"):
        evidence([rh.Choices(alone, "c")], {"x": "x", "-x": "-x"})
    told, _ = evidence([rh.Choices(alone, "c", scale="raw")], {"x": "x", "-x": "-x"})
    assert told[0] != told[1]
    fixed = [rh.Choices(data, "c", human="A", rationality=2.0), rh.Stops(stops, "s", human="A", rationality=2.0)]
    nuts, _ = evidence(fixed, {"x": "x"}, method="nuts")
    exact, _ = evidence(fixed, {"x": "x"})
    assert nuts[0] == pytest.approx(exact[0])


def test_features_that_are_missing():
    x = np.random.default_rng(12).normal(size=(6, 3))
    chosen = np.eye(3, dtype=bool)[[0, 1, 2, 0, 1, 2]]
    holed = x.copy()
    holed[3, 0] = np.nan  # of the option that was chosen: the scene tells nothing
    holed[4, 2] = np.nan  # of another: it was not known to be on offer
    got, _ = evidence([rh.Choices({"x": holed, "c": chosen}, "c", missing="drop")], {"x": "x"})
    there = np.ones((5, 3), bool)
    there[3, 2] = False
    rest = {"x": np.delete(x, 3, axis=0), "c": np.delete(chosen, 3, axis=0), "available": there}
    want, _ = evidence([rh.Choices(rest, "c")], {"x": "x"})
    assert got[0] == pytest.approx(want[0], abs=1e-12)
    ranks = np.tile([2.0, 3.0, 1.0], (6, 1))
    failing = {
        "x": np.where(np.arange(3) == 1, np.nan, x),
        "r": ranks,
        "is_failing": np.tile([False, True, False], (6, 1)),
    }
    both = [evidence([rh.Rankings(failing, "r", missing=missing)], {"x": "x"})[0][0] for missing in ("error", "drop")]
    assert both[0] == both[1]


@pytest.mark.parametrize("kind", ["choices", "rankings", "ratings", "stops"])
@pytest.mark.parametrize("rationality", [None, 1.5])
def test_every_kind_has_a_report(kind, rationality, tmp_path):
    study = small(hypotheses={"x": "x", "-x": "-x"}, tables={"training": "training.csv", "test": "test.csv"})
    study["values"] = {"weights": {"x": 1, "-x": 1}, "source": "a test", "strength": 4}
    column = {"choices": "c", "rankings": "r", "stops": "stop", "ratings": "r"}[kind]
    feedback = {"kind": kind, "table": "training", "column": column}
    feedback |= {} if rationality is None else {"rationality": rationality}
    study["feedback"] = [feedback | ({"grades": [1, 2]} if kind == "ratings" else {})]
    path = write(tmp_path, study, training=ROWS, test=ROWS)
    assert main(["run", str(path), "--out", str(tmp_path / "out")]) == 0
    page = html.unescape((tmp_path / "out" / "report.html").read_text())
    assert f"'{kind}' (column '{column}'" in page and (
        "rationality 1.5" in page or rationality is None or kind == "ratings"
    )
