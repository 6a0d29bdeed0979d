"""Feedback: one conformance test for all kinds, then what each promises."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.feedback.kinds.labels import largest_rate
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.nuisance_priors import beta_below_half
from reward_hypotheses.models.inference.special import log_beta, log_incomplete_beta, regularized_gamma_q
from reward_hypotheses.models.weights.weigh import weigh

RNG = np.random.default_rng(0)
DATA = {
    "red": RNG.random(60) < 0.5,
    "slope": RNG.normal(size=60).round(2),
    "depth": RNG.normal(size=60).round(2),
}
DATA["flags"] = DATA["red"]
DATA["good"] = DATA["red"] ^ (RNG.random(60) < 0.1)
DATA["seen"] = np.where(DATA["red"], 3.0, -1.0) + RNG.normal(size=60)
TEXTS = {
    "red": "where(red, 3, -1)",
    "flags": "where(flags, 3, -1)",
    "slope": "slope",
    "mix": "where(red, 2, 0) - depth",
}
LINE = stated_line(0.0, list(TEXTS))
KINDS = [
    lambda data: rh.Labels(data, "good", noise=(1, 19)),
    lambda data: rh.Labels(data, "good", noise=0.1),
    lambda data: rh.Rewards(data, "seen", sigma2=(2, 1)),
]


def evidence(make, data=DATA, texts=TEXTS, line=LINE):
    feedback = make(data)
    hypotheses = hypotheses_of(texts)
    return feedback.evidence(Valuation(hypotheses, feedback.items, line, for_labels=True))


@pytest.mark.parametrize("make", KINDS)
def test_conformance(make):
    found = evidence(make)
    assert found.log_evidence.shape == found.classes.shape == (4,)
    assert found.n_items == 60
    assert found.classes[0] == found.classes[1] and found.log_evidence[0] == found.log_evidence[1]
    assert len(set(found.classes.tolist())) == 3
    assert np.isfinite(found.log_evidence).all()
    order = RNG.permutation(60)
    permuted = evidence(make, {k: v[order] for k, v in DATA.items()})
    np.testing.assert_allclose(permuted.log_evidence, found.log_evidence, rtol=1e-12)
    # one item more that nobody commented on, dropped
    more = {k: np.append(v.astype(object), [np.nan if k in ("good", "seen") else v[0]]) for k, v in DATA.items()}
    kind = make(DATA)
    options = {"noise": kind.noise} if isinstance(kind, rh.Labels) else {"sigma2": kind.sigma2}
    dropping = type(kind)(as_table(more), kind.column, missing="drop", **options)
    assert dropping.dropped == 1 and dropping.items.n_items == 60
    with pytest.raises(InputError, match="missing"):
        _ = make(more).observed
    hypotheses = hypotheses_of(TEXTS)
    valuation = Valuation(hypotheses, kind.items, LINE)
    check = kind.check(valuation, found, np.full(4, 0.25), np.random.default_rng(1))
    assert 0 <= check.p <= 1 and check.mcse > 0 and check.replications == 1000


@pytest.mark.parametrize("make", KINDS)
def test_several_feedbacks_add_in_log_space(make):
    one = evidence(make).log_evidence
    hypotheses = hypotheses_of(TEXTS)
    two = weigh(hypotheses, rh.Uniform("x"), named([make(DATA), make(DATA)]), LINE)
    np.testing.assert_allclose(two.log_evidence, 2 * one, rtol=1e-14)
    assert [f.name for f in two.feedback] == [two.feedback[0].kind, two.feedback[0].kind + "_2"]


@pytest.mark.parametrize("n", [1, 2, 3, 7, *range(10, 4000, 10)][:400])
def test_ties_are_exact(n):
    """Silent hypotheses have a Bayes factor of exactly 1 and, under equal priors, exactly equal weights."""
    rng = np.random.default_rng(n)
    red = rng.random(n) < 0.5
    data = {"red": red, "flags": red, "y": red ^ (rng.random(n) < 0.2), "r": np.where(red, 0.1 + 0.2, -0.7)}
    texts = {
        "a": "where(red, 0.3, -0.7)",
        "b": "where(flags, 0.1 + 0.2, -0.7)",
        "c": "where(~flags, -7, 3) / 10",
        "other": "where(red, -1, 1)",
    }
    for make in (
        lambda d: rh.Labels(d, "y", noise=(1, 19)),
        lambda d: rh.Rewards(d, "r", sigma2=(2, 0.1)),
    ):
        found = evidence(make, data, texts, stated_line(0.0, list(texts)))
        assert found.classes[0] == found.classes[1] == found.classes[2] != found.classes[3]
        assert found.log_evidence[0] == found.log_evidence[1] == found.log_evidence[2]
        posterior = weigh(hypotheses_of(texts), rh.Uniform("x"), [make(data)], stated_line(0.0, list(texts)))
        assert posterior.weights[0] == posterior.weights[1] == posterior.weights[2]


@pytest.mark.parametrize(("a", "b"), [(1, 19), (0.5, 0.5), (3, 2), (50, 1), (0.01, 7.5)])
@pytest.mark.parametrize("n", [0, 1, 7, 100, 1000])
def test_labels_evidence(a, b, n):
    for k in sorted({0, n // 20, n // 3, n // 2, (2 * n) // 3, n}):
        want = oracles.labels_evidence_mp(k, n, a, b)
        got = float(log_incomplete_beta(0.5, a + k, b + n - k) - log_incomplete_beta(0.5, a, b))
        assert got == pytest.approx(float(want), rel=1e-13, abs=1e-12), (k, n)


@pytest.mark.parametrize("n", [10**5, 10**7])
def test_labels_evidence_of_very_many(n):
    for share in (0, 1e-4, 0.05, 0.3, 0.4999, 0.5, 0.5001, 0.7, 0.95, 1):
        k = round(share * n)
        want = oracles.labels_evidence_mp(k, n, 1, 19)
        got = float(log_incomplete_beta(0.5, 1 + k, 19 + n - k) - log_incomplete_beta(0.5, 1, 19))
        assert got == pytest.approx(float(want), rel=1e-13), k


def test_a_rule_that_is_wrong_everywhere_does_not_win():
    """Without eps < 1/2 it would beat a rule that is right for 80 %."""
    n = 500
    whole = log_beta(1 + n, 19.0) - log_beta(1, 19)
    assert whole > log_beta(1 + n // 5, 19.0 + n - n // 5) - log_beta(1, 19)
    below = log_incomplete_beta(0.5, np.array([1.0 + n, 1 + n // 5]), np.array([19.0, 19 + n - n // 5]))
    assert below[0] < below[1] - 100


def test_fixed_noise():
    found = evidence(KINDS[1])
    wrong = found.statistics[:, 0]
    np.testing.assert_allclose(found.log_evidence, wrong * math.log(0.1) + (60 - wrong) * math.log(0.9))
    exact = evidence(lambda d: rh.Labels(d, "red", noise=0.0))
    assert exact.log_evidence[0] == 0.0 and exact.log_evidence[2] == -np.inf


def test_rewards_evidence_against_the_oracle():
    found = evidence(KINDS[2])
    hypotheses = hypotheses_of(TEXTS)
    rewards = []
    for h in range(4):
        block = next(iter(Valuation(hypotheses, as_table(DATA), LINE).blocks()))
        rewards.append([Fraction(float(x)) for x in block.reward(h)[0]])
    want = oracles.rewards_log_evidence(rewards, [Fraction(float(y)) for y in DATA["seen"]], 2, 1)
    np.testing.assert_allclose(found.log_evidence, [float(w) for w in want], rtol=1e-13)
    few = {k: v[:6] for k, v in DATA.items()}
    found = evidence(KINDS[2], few)
    rewards = [[Fraction(float(x)) for x in row[:6]] for row in rewards]
    want = oracles.rewards_log_evidence_quad(rewards, [Fraction(float(y)) for y in few["seen"]], 2, 1)
    np.testing.assert_allclose(found.log_evidence, [float(w) for w in want], rtol=1e-9)


def test_rewards_of_extreme_priors():
    mpmath.mp.dps = 60
    for a, b, squares, n in ((1e9, 1e9, 30.0, 20), (2.0, 1e-300, 1e40, 1), (1e-3, 1e140, 5.0, 3)):
        kind = rh.Rewards({"y": np.zeros(n)}, "y", sigma2=(a, b))
        got = kind.log_marginal(np.array([[squares]]), n)[0]
        ma, mb, s, h = mpmath.mpf(a), mpmath.mpf(b), mpmath.mpf(squares), mpmath.mpf(n) / 2
        want = (mpmath.loggamma(ma + h) - mpmath.loggamma(ma) + ma * mpmath.log(mb) - h * mpmath.log(2 * mpmath.pi)) - (
            ma + h
        ) * mpmath.log(mb + s / 2)
        assert got == pytest.approx(float(want), rel=1e-12)


def test_rewards_that_agree_up_to_rounding_are_one_class():
    texts = {"a": "slope", "b": "slope + 0.1 + 0.2 - 0.3", "c": "slope * (1 + 1e-7)", "d": "slope + 1e-12"}
    found = evidence(KINDS[2], texts=texts, line=stated_line(1e6, list(texts)))
    assert found.classes[0] == found.classes[1] and len(set(found.classes.tolist())) == 3


def test_large_tables_give_what_small_ones_do(monkeypatch):
    """The path that keeps a bit an item, in many blocks on several threads, against the one that keeps rewards."""
    from reward_hypotheses.models.hypotheses import valuation as module

    rng = np.random.default_rng(4)
    n = 3000
    data = {"x": rng.normal(size=n).round(1), "z": rng.integers(0, 3, n).astype(float), "y": rng.random(n) < 0.5}
    texts = {f"h{i}": f"where(x > {i / 10}, z, x) - {i % 3}" for i in range(12)} | {"tie": "x - x", "near": "1e-12 * x"}
    make = lambda d: rh.Labels(d, "y", noise=(1, 19))  # noqa: E731
    line = stated_line(0.0, list(texts))
    small = evidence(make, data, texts, line)
    monkeypatch.setattr(module, "KEEP_CELLS", 0)
    monkeypatch.setattr(module, "LEAST_ITEMS", 100)
    monkeypatch.setattr(module, "BLOCK_ITEMS", 100)
    large = evidence(make, data, texts, line)
    np.testing.assert_array_equal(small.statistics, large.statistics)
    np.testing.assert_array_equal(small.log_evidence, large.log_evidence)
    rewards = lambda d: rh.Rewards(d, "z", sigma2=(2, 1))  # noqa: E731
    np.testing.assert_allclose(
        evidence(rewards, data, texts, line).log_evidence,
        large_rewards(monkeypatch, rewards, data, texts, line),
        rtol=1e-12,
    )


def large_rewards(monkeypatch, make, data, texts, line):
    found = evidence(make, data, texts, line).log_evidence
    monkeypatch.undo()
    return found


EPS = [(1, 19), (0.3, 0.4), (0.05, 1e9), (30, 10), (500, 20), (2, 2), (12, 8), (1.2, 1.1), (5, 0.01), (1.5, 1e-9)]
EPS += [(40, 1.5), (990, 1), (980, 2.5), (1, 1e9), (1e9, 1e9), (1e9 + 3e4, 1e9), (1e9, 1e-9), (1e9, 1e6)]
EPS += [(1 + 1e6, 19), (1 + 5e5, 19 + 5e5)]  # of a million labels, all or half of them wrong


def share_below(draws, p, q):
    """The distribution function of Beta(p, q) below 1/2, by scipy, or where that underflows by its limit."""
    whole = stats.beta.cdf(0.5, p, q)
    if whole > 1e-305:
        return stats.beta.cdf(draws, p, q) / whole
    return np.exp(-2 * (p - q) * (0.5 - draws))  # to a part in p - q, for p far above q


@pytest.mark.parametrize(("p", "q"), EPS)
def test_draws_of_eps(p, q):
    """Exact draws of a beta restricted to below 1/2: Kolmogorov's test against its distribution function."""
    draws = beta_below_half(p, q, np.random.default_rng(8), (50, 400))
    assert draws.shape == (50, 400) and ((draws >= 0) & (draws < 0.5)).all()
    assert stats.kstest(share_below(draws.ravel(), p, q), "uniform").pvalue > 5e-6  # 20 cases: an alarm in 1e4 runs


def test_draws_of_eps_side_by_side():
    """Columns of all kinds at once, each with its own distribution; of a tiny shape nearly all below all floats."""
    p, q = np.array([*EPS, (1e-9, 19), (1e-9, 1e-9)], float).T
    draws = beta_below_half(p, q, np.random.default_rng(9), (5000, len(p)))
    for column, *case in list(zip(draws.T, p, q, strict=True))[: len(EPS)]:
        assert stats.kstest(share_below(column, *case), "uniform").pvalue > 5e-6, case
    assert (draws[:, len(EPS) :] > 1e-300).sum() <= 3  # 7e-7 of them are above


def test_special_functions():
    mpmath.mp.dps = 30
    rng = np.random.default_rng(0)
    for _ in range(200):
        a, x = float(10 ** rng.uniform(-2, 3)), float(10 ** rng.uniform(-3, 3))
        want = float(mpmath.gammainc(a, x, mpmath.inf, regularized=True))
        assert regularized_gamma_q(a, x) == pytest.approx(want, rel=1e-10, abs=1e-13)
    for _ in range(200):
        p, q = (float(10 ** rng.uniform(-3, 7)) for _ in range(2))
        want = float(mpmath.log(mpmath.beta(p, q)))
        assert float(log_beta(p, q)) == pytest.approx(want, rel=4e-15, abs=1e-14)
    for _ in range(100):
        x, p, q = float(rng.uniform(0.01, 0.99)), float(10 ** rng.uniform(-2, 2.5)), float(10 ** rng.uniform(-2, 2.5))
        want = float(mpmath.log(mpmath.betainc(p, q, 0, x)))
        assert float(log_incomplete_beta(x, p, q)) == pytest.approx(want, rel=1e-13, abs=1e-13)


def test_largest_rate():
    rng = np.random.default_rng(0)
    size = np.array([1] * 40 + [3] * 10 + [50] * 2 + [1000])
    eps = np.full(20_000, 0.03)
    quick = largest_rate(size, eps, rng)
    plain = np.array([(rng.binomial(size, 0.03) / size).max() for _ in range(20_000)])
    for level in (0.1, 0.34, 0.67, 1.0):
        a, b = (quick >= level - 1e-9).mean(), (plain >= level - 1e-9).mean()
        assert abs(a - b) < 5 * math.sqrt((a * (1 - a) + b * (1 - b) + 1e-4) / 20_000), level


def test_predictive_check_fails_where_eps_absorbs_misfit():
    rng = np.random.default_rng(2)
    n = 400
    red, crater = rng.random(n) < 0.5, rng.random(n) < 0.1
    data = {"red": red, "crater": crater, "y": red & ~crater}
    texts = {"red": "where(red, 1, -1)", "anything": "where(crater, 1, -1)"}
    line = stated_line(0.0, list(texts))

    def p_of(texts, data, noise=(1, 9)):
        feedback = named([rh.Labels(data, "y", noise=noise)])
        posterior = weigh(hypotheses_of(texts), rh.Uniform("x"), feedback, line)
        check = posterior.feedback[0].check(
            posterior.valuations[0], posterior.evidence[0], posterior.weights, np.random.default_rng(0)
        )
        return check

    bad = p_of(texts, data)
    assert bad.p < 0.01 and any("leading hypothesis" in m and "another hypothesis" in m for m in bad.misfit)
    good = p_of(texts, {**data, "y": red ^ (rng.random(n) < 0.05)})
    assert good.p > 0.01 and not good.misfit
    noisy = p_of(texts, {**data, "y": red ^ (rng.random(n) < 0.25)}, noise=(1, 99))
    assert any("97.5% point" in m for m in noisy.misfit)


def test_predictive_check_of_rewards():
    rng = np.random.default_rng(2)
    n = 400
    red, crater = rng.random(n) < 0.5, rng.random(n) < 0.1
    texts = {"red": "where(red, 3, -1)", "crater": "where(crater, 1, -1)"}
    line = stated_line(0.0, list(texts))
    noise = rng.normal(size=n)

    def check(seen, sigma2=(2, 2)):
        feedback = named([rh.Rewards({"red": red, "crater": crater, "seen": seen}, "seen", sigma2=sigma2)])
        posterior = weigh(hypotheses_of(texts), rh.Uniform("x"), feedback, line)
        return feedback[0].check(posterior.valuations[0], posterior.evidence[0], posterior.weights, rng)

    assert check(np.where(red, 3, -1) + noise).p > 0.01
    bad = check(np.where(red, 3, -1) - 4.0 * (red & crater) + noise)
    assert bad.p < 0.01 and any("leading hypothesis" in m and "another hypothesis" in m for m in bad.misfit)
    noisy = check(np.where(red, 3, -1) + 10 * noise, sigma2=(20, 20))
    assert any("noise variance" in m for m in noisy.misfit)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.01, 1e6), st.floats(-1e3, 1e3))
def test_units_do_not_matter_to_labels(seed, scale, shift):
    """(r, u) -> (a r + b, a u + b): what is predicted and what is catastrophic stay."""
    rng = np.random.default_rng(seed)
    data = {"x": rng.integers(-3, 4, 20).astype(float), "y": rng.random(20) < 0.5}
    plain = evidence(KINDS_Y, data, {"h": "x"}, stated_line(1.0, ["h"]))
    moved = evidence(KINDS_Y, data, {"h": f"{scale!r} * x + ({shift!r})"}, stated_line(scale * 1.0 + shift, ["h"]))
    assert plain.statistics[0, 0] == moved.statistics[0, 0]


def KINDS_Y(data):
    return rh.Labels(data, "y", noise=(1, 19))


def test_names():
    labels = [
        rh.Labels(DATA, "good", noise=0.1),
        rh.Labels(DATA, "good", noise=0.1, name="b"),
        rh.Labels(DATA, "red", noise=0.1),
    ]
    assert [f.name for f in named(labels)] == ["labels", "b", "labels_2"]
    with pytest.raises(InputError, match="stands twice"):
        named([labels[1], labels[1]])
