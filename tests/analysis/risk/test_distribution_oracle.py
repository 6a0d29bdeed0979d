"""The distribution of the risk on small studies, by plain loops and grids written apart from the package.

The risk is ``R = sum_m s_m sum_ij a_i v_j C_ij^m``: scene weights s, agent a and values v are independent. Its moments follow
exactly from theirs. Those of s are a Dirichlet's; those of a and v are integrals over a Dirichlet's sticks, by Gauss-Jacobi quadrature.
Ends of intervals come from plain draws.
"""

import itertools
import math

import numpy as np
import pytest
from scipy.special import roots_jacobi

import reward_hypotheses as rh

EPS, FAIL, PROB, NODES, MANY = 0.2, 0.0, 0.9, 16, 60_000
POLICIES = {
    "commit": rh.Commit(),
    "commit or abstain": rh.Commit(abstain=True),
    "most probable": rh.MostProbable(),
    "expected": rh.Expected(),
    "quantilize": rh.Quantilize(0.4),
    "boltzmann": rh.Boltzmann(1.5),
    "cvar": rh.Cvar(0.5),
    "maximin": rh.Maximin(0.7),
}
MIX = ("commit", "commit or abstain", "boltzmann", "quantilize")
"""Policies that draw one hypothesis from the agent's weights."""
SOURCES = ("values", "agent", "reward_weights", "scenes", "evidence", "all")


def best(worth):
    """Ties split evenly."""
    top = max(worth)
    first = [abs(w - top) < 1e-9 for w in worth]
    return [f / sum(first) for f in first]


def quantile_choice(worth, q):
    """The best share q of the options, tied ones alike."""
    chance, left = [0.0] * len(worth), q
    for value in sorted(set(worth), reverse=True):
        tied = [o for o, w in enumerate(worth) if w == value]
        taken = min(left, len(tied) / len(worth))
        for o in tied:
            chance[o] = taken / len(tied) / q
        left -= taken
    return chance


def of_certain(name, rewards, h, share):
    """Chances of an agent certain of h: (scene, option), without abstaining."""
    out = []
    scale = math.sqrt(sum(weight * np.var(row) for weight, row in zip(share, rewards[h], strict=True)))
    for row in rewards[h].tolist():
        if name == "boltzmann":
            odds = [math.exp(1.5 * r / scale) if scale else 1.0 for r in row]
            out.append([o / sum(odds) for o in odds])
        elif name == "quantilize":
            out.append(quantile_choice(row, 0.4))
        elif name == "commit or abstain":
            out.append(best([*row, FAIL])[:-1])
        else:
            out.append(best(row))
    return np.array(out)


def of_all(name, rewards, w, share):
    """Chances of an agent that acts by all hypotheses: (scene, option)."""
    h, m, o = rewards.shape
    if name == "most probable":
        top = best(w.tolist())
        return sum(part * of_certain("commit", rewards, i, share) for i, part in enumerate(top))
    out = []
    for scene in range(m):
        worth = []
        for option in range(o):
            r = [int(rewards[i, scene, option]) for i in range(h)]
            if name == "expected":
                worth.append(sum(wi * ri for wi, ri in zip(w, r, strict=True)))
            elif name == "cvar":
                left, total = 0.5, 0.0
                for ri, wi in sorted(zip(r, w, strict=True)):
                    total, left = total + ri * min(left, wi), left - min(left, wi)
                worth.append(total / 0.5)
            else:
                mass, kept = 0.0, []
                for level in sorted(set(np.round(w, 9)), reverse=True):
                    if mass < 0.7 - 1e-12:
                        tied = [i for i in range(h) if abs(w[i] - level) < 1e-8]
                        kept, mass = kept + tied, mass + sum(w[i] for i in tied)
                worth.append(min(r[i] for i in kept))
        out.append(best(worth))
    return np.array(out)


def dirichlet_nodes(concentration):
    """Nodes and weights of a Dirichlet, by its sticks: u_k ~ Beta(c_k, c_{k+1} + ...)."""
    rules = [roots_jacobi(NODES, sum(concentration[k + 1 :]) - 1, c - 1) for k, c in enumerate(concentration[:-1])]
    left, out, weight = 1.0, [], 1.0
    for k, u in enumerate(np.meshgrid(*((x + 1) / 2 for x, _ in rules), indexing="ij")):
        out.append((left * u).ravel())
        left = left * (1 - u)
        shape = [-1 if k == axis else 1 for axis in range(len(rules))]
        weight = weight * (rules[k][1] / rules[k][1].sum()).reshape(shape)
    return np.stack([*out, np.asarray(left).ravel()], axis=1), np.asarray(weight).ravel()


def weights_of(prior, likelihood):
    w = prior * likelihood
    return w / w.sum()


def covariance(prior, strength, likelihood):
    """Covariance of the weights under uncertain values, given the data; 0 without a strength."""
    mean = weights_of(prior, likelihood)
    out = np.zeros((len(prior), len(prior)))
    for h, share in enumerate(mean if strength is not None else []):
        pi, chance = dirichlet_nodes((strength * prior + (np.arange(len(prior)) == h)).tolist())
        apart = pi * likelihood / (pi @ likelihood)[:, None] - mean
        out += share * (apart * chance[:, None]).T @ apart
    return out


def drawn(prior, strength, likelihood, rng):
    """Draws of the weights: a hypothesis from its weights, values given it, then weights by the likelihood."""
    mean = weights_of(prior, likelihood)
    if strength is None:
        return np.tile(mean, (MANY, 1))
    truth = np.searchsorted(np.cumsum(mean)[:-1], rng.random(MANY))
    pi = rng.standard_gamma(strength * prior + np.eye(len(prior))[truth]) * likelihood
    return pi / pi.sum(axis=1, keepdims=True)


def a_study(seed):
    """A study that differs from the others in its hypotheses, scenes, weights, ties, policy, judge and agent."""
    rng = np.random.default_rng([seed, 31])
    h, m, o = 2 + seed % 3, [1, 2, 5, 12][seed // 3 % 4], 2 + seed % 2
    name = list(POLICIES)[3 * seed % len(POLICIES)]
    rewards = rng.integers(-2, 3, size=(h, m, o)) if seed % 5 else rng.integers(-9, 10, size=(h, m, o))
    train = rng.integers(-2, 3, size=(h, 6))
    good = (train[0] > FAIL) ^ (rng.random(6) < 0.3)
    likelihood = np.array(
        [math.prod(1 - EPS if (r > FAIL) == g else EPS for r, g in zip(row, good, strict=True)) for row in train]
    )
    judge, agent = rng.integers(1, 5, size=(2, h)).astype(float)
    return {
        "rng": rng,
        "name": name,
        "rewards": rewards,
        "train": {f"r{i}": row for i, row in enumerate(train)} | {"good": good},
        "likelihood": likelihood,
        "judge": judge / judge.sum(),
        "strength": [None, 4.0, 15.0, 60.0][(seed // 2) % 4],
        "agent": [None, np.full(h, 1 / h), agent / agent.sum(), agent / agent.sum()][seed % 4],
        "agent_strength": 6.0 if seed % 4 == 3 else None,
        "share": rng.dirichlet(np.full(m, 3.0)) if seed % 2 else np.full(m, 1 / m),
    }


def by_toolkit(study):
    h, m, o = study["rewards"].shape
    names = [f"r{i}" for i in range(h)]

    def elicited(prior, strength):
        return rh.Elicited(dict(zip(names, prior.tolist(), strict=True)), "a test", strength=strength)

    labels = rh.Labels(study["train"], "good", noise=EPS)
    rules = {name: name for name in names}
    tree = rh.fit(rules, elicited(study["judge"], study["strength"]), [labels], FAIL, random_seed=5)
    test = {name: study["rewards"][i] for i, name in enumerate(names)}
    test["scene_weight"] = np.tile(study["share"][:, None], o)
    agent = None if study["agent"] is None else elicited(study["agent"], study["agent_strength"])
    return rh.catastrophe_risk(tree, test, POLICIES[study["name"]], agent, prob=PROB)


def by_brute_force(study):
    """Mean; and by source the ends of the interval, with their errors, and the first-order and total variance."""
    rewards, name, share, likelihood = (study[key] for key in ("rewards", "name", "share", "likelihood"))
    h, m, _ = rewards.shape
    bad = rewards < FAIL
    v_mean = weights_of(study["judge"], likelihood)
    a_prior = study["judge"] if study["agent"] is None else study["agent"]
    a_mean = weights_of(a_prior, likelihood)
    if name in MIX:
        acts = [of_certain(name, rewards, i, share) for i in range(h)]
    else:
        acts, a_mean = [of_all(name, rewards, a_mean, share)], np.ones(1)
    risk = np.zeros((m, len(acts), h))  # C_ij in each scene
    for scene, i, j in itertools.product(range(m), range(len(acts)), range(h)):
        risk[scene, i, j] = sum(acts[i][scene] * bad[j, scene])
    strength = study["agent_strength"] if name in MIX else None
    n = 1 / (share**2).sum()
    centre = {"scenes": share, "agent": a_mean, "values": v_mean}
    spread = {
        "scenes": (np.diag(share) - np.outer(share, share)) / (n + 1),
        "agent": covariance(a_prior, strength, likelihood) if name in MIX else np.zeros((1, 1)),
        "values": covariance(study["judge"], study["strength"], likelihood),
    }

    def variance(*moved):
        second = [np.outer(x, x) + (spread[source] if source in moved else 0) for source, x in centre.items()]
        return float(np.einsum("mij,nkl,mn,ik,jl->", risk, risk, *second, optimize=True)) - mean**2

    mean = float(np.einsum("mij,m,i,j->", risk, share, a_mean, v_mean))
    rng, ps = study["rng"], [(1 - PROB) / 2, (1 + PROB) / 2]
    s = rng.dirichlet(n * share, size=MANY)
    a = drawn(a_prior, strength, likelihood, rng) if name in MIX else np.ones((MANY, 1))
    v = drawn(study["judge"], study["strength"], likelihood, rng)
    alone = {
        "values": v @ np.einsum("mij,m,i->j", risk, share, a_mean),
        "agent": a @ np.einsum("mij,m,j->i", risk, share, v_mean),
        "scenes": s @ np.einsum("mij,i,j->m", risk, a_mean, v_mean),
        "all": np.einsum("mij,tm,ti,tj->t", risk, s, a, v, optimize=True),
    }
    ends = {source: np.quantile(draws, ps) for source, draws in alone.items()}
    every = ("scenes", "agent", "values")
    of = {
        source: (variance(source), variance(*every) - variance(*(other for other in every if other != source)))
        for source in every
    }
    return mean, ends, of | {"all": (variance(*every),) * 2}


@pytest.mark.parametrize("seed", range(20))
def test_against_brute_force(seed):
    study = a_study(seed)
    risk, (mean, ends, variance) = by_toolkit(study), by_brute_force(study)
    assert float(risk["mean"]) == pytest.approx(mean, abs=1e-12)
    unknown = {"values"} if study["strength"] is None else set()
    if len(study["share"]) == 1:
        unknown.add("scenes")
    opened = any(v[0] > 1e-12 for v in variance.values())
    if unknown and not opened and study["agent_strength"] is None and len(unknown) == 2:
        unknown.add("all")
    for source in SOURCES:
        interval, error = (risk[key].sel(source=source).to_numpy() for key in ("interval", "interval_mcse"))
        parts, of_parts = (risk[key].sel(source=source).to_numpy() for key in ("variance", "variance_mcse"))
        if source in unknown:
            assert np.isnan(interval).all() and np.isnan(parts).all(), source
            continue
        want = ends.get(source, np.full(2, mean))
        spread = math.sqrt(max(variance.get(source, (0.0,))[0], 0.0))
        assert np.all(np.abs(interval - want) <= 4.5 * error + 0.03 * spread + 1e-9), (source, interval, want, error)
        assert np.all(np.abs(parts - variance.get(source, (0.0, 0.0))) <= 5 * of_parts + 1e-3 * spread**2 + 1e-12), (
            source
        )


def test_the_studies_differ():
    studies = [a_study(seed) for seed in range(20)]
    assert {study["name"] for study in studies} == set(POLICIES)
    assert {len(study["rewards"]) for study in studies} == {2, 3, 4}
    assert {study["strength"] for study in studies} == {None, 4.0, 15.0, 60.0}
    assert {len(study["share"]) for study in studies} == {1, 2, 5, 12}
    assert sum(study["agent_strength"] is not None and study["name"] in MIX for study in studies) >= 2
