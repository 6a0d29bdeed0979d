"""Asking in turn, in play: how fast the risk falls if each question is chosen by a rule, and its answer learned from."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, case_of
from reward_hypotheses.analysis.design.query_kinds import labels
from reward_hypotheses.analysis.design.query_value import Risks, Worth, best_first, learned
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.tree.read import tested

RULES = ("regret", "information", "random")


def asked_in_turn(
    tree: xr.DataTree,
    candidates: Any,
    test: Any,
    policy: Policy | None = None,
    agent: AgentLike = None,
    *,
    rule: str = "regret",
    noise: float,
    questions: int = 20,
    runs: int = 100,
    random_seed: int = 0,
) -> xr.Dataset:
    """Play the asking of labels, one after the other, with made-up people of whom it is known what they mean.

    In each run the truth is drawn from the judge's weights. Each question is a label of an item that was not asked about yet,
    chosen by the rule; the answer is drawn from the truth, wrong in a share ``noise`` of cases, and judge and agent learn from
    it: ``w_h`` is multiplied by ``p(y | h)``, which is what `fit` makes of one more label of that noise. A run has the same truth
    under every rule, and an item the same answer.

    Parameters
    ----------
    tree, candidates, test, policy, agent
        As for `rank_queries`.
    rule : {"regret", "information", "random"}
        The greatest expected fall in the judge's regret, or the most informative where no question lowers it by itself; the most
        informative; or any. Of equals the first.
    noise : float
        Share of answers that are wrong, from 0 to below 1/2; known.
    questions, runs : int
    random_seed : int

    Returns
    -------
    Dataset
        ``risk`` (run, asked) of the agent under the run's truth, after so many answers; ``weight`` (run, asked), the judge's, of
        that truth; ``truth`` (run,) by name; ``scene`` and ``option`` (run, question), what was asked about, and ``answer``,
        whether it was said to be better than failing; ``stalled`` (run, question), whether no question would have lowered the
        regret by itself.

    Raises
    ------
    InputError
        A rule or noise that there is not, more questions than items, or what `rank_queries` refuses.
    """
    if rule not in RULES:
        raise InputError(f"rule: {shown(rule)}; {suggestion(str(rule), RULES)}")
    wrong = finite(noise)
    if wrong is None or not 0 <= wrong < 0.5:
        raise InputError(f"noise: {shown(noise)}; give a number in [0, 0.5)")
    runs, questions = whole(runs, "runs", 1), whole(questions, "questions", 1)
    case = case_of(tree, test, policy, agent, None, None)
    posterior, names = case.posterior, case.posterior.hypotheses.names
    if posterior.families or case.valuation.families:
        raise InputError("asked_in_turn: a hypothesis with continuous weights; give hypotheses that are fixed rewards")
    if posterior.learnt is not None:
        raise InputError("asked_in_turn: a hypothesis that is unmodelled; give hypotheses that are fixed rewards")
    table = tested(candidates, tree)
    if problems := check_columns([(table, posterior.hypotheses.expressions())]):
        raise InputError(problems)
    listed = Valuation(posterior.hypotheses, table, case.valuation.line.only(range(len(names))))
    asked = labels(listed, table, np.full((1, len(names)), wrong))
    items = len(asked.words)
    if questions > items:
        raise InputError(f"questions: {questions}; there are {items} items to ask about, each once")
    # items that all hypotheses see alike are one question, asked about the first of them that is left
    chance, kind = np.unique(asked.chance[0], axis=0, return_inverse=True)
    kind = kind.ravel()
    worth, risk = Worth(case), Risks(case)
    rng = substream(random_seed, "asking in turn")
    truth = rng.choice(len(names), runs, p=posterior.weights / posterior.weights.sum())
    luck, order = rng.random((runs, items)), np.array([rng.permutation(items) for _ in range(runs)])
    judge = np.tile(posterior.weights, (runs, 1))
    mine = np.tile(case.agent_weights, (runs, 1))
    learns = case.agent.learns_with_judge
    left = np.ones((runs, items), bool)
    found = np.empty((runs, questions), int)
    stalled, answers = np.zeros((2, runs, questions), bool)
    risks, weights = np.empty((2, runs, questions + 1))
    true = np.eye(len(names))[truth]
    for q in range(questions + 1):
        risks[:, q], weights[:, q] = risk(mine, true), judge[np.arange(runs), truth]
        if q == questions:
            break
        for run in range(runs):
            fall, told = learned(chance, judge[run], worth)
            stalled[run, q] = not fall[np.unique(kind[left[run]])].any()
            if rule == "random":
                item = order[run, q]
            else:
                if rule == "information":
                    fall = np.zeros(len(fall))
                place = np.empty(len(chance), int)
                place[best_first(fall, told, worth.unit)] = np.arange(len(chance))
                item = int(np.argmin(np.where(left[run], place[kind], len(chance))))
            left[run, item], found[run, q] = False, item
            yes = chance[kind[item], 0]
            said = 0 if luck[run, item] < yes[truth[run]] else 1
            answers[run, q] = said == 0
            judge[run] *= chance[kind[item], said]
            judge[run] /= judge[run].sum()
            if learns:
                told_of = mine[run] * chance[kind[item], said]
                if not told_of.any():
                    raise InputError(
                        "noise: 0, and an answer is impossible under every hypothesis that the agent holds; allow for noise"
                    )
                mine[run] = told_of / told_of.sum()
    return xr.Dataset(
        {
            "risk": (("run", "asked"), risks),
            "weight": (("run", "asked"), weights),
            "truth": ("run", np.array(names)[truth]),
            "scene": (("run", "question"), np.array(asked.scene)[found]),
            "option": (("run", "question"), np.array(asked.option)[found]),
            "answer": (("run", "question"), answers),
            "stalled": (("run", "question"), stalled),
        },
        coords={"run": np.arange(runs), "asked": np.arange(questions + 1), "question": np.arange(questions)},
        attrs={"rule": rule, "noise": wrong, "policy": case.policy.name},
    )
