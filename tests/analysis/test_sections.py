"""Every section of the results document keeps the contract of a section."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reward_hypotheses.analysis.results.document import SECTIONS, results_document
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import case_of_study

STUDIES = Path(__file__).resolve().parents[1] / "golden" / "studies"
HEAVY = ("matplotlib", "xarray", "rich")
STUDY_OF = {"judged": STUDIES / "judged.toml", "unmodelled": STUDIES / "unmodelled.toml"}
BESIDE = {"mcse", "also", "warnings", "versions", "seed", "schema_version", "data_sha256"}


@pytest.fixture(scope="module", params=STUDY_OF)
def case(request):
    return case_of_study(load(STUDY_OF[request.param]))


@pytest.fixture(scope="module")
def document(case):
    return results_document(case)


def on_test(section, case):
    return case.first if section.of_test else case


def numbers(value):
    """Yield every number in nested dicts and lists."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, (int, float)):
        yield value
    elif value is not None and not isinstance(value, str):
        for inner in value:
            yield from numbers(inner)


def test_keys_are_unique_and_are_those_of_the_document(document):
    keys = [key for section in SECTIONS for key in section.keys]
    assert len(keys) == len(set(keys))
    assert set(document) == {*keys, *BESIDE}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: type(section).__name__)
def test_a_section_writes_its_keys_as_json(section, case):
    at = on_test(section, case)
    result = section.compute(at)
    written = section.written(at, result)
    assert tuple(written) == section.keys
    assert json.loads(json.dumps(written)) is not None
    if result is None:
        assert set(written.values()) == {None}
    else:
        assert all(isinstance(text, str) and text for text in section.warnings(at, result))


SAMPLED = [section for section in SECTIONS if section.sampled]


@pytest.mark.parametrize("section", SAMPLED, ids=lambda section: type(section).__name__)
def test_a_sampled_section_gives_the_numbers_that_move(section, case, document):
    at = on_test(section, case)
    moved = section.perturbed(at, document)
    assert set(moved) <= set(section.keys)
    assert json.loads(json.dumps(moved)) is not None
    assert bool(list(numbers(moved))) == bool(list(numbers([document[key] for key in section.keys])))


def test_sections_compute_without_heavy_imports():
    code = (
        "import sys\n"
        "from reward_hypotheses.analysis.results.document import SECTIONS\n"
        "from reward_hypotheses.study.load import load\n"
        "from reward_hypotheses.study.run import case_of_study\n"
        f"case = case_of_study(load({str(STUDY_OF['judged'])!r}))\n"
        "for section in SECTIONS:\n"
        "    section.compute(case.first if section.of_test else case)\n"
        f"assert not {{*{HEAVY!r}}} & {{*sys.modules}}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
