"""Trees for ArviZ: draws of the hypothesis index, draws given a hypothesis."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.data.random_streams import substream
from reward_hypotheses.models.hypotheses.hypotheses import weight_names
from reward_hypotheses.models.posterior import Posterior
from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of

APART = 1e-11
"""The largest tie breaker: below every digit that matters."""


def index_draws(tree: xr.DataTree) -> xr.DataTree:
    """Return draws of the hypothesis index, the tree for ``az.psense_*``.

    Power-scaling the value prior by draws of a Dirichlet would scale something else. By draws of the index, with
    ``log_prior = log pi_h`` and ``log_likelihood = log L_h``, the sensitivity is ``d risk / d a = Cov_v(d, log pi)``.
    Both groups also hold a ``tie_breaker`` of at most 1e-11, which ArviZ adds to them, because its Pareto smoothing
    refuses ties.
    """
    posterior, _ = posterior_of_tree(tree)
    chains, draws = tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]
    rng = substream(int(tree.attrs["seed"]), "index")
    index = rng.choice(len(posterior.weights), (chains, draws), p=posterior.weights)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    dims = ("chain", "draw")
    ties = substream(int(tree.attrs["seed"]), "index ties")
    apart = [xr.DataArray(APART * ties.random(index.shape), dims=dims) for _ in range(2)]
    prior = xr.DataArray(posterior.log_prior[index], dims=dims)
    likelihood = xr.DataArray(posterior.log_evidence[index][..., None], dims=(*dims, "observation"))
    groups = {
        "posterior": {"hypothesis_index": xr.DataArray(index, dims=dims)},
        "log_prior": {"hypothesis_index": prior, "tie_breaker": apart[0]},
        "log_likelihood": {"data": likelihood, "tie_breaker": apart[1]},
    }
    return xr.DataTree.from_dict({name: xr.Dataset(group, coords=coords) for name, group in groups.items()})


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
