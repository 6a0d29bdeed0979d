"""Outputs of whole studies are what they were: numbers to 1e-9, words exactly; studies that are sampled aside."""

import json
import math

import pytest
from golden.golden import KEPT, SAMPLED, STUDIES, outputs

EXACT = sorted(set(STUDIES) - set(SAMPLED))


def differences(kept, now, path=""):
    """Yield every place at which two documents differ, numbers by more than 1e-9 of themselves."""
    if isinstance(kept, dict) and isinstance(now, dict):
        for key in kept.keys() | now.keys():
            yield from differences(kept.get(key, "absent"), now.get(key, "absent"), f"{path}.{key}")
    elif isinstance(kept, list) and isinstance(now, list) and len(kept) == len(now):
        for i, (a, b) in enumerate(zip(kept, now, strict=True)):
            yield from differences(a, b, f"{path}[{i}]")
    elif isinstance(kept, float) and isinstance(now, (int, float)):
        if not math.isclose(kept, now, rel_tol=1e-9, abs_tol=1e-9):
            yield f"{path}: {kept} -> {now}"
    elif kept != now:
        yield f"{path}: {kept!r} -> {now!r}"


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_outputs_are_what_they_were(name):
    now = outputs(STUDIES[name])
    kept = {file: (KEPT / name / file).read_text(encoding="utf-8") for file in now}
    documents = [json.loads(text.pop("results.json")) for text in (kept, now)]
    for document in documents:
        del document["versions"]
    assert list(documents[0]) == list(documents[1])
    assert not list(differences(*documents))
    for file, text in now.items():
        assert text == kept[file], file
