"""Whether answers differ between people, or groups, more than one reward explains."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reward_hypotheses.data.numerics import distinct, within_one
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.table import RESERVED
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import ItemChoice, SceneChoice
from reward_hypotheses.models.feedback.evidence import Check, misfit_in_words
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.inference.nuisance_priors import Theta
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.predictive_check import weighed

CHECKED, ANSWERS = 400, 4000
"""Replications, and answers that are looked at; of more, a random sample."""
MOST_COLUMNS, MOST_FEATURES = 20, 12
LEVEL = 0.005
"""A p below it is reported: of 1,000 studies without such a difference, about 5."""
LEAST_ANSWERS = 5
"""Answers for each value of a column, on average."""


@dataclass(frozen=True, eq=False)
class GroupCheck:
    """A check of the column whose values differ most in their answers.

    Attributes
    ----------
    column : str
    groups : int
        Number of its values.
    on : str
        In what the answers differ, in words.
    looked_at : int
        Number of columns.
    check : Check
        The greatest score, over columns and what answers may differ in, and its replications.
    """

    column: str
    groups: int
    on: str
    looked_at: int
    check: Check


def group_check(posterior: Posterior, k: int, rng: np.random.Generator, besides: Collection[str]) -> GroupCheck | None:
    """Check whether answers differ between the values of an unread column.

    For a column with groups g and a feature x, the score of a variance of x's weight between groups, at 0, is
    ``sum_g (S_g - V_g S / V)^2 - sum_g (V_g - V_g^2 / V)``: S_g sums the scores of the group's answers, V_g their
    variances, S and V are those of all answers, so that what all groups share does not count (Liang 1987; Commenges and
    Jacqmin-Gadda 1997). It is divided by its standard deviation, ``sqrt(2 sum_g (V_g (1 - V_g / V))^2)``. Features are the
    columns that hypotheses read, and the size of the noise. The statistic is the greatest over columns and features, compared
    with that of replications by hypotheses drawn from the weights; this corrects for the search.

    Parameters
    ----------
    posterior : Posterior
        Of rules (`Posterior.of_rules`).
    k : int
        Number of the feedback.
    besides : collection of str
        Columns of answers, which divide nothing.

    Returns
    -------
    GroupCheck or None
        None for kinds other than labels, choices, rankings, ratings and stops, or without such a column: one with at least two
        values and at most one for five answers, and one value in each scene.
    """
    feedback = posterior.feedback[k]
    if not isinstance(feedback, (SceneChoice, ItemChoice, Labels)):
        return None
    n = feedback.n_answers
    answers = np.arange(n) if n <= ANSWERS else np.sort(rng.choice(n, ANSWERS, replace=False))
    units = feedback.unit_of(answers)
    read = {c for e in posterior.hypotheses.expressions().values() for c in e.columns} | set(feedback.needs)
    groups = _dividing(feedback, units, read | set(besides))
    if not groups:
        return None
    feedback, over = weighed(posterior, k, rng)
    assert isinstance(feedback, (SceneChoice, ItemChoice, Labels))
    scores = _Scores(feedback, units, [c for c in feedback.items.columns if c in read])
    columns = {name: _Column.of(codes) for name, codes in groups.items()}
    observed, drawn = np.asarray(feedback.observed)[units], over.drawn(CHECKED, rng)
    theta = feedback.draws(over.evidence, np.arange(len(over.weights)), CHECKED, rng)
    inputs = {h: np.asarray(feedback.at(over.valuation, h))[units] for h in {*drawn.tolist(), over.lead}}

    def statistics(i: int, h: int, answers: np.ndarray) -> np.ndarray:
        parts = scores.of(inputs[h], answers, {name: values[i : i + 1, h] for name, values in theta.items()})
        return np.array([column.standardised(*parts) for column in columns.values()])

    replicated, exceeds = np.zeros(CHECKED), 0
    for i, h in enumerate(tracked(drawn.tolist())):
        made = scores.replicate(inputs[h], {name: values[i : i + 1, h] for name, values in theta.items()}, rng)
        replicated[i] = statistics(i, h, made).max()
        exceeds += replicated[i] >= statistics(i, h, observed).max() - 1e-9
    of_lead = np.mean([statistics(i, over.lead, observed) for i in range(0, CHECKED, 10)], axis=0)
    c, f = np.unravel_index(int(of_lead.argmax()), of_lead.shape)
    name, p = list(columns)[c], float(exceeds) / CHECKED
    misfit = []
    if p < LEVEL:
        what = (
            f"answers differ between the {columns[name].n} values of column {name!r} {scores.words[f]}, more than one reward "
            "explains"
        )
        remedy = f"add rater = {name!r} to the feedback, or state a hypothesis that reads it"
        misfit.append(misfit_in_words(str(feedback.name), what, p, CHECKED, remedy))
    found = Check.of(float(of_lead[c, f]), p, "greatest score of a variance between groups", replicated, misfit)
    return GroupCheck(name, columns[name].n, scores.words[f], len(columns), found)


def _dividing(feedback: Feedback, units: np.ndarray, besides: Collection[str]) -> dict[str, np.ndarray]:
    """Return the columns that divide the answers, by the group of each answer.

    Arrays (answer,) of int, -1 where the column is missing.
    """
    table, out = feedback.items, dict[str, np.ndarray]()
    for name in dict.fromkeys([*table.column_order, *table.columns]):
        column = table.columns.get(name)
        if column is None or name in besides or name in RESERVED or len(out) == MOST_COLUMNS:
            continue
        if isinstance(feedback, Labels) and column.is_boolean():
            continue  # the check of subgroups looks at it
        codes = np.asarray(column.names.values)
        if isinstance(feedback, SceneChoice):
            laid = feedback.grid(codes, -2)
            of_unit = np.take_along_axis(laid, feedback.inside.argmax(axis=1)[:, None], axis=1)
            if (feedback.inside & (laid != of_unit)).any():
                continue  # it tells options apart, not people
            codes = of_unit[:, 0]
        codes = codes[units]
        known, _, place, _ = distinct(codes[codes >= 0])
        if 2 <= len(known) <= len(place) / LEAST_ANSWERS:
            codes = codes.copy()
            codes[codes >= 0] = place
            out[name] = codes
    return out


@dataclass(frozen=True, eq=False)
class _Column:
    """Answers in the order of their groups by one column, and each group's start."""

    order: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, codes: np.ndarray) -> "_Column":
        order = np.argsort(codes, kind="stable")
        order = order[codes[order] >= 0]
        return cls(order, np.flatnonzero(np.diff(codes[order], prepend=-1)))

    @property
    def n(self) -> int:
        """Number of groups."""
        return len(self.starts)

    def standardised(self, scores: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """Return the standardised score of a variance between groups: (feature,)."""
        s, v = (np.add.reduceat(of[:, self.order], self.starts, axis=1) for of in (scores, variances))
        total = v.sum(axis=1, keepdims=True)
        share = v / np.where(total > 0, total, 1.0)
        apart = ((s - share * s.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        free = v * (1 - share)
        spread = np.sqrt(2 * (free**2).sum(axis=1))
        return np.where(spread > 0, (apart - free.sum(axis=1)) / np.where(spread > 0, spread, 1.0), 0.0)


class _Scores:
    """Scores of each feature's weight and of the noise, answer by answer."""

    def __init__(self, feedback: "SceneChoice | ItemChoice | Labels", units: np.ndarray, read: Sequence[str]) -> None:
        self.feedback, self.units = feedback, units
        columns = feedback.items.columns
        names = [c for c in read if c in columns and not columns[c].is_text][:MOST_FEATURES]
        values = [np.nan_to_num(columns[c].values.astype(float)) for c in names]
        self.words = [f"in how they go with {name!r}" for name in names]
        if not isinstance(feedback, Labels):
            features = feedback.features(values)[:, units] if names else np.zeros((0, len(units), 1))
            self.features, _ = within_one(features, axis=(1, 2))
        else:
            every = np.array(values).reshape(len(values), -1)[:, units]
            self.features, _ = within_one(every - every.mean(axis=1, keepdims=True), axis=1)
            self.words.append("in how often they are true")
        self.words.append(
            "in how often they are wrong" if isinstance(feedback, Labels) else "in how far they follow the reward"
        )

    def replicate(self, inputs: np.ndarray, theta: Theta, rng: np.random.Generator) -> np.ndarray:
        """Return one replication of the answers."""
        if not isinstance(self.feedback, Labels):
            return np.asarray(self.feedback.replicate_units(inputs, theta, 1, rng, self.units)[0])
        return np.asarray(self.feedback.replicate(inputs, theta, 1, rng)[0])

    def of(self, inputs: np.ndarray, answers: np.ndarray, theta: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """Return scores and their variances under a hypothesis: (feature, answer) each."""
        if isinstance(self.feedback, Labels):
            return self._of_labels(inputs, answers, theta)
        chance, chosen, unit = self.feedback.modelled(inputs, answers, theta)
        there = chance > 0
        log_chance = np.log(np.where(there, chance, 1.0))
        n, parts = len(self.units), []
        for x in [*(feature[unit] for feature in self.features), log_chance]:
            mean = (x * chance).sum(axis=-1)
            score, variance = (x * chosen).sum(axis=-1) - mean, (x**2 * chance).sum(axis=-1) - mean**2
            parts.append([np.bincount(unit, of, n) for of in (score, np.maximum(variance, 0.0))])
        scores, variances = np.moveaxis(np.array(parts), 1, 0)
        return scores, variances

    def _of_labels(
        self, inputs: np.ndarray, answers: np.ndarray, theta: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(self.feedback, Labels)
        eps = float(theta["eps"][0]) if "eps" in theta else float(self.feedback.noise)  # type: ignore[arg-type]
        predicted = np.asarray(inputs, bool)
        chance = np.where(predicted, 1 - eps, eps)
        features = np.vstack([self.features, np.ones(len(chance)), np.where(predicted, -1.0, 1.0)])
        return features * (answers - chance), features**2 * (chance * (1 - chance))
