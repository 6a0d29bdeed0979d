"""Judgements: human values inferred from answers about pairs of hypotheses."""

import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, softmax
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.pairwise_judgements import GRADES, PairwiseJudgement, answers_of
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.value_source import source_problems
from reward_hypotheses.models.inference.laplace import K_HAT, Weighted, laplace
from reward_hypotheses.models.inference.smc import ISLANDS, smc
from reward_hypotheses.models.priors.base import Prior, WeightedDraws

FIRST_CUT, CUT_GAP, CUT_SD = 0.5, 1.5, 0.75
"""Medians of c1 and of c2 - c1, and the standard deviation of the logarithm of each."""
LEAST_SHARE = 1 / 8  # of its draws that importance sampling must be worth
CELLS = 2_000_000  # answers times points that are held at once


class KnownByDraws(Prior):
    """A prior that is known by weighted draws of pi, and so varies."""

    @abstractmethod
    @override
    def weighted_draws(self, hypotheses: Hypotheses) -> WeightedDraws:
        """Return the draws and their weights."""

    @property
    @override
    def varies(self) -> bool:
        return True

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.weights_of(hypotheses))

    @override
    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        return self.weighted_draws(hypotheses).mean()


@dataclass(frozen=True)
class Judgements(KnownByDraws):
    """Human values inferred from answers about pairs of hypotheses.

    The question is: "which of the two is likelier to be what people mean?". The model is a hierarchical Bradley-Terry
    model with graded answers (Bradley and Terry 1952; Tutz 1986 and Agresti 1992 for graded answers). The shared
    log-worths are ``m_h ~ Normal(0, spread)``, those of judge k ``m_kh = m_h + tau z_kh`` with ``z ~ Normal(0, 1)``
    and ``tau ~ HalfNormal(disagreement)``. An answer of judge k about (left, right) follows an ordered logistic of
    ``m_k,left - m_k,right`` with the symmetric cut points ``-c2, -c1, c1, c2``: "equal" between ``-c1`` and ``c1``,
    "much" beyond ``c2``. ``log c1 ~ Normal(log 0.5, 0.75)``, ``log (c2 - c1) ~ Normal(log 1.5, 0.75)``.

    The values are ``pi = softmax(m)``, and their weights are ``E[pi | answers]``. The remaining uncertainty about pi,
    including the judges' disagreement, enters the interval of every risk.

    Inference is by Laplace's approximation and importance sampling. Sequential Monte Carlo replaces them where they
    cannot be trusted: a Pareto k-hat above 0.7, or draws that are worth less than an eighth of their number. The seed
    is fixed, so the same answers in any order give the same weights.

    Parameters
    ----------
    answers : list of dict or tuple, DataFrame, or path of a CSV file
        Rows (judge, left, right, answer); an answer is "left much", "left a little", "equal", "right a little" or
        "right much". A hypothesis about which nobody was asked keeps its prior.
    source : str
        Who was asked, when, and how.
    spread : float
        Prior standard deviation of a log-worth, nats. With 2, the odds between two hypotheses are within
        ``exp(1.96 * 2 * sqrt(2))``, about 250 to 1, with probability 95 %.
    disagreement : float
        Scale of tau, nats.

    Raises
    ------
    InputError
        An error in a row, a missing source, a scale that is not positive. When weighed: an answer about an unknown
        hypothesis.
    """

    answers: Any
    source: str
    spread: float = 2.0
    disagreement: float = 1.0

    def __post_init__(self) -> None:
        problems = source_problems(self.source)
        for key in ("spread", "disagreement"):
            number = finite(getattr(self, key))
            if number is None or not 1e-3 <= number <= 1e3:
                problems.append(
                    f"{key}: {shown(getattr(self, key))}; give a number of nats from 0.001 to 1000, such as 1"
                )
        try:
            object.__setattr__(self, "answers", answers_of(self.answers))
        except InputError as error:
            problems.extend(error.problems)
        if problems:
            raise InputError(problems)

    @property
    def names(self) -> tuple[str, ...]:
        """The judges, in order of appearance."""
        return tuple(dict.fromkeys(a.judge for a in self.answers))

    def problems(self, names: Sequence[str]) -> list[str]:
        """Say which answers are about no hypothesis."""
        judged = dict.fromkeys(name for a in self.answers for name in (a.left, a.right))
        return [
            f"answers: {name!r} is no hypothesis; {suggestion(name, names)}" for name in judged if name not in names
        ]

    def never_judged(self, names: Sequence[str]) -> list[str]:
        """Return the hypotheses without answers, which keep their prior."""
        judged = {name for a in self.answers for name in (a.left, a.right)}
        return [name for name in names if name not in judged]

    def inferred(self, names: Sequence[str]) -> "Inferred":
        """Return the posterior of the values over these hypotheses."""
        problems = self.problems(names)
        if problems:
            raise InputError(problems)
        return infer(self.answers, tuple(names), float(self.spread), float(self.disagreement))

    @override
    def weighted_draws(self, hypotheses: Hypotheses) -> WeightedDraws:
        return self.inferred(hypotheses.names).pool

    @override
    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        return tuple((name, OneJudge(self, name)) for name in self.names)

    @override
    def record(self) -> dict[str, Any]:
        return super().record() | {
            "answers": [a._asdict() for a in self.answers],
            "spread": float(self.spread),
            "disagreement": float(self.disagreement),
        }


@dataclass(frozen=True)
class OneJudge(KnownByDraws):
    """The values of one judge of several, ``pi_k = softmax(m + tau z_k)``."""

    together: Judgements
    label: str

    @property
    @override
    def source(self) -> str | None:  # type: ignore[override]
        return self.together.source

    @override
    def weighted_draws(self, hypotheses: Hypotheses) -> WeightedDraws:
        return self.together.inferred(hypotheses.names).judge(self.label)


@dataclass(frozen=True, eq=False)
class Inferred:
    """Posterior of the values, given the answers.

    Attributes
    ----------
    pool : Held
        ``softmax(m)``.
    mcse : ndarray (hypothesis,)
        Monte Carlo error of its mean.
    tau : ndarray (atom,)
        Disagreement, with the chances of the pool.
    method : {"laplace", "smc"}
    k_hat : float
        NaN of SMC.
    ess : float
        Effective number of draws.
    """

    model: "_Model"
    weighted: Weighted
    pool: WeightedDraws
    mcse: np.ndarray
    tau: np.ndarray
    method: str
    k_hat: float
    ess: float

    def judge(self, name: str) -> WeightedDraws:
        """Return weighted draws of one judge's ``softmax(m + tau z_k)``."""
        model, k = self.model, self.model.judges.index(name)
        rng = substream(0, f"judge {name}")
        seen = self.weighted.points[:, model.places[k]] @ model.bases[k]
        blind = rng.standard_normal((len(self.tau), len(model.names)))
        z = seen + blind - blind @ model.bases[k].T @ model.bases[k]
        worth = model.worths(self.weighted.points) + self.tau[:, None] * z
        return WeightedDraws(softmax(worth), self.weighted.weights)


@lru_cache(maxsize=64)
def infer(
    answers: tuple[PairwiseJudgement, ...], names: tuple[str, ...], spread: float, disagreement: float
) -> Inferred:
    """Integrate the model over every unknown."""
    model = _Model(answers, names, spread, disagreement)
    weighted = laplace(model.log_density, np.zeros((1, model.size)), substream(0, "judgements"))
    method = "laplace"
    if not (weighted.k_hat <= K_HAT and weighted.weights @ weighted.weights * len(weighted.weights) <= 1 / LEAST_SHARE):
        method = "smc"
        weighted = _tempered(model, weighted)
    pool = WeightedDraws(softmax(model.worths(weighted.points)), weighted.weights)
    apart = pool.pi - pool.mean()
    ess = 1.0 / float(weighted.weights @ weighted.weights)
    if method == "laplace":
        mcse = np.sqrt((weighted.weights**2) @ apart**2)
    else:  # islands are independent, the particles of one are not
        islands = zip(np.split(weighted.weights, ISLANDS), np.split(apart, ISLANDS), strict=True)
        by_island = np.array([weights @ values for weights, values in islands])
        mcse = np.sqrt((by_island**2).sum(axis=0) * ISLANDS / (ISLANDS - 1))
        with np.errstate(divide="ignore"):
            ess = float(min(ess, ((weighted.weights @ apart**2) / np.maximum(mcse**2, 1e-300)).min()))
    tau = model.tau(weighted.points)
    return Inferred(model, weighted, pool, mcse, tau, method, weighted.k_hat, ess)


def _tempered(model: "_Model", weighted: Weighted) -> Weighted:
    """Temper from a normal approximation to the posterior.

    The normal has mean and spread of the weighted draws. It starts nearer to the posterior than the prior does.
    """
    centre = weighted.weights @ weighted.points
    apart = weighted.points - centre
    # of few effective draws the spread is hardly known
    shrunk = 1.0 / float(weighted.weights @ weighted.weights) / model.size
    trust = min(1.0, shrunk / 10)
    covariance = trust * (apart.T * weighted.weights) @ apart + (1 - trust) * np.eye(model.size)
    root = np.linalg.cholesky(1.2 * covariance + 1e-9 * np.eye(model.size))
    inverse = np.linalg.inv(root)
    log_scale = float(np.log(np.diag(root)).sum()) + model.size / 2 * math.log(2 * math.pi)

    def log_start(points: np.ndarray) -> np.ndarray:
        return -0.5 * (((points - centre) @ inverse.T) ** 2).sum(axis=1) - log_scale

    def draws(n: int, rng: np.random.Generator) -> np.ndarray:
        return centre + rng.standard_normal((n, model.size)) @ root.T

    def log_rest(points: np.ndarray) -> np.ndarray:
        return model.log_density(points) - log_start(points)

    def gradients(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_start = -((points - centre) @ inverse.T) @ inverse
        return of_start, model.gradient(points) - of_start

    return smc(log_start, log_rest, draws, substream(0, "judgements, smc"), gradients)


class _Model:
    """Density of the answers over standard normal unknowns.

    Before the answers, every unknown is standard normal; tau is given by its normal score.

    Only differences of worths matter, so m has one coordinate fewer than there are hypotheses. The z of a judge has only
    the coordinates that the judge's answers inform.
    """

    def __init__(
        self, answers: tuple[PairwiseJudgement, ...], names: tuple[str, ...], spread: float, disagreement: float
    ) -> None:
        self.names, self.spread, self.disagreement = names, spread, disagreement
        self.judges = sorted({a.judge for a in answers})
        place = {name: h for h, name in enumerate(names)}
        counted: Counter[tuple[int, int, int, int]] = Counter()
        for a in answers:
            left, right, grade = place[a.left], place[a.right], GRADES.index(a.answer)
            if left > right:
                left, right, grade = right, left, len(GRADES) - 1 - grade
            counted[self.judges.index(a.judge), left, right, grade] += 1
        rows = sorted({key[:3] for key in counted})
        self.counts = np.array([[counted[*row, g] for g in range(len(GRADES))] for row in rows], float)
        n = len(names)
        differences = np.zeros((len(rows), n))
        for i, (_, left, right) in enumerate(rows):
            differences[i, left], differences[i, right] = 1.0, -1.0
        centred = np.linalg.svd(np.eye(n) - 1.0 / n)[0][:, : n - 1]
        self.of_worth = centred * spread  # (hypothesis, coordinate)
        self.at_tau, start = n - 1, n + 2
        self.bases: list[np.ndarray] = []
        self.places: list[slice] = []
        seen = []
        for k in range(len(self.judges)):
            of_judge = np.array([row[0] == k for row in rows])
            _, values, right_vectors = np.linalg.svd(differences[of_judge], full_matrices=False)
            basis = right_vectors[values > 1e-9]
            self.bases.append(basis)
            self.places.append(slice(start, start + len(basis)))
            start += len(basis)
            seen.append((of_judge, differences[of_judge] @ basis.T))
        self.size = start
        self.by_worth = differences @ self.of_worth  # (row, coordinate)
        self.by_judge = np.zeros((len(rows), start - n - 2))
        for (of_judge, block), where in zip(seen, self.places, strict=True):
            self.by_judge[of_judge, where.start - n - 2 : where.stop - n - 2] = block

    def worths(self, points: np.ndarray) -> np.ndarray:
        """Return ``m``, centred: (point, hypothesis)."""
        return points[:, : self.at_tau] @ self.of_worth.T

    def tau(self, points: np.ndarray) -> np.ndarray:
        """Return the disagreement: (point,)."""
        return self.disagreement * _half_normal(points[:, self.at_tau])

    def log_prior(self, points: np.ndarray) -> np.ndarray:
        """Return the log density before the answers: (point,)."""
        return -0.5 * (points**2).sum(axis=1) - 0.5 * self.size * math.log(2 * math.pi)

    def log_likelihood(self, points: np.ndarray) -> np.ndarray:
        """Return the log probability of the answers: (point,)."""
        step = max(1, CELLS // max(len(self.counts), 1))
        return np.concatenate([self._log_likelihood(points[i : i + step]) for i in range(0, len(points), step)])

    def _log_likelihood(self, points: np.ndarray) -> np.ndarray:
        _, _, first, more, z = self._at(points)
        c = self.counts.T
        with np.errstate(over="ignore"):
            # log P(grade <= cut) = min(z, 0) - rest, and of above min(-z, 0) - rest
            rest = np.log1p(np.exp(-np.abs(z)))
        total = np.zeros(len(points))
        for k in range(4):
            low = np.minimum(z[k], 0.0)
            total += c[k] @ low + c[k + 1] @ (low - z[k]) - (c[k] + c[k + 1]) @ rest[k]
        n = self.counts.sum(axis=0)
        return total + (n[1] + n[3]) * np.log(-np.expm1(-more)) + n[2] * np.log(-np.expm1(-2 * first))

    def _at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return disagreement, its part of the gaps, cut points and distances.

        The disagreement tau and the two parts of the cut points are (point,), the part of the gaps (row, point), the
        distances ``cut - gap`` (cut, row, point).
        """
        n = self.at_tau
        tau = self.tau(points)
        apart = self.by_judge @ points[:, n + 3 :].T
        first = FIRST_CUT * np.exp(CUT_SD * np.clip(points[:, n + 1], -300, 60))
        more = CUT_GAP * np.exp(CUT_SD * np.clip(points[:, n + 2], -300, 60))
        gap = self.by_worth @ points[:, :n].T + tau * apart
        return tau, apart, first, more, np.array([-first - more, -first, first, first + more])[:, None, :] - gap

    def gradient(self, points: np.ndarray) -> np.ndarray:
        """Return the gradient of `log_density`: (point, dimension)."""
        n, c = self.at_tau, self.counts.T
        tau, apart, first, more, z = self._at(points)
        slopes = [c[k][:, None] - (c[k] + c[k + 1])[:, None] * _sigmoid(z[k]) for k in range(4)]
        by_gap = -(slopes[0] + slopes[1] + slopes[2] + slopes[3])
        cut = [s.sum(axis=0) for s in slopes]
        total = self.counts.sum(axis=0)
        out = -points
        out[:, :n] += by_gap.T @ self.by_worth
        out[:, n + 3 :] += tau[:, None] * (by_gap.T @ self.by_judge)
        score = points[:, n]
        stretch = 0.5 * np.exp(((tau / self.disagreement) ** 2 - score**2) / 2)
        out[:, n] += (apart * by_gap).sum(axis=0) * self.disagreement * stretch
        with np.errstate(over="ignore"):
            by_first = cut[2] + cut[3] - cut[0] - cut[1] + 2 * total[2] / np.expm1(2 * first)
            by_more = cut[3] - cut[0] + (total[1] + total[3]) / np.expm1(more)
        out[:, n + 1] += by_first * CUT_SD * first
        out[:, n + 2] += by_more * CUT_SD * more
        return out

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """Return the log density of unknowns and answers: (point,)."""
        return self.log_prior(points) + self.log_likelihood(points)


def _half_normal(score: np.ndarray) -> np.ndarray:
    """Return the half-normal x with ``P(|N| < x) = P(N < score)`` of each score."""
    from statistics import NormalDist

    erfc, root, quantile = math.erfc, math.sqrt(2.0), NormalDist().inv_cdf

    def of_negative(x: float) -> float:
        below = 0.5 * erfc(-x / root)
        # at the end to a relative error of below^2
        return below * math.sqrt(math.pi / 2) if x < -5.0 else quantile(0.5 + below / 2)

    return np.array(
        [-quantile(max(0.5 * erfc(x / root) / 2, 1e-300)) if x > -1.0 else of_negative(x) for x in score.tolist()]
    )


def _sigmoid(z: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-z))
