"""pymc_model(): the same model in PyMC, to extend and sample."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree import prepared
from reward_hypotheses.models.valuation import Valuation

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
        rewards) and ``<feedback>_observed``; random variables ``value_prior`` (or ``value_prior_<k>`` for each judge of a
        linear pool, and their mean) where a strength was stated, ``<feedback>_eps`` or ``_sigma2`` (hypothesis);
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
    keep = np.flatnonzero(prior.weights_of(listed) > 0)
    if not keep.size:
        raise InputError("the prior gives no hypothesis a weight")
    coords: dict[str, Any] = {"hypothesis": [listed.names[h] for h in keep]}
    inputs = {}
    for one in made:
        valuation = Valuation(listed, one.items, line)
        inputs[str(one.name)] = np.array([one.at(valuation, int(h)) for h in keep], float)
        shape = inputs[str(one.name)].shape[1:]
        coords |= {dim: np.arange(n) for dim, n in zip(one.dims(shape), shape, strict=True)}
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
        total = pt.zeros(len(keep))
        for one in made:
            name = str(one.name)
            dims = ("hypothesis", *one.dims(inputs[name].shape[1:]))
            predicted = pm.Data(f"{name}_inputs", inputs[name], dims=dims)
            observed = pm.Data(f"{name}_observed", one.observed.astype(float), dims=one.dims(one.observed.shape))
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
            total = total + one.log_likelihood(predicted, theta, observed, pt).sum(axis=1)
        total = pm.Deterministic("log_likelihood_of", total, dims="hypothesis")
        log_weight = pt.log(pi) + total
        evidence = pt.logsumexp(log_weight)
        pm.Deterministic("weight", pt.exp(log_weight - evidence), dims="hypothesis")
        pm.Potential("feedback", evidence)
    return model
