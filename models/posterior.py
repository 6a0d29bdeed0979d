"""The posterior over hypotheses: one evidence, which every prior reweights."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.feedback.base import Check, ClosedForm, Evidence, Feedback
from reward_hypotheses.models.feedback.boltzmann.model import Rational
from reward_hypotheses.models.feedback.labels import Labels
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.linear import Fitted
from reward_hypotheses.models.hypotheses.none_of_the_above import Learnt, Unmodelled, Unseen, learnt_of
from reward_hypotheses.models.hypotheses.valuation import GROUPS, MEMBER_CELLS, MEMBERS, Valuation
from reward_hypotheses.models.inference.laplace import K_HAT
from reward_hypotheses.models.inference.special import log_sum_exp, normalise_log
from reward_hypotheses.models.linear_family.integrate import MOST_NUTS, Nuts, fit_family, in_steps
from reward_hypotheses.models.priors.base import Prior

if TYPE_CHECKING:
    from reward_hypotheses.models.weights.sampled_evidence import Sampler

METHODS = ("auto", "exact", "nuts")
LOG_BAYES_FACTOR = 0.1
"""A log Bayes factor between hypotheses that matter is trusted up to this Monte Carlo error."""
MATTERS = 0.001  # posterior weight
LEAST_FAMILY_DRAWS = 4000
CHECKED_MEMBERS = 40


class NotTrustedError(RuntimeError):
    """The numbers cannot be trusted; the message says which and why.

    Attributes
    ----------
    problems : tuple of str
    tree : xarray.DataTree or None
        What `fit` sampled, to look at; None elsewhere.
    """

    def __init__(self, problems: str | Iterable[str], tree: Any = None) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.tree = tree
        super().__init__("\n".join(self.problems))


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


def weigh(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    valuations: Sequence[Valuation] | None = None,
    *,
    method: str = "auto",
    draws: int = 1000,
    chains: int = 4,
    seed: int = 0,
) -> Posterior:
    """Weigh hypotheses by feedback: ``w_h`` proportional to ``pi_h prod_k p(D_k | r_h)``, nuisances integrated out.

    Parameters
    ----------
    method : {"auto", "exact", "nuts"}
        Exactly where it can be, else by NUTS; exactly or not at all; by NUTS wherever there is a nuisance.
    draws, chains, seed : int
        Of NUTS, which samples at least 4 chains of 1,000.

    Raises
    ------
    InputError
        What a prior or feedback refuses, data that are impossible under every hypothesis, or feedback without an exact
        evidence where that was asked for.
    NotTrustedError
        A sampled evidence that is not a number.
    """
    if method not in METHODS:
        raise InputError(f"method: {method!r}; {suggestion(str(method), METHODS)}")
    if problems := method_problems(hypotheses, feedback, method):
        raise InputError(problems)
    if hypotheses.unmodelled is not None:
        return _with_unmodelled(
            hypotheses, prior, feedback, line, valuations, method=method, draws=draws, chains=chains, seed=seed
        )
    if hypotheses.families:
        return _with_families(hypotheses, prior, feedback, line, method=method, draws=draws, chains=chains, seed=seed)
    if valuations is None:
        valuations = [Valuation(hypotheses, one.items, line, for_labels=True) for one in feedback]
    evidence, estimates, sampler = _evidence(feedback, valuations, method, draws, chains, seed)
    return _posterior(hypotheses, prior, feedback, valuations, evidence, estimates, sampler)


def _evidence(
    feedback: Sequence[Feedback], valuations: Sequence[Valuation], method: str, draws: int, chains: int, seed: int
) -> "tuple[list[Evidence], list[Estimate], Sampler | None]":
    """Evidence of hypotheses that are fixed rewards, one a feedback."""
    found = exactly(feedback, valuations, method)
    inexact = [
        one for one, e in zip(feedback, found, strict=True) if one.nuisances and (e is None or e.method != "exact")
    ]
    if inexact and method == "exact":  # a kind that says otherwise
        raise InputError(_no_exact_form(inexact))
    to_sample = [
        k
        for k, (one, e) in enumerate(zip(feedback, found, strict=True))
        if e is None or (method == "nuts" and one.nuisances)
    ]
    sampler = None
    if to_sample:
        from reward_hypotheses.models.weights.sampled_evidence import sample_evidence

        some = [feedback[k] for k in to_sample]
        over = [valuations[k] for k in to_sample]
        known = [found[k] for k in to_sample]
        classes = [
            one.classes(valuation) if e is None else e.classes
            for one, valuation, e in zip(some, over, known, strict=True)
        ]
        sampled, sampler = sample_evidence(some, over, classes, draws, chains, seed)
        for k, e, exact in zip(to_sample, sampled, known, strict=True):
            found[k] = e if exact is None else replace(e, statistics=exact.statistics)
    evidence = [e for e in found if e is not None]
    estimates = [
        Estimate(str(one.name), e.method, e.classes, e.mcse) for one, e in zip(feedback, evidence, strict=True)
    ]
    return evidence, estimates, sampler


def _with_families(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    *,
    method: str,
    draws: int,
    chains: int,
    seed: int,
) -> Posterior:
    """Weigh hypotheses some of which have continuous weights.

    Feedbacks multiply inside the integral over these, so their log evidence does not add up over feedbacks: the whole of it
    stands with the first feedback, and 0 with the others.
    """
    families = hypotheses.families
    named = [h for h in range(len(hypotheses)) if h not in families]
    n = len(hypotheses)
    evidence: list[Evidence] = []
    estimates: list[Estimate] = []
    sampler = None
    if named:
        some = hypotheses.only(named)
        over = [Valuation(some, one.items, line.only(named), for_labels=True) for one in feedback]
        evidence, estimates, sampler = _evidence(feedback, over, method, draws, chains, seed)
    fitted: dict[int, Fitted] = {}
    total, error = np.zeros(n), np.zeros(n)
    for h in families:
        linear = hypotheses.family(h)
        rng = substream(seed, f"weights of {hypotheses.names[h]}")
        size = max(draws * chains, LEAST_FAMILY_DRAWS)
        nuts = Nuts(method == "nuts", draws, chains, seed)
        fitted[h], total[h], error[h] = fit_family(
            hypotheses.names[h], linear, feedback, line.values[h], size, rng, nuts=nuts
        )
    ran = [one for one in (sampler, *(f.sampler for f in fitted.values())) if one is not None]
    if ran:
        from reward_hypotheses.models.weights.sampled_evidence import together

        sampler = together(ran)
    place = {h: k for k, h in enumerate(named)}
    whole = [_among(evidence[k] if named else None, one, place, n) for k, one in enumerate(feedback)]
    of_named, first = whole.copy(), whole[0]
    whole[0] = replace(first, log_evidence=first.log_evidence + total, mcse=np.hypot(first.mcse, error))
    every = [replace(e, classes=w.classes, mcse=w.mcse) for e, w in zip(estimates, of_named, strict=bool(named))]
    every += [
        Estimate(hypotheses.names[h], fitted[h].method, (np.arange(n) == h).astype(int), error * (np.arange(n) == h))
        for h in families
    ]
    typical = hypotheses.instead({h: one.typical for h, one in fitted.items()})
    valuations = [Valuation(typical, one.items, line, for_labels=True) for one in feedback]
    found = _posterior(hypotheses, prior, feedback, valuations, whole, every, sampler)
    return replace(found, families=fitted)


def method_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback], method: str) -> list[str]:
    """Say why a method cannot weigh hypotheses by feedback, without trying."""
    if method == "auto":
        return []
    families = ", ".join(repr(hypotheses.names[h]) for h in hypotheses.families)
    if method == "nuts":
        named = [one for one in feedback if one.nuisances] if len(hypotheses.families) < len(hypotheses) else []
        return (
            [problem for one in named if (problem := one.sampling_problem) is not None]
            + [
                f"method: 'nuts', but {one.name}: {one.kind} are steps in the weights of {families}, which NUTS cannot climb; "
                "use 'auto', which integrates them by sequential Monte Carlo"
                for one in feedback
                if families and in_steps(one)
            ]
            + _too_much_for_nuts(hypotheses, feedback)
        )
    if families:
        how = "importance sampling, sequential Monte Carlo or NUTS"
        return [f"method: {method!r}, but the weights of {families} are integrated by {how}; use 'auto' or 'nuts'"]
    together = {one.shares for one in feedback if one.shares is not None and not one.exact}
    inexact = [one for one in feedback if one.nuisances and (not one.exact or one.shares in together)]
    return [_no_exact_form(inexact)] if inexact else []


def _too_much_for_nuts(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    items = sum(one.items.n_items for one in feedback)
    return [
        f"method: 'nuts', but {hypotheses.names[h]!r} has {k:,} features and feedback {items:,} items: NUTS takes up to "
        f"{MOST_NUTS:,} features times items; use 'auto'"
        for h in hypotheses.families
        if (k := len(hypotheses.family(h).features)) * items > MOST_NUTS
    ]


def _no_exact_form(feedback: Sequence[Feedback]) -> str:
    names = ", ".join(str(one.name or one.kind) for one in feedback)
    return f"method: 'exact', but the evidence of {names} has no exact form; use 'auto' or 'nuts'"


def idle_warnings(feedback: Sequence[Feedback], valuations: Sequence[Valuation]) -> list[str]:
    """Name the feedbacks that say nothing, for under every hypothesis what was said is at chance."""
    return [
        idle_warning(one)
        for one, valuation in zip(feedback, valuations, strict=True)
        if isinstance(one, Rational) and not any(one.compares(valuation, h) for h in valuation.hypotheses.rules)
    ]


def idle_warning(one: Rational) -> str:
    """Say that a feedback leaves nothing to compare."""
    return (
        f"{one.name}: {one.nothing_to_compare}; every hypothesis has the same evidence from it, that of chance, and it leaves "
        "the prior as it stands"
    )


def unmodelled_problems(hypotheses: Hypotheses, feedback: Sequence[Feedback]) -> list[str]:
    """Name the feedbacks that a hypothesis which is unmodelled says nothing of: all but labels."""
    none = hypotheses.unmodelled
    if none is None:
        return []
    return [
        f"{one.name or one.kind}: hypothesis {hypotheses.names[none]!r} is unmodelled, and gives labels alone a probability, not "
        f"{one.kind}; leave the one or the other out"
        for one in feedback
        if not isinstance(one, Labels)
    ]


def _with_unmodelled(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    line: FailureLine,
    valuations: Sequence[Valuation] | None,
    *,
    method: str,
    draws: int,
    chains: int,
    seed: int,
) -> Posterior:
    """Weigh hypotheses of which one is unmodelled.

    Its label probabilities are shared by all feedbacks, so each adds ``log p(D_k | D_1 ... D_(k-1))`` to its log evidence.
    """
    if problems := unmodelled_problems(hypotheses, feedback):
        raise InputError(problems)
    none, rules = hypotheses.unmodelled, list(hypotheses.rules)
    assert none is not None
    unmodelled = hypotheses.rewards[none]
    assert isinstance(unmodelled, Unmodelled)
    if valuations is None:
        valuations = [Valuation(hypotheses, one.items, line, for_labels=True) for one in feedback]
    evidence, estimates, sampler = _evidence(feedback, [v.of_rules() for v in valuations], method, draws, chains, seed)
    codes = [cells_of(valuation, rules) for valuation in valuations]
    learnt = learnt_of(
        unmodelled, none, rules, codes, [one.observed for one in feedback], [one.counts for one in feedback]
    )
    place, n = {h: k for k, h in enumerate(rules)}, len(hypotheses)
    whole, before = [], 0.0
    for k, (one, found) in enumerate(zip(feedback, evidence, strict=True)):
        spread, until = _among(found, one, place, n), learnt.log_evidence(range(k + 1))
        spread.log_evidence[none] = until - before
        whole.append(spread)
        before = until
    every = [replace(e, classes=w.classes, mcse=w.mcse) for e, w in zip(estimates, whole, strict=True)]
    return replace(_posterior(hypotheses, prior, feedback, valuations, whole, every, sampler), learnt=learnt)


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
        draws=None if draws is None else {key: values[..., which] for key, values in draws.items()},
    )


def check_lines(hypotheses: Hypotheses, line: FailureLine, prior: Prior) -> None:
    """Refuse a judge who gives weight to a hypothesis without a failure line."""
    given = prior.weights_of(hypotheses)
    problems = [
        f"fail_utility: hypothesis {hypotheses.names[h]!r} has none, so it says nothing of what is catastrophic; give it one, or "
        "weight 0 in the values (an agent may hold it)"
        for h in hypotheses.families
        if line.values[h] is None and given[h] > 0
    ]
    if problems:
        raise InputError(problems)


def _among(evidence: Evidence | None, one: Feedback, place: Mapping[int, int], n: int) -> Evidence:
    """Evidence of the fixed hypotheses with room for the others, which are each a class of their own and add nothing yet."""
    at, named = np.array(list(place), int), np.array(list(place.values()), int)
    rest = np.setdiff1d(np.arange(n), at)

    def spread(values: np.ndarray) -> np.ndarray:
        out = np.zeros((n, *values.shape[1:]))
        out[at] = values[named]
        return out

    if evidence is None:
        evidence = Evidence(np.zeros(0), np.zeros(0, int), one.n_answers)
    classes = np.zeros(n, int)
    classes[at] = evidence.classes[named]
    classes[rest] = (int(evidence.classes.max()) + 1 if len(at) else 0) + np.arange(len(rest))
    draws = evidence.draws
    if draws is not None:
        draws = {key: np.moveaxis(spread(np.moveaxis(v, -1, 0)), 0, -1) for key, v in draws.items()}
    statistics = spread(evidence.statistics) if len(evidence.statistics) else np.zeros((n, 0))
    return replace(
        evidence,
        log_evidence=spread(evidence.log_evidence),
        classes=classes,
        statistics=statistics,
        mcse=spread(evidence.mcse),
        draws=draws,
    )


def _posterior(
    hypotheses: Hypotheses,
    prior: Prior,
    feedback: Sequence[Feedback],
    valuations: Sequence[Valuation],
    evidence: Sequence[Evidence],
    estimates: Sequence[Estimate],
    sampler: "Sampler | None",
) -> Posterior:
    """Put a prior and evidence together."""
    log_prior = prior.log_prior(hypotheses)
    together: dict[tuple[int, ...], int] = {}
    by_hypothesis = zip(*(e.classes.tolist() for e in evidence), strict=True)
    classes_of_all = np.array([together.setdefault(key, len(together)) for key in by_hypothesis])
    log_evidence = np.array([e.log_evidence for e in evidence]).sum(axis=0)
    if np.isnan(log_evidence).any():
        bad = [repr(n) for n, v in zip(hypotheses.names, log_evidence, strict=True) if np.isnan(v)]
        raise NotTrustedError(
            f"the sampled evidence of {', '.join(bad)} is not a number: a nuisance reaches values that no float holds; where "
            "there is a closed form, method = 'auto' takes it"
        )
    return Posterior(
        hypotheses=hypotheses,
        prior=prior,
        log_prior=log_prior,
        log_evidence=log_evidence,
        classes=classes_of_all,
        weights=posterior_weights(prior.weights_of(hypotheses), log_prior, log_evidence),
        feedback=tuple(feedback),
        valuations=tuple(valuations),
        evidence=tuple(evidence),
        estimates=tuple(estimates),
        sampler=sampler,
    )


def check_shared(
    feedback: Sequence[Feedback], method: str, called: Sequence[str] | None = None
) -> dict[str, list[int]]:
    """Positions of the feedbacks of each human.

    Raises
    ------
    InputError
        Some of one human that do not agree on what they share, or are to be sampled.
    """
    called = [str(one.name or one.kind) for one in feedback] if called is None else called
    groups: dict[str, list[int]] = {}
    for k, one in enumerate(feedback):
        if one.shares is not None:
            groups.setdefault(one.shares, []).append(k)
    for human, members in groups.items():
        if len(members) > 1:
            first = feedback[members[0]]
            first.refuse_to_share([feedback[k] for k in members], [called[k] for k in members])
            if method == "nuts" and first.nuisances:
                raise InputError(
                    f"method: 'nuts', but {', '.join(called[k] for k in members)} share the rationality of {human!r}, "
                    "which is integrated exactly; use 'auto'"
                )
    return groups


def exactly(feedback: Sequence[Feedback], valuations: Sequence[Valuation], method: str) -> list[Evidence | None]:
    """Give the exact evidence of each feedback, None where that takes sampling; those that share nuisances are taken together."""
    groups = check_shared(feedback, method)
    found: list[Evidence | None] = []
    alone = {k for members in groups.values() if len(members) == 1 for k in members}
    for k, (one, valuation) in enumerate(zip(feedback, valuations, strict=True)):
        found.append(one.evidence(valuation) if one.shares is None or k in alone else None)
    for members in groups.values():
        if len(members) > 1:
            together = feedback[members[0]].evidence_together(
                [feedback[k] for k in members], [valuations[k] for k in members]
            )
            for k, evidence in zip(members, together, strict=True):
                found[k] = evidence
    return found


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
