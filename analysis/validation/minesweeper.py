"""`reward-hypotheses minesweeper study`: predicted and measured catastrophes.

The agents learn to open cells of POPGym's MineSweeper.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.analysis.validation.study import TELLING, StudyDocument, study_of, study_settings
from reward_hypotheses.analysis.validation.study_folder import claim
from reward_hypotheses.analysis.validation.terminal_text import episodes_text
from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError

if TYPE_CHECKING:
    from reward_hypotheses.data.worlds.minesweeper.validation_world import MeasuredBoards


def minesweeper_study(
    agents: int, scenes: int, seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None
) -> StudyDocument:
    """Compare predicted and measured catastrophes on shifted MineSweeper boards.

    The agents are trained, and inferred from their choices on probe boards. The prediction is written to
    ``prediction.json``, and its digest to ``prediction.sha256``, before any episode of a test. A study that was killed gives
    the same document when run again.

    Parameters
    ----------
    agents : int
        At least 2.
    scenes : int
        Boards of each test, at least 10.
    seed : int
        Seed of boards, agents, episodes and draws.
    out : Path
        A new folder, or the folder of the same study.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        As from `minigrid_study`.

    Raises
    ------
    InputError
        A wrong number; a folder of another study, or with the prediction of another study; the extra ``minesweeper`` is
        not installed.
    NotTrustedError
        The fits of more than half of the agents do not explain the agents' own choices.
    """
    settings, out = study_settings("minesweeper", agents, scenes, seed, popgym=needs_popgym()), Path(out)
    if (before := claim(out, settings)) is not None:
        return before
    return study_of(_boards()(settings["scenes"], settings["seed"], said, TELLING), settings, out, said)


def minesweeper_text(document: Mapping[str, Any], out: Path) -> list[str]:
    """Return the lines on the results for a terminal."""
    return episodes_text(document, out, _boards().lacking)


def _boards() -> "type[MeasuredBoards]":
    from reward_hypotheses.data.worlds.minesweeper.validation_world import MeasuredBoards

    return MeasuredBoards


def needs_popgym() -> str:
    """Return POPGym's version; MissingExtraError where it is not installed."""
    from importlib.metadata import version

    try:
        _boards()
    except ImportError:
        raise MissingExtraError(
            "minesweeper needs POPGym; install the extra, pip install 'reward-hypotheses[minesweeper]'"
        ) from None
    return version("popgym")
