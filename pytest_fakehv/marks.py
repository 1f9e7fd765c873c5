"""The markers as functions, whose arguments editors complete and type checkers check.

``@marks.node("node1", memory="64G")`` is ``@pytest.mark.fakehv_node("node1", memory="64G")``; both may
stand side by side. An argument that there isn't is an error of the line where it stands, when the module is
imported; all else is checked when the test is set up, as ever.
"""

from collections.abc import Collection, Iterable
from os import PathLike
from typing import Literal, Unpack

import pytest

from pytest_fakehv.calls.clock import ClockMode, TimeFunction
from pytest_fakehv.calls.faultspec import FaultOptions, FaultSpec
from pytest_fakehv.cluster.node import NodeOptions, NodeSpec
from pytest_fakehv.interface.constants import MethodName
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import DeclaredState, InstanceLike, InstanceOptions, InstanceSpec
from pytest_fakehv.judgement.violations import Invariant
from pytest_fakehv.keywords import takes
from pytest_fakehv.migration.script import MigrationOptions, MigrationSpec

__tracebackhide__ = True  # a wrong call is shown at the line that made it


def settings(
    *,
    backend: Literal["tmp_path", "pyfakefs", "memory"] | None = None,
    strict: bool | None = None,
    allow: Collection[Invariant] | None = None,
    forbid: Collection[Invariant] | None = None,
    clock: ClockMode | TimeFunction | None = None,
    seed: int | None = None,
    topology: str | PathLike[str] | None = None,
    max_calls: int | None = None,
    max_time: float | None = None,
    routes: bool | None = None,
) -> pytest.MarkDecorator:
    """Set up a test's fake hypervisors: ``fakehv``. What isn't given, or None, is as the run's options say.

    Args:
        backend: where instance files lie.
        strict: whether the invariants are checked at the end of the test.
        allow: the invariants that need not hold.
        forbid: those that are to hold, though they need not unless that is asked for.
        clock: what makes the time of migrations go, or a function that returns seconds.
        seed: of random faults.
        topology: the path of a TOML file with nodes and instances, seen from the rootdir.
        max_calls: how many calls of the interface the test may make.
        max_time: how far the clock may go in the test, in seconds.
        routes: whether ``libvirt.open`` leads to the nodes of ``fakehv_libvirt``.
    """
    every = locals()
    return pytest.mark.fakehv.with_args(**{key: value for key, value in every.items() if value is not None})


@takes(NodeSpec)
def node(name: str, **options: Unpack[NodeOptions]) -> pytest.MarkDecorator:
    """Declare a node of the test's cluster: ``fakehv_node``.

    Args:
        name: its name.
        **options: as in `pytest_fakehv.NodeSpec`.
    """
    return pytest.mark.fakehv_node(name, **options)


@takes(InstanceSpec)
def instance(
    name: str,
    *,
    node: str | None = None,
    state: DeclaredState = "running",
    **options: Unpack[InstanceOptions],
) -> pytest.MarkDecorator:
    """Declare an instance of the test's cluster: ``fakehv_instance``.

    Args:
        name: its name.
        node: the node it is on; None for the first.
        state: what it does.
        **options: as in `pytest_fakehv.InstanceSpec`.
    """
    return pytest.mark.fakehv_instance(name, node=node, state=state, **options)


@takes(MigrationSpec)
def migration(instance: str, **options: Unpack[MigrationOptions]) -> pytest.MarkDecorator:
    """Say how an instance's migrations go: ``fakehv_migration``.

    Args:
        instance: its name.
        **options: as in `pytest_fakehv.MigrationSpec`.
    """
    return pytest.mark.fakehv_migration(instance, **options)


@takes(FaultSpec)
def fault(
    method: MethodName,
    *,
    node: str | None = None,
    instance: str | None = None,
    **options: Unpack[FaultOptions],
) -> pytest.MarkDecorator:
    """Let calls fail, lie or do harm: ``fakehv_fault``.

    Args:
        method: the interface method's, or libvirt function's, name; "*" for every one.
        node: the node that is called; None for any.
        instance: the name of the instance that they are about; None for any.
        **options: as in `pytest_fakehv.FaultSpec`.
    """
    return pytest.mark.fakehv_fault(method, node=node, instance=instance, **options)


def apart(*instances: str | InstanceLike) -> pytest.MarkDecorator:
    """Keep instances apart, of which never two may be on one node: ``fakehv_apart``.

    Args:
        *instances: two or more of them.
    """
    return pytest.mark.fakehv_apart(*instances)


def pool(
    name: str,
    *,
    nodes: Iterable[str | BaseHypervisor] | None = None,
    path: str | None = None,
    capacity: int | str | None = None,
) -> pytest.MarkDecorator:
    """Declare a storage pool of the test's ``fakehv_libvirt``: ``fakehv_pool``.

    Args:
        name: its name.
        nodes: those that share it; None for all.
        path: its folder; None for one of that name in libvirt's own.
        capacity: what it has, in MiB, or as a text with the unit, such as "200G"; None for 100 GiB.
    """
    return pytest.mark.fakehv_pool(name, nodes=nodes, path=path, capacity=capacity)


def at_most(*, migrations: int, node: str | BaseHypervisor | None = None) -> pytest.MarkDecorator:
    """Limit how many migrations a node may have at once: ``fakehv_at_most``.

    Args:
        migrations: so many, in and out together.
        node: which; None for each that none is said of.
    """
    return pytest.mark.fakehv_at_most(migrations=migrations, node=node)
