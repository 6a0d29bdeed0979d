"""Bradley-Terry with continuous weights, by this package and by nutpie: one process each; prints JSON.

Run as ``python linear.py ours|nutpie COMPARISONS FEATURES distinct|repeated``. Repeated: features take few values, so that
comparisons repeat; nutpie then gets them as counts, which is what a careful user would give it.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402


def data(n, k, repeated):
    """Features of the two options (comparison, option, feature), and whether the second was chosen."""
    rng = np.random.default_rng(7)
    x = rng.integers(2, size=(n, 2, k)).astype(float) if repeated else rng.normal(size=(n, 2, k))
    weights = rng.normal(size=k) / np.sqrt(k)
    chance = 1 / (1 + np.exp(-(x[:, 1] - x[:, 0]) @ weights))
    return x, rng.random(n) < chance


def ours(x, second):
    from reward_hypotheses.data.readers.in_memory import as_table
    from reward_hypotheses.models.feedback.feedback_names import named
    from reward_hypotheses.models.feedback.kinds.choices import Choices
    from reward_hypotheses.models.hypotheses.failure_line import stated_line
    from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
    from reward_hypotheses.models.hypotheses.linear import Linear
    from reward_hypotheses.models.priors.uniform import Uniform
    from reward_hypotheses.models.weights.weigh import weigh

    n, _, k = x.shape
    features = [f"x{i}" for i in range(k)]
    table = {"scene": np.repeat(np.arange(n), 2), "option": np.tile([0, 1], n)}
    table |= {name: np.ascontiguousarray(x[..., i]).ravel() for i, name in enumerate(features)}
    chosen = np.stack([~second, second], axis=1)
    held = {name: values.reshape(n, 2) for name, values in table.items() if name in features} | {"chosen": chosen}
    family = Linear(features, prior={"normal": 1.0}, source="a bench")
    (feedback,) = named([Choices(as_table(held, "bench"), "chosen")])
    start = time.perf_counter()
    hypotheses = hypotheses_of({"family": family})
    posterior = weigh(hypotheses, Uniform("a bench"), [feedback], stated_line(0.0, ["family"]))
    seconds = time.perf_counter() - start
    fitted = posterior.families[0]
    return seconds, fitted.ess, fitted.weights.mean(axis=0) / fitted.scale


def nutpie(x, second, repeated):
    import warnings

    warnings.simplefilter("ignore")
    import arviz as az
    import nutpie
    import pymc as pm

    apart = x[:, 1] - x[:, 0]
    scale = x.reshape(-1, x.shape[2]).std(axis=0)
    with pm.Model() as model:
        weights = pm.Normal("weights", 0.0, 1.0, shape=x.shape[2])
        if repeated:
            # of a pair and its mirror image one, so that what is alike is counted together
            flip = np.array([next((v < 0 for v in row if v), False) for row in apart])
            canonical = np.where(flip[:, None], -apart, apart)
            rows, place, counts = np.unique(canonical, axis=0, return_inverse=True, return_counts=True)
            won = np.bincount(place.ravel(), second ^ flip, minlength=len(rows))
            pm.Binomial("second", n=counts, logit_p=(rows / scale) @ weights, observed=won)
        else:
            pm.Bernoulli("second", logit_p=(apart / scale) @ weights, observed=second)
    compiled = nutpie.compile_pymc_model(model)
    start = time.perf_counter()
    trace = nutpie.sample(compiled, draws=1000, tune=500, chains=2, seed=1, progress_bar=False)
    seconds = time.perf_counter() - start
    posterior = trace["posterior"] if "posterior" in trace else trace.posterior
    drawn = posterior["weights"]
    ess = az.ess(posterior)["weights"].to_numpy()
    return seconds, float(np.mean(ess)), drawn.mean(("chain", "draw")).to_numpy() / scale


def main(who, n, k, kind):
    x, second = data(int(n), int(k), kind == "repeated")
    start = time.perf_counter()
    seconds, ess, mean = ours(x, second) if who == "ours" else nutpie(x, second, kind == "repeated")
    print(
        json.dumps(
            {
                "seconds": seconds,
                "with_compilation": time.perf_counter() - start,
                "ess": ess,
                "mean": mean.tolist(),
                "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
