"""How wrong values and failure lines may be: against a general optimiser, studies run again, and closed forms."""

import numpy as np
import pytest
from scipy.optimize import minimize
from studies import SHOWN, TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.sections.agents import _landings, by_languages
from reward_hypotheses.analysis.report.sections.sensitivity import line_moved
from reward_hypotheses.analysis.sensitivity import shared_prior_misspecification as jointly
from reward_hypotheses.analysis.sensitivity.shared_prior_misspecification import risk_bounds_jointly
from reward_hypotheses.analysis.sensitivity.sobol_indices import shares_of_variance

# A prior that agent and judge share.


@pytest.mark.parametrize("seed", range(8))
def test_joint_bounds_are_those_of_a_general_optimiser(seed):
    rng = np.random.default_rng(seed)
    n, share = int(rng.integers(2, 6)), float(rng.uniform(0.05, 0.9))
    pi, log_evidence, c = rng.dirichlet(np.ones(n)), 2 * rng.normal(size=n), rng.random((n, n))
    likelihood = np.exp(log_evidence)

    def risk(q):
        x = likelihood * ((1 - share) * pi + share * q)
        return float(x @ c @ x / x.sum() ** 2)

    lower, upper, exact = risk_bounds_jointly(np.log(pi), log_evidence, c, share)
    found = []
    for start in rng.dirichlet(np.full(n, 0.5), 12):
        for sign in (1, -1):
            one = minimize(
                lambda q, sign=sign: sign * risk(q),
                start,
                bounds=[(0, 1)] * n,
                constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
                method="SLSQP",
                options={"ftol": 1e-13},
            )
            found.append(sign * one.fun)
    assert exact and lower == pytest.approx(min(found), abs=1e-6) and upper == pytest.approx(max(found), abs=1e-6)


def test_the_greatest_joint_risk_can_be_inside():
    c = np.array([[0.0, 1.0], [1.0, 0.0]])  # 2 x (1 - x): greatest at one half, which no corner is
    lower, upper, exact = risk_bounds_jointly(np.log([0.9, 0.1]), np.zeros(2), c, 0.9)
    assert exact and upper == pytest.approx(0.5, abs=1e-12) and lower == pytest.approx(2 * 0.01 * 0.99)
    lower, upper, _ = risk_bounds_jointly(np.log([0.9, 0.1]), np.zeros(2), c, 0.05)
    assert upper == pytest.approx(2 * 0.855 * 0.145) and lower == pytest.approx(2 * 0.905 * 0.095)


def test_evidence_far_beyond_the_prior_overflows_nowhere(tmp_path):
    c = np.array([[0.0, 1.0], [1.0, 0.0]])
    for gap in (100.0, 400.0, 2000.0):
        lower, upper, exact = risk_bounds_jointly(np.array([0.0, -np.inf]), np.array([-gap, 0.0]), c, 0.01)
        assert exact and lower == 0 and upper == pytest.approx(0.5)  # a little of q makes the two alike
    lower, upper, _ = risk_bounds_jointly(np.log([1.0, 1e-300]), np.array([0.0, 900.0]), c, 0.05)
    assert 0 <= lower <= upper <= 0.5 + 1e-12
    with np.errstate(all="raise", under="ignore"):
        risk_bounds_jointly(
            np.array([0.0, -800.0, -np.inf]), np.array([-900.0, 0.0, -np.inf]), np.ones((3, 3)) / 2, 0.1
        )
    training = "red_paint,flags,slope,is_pad\n" + "1,0,0.5,1\n0,1,2.5,0\n" * 300
    study = small(values={"weights": {"flags": 1, "red paint": 0}, "source": "s"}, agent={"prior": "values"})
    found = rh.run(write(tmp_path, study, training=training, test=TEST))
    assert found["risk_bounds_jointly"]["0.1"]["upper"] == pytest.approx(0.5)


def test_a_long_line_moves_without_being_written_again(tmp_path):
    deep = "(" * 98 + "0*1" + ")" * 98
    study = small(catastrophe={"fail_utility": {"red paint": deep, "flags": 0}})
    found = rh.run(write(tmp_path, study, training=TRAINING, test=TEST))["risk_by_line"]
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))["risk_by_line"]
    assert found["risk"] == plain["risk"]


def test_more_of_the_prior_is_wider_and_hypotheses_that_are_ruled_out_do_not_count():
    rng = np.random.default_rng(3)
    pi, c = rng.dirichlet(np.ones(20)), rng.random((20, 20))
    log_evidence = np.where(np.arange(20) < 5, rng.normal(size=20), -np.inf)
    found = [risk_bounds_jointly(np.log(pi), log_evidence, c, e) for e in (1e-9, 0.01, 0.1, 0.5)]
    assert all(exact for *_, exact in found)
    few = [risk_bounds_jointly(np.log(pi[:5]), log_evidence[:5], c[:5, :5], 1e-9)]
    assert found[0][:2] == pytest.approx(few[0][:2], abs=1e-6)
    for (low, high, _), (lower, higher, _) in zip(found[:-1], found[1:], strict=True):
        assert lower <= low + 1e-12 and high <= higher + 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_of_many_hypotheses_what_is_found_is_close_to_the_extreme(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    pi, log_evidence, c = rng.dirichlet(np.ones(9)), rng.normal(size=9), rng.random((9, 9))
    lower, upper, exact = risk_bounds_jointly(np.log(pi), log_evidence, c, 0.3)
    monkeypatch.setattr(jointly, "EXACTLY", 2)
    low, high, climbed = risk_bounds_jointly(np.log(pi), log_evidence, c, 0.3)
    assert exact and not climbed and lower - 1e-12 <= low and high <= upper + 1e-12
    assert low == pytest.approx(lower, abs=2e-3) and high == pytest.approx(upper, abs=2e-3)


def test_a_study_has_them_where_agent_and_judge_share_the_values(tmp_path):
    found = rh.run(write(tmp_path, small(agent={"policy": "commit", "prior": "values"}), training=TRAINING, test=TEST))
    lower, upper, exact = (found["risk_bounds_jointly"]["0.1"][key] for key in ("lower", "upper", "exact"))
    assert exact and lower < found["risk"]["mean"] < upper
    assert upper == pytest.approx(2 * 0.8 * 0.2) and lower == pytest.approx(2 * 0.9 * 0.1)  # 8/9 is flags
    assert rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))["risk_bounds_jointly"] is None


# Another failure line.


GRADED = {
    "steep": "2 - 3 * slope",
    "paint": "where(red_paint, 2, -1) - 0.5 * slope",
    "by scene": "where(flags, 1, -1) * slope",
}


def graded(fail_utility, **changes):
    training = "red_paint,flags,slope,is_pad,stopped\n" + "".join(
        f"{r},{f},{s},{p},{1 - p}\n"
        for r, f, s, p in ((1, 1, 0.3, 1), (0, 0, 2.0, 0), (1, 0, 0.7, 1), (0, 1, 1.1, 0)) * 2
    )
    feedback = [
        {"kind": "labels", "table": "training", "column": "is_pad", "noise": [1, 9]},
        {"kind": "stops", "table": "training", "column": "stopped", "human": "Ann"},
    ]
    document = small(
        hypotheses=GRADED,
        values={"weights": {"steep": 2, "paint": 3, "by scene": 1}, "source": "a test", "strength": 10},
        feedback=feedback,
        catastrophe={"fail_utility": fail_utility},
    )
    return {**document, **changes}, training


TESTED = "scene,option,red_paint,flags,slope,free\n" + "".join(
    f"{m},{o},{(m + o) % 2},{(m * o) % 2},{0.3 * o + 0.1 * m},{m % 3}\n" for m in range(7) for o in range(3)
)


@pytest.mark.parametrize("policy", ["commit", "expected"])
def test_the_risk_at_another_line_is_that_of_a_study_with_it(tmp_path, policy):
    agent = {"policy": policy, "prior": "uniform", "fail_utility": 0}
    lines = {"steep": 0.25, "paint": -0.5, "by scene": 0.0}
    study, training = graded(lines, agent=agent)
    found = rh.run(write(tmp_path, study, training=training, test=TESTED))
    curve = found["risk_by_line"]
    assert curve["risk"][curve["at"].index(0)] == found["risk"]["mean"]
    assert curve["refitted"] == ["labels", "stops"]
    held = found["agent_weights"]
    for t in (-1.5, -0.5, 0.25, 1.0, 2.0):
        moved = {name: lines[name] + t * curve["unit"][name] for name in lines}
        other, _ = graded(moved, agent={**agent, "prior": "values"})
        again = rh.run(write(tmp_path, other, training=training, test=TESTED))
        if policy == "commit":  # of an agent that stays as it is
            want = sum(held[i] * again["weights"][j] * again["matrix"][i][j] for i in GRADED for j in GRADED)
            assert curve["risk"][curve["at"].index(t)] == pytest.approx(want, abs=1e-12)
        else:
            lead = max(again["weights"], key=again["weights"].get)
            assert curve["lead"][curve["at"].index(t)] == lead


def test_a_line_that_differs_by_scene_moves_as_a_whole(tmp_path):
    agent = {"policy": "commit", "prior": "uniform"}
    study, training = graded("0.5 * free - 0.5", agent=agent)
    training = training.replace("stopped\n", "stopped,free\n", 1).replace("0\n", "0,1\n").replace("1\n", "1,2\n")
    training = "red_paint,flags,slope,is_pad,stopped,free\n" + "".join(
        f"{r},{f},{s},{p},{1 - p},{k % 3}\n"
        for k, (r, f, s, p) in enumerate(((1, 1, 0.3, 1), (0, 0, 2.0, 0), (1, 0, 0.7, 1), (0, 1, 1.1, 0)) * 2)
    )
    found = rh.run(write(tmp_path, study, training=training, test=TESTED))
    curve, held = found["risk_by_line"], found["agent_weights"]
    for t in (-1.0, 0.75):
        moved = {name: f"0.5 * free - 0.5 + {t * curve['unit'][name]!r}" for name in GRADED}
        other, _ = graded(moved, agent=agent)
        again = rh.run(write(tmp_path, other, training=training, test=TESTED))
        want = sum(held[i] * again["weights"][j] * again["matrix"][i][j] for i in GRADED for j in GRADED)
        assert curve["risk"][curve["at"].index(t)] == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("policy", ["commit", "expected"])
def test_what_is_taken_on_the_line_is_a_catastrophe_a_little_above_it(tmp_path, policy):
    agent = {"policy": policy, "prior": "uniform"}
    choices = [{"kind": "choices", "table": "training", "column": "is_pad"}]  # which say nothing of the line
    training = "scene,option,red_paint,flags,slope,is_pad\n0,0,1,1,0.5,1\n0,1,0,0,2.5,0\n"

    def ran(line):
        study = small(agent=agent, feedback=choices, catastrophe={"fail_utility": line})
        return rh.run(write(tmp_path, study, training=training, test=TEST))

    on, above = ran(100), ran(100.001)
    assert on["risk_by_line"]["on_line"] == pytest.approx(above["risk"]["mean"] - on["risk"]["mean"], abs=1e-12)
    assert on["risk_by_line"]["on_line"] > 0.4 and above["risk_by_line"]["on_line"] == 0


def test_where_there_is_no_curve_it_says_why(tmp_path):
    ratings = {"kind": "ratings", "table": "training", "column": "grade", "grades": ["bad", "good"]}
    training = "red_paint,flags,slope,is_pad,grade\n" + "1,1,0.5,1,good\n0,0,2.5,0,bad\n" * 4
    found = rh.run(write(tmp_path, small(feedback=[ratings]), training=training, test=TEST))["risk_by_line"]
    assert found["at"] is not None and found["refitted"] == []  # ratings say nothing of the line
    family = small(
        hypotheses={"a": "where(flags, 1, -1)", "mix": {"linear": ["slope"], "prior": {"normal": 1}, "source": "x"}},
        values={"prior": "uniform", "source": "x"},
    )
    found = rh.run(write(tmp_path, family, training=TRAINING, test=TEST))
    assert found["risk_by_line"]["at"] is None and "continuous weights" in found["risk_by_line"]["why_not"]
    assert line_moved(found) == ""


# Which doubt moves the risk.


def test_shares_of_variance_are_those_of_closed_forms():
    rng = np.random.default_rng(1)
    v, u = rng.normal(size=(2, 20000)), rng.normal(size=(2, 20000))
    added = shares_of_variance(lambda i, j: 2 * v[i] + u[j])
    assert added.values == pytest.approx(0.8, abs=5 * added.mcse_values + 1e-3)
    assert added.line == pytest.approx(0.2, abs=5 * added.mcse_line + 1e-3)
    both = shares_of_variance(lambda i, j: v[i] * u[j])
    assert both.values < 5 * both.mcse_values + 1e-3 and both.document()["values"]["total"] > 0.95
    alone = shares_of_variance(lambda i, j: v[i])
    assert alone.values == 1 and alone.line < 5 * alone.mcse_line + 1e-3
    assert shares_of_variance(lambda i, j: np.ones(50)) is None


def judged(folder, **values):
    centre = {"slope": -4, "less": 4, "red paint": 0}
    catastrophe = {
        "fail_utility": 0,
        "judgements": {"table": "shown", "column": "rather_nothing", "centre": centre, "spread": 3, "source": "x"},
    }
    tables = {"training": "training.csv", "test": "test.csv", "shown": "shown.csv"}
    choices = [{"kind": "choices", "table": "test", "column": "flags", "rationality": 1e-6}]
    hypotheses = {"slope": "1 - slope", "less": "0.5 - slope", "red paint": "where(red_paint, 1, -1) - slope"}
    weights = {"slope": 1, "less": 1, "red paint": 2}
    study = small(
        tables=tables,
        hypotheses=hypotheses,
        catastrophe=catastrophe,
        feedback=choices,
        values={"weights": weights, "source": "a test"} | values,
    )
    return rh.run(write(folder, study, training=TRAINING, test=TEST, shown=SHOWN))


def test_values_that_are_surer_leave_the_risk_to_the_line(tmp_path):
    found = [judged(tmp_path, strength=s)["risk_under_judged_line"]["shares"] for s in (2, 1000)]
    first, last = (one["values"]["first"] for one in found)
    assert first > last + 0.05 and last < 0.1
    for one in found:
        for key, other in (("values", "failure_line"), ("failure_line", "values")):
            assert one[key]["total"] == pytest.approx(1 - one[other]["first"])
            assert 0 <= one[key]["first"] <= 1 and one[key]["mcse"] < 0.1
    assert judged(tmp_path)["risk_under_judged_line"]["shares"] is None


# Simplicity.


def test_the_languages_of_the_essay_s_pair_reverse_its_order(tmp_path):
    found = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    languages = found["languages"]
    gap = {name: one["bits"]["red paint"] - one["bits"]["flags"] for name, one in languages.items()}
    assert gap == {"rules": 0, "letters": 32, "columns": pytest.approx(-2)}
    assert [one["first"] for one in languages.values()] == [["red paint", "flags"], ["flags"], ["red paint"]]
    assert {name: one["risk"] for name, one in languages.items()} == found["risk_by_language"]
    said = by_languages(found)
    low, high = (languages[name]["risk"] for name in ("letters", "columns"))
    assert f"{low:.1%} with the language 'letters' and {high:.1%} with 'columns'" in said
    entries = _landings(found)[1]
    assert entries[1].startswith("Language 'letters': the largest weight on 'flags'")
    assert entries[2].startswith("Language 'columns': the largest weight on 'red paint'")
    same = rh.run(write(tmp_path, small(analysis={"languages": ["letters"]}), training=TRAINING, test=TEST))
    assert (
        by_languages(same) == f"An agent with the simplicity prior in the language 'letters' has a risk of {low:.1%}."
    )
