"""Exact and sampled results of the test suite's studies side by side. Run as ``make agreement``.

For each study: how many numbers of the results carry a Monte Carlo error, how far they are from the exact ones in those
errors (root mean square, and the largest), the largest error of a log Bayes factor, and the weight of the hypothesis that
is silent with none, both ways. Then the calibration of the errors over many seeds.
"""

import math
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("support", "models/inference")]

import test_sampling as suite  # noqa: E402

import reward_hypotheses as rh  # noqa: E402

SEEDS = 100


def main() -> None:
    """Print the table."""
    print(
        f"{'study':<38} {'numbers':>7} {'rms z':>6} {'max |z|':>7} {'BF mcse':>8} {'weight':>9} {'sampled':>9} {'mcse':>8}"
    )
    for name, changes in suite.STUDIES.items():
        with tempfile.TemporaryDirectory() as folder:
            exact = rh.run(suite.study(Path(folder), "exact", **changes))
            sampled = rh.run(suite.study(Path(folder), "nuts", **changes))
        scores = np.array(list(suite.agreement(exact, sampled).values()))
        errors = max(p["mcse"] for p in sampled["pairs"])
        which = "level ground"
        weights = [d["weights"][which] for d in (exact, sampled)]
        print(
            f"{name:<38} {len(scores):>7} {math.sqrt(np.mean(scores**2)):>6.2f} {np.abs(scores).max():>7.2f} {errors:>8.4f} "
            f"{weights[0]:>9.5f} {weights[1]:>9.5f} {sampled['mcse']['weights'][which]:>8.5f}",
            flush=True,
        )
    exact = suite.fitted("exact", draws=1)["evidence"]["log_evidence"]
    scores = []
    for seed in range(SEEDS):
        found = suite.fitted(seed=seed, draws=1)["evidence"]
        scores += ((found["log_evidence"] - exact) / found["mcse"]).to_numpy()[1:].tolist()
    spread = math.sqrt(np.mean(np.square(scores)))
    print(f"\nlog evidence over {SEEDS} seeds: root mean square z {spread:.2f}, largest {max(map(abs, scores)):.2f}")


if __name__ == "__main__":
    main()
