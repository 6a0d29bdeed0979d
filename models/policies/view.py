"""View: one block of scenes as a policy sees it.

A view has rewards, failure line and scales.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from reward_hypotheses.data.rounding_error_bounds import all_equal
from reward_hypotheses.models.hypotheses.fitted_family import Members
from reward_hypotheses.models.hypotheses.reward import all_exact
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.greatest import greatest


class View:
    """A block of scenes as the agent sees it.

    A view gives the rewards of the agent's choices. Abstaining is worth the failure line that the agent was told.

    Attributes
    ----------
    shape : (choices, scenes)
    mask : ndarray (choice, scene) or None
        Which choices there are, where not all.
    """

    scales: Any

    def __init__(self, block: Block, abstain: bool = False, scales: Any = None) -> None:
        self.block, self.abstain, self.scales = block, abstain, scales
        options, scenes = block.shape
        self.shape = (options + abstain, scenes)
        self.mask = block.options
        if block.options is not None and abstain:
            self.mask = np.vstack([block.options, np.ones((1, scenes), bool)])

    def worth(self, h: int) -> np.ndarray:
        """Return the reward of each choice under h: (choice, scene).

        -inf where there is no choice.
        """
        return self.choices(self.block.reward(h), h)

    def error(self, h: int) -> Any:
        """Bound the rounding error of `worth`: (choice, scene), or 0.0.

        0 where there is no choice.
        """
        return self.errors(self.block.error(h), h)

    def best(self, h: int) -> np.ndarray:
        """Return the probabilities that maximise under h: (choice, scene).

        Ties are split uniformly.
        """
        return greatest(self.worth(h), self.error(h))

    def once(self, h: int, what: Any, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return ``compute()``.

        A view that several policies share may remember the array: do not write in it.
        """
        return compute()

    def choices(self, reward: np.ndarray, h: int, failing: np.ndarray | float | None = None) -> np.ndarray:
        """Return the rewards of options and of abstaining: (choice, scene).

        The options' rewards are (option, scene); abstaining is worth ``u_h``, or what is given, (scene,).
        """
        if self.abstain:
            failing = self.block.agent_failure(h)[0] if failing is None else failing
            reward = np.vstack([reward, np.broadcast_to(failing, (1, self.shape[1]))])
        return reward if self.mask is None else np.where(self.mask, reward, -np.inf)

    def errors(self, error: Any, h: int) -> Any:
        """Bound the rounding errors of `choices`: (choice, scene), or 0.0."""
        of_failing = self.block.agent_failure(h)[1] if self.abstain else 0.0
        if all_exact(error, of_failing):
            return 0.0
        error = np.broadcast_to(error, self.block.shape)
        if self.abstain:
            error = np.vstack([error, np.broadcast_to(of_failing, (1, self.shape[1]))])
        return error if self.mask is None else np.where(self.mask, error, 0.0)


class WideView(View):
    """Draws of a family side by side: (choice, draw * scene).

    Each draw has scenes of its own.
    """

    def __init__(self, view: View, members: Members) -> None:
        n, h = len(members.rewards), members.hypothesis
        options, scenes = view.block.shape
        self.block, self.abstain = view.block, view.abstain
        self.shape = (view.shape[0], n * scenes)
        self.mask = None if view.mask is None else np.tile(view.mask, (1, n))
        self.members = members
        self.scales = None
        if view.scales is not None:
            self.scales = {h: np.repeat(view.scales[h][members.which], scenes)}
        worth = np.moveaxis(members.rewards, 0, 1).reshape(options, -1)
        if self.abstain:
            self._line, self._of_line = view.block.line_of_each(members, told=True)
            worth = np.vstack([worth, np.broadcast_to(self._line, (n, 1, scenes)).reshape(1, -1)])
        self._worth = worth if self.mask is None else np.where(self.mask, worth, -np.inf)

    def by_draw(self, chosen: np.ndarray) -> np.ndarray:
        """Return values (choice, draw * scene) by draw: (draw, choice, scene)."""
        return np.moveaxis(chosen.reshape(len(chosen), len(self.members.rewards), -1), 0, 1)

    def worth(self, h: int) -> np.ndarray:
        """Return the reward of each choice under each draw: (choice, draw * scene)."""
        return self._worth

    def error(self, h: int) -> Any:
        """Return the bound of the rounding error of each: (choice, draw * scene)."""
        return self._spread(self.members.error, h)

    def best(self, h: int) -> np.ndarray:
        """Return the probabilities that maximise under each draw.

        Shape (choice, draw * scene). Ties are split uniformly.
        """
        if not self.members.most.any() and not self.abstain:  # rewards without rounding errors
            return greatest(self._worth)
        most = self._spread(np.broadcast_to(self.members.most, self.members.rewards.shape), h)
        best = greatest(self._worth, most)
        if best.dtype == bool:  # nothing is so near to the best that its own error must be known
            return best
        return greatest(self._worth, self.error(h))

    def _spread(self, error: np.ndarray, h: int) -> np.ndarray:
        n, scenes = len(error), self.block.shape[1]
        out = np.moveaxis(error, 0, 1).reshape(self.block.shape[0], -1)
        if self.abstain:
            out = np.vstack([out, np.broadcast_to(self._of_line, (n, 1, scenes)).reshape(1, -1)])
        return out if self.mask is None else np.where(self.mask, out, 0.0)


def within_scene_scale(valuation: Valuation) -> Any:
    """Return the scale ``s_h`` by which choices scale rewards.

    Shape (hypothesis,), reward units; for a family, one scale for each draw of the agents.

    The root of the mean, over scenes with at least two available options, of the population variance of ``r_h`` among
    them (options that are failing left out; scenes by their weight). 0 where rewards are all equal.
    """
    if "scale" not in valuation.averages:
        valuation.averages["scale"] = _scale(valuation)
    return valuation.averages["scale"]


def _scale(valuation: Valuation) -> Any:
    n = len(valuation.hypotheses)
    weights = valuation.table.scene_weights()
    total, mass = np.zeros(n), 0.0
    unit = np.where(valuation.largest > 0, valuation.largest, 1.0)  # squares of 1e-200 would vanish
    of_draws: dict[int, Any] = {}
    drawn = valuation.families | set(valuation.hypotheses.spaces)

    def measure(block: Block) -> tuple[np.ndarray, float]:
        inside = np.ones(block.shape, bool) if block.options is None else block.options
        count = inside.sum(axis=0)
        weight = (count >= 2) * (1.0 if weights is None else weights[block.scenes])
        out = np.zeros(n)
        share = np.maximum(count, 1)
        first = inside.argmax(axis=0), np.arange(block.shape[1])

        def variance(rewards: np.ndarray, unit: float = 1.0) -> np.ndarray:
            """Return the variance of rewards in each scene: (..., scene).

            The reward of the first option is subtracted, so that an offset takes no digit away.
            """
            apart = np.where(inside, rewards - rewards[..., *first][..., None, :], 0.0) / unit
            mean = apart.sum(axis=-2, keepdims=True) / share
            return np.asarray((np.where(inside, apart - mean, 0.0) ** 2).sum(axis=-2) / share)

        for h in range(n):
            reward = block.reward(h)
            varies = weight * ~all_equal(reward, block.error(h), inside)
            out[h] = (variance(reward, unit[h]) * varies).sum()
        for h in drawn:
            squares = variance(block.members(h, "agents").rewards) * weight
            of_draws[h] = of_draws.get(h, 0.0) + squares.sum(axis=1)
        return out, float(weight.sum())

    for squares, count in valuation.each(measure):
        total += squares
        mass += count
    scales = unit * np.sqrt(total / mass) if mass else total
    if not drawn:
        return scales
    return [np.sqrt(of_draws[h] / max(mass, 1e-300)) if h in of_draws else scales[h] for h in range(n)]
