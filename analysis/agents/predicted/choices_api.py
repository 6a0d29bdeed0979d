"""Posterior predictive of what people, or an agent, will choose on a test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.predicted.chances import People, people_on, picks
from reward_hypotheses.analysis.agents.predicted.choosers import (
    Chooser,
    everywhere,
    feedback_with_rationality,
    person,
    raters,
    unknown_who,
)
from reward_hypotheses.analysis.case import Case, case_of, probability
from reward_hypotheses.analysis.risk.intervals import quantile
from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.read import posterior_of

LEAST_DRAWS = 100


def predict_choices(
    tree: xr.DataTree,
    test: Any,
    who: Any = "population",
    *,
    policy: Policy | None = None,
    chosen: str | None = None,
    feedback: str | None = None,
    hypotheses: Mapping[str, Any] | None = None,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    draws: int = 1000,
    random_seed: int | None = None,
) -> xr.Dataset:
    """Predict which option people, or an agent, will choose in each scene.

    Of people, the posterior predictive of choices by softmax::

        p(o) = sum_h w_h E[ softmax(beta r_h / s_h)_o ]

    over the posterior of beta and of continuous reward weights under h; w_h is the posterior weight and ``s_h`` the scale of
    the training data. An option that is failing is worth the failure line. Probabilities are exact where beta is given
    and all rewards are listed; otherwise they come from the draws of the tree.

    Parameters
    ----------
    tree, test, hypotheses, agent_fail_utility
        As for `catastrophe_risk`; the test has options.
    who : "population", "rater", Prior or DataTree
        ``"population"``: a person like those who gave the feedback, one person for the whole test. ``"rater"``: the person
        named in the test's column of raters (``rater=`` of the feedback); a new name is one new person of the population, an
        empty cell another one in each scene. A prior or a tree: an agent with `policy`, as ``agent=`` of `catastrophe_risk`.
    policy : Policy, optional
        Of the agent; ``Commit()`` unless given. People are compared with an agent of that policy and the tree's weights.
    chosen : str, optional
        Column that is true for the option that was chosen, one a scene. It is scored, and not used for the prediction.
    feedback : str, optional
        Feedback whose rationality and scale people have. Unless given: the first of choices or rankings.
    draws : int
        Draws of choices for the intervals, at least 100.
    random_seed : int, optional
        Of those draws; the tree's unless given.

    Returns
    -------
    Dataset
        ``probability`` (scene, option), NaN where there is no option; ``option_name``, where each position has one. ``share``
        (option): the mean over scenes, by their weights, with the predictive interval ``share_lower``, ``share_upper`` of the
        share that will be observed when each scene is met once: from uncertainty about hypotheses, weights and rationality,
        and from the chance of the choices.
        Of an agent ``abstained`` (scene). Of people ``as_agent``: how often person and agent pick the same option, with
        ``as_agent_lower`` and ``as_agent_upper``, a predictive interval too; abstaining is no option. With `chosen`:
        ``log_score``, the mean log probability of what was chosen, nats a choice, and ``log_score_by_scene`` (scene).
        ``probability_mcse``, ``share_mcse``, ``share_lower_mcse`` and so on are Monte Carlo errors.

    Raises
    ------
    InputError
        A problem of the tree or the test; a test without options; no feedback with a rationality; a scene in which not
        exactly one option is marked as chosen.
    """
    prob, draws = probability(prob), whole(draws, "draws", LEAST_DRAWS)
    people = isinstance(who, str) and who in ("population", "rater")
    if not people and not isinstance(who, (Prior, xr.DataTree)):
        raise unknown_who(who)
    if not people and feedback is not None:
        raise InputError("feedback: it tells the rationality of people, and an agent chooses; leave it out")
    case = case_of(tree, test, policy, None if people else who, agent_fail_utility, hypotheses)
    _check(case, case.valuation.table)
    asked, seed = Asked(case, chosen), case.seed if random_seed is None else whole(random_seed, "random_seed")
    if people:
        request = Request(tree, hypotheses, feedback, who == "rater")
        out = _of_people(request, case, asked, prob, draws, seed)
    else:
        out = _of_agent(case, asked, prob, draws, seed)
    about = {"who": who if people else "agent", "policy": case.policy.name, "abstain": int(case.policy.abstain)}
    return out.assign_attrs(about, prob=prob, draws=draws, seed=seed)


@dataclass(frozen=True, eq=False)
class Request:
    """The people to predict: alike or by rater, by the rationality of a feedback."""

    tree: xr.DataTree
    hypotheses: Mapping[str, Any] | None
    feedback: str | None
    by_rater: bool


class Asked:
    """The test of a prediction: its places, and what was chosen.

    Attributes
    ----------
    scene, position : ndarray (item,)
        Scene of each item, and its position in it.
    share : ndarray (scene,)
        Weights of the scenes, adding up to 1.
    chosen : ndarray (scene,) or None
        The item that was chosen.
    """

    def __init__(self, case: Case, chosen: str | None) -> None:
        self.case, self.table = case, case.valuation.table
        self.scene = np.repeat(np.arange(self.table.n_scenes), np.diff(self.table.starts))
        self.position = self.table.positions
        self.n_options = int(self.position.max(initial=0)) + 1
        weight, total = scene_weights(case.valuation)
        self.share = weight / total
        self.chosen = None if chosen is None else chosen_items(self.table, chosen)

    @property
    def option_names(self) -> list[str] | None:
        """The name of the option in each position; None where scenes differ in it."""
        names = self.table.option_names
        if names is None:
            return None
        pairs = np.unique(np.stack([self.position, names.values.astype(np.int64)]), axis=1)
        if pairs.shape[1] != self.n_options or (pairs[0] != np.arange(self.n_options)).any():
            return None
        vocabulary = names.vocabulary or ()
        return [vocabulary[code] for code in pairs[1].tolist()]

    def grid(self, values: np.ndarray) -> np.ndarray:
        """Lay out values by item (item,) as (scene, option), NaN elsewhere."""
        out = np.full((self.table.n_scenes, self.n_options), np.nan)
        out[self.scene, self.position] = values
        return out

    def shares(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the share of each position: (option,)."""
        return np.bincount(self.position, self.share[self.scene] * probabilities, self.n_options)

    def drawn_shares(self, picked: np.ndarray) -> np.ndarray:
        """Return the shares (draw, option) of drawn choices (draw, scene)."""
        position = self.position[np.maximum(picked, 0) + self.table.starts[:-1]]
        position = np.where(picked < 0, -1, position)
        return np.stack([(position == o) @ self.share for o in range(self.n_options)], axis=1)

    def dataset(self, probabilities: np.ndarray, mcse: np.ndarray, variables: Mapping[str, Any]) -> xr.Dataset:
        """Return a prediction, labelled."""
        dims = ("scene", "option")
        grids = {"probability": (dims, self.grid(probabilities)), "probability_mcse": (dims, self.grid(mcse))}
        coords: dict[str, Any] = {"scene": self.case.scene_coordinate(), "option": np.arange(self.n_options)}
        if (names := self.option_names) is not None:
            coords["option_name"] = "option", names
        scored = {}
        if self.chosen is not None:
            with np.errstate(divide="ignore"):
                by_scene = np.log(probabilities[self.chosen])
            scored = {"log_score": float(self.share @ by_scene), "log_score_by_scene": ("scene", by_scene)}
        return xr.Dataset(grids | dict(variables) | scored, coords=coords)


def chosen_items(table: Table, column: str) -> np.ndarray:
    """Return the item that was chosen in each scene: (scene,).

    Raises
    ------
    InputError
        A scene in which not exactly one available option is marked.
    """
    marked = table.booleans(column, what="true for the option that was chosen, else false")
    count = np.add.reduceat(marked.astype(int), table.starts[:-1])
    if (count != 1).any():
        scene = int(np.argmax(count != 1))
        raise InputError(
            f"{table.source}: scene {table.scene_name(scene)}: column {column!r} marks {int(count[scene])} available options as chosen; "
            "mark exactly one"
        )
    return np.flatnonzero(marked)


def _check(case: Case, table: Table) -> None:
    case.valuation.hypotheses.refuse_spaces("rh.predict_choices")
    if not table.has_options:
        raise InputError(
            f"{table.source}: no options, so there is nothing to choose between; give a table over scene and option"
        )


def _of_people(request: Request, case: Case, asked: Asked, prob: float, draws: int, seed: int) -> xr.Dataset:
    feedback = feedback_with_rationality(request.tree, request.feedback)
    population = person(request.tree, case, feedback)
    choosers = [everywhere(population, person=True)]
    if request.by_rater:
        line = posterior_of(request.tree, request.hypotheses)[1]
        choosers = raters(request.tree, population, line, feedback)
    acts = case.rollout.acts
    mass = asked.share[asked.scene]

    def functionals(items: np.ndarray, p: np.ndarray) -> np.ndarray:
        weight = mass[items]
        rows = [weight * (asked.position[items] == o) for o in range(asked.n_options)] + [weight * acts[items]]
        if asked.chosen is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                rows.append(np.where(np.isin(items, asked.chosen), weight / p, 0.0))
        return np.stack(rows)

    people = people_on(choosers, asked.table.n_items, functionals, seed)
    mcse = people.functional_mcse[asked.n_options]
    of_agent = case.standard_errors(lambda case: float((mass * people.probability) @ case.rollout.acts))
    picked = _picked(choosers, asked, draws, seed, "choices of people")
    agents = picks(everywhere(case, person=False), draws, substream(seed, "choices of the agent"))
    variables = _shares(asked, people, picked, prob)
    variables["as_agent"] = float((mass * people.probability) @ acts)
    variables["as_agent_mcse"] = float(np.hypot(mcse, of_agent or 0.0))
    variables |= _ends("as_agent", ((picked == agents) & (picked >= 0)) @ asked.share, prob)
    if asked.chosen is not None:
        variables["log_score_mcse"] = float(people.functional_mcse[-1])
    out = asked.dataset(people.probability, people.mcse, variables)
    if request.by_rater and population.posterior.people is not None:
        out = out.assign_attrs(rater=population.posterior.people.column)
    return out.assign_attrs(feedback=feedback["name"])


def _of_agent(case: Case, asked: Asked, prob: float, draws: int, seed: int) -> xr.Dataset:
    def numbers(case: Case) -> dict[str, np.ndarray]:
        acts = case.rollout.acts
        out = {"probability": acts, "share": asked.shares(acts)}
        if asked.chosen is not None:
            with np.errstate(divide="ignore"):
                out["log_score"] = np.array(asked.share @ np.log(acts[asked.chosen]))
        return out

    found = numbers(case)
    with np.errstate(invalid="ignore"):
        error = case.standard_errors(numbers)
    picked = picks(everywhere(case, person=False), draws, substream(seed, "choices of the agent"))
    people = People(found["probability"], error["probability"], error["share"])
    variables = _shares(asked, people, picked, prob)
    variables["abstained"] = "scene", np.maximum(1 - np.bincount(asked.scene, people.probability), 0.0).round(12)
    if asked.chosen is not None:
        variables["log_score_mcse"] = float(error["log_score"])
    return asked.dataset(people.probability, people.mcse, variables)


def _picked(choosers: Sequence[Chooser], asked: Asked, draws: int, seed: int, purpose: str) -> np.ndarray:
    """Draw the choices of all choosers: (draw, scene)."""
    rng = substream(seed, purpose)
    out = np.empty((draws, asked.table.n_scenes), np.int32)
    for chooser in choosers:
        out[:, chooser.scenes] = picks(chooser, draws, rng)
    return out


def _shares(asked: Asked, people: People, picked: np.ndarray, prob: float) -> dict[str, Any]:
    drawn = asked.drawn_shares(picked)
    ends = [_ends("share", column, prob) for column in drawn.T]
    return {
        "share": ("option", asked.shares(people.probability)),
        "share_mcse": ("option", people.functional_mcse[: asked.n_options]),
    } | {key: ("option", np.array([end[key] for end in ends])) for key in ends[0]}


def _ends(name: str, drawn: np.ndarray, prob: float) -> dict[str, float]:
    """Return the ends of an equal-tailed interval of draws, and their errors."""
    ordered, out = np.sort(drawn), {}
    for end, p in (("lower", (1 - prob) / 2), ("upper", (1 + prob) / 2)):
        out[f"{name}_{end}"], out[f"{name}_{end}_mcse"] = quantile(ordered, p)
    return out
