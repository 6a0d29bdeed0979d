"""Proxies: which reward a designer wrote, for a world that the designer had in mind (inverse reward design)."""

import copy
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import MAX_REWARD
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.data.rounding import EPS, all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import LARGEST_COUNT, Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import chosen_by, less_their_mean, log_chosen
from reward_hypotheses.models.feedback.boltzmann.model import SCALED, Rational
from reward_hypotheses.models.feedback.boltzmann.sequential import Stages
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.mdp.occupancy import behaviour


@dataclass(frozen=True, eq=False)
class Proxy(Rational):
    """The reward that a designer wrote: ``p(chosen | r_h) = softmax_c(beta E[r_h of what candidate c would do] / s_h)``.

    Inverse reward design (Hadfield-Menell et al. 2017): a proxy is written for what it makes of the world that its designer
    had in mind, and is evidence of what was wanted there, not a reward to be taken literally elsewhere. In a table with
    options, ``E`` is the mean over scenes of r_h of the option that the proxy would choose; in an MDP,
    the expected discounted return under r_h of the proxy's optimal policy. Ties of a proxy, rewards of it that are equal up to
    rounding, are split uniformly. ``s_h`` is the population standard deviation of E over the candidates; a
    hypothesis under which they all do equally well predicts at chance.

    Candidates that behave alike are one: in a table those that choose the same options with the same probabilities, to 1e-9
    in every scene; in an MDP those that spend the same time in every state, to 1e-9 of it. An option that *is*
    failing is chosen only where a scene has no other; it is worth u_h.

    A proxy is silent between hypotheses under which the candidates do equally well in proportion, up to a constant.

    Parameters
    ----------
    table : table, or MDP
        The world that the designer had in mind: a table with options, or an `MDP`.
    chosen : str
        The candidate that was written.
    candidates : dict of str to str
        What might have been written, name -> expression over the table's columns, or over the features of the states.
    start : optional
        In an MDP, where episodes start: a state, weights by name, or an array (state,); unless given, any state that has not
        ended, each as likely.
    count : int, optional
        How many designers wrote it, each on their own: 1 unless given. A proxy is one answer, so no column holds it.
    rationality, scale, human, name
        As for every rational kind.

    Raises
    ------
    InputError
        A candidate that does not parse, or names a column that there is not; fewer than two that behave differently; a
        chosen one that is not among them; a table without options; a start that is no distribution.
    """

    kind: ClassVar[str] = "proxy"
    in_column: ClassVar[bool] = False
    asks: ClassVar[tuple[str, ...]] = ("table",)
    instead: ClassVar[Mapping[str, str]] = {"table": "mdp"}

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
        number = 1 if self.count is None else finite(self.count)
        if number is None or not 1 <= number <= LARGEST_COUNT or number != int(number):
            raise InputError(
                f"count: {shown(self.count)}; a proxy is one answer, so no column holds its count: give how many designers wrote it, "
                "a whole number from 1 to 10^12"
            )
        object.__setattr__(self, "count", None if number == 1 else int(number))
        super().__post_init__()
        object.__setattr__(self, "candidates", _texts(self.candidates))
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

    def with_table(self, table: Table) -> "Proxy":  # noqa: D102
        return replace(self, table=table, mdp=None if self.mdp is None else self.mdp.with_table(table))

    def settings(self) -> dict[str, Any]:  # noqa: D102
        found = {key: value for key, value in super().settings().items() if key not in ("mdp", "start")}
        found["candidates"] = tuple(self.candidates.items())
        if self.mdp is None:
            return found
        sizes = {"states": self.mdp.n_states, "actions": self.mdp.n_actions, "discount": self.mdp.discount}
        return found | sizes | ({} if self.start is None else {"start": str(self.start)})

    @property
    def proxies(self) -> np.ndarray:
        """What each candidate pays: (candidate, item)."""
        return self._pays[0]

    @property
    def _proxy_errors(self) -> np.ndarray:
        return self._pays[1]

    @cached_property
    def _pays(self) -> tuple[np.ndarray, np.ndarray]:
        """What each candidate pays, and bounds of its rounding errors: two arrays (candidate, item)."""
        # 0 and 1 are taken for false and true here, whatever other tables hold: only this one is asked
        table = self.table.with_booleans(c for c, column in self.table.columns.items() if column.is_boolean())
        given = {f"candidate {name!r}": parse(text) for name, text in self.candidates.items()}
        if problems := check_columns([(table, given)]):
            raise InputError(problems)
        failing = table.failing()
        out, errors = np.empty((2, len(given), table.n_items))
        for k, (who, expression) in enumerate(given.items()):
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
        """How probably each candidate chooses each option; in an MDP, for how long it is in each state: (candidate, item)."""
        if self.mdp is not None:
            return behaviour(self.mdp, self.proxies, self._start, self._proxy_errors)
        table, failing = self.table, self.table.failing()
        firsts = table.starts[:-1][np.diff(table.starts) > 0]
        lengths = np.diff(np.append(firsts, table.n_items))
        out = np.empty(self.proxies.shape)
        for k, (reward, error) in enumerate(zip(self.proxies, self._proxy_errors, strict=True)):
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
        """The class of each candidate (candidate,), and what each class does in a scene drawn at random (class, item)."""
        does = self.does
        first = [
            int(np.argmax((np.abs(does[: k + 1] - one) <= EQUAL * np.maximum(does[: k + 1], one)).all(axis=1)))
            for k, one in enumerate(does)
        ]
        kept, _, place, _ = distinct(np.array(first))
        if self.mdp is not None:
            return place, does[kept]
        filled = np.diff(self.table.starts)
        return place, does[kept] / int((filled > 0).sum())

    @cached_property
    def written(self) -> tuple[str, ...]:
        """Names of the candidates that are one, joined by ``=``: (class,)."""
        place = self._merged[0]
        return tuple(
            " = ".join(name for name, k in zip(self.candidates, place.tolist(), strict=True) if k == one)
            for one in range(int(place.max()) + 1)
        )

    @cached_property
    def units(self) -> np.ndarray:
        """The one choice that was made, (unit,)."""
        return np.zeros(1, int)

    @property
    def counts(self) -> np.ndarray | None:
        """How many designers wrote it: (unit,)."""
        return None if self.count is None else np.array([float(self.count)])

    def _instead_of_weights(self) -> str:
        return (
            "a proxy is about a world whose scenes count alike: leave the column out, or repeat the scenes that count for more, as "
            "rh.resample does (count says how many designers wrote the proxy)"
        )

    @property
    def tally(self) -> np.ndarray:
        """With a count: how many designers wrote each candidate, (unit, candidate)."""
        return self.tally_of_options()

    def tallies(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        return self.tallies_of_options(inputs, theta, n, rng)

    @cached_property
    def inside(self) -> np.ndarray:
        """Any of the candidates could be written: (unit, candidate)."""
        return np.ones((1, len(self._merged[1])), bool)

    @cached_property
    def observed(self) -> np.ndarray:
        """Which candidate was written: (unit, candidate) of bool."""
        chosen = self._merged[0][list(self.candidates).index(self.chosen)]
        return np.arange(self.inside.shape[1])[None] == chosen

    def dims(self, shape: tuple[int, ...]) -> tuple[str, ...]:  # noqa: D102
        return (f"{self.name}_item", f"{self.name}_candidate")[: len(shape)]

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """What each candidate would get of a feature: (unit, candidate)."""
        return self._got(np.asarray(values, float))[None]

    def constants(self) -> dict[str, np.ndarray]:
        """The names of the candidates."""
        return {"written": np.array(self.written)[None]}

    def _got(self, values: np.ndarray) -> np.ndarray:
        does = self._merged[1]
        return does @ np.where(does.any(axis=0), values, 0.0)

    @cached_property
    def _known(self) -> "WeakKeyDictionary[Valuation, dict[int, np.ndarray]]":
        return WeakKeyDictionary()

    def _worth(self, valuation: Valuation, h: int) -> np.ndarray:
        """What the candidates are worth less their mean, and bounds of the rounding errors: (2, unit, candidate)."""
        known = self._known.setdefault(valuation, {})
        if h not in known:
            reward = Feedback.at(self, valuation, h)
            error = self.errors(valuation, h) + SCALED * EPS * np.abs(reward)  # of each, and of their sum
            worth, of_worth = self._got(reward), self._got(error)
            known[h] = np.zeros((2, 1, len(worth)))
            if not all_equal(worth, of_worth):
                known[h] = np.stack([less_their_mean(worth[None], self.inside), of_worth[None]])
        return known[h]

    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """``E[r_h of what each candidate would do]`` less the mean over candidates: (unit, candidate); 0 if they are equal."""
        return self._worth(valuation, h)[0]

    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:  # noqa: D102
        return self._worth(valuation, h)[1]

    @property
    def root_share(self) -> float:  # noqa: D102
        return 1 / math.sqrt(self.inside.shape[1])

    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """Of what the candidates are worth: s_h is their standard deviation."""
        return less_their_mean(rewards, self.inside) / math.sqrt(rewards.shape[1])

    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:  # noqa: D102
        return less_their_mean(rewards, self.inside)

    def as_stages(self, said: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages:  # noqa: D102
        return Stages(2.0 - said, inside, counts)

    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:  # noqa: D102
        return log_chosen(self.beta(theta), inputs, observed, xp)

    def replicate(  # noqa: D102
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        return chosen_by(self.beta(theta), inputs, n, rng)

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Check how likely it was that this candidate would be written.

        It is one choice: a rationality that is inferred explains a strange one by little of it, so that nothing is found but
        where the rationality is known, or the candidates very many.
        """
        found = Feedback.check(self, valuation, evidence, weights, rng, lead)
        misfit: tuple[str, ...] = ()
        if found.misfit:
            misfit = (
                f"no hypothesis fits {self.name}: candidates as unlikely as {self.chosen!r} are written in {found.p:.1%} of "
                "replications; what was wanted may be a reward that nobody listed",
            )
        what = "log probability of the candidate that was written, nats: one choice, which tells little"
        return replace(found, what=what, misfit=misfit)


def _texts(given: Any) -> dict[str, str]:
    """Candidates, each an expression that parses."""
    if not isinstance(given, Mapping) or len(given) < 2:
        what = f"{len(given)} given" if isinstance(given, Mapping) else shown(given)
        raise InputError(f"candidates: {what}; give at least two that might have been written, name = expression")
    problems: list[str] = []
    for name, text in given.items():
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
    return dict(given)
