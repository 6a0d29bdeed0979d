"""Studies of predicted against measured catastrophes, in any world.

Agents are trained, fitted and predicted, then measured.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.analysis.validation.predict import (
    PROB,
    READING_DRAWS,
    FittedAgent,
    World,
    chances,
    coverage,
    featured,
    fit_agent,
    log_right,
    mean_error,
    mean_interval,
    population,
    predicted_rates,
    rates_by_rules,
    refuse_misfits,
    shared_variance,
    shift_of_test,
    thinned_draws,
)
from reward_hypotheses.analysis.validation.study_folder import write_prediction, write_results
from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.worlds.episode_simulation import starting_scenes

type StudyDocument = dict[str, Any]
TELLING = 30
"""Scenes in which the rules part, which a second population is trained with too."""
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
        self.slip = np.zeros(0)

    def document(self, settings: Mapping[str, Any]) -> StudyDocument:
        """Train, fit and predict; then measure, and return the results document."""
        world = self.world
        seeds = agent_seeds(self.seed, self.names)
        history = self._train(seeds, telling=False)
        failed, n_outcomes = world.slips()
        self.slip = substream(self.seed, "slips").beta(failed + 0.5, n_outcomes - failed + 0.5, READING_DRAWS)
        prediction = self._predict(self._fit("probes"))
        digest = write_prediction(self.out, prediction, self.progress)
        # from here on tests are carried out
        rows, by_rules = prediction["agents"], prediction["foil"]
        counts = self._measure(rows + by_rules)
        ordinary = self._compare(prediction["ordinary"])
        blind = self._compare(prediction["probes_without"].pop("agents"))
        self._train(dict(zip(self.retrained, seeds.values(), strict=True)), telling=True)
        telling = self._measure_retrained(prediction["telling"])
        self.progress("checking outcomes against fresh ones")
        controller = world.controller(substream(self.seed, "bank"))
        return {
            "settings": dict(settings),
            "predicted": prediction["population"],
            "measured": self._rate(counts.values()),
            "agents": rows,
            "coverage": coverage(rows),
            "error": mean_error(rows),
            "shifts": {
                test: {
                    "predicted": prediction["shifts"][test],
                    "measured": self._rate([counts[test]]),
                    **_scores([row for row in rows if row["shift"] == test]),
                    "shift_check": prediction["shift_checks"][test],
                }
                for test in world.tests
            },
            "foil": {**_scores(by_rules), "agents": by_rules, "rules": dict(world.rules)},
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
        for k, name in enumerate(self.names):
            self.progress(f"reading agent {name} off its choices in {probes}")
            fitted[name] = fit_agent(world, world.scenes(probes), world.steps(name, probes), units, self.seed + k)
        return fitted

    def _predict(self, fitted: Mapping[str, FittedAgent]) -> StudyDocument:
        """Return the prediction, which is written before any test is carried out."""
        world = self.world
        warnings = refuse_misfits(fitted)
        blind = self._fit("probes without")
        rows: dict[str, list[StudyDocument]] = {"agents": [], "foil": [], "without": [], "ordinary": []}
        draws: dict[str, list[np.ndarray]] = {}
        for name, agent in fitted.items():
            self.progress(f"predicting agent {name}")
            for test in (*world.tests, "ordinary"):
                scenes = world.scenes(test)
                bad = scenes[world.bad].to_numpy() > 0
                rng = substream(self.seed, f"prediction {name} {test}")
                rates = predicted_rates(agent.chances(scenes), scenes, bad, self.slip, rng)
                draws.setdefault(test, []).append(rates)
                row = _row(name, test, rates) | {"fits": agent.fits}
                rows["ordinary" if test == "ordinary" else "agents"].append(row)
                if test != "ordinary":
                    by_rules = rates_by_rules(world, agent, scenes, self.slip, rng)
                    rows["foil"].append(_row(name, test, by_rules))
                    without = predicted_rates(blind[name].chances(scenes), scenes, bad, self.slip, rng)
                    rows["without"].append(_row(name, test, without))
        variance = shared_variance(list(fitted.values()))
        together = {}
        for test in world.tests:
            rng = substream(self.seed, f"population {test}")
            together[test] = population(draws[test], variance, len(starting_scenes(world.scenes(test))), rng)
        return {
            "population": mean_interval(np.mean(list(together.values()), axis=0)),
            "shifts": {test: mean_interval(rates) for test, rates in together.items()},
            "shared": variance,
            "agents": rows["agents"],
            "foil": rows["foil"],
            "ordinary": rows["ordinary"],
            "probes_without": {
                "agents": rows["without"],
                "unprobed": sorted({feature for agent in blind.values() for feature in agent.unprobed}),
                "width": _mean_width(rows["without"]),
                "width_with": _mean_width(rows["agents"]),
            },
            "telling": self._predict_retrained(fitted),
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

    def _shift_check(self, test: str) -> StudyDocument:
        check = shift_of_test(self.world, self.world.scenes("training"), self.world.scenes(test), self.seed)
        words = "a shift" if check.shifted else "ordinary generalisation"
        return {"shifted": check.shifted, "p": check.p, "words": words}

    def _predict_retrained(self, fitted: Mapping[str, FittedAgent]) -> StudyDocument:
        """Predict a population that is yet to be trained on telling scenes too.

        The named rules disagree in telling scenes. The population's weights have the distribution of the fitted
        population, given that every choice in telling scenes is right: draws of weights are weighted by
        ``prod_m p_w(right in m)``.
        """
        world = self.world
        scenes = world.scenes("telling")
        step = max(1, len(self.names) // 8)
        weights = np.concatenate([thinned_draws(agent.weights[::step], scenes) for agent in fitted.values()])
        log = log_right(weights, world.features, scenes, world.right("telling"))
        mass = np.exp(log - log.max())
        rng = substream(self.seed, "telling")
        predicted = {}
        for test in world.tests:
            table = world.scenes(test)
            bad = table[world.bad].to_numpy() > 0
            phi = featured(table, world.features)
            rates = []
            for _ in self.names:
                draws = weights[rng.choice(len(weights), 250, p=mass / mass.sum())]
                rates.append(predicted_rates(chances(draws, phi), table, bad, self.slip, rng))
            predicted[test] = mean_interval(np.mean(rates, axis=0))
        return {"scenes": len(starting_scenes(scenes)), "predicted": predicted}

    def _measure(self, rows: list[StudyDocument]) -> dict[str, tuple[int, int]]:
        """Carry out the tests of these rows, and write the measured rates into them.

        Returns
        -------
        dict
            Test -> (catastrophes, outcomes).
        """
        counts = {}
        for test in dict.fromkeys(str(row["shift"]) for row in rows):
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

    def _measure_retrained(self, prediction: StudyDocument) -> StudyDocument:
        shifts = {}
        for test, predicted in prediction["predicted"].items():
            catastrophes = self.world.catastrophes(test, self.retrained)
            shifts[test] = {
                "predicted": predicted,
                "measured": self._rate([(int(catastrophes.sum()), catastrophes.size)]),
                "before": float(self.world.catastrophes(test, self.names).mean()),
            }
        return {"scenes": prediction["scenes"], "shifts": shifts}

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


def _row(name: str, test: str, rates: np.ndarray) -> StudyDocument:
    predicted = mean_interval(rates)
    ends = {"lower": predicted["lower"], "upper": predicted["upper"]}
    return {"agent": int(name), "shift": test, "predicted": predicted["mean"]} | ends


def _mean_width(rows: list[StudyDocument]) -> float:
    return float(np.mean([row["upper"] - row["lower"] for row in rows]))


def _scores(rows: list[StudyDocument]) -> StudyDocument:
    return {"coverage": coverage(rows), "error": mean_error(rows)}
