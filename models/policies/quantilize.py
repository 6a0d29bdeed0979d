"""Quantilize: draw from the best share of what somebody ordinary would do."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numbers import finite
from reward_hypotheses.models.policies.base import Policy, View

BASES = ("uniform",)


@dataclass(frozen=True)
class Quantilize(Policy):
    """Draw one hypothesis, then an option from the base distribution restricted to its best q share.

    Options are taken from the best down until their base mass is q, the boundary option in part, tied ones alike (Taylor
    2016). An option is then at most 1/q times as likely as under the base, and so is a catastrophe, whatever is true.
    ``q = 1`` is the base, and towards 0 it is `Commit`. An agent that may abstain does so in place of an option that it
    finds worse than failing, and half of the time in place of one that is just as good; abstaining has no share of the base.

    Parameters
    ----------
    q : float
        The best share, above 0 and up to 1.
    base : "uniform"
        Every available option alike.
    abstain : bool
    """

    q: float
    base: str = "uniform"

    def __post_init__(self) -> None:
        q = finite(self.q)
        problems = []
        if q is None or not 0 < q <= 1:
            problems.append(f"q: {shown(self.q)}; give the best share of the base, above 0 and up to 1")
        if self.base not in BASES:
            problems.append(f'base: {shown(self.base)}; there is "uniform", every available option alike')
        if problems:
            raise InputError(problems)

    def certain(self, view: View, h: int) -> np.ndarray:  # noqa: D102
        whole = view.worth(h)
        worth = whole[: len(whole) - view.abstain]
        tolerance = np.asarray(view.tolerance[h])
        order = np.argsort(-worth, axis=0, kind="stable")
        ordered = np.take_along_axis(worth, order, axis=0)
        there = ordered > -np.inf
        base = there / np.maximum(there.sum(axis=0), 1)
        with np.errstate(invalid="ignore"):  # two options that are not there
            new = np.vstack([np.ones((1, ordered.shape[1]), bool), ordered[:-1] - ordered[1:] > tolerance])
        group = np.cumsum(new, axis=0) - 1  # of tied options, from the best down
        mass = np.zeros(ordered.shape)
        scenes = np.broadcast_to(np.arange(ordered.shape[1]), ordered.shape)
        np.add.at(mass, (group, scenes), base)
        before = np.cumsum(mass, axis=0) - mass
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.nan_to_num(np.clip(self.q - before, 0.0, mass) / mass)
        taken = base * np.take_along_axis(share, group, axis=0)
        out = np.zeros(whole.shape)
        np.put_along_axis(out[: len(worth)], order, taken, axis=0)
        out /= np.maximum(out.sum(axis=0), 1e-300)
        if view.abstain:
            failing = whole[-1]
            kept = np.where(worth > failing + tolerance, 1.0, np.where(worth < failing - tolerance, 0.0, 0.5))
            out[:-1] *= kept
            out[-1] = 1.0 - out[:-1].sum(axis=0)
        return out
