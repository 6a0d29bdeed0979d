"""Run the notebook cell by cell, as Jupyter would, and rewrite its outputs: ``python tests/support/notebook.py docs/essay.ipynb``."""

import base64
import contextlib
import io
import json
import os
import sys
from pathlib import Path

from pages import ROOT


def run(path):
    """Run the code cells in one namespace, in the folder at hand: (cell, outputs) of each."""
    import matplotlib.pyplot as plt

    namespace, found = {"__name__": "notebook"}, []
    for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code":
            continue
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("".join(cell["source"]), f"{path.name}, cell {i}", "exec"), namespace)
        outputs = []
        if said.getvalue():
            outputs.append(
                {"output_type": "stream", "name": "stdout", "text": said.getvalue().splitlines(keepends=True)}
            )
        for number in plt.get_fignums():
            stream = io.BytesIO()
            plt.figure(number).savefig(stream, format="png", dpi=100, metadata={"Software": None})
            data = {"image/png": base64.b64encode(stream.getvalue()).decode()}
            outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
            plt.close(number)
        found.append((cell, outputs))
    return found


def rewrite(path):
    """Put the outputs where the notebook shows them."""
    document = json.loads(path.read_text(encoding="utf-8"))
    outputs = iter([out for _, out in run(path)])
    count = 0
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell["outputs"], cell["execution_count"] = next(outputs), count
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import matplotlib

    matplotlib.use("Agg")
    os.chdir(ROOT)
    for name in sys.argv[1:]:
        rewrite(Path(name))
