"""Spaces of rules: ``python tests/bench/rule_spaces.py CASE`` prints one line of JSON.

First call of a process that has imported the package and has compiled kernels in the cache, calls after it, and peak
memory after the first. Beside them a script of numpy that goes through the rules, its time from a sample of the rules.
"""

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np  # noqa: E402

SAMPLED = 60
ITEMS, SCENES, OPTIONS = 1_000_000, 10_000, 4
CHOICES = 100_000
FEW = 100  # labels after which nearly every rule keeps a weight


def columns(names: list[str], shape: int | tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """Independent Boolean columns."""
    rng = np.random.default_rng(seed)
    return {name: rng.random(shape) < 0.5 for name in names}


def training(names: list[str], n: int) -> dict[str, np.ndarray]:
    """Columns, and labels that two of them explain but for every twentieth."""
    data = columns(names, n, 1)
    return data | {"y": (data["x0"] & data["x1"]) ^ (np.random.default_rng(2).random(n) < 0.05)}


def seconds(work: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(ours: Callable[[], Any], theirs: Callable[[], float] | None = None, repeat: int = 5) -> dict[str, Any]:
    """First call, its peak memory, and medians of further calls, in turn with what stands beside them."""
    first = seconds(ours)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = [(seconds(ours), theirs() if theirs else 0.0) for _ in range(repeat)]
    warm, beside = (statistics.median(column) for column in zip(*took, strict=True))
    return {"first": first, "seconds": warm, "beside": beside if theirs else None, "peak_kib": peak}


def fitted(n_features: int, at_most: int, n: int) -> Callable[[], Any]:
    """Return a call of `fit` of every rule over some columns, with one draw."""
    import xarray

    import reward_hypotheses as rh

    _ = xarray.DataTree
    names = [f"x{k}" for k in range(n_features)]
    data = training(names, n)
    space = rh.Rules(names, at_most=at_most, reward=(100, -100), prior="uniform", source="a bench")
    feedback = [rh.Labels(data, "y", noise=(1.0, 19.0))]
    uniform = rh.Uniform("a bench")

    def work() -> Any:
        return rh.fit({"any rule": space}, uniform, feedback, 0.0, draws=1, chains=1)

    return work


def sample(n_features: int, at_most: int) -> tuple[list[str], int]:
    """Return shortest expressions of rules drawn uniformly, and the number of rules."""
    from reward_hypotheses.models.rule_space.space import RuleSpace
    from reward_hypotheses.models.rule_space.truth_tables import canonical_tables

    rng = np.random.default_rng(3)
    space = RuleSpace(tuple(f"x{k}" for k in range(n_features)), at_most, tuple(range(n_features)))
    tables = [canonical_tables(tuple(range(s))) for s in space.sizes]
    count = np.array([space.n_sets(s) * len(of) for s, of in zip(space.sizes, tables, strict=True)])
    out = []
    for s in rng.choice(len(count), SAMPLED, p=count / count.sum()).tolist():
        members = space.members(s, int(rng.integers(space.n_sets(s))))
        out.append(space.expression(members, int(rng.choice(tables[s]))))
    return out, space.n_rules


def one_by_one(rules: list[str], total: int, data: dict[str, np.ndarray], use: Callable[[np.ndarray], Any]) -> float:
    """Return the seconds that all rules would take, from those of some, each evaluated and used."""
    code = [compile(rule, "rule", "eval") for rule in rules]
    start = time.perf_counter()
    for rule in code:
        use(eval(rule, {}, data))
    return (time.perf_counter() - start) / len(rules) * total


def fit(n_features: int, at_most: int) -> dict[str, Any]:
    """Whole fits, beside counts of wrong labels by numpy alone."""
    rules, total = sample(n_features, at_most)
    data = training([f"x{k}" for k in range(n_features)], ITEMS)

    def theirs() -> float:
        return one_by_one(rules, total, data, lambda predicted: np.count_nonzero(predicted != data["y"]))

    return measured(fitted(n_features, at_most, ITEMS), theirs) | {"rules": total}


def risk(n: int) -> dict[str, Any]:
    """Whole calls of `catastrophe_risk`, and its risk step alone, beside numpy's choices and approval rule by rule."""
    import reward_hypotheses as rh
    from reward_hypotheses.models.rule_space.outcomes.acting import Acting
    from reward_hypotheses.models.rule_space.outcomes.choices import choices
    from reward_hypotheses.models.rule_space.outcomes.risk import Stakes
    from reward_hypotheses.models.rule_space.outcomes.risk import risk as risk_of
    from reward_hypotheses.models.rule_space.outcomes.scenes import Scenes
    from reward_hypotheses.models.tree.read import posterior_of

    tree = fitted(32, 3, n)()
    names = [f"x{k}" for k in range(32)]
    test = columns(names, (SCENES, OPTIONS), 4)
    rules, total = sample(32, 3)
    chosen, approved = np.zeros((2, SCENES, OPTIONS))

    def use(approve: np.ndarray) -> None:
        count = approve.sum(axis=1, keepdims=True)
        chosen[:] += 1e-6 * np.where(count > 0, approve / np.maximum(count, 1), 1 / OPTIONS)
        approved[:] += 1e-6 * approve

    out = measured(lambda: rh.catastrophe_risk(tree, test), lambda: one_by_one(rules, total, test, use))
    space = posterior_of(tree)[0].spaces[0]
    literals, acting = np.array([test[name].T for name in names]), Acting((100, -100))

    def step() -> float:
        scenes = Scenes(literals)
        judged = choices(space.literals.space, space.weights, scenes, acting)
        return risk_of(judged.chosen, judged, scenes, Stakes((100, -100), 0.0), acting).mean

    step()
    whole = float(rh.catastrophe_risk(tree, test)["mean"])
    np.testing.assert_allclose(step(), whole, rtol=0, atol=1e-12)
    return out | {"step": statistics.median(seconds(step) for _ in range(5))}


def answers() -> dict[str, Any]:
    """Whole fits to choices, beside counts of approved and chosen options by numpy alone."""
    import reward_hypotheses as rh

    names = [f"x{k}" for k in range(12)]
    data = columns(names, (CHOICES, OPTIONS), 1)
    worth = 1.5 * (data["x0"] & data["x1"]) + np.random.default_rng(2).gumbel(size=(CHOICES, OPTIONS))
    chosen = worth == worth.max(axis=1, keepdims=True)
    scenes = {"scene": np.repeat(np.arange(CHOICES), OPTIONS), "option": np.tile(np.arange(OPTIONS), CHOICES)}
    table = scenes | {name: of.ravel() for name, of in (data | {"chosen": chosen}).items()}
    space = {"any rule": rh.Rules(names, at_most=3, reward=(100, -100), prior="uniform", source="a bench")}
    rules, total = sample(12, 3)

    def work() -> Any:
        feedback = [rh.Choices(table, "chosen")]
        return rh.fit(space, rh.Uniform("a bench"), feedback, 0.0, draws=1, chains=1)

    def use(approve: np.ndarray) -> None:
        np.bincount(2 * approve.sum(axis=1) + (approve & chosen).any(axis=1))

    def theirs() -> float:
        return one_by_one(rules, total, data, use)

    return measured(work, theirs, repeat=3) | {"rules": total}


def dependence(n: int) -> dict[str, Any]:
    """Dependence of the risk on each feature."""
    import reward_hypotheses as rh

    tree = fitted(32, 3, n)()
    test = columns([f"x{k}" for k in range(32)], (SCENES, OPTIONS), 4)
    return measured(lambda: rh.feature_dependence(tree, test))


def listed() -> dict[str, Any]:
    """Fit and risk of a small space, beside the same rules listed one by one."""
    import reward_hypotheses as rh
    from reward_hypotheses.models.rule_space.space import RuleSpace

    names = [f"x{k}" for k in range(6)]
    data, test = training(names, 1000), columns(names, (1000, OPTIONS), 4)
    space = RuleSpace(tuple(names), 2, tuple(range(6)))
    rules = [
        space.expression(space.members(s, place), int(table))
        for s in space.sizes
        for place in range(space.n_sets(s))
        for table in space.canonical(tuple(range(s)))
    ]
    one = {"any rule": rh.Rules(names, at_most=2, reward=(100, -100), prior="uniform", source="a bench")}
    each = {rule: f"where({rule}, 100, -100)" for rule in rules}

    def work(hypotheses: dict[str, Any]) -> float:
        feedback = [rh.Labels(data, "y", noise=(1.0, 19.0))]
        tree = rh.fit(hypotheses, rh.Uniform("a bench"), feedback, 0.0, draws=1, chains=1)
        return float(rh.catastrophe_risk(tree, test)["mean"])

    np.testing.assert_allclose(work(one), work(each), rtol=0, atol=1e-11)
    return measured(lambda: work(one), lambda: seconds(lambda: work(each))) | {"rules": len(rules)}


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "fit": lambda: fit(32, 3),
    "wide": lambda: fit(16, 4),
    "risk": lambda: risk(ITEMS),
    "risk, few labels": lambda: risk(FEW),
    "dependence": lambda: dependence(ITEMS),
    "dependence, few labels": lambda: dependence(FEW),
    "listed": listed,
    "choices": answers,
}

if __name__ == "__main__":
    print(json.dumps(CASES[sys.argv[1]]()))
