"""Evidence of a feedback for each hypothesis, and predictive checks."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from reward_hypotheses.data.numerics import distinct, numbered
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.quadrature import Integral


@dataclass(frozen=True, eq=False)
class Density:
    """Posterior density of the log rationality under each hypothesis.

    The density is stored at equally spaced nodes.

    Attributes
    ----------
    ends : ndarray (hypothesis, 2)
        The first and the last node.
    log_density : ndarray (hypothesis, node)
        Not normalised.
    """

    ends: np.ndarray
    log_density: np.ndarray

    def of(self, h: int) -> Integral:
        """Return the density under a hypothesis, as an integral of unknown value."""
        low, high = self.ends[h].tolist()
        return Integral(0.0, np.linspace(low, high, self.log_density.shape[1]), self.log_density[h])

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> "Density":
        """Apply a change along the axis of hypotheses, such as a selection."""
        return Density(change(self.ends), change(self.log_density))


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence of one feedback for each hypothesis.

    Attributes
    ----------
    log_evidence : ndarray (hypothesis,)
        ``log integral p(D | r_h, theta) p(theta) dtheta``, nats; -inf where the data are impossible.
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class have the same likelihood whatever is answered about these items: the feedback is silent
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
    density : Density, optional
        Posterior density of the rationality, where quadrature integrated it.
    """

    log_evidence: np.ndarray
    classes: np.ndarray
    n_items: int
    statistics: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    mcse: np.ndarray = field(default_factory=lambda: np.zeros(0))
    draws: Mapping[str, np.ndarray] | None = None
    method: str = "exact"
    density: Density | None = None

    def __post_init__(self) -> None:
        if not self.mcse.size:
            object.__setattr__(self, "mcse", np.zeros(len(self.log_evidence)))

    @property
    def alike(self) -> np.ndarray:
        """Groups of hypotheses whose nuisances have one posterior: (hypothesis,) of int.

        Classes of equal sufficient statistics are one group, so that draws for one are draws for all of them.
        """
        _, first, place, _ = distinct(self.classes)
        statistics = self.statistics[first] if self.statistics.size else first[:, None]
        return numbered(map(tuple, statistics.tolist()))[place]

    def beside(self, first: bool) -> Self:
        """Return the evidence as one feedback of a group holds it.

        The first feedback holds the whole log evidence, the others 0.

        Feedbacks that share a nuisance have one log evidence together, which does not split over them. The sum over all
        feedbacks counts it once.
        """
        nothing = np.zeros(len(self.log_evidence))
        return self if first else replace(self, log_evidence=nothing, mcse=nothing)

    def only(self, which: Sequence[int]) -> Self:
        """Return the evidence of some of the hypotheses."""
        return replace(
            self,
            log_evidence=self.log_evidence[which],
            classes=self.classes[which],
            statistics=self.statistics[which] if len(self.statistics) else self.statistics,
            mcse=self.mcse[which],
            density=None if self.density is None else self.density.map(lambda values: values[which]),
            draws=None if self.draws is None else {key: values[..., which] for key, values in self.draws.items()},
        )


def common_classes(classes: Sequence[np.ndarray]) -> np.ndarray:
    """Group the hypotheses between which every feedback is silent.

    `classes` holds the classes by each feedback. Returns (hypothesis,) of int.
    """
    return numbered(zip(*(c.tolist() for c in classes), strict=True))


@dataclass(frozen=True)
class Check:
    """A posterior predictive check of the data.

    The check tells how often data drawn from the model look as bad as the data.

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
        Descriptions of what does not fit; empty where everything fits.
    """

    statistic: float
    p: float
    mcse: float
    replications: int
    what: str
    replicated: np.ndarray
    misfit: tuple[str, ...] = ()

    @classmethod
    def of(cls, statistic: float, p: float, what: str, replicated: np.ndarray, misfit: Sequence[str] = ()) -> Self:
        """Return a check with its Monte Carlo error.

        The error follows from p and the number of replications.
        """
        n = len(replicated)
        mcse = math.sqrt(max(p * (1 - p), 1 / n) / n)
        return cls(statistic, p, mcse, n, what, replicated, tuple(misfit))


MISFIT = 0.01  # a p below it is reported as a misfit
REMEDY = "another hypothesis, listed or not, may fit"


def misfit_in_words(feedback: str, what: str, p: float, n: int, remedy: str = REMEDY) -> str:
    """Return the words of a misfit of the leading hypothesis.

    The check draws hypotheses by their weights, so a misfit does not speak of hypotheses of low weight.

    Parameters
    ----------
    feedback : str
        Its name.
    what : str
        What does not fit, naming the leading hypothesis.
    p : float
        Share of `n` replications that are as extreme.
    remedy : str, optional
        What may help.
    """
    share = f"p = {p:.2g}" if p > 0 else f"p < {1 / n:.2g}"
    return f"{feedback}: {what} ({share}); {remedy}"


@dataclass(frozen=True, eq=False)
class Weighed:
    """The hypotheses over which a check replicates data.

    Attributes
    ----------
    valuation : Valuation
    evidence : Evidence
    weights : ndarray (hypothesis,)
        Posterior weights, adding up to 1.
    lead : int
        The hypothesis that the check names.
    """

    valuation: Valuation
    evidence: Evidence
    weights: np.ndarray
    lead: int

    @property
    def lead_name(self) -> str:
        """The name of the leading hypothesis."""
        return self.valuation.hypotheses.names[self.lead]

    def drawn(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw hypotheses from the weights: (n,) of int."""
        return rng.choice(len(self.weights), n, p=self.weights)
