"""A migration that is made call by call: its scripts, and what may befall its nodes."""

from contextlib import suppress

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, InstanceSpec, NodeSpec


def small_cluster(root, **kwargs) -> FakeCluster:
    """Three nodes; web1 runs on the first."""
    nodes = [NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3")]
    return FakeCluster(root, *nodes, instances=[InstanceSpec("web1")], **kwargs)


class Master:
    """Makes the calls of a migration of web1 from node1 to node2, one at a time."""

    def __init__(self, cluster, *, live=True):
        self.cluster = cluster
        self.source, self.target = cluster["node1"], cluster["node2"]
        self.web1 = self.source.instance("web1")
        self.live = live

    def info(self):
        return self.source.MigrationInfo(self.web1)

    def accept(self):
        self.target.AcceptInstance(self.web1, "", "node2")

    def migrate(self):
        self.source.MigrateInstance("cluster", self.web1, "node2", self.live)

    def status(self):
        return self.source.GetMigrationStatus(self.web1).status

    def end_source(self, *, success=True):
        self.source.FinalizeMigrationSource(self.web1, success, self.live)

    def end_target(self, *, success=True):
        self.target.FinalizeMigrationDst(self.web1, "", success)

    def begin(self):
        """Migrate, as far as the status says anything but active."""
        self.info()
        self.accept()
        self.migrate()
        while (status := self.status()) == "active":
            pass
        return status


def accepted(cluster, count):
    """Leave so many instances accepted; return how each is told."""
    lines = []
    for number in range(1, count + 1):
        cluster["node2"].AcceptInstance(cluster.instance(f"db{number}"), "", "node2")
        call = cluster.journal[-1]
        lines += [
            f"unfinished: db{number} was accepted on node2 and neither migrated nor aborted",
            f"  since call {call.number}, {call} on node2 at {call.place}",
        ]
    return lines


SCRIPTS = {
    "unscripted": {},
    "completed": {"polls": 2},
    "by RAM": {"bandwidth": 512, "dirty_rate": 100},
    "failed": {"outcome": "failed", "polls": 2},
    "cancelled": {"outcome": "cancelled", "at": 0.5},
    "postcopy": {"postcopy": 1, "bandwidth": 512, "dirty_rate": 500},
    "postcopy failed": {"postcopy": 0, "outcome": "failed"},
}


def stop(node):
    if node.runs("web1"):
        node.StopInstance(node.instance("web1"))


def kill(node):
    with suppress(DeclarationError):  # nothing of it is there
        node.kill("web1")


def kill_everywhere(node):
    with suppress(DeclarationError):
        node.cluster.kill("web1")


def restart(node):
    node.crash()
    node.boot()


EVENTS = {
    "nothing": lambda _node: None,
    "crash": FakeHypervisor.crash,
    "crash and boot": restart,
    "power cycle": FakeHypervisor.PowercycleNode,
    "disconnect": FakeHypervisor.disconnect,
    "stop": stop,
    "kill": kill,
    "kill everywhere": kill_everywhere,
}
