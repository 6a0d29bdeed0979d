"""What `Linear` refuses of signs, means and ratios, and how a study file and a report hold them."""

import pytest

import reward_hypotheses as rh
from reward_hypotheses.models.hypotheses.linear import linear_of

BOTH = {"time": "-", "price": "-"}
TWO = {"quantiles": {0.1: 5, 0.9: 40}}


def stated(prior=None, **more):
    return rh.Linear(["time", "price", "a / b"], prior=prior or {"normal": 1}, source="a test", **more)


REFUSED = [
    ({"sign": {"tme": "+"}}, "sign: 'tme' is no feature; did you mean 'time'"),
    ({"sign": {"time": 1}}, 'sign: \'time\': 1; give "\\+" or "-"'),
    ({"sign": "+"}, "sign: '\\+'; give one by feature"),
    ({"sign": {"time": {"value": "+", "who": "Ann"}}}, "sign: 'time': 'who' is unknown here"),
    ({"sign": {"time": {"source": "Ann"}}}, "sign: 'time': it has no value"),
    ({"sign": {"time": {"value": "+", "source": " "}}}, "sign: 'time': source: .* say in words"),
    ({"mean": {"time": "much"}}, "mean: 'time': 'much'; give the prior mean"),
    ({"mean": {"time": 0.1}, "prior": "sphere"}, "mean: on the sphere a weight has no mean"),
    ({"mean": {"time": -9.0}, "sign": {"time": "+"}}, "mean: 'time': -9.0; it is more than 8 standard deviations"),
    ({"ratio": {"time / price": TWO}}, "the sign of 'time' is not stated"),
    ({"ratio": {"time / price": TWO}, "sign": BOTH, "prior": "sphere"}, "ratio: on the sphere the prior is uniform"),
    ({"ratio": {"time price": TWO}, "sign": BOTH}, "ratio: 'time price': no pair of features"),
    ({"ratio": {"time / price": 3}, "sign": BOTH}, "ratio: 'time / price': 3; give its quantiles"),
    ({"ratio": {"time / price": {"quantiles": {0.5: 3}}}, "sign": BOTH}, "give at least two"),
    ({"ratio": {"time / price": {"quantiles": {0.1: 5, 0.9: 4}}}, "sign": BOTH}, "4 at 0.9 after 5 at 0.1"),
    ({"ratio": {"time / price": {"quantiles": {0.1: -5, 0.9: 4}}}, "sign": BOTH}, "-5 at 0.1; give a positive ratio"),
    ({"ratio": {"time / price": {"quantiles": {"10%": 1, 0.9: 4}}}, "sign": BOTH}, "'10%' is no probability"),
    ({"ratio": {"time / price": {"quantiles": {"0.9": 1, 0.9: 4}}}, "sign": BOTH}, "0.9 stands twice"),
    ({"ratio": {"time / price": TWO, "price / time": TWO}, "sign": BOTH}, "each follows from another in a circle"),
    ({"ratio": {"time / price": TWO}, "sign": BOTH, "mean": {"time": -1}}, "'time' has a mean too"),
    (
        {"ratio": {"time / price": TWO, "time / a / b": TWO}, "sign": BOTH | {"a / b": "+"}},
        "'time' is the numerator of two ratios",
    ),
]


@pytest.mark.parametrize(("more", "message"), REFUSED)
def test_what_is_refused(more, message):
    with pytest.raises(rh.InputError, match=message):
        stated(**more)


def test_a_study_file_holds_every_statement_with_its_source():
    written = {
        "linear": ["time", "price"],
        "prior": {"normal": 1.0},
        "source": "a test",
        "sign": {"time": {"value": "-", "source": "Ann"}, "price": "-"},
        "mean": {"price": {"value": -0.5, "source": "Bob"}},
        "ratio": {"time / price": {"quantiles": {"0.1": 5.0, "0.9": 40.0}, "source": "Cleo"}},
    }
    linear = linear_of(written)
    assert linear.written() == written and linear_of(linear.written()) == linear
    with_units = linear.in_units({"time": 2.0})
    assert with_units.written() == written | {"unit": {"time": 2.0}}
    for words in ("weight of time negative (Ann)", "price -0.5 (Bob)", "5 at 0.1, 40 at 0.9 (fitted 5, 40) (Cleo)"):
        assert words in linear.text


def test_a_ratio_can_rest_on_a_ratio():
    signs = {"time": "-", "price": "-", "a / b": "-"}
    linear = stated(sign=signs, ratio={"time / price": TWO, "price / a / b": TWO})
    assert [(r.numerator, r.denominator) for r in linear.ratios] == [(1, 2), (0, 1)]
