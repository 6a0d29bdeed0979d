"""The tool itself is checked: ranks of simulated truths, and the identity of agent and judge. Planted bugs are caught."""

import math
import random
from fractions import Fraction
from itertools import product

import numpy as np
import oracles
import pytest
from bench import calibration
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.kinds.labels import beta_below_half
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.inference.special import log_incomplete_beta
from reward_hypotheses.models.posterior import posterior_weights

N, RUNS, DRAWS = 12, 2000, 99
LABELS = rh.Labels({"y": [True]}, "y", noise=(2.0, 5.0))
PREDICTED = np.array([[i % 2 == 0 for i in range(N)], [i % 3 == 0 for i in range(N)], [i < 5 for i in range(N)]])
PRIOR = np.array([0.5, 0.3, 0.2])


def simulate(rng, log_evidence_of, eps_of):
    """Ranks of the true eps and of the true hypothesis among draws from the posterior, for truths from the prior."""
    truth = rng.choice(3, RUNS, p=PRIOR)
    eps = beta_below_half(np.full(RUNS, 2.0), np.full(RUNS, 5.0), rng)
    labels = PREDICTED[truth] ^ (rng.random((RUNS, N)) < eps[:, None])
    wrong = (PREDICTED[None] != labels[:, None, :]).sum(axis=2)  # (run, hypothesis)
    log_evidence = log_evidence_of(wrong.ravel()).reshape(wrong.shape)
    eps_rank, score = np.empty(RUNS), np.empty(RUNS)
    for run in range(RUNS):
        w = posterior_weights(PRIOR, np.log(PRIOR), log_evidence[run])
        drawn = rng.choice(3, DRAWS, p=w)
        eps_drawn = eps_of(wrong[run, drawn], rng)
        eps_rank[run] = (eps_drawn < eps[run]).sum()
        score[run] = w[truth[run]] - w @ w  # mean 0 where the weights are calibrated
    return eps_rank, score


def evidence(wrong):
    return LABELS.log_marginal(wrong[:, None].astype(float), N)


def draws(wrong, rng):
    return LABELS.eps_draws(wrong, N, rng)


def uniform_p(ranks):
    counts = np.bincount((ranks * 20 // (DRAWS + 1)).astype(int), minlength=20)
    return stats.chisquare(counts).pvalue


def score_p(score):
    return 2 * stats.norm.sf(abs(score.mean()) / (score.std() / math.sqrt(len(score))))


def test_simulation_based_calibration():
    """Ranks of eps are uniform, and the weight of the truth is what the weights expect (false alarm below 1e-4)."""
    ranks, score = simulate(np.random.default_rng(1), evidence, draws)
    assert uniform_p(ranks) > 1e-4
    assert score_p(score) > 1e-4


def test_planted_bugs_are_caught():
    def no_restriction(wrong):  # forgets eps < 1/2
        from reward_hypotheses.models.inference.special import log_beta

        return log_beta(2.0 + wrong, 5.0 + N - wrong)

    def off_by_one(wrong, rng):
        return LABELS.eps_draws(np.minimum(wrong + 1, N), N, rng)

    _, score = simulate(np.random.default_rng(1), lambda wrong: 2 * evidence(wrong), draws)  # data counted twice
    assert score_p(score) < 1e-4
    ranks, _ = simulate(np.random.default_rng(1), evidence, off_by_one)
    assert uniform_p(ranks) < 1e-4
    # without the restriction the evidence falls off more slowly with the number of wrong labels
    k = np.arange(N + 1)
    assert not np.allclose(np.diff(no_restriction(k)), np.diff(evidence(k)), atol=1e-3)


def matrix_of(seed):
    rng = random.Random(seed)
    return [[Fraction(rng.randint(0, 4), 4) for _ in range(3)] for _ in range(3)]


def identity(log_marginal, noise=(2, 5), n=6):
    """E[w'C e_h*] and E[w'C v] over every truth and every data set: equal where w = v is the posterior."""
    predicted = PREDICTED[:, :n]
    cost = np.array(matrix_of(1), float)
    left, right, mass = 0.0, 0.0, 0.0
    for labels in product([False, True], repeat=n):
        wrong = (predicted != np.array(labels)).sum(axis=1)
        true_likelihood = [
            float(oracles.labels_evidence([list(p)], list(labels), noise)[0]) for p in predicted.tolist()
        ]
        w = posterior_weights(PRIOR, np.log(PRIOR), log_marginal(wrong))
        for truth in range(3):
            chance = PRIOR[truth] * true_likelihood[truth]
            mass += chance
            left += chance * float(w @ cost[:, truth])
            right += chance * float(w @ cost @ w)
    assert mass == pytest.approx(1, abs=1e-12)
    return left, right


def test_identity_of_agent_and_judge():
    def ours(wrong):
        return LABELS.log_marginal(wrong[:, None].astype(float), 6)

    left, right = identity(ours)
    assert left == pytest.approx(right, abs=1e-13)
    exact = oracles.identity_sides(
        [Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)], 6, [p[:6] for p in PREDICTED.tolist()], (2, 5), matrix_of(1)
    )
    assert left == pytest.approx(float(exact[0]), abs=1e-13) and right == pytest.approx(float(exact[1]), abs=1e-13)
    left, right = identity(lambda wrong: 1.1 * ours(wrong))  # a planted bug
    assert abs(left - right) > 1e-4
    left, right = identity(lambda wrong: log_incomplete_beta(0.5, 2.0 + wrong, 6.0 + 6 - wrong))  # n + 1 items
    assert abs(left - right) > 1e-5


def test_identity_for_rewards():
    """The same by simulation, on the closed form of rewards: the weight of the truth is what the weights expect."""
    rng = np.random.default_rng(3)
    rewards = np.array([[0.0, 1, 2, 0], [0, 1, 0, 1], [1, 1, 1, 1]])
    kind = rh.Rewards({"y": np.zeros(4)}, "y", sigma2=(3.0, 2.0))
    runs = 20_000
    truth = rng.choice(3, runs, p=PRIOR)
    sigma = 1 / np.sqrt(rng.gamma(3.0, 1 / 2.0, runs))
    seen = rewards[truth] + sigma[:, None] * rng.normal(size=(runs, 4))
    squares = ((seen[:, None, :] - rewards) ** 2).sum(axis=2)
    log_evidence = kind.log_marginal(squares.reshape(-1, 1), 4).reshape(runs, 3)
    w = np.array([posterior_weights(PRIOR, np.log(PRIOR), e) for e in log_evidence])
    assert score_p(w[np.arange(runs), truth] - (w * w).sum(axis=1)) > 1e-4
    wrong = kind.log_marginal(2 * squares.reshape(-1, 1), 4).reshape(runs, 3)
    w = np.array([posterior_weights(PRIOR, np.log(PRIOR), e) for e in wrong])
    assert score_p(w[np.arange(runs), truth] - (w * w).sum(axis=1)) < 1e-4


def test_weights_by_a_second_route():
    """Posterior weights through the whole of Labels, against enumeration over every data set of four items."""
    texts = {"a": "where(x > 0, 1, -1)", "b": "where(z > 0, 1, -1)"}
    x, z = np.array([1.0, -1, 1, -1]), np.array([1.0, 1, -1, -1])
    h = hypotheses_of(texts)
    for labels in product([False, True], repeat=4):
        kind = rh.Labels({"x": x, "z": z, "y": np.array(labels)}, "y", noise=(1, 3))
        got = kind.evidence(Valuation(h, kind.items, stated_line(0.0, h.names))).log_evidence
        want = oracles.labels_evidence([(x > 0).tolist(), (z > 0).tolist()], list(labels), (1, 3))
        np.testing.assert_allclose(np.exp(got), [float(e) for e in want], rtol=1e-13)


@pytest.mark.parametrize(
    "kind",
    [
        *(*calibration.KINDS, *calibration.PROXIES, *calibration.OTHERS),
        *(*calibration.LINEAR, *calibration.VALUES, calibration.AGENT),
    ],
)
def test_intervals_of_every_kind_hold_the_truth_as_often_as_they_say(kind, monkeypatch):
    """At least 200 simulations a kind on its exact path; a false alarm in 20,000 for each kind."""
    runs = 200
    # an error of .01 nats is nothing here
    monkeypatch.setattr("reward_hypotheses.models.inference.laplace.DRAWS", 2000)
    monkeypatch.setattr("reward_hypotheses.models.feedback.boltzmann.joint.DRAWS", 2000)
    monkeypatch.setattr("reward_hypotheses.models.hypotheses.failure_judgements.NODES", (601, 81))
    for most in ("MOST_DRAWS", "MOST_QUICK"):
        monkeypatch.setattr(f"reward_hypotheses.models.linear_family.approximation.{most}", 4000)
    coverage, z, ranks = calibration.calibration(kind, runs, seed=2)
    assert (np.abs(z) < 5).all()
    for quantity, held in coverage.items():
        for level, share in zip(calibration.LEVELS, held, strict=True):
            assert abs(share - level) < 5 * math.sqrt(level * (1 - level) / runs) + 1 / calibration.DRAWS, (
                quantity,
                level,
            )
        counts = np.bincount(np.minimum((ranks[quantity] * 10).astype(int), 9), minlength=10)
        assert stats.chisquare(counts).pvalue > 1e-6, (quantity, counts)


def test_a_rationality_that_is_read_wrong_is_noticed(monkeypatch):
    from reward_hypotheses.models.inference.quadrature import Integral

    draws = Integral.draws
    monkeypatch.setattr(Integral, "draws", lambda self, n, rng: draws(self, n, rng) + 0.7)
    _, _, ranks = calibration.calibration("choices", 250, seed=2)
    counts = np.bincount(np.minimum((ranks["rationality"] * 10).astype(int), 9), minlength=10)
    assert stats.chisquare(counts).pvalue < 1e-6
