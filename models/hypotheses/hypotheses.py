"""Reward hypotheses: named rewards, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.linear import Linear, linear_of
from reward_hypotheses.models.hypotheses.none_of_the_above import CellPosterior, Unmodelled, unmodelled_of
from reward_hypotheses.models.hypotheses.reward import CallableReward, Reward, reward_of
from reward_hypotheses.models.rule_space.family.declared import Rules, rules_of

if TYPE_CHECKING:
    from reward_hypotheses.models.rule_space.family.fitted import FittedRules


@dataclass(frozen=True)
class Hypotheses:
    """Named rewards ``r_h(item)``, in order.

    Attributes
    ----------
    names : tuple of str
    rewards : tuple of Reward
        Expressions and callables are taken as rewards too.
    columns : tuple of str
        Column order of the first feedback's table, which the simplicity language ``columns`` counts by.
    """

    names: tuple[str, ...]
    rewards: tuple[Reward, ...]
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rewards", tuple(map(reward_of, self.rewards)))

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the position of a hypothesis.

        InputError suggests a name where no hypothesis has the given one.
        """
        if name not in self.names:
            raise InputError(f"{name!r} is no hypothesis; {suggestion(name, self.names)}")
        return self.names.index(name)

    @property
    def families(self) -> tuple[int, ...]:
        """Positions of the hypotheses with continuous weights."""
        return tuple(h for h, reward in enumerate(self.rewards) if reward.continuous)

    @property
    def fixed(self) -> tuple[int, ...]:
        """Positions of the hypotheses that are one fixed reward each."""
        fixed = (h for h, r in enumerate(self.rewards) if r.predicts and not r.continuous and not r.space)
        return tuple(fixed)

    @property
    def spaces(self) -> tuple[int, ...]:
        """Positions of the hypotheses that are spaces of rules."""
        return tuple(h for h, reward in enumerate(self.rewards) if reward.space)

    @property
    def unmodelled(self) -> int | None:
        """Position of the unmodelled hypothesis ("none of the others"), or None."""
        return next((h for h, reward in enumerate(self.rewards) if not reward.predicts), None)

    @property
    def rules(self) -> tuple[int, ...]:
        """Positions of the hypotheses that are rewards.

        All hypotheses but an unmodelled one.
        """
        return tuple(h for h, reward in enumerate(self.rewards) if reward.predicts)

    @property
    def may_lack_line(self) -> list[str]:
        """Names of the hypotheses that need no failure line.

        These have continuous weights, or are unmodelled.
        """
        return [name for name, reward in zip(self.names, self.rewards, strict=True) if not reward.needs_line]

    def family(self, h: int) -> Linear:
        """Return the declaration of a hypothesis with continuous weights."""
        declared = self.rewards[h].declared
        assert isinstance(declared, Linear)
        return declared

    def rule_space(self, h: int) -> Rules:
        """Return the declaration of a space of rules."""
        declared = self.rewards[h].declared
        assert isinstance(declared, Rules)
        return declared

    def refuse_spaces(self, what: str) -> None:
        """Refuse spaces of rules where only single rewards will do.

        Raises
        ------
        InputError
            A hypothesis is a space of rules; `what` says what does not take one.
        """
        if self.spaces:
            raise InputError(
                f"hypothesis {self.names[self.spaces[0]]!r} is a space of rules, which {what} does not take; list the rules that "
                "matter as expressions (rh.top_rules names them)"
            )

    @property
    def fitted_spaces(self) -> "dict[int, FittedRules]":
        """The posterior of the rules of each space, by position."""
        return {h: cast("FittedRules", self.rewards[h]) for h in self.spaces}

    @property
    def fitted(self) -> dict[int, Fitted]:
        """The posterior of the weights of each fitted family, by position."""
        return {h: cast(Fitted, self.rewards[h]) for h in self.families}

    @property
    def cell_posterior(self) -> CellPosterior | None:
        """The posterior of the label probability of every cell, once fitted.

        None where no hypothesis is unmodelled.
        """
        none = self.unmodelled
        return None if none is None else cast(CellPosterior, self.rewards[none])

    def only(self, which: Sequence[int]) -> "Hypotheses":
        """Return some of the hypotheses."""
        return Hypotheses(tuple(self.names[h] for h in which), tuple(self.rewards[h] for h in which), self.columns)

    def instead(self, rewards: Mapping[int, Any]) -> "Hypotheses":
        """Return the hypotheses with other rewards for some of them."""
        return Hypotheses(self.names, tuple(rewards.get(h, r) for h, r in enumerate(self.rewards)), self.columns)

    def beside(self, others: "Hypotheses", names: Sequence[str] | None = None) -> "Hypotheses":
        """Return the hypotheses followed by others.

        `names` may give the others new names.
        """
        names = others.names if names is None else names
        return Hypotheses((*self.names, *names), self.rewards + others.rewards, self.columns)

    def typical(self) -> "Hypotheses":
        """Return the hypotheses with each family at its mean weights."""
        return replace(self, rewards=tuple(reward.typical for reward in self.rewards))

    def on_test(self, n_draws: int) -> "Hypotheses":
        """Return the hypotheses as a test evaluates them.

        Each family is evaluated by at most `n_draws` draws.
        """
        return replace(self, rewards=tuple(reward.on_test(n_draws) for reward in self.rewards))

    def written(self) -> dict[str, Any]:
        """Return each reward by name, as a study file and a tree hold it."""
        return {name: reward.written() for name, reward in zip(self.names, self.rewards, strict=True)}

    def expressions(self) -> dict[str, Expression]:
        """Return every expression of the rewards, by its name in messages."""
        pairs = zip(self.names, self.rewards, strict=True)
        return {who: e for name, reward in pairs for who, e in reward.expressions(f"hypothesis {name!r}").items()}


def hypotheses_of(rewards_by_name: Mapping[str, Any], columns: Sequence[str] = ()) -> Hypotheses:
    """Read hypotheses from a mapping of names to rewards.

    A reward is an expression, a callable, `Linear`, `Rules` or `Unmodelled`.

    Raises
    ------
    InputError
        No hypothesis, an empty name, an expression that does not parse (all of them are named), an unmodelled hypothesis
        alone, beside another, or beside one with continuous weights.
    """
    if not isinstance(rewards_by_name, Mapping):
        raise InputError(
            f"hypotheses: {shown(rewards_by_name)}; give a dict, name = expression, such as {{'flags': '100 * flags'}}"
        )
    if not rewards_by_name:
        raise InputError("no hypothesis; give at least one, name = expression")
    problems: list[str] = []
    rewards: list[Reward] = []
    for name, reward in rewards_by_name.items():
        if not isinstance(name, str) or not name.strip():
            problems.append(f"hypothesis {name!r}: the name is empty; give it a name that a reader understands")
            continue
        try:
            rewards.append(_reward(reward))
        except InputError as error:
            problems.extend(f"hypothesis {name!r}: {p}" for p in error.problems)
    families = _of_kind(rewards_by_name, Linear, "linear")
    problems += unmodelled_problems(rewards_by_name)
    if len(families) > 1:  # their names are those of variables
        problems += [
            f"hypothesis {n!r}: a '/' in it; name a linear hypothesis beside others without"
            for n in families
            if "/" in n
        ]
    if problems:
        raise InputError(problems)
    return Hypotheses(tuple(rewards_by_name), tuple(rewards), tuple(columns))


def _reward(stated: Any) -> Reward:
    if isinstance(stated, Reward):
        return stated
    if callable(stated):
        return CallableReward(stated)
    if isinstance(stated, Mapping):
        if "rules" in stated:
            return rules_of(stated)
        return unmodelled_of(stated) if "unmodelled" in stated else linear_of(stated)
    return reward_of(parse(stated))


def _of_kind(rewards_by_name: Mapping[str, Any], kind: type, key: str) -> list[str]:
    """Return the names of the rewards of a kind, as they were stated or read."""
    return [
        name
        for name, reward in rewards_by_name.items()
        if isinstance(reward, kind) or (isinstance(reward, Mapping) and key in reward)
    ]


def unmodelled_problems(rewards_by_name: Mapping[str, Any]) -> list[str]:
    """Say why hypotheses cannot stand beside an unmodelled hypothesis.

    `rewards_by_name` maps names to rewards, as they were stated or read.
    """
    none = _of_kind(rewards_by_name, Unmodelled, "unmodelled")
    families = _of_kind(rewards_by_name, Linear, "linear")
    if len(none) > 1:
        return [f"hypotheses {' and '.join(map(repr, none))} are both unmodelled; there can be one"]
    if none and len(rewards_by_name) == 1:
        return [f"hypothesis {none[0]!r} is none of the others, and there are no others; list a rule beside it"]
    if none and families:
        return [
            f"hypothesis {none[0]!r} is unmodelled and {families[0]!r} has continuous weights; cells are vectors of what rules "
            "predict, and these predict nothing fixed, so give one or the other"
        ]
    return []


def weight_names(hypotheses: Hypotheses, h: int) -> tuple[str, str]:
    """Return variable and dimension of the weights of a family.

    They carry the name of the family where there are several families.
    """
    if len(hypotheses.families) == 1:
        return "reward_weight", "feature"
    return f"{hypotheses.names[h]}_reward_weight", f"{hypotheses.names[h]}_feature"
