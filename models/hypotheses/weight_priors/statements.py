"""What somebody states about the weights of a linear reward, and who said so."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.inference.special import normal_quantile

MISSES = 1.25
"""Times by which a fitted quantile of a ratio may differ from the stated quantile without a warning."""
WRONG_SIDE = 8.0  # standard deviations that a mean may lie on the other side of 0 than its sign


@dataclass(frozen=True)
class Stated:
    """One number about the weight of a feature: a sign (1 or -1) or a prior mean.

    Attributes
    ----------
    value : float
    source : str or None
        Where the number came from; None: the source of the family.
    """

    value: float
    source: str | None = None


@dataclass(frozen=True)
class Ratio:
    """How many units of one feature are worth one unit of another, by quantiles.

    ``|w_n / w_d|`` of weights of the features in their own units (n the numerator, d the denominator) is lognormal,
    ``log |w_n / w_d| ~ Normal(log_mean, log_sd)``. Mean and standard deviation are the least-squares line through the
    points (standard normal quantile, log stated quantile): exact where two quantiles are stated.

    Attributes
    ----------
    numerator, denominator : int
        Positions of the features.
    quantiles : tuple of (float, float)
        Probabilities, increasing, and the stated quantiles.
    source : str or None
        Who said so; None: the source of the family.
    """

    numerator: int
    denominator: int
    quantiles: tuple[tuple[float, float], ...]
    source: str | None = None

    @property
    def fitted(self) -> tuple[float, float]:
        """Mean and standard deviation of the log ratio."""
        z = [normal_quantile(p) for p, _ in self.quantiles]
        y = [math.log(q) for _, q in self.quantiles]
        z_mean, y_mean = math.fsum(z) / len(z), math.fsum(y) / len(y)
        pairs = [(a - z_mean, b - y_mean) for a, b in zip(z, y, strict=True)]
        log_sd = math.fsum(a * b for a, b in pairs) / math.fsum(a * a for a, _ in pairs)
        return y_mean - log_sd * z_mean, log_sd

    @property
    def fitted_quantiles(self) -> tuple[float, ...]:
        """Quantiles of the lognormal at the stated probabilities."""
        log_mean, log_sd = self.fitted
        return tuple(math.exp(log_mean + log_sd * normal_quantile(p)) for p, _ in self.quantiles)

    @property
    def largest_miss(self) -> float:
        """Largest factor between a stated quantile and the fitted quantile, at least 1."""
        pairs = zip(self.quantiles, self.fitted_quantiles, strict=True)
        return max(max(q / f, f / q) for (_, q), f in pairs)


def signs_of(stated: Any, names: Sequence[str]) -> tuple[Stated | None, ...]:
    """Read the signs of weights: ``{"price": "-"}``, or with a source of their own."""

    def sign(value: Any, name: str) -> float:
        if value in ("+", "-"):
            return 1.0 if value == "+" else -1.0
        raise InputError(
            f'{shown(value)}; give "+" or "-": with "+", more of {name!r} is better, other features being equal'
        )

    return _by_feature("sign", stated, names, sign, '"+"')


def means_of(
    stated: Any, names: Sequence[str], sd: float | None, signs: Sequence[Stated | None]
) -> tuple[Stated | None, ...]:
    """Read the prior means of weights: ``{"price": -0.5}``, or with a source."""

    def mean(value: Any, name: str) -> float:
        number = finite(value)
        if number is None or sd is None or abs(number) > 1e6 * sd:
            raise InputError(
                f"{shown(value)}; give the prior mean of the weight of {name!r}, a finite number (per standard "
                "deviation, or per stated unit, of the feature)"
            )
        sign = signs[names.index(name)]
        if sign is not None and sign.value * number < -WRONG_SIDE * sd:
            raise InputError(
                f"{shown(value)}; it is more than {WRONG_SIDE:g} standard deviations on the other side of 0 than the sign "
                f"of {name!r} ({_written_sign(sign)}), so state another mean or no sign"
            )
        return number

    if stated and sd is None:
        raise InputError(
            "linear: mean: on the sphere a weight has no mean of its own; give prior = { normal = sd }, or state a sign"
        )
    return _by_feature("mean", stated, names, mean, "-0.5")


def _by_feature(
    key: str, stated: Any, names: Sequence[str], value_of: Callable[[Any, str], float], such_as: str
) -> tuple[Stated | None, ...]:
    if stated is None:
        return (None,) * len(names)
    if not isinstance(stated, Mapping):
        raise InputError(f'linear: {key}: {shown(stated)}; give one by feature, such as {{ "{names[0]}" = {such_as} }}')
    problems = [
        f"linear: {key}: {name!r} is no feature; {suggestion(str(name), names)}" for name in stated if name not in names
    ]
    out: dict[str, Stated] = {}
    for name in (name for name in names if name in stated):
        try:
            value, source = _with_source(stated[name], "value")
            out[name] = Stated(value_of(value, name), source)
        except InputError as error:
            problems += [f"linear: {key}: {name!r}: {problem}" for problem in error.problems]
    if problems:
        raise InputError(problems)
    return tuple(out.get(name) for name in names)


def _with_source(stated: Any, key: str, other: Sequence[str] = ()) -> tuple[Any, str | None]:
    """Return a value and its source, from a value or ``{key: value, source: text}``."""
    if not isinstance(stated, Mapping):
        return stated, None
    known = (key, "source")
    problems = [f"{name!r} is unknown here; {suggestion(str(name), known)}" for name in stated if name not in known]
    if key not in stated:
        problems.append(f"it has no {key}; give {{ {key} = ..., source = ... }}")
    source = stated.get("source")
    if source is not None and (not isinstance(source, str) or not source.strip()):
        problems.append(f"source: {shown(source)}; say in words who stated it, or leave it out")
    if problems:
        raise InputError(problems)
    return stated[key], source


def ratios_of(
    stated: Any,
    names: Sequence[str],
    sd: float | None,
    signs: Sequence[Stated | None],
    means: Sequence[Stated | None],
) -> tuple[Ratio, ...]:
    """Read ratios of weights by quantiles.

    Such as ``{"time / price": {"quantiles": {0.1: 5, 0.9: 40}, "source": ...}}``. They come in an order in which the prior
    of each denominator is settled by those before.
    """
    if stated is None:
        return ()
    if not isinstance(stated, Mapping):
        raise InputError(f"linear: ratio: {shown(stated)}; give {_example(names)}")
    if stated and sd is None:
        raise InputError(
            "linear: ratio: on the sphere the prior is uniform over directions, which a ratio contradicts; give prior = "
            "{ normal = sd }"
        )
    ratios: list[Ratio] = []
    problems: list[str] = []
    for key, about in stated.items():
        try:
            ratio = _ratio(key, about, names)
            for part in (ratio.numerator, ratio.denominator):
                if signs[part] is None:
                    problems.append(
                        f"linear: ratio: {key!r}: the sign of {names[part]!r} is not stated, and without it the sign of the "
                        f'ratio is not known; give sign = {{ "{names[part]}" = "+" }} or "-"'
                    )
            if means[ratio.numerator] is not None:
                problems.append(
                    f"linear: ratio: {key!r}: {names[ratio.numerator]!r} has a mean too; its weight follows from the ratio, so "
                    "state one or the other"
                )
            twice = next((r for r in ratios if r.numerator == ratio.numerator), None)
            if twice is not None:
                problems.append(
                    f"linear: ratio: {names[ratio.numerator]!r} is the numerator of two ratios; its weight follows from one, so "
                    "leave out the other"
                )
            ratios.append(ratio)
        except InputError as error:
            problems += [f"linear: ratio: {key!r}: {problem}" for problem in error.problems]
    return _ordered(ratios, names, problems)


def _ordered(ratios: list[Ratio], names: Sequence[str], problems: list[str]) -> tuple[Ratio, ...]:
    """Return the ratios with each denominator's own ratio before; refuse a cycle."""
    done: list[Ratio] = []
    left = list(ratios)
    while left and not problems:
        settled = [r for r in left if all(other.numerator != r.denominator for other in left)]
        if not settled:
            around = ", ".join(repr(names[r.numerator]) for r in left)
            problems.append(
                f"linear: ratio: {around}: each follows from another in a circle; leave out one of the ratios"
            )
        done += settled
        left = [r for r in left if r not in settled]
    if problems:
        raise InputError(problems)
    return tuple(done)


def _ratio(key: Any, about: Any, names: Sequence[str]) -> Ratio:
    pair = _pair(key, names)
    if not isinstance(about, Mapping):
        raise InputError(f"{shown(about)}; give its quantiles, {_example(names)}")
    quantiles, source = _with_source(about, "quantiles")
    if not isinstance(quantiles, Mapping) or len(quantiles) < 2:
        raise InputError(
            f"quantiles: {shown(quantiles)}; give at least two, probability = ratio, such as {{ 0.1 = 5, 0.9 = 40 }}"
        )
    pairs = []
    for probability, ratio in quantiles.items():
        p, q = _probability(probability), finite(ratio)
        if p is None or not 0 < p < 1:
            raise InputError(f"quantiles: {shown(probability)} is no probability between 0 and 1")
        if q is None or not 1e-150 <= q <= 1e150:
            raise InputError(
                f"quantiles: {shown(ratio)} at {p:g}; give a positive ratio: the signs of the features are stated by sign"
            )
        pairs.append((p, q))
    pairs.sort()
    for (p, q), (further, r) in zip(pairs, pairs[1:], strict=False):
        if p == further:
            raise InputError(f"quantiles: {p:g} stands twice; give each probability once")
        if not q < r:
            raise InputError(
                f"quantiles: {r:g} at {further:g} after {q:g} at {p:g}; a quantile must be larger at a larger probability"
            )
    return Ratio(*pair, tuple(pairs), source)


def _probability(stated: Any) -> float | None:
    if not isinstance(stated, str):
        return finite(stated)
    try:
        return finite(float(stated))
    except ValueError:
        return None


def _pair(key: Any, names: Sequence[str]) -> tuple[int, int]:
    """Return the positions of numerator and denominator in ``"time / price"``."""
    asked = "".join(str(key).split())
    pairs = [
        (n, d)
        for n, top in enumerate(names)
        for d, below in enumerate(names)
        if n != d and "".join(f"{top}/{below}".split()) == asked
    ]
    if len(pairs) == 1:
        return pairs[0]
    which = "several pairs" if pairs else "no pair"
    raise InputError(
        f"{which} of features; write numerator / denominator, two of {', '.join(map(repr, names))}, each as it is written "
        "in linear"
    )


def _example(names: Sequence[str]) -> str:
    two = (names[0], names[1] if len(names) > 1 else "another feature")
    return f'{{ "{two[0]} / {two[1]}" = {{ quantiles = {{ "0.1" = 5, "0.9" = 40 }}, source = "..." }} }}'


def _written_sign(sign: Stated) -> str:
    return "+" if sign.value > 0 else "-"


def written(
    names: Sequence[str], signs: Sequence[Stated | None], means: Sequence[Stated | None], ratios: Sequence[Ratio]
) -> dict[str, Any]:
    """Return sign, mean and ratio, where stated, as a study file holds them."""

    def sourced(value: Any, source: str | None, key: str = "value") -> Any:
        return {key: value, "source": source} if source is not None else value

    out = {
        "sign": {n: sourced(_written_sign(s), s.source) for n, s in zip(names, signs, strict=True) if s is not None},
        "mean": {n: sourced(m.value, m.source) for n, m in zip(names, means, strict=True) if m is not None},
        "ratio": {
            f"{names[r.numerator]} / {names[r.denominator]}": {"quantiles": {repr(p): q for p, q in r.quantiles}}
            | ({} if r.source is None else {"source": r.source})
            for r in ratios
        },
    }
    return {key: value for key, value in out.items() if value}


def in_words(
    names: Sequence[str], signs: Sequence[Stated | None], means: Sequence[Stated | None], ratios: Sequence[Ratio]
) -> str:
    """Return the statements in words, each with a source of its own where it has one."""

    def by(source: str | None) -> str:
        return "" if source is None else f" ({source})"

    parts = [
        f"weight of {n} {'positive' if s.value > 0 else 'negative'}{by(s.source)}"
        for n, s in zip(names, signs, strict=True)
        if s is not None
    ]
    parts += [
        f"prior mean of the weight of {n} {m.value:g}{by(m.source)}"
        for n, m in zip(names, means, strict=True)
        if m is not None
    ]
    for r in ratios:
        stated = ", ".join(f"{q:g} at {p:g}" for p, q in r.quantiles)
        fitted = ", ".join(f"{q:.4g}" for q in r.fitted_quantiles)
        parts.append(
            f"{names[r.numerator]} / {names[r.denominator]} lognormal with quantiles {stated} (fitted {fitted}){by(r.source)}"
        )
    return "".join(f"; {part}" for part in parts)
