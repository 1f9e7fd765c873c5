"""pytest's hooks; they decide nothing themselves."""

import sys
from collections.abc import Generator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Final

import pytest

from pytest_fakehv.machine import Os
from pytest_fakehv.plugin.fixtures import (
    BUILT,
    CLUSTER,
    NAMES,
    fakehv,
    fakehv_class,
    fakehv_cluster,
    fakehv_factory,
    fakehv_ganeti,
    folders,
    load_engine,
    refuse_parameter,
)
from pytest_fakehv.plugin.markers import (
    MARKERS,
    MarkerError,
    can_ask_later,
    check_names,
    idle,
    own_markers,
    with_arguments,
)
from pytest_fakehv.plugin.settings import OF_RANDOMLY, SETTINGS, Settings, add_options, read_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from pytest_fakehv.cluster.cluster import FakeCluster
    from pytest_fakehv.story.timeline import Timeline

__all__ = ["fakehv", "fakehv_class", "fakehv_cluster", "fakehv_factory", "fakehv_ganeti", "folders"]

_SECTION: Final = "fakehv"

_PICTURES: Final = "fakehv_timelines"
"""The attribute of a report with the pictures of the clusters that its sections describe."""

_COLOURS: "Final[Mapping[str, Mapping[str, bool]]]" = {
    "violation": {"red": True, "bold": True},
    "crash": {"yellow": True, "bold": True},
    "fault": {"yellow": True},
    "raised": {"red": True},
    "hold": {"purple": True},
    "test": {"cyan": True},
}
"""How the timeline's steps are printed, by what is most worth knowing of each."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Check the settings and register the markers, once pytest-randomly has chosen its seed."""
    # Who only runs tests needs their names, and imports nothing.
    for marker in with_arguments() if config.getoption("markers") else MARKERS:
        config.addinivalue_line("markers", marker)
    settings = config.stash[SETTINGS] = read_options(config)
    if settings.root is not None and not _is_worker(config):
        from pytest_fakehv.plugin.roots import RootError, claim

        try:
            lock = claim(settings.root, rootdir=config.rootpath)
        except RootError as error:
            raise pytest.UsageError(
                f"{settings.root_origin} {str(settings.root)!r} can't be used: {error}; "
                "name a new or empty folder, or one that an earlier run left"
            ) from None
        config.add_cleanup(lambda: Os.close(lock))
    if settings.report is not None or _has_html_report(config):
        _start_page(config, settings)


def _has_html_report(config: pytest.Config) -> bool:
    """Tell whether pytest-html makes a page of its own, where the timelines belong too."""
    return config.pluginmanager.hasplugin("html") and bool(config.getoption("htmlpath", None))


def _start_page(config: pytest.Config, settings: Settings) -> None:
    from pytest_fakehv.checks import DeclarationError

    try:
        from pytest_fakehv.plugin.page import Page, check
    except ImportError as error:
        if settings.report is None:  # nobody has asked for more than pytest-html's page
            return
        raise pytest.UsageError(f"{settings.report_origin}: {error}") from None
    if settings.report is not None and not _is_worker(config):
        try:
            check(settings.report)
        except DeclarationError as error:
            path = str(settings.report)
            raise pytest.UsageError(f"{settings.report_origin} {path!r} can't be written: {error}") from None
    config.pluginmanager.register(
        Page(settings.report, is_worker=_is_worker(config), in_html=_has_html_report(config)), "fakehv-page"
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where the root directories are kept, if they are, and what the topology file has."""
    settings = config.stash[SETTINGS]
    lines = [f"fakehv: root directories are kept in {settings.root}"] if settings.root else []
    if settings.seed is not None and settings.seed_origin != OF_RANDOMLY:  # which says so itself
        lines.append(f"fakehv: the seed of random faults is {settings.seed}")
    if topology := settings.topology:
        lines.append(
            f"fakehv: the topology has {len(topology.nodes)} nodes and {len(topology.instances)} instances"
        )
    return lines


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain why instances' figures, placements or migrations are not equal."""
    explain = sys.modules.get("pytest_fakehv.judgement.messages")
    return explain.comparison(left, right) if explain and op == "==" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Get ready before the first test, which may patch the filesystem."""
    settings = session.config.stash[SETTINGS]
    if session.config.option.collectonly:
        return
    if settings.root is not None and not _is_worker(session.config):
        from pytest_fakehv.plugin.roots import RootError, empty

        try:
            empty(settings.root)
        except RootError as error:
            pytest.exit(
                f"{settings.root_origin} {str(settings.root)!r} can't be emptied: {error}",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )
    if any(NAMES.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        load_engine()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """See which clusters of the factory are whose."""
    refuse_parameter(fixturedef, request)
    built = request.session.stash.get(BUILT, None)
    before = len(built.new) if built else 0
    result = yield
    if built := request.session.stash.get(BUILT, None):
        built.set_up(fixturedef, before)
    return result


def pytest_fixture_post_finalizer(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> None:
    """See which clusters of the factory no later test can ask for."""
    if built := request.session.stash.get(BUILT, None):
        built.torn_down(fixturedef)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Forget what an earlier run of this test did; what is half set up is not judged."""
    if verdict := _verdict():
        verdict.forget(item)
    try:
        result = yield
        _refuse_dropped_markers(item, has_run=False)
    except BaseException:
        with suppress(Exception):
            if verdict := _verdict():
                verdict.give_up(item)
        raise
    return result


def _refuse_dropped_markers(item: pytest.Item, *, has_run: bool) -> None:
    """Let a test fail whose markers say something that nobody listens to.

    One that can ask for a cluster yet has time for it until it has run.
    """
    fixtures = getattr(item, "fixturenames", ())
    try:
        check_names(item, NAMES)
    except MarkerError as error:
        problem: str | None = str(error)
    else:
        own = own_markers(item)
        if not own or CLUSTER in item.stash or (not has_run and can_ask_later(item)):
            return
        verdict = _verdict()
        has_factory = "fakehv_factory" in fixtures or bool(verdict and verdict.verdict(item).used)
        problem = idle(own, has_factory=has_factory)
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Let a test's clusters go once all its reports are made."""
    result = yield
    if verdict := _verdict():
        verdict.forget(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the invariants at the end of a test."""
    result = yield from _judged(item)
    _refuse_dropped_markers(item, has_run=True)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Check them again once it is torn down: that uses the clusters, too."""
    return (yield from _judged(item))


def _judged(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test fail for what does not hold; where it has failed already, that is what counts."""
    try:
        result = yield
    except BaseException:
        with suppress(Exception):  # what the test has patched may still be
            if verdict := _verdict():
                verdict.end(item, has_failed=True)
        raise
    if (verdict := _verdict()) and (problem := verdict.end(item, has_failed=False)):
        pytest.fail(problem, pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Describe the fake nodes in the report; from memory, as the filesystem may be a fake one."""
    report = yield
    show = item.config.stash[SETTINGS].show
    is_shown = (show != "none" and report.failed) or (show == "all" and call.when == "call")
    if is_shown and (verdict := _verdict()):
        found = verdict.verdict(item)
        if report.failed and not set(found.text.splitlines()[:1]) <= set(_said(report)):
            report.sections.append((f"{_SECTION}: invariants that did not hold", found.text))
        pictures = found.timelines()
        report.sections += [
            (_SECTION, _described(cluster, picture, item.config))
            for cluster, picture in zip(found.clusters, pictures, strict=True)
        ]
        # Whoever prints the sections may have colours; it must cross xdist.
        setattr(report, _PICTURES, [picture.data() for picture in pictures])
    return report


def _verdict() -> "ModuleType | None":
    """Return the module that judges what a test did; it is loaded with the engine, or not at all."""
    return sys.modules.get("pytest_fakehv.plugin.verdict")


def _said(report: pytest.TestReport) -> list[str]:
    """Return what a failed test's error says already."""
    marked = [line.removeprefix("E").strip() for line in str(report.longrepr).splitlines()]
    return [line.removeprefix("AssertionError: ") for line in marked]


def _described(cluster: "FakeCluster", picture: "Timeline", config: pytest.Config) -> str:
    is_random = cluster._scope.shared.faults.is_random
    seed = f"\nseed of random faults: --fakehv-seed={cluster.seed}" if is_random else ""
    return cluster._scope.describe(picture, most_calls=_most_calls(config)) + seed


def _most_calls(config: pytest.Config) -> int:
    from pytest_fakehv.story.section import MOST_CALLS

    return config.stash[SETTINGS].calls or MOST_CALLS


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> Generator[None, None, None]:
    """Print the sections of tests that passed, which pytest itself prints with -rP alone; all in colour."""
    plain = _paint_sections(terminalreporter, config)
    try:
        yield
        _print_passed(terminalreporter, config)
    finally:
        for report, sections in plain:
            report.sections = sections


def _print_passed(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    if config.stash[SETTINGS].show != "all" or terminalreporter.hasopt("P"):
        return
    for report in terminalreporter.getreports("passed"):
        for title, text in report.sections:
            if title == _SECTION:
                terminalreporter.section(f"{_SECTION}: {report.nodeid}", sep="-")
                terminalreporter.line(text)


def _paint_sections(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> "list[tuple[pytest.TestReport, list[tuple[str, str]]]]":
    """Give the timelines their colours, where the terminal has any; return what to put back afterwards."""
    writer = terminalreporter._tw  # noqa: SLF001  # there is no other way to its colours
    if not writer.hasmarkup:
        return []
    plain = []
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if pictures := getattr(report, _PICTURES, None):
            plain.append((report, report.sections))
            most_calls = _most_calls(config)
            report.sections = _painted(report.sections, pictures, most_calls, writer.markup)
    return plain


def _painted(
    sections: list[tuple[str, str]],
    pictures: list[dict[str, object]],
    most_calls: int,
    markup: "Callable[..., str]",
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


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
