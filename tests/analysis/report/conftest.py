"""Folders of runs that the tests of the report read."""

import os
import shutil

import pytest
from reports import NASTY
from studies import TEST, TRAINING, small, write

from reward_hypotheses.cli.main import main

CHROMIUM = next((c for c in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if c), None)


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]
        opened = play.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo-report"
    assert main(["demo", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def nasty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasty")
    study = small(title=NASTY[0], about=f"{NASTY[1]}\nand {NASTY[2]}")
    study["hypotheses"] = {NASTY[0]: "where(red_paint, 100, -100)", NASTY[1]: "where(flags, 100, -100)"}
    study["hypotheses"][NASTY[2]] = "where(flags & red_paint, 50, -1)"
    study["values"] = {"weights": dict.fromkeys(study["hypotheses"], 1), "source": NASTY[1], "strength": 5}
    path = write(folder, study, training=TRAINING, test=TEST)
    assert main(["run", str(path), "--out", str(folder / "out")]) == 0
    return folder / "out"


@pytest.fixture(scope="session")
def untested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("untested")
    study = small()
    del study["tables"]["test"]
    path = write(folder, study, training=TRAINING)
    assert main(["run", str(path), "--out", str(folder / "out")]) == 0
    return folder / "out"
