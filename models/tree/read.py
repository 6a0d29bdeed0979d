"""A posterior read back from its tree."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.data.table import Table
from reward_hypotheses.models.hypotheses.callable_registry import callables_of
from reward_hypotheses.models.hypotheses.failure_line import FailureLine, stated_line
from reward_hypotheses.models.hypotheses.fitted_family import Fitted
from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, hypotheses_of, weight_names
from reward_hypotheses.models.hypotheses.none_of_the_above import CellPosterior, Unmodelled
from reward_hypotheses.models.hypotheses.reward import Reward
from reward_hypotheses.models.mdp.mdp import MDP
from reward_hypotheses.models.policies.base import Rationality
from reward_hypotheses.models.policies.boltzmann import NOT_READ
from reward_hypotheses.models.posterior import Estimate, Posterior
from reward_hypotheses.models.priors.base import Prior, WeightedDraws
from reward_hypotheses.models.weights.agent_rationality import of_draws, of_family

if TYPE_CHECKING:
    from reward_hypotheses.models.weights.raters.draws import RaterDraws


@dataclass(frozen=True, eq=False)
class _Known(Prior):
    """A prior whose weights a tree holds.

    Attributes
    ----------
    weights, logs : ndarray (hypothesis,)
        ``pi_h`` and ``log pi_h``.
    """

    weights: np.ndarray
    logs: np.ndarray

    @override
    def log_weights(self, hypotheses: Hypotheses) -> np.ndarray:
        return self.logs

    @override
    def log_prior(self, hypotheses: Hypotheses) -> np.ndarray:
        return self.logs

    @override
    def weights_of(self, hypotheses: Hypotheses) -> np.ndarray:
        return self.weights


@dataclass(frozen=True, eq=False)
class Stored(_Known):
    """A prior as a tree holds it.

    Attributes
    ----------
    share : ndarray (opinion,)
        Weight of each opinion in the mean.
    opinions : tuple of Prior
        The priors whose mean this prior is.
    of_judges : tuple of Prior
        One prior for each judge.
    """

    share: np.ndarray
    opinions: tuple[Prior, ...]
    of_judges: tuple[Prior, ...]

    @override
    def parts(self) -> tuple[tuple[float, Prior], ...]:
        return tuple((float(share), opinion) for share, opinion in zip(self.share, self.opinions, strict=True))

    @override
    def judges(self) -> tuple[tuple[str | None, Prior], ...]:
        return tuple((opinion.label, opinion) for opinion in self.of_judges)


@dataclass(frozen=True, eq=False)
class Opinion(_Known):
    """One opinion of a prior: fixed weights, weights with a strength, or draws."""

    strength: float | None = None
    label: str | None = None
    drawn: WeightedDraws | None = None

    @property
    @override
    def varies(self) -> bool:
        return self.strength is not None or self.drawn is not None

    @override
    def weighted_draws(self, hypotheses: Hypotheses) -> WeightedDraws | None:
        return self.drawn


def _opinions(value: Mapping[str, np.ndarray], dim: str, labels: Sequence[str | None]) -> tuple[Prior, ...]:
    """Read several priors back, as `models.tree.write` stores them."""
    drawn: dict[int, WeightedDraws] = {}
    for i, k in enumerate(value.get(f"{dim}_held", ())):
        some = value[f"{dim}_chance"][i] > 0
        effective = float(value[f"{dim}_effective"][i]) if f"{dim}_effective" in value else None
        drawn[int(k)] = WeightedDraws(value[f"{dim}_pi"][i][some], value[f"{dim}_chance"][i][some], effective)
    columns = (value[f"{dim}_{what}"] for what in ("strength", "weight", "log_weight"))
    return tuple(
        Opinion(w, log_w, None if np.isnan(s) else float(s), label, drawn.get(k))
        for k, (label, s, w, log_w) in enumerate(zip(labels, *columns, strict=True))
    )


def as_made[**P, T](read: Callable[P, T]) -> Callable[P, T]:
    """Wrap a reader to say that a tree was edited where reading fails."""

    @functools.wraps(read)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except InputError:
            raise
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            ArithmeticError,
            AssertionError,
            RecursionError,
        ) as error:
            what = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"the tree is not as fit() made it ({type(error).__name__}: {what}); fit it again, or read it from its file again"
            ) from error

    return inner


@as_made
def posterior_of(tree: xr.DataTree, hypotheses: Mapping[str, Any] | None = None) -> tuple[Posterior, FailureLine]:
    """Return the posterior of a tree, and its failure line.

    Parameters
    ----------
    hypotheses : dict, optional
        Needed where some were callables and the tree was read from a file, which cannot hold them.

    Raises
    ------
    InputError
        A tree that `fit` did not make, callables that are not given, other hypotheses than the tree's.
    """
    fitted_rewards = hypotheses_in(tree)
    study, _ = study_in(tree), int(tree.attrs["seed"])
    rewards = fitted_rewards if hypotheses is None else dict(hypotheses)
    if set(rewards) != set(fitted_rewards):
        raise InputError(f"hypotheses {list(rewards)}; the tree has {list(fitted_rewards)}")
    rewards = {name: rewards[name] for name in fitted_rewards}
    alive = callables_of(tree)
    for name, reward in rewards.items():
        if isinstance(reward, str) and reward.startswith("callable "):
            if name not in alive:
                raise InputError(f"hypothesis {name!r} was a {reward}; pass hypotheses= with it again")
            rewards = rewards | {name: alive[name]}
    listed = hypotheses_of(rewards, study["columns"])
    line = stated_line(study["fail_utility"], listed.names, may_lack=listed.may_lack_line)
    evidence = in_order(tree, "evidence")
    value = {str(name): array.to_numpy() for name, array in evidence.data_vars.items()}
    opinions = _opinions(value, "opinion", [None] * len(value["opinion_share"]))
    judges = opinions
    if "judge" in evidence.coords:
        judges = _opinions(value, "judge", [str(name) for name in evidence["judge"].to_numpy()])
    prior = Stored(value["prior"], value["log_prior"], value["opinion_share"], opinions, judges)
    posterior = Posterior(
        hypotheses=_fitted(tree, listed, value),
        prior=prior,
        log_prior=value["log_prior"],
        log_evidence=value["log_evidence"],
        classes=value["silent_class"].astype(int),
        weights=value["weight"],
        feedback=(),
        valuations=(),
        evidence=(),
        estimates=tuple(
            Estimate(str(name), "exact" if not mcse.any() else "nuts", classes.astype(int), mcse)
            for name, classes, mcse in zip(
                evidence["feedback"].to_numpy(), value["feedback_class"], value["feedback_mcse"], strict=True
            )
        ),
        k_hat=value.get("k_hat"),
        prior_mcse=value.get("log_prior_mcse"),
        silence_known="raters" not in tree.children and bool(tree.attrs.get("silence_known", True)),
        people=_people(tree, listed),
    )
    return posterior, line


def _people(tree: xr.DataTree, listed: Hypotheses) -> "RaterDraws | None":
    """Read the raters of a tree; None where its feedback named none."""
    if "raters" not in tree.children:
        return None
    from reward_hypotheses.models.weights.raters.stored import raters_in

    return raters_in(in_order(tree, "raters"), listed)


def _fitted(tree: xr.DataTree, listed: Hypotheses, value: Mapping[str, np.ndarray]) -> Hypotheses:
    """Return hypotheses with their fitted families and unmodelled cells."""
    fitted: dict[int, Reward] = {h: _family(tree, listed, h) for h in listed.families}
    for h in listed.spaces:
        from reward_hypotheses.models.rule_space.family.stored import fitted_in

        fitted[h] = fitted_in(tree["rules"].to_dataset(), listed.names[h], listed.rule_space(h))
    none = listed.unmodelled
    if none is not None:
        unmodelled = listed.rewards[none]
        assert isinstance(unmodelled, Unmodelled)
        codes = value["cell_code"].astype(np.int64).view(np.uint64)
        true, items = (value[f"cell_{key}"].astype(float)[None] for key in ("true", "items"))
        fitted[none] = CellPosterior(unmodelled, none, listed.rules, codes, true, items)
    return listed.instead(fitted)


def _family(tree: xr.DataTree, listed: Hypotheses, h: int) -> Fitted:
    """Read the posterior of the weights of a family."""
    linear = listed.family(h)
    variable, dim = weight_names(listed, h)
    posterior, constant = in_order(tree, "posterior"), in_order(tree, "constant_data")
    drawn = posterior[variable].to_numpy()
    about = json.loads(tree.attrs["families"])[listed.names[h]]
    by_draw = {str(n): a for n, a in posterior.data_vars.items() if a.dims == ("chain", "draw", "hypothesis")}
    prefix, suffix = f"{variable}_", "_spread"
    kind = Fitted
    if "raters" in tree.children:
        from reward_hypotheses.models.weights.raters.draws import FittedPeople

        kind = FittedPeople
    return kind(
        linear,
        constant[f"{variable}_scale"].to_numpy(),
        np.array(about["mean"]),
        drawn.reshape(-1, drawn.shape[-1]),
        {n: a.to_numpy()[..., h].ravel() for n, a in by_draw.items() if n not in ("weight", "value_prior")},
        method=about["method"],
        k_hat=np.nan if about["k_hat"] is None else about["k_hat"],
        ess=about["ess"],
        seen=np.array(about["seen"]).reshape(len(linear.features), -1),
        directions_only=about["directions_only"],
        spreads={
            str(n).removeprefix(prefix).removesuffix(suffix): a.to_numpy()
            for n, a in constant.data_vars.items()
            if str(n).startswith(prefix) and str(n).endswith(suffix)
        },
    )


@as_made
def rationality_in(tree: xr.DataTree, posterior: Posterior, name: str | None = None) -> list[Rationality]:
    """Read beta under each hypothesis, from the named or the first feedback with one.

    By draws, with the ``s_h`` stored in the tree.

    Raises
    ------
    InputError
        No feedback has a rationality.
    """
    known = (f for f in study_in(tree)["feedback"] if "rationality" in f and name in (None, f["name"]))
    feedback = next(known, None)
    if feedback is None:
        raise InputError(NOT_READ)
    variable, rationality = f"{feedback.get('human') or feedback['name']}_rationality", feedback["rationality"]
    scales = in_order(tree, "constant_data")[f"{feedback['name']}_scale"].to_numpy()
    if isinstance(rationality, list) and variable not in tree["posterior"]:
        raise InputError(
            f"policy: boltzmann: beta = 'inferred': {variable!r} has another model, so its draws by hypothesis are not known; give beta a "
            "number"
        )
    if isinstance(rationality, list):
        betas = in_order(tree, "posterior")[variable].to_numpy().reshape(-1, len(scales)).T
        by_hypothesis = [of_draws(beta, float(scale)) for beta, scale in zip(betas, scales, strict=True)]
    else:
        beta = np.array([float(rationality)])
        by_hypothesis = [Rationality(beta, np.ones(1), scale, False) for scale in scales[:, None]]
    for h, fitted in posterior.families.items():
        by_hypothesis[h] = of_family(fitted, variable)
    return by_hypothesis


def in_order(tree: xr.DataTree, group: str) -> xr.Dataset:
    """Read a group of a tree, in the order of `fit`, by its labels.

    Hypotheses and features have the order of `fit`, dims the order of `models.tree`.

    Raises
    ------
    InputError
        The group lacks a hypothesis or a feature of the tree, or holds another.
    """
    data, rewards = tree[group].to_dataset(), hypotheses_in(tree)
    orders = {"hypothesis": list(rewards)}
    linear = {name: r["linear"] for name, r in rewards.items() if isinstance(r, dict) and "linear" in r}
    for name, features in linear.items():
        orders["feature" if len(linear) == 1 else f"{name}_feature"] = features
    if "judges" in data.attrs:
        orders["judge"] = json.loads(data.attrs["judges"])
    for dim, labels in orders.items():
        if dim not in data.dims or dim not in data.coords:
            continue
        there = [str(label) for label in data[dim].to_numpy().tolist()]
        if there == labels:
            continue
        if sorted(there) != sorted(labels):
            raise InputError(f"the tree's group {group!r} holds {dim} {there}; it was fitted with {labels}")
        data = data.isel({dim: [there.index(label) for label in labels]})
    last = {dim: len(_DIMS) for dim in orders} | {dim: k for k, dim in enumerate(_DIMS)}

    def rank(dim: Any) -> int:
        ends = [k for k, end in enumerate(("_row", "_column")) if str(dim).endswith(end)]
        return ends[0] - 2 if ends else last.get(dim, len(_FIRST))

    def laid_out(variable: xr.DataArray) -> xr.DataArray:
        variable = variable.transpose(*sorted(variable.dims, key=rank))
        return variable.copy(data=np.ascontiguousarray(variable.to_numpy()))  # so that sums are added in one order

    return data.map(laid_out, keep_attrs=True)


_FIRST = ("chain", "draw", "held_opinion", "held_judge")
_DIMS = (*_FIRST, "feedback", "opinion", "judge", "opinion_atom", "judge_atom", "hypothesis")
"""Dims of a tree, in the order in which its variables have them."""


def hypotheses_in(tree: xr.DataTree) -> dict[str, Any]:
    """Return names and rewards of a tree's hypotheses, as text."""
    if not isinstance(tree, xr.DataTree) or "study" not in tree.attrs or "evidence" not in tree.children:
        raise InputError("the tree has no attribute 'study' and no group 'evidence', so fit() did not make it")
    return dict(study_in(tree)["hypotheses"])


@as_made
def study_in(tree: xr.DataTree) -> dict[str, Any]:
    """Return the record of the study that made a tree.

    Raises
    ------
    InputError
        A record that `fit` would not write.
    """
    study = json.loads(tree.attrs["study"])
    names = [study["hypotheses"], study["fail_utility"]]
    texts = [
        *study["columns"],
        *study["not_boolean"],
        *(part[k] for part in study["feedback"] for k in ("kind", "name")),
    ]
    if not all(isinstance(part, dict) and part for part in names) or not all(isinstance(text, str) for text in texts):
        raise ValueError("its attribute 'study'")
    return dict(study)


def tested(test: Any, *trees: xr.DataTree) -> Table:
    """Read a test as a Table.

    A column is boolean where it holds only 0/1 or true/false in the test and in training.
    """
    if isinstance(test, MDP):
        raise InputError(
            "test: an MDP, of which rh.catastrophe_risk(tree, mdp, start=..., horizon=...) gives the risk and the bits; give a "
            "table here"
        )
    table = as_table(test, "test")
    other = {column for tree in trees for column in study_in(tree)["not_boolean"]}
    return table.with_booleans(c for c, v in table.columns.items() if c not in other and v.is_boolean())
