"""Draw the pictures of README from the demo, and rewrite the outputs that it shows: ``python tests/support/readme_page.py``."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pages import BLOCK, ROOT, command

PICTURES = {"training": "frame_training", "test": "frame_test", "bits": "bits_by_size"}


def main():
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        said = command(f"reward-hypotheses demo --out {folder}/demo-report").replace(f"{folder}/", "")
        for name, figure in PICTURES.items():
            (ROOT / "docs" / "readme" / f"{name}.png").write_bytes(
                Path(folder, "demo-report", "figures", f"{figure}.png").read_bytes()
            )
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    outputs = {"<!-- output of: make demo -->": said}
    code = None

    def replaced(match):
        nonlocal code
        before = text[: match.start()].rstrip().split("\n")[-1]
        if match.group(1) == "python":
            code = match.group(2)
        elif match.group(1) == "text":
            if code is not None:
                got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
                code = None
                return f"```text\n{got.rstrip()}\n```"
            if before in outputs:
                return f"```text\n{outputs[before].rstrip()}\n```"
        return match.group(0)

    text = BLOCK.sub(replaced, text)
    readme.write_text(re.sub(r"[ \t]+$", "", text, flags=re.M), encoding="utf-8")


if __name__ == "__main__":
    main()
