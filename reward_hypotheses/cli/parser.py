"""Commands and options of the shell."""

import argparse
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
AGAIN = {"lander": "goes on from there"} | dict.fromkeys(
    ("minigrid", "minesweeper"), "starts again and gives the same document"
)
"""What the command of a world does when it was killed and is run again."""
WORLDS = tuple(AGAIN)
type Commands = argparse._SubParsersAction[argparse.ArgumentParser]

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

  Work over two seconds shows its progress on stderr: one line on a terminal, plain
  lines in a pipe. NO_COLOR turns colour and the updated line off.

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


TEXTS = {
    "run": (
        "fit a study and print what it says",
        "Fit a study, print a summary, and write its report, results, figures and tables to a folder.",
    ),
    "demo": (
        "run the essay's study, end to end, with its report",
        "Run the essay's study on the lunar lander (needs the extra 'lander'): print the answer, and write the report and all that "
        "it rests on to a folder.",
    ),
    "new": (
        "make a folder with a study to start from",
        "Make a folder with a commented study that runs as it is, and its data.",
    ),
    "check": (
        "validate a study and its data without fitting",
        "Validate a study and its data without fitting; every problem is a line on stderr.",
    ),
    "predict": (
        "predict what will be chosen, and register it in a file",
        "Fit a study, predict what people (or its agent) will choose in the scenes of a table, and write the prediction to a file with "
        "a digest, before the choices are seen. The section [prediction] of the study says whose choices, where.",
    ),
    "score": (
        "score a registered prediction on what was chosen",
        "Score a registered prediction on what was chosen: log score beside chance and base rates, with standard errors, and a table "
        "of calibration. A prediction that was altered, and outcomes of other scenes, are refused.",
    ),
    "compare": (
        "what changed between two runs, and what each change did to the risk",
        "Say what changed between two runs, and what each change did to the risk, the changes applied one after another.",
    ),
    "ledger": (
        "record which test an agent was chosen by, or show what is recorded",
        "The ledger of tests: if results on a test are used to choose the next agent, that test has become training "
        'data. The study names its ledger: ledger = "ledger.jsonl" under [analysis].',
    ),
    "ledger record": (
        "record what was decided from results on a test",
        "Record what was decided from results on a test, with its digest and the risk on it (of the run beside the study where that "
        "is of the same study and data, else computed).",
    ),
    "ledger show": (
        "show what is recorded, and which tests of the study are spent",
        "Verify the ledger, show what is recorded, and say which tests of the study are spent.",
    ),
    "lander": (
        "train lander agents, predict their catastrophes, then fly and count",
        "Predicted against measured catastrophes of trained agents on Gymnasium's lunar lander (needs the extra 'lander').",
    ),
    "lander study": (
        "predict, then measure",
        "Train agents, read them off their choices in probe scenes, write the prediction for three shifted tests to a file, then let "
        f"them act there and compare. Killed at any moment, the same command {AGAIN['lander']}.",
    ),
    "lander render": (
        "draw a training landing, a right one under shift, and the veer into the crater",
        "Train agents, one that goes by flags and one that goes by paint among them, and draw their flights: GIFs, and the last "
        "frames as PNGs.",
    ),
    "minigrid": (
        "the same of agents that walk through MiniGrid rooms",
        "Predicted against measured catastrophes of trained agents in MiniGrid rooms (needs the extra 'minigrid').",
    ),
    "minigrid study": (
        "predict, then measure",
        "Train agents, read them off their demonstrations in probe rooms, write the prediction for three shifted tests to a file, "
        f"then let them act there and compare. Killed at any moment, the same command {AGAIN['minigrid']}.",
    ),
    "minigrid render": (
        "draw a walk in training, a right one under shift, and the walk into the lava",
        "Train agents, one that goes to the goal and one that goes to the corner among them, and draw their walks: GIFs, and the "
        "last frames as PNGs.",
    ),
    "minesweeper": (
        "the same of agents that open cells of MineSweeper",
        "Predicted against measured catastrophes of trained agents in POPGym's MineSweeper (needs the extra 'minesweeper').",
    ),
    "minesweeper study": (
        "predict, then measure",
        "Train agents, infer their rewards from their choices on probe boards, write the prediction for three shifted tests to a "
        f"file, then let them act there and compare. Killed at any moment, the same command {AGAIN['minesweeper']}.",
    ),
}
"""The summary and the description of each command."""


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
    commands = top.add_subparsers(prog=top.prog, dest="command", metavar="COMMAND")
    run = _add(commands, "run", study=True)
    _out(
        run,
        "folder to write, whole or not at all (default: beside the study, named after it); one that this tool did not write, or that "
        "somebody changed, is refused",
    )
    _json(run, "print the results document alone on stdout; without --out nothing is written")
    demo = _add(commands, "demo")
    for command in (run, demo):
        command.add_argument("--full", action="store_true", help="print everything, not the summary of 24 lines")
    demo.set_defaults(study=EXAMPLES / "essay" / "study.toml", json=False)
    _out(demo, "folder to write (default: ./demo-report)", "demo-report")
    new = _add(commands, "new")
    new.add_argument("name", metavar="NAME", type=Path, help="the folder to make; it must not exist yet")
    _add(commands, "check", study=True)
    predict = _add(commands, "predict", study=True)
    beside = "file to write (default: path of [prediction], or STUDY.prediction.json beside the study); another prediction there stays"
    predict.add_argument("--out", metavar="FILE", type=Path, help=beside)
    _add_score(_add(commands, "score"))
    compare = _add(commands, "compare")
    for name in ("A", "B"):
        compare.add_argument(name.lower(), metavar=name, type=Path, help="the folder of a run, or a study file")
    _json(compare, "print the comparison alone, as JSON, on stdout")
    _add_ledger(_add(commands, "ledger"))
    for name in WORLDS:
        _add_world(_add(commands, name), name)
    return top


def _add(commands: Commands, name: str, *, study: bool = False) -> argparse.ArgumentParser:
    """Add a command or an action of a command.

    Parameters
    ----------
    study : bool
        Whether the command takes an argument STUDY.toml.
    """
    summary, description = TEXTS[name]
    command = commands.add_parser(name.split()[-1], help=summary, description=description, allow_abbrev=False)
    if study:
        command.add_argument("study", metavar="STUDY.toml", type=Path, help="the study file")
    return command


def _actions(command: argparse.ArgumentParser) -> Any:
    return command.add_subparsers(prog=command.prog, dest="action", metavar="ACTION", required=True)


def _out(command: argparse.ArgumentParser, text: str, default: str | None = None) -> None:
    command.add_argument("--out", metavar="DIR", type=Path, default=default and Path(default), help=text)


def _json(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--json", action="store_true", help=text)


def _number(command: argparse.ArgumentParser, key: str, default: int, meaning: str) -> None:
    text = f"{meaning} (default: {default})"
    command.add_argument(f"--{key}", metavar="N", type=int, default=default, help=text)


def _add_world(world: argparse.ArgumentParser, name: str) -> None:
    """Add the actions of a world in which agents are trained, predicted and counted."""
    scenes, drawn = {"lander": ("scenes", "flights"), "minigrid": ("rooms", "walks")}.get(name, ("boards", ""))
    actions = _actions(world)
    study = _add(actions, f"{name} study")
    _number(study, "agents", 24, "how many are trained")
    _number(study, "scenes", 200, f"{scenes} of each test")
    _number(study, "seed", 0, "of scenes, agents and draws")
    _out(study, f"folder: new, or of the same study (default: ./{name}-study)", f"{name}-study")
    _json(study, "print the document alone on stdout")
    if drawn:
        render = _add(actions, f"{name} render")
        _number(render, "seed", 0, "of scenes and agents")
        _out(render, f"folder (default: ./{name}-{drawn})", f"{name}-{drawn}")


def _add_score(score: argparse.ArgumentParser) -> None:
    """Add the arguments of `score`."""
    score.add_argument("prediction", metavar="PREDICTION", type=Path, help="the file that predict wrote")
    score.add_argument(
        "outcomes", metavar="OUTCOMES", type=Path, help="a table of the same scenes with what was chosen"
    )
    score.add_argument("--rater", metavar="COLUMN", help="column of the outcomes that names who chose, for errors")
    _json(score, "print the scores alone, as JSON, on stdout")


def _add_ledger(ledger: argparse.ArgumentParser) -> None:
    """Add the actions of the ledger of tests."""
    actions = _actions(ledger)
    record = _add(actions, "ledger record", study=True)
    decided = 'what was decided, such as "chose the agent with commit + values"'
    record.add_argument("--decided", metavar="TEXT", required=True, help=decided)
    record.add_argument("--table", metavar="NAME", help="the test that it was decided from (default: the study's test)")
    record.add_argument("--time", metavar="TIME", help="when, in ISO 8601 with its zone (default: now)")
    _add(actions, "ledger show", study=True)
