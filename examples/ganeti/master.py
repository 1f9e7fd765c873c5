"""Ganeti's master and its node daemons in one process, on fake nodes: to be copied into your own tests.

`Master` runs an opcode by Ganeti's own code, all the way down to the hypervisor:

- the logical unit and its tasklet, `ganeti.cmdlib.instance_migration`, on a real ``ConfigWriter``;
- the RPC client, `ganeti.rpc.node.RpcRunner`, which makes JSON of the arguments and objects of the results;
- the node daemon, `ganeti.server.noded.NodeRequestHandler`, and behind it `ganeti.backend`;
- there, `fakehv_ganeti` answers as each node's hypervisor.

Not there are: the job queue, locks and hooks; the network, which is a function call, and fails for a node
that is down or cut off; and WConfd, whose configuration is a dictionary. Instances have no disks, so that
no code of Ganeti's looks for a device. What is replaced in Ganeti's modules stands in `Master.__init__`.

Waiting costs no time: the master sleeps by the cluster's clock. Tests choose ``fakehv(clock="manual")``,
with which nothing else lets time pass.
"""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import backend, constants, http, objects, opcodes, pathutils, serializer, utils
from ganeti.cmdlib import instance_migration
from ganeti.config import ConfigWriter
from ganeti.rpc.node import RpcRunner
from ganeti.server.noded import NodeRequestHandler

if TYPE_CHECKING:
    from pytest_fakehv.fronts.ganeti import FakeCluster

GROUP = "default-uuid"


class WConfd:
    """What ``ConfigWriter`` asks of the daemon that keeps the configuration.

    Args:
        nodes: their names and addresses.
        instances: what is known of each; its node is where it runs.
    """

    def __init__(self, nodes: list[Any], instances: list[Any]) -> None:
        self.data = objects.ConfigData(
            version=constants.CONFIG_VERSION,
            cluster=objects.Cluster(
                cluster_name="cluster", enabled_hypervisors=[constants.HT_FAKE], master_node=nodes[0].uuid
            ),
            nodes={each.uuid: each for each in nodes},
            nodegroups={GROUP: objects.NodeGroup(name="default", uuid=GROUP, members=[])},
            instances={each.uuid: each for each in instances},
            networks={},
            disks={},
            filters={},
        )
        self.data.UpgradeConfig()

    def ReadConfig(self) -> Any:
        """Return the whole configuration."""
        return serializer.LoadJson(serializer.DumpJson(self.data.ToDict()))

    def SetInstancePrimaryNode(self, instance: str, node: str) -> bool:
        """Write down where an instance is."""
        self.data.instances[instance].primary_node = node
        return True

    def SetInstanceStatus(self, instance: str, state: None, disks_active: bool, source: None) -> Any:  # noqa: ARG002
        """Write down whether an instance's disks are in use."""
        self.data.instances[instance].disks_active = disks_active
        return self.data.instances[instance].ToDict()


class Master:
    """The master of a cluster of fake nodes, in whose configuration is what runs there now.

    Args:
        cluster: from the fixture `fakehv_ganeti`.
        monkeypatch: the fixture; what is replaced here is put back after the test.
        folder: where the node daemons may write; the fixture `tmp_path`.

    Attributes:
        feedback: the lines that the user of ``gnt-instance`` has been shown.
    """

    def __init__(self, cluster: "FakeCluster", monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.feedback: list[str] = []
        self._cluster = cluster
        self._wconfd = WConfd([_node(each) for each in cluster], _instances(cluster))
        self._noded = NodeRequestHandler()

        # The node daemon notes why it has started or stopped something below /var/run.
        monkeypatch.setattr(pathutils, "INSTANCE_REASON_DIR", str(folder))
        # The master waits by the cluster's clock; TimeoutExpired has the machine's as a default value.
        clock = SimpleNamespace(time=lambda: cluster.clock.now, sleep=cluster.clock.sleep)
        monkeypatch.setattr(instance_migration, "time", clock)
        monkeypatch.setattr(utils, "TimeoutExpired", partial(utils.TimeoutExpired, _time_fn=clock.time))
        # It would fork the test's own process.
        monkeypatch.setattr(backend, "PowercycleNode", _no_powercycle)

    def migrate(self, instance: str, to: str, **options: Any) -> None:
        """Do as ``gnt-instance migrate -n`` would.

        Args:
            instance: its name.
            to: the target node's name.
            **options: of the opcode; ``cleanup=True`` is ``--cleanup``.

        Raises:
            ganeti.errors.OpPrereqError: it can't be done; nothing was changed.
            ganeti.errors.OpExecError: it failed.
        """
        opcode = opcodes.OpInstanceMigrate(instance_name=instance, target_node=to, **options)
        self._run(instance_migration.LUInstanceMigrate, opcode)

    def failover(self, instance: str, to: str, **options: Any) -> None:
        """Do as ``gnt-instance failover -n`` would.

        Args: and what it raises: as `migrate`.
        """
        opcode = opcodes.OpInstanceFailover(instance_name=instance, target_node=to, **options)
        self._run(instance_migration.LUInstanceFailover, opcode)

    def primary_node(self, instance: str) -> str:
        """Return the name of the node that an instance is on, as the configuration has it."""
        data = self._wconfd.data
        return str(data.nodes[data.instances[f"{instance}-uuid"].primary_node].name)

    def set_offline(self, node: str) -> None:
        """Do as ``gnt-node modify --offline=yes``: from now on nobody tries to call that node."""
        self._wconfd.data.nodes[f"{node}-uuid"].offline = True

    def _run(self, logical_unit: Any, opcode: Any) -> None:
        """Do what a job does once it has its locks."""
        opcode.reason = []
        config = ConfigWriter(wconfd=self._wconfd)
        rpc = RpcRunner(config, lambda _: None, _req_process_fn=self._answer)
        job = logical_unit(self, opcode, config, rpc, None, None)
        job.ExpandNames()
        job.CheckPrereq()
        job.Exec(self.Log)

    def _answer(self, requests: list[Any], **_: Any) -> None:
        """Take requests to the nodes, where the network would."""
        for request in requests:
            node = self._cluster[request.host]
            if node.unreachable:
                request.error = f"Error 7: Failed to connect to {request.host}"
            else:
                received = SimpleNamespace(
                    request_method=request.method,
                    request_path=request.path,
                    request_body=request.post_data,
                )
                with self._cluster.on(node.name):
                    request.resp_body = self._noded.HandleRequest(received).decode()
                request.resp_status_code = http.HTTP_OK
                if node.unreachable:  # it has gone down over it
                    request.error = "Error 52: Empty reply from server"
            request.success = not request.error

    # What a logical unit asks of its processor.

    def Log(self, message: str) -> None:
        """Tell the user."""
        self.feedback.append(message)

    def LogInfo(self, message: str, *values: Any) -> None:
        """Tell the user something worth knowing."""
        self.Log(f" - INFO: {message % values if values else message}")

    def LogWarning(self, message: str, *values: Any) -> None:
        """Tell the user about something that is wrong."""
        self.Log(f" - WARNING: {message % values if values else message}")

    def LogStep(self, current: int, total: int, message: str) -> None:
        """Tell the user how far it is."""
        self.Log(f"STEP {current}/{total} {message}")


def _no_powercycle(*_: Any) -> None:
    raise NotImplementedError("backend.PowercycleNode would fork the test's own process")


def _node(node: Any) -> Any:
    """Return a node as the configuration has it."""
    return objects.Node(
        name=node.name,
        uuid=f"{node.name}-uuid",
        primary_ip=node.address,
        secondary_ip=node.address,
        group=GROUP,
        offline=False,
        drained=False,
        vm_capable=True,
    )


def _instances(cluster: "FakeCluster") -> list[Any]:
    """Return what runs on a cluster as the configuration has it."""
    return [
        objects.Instance(
            name=name,
            uuid=f"{name}-uuid",
            primary_node=f"{node.name}-uuid",
            hypervisor=constants.HT_FAKE,
            hvparams={},
            beparams=dict(node.instance(name).beparams),
            osparams={},
            nics=[],
            disks=[],
            admin_state=constants.ADMINST_UP,
            disks_active=True,
        )
        for node in cluster
        for name in node.instances
    ]
