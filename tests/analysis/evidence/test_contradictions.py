"""Sentences about feedbacks that contradict each other, made of made-up numbers."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest

from reward_hypotheses.analysis.evidence.by_feedback import (
    CONTRADICTION,
    Contributions,
    GivenOthers,
    agreement,
    contradictions,
    contributions_document,
    favoured,
    share_of_cases,
    times,
    weightiest,
)


def contradicting(found):
    """Return the pairs of feedbacks that contradict each other."""
    n = len(found.names)
    return [(k, m) for k in range(n) for m in range(k) if found.agreement[k, m] < math.log(CONTRADICTION)]


def log_mean(log_prior, values):
    return float(np.logaddexp.reduce(log_prior + values))


@pytest.mark.parametrize("apart", [True, False])
def test_the_error_of_agreement_is_that_of_a_function_of_estimates(apart):
    """By the gradient, in differences, with respect to every estimate that was made of its own."""
    rng = np.random.default_rng(12)
    log_prior = np.log([0.5, 0.3, 0.2])
    estimates = {"one": rng.normal(size=3), "two": rng.normal(size=3), "both": rng.normal(size=3)}
    errors = {key: rng.uniform(0.01, 0.1, 3) for key in estimates}

    class Parts:
        posterior = SimpleNamespace(log_prior=log_prior)

        def separate(self, some, others):
            return apart

        def log_evidence(self, which):
            if len(which) == 1:
                return estimates["one two".split()[which[0]]], errors["one two".split()[which[0]]]
            if apart:
                return estimates["one"] + estimates["two"], np.hypot(errors["one"], errors["two"])
            return estimates["both"], errors["both"]

    def value():
        both = estimates["one"] + estimates["two"] if apart else estimates["both"]
        return log_mean(log_prior, both) - log_mean(log_prior, estimates["one"]) - log_mean(log_prior, estimates["two"])

    total, error = agreement(Parts(), [0], [1])
    assert total == pytest.approx(value(), abs=1e-14)
    variance = 0.0
    for key, h in itertools.product(estimates, range(3)):
        ends = []
        for step in (1e-6, -2e-6):
            estimates[key][h] += step
            ends.append(value())
        estimates[key][h] += 1e-6
        variance += ((ends[0] - ends[1]) / 2e-6 * errors[key][h]) ** 2
    assert error == pytest.approx(math.sqrt(variance), rel=1e-6)


def made_up(between, given, log_prior=(-0.7, -0.7, -np.inf)):
    """A document of three hypotheses and feedbacks that agree so much with one another and with all the others."""
    names = tuple("xyz"[: len(given)])
    alone = np.array([[-1.0, -3, -2], [-5, -5, -1], [-2, -3, -2]])[: len(given)]
    posterior = SimpleNamespace(
        hypotheses=SimpleNamespace(names=("a", "b", "c")),
        weights=np.array([0.2, 0.5, 0.3]),
        log_prior=np.array(log_prior),
        log_evidence=alone.sum(axis=0) + 0.5,
    )
    one = [GivenOthers(value, mcse, np.array([0.25, 0.75, 0.0]), None) for value, mcse in given]
    found = Contributions(names, alone, 0.1 * np.abs(alone), np.full(3, 0.5), between, 0 * between, tuple(one))
    return found, contributions_document(posterior, found)


def square(**pairs):
    out = np.full((3, 3), np.nan)
    for pair, value in pairs.items():
        i, j = ("xyz".index(c) for c in pair)
        out[i, j] = out[j, i] = value
    return out


def test_feedbacks_contradict_each_other_below_one_in_a_hundred():
    at = math.log(0.01)
    for value, so in ((at - 0.01, True), (at + 0.01, False)):
        one = GivenOthers(value, 0.0, np.ones(1), None)
        assert one.contradicted is so and one.chance == pytest.approx(math.exp(value))
        found, document = made_up(square(xy=0.1, xz=-0.2, yz=value), [(0.5, 0), (value, 0), (value, 0)])
        assert contradicting(found) == ([(2, 1)] if so else [])
        said = document["contradictions"]
        assert len(said) == so and all(
            line.startswith("y and z contradict each other: if both follow") for line in said
        )
        found, document = made_up(square(xy=value, xz=0, yz=0), [(value, 0), (0.5, 0), (value, 0)])
        assert contradicting(found) == ([(1, 0)] if so else [])
        # z contradicts the others together and none of them alone
        said = document["contradictions"]
        assert len(said) == 2 * so and (not so or "and contradicts the other feedback (" in said[1])
    assert GivenOthers(3.0, 0.0, np.ones(1), None).chance == 1
    assert contradictions({"agreement": {}, "given_others": {}}) == []


def test_a_document_of_made_up_numbers():
    between = square(xy=0.25, xz=-0.5, yz=0.125)
    found, document = made_up(between, [(0.7, 0.01), (-0.7, 0.01), (0.002, 0.0)])
    assert document["agreement"] == {
        "x": {"y": 0.25, "z": -0.5},
        "y": {"x": 0.25, "z": 0.125},
        "z": {"x": -0.5, "y": 0.125},
    }
    assert document["nats"]["y"] == {"a": -5, "b": -5, "c": -1} and document["mcse"]["x"]["b"] == pytest.approx(0.3)
    first = document["pairs"][0]
    assert [pair["pair"] for pair in document["pairs"]] == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert first["values"] == 0 and first["feedback"] == {"x": 2, "y": 0, "z": 1} and first["all"] == 3
    second = document["pairs"][1]
    assert second["values"] == np.inf == second["all"] and second["feedback"] == {"x": 1, "y": -4, "z": 0}
    given = document["given_others"]
    assert given["x"]["favours"] == ["a"] and given["y"]["favours"] == []  # c is ruled out
    assert given["x"]["others_favour"] == ["b"] and given["x"]["weights"] == {"a": 0.25, "b": 0.75, "c": 0}
    assert given["x"]["words"] == "x: speaks for 'a'; the other feedback makes its data 2.01 times likelier"
    assert given["y"]["words"] == "y: does not distinguish the hypotheses"


def test_a_difference_below_its_error_favours_nobody():
    prior, evidence = np.log([0.5, 0.5]), np.array([-1.0, -2.0])
    assert favoured(prior, evidence, np.array([0.3, 0.3])) == [0]
    assert favoured(prior, evidence, np.array([0.4, 0.4])) == []
    assert favoured(prior, evidence) == [0]


@pytest.mark.parametrize(
    ("agreement", "mcse", "words"),
    [
        (-0.7, 0.01, "2.01 times less likely"),
        (0.006, 0.0, "1.01 times likelier"),
        (0.004, 0.0, "neither likelier nor less likely"),
        (0.1, 0.06, "neither likelier nor less likely"),
        (0.1, 0.04, "1.11 times likelier"),
        (-7.0, 0.0, "so little agreement occurs in at most one case in 1,100"),
        (-5.0, 0.0, "so little agreement occurs in at most 0.67% of cases"),
    ],
)
def test_how_likely_the_others_make_it_in_words(agreement, mcse, words):
    _, document = made_up(square(xy=0, xz=0, yz=0), [(agreement, mcse)] * 3)
    assert words in document["given_others"]["x"]["words"]


def test_what_a_feedback_speaks_for():
    even = np.log(np.full(3, 1 / 3))
    assert favoured(even, np.array([-1.0, -2.0, -1.0 - 1e-12])) == [0, 2]
    assert favoured(even, np.array([-1e6, -2e6, -1e6 - 1e-5])) == [0, 2]  # a billionth of it
    assert favoured(even, np.array([-1.0, -1.0 - 1e-7, -1.0])) == [0, 2]
    assert favoured(even, np.full(3, -4.0)) == []
    ruled_out = np.array([np.log(0.5), np.log(0.5), -np.inf])
    assert favoured(ruled_out, np.array([-2.0, -3.0, -1.0])) == [0]
    assert favoured(ruled_out, np.array([-2.0, -2.0, -5.0])) == []
    assert weightiest(np.array([0.1 + 0.2, 0.3, 0.3 - 1e-6])) == [0, 1]
    _, document = made_up(square(xy=0, xz=0, yz=0), [(-0.7, 0)] * 3, log_prior=even)
    assert document["given_others"]["x"]["words"].startswith("x: speaks for 'a';")
    assert document["given_others"]["y"]["words"].startswith("y: speaks for 'c';")
    assert document["given_others"]["z"]["words"].startswith("z: speaks against 'b';")
    _, document = made_up(square(xy=0, xz=0, yz=0), [(-0.7, 0)] * 3, log_prior=(-1, -np.inf, -1))
    assert document["given_others"]["x"]["words"].startswith("x: speaks for 'a';")


def test_factors_in_figures():
    assert [times(math.log(x)) for x in (2, 1234567)] == ["2 times", "10^6.1 times"]
    assert times(math.log(123456)) == "123,000 times" and times(2000) == "10^868.6 times"
    assert share_of_cases(math.log(0.005)) == "0.5% of cases"
    assert share_of_cases(math.log(1 / 2000)) == "one case in 2,000"
