"""Studies of which a page computes the risk again, and the same risk by Python."""

import base64
from dataclasses import replace

import numpy as np
from studies import csv_text, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.frontier import candidates
from reward_hypotheses.analysis.sensitivity.failure_line_curve import failure_curve
from reward_hypotheses.analysis.sensitivity.prior import contamination_bounds
from reward_hypotheses.models.posterior import posterior_weights


def rows(columns):
    """Tables of scenes by options as CSV."""
    n, options = next(iter(columns.values())).shape
    return csv_text(
        [
            {"scene": m, "option": o} | {k: v[m, o].item() for k, v in columns.items()}
            for m in range(n)
            for o in range(options)
        ]
    )


def mixed_study(folder):
    """Four hypotheses: continuous rewards, ties, weighted scenes, noisy labels; an agent of the values that may abstain."""
    rng = np.random.default_rng(11)
    n, options = 40, 4

    def scenes(n):
        x, y = rng.normal(size=(2, n, options)).round(2)
        return {"x": x, "y": y, "flag": rng.random((n, options)) < 0.5}

    test = scenes(n)
    test["x"][: n // 2] = np.round(test["x"][: n // 2])  # ties
    test["scene_weight"] = np.repeat(rng.integers(1, 4, (n, 1)), options, axis=1)
    train = {k: v[:, :1] for k, v in scenes(60).items()}
    train["good"] = (train["x"] + 0.5 * train["flag"] > 0) ^ (rng.random(train["x"].shape) < 0.2)
    hypotheses = {
        "sum": "x + 0.1 * y",
        "flag": "where(flag, 1, -1)",
        "third": "x / 3 + where(flag, 0.7, 0)",
        "whole": "min(x, y)",
    }
    weights = {"sum": 4, "flag": 3, "third": 2, "whole": 1}
    document = small(
        hypotheses=hypotheses,
        values={"weights": weights, "source": "a test", "strength": 12},
        agent={"policy": {"name": "quantilize", "q": 0.3, "abstain": True}, "prior": "values"},
        catastrophe={"fail_utility": {"sum": -0.1, "flag": 0, "third": 0.1, "whole": -0.5}},
        feedback=[{"kind": "labels", "table": "training", "column": "good", "noise": [2, 8]}],
    )
    return write(folder, document, training=rows(train), test=rows(test))


def inferred_study(folder):
    """Choices and stops of two judges' values, an agent inferred from its choices, and a failure line by scene."""
    rng = np.random.default_rng(12)

    def scenes(n):
        x, y = rng.normal(size=(2, n, 3)).round(1)
        return {"x": x, "y": y, "base": np.repeat(rng.normal(size=(n, 1)).round(1) - 0.5, 3, axis=1)}

    def chosen(worth):
        noisy = worth + rng.gumbel(size=worth.shape)
        return noisy == noisy.max(axis=1, keepdims=True)

    train, probes, test = scenes(12), scenes(30), scenes(50)
    train |= {
        "chosen": chosen(train["x"] + train["y"]),
        "stopped": train["x"] + rng.logistic(size=(12, 3)) < train["base"],
    }
    probes |= {"chosen": chosen(2 * probes["y"])}
    judges = [
        {"name": "Ann", "weights": {"x": 6, "y": 1, "both": 3}, "source": "a test", "strength": 9},
        {"name": "Ben", "weights": {"x": 1, "y": 4, "both": 5}, "source": "a test", "strength": 4},
    ]
    document = small(
        tables={name: f"{name}.csv" for name in ("training", "test", "probes")},
        hypotheses={"x": "x", "y": "y", "both": "x + y"},
        values={"judges": judges, "pool": "linear"},
        agent={
            "policy": {"name": "boltzmann", "beta": "inferred"},
            "prior": "uniform",
            "feedback": [{"kind": "choices", "table": "probes", "column": "chosen"}],
        },
        catastrophe={"fail_utility": {"x": "base", "y": "base", "both": -0.4}},
        feedback=[
            {"kind": "choices", "table": "training", "column": "chosen"},
            {"kind": "stops", "table": "training", "column": "stopped", "rationality": 2},
        ],
    )
    return write(folder, document, training=rows(train), test=rows(test), probes=rows(probes))


def unpacked(packed):
    """Numbers of an explorer's document, read apart from the script."""

    def of(name, kind):
        return np.frombuffer(base64.b64decode(packed[name]), kind)

    if "all" in packed:
        return np.full(packed["n"], packed["all"])
    whole = next((of(f"u{bits}", f"<u{bits // 8}") for bits in (8, 16, 32) if f"u{bits}" in packed), None)
    if "table" in packed:
        return of("table", "<f8")[whole]
    return of("f64", "<f8") if whole is None else whole


def breaks(explorer):
    """The shifts of the line at which the evidence of labels changes."""
    return [t for of_h in explorer["line"].get("steps", []) for t in unpacked(of_h["breaks"]).tolist()]


def settings(explorer, n, rng, shifts_too=(0.0,)):
    """Random settings: some weights 0 or tied, some lines on ties, every policy and prior; some of these shifts too."""
    names, policies = explorer["hypotheses"][: explorer["judges"]], [p["words"] for p in explorer["policies"]]
    out = []
    for _ in range(n):
        weights = rng.dirichlet(np.full(len(names), 0.6))
        if rng.random() < 0.2:
            weights = rng.integers(0, 3, len(names)) + 0.0
            weights[0] += weights.sum() == 0
        shifts = [0.0, float(rng.choice(shifts_too)), float(rng.normal()), float(rng.integers(-8, 9)) / 4]
        out.append(
            {
                "weights": dict(zip(names, weights.tolist(), strict=True)),
                "strength": float(np.exp(rng.uniform(0, 5))),
                "failure_shift": shifts[rng.integers(4)],
                "contamination": float(rng.choice([0.0, 0.0, rng.uniform(0, 0.5)])),
                "agent_prior": str(rng.choice(["study", "uniform", "simplicity", "values"])),
                "policy": str(rng.choice(policies)),
            }
        )
    return out


class Recomputed:
    """The risk of a case at other settings, by the case's own parts."""

    def __init__(self, case):
        self.case, self.known = case.first, {}
        self.policies = {policy.words: policy for policy in candidates(case.policy)}

    def posterior(self, setting, log_evidence=None):
        fitted = self.case.posterior
        prior = rh.Elicited(setting["weights"], "a reader", setting["strength"])
        log_evidence = fitted.log_evidence if log_evidence is None else log_evidence
        log_prior = prior.log_prior(fitted.hypotheses)
        weights = posterior_weights(prior.weights_of(fitted.hypotheses), log_prior, log_evidence)
        return replace(fitted, prior=prior, log_prior=log_prior, log_evidence=log_evidence, weights=weights)

    def agent_weights(self, setting, posterior):
        case, named = self.case, setting["agent_prior"]
        if named == "study":
            return case.agent.weights(posterior)
        priors = {"uniform": rh.Uniform(), "simplicity": next(iter(case.settings.languages)), "values": None}
        return case.padded(posterior.acting(priors[named]))

    def curve(self, setting):
        posterior = self.posterior(setting)
        agent, t = self.agent_weights(setting, posterior), setting["failure_shift"]
        policy = self.policies[setting["policy"]]
        return failure_curve(posterior, self.case.valuation, policy, agent, [t], self.known), posterior

    def mean(self, setting):
        return float(self.curve(setting)[0].risk[0])

    def by_truth(self, setting):
        """The risk if each hypothesis is true: that of values that are certain of it, the agent as it is."""
        posterior = self.posterior(setting)
        agent, policy = self.agent_weights(setting, posterior), self.policies[setting["policy"]]
        names = self.case.judge_names
        out = []
        for name in names:
            certain = self.posterior(setting | {"weights": {other: float(other == name) for other in names}})
            out.append(
                failure_curve(certain, self.case.valuation, policy, agent, [setting["failure_shift"]], self.known).risk[
                    0
                ]
            )
        return np.array(out)

    def contaminated(self, setting):
        curve, posterior = self.curve(setting)
        return contamination_bounds(
            posterior.log_prior, curve.log_evidence[0], self.by_truth(setting), setting["contamination"]
        )

    def drawn(self, setting, n, rng):
        """Draws of the risk over the values: (draw,)."""
        curve, _ = self.curve(setting)
        return self.posterior(setting, curve.log_evidence[0]).draws(n, rng)[1] @ self.by_truth(setting)
