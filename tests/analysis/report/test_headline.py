"""Headline numbers of a paper: rounded by what they rest on, against rational arithmetic of its own."""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reports import table_files

from reward_hypotheses.analysis.report.tables.headline_numbers import Uncertainty, quantities
from reward_hypotheses.analysis.report.tables.rounding import rounded, shown

KEPT = sorted((Path(__file__).resolve().parents[2] / "golden" / "kept").glob("*/results.json"))
settled = settings(max_examples=300, deadline=None, derandomize=True)


def unit_of(u):
    """The power of ten of which u holds at least 3.545 and less than 35.45, by counting up and down."""
    unit = Fraction(1)
    while u < Fraction(3545, 1000) * unit:
        unit /= 10
    while u >= Fraction(3545, 100) * unit:
        unit *= 10
    return unit


def unit_of_exact(value):
    """The power of ten that leaves an exact number three digits."""
    unit, value = Fraction(1), abs(Fraction(value))
    while value and value < Fraction(9995, 100) * unit:
        unit /= 10
    while value >= Fraction(9995, 10) * unit:
        unit *= 10
    return unit


def near_a_tie(u):
    """Whether the third digit of an uncertainty decides, which is rounded before it is compared."""
    return abs(Fraction(u) / unit_of(Fraction(u)) - Fraction(3545, 1000)) < Fraction(1, 1000)


@settled
@given(st.floats(min_value=-1e6, max_value=1e6), st.floats(min_value=1e-6, max_value=1e6))
@example(0.7333333333333334, 0.0801)
@example(14.0, 3.54)
@example(14.0, 3.56)
@example(14.0, 0.999)
def test_a_number_ends_where_its_uncertainty_has_one_or_two_digits(value, u):
    if u <= 1e-6 * abs(value) or near_a_tie(u):
        return
    text = Fraction(rounded(value, None, u))
    unit = max(unit_of(Fraction(u)), unit_of_exact(value))
    assert (text / unit).denominator == 1
    assert abs(text - Fraction(value)) <= unit / 2
    finer = Fraction(rounded(value, u / 1e4, u))  # of a small Monte Carlo error
    assert (finer / unit_of(Fraction(u))).denominator == 1


@settled
@given(st.floats(min_value=1e-6, max_value=1), st.floats(min_value=1e-9, max_value=0.5))
def test_a_share_in_percent_is_no_finer_than_its_uncertainty(x, u):
    text = shown(x, "share", None, None, u).rstrip("%")
    unit = min(max(unit_of(100 * Fraction(u)), Fraction(1, 10)), Fraction(1))
    if text[0] in "<>":
        edge = Fraction(text[1:])
        assert 100 * Fraction(x) < edge if text[0] == "<" else edge < 100 * Fraction(x) < 100
    elif not near_a_tie(100 * u):
        assert (Fraction(text) / unit).denominator == 1
        assert abs(Fraction(text) - 100 * Fraction(x)) <= unit * Fraction(501, 1000)


@pytest.mark.parametrize(
    ("value", "u", "want"),
    [
        (0.7333333333333334, 0.0801, "73%"),
        (0.19753, 0.1039, "20%"),
        (0.14036, 0.0194, "14.0%"),
        (0.888, 1 / 20**0.5, "89%"),
        (0.888, 1 / 1000**0.5, "88.8%"),
        (0.888, 0.5, "89%"),
        (0.001, 0.2, "<1%"),
        (0.9999, 0.2, ">99%"),
        (0.9999998, 2e-7, ">99.9%"),
        (0.45, None, "45.0%"),
        (0.0, 0.1, "0%"),
        (1.0, 0.1, "100%"),
    ],
)
def test_shares_by_what_they_rest_on(value, u, want):
    assert shown(value, "share", None, None, u) == want


@pytest.mark.parametrize("path", KEPT, ids=[path.parent.name for path in KEPT])
def test_macros_of_kept_studies(path):
    """Each number of `numbers.tex` against its own uncertainty, worked out here from the document."""
    document = json.loads(path.read_text(encoding="utf-8"))
    text = table_files(document)["tables/numbers.tex"].decode()
    assert "rounded to the uncertainty of what it rests on" in text.replace("\n% ", " ")
    risk, found = document["risk"], {one.macro: one for one in quantities(document)}
    low, high = risk["intervals"]["all"]
    half = max(high - low, 0 if risk["lower"] is None else risk["upper"] - risk["lower"]) / 2
    strength = document["values"]["strength"]
    expected = dict.fromkeys(["RHrisk", "RHriskLower", "RHlimit", "RHfloor", "RHriskUniform", "RHriskValues"], half)
    expected |= {
        name: strength and strength**-0.5 for name in found if name.startswith(("RHweight", "RHprior", "RHbits"))
    }
    for name, u in expected.items():
        if u is not None and half > 1e-9:
            assert found[name].uncertainty == pytest.approx(u, rel=1e-12), name
        elif u is None:
            assert found[name].uncertainty is None
        number = re.fullmatch(r"[<>]?([\d.]+)%", found[name].text)
        if number and found[name].value not in (0, None) and u and half > 1e-3:
            unit = min(max(unit_of(100 * Fraction(u)), Fraction(1, 10**9)), Fraction(1))
            coarse = unit if unit >= Fraction(1, 10) or document["mcse"] else Fraction(1, 10)
            assert (Fraction(number[1]) / coarse).denominator == 1, (name, found[name].text)
    for name in ("RHprob", "RHnScenes", "RHseed"):
        assert found[name].uncertainty is None


def test_uncertainty_of_values_by_judges_and_judgements():
    """A pool's variance is that of a weighted mean; without one strength nothing is known."""
    base = {"risk": None}
    judges = [{"strength": 20, "weight": 3}, {"strength": 5, "weight": 1}]
    pooled = Uncertainty(base | {"values": {"judges": judges}}).values
    assert pooled == pytest.approx(((3 / 4) ** 2 / 20 + (1 / 4) ** 2 / 5) ** 0.5)
    assert Uncertainty(base | {"values": {"judges": [*judges, {"weight": 1}]}}).values is None
    assert Uncertainty(base | {"values": {"judgements": {"answers": [{}] * 16}}}).values == pytest.approx(0.25)
    assert Uncertainty(base | {"values": {"strength": 1}}).values == 0.5
    assert Uncertainty(base | {"values": {"prior": "uniform"}}).values is None


def test_a_risk_without_an_interval_rests_on_the_scenes():
    document = json.loads(KEPT[0].read_text(encoding="utf-8"))
    risk = document["risk"] | {"lower": None, "upper": None, "intervals": None, "mean": 0.5, "equal_scenes": 25.0}
    assert Uncertainty(document | {"risk": risk}).risk == pytest.approx(0.1)
    flat = risk | {"intervals": {"all": [0.5, 0.5]}}
    assert Uncertainty(document | {"risk": flat}).risk == pytest.approx(0.1)
