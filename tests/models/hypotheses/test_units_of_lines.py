"""One failure line for rewards in different units: it is warned of, and may be stated in standard deviations."""

import json
import math
import warnings

import numpy as np
import pytest
import studies

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.weights.failure_line_units import reward_spreads

rng = np.random.default_rng(7)
SCENES = 40
TRAIN = {name: rng.normal(size=(SCENES, 2)).round(3) for name in ("x", "y")}
TRAIN["chosen"] = TRAIN["x"] == TRAIN["x"].max(axis=1, keepdims=True)
TEST = {name: rng.normal(size=(SCENES, 3)).round(3) for name in ("x", "y")}
PRIOR = rh.Elicited({"a": 1, "b": 1}, source="a test")


def risk(hypotheses, line, **options):
    tree = rh.fit(hypotheses, PRIOR, [rh.Choices(TRAIN, "chosen", rationality=0.3)], line, random_seed=1)
    return float(rh.catastrophe_risk(tree, TEST, agent=rh.Uniform(), **options)["mean"])


def test_spreads_are_those_of_the_rows_that_are_used():
    """Each row as often as its count says, failing options left out, tables of several feedbacks once."""
    counted = {"x": [1.0, 4.0, 9.0], "y": [0.1 + 0.2, 0.3, 0.3], "ok": [1, 0, 1], "n": [1, 2, 3]}
    failing = {
        "x": np.array([[1.0, 5.0], [2.0, 7.0]]),
        "y": np.array([[0.3, 0.3], [0.3, 9.0]]),
        "is_failing": np.array([[0, 0], [0, 1]]),
        "chosen": np.array([[1, 0], [1, 0]]),
    }
    table = as_table(counted)
    feedback = [
        rh.Labels(table, "ok", noise=0.1, count="n"),
        rh.Rewards(table, "x", sigma2=(1, 1), count="n"),
        rh.Choices(failing, "chosen"),
    ]
    found = reward_spreads(hypotheses_of({"x": "x", "twice": "2 * x", "y": "y"}), feedback)
    expanded = np.array([1, 4, 4, 9, 9, 9, 1, 5, 2], float)
    assert found == pytest.approx([expanded.std(), 2 * expanded.std(), 0.0], rel=1e-11)
    assert found[2] == 0  # the same in every row, up to rounding


@pytest.mark.parametrize(("prior", "mean_square"), [("sphere", 1 / 2), ({"normal": 3.0}, 9.0)])
def test_the_spread_of_a_family_is_the_root_mean_square_over_its_prior(prior, mean_square):
    family = rh.Linear(["x", "x + y"], prior=prior, source="a test", unit={"x": 5})
    feedback = [rh.Choices(TRAIN, "chosen")]
    columns = np.array([TRAIN["x"].ravel() / 5, (TRAIN["x"] + TRAIN["y"]).ravel()])
    columns[1] /= columns[1].std()
    found = reward_spreads(hypotheses_of({"family": family}), feedback)[0]
    assert found == pytest.approx(math.sqrt(mean_square * (columns.var(axis=1)).sum()), rel=1e-11)
    weights = family.prior_draws(20_000, np.random.default_rng(1))
    variances = (weights @ np.cov(columns, bias=True) * weights).sum(axis=1)
    assert abs(variances.mean() - found**2) < 5 * variances.std() / math.sqrt(len(variances))


@pytest.mark.parametrize("k", [1.0, math.sqrt(2), 1000.0, 1e-6])
def test_a_line_in_standard_deviations_is_the_same_in_every_unit(k):
    hypotheses = {"a": f"x / {k!r}", "b": "y"}
    stated = risk(hypotheses, rh.InSd(-0.5))
    assert stated == pytest.approx(risk({"a": "x", "b": "y"}, rh.InSd(-0.5)), abs=1e-12)
    sd = {name: TRAIN[column].std() for name, column in (("a", "x"), ("b", "y"))}
    by_hand = {"a": float(f"{-0.5 * sd['a'] / k:.11g}"), "b": float(f"{-0.5 * sd['b']:.11g}")}
    assert stated == pytest.approx(risk(hypotheses, by_hand), abs=1e-12)
    assert stated == pytest.approx(risk(hypotheses, {"a": rh.InSd(-0.5), "b": by_hand["b"]}), abs=1e-12)


def test_one_number_is_warned_of_where_spreads_differ_by_more_than_a_fifth():
    ratio = float(TRAIN["y"].std() / TRAIN["x"].std())

    def said(times, line):
        hypotheses = {"a": f"x * {times * ratio!r}", "b": "y"}
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            rh.fit(hypotheses, PRIOR, [rh.Choices(TRAIN, "chosen")], line, random_seed=1)
        return [str(one.message) for one in seen]

    assert said(1.19, -1) == [] and said(1 / 1.19, -1) == []
    for times in (1.21, 1 / 1.21):
        (sentence,) = said(times, -1)
        assert "1.21 times" in sentence and "'a'" in sentence and "fail_utility_sd" in sentence
    assert said(100, 0) == []  # 0 is the same in every unit
    assert said(100, {"a": -1, "b": -2}) == [] and said(100, rh.InSd(-1)) == []
    assert said(100, {"a": -1, "b": -1}) == []  # a line for each hypothesis, as the warning advises


def test_what_cannot_be_in_standard_deviations():
    with pytest.raises(InputError, match="'b'.*the same for every training item"):
        risk({"a": "x", "b": "0 * y + 3"}, rh.InSd(-1))
    for wrong in (math.nan, math.inf, "1", None, True):
        with pytest.raises(InputError, match="finite number of standard deviations"):
            rh.InSd(wrong)
    with pytest.raises(InputError, match="only fit"):
        risk({"a": "x", "b": "y"}, 0, agent_fail_utility=rh.InSd(-1))


def test_a_hypothesis_that_is_unmodelled_needs_no_line():
    table = {"x": [1.0, -1.0, 2.0], "ok": [1, 0, 1]}
    hypotheses = {"x": "x", "-x": "-x", "other": rh.Unmodelled(1.0, source="a test")}
    found = [
        rh.fit(hypotheses, rh.Uniform("a test"), [rh.Labels(table, "ok", noise=0.1)], line, random_seed=1)
        for line in (rh.InSd(-0.1), {"x": rh.InSd(-0.1), "-x": rh.InSd(-0.1)})
    ]
    assert found[0]["evidence"].to_dataset().identical(found[1]["evidence"].to_dataset())


def run(folder, **catastrophe):
    document = studies.small(catastrophe=catastrophe)
    document["hypotheses"] = {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 30, -30)"}
    return rh.run(studies.write(folder, document, training=studies.TRAINING, test=studies.TEST))


def test_studies_state_lines_in_standard_deviations(tmp_path):
    found = run(tmp_path, fail_utility_sd=-0.5)
    assert found["fail_utility"] == {"red paint": -50.0, "flags": -15.0}
    assert found["reward_sd"] == {"red paint": 100.0, "flags": 30.0}
    assert not any("rewards vary" in warning for warning in found["warnings"])
    by_name = run(tmp_path, fail_utility_sd={"red paint": -0.5, "flags": -0.5})
    assert by_name["risk"] == found["risk"]
    assert by_name["risk"] == run(tmp_path, fail_utility={"red paint": -50, "flags": -15})["risk"]
    warned = [w for w in run(tmp_path, fail_utility=-20)["warnings"] if "rewards vary" in w]
    assert len(warned) == 1 and "3.33 times" in warned[0]


def test_a_tie_at_the_line_is_a_tie(tmp_path):
    """Where the line is one standard deviation below 0 it meets the reward, which is then no catastrophe."""
    assert run(tmp_path, fail_utility_sd=-1)["risk"]["mean"] == 0.0
    assert run(tmp_path, fail_utility_sd=-0.999999)["risk"]["mean"] == 0.5


def test_an_agent_may_be_told_a_line_in_standard_deviations(tmp_path):
    document = studies.small(agent={"policy": {"name": "commit", "abstain": True}, "fail_utility_sd": 2})
    found = rh.run(studies.write(tmp_path, document, training=studies.TRAINING, test=studies.TEST))
    assert found["agent"]["fail_utility"] == {"red paint": 200.0, "flags": 200.0}
    assert found["risk"]["abstained"] == 1.0


@pytest.mark.parametrize(
    ("catastrophe", "words"),
    [
        ({"fail_utility": 0, "fail_utility_sd": -1}, "beside fail_utility"),
        ({"fail_utility_sd": "-1"}, "fail_utility_sd: '-1'"),
        ({"fail_utility_sd": {"red paint": "x", "flags": 1}}, "fail_utility_sd: 'red paint': 'x'"),
        ({"fail_utility_sd": {"red paint": -1}}, "'flags' has no value"),
        ({"fail_utility_sd": {"red paint": -1, "flag": -1}}, "did you mean 'flags'"),
        ({}, "fail_utility: missing"),
    ],
)
def test_what_is_wrong_with_such_a_line_is_said(tmp_path, catastrophe, words):
    with pytest.raises(InputError) as error:
        run(tmp_path, **catastrophe)
    assert words in str(error.value)
    assert len(error.value.problems) == 1


def test_studies_with_such_lines_are_compared(tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    first, second = (
        studies.write(
            folder, studies.small(catastrophe={"fail_utility_sd": sd}), training=studies.TRAINING, test=studies.TEST
        )
        for folder, sd in zip(folders, (-0.5, -1), strict=True)
    )
    found = json.loads(studies.shell("compare", first, second, "--json").stdout)
    assert [change["part"] for change in found["changes"]] == ["failure line"]
    assert found["changes"][0]["before"] == -0.5 and found["changes"][0]["after"] == -1
