"""Fit a population of raters: who follows which hypothesis, with what weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.evidence import common_classes
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.hierarchy.integral import Hierarchy
from reward_hypotheses.models.inference.hierarchy.latents import Latents
from reward_hypotheses.models.inference.nuisance_priors import Nuisance
from reward_hypotheses.models.linear_family.best_coordinates import RANK
from reward_hypotheses.models.linear_family.coordinates import (
    Coordinates,
    Gaussian,
    StatedWeights,
    UnidentifiedWeights,
)
from reward_hypotheses.models.linear_family.integrate import directions
from reward_hypotheses.models.linear_family.likelihood_terms import terms_of
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.linear_family.sphere_coordinates import RationalityScaledSphere
from reward_hypotheses.models.weights.raters.law import Law, OfWeights
from reward_hypotheses.models.weights.raters.likelihoods import (
    FixedReward,
    OwnWeights,
    fixed_reading,
    linear_reading,
)
from reward_hypotheses.models.weights.raters.people import Component, OfLinear, People
from reward_hypotheses.models.weights.raters.who import Raters

DRAWS, HELD = 2000, 20_000_000
"""Populations drawn; numbers that the draws of raters may take."""
LEAST_DRAWS = 200


def fit_raters(
    hypotheses: Hypotheses,
    alpha: np.ndarray,
    feedback: Sequence[Feedback],
    line: FailureLine,
    raters: Raters,
    correlated: bool,
    seed: int,
) -> People:
    """Fit the population of raters behind some feedbacks.

    Each rater follows one hypothesis, with shares ``s ~ Dirichlet(alpha)``; see `Law` for what is the rater's own and its
    prior, and `Hierarchy` for the integral.

    Parameters
    ----------
    alpha : ndarray (hypothesis,)
        Parameters of the Dirichlet prior of the shares; hypotheses with 0 are left out.

    Raises
    ------
    InputError
        Hypotheses or feedback that raters cannot follow or give.
    """
    refuse(hypotheses, feedback)
    parts = _fixed(hypotheses, alpha, feedback, line, raters)
    parts += [_linear(hypotheses, h, alpha[h], feedback, line, raters, correlated) for h in hypotheses.families]
    parts = [part for part in parts if part.alpha > 0]
    _refuse_impossible(parts, raters)
    nuisances: dict[str, Nuisance] = {}
    for part in parts:
        nuisances |= part.nuisances
    law = Law(
        np.array([part.alpha for part in parts]),
        [part.weights for part in parts],
        [tuple(part.nuisances) for part in parts],
        nuisances,
        max(1, len(raters.groups)),
    )
    sample = Hierarchy([part.latents for part in parts], law, raters.group_of).estimate(substream(seed, "raters"))
    width = max(1, max(part.latents.dimension for part in parts))
    n = int(np.clip(HELD // (width * raters.n), LEAST_DRAWS, DRAWS))
    rng = substream(seed, "populations of raters")
    rows = sample.weighted.resampled(n, rng)
    return People(
        raters=raters,
        law=law,
        components=tuple(part.component(alpha) for part in parts),
        value=sample.weighted.value,
        mcse=sample.weighted.mcse,
        k_hat=sample.weighted.k_hat,
        ess=sample.effective,
        points=sample.weighted.points[rows],
        follows=sample.component[rows],
        latents=tuple(of[rows] for of in sample.latents),
        seed=seed,
    )


def _refuse_impossible(parts: "Sequence[_Part]", raters: Raters) -> None:
    """Refuse answers that no hypothesis could have made, without noise to allow for."""
    if any(part.latents.dimension for part in parts):
        return
    at = np.zeros((1, raters.n, 0))
    impossible = np.all([np.isneginf(part.latents.log_likelihood(at)[0]) for part in parts], axis=0)
    if impossible.any():
        r = int(np.argmax(impossible))
        who = repr(raters.names[r]) if r < len(raters.names) else "without a name"
        raise InputError(
            f"rater {who}: the answers are impossible under every hypothesis; allow for noise, or list a hypothesis that could have "
            "made them"
        )


def refuse(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> None:
    """Refuse hypotheses and feedback that a fit by rater cannot take."""
    problems = []
    if hypotheses.spaces or hypotheses.unmodelled is not None:
        h = hypotheses.unmodelled if hypotheses.unmodelled is not None else hypotheses.spaces[0]
        what = "unmodelled" if hypotheses.unmodelled is not None else "a space of rules"
        problems.append(
            f"hypothesis {hypotheses.names[h]!r} is {what}, which raters cannot follow one by one; list rules or a linear reward, "
            "or leave rater= out"
        )
    for data in feedback:
        if not data.by_rater:
            problems.append(
                f"{data.name}: {data.kind} beside feedback with rater=; choices, rankings, ratings, stops and labels are fitted by "
                "rater: fit the others apart"
            )
        if data.shares is not None:
            problems.append(
                f"{data.name}: human = {data.shares!r} and rater = ...: human= is for feedbacks of one person, rater= for a column "
                "that names many; give one of the two"
            )
        problems += [
            f"{data.name}: labels are steps in the weights of {hypotheses.names[h]!r}, which cannot be fitted by rater; give "
            "choices, rankings, ratings or stops, or listed rules"
            for h in hypotheses.families
            if data.by_rater and not isinstance(data, Rational)
        ]
    if problems:
        raise InputError(problems)


@dataclass(frozen=True, eq=False)
class _Part:
    """A component before it is fitted."""

    hypotheses: tuple[int, ...]
    alpha: float
    latents: Latents
    nuisances: dict[str, Nuisance]
    weights: OfWeights | None = None
    about: OfLinear | None = None

    def component(self, alpha: np.ndarray) -> Component:
        """Return the component as fitted."""
        within = alpha[list(self.hypotheses)] / self.alpha
        return Component(self.hypotheses, within, tuple(self.nuisances), self.about)


def _fixed(
    hypotheses: Hypotheses, alpha: np.ndarray, feedback: Sequence[Feedback], line: FailureLine, raters: Raters
) -> list[_Part]:
    """Return a component for each class of rewards between which no answer can tell."""
    fixed = list(hypotheses.fixed)
    if not fixed:
        return []
    listed, at = hypotheses.only(fixed), line.only(fixed)
    over = [Valuation(listed, data.items, at, for_labels=True) for data in feedback]
    classes = common_classes([data.classes(v) for data, v in zip(feedback, over, strict=True)])
    parts = []
    nuisances = {data.variable(key): prior for data in feedback for key, prior in data.nuisances.items()}
    for c in range(int(classes.max()) + 1):
        members = np.flatnonzero(classes == c)
        pairs = zip(feedback, over, raters.of_unit, strict=True)
        readings = [fixed_reading(data, v, int(members[0]), of, raters.n) for data, v, of in pairs]
        places = tuple(fixed[i] for i in members.tolist())
        latents = FixedReward(readings, nuisances, raters.n)
        parts.append(_Part(places, float(alpha[list(places)].sum()), latents, nuisances))
    return parts


def _linear(
    hypotheses: Hypotheses,
    h: int,
    alpha: float,
    feedback: Sequence[Feedback],
    line: FailureLine,
    raters: Raters,
    correlated: bool,
) -> _Part:
    """Return the component of a linear reward."""
    name, linear = hypotheses.names[h], hypotheses.family(h)
    scale, terms = terms_of(name, linear, feedback, line.values[h], group=False)
    softmax = [term for term in terms if isinstance(term, SoftmaxTerm)]
    assert len(softmax) == len(terms)  # `refuse`
    seen, unseen = directions(terms)
    stated = linear.stated_prior(scale)
    sign = np.zeros(len(linear.features)) if stated is None else np.asarray(stated.sign, float)
    nuisances = {variable: prior for term in terms for variable, prior in term.nuisances.items()}
    spreads: list[np.ndarray | None] = [term.spread if term.spread[:-1, :-1].any() else None for term in softmax]
    space: Coordinates
    typical, lead = linear.sd, None
    if linear.sd is None:
        lead = _lead(name, linear, softmax, seen)
        variable = softmax[lead].feedback.variable("rationality")
        prior = nuisances[variable]
        space = RationalityScaledSphere(seen, unseen, softmax[lead], {variable: nuisances.pop(variable)})
        typical = prior.start / math.sqrt(float(np.trace(softmax[lead].spread[:-1, :-1])))
        spreads[lead] = None
    elif stated is not None:
        space = StatedWeights(stated, {})
    elif seen.shape[1]:
        space = Gaussian(seen, unseen, linear.sd, {})
    else:
        space = UnidentifiedWeights(linear, scale, {})
    assert typical is not None
    of_weights = OfWeights(space, sign, np.where(sign != 0, 1.0, typical), correlated)
    pairs = enumerate(zip(softmax, raters.of_unit, strict=True))
    readings = [linear_reading(term, of, raters.n, k == lead) for k, (term, of) in pairs]
    latents = OwnWeights(readings, spreads, sign, nuisances, raters.n)
    about = OfLinear(linear, scale, seen, None if lead is None else (variable, softmax[lead].spread))
    return _Part((h,), float(alpha), latents, nuisances, of_weights, about)


def _lead(name: str, linear: Linear, terms: Sequence[SoftmaxTerm], seen: np.ndarray) -> int:
    """Return the feedback whose rationality is the length of weights on the sphere.

    Raises InputError where there is none: then a normal prior is needed.
    """
    for k, term in enumerate(terms):
        gram = seen.T @ term.spread[:-1, :-1] @ seen
        sees = np.linalg.eigvalsh(gram) if gram.any() else np.zeros(1)
        if "rationality" in term.feedback.nuisances and term.scale_free and sees[0] > RANK * sees[-1] > 0:
            if linear.stated_prior(np.ones(len(linear.features))) is None and all(t.scale_free for t in terms):
                return k
    raise InputError(
        f"hypothesis {name!r}: by rater, weights on the sphere need feedback with scale = 'unit' and a rationality that is "
        "inferred, which sees every feature that matters, no stated sign, and no kind that compares with failing; give "
        "prior = {'normal': sd}"
    )
