"""A timeline as users hold it: it shows itself, and can be saved."""

import os
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os, current_files
from pytest_fakehv.story.section import timeline_lines
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import shown

_SUFFIXES: Final = (".svg", ".html")


@dataclass(frozen=True, kw_only=True)
class Picture(Timeline):
    """What happened to a cluster, or to one node.

    In a notebook it shows itself. ``str()`` gives the text of a failed test's section.

    Attributes: as of `Timeline`.
    """

    def __str__(self) -> str:
        """Return it as text, for the terminal."""
        return "\n".join(timeline_lines(self))

    def _repr_svg_(self) -> str:
        """Return it as an SVG picture, for notebooks."""
        from pytest_fakehv.story.page.render import svg  # noqa: PLC0415  # needs what an extra installs

        return svg(self)

    def _repr_html_(self) -> str:
        """Return it as a piece of HTML with its tables, for notebooks."""
        from pytest_fakehv.story.page.render import fragment  # noqa: PLC0415  # as above

        return fragment(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file of its own, which needs no other.

        Where a test has patched in a fake filesystem, the file is made there.

        Args:
            path: which; its name ends in ".svg" or ".html".

        Raises:
            DeclarationError: it ends otherwise.
            ImportError: what the extra "report" installs is not there.
            OSError: it can't be written.
        """
        name = Os.fspath(path)
        if not name.lower().endswith(_SUFFIXES):
            raise DeclarationError(f"path must end in {' or '.join(_SUFFIXES)}, not {shown(name)}")
        from pytest_fakehv.story.page.render import document  # noqa: PLC0415  # as above

        text = self._repr_svg_() if name.lower().endswith(".svg") else document(self)
        with current_files().open(name, "w", encoding="utf-8") as file:
            file.write(text)
