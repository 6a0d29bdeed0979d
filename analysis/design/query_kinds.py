"""Kinds of questions, with the likelihoods of their answers.

A question asks for a label, a choice, or a judgement about values.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.design.probes import betas_of, laid_out, odds_of_options
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.special import log_incomplete_beta
from reward_hypotheses.models.policies.view import within_scene_scale
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.read import as_made, in_order, tested

DRAW_BATCHES = 5
"""Parts of a tree's draws of a nuisance, from whose scatter the Monte Carlo error is."""
GAUSS_NODES = 12
"""Points that stand for draws of a rationality: Gauss's rule for them."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Questions of one kind.

    Attributes
    ----------
    kind : {"label", "choice", "values"}
    words : tuple of str
        The question, in words.
    scene, option : tuple of str
        Names of the scene and of the option of each question; "" where the question has none.
    chance : ndarray (batch, query, answer, hypothesis)
        ``p(answer | h)`` given the data; one batch where no part was sampled. An impossible answer has 0.
    informs_agent : bool
        Whether the agent learns from the answer too.
    """

    kind: str
    words: tuple[str, ...]
    scene: tuple[str, ...]
    option: tuple[str, ...]
    chance: np.ndarray
    informs_agent: bool


@as_made
def noise_of(tree: xr.DataTree, settings: dict[str, Any] | None, noise: Any, n: int) -> np.ndarray | None:
    """Return the mean share of wrong labels, shape (batch, hypothesis).

    The result is None where no labels are asked for.

    Parameters
    ----------
    settings : dict or None
        Settings of the tree's labels. Their noise is used where ``noise`` is None.
    """
    if noise is None:
        if settings is None:
            return None
        if not isinstance(settings["noise"], list):
            return np.full((1, n), float(settings["noise"]))
        return _batches(in_order(tree, "posterior")[f"{settings['name']}_eps"].to_numpy().reshape(-1, n)).mean(axis=1)
    if isinstance(noise, (tuple, list)):
        if len(noise) == 2 and all(1e-9 <= (finite(x) or 0) <= 1e9 for x in noise):
            return np.full((1, n), _mean_below_half(float(noise[0]), float(noise[1])))
    elif (number := finite(noise)) is not None and 0 <= number < 0.5:
        return np.full((1, n), number)
    raise InputError(f"noise: {shown(noise)}; give (a, b) with a and b positive, or a number in [0, 0.5)")


def _mean_below_half(a: float, b: float) -> float:
    """Return the mean of Beta(a, b) restricted to below 1/2."""
    return float(np.exp(log_incomplete_beta(0.5, a + 1, b) - log_incomplete_beta(0.5, a, b)))


def _batches(draws: np.ndarray) -> np.ndarray:
    """Return draws (draw, hypothesis) in batches: (batch, draw, hypothesis)."""
    size = len(draws) // DRAW_BATCHES
    return draws[: size * DRAW_BATCHES].reshape(size, DRAW_BATCHES, -1).swapaxes(0, 1)


Points = list[list[tuple[np.ndarray, np.ndarray]]]
"""Rationalities and their shares, by batch and hypothesis."""


@as_made
def rationality_points(
    tree: xr.DataTree, settings: dict[str, Any] | None, rationality: Any, n: int
) -> tuple[Points, np.ndarray | None] | None:
    """Return points of the rationality of choices, and scales ``s_h`` (hypothesis,).

    The result is None where no choices are asked for. The scales are None where ``rationality`` is given.

    Parameters
    ----------
    settings : dict or None
        Settings of the tree's choices. Their rationality is used where ``rationality`` is None.
    """
    if rationality is not None:
        return [[betas_of(rationality)] * n], None
    if settings is None:
        return None
    name = settings["name"]
    scales = in_order(tree, "constant_data")[f"{name}_scale"].to_numpy()
    if not isinstance(settings["rationality"], list):
        return [[(np.array([float(settings["rationality"])]), np.ones(1))] * n], scales
    draws = in_order(tree, "posterior")[f"{settings.get('human') or name}_rationality"].to_numpy().reshape(-1, n)
    return [[_gauss(batch[:, h]) for h in range(n)] for batch in _batches(draws)], scales


def _gauss(betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss's quadrature rule for the logarithms of draws, by Lanczos.

    The rule is exact for polynomials of degree ``2 * GAUSS_NODES - 1`` in the logarithms.
    """
    logs = np.log(betas)
    basis = [np.full(len(logs), len(logs) ** -0.5)]
    diagonal, beside = [], []
    for _ in range(GAUSS_NODES):
        step = logs * basis[-1]
        diagonal.append(float(basis[-1] @ step))
        for vector in (*basis, *basis):  # twice, so that they stay orthogonal
            step = step - (vector @ step) * vector
        length = float(np.linalg.norm(step))
        if length < 1e-10 * max(float(np.abs(logs).max()), 1.0):
            break
        beside.append(length)
        basis.append(step / length)
    beside = beside[: len(diagonal) - 1]
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return np.exp(nodes), vectors[0] ** 2


def valued(case: Case, tree: xr.DataTree, candidates: Any) -> Valuation:
    """Return rewards and failure line of the candidates under the judge's hypotheses.

    Raises InputError where a column is lacking.
    """
    hypotheses = case.posterior.hypotheses
    table = tested(candidates, tree)
    if problems := check_columns([(table, hypotheses.expressions())]):
        raise InputError(problems)
    return Valuation(hypotheses, table, case.valuation.line.only(range(len(hypotheses.names))))


def labels(valuation: Valuation, wrong: np.ndarray) -> Queries:
    """Return the question "is this item better than failing?" of each item.

    Items that are failing are left out. The answers are yes and no.
    """
    n, table = len(valuation.hypotheses), valuation.table
    good = np.empty((table.n_items, n), bool)
    for block in valuation.blocks():
        for h in range(n):
            good[block.items.ravel(), h] = block.better(h).ravel()
    failing = table.failing()
    keep = np.ones(table.n_items, bool) if failing is None else ~failing
    yes = np.where(good[keep][None], 1 - wrong[:, None, :], wrong[:, None, :])
    scene, option = _places(table)
    scene, option = scene[keep], option[keep]
    return Queries(
        "label",
        tuple(f"is {_place(s, o)} better than failing?" for s, o in zip(scene, option, strict=True)),
        tuple(scene),
        tuple(option),
        np.stack([yes, 1 - yes], axis=2),
        True,
    )


def _places(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the names of the scene and of the option of each item.

    Returns "" where there are no options.
    """
    widths = np.diff(table.starts)
    scene = np.repeat(np.array([table.scene_name(m) for m in range(table.n_scenes)]), widths)
    if not table.has_options:
        return scene, np.full(table.n_items, "")
    if table.option_names is not None:
        return scene, np.array([table.option_names.text(i) for i in range(table.n_items)])
    return scene, (np.arange(table.n_items) - np.repeat(table.starts[:-1], widths)).astype(str)


def _place(scene: str, option: str) -> str:
    return f"item {scene}" if option == "" else f"option {option} of scene {scene}"


def choices(valuation: Valuation, betas: Points, scales: np.ndarray | None) -> Queries:
    """Return the question "which option of this scene?" of each scene with several.

    The answers are its options.
    """
    n, table = len(valuation.hypotheses), valuation.table
    s = np.asarray(within_scene_scale(valuation) if scales is None else scales, float)
    asked = np.flatnonzero(np.diff(table.starts) > 1)
    width = int(np.diff(table.starts).max())
    chance = np.zeros((len(betas), len(asked), width, n))
    for h in range(n):
        worth = laid_out(valuation, h)[asked]
        for b, batch in enumerate(betas):
            for beta, share in zip(*batch[h], strict=True):
                odds = odds_of_options(worth, beta / s[h] if s[h] > 0 else 0.0)
                chance[b, :, :, h] += share * odds / odds.sum(axis=-1, keepdims=True)
    names = tuple(str(table.scene_name(int(m))) for m in asked)
    return Queries(
        "choice", tuple(f"which option of scene {m}?" for m in names), names, ("",) * len(names), chance, True
    )


def judgements(posterior: Posterior, informs_agent: bool) -> Queries:
    """Return a question for each pair of hypotheses: which is likelier to be meant.

    The answers are the first and the second hypothesis.
    """
    hypotheses, n = posterior.hypotheses, len(posterior.weights)
    mean = np.zeros(n)
    first = np.zeros((n, n, n))  # E[pi_h pi_i / (pi_i + pi_j)] at (i, j, h)
    for share, part in posterior.prior.parts():
        weights = part.weights_of(hypotheses)
        mean += share * weights
        first += share * _preferred(part, weights, part.weighted_draws(hypotheses))
    with np.errstate(invalid="ignore", divide="ignore"):
        chosen = np.where(mean > 0, first / np.where(mean > 0, mean, 1.0), 0.5)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if posterior.weights[i] > 0 and posterior.weights[j] > 0]
    chance = np.array([[chosen[i, j], chosen[j, i]] for i, j in pairs]).reshape(1, len(pairs), 2, n)
    names = hypotheses.names
    words = tuple(f"is {names[i]!r} or {names[j]!r} likelier to be what people mean?" for i, j in pairs)
    return Queries("values", words, ("",) * len(pairs), ("",) * len(pairs), chance, informs_agent)


def _preferred(part: Prior, weights: np.ndarray, draws: Any) -> np.ndarray:
    """Return ``E[pi_h pi_i / (pi_i + pi_j)]`` of one opinion, shape (i, j, h).

    For i and j without weight the entry is half of ``E[pi_h]``.
    """
    n = len(weights)
    if draws is not None:
        out = np.zeros((n, n, n))
        for pi, chance in zip(draws.pi, draws.chance, strict=True):
            out += chance * _of_two(pi)[:, :, None] * pi
        return out
    if part.strength is None:
        return _of_two(weights)[:, :, None] * weights
    a = part.strength * weights
    both = a[:, None] + a[None, :]
    out = _of_two(a)[:, :, None] * weights  # h is neither: its share has nothing to do with who of the two is preferred
    i, j = np.ogrid[:n, :n]
    apart = np.broadcast_to((i != j) & (both > 0), (n, n))
    rows, columns = np.nonzero(apart)
    for h, more in ((np.broadcast_to(i, (n, n)), 1.0), (np.broadcast_to(j, (n, n)), 0.0)):
        value = weights[h] * (a[:, None] + more) / (both + 1.0)
        out[rows, columns, h[rows, columns]] = value[rows, columns]
    return out


def _of_two(pi: np.ndarray) -> np.ndarray:
    """Return ``pi_i / (pi_i + pi_j)``, shape (i, j); 1/2 where both are 0."""
    both = pi[:, None] + pi[None, :]
    return np.where(both > 0, pi[:, None] / np.where(both > 0, both, 1.0), 0.5)
