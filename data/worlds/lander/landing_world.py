"""Gymnasium's lunar lander over given ground, and a survey of the sites.

The ground has candidate sites, red paint and flags. Lengths are in the units of Box2D's world, which is 20 wide and
13.33 high; 30 pixels of a frame are one unit. Nothing here knows how a scene was made: `LandingWorld.survey` reads the
ground from the fixtures that the lander would touch, and paint and flags from the frame that an agent would see. Needs
the extra ``lander`` (``gymnasium[box2d]``).
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

with warnings.catch_warnings():  # what SWIG left in Box2D's bindings
    warnings.filterwarnings(
        "ignore",
        message="builtin type (SwigPyPacked|SwigPyObject|swigvarlink) has no __module__ attribute",
        category=DeprecationWarning,
    )
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # stdout is for results
    import pygame
    from Box2D.b2 import edgeShape
    from gymnasium.envs.box2d.lunar_lander import SCALE, VIEWPORT_H, VIEWPORT_W, LunarLander

from reward_hypotheses.data.worlds.lander import CRATER_DEPTH

WORLD_WIDTH, WORLD_HEIGHT = VIEWPORT_W / SCALE, VIEWPORT_H / SCALE
RED, YELLOW, WHITE = (214, 40, 40), (204, 204, 0), (255, 255, 255)
PAINT_DEPTH = 0.45
POLE, CLOTH = 50, (25, 10)  # pixels
LEVEL_SLOPE = 0.1  # radians: the lander stands on ground less steep
LEVEL_WIDTH = 2.0  # width that its legs need
RIM = 0.4  # how far beyond a level stretch its rim is measured
SiteRow = dict[str, float]


@dataclass(frozen=True)
class Scene:
    """Ground, paint and flags of a scene.

    Attributes
    ----------
    ground : tuple of (float, float)
        The surface from left to right.
    red : tuple of (float, float)
        Painted stretches, from x to x.
    flags : tuple of float
        Positions of the flags.
    seed : int
        Of the lander's first push.
    levels : tuple of float
        Strength of the paint of each stretch, from 0 (bare) to 1. Default: 1.
    """

    ground: tuple[tuple[float, float], ...]
    red: tuple[tuple[float, float], ...]
    flags: tuple[float, ...]
    seed: int
    levels: tuple[float, ...] = ()


class LandingWorld(LunarLander):
    """The lunar lander over a scene's ground: ``reset(options={"scene": scene})``.

    Its physics, observations and reward are Gymnasium's; only the ground, the drawing on it, and the shipped flags
    (which are gone) differ. Position and velocity are ``x = 10 (o_0 + 1)``, ``y = 6.667 o_1``, ``5 o_2``, ``7.5 o_3``.
    """

    def __init__(self, continuous: bool = True, **options: Any) -> None:
        super().__init__(render_mode="rgb_array", continuous=continuous, **options)
        self.scene: Scene | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Put the lander over a scene, ``options["scene"]``.

        Without a seed it is pushed as the scene's own seed has it.
        """
        self.scene = scene = options["scene"] if options else self.scene
        if scene is None:
            raise ValueError('reset() needs options={"scene": Scene(...)} the first time')
        super().reset(seed=scene.seed if seed is None else seed)
        self.world.DestroyBody(self.moon)
        moon: Any = self.world.CreateStaticBody(shapes=edgeShape(vertices=[(0, 0), (WORLD_WIDTH, 0)]))
        self.moon = moon
        for left, right in zip(scene.ground, scene.ground[1:], strict=False):
            moon.CreateEdgeFixture(vertices=[left, right], density=0, friction=0.5)
        self.helipad_x1 = self.helipad_x2 = -100.0  # the shipped flags, out of sight
        self.helipad_y = 0.0  # observed heights are above 0
        return self.step(np.zeros(2) if self.continuous else 0)[0], {}

    def ground(self) -> np.ndarray:
        """Return the surface (vertex, 2) from left to right, as the fixtures have it now."""
        moon: Any = self.moon
        edges = np.array([sorted(fixture.shape.vertices) for fixture in moon.fixtures])
        edges = edges[(edges[:, :, 1] != 0).any(axis=1)]  # the floor of the world lies under everything
        points = edges[np.argsort(edges[:, :, 0].mean(axis=1), kind="stable")].reshape(-1, 2)
        return points[np.concatenate([[True], (np.diff(points, axis=0) != 0).any(axis=1)])]

    def render(self) -> np.ndarray:
        """Draw the frame: (400, 600, 3) of uint8.

        The ground as the fixtures have it, then paint and flags upon it.
        """
        return np.ascontiguousarray(self.drawn(self.ground()))

    def drawn(self, ground: np.ndarray) -> np.ndarray:
        """Draw the frame over a surface (vertex, 2).

        Returns a view of its pixels: (400, 600, 3) of uint8.
        """
        assert self.scene is not None
        pairs = [(tuple(a), tuple(b)) for a, b in zip(ground, ground[1:], strict=False)]
        self.sky_polys = [[a, b, (b[0], WORLD_HEIGHT), (a[0], WORLD_HEIGHT)] for a, b in pairs]
        self.render_mode = "surface"  # which Gymnasium draws without a copy
        super().render()
        self.render_mode = "rgb_array"
        levels = self.scene.levels or (1.0,) * len(self.scene.red)
        for (left, right), strength in zip(self.scene.red, levels, strict=True):
            inner = ground[(ground[:, 0] > left) & (ground[:, 0] < right)]
            xs = np.array([left, *inner[:, 0], right])
            ys = np.interp(xs, *ground.T)
            outline = [*zip(xs, ys, strict=True), *zip(xs[::-1], ys[::-1] - PAINT_DEPTH, strict=True)]
            pygame.draw.polygon(self.surf, _faded(strength), [pixel(x, y) for x, y in outline])
        for x in self.scene.flags:
            at, foot = pixel(x, float(np.interp(x, *ground.T)))
            pygame.draw.line(self.surf, WHITE, (at, foot), (at, foot - POLE))
            top = foot - POLE
            pygame.draw.polygon(
                self.surf, YELLOW, [(at, top), (at, top + CLOTH[1]), (at + CLOTH[0], top + CLOTH[1] / 2)]
            )
        return np.asarray(pygame.surfarray.pixels3d(self.surf)).transpose(1, 0, 2)

    def graded(self) -> dict[str, np.ndarray]:
        """Survey the candidate sites by degrees: columns (site,).

        ``red`` is the strength of the paint in the frame just below the surface, from 0 (bare) to 1; ``flags`` the
        share of the two ends at which a cloth shows; ``depth``, ``distance`` and the choice of sites as in `survey`;
        ``middle`` the position of the site, and ``floor`` its height.
        """

        def site(frame: np.ndarray, left: np.ndarray, right: np.ndarray, depth: float, distance: float) -> SiteRow:
            below = [_cut(frame, x - 0.1, x + 0.1, y - 0.35, y - 0.1) for x, y in _along(left, right)]
            green = np.mean([pixels[..., 1].mean() for pixels in below])
            return {
                "red": float(np.clip((255 - green) / (255 - RED[1]), 0, 1)),
                "flags": sum(_cloth(frame, x, y) for x, y in (left, right)) / 2,
                "depth": depth,
                "distance": distance,
                "middle": float((left[0] + right[0]) / 2),
                "floor": float((left[1] + right[1]) / 2),
            }

        return self._surveyed(site)

    def survey(self) -> dict[str, np.ndarray]:
        """Survey the candidate sites, from left to right: columns (site,).

        A site is a level stretch of ground (less than 0.1 rad) with room for the lander (2 units); its ``depth`` is how
        far its ends lie below the ground 0.4 beyond them, on average; ``distance`` is horizontal, from the lander to
        the middle. It is ``red_paint`` where most of the ground just below its surface shows red in the frame, ``flags``
        where a cloth shows above both of its ends, and ``is_pad`` between flags and not a crater (depth below 0.3).
        """

        def site(frame: np.ndarray, left: np.ndarray, right: np.ndarray, depth: float, distance: float) -> SiteRow:
            flags = all(_cloth(frame, x, y) for x, y in (left, right))
            paint = [_shows(frame, x - 0.1, x + 0.1, y - 0.35, y - 0.1, RED).mean() for x, y in _along(left, right)]
            across, up = right - left
            return {
                "red_paint": float(np.mean(paint)) > 0.5,
                "flags": flags,
                "depth": depth,
                "slope": float(abs(np.arctan2(up, across))),
                "width": float(across),
                "distance": distance,
                "is_pad": flags and depth < CRATER_DEPTH,
            }

        return self._surveyed(site)

    def _surveyed(self, site: Callable[..., SiteRow]) -> dict[str, np.ndarray]:
        """Return columns (site,) of the sites' rows.

        Parameters
        ----------
        site : callable
            Maps the frame, the site's ends, its depth and its distance to its row.
        """
        ground, lander = self.ground(), self.lander
        frame = self.drawn(ground)
        assert lander is not None
        rows = []
        for left, right in level(ground):
            (x1, y1), (x2, y2) = left, right
            depth = float(np.interp([x1 - RIM, x2 + RIM], *ground.T).mean() - (y1 + y2) / 2)
            distance = float(abs((x1 + x2) / 2 - lander.position.x))
            rows.append(site(frame, left, right, depth, distance))
        return {name: np.array([row[name] for row in rows]) for name in rows[0]} if rows else {}


def level(ground: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return level stretches with room for the lander.

    Neighbouring edges of one slope are one stretch.
    """
    slope = np.arctan2(np.diff(ground[:, 1]), np.diff(ground[:, 0]))
    turns = np.flatnonzero(np.abs(np.diff(slope)) > 1e-4) + 1
    ends = np.concatenate([[0], turns, [len(ground) - 1]])
    stretches = [(ground[a], ground[b], slope[a]) for a, b in zip(ends, ends[1:], strict=False)]
    return [(left, right) for left, right, s in stretches if abs(s) < LEVEL_SLOPE and right[0] - left[0] >= LEVEL_WIDTH]


def _along(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return points of a stretch, well inside its ends."""
    return left + (right - left) * np.linspace(0.1, 0.9, 9)[:, None]


def pixel(x: float, y: float) -> tuple[int, int]:
    """Return the pixel of a place in the world: across, down."""
    return round(x * SCALE), round(VIEWPORT_H - y * SCALE)


def _faded(strength: float) -> tuple[int, int, int]:
    """Return the colour of paint, from white to red."""
    r, g, b = (round(255 + strength * (full - 255)) for full in RED)
    return r, g, b


def _cloth(frame: np.ndarray, x: float, y: float) -> bool:
    """Return whether a cloth shows above a place."""
    return bool(_shows(frame, x - 0.3, x + 0.6, y + 1.2, y + 1.8, YELLOW).any())


def _shows(frame: np.ndarray, x1: float, x2: float, y1: float, y2: float, color: tuple[int, int, int]) -> np.ndarray:
    """Return which pixels of a box of the world show a colour."""
    return (_cut(frame, x1, x2, y1, y2) == color).all(axis=-1)


def _cut(frame: np.ndarray, x1: float, x2: float, y1: float, y2: float) -> np.ndarray:
    """Return the pixels of a box of the world."""
    (left, bottom), (right, top) = pixel(x1, y1), pixel(x2, y2)
    return frame[max(top, 0) : max(bottom, 0) + 1, max(left, 0) : max(right, 0) + 1]
