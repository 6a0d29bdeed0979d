"""Choosers: who chooses in which scenes of a test, and by what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.agent import Extrapolating
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.rollout import Scenes
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import on_test
from reward_hypotheses.models.policies.boltzmann import InferredBoltzmann
from reward_hypotheses.models.policies.view import View
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.tree.read import rationality_in, study_in
from reward_hypotheses.models.weights.agent_rationality import of_draws
from reward_hypotheses.models.weights.raters.draws import RaterDraws
from reward_hypotheses.models.weights.raters.judged import FEW, of_rater

WITHIN_SCENES = ("choices", "rankings")
"""Kinds whose rationality is that of choices within scenes; used unless a feedback is named."""


@dataclass(frozen=True, eq=False)
class Chooser:
    """One chooser in some scenes of a test.

    Attributes
    ----------
    case : Case
        The policy and weights by which the chooser chooses, on its scenes alone.
    scenes : ndarray (scene,)
        Positions of its scenes among those of the test.
    items : ndarray (item,)
        Positions of its items among those of the test.
    together : bool
        Whether one chooser chooses in all of these scenes, so that one hypothesis holds in all of them.
    person : bool
        Whether this is a person, who may choose an option that is failing; else an agent.
    inflation : float
        By how much the draws' variance exceeds that of as many independent draws.
    """

    case: Case
    scenes: np.ndarray
    items: np.ndarray
    together: bool = True
    person: bool = True
    inflation: float = 1.0

    def view(self, scenes: Scenes) -> View:
        """Return a block of scenes as the chooser sees it."""
        return PersonsView(scenes.block) if self.person else scenes.view(self.case.policy)


class PersonsView(View):
    """A block of scenes as a person sees it.

    A person may choose an option that is failing, which is worth ``u_h``; a policy takes it only by abstaining.
    """

    def __init__(self, block: Block) -> None:
        super().__init__(block)
        self.mask = block.available


def everywhere(case: Case, *, person: bool) -> Chooser:
    """Return the chooser of a case in all scenes of its test."""
    table = case.valuation.table
    return Chooser(case, np.arange(table.n_scenes), np.arange(table.n_items), person=person)


def feedback_with_rationality(tree: xr.DataTree, name: Any = None) -> Mapping[str, Any]:
    """Return the record of the feedback whose rationality predicts choices.

    Parameters
    ----------
    name : str, optional
        Its name. Unless given: the first of choices or rankings.

    Raises
    ------
    InputError
        There is none; the message names the feedbacks.
    """
    listed = {feedback["name"]: feedback for feedback in study_in(tree)["feedback"]}
    rational = [key for key, feedback in listed.items() if "rationality" in feedback]
    if name is not None:
        if not isinstance(name, str) or name not in rational:
            right = f"give one of {rational}" if rational else "none has one; fit choices or rankings"
            raise InputError(f"feedback: {shown(name)} is no feedback of the tree with a rationality; {right}")
        return listed[name]
    usual = [key for key in rational if listed[key]["kind"] in WITHIN_SCENES]
    if usual:
        return listed[usual[0]]
    kinds = ", ".join(f"{key!r} ({feedback['kind']})" for key, feedback in listed.items())
    advice = "fit choices or rankings, which tell how closely people follow a reward"
    if rational:
        advice += f", or borrow another rationality with feedback={rational[0]!r}"
    raise InputError(f"the tree has no feedback of choices or rankings; its feedbacks are {kinds}; {advice}")


def variable_of(feedback: Mapping[str, Any]) -> str:
    """Return the name of the rationality of a feedback in a tree."""
    return f"{feedback.get('human') or feedback['name']}_rationality"


def person(tree: xr.DataTree, case: Case, feedback: Mapping[str, Any]) -> Case:
    """Return the case of a person who chooses by the posterior of the tree's judge.

    The person chooses with probability ``softmax(beta r_h / s_h)``, beta and ``s_h`` those of the feedback.

    Raises
    ------
    InputError
        A hypothesis whose choices the feedback does not predict, or a space of rules.
    """
    posterior = case.posterior
    posterior.hypotheses.refuse_spaces("rh.predict_choices")
    variable = variable_of(feedback)
    if isinstance(feedback["rationality"], list) and variable not in tree["posterior"]:
        raise InputError(
            f"feedback: {feedback['name']!r}: the tree has no draws of {variable!r} by hypothesis, because that part of the model was "
            "replaced; name another feedback, or fit with rh.fit"
        )
    families = {}
    for h, fitted in posterior.families.items():
        known = dict(fitted.nuisances)
        if not isinstance(feedback["rationality"], list):
            known[variable] = np.full(len(fitted.weights), float(feedback["rationality"]))
        families[h] = replace(fitted, nuisances=known)
        if fitted.linear.sd is None and (variable not in fitted.spreads or variable not in known):
            raise InputError(
                f"feedback: {feedback['name']!r}: its rationality under {posterior.hypotheses.names[h]!r} is not that of choices within "
                "scenes; name a feedback of choices or rankings"
            )
    posterior = replace(posterior, hypotheses=posterior.hypotheses.instead(families))
    policy = InferredBoltzmann(tuple(rationality_in(tree, posterior, feedback["name"])))
    return replace(case, agent=Extrapolating(), policy=policy, known={})


def raters(tree: xr.DataTree, population: Case, line: Any, feedback: Mapping[str, Any]) -> list[Chooser]:
    """Return a chooser for each rater of a test.

    A rater who was not seen in training, and a scene whose rater is missing, are draws from the population.

    Parameters
    ----------
    population : Case
        Of `person`, on the whole test.
    line : FailureLine
        The tree's.

    Raises
    ------
    InputError
        The tree has no raters, or the test does not name one rater a scene.
    """
    people = population.posterior.people
    if people is None:
        raise InputError(
            "who: 'rater', and the tree was fitted without raters, so it knows no differences between people; give who='population', "
            "or fit the feedback with rater='column'"
        )
    table = population.valuation.table
    scenes_of: dict[str | None, list[int]] = {}
    for scene, name in enumerate(rater_of_scene(table, people.column)):
        scenes_of.setdefault(name, []).append(scene)
    seen, out = set(people.names), []
    inflation = max(1.0, people.n / people.ess) if people.ess > 0 else 1.0
    for name, scenes in scenes_of.items():
        known = name is not None and name in seen
        posterior = _of_rater(population.posterior, str(name)) if known else population.posterior
        part, items = some_scenes(table, scenes)
        case = person(
            tree, replace(population, posterior=posterior, test=on_test(posterior.hypotheses, part, line)), feedback
        )
        if known:
            case = replace(case, policy=_own_rationality(case, people, str(name), variable_of(feedback)))
        out.append(Chooser(case, np.array(scenes), items, together=name is not None, inflation=inflation))
    return out


def _of_rater(posterior: Posterior, name: str) -> Posterior:
    """Return the posterior of one rater, weights and nuisances of one draw each."""
    people, own = posterior.people, of_rater(posterior, name)
    assert people is not None
    r, fitted = people.names.index(name), {}
    for h, family in own.families.items():
        rows = np.flatnonzero(people.follows[:, r] == h)
        if len(rows) < FEW:  # draws of a person of the population, whose weight for this rater is small
            fitted[h] = posterior.families[h]
            continue
        nuisances = {variable: values[rows, r] for variable, values in people.nuisances.items()}
        known = {key: np.resize(values, len(rows)) for key, values in family.nuisances.items()}
        weights = people.weights[h][rows, r]
        fitted[h] = replace(family, weights=weights, mean=weights.mean(axis=0), nuisances=known | nuisances)
    return replace(own, hypotheses=own.hypotheses.instead(fitted))


def _own_rationality(case: Case, people: RaterDraws, name: str, variable: str) -> InferredBoltzmann:
    """Return the policy of a rater, with its rationality under listed rewards."""
    policy, r = case.policy, people.names.index(name)
    assert isinstance(policy, InferredBoltzmann)
    if variable not in people.nuisances:
        return policy
    rationality = list(policy.rationality)
    for h in np.unique(people.follows[:, r]).tolist():
        if h not in case.posterior.families:
            betas = people.nuisances[variable][people.follows[:, r] == h, r]
            rationality[h] = of_draws(betas, float(rationality[h].scales[0]))
    return InferredBoltzmann(tuple(rationality))


def rater_of_scene(table: Table, column: str) -> list[str | None]:
    """Return the name of each scene's rater; None where it is missing."""
    values = table.column(column).names
    unnamed = values.missing() | np.array([not values.text(i).strip() for i in range(table.n_items)])
    out: list[str | None] = []
    for lo, hi in zip(table.starts[:-1].tolist(), table.starts[1:].tolist(), strict=True):
        there = {values.text(i) for i in range(lo, hi) if not unnamed[i]}
        if len(there) > 1:
            raise InputError(
                f"{table.source}: scene {table.scene_name(len(out))}: column {column!r} names several raters "
                f"({', '.join(sorted(there))}); each scene needs one rater, or an empty cell"
            )
        out.append(next(iter(there), None))
    return out


def some_scenes(table: Table, scenes: Sequence[int] | np.ndarray) -> tuple[Table, np.ndarray]:
    """Return some scenes of a table as a table, and their items' positions."""
    which = np.asarray(scenes, int)
    widths = np.diff(table.starts)[which]
    items = np.concatenate([np.arange(table.starts[m], table.starts[m + 1]) for m in which.tolist()])
    part = replace(
        table,
        columns={name: column.take(items) for name, column in table.columns.items()},
        starts=np.concatenate([[0], np.cumsum(widths)]),
        scene_names=tuple(table.scene_name(m) for m in which.tolist()),
        option_names=None if table.option_names is None else table.option_names.take(items),
        rows=None if table.rows is None else table.rows[items],
        kept_positions=table.positions[items],
    )
    return part, items


def unknown_who(who: Any) -> InputError:
    """Return the error of a `who` that is nobody."""
    kind = who.__name__ if isinstance(who, type) else type(who).__name__
    what = shown(who) if isinstance(who, str) else f"a {kind}"
    return InputError(f"who: {what}; give 'population', 'rater', a prior, or a tree from fit()")
