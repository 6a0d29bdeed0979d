"""The check of columns that may stand for people or groups: its score by loops, and what it finds."""

import json

import numpy as np
import pytest
from studies import csv_text, write

import reward_hypotheses as rh
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.differing_groups import LEVEL, _Column, group_check
from reward_hypotheses.models.weights.weigh import weigh

HYPOTHESES = {"x": "x", "y": "y", "other": "-x"}
N = 400


def tables(kind, opposite, groups=6, seed=5):
    """Return answers by groups, of which every second may have the opposite reward."""
    rng = np.random.default_rng(seed)
    options = {"choices": 3, "rankings": 3}.get(kind, 1)
    x, y, noise = rng.normal(size=(3, N, options))
    who = rng.integers(groups, size=N)
    worth = (
        2 * x * np.where(opposite & (who % 2 == 1), -1, 1)[:, None]
        + rng.gumbel(size=x.shape)
        - rng.gumbel(size=x.shape)
    )
    table = {"x": x, "y": y, "who": np.repeat(who[:, None], options, axis=1), "noise": noise}
    table["place"] = np.tile(np.arange(options) % 2, (N, 1)).astype(float)  # tells options apart, not people
    if options == 1:
        table = {name: values[:, 0] for name, values in table.items()}
        worth = worth[:, 0]
    else:
        scene = {"scene": np.repeat(np.arange(N), options), "option": np.tile(np.arange(options), N)}
    match kind:
        case "choices":
            table["said"] = worth.argmax(axis=1)[:, None] == np.arange(options)
        case "rankings":
            table["said"] = (-worth).argsort(axis=1).argsort(axis=1) + 1
        case "ratings":
            table["said"] = np.digitize(worth, [-1, 1])
        case _:
            table["said"] = worth > 0
    return table if options == 1 else scene | {name: values.ravel() for name, values in table.items()}


MAKE = {
    "choices": lambda t: rh.Choices(t, "said"),
    "rankings": lambda t: rh.Rankings(t, "said"),
    "ratings": lambda t: rh.Ratings(t, "said", grades=[0, 1, 2]),
    "stops": lambda t: rh.Stops(t, "said"),
    "labels": lambda t: rh.Labels(t, "said", noise=(1, 3)),
}


def check(kind, table, hypotheses=HYPOTHESES):
    listed, line, made = prepared(hypotheses, [MAKE[kind](table)], 0.0)
    posterior = weigh(listed, rh.Uniform("a test"), made, line, draws=100, chains=2, seed=1).of_rules()
    return group_check(posterior, 0, np.random.default_rng(2), {"said"})


def rows(table):
    return [dict(zip(table, (x.item() for x in row), strict=True)) for row in zip(*table.values(), strict=True)]


@pytest.mark.parametrize("kind", MAKE)
def test_groups_with_opposite_rewards(kind):
    found = check(kind, tables(kind, True))
    assert (found.column, found.groups, found.looked_at) == ("who", 6, 1)
    assert found.check.p == 0 and found.check.statistic > 20
    (misfit,) = found.check.misfit
    assert (
        "answers differ between the 6 values of column 'who'" in misfit
        and "add rater = 'who' to the feedback" in misfit
    )
    alike = check(kind, tables(kind, False))
    assert alike.check.p > LEVEL and not alike.check.misfit and abs(alike.check.statistic) < 5


def test_one_reward_with_continuous_weights():
    linear = {"m": rh.Linear(["x", "y"], source="a test")}
    assert check("choices", tables("choices", True), linear).check.p == 0
    assert check("choices", tables("choices", False), linear).check.p > LEVEL


def test_the_score_by_loops():
    rng = np.random.default_rng(7)
    scores, variances = rng.normal(size=(2, 30)), rng.random((2, 30))
    codes = rng.integers(-1, 4, 30)  # -1: missing
    found = _Column.of(codes).standardised(scores, variances)
    for f in range(2):
        s, v = ([of[f][codes == g].sum() for g in range(4)] for of in (scores, variances))
        total, shared = sum(v), sum(s) / sum(v)
        apart = sum((a - b * shared) ** 2 - (b - b**2 / total) for a, b in zip(s, v, strict=True))
        assert found[f] == pytest.approx(apart / np.sqrt(2 * sum((b * (1 - b / total)) ** 2 for b in v)), rel=1e-12)
    assert (_Column.of(codes).standardised(np.ones((1, 30)), np.zeros((1, 30))) == 0).all()


def test_which_columns_divide_people():
    table = tables("stops", False)
    rng = np.random.default_rng(3)
    table |= {"many": rng.permutation(np.arange(N) // 4), "one": np.zeros(N), "text": [f"t{k % 7}" for k in range(N)]}
    table["gaps"] = np.where(rng.random(N) < 0.9, np.nan, np.arange(N) % 3)
    found = check("stops", table)  # who, text and gaps; a value for four answers is too many
    assert found.looked_at == 3
    assert check("stops", {name: of for name, of in table.items() if name not in ("who", "text", "gaps")}) is None
    read = HYPOTHESES | {"by who": "where(who > 2, x, y)"}
    assert check("stops", table, read).looked_at == 2
    listed, line, made = prepared({"x": "x"}, [rh.Rewards(table | {"r": table["x"]}, "r", sigma2=[3, 1])], 0.0)
    posterior = weigh(listed, rh.Uniform("a test"), made, line)
    assert group_check(posterior, 0, np.random.default_rng(2), {"r"}) is None


def test_a_study_says_it_on_top(tmp_path, capsys):
    table = {name: values for name, values in tables("choices", True).items() if name != "place"}
    changes = {
        "tables": {"training": "training.csv", "test": "test.csv"},
        "hypotheses": {"x": "x", "y": "y"},
        "values": {"prior": "uniform", "source": "a test"},
        "catastrophe": {"fail_utility": -1},
        "feedback": [{"kind": "choices", "table": "training", "column": "said"}],
    }
    test = {name: values[:30] for name, values in table.items() if name in ("scene", "option", "x", "y")}
    path = write(tmp_path, changes, training=csv_text(rows(table)), test=csv_text(rows(test)))
    assert main(["run", str(path), "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    about = results["between_groups"]["choices"]
    assert (about["column"], about["groups"], about["p"], about["replications"]) == ("who", 6, 0, 400)
    assert any("differ between the 6 values of column 'who'" in text for text in results["misfit"])
    assert results["warnings"][0] in results["misfit"]
