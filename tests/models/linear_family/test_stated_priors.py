"""Signs, means and ratios of the weights of a linear reward: against grids, closed forms and identities."""

import json
import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import invgamma, kstest, multivariate_normal, norm

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.hypotheses.weight_priors.stated_prior import StatedPrior, redrawn
from reward_hypotheses.models.linear_family.integrate import Nuts, fit_family
from tests.support.linear_cases import SOURCE, choosing

NORMAL = {"normal": 1.0}
QUANTILES = {0.1: 0.2, 0.9: 2.0}
RATIO = {"sign": {"x": "+", "y": "-"}, "ratio": {"y / x": {"quantiles": QUANTILES, "source": "Ann"}}}
FEW = {name: values[:4] for name, values in choosing(1).items()}
UNIT = np.array([FEW["x"].std(), FEW["y"].std()])


def family(prior=NORMAL, **stated):
    return rh.Linear(["x", "y"], prior=prior, source=SOURCE, **stated)


def fitted(linear, feedback, line=0.0, n=4000, seed=5, **options):
    return fit_family("f", linear, named([feedback]), line, n, np.random.default_rng(seed), **options)


def log_choices(r, beta=1.0):
    z = beta * r
    top = z.max(axis=-1, keepdims=True)
    return ((z - top) * FEW["chosen"]).sum(axis=(-1, -2)) - np.log(np.exp(z - top).sum(axis=-1)).sum(axis=-1)


def log_stops(r, line=0.5):
    return -np.logaddexp(0.0, np.where(FEW["stopped"], 1.0, -1.0) * (r - line)).sum(axis=(-1, -2))


def log_rewards(r, a=2.0, b=1.0):
    n, squares = r[0].size, ((r - FEW["seen"]) ** 2).sum(axis=(-1, -2))
    return (
        a * math.log(b)
        - gammaln(a)
        + gammaln(a + n / 2)
        - (a + n / 2) * np.log(b + squares / 2)
        - n / 2 * math.log(2 * math.pi)
    )


def log_labels(r, line=0.2, eps=0.1):
    wrong = ((r > line) != FEW["good"]).sum(axis=(-1, -2))
    return wrong * math.log(eps) + (FEW["good"].size - wrong) * math.log(1 - eps)


KINDS = {
    "choices": (lambda: rh.Choices(FEW, "chosen"), log_choices, 0.0),
    "stops": (lambda: rh.Stops(FEW, "stopped"), log_stops, 0.5),
    "rewards": (lambda: rh.Rewards(FEW, "seen", sigma2=(2, 1)), log_rewards, 0.0),
    "labels": (lambda: rh.Labels(FEW, "good", noise=0.1), log_labels, 0.2),
}


def on_a_grid(log_likelihood, sign, mean=(0.0, 0.0), log_ratio=None, cells=500, most=7.0):
    """Log evidence and posterior means by midpoints, of normal weights of unit standard deviation."""
    ends = [{0: (-most, most), 1: (0.0, most), -1: (-most, 0.0)}[s] for s in sign]
    axes = [lo + (hi - lo) * (np.arange(cells) + 0.5) / cells for lo, hi in ends]
    size = np.prod([(hi - lo) / cells for lo, hi in ends])
    w = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    log_prior = norm.logpdf(w[:, 0], mean[0]) - (norm.logcdf(sign[0] * mean[0]) if sign[0] else 0.0)
    if log_ratio is None:
        log_prior = log_prior + norm.logpdf(w[:, 1], mean[1]) - (norm.logcdf(sign[1] * mean[1]) if sign[1] else 0.0)
    else:
        log_sizes = np.log(np.abs(w))
        log_prior = log_prior + norm.logpdf(log_sizes[:, 1] - log_sizes[:, 0], *log_ratio) - log_sizes[:, 1]
    x = np.stack([FEW["x"] / UNIT[0], FEW["y"] / UNIT[1]])
    log_p = (
        np.concatenate([log_likelihood(np.tensordot(some, x, axes=1)) for some in np.array_split(w, 20)]) + log_prior
    )
    top = log_p.max()
    mass = np.exp(log_p - top)
    return top + math.log(mass.sum() * size), mass @ w / mass.sum()


def log_ratio_of(quantiles):
    """The lognormal through two quantiles, in standard deviations of the features."""
    (p, a), (q, b) = quantiles.items()
    sd = math.log(b / a) / (norm.ppf(q) - norm.ppf(p))
    return math.log(a) - sd * norm.ppf(p) + math.log(UNIT[1] / UNIT[0]), sd


CASES = [
    ("choices", {"sign": {"x": "+"}, "mean": {"x": 0.7, "y": -0.3}}, (1, 0), (0.7, -0.3)),
    ("stops", {"sign": {"x": "-", "y": "-"}}, (-1, -1), (0.0, 0.0)),
    ("rewards", {"sign": {"y": "-"}, "mean": {"y": 1.5}}, (0, -1), (0.0, 1.5)),
    ("labels", {"sign": {"x": "+", "y": "-"}}, (1, -1), (0.0, 0.0)),
    ("choices", RATIO, (1, -1), (0.0, 0.0)),
    ("rewards", RATIO, (1, -1), (0.0, 0.0)),
]


@pytest.mark.parametrize(("kind", "stated", "sign", "mean"), CASES)
def test_evidence_and_posterior_mean_are_those_of_a_grid(kind, stated, sign, mean):
    make, log_likelihood, line = KINDS[kind]
    fit, value, error = fitted(family(**stated), make(), line)
    log_ratio = log_ratio_of(QUANTILES) if "ratio" in stated else None
    exact, means = on_a_grid(log_likelihood, sign, mean, log_ratio)
    assert error < 0.05 and not fit.k_hat > 0.7
    assert abs(value - exact) < 5 * error + 0.004  # of the grid
    off = np.abs(fit.mean - means) / (fit.weights.std(axis=0) / math.sqrt(min(fit.ess, 4000)))
    assert (off < 5).all()
    signs = np.array(sign)
    assert ((np.sign(fit.weights) == signs) | (signs == 0)).all()


def test_conjugate_evidence_with_a_mean():
    """With a known sigma, rewards are jointly normal: mean X m, covariance X X' + sigma^2."""
    x = np.stack([FEW["x"].ravel() / UNIT[0], FEW["y"].ravel() / UNIT[1]], axis=1)
    mean, many = np.array([0.8, -1.2]), 1e7
    _, value, error = fitted(family(mean={"x": 0.8, "y": -1.2}), rh.Rewards(FEW, "seen", sigma2=(many, many * 0.5)))
    assert invgamma(many, scale=many * 0.5).std() < 1e-3
    exact = multivariate_normal(x @ mean, x @ x.T + 0.5 * np.eye(len(x))).logpdf(FEW["seen"].ravel())
    assert abs(value - exact) < 5 * error + 1e-3


@pytest.mark.parametrize("prior", [NORMAL, "sphere"])
def test_both_signs_together_are_no_sign(prior):
    """Half the evidence with + and half with - is the evidence without a sign, when the mean is 0."""
    free, plus, minus = (
        fitted(family(prior, **stated), rh.Choices(FEW, "chosen"))[1:]
        for stated in ({}, {"sign": {"x": "+"}}, {"sign": {"x": "-"}})
    )
    error = math.hypot(free[1], plus[1], minus[1])
    assert abs(np.logaddexp(plus[0], minus[0]) - math.log(2) - free[0]) < 5 * error < 0.1


def test_a_ratio_prior_has_the_stated_quantiles():
    linear = family(**RATIO)
    tree = rh.fit({"f": linear}, rh.Uniform(SOURCE), [rh.Choices(FEW, "chosen")], 0.0, random_seed=1)
    w = tree["prior"]["reward_weight"].to_numpy().reshape(-1, 2) / UNIT
    assert (w[:, 0] > 0).all() and (w[:, 1] < 0).all()
    below = [(np.abs(w[:, 1] / w[:, 0]) < q).mean() for q in QUANTILES.values()]
    assert np.abs(np.array(below) - list(QUANTILES)).max() < 5 * math.sqrt(0.09 / len(w))
    again = json.loads(tree.attrs["study"])["hypotheses"]["f"]
    assert rh.fit({"f": again}, rh.Uniform(SOURCE), [rh.Choices(FEW, "chosen")], 0.0, random_seed=1).identical(tree)
    probe = next(iter(linear.members(1, rh.Choices(FEW, "chosen").table, np.random.default_rng(0))))
    assert probe.coefficients[0] > 0 > probe.coefficients[1]


def test_a_lognormal_that_misses_its_quantiles_is_warned_of():
    quantiles = {0.1: 5, 0.5: 12, 0.9: 90}
    linear = family(sign={"x": "-", "y": "-"}, ratio={"x / y": {"quantiles": quantiles}})
    z, y = norm.ppf(list(quantiles)), np.log(list(quantiles.values()))
    assert np.allclose(linear.ratios[0].fitted, np.polyfit(z, y, 1)[::-1])
    with pytest.warns(UserWarning, match="misses a stated quantile by 46 %"):
        rh.fit({"f": linear}, rh.Uniform(SOURCE), [rh.Choices(FEW, "chosen")], 0.0)


def test_ranks_of_true_weights_are_uniform():
    """Simulation-based calibration: weights from the prior, rewards seen with noise, place among the posterior draws."""
    linear = family(**RATIO)
    rng = np.random.default_rng(8)
    places = []
    for k in range(30):
        w = linear.prior_draws(1, rng, UNIT)[0] / UNIT
        worth = w[0] * FEW["x"] + w[1] * FEW["y"]
        table = {
            "x": FEW["x"],
            "y": FEW["y"],
            "seen": worth + math.sqrt(1 / rng.gamma(5, 0.2)) * rng.normal(size=worth.shape),
        }
        fit, *_ = fitted(linear, rh.Rewards(table, "seen", sigma2=(5, 5)), n=200, seed=k)
        places.append((fit.weights < w * UNIT).mean(axis=0))
    assert min(kstest(np.array(places)[:, k], "uniform").pvalue for k in range(2)) > 0.005


def test_redrawn_weights_keep_signs_and_the_seen_part():
    """Given x + y = s, with both positive, x is a truncated normal; on the sphere, the rest fills an arc evenly."""
    rng = np.random.default_rng(3)
    seen = np.array([[1.0], [1.0], [0.0]]) / math.sqrt(2)
    prior = StatedPrior(1.0, np.zeros(3), np.array([1.0, 1.0, -1.0]))
    start = np.tile([0.9, 0.1, -0.2], (4000, 1))
    out = redrawn(prior, start, seen, False, rng)
    assert np.allclose(out[:, 0] + out[:, 1], 1.0) and (out * prior.sign > 0).all()
    apart = (out[:, 0] - out[:, 1]) / math.sqrt(2)  # standard normal between +-1 / sqrt 2
    edge = norm.cdf(1 / math.sqrt(2))
    assert kstest(norm.cdf(apart), lambda p: np.clip((p - 1 + edge) / (2 * edge - 1), 0, 1)).pvalue > 1e-3
    assert kstest(-out[:, 2], lambda x: 2 * norm.cdf(x) - 1).pvalue > 1e-3
    sphere = StatedPrior(1.0, np.zeros(3), np.array([1.0, 0.0, -1.0]), sphere=True)
    axis = np.array([[0.0], [1.0], [0.0]])
    start = np.tile([0.6, 0.64, -math.sqrt(1 - 0.36 - 0.4096)], (4000, 1))
    out = redrawn(sphere, start, axis, False, rng)
    assert np.allclose((out**2).sum(axis=1), 1) and np.allclose(out[:, 1], 0.64)
    angle = np.arctan2(-out[:, 2], out[:, 0])
    assert kstest(angle, lambda a: np.clip(a / (math.pi / 2), 0, 1)).pvalue > 1e-3
    out = redrawn(sphere, sphere.draws(4000, rng), axis, True, rng)  # the sign of one weight is seen, and no more
    assert kstest(np.abs(out[:, 1]), "uniform").pvalue > 1e-3  # Archimedes: uniform on the sphere, and so in an orthant


def test_second_moments_are_those_of_draws():
    mean, sign = np.array([0.5, -0.4, 0.0, 0.0]), np.array([1.0, 0.0, -1.0, 1.0])
    prior = StatedPrior(1.3, mean, sign, ((3, 0, 0.2, 0.3), (2, 3, -0.1, 0.2)))
    for stated in (prior, StatedPrior(1.0, np.zeros(4), sign, sphere=True)):
        w = stated.draws(100_000, np.random.default_rng(2))
        products = w[:, :, None] * w[:, None]
        off = np.abs(products.mean(axis=0) - stated.second_moments()) / (
            products.std(axis=0) / math.sqrt(len(w)) + 1e-9
        )
        assert off.max() < 5


def test_gradients_are_those_of_differences():
    prior = StatedPrior(1.3, np.array([0.5, -0.4, 0.2]), np.array([1.0, 0.0, -1.0]), ((2, 0, 0.2, 0.3),))
    rng = np.random.default_rng(4)
    for stated in (prior, StatedPrior(1.0, np.zeros(3), np.array([1.0, 0.0, -1.0]), sphere=True)):
        at, slope, step = rng.normal(size=(5, 3)), rng.normal(size=3), 1e-5
        of_prior, of_likelihood = stated.slopes(at, np.tile(slope, (5, 1)))
        for k in range(3):
            up, down = at + step * np.eye(3)[k], at - step * np.eye(3)[k]
            assert np.allclose(
                of_prior[:, k], (stated.log_density(up) - stated.log_density(down)) / (2 * step), atol=1e-6
            )
            assert np.allclose(
                of_likelihood[:, k], (stated.weights(up) - stated.weights(down)) @ slope / (2 * step), atol=1e-6
            )


@pytest.mark.slow
def test_nuts_agrees_with_the_grid():
    _, value, error = fitted(family(**RATIO), rh.Choices(FEW, "chosen"), nuts=Nuts(first=True, seed=1))
    exact, _ = on_a_grid(log_choices, (1, -1), (0.0, 0.0), log_ratio_of(QUANTILES))
    assert abs(value - exact) < 5 * error + 0.004 < 0.1


@pytest.mark.parametrize("stated", [{"sign": {"x": "+"}}, {"mean": {"x": 0.7}}, RATIO])
def test_the_pymc_model_has_the_same_density(stated):
    """Densities by the same coordinates: the prior of the weights, then prior times likelihood."""
    linear = family(**stated)
    model = rh.pymc_model({"f": linear}, rh.Uniform(SOURCE), [rh.Choices(FEW, "chosen")], 0.0)
    prior = linear.stated_prior(UNIT)
    at = prior.coordinate_draws(6, np.random.default_rng(1))
    w = prior.weights(at)
    if prior.affine:
        points, jacobian = [{"reward_weight": row} for row in w], 0.0
    else:
        numerators = [n for n, *_ in prior.ratios]
        size = [k for k in np.flatnonzero(prior.sign) if k not in numerators]
        points = [{"reward_weight_size_interval__": np.log(np.abs(row[size]))} for row in w]
        jacobian = np.log(np.abs(w[:, size])).sum(axis=1) - np.log(1 / (1 + np.exp(-at[:, size]))).sum(axis=1)
        for i, point in enumerate(points):
            point |= {"reward_weight_free": w[i, prior.sign == 0]} if (prior.sign == 0).any() else {}
            if numerators:
                _, _, m, g = prior.ratios[0]
                point["reward_weight_log_ratio"] = np.array([m + g * at[i, numerators[0]]])
                jacobian[i] -= math.log(g)
    log_p = model.compile_logp()
    x = np.stack([FEW["x"] / UNIT[0], FEW["y"] / UNIT[1]])
    want = prior.log_density(at) + log_choices(np.tensordot(w, x, axes=1)) + jacobian
    rationality = {"choices_rationality_log__": np.zeros(1)}  # of no hypothesis: lognormal, at its median
    assert np.allclose([float(log_p(point | rationality)) for point in points], want + norm.logpdf(0.0), atol=1e-8)


def test_members_have_the_stated_units():
    linear = rh.Linear(["x", "1"], {"normal": 1}, SOURCE, unit={"x": 10.0, "1": 2.0})
    table = rh.Choices(FEW, "chosen").table
    drawn = np.array([one.coefficients for one in linear.members(400, table, np.random.default_rng(0))])
    assert drawn.std(axis=0) * [10, 2] == pytest.approx([1, 1], abs=4.5 / math.sqrt(800))
