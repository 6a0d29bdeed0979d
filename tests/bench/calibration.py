"""Simulation-based calibration of every kind on its exact path: how often intervals hold the truth. `make calibration`."""

import math
import sys
from dataclasses import replace
from functools import partial

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.analysis.agents.inferred_agent import read_agent_of
from reward_hypotheses.data.readers.pairwise_judgements import GRADES
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, hypotheses_of
from reward_hypotheses.models.hypotheses.linear import combination
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.weights.weigh import weigh

TEXTS = {"x": "x", "y": "y", "both": "x - y"}
WEIGHTS, STRENGTH = {"x": 3, "y": 2, "both": 1}, 8
LEVELS = (0.5, 0.8, 0.95)
SCENES, OPTIONS, DRAWS = 12, 3, 400
COST = np.array([[0.0, 0.9, 0.4], [0.7, 0.1, 0.6], [0.2, 1.0, 0.0]])
KINDS = {
    "labels": (lambda t: rh.Labels(t, "said", noise=(2, 6)), True),
    "rewards": (lambda t: rh.Rewards(t, "said", sigma2=(3, 2)), 0.0),
    "choices": (lambda t: rh.Choices(t, "said"), None),
    "rankings": (lambda t: rh.Rankings(t, "said"), None),
    "stops": (lambda t: rh.Stops(t, "said"), True),
    "ratings": (lambda t: rh.Ratings(t, "said", grades=[0, 1, 2]), 0),
}
WALKS = 3
YARD = rh.MDP(*rh.gridworld(["A.B", ".C."], {"A": "x", "B": "y", "C": "z"}, ends="C", slip=0.2), 0.9)
PROXIES = {"proxy": 6}  # so many by one designer, each for a world of its own
CANDIDATES = {"x": "x", "y": "y", "more": "x + y", "less": "x - y", "away": "-x"}

AGENT = "the agent, read"
"""Its weights, by labels and its own choices."""
LINEAR = {  # rewards with continuous weights: kind of feedback, prior of the weights
    "linear, sphere": ("choices", "sphere"),
    "linear, normal": ("choices", {"normal": 1.5}),
    "linear, stops": ("stops", "sphere"),
}


def placeholder(kind):
    """Something that the kind takes for an answer, before one is simulated."""
    first = np.tile(np.arange(OPTIONS) == 0, (SCENES, 1))
    if kind == "choices":
        return first
    if kind == "rankings":
        return np.tile(np.arange(1.0, OPTIONS + 1), (SCENES, 1))
    return np.full((SCENES, OPTIONS), KINDS[kind][1])


def below(draws, truth):
    return float((draws < truth).mean())


def simulate(kind, rng):
    """Draw values, a truth, a nuisance and data; say which intervals hold which truth, and how far the weights are off."""
    make, _ = KINDS[kind]
    hypotheses = hypotheses_of(TEXTS)
    line = stated_line(0.2, hypotheses.names)
    x, y = rng.normal(size=(2, SCENES, OPTIONS))
    prior = rh.Elicited(WEIGHTS, "a simulation", strength=STRENGTH)
    mean = np.array(list(WEIGHTS.values()), float) / sum(WEIGHTS.values())
    pi = rng.dirichlet(STRENGTH * mean)
    truth = int(rng.choice(3, p=pi))
    table = {"x": x, "y": y, "said": placeholder(kind)}
    (blank,) = named([make(table)])
    valuation = Valuation(hypotheses, blank.items, line)
    theta = {name: nuisance.draws((1,), rng) for name, nuisance in blank.nuisances.items()}
    said = np.asarray(blank.replicate(blank.at(valuation, truth), theta, 1, rng)[0]).reshape(SCENES, OPTIONS)
    (one,) = named([make(table | {"said": said})])
    return ranked(pi, truth, theta, one, weigh(hypotheses, prior, [one], line), rng)


def simulate_proxies(kind, rng):
    """The same of several proxies, whose designer has one rationality."""
    hypotheses = hypotheses_of(TEXTS)
    line = stated_line(0.2, hypotheses.names)
    prior = rh.Elicited(WEIGHTS, "a simulation", strength=STRENGTH)
    pi = rng.dirichlet(STRENGTH * np.array(list(WEIGHTS.values()), float) / sum(WEIGHTS.values()))
    truth = int(rng.choice(3, p=pi))
    theta: dict = {}
    made = []
    for _ in range(PROXIES[kind]):
        x, y = rng.normal(size=(2, 3, OPTIONS))
        blank = rh.Proxy({"x": x, "y": y}, chosen="x", candidates=CANDIDATES, human="designer")
        theta = theta or {name: nuisance.draws((1,), rng) for name, nuisance in blank.nuisances.items()}
        said = blank.replicate(blank.at(Valuation(hypotheses, blank.items, line), truth), theta, 1, rng)[0, 0]
        made.append(replace(blank, chosen=blank.written[int(np.argmax(said))].split(" = ")[0]))
    made = named(made)
    return ranked(pi, truth, theta, made[0], weigh(hypotheses, prior, made, line), rng)


def simulate_walks(rng):
    """The same of somebody who walks in a yard."""
    texts = {"x": "x", "y": "2*y - z", "both": "z - x"}
    hypotheses = hypotheses_of(texts)
    line = stated_line(0.2, hypotheses.names)
    prior = rh.Elicited(WEIGHTS, "a simulation", strength=STRENGTH)
    pi = rng.dirichlet(STRENGTH * np.array(list(WEIGHTS.values()), float) / sum(WEIGHTS.values()))
    truth, beta = int(rng.choice(3, p=pi)), math.exp(rng.normal())
    walks: list = []
    while not any(step for walk in walks for step in walk if step[0] != "1,1"):  # the episode ends there
        walks = rh.demonstrate(YARD, list(texts.values())[truth], beta, WALKS, 6, random_seed=int(rng.integers(2**31)))
    (one,) = named([rh.Demonstrations(YARD, walks)])
    theta = {"rationality": np.array([beta])}
    return ranked(pi, truth, theta, one, weigh(hypotheses, prior, [one], line), rng)


def ranked(pi, truth, theta, one, posterior, rng):
    """Where the truth is among the draws of its posterior: its nuisance, the values and the risk; and the weights."""
    drawn, weights, _ = posterior.draws(DRAWS, rng)
    name, value = next(iter(theta.items()))
    nuisance = one.draws(posterior.evidence[0], np.array([truth]), DRAWS, rng)[name][:, 0]
    agent = posterior.reweighted(rh.Uniform()) @ COST
    with np.errstate(divide="ignore"):
        log_judge = np.log(pi) + posterior.log_evidence
    judge = np.exp(log_judge - log_judge.max())
    risks, risk = weights @ agent, float(judge @ agent / judge.sum())
    tied = np.abs(risks - risk) <= 1e-12  # as where the data leave one hypothesis: in any order, then
    ranks = {
        name: below(nuisance, value[0]),
        "values": below(drawn[:, 0], pi[0]),
        "risk": float(((risks < risk) & ~tied).mean() + rng.random() * tied.mean()),
    }
    hit = np.eye(3)[truth] - posterior.weights
    return ranks, hit, posterior.weights


def simulate_linear(name, rng):
    """The same of continuous weights: draw them and a rationality from their priors, then data."""
    kind, prior = LINEAR[name]
    make, _ = KINDS[kind]
    family = rh.Linear(["x", "y"], prior=prior, source="a simulation")
    x, y = rng.normal(size=(2, SCENES, OPTIONS))
    weights = family.prior_draws(1, rng)
    table = {"x": x, "y": y, "said": placeholder(kind)}
    (blank,) = named([make(table)])
    truth = combination(family.features, weights[0] / [x.std(), y.std()])
    line = stated_line(0.2, ["truth"])
    reader = family.read_by(blank)
    inputs = reader.at(Valuation(Hypotheses(("truth",), (truth,)), blank.items, line), 0)
    theta = {key: nuisance.draws((1,), rng) for key, nuisance in reader.nuisances.items()}
    said = np.asarray(reader.replicate(inputs, theta, 1, rng)[0]).reshape(SCENES, OPTIONS)
    (one,) = named([make(table | {"said": said})])
    posterior = weigh(
        hypotheses_of({"family": family}), rh.Uniform("a simulation"), [one], stated_line(0.2, ["family"])
    )
    fitted = posterior.families[0]
    options = np.random.default_rng(3).normal(size=(400, 3, 2))  # a test, on which the agent takes up 0.8 x - 0.6 y
    taken = options[np.arange(400), np.argmax(options @ [0.8, -0.6], axis=1)]
    risks = (fitted.weights @ taken.T < 0.2).mean(axis=1)
    risk = float((taken @ weights[0] < 0.2).mean())
    ranks = {
        "weight of x": float((fitted.weights[:, 0] < weights[0, 0]).mean()),
        "weight of y": float((fitted.weights[:, 1] < weights[0, 1]).mean()),
        "risk": float((risks < risk).mean() + 0.5 * (risks == risk).mean()),
    }
    if theta:
        ranks["rationality"] = float((fitted.nuisances[f"{kind}_rationality"] < theta["rationality"][0]).mean())
    return ranks, np.zeros(1), np.full(1, 0.5)


def simulate_judgements(rng):
    """Worths, judges and answers by the model; how often the truth lies below draws of the values, of the risk, of one judge."""
    worth, tau = rng.normal(0, 2, 3), abs(rng.normal())
    own = worth + tau * rng.normal(size=(2, 3))
    first = 0.5 * math.exp(0.75 * rng.normal())
    second = first + 1.5 * math.exp(0.75 * rng.normal())
    said = []
    for _ in range(5):
        k, (left, right) = rng.integers(2), rng.choice(3, 2, replace=False)
        grade = np.searchsorted([-second, -first, first, second], own[k, left] - own[k, right] + rng.logistic())
        said.append((f"judge {k}", list(TEXTS)[left], list(TEXTS)[right], GRADES[grade]))
    found = rh.Judgements(said, "a simulation").inferred(tuple(TEXTS))
    at = rng.choice(len(found.pool.chance), DRAWS, p=found.pool.chance)
    pi = np.exp(worth) / np.exp(worth).sum()
    ranks = {
        "values": below(found.pool.pi[at, 0], pi[0]),
        "risk": below(found.pool.pi[at] @ COST[0], pi @ COST[0]),
        "disagreement": below(found.tau[at], tau),
    }
    judged = sorted({row[0] for row in said})[0]
    mine = np.exp(own[int(judged[-1])])
    held = found.judge(judged)
    ranks["one judge"] = below(held.pi[at, 0], mine[0] / mine.sum())
    return ranks, np.zeros(1), np.full(1, 0.5)


def simulate_failure(rng):
    """A line, a rationality and answers by the model; how often the truth lies below draws of the line and of the risk."""
    rewards, u, beta = rng.normal(size=SCENES), rng.normal(-0.3, 0.8), math.exp(rng.normal())
    scale = rewards.std()
    said = rng.logistic(size=SCENES) < beta * (u - rewards) / scale
    asked = rh.FailureJudgements({"x": rewards, "said": said}, "said", centre=-0.3, spread=0.8, source="a simulation")
    drawn = asked.lines(hypotheses_of({"x": "x"}))[0].draws(DRAWS, rng)
    outcomes = np.sort(rng.normal(size=2000))  # of what an agent does, fine enough to have no ties
    return (
        {"line": below(drawn, u), "risk": below(np.searchsorted(outcomes, drawn), np.searchsorted(outcomes, u))},
        np.zeros(1),
        np.full(1, 0.5),
    )


OTHERS = {"demonstrations": simulate_walks}
VALUES = {"judgements": simulate_judgements, "failure judgements": simulate_failure}


def simulate_agent(rng):
    """The same of an agent's weights: a hypothesis from its prior, then labels by it and choices by it, each with nuisances."""
    hypotheses = hypotheses_of(TEXTS)
    line = stated_line(0.2, hypotheses.names)
    x, y = rng.normal(size=(2, SCENES, OPTIONS))
    prior = rh.Elicited(WEIGHTS, "a simulation")
    truth = int(rng.choice(3, p=prior.weights_of(hypotheses)))
    made, betas = [], {}
    for kind in ("labels", "choices"):
        make, _ = KINDS[kind]
        table = {"x": x, "y": y, "said": placeholder(kind)}
        (blank,) = named([make(table)])
        theta = {name: nuisance.draws((1,), rng) for name, nuisance in blank.nuisances.items()}
        inputs = blank.at(Valuation(hypotheses, blank.items, line), truth)
        said = np.asarray(blank.replicate(inputs, theta, 1, rng)[0]).reshape(SCENES, OPTIONS)
        made.append(make(table | {"said": said}))
        betas |= theta
    training, probes = named(made)
    judge = weigh(hypotheses, prior, [training], line)
    none = Hypotheses((), ())
    reading = read_agent_of(judge, none, prior, [training], [probes], line, line)
    known = probes.draws(reading.alone.evidence[0], np.array([truth]), DRAWS, rng)["rationality"][:, 0]
    ranks = {"rationality": float((known < betas["rationality"][0]).mean())}
    return ranks, np.eye(3)[truth] - reading.agent.weights, reading.agent.weights


def calibration(kind, runs, seed):
    """Coverage by quantity and level, and the z of each weight against how often its hypothesis was true."""
    rng = np.random.default_rng([seed, [*sorted([*KINDS, *LINEAR]), *PROXIES, *VALUES, AGENT, *OTHERS].index(kind)])
    simulation = simulate_linear if kind in LINEAR else simulate_proxies if kind in PROXIES else simulate
    one = simulate_agent if kind == AGENT else (VALUES | OTHERS).get(kind) or partial(simulation, kind)
    found = [one(rng=rng) for _ in range(runs)]
    quantities = list(found[0][0])
    ranks = {q: np.array([f[0][q] for f in found]) for q in quantities}
    coverage = {q: [float((np.abs(r - 0.5) < level / 2).mean()) for level in LEVELS] for q, r in ranks.items()}
    hits, weights = (np.array([f[k] for f in found]) for k in (1, 2))
    z = hits.sum(axis=0) / np.sqrt((weights * (1 - weights)).sum(axis=0))
    return coverage, z, ranks


def main(runs=400):
    print(f"{runs} simulations a kind; standard error of a coverage at most {math.sqrt(0.25 / runs):.3f}")
    print(
        f"{'kind':15} {'interval of':12} "
        + " ".join(f"{level:>6.0%}" for level in LEVELS)
        + "   weights against truths, z"
    )
    for kind in [*KINDS, *PROXIES, *OTHERS, *LINEAR, *VALUES, AGENT]:
        coverage, z, _ = calibration(kind, runs, seed=1)
        for i, (quantity, held) in enumerate(coverage.items()):
            said = ", ".join(f"{v:+.1f}" for v in z) if i == 0 and kind not in LINEAR and kind not in VALUES else ""
            print(f"{kind if i == 0 else '':15} {quantity:12} " + " ".join(f"{h:6.3f}" for h in held) + f"   {said}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
