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

from reward_hypotheses.cli.streams import Progress, UnwrittenError, output, put, ready, say, tell

if TYPE_CHECKING:
    import xarray as xr

    from reward_hypotheses.study.run import Answer

DONE, WRONG, NOT_TRUSTED = 0, 2, 3

DESCRIPTION = """\
Posterior weights for reward hypotheses under explicit human values, and the risk
of catastrophe (outcomes worse than failing completely) on a shifted test.
"""

EPILOG = """\
exit codes:
  0  done
  2  the study or its data are wrong: a line for each problem on stderr
  3  the numbers cannot be trusted: which, on stderr
  On 2 and 3 stdout is empty and nothing is written.

a study file (README.md describes every key):
  [tables]
  training = "training.csv"          # relative to the study file
  test = "shifted.csv"
  [hypotheses]                       # name = reward, an expression over columns
  "red paint" = "where(red_paint, 100, -100)"
  "flags" = "where(flags, 100, -100)"
  # "any trade-off" = { linear = ["cost", "time"], prior = "sphere", source = "..." }
  [values]                           # the human-value prior
  weights = { "flags" = 8, "red paint" = 1 }
  source = "who was asked, when, and how"
  strength = 20                      # judgements that the weights are worth
  # or several people: judges = [{ name = "...", weights = { ... }, source = "..." }, ...]
  [agent]
  policy = "commit"                  # most_probable, expected, maximin, { name = "boltzmann", beta = 2 },
                                     # { name = "cvar", tail = 0.05 }, { name = "quantilize", q = 0.1 }
  # policy = { name = "commit", abstain = true }   lets it refrain, which is failing
  prior = "uniform"                  # what the agent itself extrapolates by
  [catastrophe]
  fail_utility = 0                   # the reward that failing completely is worth; or fail_utility_sd = -1,
                                     # in standard deviations of each hypothesis's rewards
  [[feedback]]
  kind = "labels"                    # true: this item is better than failing; or
                                     # rewards, choices, rankings, ratings, stops
  table = "training"
  column = "is_pad"
  noise = [1, 19]                    # share of wrong labels ~ Beta(1, 19) below 1/2

a table: CSV, Parquet, NetCDF or Zarr by its ending, one item a row; columns scene
and option say which choice of which scene it is (a test needs them), available,
scene_weight and is_failing are optional, every other column is a feature or what
some feedback names. Other tables:
  pairs = { path = "pairs.csv", comparisons = true }   one row a comparison: left_cost,
                                     right_cost, ..., and chosen = left or right (which a
                                     test needs not); its feedback is of kind "choices"
  shifted = { from = "training", shift = [{ name = "decorrelate", features = ["flags"] }] }

expressions: + - * / **  < <= > >= == !=  & | ~ and or not
  where(condition, a, b)  min max abs exp log sqrt clip  `a column with spaces`
"""


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    top = argparse.ArgumentParser(
        prog="reward-hypotheses",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="fit a study and print what it says",
        description="Fit a study, print a summary, and write its report, results, figures and tables to a folder.",
        allow_abbrev=False,
    )
    run.add_argument("study", metavar="STUDY.toml", type=Path, help="the study file")
    run.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="folder to write, whole or not at all (default: beside the study, named after it); one that this tool did not "
        "write, or that somebody changed, is refused",
    )
    run.add_argument(
        "--json",
        action="store_true",
        help="print the results document alone on stdout; without --out nothing is written",
    )
    demo = commands.add_parser(
        "demo",
        help="run the essay's study, end to end, with its report",
        description="Run the essay's study on the lunar lander (needs the extra 'lander'): print the answer, and write the "
        "report and all that it rests on to a folder.",
        allow_abbrev=False,
    )
    demo.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("demo-report"), help="folder to write (default: ./demo-report)"
    )
    new = commands.add_parser(
        "new",
        help="make a folder with a study to start from",
        description="Make a folder with a commented study that runs as it is, and its data.",
        allow_abbrev=False,
    )
    new.add_argument("name", metavar="NAME", type=Path, help="the folder to make; it must not exist yet")
    check = commands.add_parser(
        "check",
        help="validate a study and its data without fitting",
        description="Validate a study and its data without fitting; every problem is a line on stderr.",
        allow_abbrev=False,
    )
    check.add_argument("study", metavar="STUDY.toml", type=Path, help="the study file")
    compare = commands.add_parser(
        "compare",
        help="what changed between two runs, and what each change did to the risk",
        description="Say what changed between two runs, and what each change did to the risk, the changes applied one after another.",
        allow_abbrev=False,
    )
    for name in ("A", "B"):
        compare.add_argument(name.lower(), metavar=name, type=Path, help="the folder of a run, or a study file")
    compare.add_argument("--json", action="store_true", help="print the comparison alone, as JSON, on stdout")
    _ledger_parser(commands)
    for name in WORLDS:
        _world_parser(commands, name)
    return top


AGAIN = {"lander": "goes on from there", "minigrid": "starts again and gives the same document"}
WORLDS = tuple(AGAIN)


def _world_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> None:
    """Add the commands of a world in which agents are trained, predicted and counted."""
    lander = name == "lander"
    where = "on Gymnasium's lunar lander" if lander else "in MiniGrid rooms"
    world = commands.add_parser(
        name,
        help="train lander agents, predict their catastrophes, then fly and count"
        if lander
        else "the same of agents that walk through MiniGrid rooms",
        description=f"Predicted against measured catastrophes of trained agents {where} (needs the extra '{name}').",
        allow_abbrev=False,
    )
    actions = world.add_subparsers(dest="action", metavar="ACTION", required=True)
    read = "their choices in probe scenes" if lander else "their demonstrations in probe rooms"
    study = actions.add_parser(
        "study",
        help="predict, then measure",
        description=f"Train agents, read them off {read}, write the prediction for three shifted tests to a file, then let them act "
        f"there and compare. Killed at any moment, the same command {AGAIN[name]}.",
        allow_abbrev=False,
    )
    for key, default, what in (
        ("agents", 24, "how many are trained"),
        ("scenes", 200, "scenes of each test" if lander else "rooms of each test"),
        ("seed", 0, "of scenes, agents and draws"),
    ):
        study.add_argument(f"--{key}", metavar="N", type=int, default=default, help=f"{what} (default: {default})")
    study.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path(f"{name}-study"),
        help=f"folder: new, or of the same study (default: ./{name}-study)",
    )
    study.add_argument("--json", action="store_true", help="print the document alone on stdout")
    drawn = "flights" if lander else "walks"
    render = actions.add_parser(
        "render",
        help="draw a training landing, a right one under shift, and the veer into the crater"
        if lander
        else "draw a walk in training, a right one under shift, and the walk into the lava",
        description="Train agents, one that goes by flags and one that goes by paint among them, and draw their flights: GIFs, "
        "and the last frames as PNGs."
        if lander
        else "Train agents, one that goes to the goal and one that goes to the corner among them, and draw their walks: GIFs, and "
        "the last frames as PNGs.",
        allow_abbrev=False,
    )
    render.add_argument("--seed", metavar="N", type=int, default=0, help="of scenes and agents (default: 0)")
    render.add_argument(
        "--out", metavar="DIR", type=Path, default=Path(f"{name}-{drawn}"), help=f"folder (default: ./{name}-{drawn})"
    )


def _ledger_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ledger = commands.add_parser(
        "ledger",
        help="record which test an agent was chosen by, or show what is recorded",
        description="The ledger of tests: if results on a test are used to choose the next agent, that test has become training "
        'data. The study names its ledger: ledger = "ledger.jsonl" under [analysis].',
        allow_abbrev=False,
    )
    actions = ledger.add_subparsers(dest="action", metavar="ACTION", required=True)
    record = actions.add_parser(
        "record",
        help="record what was decided from results on a test",
        description="Record what was decided from results on a test, with its digest and the risk on it (of the run beside the "
        "study where that is of the same study and data, else computed).",
        allow_abbrev=False,
    )
    record.add_argument("study", metavar="STUDY.toml", type=Path, help="the study file")
    record.add_argument(
        "--decided",
        metavar="TEXT",
        required=True,
        help='what was decided, such as "chose the agent with commit + values"',
    )
    record.add_argument("--table", metavar="NAME", help="the test that it was decided from (default: the study's test)")
    record.add_argument("--time", metavar="TIME", help="when, in ISO 8601 with its zone (default: now)")
    show = actions.add_parser(
        "show",
        help="show what is recorded, and which tests of the study are spent",
        description="Verify the ledger, show what is recorded, and say which tests of the study are spent.",
        allow_abbrev=False,
    )
    show.add_argument("study", metavar="STUDY.toml", type=Path, help="the study file")


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
            from reward_hypotheses.analysis.report.write import report_files

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
    from reward_hypotheses.analysis.report.terminal import print_summary

    with output():
        print_summary(document, out, whole=whole)
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
