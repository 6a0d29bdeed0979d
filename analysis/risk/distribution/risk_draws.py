"""Draws of the catastrophe risk, and the variance that each source explains."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.random_streams import substream

SOURCES = ("values", "agent", "reward_weights", "scenes", "evidence")
"""What leaves the risk open: see `risk_draws`."""
BATCHES = 20
"""Batches of draws, whose spread is the Monte Carlo error of a variance."""


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
    effective : int
        Number of independent draws behind ``all``, for the errors of its quantiles.
    """

    all: np.ndarray
    by_source: Mapping[str, np.ndarray]
    without: Mapping[str, np.ndarray]
    effective: int

    def variance(self, source: str) -> dict[str, float]:
        """Return the first-order and total variance of a source, with their errors.

        ``first = Var(E[R | source])`` and ``total = Var(R) - Var(E[R | all others])``; of ``all`` both are ``Var(R)``.
        """
        if source == "all":
            whole, error = _with_error(self.all, np.zeros(2))
            return {"first": whole, "total": whole, "first_mcse": error, "total_mcse": error}
        if source not in self.by_source:
            return dict.fromkeys(("first", "total", "first_mcse", "total_mcse"), 0.0)
        alone, rest = self.by_source[source], self.without[source]
        first, total = (_with_error(*pair) for pair in ((alone, np.zeros(2)), (self.all, rest)))
        return {"first": first[0], "total": total[0], "first_mcse": first[1], "total_mcse": total[1]}

    def with_evidence_error(self, seed: int, mean: float, error: float) -> "RiskDraws":
        """Return the draws with one more source, ``evidence``.

        This source is the Monte Carlo error of the risk.
        """
        moved = substream(seed, "doubt about the evidence").normal(0.0, error, len(self.all))
        return RiskDraws(
            all=np.clip(self.all + moved, 0.0, 1.0),
            by_source={**self.by_source, "evidence": mean + moved},
            without={**{source: rest + moved for source, rest in self.without.items()}, "evidence": self.all},
            effective=self.effective,
        )


def _with_error(draws: np.ndarray, less: np.ndarray) -> tuple[float, float]:
    """Return ``Var(draws) - Var(less)``, at least 0, and its Monte Carlo error.

    The error comes from batches of draws.
    """
    batches = zip(np.array_split(draws, BATCHES), np.array_split(less, BATCHES), strict=True)
    apart = [np.var(a) - (np.var(b) if len(b) else 0.0) for a, b in batches]
    return max(float(np.var(draws) - np.var(less)), 0.0), float(np.std(apart, ddof=1)) / math.sqrt(BATCHES)


def draws_of_matrix(
    matrix: np.ndarray,
    agent: np.ndarray,
    agents: np.ndarray | None,
    judge: np.ndarray,
    judges: np.ndarray | None,
    n: int,
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
    """
    known = {"values": judges, "agent": agents}
    w = agent[None] if agents is None else agents
    v = judge[None] if judges is None else judges
    by_values = np.broadcast_to((agent @ matrix) @ v.T, n)
    by_agent = np.broadcast_to(w @ (matrix @ judge), n)
    other = {"values": by_agent, "agent": by_values}
    alone = {"values": by_values, "agent": by_agent}
    sources = [source for source, weights in known.items() if weights is not None]
    return RiskDraws(
        all=np.broadcast_to(((w @ matrix) * v).sum(axis=1), n),
        by_source={source: alone[source] for source in sources},
        without={source: other[source] for source in sources},
        effective=n,
    )
