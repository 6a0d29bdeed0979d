"""Evidence of each feedback as a Dataset, and the silent pairs of hypotheses."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.evidence.by_feedback import contributions
from reward_hypotheses.analysis.evidence.equivalent_on_declared_support import alike, classes_of, on_support
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.feedback.base import Feedback
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.hypotheses.column_checks import check_columns
from reward_hypotheses.models.priors.base import Prior
from reward_hypotheses.models.weights.weigh import weigh


def evidence_by_feedback(
    hypotheses: Mapping[str, Any],
    values: Prior,
    feedback: Sequence[Feedback],
    fail_utility: Any,
    *,
    random_seed: int = 0,
) -> xr.Dataset:
    """Compute the evidence of each feedback, and how far the feedbacks agree.

    Arguments as for `fit`.

    ``log p(D | h) = sum_k log p(D_k | h) + together_h``. ``together`` is 0 unless feedbacks share a human's rationality or
    the continuous weights of a hypothesis. The agreement of two feedbacks, in nats, is

        ``log p(D_k, D_l) - log p(D_k) - log p(D_l),   p(D) = sum_h pi_h p(D | h)``,

    the logarithm of how much likelier each makes the other (pointwise mutual information). If both follow one of the
    hypotheses, an agreement of at most -x has a probability of at most ``exp(-x)`` (Markov's inequality; Shafer 2021).

    Returns
    -------
    Dataset
        ``nats`` and ``mcse`` (feedback, hypothesis), ``together`` (hypothesis); ``agreement`` and ``agreement_mcse``
        (feedback, other), NaN on the diagonal. For each feedback against all others: ``agreement_with_others``,
        ``agreement_with_others_mcse``, ``chance_at_most``, and ``p`` (feedback) of its predictive check by the weights that
        the others leave; ``weight_by_others`` (feedback, hypothesis).

    Raises
    ------
    InputError
        The reasons of `fit`.
    """
    listed, line, made = prepared(hypotheses, feedback, fail_utility)
    if not isinstance(values, Prior):
        raise InputError(f"values: a {type(values).__name__}; give a prior, such as rh.Elicited(weights, source)")
    seed = whole(random_seed, "random_seed")
    posterior = weigh(listed, values, made, line, seed=seed)
    parts = contributions(posterior, seed)
    by = ("feedback", "hypothesis")
    alone: dict[str, Any] = {
        "nats": (by, parts.alone),
        "mcse": (by, parts.mcse),
        "together": ("hypothesis", parts.together),
        "agreement": (("feedback", "other"), parts.agreement),
        "agreement_mcse": (("feedback", "other"), parts.agreement_mcse),
    }
    if rest := parts.given_others:
        alone |= {
            "agreement_with_others": ("feedback", [others.agreement for others in rest]),
            "agreement_with_others_mcse": ("feedback", [others.mcse for others in rest]),
            "chance_at_most": ("feedback", [others.chance for others in rest]),
            "p": ("feedback", [np.nan if others.check is None else others.check.p for others in rest]),
            "weight_by_others": (by, [others.weights for others in rest]),
        }
    names = list(parts.names)
    return xr.Dataset(alone, coords={"feedback": names, "other": names, "hypothesis": list(listed.names)})


def silent_pairs(
    hypotheses: Mapping[str, Any], feedback: Sequence[Feedback], fail_utility: Any, support: Any = None
) -> list[tuple[str, str]]:
    """List the pairs of hypotheses that feedback cannot separate.

    No answers to these questions separate such a pair. Arguments as for `fit`.

    Without a support, the two hypotheses are equal on the items of the feedback; n such items leave room for disagreement
    on up to about 3/n of their distribution (95 %). With a support, the two are equal on every item of the support as
    well, so that no amount of such data separates them. Hypotheses with continuous weights are in no pair; see
    `silent_directions`.

    Parameters
    ----------
    support : Dataset, DataFrame or dict of arrays, optional
        The items that training could hold, such as `combinations` makes.

    Raises
    ------
    InputError
        The reasons of `fit`; a support without a column that a hypothesis reads.
    """
    listed, line, made = prepared(hypotheses, feedback, fail_utility)
    classes = [classes_of(of_kind, listed, line) for of_kind in made]
    pairs: Sequence[tuple[int, int]] = alike(classes)
    if support is not None:
        table = as_table(support, "support")
        table = table.with_booleans([c for c in table.columns if table.columns[c].is_boolean()])
        if problems := check_columns([(table, listed.expressions())]):
            raise InputError(problems)
        pairs = on_support(listed, line, made, classes, table).silent
    return [(listed.names[i], listed.names[j]) for i, j in pairs]
