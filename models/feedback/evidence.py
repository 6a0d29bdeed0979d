"""Evidence: what a feedback says of each hypothesis, and how well the hypotheses fit it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one feedback says about each hypothesis.

    Attributes
    ----------
    log_evidence : ndarray (hypothesis,)
        ``log integral p(D | r_h, theta) p(theta) dtheta``, nats; -inf where the data are impossible.
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class have the same likelihood whatever is said about these items: this feedback is silent
        between them, and their evidence is one number, computed once.
    n_items : int
        Answers that were used: items, or scenes, or steps, each as often as its count says.
    statistics : ndarray (hypothesis, k)
        The sufficient statistics of kinds that have some, in the order of the kind.
    mcse : ndarray (hypothesis,)
        Monte Carlo error of the log evidence, one error a class; 0 where it is exact.
    draws : dict of str to ndarray (chain, draw, hypothesis), optional
        Draws of the nuisances from ``p(theta | D, h)`` where they were sampled; None where draws are made exactly.
    method : {"exact", "laplace", "smc", "nuts"}
    """

    log_evidence: np.ndarray
    classes: np.ndarray
    n_items: int
    statistics: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mcse: np.ndarray = field(default_factory=lambda: np.zeros(0))
    draws: Mapping[str, np.ndarray] | None = None
    method: str = "exact"

    def __post_init__(self) -> None:
        if not self.mcse.size:
            object.__setattr__(self, "mcse", np.zeros(len(self.log_evidence)))


@dataclass(frozen=True)
class Check:
    """A posterior predictive check: how often data made by the model look as bad as these.

    Attributes
    ----------
    statistic : float
        Of the data, under the leading hypothesis.
    p : float
        Share of replications whose statistic is at least the data's (Gelman, Meng and Stern 1996); ``mcse`` its
        Monte Carlo error.
    what : str
        The statistic in words.
    replicated : ndarray (replication,)
        The statistic of each replication.
    misfit : tuple of str
        What does not fit, in words; empty where nothing is wrong.
    """

    statistic: float
    p: float
    mcse: float
    replications: int
    what: str
    replicated: np.ndarray
    misfit: tuple[str, ...] = ()
