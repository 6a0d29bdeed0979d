"""Commands and options of the shell."""

import argparse
from pathlib import Path

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
