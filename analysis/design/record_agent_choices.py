"""Choices of a trained agent in probe scenes, as a table of feedback."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.design.probe_responses import ProbeResponses, Probes, probes_of
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.agent_choices import chances_in, choices_in, export_of
from reward_hypotheses.data.shifts.scenes import add_options

TIED = 1e-9
"""Probabilities this close to the largest, relatively, are tied."""


def probe(
    agent: Any,
    scenes: Any,
    *,
    observe: Callable[[Any], Any] | None = None,
    batched: bool = False,
    deterministic: bool = False,
    draws: int = 1,
    abstain: bool = False,
    random_seed: int = 0,
) -> xr.Dataset:
    """Record which option an agent takes in each of some scenes.

    Parameters
    ----------
    agent : callable, object with predict, path, DataFrame, dict of columns or Dataset
        - A function of a scene (a dict column -> array (option,)) that returns the position of an option, from 0, or a
          probability for each option.
        - An object whose ``predict(observation, deterministic=...)`` returns (action, state), as models of Stable-Baselines3
          do. The action is the position of an option, and ``observe`` makes the observation.
        - Exported choices: columns, or the path of a CSV or Parquet file. Either one row for each scene, with ``scene`` and
          the ``option`` taken (-1 for abstaining); or one row for each option, with ``chosen`` or ``probability`` as well.
          Scenes and options are matched by their names in ``scenes``, or else by their numbers from 0. Rows without ``scene``
          follow the order of the scenes.
    scenes : Dataset, DataFrame or dict of arrays
        Scenes with options. Unavailable options keep their position, and cannot be taken. Columns over ``scene`` alone,
        including its name, are passed to the agent unchanged.
    observe : callable, optional
        A function of a scene that returns the agent's observation; by default the scene itself.
    batched : bool
        Whether the agent (and ``observe``) takes all scenes at once, as arrays (scene, option), and answers with an array of
        positions (scene,) or of probabilities (scene, option).
    deterministic : bool
        Whether to take the most probable option (one of those tied within 1e-9) instead of drawing an option from the
        probabilities. ``predict`` is given the same setting.
    draws : int
        Number of choices in each scene. Probabilities are asked for once, and all choices are drawn from them. Repeated
        answers of a deterministic agent carry the information of one answer.
    abstain : bool
        Whether the agent may abstain, by the position -1 or by an additional last probability. Each scene of the result then
        has one more option, which is failing. Leave abstain out where an option of the scenes is failing already, which
        position -1 takes.
    random_seed : int
        Seed of draws from the agent's probabilities. Draws of the agent itself have their own seed.

    Returns
    -------
    Dataset
        The scenes, with ``chosen`` (scene, option), which `Choices` reads. With several draws each scene is repeated, its name
        followed by ", draw 0" and so on. Attribute ``probe``: the settings (JSON).

    Raises
    ------
    InputError
        An answer that is text, a position out of range or not available, an array of another shape, or probabilities that are
        not finite, negative, or off 1 in sum by more than 1e-3. Rows of an export that match no scene or option, or scenes with
        too few or too many rows. The message names the scene or the row. Errors of the agent itself are raised unchanged,
        with a note that names the scene.
    """
    draws, random_seed = whole(draws, "draws", 1), whole(random_seed, "random_seed")
    deterministic, abstain, batched = bool(deterministic), bool(abstain), bool(batched)
    if deterministic and draws > 1:
        raise InputError(
            f"draws: {draws} times the most probable option, which tells no more than once; give draws=1, or deterministic=False"
        )
    probes = probes_of(scenes, abstain)
    if _is_export(agent):
        if observe is not None or batched:
            raise InputError(
                "observe, batched: of an agent that is asked, and this is a table of its choices; leave them out"
            )
        answers, how = _exported(agent, probes, draws), "exported"
    else:
        ask, how = _function_of(agent, observe, deterministic)
        answers = _asked(ask, probes, draws, batched)
    picks = _picked(answers, draws, deterministic, substream(random_seed, "choices of an agent"))
    about = {"agent": how, "deterministic": deterministic, "draws": draws, "abstain": abstain, "seed": random_seed}
    return _marked(probes, picks).assign_attrs(probe=json.dumps(about))


def _is_export(agent: Any) -> bool:
    is_frame = hasattr(agent, "to_dict") and hasattr(agent, "columns")
    return isinstance(agent, (str, Path, Mapping)) or hasattr(agent, "data_vars") or is_frame


def _exported(choices: Any, probes: Probes, draws: int) -> list[np.ndarray]:
    """Return the answers of an export."""
    export = export_of(choices)
    check = ProbeResponses(probes, source=export.source)
    if export.answer_column == "probability":
        return [check.probabilities(chances_in(export, probes.places))]
    return [check.positions(picks) for picks in choices_in(export, probes.places, draws).T]


def _function_of(agent: Any, observe: Any, deterministic: bool) -> tuple[Callable[[Any], Any], str]:
    """Return the agent as a function of a scene, and the form in which it was given."""
    if observe is not None and not callable(observe):
        raise InputError(
            f"observe: {shown(observe)}; give a function of a scene that returns what the agent sees of it"
        )
    if not isinstance(agent, type) and callable(getattr(agent, "predict", None)):
        if observe is None:
            raise InputError(
                "observe: not given, and an agent with predict sees observations; give a function of a scene that returns one"
            )
        return lambda scene: _action(agent.predict(observe(scene), deterministic=deterministic)), "predict"
    if not callable(agent):
        raise InputError(
            f"agent: {shown(agent)}; give a function of a scene, an object with predict, or a table of its choices"
        )
    return (agent if observe is None else lambda scene: agent(observe(scene))), "function"


def _action(returned: Any) -> Any:
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise InputError(
            f"predict returned {shown(returned)}, and not (action, state); give an agent of another kind as a function of a scene"
        )
    return returned[0]


def _asked(ask: Callable[[Any], Any], probes: Probes, draws: int, batched: bool) -> list[np.ndarray]:
    """Return the answers in all scenes, one array for each draw.

    Probabilities are a single array.
    """
    columns = _shown(probes.data)

    def answers(m: int | None) -> list[np.ndarray]:
        names = probes.places.scenes
        where = "all scenes at once" if m is None else f"scene {names[m]}"
        scene = columns if m is None else {name: values[m] for name, values in columns.items()}
        check = ProbeResponses(probes, slice(None) if m is None else slice(m, m + 1))
        responses: list[np.ndarray] = []
        while not responses or (len(responses) < draws and responses[0].ndim == 1):
            with _naming(where):
                answer = np.asarray(ask(dict(scene)))
            responses.append(check.checked(answer if m is None else answer[None]))
        return responses

    if batched:
        return answers(None)
    rows: list[list[np.ndarray]] = []
    for m, name in enumerate(probes.places.scenes):
        rows.append(answers(m))
        if rows[m][0].ndim != rows[0][0].ndim:
            raise InputError(
                f"agent: scene {name}: answers with {_kind(rows[m][0])}, and in scene {probes.places.scenes[0]} with "
                f"{_kind(rows[0][0])}; give the same kind in every scene"
            )
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def _shown(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Return copies of the columns over scene, which the agent may read and change."""
    out = {}
    for name, variable in data.variables.items():
        if "scene" in variable.dims:
            out[str(name)] = variable.transpose("scene", "option", ..., missing_dims="ignore").to_numpy().copy()
        elif variable.dims == ("option",):
            out[str(name)] = np.repeat(variable.to_numpy()[None], data.sizes["scene"], axis=0)
    return out


def _kind(answer: np.ndarray) -> str:
    return "probabilities" if answer.ndim == 2 else "a position"


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Name the scene in errors that are raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError([f"agent: {where}: {problem}" for problem in error.problems]) from error
    except Exception as error:
        error.add_note(f"raised by the agent that is probed, in {where}")
        raise


def _picked(answers: list[np.ndarray], draws: int, deterministic: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the options taken, shape (scene, draw); -1 for abstaining."""
    chance = answers[0]
    if chance.ndim == 1:
        return np.stack(answers, axis=1)
    if deterministic:
        chance = (chance >= chance.max(axis=1, keepdims=True) * (1 - TIED)).astype(float)
    below = np.cumsum(chance, axis=1)
    below /= below[:, -1:]
    picks = np.empty((len(chance), draws), np.int64)
    for k, u in enumerate(rng.random((draws, len(chance), 1))):
        picks[:, k] = (u >= below[:, :-1]).sum(axis=1)
    return np.where(picks == chance.shape[1] - 1, -1, picks)


def _marked(probes: Probes, picks: np.ndarray) -> xr.Dataset:
    """Return the scenes with the choices, each scene once for each draw."""
    n, draws = picks.shape
    data = probes.data
    if probes.abstain:
        none = np.zeros((n, probes.width), bool)
        data = add_options(data.assign(is_failing=(("scene", "option"), none)), {"is_failing": True})
    if draws > 1:
        names = [f"{name}, draw {k}" for name in probes.places.scenes for k in range(draws)]
        data = data.isel(scene=np.repeat(np.arange(n), draws)).assign_coords(scene=names)
    width = data.sizes["option"]
    taken = np.where(picks < 0, width - 1, picks).ravel()  # who abstains takes the option that was added
    return data.assign(chosen=(("scene", "option"), taken[:, None] == np.arange(width)))
