"""Feature dependence: which features the risk depends on, by who reads them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import Weights, choices_of_parts
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.space import RuleSpace


@dataclass(frozen=True, eq=False)
class Dependence:
    """Risk by feature, split by whether agent's and true rule read the feature.

    The four parts of a feature add up to the risk.

    Attributes
    ----------
    agent_alone, truth_alone, both, neither : ndarray (feature,)
        ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]`` over pairs in which only the agent's rule reads the feature, only the
        true rule, both, or neither.
    read_by_agent, read_by_truth : ndarray (feature,)
        Weight of the agent's, and of the judge's, rules that read the feature.
    """

    agent_alone: np.ndarray
    truth_alone: np.ndarray
    both: np.ndarray
    neither: np.ndarray
    read_by_agent: np.ndarray
    read_by_truth: np.ndarray

    @property
    def disputed(self) -> np.ndarray:
        """Risk from pairs of rules of which one alone reads the feature: (feature,)."""
        return self.agent_alone + self.truth_alone


def feature_parts(space: RuleSpace) -> tuple[int, Callable[[int], np.ndarray]]:
    """Return the number of features, and the features that each set reads.

    Of a size s: int64 (set, s + 1), -1 for none; the last is the number of features, a part that holds every rule.
    """
    feature = np.asarray(space.feature, np.int64)
    n = int(feature.max()) + 1

    def within(s: int) -> np.ndarray:
        of = np.sort(feature[space.sets(s)], axis=1)
        of[:, 1:][of[:, 1:] == of[:, :-1]] = -1
        return np.hstack([of, np.full((len(of), 1), n, np.int64)])

    return n, within


def dependence_by_feature(
    space: RuleSpace,
    agent: Weights,
    judge: Weights,
    scenes: Scenes,
    acting: Acting,
    stakes: Stakes,
    compiled: bool | None = None,
) -> Dependence:
    """Return the risk by feature, of an agent that draws one rule.

    Exact: choices and approval are summed over the sets that read each feature.

    Parameters
    ----------
    agent, judge : Weights
        Weights over one space; if they are one object, they are gone through once.
    """
    n, within = feature_parts(space)
    acts = choices_of_parts(space, agent, scenes, acting, n + 1, within, compiled)
    true = acts if judge is agent else choices_of_parts(space, judge, scenes, acting, n + 1, within, compiled)
    bad = stakes.bad(true.approved, true.weight, scenes)
    pairs = np.empty((2, 2, n))  # whether the agent's rule reads the feature, whether the true one does
    for feature in range(n):
        chosen = np.stack([acts.chosen[n] - acts.chosen[feature], acts.chosen[feature]])
        worse = np.stack([bad[n] - bad[feature], bad[feature]])
        pairs[:, :, feature] = np.einsum("aos,bos,s->ab", chosen, worse, scenes.share, optimize=True)
    pairs = np.clip(pairs, 0.0, 1.0)
    weights = np.asarray(acts.weight)[:n], np.asarray(true.weight)[:n]
    return Dependence(pairs[1, 0], pairs[0, 1], pairs[1, 1], pairs[0, 0], *weights)
