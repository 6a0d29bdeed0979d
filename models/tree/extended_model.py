"""An extended model in PyMC: what was added to it, and whether draws are of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.pymc_model import ATTRIBUTE, MadeOf

CHECKED = 3
"""Draws at which the weights are computed again."""
CLOSE = 1e-4


@dataclass(frozen=True)
class Extension:
    """What was added to a model.

    Attributes
    ----------
    informs_values : bool
        Whether a term other than the feedback informs the values.
    silence_known : bool
        Whether only feedback tells hypotheses apart.
    """

    informs_values: bool
    silence_known: bool


def made_of(model: Any) -> MadeOf:
    """Return what a model was made of; InputError where `pymc_model` did not make it."""
    made = getattr(model, ATTRIBUTE, None)
    if not isinstance(made, MadeOf):
        raise InputError(
            f"model: a {type(model).__name__} that rh.pymc_model did not return; give the model itself, with what was added to it"
        )
    return made


def extension_of(model: Any, made: MadeOf, weight: str) -> Extension:
    """Return what was added to a model.

    Raises
    ------
    InputError
        No variable of that name; a term by hypothesis that `weight` leaves out; values and nuisances that a term ties
        together, so that ``p(D | h)`` depends on the values.
    """
    names = [variable.name for variable in model.deterministics]
    if weight not in names:
        raise InputError(f"weight: {weight!r} is no deterministic of the model; {suggestion(str(weight), names)}")
    values = {model["value_prior"], *(v for v in model.free_RVs if v.name.startswith("value_prior"))}
    mixture = {model["weight"], model["log_likelihood_of"]}
    nuisances = {v for v in model.free_RVs if v in set(_before([model["log_likelihood_of"]]))} - values
    for variable in nuisances:
        if values & set(_before([variable])):
            raise InputError(
                f"model: {variable.name!r} depends on the values, so that the evidence of a hypothesis does too, and no weights of "
                "another prior follow; model it apart from value_prior"
            )
    informs_values = by_hypothesis = False
    for term in [*(p for p in model.potentials if p.name != "feedback"), *model.observed_RVs]:
        before = set(_before([term], mixture))
        if mixture & before:
            by_hypothesis = True
        elif values & before and nuisances & before:
            shared = ", ".join(sorted(repr(v.name) for v in nuisances & before))
            raise InputError(
                f"model: the term {term.name!r} ties the values to {shared}, so that the evidence of a hypothesis depends on the values; "
                "give the term parameters of its own"
            )
        informs_values |= bool(values & before)
    if by_hypothesis and weight == "weight":
        raise InputError(
            "model: a term by hypothesis was added, which 'weight' leaves out; add the deterministic weight * exp(term), normalised "
            "over the hypotheses, and name it in weight="
        )
    return Extension(informs_values and made.prior.uncertain, weight == "weight")


def _before(variables: list[Any], blockers: Iterable[Any] = ()) -> Iterable[Any]:
    from pytensor.graph.traversal import ancestors

    return ancestors(variables, blockers=blockers)


def sampled_from(idata: Any, model: Any, made: MadeOf, weight: str) -> dict[str, np.ndarray]:
    """Return the draws of a model by variable: (chain, draw, ...).

    The hypotheses are in the order of the model.

    Raises
    ------
    InputError
        No draws; a variable that is missing, of another shape, or not finite.
    """
    if not isinstance(idata, xr.DataTree) or "posterior" not in idata.children:
        raise InputError("idata: give the tree of pm.sample, with a group 'posterior'")
    if not model.free_RVs:
        raise InputError("model: it has no free variables, so nothing was sampled; rh.fit is exact for it")
    posterior = idata["posterior"].to_dataset()
    listed = made.hypotheses
    needed = [*(v.name for v in model.free_RVs), weight, *(weight_names(listed, h)[0] for h in listed.families)]
    if made.prior.uncertain:
        needed.append("value_prior")
    missing = [name for name in dict.fromkeys(needed) if name not in posterior]
    if missing:
        raise InputError(
            f"idata: no draws of {', '.join(map(repr, missing))}, which the model has; give the draws of this model, of all its variables"
        )
    names = list(listed.names)
    out: dict[str, np.ndarray] = {}
    for name in dict.fromkeys([*needed, *(n for n in ("value_prior", "log_likelihood_of") if n in posterior)]):
        draws = posterior[name].transpose("chain", "draw", ...)
        if "hypothesis" in draws.dims:
            there = [str(label) for label in draws["hypothesis"].to_numpy().tolist()]
            if sorted(there) != sorted(names):
                raise InputError(f"idata: {name!r} holds hypothesis {there}; the model has {names}")
            draws = draws.isel(hypothesis=[there.index(label) for label in names])
        out[name] = draws.to_numpy().astype(float)
        if np.isnan(out[name]).any():
            raise InputError(
                f"idata: {name!r} holds NaN in {int(np.isnan(out[name]).sum())} places; sample the model again"
            )
    if "value_prior" not in out:
        stated = made.prior.weights_of(made.among)[list(made.weighed)]
        out["value_prior"] = np.broadcast_to(stated / stated.sum(), out[weight].shape)
    if out[weight].shape != (*out[weight].shape[:2], len(names)):
        raise InputError(f"idata: {weight!r} has no dimension 'hypothesis' of {len(names)}")
    return out


def check_draws(draws: dict[str, np.ndarray], model: Any, weight: str) -> None:
    """Refuse draws of another model, by the weights that the model gives."""
    evaluate = model.compile_fn([model[weight]], inputs=model.free_RVs, mode="FAST_COMPILE", point_fn=False)
    values = {v.name: draws[v.name].reshape(-1, *draws[v.name].shape[2:]) for v in model.free_RVs}
    weights = draws[weight].reshape(-1, draws[weight].shape[-1])
    for t in np.linspace(0, len(weights) - 1, CHECKED).astype(int).tolist():
        try:
            (again,) = evaluate(*(values[v.name][t] for v in model.free_RVs))
        except (ValueError, TypeError) as error:
            raise InputError(f"idata: the draws do not fit the model ({str(error).splitlines()[0]})") from error
        if not np.allclose(again, weights[t], atol=CLOSE):
            raise InputError(
                f"idata: at a draw the model gives the weights {np.round(again, 4)}, and the draws say {np.round(weights[t], 4)}; they are "
                "of another model, or its data changed since"
            )
