"""Reward expressions against an evaluator written apart, in fractions."""

import random
from fractions import Fraction

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.data.expressions.syntax import ExpressionError

COLUMNS = {
    "red": np.array([True, False, True, False]),
    "flat land": np.array([True, True, False, False]),
    "slope": np.array([0.0, 1.0, 2.5, -3.0]),
    "depth": np.array([4.0, 0.5, 1.0, 2.0]),
}


def value(text):
    expression = parse(text)
    expression.check(lambda name: COLUMNS[name].dtype == bool)
    return np.broadcast_to(expression.evaluate(lambda name: COLUMNS[name]), (4,))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("red", [1, 0, 1, 0]),
        ("red + red", [2, 0, 2, 0]),
        ("-red", [-1, 0, -1, 0]),
        ("2 ** 3 ** 2", [512] * 4),
        ("-2 ** 2", [-4] * 4),
        ("2 ** -1", [0.5] * 4),
        ("1 - 2 - 3", [-4] * 4),
        ("8 / 4 / 2", [1] * 4),
        ("1 + 2 * 3", [7] * 4),
        ("not red and `flat land`", [0, 1, 0, 0]),
        ("~red | `flat land`", [1, 1, 0, 1]),
        ("red or not red and red", [1, 0, 1, 0]),
        ("(slope > 0) & (depth < 3)", [0, 1, 1, 0]),
        ("slope > 0 and depth < 3", [0, 1, 1, 0]),
        ("where(red, where(slope > 1, 1, 2), 3)", [2, 3, 1, 3]),
        ("where(red, `flat land`, red)", [1, 0, 0, 0]),
        ("min(slope, depth, 1)", [0, 0.5, 1, -3]),
        ("max(slope, 0.25)", [0.25, 1, 2.5, 0.25]),
        ("clip(slope, -1, 1)", [0, 1, 1, -1]),
        ("abs(slope)", [0, 1, 2.5, 3]),
        ("sqrt(depth) ** 2 * 2", [8, 1, 2, 4]),
        ("log(exp(depth))", [4, 0.5, 1, 2]),
        ("red == `flat land`", [1, 0, 0, 1]),
        ("slope != 1", [1, 0, 1, 1]),
        ("1e2 + .5 + 1.", [101.5] * 4),
        ("where(depth > 1, log(depth - 1), 0)", [np.log(3), 0, 0, 0]),
    ],
)
def test_value(text, want):
    np.testing.assert_allclose(value(text), want, rtol=1e-15)


def test_what_is_undefined_stays_undefined():
    assert np.isnan(value("where(log(slope) > 0, 1, -1)")[3])
    assert np.isnan(value("(log(slope) > 0) | red")[3])
    assert not np.isnan(value("where(slope > 0, where(log(slope) > 0, 1, 2), 3)")).any()


NUMBERS = st.sampled_from(["slope", "depth", "1", "2.5", "0", "3"])


def numbers(below):
    return st.one_of(
        st.tuples(below[0], st.sampled_from("+-*"), below[0]).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        below[0].map(lambda t: f"-{t}"),
        st.tuples(below[1], below[0], below[0]).map(lambda t: f"where({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(st.sampled_from(["min", "max"]), below[0], below[0]).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        below[0].map(lambda t: f"abs({t})"),
    )


def truths(below):
    return st.one_of(
        st.tuples(below[0], st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), below[0]).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(below[1], st.sampled_from(["&", "|", "and", "or"]), below[1]).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        below[1].map(lambda t: f"~{t}"),
    )


def levels(depth):
    pair = (NUMBERS, st.sampled_from(["red", "`flat land`"]))
    for _ in range(depth):
        pair = (st.one_of(pair[0], numbers(pair)), st.one_of(pair[1], truths(pair)))
    return pair


@settings(max_examples=300, deadline=None, derandomize=True)
@given(levels(4)[0])
def test_against_fractions(text):
    got = value(text)
    for i in range(4):
        row = {k: bool(v[i]) if v.dtype == bool else Fraction(float(v[i])) for k, v in COLUMNS.items()}
        want = float(oracles.evaluate_expression(text, row))
        assert got[i] == pytest.approx(want, rel=1e-12, abs=1e-12)


ALPHABET = "abslope 0123.+-*/<>=&|~(),`'\"[]{}eE_@#$%^!?:;\\\n\té漢"


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.text(alphabet=ALPHABET, max_size=40))
def test_anything_parses_or_is_refused_at_a_position(text):
    try:
        parse(text)
    except ExpressionError as error:
        assert 0 <= error.position <= len(text)
        assert "at position" in str(error)


def test_limits():
    with pytest.raises(InputError, match="longer than"):
        parse("1" * 10_001)
    for text in ("(" * 4000 + "1" + ")" * 4000, "-" * 9000 + "1", "not " * 2000 + "red", "2**" * 3000 + "1"):
        with pytest.raises(InputError, match="nested deeper"):
            parse(text)
    assert value("+".join(["1"] * 4000))[0] == 4000


def test_long_expressions_are_quick():
    text = " + ".join(f"where(slope > {i}, {i}, -{i})" for i in range(300))
    assert len(parse(text).program) == 300 * 6 + 299


def test_random_studies_expressions():
    rng = random.Random(5)
    for _ in range(50):
        study = oracles.random_study(rng)
        for text, function in study["hypotheses"]:
            columns = {k: np.array([row[k] for row in study["training"]]) for k in study["training"][0]}
            columns = {k: v if v.dtype == bool else v.astype(float) for k, v in columns.items()}
            got = np.broadcast_to(parse(text).evaluate(columns.__getitem__), len(study["training"]))
            np.testing.assert_allclose(got, [float(function(row)) for row in study["training"]], rtol=1e-13)
