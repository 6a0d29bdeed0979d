"""Studies whose failure line is inferred from judgements, for tests."""

import math

import numpy as np
from scipy import special
from studies import csv_text, small, write

import reward_hypotheses as rh


def problem(seed):
    """Items, answers, and a prior of the line, drawn by the model."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 25))
    rewards = rng.choice([0.3, 5.0, 200.0]) * rng.normal(size=n)
    scale = rewards.std()
    centre, spread = float(rewards.mean() + 0.5 * scale * rng.normal()), float(scale * rng.choice([0.3, 1.0, 3.0]))
    u, beta = rng.normal(centre, spread), math.exp(rng.normal())
    said = rng.random(n) < special.expit(beta * (u - rewards) / scale)
    return rewards, said, centre, spread


def judgements(rewards, said, centre, spread, **more):
    table = {"r": rewards, "nothing": said}
    return rh.FailureJudgements(table, "nothing", centre=centre, spread=spread, source="a test", **more)


HYPOTHESES = {"x": "x", "y": "y"}
VALUES = rh.Elicited({"x": 2, "y": 1}, "a test", 10)


def asked_for(**changes):
    """The key of a study, changed; None leaves a part out."""
    given = {"table": "shown", "column": "rather_nothing", "centre": 0, "spread": 50, "source": "a test"} | changes
    return {"fail_utility": 0, "judgements": {key: value for key, value in given.items() if value is not None}}


def paints(**changes):
    """The essay's study, asked where failing lies."""
    given = {
        "tables": {"training": "training.csv", "test": "test.csv", "shown": "shown.csv"},
        "catastrophe": asked_for(),
    }
    return small(**given | changes)


def texts(seed, labels):
    """Tables as CSV files hold them: training, test, and items that were shown; and the same as arrays."""
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.normal(size=(2, 45)), 3)
    scene, option = np.arange(45) // 3, np.arange(45) % 3
    columns = {"scene": scene, "option": option}
    meant = x + 0.8 * y + 1.5 * rng.normal(size=45)  # noisy, so that neither hypothesis is ruled out
    train = columns | {"x": x, "y": y, "chosen": meant == np.repeat(meant.reshape(15, 3).max(axis=1), 3)}
    if labels:
        train = {"x": x, "y": y, "good": meant > -0.3}
    x, y = np.round(rng.normal(size=(2, 45)), 3)
    test = columns | {"x": x, "y": y}
    x, y = np.round(rng.normal(size=(2, 14)), 3)
    shown = {"x": x, "y": y, "nothing": x < rng.normal(-0.4, 0.6, 14)}
    return {"training": train, "test": test, "shown": shown}


def as_csv(columns):
    return csv_text(
        [dict(zip(columns, row, strict=True)) for row in zip(*(v.tolist() for v in columns.values()), strict=True)]
    )


LABELLED = {"kind": "labels", "table": "training", "column": "good", "noise": [1, 9]}
CHOSEN = {"kind": "choices", "table": "training", "column": "chosen"}
RATED = {"kind": "ratings", "table": "training", "column": "grade", "grades": ["bad", "fair", "good"], "human": "Ann"}
STOPPED = {"kind": "stops", "table": "training", "column": "stopped", "human": "Ann"}
LINE = -0.2


def study(seed, *feedback, **changes):
    document = {
        "seed": seed,
        "tables": {"training": "training.csv", "test": "test.csv", "shown": "shown.csv"},
        "hypotheses": dict(HYPOTHESES),
        "values": {"weights": {"x": 2, "y": 1}, "source": "a test", "strength": 10},
        "agent": {"prior": "uniform"},
        "catastrophe": {
            "fail_utility": LINE,
            "judgements": {"table": "shown", "column": "nothing", "centre": -0.1, "spread": 0.8, "source": "a test"},
        },
        "feedback": list(feedback),
    }
    return document | changes


def results_of(folder, document, tables):
    return rh.run(write(folder, document, **{name: as_csv(columns) for name, columns in tables.items()}))


def of_python(tables):
    """The same judgements as an object."""
    return rh.FailureJudgements(tables["shown"], "nothing", centre=-0.1, spread=0.8, source="a test")
