"""Agents that learn which site to land on from what landing there brought them: small networks on crops of the frame.

An agent scores every site by one network, ``tanh(x W + b) u`` on the crop about it, and lands on the site with the highest
score. It learns by REINFORCE (Williams 1992) in training scenes, from real outcomes. Nothing in it is told a rule.
Agents differ by their seed: by initial weights, by the scenes they meet, and by a lens, a gain on what is above the
ground and one on what is below it, lognormal, so that one sees flags better and another paint.
"""

import io
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.policy_gradient import Adam

BLOCK = 15  # pixels of a side of the blocks that a crop is averaged over
LEFT, ABOVE, BELOW = 75, 60, 30  # pixels of a crop about the middle of a site's floor
SHAPE = ((ABOVE + BELOW) // BLOCK, 2 * LEFT // BLOCK, 3)
SKY = ABOVE // BLOCK  # rows of a crop above the ground
HIDDEN = 8
LENS = 0.8
DIM = 0.02  # least spread that a pixel is divided by
BATCHES, BATCH, RATE = 400, 64, 0.01


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
        Mean and standard deviation of a pixel in training, by which what is seen is normalised before the lens.
    """

    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray
    lens: np.ndarray
    centre: np.ndarray
    spread: np.ndarray

    def scores(self, crops: np.ndarray) -> np.ndarray:
        """Score sites: (scene, site), of crops (scene, site, row, column, color)."""
        return np.tanh(self._seen(crops) @ self.inner + self.bias) @ self.outer

    def choose(self, crops: np.ndarray) -> np.ndarray:
        """Give the site it lands on: (scene,) of int."""
        return self.scores(crops).argmax(axis=-1)

    def _seen(self, crops: np.ndarray) -> np.ndarray:
        gain = np.where(np.arange(SHAPE[0]) < SKY, *self.lens)[:, None, None]
        flat = crops.reshape(*crops.shape[:-3], -1)
        return (flat - self.centre) / self.spread * np.broadcast_to(gain, SHAPE).ravel()

    def saved(self) -> bytes:
        """The weights as npz."""
        stream = io.BytesIO()
        np.savez(
            stream,
            inner=self.inner,
            bias=self.bias,
            outer=self.outer,
            lens=self.lens,
            centre=self.centre,
            spread=self.spread,
        )
        return stream.getvalue()


def crops_of(frame: np.ndarray, middle: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Cut what an agent sees about each site out of a frame, averaged over blocks: (site, row, column, color), 0 to 1.

    Parameters
    ----------
    frame : ndarray (400, 600, 3) of uint8
    middle, floor : ndarray (site,)
        Where the sites are, in units of the world.
    """
    from reward_hypotheses.data.worlds.lander.terrain import pixel

    padded = np.pad(frame, ((ABOVE, BELOW), (LEFT, LEFT), (0, 0)), mode="edge")
    out = np.empty((len(middle), *SHAPE))
    for k, (x, y) in enumerate(zip(middle, floor, strict=True)):
        across, down = pixel(float(x), float(y))
        crop = padded[down : down + ABOVE + BELOW, across : across + 2 * LEFT]
        out[k] = crop.reshape(SHAPE[0], BLOCK, SHAPE[1], BLOCK, 3).mean(axis=(1, 3)) / 255
    return out


def train(crops: np.ndarray, rewards: np.ndarray, seed: int) -> tuple[Lander, np.ndarray]:
    """Train an agent: gradient of ``E[(reward - baseline) log p(site)]``, batch by batch, by Adam.

    Parameters
    ----------
    crops : ndarray (scene, site, row, column, color)
    rewards : ndarray (scene, site)
        What landing on each site brought.
    seed : int
        Of its initial weights, its lens, the scenes that it meets and what it tries.

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
    made = Lander(inner, bias, outer, lens, flat.mean(axis=0), np.maximum(flat.std(axis=0), DIM))
    seen = made._seen(crops)
    adam = Adam([inner, bias, outer], RATE)
    history = np.empty(BATCHES)
    for batch in range(BATCHES):
        which = rng.integers(n, size=BATCH)
        x = seen[which]
        hidden = np.tanh(x @ inner + bias)
        score = hidden @ outer
        chance = softmax(score)
        tried = (rng.random((BATCH, 1)) >= np.cumsum(chance, axis=1)[:, :-1]).sum(axis=1)
        got = rewards[which, tried]
        history[batch] = got.mean()
        slope = ((np.arange(sites) == tried[:, None]) - chance) * (got - got.mean())[:, None] / BATCH
        back = slope[..., None] * outer * (1 - hidden**2)
        flat = back.reshape(-1, HIDDEN)
        gradients = [x.reshape(-1, pixels).T @ flat, flat.sum(axis=0), np.einsum("bsh,bs->h", hidden, slope)]
        adam.climb(gradients)
    return made, history
