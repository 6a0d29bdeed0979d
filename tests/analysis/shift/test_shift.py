"""The shift check: seldom wrong on tests from the same distribution, and it finds a correlation that is reversed."""

import numpy as np
import pytest

from reward_hypotheses.analysis.shift.two_sample_test import shift_check
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses import valuation as module
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation

TEXTS = {
    "red": "where(red, 100, -100)",
    "flags": "where(flags, 100, -100)",
    "both": "where(red & flags, 100, -20)",
    "either": "where(red | flags, 50, -50)",
    "level": "20 - slope",
    "level and red": "where(red, 30, 10) - slope",
    "depth": "depth - 1",
    "flat": "where(slope < 10, 100, -100)",
}


def scenes(rng, n, correlated=True, options=3):
    red = rng.random((n, options)) < 0.4
    flags = red.copy() if correlated else ~red
    return {
        "red": red,
        "flags": flags,
        "slope": rng.gamma(4.0, 4.0, (n, options)),
        "depth": rng.normal(1.0, 1.0, (n, options)),
    }


def items(rng, n, correlated=True):
    return {name: values[:, 0] for name, values in scenes(rng, n, correlated, 1).items()}


def valuation(data, count):
    h = hypotheses_of(dict(list(TEXTS.items())[:count]))
    return Valuation(h, as_table(data), stated_line(0.0, h.names))


def check(train, test, count, seed):
    weights = np.full(count, 1 / count)
    return shift_check([valuation(train, count)], valuation(test, count), weights, np.random.default_rng(seed))


@pytest.mark.parametrize("make", [items, scenes])
def test_false_alarms(make):
    """At most 2 % over 500 pairs from one distribution (the level is 1 %)."""
    alarms = 0
    for k in range(500):
        rng = np.random.default_rng(10_000 + k)
        count = (2, 4, 8)[k % 3]
        alarms += check(make(rng, 60), make(rng, 40), count, k).shifted
    assert alarms <= 10, alarms


def test_false_alarms_with_scene_weights():
    """Weights that have nothing to do with the scenes are no shift; weights that single out kinds of scene are."""
    alarms = 0
    for k in range(300):
        rng = np.random.default_rng(30_000 + k)
        train, test = items(rng, 300), items(rng, 40)
        test["scene_weight"] = np.exp(1.5 * rng.normal(size=40))
        alarms += check(train, test, 2, k).p < 0.05
    assert alarms <= 31, alarms  # 5 % of 300 is 15; more than 31 happens once in 10,000
    rng = np.random.default_rng(1)
    train, test = items(rng, 300), items(rng, 300)
    test["scene_weight"] = np.where(test["red"], 5.0, 0.2)
    assert check(train, test, 2, 0).shifted


@pytest.mark.parametrize("make", [items, scenes])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_found_when_a_perfect_correlation_is_reversed(make, count):
    found = 0
    for k in range(20):
        rng = np.random.default_rng(20_000 + k)
        found += check(make(rng, 100), make(rng, 100, correlated=False), count, k).shifted
    assert found >= 19, found


def test_weights_that_are_all_alike_change_nothing():
    """Also where some scenes of a weighted table are empty, for their rows were left out."""
    rng = np.random.default_rng(4)
    train, more, test = items(rng, 30), items(rng, 40), items(rng, 30)
    kept = np.arange(40) % 3 == 0
    h = hypotheses_of(dict(list(TEXTS.items())[:2]))

    def both(extra):
        line = stated_line(0.0, h.names)
        tables = [as_table(train), as_table({**more, **extra}).subset(kept)]
        weights = np.full(2, 0.5)
        return shift_check(
            [Valuation(h, t, line) for t in tables], valuation(test, 2), weights, np.random.default_rng(0)
        )

    plain, weighted = both({}), both({"scene_weight": np.full(40, 3.0)})
    assert weighted.statistic == pytest.approx(plain.statistic, rel=1e-12)
    assert weighted.p == plain.p


def test_scenes_that_offer_nothing_count_in_no_mean_of_choices():
    red = np.array([[True, False]] * 20 + [[False, False]] * 20)
    data = {"red": red, "flags": red, "is_failing": np.array([[False, False]] * 20 + [[True, True]] * 20)}
    plain = {k: v[:20] for k, v in data.items()}
    shift = check(data, plain, 2, 0)
    assert "best" not in shift.indicator  # the choices are the same wherever there is one


def test_what_is_said():
    rng = np.random.default_rng(0)
    shift = check(scenes(rng, 100), scenes(rng, 100, correlated=False), 2, 0)
    assert shift.shifted and shift.p == 0.001 and shift.permutations == 999
    assert shift.training != shift.test and shift.indicator
    kinds = {classes for classes, _ in shift.new_classes}
    assert kinds == {
        ("better than failing", "worse than failing"),
        ("worse than failing", "better than failing"),
    }
    assert sum(n for _, n in shift.new_classes) == 300
    same = check(scenes(rng, 100), scenes(rng, 100), 2, 0)
    assert not same.shifted and same.n_new == 0


def test_the_same_rows_are_no_shift():
    data = scenes(np.random.default_rng(0), 50)
    shift = check(data, data, 4, 0)
    assert shift.statistic == 0 and shift.p == 1.0


def test_nothing_varies():
    data = {"red": np.ones((5, 2), bool), "flags": np.ones((5, 2), bool)}
    shift = check(data, data, 2, 0)
    assert shift.p == 1.0 and not shift.shifted and shift.indicator == ""


def test_counts_and_shuffles_agree(monkeypatch):
    """Few kinds of scene are permuted as counts, many by shuffling: the same p-value within its error."""
    rng = np.random.default_rng(5)
    train, test = items(rng, 400), items(rng, 400)
    test["red"][:40] = ~test["red"][:40]
    kinds = check(train, test, 2, 1).p
    odd = {k: np.concatenate([v, v[:1]]) for k, v in train.items()}
    assert kinds < 0.05
    scattered = {**odd, "scene_weight": 1 + 1e-9 * np.arange(401)}
    other = {**test, "scene_weight": 1 + 1e-9 * np.arange(400)}
    assert abs(check(scattered, other, 2, 1).p - kinds) < 5 * np.sqrt(0.05 / 999)


def test_statistic_by_hand():
    train = {"red": np.array([1, 1, 0, 0, 0], bool), "flags": np.array([1, 1, 0, 0, 0], bool)}
    test = {"red": np.array([1, 1, 1, 0], bool), "flags": np.array([1, 1, 1, 0], bool)}
    shift = check(train, test, 2, 0)
    p = 5 / 9
    assert shift.statistic == pytest.approx((3 / 4 - 2 / 5) / np.sqrt(p * (1 - p)))


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    train, test = scenes(rng, 80), scenes(rng, 80)
    one = check(train, test, 4, 2)
    monkeypatch.setattr(module, "KEEP_CELLS", 0)
    monkeypatch.setattr(module, "LEAST_ITEMS", 20)
    monkeypatch.setattr(module, "BLOCK_ITEMS", 20)
    assert check(train, test, 4, 2) == one


def test_items_are_permuted_where_training_has_no_options():
    rng = np.random.default_rng(9)
    shift = check(items(rng, 100), scenes(rng, 100, correlated=False), 2, 0)
    assert shift.shifted and shift.n_new == 2
