"""Proxies: the reward that a designer wrote for an intended world.

The method is inverse reward design.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, override
from weakref import WeakKeyDictionary

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import MAX_REWARD
from reward_hypotheses.data.numerics import count_of, distinct
from reward_hypotheses.data.rounding_error_bounds import EPS, all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.centring import SCALED, less_their_mean
from reward_hypotheses.models.feedback.boltzmann.model import OneOfOptions
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.evidence import Check, Weighed, misfit_in_words
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.occupancy import behaviour


@dataclass(frozen=True, eq=False)
class Proxy(OneOfOptions):
    """Proxy: the reward that a designer wrote for an intended world.

    ``p(chosen | r_h) = softmax_c(beta E[r_h of what candidate c would do] / s_h)``: inverse reward design
    (Hadfield-Menell et al. 2017). A designer writes a proxy for its effect in the intended world. The proxy is
    evidence of the reward wanted there, and is not taken literally elsewhere.

    In a table with options, ``E`` is the mean over scenes of r_h of the option that the candidate would choose. In an
    MDP, ``E`` is the expected discounted return under r_h of the candidate's optimal policy. Options with equal
    reward by a candidate, up to rounding, are chosen uniformly. ``s_h`` is the population standard deviation of E
    over the candidates. A hypothesis under which all candidates do equally well predicts at chance.

    Candidates that behave alike are merged. In a table, they choose the same options with the same probabilities, to
    1e-9, in every scene; in an MDP, they spend the same time in every state, to 1e-9 of that time. An option that
    *is* failing is worth u_h, and is chosen only where a scene has no other option.

    A proxy is silent between hypotheses whose E agree over the candidates, up to a positive factor and a constant.

    Parameters
    ----------
    table : table, or MDP
        The intended world: a table with options, or an `MDP`.
    chosen : str
        The candidate that was written.
    candidates : dict of str to str
        The alternatives, name -> expression over the table's columns, or over the features of the states.
    start : optional
        In an MDP, where episodes start: a state, weights by name, or an array (state,). By default, every state that
        has not ended is equally likely.
    count : int, optional
        Number of designers who wrote the proxy independently, 1 by default. A proxy is one answer, so no column holds
        the count.
    rationality, scale, human, name
        As for every rational kind.

    Raises
    ------
    InputError
        A candidate that does not parse, or names a missing column; fewer than two candidates that behave differently;
        a chosen candidate that is not listed; a table without options; a start that is no distribution.
    """

    kind: ClassVar[str] = "proxy"
    in_column: ClassVar[bool] = False
    second_dim: ClassVar[str] = "candidate"
    asks: ClassVar[tuple[str, ...]] = ("table",)
    instead: ClassVar[Mapping[str, str]] = {"table": "mdp"}
    required: ClassVar[dict[str, str]] = OneOfOptions.required | {
        "chosen": "name the candidate that was written",
        "candidates": "state what might have been written, candidates = { name = expression, ... }",
    }

    table: Any = None
    column: str = field(init=False, default="", repr=False)
    missing: str = field(init=False, default="error", repr=False)
    _: KW_ONLY
    chosen: str
    candidates: Mapping[str, str]
    mdp: Any = None
    start: Any = None

    def __post_init__(self) -> None:
        if isinstance(self.table, MDP):
            object.__setattr__(self, "mdp", self.table)
        if self.mdp is not None and not isinstance(self.mdp, MDP):
            raise InputError(f"mdp: a {type(self.mdp).__name__}; give rh.MDP(states, transitions, discount)")
        if self.mdp is not None:
            object.__setattr__(self, "table", self.mdp.table)
        number = 1 if self.count is None else count_of(self.count)
        if number is None:
            raise InputError(
                f"count: {shown(self.count)}; a proxy is one answer, so no column holds its count: give how many designers wrote it, "
                "a whole number from 1 to 10^12"
            )
        object.__setattr__(self, "count", None if number == 1 else int(number))
        super().__post_init__()
        object.__setattr__(self, "candidates", _parsed(self.candidates))
        object.__setattr__(self, "start", copy.deepcopy(self.start))
        if not isinstance(self.chosen, str) or self.chosen not in self.candidates:
            raise InputError(
                f"chosen: {shown(self.chosen)} is no candidate; {suggestion(str(self.chosen), self.candidates)}"
            )
        if self.mdp is None and not self.table.has_options:
            raise InputError(
                f"{self.table.source}: {self.kind} needs options for a candidate to choose from; give a column 'option' (and "
                "'scene'), or an MDP"
            )
        if self.mdp is None and self.start is not None:
            raise InputError(
                f"start: {shown(self.start)}; it goes with an MDP, in which something starts; leave it out"
            )
        if self.inside.shape[1] < 2:
            raise InputError(
                f"candidates: all {len(self.candidates)} behave alike in {self.table.source}, so which was written says "
                "nothing; give at least two that do different things there"
            )

    @override
    def with_table(self, table: Table) -> Self:
        return replace(self, table=table, mdp=None if self.mdp is None else self.mdp.with_table(table))

    @override
    def settings(self) -> dict[str, Any]:
        settings = {key: value for key, value in super().settings().items() if key not in ("mdp", "start")}
        settings["candidates"] = tuple(self.candidates.items())
        if self.mdp is None:
            return settings
        sizes = {"states": self.mdp.n_states, "actions": self.mdp.n_actions, "discount": self.mdp.discount}
        return settings | sizes | ({} if self.start is None else {"start": str(self.start)})

    @cached_property
    def proxies(self) -> tuple[np.ndarray, np.ndarray]:
        """Rewards by each candidate, and bounds of their rounding errors.

        Two arrays (candidate, item).
        """
        # 0 and 1 are taken for false and true here, whatever other tables hold: only this one is asked
        table = self.table.with_booleans(c for c, column in self.table.columns.items() if column.is_boolean())
        expressions = {f"candidate {name!r}": parse(text) for name, text in self.candidates.items()}
        if problems := check_columns([(table, expressions)]):
            raise InputError(problems)
        failing = table.failing()
        out, errors = np.empty((2, len(expressions), table.n_items))
        for k, (who, expression) in enumerate(expressions.items()):
            out[k], errors[k] = expression.bounded(
                lambda name: table.columns[name].values, lambda name: table.columns[name].bound
            )
            wrong = ~(np.abs(out[k]) <= MAX_REWARD)
            if failing is not None:
                wrong &= ~failing
            if wrong.any():
                item = int(np.argmax(wrong))
                raise InputError(
                    f"{table.source}: {table.where(item)}: {who} is {out[k, item]:g}; it must be a finite number below 1e150 on "
                    "every available item"
                )
        return out, errors

    @cached_property
    def does(self) -> np.ndarray:
        """Behaviour of each candidate: (candidate, item).

        The probability of choosing each option; in an MDP, the time in each state.
        """
        proxies, errors = self.proxies
        if self.mdp is not None:
            return behaviour(self.mdp, proxies, self._start, errors)
        table, failing = self.table, self.table.failing()
        firsts = table.starts[:-1][np.diff(table.starts) > 0]
        lengths = np.diff(np.append(firsts, table.n_items))
        out = np.empty(proxies.shape)
        for k, (reward, error) in enumerate(zip(proxies, errors, strict=True)):
            real = reward if failing is None else np.where(failing, -np.inf, reward)
            top = np.repeat(np.maximum.reduceat(real, firsts), lengths)
            of_top = np.repeat(np.maximum.reduceat(np.where(real == top, error, 0.0), firsts), lengths)
            best = real >= top - 2 * (error + of_top)
            out[k] = best / np.repeat(np.add.reduceat(best.astype(float), firsts), lengths)
        return out

    @property
    def _start(self) -> np.ndarray:
        if self.start is not None:
            return np.asarray(self.mdp.start(self.start))
        going = ~self.mdp.ended
        return going / max(int(going.sum()), 1)

    @cached_property
    def _merged(self) -> tuple[np.ndarray, np.ndarray]:
        """The class of each candidate, and the behaviour of each class.

        Two arrays: (candidate,), and (class, item) in a random scene.
        """
        does = self.does
        first = [
            int(np.argmax((np.abs(does[: k + 1] - row) <= EQUAL * np.maximum(does[: k + 1], row)).all(axis=1)))
            for k, row in enumerate(does)
        ]
        representatives, _, place, _ = distinct(np.array(first))
        scenes = 1 if self.mdp is not None else int((np.diff(self.table.starts) > 0).sum())
        return place, does[representatives] / scenes

    @cached_property
    def written(self) -> tuple[str, ...]:
        """Names of the candidates that are merged, joined by ``=``: (class,)."""
        place = self._merged[0]
        return tuple(
            " = ".join(name for name, k in zip(self.candidates, place.tolist(), strict=True) if k == merged)
            for merged in range(int(place.max()) + 1)
        )

    @cached_property
    @override
    def units(self) -> np.ndarray:
        """The single choice that was made: (1,)."""
        return np.zeros(1, int)

    @property
    @override
    def counts(self) -> np.ndarray | None:
        """Number of designers who wrote the proxy: (unit,), or None for one."""
        return None if self.count is None else np.array([float(self.count)])

    @override
    def _instead_of_weights(self) -> str:
        return (
            "a proxy is about a world whose scenes count alike: leave the column out, or repeat the scenes that count for more, as "
            "rh.resample does (count says how many designers wrote the proxy)"
        )

    @cached_property
    @override
    def inside(self) -> np.ndarray:
        """Any of the candidates could be written: (unit, candidate)."""
        return np.ones((1, len(self._merged[1])), bool)

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        """The candidate that was written: (unit, candidate) of bool."""
        chosen = self._merged[0][list(self.candidates).index(self.chosen)]
        return np.arange(self.inside.shape[1])[None] == chosen

    @override
    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Return the amount of a feature that each candidate would get: (unit, candidate)."""
        return self._got(np.asarray(values, float))[None]

    @override
    def constants(self) -> dict[str, np.ndarray]:
        """Return the names of the candidates."""
        return {"written": np.array(self.written)[None]}

    def _got(self, values: np.ndarray) -> np.ndarray:
        does = self._merged[1]
        return does @ np.where(does.any(axis=0), values, 0.0)

    @cached_property
    def _known(self) -> "WeakKeyDictionary[Valuation, dict[int, np.ndarray]]":
        return WeakKeyDictionary()

    def _worth(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return the worth of the candidates less its mean, and error bounds.

        Shape (2, unit, candidate), reward units.
        """
        known = self._known.setdefault(valuation, {})
        if h not in known:
            reward = Feedback.at(self, valuation, h)
            error = self.errors(valuation, h) + SCALED * EPS * np.abs(reward)  # of each, and of their sum
            worth, of_worth = self._got(reward), self._got(error)
            known[h] = np.zeros((2, 1, len(worth)))
            if not all_equal(worth, of_worth):
                known[h] = np.stack([less_their_mean(worth[None], self.inside), of_worth[None]])
        return known[h]

    @override
    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return the expected reward of each candidate less its mean.

        ``E[r_h of what each candidate would do]``: (unit, candidate), 0 where all are equal.
        """
        return self._worth(valuation, h)[0]

    @override
    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        return self._worth(valuation, h)[1]

    @property
    @override
    def root_share(self) -> float:
        return 1 / math.sqrt(self.inside.shape[1])

    @override
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """Return deviations of the candidates' worth from its mean.

        Their length is the standard deviation.
        """
        return less_their_mean(rewards, self.inside) / math.sqrt(rewards.shape[1])

    @override
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        return less_their_mean(rewards, self.inside)

    @override
    def as_stages(self, answers: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:
        return Stages(2.0 - answers, inside, counts)

    @override
    def _check(self, over: Weighed, rng: np.random.Generator) -> Check:
        """Check how probable the written candidate was.

        It is one choice, and an inferred rationality explains a strange choice by its low value. So a misfit shows only
        where the rationality is known, or the candidates are very many.
        """
        check = Feedback._check(self, over, rng)
        misfit: tuple[str, ...] = ()
        if check.misfit:
            what = f"the candidate {self.chosen!r} is improbable under the leading hypothesis {over.lead_name!r}"
            misfit = (misfit_in_words(str(self.name), what, check.p, check.replications),)
        what = "log probability of the candidate that was written, nats: one choice, which tells little"
        return replace(check, what=what, misfit=misfit)


def _parsed(candidates: Any) -> dict[str, str]:
    """Read candidates, each an expression that parses: name -> text."""
    if not isinstance(candidates, Mapping) or len(candidates) < 2:
        what = f"{len(candidates)} given" if isinstance(candidates, Mapping) else shown(candidates)
        raise InputError(f"candidates: {what}; give at least two that might have been written, name = expression")
    problems: list[str] = []
    for name, text in candidates.items():
        if not isinstance(name, str) or not name.strip():
            problems.append(f"candidates: {shown(name)}: the name is empty; give it a name that a reader understands")
        elif not isinstance(text, str):
            problems.append(f"candidate {name!r}: {shown(text)} is no expression; write it in quotes")
        else:
            try:
                parse(text)
            except InputError as error:
                problems.extend(f"candidate {name!r}: {p}" for p in error.problems)
    if problems:
        raise InputError(problems)
    return dict(candidates)
