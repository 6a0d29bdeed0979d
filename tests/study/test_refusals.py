"""Studies, paths and folders that are refused: exit 2, a clear line a problem, nothing written."""

from pathlib import Path

from bad_studies import hypothesis, snapshot
from studies import shell

from reward_hypotheses.cli.main import main


def test_good_study_is_not_refused(folder):
    assert main(["check", str(folder / "study.toml")]) == 0


def test_missing_study(tmp_path, folder):
    done = shell("run", folder / "sutdy.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no such file; did you mean 'study.toml'?" in done.stderr
    assert shell("run", folder).stderr.endswith("is a folder; give the path of a study file (TOML)\n")


def test_out_that_cannot_be_written(folder):
    (folder / "file").write_text("x")
    for out, words in (
        (folder / "file", "is a file; give a folder"),
        (folder / "file" / "inside", "is a file, so no folder can be made in it"),
    ):
        done = shell("run", folder / "study.toml", "--out", out)
        assert (done.returncode, done.stdout) == (2, ""), done
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_out_of_somebody_else(folder):
    mine = folder / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    done = shell("run", folder / "study.toml", "--out", mine)
    assert done.returncode == 2
    assert "holds 'thesis.txt' and no manifest.json" in done.stderr
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]


def test_out_that_somebody_changed(folder, capsys):
    out = folder / "report"
    again = ["run", str(folder / "study.toml"), "--out", str(out)]
    assert main(again) == 0
    assert main(again) == 0  # our own is replaced
    before = snapshot(out)
    (out / "note.txt").write_text("mine")
    assert main(again) == 2
    assert "holds 'note.txt', which no run wrote" in capsys.readouterr().err
    (out / "note.txt").unlink()
    assert snapshot(out) == before
    text = (out / "tables" / "weights.csv").read_text()
    (out / "tables" / "weights.csv").write_text(text + "\n")
    assert main(again) == 2
    assert "'tables/weights.csv' was changed" in capsys.readouterr().err
    (out / "tables" / "weights.csv").unlink()
    assert main(again) == 2
    assert "'tables/weights.csv', which its manifest.json lists, is gone" in capsys.readouterr().err
    (out / "tables" / "weights.csv").write_text(text)
    for make, name in (
        (lambda: (out / "mine").mkdir(), "mine"),
        (lambda: (out / "tables" / "link").symlink_to("/tmp"), "tables/link"),
    ):
        make()
        assert main(again) == 2
        assert f"holds '{name}', which no run wrote" in capsys.readouterr().err
        path = out / name
        path.unlink() if path.is_symlink() else path.rmdir()
    assert main(again) == 0
    assert not [p for p in folder.iterdir() if p.name.endswith(".partial")]


def test_nothing_of_a_study_is_executed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for text in ("__import__('os').system('touch pwned')", "exec(\"open('pwned','w')\")", "`__class__`"):
        hypothesis(text)(folder)
        assert main(["run", "study.toml", "--json"]) == 2
    assert not Path("pwned").exists()
