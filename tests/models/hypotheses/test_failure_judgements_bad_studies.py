"""Failure judgements in a study that is refused: what the message says."""

import pytest
from judged_studies import asked_for, paints
from studies import SHOWN, TEST, TRAINING, write

from reward_hypotheses.cli.main import main

FLAT = {"red paint": "where(red_paint, 100, -100)", "flags": "0 * slope + 3"}
FAMILY = {"red paint": "where(red_paint, 100, -100)", "flags": {"linear": ["flags"], "source": "x"}}
BAD_STUDIES = {
    "a path": ({"catastrophe": {"fail_utility": 0, "judgements": "shown.csv"}}, None, ["'shown.csv'; give { table = "]),
    "nothing in it": (
        {"catastrophe": {"fail_utility": 0, "judgements": {}}},
        None,
        [f"{key}: missing; " for key in ("table", "column", "centre", "spread", "source")],
    ),
    "an unknown key": (
        {"catastrophe": asked_for(centre=None, centr=0)},
        None,
        ["centr: unknown key; did you mean 'centre'?"],
    ),
    "an unknown table": (
        {"catastrophe": asked_for(table="shwn")},
        None,
        ["table: 'shwn' is no table; did you mean 'shown'?"],
    ),
    "no such column": (
        {"catastrophe": asked_for(column="rather")},
        None,
        ["shown.csv: no column 'rather'; did you mean 'rather_nothing'?"],
    ),
    "a column of numbers": (
        {"catastrophe": asked_for(column="slope")},
        None,
        ["shown.csv: line 2: column 'slope' is '0.5'; it must be true where a judge would rather it did nothing"],
    ),
    "an answer that is missing": ({}, SHOWN + "1,1,0.5,\n", ["shown.csv: line 7: column 'rather_nothing' is missing"]),
    "no source": ({"catastrophe": asked_for(source=" ")}, None, ["source: missing; say who was asked, when, and how"]),
    "a spread of 0, and more": (
        {"catastrophe": asked_for(spread=0, column="rather")},
        None,
        ["spread: 0; give a positive finite number", "no column 'rather'"],
    ),
    "a spread that floats do not tell": (
        {"catastrophe": asked_for(centre=50, spread={"flags": 1, "red paint": 1e-12})},
        None,
        ["spread: 1e-12, which is nothing beside a centre of 50 (hypothesis 'red paint')"],
    ),
    "a spread far too wide": (
        {"catastrophe": asked_for(spread=1e140)},
        None,
        ["hypothesis 'red paint': its failure line is integrated to", "hypothesis 'flags': its failure line"],
    ),
    "a centre beyond all numbers": (
        {"catastrophe": asked_for(centre=1e200)},
        None,
        ["centre: 1e+200; give a finite number"],
    ),
    "a centre that leaves one out": (
        {"catastrophe": asked_for(centre={"flags": 0})},
        None,
        ["centre: hypothesis 'red paint' has no centre; give one for every hypothesis"],
    ),
    "a rationality below 0": (
        {"catastrophe": asked_for(rationality=-1)},
        None,
        ["rationality: -1; give a positive number"],
    ),
    "continuous weights": ({"hypotheses": FAMILY}, None, ["hypothesis 'flags' has continuous weights, of which"]),
    "items worth the same": (
        {"hypotheses": FLAT},
        None,
        ["hypothesis 'flags': every item that was asked about is worth 3, so it has no scale; ask about items that"],
    ),
    "a feature lacking": (
        {},
        "red_paint,slope,rather_nothing\n1,0.5,0\n0,0.5,1\n",
        [
            "shown.csv: no column 'flags'; there is 'red_paint', 'slope', 'rather_nothing' (named by [hypotheses] 'flags')"
        ],
    ),
    "a feature that is boolean elsewhere": (
        {},
        SHOWN + "1,0.5,1,0\n",
        ["'flags' is boolean only where all cells are 0 or 1: shown.csv: line 7 is '0.5'"],
    ),
    "a reward that is not finite": (
        {"hypotheses": {"red paint": "where(red_paint, 100, -100)", "flags": "1 / slope"}},
        SHOWN + "1,1,0,0\n",
        ["shown.csv: line 7: hypothesis 'flags' has a reward of inf"],
    ),
    "an item that is failing": (
        {},
        "red_paint,flags,slope,rather_nothing,is_failing\n1,1,1,0,0\n0,0,1,1,1\n",
        ["shown.csv: line 3: is_failing is true"],
    ),
}


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("name", BAD_STUDIES)
def test_bad_studies(tmp_path, name, command, capsys):
    changes, shown, messages = BAD_STUDIES[name]
    path = write(tmp_path, paints(**changes), training=TRAINING, test=TEST, shown=shown or SHOWN)
    assert main([command, str(path)]) == 2
    printed = capsys.readouterr()
    lines = printed.err.strip().split("\n")
    assert printed.out == "" and len(lines) == len(messages), printed.err
    for line, message in zip(lines, messages, strict=True):
        assert message in line and "study.toml: " in line
        assert "[catastrophe] judgements: " in line or "[hypotheses]" in line
