"""Tables of answers with counts, and the same tables row by row."""

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.weigh import weigh

RNG = np.random.default_rng(5)
SCENES, OPTIONS = 7, 3
X, Y = RNG.normal(size=(2, SCENES, OPTIONS)).round(2)
NOISY = X + RNG.gumbel(size=X.shape)
RANK = (-NOISY).argsort(axis=1).argsort(axis=1) + 1.0
TIMES = np.array([1, 9, 2, 5, 1, 12, 3])
IN_SCENES = {
    "x": X,
    "y": Y,
    "chosen": RANK == 1,
    "rank": RANK,
    "top": np.minimum(RANK, 2),
    "available": np.array([[o < 2 or s % 2 == 1 for o in range(OPTIONS)] for s in range(SCENES)]) | (RANK == 1),
    "n": np.repeat(TIMES[:, None], OPTIONS, axis=1),
}
N_ITEMS = 14
ITEM_TIMES = np.random.default_rng(6).integers(1, 8, N_ITEMS)
IN_ITEMS = {
    "x": X.ravel()[:N_ITEMS],
    "y": Y.ravel()[:N_ITEMS],
    "grade": np.digitize(NOISY.ravel()[:N_ITEMS], [0, 1.5]),
    "stopped": NOISY.ravel()[:N_ITEMS] < 0.3,
    "good": NOISY.ravel()[:N_ITEMS] > 0.3,
    "seen": NOISY.ravel()[:N_ITEMS],
    "is_failing": np.arange(N_ITEMS) == 4,
    "n": ITEM_TIMES,
}
HYPOTHESES = {"x": "x", "y": "y", "x again": "2*x"}
LINE = {"x": 0.3, "y": 0.3, "x again": 0.6}
KINDS = {
    "labels": (IN_ITEMS, lambda t, **k: rh.Labels(t, "good", noise=(2, 8), **k)),
    "labels of a fixed noise": (IN_ITEMS, lambda t, **k: rh.Labels(t, "good", noise=0.2, **k)),
    "rewards": (IN_ITEMS, lambda t, **k: rh.Rewards(t, "seen", sigma2=(4, 6), **k)),
    "choices": (IN_SCENES, lambda t, **k: rh.Choices(t, "chosen", **k)),
    "choices, raw": (IN_SCENES, lambda t, **k: rh.Choices(t, "chosen", rationality=0.7, scale="raw", **k)),
    "rankings": (IN_SCENES, lambda t, **k: rh.Rankings(t, "rank", **k)),
    "rankings of the best": (IN_SCENES, lambda t, **k: rh.Rankings(t, "top", **k)),
    "ratings": (IN_ITEMS, lambda t, **k: rh.Ratings(t, "grade", grades=[0, 1, 2], rationality=1.3, **k)),
    "stops": (IN_ITEMS, lambda t, **k: rh.Stops(t, "stopped", **k)),
}


def expanded(table, times="n"):
    """Each row (or scene) as often as its count says, one copy after another."""
    by_row = np.asarray(table[times])
    by_row = by_row if by_row.ndim == 1 else by_row[:, 0]
    return {name: np.repeat(values, by_row, axis=0) for name, values in table.items() if name != times}


def both(kind, hypotheses=HYPOTHESES, line=LINE, drop=("is_failing",), seed=1):
    """Posteriors by counts and by rows; without failing items unless the kind compares with failing."""
    table, make = KINDS[kind]
    gone = () if kind == "stops" else drop
    table = {k: v for k, v in table.items() if k not in gone}
    for data, settings in ((table, {"count": "n"}), (expanded(table), {})):
        listed, at, made = prepared(hypotheses, [make(data, **settings)], line)
        yield weigh(listed, rh.Uniform("a test"), made, at, seed=seed)


WORLD = rh.MDP(*rh.gridworld(["a.b", "...", "..c"], {"a": "a", "b": "b", "c": "c"}, slip=0.1), discount=0.9)
WALKS = rh.demonstrate(WORLD, "where(c, 1, 0)", 2.0, n=3, steps=6, random_seed=1)
