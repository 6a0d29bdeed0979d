"""MDPs by brute force: policies enumerated, paths enumerated, plain linear solves; written apart from the package."""

import itertools
import math

import numpy as np
from scipy import integrate


def random_mdp(rng, ends=True):
    """Dense transitions (action, state, next_state) of a small MDP, some rows of which end the episode."""
    n, a = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    p = rng.random((a, n, n)) * (rng.random((a, n, n)) < 0.6)
    p[:, :, 0] += (p.sum(axis=2) == 0) * 1.0
    p /= p.sum(axis=2, keepdims=True)
    if ends:
        p[rng.random((a, n)) < 0.15] = 0.0
        if rng.random() < 0.5:
            p[:, -1] = 0.0
    return p


def random_episodic(rng):
    """One in which every action leads nearer to the end, so that discount 1 is allowed."""
    n, a = int(rng.integers(3, 6)), 2
    p = np.triu(rng.random((a, n, n)), 1)
    p[:, :-1] /= p[:, :-1].sum(axis=2, keepdims=True)
    p[:, -1] = 0.0
    return p


def value_of(p, r, g, policy):
    """V of a deterministic policy by a linear solve."""
    n = len(r)
    under = np.array([p[policy[s], s] for s in range(n)])
    return np.linalg.solve(np.eye(n) - g * under, r)


def optimal_q(p, r, g):
    """Q* as the best of every deterministic policy, state by state: (state, action)."""
    a, n, _ = p.shape
    best = np.full(n, -np.inf)
    for policy in itertools.product(range(a), repeat=n):
        best = np.maximum(best, value_of(p, r, g, policy))
    return r[:, None] + g * np.einsum("asn,n->sa", p, best)


def soft_q(p, r, g, beta, rounds=6000):
    """Q of the soft planner by plain value iteration, one state and action at a time."""
    a, n, _ = p.shape
    v = [0.0] * n
    rounds = min(rounds, 60 + int(40 / max(-math.log(g), 1e-3))) if g > 0 else 3
    for _ in range(rounds):
        q = [[r[s] + g * math.fsum(p[b, s, t] * v[t] for t in range(n)) for b in range(a)] for s in range(n)]
        new = []
        for s in range(n):
            top = max(q[s])
            new.append(top + math.log(math.fsum(math.exp(beta * (x - top)) for x in q[s])) / beta)
        if max(abs(x - y) for x, y in zip(new, v, strict=True)) < 1e-14:
            break
        v = new
    return np.array(q)


def log_likelihood(q, steps, beta):
    """``sum log softmax(beta q)`` over steps (state, action)."""
    total = []
    for s, b in steps:
        top = max(q[s])
        total.append(beta * (q[s][b] - top) - math.log(math.fsum(math.exp(beta * (x - top)) for x in q[s])))
    return math.fsum(total)


def integral(f, mu, sigma):
    """``log integral exp f(beta) Normal(log beta; mu, sigma) d log beta``, by QUADPACK."""

    def g(t):
        return f(math.exp(t)) - 0.5 * ((t - mu) / sigma) ** 2 - math.log(sigma * math.sqrt(2 * math.pi))

    grid = np.linspace(mu - 9 * sigma, mu + 9 * sigma, 181)
    values = np.array([g(t) for t in grid])
    top = values.max()
    near = grid[values > top - 50]
    found = integrate.quad(
        lambda t: math.exp(g(t) - top),
        near[0] - 0.1,
        near[-1] + 0.1,
        points=[grid[int(values.argmax())]],
        epsabs=0,
        epsrel=1e-11,
        limit=300,
    )
    return top + math.log(found[0])


def paths(p, policy, start, steps):
    """Every path of so many states at most, with its probability: (states, probability)."""
    n = len(start)

    def onward(path, chance):
        if len(path) == steps:
            yield path, chance
            return
        s = path[-1]
        left = 0.0
        for t in range(n):
            move = math.fsum(policy[s][b] * p[b, s, t] for b in range(len(p)))
            left += move
            if move > 0:
                yield from onward([*path, t], chance * move)
        if left < 1 - 1e-12:
            yield path, chance * (1 - left)

    for s in range(n):
        if start[s] > 0:
            yield from onward([s], start[s])


def states_of(rng, n):
    """Two features of n states."""
    return {"x": rng.normal(size=n).round(2), "y": rng.integers(0, 3, n).astype(float)}
