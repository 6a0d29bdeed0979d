"""Draws of the catastrophe risk, and the variance that each source explains."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.random_streams import substream

SOURCES = ("values", "agent", "reward_weights", "scenes", "evidence")
"""What leaves the risk open: see `risk_draws`."""
ALL = "all"
ROUNDING = 1e-12
"""Risks that differ by less are the same."""
GROUPS = 20
"""Groups of draws that are left out in turn for the Monte Carlo error of a variance."""


@dataclass(frozen=True, eq=False)
class RiskDraws:
    """Draws of the risk ``R = sum_m s_m sum_o A[m, o] sum_j v_j K_j[m, o]``.

    Attributes
    ----------
    all : ndarray (draw,)
        With every source drawn at once.
    by_source : dict of str to ndarray (draw,)
        ``E[R | source]``: one source drawn, the average over the others. A source that leaves nothing open is left out.
    without : dict of str to ndarray (draw,)
        ``E[R | all other sources]``: one source averaged, the others drawn as in ``all``.
    distinct : dict of str to int
        Number of draws of a reward behind a source, or behind ``all``, that are used again and again; all draws differ where
        a source is not named.
    inflation : dict of str to float
        Factor by which their dependence inflates the variance of an average; 1 where a source is not named.
    """

    all: np.ndarray
    by_source: Mapping[str, np.ndarray]
    without: Mapping[str, np.ndarray]
    distinct: Mapping[str, int]
    inflation: Mapping[str, float]

    def variance(self, source: str) -> dict[str, float]:
        """Return the first-order and total variance of a source, with their errors.

        ``first = Var(E[R | source])`` and ``total = Var(R) - Var(E[R | all others])``; of ``all`` both are ``Var(R)``.
        """
        if source == ALL:
            first = total = self._variance(self.all, None, ALL)
        elif source in self.by_source:
            first = self._variance(self.by_source[source], None, source)
            total = self._variance(self.all, self.without[source], ALL)
        else:
            first = total = 0.0, 0.0
        return {"first": first[0], "total": total[0], "first_mcse": first[1], "total_mcse": total[1]}

    def _variance(self, draws: np.ndarray, less: np.ndarray | None, source: str) -> tuple[float, float]:
        """Return ``Var(draws) - Var(less)``, at least 0, and its Monte Carlo error.

        The error is that of the jackknife over groups of draws, none of which shares a draw of a reward with another.
        """

        def of(draws: np.ndarray, less: np.ndarray | None) -> float:
            return _var(draws) - (0.0 if less is None else _var(less))

        distinct = self.distinct.get(source, len(draws))
        groups = (np.arange(len(draws)) % distinct) * min(GROUPS, distinct) // distinct
        n = int(groups.max()) + 1
        left = [of(draws[groups != k], None if less is None else less[groups != k]) for k in range(n)]
        return max(of(draws, less), 0.0), math.sqrt((n - 1) * float(np.var(left)) * self.inflation.get(source, 1.0))

    def with_evidence_error(self, seed: int, mean: float, error: float) -> "RiskDraws":
        """Return the draws with one more source, ``evidence``.

        This source is the Monte Carlo error of the risk.
        """
        moved = substream(seed, "doubt about the evidence").normal(0.0, error, len(self.all))

        def clipped(draws: np.ndarray | float) -> np.ndarray:
            return np.clip(draws + moved, 0.0, 1.0)

        return RiskDraws(
            all=clipped(self.all),
            by_source={**self.by_source, "evidence": clipped(mean)},
            without={**{source: clipped(rest) for source, rest in self.without.items()}, "evidence": self.all},
            distinct=self.distinct,
            inflation=self.inflation,
        )


def _var(draws: np.ndarray) -> float:
    """Return the variance of draws, 0 where only rounding differs."""
    return 0.0 if np.ptp(draws) < ROUNDING else float(np.var(draws))


def unrounded(draws: np.ndarray, mean: float) -> np.ndarray:
    """Return draws of the risk (draw,), or its mean where only rounding differs."""
    return np.full(len(draws), mean) if np.ptp(draws) < ROUNDING else draws


def draws_of_matrix(
    matrix: np.ndarray,
    agent: np.ndarray,
    agents: np.ndarray | None,
    judge: np.ndarray,
    judges: np.ndarray | None,
    n: int,
    worth: int | None = None,
) -> RiskDraws:
    """Return n draws of ``w' C v``, where no scene is drawn.

    Parameters
    ----------
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        ``C``.
    agent, judge : ndarray (hypothesis,)
        The mean weights.
    agents, judges : ndarray (draw, hypothesis) or None
        Their draws; None where nothing leaves them open.
    worth : int, optional
        Number of independent draws that those of the judge are worth; n unless given.
    """
    known = {"values": judges, "agent": agents}
    w = agent[None] if agents is None else agents
    v = judge[None] if judges is None else judges
    by_values = np.broadcast_to((agent @ matrix) @ v.T, n)
    by_agent = np.broadcast_to(w @ (matrix @ judge), n)
    other = {"values": by_agent, "agent": by_values}
    alone = {"values": by_values, "agent": by_agent}
    mean = float(agent @ matrix @ judge)
    sources = [source for source, weights in known.items() if weights is not None]
    return RiskDraws(
        all=unrounded(np.broadcast_to(((w @ matrix) * v).sum(axis=1), n), mean),
        by_source={source: unrounded(alone[source], mean) for source in sources},
        without={source: unrounded(other[source], mean) for source in sources},
        distinct={},
        inflation=dict.fromkeys(("values", ALL), 1.0 if worth is None else n / worth),
    )
