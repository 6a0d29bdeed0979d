"""Small random worlds in integers, with many ties, and what an exact oracle needs of a policy."""

from fractions import Fraction

import numpy as np

from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation


def share(policy):
    """What a policy is asked for beside a rationality, as the exact fraction that was written."""
    values = (getattr(policy, name, None) for name in ("tail", "credible", "q"))
    return next((Fraction(str(value)) for value in values if value is not None), None)


def world(seed, scenes=7, options=4, hypotheses=3, ragged=True, weights=False, failing=False):
    """Integer rewards as columns r0, r1, ..., with many ties."""
    rng = np.random.default_rng(seed)
    shape = (scenes, options)
    columns = {f"r{h}": rng.integers(-2, 3, shape).astype(float) for h in range(hypotheses)}
    available = np.ones(shape, bool)
    if ragged:
        available = rng.random(shape) < 0.7
        available[:, 0] = True
    columns["available"] = available
    if weights:
        columns["scene_weight"] = np.broadcast_to(
            rng.integers(0, 4, (scenes, 1)) + (np.arange(scenes) == 0)[:, None], shape
        ).astype(float)
    if failing:
        columns["is_failing"] = np.zeros(shape, bool)
        columns["is_failing"][::2, -1] = True
    lines = rng.integers(-1, 2, hypotheses)
    told = rng.integers(-1, 2, hypotheses)
    names = [f"h{h}" for h in range(hypotheses)]
    table = as_table(columns)
    h = hypotheses_of({n: f"r{i}" for i, n in enumerate(names)})
    valuation = Valuation(
        h,
        table,
        stated_line(dict(zip(names, map(float, lines), strict=True)), names),
        stated_line(dict(zip(names, map(float, told), strict=True)), names),
    )
    for_policy = available & ~columns.get("is_failing", np.zeros(shape, bool))
    exact = {
        "rewards": [[[Fraction(int(x)) for x in scene] for scene in columns[f"r{i}"]] for i in range(hypotheses)],
        "available": for_policy.tolist(),
        "judge_u": [[Fraction(int(u))] * scenes for u in lines],
        "agent_u": [[Fraction(int(u))] * scenes for u in told],
        "weights": None if not weights else [Fraction(int(w)) for w in columns["scene_weight"][:, 0]],
    }
    w = [Fraction(int(x)) for x in rng.integers(1, 5, hypotheses)]
    v = [Fraction(int(x)) for x in rng.integers(0, 5, hypotheses)]
    v[0] += 1
    exact["agent"] = [x / sum(w) for x in w]
    exact["judge"] = [x / sum(v) for x in v]
    return valuation, exact
