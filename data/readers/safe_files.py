"""Files that a user names, read whole, after checks that reading can end."""

import json
import os
import stat
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.memory import refuse_beyond

ODD_FILES = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def odd_kind(path: Path) -> str | None:
    """Return the kind of a path that is neither a regular file nor a folder.

    None for files and folders; links are followed.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None  # opening it says what is wrong
    return next((kind for is_kind, kind in ODD_FILES if is_kind(mode)), None)


def refuse_odd(path: Path, source: str, what: str) -> None:
    """Refuse a pipe, a device or a socket, whose reading may never end.

    Raises
    ------
    InputError
        The message says what the path should be.
    """
    kind = odd_kind(path)
    if kind is not None:
        raise InputError(f"{source}: is {kind}, not a regular file; give the path of {what}")


def read_bytes(path: Path, source: str, what: str = "a CSV file") -> bytes:
    """Read a whole file.

    Raises
    ------
    InputError
        The file is missing, not regular or not readable; the message says what the path should be.
    """
    try:
        refuse_odd(path, source, what)
        if path.is_file():
            refuse_beyond(path.stat().st_size, source, "the file")
        return path.read_bytes()
    except FileNotFoundError:
        near = f"; the folder {str(path.parent)!r} does not exist either" if not path.parent.exists() else ""
        raise InputError(f"{source}: no such file{near}; give the path of {what}") from None
    except IsADirectoryError:
        raise InputError(f"{source}: is a folder; give the path of {what}") from None
    except OSError as error:
        raise InputError(
            f"{source}: cannot be read ({error.strerror}); give the path of {what} that can be read"
        ) from None
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{source!r}: is no path; give the path of {what}") from None


def json_of(text: str | bytes) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        Invalid JSON, NaN or Infinity, or JSON nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")
