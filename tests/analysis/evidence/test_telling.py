"""How many items tell two hypotheses apart, and which pairs no number does: against enumeration and integrals."""

import itertools
import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betainc, betaln
from scipy.stats import norm
from studies import TEST, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.evidence.bayes_factor_limits import bounded_pairs
from reward_hypotheses.analysis.evidence.sample_size import SIZES, expected_factors
from reward_hypotheses.models.fit import prepared
from reward_hypotheses.models.weights.weigh import weigh

RNG = np.random.default_rng(7)


def posterior_of(hypotheses, feedback, fail=0.0, **options):
    listed, line, made = prepared(hypotheses, feedback, fail)
    return weigh(listed, rh.Uniform(), made, line, **options)


def bits(n=40, seed=1):
    rng = np.random.default_rng(seed)
    return {"x": rng.random(n) < 0.5, "y": rng.random(n) < 0.3, "said": rng.random(n) < 0.5}


TWO = {"a": "where(x, 1, -1)", "b": "where(y, 1, -1)"}


def test_with_a_given_noise_every_item_on_which_they_part_counts_the_same():
    table, eps = bits(), 0.1
    found = expected_factors(posterior_of(TWO, [rh.Labels(table, "said", noise=eps)]), 0, np.random.default_rng(3))
    part = np.mean(table["x"] != table["y"]) * (1 - 2 * eps) * math.log((1 - eps) / eps)
    for truth, other in ((0, 1), (1, 0)):
        i, j = found.place[truth], found.place[other]
        z = (found.mean[i, j] - part * found.sizes) / found.mcse[i, j]
        assert np.abs(z).max() < 5.5  # 28 of them
        assert found.items(truth, other, 20.0)[0] == pytest.approx(
            math.log(20) / part, abs=5 * found.items(truth, other, 20.0)[1] + 1
        )


def test_with_a_noise_that_is_inferred_it_is_that_of_every_data_set():
    table, (p, q) = bits(12, seed=5), (1.0, 3.0)
    found = expected_factors(posterior_of(TWO, [rh.Labels(table, "said", noise=(p, q))]), 0, np.random.default_rng(4))

    def log_evidence(wrong, n):
        log_mass = betaln(p + wrong, q + n - wrong) + math.log(betainc(p + wrong, q + n - wrong, 0.5))
        return log_mass - betaln(p, q) - math.log(betainc(p, q, 0.5))

    said = table["said"]
    seen = sum(table["x"] != said)  # wrong under the truth: its noise is what these leave of it
    for n in (1, 2, 3):
        want = 0.0
        for items in itertools.product(range(12), repeat=n):
            for said in itertools.product([False, True], repeat=n):
                wrong = [sum(table[c][i] != s for i, s in zip(items, said, strict=True)) for c in "xy"]
                ours, theirs = (log_evidence(k, n) for k in wrong)
                again = log_evidence(seen + wrong[0], 12 + n) - log_evidence(seen, 12)
                want += math.exp(again) / 12**n * (ours - theirs)
        k = SIZES.index(n)
        assert found.mean[found.place[0], found.place[1], k] == pytest.approx(want, abs=5 * found.mcse[0, 1, k])


def choices(n=30, seed=2):
    rng = np.random.default_rng(seed)
    table = {"scene": np.repeat(np.arange(n), 3), "option": np.tile(np.arange(3), n)}
    table |= {"x": rng.normal(size=3 * n), "y": rng.normal(size=3 * n), "z": rng.normal(size=3 * n)}
    odds = 1.5 * table["x"].reshape(n, 3) + rng.gumbel(size=(n, 3))
    table["chosen"] = (odds == odds.max(axis=1, keepdims=True)).ravel()
    return table


def test_of_choices_it_is_an_integral_over_rationality():
    table = choices(6)
    posterior = posterior_of({"a": "x", "b": "y"}, [rh.Choices(table, "chosen")])
    found = expected_factors(posterior, 0, np.random.default_rng(6))
    scaled = []
    for name in "xy":
        r = table[name].reshape(6, 3)
        apart = r - r.mean(axis=1, keepdims=True)
        scaled.append(apart / math.sqrt((apart**2).mean(axis=1).mean()))

    def one(t, h, unit):
        e = np.exp(math.exp(t) * (scaled[h][unit] - scaled[h][unit].max()))
        return e / e.sum()

    took = np.argmax(table["chosen"].reshape(6, 3), axis=1)

    def said(t, h):
        return math.prod(one(t, h, u)[o] for u, o in enumerate(took))

    def chance(h, unit, option, after=False):
        def f(t):
            return norm.pdf(t) * one(t, h, unit)[option] * (said(t, h) if after else 1.0)

        whole = quad(lambda t: norm.pdf(t) * said(t, h), -9, 6, limit=200)[0] if after else 1.0
        return quad(f, -9, 6, limit=200)[0] / whole

    want = np.mean(
        [
            sum(chance(0, u, o, after=True) * math.log(chance(0, u, o) / chance(1, u, o)) for o in range(3))
            for u in range(6)
        ]
    )
    assert found.mean[found.place[0], found.place[1], 0] == pytest.approx(want, abs=5 * found.mcse[0, 1, 0])


def test_evidence_of_simulated_choices_is_that_of_a_fit(monkeypatch):
    """Data sets that are simulated, weighed again by the adaptive quadrature of a fit."""
    from reward_hypotheses.analysis.evidence import sample_size as module

    kept, answers, integrated = [], [], module._integrated

    class Kept(rh.Choices):
        def replicate(self, inputs, theta, n, rng):
            said = super().replicate(inputs, theta, n, rng)
            kept.append(np.array(said[0]))
            return said

    def seen(*given):
        answers.append(integrated(*given))
        return answers[-1]

    monkeypatch.setattr(module, "_integrated", seen)
    monkeypatch.setattr(module, "ROWS", 2)
    table = choices(200)
    posterior = posterior_of({"a": "x", "b": "y"}, [Kept(table, "chosen")])
    inputs = [posterior.feedback[0].at(posterior.valuations[0], h) for h in (0, 1)]
    kept.clear()
    rng = np.random.default_rng(8)
    drawn = []
    real = np.random.Generator.integers
    units = lambda *a, **k: drawn.append(real(rng, *a, **k)) or drawn[-1]  # noqa: E731
    fake = type("Rng", (), {"integers": staticmethod(units), "__getattr__": lambda self, name: getattr(rng, name)})()
    expected_factors(posterior, 0, fake)
    for row in range(4):  # two of each truth
        for s, size in ((7, 20), (9, 100), (12, 1000)):
            assert SIZES[s] == size
            for h in (0, 1):
                again = {
                    "scene": np.repeat(np.arange(size), 3),
                    "option": np.tile(np.arange(3), size),
                    "r": inputs[h][drawn[row][:size]].ravel(),
                    "chosen": kept[row][:size].ravel().astype(bool),
                }
                fit = posterior_of({"r": "r"}, [rh.Choices(again, "chosen", scale="raw")])
                assert answers[row // 2][row % 2, h, s] == pytest.approx(float(fit.log_evidence[0]), abs=1e-3)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("scenes", [40, 1000])
def test_the_best_of_a_scene_tells_as_much_as_a_choice_and_a_ranking(ragged, scenes):
    """Rank 1 and the rest tied has the likelihood of a choice; what is simulated keeps that form."""
    table = choices(scenes, seed=4)
    there = np.ones(3 * scenes, bool)
    there[2::6] = not ragged
    chosen = table.pop("chosen").reshape(scenes, 3) & there.reshape(scenes, 3)
    chosen[~chosen.any(axis=1), 0] = True
    table |= {"available": there, "took": chosen.ravel(), "rank": np.where(chosen.ravel(), 1, 2)}
    found = []
    for one in (rh.Choices(table, "took", rationality=1.0), rh.Rankings(table, "rank", rationality=1.0)):
        found.append(expected_factors(posterior_of({"a": "x", "b": "y"}, [one]), 0, np.random.default_rng(5)))
    for i, j in ((0, 1), (1, 0)):
        apart = found[0].mean[i, j] - found[1].mean[i, j]
        z = apart / np.hypot(found[0].mcse[i, j], found[1].mcse[i, j])
        assert np.abs(z).max() < 5.5


def test_silence_is_exactly_0_and_what_is_impossible_is_infinite():
    table = bits() | {"z": bits()["x"]}
    three = TWO | {"c": "where(z, 3, -2)"}
    found = expected_factors(
        posterior_of(three, [rh.Labels(table | {"said": table["x"]}, "said", noise=0.0)]), 0, np.random.default_rng(1)
    )
    assert found.place[0] == found.place[2] != found.place[1]
    assert math.isinf(found.mean[found.place[0], found.place[1], -1])
    n, error = found.items(0, 1, 20.0)
    assert n in SIZES and error == 0
    never = expected_factors(posterior_of(three, [rh.Labels(table, "said", noise=0.49)]), 0, np.random.default_rng(1))
    assert math.isnan(never.items(0, 1, 1e300)[0])


def test_results_say_how_many_and_of_which(tmp_path):
    training = "scene,option,red_paint,flags,slope,is_pad,chosen\n" + "".join(
        f"{m},0,1,1,0.5,1,1\n{m},1,0,0,{0.4 + m % 3},0,0\n" for m in range(9)
    )
    hypotheses = small()["hypotheses"] | {"flat": "2 - slope"}
    feedback = [
        {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 19]},
        {"kind": "choices", "table": "training", "column": "chosen"},
        {"kind": "proxy", "table": "training", "chosen": "red", "candidates": {"red": "red_paint", "flat": "-slope"}},
    ]
    weights = {"flags": 2, "red paint": 1, "flat": 1}
    study = small(hypotheses=hypotheses, feedback=feedback, values={"weights": weights, "source": "a test"})
    found = rh.run(write(tmp_path, study, training=training, test=TEST))
    assert found["telling"]["proxy"] is None
    for name in ("labels", "choices"):
        one = found["telling"][name]
        assert one["classes"] == [["red paint", "flags"], ["flat"]] or one["classes"] == [
            ["flat"],
            ["red paint", "flags"],
        ]
        assert {(p["truth"], p["other"]) for p in one["pairs"]} == {("flags", "flat"), ("flat", "flags")}
        for pair in one["pairs"]:
            assert len(pair["log_bayes_factor"]) == len(one["sizes"]) == len(pair["mcse"])
            assert set(pair["items"]) == {"20.0", "150.0"}
    assert found == rh.run(tmp_path / "study.toml")


# Pairs that stay undecided.


def test_a_multiple_taken_as_it_is_stays_undecided_and_the_limit_is_where_it_goes():
    table = choices(4000, seed=3)
    hypotheses = {"a": "x", "twice": "2 * x + 5", "thrice": "3 * x", "y": "y"}
    posterior = posterior_of(hypotheses, [rh.Choices(table, "chosen", scale="raw")])
    found = {(p.first, p.second): p for p in bounded_pairs(posterior)}
    assert set(found) == {(0, 1), (0, 2), (1, 2)}
    for (i, j), pair in found.items():
        a = {(0, 1): 1 / 2, (0, 2): 1 / 3, (1, 2): 2 / 3}[i, j]
        assert pair.factors == {"choices_rationality": pytest.approx(a)}
        now = posterior.log_evidence[i] - posterior.log_evidence[j]
        assert pair.limit == pytest.approx(float(now), abs=0.01)  # of 4,000 scenes: both go there
    assert found[0, 1].limit + found[1, 2].limit == pytest.approx(found[0, 2].limit, abs=1e-3)


def test_not_where_a_scale_is_shared_given_or_spoken_for():
    table = choices(20)
    two = {"a": "x", "twice": "2 * x"}
    assert not bounded_pairs(posterior_of(two, [rh.Choices(table, "chosen")]))  # silent
    assert not bounded_pairs(posterior_of(two, [rh.Choices(table, "chosen", scale="raw", rationality=1.0)]))
    other = choices(20, seed=9)
    feedback = [
        rh.Choices(table, "chosen", scale="raw", human="Ann"),
        rh.Choices(other, "chosen", scale="raw", human="Ann", name="again"),
    ]
    assert len(bounded_pairs(posterior_of(two, feedback))) == 1
    mixed = {"a": "where(z > -9, x, x)", "b": "where(z > 0, 2 * x, x)"}
    assert not bounded_pairs(posterior_of(mixed, feedback))
    labels = rh.Labels(table | {"said": table["x"] > 0}, "said", noise=(1, 9), name="labels")
    pair = bounded_pairs(posterior_of({"a": "x", "twice": "2 * x"}, [feedback[0], labels]))
    assert len(pair) == 1  # labels are silent between the two
    assert not bounded_pairs(posterior_of({"a": "x", "twice": "2 * x - 1"}, [feedback[0], labels]))


def test_families_of_one_span_stay_undecided():
    table = choices(60) | {"w": np.repeat(np.arange(60.0), 3)}
    family = lambda *features: rh.Linear(list(features), source="a test")  # noqa: E731
    hypotheses = {
        "xy": family("x", "y"),
        "turned": family("x + y", "x - y"),
        "scene": family("x + w", "y"),
        "x alone": family("x"),
        "xz": family("x", "z"),
    }
    posterior = posterior_of(hypotheses, [rh.Choices(table, "chosen")])
    found = {(p.first, p.second) for p in bounded_pairs(posterior)}
    assert found == {(0, 1), (0, 2), (1, 2)}  # w is the same for all options of a scene


def test_results_report_them_apart(tmp_path):
    training = "scene,option,red_paint,flags,slope,chosen\n" + "".join(
        f"{m},0,1,1,0.5,1\n{m},1,0,0,{0.4 + m % 3},0\n" for m in range(9)
    )
    feedback = [{"kind": "choices", "table": "training", "column": "chosen", "scale": "raw"}]
    found = rh.run(
        write(
            tmp_path,
            small(hypotheses={"red paint": "red_paint", "flags": "3 * flags"}, feedback=feedback),
            training=training,
            test=TEST,
        )
    )
    (pair,) = found["bounded_pairs"]
    assert pair["pair"] == ["red paint", "flags"] and not found["silent_pairs"]
    assert pair["factors"] == {"choices_rationality": pytest.approx(1 / 3)}
    assert "0.3333 times" in pair["words"] and "their log Bayes factor tends to about" in pair["words"]
