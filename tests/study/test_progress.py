"""Progress on standard error: one line on a terminal, plain lines elsewhere, nothing under two seconds."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
import time

import pytest
from rich.cells import cell_len
from studies import TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout.terminal import print_summary
from reward_hypotheses.analysis.results.document import presented
from reward_hypotheses.cli import main as cli
from reward_hypotheses.cli.progress import Progress, drawn_line, duration, plain_line
from reward_hypotheses.data import progress as counting
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.progress import State, tracked

CLEAR = "\r\x1b[2K"
LINE = re.compile(r"\[ *\d+\.\d s\] \S.*")


class Terminal:
    """A pseudo-terminal of 100 columns in the place of standard output and standard error."""

    def __init__(self, monkeypatch, **environment):
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CI"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)
        self.read_end, write_end = pty.openpty()
        fcntl.ioctl(write_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self.stream = os.fdopen(write_end, "w", encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", self.stream)
        monkeypatch.setattr(sys, "stderr", self.stream)
        self.data = b""
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self):
        try:
            while part := os.read(self.read_end, 4096):
                self.data += part
        except OSError:  # the other end is closed
            pass

    def text(self):
        self.stream.close()
        self.thread.join()
        os.close(self.read_end)
        return self.data.decode().replace("\r\n", "\n")


def work(progress):
    """Half a second of work in 20 steps."""
    progress("risk on 'test'")
    for _ in tracked(range(20), what="worst cases"):
        time.sleep(0.025)


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    monkeypatch.setattr(counting, "LEAST_SECONDS", 0.1)


def test_a_line_that_is_updated_in_place_and_cleared(monkeypatch):
    terminal = Terminal(monkeypatch)
    with Progress(after=0) as progress:
        progress._every = 0.02
        work(progress)
    print("the summary")
    text = terminal.text()
    drawn = text.split(CLEAR)
    assert drawn[0] == "" and drawn[-1] == "the summary\n" and len(drawn) > 8
    assert "\n" not in "".join(drawn[:-1])  # never a second line
    plain = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in drawn[1:-1]]
    assert plain[0].startswith("risk on 'test'") and "%" not in plain[0]
    assert any(re.search(r"risk on 'test', worst cases  ━+─+  \d+%, about 1 s left  \d s", line) for line in plain)
    assert any("\x1b[32m" in line for line in drawn) and "\x1b[?25" not in text  # colour; the cursor stays
    assert all(cell_len(line) < 100 for line in plain)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_lines_on_a_terminal_without_colour(monkeypatch, environment):
    terminal = Terminal(monkeypatch, **environment)
    with Progress(after=0, every=0.05) as progress:
        work(progress)
    text = terminal.text()
    assert "\x1b" not in text and "\r" not in text
    assert "risk on 'test', worst cases: " in text and all(map(LINE.fullmatch, text.splitlines()))


def test_plain_lines_in_a_pipe(capsys):
    with Progress(after=0.1, every=0.1) as progress:
        work(progress)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 6 and all(map(LINE.fullmatch, lines))
    assert any(re.search(r"risk on 'test', worst cases: \d\d%, about 1 s left$", line) for line in lines)


def test_nothing_in_the_first_two_seconds_and_then_every_ten(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress()
    monkeypatch.setattr(progress, "_watch", lambda: None)
    said = []
    for second in range(31):
        now[0] = 100.0 + second
        progress(f"step {second}")
        if capsys.readouterr().err:
            said.append(second)
    assert said == [2, 12, 22]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "last"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written\n"),
        (InputError("study.toml: wrong"), 2, "study.toml: wrong\n"),
    ],
)
def test_errors_and_interrupts_leave_the_terminal_clean(monkeypatch, error, code, last):
    def failing(_, progress):
        work(progress)
        raise error

    terminal = Terminal(monkeypatch)
    monkeypatch.setitem(cli.COMMANDS, "check", failing)
    monkeypatch.setattr(cli, "Progress", lambda: Progress(after=0))
    assert cli.main(["check", "study.toml"]) == code
    text = terminal.text()
    assert text.count(CLEAR) > 2 and text.endswith(CLEAR + last)


def test_lines():
    state = State("risk on 'test'", 0.457, 14.6, (3, 4))
    assert plain_line(state, 12.4) == "[ 12.4 s] risk on 'test': 45%, about 15 s left (step 3 of 4)"
    assert plain_line(State("drawing"), 3.0) == "[  3.0 s] drawing ..."
    assert plain_line(State("drawing", 0.02), 3.0) == "[  3.0 s] drawing: 2%"
    for width in (10, 40, 80, 200):
        for unicode in (True, False):
            line = drawn_line(
                State("a \N{CJK UNIFIED IDEOGRAPH-4E2D}\x1b[31m" * 20, 0.5, 9e3, (1, 4)), 75, width, unicode
            )
            assert line.cell_len < width and "\x1b" not in line.plain
    assert [duration(s) for s in (0.2, 44.6, 119, 150, 7000, 9000)] == [
        "1 s",
        "45 s",
        "119 s",
        "2 min",
        "117 min",
        "2 h",
    ]


def test_the_words_of_a_run_and_its_steps(tmp_path):
    """The public `run` calls back with a few words, and the parts of a run are counted."""
    study = write(tmp_path, small(), training=TRAINING, test=TEST)
    words, stages = [], []

    def progress(doing):
        words.append(doing)
        stages.append(meter.state().stage)

    meter = counting.Meter()
    with counting.listening(meter):
        rh.run(study, progress)
    assert words[0] == "reading tables" and "weighing the hypotheses" in words and words[-1] == "risk on 'test'"
    assert stages[0] == (1, 4) and stages[-1] == (3, 4) and stages == sorted(stages)


def test_the_summary_has_colour_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    document = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    shown = presented(document)
    print_summary(document, shown)
    piped = capsys.readouterr().out
    texts = []
    for environment in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        terminal = Terminal(monkeypatch, **environment)
        print_summary(document, shown)
        texts.append(terminal.text())
    assert "\x1b" not in piped and piped == texts[1] == texts[2]
    plain = re.sub(r"\x1b\[[\d;]*m", "", texts[0])
    assert "\x1b[1m" in texts[0] and [line.rstrip() for line in plain.splitlines()] == piped.splitlines()
