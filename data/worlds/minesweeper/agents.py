"""Agents that learn from MineSweeper's rewards which cell to open.

An agent scores each of its options, a cell, by one small network, ``tanh(x W) u`` on what is seen of the cell; it opens a
cell with probability softmax of the scores. It learns by REINFORCE (Williams 1992), an episode at a time, from the environment's own
rewards. The agent is told no rule. Agents differ by their seed: by initial weights, by training episodes, and by a lens.
The lens is lognormal gains, one on the numbers and its inverse on the place, and one on zeros, so that one agent sees the
numbers better and another where a cell is.
"""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.adam import BATCH, HIDDEN, LENS, TRAINING_BATCHES, Adam, explored, npz_of
from reward_hypotheses.data.worlds.minesweeper.boards import BLOCKS, MOVES, SHOWN, seen

NUMBERS, ZEROS, PLACE = 0.3, 1.0, -0.4  # mean log gains
LEAST_BLOCK_SPREAD = 0.05  # least spread that a block is divided by


@dataclass(frozen=True, eq=False)
class Sweeper:
    """A trained agent.

    Attributes
    ----------
    inner : ndarray (block, hidden)
    outer : ndarray (hidden,)
    gain : ndarray (block,)
    centre, spread : ndarray (block,)
        Mean and standard deviation of observations in training, which normalise them before the lens.
    """

    inner: np.ndarray
    outer: np.ndarray
    gain: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def chances(self, views: np.ndarray) -> np.ndarray:
        """Return the probability of each option: (..., option).

        Parameters
        ----------
        views : ndarray (..., option, block)
            Observations.
        """
        return softmax(np.tanh(self.looked(views) @ self.inner) @ self.outer)

    def looked(self, views: np.ndarray) -> np.ndarray:
        """Return observations, normalised and multiplied by the lens."""
        return (views - self.centre) / self.spread * self.gain

    def saved(self) -> bytes:
        """Return the weights as npz."""
        return npz_of(vars(self))


def lens_of(rng: np.random.Generator) -> np.ndarray:
    """Draw an agent's gains: (block,)."""
    z = rng.standard_normal(2)
    about, place, zeros = np.exp([LENS * z[0] + NUMBERS, -LENS * z[0] + PLACE, LENS * z[1] + ZEROS])
    by_state = np.where(np.arange(len(SHOWN)) == SHOWN.index("0"), about * zeros, about)
    by_number = np.tile(by_state, 9)
    return np.concatenate([by_number, np.full(BLOCKS - len(by_number), place)]).astype(np.float32)


def train_sweeper(
    opened: np.ndarray, numbers: np.ndarray, reward: np.ndarray, ended: np.ndarray, again: float, seed: int
) -> tuple[Sweeper, np.ndarray]:
    """Train an agent by REINFORCE, batch by batch, with Adam.

    The gradient is that of ``E[sum_t (return_t - baseline_t) log p(move_t)]``, the return counted from the move on.

    Parameters
    ----------
    opened : ndarray (board, cell) of bool
        The cells that are open at the start.
    numbers : ndarray (board, cell)
    reward, ended : ndarray (board, cell)
        The environment's reward for opening a hidden cell, and whether that ends the episode.
    again : float
        Reward for a cell that is open already.
    seed : int

    Returns
    -------
    (Sweeper, ndarray (batch,))
        The agent, and the mean return of each batch.
    """
    rng = substream(seed, "sweeper")
    gain = lens_of(rng)
    options = np.nonzero(~opened)[1].reshape(len(opened), -1)
    views = np.take_along_axis(seen(opened, numbers), options[..., None], axis=1)
    centre = views.mean(axis=(0, 1))
    spread = np.maximum(views.std(axis=(0, 1)), np.float32(LEAST_BLOCK_SPREAD))
    inner = (rng.standard_normal((BLOCKS, HIDDEN)) / np.sqrt(BLOCKS)).astype(np.float32)
    outer = (rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN)).astype(np.float32)
    made = Sweeper(inner, outer, gain, centre, spread)
    adam, history = Adam([inner, outer]), np.empty(TRAINING_BATCHES)
    for batch in tracked(range(TRAINING_BATCHES)):
        board = rng.integers(len(opened), size=BATCH)
        shown, going = opened[board], np.ones(BATCH, bool)
        got, lived = np.zeros((MOVES, BATCH), np.float32), []
        for t in range(MOVES):
            x = made.looked(np.take_along_axis(seen(shown, numbers[board]), options[board][..., None], axis=1))
            hidden = np.tanh(x @ inner)
            option, apart = explored(softmax(hidden @ outer), rng)
            lived.append((x, hidden, apart * going[:, None]))
            cell = options[board, option]
            here = np.arange(BATCH), cell
            old = shown[here]
            got[t] = np.where(going, np.where(old, again, reward[board, cell]), 0.0)
            going = going & (old | ~ended[board, cell])
            shown[here] |= going
        history[batch] = got.sum(axis=0).mean()
        follows = np.cumsum(got[::-1], axis=0)[::-1]
        slopes = (follows - follows.mean(axis=1, keepdims=True)).astype(np.float32) / BATCH
        gradients = [np.zeros_like(inner), np.zeros_like(outer)]
        for slope, (x, hidden, apart) in zip(slopes, lived, strict=True):
            by_score = (apart * slope[:, None]).astype(np.float32)
            back = by_score[..., None] * outer * (1 - hidden**2)
            gradients[0] += x.reshape(-1, BLOCKS).T @ back.reshape(-1, HIDDEN)
            gradients[1] += np.einsum("bch,bc->h", hidden, by_score)
        adam.climb(gradients)
    return made, history
