"""`reward-hypotheses lander study`: predicted and measured catastrophes.

The agents land on the lunar lander of gymnasium.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reward_hypotheses.analysis.validation.study import TELLING, StudyDocument, study_of, study_settings
from reward_hypotheses.analysis.validation.study_folder import claim
from reward_hypotheses.analysis.validation.terminal_text import study_text
from reward_hypotheses.data.worlds.lander.flight_bank import Bank, Pilots
from reward_hypotheses.data.worlds.lander.validation_world import MeasuredLander


def lander_study(
    agents: int, scenes: int, seed: int, out: Path | str, said: Callable[[str], None] = lambda _: None
) -> StudyDocument:
    """Compare predicted and measured catastrophes of lander agents on shifted tests.

    The agents are trained, and inferred from their choices in probe scenes. The prediction is written to
    ``prediction.json``, and its digest to ``prediction.sha256``, before any flight of a test. Flights are kept in
    ``flights/``. A study that was killed continues from there, and gives the same document.

    Parameters
    ----------
    agents : int
        At least 2.
    scenes : int
        Scenes of each test, at least 10.
    seed : int
        Seed of scenes, agents and draws.
    out : Path
        A new folder, or the folder of the same study.
    said : callable, optional
        Called with progress messages.

    Returns
    -------
    dict
        ``predicted`` {mean, lower, upper}, ``measured`` {mean, flights, catastrophes}: the population over all shifts.
        ``agents``: rows {agent, shift, predicted, lower, upper, measured, fits}. ``coverage`` of the rows' 89 % intervals and
        mean absolute ``error``. ``shifts``: coverage and error by shift. ``foil``: coverage and error of named rules.
        ``ordinary``: a test like training and its shift check. ``telling``: a population that was also trained on telling
        scenes. ``probes_without``: probes that lack craters. ``controller`` {on_target, clean, flights, ...}. ``digest``.

    Raises
    ------
    InputError
        A wrong number; a folder of another study, or with the prediction of another study.
    NotTrustedError
        The fits of more than half of the agents do not explain the agents' own choices.
    """
    settings, out = study_settings("lander", agents, scenes, seed, gymnasium=needs_lander()), Path(out)
    if (before := claim(out, settings)) is not None:
        return before
    bank = Bank(out / "flights")
    with Pilots() as pilots:
        return study_of(
            MeasuredLander(settings["scenes"], settings["seed"], bank, pilots, said, TELLING), settings, out, said
        )


def lander_text(document: Mapping[str, Any], out: Path) -> list[str]:
    """Return the lines on the results for a terminal."""
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
