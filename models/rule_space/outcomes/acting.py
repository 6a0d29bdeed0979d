"""How an agent that follows one rule chooses: by maximising, or by a softmax."""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.rounding_error_bounds import bound_of

type Line = float | np.ndarray


def compared(a: Line, b: Line) -> np.ndarray:
    """Return -1, 0 or 1 where a is below, equal to or above b, up to rounding."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    tolerance = 2 * (bound_of(a).error + bound_of(b).error)
    return np.where(np.abs(a - b) <= tolerance, 0.0, np.sign(a - b))


@dataclass(frozen=True)
class Odds:
    """Odds of the choices of an agent that follows one rule.

    Where the rule approves of p > 0 of n options, an option has odds `approved` or `rejected`, and abstaining has
    `abstained`; where the rule approves of none, an option has `least` and abstaining `least_abstained`. Each is a
    number, or an array by truth table.
    """

    approved: float | np.ndarray
    rejected: float | np.ndarray
    abstained: float | np.ndarray
    least: float | np.ndarray
    least_abstained: float | np.ndarray

    def inside(self, p: int, n: int) -> float | np.ndarray:
        """Return the probability of each of p > 0 approved options."""
        return self.approved / (p * self.approved + (n - p) * self.rejected + self.abstained)

    def outside(self, p: int, n: int) -> float | np.ndarray:
        """Return the probability of each option that the rule rejects."""
        if p == 0:
            return self.least / (n * self.least + self.least_abstained)
        return self.rejected / (p * self.approved + (n - p) * self.rejected + self.abstained)

    def tables(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return `inside` and `outside` by number of approved options: (n + 1,) each.

        For odds that are numbers.
        """
        inside = np.array([0.0, *(self.inside(p, n) for p in range(1, n + 1))])
        outside = np.array([*(self.outside(p, n) for p in range(n)), 0.0])
        return inside, outside

    def by_table(self, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Return the five odds as arrays of a shape."""
        five = (self.approved, self.rejected, self.abstained, self.least, self.least_abstained)
        return tuple(np.ascontiguousarray(np.broadcast_to(np.asarray(x, float), shape)) for x in five)


@dataclass(frozen=True, eq=False)
class Acting:
    """An agent that draws one rule and acts by it.

    Parameters
    ----------
    reward : (float, float)
        Rewards of an option that the rule approves, and of one that it rejects; the first is no less.
    failing : float or ndarray (scene,), optional
        Where the agent may abstain, the reward of failing as the agent was told.
    beta : float, optional
        Rationality, of choices with probability ``softmax(beta r / s)``. Default: the agent maximises, ties split
        uniformly. ``s`` is the rule's own scale on the test: the root of the mean, over scenes with at least two
        choices, of the population variance of its reward among them; 0 means choices at chance.

    Raises
    ------
    InputError
        Rewards that are not finite or in the wrong order, or a beta that is negative or not finite.
    """

    reward: tuple[float, float]
    failing: Line | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.reward)) or self.reward[0] < self.reward[1]:
            raise InputError(
                f"reward: {self.reward!r}; give two finite numbers, of an approved option and of another, the first no less"
            )
        if self.beta is not None and not (np.isfinite(self.beta) and self.beta >= 0):
            raise InputError(f"beta: {self.beta!r}; give the agent's rationality, a finite number, 0 or more")

    @property
    def abstains(self) -> bool:
        """Whether the agent may abstain."""
        return self.failing is not None

    @property
    def levels_tie(self) -> bool:
        """Whether all options are worth the same under every rule."""
        return bool(compared(*self.reward) == 0)

    def keys(self, n_scenes: int) -> list[np.ndarray]:
        """Return what scenes share that have the same odds: (scene,) each."""
        if self.failing is None:
            return []
        line = np.broadcast_to(np.asarray(self.failing, float), n_scenes)
        return [line] if self.beta is not None else [compared(line, r) for r in self.reward]

    def odds(self, key: tuple[float, ...], spread: np.ndarray | None = None) -> Odds:
        """Return the odds in the scenes of a key.

        Parameters
        ----------
        spread : ndarray (..., table), optional
            Of an agent with a `beta`: the mean over scenes of the variance of approval.
        """
        high, low = self.reward
        if self.beta is None:
            above, below = key if key else (-1.0, -1.0)  # failing, against each reward
            tie = float(self.levels_tie)
            return Odds(
                approved=float(above <= 0),
                rejected=tie * float(above <= 0),
                abstained=float(self.abstains and above >= 0),
                least=float(below <= 0),
                least_abstained=float(self.abstains and below >= 0),
            )
        assert spread is not None
        scale = np.sqrt(spread) * (0.0 if self.levels_tie else high - low)
        with np.errstate(over="ignore"):
            rate = np.where(scale > 0, self.beta, 0.0) / np.where(scale > 0, scale, 1.0)
        rate = np.minimum(rate, np.finfo(float).max)
        best, rest = (max(x, key[0]) if key else x for x in self.reward)

        def odds(worth: float, top: float) -> np.ndarray:
            with np.errstate(over="ignore"):
                return np.exp(-rate * (top - worth))

        none = np.zeros(rate.shape)
        return Odds(
            odds(high, best),
            odds(low, best),
            odds(key[0], best) if key else none,
            odds(low, rest),
            odds(key[0], rest) if key else none,
        )
