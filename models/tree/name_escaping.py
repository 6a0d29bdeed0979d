"""Names of variables for any column name, as NetCDF and Zarr take them."""

import hashlib
import json
from collections.abc import Container
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

MOST_BYTES = 200
"""Of a name: Zarr keeps a variable in a folder of its name, and most file systems take 255 bytes."""
_KEPT_CHARACTERS = 32


def variable_name(text: str, taken: Container[str]) -> str:
    """Return a name of a variable for any text: ``km/h`` becomes ``km%2Fh``.

    A slash separates the groups of a tree, and Zarr takes a backslash for a slash; slashes, backslashes, control
    characters and halves of surrogate pairs are replaced. A name that is too long is cut and ends with a digest. A name
    that is taken is followed by ``_2``, ``_3``, ... The group's attribute ``columns`` says which column a name stands
    for.
    """
    name = "".join(c if _fits(c) else f"%{ord(c):02X}" for c in text)
    if len(name.encode()) > MOST_BYTES:
        digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
        name = f"{name[:_KEPT_CHARACTERS]}~{digest}"
    name = f"%{ord(name):02X}" if name == "." else "%2E%2E" if name == ".." else name
    free, k = name, 1
    while free in taken:
        k += 1
        free = f"{name}_{k}"
    return free


def _fits(character: str) -> bool:
    """Return whether a character may stand in a name.

    Slashes, control characters and halves of surrogate pairs may not.
    """
    return (
        character not in "/\\"
        and character >= " "
        and not "\x7f" <= character <= "\x9f"
        and not "\ud800" <= character <= "\udfff"
    )


def storable(data: "xr.Dataset") -> "xr.Dataset":
    """Rename the variables of a Dataset as a tree takes them.

    The attribute ``columns`` holds the original names.
    """
    names: dict[str, str] = {}
    for key in (str(k) for k in data.variables if k not in data.dims):
        names[key] = variable_name(key, {*map(str, data.dims), "chain", "draw", *names.values()})
    renamed = {old: new for old, new in names.items() if old != new}
    attrs = {"columns": json.dumps({new: old for old, new in renamed.items()})} if renamed else {}
    return data.rename(renamed).assign_attrs(attrs)
