"""The risk by people against loops over the joint draws that a tree holds; what is refused; trees in files."""

import numpy as np
import pytest
import xarray as xr

import reward_hypotheses as rh

LINE, DRAWS, WEIGHTS = -0.3, 200, "reward_weight"
NAMES = ("p0", "p1", "p2", "p3", "p4")
HYPOTHESES = {"up": "a", "down": "-a", "any": rh.Linear(["a", "b"], prior={"normal": 1.5}, source="s")}
EVEN = rh.Elicited({"up": 1, "down": 1, "any": 1}, "an example")


def training():
    """Raters who want a, less of a, and b; the last two answers are without a rater."""
    rng = np.random.default_rng(41)
    n, who = 62, np.repeat(np.arange(6), [12, 12, 12, 12, 12, 2])
    x = rng.normal(size=(n, 2, 2)).round(2)
    wants = np.array([[2, 0], [-2, 0], [0, 2], [2, 0], [1, -2], [1, 0]])[who]
    worth = (x * wants[:, None]).sum(axis=-1) + rng.gumbel(size=(n, 2))
    return {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "chosen": (worth == worth.max(axis=1, keepdims=True)).ravel(),
        "a": x[..., 0].ravel(),
        "b": x[..., 1].ravel(),
        "who": np.repeat(np.array([*NAMES, ""])[who], 2),
        "side": np.repeat(np.array(["left", "left", "right", "left", "right", "right"])[who], 2),
    }


X = np.random.default_rng(42).normal(size=(25, 3, 2)).round(2)
TEST = {
    "scene": np.repeat(np.arange(25), 3),
    "option": np.tile(["a", "b", "c"], 25),
    "a": X[..., 0].ravel(),
    "b": X[..., 1].ravel(),
}


@pytest.fixture(scope="module")
def tree():
    feedback = rh.Choices(training(), "chosen", rater="who", group="side", rationality=2.0)
    return rh.fit(HYPOTHESES, EVEN, [feedback], LINE, draws=500)


@pytest.fixture(scope="module")
def agent():
    """An agent that takes the option of the greatest a."""
    return rh.fit({"up": "a"}, rh.Uniform("one"), [rh.Choices(training(), "chosen")], LINE)


PICKS = X[..., 0].argmax(axis=1)


def harmed(tree):
    """Return who is harmed in each scene by the agent's choice, in each draw: (draw, rater, scene)."""
    raters = tree["raters"]
    n = raters.sizes["rater_draw"]
    rows = np.unique(np.linspace(0, n - 1, min(n, DRAWS)).astype(int))
    scale = tree["constant_data"]["reward_weight_scale"].to_numpy()
    follows, weights = raters["follows"].to_numpy(), raters[WEIGHTS].to_numpy()
    at = X[np.arange(25), PICKS]  # (scene, feature)
    out = np.zeros((len(rows), raters.sizes["rater"], 25))
    for i, row in enumerate(rows):
        for r in range(out.shape[1]):
            h = follows[row, r]
            reward = at[:, 0] * (1, -1)[h] if h < 2 else at @ (weights[row, r] / scale)
            out[i, r] = reward < LINE
    return out


def test_loops_over_draws_give_the_same_risk(tree, agent):
    people, loop = rh.people_risk(tree, TEST, agent=agent, worst_off=0.3), harmed(tree)
    by_rater = loop.mean(axis=2)
    assert list(people["rater"].to_numpy()) == [*NAMES, "unnamed 1", "unnamed 2"]
    np.testing.assert_allclose(people["by_rater"], by_rater.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(people["by_rater_lower"], np.quantile(by_rater, 0.025, axis=0), atol=1e-12)
    np.testing.assert_allclose(people["by_rater_upper"], np.quantile(by_rater, 0.975, axis=0), atol=1e-12)
    np.testing.assert_allclose(people["everyone"], by_rater.mean(), atol=1e-12)
    left = [0, 1, 3]
    right = [2, 4, 5, 6]
    for side, those in (("left", left), ("right", right)):
        np.testing.assert_allclose(people["by_group"].sel(group=side), by_rater[:, those].mean(), atol=1e-12)
    worst = np.sort(by_rater, axis=1)[:, -2:].mean()  # 0.3 of 7 raters
    np.testing.assert_allclose(people["worst_off"], worst, atol=1e-12)
    np.testing.assert_allclose(people["by_scene"], loop.mean(axis=(0, 1)), atol=1e-12)
    share = loop.mean(axis=1)
    for q in people["share"].to_numpy():
        expected = (share >= q - 1e-12).mean()
        np.testing.assert_allclose(people["harmed"].sel(share=q), expected, atol=1e-12)
    assert (np.diff(people["harmed"]) <= 0).all()


def test_judges_are_raters_and_persons(tree, agent):
    """Against all draws, not those of `people_risk`: within Monte Carlo errors."""
    raters, n = tree["raters"], min(tree["raters"].attrs["ess"], 2000)
    at = X[np.arange(25), PICKS]
    scale = tree["constant_data"]["reward_weight_scale"].to_numpy()
    listed = np.array([(at[:, 0] < LINE).mean(), (-at[:, 0] < LINE).mean()])

    def risk(weights, of):
        own = ((at @ (of / scale).T) < LINE).mean(axis=0)
        return weights[:2] @ listed + weights[2] * own.mean(), weights[2] * own.std() / np.sqrt(n)

    for r, name in enumerate(NAMES):
        follows = raters["follows"].to_numpy()[:, r] == 2
        rows = follows if follows.sum() >= 40 else slice(None)
        expected, error = risk(raters["rater_weight"].to_numpy()[r], raters[WEIGHTS].to_numpy()[rows, r])
        found = float(rh.catastrophe_risk(rh.with_judge(tree, rater=name), TEST, agent=agent)["mean"])
        assert abs(found - expected) < 5 * error + 1e-9, name
    for g, name in enumerate(raters["group"].to_numpy().tolist()):
        weights = raters["share"].to_numpy()[:, g].mean(axis=0)
        expected, error = risk(weights, raters[f"{WEIGHTS}_person"].to_numpy()[:, g])
        found = float(rh.catastrophe_risk(rh.with_judge(tree, group=name), TEST, agent=agent)["mean"])
        assert abs(found - expected) < 5 * error + 1e-9, name


@pytest.mark.filterwarnings("ignore:Consolidated metadata")  # of zarr itself, about its own format
@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_a_tree_read_back_has_the_same_people(tree, agent, tmp_path, form):
    path = tmp_path / f"tree.{form}"
    if form == "zarr":
        tree.to_zarr(path, mode="w")
    else:
        tree.to_netcdf(path)
    with xr.open_datatree(path, engine="zarr" if form == "zarr" else None) as read:
        again = read.load()
    first, other = (rh.people_risk(t, TEST, agent=agent) for t in (tree, again))
    xr.testing.assert_identical(first, other)
    for judge in ({"rater": "p2"}, {"group": "right"}, {"mean": True}):
        risks = [rh.catastrophe_risk(rh.with_judge(t, **judge), TEST, agent=agent)["mean"] for t in (tree, again)]
        assert float(risks[0]) == float(risks[1]), judge


def test_wrong_people_are_said(tree, agent):
    calls = {
        "'p9' gave no answer in training": lambda: rh.with_judge(tree, rater="p9"),
        "'top' is no group": lambda: rh.with_judge(tree, group="top"),
        "give one of mean=True": lambda: rh.with_judge(tree),
        "give one of mean=True, group": lambda: rh.with_judge(tree, mean=True, rater="p0"),
        "fitted without raters": lambda: rh.with_judge(agent, mean=True),
        "name the column of raters": lambda: rh.people_risk(agent, TEST),
        "worst_off": lambda: rh.people_risk(tree, TEST, worst_off=0.0),
        "prob": lambda: rh.people_risk(tree, TEST, prob=1.5),
    }
    for message, call in calls.items():
        with pytest.raises(rh.InputError) as caught:
            call()
        assert message in str(caught.value), message


def test_kinds_and_hypotheses_that_raters_cannot_have_are_said():
    table = training()
    choices = rh.Choices(table, "chosen", rater="who")
    labels = {"a": [1.0, -1.0], "b": [0.0, 1.0], "good": [True, False], "who": ["p0", "p1"]}
    linear = {"any": rh.Linear(["a", "b"], prior={"normal": 1.0}, source="s")}
    both = {"up": 1, "rest": 1}
    calls = {
        "steps in the weights of 'any'": lambda: rh.fit(
            linear, rh.Uniform("s"), [rh.Labels(labels, "good", rater="who", noise=(1, 9))], 0.0
        ),
        "'rest' is unmodelled": lambda: rh.fit(
            {"up": "a", "rest": rh.Unmodelled(1.0, "s")}, rh.Elicited(both, "s"), [choices], 0.0
        ),
        "method": lambda: rh.fit({"up": "a"}, rh.Uniform("s"), [choices], 0.0, method="exact"),
    }
    for message, call in calls.items():
        with pytest.raises(rh.InputError) as caught:
            call()
        assert message in str(caught.value), message
        assert len(str(caught.value).splitlines()) <= 3, message
