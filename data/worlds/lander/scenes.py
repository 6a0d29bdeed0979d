"""The essay's world: landing sites where red paint and flags coincide in training.

A scene has four candidate sites on the lunar lander's own ground, flat or a crater, painted red or not, between flags
or not. There are seven kinds of scene:

- ``together``: the pad is flat, red and between flags; the other sites are bare. Training.
- ``apart``: the pad is only flagged, and a crater as far away as the pad, or farther, is red. The essay's deployment.
- ``decoy``: the pad is only flagged, and another flat site is red.
- ``independent``: every site is red, flagged and a crater with probability 1/2 each, independently.
- ``faded``: the pad is between flags and its paint has faded; another site is red, with one flag left of two.
- ``varied``: paint is absent, faded or full, there are no flags, one or two, and a site is a crater with probability
  1/2, all independently of one another.
- ``flat``: as ``varied``, without craters.

Bare sites, the red site of ``faded``, and the sites of ``decoy`` that are neither red nor flagged, are craters with
probability 1/2.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.numerics import finite, whole
from reward_hypotheses.data.random_streams import substream

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld, Scene

SITES = 4
FADED = (0.2, 0.6)  # how strong faded paint is
MOST_SCENES = 100_000
TRAINING_MIX: Mapping[str, float] = {"together": 1.0}
SHIFTED_MIX: Mapping[str, float] = {"apart": 1.0}


class MissingExtraError(InputError):
    """An optional extra that is not installed."""


SiteLayout = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Which sites are red (or how red), flagged (1; 1/2 on the right alone, -1/2 on the left alone), craters."""


def _at(*sites: int) -> np.ndarray:
    return np.isin(np.arange(SITES), sites)


def _together(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    pad = int(rng.integers(SITES))
    return _at(pad), _at(pad), bare & ~_at(pad)


def _apart(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    far = int(rng.choice([0, SITES - 1]))
    pad = int(rng.choice(np.flatnonzero(~_at(far))))
    return _at(far), _at(pad), (bare | _at(far)) & ~_at(pad)


def _decoy(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    pad, red = (int(site) for site in rng.permutation(SITES)[:2])
    return _at(red), _at(pad), bare & ~_at(pad, red)


def _independent(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    return rng.random(SITES) < 0.5, rng.random(SITES) < 0.5, bare


def _faded(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    pad, red = (int(site) for site in rng.permutation(SITES)[:2])
    paint, flags = _at(red) * 1.0, _at(pad) * 1.0
    paint[pad] = rng.uniform(*FADED)
    flags[red] = rng.choice([-0.5, 0.5])
    return paint, flags, bare & ~_at(pad)


def _varied(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    paint = rng.choice([0.0, -1.0, 1.0], SITES)
    flags = rng.choice([0.0, -0.5, 1.0], SITES) * np.where(rng.random(SITES) < 0.5, 1, -1)
    return np.where(paint < 0, rng.uniform(*FADED, SITES), paint), np.where(np.abs(flags) == 1, 1.0, flags), bare


def _flat(rng: np.random.Generator, bare: np.ndarray) -> SiteLayout:
    paint, flags, _ = _varied(rng, bare)
    return paint, flags, np.zeros(SITES, bool)


KINDS: Mapping[str, Callable[[np.random.Generator, np.ndarray], SiteLayout]] = {
    "together": _together,
    "apart": _apart,
    "decoy": _decoy,
    "independent": _independent,
    "faded": _faded,
    "varied": _varied,
    "flat": _flat,
}
"""Kinds of scene: given which sites would be craters were they bare, which are red, flagged, craters."""


def landing_sites(n: int, seed: int, shifted: bool = False, *, mix: Mapping[str, float] | None = None) -> "xr.Dataset":
    """Make scenes on Gymnasium's lunar lander and survey their candidate sites.

    Columns of a site are measured: its shape from Box2D's fixtures, paint and flags from the frame that is
    drawn. Scene i depends on the seed, the mix and i alone, so that `landing_frame` can show it.

    Parameters
    ----------
    n : int
        Scenes, at least 1.
    seed : int
        From 0 on; scenes of different seeds are independent.
    shifted : bool
        Red and flags coincide on every site (False), or a faraway crater is red and the pad is only flagged (True).
    mix : dict of str to float, optional
        Shares of the kinds of scene instead, normalised: ``together``, ``apart``, ``decoy``, ``independent``, ``faded``,
        ``varied``, ``flat``.

    Returns
    -------
    Dataset over (scene, option), options from left to right
        bool ``red_paint``, ``flags``; float ``depth`` (positive down), ``slope`` (radians), ``width``, ``distance``
        (horizontal, from the start), in units of Box2D's world; bool ``is_pad``: flat and between flags. Its attrs hold
        seed, mix and Gymnasium's version.

    Raises
    ------
    InputError
        A wrong argument, or the extra ``lander`` is not installed.
    """
    import xarray as xr

    n, seed, shares = whole(n, "landing_sites: n", 1), whole(seed, "landing_sites: seed"), mix_of(shifted, mix)
    if n > MOST_SCENES:
        raise InputError(f"landing_sites: n: {shown(n)}; give at most {MOST_SCENES:,} scenes, which take minutes")
    world = _world()
    surveys = [surveyed(world, scene_of(seed, number, shares)) for number in range(n)]
    columns = {name: (("scene", "option"), np.array([f[name] for f in surveys])) for name in surveys[0]}
    attrs = {"world": "LunarLander", "seed": seed, "mix": json.dumps(shares), "gymnasium": gymnasium_version()}
    return xr.Dataset(columns, coords={"scene": np.arange(n)}, attrs=attrs)


def landing_frame(sites: "xr.Dataset", scene: int = 0) -> np.ndarray:
    """Draw a scene of `landing_sites`, built anew from its seed.

    Parameters
    ----------
    sites : Dataset
        As `landing_sites` made it, or some of its scenes.
    scene : int
        The scene's number, as in its coordinate ``scene``.

    Returns
    -------
    ndarray (400, 600, 3) of uint8
        Red, green, blue; 30 pixels are one unit of the table's lengths.

    Raises
    ------
    InputError
        A table that `landing_sites` did not make or that was changed since, no such scene, or the extra ``lander`` is
        not installed.
    """
    attrs = getattr(sites, "attrs", {})
    if attrs.get("world") != "LunarLander":
        raise InputError("landing_frame: sites: not a table of landing_sites; give what it returned")
    if "shifts" in attrs:
        raise InputError(
            "landing_frame: sites: changed after the survey, so no world looks like it; give the table before"
        )
    if "scene" not in sites.coords or not np.size(sites["scene"].values):
        raise InputError(
            "landing_frame: sites: no coordinate 'scene' that says which scenes they are; give what landing_sites returned"
        )
    numbers = np.atleast_1d(sites["scene"].values).tolist()
    if whole(scene, "landing_frame: scene") not in numbers:
        raise InputError(f"landing_frame: scene: {shown(scene)}; give one of {min(numbers)} to {max(numbers)}")
    try:
        seed, shares = int(attrs["seed"]), mix_of(False, json.loads(attrs["mix"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(
            "landing_frame: sites: its attrs do not say how it was made; give what landing_sites returned"
        ) from None
    return frame_of(seed, int(scene), shares)


def frame_of(seed: int, number: int, shares: Mapping[str, float]) -> np.ndarray:
    """Draw one scene of a seed and a mix: (400, 600, 3) of uint8."""
    world = _world()
    world.reset(options={"scene": scene_of(seed, number, shares)})
    return world.render()


def surveyed(world: "LandingWorld", scene: "Scene") -> dict[str, np.ndarray]:
    """Survey a scene; every scene has four sites to land on."""
    world.reset(options={"scene": scene})
    survey = world.survey()
    if len(survey["depth"]) != SITES:
        raise RuntimeError(f"{len(survey['depth'])} sites in a scene of {SITES}: its ground and its survey disagree")
    return survey


def scene_of(seed: int, number: int, shares: Mapping[str, float]) -> "Scene":
    """Return scene number ``number`` of a seed and a mix.

    Sites lie 5 apart (each moved by up to 0.3), 3 to 3.4 wide and up to 0.03 rad off level, at 0.2 to 0.3 of the
    world's height. The ground 0.4 beyond the ends of a crater is 0.55 to 0.65 above them, beyond those of a flat site
    0.05 to 0.12 above or below.
    """
    from reward_hypotheses.data.worlds.lander.landing_world import WORLD_HEIGHT, WORLD_WIDTH, Scene

    rng = substream(seed, f"landing sites {number}")
    kinds = list(shares)
    kind = kinds[int(rng.choice(len(kinds), p=np.array(list(shares.values()))))]
    red, flags, crater = KINDS[kind](rng, rng.random(SITES) < 0.5)
    middle = WORLD_WIDTH / SITES * (np.arange(SITES) + 0.5) + rng.uniform(-0.3, 0.3, SITES)
    half = rng.uniform(1.5, 1.7, SITES)
    rim = WORLD_HEIGHT * rng.uniform(0.2, 0.3, SITES)
    tilt = half * np.tan(rng.uniform(-0.03, 0.03, SITES))
    lip = rng.uniform(0.05, 0.12, (SITES, 2)) * rng.choice([-1, 1], (SITES, 1))
    wall = np.where(crater[:, None], rng.uniform(0.55, 0.65, (SITES, 2)), lip)
    ground = [(0.0, float(rim[0]))]
    for x, w, top, rise, (left, right) in zip(middle, half, rim, tilt, wall, strict=True):
        floor = top - (left + right) / 2
        ends = (x - w, floor - rise), (x + w, floor + rise)
        ground += [(ends[0][0] - 0.4, ends[0][1] + left), *ends, (ends[1][0] + 0.4, ends[1][1] + right)]
    ground.append((WORLD_WIDTH, float(rim[-1])))
    return Scene(
        ground=tuple((float(x), float(y)) for x, y in ground),
        red=tuple((float(x - w), float(x + w)) for x, w in zip(middle[red > 0], half[red > 0], strict=True)),
        flags=tuple(
            float(x + side * (w - 0.1))
            for x, w, ends in zip(middle, half, flags, strict=True)
            for side in (-1, 1)
            if ends == 1 or ends * side > 0
        ),
        seed=int(rng.integers(2**31)),
        levels=() if red.dtype == bool else tuple(red[red > 0].tolist()),
    )


def mix_of(shifted: bool, mix: Any) -> dict[str, float]:
    """Return the shares of the kinds of scene, adding up to 1."""
    if not isinstance(shifted, bool):
        raise InputError(f"landing_sites: shifted: {shown(shifted)}; give true or false")
    if mix is None:
        return dict(SHIFTED_MIX if shifted else TRAINING_MIX)
    if not isinstance(mix, Mapping) or not mix:
        raise InputError(f"landing_sites: mix: {shown(mix)}; give shares of {', '.join(KINDS)}")
    for name, share in mix.items():
        if name not in KINDS:
            raise InputError(f"landing_sites: mix: {shown(name)} is no kind of scene; {suggestion(str(name), KINDS)}")
        number = finite(share)
        if number is None or number < 0:
            raise InputError(f"landing_sites: mix: {name!r} is {shown(share)}; give a share, 0 or more")
    most = max(float(share) for share in mix.values())
    if not most > 0:
        raise InputError("landing_sites: mix: every share is 0; at least one must be positive")
    parts = {name: float(share) / most for name, share in mix.items() if float(share) / most > 0}
    return {name: part / sum(parts.values()) for name, part in parts.items()}


def gymnasium_version() -> str:
    """Return the version of Gymnasium that made the ground."""
    from importlib.metadata import version

    return version("gymnasium")


@cache
def _world() -> "LandingWorld":
    """Return the world, reset for each scene.

    Raises InputError where the extra is not installed.
    """
    try:
        from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld
    except ImportError:
        raise MissingExtraError(
            "landing_sites needs Gymnasium's lunar lander; install the extra, pip install 'reward-hypotheses[lander]'"
        ) from None
    return LandingWorld()
