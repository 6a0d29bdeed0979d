"""The risk by rater and by group, and trees judged by some people."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.agents.people.risk import HARMED, WORST_OFF, PeopleRisk, risk_of_people
from reward_hypotheses.analysis.case import AgentLike, Case, case_of, policy_of, probability
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import share
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of
from reward_hypotheses.models.weights.raters.judged import of_group, of_mean, of_rater

NO_RATERS = (
    "the tree was fitted without raters; name the column of raters in the feedback, as rh.Choices(..., rater='who')"
)


def people_risk(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    worst_off: float = WORST_OFF,
    agent_fail_utility: Any = None,
    prob: float = 0.95,
    hypotheses: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Estimate the catastrophe risk by each rater's own reward.

    ``by_rater_r = E_i mean_m sum_o A[m, o] [r_ir(m, o) < u_ir]``, over joint draws i of what raters want. The agent's choices A
    do not depend on who judges them: unless `agent` is given, it acts by the posterior of a person drawn from the population.

    Parameters
    ----------
    tree : DataTree
        From `fit`, of feedback with ``rater=``.
    test, policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`; the test is a table.
    worst_off : float
        The share of raters whom the agent serves worst, of whom ``worst_off`` is the mean risk.
    prob : float
        Of the equal-tailed intervals, over the draws.

    Returns
    -------
    Dataset
        ``by_rater`` (rater), ``by_group`` (group), ``everyone``, ``worst_off`` and ``harmed`` (share), each with ``_lower``,
        ``_upper`` and ``_mcse``. ``harmed`` is the share of the scenes in which the outcome is a catastrophe for at least that
        share of the raters; where the agent's choice is random, of the expected number of them. ``by_scene`` (scene): the mean
        share of the raters who are harmed. ``answers`` (rater).

    Raises
    ------
    InputError
        A tree without raters, or what `catastrophe_risk` refuses.
    """
    worst_off = share(worst_off, "worst_off", "give a share of the people above 0 and up to 1, such as 0.1")
    prob = probability(prob)
    refuse_without_raters(tree)
    case = case_of(tree, test, policy_of(policy), agent, agent_fail_utility, hypotheses)
    return dataset_of(case, risk_of_people(case), worst_off, prob)


def dataset_of(case: Case, risk: PeopleRisk, worst_off: float, prob: float) -> xr.Dataset:
    """Return the risk by people, labelled."""
    people = risk.people
    tails = [(1 - prob) / 2, (1 + prob) / 2]
    values = {
        "by_rater": (("rater",), risk.by_rater),
        "by_group": (("group",), risk.by_group),
        "everyone": ((), risk.everyone),
        "worst_off": ((), risk.worst_off(worst_off)),
        "harmed": (("share",), risk.harmed),
    }
    variables: dict[str, Any] = {}
    for key, (dims, drawn) in values.items():
        lower, upper = np.quantile(drawn, tails, axis=0)
        variables |= {
            key: (dims, drawn.mean(axis=0)),
            f"{key}_lower": (dims, lower),
            f"{key}_upper": (dims, upper),
            f"{key}_mcse": (dims, risk.error(drawn)),
        }
    return xr.Dataset(
        variables | {"by_scene": ("scene", risk.by_scene), "answers": ("rater", people.answers)},
        coords={
            "rater": people.labels,
            "group": list(people.groups) or ["all"],
            "share": list(HARMED),
            "scene": case.scene_coordinate(),
        },
        attrs={"policy": case.policy.name, "prob": prob, "worst_off": worst_off, "column": people.column},
    )


def with_judge(
    tree: xr.DataTree, *, mean: bool = False, group: str | None = None, rater: str | None = None
) -> xr.DataTree:
    """Return a tree whose judge is the mean person, a person of a group, or one rater.

    The tree of a fit by rater has a judge who is drawn from the population. The tree returned is used as every other: as the judge
    of `catastrophe_risk` and the other analyses, or as their agent.

    Parameters
    ----------
    tree : DataTree
        From `fit`, of feedback with ``rater=``.
    mean : bool
        The mean person: mean shares of the hypotheses, and the mean of the weights of people.
    group : str, optional
        A person drawn from this group.
    rater : str, optional
        This rater, with the weights that their answers and the population give.

    Returns
    -------
    DataTree
        With the attribute ``judge``, and without the group ``raters``. Draws of ``weight`` are shares of people, or the rater's
        weights; the strength of the values has become part of the shares, so `catastrophe_risk` gives no interval over values.

    Raises
    ------
    InputError
        Not one judge of the three, a tree without raters, a group or rater that is not known.
    """
    if sum([bool(mean), group is not None, rater is not None]) != 1:
        raise InputError("with_judge: give one of mean=True, group='...' and rater='...'")
    refuse_without_raters(tree)
    posterior, _ = posterior_of(tree)
    if mean:
        judge, who = of_mean(posterior), "the mean person"
    elif group is not None:
        judge, who = of_group(posterior, group), f"group {group}"
    else:
        judge, who = of_rater(posterior, str(rater)), f"rater {rater}"
    drawn = tree["posterior"].to_dataset()
    size = drawn.sizes["chain"], drawn.sizes["draw"]
    about = json.loads(tree.attrs["families"])
    people = posterior.people
    assert people is not None
    shares = people.shares[:, people.groups.index(group)] if group is not None else people.share
    known = np.tile(judge.weights, (people.n, 1)) if rater is not None else shares
    weights = known[np.resize(np.arange(people.n), size)]
    drawn = drawn.assign(weight=(("chain", "draw", "hypothesis"), weights))
    for h, fitted in judge.families.items():
        variable, dim = weight_names(judge.hypotheses, h)
        rows = np.resize(np.arange(len(fitted.weights)), size)
        drawn = drawn.assign({variable: (("chain", "draw", dim), fitted.weights[rows])})
        about[judge.hypotheses.names[h]]["mean"] = fitted.mean.tolist()
        for name, values in fitted.nuisances.items():
            if name in drawn:
                own = drawn[name].transpose("chain", "draw", "hypothesis").to_numpy().copy()
                own[..., h] = values[np.resize(np.arange(len(values)), size)]
                drawn = drawn.assign({name: (("chain", "draw", "hypothesis"), own)})
    evidence = (
        tree["evidence"]
        .to_dataset()
        .assign(weight=("hypothesis", judge.weights), log_evidence=("hypothesis", judge.log_evidence))
    )
    strengths = [name for name in ("opinion_strength", "judge_strength") if name in evidence]
    evidence = evidence.assign(
        {name: (evidence[name].dims, np.full(evidence[name].shape, np.nan)) for name in strengths}
    )
    groups = {name: child.to_dataset() for name, child in tree.children.items() if name != "raters"}
    out = xr.DataTree.from_dict(groups | {"posterior": drawn, "evidence": evidence})
    out.attrs = tree.attrs | {"families": json.dumps(about), "judge": who}
    return out


def refuse_without_raters(tree: Any) -> None:
    """Refuse a tree that `fit` did not make, or that has no raters."""
    hypotheses_in(tree)
    if "raters" not in tree.children:
        raise InputError(NO_RATERS)
