"""Risk, the limit of endless training and feature dependence, against the matrix of all rules."""

import numpy as np
import pytest
from rule_cases import NAMES, TIGHT, Case, case_of
from rule_oracle import Given, acts, approvals, functions, matrix, random_weights, space_of, worse

from reward_hypotheses.models.rule_space.outcomes import choices as module
from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.choices import choices, expected
from reward_hypotheses.models.rule_space.outcomes.dependence import dependence_by_feature
from reward_hypotheses.models.rule_space.outcomes.limit import limit
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes, risk
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
from reward_hypotheses.models.rule_space.outcomes.silence import rules_equivalent_to, silent_classes


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_risk_is_that_of_the_matrix(name, compiled):
    case = case_of(name)
    agent = choices(case.space, case.agent, case.scenes, case.acting, compiled)
    judge = choices(case.space, case.judge, case.scenes, case.acting, compiled)
    found = risk(agent.chosen, judge, case.scenes, case.stakes, case.acting)
    np.testing.assert_allclose(found.mean, case.w @ case.matrix @ case.v, **TIGHT)
    np.testing.assert_allclose(found.own, np.diag(case.matrix) @ case.v, **TIGHT)
    options, share = case.scenes.shape[0], case.scenes.share
    chosen, bad = np.tensordot(case.w, case.chosen, 1), np.tensordot(case.v, case.bad, 1)
    np.testing.assert_allclose(found.by_scene, (chosen[:options] * bad).sum(axis=0), **TIGHT)
    np.testing.assert_allclose(found.abstained, chosen[options] @ share, **TIGHT)
    real = case.scenes.choices
    least = np.where(real, bad, np.inf).min(axis=0)
    np.testing.assert_allclose(found.floor, np.where(np.isfinite(least), least, 0.0) @ share, **TIGHT)
    rewards = np.where(case.approves, *map(float, case.acting.reward))
    line = np.broadcast_to(case.stakes.line, len(share))
    best = case.v @ np.maximum(np.where(real, rewards, -np.inf).max(axis=1), line)
    achieved = (chosen[:options] * real * np.tensordot(case.v, rewards, 1)).sum(axis=0) + chosen[options] * line
    np.testing.assert_allclose(found.regret, (best - achieved) @ share, rtol=0, atol=1e-10)


def test_an_agent_of_mean_rewards():
    case = case_of("of five")
    judge = choices(case.space, case.judge, case.scenes, case.acting)
    agent = choices(case.space, case.agent, case.scenes, case.acting)
    chosen = expected(agent.approved, case.scenes, case.acting.reward, None)
    found = risk(chosen, judge, case.scenes, case.stakes, case.acting, draws_one=False)
    by_hand = (chosen * np.tensordot(case.v, case.bad, 1)).sum(axis=0) @ case.scenes.share
    np.testing.assert_allclose(found.mean, by_hand, **TIGHT)
    assert np.isnan(found.own)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_what_endless_training_leaves(name, compiled):
    case = case_of(name)
    total, alone = case.endless()
    classes = silent_classes(case.space, case.agent, case.judge, case.items, compiled=compiled)
    found = limit(classes, case.scenes, case.acting, case.stakes, compiled=compiled)
    np.testing.assert_allclose([found.mean, found.alone], [total, alone], **TIGHT)
    assert found.mcse == found.rest == 0 and found.lower == found.mean
    np.testing.assert_allclose(found.upper, total, **TIGHT)


def test_classes_are_those_of_the_labels():
    case = case_of("commit")
    which = case.classes()
    for compiled in (False, True):
        classes = silent_classes(case.space, case.agent, case.judge, case.items, compiled=compiled)
        index = {rule: h for h, rule in enumerate(case.rules)}
        members = classes.rules.members(case.space)
        rows = zip(members, classes.rules.size, classes.rules.table, strict=True)
        named = np.array([index[tuple(m[:s].tolist()), int(f)] for m, s, f in rows])
        held = (case.w > 0) | (case.v > 0)
        assert sorted(named) == np.flatnonzero(held).tolist()
        np.testing.assert_array_equal(classes.agent, case.w[named])
        assert len(classes) == len(np.unique(which[held]))
        for c in range(len(classes)):
            inside = named[classes.members(c)]
            assert len(np.unique(which[inside])) == 1
        mass = classes.mass(classes.judge)
        assert np.all(np.diff(mass) <= 0)
        np.testing.assert_allclose(mass, np.sort(np.bincount(which, case.v)[np.unique(which[held])])[::-1], **TIGHT)
        np.testing.assert_array_equal(classes.rules.approve(case.space, case.items), case.labels[named])


@pytest.mark.parametrize("name", ["commit", "of five", "abstains", "noisy", "by scene"])
def test_light_classes_are_drawn_or_bounded(name):
    case = case_of(name)
    total, alone = case.endless()
    classes = silent_classes(case.space, case.agent, case.judge, case.items)
    budget = 300.0 * case.scenes.shape[0] * case.scenes.shape[1]
    drawn = limit(classes, case.scenes, case.acting, case.stakes, budget=budget, draws=20_000, seed=1)
    assert 0 < drawn.rest < 1 and 0 < drawn.mcse < 0.01
    assert abs(drawn.mean - total) < 4 * drawn.mcse and abs(drawn.alone - alone) <= 4 * drawn.mcse_alone
    assert drawn.by_groups(np.full(20, 0.05)) == pytest.approx((drawn.mean, drawn.alone), abs=1e-12)
    rng = np.random.default_rng(5)
    moved = [drawn.by_groups(rng.multinomial(20, np.full(20, 0.05)) / 20)[0] for _ in range(2000)]
    assert 0.4 < np.std(moved) / drawn.mcse < 1.8 if drawn.mcse > 0 else np.std(moved) == 0
    bounds = limit(classes, case.scenes, case.acting, case.stakes, budget=budget, draws=0)
    assert bounds.lower == bounds.mean <= total <= bounds.upper and bounds.mcse == 0
    assert (bounds.lower, bounds.upper) == (drawn.lower, drawn.upper)


def test_rules_that_are_not_held_widen_the_bounds():
    case = Case(1, 4, (100, -100), 0.0)
    tilted = np.random.default_rng(0).random(len(case.rules)) * case.v**4
    case.w, case.v = (x / x.sum() for x in (tilted, case.v**4))
    case.agent, case.judge = Given(case.rules, case.w), Given(case.rules, case.v)
    total, _ = case.endless()
    classes = silent_classes(case.space, case.agent, case.judge, case.items, most=1000)
    assert len(classes.rules) <= 1000 and min(classes.dropped) > 0
    np.testing.assert_allclose(classes.agent.sum() + classes.dropped[0], 1.0, **TIGHT)
    np.testing.assert_allclose(classes.judge.sum() + classes.dropped[1], 1.0, **TIGHT)
    found = limit(classes, case.scenes, case.acting, case.stakes)
    assert found.lower < total < found.upper < found.lower + 0.05


def test_rules_equivalent_to_one():
    case = case_of("commit")
    which = case.classes()
    for h in (0, 700, 2000):
        members, table = case.rules[h]
        of = rules_equivalent_to(case.space, case.judge, case.items, len(members), case.space.place(members), table)
        alike = np.flatnonzero((which == which[h]) & (case.v > 0))
        assert len(of[0]) == len(alike)
        np.testing.assert_allclose(of[1], np.sort(case.v[alike])[::-1], **TIGHT)
        assert np.all(of[0].approve(case.space, case.items) == case.labels[h])


@pytest.mark.parametrize("name", ["commit", "of five", "of nine", "abstains", "noisy", "by scene"])
def test_dependence_on_features(name):
    case = case_of(name)
    reads = np.array([[x in members for x in range(len(case.space.literals))] for members, _ in case.rules])
    for compiled in (False, True):
        found = dependence_by_feature(
            case.space, case.agent, case.judge, case.scenes, case.acting, case.stakes, compiled
        )
        for x in range(len(case.space.literals)):
            w, v = (np.stack([z * ~reads[:, x], z * reads[:, x]]) for z in (case.w, case.v))
            parts = w @ case.matrix @ v.T
            got = [[found.neither[x], found.truth_alone[x]], [found.agent_alone[x], found.both[x]]]
            np.testing.assert_allclose(got, parts, **TIGHT)
            np.testing.assert_allclose(found.read_by_agent[x], w[1].sum(), **TIGHT)


def test_two_thresholds_of_a_feature_count_once():
    space = space_of(4, 3, (0, 0, 1, 2))
    rules, rng = functions(space), np.random.default_rng(5)
    a = rng.random((3, 12))
    scenes = Scenes(np.stack([a > 0.3, a > 0.6, *(rng.random((2, 3, 12)) < 0.5)]))
    w = random_weights(rng, len(rules))
    of = approvals(rules, scenes.columns)
    c = matrix(acts(of, scenes.choices, (1, 0))[:, :3], worse(of, scenes.choices, (1, 0), 0.5), scenes.share)
    reads = np.array([[any(space.feature[x] == f for x in members) for f in range(3)] for members, _ in rules])
    given = Given(rules, w)
    found = dependence_by_feature(space, given, given, scenes, Acting((1, 0)), Stakes((1, 0), 0.5))
    for f in range(3):
        np.testing.assert_allclose(found.agent_alone[f], (w * reads[:, f]) @ c @ (w * ~reads[:, f]), **TIGHT)


def test_many_scenes_and_sets_are_taken_in_turn(monkeypatch):
    """Blocks of scenes and sets, several batches, and compiled loops give what numpy gives."""
    space, rng = space_of(18, 2), np.random.default_rng(2)
    rules = functions(space)
    agent, judge = (Given(rules, random_weights(rng, len(rules))) for _ in range(2))
    available = np.ones((3, 1700), bool)
    available[2, ::3] = False
    scenes = Scenes(rng.random((18, 3, 1700)) < 0.5, available, weights=rng.gamma(1.0, size=1700))
    acting, stakes = Acting((1, 0)), Stakes((1, 0), 0.5)
    classes = silent_classes(space, agent, judge, rng.random((18, 9)) < 0.5)

    def everything(compiled):
        found = choices(space, agent, scenes, acting, compiled)
        by_feature = dependence_by_feature(space, agent, judge, scenes, acting, stakes, compiled)
        left = limit(classes, scenes, acting, stakes, compiled=compiled)
        rows = [found.chosen, found.approved, found.none, found.follows, by_feature.agent_alone, left.by_class[:, 0]]
        return np.concatenate([np.ravel(row) for row in rows])

    known = everything(False)
    monkeypatch.setattr(module, "threads", lambda: 1)
    np.testing.assert_allclose(everything(True), known, **TIGHT)
    monkeypatch.setattr(module, "BYTES", 400_000)
    monkeypatch.setattr(module, "NUMBERS", 160)
    np.testing.assert_allclose(everything(True), known, **TIGHT)
