"""A crash in the middle of saving leaves the old run or the new one, whole."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
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


WRITER = """
import os, sys, time
from pathlib import Path
from reward_hypotheses.analysis.report.layout.output_folder import write_folder
out, *runs = map(Path, sys.argv[1:])
files = [{str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()} for run in runs]
for one in files:
    del one["manifest.json"]
start = time.monotonic()
for one in files:
    write_folder(out.with_name("before"), one)
print(time.monotonic() - start, flush=True)
for _ in sys.stdin:  # a process for each line, which writes until it is killed
    writer = os.fork()
    if writer == 0:
        print(os.getpid(), flush=True)
        while True:
            for one in files:
                write_folder(out, one)
    os.waitpid(writer, 0)
    print("gone", flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments_of_a_run(tmp_path):
    out = tmp_path / "out"
    study = write(tmp_path, small(seed=0), training=TRAINING, test=TEST)
    start = time.monotonic()
    assert shell("run", study, "--out", out).returncode == 0
    took = time.monotonic() - start
    rng = random.Random(7)
    seen = 0
    for seed in range(1, 5):
        write(tmp_path, small(seed=seed), training=TRAINING, test=TEST)
        process = subprocess.Popen(
            [*COMMAND, "run", str(study), "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0, 1.05 * took))
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = whole(out)
        assert found in (seen, seed)
        seen = found
    assert shell("run", study, "--out", out).returncode == 0
    assert whole(out) == 4


@pytest.mark.slow
def test_killed_at_random_moments_of_writing(tmp_path):
    """Two whole runs are written in turn, over and over, to one place."""
    runs, out = [tmp_path / "first", tmp_path / "second"], tmp_path / "out"
    for seed, run in enumerate(runs):
        study = write(tmp_path, small(seed=seed), training=TRAINING, test=TEST)
        assert shell("run", study, "--out", run).returncode == 0
    rng = random.Random(8)
    left = []
    writer = [sys.executable, "-c", WRITER, *map(str, (out, *runs))]
    with subprocess.Popen(writer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        both = float(process.stdout.readline())  # seconds
        for _ in range(18):
            process.stdin.write(b"\n")
            process.stdin.flush()
            writing = int(process.stdout.readline())
            time.sleep(rng.uniform(0, 3 * both))
            os.kill(writing, signal.SIGKILL)
            assert process.stdout.readline() == b"gone\n"
            if out.exists():
                left.append(whole(out))
    assert len(left) > 12 and {0, 1} == set(left)
