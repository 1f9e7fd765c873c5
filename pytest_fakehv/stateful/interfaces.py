"""By which interface drivers use a cluster: by that of its nodes themselves, or by libvirt's."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from pytest_fakehv.calls.selection import STEPS, STEPS_OF_A_FRONT
from pytest_fakehv.checks import check_choice
from pytest_fakehv.cluster.cluster import FakeCluster
from pytest_fakehv.fronts.libvirt.front import FakeLibvirt
from pytest_fakehv.fronts.libvirt.routes import binding
from pytest_fakehv.interface.constants import COMMANDS
from pytest_fakehv.interface.contract import INTERFACE
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.libvirt import LIBVIRT_COMMANDS, LIBVIRT_NAMES, LIBVIRT_STARTS, LIBVIRT_STOPS

__tracebackhide__ = True  # what went wrong stands in the message


class Interface:
    """The nodes' own.

    Attributes:
        handle: what drivers are given, as a test names it.
        contexts: how a test has that, behind ``with FakeCluster.temporary(...) as cluster``.
        imports: what a test needs for it.
        error: what a driver may raise.
        error_name: how a test writes that.
        methods: what may be called.
        starts: the methods that start an instance.
        stops: those that stop one.
        faulty: those that fail now and then, unless a user says otherwise.
        commands: those that may say that they worked and do nothing.
        answers: what others say when they lie.
    """

    handle: str = "cluster"
    contexts: str = ""
    imports: Sequence[str] = ("from pytest_fakehv import FakeCluster, HypervisorError, NodeSpec",)
    error: type[Exception] = HypervisorError
    error_name: str = "HypervisorError"
    methods: Collection[str] = INTERFACE
    starts: Sequence[str] = ("StartInstance",)
    stops: Sequence[str] = ("StopInstance",)
    faulty: Sequence[str] = (*starts, *stops, *(each for each in STEPS if each not in STEPS_OF_A_FRONT))
    commands: Sequence[str] = COMMANDS
    answers: Mapping[str, Callable[[], object]] = {
        "GetInstanceInfo": lambda: None,
        "ListInstances": list,
        "GetAllInstancesInfo": list,
    }

    def enter(self, cluster: FakeCluster, resources: ExitStack) -> object:  # noqa: ARG002  # for the other one
        """Return what drivers are given, until the resources are closed."""
        return cluster


class Libvirt(Interface):
    """libvirt's.

    Raises:
        ImportError: its Python binding is not there; the message says how to get it.
    """

    handle = "front"
    contexts = ", FakeLibvirt(cluster) as front, front.routed()"
    imports = (
        "import libvirt",
        "from pytest_fakehv import FakeCluster, NodeSpec",
        "from pytest_fakehv.fronts.libvirt import FakeLibvirt",
    )
    error_name = "libvirt.libvirtError"
    methods = frozenset({*LIBVIRT_NAMES, *STEPS})
    starts = LIBVIRT_STARTS
    stops = LIBVIRT_STOPS
    faulty = (*starts, *stops, *(each for each in STEPS_OF_A_FRONT if each.endswith("Params")))
    commands = LIBVIRT_COMMANDS
    answers: Mapping[str, Callable[[], object]] = {
        "virConnectListAllDomains": list,
        "virDomainIsActive": lambda: 0,
        "virDomainGetState": lambda: [_SHUT_OFF, 0],
    }

    def __init__(self) -> None:
        self.error = binding().libvirtError

    def enter(self, cluster: FakeCluster, resources: ExitStack) -> FakeLibvirt:
        """Return libvirt's front of the cluster, while what this process opens is led there."""
        front = resources.enter_context(FakeLibvirt(cluster))
        return resources.enter_context(front.routed())


_SHUT_OFF: Final = 5
"""The state of a domain that doesn't run, as libvirt has it."""

_BY_FRONT: Final[Mapping[object, type[Interface]]] = {None: Interface, "libvirt": Libvirt}


def interface_of(front: object) -> Interface:
    """Return the interface that a user has named.

    Raises:
        DeclarationError: there is none of that name; the message says which there are.
        ImportError: what it needs is not installed; the message says what.
    """
    check_choice("front", front, [*_BY_FRONT])
    return _BY_FRONT[front]()
