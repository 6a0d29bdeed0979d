"""Subgroups of items whose labels contradict the hypotheses most.

A subgroup is given by up to two features.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from reward_hypotheses.analysis.results.section import Document
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.feedback.evidence import misfit_in_words
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.posterior import Posterior

REPLICATIONS = 1000
MOST_FEATURES = 12
MOST_ITEMS = 50_000
LEAST_GROUP = 5
"""Least number of items inside a subgroup, and outside of it."""
QUARTILES = (0.25, 0.5, 0.75)
MOVED = 0.01  # share of items that a quartile may move past for the sake of its digits
FEW_ROWS = 2000  # items with counts up to which labels are counted item by item, not one by one
AT_ONCE = 4_000_000  # items of replications held at once
LEVEL = 0.01


@dataclass(frozen=True, eq=False)
class SubgroupCheck:
    """A posterior predictive check of the worst-fitting subgroup, chosen by looking.

    Attributes
    ----------
    words : str
        The subgroup; empty where no subgroup is contradicted more often than the rest.
    n, contradicted, elsewhere : float
        Its number of items; the share of labels that contradict the leading hypothesis, inside and outside of it.
    statistic : float
        The difference of the two shares as the root of the deviance: about a standard normal deviate for one subgroup
        that was chosen in advance.
    p, mcse : float
        Share of replications whose own worst subgroup is at least as bad, and its Monte Carlo error.
    replications, looked_at : int
        Numbers of replications and of subgroups.
    replicated : ndarray (replication,)
        The statistic of each replication.
    misfit : tuple of str
        The misfit in words.
    """

    words: str
    n: int
    contradicted: float
    elsewhere: float
    statistic: float
    p: float
    mcse: float
    replications: int
    looked_at: int
    replicated: np.ndarray
    misfit: tuple[str, ...] = ()


class Subgroups:
    """Subgroups of items by the values of one feature, or of two.

    A boolean feature divides the items into true and false. A numeric feature divides them at each of its quartiles.

    Parameters
    ----------
    features : dict of str to ndarray (item,)
        Booleans or finite numbers.
    times : ndarray (item,) of int, optional
        How often each item occurs; `counts` then takes the number of wrong occurrences.
    """

    def __init__(self, features: Mapping[str, np.ndarray], times: np.ndarray | None = None) -> None:
        splits = [
            (k, split) for k, (name, values) in enumerate(features.items()) for split in _splits(name, values, times)
        ]
        every = np.ones((1, len(next(iter(features.values()), ()))), bool) if times is None else times[None]
        self.n_items = n = int(every.sum())
        self._counted = times is not None
        self._halves = [half if self._counted else _bits(half[None])[0] for _, (half, _, _) in splits]
        self._pairs = [(a, b) for a, b in combinations(range(len(splits)), 2) if splits[a][0] != splits[b][0]]
        sizes = self._counts_of_all(every)[0]
        self._large = np.flatnonzero((sizes >= LEAST_GROUP) & (sizes <= n - LEAST_GROUP))
        self.sizes = sizes[self._large]
        sides = [(inside, outside) for _, (_, inside, outside) in splits]
        words = [side for both in sides for side in both]
        words += [f"{x} and {y}" for a, b in self._pairs for x in sides[a] for y in sides[b]]
        self.words = [words[g] for g in self._large]

    def __len__(self) -> int:
        return len(self.words)

    def counts(self, wrong: np.ndarray) -> np.ndarray:
        """Count the wrong items of each subgroup: (replication, subgroup).

        `wrong` has shape (replication, item), of bool or int.
        """
        return self._counts_of_all(wrong)[:, self._large]

    def _counts_of_all(self, wrong: np.ndarray) -> np.ndarray:
        """Count the wrong items of subgroups of any size.

        Inside and outside of each half, then of the four quarters by two halves.
        """
        bits = wrong.astype(float) if self._counted else _bits(wrong)

        def inside(members: np.ndarray) -> np.ndarray:
            if self._counted:
                return (bits @ members).astype(np.int32)
            return np.bitwise_count(bits & members).sum(axis=1, dtype=np.int32)  # 64 items at a time

        total = wrong.sum(axis=1, dtype=np.int32)
        halves = [inside(members) for members in self._halves]
        out = [counts for half in halves for counts in (half, total - half)]
        for a, b in self._pairs:
            both = inside(self._halves[a] & self._halves[b])
            out += [both, halves[a] - both, halves[b] - both, total - halves[a] - halves[b] + both]
        return np.array(out, np.int32).reshape(-1, len(wrong)).T

    def excess(self, counts: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return the root of the deviance of each subgroup from the rest.

        0 where the subgroup is no worse than the rest.

        The deviance is ``2 [l(k, n) + l(K - k, N - n) - l(K, N)]``: k of n items wrong inside, K of N in all, and l the
        greatest log likelihood of these counts (Kulldorff 1997).
        """
        k, n, size = counts, self.sizes, self.n_items
        total = np.asarray(total, np.int32)[:, None]
        counts_to = np.arange(size + 1)
        entropy = counts_to * np.log(np.maximum(counts_to, 1))
        apart = np.take(entropy, k) + np.take(entropy, n - k) + np.take(entropy, total - k)
        apart += np.take(entropy, size - n - total + k) - (entropy[n] + entropy[size - n])
        apart -= entropy[total] + entropy[size - total] - entropy[size]
        worse = k * float(size) > total * n.astype(float)
        return np.where(worse, np.sqrt(2 * np.maximum(apart, 0.0)), 0.0)


def subgroup_check(
    posterior: Posterior, k: int, rng: np.random.Generator, besides: Collection[str] = ()
) -> SubgroupCheck | None:
    """Check the subgroup whose labels contradict the hypotheses most.

    The worst subgroup of the data is compared with the worst subgroups of replications.

    Each replication is made by a hypothesis drawn from the weights, with its noise. Its statistic is that of the worst of
    *all* subgroups, which corrects for the search (the posterior predictive distribution of the maximum; Gelman, Meng and
    Stern 1996). The statistic compares a subgroup with the other items, so that no rate of noise absorbs it.

    Of more than 50,000 labels, 50,000 are drawn at random; the check stays valid. Of more than 12 features, those that
    hypotheses name come first.

    Parameters
    ----------
    posterior : Posterior
        Of rules (`Posterior.of_rules`).
    k : int
        Number of the feedback.
    besides : collection of str
        Columns of answers, which are no features.

    Returns
    -------
    SubgroupCheck or None
        None for kinds other than labels, or where no feature divides the items.
    """
    feedback = posterior.feedback[k]
    if not isinstance(feedback, Labels):
        return None
    n = feedback.n_answers
    items = feedback.unit_of(np.sort(rng.choice(n, MOST_ITEMS, replace=False)) if n > MOST_ITEMS else np.arange(n))
    n, times = len(items), None
    if feedback.counts is not None:
        rows, _, _, copies = distinct(items)
        if len(rows) <= FEW_ROWS:
            items, times = rows, copies
    named = dict.fromkeys(c for e in posterior.hypotheses.expressions().values() for c in e.columns)
    features = features_of(feedback.items, items, list(named), {*besides, *feedback.said_columns})
    groups = Subgroups(features, times)
    if not len(groups):
        return None
    eps = _eps(posterior, k, rng)
    truths = rng.choice(len(posterior.weights), REPLICATIONS, p=posterior.weights)
    replicated = _replicated(groups, eps[np.arange(REPLICATIONS), truths], len(items), times, rng)

    def wrong_under(h: int) -> np.ndarray:
        wrong = (feedback.at(posterior.valuations[k], h) != feedback.observed)[items][None]
        return wrong if times is None else wrong * times

    classes, lead = posterior.evidence[k].classes, int(np.argmax(posterior.weights))
    worst: dict[int, float] = {}
    for alike in {int(c) for c in classes[truths]}:
        wrong = wrong_under(int(np.flatnonzero(classes == alike)[0]))
        worst[alike] = float(groups.excess(groups.counts(wrong), wrong.sum(axis=1)).max())
    p = float((replicated >= np.array([worst[int(c)] for c in classes[truths]]) - 1e-9).mean())
    check = _worst_subgroup(groups, wrong_under(int(np.flatnonzero(classes == classes[lead])[0])), n, p, replicated)
    if p < LEVEL and check.statistic > 0:
        return _with_misfit(check, str(feedback.name), posterior.hypotheses.names[lead])
    return check


def _replicated(
    groups: Subgroups, chance: np.ndarray, n_items: int, times: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Return the excess of each replication's worst subgroup: (replication,).

    Labels of a replication are wrong with probability `chance`, (replication,).
    """
    out = np.empty(len(chance))
    step = max(1, AT_ONCE // n_items)
    for lo in tracked(range(0, len(chance), step)):
        some = slice(lo, lo + step)
        if times is None:
            wrong = rng.random((len(chance[some]), n_items)) < chance[some, None]
        else:
            wrong = rng.binomial(times, chance[some, None])
        out[some] = groups.excess(groups.counts(wrong), wrong.sum(axis=1)).max(axis=1)
    return out


def _worst_subgroup(groups: Subgroups, wrong: np.ndarray, n: int, p: float, replicated: np.ndarray) -> SubgroupCheck:
    """Return the check of the subgroup with the greatest excess of wrong labels.

    `wrong` (1, item): labels that contradict the leading hypothesis, of n labels.
    """
    counts, total = groups.counts(wrong), int(wrong.sum())
    excess = groups.excess(counts, wrong.sum(axis=1))[0]
    statistic = float(excess.max())
    at = int(np.argmax(excess >= statistic - 1e-9))  # of equals the first, which names the fewest features
    inside, size = int(counts[0, at]), int(groups.sizes[at])
    some = statistic > 0
    return SubgroupCheck(
        words=groups.words[at] if some else "",
        n=size if some else n,
        contradicted=inside / size if some else total / n,
        elsewhere=(total - inside) / (n - size) if some else math.nan,
        statistic=statistic,
        p=p,
        mcse=math.sqrt(max(p * (1 - p), 1 / REPLICATIONS) / REPLICATIONS),
        replications=REPLICATIONS,
        looked_at=len(groups),
        replicated=replicated,
    )


def subgroups_document(posterior: Posterior, seed: int) -> tuple[Document, list[str]]:
    """Return the checks of all labels as plain numbers, and the misfits in words."""
    besides = {c for feedback in posterior.feedback for c in feedback.said_columns}
    document: Document = {}
    misfit: list[str] = []
    for k, feedback in enumerate(posterior.feedback):
        check = subgroup_check(posterior, k, substream(seed, f"subgroups {feedback.name}"), besides)
        if check is not None:
            keys = ("n", "contradicted", "elsewhere", "statistic", "p", "mcse", "replications", "looked_at")
            document[str(feedback.name)] = {"words": check.words or None} | {key: getattr(check, key) for key in keys}
            if math.isnan(check.elsewhere):
                document[str(feedback.name)]["elsewhere"] = None
            misfit.extend(check.misfit)
    return document, misfit


def features_of(
    table: Table, items: np.ndarray, first: Sequence[str], besides: Collection[str]
) -> dict[str, np.ndarray]:
    """Return the columns of booleans and numbers without a gap.

    The columns of `first` come first, then those in the order of the table; at most 12.
    """
    out: dict[str, np.ndarray] = {}
    for name in dict.fromkeys([*(c for c in first if c in table.columns), *table.column_order, *table.columns]):
        column = table.columns.get(name)
        if column is None or name in besides or name in RESERVED or column.is_text or len(out) == MOST_FEATURES:
            continue
        values = column.values[items]
        if column.missing()[items].any() or not np.isfinite(values.astype(float)).all() or (values == values[0]).all():
            continue
        out[name] = values.astype(bool) if column.is_boolean() else values
    return out


def _eps(posterior: Posterior, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draw the noise of labels under each hypothesis: (draw, hypothesis)."""
    feedback = posterior.feedback[k]
    n = len(posterior.weights)
    if "eps" not in feedback.nuisances:
        assert isinstance(feedback, Labels) and not isinstance(feedback.noise, tuple)
        return np.full((REPLICATIONS, n), feedback.noise)
    out = np.zeros((REPLICATIONS, n))
    if fixed := sorted((*posterior.hypotheses.fixed, *posterior.spaces)):
        out[:, fixed] = feedback.draws(posterior.evidence[k], np.array(fixed), REPLICATIONS, rng)["eps"]
    for h, fitted in posterior.families.items():
        out[:, h] = rng.choice(fitted.nuisances[feedback.variable("eps")], REPLICATIONS)
    return out


def _splits(name: str, values: np.ndarray, times: np.ndarray | None = None) -> list[tuple[np.ndarray, str, str]]:
    """Return halves of the items by one feature, with words for either side."""
    if values.dtype == bool:
        return [(values, f"{name} = true", f"{name} = false")]
    out, taken = [], set()
    every = values if times is None else np.repeat(values, times)
    for share in QUARTILES:
        quartile = float(np.quantile(every, share, method="inverted_cdf"))
        at = _as_written(every, quartile)
        half = values > at
        if at not in taken and half.any() and not half.all():
            taken.add(at)
            out.append((half, f"{name} above {at:.6g}", f"{name} up to {at:.6g}"))
    return out


def _as_written(values: np.ndarray, quartile: float) -> float:
    """Return a quartile in so few digits that hardly an item changes sides."""
    above = values > quartile
    short = float(f"{quartile:.3g}")
    if np.count_nonzero((values > short) ^ above) <= MOVED * len(values):
        return short
    return float(f"{quartile:.6g}")


def _bits(values: np.ndarray) -> np.ndarray:
    """Pack booleans (row, item) 64 to a number: (row, word)."""
    packed = np.packbits(values, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _with_misfit(check: SubgroupCheck, name: str, lead: str) -> SubgroupCheck:
    what = (
        f"where {check.words}, {check.contradicted:.0%} of labels contradict the leading hypothesis {lead!r}, elsewhere "
        f"{check.elsewhere:.0%}"
    )
    return replace(check, misfit=(misfit_in_words(name, what, check.p, check.replications),))
