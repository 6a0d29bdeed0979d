"""A space of rules beside the hypothesis "none of the others", against all its rules listed beside it."""

import numpy as np
import pytest
import xarray as xr
from rule_studies import fits, listed, reward, space, tables

import reward_hypotheses as rh
from reward_hypotheses.models.tree.read import posterior_of

NONE = rh.Unmodelled(0.5, source="a test")


@pytest.fixture(scope="module", params=["plain", "ragged", "failing"])
def both(request):
    training, test = tables(3, **({} if request.param == "plain" else {request.param: True}))
    if request.param == "failing":
        training["is_failing"] = np.random.default_rng(0).random(len(training["pad"])) < 0.2
    values = {"any": 3.0, "flags": 1.0, "none": 2.0}
    tree = fits({"any": space(), "flags": reward("flags"), "none": NONE}, rh.Elicited(values, "a test"), training)
    names = listed(posterior_of(tree)[0].spaces[0])
    weights = {f"any: {name}": 3.0 / len(names) for name in names} | {"flags": 1.0, "none": 2.0}
    every = {f"any: {name}": reward(name) for name in names} | {"flags": reward("flags"), "none": NONE}
    return tree, fits(every, rh.Elicited(weights, "a test"), training), test


def test_evidence(both):
    found, wanted = (float(tree["evidence"]["log_evidence"][-1]) for tree in both[:2])
    assert found == pytest.approx(wanted, abs=1e-12)
    assert both[0]["evidence"].sizes["cell"] == both[1]["evidence"].sizes["cell"]


@pytest.mark.parametrize("policy", [rh.Commit(), rh.Expected(abstain=True)], ids=lambda policy: policy.words)
def test_risk_and_bounds(both, policy):
    found, wanted = (rh.catastrophe_risk(tree, both[2], policy=policy) for tree in both[:2])
    numbers = "mean", "floor", "abstained", "regret", "limit", "by_scene", "unmodelled_lower", "unmodelled_upper"
    for key in numbers:
        np.testing.assert_allclose(found[key], wanted[key], rtol=0, atol=1e-11, err_msg=key)


def test_an_agent_by_simplicity_does_not_follow_it(both):
    found, wanted = (rh.catastrophe_risk(tree, both[2], agent=rh.Simplicity("columns")) for tree in both[:2])
    assert float(found["mean"]) == pytest.approx(float(wanted["mean"]), abs=1e-12)


def test_a_space_alone_beside_it_is_read_back(both, tmp_path):
    tree = fits({"any": space(), "none": NONE}, rh.Uniform(source="a test"), tables(3)[0])
    tree.to_netcdf(tmp_path / "tree.nc")
    back = xr.open_datatree(tmp_path / "tree.nc")
    assert float(rh.catastrophe_risk(back, both[2])["mean"]) == float(rh.catastrophe_risk(tree, both[2])["mean"])
