"""An agent on a test: its hypotheses beside the judge's, and how their Monte Carlo errors move together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.monte_carlo import perturbations, standard_errors
from reward_hypotheses.analysis.risk import catastrophe as arrays
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.expressions.syntax import Expression
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.callables import kept
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, failure_line
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation, empty_scenes
from reward_hypotheses.models.policies.base import Policy
from reward_hypotheses.models.policies.boltzmann import NOT_READ
from reward_hypotheses.models.policies.commit import Commit
from reward_hypotheses.models.posterior import Posterior, on_test
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of, rationality_in, tested
from reward_hypotheses.models.weights.agent_rationality import among

Agent = Prior | xr.DataTree | None


@dataclass(frozen=True, eq=False)
class Case:
    """An agent on a test.

    The valuation is of the judge's hypotheses and, where the agent has others, of those after them; the judge gives these
    no weight, nor the agent those.
    """

    posterior: Posterior
    valuation: Valuation
    policy: Policy
    prior: Prior | None
    agent: np.ndarray
    agent_names: tuple[str, ...]
    reweigh: Callable[[Posterior], np.ndarray]
    other: Posterior | None

    @property
    def rectangular(self) -> bool:
        """Whether the agent's hypotheses are not the judge's."""
        return len(self.valuation.hypotheses) > len(self.posterior.weights)

    @property
    def exact(self) -> bool:
        """Whether nothing was sampled: no evidence, and nothing by which the agent acts."""
        return self.posterior.exact and (self.other is None or self.other.exact) and not self.policy.sampled

    @property
    def judges(self) -> slice:
        """The judge's hypotheses among the valuation's."""
        return slice(0, len(self.posterior.weights))

    @property
    def agents(self) -> slice:
        """The agent's hypotheses among the valuation's."""
        return slice(len(self.posterior.weights), None) if self.rectangular else slice(None)

    def judge(self, posterior: Posterior) -> np.ndarray:
        """The judge's weights over the valuation's hypotheses."""
        return np.pad(posterior.weights, (0, len(self.valuation.hypotheses) - len(posterior.weights)))

    def risk(self, posterior: Posterior | None = None, weights: np.ndarray | None = None) -> arrays.Risk:
        """The agent's risk; of another posterior of the judge and weights of the agent where given."""
        judge = self.judge(self.posterior if posterior is None else posterior)
        return arrays.catastrophe_risk(self.valuation, self.policy, self.agent if weights is None else weights, judge)

    def standard_errors(self, compute: "Callable[[Case, Posterior, np.ndarray], Any]", seed: int) -> Any:
        """Monte Carlo errors of what is computed of a case, the judge's posterior and the agent's weights."""
        n = 1 if self.exact else perturbations(self.posterior, self.valuation.table.n_items)
        judges = self.posterior.perturbed(n, substream(seed, "errors of evidence"))
        draws = substream(seed, "errors of draws")
        cases = (
            replace(self, valuation=self.valuation.resampled(draws), policy=self.policy.resampled(draws))
            for _ in range(n)
        )
        if self.other is None:
            return standard_errors(
                compute, ((case, judge, self.reweigh(judge)) for case, judge in zip(cases, judges, strict=True))
            )
        same = all(
            np.array_equal(getattr(self.other, which), getattr(self.posterior, which))
            for which in ("log_evidence", "mcse")
        )  # one evidence, one error
        purpose = "errors of evidence" if same else "errors of the agent's evidence"
        others = self.other.perturbed(n, substream(seed, purpose))
        pairs = zip(cases, judges, others, strict=True)
        return standard_errors(compute, ((case, judge, self.reweigh(other)) for case, judge, other in pairs))

    def scene_coordinate(self) -> np.ndarray:
        """Names of the scenes, or their numbers."""
        names = self.valuation.table.scene_names
        return np.arange(self.valuation.n_scenes) if names is None else np.array(names)


def policy_of(policy: Any) -> Policy:
    """Take a policy as it is, none as `Commit`; InputError for anything else."""
    if policy is None:
        return Commit()
    if isinstance(policy, Policy):
        return policy
    what = policy.__name__ if isinstance(policy, type) else shown(policy)
    raise InputError(f"policy: {what} is no policy; give one such as rh.Commit(), or rh.Boltzmann(2)")


def case_of(
    tree: xr.DataTree,
    test: Any,
    policy: Policy | None,
    agent: Agent,
    agent_fail_utility: Any,
    hypotheses: Mapping[str, Any] | None,
) -> Case:
    """Put an agent on a test; arguments as for `catastrophe_risk`.

    Raises
    ------
    InputError
        What is wrong with the tree, the test, the agent or the failure line.
    """
    if not (agent is None or isinstance(agent, (Prior, xr.DataTree))):
        raise InputError(f"agent: a {type(agent).__name__}; give None, a prior, or a tree from fit()")
    fitted = agent if isinstance(agent, xr.DataTree) else None
    prior = agent if isinstance(agent, Prior) else None
    names = list(hypotheses_in(tree))
    others = {} if fitted is None else hypotheses_in(fitted)
    own = list(hypotheses_in(tree).items())
    # a family's weights are what each tree says of them, so two trees of one family are about different agents
    rectangular = bool(others) and (
        list(others.items()) != own
        or any(isinstance(r, dict) and "linear" in r for _, r in own)
        or (fitted is not None and hypotheses is None and kept(tree) != kept(fitted))
    )
    mine, theirs = hypotheses, None
    if rectangular and hypotheses is not None:  # callables of both may be given together
        called = [n for n, r in others.items() if str(r).startswith("callable ")]
        for name in called:
            if str(hypotheses_in(tree).get(name, "")).startswith("callable "):
                raise InputError(
                    f"hypothesis {name!r} is a callable of the judge's and of the agent's; give one another name"
                )
        mine = {n: r for n, r in hypotheses.items() if n in names or n not in called}
        theirs = others | {n: hypotheses[n] for n in called if n in hypotheses}
    posterior, line = posterior_of(tree, mine)
    listed, told, other, agent_names = posterior.hypotheses, None, None, posterior.hypotheses.names
    families = dict(posterior.families)
    if fitted is not None and rectangular:
        other, their_line = posterior_of(fitted, theirs)
        agent_names = other.hypotheses.names
        if agent_fail_utility is not None:
            lacking = other.hypotheses.may_lack_line
            their_line = failure_line(agent_fail_utility, agent_names, "agent_fail_utility", may_lack=lacking)
        shown = tuple(f"the agent's {n}" if n in names else n for n in agent_names)
        listed = Hypotheses(listed.names + shown, listed.rewards + other.hypotheses.rewards, listed.columns)
        line = FailureLine(line.values + their_line.values)
        families |= {len(names) + h: one for h, one in other.families.items()}
    else:
        if agent_fail_utility is not None:
            told = failure_line(agent_fail_utility, listed.names, "agent_fail_utility", may_lack=listed.may_lack_line)
        if fitted is not None:
            other, _ = posterior_of(fitted, mine)
    table = tested(test, *[t for t in (tree, fitted) if t is not None])
    if len(list(empty_scenes(table))):
        scene = table.scene_name(int(list(empty_scenes(table))[0]))
        raise InputError(f"{table.source}: scene {scene} has no available option; every scene of a test needs one")
    expressions: dict[str, Any] = dict(listed.expressions())
    expressions |= {f"fail_utility of {n!r}": v for n, v in zip(listed.names, line.values, strict=True)}
    if told is not None:
        expressions |= {f"agent_fail_utility of {n!r}": v for n, v in zip(listed.names, told.values, strict=True)}
    problems = check_columns([(table, {who: e for who, e in expressions.items() if isinstance(e, Expression)})])
    if problems:
        raise InputError(problems)

    def reweigh(held: Posterior) -> np.ndarray:
        weights = held.acting(prior if other is None else None)
        return np.pad(weights, (len(listed) - len(weights), 0)) if rectangular else weights

    policy = policy_of(policy)
    if policy.asks_rationality:
        if fitted is None or other is None:
            raise InputError(NOT_READ)
        places = range(len(listed) - len(agent_names), len(listed)) if rectangular else range(len(listed))
        policy = policy.informed(among(rationality_in(fitted, other), places, len(listed)))
    return Case(
        posterior=posterior,
        valuation=on_test(listed, families, table, line, told, posterior.learnt),
        policy=policy,
        prior=prior,
        agent=reweigh(posterior if other is None else other),
        agent_names=agent_names,
        reweigh=reweigh,
        other=other,
    )
