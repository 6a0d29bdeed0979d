"""Evidence by NUTS for the nuisances, and bridge sampling.

Given a hypothesis, nuisances of different feedbacks are independent, so one run samples the product of
``p(theta_k | D_k, c)`` over feedbacks k and silent classes c: no mode of a mixture can be missed, however little weight
its hypothesis has, and the evidence of a class is estimated once, which every prior then reweights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from reward_hypotheses.data.numerics import distinct
from reward_hypotheses.data.progress import named, tracked
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.feedback.base import Feedback, refuse_numeric
from reward_hypotheses.models.feedback.evidence import Evidence
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.bridge_sampling import bridge
from reward_hypotheses.models.inference.nuts import sampled
from reward_hypotheses.models.inference.trust import TUNE, Sampler

PRIOR_DRAWS = 1000  # a hypothesis under which the data are impossible at all of them is impossible
CELLS = 4_000_000  # numbers that a log likelihood holds at once


@dataclass(frozen=True, eq=False)
class _Part:
    """One feedback as it is sampled.

    For an exchangeable kind, items with equal observations that all hypotheses treat alike are one cell, with a count.
    """

    feedback: Feedback
    classes: np.ndarray
    names: tuple[str, ...]
    inputs: np.ndarray  # (class, cell)
    observed: np.ndarray  # (cell,)
    counts: np.ndarray  # (cell,)

    @property
    def name(self) -> str:
        return str(self.feedback.name)

    def log_target(self, c: int, phi: np.ndarray) -> np.ndarray:
        """Return ``log p(D | c, theta) p(theta) |dtheta/dphi|``: (draw,).

        Parameters
        ----------
        c : int
            Position of the class.
        phi : ndarray (draw, nuisance)
            Nuisances mapped to the line.
        """
        out = np.empty(len(phi))
        step = max(1, CELLS // max(len(self.counts), 1))
        for lo in range(0, len(phi), step):
            theta, total = {}, np.zeros(len(phi[lo : lo + step]))
            for (key, prior), column in zip(self.feedback.nuisances.items(), phi[lo : lo + step].T, strict=True):
                point, jacobian = prior.from_line(column)
                total = total + prior.log_density(point) + jacobian
                theta[key] = point[:, None]
            ll = self.feedback.log_likelihood(self.inputs[c], theta, self.observed, np)
            out[lo : lo + step] = total + np.broadcast_to(ll, (len(total), len(self.counts))) @ self.counts
        return out


def sample_evidence(
    feedback: Sequence[Feedback],
    valuations: Sequence[Valuation],
    classes: Sequence[np.ndarray],
    draws: int,
    chains: int,
    seed: int,
) -> tuple[list[Evidence], Sampler | None]:
    """Estimate the evidence of each hypothesis from feedbacks.

    Parameters
    ----------
    feedback, valuations : sequence
        One valuation for each feedback.
    classes : sequence of ndarray (hypothesis,)
        The silent classes of each feedback.
    draws, chains : int
        To be kept; at least 4 chains of 1,000 are sampled.
    seed : int

    Returns
    -------
    list of Evidence, Sampler
        Evidence without nuisances is a plain sum and exact; where no feedback has nuisances, there is no sampler.
    """
    for data in feedback:
        refuse_numeric(data)
    parts = [_part(*each) for each in zip(feedback, valuations, classes, strict=True)]
    possible = {part.name: _possible(part, seed) for part in parts if part.feedback.nuisances}
    uncertain = [_only(part, possible[part.name]) for part in parts if possible.get(part.name, np.zeros(0)).any()]
    theta: dict[str, dict[str, np.ndarray]] = {}
    sampler = None
    if uncertain:
        theta, sampler = _nuts(uncertain, draws, chains, seed)
    return [_evidence(part, theta.get(part.name), possible.get(part.name), seed) for part in parts], sampler


def _possible(part: _Part, seed: int) -> np.ndarray:
    """Return whether the data are possible under each class: (class,) of bool.

    Possible: a positive likelihood at one of a thousand draws of the prior.
    """
    rng = substream(seed, f"possible {part.name}")
    drawn = [prior.to_line(prior.draws((PRIOR_DRAWS,), rng)) for prior in part.feedback.nuisances.values()]
    phi = np.stack(drawn, axis=-1)
    with np.errstate(all="ignore"):
        return np.array([bool((part.log_target(c, phi) != -np.inf).any()) for c in range(len(part.names))])


def _only(part: _Part, possible_ones: np.ndarray) -> _Part:
    names = tuple(name for name, keep in zip(part.names, possible_ones, strict=True) if keep)
    return replace(part, names=names, inputs=part.inputs[possible_ones])


def _part(feedback: Feedback, valuation: Valuation, classes: np.ndarray) -> _Part:
    _, first, inverse, _ = distinct(classes)
    observed = np.asarray(feedback.observed, float)
    items, counts = np.arange(len(observed)), np.ones(len(observed)) if feedback.counts is None else feedback.counts
    if feedback.exchangeable:
        cell, _ = feedback.cells(valuation, classes)
        values, _, rank, _ = distinct(observed)
        _, items, place, _ = distinct(cell.astype(np.int64) * len(values) + rank)
        counts = np.bincount(place, counts)
    inputs = np.array([np.asarray(feedback.at(valuation, int(h)), float)[items] for h in first])
    names = tuple(valuation.hypotheses.names[int(h)] for h in first)
    return _Part(feedback, inverse, names, inputs, observed[items], counts)


def _evidence(part: _Part, theta: Mapping[str, np.ndarray] | None, possible: np.ndarray | None, seed: int) -> Evidence:
    n_classes, n_items = len(part.names), int(part.counts.sum())
    if possible is not None and theta is None:
        return Evidence(np.full(len(part.classes), -np.inf), part.classes, n_items, method="nuts")
    if theta is None or possible is None:
        ll = np.array(
            [np.sum(part.feedback.log_likelihood(row, {}, part.observed, np) * part.counts) for row in part.inputs]
        )
        return Evidence(ll[part.classes], part.classes, n_items)
    value, mcse = np.full(n_classes, -np.inf), np.zeros(n_classes)
    draws = {key: np.full((*values.shape[:2], n_classes), np.nan) for key, values in theta.items()}
    for place, c in enumerate(tracked(np.flatnonzero(possible).tolist(), what="bridge sampling")):
        for key, values in theta.items():
            draws[key][:, :, c] = values[:, :, place]
        phi = np.stack([p.to_line(theta[k][:, :, place]) for k, p in part.feedback.nuisances.items()], axis=-1)
        rng = substream(seed, f"bridge {part.name} {part.names[c]}")
        with np.errstate(divide="ignore"):  # a proposal at an end of the support
            value[c], mcse[c] = bridge(partial(part.log_target, c), phi, rng)
    by_hypothesis = {key: values[:, :, part.classes] for key, values in draws.items()}
    return Evidence(
        value[part.classes], part.classes, n_items, mcse=mcse[part.classes], draws=by_hypothesis, method="nuts"
    )


def _nuts(
    parts: Sequence[_Part], draws: int, chains: int, seed: int
) -> tuple[dict[str, dict[str, np.ndarray]], Sampler]:
    def judged_variables(drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            f"{part.name}_{key} of {name!r}": drawn[f"{part.name}_{key}"][:, :, c]
            for part in parts
            for key in part.feedback.nuisances
            for c, name in enumerate(part.names)
        }

    with named("compiling the model"):
        compiled = _compiled(parts)
    drawn, sampler = sampled(
        compiled,
        judged_variables,
        draws=draws,
        chains=chains,
        rng=substream(seed, "nuts"),
        hopeless=partial(_beyond_floats, parts),
        tune=TUNE,
    )
    return {p.name: {key: drawn[f"{p.name}_{key}"] for key in p.feedback.nuisances} for p in parts}, sampler


def _beyond_floats(parts: Sequence[_Part], drawn: Mapping[str, np.ndarray]) -> bool:
    """Return whether a nuisance was drawn where floats lose their digits.

    That is near the end of its support, or far out. There is mass where no float holds it, which neither smaller steps
    nor more draws change.
    """
    for part in parts:
        for key, prior in part.feedback.nuisances.items():
            values = drawn[f"{part.name}_{key}"]
            if (np.abs(values - prior.low) < np.finfo(float).tiny).any() or not np.isfinite(values).all():
                return True
    return False


def together(samplers: Sequence[Sampler]) -> Sampler | None:
    """Return one report of several runs.

    The statistics of each draw are those of the first run; the diagnostics are the worst of all runs.
    """
    if not samplers:
        return None
    return replace(
        samplers[0],
        divergences=sum(sampler.divergences for sampler in samplers),
        r_hat=max(sampler.r_hat for sampler in samplers),
        ess=min(sampler.ess for sampler in samplers),
        problems=tuple(problem for sampler in samplers for problem in sampler.problems),
    )


_COMPILED: dict[Any, Any] = {}
_KEPT = 16


def _compiled(parts: Sequence[_Part]) -> Any:
    """Compile the model, or put data into a compiled model with an equal graph.

    Compiling takes seconds.
    """
    import nutpie

    data: dict[str, np.ndarray] = {}
    for part in parts:
        data |= {
            f"{part.name}_inputs": part.inputs,
            f"{part.name}_observed": part.observed,
            f"{part.name}_counts": part.counts,
        }
    key = _graph_key(parts)
    if key is None:  # for these data alone, as constants, which compile in half the time
        return nutpie.compile_pymc_model(_model(parts), freeze_model=True)
    if key not in _COMPILED:
        while len(_COMPILED) >= _KEPT:
            _COMPILED.pop(next(iter(_COMPILED)))
        _COMPILED[key] = nutpie.compile_pymc_model(_model(parts))
    compiled = _COMPILED[key]
    used = {variable.name for variable in compiled.shared_var_keys}  # a likelihood need not use all of them
    return compiled.with_data(**{name: values for name, values in data.items() if name in used})


def _graph_key(parts: Sequence[_Part]) -> Any:
    """Return the settings on which the compiled graph depends besides data.

    None where these settings are unknown.
    """
    key: list[Any] = []
    for part in parts:
        data = part.feedback
        if not data.exchangeable:
            return None
        settings = tuple(sorted((name, repr(value)) for name, value in data.settings().items()))
        nuisances = tuple((name, repr(prior)) for name, prior in data.nuisances.items())
        key.append((type(data), part.name, settings, nuisances, len(part.names)))
    return tuple(key)


def _model(parts: Sequence[_Part]) -> Any:
    import pymc as pm
    import pytensor.tensor as pt

    coords = {f"{part.name}_class": np.arange(len(part.names)) for part in parts}
    with pm.Model(coords=coords) as model:
        for part in parts:
            name = part.name
            inputs = pm.Data(f"{name}_inputs", part.inputs)  # (class, cell), or (class, cell, option)
            observed = pm.Data(f"{name}_observed", part.observed)
            counts = pm.Data(f"{name}_counts", part.counts, dims=f"{name}_cell")
            theta = {k: v[:, None] for k, v in part.feedback.pymc_nuisances(name, f"{name}_class").items()}
            ll = part.feedback.log_likelihood(inputs, theta, observed, pt)
            pm.Potential(f"{name}_likelihood", (ll * counts).sum())
    return model
