"""Files of a run for a reader, and the report made again from saved results."""

import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from reward_hypotheses.analysis.report.explorer.explorer_section import FORMAT, OLD
from reward_hypotheses.analysis.report.figure_files import drawn, saved
from reward_hypotheses.analysis.report.layout.html import PNG, page
from reward_hypotheses.analysis.report.layout.output_folder import MANIFEST, refuse_changed
from reward_hypotheses.analysis.report.presentation import Document
from reward_hypotheses.analysis.report.tables.table_files import table_files
from reward_hypotheses.analysis.results.document import presented
from reward_hypotheses.data.atomic_write import write_aside
from reward_hypotheses.data.errors import InputError, shown
from reward_hypotheses.data.progress import tracked
from reward_hypotheses.data.readers.safe_files import json_of, read_bytes

if TYPE_CHECKING:
    import xarray as xr

FRAMES = ("training", "test")
RUN = "run.json"
"""File of a run's folder on its machine and run time, which may differ between runs of one study."""
EXPLORER = "explorer.json"
"""File of a run's folder from which the page computes other risks."""


def run_record(seconds: float) -> Document:
    """Return the machine and the run time of a run, which `RUN` holds.

    They are no part of the results, which are the same bytes for the same input. The folder of a run holds them, and the
    report reads them as the entry ``run`` of the results.

    Parameters
    ----------
    seconds : float
        Time for reading, fitting and analysing, without drawing.
    """
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "processors": os.cpu_count() or 1,
        "seconds": round(seconds, 2),
    }


def report_files(
    document: Document,
    tree: "xr.DataTree | None",
    frames: Mapping[str, bytes],
    run: Document | None = None,
    explorer: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return tables, figures, frames and the report: path -> bytes.

    Parameters
    ----------
    document : dict
        The results.
    tree : DataTree or None
        The posterior, for intervals of the weights.
    frames : dict of str to bytes
        Pictures (PNG or JPEG): ``training`` and ``test``.
    run : dict or None
        As `run_record` returns it.
    explorer : dict, optional
        What the page needs to compute the risk again, written to ``explorer.json`` too.
    """
    files: dict[str, bytes] = {}
    if run is not None:
        document = {**document, "run": run}
        files[RUN] = (json.dumps(run, indent=1) + "\n").encode()
    presentations = presented(document)
    figures = drawn(document, presentations, tree)
    files |= table_files(document, presentations)
    for name, figure in tracked(figures.items(), len(figures), "saving figures"):
        for form in ("png", "pdf"):
            files[f"figures/{name}.{form}"] = saved(figure, form)
    for role, data in frames.items():
        files[f"figures/frame_{role}.{'png' if data.startswith(PNG) else 'jpg'}"] = data
    if explorer is not None:
        files[EXPLORER] = (json.dumps(explorer, ensure_ascii=False, allow_nan=False) + "\n").encode()
    files["report.html"] = page(document, presentations, figures, frames, explorer).encode()
    return files


def png(frame: Any) -> bytes:
    """Return a picture (row, column, 3) of uint8 as PNG."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(frame).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def report(results: Any, out: str | Path | None = None, *, tree: Any = None) -> str:
    """Make the report of a study again from what was saved, without fitting.

    Parameters
    ----------
    results : str, Path or dict
        The folder of a run (its ``results.json``, ``run.json``, ``explorer.json``, ``posterior.nc`` and frames are read), the
        path of a ``results.json``, or the results document that `run` returned. Without ``explorer.json``, the page has no
        controls.
    out : str or Path, optional
        Where to write the page; by default nothing is written. The path must not be in the folder of a run.
    tree : DataTree, optional
        The posterior, for intervals of the weights; read from the folder of a run.

    Returns
    -------
    str
        The page, HTML that needs no network and no other file.

    Raises
    ------
    InputError
        No results at the path, a folder of a run that disagrees with its manifest, or a path that cannot be written.
    """
    frames: dict[str, bytes] = {}
    explorer: Document | None = None
    if isinstance(results, Mapping):
        document: Document = results
    elif isinstance(results, (str, Path)):
        path = Path(results)
        folder = path if path.is_dir() else path.parent
        refuse_changed(folder, f"report: {folder}")
        document = _document(path / "results.json" if path.is_dir() else path)
        if path.is_dir():
            if (folder / RUN).is_file():
                document = {**document, "run": _with_keys(folder / RUN, ("system", "machine", "processors", "seconds"))}
            for role in FRAMES:
                for picture in sorted(folder.glob(f"figures/frame_{role}.*")):
                    frames[role] = read_bytes(picture, f"report: {picture}", "a picture")
            if (folder / EXPLORER).is_file():
                explorer = _with_keys(folder / EXPLORER, ("format",))
                if explorer["format"] == FORMAT:
                    explorer = _with_keys(folder / EXPLORER, ("hypotheses", "policies", "cells"))
            if tree is None and (folder / "posterior.nc").is_file():
                tree = _tree(folder / "posterior.nc")
    else:
        raise InputError(
            f"report: results: a {type(results).__name__}; give a run's folder, its results.json, or the document"
        )
    if document.get("schema_version") != 1:
        raise InputError(
            f"report: results: {shown(document.get('schema_version'))} is no schema_version of results that this version knows"
        )
    try:
        # an incomplete document is refused before the figures, which take most of the time
        presentations = presented(document)
        page(document, presentations, {}, frames)
        why_not = OLD if document["risk"] is not None else None
        html = page(document, presentations, drawn(document, presentations, tree), frames, explorer or why_not)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError, TemplateError) as error:
        raise InputError(f"report: results: not a whole results document ({type(error).__name__}: {error})") from None
    if out is not None:
        _write(Path(out), html)
    return html


def _with_keys(path: Path, keys: Sequence[str]) -> Document:
    """Return a JSON object that a run wrote beside its results."""
    document = _document(path)
    lacks = [key for key in keys if key not in document]
    if lacks:
        raise InputError(f"report: {path}: lacks {lacks[0]!r}; run the study again, or remove the file")
    return document


def _document(path: Path) -> Document:
    data = read_bytes(path, f"report: {path}", "a run's results.json, or its folder")
    try:
        document = json_of(data.decode())
    except ValueError:
        raise InputError(f"report: {path}: not JSON; give a run's folder or its results.json") from None
    if not isinstance(document, dict):
        raise InputError(f"report: {path}: not a results document; give a run's folder or its results.json")
    return document


def _tree(path: Path) -> Any:
    import xarray as xr

    try:
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            return opened.load()
    except Exception as error:  # every engine raises its own kinds for files that are not its format
        raise InputError(f"report: {path}: cannot be read as NetCDF ({error})") from None


def _write(path: Path, html: str) -> None:
    """Write the page aside, flush it to disk, then move it to its place."""
    if (path.parent / MANIFEST).exists():
        raise InputError(
            f"report: {path}: {str(path.parent)!r} is the folder of a run, which stays as it was written; give another path"
        )
    try:
        write_aside(path, html.encode(), "report")
    except OSError as error:
        raise InputError(f"report: {path}: cannot be written ({error.strerror}); give another path") from None
