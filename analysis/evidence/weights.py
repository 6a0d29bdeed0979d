"""Posterior weights of the hypotheses, with prior, evidence and values."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, override

import numpy as np

from reward_hypotheses.analysis.case import Case
from reward_hypotheses.analysis.results.section import Document, Section, by_name
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.linear import Linear
from reward_hypotheses.models.priors.base import Product
from reward_hypotheses.models.priors.judgements import Judgements


class HypothesesListed(Section[Document]):
    """The hypotheses, in order, and their rewards as written."""

    keys = ("hypotheses", "rewards")

    @override
    def compute(self, case: Case) -> Document:
        hypotheses = case.posterior.hypotheses
        return {
            "hypotheses": list(hypotheses.names),
            "rewards": {name: reward.text for name, reward in zip(hypotheses.names, hypotheses.rewards, strict=True)},
        }


class Values(Section[Document]):
    """The human values as the study states them.

    For values inferred from judgements, the quality of the inference is given too.
    """

    keys = ("values",)
    topic = "value_sources"
    urgency = 35

    @override
    def compute(self, case: Case) -> Document:
        prior, names = case.posterior.prior, case.judge_names
        if not isinstance(prior, Judgements):
            return dict(case.source.values)
        inferred = prior.inferred(names)
        order = np.argsort(inferred.tau)
        below = np.cumsum(inferred.pool.chance[order])
        ends = [float(inferred.tau[order][np.searchsorted(below, p * below[-1])]) for p in (0.5, 0.025, 0.975)]
        return dict(case.source.values) | {
            "inferred": {
                **{key: getattr(inferred, key) for key in ("method", "k_hat", "ess")},
                "mcse": by_name(names, inferred.mcse),
                "disagreement": dict(zip(("median", "lower", "upper"), ends, strict=True)),
                "never_judged": prior.never_judged(names),
            }
        }

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        prior = case.posterior.prior
        if isinstance(prior, Judgements):
            for name in prior.never_judged(case.judge_names):
                yield f"no judgement is about {name!r}: its prior weight comes from the prior of worths alone"
            worst = float(prior.inferred(case.judge_names).mcse.max())
            yield (
                f"the Monte Carlo error of the prior weights inferred from judgements, up to {worst:.2g}, is part of no other error"
            )
        if isinstance(prior, Product) and prior.strength is not None:
            yield (
                f"the logarithmic pool of judges counts as one opinion, worth {prior.strength:.3g} judgements (1 / sum of share^2 / "
                "strength)"
            )
        if not prior.uncertain and np.count_nonzero(case.posterior.log_prior > -np.inf) > 1:
            remedy = _remedy(case.source.values)
            yield f"the values are stated without a strength, so the interval of the risk leaves out uncertainty about them; {remedy}"


def _remedy(values: Mapping[str, Any]) -> str:
    """Return the advice that brings doubt about the values into the interval."""
    if "prior" in values:
        return f"the prior {values['prior']!r} cannot have a strength, but weights can"
    each = "each judge's weights" if "judges" in values else "the weights"
    return f"state how many judgements {each} rest on (strength = ...)"


class Weights(Section[Document]):
    """Prior, log evidence (nats) and posterior weight of every hypothesis."""

    keys = ("prior", "log_evidence", "weights")
    sampled = True
    topic = "evidence"
    urgency = 40

    @override
    def compute(self, case: Case) -> Document:
        posterior = case.posterior
        values = (posterior.prior.weights_of(posterior.hypotheses), posterior.log_evidence, posterior.weights)
        return dict(zip(self.keys, (by_name(case.judge_names, v) for v in values), strict=True))

    @override
    def perturbed(self, case: Case, like: Mapping[str, Any]) -> Document:
        return {"weights": by_name(case.judge_names, case.posterior.weights)}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        posterior = case.posterior
        for name, value, prior in zip(case.judge_names, posterior.log_evidence, posterior.log_prior, strict=True):
            if value == -np.inf:
                yield f"the data are impossible under {name!r}: its log evidence is minus infinity, given as null"
            elif prior == -np.inf:
                yield f"the values give {name!r} a weight of 0, which no data can change"


class RewardWeights(Section[Document]):
    """Posterior of the continuous weights of rewards, with each feature's unit."""

    keys = ("reward_weights",)

    @override
    def compute(self, case: Case) -> Document:
        names = case.judge_names
        return {names[h]: _of(fitted, case.settings.prob) for h, fitted in case.posterior.families.items()}

    @override
    def warnings(self, case: Case, result: Document) -> Iterator[str]:
        for h, fitted in case.posterior.families.items():
            yield from fitted.linear.misfits(case.judge_names[h])


def _of(fitted: Fitted, prob: float) -> Document:
    ends = np.quantile(fitted.weights, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    error = fitted.weights.std(axis=0, ddof=1) / math.sqrt(min(fitted.ess, len(fitted.weights)))
    columns = (fitted.mean, fitted.weights.std(axis=0, ddof=1), *ends, error, fitted.scale)
    keys = ("mean", "sd", "lower", "upper", "mcse", "unit")
    return {
        "features": {
            name: dict(zip(keys, (float(c[k]) for c in columns), strict=True))
            for k, name in enumerate(fitted.linear.names)
        },
        "prob": prob,
        "prior": fitted.linear.prior,
        "source": fitted.linear.source,
        **_stated(fitted.linear),
        **{key: getattr(fitted, key) for key in ("method", "k_hat", "ess")},
    }


def _stated(linear: Linear) -> Document:
    """Return the signs, means and ratios of a family, each with its source."""
    out: Document = {}
    for key, stated in (("sign", linear.signs), ("mean", linear.means)):
        values = {
            name: {"value": _value(key, x.value), "source": linear.source if x.source is None else x.source}
            for name, x in zip(linear.names, stated, strict=True)
            if x is not None
        }
        out |= {key: values} if values else {}
    ratios = {
        f"{linear.names[ratio.numerator]} / {linear.names[ratio.denominator]}": {
            "quantiles": {
                repr(p): {"stated": stated, "fitted": fitted}
                for (p, stated), fitted in zip(ratio.quantiles, ratio.fitted_quantiles, strict=True)
            },
            "source": linear.source if ratio.source is None else ratio.source,
        }
        for ratio in linear.ratios
    }
    return out | ({"ratio": ratios} if ratios else {})


def _value(key: str, value: float) -> float | str:
    return value if key == "mean" else "+" if value > 0 else "-"
