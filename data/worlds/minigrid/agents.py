"""Agents that learn to walk to the goal of a room from what their episodes brought: small networks on what they see.

An agent scores every move by one network, ``tanh(x W + c_direction) u`` on what lies ahead of it, with a compass; it moves with
probability softmax of the scores. It learns by REINFORCE (Williams 1992), an episode at a time, from the reward at its end.
Nothing in it is told a rule. Agents differ by their seed: by initial weights, by the episodes they live through, and by a lens:
lognormal gains, one on the goal and its inverse on walls and compass, and one on lava, so that one sees the goal better and
another where it is.
"""

import io
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.minigrid.rooms import CELLS, MOST
from reward_hypotheses.data.worlds.policy_gradient import Adam

HIDDEN = 8
LENS = 0.8
GOAL, LAVA, PLACE = -0.5, -1.2, 1.0  # mean log gains
DIM = 0.05  # least spread that a block is divided by
BATCHES, BATCH, RATE = 400, 64, 0.01
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
        Mean and standard deviation of what was seen in training, by which it is normalised before the lens.
    """

    inner: np.ndarray
    compass: np.ndarray
    outer: np.ndarray
    gain: np.ndarray
    turned: float
    centre: np.ndarray
    spread: np.ndarray

    def chances(self, seen: np.ndarray) -> np.ndarray:
        """Probability of each move: (..., move), of what is seen (..., move, block)."""
        return softmax(np.tanh(self.looked(seen) @ self.inner + self.turned * self.compass) @ self.outer)

    def looked(self, seen: np.ndarray) -> np.ndarray:
        """What is seen, normalised, through the lens."""
        return (seen - self.centre) / self.spread * self.gain

    def saved(self) -> bytes:
        """The weights as npz."""
        stream = io.BytesIO()
        np.savez(
            stream,
            inner=self.inner,
            compass=self.compass,
            outer=self.outer,
            gain=self.gain,
            turned=self.turned,
            centre=self.centre,
            spread=self.spread,
        )
        return stream.getvalue()


def train(
    seen: np.ndarray, to: np.ndarray, ended: np.ndarray, rewarded: np.ndarray, seed: int
) -> tuple[Walker, np.ndarray]:
    """Train an agent: gradient of ``E[(return - baseline) sum_steps log p(move)]``, batch by batch, by Adam.

    An episode starts in any cell of any room in which it has not ended, and is over after `MOST` moves.

    Parameters
    ----------
    seen : ndarray (room, cell, move, block)
    to, ended, rewarded : ndarray (room, cell, move)
        Where a move leads, whether it ends the episode, and whether it is rewarded, by 1.
    seed : int

    Returns
    -------
    (Walker, ndarray (batch,))
        The agent, and the share of episodes of each batch that were rewarded.
    """
    rng = substream(seed, "walker")
    blocks = seen.shape[-1]
    z = rng.standard_normal(2)
    gains = np.exp([LENS * z[0] + GOAL, LENS * z[1] + LAVA, -LENS * z[0] + PLACE])
    flat = seen.reshape(-1, blocks)
    inner = (rng.standard_normal((blocks, HIDDEN)) / np.sqrt(blocks)).astype(np.float32)
    compass = np.zeros((to.shape[2], HIDDEN), np.float32)
    outer = (rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN)).astype(np.float32)
    centre, spread = flat.mean(axis=0), np.maximum(flat.std(axis=0), np.float32(DIM))
    made = Walker(
        inner, compass, outer, np.repeat(gains, blocks // 3).astype(np.float32), float(gains[2]), centre, spread
    )
    looked = made.looked(seen)
    begins = np.argwhere((to != np.arange(CELLS)[:, None]).any(axis=2))
    turned = np.float32(made.turned)
    adam = Adam([inner, compass, outer], RATE)
    history = np.empty(BATCHES)
    for batch in range(BATCHES):
        room, cell = begins[rng.integers(len(begins), size=BATCH)].T
        going, got, lived = np.arange(BATCH), np.zeros(BATCH, np.float32), []
        for t in range(1, MOST + 1):
            x = looked[room[going], cell[going]]
            hidden = np.tanh(x @ inner + turned * compass)
            chance = softmax(hidden @ outer)
            move = (rng.random((len(going), 1)) >= np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
            lived.append((going, x, hidden, (np.arange(chance.shape[1]) == move[:, None]) - chance))
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
