"""What training never showed: features that never varied, data that compare nothing, rewards without a spread."""

import json
import math
import re

import numpy as np
import pytest
from studies import csv_text, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.study.pre_fit_checks import minds
from reward_hypotheses.study.run import check

SOURCE = "a test"
ONE = rh.Uniform(SOURCE)
GRASS = {"grass": [[3.0, 0.0], [2.0, 1.0], [1.0, 4.0]], "lava": np.zeros((3, 2)), "chosen": [[0, 1], [0, 1], [1, 0]]}
TEST = {"grass": [[2.0, 0.0]], "lava": [[0.0, 3.0]]}


def linear(features, prior="sphere", **more):
    return rh.Linear(features, prior=prior, source=SOURCE, **more)


def fitted(hypotheses, feedback, line=0.0, **options):
    return rh.fit(hypotheses, ONE, feedback, line, random_seed=1, **options)


def refused(*wants):
    return pytest.raises(rh.InputError, match=".*".join(re.escape(w) for w in wants))


# Features that never varied.


def grass_posterior():
    """Weight of grass, Normal(0, 1) a priori, on a grid: points, shares, and the log evidence of the choices."""
    x = np.array(GRASS["grass"])
    apart = (x * np.where(GRASS["chosen"], 1, -1)).sum(axis=1) / x.std()
    w = np.linspace(-9, 9, 20001)
    log = -0.5 * w**2 - 0.5 * math.log(2 * math.pi) - np.logaddexp(0, -np.outer(w, apart)).sum(axis=1)
    total = math.log(np.exp(log).sum() * (w[1] - w[0]))
    return w, np.exp(log) / np.exp(log).sum(), total


def test_a_constant_feature_keeps_its_prior_and_its_danger():
    tree = fitted(
        {"m": linear(["grass", "lava"], {"normal": 1.0}, unit={"lava": 1})}, [rh.Choices(GRASS, "chosen")], -2
    )
    w, share, evidence = grass_posterior()
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 2)
    assert abs(drawn[:, 1].mean()) < 5 / math.sqrt(len(drawn)) and abs(drawn[:, 1].std() - 1) < 5 / math.sqrt(
        2 * len(drawn)
    )
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 5 / math.sqrt(len(drawn))
    found = tree["evidence"].to_dataset().isel(hypothesis=0)
    assert float(found["log_evidence"]) == pytest.approx(evidence, abs=5 * float(found["mcse"]) + 1e-6)
    rng = np.random.default_rng(3)
    (agent, judge), lava = rng.choice(w, (2, 400_000), p=share), rng.normal(size=(2, 400_000))
    scale = np.std(GRASS["grass"])
    rewards = [np.stack([g * 2 / scale, b * 3]) for g, b in ((agent, lava[0]), (judge, lava[1]))]
    risk = (rewards[1][rewards[0].argmax(axis=0), np.arange(400_000)] < -2).mean()
    got = float(rh.catastrophe_risk(tree, TEST)["mean"])
    assert risk > 0.2 and got == pytest.approx(risk, abs=5 * math.sqrt(0.25 / 2000))


@pytest.mark.parametrize("prior", ["sphere", {"normal": 2.0}])
def test_it_is_a_silent_direction_with_its_share(prior):
    tree = fitted({"m": linear(["grass", "lava"], prior, unit={"lava": 0.5})}, [rh.Choices(GRASS, "chosen")], -2)
    silent = rh.silent_directions(tree, TEST)
    spread = np.array([(1 / np.std(GRASS["grass"])) ** 2, (1.5 / 0.5) ** 2])  # half the difference, in units, squared
    assert silent["direction"].values.tolist() == ["lava"] and silent["coefficients"].values.tolist() == [[0.0, 1.0]]
    assert float(silent["share"]) == pytest.approx(spread[1] / spread.sum())
    assert silent["shares"].values == pytest.approx([spread[1] / spread.sum()])


def test_the_unit_stays_in_the_tree(tmp_path):
    import xarray as xr

    tree = fitted({"m": linear(["grass", "lava"], unit={"lava": 2.0})}, [rh.Choices(GRASS, "chosen")], -2, draws=50)
    assert tree["constant_data"]["reward_weight_scale"].values == pytest.approx([np.std(GRASS["grass"]), 2.0])
    tree.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    back = xr.open_datatree(tmp_path / "tree.nc", engine="h5netcdf")
    for one in (tree, back):
        assert json.loads(one.attrs["study"])["hypotheses"]["m"]["unit"] == {"lava": 2.0}
    xr.testing.assert_identical(rh.catastrophe_risk(tree, TEST), rh.catastrophe_risk(back, TEST))


def test_without_a_unit_fit_says_what_to_write():
    table = GRASS | {"km h": np.full((3, 2), 7.0)}
    features = ["grass", "lava", "`km h`"]
    with refused("hypothesis 'm': features 'lava', '`km h`': the same in every row that is fitted") as error:
        fitted({"m": linear(features)}, [rh.Choices(table, "chosen")], -2)
    written = re.search(r"unit=(\{.*?\})", str(error.value)).group(1)
    unit = json.loads(written.replace("'", '"'))
    assert unit == {"lava": 1, "`km h`": 1} and "leave" not in str(error.value)
    tree = fitted({"m": linear(features, unit=unit)}, [rh.Choices(table, "chosen")], -2, draws=50)
    assert tree["constant_data"]["reward_weight_scale"].values[1:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("unit", "wants"),
    [
        ({"lav": 1}, "unit: 'lav' is no feature; did you mean 'lava'?"),
        ({"lava": 0}, "unit: 'lava': 0; give the size"),
        ({"lava": True}, "unit: 'lava': True; give the size"),
        ({"lava": float("nan")}, "unit: 'lava': nan; give the size"),
        (3, "unit: 3; give a unit by feature"),
    ],
)
def test_units_that_are_none(unit, wants):
    with refused(wants):
        linear(["grass", "lava"], unit=unit)


def test_rounding_and_offsets_are_no_spread_and_do_not_hide_one():
    """0.3 a / a is the same up to rounding; clock times in microseconds are not, however far they are from 0."""
    a = np.array([[1.1, 2.3], [3.7, 4.9], [5.3, 7.7]])
    table = GRASS | {"a": a, "time": 1.7e15 + np.arange(6.0).reshape(3, 2)}
    with refused("feature '0.3 * a / a': the same in every row"):
        fitted({"m": linear(["grass", "0.3 * a / a"])}, [rh.Choices(table, "chosen")], -2)
    tree = fitted({"m": linear(["grass", "time"])}, [rh.Choices(table, "chosen")], -2, draws=50)
    assert tree["constant_data"]["reward_weight_scale"].values[1] == pytest.approx(np.arange(6).std(), rel=1e-12)


def rows(seed=1, n=8, **columns):
    rng = np.random.default_rng(seed)
    out = []
    for scene in range(n):
        chosen = int(rng.integers(2))
        for o in range(2):
            row = {"scene": scene, "option": o, "x": round(float(rng.normal()), 3), "y": round(float(rng.normal()), 3)}
            row |= {"chosen": int(o == chosen), "stop": int(rng.random() < 0.5), "rank": 1 + int(o != chosen)}
            out.append(row | {name: value(scene, o) for name, value in columns.items()})
    return out


def lava_study(tmp_path, test=None, unit=None, **changes):
    family = {"linear": ["x", "lava"], "prior": {"normal": 1.0}, "source": SOURCE} | (
        {} if unit is None else {"unit": unit}
    )
    study = small(
        hypotheses={"m": family, "a": "x"},
        values={"weights": {"m": 1, "a": 1}, "source": SOURCE},
        catastrophe={"fail_utility": -1},
        feedback=[{"kind": "choices", "table": "training", "column": "chosen"}],
    )
    flat = {"lava": lambda s, o: 0, "city": lambda s, o: 4}
    test = rows(2, lava=lambda s, o: s * o, city=lambda s, o: o, is_new=lambda s, o: s % 2) if test is None else test
    return write(tmp_path, study | changes, training=csv_text(rows(**flat)), test=csv_text(test))


def test_a_study_measures_it_over_training_and_test(tmp_path):
    results = rh.run(lava_study(tmp_path))
    both = np.concatenate([np.zeros(16), [s * o for s in range(8) for o in range(2)]])
    assert results["reward_weights"]["m"]["features"]["lava"]["unit"] == pytest.approx(both.std())
    training = [row["x"] for row in rows()]
    assert results["reward_weights"]["m"]["features"]["x"]["unit"] == pytest.approx(np.std(training))
    silent = results["silent_directions"]["m"]
    assert [d["words"] for d in silent["directions"]] == ["lava"]
    assert 0 < silent["directions"][0]["share"]["test"] == pytest.approx(silent["share"]["test"])
    assert check(lava_study(tmp_path, unit={"lava": 7})).hypotheses.family(0).unit == {"lava": 7.0}


def test_what_never_varies_asks_for_a_unit_in_the_words_of_the_file(tmp_path):
    never = rows(2, lava=lambda s, o: 0, city=lambda s, o: 4)
    for do in (rh.run, check):
        with refused("study.toml: [hypotheses] 'm': feature 'lava': the same in every row", "unit = { lava = 1 }"):
            do(lava_study(tmp_path, never))
    path = lava_study(tmp_path, never)
    path.write_text(path.read_text().replace('"source" = "a test" }', '"source" = "a test", unit = { lava = 1 } }', 1))
    assert check(path).hypotheses.family(0).unit == {"lava": 1.0}


def test_features_that_nobody_reads_are_named(tmp_path):
    path = lava_study(tmp_path)
    said = [w for w in rh.run(path)["warnings"] if "never did in training" in w]
    assert len(said) == 1 and "no hypothesis reads columns 'city', 'is_new', which vary in table 'test'" in said[0]
    assert [w for w in minds(check(path)) if "never did in training" in w] == said
    path = lava_study(
        tmp_path, hypotheses={"m": {"linear": ["x", "city"], "source": SOURCE}, "a": "where(is_new > 0, x, 1)"}
    )
    flat = dict.fromkeys(("lava", "city", "is_new"), lambda s, o: 0)
    (tmp_path / "training.csv").write_text(csv_text(rows(**flat)))
    assert ["'lava'" in words and "'city'" not in words for words in minds(check(path))] == [True]


def test_an_intercept_is_a_feature():
    """Stops under a normal prior are a logistic regression: its evidence on a grid of both weights."""
    rng = np.random.default_rng(5)
    x, stopped = rng.normal(size=12), rng.random(12) < 0.7
    tree = fitted({"m": linear(["x", "1"], {"normal": 1.5})}, [rh.Stops({"x": x, "s": stopped}, "s")], 0.4)
    w = np.linspace(-12, 12, 801)
    step = w[1] - w[0]
    z = 0.4 - (w[:, None, None] * x / x.std() + w[None, :, None])
    log = -np.logaddexp(0, np.where(stopped, -z, z)).sum(axis=2)
    log -= 0.5 * (w[:, None] ** 2 + w[None, :] ** 2) / 1.5**2 + math.log(2 * math.pi * 1.5**2)
    found = tree["evidence"].to_dataset().isel(hypothesis=0)
    want = np.logaddexp.reduce(log.ravel()) + 2 * math.log(step)
    assert float(found["log_evidence"]) == pytest.approx(want, abs=5 * float(found["mcse"]) + 1e-6)
    assert tree["constant_data"]["reward_weight_scale"].values[1] == 1.0
    assert rh.silent_directions(tree)["direction"].size == 0
    chosen = fitted({"m": linear(["grass", "-2"])}, [rh.Choices(GRASS, "chosen")], -2, draws=50)
    assert rh.silent_directions(chosen)["direction"].values.tolist() == ["(-2)"]
    assert chosen["constant_data"]["reward_weight_scale"].values[1] == 2.0


def test_a_constant_of_an_alternative_is_a_feature():
    rng = np.random.default_rng(6)
    price, bus = rng.normal(size=(20, 3)), np.tile([False, True, False], (20, 1))
    chosen = np.eye(3, dtype=bool)[rng.integers(3, size=20)]
    table = {"price": price, "bus": bus, "one": bus * 1.0, "chosen": chosen}
    trees = [fitted({"m": linear(["price", f])}, [rh.Choices(table, "chosen")]) for f in ("where(bus, 1, 0)", "one")]
    first, second = (tree["evidence"]["log_evidence"].values[0] for tree in trees)
    assert first == second and rh.silent_directions(trees[0])["direction"].size == 0


def test_a_covariate_of_the_chooser_is_silent_to_the_last_bit():
    """Thirds of .1 do not add up to .1: the mean of a scene's three equal incomes differs from each of them."""
    rng = np.random.default_rng(7)
    income = np.repeat(rng.choice([0.1, 0.3, 0.7, 1.1], 30)[:, None], 3, axis=1)
    table = {"x": rng.normal(size=(30, 3)), "income": income, "chosen": np.eye(3, dtype=bool)[rng.integers(3, size=30)]}
    with pytest.warns(UserWarning, match="no hypothesis makes one option better than another in any scene"):
        alone = fitted({"m": linear(["income"])}, [rh.Choices(table, "chosen")])
    assert alone["evidence"]["log_evidence"].values[0] == pytest.approx(-30 * math.log(3), abs=1e-12)
    both = fitted({"m": linear(["x", "income"])}, [rh.Choices(table, "chosen")])
    assert rh.silent_directions(both)["direction"].values.tolist() == ["income"]


# Data that leave nothing to compare.

IDLE = {
    "one option a scene": (lambda **o: rh.Choices({"x": [[1.0], [2.0]], "c": [[1], [1]]}, "c", **o), 0.0),
    "one option ranked": (lambda **o: rh.Rankings({"x": [[1.0, 2.0], [3.0, 5.0]], "r": [[1, np.nan], [np.nan, 1]]}, "r", **o), 0.0),
    "all tied": (lambda **o: rh.Rankings({"x": [[1.0, 2.0, 7.0], [3.0, 5.0, 4.0]], "r": np.ones((2, 3))}, "r", **o), 0.0),
    "equal rows": (lambda **o: rh.Choices({"x": [[0.1, 0.1], [0.3, 0.3]], "c": [[1, 0], [0, 1]]}, "c", **o), 2 * math.log(0.5)),
    "equal rows ranked": (
        lambda **o: rh.Rankings({"x": np.repeat([[0.1], [0.7]], 3, axis=1), "r": [[1, 2, 3], [3, 1, 2]]}, "r", **o),
        -2 * math.log(6),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IDLE)
def test_nothing_to_compare_leaves_the_prior(case):
    make, chance = IDLE[case]
    rules = {"up": "x", "down": "-x", "far": "x ** 2"}
    prior = rh.Elicited({"sphere": 1, "normal": 2, "up": 3, "down": 1, "far": 1}, SOURCE)
    listed = {"sphere": linear(["x", "1"]), "normal": linear(["x"], {"normal": 1.0})} | rules
    for settings in ({}, {"scale": "raw", "rationality": 2.0}):
        with pytest.warns(UserWarning, match="so this feedback leaves the prior as it stands"):
            tree = rh.fit(listed, prior, [make(**settings)], 0.0, draws=50, random_seed=1)
        found = tree["evidence"].to_dataset()
        assert len(set(found["log_evidence"].values.tolist())) == 1 and not found["mcse"].values.any()
        assert found["log_evidence"].values[0] == pytest.approx(chance, abs=1e-12)
        assert found["weight"].values == pytest.approx([1 / 8, 2 / 8, 3 / 8, 1 / 8, 1 / 8], abs=1e-15)
        drawn = tree["posterior"]["normal_reward_weight"].to_numpy()
        assert abs(drawn.mean()) < 5 / math.sqrt(drawn.size)


def test_ratings_of_equal_items_are_at_chance():
    """A single grade: of three, its mean chance to the n-th power under Dirichlet(1, 1, 1)."""
    table = {"x": [2.0] * 5, "g": ["fair"] * 5}
    ratings = rh.Ratings(table, "g", grades=["bad", "fair", "good"])
    with pytest.warns(UserWarning, match="ratings: no hypothesis"):
        tree = fitted({"m": linear(["x"], unit={"x": 1}), "a": "x"}, [ratings])
    found = tree["evidence"].to_dataset()
    want = math.log(math.factorial(5) * 2 / math.factorial(7))  # E[p^5] of a Beta(1, 2)
    for h in range(2):
        assert float(found["log_evidence"][h]) == pytest.approx(want, abs=5 * float(found["mcse"][h]) + 1e-9)


def test_a_scene_without_a_choice_adds_nothing_to_the_others():
    rng = np.random.default_rng(8)
    x, ranks = rng.normal(size=(6, 3)), np.array([[1, 2, 3]] * 5 + [[1, 1, 1]])
    both, without = (
        fitted({"m": linear(["x"], {"normal": 1.0}, unit={"x": 1}), "a": "x"},
               [rh.Rankings({"x": x[:n], "r": ranks[:n]}, "r", scale="raw")])["evidence"].to_dataset() for n in (6, 5)
    )  # fmt: skip
    assert float(both["log_evidence"][1]) == pytest.approx(float(without["log_evidence"][1]), abs=1e-9)
    error = math.hypot(float(both["mcse"][0]), float(without["mcse"][0]))
    assert float(both["log_evidence"][0]) == pytest.approx(float(without["log_evidence"][0]), abs=5 * error + 1e-9)


def test_a_study_that_compares_nothing_runs_and_says_so(tmp_path):
    one = [row for row in rows(lava=lambda s, o: 0) if row["option"] == 0]
    for row in one:
        row["chosen"] = 1
    path = lava_study(tmp_path)
    (tmp_path / "training.csv").write_text(csv_text(one))
    results = rh.run(path)
    assert results["log_evidence"] == {"m": 0.0, "a": 0.0} and results["weights"] == results["prior"]
    said = [w for w in results["warnings"] if w.startswith("choices: no scene of 'training' has two options")]
    assert len(said) == 1 and f"mind: {said[0]}" in shell("check", path).stdout


# What `run` refuses without fitting, `check` refuses in the same words.

FAMILY = {"linear": ["x", "y"], "prior": "sphere", "source": SOURCE}
CHOICES = {"kind": "choices", "table": "training", "column": "chosen"}
RATED = {"kind": "ratings", "table": "training", "column": "rank", "grades": [1, 2]}
TIED = {"kind": "rankings", "table": "training", "column": "tied"}
INFERRED = {"policy": {"name": "boltzmann", "beta": "inferred"}, "prior": "uniform"}
NO_TEST = {"tables": {"training": "training.csv"}}
FAULTS = {
    "a feature that never varies": ({"hypotheses": {"m": FAMILY | {"linear": ["x", "flat"]}}}, "feature 'flat': the same"),
    "one of the agent's": (
        {"agent": {"policy": "commit", "prior": "uniform", "hypotheses": {"n": FAMILY | {"linear": ["x", "flat"]}}}},
        "[agent] hypotheses 'n': feature 'flat'",
    ),
    "exactly, of a family": ({"fit": {"method": "exact"}}, "[fit] method: 'exact', but the weights of 'm'"),
    "exactly, of ratings": (
        {"hypotheses": {"m": "x"}, "feedback": [RATED], "fit": {"method": "exact"}},
        "the evidence of ratings has no exact form",
    ),
    "exactly, of what shares with ratings": (
        {"hypotheses": {"m": "x"}, "feedback": [RATED | {"human": "A"}, CHOICES | {"human": "A"}], "fit": {"method": "exact"}},
        "the evidence of ratings, choices has no exact form",
    ),
    "ties by NUTS": ({"hypotheses": {"m": "x"}, "feedback": [TIED], "fit": {"method": "nuts"}}, "NUTS and PyMC do not take"),
    "the agent's ties by NUTS": (
        {"hypotheses": {"m": "x"}, "fit": {"method": "nuts"}, "agent": {"prior": "uniform", "feedback": [TIED]}},
        "agent_rankings: ties before the last place",
    ),
    "no spread": ({"hypotheses": {"m": "x"}, "feedback": [CHOICES | {"table": "failing"}]}, "no scene has two options besides failing"),
    "no spread on the support": ({"hypotheses": {"m": "x"}, "analysis": {"support": "failing"}}, "no scene has two options besides failing"),
    "no line": ({"catastrophe": {"fail_utility": {"a": 0}}}, "fail_utility: hypothesis 'm' has none, and results on a test"),
    "no line to stop by": (
        {**NO_TEST, "catastrophe": {"fail_utility": {"a": 0}}, "feedback": [CHOICES | {"kind": "stops", "column": "stop"}]},
        "[[feedback]]: hypothesis 'm' has no failure line, with which stops compare it",
    ),
    "no line of the agent's": (
        {"hypotheses": {"m": "x", "a": "y"}, "values": {"weights": {"m": 1, "a": 1}, "source": SOURCE},
         "catastrophe": {"fail_utility": {"m": 0, "a": 1}}, "agent": {"prior": "uniform", "hypotheses": {"n": FAMILY}}},
        "[agent] fail_utility: hypothesis 'n' has none",
    ),
    "maximin over a family": ({"hypotheses": {"m": FAMILY}, "agent": {"policy": "maximin"}}, "maximin: hypothesis 'm' has continuous"),
    "beta of a family that is given": ({"agent": INFERRED | {"feedback": [CHOICES | {"rationality": 2.0}]}}, "is not inferred from choices"),
    "a feature that is not finite": ({"hypotheses": {"m": FAMILY | {"linear": ["x", "1 / (x - x)"]}}}, "must be a finite number"),
    "two options chosen": ({"feedback": [CHOICES | {"column": "both"}]}, "options are chosen"),
    "a grade that is none": ({"hypotheses": {"m": "x"}, "feedback": [RATED | {"grades": [1, 3]}]}, "which is no grade"),
    "a line that differs within a scene": ({"hypotheses": {"m": "x"}, "catastrophe": {"fail_utility": "y"}}, "differs between the options"),
    "an unmodelled hypothesis and choices": (
        {"hypotheses": {"m": {"unmodelled": 1, "source": SOURCE}, "a": "x"}}, "is unmodelled, and gives labels alone"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_check_refuses_what_run_refuses(tmp_path, fault):
    changes, wants = FAULTS[fault]
    listed = changes.get("hypotheses", {"m": FAMILY, "a": "x"})
    study = small(
        tables={"training": "training.csv", "failing": "failing.csv", "test": "test.csv"},
        hypotheses=listed,
        values={"weights": {n: int(n != "m" or len(listed) == 1) for n in listed}, "source": SOURCE},
        catastrophe={"fail_utility": 0},
        feedback=[CHOICES],
    )
    more = {"flat": lambda s, o: 3, "both": lambda s, o: 1, "tied": lambda s, o: min(o, 2) // 2 + 1}
    made = rows(**more)
    third = [row | {"option": 2, "chosen": 0, "tied": 2} for row in made if row["option"] == 0]
    failing = [row | {"is_failing": row["option"]} for row in made]
    tables = {"training": csv_text(made + third), "failing": csv_text(failing), "test": csv_text(rows(2, **more))}
    path = write(tmp_path, study | changes, **tables)
    with pytest.raises(rh.InputError) as ran:
        rh.run(path)
    with pytest.raises(rh.InputError) as checked:
        check(path)
    assert ran.value.problems == checked.value.problems and any(wants in p for p in ran.value.problems)


def test_a_family_without_a_line_may_be_weighed_where_nothing_asks_for_one(tmp_path):
    study = small(
        **NO_TEST, hypotheses={"m": FAMILY, "a": "x"}, values={"weights": {"m": 0, "a": 1}, "source": SOURCE},
        catastrophe={"fail_utility": {"a": 0}}, feedback=[CHOICES],
    )  # fmt: skip
    assert rh.run(write(tmp_path, study, training=csv_text(rows())))["weights"] == {"m": 0.0, "a": 1.0}
