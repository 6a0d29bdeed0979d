"""fit(): the posterior of reward hypotheses as an xarray.DataTree."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.callable_registry import remember_callables
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, stated_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, hypotheses_of
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.posterior import METHODS, Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.draws import MOST_PREDICTIVE
from reward_hypotheses.models.tree.write import tree_of
from reward_hypotheses.models.weights.failure_line_units import (
    different_units,
    in_reward_units,
    one_number,
    reward_spreads,
)
from reward_hypotheses.models.weights.weigh import check_lines, idle_warnings, weigh


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
    """Return the posterior of reward hypotheses given feedback.

    Weights ``w_h`` are proportional to ``pi_h prod_k p(D_k | r_h)``, with prior ``pi_h`` and feedbacks ``D_k``.

    Parameters
    ----------
    hypotheses : dict
        name -> expression, callable Dataset -> DataArray, `Linear` or `Unmodelled`.
    prior : Prior
        The judge's prior, with its source.
    feedback : list of Feedback
        Each with its table.
    fail_utility : float, str, InSd or dict
        Failure line of all hypotheses or of each, in reward units or standard deviations (`InSd`); "this option", "scene mean".
    method : {"auto", "exact", "nuts"}
        How nuisances and continuous weights are integrated; the attribute ``methods`` says how and why. "auto" is exact
        where there is an exact form (labels, rewards; one rationality: choices, rankings, stops, proxies,
        demonstrations), else takes Laplace's approximation for ratings, NUTS and bridge sampling for other kinds, and
        importance sampling, else sequential Monte Carlo, for continuous weights. "exact" refuses feedback without an
        exact form. "nuts" samples every nuisance, and continuous weights of up to 1,000,000 features times items.
    draws, chains, random_seed : int
        Draws that the tree holds. NUTS runs at least 4 chains of 1,000, of which these are kept, evenly spaced.
    log_likelihood : bool
        Whether to add the groups ``log_likelihood`` and ``log_prior``; all groups then hold at most 200 draws.

    Returns
    -------
    xarray.DataTree
        ``posterior`` and ``prior`` (chain, draw): ``weight[hypothesis]``, ``value_prior[hypothesis]``, the nuisances
        (``<feedback>_eps[hypothesis]``, ``_sigma2``, ``_rationality`` or ``<human>_rationality``, ``_cutpoint_1`` ...),
        and ``<feedback>_rationality_marginal`` over the hypotheses. The draws of ``weight`` vary with the value prior
        alone; their mean is the posterior weight. ``evidence`` (hypothesis): ``log_prior``, ``log_evidence``,
        ``log_posterior`` (nats), ``mcse``. ``constant_data``: columns as ``<feedback>_<column>`` (names: the attribute
        ``columns``). Also ``prior_predictive``, ``posterior_predictive``, ``observed_data``, ``sample_stats``, ``raters``. With
        counts, ``constant_data`` holds ``<feedback>_counts``, and an item's ``log_likelihood`` is the sum over its
        answers. Observed and predicted data then hold, for each item, counts of answers, a mean reward or one ranking.

    Raises
    ------
    InputError
        Every problem of hypotheses, values, tables or the failure line, one message each.
    NotTrustedError
        Sampling failed: a divergence, R-hat above 1.01, an effective sample size below 400, or a Monte Carlo error
        above 0.1 of a log Bayes factor between hypotheses of weight above 0.001. Its ``tree`` holds the draws.

    Warns
    -----
    UserWarning
        Feedback that leaves nothing to compare; a ratio's quantiles missed by more than 25 %; one failure line, not 0, of
        rewards whose standard deviations differ by more than 1.2 times.
    """
    if method not in METHODS:
        raise InputError(f"method: {method!r}; {suggestion(str(method), METHODS)}")
    draws, chains = whole(draws, "draws", 1), whole(chains, "chains", 1)
    random_seed = whole(random_seed, "random_seed")
    if log_likelihood:
        draws = min(draws, max(1, MOST_PREDICTIVE // chains))
    _check_prior(prior)
    listed, line, made = prepared(hypotheses, feedback, fail_utility, BY_DRAW if log_likelihood else "")
    check_lines(listed, line, prior)
    posterior = weigh(listed, prior, made, line, method=method, draws=draws, chains=chains, seed=random_seed)
    tree = tree_of(posterior, line, draws, chains, random_seed, log_likelihood)
    remember_callables(tree, listed)
    if problems := posterior.untrusted():
        raise NotTrustedError(problems, tree)
    for warning in _warnings(posterior, line):
        warnings.warn(warning, stacklevel=2)
    return tree


def _check_prior(prior: Any) -> None:
    """Refuse a judge's prior that is not a prior, or that has no source."""
    if not isinstance(prior, Prior):
        raise InputError(f"prior: a {type(prior).__name__}; give a prior, such as rh.Elicited(weights, source)")
    if not (isinstance(prior.source, str) and prior.source.strip()):
        raise InputError(
            f"prior: {type(prior).__name__} without a source; the judge's prior is a human value, so say in source=... whose it "
            "is, or why it stands for theirs"
        )


def _warnings(posterior: Posterior, line: FailureLine) -> list[str]:
    """Return the warnings of a fit.

    Feedback that compares nothing, ratios of weights that a lognormal does not meet, and one failure line for rewards
    in different units.
    """
    listed = posterior.hypotheses
    idle = idle_warnings(posterior.feedback, posterior.valuations)
    idle += [warning for h in listed.families for warning in listed.family(h).misfits(listed.names[h])]
    if not one_number(line):
        return idle
    return [*idle, *different_units(line, listed, reward_spreads(listed, posterior.feedback))]


ONE_REWARD = "this model has one reward for all; leave it out, or use rh.fit"
BY_DRAW = "there is no log_likelihood by draw, for each rater has a reward; leave it out"


def prepared(
    hypotheses: Mapping[str, Any], feedback: Sequence[Feedback], fail_utility: Any, no_raters: str = ""
) -> tuple[Hypotheses, FailureLine, list[Feedback]]:
    """Read and check hypotheses, failure line and feedback.

    Parameters
    ----------
    no_raters : str
        Why feedback with ``rater=`` is refused; empty where it is not.

    Raises
    ------
    InputError
        Every problem found.
    """
    uses = [] if isinstance(feedback, Feedback) or not isinstance(feedback, Iterable) else list(feedback)
    if not all(isinstance(use, Feedback) for use in uses) or not isinstance(feedback, Iterable):
        raise InputError("feedback: give a list of feedback, such as [rh.Labels(table, column, noise=(1, 19))]")
    if not uses:
        raise InputError("feedback: there is none; give at least one, such as rh.Labels(table, column, noise=(1, 19))")
    made = named(_with_booleans(uses))
    if no_raters and (by := [use for use in made if use.rater]):
        raise InputError(f"{by[0].name}: rater = {by[0].rater!r}: {no_raters}")
    listed = hypotheses_of(hypotheses, made[0].table.column_order)
    line = stated_line(fail_utility, listed.names, may_lack=listed.may_lack_line, in_sd=True)
    expressions = listed.expressions() | line.expressions(listed.names, "fail_utility")
    features = tuple(dict.fromkeys(c for e in expressions.values() for c in e.columns))
    made = [replace(use, needs=features) for use in made]
    if problems := check_columns([(use.items, expressions) for use in made]):
        raise InputError(problems)
    if line.in_sd:
        line = in_reward_units(line, listed, reward_spreads(listed, made))
    return listed, line, made


def _with_booleans(feedback: list[Feedback]) -> list[Feedback]:
    """Read columns as booleans where every table holds only 0/1 or true/false.

    Feedbacks that share one table still share one afterwards.
    """
    tables = [use.table for use in feedback]
    columns = {c for t in tables for c in t.columns}
    boolean = {c for c in columns if all(t.columns[c].is_boolean() for t in tables if c in t.columns)}
    made = {id(t): t.with_booleans(boolean) for t in tables}
    return [use.with_table(made[id(use.table)]) for use in feedback]
