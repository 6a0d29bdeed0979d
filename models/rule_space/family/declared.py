"""All rules over some features, as one hypothesis: `Rules`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.models.hypotheses.reward import ExpressionReward, Reward
from reward_hypotheses.models.priors.languages import Language, Letters, language_of
from reward_hypotheses.models.rule_space.characters import MOST_LITERALS
from reward_hypotheses.models.rule_space.space import MOST

KEYS = ("rules", "at_most", "reward", "prior", "multipliers", "thresholds", "source")
PRIORS = ("uniform", "feature sets")
MOST_FEATURES, MOST_CUTS = 128, 64


@dataclass(frozen=True)
class OverRules:
    """The prior ``2^-bits`` over rules, in a language.

    Attributes
    ----------
    written : str or dict
        The language as a study file has it.
    language : Language
    """

    written: str | dict[str, Any]
    language: Language

    @property
    def name(self) -> str:
        """The prior in words."""
        return f"simplicity, {self.language.name}"


@dataclass(frozen=True, init=False)
class Rules(Reward):
    """Every Boolean function of at most k features, as one hypothesis.

    A rule f approves of an item or rejects it: ``r_f = reward[0]`` where f is true of the item, else ``reward[1]``. The
    hypothesis holds every distinct function that depends on at most `at_most` features, each once, the two constants
    included. Its evidence is ``sum_f p(f) p(D | f)``, exact for labels, and its rules have the posterior weights
    ``p(f) p(D | f) / sum``. A rule that is listed beside the space counts in both.

    A feature is a Boolean column, an expression with Boolean values, or a real column or expression. A real feature x
    enters by thresholds ``x > t``, each of which counts as a feature for `at_most`.

    Parameters
    ----------
    features : sequence of str
        Expressions over columns, at most 128.
    at_most : int
        k, from 1 to 4.
    reward : (float, float)
        Rewards of an item that a rule approves of, and of one that it rejects, in reward units; the first is greater.
    prior : "uniform", "feature sets" or Simplicity
        Over the rules. "uniform": each rule equally. "feature sets": uniform over sets of features, then over the rules
        that depend on exactly these. `Simplicity`: ``2^-bits`` of the shortest formula with ``~ & | == !=`` in its
        language. "letters" takes rules of at most 3 features.
    multipliers : dict of str to float, optional
        Factor of the prior odds of every rule that depends on a feature: a human value. Or, for each feature,
        ``{"value": 8, "source": "..."}``.
    thresholds : int or dict of str to list of float
        Number of cuts of each real feature, at quantiles of the training items; or the cuts of each real feature.
    source : str
        Why these features, this prior and these multipliers: they are human values.

    Raises
    ------
    InputError
        No features, one that does not parse or stands twice, k out of range, rewards in the wrong order, another prior,
        a multiplier that is negative or has no feature, two thresholds alike, no source.
    """

    space: ClassVar[bool] = True
    no_length: ClassVar[str] = "is a space of rules, each with a length of its own,"

    features: tuple[Expression, ...]
    at_most: int
    reward: tuple[float, float]
    prior: str | OverRules
    factors: tuple[tuple[str, float, str | None], ...]
    thresholds: int | tuple[tuple[str, tuple[float, ...]], ...]
    source: str

    def __init__(
        self,
        features: Sequence[str],
        *,
        at_most: int = 3,
        reward: Sequence[float] = (100, -100),
        prior: Any = None,
        multipliers: Mapping[str, Any] | None = None,
        thresholds: Any = 8,
        source: str | None = None,
    ) -> None:
        made = _features(features)
        names = tuple(e.text for e in made)
        values = {
            "features": made,
            "at_most": _at_most(at_most),
            "reward": _reward(reward),
            "prior": prior_over_rules(prior),
            "factors": _factors(multipliers, names),
            "thresholds": _thresholds(thresholds, names),
        }
        for key, value in values.items():
            object.__setattr__(self, key, value)
        if isinstance(self.prior, OverRules) and isinstance(self.prior.language, Letters) and at_most > MOST_LITERALS:
            raise InputError(
                f"rules: prior: in 'letters' shortest formulas are known for at most {MOST_LITERALS} features; give at_most = "
                f"{MOST_LITERALS}, or the language 'rules'"
            )
        if not isinstance(source, str) or not source.strip():
            raise InputError(
                "rules: no source; say in source = ... why these features and this prior: they are a human value too"
            )
        object.__setattr__(self, "source", source)

    @property
    def names(self) -> tuple[str, ...]:
        """The features as they are written."""
        return tuple(e.text for e in self.features)

    @property
    def prior_name(self) -> str:
        """The prior over rules, in words."""
        return self.prior if isinstance(self.prior, str) else self.prior.name

    @property
    @override
    def text(self) -> str:
        more = "".join(f"; prior odds of rules that depend on {name} times {x:g}" for name, x, _ in self.factors)
        return (
            f"any rule of at most {self.at_most} of {', '.join(self.names)}; prior over rules: {self.prior_name}{more}"
        )

    @override
    def expressions(self, who: str) -> dict[str, Expression]:
        return {f"{who}: feature {e.text!r}": e for e in self.features}

    def under(self, prior: Any) -> "Rules":
        """Return the space under another prior over its rules."""
        stated = self.written()
        return Rules(stated.pop("rules"), **(stated | {"prior": prior_over_rules(prior)}))

    def without_multipliers(self) -> "Rules":
        """Return the space without multipliers."""
        stated = self.written() | {"prior": self.prior}
        return Rules(stated.pop("rules"), **{key: value for key, value in stated.items() if key != "multipliers"})

    def constant(self) -> ExpressionReward:
        """Return the rule that approves of every item."""
        return self.of("0 == 0")

    def of(self, rule: str) -> ExpressionReward:
        """Return the reward of one rule."""
        high, low = (repr(int(x) if x.is_integer() and abs(x) < 1e15 else x) for x in self.reward)
        return ExpressionReward(parse(f"where({rule}, {high}, {low})"))

    @override
    def written(self) -> dict[str, Any]:
        stated = self.prior
        out: dict[str, Any] = {
            "rules": list(self.names),
            "at_most": self.at_most,
            "reward": list(self.reward),
            "prior": stated if isinstance(stated, str) else {"name": "simplicity", "language": stated.written},
            "thresholds": self.thresholds
            if isinstance(self.thresholds, int)
            else {name: list(cuts) for name, cuts in self.thresholds},
            "source": self.source,
        }
        if self.factors:
            out["multipliers"] = {n: x if s is None else {"value": x, "source": s} for n, x, s in self.factors}
        return out


def rules_of(stated: Mapping[str, Any], *more: str) -> Rules:
    """Read a rule space from a study file.

    ``{ rules = [...], at_most = 3, reward = [100, -100], prior = ..., source = ... }``; InputError says what is wrong. Keys of
    `more` are read elsewhere.
    """
    for key in stated:
        if key not in (*KEYS, *more):
            raise InputError(f"{key!r} is unknown here; {suggestion(str(key), (*KEYS, *more))}")
    return Rules(stated["rules"], **{key: stated[key] for key in KEYS[1:] if key in stated})


def _features(stated: Any) -> tuple[Expression, ...]:
    if isinstance(stated, str) or not isinstance(stated, Sequence) or not stated:
        raise InputError(f'rules: {shown(stated)}; list the features, such as ["red_paint", "flags"]')
    if len(stated) > MOST_FEATURES:
        raise InputError(f"rules: {len(stated)} features; give at most {MOST_FEATURES}")
    features, problems = [], []
    for feature in stated:
        if not isinstance(feature, str):
            problems.append(f"rules: {shown(feature)} is no feature; write it as an expression, in quotes")
            continue
        try:
            features.append(parse(feature))
        except InputError as error:
            problems.extend(f"rules: feature {feature!r}: {p}" for p in error.problems)
    programs = [[(symbol.kind, symbol.value, symbol.name) for symbol in e.program] for e in features]
    if twice := [e.text for i, e in enumerate(features) if programs[i] in programs[:i]]:
        problems.append(f"rules: feature {twice[0]!r} stands twice; give each once")
    if problems:
        raise InputError(problems)
    return tuple(features)


def _at_most(stated: Any) -> int:
    if isinstance(stated, bool) or not isinstance(stated, (int, np.integer)) or not 1 <= stated <= MOST:
        raise InputError(
            f"rules: at_most: {shown(stated)}; give the most features of a rule, a whole number from 1 to {MOST}"
        )
    return int(stated)


def _reward(stated: Any) -> tuple[float, float]:
    pair = list(stated) if isinstance(stated, Sequence) and not isinstance(stated, str) else []
    numbers = [finite(x) for x in pair]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None or not -1e150 < numbers[1] < numbers[0] < 1e150:
        raise InputError(
            f"rules: reward: {shown(stated)}; give the reward of an approved item and the lower one of another, such as [100, -100]"
        )
    return float(numbers[0]), float(numbers[1])


def prior_over_rules(stated: Any) -> "str | OverRules":
    """Read a prior over rules."""
    if isinstance(stated, OverRules) or (isinstance(stated, str) and stated in PRIORS):
        return stated
    if isinstance(stated, Mapping) and stated.get("name") == "simplicity" and set(stated) <= {"name", "language"}:
        written, language = language_of(stated.get("language", "rules"))
    elif (
        hasattr(stated, "as_language") and hasattr(stated, "language") and not isinstance(stated, type)
    ):  # rh.Simplicity
        written, language = language_of(stated.language)
    else:
        choice = f'give {", ".join(map(repr, PRIORS))} or {{ name = "simplicity", language = "rules" }}'
        raise InputError(f"rules: prior: {'missing' if stated is None else shown(stated)}; {choice}")
    return OverRules(written, language)


def _factors(stated: Any, names: Sequence[str]) -> tuple[tuple[str, float, str | None], ...]:
    if stated is None:
        return ()
    if not isinstance(stated, Mapping):
        raise InputError(
            f'rules: multipliers: {shown(stated)}; give a factor by feature, such as {{ "{names[0]}" = 8 }}'
        )
    out, problems = [], []
    for key, value in stated.items():
        source = None
        if isinstance(value, Mapping):
            if unknown := [k for k in value if k not in ("value", "source")]:
                problems.append(f"rules: multipliers: {key!r}: {unknown[0]!r} is unknown; give value and source")
            source, value = value.get("source"), value.get("value")
            if not isinstance(source, str) or not source.strip():
                problems.append(f"rules: multipliers: {key!r}: no source; say whose value this is")
        number = finite(value)
        if key not in names:
            problems.append(f"rules: multipliers: {key!r} is no feature; {suggestion(str(key), names)}")
        elif number is None or not 0 <= number <= 1e9:
            problems.append(
                f"rules: multipliers: {key!r}: {shown(value)}; give a factor of the prior odds, from 0 to 1e9"
            )
        else:
            out.append((str(key), float(number), source))
    if problems:
        raise InputError(problems)
    return tuple(out)


def _thresholds(stated: Any, names: Sequence[str]) -> int | tuple[tuple[str, tuple[float, ...]], ...]:
    if isinstance(stated, (int, np.integer)) and not isinstance(stated, bool) and 1 <= stated <= MOST_CUTS:
        return int(stated)
    if not isinstance(stated, Mapping) or not stated:
        raise InputError(
            f"rules: thresholds: {shown(stated)}; give a number of cuts from 1 to {MOST_CUTS}, or the cuts of each real feature, "
            f'such as {{ "{names[0]}" = [0.5] }}'
        )
    out, problems = [], []
    for key, cuts in stated.items():
        values = [finite(x) for x in cuts] if isinstance(cuts, Sequence) and not isinstance(cuts, str) else []
        if key not in names:
            problems.append(f"rules: thresholds: {key!r} is no feature; {suggestion(str(key), names)}")
        elif not values or len(values) > MOST_CUTS or any(x is None for x in values):
            problems.append(f"rules: thresholds: {key!r}: {shown(cuts)}; list 1 to {MOST_CUTS} finite numbers")
        elif alike := [x for i, x in enumerate(values) if x in values[:i]]:
            problems.append(f"rules: thresholds: {key!r}: {alike[0]:g} stands twice; give each threshold once")
        else:
            out.append((str(key), tuple(sorted(float(x) for x in values if x is not None))))
    if problems:
        raise InputError(problems)
    return tuple(out)
