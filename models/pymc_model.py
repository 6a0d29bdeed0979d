"""pymc_model(): the same model in PyMC, to extend and sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.models.feedback.base import Feedback, refuse_numeric
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, weight_names
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.linear_family.likelihood_terms import terms_of
from reward_hypotheses.models.priors.base import Prior

if TYPE_CHECKING:
    import pymc as pm


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
        Nuisances to model otherwise: ``{"labels_eps": make}``, where ``make()`` is called inside the model, declares what
        it likes, and returns a tensor (hypothesis,), or (hypothesis, item) where the nuisance differs by item.

    Returns
    -------
    pymc.Model
        Coords ``hypothesis`` and ``<feedback>_item``; data ``<feedback>_inputs`` (hypothesis, item: predicted labels, or
        rewards), ``<feedback>_observed`` and, with counts, ``<feedback>_counts``; random variables ``value_prior`` (or
        ``value_prior_<k>`` for each judge of a linear pool, and their mean) where a strength was stated, ``<feedback>_eps`` or
        ``_sigma2`` (hypothesis);
        ``reward_weight`` (feature) of a hypothesis with continuous weights, deterministic where it is a direction (of the
        normal ``reward_weight_vector``);
        deterministic ``log_likelihood_of`` (hypothesis) and ``weight`` (hypothesis), the weights given the nuisances of
        a draw, whose mean is the posterior weight.

    Raises
    ------
    InputError
        What `fit` refuses; an uncertain judge who gives weight 0 to a hypothesis that another gives some; nuisances that
        no feedback has.
    """
    import pymc as pm
    import pytensor.tensor as pt

    listed, line, made = prepared(hypotheses, feedback, fail_utility)
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
    keep = np.flatnonzero(prior.weights_of(listed) > 0)
    if not keep.size:
        raise InputError("the prior gives no hypothesis a weight")
    coords: dict[str, Any] = {"hypothesis": [listed.names[h] for h in keep]}
    families = [h for h in listed.families if h in keep]
    fixed = [int(h) for h in keep if h not in families]
    inputs = {}
    for one in made:
        refuse_numeric(one)
        valuation = Valuation(listed.only(fixed), one.items, line.only(fixed)) if fixed else None
        at = [] if valuation is None else [one.at(valuation, h) for h in range(len(fixed))]
        inputs[str(one.name)] = np.array(at, float).reshape(len(fixed), *one.observed.shape)
        shape = one.observed.shape
        coords |= {dim: np.arange(n) for dim, n in zip(one.dims(shape), shape, strict=True)}
    over = "hypothesis"
    if families:
        over = "fixed_hypothesis"
        coords |= {over: [listed.names[h] for h in fixed]}
        coords |= {weight_names(listed, h)[1]: list(listed.family(h).names) for h in families}
    with pm.Model(coords=coords) as model:
        parts = prior.parts()
        opinions = []
        for k, (share, part) in enumerate(parts):
            mean = part.weights_of(listed)[keep]
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
        given = dict(nuisances or {})
        known = [one.variable(key) for one in made for key in one.nuisances]
        declared: dict[str, Any] = {}
        for name in given:
            if name not in known:
                raise InputError(f"nuisances: {name!r} is none of this model; {suggestion(name, known)}")
            if not callable(given[name]):
                raise InputError(
                    f"nuisances: {name!r} is {shown(given[name])}; give a function that returns it, called inside the model"
                )
        weights = {h: _weights(listed, h) for h in families}
        terms = {h: terms_of(listed.names[h], listed.family(h), made, line.values[h], group=False)[1] for h in families}
        place = np.array([keep.tolist().index(h) for h in fixed], int)
        total = pt.zeros(len(keep))
        for k, one in enumerate(made):
            name = str(one.name)
            dims = (over, *one.dims(one.observed.shape))
            predicted = pm.Data(f"{name}_inputs", inputs[name], dims=dims)
            observed = pm.Data(f"{name}_observed", one.observed.astype(float), dims=one.dims(one.observed.shape))
            times: Any = 1.0
            if one.counts is not None:
                times = pm.Data(f"{name}_counts", one.counts, dims=one.dims(one.observed.shape[:1]))
            theta = {}
            for key, nuisance in one.nuisances.items():
                variable = one.variable(key)
                if variable not in declared:
                    own = given.get(variable)
                    declared[variable] = nuisance.pymc(variable, "hypothesis") if own is None else own()
                value = declared[variable]
                if getattr(value, "ndim", 0) not in (1, 2):
                    raise InputError(
                        f"nuisances: the function for {variable!r} returned {shown(value)}; it must return a tensor "
                        "(hypothesis,) or (hypothesis, item)"
                    )
                theta[key] = value if value.ndim == 2 else value[:, None]
            of_fixed = theta if not families else {key: value[place] for key, value in theta.items()}
            if fixed:
                found = (one.log_likelihood(predicted, of_fixed, observed, pt) * times).sum(axis=1)
                total = total + found if not families else pt.inc_subtensor(total[place], found)
            for h in families:
                at_h = keep.tolist().index(h)
                mine = {key: value[at_h : at_h + 1] for key, value in theta.items()}
                seen = terms[h][k].symbolic(weights[h], pt)[None]
                reader = terms[h][k].feedback
                found = reader.log_likelihood(seen, mine, observed, pt) * times
                total = pt.inc_subtensor(total[at_h], found.sum())
        total = pm.Deterministic("log_likelihood_of", total, dims="hypothesis")
        log_weight = pt.log(pi) + total
        evidence = pt.logsumexp(log_weight)
        pm.Deterministic("weight", pt.exp(log_weight - evidence), dims="hypothesis")
        pm.Potential("feedback", evidence)
    return model


def _weights(listed: Hypotheses, h: int) -> Any:
    """Declare the weights of a family: normal, or a direction."""
    import pymc as pm
    import pytensor.tensor as pt

    linear = listed.family(h)
    variable, dim = weight_names(listed, h)
    if linear.sd is not None:
        return pm.Normal(variable, 0.0, linear.sd, dims=dim)
    vector = pm.Normal(f"{variable}_vector", 0.0, 1.0, dims=dim)
    return pm.Deterministic(variable, vector / pt.sqrt((vector**2).sum()), dims=dim)
