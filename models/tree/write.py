"""Write a posterior as an xarray.DataTree: its groups, coordinates and attributes."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.posterior import Estimate, Posterior
from reward_hypotheses.models.priors.base import Prior, named_judges
from reward_hypotheses.models.tree.draws import Groups


def tree_of(
    posterior: Posterior, line: FailureLine, draws: int, chains: int, seed: int, log_likelihood: bool = False
) -> xr.DataTree:
    """Return a posterior as a tree, with draws."""
    groups = Groups(posterior, draws, chains, seed)
    everything = {
        "posterior": groups.parameters("posterior"),
        "prior": groups.parameters("prior"),
        "evidence": evidence_of(posterior),
        "sample_stats": groups.sample_stats(),
        "posterior_predictive": groups.predictive("posterior"),
        "prior_predictive": groups.predictive("prior"),
        "observed_data": groups.observed(),
        "constant_data": groups.constant(),
    }
    if posterior.spaces:
        from reward_hypotheses.models.rule_space.family.stored import group_of

        everything["rules"] = group_of(posterior)
    if posterior.people is not None:
        from reward_hypotheses.models.weights.raters.stored import group_of as raters_of

        everything["raters"] = raters_of(posterior.people, posterior.hypotheses)
    if log_likelihood:
        everything["log_likelihood"] = groups.log_likelihood()
        everything["log_prior"] = groups.log_prior()
    tree = xr.DataTree.from_dict(everything)
    tree.attrs = about(posterior, line, seed)
    return tree


def about(posterior: Posterior, line: FailureLine, seed: int) -> dict[str, Any]:
    """Return the attributes of a tree, for `posterior_of` to read back."""
    names = posterior.hypotheses.names
    return {
        "creation_library": "reward_hypotheses",
        "seed": seed,
        "method": _method(posterior),
        "families": json.dumps(
            {
                names[h]: {
                    "method": fitted.method,
                    "k_hat": None if np.isnan(fitted.k_hat) else fitted.k_hat,
                    "ess": fitted.ess,
                    "mean": fitted.mean.tolist(),
                    "seen": fitted.seen.tolist(),
                    "directions_only": fitted.directions_only,
                }
                for h, fitted in posterior.families.items()
            }
        ),
        "versions": json.dumps(_versions(posterior)),
        "methods": json.dumps({e.name: _why(posterior, e) for e in posterior.estimates}),
        "study": json.dumps(
            {
                "hypotheses": posterior.hypotheses.written(),
                "columns": list(posterior.hypotheses.columns),
                "fail_utility": dict(zip(names, line.written(), strict=True)),
                "prior": posterior.prior.record(),
                "feedback": [
                    {"kind": data.kind, "name": data.name, "table": data.table.name, "column": data.column or None}
                    | data.settings()
                    | ({} if data.items.failing() is None else {"failing": True})
                    for data in posterior.feedback
                ],
                "not_boolean": sorted(
                    {c for data in posterior.feedback for c, v in data.table.columns.items() if v.values.dtype != bool}
                ),
            }
        ),
    }


def _versions(posterior: Posterior) -> dict[str, str]:
    """Return the versions of the packages that computed the numbers."""
    import platform

    sampled = () if posterior.sampler is None else ("pymc", "pytensor", "nutpie")
    used = ("reward_hypotheses", "numpy", "xarray", *sampled)
    return {name: _version(name) for name in used} | {"python": platform.python_version()}


@cache
def _version(name: str) -> str:
    """Return the version of a package, read once: a tenth of a small fit."""
    from importlib.metadata import version

    return version(name)


def _method(posterior: Posterior) -> str:
    return " and ".join(sorted({estimate.method for estimate in posterior.estimates}))


FAMILY = {
    "laplace": "Laplace's approximation corrected by importance sampling",
    "prior": "importance sampling from the prior",
    "smc": "sequential Monte Carlo",
    "nuts": "NUTS and bridge sampling",
}


def _why(posterior: Posterior, estimate: Estimate) -> str:
    for h, fitted in posterior.families.items():
        if posterior.hypotheses.names[h] == estimate.name and posterior.people is None:
            k_hat = "" if np.isnan(fitted.k_hat) else f", Pareto k-hat {fitted.k_hat:.2f}"
            return f"{fitted.method}: its weights are integrated by {FAMILY[fitted.method]}{k_hat}, all feedbacks inside one integral"
    data = next((f for f in posterior.feedback if f.name == estimate.name), None)
    if posterior.people is not None:
        how = f"importance sampling, Pareto k-hat {posterior.people.k_hat:.2f}"
        return (
            f"{estimate.method}: the population of raters is integrated by Laplace's approximation corrected by {how}"
        )
    if data is None:
        return estimate.method  # of no one feedback: shares of a population
    if estimate.method in ("laplace", "smc"):
        return f"{estimate.method}: {FAMILY[estimate.method]}, over all nuisances at once, once a silent class"
    if estimate.method == "exact":
        if not data.nuisances:
            return "exact: the likelihood has no nuisance, so its product is the evidence"
        return f"exact: the nuisance is integrated {data.integrated}"
    asked = (
        f"asked for, though it can be integrated {data.integrated}" if data.integrated else "there is no closed form"
    )
    return f"nuts: {asked}; the evidence of each silent class is estimated once, by bridge sampling"


def evidence_of(posterior: Posterior) -> xr.Dataset:
    """Return the group ``evidence``."""
    names = list(posterior.hypotheses.names)
    parts = [part for _, part in posterior.prior.parts()]
    judges = named_judges(posterior.prior)
    log_posterior = posterior.log_prior + posterior.log_evidence
    with np.errstate(divide="ignore"):
        log_posterior = log_posterior - np.logaddexp.reduce(log_posterior)
    by_hypothesis = {
        "log_prior": posterior.log_prior,
        "log_evidence": posterior.log_evidence,
        "log_posterior": log_posterior,
        "mcse": posterior.mcse,
        "prior": posterior.prior.weights_of(posterior.hypotheses),
        "weight": posterior.weights,
        "silent_class": posterior.classes.astype(np.int64),
    }
    return xr.Dataset(
        {k: ("hypothesis", v) for k, v in by_hypothesis.items()}
        | {
            "feedback_class": (
                ("feedback", "hypothesis"),
                np.array([e.classes for e in posterior.estimates], np.int64),
            ),
            "feedback_mcse": (("feedback", "hypothesis"), np.array([e.mcse for e in posterior.estimates])),
            "opinion_share": ("opinion", np.array([share for share, _ in posterior.prior.parts()])),
        }
        | _cells(posterior)
        | _priors("opinion", parts, posterior.hypotheses)
        | (_priors("judge", list(judges.values()), posterior.hypotheses) if len(judges) > 1 else {}),
        coords={"hypothesis": names, "feedback": [e.name for e in posterior.estimates]}
        | ({"judge": list(judges)} if len(judges) > 1 else {}),
        attrs={"method": _method(posterior), "units": "nats"}
        | ({"judges": json.dumps(list(judges))} if len(judges) > 1 else {}),
    )


def _cells(posterior: Posterior) -> dict[str, Any]:
    """Return the counts of labels by cell, where a hypothesis is unmodelled."""
    cells = posterior.cell_posterior
    if cells is None:
        return {}
    counts = {"cell_true": cells.true.sum(axis=0), "cell_items": cells.items.sum(axis=0)}
    codes = cells.codes.view(np.int64)  # which every format holds
    return {"cell_code": ("cell", codes)} | {k: ("cell", v.astype(np.int64)) for k, v in counts.items()}


def _priors(dim: str, priors: Sequence[Prior], hypotheses: Hypotheses) -> dict[str, Any]:
    """Return several priors as arrays over a dimension.

    Strengths and weights, and the draws of priors that are known by draws.
    """
    drawn = {k: draws for k, prior in enumerate(priors) if (draws := prior.weighted_draws(hypotheses)) is not None}
    out: dict[str, Any] = {
        f"{dim}_strength": (dim, np.array([np.nan if p.strength is None else p.strength for p in priors], float)),
        f"{dim}_weight": ((dim, "hypothesis"), np.array([p.weights_of(hypotheses) for p in priors])),
        f"{dim}_log_weight": ((dim, "hypothesis"), np.array([p.log_prior(hypotheses) for p in priors])),
    }
    if drawn:
        most = max(len(draws.chance) for draws in drawn.values())
        pi, chance = np.zeros((len(drawn), most, len(hypotheses))), np.zeros((len(drawn), most))
        for i, draws in enumerate(drawn.values()):
            pi[i, : len(draws.chance)], chance[i, : len(draws.chance)] = draws.pi, draws.chance
        out[f"{dim}_held"] = (f"held_{dim}", np.array(list(drawn), np.int64))
        out[f"{dim}_pi"] = ((f"held_{dim}", f"{dim}_atom", "hypothesis"), pi)
        out[f"{dim}_chance"] = ((f"held_{dim}", f"{dim}_atom"), chance)
        if any(draws.effective is not None for draws in drawn.values()):
            out[f"{dim}_effective"] = (f"held_{dim}", np.array([draws.effective for draws in drawn.values()], float))
    return out
