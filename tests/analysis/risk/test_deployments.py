"""Episodes, slips, discrepancies and probes of a predicted deployment, against paths, closed forms and refits."""

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError


def known(column="bad"):
    """Return a judge to whom the outcome of each option is known."""
    table = {column: np.array([0.0, 1.0]), "good": np.array([True, False])}
    labels = rh.Labels(table, "good", noise=(1, 19))
    return rh.fit({"outcome": f"where({column} > 0, -1, 1)"}, rh.Uniform("known"), [labels], 0, draws=50, random_seed=1)


@pytest.fixture(scope="module")
def judge():
    return known()


def corridor(length, step_back):
    """Scenes in a row; option 0 goes on (at the end, well out), 1 stays or goes back, 2 ends badly."""
    scene = np.arange(length)
    after = np.stack(
        [np.where(scene + 1 == length, -1, scene + 1), np.maximum(scene - step_back, 0), -np.ones(length)], 1
    )
    bad = np.tile([0.0, 0.0, 1.0], (length, 1))
    worth = np.tile([1.0, 0.4, 0.0], (length, 1)) + scene[:, None] * np.array([0, 0.1, 0.2])
    return xr.Dataset(
        {"bad": (("scene", "option"), bad), "worth": (("scene", "option"), worth)}
        | {"next": (("scene", "option"), after.astype(int)), "first": ("scene", scene % 2 == 0)}
    )


def by_paths(test, chance, steps):
    """Return the chance of a bad end from each first scene, path by path."""
    after, bad = test["next"].to_numpy(), test["bad"].to_numpy()

    def ends(scene, left):
        total = 0.0
        for option, p in enumerate(chance[scene]):
            to = int(after[scene, option])
            if to < 0:
                total += p * bad[scene, option]
            elif left > 1:
                total += p * ends(to, left - 1)
        return total

    return [ends(scene, steps) for scene in np.flatnonzero(test["first"].to_numpy())]


@pytest.mark.parametrize(("length", "back", "steps"), [(1, 0, 3), (3, 0, 4), (5, 1, 7)])
def test_episodes_against_every_path(judge, length, back, steps):
    test = corridor(length, back)
    line = {"bad": [0.0, 1.0], "worth": [0.0, 1.0], "picked": [True, False]}
    agent = rh.fit(
        {"worth": "worth"}, rh.Uniform("one"), [rh.Labels(line, "picked", noise=(1, 9))], 0, draws=50, random_seed=2
    )
    out = rh.predict_rate(judge, test, rh.Boltzmann(1.3), agent, steps=steps, draws=200)
    worth = test["worth"].to_numpy()
    scale = math.sqrt(worth.var(axis=1).mean())
    odds = np.exp(1.3 * worth / scale)
    exact = np.array(by_paths(test, odds / odds.sum(axis=1, keepdims=True), steps))
    assert out.attrs["n_scenes"] == len(exact)
    assert float(out["rate"].mean()) == pytest.approx(exact.mean())
    assert float(out["probability"][0]) == pytest.approx(np.prod(1 - exact))


def test_slips_and_shifts_have_closed_forms(judge):
    harmless = {"bad": np.zeros((40, 2))}
    out = rh.predict_rate(judge, harmless, slips=(3, 50), n_scenes=10, draws=20_000)
    rates = out["rate"].to_numpy().ravel()
    beta = stats.beta(3.5, 47.5)
    assert abs(rates.mean() - beta.mean()) < 4.5 * beta.std() / math.sqrt(20_000)
    assert stats.kstest(rates, beta.cdf).pvalue > 1e-4
    half = {"bad": np.array([[0.0, 1.0]] * 30)}
    chance = rh.Boltzmann(0.0)
    for shift in (-2.0, 0.0, 1.0):
        out = rh.predict_rate(judge, half, chance, discrepancy=[shift], draws=100)
        assert out["rate"].to_numpy() == pytest.approx(1 / (1 + math.exp(-shift)))
    both = rh.predict_rate(judge, half, chance, discrepancy=[-1.0, 1.0], slips=(0, 10**9), draws=100)
    p = 1 / (1 + math.exp(1.0))
    assert both["rate"].to_numpy().ravel()[:2] == pytest.approx([p, 1 - p], abs=1e-6)


def test_a_discrepancy_against_a_sum_over_a_grid():
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.6, (3, 40))
    b = rng.random((3, 40)) < 1 / (1 + np.exp(-(np.log(p / (1 - p)) - 1.0)))
    w = rng.uniform(0, 1, 40)
    out = rh.estimate_discrepancy(p, b, w, draws=20_000, random_seed=2)
    d = np.linspace(-5, 4, 181)
    like = np.ones((3, len(d)))
    for k in range(3):
        for m in range(40):
            q = 1 / (1 + np.exp(-(math.log(p[k, m] / (1 - p[k, m])) + d)))
            like[k] *= (q if b[k, m] else 1 - q) ** w[m]
    total, sums = 0.0, np.zeros(3)
    for mu in np.linspace(-3, 3, 61):
        for tau in np.linspace(0.05, 3, 60):
            prior = stats.norm.pdf(d, mu, tau)
            each = (like * prior).sum(axis=1) / prior.sum()
            mass = stats.norm.pdf(mu) * math.exp(-(tau**2) / 2) * each.prod()
            total += mass
            sums += mass * ((like * prior * d).sum(axis=1) / prior.sum()) / each
    drawn = out["shift"].to_numpy()
    assert (np.abs(drawn.mean(axis=1) - sums / total) < 4.5 * drawn.std(axis=1) / math.sqrt(20_000) + 0.01).all()


def test_a_discrepancy_covers_and_keeps_its_prior_without_probes():
    rng, held = np.random.default_rng(8), []
    for seed in range(12):
        mu, tau = rng.normal(), abs(rng.normal())
        d = rng.normal(mu, tau, 10)
        p = rng.uniform(0.05, 0.5, (10, 60))
        b = rng.random(p.shape) < 1 / (1 + np.exp(-(np.log(p / (1 - p)) + d[:, None])))
        found = rh.estimate_discrepancy(p, b, draws=400, random_seed=seed, transfer=0)
        drawn = found["shift"].to_numpy()
        again = rh.estimate_discrepancy(p, b, draws=400, random_seed=seed, transfer=0.5)["shift"].to_numpy()
        further = (again - drawn) / found["sd"].to_numpy()
        assert abs(further.std() - 0.5) < 4.5 * 0.5 / math.sqrt(2 * further.size)
        low, high = np.quantile(drawn, [0.1, 0.9], axis=1)
        held += ((low <= d) & (d <= high)).tolist()
    assert abs(np.mean(held) - 0.8) < 0.16  # shifts of one study share mu and tau
    none = rh.estimate_discrepancy(p, b, np.zeros(60), draws=4000)["shift"].to_numpy()
    assert abs(none.var() - 2.0) < 0.35 and abs(none.mean()) < 0.1


def test_overlap_of_a_feature_present_or_absent():
    probes = {"x": np.repeat([[0.0, 0.0], [1.0, 1.0]], [200, 200], axis=0)}
    test = {"x": np.repeat([[0.0, 0.0], [1.0, 1.0]], [50, 150], axis=0)}
    weight = rh.probe_overlap(probes, test)["weight"].to_numpy()
    # relative density ratio: 2 * .25 / (.25 + .5) and 2 * .75 / (.75 + .5)
    assert weight[-1] / weight[0] == pytest.approx(1.2 / (2 / 3), rel=0.08)
    same = rh.probe_overlap(probes, probes)
    assert same["weight"].to_numpy() == pytest.approx(1.0) and float(same["effective"]) == pytest.approx(400)


def test_what_the_probes_never_showed_is_named():
    rng = np.random.default_rng(1)
    probes = {"x": rng.random((80, 3)), "lava": np.zeros((80, 3))}
    test = {"x": rng.random((50, 3)), "lava": (rng.random((50, 3)) < 0.3) * 1.0}
    out = rh.probe_overlap(probes, test)
    assert out["feature"].to_numpy()[out["without_overlap"].to_numpy()].tolist() == ["lava"]
    seen = (test["lava"] > 0).any(axis=1).mean()
    assert float(out["outside"].sel(feature="lava")) == pytest.approx(seen)
    assert float(out["effective"]) <= 80 * (1 - seen) + 1e-9


def test_overlap_of_episodes_is_of_the_scenes_they_come_to():
    test = corridor(6, 1)
    test["x"] = (("scene", "option"), np.arange(18.0).reshape(6, 3))
    unreachable = test.assign(first=("scene", np.arange(6) == 3))
    a, b = (rh.probe_overlap(t, t, ["x"], steps=5) for t in (test, unreachable))
    assert a.sizes["probe"] == 3 and b.sizes["probe"] == 1
    assert a["weight"].to_numpy() == pytest.approx(1.0)


def test_overlap_of_shared_and_unmet_scenes_and_of_small_units():
    """Episodes that come to the same scene are alike; scenes that nobody meets do not count; units do not matter."""
    test = corridor(3, 0)
    after = test["next"].to_numpy()
    after[:2, 0], after[0, 1], after[1, 1] = 2, 0, 1
    two = test.assign(next=(("scene", "option"), after), first=("scene", np.array([True, True, False])), x=test["bad"])
    weight = rh.probe_overlap(two, two, ["x"], steps=3)["weight"].to_numpy()
    assert weight[0] == pytest.approx(weight[1])
    rng = np.random.default_rng(0)
    probes, far = rng.random((30, 2)), rng.random((30, 2)) + 5
    both = {"x": np.concatenate([probes, far]), "scene_weight": np.repeat([[1.0, 1.0], [0.0, 0.0]], 30, axis=0)}
    unmet = rh.probe_overlap({"x": probes}, both, ["x"])
    assert float(unmet["effective"]) == pytest.approx(30) and float(unmet["outside"][0]) == 0
    for size in (1.0, 1e-10):
        out = rh.probe_overlap({"x": probes * size}, {"x": far * size})
        assert float(out["effective"]) == 0 and float(out["outside"][0]) == 1


def test_episodes_do_not_depend_on_the_order_of_dimensions(judge):
    test = corridor(3, 0)
    agent = rh.fit(
        {"worth": "worth"},
        rh.Uniform("one"),
        [rh.Labels({"bad": [0.0, 1.0], "worth": [0.0, 1.0], "said": [True, False]}, "said", noise=(1, 9))],
        0,
        draws=50,
        random_seed=2,
    )
    rates = [
        float(rh.predict_rate(judge, one, rh.Boltzmann(1.0), agent, steps=2, draws=100)["rate"].mean())
        for one in (test, test.transpose("option", "scene"))
    ]
    assert rates[0] == pytest.approx(rates[1], abs=1e-12)


def test_the_interval_of_many_scenes_is_of_all_draws():
    """Two rules that part: nothing, or half of the scenes; the rare one is within the interval of 99 %."""
    n = 1500
    cue = np.tile([True, False], (n, 1))
    cue[: n // 2] = ~cue[: n // 2]
    test = {"a": np.tile([True, False], (n, 1)), "b": cue}
    table = {"a": [True, False], "b": [True, False], "good": [True, False]}
    labels = [rh.Labels(table, "good", noise=(1, 9))]
    rules = {"a": "where(a, 1, -1)", "b": "where(b, 1, -1)"}
    judge = rh.fit({"a": rules["a"]}, rh.Uniform("known"), labels, 0, draws=50, random_seed=1)
    agents = rh.Elicited({"a": 0.97, "b": 0.03}, source="t")
    agent = rh.fit(rules, agents, labels, 0, draws=50, random_seed=1)
    out = rh.predict_rate(judge, test, rh.Commit(), agent, prob=0.99, draws=4000)
    assert (int(out["lower"]), int(out["upper"])) == (0, n // 2)
    share = float((out["catastrophes"] > 0).mean())
    assert float(out["probability"][n // 2]) == pytest.approx(share)
    noisy = rh.predict_rate(judge, test, rh.Commit(), agent, prob=0.99, draws=4000, slips=(10, 1000))
    ends = np.quantile(noisy["catastrophes"], [0.005, 0.995], method="inverted_cdf")
    assert [int(noisy["lower"]), int(noisy["upper"])] == ends.tolist()


def test_an_agent_that_no_shift_explains_is_refused():
    p, b = np.full((3, 100), 1e-4), np.zeros((3, 100), bool)
    rh.estimate_discrepancy(p, b)
    b[1] = True
    with pytest.raises(rh.NotTrustedError, match="agent 1: its probes ended in catastrophe so much more often"):
        rh.estimate_discrepancy(p, b)


def test_a_probe_is_held_out_as_a_refit_without_it_predicts(judge):
    rng = np.random.default_rng(5)
    table = {"x": rng.normal(size=(14, 3)), "bad": (rng.random((14, 3)) < 0.5) * 1.0}
    odds = np.exp(1.5 * table["x"] - table["bad"])
    taken = (rng.random((14, 1)) > (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(axis=1)
    mixture = {"a mixture": rh.Linear(["x", "bad"], {"normal": 2}, "a mixture", {"x": 1, "bad": 1})}

    def read(some):
        rows = {name: values[some] for name, values in table.items()}
        choices = rh.Choices({**rows, "took": taken[some, None] == np.arange(3)}, "took")
        return rh.fit(mixture, rh.Uniform("one"), [choices], 0, draws=1000, random_seed=3)

    every = np.arange(14)
    out = rh.predict_held_out(judge, table, taken, rh.Boltzmann("inferred"), read(every), draws=4000)
    assert (out["k_hat"] < 0.7).all()
    for m in (0, 5, 9):
        one = {name: values[[m]] for name, values in table.items()}
        again = rh.predict_rate(judge, one, rh.Boltzmann("inferred"), read(np.delete(every, m)), draws=4000)
        rates = again["rate"].to_numpy()
        assert abs(float(out["chance"][m]) - rates.mean()) < 5 * rates.std() / math.sqrt(1000) + 1e-6


def test_what_is_refused(judge):
    test, taken = corridor(3, 0), np.array([0, 0, 0])
    plain = {"bad": np.zeros((4, 2))}
    p, b = np.full((2, 3), 0.5), np.zeros((2, 3), bool)
    for wrong, said in (
        (lambda: rh.predict_rate(judge, plain, steps=3), "no 'next' and 'first'"),
        (lambda: rh.predict_rate(judge, test, steps=0), "steps"),
        (lambda: rh.predict_rate(judge, test, steps=3, n_scenes=5), "leave n_scenes out"),
        (lambda: rh.predict_rate(judge, test.assign(next=test["next"] + 5), steps=3), "scene 0, option 0: 6"),
        (lambda: rh.predict_rate(judge, test.assign(next=test["next"] + 0.5), steps=3), "not whole numbers"),
        (lambda: rh.predict_rate(judge, test.assign(first=test["first"] & False), steps=3), "no episode starts"),
        (lambda: rh.predict_rate(judge, test, rh.Commit(abstain=True), steps=3), "abstain"),
        (
            lambda: rh.predict_rate(judge, test.assign(available=test["bad"] == 0), steps=3),
            "every option must be available",
        ),
        (
            lambda: rh.predict_held_out(judge, {**plain, "available": np.ones((4, 2)) > [0, 1]}, taken),
            "every option must be",
        ),
        (lambda: rh.predict_rate(judge, plain, rh.Commit(), discrepancy=[1.0]), "'commit' never errs"),
        (lambda: rh.predict_rate(judge, plain, slips=3), "give two numbers"),
        (lambda: rh.predict_rate(judge, plain, slips=(4, 3)), "4 catastrophes of 3 trials"),
        (lambda: rh.predict_rate(judge, plain, rh.Boltzmann(1.0), discrepancy=[[0.0]]), "draws of one agent's shift"),
        (
            lambda: rh.predict_rate(judge, plain, rh.Boltzmann(1.0), discrepancy=[math.nan]),
            "draws of one agent's shift",
        ),
        (lambda: rh.estimate_discrepancy(p, b[:1]), "of shapes"),
        (lambda: rh.estimate_discrepancy(p, b * 1.0), "true or false"),
        (lambda: rh.estimate_discrepancy(p + 1, b), "chance: 1.5; give numbers between 0 and 1"),
        (lambda: rh.estimate_discrepancy(p, b, [1, 1, -1]), "weights: -1.0; give numbers from 0"),
        (lambda: rh.estimate_discrepancy(p, b, transfer=-1), "transfer: -1; give 0 or more"),
        (lambda: rh.estimate_discrepancy(p, b, [1, 1]), "one for each of the 3 probes"),
        (lambda: rh.probe_overlap(plain, {"x": np.zeros((4, 2))}), "features: none"),
        (lambda: rh.probe_overlap(plain, plain, "bad"), r"list the columns, such as \['bad'\]"),
        (lambda: rh.probe_overlap(plain, plain, ["lava"]), "no column 'lava'"),
        (lambda: rh.predict_held_out(judge, plain, taken), "the option taken in each of the 4 scenes"),
        (lambda: rh.predict_held_out(judge, plain, np.array([0, 1, 2, 0])), "option: 2"),
        (lambda: rh.predict_held_out(judge, {"bad": np.array([[0.0, 1.0]] * 4)}, np.array([0, 1, 0, 0])), "probe 1"),
    ):
        with pytest.raises(InputError, match=said):
            wrong()
