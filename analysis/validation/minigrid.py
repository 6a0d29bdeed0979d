"""`reward-hypotheses minigrid study`: agents learn to walk to a goal, are read, predicted, then let walk and counted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.validation.study import TELLING, StudyDocument, study_of, study_settings
from reward_hypotheses.analysis.validation.study_folder import claim, finished
from reward_hypotheses.analysis.validation.terminal_text import study_text
from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError

if TYPE_CHECKING:
    from reward_hypotheses.data.worlds.minigrid.world import MeasuredRooms


def minigrid_study(
    agents: int, scenes: int, seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None
) -> StudyDocument:
    """Train agents in MiniGrid rooms, read them, predict their catastrophes in shifted rooms, then let them walk.

    The prediction is written to ``prediction.json``, and its digest to ``prediction.sha256``, before any episode of a test.
    A study that was killed gives the same document when it is run again.

    Parameters
    ----------
    agents : int
        At least 2.
    scenes : int
        Rooms of each test, at least 10.
    seed : int
        Of rooms, agents, episodes and draws.
    out : Path
        Folder: new, or of the same study.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        As `lander_study` gives, with ``episodes`` for ``flights``; ``controller`` {episodes, repeated, ended_otherwise}.

    Raises
    ------
    InputError
        A wrong number; a folder of another study, or one whose prediction is not this study's; the extra ``minigrid`` is not
        installed.
    NotTrustedError
        The readings of more than half of the agents do not fit their own demonstrations.
    """
    settings, out = study_settings("minigrid", agents, scenes, seed, minigrid=needs_minigrid()), Path(out)
    claim(out, settings)
    if (before := finished(out)) is not None:
        return before
    return study_of(_rooms()(settings["scenes"], settings["seed"], said, TELLING), settings, out, said)


def minigrid_text(document: Mapping[str, Any], out: Path) -> list[str]:
    """Return the lines that a terminal shows of the results."""
    controller = document["controller"]
    walked = f"episodes: {controller['episodes']}; of {controller['repeated']} that were repeated, {controller['ended_otherwise']} ended otherwise"
    return study_text(document, out, _rooms().lacking, walked)


def _rooms() -> "type[MeasuredRooms]":
    from reward_hypotheses.data.worlds.minigrid.world import MeasuredRooms

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
