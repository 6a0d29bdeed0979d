"""Run the Python and the commands of a page of the docs, block by block, and compare or rewrite what it shows as output.

``python tests/support/pages.py PAGE...`` runs pages in the folder at hand, and rewrites the outputs that they show; figures go to
``docs/figures`` there.
"""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = importlib.util.find_spec("onnxruntime") is not None
"""Whether networks in ONNX can be run: there is no wheel of onnxruntime for every machine."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def blocks(text):
    """(language, what stands before it, content) of every fenced block."""
    return [(m.group(1), text[: m.start()].rstrip().split("\n")[-1], m.group(2)) for m in BLOCK.finditer(text)]


def command(lines):
    """Run the lines of a shell block, our own command being the one installed here; what they print."""
    place = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", lines],
        env=os.environ | {"PATH": place, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(page):
    """Run a page's Python in one namespace, and its commands, in the folder at hand: (shown, got) of every block with an output."""
    found, namespace = [], {"__name__": "page"}
    listed = blocks(page.read_text(encoding="utf-8"))
    for i, (language, _, content) in enumerate(listed):
        if language == "sh":
            said = command(content)
        elif language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as stream:
                exec(compile(content, f"{page.name}, block {i}", "exec"), namespace)
            said = stream.getvalue()
        else:
            continue
        out = "\n".join(line.rstrip() for line in said.rstrip().split("\n"))
        shown = listed[i + 1] if i + 1 < len(listed) and listed[i + 1][0] == "text" else None
        assert bool(out) == bool(shown), f"{page.name}: a block prints {out!r} and shows {shown!r}"
        if shown:
            found.append((shown[2].rstrip(), out))
    return found


def alike(shown, got, within=0.03):
    """Whether two outputs are the same but for numbers that differ by little, as those of a sampler do elsewhere."""
    a, b = NUMBER.findall(shown), NUMBER.findall(got)
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (shown, got)]
    near = (abs(float(x) - float(y)) <= within * max(1, abs(float(x))) for x, y in zip(a, b, strict=False))
    return words[0] == words[1] and len(a) == len(b) and all(near)


def rewrite(page):
    """Put what a page prints where it shows it."""
    outputs = iter([got for _, got in run(page)])
    after_code = False

    def replaced(match):
        nonlocal after_code
        was, after_code = after_code, match.group(1) in ("python", "sh")
        return f"```text\n{next(outputs)}\n```" if was and match.group(1) == "text" else match.group(0)

    text = page.read_text(encoding="utf-8")
    page.write_text(BLOCK.sub(replaced, text), encoding="utf-8")


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    for name in sys.argv[1:]:  # in the folder at hand, where pages may leave what they like
        rewrite(Path(name))
