"""Silence on a declared support, and tables of every combination: against enumeration."""

import itertools

import numpy as np
import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.evidence import evidence

LABELS = {"red_paint": [1, 0], "flags": [1, 0], "slope": [0.5, 2.5], "is_pad": [1, 0]}
H = {
    "red": "where(red_paint, 1, -1)",
    "flags": "where(flags, 2, -3)",
    "level": "1 - slope",
    "both": "where(red_paint & slope < 1, 1, -1)".replace("& slope < 1", "& (slope < 1)"),
}


def test_combinations_are_every_one_in_order():
    found = rh.combinations({"a": [False, True], "b": [3, 1, 2], "c": [0.5]})
    rows = list(zip(*(found[name].values.tolist() for name in "abc"), strict=True))
    assert rows == list(itertools.product([False, True], [3, 1, 2], [0.5]))
    assert found["a"].dtype == bool and found["b"].dtype == np.int64
    kept = rh.combinations({"a": [False, True], "b": [0, 1, 2]}, where="(b > 0) == a")
    want = [(a, b) for a, b in itertools.product([False, True], [0, 1, 2]) if (b > 0) == a]
    assert list(zip(kept["a"].values.tolist(), kept["b"].values.tolist(), strict=True)) == want


@pytest.mark.parametrize(
    ("features", "where", "message"),
    [
        ({}, None, "give the values of each feature"),
        ([1], None, "give the values of each feature"),
        ({"a": []}, None, "a: .*give a list of the values"),
        ({"a": "xy"}, None, "a: 'xy'; give a list of the values"),
        ({"a": [True, 2]}, None, "a: True; give finite numbers, or true and false alone"),
        ({"a": [1, float("inf")]}, None, "a: inf; give finite numbers"),
        ({"a": [1, 1]}, None, "has a value twice"),
        ({"scene": [1]}, None, "'scene' is no name of a feature"),
        ({"a": list(range(1001)), "b": list(range(1000))}, None, "1,001,000 of them"),
        ({"a": [1, 2]}, "a +", "combinations: where: at position"),
        ({"a": [1, 2]}, "a + 1", "gives numbers; it must be true or false"),
        ({"a": [1, 2]}, "a > 5", "holds for none of the 2 combinations"),
        ({"a": [1, 2]}, "b > 5", "names 'b', of which no values are given"),
        ({"a": [1, 2]}, "a & (a > 1)", "takes true or false"),
        ({"a": [1, 2]}, 3, "an expression is text"),
    ],
)
def test_what_combinations_refuses(features, where, message):
    with pytest.raises(rh.InputError, match=message):
        rh.combinations(features, where)


def test_labels_are_silent_where_no_item_of_the_support_parts_them():
    feedback = [rh.Labels(LABELS, "is_pad", noise=0.1)]
    assert rh.silent_pairs(H, feedback, 0) == list(itertools.combinations(H, 2))
    values = {"red_paint": [False, True], "flags": [False, True], "slope": [0, 0.5, 2, 3]}
    for where in ("red_paint == flags", "(red_paint == flags) & (red_paint == (slope < 1))", "slope < 1", None):
        items = rh.combinations(values, where)
        columns = {name: items[name].values for name in values}
        better = {
            "red": columns["red_paint"],
            "flags": columns["flags"],
            "level": columns["slope"] < 1,
            "both": columns["red_paint"] & (columns["slope"] < 1),
        }
        want = [(a, b) for a, b in itertools.combinations(H, 2) if (better[a] == better[b]).all()]
        assert rh.silent_pairs(H, feedback, 0, support=items) == want


def test_choices_are_silent_where_rewards_are_one_line_on_the_support():
    table = {"scene": [0, 0], "option": [0, 1], "x": [0.0, 1.0], "y": [1.0, 0.0], "took": [0, 1]}
    hypotheses = {"x": "x", "less": "3 * x - 2", "not y": "-y", "square": "x * x"}
    for kind in (rh.Choices(table, "took"), rh.Rankings({**table, "took": [2, 1]}, "took")):
        assert len(rh.silent_pairs(hypotheses, [kind], 0)) == 6
        items = rh.combinations({"x": [0, 1, 2], "y": [0, 1]}, "x + y == 1")
        assert len(rh.silent_pairs(hypotheses, [kind], 0, support=items)) == 6
        items = rh.combinations({"x": [0, 1, 2], "y": [0, 1]})
        assert rh.silent_pairs(hypotheses, [kind], 0, support=items) == [("x", "less")]
        scenes = {"scene": [0, 0, 1, 1], "option": [0, 1, 0, 1], "x": [0, 1, 2, 2], "y": [1, 0, 0, 1]}
        assert rh.silent_pairs(hypotheses, [kind], 0, support=scenes) == [
            ("x", "less"),
            ("x", "square"),
            ("less", "square"),
        ]


def test_stops_and_rewards_have_silences_of_their_own():
    table = {"x": [1.0, 3.0], "stopped": [0, 1]}
    hypotheses = {"x": "x", "twice": "2 * x", "more": "x + 1"}
    items = rh.combinations({"x": [1, 2, 3]})
    assert rh.silent_pairs(hypotheses, [rh.Stops(table, "stopped")], 0, support=items) == [("x", "twice")]
    rewards = [rh.Rewards(table | {"x": [1.0, 1.0]}, "stopped", sigma2=(2, 2))]
    same = {"x": "x", "power": "x ** 3"}
    assert rh.silent_pairs(same, rewards, 0) == [("x", "power")]
    assert rh.silent_pairs(same, rewards, 0, support=items) == []
    with pytest.raises(rh.InputError, match="no column 'x'"):
        rh.silent_pairs(same, rewards, 0, support={"y": [1.0]})


def test_families_are_in_no_pair_and_a_proxy_stays_as_it_is():
    hypotheses = H | {"mix": rh.Linear(["slope"], source="a test")}
    table = LABELS | {"scene": [0, 0], "option": [0, 1]}
    feedback = [
        rh.Choices(table, "is_pad"),
        rh.Proxy(table, chosen="red", candidates={"red": "red_paint", "level": "-slope", "steep": "slope"}),
    ]
    support = rh.combinations(
        {"red_paint": [False, True], "flags": [False, True], "slope": [0.5, 2.5]}, "red_paint == flags"
    )
    assert rh.silent_pairs(hypotheses, feedback, 0, support=support) == [("red", "flags")]


def declared(**analysis):
    tables = {
        "training": "training.csv",
        "test": "test.csv",
        "possible": {
            "combinations": {"red_paint": [False, True], "flags": [False, True], "slope": [0.5, 1.5, 2.5]},
            "where": "red_paint == flags",
        },
    }
    return small(
        tables=tables,
        hypotheses=small()["hypotheses"] | {"level": "1 - slope"},
        values={"weights": {"flags": 8, "red paint": 1, "level": 1}, "source": "a test"},
        analysis={"support": "possible"} | analysis,
    )


def test_a_study_declares_its_support(tmp_path):
    found = rh.run(write(tmp_path, declared(), training=TRAINING, test=TEST))
    assert len(found["silent_pairs"]) == 3
    assert found["support"] == {
        "table": "possible",
        "items": 6,
        "silent_pairs": [["red paint", "flags"]],
        "told_apart": [
            {
                "pair": [name, "level"],
                "feedback": "labels",
                "item": {"red_paint": "0", "flags": "0", "slope": "0.5"},
            }
            for name in ("red paint", "flags")
        ],
        "held": [],
    }
    assert found["tables"]["possible"]["origin"]["where"] == "red_paint == flags" and found["data_sha256"]["possible"]
    said = " ".join(evidence(found))
    assert "No item of the declared support ('possible', 6 items) distinguishes 'red paint' and 'flags'" in said
    assert said.count("`slope = 0.5` would distinguish") == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"analysis": {"support": "posible"}}, "[analysis] support: 'posible' is no table; did you mean 'possible'"),
        ({"analysis": {"support": 3}}, "[analysis] support: 3"),
        ({"tables": {"possible": {"combinations": 3}}}, "[tables] possible: combinations: 3; give the values"),
        (
            {
                "tables": {
                    "possible": {"combinations": {"red_paint": [1], "flags": [0, 1], "slope": [1]}, "wher": "flags"}
                }
            },
            "wher: unknown key; did you mean 'where'",
        ),
        ({"tables": {"possible": {"combinations": {"flags": [0, 1], "slope": [1]}}}}, "no column 'red_paint'"),
        ({"tables": {"possible": {"combinations": {"flags": [0, 1]}, "where": "flags > 2"}}}, "holds for none"),
    ],
)
def test_what_a_study_refuses(tmp_path, change, message):
    study = declared()
    study["tables"] |= change.get("tables", {})
    study |= {key: value for key, value in change.items() if key != "tables"}
    with pytest.raises(rh.InputError) as error:
        rh.check(write(tmp_path, study, training=TRAINING, test=TEST))
    assert len(error.value.problems) == 1 and message in error.value.problems[0], error.value.problems
