"""Studies with something wrong in them, and the refusal that each must meet."""

import re

from studies import TEST, TRAINING, small, toml_text

from reward_hypotheses.cli.main import main


def toml(text):
    return lambda folder: (folder / "study.toml").write_text(text, encoding="utf-8")


def study(**changes):
    return toml(toml_text(small(**changes)))


def table(name, text):
    def change(folder):
        path = folder / f"{name}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def both(*changes):
    def change(folder):
        for one in changes:
            one(folder)

    return change


def hypothesis(text):
    return study(hypotheses={"red paint": text, "flags": "where(flags, 100, -100)"})


def feedback(**changes):
    entry = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19]}
    for key, value in changes.items():
        if value is None:
            entry.pop(key)
        else:
            entry[key] = value
    return study(feedback=[entry])


def values(**changes):
    section = {"weights": {"flags": 8, "red paint": 1}, "source": "a test"}
    for key, value in changes.items():
        if value is None:
            section.pop(key)
        else:
            section[key] = value
    return study(values=section)


HEAD = "red_paint,flags,slope,is_pad\n"
CHOSEN = {"kind": "choices", "table": "test", "column": "red_paint"}


def good(folder):
    """Write a study with nothing wrong in it."""
    study()(folder)
    table("training", TRAINING)(folder)
    table("test", TEST)(folder)


def snapshot(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def refused(change, wanted, command, folder, capsys, monkeypatch):
    """Check that a changed study is refused with these problems, one pattern a line, and that nothing is written."""
    change(folder)
    before = snapshot(folder)
    monkeypatch.chdir(folder)
    arguments = [command, str(folder / "study.toml")] + (["--out", str(folder / "report")] if command == "run" else [])
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.strip().split("\n")
    for pattern in wanted:
        assert any(re.search(pattern, line) for line in lines), (pattern, lines)
    assert len(lines) == len(wanted), lines
    assert all(line.startswith("study.toml: ") for line in lines)
    assert all(len(line) < 400 for line in lines), lines
    assert snapshot(folder) == before
