"""MineSweeper boards as a world of a validation study.

Boards, trained agents and episodes: all that a study of predicted against measured catastrophes needs of an environment
(`reward_hypotheses.analysis.validation.world.World`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from popgym.envs.minesweeper import MineSweeper

from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import EpisodeSteps, repeated_episodes
from reward_hypotheses.data.worlds.minesweeper.agents import Sweeper, train_sweeper
from reward_hypotheses.data.worlds.minesweeper.boards import (
    CELLS,
    MOVES,
    SIDE,
    Board,
    around,
    board_of,
    chance_of_mine,
    cleared,
    dealt,
    openings,
    seen,
)

if TYPE_CHECKING:
    import xarray as xr

TRAINING_BOARDS = 400
PROBE_BOARDS = 150


class MeasuredBoards:
    """Boards by purpose, and agents trained on the training boards.

    A scene is a set of open cells of a board after so many moves. An option is one of the nine cells that were hidden at
    the start. Columns known of a move beforehand, all but the last 0 for cells that are open by now: ``clear``, whether the
    cell touches an open 0; ``risk``, the probability that the cell holds a mine, by all placements of the mines that agree
    with the open numbers; ``warned``, the number of open numbers above 0 that the cell touches; ``left``, whether the cell
    is on the left half; ``down``, its row; ``inner``, the number of its neighbours, divided by eight; ``open``, whether the
    cell is open already. A catastrophe is an episode that ends on a mine. By the environment's rewards it is worse than
    failing completely, which is to open nothing new in any move.

    Parameters
    ----------
    boards : int
        Number of boards of each test.
    seed : int
    progress : callable
        Called with progress messages.
    telling : int
        Number of boards with a mine on either half, for a second population.
    """

    tests: ClassVar[tuple[str, ...]] = ("mirrored", "turned", "anywhere")
    columns: ClassVar[tuple[str, ...]] = ("clear", "risk", "warned", "left", "down", "inner", "open")
    features: ClassVar[tuple[str, ...]] = columns
    rules: ClassVar[Mapping[str, str]] = {
        "what the numbers clear": "clear - 2 * open",
        "the left": "left - 2 * open",
        "the left, and no warned cell": "left - warned - 2 * open",
        "either": "max(clear, left) - 2 * open",
        "the least chance of a mine": "1 - 5 * risk - 2 * open",
    }
    bad: ClassVar[str] = "mine"
    counted: ClassVar[str] = "episodes"
    lacking: ClassVar[str] = "mines"
    source: ClassVar[str] = "what can be seen of a cell: what the open numbers say of it, and where it is"
    kinds: ClassVar[Mapping[str, str]] = {
        "training": "together",
        "probes": "anywhere",
        "probes without": "bare",
        "telling": "split",
        "ordinary": "together",
    }

    def __init__(self, boards: int, seed: int, progress: Callable[[str], None], telling: int = 0) -> None:
        self.seed, self.progress = seed, progress
        self.many = dict.fromkeys((*self.tests, "ordinary"), boards)
        self.many |= {
            "training": TRAINING_BOARDS,
            "probes": PROBE_BOARDS,
            "probes without": PROBE_BOARDS,
            "telling": telling,
        }
        self.sweepers: dict[str, Sweeper] = {}
        self._boards: dict[str, list[Board]] = {}
        self._scenes: dict[str, xr.Dataset] = {}
        self._lived: dict[tuple[str, str], tuple[EpisodeSteps, np.ndarray]] = {}

    @cached_property
    def env(self) -> MineSweeper:
        """POPGym's environment."""
        return MineSweeper("easy")

    def kind(self, which: str) -> str:
        """Return the kind of board of one purpose."""
        return self.kinds.get(which, which)

    def boards(self, which: str) -> list[Board]:
        """Return the boards of one purpose."""
        if which not in self._boards:
            self.progress(f"dealing boards: {which}")
            seed = int(substream(self.seed, f"boards: {which}").integers(2**31))
            self._boards[which] = [
                board_of(self.env, seed, k, self.kind(which)) for k in tracked(range(self.many[which]))
            ]
        return self._boards[which]

    def scenes(self, which: str) -> "xr.Dataset":
        """Return the scenes of one purpose, a Dataset over (scene, option).

        The Dataset holds the columns of moves, whether they lead onto a ``mine``, and the transitions of
        `episode_simulation`.
        """
        if which not in self._scenes:
            import xarray as xr

            parts, before = [], 0
            row, column = np.divmod(np.arange(CELLS), SIDE)
            for board in tracked(self.boards(which)):
                opened, made, to = openings(board)
                numbers = np.array(board.numbers)
                hidden = ~opened
                parts.append(
                    {
                        "clear": cleared(opened, numbers),
                        "risk": chance_of_mine(opened, numbers) * hidden,
                        "warned": ((opened & (numbers > 0)).astype(int) @ around()) * hidden,
                        "left": (column < SIDE // 2) & hidden,
                        "down": row * hidden,
                        "inner": around().sum(axis=1) / 8 * hidden,
                        "open": opened,
                        "mine": np.isin(np.arange(CELLS), board.mines) & hidden,
                    }
                )
                parts[-1] = {name: values[:, board.options] * 1.0 for name, values in parts[-1].items()}
                parts[-1] |= {"next": np.where(to < 0, -1, to + before), "made": made}
                before += len(to)
            joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            made = joined.pop("made")
            self._scenes[which] = xr.Dataset(
                {name: (("scene", "option"), values) for name, values in joined.items()}
                | {"first": ("scene", made == 0)},
                attrs={"most": MOVES},
            )
        return self._scenes[which]

    def train(self, names: Mapping[str, int], telling: bool = False) -> dict[str, np.ndarray]:
        """Train agents, and return the mean return of their episodes.

        Parameters
        ----------
        names : mapping of str to int
            Seeds of the agents.
        telling : bool, optional
            Whether to add the boards with a mine on either half.

        Returns
        -------
        dict of str to ndarray (batch,)
        """
        boards = [board for part in ("training", "telling")[: 1 + telling] for board in self.boards(part)]
        opened, mines = (np.zeros((len(boards), CELLS), bool) for _ in range(2))
        for k, board in enumerate(boards):
            opened[k, list(board.opened)], mines[k, list(board.mines)] = True, True
        numbers = np.array([board.numbers for board in boards])
        env = self.env
        reward = np.where(mines, env.fail_reward_scale, env.success_reward_scale)
        history = {}
        self.progress("training agents")
        for name, seed in tracked(names.items(), len(names)):
            self.sweepers[name], history[name] = train_sweeper(
                opened, numbers, reward, mines, env.bad_action_reward_scale, seed
            )
        return history

    def saved(self, agent: str) -> bytes:
        """Return the weights of an agent as npz."""
        return self.sweepers[agent].saved()

    def steps(self, agent: str, which: str) -> EpisodeSteps:
        """Return an agent's episodes: scene and opened cell of each step.

        The agent acts by the environment's own steps.
        """
        return self._live(agent, which)[0]

    def catastrophes(self, which: str, agents: Sequence[str]) -> np.ndarray:
        """Return which episodes ended on a mine: (agent, episode) of bool."""
        return np.array([self._live(agent, which)[1] for agent in tracked(agents)])

    def slips(self) -> tuple[int, int]:
        """Return the training moves onto safe cells that ended on a mine.

        Two numbers: moves that ended on a mine, which are none, and all moves onto safe cells.
        """
        return 0, int((self.scenes("training")["mine"].to_numpy() == 0).sum())

    def controller(self, rng: np.random.Generator) -> dict[str, Any]:
        """Return the numbers of episodes run, repeated, and with another end."""
        return repeated_episodes(self._lived, self._live, rng)

    def _live(self, agent: str, which: str) -> tuple[EpisodeSteps, np.ndarray]:
        if (agent, which) not in self._lived:
            self.progress(f"agent {agent} opens cells: {which}")
            scenes, sweeper = self.scenes(which), self.sweepers[agent]
            to, first = scenes["next"].to_numpy(), np.flatnonzero(scenes["first"].to_numpy())
            rng = substream(self.seed, f"sweep {agent} {which}")
            done: list[tuple[int, int, int]] = []
            ends = np.zeros(len(first), bool)
            for k, board in enumerate(tracked(self.boards(which))):
                dealt(self.env, board.seed, self.kind(which))
                opened, numbers = np.zeros(CELLS, bool), np.zeros(CELLS, int)
                for cell in board.opened:
                    numbers[cell], *_ = self.env.step(divmod(cell, SIDE))
                    opened[cell] = True
                scene, options = int(first[k]), board.options
                for drawn in rng.random(MOVES):
                    chances = np.cumsum(sweeper.chances(seen(opened, numbers)[options]))
                    option = int((drawn * chances[-1] >= chances[:-1]).sum())
                    done.append((k, scene, option))
                    cell = int(options[option])
                    number, reward, _, _, _ = self.env.step(divmod(cell, SIDE))
                    if reward == self.env.fail_reward_scale:
                        ends[k] = True
                        break
                    opened[cell], numbers[cell] = True, number
                    scene = int(to[scene, option])
            self._lived[agent, which] = EpisodeSteps(*np.array(done).T), ends
        return self._lived[agent, which]
