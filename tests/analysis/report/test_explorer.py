"""The page that one can argue with: its numbers against Python's, its controls, its address."""

import importlib
import json
import math
import re

import numpy as np
import pytest
from explorer_studies import Recomputed, breaks, inferred_study, mixed_study, rows, settings, unpacked
from studies import small, write

import reward_hypotheses as rh
from reward_hypotheses.analysis.report.explorer import explorer_section as section
from reward_hypotheses.analysis.report.layout.html import page
from reward_hypotheses.analysis.results.document import presented
from reward_hypotheses.analysis.results.explorer.cells import CELLS, distinct_cells
from reward_hypotheses.analysis.results.explorer.packing import packed, packed_integers
from reward_hypotheses.analysis.risk.intervals import quantile
from reward_hypotheses.cli.main import EXAMPLES
from reward_hypotheses.study.run import run_study

MANY = 334
"""Settings of each of three studies."""


class Page:
    """A run, what its page was given, and the page in a browser."""

    def __init__(self, path, file, browser):
        self.run = run_study(path)
        self.explorer = json.loads(json.dumps(self.run.explorer()))
        document = self.run.document
        file.write_text(page(document, presented(document), {}, {}, self.explorer), encoding="utf-8")
        self.file, self.tab, self.said = file, browser.new_page(viewport={"width": 400, "height": 900}), []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.open()

    def open(self, fragment=""):
        self.tab.goto("about:blank")
        self.tab.goto(self.file.as_uri() + fragment)

    def risks(self, asked):
        return self.tab.evaluate("asked => asked.map((setting) => window.study.risk(setting))", asked)

    def risk(self, **asked):
        return self.risks([asked])[0]

    def shown(self, name):
        return self.tab.inner_text(f"#argue-{name}")


@pytest.fixture(scope="module")
def pages(tmp_path_factory, browser):
    folder = tmp_path_factory.mktemp("explorer")
    made = {"essay": EXAMPLES / "essay" / "study.toml"}
    for name, study in (("mixed", mixed_study), ("inferred", inferred_study)):
        (folder / name).mkdir()
        made[name] = study(folder / name)
    return {name: Page(path, folder / f"{name}.html", browser) for name, path in made.items()}


@pytest.fixture
def essay(pages):
    pages["essay"].open()
    yield pages["essay"]
    assert pages["essay"].said == []


@pytest.mark.browser
@pytest.mark.parametrize("which", ["essay", "mixed", "inferred"])
def test_it_agrees_with_python(which, pages):
    shown, rng = pages[which], np.random.default_rng(3)
    recomputed = Recomputed(shown.run.case)
    on_line = (
        breaks(shown.explorer) if which == "essay" else [0.0]
    )  # whole rewards: there the shifted line meets ties exactly
    asked = settings(shown.explorer, MANY, rng, on_line)
    answers = shown.risks(asked)
    reasons = set()
    for setting, answer in zip(asked, answers, strict=True):
        assert set(answer) == {"mean", "lower", "upper"} | ({"reason"} if answer["lower"] is None else set())
        if answer["mean"] is None:
            assert answer["lower"] is None and setting["failure_shift"] not in (-2, -1.75, -0.25, 0, 0.25, 1, 2)
            reasons.add(answer["reason"])
            continue
        assert answer["mean"] == pytest.approx(recomputed.mean(setting), abs=1e-9), setting
        if setting["contamination"]:
            bounds = recomputed.contaminated(setting)
            assert (answer["lower"], answer["upper"]) == pytest.approx(bounds, abs=1e-9), setting
    grid = "The evidence at other failure lines is known at shifts from -2 to 2 in steps of 0.25 alone."
    assert reasons == ({grid} if which == "inferred" else set())
    assert shown.explorer["line"]["kind"] == {"essay": "steps", "mixed": "steps", "inferred": "grid"}[which]
    risk = shown.run.document["risk"]
    own = shown.risk()
    assert own["mean"] == pytest.approx(risk["mean"], abs=1e-12)
    if which == "inferred":
        assert own["lower"] is None and "the values pool several judges" in own["reason"]
    else:
        assert (own["lower"], own["upper"]) == (risk["lower"], risk["upper"])
    assert shown.said == []


@pytest.mark.browser
@pytest.mark.parametrize("which", ["essay", "mixed", "inferred"])
def test_its_interval_agrees_with_python(which, pages):
    """Up to 40 ends a study: none beyond 5 errors, which chance alone brings once in 40,000 runs of the three."""
    shown, rng = pages[which], np.random.default_rng(5)
    recomputed = Recomputed(shown.run.case)
    asked = [setting | {"contamination": 0.0} for setting in settings(shown.explorer, 20, rng)]
    off = []
    for setting, answer in zip(asked, shown.risks(asked), strict=True):
        if answer["mean"] is None:
            continue
        draws = np.sort(recomputed.drawn(setting, 40_000, rng))
        for p, end in ((0.025, answer["lower"]), (0.975, answer["upper"])):
            there, exactly = quantile(draws, p)
            _, error = quantile(draws, p, 4000)  # of as many draws as the page takes
            off.append((end - there) / max(math.hypot(error, exactly), 1e-9))
    off = np.abs(off)
    assert len(off) > 15 and off.max() < 5 and np.mean(off < 3) > 0.95 and np.sqrt(np.mean(off**2)) < 1.7
    assert shown.risks(asked[:5]) == shown.risks(asked[:5])


@pytest.mark.browser
def test_a_moved_line_is_that_of_other_fits(pages):
    """The judge fitted anew with other lines and values; the agent as it was fitted first."""
    shown = pages["mixed"]
    study, unit = shown.run.study, shown.explorer["line"]["unit"]
    names = study.hypotheses.names
    stated = dict(zip(names, shown.run.posterior.valuations[0].line.values, strict=True))
    rules = {name: reward.text for name, reward in zip(names, study.hypotheses.rewards, strict=True)}
    test = next(iter(study.tests.values())).to_dataset()
    agent = rh.fit(rules, rh.Uniform("a test"), list(study.feedback), stated, random_seed=1)
    for t, weights in ((0.37, (1, 2, 3, 4)), (-0.61, (0, 3, 0, 1)), (1.3, (5, 1, 1, 1))):
        values = dict(zip(names, map(float, weights), strict=True))
        line = {name: stated[name] + t * u for name, u in zip(names, unit, strict=True)}
        judge = rh.fit(rules, rh.Elicited(values, "a test", 7), list(study.feedback), line, random_seed=1)
        for policy, words in ((rh.Commit(abstain=True), "commit, may abstain"), (rh.Cvar(0.2), "cvar (worst 20%)")):
            risk = rh.catastrophe_risk(judge, test, policy, agent, agent_fail_utility=stated)
            asked = {"weights": values, "failure_shift": t, "agent_prior": "uniform", "policy": words}
            answer = shown.risk(**asked, strength=7)
            assert answer["mean"] == pytest.approx(float(risk["mean"]), abs=1e-9)
            low, high = rh.risk_bounds(judge, test, 0.2, policy, agent, agent_fail_utility=stated)
            range_ = shown.risk(**asked, contamination=0.2)
            assert (range_["lower"], range_["upper"]) == pytest.approx((float(low), float(high)), abs=1e-9)


@pytest.mark.browser
def test_a_move_takes_less_than_50_ms(pages):
    for shown in pages.values():
        took = shown.tab.evaluate(
            """() => Array.from({length: 100}, (_, i) => {
              const start = performance.now(), weights = {};
              window.study.hypotheses.forEach((name, h) => { weights[name] = 1 + ((i * (h + 3)) % 17); });
              window.study.set({weights, failure_shift: ((i % 5) - 2) / 4, strength: 5 + i});
              return performance.now() - start;
            })"""
        )
        assert np.median(took) < 50
        shown.tab.evaluate("window.study.set(null)")
        assert shown.shown("risk") == f"{100 * shown.run.document['risk']['mean']:.1f}%"


@pytest.mark.browser
def test_what_is_wrong_is_said(essay):
    for asked, problem in (
        ({"weights": {"red paint": 1, "flags": 1}}, '"level ground" has none'),
        ({"weights": {"red paint": 1, "flags": 1, "blue": 1}}, '"blue" is no hypothesis'),
        ({"weights": {"red paint": -1, "flags": 1, "level ground": 1}}, "a finite number, 0 or more"),
        ({"weights": {"red paint": 0, "flags": 0, "level ground": 0}}, "all are 0"),
        ({"strength": 0}, "positive number of judgements"),
        ({"failure_shift": "1"}, "a number of standard deviations"),
        ({"contamination": 1.5}, "from 0 to 1"),
        ({"agent_prior": "mine"}, '"uniform"'),
        ({"policy": "guess"}, '"most probable"'),
        ({"weight": 1}, "is no setting"),
    ):
        told = essay.tab.evaluate("asked => { try { window.study.risk(asked) } catch (e) { return e.message } }", asked)
        assert problem in told
        assert told == essay.tab.evaluate("asked => { try { study.set(asked) } catch (e) { return e.message } }", asked)
    assert essay.risk() == essay.tab.evaluate("study.set()")


@pytest.mark.browser
def test_the_address_holds_the_setting(essay):
    asked = {"weights": {"red paint": 0.1, "flags": 0.7, "level ground": 0.2}, "strength": 33.5, "failure_shift": -0.3}
    asked |= {"contamination": 0.07, "agent_prior": "uniform", "policy": "cvar (worst 5%), may abstain"}
    there = essay.tab.evaluate("asked => window.study.set(asked)", asked)
    essay.tab.wait_for_function("location.hash.includes('policy')")
    fragment = "#" + essay.tab.url.split("#")[1]
    assert "w=red%20paint:0.1,flags:0.7,level%20ground:0.2&strength=33.5&shift=-0.3" in fragment
    words = essay.shown("risk"), essay.shown("interval"), essay.shown("rows")
    essay.open(fragment)
    assert essay.tab.evaluate("window.study.setting()") == asked
    assert (essay.shown("risk"), essay.shown("interval"), essay.shown("rows")) == words
    assert essay.tab.evaluate("window.study.risk(window.study.setting())") == there
    essay.tab.click("#argue-back")
    assert essay.shown("beside") == "as in the study" and "#" not in essay.tab.url
    essay.tab.evaluate("location.hash = '#agent=values'")
    essay.tab.wait_for_function("document.getElementById('argue-risk').textContent === '19.8%'")
    for wrong in (
        "#strength=-1",
        "#w=%E0:1",
        "#w=flags:1",
        "#mine=1",
        "#agent=mine",
        "#strength=",
        "#shift=1e999",
        "#w=<b>:1",
    ):
        essay.open(wrong)
        assert essay.shown("note").startswith(
            "The address holds a setting that this page cannot read, so it is ignored"
        )
        assert essay.shown("risk") == "73.3%"
    essay.open("#tables")
    assert essay.shown("note") == ""


@pytest.mark.browser
def test_it_works_by_keyboard_and_on_a_narrow_screen(essay):
    tab = essay.tab
    assert tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    tab.focus("#explorer h2 ~ div input[type=range]")
    before = essay.shown("risk")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.labels[0].innerText") == "flags (%)"
    for _ in range(10):
        tab.keyboard.press("ArrowLeft")
    assert essay.shown("risk") != before and essay.shown("beside") == "study: 73.3%"
    for _ in range(9):
        tab.keyboard.press("Tab")
    named = [tab.evaluate("document.activeElement.id")]
    for _ in range(3):
        tab.keyboard.press("Tab")
        named.append(tab.evaluate("document.activeElement.id"))
    assert named[-3:] == ["argue-agent", "argue-policy", "argue-back"]
    tab.keyboard.press("Enter")
    assert essay.shown("risk") == before
    inputs = "[...document.querySelectorAll('#explorer input, #explorer select, #explorer button')]"
    assert tab.evaluate(f"{inputs}.filter((e) => !e.labels.length && !e.ariaLabel && !e.textContent).length") == 0
    assert tab.evaluate(f"{inputs}.filter((e) => e.getBoundingClientRect().height < 24).length") == 0
    pad = tab.locator(".argue-triangle svg")
    pad.click(position={"x": pad.bounding_box()["width"] / 2, "y": 12})
    assert tab.evaluate("window.study.setting().weights['red paint']") > 0.85


@pytest.mark.browser
def test_rows_are_ranges_of_the_risk(essay):
    """Largest first, each by moving one setting."""
    asked = {"weights": {"red paint": 0.2, "flags": 0.5, "level ground": 0.3}, "agent_prior": "uniform"}
    by_name = {row["name"]: row for row in essay.tab.evaluate("asked => study.dependence(asked)", asked)}
    sizes = [row["high"]["risk"] - row["low"]["risk"] for row in by_name.values()]
    assert sizes == sorted(sizes, reverse=True) and len(sizes) == 5
    acting = [p["words"] for p in essay.explorer["policies"] if not p["abstain"]]
    moved = {
        "Agent's prior": [{"agent_prior": name} for name in ("study", "uniform", "simplicity", "values")],
        "Policy": [{"policy": words} for words in acting],
        "Failure line, 0.5 sd": [{"failure_shift": t / 4} for t in range(-2, 3)],
    }
    for name, changes in moved.items():
        means = [answer["mean"] for answer in essay.risks([asked | change for change in changes])]
        assert (by_name[name]["low"]["risk"], by_name[name]["high"]["risk"]) == (min(means), max(means))
    for name, change in (
        ("Values", {}),
        ("Prior misspecification, 10%", {"contamination": 0.1}),
    ):
        answer = essay.risk(**asked, **change)
        assert (by_name[name]["low"]["risk"], by_name[name]["high"]["risk"]) == (answer["lower"], answer["upper"])


@pytest.mark.browser
def test_names_are_text_in_the_controls(nasty, browser):
    tab = browser.new_page()
    said = []
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.on("dialog", lambda dialog: said.append(dialog.message))
    tab.goto((nasty / "report.html").as_uri())
    names = json.loads((nasty / "results.json").read_text())["hypotheses"]
    assert tab.evaluate("study.hypotheses") == names and tab.title() != "taken" and said == []
    shown = tab.eval_on_selector_all("#argue-weights label", "all => all.map((label) => label.firstChild.data)")
    assert shown == names and tab.evaluate("document.querySelectorAll('#explorer img, #explorer script').length") == 1
    tab.evaluate("names => study.set({weights: Object.fromEntries(names.map((name, k) => [name, k + 1]))})", names)
    tab.wait_for_function("location.hash.includes('w=')")
    tab.goto("about:blank")
    tab.go_back()
    assert tab.evaluate("study.setting().weights") == {name: k + 1 for k, name in enumerate(names)} and said == []
    tab.close()


def test_without_javascript_a_sentence_says_so(demo):
    text = (demo / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<noscript><p>This part needs JavaScript", text)
    assert len(text.encode()) < section.PAGE_BYTES


def test_the_page_made_again_is_the_same(demo, tmp_path):
    assert "explorer.json" in json.loads((demo / "manifest.json").read_text())
    assert rh.report(demo) == (demo / "report.html").read_text(encoding="utf-8")
    text = rh.report(json.loads((demo / "results.json").read_text()))
    assert section.OLD in text and "explorer-data" not in text
    for name in ("results.json", "explorer.json"):
        (tmp_path / name).write_bytes((demo / name).read_bytes())
    (tmp_path / "explorer.json").write_text('{"format": 99}')
    assert section.OLD in rh.report(tmp_path)


def large(folder, scenes, continuous):
    rng = np.random.default_rng(1)
    test = {name: rng.normal(size=(scenes, 4)) if continuous else rng.integers(0, 100, (scenes, 4)) for name in "abc"}
    train = {name: rng.integers(0, 100, (20, 1)) for name in "abc"} | {"good": rng.random((20, 1)) < 0.5}
    document = small(
        hypotheses={name: f"{name} - 30" for name in "abc"},
        values={"weights": {"a": 3, "b": 2, "c": 1}, "source": "a test", "strength": 20},
        agent={"policy": "commit", "prior": "values"},
        feedback=[{"kind": "labels", "table": "training", "column": "good", "noise": [1, 19]}],
    )
    return run_study(write(folder, document, training=rows(train), test=rows(test)))


def test_cells_are_the_test(tmp_path):
    """Every scene of the test is one of the distinct scenes, whose shares are its weight."""
    case = run_study(mixed_study(tmp_path)).case.first
    cells = distinct_cells(case.valuation)
    starts, vector, count, share = (unpacked(cells[key]) for key in ("starts", "vector", "count", "share"))
    reward = np.array([unpacked(row) for row in cells["reward"]])
    held = {}
    for m in range(len(share)):
        of_scene = slice(starts[m], starts[m + 1])
        options = np.repeat(reward[:, vector[of_scene]].T, count[of_scene], axis=0)
        held[tuple(sorted(map(tuple, options.tolist())))] = share[m]
    (block,) = case.valuation.blocks()
    rewards = np.array([block.reward(h) for h in range(4)])
    weights = case.valuation.table.scene_weights()
    wanted = {}
    for m in range(case.valuation.n_scenes):
        key = tuple(sorted(map(tuple, rewards[:, :, m].T.tolist())))
        wanted[key] = wanted.get(key, 0.0) + weights[m] / weights.sum()
    assert held.keys() == wanted.keys() and len(wanted) == case.valuation.n_scenes
    assert [held[key] for key in wanted] == pytest.approx(list(wanted.values()))
    again = np.array([0.1, 0.1, -0.0, 1e150, 3.0] * 30)
    assert (unpacked(packed(again)) == again).all() and "table" in packed(again)
    assert (unpacked(packed_integers(np.arange(300))) == np.arange(300)).all()


def test_too_many_cells_leave_the_matrices(tmp_path):
    run = large(tmp_path, CELLS // 4 + 1, continuous=False)
    explorer = run.explorer()
    assert explorer["cells"] is None and "more than 20,000 distinct cells" in explorer["cells_why_not"]
    drawing = {
        k
        for k, p in enumerate(explorer["policies"])
        if p["name"] in ("commit", "most_probable", "boltzmann", "quantilize")
    }
    assert set(explorer["matrices"]) == {str(k) for k in drawing}
    text = page(run.document, presented(run.document), {}, {}, explorer)
    assert len(text.encode()) < section.PAGE_BYTES and "more than 20,000 distinct cells" in text


@pytest.mark.browser
def test_a_page_without_cells_still_follows_the_weights(tmp_path, browser):
    path = tmp_path / "study"
    path.mkdir()
    run = large(path, 50, continuous=True)
    whole = run.explorer()
    shown = Page.__new__(Page)
    shown.tab, shown.run, shown.said = browser.new_page(), run, []
    shown.file = tmp_path / "page.html"
    cut = section.without_cells({**whole, "matrices": matrices_of(run)})
    shown.file.write_text(page(run.document, presented(run.document), {}, {}, cut), encoding="utf-8")
    shown.open()
    recomputed = Recomputed(run.case)
    for setting in settings(whole, 40, np.random.default_rng(2)):
        setting["failure_shift"] = 0.0
        answer, name = shown.risk(**setting), setting["policy"].split(" (")[0].split(",")[0]
        if name in ("expected", "cvar", "maximin"):
            assert answer["mean"] is None and "longer than 1 MB" in answer["reason"]
        else:
            assert answer["mean"] == pytest.approx(recomputed.mean(setting), abs=1e-9)
    assert "cannot be moved on this page" in shown.risk(failure_shift=0.5)["reason"]
    assert "longer than 1 MB" in shown.tab.inner_text("#explorer")
    shown.tab.close()


def matrices_of(run):
    module = importlib.import_module("reward_hypotheses.analysis.results.explorer.explorer_document")
    case = run.case.first
    return module._matrices(case, module.candidates(case.policy), 0)


def test_a_page_that_would_be_too_long_leaves_its_cells_out(demo):
    document = json.loads((demo / "results.json").read_text())
    explorer = json.loads((demo / "explorer.json").read_text())
    frames = {"test": (b"\x89PNG\r\n\x1a\n" + bytes(8)) + bytes(800_000)}
    text = page(document, presented(document), {}, frames, explorer)
    assert '"cells":null' in text and "it would be longer than 1 MB" in text
    assert '"cells":null' not in page(document, presented(document), {}, {}, explorer)
