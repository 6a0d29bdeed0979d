"""Pairs of cues whose signs within scenes agree in training and part on a test.

A cue is a feature of a `Linear`, or the reward of a listed hypothesis. Its sign between two options of a scene says
which of the two it prefers.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.analysis.rollout import scene_weights
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear, combination
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior

AGREED, PARTED = 0.95, 0.8
"""Share of scenes in which signs agree: in training at least, and on the test less than."""
LEVEL = 0.05
"""Level of the test that signs agree in training more often than `PARTED`, for all pairs together."""
CELLS, MOST_CELLS = 1_000_000, 20_000_000
"""Signs that are held at once, and of a table: of a larger one every k-th scene is looked at."""
CERTAIN = 1000
"""Number of scenes from which on an agreement of `AGREED` is no chance at any level: p is below 1e-40."""


@dataclass(frozen=True)
class SignPair:
    """Two cues that training tells apart by degree alone.

    Attributes
    ----------
    first, second : int
        Places of the cues: of hypotheses, or of the features of a family.
    opposite : bool
        Whether the cues point in opposite directions in training. All agreement is after turning one of the two round.
        False of hypotheses.
    training, test : float
        Mean over scenes of the share of pairs of options on which the signs agree.
    n_training, n_test : float
        Number of scenes behind each mean: those in which both cues tell some two options apart. In training, a scene
        counts as often as its answer was given.
    """

    first: int
    second: int
    opposite: bool
    training: float
    test: float
    n_training: float
    n_test: float


class Agreement:
    """Sums over scenes of the agreement of signs, for all pairs of cues.

    Parameters
    ----------
    n : int
        Number of cues.
    """

    def __init__(self, n: int) -> None:
        self.same, self.weight, self.n_scenes = np.zeros((3, n, n))
        self.least, self.most = np.full(n, np.inf), np.zeros(n)

    @property
    def share(self) -> np.ndarray:
        """Share of agreement: (cue, cue); NaN where the two never differ together."""
        with np.errstate(invalid="ignore"):
            return self.same / self.weight

    def add(self, block: Block, cues: Sequence[int], scene_weight: np.ndarray, stride: int) -> None:
        """Add every `stride`-th scene of a block; `scene_weight` is (scene of the block,)."""
        step = stride * max(1, CELLS // max(_pairs_of_options(block.shape[0]) * len(cues), 1))
        values = [(block.reward(h), np.broadcast_to(block.error(h), block.shape)) for h in cues]
        for lo in range(0, block.shape[1], step):
            some = slice(lo, lo + step, stride)
            inside = None if block.options is None else block.options[:, some]
            rows = [differences(value[:, some], error[:, some], inside) for value, error in values]
            for k, apart in enumerate(np.abs(row[row != 0]) for row in rows):
                self.least[k] = min(self.least[k], apart.min(initial=np.inf))
                self.most[k] = max(self.most[k], apart.max(initial=0.0))
            self._add(np.sign(np.stack(rows)).transpose(2, 0, 1), scene_weight[some])

    def _add(self, signs: np.ndarray, weight: np.ndarray) -> None:
        """Add signs (scene, cue, pair of options)."""
        size = np.abs(signs)
        both = size @ size.transpose(0, 2, 1)
        there = both > 0
        share = np.where(there, 0.5 + 0.5 * (signs @ signs.transpose(0, 2, 1)) / np.maximum(both, 1), 0.0)
        weight = weight[:, None, None]
        self.same += (share * weight).sum(axis=0)
        self.weight += (there * weight).sum(axis=0)
        self.n_scenes += (there & (weight > 0)).sum(axis=0)


def differences(values: np.ndarray, error: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    """Return differences between the options of each scene: (pair of options, scene).

    0 where two options are equal, or one of them is not available or is failing itself.
    """
    first, second = np.triu_indices(len(values), 1)
    apart = values[first] - values[second]
    told = np.abs(apart) > 2 * (error[first] + error[second])
    if inside is not None:
        told &= inside[first] & inside[second]
    return np.where(told, apart, 0.0)


def cues_of(linear: Linear, table: Table) -> Valuation:
    """Return the features of a family as rewards of a table."""
    k = len(linear.features)
    features = tuple(combination([feature], [1.0]) for feature in linear.features)
    return Valuation(Hypotheses(linear.names, features), table, FailureLine((0.0,) * k))


def compared_in_scenes(posterior: Posterior) -> list[int]:
    """Return the places of the feedbacks that compare the options of scenes."""
    return [k for k, feedback in enumerate(posterior.feedback) if isinstance(feedback, SceneChoice)]


def listed_pairs(posterior: Posterior, test: Valuation, most: int) -> list[SignPair]:
    """Return the pairs of listed hypotheses that training tells apart by degree.

    Parameters
    ----------
    test : Valuation
        The judge's hypotheses come first.
    most : int
        Number of hypotheses, by posterior weight, that are looked at.
    """
    cues = [h for h in np.argsort(-posterior.weights, kind="stable").tolist() if h in posterior.hypotheses.fixed]
    cues = sorted(cues[:most])
    told = compared_in_scenes(posterior)
    if len(cues) < 2 or not told or not test.table.has_options:
        return []
    training = [(posterior.feedback[k], posterior.valuations[k]) for k in told]
    pairs = _pairs(training, test, cues, either_way=False)
    return [pair for pair in pairs if posterior.classes[pair.first] != posterior.classes[pair.second]]


def feature_pairs(posterior: Posterior, test: Valuation, h: int) -> list[SignPair]:
    """Return the pairs of features of a family that training tells apart by degree.

    A pair is left out where training is silent about some combination of its two weights.
    """
    fitted = posterior.families[h]
    linear, told = fitted.linear, compared_in_scenes(posterior)
    cues = [k for k, feature in enumerate(linear.features) if feature.columns]
    if len(cues) < 2 or not told or not test.table.has_options:
        return []
    training = [(posterior.feedback[k], cues_of(linear, posterior.feedback[k].items)) for k in told]
    pairs = _pairs(training, cues_of(linear, test.table), cues, either_way=True)
    seen = fitted.seen @ fitted.seen.T

    def both_seen(pair: SignPair) -> bool:
        at = [pair.first, pair.second]
        return float(np.linalg.eigvalsh(seen[np.ix_(at, at)])[0]) > 1e-9

    return [pair for pair in pairs if both_seen(pair)]


def _pairs(
    training: Sequence[tuple[Feedback, Valuation]], test: Valuation, cues: Sequence[int], *, either_way: bool
) -> Iterator[SignPair]:
    """Yield the pairs of cues that agree in training and part on the test."""
    before, known = Agreement(len(cues)), set()
    for feedback, valuation in training:
        key = valuation.table.digest if feedback.counts is None else feedback
        if key not in known:
            known.add(key)
            _add_table(before, valuation, cues, _times(feedback, valuation))
    found = agreed_pairs(before, either_way=either_way)
    if not found:
        return
    after = Agreement(len(cues))
    _add_table(after, test, cues, scene_weights(test)[0])
    for i, j in found:
        opposite = bool(before.share[i, j] < 0.5)
        shares = [1 - float(some.share[i, j]) if opposite else float(some.share[i, j]) for some in (before, after)]
        if shares[1] < PARTED:
            scenes = float(before.weight[i, j]), float(after.n_scenes[i, j])
            yield SignPair(cues[i], cues[j], opposite, shares[0], shares[1], *scenes)


def agreed_pairs(agreement: Agreement, *, either_way: bool) -> list[tuple[int, int]]:
    """Return the pairs of cues that agree in `AGREED` of scenes, and not by chance.

    Cues that differ by one amount alone have no degrees, so a pair of two such cues is left out.

    Parameters
    ----------
    either_way : bool
        Whether cues may point in opposite directions: features may, because a weight has either sign. Rewards may
        not, because training tells opposite rewards apart by which option is better.
    """
    n_cues = len(agreement.share)
    level = LEVEL / max(n_cues * (n_cues - 1) // 2 * (2 if either_way else 1), 1)
    graded = agreement.most > agreement.least * (1 + 1e-9)
    found = []
    for i, j in zip(*(some.tolist() for some in np.triu_indices(n_cues, 1)), strict=True):
        n, share = float(agreement.weight[i, j]), float(agreement.share[i, j])
        agreed = max(share, 1 - share) if either_way else share
        if (graded[i] or graded[j]) and agreed >= AGREED and shown(agreed * n, n, level):
            found.append((i, j))
    return found


def _add_table(agreement: Agreement, valuation: Valuation, cues: Sequence[int], weight: np.ndarray) -> None:
    widest = int(np.diff(valuation.table.starts).max(initial=1))
    stride = max(1, _pairs_of_options(widest) * len(cues) * valuation.n_scenes // MOST_CELLS)
    for block in valuation.blocks():
        agreement.add(block, cues, weight[block.scenes], stride)


def _pairs_of_options(options: int) -> int:
    return options * (options - 1) // 2


def _times(feedback: Feedback, valuation: Valuation) -> np.ndarray:
    """Return how often the answer about each scene was given: (scene,).

    Further feedback on the same table adds no scene in which the signs could agree.
    """
    times = np.zeros(valuation.n_scenes)
    assert isinstance(feedback, SceneChoice)
    times[feedback.units] = feedback.times
    return times


def shown(agreed: float, n: float, level: float) -> bool:
    """Return whether agreement in so many of n scenes is no chance.

    The one-sided binomial test of the share `PARTED`: ``P(X >= agreed) <= level`` for X ~ Binomial(n, 0.8).
    """
    if n >= CERTAIN:
        return agreed >= AGREED * n
    terms = [
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(PARTED)
        + (n - k) * math.log1p(-PARTED)
        for k in range(math.floor(agreed + 1e-9), round(n) + 1)
    ]
    return math.fsum(map(math.exp, terms)) <= level
