"""What stands on the page of a run: its tests, each with its timelines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pytest_fakehv.story.page.layout import Drawing, draw
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import printable

# The worst first.
OUTCOMES: Final = ("error", "failed", "rerun", "xpassed", "xfailed", "skipped", "passed")

_BAD: Final = frozenset({"error", "failed"})


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
    def name(self) -> str:
        """Its name, and which attempt it is where there are several."""
        attempt = f", attempt {self.attempt} of {self.of_attempts}" if self.of_attempts > 1 else ""
        return plain(self.nodeid) + attempt

    @property
    def took(self) -> str:
        """How long it took."""
        return f"{self.duration:.2f} s"

    def draw(self, number: int) -> None:
        """Draw its timelines.

        Args:
            number: its place on the page, which makes its pictures' names their own.
        """
        for place, data in enumerate(self.pictures):
            timeline = Timeline.of(data)
            title = f"Cluster {place + 1} of {len(self.pictures)}"
            self.timelines.append(
                Drawn(
                    timeline=timeline,
                    drawing=draw(timeline),
                    uid=f"t{number}c{place}",
                    title=title,
                    label=self.name if len(self.pictures) == 1 else f"{self.name}, {title.lower()}",
                )
            )


def plain(text: str) -> str:
    """Escape what would not be seen on the page; tabs are."""
    return "".join(each if each == "\t" else printable(each) for each in text)
