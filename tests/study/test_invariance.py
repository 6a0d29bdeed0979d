"""What must change no number: the order of rows, the names of hypotheses, the number of threads."""

import csv
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from studies import HERE

import reward_hypotheses as rh

STUDIES = HERE / "golden" / "studies"
EXACT = {"example": HERE / "example" / "study.toml", "read": STUDIES / "read.toml", "judged": STUDIES / "judged.toml"}
DRAWN = re.compile(  # numbers into which draws or permutations enter, or that tell rows apart
    r"lower|upper|mcse|variance|predictive_check|shift|subgroups|errors|more_data|worst_case|riskiest_scenes|interval|"
    r"risk_under_judged_line|failure_line|agent_reading|sha256|study|impact|warnings|odds|draws|checks|telling|slopes|stakes|bits_by_size|"
    r"degree_pairs/risk/all"
)


def numbers(document, path=""):
    """Every number of a document, by its path, but those into which draws enter."""
    if DRAWN.search(path):
        return {}
    if isinstance(document, dict):
        return {k: v for key, inner in document.items() for k, v in numbers(inner, f"{path}/{key}").items()}
    if isinstance(document, list):
        return {k: v for i, inner in enumerate(document) for k, v in numbers(inner, f"{path}/{i}").items()}
    is_number = isinstance(document, (int, float)) and not isinstance(document, bool)
    return {path: float(document)} if is_number else {}


def assert_same(one, other):
    assert set(one) == set(other) and len(one) > 50
    wrong = {k: (x, other[k]) for k, x in one.items() if not math.isclose(x, other[k], rel_tol=1e-12, abs_tol=1e-12)}
    assert not wrong


@pytest.fixture(scope="module")
def plain():
    return {name: numbers(rh.run(path)) for name, path in EXACT.items()}


def copied(path: Path, folder: Path) -> Path:
    for table in path.parent.glob("*.csv"):
        shutil.copy(table, folder)
    return Path(shutil.copy(path, folder))


@pytest.mark.parametrize("name", EXACT)
def test_the_order_of_rows_changes_no_number(name, plain, tmp_path):
    study = copied(EXACT[name], tmp_path)
    for table in tmp_path.glob("*.csv"):
        header, *rows = list(csv.reader(table.read_text().splitlines()))
        random.Random(table.name).shuffle(rows)
        table.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    assert_same(plain[name], numbers(rh.run(study)))


@pytest.mark.parametrize("name", EXACT)
def test_names_of_hypotheses_change_no_number(name, plain, tmp_path):
    study = copied(EXACT[name], tmp_path)
    names = [path.split("/")[2] for path in plain[name] if path.startswith("/log_evidence/")]
    text = study.read_text()
    new = {old: f"{'zyxwvu'[i]} ({i})" for i, old in enumerate(names)}
    for old, renamed in new.items():
        text = re.sub(rf'(?<![\w"]){re.escape(old)}(?= *=)|"{re.escape(old)}"(?= *=)', f'"{renamed}"', text)
    study.write_text(text)
    found = numbers(rh.run(study))
    back = {renamed: old for old, renamed in new.items()}
    named = {"/".join(back.get(part, part) for part in path.split("/")): value for path, value in found.items()}
    assert_same(plain[name], named)


@pytest.mark.parametrize("name", ["example", "read"])
def test_one_thread_and_two_give_the_same_bytes(name):
    """Threads of linear algebra, and of the toolkit's own."""
    command = [sys.executable, "-m", "reward_hypotheses.cli.main", "run", str(EXACT[name]), "--json"]
    alone = ["taskset", "-c", "0"] if shutil.which("taskset") else []
    found = [
        subprocess.run(
            [*before, *command],
            env=os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for threads, before in (("1", alone), ("2", []))
    ]
    assert found[0] == found[1] and json.loads(found[0])["risk"]["mean"] >= 0
