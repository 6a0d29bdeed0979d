"""Criteria for trust in samples: R-hat, effective sample size, divergences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


class NotTrustedError(RuntimeError):
    """The numbers cannot be trusted; the message says which and why.

    Attributes
    ----------
    problems : tuple of str
    tree : xarray.DataTree or None
        The tree that `fit` sampled, to look at; None elsewhere.
    """

    def __init__(self, problems: str | Iterable[str], tree: Any = None) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.tree = tree
        super().__init__("\n".join(self.problems))


R_HAT, ESS = 1.01, 400.0
"""Gates: a sampled variable is trusted up to this R-hat and from this effective sample size (bulk and tail) on."""
LEAST_DRAWS, LEAST_CHAINS, TUNE = 1000, 4, 1000
ATTEMPTS = ((0.9, 1), (0.99, 1), (0.995, 4))
"""Target acceptance and the factor on draws; a later one is tried where an earlier one does not pass the gates."""
STATS = {
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "depth": "tree_depth",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "mean_tree_accept": "acceptance_rate",
}
"""nutpie's names of what a sampler reports, and ArviZ's."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """Diagnostics of a run of NUTS.

    Attributes
    ----------
    stats : dict of str to ndarray (chain, draw)
        ArviZ's names: diverging, energy, lp, tree_depth, n_steps, step_size, acceptance_rate.
    divergences : int
    r_hat, ess : float
        The worst of any sampled variable that is not constant; ess the smaller of bulk and tail (Vehtari et al. 2021).
    target_accept : float
    problems : tuple of str
        Why the draws cannot be trusted, in words; empty where they can.
    """

    stats: Mapping[str, np.ndarray]
    divergences: int
    r_hat: float
    ess: float
    target_accept: float
    problems: tuple[str, ...]


def judged(sampled: Mapping[str, np.ndarray], stats: Mapping[str, np.ndarray], accept: float | None) -> Sampler:
    """Return diagnostics of draws (chain, draw), by the variables' names in messages."""
    from arviz_stats.base import array_stats

    problems = []
    divergences = int(stats["diverging"].sum())
    if divergences:
        at = "" if accept is None else f", at target acceptance {accept}"
        problems.append(f"{divergences} of {stats['diverging'].size} NUTS draws diverged{at}")
    worst_r, worst_ess = 1.0, np.inf
    for which, draws in sampled.items():
        if np.ptp(draws) == 0:
            continue
        r_hat = float(array_stats.rhat(draws, chain_axis=0, draw_axis=1))
        bulk = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk"))
        tail = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="tail", prob=0.9))
        worst_r, worst_ess = max(worst_r, r_hat), min(worst_ess, bulk, tail)
        if not r_hat <= R_HAT:
            problems.append(f"R-hat of {which} is {r_hat:.4g}, above {R_HAT}")
        if not min(bulk, tail) >= ESS:
            problems.append(f"effective sample size of {which} is {min(bulk, tail):.0f}, below {ESS:.0f}")
    return Sampler(stats, divergences, worst_r, worst_ess, np.nan if accept is None else accept, tuple(problems))
