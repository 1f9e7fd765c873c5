"""The diagram of the rooms and their modules, drawn from the contracts that the import linter checks.

``python docs/_extensions/modules.py`` writes it anew.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

import pytest_fakehv

TOP: Final = Path(__file__).parent.parent.parent
DIAGRAM: Final = TOP / "docs" / "explanation" / "modules.svg"

WIDTH: Final = 860
LINE: Final = 22
BOX: Final = 18
HEAD: Final = 15
GAP: Final = 6
INDENT: Final = 110
SAYING: Final = 420
"""Where what a room says of itself begins, right of its widest row of modules."""

LETTER: Final = 6.4
"""The width of a letter, at 11 pixels."""


def layers(container: str) -> list[list[str]]:
    """Return the modules of a package as its contract has them, from top to bottom; none if it has none."""
    settings = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == [container]:
            return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
    return []


def drawn() -> str:
    """Return the diagram as SVG: a frame for each room, with a line for each of its layers."""
    top, rooms = 10, list[str]()
    for layer in layers("pytest_fakehv"):
        inside = [layers(f"pytest_fakehv.{name}") for name in layer]
        height = max(LINE * len(rows) for rows in inside) + 2 * GAP if any(inside) else LINE + GAP
        width = (WIDTH - 20 - GAP * (len(layer) - 1)) // len(layer)
        for place, (name, rows) in enumerate(zip(layer, inside, strict=True)):
            rooms += _room(name, rows, 10 + place * (width + GAP), top, width, height)
        top += height + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 4}">',
            '<g font-family="sans-serif" font-size="11">',
            "<title>The rooms of pytest_fakehv and their modules; each imports only what is below it</title>",
            f'<rect width="{WIDTH}" height="{top + 4}" fill="#fff"/>',
            *rooms,
            "</g>",
            "</svg>",
            "",
        ]
    )


def saying(name: str, most: float) -> str:
    """Return what a room's docstring says in its first line: as many of its clauses as fit in, in letters."""
    path = Path(pytest_fakehv.__file__).parent / name
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    sentence = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    first, *others = re.split(r"(?=[,;:] )", sentence.rstrip(".").replace("`", ""))
    while others and len(first + others[0]) <= most:
        first += others.pop(0)
    return first


def _room(name: str, rows: list[list[str]], left: int, top: int, width: int, height: int) -> Iterator[str]:
    """Draw a room as a frame, with what it says of itself."""
    indent = SAYING if width == WIDTH - 20 else INDENT  # of several side by side, none has modules inside
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6" fill="#f5f5f5" stroke="#999"/>'
    )
    yield (
        f'<text x="{left + 10}" y="{top + GAP + HEAD}" font-size="13" font-weight="bold" fill="#222">'
        f"{escape(name)}</text>"
        f'<text x="{left + indent}" y="{top + GAP + HEAD - 1}" fill="#555">'
        f"{escape(saying(name, (width - indent) / LETTER))}</text>"
    )
    for number, row in enumerate(rows):
        place = left + INDENT
        for each in row:
            box = round(len(each) * LETTER) + 16
            down = top + GAP + LINE * number
            yield (
                f'<rect x="{place}" y="{down}" width="{box}" height="{BOX}" rx="4" fill="#fff" '
                'stroke="#0072b2"/>'
                f'<text x="{place + box / 2:g}" y="{down + 13}" text-anchor="middle" fill="#222">'
                f"{escape(each)}</text>"
            )
            place += box + GAP


if __name__ == "__main__":
    DIAGRAM.write_text(drawn(), encoding="utf-8")
