"""What the user set: options, ini values and markers, merged and checked.

A marker counts more than the command line, which counts more than the ini file. Options are checked when
the run starts; markers when a test that uses a fixture is set up.
"""

import inspect
import os.path
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, cast, get_args

import pytest

if TYPE_CHECKING:
    from pytest_fakehv.engine.node import NodeSpec
    from pytest_fakehv.engine.objects import InstanceSpec


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Spec = TypeVar("_Spec", bound=_Named)
_Made = TypeVar("_Made")

Backend = Literal["tmp_path", "pyfakefs"]
Show = Literal["failed", "all", "none"]

_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"backend": get_args(Backend), "show": get_args(Show)}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a run, or of one test.

    Attributes:
        backend: where root directories lie.
        show: for which tests the report has a section on the fake hypervisor.
        root: the folder that keeps the root directories; None for pytest's temporary one.
        root_origin: the name of the option or ini value that set it.
    """

    backend: Backend
    show: Show
    root: Path | None
    root_origin: str


SETTINGS: Final = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare the options, each with an ini value of the same name."""
    group = parser.getgroup("fakehv", "fake hypervisor")
    for name, metavar, text in (
        ("root", "DIR", "keep the root directories of the fake nodes under DIR, which is emptied first"),
        ("backend", "|".join(_CHOICES["backend"]), "where root directories lie; tmp_path unless given"),
        (
            "show",
            "|".join(_CHOICES["show"]),
            "tests whose report describes the fake nodes; failed unless given",
        ),
    ):
        group.addoption(f"--fakehv-{name}", metavar=metavar, default=None, help=text)
        parser.addini(f"fakehv_{name}", f"{text} (as --fakehv-{name})", default=None)


def read_options(config: pytest.Config) -> Settings:
    """Merge and check the command line and the ini file.

    Raises:
        pytest.UsageError: a value is wrong; the message names it and the valid ones.
    """
    backend, _ = _option(config, "backend", "tmp_path")
    show, _ = _option(config, "show", "failed")
    root, origin = _option(config, "root", None)
    if root and backend == "pyfakefs":
        raise pytest.UsageError(
            f"{origin} needs a backend with real files, but the backend is 'pyfakefs'; "
            "choose 'tmp_path', or keep no files with --fakehv-root="
        )
    start = config.invocation_params.dir if origin.startswith("--") else config.rootpath
    return Settings(
        backend=cast("Backend", backend),
        show=cast("Show", show),
        root=Path(os.path.abspath(start / Path(root).expanduser())) if root else None,
        root_origin=origin,
    )


def _option(config: pytest.Config, name: str, default: str | None) -> tuple[str | None, str]:
    """Return an option's value and which setting it comes from."""
    for origin, value in (
        (f"--fakehv-{name}", config.getoption(f"--fakehv-{name}")),
        (f"fakehv_{name}", config.getini(f"fakehv_{name}")),
    ):
        if value is not None:
            if name in _CHOICES and value not in _CHOICES[name]:
                raise pytest.UsageError(f"{origin}: {_not_among(value, name)}")
            return str(value), origin
    return default, "default"


def _not_among(value: object, name: str) -> str:
    return f"{name} must be one of {', '.join(map(repr, _CHOICES[name]))}, not {value!r}"


MARKERS: Final = (
    "fakehv(*, backend): the settings of this test's fake hypervisors",
    (
        "fakehv_node(name, *, memory, cpus, reserved_memory, overcommit, address, version, cpu_nodes, "
        "cpu_sockets): a node of this test's cluster; memory in MiB"
    ),
    (
        "fakehv_instance(name, *, node, memory, min_memory, vcpus, state, hvparams): an instance of this "
        "test's cluster; memory in MiB, state 'running', 'paused' or 'stopped'"
    ),
)


class MarkerError(Exception):
    """A marker is wrong; the message names it and what is valid."""


def for_test(item: pytest.Item) -> Settings:
    """Merge the test's ``fakehv`` markers into the run's settings; of each argument, the closest wins.

    Raises:
        MarkerError: an argument is wrong.
    """
    settings = item.config.stash[SETTINGS]
    given: dict[str, Any] = {}
    for mark in item.iter_markers("fakehv"):
        given = _call(mark, _fakehv_arguments) | given
    return replace(settings, **given)


def _fakehv_arguments(*, backend: object = None) -> dict[str, object]:
    """Return the arguments of a ``fakehv`` marker that are given, checked; this is its signature."""
    from pytest_fakehv.engine.checks import check_choice

    if backend is None:
        return {}
    check_choice("backend", backend, _CHOICES["backend"])
    return {"backend": backend}


def declared_nodes(item: pytest.Item) -> list["NodeSpec"]:
    """Return the nodes that a test's markers declare, the first one first.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place declare one name.
    """
    from pytest_fakehv.engine.node import NodeSpec

    return _declared(item, "fakehv_node", NodeSpec)


def declared_instances(item: pytest.Item) -> list["InstanceSpec"]:
    """Return the instances that a test's markers declare.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place declare one name.
    """
    from pytest_fakehv.engine.objects import InstanceSpec

    return _declared(item, "fakehv_instance", InstanceSpec)


def _declared(item: pytest.Item, marker: str, make: Callable[..., _Spec]) -> list[_Spec]:
    specs: dict[str, _Spec] = {}
    for marks in _levels(item, marker):
        here: dict[str, _Spec] = {}
        for mark in marks:
            spec = _call(mark, make)
            if spec.name in here:
                raise MarkerError(f"{_label(mark)}: there are two of this name")
            here[spec.name] = spec
        specs |= here
    return list(specs.values())


def _levels(item: pytest.Item, marker: str) -> Iterator[list[pytest.Mark]]:
    """Group a test's markers by the place they stand in, the outermost first, in reading order."""
    for node in item.listchain():
        rest = [mark for mark in node.own_markers if mark.name == marker]
        inner: list[list[pytest.Mark]] = []
        if isinstance(node, pytest.Class):
            inner = [_taken(rest, cls.__dict__.get("pytestmark", [])) for cls in reversed(node.obj.__mro__)]
        of_parameters = _taken(rest, node.callspec.marks) if hasattr(node, "callspec") else []
        # The decorator next to the function, or class, comes first.
        is_decorated = isinstance(node, pytest.Function)
        yield rest[::-1] if is_decorated else rest
        yield from (marks[::-1] for marks in inner)
        yield of_parameters


def _taken(marks: list[pytest.Mark], chosen: Any) -> list[pytest.Mark]:
    """Take out of a list the marks that are among the chosen ones, the very same and not just equal."""
    every = chosen if isinstance(chosen, list | tuple) else [chosen]
    ids = {id(getattr(each, "mark", each)) for each in every}
    taken = [mark for mark in marks if id(mark) in ids]
    marks[:] = [mark for mark in marks if id(mark) not in ids]
    return taken


def _call(mark: pytest.Mark, function: Callable[..., _Made]) -> _Made:
    """Call a function with a marker's arguments, and say of a wrong one which marker and what is valid."""
    from pytest_fakehv.engine.text import shown

    parameters = inspect.signature(function).parameters
    positional = [each.name for each in parameters.values() if each.kind is not each.KEYWORD_ONLY]
    required = [each.name for each in parameters.values() if each.default is each.empty]
    by_position = dict(zip(positional, mark.args, strict=False))
    problem = None
    if len(mark.args) > len(positional):
        problem = f"argument {shown(mark.args[len(positional)])} needs a name"
    elif twice := by_position.keys() & mark.kwargs.keys():
        problem = f"argument {twice.pop()!r} is given twice"
    elif unknown := [name for name in mark.kwargs if name not in parameters]:
        problem = f"unknown argument {unknown[0]!r}"
    elif missing := [name for name in required if name not in by_position and name not in mark.kwargs]:
        problem = f"missing argument {missing[0]!r}"
    if problem:
        raise MarkerError(f"{_label(mark)}: {problem}; valid: {', '.join(parameters)}")
    try:
        return function(*mark.args, **mark.kwargs)
    except ValueError as error:
        raise MarkerError(f"{_label(mark)}: {error}") from None


def _label(mark: pytest.Mark) -> str:
    """Show a marker as the test's author wrote it, as far as that tells it from the others."""
    from pytest_fakehv.engine.text import shown

    return f"{mark.name}({', '.join(map(shown, mark.args))})"
