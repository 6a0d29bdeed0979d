"""Studies of an agent with its own choices in probe scenes."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import betainc, betaln, logsumexp
from studies import TEST, TRAINING, csv_text, small, write

RED, FLAGS = "where(red_paint, 100, -100)", "where(flags, 100, -100)"
PROBES = {"kind": "choices", "table": "probes", "column": "chosen"}
MIX = {"linear": ["red_paint", "flags"], "source": "a test"}


def scenes(n, options, rng):
    return {name: rng.random((n, options)) < 0.5 for name in ("red_paint", "flags")} | {
        "slope": rng.normal(size=(n, options)).round(3)
    }


def chosen(worth, rng):
    noisy = worth + rng.gumbel(size=worth.shape)
    return noisy == noisy.max(axis=1, keepdims=True)


def rows(columns):
    n, options = columns["slope"].shape
    return csv_text(
        [
            {"scene": m, "option": o}
            | {k: bool(v[m, o]) if v.dtype == bool else float(v[m, o]) for k, v in columns.items()}
            for m in range(n)
            for o in range(options)
        ]
    )


def dataset(columns):
    import xarray as xr

    return xr.Dataset({k: (("scene", "option"), v) for k, v in columns.items()})


def probes_of(rng, n=60, options=3, follow="red_paint", beta=2.5):
    made = scenes(n, options, rng)
    return made | {"chosen": chosen(beta * made[follow], rng)}


def study(folder, probes, tables=None, training=TRAINING, **changes):
    files = {"training": "training.csv", "test": "test.csv", "probes": "probes.csv"} if tables is None else tables
    agent = {"prior": "uniform", "feedback": [PROBES]} | changes.pop("agent", {})
    document = small(tables=files, agent=agent, **changes)
    return write(folder, document, training=training, test=TEST, probes=rows(probes))


def log_quad(f):
    """``log integral exp(f)`` over the line, f having one top."""
    nodes = np.linspace(-12, 12, 301)
    values = np.array([f(t) for t in nodes])
    top, peak = float(nodes[values.argmax()]), float(values.max())
    value, _ = quad(lambda t: math.exp(f(t) - peak), top - 8, top + 8, points=[top], limit=400, epsabs=0, epsrel=1e-11)
    return math.log(value) + peak


def log_probes(reward, picks):
    """``log integral prod softmax(beta r / s) LogNormal(beta; 0, 1) dbeta``, written apart."""
    s = math.sqrt(reward.var(axis=1).mean())

    def f(t):
        z = math.exp(t) * reward / (s if s > 0 else 1) * (s > 0)
        return float((z[picks] - logsumexp(z, axis=1)).sum()) - t * t / 2 - math.log(2 * math.pi) / 2

    return log_quad(f)


def log_labels(wrong, n):
    return (
        betaln(1 + wrong, 19 + n - wrong)
        + math.log(betainc(1 + wrong, 19 + n - wrong, 0.5))
        - betaln(1, 19)
        - math.log(betainc(1, 19, 0.5))
    )
