"""The posterior of what one rater, a person of a group, or the mean person wants."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.raters.draws import RaterDraws

FEW = 40  # draws in which a rater follows a linear reward, from which they alone speak for the rater


def of_rater(posterior: Posterior, name: str) -> Posterior:
    """Return the posterior of what one rater wants.

    Raises InputError of a name that no rater has.
    """
    people = _people(posterior)
    if name not in people.names:
        raise InputError(f"rater: {name!r} gave no answer in training; {suggestion(name, people.names)}")
    r = people.names.index(name)
    own = {}
    for h, drawn in people.weights.items():
        rows = np.flatnonzero(people.follows[:, r] == h)
        own[h] = drawn[rows if len(rows) >= FEW else slice(None), r]
    nuisances = {variable: values[:, r] for variable, values in people.nuisances.items()}
    return _instead(posterior, people.rater_weights[r], own, nuisances)


def of_group(posterior: Posterior, name: str) -> Posterior:
    """Return the posterior of what a person drawn from a group wants.

    Raises InputError of a name that no group has.
    """
    people = _people(posterior)
    if name not in people.groups:
        known = suggestion(name, people.groups) if people.groups else "fit the feedback with group= to have groups"
        raise InputError(f"group: {name!r} is no group; {known}")
    g = people.groups.index(name)
    own = {h: drawn[:, g] for h, drawn in people.persons.items()}
    return _instead(posterior, people.shares[:, g].mean(axis=0), own, {})


def of_mean(posterior: Posterior) -> Posterior:
    """Return the posterior of what the mean person wants."""
    people = _people(posterior)
    own = {h: (drawn * people.group_shares[:, None]).sum(axis=1) for h, drawn in people.means.items()}
    for h, fitted in posterior.families.items():
        if fitted.linear.sd is None:
            own[h] = own[h] / np.maximum(np.sqrt((own[h] ** 2).sum(axis=1, keepdims=True)), 1e-300)
    return _instead(posterior, posterior.weights, own, {})


def _people(posterior: Posterior) -> RaterDraws:
    assert posterior.people is not None
    return posterior.people


def _instead(
    posterior: Posterior, weights: np.ndarray, own: Mapping[int, np.ndarray], nuisances: Mapping[str, np.ndarray]
) -> Posterior:
    """Return a posterior with other weights of hypotheses and of features."""
    rng = np.random.default_rng(37)
    fitted = {}
    for h, drawn in own.items():
        family = posterior.families[h]
        order = rng.permutation(len(drawn))
        theta = {variable: np.resize(values, len(drawn))[order] for variable, values in nuisances.items()}
        fitted[h] = replace(
            family, weights=drawn[order], mean=drawn.mean(axis=0), nuisances={**family.nuisances, **theta}
        )
    with np.errstate(divide="ignore"):
        log_evidence = np.where(weights > 0, np.log(weights) - posterior.log_prior, -np.inf)
    return replace(
        posterior,
        hypotheses=posterior.hypotheses.instead(fitted),
        log_evidence=log_evidence,
        weights=weights / weights.sum(),
        people=None,
    )
