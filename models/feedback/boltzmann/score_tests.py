"""Predictive check of Boltzmann-rational kinds by score tests.

Scores are of columns, and of noise that varies over the choices.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, override

import numpy as np

from reward_hypotheses.data.numerics import softmax, within_one
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.feedback.boltzmann.centring import less_their_mean
from reward_hypotheses.models.feedback.boltzmann.likelihood import in_rows, times_beta
from reward_hypotheses.models.feedback.boltzmann.option_grid import OptionGrid
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, Weighed, misfit_in_words
from reward_hypotheses.models.inference.nuisance_priors import Theta

CHECKED, CHECKED_UNITS = 400, 2000
SHARPNESS = ("the place in the table", "how many options are left", "how far the rewards differ")
"""The features by which noise may vary, in the order of `sharpness`."""


@dataclass(frozen=True, eq=False)
class ScoreChecked(OptionGrid):
    """Choices that are checked by the largest of several score tests."""

    @abstractmethod
    def beta(self, theta: Theta) -> Any:
        """Return the rationality: the nuisance, or the number that was given."""

    def replicate_units(
        self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator, units: np.ndarray
    ) -> np.ndarray:
        """Return `replicate` of some units: (n, unit given, ...).

        Units keep their order.
        """
        del units  # only kinds whose answers have a form of their own, as rankings do, look at them
        return np.asarray(self.replicate(inputs, theta, n, rng))

    def stages(self, inputs: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the answers as rows of choices.

        Inputs and choice are (stage, option), the unit of each stage (stage,).
        """
        return inputs, answers, np.arange(len(inputs))

    def modelled(
        self, inputs: np.ndarray, answers: np.ndarray, theta: Theta
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return chance and choice of each option at one draw of theta.

        Both are (stage, option); the third array is the unit of each stage (stage,).
        """
        at_stage, chosen, unit = self.stages(inputs, answers)
        beta = float(np.reshape(self.beta(theta), -1)[0])
        return softmax(times_beta(beta, at_stage, 1)[0]), chosen, unit

    def features(self, columns: list[np.ndarray]) -> np.ndarray:
        """Return columns as features of the options of `stages`.

        Columns are (item,) each. Returns (feature, unit, option).
        """
        grids = [less_their_mean(self.grid(column, 0.0), self.inside) for column in columns]
        return np.array(grids).reshape(len(columns), *self.inside.shape)

    def checked_answers(self, rng: np.random.Generator) -> np.ndarray:
        """Return the numbers of the answers that a check looks at.

        All answers, or 2,000 of them at random.
        """
        n = self.n_answers
        return np.arange(n) if n <= CHECKED_UNITS else np.sort(rng.choice(n, CHECKED_UNITS, replace=False))

    @override
    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check the largest score (Rao 1948), of a feature or of the noise.

        A score of a feature tells whether choices go with it beyond what reward explains; a score of the noise, whether its
        size varies with where a choice was made. An inferred rationality absorbs noise, but not a human who follows
        something else, nor one who stops caring. Of more than 2,000 answers, 2,000 drawn at random are looked at.
        """
        units = self.unit_of(self.checked_answers(rng))
        columns = self.items.columns
        names = [c for c in self.needs if c in columns and not columns[c].is_text]
        features = self.features([np.nan_to_num(columns[c].values.astype(float)) for c in names])[:, units]
        observed = np.asarray(self.observed)[units]
        drawn = over.drawn(CHECKED, rng)
        theta = self.draws(over.evidence, np.arange(len(over.weights)), CHECKED, rng)
        inputs = {h: self.at(over.valuation, h)[units] for h in {*drawn.tolist(), over.lead}}

        def scores(i: int, h: int, answers: np.ndarray) -> np.ndarray:
            theta_i = {name: values[i : i + 1, h] for name, values in theta.items()}
            chance, chosen, unit = self.modelled(inputs[h], answers, theta_i)
            of_noise = score(sharpness(chance, unit), chosen, chance)
            return np.abs(np.concatenate([score_by_unit(features, unit, chosen, chance), of_noise]))

        replicated, exceeds = np.zeros(CHECKED), 0
        for i, h in enumerate(tracked(drawn.tolist())):
            theta_i = {name: values[i : i + 1, h] for name, values in theta.items()}
            answers = self.replicate_units(inputs[h], theta_i, 1, rng, units)[0]
            replicated[i] = scores(i, h, answers).max(initial=0.0)
            exceeds += replicated[i] >= scores(i, h, observed).max(initial=0.0) - 1e-9
        of_lead = np.mean([scores(i, over.lead, observed) for i in range(0, CHECKED, 10)], axis=0)
        p, statistic = float(exceeds) / CHECKED, float(of_lead.max(initial=0.0))
        misfit = []
        if p < MISFIT:
            on = [f"choices depend on column {name!r} in a way that" for name in names]
            on += [f"noise depends on {where}, which" for where in SHARPNESS]
            what = f"{on[int(np.argmax(of_lead))]} the leading hypothesis {over.lead_name!r} does not explain"
            misfit.append(misfit_in_words(str(self.name), what, p, CHECKED))
        what = (
            "largest score, in standard errors, of a column that a hypothesis names (choices going with it beyond the model), or "
            f"of the noise going with {', '.join(SHARPNESS)}"
        )
        return Check.of(statistic, p, what, replicated, misfit)


def score(features: np.ndarray, chosen: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return Rao's score of each feature, in standard errors: (feature,).

    It measures how far the answers go with the feature beyond the model:
    ``sum_u (x_chosen - E x) / sqrt(sum_u Var x)`` over units u, E and Var under the model's chances of each option.

    Parameters
    ----------
    features : ndarray (feature, unit, option)
    chosen, chance : ndarray (unit, option)
        The option that was chosen, and the model's chance of each.
    """
    features, _ = within_one(features, axis=(1, 2))  # the score has no unit
    mean = (features * chance).sum(axis=-1)
    variance = ((features**2 * chance).sum(axis=-1) - mean**2).sum(axis=-1)
    apart = ((features * chosen).sum(axis=-1) - mean).sum(axis=-1)
    return _standardised(apart, variance, (features**2).sum(axis=(1, 2)))


def score_by_unit(features: np.ndarray, unit: np.ndarray, chosen: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Return `score` of features that all stages of a unit share: (feature,).

    Parameters
    ----------
    features : ndarray (feature, unit, option)
    unit : ndarray (stage,) of int
        Of each stage, in order.
    chosen, chance : ndarray (stage, option)
    """
    n = features.shape[1]
    chances = in_rows(chance, unit, n)
    squares = np.einsum("fuo,fuo->fuo", features, features)
    means = np.matmul(chances, np.moveaxis(features, 0, 2))  # (unit, stage, feature)
    total, apart = chances.sum(axis=1), in_rows(chosen - chance, unit, n).sum(axis=1)
    variance = np.einsum("fuo,uo->f", squares, total) - np.einsum("usf,usf->f", means, means)
    size = squares.sum(axis=2) @ np.bincount(unit, minlength=n)
    return _standardised(np.einsum("fuo,uo->f", features, apart), variance, size)


def _standardised(apart: np.ndarray, variance: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return scores in standard errors: (feature,).

    0 where the variance is a rounding error of the size.
    """
    varies = variance > 1e-12 * np.maximum(size, 1e-300)
    return np.where(varies, apart / np.sqrt(np.maximum(variance, 1e-300)), 0.0)


def sharpness(chance: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return features that test whether noise is the same everywhere.

    Shape (place, stage, option).

    With chances tempered to ``p^(1 + d z)`` the score of d at 0 is that of the feature ``z log p``. z is, stage by stage, the
    place in the table, the number of options left, and how sure the model is (the mean of log p). Each is taken less a
    weighted mean, so that a common change, which a rationality absorbs, does not count.
    """
    there = chance > 0
    log_chance = np.log(np.where(there, chance, 1.0))
    sure = (chance * log_chance).sum(axis=-1)
    room = (chance * log_chance**2).sum(axis=-1) - sure**2
    z = np.array([unit / max(int(unit.max(initial=0)), 1), there.sum(axis=-1), sure])
    if room.sum() > 0:
        z = z - (z @ room / room.sum())[:, None]
    return z[:, :, None] * log_chance
