"""Trees for ArviZ: draws of the hypothesis index, draws given a hypothesis."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.numerics import whole
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of

APART = 1e-11
"""The largest tie breaker: below every digit that matters."""


def index_draws(tree: xr.DataTree, rules: int = 20) -> xr.DataTree:
    """Return draws of the hypothesis index, the tree for ``az.psense_*``.

    Power-scaling the value prior by draws of a Dirichlet would scale something else. By draws of the index, with
    ``log_prior = log pi_h`` and ``log_likelihood = log L_h``, the sensitivity is ``d risk / d a = Cov_v(d, log pi)``.
    Both groups also hold a ``tie_breaker`` of at most 1e-11, which ArviZ adds to them, because its Pareto smoothing
    refuses ties.

    Parameters
    ----------
    tree : DataTree
        From `fit`.
    rules : int
        With a space of rules, an index stands for each of its heaviest rules, and one for the rest of the space. Attribute
        ``names`` of ``hypothesis_index`` says what each index stands for.

    Raises
    ------
    InputError
        A tree that `fit` did not make, or a number of rules that is no positive whole number.
    """
    posterior, _ = posterior_of_tree(tree)
    named = _indices(posterior, whole(rules, "rules", 1))
    chains, draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    rng = substream(int(tree.attrs["seed"]), "index")
    index = rng.choice(len(named.weights), (chains, draws), p=named.weights)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    dims = ("chain", "draw")
    ties = substream(int(tree.attrs["seed"]), "index ties")
    apart = [xr.DataArray(APART * ties.random(index.shape), dims=dims) for _ in range(2)]
    prior = xr.DataArray(named.log_prior[index], dims=dims)
    likelihood = xr.DataArray(named.log_evidence[index][..., None], dims=(*dims, "observation"))
    about = {"names": named.names} if posterior.spaces else {}
    groups = {
        "posterior": {"hypothesis_index": xr.DataArray(index, dims=dims, attrs=about)},
        "log_prior": {"hypothesis_index": prior, "tie_breaker": apart[0]},
        "log_likelihood": {"data": likelihood, "tie_breaker": apart[1]},
    }
    return xr.DataTree.from_dict({name: xr.Dataset(group, coords=coords) for name, group in groups.items()})


class _Indices(NamedTuple):
    names: list[str]
    weights: np.ndarray
    log_prior: np.ndarray
    log_evidence: np.ndarray


def _indices(posterior: Posterior, rules: int) -> _Indices:
    """Return the hypotheses, each space as its heaviest rules and the rest."""
    names = posterior.hypotheses.names
    if not posterior.spaces:
        return _Indices(list(names), posterior.weights, posterior.log_prior, posterior.log_evidence)
    rows: list[tuple[str, float, float, float]] = []
    for h, name in enumerate(names):
        weight, prior, evidence = posterior.weights[h], posterior.log_prior[h], posterior.log_evidence[h]
        fitted = posterior.spaces.get(h)
        if fitted is None:
            rows.append((name, weight, prior, evidence))
            continue
        left, prior_left = 1.0, 1.0
        for rule in fitted.weights.top(rules):
            before = fitted.before.weight(rule.size, rule.place, rule.table)
            left, prior_left = left - rule.weight, prior_left - before
            if rule.weight > 0:
                told = np.log(rule.weight) - np.log(before)
                rows.append(
                    (f"{name}: {fitted.name_of(rule)}", weight * rule.weight, prior + np.log(before), evidence + told)
                )
        if left > 1e-15 and prior_left > 1e-15:
            told = np.log(left) - np.log(prior_left)
            rows.append((f"{name}: other rules", weight * left, prior + np.log(prior_left), evidence + told))
    labels, weights, log_prior, log_evidence = zip(*rows, strict=True)
    shares = np.array(weights)
    return _Indices(list(labels), shares / shares.sum(), np.array(log_prior), np.array(log_evidence))


def given(tree: xr.DataTree, hypothesis: str) -> xr.DataTree:
    """Return the tree of one hypothesis, as if that hypothesis were known to be true.

    ``az.loo`` and ``az.compare`` need such a tree. Given a hypothesis and its nuisances, the observations are
    independent, so leaving one out is meaningful. In the mixture the observations are dependent, because each informs
    about the hypothesis.

    Parameters
    ----------
    tree : DataTree
        From `fit`; with ``log_likelihood=True`` for ``az.loo``.
    hypothesis : str

    Returns
    -------
    DataTree
        ``posterior`` and ``prior`` hold the nuisances of the hypothesis alone, ``log_likelihood`` and ``log_prior`` its
        part. ``observed_data``, ``constant_data`` and ``sample_stats`` are unchanged. Silent hypotheses have equal
        draws.

    Raises
    ------
    InputError
        A tree that `fit` did not make, or an unknown hypothesis.
    """
    names = list(hypotheses_in(tree))
    if hypothesis not in names:
        raise InputError(f"{hypothesis!r} is no hypothesis; {suggestion(str(hypothesis), names)}")
    listed = posterior_of_tree(tree)[0].hypotheses
    others = [weight_names(listed, h)[0] for h in listed.families if listed.names[h] != hypothesis]
    others += [str(v) for v in tree["posterior"].data_vars if str(v).endswith("_rationality_marginal")]
    groups: dict[str, xr.Dataset] = {}
    for name in ("posterior", "prior", "log_likelihood", "log_prior", "observed_data", "constant_data", "sample_stats"):
        if name in tree.children:
            group = tree[name].to_dataset().drop_vars(("weight", "value_prior"), errors="ignore")
            group = group.drop_vars(others, errors="ignore")
            groups[name] = group.sel(hypothesis=hypothesis, drop=True) if "hypothesis" in group.dims else group
    out = xr.DataTree.from_dict(groups)
    out.attrs = {"creation_library": "reward_hypotheses", "seed": tree.attrs["seed"], "given": hypothesis}
    return out


def posterior_of_tree(tree: xr.DataTree) -> tuple[Posterior, Any]:
    """Return the posterior of a tree whose rewards are not needed."""
    names = hypotheses_in(tree)
    return posterior_of(tree, {n: (r if not str(r).startswith("callable ") else "0") for n, r in names.items()})
