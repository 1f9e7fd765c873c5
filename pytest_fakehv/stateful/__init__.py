"""Property tests for code that drives a cluster: a state machine of Hypothesis that tries everything on it.

It needs Hypothesis, which the extra ``pytest-fakehv[hypothesis]`` brings along.
"""

import inspect
import sys
from collections.abc import Callable, Collection
from typing import Final, Literal, Protocol, cast, get_args

from pytest_fakehv.checks import DeclarationError, check_choice
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.cluster.hypervisor import FakeHypervisor
from pytest_fakehv.interface.constants import MethodName
from pytest_fakehv.interface.contract import check_method
from pytest_fakehv.migration.script import Outcome
from pytest_fakehv.stateful.interfaces import Interface, interface_of
from pytest_fakehv.stateful.machine import ClusterMachine
from pytest_fakehv.stateful.paste import Names, drivers
from pytest_fakehv.text import shown

__tracebackhide__ = True  # what went wrong stands in the message

__all__ = ["ClusterMachine", "Driver", "state_machine"]

OPERATIONS: Final = ("start", "stop", "migrate", "drain", "recover")
"""What a driver may be able to do; see `Driver`."""


class Driver(Protocol):
    """What the state machine uses of the code under test: whichever of these methods it has.

    Each gets the cluster and names; with ``front="libvirt"``, a `FakeLibvirt` in place of the cluster, while
    ``libvirt.open`` leads to its nodes. It may raise a `HypervisorError`, or with that front a
    ``libvirt.libvirtError``; then it has not done what it should, and the machine goes on. Whatever else it
    raises is a failure.
    """

    def start(self, cluster: FakeCluster, instance: str, node: str) -> object:
        """Start an instance on a node."""

    def stop(self, cluster: FakeCluster, instance: str) -> object:
        """Stop an instance, wherever it runs."""

    def migrate(self, cluster: FakeCluster, instance: str, target: str) -> object:
        """Migrate an instance to a node.

        Once it has returned, what it stopped must run again, or a start of it have failed.
        """

    def drain(self, cluster: FakeCluster, node: str) -> object:
        """Move every instance of a node to others.

        Once it has returned, what it stopped must run again, or a start of it have failed.
        """

    def recover(self, cluster: FakeCluster, node: str) -> object:
        """Do what is to be done after a node went down, and after it has come back.

        Once it has returned, every instance that was to run, and that fits, must run somewhere, or a start
        of it have failed.
        """


def state_machine(
    driver: object = None,
    *,
    front: Literal["libvirt"] | None = None,
    faulty_methods: Collection[MethodName] | None = None,
    lying_methods: Collection[MethodName] = (),
    outcomes: Collection[Outcome] = ("completed", "failed", "cancelled"),
    hypervisor: type[FakeHypervisor] = FakeHypervisor,
    **functions: Callable[..., object],
) -> type[ClusterMachine]:
    """Make a state machine that tests code which drives a cluster.

    Write ``TestMine = state_machine(Mine).TestCase`` in a test module.

    Args:
        driver: an object with methods of `Driver`; or better a class, of which each run gets a new one.
        front: by what the driver uses the cluster: "libvirt", or None for the interface of its nodes.
        faulty_methods: which methods of the interface, or functions of libvirt's, may fail; none of them, if
            it is empty. None for those that start, stop and migrate.
        lying_methods: which may lie: say that they worked and do nothing, or say that nothing runs. Few
            programs can bear that, so that none of them does unless given.
        outcomes: how scripted migrations may end. The two that lie are not among them unless given.
        hypervisor: the class of each node.
        **functions: functions in place of methods of the driver, by their names.

    Returns:
        A class of Hypothesis's stateful tests; its ``TestCase`` is the test.

    Raises:
        DeclarationError: there is nothing to drive with, or an argument is wrong.
        ImportError: libvirt's Python binding is needed, and not there.
    """
    interface = interface_of(front)
    if faulty_methods is None:
        faulty_methods = cast("Collection[MethodName]", interface.faulty)
    _check_list("faulty_methods", faulty_methods, "methods")
    _check_list("lying_methods", lying_methods, "methods")
    _check_list("outcomes", outcomes, "outcomes")
    faulty, lying, endings = tuple(faulty_methods), tuple(lying_methods), tuple(outcomes)
    methods = [name for name in OPERATIONS if callable(getattr(driver, name, None))]
    if not methods and not functions:
        raise DeclarationError(f"a driver needs at least one of: {', '.join(OPERATIONS)}")
    for name in methods:
        _check_operation(name, getattr(driver, name), interface, is_method=isinstance(driver, type))
    for name, function in functions.items():
        _check_operation(name, function, interface, is_method=False)
    for method in (*faulty, *lying):
        check_method(method)
        if method not in interface.methods:
            raise DeclarationError(f"{method} is never called with front={front!r}")
    for method in lying:
        check_choice("lying_methods", method, (*interface.commands, *interface.answers))
    for outcome in endings:
        check_choice("outcomes", outcome, get_args(Outcome))

    def make_driver() -> object:
        return driver() if isinstance(driver, type) else driver

    module, file = _caller()
    names = Names(module, file)
    how_to_make, how_to_call = drivers(names, driver, methods, functions)
    hypervisor_name = None if hypervisor is FakeHypervisor else names.of_class(hypervisor)
    used = [driver if isinstance(driver, type) else type(driver)] if methods else [*functions.values()]
    return type(
        f"MachineOf{getattr(used[0], '__name__', 'Functions')}",
        (ClusterMachine,),
        {
            "__module__": module,
            "interface": interface,
            "make_driver": staticmethod(make_driver),
            "methods": methods,
            "functions": functions,
            "header": names.header,
            "how_to_make": how_to_make,
            "how_to_call": how_to_call,
            "faulty_methods": faulty,
            "lying_methods": lying,
            "outcomes": endings,
            "hypervisor": hypervisor,
            "hypervisor_name": hypervisor_name,
        },
    )


def _check_list(key: str, value: object, kind: str) -> None:
    """Refuse what is no list, as one text isn't."""
    if not isinstance(value, Collection) or isinstance(value, str | bytes):
        raise DeclarationError(f"{key} must be a list of {kind}, not {shown(value)}")


def _check_operation(
    name: str, function: Callable[..., object], interface: Interface, *, is_method: bool
) -> None:
    """Refuse what is no operation, or can't take what the machine will give it."""
    if name not in OPERATIONS:
        valid = ["front", "faulty_methods", "lying_methods", "outcomes", "hypervisor", *OPERATIONS]
        raise DeclarationError(f"unknown argument {shown(name)}; valid: {', '.join(valid)}")
    if not callable(function):
        raise DeclarationError(f"{name} must be a function, not {shown(function)}")
    _self, _cluster, *names = inspect.signature(getattr(Driver, name)).parameters
    wanted = [interface.handle, *names]
    try:
        inspect.signature(function).bind(*["self"] * is_method, *wanted)
    except TypeError as error:
        raise DeclarationError(f"{name} must take ({', '.join(wanted)}): {error}") from None


def _caller() -> tuple[str, str]:
    """Return of the module that calls `state_machine`, to which its result belongs, the name and the file."""
    caller = sys._getframe(2)  # noqa: SLF001  # the documented way to a caller
    return str(caller.f_globals.get("__name__", __name__)), caller.f_code.co_filename
