"""pytest's hooks; they decide nothing themselves."""

import sys
from collections.abc import Generator
from contextlib import nullcontext, suppress
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from pytest_fakehv.machine import Os
from pytest_fakehv.plugin.fixtures import (
    ASKING,
    BUILT,
    CLUSTER,
    FRONT,
    NAMES,
    RUNNING,
    fakehv,
    fakehv_class,
    fakehv_cluster,
    fakehv_factory,
    fakehv_ganeti,
    fakehv_libvirt,
    fakehv_topology,
    folders,
    load_engine,
    refuse_parameter,
)
from pytest_fakehv.plugin.markers import (
    MARKERS,
    OF_LIBVIRT,
    MarkerError,
    can_ask_later,
    check_names,
    idle,
    own_markers,
    with_arguments,
)
from pytest_fakehv.plugin.settings import OF_RANDOMLY, SETTINGS, Settings, add_options, read_options

if TYPE_CHECKING:
    from types import ModuleType

    from pytest_fakehv.plugin.debugging import LastLine

__all__ = [
    "fakehv",
    "fakehv_class",
    "fakehv_cluster",
    "fakehv_factory",
    "fakehv_ganeti",
    "fakehv_libvirt",
    "fakehv_topology",
    "folders",
]


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
        from pytest_fakehv.plugin.page import Page, output_at
    except ImportError as error:
        if settings.report is None:  # nobody has asked for more than pytest-html's page
            return
        raise pytest.UsageError(f"{settings.report_origin}: {error}") from None
    if settings.report is not None and not _is_worker(config):
        try:
            output_at(settings.report).check()
        except DeclarationError as error:
            raise pytest.UsageError(f"{settings.report_origin} {error}") from None
    config.pluginmanager.register(
        Page(settings.report, is_worker=_is_worker(config), in_html=_has_html_report(config)), "fakehv-page"
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where the root directories are kept, if they are, and what the topology file has."""
    settings = config.stash[SETTINGS]
    lines = []
    if settings.root is not None:
        from pytest_fakehv.text import printable

        lines.append(f"fakehv: root directories are kept in {printable(str(settings.root))}")
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
    with suppress(Exception):  # whatever a value of the test's own may raise; pytest explains it itself then
        return explain.comparison(left, right) if explain and op == "==" else None
    return None


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
    func = fixturedef.func
    if refuse := refuse_parameter(fixturedef, request):
        # In its place, so that pytest remembers what it raised as it does of every fixture.
        fixturedef.func = refuse  # type: ignore[misc]
    built = request.session.stash.get(BUILT, None)
    before = len(built.new) if built else 0
    ASKING.append(request)
    try:
        result = yield
    finally:
        ASKING.pop()
        if refuse:
            fixturedef.func = func  # type: ignore[misc]
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
    """Forget what an earlier run of this test did; what is half set up is not judged.

    What a fixture of wider scope breaks that is torn down now, to be set up with another parameter, is told
    as pytest tells what that raises: it is an error of this setup, though that may skip the test.
    """
    if verdict := _verdict():
        verdict.forget(item)
    try:
        try:
            result = yield
        except (pytest.skip.Exception, pytest.xfail.Exception):
            _refuse_what_was_torn_down(item)
            raise
        _refuse_what_was_torn_down(item)
        if not item.config.getoption("setupplan", default=False):  # which sets no fixture up
            _refuse_dropped_markers(item, has_run=False)
    except BaseException:
        with suppress(Exception):
            if verdict := _verdict():
                verdict.give_up(item)
        raise
    return result


def _refuse_what_was_torn_down(item: pytest.Item) -> None:
    """Let a setup fail for what the teardown in it has broken."""
    if item.config.getoption("setuponly", default=False):
        return
    if (verdict := _verdict()) and (problem := verdict.end_of_torn_down(item)):
        raise verdict.Failed(problem, pytrace=False) from None


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
        if CLUSTER in item.stash:
            own = [mark for mark in own if mark.name == OF_LIBVIRT and FRONT not in item.stash]
        if not own or (not has_run and can_ask_later(item)):
            return
        verdict = _verdict()
        has_factory = "fakehv_factory" in fixtures or bool(verdict and verdict.verdict(item).used)
        problem = idle(own, has_factory=has_factory)
    if problem:
        pytest.fail(problem, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Let a test's clusters go once all its reports are made."""
    item.session.stash[RUNNING] = item
    result = yield
    if verdict := _verdict():
        verdict.forget(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the invariants at the end of a test; who debugs it is shown the test."""
    if not item.config.getoption("usepdb", default=False):
        result = yield from _judged(item)
    else:
        from pytest_fakehv.plugin.debugging import LastLine

        result = yield from _judged(item, LastLine(item))
    _refuse_dropped_markers(item, has_run=True)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Check them again once it is torn down: that uses the clusters, too; not of one that was only set up."""
    verdict = _verdict()
    if built := item.session.stash.get(BUILT, None):
        built.keep()
    with verdict.taken_for_failures() if verdict else nullcontext():
        if item.config.getoption("setuponly", default=False):
            return (yield)
        return (yield from _judged(item))


def _judged(item: pytest.Item, last: "LastLine | None" = None) -> Generator[None, object, object]:
    """Let a test fail for what does not hold; where it has failed already, that is what counts."""
    try:
        with last.watched() if last else nullcontext():
            result = yield
    except BaseException as error:
        with suppress(Exception):  # what the test has patched may still be
            if verdict := _verdict():
                verdict.end(item, error)
        raise
    if (verdict := _verdict()) and (problem := verdict.end(item, None)):
        failure = verdict.Failed(problem, pytrace=False)
        raise last.raised_there(failure) if last else failure
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Describe the fake nodes in the report; from memory, as the filesystem may be a fake one."""
    report = yield
    if report.failed and call.when == "call" and (verdict := _verdict()) and verdict.is_expected(item):
        report.outcome, report.wasxfail = "skipped", ""
    show = item.config.stash[SETTINGS].show
    is_shown = (show != "none" and report.failed) or (show == "all" and call.when == "call")
    if is_shown and _verdict():
        from pytest_fakehv.plugin.sections import describe

        describe(item, report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> Generator[None, None, None]:
    """Print the sections of tests that passed, which pytest itself prints with -rP alone; all in colour."""
    reports = chain.from_iterable(terminalreporter.stats.values())
    if not any(title == "fakehv" for each in reports for title, _ in getattr(each, "sections", ())):
        yield  # who doesn't use it imports nothing
        return
    from pytest_fakehv.plugin.sections import in_colour, print_passed

    with in_colour(terminalreporter, config):
        yield
        print_passed(terminalreporter, config)


def _verdict() -> "ModuleType | None":
    """Return the module that judges what a test did; it is loaded with the engine, or not at all."""
    return sys.modules.get("pytest_fakehv.plugin.verdict")


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
