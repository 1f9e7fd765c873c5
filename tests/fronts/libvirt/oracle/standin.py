"""The front's hosts, in place of the real pair."""

import contextlib

import libvirt

from oracle import records
from oracle.definitions import pool_xml
from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt


class StandIn:
    """One host of the front's."""

    def __init__(self, front, name):
        self._front, self._name = front, name
        self.uri = self.read_only_uri = front.uri(name)

    def kill(self, name):
        """End an instance's process."""
        self._front.cluster.kill(name, node=self._name)

    def let_pass(self):
        """Let a second pass."""
        self._front.cluster.clock.advance(1)

    def await_guest(self, name):
        """Let what runs in an instance, which has always come up, write to its memory, if it is that one."""
        if name == "busy":
            self._front.cluster.script_migration(name, bandwidth=64, dirty_rate=40)


@contextlib.contextmanager
def stand_ins(*names):
    """Give the front's hosts by name, with as many CPUs as those of which the records are."""
    cpus = records.pair()["cpus"]
    nodes = [NodeSpec(name, memory=16384, cpus=cpus, overcommit=False) for name in names]
    with FakeLibvirt(FakeCluster.in_memory(*nodes, clock="manual")) as front:
        for name in names:  # the real ones come without it
            connection = libvirt.open(front.uri(name))
            default = connection.networkLookupByName("default")
            default.destroy()
            default.undefine()
            pool = connection.storagePoolCreateXML(pool_xml("own", path="/var/lib/libvirt/images"), 0)
            for guest in ("busy", "guest"):  # the floppies that they have there
                pool.createXML(f"<volume><name>{guest}.img</name><capacity>1474560</capacity></volume>", 0)
            pool.destroy()
            connection.close()
        yield {name: StandIn(front, name) for name in names}
