"""The published table of differences: what may be said otherwise here, and why."""

import re
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parents[4] / "docs" / "reference" / "libvirt-differences.md"
HEAD = "| Call | Where | There | Here | Why |"
CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Row:
    """A row of the table.

    What stands in it as code is a pattern, in which "…" stands for any text; a cell without code matches all.
    """

    line: int
    cells: tuple[str, str, str, str]

    def matches(self, difference):
        """Return whether a difference is this row's."""
        found = (difference.api, difference.where, difference.there, difference.here)
        return all(map(matching, self.cells, found))

    @property
    def calls(self):
        """The calls that it is about."""
        return set(CODE.findall(self.cells[0]))


def matching(cell, text):
    """Return whether a text is one of those of a cell."""
    patterns = CODE.findall(cell)
    return not patterns or any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text, re.DOTALL) for pattern in patterns
    )


def rows():
    """Return the table's rows."""
    found, inside = [], False
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if line == HEAD:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("| ---"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 5:
                raise ValueError(f"{TABLE.name}, line {number}: {len(cells)} cells instead of 5")
            found.append(Row(number, tuple(cells[:4])))
    return found
