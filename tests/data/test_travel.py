"""The shipped study of real choices: made by its script, parting where it says, and read as an independent sum reads it."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.risk.answer import facts
from reward_hypotheses.analysis.report.sections.risk.drivers import jump
from reward_hypotheses.data.examples import make_travel

DATA = Path(make_travel.__file__).resolve().parent / "travel"
A_HEAD, PARTY, TIME = "cost a head", "cost of the party", "time"


def column(table, name):
    """A column of a table by traveller and mode, (scene, mode)."""
    with (DATA / f"{table}.csv").open(newline="") as stream:
        return np.array([float(row[name]) for row in csv.DictReader(stream)]).reshape(-1, 4)


def rewards(table):
    wait, ride, fare, reckoned, party = (column(table, name) for name in ("wait", "ride", "fare", "reckoned", "party"))
    return {A_HEAD: -reckoned, PARTY: -(reckoned + (party - 1) * fare), TIME: -(wait + ride)}


def by_hand(reward, chosen):
    """Log evidence of choices under a reward, and the mean rationality: sums over beta ~ LogNormal(0, 1) by quad."""
    within = reward - reward.mean(axis=1, keepdims=True)
    z = within / math.sqrt((within**2).mean(axis=1).mean())

    def log_likelihood(beta):
        v = beta * z
        top = v.max(axis=1)
        return float((v[chosen] - top - np.log(np.exp(v - top[:, None]).sum(axis=1))).sum())

    best = max(log_likelihood(math.exp(t)) for t in np.linspace(-6, 3, 200))

    def density(t):
        return math.exp(log_likelihood(math.exp(t)) - best - t * t / 2) / math.sqrt(2 * math.pi)

    options = {"epsabs": 0, "epsrel": 1e-11, "limit": 400, "points": [-3, -2, -1, 0, 1]}
    area = quad(density, -12, 6, **options)[0]
    return best + math.log(area), quad(lambda t: math.exp(t) * density(t), -12, 6, **options)[0] / area


@pytest.fixture(scope="module")
def results():
    return rh.run(DATA / "study.toml")


def test_tables_are_what_the_script_makes(tmp_path):
    make_travel.main(tmp_path)
    for name in ("training.csv", "test.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_nobody_is_left_out_and_each_chose_once():
    with (DATA / "travel.csv").open(newline="") as stream:
        given = list(csv.DictReader(stream, delimiter=";"))
    assert len(given) == 840 and [row["mode"] for row in given] == ["1", "2", "3", "4"] * 210
    scenes = {name: column(name, "scene") for name in ("training", "test")}
    assert {name: len(scene) for name, scene in scenes.items()} == {"training": 114, "test": 96}
    everybody = np.concatenate([scene[:, 0] for scene in scenes.values()])
    assert sorted(everybody) == list(range(1, 211))
    for name in scenes:
        assert (column(name, "chosen").sum(axis=1) == 1).all()
        for car, of_all in (("drive_ride", "ride"), ("drive_fare", "fare"), ("drive_reckoned", "reckoned")):
            assert (column(name, car) == column(name, of_all)[:, [3]]).all()
        assert (column(name, "wait")[:, 3] == 0).all()


def test_the_costs_coincide_for_one_and_part_for_a_party():
    assert (column("training", "party") == 1).all()
    training, test = rewards("training"), rewards("test")
    assert (training[A_HEAD] == training[PARTY]).all()
    party = column("test", "party")
    assert set(party[:, 0]) == {2, 3, 4, 5, 6} and (party == party[:, :1]).all()
    parted = test[A_HEAD].argmax(axis=1) != test[PARTY].argmax(axis=1)
    assert parted.sum() == 40


def test_the_cars_fare_is_a_heads():
    """It is why the bill of a party is every head's fare, the car's too: it falls as the party grows, and no other does."""
    fare, ride, party = (
        np.concatenate([column(t, name) for t in ("training", "test")]) for name in ("fare", "ride", "party")
    )
    a_minute = {n: np.median((fare / ride)[party[:, 0] == n], axis=0) for n in (1, 2, 4)}
    assert a_minute[1][3] == pytest.approx(0.045, abs=5e-4) and a_minute[2][3] == pytest.approx(0.023, abs=5e-4)
    assert a_minute[4][3] < a_minute[1][3] / 3
    assert all((a_minute[4] > 0.7 * a_minute[1])[:3])


@pytest.mark.parametrize("name", [A_HEAD, PARTY, TIME])
def test_evidence_and_rationality(results, name):
    chosen = column("training", "chosen") == 1
    log_evidence, beta = by_hand(rewards("training")[name], chosen)
    assert results["log_evidence"][name] == pytest.approx(log_evidence, abs=1e-6)
    table = rh.read_table(DATA / "training.csv")
    tree = rh.fit(
        results["rewards"],
        rh.Uniform("a test"),
        [rh.Choices(table, "chosen")],
        fail_utility=results["fail_utility"],
        random_seed=1,
    )
    found = tree["posterior"]["choices_rationality"].sel(hypothesis=name)
    assert float(found.mean()) == pytest.approx(beta, abs=5 * float(found.std()) / math.sqrt(found.size))


def test_the_risk_is_the_sum_it_should_be(results):
    """By hand: who books what under one reward, and is worse off than by car under another."""
    test = rewards("test")
    evidence = {name: by_hand(r, column("training", "chosen") == 1)[0] for name, r in rewards("training").items()}

    def weights(prior):
        raw = {name: p * math.exp(evidence[name] - evidence[A_HEAD]) for name, p in prior.items()}
        return {name: w / sum(raw.values()) for name, w in raw.items()}

    judge, agent = weights({A_HEAD: 0.3, PARTY: 0.6, TIME: 0.1}), weights(dict.fromkeys(test, 1 / 3))
    risk = 0.0
    for taken, mine in test.items():
        best = mine == mine.max(axis=1, keepdims=True)
        share = best / best.sum(axis=1, keepdims=True)
        for true, theirs in test.items():
            matrix = float((share * (theirs < theirs[:, [3]])).sum(axis=1).mean())
            assert results["matrix"][taken][true] == pytest.approx(matrix, abs=1e-9)
            risk += agent[taken] * judge[true] * matrix
    assert results["weights"] == pytest.approx(judge, abs=1e-6)
    assert results["risk"]["mean"] == pytest.approx(risk, abs=1e-6)


def test_reading(results):
    assert results["silent_pairs"] == [[A_HEAD, PARTY]]
    assert results["log_evidence"][A_HEAD] - results["log_evidence"][TIME] == pytest.approx(1.897, abs=1e-3)
    assert results["weights"][PARTY] == pytest.approx(2 * results["weights"][A_HEAD])
    assert results["matrix"][A_HEAD][PARTY] == pytest.approx(38 / 96)  # plane, where they would rather have driven
    assert results["matrix"][PARTY][A_HEAD] == 0.0  # mostly the car, which is no worse than the car
    assert results["risk"]["mean"] == pytest.approx(0.179, abs=1e-3)
    assert results["risk"]["limit"] == pytest.approx((1 - results["weights"][TIME]) * 2 / 3 * 0.5 * 38 / 96)
    assert results["risk"]["floor"] == 0 and results["shifted"] and results["warnings"] == []
    assert 0.01 < results["predictive_check"]["choices"]["p"] < 0.1


def test_the_first_page_says_that_data_tell_less_than_expected(results):
    needed = next(pair for pair in results["telling"]["choices"]["pairs"] if pair["truth"] == PARTY)["items"]["20.0"]
    factor = next(p["log_bayes_factor"] for p in results["pairs"] if set(p["pair"]) == {PARTY, TIME})
    assert results["n_items"]["choices"] > needed and abs(factor) < math.log(20)
    assert any("separates the hypotheses less than expected" in fact for fact in facts(results))
    assert jump(results).endswith("Any higher failure line makes these options catastrophes.")
