"""Studies of very many names: time in proportion, few messages, limits that are told."""

import time

import pytest

from reward_hypotheses.data.errors import InputError, names_problems
from reward_hypotheses.study.load import load


def refused(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(InputError) as error:
        load(path)
    assert time.process_time() - start < 5
    return error.value.problems


def test_names_in_proportion_to_their_number():
    names, given = [f"h{i}" for i in range(20_000)], [f"g{i}" for i in range(20_000)]
    start = time.process_time()
    found = names_problems(given, names, "weights", "weight", "give one")
    assert time.process_time() - start < 5
    assert len(found) == 102 and "19,950 more names are no hypotheses" in found[50]
    assert "19,950 more hypotheses have no weight" in found[101]
    assert not names_problems(names, names, "weights", "weight", "give one")


def test_too_many_hypotheses(tmp_path):
    rules = "\n".join(f'h{i} = "a"' for i in range(20_001))
    (only,) = refused(tmp_path, f"[hypotheses]\n{rules}\n")
    assert "20,001 are listed; up to 20,000 can be" in only


def test_very_many_keys(tmp_path):
    found = refused(tmp_path, "\n".join(f"k{i} = 1" for i in range(50_000)))
    assert any("49,950 more keys: unknown" in problem for problem in found)


def test_a_key_of_very_many_parts(tmp_path):
    (only,) = refused(tmp_path, "title = 'x'\n" + ".".join(["k"] * 50_000) + " = 1\n")
    assert "line 2: a key of more than 100 parts" in only
