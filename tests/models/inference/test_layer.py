"""`models/inference` knows no rewards: it imports no feedback, hypotheses, policies or priors."""

import ast
from pathlib import Path

import pytest

PACKAGE = "reward_hypotheses"
FOLDER = Path(__file__).resolve().parents[3] / "models" / "inference"
ALLOWED = (f"{PACKAGE}.data.", f"{PACKAGE}.models.inference.")


def imported(text):
    """Return the modules of the package that a source imports, inside functions too."""
    modules = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what it imports"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return [module for module in modules if module.split(".")[0] == PACKAGE]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_inference_knows_no_rewards(path):
    assert [module for module in imported(path.read_text()) if not module.startswith(ALLOWED)] == []


def test_a_planted_import_is_found():
    planted = "def f():\n    from reward_hypotheses.models.feedback.base import Feedback\n    return Feedback\n"
    found = [module for module in imported(planted) if not module.startswith(ALLOWED)]
    assert found == ["reward_hypotheses.models.feedback.base.Feedback"]
