"""Joint draws of raters, written to a group of a tree and read back."""

import json

import numpy as np
import xarray as xr

from reward_hypotheses.models.hypotheses.hypotheses import Hypotheses, weight_names
from reward_hypotheses.models.weights.raters.draws import RaterDraws

DRAW = "rater_draw"


def group_of(people: RaterDraws, hypotheses: Hypotheses) -> xr.Dataset:
    """Return the group ``raters`` of a tree.

    ``follows`` (rater_draw, rater), the number of the hypothesis that a rater follows; ``share`` (rater_draw, group,
    hypothesis); ``rater_weight`` (rater, hypothesis); of each linear hypothesis ``<weights>`` (rater_draw, rater, feature),
    ``<weights>_mean`` and ``<weights>_person`` (rater_draw, group, feature); nuisances by variable (rater_draw, rater), and
    ``<variable>_person`` (rater_draw, group, hypothesis); ``answers`` (rater); ``group_of`` (rater). Raters without a name come
    last, as ``unnamed 1`` and on.
    """
    variables = {
        "follows": ((DRAW, "rater"), people.follows),
        "share": ((DRAW, "group", "hypothesis"), people.shares),
        "rater_weight": (("rater", "hypothesis"), people.rater_weights),
        "answers": ("rater", people.answers),
        "group_of": ("rater", people.group_of),
    }
    coords = {
        DRAW: np.arange(people.n),
        "rater": people.labels,
        "group": list(people.groups) or ["all"],
        "hypothesis": list(hypotheses.names),
    }
    for h, weights in people.weights.items():
        variable, dim = weight_names(hypotheses, h)
        variables[variable] = ((DRAW, "rater", dim), weights)
        variables[f"{variable}_mean"] = ((DRAW, "group", dim), people.means[h])
        variables[f"{variable}_person"] = ((DRAW, "group", dim), people.persons[h])
        coords[dim] = list(hypotheses.family(h).names)
    for variable, values in people.nuisances.items():
        variables[variable] = ((DRAW, "rater"), values)
        variables[f"{variable}_person"] = ((DRAW, "group", "hypothesis"), people.nuisances_of_persons[variable])
    about = {
        "column": people.column,
        "named": len(people.names),
        "groups": json.dumps(list(people.groups)),
        "log_evidence": people.log_evidence,
        "mcse": people.mcse,
        "k_hat": people.k_hat,
        "ess": people.ess,
        "nuisances": json.dumps(list(people.nuisances)),
    }
    return xr.Dataset(variables, coords=coords, attrs=about)


def raters_in(data: xr.Dataset, hypotheses: Hypotheses) -> RaterDraws:
    """Read the group ``raters`` of a tree back."""
    value = {str(name): array.to_numpy() for name, array in data.data_vars.items()}
    weights, means, persons = {}, {}, {}
    for h in hypotheses.families:
        variable, _ = weight_names(hypotheses, h)
        if variable in value:
            weights[h], means[h] = value[variable], value[f"{variable}_mean"]
            persons[h] = value[f"{variable}_person"]
    nuisances = json.loads(data.attrs["nuisances"])
    return RaterDraws(
        column=str(data.attrs["column"]),
        names=tuple(str(name) for name in data["rater"].to_numpy()[: int(data.attrs["named"])].tolist()),
        groups=tuple(json.loads(data.attrs["groups"])),
        group_of=value["group_of"].astype(np.int64),
        answers=value["answers"].astype(np.int64),
        follows=value["follows"].astype(np.int64),
        shares=value["share"],
        weights=weights,
        means=means,
        persons=persons,
        nuisances={variable: value[variable] for variable in nuisances},
        nuisances_of_persons={variable: value[f"{variable}_person"] for variable in nuisances},
        **{key: float(data.attrs[key]) for key in ("log_evidence", "mcse", "k_hat", "ess")},
    )
