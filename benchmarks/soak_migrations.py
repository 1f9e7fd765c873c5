"""Migrate by libvirt again and again, watched on the same connection; every run ends, and all end alike.

    python benchmarks/soak_migrations.py [--runs N] [--shared N]

First 400 runs (``--runs``) of one scripted migration, half of them with a thread that polls the job on a
connection of its own, as virsh does: results, end states, definitions and what the cluster says must be the
same in all. Shown is how many different series of figures the pollers have seen.

Then 2,000 migrations (``--shared``) whose job is polled on the very connection that migrates, which is what
loses libvirt's client its wake-ups: none may stall.

A run that ends otherwise than the first, and one that takes 30 seconds, make the exit status 1.
"""

import argparse
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import libvirt

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LONGEST: Final = 30
"""Seconds of the machine's time that a migration may take, which takes milliseconds."""

DOMAIN: Final = (
    "<domain type='kvm'><name>web1</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>"
    "<os><type>hvm</type></os></domain>"
)

FLAGS: Final = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
)


class Stalled(SystemExit):
    """A migration did not end."""


def begun(function: Callable[[], Any]) -> threading.Thread:
    """Do something in another thread."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread, which: str) -> None:
    """Wait for a thread.

    Raises:
        Stalled: it doesn't end.
    """
    thread.join(LONGEST)
    if thread.is_alive():
        raise Stalled(f"{which} has stalled")


def state(connection: libvirt.virConnect) -> tuple[Any, ...]:
    """Return what a host has."""
    return tuple((each.name(), *each.state(), each.isPersistent()) for each in connection.listAllDomains())


def one_run(number: int, *, is_polled: bool) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Migrate once, on a cluster of its own; return how that ended, and what the poller saw."""
    cluster = FakeCluster.in_memory(NodeSpec("node1"), NodeSpec("node2"))
    seen: list[int] = []
    with FakeLibvirt(cluster) as front:
        source, target = (libvirt.open(front.uri(node)) for node in ("node1", "node2"))
        domain = source.defineXML(DOMAIN)
        domain.create()
        cluster.script_migration("web1", bandwidth=128, dirty_rate=32)
        over = threading.Event()

        def poll() -> None:
            watched = libvirt.open(front.uri("node1")).lookupByName("web1")
            while not over.is_set():
                try:
                    if (job := watched.jobStats())["type"] != libvirt.VIR_DOMAIN_JOB_NONE:
                        seen.append(job["memory_remaining"])
                except libvirt.libvirtError:  # it is gone
                    return

        poller = begun(poll) if is_polled else None
        mover = begun(lambda: domain.migrate3(target, {}, FLAGS))
        ended(mover, f"run {number}")
        over.set()
        if poller:
            ended(poller, f"the poller of run {number}")
        cluster.assert_consistent()
        (migration,) = cluster.migrations
        return (state(source), state(target), migration.outcome), tuple(dict.fromkeys(seen))


def shared(migrations: int) -> None:
    """Migrate to and fro on two connections that are polled meanwhile by another thread each."""
    cluster = FakeCluster.in_memory(NodeSpec("node1"), NodeSpec("node2"), max_calls=10**9)
    with FakeLibvirt(cluster) as front:
        hosts = [libvirt.open(front.uri(node)) for node in ("node1", "node2")]
        hosts[0].createXML(DOMAIN)
        for number in range(migrations):
            source, target = hosts[number % 2], hosts[1 - number % 2]
            domain = source.lookupByName("web1")
            mover = begun(lambda: domain.migrate3(target, {}, libvirt.VIR_MIGRATE_LIVE))  # noqa: B023
            while mover.is_alive():
                try:
                    domain.jobInfo()
                except libvirt.libvirtError:  # it is gone
                    break
            ended(mover, f"migration {number} on a shared connection")
            if not target.lookupByName("web1").isActive():
                raise SystemExit(f"migration {number} on a shared connection has lost web1")


def main() -> None:
    """Run, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--shared", type=int, default=2000)
    given = parser.parse_args()
    libvirt.registerErrorHandler(lambda *_: None, None)
    ends: Counter[tuple[Any, ...]] = Counter()
    seen: Counter[tuple[int, ...]] = Counter()
    for number in range(given.runs):
        is_polled = number % 2 == 0
        end, figures = one_run(number, is_polled=is_polled)
        ends[end] += 1
        if is_polled:
            seen[figures] += 1
    (commonest, often), *_ = ends.most_common(1)
    print(f"{given.runs} runs, half of them polled: {len(ends)} ends, {often} times {commonest}")
    figures, often = seen.most_common(1)[0]
    print(f"what the pollers saw: {len(seen)} different series, {often} times {figures}")
    shared(given.shared)
    print(f"{given.shared} migrations on shared connections: none stalled")
    if len(ends) > 1:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
