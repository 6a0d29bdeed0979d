"""The posterior of reward hypotheses where raters differ."""

from collections.abc import Sequence

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import Estimate, Posterior
from reward_hypotheses.models.priors.base import Prior, total_strength
from reward_hypotheses.models.weights.raters.draws import FittedPeople, RaterDraws
from reward_hypotheses.models.weights.raters.fit import fit_raters
from reward_hypotheses.models.weights.raters.people import People
from reward_hypotheses.models.weights.raters.who import raters_of

KEPT, HELD = 1000, 4_000_000
"""Joint draws of raters that a posterior keeps; numbers that these may take."""
LEAST_PERSONS = 4000


def weigh_raters(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    method: str,
    draws: int,
    chains: int,
    seed: int,
) -> Posterior:
    """Return the posterior of what a person drawn from the raters' population wants.

    The weight of a hypothesis is the mean share of people who follow it. Its log evidence is that of all answers, given that the
    next person follows it: ``log p(D) + log E[s_h | D] - log pi_h``. Shares have the prior ``Dirichlet(A pi)``, A the strength of
    the values, or the number of hypotheses with weight where they have none.

    Raises
    ------
    InputError
        Hypotheses or feedback that cannot be fitted by rater.
    """
    if method != "auto":
        raise InputError(
            f"method: {method!r}, but feedback names raters, whose population is integrated by 'auto' alone"
        )
    raters = raters_of(feedback)
    assert raters is not None
    pi = prior.weights_of(hypotheses)
    if len(prior.parts()) > 1:
        raise InputError(
            "prior: several judges, and feedback with rater=: the shares of people have one Dirichlet prior; give the values of one "
            "judge"
        )
    strength = total_strength(prior)
    alpha = pi * (float((pi > 0).sum()) if strength is None else strength)
    correlated = any(data.correlated for data in feedback)
    people = fit_raters(hypotheses, alpha, feedback, line, raters, correlated, seed)
    n = max(LEAST_PERSONS, draws * chains)
    kept = draws_of(people, len(pi), np.resize(np.arange(people.n), _kept(people)))
    weights = people.of_hypotheses((people.shares * raters.in_groups()[:, None]).sum(axis=1), len(pi)).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_evidence = people.value + np.log(weights) - prior.log_prior(hypotheses)
    log_evidence = np.where(pi > 0, log_evidence, people.value)
    fitted = hypotheses.instead(_families(people, feedback, n))
    classes, error, typical = _classes(people, len(pi)), _error(people, weights), fitted.typical()
    nothing = np.zeros(len(pi))
    evidence = [
        Evidence(
            log_evidence if k == 0 else nothing,
            classes,
            data.n_answers,
            mcse=error if k == 0 else nothing,
            draws=_nuisances(people, data, len(pi), draws, chains) or None,
            method="laplace",
        )
        for k, data in enumerate(feedback)
    ]
    return Posterior(
        hypotheses=fitted,
        prior=prior,
        log_prior=prior.log_prior(hypotheses),
        log_evidence=log_evidence,
        classes=classes,
        weights=weights / weights.sum(),
        feedback=tuple(feedback),
        valuations=tuple(Valuation(typical, data.items, line, for_labels=True) for data in feedback),
        evidence=tuple(evidence),
        estimates=(Estimate("raters", "laplace", classes, error),),
        people=kept,
        silence_known=False,
    )


def _families(people: People, feedback: Sequence[Feedback], n: int) -> dict[int, Reward]:
    """Return the linear hypotheses, fitted: by n persons drawn from the population."""
    fitted: dict[int, Reward] = {}
    for c, component in enumerate(people.components):
        of = component.of
        if of is None:
            continue
        drawn = people.persons(c, n)
        weights = people.weights(c, drawn)
        fitted[component.hypotheses[0]] = FittedPeople(
            of.linear,
            of.scale,
            weights.mean(axis=0),
            weights,
            _of_persons(people, c, drawn, feedback),
            method="laplace",
            k_hat=people.k_hat,
            ess=people.ess,
            seen=of.seen,
            spreads={} if of.lead is None else {of.lead[0]: of.lead[1]},
        )
    return fitted


def _classes(people: People, n: int) -> np.ndarray:
    """Return the silent classes: of components, then hypotheses without prior."""
    classes = np.full(n, -1)
    for c, component in enumerate(people.components):
        classes[list(component.hypotheses)] = c
    left = np.flatnonzero(classes < 0)
    classes[left] = len(people.components) + np.arange(len(left))
    return classes


def _kept(people: People) -> int:
    width = max(1, max(of.shape[-1] for of in people.latents))
    return int(np.clip(HELD // (people.raters.n * width), 100, KEPT))


def _error(people: People, weights: np.ndarray) -> np.ndarray:
    """Return the Monte Carlo error of each log evidence: of its share, or of all."""
    if (weights > 0).sum() == 1:
        return np.where(weights > 0, people.mcse, 0.0)
    shares = people.of_hypotheses(people.shares, len(weights))
    share = (shares * people.raters.in_groups()[:, None]).sum(axis=1)
    sd = share.std(axis=0) / np.sqrt(max(people.ess, 1.0))
    return np.asarray(np.where(weights > 0, sd / np.where(weights > 0, weights, 1.0), 0.0))


def _of_persons(people: People, c: int, latents: np.ndarray, feedback: Sequence[Feedback]) -> dict[str, np.ndarray]:
    """Return the nuisances of latents (draw, dimension), of every feedback."""
    own = people.nuisances(c, latents)
    for data in feedback:
        for key in data.nuisances:  # under a normal prior the rationality is the length of the weights
            own.setdefault(data.variable(key), np.ones(len(latents)))
    return own


def _nuisances(people: People, data: Feedback, n: int, draws: int, chains: int) -> dict[str, np.ndarray]:
    """Return the nuisances of drawn persons: (chain, draw, hypothesis)."""
    out = {key: np.full((chains * draws, n), np.nan) for key in data.nuisances}
    for c, component in enumerate(people.components):
        own = people.nuisances(c, people.persons(c, chains * draws))
        for key, values in out.items():
            values[:, list(component.hypotheses)] = own.get(data.variable(key), np.ones(chains * draws))[:, None]
    for key, prior in data.nuisances.items():
        rng = substream(people.seed, f"nuisances of nobody {data.variable(key)}")
        gone = np.isnan(out[key]).all(axis=0)
        out[key][:, gone] = prior.draws((chains * draws, int(gone.sum())), rng)
    return {key: values.reshape(chains, draws, n) for key, values in out.items()}


def draws_of(people: People, n: int, rows: np.ndarray) -> RaterDraws:
    """Return joint draws of raters, of the mean person and of persons of each group.

    Parameters
    ----------
    n : int
        Number of hypotheses.
    rows : ndarray (draw,) of int
        Which draws of the population to keep.
    """
    raters, groups = people.raters, max(1, len(people.raters.groups))
    rng = substream(people.seed, "rules of raters")
    follows = np.zeros((len(rows), raters.n), np.int64)
    weights, means, persons = {}, {}, {}
    variables = dict.fromkeys(v for c in people.components for v in c.nuisances)
    variables |= dict.fromkeys(c.of.lead[0] for c in people.components if c.of is not None and c.of.lead is not None)
    nuisances = {v: np.ones((len(rows), raters.n)) for v in variables}
    of_persons = {v: np.ones((len(rows), groups, n)) for v in variables}
    for c, component in enumerate(people.components):
        mine = people.follows[rows] == c
        which = rng.choice(component.hypotheses, follows.shape, p=component.within)
        follows[mine] = which[mine]
        latents = people.latents[c][rows] + people.unseen(c)[rows][:, None]
        own = people.nuisances(c, latents)
        for variable, values in own.items():
            nuisances[variable][mine] = values[mine]
        by_group = [people.persons(c, people.n, g)[rows] for g in range(groups)]
        drawn = np.stack(by_group, axis=1)
        for variable, values in people.nuisances(c, drawn).items():
            of_persons[variable][:, :, list(component.hypotheses)] = values[..., None]
        if component.of is not None:
            h = component.hypotheses[0]
            weights[h] = people.weights(c, latents)
            means[h] = np.stack([people.weights(c, people.mean_person(c, g)[rows]) for g in range(groups)], axis=1)
            persons[h] = people.weights(c, drawn)
    return RaterDraws(
        column=raters.column,
        names=raters.names,
        groups=raters.groups,
        group_of=raters.group_of,
        answers=raters.answers,
        follows=follows,
        shares=people.of_hypotheses(people.shares[rows], n),
        weights=weights,
        means=means,
        persons=persons,
        nuisances=nuisances,
        nuisances_of_persons=of_persons,
        log_evidence=people.value,
        mcse=people.mcse,
        k_hat=people.k_hat,
        ess=people.ess,
    )
