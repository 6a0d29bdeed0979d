"""The results document as a dict that a notebook shows; checks of its users."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reward_hypotheses.data.errors import InputError

if TYPE_CHECKING:
    import xarray as xr


class Results(dict[str, Any]):
    """The results document of a study: a dict, which a notebook shows on one screen."""

    def _repr_html_(self) -> str:
        from reward_hypotheses.analysis.results.notebook_html import results_html

        return results_html(self)


def is_results(value: Any) -> bool:
    """Return whether a value is a results document, as `run` returns it."""
    return isinstance(value, Mapping) and "schema_version" in value and "hypotheses" in value


def results_of(value: Any, key: str, of: str) -> Mapping[str, Any]:
    """Return a results document that has numbers under a key.

    Parameters
    ----------
    of : str
        What the numbers are of, for the message.

    Raises
    ------
    InputError
        A value that is no results document, or a document without these numbers.
    """
    if not is_results(value):
        raise InputError(f"results: a {type(value).__name__}; give the results document that rh.run() returns")
    if not value.get(key):
        raise InputError(f"results: nothing under {key!r}, so there is no {of} to draw; run a study that has it")
    document: Mapping[str, Any] = value
    return document


def dataset_of(value: Any, names: Sequence[str], name: str, maker: str) -> "xr.Dataset":
    """Return a Dataset that has variables of some names.

    Parameters
    ----------
    name, maker : str
        The argument, and the function that makes such a Dataset, for the message.

    Raises
    ------
    InputError
        A value that is no Dataset, or one without such variables.
    """
    import xarray as xr

    if not isinstance(value, xr.Dataset):
        raise InputError(f"{name}: a {type(value).__name__}; give the Dataset that {maker} returns")
    lacking = [variable for variable in names if variable not in value]
    if lacking:
        raise InputError(f"{name}: a Dataset without {lacking[0]!r}; give the Dataset that {maker} returns, whole")
    return value


def tree_of(value: Any, name: str = "fitted") -> "xr.DataTree":
    """Return a tree that `fit` made.

    Raises
    ------
    InputError
        Anything else.
    """
    import xarray as xr

    if not isinstance(value, xr.DataTree) or "evidence" not in value.children:
        what = "a tree without the group 'evidence'" if isinstance(value, xr.DataTree) else f"a {type(value).__name__}"
        raise InputError(f"{name}: {what}; give the tree that rh.fit() returns")
    return value
