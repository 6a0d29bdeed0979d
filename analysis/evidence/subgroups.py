"""Where do labels not fit? The subgroup of items, by up to two features, in which they contradict the hypotheses the most."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.feedback.kinds.labels import Labels
from reward_hypotheses.models.posterior import Posterior

REPLICATIONS = 1000
MOST_FEATURES = 12
MOST_ITEMS = 50_000
LEAST_GROUP = 5
"""Items that a subgroup has at least, and that it leaves out."""
QUARTILES = (0.25, 0.5, 0.75)
MOVED = 0.01  # share of items that a quartile may move past for the sake of its digits
FEW_ROWS = 2000  # items with counts up to which labels are counted item by item, not one by one
AT_ONCE = 4_000_000  # items of replications held at once
LEVEL = 0.01

Document = dict[str, Any]


@dataclass(frozen=True, eq=False)
class SubgroupCheck:
    """A posterior predictive check of the worst-fitting subgroup, chosen by looking.

    Attributes
    ----------
    words : str
        The subgroup; empty where no subgroup is contradicted more often than the rest.
    n, contradicted, elsewhere : float
        Its items; the share of their labels that contradict the leading hypothesis, and the share among the others.
    statistic : float
        How far the two are apart: the root of the deviance, about a standard normal deviate for one subgroup that nobody
        chose.
    p, mcse : float
        Share of replications whose own worst subgroup is at least as bad, and its Monte Carlo error.
    replications, looked_at : int
        Replications, and subgroups looked at.
    replicated : ndarray (replication,)
        The statistic of each.
    misfit : tuple of str
        What does not fit, in words.
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
    """Subgroups of items: each says one thing about one feature, or one about each of two.

    A boolean feature is true or false; a number above its first, second or third quartile, or not.

    Parameters
    ----------
    features : dict of str to ndarray (item,)
        Booleans or finite numbers.
    times : ndarray (item,) of int, optional
        How often each item stands there; `counts` then takes how many of these are wrong.
    """

    def __init__(self, features: Mapping[str, np.ndarray], times: np.ndarray | None = None) -> None:
        splits = [
            (k, *one) for k, (name, values) in enumerate(features.items()) for one in _splits(name, values, times)
        ]
        once = np.ones((1, len(next(iter(features.values()))) if features else 0), bool)
        every = once if times is None else times[None]
        self.n_items = n = int(every.sum())
        self._counted = times is not None
        self._halves = [half if self._counted else _bits(half[None])[0] for _, half, _, _ in splits]
        self._pairs = [
            (a, b) for a in range(len(splits)) for b in range(a + 1, len(splits)) if splits[a][0] != splits[b][0]
        ]
        sizes = self._every(every)[0]
        self._kept = np.flatnonzero((sizes >= LEAST_GROUP) & (sizes <= n - LEAST_GROUP))
        self.sizes = sizes[self._kept]
        said = [(inside, outside) for _, _, inside, outside in splits]
        words = [one for both in said for one in both]
        words += [f"{x} and {y}" for a, b in self._pairs for x in said[a] for y in said[b]]
        self.words = [words[g] for g in self._kept]

    def __len__(self) -> int:
        return len(self.words)

    def counts(self, wrong: np.ndarray) -> np.ndarray:
        """How many items of each subgroup are wrong: (replication, item), of bool or int -> (replication, subgroup)."""
        return self._every(wrong)[:, self._kept]

    def _every(self, wrong: np.ndarray) -> np.ndarray:
        """The same of subgroups of any size, 64 items at a time: those of one half, in and out, then of two."""
        bits = wrong.astype(float) if self._counted else _bits(wrong)

        def inside(members: np.ndarray) -> np.ndarray:
            if self._counted:
                return (bits @ members).astype(np.int32)
            return np.bitwise_count(bits & members).sum(axis=1, dtype=np.int32)

        whole = wrong.sum(axis=1, dtype=np.int32)
        half = [inside(one) for one in self._halves]
        out = [counted for one in half for counted in (one, whole - one)]
        for a, b in self._pairs:
            both = inside(self._halves[a] & self._halves[b])
            out += [both, half[a] - both, half[b] - both, whole - half[a] - half[b] + both]
        return np.array(out, np.int32).reshape(-1, len(wrong)).T

    def excess(self, counts: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Root of the deviance of each subgroup from the rest, 0 where no more of it is wrong: (replication, subgroup).

        With k wrong of n inside, K of N in all, ``2 [l(k, n) + l(K - k, N - n) - l(K, N)]``, l the greatest log likelihood of
        so many wrong (Kulldorff 1997).
        """
        k, n, size = counts, self.sizes, self.n_items
        total = np.asarray(total, np.int32)[:, None]
        whole = np.arange(size + 1)
        entropy = whole * np.log(np.maximum(whole, 1))
        apart = np.take(entropy, k) + np.take(entropy, n - k) + np.take(entropy, total - k)
        apart += np.take(entropy, size - n - total + k) - (entropy[n] + entropy[size - n])
        apart -= entropy[total] + entropy[size - total] - entropy[size]
        worse = k * float(size) > total * n.astype(float)
        return np.where(worse, np.sqrt(2 * np.maximum(apart, 0.0)), 0.0)


def subgroup_check(
    posterior: Posterior, k: int, rng: np.random.Generator, besides: Collection[str] = ()
) -> SubgroupCheck | None:
    """Find the subgroup of items in which labels contradict the hypotheses the most, and say how often chance does as badly.

    Of each replication, made by a hypothesis drawn from the weights with its noise, the worst of *all* subgroups is taken
    too: that is the correction for having looked (the posterior predictive distribution of the maximum; Gelman, Meng and
    Stern 1996). The statistic compares a subgroup with the other items, so that no rate of noise absorbs it.

    Of more than 50,000 labels so many are drawn at random, which leaves it valid; of more than 12 features those that
    hypotheses name come first.

    Parameters
    ----------
    posterior : Posterior
        Of rules (`Posterior.of_rules`).
    k : int
        Which feedback.
    besides : collection of str
        Columns that hold what was said, which are no features.

    Returns
    -------
    SubgroupCheck or None
        None of a kind other than labels, or where no feature divides the items.
    """
    one, valuation, evidence = posterior.feedback[k], posterior.valuations[k], posterior.evidence[k]
    if not isinstance(one, Labels):
        return None
    observed, n = one.observed, one.n_answers
    kept = one.unit_of(np.sort(rng.choice(n, MOST_ITEMS, replace=False)) if n > MOST_ITEMS else np.arange(n))
    size, times = len(kept), None
    if one.counts is not None:
        rows, _, _, copies = distinct(kept)
        if len(rows) <= FEW_ROWS:
            kept, times = rows, copies
    named = dict.fromkeys(c for e in posterior.hypotheses.expressions().values() for c in e.columns)
    groups = Subgroups(features_of(one.items, kept, list(named), {*besides, *one.said_columns}), times)
    if not len(groups):
        return None
    weights = posterior.weights
    eps = _eps(posterior, k, rng)
    drawn = rng.choice(len(weights), REPLICATIONS, p=weights)
    chance = eps[np.arange(REPLICATIONS), drawn]
    made = np.empty(REPLICATIONS)
    step = max(1, AT_ONCE // len(kept))
    for lo in range(0, REPLICATIONS, step):
        some = slice(lo, lo + step)
        if times is None:
            wrong = rng.random((len(chance[some]), len(kept))) < chance[some, None]
        else:
            wrong = rng.binomial(times, chance[some, None])
        made[some] = groups.excess(groups.counts(wrong), wrong.sum(axis=1)).max(axis=1)
    classes, lead = evidence.classes, int(np.argmax(weights))
    worst: dict[int, float] = {}
    for alike in {int(c) for c in classes[[*drawn.tolist(), lead]]}:
        h = int(np.flatnonzero(classes == alike)[0])
        wrong = (one.at(valuation, h) != observed)[kept][None]
        wrong = wrong if times is None else wrong * times
        counts = groups.counts(wrong)
        apart = groups.excess(counts, wrong.sum(axis=1))[0]
        worst[alike] = float(apart.max())
        if alike == classes[lead]:
            at = int(np.argmax(apart >= apart.max() - 1e-9))  # of equals the first, which says the least
            inside, total = int(counts[0, at]), int(wrong.sum())
    p = float((made >= np.array([worst[int(classes[h])] for h in drawn]) - 1e-9).mean())
    n = int(groups.sizes[at])
    some_excess = worst[int(classes[lead])] > 0
    check = SubgroupCheck(
        words=groups.words[at] if some_excess else "",
        n=n if some_excess else size,
        contradicted=inside / n if some_excess else total / size,
        elsewhere=(total - inside) / (size - n) if some_excess else math.nan,
        statistic=worst[int(classes[lead])],
        p=p,
        mcse=math.sqrt(max(p * (1 - p), 1 / REPLICATIONS) / REPLICATIONS),
        replications=REPLICATIONS,
        looked_at=len(groups),
        replicated=made,
    )
    if p < LEVEL and some_excess:
        return _with_misfit(check, str(one.name), posterior.hypotheses.names[lead])
    return check


def subgroups_document(posterior: Posterior, seed: int) -> tuple[Document, list[str]]:
    """Every feedback with labels, as plain numbers by name, and what does not fit, in words."""
    besides = {c for one in posterior.feedback for c in one.said_columns}
    document: Document = {}
    misfit: list[str] = []
    for k, one in enumerate(posterior.feedback):
        found = subgroup_check(posterior, k, substream(seed, f"subgroups {one.name}"), besides)
        if found is not None:
            keys = ("n", "contradicted", "elsewhere", "statistic", "p", "mcse", "replications", "looked_at")
            document[str(one.name)] = {"words": found.words or None} | {key: getattr(found, key) for key in keys}
            if math.isnan(found.elsewhere):
                document[str(one.name)]["elsewhere"] = None
            misfit.extend(found.misfit)
    return document, misfit


def features_of(
    table: Table, kept: np.ndarray, first: Sequence[str], besides: Collection[str]
) -> dict[str, np.ndarray]:
    """Columns of booleans and numbers without a missing cell, by which items may be divided: those named first, then in order."""
    out: dict[str, np.ndarray] = {}
    for name in dict.fromkeys([*(c for c in first if c in table.columns), *table.column_order, *table.columns]):
        column = table.columns.get(name)
        if column is None or name in besides or name in RESERVED or column.is_text or len(out) == MOST_FEATURES:
            continue
        values = column.values[kept]
        if column.missing()[kept].any() or not np.isfinite(values.astype(float)).all() or (values == values[0]).all():
            continue
        out[name] = values.astype(bool) if column.is_boolean() else values
    return out


def _eps(posterior: Posterior, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of the noise of labels under each hypothesis: (draw, hypothesis)."""
    one = posterior.feedback[k]
    n = len(posterior.weights)
    if "eps" not in one.nuisances:
        assert isinstance(one, Labels) and not isinstance(one.noise, tuple)
        return np.full((REPLICATIONS, n), one.noise)
    fixed = [h for h in range(n) if h not in posterior.families]
    out = np.zeros((REPLICATIONS, n))
    if fixed:
        out[:, fixed] = one.draws(posterior.evidence[k], np.array(fixed), REPLICATIONS, rng)["eps"]
    for h, fitted in posterior.families.items():
        out[:, h] = rng.choice(fitted.nuisances[one.variable("eps")], REPLICATIONS)
    return out


def _splits(name: str, values: np.ndarray, times: np.ndarray | None = None) -> list[tuple[np.ndarray, str, str]]:
    """Halves of the items by one feature, and both in words."""
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
    """A quartile in so few digits that hardly an item is on another side of it."""
    above = values > quartile
    short = float(f"{quartile:.3g}")
    if np.count_nonzero((values > short) ^ above) <= MOVED * len(values):
        return short
    return float(f"{quartile:.6g}")


def _bits(values: np.ndarray) -> np.ndarray:
    """Booleans (row, item) packed 64 to a number: (row, word)."""
    packed = np.packbits(values, axis=1)
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _with_misfit(check: SubgroupCheck, name: str, lead: str) -> SubgroupCheck:
    words = (
        f"no hypothesis fits {name} where {check.words}: {check.contradicted:.0%} of the {check.n:,} labels there contradict even "
        f"{lead!r}, and {check.elsewhere:.0%} of the others; of {check.looked_at:,} subgroups that were looked at, the worst is so "
        f"bad in {check.p:.1%} of replications"
    )
    return replace(check, misfit=(words,))
