"""posterior_from(): the tree of draws that PyMC made of an extended model."""

from dataclasses import dataclass
from typing import Any, override

import numpy as np
import xarray as xr

from reward_hypotheses.data.numerics import numbered, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.callable_registry import remember_callables
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, weight_names
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.laplace import Weighted, pareto_k
from reward_hypotheses.models.inference.mixture_evidence import (
    MixtureEvidence,
    effective,
    mixture_evidence,
    standard_error,
)
from reward_hypotheses.models.inference.special import normalise_log
from reward_hypotheses.models.inference.trust import NotTrustedError, judged
from reward_hypotheses.models.linear_family.integrate import directions, spreads
from reward_hypotheses.models.linear_family.likelihood_terms import terms_of
from reward_hypotheses.models.posterior import MATTERS, Estimate, Posterior, posterior_weights
from reward_hypotheses.models.priors.base import WeightedDraws
from reward_hypotheses.models.pymc_model import MadeOf
from reward_hypotheses.models.tree.extended_model import Extension, check_draws, extension_of, made_of, sampled_from
from reward_hypotheses.models.tree.read import Opinion, Stored
from reward_hypotheses.models.tree.write import about, evidence_of

NAME = "extended model"
LOOKED_AT = 50
"""Components of a variable, at most, whose chains are judged."""


def posterior_from(idata: xr.DataTree, model: Any, *, weight: str = "weight", random_seed: int = 0) -> xr.DataTree:
    """Return the tree of a model from `pymc_model` that PyMC sampled.

    The log evidence ``log p(D | h)`` solves ``mean_t w_h(t) = mean_t pi_h(t) p(D | h) / sum_k pi_k(t) p(D | k)`` over draws t of the
    values pi and their weights w, up to a constant. The posterior weights are the means of ``w_h(t)``. Values that the
    extension informs, such as by a survey, are the draws ``pi(t)``.

    Parameters
    ----------
    idata : DataTree
        From ``pm.sample``: group ``posterior`` with every free variable of the model and its ``value_prior`` and `weight`.
    model : pymc.Model
        From `pymc_model`, with what was added to it.
    weight : str
        The deterministic of the posterior weights given a draw (hypothesis,). A term that differs by hypothesis needs one
        of its own: ``weight * exp(term)``, normalised.
    random_seed : int
        Of what is drawn from the tree.

    Returns
    -------
    DataTree
        As of `fit`, for `catastrophe_risk` and all that takes a tree; without the groups ``prior`` and of predictions.
        ``posterior`` (chain, draw): ``weight``, given the values of the draw, the nuisances integrated out; ``value_prior``;
        nuisances given each hypothesis, resampled. ``evidence`` has ``k_hat`` (hypothesis), the Pareto shape of the weights.
        Hypotheses without prior weight are left out.

    Raises
    ------
    InputError
        Draws that are not of this model, or not finite; a model of which no evidence can be separated from the values.
    NotTrustedError
        A divergence, R-hat above 1.01, an effective sample size below 400; an evidence of a hypothesis of weight above 0.001
        with a Monte Carlo error above 0.1 nats or a Pareto k-hat above 0.7. Its ``tree`` holds the numbers. Functions that
        act by another prior refuse hypotheses of which the evidence is so uncertain.
    """
    random_seed = whole(random_seed, "random_seed")
    made = made_of(model)
    extension = extension_of(model, made, weight)
    draws = sampled_from(idata, model, made, weight)
    check_draws(draws, model, weight)
    classes = _classes(made, extension, draws)
    log_pi, log_w = _logs(draws, weight)
    found = _by_class(log_pi, log_w, classes)
    listed = _with_families(made, draws, log_w, random_seed)
    prior = _prior(made, extension, log_pi, found)
    log_prior = prior.log_prior(listed)
    k_hat = found.k_hat if prior.drawn is None else np.maximum(found.k_hat, prior.k_hat)
    posterior = Posterior(
        hypotheses=listed,
        prior=prior,
        log_prior=log_prior,
        log_evidence=found.value,
        classes=classes,
        weights=posterior_weights(prior.weights_of(listed), log_prior, found.value),
        feedback=made.feedback,
        valuations=(),
        evidence=(),
        estimates=(Estimate(NAME, "nuts", classes, found.mcse),),
        k_hat=k_hat,
        prior_mcse=None if prior.drawn is None else _prior_mcse(log_pi + found.value),
        silence_known=extension.silence_known,
    )
    tree = _tree(posterior, made, draws, log_pi, log_w, random_seed)
    remember_callables(tree, listed)
    problems = [*_sampler_problems(idata, draws, model, weight, posterior.weights), *posterior.untrusted()]
    if problems:
        raise NotTrustedError(problems, tree)
    return tree


@dataclass(frozen=True, eq=False)
class ModelValues(Stored):
    """The values of a model, as the judge stated them or as draws of the model.

    Attributes
    ----------
    name_of, source_of : str
        Name and source of the prior that was stated.
    drawn : ndarray (draw,) or None
        Chance of each draw under ``p(pi)``; None where nothing but the feedback informs the values.
    k_hat : ndarray (hypothesis,)
        Pareto shape of ``chance pi_h``.
    """

    name_of: str = ""
    source_of: str | None = None
    drawn: np.ndarray | None = None
    k_hat: Any = -np.inf

    @override
    def record(self) -> dict[str, Any]:
        return {"name": self.name_of, "source": self.source_of} | ({} if self.drawn is None else {"extended": True})


def _logs(draws: dict[str, np.ndarray], weight: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ``log pi_h`` and ``log w_h``: two arrays (chain, draw, hypothesis)."""
    with np.errstate(divide="ignore"):
        log_pi = np.log(draws["value_prior"])
        if weight != "weight" or "log_likelihood_of" not in draws:
            return log_pi, np.log(draws[weight])
    log_w = log_pi + draws["log_likelihood_of"]  # where a weight underflows
    return log_pi, log_w - np.logaddexp.reduce(log_w, axis=-1, keepdims=True)


def _classes(made: MadeOf, extension: Extension, draws: dict[str, np.ndarray]) -> np.ndarray:
    """Return the silent classes of the hypotheses: (hypothesis,).

    Nuisances of the user's own can tell hypotheses apart unless the likelihoods are equal in every draw.
    """
    listed = made.hypotheses
    alone = np.arange(len(listed))
    if not extension.silence_known:
        return alone
    fixed, keys = list(listed.fixed), []
    for data in made.feedback:
        of_feedback = alone + len(alone)
        if fixed:
            valuation = Valuation(listed.only(fixed), data.items, made.line.only(fixed), for_labels=True)
            of_feedback[fixed] = data.classes(valuation)
        keys.append(of_feedback.tolist())
    classes = numbered(zip(*keys, strict=True))
    if not made.own_nuisances:
        return classes
    likelihood = draws.get("log_likelihood_of")
    first = [int(np.argmax(classes == c)) for c in classes]
    alike = [
        likelihood is not None and np.allclose(likelihood[..., h], likelihood[..., f]) for h, f in enumerate(first)
    ]
    return numbered(c if same else -1 - h for h, (c, same) in enumerate(zip(classes.tolist(), alike, strict=True)))


def _by_class(log_pi: np.ndarray, log_w: np.ndarray, classes: np.ndarray) -> MixtureEvidence:
    """Return the evidence of every hypothesis, estimated once a silent class."""

    def summed(logs: np.ndarray) -> np.ndarray:
        each = [np.logaddexp.reduce(logs[..., classes == c], axis=-1) for c in range(int(classes.max()) + 1)]
        return np.stack(each, axis=-1)

    found = mixture_evidence(summed(log_pi), summed(log_w))
    return MixtureEvidence(found.value[classes], found.mcse[classes], found.k_hat[classes])


def _prior(made: MadeOf, extension: Extension, log_pi: np.ndarray, found: MixtureEvidence) -> ModelValues:
    """Return the values, as stated or as draws where the extension informs them.

    Draws of pi from ``p(pi | D)`` are draws from ``p(pi)`` with chances in proportion to ``1 / sum_h pi_h p(D | h)``.
    """
    stated, some = made.prior, list(made.weighed)
    if not extension.informs_values:
        parts = [
            (
                share,
                Opinion(
                    _among(part.weights_of(made.among), some), part.log_prior(made.among)[some], part.strength, label
                ),
            )
            for (share, part), label in zip(stated.parts(), [None] * len(stated.parts()), strict=True)
        ]
        judges = tuple(
            Opinion(
                _among(judge.weights_of(made.among), some), judge.log_prior(made.among)[some], judge.strength, label
            )
            for label, judge in stated.judges()
        )
        weights, logs = _among(stated.weights_of(made.among), some), stated.log_prior(made.among)[some]
        shares = np.array([share for share, _ in parts])
        return ModelValues(weights, logs, shares, tuple(part for _, part in parts), judges, stated.name, stated.source)
    pi, n = np.exp(log_pi), log_pi.shape[-1]
    log_chance = -np.logaddexp.reduce(log_pi + found.value, axis=-1)
    chance = normalise_log(log_chance.ravel())
    least = min(
        effective(pi[..., h], method) for h in range(n) for method in ("bulk", "tail") if np.ptp(pi[..., h]) > 0
    )
    drawn = WeightedDraws(pi.reshape(-1, n), chance, least)
    mean = drawn.mean()
    k_hat = np.array([pareto_k((log_chance + log_pi[..., h]).ravel()) for h in range(n)])
    with np.errstate(divide="ignore"):
        logs = np.log(mean)
    opinion = Opinion(mean, logs, None, None, drawn)
    return ModelValues(mean, logs, np.ones(1), (opinion,), (opinion,), stated.name, stated.source, chance, k_hat)


def _prior_mcse(log_weight: np.ndarray) -> np.ndarray:
    """Return the Monte Carlo error of the log prior weights: (hypothesis,).

    Errors are against the most probable hypothesis.

    Parameters
    ----------
    log_weight : ndarray (chain, draw, hypothesis)
        ``log pi_h(t) p(D | h)``. Its error is independent of that of the evidence, which is 0 on average given pi.
    """
    share = np.exp(log_weight - np.logaddexp.reduce(log_weight, axis=-1, keepdims=True))
    mean = np.maximum(share.mean(axis=(0, 1)), 1e-300)
    relative = share / mean
    first = int(np.argmax(mean))
    return np.array([standard_error(relative[..., h] - relative[..., first]) for h in range(len(mean))])


def _among(weights: np.ndarray, some: list[int]) -> np.ndarray:
    return np.asarray(weights[some] / weights[some].sum())


def _resampled(log_w: np.ndarray, seed: int, name: str) -> tuple[np.ndarray, float]:
    """Return positions of draws given a hypothesis, and how many draws they are worth.

    Parameters
    ----------
    log_w : ndarray (chain, draw)
        Log weight of the hypothesis.
    """
    chance = normalise_log(log_w.ravel())
    sample = Weighted(0.0, 0.0, np.nan, np.zeros((0, 0)), chance)
    worth = effective(np.exp(log_w - log_w.max()), "mean") / log_w.size
    return sample.resampled(log_w.size, substream(seed, f"draws given {name}")), worth * sample.effective


def _with_families(made: MadeOf, draws: dict[str, np.ndarray], log_w: np.ndarray, seed: int) -> Hypotheses:
    """Return the hypotheses, continuous weights by their draws given each."""
    listed, fitted = made.hypotheses, {}
    for h in listed.families:
        linear, name = listed.family(h), listed.names[h]
        scale, terms = terms_of(name, linear, made.feedback, made.line.values[h])
        rows, worth = _resampled(log_w[..., h], seed, name)
        weights = draws[weight_names(listed, h)[0]].reshape(len(rows), -1)[rows]
        nuisances = {}
        for data, term in zip(made.feedback, terms, strict=True):
            for key in data.nuisances:
                variable = data.variable(key)
                if key not in term.feedback.nuisances:
                    nuisances[variable] = np.ones(len(rows))
                elif variable in draws:
                    nuisances[variable] = draws[variable][..., h].ravel()[rows]
        fitted[h] = Fitted(
            linear,
            scale,
            weights.mean(axis=0),
            weights,
            nuisances,
            method="nuts",
            ess=worth,
            seen=directions(terms)[0],
            directions_only=linear.sd is None and all(term.scale_free for term in terms),
            spreads=spreads(terms),
        )
    return listed.instead(fitted)


def _tree(
    posterior: Posterior,
    made: MadeOf,
    draws: dict[str, np.ndarray],
    log_pi: np.ndarray,
    log_w: np.ndarray,
    seed: int,
) -> xr.DataTree:
    """Return the tree of a posterior from draws."""
    names, shape = list(posterior.hypotheses.names), log_pi.shape
    log_weight = log_pi + posterior.log_evidence
    given = np.exp(log_weight - np.logaddexp.reduce(log_weight, axis=-1, keepdims=True))
    dims = ("chain", "draw", "hypothesis")
    variables: dict[str, Any] = {"weight": (dims, given), "value_prior": (dims, np.exp(log_pi))}
    rows = [_resampled(log_w[..., h], seed, name)[0] for h, name in enumerate(names)]
    for variable in dict.fromkeys(data.variable(key) for data in made.feedback for key in data.nuisances):
        if variable in draws and draws[variable].shape == shape:
            flat = draws[variable].reshape(-1, len(names))
            by_hypothesis = np.stack([flat[some, h] for h, some in enumerate(rows)], axis=-1)
            for h, fitted in posterior.families.items():
                by_hypothesis[:, h] = fitted.nuisances[variable]
            variables[variable] = (dims, by_hypothesis.reshape(shape))
    constant: dict[str, Any] = {}
    coords: dict[str, Any] = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1]), "hypothesis": names}
    typical = posterior.hypotheses.typical()
    for data in made.feedback:
        scales = data.scales(Valuation(typical, data.items, made.line))
        if scales is not None:
            scales[list(posterior.families)] = np.nan  # one for each of their weights
            constant[f"{data.name}_scale"] = ("hypothesis", scales)
    features: dict[str, Any] = {}
    for h, fitted in posterior.families.items():
        variable, dim = weight_names(posterior.hypotheses, h)
        variables[variable] = (("chain", "draw", dim), fitted.weights.reshape(*shape[:2], -1))
        constant[f"{variable}_scale"] = (dim, fitted.scale)
        features[dim] = list(fitted.linear.names)
        for key, spread in fitted.spreads.items():
            constant[f"{variable}_{key}_spread"] = ((f"{dim}_row", f"{dim}_column"), spread)
    evidence = evidence_of(posterior).assign(k_hat=("hypothesis", posterior.k_hat))
    if posterior.prior_mcse is not None:
        evidence["log_prior_mcse"] = ("hypothesis", posterior.prior_mcse)
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset(variables, coords=coords | features),
            "evidence": evidence,
            "constant_data": xr.Dataset(constant, coords={"hypothesis": names} | features),
        }
    )
    tree.attrs = about(posterior, made.line, seed) | {"silence_known": int(posterior.silence_known)}
    return tree


def _sampler_problems(
    idata: xr.DataTree, draws: dict[str, np.ndarray], model: Any, weight: str, weights: np.ndarray
) -> tuple[str, ...]:
    """Return why the draws cannot be trusted, by the gates of `fit`.

    Of a variable of many components, 50 are judged.
    """
    sampled: dict[str, np.ndarray] = {}
    for name in (variable.name for variable in model.free_RVs):
        chains, size, *shape = draws[name].shape
        flat = draws[name].reshape(chains, size, -1)
        for k in np.unique(np.linspace(0, flat.shape[2] - 1, LOOKED_AT).astype(int)).tolist():
            sampled[f"{name}{list(map(int, np.unravel_index(k, shape))) if shape else ''}"] = flat[..., k]
    for h in np.flatnonzero(weights > MATTERS).tolist():
        sampled[f"{weight}[{h}]"] = draws[weight][..., h]
    diverging = np.zeros(1)
    if "sample_stats" in idata.children and "diverging" in idata["sample_stats"]:
        diverging = idata["sample_stats"]["diverging"].to_numpy()
    return judged(sampled, {"diverging": diverging}, None).problems
