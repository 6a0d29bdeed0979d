"""Studies of predicted against measured catastrophes, in any world.

Agents are trained, fitted and predicted, then measured.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.risk.distribution.outcomes import compare_with_outcomes
from reward_hypotheses.analysis.validation.baselines import Refits, conformal, overlap_weights
from reward_hypotheses.analysis.validation.predict import (
    PROB,
    Discrepancy,
    coverage,
    discrepancy_of,
    drawn_rates,
    mean_error,
    mean_interval,
    mean_width,
    population,
    predicted_rate,
    prediction_row,
    shared_by,
    shift_of_test,
)
from reward_hypotheses.analysis.validation.reading import FittedAgent, featured, fit_agent, judge_of, refuse_misfits
from reward_hypotheses.analysis.validation.study_folder import write_prediction, write_results
from reward_hypotheses.analysis.validation.world import World
from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import starting_scenes
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit

type StudyDocument = dict[str, Any]
TELLING = 30
"""Scenes in which the rules part, which a second population is trained with too."""
WIDE = 0.02
"""Width of an interval above which its coverage is counted apart: where an agent never wavers, the interval is a point."""
MOST_AGENTS, MOST_TEST_SCENES = 1000, 10_000


def study_settings(study: str, agents: int, scenes: int, seed: int, **versions: str) -> StudyDocument:
    """Return the settings of a study, checked; InputError for a wrong number."""
    agents, scenes = whole(agents, "agents", 2), whole(scenes, "scenes", 10)
    seed = whole(seed, "seed")
    for name, number, most in (("agents", agents, MOST_AGENTS), ("scenes", scenes, MOST_TEST_SCENES)):
        if number > most:
            raise InputError(f"{name}: {shown(number)}; give at most {most:,}")
    return {"study": study, "agents": agents, "scenes": scenes, "seed": seed} | versions


def study_of(world: World, settings: Mapping[str, Any], out: Path, progress: Callable[[str], None]) -> StudyDocument:
    """Predict and measure catastrophes in a world, and return the document.

    The function writes ``agents/``, ``prediction.json`` with its digest, ``scatter.png``, ``results.sha256`` and, last,
    ``results.json``.

    Parameters
    ----------
    settings : dict
        At least ``agents`` and ``seed``; written into the document.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # products divided among threads are rounded otherwise, and training makes much of that
        document = _Study(world, settings["agents"], settings["seed"], out, progress).document(settings)
    progress("drawing")
    write_results(out, document)
    return document


def agent_seeds(seed: int, names: Sequence[str]) -> dict[str, int]:
    """Return a seed for each agent, by name."""
    return {name: int(substream(seed, f"agent {name}").integers(2**31)) for name in names}


class _Study:
    """One study, step by step."""

    def __init__(self, world: World, agents: int, seed: int, out: Path, progress: Callable[[str], None]) -> None:
        self.world, self.seed, self.out, self.progress = world, seed, out, progress
        self.names = [str(k) for k in range(agents)]
        self.retrained = [f"told {name}" for name in self.names]
        self.judge = judge_of(world)
        self.slips = (0, 0)
        self.predictions: dict[tuple[str, str], xr.Dataset] = {}

    def document(self, settings: Mapping[str, Any]) -> StudyDocument:
        """Train, fit and predict; then measure, and return the results document."""
        world = self.world
        seeds = agent_seeds(self.seed, self.names)
        history = self._train(seeds, telling=False)
        self.slips = world.slips()
        prediction = self._predict(self._fit("probes"))
        digest = write_prediction(self.out, prediction, self.progress)
        # from here on tests are carried out
        rows, baselines = prediction["agents"], prediction["baselines"]
        counts = self._measure([row for some in (rows, *baselines.values()) for row in some])
        self._compare_with_outcomes(rows)
        ordinary = self._compare(prediction["ordinary"])
        blind = self._compare(prediction["probes_without"].pop("agents"))
        self._train(dict(zip(self.retrained, seeds.values(), strict=True)), telling=True)
        telling = self._measure_retrained()
        self.progress("checking outcomes against fresh ones")
        controller = world.controller(substream(self.seed, "bank"))
        by_rules = baselines.pop("named rules")
        return {
            "settings": dict(settings),
            "predicted": prediction["population"],
            "measured": self._rate(counts.values()),
            "agents": rows,
            **_scores(rows),
            "shifts": {
                test: {
                    "predicted": prediction["shifts"][test],
                    "measured": self._rate([counts[test]]),
                    **_scores([row for row in rows if row["shift"] == test]),
                    "shift_check": prediction["shift_checks"][test],
                    "discrepancy": prediction["discrepancy"][test],
                }
                for test in world.tests
            },
            "foil": {**_scores(by_rules), "agents": by_rules, "rules": dict(world.rules)},
            "baselines": {name: {**_scores(some), "agents": some} for name, some in baselines.items()},
            "ordinary": {"shift_check": prediction["shift_checks"]["ordinary"], **ordinary},
            "telling": telling,
            "probes_without": prediction["probes_without"] | blind,
            "readings": prediction["readings"],
            "misfits": sum(not reading["fits"] for reading in prediction["readings"]),
            "warnings": prediction["warnings"] + self._irreproducible(controller),
            "training": {
                "scenes": len(starting_scenes(world.scenes("training"))),
                "reward": float(np.mean([h[-50:].mean() for h in history.values()])),
            },
            "probes": len(starting_scenes(world.scenes("probes"))),
            "interval": PROB,
            "controller": controller,
            "digest": digest,
        }

    def _train(self, seeds: Mapping[str, int], telling: bool) -> dict[str, np.ndarray]:
        """Train agents and write their weights; return their mean reward, batch by batch."""
        history = self.world.train(seeds, telling)
        for name in seeds:
            write_whole(self.out / "agents" / f"{name.replace(' ', '-')}.npz", self.world.saved(name))
        return history

    def _fit(self, probes: str) -> dict[str, FittedAgent]:
        """Fit every agent to its choices in probe scenes."""
        world, features = self.world, self.world.features
        scenes = [featured(world.scenes(which), features) for which in ("probes", *world.tests)]
        units = np.concatenate([phi.reshape(-1, len(features)) for phi in scenes]).std(axis=0)
        fitted = {}
        self.progress(f"reading agents off their choices in {probes}")
        for k, name in enumerate(tracked(self.names)):
            fitted[name] = fit_agent(
                world, self.judge, world.scenes(probes), world.steps(name, probes), units, self.seed + k
            )
        return fitted

    def _predict(self, fitted: Mapping[str, FittedAgent]) -> StudyDocument:
        """Return the prediction, which is written before any test is carried out."""
        world = self.world
        warnings = refuse_misfits(fitted)
        blind = self._fit("probes without")
        rows: dict[str, list[StudyDocument]] = {"agents": [], "without": [], "ordinary": []}
        baselines: dict[str, list[StudyDocument]] = {"named rules": [], "no discrepancy": []}
        discrepancies, together, missing = {}, {}, set[str]()
        variance = shared_by(list(fitted.values()), self.seed)
        self.progress("predicting")
        for test in tracked((*world.tests, "ordinary")):
            found, unseen = self._discrepancy(fitted, "probes", test), self._discrepancy(blind, "probes without", test)
            discrepancies[test] = found.numbers
            missing.update(unseen.missing)
            draws = []
            for k, (name, agent) in tracked(enumerate(fitted.items()), len(fitted)):
                mixture = Boltzmann("inferred")
                made = self._predicted(name, test, mixture, agent.tree, found.shift[k])
                draws.append(drawn_rates(made))
                row = prediction_row(name, test, made) | {"fits": agent.fits}
                if test == "ordinary":
                    rows["ordinary"].append(row)
                    continue
                self.predictions[name, test] = made
                rows["agents"].append(row)
                without = self._predicted(name, test, mixture, blind[name].tree, unseen.shift[k])
                rows["without"].append(prediction_row(name, test, without))
                for label, policy, tree in (
                    ("named rules", Commit(), agent.by_rules),
                    ("no discrepancy", mixture, agent.tree),
                ):
                    baselines[label].append(prediction_row(name, test, self._predicted(name, test, policy, tree)))
            if test != "ordinary":
                rng = substream(self.seed, f"population {test}")
                together[test] = population(draws, variance, len(starting_scenes(world.scenes(test))), rng)
                if found.missing:
                    warnings.append(
                        f"{test}: no probe is like it in {', '.join(found.missing)}, so its intervals are wide"
                    )
        for some in (*rows.values(), *baselines.values()):
            some.sort(key=lambda row: row["agent"])  # an agent's shifts stand together, in order
        return {
            "population": mean_interval(np.mean(list(together.values()), axis=0)),
            "shifts": {test: mean_interval(rates) for test, rates in together.items()},
            "shared": variance,
            "discrepancy": discrepancies,
            "agents": rows["agents"],
            "baselines": baselines | self._by_refits(fitted),
            "ordinary": rows["ordinary"],
            "probes_without": {
                "agents": rows["without"],
                "without_overlap": sorted(missing),
                "unprobed": sorted({feature for agent in blind.values() for feature in agent.unprobed}),
                "width": mean_width(rows["without"]),
                "width_with": mean_width(rows["agents"]),
            },
            "shift_checks": {test: self._shift_check(test) for test in (*world.tests, "ordinary")},
            "readings": [
                {
                    "agent": int(name),
                    "mixture": agent.mixture,
                    "rules": dict(agent.rules),
                    "p": dict(agent.p),
                    "fits": agent.fits,
                }
                for name, agent in fitted.items()
            ],
            "warnings": warnings,
        }

    def _discrepancy(self, fitted: Mapping[str, FittedAgent], probes: str, test: str) -> Discrepancy:
        scenes = self.world.scenes(probes), self.world.scenes(test)
        return discrepancy_of(self.world, list(fitted.values()), *scenes, self.seed)

    def _predicted(
        self, name: str, test: str, policy: Policy, agent: xr.DataTree, shift: np.ndarray | None = None
    ) -> xr.Dataset:
        seed = int(substream(self.seed, f"prediction {name} {test}").integers(2**31))
        return predicted_rate(self.judge, self.world.scenes(test), policy, agent, self.slips, seed, shift)

    def _by_refits(self, fitted: Mapping[str, FittedAgent]) -> dict[str, list[StudyDocument]]:
        """Return the rows of an ensemble of refits, and of conformal prediction alone."""
        world, probes = self.world, self.world.scenes("probes")
        refits = {}
        self.progress("refitting agents")
        for name in tracked(fitted):
            refits[name] = Refits(world, probes, world.steps(name, "probes"), substream(self.seed, f"refits {name}"))
        rows: dict[str, list[StudyDocument]] = {"ensemble of refits": [], "conformal alone": []}
        for test in world.tests:
            scenes = world.scenes(test)
            weight = overlap_weights(world, probes, scenes)
            scores = {name: r.conformal_score(fitted[name].bad, weight) for name, r in refits.items()}
            for name, refit in refits.items():
                others = np.array([score for other, score in scores.items() if other != name])
                rate = float(refit.chance(refit.half, scenes).mean())
                for label, interval in (
                    ("ensemble of refits", refit.spread(scenes)),
                    ("conformal alone", conformal(rate, others)),
                ):
                    row = {"agent": int(name), "shift": test}
                    rows[label].append(row | dict(zip(("predicted", "lower", "upper"), interval, strict=True)))
        return rows

    def _shift_check(self, test: str) -> StudyDocument:
        check = shift_of_test(self.world, self.world.scenes("training"), self.world.scenes(test), self.seed)
        words = "a shift" if check.shifted else "ordinary generalisation"
        return {"shifted": check.shifted, "p": check.p, "words": words}

    def _measure(self, rows: list[StudyDocument]) -> dict[str, tuple[int, int]]:
        """Carry out the tests of these rows, and write the measured rates into them.

        Returns
        -------
        dict
            Test -> (catastrophes, outcomes).
        """
        counts = {}
        self.progress("measuring")
        for test in tracked(dict.fromkeys(str(row["shift"]) for row in rows)):
            catastrophes = self.world.catastrophes(test, self.names)
            counts[test] = int(catastrophes.sum()), catastrophes.size
            for row in rows:
                if row["shift"] == test:
                    row["measured"] = float(catastrophes[row["agent"]].mean())
        return counts

    def _compare(self, rows: list[StudyDocument]) -> StudyDocument:
        """Measure what rows predict, and compare."""
        counts = self._measure(rows)
        return {
            "predicted": {"mean": float(np.mean([row["predicted"] for row in rows]))},
            "measured": self._rate(counts.values()),
            **_scores(rows),
            "agents": rows,
        }

    def _compare_with_outcomes(self, rows: list[StudyDocument]) -> None:
        """Write into the rows where the measured number lies in its prediction."""
        for test in self.world.tests:
            catastrophes = self.world.catastrophes(test, self.names)
            for row in rows:
                if row["shift"] == test:
                    made = self.predictions[str(row["agent"]), test]
                    compared = compare_with_outcomes(made, int(catastrophes[row["agent"]].sum()))
                    row |= {"pit": float(compared["pit"]), "crps": float(compared["crps"]) / made.attrs["n_scenes"]}

    def _measure_retrained(self) -> StudyDocument:
        """Measure the population that was trained in telling scenes too, beside the first."""
        shifts = {}
        for test in self.world.tests:
            catastrophes = self.world.catastrophes(test, self.retrained)
            shifts[test] = {
                "measured": self._rate([(int(catastrophes.sum()), catastrophes.size)]),
                "before": float(self.world.catastrophes(test, self.names).mean()),
            }
        return {"scenes": len(starting_scenes(self.world.scenes("telling"))), "shifts": shifts}

    def _rate(self, counts: Iterable[tuple[int, int]]) -> StudyDocument:
        """Return the measured rate of several (catastrophes, outcomes)."""
        catastrophes, n = (sum(numbers) for numbers in zip(*counts, strict=True))
        return {"mean": catastrophes / n, self.world.counted: n, "catastrophes": catastrophes}

    def _irreproducible(self, controller: Mapping[str, Any]) -> list[str]:
        """Return a warning where repeated outcomes ended otherwise."""
        n, what = controller["ended_otherwise"], self.world.counted
        if not n:
            return []
        again = controller["repeated"]
        return [f"{n} of {again} {what} that were repeated ended otherwise: were some made on another machine?"]


def _scores(rows: list[StudyDocument]) -> StudyDocument:
    """Return coverage (of wide intervals too, if any), width and mean error."""
    wide = [row for row in rows if row["upper"] - row["lower"] > WIDE]
    return {
        "coverage": coverage(rows),
        "coverage_wide": coverage(wide) if wide else None,
        "error": mean_error(rows),
        "width": mean_width(rows),
    }
