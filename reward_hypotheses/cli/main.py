"""The command line `reward-hypotheses` and its commands.

Commands: `demo`, `new`, `run`, `check`, `predict`, `score`, `compare`, `ledger`, `lander`, `minigrid`, `minesweeper`.
"""

import argparse
import gc
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reward_hypotheses.cli.parser import AGAIN, EXAMPLES, WORLDS, parser
from reward_hypotheses.cli.progress import Progress
from reward_hypotheses.cli.streams import UnwrittenError, output, put, ready, say, tell
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import staged

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.study.run import StudyRun


DONE, WRONG, NOT_TRUSTED = 0, 2, 3

type Write = Callable[[], None]
"""Write the result of a command to standard output."""


def command() -> int:
    """Run the command line as a process of its own; return the exit code.

    What is imported is never garbage. The garbage collector is kept from it, which would go through it again and again
    while it is loaded, and once more at the end: an eighth of a short run.
    """
    gc.disable()
    code = main()
    gc.freeze()
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    # Blocks run on our own threads; a second set inside BLAS costs start-up and fights them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ready()
    try:
        options = parser().parse_args(arguments)
    except SystemExit:
        with suppress(BrokenPipeError, UnwrittenError), output():
            pass  # the rest of the help, which is still to be written
        raise
    try:
        return _perform(options)
    except BrokenPipeError:  # the reader of stdout has gone
        return DONE
    except UnwrittenError as error:
        if not _result_is_on_stdout_alone(options):
            return DONE
        tell([f"stdout: cannot be written ({error}); nothing else holds what was to be there"])
        return WRONG
    except MemoryError as error:
        reason = error or "MemoryError"
        tell([f"there is not enough memory for this ({reason}); give fewer rows or columns, or more memory"])
        return WRONG
    except KeyboardInterrupt:
        goes_on = options.command in WORLDS and options.action == "study"
        outcome = f"the same command {AGAIN[options.command]}" if goes_on else "nothing was written"
        tell([f"interrupted; {outcome}"])
        return 130


def _perform(options: argparse.Namespace) -> int:
    """Run a command and write its result, or its problems to standard error."""
    if options.version:
        from reward_hypotheses import __version__

        say([f"reward-hypotheses {__version__}"])
        return DONE
    if options.command is None:
        say([parser().format_help().rstrip()])
        return DONE
    if options.command in ("run", "demo", "check"):
        import_module("reward_hypotheses.study.run")
    from reward_hypotheses.models.inference.trust import NotTrustedError

    if not gc.isenabled():
        gc.freeze()
        gc.enable()
    try:
        with Progress() as progress:
            write = COMMANDS[options.command](options, progress)
    except InputError as error:
        tell(error.problems)
        return WRONG
    except NotTrustedError as error:
        of = options.out if options.command in WORLDS else getattr(options, "study", None)
        tell(problem if of is None else f"{of.name}: {problem}" for problem in error.problems)
        return NOT_TRUSTED
    write()
    return DONE


def _result_is_on_stdout_alone(options: argparse.Namespace) -> bool:
    """Return whether standard output alone holds the result of a command."""
    if options.command == "run":
        return options.json and options.out is None
    return options.command in ("compare", "score") or (options.command == "ledger" and options.action == "show")


def _json(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _check(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.study.pre_fit_checks import minds
    from reward_hypotheses.study.run import check

    study = check(options.study, progress)
    names = ", ".join(repr(n) for n in study.hypotheses.names)
    feedback = ", ".join(str(f.name) for f in study.feedback)
    lines = [f"{options.study}: nothing wrong. Hypotheses: {names}; feedback: {feedback}."]
    tables = {f.table.name: f.table for f in study.feedback} | dict(study.tests)
    for name, table in tables.items():
        scenes = f"{table.n_scenes} scenes, " if table.has_options else ""
        weighted = ", weighted" if "scene_weight" in table.columns else ""
        lines.append(f"{name}: {scenes}{table.n_items} items{weighted}")
        lines += [
            f"{f.name}: {f.n_answers:,} answers, counted by {f.count!r}"
            for f in study.feedback
            if f.table is table and f.counts is not None
        ]
        lines += [f"mind: {odd}" for odd in table.odd_columns()]
    lines += [f"mind: {warning}" for warning in minds(study)]
    return lambda: say(lines)


def _compare(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.study.compare import compare, comparison_text

    comparison = compare(options.a, options.b, progress)
    if options.json:
        return lambda: put(_json(comparison).encode(errors="replace"))
    return lambda: say([comparison_text(comparison)])


def _predict(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.cli.predicted_choices import register_of_study

    lines = register_of_study(options.study, options.out, progress)
    return lambda: say(lines)


def _score(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.cli.predicted_choices import score, score_document, score_text

    scored = score(options.prediction, options.outcomes, options.rater)
    if options.json:
        return lambda: put(_json(score_document(scored)).encode(errors="replace"))
    return lambda: say(score_text(scored))


def _ledger(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.study.record_decision import record, shown_ledger

    if options.action == "show":
        lines = shown_ledger(options.study, progress)
    else:
        lines = record(options.study, options.decided, options.table, options.time, progress)
    return lambda: say(lines)


def _world(options: argparse.Namespace, progress: Progress) -> Write:
    world, folder = options.command, "reward_hypotheses.analysis.validation"
    if options.action == "render":
        render = getattr(import_module(f"{folder}.render_{world}"), f"{world}_render")
        lines = [f"Made {path}" for path in render(options.seed, options.out, progress)]
    else:
        module = import_module(f"{folder}.{world}")
        study, text = getattr(module, f"{world}_study"), getattr(module, f"{world}_text")
        document = study(options.agents, options.scenes, options.seed, options.out, progress)
        if options.json:
            return lambda: put((options.out / "results.json").read_bytes())
        lines = text(document, options.out)
    return lambda: say(lines)


def _new(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.analysis.report.layout.output_folder import copy_folder

    folder = options.name
    copy_folder(EXAMPLES / "template", folder)
    lines = [
        f"Made {folder}: a study that runs as it is, and whose comments say what to change.",
        f"Next:  reward-hypotheses run {shlex.quote(str(folder / 'study.toml'))}",
    ]
    return lambda: say(lines)


def _run(options: argparse.Namespace, progress: Progress) -> Write:
    from reward_hypotheses.study.run import STEPS, run_study

    study, out = options.study, options.out
    if out is None and not options.json:
        out = study.parent / (study.stem if study.suffix else f"{study.name}-results")
    if out is not None and study.is_file():
        from reward_hypotheses.analysis.report.layout.output_folder import refuse_unless_ours

        refuse_unless_ours(out)
    start = time.perf_counter()
    run = run_study(study, progress)
    seconds = time.perf_counter() - start
    text = _json(run.document)
    if out is not None:
        with staged(STEPS, STEPS):
            _write_folder(run, text, out, progress, seconds)
    return lambda: put(text.encode()) if options.json else _summarise(run, out, options.full)


def _write_folder(run: "StudyRun", text: str, out: Path, progress: Progress, seconds: float) -> None:
    """Write results, posterior, report, figures and tables of a run to a folder."""
    from reward_hypotheses.analysis.report.layout.output_folder import write_folder
    from reward_hypotheses.study.report import report_files, run_record

    progress("drawing")
    tree, netcdf = _tree(run)
    files = {"results.json": text.encode(), "posterior.nc": netcdf}
    files |= report_files(run.document, tree, run.frames(), run_record(seconds), run.explorer())
    progress("writing")
    write_folder(out, files)


def _summarise(run: "StudyRun", out: Path | None, in_full: bool) -> None:
    from reward_hypotheses.analysis.report.layout.terminal import print_summary
    from reward_hypotheses.analysis.results.document import presented

    with output():
        print_summary(run.document, presented(run.document), out, full=in_full)


def _tree(run: "StudyRun") -> tuple["xr.DataTree", bytes]:
    """Return the posterior as a tree and as NetCDF, with the draws of the results."""
    from reward_hypotheses.models.tree.write import tree_of

    spec = run.study.spec
    tree = tree_of(run.posterior, run.study.line, spec.fit.draws, spec.fit.chains, spec.seed)
    return tree, bytes(tree.to_netcdf(engine="h5netcdf"))  # in memory: HDF5 dies where the temporary folder is full


COMMANDS: dict[str, Callable[[argparse.Namespace, Progress], Write]] = {
    "new": _new,
    "check": _check,
    "predict": _predict,
    "score": _score,
    "compare": _compare,
    "ledger": _ledger,
    "demo": _run,
    "run": _run,
    **dict.fromkeys(WORLDS, _world),
}


if __name__ == "__main__":
    sys.exit(command())
