"""FailureJudgements: failure lines inferred from judges' answers.

Human values enter here, in `models/hypotheses/failure_line` and in `models/priors`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import Any, override

import numpy as np

from reward_hypotheses.data.errors import InputError, names_problems, shown
from reward_hypotheses.data.expressions.syntax import MAX_REWARD
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.rounding_error_bounds import all_equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.kinds.stops import Stops
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.hypotheses.value_source import source_problems
from reward_hypotheses.models.inference.special import log_sum_exp

FAR, WIDE = 40.0, 9.0
"""Nats below the top that are left out; standard deviations of the priors within which the mass is looked for."""
FIRST, NODES = (401, 41), (2401, 161)
"""Nodes of u and of log beta: where the mass is first looked for, and where it is then integrated."""
CELLS = 4_000_000
LEAST_SPREAD = 1e-10
"""Of the centre: a narrower prior is not told from it by floating point."""
TRUSTED = 0.01
"""Of a standard deviation: the largest error of a mean that is let pass."""


@dataclass(frozen=True, eq=False)
class Asked(Stops):
    """The items that judges were asked about.

    The input of an item is its reward itself, which is compared with failing.
    """

    @cached_property
    @override
    def observed(self) -> np.ndarray:
        return self.items.booleans(self.column, what="true where a judge would rather it did nothing, else false")

    def _instead_of_weights(self) -> str:
        return "judgements of failing do not weigh scenes: leave the column out, or give a row for each answer"

    @override
    def inputs(self, block: Block, h: int) -> np.ndarray:
        return np.broadcast_to(block.reward(h), block.shape)


def settings_problems(centre: Any, spread: Any, source: Any) -> list[str]:
    """Say what is wrong with the prior of the line, or with the source."""
    problems = source_problems(source)
    for key, stated in (("centre", centre), ("spread", spread)):
        for name, value in stated.items() if isinstance(stated, Mapping) else [("", stated)]:
            number = finite(value)
            where = f"{key}: {name!r}: " if name else f"{key}: "
            if number is None or abs(number) > MAX_REWARD or (key == "spread" and not number > 0):
                right = "a finite number" if key == "centre" else "a positive finite number"
                problems.append(f"{where}{shown(value)}; give {right}, in the units of the hypothesis's reward")
    return problems


def hypotheses_problems(centre: Any, spread: Any, names: Sequence[str], families: Sequence[str]) -> list[str]:
    """Say for which hypotheses no failure line can be inferred.

    These are hypotheses that a prior leaves out, and hypotheses with continuous weights.
    """
    problems: list[str] = []
    for key, stated in (("centre", centre), ("spread", spread)):
        if isinstance(stated, Mapping):
            problems += names_problems(stated, names, key, key, "give one for every hypothesis")
    return problems + [
        f"hypothesis {name!r} has continuous weights, of which a failure line cannot be inferred; state its line, and leave the "
        "judgements out"
        for name in families
    ]


@dataclass(frozen=True, eq=False)
class FailureJudgements:
    """Judges' answers about failing, item by item.

    The question is: "would you rather that it crashed here, or that it did nothing?". The model is
    ``p(rather nothing) = 1 / (1 + exp(-beta (u_h - r_h(item)) / s_h))``, s_h the standard deviation of ``r_h`` over
    the items. The prior of the failure line is ``u_h ~ Normal(centre_h, spread_h)`` in the reward units of h; the
    judges' rationality beta is lognormal, or a given number. Under each hypothesis, the answers inform the failure
    line (`failure_line`). The remaining uncertainty enters the risk (`risk_under_failure_judgements`).

    Parameters
    ----------
    table : Dataset, DataFrame or dict of arrays
        The items that were shown, with the features that hypotheses name.
    column : str
        True where a judge would rather that the agent had done nothing, that is, failed on purpose.
    centre, spread : float or dict of str to float
        Mean and standard deviation of the prior of u, one for all hypotheses or one each. They are human values, and
        have no default.
    source : str
        Who was asked, when, and how.
    rationality : float or dict
        beta, or its prior, by default ``{"dist": "lognormal", "mu": 0, "sigma": 1}``.

    Raises
    ------
    InputError
        No source; a centre or spread that is no number; a column without truth values; an item that is failing
        itself.
    """

    table: Any
    column: str
    _: KW_ONLY
    centre: float | Mapping[str, float]
    spread: float | Mapping[str, float]
    source: str
    rationality: Any = None

    def __post_init__(self) -> None:
        problems = settings_problems(self.centre, self.spread, self.source)
        for key in ("centre", "spread", "rationality"):
            if isinstance(stated := getattr(self, key), Mapping):
                object.__setattr__(self, key, dict(stated))
        try:
            if not isinstance(self.table, Table):  # whoever reads a Table knows which of its columns are boolean
                table = as_table(self.table)
                booleans = [c for c, v in table.columns.items() if v.is_boolean()]
                object.__setattr__(self, "table", table.with_booleans(booleans))
            _ = self.asked.observed
            failing = self.asked.items.failing()
            if failing is not None and failing.any():
                items = self.asked.items
                problems.append(
                    f"{items.source}: {items.where(int(np.argmax(failing)))}: is_failing is true, and how failing compares with "
                    "itself says nothing of where it lies; leave such items out"
                )
        except InputError as error:
            problems.extend(error.problems)
        if problems:
            raise InputError(problems)

    @cached_property
    def asked(self) -> Asked:
        """The answers, as feedback about items."""
        return Asked(self.table, self.column, rationality=self.rationality, name="failure judgements")

    def of_each(self, key: str, name: str) -> float:
        """Return centre or spread of the prior of one hypothesis's line."""
        stated = getattr(self, key)
        return float(stated[name] if isinstance(stated, Mapping) else stated)

    def lines(self, hypotheses: Hypotheses) -> "tuple[Line, ...]":
        """Return the posterior of each hypothesis's failure line.

        Raises
        ------
        InputError
            A hypothesis without centre or spread, with continuous weights, not computable on the items, or to which all of
            them are worth the same; an integral that is not to be trusted.
        """
        names, items = hypotheses.names, self.asked.items
        problems = hypotheses_problems(self.centre, self.spread, names, [names[h] for h in hypotheses.families])
        if hypotheses.unmodelled is not None:
            problems.append(
                f"hypothesis {names[hypotheses.unmodelled]!r} is unmodelled, and has no failure line that could be inferred; leave it, or "
                "the judgements, out"
            )
        problems += check_columns([(items, hypotheses.expressions())])
        if problems:
            raise InputError(problems)
        valuation = Valuation(hypotheses, items, stated_line(0.0, names))
        lines = []
        for h, name in enumerate(names):
            rewards = self.asked.rewards(valuation, h)
            scale = float((rewards - rewards[0]).std())  # no offset takes a digit away
            if all_equal(rewards, self.asked.errors(valuation, h)):
                problems.append(
                    f"hypothesis {name!r}: every item that was asked about is worth {float(rewards[0]):g}, so it has no scale; "
                    "ask about items that differ"
                )
                continue
            centre, spread = (self.of_each(key, name) for key in ("centre", "spread"))
            if not spread > LEAST_SPREAD * abs(centre):
                problems.append(
                    f"spread: {spread:g}, which is nothing beside a centre of {centre:g} (hypothesis {name!r}); give a wider one"
                )
                continue
            line = _line(rewards, self.asked.observed, centre, spread, scale, self.asked.rationality)
            if not line.error <= TRUSTED * line.sd:
                problems.append(
                    f"hypothesis {name!r}: its failure line is integrated to {line.error:.2g}, of a standard deviation of "
                    f"{line.sd:.2g}; give a spread, or a prior of the rationality, nearer to what was answered"
                )
            lines.append(line)
        if problems:
            raise InputError(problems)
        return tuple(lines)


@dataclass(frozen=True, eq=False)
class Line:
    """Posterior of one failure line, in reward units.

    Attributes
    ----------
    nodes, below : ndarray (node,)
        u, and ``P(u_h < node)``.
    mean, sd : float
    error : float
        Of the mean, by quadrature: its difference from the rule with every other node.
    log_evidence : float
        Nats: of the answers, given the hypothesis.
    rationality : float
        Mean of beta.
    """

    nodes: np.ndarray
    below: np.ndarray
    mean: float
    sd: float
    error: float
    log_evidence: float
    rationality: float

    def draws(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw u: (n,)."""
        return np.interp(rng.random(n), self.below, self.nodes)

    def quantile(self, p: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return quantiles of u."""
        return np.interp(p, self.below, self.nodes)

    def above(self, rewards: np.ndarray) -> np.ndarray:
        """Return the probability that an item of reward r is a catastrophe.

        ``P(u_h > r)``, of the shape of the rewards.
        """
        return 1.0 - np.interp(rewards, self.nodes, self.below)


def _line(
    rewards: np.ndarray, preferred: np.ndarray, centre: float, spread: float, scale: float, rationality: Any
) -> Line:
    """Return the posterior of one failure line.

    Integrates over u and log beta: on a grid over the priors, then on a finer grid where the mass was found.
    """
    values, _, place, _ = distinct(rewards)
    nothing = np.bincount(place, preferred.astype(float), len(values))
    other = np.bincount(place, 1.0 - preferred, len(values))

    def density(u: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the log density of u and log beta: (u, t)."""
        out = np.zeros((len(u), len(t)))
        step = max(1, CELLS // (len(u) * len(values)))
        gap = (u[:, None] - values) / scale  # (u, value)
        for i in range(0, len(t), step):
            z = gap[:, None, :] * np.exp(t[i : i + step, None])
            rest = np.log1p(np.exp(-np.abs(z)))
            out[:, i : i + step] = (np.minimum(z, 0) - rest) @ nothing + (np.minimum(-z, 0) - rest) @ other
        out += -0.5 * ((u[:, None] - centre) / spread) ** 2 - math.log(spread * math.sqrt(2 * math.pi))
        if isinstance(rationality, tuple):
            _, mu, sigma = rationality
            out += -0.5 * ((t - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))
        return out

    u = np.linspace(centre - WIDE * spread, centre + WIDE * spread, FIRST[0])
    if isinstance(rationality, tuple):
        t = np.linspace(rationality[1] - WIDE * rationality[2], rationality[1] + WIDE * rationality[2], FIRST[1])
    else:
        t = np.array([math.log(rationality)])
    for n_u, n_t in (FIRST, NODES):
        f = density(u, t)
        inside = f > f.max() - FAR
        u = np.linspace(*_ends(u, inside.any(axis=1)), n_u)
        t = t if len(t) == 1 else np.linspace(*_ends(t, inside.any(axis=0)), n_t)
    f = density(u, t)
    fine, coarse = _moments(u, t, f), _moments(u[::2], t[::2], f[::2, ::2])
    mean, sd, log_evidence, mass = fine
    steps = (mass[1:] + mass[:-1]) / 2
    below = np.concatenate([[0.0], np.cumsum(steps)])
    weight = np.exp(f - f.max())
    beta = float((weight.sum(axis=0) @ np.exp(t)) / weight.sum())
    error = abs(mean - coarse[0]) if sd > 2 * (u[1] - u[0]) else math.inf  # else the nodes are too far apart to tell
    return Line(u, below / below[-1], mean, sd, error, log_evidence, beta)


def _ends(nodes: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Return the nodes just outside the range of the given nodes.

    `inside` marks the nodes in the range: (node,) of bool.
    """
    some = np.flatnonzero(inside)
    return float(nodes[max(some[0] - 1, 0)]), float(nodes[min(some[-1] + 1, len(nodes) - 1)])


def _moments(u: np.ndarray, t: np.ndarray, f: np.ndarray) -> tuple[float, float, float, np.ndarray]:
    """Return mean, standard deviation, log evidence and density of u.

    By the trapezoid rule. The density (node,) is known up to a constant.
    """
    density = np.exp(f - f.max()).sum(axis=1)
    mass = density.copy()
    mass[[0, -1]] /= 2
    mean = float(mass @ u / mass.sum())
    sd = math.sqrt(float(mass @ (u - mean) ** 2 / mass.sum()))
    cell = math.log(u[1] - u[0]) + (math.log(t[1] - t[0]) if len(t) > 1 else 0.0)
    return mean, sd, float(f.max()) + math.log(float(mass.sum())) + cell, density


def log_mean(values: np.ndarray) -> float:
    """Return ``log mean exp(values)``."""
    return log_sum_exp(values) - math.log(len(values))
