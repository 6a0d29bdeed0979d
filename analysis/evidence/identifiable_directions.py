"""Directions of continuous weights that training cannot identify: its silent directions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.section import Document, Section
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.linear import Drawn, Fitted
from reward_hypotheses.models.hypotheses.valuation import Valuation

SMALL = 1e-6
"""Coefficients below this, relative to the largest of a direction, are not written."""


@dataclass(frozen=True, eq=False)
class Silent:
    """Changes of weight that leave everything that was said as likely as before.

    Attributes
    ----------
    directions : ndarray (direction, feature)
        A basis of the null space of the within-scene differences of features seen in training (of the features themselves,
        for kinds that compare with failing), in units of the features' standard deviations; each with a largest entry of 1,
        and 0 in the leading entries of the others.
    words : tuple of str
        Each direction: "red_paint minus flags".
    """

    directions: np.ndarray
    words: tuple[str, ...]


def silent_directions(fitted: Fitted) -> Silent:
    """Find the directions of weight that training cannot identify; the prior alone decides about them."""
    names = fitted.linear.names
    k = len(names)
    unseen = np.eye(k) - fitted.seen @ fitted.seen.T
    rows = _echelon(unseen, k - fitted.seen.shape[1])
    return Silent(rows, tuple(_in_words(row, names) for row in rows))


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of the reward differences on a test that lie in silent directions.

    Attributes
    ----------
    together : float
        Share of the prior variance of reward differences in all of them, ``tr(P S) / tr(S)``: P the projection on them, S
        the mean covariance of the features, in their units, within scenes (over all items where there are no options; the
        weights' prior being alike in every direction). 0 where nothing differs.
    each : ndarray (direction,)
        The share of each direction alone. Directions that are not at right angles overlap.
    """

    together: float
    each: np.ndarray


def silent_shares(valuation: Valuation, h: int, fitted: Fitted) -> Shares:
    """Measure the share of the prior variance of reward differences on a test in silent directions."""
    covariance = _at_stake(valuation, h, fitted)
    total = float(np.trace(covariance))
    if not total > 0:
        return Shares(0.0, np.zeros(len(silent_directions(fitted).words)))
    unseen = np.eye(len(covariance)) - fitted.seen @ fitted.seen.T
    rows = silent_directions(fitted).directions.reshape(-1, len(covariance))
    rows = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    each = ((rows @ covariance) * rows).sum(axis=1) / total
    return Shares(float(np.clip(np.trace(unseen @ covariance) / total, 0.0, 1.0)), np.clip(each, 0.0, 1.0))


def _at_stake(valuation: Valuation, h: int, fitted: Fitted) -> np.ndarray:
    """Return the mean covariance of the features, in their units, within scenes or over items: (feature, feature)."""
    reward = valuation.hypotheses.rewards[h]
    assert isinstance(reward, Drawn)
    total = np.zeros((len(fitted.scale), len(fitted.scale)))
    weights = valuation.table.scene_weights()
    over_items = not valuation.table.has_options
    first, squares, mass = np.zeros(len(fitted.scale)), total.copy(), 0.0
    for block in valuation.blocks():
        x, inside = _features(block, reward, fitted.scale)
        weight = np.ones(block.shape[1]) if weights is None else weights[block.scenes]
        count = inside.sum(axis=0)
        if over_items:
            first += np.einsum("kos,s->k", x, weight)
            squares += np.einsum("kos,los,s->kl", x, x, weight)
            mass += float(weight.sum())
            continue
        apart = np.where(inside, x - x.sum(axis=1, keepdims=True) / np.maximum(count, 1), 0.0)
        total += np.einsum("kos,los,s->kl", apart, apart, weight / np.maximum(count, 1))
    return squares / mass - np.outer(first, first) / mass**2 if over_items else total


def _features(block: Block, reward: Drawn, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features in standard deviations (feature, option, scene), and where there is an option."""
    inside = np.ones(block.shape, bool) if block.options is None else block.options
    values = [np.broadcast_to(np.asarray(e.evaluate(block.column), float), block.shape) for e in reward.features]
    return np.where(inside, np.stack(values) / scale[:, None, None], 0.0), inside


def _echelon(projection: np.ndarray, rank: int) -> np.ndarray:
    """Return the reduced rows of a projection, with as many entries of 0 as possible."""
    rows, at = projection.copy(), 0
    for column in range(rows.shape[1]):
        if at == rank:
            break
        pivot = at + int(np.argmax(np.abs(rows[at:, column])))
        if abs(rows[pivot, column]) < SMALL:
            continue
        rows[[at, pivot]] = rows[[pivot, at]]
        rows[at] /= rows[at, column]
        others = np.arange(len(rows)) != at
        rows[others] -= rows[others, column][:, None] * rows[at]
        at += 1
    reduced = rows[:at]
    if not at:
        return reduced
    reduced = reduced / np.abs(reduced).max(axis=1, keepdims=True)
    return np.where(np.abs(reduced) < SMALL, 0.0, reduced)


def _in_words(row: np.ndarray, names: tuple[str, ...]) -> str:
    out = ""
    for value, name in zip(row.tolist(), names, strict=True):
        if value == 0:
            continue
        size = "" if abs(abs(value) - 1) < SMALL else f"{abs(value):.3g} "
        shown = name if name.isidentifier() else f"({name})"
        if not out:
            out = f"{'minus ' if value < 0 else ''}{size}{shown}"
        else:
            out += f" {'minus' if value < 0 else 'plus'} {size}{shown}"
    return out


class SilentDirectionsOfWeights(Section[Document]):
    """Directions of continuous weights that training cannot identify, and the share of the rewards' variance there."""

    keys = ("silent_directions",)

    @override
    def compute(self, case: Case) -> Document:
        families = case.posterior.families.items()
        return {case.judge_names[h]: _document(fitted, case.tests, h) for h, fitted in families}


def _document(fitted: Fitted, tests: Mapping[str, Valuation], h: int) -> Document:
    """Return the directions of one family, and the share of its rewards' variance on each test that lies there."""
    silent = silent_directions(fitted)
    shares = {name: silent_shares(valuation, h, fitted) for name, valuation in tests.items()}
    return {
        "directions": [
            {
                "words": words,
                "coefficients": dict(zip(fitted.linear.names, row.tolist(), strict=True)),
                "share": {name: float(share.each[k]) for name, share in shares.items()},
            }
            for k, (words, row) in enumerate(zip(silent.words, silent.directions, strict=True))
        ],
        "share": {name: share.together for name, share in shares.items()},
    }
