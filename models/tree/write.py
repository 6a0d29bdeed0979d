"""fit(): the posterior as an xarray.DataTree, in the groups that ArviZ reads."""

import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import distinct, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Evidence, Feedback, named
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.hypotheses.callables import keep
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, failure_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, check_columns, hypotheses_of, weight_names
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.posterior import (
    METHODS,
    Estimate,
    NotTrustedError,
    Posterior,
    cells_of,
    check_lines,
    idle_warnings,
    weigh,
)
from reward_hypotheses.models.priors.base import Prior, named_judges
from reward_hypotheses.models.tree.variable_names import variable_name
from reward_hypotheses.models.weights.reward_spreads import (
    different_units,
    in_reward_units,
    one_number,
    reward_spreads,
)

LEAST_DRAWS = 4000
"""Draws from which the ends of an interval come, however few the tree holds."""
MOST_PREDICTIVE = 200
MOST_REPLICATED = 20_000_000  # replicated items that a group holds; of very long tables, fewer draws


def fit(
    hypotheses: Mapping[str, Any],
    prior: Prior,
    feedback: Sequence[Feedback],
    fail_utility: Any,
    *,
    method: str = "auto",
    draws: int = 1000,
    chains: int = 4,
    random_seed: int = 0,
    log_likelihood: bool = False,
) -> xr.DataTree:
    """Weigh reward hypotheses by feedback under a prior: ``w_h`` proportional to ``pi_h prod_k p(D_k | r_h)``.

    Parameters
    ----------
    hypotheses : dict
        name -> expression, or callable Dataset -> DataArray.
    prior : Prior
        The judge's, with its source.
    feedback : list of Feedback
        Each with its table.
    fail_utility : float, str, InSd or dict
        Failure line, in each hypothesis's own reward units, or in standard deviations of its rewards (`InSd`): one for all,
        or one a hypothesis.
    method : {"auto", "exact", "nuts"}
        Continuous weights: auto takes importance sampling, else sequential Monte Carlo, which above 40 features starts from Laplace's
        approximation where the likelihood has gradients; nuts takes NUTS and a bridge, for up to 1,000,000 features times
        items. Other hypotheses: auto: the evidence of each feedback exactly where it has a closed form (labels, rewards) or an integral over one
        rationality (choices, rankings, stops, proxies, demonstrations), by Laplace's approximation and importance sampling (ratings), else by NUTS
        and a bridge. exact: so or not at all. nuts: sampled wherever there is a nuisance. The attribute ``methods`` says which
        and why. Sampled evidence carries its Monte Carlo error, in ``evidence`` and into every risk.
    draws, chains : int
        Draws of the value prior, and of the nuisances, that the tree holds. NUTS runs at least 4 chains of 1,000, of
        which these are kept, evenly spaced.
    random_seed : int
    log_likelihood : bool
        Whether to add the groups ``log_likelihood`` and ``log_prior``, by draw, hypothesis and item; all groups then hold
        at most 200 draws.

    Returns
    -------
    xarray.DataTree
        ``posterior`` and ``prior`` (chain, draw): ``weight[hypothesis]``, ``value_prior[hypothesis]``,
        ``<feedback>_eps[hypothesis]``, ``_sigma2``, ``_rationality`` (or ``<human>_rationality``), ``_cutpoint_1`` ...;
        ``<feedback>_rationality_marginal``, whichever hypothesis is right;
        ``evidence`` over hypothesis: ``log_prior``, ``log_evidence``,
        ``log_posterior`` (nats), ``mcse``; ``prior_predictive``, ``posterior_predictive``, ``observed_data``,
        ``constant_data`` (of each column used ``<feedback>_<column>``, in a spelling that every format takes; its attribute
        ``columns`` says which variable holds which column), ``sample_stats``. Of feedback with a column of counts, an item's
        ``log_likelihood`` is the sum over its answers (leaving the item out leaves out all of them); the observed and predicted
        data are how many of its answers are true, or choose each option, grade or action, or their mean (rewards), or one of
        them (rankings); and ``constant_data`` holds ``<feedback>_counts``. The draws of ``weight`` vary with the value prior
        alone (nuisances are integrated out), and average to the posterior weight.

    Raises
    ------
    InputError
        What is wrong with hypotheses, values, tables or the failure line, a message each.
    NotTrustedError
        Sampling that did not work: a divergence, R-hat above 1.01 or an effective sample size below 400 of a nuisance, or
        a Monte Carlo error above 0.1 of a log Bayes factor between hypotheses of weight above 0.001. Its ``tree`` holds
        what was sampled.

    Warns
    -----
    UserWarning
        Feedback that leaves nothing to compare, such as choices in scenes of one option: every hypothesis has the evidence
        of chance. One number other than 0 as the failure line of rewards whose standard deviations over the training items
        differ by more than 1.2 times: they may stand in different units.
    """
    if method not in METHODS:
        raise InputError(f"method: {method!r}; {suggestion(str(method), METHODS)}")
    draws, chains = whole(draws, "draws", 1), whole(chains, "chains", 1)
    random_seed = whole(random_seed, "random_seed")
    if log_likelihood:
        draws = min(draws, max(1, MOST_PREDICTIVE // chains))
    if not isinstance(prior, Prior):
        raise InputError(f"prior: a {type(prior).__name__}; give a prior, such as rh.Elicited(weights, source)")
    if not (isinstance(prior.source, str) and prior.source.strip()):
        raise InputError(
            f"prior: {type(prior).__name__} without a source; the judge's prior is a human value, so say in source=... whose it "
            "is, or why it stands for theirs"
        )
    listed, line, made = prepared(hypotheses, feedback, fail_utility)
    check_lines(listed, line, prior)
    posterior = weigh(listed, prior, made, line, method=method, draws=draws, chains=chains, seed=random_seed)
    tree = tree_of(posterior, line, draws, chains, random_seed, log_likelihood)
    keep(tree, dict(zip(listed.names, listed.rewards, strict=True)))
    problems = posterior.untrusted()
    if problems:
        raise NotTrustedError(problems, tree)
    said = idle_warnings(posterior.feedback, posterior.valuations)
    if one_number(line):
        said = [*said, *different_units(line, listed, reward_spreads(listed, made))]
    for warning in said:
        warnings.warn(warning, stacklevel=2)
    return tree


def prepared(
    hypotheses: Mapping[str, Any], feedback: Sequence[Feedback], fail_utility: Any
) -> tuple[Hypotheses, FailureLine, list[Feedback]]:
    """Read and check what a model is made of; InputError with every problem."""
    given = [] if isinstance(feedback, Feedback) or not isinstance(feedback, Iterable) else list(feedback)
    if not all(isinstance(one, Feedback) for one in given) or not isinstance(feedback, Iterable):
        raise InputError("feedback: give a list of feedback, such as [rh.Labels(table, column, noise=(1, 19))]")
    if not given:
        raise InputError("feedback: there is none; give at least one, such as rh.Labels(table, column, noise=(1, 19))")
    made = named(_with_booleans(given))
    listed = hypotheses_of(hypotheses, made[0].table.column_order)
    line = failure_line(fail_utility, listed.names, may_lack=listed.may_lack_line, in_sd=True)
    expressions = _expressions(listed, line)
    features = tuple(dict.fromkeys(c for e in expressions.values() for c in e.columns))
    made = [replace(one, needs=features) for one in made]
    problems = check_columns([(one.items, expressions) for one in made])
    if problems:
        raise InputError(problems)
    if line.in_sd:
        line = in_reward_units(line, listed, reward_spreads(listed, made))
    return listed, line, made


def tree_of(
    posterior: Posterior, line: FailureLine, draws: int, chains: int, seed: int, log_likelihood: bool = False
) -> xr.DataTree:
    """Give a posterior as a tree, with draws."""
    groups = _Groups(posterior, draws, chains, seed)
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
    if log_likelihood:
        everything["log_likelihood"] = groups.log_likelihood()
        everything["log_prior"] = groups.log_prior()
    tree = xr.DataTree.from_dict(everything)
    tree.attrs = about(posterior, line, seed)
    return tree


def about(posterior: Posterior, line: FailureLine, seed: int) -> dict[str, Any]:
    """Attributes of a tree: what it was made of, from which `posterior_of` reads it back."""
    names = posterior.hypotheses.names
    return {
        "creation_library": "reward_hypotheses",
        "seed": seed,
        "method": _method(posterior),
        "families": json.dumps(
            {
                names[h]: {
                    "method": one.method,
                    "k_hat": None if np.isnan(one.k_hat) else one.k_hat,
                    "ess": one.ess,
                    "mean": one.mean.tolist(),
                    "seen": one.seen.tolist(),
                    "directions_only": one.directions_only,
                }
                for h, one in posterior.families.items()
            }
        ),
        "versions": json.dumps(_versions(posterior)),
        "methods": json.dumps({one.name: _why(posterior, one) for one in posterior.estimates}),
        "study": json.dumps(
            {
                "hypotheses": {n: _text(r) for n, r in zip(names, posterior.hypotheses.rewards, strict=True)},
                "columns": list(posterior.hypotheses.columns),
                "fail_utility": {n: _text(v) for n, v in zip(names, line.values, strict=True)},
                "prior": posterior.prior.record(),
                "feedback": [
                    {"kind": one.kind, "name": one.name, "table": one.table.name, "column": one.column or None}
                    | one.settings()
                    | ({} if one.items.failing() is None else {"failing": True})
                    for one in posterior.feedback
                ],
                "not_boolean": sorted(
                    {c for one in posterior.feedback for c, v in one.table.columns.items() if v.values.dtype != bool}
                ),
            }
        ),
    }


def _versions(posterior: Posterior) -> dict[str, str]:
    """Versions of what computed the numbers."""
    import platform
    from importlib.metadata import version

    sampled = () if posterior.sampler is None else ("pymc", "pytensor", "nutpie")
    used = ("reward_hypotheses", "numpy", "xarray", *sampled)
    return {name: version(name) for name in used} | {"python": platform.python_version()}


def _method(posterior: Posterior) -> str:
    kinds = list(dict.fromkeys(one.method for one in posterior.estimates))
    return " and ".join(sorted(kinds))


FAMILY = {
    "laplace": "Laplace's approximation corrected by importance sampling",
    "prior": "importance sampling from the prior",
    "smc": "sequential Monte Carlo",
}


def _why(posterior: Posterior, estimate: Estimate) -> str:
    for h, fitted in posterior.families.items():
        if posterior.hypotheses.names[h] == estimate.name:
            k_hat = "" if np.isnan(fitted.k_hat) else f", Pareto k-hat {fitted.k_hat:.2f}"
            return f"{fitted.method}: its weights are integrated by {FAMILY[fitted.method]}{k_hat}, all feedbacks inside one integral"
    one = next((f for f in posterior.feedback if f.name == estimate.name), None)
    if one is None:
        return estimate.method  # of no one feedback: shares of a population
    if estimate.method in ("laplace", "smc"):
        return f"{estimate.method}: {FAMILY[estimate.method]}, over all nuisances at once, once a silent class"
    if estimate.method == "exact":
        if not one.nuisances:
            return "exact: the likelihood has no nuisance, so its product is the evidence"
        return f"exact: the nuisance is integrated {one.integrated}"
    asked = f"asked for, though it can be integrated {one.integrated}" if one.integrated else "there is no closed form"
    return f"nuts: {asked}; the evidence of each silent class is estimated once, by bridge sampling"


def _text(value: Any) -> Any:
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, (Linear, Unmodelled)):
        return value.written()
    return f"callable {getattr(value, '__qualname__', type(value).__name__)}" if callable(value) else value


def _expressions(hypotheses: Hypotheses, line: FailureLine) -> dict[str, Expression]:
    lines = {f"fail_utility of {n!r}": v for n, v in zip(hypotheses.names, line.values, strict=True)}
    return hypotheses.expressions() | {who: e for who, e in lines.items() if isinstance(e, Expression)}


def _with_booleans(feedback: list[Feedback]) -> list[Feedback]:
    """Hold columns as booleans that hold only 0/1 or true/false in every table; tables that are one stay one."""
    tables = [one.table for one in feedback]
    columns = {c for t in tables for c in t.columns}
    boolean = {c for c in columns if all(t.columns[c].is_boolean() for t in tables if c in t.columns)}
    made = {id(t): t.with_booleans(boolean) for t in tables}
    return [one.with_table(made[id(one.table)]) for one in feedback]


def evidence_of(posterior: Posterior) -> xr.Dataset:
    """The group ``evidence``."""
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
    """What labels say cell by cell, where a hypothesis is unmodelled."""
    learnt = posterior.learnt
    if learnt is None:
        return {}
    counts = {"cell_true": learnt.true.sum(axis=0), "cell_items": learnt.items.sum(axis=0)}
    codes = learnt.codes.view(np.int64)  # which every format holds
    return {"cell_code": ("cell", codes)} | {k: ("cell", v.astype(np.int64)) for k, v in counts.items()}


def _priors(dim: str, priors: Sequence[Prior], hypotheses: Hypotheses) -> dict[str, Any]:
    """Several priors as arrays over a dimension: strength and weights, and draws of pi of those that are held by draws."""
    held = {k: found for k, prior in enumerate(priors) if (found := prior.held(hypotheses)) is not None}
    out: dict[str, Any] = {
        f"{dim}_strength": (dim, np.array([np.nan if p.strength is None else p.strength for p in priors], float)),
        f"{dim}_weight": ((dim, "hypothesis"), np.array([p.weights_of(hypotheses) for p in priors])),
        f"{dim}_log_weight": ((dim, "hypothesis"), np.array([p.log_prior(hypotheses) for p in priors])),
    }
    if held:
        most = max(len(one.chance) for one in held.values())
        pi, chance = np.zeros((len(held), most, len(hypotheses))), np.zeros((len(held), most))
        for i, one in enumerate(held.values()):
            pi[i, : len(one.chance)], chance[i, : len(one.chance)] = one.pi, one.chance
        out[f"{dim}_held"] = (f"held_{dim}", np.array(list(held), np.int64))
        out[f"{dim}_pi"] = ((f"held_{dim}", f"{dim}_atom", "hypothesis"), pi)
        out[f"{dim}_chance"] = ((f"held_{dim}", f"{dim}_atom"), chance)
    return out


class _Groups:
    """Draws, made once, and the groups that hold them."""

    def __init__(self, posterior: Posterior, draws: int, chains: int, seed: int) -> None:
        self.posterior = posterior
        self.names = list(posterior.hypotheses.names)
        self.shape = (chains, draws)
        n = chains * draws
        values, weights, truths = posterior.draws(max(n, LEAST_DRAWS), substream(seed, "values"))
        rng = substream(seed, "prior values")
        blind = rng.choice(len(self.names), n, p=posterior.prior.weights_of(posterior.hypotheses))
        pi = posterior.prior.draws(posterior.hypotheses, blind, rng)
        self.truths = {"posterior": truths[:n], "prior": blind}
        self.values = {"posterior": values[:n], "prior": pi}
        self.weights = {"posterior": weights[:n], "prior": pi}
        self.theta: dict[str, dict[str, dict[str, np.ndarray]]] = {"posterior": {}, "prior": {}}
        self.seed = seed
        for one, evidence in zip(posterior.feedback, posterior.evidence, strict=True):
            name = str(one.name)
            key = one.shares or name  # who shares a nuisance shares its draws
            after, before = substream(seed, f"posterior {key}"), substream(seed, f"prior {key}")
            if evidence.draws is None:
                fixed = np.setdiff1d(posterior.hypotheses.rules, list(posterior.families)).astype(int)
                drawn = one.draws(evidence, fixed, n, after) if len(fixed) else {}
                theta = {k: np.full((n, len(self.names)), np.nan) for k in one.nuisances}
                for key, values in drawn.items():
                    theta[key][:, fixed] = values
            else:
                theta = {key: self._kept(values) for key, values in evidence.draws.items()}
            self.theta["posterior"][name] = theta
            _, _, place, _ = distinct(evidence.classes)
            own = before if one.shares is None else substream(seed, f"prior {name}")
            blind_theta = {
                k: p.draws((n, int(place.max()) + 1), before if k == "rationality" else own)
                for k, p in one.nuisances.items()
            }
            self.theta["prior"][name] = {k: v[:, place] for k, v in blind_theta.items()}
            if posterior.learnt is not None:  # no rule, so none that is wrong now and then
                for found in (*theta.values(), *self.theta["prior"][name].values()):
                    found[:, posterior.learnt.hypothesis] = np.nan
            for (
                h,
                fitted,
            ) in posterior.families.items():  # drawn with its weights; under a normal prior these say how rational
                for key in theta:
                    theta[key][:, h] = fitted.nuisances[one.variable(key)][:n]
                    if isinstance(one, Rational) and key == "rationality" and fitted.linear.sd is not None:
                        self.theta["prior"][name][key][:, h] = 1.0
        self.reward_weights = {
            h: {
                "posterior": fitted.weights[:n],
                "prior": fitted.linear.prior_draws(n, substream(seed, f"prior weights of {self.names[h]}")),
            }
            for h, fitted in posterior.families.items()
        }

    def _kept(self, values: np.ndarray) -> np.ndarray:
        """Of (chain, draw, ...) draws of NUTS those that the tree holds, evenly spaced: (chain * draw, ...)."""
        chains, draws = self.shape
        at = np.arange(draws) * values.shape[1] // draws
        return values[:chains, at].reshape(chains * draws, *values.shape[2:])

    def sample_stats(self) -> xr.Dataset:
        """What the sampler reports; on the exact path an empty group that says so."""
        sampler = self.posterior.sampler
        if sampler is None:
            return xr.Dataset(
                attrs={"method": "exact", "note": "draws are independent and exact; nothing was sampled by MCMC"}
            )
        coords = self._coords()
        del coords["hypothesis"]
        return xr.Dataset(
            {key: (("chain", "draw"), self._kept(values).reshape(self.shape)) for key, values in sampler.stats.items()},
            coords=coords,
            attrs={
                "method": "nuts",
                "inference_library": "nutpie",
                "divergences": sampler.divergences,
                "r_hat": sampler.r_hat,
                "ess": sampler.ess,
                "target_accept": sampler.target_accept,
                "sampled_chains": sampler.stats["energy"].shape[0],
                "sampled_draws": sampler.stats["energy"].shape[1],
            },
        )

    def _coords(self) -> dict[str, Any]:
        return {"chain": np.arange(self.shape[0]), "draw": np.arange(self.shape[1]), "hypothesis": self.names}

    def _by_draw(self, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return ("chain", "draw", "hypothesis"), values.reshape(*self.shape, -1)

    def parameters(self, group: str) -> xr.Dataset:
        variables = {"weight": self.weights[group], "value_prior": self.values[group]}
        for one in self.posterior.feedback:
            variables |= {one.variable(key): values for key, values in self.theta[group][str(one.name)].items()}
            variables |= {
                one.variable(key): values for key, values in one.derived(self.theta[group][str(one.name)]).items()
            }
        found = xr.Dataset({k: self._by_draw(v) for k, v in variables.items()}, coords=self._coords())
        each = np.arange(len(self.truths[group])), self.truths[group]
        for one in self.posterior.feedback:
            if "rationality" in one.nuisances:  # whoever is right: of the hypothesis that is drawn with the draw
                values = self.theta[group][str(one.name)]["rationality"][each]
                found[one.variable("rationality") + "_marginal"] = (("chain", "draw"), values.reshape(self.shape))
        for h, drawn in self.reward_weights.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            found[variable] = (("chain", "draw", dim), drawn[group].reshape(*self.shape, -1))
            found = found.assign_coords({dim: list(self.posterior.families[h].linear.names)})
        return found

    def _inputs(
        self, one: Feedback, valuation: Valuation, h: int, group: str, rows: np.ndarray
    ) -> Iterator[tuple[Feedback, np.ndarray, np.ndarray]]:
        """What the likelihood of h depends on at some draws: who reads it, inputs, and those of the rows that have them.

        One for all of a fixed reward, one a draw of a family.
        """
        if h not in self.reward_weights:
            yield one, one.at(valuation, h), np.arange(len(rows))
            return
        reader = self.posterior.families[h].linear.read_by(one)
        for place, weights in enumerate(self.reward_weights[h][group][rows]):
            yield reader, self.posterior.inputs_of_member(reader, valuation, h, weights), np.array([place])

    def _by_cell(self, valuation: Valuation, n: int, group: str, rng: np.random.Generator) -> np.ndarray:
        """Draws of the label probability of each item, where no rule is right: (draw, item)."""
        learnt = self.posterior.learnt
        assert learnt is not None
        at, _ = learnt.place(cells_of(valuation, learnt.rules))
        return learnt.draws(n, rng, blind=group == "prior")[:, at]

    def _each(self) -> Sequence[tuple[Feedback, Valuation, Evidence]]:
        p = self.posterior
        return list(zip(p.feedback, p.valuations, p.evidence, strict=True))

    def predictive(self, group: str) -> xr.Dataset:
        chains, draws = self.shape
        longest = max(one.tally.size for one in self.posterior.feedback)
        kept = min(draws, max(1, min(MOST_PREDICTIVE, MOST_REPLICATED // longest) // chains))
        rows = (np.arange(chains)[:, None] * draws + np.arange(kept)).ravel()
        truths = self.truths[group][rows]
        variables, coords = {}, {"chain": np.arange(chains), "draw": np.arange(kept)}
        for one, valuation, _ in self._each():
            name = str(one.name)
            rng = substream(self.seed, f"{group} predictive {name}")
            tally = one.tally
            out = np.empty((len(rows), *tally.shape), tally.dtype)
            for h in sorted(set(truths.tolist())):
                of_h = np.flatnonzero(truths == h)
                if h == self.posterior.hypotheses.unmodelled:
                    chance = self._by_cell(valuation, len(of_h), group, rng)
                    if one.counts is None:
                        out[of_h] = rng.random((len(of_h), out.shape[1])) < chance
                    else:
                        out[of_h] = rng.binomial(one.counts.astype(np.int64), chance)
                    continue
                for reader, inputs, some in self._inputs(one, valuation, h, group, rows[of_h]):
                    mine = of_h[some]
                    theta = {k: v[rows[mine], h] for k, v in self.theta[group][name].items()}
                    replicated = np.asarray(reader.tallies(inputs, theta, len(mine), rng))
                    if replicated.shape != out[mine].shape:
                        raise InputError(
                            f"{name}: replicate() gives shape {replicated.shape}; it must give one row a draw and one column an item, "
                            f"{out[mine].shape}"
                        )
                    out[mine] = replicated
            dims = one.dims(tally.shape)
            variables[name] = (("chain", "draw", *dims), out.reshape(chains, kept, *tally.shape))
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def observed(self) -> xr.Dataset:
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        for one, _, _ in self._each():
            tally = one.tally
            dims = one.dims(tally.shape)
            variables[str(one.name)] = (dims, tally)
            coords |= {dim: np.arange(n) for dim, n in zip(dims, tally.shape, strict=True)}
        return xr.Dataset(variables, coords=coords)

    def constant(self) -> xr.Dataset:
        columns = dict.fromkeys(c for e in self.posterior.hypotheses.expressions().values() for c in e.columns)
        variables: dict[str, Any] = {}
        coords: dict[str, Any] = {}
        held: dict[str, tuple[str, str]] = {}  # what feedback and column a variable holds
        taken = self._names_beside_columns()
        for one, valuation, _ in self._each():
            laid = {c: one.laid_out(one.items.columns[c].values) for c in columns if c in one.items.columns}
            for column, values in laid.items():
                dims, name = one.dims(values.shape), variable_name(f"{one.name}_{column}", taken | held.keys())
                variables[name], held[name] = (dims, values), (str(one.name), column)
                coords |= {dim: np.arange(n) for dim, n in zip(dims, values.shape, strict=True)}
            for key, values in one.constants().items():
                variables[f"{one.name}_{key}"] = (one.dims(values.shape), values)
            if one.counts is not None:
                variables[f"{one.name}_counts"] = (one.dims(one.counts.shape), one.counts.astype(np.int64))
            scales = one.scales(valuation)
            if scales is not None:
                scales[list(self.posterior.families)] = np.nan  # one for each of their weights
                variables[f"{one.name}_scale"] = ("hypothesis", scales)
                coords["hypothesis"] = self.names
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            variables[f"{variable}_scale"] = (dim, fitted.scale)
            for key, spread in fitted.spreads.items():
                variables[f"{variable}_{key}_spread"] = ((f"{dim}_row", f"{dim}_column"), spread)
            coords[dim] = list(fitted.linear.names)
        return xr.Dataset(variables, coords=coords, attrs={"columns": json.dumps(held)})

    def _names_beside_columns(self) -> set[str]:
        """What else the group ``constant_data`` holds: dims, scales, units of families and what the kinds keep."""
        found = {"hypothesis"}
        for one, _, _ in self._each():
            found |= set(one.dims((1, 1))) | {f"{one.name}_{key}" for key in ("scale", "counts", *one.constants())}
        for h, fitted in self.posterior.families.items():
            variable, dim = weight_names(self.posterior.hypotheses, h)
            found |= {f"{variable}_scale", dim, f"{dim}_row", f"{dim}_column"}
            found |= {f"{variable}_{key}_spread" for key in fitted.spreads}
        return found

    def log_likelihood(self) -> xr.Dataset:
        variables, coords = {}, self._coords()
        for one, valuation, _ in self._each():
            name = str(one.name)
            n, n_units = self.shape[0] * self.shape[1], len(one.observed)
            times = 1.0 if one.counts is None else one.counts
            out = np.empty((n, len(self.names), n_units))
            for h in range(len(self.names)):
                if h == self.posterior.hypotheses.unmodelled:
                    true = self._by_cell(valuation, n, "posterior", substream(self.seed, f"cells of {name}"))
                    out[:, h] = np.where(one.observed, np.log(true), np.log1p(-true)) * times
                    continue
                for reader, inputs, some in self._inputs(one, valuation, h, "posterior", np.arange(n)):
                    theta = {k: v[some, h, None] for k, v in self.theta["posterior"][name].items()}
                    found = reader.log_likelihood(inputs.astype(float), theta, one.observed.astype(float), np)
                    out[some, h] = found * times
            variables[name] = (
                ("chain", "draw", "hypothesis", f"{name}_item"),
                out.reshape(*self.shape, *out.shape[1:]),
            )
            coords[f"{name}_item"] = np.arange(n_units)
        return xr.Dataset(variables, coords=coords)

    def log_prior(self) -> xr.Dataset:
        variables: dict[str, Any] = {}
        for one, _, _ in self._each():
            found = one.log_prior(self.theta["posterior"][str(one.name)])
            variables |= {one.variable(k): self._by_draw(v) for k, v in found.items()}
        return xr.Dataset(variables, coords=self._coords())
