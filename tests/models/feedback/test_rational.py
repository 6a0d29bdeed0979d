"""Choices, rankings and stops against enumeration and another integrator; rationality; one human; comparisons."""

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.feedback.collection import named
from reward_hypotheses.models.hypotheses.failure_line import failure_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.inference.quadrature import log_integral
from reward_hypotheses.models.weights.weigh import weigh

EXPRESSIONS = {"x": "x", "twice x": "2*x + 5", "y": "y", "mix": "x - 2*y", "minus x": "-x", "nothing": "0*x + 3"}


def softmax_of_one(z, options, chosen):
    top = max(z[i] for i in options)
    return z[chosen] - top - math.log(math.fsum(math.exp(z[i] - top) for i in options))


def ranking_by_orders(z, ranks):
    """``log p`` of a ranking: the sum over every full order that agrees with it."""
    options = [i for i, r in enumerate(ranks) if r == r]
    ways = []
    for order in itertools.permutations(options):
        if all(ranks[a] <= ranks[b] for a, b in itertools.pairwise(order)):
            ways.append(math.fsum(softmax_of_one(z, order[k:], order[k]) for k in range(len(order))))
    top = max(ways)
    return top + math.log(math.fsum(math.exp(w - top) for w in ways))


def rewards_of(name, x, y):
    return {"x": x, "twice x": 2 * x + 5, "y": y, "mix": x - 2 * y, "minus x": -x, "nothing": 0 * x + 3}[name]


def spread(r, there):
    several = [row[keep] for row, keep in zip(r, there, strict=True) if keep.sum() > 1]
    return math.sqrt(math.fsum(float(np.var(row)) for row in several) / len(several)) if several else 0.0


def integral(log_likelihood, mu=0.0, sigma=1.0):
    """Another integrator, QUADPACK's, over beta's logarithm around the mode."""

    def f(t):
        return log_likelihood(math.exp(t)) - 0.5 * ((t - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))

    grid = np.linspace(mu - 9 * sigma, mu + 9 * sigma, 400)
    values = np.array([f(t) for t in grid])
    peak = int(values.argmax())
    top = values[peak]
    near = grid[values > top - 60]
    found = integrate.quad(
        lambda t: math.exp(f(t) - top),
        max(near[0] - 0.1, grid[0]),
        min(near[-1] + 0.1, grid[-1]),
        points=[grid[peak]],
        epsabs=0,
        epsrel=1e-11,
        limit=400,
    )
    return top + math.log(found[0])


def scenes(rng, n):
    width = int(rng.integers(2, 5))
    x, y = rng.normal(size=(2, n, width)).round(2)
    there = rng.random((n, width)) < 0.85
    there[:, 0] = True
    return x, y, there


def evidence(feedback, hypotheses=EXPRESSIONS, **options):
    tree = rh.fit(
        hypotheses, rh.Uniform("a test"), feedback, fail_utility=0.3, random_seed=1, draws=1, chains=1, **options
    )
    return tree["evidence"]["log_evidence"].to_numpy(), tree


def scaled(name, x, y, there, scale):
    r = rewards_of(name, x, y)
    s = spread(r, there) if scale == "unit" else 1.0
    return r / s if s > 1e-12 else 0 * r


@pytest.mark.parametrize("seed", range(20))
def test_choices(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 25))
    x, y, there = scenes(rng, n)
    chosen = np.zeros(x.shape, bool)
    for m in range(n):
        chosen[m, rng.choice(np.flatnonzero(there[m]))] = True
    scale = ("unit", "raw")[seed % 2]
    prior = {"mu": float(rng.normal()), "sigma": float(rng.uniform(0.3, 2))}
    data = {"x": x, "y": y, "c": chosen, "available": there}
    got, tree = evidence([rh.Choices(data, "c", rationality=prior, scale=scale)])
    fixed, _ = evidence([rh.Choices(data, "c", rationality=1.7, scale=scale)])
    for h, name in enumerate(EXPRESSIONS):
        z = scaled(name, x, y, there, scale)

        def ll(beta, z=z):
            return math.fsum(
                softmax_of_one(beta * z[m], np.flatnonzero(there[m]), int(chosen[m].argmax())) for m in range(n)
            )

        assert fixed[h] == pytest.approx(ll(1.7), rel=1e-12, abs=1e-12)
        assert got[h] == pytest.approx(integral(ll, **prior), abs=1e-8)
    assert (got[0] == got[1]) == (scale == "unit")
    assert tree["constant_data"]["choices_scale"].values[0] == pytest.approx(spread(x, there) if scale == "unit" else 1)


@pytest.mark.parametrize("seed", range(20))
def test_rankings(seed):
    rng = np.random.default_rng(100 + seed)
    n = int(rng.integers(1, 8))
    x, y, _ = scenes(rng, n)
    ranks = rng.integers(1, 5, x.shape).astype(float)
    ranks[rng.random(x.shape) < 0.15] = np.nan
    ranks[:, 0] = rng.integers(1, 5, n)
    there = ~np.isnan(ranks)
    prior = {"mu": 0.0, "sigma": 1.0}
    got, _ = evidence([rh.Rankings({"x": x, "y": y, "r": ranks}, "r")])
    for h, name in enumerate(EXPRESSIONS):
        z = scaled(name, x, y, there, "unit")

        def ll(beta, z=z):
            return math.fsum(ranking_by_orders(beta * z[m], ranks[m]) for m in range(n))

        assert got[h] == pytest.approx(integral(ll, **prior), abs=1e-8)
    assert got[0] == got[1]


@pytest.mark.parametrize("seed", range(20))
def test_stops(seed):
    rng = np.random.default_rng(200 + seed)
    n = int(rng.integers(1, 40))
    x, y = rng.normal(size=(2, n)).round(2)
    stop = rng.random(n) < 0.4
    got, _ = evidence([rh.Stops({"x": x, "y": y, "stop": stop}, "stop")])
    for h, name in enumerate(EXPRESSIONS):
        gap = 0.3 - rewards_of(name, x, y)
        size = math.sqrt(math.fsum(g * g for g in gap) / n)
        z = gap / size if size > 1e-12 else 0 * gap

        def ll(beta, z=z):
            return math.fsum(-np.logaddexp(0, (1 - 2 * s) * beta * g) for s, g in zip(stop, z, strict=True))

        assert got[h] == pytest.approx(integral(ll), abs=1e-8)


def ordered_logit(z, cuts, grade):
    upper = 1.0 if grade == len(cuts) else special.expit(cuts[grade] - z)
    return upper - (0.0 if grade == 0 else special.expit(cuts[grade - 1] - z))


@pytest.mark.parametrize("seed", range(20))
def test_ratings(seed):
    """Against a grid over log beta and the chances of the grades of an average item, whose prior is flat."""
    rng = np.random.default_rng(300 + seed)
    n, k = int(rng.integers(2, 25)), 2 + seed % 2
    x, y = rng.normal(size=(2, n)).round(2)
    grades = rng.integers(0, k, n)
    names = ["bad", "fair", "good"][:k]
    data = {"x": x, "y": y, "g": np.array(names, object)[grades]}
    got, tree = evidence([rh.Ratings(data, "g", grades=names)])
    assert tree.attrs["method"] == "laplace" and got[0] == got[1]
    t = np.linspace(-7, 7, 281)[:, None, None]
    u = (np.arange(120) + 0.5) / 120
    first, second = (u[:, None] * np.ones((1, 1)), None) if k == 2 else np.meshgrid(u, u, indexing="ij")
    inside = (
        np.ones(first.shape, bool) if k == 2 else first < second
    )  # cumulative chances in order: density k! on the ordered
    cuts = [np.log(first) - np.log1p(-first)] + ([] if k == 2 else [np.log(second) - np.log1p(-second)])
    for h, name in list(enumerate(EXPRESSIONS))[:4]:
        r = rewards_of(name, x, y)
        z = (r - r.mean()) / r.std()
        total = -0.5 * t**2 - 0.5 * math.log(2 * math.pi) + np.zeros((1, *first.shape))
        for i in range(n):
            with np.errstate(divide="ignore", invalid="ignore"):
                total = total + np.log(ordered_logit(np.exp(t) * z[i], cuts, grades[i]))
        total = np.where(inside, total, -np.inf)
        top = total.max()
        cell = 0.05 / (120 if k == 2 else 120**2) * (1 if k == 2 else 2)
        want = top + math.log(np.exp(total - top).sum() * cell)
        assert abs(got[h] - want) < 5 * tree["evidence"]["mcse"].values[h] + 0.02


def test_a_tie_of_twelve_is_summed_over_its_orders():
    """All worth the same: every order is as likely, so the tie of 12 before one has probability 12! 1! / 13!."""
    data = {"x": np.zeros((1, 13)), "r": [[1.0] * 12 + [2.0]]}
    with pytest.warns(UserWarning, match="no hypothesis makes one option better than another"):
        got, _ = evidence([rh.Rankings(data, "r")], {"x": "x"})
    assert got[0] == pytest.approx(math.log(1 / 13), abs=1e-12)


def test_a_tie_for_the_last_place_costs_nothing():
    x = np.random.default_rng(1).normal(size=(9, 5))
    top = np.where(np.arange(5) == np.argsort(-x, axis=1)[:, :1], 1.0, 2.0)
    ranked, _ = evidence([rh.Rankings({"x": x, "r": top}, "r")], {"x": "x"})
    chosen, _ = evidence([rh.Choices({"x": x, "c": top == 1}, "c")], {"x": "x"})
    assert ranked[0] == pytest.approx(chosen[0], abs=1e-12)


def test_many_scenes_of_one_choice_have_a_closed_form():
    """Of n comparisons of the same pair, k won by the better: a binomial in its chance, integrated by mpmath's rule."""
    import mpmath

    for n, k in ((10, 7), (10_000, 8000), (1_000_000, 990_000)):
        data = {"scene": np.repeat(np.arange(n), 2), "option": np.tile([0, 1], n), "x": np.tile([1.0, 0.0], n)}
        won = np.arange(n) < k
        data["c"] = np.stack([won, ~won], axis=1).ravel()
        got, _ = evidence([rh.Choices(data, "c")], {"x": "x"})
        mpmath.mp.dps = 40

        def f(t, n=n, k=k):
            p = 1 / (1 + mpmath.exp(-2 * mpmath.exp(t)))  # the spread of 1 and 0 is 1/2
            return k * mpmath.log(p) + (n - k) * mpmath.log(1 - p) - t * t / 2 - mpmath.log(2 * mpmath.pi) / 2

        mode = mpmath.findroot(lambda t: mpmath.diff(f, t), mpmath.log(mpmath.log(mpmath.mpf(k) / (n - k)) / 2))
        width = 1 / mpmath.sqrt(-mpmath.diff(f, mode, 2))
        ends = [mode + j * width for j in (-30, -8, -3, 0, 3, 8, 30)]
        top = f(mode)
        want = top + mpmath.log(mpmath.quad(lambda t, f=f, top=top: mpmath.exp(f(t) - top), ends))
        assert abs(got[0] - float(want)) < max(1e-8, 1e-13 * abs(float(want)))


def test_rewards_in_other_units_change_nothing_unless_the_scale_is_raw():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 3))
    data = {"x": x, "c": x == x.max(axis=1, keepdims=True)}
    unit, _ = evidence([rh.Choices(data, "c")], {"a": "x", "b": "1000*x - 7", "c": "x / 9"})
    assert unit[0] == unit[1] == unit[2]
    raw, tree = evidence([rh.Choices(data, "c", scale="raw")], {"a": "x", "b": "1000*x - 7", "c": "x + 4"})
    assert raw[0] == raw[2] != raw[1]
    assert tree["evidence"]["silent_class"].values.tolist() == [0, 1, 0]


def test_silence_is_a_positive_factor_and_a_constant_a_scene():
    rng = np.random.default_rng(5)
    x, shift = rng.normal(size=(20, 3)), rng.normal(size=(20, 1)) * np.ones((1, 3))
    data = {
        "x": x,
        "shift": shift,
        "c": x == x.max(axis=1, keepdims=True),
        "r": (-x).argsort(axis=1).argsort(axis=1) + 1.0,
    }
    texts = {"a": "x", "b": "3*x + shift", "c": "-x", "d": "shift", "e": "0*x"}
    for one in (rh.Choices(data, "c"), rh.Rankings(data, "r")):
        _, tree = evidence([one], texts)
        assert tree["evidence"]["silent_class"].values.tolist() == [0, 0, 1, 2, 2]


def test_options_that_are_failing():
    """Failing is on offer in every scene: worth u_h, chosen like any, left out of the scale."""
    rng = np.random.default_rng(6)
    x = np.hstack([rng.normal(size=(12, 2)), np.full((12, 1), 9.0)])
    chosen = np.eye(3, dtype=bool)[rng.integers(0, 3, 12)]
    data = {"x": x, "c": chosen, "is_failing": np.broadcast_to([False, False, True], (12, 3))}
    got, _ = evidence([rh.Choices(data, "c")], {"x": "x"})
    r = np.hstack([x[:, :2], np.full((12, 1), 0.3)])
    z = r / math.sqrt(np.mean(np.var(x[:, :2], axis=1)))

    def ll(beta):
        return math.fsum(softmax_of_one(beta * z[m], (0, 1, 2), int(chosen[m].argmax())) for m in range(12))

    assert got[0] == pytest.approx(integral(ll), abs=1e-8)


def test_one_human_has_one_rationality():
    rng = np.random.default_rng(7)
    x, y, there = scenes(rng, 15)
    chosen = np.eye(x.shape[1], dtype=bool)[np.zeros(15, int)]
    stops = {"x": rng.normal(size=20), "y": rng.normal(size=20), "stop": rng.random(20) < 0.5}
    data = {"x": x, "y": y, "c": chosen, "available": there}
    ranks = rng.permuted(np.tile(np.arange(1.0, 4), (6, 1)), axis=1)
    ranked = {"x": rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 3)), "r": ranks}
    pair = [
        rh.Choices(data, "c", human="Ann"),
        rh.Stops(stops, "stop", human="Ann"),
        rh.Rankings(ranked, "r", human="Bob"),
    ]
    got, tree = evidence(pair)
    alone, _ = evidence([rh.Choices(data, "c"), rh.Stops(stops, "stop"), rh.Rankings(ranked, "r")])
    bob, _ = evidence([rh.Rankings(ranked, "r")])
    for h, name in enumerate(EXPRESSIONS):
        z = scaled(name, x, y, there, "unit")
        gap = 0.3 - rewards_of(name, stops["x"], stops["y"])
        gap = gap / math.sqrt(np.mean(gap**2))

        def ll(beta, z=z, gap=gap):
            first = math.fsum(softmax_of_one(beta * z[m], np.flatnonzero(there[m]), 0) for m in range(15))
            return first + math.fsum(
                -np.logaddexp(0, (1 - 2 * s) * beta * g) for s, g in zip(stops["stop"], gap, strict=True)
            )

        assert got[h] - bob[h] == pytest.approx(integral(ll), abs=1e-8)
    assert np.abs(got - alone).max() > 0.01
    assert {"Ann_rationality", "Bob_rationality"} <= set(tree["posterior"].data_vars)
    assert "choices_rationality" not in tree["posterior"]
    model = rh.pymc_model(EXPRESSIONS, rh.Uniform("a test"), pair, fail_utility=0.3)
    assert {v.name for v in model.free_RVs} == {"Ann_rationality", "Bob_rationality"}
    with pytest.raises(rh.InputError, match="feedbacks of one human share it"):
        evidence([rh.Choices(data, "c", human="Ann", rationality=2.0), rh.Stops(stops, "stop", human="Ann")])
    with pytest.raises(rh.InputError, match="integrated exactly; use 'auto'"):
        evidence(pair, method="nuts")


def test_rationality_whoever_is_right():
    """The marginal is the mixture of what each hypothesis says of it, by the weights."""
    rng = np.random.default_rng(14)
    x, y = rng.normal(size=(2, 10, 3))
    noisy = 3 * x + y + rng.gumbel(size=x.shape)
    one = rh.Choices({"x": x, "y": y, "c": noisy == noisy.max(axis=1, keepdims=True)}, "c", human="Ann")
    tree = rh.fit({"x": "x", "both": "x + y", "y": "y"}, rh.Uniform("t"), [one], 0, draws=5000, random_seed=2)
    weights = tree["evidence"]["weight"].to_numpy()
    assert sorted(weights)[1] > 0.1
    by_hypothesis = np.log(tree["posterior"]["Ann_rationality"].to_numpy().reshape(-1, 3))
    marginal = np.log(tree["posterior"]["Ann_rationality_marginal"].to_numpy().ravel())
    want = float(by_hypothesis.mean(axis=0) @ weights)
    assert abs(marginal.mean() - want) < 5 * marginal.std() * math.sqrt(2 / len(marginal))
    assert by_hypothesis.mean(axis=0).std() > 0.05
    before = np.log(tree["prior"]["Ann_rationality_marginal"].to_numpy().ravel())
    assert abs(before.mean()) < 5 / math.sqrt(len(before))


def test_ratings_share_a_rationality():
    """One human grades and chooses; against a grid over the rationality and both cut points."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 30))
    grade, pairs = rng.integers(0, 3, 30), rng.normal(size=(20, 2))
    took = np.eye(2, dtype=bool)[rng.integers(0, 2, 20)]
    feedback = [
        rh.Choices({"x": pairs, "y": -pairs, "c": took}, "c", human="Ann"),
        rh.Ratings({"x": x, "y": y, "g": grade}, "g", grades=[0, 1, 2], human="Ann"),
    ]
    tree = rh.fit({"x": "x", "y": "y"}, rh.Uniform("a test"), feedback, 0)
    v = (np.arange(150) + 0.5) / 150
    first, second = np.meshgrid(v, v, indexing="ij")
    low = np.log(first / (1 - first))
    both = first + (1 - first) * second
    high = np.log(both / (1 - both))
    steps = np.linspace(-6, 4, 101)
    for h, (graded, seen) in enumerate(((x, pairs), (y, -pairs))):
        z = (graded - graded.mean()) / graded.std()
        w = seen / math.sqrt(np.mean(np.var(seen, axis=1)))
        total = []
        for t in steps:
            beta = math.exp(t)
            ll = np.log(2 * (1 - first) / v.size**2)  # v_1 ~ Beta(1, 2), v_2 ~ Beta(1, 1)
            for zi, g in zip(z, grade, strict=True):
                below, above = 1 / (1 + np.exp(beta * zi - low)), 1 / (1 + np.exp(beta * zi - high))
                ll = ll + np.log(np.maximum([below, above - below, 1 - above][g], 1e-300))
            chose = (beta * w[took]).sum() - np.logaddexp.reduce(beta * w, axis=1).sum()
            total.append(np.logaddexp.reduce(ll.ravel()) + chose + stats.norm.logpdf(t))
        want = np.logaddexp.reduce(total) + math.log(steps[1] - steps[0])
        got, mcse = (float(tree["evidence"][name].values[h]) for name in ("log_evidence", "mcse"))
        assert abs(got - want) < 5 * mcse + 1e-3 and mcse < 0.02
    assert {"Ann_rationality", "ratings_cutpoint_1", "ratings_cutpoint_2"} <= set(tree["posterior"].data_vars)
    assert "choices_rationality" not in tree["posterior"] and tree["evidence"].attrs["method"] == "laplace"
    two = [replace(feedback[1], name="morning"), replace(feedback[1], name="evening")]
    tree = rh.fit({"x": "x", "y": "y"}, rh.Uniform("a test"), two, 0)
    cuts = [tree["posterior"][f"{name}_cutpoint_1"] for name in ("morning", "evening")]
    assert not np.array_equal(*cuts) and abs(float((cuts[0] - cuts[1]).mean())) < 0.2
    before = [tree["prior"][f"{name}_cutpoint_1"] for name in ("morning", "evening")]
    assert not np.array_equal(*before)


def test_stops_lose_no_small_gap():
    """What failing is worth and what an item is worth may both be large; their difference is what is said."""
    rng = np.random.default_rng(5)
    data = {"x": rng.normal(size=120), "s": rng.random(120) < 0.5}
    hypotheses = {"a": "x", "b": "7.3*x + 11", "c": "x + 1e6"}
    line = {"a": 0.2, "b": 7.3 * 0.2 + 11, "c": 1e6 + 0.2}
    tree = rh.fit(hypotheses, rh.Uniform("t"), [rh.Stops(data, "s")], fail_utility=line)
    np.testing.assert_allclose(tree["evidence"]["log_evidence"], tree["evidence"]["log_evidence"][0], atol=1e-7)


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
def test_planted_misfits_are_noticed(kind):
    """Half of the answers by another feature, or by none; the lower places of a ranking at random."""
    make = {
        "choices": lambda t: rh.Choices(t, "said"),
        "rankings": lambda t: rh.Rankings(t, "said"),
        "stops": lambda t: rh.Stops(t, "said"),
        "ratings": lambda t: rh.Ratings(t, "said", grades=[0, 1, 2]),
    }[kind]
    listed = hypotheses_of({"x": "x", "y": "y", "both": "x - y"})
    line = failure_line(0.0, listed.names)
    plants = ["another half of the time", "stops caring", *(["the rest at random"] if kind == "rankings" else [])]
    found = {}
    for plant in ["nothing", *plants]:
        p = []
        for seed in range(20 if plant == "nothing" else 3):
            rng = np.random.default_rng([seed, 41])
            x, y = rng.normal(size=(2, 100, 4))
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


def test_comparisons(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("left_cost,right_cost,left_kind,right_kind,chosen,who\n1,2,a,b,left,Ann\n3,1.5,b,b,Right,Bob\n")
    table = rh.read_comparisons(path)
    assert dict(table.sizes) == {"scene": 2, "option": 2}
    assert table["cost"].values.tolist() == [[1, 2], [3, 1.5]] and table["kind"].values.tolist() == [
        ["a", "b"],
        ["b", "b"],
    ]
    assert table["chosen"].values.tolist() == [[True, False], [False, True]]
    assert table["who"].values.tolist() == [["Ann", "Ann"], ["Bob", "Bob"]]
    study = small(
        hypotheses={"cheap": "-cost", "dear": "cost"}, tables={"training": {"path": "x.csv", "comparisons": True}}
    )
    study["values"] = {"weights": {"cheap": 1, "dear": 1}, "source": "a test"}
    study["feedback"] = [{"kind": "choices", "table": "training", "column": "chosen"}]
    document = rh.run(write(tmp_path, study))
    tree = rh.fit({"cheap": "-cost", "dear": "cost"}, rh.Uniform("u"), [rh.Choices(table, "chosen")], 0)
    assert list(document["log_evidence"].values()) == pytest.approx(tree["evidence"]["log_evidence"].values.tolist())
    assert document["weights"]["cheap"] > 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("left_x,right_x,chosen\n1,2,middle\n", "x.csv: line 2: column 'chosen' is 'middle'; it must be left or right"),
        ("left_x,right_x,chosen\n1,2,\n", "line 2: column 'chosen' is ''; it must be left or right"),
        ("left_x,right_y,chosen\n1,2,left\n", "column 'left_x' has no 'right_x' beside it"),
        ("x,chosen\n1,left\n", "no features of the two sides"),
        (
            "scene,left_x,right_x,chosen\n1,1,2,left\n",
            "comparisons have one row each, and no columns 'scene' and 'option'",
        ),
        ("left_x,right_x,x,chosen\n1,2,3,left\n", "would become 'x', which there is already"),
        ("left_option,right_option,chosen\n1,2,left\n", "would become 'option', which there is already"),
    ],
)
def test_wrong_comparisons(text, says, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(rh.InputError, match=re.escape(says)):
        rh.read_comparisons(path)


ROWS = "scene,option,x,c,r,stop\n0,0,1,1,1,1\n0,1,2,0,2,0\n1,0,3,0,2,1\n1,1,1,1,1,0\n"
WRONG = {
    "two chosen": ("choices", ROWS.replace("0,1,2,0,2,0", "0,1,2,1,2,0"), {}, "scene 0: column 'c': 2 options are chosen (line 2, line 3)"),
    "none chosen": ("choices", ROWS.replace("1,1,1,1,1,0", "1,1,1,0,1,0"), {}, "scene 1: column 'c': no available option is chosen"),
    "chosen and not available": (
        "choices",
        ROWS.replace("stop\n", "stop,available\n").replace(",1\n", ",1,1\n").replace(",0\n", ",0,1\n").replace("0,0,1,1,1,1,1", "0,0,1,1,1,1,0"),
        {},
        "scene 0: column 'c': no available option is chosen; mark exactly one that is available",
    ),
    "a choice that is a word": ("choices", ROWS.replace("0,0,1,1", "0,0,1,yes"), {}, "column 'c'"),
    "a choice that is missing": ("choices", ROWS.replace("0,0,1,1", "0,0,1,"), {}, "line 2: column 'c' is missing"),
    "a rank of 0": ("rankings", ROWS.replace("0,0,1,1,1", "0,0,1,1,0"), {}, "line 2: column 'r' is 0; a rank is a whole number from 1"),
    "a rank of a half": ("rankings", ROWS.replace("0,0,1,1,1", "0,0,1,1,1.5"), {}, "column 'r' is 1.5; a rank is a whole number"),
    "no ranks": ("rankings", re.sub(r"(\d,\d,\d,\d),\d", r"\1,", ROWS), {}, "column 'r' is empty in every row"),
    "a stop that is a number": ("stops", ROWS.replace("0,1,2,0,2,0", "0,1,2,0,2,7"), {}, "it must be true where a human stopped this"),
    "no grades": ("ratings", ROWS, {}, "grades: missing; list the grades, the lowest first"),
    "one grade": ("ratings", ROWS, {"grades": ["good"]}, "grades: ['good']; list two to 10"),
    "a grade twice": ("ratings", ROWS, {"grades": [1, 2, 1.0]}, "each grade once"),
    "a grade that is a list": ("ratings", ROWS, {"grades": [[1], 2]}, "a grade is a text or a number"),
    "a grade never defined": ("ratings", ROWS, {"grades": [0, 1]}, "line 3: column 'r' is '2', which is no grade; there is '0', '1'"),
    "a grade that is missing": ("ratings", ROWS.replace("0,0,1,1,1", "0,0,1,1,"), {"grades": [1, 2]}, "line 2: column 'r' is missing"),
    "no options": ("choices", "x,c,r,stop\n1,1,1,1\n", {}, "choices need options to choose from"),
    "rationality 0": ("choices", ROWS, {"rationality": 0}, "rationality: 0; give a positive number, or its prior"),
    "rationality in words": ("stops", ROWS, {"rationality": "high"}, "rationality: 'high'"),
    "another prior": ("rankings", ROWS, {"rationality": {"dist": "gamma"}}, "rationality: dist: 'gamma'; give 'lognormal'"),
    "a prior misspelt": ("choices", ROWS, {"rationality": {"sigmma": 1}}, "'sigmma' is unknown; did you mean 'sigma'?"),
    "no spread": ("choices", ROWS, {"rationality": {"sigma": 0}}, "rationality: sigma: 0"),
    "a scale": ("stops", ROWS, {"scale": "log"}, "scale: 'log'; give 'unit' or 'raw'"),
    "a human": ("stops", ROWS, {"human": 3}, "human: 3; give a name in quotes"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_feedback(case, tmp_path, capsys):
    kind, training, options, says = WRONG[case]
    column = {"choices": "c", "rankings": "r", "stops": "stop", "ratings": "r"}[kind]
    study = small(hypotheses={"x": "x", "-x": "-x"}, tables={"training": "training.csv"})
    study["values"] = {"weights": {"x": 1, "-x": 1}, "source": "a test"}
    study["feedback"] = [{"kind": kind, "table": "training", "column": column} | options]
    assert main(["run", str(write(tmp_path, study, training=training)), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err, err


def test_thirteen_in_a_tie_are_too_many():
    data = {"x": np.zeros((1, 14)), "r": [[1.0] * 13 + [2.0]]}
    with pytest.raises(rh.InputError, match="13 options tie before the last place; up to 12 can"):
        evidence([rh.Rankings(data, "r")], {"x": "x"})


@pytest.mark.parametrize(("centre", "width"), [(0, 1), (300, 0.01), (-200, 5), (3, 1e-4), (0, 30)])
def test_integrals_find_where_the_mass_is(centre, width):
    found = log_integral(lambda t: -0.5 * ((t - centre) / width) ** 2, (-8, 8))
    assert found.value == pytest.approx(math.log(width * math.sqrt(2 * math.pi)), abs=1e-10)
    drawn = found.draws(20_000, np.random.default_rng(1))
    assert abs(drawn.mean() - centre) < 5 * width / math.sqrt(20_000)
    assert abs(drawn.std() / width - 1) < 5 / math.sqrt(40_000)


def test_an_integrand_that_vanishes():
    assert log_integral(lambda t: np.full(len(t), -np.inf), (-1, 1)).value == -math.inf


def test_integrals_in_a_few_dimensions():
    from arviz_stats.base import array_stats

    from reward_hypotheses.models.inference.laplace import laplace, pareto_k

    rng = np.random.default_rng(3)
    for d in (1, 2, 4):
        root = rng.normal(size=(d, d)) + 2 * np.eye(d)
        precision = root @ root.T

        def f(phi, precision=precision, d=d):
            z = phi - 1.5
            return -0.5 * np.einsum("ni,ij,nj->n", z, precision, z)

        found = laplace(f, np.zeros((1, d)), np.random.default_rng(1))
        want = 0.5 * (d * math.log(2 * math.pi) - float(np.linalg.slogdet(precision)[1]))
        assert abs(found.value - want) < 5 * found.mcse < 0.05 and found.k_hat < 0.7
        assert np.abs(found.weights @ found.points - 1.5).max() < 0.1
    heavy = laplace(
        lambda phi: -np.log1p(phi[:, 0] ** 2), np.zeros((1, 1)), np.random.default_rng(1)
    )  # a Cauchy: no proposal has its tails
    assert heavy.k_hat > 0.1
    for shape in (-0.2, 0.3, 0.9):
        log_ratio = np.log(stats.genpareto(shape).rvs(20_000, random_state=np.random.default_rng(5)) + 1)
        _, theirs = array_stats.psislw(-log_ratio)
        assert pareto_k(log_ratio) == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.parametrize(
    ("n", "right", "mu", "sigma", "x"),
    [
        (10_000, 0.9, 0.0, 0.1, 0.001),  # the data's rationality lies 50 of the prior's deviations away: two modes
        (10_000, 0.99, -6.0, 0.1, 1.0),
        (100_000, 0.9, -8.0, 0.05, 1.0),
        (100_000, 0.6, 0.0, 20.0, 1.0),  # a prior so wide that its first grid sees a plateau
        (100_000, 0.6, -20.0, 20.0, 1.0),
        (20, 1.0, 0.0, 1.0, 1.0),  # never wrong: the likelihood rises for ever
        (1000, 0.1, 0.0, 1.0, 1.0),  # mostly wrong: it falls for ever
    ],
)
def test_modes_far_apart_are_both_found(n, right, mu, sigma, x):
    """Comparisons of one pair: against sums over a very fine grid around every place where mass can be."""
    won = np.arange(n) < round(right * n)
    data = {"x": np.tile([x, 0.0], (n, 1)), "c": np.stack([won, ~won], axis=1)}
    got, tree = evidence([rh.Choices(data, "c", scale="raw", rationality={"mu": mu, "sigma": sigma})], {"x": "x"})
    k = int(won.sum())

    def f(t):
        z = np.exp(t) * x
        return -k * np.logaddexp(0, -z) - (n - k) * np.logaddexp(0, z) - 0.5 * ((t - mu) / sigma) ** 2

    grid = np.unique(
        np.concatenate([np.linspace(-60, 60, 600_001), np.linspace(mu - 12 * sigma, mu + 12 * sigma, 200_001)])
    )
    y = f(grid)
    steps = np.diff(grid)
    top = y.max()
    mass = float(((np.exp(y[1:] - top) + np.exp(y[:-1] - top)) / 2 * steps).sum())
    want = top + math.log(mass) - math.log(sigma * math.sqrt(2 * math.pi))
    assert abs(got[0] - want) < max(1e-6, 1e-10 * abs(want))
    assert tree["evidence"]["mcse"].values[0] < 1e-8


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
    html = (tmp_path / "out" / "report.html").read_text()
    assert f"{kind} (column" in html and ("rationality 1.5" in html or rationality is None or kind == "ratings")


def test_comparisons_are_no_scenes_of_one(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("left_x,right_x,chosen\n1,2,left\n3,1,right\n")
    study = small(hypotheses={"x": "x", "-x": "-x"}, tables={"training": {"path": "x.csv", "comparisons": True}})
    study["values"] = {"weights": {"x": 1, "-x": 1}, "source": "a test"}
    study["feedback"] = [{"kind": "choices", "table": "training", "column": "chosen"}]
    assert not any("scene with one option" in w for w in rh.run(write(tmp_path, study))["warnings"])


def test_scenes_of_one_option_are_warned_of(tmp_path):
    rows = "scene,option,red_paint,flags,slope,chosen\n0,0,1,1,0,1\n1,0,0,1,0,1\n"
    chosen = [{"kind": "choices", "table": "training", "column": "chosen"}]
    got = rh.run(write(tmp_path, small(feedback=chosen), training=rows, test=TEST))
    assert any("no scene of 'training' has two options" in w for w in got["warnings"])
