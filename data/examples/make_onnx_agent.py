"""Make the network of ``docs/bring-your-agent.md``: an agent in ONNX.

The agent picks a landing site. The agent scores each site by its observation, ``w2 . tanh(W1 x + b1)`` with x the
site's red paint, flags and depth, and picks by softmax. It learned from the essay's training scenes to pick the pad,
where paint and flags coincide; it saw both through noise, the flags through more, so that paint was the better guide.
It was told no rule.

Run as ``python -m reward_hypotheses.data.examples.make_onnx_agent [FOLDER]``, with the package ``onnx``.
"""

import sys
from pathlib import Path

import numpy as np

from reward_hypotheses.data.numerics import softmax
from reward_hypotheses.data.worlds.adam import Adam
from reward_hypotheses.data.worlds.lander.scenes import landing_sites

HERE = Path(__file__).resolve().parent
SEEN = ("red_paint", "flags", "depth")
BLUR = (0.45, 0.7, 0.0)
"""Standard deviation of the noise through which it saw each in training."""
HIDDEN, STEPS, RATE = 8, 400, 0.03
Weights = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Weights of the hidden units (feature, hidden), their biases (hidden,), and their weights in a score (hidden,)."""


def probabilities(sites: np.ndarray, weights: Weights) -> np.ndarray:
    """Return the network's choice probabilities: (scene, option).

    Parameters
    ----------
    sites : ndarray (scene, option, feature)
    """
    return softmax(np.tanh(sites @ weights[0] + weights[1]) @ weights[2])


def trained(seed: int = 0) -> Weights:
    """Train on 300 scenes, by Adam on the mean log probability of the pad."""
    rng = np.random.default_rng(seed)
    scenes = landing_sites(300, seed=seed)
    sites = np.stack([scenes[name].to_numpy().astype(float) for name in SEEN], axis=-1)
    sites += BLUR * rng.normal(size=sites.shape)
    pad = scenes["is_pad"].to_numpy().astype(float)
    weights = [rng.normal(size=(len(SEEN), HIDDEN)) / 2, np.zeros(HIDDEN), rng.normal(size=HIDDEN) / 2]
    adam = Adam(weights, RATE)
    for _ in range(STEPS):
        hidden = np.tanh(sites @ weights[0] + weights[1])
        missed = (pad - probabilities(sites, (weights[0], weights[1], weights[2]))) / len(pad)
        inner = missed[..., None] * weights[2] * (1 - hidden**2)
        slopes = [np.einsum("mof,moh->fh", sites, inner), inner.sum((0, 1)), np.einsum("mo,moh->h", missed, hidden)]
        adam.climb(slopes)
    return weights[0], weights[1], weights[2]


def main(folder: Path) -> None:
    """Write agent.onnx."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    names = ("hidden_weight", "hidden_bias", "score_weight")
    arrays = [w.astype(np.float32) for w in trained()]
    nodes = [
        helper.make_node("MatMul", ["sites", names[0]], ["raised"]),
        helper.make_node("Add", ["raised", names[1]], ["shifted"]),
        helper.make_node("Tanh", ["shifted"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", names[2]], ["score"]),
        helper.make_node("Softmax", ["score"], ["probability"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "landing",
        [helper.make_tensor_value_info("sites", TensorProto.FLOAT, ["scene", "option", len(SEEN)])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["scene", "option"])],
        [numpy_helper.from_array(w, name) for w, name in zip(arrays, names, strict=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(folder / "agent.onnx"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "network")
