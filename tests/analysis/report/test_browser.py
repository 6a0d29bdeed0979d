"""The page in a browser: wide and narrow, light and dark, by keyboard and on paper."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

CHROMIUM = next((c for c in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if c), None)


def results(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        sandbox = [] if os.name == "nt" or os.geteuid() else ["--no-sandbox"]
        opened = play.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield opened
        opened.close()


OVERFLOWING = """() => {
  const wide = document.documentElement.clientWidth, found = [];
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('.scroll, pre') || e.closest('.skip') || e.closest('svg') !== null && e.tagName !== 'svg') continue;
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
            for box in (drawing.bounding_box() for drawing in tab.query_selector_all("figure svg")):
                assert box["width"] > 250 and box["height"] > 60
            tab.close()


@pytest.mark.browser
def test_tables_are_reached_by_keyboard(demo, browser):
    tab = browser.new_page(viewport={"width": 400, "height": 900})
    tab.goto((demo / "report.html").as_uri())
    reached = set()
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.getAttribute('aria-labelledby') || ''"))
    tables = {
        f"table-{name}" for name in ("headline", "weights", "pairs", "matrix", "agents", "bits", "bounds", "data")
    }
    assert tables <= reached
    tab.close()


@pytest.mark.browser
def test_it_prints(demo, browser, tmp_path):
    tab = browser.new_page(color_scheme="dark")
    tab.goto((demo / "report.html").as_uri())
    tab.pdf(path=tmp_path / "report.pdf", format="A4")
    data = Path(tmp_path / "report.pdf").read_bytes()
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 20
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    tab.close()
