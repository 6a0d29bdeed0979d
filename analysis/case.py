"""Case: a judge, an agent with its policy, and a test, with shared quantities."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.analysis.agents.agent import Agent, Extrapolating, PosteriorAgent
from reward_hypotheses.analysis.monte_carlo_error import perturbations, standard_errors
from reward_hypotheses.analysis.risk.catastrophe import Risk, compute_risk
from reward_hypotheses.analysis.rollout import Rollout, rollout
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.numerics import share
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.readers.decision_ledger import Recorded
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, stated_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation, empty_scenes, on_test
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import NOT_READ
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.priors.simplicity import Simplicity
from reward_hypotheses.models.rule_space.family.asked import AskedRules
from reward_hypotheses.models.weights.agent_rationality import among
from reward_hypotheses.models.weights.by_simplicity import by_simplicity

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.analysis.sensitivity.judged_failure_line import Judged

LEAST_DRAWS = 4000  # of the values, for an interval


@dataclass(frozen=True)
class Settings:
    """Settings of the analyses of a case: the seed, and their arguments."""

    seed: int = 0
    targets: Sequence[float] = (0.1, 0.01, 0.001)
    contaminations: Sequence[float] = (0.01, 0.05, 0.1)
    prob: float = 0.95
    deployments: Sequence[int] = (1, 10, 100, 1000)
    languages: Sequence[Simplicity] = ()
    draws: int = LEAST_DRAWS
    rules: Mapping[str, AskedRules] = field(default_factory=dict)
    show_raters: bool = False


@dataclass(frozen=True, eq=False)
class Training:
    """The data that were fitted.

    Attributes
    ----------
    valuations : tuple of Valuation
        One per table, of all items that any feedback uses. A table used with several columns of counts has one for each.
    counts : tuple of ndarray (item,) or None
        How often each of these items occurs; empty, or None, where every item occurs once.
    support : Table or None
        Every item that training could have held, where the study declares these items.
    """

    valuations: tuple[Valuation, ...] = ()
    counts: tuple[np.ndarray | None, ...] = ()
    support: Table | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Origin of a case: the study file, its tables and its ledger of tests.

    Attributes
    ----------
    about : str
        The subject of the study, in one to three sentences; may be empty.
    study, origins : dict
        The study file (name and text), and the origin of each table.
    ledger : str or None
        The ledger of tests; ``recorded`` is its content.
    """

    title: str = ""
    about: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    study: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    ledger: str | None = None
    recorded: Recorded = Recorded()


@dataclass(frozen=True, eq=False)
class Case:
    """A judge, an agent with its policy, and a test: the subject of every analysis.

    The test is valued under the judge's hypotheses. Hypotheses that the agent alone holds follow them; the judge gives
    these a weight of 0.

    Attributes
    ----------
    posterior : Posterior
        The judge's posterior.
    test : Valuation or None
        The test of the analysis; None where a study has no test.
    tests : dict of str to Valuation
        Every test of a study, in order.
    judged : Judged or None
        The failure line inferred from judgements.
    known : dict
        Results that do not depend on the evidence; moved cases use them again.
    """

    posterior: Posterior
    agent: Agent
    policy: Policy
    test: Valuation | None = None
    settings: Settings = Settings()
    tests: Mapping[str, Valuation] = field(default_factory=dict)
    training: Training = Training()
    judged: "Judged | None" = None
    source: Source = Source()
    known: dict[Any, Any] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """The seed of every random stream."""
        return self.settings.seed

    @cached_property
    def agent_weights(self) -> np.ndarray:
        """The weights by which the agent acts: (hypothesis of the test,)."""
        return self.agent.weights(self.posterior)

    @cached_property
    def judge_weights(self) -> np.ndarray:
        """The judge's posterior weights: (hypothesis of the test,).

        Hypotheses that the agent alone holds have weight 0.
        """
        return self.padded(self.posterior.weights)

    def padded(self, weights: np.ndarray) -> np.ndarray:
        """Return the judge's weights over all hypotheses: (hypothesis of the test,).

        Hypotheses that the agent alone holds get weight 0.
        """
        return np.pad(weights, (0, len(self.names) - len(weights)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the judge's hypotheses, then of those that the agent alone holds."""
        return self.agent.hypotheses(self.posterior).names if self.test is None else self.test.hypotheses.names

    @property
    def judge_names(self) -> tuple[str, ...]:
        """Names of the judge's hypotheses."""
        return self.posterior.hypotheses.names

    @property
    def rectangular(self) -> bool:
        """Whether the agent has hypotheses that are not the judge's."""
        return len(self.names) > len(self.posterior.weights)

    @property
    def exact(self) -> bool:
        """Whether every number of the case is exact, without sampling."""
        return self.posterior.exact and self.agent.exact and not self.policy.sampled

    @property
    def judges(self) -> slice:
        """Places of the judge's hypotheses among those of the test."""
        return slice(0, len(self.posterior.weights))

    @property
    def agents(self) -> slice:
        """Places of the agent's hypotheses among those of the test."""
        return slice(len(self.posterior.weights), None) if self.rectangular else slice(None)

    @property
    def agent_names(self) -> tuple[str, ...]:
        """Names of the agent's hypotheses, as the agent's tree has them."""
        return self.agent.posterior.hypotheses.names if isinstance(self.agent, PosteriorAgent) else self.judge_names

    @property
    def valuation(self) -> Valuation:
        """The test."""
        assert self.test is not None
        return self.test

    @cached_property
    def rollout(self) -> Rollout:
        """The agent's choices on the test, item by item."""
        return rollout(self.valuation, self.policy, self.agent_weights, self.judge_weights)

    @cached_property
    def risk(self) -> Risk:
        """The agent's catastrophe risk on the test."""
        return compute_risk(self.valuation, self.policy, self.agent_weights, self.judge_weights)

    @cached_property
    def judges_test(self) -> Valuation:
        """The test under the judge's hypotheses alone."""
        n = len(self.posterior.weights)
        return self.valuation if len(self.names) == n else self.valuation.only(range(n))

    @cached_property
    def first(self) -> "Case":
        """The case on a study's first test."""
        return self.on(next(iter(self.tests.values())))

    @property
    def draws(self) -> int:
        """Number of draws of the values for an interval."""
        return max(self.settings.draws, LEAST_DRAWS)

    @property
    def feedback_columns(self) -> set[str]:
        """Columns that feedback names: observations and counts, not features."""
        return {column for feedback in self.posterior.feedback for column in feedback.said_columns}

    def once[T](self, compute: "Callable[[Case], T]") -> T:
        """Return ``compute(case)``, computed once for the case."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        result: T = self._computed[compute]
        return result

    @cached_property
    def _computed(self) -> dict[Any, Any]:
        return {}

    def on(self, test: Valuation) -> "Case":
        """Return the case on a test."""
        return replace(self, test=test)

    def perturbed(self, n: int) -> Iterator["Case"]:
        """Yield the case n times, each moved by its Monte Carlo errors.

        The judge, the agent, and the draws of tests and policy move.
        """
        judges = self.posterior.perturbed(n, substream(self.seed, "errors of evidence"))
        agents = self.agent.perturbed(n, self.posterior, self.seed)
        draws = substream(self.seed, "errors of draws")
        judged = None if self.judged is None else self.judged.without_errors()
        for posterior, agent in zip(judges, agents, strict=True):
            yield replace(
                self,
                posterior=posterior,
                agent=agent,
                test=None if self.test is None else self.test.resampled(draws),
                policy=self.policy.resampled(draws),
                tests={name: test.resampled(draws) for name, test in self.tests.items()},
                judged=judged,
            )

    def standard_errors(self, compute: "Callable[[Case], Any]") -> Any:
        """Return the Monte Carlo error of every number of ``compute(case)``.

        The errors are nested as the numbers are.
        """
        if self.exact:
            return standard_errors([compute(self)])
        tests = self.tests.values() if self.test is None else [self.test]
        n = perturbations(self.posterior, sum(test.table.n_items for test in tests))
        return standard_errors([compute(case) for case in tracked(self.perturbed(n), n)])

    def scene_coordinate(self) -> np.ndarray:
        """Return the names of the scenes, or their numbers: (scene,)."""
        names = self.valuation.table.scene_names
        return np.arange(self.valuation.n_scenes) if names is None else np.array(names)


def policy_of(policy: Any) -> Policy:
    """Return a policy as given, or `Commit` for None; else raise InputError."""
    if policy is None:
        return Commit()
    if isinstance(policy, Policy):
        return policy
    kind = policy.__name__ if isinstance(policy, type) else shown(policy)
    raise InputError(f"policy: {kind} is no policy; give one such as rh.Commit(), or rh.Boltzmann(2)")


def probability(prob: Any, of: str = "the interval") -> float:
    """Return a probability above 0 and below 1; else raise InputError."""
    return share(prob, "prob", f"give the probability of {of}, above 0 and below 1, such as 0.95", include_one=False)


type AgentLike = "Prior | xr.DataTree | None"


def case_of(
    tree: "xr.DataTree",
    test: Any,
    policy: Policy | None,
    agent: AgentLike,
    agent_fail_utility: Any,
    hypotheses: Mapping[str, Any] | None,
) -> Case:
    """Make the case of a fitted tree on a test; arguments as for `catastrophe_risk`.

    Raises
    ------
    InputError
        A problem of the tree, the test, the agent or the failure line.
    """
    import xarray as xr

    from reward_hypotheses.models.tree.read import posterior_of, rationality_in, tested

    if not (agent is None or isinstance(agent, (Prior, xr.DataTree))):
        raise InputError(f"agent: a {type(agent).__name__}; give None, a prior, or a tree from fit()")
    fitted = agent if isinstance(agent, xr.DataTree) else None
    rectangular, judge_rewards, agent_rewards = _rewards_of(tree, fitted, hypotheses)
    posterior, line = posterior_of(tree, judge_rewards)
    listed, agents_line = posterior.hypotheses, None
    beliefs: Agent = Extrapolating(prior=agent if isinstance(agent, Prior) else None)

    def told(of: Hypotheses) -> FailureLine | None:
        stated, names = agent_fail_utility, of.names
        return None if stated is None else stated_line(stated, names, "agent_fail_utility", may_lack=of.may_lack_line)

    own: tuple[Posterior, FailureLine] | None = None
    if fitted is not None and rectangular:
        own = posterior_of(fitted, agent_rewards)
    elif isinstance(agent, Simplicity) and listed.spaces:
        own = by_simplicity(posterior, agent), line
    if own is not None:
        other, agent_line = own
        theirs, told_line = other.hypotheses, told(other.hypotheses)
        names = tuple(f"the agent's {name}" if name in listed.names else name for name in theirs.names)
        listed = listed.beside(theirs, names)
        line = FailureLine(line.values + (agent_line if told_line is None else told_line).values)
        beliefs = PosteriorAgent(other, len(posterior.hypotheses), by_rule=fitted is None)
    else:
        agents_line = told(listed)
        if fitted is not None:
            beliefs = PosteriorAgent(posterior_of(fitted, judge_rewards)[0])
    table = tested(test, *(t for t in (tree, fitted) if t is not None))
    _check_test(table, listed, line, agents_line)
    policy = policy_of(policy)
    if policy.asks_rationality:
        if fitted is None or not isinstance(beliefs, PosteriorAgent):
            raise InputError(NOT_READ)
        places = range(beliefs.start, len(listed))
        policy = policy.informed(among(rationality_in(fitted, beliefs.posterior), places, len(listed)))
    valuation = on_test(listed, table, line, agents_line)
    case = Case(posterior, beliefs, policy, valuation, Settings(seed=int(tree.attrs["seed"])))
    if fitted is None and own is None:
        posterior.refuse_untrusted(case.agent_weights)
    return case


def _rewards_of(
    tree: "xr.DataTree", fitted: "xr.DataTree | None", hypotheses: Mapping[str, Any] | None
) -> tuple[bool, Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Return whether the agent has other hypotheses, and the rewards of each side.

    The rewards are those that the caller gave: for the judge's hypotheses, then for the agent's.
    """
    from reward_hypotheses.models.hypotheses.callable_registry import callables_of
    from reward_hypotheses.models.tree.read import hypotheses_in

    judges, agents = hypotheses_in(tree), {} if fitted is None else hypotheses_in(fitted)
    # weights within a family or space are what each tree says of them, so two trees of one are about different agents
    rectangular = bool(agents) and (
        list(agents.items()) != list(judges.items())
        or any(isinstance(reward, dict) and reward.keys() & {"linear", "rules"} for reward in judges.values())
        or (fitted is not None and hypotheses is None and callables_of(tree) != callables_of(fitted))
    )
    if not rectangular or hypotheses is None:
        return rectangular, hypotheses, None
    called = [name for name, reward in agents.items() if str(reward).startswith("callable ")]
    for name in called:  # callables of both may be given together
        if str(judges.get(name, "")).startswith("callable "):
            raise InputError(
                f"hypothesis {name!r} is a callable of the judge's and of the agent's; give one another name"
            )
    judge_rewards = {name: r for name, r in hypotheses.items() if name in judges or name not in called}
    return True, judge_rewards, agents | {name: hypotheses[name] for name in called if name in hypotheses}


def _check_test(table: Table, listed: Hypotheses, line: FailureLine, agents_line: FailureLine | None) -> None:
    """Refuse a test with an empty scene, or without a column that is read."""
    if empty := list(empty_scenes(table)):
        scene = table.scene_name(int(empty[0]))
        raise InputError(f"{table.source}: scene {scene} has no available option; every scene of a test needs one")
    expressions = listed.expressions() | line.expressions(listed.names, "fail_utility")
    if agents_line is not None:
        expressions |= agents_line.expressions(listed.names, "agent_fail_utility")
    if problems := check_columns([(table, expressions)]):
        raise InputError(problems)
