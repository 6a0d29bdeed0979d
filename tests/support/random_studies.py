"""Random small studies, for checks that hold of every study."""

from unittest import mock

import numpy as np
from studies import csv_text, write

import reward_hypotheses as rh
from reward_hypotheses.analysis import monte_carlo_error
from reward_hypotheses.analysis.evidence import sample_size
from reward_hypotheses.models.feedback.boltzmann import score_tests

FEATURES = ("red", "flags", "level")
POLICIES = ("commit", "most_probable", "expected", "maximin")
WORDS = ("red paint", "flags", "level ground", "either", "far away", "a 3rd rule")


def reward(rng):
    """Draw a reward expression."""
    feature, other = rng.choice(FEATURES, 2, replace=False)
    good, bad = int(rng.choice([1, 10, 100])), -int(rng.choice([1, 10, 100]))
    return str(
        rng.choice(
            [
                f"where({feature}, {good}, {bad})",
                f"where({feature}, {good}, {bad})",
                f"where({feature} & {other}, {good}, {bad})",
                f"where({feature} | {other}, {good}, {bad})",
                f"{good} * {feature} - x",
                f"x - {rng.integers(0, 3)}",
            ]
        )
    )


def items(rng, n, silent):
    """Draw the features of items; red and flags coincide where training is to be silent."""
    red = rng.random(n) < 0.5
    flags = red if silent else rng.random(n) < 0.5
    return {
        "red": red,
        "flags": flags,
        "level": rng.random(n) < 0.5,
        "x": rng.normal(1, 1, n).round(int(rng.integers(0, 3))),
    }


def table(columns):
    """Return columns as CSV."""
    rows = zip(*columns.values(), strict=True)
    return csv_text(
        [{k: v.item() if hasattr(v, "item") else v for k, v in zip(columns, row, strict=True)} for row in rows]
    )


def scenes(rng, silent=False):
    """Draw scenes of options."""
    n, options = int(rng.choice([1, 2, 5, 12])), int(rng.integers(1, 5))
    columns = {"scene": np.repeat(np.arange(n), options), "option": np.tile(np.arange(options), n)}
    columns |= items(rng, n * options, silent)
    if rng.random() < 0.2:
        columns["scene_weight"] = np.repeat(rng.integers(1, 5, n), options)
    return columns


def values_of(rng, names):
    """Draw a section of values."""
    weights = {name: int(rng.choice([1, 1, 2, 8])) for name in names}
    kind = rng.random()
    if kind < 0.1:
        return {"prior": "uniform", "source": "a test"}
    if kind < 0.2:
        judges = [
            {
                "name": f"judge {k}",
                "weights": {n: int(rng.integers(1, 9)) for n in names},
                "source": "a test",
                "strength": 5,
            }
            for k in range(2)
        ]
        return {"judges": judges, "pool": str(rng.choice(["linear", "log"]))}
    stated = {"strength": int(rng.choice([1, 3, 20, 200]))} if rng.random() < 0.6 else {}
    return {"weights": weights, "source": "a test"} | stated


def policy_of(rng):
    """Draw a policy with its settings."""
    name = str(rng.choice([*POLICIES, "commit", "commit", "boltzmann", "cvar", "quantilize"]))
    settings = {
        "boltzmann": {"beta": float(rng.choice([0, 0.5, 5]))},
        "cvar": {"tail": float(rng.choice([0.05, 0.5, 1]))},
        "quantilize": {"q": float(rng.choice([0.1, 0.5, 1]))},
    }.get(name, {})
    abstain = {"abstain": True} if rng.random() < 0.3 else {}
    return {"name": name} | settings | abstain


def feedback_of(rng, training, names):
    """Draw a feedback, and write its answers into the columns of its table."""
    n = len(training["red"])
    by = training[str(rng.choice(FEATURES))]
    noisy = np.where(rng.random(n) < rng.choice([0, 0.1]), ~by, by)
    kind = str(rng.choice(["labels", "choices", "rewards", "ratings", "stops"], p=[0.65, 0.18, 0.1, 0.01, 0.06]))
    entry = {"kind": kind, "table": "training", "column": f"{kind}_said"}
    if kind == "labels":
        entry["noise"] = [[1, 19], 0.1, [2, 2]][int(rng.integers(3))]
        training[entry["column"]] = noisy
    elif kind == "choices":
        if "scene" not in training:
            return None
        score = rng.gumbel(size=n) + 2 * by
        best = {m: score[training["scene"] == m].max() for m in np.unique(training["scene"])}
        training[entry["column"]] = np.array([s == best[m] for s, m in zip(score, training["scene"], strict=True)])
    elif kind == "rewards":
        entry["sigma2"] = [3, 1]
        training[entry["column"]] = np.round(np.where(by, 1.0, -1.0) + rng.normal(0, 0.3, n), 2)
    elif kind == "ratings":
        entry["grades"] = [1, 2, 3]
        training[entry["column"]] = 1 + noisy.astype(int) + (rng.random(n) < 0.3)
    else:
        training[entry["column"]] = ~noisy
    return entry


def study(rng):
    """Draw a study and its tables."""
    silent, n = rng.random() < 0.6, int(rng.choice([1, 2, 3, 3, 4, 6]))
    names = [str(name) for name in rng.permutation(WORDS)[:n]]
    if rng.random() < 0.5:
        training = items(rng, int(rng.choice([2, 10, 30])), silent)
    else:
        training = scenes(rng, silent)
        training.pop("scene_weight", None)
    kinds, feedback = set(), []
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        entry = feedback_of(rng, training, names)
        if entry is not None and entry["kind"] not in kinds:
            kinds.add(entry["kind"])
            feedback.append(entry)
    tables, files = {"training": "training.csv"}, {}
    for name in ("test", "other")[: int(rng.choice([0, 1, 1, 1, 1, 1, 2]))]:
        tables[name], files[name] = f"{name}.csv", table(scenes(rng))
    document = {
        "title": "A random study",
        "seed": int(rng.integers(1000)),
        "tables": tables,
        "hypotheses": {name: reward(rng) for name in names},
        "values": values_of(rng, names),
        "agent": {"policy": policy_of(rng), "prior": str(rng.choice(["uniform", "values", "simplicity"]))},
        "catastrophe": {"fail_utility": int(rng.choice([0, 0, 0, 1, -5]))},
    }
    if "test" in files:
        named = [name for name in tables if name != "training"]
        document["analysis"] = {"test": named[0]} | ({"also": named[1:]} if named[1:] else {})
    if rng.random() < 0.1:
        document["hypotheses"]["none of these"] = {"unmodelled": 1, "source": "a test"}
        document["values"] = {"weights": dict.fromkeys(document["hypotheses"], 1), "source": "a test"}
    modelled = "none of these" not in document["hypotheses"]
    if modelled and rng.random() < 0.1:
        document["agent"]["hypotheses"] = {"its own": reward(rng)}
        document["agent"]["prior"] = "uniform"
    if modelled and rng.random() < 0.12 and n > 1:
        probes = scenes(rng)
        score = rng.gumbel(size=len(probes["red"])) + 3 * probes["red"]
        best = {m: score[probes["scene"] == m].max() for m in np.unique(probes["scene"])}
        probes["taken"] = np.array([s == best[m] for s, m in zip(score, probes["scene"], strict=True)])
        probes.pop("scene_weight", None)
        tables["probes"], files["probes"] = "probes.csv", table(probes)
        document["agent"]["feedback"] = [{"kind": "choices", "table": "probes", "column": "taken"}]
    if not feedback:
        training["labels_said"] = training["red"]
        feedback = [{"kind": "labels", "table": "training", "column": "labels_said", "noise": 0.1}]
    return document | {"feedback": feedback}, {"training": table(training)} | files


def documents(folder, seed, n):
    """Yield the results of n random studies; those that a run refuses are drawn again.

    Choices are checked by 100 replications instead of 400, which leaves p < 0.01 possible. Sample sizes are simulated with a
    quarter of the replications, and Monte Carlo errors estimated from the least number of perturbations.
    The test of every eighth is one that a ledger says was used to choose an agent, and so are its other tests.
    """
    rng, made, refused = np.random.default_rng(seed), 0, []
    fewer = {name: getattr(sample_size, name) // 4 for name in ("ROWS", "REPLICATIONS", "WORK")}
    while made < n:
        document, files = study(rng)
        try:
            with (
                mock.patch.object(score_tests, "CHECKED", 100),
                mock.patch.multiple(sample_size, **fewer),
                mock.patch.object(monte_carlo_error, "MOST", monte_carlo_error.LEAST),
            ):
                results = rh.run(write(folder, document, **files))
        except (rh.InputError, rh.NotTrustedError) as error:
            refused.append(str(error))
            assert len(refused) <= 20 + made, refused[-5:]
            continue
        made += 1
        if made % 8 == 0 and results["risk"] is not None:
            chosen = {"times": 1 + made // 8 % 2, "last": "2026-01-02T03:04:05", "decided": "a policy"}
            results["spent"] = dict.fromkeys([results["test_table"], *results["also"]], chosen)
        yield results
