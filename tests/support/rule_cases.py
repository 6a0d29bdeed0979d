"""Agents and judges over all rules of six features, on small tests, with the matrix of all pairs of rules."""

from functools import cache, cached_property

import numpy as np
from rule_oracle import Given, acts, approvals, functions, matrix, random_weights, space_of, worse

from reward_hypotheses.models.rule_space.outcomes.acting import Acting
from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes

SPACES = {n: space_of(n, 3) for n in (5, 6)}
"""2,292 rules of at most three of five features, and 4,524 of six."""
RULES = {n: functions(space) for n, space in SPACES.items()}
TIGHT = {"rtol": 0, "atol": 1e-12}


class Case:
    """Agent and judge over the rules of some features, a test, and the matrix."""

    def __init__(self, seed, options, reward, line, told=None, beta=None, ragged=False, n_scenes=12, n=5):
        rng = np.random.default_rng(seed)
        self.space, self.rules = SPACES[n], RULES[n]
        columns = rng.random((n, options, n_scenes)) < rng.random((n, 1, 1))
        self.scenes = Scenes(columns)
        if ragged:
            there = rng.random((options, n_scenes)) < 0.7
            there[:, 0] = False
            self.scenes = Scenes(columns, there, rng.random((options, n_scenes)) < 0.2, rng.gamma(1.0, size=n_scenes))
        self.acting, self.stakes = Acting(reward, told, beta), Stakes(reward, line)
        self.w, self.v = random_weights(rng, len(self.rules)), random_weights(rng, len(self.rules))
        real = self.scenes.choices
        self.approves = approvals(self.rules, columns)
        self.chosen = acts(self.approves, real, reward, told, beta, self.scenes.share)
        self.bad = worse(self.approves, real, reward, line)
        self.items = rng.random((n, 7)) < 0.5
        self.labels = approvals(self.rules, self.items)
        self.w[self.classes() == self.classes()[len(self.rules) // 2]] = (
            0.0  # a class to which the agent gives no weight
        )
        self.w /= self.w.sum()
        self.agent, self.judge = Given(self.rules, self.w), Given(self.rules, self.v)

    @cached_property
    def matrix(self):
        return matrix(self.chosen[:, :-1], self.bad, self.scenes.share)

    def classes(self):
        codes = np.packbits(self.labels, axis=1).tobytes()
        return np.unique(np.frombuffer(codes, np.uint8), return_inverse=True)[1]

    def endless(self):
        """Return the limit and its part with i = j, class by class."""
        total = alone = 0.0
        which = self.classes()
        for c in range(which.max() + 1):
            at = np.flatnonzero(which == c)
            p = self.w[at]
            if p.sum() == 0:
                p = (self.v[at] > 0).astype(float)
            terms = (p / p.sum())[:, None] * self.matrix[np.ix_(at, at)] * self.v[at]
            total, alone = total + terms.sum(), alone + np.trace(terms)
        return total, alone


ARGUMENTS = {
    "commit": (1, 4, (100, -100), 0.0, {"n": 6}),
    "of five": (2, 5, (100, -100), 0.0, {"ragged": True}),
    "of nine": (3, 9, (1, 0), 0.5, {"n_scenes": 8}),
    "one option": (4, 1, (1, 0), 0.5, {}),
    "abstains": (5, 3, (100, -100), 0.0, {"told": 0.0, "ragged": True}),
    "told another line": (6, 3, (100, -100), 0.0, {"told": -100.0}),
    "all worse": (7, 3, (-1, -2), 0.0, {"ragged": True}),
    "none worse": (8, 3, (2, 1), 1.0, {"ragged": True}),
    "by scene": (9, 3, (2, 1), np.linspace(0, 3, 12), {"told": np.linspace(0, 3, 12)}),
    "noisy": (10, 3, (100, -100), 0.0, {"told": 10.0, "beta": 1.3, "ragged": True}),
    "no levels": (11, 2, (1, 1), 2.0, {}),
}
NAMES = list(ARGUMENTS)


@cache
def case_of(name):
    *first, rest = ARGUMENTS[name]
    return Case(*first, **rest)
