"""Asymptotic risk: the risk that remains after endless training of this kind."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reward_hypotheses.analysis.risk.catastrophe import Risk, scalar_risk
from reward_hypotheses.analysis.risk.distribution.pairs import MATRIX_CELLS
from reward_hypotheses.analysis.rollout import scene_weights, scenes_of
from reward_hypotheses.models.hypotheses.scene_block import GROUPS
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior

ROUNDING = 1e-14
LISTED = 20
"""Number of pairs that are listed, largest first; the sum of the others is given too."""


@dataclass(frozen=True, eq=False)
class Left:
    """Risk left by endless training where the truth lies in one class.

    Attributes
    ----------
    members : tuple of int
        The judge's hypotheses of the class.
    share : float
        v(S), the judge's posterior weight of the class.
    risk : float
        ``v(S) sum_{i, j in S} p_i v_j C_ij``, p and v the weights of agent and judge within the class.
    alone : float
        The part of the risk with ``i = j``, which silence does not cause.
    agents : tuple of int
        The hypotheses of the class that an agent may act by: the judge's, and the agent's own.
    terms : ndarray (agent, member), optional
        ``v(S) p_i v_j C_ij``; None for policies that act on all weights at once.
    silent : bool
        Whether the risk is left because the data are silent within the class.
    """

    members: tuple[int, ...]
    share: float
    risk: float
    alone: float
    agents: tuple[int, ...] = ()
    terms: np.ndarray | None = None
    silent: bool = True


@dataclass(frozen=True, eq=False)
class OwnRules:
    """An agent that saw the judge's data, and weighs the rules of a space itself.

    Attributes
    ----------
    posterior : Posterior
        The agent's, over hypotheses of the same names in the same order.
    places : tuple of int
        Place of each of them among the hypotheses of the test.
    """

    posterior: Posterior
    places: tuple[int, ...]


def left_within(
    members: Sequence[int],
    agents: Sequence[int],
    share: float,
    agent: np.ndarray,
    judge: np.ndarray,
    matrix: np.ndarray,
) -> Left:
    """Return the risk left in a class by a policy that draws one hypothesis.

    The risk is ``v(S) p_i C_ij v_j``, summed over the class S.

    Parameters
    ----------
    members, agents : sequence of int
        The class: hypotheses that may be true, and that the agent may take up.
    agent, judge : ndarray (hypothesis,)
        p, as the policy mixes the weights, and v; both are 0 outside of the class.
    matrix : ndarray (agent_hypothesis, true_hypothesis)
    """
    acting, true = list(agents), list(members)
    terms = share * agent[acting, None] * matrix[np.ix_(acting, true)] * judge[true]
    same = np.equal.outer(acting, true)
    return Left(tuple(true), share, float(terms.sum()), float(terms[same].sum()), tuple(acting), terms)


def left_by_class(
    valuation: Valuation,
    posterior: Posterior,
    policy: Policy,
    agent_prior: Prior | None,
    risk: Risk,
    own: OwnRules | None = None,
) -> list[Left] | None:
    """Return the risk left by endless training, by silent class of positive weight.

    Endless data find the true class. Within the class, agent and judge keep the weights of the prior. For a policy that
    acts on all hypotheses at once, ``alone`` is the risk left in classes of one hypothesis.

    A hypothesis with continuous weights is a class of its own. Endless data determine the part of the weights that the
    data see, which agent and truth then share. The prior alone decides about the rest, which agent and truth draw
    separately. For a policy that acts on all weights at once, the weights are taken as they are now known.

    Parameters
    ----------
    agent_prior : Prior or None
        The agent's prior; None for the judge's values.
    own : OwnRules, optional
        The agent, instead of a prior.
    """
    agent = posterior.within_classes(agent_prior) if own is None else own.posterior.within_classes(None)
    acting = posterior.acting(agent_prior) if own is None else own.posterior.acting(None)
    judge = posterior.within_classes(None)
    by_class = []
    with_rules = _with_rules(valuation, posterior, policy, acting, own)
    if with_rules is None:
        return None
    of_rules = {h for of_class in with_rules for h in of_class.members}
    for members in posterior.members():
        share = math.fsum(posterior.weights[members].tolist())
        if share == 0 or int(members[0]) in of_rules:
            continue
        weights, inside = np.zeros((2, len(valuation.hypotheses)))  # an agent may hold more than the judge
        weights[members], inside[members] = agent[members], judge[members]
        at = holders = members.tolist()
        unlisted = posterior.hypotheses.unmodelled in at
        if unlisted:  # endless labels say nothing of what no rule says: the agent stays as it is
            weights[list(range(len(acting)) if own is None else own.places)] = acting
            holders = np.flatnonzero(weights).tolist()
        if policy.draws_one and at[0] in valuation.families:
            partly, none = _endless(valuation, policy, at[0])
            terms = np.array([[share * partly]])
            of_class = Left(tuple(at), share, share * partly, share * none, tuple(at), terms)
        elif policy.draws_one:
            of_class = left_within(at, holders, share, policy.mixing(weights), inside, risk.matrix)
        else:
            left = share * float(scalar_risk(valuation, policy, weights, inside)[0][0])
            of_class = Left(tuple(at), share, left, left if len(at) == 1 else 0.0)
        # where no listed rule is true, all of the present risk is left, and silence causes no part of it
        by_class.append(replace(of_class, alone=of_class.risk, silent=False) if unlisted else of_class)
    return by_class + with_rules


def _with_rules(
    valuation: Valuation, posterior: Posterior, policy: Policy, agent: np.ndarray, own: OwnRules | None
) -> list[Left] | None:
    """Return the risk left in the classes that hold rules of a space.

    None where it is not known.
    """
    spaces = posterior.hypotheses.spaces
    if not spaces:
        return []
    if len(spaces) > 1:
        return None
    from reward_hypotheses.models.rule_space.family.endless import SpaceLimit

    h = spaces[0]
    rules, place = (None, h) if own is None else (own.posterior.spaces[h], own.places[h])
    found = SpaceLimit(valuation, policy, h, agent, posterior.weights, rules).by_class(
        posterior.hypotheses.names, posterior.classes
    )
    if found is None:
        return None
    return [
        Left((*c.listed, h), c.share, c.risk, c.alone, (*c.listed, place), c.terms)
        for c in found
        if c.share > 0 or c.listed
    ]


def limit(left: Sequence[Left]) -> tuple[float, float]:
    """Return the risk left by endless training, and its part from silent data."""
    total = math.fsum(of_class.risk for of_class in left)
    return total, max(total - math.fsum(of_class.alone for of_class in left), 0.0)


def _endless(valuation: Valuation, policy: Policy, h: int) -> tuple[float, float]:
    """Return the risk between two draws of a family, and of a draw with itself.

    The two draws share the part of the weights that feedback sees.
    """
    key = ("endless", policy, h)
    if key not in valuation.averages:
        _, total = scene_weights(valuation)
        n = valuation.n_draws(h, "agents")
        sums = np.zeros((n, 2))
        for scenes in scenes_of(valuation, policy, items=MATRIX_CELLS // n):
            block, members = scenes.block, scenes.block.members(h, "agents")
            acts = policy.certain_each(scenes.view(policy), members)[:, : scenes.n_options] * scenes.mass
            for k, truth in enumerate((block.members(h, "partners"), members)):
                sums[:, k] += np.einsum("mos,mos->m", acts, block.worse_each(truth))
        valuation.averages[key] = np.array([some.mean(axis=0) for some in np.array_split(sums / total, min(GROUPS, n))])
    groups = valuation.averages[key]
    partly, none = (valuation.share(h, "agents", len(groups)) @ groups).tolist()
    return partly, none


def risk_parts(
    risk: Risk,
    left: Sequence[Left],
    mixed: np.ndarray | None,
    judge: np.ndarray,
    names: Sequence[str],
    like: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the parts of the risk that endless training leaves and removes.

    The parts are given by silent class and by pair of hypotheses.

    ``risk = sum_ij w_i v_j C_ij``. The part of a pair that is left is ``v(S) p_i v_j C_ij`` within a silent class S, and 0
    between classes. The part removed is the difference, negative where training increases the part. The parts left add
    up to the limit, and the parts removed to the risk less the limit.

    Parameters
    ----------
    mixed : ndarray (hypothesis,) or None
        w, as the policy mixes the weights; None for policies that act on all weights at once, which have no pairs.
    judge : ndarray (hypothesis,)
        v.
    like : dict, optional
        An earlier result. Its classes and pairs are listed, in its order.

    Returns
    -------
    dict
        ``left`` and ``removed``; ``classes``, each with ``hypotheses``, ``weight``, ``risk`` (where the truth is in the class),
        ``left`` and ``removed``; ``pairs``, each with ``agent``, ``truth``, ``silent``, ``risk``, ``left`` and ``removed``;
        ``others``, the sums over pairs that are not listed (None without pairs). Largest first.
    """
    total, _ = limit(left)
    terms = None if mixed is None else mixed[:, None] * risk.matrix * judge
    by_truth = judge * risk.by_truth if terms is None else terms.sum(axis=0)
    classes: list[dict[str, Any]] = [
        {
            "hypotheses": [names[h] for h in of_class.members],
            "weight": of_class.share,
            **_part(math.fsum(by_truth[list(of_class.members)].tolist()), of_class.risk),
        }
        for of_class in left
    ]
    if like is None:
        classes.sort(key=lambda of_class: -max(of_class["risk"], of_class["left"]))
    else:
        place = {tuple(of_class["hypotheses"]): k for k, of_class in enumerate(like["classes"])}
        classes.sort(key=lambda of_class: place.get(tuple(of_class["hypotheses"]), len(place)))
    document: dict[str, Any] = {"left": total, "removed": _part(risk.mean, total)["removed"], "classes": classes}
    if terms is None:
        return document | {"pairs": None, "others": None}
    listed = None if like is None else [(names.index(p["agent"]), names.index(p["truth"])) for p in like["pairs"]]
    return document | _pairs(terms, left, names, listed)


def _pairs(
    terms: np.ndarray, left: Sequence[Left], names: Sequence[str], listed: Sequence[tuple[int, int]] | None
) -> dict[str, Any]:
    stay, silent = np.zeros(terms.shape), np.zeros(terms.shape, bool)
    for of_class in left:
        if of_class.terms is not None:
            here = np.ix_(of_class.agents, of_class.members)
            stay[here] += of_class.terms
            silent[here] |= of_class.silent
    np.fill_diagonal(silent, False)
    size = np.maximum(terms, stay)
    if listed is None:
        order = np.argsort(-size, axis=None, kind="stable")
        order = order[size.ravel()[order] > 0][:LISTED]
        listed = [(int(k) // terms.shape[1], int(k) % terms.shape[1]) for k in order]
    rest = size > 0
    for place in listed:
        rest[place] = False
    pairs = [
        {
            "agent": names[i],
            "truth": names[j],
            "silent": bool(silent[i, j]),
            **_part(float(terms[i, j]), float(stay[i, j])),
        }
        for i, j in listed
    ]
    others = _part(math.fsum(terms[rest].tolist()), math.fsum(stay[rest].tolist()))
    return {"pairs": pairs, "others": {"pairs": int(rest.sum()), **others}}


def _part(now: float, left: float) -> dict[str, float]:
    removed = now - left
    return {"risk": now, "left": left, "removed": removed if abs(removed) > ROUNDING * max(now, left) else 0.0}
