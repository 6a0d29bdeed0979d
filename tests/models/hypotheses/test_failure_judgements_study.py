"""Failure judgements in a study: against the functions, against sums over a grid, and what a run reports."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from judged_studies import (
    CHOSEN,
    HYPOTHESES,
    LABELLED,
    LINE,
    RATED,
    STOPPED,
    VALUES,
    as_csv,
    asked_for,
    judgements,
    of_python,
    paints,
    problem,
    results_of,
    study,
    texts,
)
from scipy import special, stats
from studies import SHOWN, TEST, TRAINING, small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.sensitivity.failure_line_refits import refitted
from reward_hypotheses.analysis.sensitivity.judged_failure_line import few, judged_of
from reward_hypotheses.cli.main import main
from reward_hypotheses.models.hypotheses.hypotheses import hypotheses_of
from reward_hypotheses.models.weights.weigh import weigh
from reward_hypotheses.study.load import load
from reward_hypotheses.study.run import evaluate


def test_a_study_gives_what_the_functions_give(tmp_path):
    tables = texts(1, labels=False)
    results = results_of(tmp_path, study(7, CHOSEN), tables)
    tree = rh.fit(HYPOTHESES, VALUES, [rh.Choices(pd.DataFrame(tables["training"]), "chosen")], LINE, random_seed=7)
    said = of_python(tables)
    found = rh.risk_under_failure_judgements(
        tree, pd.DataFrame(tables["test"]), said, agent=rh.Uniform(), random_seed=7
    )
    risk = results["risk_under_judged_line"]
    assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-12)
    for end in ("lower", "upper"):
        error = math.hypot(risk[f"mcse_{end}"], float(found[f"mcse_{end}"]))
        assert 0 < error < 0.01 and abs(risk[end] - float(found[end])) < 4.5 * error
    assert [risk[key] for key in ("mcse", "refits", "effective_refits")] == [0, 0, None]
    assert set(risk["mcse_by_truth"].values()) | set(risk["mcse_weights"].values()) == {0}
    assert risk["weights"] == results["weights"]
    lines, known = rh.failure_line(said, HYPOTHESES), results["failure_line"]
    for name in HYPOTHESES:
        assert risk["by_truth"][name] == pytest.approx(float(found["by_truth"].sel(hypothesis=name)), abs=1e-12)
        one, given = lines.sel(hypothesis=name), known["by_hypothesis"][name]
        for key in ("mean", "sd", "mcse", "rationality", "log_evidence"):
            assert given[key] == pytest.approx(float(one[key]), abs=1e-12)
        assert [given["lower"], given["upper"]] == pytest.approx(one["quantiles"].values[[0, 2]].tolist(), abs=1e-12)
    assert [known[key] for key in ("source", "table", "column", "items")] == ["a test", "shown", "nothing", 14]
    assert known["rather_nothing"] == int(tables["shown"]["nothing"].sum())
    assert known["settings"]["centre"] == {"x": -0.1, "y": -0.1}
    assert results["mcse"] is None


def test_a_study_of_labels_gives_what_the_function_gives(tmp_path):
    """Of an agent whose weights labels do not move: the function would have it learn from labels and answers together."""
    tables = texts(2, labels=True)
    language = {"name": "mine", "costs": {"x": 1, "y": 2000}}
    document = study(3, LABELLED, agent={"prior": {"name": "simplicity", "language": language}})
    risk = results_of(tmp_path, document, tables)["risk_under_judged_line"]
    labels = [rh.Labels(tables["training"], "good", noise=(1, 9))]

    def fitted(u):
        return rh.fit(HYPOTHESES, VALUES, labels, u, draws=1, chains=1)

    for seed, refits in ((3, 200), (4, 150)):
        found = rh.risk_under_failure_judgements(
            fitted,
            pd.DataFrame(tables["test"]),
            of_python(tables),
            agent=rh.Simplicity(language),
            refits=refits,
            random_seed=seed,
        )
        for key in ("mean", "lower", "upper"):
            error = f"mcse_{key}" if key != "mean" else "mcse"
            both = math.hypot(risk[error], float(found[error]))
            assert abs(risk[key] - float(found[key])) < 4.5 * both and 0 < both < 0.15
        if seed == 3:  # the same draws of u
            assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-9)
            assert risk["mcse"] == pytest.approx(float(found["mcse"]), rel=1e-6)
            for name in HYPOTHESES:
                assert risk["by_truth"][name] == pytest.approx(float(found["by_truth"].sel(hypothesis=name)), abs=1e-9)
    assert risk["refits"] == 200 and 20 < risk["effective_refits"] <= 200


N_U, N_BETA = 4001, 121


def grid(rewards, said, centre, spread, n=N_U):
    """``p(u | answers)`` on a grid, by sums over a grid of u and log beta: nodes, and probabilities (node,)."""
    u = np.linspace(centre - 8 * spread, centre + 8 * spread, n)
    beta = np.exp(np.linspace(-7, 7, N_BETA))
    mass = np.zeros(len(u))
    for b in beta:
        z = b * (u[:, None] - rewards) / rewards.std()
        mass += np.exp(special.log_expit(np.where(said, z, -z)).sum(axis=1)) * stats.norm.pdf(np.log(b))
    mass *= stats.norm.pdf(u, centre, spread)
    return u, mass / mass.sum()


def evidence_of_labels(rewards, labels, u, a=1, b=9):
    """``int p(labels | r, u, eps) p(eps) d eps`` over eps < 1/2 at each u: (node,)."""
    wrong = ((rewards > u[:, None]) != labels).sum(axis=1)
    n = len(labels)
    top = special.betaln(a + wrong, b + n - wrong) + np.log(special.betainc(a + wrong, b + n - wrong, 0.5))
    return np.exp(top - special.betaln(a, b) - np.log(special.betainc(a, b, 0.5)))


def by_grid(tables, agents, *, labels, told=None):
    """Weights of the judge, and risk by truth: two dicts, by sums over a grid; of an agent that may abstain where told a line."""
    train, test, shown = (tables[name] for name in ("training", "test", "shown"))
    likelihood, truths = {}, {}
    for name in HYPOTHESES:
        u, mass = grid(shown[name], shown["nothing"], -0.1, 0.8)
        if labels:
            evidence = evidence_of_labels(train[name], train["good"], u)
            likelihood[name] = evidence @ mass
            mass = mass * evidence / likelihood[name]
        truths[name] = 0.0
        for taken, share in agents.items():
            for scene in np.unique(test["scene"]):
                inside = np.flatnonzero(test["scene"] == scene)
                best = inside[np.argmax(test[taken][inside])]
                if told is None or test[taken][best] > told:
                    above = 1 - np.interp(test[name][best], u, np.cumsum(mass) - mass / 2)
                    truths[name] += share * above / len(np.unique(test["scene"]))
    if not labels:
        return None, truths
    weights = {name: prior * likelihood[name] for name, prior in (("x", 2 / 3), ("y", 1 / 3))}
    return {name: w / sum(weights.values()) for name, w in weights.items()}, truths


@pytest.mark.parametrize("told", [None, 0.8])
@pytest.mark.parametrize("labels", [False, True])
def test_the_risk_of_a_study_against_sums_over_a_grid(tmp_path, labels, told):
    tables = texts(39, labels)
    agent = {"prior": "uniform"}
    if told is not None:
        agent |= {"policy": {"name": "commit", "abstain": True}, "fail_utility": told}
    results = results_of(tmp_path, study(11, LABELLED if labels else CHOSEN, agent=agent), tables)
    risk = results["risk_under_judged_line"]
    weights, truths = by_grid(tables, results["agent_weights"], labels=labels, told=told)
    if labels:  # the agent learned by the line that was stated
        by_hand = [
            evidence_of_labels(tables["training"][h], tables["training"]["good"], np.array([LINE]))[0] for h in "xy"
        ]
        assert list(results["agent_weights"].values()) == pytest.approx(np.array(by_hand) / sum(by_hand), rel=1e-6)
    else:
        weights = results["weights"]
    rounding = 1e-3 if labels else 1e-5  # of the grid: the likelihood of labels is a step at every reward
    for name in HYPOTHESES:
        assert abs(risk["by_truth"][name] - truths[name]) < 4.5 * risk["mcse_by_truth"][name] + rounding
        assert abs(risk["weights"][name] - weights[name]) < 4.5 * risk["mcse_weights"][name] + rounding
    mean = sum(weights[name] * truths[name] for name in HYPOTHESES)
    assert abs(risk["mean"] - mean) < 4.5 * risk["mcse"] + rounding
    assert (risk["mcse"] > 0) == labels and risk["mcse"] < 0.03
    assert 0.01 < mean < 0.9 and abs(mean - results["risk"]["mean"]) > 0.001


def test_errors_of_refits_are_those_that_are_seen(tmp_path):
    """Over seeds, what is computed scatters as its Monte Carlo errors say."""
    tables = texts(39, labels=True)
    loaded = load(write(tmp_path, study(0, LABELLED), **{name: as_csv(columns) for name, columns in tables.items()}))
    valuations, tests = evaluate(loaded)
    posterior = weigh(loaded.hypotheses, loaded.prior, loaded.feedback, loaded.line, valuations)
    agent, seen, errors = np.array([0.5, 0.5]), [], []
    for seed in range(24):
        judged = judged_of(posterior, loaded.judgements, loaded.lines, seed)
        found = judged.risk(posterior, tests["test"], loaded.policy, agent, 0.9, 1000, seed)
        seen.append([found.mean, *found.by_truth, *found.weights, found.ends["lower"], found.ends["upper"]])
        of_ends = [found.ends["mcse_lower"], found.ends["mcse_upper"]]
        errors.append([found.mcse, *found.mcse_by_truth, *found.mcse_weights, *of_ends])
    ratio = np.var(seen, axis=0, ddof=1) / np.mean(np.square(errors), axis=0)
    # of 24 seeds: the quantiles 1e-6 and 1 - 1e-6 of chi-squared of 23 degrees over 23, and 15 % for the errors' own error
    low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], 23) / 23
    assert (ratio[:5] > low / 1.3).all() and (ratio[:5] < high * 1.3).all(), ratio
    assert (ratio[5:] > low / 4).all() and (ratio[5:] < high * 1.3).all(), ratio  # ends move in steps: errors are wide


def test_the_same_study_gives_the_same_bytes(tmp_path):
    tables = texts(6, labels=True)
    one, other = (json.dumps(results_of(tmp_path, study(1, LABELLED), tables)) for _ in range(2))
    assert one == other


def test_hypotheses_that_nothing_tells_apart_keep_their_odds(tmp_path):
    together = "red_paint,flags,slope,rather_nothing\n1,1,0.5,0\n0,0,2.5,1\n0,0,1,0\n1,1,1,0\n"
    results = rh.run(write(tmp_path, paints(), training=TRAINING, test=TEST, shown=together))
    risk = results["risk_under_judged_line"]
    assert risk["refits"] == 200 and risk["weights"] == results["weights"]
    assert len({json.dumps(one) for one in results["failure_line"]["by_hypothesis"].values()}) == 1


def test_without_judgements_or_a_test_the_keys_are_null(tmp_path):
    results = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert results["failure_line"] is None and results["risk_under_judged_line"] is None
    document = paints(tables={"training": "training.csv", "shown": "shown.csv"})
    results = rh.run(write(tmp_path, document, training=TRAINING, shown=SHOWN))
    assert results["failure_line"]["items"] == 5 and results["risk_under_judged_line"] is None


def test_the_table_is_of_the_study_and_not_of_its_training(tmp_path):
    document = paints(analysis={"also": ["again"]})
    document["tables"]["again"] = "test.csv"
    results = rh.run(write(tmp_path, document, training=TRAINING, test=TEST, shown=SHOWN))
    plain = rh.run(write(tmp_path, small(), training=TRAINING, test=TEST))
    assert results["training_tables"] == ["training"] and results["shift"] == plain["shift"]
    assert results["tables"]["shown"]["items"] == 5 and len(results["data_sha256"]["shown"]) == 64
    assert results["risk"] == plain["risk"] and results["weights"] == plain["weights"]
    assert results["also"]["again"]["risk_under_judged_line"] == results["risk_under_judged_line"]


def test_a_line_that_differs_between_scenes_is_told_of(tmp_path):
    document = paints(catastrophe=asked_for() | {"fail_utility": "where(steep, -1, 0)"})
    test = "\n".join(line + (",steep" if k == 0 else ",1") for k, line in enumerate(TEST.strip().split("\n"))) + "\n"
    training = TRAINING.replace("\n", ",0\n").replace("is_pad,0", "is_pad,steep")
    results = rh.run(write(tmp_path, document, training=training, test=test, shown=SHOWN))
    told = [w for w in results["warnings"] if "is one number" in w]
    assert len(told) == 2 and "where(steep, -1, 0)" in told[0]
    assert results["risk_under_judged_line"]["mean"] > 0


def rated(tables):
    good = tables["training"]["x"] + 0.8 * tables["training"]["y"] + np.random.default_rng(3).normal(size=45)
    tables["training"]["grade"] = np.where(good > 0.5, "good", np.where(good > -0.5, "fair", "bad"))
    tables["training"]["stopped"] = good < -0.6
    return tables


def test_sampled_evidence(tmp_path):
    """Where it does not rest on the line its error is in the risk's; where it does there is no risk, and a warning."""
    tables = rated(texts(8, labels=True))
    results = results_of(tmp_path, study(2, RATED), tables)
    risk = results["risk_under_judged_line"]
    assert (
        risk["refits"] == 0
        and 0 < risk["mcse"] < 0.01
        and results["mcse"]["risk_under_judged_line"]["mean"] == risk["mcse"]
    )
    assert risk["mcse_lower"] > 0 and risk["mcse_weights"]["x"] == pytest.approx(results["mcse"]["weights"]["x"])
    # beside labels that are weighed again, both errors count
    results = results_of(tmp_path, study(2, RATED, LABELLED), tables)
    risk = results["risk_under_judged_line"]
    assert risk["refits"] >= 200 and risk["mcse"] > results["mcse"]["risk_under_judged_line"]["mean"] > 0
    # a human who both rates and stops has one rationality, so neither is weighed alone
    results = results_of(tmp_path, study(2, RATED, STOPPED), tables)
    assert results["risk_under_judged_line"] is None and results["failure_line"] is not None
    told = [w for w in results["warnings"] if w.startswith("risk_under_judged_line is null")]
    assert len(told) == 1 and "'ratings', 'stops'" in told[0] and "was sampled" in told[0]


def test_stops_and_choices_of_one_human(tmp_path):
    """What shares a rationality with stops is weighed again with them: against a whole fit at every line."""
    tables = texts(9, labels=False)
    tables["training"]["stopped"] = tables["training"]["x"] < -0.3 + np.random.default_rng(1).logistic(size=45)
    both = [{**CHOSEN, "human": "Ann"}, STOPPED]
    language = {"name": "mine", "costs": {"x": 1, "y": 2000}}
    document = study(3, *both, agent={"prior": {"name": "simplicity", "language": language}})
    risk = results_of(tmp_path, document, tables)["risk_under_judged_line"]
    train = pd.DataFrame(tables["training"])
    feedback = [rh.Choices(train, "chosen", human="Ann"), rh.Stops(train, "stopped", human="Ann")]
    found = rh.risk_under_failure_judgements(
        lambda u: rh.fit(HYPOTHESES, VALUES, feedback, u, draws=1, chains=1),
        pd.DataFrame(tables["test"]),
        of_python(tables),
        agent=rh.Simplicity(language),
        refits=200,
        random_seed=3,
    )
    assert risk["refits"] == 200 and 0.01 < risk["mean"] < 0.9
    assert risk["mean"] == pytest.approx(float(found["mean"]), abs=1e-7)
    assert risk["weights"]["x"] == pytest.approx(float(found["weight"].sel(hypothesis="x")), abs=1e-7)


def test_a_proxy_says_nothing_of_the_line():
    tables = texts(5, labels=False)
    said, test = of_python(tables), pd.DataFrame(tables["test"])
    proxy = rh.Proxy(test, chosen="mine", candidates={"mine": "x + y", "other": "x - y"})
    trees = [rh.fit(HYPOTHESES, VALUES, [proxy], line, random_seed=1) for line in (-5, 5)]
    one, other = (rh.risk_under_failure_judgements(tree, test, said, agent=rh.Uniform()) for tree in trees)
    assert float(one["mean"]) == float(other["mean"]) and float(one["mcse"]) == 0


def test_an_agent_with_hypotheses_of_its_own(tmp_path):
    tables = texts(39, labels=False)
    agent = {"prior": "uniform", "hypotheses": {"lazy": "-x - y"}}
    results = results_of(tmp_path, study(4, CHOSEN, agent=agent), tables)
    tables["test"]["lazy"] = -tables["test"]["x"] - tables["test"]["y"]
    _, truths = by_grid(tables, results["agent_weights"], labels=False)
    risk = results["risk_under_judged_line"]
    assert list(risk["by_truth"]) == ["x", "y"] and list(results["agent_weights"]) == ["x", "y", "lazy"]
    assert risk["mean"] == pytest.approx(sum(results["weights"][n] * truths[n] for n in HYPOTHESES), abs=1e-3)


def test_lines_that_the_data_know_far_better_than_the_judgements(tmp_path):
    """Few draws from what the judgements allow count, so more are taken where the data leave the line."""
    tables = texts(13, labels=True)
    x = tables["training"]["x"]
    tables["training"]["good"] = x > np.sort(x)[22]
    document = study(1, LABELLED | {"noise": [1, 200]})
    document["catastrophe"]["judgements"] |= {"spread": 8}
    results = results_of(tmp_path, document, tables)
    risk = results["risk_under_judged_line"]
    assert risk["effective_refits"] > 40
    evidence = {}
    for name in HYPOTHESES:
        u, mass = grid(tables["shown"][name], tables["shown"]["nothing"], -0.1, 8, 60001)
        likelihood = evidence_of_labels(tables["training"][name], tables["training"]["good"], u, 1, 200)
        evidence[name] = likelihood @ mass
        after = mass * likelihood / evidence[name]
        truth = 0.0
        for taken, share in results["agent_weights"].items():
            picked = [3 * m + int(np.argmax(r)) for m, r in enumerate(tables["test"][taken].reshape(15, 3))]
            truth += share * np.mean([after[u > tables["test"][name][best]].sum() for best in picked])
        assert abs(risk["by_truth"][name] - truth) < 4.5 * risk["mcse_by_truth"][name] + 1e-3
        assert risk["mcse_by_truth"][name] < 0.05
    odds = evidence["x"] / evidence["y"] * 2
    assert abs(risk["weights"]["x"] - odds / (1 + odds)) < 4.5 * risk["mcse_weights"]["x"] + 1e-9
    assert few(risk) == [] and few(None) == [] and few(risk | {"effective_refits": None}) == []
    assert "refits are worth 3" in few(risk | {"effective_refits": 3.01})[0]


def test_refits_of_a_likelihood_in_closed_form():
    """A normal likelihood far narrower than the judgements: its integral, and the mean of u after it."""
    rewards, said, centre, spread = problem(2)
    line = judgements(rewards, said, centre, spread).lines(hypotheses_of({"h": "r"}))[0]
    at, sd = float(line.quantile([0.8])[0]), 1e-4 * line.sd
    found = refitted([line] * 2, lambda u: stats.norm.logpdf(u, [at, line.mean], [sd, 1e6 * line.sd]), 200, 1)
    density = (float(line.above(np.array([at - sd]))[0]) - float(line.above(np.array([at + sd]))[0])) / (2 * sd)
    draws = found.near
    count = draws.effective()
    assert count.min() > 40 and found.near is not found.anywhere
    flat = stats.norm.logpdf(0, 0, 1e6 * line.sd)
    for h, log_z in enumerate((math.log(density), flat)):
        error = np.sqrt(1 / count[h] - 1 / len(draws.u)) + 1e-3
        assert abs(draws.evidence()[h] - log_z) < 4.5 * error
    mean = draws.chances()[:, 0] @ draws.u[:, 0]
    assert abs(mean - at) < 4.5 * sd / math.sqrt(count[0])
    assert len(found.anywhere.u) == 200 and found.anywhere.effective()[0] < 5


def test_impossible_data_are_told_of(tmp_path):
    tables = texts(5, labels=True)
    x = tables["training"]["x"]
    middle = float(np.sort(x)[22])
    tables["training"]["good"] = x > middle
    never = study(1, LABELLED | {"noise": 0}, hypotheses={"x": "x", "y": "x * x * x"})
    never["catastrophe"]["fail_utility"] = {"x": middle, "y": middle**3}
    never["catastrophe"]["judgements"] |= {"centre": 50, "spread": 0.1}
    results = results_of(tmp_path, never, tables)
    assert results["risk_under_judged_line"] is None
    assert any("impossible at each of 200 failure lines" in w for w in results["warnings"])


def test_the_report_says_what_was_asked(tmp_path):
    document = paints(catastrophe=asked_for(source="<b>Ann</b> & Bob, by letter"))
    path = write(tmp_path, document, training=TRAINING, test=TEST, shown=SHOWN)
    out = tmp_path / "out"
    assert main(["run", str(path), "--out", str(out)]) == 0
    html = (out / "report.html").read_text(encoding="utf-8")
    assert "Judges said of 5 items of table &#39;shown&#39; whether the agent should fail on purpose" in html
    assert "&lt;b&gt;Ann&lt;/b&gt; &amp; Bob, by letter" in html and "<b>Ann" not in html
    assert "With the stated failure line, the risk is" in html and "computed again at 200 lines" in html
    rows = (out / "tables" / "failure_line.csv").read_text(encoding="utf-8").strip().split("\n")
    assert rows[0].startswith("hypothesis,declared,mean,lower,upper") and len(rows) == 3
    assert "The failure line" in html and (out / "tables" / "failure_line.tex").exists()


def test_a_run_that_prints_imports_nothing_heavy(tmp_path):
    path = write(tmp_path, paints(), training=TRAINING, test=TEST, shown=SHOWN)
    code = (
        "import sys, json\n"
        "from reward_hypotheses.cli.main import main\n"
        f"assert main(['run', {str(path)!r}, '--json']) == 0\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr.strip().splitlines()[-1]))
    assert "reward_hypotheses.analysis.sensitivity.failure_line_refits" in loaded
    assert not loaded.intersection(("xarray", "scipy", "pandas", "pymc", "matplotlib", "numpy.ma"))
    assert json.loads(done.stdout)["risk_under_judged_line"]["refits"] == 200
