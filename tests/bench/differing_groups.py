"""How often the check of groups finds two groups with opposite rewards, and how often it is wrong where all agree.

``python tests/bench/differing_groups.py [STUDIES]`` prints one line of JSON for each kind of study: 2,000 comparisons by two
groups, or by 100 raters of which half have the opposite reward; listed rules, or one with continuous weights; labels.
"""

import json
import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402

import reward_hypotheses as rh  # noqa: E402
from reward_hypotheses.models.fit import prepared  # noqa: E402
from reward_hypotheses.models.posterior import Posterior  # noqa: E402
from reward_hypotheses.models.weights.differing_groups import LEVEL, group_check  # noqa: E402
from reward_hypotheses.models.weights.weigh import weigh  # noqa: E402

ANSWERS = 2000
LISTED = {"a less b": "a - b", "b less a": "b - a", "a": "a"}
LINEAR = {"mixture": rh.Linear(["a", "b"], source="a bench")}


def posterior(seed: int, opposite: bool, kind: str, raters: int, hypotheses: dict) -> Posterior:
    """Return a fit to answers of raters, of whom every second has the opposite reward or none has."""
    rng = np.random.default_rng(seed)
    x, rater = rng.normal(size=(ANSWERS, 2, 2)), rng.integers(raters, size=ANSWERS)
    worth = 1.5 * (x[..., 0] - x[..., 1]) * np.where(opposite & (rater % 2 == 1), -1, 1)[:, None]
    if kind == "labels":
        good = (worth[:, 0] > 0) ^ (rng.random(ANSWERS) < 0.05)
        table = {"a": x[:, 0, 0], "b": x[:, 0, 1], "rater": [f"r{r}" for r in rater], "good": good}
        feedback = [rh.Labels(table, "good", noise=(1, 9))]
    else:
        chosen = (worth + rng.gumbel(size=worth.shape)).argmax(axis=1)[:, None] == np.arange(2)
        scenes = {"scene": np.repeat(np.arange(ANSWERS), 2), "option": np.tile([0, 1], ANSWERS)}
        columns = {"a": x[..., 0], "b": x[..., 1], "rater": np.repeat(rater[:, None], 2, axis=1), "chosen": chosen}
        feedback = [rh.Choices(scenes | {name: of.ravel() for name, of in columns.items()}, "chosen")]
    listed, line, made = prepared(hypotheses, feedback, 0.0)
    return weigh(listed, rh.Uniform("a bench"), made, line, draws=100, chains=2, seed=seed).of_rules()


CASES = {
    "two groups, choices, listed rules": ("choices", 2, LISTED),
    "100 raters, choices, listed rules": ("choices", 100, LISTED),
    "two groups, choices, continuous weights": ("choices", 2, LINEAR),
    "two groups, labels, listed rules": ("labels", 2, LISTED),
}


def p_of(seed: int, opposite: bool, case: tuple) -> float:
    """Return the p of the check of one study."""
    found = group_check(posterior(seed, opposite, *case), 0, np.random.default_rng(seed), {"chosen", "good"})
    assert found is not None
    return found.check.p


def main(studies: int) -> None:
    """Print how many studies are found to differ."""
    for name, case in CASES.items():
        found = sum(p_of(seed, True, case) < LEVEL for seed in range(studies // 2))
        wrong = sum(p_of(seed, False, case) < LEVEL for seed in range(studies))
        print(
            json.dumps({"case": name, "found": f"{found} of {studies // 2}", "wrong": f"{wrong} of {studies}"}),
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
