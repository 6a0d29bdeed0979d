"""Plant faults in the sentences of the report, and count those that the check of claims finds.

``python tests/bench/report_mutants.py [MODULE ...]`` inverts every comparison, and drops every condition, of the modules of
`analysis/report/sections` and `sentences`, one at a time, renders the bundled studies and random ones, and prints the share that is found
of those that change what a reader sees, by module; and every survivor. Drawings and tables of numbers are left out.
"""

import ast
import importlib
import json
import pkgutil
import sys
import tempfile
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import claims_check
import random_studies

from reward_hypotheses.analysis.report import sections, sentences
from reward_hypotheses.analysis.results.document import presented

KEPT = Path(__file__).resolve().parents[1] / "golden" / "kept"
STUDIES, SEED = 60, 99
INVERTED = {
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
MODULES = {
    module.name.partition(".report.")[2]: importlib.import_module(module.name)
    for package in (sections, sentences)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.ispkg
}


def sites(tree):
    """Yield (line, description, mutate) of every place where a fault can be planted."""
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        if function.name.startswith("_draw") or function.name.endswith(("_table", "table", "_grid")):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Compare) and len(node.ops) == 1:
                yield node.lineno, "inverts a comparison", (node, "ops", [INVERTED[type(node.ops[0])]()])
            if isinstance(node, (ast.If, ast.IfExp)):
                yield node.lineno, "drops a condition", (node, "test", ast.copy_location(ast.Constant(True), node.test))


def planted(module, tree):
    """Return the names of a module made anew from a tree."""
    fresh = types.ModuleType(module.__name__)
    fresh.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    exec(compile(ast.fix_missing_locations(tree), module.__file__, "exec"), fresh.__dict__)
    return fresh


def swapped(module, fresh):
    """Put the functions of a module made anew in every place of the old ones; return how to undo it."""
    undo = []
    for other in MODULES.values():
        for name, old in list(vars(other).items()):
            new = fresh.__dict__.get(getattr(old, "__name__", name))
            if getattr(old, "__module__", None) == module.__name__ and new is not None and old is not new:
                undo.append((other, name, old))
                setattr(other, name, new)
    return undo


def seen(document):
    return [str(text) for shown in presented(document) for _, text in claims_check.texts_of(shown, document)]


def outcome(documents, before, known):
    """Return whether a fault is found, unseen, or survives, with the first text that it changes."""
    changed = None
    for document, texts, problems in zip(documents, before, known, strict=True):
        try:
            now = seen(document)
            if set(claims_check.problems(document)) - problems:
                return "found", None
        except Exception:
            return "found", None
        if now != texts and changed is None:
            changed = next((f"{a!r} -> {b!r}" for a, b in zip(texts, now, strict=False) if a != b), "fewer texts")
    return ("unseen", None) if changed is None else ("survives", changed)


def faults(module, documents):
    """Yield (line, description, verdict, changed text) of every fault that can be planted in a module."""
    known = [set(claims_check.problems(document)) for document in documents]
    before = [seen(document) for document in documents]
    source = Path(module.__file__).read_text(encoding="utf-8")
    for k in range(len(list(sites(ast.parse(source))))):
        tree = ast.parse(source)
        line, words, (node, field, value) = list(sites(tree))[k]
        setattr(node, field, value)
        undo = swapped(module, planted(module, tree))
        verdict, text = outcome(documents, before, known)
        for other, key, old in undo:
            setattr(other, key, old)
        yield line, words, verdict, text


def main(names):
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*/results.json"))]
    with tempfile.TemporaryDirectory() as folder:
        documents += random_studies.documents(Path(folder), SEED, STUDIES)
    for name, module in MODULES.items():
        if names and not names & {name, name.split(".")[-1]}:
            continue
        counts = dict.fromkeys(("found", "unseen", "survives"), 0)
        for line, words, verdict, text in faults(module, documents):
            counts[verdict] += 1
            if verdict == "survives":
                print(f"{name}:{line} {words}: {text}"[:400], flush=True)
        mattered = counts["found"] + counts["survives"]
        share = 100 * counts["found"] / max(mattered, 1)
        print(f"{name}: {counts}: found {share:.0f} % of {mattered} that change what a reader sees", flush=True)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
