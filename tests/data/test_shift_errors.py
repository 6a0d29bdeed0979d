"""Wrong arguments of shifts, each with its message."""

import itertools

import numpy as np
import pytest
import xarray as xr
from shifted import CALLS, RANDOM, SCENES, as_dataset

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.shifts.features import decorrelate, fade, intervene, repaint
from reward_hypotheses.data.shifts.registry import SHIFTS
from reward_hypotheses.data.shifts.scenes import add_options, resample, reweight
from reward_hypotheses.data.shifts.shift_base import shifts_of

D = as_dataset()
ONE = {"x": np.arange(4.0)}
ERRORS = {
    "unknown": (lambda: decorrelate(D, ["redd"]), r"^decorrelate: features: no column 'redd'; did you mean 'red'\?$"),
    "unknown, repaint": (lambda: repaint(D, "redd"), r"^repaint: features: no column 'redd'; did you mean 'red'\?$"),
    "unknown, fade": (
        lambda: fade(D, ["red", "slop"], 0.5),
        r"^fade: features: no column 'slop'; did you mean 'slope'\?$",
    ),
    "none": (lambda: repaint(D, []), r"^repaint: features: \[\]; give the names of one or more"),
    "no list": (lambda: fade(D, 3, 0.5), r"^fade: features: 3; give the names"),
    "no text": (lambda: fade(D, [3], 0.5), r"^fade: features: 3; give the name of a feature, as text"),
    "blank": (lambda: fade(D, "", 0.5), r"^fade: features: ''; give the name"),
    "weight": (
        lambda: decorrelate(D, "scene_weight"),
        r"^decorrelate: features: 'scene_weight' is reserved; reweight sets",
    ),
    "by none": (lambda: fade(D, "red", 0), r"^fade: by: 0; give a share above 0 and at most 1"),
    "by more": (lambda: fade(D, "red", 1.01), r"^fade: by: 1.01; give"),
    "by nan": (lambda: fade(D, "red", float("nan")), r"^fade: by: nan; give"),
    "by bool": (lambda: fade(D, "red", True), r"^fade: by: True; give"),
    "fade text": (lambda: fade(D, "kind", 0.5), r"^fade: features: column 'kind' holds text; it must hold numbers"),
    "fade infinite": (lambda: fade({"x": [1.0, 2.0, np.inf]}, "x", 0.5), r"^fade: features: 'x' is infinite"),
    "n": (lambda: resample(D, 0), r"^resample: n: 0; give a whole number from 1 on"),
    "n float": (lambda: resample(D, 2.0), r"^resample: n: 2.0; give a whole"),
    "n bool": (lambda: resample(D, True), r"^resample: n: True; give a whole"),
    "resampled_from": (lambda: resample({"resampled_from": [1, 2]}), r"column 'resampled_from', which would"),
    "weights": (
        lambda: resample({"x": [1, 2], "scene_weight": [1, -2]}),
        r"^resample: table: scene 1: scene_weight is neg",
    ),
    "chosen_by": (lambda: reweight(D, "wind", chosen_by=3), r"^reweight: chosen_by: 3; give a text, or None"),
    "why": (lambda: repaint(D, "red", why=["a"]), r"^repaint: why: \['a'\]; give a text"),
    "parse": (lambda: intervene(D, "red", "red +"), r"^intervene: value: at position 6: it ends where"),
    "no column": (lambda: intervene(D, "red", "flag"), r"^intervene: value: no column 'flag'; did you mean 'flags'\?$"),
    "logic on numbers": (lambda: intervene(D, "red", "~depth"), r"^intervene: value: at position 1: .*compare first"),
    "text in arithmetic": (
        lambda: intervene(D, "red", "kind + 1"),
        r"^intervene: value: .*'kind' is .*, which is not a num",
    ),
    "missing": (
        lambda: intervene(D, "red", "slope"),
        r"^intervene: value: table: scene m3, option 0: column 'slope' is m",
    ),
    "undefined": (
        lambda: intervene(D, "red", "log(0 - 1 - count)"),
        r"^intervene: value: scene m0, option 2: is nan; it must",
    ),
    "undefined truth": (
        lambda: intervene(D, "red", "log(-1) > count"),
        r"^intervene: value: scene m0, option 2: is nan",
    ),
    "not finite": (
        lambda: intervene(D, "red", np.inf),
        r"^intervene: value: scene m0, option 2: is inf; it must be finite",
    ),
    "object": (lambda: intervene(D, "red", None), r"^intervene: value: holds object; give numbers or booleans"),
    "huge": (lambda: intervene(D, "red", 10**400), r"^intervene: value: holds object"),
    "shape": (
        lambda: intervene(D, "red", np.ones(4)),
        r"^intervene: value: shape \(4,\); give one number, or an array of",
    ),
    "shape 2": (lambda: intervene(D, "red", np.ones((3, 4))), r"^intervene: value: shape \(3, 4\); give .*\(30, 4\)$"),
    "no array": (lambda: intervene(D, "red", [[1], [1, 2]]), r"^intervene: value: a list that is no array; give"),
    "dims": (
        lambda: intervene(D, "red", xr.DataArray([1], dims="time")),
        r"^intervene: value: is over \('time',\); it must",
    ),
    "other scenes": (lambda: intervene(D, "red", D["wind"][::-1]), r"^intervene: value: has other scenes or options"),
    "callable text": (lambda: intervene(D, "red", lambda d: "red"), r"^intervene: value: the callable gave 'red'"),
    "callable Dataset": (lambda: intervene(D, "red", lambda d: d), r"^intervene: value: a Dataset that is no array"),
    "where numbers": (
        lambda: intervene(D, "red", 1, "count"),
        r"^intervene: where: gives numbers; it must be true or false",
    ),
    "where ones": (lambda: intervene(D, "red", 1, np.ones(SCENES)), r"^intervene: where: gives numbers"),
    "where column": (
        lambda: intervene(D, "red", 1, "coun > 1"),
        r"^intervene: where: no column 'coun'; did you mean 'count'",
    ),
    "new where": (lambda: intervene(D, "new", 1, "red"), r"^intervene: feature: no column 'new'"),
    "feature text": (lambda: intervene(D, "kind", 1), r"^intervene: feature: column 'kind' holds text"),
    "feature coordinate": (lambda: intervene(D, "place", 1), r"^intervene: feature: 'place' is a coordinate"),
    "feature no text": (lambda: intervene(D, 3, 1), r"^intervene: feature: 3; give the name"),
    "negative": (
        lambda: reweight(D, "wind - 2"),
        r"^reweight: weight: scene m0 gets -1.*; it must be a finite number of 0 or",
    ),
    "overflow": (
        lambda: reweight({"x": np.full((2, 3), 1e308) * [1, -1, -1]}, "x"),
        r"^reweight: weight: scene 0 gets -inf",
    ),
    "infinite": (lambda: reweight(ONE, "1/x"), r"^reweight: weight: scene 0: is inf"),
    "nowhere positive": (lambda: reweight(D, "0"), r"^reweight: weight: no scene would have a positive weight"),
    "weight shape": (lambda: reweight(D, np.ones(29)), r"^reweight: weight: shape \(29,\); give"),
    "repaint no options": (lambda: repaint(ONE, "x"), r"^repaint: the table has no options; it must be over"),
    "add no options": (lambda: add_options(ONE, {"x": 1}), r"^add_options: the table has no options"),
    "one option": (lambda: repaint({"x": np.ones((5, 1))}, "x"), r"^repaint: no scene has two available options"),
    "scene feature": (lambda: repaint(D, "wind"), r"^repaint: features: 'wind' has one value a scene"),
    "options none": (lambda: add_options(D, []), r"^add_options: options: none, or one without features; give"),
    "options empty": (lambda: add_options(D, [{"red": True}, {}]), r"^add_options: options: none, or one without"),
    "options no list": (lambda: add_options(D, 3), r"^add_options: options: 3; give a mapping"),
    "options text": (lambda: add_options(D, "red"), r"^add_options: options: 'red'; give a mapping"),
    "options unknown": (
        lambda: add_options(D, {"redd": 1}),
        r"^add_options: options: no column 'redd'; did you mean 'red'",
    ),
    "options scene": (lambda: add_options(D, {"wind": 1}), r"^add_options: options: 'wind' has one value a scene"),
    "options text cell": (
        lambda: add_options(D, {"red": "yes"}),
        r"^add_options: options: 'red' = 'yes'; give a finite num",
    ),
    "options number cell": (lambda: add_options(D, {"kind": 3}), r"^add_options: options: 'kind' = 3; give a text"),
    "options nan": (lambda: add_options(D, {"slope": np.nan}), r"^add_options: options: 'slope' = nan; give a finite"),
    "no table": (lambda: fade(3, "x", 0.5), r"^fade: table: a int is not a table"),
    "no scene": (
        lambda: fade(xr.Dataset({"x": ("time", [1])}), "x", 0.5),
        r"^fade: table: dimensions .*a table needs 'scene'",
    ),
    "options weights": (
        lambda: add_options({"x": np.ones((1, 2)), "scene_weight": np.array([[1, 2]])}, {"x": 1}),
        r"^add_options: table: scene 0, option 1: scene_weight differs",
    ),
    "record": (lambda: shifts_of(D.assign_attrs(shifts="{")), r"^attribute 'shifts' is '\{'; it must be the JSON"),
    "record kind": (lambda: fade(D.assign_attrs(shifts=3), "red", 0.5), r"^fade: attribute 'shifts' is 3; it must be"),
}
ERRORS |= {
    f"reserved {name}": (
        lambda name=name: decorrelate(D, name),
        rf"^decorrelate: features: '{name}' is reserved; name a f",
    )
    for name in ("scene", "option", "available", "option_name")
}
ERRORS |= {
    f"reserved {name}, intervene": (
        lambda name=name: intervene(D, name, 1),
        rf"^intervene: feature: '{name}' is reserved",
    )
    for name in ("scene", "option", "available", "option_name", "scene_weight")
}
ERRORS |= {
    f"seed {name} {seed!r}": (
        lambda name=name, seed=seed: SHIFTS[name](D, **CALLS[name][0], seed=seed),
        rf"^{name}: seed: {seed!r}; give a whole number from 0 on",
    )
    for name, seed in itertools.product(sorted(RANDOM), (-1, 1.5, True, None))
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    wrong, message = ERRORS[case]
    with pytest.raises(InputError, match=message) as caught:
        wrong()
    assert len(caught.value.problems) == 1 and "\n" not in str(caught.value)
