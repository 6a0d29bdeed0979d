"""Agents that learn from rewards on which site to land.

An agent scores every site by one small network, ``tanh(x W + b) u`` on the crop of the frame around the site, and lands
on the site with the highest score. It learns by REINFORCE (Williams 1992) in training scenes, from real outcomes. The
agent is told no rule. Agents differ by their seed: by initial weights, by training scenes, and by a lens. The lens is
two lognormal gains, one on pixels above the ground and one on pixels below it, so that one agent sees flags better and
another paint.
"""

from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.adam import BATCH, HIDDEN, LENS, TRAINING_BATCHES, Adam, explored, npz_of

BLOCK = 15  # pixels of a side of the blocks that a crop is averaged over
ASIDE, ABOVE, BELOW = 75, 60, 30  # pixels of a crop about the middle of a site's floor
SHAPE = ((ABOVE + BELOW) // BLOCK, 2 * ASIDE // BLOCK, 3)
ROWS_ABOVE = ABOVE // BLOCK  # rows of a crop above the ground
LEAST_PIXEL_SPREAD = 0.02  # least spread that a pixel is divided by


@dataclass(frozen=True, eq=False)
class Lander:
    """A trained agent.

    Attributes
    ----------
    inner : ndarray (pixel, hidden)
    bias, outer : ndarray (hidden,)
    lens : ndarray (2,)
        Gains on the rows above the ground and on those below.
    centre, spread : ndarray (pixel,)
        Mean and standard deviation of a pixel in training, which normalise it before the lens.
    """

    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray
    lens: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def choose(self, crops: np.ndarray) -> np.ndarray:
        """Return the site that the agent lands on: (scene,) of int.

        Parameters
        ----------
        crops : ndarray (scene, site, row, column, color)
        """
        scores = np.tanh(self._seen(crops) @ self.inner + self.bias) @ self.outer
        return scores.argmax(axis=-1)

    def _seen(self, crops: np.ndarray) -> np.ndarray:
        gain = np.where(np.arange(SHAPE[0]) < ROWS_ABOVE, *self.lens)[:, None, None]
        flat = crops.reshape(*crops.shape[:-3], -1)
        return (flat - self.centre) / self.spread * np.broadcast_to(gain, SHAPE).ravel()

    def saved(self) -> bytes:
        """Return the weights as npz."""
        return npz_of(vars(self))


def crops_of(frame: np.ndarray, middle: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Return an agent's observation of each site: (site, row, column, color).

    A crop of the frame, averaged over blocks, 0 to 1.

    Parameters
    ----------
    frame : ndarray (400, 600, 3) of uint8
    middle, floor : ndarray (site,)
        Positions of the sites, in units of the world.
    """
    from reward_hypotheses.data.worlds.lander.landing_world import pixel

    padded = np.pad(frame, ((ABOVE, BELOW), (ASIDE, ASIDE), (0, 0)), mode="edge")
    out = np.empty((len(middle), *SHAPE))
    for k, (x, y) in enumerate(zip(middle, floor, strict=True)):
        across, down = pixel(float(x), float(y))
        crop = padded[down : down + ABOVE + BELOW, across : across + 2 * ASIDE]
        out[k] = crop.reshape(SHAPE[0], BLOCK, SHAPE[1], BLOCK, 3).mean(axis=(1, 3)) / 255
    return out


def train_lander(crops: np.ndarray, rewards: np.ndarray, seed: int) -> tuple[Lander, np.ndarray]:
    """Train an agent by REINFORCE, batch by batch, with Adam.

    The gradient is that of ``E[(reward - baseline) log p(site)]``.

    Parameters
    ----------
    crops : ndarray (scene, site, row, column, color)
    rewards : ndarray (scene, site)
        Reward of landing on each site.
    seed : int
        Of initial weights, lens, scenes and explored options.

    Returns
    -------
    (Lander, ndarray (batch,))
        The agent, and the mean reward of each batch.
    """
    rng = substream(seed, "lander")
    lens = np.exp(LENS * rng.standard_normal(2))
    n, sites = crops.shape[:2]
    flat = crops.reshape(n * sites, -1)
    pixels = flat.shape[1]
    inner = rng.standard_normal((pixels, HIDDEN)) / np.sqrt(pixels)
    bias, outer = np.zeros(HIDDEN), rng.standard_normal(HIDDEN) / np.sqrt(HIDDEN)
    made = Lander(inner, bias, outer, lens, flat.mean(axis=0), np.maximum(flat.std(axis=0), LEAST_PIXEL_SPREAD))
    seen = made._seen(crops)
    adam = Adam([inner, bias, outer])
    history = np.empty(TRAINING_BATCHES)
    for batch in tracked(range(TRAINING_BATCHES)):
        which = rng.integers(n, size=BATCH)
        x = seen[which]
        hidden = np.tanh(x @ inner + bias)
        tried, apart = explored(softmax(hidden @ outer), rng)
        got = rewards[which, tried]
        history[batch] = got.mean()
        slope = apart * (got - got.mean())[:, None] / BATCH
        back = slope[..., None] * outer * (1 - hidden**2)
        flat = back.reshape(-1, HIDDEN)
        gradients = [x.reshape(-1, pixels).T @ flat, flat.sum(axis=0), np.einsum("bsh,bs->h", hidden, slope)]
        adam.climb(gradients)
    return made, history
