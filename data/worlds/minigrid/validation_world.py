"""MiniGrid rooms as a world of a validation study.

Rooms, trained agents and episodes: all that a study of predicted against measured catastrophes needs of an environment
(`reward_hypotheses.analysis.validation.world.World`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, repeated_episodes
from reward_hypotheses.data.worlds.minigrid.agents import Walker, train_walker
from reward_hypotheses.data.worlds.minigrid.rooms import (
    CORNER,
    MOVES_AN_EPISODE,
    ROOM_CELLS,
    Room,
    Rooms,
    facts,
    moves_between,
    neighbours,
    room_of,
    seen,
)

if TYPE_CHECKING:
    import xarray as xr

TRAINING_ROOMS = 400
PROBE_ROOMS = 150


class MeasuredRooms:
    """Rooms by purpose, and agents trained in the training rooms.

    A scene is a cell of a room, an option a move. Columns known of a move beforehand: ``goal`` and ``corner``, the
    number of moves by which the move brings the agent nearer to them (-1 to 1, lava ignored); ``at_hand``, ``goal``
    divided by the moves that are left; ``lava``, whether the move leads into lava, and ``touch``, the number of cells
    of lava beside the next cell; ``wall``, whether the move leads nowhere; and ``down``. A catastrophe is an episode
    that ends in lava: the agent is destroyed, and failing completely (24 moves, and never at the goal) would have been
    better. Training rewards 1 for reaching the goal, 3 % less for every move.

    Parameters
    ----------
    rooms : int
        Number of rooms of each test.
    seed : int
    progress : callable
        Called with progress messages.
    telling : int
        Number of rooms in which the goal is elsewhere, for a second population.
    """

    tests: ClassVar[tuple[str, ...]] = ("moved", "bare", "independent")
    columns: ClassVar[tuple[str, ...]] = ("goal", "corner", "at_hand", "lava", "touch", "wall", "down")
    features: ClassVar[tuple[str, ...]] = columns
    rules: ClassVar[Mapping[str, str]] = {
        "the goal": "goal",
        "the corner": "corner",
        "the goal, not through lava": "goal - 3 * lava",
        "the corner, not through lava": "corner - 3 * lava",
        "either": "max(goal, corner)",
    }
    bad: ClassVar[str] = "lava"
    counted: ClassVar[str] = "episodes"
    lacking: ClassVar[str] = "lava"
    source: ClassVar[str] = (
        "what can be seen of a move: whether it leads to the goal, to the corner, into lava, or down"
    )
    kinds: ClassVar[Mapping[str, str]] = {
        "training": "together",
        "probes": "independent",
        "probes without": "flat",
        "telling": "decoy",
        "ordinary": "together",
    }

    def __init__(self, rooms: int, seed: int, progress: Callable[[str], None], telling: int = 0) -> None:
        self.seed, self.progress = seed, progress
        self.many = dict.fromkeys((*self.tests, "ordinary"), rooms)
        self.many |= {
            "training": TRAINING_ROOMS,
            "probes": PROBE_ROOMS,
            "probes without": PROBE_ROOMS,
            "telling": telling,
        }
        self.walkers: dict[str, Walker] = {}
        self._rooms: dict[str, list[Room]] = {}
        self._facts: dict[str, tuple[np.ndarray, ...]] = {}
        self._seen: dict[str, np.ndarray] = {}
        self._scenes: dict[str, xr.Dataset] = {}
        self._lived: dict[tuple[str, str], tuple[EpisodeSteps, np.ndarray]] = {}

    @cached_property
    def env(self) -> Rooms:
        """MiniGrid's environment."""
        return Rooms()

    def rooms(self, which: str) -> list[Room]:
        """Return the rooms of one purpose."""
        if which not in self._rooms:
            seed = int(substream(self.seed, f"rooms: {which}").integers(2**31))
            kind = self.kinds.get(which, which)
            self._rooms[which] = [room_of(seed, number, kind) for number in range(self.many[which])]
        return self._rooms[which]

    def facts(self, which: str) -> tuple[np.ndarray, ...]:
        """Return MiniGrid's response to every move.

        Three arrays (room, cell, move): next cell, end of the episode, reward.
        """
        if which not in self._facts:
            self.progress(f"asking MiniGrid what moves do: {which}")
            by_room = [facts(self.env, room) for room in tracked(self.rooms(which))]
            self._facts[which] = tuple(np.array(parts) for parts in zip(*by_room, strict=True))
        return self._facts[which]

    def seen(self, which: str) -> np.ndarray:
        """Return an agent's observations: (room, cell, move, block)."""
        if which not in self._seen:
            images = [self.env.reset(options={"room": room})[0]["image"] for room in self.rooms(which)]
            self._seen[which] = np.array([seen(image) for image in images])
        return self._seen[which]

    def free(self, which: str) -> np.ndarray:
        """Return the cells in which an episode goes on: (room, cell) of bool."""
        out = np.ones((self.many[which], ROOM_CELLS), bool)
        for number, room in enumerate(self.rooms(which)):
            out[number, [room.goal, *room.lava]] = False
        return out

    def scenes(self, which: str) -> "xr.Dataset":
        """Return the scenes of one purpose, a Dataset over (scene, option).

        A scene is a cell in which an episode goes on. The Dataset holds the columns of moves, and the transitions of
        `episodes`.
        """
        if which not in self._scenes:
            import xarray as xr

            rooms, (to, ended, _), free = self.rooms(which), self.facts(which), self.free(which)
            number = np.cumsum(free).reshape(free.shape) - 1
            room, cell = np.nonzero(free)
            goals, begins = np.array([[layout.goal, layout.start] for layout in rooms]).T
            lava = np.zeros(free.shape, bool)
            for k, layout in enumerate(rooms):
                lava[k, list(layout.lava)] = True
            to_side = neighbours()
            beside = (lava[:, to_side] & (to_side != np.arange(ROOM_CELLS)[:, None])).sum(axis=2)
            ahead = to_side[cell]
            left = moves_between(cell, goals[room])
            nearer = left[:, None] - moves_between(ahead, goals[room][:, None])
            columns = {
                "goal": nearer * 1.0,
                "corner": moves_between(cell, np.array(CORNER))[:, None] - moves_between(ahead, np.array(CORNER)) * 1.0,
                "lava": lava[room[:, None], ahead] * 1.0,
                "at_hand": nearer / left[:, None],
                "touch": beside[room[:, None], ahead] * 1.0,
                "wall": (ahead == cell[:, None]) * 1.0,
                "down": np.tile(np.arange(4) == 1, (len(cell), 1)) * 1.0,
                "next": np.where(ended[room, cell], -1, number[room[:, None], to[room, cell]]),
            }
            self._scenes[which] = xr.Dataset(
                {name: (("scene", "option"), values) for name, values in columns.items()}
                | {"first": ("scene", cell == begins[room])},
                attrs={"most": MOVES_AN_EPISODE},
            )
        return self._scenes[which]

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents, and return the share of episodes that reached the goal.

        Parameters
        ----------
        names : mapping of str to int
            Seeds of the agents.
        telling : bool, optional
            Whether to add the rooms in which the goal is elsewhere.

        Returns
        -------
        dict of str to ndarray (batch,)
        """
        parts = ("training", "telling") if telling else ("training",)
        views = np.concatenate([self.seen(part) for part in parts])
        to, ended, rewarded = (np.concatenate(arrays) for arrays in zip(*map(self.facts, parts), strict=True))
        history = {}
        self.progress("training agents")
        for name, seed in tracked(names.items(), len(names)):
            self.walkers[name], history[name] = train_walker(views, to, ended, rewarded, seed)
        return history

    def saved(self, agent: str) -> bytes:
        """Return the weights of an agent as npz."""
        return self.walkers[agent].saved()

    def steps(self, agent: str, which: str) -> EpisodeSteps:
        """Return an agent's walks through rooms: scene and move of each step.

        The agent walks by MiniGrid's own steps.
        """
        return self._live(agent, which)[0]

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Return which episodes ended in lava: (agent, episode) of bool."""
        return np.array([self._live(agent, which)[1] for agent in tracked(agents)])

    def reached(self, agent: str, which: str) -> np.ndarray:
        """Return which episodes of an agent ended at the goal: (episode,) of bool."""
        return self.came_to(agent, which) == np.array([room.goal for room in self.rooms(which)])

    def came_to(self, agent: str, which: str) -> np.ndarray:
        """Return the last cell of each episode of an agent: (episode,)."""
        steps = self.steps(agent, which)
        room, cell = np.nonzero(self.free(which))
        scene = steps.scene[steps.last]
        return self.facts(which)[0][room[scene], cell[scene], steps.option[steps.last]]

    def slips(self) -> tuple[int, int]:
        """Return the training moves away from lava that ended in lava.

        Two numbers: moves that ended in lava, and all moves away from lava.
        """
        _, ended, rewarded = (array[self.free("training")] for array in self.facts("training"))
        harmless = self.scenes("training")["lava"].to_numpy() == 0
        return int((ended & ~rewarded & harmless).sum()), int(harmless.sum())

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return the numbers of episodes run, repeated, and with another end."""
        return repeated_episodes(self._lived, self._live, rng)

    def _live(self, agent: str, which: str) -> tuple[EpisodeSteps, np.ndarray]:
        if (agent, which) not in self._lived:
            self.progress(f"agent {agent} walks: {which}")
            chances = np.cumsum(self.walkers[agent].chances(self.seen(which)), axis=2)
            free = self.free(which)
            number = np.cumsum(free).reshape(free.shape) - 1
            rng = substream(self.seed, f"walk {agent} {which}")
            done: list[tuple[int, int, int]] = []
            ends = np.zeros(len(free), bool)
            for k, room in enumerate(tracked(self.rooms(which))):
                self.env.reset(options={"room": room})
                for drawn in rng.random(MOVES_AN_EPISODE):
                    cell = self.env.cell
                    move = int((drawn * chances[k, cell, -1] >= chances[k, cell, :-1]).sum())
                    done.append((k, int(number[k, cell]), move))
                    over, reward = self.env.move(move)
                    if over:
                        ends[k] = reward == 0
                        break
            self._lived[agent, which] = EpisodeSteps(*np.array(done).T), ends
        return self._lived[agent, which]
