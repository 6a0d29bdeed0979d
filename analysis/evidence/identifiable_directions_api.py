"""Directions of continuous weights that training cannot identify, as a labelled Dataset."""

from typing import Any

import numpy as np
import xarray as xr

from reward_hypotheses.analysis.evidence import identifiable_directions as silence
from reward_hypotheses.data.errors import InputError, suggestion
from reward_hypotheses.models.hypotheses.columns import check_columns
from reward_hypotheses.models.posterior import on_test
from reward_hypotheses.models.tree.read import hypotheses_in, posterior_of, tested


def silent_directions(tree: xr.DataTree, test: Any = None, hypothesis: str | None = None) -> xr.Dataset:
    """Say what training cannot see of a reward with continuous weights: the directions of weight about which it is silent.

    They are the null space of the within-scene differences of features seen in training (of the features themselves, for
    kinds that compare with failing). What is held of them is the prior, however much was said.

    Parameters
    ----------
    test : Dataset, DataFrame or dict of arrays, optional
        A test, to say how much of what is at stake there is of this kind.
    hypothesis : str, optional
        Which one, where several have continuous weights.

    Returns
    -------
    Dataset
        ``coefficients`` (direction, feature), a basis in standard deviations of the features; coordinate ``direction``:
        each in words, "red_paint minus flags". With a test ``share``: of the variance that the prior gives to differences
        in reward there, the share that lies in these directions, ``tr(P S) / tr(S)``; and ``shares`` (direction), that of
        each alone.

    Raises
    ------
    InputError
        A tree in which no hypothesis has continuous weights, or the one that is named has none.
    """
    posterior, line = posterior_of(
        tree, {n: ("0" if str(r).startswith("callable ") else r) for n, r in hypotheses_in(tree).items()}
    )
    names = {posterior.hypotheses.names[h]: h for h in posterior.families}
    if not names:
        raise InputError("no hypothesis of this tree has continuous weights; give one as rh.Linear(features, ...)")
    if hypothesis is None and len(names) > 1:
        raise InputError(f"hypothesis: several have continuous weights; name one of {', '.join(map(repr, names))}")
    name = next(iter(names)) if hypothesis is None else hypothesis
    if name not in names:
        raise InputError(f"hypothesis {name!r} has no continuous weights; {suggestion(str(name), names)}")
    fitted = posterior.families[names[name]]
    silent = silence.silent_directions(fitted)
    out = xr.Dataset(
        {"coefficients": (("direction", "feature"), silent.directions.reshape(-1, len(fitted.scale)))},
        coords={"direction": np.array(silent.words, dtype=str), "feature": list(fitted.linear.names)},
    )
    if test is not None:
        h = names[name]
        table = tested(test, tree)
        listed, lines = posterior.hypotheses.only([h]), line.only([h])
        problems = check_columns([(table, listed.expressions())])
        if problems:
            raise InputError(problems)
        valuation = on_test(listed, {0: fitted}, table, lines)
        shares = silence.silent_shares(valuation, 0, fitted)
        out["share"], out["shares"] = shares.together, ("direction", shares.each)
    return out
