"""Every code block of the README does what it says."""

import subprocess
from pathlib import Path

import pytest
from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

from pytest_fakehv import read_topology
from pytest_fakehv.engine.interface import INTERFACE
from pytest_fakehv.engine.invariants import INVARIANTS

README = Path(__file__).parent.parent / "README.md"
DOCUMENT = Document(README.read_text(encoding="utf-8"), str(README))
BLOCKS = [
    (region.lexemes["language"], str(region.lexemes["source"]))
    for region in sorted(FencedCodeBlockLexer(".+")(DOCUMENT), key=lambda region: region.start)
]


def blocks(language):
    return [text for each, text in BLOCKS if each == language]


def test_every_kind_of_block_is_tested_here():
    assert {language for language, _ in BLOCKS} == {
        "sh",
        "python",
        "python fails",
        "python ganeti",
        "text",
        "ini",
        "toml",
    }


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_python_block_passes(pytester, number):
    pytester.makepyfile(test_readme=blocks("python")[number])
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes().keys() <= {"passed"}


def test_a_block_for_ganeti_passes(pytester):
    pytest.importorskip("pytest_fakehv.bridges.ganeti", exc_type=ImportError)
    (source,) = blocks("python ganeti")
    pytester.makepyfile(test_readme=source)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("source", "output"),
    list(zip(blocks("python fails"), blocks("text"), strict=True)),
    ids=["one", "two", "three"],
)
def test_a_failing_block_fails_as_the_text_after_it_says(pytester, source, output):
    pytester.makepyfile(test_readme=source)
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    assert output.strip() in result.stdout.str()


def test_the_settings_are_accepted(pytester):
    (settings,) = blocks("ini")
    pytester.makeini(settings)
    pytester.makepyfile("def test_it(fakehv): assert fakehv.root == '/fakehv/node1'")
    result = pytester.runpytest_subprocess("--strict-config")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*- fakehv: test_*"])


def test_the_topology_is_accepted(tmp_path):
    (content,) = blocks("toml")
    (tmp_path / "t.toml").write_text(content)
    topology = read_topology(tmp_path / "t.toml")
    assert (len(topology.nodes), len(topology.instances)) == (20, 400)
    assert topology.instances[20].name == "web0021"
    assert topology.instances[20].node == "node1"


def test_the_commands_come_first_and_do_their_own_set_up():
    """They are run, as they stand here, by .ci/run."""
    assert [language for language, _ in BLOCKS[:2]] == ["sh", "sh"]
    for command in blocks("sh")[:2]:
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    for command in blocks("sh"):
        subprocess.run(["sh", "-n", "-c", command], check=True)


def test_the_tables_name_every_fixture_option_marker_and_method():
    text = README.read_text(encoding="utf-8")
    names = ["`fakehv`", "`fakehv_cluster`", "`fakehv_factory`", "`fakehv_class`", "`fakehv_ganeti`"]
    names += [f"`--fakehv-{option}" for option in ("root", "backend", "show", "topology", "seed")]
    names += ["`fakehv_node(name, *, ...)`", "`fakehv_instance(name, *, ...)`", "`fakehv(*, ...)`"]
    names += ["`fakehv_migration(instance, *, ...)`", "`fakehv_fault(method, *, ...)`"]
    names += [f"`{invariant}`" for invariant in INVARIANTS]
    assert [name for name in names if f"\n| {name}" not in text] == []
    assert [name for name in sorted(INTERFACE) if f"`{name}`" not in text] == []
