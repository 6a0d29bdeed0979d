"""A bank of flights in files, and the processes that fly them.

A flight depends on its scene and its site alone, so its outcome is kept under ``(kind, seed, number, site)`` and shared
by every agent that would land there. Batches are written completely: aside, flushed to disk, renamed. A killed process
loses its current batch only, and asking for the lost flights again leaves identical files.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes
from reward_hypotheses.data.worlds.adam import npz_of
from reward_hypotheses.data.worlds.lander.autopilot import Flight, fly
from reward_hypotheses.data.worlds.lander.scenes import scene_of

Key = tuple[str, int, int, int]
"""Kind of scene, seed, number of the scene, site."""
FLIGHTS_A_BATCH = 120
LOOKS = 25


class Pilots:
    """Processes that fly, one for each core; they end with this process."""

    def __init__(self, many: int | None = None) -> None:
        self.many = many or len(
            os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        )
        self._running: list[subprocess.Popen[str]] = []
        self._threads = ThreadPoolExecutor(self.many)

    def __enter__(self) -> "Pilots":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            assert process.stdin is not None and process.stdout is not None
            process.kill()  # it holds nothing
            process.wait()
            process.stdout.close()
            with suppress(BrokenPipeError):
                process.stdin.close()
        self._running = []
        self._threads.shutdown()

    def fly(self, keys: Sequence[Key]) -> list[Flight]:
        """Return the flights of given keys, divided among the processes."""
        flights: list[Flight | None] = [None] * len(keys)
        for k, answer in enumerate(self._ask([{"fly": keys[k :: self.many]} for k in range(self.many)])):
            flights[k :: self.many] = [Flight(site, bool(hull), steps) for site, hull, steps in answer["flights"]]
        return [flight for flight in flights if flight is not None]

    def look(self, kind: str, seed: int, n: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Survey scenes, and return the columns and an agent's observations.

        Columns (scene, site) by degrees, and crops (scene, site, row, column, color).
        """
        parts: list[dict[str, np.ndarray]] = []
        chunks = [list(range(lo, min(lo + LOOKS, n))) for lo in range(0, n, LOOKS)]
        for lo in range(0, len(chunks), self.many):
            some = chunks[lo : lo + self.many]
            for answer in self._ask([{"look": [kind, seed, numbers]} for numbers in some]):
                with np.load(io.BytesIO(base64.b64decode(answer["arrays"]))) as arrays:
                    parts.append({name: arrays[name] for name in arrays.files})
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return columns, columns.pop("crops")

    def _ask(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        while len(self._running) < len(requests):
            self._running.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-c",
                        "from reward_hypotheses.data.worlds.lander.flight_bank import serve; serve()",
                    ],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "SDL_VIDEODRIVER": "dummy"},
                )
            )
        return list(self._threads.map(_answered, self._running, requests))


def _answered(process: "subprocess.Popen[str]", request: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise RuntimeError(f"a process that flies ended with exit code {process.wait()}; its message is on stderr")
    return json.loads(line)


def serve() -> None:
    """Answer requests, one a line of JSON on stdin, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    from reward_hypotheses.data.worlds.lander.agents import crops_of
    from reward_hypotheses.data.worlds.lander.landing_world import LandingWorld

    world = LandingWorld()
    for line in sys.stdin:
        request = json.loads(line)
        if "fly" in request:
            flown = [
                fly(world, scene_of(seed, number, {kind: 1.0}), site) for kind, seed, number, site in request["fly"]
            ]
            answer: dict[str, Any] = {"flights": [[flight.site, int(flight.hull), flight.steps] for flight in flown]}
        else:
            kind, seed, numbers = request["look"]
            rows = []
            for number in numbers:
                world.reset(options={"scene": scene_of(seed, number, {kind: 1.0})})
                row = world.graded()
                rows.append(row | {"crops": crops_of(world.render(), row["middle"], row["floor"])})
            arrays = npz_of({name: np.array([row[name] for row in rows]) for name in rows[0]})
            answer = {"arrays": base64.b64encode(arrays).decode()}
        answers.write(json.dumps(answer) + "\n")
        try:
            answers.flush()
        except BrokenPipeError:  # whoever asked has gone
            os._exit(0)


class Bank:
    """Flights that have been flown, in a folder of batches.

    Each batch is a file named by its content.

    Parameters
    ----------
    folder : Path
        The first batch creates it.

    Raises
    ------
    InputError
        A file in the folder that is no batch.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._flights: dict[Key, Flight] = {}
        for path in sorted(folder.glob("*.json")):
            self._flights |= _read(path)

    def __len__(self) -> int:
        return len(self._flights)

    def __getitem__(self, key: Key) -> Flight:
        return self._flights[key]

    def items(self) -> Iterable[tuple[Key, Flight]]:
        """Return every flight with its key, in order."""
        return sorted(self._flights.items())

    def fly(self, keys: Iterable[Key], pilots: Pilots, progress: Callable[[str], None] = lambda _: None) -> None:
        """Fly the flights that are not in the bank yet, batch by batch."""
        wanted = [key for key in dict.fromkeys(keys) if key not in self._flights]
        progress(f"flying {len(wanted)} flights")
        for lo in tracked(range(0, len(wanted), FLIGHTS_A_BATCH)):
            some = wanted[lo : lo + FLIGHTS_A_BATCH]
            flown = dict(zip(some, pilots.fly(some), strict=True))
            rows = [[*key, flight.site, int(flight.hull), flight.steps] for key, flight in flown.items()]
            text = json.dumps({"columns": BATCH_COLUMNS, "flights": rows}) + "\n"
            name = hashlib.sha256(json.dumps(some).encode()).hexdigest()[:16]
            write_whole(self.folder / f"{name}.json", text.encode())
            self._flights |= flown

    def checked(self, many: int, rng: np.random.Generator, pilots: Pilots) -> int:
        """Repeat some flights of the bank, and return how many ended differently."""
        keys = [key for key, _ in self.items()]
        some = [keys[int(k)] for k in rng.permutation(len(keys))[:many]]
        return sum(flight != self._flights[key] for key, flight in zip(some, pilots.fly(some), strict=True))


BATCH_COLUMNS = ["kind", "seed", "number", "site", "landed_on", "hull", "steps"]


def _read(path: Path) -> Mapping[Key, Flight]:
    try:
        batch = json_of(read_bytes(path, str(path), "a batch of flights"))
        rows = batch["flights"]
        return {(str(r[0]), int(r[1]), int(r[2]), int(r[3])): Flight(int(r[4]), bool(r[5]), int(r[6])) for r in rows}
    except (ValueError, KeyError, IndexError, TypeError):
        raise InputError(f"{path}: no batch of flights; give a folder that this tool wrote") from None
