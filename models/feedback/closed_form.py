"""ClosedForm: feedback whose marginal likelihood is known in closed form."""

from abc import abstractmethod
from typing import ClassVar, override

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.equivalence import sums_and_classes
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation


class ClosedForm(Feedback):
    """Feedback with a marginal likelihood in closed form.

    The likelihood depends on a few sums over items.

    A subclass gives the inputs of the likelihood (`inputs`), the sums that matter (`sums`, `terms`), and the equation that
    turns them into a log evidence (`log_marginal`).
    """

    exchangeable: ClassVar[bool] = True
    integrated: ClassVar[str] = "in closed form"

    @abstractmethod
    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Return the sufficient statistics of a block, to be added up."""

    @abstractmethod
    def terms(self, inputs: np.ndarray, observed: np.ndarray) -> np.ndarray:
        """Return the contribution of each item to those sums: (k, *shape given)."""

    @override
    def counted_sums(self, inputs: np.ndarray, observed: np.ndarray, times: np.ndarray) -> tuple[float, ...]:
        return tuple((self.terms(inputs, observed) * times).reshape(-1, times.size).sum(axis=1).tolist())

    @abstractmethod
    def log_marginal(self, statistics: np.ndarray, n_items: int) -> np.ndarray:
        """Return the log marginal likelihood of (class, k) sums, nats: (class,).

        ``log integral p(D | r_h, theta) p(theta) dtheta``
        """

    @abstractmethod
    def posterior_draws(
        self, statistics: np.ndarray, n_items: int, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from their posterior, given (class, k) sums.

        Returns name -> (draw, class), from ``p(theta | D, h)``.
        """

    @override
    def evidence(self, valuation: Valuation) -> Evidence:
        total, classes = sums_and_classes(self, valuation, self.observed)
        _, first, inverse, _ = distinct(classes)
        statistics = total[first]
        log_evidence = np.asarray(self.log_marginal(statistics, self.n_answers))
        return Evidence(log_evidence[inverse], inverse, self.n_answers, statistics[inverse])

    @override
    def exact_draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        _, first, inverse, _ = distinct(evidence.classes[hypotheses])
        statistics = evidence.statistics[hypotheses][first]
        draws = self.posterior_draws(statistics, evidence.n_items, n, rng)
        return {name: values[:, inverse] for name, values in draws.items()}
