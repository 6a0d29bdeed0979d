"""DataFrames, Arrow tables and mappings as columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from reward_hypotheses.data.errors import InputError


def columns_in(data: Any, name: str, levels: Iterable[str] = ()) -> dict[str, Any]:
    """Return the columns of a DataFrame, an Arrow table or a mapping.

    Parameters
    ----------
    levels : iterable of str, optional
        Levels of a DataFrame's index that are columns too.

    Raises
    ------
    InputError
        Another kind of object, or two columns of one name.
    """
    if hasattr(data, "column_names") and hasattr(data, "to_pydict"):  # an Arrow table
        listed = [(str(c), data.column(i)) for i, c in enumerate(data.column_names)]
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):
        listed = [(str(c), data[c]) for c in data.columns]
        twice = [c for i, (c, _) in enumerate(listed) if c in [other for other, _ in listed[:i]]]
        if twice:
            raise InputError(f"{name}: column {twice[0]!r} stands twice; give each column a name of its own")
        if hasattr(data, "index"):
            index_levels = [c for c in data.index.names if c in levels and c not in dict(listed)]
            listed = [(c, data.index.get_level_values(c)) for c in index_levels] + listed
    elif isinstance(data, Mapping):
        listed = [(str(c), v) for c, v in data.items()]
    else:
        raise InputError(
            f"{name}: a {type(data).__name__} is not a table; give a Dataset, a DataFrame or a dict of arrays"
        )
    return dict(listed)


def cells_in(values: Any, where: str) -> Any:
    """Return an array-like of cells unchanged.

    Raises
    ------
    InputError
        Lists of different lengths.
    """
    if hasattr(values, "shape") or hasattr(values, "to_pylist"):
        return values
    try:
        shape = np.shape(values)
    except ValueError:
        raise InputError(f"{where}: lists of different lengths; give one value a row") from None
    return values if shape else np.asarray(values)
