"""Cues that training tells apart by degree alone, as a Dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of, probability
from reward_hypotheses.analysis.evidence.degrees.degree_pairs import Guarded, guarded, risk_without
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.callable_registry import callables_of
from reward_hypotheses.models.inference.trust import NotTrustedError
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.tree.read import hypotheses_in, study_in
from reward_hypotheses.models.weights.weigh import weigh


def cues_by_degree(
    tree: xr.DataTree,
    feedback: Sequence[Feedback],
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Find cues that training tells apart by degree alone, and the risk without that.

    A cue is the reward of a listed hypothesis, or a feature of a `Linear`. Its sign between two options of a scene says
    which of the two it prefers. Where the signs of two cues agree in training, the evidence between the cues rests on
    how far options differ, and so on the assumption that people weigh degrees. If people go by which option is better
    alone, this evidence is worth nothing, and a predictive check need not notice.

    Agreement is the mean over scenes of the share of pairs of options on which the two signs agree. Pairs of options
    that either cue calls equal do not count, nor do options that are failing itself. Features that point in opposite
    directions in training agree after turning one of them round. (Opposite rewards are told apart by which option is
    better.) A pair of cues is listed if its agreement is at least 95 % in training, significantly above 80 % there
    (one-sided binomial test at a level of 5 % for all pairs together; of two rewards 14 scenes, of two features 17),
    and below 80 % on the test. Choices and rankings count; feedback on single items
    (labels, ratings, stops, rewards), proxies and demonstrations do not. Pairs about which training is silent, and cues
    that differ by one amount alone (present or absent), are not listed.

    The evidence is set aside so. Listed hypotheses: a connected group of pairs keeps its joint posterior weight, shared
    out by prior and other feedback, ``pi_h M_h``; see `without_degrees`. A `Linear`: it is fitted again with a feature
    ``s_k`` for the sign of each such feature (the mean of ``sign(f_k(o) - f_k(o'))`` over the other options o'),
    ``u = sum_k w_k f_k + sum_k v_k s_k`` with v under the prior of w, and keeps its weight among the hypotheses. Where
    the signs agree throughout, training does not inform ``v_1 - v_2``, which keeps its prior. The agent keeps its
    weights.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    feedback : list of Feedback
        The feedback that was fitted, which a tree does not hold.
    test, policy, agent, agent_fail_utility, prob, hypotheses
        As for `catastrophe_risk`.

    Returns
    -------
    Dataset
        Over ``pair``: ``first``, ``second``; ``hypothesis``, whose features these are ("" of two hypotheses); ``opposite``;
        ``agreement`` and ``scenes`` (pair, table); ``nats``, the log Bayes factor of the first over the second by choices
        and rankings (of features: by all feedback, of the `Linear` without the second over the `Linear` without the first),
        and ``nats_mcse``; ``share``, the share of what is at stake that hangs on it: ``|risk without - risk|`` over the larger
        change that giving all of the pair's weight to either makes. Also ``risk``, and without this evidence ``mean``,
        ``mcse``, ``interval`` and ``interval_mcse`` (source, bound) of the values and of all sources, and ``range`` (bound):
        the risk if each group of listed hypotheses had its weight on one of them, the least and the most dangerous.

    Raises
    ------
    InputError
        The reasons of `fit` and `catastrophe_risk`; feedback by which the tree was not fitted.
    NotTrustedError
        A `Linear` with signs whose weights cannot be trusted.
    """
    share = probability(prob)
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    case.valuation.hypotheses.refuse_spaces("rh.cues_by_degree")
    posterior = _weighed(tree, feedback, hypotheses, case.posterior)
    case = replace(case, posterior=posterior, settings=replace(case.settings, prob=share))
    found = guarded(case)
    if found.unreliable:
        raise NotTrustedError(list(found.unreliable))
    return _dataset(case, found, share)


def _dataset(case: Case, found: Guarded, share: float) -> xr.Dataset:
    """Return the pairs, and the risk without their evidence, labelled."""
    risk = risk_without(found)
    signs = [pair.signs for pair in found.pairs]
    names = np.array([pair.names for pair in found.pairs], dtype=str).reshape(-1, 2)
    families = ["" if pair.family is None else case.judge_names[pair.family] for pair in found.pairs]
    nothing = [np.nan, np.nan]
    ends = {
        "values": [np.nan if risk[end] is None else risk[end] for end in ("lower", "upper")],
        "all": risk["all"] or nothing,
    }
    errors = {
        "values": [np.nan if risk[end] is None else risk[end] for end in ("mcse_lower", "mcse_upper")],
        "all": risk["all_mcse"] or nothing,
    }
    return xr.Dataset(
        {
            "first": ("pair", names[:, 0]),
            "second": ("pair", names[:, 1]),
            "hypothesis": ("pair", np.array(families, dtype=str)),
            "opposite": ("pair", np.array([sign.opposite for sign in signs], bool)),
            "agreement": (("pair", "table"), np.array([(s.training, s.test) for s in signs]).reshape(-1, 2)),
            "scenes": (("pair", "table"), np.array([(s.n_training, s.n_test) for s in signs]).reshape(-1, 2)),
            "nats": ("pair", np.array([pair.nats for pair in found.pairs], float)),
            "nats_mcse": ("pair", np.array([pair.mcse for pair in found.pairs], float)),
            "share": ("pair", np.array([pair.share for pair in found.pairs], float)),
            "risk": case.risk.mean,
            "mean": risk["mean"],
            "mcse": risk["mcse"],
            "range": ("bound", risk["range"]),
            "interval": (("source", "bound"), list(ends.values())),
            "interval_mcse": (("source", "bound"), list(errors.values())),
        },
        coords={"table": ["training", "test"], "source": list(ends), "bound": ["lower", "upper"]},
        attrs={"policy": case.policy.name, "prob": share},
    )


def _weighed(
    tree: xr.DataTree, feedback: Sequence[Feedback], hypotheses: Mapping[str, Any] | None, fitted: Posterior
) -> Posterior:
    """Return the posterior of a tree with its feedback, weighed again.

    The posterior has the fitted families of the tree.

    Raises
    ------
    InputError
        The evidence is not that of the tree.
    """
    rewards = hypotheses_in(tree) | dict(callables_of(tree)) | dict(hypotheses or {})
    listed, line, made = prepared(rewards, feedback, study_in(tree)["fail_utility"])
    posterior = weigh(listed, fitted.prior, made, line, seed=int(tree.attrs["seed"]))
    apart = np.abs(np.nan_to_num(posterior.log_evidence - fitted.log_evidence))
    errors = np.hypot(posterior.mcse, fitted.mcse)
    if (apart > 6 * errors + 1e-6 * np.abs(np.nan_to_num(fitted.log_evidence)) + 1e-9).any():
        raise InputError("feedback: the tree was fitted to other feedback; give the feedback that fit() was given")
    return replace(
        posterior,
        hypotheses=fitted.hypotheses,
        log_prior=fitted.log_prior,
        log_evidence=fitted.log_evidence,
        classes=fitted.classes,
        weights=fitted.weights,
        estimates=fitted.estimates,
    )
