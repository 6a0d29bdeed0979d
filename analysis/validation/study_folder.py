"""The folder of a study of predicted against measured catastrophes.

The folder belongs to one study, and its files are checked against their digests.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reward_hypotheses.data.atomic_write import write_whole
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes

CHANGED = "not what this study predicts, so it was changed or made by another version; give another folder"


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON text in UTF-8.

    Raises ValueError for a number that is not finite.
    """
    return (json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def write_results(out: Path, document: Mapping[str, Any]) -> None:
    """Write ``scatter.png``, ``results.sha256`` and, last, ``results.json``."""
    _write_scatter(out, document)
    data = json_bytes(document)
    write_whole(out / "results.sha256", f"{hashlib.sha256(data).hexdigest()}  results.json\n".encode())
    write_whole(out / "results.json", data)


def write_prediction(out: Path, prediction: Mapping[str, Any], progress: Callable[[str], None]) -> str:
    """Write the prediction and its digest; return the digest.

    A prediction that was written before is checked instead.
    """
    data = json_bytes(prediction)
    digest = hashlib.sha256(data).hexdigest()
    path = out / "prediction.json"
    if path.exists():
        if _written(path) != data:
            raise InputError(f"{path}: {CHANGED}")
    else:
        progress("writing the prediction")
        write_whole(path, data)
    write_whole(out / "prediction.sha256", f"{digest}  prediction.json\n".encode())
    return digest


def _finished(out: Path) -> dict[str, Any] | None:
    """Return the document of a finished study; None if the study is unfinished.

    The document is checked against the prediction and the digests.
    """
    path = out / "results.json"
    if not path.exists():
        return None
    data, written = _written(path), _written(out / "results.sha256").split()
    if not written or written[0] != hashlib.sha256(data).hexdigest().encode():
        raise InputError(f"{path}: not what this study wrote (see results.sha256); give another folder")
    try:
        document: dict[str, Any] = dict(json_of(data))
        digest = document["digest"]
    except (ValueError, TypeError, KeyError):
        raise InputError(f"{path}: not the results of a study; give another folder") from None
    if digest != hashlib.sha256(_written(out / "prediction.json")).hexdigest():
        raise InputError(f"{out / 'prediction.json'}: {CHANGED}")
    if not (out / "scatter.png").exists():
        _write_scatter(out, document)
    return document


def _write_scatter(out: Path, document: Mapping[str, Any]) -> None:
    from reward_hypotheses.analysis.validation.scatter import study_scatter

    write_whole(out / "scatter.png", study_scatter(document))


def _written(path: Path) -> bytes:
    return read_bytes(path, str(path), "a file that this study wrote")


def claim(out: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write the settings into a new folder; return the document of a finished study.

    Raises InputError for a folder of another study or of other files.
    """
    path = out / "study.json"
    refuse_files(out)
    if path.exists():
        if _written(path) != json_bytes(settings):
            raise InputError(f"--out {out}: holds another study ({path.name} says which); give another folder")
        return _finished(out)
    if out.exists() and any(not p.name.startswith(".aside.") for p in out.iterdir()):
        raise InputError(f"--out {out}: holds files and no study.json, so no study wrote it; give another folder")
    write_whole(path, json_bytes(settings))
    return None


def refuse_files(out: Path) -> None:
    """Raise InputError for a path that is a file, or that cannot name a folder."""
    try:
        is_file = out.exists() and not out.is_dir()
    except OSError as error:
        raise InputError(f"--out {str(out)[:80]}: {error.strerror}; give another folder") from None
    if is_file:
        raise InputError(f"--out {out}: is a file; give a folder")
