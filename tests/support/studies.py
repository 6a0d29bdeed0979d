"""Writing study files for tests, and running them."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "reward_hypotheses.cli.main"]


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {toml_value(v)}" for k, v in value.items()) + " }"
        )
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    raise TypeError(value)


def toml_text(document: Mapping[str, Any]) -> str:
    lines = [f"{k} = {toml_value(v)}" for k, v in document.items() if not isinstance(v, (Mapping, list))]
    for key, value in document.items():
        if isinstance(value, Mapping):
            lines += [f"[{key}]"] + [f"{json.dumps(k, ensure_ascii=False)} = {toml_value(v)}" for k, v in value.items()]
        elif isinstance(value, list):
            for entry in value:
                lines += [f"[[{key}]]"] + [
                    f"{json.dumps(k, ensure_ascii=False)} = {toml_value(v)}" for k, v in entry.items()
                ]
    return "\n".join(lines) + "\n"


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(rows[0])
    cell = {True: "1", False: "0"}
    body = [",".join(cell.get(r[n], str(r[n])) if isinstance(r[n], bool) else str(r[n]) for n in names) for r in rows]
    return "\n".join([",".join(names), *body]) + "\n"


def write(folder: Path, document: Mapping[str, Any], **tables: str) -> Path:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    path = folder / "study.toml"
    path.write_text(toml_text(document), encoding="utf-8")
    return path


def shell(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def small(**changes: Any) -> dict[str, Any]:
    """The essay's study: red and flags coincide in training; on the test they part."""
    document: dict[str, Any] = {
        "title": "small",
        "seed": 1,
        "tables": {"training": "training.csv", "test": "test.csv"},
        "hypotheses": {"red paint": "where(red_paint, 100, -100)", "flags": "where(flags, 100, -100)"},
        "values": {"weights": {"flags": 8, "red paint": 1}, "source": "a test", "strength": 20},
        "agent": {"policy": "commit", "prior": "uniform"},
        "catastrophe": {"fail_utility": 0},
        "feedback": [{"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19]}],
    }
    for key, value in changes.items():
        if value is None:
            document.pop(key)
        else:
            document[key] = value
    return document


TRAINING = "red_paint,flags,slope,is_pad\n" + "1,1,0.5,1\n0,0,2.5,0\n" * 10
TEST = "scene,option,red_paint,flags,slope\n" + "".join(
    f"{m},0,1,0,0.5\n{m},1,0,1,1.5\n{m},2,0,0,2.5\n" for m in range(12)
)
SHOWN = "red_paint,flags,slope,rather_nothing\n1,1,0.5,0\n1,0,0.5,1\n0,1,1.5,0\n0,0,2.5,1\n0,0,1,1\n"
