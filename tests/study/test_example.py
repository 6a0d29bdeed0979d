"""The worked example: two studies and the results that they must give."""

import json

import pytest
from studies import HERE

import reward_hypotheses as rh

EXPECTED = json.loads((HERE / "example" / "expected.json").read_text())


def compare(want, got, path, wrong):
    if isinstance(want, dict):
        for key, value in want.items():
            compare(value, got[key], f"{path}.{key}", wrong)
    elif path.endswith("silent_pairs"):
        if sorted(map(sorted, want)) != sorted(map(sorted, got)):
            wrong.append((path, want, got))
    elif isinstance(want, list):
        assert len(want) == len(got), path
        for i, (a, b) in enumerate(zip(want, got, strict=True)):
            compare(a, b, f"{path}[{i}]", wrong)
    elif isinstance(want, float):
        tolerance = 1e-6 if "value_bits" in path else 1e-9 * max(1.0, abs(want))
        if not isinstance(got, float) or abs(want - got) > tolerance:
            wrong.append((path, want, got))
    elif want != got:
        wrong.append((path, want, got))


@pytest.mark.parametrize("study", EXPECTED)
def test_example(study):
    wrong = []
    compare(EXPECTED[study], rh.run(HERE / "example" / f"{study}.toml"), study, wrong)
    assert not wrong
