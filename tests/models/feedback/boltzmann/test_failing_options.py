"""Options that are failing itself, in what a designer wrote: whatever a candidate says of them counts for nothing."""

import math

import numpy as np
import pytest

import reward_hypotheses as rh

HYPOTHESES = {"x": "x", "y": "y", "mix": "x - 2*y"}
SCENES = {
    "x": np.array([[1.0, 2.0, 0.5], [0.7, 0.2, 1.1], [2.0, 1.0, 3.0]]),
    "y": np.array([[0.4, -0.3, 2.0], [1.5, 0.1, 0.6], [-1.0, 0.8, 0.9]]),
}
CANDIDATES = {"x": "x", "y": "y", "x - y": "x - y"}

ODD = {
    "1 / x": lambda x, y: 1 / x,
    "-1 / x": lambda x, y: -1 / x,
    "sqrt(y + 6)": lambda x, y: np.sqrt(y + 6),
    "log(x)": lambda x, y: np.log(x),
    "1e200 * (y < -6) + x": lambda x, y: x,
    "1000 * (y < -6) + y": lambda x, y: y,
}
"""Infinite, no number, or the best by far where an option is failing; what they are elsewhere."""


def with_failing(places):
    """The same scenes with an option more that is failing, at one place in each, where x is 0 and y is -7."""
    table = {}
    for name, value in (("x", 0.0), ("y", -7.0)):
        table[name] = np.array([np.insert(row, at, value) for row, at in zip(SCENES[name], places, strict=True)])
    table["is_failing"] = np.arange(4) == np.array(places)[:, None]
    return table


@pytest.mark.parametrize("places", [(0, 0, 0), (3, 3, 3), (1, 0, 3)])
@pytest.mark.parametrize("much", list(ODD))
def test_what_a_candidate_says_of_an_option_that_is_failing(places, much):
    """It is accepted, and chooses among the others: the evidence by a sum over what was written."""
    candidates = CANDIDATES | {"odd": much}
    table = with_failing(places)
    prices = ODD[much](SCENES["x"], SCENES["y"])
    picks = {"x": SCENES["x"].argmax(axis=1), "y": SCENES["y"].argmax(axis=1)}
    picks |= {"x - y": (SCENES["x"] - SCENES["y"]).argmax(axis=1), "odd": prices.argmax(axis=1)}
    kinds = {}
    for name, taken in picks.items():
        kinds.setdefault(tuple(taken.tolist()), []).append(name)
    chosen = next(k for k, names in enumerate(kinds.values()) if "odd" in names)
    one = rh.Proxy(table, chosen="odd", candidates=candidates, rationality=1.7)
    tree = rh.fit(HYPOTHESES, rh.Uniform("a test"), [one], fail_utility=-3.0)
    worths = {"x": SCENES["x"], "y": SCENES["y"], "mix": SCENES["x"] - 2 * SCENES["y"]}
    for h, worth in enumerate(worths.values()):
        got = [float(np.mean([worth[m, o] for m, o in enumerate(taken)])) for taken in kinds]
        z = [1.7 * g / np.std(got) for g in got]
        want = z[chosen] - math.log(math.fsum(math.exp(v) for v in z))
        assert float(tree["evidence"]["log_evidence"][h]) == pytest.approx(want, abs=1e-12)


def test_a_candidate_that_is_infinite_elsewhere_is_refused():
    table = with_failing((0, 0, 0))
    table["x"][1, 2] = 0.0  # an option like any other
    with pytest.raises(rh.InputError, match=r"scene 1.*candidate 'odd' is inf; it must be a finite number"):
        rh.Proxy(table, chosen="odd", candidates=CANDIDATES | {"odd": "1 / x"})


def test_a_scene_that_offers_nothing_but_failing():
    """There every candidate fails, which is worth u_h and tells nothing."""
    table = with_failing((0, 0, 0))
    alone = {name: np.vstack([rows, rows[:1]]) for name, rows in table.items()}
    alone["available"] = np.ones((4, 4), bool)
    alone["available"][3, 1:] = False
    found = [
        rh.fit(HYPOTHESES, rh.Uniform("a test"), [rh.Proxy(t, chosen="x", candidates=CANDIDATES)], fail_utility=-3.0)
        for t in (table, alone)
    ]
    first, second = (tree["evidence"]["log_evidence"].values for tree in found)
    np.testing.assert_allclose(first, second, atol=1e-9)
