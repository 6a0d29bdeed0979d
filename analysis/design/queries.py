"""What to ask next: the label, the choice or the judgement about values from which most is expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.case import Agent, Case, case_of
from reward_hypotheses.analysis.design.probes import betas_of, laid_out
from reward_hypotheses.analysis.risk.catastrophe import catastrophe_risk, scene_weights
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import finite
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_line import EQUAL
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.special import log_incomplete_beta
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.view import View, within_scene_scale
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.read import as_made, in_order, study_in, tested

BATCHES = 5
"""Parts of a tree's draws of a nuisance, from whose scatter the Monte Carlo error is."""
NODES = 12
"""Points that stand for draws of a rationality: Gauss's rule for them."""
CELLS = 20_000_000
MOVED = 16
"""Times that evidence which was sampled is moved by its error."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Questions of one kind that could be put to somebody.

    Attributes
    ----------
    kind : {"label", "choice", "values"}
    words : tuple of str
        What each asks.
    scene, option : tuple of str
        Where it is asked, by name; "" where it is not asked there.
    chance : ndarray (batch, query, answer, hypothesis)
        ``p(answer | h)`` given what is known already; one batch where nothing of it was sampled. An answer that cannot be
        given has 0.
    informs_agent : bool
        Whether the agent learns from the answer too.
    """

    kind: str
    words: tuple[str, ...]
    scene: tuple[str, ...]
    option: tuple[str, ...]
    chance: np.ndarray
    informs_agent: bool


def rank_queries(
    tree: xr.DataTree,
    candidates: Any,
    test: Any,
    policy: Policy | None = None,
    agent: Agent = None,
    *,
    noise: Any = None,
    rationality: Any = None,
    agent_fail_utility: Any = None,
    hypotheses: dict[str, Any] | None = None,
) -> xr.Dataset:
    """Rank questions by how much an answer is expected to lower the judge's regret.

    For an answer y to a question, ``v^y`` is proportional to ``v_h p(y | h, data)``. The judge's best policy does in each
    scene what is best on average, so that its regret is ``R(v) = mean_m [sum_j v_j max_o r_j - max_o sum_j v_j r_j]``
    (failing among the options where the policy may abstain). What a question is worth is the expected fall of that,
    ``R(v) - sum_y p(y) R(v^y)``, which is never negative (the expected value of sample information: Raiffa and
    Schlaifer 1961); beside it ``I(h; y)``, the expected information, and ``sum_y p(y) risk(w^y, v^y) - risk(w, v)``, the expected
    change in the risk of an agent that learns from the answer as well, which can be positive: an agent that is not the
    judge's best can come to act more surely on what is wrong.

    Three kinds of question: a *label* of each item ("is it better than failing?"), a *choice* in each scene of two options
    or more ("which would you take?"; two are a comparison), and a judgement about *values* ("which of the two is likelier
    to be what people mean?"), worth one of the judgements that the strength of the values counts: with ``pi`` drawn from
    the values, i is preferred to j with chance ``pi_i / (pi_i + pi_j)``. Values without a strength take nothing from it.

    Parameters
    ----------
    tree : DataTree
        From `fit`; all hypotheses fixed rewards.
    candidates : Dataset, DataFrame or dict of arrays
        What can be asked about; no column of answers is needed.
    test : Dataset, DataFrame or dict of arrays
        Where the agent will act.
    policy, agent, agent_fail_utility, hypotheses
        As for `catastrophe_risk`. An agent that is a tree is taken as it was read: it does not learn from answers; nor does
        an agent of a prior of its own learn from judgements about values.
    noise : (a, b) or float, optional
        Of labels, as of `Labels`. Unless given, what the tree knows of the noise of its own labels; no labels are asked for
        where it has none.
    rationality : float or dict, optional
        Of choices, as of `Choices`. Unless given, what the tree knows of the rationality of its own choices; no choices
        are asked for where it has none.

    Returns
    -------
    Dataset
        Over ``query``, the best first (of equals, the more informative, then the earlier): ``kind``, ``words``, ``scene``
        and ``option`` ("" where there is none); ``regret_fall`` (reward units), ``information`` (nats) and ``risk_change``
        (share of scenes), each with its Monte Carlo error ``<name>_mcse`` (0 where exact). Attributes ``regret`` and
        ``risk`` (before any answer) and ``entropy`` (nats, of the judge's weights).

    Raises
    ------
    InputError
        A tree with continuous weights, candidates that lack a column, or nothing that could be asked.
    """
    case = case_of(tree, test, policy, agent, agent_fail_utility, hypotheses)
    posterior = case.posterior
    if posterior.learnt is not None or case.valuation.hypotheses.unmodelled is not None:
        raise InputError("rank_queries: an unmodelled hypothesis, under which no answer is predicted; give rules alone")
    if posterior.families or case.valuation.families:
        raise InputError("rank_queries: a hypothesis with continuous weights; give hypotheses that are fixed rewards")
    names = posterior.hypotheses.names
    table = tested(candidates, tree)
    if problems := check_columns([(table, posterior.hypotheses.expressions())]):
        raise InputError(problems)
    listed = Valuation(posterior.hypotheses, table, case.valuation.line.only(range(len(names))))
    said = {one["kind"]: one for one in reversed(study_in(tree)["feedback"])}
    asked: list[Queries] = []
    wrong = _noise(tree, said.get("labels"), noise, len(names))
    if wrong is not None:
        asked.append(labels(listed, table, wrong))
    betas = _rationality(tree, said.get("choices"), rationality, len(names))
    if betas is not None and table.has_options and (np.diff(table.starts) > 1).any():
        asked.append(_choices(listed, table, *betas))
    if len(names) > 1:
        asked.append(_values(posterior, agent is None))
    asked = [one for one in asked if len(one.words)]
    if not asked:
        raise InputError("rank_queries: nothing to ask; give noise= for labels, or rationality= for choices")
    worth = Worth(case)
    risk = Risks(case)
    measured = [_measure(one, posterior, worth, risk) for one in asked]
    value = np.concatenate([m[0] for m in measured], axis=1)  # (number, query)
    error = np.concatenate([m[1] for m in measured], axis=1)
    order = best_first(value[0], value[1], worth.unit)
    held = posterior.weights[posterior.weights > 0]

    def over(values: Sequence[Any]) -> tuple[str, np.ndarray]:
        return "query", np.array(values)[order]

    kinds = [one.kind for one in asked for _ in one.words]
    numbers = {}
    for k, name in enumerate(("regret_fall", "information", "risk_change")):
        numbers[name] = over(value[k])
        numbers[f"{name}_mcse"] = over(error[k])
    return xr.Dataset(
        {
            "kind": over(kinds),
            "words": over([w for one in asked for w in one.words]),
            "scene": over([w for one in asked for w in one.scene]),
            "option": over([w for one in asked for w in one.option]),
            **numbers,
        },
        coords={"query": np.arange(len(order))},
        attrs={
            "regret": worth.regret(posterior.weights),
            "risk": float(risk(case.agent[None], posterior.weights[None])[0]),
            "entropy": float(-(held * np.log(held)).sum()),
            "policy": case.policy.name,
        },
    )


@as_made
def _noise(tree: xr.DataTree, said: dict[str, Any] | None, given: Any, n: int) -> np.ndarray | None:
    """Mean share of wrong labels under each hypothesis, (batch, hypothesis); None where no labels are asked for."""
    if given is None and said is None:
        return None
    if given is None:
        assert said is not None
        if not isinstance(said["noise"], list):
            return np.full((1, n), float(said["noise"]))
        return _batches(in_order(tree, "posterior")[f"{said['name']}_eps"].to_numpy().reshape(-1, n)).mean(axis=1)
    if isinstance(given, (tuple, list)):
        if len(given) != 2 or not all(1e-9 <= (finite(x) or 0) <= 1e9 for x in given):
            raise InputError(f"noise: {shown(given)}; give (a, b) with a and b positive, or a number in [0, 0.5)")
        return np.full((1, n), _mean_below_half(float(given[0]), float(given[1])))
    number = finite(given)
    if number is None or not 0 <= number < 0.5:
        raise InputError(f"noise: {shown(given)}; give (a, b) with a and b positive, or a number in [0, 0.5)")
    return np.full((1, n), number)


def _mean_below_half(a: float, b: float) -> float:
    """Mean of Beta(a, b) restricted to below 1/2."""
    return float(np.exp(log_incomplete_beta(0.5, a + 1, b) - log_incomplete_beta(0.5, a, b)))


def _batches(draws: np.ndarray) -> np.ndarray:
    """Draws (draw, hypothesis) in batches: (batch, draw, hypothesis)."""
    size = len(draws) // BATCHES
    return draws[: size * BATCHES].reshape(size, BATCHES, -1).swapaxes(0, 1)


Points = list[list[tuple[np.ndarray, np.ndarray]]]
"""Rationalities and their shares, by batch and hypothesis."""


@as_made
def _rationality(
    tree: xr.DataTree, said: dict[str, Any] | None, given: Any, n: int
) -> tuple[Points, np.ndarray | None] | None:
    """What is known of the rationality of who would choose, and ``s_h``; None where no choices are asked for."""
    if given is not None:
        return [[betas_of(given)] * n], None
    if said is None:
        return None
    scales = in_order(tree, "constant_data")[f"{said['name']}_scale"].to_numpy()
    if not isinstance(said["rationality"], list):
        return [[(np.array([float(said["rationality"])]), np.ones(1))] * n], scales
    draws = in_order(tree, "posterior")[f"{said.get('human') or said['name']}_rationality"].to_numpy().reshape(-1, n)
    return [[_gauss(batch[:, h]) for h in range(n)] for batch in _batches(draws)], scales


def _gauss(betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss's rule for the logarithms of draws, by Lanczos: exact for polynomials of degree 2 NODES - 1 in them."""
    logs = np.log(betas)
    basis = [np.full(len(logs), len(logs) ** -0.5)]
    diagonal, beside = [], []
    for _ in range(NODES):
        step = logs * basis[-1]
        diagonal.append(float(basis[-1] @ step))
        for one in (*basis, *basis):  # twice, so that they stay orthogonal
            step = step - (one @ step) * one
        length = float(np.linalg.norm(step))
        if length < 1e-10 * max(float(np.abs(logs).max()), 1.0):
            break
        beside.append(length)
        basis.append(step / length)
    beside = beside[: len(diagonal) - 1]
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return np.exp(nodes), vectors[0] ** 2


def labels(valuation: Valuation, table: Table, wrong: np.ndarray) -> Queries:
    """Is this item better than failing? Answers: yes, no."""
    n = len(valuation.hypotheses)
    good = np.empty((table.n_items, n), bool)
    for block in valuation.blocks():
        for h in range(n):
            good[block.items.ravel(), h] = block.better(h).ravel()
    keep = np.ones(table.n_items, bool)
    failing = table.failing()
    if failing is not None:
        keep = ~failing
    yes = np.where(good[keep][None], 1 - wrong[:, None, :], wrong[:, None, :])
    scene, option = _places(table)
    scene, option = scene[keep], option[keep]
    where = [f"{_place(s, o)}" for s, o in zip(scene, option, strict=True)]
    return Queries(
        "label",
        tuple(f"is {w} better than failing?" for w in where),
        tuple(scene),
        tuple(option),
        np.stack([yes, 1 - yes], axis=2),
        True,
    )


def _places(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Names of the scene and of the option of each item; "" where there are no options."""
    widths = np.diff(table.starts)
    scene = np.repeat(np.array([table.scene_name(m) for m in range(table.n_scenes)]), widths)
    if not table.has_options:
        return scene, np.full(table.n_items, "")
    if table.option_names is not None:
        return scene, np.array([table.option_names.text(i) for i in range(table.n_items)])
    return scene, (np.arange(table.n_items) - np.repeat(table.starts[:-1], widths)).astype(str)


def _place(scene: str, option: str) -> str:
    return f"item {scene}" if option == "" else f"option {option} of scene {scene}"


def _choices(valuation: Valuation, table: Table, betas: Points, scales: np.ndarray | None) -> Queries:
    """Which option of this scene? Answers: its options."""
    n = len(valuation.hypotheses)
    s = np.asarray(within_scene_scale(valuation) if scales is None else scales, float)
    asked = np.flatnonzero(np.diff(table.starts) > 1)
    width = int(np.diff(table.starts).max())
    chance = np.zeros((len(betas), len(asked), width, n))
    for h in range(n):
        worth = laid_out(valuation, h)[asked]
        there = worth > -np.inf
        behind = np.where(there, worth - worth.max(axis=-1, keepdims=True), 0.0)
        for b, batch in enumerate(betas):
            for beta, share in zip(*batch[h], strict=True):
                odds = np.where(there, np.exp(behind * (beta / s[h] if s[h] > 0 else 0.0)), 0.0)
                chance[b, :, :, h] += share * odds / odds.sum(axis=-1, keepdims=True)
    names = tuple(str(table.scene_name(int(m))) for m in asked)
    return Queries(
        "choice", tuple(f"which option of scene {m}?" for m in names), names, ("",) * len(names), chance, True
    )


def _values(posterior: Posterior, informs_agent: bool) -> Queries:
    """Which of two hypotheses is likelier to be meant? Answers: the first, the second."""
    hypotheses, n = posterior.hypotheses, len(posterior.weights)
    mean = np.zeros(n)
    first = np.zeros((n, n, n))  # E[pi_h pi_i / (pi_i + pi_j)] at (i, j, h)
    for share, part in posterior.prior.parts():
        weights = part.weights_of(hypotheses)
        mean += share * weights
        first += share * _preferred(part, weights, part.held(hypotheses))
    with np.errstate(invalid="ignore", divide="ignore"):
        said = np.where(mean > 0, first / np.where(mean > 0, mean, 1.0), 0.5)
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n) if posterior.weights[i] > 0 and posterior.weights[j] > 0]
    chance = np.array([[said[i, j], said[j, i]] for i, j in pairs]).reshape(1, len(pairs), 2, n)
    names = hypotheses.names
    words = tuple(f"is {names[i]!r} or {names[j]!r} likelier to be what people mean?" for i, j in pairs)
    return Queries("values", words, ("",) * len(pairs), ("",) * len(pairs), chance, informs_agent)


def _preferred(part: Prior, weights: np.ndarray, held: Any) -> np.ndarray:
    """``E[pi_h pi_i / (pi_i + pi_j)]`` of one opinion: (i, j, h); of two that have no weight, one half of E[pi_h]."""
    n = len(weights)
    if held is not None:
        out = np.zeros((n, n, n))
        for pi, chance in zip(held.pi, held.chance, strict=True):
            out += chance * _of_two(pi)[:, :, None] * pi
        return out
    if part.strength is None:
        return _of_two(weights)[:, :, None] * weights
    a = part.strength * weights
    both = a[:, None] + a[None, :]
    out = _of_two(a)[:, :, None] * weights  # h is neither: its share has nothing to do with who of the two is preferred
    i, j = np.ogrid[:n, :n]
    apart = np.broadcast_to((i != j) & (both > 0), (n, n))
    for one, more in ((np.broadcast_to(i, (n, n)), 1.0), (np.broadcast_to(j, (n, n)), 0.0)):
        value = weights[one] * (a[:, None] + more) / (both + 1.0)
        rows, columns = np.nonzero(apart)
        out[rows, columns, one[rows, columns]] = value[rows, columns]
    return out


def _of_two(pi: np.ndarray) -> np.ndarray:
    """``pi_i / (pi_i + pi_j)``: (i, j); one half where neither has any."""
    both = pi[:, None] + pi[None, :]
    return np.where(both > 0, pi[:, None] / np.where(both > 0, both, 1.0), 0.5)


class Worth:
    """What the judge's best policy is worth on the test, ``mean_m max_o sum_j v_j r_j``, by rows of weights that need not add up."""

    def __init__(self, case: Case) -> None:
        valuation = case.valuation
        n = len(case.posterior.weights)
        weight, total = scene_weights(valuation)
        scenes, best = [], np.zeros(n)
        widest = int(np.diff(valuation.table.starts).max())
        for block in valuation.blocks():
            worth = np.empty((block.shape[1], widest + 1, n))
            failing = np.empty((block.shape[1], n))
            for h in range(n):
                reward = block.reward(h)
                if block.options is not None:  # where there is no option, an option that is there
                    reward = np.where(block.options, reward, np.nan)
                    first = np.nanmax(np.where(np.isnan(reward), -np.inf, reward), axis=0)
                    place = np.argmax(block.options, axis=0)
                    first = reward[place, np.arange(reward.shape[1])]
                    reward = np.where(np.isnan(reward), first, reward)
                worth[:, : len(reward), h] = reward.T
                worth[:, len(reward) : widest, h] = reward.T[:, :1]
                failing[:, h] = block.failure(h)
                best[h] += float(block.best(h) @ weight[block.scenes])
            worth[:, widest] = failing if case.policy.abstain else worth[:, 0]
            scenes.append(worth)
        self.best = best / total
        whole = np.concatenate(scenes)
        flat, place = np.unique(whole.reshape(len(whole), -1), axis=0, return_inverse=True)
        self.mass = np.bincount(place.ravel(), weight / total, len(flat))
        self.rewards = np.ascontiguousarray(flat.reshape(len(flat), widest + 1, n).transpose(2, 1, 0))
        judge = case.posterior.weights @ self.rewards.reshape(n, -1)
        taken = judge.reshape(self.rewards.shape[1:]).argmax(axis=0)
        size = np.tensordot(case.posterior.weights, np.abs(self.rewards), 1)
        self.unit = float(np.take_along_axis(size, taken[None], axis=0)[0] @ self.mass)
        """What the judge's best policy adds up, in absolute value: differences far below it are rounding."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Worth of each row of weights (row, hypothesis): (row,), reward units a scene."""
        n, options, scenes = self.rewards.shape
        out = np.empty(len(rows))
        step = max(1, CELLS // (options * scenes))
        for lo in range(0, len(rows), step):
            some = (rows[lo : lo + step] @ self.rewards.reshape(n, -1)).reshape(-1, options, scenes)
            out[lo : lo + step] = some.max(axis=1) @ self.mass
        return out

    def regret(self, weights: np.ndarray) -> float:
        """Of the judge's best policy, failing being what every policy is held against."""
        return max(float(weights @ self.best) - float(self(weights[None])[0]), 0.0)


class Risks:
    """Risk of agents, each before a judge of its own."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.matrix = None
        if case.policy.draws_one:
            judge = case.judge(case.posterior)
            self.matrix = catastrophe_risk(case.valuation, case.policy, case.agent, judge).matrix

    def __call__(self, agents: np.ndarray, judges: np.ndarray) -> np.ndarray:
        """Risks (row,) of agents (row, hypothesis) before judges (row, hypothesis of the judge's)."""
        valuation, policy = self.case.valuation, self.case.policy
        n = judges.shape[1]
        if self.matrix is not None:
            mixed = np.array([policy.mixing(w) for w in agents])
            return ((mixed @ self.matrix[:, :n]) * judges).sum(axis=1)
        weight, total = scene_weights(valuation)
        scales = within_scene_scale(valuation) if policy.needs_scale else None
        out = np.zeros(len(agents))
        for block in valuation.blocks():
            view, options = View(block, policy.abstain, scales), block.shape[0]
            bad = np.array([block.worse(h) for h in range(n)]) * weight[block.scenes]
            for k, (w, v) in enumerate(zip(agents, judges, strict=True)):
                acts = np.asarray(policy.act(view, w), float)[:options]
                out[k] += float(np.tensordot(v, bad, 1).ravel() @ acts.ravel())
        return out / total

    def changes(self, chance: np.ndarray, joint: np.ndarray, informed: bool) -> np.ndarray:
        """Expected change in the risk by each question: (query,); an agent that learns nothing has none."""
        queries, answers, n = chance.shape
        if not informed or self.case.other is not None:
            return np.zeros(queries)
        agents = (chance * self.case.agent).reshape(-1, n)
        mass = agents.sum(axis=1, keepdims=True)
        agents = np.where(mass > 0, agents / np.where(mass > 0, mass, 1.0), self.case.agent)
        after = self(agents, joint.reshape(-1, n)).reshape(queries, answers).sum(axis=1)
        return after - float(self(self.case.agent[None], joint[0].sum(axis=0)[None])[0])


def _measure(asked: Queries, posterior: Posterior, worth: Worth, risk: Risks) -> tuple[np.ndarray, np.ndarray]:
    """Fall in regret, information and change in risk of each question, and their Monte Carlo errors: two arrays (3, query)."""
    whole = _numbers(asked.chance.mean(axis=0), asked, posterior.weights, worth, risk)
    error = np.zeros_like(whole)
    if len(asked.chance) > 1:
        parts = np.array([_numbers(chance, asked, posterior.weights, worth, risk) for chance in asked.chance])
        error = parts.std(axis=0, ddof=1) / len(parts) ** 0.5
    if not posterior.exact:
        moved = posterior.perturbed(MOVED, substream(0, "errors of queries"))
        chance = asked.chance.mean(axis=0)
        parts = np.array([_numbers(chance, asked, one.weights, worth, risk) for one in moved])
        error = np.hypot(error, parts.std(axis=0, ddof=1))
    return whole, error


def _numbers(chance: np.ndarray, asked: Queries, judge: np.ndarray, worth: Worth, risk: Risks) -> np.ndarray:
    fall, told = learned(chance, judge, worth)
    joint = chance * judge  # p(answer, h)
    change = risk.changes(chance, joint, asked.informs_agent)
    change[np.abs(change) <= EQUAL] = 0.0
    return np.array([fall, told, change])


def learned(chance: np.ndarray, judge: np.ndarray, worth: Worth) -> tuple[np.ndarray, np.ndarray]:
    """Expected fall in the regret of a judge's best policy, and information, of each question: (query,) each."""
    queries, answers, n = chance.shape
    joint = chance * judge  # p(answer, h)
    p = joint.sum(axis=2, keepdims=True)
    fall = worth(joint.reshape(-1, n)).reshape(queries, answers).sum(axis=1) - worth(judge[None])[0]
    fall[np.abs(fall) <= EQUAL * worth.unit] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        told = np.where(joint > 0, joint * np.log(chance / p), 0.0).sum(axis=(1, 2))
    told[told < EQUAL] = 0.0
    return fall, told


def best_first(fall: np.ndarray, told: np.ndarray, unit: float) -> np.ndarray:
    """Order questions: by the fall, of equals (within rounding) by the information, then the earlier."""
    step = EQUAL * max(unit, float(np.abs(fall).max(initial=0.0)), 1e-300)
    return np.lexsort((np.arange(len(fall)), -np.round(told / EQUAL), -np.round(fall / step)))
