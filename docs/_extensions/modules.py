"""The diagram of the modules, drawn from the contracts that the import linter checks.

``python docs/_extensions/modules.py`` writes it anew.
"""

import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

TOP: Final = Path(__file__).parent.parent.parent
DIAGRAM: Final = TOP / "docs" / "explanation" / "modules.svg"

WIDTH: Final = 860
ROW: Final = 40
BOX: Final = 28
GAP: Final = 8
LETTER: Final = 7.3


def layers(container: str) -> list[list[str]]:
    """Return the modules of a package as the contract has them: the layers from top to bottom."""
    settings = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    for contract in settings["tool"]["importlinter"]["contracts"]:
        if contract.get("containers") == [container]:
            return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
    raise LookupError(container)


def drawn() -> str:
    """Return the diagram as SVG."""
    outer, engine = layers("pytest_fakehv"), layers("pytest_fakehv.engine")
    if outer.pop() != ["engine"]:
        raise ValueError("the engine must be the lowest layer")
    upper = _package("pytest_fakehv", outer, 10)
    below = 10 + _height(outer) + 34
    lower = _package("pytest_fakehv.engine", engine, below)
    height = below + _height(engine) + 10
    middle = WIDTH / 2
    arrow = (
        f'<path d="M{middle} {below - 34} V{below - 8}" stroke="#444" stroke-width="2" fill="none"/>'
        f'<path d="M{middle - 6} {below - 10} h12 l-6 9 z" fill="#444"/>'
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">',
            '<g font-family="sans-serif" font-size="13">',
            "<title>The modules of pytest_fakehv in layers; each imports only what is below it</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            *upper,
            arrow,
            *lower,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _height(rows: list[list[str]]) -> int:
    return 34 + ROW * len(rows)


def _package(name: str, rows: list[list[str]], top: int) -> Iterator[str]:
    """Draw a package as a frame with a row for each layer."""
    yield (
        f'<rect x="10" y="{top}" width="{WIDTH - 20}" height="{_height(rows)}" rx="8" fill="#f5f5f5" '
        'stroke="#999"/>'
    )
    yield f'<text x="22" y="{top + 20}" font-weight="bold" fill="#222">{escape(name)}</text>'
    for number, row in enumerate(rows):
        yield from _row(row, top + 30 + ROW * number)


def _row(names: list[str], top: int) -> Iterator[str]:
    widths = [round(len(name) * LETTER) + 24 for name in names]
    left = (WIDTH - sum(widths) - GAP * (len(names) - 1)) // 2
    for name, width in zip(names, widths, strict=True):
        yield (
            f'<rect x="{left}" y="{top}" width="{width}" height="{BOX}" rx="4" fill="#fff" stroke="#0072b2"/>'
            f'<text x="{left + width / 2:g}" y="{top + 19}" text-anchor="middle" fill="#222">'
            f"{escape(name)}</text>"
        )
        left += width + GAP


if __name__ == "__main__":
    DIAGRAM.write_text(drawn(), encoding="utf-8")
