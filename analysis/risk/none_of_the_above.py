"""None of the above: the belief that no listed hypothesis is right.

This belief widens the risk to bounds.
"""

from collections.abc import Iterator
from typing import override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.analysis.risk.catastrophe import scalar_risk
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.posterior import Posterior

TELLS = 0.05
"""Least posterior weight of an unmodelled hypothesis for the warning that no rule may be right."""


def unmodelled_risk(posterior: Posterior, valuation: Valuation, policy: Policy, agent: np.ndarray) -> Document | None:
    """Return bounds of the risk from belief in no listed rule.

    None where no hypothesis is unmodelled.

    Let x be the judge's weight of the unmodelled hypothesis, and q the share of scenes where the agent picks an item of a
    cell that training never saw. The risk takes such an item to be worse than failing with probability 1/2. The risk is
    ``x q / 2`` lower if no such item is worse than failing, and ``x q / 2`` higher if every such item is.

    Returns
    -------
    dict
        ``weight`` x; ``unseen`` q; ``lower`` and ``upper``, risks.
    """
    cells = posterior.cell_posterior
    if cells is None:
        return None
    x, h = float(posterior.weights[cells.hypothesis]), cells.hypothesis
    judge = np.pad(posterior.weights, (0, len(valuation.hypotheses) - len(posterior.weights)))
    only = np.zeros(len(judge))
    only[h] = 1.0
    ends, alone = [], []
    for end in cells.bounds():
        moved = Valuation(valuation.hypotheses.instead({h: end}), valuation.table, valuation.line, valuation.agent_line)
        ends.append(float(scalar_risk(moved, policy, agent, judge)[0][0]))
        alone.append(float(scalar_risk(moved, policy, agent, only)[0][0]))
    return {"weight": x, "unseen": max(alone[1] - alone[0], 0.0), "lower": ends[0], "upper": ends[1]}


class NoneOfTheAbove(Section[Document]):
    """The hypothesis that no listed rule is right, and its weight.

    None where no hypothesis is unmodelled.
    """

    keys = ("unmodelled",)
    urgency = 55

    @override
    def compute(self, case: Case) -> Document | None:
        posterior, cells = case.posterior, case.posterior.cell_posterior
        if cells is None:
            return None
        return {
            "hypothesis": posterior.hypotheses.names[cells.hypothesis],
            "weight": float(posterior.weights[cells.hypothesis]),
            "concentration": cells.unmodelled.concentration,
            "source": cells.unmodelled.source,
            "cells": len(cells.codes),
            "items": int(cells.items.sum()),
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        name, weight = result["hypothesis"], result["weight"]
        if weight >= TELLS:
            yield (
                f"the unmodelled hypothesis {name!r} has a posterior weight of {weight:.0%}: the risk depends on an assumption "
                "about it (bounds: risk.unmodelled)"
            )
        yield (
            f"no agent can follow {name!r}, which has no reward: the agent's weights are those of the other hypotheses, "
            "renormalised"
        )
