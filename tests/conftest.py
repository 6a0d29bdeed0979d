"""What every test shares: what is left out on this machine is said in the last lines."""

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
