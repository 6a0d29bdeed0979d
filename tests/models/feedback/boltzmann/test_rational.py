"""Choices, rankings and stops against enumeration and another integrator; rationality; one human; comparisons."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from rational_cases import EXPRESSIONS, evidence, scenes, spread
from scipy import integrate, special, stats

import reward_hypotheses as rh


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
    t = np.linspace(-7, 7, 141)[:, None]
    u = (np.arange(120) + 0.5) / 120
    # cumulative chances in order: density k! on the ordered
    below = [u] if k == 2 else [u[i] for i in np.triu_indices(120, 1)]
    cuts = [np.log(p) - np.log1p(-p) for p in below]
    for h, name in list(enumerate(EXPRESSIONS))[:4]:
        r = rewards_of(name, x, y)
        z = (r - r.mean()) / r.std()

        def log_joint(t, z=z):
            total = -0.5 * t**2 - 0.5 * math.log(2 * math.pi) + np.zeros(len(below[0]))
            for i in range(n):
                with np.errstate(divide="ignore", invalid="ignore"):
                    total += np.log(ordered_logit(np.exp(t) * z[i], cuts, grades[i]))
            return total

        total = np.concatenate([log_joint(t[j : j + 3]) for j in range(0, len(t), 3)])  # few at once stay in the cache
        top = total.max()
        cell = 0.1 / (120 if k == 2 else 120**2) * (1 if k == 2 else 2)
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
