"""Random small studies, from the file to the results, against enumeration in rational arithmetic."""

import math
import random
from fractions import Fraction

import oracles
import pytest
from studies import csv_text, write

import reward_hypotheses as rh


def as_files(folder, study):
    names = study["names"]
    training = [{**row, study["label_column"]: y} for row, y in zip(study["training"], study["labels"], strict=True)]
    test = [
        {"scene": m, "option": o, **option} for m, scene in enumerate(study["test"]) for o, option in enumerate(scene)
    ]
    line = study["fail_utility"]
    document = {
        "seed": 0,
        "tables": {"training": "training.csv", "test": "test.csv"},
        "hypotheses": {n: text for n, (text, _) in zip(names, study["hypotheses"], strict=True)},
        "values": {"weights": dict(zip(names, study["prior_weights"], strict=True)), "source": "a test"},
        "agent": {
            "policy": {"name": study["policy"], "abstain": study["abstain"]},
            "prior": study["agent_prior"],
        },
        "catastrophe": {"fail_utility": dict(zip(names, line, strict=True)) if isinstance(line, list) else line},
        "feedback": [
            {"kind": "labels", "table": "training", "column": study["label_column"], "noise": list(study["noise"])}
        ],
    }
    return write(folder, document, training=csv_text(training), test=csv_text(test))


def close(got, want, scale=1.0):
    assert got is not None
    assert abs(got - float(want)) <= 1e-12 * max(1.0, scale, abs(float(want))), (got, float(want))


@pytest.mark.parametrize("seed", range(120))
def test_random_study(seed, tmp_path):
    study = oracles.random_study(random.Random(seed))
    want = oracles.solve_random_study(study)
    got = rh.run(as_files(tmp_path, study))
    names = study["names"]
    for h, name in enumerate(names):
        close(got["prior"][name], want["prior"][h])
        close(got["log_evidence"][name], math.log(want["evidence"][h]))
        close(got["weights"][name], want["weights"][h])
        close(got["agent_weights"][name], want["agent_weights"][h])
    assert [[names.index(a), names.index(b)] for a, b in got["silent_pairs"]] == [list(p) for p in want["silent_pairs"]]
    risk = want["risk"]
    for key in ("mean", "floor", "abstained"):
        close(got["risk"][key], risk[key])
    close(got["risk"]["regret"], risk["regret"], scale=100.0)
    if risk["limit"] is not None:
        close(got["risk"]["limit"], risk["limit"])
    for d, chance in risk["at_least_one"].items():
        close(got["risk"]["at_least_one"][str(d)], chance)
    if len(study["test"]) > 1:
        assert got["risk"]["se_scenes"] == pytest.approx(risk["se_scenes"], abs=1e-12)
    else:
        assert got["risk"]["se_scenes"] is None
    for i, a in enumerate(names):
        close(got["risk_by_truth"][a], risk["by_truth"][i])
        close(got["risk_by_agent_hypothesis"][a], risk["by_agent"][i])
        for j, b in enumerate(names):
            close(got["matrix"][a][b], risk["matrix"][i][j])
    for e in (0.01, 0.05, 0.1):
        exact = Fraction(repr(e))
        lower, upper = oracles.risk_bounds_exact(want["prior"], want["evidence"], risk["by_truth"], exact)
        close(got["risk_bounds"][repr(e)][0], lower)
        close(got["risk_bounds"][repr(e)][1], upper)
        unlisted = oracles.risk_bound_unlisted(want["prior"], want["evidence"], risk["by_truth"], exact)
        close(got["risk_bounds_unlisted"][repr(e)], unlisted)
