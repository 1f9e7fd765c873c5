"""What a test's markers say: its settings, and what it declares.

They are checked when a test that uses a fixture is set up. Where a marker of one name stands in several
places, the closest to the test counts.
"""

import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, Union, get_args, get_origin

import pytest

from pytest_fakehv.plugin.settings import BACKENDS, SETTINGS, Settings, read_topology_file

if TYPE_CHECKING:
    from pytest_fakehv.calls.faultspec import FaultSpec
    from pytest_fakehv.cluster.node import NodeSpec
    from pytest_fakehv.cluster.topology import Topology
    from pytest_fakehv.fronts.libvirt.host.storage.declared import DeclaredPool
    from pytest_fakehv.interface.objects import InstanceSpec
    from pytest_fakehv.judgement.crowd import Most
    from pytest_fakehv.migration.script import MigrationSpec


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Spec = TypeVar("_Spec", bound=_Named)
_Made = TypeVar("_Made")

MARKERS: Final = {
    "fakehv": (
        "the settings of this test's fake hypervisors; "
        "strict whether the invariants are checked at its end ({invariants}), "
        "allow a list of those that need not hold, "
        "forbid a list of those that hold only if it is asked for ({on_request}), "
        "clock 'polls', 'manual', 'real' or a function that returns seconds, "
        "topology a TOML file, max_calls of the interface, max_time in seconds of the clock, "
        "routes whether libvirt.open leads to the nodes of fakehv_libvirt"
    ),
    "fakehv_node": "a node of this test's cluster; memory and reserved_memory in MiB, or as '24G'",
    "fakehv_instance": (
        "an instance of this test's cluster; memory and min_memory in MiB, or as '24G', "
        "state 'running', 'paused' or 'stopped'"
    ),
    "fakehv_migration": (
        "how an instance's migrations go in this test; at the share of its memory, from 0 to 1, "
        "at which one ends, or polls the number of the status call that says so, "
        "bandwidth and dirty_rate in MiB a second, max_downtime in seconds, "
        "postcopy the number of rounds before it goes on so, times a number of migrations"
    ),
    "fakehv_fault": (
        "which calls of the interface fail, lie or do harm in this test, and how; "
        "when 'before' or 'after' their effect, after how many that pass, times how many are struck then, "
        "probability from 0 to 1, delay in seconds of the clock, "
        "crash a node that goes down, True for the called one"
    ),
    "fakehv_apart": "instances of which never two may be on one node of this test's cluster",
    "fakehv_pool": (
        "a storage pool of this test's fakehv_libvirt; nodes a list of those that share it, "
        "capacity in MiB, or as '200G'"
    ),
    "fakehv_at_most": "how many migrations a node of this test's cluster, or each, may have at once",
}
"""What each is for, by its name; what stands in braces is put there for a reader."""

_MOST_CHOICES: Final = 20
"""So many texts are shown of an argument that takes only these."""

OF_LIBVIRT: Final = "fakehv_pool"
"""The one that only the cluster of ``fakehv_libvirt`` listens to."""

_OF_VERDICT: Final = ("strict", "allow", "forbid")
"""The arguments of ``fakehv`` that count for every cluster that a test uses, however it was made."""

_ASK_FOR_NONE_OF_OURS: Final = ("_pytest.", "pytest_fakehv.")
"""Where fixtures are from that use ``request`` for something else."""


def with_arguments() -> Iterator[str]:
    """Describe each marker with its arguments, for a reader; this imports what it makes of them."""
    from pytest_fakehv import marks
    from pytest_fakehv.judgement.violations import INVARIANTS, ON_REQUEST

    names = {"invariants": ", ".join(INVARIANTS), "on_request": ", ".join(ON_REQUEST)}
    for name, meaning in MARKERS.items():
        function = getattr(marks, name.removeprefix("fakehv_") if name != "fakehv" else "settings")
        shown = ", ".join(_shown_arguments(inspect.signature(function).parameters.values()))
        yield f"{name}({shown}): {meaning.format(**names)}"


def _shown_arguments(parameters: Iterable[inspect.Parameter]) -> Iterator[str]:
    """Show arguments with their types, and with their defaults where these are values."""
    is_star_shown = False
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not is_star_shown:
            is_star_shown = True
            yield "*"
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        default = "" if each.default is each.empty else f" = {each.default!r}"
        yield f"{star}{each.name}: {_shown_type(each.annotation)}" + ("" if "<" in default else default)


def _shown_type(kind: Any) -> str:
    """Show a type as it is written, of names the last part, and of very many texts that they are such."""
    every, origin = get_args(kind), get_origin(kind)
    if origin is Literal:
        return " | ".join(map(repr, every)) if len(every) <= _MOST_CHOICES else "str"
    if origin in {Union, UnionType}:
        return " | ".join(dict.fromkeys(map(_shown_type, every)))
    return "None" if kind is NoneType else str((origin or kind).__name__)


class MarkerError(Exception):
    """A marker is wrong; the message names it and what is valid."""


def check_names(item: pytest.Item, fixtures: Collection[str]) -> None:
    """Refuse a marker that looks like one of ours and is none, unless somebody has registered it.

    Args:
        item: the test.
        fixtures: the names of our fixtures, which may have been meant.

    Raises:
        MarkerError: there is one; the message has the nearest of ours.
    """
    for mark in item.iter_markers():
        if not mark.name.startswith("fakehv") or mark.name in MARKERS:
            continue
        registered = [re.split("[:(]", line)[0].strip() for line in item.config.getini("markers")]
        if mark.name in registered:
            continue
        if mark.name in fixtures:
            raise MarkerError(f"{mark.name} is a fixture, not a marker; make it an argument of the test")
        from pytest_fakehv.text import nearest

        close = "".join(f"; nearest: {each}" for each in nearest(mark.name, MARKERS))
        raise MarkerError(f"there is no marker {mark.name}{close}")


def own_markers(item: pytest.Item) -> list[pytest.Mark]:
    """Return our markers that stand on a test itself: not on its class, and not put there by a hook."""
    ours = [mark for mark in item.own_markers if mark.name in MARKERS]
    if not ours:
        return ours
    of_function = _taken(ours, getattr(getattr(item, "obj", None), "pytestmark", []))
    return of_function + (_taken(ours, item.callspec.marks) if hasattr(item, "callspec") else [])


def can_ask_later(item: pytest.Item) -> bool:
    """Tell whether a test, or a fixture of it, has ``request``, by which it can get fixtures when it runs."""
    info: Any = item._fixtureinfo  # type: ignore[attr-defined]  # noqa: SLF001  # who asks for what is nowhere else
    definitions = [each for every in info.name2fixturedefs.values() for each in every]
    of_others = [each for each in definitions if not each.func.__module__.startswith(_ASK_FOR_NONE_OF_OURS)]
    return "request" in info.argnames or any("request" in each.argnames for each in of_others)


def idle(marks: Iterable[pytest.Mark], *, has_factory: bool) -> str | None:
    """Say which marker acts on nothing, since its test has no cluster of its own; None if none does.

    Args:
        marks: the markers.
        has_factory: whether it has clusters of the factory, which are judged as the test's markers say.
    """
    from pytest_fakehv.text import shown

    for mark in marks:
        labels, is_for_factory = [_label(mark)], has_factory and mark.name != OF_LIBVIRT
        elsewhere = ", or say it to what fakehv_factory builds" if is_for_factory else ""
        if has_factory and mark.name == "fakehv":
            without = [key for key in mark.kwargs if key not in _OF_VERDICT]
            labels = [f"fakehv({key}={shown(mark.kwargs[key])})" for key in without]
        for label in labels:
            return f"{label} acts on nothing: it is for the cluster of {_fixtures_for(mark)}{elsewhere}"
    return None


def _fixtures_for(mark: pytest.Mark) -> str:
    """Say which fixtures have the cluster that a marker is for, and that one is to be requested."""
    from pytest_fakehv.interface.libvirt import LIBVIRT_NAMES

    texts = (each for each in mark.args if isinstance(each, str))
    is_fault = mark.name == "fakehv_fault" and LIBVIRT_NAMES.intersection(texts)
    if is_fault or mark.name == OF_LIBVIRT:
        return "fakehv_libvirt; request that"
    return "fakehv or fakehv_cluster; request one of them"


def for_test(item: pytest.Item, **given: Any) -> Settings:
    """Merge the test's ``fakehv`` markers into the run's settings; of each argument, the closest wins.

    Args:
        item: the test.
        **given: settings in place of the run's, where no marker has another.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place give the same.
    """
    settings = item.config.stash[SETTINGS]
    for marks in _levels(item, "fakehv"):
        here: dict[str, Any] = {}
        for mark in marks:
            arguments = _call(mark, _fakehv_arguments, item.config)
            for key in arguments.keys() & here.keys():
                raise MarkerError(f"{_label(mark)}: {key} is given twice, by two markers in one place")
            here |= arguments
        given |= here
    return replace(settings, **given) if given else settings


def _fakehv_arguments(
    config: pytest.Config,
    /,
    *,
    backend: object = None,
    strict: object = None,
    allow: object = None,
    forbid: object = None,
    clock: object = None,
    seed: object = None,
    topology: object = None,
    max_calls: object = None,
    max_time: object = None,
    routes: object = None,
) -> dict[str, object]:
    """Return the arguments of a ``fakehv`` marker that are given, checked; this is its signature."""
    from pytest_fakehv.calls.clock import check_clock
    from pytest_fakehv.checks import check_amount, check_choice, check_number
    from pytest_fakehv.judgement.violations import check_allowed, check_forbidden
    from pytest_fakehv.reading import check_path

    given: dict[str, object] = {}
    for key, value, valid in (
        ("backend", backend, BACKENDS),
        ("strict", strict, (True, False)),
        ("routes", routes, (True, False)),
    ):
        if value is not None:
            check_choice(key, value, valid)
            given[key] = value
    if clock is not None:
        check_clock(clock)
        given["clock"] = clock
    if allow is not None:
        given["allow"] = check_allowed(allow)
    if forbid is not None:
        given["forbid"] = check_forbidden(forbid)
    if seed is not None:
        check_amount("seed", seed, least=0)
        given["seed"] = seed
    if max_calls is not None:
        check_amount("max_calls", max_calls)
        given["max_calls"] = max_calls
    if max_time is not None:
        check_number("max_time", max_time, zero=False)
        given["max_time"] = max_time
    if topology is not None:
        path = check_path("topology must be the path of a file", topology)
        given["topology"] = read_topology_file(config, config.rootpath, path)
    return given


def declared_nodes(item: pytest.Item, topology: "Topology | None") -> list["NodeSpec"]:
    """Return the nodes of the topology, and those that a test's markers declare, the first one first.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place declare one name.
    """
    from pytest_fakehv.cluster.node import NodeSpec

    return _declared(item, "fakehv_node", NodeSpec, topology.nodes if topology else ())


def declared_instances(item: pytest.Item, topology: "Topology | None") -> list["InstanceSpec"]:
    """Return the instances of the topology, and those that a test's markers declare.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place declare one name.
    """
    from pytest_fakehv.interface.objects import InstanceSpec

    return _declared(item, "fakehv_instance", InstanceSpec, topology.instances if topology else ())


def declared_pools(item: pytest.Item) -> list["DeclaredPool"]:
    """Return the storage pools that a test's markers declare.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place declare one name.
    """
    from pytest_fakehv.fronts.libvirt.host.storage.declared import DeclaredPool

    return _declared(item, "fakehv_pool", DeclaredPool, ())


def declared_migrations(item: pytest.Item) -> list[tuple[str, "MigrationSpec"]]:
    """Return how a test's markers script migrations, in the order in which they are to be used.

    Returns:
        Of each, where its marker stands, in words.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place contradict each other.
    """
    from pytest_fakehv.migration.script import MigrationSpec

    scripts: dict[str, list[tuple[str, MigrationSpec]]] = {}
    for marks in _levels(item, "fakehv_migration"):
        here: dict[str, list[tuple[str, MigrationSpec]]] = {}
        for mark in marks:
            spec = _call(mark, MigrationSpec)
            earlier = here.setdefault(spec.instance, [])
            if earlier and earlier[-1][1].times is None:
                raise MarkerError(f"{_label(mark)}: there are two of this name; all but the last need times=")
            earlier.append((_place(item, mark), spec))
        scripts |= here
    return [spec for specs in scripts.values() for spec in specs]


def declared_faults(item: pytest.Item) -> list[tuple[str, str, "FaultSpec"]]:
    """Return the faults that a test's markers declare; all of them count.

    Returns:
        Of each, its marker's text, and where that stands, in words.

    Raises:
        MarkerError: an argument is wrong.
    """
    from pytest_fakehv.calls.faultspec import FaultSpec

    marks = [mark for level in _levels(item, "fakehv_fault") for mark in level]
    return [(_label(mark), _place(item, mark), _call(mark, FaultSpec)) for mark in marks]


def _place(item: pytest.Item, mark: pytest.Mark) -> str:
    """Say where a test's marker stands: with others above the test, at the first of these, or elsewhere."""
    from pytest_fakehv.text import place_text

    function = inspect.unwrap(getattr(item, "function", _place))
    if any(each is mark for each in getattr(function, "pytestmark", ())):
        return place_text(function.__code__.co_filename, function.__code__.co_firstlineno)
    return f"its marker in {item.path.name}"


def declared_groups(item: pytest.Item) -> list[tuple[str, ...]]:
    """Return the groups of instances that a test's markers keep apart; all of them count.

    Raises:
        MarkerError: an argument is wrong.
    """
    from pytest_fakehv.judgement.apart import check_group

    return [_call(mark, check_group) for level in _levels(item, "fakehv_apart") for mark in level]


def declared_limits(item: pytest.Item) -> list["Most"]:
    """Return how many migrations a test's markers want at most, the closest to the test last.

    Raises:
        MarkerError: an argument is wrong, or two markers in one place are for one node, or for each.
    """
    from pytest_fakehv.judgement.crowd import Most

    limits: list[Most] = []
    for marks in _levels(item, "fakehv_at_most"):
        here: list[Most] = []
        for mark in marks:
            limit = _call(mark, Most)
            if any(limit.node == each.node for each in here):
                what = "each node" if limit.node is None else f"node {limit.node!r}"
                raise MarkerError(f"{_label(mark)}: there are two for {what}")
            here.append(limit)
        limits += here
    return limits


def _declared(
    item: pytest.Item, marker: str, make: Callable[..., _Spec], beside: Iterable[_Spec]
) -> list[_Spec]:
    """Return what a test's markers declare, by name in place of or behind what is there beside them."""
    specs = {spec.name: spec for spec in beside}
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
        if not node.own_markers:
            continue
        rest = [mark for mark in node.own_markers if mark.name == marker]
        if not rest:
            continue
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


def _call(mark: pytest.Mark, function: Callable[..., _Made], *first: object) -> _Made:
    """Call a function with a marker's arguments, and say of a wrong one which marker and what is valid.

    Args:
        mark: the marker.
        function: one of ours.
        *first: what it takes before these.
    """
    from pytest_fakehv.text import shown

    every = _parameters(function)[len(first) :]
    parameters = {each.name: each for each in every if each.kind is not each.VAR_POSITIONAL}
    takes_more = len(parameters) < len(every)
    positional = [each.name for each in parameters.values() if each.kind is not each.KEYWORD_ONLY]
    required = [each.name for each in parameters.values() if each.default is each.empty]
    by_position = dict(zip(positional, mark.args, strict=False))
    problem = None
    if len(mark.args) > len(positional) and not takes_more:
        problem = f"argument {shown(mark.args[len(positional)])} needs a name"
    elif twice := by_position.keys() & mark.kwargs.keys():
        problem = f"argument {twice.pop()!r} is given twice"
    elif unknown := [name for name in mark.kwargs if name not in parameters]:
        problem = f"unknown argument {unknown[0]!r}"
    elif missing := [name for name in required if name not in by_position and name not in mark.kwargs]:
        problem = f"missing argument {missing[0]!r}"
    if problem:
        valid = [f"*{each.name}" if each.kind is each.VAR_POSITIONAL else each.name for each in every]
        raise MarkerError(f"{_label(mark)}: {problem}; valid: {', '.join(valid)}")
    try:
        return function(*first, *mark.args, **mark.kwargs)
    except ValueError as error:
        raise MarkerError(f"{_label(mark)}: {error}") from None


@cache
def _parameters(function: Callable[..., object]) -> Sequence[inspect.Parameter]:
    """Return what a function takes; each marker of each test asks."""
    return tuple(inspect.signature(function).parameters.values())


def _label(mark: pytest.Mark) -> str:
    """Show a marker as the test's author wrote it, as far as that tells it from the others."""
    from pytest_fakehv.text import shown

    named = [value for key, value in mark.kwargs.items() if key in {"name", "instance", "method"}]
    return f"{mark.name}({', '.join(map(shown, mark.args or named[:1]))})"
