"""Fits by rater against NUTS on the same model, and how often their intervals hold the truth.

``python tests/bench/raters.py agreement [STUDIES]`` fits random studies twice: by `rh.fit`, and by NUTS on a model that is written
here, with PyMC. ``python tests/bench/raters.py coverage [STUDIES]`` draws populations from the prior, makes answers, and counts how
often intervals of 50, 80 and 95 % hold the mean weight, the standard deviation between the raters and a rater's weight.
``python tests/bench/raters.py seeds [STUDIES]`` fits each study of the agreement with several seeds, and compares the evidence.
"""

import math
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402

import reward_hypotheses as rh  # noqa: E402

SD = 1.5
LEVELS = (0.5, 0.8, 0.95)


def study(rng: np.random.Generator) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a table of comparisons, differences of features (rater, answer, feature), and the population that made them."""
    raters, each, features = int(rng.integers(8, 25)), int(rng.integers(6, 21)), 2
    x = rng.normal(size=(raters, each, 2, features)).round(3)
    mean, spread = SD * rng.normal(size=features), SD * np.abs(rng.normal(size=features))
    weights = mean + spread * rng.normal(size=(raters, features))
    scale = x.reshape(-1, features).std(axis=0)
    apart = (x[:, :, 0] - x[:, :, 1]) / scale
    first = rng.random((raters, each)) < 1 / (1 + np.exp(-(apart * weights[:, None]).sum(axis=-1)))
    n = raters * each
    table = {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "chosen": np.stack([first, ~first], axis=-1).ravel(),
        "who": np.repeat([f"p{r}" for r in range(raters)], 2 * each),
    } | {f"x{k}": x[..., k].ravel() for k in range(features)}
    return table, np.where(first[..., None], apart, -apart), mean, spread, weights


def fitted(table: dict, seed: int = 0) -> dict[str, np.ndarray]:
    """Return draws of the mean weight, the spread and the first rater's weight, of the first feature, and their effective number."""
    linear = rh.Linear(["x0", "x1"], prior={"normal": SD}, source="a bench")
    try:
        tree = rh.fit(
            {"any": linear}, rh.Uniform("one"), [rh.Choices(table, "chosen", rater="who")], 0.0, random_seed=seed
        )
        trusted = True
    except rh.NotTrustedError as error:
        tree, trusted = error.tree, False
    raters = tree["raters"]
    return {
        "mean": raters["reward_weight_mean"].to_numpy()[:, 0, 0],
        "spread": raters["reward_weight"].to_numpy()[:, :, 0].std(axis=1),
        "rater": raters["reward_weight"].to_numpy()[:, 0, 0],
        "ess": np.array(min(raters.attrs["ess"], raters.sizes["rater_draw"])),
        "k_hat": np.array(raters.attrs["k_hat"]),
        "evidence": np.array(raters.attrs["log_evidence"]),
        "mcse": np.array(raters.attrs["mcse"]),
        "trusted": np.array(trusted),
    }


def by_nuts(apart: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Return the same draws by NUTS, with the effective number of each."""
    import arviz as az
    import pymc as pm

    raters, _, features = apart.shape
    with pm.Model():
        mean = pm.Normal("mean", 0, SD, shape=features)
        spread = pm.HalfNormal("spread", SD, shape=features)
        z = pm.Normal("z", shape=(raters, features))
        weights = pm.Deterministic("weights", mean + spread * z)
        pm.Potential("answers", -pm.math.log1pexp(-(apart * weights[:, None]).sum(axis=-1)).sum())
        trace = pm.sample(
            1500,
            tune=1500,
            chains=4,
            cores=2,
            random_seed=seed,
            progressbar=False,
            target_accept=0.95,
            nuts_sampler="nutpie",
        )
    weights = trace.posterior["weights"].to_numpy()
    drawn = {"mean": trace.posterior["mean"].to_numpy()[..., 0], "rater": weights[..., 0, 0]}
    drawn["spread"] = weights[..., 0].std(axis=-1)
    return {k: v.ravel() for k, v in drawn.items()} | {f"{k} ess": np.array(float(az.ess(v))) for k, v in drawn.items()}


def agreement(studies: int) -> None:
    """Print how far fits are from NUTS, in Monte Carlo errors."""
    every = []
    print("study  raters  k-hat   ess  |  fit, NUTS and their difference in errors: mean, spread, rater")
    for k in range(studies):
        table, apart, *_ = study(np.random.default_rng([91, k]))
        start = time.perf_counter()
        ours, seconds = fitted(table), time.perf_counter() - start
        theirs = by_nuts(apart, k)
        told = []
        for key in ("mean", "spread", "rater"):
            a, b = ours[key], theirs[key]
            error = math.hypot(a.std() / math.sqrt(ours["ess"]), b.std() / math.sqrt(theirs[f"{key} ess"]))
            every.append((a.mean() - b.mean()) / error)
            told.append(f"{a.mean():6.3f} {b.mean():6.3f} {every[-1]:5.1f}")
        print(
            f"{k:5} {len(apart):7} {ours['k_hat']:6.2f} {ours['ess']:5.0f}  |  {'  |  '.join(told)}  ({seconds:.1f} s)"
        )
    z = np.abs(every)
    print(f"{studies} studies: largest difference {z.max():.1f} errors; {np.mean(z > 2):.0%} above 2 (5 % expected)")


def coverage(studies: int) -> None:
    """Print how often intervals hold the truth."""
    ranks: dict[str, list[float]] = {"mean": [], "spread": [], "rater": []}
    left = 0
    for k in range(studies):
        table, _, mean, _, weights = study(np.random.default_rng([92, k]))
        ours = fitted(table)
        if not ours["trusted"]:
            left += 1
            continue
        ranks["mean"].append(float((ours["mean"] < mean[0]).mean()))
        ranks["spread"].append(float((ours["spread"] < weights[:, 0].std()).mean()))
        ranks["rater"].append(float((ours["rater"] < weights[0, 0]).mean()))
    print(f"{studies - left} studies; {left} not trusted")
    for key, of in ranks.items():
        found = np.abs(np.array(of) - 0.5) * 2
        shares = [f"{level:.0%}: {np.mean(found <= level):.3f}" for level in LEVELS]
        fifths = np.histogram(of, np.linspace(0, 1, 6))[0].tolist()
        print(
            f"{key:6} {', '.join(shares)}; mean rank {np.mean(of):.3f}, error {0.289 / math.sqrt(len(of)):.3f}; by fifth {fifths}"
        )


def seeds(studies: int, each: int = 5) -> None:
    """Print trusted fits whose evidence is far from the median of fits with other seeds."""
    far, trusted = 0, 0
    print("study seed  k-hat    ess  log evidence   error  from the median, in errors")
    for k in range(studies):
        table, *_ = study(np.random.default_rng([91, k]))
        fits = [fitted(table, seed) for seed in range(each)]
        middle = float(np.median([of["evidence"] for of in fits]))
        usual = float(np.median([of["mcse"] for of in fits]))
        for seed, of in enumerate(fits):
            if not of["trusted"]:
                continue
            trusted += 1
            z = (of["evidence"] - middle) / math.hypot(of["mcse"], usual)
            far += abs(z) > 4
            if abs(z) > 4:
                print(
                    f"{k:5} {seed:4} {of['k_hat']:6.2f} {of['ess']:6.0f} {of['evidence']:13.3f} {of['mcse']:7.3f} {z:6.1f}"
                )
    print(
        f"{studies} studies, {each} seeds: {far} of {trusted} trusted fits more than 4 errors away; {studies * each - trusted} not trusted"
    )


if __name__ == "__main__":
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    {"agreement": agreement, "coverage": coverage, "seeds": seeds}[sys.argv[1]](number)
