"""Populations of raters against grids: spreads, raters, shares, groups, signs and the sphere, written apart from the code."""

import math

import numpy as np
import pytest

import reward_hypotheses as rh

WITHIN = 5.0  # Monte Carlo errors
TINY = 1e-300
GRID = 2e-3  # of the sums below, in nats and in posterior standard deviations
ONE = rh.Uniform("one hypothesis")
NODES, HERMITE = np.polynomial.hermite_e.hermegauss(60)
HERMITE = HERMITE / HERMITE.sum()
TAU = np.exp(np.linspace(-9.0, 2.2, 141))
STEP = math.log(TAU[1] / TAU[0])


def answered(each, seed, weights, sides=None):
    """Return comparisons by raters with so many answers each; the last rater's features are spread four times as wide.

    Also the chosen option less the other, of each rater.
    """
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(len(each)), each)
    n = len(who)
    x = (rng.normal(size=(n, 2)) * np.where(who == len(each) - 1, 4, 1)[:, None]).round(2)
    first = rng.random(n) < 1 / (1 + np.exp(-np.asarray(weights)[who] * (x[:, 0] - x[:, 1])))
    table = {
        "scene": np.repeat(np.arange(n), 2),
        "option": np.tile(["a", "b"], n),
        "chosen": np.stack([first, ~first], axis=1).ravel(),
        "who": np.repeat([f"p{w}" for w in who], 2),
        "x": x.ravel(),
    }
    if sides is not None:
        table["side"] = np.repeat(np.asarray(sides)[who], 2)
    apart = np.where(first, x[:, 0] - x[:, 1], x[:, 1] - x[:, 0])
    return table, [apart[who == r] for r in range(len(each))]


def unit(table):
    """Return the standard deviation of a feature over all rows, by which its weight is scaled."""
    return float(np.std(table["x"]))


def spread(table):
    """Return the root mean variance within scenes, by which a listed reward is scaled."""
    return math.sqrt(np.asarray(table["x"]).reshape(-1, 2).var(axis=1).mean())


def chance(weights, apart):
    """Return the probability of a rater's choices at weights of any shape."""
    return np.exp(-np.logaddexp(0.0, -weights[..., None] * apart).sum(axis=-1))


def normal(x, mean=0.0, sd=1.0):
    return np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))


def half_normal(sd, scale=1.0):
    return 2 * normal(sd, 0.0, scale)


def agree(values, expected, raters, what):
    """Check a mean of draws against a grid's, in Monte Carlo errors."""
    values = np.asarray(values)
    # of a probability, the error that it has itself: all draws may say one thing
    sd = math.sqrt(expected * (1 - expected)) if values.dtype == bool else float(values.std())
    error = WITHIN * sd / math.sqrt(min(raters.attrs["ess"], len(values))) + GRID * sd
    assert abs(float(values.mean()) - expected) < error, (what, float(values.mean()), expected, error / WITHIN)


def evident(raters, evidence):
    found, error = raters.attrs["log_evidence"], raters.attrs["mcse"]
    assert abs(found - math.log(evidence)) < WITHIN * error + GRID, (found, math.log(evidence), error)


def linear_fit(table, prior, sign=None, **columns):
    linear = rh.Linear(["x"], prior=prior, sign=sign or {}, source="s")
    return rh.fit({"any": linear}, ONE, [rh.Choices(table, "chosen", rater="who", **columns)], 0.0)["raters"]


def over_population(middle, density, latent, apart, scale):
    """Return the joint density over (population, spread), and each rater's mean weight there.

    Parameters
    ----------
    middle : ndarray (population,)
        Where the raters' latents are centred.
    density : ndarray (population,)
        The prior, with the width of the cell.
    latent : callable
        The weight of a latent.
    """
    at = middle[:, None, None] + scale * TAU[None, :, None] * NODES
    joint = density[:, None] * (half_normal(TAU) * TAU * STEP)[None]
    means = []
    for of in apart:
        each = chance(latent(at), of) * HERMITE
        mass = each.sum(axis=-1)
        means.append((each * latent(at)).sum(axis=-1) / np.maximum(mass, TINY))
        joint = joint * mass
    return joint, means


EACH, WEIGHTS = (1, 4, 7, 9), (2.0, 1.0, -1.0, 1.5)


def test_spread_and_every_rater_of_a_normal_population():
    """Of one answer, of few and of many; two answers without a rater are of two more people."""
    table, apart = answered((*EACH[:3], 2, 9), 21, (*WEIGHTS[:3], 1.0, 1.5))
    table["who"] = np.where(table["who"] == "p3", "", table["who"])
    raters = linear_fit(table, {"normal": 1.5})
    z = [of / unit(table) for of in apart]
    mu = np.linspace(-8, 8, 161)
    single = [z[0], z[1], z[2], z[4], z[3][:1], z[3][1:]]  # those without a name come last
    joint, means = over_population(mu, normal(mu, 0, 1.5) * (mu[1] - mu[0]), lambda w: w, single, 1.5)
    total = joint.sum()
    evident(raters, total)
    assert list(raters["rater"].to_numpy()) == ["p0", "p1", "p2", "p4", "unnamed 1", "unnamed 2"]
    for r, of in enumerate(means):
        agree(raters["reward_weight"][:, r, 0], (joint * of).sum() / total, raters, r)
    mean, person = raters["reward_weight_mean"][:, 0, 0], raters["reward_weight_person"][:, 0, 0]
    agree(mean, (joint * mu[:, None]).sum() / total, raters, "mean")
    tau = (joint * 1.5 * TAU[None]).sum() / total
    agree(np.abs(person - mean), math.sqrt(2 / math.pi) * tau, raters, "spread")


def test_a_stated_sign_is_every_raters():
    table, apart = answered(EACH, 22, (2.0, 1.0, 0.3, 1.5))
    raters = linear_fit(table, {"normal": 1.5}, {"x": "+"})
    log_mu = np.linspace(-9, 2.5, 241)
    density = half_normal(np.exp(log_mu), 1.5) * np.exp(log_mu) * (log_mu[1] - log_mu[0])
    z = [of / unit(table) for of in apart]
    joint, means = over_population(log_mu, density, lambda u: np.exp(np.minimum(u, 60)), z, 1.0)
    total = joint.sum()
    evident(raters, total)
    agree(raters["reward_weight_mean"][:, 0, 0], (joint * np.exp(log_mu)[:, None]).sum() / total, raters, "median")
    assert float(raters["reward_weight"].min()) >= 0
    # means of lognormal weights have heavy tails: their logs are compared
    at = log_mu[:, None, None] + TAU[None, :, None] * NODES
    for r, of in enumerate(z):
        each = chance(np.exp(np.minimum(at, 60)), of) * HERMITE
        log_w = (each * at).sum(axis=-1) / np.maximum(each.sum(axis=-1), TINY)
        agree(np.log(raters["reward_weight"][:, r, 0]), (joint * log_w).sum() / total, raters, r)


def test_the_sphere_holds_rationality_in_its_length():
    table, apart = answered(EACH, 23, WEIGHTS)
    raters = linear_fit(table, "sphere")
    s = spread(table) / unit(table)  # s(w) of a weight of 1
    t = np.linspace(-6, 4, 161)
    v = np.concatenate([np.exp(t) / s, -np.exp(t) / s])
    density = np.tile(0.5 * normal(t) * (t[1] - t[0]), 2)
    z = [of / unit(table) for of in apart]
    joint, _ = over_population(v, density, lambda w: w, z, 1 / s)
    total = joint.sum()
    evident(raters, total)
    at = v[:, None, None] + TAU[None, :, None] / s * NODES
    for r, of in enumerate(z):
        each = chance(at, of) * HERMITE
        mass = np.maximum(each.sum(axis=-1), TINY)
        plus = (joint * (each * (at > 0)).sum(axis=-1) / mass).sum() / total
        beta = (joint * (each * np.abs(at) * s).sum(axis=-1) / mass).sum() / total
        agree(raters["reward_weight"][:, r, 0] > 0, plus, raters, r)
        agree(raters["choices_rationality"][:, r], beta, raters, r)
    np.testing.assert_allclose(np.abs(raters["reward_weight"]), 1)


def test_means_of_groups_are_about_the_populations():
    sides = ["left", "left", "right", "right"]
    table, apart = answered((5, 7, 6, 8), 24, (2.0, 1.5, -1.5, -1.0), sides)
    sd = 1.2
    raters = linear_fit(table, {"normal": sd}, group="side")
    z = [of / unit(table) for of in apart]
    m = np.linspace(-9, 9, 181)
    step = m[1] - m[0]
    at = m[:, None, None] + sd * TAU[None, :, None] * NODES
    mass = [(chance(at, of) * HERMITE).sum(axis=-1) for of in z]  # (group's mean, spread)
    left, right = mass[0] * mass[1], mass[2] * mass[3]
    about = normal(m[None], m[:, None], sd) * step  # (population, group)
    prior = (normal(m, 0, sd) * step)[:, None] * (half_normal(TAU) * TAU * STEP)[None]
    total = (prior * (about @ left) * (about @ right)).sum()
    evident(raters, total)
    of_left = (prior * (about @ (left * m[:, None])) * (about @ right)).sum() / total
    of_right = (prior * (about @ left) * (about @ (right * m[:, None]))).sum() / total
    assert list(raters["group"].to_numpy()) == ["left", "right"]
    agree(raters["reward_weight_mean"][:, 0, 0], of_left, raters, "left")
    agree(raters["reward_weight_mean"][:, 1, 0], of_right, raters, "right")


def counted(of_up, of_down):
    """Return the mass by the number of raters who follow "up": an array with that number first."""
    out = [np.ones(np.shape(of_up[0]))]
    for u, d in zip(of_up, of_down, strict=True):
        stay, go = [o * d for o in out] + [0 * u], [0 * u] + [o * u for o in out]
        out = [a + b for a, b in zip(stay, go, strict=True)]
    return np.array(out)


def dirichlet(alpha, raters):
    """Return the probability of an assignment with k raters of the first rule: (k,)."""
    a, b = alpha
    return np.array(
        [
            math.exp(
                math.lgamma(a + k)
                - math.lgamma(a)
                + math.lgamma(b + raters - k)
                - math.lgamma(b)
                + math.lgamma(a + b)
                - math.lgamma(a + b + raters)
            )
            for k in range(raters + 1)
        ]
    )


def test_shares_with_rationality_inferred():
    """Both rules have one population of rationalities, whoever follows them."""
    table, apart = answered((6, 8, 1, 7), 25, (2.0, -1.5, 1.0, 1.0))
    prior = rh.Elicited({"up": 2, "down": 1}, "s", strength=3)
    raters = rh.fit({"up": "x", "down": "-x"}, prior, [rh.Choices(table, "chosen", rater="who")], 0.0)["raters"]
    z = [of / spread(table) for of in apart]
    t = np.linspace(-8, 8, 161)
    beta = np.exp(np.minimum(t[:, None, None] + TAU[None, :, None] * NODES, 30))
    density = (normal(t) * (t[1] - t[0]))[:, None] * (half_normal(TAU) * TAU * STEP)[None]
    up, down = ([(chance(sign * beta, of) * HERMITE).sum(axis=-1) for of in z] for sign in (1, -1))
    alpha, n = (2.0, 1.0), len(z)
    of_assigned = dirichlet(alpha, n)
    by_count = (counted(up, down) * density).sum(axis=(1, 2)) * of_assigned
    total = by_count.sum()
    evident(raters, total)
    share = (by_count * (alpha[0] + np.arange(n + 1)) / (sum(alpha) + n)).sum() / total
    agree(raters["share"][:, 0, 0], share, raters, "share")
    for r in range(n):
        others = [k for k in range(n) if k != r]
        rest = counted([up[k] for k in others], [down[k] for k in others])
        mine = np.tensordot(of_assigned[1:], rest, 1) * up[r] * density
        agree(raters["follows"][:, r] == 0, mine.sum() / total, raters, r)


@pytest.mark.parametrize("named", [True, False])
def test_shares_of_groups_are_independent(named):
    """A rater without a group, among others with one, is in a group of such raters."""
    sides = ["left", "left", "left", "right", "right" if named else ""]
    table, apart = answered((2, 3, 2, 3, 2), 26, (1.0, 1.0, -1.0, -1.0, -1.0), sides)
    feedback = rh.Choices(table, "chosen", rater="who", group="side", rationality=1.0)
    prior = rh.Elicited({"up": 3, "down": 1}, "s", strength=2)
    tree = rh.fit({"up": "x", "down": "-x"}, prior, [feedback], 0.0)
    raters, alpha, total = tree["raters"], (1.5, 0.5), 1.0
    z = [of / spread(table) for of in apart]
    up, down = ([float(chance(np.array(sign * 1.0), of)) for of in z] for sign in (1, -1))
    members = {"left": [0, 1, 2], "right": [3, 4]} if named else {"left": [0, 1, 2], "right": [3], "no group": [4]}
    assert list(raters["group"].to_numpy()) == list(members)
    everybody = 0.0
    for g, (name, those) in enumerate(members.items()):
        n = len(those)
        by_count = counted([up[r] for r in those], [down[r] for r in those]) * dirichlet(alpha, n)
        total *= by_count.sum()
        share = (by_count * (alpha[0] + np.arange(n + 1)) / (sum(alpha) + n)).sum() / by_count.sum()
        agree(raters["share"][:, g, 0], share, raters, name)
        everybody += share * n / len(z)
    evident(raters, total)
    of_all = raters["share"][..., 0].to_numpy() @ [len(of) / len(z) for of in members.values()]
    error = float(of_all.std()) / math.sqrt(min(raters.attrs["ess"], len(of_all)))
    assert abs(float(tree["evidence"]["weight"][0]) - everybody) < WITHIN * error


def test_noise_of_labels_is_every_raters():
    """The mean noise of each rater, of whom one errs often, against a grid."""
    rng = np.random.default_rng(27)
    x, who = rng.normal(size=30), np.repeat(np.arange(3), 10)
    table = {"x": x, "good": (x > 0) ^ (rng.random(30) < np.array([0.05, 0.1, 0.45])[who]), "who": who}
    feedback = rh.Labels(table, "good", rater="who", noise=(2, 6))
    raters = rh.fit({"up": "x"}, ONE, [feedback], 0.0)["raters"]
    wrong = np.bincount(who, (x > 0) != table["good"])
    t = np.linspace(-12, 9, 211)
    at = 0.5 / (1 + np.exp(-t))
    fine = np.linspace(0, 0.5, 400_001)
    norm = np.trapezoid(fine * (1 - fine) ** 5, fine)  # Beta(2, 6), cut at a half
    density = at * (1 - at) ** 5 / norm * at * (1 - 2 * at) * (t[1] - t[0])
    noise = 0.5 / (1 + np.exp(-(t[:, None, None] + TAU[None, :, None] * NODES)))
    joint = density[:, None] * (half_normal(TAU) * TAU * STEP)[None]
    each = [noise**k * (1 - noise) ** (10 - k) * HERMITE for k in wrong]
    for of in each:
        joint = joint * of.sum(axis=-1)
    total = joint.sum()
    evident(raters, total)
    for r, of in enumerate(each):
        expected = (joint * (of * noise).sum(axis=-1) / of.sum(axis=-1)).sum() / total
        agree(raters["labels_eps"][:, r], expected, raters, r)
