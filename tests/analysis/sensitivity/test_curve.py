"""Bits of human values by size of the data, against enumeration."""

import itertools
import json
import math

import numpy as np
import oracles
import pytest
from studies import small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.sensitivity import value_bits_by_sample_size as curve
from reward_hypotheses.analysis.sensitivity.value_bits import bits_needed, value_bits_of_many

EPS = 0.1
PRIOR = {"red": 3.0, "flags": 1.0}
TRAINING = [(1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 0, 0), (0, 0, 1), (0, 1, 1)]
TEST = [(0, [(1, 0), (0, 1)]), (1, [(1, 0), (0, 1), (0, 0)]), (2, [(1, 1), (0, 0)])]


@pytest.fixture
def document(tmp_path, monkeypatch):
    monkeypatch.setattr(curve, "MOST_REPLICATIONS", 4000)
    monkeypatch.setattr(curve, "WORK", 10**9)
    training = "red,flags,good\n" + "".join(f"{a},{b},{c}\n" for a, b, c in TRAINING)
    rows = [(m, o, a, b) for m, options in TEST for o, (a, b) in enumerate(options)]
    test = "scene,option,red,flags\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    study = small(hypotheses={name: f"where({name}, 1, -1)" for name in PRIOR}, analysis={"targets": [0.2]})
    study["values"] = {"weights": PRIOR, "source": "a test"}
    study["feedback"] = [{"kind": "labels", "table": "training", "column": "good", "noise": EPS}]
    return rh.run(write(tmp_path, study, training=training, test=test))


def bits(document, likelihood):
    """Bits of an agent of uniform prior after data of these likelihoods, by the oracle's own iteration."""
    names = list(PRIOR)
    matrix = [[document["matrix"][a][b] for b in names] for a in names]
    prior = [PRIOR[n] * lik for n, lik in zip(names, likelihood, strict=True)]
    v, w = ([x / sum(some) for x in some] for some in (prior, likelihood))
    return float(oracles.value_bits_blahut(matrix, v, w, 0.2))


def likelihood(items):
    """(red's, flags') probability of what was said of some items, (red, flags, said) each."""
    return [math.prod(1 - EPS if item[h] == item[2] else EPS for item in items) for h in (0, 1)]


def test_training_items_without_replacement(document):
    found = document["bits_by_size"]
    assert found["sizes"] == [0, 1, 2, 5, 6] and found["replications"] == 4000
    for i, n in enumerate(found["sizes"]):
        every = [bits(document, likelihood(some)) for some in itertools.combinations(TRAINING, n)]
        want, error = sum(every) / len(every), max(found["training"]["mcse"][i], 1e-12)
        assert abs(found["training"]["mean"][i] - want) < 4.5 * error + 1e-9
        assert min(every) - 1e-9 <= found["training"]["lower"][i] <= found["training"]["upper"][i] <= max(every) + 1e-9
    assert found["training"]["mean"][-1] == pytest.approx(document["value_bits"]["0.2"], abs=1e-9)


def test_telling_items_of_the_test(document):
    found = document["bits_by_size"]
    share = {name: weight / sum(PRIOR.values()) for name, weight in PRIOR.items()}
    items = [(1 / len(TEST) / len(options), item) for _, options in TEST for item in options]
    for i, n in ((0, 0), (1, 1), (2, 2)):
        want = 0.0
        for truth, name in enumerate(PRIOR):
            for picked in itertools.product(items, repeat=n):
                for flips in itertools.product((0, 1), repeat=n):
                    chance = share[name] * math.prod(p for p, _ in picked)
                    chance *= math.prod(EPS if flip else 1 - EPS for flip in flips)
                    said = [(*item, item[truth] ^ flip) for (_, item), flip in zip(picked, flips, strict=True)]
                    want += chance * bits(document, likelihood(said))
        assert abs(found["telling"]["mean"][i] - want) < 4.5 * max(found["telling"]["mcse"][i], 1e-12) + 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_many_problems_at_once_are_each_alone(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 5))
    matrix = rng.choice([0, 0.25, 0.5, 1], (n, n))
    judges = rng.dirichlet(np.ones(n), 8)
    with np.errstate(divide="ignore"):
        agents = np.log(rng.dirichlet(np.ones(n), 8) * (rng.random((8, n)) < 0.9))
    agents[np.isneginf(agents).all(axis=1)] = 0
    agents -= np.log(np.exp(agents).sum(axis=1, keepdims=True))
    target = float(rng.choice([0.05, 0.3]))
    got = value_bits_of_many(matrix, judges, agents, target)
    for one, judge, agent in zip(got, judges, agents, strict=True):
        want = bits_needed(matrix, judge, agent, target).bits
        assert one == want or one == pytest.approx(want, abs=1e-7)


def test_rewards_and_several_feedbacks(tmp_path):
    rows = "".join(f"{i % 2},{i % 3 == 0:d},{i % 2},{i % 2 * 2 - 1 + 0.1 * (i % 5):.1f}\n" for i in range(40))
    training = "red,flags,good,score\n" + rows
    test = "scene,option,red,flags\n" + "".join(f"{m},{o},{o},{1 - o}\n" for m in range(5) for o in (0, 1))
    study = small(hypotheses={name: f"where({name}, 1, -1)" for name in PRIOR})
    study["values"] = {"weights": PRIOR, "source": "a test"}
    study["feedback"] = [
        {"kind": "labels", "table": "training", "column": "good", "noise": [1, 9]},
        {"kind": "rewards", "table": "training", "column": "score", "sigma2": [2, 1]},
    ]
    path = write(tmp_path, study, training=training, test=test)
    document = rh.run(path)
    found = document["bits_by_size"]
    assert found["sizes"][-1] == 80
    assert found["training"]["mean"][-1] == pytest.approx(document["value_bits"]["0.01"], abs=1e-9)
    assert found["telling"]["mean"][0] == found["training"]["mean"][0] > found["telling"]["mean"][-1]
    assert json.dumps(rh.run(path)) == json.dumps(document)


def test_no_curve_where_it_is_not_defined(tmp_path):
    training = "red,flags,good\n1,1,1\n0,0,0\n"
    test = "scene,option,red,flags\n0,0,1,0\n0,1,0,1\n"
    study = small(hypotheses={name: f"where({name}, 1, -1)" for name in PRIOR})
    study["values"] = {"weights": PRIOR, "source": "a test"}
    study["feedback"] = [{"kind": "labels", "table": "training", "column": "good", "noise": [1, 9]}]
    for agent in ({"policy": "expected"}, {"policy": "most_probable"}):
        document = rh.run(write(tmp_path, study | {"agent": agent}, training=training, test=test))
        assert document["bits_by_size"] is None
    assert rh.run(write(tmp_path, study, training=training, test=test))["bits_by_size"]["sizes"] == [0, 1, 2]
    del study["tables"]["test"]
    assert rh.run(write(tmp_path, study, training=training))["bits_by_size"] is None
