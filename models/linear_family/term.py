"""A term of a linear family's log likelihood: one feedback."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.inference.nuisance_priors import Nuisance


class LikelihoodTerm(ABC):
    """Log likelihood of the weights by one feedback."""

    smooth = True
    """Whether it has derivatives."""
    sloped = False
    """Whether `slopes` gives them."""

    counts: np.ndarray
    """How often each unit occurs: (unit,)."""

    def __init__(self, feedback: Feedback) -> None:
        self.feedback = feedback

    def of_feedback(self, theta: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the feedback's nuisances by their own names: name -> (point,).

        Parameters
        ----------
        theta : mapping of str to ndarray (point,)
            Nuisances by variable.
        """
        return {key: theta[self.feedback.variable(key)] for key in self.feedback.nuisances}

    def summed(self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], observed: np.ndarray) -> np.ndarray:
        """Return the log likelihood of inputs, summed over units: (point,).

        Parameters
        ----------
        inputs : ndarray (point, unit, ...)
        """
        columns = {key: values[:, None] for key, values in self.of_feedback(theta).items()}
        each = self.feedback.log_likelihood(inputs, columns, observed, np)
        return np.broadcast_to(each, (len(inputs), len(self.counts))) @ self.counts

    @property
    def nuisances(self) -> dict[str, Nuisance]:
        """Nuisances that are integrated along with the weights, by variable."""
        return {self.feedback.variable(key): prior for key, prior in self.feedback.nuisances.items()}

    @property
    @abstractmethod
    def cells(self) -> int:
        """Cost of a likelihood at one point, in floats."""

    @property
    def holds(self) -> int:
        """Floats that a likelihood keeps in memory for each point of a block."""
        return self.cells

    @property
    @abstractmethod
    def gram(self) -> np.ndarray:
        """Matrix (feature, feature) whose null space no choice depends on.

        The null space holds the changes of weight that this feedback cannot see.
        """

    @abstractmethod
    def symbolic(self, weights: Any, xp: Any) -> Any:
        """Return the inputs of the kind's `log_likelihood` at one tensor of weights.

        The weights are a PyMC tensor (feature,).
        """

    @abstractmethod
    def log_likelihood(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return ``log p(D | w, theta)`` of points, nats: (point,).

        Parameters
        ----------
        weights : ndarray (point, feature)
        theta : mapping of str to ndarray (point,)
            Nuisances by variable.
        """

    def slopes(self, weights: np.ndarray, theta: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the gradient of `log_likelihood` by weight and by nuisance.

        Shapes (point, feature), and (point,) by variable. Only terms that are `sloped` are asked.
        """
        raise InputError(f"{self.feedback.name}: {self.feedback.kind} give no gradient by continuous weights")

    @property
    def scale_free(self) -> bool:
        """Whether only the direction of the weights matters to the likelihood."""
        return False

    def softened(self) -> "LikelihoodTerm":
        """Return the term with no answer impossible, to temper through.

        The term itself where no answer is impossible.
        """
        return self

    def nuisance_draws(
        self, weights: np.ndarray, theta: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the term's nuisances for draws of the weights: (draw,) by variable."""
        return {variable: theta[variable] for variable in self.nuisances}
