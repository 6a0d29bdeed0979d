"""Rewards with continuous weights: one family of hypotheses, ``r_w = sum_k w_k phi_k``, its weights integrated out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.rounding import EPS, Bound

MOST_FEATURES = 256


@dataclass(frozen=True, init=False)
class Linear:
    """A reward that adds up features, ``r_w(item) = sum_k w_k phi_k(item) / sd_k``, whose weights are not known.

    One hypothesis, whose weights are integrated out: feedbacks multiply inside the integral, for they share them. Each
    feature is divided by its unit. Unless one is given, that is the population standard deviation of the feature over
    the rows that were fitted, so that a weight means the same in every unit.

    A feature that is the same in every row fitted has no such standard deviation. It may stand with a unit of its own:
    training then says nothing about its weight (or, of kinds that compare with failing, what it says), and what training
    does not say keeps its prior. An intercept is the feature ``"1"``, and its unit is its own size. A constant of an
    alternative is a feature such as ``"where(is_bus, 1, 0)"``.

    A hundred features on rankings of 36 races of 40 take less than 30 s (``make bench``). On the sphere with a rationality that is given as a number,
    sequential Monte Carlo takes over beyond some 40 features, and takes minutes.

    Parameters
    ----------
    features : sequence of str
        Expressions over columns; a number is an intercept.
    prior : "sphere" or {"normal": sd}
        Uniform over directions, weights of length 1, and how rational the human is stays a nuisance of its own; or
        independent ``Normal(0, sd)``, whose length is the rationality (then ``s = 1`` and ``beta = 1`` in every kind).
    source : str
        Why these features and this prior: they are a human value.
    unit : dict of str to float, optional
        By feature, as it is written: what it is divided by in place of its standard deviation, in its own units.

    Raises
    ------
    InputError
        No features, one that does not parse or stands twice, another prior, no source, a unit that is not positive or is
        of no feature.
    """

    features: tuple[Expression, ...]
    sd: float | None
    source: str
    units: tuple[float | None, ...]

    def __init__(
        self,
        features: Sequence[str],
        prior: Any = "sphere",
        source: str | None = None,
        unit: Mapping[str, float] | None = None,
    ) -> None:
        object.__setattr__(self, "features", _features(features))
        object.__setattr__(self, "units", _units(unit, self.names))
        object.__setattr__(self, "sd", _sd(prior))
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
    def text(self) -> str:
        """The family in words."""
        what = "uniform on the unit sphere" if self.sd is None else f"independent Normal(0, {self.sd:g})"
        units = "".join(f"; unit of {name} {unit:g}" for name, unit in self.unit.items())
        return f"linear in {', '.join(self.names)}; weights {what}{units}"

    def in_units(self, unit: Mapping[str, float]) -> "Linear":
        """The same family with units for further features."""
        return Linear(self.names, self.prior, self.source, self.unit | dict(unit))

    def prior_draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draws of the weights from their prior: (n, feature)."""
        drawn = rng.standard_normal((n, len(self.features)))
        return drawn / np.sqrt((drawn**2).sum(axis=1, keepdims=True)) if self.sd is None else self.sd * drawn

    def read_by(self, feedback: Any) -> Any:
        """A feedback as it reads these weights: under a normal prior their length is the rationality, and nothing is scaled."""
        return feedback if self.sd is None else feedback.unscaled()

    def written(self) -> dict[str, Any]:
        """As a study file has it."""
        units = {"unit": self.unit} if self.unit else {}
        return {"linear": list(self.names), "prior": self.prior, "source": self.source, **units}


def linear_of(given: Mapping[str, Any]) -> Linear:
    """Read ``{ linear = [...], prior = ..., source = ..., unit = ... }``; InputError says what is wrong with it."""
    known = ("linear", "prior", "source", "unit")
    for key in given:
        if key not in known:
            raise InputError(f"{key!r} is unknown here; {suggestion(str(key), known)}")
    if "linear" not in given:
        raise InputError('give linear = ["cost", "time"], prior = "sphere", source = "..."')
    return Linear(given["linear"], given.get("prior", "sphere"), given.get("source"), given.get("unit"))


def _features(given: Any) -> tuple[Expression, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise InputError(f'linear: {shown(given)}; list the features, such as ["cost", "time"]')
    if len(given) > MOST_FEATURES:
        raise InputError(f"linear: {len(given)} features; up to {MOST_FEATURES} can be")
    found, problems = [], []
    for one in given:
        if not isinstance(one, str):
            problems.append(f"linear: {shown(one)} is no feature; write it as an expression, in quotes")
            continue
        try:
            found.append(parse(one))
        except InputError as error:
            problems.extend(f"linear: feature {one!r}: {p}" for p in error.problems)
    if not problems and len({e.text for e in found}) < len(found):
        twice = next(e.text for i, e in enumerate(found) if e.text in [f.text for f in found[:i]])
        problems.append(f"linear: feature {twice!r} stands twice; give each once")
    if problems:
        raise InputError(problems)
    return tuple(found)


def _units(given: Any, names: Sequence[str]) -> tuple[float | None, ...]:
    if given is None:
        return (None,) * len(names)
    if not isinstance(given, Mapping):
        raise InputError(f'linear: unit: {shown(given)}; give a unit by feature, such as {{ "{names[0]}" = 1 }}')
    problems = [
        f"linear: unit: {key!r} is no feature; {suggestion(str(key), names)}" for key in given if key not in names
    ]
    values = {name: finite(given[name]) for name in names if name in given}
    problems += [
        f"linear: unit: {name!r}: {shown(given[name])}; give the size of {name!r} to which one weight belongs, a positive number"
        for name, value in values.items()
        if value is None or not 1e-150 <= value <= 1e150
    ]
    if problems:
        raise InputError(problems)
    return tuple(values.get(name) for name in names)


def _sd(given: Any) -> float | None:
    if given == "sphere":
        return None
    if isinstance(given, Mapping) and list(given) == ["normal"]:
        sd = finite(given["normal"])
        if sd is not None and 1e-6 <= sd <= 1e6:
            return sd
        raise InputError(
            f"linear: prior: normal: {shown(given['normal'])}; give the standard deviation of a weight, positive"
        )
    raise InputError(f'linear: prior: {shown(given)}; give "sphere" or {{ normal = sd }}')


@dataclass(frozen=True)
class Combination(Expression):
    """A reward that adds up features with given coefficients: one member of a family."""

    features: tuple[Expression, ...] = ()
    coefficients: tuple[float, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The distinct columns that its features name."""
        return tuple(dict.fromkeys(c for e in self.features for c in e.columns))

    def check(self, is_boolean: Callable[[str], bool]) -> None:
        """Refuse logic on numbers in a feature."""
        for feature in self.features:
            feature.check(is_boolean)

    def evaluate(self, column: Callable[[str], np.ndarray]) -> np.ndarray | float:
        """Add up."""
        total: Any = 0.0
        for feature, coefficient in zip(self.features, self.coefficients, strict=True):
            if coefficient:
                total = total + coefficient * feature.evaluate(column)
        return total

    def bounded(
        self, column: Callable[[str], np.ndarray], bound: Callable[[str], Bound]
    ) -> tuple[np.ndarray | float, np.ndarray | float]:
        """Add up, with the bound ``n eps sum_k |w_k x_k|`` of the rounding error of n features."""
        del bound  # that of the sum covers those of the cells
        pairs = zip(self.features, self.coefficients, strict=True)
        size = sum(
            (np.abs(coefficient * feature.evaluate(column)) for feature, coefficient in pairs if coefficient), 0.0
        )
        return self.evaluate(column), len(self.features) * EPS * size


def combination(features: Sequence[Expression], coefficients: Any) -> Combination:
    """Fix the weights of a family, in units of the features as they are."""
    return Combination("", (), tuple(features), tuple(float(c) for c in coefficients))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What the data say about the weights of a family.

    Attributes
    ----------
    linear : Linear
    scale : ndarray (feature,)
        Unit of each feature: its standard deviation over the rows fitted, unless another was given.
    mean : ndarray (feature,)
        Posterior mean of the weights.
    weights : ndarray (draw, feature)
        Draws of the weights from ``p(w | D)``, exchangeable.
    nuisances : dict of str to ndarray (draw,)
        The nuisances drawn with them, by the variable that holds them.
    method : {"laplace", "prior", "smc", "nuts"}
        How the evidence was come by: Laplace's approximation and importance sampling, importance sampling from the prior,
        sequential Monte Carlo, or NUTS and bridge sampling.
    k_hat : float
        Pareto shape of the importance weights; NaN of sequential Monte Carlo and of NUTS.
    ess : float
        Effective number of draws behind `weights`.
    seen : ndarray (feature, rank)
        Orthonormal basis of the directions of weight that some feedback could see.
    directions_only : bool
        Whether of these feedback sees the direction alone, not how large a part of the weights they are.
    spreads : dict of str to ndarray (feature + 1, feature + 1)
        By variable of a rationality: ``s(w)^2 = (w, 1)' spread (w, 1)``, where rewards were scaled so.
    sampler : Sampler or None
        What NUTS reports, where it ran.
    """

    linear: Linear
    scale: np.ndarray
    mean: np.ndarray
    weights: np.ndarray
    nuisances: Mapping[str, np.ndarray] = field(default_factory=dict)
    method: str = "laplace"
    k_hat: float = np.nan
    ess: float = np.nan
    seen: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    directions_only: bool = False
    spreads: Mapping[str, np.ndarray] = field(default_factory=dict)
    sampler: Any = None

    def scales(self, variable: str, weights: np.ndarray) -> np.ndarray:
        """``s(w)`` of weights (draw, feature), as the feedback of that rationality scaled them: (draw,)."""
        full = np.concatenate([weights, np.ones((len(weights), 1))], axis=1)
        return np.sqrt(np.maximum(((full @ self.spreads[variable]) * full).sum(axis=1), 0.0))

    def member(self, weights: np.ndarray) -> Combination:
        """The reward with these weights."""
        return combination(self.linear.features, np.asarray(weights) / self.scale)

    @property
    def typical(self) -> Combination:
        """The reward with the mean weights."""
        return self.member(self.mean)

    def redrawn(self, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The same weights with what no feedback sees drawn anew from the prior: (draw, feature).

        Two draws that share what is seen are what an agent and the truth are to one another after endless training.
        """
        n, (k, rank) = len(weights), self.seen.shape
        if rank == k:
            return weights
        seen = weights @ self.seen @ self.seen.T
        noise = rng.standard_normal((n, k))
        noise -= noise @ self.seen @ self.seen.T
        if self.linear.sd is not None:
            return seen + self.linear.sd * noise
        if self.directions_only and rank:
            full = seen / _length(seen) * np.sqrt(rng.chisquare(rank, n))[:, None] + noise
            return full / _length(full)
        return seen + noise / _length(noise) * np.sqrt(np.maximum(1 - (seen**2).sum(axis=1, keepdims=True), 0.0))

    @property
    def held(self) -> slice:
        """Which draws are those that an agent may hold; the others are for what is true."""
        return slice(0, 2 * max(1, len(self.weights) // 2), 2)

    def drawn(self, n: int) -> "Drawn":
        """Up to n members for an agent that holds the family, and as many, independent of these, for what is true."""
        held = self.held
        half = len(self.weights[held])
        n = max(1, min(n, half))
        agents, judges = self.weights[held][:n], self.weights[1 : 2 * half : 2][:n]
        judges = judges if len(judges) else agents  # of a single draw
        partners = self.redrawn(agents, np.random.default_rng([23, n]))
        return Drawn(
            self.linear.features,
            self.mean / self.scale,
            agents / self.scale,
            judges / self.scale,
            partners / self.scale,
            self.ess,
        )


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt((vectors**2).sum(axis=1, keepdims=True)), 1e-300)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A family on a test: draws of its coefficients, (member, feature).

    Attributes
    ----------
    mean : ndarray (feature,)
    agents, judges : ndarray (member, feature)
        Draws for an agent and, independent of them, for what is true.
    partners : ndarray (member, feature)
        What may be true for each of the agents after endless training: the same in all that feedback sees.
    ess : float
        Effective number of the draws that these were taken from.
    """

    features: tuple[Expression, ...]
    mean: np.ndarray
    agents: np.ndarray
    judges: np.ndarray
    partners: np.ndarray
    ess: float = np.inf

    @property
    def inflation(self) -> float:
        """How many times the variance of a mean of either is what independent draws would have, at most.

        Both come from one weighted sample, whose error they share.
        """
        return 1.0 + 2.0 * len(self.agents) / self.ess if self.ess > 0 else 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The distinct columns that its features name."""
        return tuple(dict.fromkeys(c for e in self.features for c in e.columns))
