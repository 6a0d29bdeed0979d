"""What agents that were trained alike share widens the interval of their population."""

import numpy as np
import pytest

from reward_hypotheses.analysis.validation import predict


def test_what_agents_share_widens_the_population():
    rng = np.random.default_rng(0)

    def reads(alike):
        chance = np.full((20, 400), 0.3)
        u = np.where(alike, rng.random(400), rng.random((20, 400)))
        return chance, u < chance

    alike = predict.shared_variance(*reads(True))
    assert predict.shared_variance(*reads(False)) < 0.005 and abs(alike - 0.3 * 0.7 * 19 / 20) < 0.05
    draws = [np.full(4000, 0.4)] * 20
    found = predict.population(draws, alike, 100, rng)
    assert found.std() == pytest.approx(np.sqrt(alike / 100), rel=0.1) and found.mean() == pytest.approx(0.4, abs=0.01)
