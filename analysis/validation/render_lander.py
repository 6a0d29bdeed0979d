"""`reward-hypotheses lander render`: pictures of three landings.

The landings: one in training, a right one under shift, and the veer into the crater.
"""

import io
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from reward_hypotheses.analysis.validation.study import agent_seeds
from reward_hypotheses.analysis.validation.study_folder import refuse_files
from reward_hypotheses.analysis.validation.world import World
from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.worlds.lander.flight_bank import Bank, Pilots
from reward_hypotheses.data.worlds.lander.validation_world import MeasuredLander

AGENTS, RENDERED_SCENES = 16, 40
EVERY, LAST = 8, 12  # steps from frame to frame, and how many times the last one is shown
COLORS = 32


def lander_render(seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Draw flights of an agent that follows flags and of one that follows red paint.

    Agents are trained, and those two are chosen that follow flags and red paint most.

    Parameters
    ----------
    seed : int
    out : Path
        Folder for ``training``, ``right`` and ``crater``, each as GIF, and its last frame as PNG.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        A path that cannot be written, a missing extra ``lander``, or agents of this seed that do not differ.
    """
    from reward_hypotheses.analysis.validation.lander import needs_lander

    needs_lander()
    from reward_hypotheses.data.worlds.lander.autopilot import fly
    from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld
    from reward_hypotheses.data.worlds.lander.scenes import scene_of

    seed, out = whole(seed, "seed"), Path(out)
    refuse_files(out)
    with tempfile.TemporaryDirectory() as folder, Pilots() as pilots:
        lander = MeasuredLander(RENDERED_SCENES, seed, Bank(Path(folder)), pilots, said)
        names = train_agents(lander, seed)
        table = lander.scenes("apart")
        pad, red = lander.right("apart").argmax(axis=1), table["red"].to_numpy().argmax(axis=1)
        chosen = np.array([lander.choices(name, "apart") for name in names])
        by_flags = int((chosen == pad).mean(axis=1).argmax())
        by_paint = int((chosen == red).mean(axis=1).argmax())
        beyond = np.abs(red - 1.5) > np.abs(pad - 1.5)  # the way to the crater leads over the pad
        beyond &= (red > 1.5) == (pad > 1.5)
        telling = np.flatnonzero(beyond & (chosen[by_flags] == pad) & (chosen[by_paint] == red))
        if not len(telling):
            raise InputError(f"seed: {seed}: no scene in which its agents come apart; give another")
        scene = int(telling[0])
        first = int(lander.choices(names[by_paint], "training")[0])
        world, made = LandingWorld(), {}
        for name, which, number, site in (
            ("training", "training", 0, first),
            ("right", "apart", scene, int(pad[scene])),
            ("crater", "apart", scene, int(red[scene])),
        ):
            said(f"drawing {name}")
            frames: list[np.ndarray] = []
            kind = lander.kinds.get(which, which)
            fly(world, scene_of(lander.seed_of(which), number, {kind: 1.0}), site, frames, EVERY)
            made[name] = frames
    return pictures(out, made, 20 * EVERY // 2)


def train_agents(world: World, seed: int) -> list[str]:
    """Train the agents of a rendering; return their names."""
    from threadpoolctl import threadpool_limits

    names = [str(k) for k in range(AGENTS)]
    with threadpool_limits(1):  # as in a study
        world.train(agent_seeds(seed, names))
    return names


def pictures(out: Path, drawn: Mapping[str, list[np.ndarray]], ms: int) -> list[Path]:
    """Write frames by name as GIFs, and the last frame of each as a PNG.

    Parameters
    ----------
    drawn : dict
        Name -> frames.
    ms : int
        Duration of a frame in milliseconds.

    Returns
    -------
    list of Path
        The files.
    """
    made = {}
    for name, frames in drawn.items():
        made[out / f"{name}.gif"], made[out / f"{name}.png"] = _gif(frames, ms), _png(frames[-1])
    for path, data in made.items():  # when all are there
        write_whole(path, data)
    return list(made)


def _gif(frames: list[np.ndarray], ms: int) -> bytes:
    from PIL import Image

    palette = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 6)])).quantize(COLORS)
    drawn = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = io.BytesIO()
    drawn += [drawn[-1]] * LAST
    drawn[0].save(stream, "GIF", save_all=True, append_images=drawn[1:], duration=ms, loop=0)
    return stream.getvalue()


def _png(frame: np.ndarray) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame).quantize(256).save(stream, "PNG", optimize=True)
    return stream.getvalue()
