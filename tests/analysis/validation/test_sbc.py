"""Simulation-based calibration of the sampled path (Talts et al. 2020), with simuk."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import reward_hypotheses as rh

with warnings.catch_warnings():  # of its own dependencies, on import
    warnings.simplefilter("ignore")
    import pymc as pm
    import simuk

TEXTS = {"red": "where(red, 1, -1)", "flags": "where(flags, 1, -1)", "deep": "where(deep, 1, -1)"}
PRIOR = {"red": 1, "flags": 2, "deep": 3}
NOISE = (1.0, 4.0)
RNG = np.random.default_rng(6)
FEATURES = {"red": np.arange(12) % 2 == 0, "flags": np.arange(12) % 2 == 0, "deep": np.arange(12) % 3 == 0}
SIMULATIONS, DRAWS = 200, 99


class SampledPath(simuk.SBC):
    """simuk draws truths and data and ranks; `fit` with NUTS is what is ranked, instead of a `pm.sample` of simuk's own.

    The compiled model is kept between fits, so that 200 of them take half a minute and not the best part of an hour.
    """

    def _get_posterior_samples(self, replicated_data):
        data = FEATURES | {"good": np.asarray(replicated_data["good"]).astype(bool)}
        prior = rh.Elicited(PRIOR, "a test")
        seed = self._simulations_complete
        tree = rh.fit(
            TEXTS, prior, [rh.Labels(data, "good", noise=NOISE)], fail_utility=0, method="nuts", random_seed=seed
        )
        rng = np.random.default_rng(seed)
        index = rng.choice(3, DRAWS, p=tree["evidence"]["weight"].to_numpy())
        eps = tree["posterior"]["labels_eps"].to_numpy().reshape(-1, 3)
        eps = eps[rng.choice(len(eps), DRAWS, replace=False), index]
        self.weights = [*getattr(self, "weights", []), tree["evidence"]["weight"].to_numpy()]
        return xr.Dataset({"index": ("sample", index), "eps": ("sample", eps)})


def simulator(index, eps, seed):
    rng = np.random.default_rng(seed)
    predicted = FEATURES[list(TEXTS)[int(index)]]
    return {"good": predicted ^ (rng.random(len(predicted)) < eps)}


@pytest.mark.slow
def test_calibration_of_the_sampled_path():
    weights = np.array(list(PRIOR.values()), float)
    with pm.Model() as model:
        pm.Categorical("index", weights / weights.sum())
        pm.Truncated("eps", pm.Beta.dist(*NOISE), upper=0.5)
    sbc = SampledPath(
        model, num_simulations=SIMULATIONS, simulator=simulator, seed=1, progress_bar=False, keep_fits=False
    )
    sbc.run_simulations()
    ranks = sbc.simulations["prior_sbc"]["eps"].to_numpy().ravel()
    assert len(ranks) == SIMULATIONS
    counts = np.bincount(ranks * 10 // (DRAWS + 1), minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-4, counts
    # a truth has the weight that the posterior says: sum of (indicator - weight), in its standard errors
    truth = sbc.ref_params["index"].to_numpy()
    held = np.array(sbc.weights)
    hit = np.eye(3)[truth]
    error = np.sqrt((held * (1 - held)).sum(axis=0))
    assert (np.abs((hit - held).sum(axis=0)) < 5 * error).all()
    assert held.max() > 0.9 and held[:, 2].std() > 0.2  # the data do say something
