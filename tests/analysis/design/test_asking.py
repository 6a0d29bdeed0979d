"""Asking in turn, in play: every step is what `fit`, `catastrophe_risk` and `rank_queries` say of the answers so far."""

import math

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh
from reward_hypotheses.analysis.design.sequential_design_simulation import RULES

LINE, NOISE = 0.3, 0.1
HYPOTHESES = {f"h{k}": f"x{k}" for k in range(4)}
VALUES = rh.Elicited({"h0": 5, "h1": 2, "h2": 1, "h3": 1}, source="a test", strength=9)


def world(rng, scenes, options):
    return xr.Dataset({f"x{k}": (("scene", "option"), rng.normal(size=(scenes, options)).round(2)) for k in range(4)})


def trained(rng):
    train = world(rng, 3, 2)
    train["said"] = train["x0"] > LINE
    return train


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("abstain", [False, True])
def test_every_step_is_what_the_parts_say(rule, abstain):
    rng = np.random.default_rng([61, abstain])
    train, candidates, test = trained(rng), world(rng, 5, 2), world(rng, 6, 3)
    labels = rh.Labels(train, "said", noise=(1, 9))
    policy, agent = rh.Commit(abstain=abstain), rh.Uniform()
    tree = rh.fit(HYPOTHESES, VALUES, [labels], LINE, random_seed=1)
    played = rh.asked_in_turn(
        tree, candidates, test, policy, agent, rule=rule, noise=NOISE, questions=4, runs=6, random_seed=3
    )
    for run in range(2):
        one = played.isel(run=run)
        truth = str(one["truth"].values)
        places = [(int(one["scene"][q]), int(one["option"][q])) for q in range(4)]
        assert len(set(places)) == 4
        for q in range(5):
            rows = {f"x{k}": [candidates[f"x{k}"].values[p] for p in places[:q]] for k in range(4)}
            more = [rh.Labels(rows | {"said": one["answer"].values[:q]}, "said", noise=NOISE)] if q else []
            told = rh.fit(HYPOTHESES, VALUES, [labels, *more], LINE, random_seed=1)
            weight = float(told["evidence"]["weight"].sel(hypothesis=truth))
            assert float(one["weight"][q]) == pytest.approx(weight, abs=1e-12)
            risk = rh.catastrophe_risk(told, test, policy=policy, agent=agent)
            assert float(one["risk"][q]) == pytest.approx(float(risk["by_truth"].sel(hypothesis=truth)), abs=1e-12)
            if q == 4:
                break
            ranked = rh.rank_queries(told, candidates, test, policy, agent, noise=NOISE)
            ranked = ranked.isel(query=np.flatnonzero(ranked["kind"] == "label"))
            where = list(zip(ranked["scene"].values.astype(int), ranked["option"].values.astype(int), strict=True))
            left = [k for k, place in enumerate(where) if place not in places[:q]]
            fall, told_of = ranked["regret_fall"].values, ranked["information"].values
            assert bool(one["stalled"][q]) == (not fall[left].any())
            asked = where.index(places[q])
            if rule == "regret":
                assert fall[asked] == pytest.approx(fall[left[0]], abs=1e-9)
                assert told_of[asked] == pytest.approx(told_of[left[0]], abs=1e-9)
            if rule == "information":
                assert told_of[asked] == pytest.approx(told_of[left].max(), abs=1e-9)


def test_answers_are_wrong_as_often_as_is_said_and_truths_are_drawn_from_the_weights():
    rng = np.random.default_rng(62)
    train, candidates, test = trained(rng), world(rng, 6, 2), world(rng, 4, 3)
    tree = rh.fit(HYPOTHESES, VALUES, [rh.Labels(train, "said", noise=0.3)], LINE)
    runs = 4000
    played = rh.asked_in_turn(tree, candidates, test, rule="random", noise=0.2, questions=3, runs=runs)
    places = played["scene"].values.astype(int), played["option"].values.astype(int)
    values = np.array([candidates[f"x{k}"].values[places] for k in range(4)])
    true = np.array([int(name[1:]) for name in played["truth"].values])
    good = np.take_along_axis(values, true[None, :, None], axis=0)[0] > LINE
    wrong = (good != played["answer"].values).mean()
    assert abs(wrong - 0.2) < 5 * math.sqrt(0.2 * 0.8 / (3 * runs))
    weights = tree["evidence"]["weight"].values
    for k in range(4):
        assert abs((true == k).mean() - weights[k]) < 5 * math.sqrt(weights[k] * (1 - weights[k]) / runs)
    # what the judge believes of the truth is right on average: E[w_truth] = sum_h E[w_h^2] grows with every answer
    mean = played["weight"].mean("run").values
    assert (np.diff(mean) > -0.01).all() and mean[0] == pytest.approx(weights @ weights, abs=0.02)


def test_one_answer_of_much_noise_stalls_and_the_rule_goes_by_information():
    """8 to 1, and answers worth 7 to 3: no single one turns the judge, so none lowers the regret, and then some do."""
    train = xr.Dataset({"a": ("scene", [1.0, -1.0]), "b": ("scene", [1.0, -1.0]), "said": ("scene", [True, False])})
    values = rh.Elicited({"a": 8, "b": 1}, source="a test")
    tree = rh.fit({"a": "a", "b": "b"}, values, [rh.Labels(train, "said", noise=0.1)], 0)
    asked = xr.Dataset({"a": ("scene", [1.0] + [-1.0] * 12), "b": ("scene", [1.0] * 13)})
    test = xr.Dataset({"a": (("scene", "option"), [[1.0, -1.0]]), "b": (("scene", "option"), [[-1.0, 1.0]])})
    played = rh.asked_in_turn(tree, asked, test, agent=rh.Uniform(), noise=0.3, questions=12, runs=200)
    assert played["stalled"][:, :2].all() and not (played["scene"] == "0").any()
    for run in range(200):
        for q in range(12):
            yes = int(played["answer"].values[run, :q].sum())
            odds = 8 * (3 / 7) ** yes * (7 / 3) ** (q - yes)  # of a over b
            assert bool(played["stalled"][run, q]) == (not 3 / 7 < odds < 7 / 3), (odds, run, q)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "regrets"}, "rule: 'regrets'"),
        ({"noise": 0.5}, r"noise: 0.5; give a number in \[0, 0.5\)"),
        ({"questions": 11}, "questions: 11; there are 10 items"),
        ({"runs": 0}, "runs: 0"),
        ({"candidates": {"x0": np.zeros((2, 2))}}, "no column 'x1'"),
    ],
)
def test_refuses(change, message):
    rng = np.random.default_rng(63)
    tree = rh.fit(HYPOTHESES, VALUES, [rh.Labels(trained(rng), "said", noise=0.1)], LINE)
    given = {"candidates": world(rng, 5, 2), "test": world(rng, 3, 2), "noise": 0.1, "questions": 4} | change
    with pytest.raises(rh.InputError, match=message):
        rh.asked_in_turn(tree, given.pop("candidates"), given.pop("test"), **given)


def test_refuses_continuous_weights():
    rng = np.random.default_rng(64)
    train = world(rng, 10, 2)
    train["chosen"] = train["x0"] == train["x0"].max("option")
    made = [rh.Choices(train, "chosen")]
    tree = rh.fit({"mix": rh.Linear(["x0", "x1"], source="a test")}, rh.Uniform("a test"), made, 0)
    with pytest.raises(rh.InputError, match="continuous weights"):
        rh.asked_in_turn(tree, world(rng, 2, 2), world(rng, 2, 2), noise=0.1, questions=1)
