"""Counts, evidence and weights of rules against enumeration of functions."""

import itertools
import math

import numpy as np
import pytest
from mpmath import mp
from rule_studies import boolean, rng_of_now

import reward_hypotheses as rh
from reward_hypotheses.data import numerics
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.expressions.parser import parse
from reward_hypotheses.models.inference.special import log_incomplete_beta
from reward_hypotheses.models.priors.languages import LANGUAGES, StatedCosts
from reward_hypotheses.models.rule_space.counts import count_cells
from reward_hypotheses.models.rule_space.evidence import label_evidence
from reward_hypotheses.models.rule_space.prior import feature_sets_prior, simplicity_prior, uniform_prior
from reward_hypotheses.models.rule_space.space import RuleSpace
from reward_hypotheses.models.rule_space.weights import RuleWeights


def thresholds(features, cuts, at_most):
    names = tuple(f"r{f} > {c}" for f in range(features) for c in range(cuts))
    return RuleSpace(names, at_most, tuple(f for f in range(features) for _ in range(cuts)))


def all_rules(space):
    """(size, place, table) of every rule, in order."""
    for s in space.sizes:
        layouts, which = space.kinds(s)
        for place, layout in enumerate(which.tolist()):
            yield from ((s, place, table) for table in space.canonical(layouts[layout]).tolist())


def all_values(space, columns):
    """Values of every rule on items: (rule, item)."""
    out = []
    for s in space.sizes:
        layouts, which = space.kinds(s)
        for members, layout in zip(space.sets(s), which.tolist(), strict=True):
            cell = (columns[members].astype(np.int64) << np.arange(s)[:, None]).sum(axis=0)
            out.append(space.canonical(layouts[layout])[:, None] >> cell & 1)
    return np.concatenate(out).astype(bool)


def all_weights(weights):
    """Weights of every rule in order, from the blocks; nothing lies elsewhere."""
    space, out = weights.space, []
    for s in space.sizes:
        layouts, which = space.kinds(s)
        block = weights.block(s, 0, space.n_sets(s))
        for row, layout in zip(block, which.tolist(), strict=True):
            out.append(row[space.canonical(layouts[layout])])
            assert not np.delete(row, space.canonical(layouts[layout])).any()
    return np.concatenate(out)


def log_evidence(wrong, n, noise):
    if isinstance(noise, tuple):
        a, b = noise
        return log_incomplete_beta(0.5, a + wrong, b + n - wrong) - log_incomplete_beta(0.5, a, b)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(wrong > 0, wrong * np.log(noise), 0.0) + (n - wrong) * np.log1p(-noise)


def check(weights, log_prior, values, data):
    """Weights, masses, normaliser and the heaviest rules against all rules one by one."""
    space = weights.space
    log = log_prior - np.log(np.exp(log_prior).sum())
    for labels, counts, noise in data:
        log = log + log_evidence((values ^ labels) @ counts.astype(float), float(counts.sum()), noise)
    total = np.log(np.exp(log - log.max()).sum()) + log.max()
    expected = np.exp(log - total)
    ours = all_weights(weights)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-13)
    assert weights.log_normaliser == pytest.approx(total, rel=1e-12, abs=1e-10)
    rules = list(all_rules(space))
    masses = {s: np.zeros(space.n_sets(s)) for s in space.sizes}
    for (s, place, _), weight in zip(rules, expected.tolist(), strict=True):
        masses[s][place] += weight
    for s in space.sizes:
        np.testing.assert_allclose(weights.set_mass(s), masses[s], rtol=1e-9, atol=1e-13)
    behind = np.round(log.max() - log, 7)
    order = sorted(np.flatnonzero(log > -np.inf).tolist(), key=lambda r: (behind[r], r))
    top = weights.top(50)
    assert [rule[:3] for rule in top] == [rules[r] for r in order[:50]]
    assert [rule.weight for rule in top] == pytest.approx([weights.weight(*rule[:3]) for rule in top], rel=1e-11)


@pytest.mark.parametrize("n", [0, 1, 50, 200])
def test_weights_of_all_functions_of_three_of_six_features(n):
    rng = rng_of_now()
    space = boolean(6, 3)
    columns = rng.random((6, n)) < rng.random((6, 1))
    labels = (columns[0] & ~columns[1] | columns[2]) ^ (rng.random(n) < 0.1)
    counts = rng.integers(1, rng.choice([2, 1000]), n)
    noise = (float(rng.uniform(0.3, 3)), float(rng.uniform(0.3, 30)))
    values = all_values(space, columns)
    prior = uniform_prior(space)
    weights = RuleWeights(space, prior, [(count_cells(space, columns, labels, counts), noise)])
    check(weights, np.zeros(4524), values, [(labels, counts, noise)])


@pytest.mark.parametrize("noise", [0.07, 0.0])
def test_weights_under_known_noise(noise):
    rng = rng_of_now()
    space = boolean(5, 3)
    columns = rng.random((5, 80)) < 0.5
    labels = columns[1] == (columns[2] & columns[4])
    weights = RuleWeights(space, uniform_prior(space), [(count_cells(space, columns, labels), noise)])
    check(weights, np.zeros(space.n_rules), all_values(space, columns), [(labels, np.ones(80, int), noise)])


def test_weights_of_thresholds_and_two_feedbacks():
    rng = rng_of_now()
    space = thresholds(3, 3, 3)
    prior = feature_sets_prior(space, {0: 8.0})
    log_prior = np.concatenate(
        [
            prior.rows(s, [place])[0, space.canonical(space.layout(space.members(s, place)))]
            for s in space.sizes
            for place in range(space.n_sets(s))
        ]
    )
    data, given, values = [], [], []
    for n, noise in ((60, (1.0, 9.0)), (40, (2.0, 5.0))):
        level = rng.integers(0, 4, (3, n))
        columns = (level[:, None] > np.arange(3)[:, None]).reshape(9, n)
        labels = ((level[0] > 1) & (level[2] < 3)) ^ (rng.random(n) < 0.1)
        counts = rng.integers(1, 4, n)
        given.append((count_cells(space, columns, labels, counts), noise))
        data.append((labels, counts, noise))
        values.append(all_values(space, columns))
    wrong = [(v ^ labels) @ counts for v, (labels, counts, _) in zip(values, data, strict=True)]
    assert len(values[0]) == 8036
    weights = RuleWeights(space, prior, given)
    log = log_prior + sum(
        log_evidence(k.astype(float), float(counts.sum()), noise)
        for k, (_, counts, noise) in zip(wrong, data, strict=True)
    )
    expected = np.exp(log - log.max())
    np.testing.assert_allclose(all_weights(weights), expected / expected.sum(), rtol=1e-9, atol=1e-13)
    one = RuleWeights(space, prior, given[:1])
    check(one, log_prior, values[0], data[:1])


def test_weights_of_all_functions_of_four_of_five_features():
    """325,262 functions, listed as tables of five features: of each 4 features every table, each function once."""
    rng = rng_of_now()
    space = boolean(5, 4)
    cells = np.array(list(itertools.product((False, True), repeat=5))).T
    functions = np.zeros(0, np.int64)
    for chosen in itertools.combinations(range(5), 4):
        place = (cells[list(chosen)] << np.arange(4)[:, None]).sum(axis=0)
        functions = np.union1d(functions, ((np.arange(65536)[:, None] >> place & 1) << np.arange(32)).sum(axis=1))
    assert len(functions) == 325_262
    columns = rng.random((5, 70)) < 0.5
    labels = (columns.sum(axis=0) % 2 == 1) ^ (rng.random(70) < 0.1)
    of_cell = [np.flatnonzero((columns == cell[:, None]).all(axis=0)) for cell in cells.T]
    wrong = np.zeros(len(functions))
    for c, items in enumerate(of_cell):
        true = int(labels[items].sum())
        wrong += np.where(functions >> c & 1, len(items) - true, true)
    log = log_evidence(wrong, 70.0, (1.0, 19.0))
    expected = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    weights = RuleWeights(space, uniform_prior(space), [(count_cells(space, columns, labels), (1.0, 19.0))])
    ours, names = [], []
    for s in space.sizes:
        block = weights.block(s, 0, space.n_sets(s))
        for members, row in zip(space.sets(s), block, strict=True):
            tables = space.canonical(tuple(range(s)))
            place = (cells[members] << np.arange(s)[:, None]).sum(axis=0)
            names.append(((tables[:, None] >> place & 1) << np.arange(32)).sum(axis=1))
            ours.append(row[tables])
    names, ours = np.concatenate(names), np.concatenate(ours)
    assert (np.sort(names) == functions).all()
    np.testing.assert_allclose(ours, expected[np.searchsorted(functions, names)], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(("n_literals", "at_most", "n"), [(7, 3, 1000), (6, 4, 64), (3, 2, 5), (1, 3, 130), (4, 1, 0)])
def test_counts_of_cells(n_literals, at_most, n):
    rng = rng_of_now()
    space = boolean(n_literals, at_most)
    columns, labels = rng.random((n_literals, n)) < 0.4, rng.random(n) < 0.3
    counts = rng.integers(0, 10**6, n)
    for of_label, of_count in itertools.product((None, labels), (None, counts)):
        ours = count_cells(space, columns, of_label, of_count, compiled=False)
        compiled = count_cells(space, columns, of_label, of_count, compiled=True)
        each = (np.ones(n, int) if of_count is None else counts) * (1 if of_label is None else 1 - 2 * labels)
        for s in space.sizes:
            for members, got in zip(space.sets(s), ours.cells[s], strict=True):
                cell = (columns[members] << np.arange(s)[:, None]).sum(axis=0)
                assert got.tolist() == [int(each[cell == c].sum()) for c in range(2**s)]
            assert (ours.cells[s] == compiled.cells[s]).all()
        assert ours.n_items == compiled.n_items == (n if of_count is None else counts.sum())
        assert ours.n_true == (
            0 if of_label is None else (np.ones(n, int) if of_count is None else counts)[labels].sum()
        )


def test_counts_of_parts_add_and_threads_do_not_matter(monkeypatch):
    rng = rng_of_now()
    space = boolean(5, 3)
    columns, labels = rng.random((5, 400_000)) < 0.4, rng.random(400_000) < 0.3
    whole, weights = {}, {}
    for n in (1, 4):
        monkeypatch.setattr(numerics.os, "cpu_count", lambda n=n: n)
        whole[n] = count_cells(space, columns, labels, compiled=True)
        weights[n] = RuleWeights(space, uniform_prior(space), [(whole[n], (1.0, 19.0))])
    parts = [count_cells(space, columns[:, i], labels[i]) for i in (slice(0, 123_457), slice(123_457, None))]
    added = parts[0] + parts[1]
    for s in space.sizes:
        assert (whole[1].cells[s] == whole[4].cells[s]).all() and (whole[1].cells[s] == added.cells[s]).all()
        assert (weights[1].block(s, 0, 5) == weights[4].block(s, 0, 5)).all()
    assert (added.n_true, added.n_items) == (whole[1].n_true, 400_000)


def test_evidence_of_labels():
    rng = rng_of_now()
    mp.dps = 40
    for n in (1, 7, 300):
        a, b = (float(x) for x in rng.uniform(0.2, 5, 2))
        first = int(rng.integers(0, n))
        evidence = label_evidence((a, b), n, first, n, within=math.inf)
        assert not evidence.cut and len(evidence.relative) == n - first + 1
        exact = [mp.log(mp.betainc(a + k, b + n - k, 0, 0.5)) for k in range(first, n + 1, max(1, n // 40))]
        got = evidence.beyond(np.arange(first, n + 1, max(1, n // 40)) - first)
        np.testing.assert_allclose(got, [float(x - exact[0]) for x in exact], rtol=1e-13, atol=1e-13)
        assert evidence.first == pytest.approx(float(exact[0] - mp.log(mp.betainc(a, b, 0, 0.5))), rel=1e-12)


def test_evidence_of_a_million_labels():
    """The table ends 800 nats below its first entry, and its steps keep their digits."""
    a, b, n = 1.5, 19.0, 1_000_000
    evidence = label_evidence((a, b), n, 50_000, n)
    assert evidence.cut and len(evidence.relative) < 1000 and evidence.end == 50_000 + len(evidence.relative) - 1
    k = np.arange(50_000, 50_200)
    # far above k / n = 1/20 the cut at 1/2 is out of sight: I_{k+1} / I_k = (a + k) / (b + n - k - 1)
    steps = np.log((a + k[:-1]) / (b + n - k[:-1] - 1))
    np.testing.assert_allclose(np.diff(evidence.beyond(k - 50_000)), steps, rtol=0, atol=3e-13)
    assert evidence.first == pytest.approx(float(log_evidence(50_000.0, float(n), (a, b))), rel=1e-13)
    # where half of the labels are wrong the cut is all: the integral over 1/2 - 30 standard deviations to 1/2
    k = [499_900, 499_950, 500_000, 500_300]
    half = label_evidence((a, b), n, k[0], k[-1])
    mp.dps = 30
    steps = [mp.mpf(1) / 2 - mp.mpf(i) / 4000 for i in range(60, -1, -3)]
    exact = [
        mp.log(mp.quad(lambda t, j=j: mp.exp((a + j - 1) * mp.log(2 * t) + (b + n - j - 1) * mp.log(2 - 2 * t)), steps))
        for j in k
    ]
    np.testing.assert_allclose(
        half.beyond(np.array(k) - k[0]), [float(x - exact[0]) for x in exact], rtol=0, atol=2e-12
    )


def test_feedbacks_that_contradict_each_other():
    """Each feedback's best rule is thousands of nats from the best in the other, and both tables reach far enough."""
    rng = rng_of_now()
    space = boolean(3, 2)
    columns = rng.random((3, 5000)) < 0.5
    data = [(columns[0], np.ones(5000, int), (1.0, 19.0)), (~columns[0], np.full(5000, 2), (2.0, 9.0))]
    given = [(count_cells(space, columns, labels, counts), noise) for labels, counts, noise in data]
    weights = RuleWeights(space, uniform_prior(space), given)
    values = all_values(space, columns)
    log = sum(
        log_evidence((values ^ labels) @ counts.astype(float), float(counts.sum()), noise)
        for labels, counts, noise in data
    )
    expected = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    np.testing.assert_allclose(all_weights(weights), expected, rtol=1e-9, atol=1e-13)


def test_a_prior_that_outweighs_800_nats_of_evidence():
    """The rule without wrong labels costs 1,887 nats more than others, which as much evidence speaks against."""
    space = boolean(3, 2)
    columns = np.random.default_rng(1).random((3, 2700)) < 0.5
    language = StatedCosts("mine", {"x0": 2722.0})
    prior = simplicity_prior(space, language)
    weights = RuleWeights(space, prior, [(count_cells(space, columns, columns[0]), (1.0, 19.0))])
    values = all_values(space, columns)
    bits = language.bits([parse(space.expression(space.members(s, p), f)) for s, p, f in all_rules(space)], ())
    log = -np.log(2) * bits + log_evidence((values ^ columns[0]).sum(axis=1).astype(float), 2700.0, (1.0, 19.0))
    expected = np.exp(log - log.max()) / np.exp(log - log.max()).sum()
    assert len(np.flatnonzero(expected > 1e-6)) > 2
    np.testing.assert_allclose(all_weights(weights), expected, rtol=1e-9, atol=1e-13)


def test_equal_weights_are_equal_floats_and_in_order():
    space = boolean(8, 3)
    top = RuleWeights(space, uniform_prior(space)).top(700)
    assert [rule[:3] for rule in top] == list(itertools.islice(all_rules(space), 700))
    assert len({rule.weight for rule in top}) == 1 and top[0].weight == pytest.approx(1 / space.n_rules, rel=1e-13)
    assert len(RuleWeights(boolean(2, 2), uniform_prior(boolean(2, 2))).top(100)) == 16


def test_any_number_of_heaviest_rules_where_many_tie():
    rng = rng_of_now()
    space = boolean(7, 2)
    rules = list(all_rules(space))
    for _ in range(20):
        columns, labels = rng.random((7, 12)) < 0.5, rng.random(12) < 0.5
        weights = RuleWeights(space, uniform_prior(space), [(count_cells(space, columns, labels), (1.0, 4.0))])
        wrong = (all_values(space, columns) ^ labels).sum(axis=1)
        order = sorted(range(len(rules)), key=lambda r: (wrong[r], r))
        for n in (1, 2, 3, 5, 8, 13, 21, 34, 55):
            assert [rule[:3] for rule in weights.top(n)] == [rules[r] for r in order[:n]]


def test_rules_too_light_for_a_float_are_ordered():
    """With many labels the second rule's weight is below the least float, and still it is the second."""
    rng = rng_of_now()
    space = boolean(4, 2)
    columns = rng.random((4, 20_000)) < 0.5
    labels = columns[0] & columns[1]
    weights = RuleWeights(space, uniform_prior(space), [(count_cells(space, columns, labels), (1.0, 19.0))])
    top = weights.top(space.n_rules)
    wrong = (all_values(space, columns) ^ labels).sum(axis=1)
    rules = list(all_rules(space))
    assert len(top) == len(rules)
    order = sorted(range(len(rules)), key=lambda r: (wrong[r], r))
    assert [rule[:3] for rule in top[:40]] == [rules[r] for r in order[:40]]
    assert top[0].weight == 1.0 and top[1].weight == 0.0


def test_labels_that_no_rule_explains():
    space = boolean(2, 2)
    columns, labels = np.array([[True, True], [False, False]]), np.array([True, False])
    with pytest.raises(InputError, match="no rule of the space explains every label"):
        RuleWeights(space, uniform_prior(space), [(count_cells(space, columns, labels), 0.0)])


def test_weights_are_those_of_fit():
    """Every rule of a flag and two depths, as named hypotheses of `rh.fit`."""
    rng = np.random.default_rng(8)
    table = {"flags": rng.random(60) < 0.5, "depth": rng.uniform(0, 3, 60)}
    table["is_pad"] = (table["flags"] & (table["depth"] < 2)) ^ (rng.random(60) < 0.05)
    space = RuleSpace(("flags", "depth > 1", "depth > 2"), 3, (0, 1, 1))
    columns = np.array([table["flags"], table["depth"] > 1, table["depth"] > 2])
    prior = simplicity_prior(space, LANGUAGES["rules"])
    weights = RuleWeights(space, prior, [(count_cells(space, columns, table["is_pad"]), (1.0, 19.0))])
    named = {
        space.expression(space.members(s, place), f): weights.weight(s, place, f) for s, place, f in all_rules(space)
    }
    hypotheses = {name: f"where({name}, 100, -100)" for name in named}
    labels = rh.Labels(table, "is_pad", noise=(1, 19))
    tree = rh.fit(hypotheses, rh.Simplicity("rules", source="a test"), [labels], fail_utility=0, random_seed=1)
    fitted = np.exp(tree["evidence"]["log_posterior"].to_numpy())
    np.testing.assert_allclose(list(named.values()), fitted, rtol=1e-10, atol=1e-14)
    evidence = tree["evidence"]["log_evidence"].to_numpy() + tree["evidence"]["log_prior"].to_numpy()
    assert weights.log_normaliser == pytest.approx(np.log(np.exp(evidence).sum()), rel=1e-12)
