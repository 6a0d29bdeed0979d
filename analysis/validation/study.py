"""Predicted against measured catastrophes, in any world: agents are trained, read, predicted, then let act and counted."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.analysis.validation import predict as foretelling
from reward_hypotheses.analysis.validation.predict import PROB, Read, World, interval
from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.file_bytes import json_of, read_bytes
from reward_hypotheses.data.worlds.episodes import starts

Document = dict[str, Any]
TELLING = 30
"""Telling scenes that a second population is trained with, beside the others."""
CHANGED = "not what this study predicts, so it was changed or made by another version; give another folder"
MOST_AGENTS, MOST_SCENES = 1000, 10_000


def settings_of(study: str, agents: int, scenes: int, seed: int, **versions: str) -> Document:
    """Check what a study is of.

    Raises
    ------
    InputError
        A wrong number.
    """
    agents, scenes = whole(agents, "agents", 2), whole(scenes, "scenes", 10)
    seed = whole(seed, "seed")
    for name, given, most in (("agents", agents, MOST_AGENTS), ("scenes", scenes, MOST_SCENES)):
        if given > most:
            raise InputError(f"{name}: {shown(given)}; give at most {most:,}")
    return {"study": study, "agents": agents, "scenes": scenes, "seed": seed} | versions


def study_of(world: World, settings: Mapping[str, Any], out: Path, said: Callable[[str], None]) -> Document:
    """Predict and measure in any world: ``settings`` hold ``agents`` and ``seed``, and are written into the document.

    Writes ``agents/``, ``prediction.json`` with its digest, ``scatter.png``, ``results.sha256`` and, last, ``results.json``.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # products divided among threads are rounded otherwise, and training makes much of that
        document = _Study(world, settings["agents"], settings["seed"], out, said).document(settings)
    said("drawing")
    write_whole(out / "scatter.png", _scatter(document))
    data = _bytes(document)
    write_whole(out / "results.sha256", f"{hashlib.sha256(data).hexdigest()}  results.json\n".encode())
    write_whole(out / "results.json", data)
    return document


class _Study:
    """One study, step by step."""

    def __init__(self, world: World, agents: int, seed: int, out: Path, said: Callable[[str], None]) -> None:
        self.world, self.seed, self.out, self.said = world, seed, out, said
        self.names = [str(k) for k in range(agents)]
        self.told = [f"told {name}" for name in self.names]
        self.slip = np.zeros(0)

    def document(self, settings: Mapping[str, Any]) -> Document:
        """Run it."""
        world, tests = self.world, self.world.tests
        seeds = {name: int(substream(self.seed, f"agent {name}").integers(2**31)) for name in self.names}
        history = self._trained(seeds, telling=False)
        failed, flown = world.slips()
        self.slip = substream(self.seed, "slips").beta(failed + 0.5, flown - failed + 0.5, foretelling.DRAWS)
        reads = self._read("probes")
        prediction = self._predicted(reads)
        digest = self._committed(prediction)
        # from here on tests are carried out
        rows, foil = prediction["agents"], prediction["foil"]
        counts = self._measured(rows + foil, self.names)
        ordinary = self._compared(prediction["ordinary"], self.names)
        blind = self._compared(prediction["probes_without"].pop("agents"), self.names)
        self._trained(dict(zip(self.told, seeds.values(), strict=True)), telling=True)
        telling = self._told(prediction["telling"])
        self.said("checking outcomes against fresh ones")
        controller = world.controller(substream(self.seed, "bank"))
        total = sum(c for c, _ in counts.values())
        n = sum(m for _, m in counts.values())
        return {
            "settings": dict(settings),
            "predicted": prediction["population"],
            "measured": self._counted(total, n),
            "agents": rows,
            "coverage": foretelling.covered(rows),
            "error": foretelling.missed(rows),
            "shifts": {
                test: {
                    "predicted": prediction["shifts"][test],
                    "measured": self._counted(*counts[test]),
                    **_scores([r for r in rows if r["shift"] == test]),
                    "shift_check": prediction["shift_checks"][test],
                }
                for test in tests
            },
            "foil": {**_scores(foil), "agents": foil, "rules": dict(world.rules)},
            "ordinary": {"shift_check": prediction["shift_checks"]["ordinary"], **ordinary},
            "telling": telling,
            "probes_without": prediction["probes_without"] | blind,
            "readings": prediction["readings"],
            "misfits": sum(not r["fits"] for r in prediction["readings"]),
            "warnings": prediction["warnings"] + self._changed(controller),
            "training": {
                "scenes": len(starts(world.scenes("training"))),
                "reward": float(np.mean([h[-50:].mean() for h in history.values()])),
            },
            "probes": len(starts(world.scenes("probes"))),
            "interval": PROB,
            "controller": controller,
            "digest": digest,
        }

    def _trained(self, seeds: Mapping[str, int], telling: bool) -> dict[str, np.ndarray]:
        history = self.world.train(seeds, telling)
        for name in seeds:
            write_whole(self.out / "agents" / f"{name.replace(' ', '-')}.npz", self.world.saved(name))
        return history

    def _read(self, probes: str) -> dict[str, Read]:
        world = self.world
        features = world.features
        units = np.concatenate(
            [
                foretelling.featured(world.scenes(w), features).reshape(-1, len(features))
                for w in ("probes", *world.tests)
            ]
        )
        reads = {}
        for k, name in enumerate(self.names):
            self.said(f"reading agent {name} off its choices in {probes}")
            steps = world.steps(name, probes)
            reads[name] = foretelling.read(world, world.scenes(probes), steps, units.std(axis=0), self.seed + k)
        return reads

    def _predicted(self, reads: Mapping[str, Read]) -> Document:
        """What is written before any test is flown."""
        world = self.world
        warnings = foretelling.refuse_misfits(reads)
        blind = self._read("probes without")
        rows: list[Document] = []
        foil: list[Document] = []
        without: list[Document] = []
        ordinary: list[Document] = []
        draws: dict[str, list[np.ndarray]] = {}
        for name in self.names:
            self.said(f"predicting agent {name}")
            for test in (*world.tests, "ordinary"):
                scenes = world.scenes(test)
                bad = scenes[world.bad].to_numpy() > 0
                rng = substream(self.seed, f"prediction {name} {test}")
                drawn = foretelling.foretold(reads[name].chances(scenes), scenes, bad, self.slip, rng)
                draws.setdefault(test, []).append(drawn)
                (ordinary if test == "ordinary" else rows).append(
                    self._row(name, test, drawn) | {"fits": reads[name].fits}
                )
                if test != "ordinary":
                    foil.append(self._row(name, test, foretelling.by_rules(world, reads[name], scenes, self.slip, rng)))
                    alone = foretelling.foretold(blind[name].chances(scenes), scenes, bad, self.slip, rng)
                    without.append(self._row(name, test, alone))
        alike = foretelling.shared([reads[name] for name in self.names])
        together = {}
        for test in world.tests:
            rng = substream(self.seed, f"population {test}")
            together[test] = foretelling.population(draws[test], alike, len(starts(world.scenes(test))), rng)
        checks = {}
        for test in (*world.tests, "ordinary"):
            found = foretelling.shift_of(world, world.scenes("training"), world.scenes(test), self.seed)
            words = "a shift" if found.shifted else "ordinary generalisation"
            checks[test] = {"shifted": found.shifted, "p": found.p, "words": words}
        unprobed = sorted({one for r in blind.values() for one in r.unprobed})
        return {
            "population": interval(np.mean(list(together.values()), axis=0)),
            "shifts": {test: interval(drawn) for test, drawn in together.items()},
            "shared": alike,
            "agents": rows,
            "foil": foil,
            "ordinary": ordinary,
            "probes_without": {
                "agents": without,
                "unprobed": unprobed,
                "width": float(np.mean([r["upper"] - r["lower"] for r in without])),
                "width_with": float(np.mean([r["upper"] - r["lower"] for r in rows])),
            },
            "telling": self._foretold_telling(reads),
            "shift_checks": checks,
            "readings": [
                {
                    "agent": int(name),
                    "mixture": reads[name].mixture,
                    "rules": dict(reads[name].rules),
                    "p": dict(reads[name].p),
                    "fits": reads[name].fits,
                }
                for name in self.names
            ],
            "warnings": warnings,
        }

    def _row(self, name: str, test: str, drawn: np.ndarray) -> Document:
        found = interval(drawn)
        return {
            "agent": int(name),
            "shift": test,
            "predicted": found["mean"],
            "lower": found["lower"],
            "upper": found["upper"],
        }

    def _foretold_telling(self, reads: Mapping[str, Read]) -> Document:
        """Predict a population that is yet to be trained, with telling scenes too.

        What an agent will go by is taken to be distributed as in the population that was read, given that it chooses
        right in the telling scenes: draws of weights are weighted by ``prod_m p_w(right in m)``.
        """
        world = self.world
        scenes = world.scenes("telling")
        step = max(1, len(self.names) // 8)
        weights = np.concatenate([foretelling.thinned(r.weights[::step], scenes) for r in reads.values()])
        features = next(iter(reads.values())).features
        log = foretelling.log_right(weights, features, scenes, world.right("telling"))
        mass = np.exp(log - log.max())
        rng = substream(self.seed, "telling")
        out = {}
        for test in world.tests:
            table = world.scenes(test)
            bad = table[world.bad].to_numpy() > 0
            phi = foretelling.featured(table, features)
            rates = []
            for _ in self.names:
                taken = weights[rng.choice(len(weights), 250, p=mass / mass.sum())]
                rates.append(foretelling.foretold(foretelling.chances(taken, phi), table, bad, self.slip, rng))
            out[test] = interval(np.mean(rates, axis=0))
        return {"scenes": len(starts(scenes)), "predicted": out}

    def _committed(self, prediction: Document) -> str:
        """Write the prediction and its digest, or hold it against what was written before; the digest."""
        data = _bytes(prediction)
        digest = hashlib.sha256(data).hexdigest()
        path = self.out / "prediction.json"
        if path.exists():
            if _held(path) != data:
                raise InputError(f"{path}: {CHANGED}")
        else:
            self.said("writing the prediction")
            write_whole(path, data)
        write_whole(self.out / "prediction.sha256", f"{digest}  prediction.json\n".encode())
        return digest

    def _measured(self, rows: list[Document], names: list[str]) -> dict[str, tuple[int, int]]:
        """Fly what the rows are about, and put what was measured into them: (catastrophes, flights) by test."""
        counts = {}
        for test in dict.fromkeys(str(row["shift"]) for row in rows):
            found = self.world.catastrophes(test, names)
            counts[test] = int(found.sum()), found.size
            for row in rows:
                if row["shift"] == test:
                    row["measured"] = float(found[row["agent"]].mean())
        return counts

    def _compared(self, rows: list[Document], names: list[str]) -> Document:
        counts = self._measured(rows, names)
        n = sum(many for _, many in counts.values())
        catastrophes = sum(c for c, _ in counts.values())
        return {
            "predicted": {"mean": float(np.mean([r["predicted"] for r in rows]))},
            "measured": self._counted(catastrophes, n),
            **_scores(rows),
            "agents": rows,
        }

    def _told(self, foretold: Document) -> Document:
        out: Document = {"scenes": foretold["scenes"], "shifts": {}}
        for test, predicted in foretold["predicted"].items():
            found = self.world.catastrophes(test, self.told)
            out["shifts"][test] = {
                "predicted": predicted,
                "measured": self._counted(int(found.sum()), found.size),
                "before": float(self.world.catastrophes(test, self.names).mean()),
            }
        return out

    def _counted(self, catastrophes: int, n: int) -> Document:
        return {"mean": catastrophes / n, self.world.counted: n, "catastrophes": catastrophes}

    def _changed(self, controller: Mapping[str, Any]) -> list[str]:
        n, what = controller["ended_otherwise"], self.world.counted
        again = controller["repeated"]
        return (
            [f"{n} of {again} {what} that were repeated ended otherwise: were some made on another machine?"]
            if n
            else []
        )


def _scatter(document: Mapping[str, Any]) -> bytes:
    from reward_hypotheses.analysis.validation.scatter import scatter

    read, foil = "read with continuous weights", "named rules alone"
    said = {
        title: f"mean error {one['error']:.3f}; 89% intervals hold {one['coverage']:.0%}"
        for title, one in ((read, document), (foil, document["foil"]))
    }
    return scatter({read: document["agents"], foil: document["foil"]["agents"]}, said)


def study_text(document: Mapping[str, Any], out: Path, lacking: str, acted: str) -> list[str]:
    """Say what a study found, for a terminal.

    Parameters
    ----------
    lacking : str
        What the probes without are without.
    acted : str
        How well choices were carried out.
    """
    lines = [
        "share of scenes with a catastrophe, of the population",
        f"{'':14} {'predicted':>20} {'measured':>9}   {'mean error':>10} {'coverage':>8}",
    ]
    for name, one in [*document["shifts"].items(), ("all shifts", document)]:
        predicted = one["predicted"]
        told = f"{predicted['mean']:.3f} ({predicted['lower']:.3f} to {predicted['upper']:.3f})"
        lines.append(
            f"{name:13} {told:>22} {one['measured']['mean']:>9.3f}   {one['error']:>10.3f} {one['coverage']:>8.2f}"
        )
    foil = document["foil"]
    lines.append(f"{'named rules':13} {'':>22} {'':>9}   {foil['error']:>10.3f} {foil['coverage']:>8.2f}")
    check = document["ordinary"]["shift_check"]
    lines.append(f"a test like training is called {check['words']} (p = {check['p']:.3g})")
    told = document["telling"]["shifts"].values()
    before, predicted, after = (
        float(np.mean(found))
        for found in (
            [one["before"] for one in told],
            [one["predicted"]["mean"] for one in told],
            [one["measured"]["mean"] for one in told],
        )
    )
    lines.append(
        f"trained with {document['telling']['scenes']} telling scenes too: {before:.3f} becomes {after:.3f}, predicted {predicted:.3f}"
    )
    without = document["probes_without"]
    lines.append(
        f"from probes that lack {lacking}: intervals {without['width']:.2f} wide instead of {without['width_with']:.2f}, "
        f"coverage {without['coverage']:.2f}"
    )
    lines.append(acted)
    lines += [f"mind: {warning}" for warning in document["warnings"]]
    return [
        *lines,
        "",
        f"Written to {out}: results.json, prediction.json (before any test was carried out), scatter.png",
    ]


def _scores(rows: list[Document]) -> Document:
    return {"coverage": foretelling.covered(rows), "error": foretelling.missed(rows)}


def _bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def done(out: Path) -> Document | None:
    """The document of a study that is done, held against the prediction and the digests beside it; None of one that is not."""
    path = out / "results.json"
    if not path.exists():
        return None
    data, written = _held(path), _held(out / "results.sha256").split()
    if not written or written[0] != hashlib.sha256(data).hexdigest().encode():
        raise InputError(f"{path}: not what this study wrote (see results.sha256); give another folder")
    try:
        document: Document = dict(json_of(data))
        digest = document["digest"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: not the results of a study; give another folder") from None
    if digest != hashlib.sha256(_held(out / "prediction.json")).hexdigest():
        raise InputError(f"{out / 'prediction.json'}: {CHANGED}")
    if not (out / "scatter.png").exists():
        write_whole(out / "scatter.png", _scatter(document))
    return document


def _held(path: Path) -> bytes:
    return read_bytes(path, str(path), "a file that this study wrote")


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder this study's, or find that it is."""
    path = out / "study.json"
    refuse_files(out)
    if path.exists():
        if _held(path) != _bytes(settings):
            raise InputError(f"--out {out}: holds another study ({path.name} says which); give another folder")
        return
    if out.exists() and any(not p.name.startswith(".aside.") for p in out.iterdir()):
        raise InputError(f"--out {out}: holds files and no study.json, so no study wrote it; give another folder")
    write_whole(path, _bytes(settings))


def refuse_files(out: Path) -> None:
    """Refuse what cannot be a folder.

    Raises
    ------
    InputError
        It is a file, or no name of a folder.
    """
    try:
        is_file = out.exists() and not out.is_dir()
    except OSError as error:
        raise InputError(f"--out {str(out)[:80]}: {error.strerror}; give another folder") from None
    if is_file:
        raise InputError(f"--out {out}: is a file; give a folder")
