"""What every test shares: what is left out on this machine is said in the last lines; figures are saved coarsely."""

from unittest import mock

import pytest

WHOLE = ("test_report", "test_plots", "test_cli")
"""Tests that look at figures and at their files."""
LEFT_OUT = {
    "browser": "the report in a browser (no Chromium)",
    "onnx": "networks in ONNX (no onnxruntime)",
    "latex": "the tables in LaTeX (no pdflatex, lualatex or tectonic)",
}


def pytest_terminal_summary(terminalreporter):
    skipped = {
        mark for report in terminalreporter.stats.get("skipped", []) for mark in LEFT_OUT if mark in report.keywords
    }
    for mark in sorted(skipped):
        terminalreporter.write_line(f"LEFT OUT: {LEFT_OUT[mark]}", yellow=True)


@pytest.fixture(scope="module", autouse=True)
def _coarse_figures(request):
    """Figures are drawn and saved, but with few dots and with fonts as outlines, where no test looks at their files."""
    if request.path.stem in WHOLE:
        yield
        return
    from reward_hypotheses.analysis.report import figure_files

    with mock.patch.object(figure_files, "DPI", 72), mock.patch.dict(figure_files.STYLE, {"pdf.fonttype": 3}):
        yield
