"""A fake hypervisor for tests, and a pytest plugin that hands it to them.

The public names are loaded when they are first used, so that a test run that uses none of them doesn't
pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_fakehv.engine.clock import Clock, ClockMode
    from pytest_fakehv.engine.cluster import FakeCluster
    from pytest_fakehv.engine.constants import InstanceState
    from pytest_fakehv.engine.driver import MigrationResult
    from pytest_fakehv.engine.errors import (
        DeclarationError,
        HoldError,
        HotplugError,
        HypervisorError,
        NodeDownError,
    )
    from pytest_fakehv.engine.faults import Fault, FaultSpec
    from pytest_fakehv.engine.holds import Hold
    from pytest_fakehv.engine.hypervisor import FakeHypervisor
    from pytest_fakehv.engine.interface import BaseHypervisor
    from pytest_fakehv.engine.invariants import Invariant, Violation
    from pytest_fakehv.engine.journal import Call, Journal
    from pytest_fakehv.engine.migration import Migration, MigrationSpec, Outcome
    from pytest_fakehv.engine.node import NodeInfo, NodeSpec
    from pytest_fakehv.engine.objects import (
        Instance,
        InstanceConsole,
        InstanceInfo,
        InstanceLike,
        InstanceSpec,
        MigrationStatus,
        Placement,
    )
    from pytest_fakehv.engine.parameters import ParameterCheck, Parameters, ParamInSet
    from pytest_fakehv.engine.topology import Topology, read_topology
    from pytest_fakehv.fixtures import ClusterFactory

_HOMES = {
    "BaseHypervisor": "engine.interface",
    "Call": "engine.journal",
    "Clock": "engine.clock",
    "ClockMode": "engine.clock",
    "ClusterFactory": "fixtures",
    "DeclarationError": "engine.errors",
    "FakeCluster": "engine.cluster",
    "FakeHypervisor": "engine.hypervisor",
    "Fault": "engine.faults",
    "FaultSpec": "engine.faults",
    "Hold": "engine.holds",
    "HoldError": "engine.errors",
    "HotplugError": "engine.errors",
    "HypervisorError": "engine.errors",
    "Instance": "engine.objects",
    "InstanceConsole": "engine.objects",
    "InstanceInfo": "engine.objects",
    "InstanceLike": "engine.objects",
    "InstanceSpec": "engine.objects",
    "InstanceState": "engine.constants",
    "Invariant": "engine.invariants",
    "Journal": "engine.journal",
    "Migration": "engine.migration",
    "MigrationResult": "engine.driver",
    "MigrationSpec": "engine.migration",
    "MigrationStatus": "engine.objects",
    "NodeDownError": "engine.errors",
    "NodeInfo": "engine.node",
    "NodeSpec": "engine.node",
    "Outcome": "engine.migration",
    "ParamInSet": "engine.parameters",
    "ParameterCheck": "engine.parameters",
    "Parameters": "engine.parameters",
    "Placement": "engine.objects",
    "Topology": "engine.topology",
    "Violation": "engine.invariants",
    "read_topology": "engine.topology",
}

__all__ = [  # written out, for type checkers
    "BaseHypervisor",
    "Call",
    "Clock",
    "ClockMode",
    "ClusterFactory",
    "DeclarationError",
    "FakeCluster",
    "FakeHypervisor",
    "Fault",
    "FaultSpec",
    "Hold",
    "HoldError",
    "HotplugError",
    "HypervisorError",
    "Instance",
    "InstanceConsole",
    "InstanceInfo",
    "InstanceLike",
    "InstanceSpec",
    "InstanceState",
    "Invariant",
    "Journal",
    "Migration",
    "MigrationResult",
    "MigrationSpec",
    "MigrationStatus",
    "NodeDownError",
    "NodeInfo",
    "NodeSpec",
    "Outcome",
    "ParamInSet",
    "ParameterCheck",
    "Parameters",
    "Placement",
    "Topology",
    "Violation",
    "read_topology",
]


def __getattr__(name: str) -> Any:
    """Load a public name's module when the name is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names too, loaded or not."""
    return sorted({*globals(), *__all__})
