"""A run as its page has it, and several, whose pages become one.

Beside what it shows, a page has the run as data, of which another page can be made.
"""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Self

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os
from pytest_fakehv.reading import read_file
from pytest_fakehv.storage.filesystem import reason
from pytest_fakehv.story.page.content import Test, rank
from pytest_fakehv.story.page.render import TAG, page
from pytest_fakehv.story.timeline import Timeline
from pytest_fakehv.text import printable, shown_error

MOST_DRAWN: Final = 1000
"""How many tests have their timelines on the page; those that went wrong come first."""

_TITLE: Final = "Fake hypervisors: what happened"
_GREEN: Final = (0, 5)
"""The exit statuses of a run in which all went well, or no test was there."""

_BEGIN: Final = '<script type="application/json" id="run">'
_END: Final = "</script>"
_TOLD: Final = tuple(each.name for each in fields(Test) if each.name != "timelines")
_LARGEST_PAGE: Final = 2**28
_LARGEST_DATA: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of pytest's.

    Attributes:
        about: when it was, and with what.
        status: its exit status.
        tests: those that are told of, each attempt for itself.
        others: how many there were beside these, by their outcomes.
    """

    about: str
    status: int
    tests: Sequence[Test]
    others: Mapping[str, int]

    @classmethod
    def of(cls, about: str, status: int, tests: Sequence[Test]) -> Self:
        """Make it of all of its tests."""
        others = Counter(test.outcome for test in tests if not test.is_told)
        return cls(about=about, status=status, tests=[test for test in tests if test.is_told], others=others)

    @classmethod
    def read(cls, path: str) -> Self:
        """Read it from its page.

        Raises:
            DeclarationError: there is no such page; the message names it, and says what is wrong.
        """
        try:
            text = read_file(Os, path, _LARGEST_PAGE).decode()
        except (OSError, DeclarationError) as error:
            problem = reason(error) if isinstance(error, OSError) else str(error)
            raise DeclarationError(f"{printable(path)}: {problem}") from None
        except UnicodeDecodeError:
            text = ""
        if not text.startswith(TAG):
            raise DeclarationError(f"{printable(path)}: it is no report of pytest-fakehv")
        try:
            unpacked = zlib.decompressobj().decompress(
                base64.b64decode(text.split(_BEGIN)[1].split(_END)[0], validate=True), _LARGEST_DATA
            )
            data = json.loads(unpacked)
            return cls(**{**data, "tests": [Test(**each) for each in data["tests"]]})
        except (LookupError, ValueError, TypeError, zlib.error) as error:
            problem = f"what it has of its run can't be read: {shown_error(error)}"
            raise DeclarationError(f"{printable(path)}: {problem}") from None

    def page(self) -> str:
        """Return its page, as HTML."""
        return _page([self], self.about, ())

    def data(self) -> str:
        """Return it as a text that `read` finds on its page."""
        tests = [{name: getattr(test, name) for name in _TOLD} for test in self.tests]
        text = json.dumps({"about": self.about, "status": self.status, "tests": tests, "others": self.others})
        return base64.b64encode(zlib.compress(text.encode())).decode()


def merged(runs: Iterable[tuple[str, Run]]) -> str:
    """Return one page of several runs', as HTML.

    Args:
        runs: each with what it is to be called.
    """
    every, abouts = [], []
    for label, run in runs:
        abouts.append(f"{label}: {run.about}")
        for test in run.tests:
            test.notes = [f"In {label}.", *test.notes]
        every.append(run)
    return _page(every, f"{len(every)} runs", abouts)


def _page(runs: Sequence[Run], about: str, abouts: Iterable[str]) -> str:
    tests = sorted((test for run in runs for test in run.tests), key=lambda test: rank(test.outcome))
    for test in tests[MOST_DRAWN:]:
        test.notes, test.pictures = ["Its timeline is left out."], ()
    others: Counter[str] = Counter()
    for run in runs:
        others.update(run.others)
    of_all = Run(about=about, status=max(run.status for run in runs), tests=tests, others=others)
    data = of_all.data()  # before they are drawn
    notes = [
        *abouts,
        *(
            f"The run ended with exit status {run.status}, though no test here went wrong."
            for run in runs
            if run.status not in _GREEN and not any(test.is_bad for test in run.tests)
        ),
    ]
    if others:
        parts = ", ".join(f"{others[word]} {word}" for word in sorted(others, key=rank))
        notes.append(f"Tests without a timeline are not here: {parts}.")
    if any(test.of_attempts > 1 for test in tests):
        notes.append("Tests that were run again have each attempt here; the last one counts.")
    if len(tests) > MOST_DRAWN:
        notes.append(f"Only the first {MOST_DRAWN} tests have their timelines here.")
    for number, test in enumerate(tests[:MOST_DRAWN]):
        test.draw(number)
        if any(_says(test.message, each.timeline) for each in test.timelines):
            test.message = test.text = ""
    counts = Counter(test.outcome for test in tests)
    return page(
        title=_TITLE,
        about=about,
        notes=notes,
        tests=tests,
        counts=[(word, counts[word]) for word in sorted(counts, key=rank)],
        data=data,
    )


def _says(message: str, timeline: Timeline) -> bool:
    """Tell whether a test failed for nothing but what its timeline says is wrong."""
    said = message.removeprefix("Failed: ")
    return any(said.startswith(f"{each.invariant}: {each.what}") for each in timeline.troubles)
