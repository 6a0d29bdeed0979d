"""[fit] and [analysis] of a study file."""

from collections.abc import Mapping
from dataclasses import dataclass

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.choices import Choices
from reward_hypotheses.models.feedback.demonstrations import Demonstrations
from reward_hypotheses.models.feedback.labels import Labels
from reward_hypotheses.models.feedback.proxy import Proxy
from reward_hypotheses.models.feedback.rankings import Rankings
from reward_hypotheses.models.feedback.ratings import Ratings
from reward_hypotheses.models.feedback.rewards import Rewards
from reward_hypotheses.models.feedback.stops import Stops
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.hypotheses.none_of_the_above import Unmodelled
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import Boltzmann
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.policies.cvar import Cvar
from reward_hypotheses.models.policies.expected import Expected
from reward_hypotheses.models.policies.maximin import Maximin
from reward_hypotheses.models.policies.most_probable import MostProbable
from reward_hypotheses.models.policies.quantilize import Quantilize
from reward_hypotheses.models.posterior import METHODS
from reward_hypotheses.models.priors.simplicity import LANGUAGES, Simplicity
from reward_hypotheses.study.validation import Problems, Section

FEEDBACK: Mapping[str, type[Feedback]] = {
    "labels": Labels,
    "rewards": Rewards,
    "choices": Choices,
    "rankings": Rankings,
    "ratings": Ratings,
    "stops": Stops,
    "proxy": Proxy,
    "demonstrations": Demonstrations,
}
"""Every kind of feedback that a study file may name; a new kind is one line here."""
POLICIES: Mapping[str, type[Policy]] = {
    "commit": Commit,
    "most_probable": MostProbable,
    "expected": Expected,
    "boltzmann": Boltzmann,
    "cvar": Cvar,
    "maximin": Maximin,
    "quantilize": Quantilize,
}
SECTIONS = (
    "title",
    "about",
    "seed",
    "tables",
    "mdps",
    "hypotheses",
    "values",
    "agent",
    "catastrophe",
    "feedback",
    "fit",
    "analysis",
)
LINES = ("fail_utility", "fail_utility_sd")
"""Keys that state a failure line."""
PRIORS = ("values", "uniform", "simplicity")
Read = Expression | Linear | Unmodelled
"""A hypothesis as it was read."""


@dataclass(frozen=True)
class Fit:
    """What [fit] says."""

    method: str
    draws: int
    chains: int


def read_fit(top: Section, problems: Problems) -> Fit:
    """Read [fit]."""
    section = top.section("fit", ("method", "draws", "chains"), required=False)
    section.refuse_unknown()
    method = section.text("method", default="auto")
    if method not in METHODS:
        problems.add(f"[fit] method: {method!r}; {suggestion(method, METHODS)}")
    return Fit(
        method,
        section.whole("draws", default=1000, least=1, most=100_000),
        section.whole("chains", default=4, least=1, most=100),
    )


@dataclass(frozen=True)
class Asked:
    """What [analysis] asks for."""

    tests: tuple[str, ...]
    targets: tuple[float, ...]
    contaminations: tuple[float, ...]
    prob: float
    deployments: tuple[int, ...]
    languages: tuple[Simplicity, ...]
    ledger: str | None = None
    support: str | None = None


def read_analysis(top: Section, problems: Problems, tables: Mapping[str, Table | None]) -> Asked:
    """Read [analysis]."""
    known = ("test", "also", "targets", "contaminations", "prob", "deployments", "languages", "support", "ledger")
    section = top.section("analysis", known, required=False)
    section.refuse_unknown()
    given = section.given
    tests = []
    if "test" in given or "test" in tables:
        test = section.text("test", default="test")
        if test in tables or isinstance(given.get("test"), str):
            tests.append(test)
    also = given.get("also", [])
    if not isinstance(also, list) or not all(isinstance(t, str) for t in also):
        problems.add(f"[analysis] also: {shown(also)}; give a list of tables")
        also = []
    if also and not tests:
        problems.add('[analysis] also: there is no test beside which it could stand; name one with test = "..."')
    for key, names in (("test", tests), ("also", also)):
        for name in names:
            if name not in tables:
                problems.add(f"[analysis] {key}: {name!r} is no table; {suggestion(name, tables)}")
    support = section.text("support", default="") or None
    if support is not None and support not in tables:
        problems.add(f"[analysis] support: {support!r} is no table; {suggestion(support, tables)}")
    targets = section.numbers("targets", (0.1, 0.01, 0.001), lambda t: 0 <= t <= 1, "risks from 0 to 1")
    contaminations = section.numbers(
        "contaminations", (0.01, 0.05, 0.1), lambda e: 0 < e < 1, "shares of the prior, above 0 and below 1"
    )
    prob = section.number("prob", 0.95, lambda p: 0 < p < 1, "the probability of the interval, above 0 and below 1")
    deployments = given.get("deployments", [1, 10, 100, 1000])
    if not isinstance(deployments, list) or not all(
        isinstance(d, int) and not isinstance(d, bool) and 1 <= d <= 10**15 for d in deployments
    ):
        problems.add(f"[analysis] deployments: {shown(deployments)}; give a list of whole numbers from 1 to 10^15")
        deployments = []
    languages: list[Simplicity] = []
    wanted = given.get("languages", list(LANGUAGES))
    if not isinstance(wanted, list) or not wanted:
        problems.add(f'[analysis] languages: {shown(wanted)}; give a list such as ["rules", "letters"]')
        wanted = []
    for one in wanted:
        with problems.at("[analysis] languages"):
            language = Simplicity(one)
            if language.language_name in [known.language_name for known in languages]:
                raise InputError(f"{language.language_name!r} stands twice; name each language once")
            languages.append(language)
    ledger = given.get("ledger")
    if ledger is not None and (not isinstance(ledger, str) or not ledger.strip() or "\0" in ledger):
        problems.add(f'[analysis] ledger: {shown(ledger)} is no path; give that of a ledger, such as "ledger.jsonl"')
        ledger = None
    return Asked(
        tuple(dict.fromkeys([*tests, *also])),
        targets,
        contaminations,
        prob,
        tuple(deployments),
        tuple(languages),
        ledger=ledger,
        support=support,
    )
