"""The page of a whole run: pytest's reports, collected, and written to one file in the end."""

import platform
import re
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.machine import Os, Time
from pytest_fakehv.plugin.sections import not_drawn
from pytest_fakehv.plugin.verdict import verdict
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.places import Output
from pytest_fakehv.storage.temporary import make_temporary
from pytest_fakehv.story.page.content import Test, plain, rank
from pytest_fakehv.story.page.render import TAG, fragment
from pytest_fakehv.story.page.run import Run
from pytest_fakehv.text import printable

_ATTRIBUTE: Final = "fakehv_page"

_MOST_LINES: Final = 12
_LONGEST_TEXT: Final = 200

_PHASES: Final = ("setup", "call", "teardown")

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")


class Page:
    """A plugin that notes each test's timeline, and writes the page at the end.

    Args:
        path: the page's file; None for no page of ours.
        is_worker: whether another process collects what this one notes.
        in_html: whether each timeline is to stand in pytest-html's page too.
    """

    def __init__(self, path: Path | None, *, is_worker: bool, in_html: bool) -> None:
        self._path = path
        self._is_worker = is_worker
        self._in_html = in_html
        if in_html:
            from pytest_html import extras  # nobody else needs it

            self._extra = extras.html
        self._tests: dict[tuple[str, str], list[Test]] = {}
        self._end = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note a test's timelines in its report, which crosses xdist."""
        report = yield
        found = verdict(item)
        if found.clusters and (report.when == "call" or report.failed):
            pictures, notes = [], []
            for cluster in found.clusters:
                try:
                    picture = found.timeline(cluster)
                    if self._in_html:
                        drawn = self._extra(fragment(picture))
                        report.extras = [*getattr(report, "extras", []), drawn]  # type: ignore[attr-defined]  # pytest-html's own
                    pictures.append(picture.data())
                except Exception as error:  # noqa: BLE001  # whatever a value of the test's own may raise
                    notes.append(f"A timeline {not_drawn(error)}")
                if cluster._scope.shared.faults.is_random:
                    notes.append(f"Seed of random faults: --fakehv-seed={cluster.seed}")
            if found.left_out:
                notes.append(f"{found.left_out} more clusters that it used are left out.")
            if self._path is not None:
                setattr(report, _ATTRIBUTE, {"pictures": pictures, "notes": notes})
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Collect what could not be collected, and with it tests that nobody knows."""
        if report.failed and not self._is_worker and self._path is not None:
            self._tests[report.nodeid, "collecting"] = [
                Test(nodeid=report.nodeid, outcome="error", message=_message(report), text=_text(report))
            ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what is said of a test, its phases one after another."""
        if self._is_worker or self._path is None:
            return
        attempts = self._tests.setdefault((report.nodeid, _worker(report)), [])
        if report.when == "setup" or not attempts:
            attempts.append(Test(nodeid=report.nodeid, attempt=len(attempts) + 1))
        test = attempts[-1]
        test.duration += report.duration
        outcome = _outcome(report)
        test.outcome = min(test.outcome, outcome, key=rank)
        if report.longrepr and rank(outcome) <= rank("rerun"):
            test.message = "\n".join([*filter(None, [test.message]), _message(report)])
            test.text = "\n".join([*filter(None, [test.text]), _text(report)])
        if data := getattr(report, _ATTRIBUTE, None):
            test.pictures, test.notes = data["pictures"], data["notes"]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page."""
        if self._is_worker or self._path is None or session.config.option.collectonly:
            return
        try:
            self._end = _written(self._path, self._text(session.exitstatus))
        except Exception as error:  # noqa: BLE001  # a run is not about its report
            self._end = f"the report {str(self._path)!r} {not_drawn(error)}"

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Say where it is."""
        if self._end:
            terminalreporter.line(f"fakehv: {self._end}")

    def _text(self, exitstatus: int) -> str:
        for attempts in self._tests.values():
            for test in attempts:
                test.of_attempts = len(attempts)
        now = Time.strftime("%Y-%m-%d %H:%M:%S %Z", Time.localtime())
        about = f"{now}, Python {platform.python_version()}, pytest {pytest.__version__}"
        tests = [test for attempts in self._tests.values() for test in attempts]
        return Run.of(about, int(exitstatus), tests).page()


def output_at(path: Path) -> Output:
    """Return a file for a page."""
    return Output(Disk(), str(path), TAG)


def _written(path: Path, text: str) -> str:
    """Write a page, and say where it is."""
    output = output_at(path)
    try:
        output.make_folder()
        output.write(text)
    except DeclarationError as error:
        return f"the report {error}; {_rescued(text)}"
    return f"the report is in {printable(output.path)}"


def _rescued(text: str) -> str:
    """Write a page where it was not asked for, rather than lose it, and say where that is."""
    try:
        output = output_at(Path(make_temporary(Os, "fakehv-report-"), "report.html"))
        output.write(text)
    except (OSError, DeclarationError) as error:
        return f"it is lost, as there is no other place either: {printable(str(error))}"
    return f"this run's is in {printable(output.path)}"


def _worker(report: pytest.TestReport) -> str:
    """Return the worker that ran a test; of one that it died in, pytest-xdist tells otherwise."""
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return str(getattr(report, "worker_id", None) or getattr(gateway, "id", ""))


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    if report.failed and report.when != "call":
        return "error" if report.when in _PHASES else "crashed"
    return report.outcome


def _message(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the error with which a test failed."""
    crash = getattr(report.longrepr, "reprcrash", None)
    # Where there was no exception, somebody has written what it is.
    text = crash.message if crash else (report.longrepr or "") if report.failed else ""
    lines = _printable_lines(str(text))
    return "\n".join([*lines[:_MOST_LINES], "..."] if len(lines) > _MOST_LINES else lines)


def _text(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return all that is said of a failure: of a long text the end, where the error stands."""
    lines = _printable_lines(report.longreprtext)
    left_out = len(lines) - _LONGEST_TEXT
    return "\n".join([f"({left_out} lines left out)", *lines[-_LONGEST_TEXT:]] if left_out > 0 else lines)


def _printable_lines(text: str) -> list[str]:
    return [plain(_ESCAPES.sub("", line)) for line in text.splitlines()]
