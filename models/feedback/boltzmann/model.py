"""What people say by choosing: kinds in which reward explains a choice through a rationality beta."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, finite
from reward_hypotheses.data.rounding import EPS, all_equal
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.likelihood import (
    Part,
    alike,
    chances_of,
    chosen_times,
    grouped,
    length,
    less_their_mean,
    less_their_mean_error,
    many_are_alike,
    softmax,
)
from reward_hypotheses.models.feedback.boltzmann.marginal import evidence_of_one_human
from reward_hypotheses.models.feedback.boltzmann.prior import DEFAULT, as_written, prior_of_rationality
from reward_hypotheses.models.feedback.boltzmann.score_test import score, score_by_unit, sharpness
from reward_hypotheses.models.feedback.boltzmann.sequential import Stages
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import LogNormal, Nuisance
from reward_hypotheses.models.inference.quadrature import Integral

CHECKED, CHECKED_UNITS = 400, 2000
SCALED = 40  # times a last place: what dividing by a root of a sum of squares adds, relative
SHARPNESS = ("the place in the table", "how many options are left", "how far the rewards differ")
"""Where noise may be of different size: what `sharpness` looks at."""


@dataclass(frozen=True, eq=False)
class Rational(Feedback):
    """A choice that reward explains with rationality beta: ``p(choice | beta r_h / s_h)``.

    Parameters
    ----------
    rationality : float or dict
        beta, a positive number; or its prior, ``{"dist": "lognormal", "mu": 0, "sigma": 1}`` unless given, and it is
        inferred, under each hypothesis, by quadrature to 1e-8 nats.
    scale : {"unit", "raw"}
        ``s_h``: the spread of r_h over what was fitted, so that beta means the same at every reward scale and results do
        not change when rewards are rescaled; or 1, and the reward's units matter.
    human : str, optional
        Who said it: feedbacks of the same human share one beta, ``<human>_rationality``.
    """

    integrated: ClassVar[str] = "by quadrature"
    staged: ClassVar[bool] = True
    """Whether what was said is a row of choices by softmax, as `stages` has them."""

    linear: ClassVar[bool] = True
    """Whether what the likelihood depends on is linear in the rewards; else the kind writes `log_likelihood_of`."""

    _: KW_ONLY
    rationality: Any = None
    scale: str = "unit"
    human: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        given = DEFAULT if self.rationality is None else self.rationality
        if isinstance(given, tuple) and len(given) == 3 and given[0] == "lognormal":
            given = dict(zip(DEFAULT, given, strict=True))
        if isinstance(given, Mapping):
            object.__setattr__(self, "rationality", prior_of_rationality(given))
        elif not 0 < (finite(given) or 0) <= 1e9:
            raise InputError(
                f"rationality: {shown(given)}; give a positive number, or its prior, "
                '{ dist = "lognormal", mu = 0, sigma = 1 }'
            )
        else:
            object.__setattr__(self, "rationality", float(given))
        if self.scale not in ("unit", "raw"):
            raise InputError(f"scale: {shown(self.scale)}; give 'unit' or 'raw'")
        if self.human is not None and (not isinstance(self.human, str) or not self.human.strip() or "/" in self.human):
            raise InputError(f"human: {shown(self.human)}; give a name in quotes, without '/', or none")

    @property
    def nuisances(self) -> Mapping[str, Nuisance]:  # noqa: D102
        return {"rationality": LogNormal(*self.rationality[1:])} if isinstance(self.rationality, tuple) else {}

    @property
    def exact(self) -> bool:
        """Of nuisances beside the rationality there is no exact integral."""
        return not set(self.nuisances) - {"rationality"}

    @property
    def shares(self) -> str | None:
        """The human, whose rationality is one."""
        return self.human

    def refuse_to_share(self, feedback: Sequence[Feedback], called: Sequence[str]) -> None:
        """Raise InputError where they do not have one rationality and scale."""
        for one, name in zip(feedback[1:], called[1:], strict=True):
            for key in ("rationality", "scale"):
                mine, other = getattr(self, key), getattr(one, key, None)
                if mine != other:
                    raise InputError(
                        f"human {self.human!r}: {called[0]} has {key} {as_written(mine)}, {name} has {as_written(other)}; feedbacks of "
                        f"one human share it: give both the same, or {name} another human"
                    )

    def evidence_together(self, feedback: Sequence[Feedback], valuations: Sequence[Valuation]) -> list[Evidence]:
        """One integral over the rationality that they share."""
        return evidence_of_one_human([one for one in feedback if isinstance(one, Rational)], valuations)

    def unscaled(self) -> "Rational":
        """Rewards as they are: ``beta = 1`` and ``s = 1``."""
        return replace(self, rationality=1.0, scale="raw")

    def variable(self, nuisance: str) -> str:
        """``<human>_rationality`` where it is said who the human is; whatever else there is belongs to the feedback alone."""
        return f"{self.human}_{nuisance}" if self.human and nuisance == "rationality" else f"{self.name}_{nuisance}"

    def beta(self, theta: Mapping[str, Any]) -> Any:
        """The rationality: inferred, or the number that was given."""
        return theta["rationality"] if isinstance(self.rationality, tuple) else self.rationality

    @property
    def n_answers(self) -> int:  # noqa: D102
        return len(self.units) if self.counts is None else int(self.counts.sum())

    @cached_property
    def times(self) -> np.ndarray:
        """How often each answer was given: (unit,)."""
        return np.ones(len(self.units)) if self.counts is None else self.counts

    def replicate_units(
        self,
        inputs: np.ndarray,
        theta: Mapping[str, np.ndarray],
        n: int,
        rng: np.random.Generator,
        units: np.ndarray,
    ) -> np.ndarray:
        """`replicate` of some units of what was said, in their order: (n, unit given, ...)."""
        del units  # only kinds whose answers have a form of their own, as rankings do, look at them
        return np.asarray(self.replicate(inputs, theta, n, rng))

    @abstractmethod
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """What ``s_h`` is the length of, linear in the rewards (unit, option) of options that are real (and not failing)."""

    def spread(self, rewards: np.ndarray) -> float:
        """``s_h``: the root of the sum of squared deviations."""
        return length(self.deviations(rewards))

    @abstractmethod
    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:
        """Rewards (unit, option) less what does not matter to the choice, in reward units."""

    @cached_property
    def units(self) -> np.ndarray:
        """The scenes about which something was said, (unit,); every one with an item that is used."""
        return np.flatnonzero(np.diff(self.items.starts) > 0)

    def grid(self, values: np.ndarray, empty: Any) -> np.ndarray:
        """Lay out values of the items used (item,) by scene: (unit, option)."""
        widest, places = self._places
        if places is None:
            return np.asarray(values).reshape(-1, widest)
        out = np.full(len(self.units) * widest, empty, np.asarray(values).dtype)
        out[places] = values
        return out.reshape(-1, widest)

    @cached_property
    def _places(self) -> tuple[int, np.ndarray | None]:
        """Options of a scene, at most, and the place of each item in the grid, flat; None where they fill it in order."""
        starts = self.items.starts[:-1][self.units]
        lengths = np.diff(self.items.starts)[self.units]
        widest = int(lengths.max())
        if int(lengths.min()) == widest:
            return widest, None
        return widest, np.arange(self.items.n_items) + np.repeat(np.arange(len(starts)) * widest - starts, lengths)

    @cached_property
    def inside(self) -> np.ndarray:
        """Which places of the grid hold an option: (unit, option)."""
        return self.grid(np.ones(self.items.n_items, bool), False)

    @property
    def effort(self) -> int:
        """Numbers that a likelihood works on, about; very many are worth a thread."""
        return int(self.inside.size)

    @property
    def shift_free(self) -> bool:
        """Whether a constant added to all rewards changes nothing, of kinds that plan."""
        return True

    @property
    def plan_size(self) -> int:
        """Numbers that a plan holds, of kinds that plan."""
        return 1

    @cached_property
    def idle(self) -> np.ndarray:
        """Units of which what was said is certain under every reward, so that it says nothing: (unit,) of bool."""
        return np.zeros(len(self.units), bool)

    @cached_property
    def full(self) -> bool:
        """Whether every place of the grid holds one."""
        return bool(self.inside.all())

    @cached_property
    def real(self) -> np.ndarray:
        """Which hold an option that is not failing itself: (unit, option)."""
        failing = self.items.failing()
        return self.inside if failing is None else self.inside & ~self.grid(failing, False)

    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """``r_h`` (unit, option); 0 where there is no option. Those of a unit that are all equal are so to the last bit."""
        rewards, error = self.grid(super().at(valuation, h), 0.0), self.reward_errors(valuation, h)
        if not isinstance(error, float):
            for there in (self.real, self.inside):
                same = all_equal(rewards, error, there, axis=1)[:, None] & there
                rewards = np.where(same, np.take_along_axis(rewards, there.argmax(axis=1)[:, None], axis=1), rewards)
        return rewards

    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        """Bound the rounding errors of `rewards`: (unit, option), or 0.0 where every one is a whole number."""
        error = self.errors(valuation, h)
        return error if isinstance(error, float) else self.grid(error, 0.0)

    def compares(self, valuation: Valuation, h: int) -> bool:
        """Whether a hypothesis makes any of what was said likelier than chance, at some rationality."""
        rewards = self.rewards(valuation, h)
        error = self.centred_error(rewards, np.broadcast_to(self.reward_errors(valuation, h), rewards.shape))
        apart = self.centred(rewards, self.inside, valuation, h)
        return bool((np.abs(apart) > 2 * error)[~self.idle].any())

    @property
    def nothing_to_compare(self) -> str:
        """Why no hypothesis compares anything, as `compares` has it, in words."""
        return "no hypothesis makes one option better than another in any of what was said"

    def scale_of(self, valuation: Valuation, h: int) -> float:
        """``s_h``: 1 if raw; 0 where all rewards are equal, which predicts at chance."""
        return 1.0 if self.scale == "raw" else self.spread(self.rewards(valuation, h))

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """By scene: (unit, option); NaN, or false, where there is no option."""
        return self.grid(values, False) if values.dtype == bool else self.grid(values.astype(float), np.nan)

    def scales(self, valuation: Valuation) -> np.ndarray:  # noqa: D102
        return np.array([self.scale_of(valuation, h) for h in range(len(valuation.hypotheses))])

    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """``(r_h - b) / s_h``, b what does not matter: (unit, option), -inf where there is no option."""
        scaled = self.scaled(valuation, h)
        return scaled if self.full else np.where(self.inside, scaled, -np.inf)

    def scaled(self, valuation: Valuation, h: int) -> np.ndarray:
        """``(r_h - b) / s_h`` as in `at`, 0 where there is no option."""
        rewards = self.rewards(valuation, h)
        s = 1.0 if self.scale == "raw" else self.spread(rewards)
        return self.centred(rewards, self.inside, valuation, h) / s if s > 0 else np.zeros(rewards.shape)

    def scaled_error(self, valuation: Valuation, h: int) -> np.ndarray:
        """Bound the rounding errors of `scaled`, those of the rewards and what centring and scaling add: (unit, option)."""
        rewards, error = self.rewards(valuation, h), self.reward_errors(valuation, h)
        s = 1.0 if self.scale == "raw" else self.spread(rewards)
        if not s > 0:
            return np.zeros(rewards.shape)
        of_centred = self.centred_error(rewards, np.broadcast_to(error, rewards.shape))
        of_scale = SCALED * EPS + (0.0 if self.scale == "raw" else length(of_centred * self.root_share) / s)
        return of_centred / s + np.abs(self.centred(rewards, self.inside, valuation, h) / s) * of_scale

    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Bound the rounding errors of `centred`, given those of the rewards: (unit, option)."""
        return less_their_mean_error(rewards, error, self.inside)

    @property
    def root_share(self) -> np.ndarray | float:
        """Root of what each square counts in ``s_h ** 2``, at most: (unit, option), or what broadcasts to it."""
        return 1.0

    def classes(self, valuation: Valuation) -> np.ndarray:
        """Hypotheses whose inputs are equal up to rounding: ``r_i = a r_j + b`` by scene, a > 0 (1 if raw)."""
        n = len(valuation.hypotheses)
        return alike(lambda h: self.scaled(valuation, h), lambda h: self.scaled_error(valuation, h), n)

    def evidence(self, valuation: Valuation) -> Evidence:
        """Exact: a product where beta is given, else its integral by quadrature; once a silent class.

        With nuisances beside the rationality, by Laplace's approximation and importance sampling, or sequential Monte Carlo.
        """
        return evidence_of_one_human([self], [valuation])[0]

    def log_likelihood_of(self, rewards: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """``log p(D | r, beta)`` of many rewards (point, item), each at a beta (point,): (point,); for kinds not linear in r."""
        raise InputError(f"{self.name}: {type(self).__name__} does not say how likely it is under many rewards at once")

    def part(self, valuation: Valuation, h: int) -> Part:
        """What the likelihood of a hypothesis is made of; units that are alike are one, where many are."""
        inputs, observed = self.at(valuation, h), np.asarray(self.observed, float)
        if self.idle.any():
            inputs = np.where(self.idle[:, None] & (inputs > -np.inf), 0.0, inputs)
        counts: np.ndarray | None = None
        if many_are_alike(inputs, observed):
            inputs, observed, counts = grouped(inputs, observed, self.counts)
        stages = self.in_stages if counts is None else self.as_stages(observed, inputs > -np.inf, counts)
        steps = None if stages is None else stages.steps(self.options(inputs))
        return Part(self, inputs, observed, self.times if counts is None else counts, steps)

    @cached_property
    def in_stages(self) -> Stages | None:
        """What was said, laid out for the likelihood of very many units."""
        return self.as_stages(np.asarray(self.observed, float), self.inside, self.counts)

    def as_stages(self, said: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages | None:
        """What was said of some units as choices from what is left; None for kinds that are something else."""
        return None

    def options(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs of the options between which each unit chooses: (unit, option)."""
        return inputs

    def stages(self, inputs: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What was said as a row of choices, one a stage: inputs and choice (stage, option), and the unit of each (stage,)."""
        return inputs, said, np.arange(len(inputs))

    def modelled(
        self, inputs: np.ndarray, said: np.ndarray, theta: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chance of each option and which was taken, (stage, option), and the unit of each stage, at one draw of theta."""
        given, chosen, unit = self.stages(inputs, said)
        return softmax(float(np.reshape(self.beta(theta), -1)[0]), given), chosen, unit

    def features(self, columns: list[np.ndarray]) -> np.ndarray:
        """Columns (item,) as features of the options of `stages`: (feature, unit, option)."""
        grids = [less_their_mean(self.grid(column, 0.0), self.inside) for column in columns]
        return np.array(grids).reshape(len(columns), *self.inside.shape)

    def check(
        self,
        valuation: Valuation,
        evidence: Evidence,
        weights: np.ndarray,
        rng: np.random.Generator,
        lead: int | None = None,
    ) -> Check:
        """Check the largest score (Rao 1948), of a feature or of the noise.

        That is whether choices go with a feature beyond what reward explains, or how noisy they are with where they were made.
        A rationality that is inferred absorbs noise, but not a human who follows something else, nor one who stops caring.
        Of more than 2,000 answers so many are looked at, drawn at random.
        """
        units = self.unit_of(self.checked_answers(rng))
        columns = self.items.columns
        names = [c for c in self.needs if c in columns and not columns[c].is_text]
        features = self.features([np.nan_to_num(columns[c].values.astype(float)) for c in names])[:, units]
        said = np.asarray(self.observed)[units]
        lead = int(np.argmax(weights)) if lead is None else lead
        drawn = rng.choice(len(weights), CHECKED, p=weights)
        theta = self.draws(evidence, np.arange(len(weights)), CHECKED, rng)
        inputs = {h: self.at(valuation, h)[units] for h in {*drawn.tolist(), lead}}

        def scores(i: int, h: int, answers: np.ndarray) -> np.ndarray:
            mine = {name: values[i : i + 1, h] for name, values in theta.items()}
            chance, chosen, unit = self.modelled(inputs[h], answers, mine)
            of_noise = score(sharpness(chance, unit), chosen, chance)
            return np.abs(np.concatenate([score_by_unit(features, unit, chosen, chance), of_noise]))

        found, exceeds = np.zeros(CHECKED), 0
        for i, h in enumerate(drawn.tolist()):
            mine = {name: values[i : i + 1, h] for name, values in theta.items()}
            found[i] = scores(i, h, self.replicate_units(inputs[h], mine, 1, rng, units)[0]).max(initial=0.0)
            exceeds += found[i] >= scores(i, h, said).max(initial=0.0) - 1e-9
        of_lead = np.mean([scores(i, lead, said) for i in range(0, CHECKED, 10)], axis=0)
        p, statistic = float(exceeds) / CHECKED, float(of_lead.max(initial=0.0))
        misfit: tuple[str, ...] = ()
        if p < 0.01:
            what = [f"what was said goes with column {name!r} otherwise than" for name in names]
            what += [f"how noisy it is goes with {where}, otherwise than" for where in SHARPNESS]
            misfit = (
                f"no hypothesis fits {self.name}: {what[int(np.argmax(of_lead))]} {valuation.hypotheses.names[lead]!r} explains at "
                f"any one rationality that fits, by {statistic:.1f} standard errors, and replications reach that in {p:.1%} of "
                "cases; a reward that nobody listed may have been followed, or none for a part",
            )
        mcse = math.sqrt(max(p * (1 - p), 1 / CHECKED) / CHECKED)
        what_it_is = (
            "largest score, in standard errors, of a column that a hypothesis names (choices going with it beyond the model), or "
            f"of the noise going with {', '.join(SHARPNESS)}"
        )
        return Check(statistic, p, mcse, CHECKED, what_it_is, found, misfit)

    def checked_answers(self, rng: np.random.Generator) -> np.ndarray:
        """Number the answers that a check looks at: all, or so many of them at random."""
        n = self.n_answers
        return np.arange(n) if n <= CHECKED_UNITS else np.sort(rng.choice(n, CHECKED_UNITS, replace=False))

    def tally_of_options(self) -> np.ndarray:
        """`tally` of a kind that chooses one of some options: with counts, how many answers chose it, (unit, option)."""
        said = np.asarray(self.observed)
        return said if self.counts is None else (said * self.counts[:, None]).astype(np.int64)

    def tallies_of_options(
        self, inputs: np.ndarray, theta: Mapping[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw `tally_of_options` n times from the model: (n, unit, option)."""
        if self.counts is None:
            return self.replicate(inputs, theta, n, rng)
        return chosen_times(self.counts, chances_of(self.beta(theta), inputs, n), rng)

    def exact_draws(  # noqa: D102
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        _, first, inverse, _ = distinct(evidence.classes[hypotheses])
        columns = []
        for row in evidence.statistics[hypotheses][first]:
            nodes = np.linspace(row[0], row[1], len(row) - 2)
            columns.append(np.exp(Integral(0.0, nodes, row[2:]).draws(n, rng)))
        return {"rationality": np.array(columns).T[:, inverse]}


@dataclass(frozen=True, eq=False)
class OfScenes(Rational):
    """Kinds that are about the options of a scene: only differences of rewards within it matter.

    ``s_h`` is the root of the mean, over scenes with at least two available options, of the population variance of r_h
    among them; an option that *is* failing is worth u_h, and is left out of it.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.table.has_options:
            raise InputError(
                f"{self.table.source}: {self.kind} need options to choose from; give a column 'option' (and 'scene')"
            )

    @cached_property
    def counts(self) -> np.ndarray | None:
        """How often each scene's answer was given, (unit,), the same in all of its rows; None where once each."""
        by_item = self.item_counts
        if by_item is None:
            return None
        table = self.items
        starts = table.starts[:-1][self.units]
        by_scene = by_item[starts]
        differs = by_item != np.repeat(by_scene, np.diff(table.starts)[self.units])
        if differs.any():
            item = int(np.argmax(differs))
            raise InputError(
                f"{table.source}: {table.where(item)}: column {self.count!r} differs from the first option of its scene; it says how "
                "often the scene's answer was given, so it must be constant in a scene"
            )
        return by_scene

    @property
    def uncounted(self) -> np.ndarray:
        """Items of scenes that lack their count somewhere."""
        lacking = super().uncounted
        if not lacking.any():
            return lacking
        scene = np.repeat(np.arange(self.table.n_scenes), np.diff(self.table.starts))
        return np.isin(scene, scene[lacking])

    @cached_property
    def _share(self) -> np.ndarray:
        """Root of what each option of a scene counts in ``s_h ** 2``: (unit, 1)."""
        count = self.real.sum(axis=1)
        if not (count >= 2).any() and (self.inside.sum(axis=1) >= 2).any():
            raise InputError(
                f"{self.table.source}: {self.name}: no scene has two options besides failing, so rewards have no spread to be "
                "measured by; give scale = 'raw'"
            )
        share = (count >= 2) * self.times
        share = share / share.sum() if share.any() else share
        return np.asarray(np.sqrt(share / np.maximum(count, 1))[:, None])

    @property
    def root_share(self) -> np.ndarray:  # noqa: D102
        return np.where(self.real, self._share, 0.0)

    @property
    def nothing_to_compare(self) -> str:  # noqa: D102
        if self.inside.shape[1] < 2:
            return f"no scene of {self.table.name!r} has two options that are available"
        if self.idle.all():
            return f"no scene of {self.table.name!r} has one option ranked above another"
        return f"no hypothesis makes one option better than another in any scene of {self.table.name!r}"

    def refuse_no_spread(self) -> None:
        """Raise InputError where rewards are to be scaled by their spread, and no scene gives them one."""
        if self.scale == "unit":
            _ = self._share

    def deviations(self, rewards: np.ndarray) -> np.ndarray:  # noqa: D102
        return less_their_mean(rewards, self.real) * self._share

    def centred(self, rewards: np.ndarray, inside: np.ndarray, valuation: Valuation, h: int) -> np.ndarray:  # noqa: D102
        return less_their_mean(rewards, inside)


@dataclass(frozen=True, eq=False)
class OfItems(Rational):
    """Kinds that are about items one by one."""

    @cached_property
    def units(self) -> np.ndarray:
        """The items, (unit,)."""
        return np.arange(self.items.n_items)

    @cached_property
    def inside(self) -> np.ndarray:
        """Every item counts: (unit,)."""
        return np.ones(self.items.n_items, bool)

    def laid_out(self, values: np.ndarray) -> np.ndarray:
        """As they are: (unit,)."""
        return values
