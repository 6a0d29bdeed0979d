"""Posterior predictive check of answers, each rater's by the rater's own draws."""

from collections.abc import Mapping

import numpy as np

from reward_hypotheses.data.progress import tracked
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.feedback.boltzmann.scene_and_item_choices import SceneChoice
from reward_hypotheses.models.feedback.evidence import MISFIT, Check, misfit_in_words
from reward_hypotheses.models.linear_family.likelihood_terms import terms_of
from reward_hypotheses.models.linear_family.softmax_term import SoftmaxTerm
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.weights.raters.who import raters_of

REPLICATIONS, WORK = 200, 40_000  # replications; raters times replications, at most
LEAST = 40


def rater_check(posterior: Posterior, k: int, rng: np.random.Generator) -> Check:
    """Check the mean log likelihood of an answer, of feedback with raters.

    A replication draws, for each rater, the hypothesis, weights and nuisances of one joint draw, and answers anew
    (a posterior predictive check; Gelman, Meng and Stern 1996).
    """
    people, feedback = posterior.people, posterior.feedback[k]
    assert people is not None
    raters = raters_of(posterior.feedback)
    assert raters is not None
    of_unit = raters.of_unit[k]
    order = np.argsort(of_unit, kind="stable")
    present, starts = np.unique(of_unit[order], return_index=True)
    units = np.split(order, starts[1:])
    n = int(np.clip(WORK // len(present), LEAST, REPLICATIONS))
    rows = np.linspace(0, people.n - 1, n).astype(int)
    inputs = {
        h: np.asarray(feedback.at(posterior.valuations[k], h))
        for h in range(len(posterior.weights))
        if h not in posterior.families and (people.follows[rows] == h).any()
    }
    terms = {h: _term(posterior, feedback, h) for h in posterior.families}
    observed, made, seen = np.asarray(feedback.observed), np.zeros(n), np.zeros(n)
    answers = float(feedback.n_answers)
    counts = np.ones(len(of_unit)) if feedback.counts is None else np.asarray(feedback.counts, float)
    for i, row in enumerate(tracked(rows.tolist())):
        for r, some in zip(present.tolist(), units, strict=True):
            h = int(people.follows[row, r])
            theta = {key: people.nuisances[v][row, r : r + 1] for key, v in _variables(feedback, people.nuisances)}
            reader = feedback
            if h in terms:
                reader, x = terms[h][0], _inputs(terms[h][1], people.weights[h][row, r], some)
                theta = {key: theta[key] for key in reader.nuisances}
            else:
                x = inputs[h][some]
            if isinstance(reader, SceneChoice):
                replicated = np.asarray(reader.replicate_units(x, theta, 1, rng, some)[0])
            else:
                replicated = np.asarray(reader.replicate(x, theta, 1, rng)[0])
            columns = {key: values[:, None] for key, values in theta.items()}
            for total, said in ((made, replicated), (seen, observed[some])):
                each = reader.log_likelihood(x.astype(float), columns, said.astype(float), np)
                total[i] += np.broadcast_to(each, (1, len(some)))[0] @ counts[some]
    made, seen = made / answers, seen / answers
    p = float((made <= seen + 1e-12).mean())
    improbable = "the answers are improbable, even with a reward of its own for each rater"
    misfit = [misfit_in_words(str(feedback.name), improbable, p, n)] if p < MISFIT else []
    return Check.of(float(seen.mean()), p, "mean log likelihood of an answer, nats", made, misfit)


def _variables(feedback: Feedback, known: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    return [(key, feedback.variable(key)) for key in feedback.nuisances if feedback.variable(key) in known]


def _term(posterior: Posterior, feedback: Feedback, h: int) -> tuple[Feedback, SoftmaxTerm]:
    """Return the feedback as a linear hypothesis reads it, and its term."""
    fitted, line = posterior.families[h], posterior.valuations[0].line.values[h]
    name = posterior.hypotheses.names[h]
    _, terms = terms_of(name, fitted.linear, [feedback], line, group=False, scale=fitted.scale)
    term = terms[0]
    assert isinstance(term, SoftmaxTerm)
    return fitted.linear.read_by(feedback), term


def _inputs(term: SoftmaxTerm, weights: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the inputs of some units at weights (feature,): (unit, [option])."""
    x = term.x[units] @ term.scaled(weights[None])[0]
    return np.where(term.inside[units], x, -np.inf)
