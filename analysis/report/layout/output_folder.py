"""The output folder of a run: written whole or not at all.

A folder that this tool did not write is never overwritten.
"""

import ctypes
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from reward_hypotheses.data.atomic_write import aside, flush_folder, write_flushed
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes

MANIFEST = "manifest.json"


def refuse_unless_ours(folder: Path) -> None:
    """Refuse a folder that differs from its manifest.

    Raises
    ------
    InputError
        Naming the file that stands in the way, or the path that cannot be written.
    """
    try:
        if not folder.exists():
            _refuse_path(folder, f"--out {folder}")
            return
        if not folder.is_dir():
            raise InputError(f"--out {folder}: is a file; give a folder, new or written by an earlier run")
        problem = unlike_manifest(folder)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be read ({error.strerror}); give another folder") from None
    if problem is not None:
        raise InputError(f"--out {folder}: {problem}; give another folder, or move it away; nothing was written")


def refuse_changed(folder: Path, called: str) -> None:
    """Refuse to read the folder of a run that disagrees with its manifest.

    A folder without a manifest passes.

    Raises
    ------
    InputError
        Naming the first file that is gone, was changed, or that no run wrote.
    """
    try:
        problem = unlike_manifest(folder) if os.path.lexists(folder / MANIFEST) else None
    except OSError as error:
        raise InputError(f"{called}: cannot be read ({error.strerror}); give the folder of a run") from None
    if problem is not None:
        raise InputError(f"{called}: {problem}; run its study again")


def unlike_manifest(folder: Path) -> str | None:
    """Return words on the first file that disagrees with the manifest of a folder.

    Such a file is missing, changed, or not listed in the manifest. The result is None where every file agrees.
    """
    present = _entries(folder)
    if not present:
        return None
    if MANIFEST not in present:
        return f"holds {present[0]!r} and no {MANIFEST}, so no run wrote it"
    try:
        listed = json_of(read_bytes(folder / MANIFEST, MANIFEST, "a manifest"))
        assert isinstance(listed, dict)
    except (ValueError, AssertionError):
        return f"its {MANIFEST} cannot be read"
    for name in listed:
        if name not in present:
            return f"{name!r}, which its {MANIFEST} lists, is gone"
    for name in present:
        if name == MANIFEST:
            continue
        if name not in listed or (folder / name).is_symlink() or not (folder / name).is_file():
            return f"holds {name!r}, which no run wrote"
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != listed[name]:
            return f"{name!r} was changed after the run that wrote it"
    return None


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their manifest as one folder, in one step.

    The folder is written beside its place, flushed to disk, and then moved there.

    An earlier run in that place is exchanged for the new one in one step (where the system can), then removed.

    Raises
    ------
    InputError
        A path that cannot be written; what was there before is untouched.
    """
    target = Path(os.path.realpath(folder))
    manifest = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with aside(target, "run") as partial:
            partial.mkdir()
            for name, data in {**files, MANIFEST: (json.dumps(manifest, indent=1) + "\n").encode()}.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                write_flushed(partial / name, data)
            for path, _, _ in os.walk(partial):
                flush_folder(Path(path))
            refuse_unless_ours(target)
            if target.exists() and any(target.iterdir()):
                _exchange(partial, target)
            else:
                os.replace(partial, target)
            flush_folder(target.parent)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror}); give another folder") from None


def copy_folder(source: Path, folder: Path) -> None:
    """Copy the files of a folder to a new one, whole or not at all.

    Raises
    ------
    InputError
        There is something of that name, or it cannot be made.
    """
    if not folder.name or os.path.lexists(folder):
        raise InputError(f"{folder}: exists already; give the name of a new folder")
    parent = folder.absolute().parent
    try:
        _refuse_path(folder, str(folder))
        parent.mkdir(parents=True, exist_ok=True)
        with aside(folder.absolute(), "new") as partial:
            partial.mkdir()
            for path in sorted(p for p in source.iterdir() if p.is_file() and p.suffix != ".py"):
                write_flushed(partial / path.name, path.read_bytes())
            flush_folder(partial)
            os.rename(partial, folder)
            flush_folder(parent)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); give another name") from None


def _entries(folder: Path) -> list[str]:
    """Return files, links and empty folders inside a folder."""
    entries: list[Path] = []
    for path, folders, files in os.walk(folder):
        inside = [*files, *(f for f in folders if Path(path, f).is_symlink())]
        entries += [Path(path, name) for name in inside]
        if not inside and not folders and Path(path) != folder:
            entries.append(Path(path))
    return sorted(str(entry.relative_to(folder)) for entry in entries)


def _refuse_path(folder: Path, called: str) -> None:
    """Refuse a new folder where none can be made, before any work is done."""
    above = folder.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise InputError(f"{called}: {str(above)!r} is a file, so no folder can be made in it; give another folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{called}: {str(above)!r} cannot be written to; give another folder")


def _exchange(new: Path, old: Path) -> None:
    """Swap two folders in one step, so that at every moment one of them is in place."""
    exchange, here = 2, -100  # RENAME_EXCHANGE, AT_FDCWD of renameat2(2)
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        rename = None
    if rename is not None and rename(here, os.fsencode(new), here, os.fsencode(old), exchange) == 0:
        return
    spare = new.with_suffix(
        ".previous"
    )  # no such call here: two steps, the old one stays until the new one is in place
    os.replace(old, spare)
    try:
        os.replace(new, old)
    except OSError:
        os.replace(spare, old)
        raise
    shutil.rmtree(spare)
