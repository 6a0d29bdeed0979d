"""An agent in ONNX: probed, read off its choices, and predicted."""

import math

import numpy as np
import pytest
from pages import ROOT, RUNTIME
from probe_scenes import taken

import reward_hypotheses as rh
from reward_hypotheses.data.examples import make_onnx_agent as make_network

NETWORK = ROOT / "data" / "examples" / "network" / "agent.onnx"


@pytest.fixture(scope="module")
def network():
    if not RUNTIME:
        pytest.skip("no onnxruntime: the extra dev installs it where there is a wheel")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(NETWORK), providers=["CPUExecutionProvider"])
    return lambda s: session.run(["probability"], {"sites": sites_of(s).astype(np.float32)})[0]


@pytest.fixture(scope="module")
def weights():
    return make_network.trained()


def sites_of(columns):
    return np.stack([np.asarray(columns[name], float) for name in make_network.SEEN], axis=-1)


@pytest.mark.onnx
def test_the_network_is_what_its_script_makes(network, weights):
    probes = rh.landing_sites(100, seed=11, mix={"independent": 1})
    by_hand = make_network.probabilities(sites_of(probes), weights)
    assert np.abs(network(probes) - by_hand).max() < 1e-3  # single precision, and training on another machine
    assert NETWORK.stat().st_size < 2000


@pytest.mark.onnx
def test_a_network_in_onnx(network):
    probes = rh.landing_sites(100, seed=11, mix={"independent": 1})
    chance = np.asarray(network(probes), float)
    together = rh.probe(network, probes, batched=True, deterministic=True)
    one_by_one = rh.probe(lambda s: network({k: v[None] for k, v in s.items()})[0], probes, deterministic=True)
    assert taken(together) == taken(one_by_one) == chance.argmax(axis=1).tolist()
    drawn = rh.probe(network, probes, batched=True, draws=50, random_seed=1)
    share = float((drawn.chosen & drawn.red_paint).sum()) / 5000
    expected = float((chance * probes.red_paint.values).sum(axis=1).mean())
    assert abs(share - expected) < 4 * math.sqrt(0.25 / 5000)


def test_predicted_and_measured(weights):
    """The network's catastrophes on a shift, predicted from its choices in probes, and counted; and the named rules' error."""

    def network(scenes):
        return make_network.probabilities(sites_of(scenes), weights)

    probes = rh.landing_sites(120, seed=5, mix={"independent": 1})
    test = rh.landing_sites(60, seed=1, shifted=True)
    measured = 1 - float((network(test) * test.flags.values).sum(axis=1).mean())
    rules = {"red paint": "where(red_paint, 1, -1)", "flags": "where(flags, 1, -1)"}
    mixture = rh.Linear(["red_paint", "flags", "depth"], source="what it sees")
    judge = rh.fit(rules, rh.Uniform("a"), [rh.Labels(probes, "is_pad", noise=(1, 19))], 0, random_seed=1)
    choices = [rh.Choices(rh.probe(network, probes, batched=True, random_seed=1), "chosen")]
    error = {}
    for name, listed in (("mixture", {"a mixture": mixture}), ("rules", rules)):
        agent = rh.fit(listed, rh.Uniform("a"), choices, 0, random_seed=1)
        risk = rh.catastrophe_risk(judge, test, rh.Boltzmann("inferred"), agent)
        error[name] = abs(float(risk["by_truth"].sel(hypothesis="flags")) - measured)
    assert 0.4 < measured < 0.6
    assert (
        error["mixture"] < 0.15 < 0.3 < error["rules"]
    )  # by draws of the probes the first has a standard deviation of 0.05
