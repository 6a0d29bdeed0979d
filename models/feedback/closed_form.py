"""ClosedForm: feedback whose marginal likelihood is known in closed form."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation


class ClosedForm(Feedback):
    """A kind whose likelihood depends on a few sums over items, the nuisance integrated in closed form.

    A subclass says what the likelihood depends on (`inputs`), which sums matter (`sums`), and writes the one equation
    that makes a log evidence of them (`log_marginal`).
    """

    exchangeable: ClassVar[bool] = True
    integrated: ClassVar[str] = "in closed form"

    @abstractmethod
    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Sufficient statistics of a block, to be added up."""

    @abstractmethod
    def terms(self, inputs: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """What each item adds to those sums: (k, *shape given)."""

    def counted_sums(self, inputs: np.ndarray, observed: np.ndarray, times: np.ndarray) -> tuple[float, ...]:  # noqa: D102
        return tuple((self.terms(inputs, observed) * times).reshape(-1, times.size).sum(axis=1).tolist())

    @abstractmethod
    def log_marginal(self, statistics: np.ndarray, n_items: int) -> np.ndarray:
        """``log integral p(D | r_h, theta) p(theta) dtheta`` of (class, k) sums, in nats: (class,)."""

    @abstractmethod
    def posterior_draws(
        self, statistics: np.ndarray, n_items: int, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from ``p(theta | D, h)`` of (class, k) sums: name -> (draw, class)."""

    def evidence(self, valuation: Valuation) -> Evidence:  # noqa: D102
        observed = self.observed
        total, classes = self._gathered(valuation, lambda block: self._gather(block, observed))
        _, first, inverse, _ = distinct(classes)
        statistics = total[first]
        log_evidence = np.asarray(self.log_marginal(statistics, self.n_answers))
        return Evidence(log_evidence[inverse], inverse, self.n_answers, statistics[inverse])

    def exact_draws(  # noqa: D102
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        _, first, inverse, _ = distinct(evidence.classes[hypotheses])
        statistics = evidence.statistics[hypotheses][first]
        found = self.posterior_draws(statistics, evidence.n_items, n, rng)
        return {name: values[:, inverse] for name, values in found.items()}
