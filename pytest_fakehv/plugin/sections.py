"""What pytest's own reports say of the fake nodes: in the terminal, and in JUnit's XML.

Whatever goes wrong in describing them is said there, and ends nothing: a run is not about its report.
"""

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Final

import pytest

from pytest_fakehv.plugin.settings import SETTINGS
from pytest_fakehv.text import shown_error

if TYPE_CHECKING:
    from pytest_fakehv.cluster.cluster import FakeCluster
    from pytest_fakehv.story.timeline import Timeline

_SECTION: Final = "fakehv"
_BROKEN: Final = f"{_SECTION}: invariants that did not hold"

_SEED: Final = "fakehv-seed"
"""The name of a property in JUnit's XML; what stands in the sections has theirs."""

_PICTURES: Final = "fakehv_timelines"
"""The attribute of a report with the pictures of the clusters that its sections describe."""

_ERROR: Final = re.compile(r"^[\w.]*Error: ")
"""What stands before an error's own text."""

_COLOURS: Final[Mapping[str, Mapping[str, bool]]] = {
    "violation": {"red": True, "bold": True},
    "crash": {"yellow": True, "bold": True},
    "fault": {"yellow": True},
    "raised": {"red": True},
    "hold": {"purple": True},
    "test": {"cyan": True},
}
"""How the timeline's steps are printed, by what is most worth knowing of each."""


def not_drawn(error: Exception) -> str:
    """Say that something could not be drawn, in a line."""
    return f"could not be drawn: {shown_error(error)}"


def describe(item: pytest.Item, report: pytest.TestReport) -> None:
    """Describe the fake nodes that a test used in its report.

    Args:
        item: the test.
        report: that of one of its phases.
    """
    from pytest_fakehv.plugin.verdict import verdict

    found = verdict(item)
    if report.failed and not set(found.text.splitlines()[:1]) <= set(_said(report)):
        report.sections.append((_BROKEN, found.text))
    pictures = []
    for cluster in found.clusters:
        try:
            picture = found.timeline(cluster)
            text = _described(cluster, picture, item.config)
            pictures.append(picture.data())
        except Exception as error:  # noqa: BLE001  # whatever a value of the test's own may raise
            text = not_drawn(error)
        report.sections.append((_SECTION, text))
    # Whoever prints the sections may have colours; it must cross xdist.
    setattr(report, _PICTURES, pictures)
    if getattr(item.config.option, "xmlpath", None):
        _note_in_xml(item, report, found.clusters)


def _said(report: pytest.TestReport) -> list[str]:
    """Return what a failed test's error says already."""
    marked = [line.removeprefix("E").strip() for line in str(report.longrepr).splitlines()]
    return [_ERROR.sub("", line) for line in marked]


def _described(cluster: "FakeCluster", picture: "Timeline", config: pytest.Config) -> str:
    is_random = cluster._scope.shared.faults.is_random
    seed = f"\nseed of random faults: --fakehv-seed={cluster.seed}" if is_random else ""
    return cluster._scope.describe(picture, most_calls=_most_calls(config)) + seed


def _most_calls(config: pytest.Config) -> int:
    from pytest_fakehv.story.section import MOST_CALLS

    return config.stash[SETTINGS].calls or MOST_CALLS


def _note_in_xml(item: pytest.Item, report: pytest.TestReport, clusters: "list[FakeCluster]") -> None:
    """Note what the sections say as properties of the test: JUnit's XML has no sections of others."""
    ours = {_SECTION, _BROKEN, _SEED}
    noted: list[tuple[str, object]] = [each for each in report.sections if each[0] in ours]
    noted += [(_SEED, cluster.seed) for cluster in clusters if cluster._scope.shared.faults.is_random]
    others = [each for each in item.user_properties if each[0] not in ours]  # those of an earlier attempt
    item.user_properties[:] = [*others, *noted]
    report.user_properties = list(item.user_properties)


def print_passed(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    """Print the sections of tests that passed, where that is wished and pytest itself doesn't."""
    if config.stash[SETTINGS].show != "all" or terminalreporter.hasopt("P"):
        return
    for report in terminalreporter.getreports("passed"):
        for title, text in report.sections:
            if title == _SECTION:
                terminalreporter.section(f"{_SECTION}: {report.nodeid}", sep="-")
                terminalreporter.line(text)


@contextmanager
def in_colour(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> Generator[None]:
    """Give the timelines their colours meanwhile, where the terminal has any."""
    writer = terminalreporter._tw  # noqa: SLF001  # there is no other way to its colours
    plain = []
    for report in chain.from_iterable(terminalreporter.stats.values()) if writer.hasmarkup else ():
        if pictures := getattr(report, _PICTURES, None):
            plain.append((report, report.sections))
            with suppress(Exception):  # then it is as it was
                report.sections = _painted(report.sections, pictures, _most_calls(config), writer.markup)
    try:
        yield
    finally:
        for report, sections in plain:
            report.sections = sections


def _painted(
    sections: list[tuple[str, str]],
    pictures: list[dict[str, object]],
    most_calls: int,
    markup: Callable[..., str],
) -> list[tuple[str, str]]:
    from pytest_fakehv.story.section import timeline_lines
    from pytest_fakehv.story.timeline import Timeline

    painted = list(sections)
    for picture in map(Timeline.of, pictures):
        text = "\n".join(timeline_lines(picture, most_calls=most_calls))
        colourful = "\n".join(
            timeline_lines(
                picture,
                lambda text, step: markup(text, **_COLOURS.get(step.mark, {})),
                most_calls=most_calls,
            )
        )
        painted = [
            (title, content.replace(text, colourful) if text and title == _SECTION else content)
            for title, content in painted
        ]
    return painted
