"""Reward hypotheses, and what they say about the items of a table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.models.hypotheses.linear import Drawn, Linear, linear_of
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled, Unseen, unmodelled_of

Reward = Expression | Linear | Drawn | Unmodelled | Unseen | Callable[..., Any]


@dataclass(frozen=True)
class Hypotheses:
    """Named rewards ``r_h(item)``, in order.

    Attributes
    ----------
    names : tuple of str
    rewards : tuple of Expression, Linear, Unmodelled or callable
        A callable takes a Dataset and returns a DataArray over its dims; a Linear is a family, its weights not known; an
        Unmodelled is no reward, but what holds where no other hypothesis does.
    columns : tuple of str
        Column order of the first feedback's table, which the simplicity language ``columns`` counts by.
    """

    names: tuple[str, ...]
    rewards: tuple[Reward, ...]
    columns: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of a hypothesis; InputError with a suggestion where there is none of that name."""
        if name not in self.names:
            raise InputError(f"{name!r} is no hypothesis; {suggestion(name, self.names)}")
        return self.names.index(name)

    @property
    def families(self) -> tuple[int, ...]:
        """Which of them have continuous weights."""
        return tuple(h for h, reward in enumerate(self.rewards) if isinstance(reward, Linear))

    @property
    def unmodelled(self) -> int | None:
        """Which of them is none of the others."""
        return next((h for h, r in enumerate(self.rewards) if isinstance(r, (Unmodelled, Unseen))), None)

    @property
    def rules(self) -> tuple[int, ...]:
        """Which of them are rewards: all but one that is unmodelled."""
        return tuple(h for h, r in enumerate(self.rewards) if not isinstance(r, (Unmodelled, Unseen)))

    @property
    def may_lack_line(self) -> list[str]:
        """Those that need no failure line: with continuous weights, or unmodelled."""
        return [n for n, r in zip(self.names, self.rewards, strict=True) if isinstance(r, (Linear, Unmodelled))]

    def family(self, h: int) -> Linear:
        """The family of rewards that a hypothesis is."""
        reward = self.rewards[h]
        assert isinstance(reward, Linear)
        return reward

    def only(self, which: Sequence[int]) -> "Hypotheses":
        """Some of them."""
        return Hypotheses(tuple(self.names[h] for h in which), tuple(self.rewards[h] for h in which), self.columns)

    def instead(self, of: Mapping[int, Reward]) -> "Hypotheses":
        """Other rewards for some of them."""
        return Hypotheses(self.names, tuple(of.get(h, r) for h, r in enumerate(self.rewards)), self.columns)

    def expressions(self) -> dict[str, Expression]:
        """Every expression that they rest on, by what names it in messages."""
        found: dict[str, Expression] = {}
        for name, reward in zip(self.names, self.rewards, strict=True):
            if isinstance(reward, Expression):
                found[f"hypothesis {name!r}"] = reward
            elif isinstance(reward, Linear):
                found |= {f"hypothesis {name!r}: feature {e.text!r}": e for e in reward.features}
        return found


def hypotheses_of(given: Mapping[str, Any], columns: Sequence[str] = ()) -> Hypotheses:
    """Read hypotheses from a mapping name -> expression, callable, Linear or Unmodelled.

    Raises
    ------
    InputError
        No hypothesis, an empty name, an expression that does not parse (all of them are named), an unmodelled hypothesis
        alone, beside another, or beside one with continuous weights.
    """
    if not isinstance(given, Mapping):
        raise InputError(
            f"hypotheses: {shown(given)}; give a dict, name = expression, such as {{'flags': '100 * flags'}}"
        )
    if not given:
        raise InputError("no hypothesis; give at least one, name = expression")
    problems: list[str] = []
    rewards: list[Reward] = []
    for name, reward in given.items():
        if not isinstance(name, str) or not name.strip():
            problems.append(f"hypothesis {name!r}: the name is empty; give it a name that a reader understands")
        elif isinstance(reward, (Linear, Unmodelled)) or callable(reward):
            rewards.append(reward)
        else:
            try:
                rewards.append(_in_braces(reward) if isinstance(reward, Mapping) else parse(reward))
            except InputError as error:
                problems.extend(f"hypothesis {name!r}: {p}" for p in error.problems)
    families = [name for name, reward in given.items() if _is(reward, Linear, "linear")]
    problems += unmodelled_problems(given)
    if len(families) > 1:  # their names are those of variables
        problems += [
            f"hypothesis {n!r}: a '/' in it; name a linear hypothesis beside others without"
            for n in families
            if "/" in n
        ]
    if problems:
        raise InputError(problems)
    return Hypotheses(tuple(given), tuple(rewards), tuple(columns))


def _in_braces(given: Mapping[str, Any]) -> Linear | Unmodelled:
    return unmodelled_of(given) if "unmodelled" in given else linear_of(given)


def _is(reward: Any, kind: type, key: str) -> bool:
    return isinstance(reward, kind) or (isinstance(reward, Mapping) and key in reward)


def unmodelled_problems(given: Mapping[str, Any]) -> list[str]:
    """Say why hypotheses cannot stand beside one that is unmodelled, name -> as it was given or read."""
    none = [name for name, reward in given.items() if _is(reward, Unmodelled, "unmodelled")]
    families = [name for name, reward in given.items() if _is(reward, Linear, "linear")]
    if len(none) > 1:
        return [f"hypotheses {' and '.join(map(repr, none))} are both unmodelled; there can be one"]
    if none and len(given) == 1:
        return [f"hypothesis {none[0]!r} is none of the others, and there are no others; list a rule beside it"]
    if none and families:
        return [
            f"hypothesis {none[0]!r} is unmodelled and {families[0]!r} has continuous weights; cells are vectors of what rules "
            "predict, and these predict nothing fixed, so give one or the other"
        ]
    return []


def weight_names(hypotheses: Hypotheses, h: int) -> tuple[str, str]:
    """Variable and dimension of the weights of a family: ``reward_weight``, ``feature``; with its name where there are several."""
    if len(hypotheses.families) == 1:
        return "reward_weight", "feature"
    return f"{hypotheses.names[h]}_reward_weight", f"{hypotheses.names[h]}_feature"
