"""The plugin's fixtures, options, markers and modules, as the plugin itself describes them."""

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import pytest_fakehv
from pytest_fakehv import plugin
from pytest_fakehv.plugin import markers, settings


def fixtures() -> Iterator[str]:
    """Describe each fixture by its docstring."""
    for name in plugin.__all__:
        fixture = getattr(plugin, name)
        scope = fixture._fixture_function_marker.scope  # noqa: SLF001  # what pytest --fixtures shows
        yield from (f".. fixture:: {name}", "", f"   *scope: {scope}*", "")
        yield from _indented(inspect.getdoc(fixture) or "")


def described_markers() -> Iterator[str]:
    """Describe each marker by what ``pytest --markers`` says of it."""
    for text in markers.with_arguments():
        signature, _, meaning = text.partition("): ")
        yield from (f".. marker:: {signature})", "")
        yield from _indented(meaning[:1].upper() + meaning[1:] + ".")


class _Parser:
    """Takes what the plugin tells pytest's parser."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def getgroup(self, *_names: str) -> "_Parser":
        return self

    def addoption(self, name: str, *, metavar: str, help: str, default: object) -> None:  # noqa: A002
        del default
        self._describe("cli-option", f"{name}={metavar}", help)

    def addini(self, name: str, text: str, **_keywords: Any) -> None:
        self._describe("ini-value", name, text)

    def _describe(self, kind: str, name: str, text: str) -> None:
        self.lines += [f".. {kind}:: {name}", "", *_indented(text[:1].upper() + text[1:] + ".")]


def options() -> list[str]:
    """Describe each option and ini value by its help text."""
    parser = _Parser()
    settings.add_options(parser)  # type: ignore[arg-type]  # all that it uses of a parser
    return parser.lines


def modules() -> Iterator[str]:
    """Describe each module by the first sentence of its docstring; without importing it."""
    for found in pkgutil.walk_packages(pytest_fakehv.__path__, "pytest_fakehv."):
        spec = found.module_finder.find_spec(found.name, None)
        source = Path(str(spec and spec.origin)).read_text(encoding="utf-8")
        sentence = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        yield from (f"``{found.name.removeprefix('pytest_fakehv.')}``", *_indented(sentence))


def _indented(text: str) -> list[str]:
    return [*(f"   {line}" for line in text.splitlines()), ""]


class _Described(SphinxDirective):
    """Stands for the descriptions of all there is of a kind."""

    KINDS: ClassVar = {
        "fixtures": fixtures,
        "markers": described_markers,
        "modules": modules,
        "options": options,
    }
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the descriptions."""
        (kind,) = self.arguments
        self.content = StringList(list(self.KINDS[kind]()), source=f"the plugin's {kind}")
        return self.parse_content_to_nodes()


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives; ``{fixture}`` and so on are roles, too."""
    for kind, shown in (
        ("fixture", "fixture"),
        ("marker", "marker"),
        ("cli-option", "option"),
        ("ini-value", "ini value"),
    ):
        app.add_object_type(kind, kind, indextemplate=f"pair: %s; {shown}")
    app.add_directive("described", _Described)
    return {"parallel_read_safe": True}
