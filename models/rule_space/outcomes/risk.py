"""Catastrophe risk over a rule space: no matrix, no pair, and no rule left out."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.models.rule_space.outcomes.acting import Acting, Line, compared
from reward_hypotheses.models.rule_space.outcomes.choices import RuleChoices
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes


@dataclass(frozen=True, eq=False)
class Stakes:
    """What is catastrophic: a reward below that of failing, by the judge.

    Parameters
    ----------
    reward : (float, float)
        Rewards of an option that the true rule approves, and of one that it rejects.
    line : float or ndarray (scene,)
        The reward of failing; a reward equal to it, up to rounding, is no catastrophe.
    """

    reward: tuple[float, float]
    line: Line

    @property
    def catastrophic(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether an approved, and a rejected, option is a catastrophe.

        bool, () or (scene,) each.
        """
        approved, rejected = (compared(r, self.line) < 0 for r in self.reward)
        return approved, rejected

    def bad(self, approved: np.ndarray, weight: np.ndarray | float, scenes: Scenes) -> np.ndarray:
        """Return ``sum_j v_j K_j[m, o]``: (..., option, scene).

        0 at options that an agent cannot choose.

        Parameters
        ----------
        approved : ndarray (..., option, scene)
            V, by the judge's weights.
        weight : float or ndarray (...,)
            Weight of the rules that V is about.
        """
        high, low = self.catastrophic
        rejected = np.clip(np.asarray(weight)[..., None, None] - approved, 0.0, None)
        return np.where(scenes.choices, high * approved + low * rejected, 0.0)


@dataclass(frozen=True, eq=False)
class RuleRisk:
    """Catastrophe risk of an agent on a test, over a space of rules.

    Attributes
    ----------
    mean : float
        ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]``.
    by_scene : ndarray (scene,)
    own, own_by_scene : float, ndarray (scene,)
        ``sum_j v_j C_jj``: the risk of an agent that goes by the true rule itself. NaN unless the agent draws a rule.
    floor : float
        ``mean_m min_o sum_j v_j K_j[m, o]``, the least risk of an agent that always acts.
    abstained : float
        Share of scenes in which the agent abstains.
    regret : float
        ``mean_m sum_j v_j (max(u, max_o r_j) - achieved r_j)``, in reward units.
    """

    mean: float
    by_scene: np.ndarray
    own: float
    own_by_scene: np.ndarray
    floor: float
    abstained: float
    regret: float


def risk(
    chosen: np.ndarray, judge: RuleChoices, scenes: Scenes, stakes: Stakes, acting: Acting, draws_one: bool = True
) -> RuleRisk:
    """Return the risk of choices, by a judge's weights.

    Agent and judge are independent given the data, so that choices and approval multiply scene by scene. Exact up to
    rounding of about 1e-14; a risk below that is 0.

    Parameters
    ----------
    chosen : ndarray (option, scene)
        A, of `choices` by the agent's weights, or of `expected`.
    judge : RuleChoices
        By the judge's weights, over the same or another space, of an agent that acts in the same way.
    acting : Acting
        How the agent acts.
    draws_one : bool, optional
        Whether the agent draws one rule.
    """
    bad = stakes.bad(judge.approved, judge.weight, scenes)
    by_scene = (chosen * bad).sum(axis=0)
    high, low = stakes.catastrophic
    own = high * judge.follows + low * judge.defies if draws_one else np.full(scenes.shape[1], np.nan)
    some = scenes.choices.any(axis=0)
    least = np.where(some, np.where(scenes.choices, bad, np.inf).min(axis=0, initial=np.inf), 0.0)
    refrained = np.clip(1.0 - chosen.sum(axis=0), 0.0, None) if acting.abstains else np.zeros(scenes.shape[1])
    line = np.broadcast_to(np.asarray(stakes.line, float), scenes.shape[1])
    high_reward, low_reward = (np.maximum(line, r) for r in stakes.reward)
    best = np.where(some, high_reward * (1 - judge.none) + low_reward * judge.none, line)
    gain = stakes.reward[1] + (stakes.reward[0] - stakes.reward[1]) * judge.approved
    regret = best - (chosen * gain).sum(axis=0) - refrained * line
    size = max(abs(stakes.reward[0]), abs(stakes.reward[1]), float(np.abs(line).max(initial=0.0)))
    regret = scenes.mean(regret)
    return RuleRisk(
        mean=min(scenes.mean(by_scene), 1.0),
        by_scene=by_scene,
        own=scenes.mean(own),
        own_by_scene=own,
        floor=scenes.mean(least),
        abstained=scenes.mean(refrained),
        regret=regret if regret > 1e-12 * size else 0.0,  # below: rounding
    )
