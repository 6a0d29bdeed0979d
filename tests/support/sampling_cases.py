"""Data and studies for tests of sampling."""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np
import pytest
import xarray as xr
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.models.inference.nuisance_priors import InverseGamma


@dataclass(frozen=True, eq=False)
class Blunt(rh.Feedback):
    """A user's own kind: ``y ~ Laplace(r_h, width)``. The toolkit knows no closed form of it, this test does."""

    kind: ClassVar[str] = "blunt"

    _: KW_ONLY
    width: tuple[float, float]

    @property
    def nuisances(self):
        return {"width": InverseGamma(*self.width)}

    def log_likelihood(self, inputs, theta, observed, xp):
        width = theta["width"]
        return -xp.log(2 * width) - abs(observed - inputs) / width

    def replicate(self, inputs, theta, n, rng):
        return inputs + theta["width"][:, None] * rng.laplace(size=(n, len(inputs)))

    def closed_form(self, reward):
        a, b = self.width
        n, total = len(reward), float(np.abs(self.observed - reward).sum())
        return math.lgamma(a + n) - math.lgamma(a) + a * math.log(b) - (a + n) * math.log(b + total) - n * math.log(2)


RNG = np.random.default_rng(12)
N = 40
RED = RNG.random(N) < 0.5
DATA = {
    "red_paint": RED,
    "flags": RED,
    "slope": np.where(RNG.random(N) < 0.8, np.where(RED, 0.5, 2.5), np.where(RED, 2.5, 0.5)),
    "is_pad": RED ^ (RNG.random(N) < 0.3),
    "seen": np.where(RED, 30.0, -30.0) + RNG.normal(0, 200, N).round(1),
}
TEXTS = {
    "red paint": "where(red_paint, 100, -100)",
    "flags": "where(flags, 100, -100)",
    "level ground": "where(slope < 1, 100, -100)",
}
LABELS = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 4]}
REWARDS = {"kind": "rewards", "table": "training", "column": "seen", "sigma2": [2, 40_000]}
ANN = {"name": "Ann", "weights": {"flags": 8, "red paint": 1, "level ground": 3}, "source": "a test", "strength": 20}
BOB = {"name": "Bob", "weights": {"flags": 1, "red paint": 1, "level ground": 1}, "source": "a test", "strength": 5}
FIXED = {"weights": ANN["weights"], "source": "a test"}
STUDIES = {
    "labels, fixed values": {"values": FIXED, "feedback": [LABELS]},
    "labels, uncertain values": {"values": FIXED | {"strength": 20}, "feedback": [LABELS]},
    "rewards, judges pooled linearly": {"values": {"judges": [ANN, BOB], "pool": "linear"}, "feedback": [REWARDS]},
    "rewards, judges pooled in logs": {"values": {"judges": [ANN, BOB], "pool": "log"}, "feedback": [REWARDS]},
    "both, uncertain values": {"values": FIXED | {"strength": 20}, "feedback": [LABELS, REWARDS]},
    "both, an agent that adds up rewards": {
        "values": FIXED,
        "agent": {"policy": {"name": "expected", "abstain": True}, "prior": "values"},
        "feedback": [LABELS, REWARDS],
    },
}


def training():
    lines = [",".join(DATA)]
    lines += [
        ",".join(str(int(v) if isinstance(v, (bool, np.bool_)) else v) for v in row)
        for row in zip(*DATA.values(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def study(folder, method, **changes):
    document = small(hypotheses=TEXTS, fit={"method": method}, seed=4, analysis={"targets": [0.3, 0.05]}, **changes)
    return write(folder, document, training=training(), test=TEST)


def fitted(method="nuts", seed=4, feedback=None, **options):
    feedback = feedback or [rh.Labels(DATA, "is_pad", noise=(1, 4)), rh.Rewards(DATA, "seen", sigma2=(2, 40_000))]
    prior = rh.Elicited(ANN["weights"], "a test", 20)
    return rh.fit(TEXTS, prior, feedback, fail_utility=0, method=method, random_seed=seed, **options)


@pytest.fixture(scope="module")
def tree():
    return fitted()


@pytest.fixture(scope="module")
def scenes():
    names, *rows = [line.split(",") for line in TEST.splitlines()]
    columns = {name: np.array(column, float) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    options = int(columns["option"].max()) + 1
    features = {k: v.reshape(-1, options) for k, v in columns.items() if k not in ("scene", "option")}
    return xr.Dataset({k: (("scene", "option"), v) for k, v in features.items()})
