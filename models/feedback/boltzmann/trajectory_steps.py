"""Steps of trajectories in an MDP, and their predictive check.

Each step is a choice among actions.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, override

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct, log_softmax
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.rounding_error_bounds import EPS, all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.centring import SCALED, length, less_their_mean
from reward_hypotheses.models.feedback.boltzmann.likelihood import noisy_best
from reward_hypotheses.models.feedback.boltzmann.model import OneOfOptions
from reward_hypotheses.models.feedback.boltzmann.score_tests import CHECKED, score
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, Weighed, misfit_in_words
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.trajectories import Trajectories, trajectories_of


@dataclass(frozen=True, eq=False)
class TrajectorySteps(OneOfOptions):
    """Choices of an action on each step of trajectories in an MDP; a unit is a step.

    ``s_h`` is the population standard deviation of r_h over the MDP's states.
    """

    in_column: ClassVar[bool] = False
    second_dim: ClassVar[str] = "action"
    asks: ClassVar[tuple[str, ...]] = ("mdp", "table")

    table: Any = field(init=False, repr=False)
    column: str = field(init=False, default="", repr=False)
    missing: str = field(init=False, default="error", repr=False)
    mdp: MDP
    trajectories: Any

    def __post_init__(self) -> None:
        if not isinstance(self.mdp, MDP):
            raise InputError(f"mdp: a {type(self.mdp).__name__}; give rh.MDP(states, transitions, discount)")
        object.__setattr__(self, "table", self.mdp.table)
        object.__setattr__(self, "trajectories", trajectories_of(self.mdp, self.trajectories, self.count))
        object.__setattr__(self, "count", self.count if self.count is None or isinstance(self.count, str) else "given")
        super().__post_init__()
        if not len(self.units):
            raise InputError(
                "trajectories: every step is in a state where the episode has ended, so none says anything; give at least "
                "one step before the end"
            )

    @override
    def with_table(self, table: Table) -> Self:
        return replace(self, mdp=self.mdp.with_table(table))

    @override
    def settings(self) -> dict[str, Any]:
        settings = {key: value for key, value in super().settings().items() if key not in ("mdp", "trajectories")}
        made = self._made
        n = len(made) if made.counts is None else int(made.counts.sum())
        sizes = {"states": self.mdp.n_states, "actions": self.mdp.n_actions, "trajectories": n}
        return settings | {"discount": self.mdp.discount} | sizes

    @override
    def _instead_of_weights(self) -> str:
        return "states of an MDP have no weights (count says how often each trajectory was made): leave the column out"

    @property
    def _made(self) -> Trajectories:
        assert isinstance(self.trajectories, Trajectories)
        return self.trajectories

    @cached_property
    @override
    def units(self) -> np.ndarray:
        """The scored steps: (unit,).

        Steps are scored in states where an action is chosen.
        """
        return np.flatnonzero(~self.mdp.ended[self._made.state])

    @cached_property
    def visited(self) -> tuple[np.ndarray, np.ndarray]:
        """The visited states (visited,), and the state of each step (unit,).

        The second array holds positions in the first.
        """
        states, _, place, _ = distinct(self._made.state[self.units])
        return states, place

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct pairs of state and action, and how often each occurred.

        A pair is coded as ``visited * actions + action``. Two arrays (pair,).
        """
        codes, _, place, _ = distinct(self.visited[1] * self.mdp.n_actions + self._made.action[self.units])
        return codes, np.bincount(place, self.times)

    @cached_property
    def taken(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct pairs, split: visited state (pair,) and action (pair,)."""
        return np.divmod(self.pairs[0], self.mdp.n_actions)

    @cached_property
    @override
    def counts(self) -> np.ndarray | None:
        """How often each step was taken: (unit,).

        A step was taken as often as its trajectory was made. None where each was taken once.
        """
        counts = self._made.counts
        return None if counts is None or (counts == 1).all() else counts[self._made.trajectory[self.units]]

    @cached_property
    @override
    def inside(self) -> np.ndarray:
        """Every action can be taken: (unit, action)."""
        return np.ones((len(self.units), self.mdp.n_actions), bool)

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        """The action taken: (unit, action) of bool."""
        return self._made.action[self.units][:, None] == np.arange(self.mdp.n_actions)

    @cached_property
    @override
    def idle(self) -> np.ndarray:
        """Whether there is a single action, so that nothing is chosen: (unit,) of bool."""
        return np.full(len(self.units), self.mdp.n_actions == 1)

    @override
    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Return features of the states, at each step: (unit,)."""
        return values[self._made.state[self.units]]

    @override
    def constants(self) -> dict[str, np.ndarray]:
        """Return trajectory, step and state of each step that is scored."""
        return {key: getattr(self._made, key)[self.units] for key in ("trajectory", "step", "state")}

    def state_rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``r_h`` (state,)."""
        return Feedback.at(self, valuation, h)

    @override
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """Return deviations of rewards (state,) from their mean.

        Their length is the standard deviation.
        """
        return less_their_mean(rewards[None], np.ones((1, len(rewards)), bool))[0] / math.sqrt(len(rewards))

    @override
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        return rewards

    def _varies(self, valuation: Valuation, h: int, rewards: np.ndarray) -> bool:
        return not all_equal(rewards, self.errors(valuation, h))

    def _scaled_by(self, valuation: Valuation, h: int) -> tuple[np.ndarray, float]:
        """Return rewards (state,), and their ``s_h`` where they are scaled.

        ``s_h`` is 0 where the hypothesis predicts at chance.
        """
        rewards = self.state_rewards(valuation, h)
        if self._varies(valuation, h, rewards):
            return rewards, self.spread(rewards)
        level = float(rewards[0]) if self.mdp.ends else 0.0
        return np.full(len(rewards), level), abs(level)

    @override
    def scale_of(self, valuation: Valuation, h: int) -> float:
        """Return ``s_h``: 1 if raw; 0 where the hypothesis predicts at chance."""
        return 1.0 if self.scale == "raw" else self._scaled_by(valuation, h)[1]

    def in_units(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``r_h / s_h`` (state,); 0 where the hypothesis predicts at chance."""
        rewards, s = self._scaled_by(valuation, h)
        return rewards if self.scale == "raw" or s == 0 else rewards / s

    def in_units_error(self, valuation: Valuation, h: int) -> np.ndarray:
        """Bound the rounding errors of `in_units`: (state,)."""
        rewards, error = self.state_rewards(valuation, h), self.errors(valuation, h)
        if self.scale == "raw" or not self._varies(valuation, h, rewards):
            return np.broadcast_to(error, rewards.shape)
        s = self.spread(rewards)
        of_scale = SCALED * EPS + length(np.broadcast_to(error, rewards.shape)) / math.sqrt(len(rewards)) / s
        return error / s + np.abs(rewards / s) * of_scale

    @abstractmethod
    def logits(self, valuation: Valuation, h: int, beta: np.ndarray) -> np.ndarray:
        """Return ``beta Q_h / s_h`` in the visited states.

        Shape (beta, visited, action); the greatest value of each state is subtracted.
        """

    @override
    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check the largest score of a column, or of the reward over time.

        Score tests: Rao (1948).

        A score of a column tells whether actions lead to states with more or less of it than reward explains. A score of
        the reward over time tells whether it explains actions better or worse as a trajectory goes on, or from trajectory
        to trajectory, as where somebody follows something else from some step on.
        """
        units, nth = self._copies(self.checked_answers(rng))
        visited = self.visited[1][units]
        columns = {c: self.table.columns[c] for c in self.needs if c in self.table.columns}
        names = [c for c, column in columns.items() if not column.is_text]
        fixed = self._ahead([np.nan_to_num(columns[c].values.astype(float)) for c in names])[:, visited]
        clocks = {
            "as a trajectory goes on": self._made.step[self.units[units]],
            "from trajectory to trajectory": nth,
        }
        times = {words: (t - t.mean()) / t.std() for words, t in clocks.items() if np.ptp(t) > 0}
        drawn = over.drawn(CHECKED, rng)
        theta = self.draws(over.evidence, np.arange(len(over.weights)), CHECKED, rng)
        observed = self.observed[units]

        def scores(logits: np.ndarray, answers: np.ndarray) -> np.ndarray:
            chance = np.exp(log_softmax(logits))
            worth = logits - (chance * logits).sum(axis=1, keepdims=True)
            drifts = [time[:, None] * worth for time in times.values()]
            features = np.concatenate([fixed, np.array(drifts).reshape(len(drifts), *logits.shape)])
            return np.abs(score(features, answers, chance))

        replicated, exceeds = np.zeros(CHECKED), 0
        of_lead: list[np.ndarray] = []
        for h in tracked(sorted({*drawn.tolist(), over.lead})):
            rows = np.flatnonzero(drawn == h)
            some = np.arange(0, CHECKED, 10) if h == over.lead else np.empty(0, int)
            every = np.concatenate([rows, some])
            beta = np.array([float(np.ravel(self.beta({k: v[i, h] for k, v in theta.items()}))[0]) for i in every])
            every_logits = self.logits(over.valuation, h, beta)
            for i, logits in zip(rows.tolist(), every_logits[: len(rows)], strict=True):
                at_steps = logits[visited]
                replicated[i] = scores(at_steps, noisy_best(at_steps[None], rng)[0]).max(initial=0.0)
                exceeds += replicated[i] >= scores(at_steps, observed).max(initial=0.0) - 1e-9
            of_lead.extend(scores(logits[visited], observed) for logits in every_logits[len(rows) :])
        at_lead = np.mean(of_lead, axis=0)
        p, statistic = float(exceeds) / CHECKED, float(at_lead.max(initial=0.0))
        misfit = []
        if p < MISFIT:
            which, name = int(np.argmax(at_lead)), over.lead_name
            if which < len(names):
                how = f"actions depend on column {names[which]!r} in a way that the leading hypothesis {name!r} does not explain"
            else:
                how = f"the fit of the leading hypothesis {name!r} to the actions changes {list(times)[which - len(names)]}"
            misfit.append(misfit_in_words(str(self.name), how, p, CHECKED))
        what = (
            "largest score, in standard errors: actions going with a column, or with reward over time, beyond the model"
        )
        return Check.of(statistic, p, what, replicated, misfit)

    def _copies(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the step and the trajectory number of each answer.

        Two arrays (answer,).

        Answers are numbered trajectory by trajectory, each as often as it was made, one copy after another.
        """
        trajectory = self._made.trajectory[self.units]
        if self.counts is None:
            return answers, trajectory[answers]
        which, first, _, length = distinct(trajectory)
        times = self.counts[first].astype(np.int64)
        ends = np.cumsum(length * times)
        place = np.searchsorted(ends, answers, side="right")
        copy, step = np.divmod(answers - (ends - length * times)[place], length[place])
        before = np.cumsum(np.asarray(self._made.counts, np.int64))[which] - times
        return first[place] + step, before[place] + copy

    def _ahead(self, columns: list[np.ndarray]) -> np.ndarray:
        """Return the expected next value of each column by action.

        The mean over actions is subtracted: (column, visited, action).
        """
        states, _ = self.visited
        values = np.array(columns, float).reshape(len(columns), self.mdp.n_states)
        ahead = np.moveaxis(self.mdp.transitions.ahead(np.ascontiguousarray(values.T))[:, states], (2, 1, 0), (0, 1, 2))
        return ahead - ahead.mean(axis=2, keepdims=True)
