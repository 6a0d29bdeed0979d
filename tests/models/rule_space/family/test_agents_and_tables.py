"""A space of rules with an agent of its own beliefs, on tables that differ from training, and in trees."""

import csv
from pathlib import Path

import numpy as np
import pytest
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.models.tree.read import posterior_of

SPACE = '{ rules = ["red", "flags"], at_most = 2, prior = "uniform", source = "a test" }'
STUDY = """
[tables]
training = "training.csv"
test = "test.csv"
probes = "probes.csv"
[hypotheses]
HYPOTHESES
[values]
prior = "uniform"
source = "a test"
[catastrophe]
fail_utility = 0
[[feedback]]
kind = "labels"
table = "training"
column = "pad"
noise = [1, 19]
"""
PROBES = """
[[agent.feedback]]
kind = "labels"
table = "probes"
column = "red"
noise = [1, 19]
"""


def _written(folder: Path, text: str) -> Path:
    rng = np.random.default_rng(7)
    training, test = tables(7)
    probes = {"red": rng.random(40) < 0.5, "flags": rng.random(40) < 0.5}
    for name, table in (("training", training), ("test", test), ("probes", probes)):
        with (folder / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(table)
            rows.writerows(zip(*(np.asarray(values).tolist() for values in table.values()), strict=True))
    path = folder / "study.toml"
    path.write_text(text)
    return path


def _listed(training):
    return listed(
        posterior_of(fits({"any": space(["red", "flags"])}, rh.Uniform(source="a test"), training))[0].spaces[0]
    )


def test_an_agent_whose_choices_are_known_has_its_own_weights_of_rules(tmp_path):
    names = _listed(tables(7)[0])
    stated = f'"any" = {SPACE}', "\n".join(f'"{name}" = "{reward(name)}"' for name in names)
    found, wanted = (rh.run(_written(tmp_path, STUDY.replace("HYPOTHESES", text) + PROBES)) for text in stated)
    for key in ("mean", "floor", "regret"):
        assert found["risk"][key] == pytest.approx(wanted["risk"][key], abs=1e-11)
    assert found["risk"]["limit"] is None


def test_several_spaces_have_no_known_limit_for_any_agent(tmp_path):
    text = STUDY.replace("HYPOTHESES", f'"any" = {SPACE}\n"again" = {SPACE.replace("flags", "level")}')
    found = rh.run(_written(tmp_path, text))
    assert [found["risk"]["limit"], *(agent["limit"] for agent in found["agents"].values())] == [None] * 3


def test_literals_that_come_apart_on_the_test_are_a_shift(tmp_path):
    found = rh.run(
        _written(
            tmp_path,
            STUDY.replace("HYPOTHESES", f'"any" = {SPACE.replace("]", ", " + chr(34) + "depth" + chr(34) + "]")}'),
        )
    )
    assert found["shifted"]
    assert "(red) != (flags)" in found["shift"]["indicator"]


def test_a_boolean_feature_takes_no_other_numbers():
    training, test = tables(7)
    tree = fits({"any": space(["red"])}, rh.Uniform(source="a test"), training)
    whole = rh.catastrophe_risk(tree, test | {"red": test["red"].astype(int)})
    assert float(whole["mean"]) == float(rh.catastrophe_risk(tree, test)["mean"])
    with pytest.raises(rh.InputError, match="'red' is true or false in training"):
        rh.catastrophe_risk(tree, test | {"red": test["red"] * 0.5})


def test_a_name_with_a_slash(tmp_path):
    import xarray as xr

    training, test = tables(7)
    tree = fits({"red/flags": space(["red", "flags"])}, rh.Uniform(source="a test"), training)
    tree.to_netcdf(tmp_path / "tree.nc")
    with xr.open_datatree(tmp_path / "tree.nc") as read:
        assert float(rh.catastrophe_risk(read, test)["mean"]) == float(rh.catastrophe_risk(tree, test)["mean"])


def test_what_takes_no_space_says_so():
    training, test = tables(7)
    hypotheses = {"any": space(["red"]), "flags": reward("flags")}
    tree = fits(hypotheses, rh.Uniform(source="a test"), training)
    with pytest.raises(rh.InputError, match="is a space of rules, which rh.choose_probes does not take"):
        rh.choose_probes(tree, test, 1)
    with pytest.raises(rh.InputError, match="is a space of rules, which rh.conforms does not take"):
        rh.conforms(rh.Labels(training, "pad", noise=(1, 19)), hypotheses)
