"""The page in a browser: wide and narrow, light and dark, by keyboard and on paper."""

import json
import re
from pathlib import Path

import pytest
from reports import page


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


OVERFLOWING = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('.scroll, pre') || e.closest('.skip') || e.closest('.track') || e.closest('svg') !== null && e.tagName !== 'svg') continue;
    const box = e.getBoundingClientRect();
    if (box.width && (box.right > wide + 1 || box.left < -1)) found.push(e.tagName + ' ' + e.className);
  }
  return [document.documentElement.scrollWidth - wide, found];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("which", ["demo", "nasty", "untested"])
def test_it_opens_in_a_browser(which, browser, request):
    path = request.getfixturevalue(which) / "report.html"
    said = []

    def watch(request):
        if not request.url.startswith(("file:", "data:")):
            said.append(request.url)

    for width in (400, 1400):
        for scheme in ("light", "dark"):
            tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("request", watch)
            tab.goto(path.as_uri())
            assert said == []
            assert tab.title() == results(path.parent)["title"]
            assert tab.evaluate(OVERFLOWING) == [0, []]
            ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 24, 27)")
            tab.evaluate("document.querySelectorAll('details').forEach((section) => (section.open = true))")
            assert tab.evaluate(OVERFLOWING) == [0, []]
            for box in (drawing.bounding_box() for drawing in tab.query_selector_all("figure svg[role=img]")):
                assert box["width"] > 250 and box["height"] > 60
            tab.close()


FIRST_SCREEN = """() => {
  const boxes = ['h1', '.question', '.answer', '.tornado'].map((what) => document.querySelector(what).getBoundingClientRect());
  const alerts = document.querySelector('.alerts'), number = document.querySelector('.answer');
  const above = !alerts || alerts.getBoundingClientRect().bottom <= number.getBoundingClientRect().top;
  return [Math.max(...boxes.map((box) => box.bottom)), above, document.querySelectorAll('.first figure').length];
}"""
BUNDLED = ("essay", "penguins", "travel", "mixed", "template", "votes")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of the bundled studies, without figures, by name."""
    folder, out = tmp_path_factory.mktemp("pages"), {}
    for name in BUNDLED:
        document = results(Path(__file__).parents[2] / "golden" / "kept" / name)
        out[name] = folder / f"{name}.html"
        out[name].write_text(page(document, {}, {}), encoding="utf-8")
    return out


@pytest.mark.browser
@pytest.mark.parametrize("which", BUNDLED)
def test_the_first_screen_holds_question_risk_and_tornado(which, pages, browser):
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.goto(pages[which].as_uri())
    bottom, above, figures = tab.evaluate(FIRST_SCREEN)
    assert bottom <= 900 and above and figures == 1
    assert tab.locator(".answer").inner_text().count("interval") <= 2
    tab.close()


def words(tab):
    return len(tab.evaluate("document.body.innerText").split())


@pytest.mark.browser
def test_a_page_is_short(demo, browser):
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.goto((demo / "report.html").as_uri())
    assert words(tab) <= 900
    tab.evaluate("document.querySelectorAll('main > details').forEach((section) => (section.open = true))")
    tab.evaluate("document.querySelectorAll('details').forEach((section) => (section.open = true))")
    assert words(tab) <= 2500
    tab.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_wcag_asks_of_a_page(demo, browser, scheme):
    """By axe-core: WCAG 2.2 levels A and AA, with every section open."""
    from axe_playwright_python.sync_playwright import Axe

    tab = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme, bypass_csp=True)
    tab.goto((demo / "report.html").as_uri())
    tab.evaluate("document.querySelectorAll('details').forEach((section) => (section.open = true))")
    tab.evaluate("document.querySelectorAll('button[data-shows]').forEach((button) => button.click())")
    scopes = tab.evaluate("[...document.querySelectorAll('th')].map((cell) => cell.scope)")
    assert len(scopes) > 40 and set(scopes) == {"row", "col"}
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(tab, options={"runOnly": {"type": "tag", "values": rules}}).response
    assert found["passes"] and [(one["id"], one["nodes"][0]["html"][:120]) for one in found["violations"]] == []
    tab.close()


@pytest.mark.browser
def test_sections_and_tables_are_reached_by_keyboard(demo, browser):
    tab = browser.new_page(viewport={"width": 400, "height": 900})
    tab.goto((demo / "report.html").as_uri())
    tab.locator("main > details > summary").first.focus()
    reached = set()
    for _ in range(220):
        closed = "document.activeElement.tagName === 'SUMMARY' && !document.activeElement.parentElement.open"
        if tab.evaluate(f"({closed}) || document.activeElement.getAttribute('aria-expanded') === 'false'"):
            tab.keyboard.press("Enter")
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.id"))
    tables = ("headline", "weights", "pairs", "matrix", "agents", "bits", "bounds", "data")
    assert {f"table-{name}-shown" for name in tables} <= reached
    assert tab.evaluate(OVERFLOWING) == [0, []]
    tab.close()


@pytest.mark.browser
def test_a_link_opens_the_section_that_it_points_at(demo, browser):
    tab = browser.new_page()
    tab.goto((demo / "report.html").as_uri() + "#table-weights")
    assert tab.locator("#table-weights button").is_visible() and tab.evaluate(
        "document.querySelector('#evidence').open"
    )
    assert not tab.evaluate("document.querySelector('#shift').open")
    tab.close()


@pytest.mark.browser
def test_it_prints_with_every_section_open(demo, browser, tmp_path):
    tab = browser.new_page(color_scheme="dark")
    tab.goto((demo / "report.html").as_uri())
    tab.pdf(path=tmp_path / "report.pdf", format="A4")
    data = Path(tmp_path / "report.pdf").read_bytes()
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 20
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.locator("#copy-methods").bounding_box()["height"] > 0  # by style, where no script runs
    tab.close()
