"""Rankings: the options of a scene in order of preference.

A ranking may be partial, and may have ties.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.boltzmann.likelihood import log_sum_inside, times_beta
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.feedback.boltzmann.tied_ranks import in_any_order
from reward_hypotheses.models.inference.nuisance_priors import Theta

LARGEST_TIE = 12


@dataclass(frozen=True, eq=False)
class Rankings(SceneChoice):
    """Rankings: 1 for the best option of its scene, then 2, and so on.

    The best option is chosen, then the best of the remaining options (Plackett-Luce):
    ``p(ranking) = prod_k exp(beta r(o_k) / s_h) / sum over remaining options exp(beta r / s_h)`` (Plackett 1975).

    The order of tied options was not observed, so the likelihood sums over their orders, up to twelve options in a
    tie. A tie for the last place costs nothing: a ranking of the top k has all other options tied last. An option
    with an empty cell was not ranked, and is left out.

    Parameters
    ----------
    table, column, name
        As for every feedback; the table has options, and the column holds whole numbers from 1 on, or nothing.
    missing : {"error", "drop"}
        The treatment of a missing feature; a missing rank is no error.
    rationality, scale, human
        As for every rational kind.
    """

    kind: ClassVar[str] = "rankings"
    by_rater: ClassVar[bool] = True

    @override
    def usable(self) -> np.ndarray | None:
        """Leave out options without a rank.

        With ``missing="drop"``, options that lack a feature are left out too.
        """
        gone = self.unsaid()
        if self.missing == "drop":
            gone = gone | self._incomplete()
        if gone.all():
            raise InputError(
                f"{self.table.source}: column {self.column!r} is empty in every row; rankings need at least one rank"
            )
        return ~gone if gone.any() else None

    @property
    @override
    def dropped(self) -> int:
        """Number of ranked items that lack a feature; items without a rank are no loss."""
        return 0 if self.used is None else int((~self.used & ~self.unsaid()).sum())

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        """Ranks (unit, option); 0 where there is no option."""
        table = self.items
        ranks = table.numbers(self.column).astype(float)
        wrong = (ranks < 1) | (ranks != np.floor(ranks)) | (ranks > 1e9)
        right = "a rank is a whole number from 1 (the best) on, or empty where it was not given"
        self._refuse_cells(self.column, ranks, wrong, right)
        grid = self.grid(ranks, 0.0)
        for unit, members in _ties(grid):
            if len(members) > LARGEST_TIE:
                raise InputError(
                    f"{table.source}: scene {table.scene_name(int(self.units[unit]))}: {len(members)} options tie before the last "
                    f"place; up to {LARGEST_TIE} can"
                )
        return grid

    @cached_property
    @override
    def idle(self) -> np.ndarray:
        """Scenes in which all ranks are equal: (unit,) of bool."""
        ranks = np.where(self.inside, self.observed, np.nan)
        return np.asarray(np.nanmax(ranks, axis=1) == np.nanmin(ranks, axis=1))

    @cached_property
    def ties(self) -> list[tuple[int, np.ndarray]]:
        """Ties before the last place: the unit, and the options of each tie."""
        return _ties(self.observed)

    @property
    @override
    def sampling_problem(self) -> str | None:
        if not self.ties:
            return super().sampling_problem
        return (
            f"{self.name}: ties before the last place are summed over their orders exactly; NUTS and PyMC do not take them, so "
            "use method = 'auto'"
        )

    @override
    def as_stages(self, answers: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:
        return Stages(answers, inside, counts)

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        inside = inputs > -np.inf
        beta = self.beta(theta)
        z = (beta if isinstance(beta, float) else beta[..., None]) * xp.where(inside, inputs, 0.0)
        if xp is np:
            left = _left(np.where(inside, z, -np.inf), np.where(inside, observed, np.inf))
        else:  # pair by pair, for a graph has no sorting by data
            not_before = (observed[..., None, :] >= observed[..., :, None]) & inside[..., None, :]
            left = log_sum_inside(z[..., None, :], not_before, xp)
        costs = inside & (observed < observed.max(axis=-1, keepdims=True))
        total = xp.where(costs, z - left, 0.0).sum(axis=-1)
        if xp is not np:
            return total
        for unit, members in _ties(np.asarray(observed)) if np.ndim(observed) == 2 else []:
            later = inside[unit] & (observed[unit] > observed[unit, members[0]])
            rest = np.logaddexp.reduce(z[..., unit, later], axis=-1)
            tied = z[..., unit, members]
            total[..., unit] += in_any_order(tied, rest) - (tied - left[..., unit, members]).sum(axis=-1)
        return total

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        """Rank by noisy worth, with the ties and the length of the observed ranking."""
        return self.replicate_units(inputs, theta, n, rng, np.arange(len(self.units)))

    @override
    def replicate_units(
        self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator, units: np.ndarray
    ) -> np.ndarray:
        z = times_beta(self.beta(theta), inputs, n)
        order = np.argsort(-(z + rng.gumbel(size=z.shape)), axis=-1, kind="stable")
        ranks = self.observed[units]
        best_first = np.sort(np.where(ranks > 0, ranks, np.inf), axis=1)
        out = np.zeros(z.shape)
        np.put_along_axis(out, order, np.broadcast_to(best_first, z.shape), axis=-1)
        return np.where(inputs > -np.inf, out, 0.0)

    @override
    def stages(self, inputs: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return each choice of the best remaining option.

        Choices inside a tie are left out.
        """
        inside = inputs > -np.inf
        alone = (answers[:, None, :] == answers[:, :, None]).sum(axis=-1) == 1
        unit, option = np.nonzero(inside & alone & (answers < answers.max(axis=1, keepdims=True)))
        left = inside[unit] & (answers[unit] >= answers[unit, option][:, None])
        picked = np.zeros(left.shape)
        picked[np.arange(len(unit)), option] = 1.0
        return np.where(left, inputs[unit], -np.inf), picked, unit


def _left(z: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return ``log sum exp(z)`` over the options ranked no better than each.

    Shape (..., option).
    """
    order = np.argsort(ranks, axis=-1, kind="stable")
    sorted_ranks = np.take_along_axis(ranks, order, axis=-1)
    places = np.broadcast_to(order, z.shape)
    ahead = np.take_along_axis(z, places, axis=-1)[..., ::-1]
    with np.errstate(invalid="ignore"):
        behind = np.logaddexp.accumulate(ahead, axis=-1)[..., ::-1]
    index = np.arange(z.shape[-1])
    starts = np.concatenate(
        [np.ones((*sorted_ranks.shape[:-1], 1), bool), sorted_ranks[..., 1:] > sorted_ranks[..., :-1]], axis=-1
    )
    # tied options leave what the first of them leaves
    first = np.maximum.accumulate(np.where(starts, index, 0), axis=-1)
    out = np.empty(z.shape)
    np.put_along_axis(out, places, np.take_along_axis(behind, np.broadcast_to(first, z.shape), axis=-1), axis=-1)
    return out


def _ties(ranks: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Return the options that tie before the last place of their scene, tie by tie."""
    out = []
    last = ranks.max(axis=1, keepdims=True)
    same = (ranks[:, :, None] == ranks[:, None, :]) & (ranks[:, :, None] > 0) & (ranks[:, :, None] < last[:, :, None])
    for unit in np.flatnonzero((same.sum(axis=2) > 1).any(axis=1)):
        for rank in sorted(set(ranks[unit][ranks[unit] > 0].tolist())):
            members = np.flatnonzero(ranks[unit] == rank)
            if len(members) > 1 and rank < last[unit, 0]:
                out.append((int(unit), members))
    return out
