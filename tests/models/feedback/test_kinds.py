"""Every kind of feedback keeps what every kind promises; a new kind is one line here."""

from dataclasses import KW_ONLY, MISSING, dataclass, fields, replace
from typing import ClassVar

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.registry import KINDS as SHIPPED
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import InverseGamma

RNG = np.random.default_rng(12)
X, Y = RNG.normal(size=(2, 12, 3))
NOISY = X + RNG.gumbel(size=X.shape)
RANK = (-NOISY).argsort(axis=1).argsort(axis=1) + 1.0
TABLE = {
    "x": X,
    "y": Y,
    "chosen": RANK == 1,
    "rank": RANK,
    "top": np.minimum(RANK, 2),
    "grade": np.digitize(NOISY, [0, 1.5]),
    "stopped": NOISY < 0.3,
    "good": NOISY > 0.3,
    "seen": NOISY,
}
HYPOTHESES = {"x": "x", "y": "y", "both": "x + 2*y"}
WORLD = rh.MDP(*rh.gridworld(["a.b", "...", "..c"], {"a": "a", "b": "b", "c": "c"}, slip=0.1), discount=0.9)
GOALS = {"x": "where(c, 1, 0)", "y": "where(b, 1, -0.1)", "both": "c + 2*b"}
WALK = rh.demonstrate(WORLD, "where(c, 1, 0)", 2.0, n=2, steps=8, random_seed=1)
KINDS = {
    "labels": lambda: rh.Labels(TABLE, "good", noise=(2, 8)),
    "labels, fixed noise": lambda: rh.Labels(TABLE, "good", noise=0.2),
    "rewards": lambda: rh.Rewards(TABLE, "seen", sigma2=(4, 6)),
    "choices": lambda: rh.Choices(TABLE, "chosen"),
    "choices, raw and fixed": lambda: rh.Choices(TABLE, "chosen", rationality=0.7, scale="raw"),
    "rankings": lambda: rh.Rankings(TABLE, "rank"),
    "rankings of the best": lambda: rh.Rankings(TABLE, "top"),
    "ratings": lambda: rh.Ratings(TABLE, "grade", grades=[0, 1, 2]),
    "stops": lambda: rh.Stops(TABLE, "stopped"),
    "proxy": lambda: rh.Proxy(TABLE, chosen="x", candidates={"x": "x", "y": "y", "less": "-x"}),
}


IN_MDPS = {
    "demonstrations": lambda: rh.Demonstrations(WORLD, WALK),
    "soft demonstrations": lambda: rh.Demonstrations(WORLD, WALK, planner="soft"),
    "proxy in an MDP": lambda: rh.Proxy(WORLD, chosen="c", candidates={"c": "c", "b": "b", "a": "a"}),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_conformance(kind):
    rh.conforms(KINDS[kind](), HYPOTHESES, fail_utility=0.3)


@pytest.mark.parametrize("kind", list(IN_MDPS))
def test_conformance_in_mdps(kind):
    rh.conforms(IN_MDPS[kind](), GOALS, replications=300)


def test_every_kind_of_the_registry_is_tested_here():
    assert {make().kind for make in (KINDS | IN_MDPS).values()} == set(SHIPPED)


@pytest.mark.parametrize("name", list(SHIPPED))
def test_a_kind_knows_itself(name):
    kind = SHIPPED[name]
    assert kind.kind == name and getattr(rh, kind.__name__) is kind
    keys = {f.name: f for f in fields(kind) if f.init}
    read_from_tables = {"trajectories"}
    assert set(kind.asks) <= {*keys, "table"} and set(kind.instead) <= set(kind.asks)
    needed = {key for key, field in keys.items() if field.default is MISSING} - read_from_tables
    assert needed <= set(kind.required), "a key that a study file must give has no advice for who leaves it out"


@pytest.mark.parametrize("name", list(KINDS | IN_MDPS))
def test_a_kind_says_whether_its_answers_locate_failure(name):
    hypotheses = HYPOTHESES if name in KINDS else GOALS
    inputs = []
    for line in (0.3, 0.8):
        listed, failure, (feedback,) = prepared(hypotheses, [(KINDS | IN_MDPS)[name]()], line)
        inputs.append(np.asarray(feedback.at(Valuation(listed, feedback.items, failure), 0)))
    assert np.array_equal(*inputs) != feedback.locates_failure


@dataclass(frozen=True, eq=False)
class Scores(rh.Feedback):
    """Rewards with noise of heavy tails."""

    kind: ClassVar[str] = "scores"
    _: KW_ONLY
    width: tuple[float, float] = (4, 2)

    @property
    def nuisances(self):
        return {"width": InverseGamma(*self.width)}

    def log_likelihood(self, inputs, theta, observed, xp):
        return -xp.log(2 * theta["width"]) - abs(observed - inputs) / theta["width"]

    def replicate(self, inputs, theta, n, rng):
        return inputs + theta["width"][:, None] * rng.laplace(size=(n, len(inputs)))


class Unnormalised(Scores):
    def log_likelihood(self, inputs, theta, observed, xp):
        return super().log_likelihood(inputs, theta, observed, xp) + 0.1 * inputs


class OfAnotherModel(Scores):
    def replicate(self, inputs, theta, n, rng):
        return inputs + theta["width"][:, None] * rng.normal(size=(n, len(inputs)))


class OfAnotherShape(Scores):
    def replicate(self, inputs, theta, n, rng):
        return super().replicate(inputs, theta, n, rng)[0]


class OfAnotherLibrary(Scores):
    def log_likelihood(self, inputs, theta, observed, xp):
        found = super().log_likelihood(inputs, theta, observed, xp)
        return found if xp is np else found + 1e-3


class Narrow(InverseGamma):
    high = 0.1


class Beyond(Scores):
    @property
    def nuisances(self):
        return {"width": Narrow(4, 2)}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Unnormalised, "does not add up to 1"),
        (OfAnotherModel, "of different models"),
        (OfAnotherShape, r"replicate gives \(36,\)"),
        (OfAnotherLibrary, "off numpy's by 0.001"),
        (Beyond, "outside of its support"),
    ],
)
def test_what_does_not_conform(kind, says):
    with pytest.raises(AssertionError, match=says):
        rh.conforms(kind(TABLE, "seen"), HYPOTHESES, fail_utility=0.3, replications=6000)


def test_hypotheses_that_tell_nothing():
    one = KINDS["choices"]()
    with pytest.raises(AssertionError, match="at least two"):
        rh.conforms(one, {"x": "x"})
    with pytest.raises(AssertionError, match="silent between all of x, more"):
        rh.conforms(replace(one, name="mine"), {"x": "x", "more": "2*x"})
