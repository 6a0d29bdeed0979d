"""The shell: `reward-hypotheses demo`, `new`, `run`, `check`, `compare`, `ledger`, `lander`, `minigrid`."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reward_hypotheses.cli.parser import AGAIN, WORLDS, parser
from reward_hypotheses.cli.progress import Progress
from reward_hypotheses.cli.streams import UnwrittenError, output, put, ready, say, tell

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.study.run import Answer


DONE, WRONG, NOT_TRUSTED = 0, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # Blocks run on our own threads; a second set inside BLAS costs start-up and fights them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ready()
    try:
        given = parser().parse_args(arguments)
    except SystemExit:
        with suppress(BrokenPipeError, UnwrittenError), output():
            pass  # of help: what is still to be written
        raise
    progress = Progress()
    try:
        if given.version:
            from reward_hypotheses import __version__

            say([f"reward-hypotheses {__version__}"])
            return DONE
        if given.command is None:
            say([parser().format_help().rstrip()])
            return DONE
        if given.command == "new":
            return _new(given.name)
        if given.command == "check":
            return _check(given.study, progress)
        if given.command == "compare":
            return _compare(given.a, given.b, given.json, progress)
        if given.command == "ledger":
            return _ledger(given, progress)
        if given.command in WORLDS:
            return _world(given, progress)
        if given.command == "demo":
            essay = Path(__file__).resolve().parents[1] / "data" / "examples" / "essay" / "study.toml"
            return _run(essay, given.out, False, progress, whole=False)
        return _run(given.study, given.out, given.json, progress)
    except BrokenPipeError:  # the reader of stdout has gone
        return DONE
    except UnwrittenError as error:
        if not _told_alone(given):
            return DONE
        tell([f"stdout: cannot be written ({error}); nothing else holds what was to be there"])
        return WRONG
    except MemoryError as error:
        tell(
            [
                f"there is not enough memory for this ({error or 'MemoryError'}); give fewer rows or columns, or more memory"
            ]
        )
        return WRONG
    except KeyboardInterrupt:
        goes_on = given.command in WORLDS and given.action == "study"
        kept = f"the same command {AGAIN[given.command]}" if goes_on else "nothing was written"
        tell([f"interrupted; {kept}"])
        return 130
    finally:
        progress.stop()


def _told_alone(given: argparse.Namespace) -> bool:
    """Whether what a command says stands on stdout alone, and is no mere word on what it did."""
    if given.command == "run":
        return given.json and given.out is None
    return given.command == "compare" or (given.command == "ledger" and given.action == "show")


def _check(study: Path, progress: Progress) -> int:
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.study.readiness import minds
    from reward_hypotheses.study.run import check

    try:
        checked = check(study, progress)
    except InputError as error:
        return _wrong(error.problems)
    names = ", ".join(repr(n) for n in checked.hypotheses.names)
    lines = [
        f"{study}: nothing wrong. Hypotheses: {names}; feedback: {', '.join(str(f.name) for f in checked.feedback)}."
    ]
    tables = {one.table.name: one.table for one in checked.feedback} | dict(checked.tests)
    for name, table in tables.items():
        kind = f"{table.n_scenes} scenes, " if table.has_options else ""
        weighted = ", weighted" if "scene_weight" in table.columns else ""
        lines.append(f"{name}: {kind}{table.n_items} items{weighted}")
        for one in checked.feedback:
            if one.table is table and one.counts is not None:
                lines.append(f"{one.name}: {one.n_answers:,} answers, counted by {one.count!r}")
        lines += [f"mind: {odd}" for odd in table.odd_columns()]
    lines += [f"mind: {warning}" for warning in minds(checked)]
    progress.stop()
    say(lines)
    return DONE


def _compare(a: Path, b: Path, as_json: bool, progress: Progress) -> int:
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.models.inference.trust import NotTrustedError
    from reward_hypotheses.study.compare import compare, comparison_text

    try:
        found = compare(a, b, progress)
    except InputError as error:
        return _wrong(error.problems)
    except NotTrustedError as error:
        _wrong(error.problems)
        return NOT_TRUSTED
    progress.stop()
    if as_json:
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        put(text.encode(errors="replace"))
    else:
        say([comparison_text(found)])
    return DONE


def _ledger(given: argparse.Namespace, progress: Progress) -> int:
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.models.inference.trust import NotTrustedError
    from reward_hypotheses.study.ledger import record, shown_ledger

    try:
        if given.action == "show":
            lines = shown_ledger(given.study, progress)
        else:
            lines = record(given.study, given.decided, given.table, given.time, progress)
    except InputError as error:
        return _wrong(error.problems)
    except NotTrustedError as error:
        return _not_trusted(given.study, error.problems)
    progress.stop()
    say(lines)
    return DONE


def _world(given: argparse.Namespace, progress: Progress) -> int:
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.models.inference.trust import NotTrustedError

    if given.command == "lander":
        from reward_hypotheses.analysis.validation.lander import lander_study as study
        from reward_hypotheses.analysis.validation.lander import lander_text as text
        from reward_hypotheses.analysis.validation.render_lander import lander_render as render
    else:
        from reward_hypotheses.analysis.validation.minigrid import minigrid_study as study
        from reward_hypotheses.analysis.validation.minigrid import minigrid_text as text
        from reward_hypotheses.analysis.validation.render_minigrid import minigrid_render as render
    try:
        if given.action == "render":
            lines = [f"Made {path}" for path in render(given.seed, given.out, progress)]
        else:
            document = study(given.agents, given.scenes, given.seed, given.out, progress)
            lines = text(document, given.out)
    except InputError as error:
        return _wrong(error.problems)
    except NotTrustedError as error:
        return _not_trusted(given.out, error.problems)
    progress.stop()
    if given.action == "study" and given.json:
        put((given.out / "results.json").read_bytes())
    else:
        say(lines)
    return DONE


def _new(folder: Path) -> int:
    from reward_hypotheses.analysis.report.output_folder import copy_folder
    from reward_hypotheses.data.errors import InputError

    try:
        copy_folder(Path(__file__).resolve().parents[1] / "data" / "examples" / "template", folder)
    except InputError as error:
        return _wrong(error.problems)
    say(
        [
            f"Made {folder}: a study that runs as it is, and whose comments say what to change.",
            f"Next:  reward-hypotheses run {shlex.quote(str(folder / 'study.toml'))}",
        ]
    )
    return DONE


def _run(study: Path, out: Path | None, as_json: bool, progress: Progress, *, whole: bool = True) -> int:
    from reward_hypotheses.data.errors import InputError
    from reward_hypotheses.models.inference.trust import NotTrustedError
    from reward_hypotheses.study.run import answer

    if out is None and not as_json:
        name = study.stem if study.suffix else f"{study.name}-results"
        out = study.parent / name
    try:
        if out is not None:
            from reward_hypotheses.analysis.report.output_folder import refuse_unless_ours, write_folder

            if study.is_file():
                refuse_unless_ours(out)
        found = answer(study, progress)
        document = found.document
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        if out is not None:
            from reward_hypotheses.study.report import report_files

            progress("drawing")
            tree, netcdf = _tree(found)
            files = {"results.json": text.encode(), "posterior.nc": netcdf}
            files |= report_files(document, tree, found.frames())
            progress("writing")
            write_folder(out, files)
    except InputError as error:
        return _wrong(error.problems)
    except NotTrustedError as error:
        return _not_trusted(study, error.problems)
    progress.stop()
    if as_json:
        put(text.encode())
        return DONE
    from reward_hypotheses.analysis.report.sections import presented
    from reward_hypotheses.analysis.report.terminal import print_summary

    with output():
        print_summary(document, presented(document), out, full=whole)
    return DONE


def _tree(found: "Answer") -> tuple["xr.DataTree", bytes]:
    """Give the posterior as a tree, with the draws that the results used, and as NetCDF."""
    from reward_hypotheses.models.tree.write import tree_of

    study = found.study
    tree = tree_of(found.posterior, study.line, study.fit.draws, study.fit.chains, study.seed)
    return tree, bytes(tree.to_netcdf(engine="h5netcdf"))  # in memory: HDF5 dies where the temporary folder is full


def _not_trusted(study: Path, problems: Sequence[str]) -> int:
    tell(f"{study.name}: {problem}" for problem in problems)
    return NOT_TRUSTED


def _wrong(problems: Sequence[str]) -> int:
    tell(problems)
    return WRONG


if __name__ == "__main__":
    sys.exit(main())
