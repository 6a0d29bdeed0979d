"""pymc_model(): the same model in PyMC, to extend and sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.models.feedback.base import Feedback, refuse_numeric
from reward_hypotheses.models.fit import ONE_REWARD, prepared
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, weight_names
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.hypotheses.weight_priors.stated_prior import StatedPrior
from reward_hypotheses.models.linear_family.likelihood_terms import terms_of
from reward_hypotheses.models.priors.base import Prior

if TYPE_CHECKING:
    import pymc as pm


@dataclass(frozen=True, eq=False)
class MadeOf:
    """What a model in PyMC was made of.

    Attributes
    ----------
    hypotheses, line : Hypotheses, FailureLine
        The hypotheses of the model: those with prior weight.
    prior : Prior
        The judge's prior, over all hypotheses that were given.
    among : Hypotheses
        All hypotheses that were given; ``weighed`` are the positions of those of the model.
    own_nuisances : tuple of str
        Variables of nuisances that the user models.
    """

    hypotheses: Hypotheses
    line: FailureLine
    feedback: tuple[Feedback, ...]
    prior: Prior
    among: Hypotheses
    weighed: tuple[int, ...]
    own_nuisances: tuple[str, ...]


ATTRIBUTE = "reward_hypotheses"
"""Attribute of a model that holds its `MadeOf`."""


def pymc_model(
    hypotheses: Mapping[str, Any],
    prior: Prior,
    feedback: Sequence[Feedback],
    fail_utility: Any,
    *,
    nuisances: Mapping[str, Callable[[], Any]] | None = None,
) -> "pm.Model":
    """Build the model of `fit` in PyMC, the hypothesis summed out.

    ``log p(D | pi, theta) = log sum_h pi_h prod_k p(D_k | r_h, theta_hk)``, as the potential ``feedback``.

    Parameters
    ----------
    hypotheses, prior, feedback, fail_utility
        As for `fit`. Hypotheses to which the prior gives weight 0 are left out: a Dirichlet with a zero does not start.
    nuisances : dict of str to callable, optional
        Nuisances with another model: ``{"labels_eps": make}``. ``make()`` is called inside the model, may declare
        variables, and returns a tensor (hypothesis,), or (hypothesis, item) where the nuisance differs by item.

    Returns
    -------
    pymc.Model
        Coords ``hypothesis`` and ``<feedback>_item``; data ``<feedback>_inputs`` (hypothesis, item: predicted labels, or
        rewards), ``<feedback>_observed`` and, with counts, ``<feedback>_counts``; random variables ``value_prior`` (or
        ``value_prior_<k>`` for each judge of a linear pool, and their mean) where a strength was stated, ``<feedback>_eps`` or
        ``_sigma2`` (hypothesis); ``reward_weight`` (feature) of a hypothesis with continuous weights, deterministic where it
        is a direction (of the normal ``reward_weight_vector``) or has stated signs (of ``reward_weight_free``, ``_size`` and
        ``_log_ratio``); deterministic ``log_likelihood_of`` (hypothesis) and ``weight`` (hypothesis), the weights given the
        nuisances of a draw, whose mean is the posterior weight.

    Raises
    ------
    InputError
        A problem that `fit` reports; an uncertain judge who gives no weight where another does; nuisances that no feedback has.
    """
    import pymc as pm
    import pytensor.tensor as pt

    listed, line, made = prepared(hypotheses, feedback, fail_utility, ONE_REWARD)
    _refuse(listed, prior)
    weighed = np.flatnonzero(prior.weights_of(listed) > 0).tolist()
    if not weighed:
        raise InputError("the prior gives no hypothesis a weight")
    families = [h for h in listed.families if h in weighed]
    fixed = [h for h in weighed if h not in families]
    for data in made:
        refuse_numeric(data)
    inputs = [_inputs(data, listed.only(fixed), line.only(fixed)) for data in made]
    over = "fixed_hypothesis" if families else "hypothesis"
    with pm.Model(coords=_coords(listed, made, weighed, fixed, families)) as model:
        pi = _value_prior(prior, listed, weighed)
        user_nuisances = _own_nuisances(made, nuisances)
        scaled = {h: terms_of(listed.names[h], listed.family(h), made, line.values[h], group=False) for h in families}
        weights = {h: _weights(listed, h, scaled[h][0]) for h in families}
        terms = {h: of_family for h, (_, of_family) in scaled.items()}
        place = np.array([weighed.index(h) for h in fixed], int)
        declared: dict[str, Any] = {}
        total = pt.zeros(len(weighed))
        for k, data in enumerate(made):
            theta = {key: _nuisance(data, key, declared, user_nuisances) for key in data.nuisances}
            predicted, observed, times = _data(data, inputs[k], over)
            if fixed:
                of_fixed = {key: value[place] for key, value in theta.items()} if families else theta
                each = (data.log_likelihood(predicted, of_fixed, observed, pt) * times).sum(axis=1)
                total = pt.inc_subtensor(total[place], each) if families else total + each
            for h in families:
                at = weighed.index(h)
                of_family = {key: value[at : at + 1] for key, value in theta.items()}
                reader, seen = terms[h][k].feedback, terms[h][k].symbolic(weights[h], pt)[None]
                each = reader.log_likelihood(seen, of_family, observed, pt) * times
                total = pt.inc_subtensor(total[at], each.sum())
        total = pm.Deterministic("log_likelihood_of", total, dims="hypothesis")
        log_weight = pt.log(pi) + total
        evidence = pt.logsumexp(log_weight)
        pm.Deterministic("weight", pt.exp(log_weight - evidence), dims="hypothesis")
        pm.Potential("feedback", evidence)
    some = listed.only(weighed), line.only(weighed)
    setattr(model, ATTRIBUTE, MadeOf(*some, tuple(made), prior, listed, tuple(weighed), tuple(user_nuisances)))
    return model


def _refuse(listed: Hypotheses, prior: Prior) -> None:
    """Refuse a hypothesis or a prior that PyMC has no distribution for."""
    listed.refuse_spaces("rh.pymc_model")
    if listed.unmodelled is not None:
        raise InputError(
            f"hypothesis {listed.names[listed.unmodelled]!r} is unmodelled, and is summed cell by cell, which this model does not; use "
            "rh.fit, or list rules alone"
        )
    if any(part.varies and part.strength is None for _, part in prior.parts()):
        raise InputError(
            f"prior: {prior.name!r} is known by draws, of which PyMC makes no distribution; use rh.fit, or give rh.Elicited its "
            "mean weights and a strength"
        )


def _coords(
    listed: Hypotheses,
    made: Sequence[Feedback],
    weighed: Sequence[int],
    fixed: Sequence[int],
    families: Sequence[int],
) -> dict[str, Any]:
    coords: dict[str, Any] = {"hypothesis": [listed.names[h] for h in weighed]}
    for data in made:
        shape = data.observed.shape
        coords |= {dim: np.arange(n) for dim, n in zip(data.dims(shape), shape, strict=True)}
    if families:
        coords |= {"fixed_hypothesis": [listed.names[h] for h in fixed]}
        coords |= {weight_names(listed, h)[1]: list(listed.family(h).names) for h in families}
    return coords


def _inputs(data: Feedback, fixed: Hypotheses, line: FailureLine) -> np.ndarray:
    """Return the inputs of a likelihood under every fixed reward.

    Shape (hypothesis, *shape of the observations).
    """
    at: list[np.ndarray] = []
    if len(fixed):
        valuation = Valuation(fixed, data.items, line)
        at = [data.at(valuation, h) for h in range(len(fixed))]
    return np.array(at, float).reshape(len(fixed), *data.observed.shape)


def _value_prior(prior: Prior, listed: Hypotheses, weighed: Sequence[int]) -> Any:
    """Declare the judge's prior of the weighed hypotheses: (hypothesis,).

    The mean of the judges' priors.
    """
    import pymc as pm
    import pytensor.tensor as pt

    parts = prior.parts()
    opinions = []
    for k, (share, part) in enumerate(parts):
        mean = part.weights_of(listed)[weighed]
        if part.strength is None:
            opinions.append(share * pt.as_tensor_variable(mean))
            continue
        if (mean == 0).any():
            raise InputError(
                f"the uncertain prior {part.name!r} gives weight 0 to a hypothesis that another judge gives some; a "
                "Dirichlet cannot: drop the strength, or give it a weight"
            )
        name = "value_prior" if len(parts) == 1 else f"value_prior_{k}"
        opinions.append(share * pm.Dirichlet(name, a=part.strength * mean, dims="hypothesis"))
    pi = sum(opinions[1:], opinions[0])
    if len(parts) > 1 or not prior.uncertain:
        pi = pm.Deterministic("value_prior", pi, dims="hypothesis")
    return pi


def _own_nuisances(
    made: Sequence[Feedback], nuisances: Mapping[str, Callable[[], Any]] | None
) -> dict[str, Callable[[], Any]]:
    """Return the nuisances that the user models, checked."""
    user_nuisances = dict(nuisances or {})
    known = [data.variable(key) for data in made for key in data.nuisances]
    for name, make in user_nuisances.items():
        if name not in known:
            raise InputError(f"nuisances: {name!r} is none of this model; {suggestion(name, known)}")
        if not callable(make):
            raise InputError(
                f"nuisances: {name!r} is {shown(make)}; give a function that returns it, called inside the model"
            )
    return user_nuisances


def _nuisance(
    data: Feedback, key: str, declared: dict[str, Any], user_nuisances: Mapping[str, Callable[[], Any]]
) -> Any:
    """Declare a nuisance, unless another feedback has declared it.

    Shape (hypothesis, 1) or (hypothesis, item).
    """
    variable = data.variable(key)
    if variable not in declared:
        declared[variable] = (
            user_nuisances[variable]()
            if variable in user_nuisances
            else data.nuisances[key].pymc(variable, "hypothesis")
        )
    value = declared[variable]
    if getattr(value, "ndim", 0) not in (1, 2):
        raise InputError(
            f"nuisances: the function for {variable!r} returned {shown(value)}; it must return a tensor "
            "(hypothesis,) or (hypothesis, item)"
        )
    return value if value.ndim == 2 else value[:, None]


def _data(data: Feedback, inputs: np.ndarray, over: str) -> tuple[Any, Any, Any]:
    """Declare a feedback's inputs over fixed rewards, observations and counts."""
    import pymc as pm

    dims = data.dims(data.observed.shape)
    predicted = pm.Data(f"{data.name}_inputs", inputs, dims=(over, *dims))
    observed = pm.Data(f"{data.name}_observed", data.observed.astype(float), dims=dims)
    if data.counts is None:
        return predicted, observed, 1.0
    return predicted, observed, pm.Data(f"{data.name}_counts", data.counts, dims=data.dims(data.observed.shape[:1]))


def _weights(listed: Hypotheses, h: int, scale: np.ndarray) -> Any:
    """Declare the weights of a family: normal, a direction, or as they are stated.

    Parameters
    ----------
    scale : ndarray (feature,)
        Unit of each feature.
    """
    import pymc as pm
    import pytensor.tensor as pt

    linear = listed.family(h)
    variable, dim = weight_names(listed, h)
    stated = linear.stated_prior(scale)
    if stated is not None and stated.affine:
        return pm.Normal(variable, stated.mean, stated.sd, dims=dim)
    if stated is not None:
        vector = _stated_vector(variable, stated)
    elif linear.sd is not None:
        return pm.Normal(variable, 0.0, linear.sd, dims=dim)
    else:
        vector = pm.Normal(f"{variable}_vector", 0.0, 1.0, dims=dim)
    if linear.sd is None:
        vector = vector / pt.sqrt((vector**2).sum())
    return pm.Deterministic(variable, vector, dims=dim)


def _stated_vector(variable: str, prior: StatedPrior) -> Any:
    """Declare weights with stated signs: normal, truncated normal, or by a ratio.

    A tensor (feature,) of the vector of `StatedPrior`.
    """
    import pymc as pm
    import pytensor.tensor as pt

    numerators = [n for n, *_ in prior.ratios]
    free = np.flatnonzero(prior.sign == 0)
    halved = np.setdiff1d(np.flatnonzero(prior.sign), numerators)
    parts: dict[int, Any] = {}
    if len(free):
        normal = pm.Normal(f"{variable}_free", prior.mean[free], prior.sd)
        parts |= {int(k): normal[i] for i, k in enumerate(free)}
    sign = prior.sign[halved]
    size = pm.TruncatedNormal(f"{variable}_size", mu=sign * prior.mean[halved], sigma=prior.sd, lower=0.0)
    parts |= {int(k): prior.sign[k] * size[i] for i, k in enumerate(halved)}
    if numerators:
        mean, sd = np.array([ratio[2:] for ratio in prior.ratios]).T
        log_ratio = pm.Normal(f"{variable}_log_ratio", mean, sd)
        for i, (n, d, *_) in enumerate(prior.ratios):
            parts[n] = prior.sign[n] * pt.abs(parts[d]) * pt.exp(log_ratio[i])
    return pt.stack([parts[k] for k in range(len(prior.sign))])
