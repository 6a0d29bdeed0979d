"""Rewards with continuous weights: ``r_w = sum_k w_k phi_k``.

One family is one hypothesis, whose weights are integrated out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.rounding_error_bounds import EPS
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.reward import Bounded, BoundOf, ColumnOf, Reward
from reward_hypotheses.models.hypotheses.weight_priors.stated_prior import StatedPrior, lognormal_ratios
from reward_hypotheses.models.hypotheses.weight_priors.statements import (
    MISSES,
    Ratio,
    Stated,
    in_words,
    means_of,
    ratios_of,
    signs_of,
    written,
)

MOST_FEATURES = 256


@dataclass(frozen=True)
class Combination(Reward):
    """A reward that adds up features with fixed coefficients: one member of a family."""

    features: tuple[Expression, ...]
    coefficients: tuple[float, ...]

    @property
    @override
    def text(self) -> str:
        pairs = zip(self.features, self.coefficients, strict=True)
        return " + ".join(f"{coefficient:g} * ({feature.text})" for feature, coefficient in pairs)

    @override
    def bounded(self, column: ColumnOf, bound: BoundOf) -> Bounded:
        """Add up the features, with a bound of the rounding error.

        The bound ``n eps sum_k |w_k x_k|`` of n features covers the rounding errors of the cells.
        """
        total: Any = 0.0
        size: Any = 0.0
        for feature, coefficient in zip(self.features, self.coefficients, strict=True):
            if coefficient:
                part = coefficient * feature.evaluate(column)
                total, size = total + part, size + np.abs(part)
        return total, len(self.features) * EPS * size


def combination(features: Sequence[Expression], coefficients: Any) -> Combination:
    """Return the member of a family with these weights.

    The weights are in units of the features as they are.
    """
    return Combination(tuple(features), tuple(float(c) for c in coefficients))


@dataclass(frozen=True, init=False)
class Linear(Reward):
    """A reward linear in features, with unknown weights.

    ``r_w(item) = sum_k w_k phi_k(item) / sd_k``. A linear reward is one hypothesis, whose weights are integrated out.
    Feedbacks share the weights, so their likelihoods multiply inside the integral. Each feature is divided by its
    unit: by default, the population standard deviation of the feature over the fitted rows, so that a weight means
    the same in every unit.

    A feature that is equal in every fitted row has no standard deviation, and needs a unit of its own. Training then
    says nothing about its weight (except through kinds that compare with failing), and the weight keeps its prior. An
    intercept is the feature ``"1"`` with a unit. A constant for one alternative is a feature such as
    ``"where(is_bus, 1, 0)"``.

    A hundred features on rankings of 36 races of 40 take less than 30 s (``make bench``). On the sphere with a
    rationality that is given as a number, sequential Monte Carlo takes over beyond some 40 features, and takes
    minutes.

    Parameters
    ----------
    features : sequence of str
        Expressions over columns; a number is an intercept.
    prior : "sphere" or {"normal": sd}
        "sphere": weights of length 1, uniform over directions; the rationality of the human remains a separate
        nuisance. ``{"normal": sd}``: independent ``Normal(0, sd)``; the length of the weights is the rationality
        (``s = 1`` and ``beta = 1`` in every kind).
    source : str
        Why these features and this prior: they are a human value.
    unit : dict of str to float, optional
        Unit by feature, as the feature is written: the divisor in place of the standard deviation, in the feature's
        own units.
    sign : dict of str to "+" or "-", optional
        Sign of the weight of a feature, which no data can change. A normal prior is then truncated at 0 and
        normalised; on the sphere, directions with the stated signs are uniform. Here and in `mean`, a value may be
        ``{"value": "-", "source": "..."}``, with a source of its own.
    mean : dict of str to float, optional
        Prior mean of a weight under the normal prior, in the weight's unit. With a sign too, the normal with this mean
        is truncated at 0.
    ratio : dict of str to dict, optional
        ``{"time / price": {"quantiles": {0.1: 5, 0.5: 12, 0.9: 40}, "source": "..."}}``: one unit of time is worth 5 to
        40 units of price. The ratio of the two weights, of features in their own units, is lognormal, fitted to the
        quantiles by least squares of their logs; the denominator keeps its prior. Normal prior only; the signs of both
        features must be stated. `StatedPrior` has the density, with its Jacobians.

    Raises
    ------
    InputError
        No features, a feature that does not parse or stands twice, another prior, no source, a unit that is not
        positive or has no feature; a sign, mean or ratio that is none or has no feature, or that the prior excludes;
        quantiles that do not increase, a numerator of two ratios, ratios in a circle.
    """

    continuous: ClassVar[bool] = True

    features: tuple[Expression, ...]
    sd: float | None
    source: str
    units: tuple[float | None, ...]
    signs: tuple[Stated | None, ...]
    means: tuple[Stated | None, ...]
    ratios: tuple[Ratio, ...]

    def __init__(
        self,
        features: Sequence[str],
        prior: Any = "sphere",
        source: str | None = None,
        unit: Mapping[str, float] | None = None,
        sign: Mapping[str, Any] | None = None,
        mean: Mapping[str, Any] | None = None,
        ratio: Mapping[str, Any] | None = None,
    ) -> None:
        object.__setattr__(self, "features", _features(features))
        object.__setattr__(self, "units", _units(unit, self.names))
        object.__setattr__(self, "sd", _sd(prior))
        object.__setattr__(self, "signs", signs_of(sign, self.names))
        object.__setattr__(self, "means", means_of(mean, self.names, self.sd, self.signs))
        object.__setattr__(self, "ratios", ratios_of(ratio, self.names, self.sd, self.signs, self.means))
        if not isinstance(source, str) or not source.strip():
            raise InputError(
                "linear: no source; say in source = ... why these features and this prior: they are a human value too"
            )
        object.__setattr__(self, "source", source)

    @property
    def prior(self) -> Any:
        """The prior as it was given."""
        return "sphere" if self.sd is None else {"normal": self.sd}

    @property
    def names(self) -> tuple[str, ...]:
        """The features as they are written."""
        return tuple(feature.text for feature in self.features)

    @property
    def unit(self) -> dict[str, float]:
        """The units that were given, by feature."""
        return {name: unit for name, unit in zip(self.names, self.units, strict=True) if unit is not None}

    @property
    @override
    def text(self) -> str:
        weights = "uniform on the unit sphere" if self.sd is None else f"independent Normal(0, {self.sd:g})"
        units = "".join(f"; unit of {name} {unit:g}" for name, unit in self.unit.items())
        stated = in_words(self.names, self.signs, self.means, self.ratios)
        return f"linear in {', '.join(self.names)}; weights {weights}{units}{stated}"

    @property
    def statements(self) -> dict[str, Any]:
        """Sign, mean and ratio as a study file holds them; only those that were stated."""
        return written(self.names, self.signs, self.means, self.ratios)

    def misfits(self, name: str) -> list[str]:
        """Return a warning for each ratio whose lognormal misses a stated quantile.

        By more than 25 %. Empty where there is none.
        """
        out = []
        for r in (r for r in self.ratios if r.largest_miss > MISSES):
            pairs = zip(r.quantiles, r.fitted_quantiles, strict=True)
            quantiles = ", ".join(f"{stated:g} at {p:g} (fitted {fitted:.3g})" for (p, stated), fitted in pairs)
            out.append(
                f"hypothesis {name!r}: the lognormal for the ratio of {self.names[r.numerator]!r} to {self.names[r.denominator]!r} "
                f"misses a stated quantile by {100 * (r.largest_miss - 1):.0f} %: {quantiles}; ask for the quantiles again"
            )
        return out

    def stated_prior(self, scale: np.ndarray) -> StatedPrior | None:
        """Return the prior of the weights; None where no sign, mean or ratio is stated.

        Parameters
        ----------
        scale : ndarray (feature,)
            Unit of each feature.
        """
        if not self.statements:
            return None
        mean, sign = (np.array([0.0 if x is None else x.value for x in stated]) for stated in (self.means, self.signs))
        ratios = tuple((r.numerator, r.denominator, *r.fitted) for r in self.ratios)
        on_sphere = self.sd is None
        return StatedPrior(1.0 if self.sd is None else self.sd, mean, sign, lognormal_ratios(ratios, scale), on_sphere)

    def in_units(self, unit: Mapping[str, float]) -> "Linear":
        """Return the family with units for further features."""
        return Linear(self.names, self.prior, self.source, self.unit | dict(unit), **self.statements)

    @override
    def members(self, n: int, table: Table, rng: np.random.Generator) -> list[Reward]:
        values = [
            np.broadcast_to(np.asarray(e.evaluate(lambda c: table.columns[c].values), float), table.n_items)
            for e in self.features
        ]
        scale = np.array([unit or max(float(v.std()), 1e-300) for v, unit in zip(values, self.units, strict=True)])
        return [combination(self.features, weights / scale) for weights in self.prior_draws(n, rng, scale)]

    def any_member(self) -> Combination:
        """Return some member of the family, in which no two features cancel."""
        return combination(self.features, np.sqrt(np.arange(1.0, len(self.features) + 1)))

    def prior_draws(self, n: int, rng: np.random.Generator, scale: np.ndarray | None = None) -> np.ndarray:
        """Draw weights from their prior: (n, feature).

        Parameters
        ----------
        scale : ndarray (feature,), optional
            Unit of each feature, on which stated ratios depend; 1 unless given.
        """
        stated = self.stated_prior(np.ones(len(self.features)) if scale is None else scale)
        if stated is not None:
            return stated.draws(n, rng)
        drawn = rng.standard_normal((n, len(self.features)))
        return drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True)) if self.sd is None else self.sd * drawn

    def read_by(self, feedback: Any) -> Any:
        """Return a feedback as it reads these weights.

        Under a normal prior, the length of the weights is the rationality, and the feedback is unscaled.
        """
        return feedback if self.sd is None else feedback.unscaled()

    @override
    def expressions(self, who: str) -> dict[str, Expression]:
        return {f"{who}: feature {e.text!r}": e for e in self.features}

    @override
    def written(self) -> dict[str, Any]:
        units = {"unit": self.unit} if self.unit else {}
        return {"linear": list(self.names), "prior": self.prior, "source": self.source, **units, **self.statements}


def linear_of(stated: Mapping[str, Any]) -> Linear:
    """Read a linear reward from a study file.

    ``{ linear = [...], prior = ..., source = ..., unit = ..., sign = ..., mean = ..., ratio = ... }``; InputError says what
    is wrong.
    """
    known = ("linear", "prior", "source", "unit", "sign", "mean", "ratio")
    for key in stated:
        if key not in known:
            raise InputError(f"{key!r} is unknown here; {suggestion(str(key), known)}")
    if "linear" not in stated:
        raise InputError('give linear = ["cost", "time"], prior = "sphere", source = "..."')
    return Linear(stated["linear"], stated.get("prior", "sphere"), *map(stated.get, known[2:]))


def _features(stated: Any) -> tuple[Expression, ...]:
    if isinstance(stated, str) or not isinstance(stated, Sequence) or not stated:
        raise InputError(f'linear: {shown(stated)}; list the features, such as ["cost", "time"]')
    if len(stated) > MOST_FEATURES:
        raise InputError(f"linear: {len(stated)} features; up to {MOST_FEATURES} can be")
    features, problems = [], []
    for feature in stated:
        if not isinstance(feature, str):
            problems.append(f"linear: {shown(feature)} is no feature; write it as an expression, in quotes")
            continue
        try:
            features.append(parse(feature))
        except InputError as error:
            problems.extend(f"linear: feature {feature!r}: {p}" for p in error.problems)
    texts = [feature.text for feature in features]
    if not problems and len(set(texts)) < len(texts):
        twice = next(text for i, text in enumerate(texts) if text in texts[:i])
        problems.append(f"linear: feature {twice!r} stands twice; give each once")
    if problems:
        raise InputError(problems)
    return tuple(features)


def _units(stated: Any, names: Sequence[str]) -> tuple[float | None, ...]:
    if stated is None:
        return (None,) * len(names)
    if not isinstance(stated, Mapping):
        raise InputError(f'linear: unit: {shown(stated)}; give a unit by feature, such as {{ "{names[0]}" = 1 }}')
    problems = [
        f"linear: unit: {key!r} is no feature; {suggestion(str(key), names)}" for key in stated if key not in names
    ]
    values = {name: finite(stated[name]) for name in names if name in stated}
    problems += [
        f"linear: unit: {name!r}: {shown(stated[name])}; give the size of {name!r} to which one weight belongs, a positive number"
        for name, value in values.items()
        if value is None or not 1e-150 <= value <= 1e150
    ]
    if problems:
        raise InputError(problems)
    return tuple(values.get(name) for name in names)


def _sd(stated: Any) -> float | None:
    if stated == "sphere":
        return None
    if isinstance(stated, Mapping) and list(stated) == ["normal"]:
        sd = finite(stated["normal"])
        if sd is not None and 1e-6 <= sd <= 1e6:
            return sd
        raise InputError(
            f"linear: prior: normal: {shown(stated['normal'])}; give the standard deviation of a weight, positive"
        )
    raise InputError(f'linear: prior: {shown(stated)}; give "sphere" or {{ normal = sd }}')
