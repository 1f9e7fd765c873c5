"""The pages of the documentation, and the code blocks in them.

The words behind a fence's opening say what a block is for:

- ``python`` is a test module that passes, ``python fails`` one whose tests all fail, with the output that the
  ``text`` block after it shows; ``python ganeti`` needs Ganeti's library, ``python libvirt`` and
  ``python libvirt fails`` need libvirt's binding;
- ``python as evacuate.py``, and so on for any language, is a file of that name, for the blocks after it;
- ``python into evacuate.py`` goes into that file: functions replace those of their names, all else is added;
- ``console`` is one or more commands with their output, in which ``...`` stands for lines that are left out;
- ``sh`` is for the reader to run, and is only checked for its syntax.
"""

import ast
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from sybil import Document
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

TOP = Path(__file__).parents[2]
PAGES = [
    TOP / "README.md",
    TOP / "CONTRIBUTING.md",
    *sorted(path for path in (TOP / "docs").rglob("*.md") if "_build" not in path.parts),
]
LIBVIRT = {"python libvirt", "python libvirt fails"}
KINDS = {"python", "python fails", "python ganeti", *LIBVIRT, "console", "sh", "text", "ini", "toml"}


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is, the file that it is or goes into, if any, and what stands in it."""

    kind: str
    file: str | None
    text: str
    goes_into: bool = False


def title(page):
    """Return a page's name: its path, without what all have."""
    return str(page.relative_to(TOP).with_suffix("")).removeprefix("docs/")


def blocks(page):
    """Return a page's blocks but those that are directives for the builder."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    regions = sorted(FencedCodeBlockLexer(r"[^`\n]+")(document), key=lambda region: region.start)
    found = []
    for region in regions:
        kind, where, file = re.fullmatch(r"(.*?)(?: (as|into) (\S+))?", region.lexemes["language"]).groups()
        if not kind.startswith("{"):
            found.append(Block(kind, file, str(region.lexemes["source"]), where == "into"))
    return found


def merged(old, new):
    """Put functions in place of those of the same names; what is new comes at the end."""
    lines, rest = old.splitlines(), new.rstrip()
    for function in reversed(functions(old)):
        replacements = [each for each in functions(new) if each.name == function.name]
        if replacements:
            (replacement,) = replacements
            lines[first_line(function) - 1 : function.end_lineno] = part(new, replacement)
            rest = rest.replace("\n".join(part(new, replacement)), "")
    return "\n".join(lines) + (f"\n\n\n{rest.strip()}\n" if rest.strip() else "\n")


def functions(source):
    return [each for each in ast.parse(source).body if isinstance(each, ast.FunctionDef)]


def first_line(function):
    return min([function.lineno, *(each.lineno for each in function.decorator_list)])


def part(source, function):
    return source.splitlines()[first_line(function) - 1 : function.end_lineno]


def text_of(page):
    return page.read_text(encoding="utf-8")


def normalized(output):
    """Leave out what is never the same: how long it took, and blanks that nobody sees."""
    lines = [line.rstrip() for line in output.strip().splitlines()]
    return [re.sub(r"\bin \d+\.\d+s\b( \([\d:]+\))?( =*)?", "in 0.01s", line) for line in lines]


def same(shown, output):
    """Tell whether an output is as a page shows it; there, a line of ``...`` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() == "..." else re.escape(line) + r"\n" for line in normalized(shown)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in normalized(output))) is not None


def commands(console):
    """Split a console block into commands, each with the output that is shown after it."""
    parts = re.split(r"^\$ (.*)\n?", console, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with a command"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def environment():
    """Return the environment of somebody who has just installed the plugin, at a terminal of 80 columns."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in {"CI", "BUILD_NUMBER"} and not key.startswith("PYTEST_")
    }
    path = os.pathsep.join([os.path.dirname(sys.executable), kept.get("PATH", "")])
    shown = {"COLUMNS": "80", "PY_COLORS": "0", "NO_COLOR": "1"}
    # A search is the same each time, or some day it would not find what its page shows.
    options = "-p no:randomly --hypothesis-seed=1"
    return {**kept, "PATH": path, **shown, "PYTEST_ADDOPTS": options}
