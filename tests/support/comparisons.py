"""Pairs of studies that differ, and what a comparison of them must fulfil."""

import copy
from fractions import Fraction

import pytest
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.study.replace_parts import PARTS

THIRD = "scene,option,red_paint,flags,slope\n" + "".join(
    f"{m},0,1,{m % 2},0.5\n{m},1,0,1,{m / 4}\n{m},2,0,0,2.5\n" for m in range(9)
)
SKEWED = "red_paint,flags,slope,is_pad\n" + "1,1,0.5,1\n0,0,2.5,0\n1,0,1,0\n" * 4
SECTIONS = {
    "hypotheses": ("hypotheses",),
    "failure line": ("catastrophe",),
    "data and feedback": ("feedback", "training"),
    "values": ("values",),
    "agent": ("agent",),
    "test": ("test",),
    "fit": ("seed", "fit"),
}
"""Which sections and tables of a study file each part is, with tables under the names of `small`."""


def at(folder, study, training=TRAINING, test=TEST):
    folder.mkdir()
    return write(folder, study, training=training, test=test)


def pair(tmp_path, change, training=TRAINING, test=TEST, base=None):
    """Two studies that differ: (paths, contents with their tables)."""
    base = small() if base is None else base
    other = copy.deepcopy(base) | change
    held = [base | {"training": TRAINING, "test": TEST}, other | {"training": training, "test": test}]
    return (at(tmp_path / "a", base), at(tmp_path / "b", other, training, test)), held


def by_hand(folder, held, of_b):
    """The risk of the study file that has these parts of the second study, written out and run."""
    a, b = held
    mixed = dict(a)
    for part in of_b:
        for section in SECTIONS[part]:
            if section in b:
                mixed[section] = b[section]
            else:
                mixed.pop(section, None)
    tables = {name: mixed.pop(name) for name in ("training", "test")}
    folder.mkdir()
    return rh.run(write(folder, mixed, **tables))["risk"]["mean"]


def check(found, held=None, folder=None):
    """The identity: steps follow on one another from the first risk to the second, and their effects add up."""
    a, b = found["a"]["risk"]["mean"], found["b"]["risk"]["mean"]
    steps = found["steps"]
    assert found["total"] == b - a
    if not steps:
        assert found["total"] == 0
        return
    assert steps[0]["before"] == a and steps[-1]["after"] == b
    assert all(s["after"] == t["before"] for s, t in zip(steps, steps[1:], strict=False))
    assert all(s["effect"] == s["after"] - s["before"] for s in steps)
    assert sum(Fraction(s["after"]) - Fraction(s["before"]) for s in steps) == Fraction(b) - Fraction(a)
    assert sum(s["effect"] for s in steps) == pytest.approx(found["total"], abs=1e-15 * len(steps))
    parts = [part for s in steps for part in s["parts"]]
    assert set(parts) == {c["part"] for c in found["changes"]} & set(PARTS) and len(parts) == len(set(parts))
    firsts = [list(PARTS).index(s["parts"][0]) for s in steps]
    assert firsts == sorted(firsts) and found["order"] == list(PARTS)
    if held is not None:
        for k, step in enumerate(steps):
            so_far = [part for s in steps[: k + 1] for part in s["parts"]]
            assert step["after"] == pytest.approx(by_hand(folder / f"{k}", held, so_far), abs=1e-14)


VALUES = {"weights": {"flags": 3, "red paint": 2}, "source": "another test", "strength": 5}
LABELS = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [2, 8]}
EVERYTHING = {
    "hypotheses": {"red paint": "where(red_paint, 10, -1)", "flags": "where(flags & (slope < 1), 1, -30)"},
    "catastrophe": {"fail_utility": {"flags": -20, "red paint": "5 - 10"}},
    "feedback": [LABELS],
    "values": VALUES,
    "agent": {"policy": {"name": "boltzmann", "beta": 2}, "prior": "values", "fail_utility": -3},
    "seed": 2,
}


def what(found, part):
    return {c["what"]: (c["before"], c["after"]) for c in found["changes"] if c["part"] == part}
