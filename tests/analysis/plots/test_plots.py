"""Figures show the numbers that they are given, on the axes that they are given, in the style of the project."""

import json
import math
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from plotted import TEST, WEIGHTS, fitted

import reward_hypotheses as rh

CHOICES = {name: np.random.default_rng(k).normal(size=(40, 3)) for k, name in enumerate(("cost", "time"))}
TAKEN = np.arange(3) == (-2 * CHOICES["cost"] - CHOICES["time"]).argmax(axis=1)[:, None]
LINEAR = rh.Linear(["cost", "time"], prior={"normal": 3}, source="a test")
ROWS = [
    {"predicted": 0.2, "lower": 0.1, "upper": 0.4, "measured": 0.3, "shift": "by flags", "pit": 0.8},
    {"predicted": 0.6, "lower": 0.5, "upper": 0.7, "measured": 0.9, "shift": "by paint", "pit": 0.99},
]
PIT = np.random.default_rng(0).random(50)


@pytest.fixture(scope="session")
def linear():
    choices = rh.Choices({**CHOICES, "chosen": TAKEN}, "chosen")
    return rh.fit({"taste": LINEAR}, rh.Uniform("a test"), [choices], fail_utility=0, random_seed=1)


@pytest.fixture(scope="session")
def drawing(tree, risk, essay, linear):
    """Every public figure: name -> function that draws it with further keywords."""
    bits = rh.value_bits(tree, TEST, 0.05)
    return {
        "weights": lambda **k: rh.plot_weights(tree, rh.Uniform("a test"), **k),
        "weights of results": lambda **k: rh.plot_weights(essay, **k),
        "evidence": lambda **k: rh.plot_evidence(tree, **k),
        "evidence of results": lambda **k: rh.plot_evidence(essay, **k),
        "risk": lambda **k: rh.plot_risk(risk, **k),
        "risk of results": lambda **k: rh.plot_risk(essay, **k),
        "risks": lambda **k: rh.plot_risk({"uniform": risk, "essay": essay}, **k),
        "risk matrix": lambda **k: rh.plot_risk_matrix(risk, **k),
        "risk matrix of results": lambda **k: rh.plot_risk_matrix(essay, **k),
        "sensitivity": lambda **k: rh.plot_sensitivity(essay, **k),
        "sensitivity of rows": lambda **k: rh.plot_sensitivity([("values", 0.2, 0.4), ("policy", 0.0, 0.9)], 0.3, **k),
        "prior sweep": lambda **k: rh.plot_prior_sweep(tree, TEST, "flags", points=5, **k),
        "frontier": lambda **k: rh.plot_frontier(tree, TEST, **k),
        "frontier of results": lambda **k: rh.plot_frontier(essay, **k),
        "shift": lambda **k: rh.plot_shift(essay, **k),
        "value bits": lambda **k: rh.plot_value_bits(bits, **k),
        "value bits of results": lambda **k: rh.plot_value_bits(essay, **k),
        "value bits by truth": lambda **k: rh.plot_value_bits(essay, 0.01, **k),
        "calibration": lambda **k: rh.plot_calibration(ROWS, **k),
        "PIT": lambda **k: rh.plot_calibration(PIT, **k),
        "reward weights": lambda **k: rh.plot_reward_weights({"one": linear, "two": linear}, **k),
    }


FIGURES = (
    *("weights", "weights of results", "evidence", "evidence of results", "risk", "risk of results", "risks"),
    *("risk matrix", "risk matrix of results", "sensitivity", "sensitivity of rows", "prior sweep", "frontier"),
    *("frontier of results", "shift", "value bits", "value bits of results", "value bits by truth", "calibration"),
    *("PIT", "reward weights"),
)


def inside(ax):
    """Whether every text of an axes, but ticks out of view, is inside its figure."""
    figure = ax.figure
    figure.draw_without_rendering()
    hidden = set()
    for along in (ax.xaxis, ax.yaxis):
        low, high = sorted(along.get_view_interval())
        for tick in [*along.get_major_ticks(), *along.get_minor_ticks()]:
            hidden |= set() if low <= tick.get_loc() <= high else {tick.label1, tick.label2}
    texts = (t for t in ax.findobj(mpl.text.Text) if t not in hidden and t.get_visible() and t.get_text().strip())
    boxes = [mpl.text.Text.get_window_extent(text) for text in texts]
    return all(b.x0 > -1 and b.y0 > -1 and b.x1 < figure.bbox.x1 + 1 and b.y1 < figure.bbox.y1 + 1 for b in boxes)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure(name, drawing):
    assert set(drawing) == set(FIGURES)
    before = dict(mpl.rcParams)
    ax = drawing[name]()
    assert dict(mpl.rcParams) == before
    assert isinstance(ax, mpl.axes.Axes) and len(plt.get_fignums()) == 1
    finding = ax.get_title(loc="left").replace("\n", " ")
    assert len(finding) > 25 and finding[0].isupper() | (finding[0] in "'0123456789")
    assert 0 < len(ax.get_xlabel()) <= 40 and len(ax.get_ylabel()) <= 40
    assert inside(ax)
    assert not ax.spines["top"].get_visible() and ax.title.get_color() != "none"
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5))
    assert drawing[name](ax=right) is right
    assert len(plt.get_fignums()) == 2 and not left.has_data() and right.get_title(loc="left")
    assert dict(mpl.rcParams) == before


def test_a_size_is_taken(drawing):
    assert drawing["risk"](figsize=(7, 4)).figure.get_size_inches().tolist() == [7, 4]


def test_figures_cover_the_public_names():
    public = {name for name in rh.__all__ if name.startswith("plot_")}
    assert public == {f"plot_{name}" for name in (
        *("weights", "evidence", "reward_weights", "risk", "risk_matrix", "sensitivity", "prior_sweep", "value_bits"),
        *("frontier", "shift", "calibration"),
    )}  # fmt: skip


def lines(ax):
    """The data of every labelled line: label -> (x, y)."""
    return {line.get_label(): np.array(line.get_xydata()).T for line in ax.lines if len(line.get_xdata())}


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_weights(drawing, tree):
    shown = lines(drawing["weights"]())
    evidence = tree["evidence"]
    assert shown["prior: the values"][0] == pytest.approx([0.2, 0.5, 0.3])
    assert shown["posterior"][0].tolist() == evidence["weight"].to_numpy().tolist()
    likelihood = np.exp(evidence["log_evidence"].to_numpy())
    assert shown["the agent's weight"][0] == pytest.approx(likelihood / likelihood.sum())
    bands = rh.plot_weights(tree).collections[1].get_segments()
    draws = tree["posterior"]["weight"].to_numpy().reshape(-1, 3)
    assert np.array(bands)[:, :, 0] == pytest.approx(np.quantile(draws, [0.025, 0.975], axis=0).T)


def test_evidence(drawing, tree, essay):
    ax = drawing["evidence"]()
    rows = [label.get_text().replace("\nover ", "/") for label in ax.get_yticklabels()]
    names = ("red", "flags", "deep")
    log_prior, log_evidence = (
        dict(zip(names, tree["evidence"][key].to_numpy(), strict=True)) for key in ("log_prior", "log_evidence")
    )
    assert rows[0] == "red/flags" and sorted(rows) == ["flags/deep", "red/deep", "red/flags"]
    widths = [bar.get_width() for bar in ax.patches]
    pairs = [row.split("/") for row in rows]
    assert widths[:3] == pytest.approx([log_prior[a] - log_prior[b] for a, b in pairs])
    assert widths[3:] == pytest.approx([log_evidence[a] - log_evidence[b] for a, b in pairs])
    assert "0, silent" in texts(ax)
    bars = sorted(bar.get_width() for bar in drawing["evidence of results"]().patches)
    assert bars == sorted(pair[k] for pair in essay["pairs"] for k in ("log_prior_odds", "log_bayes_factor"))


def test_risk(drawing, risk, essay):
    ax = drawing["risk"]()
    first, *rows = (label.get_text() for label in ax.get_yticklabels())
    assert first == "all sources" and "the values" in rows
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in dots] == [float(risk["mean"])] * (1 + len(rows))
    band = ax.collections[0].get_segments()[0][:, 0]
    assert band.tolist() == risk["interval"].sel(source="all").to_numpy().tolist()
    ax = drawing["risks"]()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["uniform", "essay"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert dots == [float(risk["mean"]), essay["risk"]["mean"]]


def test_risk_matrix(drawing, risk, essay):
    ax = drawing["risk matrix"]()
    assert np.asarray(ax.collections[0].get_array()).tolist() == risk["matrix"].to_numpy().tolist()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["red", "flags", "deep"]
    cells = np.asarray(drawing["risk matrix of results"]().collections[0].get_array())
    assert cells.tolist() == [list(row.values()) for row in essay["matrix"].values()]


def ends(ax):
    """The risks at both ends of the bars of each row."""
    half = len(ax.patches) // 2
    lower, upper = ax.patches[:half], ax.patches[half:]
    return [(low.get_x(), high.get_x() + high.get_width()) for low, high in zip(lower, upper, strict=True)]


def test_sensitivity(drawing, essay):
    ax = drawing["sensitivity of rows"]()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["policy", "values"]  # the largest effect first
    assert np.array(ends(ax)) == pytest.approx(np.array([(0.0, 0.9), (0.2, 0.4)]))
    ax, now = drawing["sensitivity"](), essay["risk"]["mean"]
    others = [agent["acts"]["risk"] for agent in essay["agents"].values()]
    found = dict(zip((t.get_text().split("\n")[0] for t in ax.get_yticklabels()), ends(ax), strict=True))
    assert (min(others), max(*others, now)) == pytest.approx(next(e for name, e in found.items() if "prior" in name))
    reach = [max(now - low, high - now) for low, high in ends(ax)]
    assert len(reach) > 2 and reach == sorted(reach, reverse=True)


def test_frontier(drawing, essay, tree):
    points = {(e["risk"], e["reward"]) for e in essay["frontier"]}
    marks = [
        line for line in drawing["frontier of results"]().lines if line.get_marker() in "oD" and len(line.get_xdata())
    ]
    assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in marks} <= points
    own = next(e for e in essay["frontier"] if e["own"])
    assert [tuple(m.get_xydata()[0]) for m in marks if m.get_marker() == "D"] == [(own["risk"], own["reward"])]
    mine = next(line for line in drawing["frontier"]().lines if line.get_marker() == "D" and len(line.get_xdata()))
    assert mine.get_xdata()[0] == pytest.approx(float(rh.catastrophe_risk(tree, TEST)["mean"]))


def test_shift_and_bits(drawing, essay):
    shown = lines(drawing["shift"]())
    for key in ("training", "test"):
        assert shown[key][0].tolist() == [kind[key] for kind in essay["shift"]["kinds"]]
    shown = lines(drawing["value bits of results"]())
    assert shown["items of training"][1].tolist() == essay["bits_by_size"]["training"]["mean"]
    assert shown["items of the test, judged"][0].tolist() == essay["bits_by_size"]["sizes"]
    widths = [bar.get_width() for bar in drawing["value bits by truth"]().patches]
    assert widths == list(essay["value_bits_by_truth"]["0.01"].values())


def test_calibration(drawing):
    ax = drawing["calibration"]()
    points = [tuple(group.lines[0].get_xydata()[0]) for group in ax.containers]
    assert points == [(0.2, 0.3), (0.6, 0.9)]
    bars = [group.lines[2][0].get_segments()[0][:, 0].tolist() for group in ax.containers]
    assert np.array(bars) == pytest.approx(np.array([(0.1, 0.4), (0.5, 0.7)]))
    assert ax.get_title(loc="left").startswith("1 of 2 intervals")
    x, y = lines(drawing["PIT"]())["50 predictions"]
    assert y == pytest.approx([(PIT <= x_).mean() - x_ for x_ in x])


def test_pit_values_of_datasets_and_of_studies(drawing):
    plain = lines(drawing["PIT"]())["50 predictions"]
    of_datasets = lines(rh.plot_calibration([xr.Dataset({"pit": value}) for value in PIT]))["50 predictions"]
    assert np.array(of_datasets).tolist() == np.array(plain).tolist()
    ax = rh.plot_calibration({"agents": ROWS * 10}, pit=True)
    assert "20 predictions are not calibrated" in ax.get_title(loc="left")


def test_the_band_of_pit_values_holds_all_of_the_curve_with_its_probability():
    from reward_hypotheses.analysis.plots.calibration import _band

    rng, held = np.random.default_rng(5), 0
    at, _, lower, upper = _band(rng.random(30), 0.9)
    for _ in range(1000):
        ecdf = (rng.random((30, 1)) <= at).mean(axis=0)
        held += bool(((lower <= ecdf) & (ecdf <= upper)).all())
    # 1,000 simulations set the band, 1,000 test it; counts are discrete, so it may hold more
    assert held / 1000 > 0.9 - 5 * math.sqrt(0.09 / 1000 + 0.09 / 1000)
    assert held / 1000 < 0.97


def test_reward_weights(drawing, linear):
    shown = lines(drawing["reward weights"]())
    names = [name for name in linear["posterior"].data_vars if linear["posterior"][name].dims[-1] == "feature"]
    draws = linear["posterior"][names[0]].to_numpy().reshape(-1, 2)
    for label in ("one", "two"):
        assert shown[label][0] == pytest.approx(draws.mean(axis=0))


def test_the_sweep_is_that_of_fits_with_another_prior(tree):
    """Against a fit for every point; the agent's weights kept, or those of the prior of the fit."""
    for policy in (rh.Commit(), rh.Expected()):
        shown = lines(rh.plot_prior_sweep(tree, TEST, "flags", policy, points=5))
        at, kept = shown["agent's weights kept"]
        assert at.tolist() == [0, 0.25, 0.5, 0.75, 1]
        rest = sum(weight for name, weight in WEIGHTS.items() if name != "flags")
        for x, held, moving in zip(at, kept, shown["agent with the same prior"][1], strict=True):
            weights = {name: (1 - x) * weight / rest for name, weight in WEIGHTS.items()} | {"flags": x}
            other = fitted(weights)
            assert moving == pytest.approx(float(rh.catastrophe_risk(other, TEST, policy)["mean"]), abs=1e-9)
            agent = rh.Elicited(WEIGHTS, source="as stated")
            assert held == pytest.approx(float(rh.catastrophe_risk(other, TEST, policy, agent)["mean"]), abs=1e-9)
    alone = lines(rh.plot_prior_sweep(tree, TEST, "flags", agent=rh.Uniform("a test"), points=3))
    assert "agent with the same prior" not in alone


WRONG = {
    "ax: a str": lambda f: f["risk"](ax="here"),
    "figsize: 3": lambda f: f["risk"](figsize=3),
    "figsize: ax has a figure": lambda f: f["risk"](ax=plt.subplots()[1], figsize=(3, 3)),
    "fitted: a int; give the tree that rh.fit": lambda f: rh.plot_weights(3),
    "agent: a Elicited|agent: neither a prior": lambda f: rh.plot_weights(f["tree"], "uniform"),
    "leave agent out": lambda f: rh.plot_weights(f["essay"], rh.Uniform("x")),
    "a tree without the group 'evidence'": lambda f: rh.plot_evidence(xr.DataTree()),
    "risk: a list; give the Dataset that rh.catastrophe_risk": lambda f: rh.plot_risk([1]),
    "an empty dict": lambda f: rh.plot_risk({}),
    "without 'matrix'": lambda f: rh.plot_risk_matrix(xr.Dataset()),
    "nothing under 'risk'": lambda f: rh.plot_risk(f["essay"] | {"risk": None}),
    "now: missing": lambda f: rh.plot_sensitivity([("policy", 0.1, 0.2)]),
    "row 0 is \\('policy', 0.1\\)": lambda f: rh.plot_sensitivity([("policy", 0.1)], 0.2),
    "row 0 has a risk from 0.3 to 0.2": lambda f: rh.plot_sensitivity([("policy", 0.3, 0.2)], 0.2),
    "did you mean 'flags'": lambda f: rh.plot_prior_sweep(f["tree"], TEST, "flag"),
    "test: missing": lambda f: rh.plot_frontier(f["tree"]),
    "results: a dict; give the results document": lambda f: rh.plot_shift({}),
    "target: 0.02 was not computed": lambda f: rh.plot_value_bits(f["essay"], 0.02),
    "bits: a float": lambda f: rh.plot_value_bits(0.5),
    "row 0 has measured = 2": lambda f: rh.plot_calibration([ROWS[0] | {"measured": 2}]),
    "two or more numbers from 0 to 1": lambda f: rh.plot_calibration([0.5, 1.5]),
    "backend: 'ggplot'; give one of": lambda f: rh.plot_calibration(PIT, backend="ggplot"),
    "leave out ax and figsize": lambda f: rh.plot_calibration(PIT, backend="plotly", figsize=(3, 3)),
    "no hypothesis is a Linear": lambda f: rh.plot_reward_weights(f["tree"]),
}


@pytest.mark.parametrize("says", WRONG)
def test_wrong_input(says, drawing, tree, essay):
    with pytest.raises(rh.InputError, match=says):
        WRONG[says](drawing | {"tree": tree, "essay": essay})


@pytest.mark.parametrize("backend", ["plotly", "bokeh"])
def test_a_backend_that_is_missing_is_named(backend, monkeypatch, linear):
    import importlib

    def missing(name, *rest):
        raise ModuleNotFoundError(f"No module named {backend!r}", name=backend)

    monkeypatch.setattr(importlib, "import_module", missing)
    for draw in (lambda **k: rh.plot_calibration(PIT, **k), lambda **k: rh.plot_reward_weights(linear, **k)):
        with pytest.raises(rh.InputError, match=f"needs {backend}, which is not installed: pip install"):
            draw(backend=backend)


def test_names_are_text_and_cut(essay):
    long = "$x$ " + "a very long name of a hypothesis " * 4
    text = json.dumps(essay).replace('"flags"', json.dumps(long))
    ax = rh.plot_weights(json.loads(text))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert any(label.startswith("$x$") for label in labels) and max(map(len, labels)) <= 34 and inside(ax)


KEPT = Path(__file__).resolve().parents[2] / "golden" / "kept"


@pytest.mark.parametrize("path", sorted(KEPT.glob("*/results.json")), ids=lambda path: path.parent.name)
def test_figures_of_reports(path):
    """Labels of every figure are short and inside it, and no figure shows equal marks alone."""
    from reports import drawn

    from reward_hypotheses.analysis.plots.style import STYLE
    from reward_hypotheses.analysis.results.document import presented

    document = json.loads(path.read_text(encoding="utf-8"))
    figures = drawn(document)
    assert {"weights", "evidence_against_prior"} <= set(figures)
    plots = {p.figure.name: p.figure for p in presented(document) if p.figure is not None}
    for name, figure in figures.items():
        with mpl.rc_context(STYLE):
            for ax in figure.axes:
                assert max(len(ax.get_xlabel()), len(ax.get_ylabel())) <= 40, name
                assert inside(ax), name
                if name in ("riskiest_scenes", "first_catastrophe", "risk_by_line"):
                    bars = [bar.get_width() for bar in ax.patches] or ax.lines[0].get_ydata()
                    assert np.ptp(bars) > 0.01, name
    for name in plots.keys() - figures.keys():
        with mpl.rc_context(STYLE):  # such a figure is absent, and would show one number many times
            ax = plots[name].draw(document, None).axes[0]
        if name == "riskiest_scenes":
            assert np.ptp([bar.get_width() for bar in ax.patches]) <= 0.01
        if name == "first_catastrophe":
            assert np.ptp(ax.lines[0].get_ydata()) <= 0.01


def test_a_figure_of_equal_marks_does_not_inform(essay):
    from reward_hypotheses.analysis.results.document import presented

    def informing(**changed):
        document = essay | changed
        return {p.figure.name for p in presented(document) if p.figure is not None and p.figure.informs(document)}

    assert "riskiest_scenes" not in informing() and {"matrix", "weights", "risk_by_agent_prior"} <= informing()
    scenes = [scene | {"risk": k / 10} for k, scene in enumerate(essay["riskiest_scenes"])]
    assert "riskiest_scenes" in informing(riskiest_scenes=scenes)
    alike = {a: dict.fromkeys(row, 0.4 + 0.004 * k) for k, (a, row) in enumerate(essay["matrix"].items())}
    assert "matrix" not in informing(matrix=alike)
    one = {name: agent for name, agent in essay["agents"].items() if name == "values"}
    assert "risk_by_agent_prior" not in informing(agents=one)
    third = dict.fromkeys(essay["hypotheses"], 1 / 3)
    assert "weights" not in informing(prior=third, weights=third, agent_weights=third)
    policies = [entry | {"risk": 0.5, "reward": 10.0} for entry in essay["frontier"]]
    assert "frontier" not in informing(frontier=policies)
    assert "shift_check" not in informing(shift=essay["shift"] | {"kinds": essay["shift"]["kinds"][:1]})
    assert "risk_by_line" not in informing(risk_by_line=essay["risk_by_line"] | {"risk": [0.3] * 17})
