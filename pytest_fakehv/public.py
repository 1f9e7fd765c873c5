"""The public names, in one list: what `pytest_fakehv` hands on when one of them is first used."""

from pytest_fakehv.calls.clock import Clock as Clock
from pytest_fakehv.calls.clock import ClockMode as ClockMode
from pytest_fakehv.calls.clock import TimeFunction as TimeFunction
from pytest_fakehv.calls.events import EventError as EventError
from pytest_fakehv.calls.events import TimedEvent as TimedEvent
from pytest_fakehv.calls.faults import Fault as Fault
from pytest_fakehv.calls.faultspec import FaultOptions as FaultOptions
from pytest_fakehv.calls.faultspec import FaultSpec as FaultSpec
from pytest_fakehv.calls.holds import Hold as Hold
from pytest_fakehv.calls.holds import HoldError as HoldError
from pytest_fakehv.calls.journal import Call as Call
from pytest_fakehv.calls.journal import Journal as Journal
from pytest_fakehv.checks import DeclarationError as DeclarationError
from pytest_fakehv.cluster.cluster import ClusterFactory as ClusterFactory
from pytest_fakehv.cluster.cluster import ClusterOptions as ClusterOptions
from pytest_fakehv.cluster.cluster import FakeCluster as FakeCluster
from pytest_fakehv.cluster.hypervisor import FakeHypervisor as FakeHypervisor
from pytest_fakehv.cluster.limits import LimitError as LimitError
from pytest_fakehv.cluster.node import NodeOptions as NodeOptions
from pytest_fakehv.cluster.node import NodeSpec as NodeSpec
from pytest_fakehv.cluster.topology import Topology as Topology
from pytest_fakehv.cluster.topology import read_topology as read_topology
from pytest_fakehv.interface.constants import InstanceState as InstanceState
from pytest_fakehv.interface.constants import MethodName as MethodName
from pytest_fakehv.interface.contract import BaseHypervisor as BaseHypervisor
from pytest_fakehv.interface.errors import HotplugError as HotplugError
from pytest_fakehv.interface.errors import HypervisorError as HypervisorError
from pytest_fakehv.interface.errors import NodeDownError as NodeDownError
from pytest_fakehv.interface.objects import Instance as Instance
from pytest_fakehv.interface.objects import InstanceConsole as InstanceConsole
from pytest_fakehv.interface.objects import InstanceInfo as InstanceInfo
from pytest_fakehv.interface.objects import InstanceLike as InstanceLike
from pytest_fakehv.interface.objects import InstanceOptions as InstanceOptions
from pytest_fakehv.interface.objects import InstanceSpec as InstanceSpec
from pytest_fakehv.interface.objects import MigrationStatus as MigrationStatus
from pytest_fakehv.interface.objects import NodeInfo as NodeInfo
from pytest_fakehv.interface.objects import Placement as Placement
from pytest_fakehv.interface.parameters import ParameterCheck as ParameterCheck
from pytest_fakehv.interface.parameters import Parameters as Parameters
from pytest_fakehv.interface.parameters import ParamInSet as ParamInSet
from pytest_fakehv.judgement.violations import Invariant as Invariant
from pytest_fakehv.judgement.violations import Violation as Violation
from pytest_fakehv.migration.driver import MigrationResult as MigrationResult
from pytest_fakehv.migration.record import Migration as Migration
from pytest_fakehv.migration.script import MigrationOptions as MigrationOptions
from pytest_fakehv.migration.script import MigrationSpec as MigrationSpec
from pytest_fakehv.migration.script import Outcome as Outcome

for _public in list(vars().values()):
    # A class is known by the path on which users find it: in tracebacks, in pickles, in pytest's summary.
    if getattr(_public, "__module__", "").startswith("pytest_fakehv.") and hasattr(_public, "__name__"):
        _public.__module__ = "pytest_fakehv"
