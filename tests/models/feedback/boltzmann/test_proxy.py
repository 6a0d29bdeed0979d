"""Proxies: their evidence against brute force, silence, families, trees, checks, studies, and what is refused."""

import math

import numpy as np
import oracles_mdp as oracle
import pandas as pd
import pytest
from proxy_cases import SCENES, WRITTEN, fitted, lava, refused

import reward_hypotheses as rh
from reward_hypotheses.models.feedback.feedback_names import named
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.predictive_check import predictive_check
from reward_hypotheses.models.weights.weigh import weigh

REWARDS = {
    "x": lambda x, y: x,
    "twice x": lambda x, y: 2 * x,
    "y": lambda x, y: y,
    "mix": lambda x, y: x - 2 * y,
    "minus x": lambda x, y: -x,
    "nothing": lambda x, y: 0 * x + 3,
}
CANDIDATES = {
    "x": ("x", lambda x, y: x),
    "x again": ("2*x + 1", lambda x, y: 2 * x + 1),
    "y": ("y", lambda x, y: y),
    "both": ("x + y", lambda x, y: x + y),
    "away": ("-x", lambda x, y: -x),
    "anything": ("0*x", lambda x, y: 0 * x),
}


def classes_of(does, near):
    """Candidates that do the same: the first of each class, and the class of each."""
    first = []
    for k, one in enumerate(does):
        first.append(
            next(j for j in range(k + 1) if all(abs(a - b) <= near for a, b in zip(does[j], one, strict=True)))
        )
    kept = sorted(set(first))
    return kept, [kept.index(f) for f in first]


def log_evidence_of(worth, chosen, prior, scale):
    """``log integral p(chosen | beta) p(beta) dbeta``, by QUADPACK; and at a rationality of 1.7."""
    mean = math.fsum(worth) / len(worth)
    s = math.sqrt(math.fsum((w - mean) ** 2 for w in worth) / len(worth)) if scale == "unit" else 1.0
    equal = max(worth) - min(worth) <= 1e-9 * max(abs(w) for w in worth)
    z = [0.0 if equal else (w - mean) / s for w in worth]

    def ll(beta):
        top = max(beta * v for v in z)
        return beta * z[chosen] - top - math.log(math.fsum(math.exp(beta * v - top) for v in z))

    return oracle.integral(ll, **prior), ll(1.7)


def compare(make, worths, chosen, prior, scale):
    """Both fits, with the rationality inferred and given, against quadrature."""
    got = fitted([make(rationality=prior, scale=scale)])["evidence"]["log_evidence"].values
    fixed = fitted([make(rationality=1.7, scale=scale)])["evidence"]["log_evidence"].values
    for h, worth in enumerate(worths):
        inferred, at = log_evidence_of(worth, chosen, prior, scale)
        assert got[h] == pytest.approx(inferred, abs=1e-8)
        assert fixed[h] == pytest.approx(at, abs=1e-10)


def some_candidates(rng, least=3):
    names = rng.permutation(list(CANDIDATES)).tolist()[: int(rng.integers(least, len(CANDIDATES) + 1))]
    return {name: CANDIDATES[name] for name in names}


@pytest.mark.parametrize("seed", range(24))
def test_evidence_in_tables(seed):
    """Ragged scenes, some of equal weights, some with an option that is failing; ties and candidates that are alike."""
    rng = np.random.default_rng(seed)
    rows = []
    for scene in range(int(rng.integers(1, 5))):
        for option in range(int(rng.integers(1, 5)) + (scene == 0)):
            x, y = float(rng.integers(-3, 4)) / 2, float(rng.integers(0, 3))
            failing = seed % 3 == 0 and scene > 0 and option == 0
            rows.append([scene, option, 1.7, failing, x, y])
    frame = pd.DataFrame(rows, columns=["scene", "option", "scene_weight", "is_failing", "x", "y"])
    frame = frame.drop(columns="scene_weight") if seed % 4 == 1 else frame
    weights = {r[0]: 1.0 for r in rows}
    while True:
        candidates = some_candidates(rng)
        does = []
        for _, reward in candidates.values():
            row = []
            pays = [None if r[3] else reward(r[4], r[5]) for r in rows]
            for r in rows:
                mine = [p for p, q in zip(pays, rows, strict=True) if q[0] == r[0]]
                real = [p for p in mine if p is not None]
                if not real:
                    row.append(1 / len(mine))  # nothing but failing is offered
                    continue
                best = max(real)
                p = pays[len(row)]
                row.append(0.0 if p is None or p < best - 1e-12 else 1 / sum(q >= best - 1e-12 for q in real))
            does.append(row)
        kept, place = classes_of(does, 1e-9)
        if len(kept) > 1:
            break
    total = math.fsum(weights.values())
    worths = []
    for reward in REWARDS.values():
        r = [0.3 if row[3] else reward(row[4], row[5]) for row in rows]
        worths.append(
            [math.fsum(weights[row[0]] / total * does[k][i] * r[i] for i, row in enumerate(rows)) for k in kept]
        )
    which = int(rng.integers(len(candidates)))
    prior = {"mu": float(rng.normal()), "sigma": float(rng.uniform(0.3, 2))}
    texts = {name: text for name, (text, _) in candidates.items()}

    def make(**options):
        return rh.Proxy(frame, chosen=list(texts)[which], candidates=texts, **options)

    compare(make, worths, place[which], prior, ("unit", "raw")[seed % 5 == 0])


@pytest.mark.parametrize("seed", range(20))
def test_evidence_in_mdps(seed):
    rng = np.random.default_rng(100 + seed)
    while True:
        p = oracle.random_mdp(rng)
        a, n, _ = p.shape
        states = oracle.states_of(rng, n)
        g = float(rng.choice([0.0, 0.5, 0.9]))
        going = [s for s in range(n) if any(p[b, s].sum() > 0.5 for b in range(a))]
        if not going:
            continue
        start = np.zeros(n)
        if seed % 2:
            start[:] = rng.dirichlet(np.ones(n))
        else:
            start[going] = 1 / len(going)
        candidates = some_candidates(rng)
        does = []
        for _, reward in candidates.values():
            q = oracle.optimal_q(p, reward(states["x"], states["y"]), g)
            best = q >= q.max(axis=1, keepdims=True) - 1e-9 * np.abs(q).max()
            under = np.einsum("sa,ast->st", best / best.sum(axis=1, keepdims=True), p)
            does.append(np.linalg.solve((np.eye(n) - g * under).T, start))
        kept, place = classes_of(does, 1e-9 * np.max(does))
        if len(kept) > 1:
            break
    worths = [[float(does[k] @ reward(states["x"], states["y"])) for k in kept] for reward in REWARDS.values()]
    which = int(rng.integers(len(candidates)))
    texts = {name: text for name, (text, _) in candidates.items()}
    mdp = rh.MDP(states, p, g)
    given = {"start": start} if seed % 2 else {}

    def make(**options):
        return rh.Proxy(mdp, chosen=list(texts)[which], candidates=texts, **given, **options)

    prior = {"mu": float(rng.normal()), "sigma": float(rng.uniform(0.3, 2))}
    compare(make, worths, place[which], prior, ("unit", "raw")[seed % 3 == 0])


def test_candidates_that_behave_alike_are_one():
    one = rh.Proxy(SCENES, chosen="on", candidates=WRITTEN)
    assert one.written == ("x = on", "y", "away") and one.observed.tolist() == [[True, False, False]]
    assert one.laid_out(one.table.columns["x"].values)[0] == pytest.approx([7 / 3, 1.0, 0.0], abs=1e-14)
    tied = rh.Proxy(
        SCENES, chosen="y", candidates={"any": "0*x", "y": "y", "nearly": "1 + 1e-16*y", "less": "1 + 1e-12*y"}
    )
    assert tied.written == ("any = nearly", "y = less")
    assert tied.does[0].tolist() == pytest.approx([1 / 3] * 9, abs=1e-15)


def test_silence_is_equal_worth_of_what_the_candidates_do():
    """r_i = a r_j + b suffices; so does any difference that no candidate's choice can bring about."""
    table = SCENES | {"never": [[0, 0, 1], [0, 0, 0], [0, 0, 0]]}  # true only where no candidate goes
    given = {"x": "x", "scaled": "3*x + 7", "elsewhere": "x - 50*never", "minus": "-x", "y": "y", "none": "0*x"}
    one = rh.Proxy(table, chosen="x", candidates={"x": "x", "y": "y", "away": "-x"})
    tree = fitted([one], given)
    classes = tree["evidence"]["silent_class"].values
    assert classes[0] == classes[1] == classes[2] and len({classes[0], *classes[3:].tolist()}) == 4
    evidence = tree["evidence"]["log_evidence"].values
    assert evidence[0] == evidence[1] == evidence[2] and evidence[5] == pytest.approx(-math.log(len(one.written)))
    raw = fitted([rh.Proxy(table, chosen="x", candidates=one.candidates, scale="raw")], given)
    classes = raw["evidence"]["silent_class"].values
    assert classes[0] == classes[2] != classes[1]


def test_no_noise_of_rounding_is_taken_for_a_difference():
    """What differs by rounding alone predicts at chance, of named rewards and of continuous weights."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 3))
    z = np.repeat(0.1 + np.zeros((40, 1)), 3, axis=1)  # equal within every scene
    z += np.arange(40)[:, None] / 7
    one = rh.Proxy({"x": x, "z": z}, chosen="x", candidates={"x": "x", "away": "-x", "any": "0*x"})
    family = rh.Linear(["z"], source="a test")
    tree = fitted([one], {"z": "z", "x": "x", "family": family})
    apart = np.abs(tree["evidence"]["log_evidence"].values + math.log(3))
    assert apart[0] < 1e-12 and apart[2] < 5 * float(tree["evidence"]["mcse"][2]) + 1e-12 and apart[1] > 0.1


@pytest.mark.parametrize("prior", ["sphere", {"normal": 1.5}])
@pytest.mark.parametrize("where", ["table", "mdp"])
def test_continuous_weights(where, prior):
    """A family's evidence, against a grid over its weights and the rationality."""
    if where == "table":
        world, names, given = SCENES, ("x", "y"), {"x": "x", "y": "y", "away": "-x"}
    else:
        world, names, given = lava(), ("goal", "lava"), {"goal": "goal", "lava": "lava", "none": "-goal - lava"}
    one = rh.Proxy(world, chosen=names[0], candidates=given)
    family = rh.Linear(list(names), prior=prior, source="a test")
    tree = fitted([one], {"family": family, names[0]: names[0]}, line=0.0)
    columns = np.array([one.table.columns[name].values.astype(float) for name in names])
    share = 1 / 3 if where == "table" else 1.0
    got = share * one.does @ (columns / columns.std(axis=1, keepdims=True)).T  # (candidate, feature)
    if prior == "sphere":
        turn, t = (np.arange(400) + 0.5) / 400 * 2 * np.pi, np.linspace(-7, 7, 281)
        worth = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ got.T
        worth = np.exp(t)[:, None, None] * worth / worth.std(axis=1, keepdims=True)
        log_prior = np.repeat(-0.5 * t**2, 400) + math.log((t[1] - t[0]) / 400 / math.sqrt(2 * math.pi))
    else:
        w = np.linspace(-9, 9, 361)
        worth = np.stack(np.meshgrid(w, w, indexing="ij"), axis=-1) @ got.T
        log_prior = -0.5 * np.add.outer(w**2, w**2).ravel() / 2.25 + 2 * math.log(
            (w[1] - w[0]) / 1.5 / math.sqrt(2 * math.pi)
        )
    worth = worth.reshape(-1, len(got))
    said = worth[:, 0] - np.logaddexp.reduce(worth, axis=1)
    want = np.logaddexp.reduce(said + log_prior)
    found = tree["evidence"].sel(hypothesis="family")
    assert abs(float(found["log_evidence"]) - want) < 5 * float(found["mcse"]) + 1e-3
    assert tree["posterior"]["reward_weight"].sizes["feature"] == 2


def test_one_human_of_proxies_and_choices():
    """One rationality: the evidence is one integral over it, not a product of two."""
    given = {"x": "x", "y": "y"}
    other = {"x": [[1.0, 0.0], [0.0, 1.0]], "y": [[0.0, 0.5], [1.0, 0.0]], "c": [[1, 0], [0, 1]]}
    both = [rh.Proxy(SCENES, chosen="x", candidates=WRITTEN, human="Ann"), rh.Choices(other, "c", human="Ann")]
    tree = fitted(both, given)
    assert "Ann_rationality" in tree["posterior"] and "proxy_rationality" not in tree["posterior"]

    def inputs(name):
        x, y = np.array(SCENES[name]), np.array(other[name])
        worth = np.array([np.mean([x[0, 0], x[1, 1], x[2, 2]]), np.mean([x[0, 1], x[1, 1], x[2, 0]]), 0.0])
        worth[2] = np.mean([x[0, 1], x[1, 0], x[2, 0]])
        return (worth - worth.mean()) / worth.std(), y / math.sqrt(y.var(axis=1).mean())

    for h, name in enumerate(given):
        z, y = inputs(name)

        def ll(beta, z=z, y=y):
            chosen = [beta * y[0, 0], beta * y[1, 1]]
            left = [np.logaddexp.reduce(beta * row) for row in y]
            return beta * z[0] - np.logaddexp.reduce(beta * z) + sum(chosen) - sum(left)

        want = oracle.integral(ll, mu=0.0, sigma=1.0)
        assert tree["evidence"]["log_evidence"].values[h] == pytest.approx(want, abs=1e-8)
    with refused("human 'Ann'", "scale"):
        fitted([rh.Proxy(SCENES, chosen="x", candidates=WRITTEN, human="Ann", scale="raw"), both[1]], given)


def test_designers_who_contradict_themselves_are_of_little_rationality():
    """Four proxies for x by one human, against two for x and two for -x: about the same evidence for either, and a low beta."""
    given, beta = {"x": "x", "minus": "-x"}, []
    for chosen in (["x"] * 4, ["x", "away"] * 2):
        tree = fitted([rh.Proxy(SCENES, chosen=c, candidates=WRITTEN, human="Ann") for c in chosen], given)
        beta.append(float(tree["posterior"]["Ann_rationality"].sel(hypothesis="x").mean()))
        apart = float(np.ptp(tree["evidence"]["log_evidence"].values))
        assert apart > 1 if len(set(chosen)) == 1 else apart < 1
    assert beta[1] < beta[0] / 3


def test_scenes_without_options_and_episodes_without_discount():
    nothing = {"available": [[1, 1], [0, 0], [1, 0]], "x": [[1.0, 2], [5, 6], [3, 1]], "y": [[2.0, 1], [5, 7], [3, 1]]}
    one = rh.Proxy(nothing, chosen="x", candidates={"x": "x", "y": "y"})
    assert one.does.tolist() == [[0, 1, 1], [1, 0, 1]] and one.laid_out(np.array([1.0, 2, 3])).tolist() == [[2.5, 2]]
    moves = [[[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4], [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0] * 4]]
    endless = rh.MDP({"x": [0.0, 1, 2, 0], "y": [0.0, 2, 1, 0]}, moves, 1)
    one = rh.Proxy(endless, chosen="x", candidates={"x": "x", "y": "y"}, start=0)
    assert one.does.tolist() == [[1, 0, 1, 1], [1, 1, 0, 1]]


def test_what_no_candidate_would_meet_is_left_open():
    """Where there is no lava a proxy is silent about it, however much of it its text holds; where there is, it is not."""
    given = {f"lava {n}": f"10*goal - start + {n}*lava" for n in (-100, -1, 0, 9)}
    candidates = {"goal": "goal - 100*lava", "start": "start", "goal, lava": "goal + 5*lava"}
    seen = [
        fitted([rh.Proxy(lava(rows), chosen="goal", candidates=candidates)], given)
        for rows in (["S.G"], ["SLG", "..."])
    ]
    silent = [tree["evidence"]["silent_class"].values.tolist() for tree in seen]
    assert silent[0] == [0, 0, 0, 0] and len(set(silent[1])) == 4
    assert len(set(seen[0]["evidence"]["log_evidence"].values.tolist())) == 1


@pytest.mark.parametrize("world", ["table", "mdp"])
def test_trees(world, tmp_path):
    """Draws, replications and what else a tree holds; saved and read back."""
    import arviz as az
    import xarray as xr

    if world == "table":
        one, given = rh.Proxy(SCENES, chosen="on", candidates=WRITTEN), {"x": "x", "y": "y", "on": "where(on, 1, -1)"}
    else:
        one = rh.Proxy(lava(), chosen="goal", candidates={"goal": "goal", "lava": "lava", "both": "goal + 2*lava"})
        given = {"goal": "goal", "lava": "lava", "keep off": "-lava"}
    tree = rh.fit(given, rh.Uniform("a test"), [one], 0.0, random_seed=1, log_likelihood=True)
    assert tree["posterior_predictive"]["proxy"].dims[2:] == ("proxy_item", "proxy_candidate")
    assert bool((tree["posterior_predictive"]["proxy"].sum("proxy_candidate") == 1).all())
    assert tree["constant_data"]["proxy_written"].values[0].tolist() == list(one.written)
    got = tree["log_likelihood"]["proxy"].values[..., 0]  # (chain, draw, hypothesis)
    beta, h = tree["posterior"]["proxy_rationality"].values, 1
    listed, line, (made,) = prepared(given, [one], 0.0)
    (made,) = named([made])
    posterior = weigh(listed, rh.Uniform("a test"), [made], line)
    z = made.at(posterior.valuations[0], h)[0]
    want = beta[..., h] * (z @ made.observed[0]) - np.logaddexp.reduce(beta[..., h, None] * z, axis=-1)
    np.testing.assert_allclose(got[..., h], want, atol=1e-12)
    np.testing.assert_allclose(
        tree["constant_data"]["proxy_scale"].values[h], made.spread(made.rewards(posterior.valuations[0], h))
    )
    tree.to_netcdf(tmp_path / "tree.nc")
    back = xr.open_datatree(tmp_path / "tree.nc").load()
    xr.testing.assert_identical(back["posterior"].to_dataset(), tree["posterior"].to_dataset())
    assert len(az.summary(tree, var_names=["proxy_rationality"])) == 3
    how = {} if world == "table" else {"start": "0,0", "horizon": 9}
    risks = [rh.catastrophe_risk(t, SCENES if world == "table" else lava(), **how) for t in (tree, back)]
    assert float(risks[0]["mean"]) == float(risks[1]["mean"])


def test_replications_are_of_the_likelihood():
    given = {"x": "x", "y": "y"}
    listed, line, feedback = prepared(given, [rh.Proxy(SCENES, chosen="x", candidates=WRITTEN)], 0.0)
    (one,) = named(feedback)
    at = one.at(weigh(listed, rh.Uniform("a test"), [one], line).valuations[0], 0)
    n, rng = 40_000, np.random.default_rng(4)
    often = one.replicate(at, {"rationality": np.full(n, 1.3)}, n, rng)[:, 0].mean(axis=0)
    each = np.exp(
        [one.log_likelihood(at, {"rationality": np.full((1, 1), 1.3)}, said, np).item() for said in np.eye(3)[:, None]]
    )
    assert each.sum() == pytest.approx(1, abs=1e-12)
    assert (np.abs(often - each) < 5 * np.sqrt(each * (1 - each) / n)).all()


def check_of(chosen, given, candidates=WRITTEN, table=SCENES, **options):
    listed, line, feedback = prepared(given, [rh.Proxy(table, chosen=chosen, candidates=candidates, **options)], 0.0)
    posterior = weigh(listed, rh.Uniform("a test"), named(feedback), line)
    return predictive_check(posterior, 0, np.random.default_rng(1))


def test_the_check_notices_a_proxy_that_nobody_listed_would_write():
    given = {"x": "x", "y": "y"}
    planted = check_of("away", given, rationality=9.0)
    assert planted.p < 0.01 and len(planted.misfit) == 1 and "'away'" in planted.misfit[0]
    assert "one choice, which tells little" in planted.what
    for chosen, rationality in (("x", 9.0), ("y", 9.0), ("away", None), ("x", None)):
        found = check_of(chosen, given, rationality=rationality)  # inferred, one strange choice is little rationality
        assert not found.misfit and 0.01 < found.p <= 1


def test_the_check_seldom_warns_of_data_that_the_model_made():
    """Of 100 proxies drawn from the model at most a few are flagged at 1 % (false alarm below 1e-4)."""
    given = {"x": "x", "y": "y", "mix": "x + y"}
    rng, flagged = np.random.default_rng(6), 0
    features = [rng.normal(size=(6, 4)) for _ in range(2)]
    table = {"x": features[0], "y": features[1]}
    candidates = {f"{a} {b}": f"{a}*x + {b}*y" for a in (-1, 0, 1) for b in (-1, 0, 1)}
    listed, line, feedback = prepared(given, [rh.Proxy(table, chosen="0 1", candidates=candidates)], 0.0)
    (blank,) = named(feedback)
    over = weigh(listed, rh.Uniform("a test"), [blank], line).valuations[0]
    for _ in range(100):
        at, beta = blank.at(over, int(rng.integers(3))), np.exp(rng.normal(size=1))
        said = int(np.argmax(blank.replicate(at, {"rationality": beta}, 1, rng)[0, 0]))
        flagged += bool(check_of(blank.written[said].split(" = ")[0], given, candidates, table).misfit)
    assert flagged <= 7


@pytest.mark.slow
def test_nuts_agrees():
    given = {"x": "x", "y": "y", "away": "-x"}
    one = rh.Proxy(SCENES, chosen="x", candidates=WRITTEN)
    exact = fitted([one], given)["evidence"]
    tree = rh.fit(given, rh.Uniform("a test"), [one], 0.0, method="nuts", random_seed=1)["evidence"]
    assert (np.abs(tree["log_evidence"] - exact["log_evidence"]) < 5 * tree["mcse"] + 1e-6).all()
    model = rh.pymc_model(given, rh.Uniform("a test"), [one], 0.0)
    assert "proxy_rationality" in model.named_vars
    family = rh.pymc_model({"f": rh.Linear(["x", "y"], source="a test")}, rh.Uniform("a test"), [one], 0.0)
    point = family.initial_point() | {"reward_weight_vector": np.array([0.5, -0.3])}
    assert np.isfinite(list(family.point_logps(point).values())).all()
