"""Choices and approval over a rule space, against every rule by itself."""

import numpy as np
import pytest
from rule_oracle import Given, acts, approvals, functions, random_weights, space_of

from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import MostProbableRules, choices, expected
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes

SIX = space_of(6, 3)
RULES = functions(SIX)
TIGHT = {"rtol": 0, "atol": 1e-12}


def scenes_of(rng, n_literals, options, scenes, ragged=False):
    columns = rng.random((n_literals, options, scenes)) < rng.random((n_literals, 1, 1))
    if not ragged:
        return Scenes(columns)
    available = rng.random((options, scenes)) < 0.7
    available[:, 0] = False
    return Scenes(columns, available, rng.random((options, scenes)) < 0.2, rng.gamma(1.0, size=scenes))


def by_brute_force(rules, weights, scenes, acting):
    approves = approvals(rules, scenes.columns)
    chosen = acts(approves, scenes.choices, acting.reward, acting.failing, acting.beta, scenes.share)
    real, options = approves & scenes.choices, scenes.shape[0]
    return {
        "chosen": np.tensordot(weights, chosen[:, :options], 1),
        "approved": np.tensordot(weights, real, 1),
        "none": weights @ ~real.any(axis=1),
        "follows": weights @ (chosen[:, :options] * real).sum(axis=1),
        "defies": weights @ (chosen[:, :options] * ~real).sum(axis=1),
        "abstained": weights @ (chosen[:, options] if acting.abstains else np.zeros(chosen.shape[::2])),
    }


def same(found, known, scenes):
    for name, value in known.items():
        got = getattr(found, name)
        if name == "abstained":  # a scene without choices, where nothing is done, counts as none taken
            some = scenes.choices.any(axis=0)
            got, value = got[some], value[some]
        np.testing.assert_allclose(got, value, err_msg=name, **TIGHT)


ACTING = {
    "commit": Acting((100, -100)),
    "told of failing": Acting((100, -100), failing=0.0),
    "failing ties with approved": Acting((2, -1), failing=2),
    "failing ties with rejected": Acting((2, -1), failing=-1),
    "failing is best": Acting((2, -1), failing=3),
    "failing is worst": Acting((2, -1), failing=-3.5),
    "all options tie": Acting((1, 1)),
    "all tie with failing": Acting((1, 1), failing=1),
    "noisy": Acting((100, -100), beta=1.7),
    "noisy, may abstain": Acting((100, -100), failing=20.0, beta=0.8),
    "at chance": Acting((100, -100), failing=20.0, beta=0.0),
    "nearly rational": Acting((100, -100), beta=1e5),
}


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ACTING)
def test_choices_are_those_of_all_rules(kind, compiled, ragged):
    rng = np.random.default_rng(len(kind) + 100 * ragged)
    weights = random_weights(rng, len(RULES))
    scenes = scenes_of(rng, 6, 4, 9, ragged)
    found = choices(SIX, Given(RULES, weights), scenes, ACTING[kind], compiled)
    same(found, by_brute_force(RULES, weights, scenes, ACTING[kind]), scenes)


@pytest.mark.parametrize("kind", ["commit", "told of failing", "noisy, may abstain"])
@pytest.mark.parametrize("options", [1, 2, 5, 9])
def test_any_number_of_options(kind, options):
    rng = np.random.default_rng(options)
    weights = random_weights(rng, len(RULES))
    scenes = scenes_of(rng, 6, options, 7, options != 5)
    known = by_brute_force(RULES, weights, scenes, ACTING[kind])
    for compiled in (False, True):
        same(choices(SIX, Given(RULES, weights), scenes, ACTING[kind], compiled), known, scenes)


@pytest.mark.parametrize("beta", [None, 0.9])
def test_a_failure_line_that_differs_by_scene(beta):
    rng = np.random.default_rng(4)
    weights = random_weights(rng, len(RULES))
    scenes = scenes_of(rng, 6, 3, 8)
    acting = Acting((1.0, 0.0), failing=np.array([0, 1, 0.5, 2, -1, 0, 0.5, 1]), beta=beta)
    known = by_brute_force(RULES, weights, scenes, acting)
    for compiled in (False, True):
        same(choices(SIX, Given(RULES, weights), scenes, acting, compiled), known, scenes)


def test_thresholds_of_one_feature():
    space = space_of(6, 3, (0, 0, 0, 1, 1, 2))
    rules, rng = functions(space), np.random.default_rng(8)
    assert space.n_rules == len(rules)
    weights = random_weights(rng, len(rules))
    a, b = rng.random((2, 4, 11))
    columns = np.stack([a > 0.2, a > 0.5, a > 0.8, b > 0.3, b > 0.6, rng.random((4, 11)) < 0.5])
    scenes = Scenes(columns)
    for acting in (ACTING["commit"], ACTING["noisy"]):
        known = by_brute_force(rules, weights, scenes, acting)
        for compiled in (False, True):
            same(choices(space, Given(rules, weights), scenes, acting, compiled), known, scenes)


def test_four_features_a_rule():
    """325,262 rules of five features, by set and table, without the matrix."""
    space, rng = space_of(5, 4), np.random.default_rng(3)
    weights = {}
    for s in space.sizes:
        w = np.zeros((space.n_sets(s), 1 << (1 << s)))
        w[:, space.canonical(tuple(range(s)))] = 1.0
        weights[s] = w * rng.gamma(0.3, size=w.shape)
    total = sum(w.sum() for w in weights.values())
    assert space.n_rules == 325262

    class Stored:
        def block(self, s, lo, hi):
            return weights[s][lo:hi] / total

    scenes = scenes_of(rng, 5, 3, 4)
    known = {"chosen": np.zeros((3, 4)), "approved": np.zeros((3, 4))}
    for s in space.sizes:
        bits = (np.arange(1 << (1 << s))[:, None] >> np.arange(1 << s)) & 1
        for members, w in zip(space.sets(s), weights[s] / total, strict=True):
            cell = sum((scenes.columns[x].astype(int) << q for q, x in enumerate(members)), np.zeros((3, 4), int))
            approves = bits[:, cell].astype(bool)
            known["approved"] += np.tensordot(w, approves, 1)
            known["chosen"] += np.tensordot(w, acts(approves, scenes.choices, (1, 0))[:, :3], 1)
    same(choices(space, Stored(), scenes, Acting((1, 0)), True), known, scenes)


@pytest.mark.parametrize("failing", [None, 0.0, np.linspace(-1, 1, 6)])
def test_expected_reward_and_the_most_probable_rule(failing):
    rng = np.random.default_rng(11)
    weights = random_weights(rng, len(RULES))
    order = np.argsort(-weights)
    weights[order[1:3]] = weights[order[0]] * (1 - 1e-12)  # tied
    weights /= weights.sum()
    scenes = scenes_of(rng, 6, 3, 6, True)
    approves, there = approvals(RULES, scenes.columns), scenes.choices
    acting = Acting((1.0, -1.0), failing)
    given = Given(RULES, weights)
    tied = np.zeros(len(RULES))
    tied[order[:3]] = 1 / 3
    for compiled in (False, True):
        found = choices(SIX, MostProbableRules(SIX, given), scenes, acting, compiled)
        same(found, by_brute_force(RULES, tied, scenes, acting), scenes)
    mean = np.where(there, np.tensordot(weights, np.where(approves, 1.0, -1.0), 1), -np.inf)
    rows = mean if failing is None else np.vstack([mean, np.broadcast_to(failing, (1, 6))])
    best = (rows >= rows.max(axis=0) - 1e-9) & np.isfinite(rows)
    found = expected(choices(SIX, given, scenes, acting).approved, scenes, (1.0, -1.0), failing)
    np.testing.assert_allclose(found, (best / np.maximum(best.sum(axis=0), 1))[:3], **TIGHT)
