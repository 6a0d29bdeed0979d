"""People who differ, in the results: risk by rater and group, who is harmed."""

import math
from collections.abc import Iterator
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.agents.people.risk import HARMED, WORST_OFF, PeopleRisk, risk_of_people
from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section
from reward_hypotheses.models.weights.raters.draws import RaterDraws

APART, SURE = 3.0, 0.95
"""How many times less a group follows the reward for the fit to take it for noise; the probability to say so."""


class People(Section[Document]):
    """The risk by each rater's own reward; None where feedback names no raters."""

    keys = ("people",)
    of_test = True
    urgency = 80

    @override
    def progress(self, case: Case) -> str:
        return "the risk by rater" if case.posterior.people is not None else ""

    @override
    def compute(self, case: Case) -> Document | None:
        people = case.posterior.people
        if people is None:
            return None
        risk, prob = risk_of_people(case), case.settings.prob
        names = (
            list(people.names) if case.settings.show_raters else [f"rater {k + 1}" for k in range(len(people.names))]
        )
        others = len(people.group_of) - len(names)
        names += [f"unnamed {k + 1}" for k in range(others)]

        def numbers(drawn: np.ndarray) -> Document:
            lower, upper = np.quantile(drawn, [(1 - prob) / 2, (1 + prob) / 2])
            of = {"mean": drawn.mean(), "lower": lower, "upper": upper, "mcse": risk.error(drawn)}
            return {key: float(value) for key, value in of.items()}

        groups = list(people.groups) or ["all"]
        return {
            "column": people.column,
            "shown": bool(case.settings.show_raters),
            "raters": len(people.names),
            "unnamed": others,
            "draws": len(risk.by_rater),
            "k_hat": _finite(people.k_hat),
            "effective": _finite(people.ess),
            "everyone": numbers(risk.everyone),
            "worst_off": {"share": WORST_OFF, **numbers(risk.worst_off(WORST_OFF))},
            "harmed": {f"{q:g}": numbers(risk.harmed[:, k]) for k, q in enumerate(HARMED)},
            "by_group": {
                name: {"raters": int((people.group_of == g).sum()), **numbers(risk.by_group[:, g])}
                for g, name in enumerate(groups)
            },
            "by_rater": _by_rater(risk, people, names, numbers),
            "noise": _taken_for_noise(people),
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        for found in result["noise"]:
            risk = result["by_group"][found["group"]]["mean"]
            yield (
                f"group {found['group']!r} follows the reward {found['times']:.3g} times less than group {found['than']!r}: the fit takes "
                f"its answers for noise; by its own reward the risk is {100 * risk:.3g} %"
            )

    @override
    def present(self, document: Any) -> Any:
        from reward_hypotheses.analysis.report.sections.risk.people import present

        return present(document)


def _by_rater(risk: PeopleRisk, people: RaterDraws, names: list[str], numbers: Any) -> list[Document]:
    """Return the risk of every rater, the highest first."""
    groups = people.groups or ("all",)
    rows = [
        {
            "rater": name,
            "group": groups[int(people.group_of[r])],
            "answers": int(people.answers[r]),
            **numbers(risk.by_rater[:, r]),
        }
        for r, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -row["mean"])


def _taken_for_noise(people: RaterDraws) -> list[Document]:
    """Return the groups whose rationality is far below another's, of each rationality."""
    out: list[Document] = []
    for variable, drawn in people.nuisances.items():
        if not variable.endswith("rationality") or len(people.groups) < 2:
            continue
        log = np.log(np.maximum(drawn, 1e-300))
        by_group = np.stack([log[:, people.group_of == g].mean(axis=1) for g in range(len(people.groups))], axis=1)
        most = int(by_group.mean(axis=0).argmax())
        for g, name in enumerate(people.groups):
            less = by_group[:, most] - by_group[:, g]
            if g != most and float((less > math.log(APART)).mean()) >= SURE:
                times = float(np.exp(np.median(less)))
                out.append({"group": name, "than": people.groups[most], "times": times, "rationality": variable})
    return out


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
