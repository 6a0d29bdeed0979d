"""Policies: one conformance test for all, against enumeration; then risk of what is not in the random studies."""

import math

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import share, world

import reward_hypotheses as rh
from reward_hypotheses.analysis.risk.catastrophe import compute_risk, scalar_risk
from reward_hypotheses.data.errors import InputError
from reward_hypotheses.data.readers.in_memory import as_table
from reward_hypotheses.models.hypotheses import valuation as module
from reward_hypotheses.models.hypotheses.failure_line import stated_line
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.hypotheses.valuation import Valuation
from reward_hypotheses.models.policies import registry
from reward_hypotheses.models.policies.base import Policy, Rationality
from reward_hypotheses.models.policies.view import View, within_scene_scale

POLICIES = [
    rh.Commit(),
    rh.Commit(abstain=True),
    rh.MostProbable(),
    rh.MostProbable(abstain=True),
    rh.Expected(),
    rh.Expected(abstain=True),
    rh.Boltzmann(2.0),
    rh.Boltzmann(0.7, abstain=True),
    rh.Boltzmann(0),
    rh.Cvar(0.25),
    rh.Cvar(0.6, abstain=True),
    rh.Maximin(0.5),
    rh.Maximin(abstain=True),
    rh.Quantilize(0.3),
    rh.Quantilize(0.55, abstain=True),
]
REGISTERED = [
    kind(**settings, abstain=abstain)
    for kind in registry.POLICIES.values()
    for settings in kind.compared
    for abstain in (False, True)
]


class Cautious(rh.Policy):
    """A user's own: one equation. Takes the middle of the options, whatever is true."""

    def certain(self, view, h):
        out = np.zeros(view.shape)
        out[0] = 1.0
        return out


@pytest.mark.parametrize("policy", [*POLICIES, *REGISTERED, Cautious(abstain=True)], ids=repr)
@pytest.mark.parametrize("seed", range(4))
def test_conformance(policy, seed):
    valuation, exact = world(seed)
    weights = np.array(exact["agent"], float)
    scales = within_scene_scale(valuation)
    for block in valuation.blocks():
        view = View(block, policy.abstain, scales)
        for chosen in [policy.certain(view, h) for h in range(3)] + [policy.act(view, weights)]:
            assert chosen.shape == view.shape
            np.testing.assert_allclose(np.asarray(chosen, float).sum(axis=0), 1, atol=1e-14)
            assert (np.asarray(chosen) >= 0).all()
            if view.mask is not None:
                assert not np.asarray(chosen)[~view.mask].any()
    assert math.fsum(policy.mixing(weights)) == pytest.approx(1)
    assert policy.name == policy.name.lower()


@pytest.mark.parametrize("policy", REGISTERED, ids=repr)
def test_a_policy_knows_itself(policy):
    kind = type(policy)
    assert registry.POLICIES[policy.name] is kind and kind(**policy.settings(), abstain=policy.abstain) == policy
    assert policy.clause and policy.does and policy.words.startswith(policy.name.replace("_", " "))
    assert policy.words.endswith(", may abstain") == policy.abstain
    assert kind.draws_one == (kind.act is Policy.act) and (kind.draws_one or not kind.mixes_weights)
    valuation, exact = world(2)
    view = View(next(iter(valuation.blocks())), policy.abstain, within_scene_scale(valuation))
    best = [np.array_equal(policy.act(view, np.eye(3)[h]), view.best(h)) for h in range(3)]
    assert all(best) or not kind.maximises
    by_scale = np.array(exact["agent"], float)
    for done in kind.act_each([policy], {policy.abstain: view}, by_scale):
        np.testing.assert_array_equal(done, policy.act(view, by_scale))


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("kind", ["ragged", "weights", "failing"])
@pytest.mark.parametrize("seed", range(6))
def test_against_enumeration(policy, kind, seed):
    valuation, exact = world(seed, ragged=True, weights=kind == "weights", failing=kind == "failing")
    if kind == "failing" and not policy.abstain and not all(any(a) for a in exact["available"]):
        exact["available"][0][0] = True
    want = oracles.risk_report(
        policy.name,
        exact["agent"],
        exact["judge"],
        exact["rewards"],
        exact["available"],
        exact["judge_u"],
        exact["agent_u"],
        policy.abstain,
        scene_weights=exact["weights"],
        beta=getattr(policy, "beta", None),
        share=share(policy),
    )
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    got = compute_risk(valuation, policy, agent, judge)
    for key in ("mean", "floor", "abstained", "regret"):
        assert getattr(got, key) == pytest.approx(float(want[key]), abs=1e-12), key
    for key in ("by_truth", "by_agent", "by_scene"):
        np.testing.assert_allclose(getattr(got, key), [float(x) for x in want[key]], atol=1e-12, err_msg=key)
    np.testing.assert_allclose(got.matrix, [[float(x) for x in row] for row in want["matrix"]], atol=1e-12)
    assert got.se_scenes == pytest.approx(float(want["se_scenes"]), abs=1e-12)
    scalar, abstained = scalar_risk(valuation, policy, agent, judge)
    assert scalar[0] == pytest.approx(got.mean, abs=1e-13)
    assert abstained[0] == pytest.approx(got.abstained, abs=1e-13)


def test_many_blocks_give_what_one_does(monkeypatch):
    policies = [rh.Commit(), rh.Commit(abstain=True), rh.Expected(), rh.Boltzmann(1.5, abstain=True)]
    one, exact = world(3, scenes=200, weights=True)
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    want = [compute_risk(one, p, agent, judge) for p in policies]
    for kept in (0, 10**9):
        monkeypatch.setattr(module, "KEEP_CELLS", kept)
        monkeypatch.setattr(module, "LEAST_ITEMS", 30)
        monkeypatch.setattr(module, "BLOCK_ITEMS", 30)
        many, _ = world(3, scenes=200, weights=True)
        assert len(list(many.blocks())) > 5
        for policy, w in zip(policies, want, strict=True):
            got = compute_risk(many, policy, agent, judge)
            assert got.mean == pytest.approx(w.mean, abs=1e-13)
            np.testing.assert_allclose(got.matrix, w.matrix, atol=1e-13)
            np.testing.assert_allclose(got.by_scene, w.by_scene, atol=1e-13)
            assert got.regret == pytest.approx(w.regret, abs=1e-12)


def test_exact_ties_of_the_mean_reward():
    """0.5 * 100 - 0.5 * 100 is not exactly 0; a product of matrices breaks such ties to one side."""
    table = as_table({"a": np.array([[100.0, -100.0, 0.1 + 0.2]]), "b": np.array([[-100.0, 100.0, -0.3]])})
    h = hypotheses_of({"a": "a", "b": "b"})
    valuation = Valuation(h, table, stated_line(0.0, h.names))
    view = View(next(iter(valuation.blocks())))
    np.testing.assert_array_equal(rh.Expected().act(view, np.array([0.5, 0.5]))[:, 0], [1 / 3, 1 / 3, 1 / 3])


def test_rewards_equal_up_to_rounding():
    table = as_table({"a": np.array([[1.0, np.nextafter(1.0, 2.0), 1 - 1e-14]])})
    h = hypotheses_of({"a": "a"})
    valuation = Valuation(h, table, stated_line(1.0, h.names))
    risk = compute_risk(valuation, rh.Commit(), np.ones(1), np.ones(1))
    view = View(next(iter(valuation.blocks())))
    np.testing.assert_array_equal(rh.Commit().certain(view, 0)[:, 0], [0.5, 0.5, 0])
    assert risk.mean == 0 and risk.floor == 0  # r == u is no catastrophe


def test_between_a_share_and_the_whole():
    """Of one tail Cvar is Expected, a quantilizer of everything is its base, and of next to nothing Commit."""
    valuation, exact = world(5)
    weights = np.array(exact["agent"], float)
    for block in valuation.blocks():
        view = View(block)
        np.testing.assert_allclose(rh.Cvar(1).act(view, weights), rh.Expected().act(view, weights))
        np.testing.assert_allclose(rh.Quantilize(1).certain(view, 0), view.mask / view.mask.sum(axis=0))
        np.testing.assert_allclose(rh.Quantilize(1e-9).certain(view, 0), rh.Commit().certain(view, 0), atol=1e-15)
        least = rh.Cvar(1e-9).act(view, weights)
        np.testing.assert_allclose(least, rh.Maximin(1).act(view, weights))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.01, 1))
def test_a_quantilizer_is_at_most_so_much_likelier_to_do_anything(seed, q):
    """Taylor (2016): an option, so a catastrophe too, is at most 1/q times as likely as under the base, whatever is true."""
    valuation, exact = world(seed)
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    matrix = compute_risk(valuation, rh.Quantilize(q), agent, judge).matrix
    base = compute_risk(valuation, rh.Quantilize(1), agent, judge).matrix
    assert (matrix <= base / q + 1e-12).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.floats(0.05, 1))
def test_cvar_is_the_linear_program_of_rockafellar_and_uryasev(seed, tail):
    """``min_q q @ r`` over weights of at most w / tail: what the policy takes has the greatest, by scipy's solver."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(seed)
    rewards, w = rng.normal(size=(5, 1, 4)), rng.dirichlet(np.ones(5))
    table = as_table({f"r{h}": rewards[h] for h in range(5)})
    h = hypotheses_of({f"h{h}": f"r{h}" for h in range(5)})
    view = View(next(iter(Valuation(h, table, stated_line(0.0, h.names)).blocks())))
    least = [
        linprog(rewards[:, 0, o], A_eq=np.ones((1, 5)), b_eq=[1], bounds=[(0, x / tail) for x in w]).fun
        for o in range(4)
    ]
    assert int(np.argmax(rh.Cvar(tail).act(view, w)[:, 0])) == int(np.argmax(least))


def test_maximin_looks_at_the_credible():
    believed = rh.Maximin(0.9).believed
    assert believed(np.array([0.5, 0.4, 0.1])).tolist() == [0, 1]  # they have .9
    assert believed(np.array([0.5, 0.3, 0.2 - 1e-13, 1e-13])).tolist() == [0, 1, 2]
    assert rh.Maximin(0.5).believed(np.array([0.4, 0.3, 0.3])).tolist() == [0, 1, 2]  # tied ones too
    assert rh.Maximin(1).believed(np.array([0.7, 0.3, 0.0])).tolist() == [0, 1]


def test_cvar_of_continuous_weights_takes_every_draw(tmp_path):
    """Of a family the tail is over its draws: a choice that is good on average and bad under a third is left."""
    rng = np.random.default_rng(2)
    probes = {"scene": np.repeat(np.arange(60), 2), "option": np.tile([0, 1], 60), "a": rng.normal(size=120)}
    probes |= {"b": rng.normal(size=120), "took": np.zeros(120, bool)}
    better = probes["a"].reshape(60, 2).argmax(axis=1)
    probes["took"][np.arange(60) * 2 + better] = True
    tree = rh.fit(
        {"family": rh.Linear(["a", "b"], prior={"normal": 1}, source="x")},
        rh.Uniform("x"),
        [rh.Choices(probes, "took")],
        fail_utility=0.0,
        random_seed=1,
    )
    drawn = tree["posterior"]["reward_weight"].to_numpy().reshape(-1, 2)
    a, b = drawn.T / np.array([probes["a"].std(), probes["b"].std()])[:, None]
    test = {"scene": [0, 0], "option": [0, 1], "a": [0.3, 0.2], "b": [2.0, 0.0]}
    values = np.sort(np.stack([0.3 * a + 2 * b, 0.2 * a]), axis=1)
    tail = values[:, : len(drawn) // 10].mean(axis=1)
    assert tail[1] > tail[0] + 0.2  # far beyond the error of so many draws
    said = rh.predict(tree, test, policy=rh.Cvar(0.1), draws=50, random_seed=1)
    assert (said["predictions"]["option"].to_numpy() == 1).all()
    with pytest.raises(InputError, match="maximin: hypothesis 'family' has continuous weights"):
        rh.catastrophe_risk(tree, test, policy=rh.Maximin())


def test_most_probable_draws_among_ties():
    np.testing.assert_allclose(rh.MostProbable().mixing(np.array([0.4, 0.4 * (1 - 1e-10), 0.2])), [0.5, 0.5, 0])


def test_a_failure_line_by_scene():
    table = as_table(
        {"scene": [0, 0, 1, 1], "option": [0, 1, 0, 1], "x": [1.0, 3.0, 1.0, 3.0], "u": [2.0, 2.0, 0.0, 0.0]}
    )
    h = hypotheses_of({"x": "x", "minus": "-x"})
    valuation = Valuation(h, table, stated_line({"x": "u", "minus": "-u"}, h.names))
    risk = compute_risk(valuation, rh.Commit(), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    assert risk.mean == 0.5  # certain of minus it picks x = 1: below 2 in scene 0, above 0 in scene 1


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.permutations(range(4)), st.floats(0.01, 1e6), st.integers(-1000, 1000))
def test_relabelling_and_units_change_nothing(seed, order, scale, shift):
    valuation, exact = world(seed, ragged=False)
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    rewards = np.array(exact["rewards"], float)  # (hypothesis, scene, option)
    lines = np.array(exact["judge_u"], float)[:, 0]
    moved = scale * rewards[:, :, list(order)] + shift
    table = as_table({f"r{h}": moved[h] for h in range(3)})
    names = ["h0", "h1", "h2"]
    line = stated_line({n: float(scale * u + shift) for n, u in zip(names, lines, strict=True)}, names)
    other = Valuation(valuation.hypotheses, table, line)
    same = Valuation(valuation.hypotheses, valuation.table, valuation.line)
    for policy in (rh.Commit(abstain=True), rh.Boltzmann(1.0), rh.MostProbable()):
        a, b = (compute_risk(x, policy, agent, judge) for x in (same, other))
        assert a.mean == pytest.approx(b.mean, abs=1e-9)
        np.testing.assert_allclose(a.matrix, b.matrix, atol=1e-9)
        assert scale * a.regret == pytest.approx(b.regret, rel=1e-7, abs=1e-7 * max(scale, 1000))


def test_splitting_a_hypothesis_changes_no_risk():
    valuation, exact = world(1)
    agent, judge = np.array(exact["agent"], float), np.array(exact["judge"], float)
    risk = compute_risk(valuation, rh.Commit(), agent, judge)
    h = hypotheses_of({"h0": "r0", "h1": "r1", "h2": "r2", "again": "r2"})
    values = [*valuation.line.values, valuation.line.values[2]]
    line = stated_line(dict(zip(h.names, values, strict=True)), h.names)
    twice = Valuation(h, valuation.table, line)
    split = lambda w: np.array([w[0], w[1], w[2] / 4, 3 * w[2] / 4])  # noqa: E731
    again = compute_risk(twice, rh.Commit(), split(agent), split(judge))
    assert again.mean == pytest.approx(risk.mean, abs=1e-14)
    assert again.regret == pytest.approx(risk.regret, abs=1e-13)


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_a_scene_that_offers_nothing_but_failing(policy):
    """Nothing is done there: no catastrophe, and an agent that may abstain does."""
    h = hypotheses_of({"x": "x", "minus": "-x"})
    table = as_table({"x": np.array([[1.0, -1.0], [5.0, 5.0]]), "is_failing": np.array([[False, False], [True, True]])})
    valuation = Valuation(h, table, stated_line(0.0, h.names))
    risk = compute_risk(valuation, policy, np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert risk.by_scene[1] == 0 and math.isfinite(risk.floor) and math.isfinite(risk.regret)
    if policy.abstain:
        assert risk.abstained >= 0.5


def test_boltzmann_means_the_same_at_every_scale():
    found = []
    for scale in (1.0, 1e-200, 1e-3, 1e140):
        table = as_table({"a": scale * np.array([[1.0, -1.0, 0.5]] * 4), "b": scale * np.array([[-1.0, 1.0, 0.0]] * 4)})
        h = hypotheses_of({"a": "a", "b": "b"})
        valuation = Valuation(h, table, stated_line(0.0, h.names))
        w = np.array([0.5, 0.5])
        found.append(compute_risk(valuation, rh.Boltzmann(2.0), w, w).mean)
        np.testing.assert_allclose(within_scene_scale(valuation)[1], scale * math.sqrt(2 / 3))
    np.testing.assert_allclose(found, found[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rh.Cvar(0), "tail: 0; give the worst share of hypotheses"),
        (lambda: rh.Cvar(1.1), "tail: 1.1"),
        (lambda: rh.Cvar("0.1"), "tail: '0.1'"),
        (lambda: rh.Maximin(0), "credible: 0; give the mass"),
        (lambda: rh.Maximin(math.nan), "credible: nan"),
        (lambda: rh.Quantilize(0), "q: 0; give the best share"),
        (lambda: rh.Quantilize(True), "q: True"),
        (lambda: rh.Quantilize(0.1, base="human"), "base: 'human'; there is \"uniform\""),
    ],
)
def test_wrong_shares(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_wrong_policies():
    for beta in (-1, math.inf, math.nan, "1", True):
        with pytest.raises(InputError, match="beta"):
            rh.Boltzmann(beta)


@pytest.mark.parametrize("given", ["commit", rh.Commit, 2.0])
def test_what_is_no_policy(given):
    sites = rh.landing_sites(4, seed=1)
    tree = rh.fit(
        {"flags": "flags", "red": "red_paint"}, rh.Uniform("a test"), [rh.Labels(sites, "is_pad", noise=0.1)], 0
    )
    with pytest.raises(rh.InputError, match=r"policy: .* is no policy; give one such as rh.Commit\(\)"):
        rh.catastrophe_risk(tree, sites, given)


def test_rates_of_a_rationality_known_in_points():
    scales = [0.5, 2.0, 1.0, 1e-12, 0.0]
    known = Rationality(np.full(5, 2.0), np.full(5, 0.2), np.array(scales), False)
    assert known.rates.tolist() == [4.0, 1.0, 2.0, 2e12, 0.0]


@pytest.mark.parametrize(
    ("credible", "kept"), [(0.35, [2]), (0.4, [2]), (0.45, [0, 1, 2]), (0.65, [0, 1, 2]), (1, [0, 1, 2])]
)
def test_maximin_keeps_whatever_ties_at_the_boundary(credible, kept):
    """0.1 + 0.2 is 0.3 here, whichever of the two comes first; what has no weight is not credible."""
    table = {f"r{h}": -5.0 * np.eye(4)[h : h + 1] for h in range(4)}  # under each hypothesis one option is bad
    names = hypotheses_of({f"h{h}": f"r{h}" for h in range(4)})
    valuation = Valuation(names, as_table(table), stated_line(-9.0, names.names))
    for weights in ([0.1 + 0.2, 0.3, 0.4, 0], [0.3, 0.1 + 0.2, 0.4, 0]):
        policy = rh.Maximin(credible)
        assert policy.believed(np.array(weights)).tolist() == kept
        (block,) = valuation.blocks()
        chosen = policy.act(View(block, policy.abstain), np.array(weights))[:, 0]
        want = [0 if o in kept else 1 / (4 - len(kept)) for o in range(4)]
        assert chosen.tolist() == pytest.approx(want)
    shares = np.array([8.0, 4.0, 3.0, 2.0]) / 17  # of which the first two make 12/17 but for rounding
    assert rh.Maximin(12 / 17).believed(shares).tolist() == [0, 1]
