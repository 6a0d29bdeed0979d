"""Worst-case shift: the weighting of candidate scenes with the highest risk.

The module also finds the features that set the worst case apart.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.rollout import Rollout
from reward_hypotheses.analysis.shift.numeric_features import feature, usable_features
from reward_hypotheses.data.numerics import distinct, within_one

SAME = 1e-12
"""Risks of two scenes are the same up to this: no scene is worse than its equals by rounding."""
TAIL, NATS = 0.1, 0.1
"""What a study asks: the worst tenth, and so many nats from the test's own weights."""
ASKED = {"tail": {"share": TAIL}, "kl": {"nats": NATS}}
LISTED, SAID = 10, 3
LEAST_SAID = 0.1  # standard deviations
TAKEN, SCENE, ITEM = "taken", "scene", "item"
SHOWN = {TAKEN: "the option taken", SCENE: "the options on offer", ITEM: "the item"}


@dataclass(frozen=True)
class Apart:
    """Difference of a feature between the worst case and the pool.

    Attributes
    ----------
    feature : str
    of : {"taken", "scene", "item"}
        The option that the agent takes, in expectation over its choices; the mean over the options of a scene; or, where
        scenes have no options, the item.
    worst, pool : float
        Means of the feature in the worst case and over the pool.
    difference : float
        ``worst - pool`` in standard deviations of the feature over the pool.
    """

    feature: str
    of: str
    worst: float
    pool: float
    difference: float


def worst_tail(share: np.ndarray, risk: np.ndarray, tail: float) -> np.ndarray:
    """Return weights of the worst `tail` of the mass, the boundary in part: (scene,).

    They maximise ``q @ risk`` over ``0 <= q <= share / tail``, ``sum q = 1``, so that the maximum is the conditional value at
    risk (Rockafellar and Uryasev 2000). Scenes of the same risk at the boundary are taken in proportion.

    Parameters
    ----------
    share, risk : ndarray (scene,)
        Weights of the scenes, adding up to 1, and their risks.
    tail : float
        0 < tail <= 1.
    """
    if tail >= 1:
        return share.copy()
    order = np.argsort(-risk, kind="stable")
    gathered = np.cumsum(share[order])
    # the first scene at which enough is gathered; rounding must not step over it
    boundary = risk[order[min(int(np.searchsorted(gathered, tail * (1 - 1e-12))), len(order) - 1)]]
    worse, same = risk > boundary + SAME, np.abs(risk - boundary) <= SAME
    left = max(tail - math.fsum(share[worse].tolist()), 0.0)
    weights = np.where(worse, share, 0.0) + np.where(same, share * (left / math.fsum(share[same].tolist())), 0.0)
    return np.asarray(weights / weights.sum())


def worst_within(share: np.ndarray, risk: np.ndarray, nats: float) -> np.ndarray:
    """Return weights (scene,) that maximise the risk within a Kullback-Leibler ball.

    The ball is around the pool's weights. Of all q with ``KL(q || share) <= nats`` the maximum of ``q @ risk`` is at ``q``
    proportional to ``share * exp(risk / lambda)``, lambda such that the divergence is `nats` (Hu and Hong 2013). Lambda is
    found by bisection of its logarithm, in which the divergence is monotone. From ``-log share(worst scenes)`` nats on, all
    mass is on the worst scenes.

    Parameters
    ----------
    share, risk : ndarray (scene,)
        Weights of the scenes, adding up to 1, and their risks.
    nats : float
        Radius of the ball, 0 or more.
    """
    weighted = share > 0
    top = float(risk[weighted].max())
    worst = weighted & (risk >= top - SAME)
    on_worst = math.fsum(share[worst].tolist())
    if nats <= 0 or bool((worst == weighted).all()):
        return share.copy()
    if nats >= -math.log(on_worst):
        return np.where(worst, share / on_worst, 0.0)
    values, _, place, _ = distinct(np.where(worst, top, risk)[weighted])
    mass = np.bincount(place, share[weighted], len(values))
    behind = values - top  # 0 is the worst
    behind = behind / -behind[0]

    def tilted(rate: float) -> tuple[np.ndarray, float]:
        odds = np.exp(rate * behind)
        total = float(mass @ odds)
        return odds / total, rate * float(mass @ (behind * odds)) / total - math.log(total)

    low, high = math.log(1e-12), math.log(800.0 / -behind[-2])  # beyond, what is not worst has no mass left
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if tilted(math.exp(middle))[1] <= nats else (low, middle)
    out = np.zeros(len(share))
    out[weighted] = share[weighted] * tilted(math.exp(low))[0][place]
    return out / out.sum()


def divergence(weights: np.ndarray, share: np.ndarray) -> float:
    """Return ``KL(weights || share)``, nats."""
    weighted = weights > 0
    return max(float(weights[weighted] @ np.log(weights[weighted] / share[weighted])), 0.0)


def effective(weights: np.ndarray) -> float:
    """Return the effective number of scenes, ``1 / sum q^2``."""
    return 1.0 / float(weights @ weights)


def what_sets_apart(acted: Rollout, weights: np.ndarray, features: Sequence[str]) -> list[Apart]:
    """Return features by their difference between worst case and pool, largest first.

    A feature is compared twice: at the option that the agent takes (abstaining left out), and in the scene, as the mean
    over its options. A feature that is equal for all options of every scene is compared in the scene alone. A table without
    options has only its items.
    """
    table, scene = acted.table, acted.scene
    failing = table.failing()
    real = np.ones(table.n_items) if failing is None else (~failing).astype(float)
    per_scene = np.bincount(scene, real, table.n_scenes)
    some = np.flatnonzero(per_scene > 0)
    starts = table.starts[:-1][np.diff(table.starts) > 0]
    pool, worst = acted.mass() * real, acted.mass(weights) * real
    differences = []
    for name in features:
        values = feature(table, name)
        scaled, exponent = within_one(values)
        of_scene = np.ldexp(np.bincount(scene, scaled * real, table.n_scenes)[some] / per_scene[some], exponent)
        varies = True
        if table.has_options:
            low = np.minimum.reduceat(np.where(real > 0, values, np.inf), starts)
            high = np.maximum.reduceat(np.where(real > 0, values, -np.inf), starts)
            varies = bool((high > low).any())
            differences.append(_apart(name, SCENE, of_scene, acted.share[some], weights[some]))
        if varies:
            differences.append(_apart(name, TAKEN if table.has_options else ITEM, values, pool, worst))
    return sorted(
        (difference for difference in differences if difference is not None),
        key=lambda difference: (-abs(difference.difference), difference.feature, difference.of),
    )


def _apart(name: str, of: str, values: np.ndarray, pool: np.ndarray, worst: np.ndarray) -> Apart | None:
    total, of_worst = float(pool.sum()), float(worst.sum())
    unit = float(np.abs(values).max(initial=0.0))
    if not total > 0 or not of_worst > 0:
        return None
    if unit == 0:
        return Apart(name, of, 0.0, 0.0, 0.0)
    scaled = values / unit
    mean, there = float(pool @ scaled) / total, float(worst @ scaled) / of_worst
    deviation = math.sqrt(float(pool @ (scaled - mean) ** 2) / total)
    difference = (there - mean) / deviation if deviation > 1e-9 else 0.0
    if abs(difference) <= 1e-9:
        difference, there = 0.0, mean
    return Apart(name, of, there * unit, mean * unit, difference)


def in_words(apart: Sequence[Apart]) -> str:
    """Return the largest differences in words; empty where all are small."""
    largest = [difference for difference in apart if abs(difference.difference) >= LEAST_SAID][:SAID]
    return ", ".join(
        f"{difference.feature} of {SHOWN[difference.of]} ({difference.worst:.3g} against {difference.pool:.3g})"
        for difference in largest
    )


def worst_weights(acted: Rollout) -> dict[str, np.ndarray]:
    """Return weights (scene,) of the worst tenth of the scenes, and within 0.1 nats.

    The result is empty with fewer than two scenes of positive weight.
    """
    share, risk = acted.share, acted.risk
    if int((share > 0).sum()) < 2:
        return {}
    return {"tail": worst_tail(share, risk, TAIL), "kl": worst_within(share, risk, NATS)}


def worst_document(acted: Rollout, features: Sequence[str]) -> dict[str, Any] | None:
    """Return the worst case for the results: risks, and features that set it apart."""
    out = {}
    for key, weights in worst_weights(acted).items():
        apart = [difference for difference in what_sets_apart(acted, weights, features) if difference.difference != 0]
        out[key] = {
            **ASKED[key],
            "risk": risk_under(acted, weights),
            "effective_scenes": effective(weights),
            "features": [asdict(difference) for difference in apart[:LISTED]],
            "words": in_words(apart),
        }
    return out or None


def risk_under(acted: Rollout, weights: np.ndarray) -> float:
    """Return the risk under other weights (scene,) of the scenes, at most 1."""
    return min(float(weights @ acted.risk), 1.0)


class WorstCases(Section[Document]):
    """The risk on the worst tenth of the test's scenes, and within 0.1 nats."""

    keys = ("worst_case",)
    of_test = sampled = True

    @override
    def compute(self, case: Case) -> Document | None:
        features = usable_features([case.valuation.table], case.posterior.hypotheses, case.feedback_columns)
        return worst_document(case.rollout, features)

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        acted = case.rollout
        risks = {key: {"risk": risk_under(acted, weights)} for key, weights in worst_weights(acted).items()}
        return {"worst_case": risks or None}
