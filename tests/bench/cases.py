"""The cases of the bench, each run in a process of its own; prints seconds and peak memory as JSON.

A case is a name in one table, and imports what it times inside.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402
from analysis_cases import argument, policies, queries, worst  # noqa: E402
from case_tables import rules, table, timed  # noqa: E402


def write_study(folder: Path) -> None:
    """200 labels, 50 test scenes of 3 options, 2 hypotheses, no strength."""
    rng = np.random.default_rng(0)
    red = rng.random(200) < 0.5
    labels = red ^ (rng.random(200) < 0.05)
    rows = [f"{int(r)},{int(r)},{int(y)}" for r, y in zip(red, labels, strict=True)]
    (folder / "training.csv").write_text("\n".join(["red_paint,flags,is_pad", *rows]) + "\n")
    rows = [f"{m},{o},{int(o == 0)},{int(o == 1)}" for m in range(50) for o in range(3)]
    (folder / "test.csv").write_text("\n".join(["scene,option,red_paint,flags", *rows]) + "\n")
    (folder / "study.toml").write_text(
        """seed = 1
[tables]
training = "training.csv"
test = "test.csv"
[hypotheses]
"red paint" = "where(red_paint, 100, -100)"
"flags" = "where(flags, 100, -100)"
[values]
weights = { "flags" = 8, "red paint" = 1 }
source = "a bench"
[agent]
prior = "uniform"
[catastrophe]
fail_utility = 0
[[feedback]]
kind = "labels"
table = "training"
column = "is_pad"
noise = [1, 19]
"""
    )


def weights(n: int, count: int, repeat: int) -> float:
    """Posterior weights from expressions and labels: rewards, counts, evidence, normalisation."""
    from reward_hypotheses.models.feedback.kinds.labels import Labels
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.weights.weigh import weigh

    hypotheses = hypotheses_of(rules(count))
    feedback = Labels(table(n, 1), "y", noise=(1.0, 19.0))
    line = stated_line(0.0, hypotheses.names)
    return timed(lambda: weigh(hypotheses, Uniform("a bench"), [feedback], line), repeat)


def weights_of_predictions(n: int, count: int, repeat: int) -> float:
    """The same once the rewards are there: counts of agreement, evidence, normalisation."""
    from reward_hypotheses.models.feedback.kinds.labels import Labels
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.weights.weigh import weigh

    hypotheses = hypotheses_of(rules(count))
    feedback = Labels(table(n, 1), "y", noise=(1.0, 19.0))
    line = stated_line(0.0, hypotheses.names)
    valuation = Valuation(hypotheses, feedback.items, line, for_labels=True)
    return timed(lambda: weigh(hypotheses, Uniform("a bench"), [feedback], line, [valuation]), repeat)


def risk(n: int, count: int, full: bool) -> float:
    """Scalar risk of the uniform agent, or risk with the matrix and all that hangs on it."""
    from reward_hypotheses.analysis.risk.catastrophe import compute_risk, scalar_risk
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.valuation import Valuation
    from reward_hypotheses.models.policies.commit import Commit

    hypotheses = hypotheses_of(rules(count))
    scenes = table(n, 3)
    line = stated_line(0.0, hypotheses.names)
    w = np.full(count, 1 / count)

    def work() -> object:
        valuation = Valuation(hypotheses, scenes, line)
        return compute_risk(valuation, Commit(), w, w) if full else scalar_risk(valuation, Commit(), w, w)

    return timed(work, 1)


def listed(n: int, count: int) -> tuple[float, float]:
    """Whole fits of many rules, and what a script of numpy and scipy takes for their weights alone, without draws."""
    import xarray
    from scipy import special

    import reward_hypotheses as rh

    _ = xarray.DataTree
    texts, data = rules(count), {name: column.values for name, column in table(n, 1).columns.items()}
    names = data | {"where": np.where}

    def ours() -> np.ndarray:
        tree = rh.fit(texts, rh.Uniform("a bench"), [rh.Labels(data, "y", noise=(1.0, 19.0))], 0.0)
        return np.asarray(tree["evidence"]["weight"])

    def theirs() -> np.ndarray:
        wrong = np.array([np.sum((eval(text, {}, names) > 0) ^ data["y"]) for text in texts.values()])
        p, q = 1.0 + wrong, 19.0 + n - wrong
        log_evidence = special.betaln(p, q) + np.log(special.betainc(p, q, 0.5))
        return special.softmax(log_evidence)

    np.testing.assert_allclose(ours(), theirs(), rtol=1e-6, atol=1e-12)
    took = [(timed(ours, 1), timed(theirs, 1)) for _ in range(7)]  # in turn
    return statistics.median(a for a, _ in took), statistics.median(b for _, b in took)


def demonstrations(count: int, planner: str) -> float:
    """Weights by 100 steps in a gridworld of 400 states, four moves that slip, discount .99, rationality inferred."""
    import reward_hypotheses as rh
    from reward_hypotheses.models.fit import prepared
    from reward_hypotheses.models.weights.weigh import weigh

    rng = np.random.default_rng(0)
    names = [f"f{k}" for k in range(5)]
    mdp = rh.MDP(*rh.gridworld({name: rng.normal(size=(20, 20)) for name in names}, slip=0.1), 0.99)
    walk = rh.demonstrate(mdp, "f0 - f1", beta=3.0, steps=100)
    drawn = rng.normal(size=(count, 5))
    given = {
        f"h{i}": " + ".join(f"({w:.3f}) * {n}" for w, n in zip(row, names, strict=True)) for i, row in enumerate(drawn)
    }

    def work() -> object:
        hypotheses, line, made = prepared(given, [rh.Demonstrations(mdp, walk, planner=planner)], 0.0)
        return weigh(hypotheses, rh.Uniform("a bench"), made, line)

    return timed(work, 1)


def sampled_again() -> tuple[float, float]:
    """NUTS on another 200 labels once a model is compiled: `fit`, and `pm.sample` of a plain model on new data."""
    import pymc as pm
    import pytensor.tensor as pt

    import reward_hypotheses as rh

    rng = np.random.default_rng(0)
    texts = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"}
    texts["level"] = "where(level, 100, -100)"

    def data() -> dict[str, np.ndarray]:
        red = rng.random(200) < 0.5
        level = red ^ (rng.random(200) < 0.2)
        return {"red_paint": red, "flags": red, "level": level, "is_pad": red ^ (rng.random(200) < 0.05)}

    def ours() -> None:
        feedback = [rh.Labels(data(), "is_pad", noise=(1, 19))]
        rh.fit(texts, rh.Uniform("a bench"), feedback, 0, method="nuts")

    def right() -> np.ndarray:
        drawn = data()
        return np.array([drawn[k] == drawn["is_pad"] for k in ("red_paint", "flags", "level")])

    with pm.Model(coords={"hypothesis": list(texts)}) as plain:
        eps = pm.Truncated("eps", pm.Beta.dist(1, 19), lower=0, upper=0.5)
        agrees = pm.Data("agrees", right())
        log_weight = -np.log(3) + pt.where(agrees, pt.log1p(-eps), pt.log(eps)).sum(axis=1)
        pm.Potential("labels", pt.logsumexp(log_weight))

    def theirs() -> None:
        with plain:
            pm.set_data({"agrees": right()})
            pm.sample(1000, tune=1000, chains=4, random_seed=1, progressbar=False, compute_convergence_checks=False)

    ours()
    theirs()
    return timed(ours, 5), timed(theirs, 3)


def ranked(n: int, options: int, count: int) -> float:
    """Evidence of rankings under many hypotheses, the rationality integrated out."""
    from reward_hypotheses.models.feedback.feedback_names import named
    from reward_hypotheses.models.feedback.kinds.rankings import Rankings
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.weights.weigh import weigh

    rng = np.random.default_rng(4)
    x = rng.standard_normal((4, n, options))
    noisy = 1.5 * x[0] - x[1] + rng.gumbel(size=(n, options))
    rank = (-noisy).argsort(axis=1).argsort(axis=1) + 1.0
    held = {f"x{k}": x[k] for k in range(4)} | {"rank": rank}
    texts = {f"h{h}": " + ".join(f"{rng.normal():.4f}*x{k}" for k in range(4)) for h in range(count)}
    (one,) = named([Rankings(held, "rank")])
    hypotheses = hypotheses_of(texts)
    line = stated_line(0.0, hypotheses.names)
    return timed(lambda: weigh(hypotheses, Uniform("a bench"), [one], line), 1)


def csv_rows(with_arrow: bool) -> float:
    """1e6 rows of six columns."""
    import tempfile

    from reward_hypotheses.data.readers import csv as readers

    rng = np.random.default_rng(3)
    n = 1_000_000
    flag, y = rng.integers(0, 2, n), rng.integers(0, 2, n)
    x = rng.standard_normal(n)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w") as stream:
            stream.write("scene,option,flag,slope,depth,is_pad\n")
            stream.writelines(f"{i // 4},{i % 4},{flag[i]},{x[i]:.4f},{-x[i]:.3f},{y[i]}\n" for i in range(n))
        if not with_arrow:
            readers.ARROW_FROM = 10**18
        else:
            import pyarrow.csv

            _ = pyarrow.csv
        return timed(lambda: readers.read_csv(path, "rows"), 3)


def many_features():
    """Seconds of a fit of 100 features, directions uniform and the rationality inferred."""
    import reward_hypotheses as rh

    rng = np.random.default_rng(3)
    x = rng.normal(size=(36, 40, 100))
    worth = x @ rng.normal(size=100) / 10 + rng.gumbel(size=(36, 40))
    table = {f"f{k}": x[..., k] for k in range(100)} | {"rank": (-worth).argsort(axis=1).argsort(axis=1) + 1.0}
    family = rh.Linear([f"f{k}" for k in range(100)], source="a bench")
    start = time.perf_counter()
    rh.fit({"family": family}, rh.Uniform("a bench"), [rh.Rankings(table, "rank")], fail_utility=0.0)
    return time.perf_counter() - start


CASES: dict[str, Callable[[], float | tuple[float, float]]] = {
    "NUTS on new data, model compiled before, vs pm.sample": sampled_again,
    "csv, 1e6 rows, pyarrow": lambda: csv_rows(True),
    "csv, 1e6 rows, standard library": lambda: csv_rows(False),
    "fit, 1,000 listed rules on 1,000 items, vs numpy for weights alone": lambda: listed(1000, 1000),
    "weights, H=256, N=1e5": lambda: weights_of_predictions(100_000, 256, 5),
    "weights, H=256, N=1e5, expressions evaluated": lambda: weights(100_000, 256, 3),
    "weights, H=1000, N=1e6": lambda: weights(1_000_000, 1000, 1),
    "scalar risk, M=1e6, 3 options, H=256": lambda: risk(1_000_000, 256, False),
    "rankings of 10, N=1e5, H=64, rationality inferred": lambda: ranked(100_000, 10, 64),
    "risk with matrix, M=1e5, 3 options, H=64": lambda: risk(100_000, 64, True),
    "expected reward and risk of 18 policies, M=1e4, 5 options, H=256": lambda: policies(10_000, 256),
    "what to ask next, 1e4 labels, H=64": lambda: queries(10_000, 64),
    "evidence or prior, and other values, M=1e4, 3 options, H=256": lambda: argument(10_000, 256),
    "worst case with its features, M=1e5, 4 options, H=64": lambda: worst(100_000, 64),
    "100 continuous weights, rankings of 36 races of 40": many_features,
    "100 demonstrated steps, 400 states, H=1000": lambda: demonstrations(1000, "optimal"),
    "100 demonstrated steps, 400 states, H=10, soft": lambda: demonstrations(10, "soft"),
}

if __name__ == "__main__":
    if sys.argv[1] == "write":
        write_study(Path(sys.argv[2]))
    else:
        found = CASES[sys.argv[1]]()
        seconds, beside = found if isinstance(found, tuple) else (found, None)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"seconds": seconds, "beside": beside, "peak_kib": peak}))
