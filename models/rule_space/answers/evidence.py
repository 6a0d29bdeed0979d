"""Evidence of choices and stops for every rule of a space, exactly."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import each_in_threads
from reward_hypotheses.models.inference.many_integrals import log_integrals
from reward_hypotheses.models.inference.nuisance_priors import LogNormal
from reward_hypotheses.models.inference.quadrature import FAR, Integral, highest, log_integral
from reward_hypotheses.models.rule_space.answers.counted import Answers
from reward_hypotheses.models.rule_space.space import RuleSpace

RULES = 4096
"""Rules whose integrals are computed at once."""
LARGEST = 700.0
"""Of a log rationality."""

type BySet = list[np.ndarray]
"""By size s: a number for each set and table, (C(K, s), 2^(2^s))."""


class AnswerEvidence:
    """Log evidence of choices and stops by rule f of a space.

    ``log integral p(beta) prod_d p(D_d | f, beta) dbeta``

    Feedbacks of one human share the rationality beta, and are integrated together.

    Parameters
    ----------
    space : RuleSpace
    answers : dict of int to Answers or None
        By the place of the feedback among all; None of a tree that was read back, whose evidence is `known`.
    known : dict of frozenset of int to list of ndarray, optional
        Evidence that is known: of feedbacks together, by set and table.
    contradicted : dict of int to list of ndarray
        Answers of each feedback that go against each rule, by set and table.
    """

    def __init__(
        self,
        space: RuleSpace,
        answers: Mapping[int, Answers | None],
        known: Mapping[frozenset[int], BySet] | None = None,
        contradicted: Mapping[int, BySet] | None = None,
    ) -> None:
        self.space, self.answers = space, answers
        self.known = dict(known or {})
        self.contradicted = dict(contradicted or {})
        by_human: dict[str | int, list[int]] = {}
        for k, of in answers.items():
            by_human.setdefault(k if of is None or of.human is None else of.human, []).append(k)
        self.humans = [frozenset(members) for members in by_human.values()]

    def log(self, feedbacks: Sequence[int]) -> BySet | None:
        """Return the log evidence of some feedbacks, nats; None without any here."""
        some = frozenset(feedbacks) & frozenset(self.answers)
        if not some:
            return None
        if some not in self.known:
            parts = [of for human in self.humans if (of := human & some)]
            for part in parts:
                if part not in self.known:
                    self.known[part] = self._integrated(part)
            if len(parts) > 1:
                self.known[some] = [sum(of) for of in zip(*(self.known[part] for part in parts), strict=True)]
        return self.known[some]

    def of_rule(self, feedbacks: Sequence[int], size: int, place: int, table: int) -> Integral | None:
        """Return the posterior of a rule's log rationality, given feedbacks of one human.

        None where the rationality is a number.
        """
        answers = self._of(feedbacks)
        if not isinstance(answers[0].rationality, tuple):
            return None
        members = self.space.sets(size)[place : place + 1]
        return _by_rule(answers, [of.counts(members)[0, table : table + 1] for of in answers])

    def _of(self, feedbacks: Sequence[int]) -> list[Answers]:
        found = [of for k in feedbacks if (of := self.answers[k]) is not None]
        if len(found) < len(feedbacks):
            raise InputError(
                "a tree that was read back holds the evidence of all choices and stops together; fit again"
            )
        return found

    def _rules(self, s: int, lo: int, hi: int) -> tuple[np.ndarray, np.ndarray]:
        """Return set, from lo, and table of the rules of some sets: two (rule,)."""
        layouts, which = self.space.kinds(s)
        tables = [self.space.canonical(layouts[kind]) for kind in which[lo:hi].tolist()]
        return np.repeat(np.arange(hi - lo), [len(of) for of in tables]), np.concatenate(tables)

    def _integrated(self, feedbacks: frozenset[int]) -> BySet:
        """Return the evidence of one human's feedbacks; keep what contradicts rules."""
        some = sorted(feedbacks)
        answers = self._of(some)
        out = [np.full((self.space.n_sets(s), 1 << (1 << s)), -math.inf) for s in self.space.sizes]
        against = {k: [np.zeros(of.shape, np.int64) for of in out] for k in some}

        def work(part: tuple[int, int, int]) -> None:
            s, lo, hi = part
            counts = [of.counts(self.space.sets(s)[lo:hi]) for of in answers]
            for k, of, by_kind in zip(some, answers, counts, strict=True):
                against[k][s][lo:hi] = np.rint(by_kind @ of.kinds.contradicts)
            row, table = self._rules(s, lo, hi)
            out[s][lo + row, table] = log_evidence(answers, [by_kind[row, table] for by_kind in counts])

        parts = []
        for s in self.space.sizes:
            step = max(1, RULES >> (1 << s))
            parts += [(s, lo, min(lo + step, self.space.n_sets(s))) for lo in range(0, self.space.n_sets(s), step)]
        for _ in each_in_threads(work, parts, len(parts) > 2):
            pass
        self.contradicted |= against
        return out


def log_evidence(answers: Sequence[Answers], counts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the log evidence of one human's answers under some rules: (rule,).

    Parameters
    ----------
    counts : sequence of ndarray (rule, kind)
        One for each feedback.
    """
    factors = [of.factor(by_kind) for of, by_kind in zip(answers, counts, strict=True)]
    rationality = answers[0].rationality
    if not isinstance(rationality, tuple):
        return _log_likelihood(answers, counts, factors, np.full((len(factors[0]), 1), math.log(rationality)))[:, 0]
    prior, out = LogNormal(*rationality[1:]), np.empty(len(factors[0]))
    told = np.any([_told(of, c, factor) for of, c, factor in zip(answers, counts, factors, strict=True)], axis=0)
    silent = np.flatnonzero(~told)
    nothing, node = [np.zeros(len(silent))] * len(answers), np.zeros((len(silent), 1))
    out[silent] = _log_likelihood(answers, [by_kind[silent] for by_kind in counts], nothing, node)[:, 0]
    at = np.flatnonzero(told)
    if len(at):
        some = [by_kind[at] for by_kind in counts]
        out[at] = _integrals(answers, some, [factor[at] for factor in factors], prior)
    return out


def _told(answers: Answers, counts: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return for which rules the rationality matters: (rule,)."""
    of = answers.kinds
    differ = (of.approved > 0).astype(int) + (of.rejected > 0) + (of.failing > 0)
    equal = (of.rejected > 0) & (of.failing > 0) & (of.approved == 0) & (of.w == 0)
    return np.asarray((counts @ ((differ > 1) & ~equal) > 0) & (factor > 0))


def _log_likelihood(
    answers: Sequence[Answers], counts: Sequence[np.ndarray], factors: Sequence[np.ndarray], t: np.ndarray
) -> np.ndarray:
    """Return the log likelihood at log rationalities: (rule, node)."""
    beta = np.exp(np.minimum(t, LARGEST))
    each = zip(answers, counts, factors, strict=True)
    return np.asarray(sum(of.kinds.log_likelihood(c, beta * factor[:, None]) for of, c, factor in each))


def _integrals(
    answers: Sequence[Answers], counts: Sequence[np.ndarray], factors: Sequence[np.ndarray], prior: LogNormal
) -> np.ndarray:
    def likelihood(t: np.ndarray, which: np.ndarray) -> np.ndarray:
        return _log_likelihood(answers, [c[which] for c in counts], [factor[which] for factor in factors], t)

    def f(t: np.ndarray, which: np.ndarray) -> np.ndarray:
        return likelihood(t, which) + prior.log_density_of_log(t)

    n = len(factors[0])
    value, ends, top = log_integrals(f, n, prior.mu - 8 * prior.sigma, prior.mu + 8 * prior.sigma)
    # a log likelihood that is concave in beta has one hill; where that might be elsewhere, each integral is on its own
    step = (ends[:, 1:] - ends[:, :1]) / 64
    t = np.hstack([ends[:, :1], ends[:, :1] + step, ends[:, 1:] - step, ends[:, 1:]])
    t = np.where(np.isfinite(t), t, prior.mu)
    hill, weight = likelihood(t, np.arange(n)), prior.log_density_of_log(t)
    rise = np.maximum((hill[:, 0] - hill[:, 1]) / np.maximum(step[:, 0], 1e-300), 0.0)
    left = hill[:, 0] + weight[:, 0] + rise < top - FAR / 2
    right = (hill[:, 3] <= hill[:, 2]) | (weight[:, 3] < top - FAR / 2)
    for i in np.flatnonzero(~(left & right & np.isfinite(value))).tolist():
        value[i] = _by_rule(answers, [c[i : i + 1] for c in counts]).value
    return value


def _by_rule(answers: Sequence[Answers], counts: Sequence[np.ndarray]) -> Integral:
    """Return the integral of one rule, from the prior and from its likelihood."""
    rationality = answers[0].rationality
    assert isinstance(rationality, tuple)
    prior = LogNormal(*rationality[1:])
    factors = [of.factor(by_kind) for of, by_kind in zip(answers, counts, strict=True)]

    def likelihood(t: np.ndarray) -> np.ndarray:
        return _log_likelihood(answers, counts, factors, t[None])[0]

    start = prior.mu - 8 * prior.sigma, prior.mu + 8 * prior.sigma
    peak = highest(likelihood, -40.0, 40.0)
    return log_integral(lambda t: likelihood(t) + prior.log_density_of_log(t), start, (peak - 4.0, peak + 4.0))
