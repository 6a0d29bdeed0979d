"""Loading of a study file: TOML, then validation of the study as a whole.

Every message says what would be right.
"""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reward_hypotheses.data.errors import InputError, shown, suggestion
from reward_hypotheses.data.readers.csv import path_of
from reward_hypotheses.data.readers.safe_files import read_bytes
from reward_hypotheses.study.build import build
from reward_hypotheses.study.section_reader import Problems
from reward_hypotheses.study.sections.hypotheses import refuse_too_many
from reward_hypotheses.study.spec import REPORT_ORDER, read_spec
from reward_hypotheses.study.validated_study import Study

MOST_DOTS = 100
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP = re.compile(rf"(?m)(?:^[ \t]*+\[{{0,2}}[ \t]*+|(?<![\w.'\"-]))(?:{_PART}[ \t]*+\.[ \t]*+){{{MOST_DOTS}}}")
"""A dotted key that goes very deep, for which a TOML parser takes a time that grows as the square of its parts."""


def load(path: str | Path, progress: Callable[[str], None] = lambda _: None, *, read_ledger: bool = True) -> Study:
    """Read and validate a study file and its tables.

    Parameters
    ----------
    read_ledger : bool, optional
        Whether its ledger is read, and refused where it does not verify.

    Raises
    ------
    InputError
        Everything that is wrong, a message each, naming file and key, column or row, and what would be right.
    """
    path = path_of(path, "a study file (TOML)")
    document, text = toml(path)
    refuse_too_many(document, path.name)
    problems = Problems(path.name, REPORT_ORDER)
    return build(read_spec(document, problems), path, text, problems, progress, read_ledger)


def toml(path: Path) -> tuple[dict[str, Any], str]:
    """Parse a TOML file; return its content and its text.

    Raises
    ------
    InputError
        There is no such file, or it is no TOML; the message says what would be right.
    """
    name = path.name or str(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the path of a study file (TOML)")
    if not path.exists():
        near = sorted(p.name for p in path.parent.glob("*.toml")) if path.parent.is_dir() else []
        hint = f"; {suggestion(path.name, near)}" if near else "; give the path of a study file (TOML)"
        raise InputError(f"{path}: no such file{hint}")
    data = read_bytes(path, name, "a study file (TOML)")
    try:
        text = data.decode("utf-8-sig")
        if deep := DEEP.search(text):
            line = text.count("\n", 0, deep.start()) + 1
            raise InputError(
                f"{name}: line {line}: a key of more than {MOST_DOTS} parts; a study has keys of 3 parts at most"
            )
        return tomllib.loads(text), text
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{name}: line {line}: byte 0x{data[error.start]:02x} is not UTF-8; a study is TOML text"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{name}: {_toml_words(str(error), text)}") from None
    except InputError:
        raise
    except (RecursionError, ValueError) as error:
        raise InputError(f"{name}: not a TOML file that can be read ({error})") from None


def _toml_words(message: str, text: str) -> str:
    """Return the problem of a line of TOML, with the line and the likely remedy."""
    at = re.search(r"at line (\d+)", message)
    line = text.splitlines()[int(at.group(1)) - 1].strip() if at and int(at.group(1)) <= len(text.splitlines()) else ""
    if "Cannot overwrite a value" in message:
        return message.replace("Cannot overwrite a value", "a key stands twice; give each key once")
    if "Cannot declare" in message:
        return message + ": a section stands twice; give each section once"
    remedy = "keys are name = value, text goes in quotes"
    if any(mark in line for mark in "\u201c\u201d\u2018\u2019"):
        remedy = "use straight quotes"
    elif "\\" in line:
        remedy = "a backslash in double quotes is an escape; write paths with / or in single quotes"
    elif re.search(r"=\s*(True|False)\b", line):
        remedy = "write true and false in small letters"
    elif re.match(r"^[^\"'=\[]*\s[^\"'=]*=", line) and not re.match(r"^[\w.-]+\s*=", line):
        remedy = "a key with spaces goes in quotes"
    return f"not TOML: {message}: {shown(line)}; {remedy}"
