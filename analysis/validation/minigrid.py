"""`reward-hypotheses minigrid study`: predicted and measured catastrophes.

The agents learn to walk to a goal in MiniGrid.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.validation.study import TELLING, StudyDocument, study_of, study_settings
from reward_hypotheses.analysis.validation.study_folder import claim
from reward_hypotheses.analysis.validation.terminal_text import episodes_text
from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError

if TYPE_CHECKING:
    from reward_hypotheses.data.worlds.minigrid.validation_world import MeasuredRooms


def minigrid_study(
    agents: int, scenes: int, seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None
) -> StudyDocument:
    """Compare predicted and measured catastrophes of agents in shifted MiniGrid rooms.

    The agents are trained, and inferred from their demonstrations in probe rooms. The prediction is written to
    ``prediction.json``, and its digest to ``prediction.sha256``, before any episode of a test. A study that was killed gives
    the same document when run again.

    Parameters
    ----------
    agents : int
        At least 2.
    scenes : int
        Rooms of each test, at least 10.
    seed : int
        Seed of rooms, agents, episodes and draws.
    out : Path
        A new folder, or the folder of the same study.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        As from `lander_study`, with ``episodes`` for ``flights``; ``controller`` {episodes, repeated, ended_otherwise}.

    Raises
    ------
    InputError
        A wrong number; a folder of another study, or with the prediction of another study; the extra ``minigrid`` is not
        installed.
    NotTrustedError
        The fits of more than half of the agents do not explain the agents' own demonstrations.
    """
    settings, out = study_settings("minigrid", agents, scenes, seed, minigrid=needs_minigrid()), Path(out)
    if (before := claim(out, settings)) is not None:
        return before
    return study_of(_rooms()(settings["scenes"], settings["seed"], said, TELLING), settings, out, said)


def minigrid_text(document: Mapping[str, Any], out: Path) -> list[str]:
    """Return the lines on the results for a terminal."""
    return episodes_text(document, out, _rooms().lacking)


def _rooms() -> "type[MeasuredRooms]":
    from reward_hypotheses.data.worlds.minigrid.validation_world import MeasuredRooms

    return MeasuredRooms


def needs_minigrid() -> str:
    """Return MiniGrid's version; MissingExtraError where it is not installed."""
    from importlib.metadata import version

    try:
        _rooms()
    except ImportError:
        raise MissingExtraError(
            "minigrid needs MiniGrid; install the extra, pip install 'reward-hypotheses[minigrid]'"
        ) from None
    return version("minigrid")
