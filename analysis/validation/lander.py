"""`reward-hypotheses lander study`: agents are trained, read, their catastrophes predicted, then flown and counted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.validation.study import TELLING, StudyDocument, study_of, study_settings
from reward_hypotheses.analysis.validation.study_folder import claim, finished
from reward_hypotheses.analysis.validation.terminal_text import study_text
from reward_hypotheses.data.worlds.lander.rollouts import Bank, Pilots
from reward_hypotheses.data.worlds.lander.world import MeasuredLander


def lander_study(
    agents: int, scenes: int, seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None
) -> StudyDocument:
    """Train lander agents, read them, predict their catastrophes on shifted tests, then fly the tests and compare.

    The prediction is written to ``prediction.json``, and its digest to ``prediction.sha256``, before any flight of a test.
    Flights are kept in ``flights/``; a study that was killed goes on from there, and gives the same document.

    Parameters
    ----------
    agents : int
        At least 2.
    scenes : int
        Of each test, at least 10.
    seed : int
        Of scenes, agents and draws.
    out : Path
        Folder: new, or of the same study.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        ``predicted`` {mean, lower, upper}, ``measured`` {mean, flights, catastrophes}: the population over all shifts;
        ``agents``: rows {agent, shift, predicted, lower, upper, measured, fits}; ``coverage`` of their 89 % intervals and mean
        absolute ``error``; ``shifts``: these by shift; ``foil``: these for named rules; ``ordinary``, ``telling`` and
        ``probes_without``: a test like training and its shift check, a population that was trained with telling
        scenes too, and probes that lack craters; ``controller`` {on_target, clean, flights, ...}; ``digest``.

    Raises
    ------
    InputError
        A wrong number; a folder of another study, or one whose prediction is not this study's.
    NotTrustedError
        The readings of more than half of the agents do not fit their own choices.
    """
    settings, out = study_settings("lander", agents, scenes, seed, gymnasium=needs_lander()), Path(out)
    claim(out, settings)
    if (before := finished(out)) is not None:
        return before
    bank = Bank(out / "flights")
    with Pilots() as pilots:
        return study_of(
            MeasuredLander(settings["scenes"], settings["seed"], bank, pilots, said, TELLING), settings, out, said
        )


def lander_text(document: Mapping[str, Any], out: Path) -> list[str]:
    """Return the lines that a terminal shows of the results."""
    controller = document["controller"]
    flown = f"flights: {controller['flights']}, on the chosen site {controller['on_target']:.2%}, clean {controller['clean']:.2%}"
    return study_text(document, out, MeasuredLander.lacking, flown)


def needs_lander() -> str:
    """Return Gymnasium's version; MissingExtraError where the lander is not installed."""
    from reward_hypotheses.data.worlds.lander.scenes import MissingExtraError, gymnasium_version

    try:
        import gymnasium.envs.box2d  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "lander needs Gymnasium's lunar lander; install the extra, pip install 'reward-hypotheses[lander]'"
        ) from None
    return gymnasium_version()
