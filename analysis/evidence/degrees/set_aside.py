"""A case without the evidence that rests on degrees alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.agents.agent import Agent
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.evidence.degrees.sign_agreement import compared_in_scenes
from reward_hypotheses.analysis.evidence.degrees.sign_features import (
    feedback_with_signs,
    sign_columns,
    table_with_signs,
    with_signs,
    without_feature,
)
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.hypotheses.fitted_family import Drawn
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.laplace import K_HAT
from reward_hypotheses.models.linear_family.integrate import fit_family
from reward_hypotheses.models.posterior import LOG_BAYES_FACTOR, Posterior, posterior_weights
from reward_hypotheses.models.weights.weigh import LEAST_FAMILY_DRAWS


@dataclass(frozen=True, eq=False)
class Held(Agent):
    """An agent that keeps the weights it has by all evidence.

    Attributes
    ----------
    agent : Agent
    judge : Posterior
        The judge's posterior by all evidence.
    """

    agent: Agent
    judge: Posterior

    @property
    @override
    def exact(self) -> bool:
        return self.agent.exact and self.judge.exact

    @property
    @override
    def feedback(self) -> Sequence[Feedback]:
        return self.agent.feedback

    @property
    @override
    def tables(self) -> Sequence[Table]:
        return self.agent.tables

    @override
    def hypotheses(self, judge: Posterior) -> Hypotheses:
        return self.agent.hypotheses(self.judge)

    @override
    def weights(self, judge: Posterior) -> np.ndarray:
        return self.agent.weights(self.judge)

    @override
    def draws(self, judge: Posterior, n: int, rng: np.random.Generator) -> np.ndarray | None:
        return self.agent.draws(self.judge, n, rng)

    @override
    def prior_weights(self, judge: Posterior) -> np.ndarray:
        return self.agent.prior_weights(self.judge)

    @override
    def perturbed(self, n: int, judge: Posterior, seed: int) -> "Iterator[Held]":
        judges = self.judge.perturbed(n, substream(seed, "errors of evidence"))
        agents = self.agent.perturbed(n, self.judge, seed)
        for moved, agent in zip(judges, agents, strict=True):
            yield replace(self, agent=agent, judge=moved)


def groups_of(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected groups of a graph, given by its edges."""
    groups: list[set[int]] = []
    for pair in pairs:
        touched = [group for group in groups if group & set(pair)]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return sorted(sorted(group) for group in groups)


def evidence_in_scenes(posterior: Posterior) -> np.ndarray:
    """Return the log evidence of the feedbacks that compare options: (hypothesis,).

    In nats. Feedbacks that share a human's rationality with one of them are among these.
    """
    shared = {posterior.feedback[k].shares for k in compared_in_scenes(posterior)} - {None}
    places = [k for k, each in enumerate(posterior.feedback) if each.shares in shared]
    places = sorted({*places, *compared_in_scenes(posterior)})
    return np.sum([posterior.evidence[k].log_evidence for k in places], axis=0)


def without_degrees(posterior: Posterior, groups: Sequence[Sequence[int]]) -> Posterior:
    """Return the posterior without the evidence within groups of hypotheses.

    With L_h the likelihood of the comparisons and M_h that of other feedback, every hypothesis of a group g gets

        ``L_g = sum_{h in g} pi_h M_h L_h / sum_{h in g} pi_h M_h``

    in place of L_h. The group keeps its joint posterior weight. Its shares are ``pi_h M_h``, normalised: without other
    feedback, the prior odds.
    """
    told, log_evidence = evidence_in_scenes(posterior), posterior.log_evidence.copy()
    estimates = list(posterior.estimates)
    for group in groups:
        rest = posterior.log_prior[group] + np.where(np.isfinite(told[group]), log_evidence[group] - told[group], 0.0)
        if not np.isfinite(np.max(rest)) or not np.isfinite(np.max(posterior.log_prior[group] + log_evidence[group])):
            continue
        mean = np.logaddexp.reduce(posterior.log_prior[group] + log_evidence[group]) - np.logaddexp.reduce(rest)
        log_evidence[group] = rest - posterior.log_prior[group] + mean
        estimates = [
            replace(
                estimate,
                classes=_merged(estimate.classes, group),
                mcse=_instead(estimate.mcse, group, float(estimate.mcse[group].max())),
            )
            for estimate in estimates
        ]
    weights = posterior_weights(posterior.prior.weights_of(posterior.hypotheses), posterior.log_prior, log_evidence)
    return replace(posterior, log_evidence=log_evidence, weights=weights, estimates=tuple(estimates))


def _merged(classes: np.ndarray, group: Sequence[int]) -> np.ndarray:
    out = classes.copy()
    out[np.isin(classes, classes[group])] = classes[group[0]]
    return out


def _instead(values: np.ndarray, group: Sequence[int], value: float) -> np.ndarray:
    out = values.copy()
    out[group] = value
    return out


@dataclass(frozen=True, eq=False)
class Refit:
    """A family fitted with the signs of some features beside its features.

    Attributes
    ----------
    linear : Linear
        With the features of signs behind the others.
    columns : dict of int to str
        Column of the sign of each of these features.
    weights : ndarray (draw, feature)
        Draws from the posterior, in units of the features as they are.
    ess : float
    problems : tuple of str
        Why these draws cannot be trusted; empty where they can.
    without : dict of int to (float, float, ndarray)
        By feature, of the family without this feature: log evidence and its Monte Carlo error, nats, and draws
        of the weights (draw, feature), 0 for this feature and for every sign.
    """

    linear: Linear
    columns: dict[int, str]
    weights: np.ndarray
    ess: float
    problems: tuple[str, ...]
    without: dict[int, tuple[float, float, np.ndarray]]


def refit(case: Case, h: int, features: Sequence[int]) -> Refit:
    """Fit a family again with the signs of some features, and without each."""
    key = ("signs", h, tuple(features))
    if key not in case.known:
        case.known[key] = _refit(case.posterior, case.seed, h, features)
    fitted: Refit = case.known[key]
    return fitted


def _refit(posterior: Posterior, seed: int, h: int, features: Sequence[int]) -> Refit:
    fitted, name = posterior.families[h], posterior.hypotheses.names[h]
    linear, line = fitted.linear, posterior.valuations[0].line.values[h]
    n, k = max(len(fitted.weights), LEAST_FAMILY_DRAWS), len(linear.features)
    tables = [feedback.items for feedback in posterior.feedback]
    columns = sign_columns(features, {c for table in tables for c in table.columns})
    signed = with_signs(linear, columns)
    extended = feedback_with_signs(posterior.feedback, linear, columns)
    again, _, error = fit_family(name, signed, extended, line, n, substream(seed, f"signs of {name}"))
    problems = []
    if error > 5 * LOG_BAYES_FACTOR or again.k_hat > K_HAT:
        problems.append(f"the weights of {name!r} with signs have an error of {error:.2f} nats ({again.method})")
    without = {}
    for left_out in features:
        rest = [j for j in range(k) if j != left_out]
        smaller = without_feature(linear, left_out)
        rng = substream(seed, f"{name} without feature {left_out}")
        alone, log_evidence, mcse = fit_family(name, smaller, posterior.feedback, line, n, rng)
        weights = np.zeros((n, k + len(features)))
        weights[:, rest] = alone.weights / alone.scale
        without[left_out] = (log_evidence, mcse, weights)
    return Refit(signed, columns, again.weights / again.scale, again.ess, tuple(problems), without)


def guarded_case(case: Case, groups: Sequence[Sequence[int]], refits: Mapping[int, Refit]) -> Case:
    """Return the case without the evidence that rests on degrees.

    The agent keeps its weights: it acts by what it took from all evidence.

    Parameters
    ----------
    groups : sequence of sequence of int
        Connected groups of listed hypotheses, within which the evidence is set aside.
    refits : dict of int to Refit
        By place, families with the signs of features.
    """
    posterior = without_degrees(case.posterior, groups)
    judges = {h: fitted.weights for h, fitted in refits.items()}
    return replace(
        case, posterior=posterior, agent=Held(case.agent, case.posterior), test=judged_by(case, refits, judges)
    )


def judged_by(case: Case, refits: Mapping[int, Refit], judges: Mapping[int, np.ndarray]) -> Valuation:
    """Return the test with other draws for what is true under some families.

    The draws by which an agent acts stay as they are.

    Parameters
    ----------
    judges : dict of int to ndarray (draw, feature)
        Draws of the weights of the features of a `Refit`.
    """
    test = case.valuation
    if not judges:
        return test
    table, rewards = test.table, {}
    for h in judges:
        linear = case.posterior.families[h].linear
        names = sign_columns(refits[h].columns, table.columns)
        table = table_with_signs(table, linear, names)
        drawn: Any = test.hypotheses.rewards[h]
        n = min(len(drawn.judges), len(judges[h]))
        places = np.linspace(0, len(judges[h]) - 1, n).astype(int)

        def padded(weights: np.ndarray, extra: int = len(names)) -> np.ndarray:
            return np.pad(weights, [(0, 0)] * (weights.ndim - 1) + [(0, extra)])

        rewards[h] = Drawn(
            with_signs(linear, names).features,
            padded(drawn.mean),
            padded(drawn.agents),
            judges[h][places],
            padded(drawn.partners),
            float(np.fmin(drawn.ess, refits[h].ess)),
        )
    agent_line = None if test.agent_line is test.line else test.agent_line
    return Valuation(test.hypotheses.instead(rewards), table, test.line, agent_line)
