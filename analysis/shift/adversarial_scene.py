"""Search for the riskiest scene within ranges of features.

The search is by enumeration, or by coordinate ascent with restarts.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, islice
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.rollout import rollout
from reward_hypotheses.analysis.shift.worst_case import SAME
from reward_hypotheses.data.column import Column
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.shifts.shift_base import recorded
from reward_hypotheses.data.table import RESERVED, Table
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import study_in

MOST_VALUES = 10_000  # of one feature
AT_ONCE = 512  # kinds of option up to which a step looks at every one of them, else at the values of one feature
CHUNK = 20_000  # scenes valued at a time
PATIENCE = 3  # sweeps without a gain before a start is given up
ONE_BY_ONE = 50  # times fewer scenes are enumerated where each must be valued on its own


@dataclass(frozen=True, eq=False)
class WorstScene:
    """The scene of a box of features in which an agent's risk is highest.

    Attributes
    ----------
    risk, mcse : float
        The agent's risk in the scene, and its Monte Carlo standard error from sampled evidence.
    floor : float
        Lowest risk of an agent that always acts in the scene, ``min_o sum_j v_j K_j[o]``; 0 where the policy may abstain.
    exact : bool
        Whether every scene of the box was valued; otherwise `risk` is a lower bound of the highest risk.
    scenes : int
        Number of different scenes in the box, regardless of the order of options.
    evaluations : int
        Number of scenes valued.
    path : ndarray (step,)
        Highest risk (or avoidable risk) found after each step of the search; one number where all scenes were valued.
    words : str
    """

    risk: float
    mcse: float
    floor: float
    exact: bool
    scenes: int
    evaluations: int
    path: np.ndarray
    words: str
    _table: xr.Dataset

    def table(self) -> xr.Dataset:
        """Return the scene as a table, which records its choice by risk."""
        return self._table.copy()


def search_worst(
    tree: xr.DataTree,
    box: Mapping[str, Any],
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    options: int = 2,
    shared: Sequence[str] = (),
    avoidable: bool = False,
    restarts: int = 10,
    exhaustive: int = 100_000,
    seed: int = 0,
    agent_fail_utility: Any = None,
    hypotheses: Mapping[str, Any] | None = None,
) -> WorstScene:
    """Search a box of features for the scene in which the agent's risk is highest.

    Where the box holds few scenes, all are valued, and the answer is exact. Else the search is coordinate ascent. A step
    changes one option to its best value, or one feature of an option where there are too many kinds of option. Ties are
    broken at random. A start ends after three sweeps without a gain. The risk found by ascent is a lower bound.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    box : dict
        Feature -> its possible values: (low, high, step) for a range that includes both ends, a list of values, or ``bool``.
        The box has every feature that a hypothesis or a failure line reads.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`. A policy that scales rewards by the table that it acts on is given one scene at a time,
        which takes longer.
    options : int
        How many options the scene has.
    shared : sequence of str, optional
        Features of the scene, which are equal for all its options. Features that a failure line reads are always of the scene.
    avoidable : bool
        Whether to maximise the risk less the floor. Without it, a scene in which every option is worse than failing has
        the highest risk for every agent.
    restarts : int
        Starts of the search.
    exhaustive : int
        Number of scenes up to which all are valued.
    seed : int
        Seed of the starts and of the choice among equal values.

    Returns
    -------
    WorstScene
        ``table()``, the scene; ``risk``, ``mcse``, ``exact``, ``scenes``, ``evaluations``, ``path``, ``words``.

    Raises
    ------
    InputError
        A problem of the tree or the box, or a reward that is not finite in the box.
    """
    options, restarts = whole(options, "options", 1), whole(restarts, "restarts", 1)
    exhaustive, seed = whole(exhaustive, "exhaustive"), whole(seed, "seed")
    if not isinstance(box, Mapping) or not box:
        raise InputError("box: give a dict of features, such as {'red_paint': bool, 'depth': (0, 2, 0.5)}")
    of_scene = _shared(box, shared, tree, agent, agent_fail_utility)
    values = {name: _values(name, allowed) for name, allowed in box.items()}
    grid = _Grid(values, options, of_scene, _not_boolean(tree, agent))

    def case(table: Any) -> Case:
        return case_of(tree, table, policy, agent, agent_fail_utility, hypotheses)

    first = grid.table(np.zeros((1, options, len(grid.of_option)), int), np.zeros((1, len(grid.of_scene)), int))
    search = _Search(case(first), grid, bool(avoidable), substream(seed, "worst scene"))
    exact = grid.size <= (exhaustive // ONE_BY_ONE if search.case.policy.needs_scale else exhaustive)
    if exact:
        search.enumerate()
    else:
        search.ascend(restarts)
    assert search.best is not None
    table = grid.table(*search.best).to_dataset()
    table = table.assign({name: table[name].astype(column.dtype) for name, column in grid.columns.items()})
    return _worst_scene(case(table), search, table, values, 0 if exact else restarts)


def _worst_scene(
    case: Case, search: "_Search", table: xr.Dataset, values: Mapping[str, np.ndarray], restarts: int
) -> WorstScene:
    """Return the scene that a search ended with, its risk, and how it was chosen.

    Parameters
    ----------
    restarts : int
        Starts of the ascent; 0 where all scenes were valued.
    """

    def risk_of(case: Case) -> float:
        return float(case.rollout.risk[0])

    floor = 0.0 if case.policy.abstain else float(case.rollout.floor[0])
    risk, error = min(risk_of(case), 1.0), case.standard_errors(risk_of)
    described = {
        name: sorted(set(v.tolist())) if len(v) <= 12 else [*v[:2], "...", v[-1]] for name, v in values.items()
    }
    size, more = search.grid.size, "has more avoidable risk" if search.less_floor else "is worse"
    how = f"no other of the {size:,} scenes of the box {more}"
    if restarts:
        how = f"none that {more} was found among {search.evaluations:,} of {_many(size)} scenes, from {restarts} starts"
    return WorstScene(
        risk=risk,
        mcse=math.nan if error is None else float(error),
        floor=floor,
        exact=not restarts,
        scenes=size,
        evaluations=search.evaluations,
        path=np.array(search.path),
        words=f"The risk in this scene is {risk:.3g}, {floor:.3g} of it unavoidable; {how}.",
        _table=recorded(
            table,
            "search_worst",
            {"box": json.dumps(described), "options": search.grid.options},
            chosen_by="rh.search_worst",
            why="the agent does worst there",
        ),
    )


def _many(n: int) -> str:
    return f"{n:,}" if n < 10**12 else f"10^{math.log10(n):.0f}"


def _values(name: Any, allowed: Any) -> np.ndarray:
    """Return the possible values of a feature: (value,), bool or float."""
    if not isinstance(name, str) or name in RESERVED:
        raise InputError(f"box: {shown(name)} is no feature; name a column that is one")
    if allowed is bool:
        return np.array([False, True])
    right = "give (low, high, step), a list of values, or bool"
    if isinstance(allowed, tuple):
        ends = [finite(x) for x in allowed]
        if len(ends) != 3 or None in ends:
            raise InputError(f"box: {name!r}: {shown(allowed)}; {right}")
        low, high, step = (float(x) for x in ends if x is not None)
        if not step > 0 or low > high:
            raise InputError(f"box: {name!r}: {shown(allowed)}; low must be at most high, and step above 0")
        n = (high - low) / step
        if n >= MOST_VALUES:
            raise InputError(
                f"box: {name!r}: {shown(allowed)} are more than {MOST_VALUES:,} values; take a larger step"
            )
        return low + step * np.arange(math.floor(n + 1e-9) + 1)
    if not isinstance(allowed, (list, np.ndarray)) or not 0 < len(allowed) <= MOST_VALUES:
        raise InputError(f"box: {name!r}: {shown(allowed)}; {right}")
    listed = np.asarray(allowed)
    if listed.ndim != 1 or listed.dtype.kind not in "biuf" or not np.isfinite(listed.astype(float)).all():
        raise InputError(f"box: {name!r}: {shown(allowed)}; its values must be finite numbers, or true and false")
    return np.array(list(dict.fromkeys(listed.tolist())), listed.dtype if listed.dtype == bool else float)


def _shared(
    box: Mapping[str, Any], shared: Sequence[str], tree: xr.DataTree, agent: AgentLike, agent_fail_utility: Any
) -> list[str]:
    """Return the features of the scene: named by the user, or read by a failure line."""
    shared = [shared] if isinstance(shared, str) else list(shared)
    for name in shared:
        if name not in box:
            raise InputError(f"shared: {name!r} is not in the box; {suggestion(str(name), box)}")
    lines = [study["fail_utility"] for study in _studies(tree, agent)]
    if agent_fail_utility is not None:
        lines.append(agent_fail_utility if isinstance(agent_fail_utility, Mapping) else {"": agent_fail_utility})
    read = set(shared).union(*(stated_line(line, list(line), may_lack=list(line)).columns for line in lines))
    return [name for name in box if name in read]


def _studies(*trees: Any) -> list[dict[str, Any]]:
    """Return the studies that trees hold."""
    return [study_in(t) for t in trees if isinstance(t, xr.DataTree) and "study" in t.attrs]


def _not_boolean(tree: xr.DataTree, agent: AgentLike) -> set[str]:
    return {column for study in _studies(tree, agent) for column in study["not_boolean"]}


class _Grid:
    """Every scene of a box, as indices into the values of each feature.

    The indices have shape (scene, option, feature) for features of an option, and (scene, feature of the scene) for
    features of the scene.
    """

    def __init__(
        self, values: Mapping[str, np.ndarray], options: int, of_scene: Sequence[str], not_boolean: set[str]
    ) -> None:
        def column(name: str) -> np.ndarray:
            listed = values[name]
            boolean = name not in not_boolean and bool(((listed == 0) | (listed == 1)).all())
            return listed.astype(bool if boolean else float)

        self.options = options
        self.columns = {name: column(name) for name in values}
        self.of_option = {name: listed for name, listed in self.columns.items() if name not in of_scene}
        self.of_scene = {name: self.columns[name] for name in of_scene}
        self.lengths = tuple(len(v) for v in self.of_option.values())
        self.shared_lengths = tuple(len(v) for v in self.of_scene.values())
        self.kinds, self.settings = math.prod(self.lengths), math.prod(self.shared_lengths)
        self.size = math.comb(self.kinds + options - 1, options) * self.settings

    def table(self, of_option: np.ndarray, of_scene: np.ndarray) -> Table:
        n = len(of_option)
        columns = {name: Column(v[of_option[:, :, k]].ravel()) for k, (name, v) in enumerate(self.of_option.items())}
        for k, (name, v) in enumerate(self.of_scene.items()):
            columns[name] = Column(np.repeat(v[of_scene[:, k]], self.options))
        return Table(
            "box", "box", columns, np.arange(n + 1) * self.options, has_options=True, column_order=tuple(columns)
        )

    def option(self, kinds: np.ndarray) -> np.ndarray:
        """Return indices of feature values for kinds of option: (..., feature)."""
        return _unravelled(kinds, self.lengths)

    def setting(self, settings: np.ndarray) -> np.ndarray:
        """Return indices of feature values for settings of the scene.

        Shape (..., feature of the scene).
        """
        return _unravelled(settings, self.shared_lengths)

    def chunks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield all scenes, at most `CHUNK` at a time."""
        for setting in range(self.settings):
            scenes = combinations_with_replacement(range(self.kinds), self.options)
            while some := list(islice(scenes, CHUNK)):
                of_scene = np.repeat(self.setting(np.array([setting])), len(some), axis=0)
                yield self.option(np.array(some, int)), of_scene


def _unravelled(numbers: np.ndarray, lengths: tuple[int, ...]) -> np.ndarray:
    if not lengths:
        return np.zeros((*numbers.shape, 0), int)
    return np.stack(np.unravel_index(numbers, lengths), axis=-1)


class _Search:
    """A search for the riskiest scene, with the best scene found so far."""

    def __init__(self, case: Case, grid: _Grid, avoidable: bool, rng: np.random.Generator) -> None:
        self.case, self.grid, self.rng = case, grid, rng
        self.less_floor = avoidable and not case.policy.abstain
        self.best: tuple[np.ndarray, np.ndarray] | None = None
        self.risk, self.evaluations = -2.0, 0
        self.path: list[float] = []

    def value(self, of_option: np.ndarray, of_scene: np.ndarray) -> np.ndarray:
        """Return the risk of each scene, shape (scene,).

        The floor is subtracted where only avoidable risk counts.
        """
        case, test = self.case, self.case.valuation
        self.evaluations += len(of_option)
        size = 1 if case.policy.needs_scale else CHUNK
        agents_line = None if test.agent_line is test.line else test.agent_line
        risks = []
        for lo in range(0, len(of_option), size):
            table = self.grid.table(of_option[lo : lo + size], of_scene[lo : lo + size])
            some = Valuation(test.hypotheses, table, test.line, agents_line)
            acted = rollout(some, case.policy, case.agent_weights, case.judge_weights)
            risks.append(acted.risk - acted.floor if self.less_floor else acted.risk)
        return np.concatenate(risks)

    def keep(self, of_option: np.ndarray, of_scene: np.ndarray, risk: float) -> bool:
        if risk <= self.risk + SAME:
            return False
        self.best, self.risk = (of_option[None].copy(), of_scene[None].copy()), risk
        return True

    def enumerate(self) -> None:
        for of_option, of_scene in self.grid.chunks():
            risks = self.value(of_option, of_scene)
            worst = int(np.argmax(risks))
            self.keep(of_option[worst], of_scene[worst], float(risks[worst]))
        self.path.append(self.risk)

    def ascend(self, restarts: int) -> None:
        grid, rng = self.grid, self.rng
        for _ in range(restarts):
            of_option = np.zeros((grid.options, 0), int)
            if grid.lengths:
                of_option = np.stack([rng.integers(n, size=grid.options) for n in grid.lengths], axis=-1)
            self._from(of_option, np.array([rng.integers(n) for n in grid.shared_lengths], int))
            if self.risk >= 1 - SAME:  # nothing is worse
                return

    def _from(self, of_option: np.ndarray, of_scene: np.ndarray) -> None:
        """Ascend from one scene until `PATIENCE` sweeps bring no gain."""
        current, idle = -2.0, 0
        while idle < PATIENCE and self.risk < 1 - SAME:
            before = current
            for place in self.rng.permutation(len(self._places())).tolist():
                candidates = self._candidates(of_option, of_scene, self._places()[place])
                risks = self.value(*candidates)
                top = float(risks.max())
                best = np.flatnonzero(risks >= top - SAME)
                chosen = int(best[self.rng.integers(len(best))])
                of_option, of_scene, current = candidates[0][chosen], candidates[1][chosen], top
                self.keep(of_option, of_scene, top)
                self.path.append(self.risk)
            idle = 0 if current > before + SAME else idle + 1

    def _places(self) -> list[tuple[int, int]]:
        """Return the places that a step changes, as pairs (option, feature).

        Feature -1 stands for all features of the option, option -1 for features of the scene.
        """
        grid = self.grid
        features = [-1] if grid.kinds <= AT_ONCE else range(len(grid.lengths))
        return [(o, k) for o in range(grid.options) for k in features if grid.lengths] + [
            (-1, k) for k in range(len(grid.shared_lengths))
        ]

    def _candidates(
        self, of_option: np.ndarray, of_scene: np.ndarray, place: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        option, k = place
        grid = self.grid
        n = grid.shared_lengths[k] if option < 0 else grid.kinds if k < 0 else grid.lengths[k]
        many, settings = np.repeat(of_option[None], n, axis=0), np.repeat(of_scene[None], n, axis=0)
        if option < 0:
            settings[:, k] = np.arange(n)
        elif k < 0:
            many[:, option] = grid.option(np.arange(n))
        else:
            many[:, option, k] = np.arange(n)
        return many, settings
