"""Demonstrations: what somebody did who plans in an MDP."""

import math
import threading
from bisect import bisect
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.rounding import CALLABLE, EPS, all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import (
    MANY,
    Part,
    alike,
    chances_of,
    chosen_by,
    chosen_times,
    length,
    less_their_mean,
    less_their_mean_error,
    log_chosen,
)
from reward_hypotheses.models.feedback.boltzmann.model import CHECKED, SCALED, Rational
from reward_hypotheses.models.feedback.boltzmann.score_test import score
from reward_hypotheses.models.feedback.boltzmann.sequential import Stages
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.quadrature import AGREE
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.planning import log_softmax, optimal, scales, soft
from reward_hypotheses.models.mdp.trajectories import Trajectories, trajectories_of

AT_ONCE = 8_000_000  # action values held at once
NEAR_BETA, BETWEEN = 0.5, 5.0
"""How near a plan must be to be a good first guess of another, in log beta, and how near two between which it lies."""
KEPT = 256  # plans of one hypothesis that are kept to start others from
PANEL, DEGREE = 2.0, 24  # of log beta: how much of it one polynomial spans
_POINTS = np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)
_ENDS = np.where(np.isin(np.arange(DEGREE + 1), (0, DEGREE)), 0.5, 1.0)
_TO_COEFFICIENTS = (
    (np.cos(np.pi * np.outer(np.arange(DEGREE + 1), np.arange(DEGREE + 1)) / DEGREE) * _ENDS)
    * _ENDS[:, None]
    * 2
    / DEGREE
)


@dataclass(frozen=True, eq=False)
class SoftPart(Part):
    """What one hypothesis makes of what was done, planned anew at each rationality."""

    concave: ClassVar[bool] = False
    scaled: np.ndarray = field(default_factory=lambda: np.zeros(0))  # r / s (state,)

    @property
    def at_chance(self) -> bool:  # noqa: D102
        return bool(self.feedback.idle.all()) or not self.scaled.any()

    @cached_property
    def _panels(self) -> dict[tuple[float, float], np.polynomial.Chebyshev | None]:
        return {}

    @cached_property
    def _known(self) -> dict[float, np.ndarray]:
        return {}

    def log_likelihoods(self, theta: Mapping[str, np.ndarray]) -> np.ndarray:
        """``sum_steps log p(action | state, beta)`` at each rationality (point,): (point,).

        It is smooth in log beta. So it is planned at Chebyshev points of panels, which are halved until what the last
        coefficients add is below 1e-10, and known between them by the polynomial.
        """
        beta = np.atleast_1d(self.feedback.beta(theta))
        if len(beta) == 1:
            return self._planned(beta)
        t = np.log(beta)
        out = np.empty(len(t))
        first = np.floor(t / PANEL) * PANEL
        for lo in sorted(set(first.tolist())):
            some = first == lo
            out[some] = self._between(lo, lo + PANEL, t[some])
        return out

    def _between(self, lo: float, hi: float, t: np.ndarray) -> np.ndarray:
        if (lo, hi) not in self._panels:
            y = self._planned(np.exp(lo + (hi - lo) * (1 + _POINTS) / 2))
            found = np.polynomial.Chebyshev(_TO_COEFFICIENTS @ y, domain=(lo, hi))
            left_out = float(np.abs(found.coef[-3:]).sum())
            rounding = 4e-15 * float(self.counts.sum() * np.exp(hi) * np.abs(self._known[0.0]).max())
            enough = left_out <= max(AGREE, 1e-13 * float(np.abs(y).max()), rounding) or hi - lo <= PANEL / 32
            self._panels[lo, hi] = found if enough else None
        polynomial = self._panels[lo, hi]
        if polynomial is not None:
            return polynomial(t)
        middle = (lo + hi) / 2
        out = np.empty(len(t))
        for some, ends in ((t < middle, (lo, middle)), (t >= middle, (middle, hi))):
            if some.any():
                out[some] = self._between(*ends, t[some])
        return out

    def _planned(self, beta: np.ndarray) -> np.ndarray:
        one = self.feedback
        assert isinstance(one, Demonstrations)
        logits = one.soft_logits(self.scaled, beta, self._known, alone=False)
        visited, action = np.divmod(one.pairs[0], one.mdp.n_actions)
        return log_softmax(logits)[:, visited, action] @ self.counts


@dataclass(frozen=True, eq=False)
class Demonstrations(Rational):
    """Steps of somebody who plans: ``p(a | s) = softmax_a(beta Q_h(s, a) / s_h)``, one choice among actions a step.

    ``Q_h(s, a) = r_h(s) + discount * sum_s' P(s' | s, a) V_h(s')``, with ``V = max_a Q`` for the planner ``"optimal"``, who
    errs now but expects not to (Ramachandran and Amir 2007), and ``V = (s_h/beta) log sum_a exp(beta Q / s_h)`` for
    ``"soft"``, who knows better (Ziebart 2010; discount below 1). ``s_h`` is the population standard deviation of r_h over
    the MDP's states. A reward that is equal in every state, such as -1 for every step, has none. Where episodes end, it
    still makes returns differ: its ``s_h`` is its absolute value (1 if raw). Where no episode ends, and for a reward of 0,
    the hypothesis predicts at chance. Steps in states where the episode has ended are not scored: nothing is chosen there.

    Demonstrations are silent between hypotheses whose advantages ``(Q - max_a Q) / s_h`` agree in every state visited; with
    the soft planner, between those whose ``r / s_h`` agree in every state that can be reached from these (up to a constant
    where no episode ends), for the advantages then agree at every beta.

    Parameters
    ----------
    mdp : MDP
        Hypotheses are evaluated on its states.
    trajectories : list of lists of (state, action), or table
        States and actions by name or number; or a table with columns ``trajectory``, ``step``, ``state``, ``action``.
    planner : {"optimal", "soft"}
        Whether the demonstrator expects to choose optimally from the next step on, or as noisily as now. With "soft" Q
        depends on beta, so that the integral over it plans anew at some hundreds of them: it takes several hundred times as long.
    count : str or sequence of int, optional
        How often each trajectory was made, independently: one number a trajectory, or the column of their table that says so,
        the same in all steps of a trajectory.
    rationality, scale, human, name
        As for every rational kind.

    Raises
    ------
    InputError
        Trajectories that cannot be, naming trajectory and step; another planner; "soft" at discount 1; no step that is
        scored.
    """

    kind: ClassVar[str] = "demonstrations"
    in_column: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("mdp", "table")
    linear: ClassVar[bool] = False

    table: Any = field(init=False, repr=False)
    column: str = field(init=False, default="", repr=False)
    missing: str = field(init=False, default="error", repr=False)
    mdp: MDP
    trajectories: Any
    _: KW_ONLY
    planner: str = "optimal"

    def __post_init__(self) -> None:
        if not isinstance(self.mdp, MDP):
            raise InputError(f"mdp: a {type(self.mdp).__name__}; give rh.MDP(states, transitions, discount)")
        if self.planner not in ("optimal", "soft"):
            raise InputError(f"planner: {shown(self.planner)}; give 'optimal' or 'soft'")
        if self.planner == "soft" and self.mdp.discount >= 1:
            raise InputError("planner: 'soft' needs a discount below 1; this MDP's is 1, so give 'optimal'")
        object.__setattr__(self, "table", self.mdp.table)
        made = trajectories_of(self.mdp, self.trajectories, self.count)
        object.__setattr__(self, "trajectories", made)
        object.__setattr__(self, "count", self.count if self.count is None or isinstance(self.count, str) else "given")
        super().__post_init__()
        if not len(self.units):
            raise InputError(
                "trajectories: every step is in a state where the episode has ended, so none says anything; give at least "
                "one step before the end"
            )

    def with_table(self, table: Table) -> "Demonstrations":  # noqa: D102
        return replace(self, mdp=self.mdp.with_table(table))

    @property
    def symbolic(self) -> bool:  # noqa: D102
        return self.planner == "optimal"

    def settings(self) -> dict[str, Any]:  # noqa: D102
        found = {key: value for key, value in super().settings().items() if key not in ("mdp", "trajectories")}
        made = self._made
        often = len(made) if made.counts is None else int(made.counts.sum())
        sizes = {"states": self.mdp.n_states, "actions": self.mdp.n_actions, "trajectories": often}
        return found | {"discount": self.mdp.discount} | sizes

    @cached_property
    def units(self) -> np.ndarray:
        """The steps that are scored, (unit,): those in states where something is chosen."""
        return np.flatnonzero(~self.mdp.ended[self._made.state])

    @property
    def _made(self) -> Trajectories:
        assert isinstance(self.trajectories, Trajectories)
        return self.trajectories

    @cached_property
    def visited(self) -> tuple[np.ndarray, np.ndarray]:
        """The states in which something was chosen (visited,), and which of them each step is in (unit,)."""
        states, _, place, _ = distinct(self._made.state[self.units])
        return states, place

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Distinct (visited, action), as ``visited * actions + action``, and how often each was taken."""
        codes, _, place, _ = distinct(self.visited[1] * self.mdp.n_actions + self._made.action[self.units])
        return codes, np.bincount(place, self.times)

    @cached_property
    def counts(self) -> np.ndarray | None:
        """How often each step was taken, (unit,): as often as its trajectory was made."""
        counts = self._made.counts
        return None if counts is None or (counts == 1).all() else counts[self._made.trajectory[self.units]]

    def _instead_of_weights(self) -> str:
        return "states of an MDP have no weights (count says how often each trajectory was made): leave the column out"

    @property
    def tally(self) -> np.ndarray:
        """With counts: how often each action was taken, (unit, action)."""
        return self.tally_of_options()

    def tallies(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        if self.counts is None:
            return self.replicate(inputs, theta, n, rng)
        beta = self.beta(theta)
        if self.planner == "optimal":
            return chosen_times(self.counts, chances_of(beta, inputs, n), rng)
        logits = self.soft_logits(inputs, np.broadcast_to(np.asarray(beta, float), n).ravel())
        return chosen_times(self.counts, np.exp(log_softmax(logits))[:, self.visited[1]], rng)

    @cached_property
    def inside(self) -> np.ndarray:
        """Every action can be taken: (unit, action)."""
        return np.ones((len(self.units), self.mdp.n_actions), bool)

    @cached_property
    def observed(self) -> np.ndarray:
        """Which action was taken: (unit, action) of bool."""
        return self._made.action[self.units][:, None] == np.arange(self.mdp.n_actions)

    @property
    def effort(self) -> int:
        """Of the optimal planner, whose plans are made by then, what remains; of the soft one each deserves a thread."""
        return super().effort + (MANY * self.mdp.n_states if self.planner == "soft" else 0)

    @cached_property
    def idle(self) -> np.ndarray:
        """With a single action nothing is chosen: (unit,) of bool."""
        return np.full(len(self.units), self.mdp.n_actions == 1)

    def compares(self, valuation: Valuation, h: int) -> bool:  # noqa: D102
        inputs = self.scaled(valuation, h) if self.planner == "optimal" else self.in_units(valuation, h)
        return not self.idle.all() and bool(inputs.any())

    @property
    def nothing_to_compare(self) -> str:  # noqa: D102
        if self.idle.all():
            return "the MDP has a single action"
        return "no hypothesis makes one action better than another in any state visited"

    @property
    def shift_free(self) -> bool:
        """Where an episode may end, a reward for every step is a reason to end it or not to."""
        return not self.mdp.ends

    @property
    def plan_size(self) -> int:
        """Numbers of a plan."""
        return self.mdp.n_states * self.mdp.n_actions

    def dims(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: D102
        return (f"{self.name}_item", f"{self.name}_action")[: len(shape)]

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Features of the states as steps are in them: (unit,)."""
        return values[self._made.state[self.units]]

    def constants(self) -> dict[str, np.ndarray]:
        """Trajectory, step and state of each step that is scored."""
        made = self._made
        return {key: getattr(made, key)[self.units] for key in ("trajectory", "step", "state")}

    def state_rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """``r_h`` (state,)."""
        return Feedback.at(self, valuation, h)

    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """Of rewards (state,): s_h is their standard deviation."""
        return less_their_mean(rewards[None], np.ones((1, len(rewards)), bool))[0] / math.sqrt(len(rewards))

    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:
        """The rewards themselves."""
        return rewards

    def _varies(self, valuation: Valuation, h: int, rewards: np.ndarray) -> bool:
        return not all_equal(rewards, self.errors(valuation, h))

    def _scaled_by(self, valuation: Valuation, h: int) -> tuple[np.ndarray, float]:
        """Rewards (state,), and their ``s_h`` where they are scaled; 0 where the hypothesis predicts at chance."""
        rewards = self.state_rewards(valuation, h)
        if self._varies(valuation, h, rewards):
            return rewards, self.spread(rewards)
        level = float(rewards[0]) if self.mdp.ends else 0.0
        return np.full(len(rewards), level), abs(level)

    def scale_of(self, valuation: Valuation, h: int) -> float:
        """``s_h``: 1 if raw; 0 where the hypothesis predicts at chance."""
        return 1.0 if self.scale == "raw" else self._scaled_by(valuation, h)[1]

    def in_units(self, valuation: Valuation, h: int) -> np.ndarray:
        """``r_h / s_h`` (state,); 0 where the hypothesis predicts at chance."""
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

    @cached_property
    def _planned(self) -> "WeakKeyDictionary[Valuation, np.ndarray]":
        return WeakKeyDictionary()

    @cached_property
    def _planning(self) -> threading.Lock:
        return threading.Lock()

    def advantages(self, valuation: Valuation) -> np.ndarray:
        """``(Q_h - max_a Q_h) / s_h`` of optimal plans in the states visited: (hypothesis, visited, action)."""
        return self._advantages(valuation)[0]

    def _advantages(self, valuation: Valuation) -> np.ndarray:
        """The same, 0 where an action is as good as the best, and bounds of the errors: (2, hypothesis, visited, action)."""
        with self._planning:
            if valuation not in self._planned:
                n = len(valuation.hypotheses)
                states, _ = self.visited
                out = np.empty((2, n, len(states), self.mdp.n_actions))
                size = max(64, AT_ONCE // (self.mdp.n_states * self.mdp.n_actions))
                for lo in range(0, n, size):
                    some = range(lo, min(lo + size, n))
                    scaled = np.array([self.in_units(valuation, h) for h in some])
                    plans = optimal(self.mdp, scaled, np.array([self.in_units_error(valuation, h) for h in some]))
                    q, error = plans.q[:, states], plans.error[:, states]
                    top = q.max(axis=2, keepdims=True)
                    error = error + np.where(q == top, error, 0.0).max(axis=2, keepdims=True)
                    out[0, lo : lo + size] = np.where(q - top >= -2 * error, 0.0, q - top)
                    out[1, lo : lo + size] = error
                self._planned[valuation] = out
            return self._planned[valuation]

    def soft_logits(
        self, scaled: np.ndarray, beta: np.ndarray, known: dict[float, np.ndarray] | None = None, alone: bool = True
    ) -> np.ndarray:
        """``beta Q / s`` of soft plans in the states visited, less the greatest: (beta, visited, action).

        Parameters
        ----------
        scaled : ndarray (state,)
            ``r / s``.
        known : dict of float to ndarray (state,), optional
            V at other betas, to start from, and at 0 the optimal one over beta; what is found is added.
        """
        states, _ = self.visited
        known = {} if known is None else known
        if 0.0 not in known:
            known[0.0] = optimal(self.mdp, scaled[None]).v[0]
        if not scaled.any():
            return np.zeros((len(beta), len(states), self.mdp.n_actions))
        first = beta[:, None] * known[0.0]
        betas = sorted(b for b in known if b > 0)
        for i, b in enumerate(beta.tolist()):  # between its neighbours, for V over beta is convex in it
            after = bisect(betas, b)
            near = betas[max(after - 1, 0) : after + 1]
            if len(near) == 2 and near[1] < BETWEEN * near[0]:
                share = (b - near[0]) / (near[1] - near[0])
                first[i] = (1 - share) * known[near[0]] + share * known[near[1]]
            elif near and abs(math.log(near[0] / b)) < NEAR_BETA:
                first[i] = known[near[0]] + (b - near[0]) * known[0.0]
        found = soft(self.mdp, beta[:, None] * scaled, first, alone=alone)
        if len(known) + len(beta) <= KEPT:
            known.update(zip(beta.tolist(), found.v, strict=True))
        q = found.q[:, states]
        return q - q.max(axis=2, keepdims=True)

    def logits(self, valuation: Valuation, h: int, beta: np.ndarray) -> np.ndarray:
        """``beta Q_h / s_h`` in the states visited, less the greatest: (beta, visited, action)."""
        if self.planner == "optimal":
            return beta[:, None, None] * self.advantages(valuation)[h]
        return self.soft_logits(self.in_units(valuation, h), beta)

    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """Advantages of the actions at each step over s_h, (unit, action); for the soft planner ``r_h / s_h``, (state,)."""
        return self.scaled(valuation, h) if self.planner == "optimal" else self.in_units(valuation, h)

    def scaled(self, valuation: Valuation, h: int) -> np.ndarray:
        """``(Q_h - max_a Q_h) / s_h`` at each step, of optimal plans: (unit, action)."""
        return self.advantages(valuation)[h][self.visited[1]]

    def classes(self, valuation: Valuation) -> np.ndarray:
        """Hypotheses with the same choices at every beta, whatever was done in the states visited."""
        n = len(valuation.hypotheses)
        if self.planner == "optimal":
            found, of_found = self._advantages(valuation)
            return alike(lambda h: found[h], lambda h: of_found[h], n)
        there = self._reachable
        endless = not self.mdp.transitions.ends[:, there].any()
        everywhere = np.ones((1, int(there.sum())), bool)

        def marked(h: int) -> np.ndarray:
            mine = self.in_units(valuation, h)
            at_chance = not mine.any()
            mine = less_their_mean(mine[None, there], everywhere)[0] if endless else mine[there]
            return np.append(mine, float(at_chance and not endless))

        def error(h: int) -> np.ndarray:
            mine, of_mine = self.in_units(valuation, h)[there], self.in_units_error(valuation, h)[there]
            if endless:
                of_mine = less_their_mean_error(mine[None], of_mine[None], everywhere)[0]
            return np.append(of_mine, 0.0)

        return alike(marked, error, n)

    @cached_property
    def _reachable(self) -> np.ndarray:
        """States that some policy can reach from those visited, these among them: (state,) of bool."""
        transitions = self.mdp.transitions
        state = np.repeat(np.tile(np.arange(self.mdp.n_states), self.mdp.n_actions), np.diff(transitions.starts))
        inside = np.zeros(self.mdp.n_states, bool)
        inside[self.visited[0]] = True
        while True:
            more = inside.copy()
            more[transitions.next_state[inside[state]]] = True
            if (more == inside).all():
                return inside
            inside = more

    @cached_property
    def _laid(self) -> tuple[np.ndarray, np.ndarray, Stages]:
        """Distinct steps: which visited state, which action (pair, action), and their stages."""
        codes, counts = self.pairs
        visited, action = np.divmod(codes, self.mdp.n_actions)
        said = (action[:, None] == np.arange(self.mdp.n_actions)).astype(float)
        return visited, said, Stages(2.0 - said, np.ones(said.shape, bool), counts)

    def part(self, valuation: Valuation, h: int) -> Part:
        """What the likelihood of a hypothesis is made of; steps that are alike are one."""
        visited, said, stages = self._laid
        counts = self.pairs[1]
        if self.planner == "soft":
            return SoftPart(self, np.zeros((len(visited), 0)), said, counts, None, self.in_units(valuation, h))
        inputs = self.advantages(valuation)[h][visited]
        return Part(self, inputs, said, counts, stages.steps(inputs))

    def log_likelihood_of(self, rewards: np.ndarray, beta: np.ndarray) -> np.ndarray:  # noqa: D102
        s = scales(self.mdp, rewards, CALLABLE * np.abs(rewards))
        told = s > 0  # else at chance
        divisor = np.where(told, s, 1.0) if self.scale == "unit" else np.ones(len(rewards))
        scaled = np.where(told[:, None], rewards / divisor[:, None], 0.0)
        states, (codes, counts) = self.visited[0], self.pairs
        visited, action = np.divmod(codes, self.mdp.n_actions)
        plans = optimal(self.mdp, scaled)
        worth = beta[:, None, None] * plans.q[:, states]
        if self.planner == "soft":
            worth = soft(self.mdp, beta[:, None] * scaled, beta[:, None] * plans.v).q[:, states]
        return log_softmax(np.where(told[:, None, None], worth, 0.0))[:, visited, action] @ counts

    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:  # noqa: D102
        beta = self.beta(theta)
        if self.planner == "optimal":
            return log_chosen(beta, inputs, observed, xp)
        found = log_softmax(self.soft_logits(inputs, np.ravel(beta)))[:, self.visited[1]]
        return (found * observed).sum(axis=-1)

    def replicate(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        beta = self.beta(theta)
        if self.planner == "optimal":
            return chosen_by(beta, inputs, n, rng)
        logits = self.soft_logits(inputs, np.broadcast_to(np.asarray(beta, float), n).ravel())
        return _chosen(logits[:, self.visited[1]], rng)

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Check the largest score (Rao 1948) of a column, or of the reward itself over time.

        Whether actions lead to states with more or less of a column than reward explains; and whether reward explains
        them better or worse as a trajectory goes on, or from trajectory to trajectory, as where somebody follows something
        else from some step on.
        """
        lead = int(np.argmax(weights)) if lead is None else lead
        units, nth = self._copies(self.checked_answers(rng))
        visited = self.visited[1][units]
        columns = {c: self.table.columns[c] for c in self.needs if c in self.table.columns}
        names = [c for c, column in columns.items() if not column.is_text]
        fixed = self._ahead([np.nan_to_num(columns[c].values.astype(float)) for c in names])[:, visited]
        made, steps = self._made, self.units[units]
        clocks = {"as a trajectory goes on": made.step[steps], "from trajectory to trajectory": nth}
        times = {words: (t - t.mean()) / t.std() for words, t in clocks.items() if np.ptp(t) > 0}
        drawn = rng.choice(len(weights), CHECKED, p=weights)
        theta = self.draws(evidence, np.arange(len(weights)), CHECKED, rng)
        said = self.observed[units]

        def scores(logits: np.ndarray, answers: np.ndarray) -> np.ndarray:
            chance = np.exp(log_softmax(logits))
            worth = logits - (chance * logits).sum(axis=1, keepdims=True)
            drifts = [time[:, None] * worth for time in times.values()]
            features = np.concatenate([fixed, np.array(drifts).reshape(len(drifts), *logits.shape)])
            return np.abs(score(features, answers, chance))

        found, exceeds = np.zeros(CHECKED), 0
        of_lead: list[np.ndarray] = []
        for h in sorted({*drawn.tolist(), lead}):
            rows = np.flatnonzero(drawn == h)
            some = np.arange(0, CHECKED, 10) if h == lead else np.empty(0, int)
            every = np.concatenate([rows, some])
            beta = np.array([float(np.ravel(self.beta({k: v[i, h] for k, v in theta.items()}))[0]) for i in every])
            every_logits = self.logits(valuation, h, beta)
            for i, logits in zip(rows.tolist(), every_logits[: len(rows)], strict=True):
                mine = logits[visited]
                found[i] = scores(mine, _chosen(mine[None], rng)[0]).max(initial=0.0)
                exceeds += found[i] >= scores(mine, said).max(initial=0.0) - 1e-9
            of_lead.extend(scores(logits[visited], said) for logits in every_logits[len(rows) :])
        at_lead = np.mean(of_lead, axis=0)
        p, statistic = float(exceeds) / CHECKED, float(at_lead.max(initial=0.0))
        misfit: tuple[str, ...] = ()
        if p < 0.01:
            which, name = int(np.argmax(at_lead)), valuation.hypotheses.names[lead]
            if which < len(names):
                how = f"actions lead to column {names[which]!r} otherwise than {name!r} explains at any rationality that fits"
            else:
                how = f"how well {name!r} explains the actions changes {list(times)[which - len(names)]}"
            misfit = (
                f"no hypothesis fits {self.name}: {how}, by {statistic:.1f} standard errors, and replications reach that in "
                f"{p:.1%} of cases; a reward that nobody listed may have been followed",
            )
        mcse = math.sqrt(max(p * (1 - p), 1 / CHECKED) / CHECKED)
        what = (
            "largest score, in standard errors: actions going with a column, or with reward over time, beyond the model"
        )
        return Check(statistic, p, mcse, CHECKED, what, found, misfit)

    def _copies(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Step of each answer, and how many-th trajectory it is of: two arrays (answer,).

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
        """What each action is expected to lead to, less the mean over actions: (column, visited, action)."""
        states, _ = self.visited
        values = np.array(columns, float).reshape(len(columns), self.mdp.n_states)
        ahead = np.moveaxis(self.mdp.transitions.ahead(np.ascontiguousarray(values.T))[:, states], (2, 1, 0), (0, 1, 2))
        return ahead - ahead.mean(axis=2, keepdims=True)


def _chosen(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Choose with probability softmax over the last axis: of the shape given, of bool."""
    noisy = logits + rng.gumbel(size=logits.shape)
    return noisy == noisy.max(axis=-1, keepdims=True)
