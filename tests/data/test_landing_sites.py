"""Landing sites on the lunar lander: what the table says is measured on the world that there is."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

import reward_hypotheses as rh
from reward_hypotheses.data.worlds.lander import scenes as made
from reward_hypotheses.data.worlds.lander.landing_world import WORLD_HEIGHT, LandingWorld, Scene


@pytest.fixture(scope="module")
def world():
    return LandingWorld()


def ground(*sites):
    """Ground with sites (middle, height, depth), 3.2 wide, whose ends are `depth` below the ground around them."""
    points = [(0.0, 3.0)]
    for x, y, depth in sites:
        points += [(x - 2.0, y + depth), (x - 1.6, y), (x + 1.6, y), (x + 2.0, y + depth)]
    return (*points, (20.0, 3.0))


def scene(red=(), flags=(), seed=0, sites=((2.5, 3.0, 0.1), (7.5, 2.5, 0.6), (12.5, 3.2, -0.1), (17.5, 2.8, 0.6))):
    return Scene(
        ground=ground(*sites),
        red=tuple((sites[i][0] - 1.6, sites[i][0] + 1.6) for i in red),
        flags=tuple(sites[i][0] + side * 1.5 for i in flags for side in (-1, 1)),
        seed=seed,
    )


def survey(world, one):
    world.reset(options={"scene": one})
    return world.survey()


def test_contract_of_the_table():
    table = rh.landing_sites(20, seed=3)
    assert dict(table.sizes) == {"scene": 20, "option": 4}
    assert {n: str(v.dtype) for n, v in table.items()} == {
        "red_paint": "bool",
        "flags": "bool",
        "depth": "float64",
        "slope": "float64",
        "width": "float64",
        "distance": "float64",
        "is_pad": "bool",
    }
    assert (table["distance"] >= 0).all() and (table["slope"] >= 0).all() and (table["slope"] < 0.04).all()
    assert (table["distance"].argmin("option").isin([1, 2])).all()


def test_training_coincides_and_the_shift_parts():
    training, shifted = rh.landing_sites(150, seed=0), rh.landing_sites(150, seed=1, shifted=True)
    assert (training["red_paint"] == training["flags"]).all() and (training["is_pad"] == training["flags"]).all()
    assert (training["is_pad"].sum("option") == 1).all()
    assert (training["depth"].where(training["is_pad"]) < 0.3).sum() == 150
    assert not (shifted["red_paint"] & shifted["flags"]).any()
    assert (shifted["is_pad"] == shifted["flags"]).all() and (shifted["is_pad"].sum("option") == 1).all()
    red = shifted["red_paint"]
    assert (red.sum("option") == 1).all()
    assert (shifted["depth"].where(red).max("option") > 0.5).all()  # a crater
    assert (shifted["distance"].where(red).max("option") > 7).all()  # far away
    bare = ~(training["red_paint"] | training["flags"])
    share = float((training["depth"] > 0.3).where(bare).mean())
    assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(450)


def test_the_survey_finds_what_was_made(world):
    shares = {"independent": 0.7, "decoy": 0.3}
    for number in range(120):
        scene = made.scene_of(7, number, shares)
        found = made.surveyed(world, scene)
        middle = [
            (a + b) / 2 for a, b in zip(scene.ground[2::4], scene.ground[3::4], strict=True) for a, b in [(a[0], b[0])]
        ]
        red = [any(a < x < b for a, b in scene.red) for x in middle]
        flags = [sum(abs(f - x) < 1.8 for f in scene.flags) == 2 for x in middle]
        assert found["red_paint"].tolist() == red and found["flags"].tolist() == flags


def test_the_survey_reads_fixtures(world):
    before = survey(world, scene(red=[1], flags=[1]))
    assert before["depth"] == pytest.approx([0.1, 0.6, -0.1, 0.6], abs=1e-5)
    assert before["width"] == pytest.approx([3.2] * 4, abs=1e-5)
    assert not before["is_pad"].any()  # the flags stand in a crater
    floor = next(f for f in world.moon.fixtures if f.shape.vertices[0][0] == pytest.approx(5.9))
    left, right = (float(floor.shape.vertices[i][0]) for i in (0, 1))
    world.moon.DestroyFixture(floor)
    for ends in ([(left, 2.5), (left, 3.05)], [(left, 3.05), (right, 3.05)], [(right, 3.05), (right, 2.5)]):
        world.moon.CreateEdgeFixture(vertices=ends, density=0, friction=0.5)
    after = world.survey()
    assert after["depth"] == pytest.approx([0.1, 0.05, -0.1, 0.6], abs=1e-5)
    assert after["is_pad"].tolist() == [False, True, False, False]
    assert after["red_paint"].tolist() == before["red_paint"].tolist() == [False, True, False, False]


def test_a_moved_site_is_farther_and_a_tilted_one_steeper(world):
    near = survey(world, scene())
    moved = survey(world, scene(sites=((2.2, 3.0, 0.1), (7.5, 2.5, 0.6), (12.5, 3.2, -0.1), (17.5, 2.8, 0.6))))
    assert moved["distance"][0] - near["distance"][0] == pytest.approx(0.3, abs=1e-5)

    def tilted(by):
        floor = [(x, 3.0 + by * (x - 10)) for x in (8.4, 11.6)]
        return Scene(((0.0, 6.0), (8.0, 3.3), *floor, (12.0, 3.3), (20.0, 6.0)), (), (), 0)

    found = survey(world, tilted(0.05))
    assert found["slope"] == pytest.approx([np.arctan(0.05)], abs=1e-5)
    assert found["depth"] == pytest.approx([0.3], abs=1e-5)
    assert survey(world, tilted(0.15)) == {}  # nobody lands on that


def test_paint_and_flags_are_read_off_the_frame(world, monkeypatch):
    one = scene(red=[0], flags=[2])
    assert survey(world, one)["red_paint"].tolist() == [True, False, False, False]
    assert world.survey()["flags"].tolist() == [False, False, True, False]
    drawn = world.drawn

    def repainted(ground):
        frame = drawn(ground)
        frame[(frame == (214, 40, 40)).all(axis=-1)] = 255
        return frame

    monkeypatch.setattr(world, "drawn", repainted)
    assert not world.survey()["red_paint"].any()
    half = Scene(one.ground, ((0.9, 1.9),), one.flags[:1], 0)  # less than half painted, one flag
    monkeypatch.setattr(world, "drawn", drawn)
    assert not survey(world, half)["red_paint"].any() and not survey(world, half)["flags"].any()


def test_frames_show_paint_flags_and_craters():
    table = rh.landing_sites(5, seed=1, shifted=True)
    frame = rh.landing_frame(table, 3)
    assert frame.shape == (400, 600, 3) and frame.dtype == np.uint8
    assert (frame == rh.landing_frame(table.isel(scene=[1, 3]), 3)).all()
    assert not (frame == rh.landing_frame(table, 2)).all()
    red = (frame == (214, 40, 40)).all(axis=-1)
    assert red.sum() > 800
    option = int(table["red_paint"].sel(scene=3).values.argmax())
    assert red[:, 150 * option : 150 * (option + 1)].sum() > 0.95 * red.sum()
    assert (frame == (204, 204, 0)).all(axis=-1).sum() > 150


def test_scenes_depend_on_seed_and_number_alone():
    long, short = rh.landing_sites(12, seed=5), rh.landing_sites(4, seed=5)
    for name in long:
        assert np.array_equal(long[name].values[:4], short[name].values)
    other = rh.landing_sites(4, seed=6)
    assert not np.array_equal(short["depth"], other["depth"])


def test_mix():
    table = rh.landing_sites(400, seed=2, mix={"together": 3, "apart": 1})
    apart = (table["red_paint"] != table["flags"]).any("option").mean()
    assert abs(float(apart) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 400)
    assert json.loads(table.attrs["mix"]) == {"together": 0.75, "apart": 0.25}
    free = rh.landing_sites(400, seed=2, mix={"independent": 1})
    for pair in (("red_paint", "flags"), ("red_paint", "depth"), ("flags", "depth")):
        columns = [(free[c] > 0.3).values.ravel().astype(float) for c in pair]
        assert abs(np.corrcoef(columns)[0, 1]) < 4 / np.sqrt(1600)
        assert all(abs(c.mean() - 0.5) < 4 * 0.5 / np.sqrt(1600) for c in columns)
    decoy = rh.landing_sites(50, seed=2, mix={"decoy": 1})
    assert (decoy["depth"].where(decoy["red_paint"]).max("option") < 0.3).all()


def test_the_lander_lands_on_it(world):
    """The physics is Gymnasium's: dropped, it comes down on the ground that the survey measured."""
    world.reset(options={"scene": scene()})
    for _ in range(400):
        observed, _, ended, _, _ = world.step(np.zeros(2))
        if ended:
            break
    assert ended and 2 < 6.667 * observed[1] < 4 and WORLD_HEIGHT > 13


def test_two_hundred_scenes_take_less_than_three_seconds():
    start = time.perf_counter()
    rh.landing_sites(200, seed=0)
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 0}, "n: 0; give a whole number from 1 on"),
        ({"n": 2.5}, "n: 2.5; give a whole number"),
        ({"seed": -1}, "seed: -1; give a whole number from 0 on"),
        ({"shifted": "yes"}, "shifted: 'yes'; give true or false"),
        ({"mix": {"apprt": 1}}, "'apprt' is no kind of scene; did you mean 'apart'"),
        ({"mix": {"apart": -1}}, "'apart' is -1; give a share, 0 or more"),
        ({"mix": {"apart": float("nan")}}, "give a share, 0 or more"),
        ({"mix": {"apart": 0}}, "every share is 0"),
        ({"n": 10**10}, "n: 10000000000; give at most 100,000 scenes"),
        ({"mix": {}}, "give shares of together, apart, decoy, independent"),
        ({"mix": 0.5}, "mix: 0.5; give shares of"),
    ],
)
def test_wrong_arguments(arguments, says):
    with pytest.raises(rh.InputError) as caught:
        rh.landing_sites(**{"n": 3, "seed": 0} | arguments)
    assert says in str(caught.value)


def test_shares_of_any_size():
    same = rh.landing_sites(2, 0, mix={"apart": 1e308, "together": 1e308})
    assert json.loads(same.attrs["mix"]) == {"apart": 0.5, "together": 0.5}
    assert json.loads(rh.landing_sites(2, 0, mix={"apart": 1e308, "decoy": 5e-324}).attrs["mix"]) == {"apart": 1.0}


def test_frames_of_odd_tables():
    table = rh.landing_sites(3, seed=0)
    for odd in (
        table.isel(scene=[]),
        table.drop_vars("scene"),
        table.assign_attrs(mix="x"),
        table.assign_attrs(seed="y"),
    ):
        with pytest.raises(rh.InputError, match="give what landing_sites returned"):
            rh.landing_frame(odd, 0)
    for wrong in (True, 1.5, "0", -1):
        with pytest.raises(rh.InputError, match="scene: "):
            rh.landing_frame(table, wrong)
    assert (rh.landing_frame(table.isel(scene=1), 1) == rh.landing_frame(table, 1)).all()


def test_wrong_frames():
    table = rh.landing_sites(3, seed=0)
    with pytest.raises(rh.InputError, match="scene: 7; give one of 0 to 2"):
        rh.landing_frame(table, 7)
    with pytest.raises(rh.InputError, match="not a table of landing_sites"):
        rh.landing_frame(table.drop_attrs())
    with pytest.raises(rh.InputError, match="changed after the survey"):
        rh.landing_frame(rh.decorrelate(table, ["flags"], seed=1))


def test_without_the_extra_one_sentence_names_it():
    code = (
        "import sys\n"
        "sys.modules['gymnasium'] = None\n"
        "import reward_hypotheses as rh\n"
        "try:\n    rh.landing_sites(3, seed=0)\n"
        "except rh.InputError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1 and "pip install 'reward-hypotheses[lander]'" in done.stdout
