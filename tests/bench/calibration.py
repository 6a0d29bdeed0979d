"""Simulation-based calibration of every kind on its exact path: how often intervals hold the truth. `make calibration`."""

import math
import sys

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.analysis.reading import read_agent_of
from reward_hypotheses.models.catastrophe import failure_line
from reward_hypotheses.models.feedback.base import named
from reward_hypotheses.models.hypotheses import Hypotheses, hypotheses_of
from reward_hypotheses.models.linear import combination
from reward_hypotheses.models.posterior import weigh
from reward_hypotheses.models.valuation import Valuation

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


def simulate(kind, rng):
    """Draw values, a truth, a nuisance and data; say which intervals hold which truth, and how far the weights are off."""
    make, _ = KINDS[kind]
    hypotheses = hypotheses_of(TEXTS)
    line = failure_line(0.2, hypotheses.names)
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
    posterior = weigh(hypotheses, prior, [one], line)
    drawn, weights, _ = posterior.draws(DRAWS, rng)
    name, value = next(iter(theta.items()))
    nuisance = one.draws(posterior.evidence[0], np.array([truth]), DRAWS, rng)[name][:, 0]
    agent = posterior.reweighted(rh.Uniform()) @ COST
    with np.errstate(divide="ignore"):
        log_judge = np.log(pi) + posterior.log_evidence
    judge = np.exp(log_judge - log_judge.max())
    ranks = {
        name: float((nuisance < value[0]).mean()),
        "values": float((drawn[:, 0] < pi[0]).mean()),
        "risk": float((weights @ agent < judge @ agent / judge.sum()).mean()),
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
    line = failure_line(0.2, ["truth"])
    reader = family.read_by(blank)
    inputs = reader.at(Valuation(Hypotheses(("truth",), (truth,)), blank.items, line), 0)
    theta = {key: nuisance.draws((1,), rng) for key, nuisance in reader.nuisances.items()}
    said = np.asarray(reader.replicate(inputs, theta, 1, rng)[0]).reshape(SCENES, OPTIONS)
    (one,) = named([make(table | {"said": said})])
    posterior = weigh(
        hypotheses_of({"family": family}), rh.Uniform("a simulation"), [one], failure_line(0.2, ["family"])
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


def simulate_agent(rng):
    """The same of an agent's weights: a hypothesis from its prior, then labels by it and choices by it, each with nuisances."""
    hypotheses = hypotheses_of(TEXTS)
    line = failure_line(0.2, hypotheses.names)
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
    rng = np.random.default_rng([seed, sorted([*KINDS, *LINEAR, AGENT]).index(kind)])
    found = [
        simulate_agent(rng) if kind == AGENT else simulate_linear(kind, rng) if kind in LINEAR else simulate(kind, rng)
        for _ in range(runs)
    ]
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
    for kind in [*KINDS, *LINEAR, AGENT]:
        coverage, z, _ = calibration(kind, runs, seed=1)
        for i, (quantity, held) in enumerate(coverage.items()):
            said = ", ".join(f"{v:+.1f}" for v in z) if i == 0 and kind not in LINEAR else ""
            print(f"{kind if i == 0 else '':15} {quantity:12} " + " ".join(f"{h:6.3f}" for h in held) + f"   {said}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
