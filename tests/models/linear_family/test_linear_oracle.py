"""Rewards with continuous weights against draws from the prior, each likelihood written out again in plain numpy."""

import math

import numpy as np
import pytest
from scipy.special import betaln, gammaln

import reward_hypotheses as rh

DRAWS, EPS = 60_000, 0.1


def standardised(columns):
    return np.stack([c / c.std() for c in columns])


def rewards_of(w, x):
    return np.einsum("nk,kso->nso", w, x)


def spread_within(r):
    return np.sqrt(r.var(axis=2).mean(axis=1))


def log_choices(r, beta, s, chosen):
    z = beta[:, None, None] * r / s[:, None, None]
    z = z - z.max(axis=2, keepdims=True)
    return (z * chosen).sum(axis=(1, 2)) - np.log(np.exp(z).sum(axis=2)).sum(axis=1)


def log_rankings(r, beta, s, rank):
    total = np.zeros(len(r))
    for place in range(1, rank.shape[1]):
        left = rank >= place
        z = np.where(left, beta[:, None, None] * r / s[:, None, None], -np.inf)
        top = z.max(axis=2, keepdims=True)
        best = np.where(rank == place, beta[:, None, None] * r / s[:, None, None], 0.0).sum(axis=2)
        total += (best - np.log(np.exp(z - top).sum(axis=2)) - top[..., 0]).sum(axis=1)
    return total


def log_stops(r, beta, u, stopped, raw):
    gap = u - r
    s = np.ones(len(r)) if raw else np.sqrt((gap**2).mean(axis=(1, 2)))
    z = beta[:, None, None] * gap / s[:, None, None]
    return -np.logaddexp(0, np.where(stopped, -z, z)).sum(axis=(1, 2))


def log_labels(r, u, good):
    wrong = ((r > u) != good).sum(axis=(1, 2))
    return wrong * math.log(EPS) + (good.size - wrong) * math.log(1 - EPS)


def log_rewards(r, seen, a, b):
    n, squares = seen.size, ((r - seen) ** 2).sum(axis=(1, 2))
    return (
        a * math.log(b)
        - gammaln(a)
        + gammaln(a + n / 2)
        - (a + n / 2) * np.log(b + squares / 2)
        - n / 2 * math.log(2 * math.pi)
    )


CASES = [(kind, seed) for kind in ("choices", "rankings", "stops", "labels", "rewards") for seed in range(4)]


@pytest.mark.parametrize(("kind", "seed"), CASES)
def test_evidence_and_mean_weights(kind, seed):
    rng = np.random.default_rng([7, seed, sorted({k for k, _ in CASES}).index(kind)])
    k, scenes = int(rng.integers(1, 4)), int(rng.integers(3, 14))
    prior = "sphere" if seed % 2 else {"normal": float(rng.uniform(0.5, 2))}
    mu, sigma = float(rng.normal()), float(rng.choice([0.1, 0.5, 1.0]))
    columns = rng.normal(size=(k, scenes, 3)) * 10.0 ** rng.integers(-3, 4, (k, 1, 1))
    if k > 1 and seed > 1:
        columns[1] = columns[0] + 0.1 * seed * columns[0].std() * rng.normal(size=columns[0].shape)  # nearly the same
    names = [f"f{i}" for i in range(k)]
    x = standardised(columns)
    truth = rewards_of(rng.normal(size=(1, k)), x)[0]
    noisy = 2 * truth + rng.gumbel(size=truth.shape)
    table = dict(zip(names, columns, strict=True))
    table |= {
        "chosen": noisy == noisy.max(axis=1, keepdims=True),
        "rank": (-noisy).argsort(axis=1).argsort(axis=1) + 1.0,
    }
    table |= {
        "stopped": rng.logistic(size=truth.shape) < -truth,
        "good": (truth > 0.2) ^ (rng.random(truth.shape) < EPS),
    }
    table["seen"] = 0.7 * truth + 0.5 * rng.normal(size=truth.shape)
    rationality = {"dist": "lognormal", "mu": mu, "sigma": sigma}
    feedback = {
        "choices": lambda: rh.Choices(table, "chosen", rationality=rationality),
        "rankings": lambda: rh.Rankings(table, "rank", rationality=rationality),
        "stops": lambda: rh.Stops(table, "stopped", rationality=rationality),
        "labels": lambda: rh.Labels(table, "good", noise=EPS),
        "rewards": lambda: rh.Rewards(table, "seen", sigma2=(3, 1)),
    }[kind]()
    tree = rh.fit({"f": rh.Linear(names, prior=prior, source="t")}, rh.Uniform("t"), [feedback], 0.2, random_seed=seed)
    w = rng.normal(size=(DRAWS, k))
    raw = prior != "sphere"
    w = w * prior["normal"] if raw else w / np.linalg.norm(w, axis=1, keepdims=True)
    beta = np.ones(DRAWS) if raw else np.exp(mu + sigma * rng.normal(size=DRAWS))
    r = rewards_of(w, x)
    s = np.ones(DRAWS) if raw else spread_within(r)
    log_l = {
        "choices": lambda: log_choices(r, beta, s, table["chosen"]),
        "rankings": lambda: log_rankings(r, beta, s, table["rank"]),
        "stops": lambda: log_stops(r, beta, 0.2, table["stopped"], raw),
        "labels": lambda: log_labels(r, 0.2, table["good"]),
        "rewards": lambda: log_rewards(r, table["seen"], 3, 1),
    }[kind]()
    weight = np.exp(log_l - log_l.max())
    want, error = log_l.max() + math.log(weight.mean()), weight.std() / weight.mean() / math.sqrt(DRAWS)
    assert weight.sum() ** 2 / (weight**2).sum() > 100  # else the oracle knows nothing
    got, mcse = (float(tree["evidence"][v].values[0]) for v in ("log_evidence", "mcse"))
    assert mcse < 0.1
    assert abs(got - want) < 5 * math.hypot(error, mcse)
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, k)
    weight /= weight.sum()
    mean = weight @ w
    sd = np.sqrt(weight @ (w - mean) ** 2)
    ess = float(1 / (weight @ weight))
    assert (np.abs(drawn.mean(axis=0) - mean) < 5 * sd * math.sqrt(1 / ess + 1 / 800) + 1e-9).all()


def test_silent_directions_keep_both_their_signs():
    """The length of what is seen is known, so that what is not seen has two modes: neither may be lost."""
    rng = np.random.default_rng(3)
    red, near = rng.random((40, 3)) < 0.5, rng.normal(size=(40, 3))
    seen = 0.7 * red + 0.5 * near + 0.3 * rng.normal(size=red.shape)
    table = {"red": red, "flags": red, "near": near, "seen": seen}
    x = standardised(np.stack([red * 1.0, red * 1.0, near]))
    w = rng.normal(size=(400_000, 3))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    flat, y = x.reshape(3, -1), seen.ravel()
    squares = y @ y - 2 * w @ (flat @ y) + np.einsum("ni,ij,nj->n", w, flat @ flat.T, w)
    n, a, b = len(y), 3, 0.2
    log_l = (
        a * math.log(b)
        - gammaln(a)
        + gammaln(a + n / 2)
        - (a + n / 2) * np.log(b + squares / 2)
        - n / 2 * math.log(2 * math.pi)
    )
    weight = np.exp(log_l - log_l.max())
    want, error = log_l.max() + math.log(weight.mean()), weight.std() / weight.mean() / math.sqrt(len(w))
    for seed in (0, 1):
        family = {"f": rh.Linear(["red", "flags", "near"], source="t")}
        tree = rh.fit(family, rh.Uniform("t"), [rh.Rewards(table, "seen", sigma2=(3, 0.2))], 0, random_seed=seed)
        got, mcse = (float(tree["evidence"][v].values[0]) for v in ("log_evidence", "mcse"))
        assert abs(got - want) < 5 * math.hypot(error, mcse)
        drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 3)
        assert abs((drawn[:, 0] > drawn[:, 1]).mean() - 0.5) < 5 * 0.5 / math.sqrt(800)


@pytest.mark.parametrize(("mu", "sigma", "n"), [(1, 0.05, 2), (-2, 0.1, 4), (1, 0.1, 2), (0, 0.02, 4), (2, 0.05, 2)])
def test_opposite_weights_are_both_found(mu, sigma, n):
    """One feature on the sphere is two hypotheses, of which a narrow prior of rationality makes two narrow hills."""
    rng = np.random.default_rng([n, 5])
    x = rng.normal(size=(n, 3))
    chosen = np.zeros((n, 3), bool)
    chosen[np.arange(n), np.where(np.arange(n) % 2 == 0, x.argmax(axis=1), x.argmin(axis=1))] = True
    feedback = rh.Choices({"x": x, "c": chosen}, "c", rationality={"mu": mu, "sigma": sigma})
    listed = {"f": rh.Linear(["x"], source="t"), "up": "x", "down": "-x"}
    tree = rh.fit(listed, rh.Uniform("t"), [feedback], 0, random_seed=1)
    got, up, down = tree["evidence"]["log_evidence"].values
    assert abs(got - np.logaddexp(up, down) + math.log(2)) < 5 * float(tree["evidence"]["mcse"].values[0]) < 0.1
    positive = (tree["posterior"]["reward_weight"].to_numpy() > 0).mean()
    share = 1 / (1 + math.exp(down - up))
    assert abs(positive - share) < 5 * math.sqrt(share * (1 - share) / 800) + 1e-3


def test_a_small_region_along_what_hardly_differs():
    """b and c are the same but in 2 % of the options; choices contradict a. Where b minus c is what counts, nothing is lost."""
    n, rng = 60, np.random.default_rng(4)
    a, b, _ = rng.normal(size=(3, n, 3))
    z = a * np.where(np.arange(n) % 2 == 0, 1, -1)[:, None]
    c = np.where(rng.random((n, 3)) < 0.02, b + rng.normal(size=(n, 3)), b)
    table = {"a": a, "b": b, "c": c, "chosen": z == z.max(axis=1, keepdims=True)}
    family = {"f": rh.Linear(["a", "b", "c"], source="t")}
    for seed in (0, 1):
        one = rh.Choices(table, "chosen", rationality={"mu": 1.6, "sigma": 0.2})
        tree = rh.fit(family, rh.Uniform("t"), [one], 0, random_seed=seed)
        drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 3)
        assert np.abs(np.abs(drawn.mean(axis=0)) - [0, 0.71, 0.71]).max() < 0.05
        assert float(tree["evidence"]["log_evidence"].values[0]) == pytest.approx(
            -97.73, abs=0.1
        )  # by tempering: -97.86 +- .10


def test_labels_without_noise_are_possible():
    """Of two features the weights that fit are an arc, and the evidence its share of the circle."""
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(2, 120))
    angle = 0.4
    direction = np.stack([x / x.std(), y / y.std()])
    good = math.cos(angle) * direction[0] + math.sin(angle) * direction[1] > 0
    at = np.arctan2(direction[1], direction[0])
    ends = np.sort(np.concatenate([at + math.pi / 2, at - math.pi / 2]) % (2 * math.pi))
    middle = (ends + np.roll(ends, -1) + np.where(np.arange(len(ends)) == len(ends) - 1, 2 * math.pi, 0)) / 2
    fits = [bool((((np.cos(m) * direction[0] + np.sin(m) * direction[1]) > 0) == good).all()) for m in middle]
    arc = float((np.diff(np.append(ends, ends[0] + 2 * math.pi)) * fits).sum())
    assert 0 < arc < 0.1
    family = {"f": rh.Linear(["x", "y"], source="t")}
    labels = rh.Labels({"x": x, "y": y, "good": good}, "good", noise=0)
    tree = rh.fit(family, rh.Uniform("t"), [labels], 0, random_seed=1)
    got, mcse = (float(tree["evidence"][v].values[0]) for v in ("log_evidence", "mcse"))
    assert abs(got - math.log(arc / (2 * math.pi))) < 5 * mcse < 1.5
    mistaken = {"x": x, "y": y, "good": good ^ (np.arange(120) % 7 == 0)}
    with pytest.raises(rh.InputError, match="impossible under every hypothesis"):
        rh.fit(family, rh.Uniform("t"), [rh.Labels(mistaken, "good", noise=0)], 0, random_seed=1)
    noisy = rh.fit(family, rh.Uniform("t"), [rh.Labels(mistaken, "good", noise=(1, 9))], 0, random_seed=1)
    k, n = 18, 120  # wrong where the weights are right, at the least
    best = betaln(1 + k, 9 + n - k) - betaln(1, 9)
    assert best - 8 < float(noisy["evidence"]["log_evidence"].values[0]) < best + 1


def test_what_counts_once_is_counted_once():
    """The same table given to two feedbacks, as two objects or one, has one say in the scale of a feature."""
    rng = np.random.default_rng(2)
    wide = {"x": 5 * rng.normal(size=(10, 3)), "c": np.eye(3, dtype=bool)[rng.integers(0, 3, 10)]}
    narrow = {"x": rng.normal(size=(10, 3)), "c": np.eye(3, dtype=bool)[rng.integers(0, 3, 10)]}
    feedback = [rh.Choices(wide, "c"), rh.Choices(dict(wide), "c"), rh.Choices(narrow, "c")]
    tree = rh.fit({"f": rh.Linear(["x"], source="t")}, rh.Uniform("t"), feedback, 0)
    scale = np.concatenate([wide["x"].ravel(), narrow["x"].ravel()]).std()
    assert float(tree["constant_data"]["reward_weight_scale"].values[0]) == pytest.approx(scale, rel=1e-12)


def test_features_of_any_size():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 20, 3))
    chosen = np.eye(3, dtype=bool)[rng.integers(0, 3, 20)]
    found = []
    for factor in (1.0, 1e200, 1e-200):
        one = rh.Choices({"x": x, "y": y * factor, "c": chosen}, "c")
        tree = rh.fit({"f": rh.Linear(["x", "y"], source="t")}, rh.Uniform("t"), [one], 0, random_seed=1)
        found.append(float(tree["evidence"]["log_evidence"].values[0]))
    assert np.ptp(found) < 1e-6


@pytest.mark.parametrize("rationality", [None, 2.0])
def test_the_limit_forgets_lengths_that_choices_never_saw(rationality):
    """Red and flags coincide: endless training fixes the direction of (red + flags, near), not how much of the weights it is."""
    rng = np.random.default_rng(6)
    red, near = rng.random((300, 3)) < 0.5, rng.normal(size=(300, 3))
    noisy = 2 * red + near + rng.gumbel(size=red.shape)
    train = {"red": red, "flags": red, "near": near, "c": noisy == noisy.max(axis=1, keepdims=True)}
    test = {"red": rng.random((200, 3)) < 0.5, "flags": rng.random((200, 3)) < 0.5, "near": rng.normal(size=(200, 3))}
    family = {"f": rh.Linear(["red", "flags", "near"], source="t")}
    tree = rh.fit(family, rh.Uniform("t"), [rh.Choices(train, "c", rationality=rationality)], 0.5, random_seed=1)
    risk = rh.catastrophe_risk(tree, test)
    sds = np.array([red.std(), red.std(), near.std()])
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 3)
    basis = np.array([[1, 1, 0], [0, 0, 1]]) / np.sqrt([[2], [1]])
    x = np.stack([test["red"], test["flags"], test["near"]], axis=-1) / sds
    total, n = [], 1500
    for direction in drawn[rng.integers(0, len(drawn), n)] @ basis.T:
        pair = []
        for _ in range(2):
            seen = direction / np.linalg.norm(direction) * math.sqrt(rng.chisquare(2))
            v = seen @ basis + rng.normal() * np.array([1, -1, 0]) / math.sqrt(2)
            pair.append(v / np.linalg.norm(v))
        taken = (x @ pair[0]).argmax(axis=1)
        total.append((x[np.arange(200), taken] @ pair[1] < 0.5).mean())
    error = np.std(total) / math.sqrt(n)
    assert abs(float(risk["limit"]) - np.mean(total)) < 5 * math.hypot(error, float(risk["limit_mcse"]))
