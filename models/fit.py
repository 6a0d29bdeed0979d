"""fit(): fit reward hypotheses to feedback, and return the posterior as an xarray.DataTree."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.collection import named
from reward_hypotheses.models.hypotheses.callables import keep
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, failure_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, hypotheses_of
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.posterior import METHODS
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.draws import MOST_PREDICTIVE
from reward_hypotheses.models.tree.write import tree_of
from reward_hypotheses.models.weights.reward_spreads import different_units, in_reward_units, one_number, reward_spreads
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
