"""How many options are worse than failing, block by block, and what the results say of it."""

import numpy as np
import pytest
from studies import TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.catastrophe import compute_risk
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses import valuation as module
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation


@pytest.mark.parametrize(("bad", "said"), [(0, "no option"), (1, None), (2, None), (3, "every option")])
def test_so_many_of_three_options_are_bad_in_every_scene(tmp_path, bad, said):
    options = ["0,0"] * bad + ["1,1"] * (3 - bad)
    test = "scene,option,red_paint,flags\n" + "".join(
        f"{m},{k},{paint}\n" for m in range(12) for k, paint in enumerate(options)
    )
    document = rh.run(write(tmp_path, small(), training=TRAINING, test=test))
    assert document["catastrophic_options"] == pytest.approx({"red paint": bad / 3, "flags": bad / 3}, rel=1e-15)
    about_units = [w for w in document["warnings"] if "in the units of the rewards" in w]
    assert len(about_units) == (said is not None)
    assert all(said in w for w in about_units)


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("failing", [False, True])
def test_the_share_of_bad_options_by_loops(monkeypatch, blocks, failing):
    """Of ragged scenes, some of whose options are failing itself, in one block and in several."""
    rng = np.random.default_rng(3)
    shape = (23, 5)
    rewards = rng.integers(-3, 3, (2, *shape))
    available = rng.random(shape) < 0.6
    available[:, 0] = True
    table = {"a": rewards[0] + 0.0, "b": rewards[1] + 0.0, "available": available}
    if failing:
        table["is_failing"] = np.arange(5) == np.full((23, 1), 4)
    if blocks > 1:
        monkeypatch.setattr(module, "LEAST_ITEMS", 8)
    h = hypotheses_of({"a": "a", "b": "b"})
    valuation = Valuation(h, as_table(table), stated_line({"a": 0.0, "b": -1.0}, h.names))
    assert (len(list(valuation.blocks())) > 1) == (blocks > 1)
    found = compute_risk(valuation, rh.Commit(), np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    for k, line in enumerate((0, -1)):
        counted = [
            bool(rewards[k, m, o] < line)
            for m in range(shape[0])
            for o in range(shape[1])
            if available[m, o] and not (failing and o == 4)
        ]
        assert found.worse[k] == pytest.approx(sum(counted) / len(counted), rel=1e-15)
