"""What type checkers and editors make of the keywords at every entrance."""

import json
import os
import re
import subprocess
import sys
from inspect import Parameter, signature
from pathlib import Path

import pytest
from mypy import api

from pytest_fakehv import (
    ClusterFactory,
    FakeCluster,
    FakeHypervisor,
    FaultSpec,
    InstanceSpec,
    MigrationSpec,
    NodeSpec,
    marks,
)

HERE = Path(__file__).parent


def test_mypy():
    """The file says itself where there are errors; others, and those that it expects in vain, fail."""
    report, errors, status = api.run(
        ["--strict", "--no-incremental", "--config-file=", str(HERE / "entrances.py")]
    )
    assert (report.strip(), errors, status) == ("Success: no issues found in 1 source file", "", 0)


def test_pyright():
    """So it is with both files here, but for what other packages leave untyped."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--project", str(HERE)]
    env = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}  # of newer versions
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.stdout.strip(), done.returncode) == ("0 errors, 0 warnings, 0 informations", 0), done.stderr


def test_ty():
    """Nothing is an error but what the files expect; of unknown keywords it knows few yet."""
    command = [
        sys.executable,
        "-m",
        "ty",
        "check",
        "--python",
        sys.prefix,
        "--output-format=concise",
        "user.py",
        "entrances.py",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    found = {match.groups() for match in re.finditer(r"^(\w+\.py):(\d+):", done.stdout, re.MULTILINE)}
    expected = {
        (name, str(number))
        for name in ("user.py", "entrances.py")
        for number, line in enumerate((HERE / name).read_text().splitlines(), start=1)
        if "# type: ignore" in line
    }
    assert found
    assert found <= expected, done.stdout


class Editor:
    """Asks the language server what an editor with a file of one text would."""

    def __init__(self, text):
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.uri = (HERE / "unsaved.py").as_uri()
        folder = {"uri": HERE.as_uri(), "name": "typing"}
        self.ask("initialize", processId=None, rootUri=None, workspaceFolders=[folder], capabilities={})
        self.tell("initialized")
        settings = {"python": {"pythonPath": sys.executable}}
        self.tell("workspace/didChangeConfiguration", settings=settings)
        document = {"uri": self.uri, "languageId": "python", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)

    def completions(self, line, column):
        position = {"line": line, "character": column}
        found = self.ask("textDocument/completion", textDocument={"uri": self.uri}, position=position)
        return {item["label"] for item in found["items"]}

    def tell(self, method, **params):
        self._send(method=method, params=params)

    def ask(self, method, **params):
        self._send(id=method, method=method, params=params)
        while (answer := self._received()).get("id") != method:
            if "id" in answer:  # a question of the server's own
                self._send(id=answer["id"], result=None)
        return answer["result"]

    def _send(self, **message):
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self.server.stdin.flush()

    def _received(self):
        size = 0
        while header := self.server.stdout.readline().strip():
            if header.startswith(b"Content-Length:"):
                size = int(header.partition(b":")[2])
        return json.loads(self.server.stdout.read(size))


ENTRANCES = {
    "NodeSpec": NodeSpec,
    "InstanceSpec": InstanceSpec,
    "FaultSpec": FaultSpec,
    "MigrationSpec": MigrationSpec,
    "FakeCluster": FakeCluster,
    "FakeCluster.temporary": FakeCluster.temporary,
    "FakeCluster.in_memory": FakeCluster.in_memory,
    "FakeCluster('root').add_node": FakeCluster.add_node,
    "FakeCluster('root').add_instance": FakeCluster.add_instance,
    "FakeCluster('root').instance": FakeCluster.instance,
    "FakeCluster('root').fault": FakeCluster.fault,
    "FakeCluster('root').hold": FakeCluster.hold,
    "FakeCluster('root').script_migration": FakeCluster.script_migration,
    "FakeHypervisor('root').add_instance": FakeHypervisor.add_instance,
    "factory": ClusterFactory.__call__,
    "marks.settings": marks.settings,
    "marks.node": marks.node,
    "marks.instance": marks.instance,
    "marks.migration": marks.migration,
    "marks.fault": marks.fault,
    "marks.pool": marks.pool,
    "marks.at_most": marks.at_most,
}


@pytest.fixture(scope="module")
def completions():
    """What an editor offers between the parentheses of a call, by the entrance."""
    lines = [
        "from pytest_fakehv import *",
        "from pytest_fakehv import marks",
        "def user(factory: ClusterFactory) -> None:",
    ]
    lines += [f"    {entrance}()" for entrance in ENTRANCES]
    editor = Editor("\n".join(lines))
    yield {
        entrance: editor.completions(line, len(lines[line]) - 1)
        for line, entrance in enumerate(ENTRANCES, start=3)
    }
    editor.server.kill()
    editor.server.communicate()


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_an_editor_completes_the_keywords_that_there_are(completions, entrance):
    parameters = signature(ENTRANCES[entrance]).parameters.values()
    named = [each.name for each in parameters if each.kind is not Parameter.VAR_POSITIONAL]
    offered = {each for each in completions[entrance] if each.endswith("=")}
    assert offered == {f"{name}=" for name in named if name != "self"}
