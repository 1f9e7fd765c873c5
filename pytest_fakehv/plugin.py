"""pytest's hooks; they decide nothing themselves."""

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import pytest

from pytest_fakehv.fixtures import (
    CLUSTER,
    FACTORY_CLUSTERS,
    NAMES,
    NEW_CLUSTERS,
    fakehv,
    fakehv_class,
    fakehv_cluster,
    fakehv_factory,
    load_engine,
)
from pytest_fakehv.markers import MARKERS, MarkerError, for_test
from pytest_fakehv.settings import SETTINGS, add_options, read_options

if TYPE_CHECKING:
    from pytest_fakehv.engine.cluster import FakeCluster

__all__ = ["fakehv", "fakehv_class", "fakehv_cluster", "fakehv_factory"]

_SECTION: Final = "fakehv"

_MOST_CLUSTERS: Final = 3
"""How many of a test's clusters are reported on: a property test builds many."""

_VIOLATIONS: Final = pytest.StashKey[str]()
"""On a test: what to say of invariants that did not hold."""

_AT_FAULT: Final = pytest.StashKey["list[FakeCluster]"]()
"""On a test: the clusters of which they did not hold; the first few."""

_REPORTED: Final = pytest.StashKey["WeakKeyDictionary[FakeCluster, set[tuple[object, ...]]]"]()
"""On the session: the violations that were found before, of clusters of wider scope."""

_CALLS_BEFORE: Final = pytest.StashKey["WeakKeyDictionary[FakeCluster, int]"]()
"""On a test: how many calls the factory's clusters had seen when it began."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Check the settings and register the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    settings = config.stash[SETTINGS] = read_options(config)
    if settings.root is not None and not _is_worker(config):
        from pytest_fakehv.roots import RootError, claim

        try:
            lock = claim(settings.root, rootdir=config.rootpath)
        except RootError as error:
            raise pytest.UsageError(
                f"{settings.root_origin} {str(settings.root)!r} can't be used: {error}; "
                "name a new or empty folder, or one that an earlier run left"
            ) from None
        config.add_cleanup(lambda: os.close(lock))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say where the root directories are kept, if they are, and what the topology file has."""
    settings = config.stash[SETTINGS]
    lines = [f"fakehv: root directories are kept in {settings.root}"] if settings.root else []
    if settings.seed is not None:
        lines.append(f"fakehv: the seed of random faults is {settings.seed}")
    if topology := settings.topology:
        lines.append(
            f"fakehv: the topology has {len(topology.nodes)} nodes and {len(topology.instances)} instances"
        )
    return lines


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain why instances' figures, placements or migrations are not equal."""
    explain = sys.modules.get("pytest_fakehv.engine.explain")
    return explain.comparison(left, right) if explain and op == "==" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Get ready before the first test, which may patch the filesystem."""
    settings = session.config.stash[SETTINGS]
    if session.config.option.collectonly:
        return
    if settings.root is not None and not _is_worker(session.config):
        from pytest_fakehv.roots import RootError, empty

        try:
            empty(settings.root)
        except RootError as error:
            pytest.exit(
                f"{settings.root_origin} {str(settings.root)!r} can't be emptied: {error}",
                returncode=pytest.ExitCode.USAGE_ERROR,
            )
    if any(NAMES.intersection(getattr(item, "fixturenames", ())) for item in session.items):
        load_engine()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what an earlier run of this test used, and remember what the factory's clusters have seen."""
    if CLUSTER in item.stash:
        del item.stash[CLUSTER]
    item.stash[_VIOLATIONS], item.stash[_AT_FAULT] = "", []
    item.session.stash.get(NEW_CLUSTERS, []).clear()
    clusters = item.session.stash.get(FACTORY_CLUSTERS, ())
    item.stash[_CALLS_BEFORE] = WeakKeyDictionary({each: each.journal.total for each in clusters})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Let a test's clusters go once all its reports are made."""
    result = yield
    if CLUSTER in item.stash:
        del item.stash[CLUSTER]
    item.session.stash.get(NEW_CLUSTERS, []).clear()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Check the invariants at the end of a test; where it has failed already, that is what counts."""
    try:
        result = yield
    finally:
        item.stash[_VIOLATIONS] = _violations(item)
    if item.stash[_VIOLATIONS]:
        pytest.fail(item.stash[_VIOLATIONS], pytrace=False)
    return result


def _violations(item: pytest.Item) -> str:
    """Say which invariants don't hold of the clusters that a test used, and weren't reported before."""
    clusters = _clusters(item)
    if not clusters:
        return ""
    try:
        settings = for_test(item)
    except MarkerError as error:  # of a test that uses the factory alone
        return str(error)
    if not settings.strict:
        return ""
    from pytest_fakehv.engine.explain import violations

    reported = item.session.stash.setdefault(_REPORTED, WeakKeyDictionary())
    texts: dict[FakeCluster, str] = {}
    for cluster in clusters:
        known = reported.setdefault(cluster, set())
        new = [each for each in cluster.violations() if each.identity not in known]
        known |= {each.identity for each in new}
        if text := violations([each for each in new if each.invariant not in settings.allow]):
            texts[cluster] = text
    item.stash[_AT_FAULT] = [*texts][:_MOST_CLUSTERS]
    more = len(texts) - _MOST_CLUSTERS
    rest = [f"and likewise in {more} more clusters"] if more > 0 else []
    return "\n".join([*texts.values()][:_MOST_CLUSTERS] + rest)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Describe the fake nodes in the report; from memory, as the filesystem may be a fake one."""
    report = yield
    show = item.config.stash[SETTINGS].show
    if (show != "none" and report.failed) or (show == "all" and call.when == "call"):
        clusters = item.stash.get(_AT_FAULT, []) or _clusters(item)[-_MOST_CLUSTERS:]
        report.sections += [(_SECTION, _described(cluster)) for cluster in clusters]
        violations = item.stash.get(_VIOLATIONS, "")
        if violations and report.failed and violations not in str(report.longrepr):
            report.sections.append((_SECTION, f"invariants that did not hold:\n{violations}"))
    return report


def _described(cluster: "FakeCluster") -> str:
    return f"{cluster.describe()}\nseed of random faults: --fakehv-seed={cluster.seed}"


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter", config: pytest.Config) -> None:
    """Print the sections of tests that passed, which pytest itself prints with -rP alone."""
    if config.stash[SETTINGS].show != "all" or terminalreporter.hasopt("P"):
        return
    for report in terminalreporter.getreports("passed"):
        for title, text in report.sections:
            if title == _SECTION:
                terminalreporter.section(f"{_SECTION}: {report.nodeid}", sep="-")
                terminalreporter.line(text)


def _clusters(item: pytest.Item) -> list["FakeCluster"]:
    """Return the clusters that a test used: its own, and the factory's that it built or called."""
    # Another plugin's hook may have failed before ours.
    before = item.stash.get(_CALLS_BEFORE, WeakKeyDictionary())
    used = [cluster for cluster, total in before.items() if cluster.journal.total > total]
    built = item.session.stash.get(NEW_CLUSTERS, [])
    return [*([item.stash[CLUSTER]] if CLUSTER in item.stash else []), *used, *built]


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")
