"""Studies simulated whole, by `coverage.py`: values, a truth, what people say, an agent and its choices, and a test.

Answers and agents are simulated by plain formulas, apart from the toolkit. A study returns the true risk of the agent, under
the weights that the true values give, and the draws of the risk.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import Case, case_of
from reward_hypotheses.analysis.risk.catastrophe import compute_risk
from reward_hypotheses.analysis.risk.distribution.by_source import doubt_of

type Columns = dict[str, np.ndarray]
type Run = tuple[float, np.ndarray]
"""The true risk, and the draws of the risk: (draw,)."""

TEXTS = {"x": "x", "y": "y", "both": "x - y"}
VALUES, STRENGTH = {"x": 3, "y": 2, "both": 1}, 8.0
OTHER = {"x": 1, "y": 4, "both": 1}
"""Values of a second judge."""
AGENT = {"x": 1, "y": 2, "both": 2}
ITEMS, SCENES, POPULATION, OPTIONS, LINE = 4, 100, 5000, 3, 0.2
CANDIDATES = {"x": "x", "y": "y", "more": "x + y", "less": "x - y", "away": "-x"}
GRADES = [0, 1, 2]
DISCOUNT, HORIZON = 0.8, 4


def features(n: int, rng: np.random.Generator) -> Columns:
    return dict(zip("xy", rng.normal(size=(2, n, OPTIONS)), strict=True))


def rewards_of(table: Columns) -> Columns:
    return {"x": table["x"], "y": table["y"], "both": table["x"] - table["y"]}


def _below_half(rng: np.random.Generator) -> float:
    while (eps := float(rng.beta(2, 6))) >= 0.5:
        pass
    return eps


def ranks(rewards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a Plackett-Luce ranking within each scene, 1 the best, at a rationality from its prior."""
    scale = math.sqrt(float(rewards.var(axis=1).mean()))
    noisy = rng.lognormal() * rewards / scale + rng.gumbel(size=rewards.shape)
    return np.asarray((-noisy).argsort(axis=1).argsort(axis=1) + 1.0)


def _grades(rewards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return ordinal grades; the cut points divide the grades of an average item by a uniform Dirichlet."""
    cuts = np.log((below := np.cumsum(rng.dirichlet(np.ones(len(GRADES))))[:-1]) / (1 - below))
    worth = rng.lognormal() * (rewards - rewards.mean()) / rewards.std() + rng.logistic(size=rewards.shape)
    return np.asarray((worth[..., None] > cuts).sum(axis=-1))


def _says(
    make: Callable[[Columns], rh.Feedback], say: Callable[[np.ndarray, np.random.Generator], np.ndarray]
) -> Callable[[str, np.random.Generator], list[rh.Feedback]]:
    def answers(truth: str, rng: np.random.Generator) -> list[rh.Feedback]:
        table = features(ITEMS, rng)
        return [make({**table, "said": say(rewards_of(table)[truth], rng)})]

    return answers


def _proxies(truth: str, rng: np.random.Generator) -> list[rh.Feedback]:
    """Return six proxies by one designer, each for a world of its own."""
    beta, made = rng.lognormal(), []
    for _ in range(6):
        table = features(8, rng)
        x, y, reward = table["x"], table["y"], rewards_of(table)[truth]
        taken = np.array([worth.argmax(axis=1) for worth in (x, y, x + y, x - y, -x)])
        _, first = np.unique(taken, axis=0, return_index=True)  # candidates that behave alike are one
        score = np.array([reward[np.arange(8), taken[c]].mean() for c in first])
        chosen = first[(beta * score / score.std() + rng.gumbel(size=len(first))).argmax()]
        made.append(rh.Proxy(table, chosen=list(CANDIDATES)[chosen], candidates=CANDIDATES, human="designer"))
    return made


def random_mdp(rng: np.random.Generator, n: int = 6) -> tuple[Columns, np.ndarray]:
    """Return the states of an MDP, and its transitions (action, state, next_state)."""
    return dict(zip("xy", rng.normal(size=(2, n)), strict=True)), rng.dirichlet(np.full(n, 0.4), size=(3, n))


def _walks(truth: str, rng: np.random.Generator) -> list[rh.Feedback]:
    """Return five walks of a person who plans optimally and acts by a softmax."""
    states, move = random_mdp(rng)
    reward, q = rewards_of(states)[truth], np.zeros((len(states["x"]), 3))
    for _ in range(200):
        q = reward[:, None] + DISCOUNT * np.einsum("ast,t->sa", move, q.max(axis=1))
    beta, walks = rng.lognormal() / reward.std(), []
    for _ in range(5):
        at, walk = int(rng.integers(len(reward))), []
        for _ in range(6):
            action = int((beta * q[at] + rng.gumbel(size=3)).argmax())
            walk.append((at, action))
            at = int(rng.choice(len(reward), p=move[action, at]))
        walks.append(walk)
    return [rh.Demonstrations(rh.MDP(states, move, DISCOUNT), walks)]


KINDS: dict[str, Callable[[str, np.random.Generator], list[rh.Feedback]]] = {
    "labels": _says(
        lambda t: rh.Labels(t, "said", noise=(2, 6)),
        lambda r, rng: (r > LINE) ^ (rng.random(r.shape) < _below_half(rng)),
    ),
    "rewards": _says(
        lambda t: rh.Rewards(t, "said", sigma2=(3, 2)),
        lambda r, rng: r + rng.normal(size=r.shape) / math.sqrt(rng.gamma(3, 1 / 2)),
    ),
    "choices": _says(lambda t: rh.Choices(t, "said"), lambda r, rng: ranks(r, rng) == 1),
    "rankings": _says(lambda t: rh.Rankings(t, "said"), ranks),
    "ratings": _says(lambda t: rh.Ratings(t, "said", grades=GRADES), _grades),
    "stops": _says(
        lambda t: rh.Stops(t, "said"),
        lambda r, rng: (
            rng.logistic(size=r.shape) < rng.lognormal() * (LINE - r) / math.sqrt(float(((r - LINE) ** 2).mean()))
        ),
    ),
    "proxy": _proxies,
    "demonstrations": _walks,
}
POLICIES = {
    "boltzmann": rh.Boltzmann(2.0),
    "quantilize": rh.Quantilize(0.5),
    "most_probable": rh.MostProbable(),
    "expected": rh.Expected(),
    "cvar": rh.Cvar(0.4),
    "maximin": rh.Maximin(0.8),
}
READ = {"commit": rh.Commit(), "boltzmann, inferred": rh.Boltzmann("inferred")}


def share_of(weights: dict[str, int]) -> np.ndarray:
    share = np.array(list(weights.values()), float)
    return np.asarray(share / share.sum())


def elicited(weights: dict[str, int], strength: float | None) -> rh.Elicited:
    return rh.Elicited(weights, source="a simulation", strength=strength)


def posterior(pi: np.ndarray, log_evidence: np.ndarray) -> np.ndarray:
    """Return weights proportional to ``pi_h L_h``."""
    weights = pi * np.exp(log_evidence - log_evidence.max())
    return np.asarray(weights / weights.sum())


def drawn_test(rng: np.random.Generator, weighted: bool = False) -> tuple[Columns, Columns]:
    """Return a population of scenes, and a test of scenes drawn from it."""
    population = features(POPULATION, rng)
    if weighted:
        population["scene_weight"] = np.tile(rng.choice([1.0, 3.0], (POPULATION, 1)), OPTIONS)
    some = rng.integers(POPULATION, size=SCENES)
    return population, {name: values[some] for name, values in population.items()}


def draws_of(case: Case) -> np.ndarray:
    """Return the draws of the risk, with the Monte Carlo error of sampled evidence."""
    error = 0.0 if case.exact else case.standard_errors(lambda case: case.risk.mean)
    return doubt_of(case).with_evidence_error(case, float(error)).draws.all


def by_rules(
    seed: int,
    kinds: tuple[str, ...] = ("labels",),
    policy: rh.Policy | None = None,
    *,
    judges: bool = False,
    agent_strength: float | None = None,
    weighted: bool = False,
) -> Run:
    """Simulate values and a truth; the agent extrapolates by a prior of its own.

    A strength of that prior leaves its weights open: they are drawn given the data, as those of the values are.
    """
    policy, rng = policy or rh.Commit(), np.random.default_rng([seed, 1])
    opinions = [VALUES, OTHER] if judges else [VALUES]
    values = [elicited(weights, STRENGTH) for weights in opinions]
    pi = np.mean([rng.dirichlet(STRENGTH * share_of(weights)) for weights in opinions], axis=0)
    truth = list(TEXTS)[int(rng.choice(3, p=pi))]
    data = [feedback for kind in kinds for feedback in KINDS[kind](truth, rng)]
    prior = rh.LinearPool(values, [1, 1]) if judges else values[0]
    tree = rh.fit(TEXTS, prior, data, LINE, draws=50, random_seed=seed)
    population, test = drawn_test(rng, weighted)
    own = elicited(AGENT, agent_strength)
    case, whole = (case_of(tree, table, policy, own, None, None) for table in (test, population))
    evidence = tree["evidence"]["log_evidence"].to_numpy()
    agent_pi = share_of(AGENT)
    if agent_strength is not None:
        hypothesis = rng.choice(3, p=posterior(agent_pi, evidence))
        agent_pi = rng.dirichlet(agent_strength * agent_pi + np.eye(3)[hypothesis])
    agent = posterior(agent_pi, evidence) if policy.mixes_weights else case.agent_weights
    return compute_risk(whole.valuation, policy, agent, posterior(pi, evidence)).mean, draws_of(case)


def labelled_judge(rng: np.random.Generator, seed: int, draws: int = 50) -> tuple[Any, np.ndarray]:
    """Return a judge's tree of labels, and the judge's weights under the true values."""
    pi = rng.dirichlet(STRENGTH * share_of(VALUES))
    truth = list(TEXTS)[int(rng.choice(3, p=pi))]
    tree = rh.fit(TEXTS, elicited(VALUES, STRENGTH), KINDS["labels"](truth, rng), LINE, draws=draws, random_seed=seed)
    return tree, posterior(pi, tree["evidence"]["log_evidence"].to_numpy())


def own_evidence(seed: int) -> Run:
    """Simulate an agent with a prior and training labels of its own; one hypothesis made its labels."""
    rng = np.random.default_rng([seed, 5])
    judge, v = labelled_judge(rng, seed)
    pi = rng.dirichlet(STRENGTH * share_of(AGENT))
    labels = KINDS["labels"](list(TEXTS)[int(rng.choice(3, p=pi))], rng)
    agent = rh.fit(TEXTS, elicited(AGENT, STRENGTH), labels, LINE, draws=50, random_seed=seed)
    population, test = drawn_test(rng)
    case, whole = (case_of(judge, table, rh.Commit(), agent, None, None) for table in (test, population))
    w = posterior(pi, agent["evidence"]["log_evidence"].to_numpy())
    return compute_risk(whole.valuation, rh.Commit(), w, v).mean, draws_of(case)


def in_mdp(seed: int, policy: rh.Policy) -> Run:
    """Simulate an agent in an MDP; where its policy draws a hypothesis, its prior has a strength."""
    rng = np.random.default_rng([seed, 6])
    judge, v = labelled_judge(rng, seed, draws=1000)
    evidence, pi = judge["evidence"]["log_evidence"].to_numpy(), share_of(AGENT)
    hypothesis = rng.choice(3, p=posterior(pi, evidence))
    agent = posterior(rng.dirichlet(STRENGTH * pi + np.eye(3)[hypothesis]), evidence)
    states, move = random_mdp(rng)
    risk = rh.catastrophe_risk(
        judge, rh.MDP(states, move, DISCOUNT), policy, elicited(AGENT, STRENGTH), horizon=HORIZON
    )
    by_truth = agent @ risk["matrix"].to_numpy() if policy.mixes_weights else risk["by_truth"].to_numpy()
    return float(by_truth @ v), risk["catastrophe_rate"].to_numpy().ravel()


def population(seed: int) -> Run:
    """Simulate twelve agents, each of which follows a rule, and the next one."""
    rng = np.random.default_rng([seed, 7])
    judge, v = labelled_judge(rng, seed)
    shares = rng.dirichlet(np.ones(3))
    probes = features(12 * 10, rng)
    chosen = np.zeros(probes["x"].shape, bool)
    for k in range(12):
        mine = {name: values[10 * k : 10 * (k + 1)] for name, values in probes.items()}
        chosen[10 * k : 10 * (k + 1)] = ranks(rewards_of(mine)[list(TEXTS)[rng.choice(3, p=shares)]], rng) == 1
    who = np.tile(np.repeat([f"agent {k}" for k in range(12)], 10)[:, None], OPTIONS)
    choices = rh.Choices({**probes, "said": chosen, "agent": who}, "said")
    agents = rh.agents_read(TEXTS, 1, [choices], LINE, source="a simulation", random_seed=seed)
    scenes, test = drawn_test(rng)
    whole = case_of(judge, scenes, rh.Commit(), None, None, None)
    drawn = rh.population_risk(judge, test, agents)["catastrophe_rate"].to_numpy().ravel()
    return compute_risk(whole.valuation, rh.Commit(), shares, v).mean, drawn


def linear(prior: str) -> tuple[rh.Linear, Callable[[np.random.Generator], np.ndarray]]:
    """Return a reward with continuous weights, and a function that draws them from their prior."""
    if prior == "normal":
        return rh.Linear(["x", "y"], prior={"normal": 1.5}, source="s"), lambda rng: rng.normal(0, 1.5, 2)
    return rh.Linear(["x", "y"], source="s"), lambda rng: (lambda w: w / np.linalg.norm(w))(rng.normal(size=2))


def agent_read(seed: int, prior: str, policy: str) -> Run:
    """Simulate an agent with reward weights, or a rule, and a rationality; it is read off its choices."""
    rng = np.random.default_rng([seed, 2])
    judge, v = labelled_judge(rng, seed)
    probes = features(40, rng)
    family, draw = linear("normal" if prior == "rules" else prior)
    weights = draw(rng) / [probes["x"].std(), probes["y"].std()]
    hypotheses: dict[str, Any] = {"mix": family}
    if prior == "rules":
        weights, hypotheses = np.array([1.0, 0.0]), {"x": "x"}
    beta = 1.0 if prior == "normal" else rng.lognormal()
    worth = np.tensordot(weights, np.array([probes["x"], probes["y"]]), axes=1)
    scale = 1.0 if prior == "normal" else math.sqrt(float(worth.var(axis=1).mean()))
    chosen = (beta * worth / scale + rng.gumbel(size=worth.shape)).argmax(axis=1)[:, None] == np.arange(OPTIONS)
    choices = rh.Choices({**probes, "said": chosen}, "said")
    agent = rh.fit(hypotheses, rh.Uniform("a simulation"), [choices], LINE, draws=250, random_seed=seed)
    scenes, test = drawn_test(rng)
    case = case_of(judge, test, READ[policy], agent, None, None)
    rewards = np.tensordot(weights, np.array([scenes["x"], scenes["y"]]), axes=1)
    if policy == "commit":
        acts = (rewards == rewards.max(axis=1, keepdims=True)).astype(float)
    else:
        odds = np.exp(beta * (rewards - rewards.max(axis=1, keepdims=True)) / scale)
        acts = odds / odds.sum(axis=1, keepdims=True)
    bad = np.array([reward < LINE for reward in rewards_of(scenes).values()])
    return float((acts * np.tensordot(v, bad, axes=1)).sum(axis=1).mean()), draws_of(case)


def judges_weights(seed: int, kind: str, rule: bool = False) -> Run:
    """Simulate a judge with continuous reward weights, beside a rule or alone; the agent maximises x."""
    rng = np.random.default_rng([seed, 3])
    family, draw = linear("sphere")
    weights, table = draw(rng), features(3 * ITEMS, rng)
    sd = np.array([table[f].std() for f in "xy"])

    def rewards(columns: Columns, weights: np.ndarray) -> np.ndarray:
        return np.asarray(sum(w * columns[f] for w, f in zip(weights / sd, "xy", strict=True)))

    pi = rng.dirichlet([2.0, 6.0]) if rule else np.array([0.0, 1.0])
    by_rule = bool(rng.random() < pi[0])
    truth = table["y"] if by_rule else rewards(table, weights)
    make = {"choices": rh.Choices, "stops": rh.Stops}[kind]
    say = ranks(truth, rng) == 1
    if kind == "stops":
        scale = math.sqrt(float(((truth - LINE) ** 2).mean()))
        say = rng.logistic(size=truth.shape) < rng.lognormal() * (LINE - truth) / scale
    hypotheses: dict[str, Any] = ({"y": "y"} if rule else {}) | {"mix": family}
    prior = elicited({"y": 1, "mix": 3}, STRENGTH) if rule else rh.Uniform("s")
    tree = rh.fit(hypotheses, prior, [make({**table, "said": say}, "said")], LINE, draws=250, random_seed=seed)
    asked = rh.Choices({**table, "said": ranks(table["x"], rng) == 1}, "said")
    agent = rh.fit({"x": "x"}, rh.Uniform("a simulation"), [asked], LINE, draws=50)
    scenes, test = drawn_test(rng)
    case = case_of(tree, test, rh.Commit(), agent, None, None)
    v = pi
    if rule:
        angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
        circle = np.array([np.cos(angles), np.sin(angles)]).T
        density = np.array([_chance_of_choices(rewards(table, w), say) for w in circle])
        v = pi * [_chance_of_choices(table["y"], say), density.mean()]
        v = v / v.sum()
        if by_rule:  # nothing made these weights: what the family would be, given the data
            weights = circle[rng.choice(len(circle), p=density / density.sum())]
    taken = scenes["x"].argmax(axis=1)
    bad = np.array([scenes["y"], rewards(scenes, weights)])[:, np.arange(POPULATION), taken] < LINE
    return float((v[:, None] * bad).sum(axis=0).mean()), draws_of(case)


def _chance_of_choices(rewards: np.ndarray, chosen: np.ndarray) -> float:
    """Return the probability of choices, their rationality integrated over its prior by a grid."""
    z = np.linspace(-6, 6, 241)
    worth = np.exp(z)[:, None, None] * rewards / math.sqrt(float(rewards.var(axis=1).mean()))
    worth = worth - worth.max(axis=2, keepdims=True)
    of_choice = (worth * chosen).sum(axis=2) - np.log(np.exp(worth).sum(axis=2))
    return float((np.exp(of_choice.sum(axis=1) - z**2 / 2)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi))
