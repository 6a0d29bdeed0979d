"""Scenes and exact evidence of Boltzmann-rational kinds, for several tests."""

import math

import numpy as np

import reward_hypotheses as rh

EXPRESSIONS = {"x": "x", "twice x": "2*x + 5", "y": "y", "mix": "x - 2*y", "minus x": "-x", "nothing": "0*x + 3"}


def spread(r, there):
    several = [row[keep] for row, keep in zip(r, there, strict=True) if keep.sum() > 1]
    return math.sqrt(math.fsum(float(np.var(row)) for row in several) / len(several)) if several else 0.0


def scenes(rng, n):
    width = int(rng.integers(2, 5))
    x, y = rng.normal(size=(2, n, width)).round(2)
    there = rng.random((n, width)) < 0.85
    there[:, 0] = True
    return x, y, there


def evidence(feedback, hypotheses=EXPRESSIONS, **options):
    tree = rh.fit(
        hypotheses, rh.Uniform("a test"), feedback, fail_utility=0.3, random_seed=1, draws=1, chains=1, **options
    )
    return tree["evidence"]["log_evidence"].to_numpy(), tree


ROWS = "scene,option,x,c,r,stop\n0,0,1,1,1,1\n0,1,2,0,2,0\n1,0,3,0,2,1\n1,1,1,1,1,0\n"
