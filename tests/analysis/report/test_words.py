"""What is said of the results holds for every study: sentences against the numbers they are about."""

import json
import math
import os

import numpy as np
import pytest
from reports import point
from studies import TEST, TRAINING, shell, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.phrases import percent
from reward_hypotheses.analysis.report.sections.agents import present as present_agent
from reward_hypotheses.analysis.report.sections.asymptotics_and_sample_size import (
    _about_bits,
    endless,
    more_training,
    takes_best,
)
from reward_hypotheses.analysis.report.sections.evidence import evidence
from reward_hypotheses.analysis.report.sections.risk.answer import risk_sentence
from reward_hypotheses.analysis.report.sections.risk.decomposition import what_stays
from reward_hypotheses.analysis.report.sections.sensitivity import bits
from reward_hypotheses.analysis.report.sections.shift import shift
from reward_hypotheses.analysis.report.sections.value_sources import how_sure
from reward_hypotheses.analysis.report.sentences.expected_items import _odds, hardest, more_data
from reward_hypotheses.analysis.sensitivity.value_bits_by_sample_size import _parts
from reward_hypotheses.cli.main import main

HYPOTHESES = {"red": "where(red, 1, -1)", "flags": "where(flags, 1, -1)"}


def csv(header, rows):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def answered(folder, training, test, hypotheses=HYPOTHESES, **changes):
    values = {"weights": dict.fromkeys(hypotheses, 1), "source": "a test", "strength": 10}
    feedback = [{"kind": "labels", "table": "training", "column": "good", "noise": [1, 19]}]
    study = small(hypotheses=hypotheses, values=values, feedback=feedback) | changes
    return rh.run(write(folder, study, training=training, test=test))


SILENT = csv("red,flags,level,good", [(1, 1, i % 2, 1) if i % 3 else (0, 0, 1, 0) for i in range(30)])
PARTED = csv("scene,option,red,flags,level", [(m, o, o, 1 - o, 0) for m in range(10) for o in (0, 1)])
ALIKE = csv("scene,option,red,flags,level", [(m, o, o, o, 1) for m in range(10) for o in (0, 1)])


def test_draws_that_cannot_be_told_enough_do_not_speak_for_all(tmp_path):
    """Under 'level' no scene of the test has a good option, so a draw whose truth it is needs infinitely many bits."""
    document = answered(tmp_path, SILENT, PARTED, HYPOTHESES | {"level": "where(level, 1, -1)"})
    curve, bits = document["bits_by_size"], document["value_bits"]["0.01"]
    assert bits == pytest.approx(0.919, abs=1e-3)
    assert 0.1 < curve["telling"]["impossible"][-1] < 0.7 and curve["training"]["impossible"][-1] == 0
    assert curve["training"]["impossible"][0] == 1 and curve["training"]["mean"][0] is None
    assert curve["telling"]["mean"][-1] < 0.1 and curve["training"]["mean"][-1] == pytest.approx(bits)
    assert "0.92 bits" in point("bits_by_size", document)[0]
    assert "left out of the mean" in " ".join(_about_bits(document))


def test_no_amount_is_said_where_it_is_so(tmp_path):
    nowhere = csv("scene,option,red,flags,level", [(m, o, 0, 0, 1) for m in range(5) for o in (0, 1)])
    document = answered(tmp_path, SILENT, nowhere)
    assert document["value_bits"]["0.01"] is None
    assert point("bits_by_size", document)[0].startswith("No amount of information")


def test_a_curve_that_still_falls_is_not_said_to_stop(tmp_path):
    training = csv("red,flags,good", [(1, 0, 1) if i == 7 else (i % 2, i % 2, i % 2) for i in range(15)])
    document = answered(tmp_path, training, PARTED)
    assert document["silent_pairs"] == []
    assert "stops helping" not in point("bits_by_size", document)[0]
    assert "After 15 training items" in point("bits_by_size", document)[0]


def test_bits_are_said_of_somebody(tmp_path):
    """This agent's first, and those of one of uniform prior where they are others."""
    odd = {"policy": "commit", "prior": {"name": "simplicity", "language": {"name": "mine", "costs": {"flags": 3}}}}
    found = answered(tmp_path, SILENT, PARTED, agent=odd)
    own, uniform = found["value_bits_of_agent"]["0.01"], found["value_bits"]["0.01"]
    assert abs(own - uniform) > 0.01
    assert f"an agent with a uniform prior still needs {uniform:.2f} bits" in point("bits_by_size", found)[0]
    needed = bits(found)
    assert needed[0].startswith("This agent needs") and f"{own:.3g} bits for 1%" in needed[0]
    assert needed[1].startswith("An agent of uniform prior needs") and f"{uniform:.3g} bits for 1%" in needed[1]
    same = answered(tmp_path, SILENT, PARTED, agent={"policy": "commit", "prior": "uniform"})
    assert len(bits(same)) == 1


@pytest.mark.parametrize(
    "values, said",
    [
        ({"strength": 20}, "prior strength equivalent to 20 judgements"),
        ({"strength": 1}, "prior strength equivalent to 1 judgement"),
        (
            {"judges": [{"strength": 5}, {"strength": 2.5}, {}]},
            "prior strength equivalent to 2.5 to 5 judgements (by judge, where stated)",
        ),
        ({"judges": [{"strength": 5}, {"strength": 5}]}, "prior strength equivalent to 5 judgements (by judge)"),
        ({"judgements": {"answers": [{}, {}, {}]}}, "prior inferred from 3 judgements"),
        ({"prior": "uniform"}, "no prior strength stated"),
    ],
)
def test_how_sure_values_are_is_said_in_judgements(values, said):
    assert how_sure(values) == said


def telling(needed, classes, pairs):
    return {
        "sizes": [1, 1000],
        "classes": classes,
        "pairs": [{"truth": t, "other": o, "items": {"20.0": n}} for (t, o), n in zip(pairs, needed, strict=True)],
    }


def expected_items(document, least):
    expected = hardest(document, least)
    return expected.sentence(document) if expected else ""


def test_items_that_tell_are_those_of_the_feedback_that_tells_soonest_and_the_pair_that_is_hardest():
    both = [("a", "b"), ("b", "a"), ("a", "c")]
    document = {
        "weights": {"a": 0.6, "b": 0.3, "c": 0.1, "d": 0.0},
        "agent_weights": {"a": 0.1, "b": 0.3, "c": 0.6},
        "telling": {
            "labels": telling([7, 900, None], [["a", "d"], ["b"], ["c"]], both),
            "choices": telling([50, 900, 30], [["a", "d"], ["b"], ["c"]], both),
            "proxy": None,
        },
        "n_items": {"labels": 4, "choices": 12, "proxy": 1},
        "pairs": [],
    }
    said = expected_items(document, 0.01)
    assert said == (
        "About 30 training items of 'choices' in total are expected to favour 'a' over 'c' at 20 to 1, if 'a' is true. Training has "
        "12 items."
    )
    alone = document | {"telling": {"labels": document["telling"]["labels"]}, "n_items": {"labels": 4}}
    assert expected_items(alone, 0.01).startswith(
        "More than 1,000 training items are expected to be needed to favour 'a' over"
    )
    few = alone | {"agent_weights": {"a": 0.7, "b": 0.3, "c": 0.0}, "weights": {"a": 0.6, "b": 0.4, "c": 0.0, "d": 0.0}}
    against = few | {"pairs": [{"pair": ["b", "a"], "log_bayes_factor": np.log(3)}]}
    assert expected_items(few, 0.01).startswith(
        "About 7 training items in total are expected to favour 'a' over 'b' at 20"
    )
    assert expected_items(few, 0.01).endswith("Training has 4 items.")
    assert expected_items(against, 0.01).endswith("Training has 4 items, which favour 'b' at 3 to 1.")
    neither = few | {"pairs": [{"pair": ["b", "a"], "log_bayes_factor": np.log(3), "mcse": 0.6}]}
    assert expected_items(neither, 0.01).endswith("Training has 4 items, which favour neither.")
    agreed = few | {"pairs": [{"pair": ["b", "a"], "log_bayes_factor": -np.log(3)}]}
    assert expected_items(agreed, 0.01).endswith("Training has 4 items, which favour 'a' at 3 to 1.")
    enough = agreed | {"n_items": {"labels": 8}}
    assert expected_items(enough, 0.01).endswith("This is less than expected: people may follow neither.")
    assert expected_items(few | {"telling": {"proxy": None}}, 0.01) == ""
    assert (
        expected_items(few | {"weights": dict.fromkeys("bcd", 0.0) | {"a": 1.0}, "agent_weights": {"a": 1.0}}, 0.01)
        == ""
    )
    settled = few | {"weights": {"a": 0.9, "b": 0.1, "c": 0.0, "d": 0.0}}
    assert more_data(settled)[0].startswith("About 7 training items in total are expected to favour 'a' over 'b'")
    crowd = settled | {"weights": {"a": 0.4, "b": 0.3, "c": 0.3, "d": 0.0}}
    assert [len(more_data(document)) for document in (settled, crowd)] == [2, 3]
    assert more_data(crowd)[-1] == "The table has 1 more unsettled pair for 'labels'."


def test_a_part_of_the_risk_that_would_grow_says_why():
    parts = {"agent": "a", "truth": "b", "silent": True, "risk": 0.12}

    def said(left, error=0.0):
        document = {"mcse": {"risk_parts": {"pairs": [{"risk": 0.0, "left": error}]}}}
        return what_stays(document | {"risk_parts": {"pairs": [parts | {"left": left}]}}, "a", "b")

    assert said(0.13).endswith("would raise this part to 13.0%, because it rules out other hypotheses.")
    assert said(0.1).endswith("would lower this part to 10.0%.")
    assert said(0.1201).endswith("more data changes nothing.") and said(0.13, 0.006) == said(0.1201)
    assert what_stays({"risk_parts": None}, "a", "b") == ""


def test_what_is_left_without_silence_is_not_blamed_on_it(tmp_path):
    telling = csv("red,flags,good", [(i % 2, i % 3 == 0, i % 2) for i in range(60)])
    telling = telling.replace("True", "1").replace("False", "0")
    agent = {"policy": {"name": "boltzmann", "beta": 1}}
    document = answered(tmp_path, telling, PARTED, agent=agent)
    risk = document["risk"]
    assert not takes_best(document)
    assert risk["limit"] > 0.05 and risk["limit_silent"] == 0
    assert "cannot separate" not in endless(risk, False) and "may still take a worse option" in endless(risk, False)
    assert "even the best option in some scenes is worse than failing" in endless(risk)
    assert takes_best(answered(tmp_path, telling, PARTED))
    both = answered(tmp_path, SILENT, PARTED, agent=agent)["risk"]
    assert 0.1 < both["limit_silent"] < both["limit"] - 0.05
    because = "remains because training cannot separate hypotheses that differ on the test. The other"
    assert because in endless(both)
    pure = answered(tmp_path, SILENT, PARTED)["risk"]
    assert pure["limit_silent"] == pytest.approx(pure["limit"]) == pytest.approx(0.5)


def test_endless_training_that_helps_hurts_or_leaves_nothing():
    base = {"mean": 0.2, "limit": 0.0, "limit_silent": 0.0}
    of_kind = "Unlimited training data of this kind would"
    assert endless(base) == f"{of_kind} lower the risk from 20.0% to 0%."
    assert endless(base | {"limit": 0.3, "limit_silent": 0.3}).startswith(
        f"{of_kind} raise the risk from 20.0% to 30.0%. "
    )
    silent = base | {"limit": 0.2004, "limit_silent": 0.2004}
    assert endless(silent).startswith("More training data of this kind cannot reduce the risk below 20.0%. ")
    assert endless(silent | {"limit_silent": 0.1}).startswith(
        f"{of_kind} leave the risk at 20.0%. Of this risk, 10.0% "
    )
    assert endless(base | {"limit": 0.19, "limit_silent": 0.19, "mcse": 0.004}).startswith("More training data")
    assert endless(base | {"mean": 0.0}) == ""
    assert endless(base | {"limit": None}) == ""
    unknown = {"risk": base | {"limit": None}, "bounded_pairs": []}
    assert more_training(unknown).endswith("was not computed.")
    assert more_training(unknown | {"bounded_pairs": [{}]}).endswith("is unknown.")


def test_kinds_never_seen_are_all_counted(tmp_path):
    rng = np.random.default_rng(3)
    names = [f"f{k}" for k in range(10)]
    seen = rng.integers(0, 2, (4, 10))
    training = csv(",".join([*names, "good"]), [(*seen[i % 4], i % 2) for i in range(40)])
    cells = rng.integers(0, 2, (120, 10))
    cells[:6] = seen[0]
    weight = np.repeat(rng.integers(1, 4, 60), 2)
    rows = [(i // 2, i % 2, weight[i], *cells[i]) for i in range(120)]
    test = csv(",".join(["scene", "option", "scene_weight", *names]), rows)
    document = answered(tmp_path, training, test, {n: f"where({n}, 1, -1)" for n in names})
    known = {tuple(row) for row in seen.tolist()}
    new = np.array([tuple(row) not in known for row in cells.tolist()])
    assert document["shift"]["new_items"] == new.sum() > 100
    assert document["shift"]["n_new_classes"] == len({tuple(r) for r in cells[new].tolist()}) > 20
    assert document["shift"]["new_share"] == pytest.approx(weight[new].sum() / weight.sum())
    assert f"({new.sum()} items)" in shift(document)
    assert percent(document["shift"]["new_share"]) in point("shift_check", document)[0]


def test_kinds_of_item_by_brute_force(tmp_path):
    document = answered(tmp_path, SILENT, PARTED)
    kinds = {tuple(k["classes"].values()): (k["training"], k["test"]) for k in document["shift"]["kinds"]}
    good, bad = "better than failing", "worse than failing"
    assert kinds == {(good, good): (2 / 3, 0), (bad, bad): (1 / 3, 0), (good, bad): (0, 0.5), (bad, good): (0, 0.5)}


def test_a_test_too_small_to_show_a_shift_still_names_what_is_new(tmp_path):
    document = answered(tmp_path, SILENT, csv("scene,option,red,flags,level", [(0, 0, 1, 0, 1), (0, 1, 0, 1, 1)]))
    assert not document["shifted"] and document["shift"]["n_new_classes"] == 2
    assert "2 kinds of item (2 items) do not occur in training" in shift(document)
    same = answered(tmp_path, SILENT, ALIKE)
    assert "do not occur" not in shift(same)
    assert point("shift_check", same)[0].startswith("No shift is detected")


def test_scenes_without_weight_are_not_spoken_of(tmp_path):
    rows = [(m, o, 0 if m == 0 else 1, o, (1 - o) if m == 0 else o, 1) for m in range(6) for o in (0, 1)]
    document = answered(tmp_path, SILENT, csv("scene,option,scene_weight,red,flags,level", rows))
    assert document["risk"]["mean"] == 0 and document["risk"]["n_scenes"] == 5
    assert document["riskiest_scenes"] == []
    assert "none in 5 scenes" in risk_sentence(document["risk"])


def test_one_hypothesis(tmp_path):
    document = answered(tmp_path, SILENT, PARTED, {"red": "where(red, 1, -1)"})
    assert evidence(document) == ["The study has one hypothesis, so no evidence compares hypotheses."]
    assert "dangerous" not in point("matrix", document)[0]


def test_the_studys_own_prior_is_among_those_compared(tmp_path):
    prior = {"name": "simplicity", "language": {"name": "mine", "costs": {"flags": 30}}}
    document = answered(tmp_path, SILENT, PARTED, agent={"prior": prior})
    assert document["agents"]["simplicity, mine"]["acts"]["risk"] == pytest.approx(document["risk"]["mean"])
    (policy,) = [part for part in present_agent(document) if part.name == "policy"]
    assert "at costs that the study states" in policy.more[0].text
    study = small()
    for name in ("uniform", "values", "rules"):
        study["agent"] = {"prior": {"name": "simplicity", "language": {"name": name, "costs": {"flags": 3}}}}
        with pytest.raises(rh.InputError, match="give it a name of its own"):
            rh.run(write(tmp_path, study, training=TRAINING, test=TEST))


def test_dangerous_pairs_are_said_once(tmp_path):
    said = " ".join(evidence(answered(tmp_path, SILENT, PARTED)))
    assert said.count("Dangerous") == 1 and "and the other way round" in said


def test_the_remedy_for_a_missing_interval_fits(tmp_path):
    for values, says in (
        ({"weights": dict.fromkeys(HYPOTHESES, 1)}, "state how many judgements the weights rest on (strength = ...)"),
        ({"prior": "uniform"}, "cannot have a strength, but weights can"),
        ({"judges": [{"name": "A", "weights": dict.fromkeys(HYPOTHESES, 1), "source": "x"}]}, "each judge's weights"),
    ):
        values = values | ({} if "judges" in values else {"source": "a test"})
        assert any(says in w for w in answered(tmp_path, SILENT, PARTED, values=values)["warnings"])


@pytest.mark.parametrize("counts", [[7, 7], [3, 3, 3], [1, 9], [500, 700], [10]])
def test_sizes_are_made_up_in_proportion(counts):
    sizes = list(range(min(sum(counts), 1000) + 1))
    parts = np.array(_parts(counts, sizes))
    assert (parts.sum(axis=0) == sizes).all() and (np.diff(parts, axis=1) >= 0).all()
    assert (np.abs(parts - np.outer(counts, sizes) / sum(counts)) < 1).all()
    if sum(counts) <= 1000:
        assert parts[:, -1].tolist() == counts


def test_control_characters(tmp_path, capsys):
    text = (tmp_path / "x.toml", write(tmp_path, small(), training=TRAINING, test=TEST).read_text())[1]
    for old, new, says in (
        ('"red paint"', '"red\\u0000paint"', "[hypotheses] 'red\\x00paint': the name holds control characters"),
        ('title = "small"', 'title = "\\u001b]0;pwn\\u0007"', "title: '\\x1b]0;pwn\\x07' holds control characters"),
        (
            'title = "small"',
            'title = "small"\nabout = "\\u001b[2J"',
            "about: '\\x1b[2J' holds control characters; write it in plain text",
        ),
    ):
        assert old in text
        (tmp_path / "x.toml").write_text(text.replace(old, new))
        assert main(["check", str(tmp_path / "x.toml")]) == 2
        err = capsys.readouterr().err
        assert says in err and "\x1b" not in err and "\0" not in err
    study = small(values={"weights": {"red paint": 1, "flags": 1}, "source": "said so\x1b[31m\x07"})
    assert main(["run", str(write(tmp_path, study, training=TRAINING, test=TEST)), "--out", str(tmp_path / "o")]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_study_file_whose_name_is_not_text(tmp_path):
    path = write(tmp_path, small(), training=TRAINING, test=TEST)
    odd = os.path.join(os.fsencode(tmp_path), b"st\xff.toml")
    os.rename(path, odd)
    done = shell("run", os.fsdecode(odd), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_text())["study"]["file"] == "st\ufffd.toml"


def test_names_as_long_as_the_system_allows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "n" * 240
    assert main(["new", name]) == 0
    write(tmp_path, small(), training=TRAINING, test=TEST).rename(name + ".toml")
    assert main(["run", name + ".toml", "--out", "m" * 240]) == 0


def test_a_report_of_a_damaged_document_is_refused_or_made(tmp_path, monkeypatch):
    """Every figure is drawn; to save it asks nothing of the document."""
    monkeypatch.setattr("reward_hypotheses.analysis.report.figure_files.saved", lambda drawing, form: b"<svg ></svg>")
    document = answered(tmp_path, SILENT, PARTED)
    wrong = [None, [], {}, "x", 3]
    for k, key in enumerate(document):
        try:
            rh.report(document | {key: wrong[k % 5]})
        except rh.InputError as error:
            assert str(error).startswith("report: results: ")
        if k % 3 == 0:
            with pytest.raises(rh.InputError, match="report: results: "):
                rh.report({k: v for k, v in document.items() if k != key} | {"risk": {}})


@pytest.mark.parametrize(
    "odds, said",
    [(1.0, "1"), (6.66, "6.7"), (11.4, "11"), (223.0, "220"), (1432.0, "1,400"), (2e6, "more than 1,000,000")],
)
def test_odds_in_two_digits(odds, said):
    assert _odds(math.log(odds)) == said
    assert _odds(1e4) == "more than 1,000,000"
