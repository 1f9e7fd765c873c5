"""What migrations through the libvirt front cost, and that each costs the same however many there are.

    python benchmarks/bench_drain.py [--rounds N]

The first table has one unscripted migration by each way, beside a lookup of a domain by the same client at
the same time. The second has a test of pytest, with the fixture, whose code drains a node of 10, 100 and
1,000 domains by `migrateToURI3`: seconds of the test's own, and what each domain takes beside one of 10.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import libvirt

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

DOMAIN: Final = (
    "<domain type='kvm'><name>{}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
    "<os><type>hvm</type></os></domain>"
)

LOOKUPS: Final = 20
"""So many at a time, as one takes so little."""

SIZES: Final = (10, 100, 1000)

TEST: Final = """
import libvirt
import pytest

FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_PERSIST_DEST
NAMES = [f"web{{number}}" for number in range({size})]


@pytest.fixture
def full(fakehv_libvirt):
    for name in NAMES:
        fakehv_libvirt.cluster.add_instance(name, node="node1", memory=16)


@pytest.mark.usefixtures("full")
def test_drain():
    node1, node2 = map(libvirt.open, ["qemu+ssh://node1/system", "qemu+ssh://node2/system"])
    for domain in node1.listAllDomains():
        domain.migrateToURI3("qemu+ssh://node2/system", {{}}, FLAGS | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE)
    assert len(node2.listAllDomains()) == {size}
"""


def timed(function: Callable[[], object]) -> float:
    """Return how long it takes, in ms."""
    began = time.perf_counter()
    function()
    return (time.perf_counter() - began) * 1000


def one(rounds: int) -> None:
    """Time one migration, to and fro, by each way."""
    cluster = FakeCluster.in_memory(NodeSpec("node1"), NodeSpec("node2"))
    with FakeLibvirt(cluster) as front:
        uris = front.uri("node1"), front.uri("node2")
        hosts = [libvirt.open(uri) for uri in uris]
        hosts[0].createXML(DOMAIN.format("web1"))
        live, direct = libvirt.VIR_MIGRATE_LIVE, libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
        ways: dict[str, Callable[[libvirt.virDomain, int], object]] = {
            "managed": lambda domain, to: domain.migrate3(hosts[to], {}, live),
            "peer to peer": lambda domain, to: domain.migrateToURI3(uris[to], {}, direct),
        }
        print("| milliseconds, medians | a migration | times a lookup (quartiles) |")
        print("| --- | --- | --- |")
        at = 0
        for name, way in ways.items():
            taken, ratios = [], []
            for _ in range(rounds):
                domain = hosts[at].lookupByName("web1")
                taken.append(timed(lambda: way(domain, 1 - at)))  # noqa: B023
                at = 1 - at
                lookup = timed(lambda: [hosts[at].lookupByName("web1") for _ in range(LOOKUPS)])  # noqa: B023
                ratios.append(taken[-1] / lookup * LOOKUPS)
            low, middle, high = statistics.quantiles(ratios, n=4)
            print(f"| {name} | {statistics.median(taken):.2f} | {middle:.0f} ({low:.0f} to {high:.0f}) |")


def many() -> None:
    """Time drains in tests."""
    print("\n| domains | the test, s | a domain, ms | beside one of 10 |")
    print("| --- | --- | --- | --- |")
    first = 0.0
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_drain.py").write_text(TEST.format(size=size))
            command = (
                sys.executable,
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "--durations=0",
                "-vv",
                folder,
            )
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        found = re.search(r"([\d.]+)s call +\S*test_drain", done.stdout)
        if done.returncode or not found:
            raise SystemExit(done.stdout)
        seconds = float(found[1])
        each = seconds / size
        first = first or each
        print(f"| {size} | {seconds:.2f} | {each * 1000:.2f} | {each / first:.2f} |", flush=True)


def main() -> None:
    """Time, and print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    libvirt.registerErrorHandler(lambda *_: None, None)
    one(given.rounds)
    many()


if __name__ == "__main__":
    main()
