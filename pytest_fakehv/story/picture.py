"""A timeline as users hold it: it shows itself, and can be saved."""

import os
from dataclasses import dataclass

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.reading import check_path
from pytest_fakehv.storage.places import Output
from pytest_fakehv.storage.root import current_filesystem
from pytest_fakehv.story.section import timeline_lines
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import shown


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

        Where a test has patched in a fake filesystem, the file is made there. What an earlier `save` wrote is
        replaced, and nothing else: no file of anybody else's, no link, no device.

        Args:
            path: which; its name ends in ".svg" or ".html".

        Raises:
            DeclarationError: it ends otherwise, something else is there, or it can't be written.
            ImportError: what the extra "report" installs is not there.
        """
        name = check_path("path must be the path of a file", path)
        is_svg = name.lower().endswith(".svg")
        if not is_svg and not name.lower().endswith(".html"):
            raise DeclarationError(f"path must end in .svg or .html, not {shown(name)}")
        from pytest_fakehv.story.page.render import SVG_TAG, TAG, document  # noqa: PLC0415  # as above

        text, tag = (self._repr_svg_(), SVG_TAG) if is_svg else (document(self), TAG)
        place = name if name.startswith("/") else f"./{name}"
        Output(current_filesystem(), place, tag).write(text)
