"""Boltzmann-rational kinds: reward explains a choice through a rationality beta."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, override

import numpy as np

from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import distinct, softmax
from reward_hypotheses.data.rounding_error_bounds import EPS, all_equal
from reward_hypotheses.models.feedback.boltzmann.centring import SCALED, length, less_their_mean_error
from reward_hypotheses.models.feedback.boltzmann.likelihood import (
    Likelihood,
    chosen_times,
    grouped,
    log_chosen,
    mostly_repeated,
    noisy_best,
    times_beta,
)
from reward_hypotheses.models.feedback.boltzmann.marginal import evidence_of_one_human
from reward_hypotheses.models.feedback.boltzmann.plackett_luce import Stages
from reward_hypotheses.models.feedback.boltzmann.prior import as_written, read_rationality
from reward_hypotheses.models.feedback.boltzmann.score_tests import ScoreChecked
from reward_hypotheses.models.feedback.equivalence import classes_of_arrays
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import LogNormal, Nuisance, Theta


@dataclass(frozen=True, eq=False)
class Rational(ScoreChecked):
    """A choice that reward explains with rationality beta.

    ``p(choice | beta r_h / s_h)``

    Parameters
    ----------
    rationality : float or dict
        beta, a positive number; or its prior, by default ``{"dist": "lognormal", "mu": 0, "sigma": 1}``. Under a
        prior, beta is inferred under each hypothesis, by quadrature to 1e-8 nats.
    scale : {"unit", "raw"}
        With "unit", ``s_h`` is the spread of r_h over the fitted data: beta means the same at every reward scale, and
        rescaling rewards changes no result. With "raw", ``s_h`` is 1, and the reward's units matter.
    human : str, optional
        The person who answered. Feedbacks of the same human share one beta, ``<human>_rationality``.
    """

    integrated: ClassVar[str] = "by quadrature"
    staged: ClassVar[bool] = True
    """Whether the answers are rows of choices by softmax, as `stages` has them."""

    linear: ClassVar[bool] = True
    """Whether the inputs of the likelihood are linear in the rewards; else the kind writes `log_likelihood_of`."""

    locates_failure: ClassVar[bool] = False

    _: KW_ONLY
    rationality: Any = None
    scale: str = "unit"
    human: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rationality", read_rationality(self.rationality))
        if self.scale not in ("unit", "raw"):
            raise InputError(f"scale: {shown(self.scale)}; give 'unit' or 'raw'")
        if self.human is not None and (not isinstance(self.human, str) or not self.human.strip() or "/" in self.human):
            raise InputError(f"human: {shown(self.human)}; give a name in quotes, without '/', or none")

    @property
    @override
    def nuisances(self) -> Mapping[str, Nuisance]:
        return {"rationality": LogNormal(*self.rationality[1:])} if isinstance(self.rationality, tuple) else {}

    @property
    @override
    def exact(self) -> bool:
        """Whether rationality is the only nuisance.

        With further nuisances there is no exact integral.
        """
        return not set(self.nuisances) - {"rationality"}

    @property
    @override
    def shares(self) -> str | None:
        """The human, if named: feedbacks of one human share one rationality."""
        return self.human

    @override
    def refuse_to_share(self, feedback: Sequence[Any], called: Sequence[str]) -> None:
        """Refuse feedbacks of one human with different rationality or scale.

        InputError names the two feedbacks and the setting.
        """
        for other, name in zip(feedback[1:], called[1:], strict=True):
            for key in ("rationality", "scale"):
                first, second = getattr(self, key), getattr(other, key, None)
                if first != second:
                    raise InputError(
                        f"human {self.human!r}: {called[0]} has {key} {as_written(first)}, {name} has {as_written(second)}; feedbacks of "
                        f"one human share it: give both the same, or {name} another human"
                    )

    @override
    def evidence_together(self, feedback: Sequence[Any], valuations: Sequence[Valuation]) -> list[Evidence]:
        """Return the evidence by one integral over the shared rationality."""
        return evidence_of_one_human(feedback, valuations)

    @override
    def unscaled(self) -> "Rational":
        return replace(self, rationality=1.0, scale="raw")

    @override
    def variable(self, nuisance: str) -> str:
        """Return the name of a nuisance in trees.

        ``<human>_rationality`` where the human is named; other nuisances belong to the feedback alone.
        """
        return f"{self.human}_{nuisance}" if self.human and nuisance == "rationality" else f"{self.name}_{nuisance}"

    @override
    def beta(self, theta: Theta) -> Any:
        return theta["rationality"] if isinstance(self.rationality, tuple) else self.rationality

    @abstractmethod
    def deviations(self, rewards: np.ndarray) -> np.ndarray:
        """Return the vector whose length is ``s_h``.

        The vector is linear in the rewards (unit, option) of options that are not failing.
        """

    @abstractmethod
    def centred(self, rewards: np.ndarray) -> np.ndarray:
        """Return rewards less the part that does not affect the choice.

        Shape (unit, option), reward units.
        """

    def spread(self, rewards: np.ndarray) -> float:
        """Return ``s_h``: the root of the sum of squared deviations."""
        return length(self.deviations(rewards))

    @property
    def shift_free(self) -> bool:
        """Whether a constant added to all rewards changes nothing, of kinds that plan."""
        return True

    @property
    def plan_size(self) -> int:
        """Size of a plan in floats, for kinds that plan; 1 for other kinds."""
        return 1

    def rewards(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``r_h`` (unit, option), 0 where there is no option.

        Rewards of a unit that are all equal up to rounding are made equal to the last bit.
        """
        rewards, error = self.grid(super().at(valuation, h), 0.0), self.reward_errors(valuation, h)
        if not isinstance(error, float):
            for there in (self.real, self.inside):
                same = all_equal(rewards, error, there, axis=1)[:, None] & there
                rewards = np.where(same, np.take_along_axis(rewards, there.argmax(axis=1)[:, None], axis=1), rewards)
        return rewards

    def reward_errors(self, valuation: Valuation, h: int) -> np.ndarray | float:
        """Bound the rounding errors of `rewards`: (unit, option), or 0.0.

        0.0 where all rewards are whole numbers.
        """
        error = self.errors(valuation, h)
        return error if isinstance(error, float) else self.grid(error, 0.0)

    def compares(self, valuation: Valuation, h: int) -> bool:
        """Return whether h makes some answer likelier than chance.

        Some rationality is enough.
        """
        rewards = self.rewards(valuation, h)
        error = self.centred_error(rewards, np.broadcast_to(self.reward_errors(valuation, h), rewards.shape))
        apart = self.centred(rewards)
        return bool((np.abs(apart) > 2 * error)[~self.idle].any())

    @property
    def nothing_to_compare(self) -> str:
        """The reason, in words, why `compares` is false of every hypothesis."""
        return "no hypothesis makes one option better than another in any answer"

    def scale_of(self, valuation: Valuation, h: int) -> float:
        """Return ``s_h``, reward units: 1 if raw.

        0 where all rewards are equal; the hypothesis then predicts at chance.
        """
        return 1.0 if self.scale == "raw" else self.spread(self.rewards(valuation, h))

    @override
    def scales(self, valuation: Valuation) -> np.ndarray:
        return np.array([self.scale_of(valuation, h) for h in range(len(valuation.hypotheses))])

    @override
    def at(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return the inputs of the likelihood: ``(r_h - b) / s_h``, (unit, option).

        b is the part of the rewards that does not affect the choice. -inf where there is no option.
        """
        scaled = self.scaled(valuation, h)
        return scaled if self.full else np.where(self.inside, scaled, -np.inf)

    def scaled(self, valuation: Valuation, h: int) -> np.ndarray:
        """Return ``(r_h - b) / s_h`` as in `at`, 0 where there is no option."""
        rewards = self.rewards(valuation, h)
        s = 1.0 if self.scale == "raw" else self.spread(rewards)
        return self.centred(rewards) / s if s > 0 else np.zeros(rewards.shape)

    def scaled_error(self, valuation: Valuation, h: int) -> np.ndarray:
        """Bound the rounding errors of `scaled`: (unit, option).

        The bound covers the errors of the rewards, of centring and of scaling.
        """
        rewards, error = self.rewards(valuation, h), self.reward_errors(valuation, h)
        s = 1.0 if self.scale == "raw" else self.spread(rewards)
        if not s > 0:
            return np.zeros(rewards.shape)
        of_centred = self.centred_error(rewards, np.broadcast_to(error, rewards.shape))
        of_scale = SCALED * EPS + (0.0 if self.scale == "raw" else length(of_centred * self.root_share) / s)
        return of_centred / s + np.abs(self.centred(rewards) / s) * of_scale

    def centred_error(self, rewards: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Bound the rounding errors of `centred`: (unit, option).

        `error` bounds the errors of the rewards.
        """
        return less_their_mean_error(rewards, error, self.inside)

    @property
    def root_share(self) -> np.ndarray | float:
        """Root of the largest weight of each square in ``s_h ** 2``.

        Shape (unit, option), or a shape that broadcasts to it.
        """
        return 1.0

    @override
    def classes(self, valuation: Valuation) -> np.ndarray:
        """Group hypotheses with equal inputs: (hypothesis,) of int.

        Two rewards have equal inputs where ``r_i = a r_j + b`` by scene, a > 0 (a = 1 if raw).
        """
        n = len(valuation.hypotheses)
        return classes_of_arrays(lambda h: self.scaled(valuation, h), lambda h: self.scaled_error(valuation, h), n)

    @override
    def evidence(self, valuation: Valuation) -> Evidence:
        """Return the exact evidence, computed once for each silent class.

        A product where beta is given; otherwise the integral over beta, by quadrature.

        With nuisances beside the rationality, by Laplace's approximation and importance sampling, or sequential Monte Carlo.
        """
        return evidence_of_one_human([self], [valuation])[0]

    def log_likelihood_of(self, rewards: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Return ``log p(D | r, beta)`` of many rewards: (point,).

        The rewards are (point, item), the betas (point,). Written by kinds that are not linear in r.
        """
        raise InputError(f"{self.name}: {type(self).__name__} does not say how likely it is under many rewards at once")

    def likelihood(self, valuation: Valuation, h: int) -> Likelihood:
        """Return the likelihood of a hypothesis, equal units merged where many are equal."""
        inputs, observed = self.at(valuation, h), np.asarray(self.observed, float)
        if self.idle.any():
            inputs = np.where(self.idle[:, None] & (inputs > -np.inf), 0.0, inputs)
        if mostly_repeated(inputs, observed):
            inputs, observed, counts = grouped(inputs, observed, self.counts)
            stages = self.as_stages(observed, inputs > -np.inf, counts)
        else:
            counts, stages = self.times, self.in_stages
        steps = None if stages is None else stages.steps(self.options(inputs))
        return Likelihood(self, inputs, observed, counts, steps)

    @cached_property
    def in_stages(self) -> Stages | None:
        """The answers, laid out for the likelihood of very many units."""
        return self.as_stages(np.asarray(self.observed, float), self.inside, self.counts)

    def as_stages(self, answers: np.ndarray, inside: np.ndarray, counts: np.ndarray | None) -> Stages | None:
        """Return the answers of some units as choices from the remaining options.

        None for kinds with other answers.
        """
        return None

    def options(self, inputs: np.ndarray) -> np.ndarray:
        """Return the inputs of the options of each unit: (unit, option)."""
        return inputs

    @override
    def exact_draws(
        self, evidence: Evidence, hypotheses: np.ndarray, n: int, rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        assert evidence.density is not None
        _, first, inverse, _ = distinct(evidence.classes[hypotheses])
        columns = [np.exp(evidence.density.of(h).draws(n, rng)) for h in hypotheses[first]]
        return {"rationality": np.array(columns).T[:, inverse]}


@dataclass(frozen=True, eq=False)
class OneOfOptions(Rational):
    """Kinds in which one option of each unit is chosen: ``p(o) = softmax(beta x)_o``."""

    @override
    def log_likelihood(self, inputs: Any, theta: Theta, observed: Any, xp: Any) -> Any:
        return log_chosen(self.beta(theta), inputs, observed, xp)

    @override
    def replicate(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return noisy_best(times_beta(self.beta(theta), inputs, n), rng)

    @override
    def counted_tally(self) -> np.ndarray:
        """Return how many answers chose each option: (unit, option)."""
        return (np.asarray(self.observed) * self.times[:, None]).astype(np.int64)

    @override
    def counted_tallies(self, inputs: np.ndarray, theta: Theta, n: int, rng: np.random.Generator) -> np.ndarray:
        return chosen_times(self.times, softmax(times_beta(self.beta(theta), inputs, n)), rng)
