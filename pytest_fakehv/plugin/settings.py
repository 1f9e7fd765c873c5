"""What the user set for the run: options and ini values, merged and checked when it starts.

The command line counts more than the ini file; a test's marker, in `markers`, counts more than both.
"""

import os.path
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

import pytest

if TYPE_CHECKING:
    from pytest_fakehv.calls.clock import ClockMode, TimeFunction
    from pytest_fakehv.cluster.limits import LimitOptions
    from pytest_fakehv.cluster.topology import Topology
    from pytest_fakehv.judgement.violations import Invariant


Backend = Literal["tmp_path", "pyfakefs", "memory"]
Show = Literal["failed", "all", "none"]

BACKENDS: Final[tuple[str, ...]] = get_args(Backend)

OF_RANDOMLY: Final = "randomly_seed"
"""Where pytest-randomly, if it is there, has the seed of a run."""

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"backend": BACKENDS, "show": get_args(Show)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run, or of one test.

    Attributes:
        backend: where running instances are kept: in root directories, there or there, or in memory.
        show: for which tests the report has a section on the fake hypervisor.
        calls: how many of the last calls that lists; None for as many as it does by itself.
        root: the folder that keeps the root directories; None for pytest's temporary one.
        root_origin: the name of the option or ini value that set it.
        report: the file for the page of the run; None for none.
        report_origin: the name of the option or ini value that set it.
        clock: what makes the time of migrations go.
        topology: the nodes and instances that are there beside those of the markers; None for none.
        seed: of random faults; None for a fresh one in each test.
        seed_origin: the name of the option or ini value that set it, be it another plugin's.
        max_calls: how many calls of a cluster a test may make; None for its default.
        max_time: how far a cluster's clock may go in a test, in seconds; likewise.
        strict: whether the invariants are checked at the end of a test.
        allow: the names of invariants that need not hold.
        forbid: the names of those that are to hold, though they need not unless that is asked for.
        routes: whether libvirt's Python binding leads to the nodes of `fakehv_libvirt`.
    """

    backend: Backend
    show: Show
    calls: int | None
    root: Path | None
    root_origin: str
    report: Path | None
    report_origin: str
    clock: "ClockMode | TimeFunction"
    topology: "Topology | None"
    seed: int | None
    seed_origin: str
    max_calls: int | None
    max_time: float | None
    strict: bool
    allow: "frozenset[Invariant]"
    forbid: "frozenset[Invariant]"
    routes: bool = True

    @property
    def limits(self) -> "LimitOptions":
        """The limits that were set, for a cluster's constructor, which knows its own defaults."""
        limits: LimitOptions = {}
        if self.max_calls is not None:
            limits["max_calls"] = self.max_calls
        if self.max_time is not None:
            limits["max_time"] = self.max_time
        return limits


SETTINGS: Final = pytest.StashKey[Settings]()

_TOPOLOGIES: Final = pytest.StashKey[dict[tuple[Path, str], "Topology"]]()
"""On the configuration: the topology files that were read, by path and by from where that is seen."""


def add_options(parser: pytest.Parser) -> None:
    """Declare the options, each with an ini value of the same name."""
    group = parser.getgroup("fakehv", "fake hypervisor")
    for name, metavar, text in (
        ("root", "DIR", "keep the root directories of the fake nodes under DIR, which is emptied first"),
        ("backend", "|".join(_CHOICES["backend"]), "where running instances are kept; tmp_path unless given"),
        (
            "show",
            "|".join(_CHOICES["show"]),
            "tests whose report describes the fake nodes; failed unless given",
        ),
        ("calls", "N|all", "how many of the last calls such a report lists; 10 unless given"),
        ("topology", "FILE", "TOML file with nodes and instances for every test that uses a cluster"),
        ("report", "FILE", "write a page with a timeline of each test that uses the fixtures to FILE (HTML)"),
        ("seed", "N", "seed of random faults; pytest-randomly's, or a fresh one in each test, unless given"),
        ("max-calls", "N", "how many calls, and how many sleeps, a test may make; 100000 unless given"),
        ("max-time", "SECONDS", "how far a cluster's clock may go in a test; ten years unless given"),
    ):
        group.addoption(f"--fakehv-{name}", metavar=metavar, default=None, help=text)
        parser.addini(_ini_name(name), f"{text} (as --fakehv-{name})", default=None)
    parser.addini(
        "fakehv_strict",
        "whether the invariants are checked at the end of each test; true unless given",
        type="bool",
        default=True,
    )
    parser.addini(
        "fakehv_forbid",
        "which invariants are checked, too, that are not unless that is asked for: orphaned",
        type="args",
        default=[],
    )


def read_options(config: pytest.Config) -> Settings:
    """Merge and check the command line and the ini file.

    Raises:
        pytest.UsageError: a value is wrong; the message names it and the valid ones.
    """
    backend, _ = _option(config, "backend", "tmp_path")
    show, _ = _option(config, "show", "failed")
    root, origin = _path_option(config, "root")
    if root and backend != "tmp_path":
        raise pytest.UsageError(
            f"{origin} needs a backend with real files, but the backend is {backend!r}; "
            "choose 'tmp_path', or keep no files with --fakehv-root="
        )
    report, report_origin = _path_option(config, "report")
    seed, seed_origin = _seed_option(config)
    max_calls, max_time = _limit_options(config)
    return Settings(
        backend=cast("Backend", backend),
        show=cast("Show", show),
        calls=_calls_option(config),
        root=root,
        root_origin=origin,
        report=report,
        report_origin=report_origin,
        clock="polls",
        topology=_topology_option(config),
        seed=seed,
        seed_origin=seed_origin,
        max_calls=max_calls,
        max_time=max_time,
        strict=_strict_option(config),
        allow=frozenset(),
        forbid=_forbid_option(config),
    )


def _calls_option(config: pytest.Config) -> int | None:
    text, origin = _option(config, "calls", None)
    if text is None:
        return None
    calls = sys.maxsize if text == "all" else _whole_number(text)
    if not calls:
        raise pytest.UsageError(f"{origin}: calls must be a positive integer or 'all', not {text!r}")
    return calls


def _limit_options(config: pytest.Config) -> tuple[int | None, float | None]:
    text, origin = _option(config, "max-calls", None)
    calls = None if text is None else _whole_number(text)
    if text is not None and not calls:
        raise pytest.UsageError(f"{origin}: max_calls must be a positive integer, not {text!r}")
    text, origin = _option(config, "max-time", None)
    if text is None:
        return calls, None
    try:
        time = float(text)
    except ValueError:
        time = 0
    if not 0 < time < 2**63:
        raise pytest.UsageError(f"{origin}: max_time must be a positive number of seconds, not {text!r}")
    return calls, time


def _seed_option(config: pytest.Config) -> tuple[int | None, str]:
    text, origin = _option(config, "seed", None)
    if text is None:
        of_run = config.getoption(OF_RANDOMLY, None)
        return (of_run % 2**63, OF_RANDOMLY) if isinstance(of_run, int) else (None, origin)
    seed = _whole_number(text)
    if seed is None:
        raise pytest.UsageError(f"{origin}: seed must be an integer from 0 to 2**63 - 1, not {text!r}")
    return seed, origin


def _whole_number(text: str) -> int | None:
    """Return the number from 0 to 2**63 - 1 that a text is; None if it is none."""
    is_short = len(text) <= len(str(2**63))  # of a very long one, Python makes no number
    if not (is_short and text.isascii() and text.isdecimal() and int(text) < 2**63):
        return None
    return int(text)


def _strict_option(config: pytest.Config) -> bool:
    try:
        return bool(config.getini("fakehv_strict"))
    except (ValueError, TypeError, pytest.UsageError) as error:
        raise pytest.UsageError(f"fakehv_strict must be true or false: {error}") from None


def _forbid_option(config: pytest.Config) -> "frozenset[Invariant]":
    given = config.getini("fakehv_forbid")
    if not given:
        return frozenset()
    from pytest_fakehv.judgement.violations import check_forbidden

    with _of("fakehv_forbid"):
        return check_forbidden(given)


def _topology_option(config: pytest.Config) -> "Topology | None":
    path, origin = _option(config, "topology", None)
    if not path:
        return None
    with _of(origin):
        return read_topology_file(config, _start(config, origin), path)


def _path_option(config: pytest.Config, name: str) -> tuple[Path | None, str]:
    path, origin = _option(config, name, None)
    if not path:
        return None, origin
    from pytest_fakehv.reading import check_path

    with _of(origin):
        return Path(absolute(_start(config, origin), check_path(f"{name} must be a path", path))), origin


@contextmanager
def _of(origin: str) -> Iterator[None]:
    """Say which setting is wrong."""
    from pytest_fakehv.checks import DeclarationError

    try:
        yield
    except DeclarationError as error:
        raise pytest.UsageError(f"{origin}: {error}") from None


def read_topology_file(config: pytest.Config, start: Path, path: str) -> "Topology":
    """Read a topology file, once a run, whatever filesystem a test has patched in."""
    from pytest_fakehv.cluster.topology import read_topology

    known = config.stash.setdefault(_TOPOLOGIES, {})
    if (start, path) not in known:
        with real_filesystem():
            known[start, path] = read_topology(absolute(start, path))
    return known[start, path]


def _start(config: pytest.Config, origin: str) -> Path:
    """Return from where a relative path is seen: on the command line, from where the run began."""
    return config.invocation_params.dir if origin.startswith("--") else config.rootpath


def absolute(start: Path, path: str) -> str:
    """Make a path absolute, with ~ for the home directory.

    Raises:
        DeclarationError: there is none of that name.
    """
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        from pytest_fakehv.checks import DeclarationError

        raise DeclarationError(f"{expanded!r} begins with a home directory that is not known")
    return os.path.abspath(start / expanded)


@contextmanager
def real_filesystem() -> Iterator[None]:
    """See the disk meanwhile, even where a test has patched in a fake filesystem."""
    unittest_support = sys.modules.get("pyfakefs.fake_filesystem_unittest")
    if unittest_support and (patcher := unittest_support.Patcher.PATCHER):
        with unittest_support.Pause(patcher):
            yield
    else:
        yield


def _option(config: pytest.Config, name: str, default: str | None) -> tuple[str | None, str]:
    """Return an option's value and which setting it comes from."""
    for origin, value in (
        (f"--fakehv-{name}", config.getoption(f"--fakehv-{name}")),
        (_ini_name(name), config.getini(_ini_name(name))),
    ):
        if value is not None:
            if name in _CHOICES and value not in _CHOICES[name]:
                raise pytest.UsageError(f"{origin}: {_not_among(value, name)}")
            return str(value), origin
    return default, "default"


def _ini_name(name: str) -> str:
    return f"fakehv_{name.replace('-', '_')}"


def _not_among(value: object, name: str) -> str:
    return f"{name} must be one of {', '.join(map(repr, _CHOICES[name]))}, not {value!r}"
