"""Comparing runs by their folders and results documents, in the shell, and what is refused."""

import json

import pytest
from comparisons import EVERYTHING, SKEWED, THIRD, VALUES, at, check, pair, what
from studies import TEST, shell, small, toml_text

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.layout.output_folder import write_folder
from reward_hypotheses.cli.main import main
from reward_hypotheses.study.compare import comparison_text


def saved(path):
    """The folder of a run beside its study, with its results alone."""
    folder = path.with_suffix("")
    write_folder(folder, {"results.json": json.dumps(rh.run(path)).encode()})
    return folder


def test_folders_of_runs(tmp_path):
    paths, held = pair(tmp_path, EVERYTHING, SKEWED, THIRD)
    from_studies = rh.compare(*paths)
    folders = [saved(path) for path in paths]
    for given in (folders, [folder / "results.json" for folder in folders], [paths[0], folders[1]]):
        found = rh.compare(*given)
        check(found)
        assert {k: v for k, v in found.items() if k not in "ab"} == {
            k: v for k, v in from_studies.items() if k not in "ab"
        }
    assert found["b"]["from"] == str(folders[1])


@pytest.mark.parametrize("how", ["gone", "changed", "data", "wrong", "risk", "documents"])
def test_folders_whose_studies_cannot_be_read(tmp_path, how):
    paths, _ = pair(tmp_path, {"values": VALUES}, test=THIRD)
    folders = [saved(path) for path in paths]
    documents = [json.loads((folder / "results.json").read_text()) for folder in folders]
    total = documents[1]["risk"]["mean"] - documents[0]["risk"]["mean"]
    given, said = folders, ""
    if how == "gone":
        paths[1].unlink()
        said = "its study 'study.toml' is not beside its folder"
    elif how == "changed":
        paths[1].write_text(paths[1].read_text() + "# more\n")
        said = "or its data, changed since"
    elif how == "data":
        (tmp_path / "b" / "test.csv").write_text(TEST)
        said = "or its data, changed since"
    elif how == "wrong":
        (tmp_path / "b" / "test.csv").unlink()
        said = "cannot be run now (study.toml: [tables] test: test.csv: no such file"
    elif how == "risk":
        documents[1]["risk"]["mean"] += 0.01
        total += 0.01
        write_folder(folders[1], {"results.json": json.dumps(documents[1]).encode()})
        said = "gives another risk with this version"
    else:
        given, said = documents, "a results document does not say where its study is"
    found = rh.compare(*given)
    assert found["steps"] is None and found["total"] == pytest.approx(total, abs=1e-15)
    assert len(found["changes"]) == 4 + 1 and said in found["notes"][0] and "only the total effect" in found["notes"][0]
    assert "Effect of all on the risk: " in comparison_text(found)


def test_without_a_test_there_are_changes_alone(tmp_path):
    paths, _ = pair(tmp_path, {"tables": {"training": "training.csv"}, "values": VALUES})
    found = rh.compare(*paths)
    assert found["total"] is None and found["steps"] is None and found["b"]["risk"] is None
    assert "has no test, so there is no risk to compare" in found["notes"][0]
    assert what(found, "test")[""][1] is None and "no test" in comparison_text(found)


def test_a_test_that_is_spent_is_said(tmp_path):
    paths, _ = pair(tmp_path, {"values": VALUES, "analysis": {"ledger": "ledger.jsonl"}})
    rh.Ledger(tmp_path / "b" / "ledger.jsonl").record(tmp_path / "b" / "test.csv", "chose commit")
    found = rh.compare(*paths)
    assert [n for n in found["notes"] if "training evidence, not a test" in n] == [
        f"the test of {paths[1]} was used to choose an agent: its risk is training evidence, not a test"
    ]
    assert "what is asked" not in {c["part"] for c in found["changes"]}


def test_in_the_shell(tmp_path):
    paths, _ = pair(tmp_path, {"values": VALUES, "title": "b\x1b[31m".replace("\x1b", "") + "é"})
    done = shell("compare", *paths)
    assert done.returncode == 0 and "1. values" in done.stdout and "in all" in done.stdout
    as_json = shell("compare", *paths, "--json")
    assert as_json.returncode == 0
    progress = [*done.stderr.splitlines(), *as_json.stderr.splitlines()]  # where a machine takes long
    assert all(line.startswith("[") for line in progress)
    assert json.loads(as_json.stdout) == json.loads(json.dumps(rh.compare(*map(str, paths))))
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["study.toml", "test.csv", "training.csv"]


def test_numbers_that_cannot_be_trusted(tmp_path, monkeypatch, capsys):
    from reward_hypotheses.study import compare as comparison

    paths, _ = pair(tmp_path, {"values": VALUES})

    def untrusted(*_, **__):
        raise rh.NotTrustedError(["R-hat is 2"])

    monkeypatch.setattr(comparison, "run_study", untrusted)
    assert main(["compare", *map(str, paths)]) == 3
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"{paths[0]}: R-hat is 2\n"


def test_an_intermediate_study_that_cannot_be_trusted_is_merged(tmp_path, monkeypatch):
    from reward_hypotheses.study import compare as comparison

    def untrusted(_):
        raise rh.NotTrustedError(["R-hat is 2"])

    paths, _ = pair(tmp_path, {"values": VALUES}, test=THIRD)
    monkeypatch.setattr(comparison, "mean_risk", untrusted)
    found = rh.compare(*paths)
    check(found)
    (step,) = found["steps"]
    assert step["parts"] == ["values", "test"] and step["why"] == "values alone: R-hat is 2"


def results(tmp_path, change):
    folder = tmp_path / "run"
    folder.mkdir()
    document = json.loads(json.dumps(rh.run(at(tmp_path / "of", small()))))
    (folder / "results.json").write_text(change(document))
    return folder


def less(*keys):
    return lambda document: json.dumps({k: v for k, v in document.items() if k not in keys})


def changed(**changes):
    return lambda document: json.dumps(document | changes)


WRONG_RESULTS = {
    "no JSON": (lambda _: "{", "its results are not JSON; give the folder of a run"),
    "deep": (lambda _: "[" * 100_000, "its results are not JSON"),
    "a list": (lambda _: "[]", "not a results document; give"),
    "no risk": (less("risk"), "not a results document; give"),
    "another version": (changed(schema_version=2), "2 is no schema_version of results that this version knows"),
    "no study": (changed(study=None), "not a whole results document (TypeError"),
    "a study of no TOML": (
        changed(study={"file": "x", "text": "= 3"}),
        "not a whole results document (TOMLDecodeError",
    ),
    "a study of something else": (
        changed(study={"file": "x", "text": "a = 3"}),
        "not a whole results document (KeyError",
    ),
    "no digests": (changed(data_sha256={}), "not a whole results document (KeyError"),
    "no values": (less("values"), "not a whole results document (KeyError: 'values')"),
    "a risk of 2": (changed(risk={"mean": 2, "lower": 0, "upper": 1}), "not a whole results document; run its study"),
    "a risk without ends": (changed(risk={"mean": 0.5}), "not a whole results document; run its study"),
    "a risk of text": (changed(risk={"mean": "much", "lower": 0, "upper": 1}), "not a whole results document; run"),
    "ends of text": (changed(risk={"mean": 0.5, "lower": "x", "upper": 1}), "not a whole results document; run"),
    "NaN": (changed(risk={"mean": float("nan"), "lower": 0, "upper": 1}), "its results are not JSON"),
    "a date": (
        lambda d: json.dumps(
            d
            | {
                "study": d["study"]
                | {"text": d["study"]["text"].replace('"fail_utility" = 0', '"fail_utility" = 2026-01-31')}
            }
        ),
        "not a whole results document (TypeError",
    ),
    "spent of something": (changed(spent=[1]), "not a whole results document; run its study again"),
}


@pytest.mark.parametrize("how", WRONG_RESULTS)
def test_results_that_are_none(tmp_path, how, capsys):
    change, said = WRONG_RESULTS[how]
    folder = results(tmp_path, change)
    assert main(["compare", str(tmp_path / "of" / "study.toml"), str(folder)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"{folder}: ") and said in shown.err and shown.err.count("\n") == 1


def test_inputs_that_are_none(tmp_path):
    study = at(tmp_path / "a", small())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "study.toml").write_text(toml_text(small(catastrophe=None)))
    for given, said in (
        (tmp_path / "none.toml", "none.toml: no such file"),
        (
            tmp_path / "none.json",
            "none.json: no such file; give the path of a run's results.json, its folder, or a study file",
        ),
        (tmp_path / "a", "holds no results.json, so no run wrote it; give the folder of a run, or a study file"),
        (tmp_path / "a" / "test.csv", "not TOML"),
        (tmp_path / "b" / "study.toml", r"b/study.toml: \[catastrophe\]: the section is missing"),
        (3, "a int is no path; give the path of a run's folder or a study file"),
        (None, "a NoneType is no path"),
        ({}, "^b: not a results document"),
    ):
        with pytest.raises(rh.InputError, match=said):
            rh.compare(study, given)
    with pytest.raises(rh.InputError) as error:
        rh.compare(tmp_path / "x.toml", tmp_path / "b" / "study.toml")
    assert len(error.value.problems) == 1 + 3


def test_a_declared_support_is_asked_about_and_moves_no_risk(tmp_path):
    def declared(slopes):
        support = {"combinations": {"red_paint": [False, True], "flags": [False, True], "slope": slopes}}
        return {"tables": small()["tables"] | {"support": support}, "analysis": {"support": "support"}}

    paths, held = pair(tmp_path, declared([0, 3]) | {"values": VALUES}, base=small(**declared([0, 2])))
    found = rh.compare(*paths)
    digests = [rh.run(path)["data_sha256"]["support"] for path in paths]
    assert what(found, "what is asked") == {"support": tuple(digests)} and digests[0] != digests[1]
    assert [s["parts"] for s in found["steps"]] == [["values"]]
    check(found, held, tmp_path)
