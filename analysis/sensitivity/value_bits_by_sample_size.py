"""The learning curve: bits of human values by the number of items seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.sensitivity.value_bits import value_bits_of_many
from reward_hypotheses.data.numerics import log_softmax
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Posterior

MOST_ITEMS, MOST_HYPOTHESES = 1000, 64
LEAST_REPLICATIONS, MOST_REPLICATIONS, WORK = 8, 64, 20_000
BAND = 0.8


@dataclass(frozen=True, eq=False)
class Curve:
    """Bits needed at each size, over replications.

    Attributes
    ----------
    sizes : tuple of int
        Items seen, from 0 on.
    training : ndarray (replication, size)
        Bits with items drawn from training without replacement, and their actual answers.
    telling : ndarray (replication, size)
        Bits with items drawn from the test, where the hypotheses differ. The answers are by a hypothesis drawn from the
        values, with noise drawn from its prior.
    """

    sizes: tuple[int, ...]
    training: np.ndarray
    telling: np.ndarray


def bits_curve(
    posterior: Posterior, test: Valuation, matrix: np.ndarray, target: float, rng: np.random.Generator
) -> Curve | None:
    """Compute the bits of human values that an agent needs, by size of the data.

    The agent has a uniform prior; the bits bring its risk to the target.

    At each size n the agent's weights are proportional to ``L_h(n)`` and the judge's to ``pi_h L_h(n)``, L the evidence of
    n items alone; several feedbacks keep their proportions. The curve of training is flat where training is silent, for any
    number of items. Answers about items of the test would bring the bits down.

    Parameters
    ----------
    matrix : ndarray (agent_hypothesis, true_hypothesis)
        ``C_ij`` on the test.

    Returns
    -------
    Curve or None
        None where a feedback has no evidence in closed form, a hypothesis has continuous weights or is unmodelled, or there
        are more than 64 hypotheses.
    """
    feedback = [of_kind for of_kind in posterior.feedback if isinstance(of_kind, ClosedForm)]
    n_hypotheses = len(posterior.weights)
    if (
        len(feedback) < len(posterior.feedback)
        or n_hypotheses > MOST_HYPOTHESES
        or len(posterior.hypotheses.fixed) < n_hypotheses
    ):
        return None
    counts = [e.n_items for e in posterior.evidence]
    sizes = _sizes(min(sum(counts), MOST_ITEMS))
    n = int(np.clip(WORK // (n_hypotheses**2 * len(sizes)), LEAST_REPLICATIONS, MOST_REPLICATIONS))
    parts_of = _parts(counts, sizes)
    truths = rng.choice(n_hypotheses, n, p=posterior.prior.weights_of(posterior.hypotheses))
    training, telling = (np.zeros((n, len(sizes), n_hypotheses)) for _ in range(2))
    for of_kind, valuation, parts in zip(feedback, posterior.valuations, parts_of, strict=True):
        observed = np.asarray(of_kind.observed)
        picked = of_kind.unit_of(np.array([rng.choice(of_kind.n_answers, parts[-1], replace=False) for _ in range(n)]))
        inputs = _inputs(of_kind, valuation, picked)
        training += _log_evidence(of_kind, inputs, np.broadcast_to(observed[picked], inputs.shape[1:]), parts)
        drawn = _drawn(test, parts[-1], n, rng)
        inputs = _inputs(of_kind, test, drawn)
        answers = np.empty(drawn.shape, observed.dtype)
        drawn_theta = {name: prior.draws((n,), rng) for name, prior in of_kind.nuisances.items()}
        for row, truth in enumerate(truths):
            theta = {name: draws[row : row + 1] for name, draws in drawn_theta.items()}
            answers[row] = of_kind.replicate(inputs[truth, row], theta, 1, rng)[0]
        telling += _log_evidence(of_kind, inputs, answers, parts)
    bits = [
        _bits(posterior, matrix, log_evidence, target)
        for log_evidence in tracked((training, telling), what="bits by sample size")
    ]
    return Curve(sizes, *bits)


def _sizes(most: int) -> tuple[int, ...]:
    """Return the sizes 0, 1, 2, 5, 10, 20, 50 ... and the most."""
    steps = [m * 10**k for k in range(int(math.log10(most)) + 1) for m in (1, 2, 5)]
    return (0, *(s for s in steps if s < most), most)


def _parts(counts: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Return the number of items of each feedback at each size.

    The proportions of the feedbacks stay constant.
    """
    taken = np.zeros(len(counts), int)
    by_size = [taken.copy()]
    for size in range(1, sizes[-1] + 1):
        taken[int(np.argmax(np.array(counts) * size / sum(counts) - taken))] += 1
        by_size.append(taken.copy())
    return [[int(by_size[size][k]) for size in sizes] for k in range(len(counts))]


def _drawn(test: Valuation, n_items: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw items of a test: (replication, item).

    A scene is drawn by its weight, then one of its options.
    """
    widths = np.diff(test.table.starts)
    weight = test.table.scene_weights()
    p = (widths > 0) * (np.ones(len(widths)) if weight is None else weight)
    scenes = rng.choice(len(widths), (n, n_items), p=p / p.sum())
    return test.table.starts[:-1][scenes] + (rng.random((n, n_items)) * widths[scenes]).astype(int)


def _inputs(feedback: ClosedForm, valuation: Valuation, items: np.ndarray) -> np.ndarray:
    """Return the inputs of the likelihood at some items: (hypothesis, *items.shape)."""
    keep = np.zeros(valuation.table.n_items, bool)
    keep[items] = True
    some = Valuation(valuation.hypotheses, valuation.table.subset(keep), valuation.line, for_labels=True)
    place = (np.cumsum(keep) - 1)[items]
    return np.array([feedback.at(some, h)[place] for h in range(len(valuation.hypotheses))])


def _log_evidence(feedback: ClosedForm, inputs: np.ndarray, answers: np.ndarray, parts: list[int]) -> np.ndarray:
    """Return log evidence of the first items: (replication, size, hypothesis)."""
    terms = np.array([feedback.terms(at, answers) for at in inputs])  # (hypothesis, statistic, replication, item)
    total = np.concatenate([np.zeros((*terms.shape[:-1], 1)), np.cumsum(terms, axis=-1, dtype=float)], axis=-1)
    n_hypotheses, k, n, _ = total.shape
    by_part = [feedback.log_marginal(total[..., part].transpose(2, 0, 1).reshape(-1, k), part) for part in parts]
    return np.stack([np.reshape(f, (n, n_hypotheses)) for f in by_part], axis=1)


def _bits(posterior: Posterior, matrix: np.ndarray, log_evidence: np.ndarray, target: float) -> np.ndarray:
    of_each = log_evidence.reshape(-1, log_evidence.shape[-1])  # (replication and size, hypothesis)
    agents, judges = log_softmax(of_each), log_softmax(posterior.log_prior + of_each)
    return value_bits_of_many(matrix, np.exp(judges), agents, target).reshape(log_evidence.shape[:2])


class BitsBySize(Section[Curve]):
    """Bits of human values that an agent needs, by size of the data.

    For the middle target, on a study's first test.
    """

    keys = ("bits_by_size",)
    topic = "asymptotics_and_sample_size"

    @override
    def compute(self, case: Case) -> Curve | None:
        if not case.tests or not case.policy.mixes_weights or not case.settings.targets:
            return None
        first = case.first
        matrix = first.risk.matrix[case.judges, case.judges]
        rng = substream(case.seed, "bits by size")
        return bits_curve(case.posterior, first.judges_test, matrix, _target(case), rng)

    @override
    def document(self, case: Case, result: Curve) -> Document:
        document: Document = {
            "target": _target(case),
            "sizes": list(result.sizes),
            "replications": len(result.training),
            "band": BAND,
        }
        for name, bits in (("training", result.training), ("telling", result.telling)):
            document[name] = {"mean": [], "lower": [], "upper": [], "mcse": [], "impossible": []}
            for of_size in bits.T:
                possible, ordered = of_size[np.isfinite(of_size)], np.sort(of_size)
                ends = [float(ordered[round((len(ordered) - 1) * p)]) for p in ((1 - BAND) / 2, (1 + BAND) / 2)]
                error = possible.std(ddof=1) / math.sqrt(len(possible)) if len(possible) > 1 else math.nan
                mean = float(possible.mean()) if len(possible) else math.nan
                numbers = (mean, *ends, float(error), 1 - len(possible) / len(of_size))
                for key, value in zip(document[name], numbers, strict=True):
                    document[name][key].append(value)
        return {"bits_by_size": document}


def _target(case: Case) -> float:
    """Return the middle one of the targets."""
    return float(sorted(case.settings.targets)[len(case.settings.targets) // 2])
