"""A test of whether a kind of feedback keeps the promises of every kind."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from reward_hypotheses.data.column import Column
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.failure_line import FailureLine
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.weights.weigh import weigh

FAR = 5.5  # standard errors
MOST_UNITS = 40


def conforms(
    feedback: Feedback,
    hypotheses: Mapping[str, Any],
    fail_utility: Any = 0.0,
    random_seed: int = 0,
    replications: int = 2000,
) -> None:
    """Check the promises of every kind of feedback, on given data and hypotheses.

    - Likelihood and replication are of one model, and the likelihood adds up to 1: for data that `replicate` draws
      under one hypothesis and nuisance, ``E[p(y_i | h', theta') / p(y_i | h, theta)] = 1``, unit by unit, to 5.5
      standard errors.
    - Replicated data have the layout of the observed data, and the likelihood gives one number for each unit.
    - PyMC computes the likelihood that numpy computes, to 1e-9.
    - Priors of nuisances draw inside their supports, with finite densities.
    - One reward under two names is silent: one class, one evidence to the last bit.
    - A count of 2 gives the evidence of every row twice, for kinds with evidence of their own (where the answers stand
      in a column; sampled evidence counts by itself).
    - The posterior's draws of nuisances have the shape asked for, and lie inside their supports.

    Parameters
    ----------
    feedback : Feedback
        With data; few units are enough.
    hypotheses : dict
        At least two that differ on these data.
    fail_utility : float, str or dict
    random_seed : int
    replications : int
        More replications find smaller mistakes.

    Raises
    ------
    AssertionError
        A promise that does not hold.
    InputError
        Invalid data or hypotheses.
    """
    names = list(hypotheses)
    assert len(names) >= 2, "give at least two hypotheses that say different things of these data"
    twin = f"{names[0]} again"
    line = fail_utility | {twin: fail_utility[names[0]]} if isinstance(fail_utility, dict) else fail_utility
    listed, failure, made = prepared({**hypotheses, twin: hypotheses[names[0]]}, [feedback], line)
    listed.refuse_spaces("rh.conforms")
    feedback = made[0]
    valuation = Valuation(listed, feedback.items, failure, for_labels=True)
    rng = substream(random_seed, f"conformance of {feedback.name}")
    _priors(feedback, rng)
    _one_model(feedback, valuation, replications, rng)
    if feedback.symbolic:
        _in_pymc(feedback, valuation, rng)
    if feedback.in_column and feedback.count is None:
        _counts(feedback, listed, failure)
    posterior = weigh(listed, Uniform("conformance"), [feedback], failure, seed=random_seed)
    last = len(listed) - 1
    for what, values in (("class", posterior.classes), ("log evidence", posterior.log_evidence)):
        assert values[0] == values[last], (
            f"{feedback.name}: {names[0]!r} has {what} {values[0]}, and again {values[last]}"
        )
    assert len(set(posterior.classes.tolist())) > 1, (
        f"{feedback.name}: silent between all of {', '.join(names)}; give others"
    )
    theta = feedback.draws(posterior.evidence[0], np.arange(len(listed)), 50, rng)
    assert set(theta) == set(feedback.nuisances), (
        f"{feedback.name}: draws of {sorted(theta)}, not of {sorted(feedback.nuisances)}"
    )
    for key, values in theta.items():
        assert values.shape == (50, len(listed)), (
            f"{feedback.name}: draws of {key!r} are {values.shape}, not {(50, len(listed))}"
        )
        prior = feedback.nuisances[key]
        assert ((values >= prior.low) & (values <= prior.high)).all(), (
            f"{feedback.name}: a draw of {key!r} is outside of its support"
        )


def _priors(feedback: Feedback, rng: np.random.Generator) -> None:
    for key, prior in feedback.nuisances.items():
        drawn = prior.draws((1000,), rng)
        assert drawn.shape == (1000,), (
            f"{feedback.name}: the prior of {key!r} draws {drawn.shape} where (1000,) was asked"
        )
        inside = (drawn >= prior.low) & (drawn <= prior.high)
        assert inside.all(), (
            f"{feedback.name}: the prior of {key!r} draws {drawn[~inside][0]:g}, outside of its support"
        )
        finite = np.isfinite(prior.log_density(drawn))
        assert finite.all(), (
            f"{feedback.name}: the prior of {key!r} has no density at {drawn[~finite][0]:g}, which it draws"
        )


def _counts(feedback: Feedback, listed: Hypotheses, failure: FailureLine) -> None:
    items, twice = feedback.items, np.tile(np.arange(feedback.items.n_items), 2)
    doubled = replace(
        items,
        columns={name: column.take(twice) for name, column in items.columns.items()},
        starts=np.append(items.starts, items.starts[1:] + items.n_items),
        scene_names=None,
        option_names=None,
        rows=None,
        kept_positions=items.positions[twice],
    )
    name = "how often it was said"
    counted = replace(items, columns={**items.columns, name: Column(np.full(items.n_items, 2.0))})
    evidence = []
    for table, count in ((doubled, None), (counted, name)):
        again = replace(feedback, table=table, count=count)
        evidence.append(again.evidence(Valuation(listed, again.items, failure, for_labels=True)))
    by_rows, by_count = evidence
    if by_rows is None or by_count is None:
        return
    off = np.abs(by_count.log_evidence - by_rows.log_evidence)
    allowed = 1e-9 * np.abs(by_rows.log_evidence) + FAR * np.hypot(by_count.mcse, by_rows.mcse) + 1e-9
    assert (off <= allowed).all(), (
        f"{feedback.name}: with count = 2 in every row the log evidence is {by_count.log_evidence[0]:g}, and {by_rows.log_evidence[0]:g} "
        "with every row twice; weigh each answer by self.counts"
    )


def _theta(feedback: Feedback, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return a draw of each nuisance near the middle of its prior: (1,)."""
    return {key: np.quantile(prior.draws((101,), rng), [0.5]) for key, prior in feedback.nuisances.items()}


def _likelihood(
    feedback: Feedback, inputs: np.ndarray, theta: Mapping[str, np.ndarray], observed: np.ndarray
) -> np.ndarray:
    """Return ``log p(y_i)`` of replicated data: (replication, unit).

    Parameters
    ----------
    inputs : ndarray (unit, ...)
    theta : mapping of str to ndarray (1,)
        One draw of the nuisances.
    observed : ndarray (replication, unit, ...)
    """
    x = np.asarray(inputs, float)
    evidence = [feedback.log_likelihood(x, theta, np.asarray(answers, float), np) for answers in observed]
    return np.array(
        [np.broadcast_to(each[0] if np.ndim(each) == 2 else each, observed.shape[1:2]) for each in evidence]
    )


def _one_model(feedback: Feedback, valuation: Valuation, n: int, rng: np.random.Generator) -> None:
    observed = np.asarray(feedback.observed)
    pairs = [(0, 1), (1, 0)]
    for true, other in pairs:
        inputs, rival = (np.asarray(feedback.at(valuation, h)) for h in (true, other))
        theta, others = _theta(feedback, rng), _theta(feedback, rng)
        many = {key: np.repeat(values, n) for key, values in theta.items()}
        made = np.asarray(feedback.replicate(inputs, many, n, rng))
        want = (n, *observed.shape)
        assert made.shape == want, (
            f"{feedback.name}: replicate gives {made.shape}; what was said, so many times, is {want}"
        )
        by_true, by_other = (
            _likelihood(feedback, x, at, made)[:, :MOST_UNITS] for x, at in ((inputs, theta), (rival, others))
        )
        assert np.isfinite(by_true).all(), (
            f"{feedback.name}: replicate makes what log_likelihood says is impossible, or no number"
        )
        ratio = np.exp(by_other - by_true)
        error = np.maximum(ratio.std(axis=0, ddof=1) / math.sqrt(n), 1e-9)
        off = (ratio.mean(axis=0) - 1) / error
        # a ratio that is seldom large has a mean that is seldom near: there, only what is too large is wrong
        steady = ratio.max(axis=0) < 0.02 * n
        worst = int(np.argmax(np.where(steady, np.abs(off), off)))
        value = abs(float(off[worst])) if steady[worst] else float(off[worst])
        assert value < FAR, (
            f"{feedback.name}: unit {worst}: likelihood and replication are of different models, or the likelihood does not add up to "
            f"1: the mean ratio of likelihoods is {ratio.mean(axis=0)[worst]:.3f}, which should be 1, {value:.1f} standard errors off"
        )
        k = int(steady.sum())
        together = (float((off[steady] ** 2).sum()) - k) / math.sqrt(2 * max(k, 1))
        assert together < 2 * FAR, (
            f"{feedback.name}: likelihood and replication are of different models, or the likelihood does not add up to 1: the mean "
            f"ratios of likelihoods of {k} units are off 1 by more than chance ({together:.1f} standard deviations of chi squared)"
        )


def _in_pymc(feedback: Feedback, valuation: Valuation, rng: np.random.Generator) -> None:
    import pytensor.tensor as pt

    theta = _theta(feedback, rng)
    observed, inputs = np.asarray(feedback.observed, float), np.asarray(feedback.at(valuation, 0), float)
    columns = {key: pt.as_tensor_variable(values) for key, values in theta.items()}
    graph = feedback.log_likelihood(pt.as_tensor_variable(inputs), columns, pt.as_tensor_variable(observed), pt)
    theirs = np.broadcast_to(graph.eval(mode="FAST_COMPILE"), observed.shape[:1])
    ours = _likelihood(feedback, inputs, theta, observed[None])[0]
    apart = np.abs(theirs - ours).max(initial=0.0)
    assert apart <= 1e-9 * max(1.0, float(np.abs(ours).max())), (
        f"{feedback.name}: PyMC's log likelihood is off numpy's by {apart:g}"
    )
