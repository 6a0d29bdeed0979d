"""Kinds of feedback that are sampled, and kinds that are exact in part."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from sampling_cases import DATA, RED, STUDIES, TEXTS, Blunt, N, fitted, study
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.inference.nuisance_priors import InverseGamma
from reward_hypotheses.models.weights.weigh import weigh


def test_a_kind_without_a_closed_form():
    """auto takes the exact path for labels, NUTS for a user's own kind, and says so."""
    blunt = Blunt(DATA, "seen", width=(2.0, 100.0))
    feedback = [rh.Labels(DATA, "is_pad", noise=(1, 4)), blunt]
    tree = fitted("auto", feedback=feedback)
    assert tree.attrs["method"] == "exact and nuts"
    methods = json.loads(tree.attrs["methods"])
    assert methods["labels"].startswith("exact") and methods["blunt"] == (
        "nuts: there is no closed form; the evidence of each silent class is estimated once, by bridge sampling"
    )
    exact = fitted("exact", feedback=feedback[:1])["evidence"]["log_evidence"]
    rewards = {"flags": RED, "level ground": DATA["slope"] < 1}
    for name, better in rewards.items():
        want = float(exact.sel(hypothesis=name)) + blunt.closed_form(np.where(better, 100.0, -100.0))
        got, error = (float(tree["evidence"][k].sel(hypothesis=name)) for k in ("log_evidence", "mcse"))
        assert 0 < error < 0.02 and abs(got - want) < 5 * error
    values = tree["evidence"]["log_evidence"]
    assert float(values.sel(hypothesis="flags")) == float(values.sel(hypothesis="red paint"))
    assert {"labels_eps", "blunt_width"} < set(tree["posterior"].data_vars)
    assert tree["posterior_predictive"]["blunt"].dims == ("chain", "draw", "blunt_item")
    with pytest.raises(rh.InputError, match="blunt has no exact form; use 'auto' or 'nuts'"):
        fitted("exact", feedback=feedback)


@pytest.mark.parametrize("good", [True, False])
def test_predictive_check_of_ones_own_kind(good):
    listed, line, made = prepared(TEXTS, [Blunt(DATA, "seen", width=(2.0, 100.0))], 0)
    if not good:  # rewards of a few items that no width explains
        odd = {**DATA, "seen": np.where(np.arange(N) < 2, 1e6, np.where(RED, 100.0, -100.0))}
        listed, line, made = prepared(TEXTS, [Blunt(odd, "seen", width=(2.0, 100.0))], 0)
    posterior = weigh(listed, rh.Uniform("x"), made, line)
    check = made[0].check(posterior.valuations[0], posterior.evidence[0], posterior.weights, np.random.default_rng(0))
    assert check.what == "mean log likelihood of an item, nats"
    assert 0 <= check.p <= 1 and check.mcse > 0
    if good:
        assert check.p > 0.01 and not check.misfit


@dataclass(frozen=True, eq=False)
class Offset(Blunt):
    """A kind whose prior depends on the data and whose likelihood reads another column, item by item."""

    kind: ClassVar[str] = "offset"

    @property
    def nuisances(self):
        return {"width": InverseGamma(self.width[0], self.width[1] * float(np.std(self.observed)))}

    def log_likelihood(self, inputs, theta, observed, xp):
        return super().log_likelihood(inputs + 10 * self.items.columns["slope"].values, theta, observed, xp)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_kinds_that_read_more_than_their_inputs(scale):
    """Items keep their order, and no model compiled for other data is used."""
    data = {**DATA, "seen": DATA["seen"] * scale}
    feedback = Offset(data, "seen", width=(2.0, 1.0))
    tree = fitted("auto", feedback=[feedback])
    blunt = Blunt(data, "seen", width=(2.0, float(np.std(data["seen"]))))
    for name, better in {"flags": RED, "level ground": DATA["slope"] < 1}.items():
        want = blunt.closed_form(np.where(better, 100.0, -100.0) + 10 * DATA["slope"])
        got, error = (float(tree["evidence"][k].sel(hypothesis=name)) for k in ("log_evidence", "mcse"))
        assert abs(got - want) < 5 * error, name


@dataclass(frozen=True, eq=False)
class AtLeast(Blunt):
    """What is seen is never below the reward: exponential above it."""

    kind: ClassVar[str] = "at_least"

    def log_likelihood(self, inputs, theta, observed, xp):
        above = -xp.log(theta["width"]) - abs(observed - inputs) / theta["width"]
        return xp.where(observed >= inputs, above, -np.inf)


@dataclass(frozen=True, eq=False)
class Known(Blunt):
    """No nuisance, no closed form given: a plain product."""

    kind: ClassVar[str] = "known"

    @property
    def nuisances(self):
        return {}

    def log_likelihood(self, inputs, theta, observed, xp):
        return super().log_likelihood(inputs, {"width": 90.0}, observed, xp)

    def replicate(self, inputs, theta, n, rng):
        return inputs + 90 * rng.laplace(size=(n, len(inputs)))


def test_impossible_under_one_hypothesis():
    data = {**DATA, "seen": np.where(DATA["slope"] < 1, 100.0, -100.0) + 7.0}
    tree = fitted("auto", feedback=[AtLeast(data, "seen", width=(2.0, 10.0))])
    evidence = tree["evidence"]["log_evidence"]
    assert float(evidence.sel(hypothesis="flags")) == -np.inf and np.isfinite(
        float(evidence.sel(hypothesis="level ground"))
    )
    assert float(tree["evidence"]["weight"].sel(hypothesis="level ground")) == 1
    with pytest.raises(rh.InputError, match="impossible under every hypothesis"):
        fitted("auto", feedback=[AtLeast({**data, "seen": data["seen"] - 1e3}, "seen", width=(2.0, 10.0))])


@dataclass(frozen=True, eq=False)
class HalfExact(Blunt):
    """Exact evidence, and no draws of its nuisance to go with it."""

    kind: ClassVar[str] = "half_exact"

    def evidence(self, valuation):
        classes = self.classes(valuation)
        return Evidence(np.zeros(len(classes)), classes, self.items.n_items)


def test_exact_evidence_needs_exact_draws():
    with pytest.raises(rh.InputError, match="half_exact: HalfExact gives exact evidence without draws"):
        fitted("auto", feedback=[HalfExact(DATA, "seen", width=(2.0, 100.0))])


def test_a_product_is_exact():
    for method in ("exact", "auto", "nuts"):
        tree = fitted(method, feedback=[Known(DATA, "seen", width=(1, 1))])
        want = stats.laplace.logpdf(DATA["seen"], np.where(RED, 100.0, -100.0), 90).sum()
        assert float(tree["evidence"]["log_evidence"].sel(hypothesis="flags")) == pytest.approx(want, rel=1e-12)
        assert tree.attrs["method"] == "exact"


def test_a_test_table_named_like_a_key(tmp_path):
    document = rh.run(study(tmp_path, "nuts", **STUDIES["labels, fixed values"]))
    tables = {"training": "training.csv", "weights": "test.csv"}
    path = study(tmp_path, "nuts", tables=tables, **STUDIES["labels, fixed values"])
    path.write_text(path.read_text().replace("[analysis]", '[analysis]\ntest = "weights"'))
    assert rh.run(path)["mcse"] == document["mcse"]


@dataclass(frozen=True, eq=False)
class Inputs(Blunt):
    """Its nuisance has the name of the data that the model holds."""

    kind: ClassVar[str] = "inputs"
    width: tuple[float, float] = (1, 1)

    @property
    def nuisances(self):
        return {"inputs": InverseGamma(*self.width)}


def test_names_that_would_be_two_things():
    def wrong(words, *feedback):
        with pytest.raises(rh.InputError, match=words):
            fitted("exact", feedback=list(feedback))

    wrong("'a/b' cannot name a variable", rh.Labels(DATA, "is_pad", noise=(1, 4), name="a/b"))
    wrong("'chain' cannot name a variable", rh.Labels(DATA, "is_pad", noise=(1, 4), name="chain"))
    first = rh.Labels(DATA, "is_pad", noise=(1, 4), name="x")
    wrong("'y_inputs' is also a name of feedback 'y'", Inputs(DATA, "seen", name="y"))

    class Nameless(Blunt):
        kind = ""

    with pytest.raises(rh.InputError, match="Nameless has no kind"):
        Nameless(DATA, "seen", width=(1, 1))

    class Numbers(Blunt):
        nuisances = {"width": 3}

    wrong("the prior of nuisance 'width' is 3", Numbers(DATA, "seen", width=(1, 1)))
    with pytest.raises(rh.InputError, match="give a list of feedback"):
        rh.fit(TEXTS, rh.Uniform("x"), first, 0)
    with pytest.raises(rh.InputError, match="prior: a NoneType"):
        rh.fit(TEXTS, None, [first], 0)
