"""Prior or posterior weights of all rules of a space, computed on demand."""

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import each_in_threads
from reward_hypotheses.models.inference.special import log_sum_exp
from reward_hypotheses.models.rule_space.counts import CellCounts, subset_sums
from reward_hypotheses.models.rule_space.evidence import NEGLIGIBLE, LabelEvidence, label_evidence, log_evidence
from reward_hypotheses.models.rule_space.prior import RulePrior
from reward_hypotheses.models.rule_space.space import RuleSpace

CHUNK = 1 << 16  # truth tables at a time, which stay in the cache
Noise = tuple[float, float] | float


class Rule(NamedTuple):
    """A rule and its weight: size and place of its set, truth table, weight."""

    size: int
    place: int
    table: int
    weight: float


class RuleWeights:
    """Weights of all rules: ``w(T, f) = p(T, f) prod_d L_d(n_d(T, f)) A(T, f) / Z``.

    n_d is the number of wrong labels in feedback d, L_d the evidence of so many, and A the evidence of choices and stops.
    Weights are computed set by set when asked for; what is kept are the counts of cells and the mass of each set.

    Parameters
    ----------
    space : RuleSpace
    prior : RulePrior
    labels : sequence of (CellCounts, noise), optional
        Counts with labels of each feedback and its noise, (a, b) or a number.
    answered : list of ndarray (C(K, s), 2^(2^s)), optional
        Log evidence of choices and stops by size, set and table, nats. Without any feedback the weights are the prior.

    Attributes
    ----------
    log_normaliser : float
        ``log Z``, the log marginal likelihood of the feedback, nats; 0 without feedback.
    log_mass : list of ndarray (C(K, s),)
        Log weight of each set of s literals.

    Raises
    ------
    InputError
        No rule can explain the labels (a noise of 0).
    """

    def __init__(
        self,
        space: RuleSpace,
        prior: RulePrior,
        labels: Sequence[tuple[CellCounts, Noise]] = (),
        answered: Sequence[np.ndarray] | None = None,
    ) -> None:
        self.space = space
        self.prior = prior
        self._given = tuple(labels)
        self._answered, best, self._answers_span = _from_best(answered)
        self._labels = self._evidence(NEGLIGIBLE)
        self._log_total = 0.0
        if self._given or answered is not None:
            found = list(each_in_threads(self._summed, self._chunks()))
            mass = [np.concatenate([f[1] for f in found if f[0] == s]) for s in space.sizes]
        else:
            mass = [prior.log_mass(s) for s in space.sizes]
        self._log_total = log_sum_exp(np.concatenate(mass))
        first = math.fsum([best, *(evidence.first for _, evidence in self._labels)])
        if not math.isfinite(self._log_total + first):
            raise InputError("no rule of the space explains every label; give a noise above 0, such as [1, 19]")
        self.log_mass = [m - self._log_total for m in mass]
        self.log_normaliser = self._log_total + first

    def log_block(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return the log weights of sets lo..hi-1: (hi - lo, 2^(2^s)).

        Weights below ``exp(-800)`` of the heaviest may be 0.
        """
        rows = np.arange(self.space.n_sets(s))[lo:hi]
        return self._log_rows(s, rows, self._labels, np.empty((len(rows), 1 << (1 << s))))

    def block(self, s: int, lo: int, hi: int) -> np.ndarray:
        """Return the weights of sets lo..hi-1: (hi - lo, 2^(2^s)).

        They are 0 at tables that are not canonical. All blocks together sum to 1.
        """
        out = self.log_block(s, lo, hi)
        return np.exp(out, out=out)

    def set_mass(self, s: int) -> np.ndarray:
        """Return the weight of each set of s literals: (C(K, s),)."""
        return np.exp(self.log_mass[s])

    def weight(self, s: int, place: int, table: int) -> float:
        """Return the weight of one rule; 0 where the table is not canonical."""
        return float(self.block(s, place, place + 1)[0, table])

    def top(self, n: int) -> list[Rule]:
        """Return the n heaviest rules, heaviest first.

        Of equal weights, the smaller set comes first, then the earlier one, then the smaller table. Rules whose weights are
        too small for a float are ordered by their logarithms; rules that are impossible are left out.
        """
        n = min(n, self.space.n_rules)
        labels, reach = self._labels, NEGLIGIBLE
        keys, logs = self._heaviest(n, labels)
        while len(logs) < n and any(evidence.cut for _, evidence in labels):
            reach *= 16
            labels = self._evidence(reach)
            keys, logs = self._heaviest(n, labels)
        weights = np.exp(logs)
        return [Rule(*rule) for rule in zip(*keys.tolist(), weights.tolist(), strict=True)]

    def _heaviest(self, n: int, labels: list[tuple[CellCounts, LabelEvidence]]) -> tuple[np.ndarray, np.ndarray]:
        """Return size, place and table (3, n) and log weight of the heaviest rules.

        Sets are visited in descending order of a bound of their rules' weights, until the next bound is below the n-th
        weight found.
        """
        sizes = np.concatenate([np.full(self.space.n_sets(s), s) for s in self.space.sizes])
        places = np.concatenate([np.arange(self.space.n_sets(s)) for s in self.space.sizes])
        bounds = np.concatenate([self._bound(s, labels) for s in self.space.sizes])
        order = np.argsort(-bounds, kind="stable")
        keys, logs = np.zeros((3, 0), np.int64), np.zeros(0)
        at, many = 0, 1
        while at < len(order):
            batch = order[at : at + many]
            least, last = (logs[-1], keys[:2, -1]) if len(logs) == n else (-math.inf, None)
            batch = batch[(bounds[batch] >= least) & (bounds[batch] > -math.inf)]
            if not len(batch):
                break
            if last is not None:  # an equal weight in a later set does not count
                later = (sizes[batch] > last[0]) | ((sizes[batch] == last[0]) & (places[batch] > last[1]))
                batch = batch[~(later & (bounds[batch] == least))]
            for s in np.flatnonzero(np.bincount(sizes[batch])).tolist():
                of_size = places[batch[sizes[batch] == s]]
                for lo in range(0, len(of_size), step := _step(s)):
                    rows = of_size[lo : lo + step]
                    block = self._log_rows(s, rows, labels, _scratch("block", (len(rows), 1 << (1 << s)), np.float64))
                    row, table = np.nonzero((block >= least) & (block > -math.inf))
                    keys = np.concatenate([keys, [np.full(len(row), s), rows[row], table]], axis=1)
                    logs = np.concatenate([logs, block[row, table]])
                    kept = np.lexsort((keys[2], keys[1], keys[0], -logs))[:n]
                    keys, logs = keys[:, kept], logs[kept]
            at, many = at + many, min(2 * many, 1024)
        return keys, logs

    def _bound(self, s: int, labels: list[tuple[CellCounts, LabelEvidence]]) -> np.ndarray:
        """Return a log weight that no rule of each set exceeds: (C(K, s),).

        It is rounded as the rules' own are.
        """
        out = self.prior.tables[s].max(axis=1)[self.prior.kind[s]] + self.prior.sets[s]
        if self._answered is not None:
            out += self._answered[s].max(axis=1)
        for counts, evidence in labels:
            out += evidence.beyond(_least(counts, s) - evidence.lowest)
        return out - self._log_total

    def _evidence(self, within: float) -> list[tuple[CellCounts, LabelEvidence]]:
        """Return counts and evidence of each feedback, as far as rules matter.

        A rule matters that has, with the prior, a weight within so many nats of that of the rule with the fewest wrong
        labels in all.
        """
        sums = [np.sum([counts.cells[s] for counts, _ in self._given], axis=0) for s in self.space.sizes]
        fewest = [np.minimum(cells, 0).sum(axis=1) for cells in sums] if self._given else []
        out: list[tuple[CellCounts, LabelEvidence]] = []
        if not fewest:
            return out
        s = min(self.space.sizes, key=lambda size: fewest[size].min())
        place = int(fewest[s].argmin())
        reach = within + self.prior.span + self._answers_span
        for counts, noise in self._given:
            low = min(int(_least(counts, s).min()) for s in self.space.sizes)
            wrong = counts.n_true + int(counts.cells[s][place][sums[s][place] < 0].sum())
            ends = log_evidence(noise, counts.n_items, np.array([low, wrong]))
            reach += float(ends[0] - ends[1]) if np.isfinite(ends).all() else math.inf
        for counts, noise in self._given:
            low = min(int(_least(counts, s).min()) for s in self.space.sizes)
            high = max(int(np.maximum(cells, 0).sum(axis=1).max()) for cells in counts.cells) + counts.n_true
            out.append((counts, label_evidence(noise, counts.n_items, low, high, reach)))
        return out

    def _log_rows(
        self, s: int, rows: np.ndarray, labels: list[tuple[CellCounts, LabelEvidence]], out: np.ndarray
    ) -> np.ndarray:
        """Write the log weights of some sets, a chunk at a time, and return them."""
        step = _step(s)
        for lo in range(0, len(rows), step):
            some, part = rows[lo : lo + step], out[lo : lo + step]
            self.prior.rows(s, some, out=part)
            if self._answered is not None:
                part += self._answered[s][some]
            for counts, evidence in labels:
                wrong = _scratch("wrong", part.shape, np.int64)
                subset_sums(counts.cells[s][some], counts.n_true - evidence.lowest, wrong)
                part += evidence.beyond(wrong, _scratch("relative", part.shape, np.float64))
            part -= self._log_total
        return out

    def _chunks(self) -> list[tuple[int, int, int]]:
        """Return (size, first set, end) of chunks, whatever the number of threads."""
        chunks = []
        for s in self.space.sizes:
            step = _step(s)
            n = self.space.n_sets(s)
            chunks += [(s, lo, min(lo + step, n)) for lo in range(0, n, step)]
        return chunks

    def _summed(self, chunk: tuple[int, int, int]) -> tuple[int, np.ndarray]:
        """Return the log mass of each set of a chunk."""
        s, lo, hi = chunk
        if any((_least(counts, s, slice(lo, hi)) >= evidence.end).all() for counts, evidence in self._labels):
            return s, np.full(hi - lo, -math.inf)
        block = _scratch("block", (hi - lo, 1 << (1 << s)), np.float64)
        self._log_rows(s, np.arange(lo, hi), self._labels, block)
        highest = block.max(axis=1)
        highest[highest == -math.inf] = 0.0
        block -= highest[:, None]
        with np.errstate(divide="ignore"):
            return s, highest + np.log(np.exp(block, out=block).sum(axis=1))


def _from_best(answered: Sequence[np.ndarray] | None) -> tuple[Sequence[np.ndarray] | None, float, float]:
    """Return log evidences less the best, the best, and best less worst."""
    if answered is None:
        return None, 0.0, 0.0
    best = max(float(of.max()) for of in answered)
    worst = min(float(of[np.isfinite(of)].min()) for of in answered)
    return [of - best for of in answered], best, best - worst


_arrays = threading.local()


def _scratch(name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array of this thread, to be written; a later call returns it again.

    Fresh arrays of this size cost more than what is computed in them.
    """
    size = math.prod(shape)
    flat = getattr(_arrays, name, None)
    if flat is None or len(flat) < size:
        flat = np.empty(size, dtype)
        setattr(_arrays, name, flat)
    return flat[:size].reshape(shape)


def _step(s: int) -> int:
    """Return the number of sets of s literals in a chunk."""
    return max(1, CHUNK >> (1 << s))


def _least(counts: CellCounts, s: int, rows: slice = slice(None)) -> np.ndarray:
    """Return the fewest wrong labels of a table of each set: (set,)."""
    return counts.n_true + np.minimum(counts.cells[s][rows], 0).sum(axis=1)
