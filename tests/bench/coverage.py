"""How often intervals of the risk from all sources hold the true risk. `make coverage`; it goes on where it was stopped.

A study is simulated whole: values, the truth, what people say, an agent and its choices, and a test drawn from a population
of scenes. The true risk is that of the agent on the whole population, under the weights that the true values give. Its place
among the draws of the risk (its PIT) is uniform if the intervals are calibrated.
"""

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.analysis.case import case_of
from reward_hypotheses.analysis.risk.catastrophe import compute_risk
from reward_hypotheses.analysis.risk.distribution.open_sources import risk_draws

TEXTS = {"x": "x", "y": "y", "both": "x - y"}
VALUES, STRENGTH = {"x": 3, "y": 2, "both": 1}, 8.0
AGENT = {"x": 1, "y": 2, "both": 2}
ITEMS, SCENES, POPULATION, OPTIONS, LINE = 12, 100, 5000, 3, 0.2
LEVELS = (0.5, 0.8, 0.95)
KINDS: dict[str, tuple[Callable[[Any], rh.Feedback], Callable[[np.ndarray, np.random.Generator], np.ndarray]]] = {
    "labels": (
        lambda t: rh.Labels(t, "said", noise=(2, 6)),
        lambda r, rng: (r > LINE) ^ (rng.random(r.shape) < _below_half(rng)),
    ),
    "rewards": (
        lambda t: rh.Rewards(t, "said", sigma2=(3, 2)),
        lambda r, rng: r + rng.normal(size=r.shape) / math.sqrt(rng.gamma(3, 1 / 2)),
    ),
    "choices": (lambda t: rh.Choices(t, "said"), lambda r, rng: _ranks(r, rng) == 1),
    "rankings": (lambda t: rh.Rankings(t, "said"), lambda r, rng: _ranks(r, rng)),
    "stops": (
        lambda t: rh.Stops(t, "said"),
        lambda r, rng: (
            rng.logistic(size=r.shape) < rng.lognormal() * (LINE - r) / math.sqrt(float(((r - LINE) ** 2).mean()))
        ),
    ),
}
POLICIES = {
    "boltzmann": rh.Boltzmann(2.0),
    "quantilize": rh.Quantilize(0.5),
    "most probable": rh.MostProbable(),
    "expected": rh.Expected(),
    "cvar": rh.Cvar(0.4),
    "maximin": rh.Maximin(0.8),
}
READ = {"commit": rh.Commit(), "boltzmann, inferred": rh.Boltzmann("inferred")}
STUDIES = (
    *KINDS,
    *(f"labels, {policy}" for policy in POLICIES),
    *(f"agent read, {prior}, {policy}" for prior in ("normal", "sphere") for policy in READ),
    "agent read, rules, boltzmann, inferred",
    *(f"judge's reward weights, {kind}" for kind in ("choices", "stops")),
)


def _below_half(rng: np.random.Generator) -> float:
    while (eps := float(rng.beta(2, 6))) >= 0.5:
        pass
    return eps


def _ranks(rewards: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a Plackett-Luce ranking within each scene, 1 the best, at a rationality from its prior."""
    scale = math.sqrt(float(rewards.var(axis=1).mean()))
    noisy = rng.lognormal() * rewards / scale + rng.gumbel(size=rewards.shape)
    return np.asarray((-noisy).argsort(axis=1).argsort(axis=1) + 1.0)


def _features(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return dict(zip("xy", rng.normal(size=(2, n, OPTIONS)), strict=True))


def _rewards(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"x": table["x"], "y": table["y"], "both": table["x"] - table["y"]}


def _prior(weights: dict[str, int], strength: float | None) -> tuple[rh.Elicited, np.ndarray]:
    share = np.array(list(weights.values()), float)
    return rh.Elicited(weights, source="a simulation", strength=strength), share / share.sum()


def _drawn_test(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return a population of scenes, and a test of scenes drawn from it."""
    population = _features(POPULATION, rng)
    some = rng.integers(POPULATION, size=SCENES)
    return population, {name: values[some] for name, values in population.items()}


def _answered(
    kind: str, rng: np.random.Generator, rewards: Callable[[dict[str, np.ndarray]], np.ndarray]
) -> rh.Feedback:
    make, say = KINDS[kind]
    table = _features(ITEMS, rng)
    return make({**table, "said": say(rewards(table), rng)})


def by_rules(kind: str, policy: rh.Policy, seed: int) -> tuple[float, Any, Any]:
    """Simulate values and a truth; return the true risk of an agent of another prior, and the case."""
    rng = np.random.default_rng([seed, 1])
    (values, share), (agents, agent_pi) = _prior(VALUES, STRENGTH), _prior(AGENT, None)
    pi = rng.dirichlet(STRENGTH * share)
    truth = list(TEXTS)[int(rng.choice(3, p=pi))]
    tree = rh.fit(TEXTS, values, [_answered(kind, rng, lambda t: _rewards(t)[truth])], LINE, draws=50, random_seed=seed)
    population, test = _drawn_test(rng)
    case, whole = (case_of(tree, table, policy, agents, None, None) for table in (test, population))
    evidence = tree["evidence"]["log_evidence"].to_numpy()
    judge, agent = (
        weights / weights.sum() for weights in (p * np.exp(evidence - evidence.max()) for p in (pi, agent_pi))
    )
    if not policy.mixes_weights:
        agent = case.agent_weights
    return compute_risk(whole.valuation, policy, agent, judge).mean, case, None


def _linear(prior: str) -> tuple[rh.Linear, Callable[[np.random.Generator], np.ndarray]]:
    """Return a reward with continuous weights, and a function that draws them from their prior."""
    if prior == "normal":
        return rh.Linear(["x", "y"], prior={"normal": 1.5}, source="s"), lambda rng: rng.normal(0, 1.5, 2)
    return rh.Linear(["x", "y"], source="s"), lambda rng: (lambda w: w / np.linalg.norm(w))(rng.normal(size=2))


def agent_read(prior: str, policy: str, seed: int) -> tuple[float, Any, Any]:
    """Simulate an agent with reward weights, or a rule, and a rationality; it is read off its choices."""
    rng = np.random.default_rng([seed, 2])
    values, share = _prior(VALUES, STRENGTH)
    pi = rng.dirichlet(STRENGTH * share)
    truth = list(TEXTS)[int(rng.choice(3, p=pi))]
    judge = rh.fit(
        TEXTS, values, [_answered("labels", rng, lambda t: _rewards(t)[truth])], LINE, draws=50, random_seed=seed
    )
    probes = _features(40, rng)
    family, draw = _linear("normal" if prior == "rules" else prior)
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
    population, test = _drawn_test(rng)
    case = case_of(judge, test, READ[policy], agent, None, None)
    rewards = np.tensordot(weights, np.array([population["x"], population["y"]]), axes=1)
    if policy == "commit":
        acts = (rewards == rewards.max(axis=1, keepdims=True)).astype(float)
    else:
        odds = np.exp(beta * (rewards - rewards.max(axis=1, keepdims=True)) / scale)
        acts = odds / odds.sum(axis=1, keepdims=True)
    evidence = judge["evidence"]["log_evidence"].to_numpy()
    v = pi * np.exp(evidence - evidence.max())
    bad = np.array([reward < LINE for reward in _rewards(population).values()])
    return float((acts * np.tensordot(v / v.sum(), bad, axes=1)).sum(axis=1).mean()), case, None


def judges_weights(kind: str, seed: int) -> tuple[float, Any, Any]:
    """Simulate a judge with continuous reward weights; the agent maximises x."""
    rng = np.random.default_rng([seed, 3])
    family, draw = _linear("sphere")
    weights = draw(rng)

    def rewards(table: dict[str, np.ndarray]) -> np.ndarray:
        return np.asarray(sum(w * table[f] / table[f].std() for w, f in zip(weights, "xy", strict=True)))

    make, say = KINDS[kind]
    table = _features(ITEMS, rng)
    feedback = make({**table, "said": say(rewards(table), rng)})
    tree = rh.fit({"mix": family}, rh.Uniform("s"), [feedback], LINE, draws=250, random_seed=seed)
    agent = rh.fit(
        {"x": "x"},
        rh.Uniform("a simulation"),
        [rh.Choices({**table, "said": _ranks(table["x"], rng) == 1}, "said")],
        LINE,
        draws=50,
    )
    population, test = _drawn_test(rng)
    case = case_of(tree, test, rh.Commit(), agent, None, None)
    truth = sum(w * population[f] / table[f].std() for w, f in zip(weights, "xy", strict=True))
    taken = population["x"].argmax(axis=1)
    return float((truth[np.arange(POPULATION), taken] < LINE).mean()), case, None


def simulated(study: str, seed: int) -> dict[str, float]:
    """Simulate a study; return the PIT of the true risk, the width of its 95 % interval, and the true risk."""
    first, *rest = study.split(", ")
    if first == "agent read":
        risk, case, _ = agent_read(rest[0], ", ".join(rest[1:]), seed)
    elif first == "judge's reward weights":
        risk, case, _ = judges_weights(rest[0], seed)
    else:
        risk, case, _ = by_rules(first, POLICIES[rest[0]] if rest else rh.Commit(), seed)
    draws = risk_draws(case).all
    tied = np.abs(draws - risk) < 1e-12
    u = np.random.default_rng([seed, 4]).random()
    lower, upper = np.quantile(draws, [0.025, 0.975])
    return {
        "pit": float(((draws < risk) & ~tied).mean() + u * tied.mean()),
        "width": float(upper - lower),
        "risk": float(risk),
    }


def table(runs: dict[str, list[dict[str, float]]]) -> str:
    """Return the table of coverage by study."""
    lines = [
        "| study | runs | " + " | ".join(f"{level:.0%}" for level in LEVELS) + " | width of 95 % | p (uniform PIT) |"
    ]
    lines.append("| --- " * (len(LEVELS) + 4) + "|")
    for study, rows in runs.items():
        pits = np.array([row["pit"] for row in rows])
        held = [f"{100 * np.mean(np.abs(pits - 0.5) < level / 2):.1f}" for level in LEVELS]
        p = stats.kstest(pits, "uniform").pvalue
        width = np.mean([row["width"] for row in rows])
        lines.append(f"| {study} | {len(rows)} | {' | '.join(held)} | {width:.3f} | {p:.3f} |")
    return "\n".join(lines)


def main(out: str = "coverage.jsonl", runs: str = "300") -> None:
    """Simulate so many runs of every study, those in the file aside, and print the table."""
    path, done = Path(out), {study: [] for study in STUDIES}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        row = json.loads(line)
        done[row.pop("study")].append(row)
    with path.open("a", encoding="utf-8") as file:
        for study, rows in done.items():
            for seed in range(len(rows), int(runs)):
                row = simulated(study, seed)
                rows.append(row)
                file.write(json.dumps({"study": study, **row}) + "\n")
                file.flush()
    print(table({study: rows[: int(runs)] for study, rows in done.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
