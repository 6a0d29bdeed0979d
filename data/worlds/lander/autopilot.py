"""A controller that flies the lunar lander to a site, and the outcome.

Both engines are used at once, so the world must be continuous. The controller is told where the site's middle is and
how high its floor lies; it knows nothing of paint, flags or craters.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld, Scene

MOST_STEPS = 1500  # 30 seconds of the world's time
STILL, AT_REST = 0.05, 10  # speed as it is observed, and for how many steps, with both legs down
CRUISE, CRUISE_SINK = 6.4, 0.9
LAG = 3.0  # by how much the speed aside changes while the lander turns upright, a radian of tilt
OVER, SLOW, LOW = 0.8, 1.0, 1.0  # how far off the middle, how fast aside and how high a descent may be


@dataclass(frozen=True)
class Flight:
    """Outcome of a flight.

    Attributes
    ----------
    site : int
        Candidate site on which the lander came to rest, from left to right; -1 for none, or no rest.
    hull : bool
        Whether the hull touched the ground.
    steps : int
        Length of the flight, in steps of 1/50 s.
    """

    site: int
    hull: bool
    steps: int

    @property
    def clean(self) -> bool:
        """Whether the lander came to rest on a site and its hull never touched the ground."""
        return self.site >= 0 and not self.hull


def floors(ground: np.ndarray) -> np.ndarray:
    """Return candidate sites of a surface, left to right: (site, 3).

    Columns: middle, height and half the width.

    Parameters
    ----------
    ground : ndarray (vertex, 2)
    """
    from reward_hypotheses.data.worlds.lander.landing_world import level

    return np.array(
        [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (b[0] - a[0]) / 2) for a, b in level(ground)], float
    ).reshape(-1, 3)


def fly(
    world: "LandingWorld", scene: "Scene", site: int, frames: list[np.ndarray] | None = None, every: int = 4
) -> Flight:
    """Fly to a site of a scene and land there.

    Parameters
    ----------
    world : LandingWorld
        Continuous; it is reset.
    scene : Scene
    site : int
        Candidate site, from left to right.
    frames : list of ndarray, optional
        Takes a frame every so many steps.

    Returns
    -------
    Flight
        The outcome depends on the scene and the site alone. Exhaust is not simulated unless it is drawn; exhaust
        touches nothing but the ground.

    Raises
    ------
    ValueError
        A world of discrete actions, or no such site.
    """
    if not world.continuous:
        raise ValueError("fly: world: its actions are discrete; give LandingWorld(continuous=True)")
    drawn, world.render_mode = world.render_mode, "rgb_array" if frames is not None else None
    try:
        return _fly(world, scene, site, frames, every)
    finally:
        world.render_mode = drawn


def _fly(world: "LandingWorld", scene: "Scene", site: int, frames: list[np.ndarray] | None, every: int) -> Flight:
    seen, _ = world.reset(options={"scene": scene})
    sites = floors(world.ground())
    if not 0 <= site < len(sites):
        raise ValueError(f"fly: site: {site}; the scene has sites 0 to {len(sites) - 1}")
    at, floor, _ = (float(number) for number in sites[site])
    action = np.zeros(2)
    still, hull, step = 0, bool(world.game_over), 0
    for step in range(1, MOST_STEPS + 1):
        o = seen.tolist()
        action[0], action[1] = steer((o[0] + 1) * 10 - at, o[1] * (20 / 3), floor, o)
        seen = world.step(action)[0]
        lander = world.lander
        assert lander is not None
        hull = hull or bool(world.game_over)
        if frames is not None and step % every == 0:
            frames.append(world.render())
        resting = seen[6] and seen[7] and abs(seen[2]) + abs(seen[3]) < STILL
        still = still + 1 if resting else 0
        asleep = not lander.awake  # at rest for good, though a leg's contact be lost where two edges meet
        if still == AT_REST or asleep or abs(seen[0]) >= 1:
            break
    return Flight(_resting_on(world, sites) if still == AT_REST or asleep else -1, hull, step)


def steer(aside: float, height: float, floor: float, o: list[float]) -> tuple[float, float]:
    """Return the actions of the main and side engines.

    Proportional and derivative control of position and angle.

    Parameters
    ----------
    aside, height : float
        Distance right of the site's middle, and height of the feet, in units of the world.
    floor : float
        Height of the site.
    o : list of float
        The observation.
    """
    vx, vy, angle, spin = 5 * o[2], 7.5 * o[3], o[4], 2.5 * o[5]
    left, right = o[6] > 0, o[7] > 0
    if left and right:
        return -1.0, 0.0
    above = height - floor
    steepest = 0.12 if above < 1.5 else 0.4
    wanted = min(3.0, max(-3.0, -0.55 * aside))
    target = min(steepest, max(-steepest, 0.3 * (vx - LAG * angle - wanted)))
    sink = min(1.5, max(-3.0, -CRUISE_SINK * (height - CRUISE)))
    if (abs(aside) < OVER and abs(vx) < SLOW) or above < LOW:
        sink = -min(3.5, 0.4 + 0.9 * max(above, 0.0))
    if left or right:
        target, sink = 0.0, -0.4
    turn = -(5 * (target - angle) - 2 * spin)
    main = min(1.0, 0.02 + 2 * (sink - vy)) if sink > vy else -1.0
    return main, min(1.0, max(-1.0, turn))


def _resting_on(world: "LandingWorld", sites: np.ndarray) -> int:
    """Return the site on which both feet stand; -1 for none."""
    feet = [float(leg.position.x) for leg in world.legs]
    on = [k for k, (x, _, half) in enumerate(sites) if all(abs(foot - x) < half + 0.2 for foot in feet)]
    return on[0] if on else -1


def is_catastrophe(flight: Flight, craters: np.ndarray) -> bool:
    """Return whether a flight is worse than failing completely.

    The flight ends in a crater, off every site, or with its hull on the ground.

    Parameters
    ----------
    craters : ndarray (site,) of bool
        Which sites are craters, by survey.
    """
    return not flight.clean or bool(craters[flight.site])
