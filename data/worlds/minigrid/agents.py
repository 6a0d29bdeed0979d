"""Agents that learn from rewards to walk to the goal of a room.

An agent scores every move by one small network, ``tanh(x W + c_direction) u`` on the view ahead, with a compass; it
moves with probability softmax of the scores. It learns by REINFORCE (Williams 1992), an episode at a time, from the
reward at the episode's end. The agent is told no rule. Agents differ by their seed: by initial weights, by training
episodes, and by a lens. The lens is lognormal gains, one on the goal and its inverse on walls and compass, and one on
lava, so that one agent sees the goal itself better and another the goal's position.
"""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.adam import BATCH, HIDDEN, LENS, TRAINING_BATCHES, Adam, explored, npz_of
from reward_hypotheses.data.worlds.minigrid.rooms import MOVES_AN_EPISODE, ROOM_CELLS

GOAL, LAVA, PLACE = -0.5, -1.2, 1.0  # mean log gains
LEAST_BLOCK_SPREAD = 0.05  # least spread that a block is divided by
DISCOUNT = 0.97  # a move


@dataclass(frozen=True, eq=False)
class Walker:
    """A trained agent.

    Attributes
    ----------
    inner : ndarray (block, hidden)
    compass : ndarray (move, hidden)
    outer : ndarray (hidden,)
    gain : ndarray (block,)
    turned : float
        Gain on the compass.
    centre, spread : ndarray (block,)
        Mean and standard deviation of observations in training, which normalise them before the lens.
    """

    inner: np.ndarray
    compass: np.ndarray
    outer: np.ndarray
    gain: np.ndarray
    turned: float
    centre: np.ndarray
    spread: np.ndarray

    def chances(self, seen: np.ndarray) -> np.ndarray:
        """Return the probability of each move: (..., move).

        Parameters
        ----------
        seen : ndarray (..., move, block)
            Observations.
        """
        return softmax(np.tanh(self.looked(seen) @ self.inner + self.turned * self.compass) @ self.outer)

    def looked(self, seen: np.ndarray) -> np.ndarray:
        """Return observations, normalised and multiplied by the lens."""
        return (seen - self.centre) / self.spread * self.gain

    def saved(self) -> bytes:
        """Return the weights as npz."""
        return npz_of(vars(self))


def train_walker(
    seen: np.ndarray, to: np.ndarray, ended: np.ndarray, rewarded: np.ndarray, seed: int
) -> tuple[Walker, np.ndarray]:
    """Train an agent by REINFORCE, batch by batch, with Adam.

    The gradient is that of ``E[(return - baseline) sum_steps log p(move)]``. An episode starts in any cell of any room
    in which the episode has not ended, and is over after `MOVES_AN_EPISODE` moves.

    Parameters
    ----------
    seen : ndarray (room, cell, move, block)
    to, ended, rewarded : ndarray (room, cell, move)
        The cell that a move leads to, whether the move ends the episode, and whether it is rewarded, by 1.
    seed : int

    Returns
    -------
    (Walker, ndarray (batch,))
        The agent, and the share of rewarded episodes of each batch.
    """
    rng = substream(seed, "walker")
    blocks = seen.shape[-1]
    z = rng.standard_normal(2)
    gains = np.exp([LENS * z[0] + GOAL, LENS * z[1] + LAVA, -LENS * z[0] + PLACE])
    flat = seen.reshape(-1, blocks)
    inner = (rng.standard_normal((blocks, HIDDEN)) / np.sqrt(blocks)).astype(np.float32)
    compass = np.zeros((to.shape[2], HIDDEN), np.float32)
    outer = (rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN)).astype(np.float32)
    centre, spread = flat.mean(axis=0), np.maximum(flat.std(axis=0), np.float32(LEAST_BLOCK_SPREAD))
    made = Walker(
        inner, compass, outer, np.repeat(gains, blocks // 3).astype(np.float32), float(gains[2]), centre, spread
    )
    looked = made.looked(seen)
    begins = np.argwhere((to != np.arange(ROOM_CELLS)[:, None]).any(axis=2))
    turned = np.float32(made.turned)
    adam = Adam([inner, compass, outer])
    history = np.empty(TRAINING_BATCHES)
    for batch in tracked(range(TRAINING_BATCHES)):
        room, cell = begins[rng.integers(len(begins), size=BATCH)].T
        going, got, lived = np.arange(BATCH), np.zeros(BATCH, np.float32), []
        for t in range(1, MOVES_AN_EPISODE + 1):
            x = looked[room[going], cell[going]]
            hidden = np.tanh(x @ inner + turned * compass)
            move, apart = explored(softmax(hidden @ outer), rng)
            lived.append((going, x, hidden, apart))
            here = room[going], cell[going], move
            got[going[rewarded[here]]] = DISCOUNT**t
            cell[going], going = to[here], going[~ended[here]]
            if not len(going):
                break
        history[batch] = (got > 0).mean()
        whose, x, hidden, apart = (np.concatenate(parts) for parts in zip(*lived, strict=True))
        slope = (apart * (got - got.mean())[whose, None] / BATCH).astype(np.float32)
        back = slope[..., None] * outer * (1 - hidden**2)
        gradients = [
            x.reshape(-1, blocks).T @ back.reshape(-1, HIDDEN),
            turned * back.sum(axis=0),
            np.einsum("nmh,nm->h", hidden, slope),
        ]
        adam.climb(gradients)
    return made, history
