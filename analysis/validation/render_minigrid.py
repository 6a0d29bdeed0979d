"""`reward-hypotheses minigrid render`: pictures of three walks.

The walks: one in training, a right one under shift, and the walk into the lava.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from reward_hypotheses.analysis.validation.render_lander import pictures, train_agents
from reward_hypotheses.analysis.validation.study_folder import refuse_files
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole

ROOMS = 60
FRAME_MS = 220
LONG = 5  # moves from the start to the goal, and to the corner, at least, where a walk is shown


def minigrid_render(seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Draw walks of two agents that learned different goals.

    Agents are trained, and two are chosen: one most often reaches a goal that was moved, the other most often dies in the
    corner.

    Parameters
    ----------
    seed : int
    out : Path
        Folder for ``training``, ``right`` and ``lava``, each as GIF, and its last frame as PNG.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        A path that cannot be written, a missing extra ``minigrid``, or agents of this seed that do not differ.
    """
    from reward_hypotheses.analysis.validation.minigrid import needs_minigrid

    needs_minigrid()
    from reward_hypotheses.data.worlds.minigrid.rooms import CORNER, Rooms, moves_between
    from reward_hypotheses.data.worlds.minigrid.validation_world import MeasuredRooms

    seed, out = whole(seed, "seed"), Path(out)
    refuse_files(out)
    world = MeasuredRooms(ROOMS, seed, said)
    names = train_agents(world, seed)
    died = np.array([world.came_to(name, "moved") == CORNER for name in names])  # where lava is in these rooms
    reached = np.array([world.reached(name, "moved") for name in names])
    right, lost = int(reached.mean(axis=1).argmax()), int(died.mean(axis=1).argmax())
    rooms = world.rooms("moved")
    far = np.array([min(moves_between(np.array(room.start), np.array([room.goal, CORNER]))) for room in rooms]) >= LONG
    telling = np.flatnonzero(reached[right] & died[lost] & far)
    home = np.bincount(world.steps(names[lost], "ordinary").episode)
    first = np.flatnonzero(world.reached(names[lost], "ordinary") & (home >= LONG))
    if not len(telling) or not len(first):
        raise InputError(f"seed: {seed}: no room in which its agents come apart; give another")
    # the shortest pair of walks tells the story fastest
    long = np.sum([np.bincount(world.steps(names[k], "moved").episode) for k in (right, lost)], axis=0)
    room = int(telling[int(np.argmin(long[telling]))])
    env, made = Rooms(render_mode="rgb_array", highlight=False, tile_size=40), {}
    for name, agent, which, number in (
        ("training", lost, "ordinary", int(first[0])),
        ("right", right, "moved", room),
        ("lava", lost, "moved", room),
    ):
        said(f"drawing {name}")
        env.reset(options={"room": world.rooms(which)[number]})
        frames = [env.render()]
        steps = world.steps(names[agent], which)
        for move in steps.option[steps.episode == number]:
            env.move(int(move), frames)
        made[name] = frames
    return pictures(out, made, FRAME_MS)
