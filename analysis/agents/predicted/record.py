"""Records of predicted choices: their scenes, digests and files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.readers.csv import path_of, sha256
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes
from reward_hypotheses.data.table import Table

KIND = "predicted choices"
SCHEMA_VERSION = 1
KEYS = ("kind", "schema_version", "registered", "settings", "study", "versions", "test", "summary", "scenes", "sha256")

type Record = dict[str, Any]


def digest_of_record(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record, its own digest left out."""
    content = {key: value for key, value in record.items() if key != "sha256"}
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def same_prediction(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two records are of one prediction, whenever it was registered."""
    apart = ("registered", "sha256")
    content = [{key: value for key, value in record.items() if key not in apart} for record in (first, second)]
    return digest_of_record(content[0]) == digest_of_record(content[1])


def option_names(table: Table) -> list[str]:
    """Return the name of each item's option in its scene, or its position: (item,)."""
    if table.option_names is not None:
        return [table.option_names.text(i) for i in range(table.n_items)]
    return [str(position) for position in table.positions.tolist()]


def digests_of_columns(table: Table, items: Sequence[int] | np.ndarray, leave_out: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each column's cells, for items in a given order.

    A cell is its text or its number, so that one table in two formats has equal digests.
    """
    order = np.asarray(items, int)
    out = {}
    for name, column in sorted(table.columns.items()):
        if name in leave_out:
            continue
        if column.is_text:
            cells = [column.text(i) for i in order.tolist()]
        else:
            cells = [repr(x) for x in np.where(column.missing(), np.nan, column.values + 0.0)[order].tolist()]
        out[name] = sha256("\0".join(cells).encode(errors="surrogatepass"))
    return out


def written(record: Mapping[str, Any]) -> bytes:
    """Return a record as its file holds it."""
    return (json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(errors="replace")


def register(record: Record, path: Any) -> Record:
    """Write a record to a file that holds no other prediction; return what it holds.

    A file with the same prediction stays as it was, with the time of its first registration.

    Raises
    ------
    InputError
        The file holds another prediction, or something else; or it cannot be written.
    """
    target = path_of(path, "the file of a prediction, such as prediction.json")
    if target.exists():
        try:
            there = read_record(target)
        except InputError as error:
            raise InputError(f"{error}; nothing was written: give another path") from None
        if same_prediction(there, record):
            return there
        raise InputError(
            f"{target}: holds another prediction, registered {there['registered']}; a registered prediction is not replaced: give "
            "another path"
        )
    write_whole(target, written(record))
    return record


def read_record(prediction: Any) -> Record:
    """Read a registered prediction from its file, or check one that was read.

    Raises
    ------
    InputError
        It is none, or was altered after it was registered.
    """
    if isinstance(prediction, Mapping):
        source, record = "prediction", dict(prediction)
    else:
        path = path_of(prediction, "a registered prediction")
        source = str(path)
        try:
            record = json_of(read_bytes(Path(path), source, "a registered prediction").decode())
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{source}: is no JSON; give the file that rh.register_prediction wrote") from None
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise InputError(
            f"{source}: holds no registered prediction of choices; give the file that rh.register_prediction wrote"
        )
    if record.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"{source}: schema_version {shown(record.get('schema_version'))}, and this version reads {SCHEMA_VERSION}; score it with the "
            "version that wrote it"
        )
    if sorted(record) != sorted(KEYS) or digest_of_record(record) != record["sha256"]:
        raise InputError(
            f"{source}: was altered after it was registered: its content does not give its sha256; restore the file as it was written"
        )
    return record
