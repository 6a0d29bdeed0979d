"""Intervals and variances of the catastrophe risk by source of doubt."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.risk.distribution.open_sources import risk_draws
from reward_hypotheses.analysis.risk.distribution.risk_draws import ALL, SOURCES, RiskDraws
from reward_hypotheses.analysis.risk.intervals import ends_of
from reward_hypotheses.analysis.rollout import scene_weights

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.analysis.risk.distribution.risk_dataset import RiskDataset

NAMES = (*SOURCES, ALL)
"""Sources in the results, and all together."""


@dataclass(frozen=True, eq=False)
class Doubt:
    """Draws of the risk of a case, and what follows from them.

    Attributes
    ----------
    draws : RiskDraws
    mean, prob : float
        The risk, and the probability of its intervals.
    unknown : tuple of str
        Sources of which nobody knows what they leave open: values without a strength, and a test of one scene.
    """

    draws: RiskDraws
    mean: float
    prob: float
    unknown: tuple[str, ...]

    def interval(self, source: str) -> dict[str, float] | None:
        """Return the equal-tailed interval of the risk, and the errors of its ends.

        Parameters
        ----------
        source : str
            One of `SOURCES`, the others averaged; or ``all``. A source that leaves nothing open gives a point, an unknown
            one None, and so does ``all`` where nothing else is open.
        """
        if self._is_unknown(source):
            return None
        if source == ALL:
            return ends_of(self.draws.all, self.prob, self._worth(ALL))
        if source not in self.draws.by_source:
            return {"lower": self.mean, "upper": self.mean, "mcse_lower": 0.0, "mcse_upper": 0.0}
        draws = self.draws.by_source[source]
        return ends_of(draws[: self.draws.distinct.get(source, len(draws))], self.prob, self._worth(source))

    def _worth(self, source: str) -> int:
        """Return the number of independent draws that those of a source are worth."""
        distinct = self.draws.distinct.get(source, len(self.draws.all))
        return max(2, int(distinct / self.draws.inflation.get(source, 1.0)))

    def variance(self, source: str) -> dict[str, float] | None:
        """Return the first-order and total variance of a source, with errors.

        Returns None for an unknown source.
        """
        return None if self._is_unknown(source) else self.draws.variance(source)

    def _is_unknown(self, source: str) -> bool:
        """Return whether nobody knows what a source leaves open.

        Of all together: nothing that is known leaves anything open, and something is unknown.
        """
        return source in self.unknown or (source == ALL and bool(self.unknown) and not self.draws.by_source)

    def with_evidence_error(self, case: Case, error: float) -> "Doubt":
        """Return it with the Monte Carlo error of the risk as one more source."""
        return replace(self, draws=self.draws.with_evidence_error(case.seed, self.mean, error)) if error > 0 else self


def doubt_of(case: Case, draws: RiskDraws | None = None) -> Doubt:
    """Return the draws of the risk of a case, and what follows from them.

    The Monte Carlo error of sampled evidence is not among the sources yet.

    Parameters
    ----------
    draws : RiskDraws, optional
        In place of those that the agent's own prior gives.
    """
    unknown = [] if case.posterior.prior.uncertain else ["values"]
    if np.count_nonzero(scene_weights(case.valuation)[0]) < 2:
        unknown.append("scenes")
    return Doubt(risk_draws(case) if draws is None else draws, case.risk.mean, case.settings.prob, tuple(unknown))


def with_sources(out: "xr.Dataset", doubt: Doubt) -> "RiskDataset":
    """Return a Dataset with draws of the risk, its intervals and variances.

    Adds ``catastrophe_rate`` over the Dataset's dims of draws; ``interval`` (source, bound); ``variance`` (source, order); and
    ``interval_mcse`` and ``variance_mcse``, their Monte Carlo errors. NaN of an unknown source.
    """
    from reward_hypotheses.analysis.risk.distribution.risk_dataset import RiskDataset

    nowhere = dict.fromkeys(("lower", "upper", "mcse_lower", "mcse_upper"), np.nan)
    ends = [doubt.interval(source) or nowhere for source in NAMES]
    nothing = dict.fromkeys(("first", "total", "first_mcse", "total_mcse"), np.nan)
    parts = [doubt.variance(source) or nothing for source in NAMES]
    dims = [dim for dim in ("chain", "draw") if dim in out.sizes]
    shape = [out.sizes[dim] for dim in dims]
    return (
        RiskDataset(out.data_vars, out.coords, out.attrs)
        .assign(
            catastrophe_rate=(dims, doubt.draws.all[: math.prod(shape)].reshape(shape)),
            interval=(("source", "bound"), [[end["lower"], end["upper"]] for end in ends]),
            interval_mcse=(("source", "bound"), [[end["mcse_lower"], end["mcse_upper"]] for end in ends]),
            variance=(("source", "order"), [[part["first"], part["total"]] for part in parts]),
            variance_mcse=(("source", "order"), [[part["first_mcse"], part["total_mcse"]] for part in parts]),
        )
        .assign_coords(source=list(NAMES), bound=["lower", "upper"], order=["first", "total"])
    )


def largest_source(doubt: Doubt) -> str | None:
    """Return the source with the greatest total variance.

    Returns None where no source leaves anything open, or where it exceeds the next by less than two Monte Carlo errors.
    """
    parts = {source: doubt.draws.variance(source) for source in doubt.draws.by_source}
    nothing = {"total": 0.0, "total_mcse": 0.0}
    first, second, *_ = *sorted(parts.values(), key=lambda part: -part["total"]), nothing, nothing
    error = 2 * math.hypot(first["total_mcse"], second["total_mcse"]) if second["total"] > 0 else 0.0
    if first["total"] - second["total"] <= error:
        return None
    return max(parts, key=lambda source: parts[source]["total"])
