"""Demonstrations: actions of somebody who plans in an MDP."""

import threading
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, ClassVar, override
from weakref import WeakKeyDictionary

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import log_softmax
from reward_hypotheses.data.rounding_error_bounds import CALLABLE
from reward_hypotheses.models.feedback.boltzmann.centring import less_their_mean, less_their_mean_error
from reward_hypotheses.models.feedback.boltzmann.likelihood import Likelihood, chosen_times, noisy_best
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.boltzmann.soft_likelihood import SoftLikelihood
from reward_hypotheses.models.feedback.boltzmann.trajectory_steps import TrajectorySteps
from reward_hypotheses.models.feedback.equivalence import MANY, classes_of_arrays
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Theta
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.planning import optimal, scales, soft
from reward_hypotheses.models.mdp.soft_plan_cache import SoftPlans

AT_ONCE = 8_000_000  # action values held at once


@dataclass(frozen=True, eq=False)
class Demonstrations(TrajectorySteps):
    """Demonstrations: steps of somebody who plans in an MDP.

    Each step is one choice among actions: ``p(a | s) = softmax_a(beta Q_h(s, a) / s_h)``, with
    ``Q_h(s, a) = r_h(s) + discount * sum_s' P(s' | s, a) V_h(s')``. The planner ``"optimal"`` errs now but expects
    not to err later: ``V = max_a Q`` (Ramachandran and Amir 2007). The planner ``"soft"`` expects to err later too:
    ``V = (s_h/beta) log sum_a exp(beta Q / s_h)`` (Ziebart 2010; discount below 1).

    ``s_h`` is the population standard deviation of r_h over the MDP's states. A reward that is equal in every state,
    such as -1 for every step, has none. Where episodes end, such a reward still makes returns differ: its ``s_h`` is
    its absolute value (1 if raw). Where no episode ends, and for a reward of 0, the hypothesis predicts at chance.
    Steps in states where the episode has ended are not scored, because nothing is chosen there.

    Demonstrations are silent between hypotheses whose advantages ``(Q - max_a Q) / s_h`` agree in every visited
    state. With the soft planner, they are silent between hypotheses whose ``r / s_h`` agree in every state that can
    be reached from the visited states (up to a constant where no episode ends), because the advantages then agree at
    every beta.

    Parameters
    ----------
    mdp : MDP
        Hypotheses are evaluated on its states.
    trajectories : list of lists of (state, action), or table
        States and actions by name or number; or a table with columns ``trajectory``, ``step``, ``state``, ``action``.
    planner : {"optimal", "soft"}
        Whether the demonstrator expects to choose optimally from the next step on, or as noisily as now. With "soft",
        Q depends on beta, so the integral over beta plans anew at some hundreds of values and takes several hundred
        times as long.
    count : str or sequence of int, optional
        How often each trajectory was made, independently: one number a trajectory, or the column of their table that
        holds the number, constant within a trajectory.
    rationality, scale, human, name
        As for every rational kind.

    Raises
    ------
    InputError
        An impossible trajectory, naming trajectory and step; another planner; "soft" at discount 1; no step that is
        scored.
    """

    kind: ClassVar[str] = "demonstrations"
    linear: ClassVar[bool] = False

    _: KW_ONLY
    planner: str = "optimal"

    def __post_init__(self) -> None:
        if isinstance(self.mdp, MDP):
            if self.planner not in ("optimal", "soft"):
                raise InputError(f"planner: {shown(self.planner)}; give 'optimal' or 'soft'")
            if self.planner == "soft" and self.mdp.discount >= 1:
                raise InputError("planner: 'soft' needs a discount below 1; this MDP's is 1, so give 'optimal'")
        super().__post_init__()

    @property
    @override
    def symbolic(self) -> bool:
        return self.planner == "optimal"

    @property
    @override
    def effort(self) -> int:
        """Approximate number of floats that a likelihood works on.

        Every soft plan is large enough for a thread of its own.
        """
        return super().effort + (MANY * self.mdp.n_states if self.planner == "soft" else 0)

    @override
    def compares(self, valuation: Valuation, h: int) -> bool:
        return not self.idle.all() and bool(self.at(valuation, h).any())

    @property
    @override
    def nothing_to_compare(self) -> str:
        if self.idle.all():
            return "the MDP has a single action"
        return "no hypothesis makes one action better than another in any state visited"

    @property
    @override
    def shift_free(self) -> bool:
        """Whether no episode ends.

        Where an episode may end, a reward for every step is a reason to end the episode, or to continue.
        """
        return not self.mdp.ends

    @property
    @override
    def plan_size(self) -> int:
        return self.mdp.n_states * self.mdp.n_actions

    @cached_property
    def _planned(self) -> "WeakKeyDictionary[Valuation, np.ndarray]":
        return WeakKeyDictionary()

    @cached_property
    def _planning(self) -> threading.Lock:
        return threading.Lock()

    def advantages(self, valuation: Valuation) -> np.ndarray:
        """Return ``(Q_h - max_a Q_h) / s_h`` of optimal plans.

        Shape (hypothesis, visited, action), for the visited states.
        """
        return self._advantages(valuation)[0]

    def _advantages(self, valuation: Valuation) -> np.ndarray:
        """Return `advantages` and bounds of their rounding errors, stacked.

        An advantage is 0 where an action is as good as the best, up to rounding. Shape (2, hypothesis, visited,
        action).
        """
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

    def soft_logits(self, scaled: np.ndarray, beta: Any) -> np.ndarray:
        """Return ``beta Q / s`` of soft plans at each step: (beta, unit, action).

        The greatest value of each step is subtracted.
        """
        plans = SoftPlans(self.mdp, self.visited[0], scaled)
        return plans.logits(np.ravel(beta))[:, self.visited[1]]

    @override
    def logits(self, valuation: Valuation, h: int, beta: np.ndarray) -> np.ndarray:
        if self.planner == "optimal":
            return beta[:, None, None] * self.advantages(valuation)[h]
        return SoftPlans(self.mdp, self.visited[0], self.in_units(valuation, h)).logits(beta)

    @override
    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return the inputs of the likelihood under h.

        For the optimal planner, the advantages at each step over s_h: (unit, action). For the soft planner,
        ``r_h / s_h``: (state,).
        """
        return self.scaled(valuation, h) if self.planner == "optimal" else self.in_units(valuation, h)

    @override
    def scaled(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``(Q_h - max_a Q_h) / s_h`` at each step: (unit, action).

        Plans are optimal.
        """
        return self.advantages(valuation)[h][self.visited[1]]

    @override
    def classes(self, valuation: Valuation) -> np.ndarray:
        """Group hypotheses with equal choice probabilities at every beta.

        The probabilities agree in every state visited: (hypothesis,) of int.
        """
        n = len(valuation.hypotheses)
        if self.planner == "optimal":
            advantages, errors = self._advantages(valuation)
            return classes_of_arrays(advantages.__getitem__, errors.__getitem__, n)
        return classes_of_arrays(*self._soft_inputs(valuation), n)

    def _soft_inputs(self, valuation: Valuation) -> tuple[Callable[[int], np.ndarray], Callable[[int], np.ndarray]]:
        """Return the inputs of the soft planner and their errors, by hypothesis.

        The inputs are ``r / s`` of the states in reach.
        """
        there = self._reachable
        endless = not self.mdp.transitions.ends[:, there].any()
        everywhere = np.ones((1, int(there.sum())), bool)

        def inputs(h: int) -> np.ndarray:
            in_units = self.in_units(valuation, h)
            at_chance = not in_units.any()
            in_units = less_their_mean(in_units[None, there], everywhere)[0] if endless else in_units[there]
            return np.append(in_units, float(at_chance and not endless))

        def error(h: int) -> np.ndarray:
            in_units, errors = self.in_units(valuation, h)[there], self.in_units_error(valuation, h)[there]
            if endless:
                errors = less_their_mean_error(in_units[None], errors[None], everywhere)[0]
            return np.append(errors, 0.0)

        return inputs, error

    @cached_property
    def _reachable(self) -> np.ndarray:
        """States that some policy can reach from the visited ones: (state,) of bool.

        The visited states are included.
        """
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
    def _stages(self) -> Stages:
        """The distinct steps, laid out as choices for their likelihood."""
        chosen = self._chosen
        return Stages(2.0 - chosen, np.ones(chosen.shape, bool), self.pairs[1])

    @cached_property
    def _chosen(self) -> np.ndarray:
        """The action of each distinct step: (pair, action) of 0 and 1."""
        return (self.taken[1][:, None] == np.arange(self.mdp.n_actions)).astype(float)

    @override
    def likelihood(self, valuation: Valuation, h: int) -> Likelihood:
        """Return the likelihood of a hypothesis; equal steps are merged."""
        visited, counts = self.taken[0], self.pairs[1]
        if self.planner == "soft":
            plans = SoftPlans(self.mdp, self.visited[0], self.in_units(valuation, h))
            nothing = np.zeros((len(visited), 0))
            return SoftLikelihood(self, nothing, self._chosen, counts, plans=plans, taken=self.taken)
        inputs = self.advantages(valuation)[h][visited]
        return Likelihood(self, inputs, self._chosen, counts, self._stages.steps(inputs))

    @override
    def log_likelihood_of(self, rewards: np.ndarray, beta: np.ndarray) -> np.ndarray:
        s = scales(self.mdp, rewards, CALLABLE * np.abs(rewards))
        varies = s > 0  # else at chance
        divisor = np.where(varies, s, 1.0) if self.scale == "unit" else np.ones(len(rewards))
        scaled = np.where(varies[:, None], rewards / divisor[:, None], 0.0)
        states, (visited, action) = self.visited[0], self.taken
        plans = optimal(self.mdp, scaled)
        worth = beta[:, None, None] * plans.q[:, states]
        if self.planner == "soft":
            worth = soft(self.mdp, beta[:, None] * scaled, beta[:, None] * plans.v).q[:, states]
        return log_softmax(np.where(varies[:, None, None], worth, 0.0))[:, visited, action] @ self.pairs[1]

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        if self.planner == "optimal":
            return super().log_likelihood(inputs, theta, observed, xp)
        return (log_softmax(self.soft_logits(inputs, self.beta(theta))) * observed).sum(axis=-1)

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        if self.planner == "optimal":
            return super().replicate(inputs, theta, n, rng)
        return noisy_best(self.soft_logits(inputs, np.broadcast_to(np.asarray(self.beta(theta), float), n)), rng)

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        if self.planner == "optimal":
            return super().counted_tallies(inputs, theta, n, rng)
        logits = self.soft_logits(inputs, np.broadcast_to(np.asarray(self.beta(theta), float), n))
        return chosen_times(self.times, np.exp(log_softmax(logits)), rng)
