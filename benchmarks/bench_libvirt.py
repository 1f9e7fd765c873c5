"""What a libvirt client waits for, at the front and at a real libvirtd, by one binding, side by side.

    python benchmarks/bench_libvirt.py [--rounds N] [--libvirtd PATH] [--backend NAME]

The real one is Debian's, with libvirt's own test driver, on a unix socket in a folder of this program's own;
no daemon of the machine's is used. The package libvirt-daemon has it, installed or unpacked by ``dpkg -x``.

In each round each operation is timed at both, in random order; shown are medians, and the ratio with its
10 % and 90 %; a list is one of 100.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from operator import truediv
from pathlib import Path
from typing import Any, Final

import libvirt
from figures import Ratio, Target, print_table, short

from pytest_fakehv import FakeCluster
from pytest_fakehv.fronts.libvirt import FakeLibvirt

LISTED: Final = 100
TARGET: Final = 1.0

UUID: Final = "11111111-2222-4333-8444-{:012d}"

DOMAIN: Final = """
<domain type='{kind}'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>1048576</memory>
  <vcpu>2</vcpu>
  <os><type arch='{arch}'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><source file='/guest.img'/><target dev='vda' bus='virtio'/></disk>
    <interface type='user'><mac address='52:54:00:11:22:33'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""


class Host:
    """A host, and what is timed of it."""

    def __init__(self, uri: str, kind: str, arch: str, listed: int = LISTED) -> None:
        self.uri, self._kind, self._arch, self._listed = uri, kind, arch, listed
        self._connection = libvirt.open(uri)
        for number in range(listed):
            self._connection.defineXML(self._xml(number)).create()
        self._domain = self._connection.lookupByName("guest0")
        self._new = self._xml(listed)
        self._numbers = count(listed + 1)

    def _xml(self, number: int) -> str:
        name, uuid = f"guest{number}", UUID.format(number)
        return DOMAIN.format(kind=self._kind, arch=self._arch, name=name, uuid=uuid)

    @property
    def operations(self) -> dict[str, tuple[Callable[[], Any], int]]:
        """What is timed, and how often in a round."""
        return {
            "lookup": (lambda: self._connection.lookupByName("guest0"), 300),
            "info": (self._domain.info, 300),
            "list": (lambda: self._connection.listAllDomains(0), max(3, 3000 // self._listed)),
            "define, undefine": (self._define, 30),
            "the same, each time another text": (self._define_another, 30),
            "create, destroy": (self._create, 30),
            "open, close": (lambda: libvirt.open(self.uri).close(), 30),
        }

    def clear(self) -> None:
        """Leave no domain."""
        for domain in self._connection.listAllDomains(0):
            domain.destroy()
            domain.undefine()

    def _define(self) -> None:
        self._connection.defineXML(self._new).undefine()

    def _define_another(self) -> None:
        self._connection.defineXML(self._xml(next(self._numbers))).undefine()

    def _create(self) -> None:
        self._connection.createXML(self._new, 0).destroy()


@contextmanager
def real(libvirtd: str) -> Iterator[str]:
    """Run a libvirtd meanwhile; yield the URI of its test driver."""
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        settings = Path(folder, "libvirtd.conf")
        settings.write_text(
            f'unix_sock_dir = "{folder}"\nauth_unix_rw = "none"\nauth_unix_ro = "none"\n'
            "listen_tls = 0\nlisten_tcp = 0\n"
        )
        command = [libvirtd, "--config", str(settings), "--pid-file", f"{folder}/pid"]
        # The test driver is built in; what manages the machine itself is not loaded.
        env = {**os.environ, "LIBVIRT_DRIVER_DIR": folder}
        output = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=output, stderr=output, env=env) as daemon:
            socket = Path(folder, "libvirt-sock")
            try:
                while not socket.exists():
                    if daemon.poll() is not None:
                        raise SystemExit(f"{libvirtd} ended with {daemon.returncode}")
                    time.sleep(0.05)
                yield f"test+unix:///default?socket={socket}"
            finally:
                daemon.terminate()


def main() -> None:
    """Time, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--libvirtd", default=shutil.which("libvirtd") or "/usr/sbin/libvirtd")
    parser.add_argument("--backend", choices=["memory", "files"], default="memory")
    given = parser.parse_args()
    libvirt.registerErrorHandler(lambda *_: None, None)
    with tempfile.TemporaryDirectory() as folder, real(given.libvirtd) as uri:
        cluster = FakeCluster.in_memory() if given.backend == "memory" else FakeCluster(folder)
        with FakeLibvirt(cluster) as front:
            hosts = {"real": Host(uri, "test", "x86_64"), "ours": Host(front.uri("node1"), "kvm", "x86_64")}
            every = timed(hosts, given.rounds)
    print_table(
        ["microseconds, medians", "ours", "a real libvirtd", "ratio", "at most", ""],
        (
            [
                operation,
                *(short(statistics.median(found[name])) for name in ("ours", "real")),
                *Target.of("", Ratio.of(map(truediv, found["ours"], found["real"])), TARGET).row()[1:],
            ]
            for operation, found in every.items()
        ),
    )


def timed(hosts: dict[str, Host], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Time each operation at each host, in turn; return microseconds by operation and host, by the round."""
    operations = {name: host.operations for name, host in hosts.items()}
    generator = random.Random(1)
    every: dict[str, dict[str, list[float]]] = {}
    for operation in next(iter(operations.values())):
        found = every[operation] = {name: [] for name in hosts}
        for _ in range(rounds):
            for name in generator.sample([*hosts], len(hosts)):
                function, times = operations[name][operation]
                began = time.perf_counter()
                for _ in range(times):
                    function()
                found[name].append((time.perf_counter() - began) / times * 1e6)
    return every


if __name__ == "__main__":
    main()
