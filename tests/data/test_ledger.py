"""The ledger of tests: what is recorded, what is noticed, and what runs say of a test by which an agent was chosen."""

import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from reports import print_summary, table_files
from rich.console import Console
from studies import TEST, TRAINING, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout.output_folder import refuse_unless_ours, write_folder
from reward_hypotheses.cli.main import main
from reward_hypotheses.study import record_decision as recording

NOON = "2026-01-31T12:00:00Z"
ONE, OTHER = "1" * 64, "2" * 64
LEDGER = small(analysis={"ledger": "ledger.jsonl"})


@pytest.fixture
def ledger(tmp_path):
    return rh.Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def study(tmp_path):
    return write(tmp_path, LEDGER, training=TRAINING, test=TEST)


def three(ledger):
    for k, decided in enumerate(("chose commit", "chose cvar, größer", "chose\nagain")):
        ledger.record((ONE, OTHER, ONE)[k], decided, risk=(0.5, None, 0)[k], time=NOON)
    return ledger.path.read_bytes().split(b"\n")[:-1]


def test_entries_are_chained_by_the_digest_of_the_line_before(ledger):
    assert list(ledger) == [] and ledger.spent(ONE) is None and not ledger.path.exists()
    lines = three(ledger)
    entries = list(ledger)
    assert [e.sequence for e in entries] == [1, 2, 3] and entries[0].previous is None
    for k, line in enumerate(lines):
        assert json.loads(line) == vars(entries[k])
        if k:
            assert entries[k].previous == hashlib.sha256(lines[k - 1]).hexdigest()
    assert ledger.spent(ONE) == entries[2] and ledger.spent(OTHER) == entries[1] and ledger.spent("3" * 64) is None
    assert [e.risk for e in entries] == [0.5, None, 0] and entries[1].decided == "chose cvar, größer"
    assert ledger.read().sha256 == hashlib.sha256(ledger.path.read_bytes()).hexdigest()


def test_a_test_is_its_digest_its_file_or_its_columns(ledger, tmp_path):
    study = write(tmp_path, LEDGER, training=TRAINING, test=TEST)
    made = {"from": "test", "shift": [{"name": "intervene", "feature": "flags", "value": True}], "why": "a test"}
    tables = {"training": "training.csv", "test": "test.csv", "made": made}
    write(tmp_path, small(tables=tables, analysis={"also": ["made"]}))
    digests = rh.run(study)["data_sha256"]
    assert ledger.record(tmp_path / "test.csv", "x").sha256 == digests["test"]
    assert ledger.record(str(tmp_path / "test.csv"), "x").sha256 == digests["test"]
    shifted = rh.intervene(rh.read_table(tmp_path / "test.csv"), "flags", True, why="a test")
    assert ledger.record(shifted, "x").sha256 == digests["made"]
    assert ledger.spent(shifted).sequence == 3


def test_texts_are_part_of_the_digest_of_columns(ledger):
    tables = [{"x": np.array([1.0, 2.0]), "who": np.array(who)} for who in (["Ann", "Bob"], ["Ann", "Eve"])]
    assert ledger.record(tables[0], "x").sha256 != ledger.record(tables[1], "x").sha256


def test_time_is_utc(ledger):
    east = datetime(2026, 1, 31, 14, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    assert ledger.record(ONE, "x", time=east).time == NOON == ledger.record(ONE, "x", time=NOON).time
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.fromisoformat(ledger.record(ONE, "x").time) <= datetime.now(UTC)


CHANGED = {
    "a word": (lambda lines: [lines[0].replace(b"commit", b"expected"), *lines[1:]], "line 1 was changed"),
    "a risk": (lambda lines: [lines[0], lines[1].replace(b"null", b"0.01", 1), lines[2]], "line 2 was changed"),
    "one is gone": (
        lambda lines: [lines[0], lines[2]],
        "line 2 was written after another line.*line 1 was changed, removed",
    ),
    "the first is gone": (lambda lines: lines[1:], "line 1 was written after another line"),
    "one is twice": (lambda lines: [lines[0], lines[0], *lines[1:]], "line 2 was written after another line"),
    "two have changed places": (lambda lines: [lines[1], lines[0], lines[2]], "line 1 was written after"),
    "no JSON inside": (lambda lines: [lines[0], b"chose something", lines[2]], "line 2: is no JSON"),
    "an empty line": (lambda lines: [*lines, b""], "line 4: is no JSON"),
    "another key": (lambda lines: [lines[0].replace(b'"risk"', b'"rsik"')], "line 1: is no entry of sequence, time"),
    "NaN": (lambda lines: [lines[0].replace(b"0.5", b"NaN")], "line 1: is no JSON"),
    "a risk of 2": (lambda lines: [lines[0].replace(b"0.5", b"2.0")], "line 1: its risk is 2.0"),
    "no number": (lambda lines: [lines[0].replace(b": 1,", b": true,")], "line 1: its sequence is True"),
    "another number": (lambda lines: [lines[0].replace(b": 1,", b": 7,")], "line 1: its sequence is 7, not 1"),
    "no time": (lambda lines: [lines[0].replace(b"-31T", b"-31 ")], "line 1: its time is"),
    "deep": (lambda lines: [b"[" * 100_000], "line 1: is no JSON"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_what_was_changed_inside_is_noticed(ledger, what):
    change, said = CHANGED[what]
    ledger.path.write_bytes(b"\n".join([*change(three(ledger)), b""]))
    before = ledger.path.read_bytes()
    for use in (lambda: list(ledger), lambda: ledger.spent(ONE), lambda: ledger.record(ONE, "x")):
        with pytest.raises(rh.InputError, match=f"^ledger.jsonl: .*{said}.*restore it from a copy$"):
            use()
    assert ledger.path.read_bytes() == before


def test_ends_of_lines_do_not_matter(ledger):
    three(ledger)
    entries = list(ledger)
    data = ledger.path.read_bytes()
    for other in (data.replace(b"\n", b"\r\n"), data[:-1]):
        ledger.path.write_bytes(other)
        assert list(ledger) == entries
        ledger.record(ONE, "more")
        assert list(ledger)[:3] == entries and len(list(ledger)) == 4


def test_a_line_cut_off_at_any_byte_is_said_and_never_lost(ledger):
    lines = three(ledger)
    for left in range(1, len(lines[1]) - 1):
        torn = lines[1][:left]
        ledger.path.write_bytes(lines[0] + b"\n" + torn)
        with pytest.raises(rh.InputError, match="line 2 was cut off while it was written.*record that decision again"):
            ledger.spent(ONE)
        entry = ledger.record(OTHER, "chose cvar", time=NOON)
        assert ledger.path.read_bytes().split(b"\n")[1] == torn
        assert entry.sequence == 3 and entry.previous == hashlib.sha256(torn).hexdigest()
        assert [e.sequence for e in ledger] == [1, 3] and ledger.read().cut_off == (2,)
    damaged = ledger.path.read_bytes().replace(b"\n" + torn, b"\n" + torn[:-1])
    ledger.path.write_bytes(damaged)
    with pytest.raises(rh.InputError, match="line 2: is no JSON, so it is not as it was written"):
        list(ledger)


def test_another_file_is_not_written_to(ledger):
    ledger.path.write_text("scene,option,flags")
    with pytest.raises(rh.InputError, match="line 1: is no JSON"):
        ledger.record(ONE, "x")
    assert ledger.path.read_text() == "scene,option,flags"


def test_a_write_that_fails_leaves_the_ledger(ledger, monkeypatch):
    three(ledger)
    before = ledger.path.read_bytes()
    write_whole = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write_whole(handle, data[:20]))
    with pytest.raises(rh.InputError, match="ledger.jsonl: cannot be written"):
        ledger.record(ONE, "x")
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(rh.InputError, match="Input/output error"):
        ledger.record(ONE, "x")
    assert ledger.path.read_bytes() == before


WRITER = """
import sys
import reward_hypotheses as rh
ledger = rh.Ledger(sys.argv[1])
for k in range(20):
    ledger.record("1" * 64, f"{sys.argv[2]} {k}")
"""


def test_several_processes_at_once(ledger):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, ledger.path, str(k)]) for k in range(4)]
    for _ in range(20):
        list(ledger)  # a reader never sees half a line
    assert [w.wait(60) for w in writers] == [0] * 4
    entries = list(ledger)
    assert [e.sequence for e in entries] == list(range(1, 81))
    for k in range(4):
        assert [e.decided for e in entries if e.decided.startswith(f"{k} ")] == [f"{k} {i}" for i in range(20)]


WRONG = {
    "decided: ''; say what": lambda ledger: ledger.record(ONE, ""),
    "decided: None; say what": lambda ledger: ledger.record(ONE, None),
    "risk: 1.5; give the mean risk": lambda ledger: ledger.record(ONE, "x", risk=1.5),
    "risk: nan; give": lambda ledger: ledger.record(ONE, "x", risk=float("nan")),
    "time: 'noon'; give a time with its zone": lambda ledger: ledger.record(ONE, "x", time="noon"),
    r"time: datetime.datetime\(2026": lambda ledger: ledger.record(ONE, "x", time=datetime(2026, 1, 31)),
    "time: 12; give a time": lambda ledger: ledger.record(ONE, "x", time=12),
    "time: '0001-01-01T00:00:00.09:00'; give a time of the years": lambda ledger: ledger.record(
        ONE, "x", time="0001-01-01T00:00:00+09:00"
    ),
    "table: 3 is no text": lambda ledger: ledger.record(ONE, "x", table=3),
    "study: None is no text": lambda ledger: ledger.record(ONE, "x", study=None),
    "no text that UTF-8 can hold": lambda ledger: ledger.record(ONE, "\ud800"),
    "nowhere.csv: no such file": lambda ledger: ledger.record("nowhere.csv", "x"),
    "'' is neither a SHA-256": lambda ledger: ledger.record("", "x"),
    "a int is not a table": lambda ledger: ledger.record(3, "x"),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_recorded(ledger, said):
    with pytest.raises(rh.InputError, match=f"^ledger: .*{said}"):
        WRONG[said](ledger)
    assert not ledger.path.exists()


def test_places_that_hold_no_ledger(tmp_path):
    for path, said in (
        (tmp_path, "Is a directory"),
        (tmp_path / "gone" / "ledger.jsonl", "the folder .*gone' does not exist"),
    ):
        with pytest.raises(rh.InputError, match=said):
            list(rh.Ledger(path))
    with pytest.raises(rh.InputError, match="cannot be written"):
        rh.Ledger(tmp_path / "gone" / "ledger.jsonl").record(ONE, "x")
    with pytest.raises(rh.InputError, match="a NoneType is no path"):
        rh.Ledger(None)
    with pytest.raises(rh.InputError, match="'' is no path of a file"):
        rh.Ledger("")
    for name in ("manifest.json", "results.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(rh.InputError, match="is the folder of a run, which stays as it was written"):
        rh.Ledger(tmp_path / "ledger.jsonl").record(ONE, "x")


def summary(document, full=False):
    stream = io.StringIO()
    print_summary(document, None, Console(file=stream, width=80, markup=False, highlight=False, emoji=False), full=full)
    return " ".join(stream.getvalue().split())


SAID = "Table 'test' was used to choose an agent"


def test_runs_read_the_ledger_and_never_write_it(study, tmp_path):
    absent = rh.run(study)
    assert absent["ledger"] == {"file": "ledger.jsonl", "sha256": None, "entries": 0, "cut_off": []}
    assert absent["spent"] == {"test": None} and any("does not exist" in w for w in absent["warnings"])
    assert not (tmp_path / "ledger.jsonl").exists() and SAID not in summary(absent)
    ledger = rh.Ledger(tmp_path / "ledger.jsonl")
    ledger.record(OTHER, "another test", time=NOON)
    unspent = rh.run(study)
    assert unspent["spent"] == {"test": None} and not any("ledger" in w for w in unspent["warnings"])
    assert summary(unspent).startswith("small Catastrophe risk: ")
    ledger.record(tmp_path / "test.csv", "chose commit", risk=unspent["risk"]["mean"], time=NOON)
    ledger.record(tmp_path / "test.csv", "chose again", time="2026-02-01T00:00:00Z")
    before = ledger.path.read_bytes()
    spent = rh.run(study)
    assert spent["spent"] == {"test": {"times": 2, "last": "2026-02-01T00:00:00Z", "decided": "chose again"}}
    assert spent["ledger"]["sha256"] == hashlib.sha256(before).hexdigest() and spent["ledger"]["entries"] == 3
    assert any("was used to choose an agent, 2 times, last on 2026-02-01 (chose again)" in w for w in spent["warnings"])
    differ = {"ledger", "spent", "warnings", "study"}
    assert {k: v for k, v in spent.items() if k not in differ} == {k: v for k, v in absent.items() if k not in differ}
    assert rh.run(study) == spent and ledger.path.read_bytes() == before
    assert summary(spent).startswith(
        f"small ! {SAID}, 2 times, last on 2026-02-01 (chose again): its risk is training evi"
    )
    assert "of the scenes by which an agent was chosen" in summary(spent) and "of test scenes" not in summary(spent)
    page = rh.report(spent)
    shown = html.unescape(page)
    assert shown.index(SAID) < shown.index('class="answer"') and "of test scenes are predicted" not in shown
    assert SAID not in html.unescape(rh.report(unspent))
    misfit = html.unescape(rh.report(spent | {"misfit": [f"misfit {k}" for k in range(4)]}))
    assert misfit.index(SAID) < misfit.index("isfit 0") < misfit.index('class="answer"')
    assert rh.report({k: v for k, v in unspent.items() if k not in ("ledger", "spent")}) == rh.report(unspent)
    assert "no test" not in summary(rh.run(write(tmp_path, small())))


def test_also_and_a_risk_of_zero(tmp_path):
    calm = "scene,option,red_paint,flags,slope\n" + "".join(f"{m},0,1,1,1\n{m},1,0,0,1\n" for m in range(20))
    changes = {"tables": {"training": "training.csv", "test": "test.csv", "more": "more.csv"}}
    changes["analysis"] = {"also": ["more"], "ledger": "ledger.jsonl"}
    study = write(tmp_path, small(**changes), training=TRAINING, test=TEST, more=calm)
    rh.Ledger(tmp_path / "ledger.jsonl").record(tmp_path / "more.csv", "chose commit", time=NOON)
    document = rh.run(study)
    assert document["spent"]["test"] is None and document["spent"]["more"]["times"] == 1
    text = summary(document)
    assert text.startswith("small ! Table 'more' was used to choose an agent")
    full = summary(document, full=True)
    assert (
        "none in 20 scenes by which an agent was chosen, so no upper limit follows" in full
        and "at most 13.9%" not in full
    )


def test_tables_for_a_paper_say_so(study, tmp_path):
    assert b"choose an agent" not in table_files(rh.run(study))["tables/headline.tex"]
    rh.Ledger(tmp_path / "ledger.jsonl").record(tmp_path / "test.csv", "chose {commit} & 50%", time=NOON)
    text = table_files(rh.run(study))["tables/headline.tex"].decode()
    assert "An agent was chosen by its risk on this test" in text and r"\{commit\}" in text and r"\& 50\%" in text


def test_in_the_shell(study, tmp_path):
    assert "nothing recorded yet" in shell("ledger", "show", study).stdout
    done = shell("ledger", "record", study, "--decided", "chose commit", "--time", NOON)
    assert done.returncode == 0 and done.stderr == ""
    assert "line 1 of ledger.jsonl: by results on 'test' (risk 0.500), chose commit." in done.stdout
    (entry,) = rh.Ledger(tmp_path / "ledger.jsonl")
    assert entry.risk == rh.run(study)["risk"]["mean"] and entry.study == "small" and entry.time == NOON
    shown = shell("ledger", "show", study).stdout
    assert (
        "every line verified" in shown
        and "chose commit" in shown
        and "test: spent: an agent was chosen by it once" in shown
    )
    assert shell("check", study).returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.jsonl", "study.toml", "test.csv", "training.csv"]


def run_beside(study):
    """The folder of a run in its usual place, with its results alone."""
    write_folder(study.with_suffix(""), {"results.json": json.dumps(rh.run(study)).encode()})
    return json.loads((study.with_suffix("") / "results.json").read_text())


def test_the_folder_of_a_run_is_written_as_ever(study, tmp_path):
    run_beside(study)
    assert main(["ledger", "record", str(study), "--decided", "chose commit"]) == 0
    assert main(["run", str(study)]) == 0
    assert json.loads((tmp_path / "study" / "results.json").read_text()) == rh.run(study)
    assert SAID in html.unescape((tmp_path / "study" / "report.html").read_text())
    refuse_unless_ours(tmp_path / "study")


def test_the_risk_is_that_of_the_run_beside_where_it_is_of_the_same_data(study, tmp_path, monkeypatch):
    reported = run_beside(study)["risk"]["mean"]
    monkeypatch.setattr(recording, "run_study", lambda *_, **__: pytest.fail("computed"))
    assert main(["ledger", "record", str(study), "--decided", "chose commit"]) == 0
    (entry,) = rh.Ledger(tmp_path / "ledger.jsonl")
    assert entry.risk == reported
    (tmp_path / "test.csv").write_text(TEST.replace("1.5", "1.6"))
    with pytest.raises(pytest.fail.Exception, match="computed"):
        main(["ledger", "record", str(study), "--decided", "chose commit"])


REFUSED = {
    "no ledger": ({"analysis": {}}, [], "[analysis] ledger: missing; write ledger ="),
    "no path": ({"analysis": {"ledger": 3}}, [], "[analysis] ledger: 3 is no path"),
    "empty": ({"analysis": {"ledger": " "}}, [], "[analysis] ledger: ' ' is no path"),
    "no such table": ({}, ["--table", "tset"], "--table tset: is no test of study.toml; did you mean 'test'?"),
    "training": ({}, ["--table", "training"], "--table training: is no test"),
    "no test": ({"tables": {"training": "training.csv"}}, [], "there is no test"),
    "no time": ({}, ["--time", "noon"], "time: 'noon'; give a time with its zone"),
    "no words": ({}, ["--decided", ""], "decided: ''; say what was decided"),
    "misspelt": ({"analysis": {"leger": "x"}}, [], "[analysis] leger: unknown key; did you mean 'ledger'?"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_shell_refuses(what, tmp_path, capsys):
    changes, arguments, said = REFUSED[what]
    study = write(tmp_path, small(**{"analysis": {"ledger": "ledger.jsonl"}} | changes), training=TRAINING, test=TEST)
    given = ["--decided", "x"] if "--decided" not in arguments else []
    assert main(["ledger", "record", str(study), *given, *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and said in shown.err and shown.err.count("\n") == 1
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.parametrize("command", (["run"], ["check"], ["ledger", "show"]))
def test_a_ledger_that_does_not_verify_is_refused(study, tmp_path, command, capsys):
    lines = three(rh.Ledger(tmp_path / "ledger.jsonl"))
    for data, said in (
        (b"\n".join([lines[0].replace(b"commit", b"other"), *lines[1:], b""]), "line 1 was changed"),
        (b"\n".join(lines)[:-20], "line 3 was cut off while it was written"),
    ):
        (tmp_path / "ledger.jsonl").write_bytes(data)
        assert main([*command, str(study)]) == 2
        shown = capsys.readouterr()
        assert shown.out == "" and "study.toml: [analysis] ledger: ledger.jsonl: " in shown.err and said in shown.err
        assert (tmp_path / "ledger.jsonl").read_bytes() == data
    assert main(["ledger", "record", str(study), "--decided", "chose\x1b[31m again"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    warned = rh.run(study)
    assert warned["ledger"]["cut_off"] == [3] and warned["spent"]["test"]["times"] == 1
    assert any(re.search("line 3 of the ledger .* was cut off", w) for w in warned["warnings"])
    assert main(["ledger", "show", str(study)]) == 0
    assert "3. was cut off" in (text := capsys.readouterr().out) and "\x1b" not in text
