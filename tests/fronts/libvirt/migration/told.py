"""What hosts tell of a migration: a program, since libvirt's loop of events is the whole process's."""

import sys

import libvirt
from moving import Pair

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LIVE, PERSIST, POSTCOPY = (
    libvirt.VIR_MIGRATE_LIVE,
    libvirt.VIR_MIGRATE_PERSIST_DEST,
    libvirt.VIR_MIGRATE_POSTCOPY,
)

CASES = {
    "live": (LIVE, {"bandwidth": 8, "dirty_rate": 4}),
    "persist": (LIVE | PERSIST, {}),
    "not live": (0, {}),
    "paused": (LIVE | libvirt.VIR_MIGRATE_PAUSED, {}),
    "offline": (libvirt.VIR_MIGRATE_OFFLINE | PERSIST, {}),
    "failed": (LIVE, {"outcome": "failed"}),
    "postcopy": (LIVE | POSTCOPY, {"bandwidth": 8, "dirty_rate": 16, "postcopy": 2}),
}


class Listener:
    """Writes down what a pair is told."""

    def __init__(self, pair):
        self._heard = []
        for side, connection in (("A", pair.a), ("B", pair.b)):
            for kind, hear in (
                (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle),
                (libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION, self._iteration),
                (libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED, self._completed),
            ):
                connection.domainEventRegisterAny(None, kind, hear, side)

    def _lifecycle(self, _connection, domain, event, detail, side):
        self._heard.append((domain.name(), f"{side} {event},{detail}"))

    def _iteration(self, _connection, domain, iteration, side):
        self._heard.append((domain.name(), f"{side} iteration {iteration}"))

    def _completed(self, _connection, domain, parameters, side):
        self._heard.append((domain.name(), f"{side} completed {parameters['operation']}"))

    def until_now(self, pair):
        """Return what was told until now of web1, of each side by itself: each has its connection."""
        for connection in (pair.a, pair.b):
            connection.createXML(XML, 0).destroy()
        while sum(each == ("end", told) for each in self._heard for told in ("A 5,1", "B 5,1")) < 2:
            libvirt.virEventRunDefaultImpl()
        heard = [told for name, told in self._heard if name == "web1"]
        self._heard.clear()
        return [[told[2:] for told in heard if told[0] == side] for side in "AB"]


XML = "<domain type='kvm'><name>end</name><memory>1024</memory><os><type>hvm</type></os></domain>"


def main():
    """Write for each case what both sides have told."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    for way in ("managed", "p2p"):
        for case, (flags, script) in CASES.items():
            nodes = [NodeSpec(name, memory=4096, cpus=4) for name in ("A", "B")]
            with FakeLibvirt(FakeCluster.in_memory(*nodes)) as front:
                pair = Pair(front.cluster, front)
                listener = Listener(pair)
                domain = pair.domain(running=case != "offline")
                if script:
                    pair.cluster.script_migration("web1", **script)
                listener.until_now(pair)
                try:
                    pair.move(domain, way, flags)
                except libvirt.libvirtError as error:
                    sys.stdout.write(f"{way} {case}: {error}\n")
                else:
                    sys.stdout.write(f"{way} {case}: it works\n")
                sides = listener.until_now(pair)
                sys.stdout.write(f"{way} {case}: A {' · '.join(sides[0])} | B {' · '.join(sides[1])}\n")


if __name__ == "__main__":
    main()
