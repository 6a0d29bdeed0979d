"""Data flows one way, data -> models -> analysis, and the fast path imports next to nothing."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from studies import TEST, TRAINING, small, write

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "reward_hypotheses"
MAY = {"data": {"data"}, "models": {"data", "models"}, "analysis": {"data", "models", "analysis"}}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("layer", MAY)
def test_layers(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == PACKAGE and len(parts) > 1:
                assert parts[1] in MAY[layer], f"{path.relative_to(ROOT)} imports {name}"
            assert parts[0] not in MAY, f"{path.relative_to(ROOT)} imports {name} by its folder"


def test_nothing_evaluates_text():
    for layer in (*MAY, PACKAGE):
        for path in sorted((ROOT / layer).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in ("eval", "exec", "compile", "__import__"), path


HEAVY = ("pymc", "pytensor", "arviz", "xarray", "pandas", "matplotlib", "scipy", "rich", "pyarrow", "numba", "numpy.ma")


def test_fast_path_imports(tmp_path):
    study = write(tmp_path, small(), training=TRAINING, test=TEST)
    code = (
        "import sys, json\n"
        "from reward_hypotheses.cli.main import main\n"
        f"assert main(['run', {str(study)!r}, '--json']) == 0\n"
        "print(json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr.strip().splitlines()[-1]))
    assert "reward_hypotheses.analysis.document" in loaded
    assert not loaded.intersection(HEAVY), loaded.intersection(HEAVY)
    ours = {"numpy", PACKAGE, "lazy_loader"}
    foreign = {m.split(".")[0] for m in loaded} - set(sys.stdlib_module_names) - ours
    assert not {m for m in foreign if not m.startswith(("_", "cython_runtime"))}, foreign
    assert "multiprocessing" not in loaded and "asyncio" not in loaded


def test_importing_the_package_costs_nothing():
    code = "import sys, reward_hypotheses; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_facade():
    import reward_hypotheses as rh

    assert sorted(rh.__all__) == dir(rh)
    for name in rh.__all__:
        assert getattr(rh, name) is not None
    with pytest.raises(AttributeError, match="there is"):
        _ = rh.fit_everything
