"""A crash in the middle of saving leaves the old run or the new one, whole."""

import hashlib
import json
import random
import signal
import subprocess
import time

import pytest
from studies import COMMAND, TEST, TRAINING, shell, small, write


def whole(folder):
    """Seed of the run in a folder, which is checked against its manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    present = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}
    assert present == set(manifest)
    for name, digest in manifest.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    return json.loads((folder / "results.json").read_text())["seed"]


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path):
    out = tmp_path / "out"
    study = write(tmp_path, small(seed=0), training=TRAINING, test=TEST)
    start = time.monotonic()
    assert shell("run", study, "--out", out).returncode == 0
    took = time.monotonic() - start
    rng = random.Random(7)
    seen, late = 0, 0
    for seed in range(1, 51):
        write(tmp_path, small(seed=seed), training=TRAINING, test=TEST)
        process = subprocess.Popen(
            [*COMMAND, "run", str(study), "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        # half of the kills in the last stretch, where files are written and exchanged
        time.sleep(rng.uniform(0, took) if seed % 2 else rng.uniform(0.7 * took, 1.1 * took))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = whole(out)
        assert found in (seen, seed)
        late += found == seed
        seen = found
    assert late < 50
    assert shell("run", study, "--out", out).returncode == 0
    assert whole(out) == 50
