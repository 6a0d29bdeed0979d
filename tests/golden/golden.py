"""Outputs of whole studies, frozen: what a change of structure must leave as it is, to the last bit.

``python tests/golden/golden.py`` compares every study's results, report, tables and summary with those kept in
``tests/golden/kept``, byte for byte; with ``--write`` it keeps them anew, after a change that is meant to change them. How a
processor rounds can differ between kinds of machine, and so the last bits: freeze and compare on one machine. The tests
compare to 1e-9.
"""

import html
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KEPT = HERE / "kept"
SAMPLED = ("nuts",)  # by Markov chains, which other rounding leads elsewhere
BUNDLED = {
    name: ROOT / "data" / "examples" / name / "study.toml"
    for name in ("essay", "penguins", "travel", "mixed", "template", "votes")
}
STUDIES = (
    BUNDLED
    | {f"example-{name}": ROOT / "tests" / "example" / f"{name}.toml" for name in ("study", "abstain")}
    | {path.stem: path for path in sorted((HERE / "studies").glob("*.toml"))}
)


def outputs(path: Path) -> dict[str, str]:
    """Return a study's results, report, tables and summary, each as text, without versions of packages."""
    from rich.console import Console

    import reward_hypotheses as rh
    from reward_hypotheses.analysis.report.layout.html import page
    from reward_hypotheses.analysis.report.layout.terminal import print_summary
    from reward_hypotheses.analysis.report.tables.table_files import table_files
    from reward_hypotheses.analysis.results.document import presented

    document: dict[str, Any] = rh.run(path)
    document["versions"] = {"reward_hypotheses": document["versions"]["reward_hypotheses"]}
    presentations, summary = presented(document), io.StringIO()
    print_summary(
        document, presentations, console=Console(file=summary, width=100, markup=False, highlight=False, emoji=False)
    )
    tables = sorted(table_files(document, presentations).items())
    return {
        "results.json": json.dumps(document, indent=1, ensure_ascii=False) + "\n",
        "report.txt": text_of(page(document, presentations, {}, {})),
        "tables.txt": "".join(f"== {name}\n{content.decode()}\n" for name, content in tables),
        "summary.txt": summary.getvalue(),
    }


def text_of(markup: str) -> str:
    """Return the words of an HTML page, a line each element."""
    body = re.sub(r"<(style|svg|head)\b.*?</\1>", "", markup, flags=re.DOTALL)
    lines = (" ".join(html.unescape(line).split()) for line in re.sub(r"<[^>]+>", "\n", body).split("\n"))
    return "\n".join(line for line in lines if line) + "\n"


def main(write: bool) -> int:
    """Compare, or keep, the outputs of every study; return how many differ."""
    differ = 0
    for name, path in STUDIES.items():
        for file, text in outputs(path).items():
            at = KEPT / name / file
            if write:
                at.parent.mkdir(parents=True, exist_ok=True)
                at.write_text(text, encoding="utf-8")
            elif not at.exists() or at.read_text(encoding="utf-8") != text:
                differ += 1
                print(f"{name}: {file} differs")
        print(f"{name}: done", file=sys.stderr)
    return differ


if __name__ == "__main__":
    sys.exit(min(main("--write" in sys.argv[1:]), 1))
