"""The posterior over hypotheses: one evidence, which every prior reweights."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.closed_form import ClosedForm
from reward_hypotheses.models.feedback.evidence import Check, Evidence
from reward_hypotheses.models.hypotheses.block import GROUPS, MEMBERS
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Fitted
from reward_hypotheses.models.hypotheses.none_of_the_above import Learnt, Unseen
from reward_hypotheses.models.hypotheses.valuation import MEMBER_CELLS, Valuation
from reward_hypotheses.models.inference.laplace import K_HAT
from reward_hypotheses.models.inference.special import log_sum_exp, normalise_log
from reward_hypotheses.models.priors.base import Prior

if TYPE_CHECKING:
    from reward_hypotheses.models.inference.trust import Sampler


METHODS = ("auto", "exact", "nuts")
LOG_BAYES_FACTOR = 0.1
"""A log Bayes factor between hypotheses that matter is trusted up to this Monte Carlo error."""
MATTERS = 0.001  # posterior weight
CHECKED_MEMBERS = 40


@dataclass(frozen=True, eq=False)
class Estimate:
    """How one feedback's log evidence was come by.

    Attributes
    ----------
    name : str
        The feedback's.
    method : {"exact", "laplace", "smc", "nuts"}
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class have one estimate, and one error.
    mcse : ndarray (hypothesis,)
        Monte Carlo error of the log evidence, nats; 0 where exact.
    """

    name: str
    method: str
    classes: np.ndarray
    mcse: np.ndarray


@dataclass(frozen=True, eq=False)
class Posterior:
    """What the data say about the hypotheses, and what somebody holds who accepts them.

    Attributes
    ----------
    hypotheses : Hypotheses
    prior : Prior
        The judge's.
    log_prior : ndarray (hypothesis,)
    log_evidence : ndarray (hypothesis,)
        Sum over feedbacks, nats; nuisances integrated out; -inf where the data are impossible.
    classes : ndarray (hypothesis,) of int
        Hypotheses of one class cannot be told apart by any feedback given: training is silent between them.
    weights : ndarray (hypothesis,)
        The judge's posterior weights.
    feedback, valuations, evidence : tuple
        One a feedback.
    estimates : tuple of Estimate
        One a feedback.
    sampler : Sampler or None
        What NUTS reports, where it ran.
    families : dict of int to Fitted
        What is known of the weights of each hypothesis that has continuous ones. The valuations hold these at their mean.
    learnt : Learnt or None
        What labels say cell by cell, where a hypothesis is unmodelled.
    """

    hypotheses: Hypotheses
    prior: Prior
    log_prior: np.ndarray
    log_evidence: np.ndarray
    classes: np.ndarray
    weights: np.ndarray
    feedback: tuple[Feedback, ...]
    valuations: tuple[Valuation, ...]
    evidence: tuple[Evidence, ...]
    estimates: tuple[Estimate, ...] = ()
    sampler: "Sampler | None" = None
    families: Mapping[int, Fitted] = field(default_factory=dict)
    learnt: Learnt | None = None

    @property
    def exact(self) -> bool:
        """Whether every log evidence is."""
        return not any(e.mcse.any() for e in self.estimates)

    @property
    def mcse(self) -> np.ndarray:
        """Monte Carlo error of the log evidence, nats: (hypothesis,)."""
        return np.sqrt(sum((e.mcse**2 for e in self.estimates), np.zeros(len(self.log_evidence))))

    def mcse_between(self, i: int, j: int) -> float:
        """Monte Carlo error of the log Bayes factor between two hypotheses; 0 where silent, for they share their error."""
        return math.sqrt(
            sum(float(e.mcse[i] ** 2 + e.mcse[j] ** 2) for e in self.estimates if e.classes[i] != e.classes[j])
        )

    def on(self, table: Table, line: FailureLine, told: FailureLine | None = None) -> Valuation:
        """What the hypotheses say about a test: those with continuous weights by draws of these.

        Agent and truth get draws of their own, for nothing ties what the agent took up to what is true.
        """
        return on_test(self.hypotheses, self.families, table, line, told, self.learnt)

    def of_rules(self) -> "Posterior":
        """The same among the listed rules, without a hypothesis that is unmodelled; the prior stays that of all."""
        if self.learnt is None:
            return self
        rules = list(self.learnt.rules)
        log_prior, log_evidence = self.log_prior[rules], self.log_evidence[rules]
        total = math.fsum(self.weights[rules].tolist())
        if total > 1e-200:
            weights = self.weights[rules] / total
        else:
            weights = self.acting(None)[rules]
        return replace(
            self,
            hypotheses=self.hypotheses.only(rules),
            log_prior=log_prior,
            log_evidence=log_evidence,
            classes=self.classes[rules],
            weights=weights,
            valuations=tuple(v.of_rules() for v in self.valuations),
            evidence=tuple(_of_some(e, rules) for e in self.evidence),
            estimates=tuple(replace(e, classes=e.classes[rules], mcse=e.mcse[rules]) for e in self.estimates),
            learnt=None,
        )

    def check(self, k: int, rng: np.random.Generator) -> Check:
        """Posterior predictive check of one feedback.

        Families stand there by draws of their weights, with the nuisances drawn with them; for kinds whose check looks at
        groups of items that the hypotheses treat alike, by their mean weights. One that is unmodelled is left out: what is
        checked is the rules.
        """
        if self.learnt is not None:
            return self.of_rules().check(k, rng)
        one, valuation, evidence = self.feedback[k], self.valuations[k], self.evidence[k]
        if not self.families:
            return one.check(valuation, evidence, self.weights, rng)
        lead = int(np.argmax(self.weights))
        raw = {h for h, f in self.families.items() if f.linear.sd is not None} if isinstance(one, Rational) else set()
        fixed_beta = bool(raw) and "rationality" not in one.nuisances
        if fixed_beta and lead in raw:
            one = one.unscaled()  # as the leading family reads it, alone
        names: list[str] = []
        rewards: list[Any] = []
        places: list[tuple[int, int]] = []
        weights: list[float] = []
        n = 0 if isinstance(one, ClosedForm) else CHECKED_MEMBERS
        for h, reward in enumerate(valuation.hypotheses.rewards):
            fitted = self.families.get(h)
            if fixed_beta and (h in raw) != (lead in raw):
                continue
            mass = float(self.weights[h])
            names.append(self.hypotheses.names[h])
            rewards.append(reward)
            places.append((h, -1))
            weights.append(mass if fitted is None or not n else 0.0)
            for member in range(n if fitted is not None else 0):
                names.append(f"{self.hypotheses.names[h]}, draw {member}")
                rewards.append(fitted.member(fitted.weights[member]) if fitted is not None else reward)
                places.append((h, member))
                weights.append(mass / n)
        listed = Hypotheses(tuple(names), tuple(rewards), self.hypotheses.columns)
        over = Valuation(listed, one.items, valuation.line.only([h for h, _ in places]))
        size, observed = 1000, one.observed
        draws = {key: np.ones((1, size, len(places))) for key in one.nuisances}
        statistics = np.zeros((len(places), evidence.statistics.shape[1] if isinstance(one, ClosedForm) else 0))
        for i, (h, member) in enumerate(places):
            fitted = self.families.get(h)
            if isinstance(one, ClosedForm):
                statistics = statistics if statistics.shape[1] else np.zeros((len(places), 1))
                terms = one.terms(one.at(over, i), observed)
                statistics[i] = terms.sum(axis=-1) if one.counts is None else terms @ one.counts
            for key in one.nuisances:
                if fitted is None:
                    draws[key][0, :, i] = one.draws(evidence, np.array([h]), size, rng)[key][:, 0]
                elif h in raw and key == "rationality":  # the same choices, as this kind scales them
                    draws[key][0, :, i] = one.scale_of(over, i) if isinstance(one, Rational) else 1.0
                elif member >= 0:
                    draws[key][0, :, i] = fitted.nuisances[one.variable(key)][member]
                else:
                    draws[key][0, :, i] = rng.choice(fitted.nuisances[one.variable(key)], size)
        total = sum(weights)
        stand_in = Evidence(
            np.zeros(len(places)), np.arange(len(places)), evidence.n_items, statistics, draws=draws or None
        )
        return one.check(over, stand_in, np.array(weights) / total, rng, lead=places.index((lead, -1)))

    def inputs_of_member(self, one: Feedback, valuation: Valuation, h: int, weights: np.ndarray) -> np.ndarray:
        """What the likelihood of a feedback, as the family reads it, depends on under some of its weights."""
        fitted = self.families[h]
        member = Valuation(
            Hypotheses((self.hypotheses.names[h],), (fitted.member(weights),)), one.items, valuation.line.only([h])
        )
        return one.at(member, 0)

    def untrusted(self, *agents: np.ndarray) -> list[str]:
        """Say why the numbers cannot be trusted, if so: the sampler's gates, and errors of log Bayes factors that matter.

        Parameters
        ----------
        agents : ndarray (hypothesis,)
            Further weights that are used, beside the judge's.
        """
        problems = [] if self.sampler is None else list(self.sampler.problems)
        matter = np.flatnonzero(np.max([self.weights, *agents], axis=0) > MATTERS)
        worst, pair = 0.0, (0, 0)
        for a, i in enumerate(matter.tolist()):
            for j in matter[a + 1 :].tolist():
                if (error := self.mcse_between(i, j)) > worst:
                    worst, pair = error, (i, j)
        if worst > LOG_BAYES_FACTOR:
            i, j = pair
            problems.append(
                f"the log Bayes factor between {self.hypotheses.names[i]!r} and {self.hypotheses.names[j]!r} has a Monte Carlo "
                f"error of {worst:.2f}, above {LOG_BAYES_FACTOR}; take more draws"
            )
        for h, fitted in self.families.items():
            if self.mcse[h] > 5 * LOG_BAYES_FACTOR or fitted.k_hat > K_HAT:
                problems.append(
                    f"the log evidence of {self.hypotheses.names[h]!r} has a Monte Carlo error of {self.mcse[h]:.2f} nats "
                    f"({fitted.method}), so that its weights cannot be trusted; take fewer features, or more data"
                )
        return problems

    def perturbed(self, n: int, rng: np.random.Generator) -> "Iterator[Posterior]":
        """Posteriors whose evidence is moved by its Monte Carlo error, n times; silent pairs move together.

        Without an error it is the same posterior n times.
        """
        if self.exact:
            yield from (self,) * n
            return
        for _ in range(n):
            moved = self.log_evidence
            for one in self.estimates:
                moved = moved + rng.standard_normal(int(one.classes.max()) + 1)[one.classes] * one.mcse
            weights = posterior_weights(self.prior.weights_of(self.hypotheses), self.log_prior, moved)
            yield replace(self, log_evidence=moved, weights=weights, estimates=())

    def reweighted(self, prior: Prior | None) -> np.ndarray:
        """Posterior weights under another prior (None: the judge's) and the same evidence: (hypothesis,).

        Raises
        ------
        InputError
            The data are impossible under every hypothesis to which that prior gives weight.
        """
        if prior is None:
            return self.weights
        return posterior_weights(prior.weights_of(self.hypotheses), prior.log_prior(self.hypotheses), self.log_evidence)

    def acting_log_prior(self, prior: Prior | None) -> np.ndarray:
        """``log pi_h`` of an agent of some prior (None: the judge's), -inf for what no agent can act by: (hypothesis,)."""
        prior = self.prior if prior is None else prior
        if self.learnt is None:
            return prior.log_prior(self.hypotheses)
        out = np.full(len(self.hypotheses), -np.inf)
        out[list(self.learnt.rules)] = prior.log_prior_among(self.hypotheses, self.learnt.rules)
        return out

    def acting(self, prior: Prior | None) -> np.ndarray:
        """Posterior weights of an agent of some prior (None: the judge's): (hypothesis,).

        A hypothesis that is unmodelled says nothing of what to do, so that no agent holds it: the others' weights add up to 1.

        Raises
        ------
        InputError
            The data are impossible under every rule to which that prior gives weight.
        """
        if self.learnt is None:
            return self.reweighted(prior)
        log_prior = self.acting_log_prior(prior)
        name = self.hypotheses.names[self.learnt.hypothesis]
        if not np.max(log_prior + self.log_evidence) > -np.inf:
            raise InputError(
                f"the data are impossible under every rule, and by {name!r} no agent can act; allow for noise, or list a rule that "
                "could have made them"
            )
        return posterior_weights(np.exp(log_prior), log_prior, self.log_evidence)

    def draws(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw value priors from ``p(pi | data)``, the weights that follow, and the hypotheses they were drawn with.

        Two arrays (draw, hypothesis), and the index of a hypothesis (draw,).

        A hypothesis is drawn from the weights, then pi given it; only so is the mean of the weights drawn the posterior
        weight (draws from ``p(pi)`` would leave the data out).
        """
        truths = rng.choice(len(self.weights), n, p=self.weights)
        pi = self.prior.draws(self.hypotheses, truths, rng)
        with np.errstate(divide="ignore"):
            log_weights = np.log(pi) + self.log_evidence
        log_weights -= log_weights.max(axis=1, keepdims=True)
        weights = np.exp(log_weights)
        return pi, weights / weights.sum(axis=1, keepdims=True), truths

    def within_classes(self, prior: Prior | None) -> np.ndarray:
        """A prior (None: the judge's) normalised within each silent class, uniform where it is 0 there: (hypothesis,).

        It is what data of this kind leave of the prior, however many there are.
        """
        log_weights = self.acting_log_prior(prior)  # one that is unmodelled is alone in its class
        weights = np.exp(log_weights)
        if self.learnt is None:
            weights = (self.prior if prior is None else prior).weights_of(self.hypotheses)
        out = np.empty(len(weights))
        for members in self.members():
            if np.max(log_weights[members]) > -np.inf:
                out[members] = posterior_weights(weights[members], log_weights[members], np.zeros(len(members)))
            else:
                out[members] = 1.0 / len(members)
        return out

    def members(self) -> list[np.ndarray]:
        """Indices of the hypotheses of each silent class."""
        return [np.flatnonzero(self.classes == c) for c in range(int(self.classes.max()) + 1)]


def posterior_weights(prior: np.ndarray, log_prior: np.ndarray, log_evidence: np.ndarray) -> np.ndarray:
    """``w_h`` proportional to ``pi_h L_h``, normalised; equal inputs give exactly equal weights.

    Where the data say nothing the prior comes back to the last digit, so the product is taken outside of logs unless it
    underflows there. Both the prior and its logarithm are given, for 1e-400 has only the latter.
    """
    log_posterior = log_prior + log_evidence
    if not np.max(log_posterior) > -np.inf:
        raise InputError(
            "the data are impossible under every hypothesis that the prior gives weight; allow for noise, or list a "
            "hypothesis that could have made them"
        )
    values, _, place, _ = distinct(log_evidence)
    likelihood = np.exp(values - values[-1])[place]
    product = prior * likelihood
    if np.max(product) > 1e-200:
        return product / math.fsum(product.tolist())
    return normalise_log(log_posterior)


def cells_of(valuation: Valuation, rules: Sequence[int]) -> np.ndarray:
    """Which cell each item is in: (item,) of uint64."""
    code = np.zeros(valuation.table.n_items, np.uint64)
    for items, found in valuation.each(lambda block: (block.items, block.cells(rules))):
        code[items] = found
    return code


def _of_some(evidence: Evidence, which: Sequence[int]) -> Evidence:
    """Evidence of some of the hypotheses."""
    draws = evidence.draws
    return replace(
        evidence,
        log_evidence=evidence.log_evidence[which],
        classes=evidence.classes[which],
        statistics=evidence.statistics[which] if len(evidence.statistics) else evidence.statistics,
        mcse=evidence.mcse[which],
        density=None if evidence.density is None else evidence.density.map(lambda values: values[which]),
        draws=None if draws is None else {key: values[..., which] for key, values in draws.items()},
    )


def on_test(
    hypotheses: Hypotheses,
    families: Mapping[int, Fitted],
    table: Table,
    line: FailureLine,
    told: FailureLine | None = None,
    learnt: Learnt | None = None,
) -> Valuation:
    """Evaluate hypotheses on a test, those with continuous weights by draws of these, an unmodelled one by what was learnt."""
    n = int(np.clip(MEMBER_CELLS // max(table.n_items, 1), GROUPS, MEMBERS))
    drawn: dict[int, Any] = {h: fitted.drawn(n) for h, fitted in families.items()}
    drawn |= {} if learnt is None else {learnt.hypothesis: Unseen(learnt)}
    return Valuation(hypotheses.instead(drawn), table, line, told)


def log_marginal(posterior: Posterior) -> float:
    """``log sum_h pi_h L_h``, nats: how well the judge's prior predicted the data."""
    return log_sum_exp(posterior.log_prior + posterior.log_evidence)
