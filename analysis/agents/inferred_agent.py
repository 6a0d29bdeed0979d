"""Agents with evidence of their own: inferred from choices, or simplest by rule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.agents.agent import Agent
from reward_hypotheses.analysis.risk.asymptotic import Left, OwnRules, left_by_class, left_within
from reward_hypotheses.analysis.risk.catastrophe import Risk
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation, on_test
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.weights.agent_rationality import among, rationality_of
from reward_hypotheses.models.weights.by_simplicity import by_simplicity
from reward_hypotheses.models.weights.weigh import weigh


@dataclass(frozen=True, eq=False)
class Reading(Agent):
    """An agent that is inferred from its own choices, with a prior of its own.

    A test has rewards under the judge's hypotheses, followed by rewards under the agent's own. A linear family, or a space
    of rules, of both judge and agent is listed twice: the agent's choices inform the weights of the agent's copy alone.

    Attributes
    ----------
    agent : Posterior
        Given the training data and the agent's own choices.
    alone : Posterior or None
        Given the agent's own choices alone; None without choices.
    apart : tuple of Posterior
        Given each of the agent's feedbacks alone.
    training : int
        Number of training feedbacks, which come first among the agent's.
    listed : Hypotheses
        The judge's hypotheses, then the agent's own.
    line, agent_line : FailureLine
        The judge's failure line and the agent's, for the listed hypotheses.
    places : tuple of int
        Place of each of the agent's hypotheses among the listed.
    """

    agent: Posterior
    alone: Posterior | None
    apart: tuple[Posterior, ...]
    training: int
    listed: Hypotheses
    line: FailureLine
    agent_line: FailureLine
    places: tuple[int, ...]

    @property
    @override
    def own(self) -> Posterior | None:
        return self.agent

    @property
    @override
    def exact(self) -> bool:
        return self.agent.exact and (self.alone is None or self.alone.exact)

    @property
    @override
    def feedback(self) -> Sequence[Feedback]:
        return self.agent.feedback

    @property
    @override
    def tables(self) -> Sequence[Table]:
        return () if self.alone is None else [valuation.table for valuation in self.alone.valuations]

    @override
    def hypotheses(self, judge: Posterior) -> Hypotheses:
        return self.listed

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return the agent's numbers at their places among the listed hypotheses.

        Shape (listed hypothesis,), 0 for the other hypotheses.
        """
        out = np.zeros(len(self.listed))
        out[list(self.places)] = values
        return out

    @override
    def weights(self, judge: Posterior) -> np.ndarray:
        return self.spread(self.agent.weights)

    @override
    def draws(self, judge: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
        weights = self.agent.acting_draws(None, n, rng)
        if weights is None:
            return None
        out = np.zeros((n, len(self.listed)))
        out[:, list(self.places)] = weights
        return out

    @override
    def prior_weights(self, judge: Posterior) -> np.ndarray:
        return self.spread(self.agent.prior.weights_of(self.agent.hypotheses))

    def on(self, judge: Posterior, table: Table) -> Valuation:
        """Return rewards and failure lines of a test under all hypotheses."""
        fitted = dict(zip(self.places, self.agent.hypotheses.rewards, strict=True))
        listed = self.listed.instead(fitted | dict(enumerate(judge.hypotheses.rewards)))
        return on_test(listed, table, self.line, self.agent_line)

    @override
    def informed(self, policy: Policy, judge: Posterior) -> Policy:
        """Return a policy with the agent's rationality, where the policy needs one.

        Other policies stay as they are.
        """
        if not policy.asks_rationality or self.alone is None:
            return policy
        rationality = among(rationality_of(self.alone), self.places, len(self.listed))
        # an agent with the weights of a family that the training data give has this rationality too
        for h in judge.families:
            k = next(k for k, name in enumerate(self.agent.hypotheses.names) if name == judge.hypotheses.names[h])
            rationality[h] = rationality[self.places[k]]
        return policy.informed(rationality)

    @override
    def perturbed(self, n: int, judge: Posterior, seed: int) -> "Iterator[Reading]":
        rng = substream(seed, "errors of the agent's evidence")
        agents = self.agent.perturbed(n, rng)
        if self.alone is None:
            return iter([replace(self, agent=agent) for agent in agents])
        alone = self.alone.perturbed(n, rng)
        return iter([replace(self, agent=a, alone=b) for a, b in zip(agents, alone, strict=True)])

    @override
    def risk_left(self, test: Valuation, judge: Posterior, policy: Policy, risk: Risk) -> list[Left] | None:
        """Return the asymptotic risk after endless training, given the agent's choices.

        Returns None where that is not defined.

        For each class S that training can identify, ``v(S) sum_{i, j in S} p_i v_j C_ij``, with p the agent's prior times the
        likelihood of its own choices, normalised within S.
        """
        if self.by_rule and judge.silence_known:
            return left_by_class(test, judge, policy, None, risk, OwnRules(self.agent, self.places))
        if self.agent.families or self.agent.spaces or not policy.draws_one:
            return None
        weights = self.agent.prior.weights_of(self.agent.hypotheses) if self.alone is None else self.alone.weights
        by_feedback = zip(*(e.classes.tolist() for e in self.agent.evidence[: self.training]), strict=True)
        classes: dict[tuple[int, ...], list[int]] = {}
        for h, key in enumerate(by_feedback):
            classes.setdefault(key, []).append(h)
        inside, n = judge.within_classes(None), len(judge.weights)
        left = []
        for members in classes.values():
            of_judge = [h for h in members if h < n]
            share = math.fsum(judge.weights[of_judge].tolist())
            if share == 0:
                continue
            mass = weights[members].sum()
            p = np.zeros(len(self.listed))
            p[members] = weights[members] / mass if mass > 0 else 1 / len(members)
            v = np.zeros(len(self.listed))
            v[of_judge] = inside[of_judge]
            left.append(left_within(of_judge, members, share, policy.mixing(p), v, risk.matrix))
        return left


def read_agent_of(
    judge: Posterior,
    agent_hypotheses: Hypotheses,
    prior: Prior,
    training: Sequence[Feedback],
    probes: Sequence[Feedback],
    line: FailureLine,
    agent_line: FailureLine,
    *,
    method: str = "auto",
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
) -> Reading:
    """Infer an agent from the training data and its own choices.

    Weights: ``w_h`` proportional to ``pi_h p(training | r_h) p(its choices | r_h)``. The agent's nuisance parameters are
    separate from the judge's.

    Parameters
    ----------
    agent_hypotheses : Hypotheses
        The agent's own, beside the judge's.
    prior : Prior
        The agent's prior over the judge's hypotheses and its own.
    training, probes : sequence of Feedback
        The training data, and the agent's own choices; they share no name and no human.
    line, agent_line : FailureLine
        The judge's failure line and the agent's, for the judge's hypotheses and the agent's own.

    Raises
    ------
    InputError
        A wrong prior or feedback, or choices that are impossible under every hypothesis.
    """
    every = judge.hypotheses.beside(agent_hypotheses)

    def weighed(feedback: Sequence[Feedback]) -> Posterior:
        return weigh(every, prior, feedback, line, method=method, draws=draws, chains=chains, seed=seed)

    alone = weighed(probes) if probes else None
    apart = tuple(weighed([probe]) for probe in probes) if len(probes) > 1 else (alone,) if alone is not None else ()
    return _reading(
        judge, weighed([*training, *probes]), line, agent_line, alone=alone, apart=apart, training=len(training)
    )


def simplest_rules(judge: Posterior, prior: Simplicity, line: FailureLine, agent_line: FailureLine) -> Reading:
    """Return an agent that extrapolates by simplicity over hypotheses and over rules.

    It saw the judge's data, and has a copy of each space of rules, with other weights of the rules (`by_simplicity`).
    """
    agent = by_simplicity(judge, prior)
    more = {"alone": None, "apart": (), "training": len(judge.feedback), "by_rule": True}
    return _reading(judge, agent, line, agent_line, **more)


def _reading(judge: Posterior, agent: Posterior, line: FailureLine, agent_line: FailureLine, **more: Any) -> Reading:
    """Return the agent, with a copy of each hypothesis that it weighs for itself."""
    theirs, every, n = judge.hypotheses, agent.hypotheses, len(judge.hypotheses)
    after = [*theirs.families, *theirs.spaces, *range(n, len(every))]
    places = tuple(h if h not in after else n + after.index(h) for h in range(len(every)))
    names = tuple(f"the agent's {theirs.names[h]}" if h < n else every.names[h] for h in after)
    return Reading(
        agent=agent,
        listed=theirs.beside(every.only(after), names),
        line=FailureLine(line.values[:n] + tuple(line.values[h] for h in after)),
        agent_line=FailureLine(agent_line.values[:n] + tuple(agent_line.values[h] for h in after)),
        places=places,
        **more,
    )
