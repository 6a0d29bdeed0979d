"""What cases of the bench share: rules, tables and timing."""

import statistics
import time
from collections.abc import Callable

import numpy as np

FEATURES = 12


def rules(count: int) -> dict[str, str]:
    """Rules over a boolean and float features, none like another."""
    rng = np.random.default_rng(1)
    out = {}
    for h in range(count):
        a, b = rng.choice(FEATURES, 2, replace=False)
        cut = rng.normal()
        out[f"h{h}"] = (
            f"where((x{a} > {cut:.6f}) & flag, 100, -100) - {h % 7}*x{b}"
            if h % 3 == 0
            else (f"where(x{a} > {cut:.6f}, 100, -100)" if h % 3 == 1 else f"100*x{a} - {abs(cut):.4f}*x{b}")
        )
    return out


def table(n: int, options: int) -> object:
    """Random scenes."""
    from reward_hypotheses.data.column import Column
    from reward_hypotheses.data.table import Table

    rng = np.random.default_rng(2)
    columns = {f"x{k}": Column(rng.standard_normal(n * options)) for k in range(FEATURES)}
    columns["flag"] = Column(rng.random(n * options) < 0.5)
    columns["y"] = Column(columns["x0"].values > 0)
    return Table("t", "t.csv", columns, np.arange(n + 1) * options, has_options=options > 1)


def timed(work: Callable[[], object], repeat: int) -> float:
    """Median seconds."""
    out = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        out.append(time.perf_counter() - start)
    return statistics.median(out)
