"""Agents: weights over hypotheses by which an agent acts, and their errors.

The errors are Monte Carlo errors of sampled evidence.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import override

import numpy as np

from reward_hypotheses.analysis.risk.asymptotic import Left, OwnRules, left_by_class
from reward_hypotheses.analysis.risk.catastrophe import Risk
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior


@dataclass(frozen=True, eq=False)
class Agent(ABC):
    """An agent: its weights over the hypotheses of a test.

    The judge's hypotheses come first.

    Attributes
    ----------
    prior : Prior or None
        The prior by which the agent extrapolates; None for the judge's values.
    by_rule : bool
        Whether that prior is over the rules of spaces too, so that the judge's posterior has no weights under it.
    """

    prior: Prior | None = field(default=None, kw_only=True)
    by_rule: bool = field(default=False, kw_only=True)

    @property
    def exact(self) -> bool:
        """Whether no evidence of the agent's own was sampled."""
        return True

    @property
    def feedback(self) -> Sequence[Feedback]:
        """The feedback of the agent's own: its choices, after the training data."""
        return ()

    @property
    def tables(self) -> Sequence[Table]:
        """The tables of the agent's own choices."""
        return ()

    def hypotheses(self, judge: Posterior) -> Hypotheses:
        """Return the hypotheses of a test: the judge's, then the agent's own."""
        return judge.hypotheses

    @property
    def learns_with_judge(self) -> bool:
        """Whether the judge and the agent share their evidence."""
        return False

    @property
    def own(self) -> Posterior | None:
        """A posterior of the agent's own."""
        return None

    @abstractmethod
    def weights(self, judge: Posterior) -> np.ndarray:
        """Return the weights by which the agent acts: (hypothesis of the test,)."""

    @abstractmethod
    def draws(self, judge: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
        """Draw the agent's weights, as far as its prior leaves them open.

        Shape (draw, hypothesis of the test).

        None where the prior has no strength, or is the judge's values: the weights are fixed.
        """

    @abstractmethod
    def prior_weights(self, judge: Posterior) -> np.ndarray:
        """Return the agent's weights before any data: (hypothesis of the test,)."""

    def informed(self, policy: Policy, judge: Posterior) -> Policy:
        """Return a policy with the agent's rationality, where one is needed and known.

        Choices of the agent determine the rationality.
        """
        return policy

    def perturbed(self, n: int, judge: Posterior, seed: int) -> Iterator["Agent"]:
        """Yield n copies of the agent, with its own evidence moved by Monte Carlo error."""
        return repeat(self, n)

    def risk_left(self, test: Valuation, judge: Posterior, policy: Policy, risk: Risk) -> list[Left] | None:
        """Return the asymptotic risk by silent class; None where not defined.

        The asymptotic risk remains after endless training.
        """
        return None


@dataclass(frozen=True, eq=False)
class Extrapolating(Agent):
    """An agent that saw the judge's data and extrapolates by a prior of its own."""

    @property
    @override
    def learns_with_judge(self) -> bool:
        return True

    @override
    def weights(self, judge: Posterior) -> np.ndarray:
        return judge.acting(self.prior)

    @override
    def draws(self, judge: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
        return None if self.prior is None else judge.acting_draws(self.prior, n, rng)

    @override
    def prior_weights(self, judge: Posterior) -> np.ndarray:
        return judge.acting_prior(self.prior)[0]

    @override
    def risk_left(self, test: Valuation, judge: Posterior, policy: Policy, risk: Risk) -> list[Left] | None:
        return left_by_class(test, judge, policy, self.prior, risk) if judge.silence_known else None


@dataclass(frozen=True, eq=False)
class PosteriorAgent(Agent):
    """An agent with a posterior of its own.

    Its hypotheses are the judge's, or follow the judge's in the test.

    Attributes
    ----------
    posterior : Posterior
    start : int
        Place of the agent's first hypothesis among those of the test.
    """

    posterior: Posterior
    start: int = 0

    @property
    @override
    def own(self) -> Posterior | None:
        return self.posterior

    @override
    def risk_left(self, test: Valuation, judge: Posterior, policy: Policy, risk: Risk) -> list[Left] | None:
        if not self.by_rule or not judge.silence_known:
            return None
        own = OwnRules(self.posterior, tuple(range(self.start, self.start + len(self.posterior.weights))))
        return left_by_class(test, judge, policy, None, risk, own)

    @property
    @override
    def exact(self) -> bool:
        return self.posterior.exact

    @override
    def weights(self, judge: Posterior) -> np.ndarray:
        return np.pad(self.posterior.acting(None), (self.start, 0))

    @override
    def draws(self, judge: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
        weights = self.posterior.acting_draws(None, n, rng)
        return None if weights is None else np.pad(weights, ((0, 0), (self.start, 0)))

    @override
    def prior_weights(self, judge: Posterior) -> np.ndarray:
        return np.pad(self.posterior.prior.weights_of(self.posterior.hypotheses), (self.start, 0))

    @override
    def perturbed(self, n: int, judge: Posterior, seed: int) -> Iterator["PosteriorAgent"]:
        one_evidence = all(
            np.array_equal(getattr(self.posterior, key), getattr(judge, key)) for key in ("log_evidence", "mcse")
        )
        purpose = "errors of evidence" if one_evidence else "errors of the agent's evidence"
        for posterior in self.posterior.perturbed(n, substream(seed, purpose)):
            yield replace(self, posterior=posterior)
