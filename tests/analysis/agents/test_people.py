"""The risk by each rater's reward: against sums written apart, through files and in a study."""

import json

import numpy as np
import pytest
import xarray as xr
from studies import csv_text

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main

RULES = {"up": "x", "down": "-x"}
EVEN = rh.Elicited({"up": 1, "down": 1}, "an example")


def comparisons(raters=6, each=40, seed=1, features=1):
    """Return comparisons of raters, of whom every third wants the opposite of the others."""
    rng = np.random.default_rng(seed)
    n = raters * each
    who = np.repeat(np.arange(raters), each)
    x = rng.normal(size=(n, 2, features)).round(2)
    worth = 3 * x.sum(axis=-1) * np.where(who % 3, 1, -1)[:, None] + rng.gumbel(size=(n, 2))
    return {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "chosen": (worth == worth.max(axis=1, keepdims=True)).ravel(),
        "who": np.repeat([f"p{w}" for w in who], 2),
        "side": np.repeat(np.where(who % 3, "left", "right"), 2),
    } | {f"x{k}" if features > 1 else "x": x[..., k].ravel() for k in range(features)}


def scenes(n=40, seed=2, features=1):
    x = np.random.default_rng(seed).normal(size=(n * 3, features)).round(2)
    names = {f"x{k}" if features > 1 else "x": x[:, k] for k in range(features)}
    return {"scene": np.repeat(np.arange(n), 3), "option": np.tile(list("abc"), n)} | names


def rows(table):
    """Return a table as rows, with 0 and 1 for truth values."""
    columns = {key: np.asarray(values) for key, values in table.items()}
    columns = {key: of.astype(int) if of.dtype == bool else of for key, of in columns.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@pytest.fixture(scope="module")
def certain():
    """Raters whose rule is beyond doubt."""
    return rh.fit(RULES, EVEN, [rh.Choices(comparisons(), "chosen", rater="who", group="side")], -0.2)


def test_rules_of_raters_give_their_risk(certain):
    test, shared = scenes(), rh.fit(RULES, EVEN, [rh.Choices(comparisons(), "chosen")], -0.2)
    people = rh.people_risk(certain, test, agent=shared, worst_off=1 / 3)
    assert abs(certain["raters"]["rater_weight"].to_numpy()[:, 0] - [0, 1, 1, 0, 1, 1]).max() < 1e-12
    x = np.asarray(test["x"]).reshape(-1, 3)
    up = float(shared["evidence"]["weight"][0])
    picks = up * (x == x.max(axis=1, keepdims=True)) + (1 - up) * (x == x.min(axis=1, keepdims=True))
    harm = {rule: (picks * (sign * x < -0.2)).sum(axis=1) for rule, sign in (("up", 1), ("down", -1))}
    by_rater = [harm["down" if r % 3 == 0 else "up"].mean() for r in range(6)]
    np.testing.assert_allclose(people["by_rater"], by_rater, atol=1e-12)
    np.testing.assert_allclose(
        people["by_group"].sel(group=["left", "right"]), [harm["up"].mean(), harm["down"].mean()]
    )
    np.testing.assert_allclose(people["everyone"], np.mean(by_rater))
    np.testing.assert_allclose(people["worst_off"], max(by_rater))
    share = (2 * harm["up"] + harm["down"]) / 3
    np.testing.assert_allclose(people["by_scene"], share, atol=1e-12)
    np.testing.assert_allclose(people["harmed"], [(share >= q - 1e-12).mean() for q in people["share"].to_numpy()])
    assert (people["by_rater_lower"] <= people["by_rater"] + 1e-12).all()
    for judge, name in ((rh.with_judge(certain, rater="p0"), "down"), (rh.with_judge(certain, rater="p1"), "up")):
        np.testing.assert_allclose(rh.catastrophe_risk(judge, test, agent=shared)["mean"], harm[name].mean())
    of_group = rh.with_judge(certain, group="right")["evidence"]["weight"].to_numpy()
    np.testing.assert_allclose(of_group, certain["raters"]["share"].sel(group="right").mean("rater_draw"), rtol=1e-9)


def test_weights_of_raters_give_their_risk(tmp_path):
    hypotheses = {"any": rh.Linear(["x0", "x1"], prior={"normal": 2.0}, source="s")}
    feedback = rh.Choices(comparisons(features=2), "chosen", rater="who")
    tree, test = rh.fit(hypotheses, rh.Uniform("one"), [feedback], -0.2), scenes(features=2)
    policy = rh.Expected()
    people = rh.people_risk(tree, test, policy)
    x = np.stack([test["x0"], test["x1"]], axis=-1).reshape(-1, 3, 2)
    scale = tree["constant_data"]["reward_weight_scale"].to_numpy()
    # who judges does not matter to what the agent does: its picks are those of the rollout of any judge
    of_rater = {r: rh.catastrophe_risk(rh.with_judge(tree, rater=r), test, policy, agent=tree) for r in ("p0", "p1")}
    picks = None
    for r, risk in of_rater.items():
        w = tree["raters"]["reward_weight"].sel(rater=r).to_numpy() / scale
        worth = x @ w.T  # (scene, option, draw)
        low = (worth < -0.2).mean(axis=-1)
        if picks is None:
            mean = tree["posterior"]["reward_weight"].mean(["chain", "draw"]).to_numpy() / scale
            picks = (x @ mean).argmax(axis=1)
        sure = np.abs(np.sort(x @ mean, axis=1)[:, -1] - np.sort(x @ mean, axis=1)[:, -2]) > 0.05
        assert sure.mean() > 0.6
        expected = low[np.arange(len(picks)), picks].mean()
        left = (~sure).mean()
        assert abs(float(people["by_rater"].sel(rater=r)) - expected) <= left + 0.02
        assert abs(float(risk["mean"]) - expected) <= left + 0.02
    tree.to_netcdf(tmp_path / "tree.nc")
    with xr.open_datatree(tmp_path / "tree.nc") as read:
        again = rh.people_risk(read.load(), test, policy)
    np.testing.assert_array_equal(again["by_rater"], people["by_rater"])


def written(folder, table):
    (folder / "train.csv").write_text(csv_text(rows(table)))
    (folder / "test.csv").write_text(csv_text(rows(scenes())))


STUDY = """
title = "Two camps"
[tables]
train = "train.csv"
test = "test.csv"
[hypotheses]
up = "x"
down = "-x"
[values]
weights = { up = 1, down = 1 }
source = "an example"
[catastrophe]
fail_utility = -0.2
[[feedback]]
kind = "choices"
table = "train"
column = "chosen"
"""


def test_a_study_shows_raters_by_pseudonym(tmp_path, capsys):
    written(tmp_path, comparisons())
    (tmp_path / "plain.toml").write_text(STUDY)
    plain = rh.run(tmp_path / "plain.toml")
    assert plain["people"] is None
    assert any("add rater = 'side' to the feedback" in words for words in plain["misfit"])
    named = STUDY + 'rater = "who"\ngroup = "side"\n'
    (tmp_path / "study.toml").write_text(named)
    assert main(["run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["misfit"] == []
    assert {row["rater"] for row in results["people"]["by_rater"]} == {f"rater {k}" for k in range(1, 7)}
    assert results["people"]["by_group"]["right"]["mean"] > results["people"]["by_group"]["left"]["mean"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "People who differ" in page
    assert "p0" not in (tmp_path / "out" / "tables" / "risk_by_rater.csv").read_text()
    (tmp_path / "study.toml").write_text(named + "[analysis]\nshow_raters = true\n")
    shown = rh.run(tmp_path / "study.toml")
    assert {row["rater"] for row in shown["people"]["by_rater"]} == {f"p{k}" for k in range(6)}


def test_a_group_taken_for_noise_is_said(tmp_path):
    written(tmp_path, comparisons(raters=12, each=60))
    one = STUDY.replace('down = "-x"\n', "").replace("{ up = 1, down = 1 }", "{ up = 1 }")
    (tmp_path / "study.toml").write_text(one + 'rater = "who"\ngroup = "side"\n')
    results = rh.run(tmp_path / "study.toml")
    assert [found["group"] for found in results["people"]["noise"]] == ["right"]
    assert any("takes its answers for noise" in words for words in results["warnings"])
