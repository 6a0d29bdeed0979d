"""Families of many features: evidence against exact integrals in 60 dimensions, gradients against differences."""

import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

import reward_hypotheses as rh
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.inference import nuts as family_nuts
from reward_hypotheses.models.inference.laplace import from_mixture
from reward_hypotheses.models.inference.smc_from_approximation import tempered
from reward_hypotheses.models.linear_family import integrate as family

SOURCE = "a test"
D, EACH = 60, 6
EVERY, SOME = np.arange(D) % (EACH + 1), np.arange(D) % (EACH - 1) + 1  # how often the option that has it won


def comparisons(wins):
    """Comparisons about one feature each: the option that has it was chosen so many times of EACH."""
    scenes = D * EACH
    features = {f"f{k}": np.zeros((scenes, 2)) for k in range(D)}
    chosen = np.zeros((scenes, 2), bool)
    for k in range(D):
        rows = slice(k * EACH, (k + 1) * EACH)
        features[f"f{k}"][rows, 1] = 1.0
        won = np.arange(EACH) < wins[k]
        chosen[rows] = np.stack([~won, won], axis=1)
    return features | {"chosen": chosen}


def log_won(v):
    """Log likelihood of each number of wins where the logit is v: (wins, *shape of v)."""
    return np.stack([-c * np.logaddexp(0, -v) - (EACH - c) * np.logaddexp(0, v) for c in range(EACH + 1)])


def exact_normal(wins, sd):
    """A product of integrals over one weight each, in standard deviations of its feature."""
    unit = math.sqrt(1 / (2 * D) * (1 - 1 / (2 * D)))
    w, step = np.linspace(-10 * sd, 10 * sd, 20_001, retstep=True)
    log_each = np.logaddexp.reduce(log_won(w / unit) + stats.norm.logpdf(w, 0, sd), axis=1) + math.log(step)
    return float(log_each[wins].sum())


@cache
def exact_sphere_of(wins):
    """Directions u = z / |z|: the expectation given |z|^2 = D by the inverse Fourier integral; then the rationality.

    All features have the same spread, so the logit of feature k is ``2 beta sqrt(D) u_k``.
    """
    z, dz = np.linspace(-9, 9, 1201, retstep=True)
    omega, step = np.linspace(-1.6, 1.6, 1601, retstep=True)
    phase = np.exp(-1j * omega[:, None] * z**2) * stats.norm.pdf(z) * dz
    counts = np.bincount(np.frombuffer(wins, int), minlength=EACH + 1)
    log_beta = np.linspace(-7.5, 2.5, 101)
    values = []
    for t in log_beta:
        log_each = log_won(2 * math.exp(t) * z)
        top = log_each.max(axis=1)
        parts = phase @ np.exp(log_each - top[:, None]).T
        total = np.exp((np.log(parts) * counts).sum(axis=1) + 1j * omega * D).real.sum() * step / (2 * math.pi)
        if total <= 0:  # lost in rounding, far from the mass
            break
        values.append(math.log(total) + float(top @ counts) - stats.chi2.logpdf(D, D) + stats.norm.logpdf(t))
    assert max(values) - 10 > max(values[0], values[-1])
    return float(np.logaddexp.reduce(values) + math.log(log_beta[1] - log_beta[0]))


def made(prior, table, feedback):
    names = [name for name in table if name.startswith("f")]
    listed, line, feedback = prepared({"family": rh.Linear(names, prior=prior, source=SOURCE)}, feedback, 0.0)
    return listed.family(0), feedback, line.values[0]


def scores(wins, prior, method, seeds):
    """How far log evidences are from the exact one, in standard errors as they are said."""
    exact = exact_sphere_of(wins.astype(int).tobytes()) if prior == "sphere" else exact_normal(wins, prior["normal"])
    table = comparisons(wins)
    linear, feedback, line = made(prior, table, [rh.Choices(table, "chosen")])
    out = []
    for seed in range(seeds):
        fitted, value, mcse = family.fit_family("family", linear, feedback, line, 4000, np.random.default_rng(seed))
        assert fitted.method == method and mcse < 0.1
        out.append((value - exact) / mcse)
    mean = fitted.weights.mean(axis=0)
    assert mean[wins == wins.min()].max() < 0 < mean[wins == wins.max()].min()
    return np.array(out)


@pytest.mark.parametrize("prior", ["sphere", {"normal": 0.05}])
def test_evidence_of_sixty_features_is_exact_within_its_error(prior):
    found = scores(SOME, prior, "laplace", 2)
    assert stats.chi2.ppf(5e-5, 2) < (found**2).sum() < stats.chi2.ppf(1 - 5e-5, 2)


@pytest.mark.parametrize(
    ("prior", "least", "method"),
    [("sphere", 200, "laplace"), ("sphere", math.inf, "smc"), ({"normal": 0.3}, 200, "smc")],
)
def test_evidence_of_a_posterior_far_from_normal(monkeypatch, prior, least, method):
    """A seventh of the options never won, and a seventh always: the posterior is far from any normal."""
    monkeypatch.setattr(family, "FEWEST", least)
    (found,) = scores(EVERY, prior, method, 1)
    assert abs(found) < stats.t.ppf(1 - 5e-5, 15)  # sixteen islands tell the error


def ragged(ties):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 5, 3))
    rank = np.argsort(rng.normal(size=(12, 5)), axis=1) + 1.0
    available = np.ones((12, 5), bool)
    available[3, 4] = available[7, 2:] = False
    if ties:
        rank[0], rank[1] = [1, 2, 2, 2, 5], [2, 2, 1, 4, 5]
        rank[2] = [1, 1, 3, 3, 5]
    return {f"f{k}": x[..., k] for k in range(3)} | {
        "rank": rank,
        "available": available,
        "chosen": np.arange(5) == (np.arange(12) % 2)[:, None],
        "stopped": rng.random((12, 5)) < 0.5,
    }


SPACES = {
    "normal": ({"normal": 2.0}, lambda t: [rh.Rankings(t, "rank"), rh.Choices(t, "chosen")]),
    "one human": ("sphere", lambda t: [rh.Rankings(t, "rank")]),
    "two humans": ("sphere", lambda t: [rh.Rankings(t, "rank"), rh.Choices(t, "chosen")]),
    "a known rationality": ("sphere", lambda t: [rh.Rankings(t, "rank", rationality=2.0)]),
    "a line": ("sphere", lambda t: [rh.Rankings(t, "rank"), rh.Stops(t, "stopped")]),
    "raw": ("sphere", lambda t: [rh.Rankings(t, "rank", scale="raw")]),
}


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("space", list(SPACES))
@pytest.mark.parametrize("far", [1.0, 400.0])
def test_gradients_against_differences(space, ties, far):
    """In every space, of ragged scenes, with ties, and where exponentials overflow."""
    prior, feedback = SPACES[space]
    table = ragged(ties)
    linear, feedback, line = made(prior, table, feedback(table))
    scale, terms = family.terms_of("family", linear, feedback, line)
    values, vectors = np.linalg.eigh(np.sum([term.gram for term in terms], axis=0))
    some = slice(1, None) if space == "a known rationality" else slice(None)  # one direction as if nobody saw it
    held = family.coordinates_of(linear, scale, terms, vectors[:, some], vectors[:, : 1 if some.start else 0])
    points = held.prior_draws(6, np.random.default_rng(2))
    if space in ("normal", "one human", "two humans"):
        points[:, : held.dimension] *= far

    def log_likelihood(at):
        weights, theta = held.weights(at[:, : held.dimension]), held.theta(at)
        return np.sum([term.log_likelihood(weights, theta) for term in terms], axis=0)

    found = family.slopes_of(held, terms, points)
    for f, slope in zip((held.log_prior, log_likelihood), found, strict=True):
        steps = 1e-5 * np.maximum(np.abs(points).max(axis=0), 1.0)
        apart = np.stack([(f(points + h) - f(points - h)) / (2 * h.max()) for h in np.diag(steps)], axis=1)
        np.testing.assert_allclose(slope, apart, rtol=1e-5, atol=1e-6 * np.abs(apart).max())


def test_tempering_from_a_mixture_that_is_off():
    """Toward a normal of other place and spread, whose integral is known."""
    centre, sd = np.full(3, 0.7), np.array([0.5, 1.0, 1.6])

    def log_target(x):
        return 1.5 - 0.5 * (((x - centre) / sd) ** 2).sum(axis=1)

    from reward_hypotheses.models.inference.laplace import Bell

    bells = [Bell(np.zeros(3), np.eye(3), 0.7), Bell(np.ones(3), 0.5 * np.eye(3), 0.3)]
    found = tempered(log_target, lambda x: -(x - centre) / sd**2, bells, None, np.zeros_like, np.random.default_rng(1))
    exact = 1.5 + float(np.log(sd).sum()) + 1.5 * math.log(2 * math.pi)
    assert abs(found.value - exact) < 6 * found.mcse < 0.3
    np.testing.assert_allclose(found.weights @ found.points, centre, atol=0.15)
    same = from_mixture(log_target, bells, np.random.default_rng(2), 20_000)
    assert abs(same.value - exact) < 5 * same.mcse


@pytest.mark.slow
def test_nuts_and_bridge_agree_with_importance_sampling(monkeypatch):
    monkeypatch.setattr(family_nuts, "LEAST_DRAWS", 400)
    monkeypatch.setattr(family_nuts, "TUNE", 150)
    table = ragged(False)
    linear, feedback, line = made({"normal": 1.0}, {"f0": 0, "f1": 0}, [rh.Choices(table, "chosen")])
    args = ("family", linear, feedback, line, 4000)
    a, value, mcse = family.fit_family(*args, np.random.default_rng(4))
    b, sampled, error = family.fit_family(*args, np.random.default_rng(4), nuts=family.Nuts(True, 400))
    assert (a.method, b.method) == ("laplace", "nuts") and not b.sampler.problems
    assert abs(value - sampled) < 4.5 * math.hypot(mcse, error) < 0.2
    spread = a.weights.std(axis=0)
    assert (np.abs(a.weights.mean(axis=0) - b.weights.mean(axis=0)) < 4.5 * spread / math.sqrt(200)).all()


def test_nuts_of_too_many_features_is_refused_at_once():
    table = {f"f{k}": np.zeros((1000, 10)) for k in range(101)} | {"chosen": np.arange(10) == np.zeros((1000, 1))}
    for k in range(101):
        table[f"f{k}"][k, 3] = 1.0
    hypotheses = {"family": rh.Linear([f"f{k}" for k in range(101)], source=SOURCE)}
    with pytest.raises(rh.InputError, match="101 features and feedback 10,000 items: NUTS takes up to 1,000,000"):
        rh.fit(hypotheses, rh.Uniform(SOURCE), [rh.Choices(table, "chosen")], fail_utility=0.0, method="nuts")


def test_nuts_cannot_climb_steps():
    table = ragged(False)
    with pytest.raises(rh.InputError, match="labels are steps in the weights of 'family'.*use 'auto'"):
        rh.fit(
            {"family": rh.Linear(["f0"], source=SOURCE)},
            rh.Uniform(SOURCE),
            [rh.Labels(table, "stopped", noise=(1, 9))],
            fail_utility=0.0,
            method="nuts",
        )
