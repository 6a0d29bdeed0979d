"""How well and how fast the lander is flown: ``python tests/bench/flying.py [FLIGHTS]``, one line of JSON a wind."""

import json
import sys
import time

from reward_hypotheses.data.worlds.lander.autopilot import fly
from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld
from reward_hypotheses.data.worlds.lander.scenes import scene_of

WINDS = (0.0, 10.0, 15.0, 20.0)


def main(many: int, winds: tuple[float, ...]) -> None:
    """Fly, to every site of scenes of all kinds, craters included; seconds are of the processor."""
    for wind in winds:
        world = LandingWorld(enable_wind=wind > 0, wind_power=wind)
        start = time.process_time()
        on = clean = 0
        for k in range(many):
            kind = ("independent", "varied", "apart", "faded", "together")[k % 5]
            site = k // 5 % 4
            flight = fly(world, scene_of(2026, k // 20, {kind: 1.0}), site)
            on += flight.site == site
            clean += flight.site == site and flight.clean
        seconds = time.process_time() - start
        found = {
            "wind": wind,
            "flights": many,
            "on_target": on / many,
            "clean": clean / many,
            "a_second": many / seconds,
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    main(many, WINDS if len(sys.argv) < 3 else tuple(float(w) for w in sys.argv[2:]))
