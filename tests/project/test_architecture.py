"""The modules import one another as pyproject.toml has it, and the diagram shows just that."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

TOP = Path(__file__).parents[2]
PYPROJECT = TOP / "pyproject.toml"


def test_the_imports_keep_the_contracts():
    """In a process of its own, since the linter turns off the loggers that there are."""
    code = f"from importlinter.cli import lint_imports; exit(lint_imports({str(PYPROJECT)!r}, no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


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
