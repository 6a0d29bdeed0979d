"""Which rules of a space are dangerous on a test, and by which features."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.risk.rules.weights_api import space_in
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.models.hypotheses.scene_block import Block
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.rule_space.family.fitted import FittedRules, RulesOnTest
from reward_hypotheses.models.rule_space.outcomes.dependence import dependence_by_feature
from reward_hypotheses.models.rule_space.outcomes.pairs import dangerous_pairs, labels_within_class
from reward_hypotheses.models.rule_space.outcomes.silence import NamedRules, silent_classes
from reward_hypotheses.models.rule_space.weights import Rule, RuleWeights


def feature_dependence(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    hypothesis: str | None = None,
) -> xr.Dataset:
    """Return the risk by feature, split by who reads the feature.

    Agent and truth are two rules of a space, drawn independently from its weights. The four parts of a feature,
    ``mean_m sum_o A[m, o] sum_j v_j K_j[m, o]`` over pairs of rules in which the agent's rule alone reads the feature, the
    true rule alone, both, or neither, add up to the risk of two rules of the space. Listed hypotheses beside the space do
    not count.

    Parameters
    ----------
    tree : DataTree
        From `fit`, with a hypothesis that is `Rules`.
    test
        A table, as for `catastrophe_risk`.
    policy : Policy
        One that draws a rule: ``Commit()`` unless given, or `Boltzmann`.
    agent : Prior or DataTree, optional
        As for `catastrophe_risk`: a `Simplicity` prior over the rules, or the tree of an agent with the same space. The
        agent's rule is drawn from its own weights within the space; by default these are the judge's.
    hypothesis : str, optional
        The space; needed where there are several.

    Returns
    -------
    Dataset
        Over ``feature``: ``agent_alone``, ``truth_alone``, ``both``, ``neither``; ``disputed``, the sum of the first two; and
        ``read_by_agent``, ``read_by_truth``, the weight of the rules that read the feature. The most disputed come first.

    Raises
    ------
    InputError
        No space of rules, an agent without the same space, or a policy that does not draw a rule from the weights.
    """
    case, h, reward, made, acting = _on_test(tree, test, policy, agent, hypothesis)
    fitted = reward.fitted
    found = dependence_by_feature(
        fitted.literals.space,
        acting,
        fitted.weights,
        reward.scenes(made),
        reward.acting(made, case.policy, h),
        reward.stakes(made, h),
    )
    order = np.argsort(-found.disputed, kind="stable")
    parts = ("agent_alone", "truth_alone", "both", "neither", "disputed", "read_by_agent", "read_by_truth")
    return xr.Dataset(
        {key: ("feature", getattr(found, key)[order]) for key in parts},
        coords={"feature": [fitted.rules.names[k] for k in order]},
        attrs={"hypothesis": case.judge_names[h], "policy": case.policy.name, "abstain": int(case.policy.abstain)},
    )


def dangerous_rules(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    n: int = 20,
    hypothesis: str | None = None,
) -> xr.Dataset:
    """Return pairs of rules that agree in training and differ on a test.

    Rules of a silent class that approve alike on the test are taken together, under the name of the heaviest.

    Parameters
    ----------
    tree, test, policy, agent, hypothesis
        As for `feature_dependence`.
    n : int
        Number of pairs.

    Returns
    -------
    Dataset
        Over ``pair``: ``agent_rule``, ``true_rule``; ``rate``, C_ij; ``risk``, the part ``w_i v_j C_ij`` of the risk of two rules
        of the space; ``left``, what unlimited training data of this kind leaves of it, ``p_i v_j C_ij`` with p normalised in
        the silent class; ``agent_rules``, ``true_rules``, how many rules behave so. Attribute ``complete``: no pair that is not
        listed leaves more.

    Raises
    ------
    InputError
        As for `feature_dependence`.
    """
    case, h, reward, made, acting = _on_test(tree, test, policy, agent, hypothesis)
    fitted, space = reward.fitted, reward.fitted.literals.space
    classes = silent_classes(space, acting, fitted.weights, fitted.signatures)
    found = dangerous_pairs(
        classes, reward.scenes(made), reward.acting(made, case.policy, h), reward.stakes(made, h), whole(n, "n", 1)
    )
    pairs = range(len(found.agent))
    return xr.Dataset(
        {
            "agent_rule": ("pair", [fitted.name_of(_rule(found.agent, k)) for k in pairs]),
            "true_rule": ("pair", [fitted.name_of(_rule(found.truth, k)) for k in pairs]),
            "rate": ("pair", found.rate),
            "risk": ("pair", found.risk),
            "left": ("pair", found.left),
            "agent_rules": ("pair", found.n_agent),
            "true_rules": ("pair", found.n_truth),
        },
        attrs={"hypothesis": case.judge_names[h], "complete": found.complete},
    )


def telling_labels(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    n: int = 20,
    hypothesis: str | None = None,
) -> xr.Dataset:
    """Return which labels of a table would split the heaviest silent class of rules.

    A correct label of an item splits the class S into the rules that approve of it and the others. What is then left of the
    class is ``sum_parts sum_{i, j in part} p_i v_j C_ij``, p normalised within each part.

    Parameters
    ----------
    tree, test, policy, agent, hypothesis
        As for `feature_dependence`; the items to label are those of the test.
    n : int
        Number of items; items that are alike under every rule count once.

    Returns
    -------
    Dataset
        Over ``item``, the most telling first: ``scene``, by name, and ``option``, its place among all options of the scene;
        ``approve``, the weight within the class of the rules that approve of the item; ``left``, the expected risk left in the
        class after the label. Attributes: ``before``, the risk left without a label, and ``class_weight``.

    Raises
    ------
    InputError
        As for `feature_dependence`.
    """
    case, h, reward, made, acting = _on_test(tree, test, policy, agent, hypothesis)
    fitted, scenes = reward.fitted, reward.scenes(made)
    classes = silent_classes(fitted.literals.space, acting, fitted.weights, fitted.signatures)
    found = labels_within_class(classes, 0, scenes, reward.acting(made, case.policy, h), reward.stakes(made, h))
    order = np.argsort(found.left, kind="stable")[: whole(n, "n", 1)]
    items = made.items.T[scenes.choices.T]
    columns = np.moveaxis(scenes.columns, 0, -1).swapaxes(0, 1)[scenes.choices.T].T
    place = [int(items[np.flatnonzero((columns == found.items[:, [k]]).all(axis=0))[0]]) for k in order]
    table = case.valuation.table
    scene = np.repeat(np.arange(table.n_scenes), np.diff(table.starts))
    return xr.Dataset(
        {
            "scene": ("item", [table.scene_name(int(scene[at])) for at in place]),
            "option": ("item", [int(table.positions[at]) for at in place]),
            "approve": ("item", found.approve[order]),
            "left": ("item", found.left[order]),
        },
        attrs={
            "hypothesis": case.judge_names[h],
            "before": found.before,
            "class_weight": float(classes.mass(classes.judge)[0]),
        },
    )


def _rule(rules: NamedRules, k: int) -> Rule:
    return Rule(int(rules.size[k]), int(rules.place[k]), int(rules.table[k]), 0.0)


def _on_test(
    tree: xr.DataTree, test: Any, policy: Policy | None, agent: AgentLike, hypothesis: str | None
) -> tuple[Case, int, RulesOnTest, Block, RuleWeights]:
    """Return a case, its space of rules on the test, and the test as one block."""
    _, h, _ = space_in(tree, hypothesis)
    case = case_of(tree, test, policy, agent, None, None)
    if not (case.policy.draws_one and case.policy.mixes_weights) or case.policy.no_space:
        raise InputError(
            f"policy: {case.policy.name} does not draw a rule from the weights; give rh.Commit() or rh.Boltzmann(beta)"
        )
    reward = case.valuation.hypotheses.rewards[h]
    assert isinstance(reward, RulesOnTest)
    return case, h, reward, Block(case.valuation, 0, case.valuation.n_scenes), _acting(case, h, reward.fitted)


def _acting(case: Case, h: int, judges: FittedRules) -> RuleWeights:
    """Return the agent's weights of the rules of a space."""
    own, name = case.agent.own, case.judge_names[h]
    if own is None:
        return judges.weights
    held = {own.hypotheses.names[k]: fitted for k, fitted in own.spaces.items()}
    fitted = held.get(name) or (next(iter(held.values())) if len(held) == 1 else None)
    if fitted is None or fitted.literals.space != judges.literals.space:
        raise InputError(
            f"agent: it has no space of the rules of {name!r}; give a tree that was fitted with the same features, thresholds and "
            "at_most, or a prior"
        )
    return fitted.weights
