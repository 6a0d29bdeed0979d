"""Simulation-based calibration of every kind on its exact path: how often intervals hold the truth. `make calibration`."""

import math
import sys

import numpy as np

import reward_hypotheses as rh
from reward_hypotheses.models.catastrophe import failure_line
from reward_hypotheses.models.feedback.base import named
from reward_hypotheses.models.hypotheses import hypotheses_of
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


def calibration(kind, runs, seed):
    """Coverage by quantity and level, and the z of each weight against how often its hypothesis was true."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    found = [simulate(kind, rng) for _ in range(runs)]
    quantities = list(found[0][0])
    ranks = {q: np.array([f[0][q] for f in found]) for q in quantities}
    coverage = {q: [float((np.abs(r - 0.5) < level / 2).mean()) for level in LEVELS] for q, r in ranks.items()}
    hits, weights = (np.array([f[k] for f in found]) for k in (1, 2))
    z = hits.sum(axis=0) / np.sqrt((weights * (1 - weights)).sum(axis=0))
    return coverage, z, ranks


def main(runs=400):
    print(f"{runs} simulations a kind; standard error of a coverage at most {math.sqrt(0.25 / runs):.3f}")
    print(
        f"{'kind':9} {'interval of':12} "
        + " ".join(f"{level:>6.0%}" for level in LEVELS)
        + "   weights against truths, z"
    )
    for kind in KINDS:
        coverage, z, _ = calibration(kind, runs, seed=1)
        for i, (quantity, held) in enumerate(coverage.items()):
            said = ", ".join(f"{v:+.1f}" for v in z) if i == 0 else ""
            print(f"{kind if i == 0 else '':9} {quantity:12} " + " ".join(f"{h:6.3f}" for h in held) + f"   {said}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
