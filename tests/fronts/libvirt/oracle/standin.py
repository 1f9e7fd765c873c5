"""The front's hosts, in place of the real pair."""

import contextlib

import libvirt

from oracle import records
from oracle.definitions import pool_xml
from oracle.scripts.agent import GOOD
from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

NOT_FOUND = {"error": {"class": "CommandNotFound", "desc": "The command {} has not been found"}}


class StandIn:
    """One host of the front's."""

    def __init__(self, front, name):
        self._front, self._name = front, name
        self._asked = []
        self.uri = self.read_only_uri = front.uri(name)

    def kill(self, name):
        """End an instance's process."""
        self._front.cluster.kill(name, node=self._name)

    def agent(self, name, answers):
        """Let the agent of a domain's guest answer so; None: there is none."""
        if answers is None:
            self._front.agent(name, None)
            return
        known = dict.fromkeys(GOOD, NOT_FOUND) | answers
        self._front.agent(name, {command: self._answering(command, said) for command, said in known.items()})

    def _answering(self, command, said):
        def answer(arguments):
            self._asked.append({"execute": command, **({"arguments": arguments} if arguments else {})})
            if said is None:
                raise TimeoutError
            if "error" not in said:
                return said["return"]
            is_unknown = said["error"]["class"] in {"CommandNotFound", "CommandDisabled"}
            words = said["error"]["desc"].format(command)
            raise NotImplementedError(words) if is_unknown else RuntimeError(words)

        return answer

    def asked(self):
        """Return what agents of guests here were asked since this was last called."""
        asked, self._asked[:] = list(self._asked), []
        return asked

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
