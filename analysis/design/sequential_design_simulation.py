"""Simulation of sequential questions: the fall of the risk with each answer.

A rule chooses each question.
"""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import AgentLike, Case, case_of
from reward_hypotheses.analysis.design.query_kinds import Queries, labels, valued
from reward_hypotheses.analysis.design.query_value import Risks, Worth, best_first, learned
from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.policies.base import Policy

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
    """Simulate sequential questions for labels to people whose values are known.

    Each run draws the true hypothesis from the judge's weights. Each question asks for the label of an item that was not
    asked about before, and a rule chooses the item. The answer is the label under the true hypothesis, wrong with
    probability ``noise``. Judge and agent then update, ``w_h`` proportional to ``w_h p(y | h)``, as `fit` does for one more
    label of that noise. A run has one true hypothesis, and an item one answer, under every rule.

    Parameters
    ----------
    tree, candidates, test, policy, agent
        As for `rank_queries`.
    rule : {"regret", "information", "random"}
        ``"regret"`` asks the question with the greatest expected fall in the judge's regret, and the most informative one where
        no single question lowers the regret. ``"information"`` asks the most informative question, ``"random"`` any. The
        first of equal questions is asked.
    noise : float
        Share of wrong answers, from 0 to below 1/2; judge and agent know it.
    questions : int
        Questions in each run; at most one an item.
    runs : int
        Simulated runs.
    random_seed : int

    Returns
    -------
    Dataset
        ``risk`` (run, asked): catastrophe rate of the agent under the true hypothesis, after 0, 1, ... answers. ``weight``
        (run, asked): the judge's posterior weight of the true hypothesis. ``truth`` (run,): its name. ``scene`` and ``option``
        (run, question): names of the item asked about. ``answer`` (run, question): whether the answer is "better than
        failing". ``stalled`` (run, question): whether no single question would have lowered the regret.

    Raises
    ------
    InputError
        A rule that does not exist, a noise out of range, more questions than items, or what `rank_queries` refuses.
    """
    if rule not in RULES:
        raise InputError(f"rule: {shown(rule)}; {suggestion(str(rule), RULES)}")
    wrong = finite(noise)
    if wrong is None or not 0 <= wrong < 0.5:
        raise InputError(f"noise: {shown(noise)}; give a number in [0, 0.5)")
    runs, questions = whole(runs, "runs", 1), whole(questions, "questions", 1)
    case = case_of(tree, test, policy, agent, None, None)
    queries = _labels(case, tree, candidates, wrong)
    if questions > len(queries.words):
        raise InputError(f"questions: {questions}; there are {len(queries.words)} items to ask about, each once")
    simulated = _Simulation(case, queries, rule, runs, random_seed).ask(questions)
    return simulated.assign_attrs(rule=rule, noise=wrong, policy=case.policy.name)


def _labels(case: Case, tree: xr.DataTree, candidates: Any, wrong: float) -> Queries:
    """Return the questions for labels of all candidates.

    Raises InputError where hypotheses are not fixed rewards.
    """
    if case.valuation.families:
        raise InputError("asked_in_turn: a hypothesis with continuous weights; give hypotheses that are fixed rewards")
    if case.posterior.hypotheses.unmodelled is not None:
        raise InputError("asked_in_turn: a hypothesis that is unmodelled; give hypotheses that are fixed rewards")
    n = len(case.posterior.hypotheses.names)
    return labels(valued(case, tree, candidates), np.full((1, n), wrong))


class _Simulation:
    """Simulated runs of questions and answers, advanced together.

    Items whose answers are equally probable under every hypothesis are one class: the question is about its first item left.
    """

    def __init__(self, case: Case, queries: Queries, rule: str, runs: int, seed: int) -> None:
        self.queries, self.rule = queries, rule
        self.chance, classes = np.unique(queries.chance[0], axis=0, return_inverse=True)
        self.classes = classes.ravel()
        self.worth, self.risk = Worth(case), Risks(case)
        self.names = np.array(case.posterior.hypotheses.names)
        weights, n_items = case.posterior.weights, len(queries.words)
        rng = substream(seed, "asking in turn")
        self.truth = rng.choice(len(self.names), runs, p=weights / weights.sum())
        self.luck, self.order = rng.random((runs, n_items)), np.array([rng.permutation(n_items) for _ in range(runs)])
        self.left = np.ones((runs, n_items), bool)
        self.judge, self.agent = np.tile(weights, (runs, 1)), np.tile(case.agent_weights, (runs, 1))
        self.agent_learns = case.agent.learns_with_judge

    def ask(self, questions: int) -> xr.Dataset:
        """Ask this many questions in every run.

        Returns
        -------
        Dataset
            Questions, answers, and the risk and the judge's weight after each answer.
        """
        runs = len(self.truth)
        certain = np.eye(len(self.names))[self.truth]
        items = np.empty((runs, questions), int)
        stalled, answers = np.zeros((2, runs, questions), bool)
        risks, weights = np.empty((2, runs, questions + 1))
        for q in tracked(range(questions + 1), what="simulated questions"):
            risks[:, q], weights[:, q] = self.risk(self.agent, certain), self.judge[np.arange(runs), self.truth]
            if q == questions:
                break
            for run in range(runs):
                items[run, q], stalled[run, q] = self._item(run, q)
                answers[run, q] = self._answered(run, items[run, q])
        return xr.Dataset(
            {
                "risk": (("run", "asked"), risks),
                "weight": (("run", "asked"), weights),
                "truth": ("run", self.names[self.truth]),
                "scene": (("run", "question"), np.array(self.queries.scene)[items]),
                "option": (("run", "question"), np.array(self.queries.option)[items]),
                "answer": (("run", "question"), answers),
                "stalled": (("run", "question"), stalled),
            },
            coords={"run": np.arange(runs), "asked": np.arange(questions + 1), "question": np.arange(questions)},
        )

    def _item(self, run: int, q: int) -> tuple[int, bool]:
        """Return the item that the rule asks about, and whether the run has stalled.

        A run has stalled where no remaining question lowers the regret.
        """
        left, n_classes = self.left[run], len(self.chance)
        fall, information = learned(self.chance, self.judge[run], self.worth)
        stalled = not fall[np.unique(self.classes[left])].any()
        if self.rule == "random":
            return int(self.order[run, q]), stalled
        if self.rule == "information":
            fall = np.zeros(n_classes)
        rank = np.empty(n_classes, int)
        rank[best_first(fall, information, self.worth.unit)] = np.arange(n_classes)
        return int(np.argmin(np.where(left, rank[self.classes], n_classes))), stalled

    def _answered(self, run: int, item: int) -> bool:
        """Answer a question under the run's true hypothesis, and update the weights.

        The weights are those of the judge and of the agent.
        """
        self.left[run, item] = False
        chance = self.chance[self.classes[item]]
        yes = bool(self.luck[run, item] < chance[0, self.truth[run]])
        likelihood = chance[0 if yes else 1]
        self.judge[run] *= likelihood
        self.judge[run] /= self.judge[run].sum()
        if self.agent_learns:
            weights = self.agent[run] * likelihood
            if not weights.any():
                raise InputError(
                    "noise: 0, and an answer is impossible under every hypothesis that the agent holds; allow for noise"
                )
            self.agent[run] = weights / weights.sum()
        return yes
