"""The report and its figures: whole, made again from what was saved, safe, and readable in a browser."""

import base64
import hashlib
import json
import re
import threading
import time
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest
from reports import NASTY, PLOTS, drawn, page, point

import reward_hypotheses as rh
from reward_hypotheses.analysis.plots import style
from reward_hypotheses.analysis.report import figure_files
from reward_hypotheses.analysis.results.document import presented


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.headings = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def html(folder):
    return (folder / "report.html").read_text(encoding="utf-8")


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def test_the_answer_stands_first_with_its_interval(demo):
    words = Tags(html(demo)).words
    risk = results(demo)["risk"]
    shares = [f"{100 * risk[k]:.1f}%" for k in ("mean", "lower", "upper", "limit")]
    first = words[: words.index("A scene of training")]
    assert all(share in first for share in shares)


def test_it_says_what_a_colleague_asks(demo):
    words = Tags(html(demo)).words
    for said in (
        "73.3% of test scenes are predicted to end in a catastrophe",
        "95% credible interval 63.1% to 79.1%, from uncertainty about the stated values only",
        "The agent follows 'red paint' (probability 80.0%)",
        "and where 'flags' is true (posterior weight 88.9%), 100.0% of scenes then end in a catastrophe",
        "The risk would be 11.1% with an agent that always follows 'flags'",
        "Training cannot separate 'red paint' and 'flags'",
        "No misfit found",
        "Distribution shift detected (p = 0.001)",
        "reward-hypotheses run study.toml",
        results(demo)["data_sha256"]["training"],
        "The pad is between flags but not red, and a faraway crater is red",
    ):
        assert said in words, said


@pytest.mark.parametrize("which", ["demo", "nasty", "untested"])
def test_it_is_one_file_without_network_or_script(which, request):
    tags = Tags(html(request.getfixturevalue(which))).tags
    for tag, attrs in tags:
        assert tag not in ("iframe", "object", "embed", "link", "base", "form"), tag
        for key, value in attrs.items():
            assert not key.startswith("on"), (tag, key)
            if key in ("src", "href", "xlink:href"):
                files = ("data:text/csv;charset=utf-8;base64,", "data:text/plain;charset=utf-8;base64,")
                pictures = ("data:image/png;base64,", "data:image/jpeg;base64,")
                assert value.startswith(("#", *pictures, *(files if "download" in attrs else ()))), value[:60]
    assert "http:" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", html(request.getfixturevalue(which)))
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"][1:] for tag, attrs in tags if tag == "a" and "download" not in attrs]
    assert set(links) <= set(ids)
    used = [v[1:] for tag, attrs in tags for k, v in attrs.items() if k.endswith("href") and tag == "use"]
    assert set(used) <= set(ids) and (used or which == "untested")


@pytest.mark.parametrize("which", ["demo", "nasty", "untested"])
def test_scripts_are_those_that_the_policy_names(which, request):
    text = html(request.getfixturevalue(which))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    named = re.findall(r"'sha256-([^']*)'", policy.replace("&#39;", "'"))
    scripts = [
        s for kind, s in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL) if "application/json" not in kind
    ]
    assert named == [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts] and scripts
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'", "").replace(
        "style-src &#39;unsafe-inline&#39;", ""
    )


def test_every_number_of_a_table_is_on_the_page(demo):
    """Whole tables stand in links, as the CSV files of the folder."""
    text = html(demo)
    for path in sorted((demo / "tables").glob("*.csv")):
        assert base64.b64encode(path.read_bytes()).decode() in text, path.name


@pytest.mark.parametrize("which", ["demo", "nasty", "untested"])
def test_a_screen_reader_can_follow(which, request):
    tags = Tags(html(request.getfixturevalue(which))).tags
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    assert [attrs["lang"] for tag, attrs in tags if tag == "html"] == ["en"]
    assert all(attrs.get("alt") for tag, attrs in tags if tag == "img")
    drawings = [attrs for tag, attrs in tags if tag == "svg" and attrs.get("focusable") != "false"]
    assert drawings and all(len(attrs["aria-label"]) > 30 for attrs in drawings)


def test_names_are_text_and_nothing_else(nasty):
    words = Tags(html(nasty)).words
    for name in NASTY:
        assert " ".join(name.split()) in words


def test_what_a_study_is_about_stands_beneath_its_title(nasty, demo, untested):
    assert results(nasty)["about"] == f"{NASTY[1]} and {' '.join(NASTY[2].split())}"
    assert f"{results(nasty)['title']} {results(nasty)['about']}" in Tags(html(nasty)).words
    said = results(demo)["about"]
    assert said.startswith("A scene is a flight") and "\n" not in said and said in Tags(html(demo)).words
    assert results(untested)["about"] is None and 'class="about"' not in html(untested)
    without = {key: value for key, value in results(demo).items() if key != "about"}
    assert 'class="about"' not in page(without, {}, {})  # of results that were saved before there was one


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_contrast_in_every_scheme(demo):
    schemes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{[^}]*\}", html(demo))]
    assert len(schemes) == 3
    for colors in schemes:
        for text in ("ink", "muted", "link"):
            for ground in ("paper", "panel"):
                assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        assert contrast(colors["blue"], colors["paper"]) >= 3
        assert contrast(style.VERMILION, colors["paper"]) >= 3


def test_every_figure_is_there_as_png_and_pdf(demo, untested):
    names = set(PLOTS)
    assert len(names) == 12
    absent = {"evidence_by_feedback", "riskiest_scenes"}  # of several feedbacks; all scenes have one risk
    for name in names - absent:
        assert (demo / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (demo / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert not {path.stem for path in (demo / "figures").iterdir()} & absent
    assert (demo / "figures/frame_training.png").exists() and (demo / "figures/frame_test.png").exists()
    left = {path.stem for path in (untested / "figures").iterdir()}
    assert left == {"weights", "evidence_against_prior", "predictive_check"}


def test_figures_fit_a_journals_columns(demo):
    for figure in drawn(results(demo)).values():
        assert figure.get_figwidth() <= style.PAGE and figure.get_figheight() <= 9
        for dpi in (72, 300):
            with mpl.rc_context(style.STYLE):
                figure.set_dpi(dpi)
                figure.canvas.draw()
                box = figure.get_tightbbox()
            assert box.x0 >= 0 and box.y0 >= 0
            assert box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def test_the_same_figure_gives_the_same_bytes(demo):
    document = results(demo)
    for form in ("png", "pdf", "svg"):
        first, second = (figure_files.saved(drawn(document)["weights"], form) for _ in range(2))
        assert first == second


def test_figures_show_the_documents_numbers(demo):
    document = results(demo)
    figures = drawn(document)
    marks = figures["weights"].axes[0].lines
    shown = {line.get_label(): line.get_xdata() for line in marks}
    assert shown["prior: the values"].tolist() == list(document["prior"].values())
    assert shown["posterior"].tolist() == list(document["weights"].values())
    assert shown["the agent's weight"].tolist() == list(document["agent_weights"].values())
    bars = [bar.get_width() for bar in figures["evidence_against_prior"].axes[0].patches]
    assert sorted(bars) == sorted(p[k] for p in document["pairs"] for k in ("log_prior_odds", "log_bayes_factor"))
    cells = figures["matrix"].axes[0].collections[0].get_array()
    assert np.asarray(cells).tolist() == [list(row.values()) for row in document["matrix"].values()]
    curve = figures["bits_by_size"].axes[0].lines[0]
    assert curve.get_ydata().tolist() == document["bits_by_size"]["training"]["mean"]
    points = [
        p for line in figures["risk_by_agent_prior"].axes[0].lines for p in np.atleast_1d(line.get_xdata()).tolist()
    ]
    for one in document["agents"].values():
        assert one["acts"]["risk"] in points and one["limit"] in points


def test_an_interval_that_is_a_point_is_a_tick(demo):
    document = results(demo)
    lines = drawn(document)["risk_by_agent_prior"].axes[0].lines
    ticks = [line for line in lines if line.get_marker() == "|" and line.get_markeredgewidth() > 4]
    narrow = [one for one in document["agents"].values() if one["upper"] - one["lower"] < 0.005]
    assert [tick.get_xdata()[0] for tick in ticks] == [one["lower"] for one in narrow] and len(ticks) == 2
    assert "Thick mark: a very narrow interval." in point("risk_by_agent_prior", document)[1]
    wide = document | {"agents": {k: one for k, one in document["agents"].items() if one not in narrow}}
    assert "Thick mark" not in point("risk_by_agent_prior", wide)[1]


def test_stairs_are_spoken_of_where_there_are_some(demo):
    document = results(demo)
    assert "Stairs" not in point("frontier", document)[1]
    best = next(one for one in document["frontier"] if one["efficient"])
    more = best | {"risk": best["risk"] + 0.1, "reward": best["reward"] + 10}
    assert (
        "Stairs: Pareto-efficient policies."
        in point("frontier", document | {"frontier": [*document["frontier"], more]})[1]
    )


def test_scenes_that_are_alike_in_risk_are_not_compared(demo):
    document = results(demo)
    figures = {"riskiest_scenes": PLOTS["riskiest_scenes"].draw(document, None)}
    assert "figure-riskiest_scenes" not in page(document, figures, {})  # the risk is the same in every scene
    alike = [{"scene": str(k), "risk": 0.9} for k in range(10)]
    text = page(document | {"riskiest_scenes": alike}, figures, {})
    assert "figure-riskiest_scenes" not in text
    assert "At least 10 scenes have the highest risk, 90.0%; the mean risk is 73.3%." in text
    tables = json.loads(re.search(r'id="tables">(.*?)</script>', text)[1])
    _, _, rows, notes = tables["riskiest_scenes"]
    assert len(rows) == 1 and notes == ["9 more stand in riskiest_scenes.csv."]
    text = page(document | {"riskiest_scenes": [*alike, {"scene": "10", "risk": 0.8}]}, figures, {})
    assert "figure-riskiest_scenes" in text and "At least 10 scenes" not in text


def test_many_hypotheses_of_long_names_still_make_figures(demo):
    document = results(demo)
    names = [f"hypothesis number {i} of a very long name that goes on and on and on" for i in range(30)]
    share = {name: (i + 1) / 465 for i, name in enumerate(names)}
    pairs = [
        {"pair": [a, b], "log_prior_odds": 0.5, "log_bayes_factor": None if i % 2 else -400.0, "silent": False}
        for i, (a, b) in enumerate(zip(names[-6:], names[-5:], strict=False))
    ]
    many = document | {"hypotheses": names, "prior": share, "weights": share, "agent_weights": share, "pairs": pairs}
    many |= {"matrix": {a: dict.fromkeys(names, 0.25) for a in names}}
    kind = {"classes": {name: "better than failing" if i % 3 else "worse than failing" for i, name in enumerate(names)}}
    many |= {"shift": document["shift"] | {"kinds": [kind | {"training": 0.1, "test": 0.2}]}}
    for figure in figure_files.drawn(many, presented(document)).values():
        assert figure_files.saved(figure, "png")
        assert figure.get_figwidth() <= style.PAGE and figure.get_figheight() <= 9


def test_the_report_is_made_again_from_what_was_saved(demo, tmp_path, monkeypatch):
    def no_fit(*_, **__):
        raise AssertionError("fitted")

    monkeypatch.setattr("reward_hypotheses.study.run.run_study", no_fit)
    assert rh.report(demo) == html(demo)
    out = tmp_path / "again.html"
    rh.report(str(demo), out)
    assert out.read_text(encoding="utf-8") == html(demo)
    assert sorted(tmp_path.iterdir()) == [out]
    alone = rh.report(results(demo))
    assert rh.report(demo / "results.json") == alone
    assert "A scene of training" not in alone and "73.3%" in alone


def test_a_whole_page_without_figures_or_frames(demo):
    assert "Red paint or flags?" in page(results(demo), {}, {})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "a int; give a run's folder"),
        ("nowhere", "no such file"),
        ({}, "schema_version"),
        ({"schema_version": 2, "hypotheses": []}, "2 is no schema_version"),
        ({"schema_version": 1, "hypotheses": ["a"]}, "not a whole results document"),
    ],
)
def test_wrong_results(given, says):
    with pytest.raises(rh.InputError, match=re.escape(says)):
        rh.report(given)


def test_wrong_files(demo, tmp_path):
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(rh.InputError, match="not JSON"):
        rh.report(tmp_path)
    (tmp_path / "results.json").write_text("[1]")
    with pytest.raises(rh.InputError, match="not a results document"):
        rh.report(tmp_path)
    (tmp_path / "results.json").write_bytes((demo / "results.json").read_bytes())
    (tmp_path / "posterior.nc").write_bytes(b"not NetCDF")
    with pytest.raises(rh.InputError, match="cannot be read as NetCDF"):
        rh.report(tmp_path)
    with pytest.raises(rh.InputError, match="the folder of a run"):
        rh.report(demo, demo / "report.html")
    with pytest.raises(rh.InputError, match="cannot be written"):
        rh.report(demo, tmp_path / "no" / "such" / "place.html")


def test_fonts_are_cut_one_report_at_a_time():
    from fontTools import subset

    before, order = subset.load_font, []

    def one(k):
        with figure_files._outlines_alone():
            order.append((k, subset.load_font is before))
            time.sleep(0.02)
            order.append((k, subset.load_font is before))

    threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert subset.load_font is before and not any(same for _, same in order)
    assert [k for k, _ in order[::2]] == [k for k, _ in order[1::2]]


def test_a_study_without_a_test_has_no_controls(untested):
    assert not (untested / "explorer.json").exists()
    text = (untested / "report.html").read_text(encoding="utf-8")
    assert 'id="explorer' not in text and "window.study" not in text
