"""The worst-fitting subgroup: counted as by brute force, found where it was planted, and no alarm where nothing was."""

import itertools
from math import log, sqrt

import numpy as np
import pytest
from reports import paper_tables
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.evidence.worst_fitting_subgroup import Subgroups, subgroup_check
from reward_hypotheses.analysis.report.sections.fit import subgroups as sentences
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.priors.uniform import Uniform
from reward_hypotheses.models.weights.weigh import weigh

RULES = {"flags": "where(flags, 1, -1)", "depth": "where(depth > 0.5, 1, -1)"}


def sites(n, rng, wrong=0.05):
    table = {
        "flags": rng.random(n) < 0.5,
        "red": rng.random(n) < 0.3,
        "depth": rng.random(n),
        "slope": rng.normal(size=n),
    }
    table["is_pad"] = table["flags"] ^ (rng.random(n) < wrong)
    return table


def checked(table, seed=0, noise=(1, 19), hypotheses=RULES, besides=()):
    feedback = [rh.Labels(table, "is_pad", noise=noise)]
    listed, line, made = prepared(hypotheses, feedback, 0)
    posterior = weigh(listed, Uniform("a test"), made, line)
    return subgroup_check(posterior, 0, np.random.default_rng(seed), besides)


def literals(values):
    """What can be said of one feature: pairs of words and where it is true."""
    if values.dtype == bool:
        return [("= true", values), ("= false", ~values)]
    out = []
    for share in (0.25, 0.5, 0.75):
        at = float(np.sort(values)[int(np.ceil(share * len(values))) - 1])
        moved = ((values > at) != (values > float(f"{at:.3g}"))).mean()
        at = float(f"{at:.3g}" if moved <= 0.01 else f"{at:.6g}")
        out += [(f"above {at:.6g}", values > at), (f"up to {at:.6g}", values <= at)]
    return out


def deviance(inside, wrong):
    def best(k, n):
        return sum(x * log(x / n) for x in (k, n - k) if x)

    k, n, total, size = (wrong & inside).sum(), inside.sum(), wrong.sum(), len(wrong)
    if k * (size - n) <= (total - k) * n:
        return 0.0
    return sqrt(2 * (best(k, n) + best(total - k, size - n) - best(total, size)))


def test_counts_and_deviances_by_brute_force():
    rng = np.random.default_rng(1)
    table = sites(60, rng)
    features = {k: table[k] for k in ("flags", "red", "depth", "slope")}
    groups = Subgroups(features)
    wrong = rng.random((3, 60)) < 0.3
    counts = groups.counts(wrong)
    excess = groups.excess(counts, wrong.sum(axis=1))
    want = {}
    for name, values in features.items():
        want |= {f"{name} {words}": inside for words, inside in literals(values)}
    for (a, first), (b, second) in itertools.combinations(features.items(), 2):
        for (x, one), (y, other) in itertools.product(literals(first), literals(second)):
            want[f"{a} {x} and {b} {y}"] = one & other
    want = {words: inside for words, inside in want.items() if 5 <= inside.sum() <= 55}
    assert set(groups.words) == set(want) and len(groups) == len(groups.words)
    for g, words in enumerate(groups.words):
        assert groups.sizes[g] == want[words].sum()
        assert (counts[:, g] == (wrong & want[words]).sum(axis=1)).all()
        for r in range(3):
            assert excess[r, g] == pytest.approx(deviance(want[words], wrong[r]), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_misfit_is_found_and_named(seed):
    rng = np.random.default_rng(seed)
    table = sites(2000, rng)
    deep = table["depth"] > 0.75
    table["is_pad"] = np.where(table["flags"] & deep, rng.random(2000) < 0.5, table["is_pad"])
    found = checked(table, seed)
    assert found.words.startswith("flags = true and depth above 0.7") and found.p < 0.01
    assert found.contradicted > 0.4 and found.elsewhere < 0.1 and found.n == pytest.approx(250, abs=50)
    assert found.misfit[0].startswith(f"labels: where {found.words}, ")
    assert "'flags'" in found.misfit[0]


def test_p_is_about_uniform_where_nothing_is_wrong():
    p = np.array([checked(sites(150, np.random.default_rng(1000 + seed)), seed).p for seed in range(150)])
    assert p.mean() == pytest.approx(0.5, abs=4.5 * sqrt(1 / 12 / 150))
    assert (p < 0.01).sum() <= 9  # a false alarm of this test: 3e-5
    for level in (0.1, 0.25, 0.5, 0.75):
        share = (p <= level).mean()
        assert share == pytest.approx(level, abs=4.5 * sqrt(level * (1 - level) / 150))


def test_noise_does_not_absorb_it_and_uncertainty_of_the_rule_is_in_it():
    rng = np.random.default_rng(5)
    table = sites(800, rng, wrong=0.0)
    table["is_pad"] = np.where(table["red"], ~table["is_pad"], table["is_pad"])
    assert checked(table, noise=(10, 10)).words == "red = true"
    few = {k: v[:12] for k, v in sites(12, rng, wrong=0.3).items()}
    found = checked(few, noise=(5, 10))
    assert found is None or 0.01 < found.p <= 1


def test_nothing_wrong_at_all():
    found = checked(sites(100, np.random.default_rng(2), wrong=0.0), noise=0)
    assert (found.words, found.n, found.contradicted, found.statistic, found.p) == (
        "",
        100,
        0,
        0,
        1,
    ) and not found.misfit


def test_what_is_no_feature():
    rng = np.random.default_rng(3)
    table = sites(100, rng) | {"text": np.array(list("ab") * 50), "constant": np.ones(100)}
    table["gappy"] = np.where(np.arange(100) < 3, np.nan, rng.random(100))
    table["said_too"] = table["is_pad"]
    with_it = checked(table | {"said_too": table["is_pad"]})
    without = checked(table, besides={"said_too"})
    plain = checked({k: table[k] for k in ("flags", "red", "depth", "slope", "is_pad")})
    assert without.looked_at == plain.looked_at < with_it.looked_at
    none = {"is_pad": table["is_pad"], "flags": table["flags"]}
    assert checked({k: v[table["flags"]] for k, v in none.items()}, hypotheses={"flags": "where(flags, 1, -1)"}) is None
    scores = [rh.Rewards({"flags": [1, 0], "x": [1.0, 2.0]}, "x", sigma2=(2, 1))]
    listed, line, made = prepared({"flags": "where(flags, 1, -1)"}, scores, 0)
    assert subgroup_check(weigh(listed, Uniform("x"), made, line), 0, rng) is None


def test_many_items_many_features():
    rng = np.random.default_rng(4)
    table = sites(60_000, rng) | {f"x{i}": rng.normal(size=60_000) for i in range(12)}
    table["is_pad"] = table["is_pad"] ^ (table["flags"] & (table["depth"] > 0.8) & (rng.random(60_000) < 0.3))
    found = checked(table)
    assert found.words.startswith("flags = true and depth above") and found.p < 0.01
    assert found.replications == 1000 and found.n < 50_000


def test_beside_continuous_weights():
    table = sites(300, np.random.default_rng(6))
    table["is_pad"] = np.where(table["red"], ~table["is_pad"], table["is_pad"])
    mixture = rh.Linear(["flags - 0.5"], source="a test")
    found = checked(table, hypotheses={"mix": mixture, "depth": RULES["depth"]})
    assert found.words == "red = true" and found.p < 0.01


def test_in_results_tables_and_words(tmp_path):
    rng = np.random.default_rng(8)
    rows = ["red_paint,flags,slope,is_pad"]
    for _ in range(400):
        flags, slope = rng.random() < 0.5, round(float(rng.random()), 3)
        pad = flags ^ (rng.random() < 0.02)
        rows.append(f"{int(flags)},{int(flags)},{slope},{int(pad if slope < 0.75 or not flags else not pad)}")
    results = rh.run(write(tmp_path, small(), training="\n".join(rows) + "\n", test=TEST))
    found = results["subgroups"]["labels"]
    assert found["words"].startswith(("flags = true and slope above 0.7", "red_paint = true and slope above 0.7"))
    assert found["p"] < 0.01 and any(found["words"] in m for m in results["misfit"])
    assert any(found["words"] in w for w in results["warnings"]) and sentences(results) == []
    table = next(t for t in paper_tables(results) if t.name == "subgroups")
    assert table.rows[0][1] == found["words"] and b"replications" in table.csv()
    again = rh.run(write(tmp_path, small(), training="\n".join(rows) + "\n", test=TEST))
    assert again["subgroups"] == results["subgroups"]
