"""Feedback: a noisy choice that reward explains, ``p(D | r_h, theta)``, and what it says about the hypotheses."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.rounding import CALLABLE, equal
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.block import Block
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import Nuisance

FEW = 8  # candidates that are compared with one another as they are
SUMMED = 1e-12  # of what is added up: what the order of a sum changes, at most
CHECKED = 1000  # replications of a predictive check
CHECKED_ANSWERS = 1000  # answers that it looks at, of rows with counts
LARGEST_COUNT = 1e12


@dataclass(frozen=True, eq=False)
class Feedback(ABC):
    """One kind of human feedback on the items of a table.

    Parameters
    ----------
    table : Table, Dataset, DataFrame or dict of arrays
    column : str
        The column that holds what was said.
    missing : {"error", "drop"}
        Whether items where nothing was said are wrong, or left out (and counted).
    name : str, optional
        Its kind, unless given.
    count : str, optional
        The column that says how often each answer was given, independently: whole numbers from 1 on, the same in all rows of
        a scene where the kind is about scenes. Everything is as if each row (or scene) stood there so often, at no cost.
    needs : tuple of str
        Further columns whose missing cells leave an item out where ``missing="drop"``: the features that hypotheses
        name, which `fit` and `run` fill in.
    """

    kind: ClassVar[str]
    exchangeable: ClassVar[bool] = False
    """Whether the likelihood of an item depends on nothing but its inputs, what was said of it and the nuisances, and its
    formula on nothing but the fields; items that are alike are then sampled as one with a count, and a compiled model is
    kept for other data."""

    in_column: ClassVar[bool] = True
    """Whether what was said stands in a column of the table."""

    asks: ClassVar[tuple[str, ...]] = ("table", "column")
    """What a study file names for it: a table, and a column of it."""

    instead: ClassVar[Mapping[str, str]] = {}
    """What it may name in place of something that it asks, such as an MDP in place of a table."""

    integrated: ClassVar[str] = ""
    """How a kind with exact evidence integrates its nuisance: "in closed form", "by quadrature"; empty for one that is sampled."""

    table: Any
    column: str
    _: KW_ONLY
    missing: str = "error"
    name: str | None = None
    count: Any = None
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not getattr(type(self), "kind", None):
            raise InputError(f"{type(self).__name__} has no kind; give the class one: kind: ClassVar[str] = 'scores'")
        if self.in_column and (not isinstance(self.column, str) or not self.column):
            raise InputError(f"column: {self.column!r}; name the column that holds what was said")
        if self.missing not in ("error", "drop"):
            raise InputError(f"missing: {self.missing!r}; it must be 'error' or 'drop'")
        if self.name is not None and (not isinstance(self.name, str) or not self.name.strip()):
            raise InputError(f"name: {self.name!r}; give a name in quotes, or none")
        if self.in_column and self.count is not None and (not isinstance(self.count, str) or not self.count):
            raise InputError(
                f"count: {shown(self.count)}; name the column that says how often each answer was given, in quotes"
            )
        if not self.in_column and self.count is not None and type(self).counts is Feedback.counts:
            raise InputError(
                f"count: {self.kind} has none, for its answers stand in no column of a table; leave it out"
            )
        object.__setattr__(self, "table", as_table(self.table, "table"))
        self._refuse_weights()

    def _refuse_weights(self) -> None:
        """Refuse weights of scenes, which no feedback goes by; those that are all equal, or are the counts, say nothing."""
        column = self.table.columns.get("scene_weight")
        if column is None or self.count == "scene_weight":
            return
        values = column.values.astype(float)
        if column.missing().all() or float(np.ptp(values)) <= EQUAL * float(np.abs(values).max()):
            return
        raise InputError(
            f"{self.table.source}: column 'scene_weight' is not the same everywhere; {self._instead_of_weights()}"
        )

    def _instead_of_weights(self) -> str:
        """What to do about weights of scenes in the table, to follow what is wrong."""
        return (
            'if it says how often each answer was given, write count = "scene_weight"; otherwise leave the column out, for '
            "feedback does not weigh scenes"
        )

    @cached_property
    def used(self) -> np.ndarray | None:
        """Boolean (item,): the items used, or None where all are."""
        return self.usable()

    def usable(self) -> np.ndarray | None:
        """Find the items that can be used: (item,) of bool, or None where all can."""
        if self.missing == "error":
            return None
        gone = self.unsaid() | self.uncounted
        failing = self.table.failing() if self.needs else None
        for column in self.needs:
            if column in self.table.columns:
                absent = self.table.columns[column].missing()
                gone = gone | (absent if failing is None else absent & ~failing)
        if gone.all():
            raise InputError(
                f"{self.table.source}: column {self.column!r}, or a feature, is missing in every row; feedback needs at least one"
            )
        return ~gone if gone.any() else None

    def unsaid(self) -> np.ndarray:
        """Boolean (item,): where nothing was said."""
        return self.table.column(self.column).missing()

    @property
    def uncounted(self) -> np.ndarray:
        """Items that lack their count: (item,) of bool, or one False where there is no column of counts."""
        return np.array(False) if self.count is None else self.table.column(self.count).missing()

    @cached_property
    def item_counts(self) -> np.ndarray | None:
        """How often what was said of each item used was said, (item used,); None where once each.

        Raises
        ------
        InputError
            No such column, or a cell of it that is no whole number from 1 on; names the row.
        """
        if self.count is None or not self.in_column:
            return None
        table = self.items
        values = table.numbers(self.count).astype(float)
        wrong = ~((values >= 1) & (values <= LARGEST_COUNT) & (values == np.floor(values)))
        if wrong.any():
            item = int(np.argmax(wrong))
            raise InputError(
                f"{table.source}: {table.where(item)}: column {self.count!r} is {values[item]:.12g}; it says how often an answer "
                "was given, a whole number from 1 to 10^12"
            )
        return values if (values != 1).any() else None

    @property
    def said_columns(self) -> tuple[str, ...]:
        """Columns of the table that hold what was said, and how often: no features."""
        return tuple(c for c in (self.column, self.count) if self.in_column and c)

    @property
    def counts(self) -> np.ndarray | None:
        """How often each answer was given, in the order of `observed`: (unit,); None where once each."""
        return self.item_counts

    @property
    def n_answers(self) -> int:
        """How many answers there are, each as often as it was given."""
        return len(self.observed) if self.counts is None else int(self.counts.sum())

    def unit_of(self, answers: np.ndarray) -> np.ndarray:
        """Unit of each answer: answers are numbered from 0 to `n_answers`, those of a unit one after another."""
        return answers if self.counts is None else np.searchsorted(np.cumsum(self.counts), answers, side="right")

    @cached_property
    def items(self) -> Table:
        """The table of the items used."""
        return self.table if self.used is None else self.table.subset(self.used)

    def with_table(self, table: Table) -> "Feedback":
        """The same of a table that holds its columns otherwise."""
        return replace(self, table=table)

    @property
    def exact(self) -> bool:
        """Whether `evidence` integrates the nuisances exactly: no, where the kind does not write it."""
        return type(self).evidence is not Feedback.evidence

    @property
    def symbolic(self) -> bool:
        """Whether `log_likelihood` takes PyMC's tensors, as sampling asks."""
        return True

    @property
    def sampling_problem(self) -> str | None:
        """Why NUTS and PyMC cannot take the likelihood; None where they can."""
        if self.symbolic:
            return None
        return (
            f"{self.name}: its likelihood is computed anew at each rationality and cannot be sampled; use method = 'auto', "
            "which integrates it by quadrature"
        )

    @property
    def dropped(self) -> int:
        """How many items were left out because nothing was said about them."""
        return 0 if self.used is None else int((~self.used).sum())

    def settings(self) -> dict[str, Any]:
        """What the kind was asked for, by name: numbers, text and pairs of them, anything else as it is written."""
        fixed = ("table", "column", "name", "needs")
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in fixed}
        if self.count is None:
            del found["count"]
        return {name: value if plain(value) else repr(value) for name, value in found.items()}

    @property
    def observed(self) -> np.ndarray:
        """What was said, (item used,): finite numbers, unless the kind asks for something else.

        Raises
        ------
        InputError
            It is not what the kind requires; names the row.
        """
        return self.items.numbers(self.column).astype(float)

    @property
    def shares(self) -> str | None:
        """With whom this feedback shares its nuisances: feedbacks that name the same have one value of them; None: nobody."""
        return None

    def evidence_together(self, feedback: "Sequence[Feedback]", valuations: Sequence[Valuation]) -> "list[Evidence]":
        """Exact evidence of feedbacks that share their nuisances, this one the first; only kinds that share write it."""
        raise InputError(
            f"{self.name}: {type(self).__name__} shares nuisances without saying how they are integrated together"
        )

    def refuse_to_share(self, feedback: "Sequence[Feedback]", called: Sequence[str]) -> None:
        """Raise InputError where feedbacks that share their nuisances, this one the first, do not agree on what they are."""
        del feedback, called  # by itself there is nothing to agree on

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """Values of the items used (item,) as what was said is laid out."""
        return values

    def scales(self, valuation: Valuation) -> np.ndarray | None:
        """``s_h`` by which rewards are divided, (hypothesis,); None for kinds without."""
        return None

    def constants(self) -> dict[str, np.ndarray]:
        """What else a tree should hold of what was said, item by item: name -> (item,)."""
        return {}

    def unscaled(self) -> "Feedback":
        """The same with rewards taken as they are, ``beta = 1`` and ``s = 1``, for kinds with a rationality."""
        return self

    def softened(self) -> "Feedback":
        """The same where nothing that is said is impossible, for sampling that begins far from what is possible."""
        return self

    def dims(self, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Name the dimensions of what was said, or of what depends on it item by item: ``<name>_item``, then ``_option``."""
        return (f"{self.name}_item", f"{self.name}_option")[: len(shape)]

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:
        """Priors of the nuisances that are inferred, one draw a hypothesis; none unless the kind has some."""
        return {}

    def inputs(self, block: Block, h: int) -> np.ndarray:
        """What the likelihood of h depends on, (option, scene): its reward, unless the kind says otherwise."""
        return block.reward(h)

    def input_error(self, block: Block, h: int) -> np.ndarray | float:
        """Bound the rounding error of `inputs`, (option, scene) or 0.0: that of the reward; of other numbers 64 eps of them."""
        if type(self).inputs is Feedback.inputs:
            return block.error(h)
        inputs = self.inputs(block, h)
        return 0.0 if inputs.dtype == bool else CALLABLE * np.abs(inputs)

    def predicted(self, rewards: np.ndarray, failure: Any, tolerance: Any) -> np.ndarray:
        """Say the same of rewards at hand (..., item) and their failure line: the rewards, unless the kind says otherwise.

        A kind that writes `inputs` writes this too, if it is to work with continuous weights (`Linear`).

        Parameters
        ----------
        failure : float or ndarray (item,)
        tolerance : ndarray (..., 1)
            The difference up to which two rewards are equal.
        """
        return rewards

    @abstractmethod
    def log_likelihood(self, inputs: Any, theta: Mapping[str, Any], observed: Any, xp: Any) -> Any:
        """``log p(y_i | r_h, theta)``, nats: the one definition, for arrays and for PyMC's tensors.

        Parameters
        ----------
        inputs : (..., item)
            What h predicts, as numbers: labels as 0 and 1, or rewards.
        theta : dict
            Nuisances, (..., 1), or (..., item) where they differ by item.
        observed : (item,)
        xp : module
            numpy or pytensor.tensor.
        """

    @abstractmethod
    def replicate(
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw feedback on the items n times from the model: (n, item), for nuisances (n,) of one hypothesis."""

    @property
    def tally(self) -> np.ndarray:
        """What was said, as a tree holds it: `observed`, or with counts how many answers said what, where the kind tells."""
        return self.observed

    def tallies(
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw `tally` n times from the model: (n, *tally.shape); with counts, of kinds that do not tell, one answer a unit."""
        return self.replicate(inputs, theta, n, rng)

    def evidence(self, valuation: Valuation) -> Evidence | None:
        """Say exactly what the feedback says about each hypothesis; None where that takes sampling."""
        return None

    def exact_draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from ``p(theta | D, h)`` of exact evidence: name -> (draw, hypothesis given).

        A kind that gives exact evidence writes this too; one that leaves both out is sampled.
        """
        raise InputError(
            f"{self.name}: {type(self).__name__} gives exact evidence without draws of its nuisances; write exact_draws too, or "
            "leave evidence out, and it is sampled"
        )

    def classes(self, valuation: Valuation) -> np.ndarray:
        """Group the hypotheses between which this feedback is silent, whatever is said: (hypothesis,) of int."""
        return self._gathered(valuation, lambda block: self._gather(block, None))[1]

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Posterior predictive check, the hypothesis drawn from the weights; the weightiest leads unless another is named.

        Unless the kind has a sharper one, of the mean log likelihood: data that the model makes less likely than its own
        replications do not come from it.
        """
        drawn = rng.choice(len(weights), CHECKED, p=weights)
        observed, theta = self.observed, self.draws(evidence, np.arange(len(weights)), CHECKED, rng)
        lead = int(np.argmax(weights)) if lead is None else lead
        units = np.arange(len(observed))
        if self.counts is not None:
            n = self.n_answers
            units = self.unit_of(np.sort(rng.choice(n, min(n, CHECKED_ANSWERS), replace=False)))
            observed = observed[units]

        def mean_log_likelihood(inputs: np.ndarray, rows: np.ndarray, h: int, said: np.ndarray) -> np.ndarray:
            columns = {name: values[rows, h][:, None] for name, values in theta.items()}
            found = self.log_likelihood(inputs.astype(float), columns, said.astype(float), np)
            return np.broadcast_to(found, (len(rows), len(observed))).mean(axis=1)

        p, at_lead, replications = 0.0, np.nan, np.empty(CHECKED)
        for h in sorted({*drawn.tolist(), lead}):
            inputs = np.asarray(self.at(valuation, h))[units]
            rows = np.flatnonzero(drawn == h)
            if rows.size:
                mine = {name: values[rows, h] for name, values in theta.items()}
                replicated = np.asarray(self.replicate(inputs, mine, len(rows), rng))
                made = replications[rows] = mean_log_likelihood(inputs, rows, h, replicated)
                p += float((made <= mean_log_likelihood(inputs, rows, h, observed) + 1e-12).sum()) / CHECKED
            if h == lead:
                at_lead = float(mean_log_likelihood(inputs, np.arange(CHECKED), h, observed).mean())
        misfit: tuple[str, ...] = ()
        if p < 0.01:
            misfit = (
                f"no hypothesis fits {self.name}: replications are as unlikely as what was said in {p:.1%} of cases; a reward "
                "that nobody listed may have made it",
            )
        mcse = math.sqrt(max(p * (1 - p), 1 / CHECKED) / CHECKED)
        return Check(at_lead, p, mcse, CHECKED, "mean log likelihood of an item, nats", replications, misfit)

    def draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Draw the nuisances from ``p(theta | D, h)``, exactly or from what was sampled: name -> (draw, hypothesis given)."""
        if not self.nuisances:
            return {}
        if evidence.draws is None:
            return self.exact_draws(evidence, hypotheses, n, rng)
        flat = {name: v.reshape(-1, v.shape[-1])[:, hypotheses] for name, v in evidence.draws.items()}
        rows = rng.integers(len(next(iter(flat.values()))), size=n)
        return {name: values[rows] for name, values in flat.items()}

    def variable(self, nuisance: str) -> str:
        """Name of a nuisance in trees and in PyMC: ``<feedback>_<nuisance>``."""
        return f"{self.name}_{nuisance}"

    def derived(self, theta: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What else the tree shows of the nuisances (draw, hypothesis), by name."""
        return {}

    def log_prior(self, theta: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Log density of the prior of each nuisance, of the shape given."""
        return {name: prior.log_density(theta[name]) for name, prior in self.nuisances.items()}

    def pymc_nuisances(self, name: str, dims: str = "hypothesis") -> dict[str, Any]:
        """Declare the nuisances in the PyMC model at hand, over `dims`: name -> random variable."""
        return {key: prior.pymc(f"{name}_{key}", dims) for key, prior in self.nuisances.items()}

    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """What the likelihood of h depends on, item by item: (item,)."""
        parts = []
        for block in valuation.blocks():
            inputs = self.inputs(block, h).T
            parts.append(inputs.ravel() if block.available is None else inputs[block.available.T])
        return np.concatenate(parts)

    def errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        """Bound the rounding error of `inputs` item by item: (item,), or 0.0 where every one is a whole number."""
        found = [np.broadcast_to(self.input_error(block, h), block.shape).T for block in valuation.blocks()]
        if not any(error.any() for error in found):
            return 0.0
        inside = [block.available for block in valuation.blocks()]
        return np.concatenate([e.ravel() if i is None else e[i.T] for e, i in zip(found, inside, strict=True)])

    def _gathered(
        self, valuation: Valuation, gather: Callable[[Block], tuple[np.ndarray, Any]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sums by hypothesis, (hypothesis, k), and the class of each."""
        n = len(valuation.hypotheses)
        digests = [hashlib.blake2b(digest_size=16) for _ in range(n)]
        total: np.ndarray = np.zeros(1)
        marks, slack = np.zeros(n), np.zeros(n)
        floats = False
        for sums, keys in valuation.each(gather):
            total = total + sums
            if isinstance(keys, list):
                for digest, key in zip(digests, keys, strict=True):
                    digest.update(key)
            else:
                floats = True
                marks = marks + keys[0]
                slack = slack + keys[1]
        if floats:
            return total, self._alike(valuation, marks, slack)
        place: dict[bytes, int] = {}
        return total, np.array([place.setdefault(d.digest(), len(place)) for d in digests])

    def sums(self, inputs: np.ndarray, observed: np.ndarray, inside: np.ndarray | None) -> tuple[float, ...]:
        """Sufficient statistics of a block, to be added up; none unless the kind has some."""
        return ()

    def counted_sums(self, inputs: np.ndarray, observed: np.ndarray, times: np.ndarray) -> tuple[float, ...]:
        """`sums` of items each of which stands there so many times."""
        return ()

    def _gather(self, block: Block, observed: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Sums of a block by hypothesis, and what tells the inputs of one hypothesis from another's."""
        said = None if observed is None else block.gather(observed)
        inside = block.available
        times = None
        if said is not None and self.item_counts is not None:
            times = block.gather(self.item_counts) * (1.0 if inside is None else inside)
        sums, keys = [], []
        marks: np.ndarray | None = None
        n = len(block.valuation.hypotheses)
        for h in range(n):
            inputs = self.inputs(block, h)
            if inside is not None:
                inputs = np.where(inside, inputs, inputs.dtype.type(0))
            if said is not None and times is not None:
                sums.append(self.counted_sums(inputs, said, times))
            else:
                sums.append(() if said is None else self.sums(inputs, said, inside))
            if inputs.dtype == bool:
                keys.append(np.packbits(inputs).tobytes())
            else:
                if marks is None:
                    marks, slack = np.zeros(n), np.zeros(n)
                    probe = np.random.default_rng(block.lo).random(block.shape)
                marks[h], slack[h] = marked(inputs, self.input_error(block, h), probe)
        return np.array(sums, float), keys if marks is None else (marks, slack)

    def _alike(self, valuation: Valuation, marks: np.ndarray, slack: np.ndarray) -> np.ndarray:
        """Group hypotheses whose inputs are equal up to rounding on every item.

        Inputs that are equal have marks (their sums against random numbers) that are within their slack of one another, so
        only these are compared item by item.
        """
        n = len(marks)
        candidates = self._narrowed(valuation, overlapping(marks, slack))
        classes = np.arange(n)
        while candidates := [group for group in candidates if len(group) > 1]:
            apart = np.zeros(n, bool)

            def differ(block: Block, groups: list[list[int]] = candidates) -> np.ndarray:
                out = np.zeros(n, bool)
                for group in groups:
                    first, of_first = self.inputs(block, group[0]), self.input_error(block, group[0])
                    for h in group[1:]:
                        differs = ~equal(self.inputs(block, h), first, self.input_error(block, h), of_first)
                        out[h] = bool((differs if block.available is None else differs & block.available).any())
                return out

            for found in valuation.each(differ):
                apart |= found
            rest = []
            for group in candidates:
                same = {h for h in group[1:] if not apart[h]}
                for h in same:
                    classes[h] = group[0]
                rest.append([h for h in group[1:] if h not in same])
            candidates = rest
        return classes

    def _narrowed(self, valuation: Valuation, groups: list[list[int]]) -> list[list[int]]:
        """Groups of candidates, the large ones told apart once more by marks in which every item counts alike.

        Beside an item whose rewards are huge the marks of all hypotheses are within their slack of one another.
        """
        large = [group for group in groups if len(group) > FEW]
        if not large:
            return groups

        def weighed(block: Block) -> np.ndarray:
            out = np.zeros((2, len(valuation.hypotheses)))
            probe = np.random.default_rng(block.lo).random(block.shape)
            probe = probe if block.available is None else np.where(block.available, probe, 0.0)
            for group in large:
                each = evenly(probe, ((self.inputs(block, h), self.input_error(block, h)) for h in group))
                for h in group:
                    out[:, h] = marked(self.inputs(block, h), self.input_error(block, h), each)
            return out

        return narrowed(groups, *sum(valuation.each(weighed), np.zeros((2, len(valuation.hypotheses)))))

    def cells(self, valuation: Valuation, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distinct vectors of inputs over the hypotheses: the cell of each item (item,), and an item of each (cell,).

        Items are told apart by a 64-bit hash of their inputs (Zobrist's), drawn afresh from a fixed seed.
        """
        _, representatives, _, _ = distinct(classes)
        odd = np.random.default_rng(7).integers(1, 2**63, len(classes), dtype=np.uint64) | np.uint64(1)
        code = np.zeros(valuation.table.n_items, np.uint64)

        def hashed(block: Block) -> tuple[np.ndarray, np.ndarray]:
            total = np.zeros(block.shape, np.uint64)
            for h in representatives:
                inputs = self.inputs(block, int(h))
                bits = inputs.astype(np.uint64) if inputs.dtype == bool else (inputs + 0.0).view(np.uint64)
                mixed = (bits + odd[h]) * odd[h]
                total += (mixed ^ (mixed >> np.uint64(31))) * odd[h]
            return block.items, total

        for items, total in valuation.each(hashed):
            code[items] = total
        _, first, cell, _ = distinct(code)
        return cell, first


def overlapping(marks: np.ndarray, slack: np.ndarray) -> list[list[int]]:
    """Group positions whose intervals ``marks +- slack`` overlap, or are linked by others that do; each in order."""
    order = np.argsort(marks - slack, kind="stable")
    ends = np.maximum.accumulate((marks + slack)[order])
    breaks = np.flatnonzero((marks - slack)[order][1:] > ends[:-1]) + 1
    return [sorted(group.tolist()) for group in np.split(order, breaks)]


def marked(inputs: np.ndarray, error: np.ndarray | float, probe: np.ndarray) -> tuple[float, float]:
    """A sum of inputs against a probe, and what it may differ by, at most, from that of equal inputs: half as much each."""
    slack = 2 * float((error * probe).sum()) + SUMMED * float(np.vdot(np.abs(inputs), probe))
    return float(np.vdot(inputs, probe)), slack


def evenly(probe: np.ndarray, inputs: Iterable[tuple[np.ndarray, np.ndarray | float]]) -> np.ndarray:
    """A probe in which every item counts alike, however large its inputs, but for those that rounding hides."""
    size = np.zeros(probe.shape)
    for one, error in inputs:
        np.maximum(size, np.maximum(np.abs(one), np.asarray(error) / SUMMED), out=size)
    return probe / np.where(size > 1e-290, size, 1.0)


def narrowed(groups: list[list[int]], marks: np.ndarray, slack: np.ndarray) -> list[list[int]]:
    """Groups of candidates, those of more than `FEW` split by other marks."""
    out = [group for group in groups if len(group) <= FEW]
    for group in groups:
        if len(group) > FEW:
            out += [[group[i] for i in some] for some in overlapping(marks[group], slack[group])]
    return out


def refuse_numeric(one: Feedback) -> None:
    """Refuse a feedback whose likelihood PyMC cannot take; InputError says so."""
    if one.sampling_problem is not None:
        raise InputError(one.sampling_problem)


def plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(plain(v) for v in value)
    return value is None or isinstance(value, (bool, str, int, float))
