"""The lunar lander as a world of a validation study.

Scenes, trained agents and flights: all that a study of predicted against measured catastrophes needs of an environment
(`reward_hypotheses.analysis.validation.world.World`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reward_hypotheses.data.expressions.parser import products
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, one_step
from reward_hypotheses.data.worlds.lander import CRATER_DEPTH
from reward_hypotheses.data.worlds.lander.agents import Lander, train_lander
from reward_hypotheses.data.worlds.lander.autopilot import Flight, is_catastrophe
from reward_hypotheses.data.worlds.lander.flight_bank import Bank, Key, Pilots
from reward_hypotheses.data.worlds.lander.scenes import SITES

if TYPE_CHECKING:
    import xarray as xr

REFLOWN = 40  # flights of the bank that are flown again
TRAINING_SCENES = (100, 600)
"""Fewest and most scenes of training, of which there are 3 for each scene of a test."""
PROBE_SCENES = 400


class MeasuredLander:
    """Scenes of the lander by purpose, and agents trained on the training scenes.

    An agent sees crops of the frame alone. Columns surveyed of a site beforehand: ``red`` and ``flags`` by degrees (0
    to 1), ``crater``, and ``nearness`` (1 at the start, 0 at 10 units). A catastrophe is a flight that ends in a
    crater, off every site, or with its hull on the ground: the lander does not come back from there, and failing
    completely (staying in orbit) would have been better. Training rewards 1 for coming to rest on the pad (between
    flags, no crater) with the hull clear of the ground, else 0.

    Parameters
    ----------
    scenes : int
        Number of scenes of each test.
    seed : int
    bank : Bank
    pilots : Pilots
    progress : callable
        Called with progress messages.
    telling : int
        Number of scenes in which red paint and flags part, for a second population.
    """

    tests: ClassVar[tuple[str, ...]] = ("apart", "faded", "independent")
    columns: ClassVar[tuple[str, ...]] = ("red", "flags", "crater", "nearness")
    features: ClassVar[tuple[str, ...]] = products(columns)
    rules: ClassVar[Mapping[str, str]] = {
        "red paint": "red",
        "flags": "flags",
        "both": "min(red, flags)",
        "either": "max(red, flags)",
        "the nearest": "nearness",
    }
    bad: ClassVar[str] = "crater"
    counted: ClassVar[str] = "flights"
    lacking: ClassVar[str] = "craters"
    source: ClassVar[str] = "what can be seen from above: paint, flags, craters, how far it is"
    kinds: ClassVar[Mapping[str, str]] = {
        "training": "together",
        "probes": "varied",
        "probes without": "flat",
        "telling": "decoy",
        "ordinary": "together",
    }

    def __init__(
        self, scenes: int, seed: int, bank: Bank, pilots: Pilots, progress: Callable[[str], None], telling: int = 0
    ) -> None:
        self.seed, self.bank, self.pilots, self.progress = seed, bank, pilots, progress
        self.many = dict.fromkeys((*self.tests, "ordinary"), scenes)
        self.many["training"] = int(np.clip(3 * scenes, *TRAINING_SCENES))
        self.many["probes"] = PROBE_SCENES
        self.many["probes without"] = self.many["probes"]
        self.many["telling"] = telling
        self._seen: dict[str, tuple[xr.Dataset, np.ndarray]] = {}
        self.landers: dict[str, Lander] = {}

    def scenes(self, which: str) -> "xr.Dataset":
        """Return the surveyed scenes, a Dataset over (scene, option).

        Columns ``red``, ``flags``, ``crater`` and ``nearness``, all floats; options from left to right.
        """
        return self._look(which)[0]

    def crops(self, which: str) -> np.ndarray:
        """Return an agent's observations: (scene, site, row, column, color)."""
        return self._look(which)[1]

    def choices(self, agent: str, which: str) -> np.ndarray:
        """Return the site that an agent lands on in each scene: (scene,) of int."""
        return self.landers[agent].choose(self.crops(which))

    def steps(self, agent: str, which: str) -> EpisodeSteps:
        """Return an agent's choices as steps, one a scene."""
        return one_step(self.choices(agent, which))

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Fly the agents' choices, and return which flights were catastrophes.

        Shape (agent, scene) of bool.
        """
        return self._outcomes(which, np.array([self.choices(agent, which) for agent in agents]), is_catastrophe)

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents on real outcomes, and return the mean reward of each batch.

        Parameters
        ----------
        names : mapping of str to int
            Seeds of the agents.
        telling : bool, optional
            Whether to add the scenes in which red paint and flags part.
        """
        parts = ("training", "telling") if telling else ("training",)
        crops = np.concatenate([self.crops(part) for part in parts])
        rewards = np.concatenate([self.rewards(part) for part in parts])
        history = {}
        self.progress("training agents")
        for name, seed in tracked(names.items(), len(names)):
            self.landers[name], history[name] = train_lander(crops, rewards, seed)
        return history

    def saved(self, agent: str) -> bytes:
        """Return the weights of an agent as npz."""
        return self.landers[agent].saved()

    def right(self, which: str) -> np.ndarray:
        """Return which site is the pad: (scene, site) of bool.

        The pad is between flags, and no crater.
        """
        table = self.scenes(which)
        return (table["flags"].to_numpy() == 1) & (table["crater"].to_numpy() == 0)

    def rewards(self, which: str) -> np.ndarray:
        """Return the reward of flying to each site: (scene, site).

        1 for coming to rest on the pad with the hull clear of the ground, else 0.
        """
        pad = self.right(which)
        everywhere = np.tile(np.arange(SITES)[:, None], len(pad))
        return self._outcomes(which, everywhere, lambda f, c: f.clean and bool(c[f.site]), pad).T.astype(float)

    def slips(self) -> tuple[int, int]:
        """Return the catastrophes among training flights to flat sites.

        Two numbers: catastrophes, and flights.
        """
        flat = self.scenes("training")["crater"].to_numpy() == 0
        everywhere = np.tile(np.arange(SITES)[:, None], len(flat))
        ended_badly = self._outcomes("training", everywhere, is_catastrophe).T[flat]
        return int(ended_badly.sum()), len(ended_badly)

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return how often flights came to rest on their site, and how often clean.

        Some flights are repeated, and those that ended differently are counted.
        """
        flown = list(self.bank.items())
        on = [key[3] == flight.site for key, flight in flown]
        return {
            "on_target": float(np.mean(on)),
            "clean": float(np.mean([hit and flight.clean for hit, (_, flight) in zip(on, flown, strict=True)])),
            "flights": len(flown),
            "repeated": min(REFLOWN, len(flown)),
            "ended_otherwise": self.bank.checked(REFLOWN, rng, self.pilots),
        }

    def _outcomes(
        self, which: str, chosen: np.ndarray, of: Callable[[Flight, np.ndarray], bool], sites: np.ndarray | None = None
    ) -> np.ndarray:
        sites = self.scenes(which)["crater"].to_numpy() > 0 if sites is None else sites
        pairs = sorted({(m, int(site)) for m in range(chosen.shape[1]) for site in chosen[:, m]})
        self.bank.fly(
            [self._key(which, *pair) for pair in pairs], self.pilots, lambda s: self.progress(f"{which}: {s}")
        )
        outcomes = {(m, site): of(self.bank[self._key(which, m, site)], sites[m]) for m, site in pairs}
        return np.array([[outcomes[m, int(site)] for m, site in enumerate(row)] for row in chosen])

    def _key(self, which: str, scene: int, site: int) -> Key:
        return self.kinds.get(which, which), self.seed_of(which), scene, site

    def seed_of(self, which: str) -> int:
        """Return the seed of the scenes of one purpose."""
        return int(substream(self.seed, f"scenes: {which}").integers(2**31))

    def _look(self, which: str) -> "tuple[xr.Dataset, np.ndarray]":
        if which not in self._seen:
            import xarray as xr

            self.progress(f"drawing scenes: {which}")
            survey, crops = self.pilots.look(self.kinds.get(which, which), self.seed_of(which), self.many[which])
            columns = {
                "red": survey["red"],
                "flags": survey["flags"],
                "crater": (survey["depth"] > CRATER_DEPTH) * 1.0,
                "nearness": 1 - survey["distance"] / 10,
            }
            self._seen[which] = xr.Dataset({k: (("scene", "option"), v) for k, v in columns.items()}), crops
        return self._seen[which]
