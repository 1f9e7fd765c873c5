"""The modules import one another as pyproject.toml has it, the diagram shows it, and none is too long."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pytest_fakehv

TOP = Path(__file__).parents[2]
PYPROJECT = TOP / "pyproject.toml"
PACKAGE = Path(pytest_fakehv.__file__).parent

MOST_LINES_OF_A_FILE = 500
MOST_LINES_OF_A_CLASS = 400

IN_AN_ANNOTATION = """
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_fakehv.calls.clock import Clock
"""
IN_A_FUNCTION = """
def clock():
    from pytest_fakehv.calls.clock import Clock
    return Clock()
"""


def lint(directory):
    """Hold what can be imported in a directory against the contracts.

    In a process of its own, since the linter turns off the loggers that there are.
    """
    code = f"from importlinter.cli import lint_imports; exit(lint_imports({str(PYPROJECT)!r}, no_cache=True))"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_the_imports_keep_the_contracts():
    done = lint(PACKAGE.parent)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lines", [IN_AN_ANNOTATION, IN_A_FUNCTION], ids=["annotation", "function"])
def test_an_import_from_above_breaks_a_contract(tmp_path, lines):
    shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    store = tmp_path / PACKAGE.name / "storage" / "store.py"
    store.write_text(store.read_text() + lines)
    (number,) = [n for n, line in enumerate(store.read_text().splitlines(), 1) if "import Clock" in line]

    done = lint(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "pytest_fakehv.storage is not allowed to import pytest_fakehv.calls:" in done.stdout
    assert f"pytest_fakehv.storage.store -> pytest_fakehv.calls.clock (l.{number})" in done.stdout


def test_no_file_and_no_class_is_too_long():
    lengths = {}
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if (length := len(text.splitlines())) > MOST_LINES_OF_A_FILE:
            lengths[str(path.relative_to(PACKAGE))] = length
        for each in ast.walk(ast.parse(text)):
            if isinstance(each, ast.ClassDef) and each.end_lineno - each.lineno >= MOST_LINES_OF_A_CLASS:
                lengths[each.name] = each.end_lineno - each.lineno + 1
    assert lengths == {}


def test_the_diagram_is_drawn_from_the_contracts():
    spec = importlib.util.spec_from_file_location("modules", TOP / "docs" / "_extensions" / "modules.py")
    modules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(modules)
    assert modules.DIAGRAM.read_text() == modules.drawn(), "run: python docs/_extensions/modules.py"


def test_the_hosted_ci_runs_on_every_python():
    workflow = (TOP / ".github" / "workflows" / "ci.yml").read_text()
    classifiers = tomllib.loads(PYPROJECT.read_text())["project"]["classifiers"]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    assert f"python: {pythons}".replace("'", '"') in workflow
    assert "run: .ci/run" in workflow
