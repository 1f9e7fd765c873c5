"""What stands on the page of a run: its tests, each with its timelines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_fakehv.story.page.layout import Drawing, draw
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import printable, shown_error

_BAD: Final = ("crashed", "error", "failed")
_NO_TROUBLE: Final = ("xpassed", "xfailed", "skipped", "passed")


def rank(outcome: str) -> int:
    """Return where an outcome stands, the worst first; those that other plugins invent are in the middle."""
    known = (*_BAD, "rerun", *_NO_TROUBLE)
    return known.index(outcome) if outcome in known else known.index("rerun")


@dataclass(kw_only=True)
class Drawn:
    """One cluster of a test."""

    timeline: Timeline
    drawing: Drawing
    uid: str
    title: str
    label: str


@dataclass(kw_only=True)
class Test:
    """What the page says of a test, or of one attempt of several.

    Attributes:
        nodeid: its name.
        attempt: the number of the attempt, from 1.
        outcome: how it ended.
        duration: how long it took, in seconds of the machine's time.
        message: why it failed, in short.
        text: the same at length.
        notes: what else is to be said of it.
        pictures: its timelines, as data.
        timelines: the same, drawn.
    """

    __test__ = False

    nodeid: str
    attempt: int = 1
    outcome: str = "passed"
    duration: float = 0
    message: str = ""
    text: str = ""
    notes: list[str] = field(default_factory=list)
    pictures: Sequence[Mapping[str, Any]] = ()
    timelines: list[Drawn] = field(default_factory=list)
    of_attempts: int = 1

    @property
    def is_bad(self) -> bool:
        """Whether it went wrong."""
        return self.outcome in _BAD

    @property
    def is_told(self) -> bool:
        """Whether it is on the page: what went wrong always is, whether or not there is a timeline of it."""
        return bool(self.pictures) or self.outcome not in _NO_TROUBLE

    @property
    def name(self) -> str:
        """Its name, and which attempt it is where there are several."""
        attempt = f", attempt {self.attempt} of {self.of_attempts}" if self.of_attempts > 1 else ""
        return plain(self.nodeid) + attempt

    @property
    def took(self) -> str:
        """How long it took."""
        return f"{self.duration:.2f} s"

    def draw(self, number: int) -> None:
        """Draw its timelines; of what can't be drawn, say so.

        Args:
            number: its place on the page, which makes its pictures' names their own.
        """
        for place, data in enumerate(self.pictures):
            title = f"Cluster {place + 1} of {len(self.pictures)}"
            label = self.name if len(self.pictures) == 1 else f"{self.name}, {title.lower()}"
            try:
                timeline = Timeline.of(data)
                drawing = draw(timeline)
            except Exception as error:  # noqa: BLE001  # the page has others to show
                self.notes.append(f"A timeline could not be drawn: {shown_error(error)}")
                continue
            self.timelines.append(
                Drawn(timeline=timeline, drawing=drawing, uid=f"t{number}c{place}", title=title, label=label)
            )
        if not self.timelines and not self.notes:
            self.notes.append("There is no timeline of it.")


def plain(text: str) -> str:
    """Escape what would not be seen on the page; tabs are."""
    return "".join(each if each == "\t" else printable(each) for each in text)
