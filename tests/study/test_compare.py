"""Two studies side by side: what changed, and effects that add up, each step against the study file that says the same."""

import copy

import pytest
from comparisons import EVERYTHING, LABELS, SECTIONS, SKEWED, THIRD, VALUES, at, by_hand, check, pair, what
from pages import ROOT
from studies import TEST, TRAINING, small

import reward_hypotheses as rh
from reward_hypotheses.study.compare import comparison_text


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
