"""Two runs side by side: what changed, and effects that add up, each step against the study file that says the same."""

import copy
import json
from fractions import Fraction

import pytest
from pages import ROOT
from studies import TEST, TRAINING, shell, small, toml_text, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.output_folder import write_folder
from reward_hypotheses.cli.main import main
from reward_hypotheses.study.combine import PARTS
from reward_hypotheses.study.compare import comparison_text

THIRD = "scene,option,red_paint,flags,slope\n" + "".join(
    f"{m},0,1,{m % 2},0.5\n{m},1,0,1,{m / 4}\n{m},2,0,0,2.5\n" for m in range(9)
)
SKEWED = "red_paint,flags,slope,is_pad\n" + "1,1,0.5,1\n0,0,2.5,0\n1,0,1,0\n" * 4
SECTIONS = {
    "hypotheses": ("hypotheses",),
    "failure line": ("catastrophe",),
    "data and feedback": ("feedback", "training"),
    "values": ("values",),
    "agent": ("agent",),
    "test": ("test",),
    "fit": ("seed", "fit"),
}
"""Which sections and tables of a study file each part is, with tables under the names of `small`."""


def at(folder, study, training=TRAINING, test=TEST):
    folder.mkdir()
    return write(folder, study, training=training, test=test)


def pair(tmp_path, change, training=TRAINING, test=TEST, base=None):
    """Two studies that differ: (paths, contents with their tables)."""
    base = small() if base is None else base
    other = copy.deepcopy(base) | change
    held = [base | {"training": TRAINING, "test": TEST}, other | {"training": training, "test": test}]
    return (at(tmp_path / "a", base), at(tmp_path / "b", other, training, test)), held


def by_hand(folder, held, of_b):
    """The risk of the study file that has these parts of the second study, written out and run."""
    a, b = held
    mixed = dict(a)
    for part in of_b:
        for section in SECTIONS[part]:
            if section in b:
                mixed[section] = b[section]
            else:
                mixed.pop(section, None)
    tables = {name: mixed.pop(name) for name in ("training", "test")}
    folder.mkdir()
    return rh.run(write(folder, mixed, **tables))["risk"]["mean"]


def check(found, held=None, folder=None):
    """The identity: steps follow on one another from the first risk to the second, and their effects add up."""
    a, b = found["a"]["risk"]["mean"], found["b"]["risk"]["mean"]
    steps = found["steps"]
    assert found["total"] == b - a
    if not steps:
        assert found["total"] == 0
        return
    assert steps[0]["before"] == a and steps[-1]["after"] == b
    assert all(s["after"] == t["before"] for s, t in zip(steps, steps[1:], strict=False))
    assert all(s["effect"] == s["after"] - s["before"] for s in steps)
    assert sum(Fraction(s["after"]) - Fraction(s["before"]) for s in steps) == Fraction(b) - Fraction(a)
    assert sum(s["effect"] for s in steps) == pytest.approx(found["total"], abs=1e-15 * len(steps))
    parts = [part for s in steps for part in s["parts"]]
    assert set(parts) == {c["part"] for c in found["changes"]} & set(PARTS) and len(parts) == len(set(parts))
    firsts = [PARTS.index(s["parts"][0]) for s in steps]
    assert firsts == sorted(firsts) and found["order"] == list(PARTS)
    if held is not None:
        for k, step in enumerate(steps):
            so_far = [part for s in steps[: k + 1] for part in s["parts"]]
            assert step["after"] == pytest.approx(by_hand(folder / f"{k}", held, so_far), abs=1e-14)


VALUES = {"weights": {"flags": 3, "red paint": 2}, "source": "another test", "strength": 5}
LABELS = {"kind": "labels", "table": "training", "column": "is_pad", "noise": [2, 8]}
EVERYTHING = {
    "hypotheses": {"red paint": "where(red_paint, 10, -1)", "flags": "where(flags & (slope < 1), 1, -30)"},
    "catastrophe": {"fail_utility": {"flags": -20, "red paint": "5 - 10"}},
    "feedback": [LABELS],
    "values": VALUES,
    "agent": {"policy": {"name": "boltzmann", "beta": 2}, "prior": "values", "fail_utility": -3},
    "seed": 2,
}


@pytest.mark.parametrize("part", [*SECTIONS, "everything"])
def test_one_part_or_all_of_them(tmp_path, part):
    names = SECTIONS if part == "everything" else [part]
    change = {s: EVERYTHING[s] for name in names for s in SECTIONS[name] if s in EVERYTHING}
    tables = {"training": SKEWED} if "data and feedback" in names else {}
    tables |= {"test": THIRD} if "test" in names else {}
    paths, held = pair(tmp_path, change, **tables)
    found = rh.compare(*paths)
    check(found, held, tmp_path)
    assert [s["parts"] for s in found["steps"]] == [[name] for name in names]
    assert all(s["why"] is None for s in found["steps"])
    assert found["a"]["risk"]["mean"] == rh.run(paths[0])["risk"]["mean"]
    back = rh.compare(*paths[::-1])
    check(back, held[::-1], tmp_path / "a")
    assert back["total"] == -found["total"] and ("order" in str(back["notes"])) == (len(names) > 1)


MORE = {
    "hypotheses": {**small()["hypotheses"], "both": "where(red_paint & flags, 100, -100)"},
    "values": {"weights": {"flags": 8, "red paint": 1, "both": 4}, "source": "a test", "strength": 20},
}


def test_parts_that_do_not_go_apart_are_one_step(tmp_path):
    change = MORE | {"agent": {"policy": "most_probable", "prior": "uniform"}}
    paths, held = pair(tmp_path, change, test=THIRD)
    found = rh.compare(*paths)
    check(found, held, tmp_path)
    assert [s["parts"] for s in found["steps"]] == [["hypotheses", "values"], ["agent"], ["test"]]
    assert "hypotheses alone: " in found["steps"][0]["why"] and "'both' has no weight" in found["steps"][0]["why"]
    assert "one step, for they do not go apart (hypotheses alone:" in " ".join(comparison_text(found).split())
    check(rh.compare(*paths[::-1]), held[::-1], tmp_path / "a")


def test_three_parts_in_one_step_and_one_between(tmp_path):
    base = small(catastrophe={"fail_utility": {"flags": 0, "red paint": -5}})
    change = MORE | {
        "catastrophe": {"fail_utility": {"flags": 0, "red paint": -5, "both": 3}},
        "feedback": [LABELS],
        "seed": 9,
    }
    paths, held = pair(tmp_path, change, base=base)
    found = rh.compare(*paths)
    check(found, held, tmp_path)
    expected = [["hypotheses", "failure line", "values"], ["data and feedback"], ["fit"]]
    assert [s["parts"] for s in found["steps"]] == expected


def test_a_hypothesis_on_a_column_that_only_the_new_tables_have(tmp_path):
    change = {"hypotheses": small()["hypotheses"] | {"flags": "where(flags & level, 100, -100)"}}
    wide = [text.replace("slope", "level", 1).replace("0.5", "1").replace("2.5", "0") for text in (TRAINING, TEST)]
    wide = [text.replace(",1.5", ",0") for text in wide]
    paths, held = pair(tmp_path, change, *wide)
    found = rh.compare(*paths)
    check(found, held, tmp_path)
    (step,) = found["steps"]
    assert step["parts"] == ["hypotheses", "data and feedback", "test"] and "level" in step["why"]


def test_an_intermediate_study_whose_data_are_impossible(tmp_path):
    exact = LABELS | {"noise": 0}
    opposite = TRAINING.replace(",1\n", ",x\n").replace(",0\n", ",1\n").replace(",x\n", ",0\n")
    base = small(feedback=[exact])
    change = {"hypotheses": {n: f"-({r})" for n, r in base["hypotheses"].items()}}
    paths, held = pair(tmp_path, change, opposite, base=base)
    found = rh.compare(*paths)
    check(found, held, tmp_path)
    assert found["steps"][0]["parts"] == ["hypotheses", "data and feedback"]
    assert "impossible" in found["steps"][0]["why"]


def test_effects_depend_on_the_order(tmp_path):
    """Values move nothing while the agent and the judge agree on the test; so what comes later is given what both do."""
    paths, held = pair(tmp_path, {"values": VALUES, "agent": {"policy": "most_probable", "prior": "values"}})
    found = rh.compare(*paths)
    alone = [by_hand(tmp_path / part, held, [part]) for part in ("values", "agent")]
    a = found["a"]["risk"]["mean"]
    assert found["steps"][0]["after"] == pytest.approx(alone[0], abs=1e-14)
    assert abs(found["steps"][1]["effect"] - (alone[1] - a)) > 0.01
    assert any("depend on the order" in note for note in found["notes"])


@pytest.mark.parametrize("name", ["mixed", "travel"])
def test_studies_of_many_kinds_of_feedback(tmp_path, name):
    study = ROOT / "data" / "examples" / name / "study.toml"
    other = tmp_path / name
    other.mkdir()
    for path in study.parent.iterdir():
        if path.is_file() and path.suffix != ".py":
            (other / path.name).write_bytes(path.read_bytes())
    text = study.read_text()
    agent = '[agent]\npolicy = "most_probable"\nprior = "simplicity"\n'
    start = text.index("[agent]")
    end = text.index("\n[", start + 1)
    (other / "study.toml").write_text(text[:start] + agent + text[end:])
    found = rh.compare(study, other / "study.toml")
    check(found)
    assert [s["parts"] for s in found["steps"]] == [["agent"]]


def test_an_agent_that_is_read_and_has_hypotheses_of_its_own(tmp_path):
    base = small(tables={"training": "training.csv", "test": "test.csv", "probes": "test.csv"})
    agent = {
        "prior": "uniform",
        "hypotheses": {"level": "where(slope < 1, 100, -100)"},
        "feedback": [{"kind": "stops", "table": "probes", "column": "flags"}],
    }
    paths, _ = pair(tmp_path, {"agent": agent, "values": VALUES}, base=base)
    found = rh.compare(*paths)
    check(found)
    assert [s["parts"] for s in found["steps"]] == [["values"], ["agent"]]
    only_values = copy.deepcopy(base) | {"values": VALUES}
    assert found["steps"][0]["after"] == rh.run(at(tmp_path / "v", only_values))["risk"]["mean"]
    check(rh.compare(*paths[::-1]))


def what(found, part):
    return {c["what"]: (c["before"], c["after"]) for c in found["changes"] if c["part"] == part}


def test_what_changed(tmp_path):
    change = EVERYTHING | {"title": "other", "analysis": {"prob": 0.9}}
    paths, _ = pair(tmp_path, change, SKEWED, THIRD)
    found = rh.compare(*paths)
    digests = [rh.run(path)["data_sha256"] for path in paths]
    assert what(found, "values") == {
        "weights flags": (8, 3),
        "weights red paint": (1, 2),
        "source": ("a test", "another test"),
        "strength": (20, 5),
    }
    assert what(found, "test") == {"": (digests[0]["test"], digests[1]["test"])}
    assert what(found, "data and feedback") == {
        "labels data of its table": (digests[0]["training"], digests[1]["training"]),
        "labels settings noise": ([1, 19], [2, 8]),
    }
    assert what(found, "failure line") == {"": (0, {"flags": -20, "red paint": "5 - 10"})}
    assert what(found, "agent") == {
        "policy name": ("commit", "boltzmann"),
        "policy beta": (None, 2),
        "prior name": ("uniform", "values"),
        "fail_utility": (None, -3),
    }
    assert what(found, "title") == {"": ("small", "other")} and what(found, "what is asked") == {"prob": (None, 0.9)}
    assert what(found, "fit") == {"seed": (1, 2)}
    text = comparison_text(found)
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert digests[0]["test"][:12] in text and "weights flags: 8 -> 3" in text


SAID_OTHERWISE = {
    "the agent's defaults": {"agent": {"policy": {"name": "commit", "abstain": False}, "prior": "uniform"}},
    "the line by name": {"catastrophe": {"fail_utility": {"flags": 0, "red paint": 0.0}}},
    "defaults of the fit": {"fit": {"method": "auto", "chains": 4}},
    "another name of a table": {
        "tables": {"labelled": "training.csv", "test": "test.csv"},
        "feedback": [small()["feedback"][0] | {"table": "labelled", "missing": "error"}],
    },
}


@pytest.mark.parametrize("how", SAID_OTHERWISE)
def test_the_same_said_otherwise_is_no_change(tmp_path, how):
    paths, _ = pair(tmp_path, SAID_OTHERWISE[how])
    found = rh.compare(*paths)
    assert found["changes"] == [] and found["steps"] == [] and found["total"] == 0 and found["notes"] == []
    assert "Nothing changed." in comparison_text(found)


def test_the_order_of_hypotheses_and_of_keys(tmp_path):
    turned = dict(reversed(small()["hypotheses"].items()))
    paths, held = pair(tmp_path, {"hypotheses": turned})
    found = rh.compare(*paths)
    assert what(found, "hypotheses") == {"their order": (["red paint", "flags"], ["flags", "red paint"])}
    check(found, held, tmp_path)


def test_columns_that_are_read_as_comparisons_are_other_data(tmp_path):
    table = "left_flags,right_flags,left_red_paint,right_red_paint,chosen\n1,0,0,1,left\n0,1,0,1,right\n1,1,1,0,left\n"
    base = small(
        tables={"training": {"path": "training.csv", "comparisons": True}, "test": "test.csv"},
        feedback=[{"kind": "choices", "table": "training", "column": "chosen"}],
    )
    held = [base, base | {"values": VALUES}]
    paths = [at(tmp_path / k, one, table) for k, one in zip("ab", held, strict=True)]
    check(found := rh.compare(*paths))
    assert [s["parts"] for s in found["steps"]] == [["values"]]


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

    monkeypatch.setattr(comparison, "answer", untrusted)
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
