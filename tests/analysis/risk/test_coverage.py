"""Intervals of the risk hold the true risk as often as they say: a sample of `make coverage`."""

import json
import math

import numpy as np
import pytest
from bench import coverage
from scipy import stats

from reward_hypotheses.models.feedback.registry import KINDS
from reward_hypotheses.models.policies.registry import POLICIES

RUNS = {"choices": 60, "labels, quantilize": 60, "agent read, normal, boltzmann, inferred": 30}


def test_every_kind_policy_and_source_has_a_study():
    assert set(KINDS) <= set(coverage.STUDIES)
    assert {f"labels, {name}" for name in POLICIES if name != "commit"} <= set(coverage.STUDIES)
    assert len(coverage.STUDIES) <= 30
    words = " ".join(coverage.STUDIES)
    for part in (
        "two judges",
        "MDP",
        "population",
        "strength",
        "agent read",
        "judge's reward weights",
        "scenes with weights",
    ):
        assert part in words


@pytest.mark.slow
@pytest.mark.parametrize("study", RUNS)
def test_the_true_risk_is_anywhere_among_the_draws(study):
    rows = [coverage.simulated(study, seed) for seed in range(10_000, 10_000 + RUNS[study])]
    pits = np.array([row["pit"] for row in rows])
    assert stats.kstest(pits, "uniform").pvalue > 1e-4
    held = np.mean(np.abs(pits - 0.5) < 0.475)
    assert held > 0.95 - 4 * math.sqrt(0.95 * 0.05 / len(pits))
    assert np.mean([row["width"] for row in rows]) < 0.4  # and not by being wide


def test_the_bench_goes_on_where_it_was_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "STUDIES", {name: coverage.STUDIES[name] for name in ("labels", "labels, cvar")})
    out = tmp_path / "coverage.jsonl"
    coverage.main(str(out), "2")
    first = out.read_text()
    coverage.main(str(out), "3")
    assert out.read_text().startswith(first) and len(out.read_text().splitlines()) == 6
    assert [json.loads(line)["study"] for line in first.splitlines()] == ["labels", "labels, cvar"] * 2
    assert "| labels, cvar | 3 |" in capsys.readouterr().out
