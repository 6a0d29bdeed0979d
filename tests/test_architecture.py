"""The house: layers, folders, names; and the fast path imports next to nothing."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from studies import TEST, TRAINING, small, write

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "reward_hypotheses"
LAYERS = {"data": {"data"}, "models": {"data", "models"}, "analysis": {"data", "models", "analysis"}}
INSIDE = {
    "models/inference": ("data", "models.inference"),
    "analysis/report": (
        "analysis.plots",
        "analysis.report",
        "data.atomic_write",
        "data.column",
        "data.errors",
        "data.progress",
        "data.readers.safe_files",
        "models.policies",
        "models.priors",
    ),
}
"""What the modules of a folder may import of the package: inference knows no rewards, a report reads documents alone."""
FOLDERS = [
    *LAYERS,
    *(
        f"{PACKAGE}/{path.name}"
        for path in sorted((ROOT / PACKAGE).iterdir())
        if path.is_dir() and path.name not in (*LAYERS, "__pycache__")
    ),
]
LONG = {}
"""File, or file and function, that is longer than its limit -> why; its first comment says so too. At most five."""
FILLERS = {"one", "found", "said", "given", "told", "own", "mine", "held", "whole", "kept"}


def modules():
    """Every module of the package: dotted name -> path."""
    out = {PACKAGE: ROOT / PACKAGE / "__init__.py"}
    for folder in FOLDERS:
        if folder.endswith("__pycache__"):
            continue
        base = folder.replace("/", ".") if folder.startswith(PACKAGE) else f"{PACKAGE}.{folder}"
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            out[".".join([base, *parts]).removesuffix(".__init__")] = path
    return out


MODULES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imported(tree):
    """Every module that a module imports, inside functions and for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module or "" for name in names)


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer):
    inside = [name for name in MODULES if name.startswith(f"{PACKAGE}.{layer}")]
    assert len(inside) > 10
    for name in inside:
        for other in imported(TREES[name]):
            parts = other.split(".")
            if parts[0] == PACKAGE and len(parts) > 1:
                assert parts[1] in LAYERS[layer], f"{name} imports {other}"
            assert parts[0] not in LAYERS, f"{name} imports {other} by its folder"


@pytest.mark.parametrize("folder", INSIDE)
def test_folders_that_know_little(folder):
    prefix = f"{PACKAGE}.{folder.replace('/', '.')}"
    inside = [name for name in MODULES if name.startswith(prefix)]
    assert len(inside) > 5
    for name in inside:
        for other in imported(TREES[name]):
            if other.startswith(f"{PACKAGE}."):
                allowed = tuple(f"{PACKAGE}.{part}" for part in INSIDE[folder])
                assert other.startswith(allowed), f"{name} imports {other}"


def test_no_import_circles():
    graph = {name: {m for m in imported(tree) if m in MODULES} - {name, PACKAGE} for name, tree in TREES.items()}
    while leaves := {name for name, needs in graph.items() if not needs}:
        graph = {name: needs - leaves for name, needs in graph.items() if name not in leaves}
    assert not graph, f"these import each other, or need such as do: {sorted(graph)}"


def test_folders_hold_few_entries():
    for folder in FOLDERS:
        folders = (p for p in (ROOT / folder).rglob("*") if p.is_dir() and p.name != "__pycache__")
        for path in [ROOT / folder, *folders]:
            entries = [p.name for p in path.iterdir() if p.name != "__pycache__"]
            assert len(entries) <= 14, f"{path.relative_to(ROOT)}: {len(entries)} entries"
    assert len([p for p in (ROOT / PACKAGE).iterdir() if p.name != "__pycache__"]) <= 14


def test_files_and_functions_are_short():
    long = set()
    for name, path in MODULES.items():
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > 400:
            long.add(name)
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 80:
                long.add(f"{name}.{node.name}")
    assert long == set(LONG) and len(long) <= 5


def bound(tree):
    """Every name that a module binds: assignments, arguments, attributes, functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_names_name_something():
    """Words that could stand for anything are less than 1 % of all bound names."""
    names = Counter(name.strip("_") for tree in TREES.values() for name in bound(tree))
    fillers = {name: count for name, count in names.items() if name in FILLERS}
    assert sum(fillers.values()) < 0.01 * sum(names.values()), fillers


def test_a_public_name_is_defined_in_one_module():
    import reward_hypotheses as rh

    homes = defaultdict(list)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                homes[node.name].append(name)
    several = {name: homes[name] for name in rh.__all__ if len(homes[name]) > 1}
    assert not several


def test_the_map_is_the_tree():
    """ARCHITECTURE.md names every folder of the package, and no other."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*- `([\w/]+)/`", text, re.M))
    there = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in [ROOT / folder, *(ROOT / folder).rglob("*")]
        if path.is_dir() and (path / "__init__.py").exists()
    }
    assert named == there, f"not in the map: {sorted(there - named)}; not in the tree: {sorted(named - there)}"
    files = set(re.findall(r"`((?:data|models|analysis|reward_hypotheses|tests)/[\w/]+\.\w+)`", text))
    assert files and all((ROOT / file).exists() for file in files), [f for f in files if not (ROOT / f).exists()]


def test_every_package_is_built():
    """The list of packages in pyproject.toml holds every folder with code, and the examples."""
    listed = set(re.findall(r'^    "(reward_hypotheses[\w.]*)",$', (ROOT / "pyproject.toml").read_text(), re.M))
    there = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert there <= listed
    examples = {f"{PACKAGE}.data.examples.{p.name}" for p in (ROOT / "data" / "examples").iterdir() if p.is_dir()}
    assert listed - there == {name for name in examples if not name.endswith(("__pycache__", "network"))}


def test_nothing_evaluates_text():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in ("eval", "exec", "compile", "__import__"), name


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
    assert "reward_hypotheses.analysis.results.document" in loaded
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


def test_namespaces_give_the_flat_names():
    import reward_hypotheses as rh

    for namespace in (rh.policies, rh.priors, rh.feedback, rh.shifts, rh.environments):
        assert len(namespace.__all__) >= 6
        for name in namespace.__all__:
            assert getattr(namespace, name) is getattr(rh, name)


def test_docstrings_begin_with_a_short_line():
    """At most 80 characters and a full stop, so that a list of names reads at a glance."""
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                first = text.splitlines()[0]
                assert len(first) <= 80 and first.endswith("."), f"{name}: {first!r}"
