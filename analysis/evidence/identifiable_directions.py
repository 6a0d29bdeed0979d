"""Silent directions: directions of weight that training cannot identify."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation, on_test

if TYPE_CHECKING:
    import xarray as xr

SMALL = 1e-6
"""Coefficients below this, relative to the largest of a direction, are not written."""


@dataclass(frozen=True, eq=False)
class Silent:
    """Changes of weight that leave the likelihood of all feedback as before.

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


def directions_of(fitted: Fitted) -> Silent:
    """Find the directions of weight that training cannot identify.

    The prior alone decides about these directions.
    """
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


def silent_shares(valuation: Valuation, fitted: Fitted) -> Shares:
    """Measure the share of reward variance on a test in silent directions.

    The variance is the prior variance of reward differences.
    """
    rows = directions_of(fitted).directions
    covariance = _at_stake(valuation, fitted)
    total = float(np.trace(covariance))
    if not total > 0:
        return Shares(0.0, np.zeros(len(rows)))
    unseen = np.eye(len(covariance)) - fitted.seen @ fitted.seen.T
    rows = rows / np.sqrt((rows**2).sum(axis=1, keepdims=True))
    each = ((rows @ covariance) * rows).sum(axis=1) / total
    return Shares(float(np.clip(np.trace(unseen @ covariance) / total, 0.0, 1.0)), np.clip(each, 0.0, 1.0))


def _at_stake(valuation: Valuation, fitted: Fitted) -> np.ndarray:
    """Return the mean covariance of the features: (feature, feature).

    In units of each feature's standard deviation; within scenes, or over items for a table without options.
    """
    n, within_scenes = len(fitted.scale), valuation.table.has_options
    weights, _ = scene_weights(valuation)
    first, squares, mass = np.zeros(n), np.zeros((n, n)), 0.0
    for block in valuation.blocks():
        x, inside = _features(block, fitted)
        weight = weights[block.scenes]
        if within_scenes:
            count = np.maximum(inside.sum(axis=0), 1)
            x, weight = np.where(inside, x - x.sum(axis=1, keepdims=True) / count, 0.0), weight / count
        first += np.einsum("kos,s->k", x, weight)
        squares += np.einsum("kos,los,s->kl", x, x, weight)
        mass += float(weight.sum())
    return squares if within_scenes else squares / mass - np.outer(first, first) / mass**2


def _features(block: Block, fitted: Fitted) -> tuple[np.ndarray, np.ndarray]:
    """Return features in standard deviations: (feature, option, scene).

    The second array (option, scene) says where there is an option.
    """
    inside = np.ones(block.shape, bool) if block.options is None else block.options
    values = [np.broadcast_to(np.asarray(e.evaluate(block.column), float), block.shape) for e in fitted.linear.features]
    return np.where(inside, np.stack(values) / fitted.scale[:, None, None], 0.0), inside


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


def silent_directions(tree: "xr.DataTree", test: Any = None, hypothesis: str | None = None) -> "xr.Dataset":
    """Find the directions of continuous weights that training cannot identify.

    These directions are the null space of the within-scene differences of features seen in training (of the features
    themselves, for kinds that compare with failing). The prior alone decides about them, however many data there are.

    Parameters
    ----------
    test : Dataset, DataFrame or dict of arrays, optional
        A test, to measure the share of its reward differences in these directions.
    hypothesis : str, optional
        The hypothesis, where several have continuous weights.

    Returns
    -------
    Dataset
        ``coefficients`` (direction, feature), a basis in standard deviations of the features; coordinate ``direction``:
        each in words, "red_paint minus flags". With a test also ``share``, the share of the prior variance of reward
        differences on the test in these directions, ``tr(P S) / tr(S)``, and ``shares`` (direction), of each alone.

    Raises
    ------
    InputError
        No hypothesis of the tree has continuous weights, or the named hypothesis has none.
    """
    import xarray as xr

    from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of, tested

    posterior, line = posterior_of(
        tree, {n: ("0" if str(r).startswith("callable ") else r) for n, r in hypotheses_in(tree).items()}
    )
    names = {posterior.hypotheses.names[h]: h for h in posterior.families}
    if not names:
        raise InputError("no hypothesis of this tree has continuous weights; give one as rh.Linear(features, ...)")
    if hypothesis is None and len(names) > 1:
        raise InputError(f"hypothesis: several have continuous weights; name one of {', '.join(map(repr, names))}")
    name = next(iter(names)) if hypothesis is None else hypothesis
    if name not in names:
        raise InputError(f"hypothesis {name!r} has no continuous weights; {suggestion(str(name), names)}")
    h = names[name]
    fitted = posterior.families[h]
    silent = directions_of(fitted)
    out = xr.Dataset(
        {"coefficients": (("direction", "feature"), silent.directions.reshape(-1, len(fitted.scale)))},
        coords={"direction": np.array(silent.words, dtype=str), "feature": list(fitted.linear.names)},
    )
    if test is not None:
        table, listed = tested(test, tree), posterior.hypotheses.only([h])
        if problems := check_columns([(table, listed.expressions())]):
            raise InputError(problems)
        shares = silent_shares(on_test(listed, table, line.only([h])), fitted)
        out["share"], out["shares"] = shares.together, ("direction", shares.each)
    return out


class SilentDirectionsOfWeights(Section[Document]):
    """Silent directions of continuous weights, and their share of the variance.

    The variance is of the rewards on each test.
    """

    keys = ("silent_directions",)

    @override
    def compute(self, case: Case) -> Document:
        families = case.posterior.families.items()
        return {case.judge_names[h]: _document(fitted, case.tests) for h, fitted in families}


def _document(fitted: Fitted, tests: Mapping[str, Valuation]) -> Document:
    """Return the silent directions of one family, and their share on each test.

    The share is of the variance of the family's rewards.
    """
    silent = directions_of(fitted)
    shares = {name: silent_shares(valuation, fitted) for name, valuation in tests.items()}
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
