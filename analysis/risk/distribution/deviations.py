"""Deviations of outcomes from an agent's choices: slips and discrepancies."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.distribution.discrepancy import shifted
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann, InferredBoltzmann
from reward_hypotheses.models.policies.quantilize import Quantilize


@dataclass(frozen=True, eq=False)
class Deviations:
    """Deviations of outcomes from the chance that the agent's choices give.

    Attributes
    ----------
    slip : ndarray (draw,) or None
        Chance that an option that is no catastrophe ends in one all the same.
    shift : ndarray (draw,) or None
        Of the log odds of each scene's chance.
    """

    slip: np.ndarray | None
    shift: np.ndarray | None

    @property
    def any(self) -> bool:
        """Whether there is a deviation."""
        return self.slip is not None or self.shift is not None

    def applied(self, draws: slice, chance: np.ndarray) -> np.ndarray:
        """Return the chance of a catastrophe with its deviations: (draw, episode)."""
        if self.shift is not None:
            chance = shifted(chance, self.shift[draws, None])
        return chance + (1 - chance) * self.slip[draws, None] if self.slip is not None else chance


def deviations_of(slips: Any, discrepancy: Any, draws: int, policy: Policy, seed: int) -> Deviations:
    """Return the deviations that were stated, by draw; InputError for a wrong one."""
    if discrepancy is not None and not isinstance(policy, (Boltzmann, InferredBoltzmann, Quantilize)):
        raise InputError(
            f"discrepancy: policy {policy.name!r} never errs, so that no shift of its log odds says what it does; give a policy that "
            "errs, such as rh.Boltzmann('inferred')"
        )
    slip = shift = None
    if slips is not None:
        try:
            failed, trials = slips
        except (TypeError, ValueError):
            raise InputError(
                f"slips: {shown(slips)}; give two numbers, catastrophes and trials, such as (3, 1000)"
            ) from None
        failed, trials = whole(failed, "slips", 0), whole(trials, "slips", 0)
        if failed > trials:
            raise InputError(f"slips: {failed} catastrophes of {trials} trials; give at most as many as trials")
        slip = substream(seed, "slips").beta(failed + 0.5, trials - failed + 0.5, draws)
    if discrepancy is not None:
        values = np.asarray(discrepancy)
        if values.ndim != 1 or not values.size or values.dtype.kind not in "fi" or not np.isfinite(values).all():
            raise InputError(
                f"discrepancy: {shown(discrepancy)}; give draws of one agent's shift, such as rh.estimate_discrepancy(...)['shift'][0]"
            )
        shift = np.resize(values.astype(float), draws)
    return Deviations(slip, shift)
