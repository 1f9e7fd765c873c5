"""What `bench_peers.py` compares: raw calls, this project's fake on each of its backends, and its peers.

Each contender is a number of running instances, and the six operations on them; it is made by a function
that takes an empty directory and that number.
"""

import fcntl
import gc
import os
from collections.abc import Callable, Sized
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Protocol, cast

from pytest_fakehv import FakeCluster, FakeHypervisor, Instance
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.root import Root

NEWCOMER = "web1"
MEMORY, BALLOONED, VCPUS = 1024, 512, 2
CONTENT = b"0\n1024\n2\n"
BALLOONED_CONTENT = b"0\n512\n2\n"

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
REWRITE = os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_CLOEXEC


def name_of(number: int) -> str:
    """Return the name of one of the instances that run all the time."""
    return f"instance{number}"


class Contender(Protocol):
    """That many running instances, and what is timed: operations on one more, and looks at all."""

    def start(self) -> object:
        """Start one more instance, of 1024 MiB and 2 CPUs."""

    def balloon(self) -> object:
        """Change its memory."""

    def info(self) -> object:
        """Return its figures."""

    def stop(self) -> object:
        """Stop it."""

    def list(self) -> Sized:
        """Return the names of all."""

    def list_all(self) -> Sized:
        """Return the figures of all."""

    def tidy(self) -> None:
        """Forget what the operations left in memory; not timed."""


class RawCalls:
    """The least that each operation must do: create a file that must not exist, write it, close it."""

    def __init__(self, os_module: Any, directory: str, running: int) -> None:
        self._os = os_module
        self._directory = directory
        self._path = f"{directory}/{NEWCOMER}"
        for number in range(running):
            self._write(f"{directory}/{name_of(number)}", CREATE, CONTENT)

    def start(self) -> None:
        """Create the file."""
        self._write(self._path, CREATE, CONTENT)

    def balloon(self) -> None:
        """Rewrite it in place."""
        self._write(self._path, REWRITE, BALLOONED_CONTENT)

    def info(self) -> bytes:
        """Read it."""
        return self._read(NEWCOMER)

    def stop(self) -> None:
        """Remove it."""
        self._os.unlink(self._path)

    def list(self) -> list[str]:
        """List the directory."""
        return cast("list[str]", self._os.listdir(self._directory))

    def list_all(self) -> Sized:
        """List the directory, and read each file."""
        return [self._read(name) for name in self._os.listdir(self._directory)]

    def tidy(self) -> None:
        """Nothing is left."""

    def _write(self, path: str, flags: int, content: bytes) -> None:
        descriptor = self._os.open(path, flags, 0o644)
        self._os.write(descriptor, content)
        self._os.close(descriptor)

    def _read(self, name: str) -> bytes:
        descriptor = self._os.open(f"{self._directory}/{name}", READ)
        content: bytes = self._os.read(descriptor, 256)
        self._os.close(descriptor)
        return content


class AtomicRawCalls(RawCalls):
    """The same, but nobody sees a half-written file, and only regular files are listed.

    Its stop and its info are those of `RawCalls`: what is printed of them shows how well the measurement
    can tell things apart.
    """

    _numbers: "ClassVar[count[int]]" = count()

    def start(self) -> None:
        """Link the file once it is written."""
        temporary = self._temporary(CONTENT)
        self._os.link(temporary, self._path)
        self._os.unlink(temporary)

    def balloon(self) -> None:
        """Rename another one over it."""
        self._os.replace(self._temporary(BALLOONED_CONTENT), self._path)

    def list(self) -> "list[str]":
        """List the regular files."""
        with self._os.scandir(self._directory) as entries:
            return [each.name for each in entries if each.is_file(follow_symlinks=False)]

    def list_all(self) -> Sized:
        """List the regular files, and read each."""
        return [self._read(name) for name in self.list()]

    def _temporary(self, content: bytes) -> str:
        path = f"{self._directory}/\n{next(self._numbers)}"
        self._write(path, CREATE, content)
        return path


class SafeRawCalls(AtomicRawCalls):
    """The same, and safe between processes, as ours are: whoever replaces or removes locks the directory.

    The lock's descriptor stays open; so it is seen under the lock whether that is still the directory. What
    is ballooned is read first: a rename would bring back what another process has just stopped.
    """

    def __init__(self, os_module: Any, directory: str, running: int) -> None:
        super().__init__(os_module, directory, running)
        self._lock = os_module.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def balloon(self) -> None:
        """Do so under the lock, if it is there."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._os.stat(self._directory)
        self._read(NEWCOMER)
        super().balloon()
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def stop(self) -> None:
        """Do so under the lock."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._os.stat(self._directory)
        super().stop()
        fcntl.flock(self._lock, fcntl.LOCK_UN)


class Ours:
    """A node of a cluster, as a test has it: with its journal, its invariants, and faults at its door."""

    def __init__(self, node: FakeHypervisor) -> None:
        self._node = node
        self._instance = node.instance(NEWCOMER, memory=MEMORY, vcpus=VCPUS)

    def start(self) -> None:
        """Start it."""
        self._node.StartInstance(self._instance, [], False)

    def balloon(self) -> None:
        """Balloon it."""
        self._node.BalloonInstanceMemory(self._instance, BALLOONED)

    def info(self) -> object:
        """Return its figures."""
        return self._node.GetInstanceInfo(NEWCOMER)

    def stop(self) -> None:
        """Stop it."""
        self._node.StopInstance(self._instance)

    def list(self) -> Sized:
        """Return the names."""
        return self._node.ListInstances()

    def list_all(self) -> Sized:
        """Return all figures."""
        return self._node.GetAllInstancesInfo()

    def tidy(self) -> None:
        """Empty the journal, which keeps the results of all calls."""
        self._node.journal.clear()

    @classmethod
    def on_files(cls, directory: Path, running: int) -> "Ours":
        """Keep the instances' files on the disk."""
        return cls(_filled(_node(Root.at(directory / "cluster")), running))

    @classmethod
    def in_private_pyfakefs(cls, _directory: Path, running: int) -> "Ours":
        """Keep them in a fake filesystem of their own."""
        fake_os = new_fake_os()
        node = _node(Root(lambda: (PrivateDisk(fake_os), "/fakehv")))
        # Written as a foreign program would: 100,000 starts take long where a start counts the entries.
        RawCalls(fake_os, node.root, running)
        return cls(node)

    @classmethod
    def in_memory(cls, _directory: Path, running: int) -> "Ours":
        """Keep no files."""
        return cls(_filled(node_in_memory(), running))


_NO_LIMIT: Any = {"max_calls": 2**62} if "max_calls" in signature(FakeCluster).parameters else {}
"""What a cluster takes that is called for minutes; not every version has it."""


def _node(root: Root) -> FakeHypervisor:
    return FakeCluster(root, **_NO_LIMIT)["node1"]


def _filled(node: FakeHypervisor, running: int) -> FakeHypervisor:
    for number in range(running):
        node.add_instance(name_of(number), memory=MEMORY, vcpus=VCPUS)
    return node


def node_in_memory() -> FakeHypervisor:
    """Return a node of the backend "memory"."""
    cluster: Any = FakeCluster  # which has no such backend in every version
    node: FakeHypervisor = cluster.in_memory(**_NO_LIMIT)["node1"]
    return node


def bytes_in_memory(running: int, how: str) -> float:
    """Return how many bytes of this process's memory each of so many instances takes, its name included.

    Args:
        running: how many.
        how: "added" by the test, or "started" through the interface; the journal of that is not counted.
    """
    node = node_in_memory()
    before = _resident()
    if how == "added":
        _filled(node, running)
    else:
        beparams = {"minmem": MEMORY, "maxmem": MEMORY, "vcpus": VCPUS}
        for number in range(running):
            node.StartInstance(Instance(name_of(number), beparams=beparams), [], False)
            node.journal.clear()
    gc.collect()
    size = _resident() - before
    assert len(node.ListInstances()) == running
    return size / running


def _resident() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def new_fake_os() -> Any:
    """Return the `os` module of a new pyfakefs filesystem."""
    fake_filesystem = import_module("pyfakefs.fake_filesystem")
    return import_module("pyfakefs.fake_os").FakeOsModule(fake_filesystem.FakeFilesystem())


class GanetisFake:
    """Ganeti's own fake hypervisor."""

    def __init__(self, directory: Path, running: int) -> None:
        module = import_module("ganeti.hypervisor.hv_fake")
        root = str(directory / "root")
        self._hypervisor: Any = type("Fake", (module.FakeHypervisor,), {"_ROOT_DIR": root})()
        beparams = {"minmem": MEMORY, "maxmem": MEMORY, "vcpus": VCPUS}
        self._instance = SimpleNamespace(
            name=NEWCOMER, hvparams={"migration_mode": "live"}, beparams=beparams
        )
        RawCalls(os, root, running)  # its own starts would take days

    def start(self) -> None:
        """Start it."""
        self._hypervisor.StartInstance(self._instance, [], False)

    def balloon(self) -> None:
        """Balloon it."""
        self._hypervisor.BalloonInstanceMemory(self._instance, BALLOONED)

    def info(self) -> object:
        """Return its figures."""
        return self._hypervisor.GetInstanceInfo(NEWCOMER)

    def stop(self) -> None:
        """Stop it."""
        self._hypervisor.StopInstance(self._instance)

    def list(self) -> Sized:
        """Return the names."""
        return cast("Sized", self._hypervisor.ListInstances())

    def list_all(self) -> Sized:
        """Return all figures."""
        return cast("Sized", self._hypervisor.GetAllInstancesInfo())

    def tidy(self) -> None:
        """Nothing is left."""


class LibvirtsTestDriver:
    """The test driver of libvirt, on a host of its own, which ``test:///default`` would share."""

    DOMAIN: ClassVar = """
        <domain type='test'>
          <name>{name}</name> <memory unit='MiB'>{memory}</memory> <vcpu>{vcpus}</vcpu>
          <os><type>hvm</type></os>
        </domain>"""

    def __init__(self, directory: Path, running: int) -> None:
        libvirt = import_module("libvirt")
        host = directory / "host.xml"
        host.write_text("<node/>")
        self._connection: Any = libvirt.open(f"test://{host}")
        self._running = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
        self._newcomer = self._xml(NEWCOMER)
        for number in range(running):
            self._connection.createXML(self._xml(name_of(number)))

    def _xml(self, name: str) -> str:
        return self.DOMAIN.format(name=name, memory=MEMORY, vcpus=VCPUS)

    def start(self) -> None:
        """Start it from its XML."""
        self._connection.createXML(self._newcomer)

    def balloon(self) -> None:
        """Look it up, and set its memory, in KiB."""
        self._connection.lookupByName(NEWCOMER).setMemory(BALLOONED * 1024)

    def info(self) -> object:
        """Look it up, and return its figures."""
        return self._connection.lookupByName(NEWCOMER).info()

    def stop(self) -> None:
        """Look it up, and stop it."""
        self._connection.lookupByName(NEWCOMER).destroy()

    def list(self) -> Sized:
        """Return the names."""
        return [each.name() for each in self._connection.listAllDomains(self._running)]

    def list_all(self) -> Sized:
        """Return all figures."""
        return [(each.name(), each.info()) for each in self._connection.listAllDomains(self._running)]

    def tidy(self) -> None:
        """Nothing is left."""


def raw_calls(directory: Path, running: int) -> RawCalls:
    """Make the yardstick."""
    return RawCalls(os, _as_deep(directory), running)


def atomic_raw_calls(directory: Path, running: int) -> AtomicRawCalls:
    """Make the yardstick for calls that nobody sees half done."""
    return AtomicRawCalls(os, _as_deep(directory), running)


def safe_raw_calls(directory: Path, running: int) -> SafeRawCalls:
    """Make the yardstick for calls that give the same guarantees as ours."""
    return SafeRawCalls(os, _as_deep(directory), running)


def _as_deep(directory: Path) -> str:
    """Make a directory as far below the given one as ours is: each folder on the way costs a call some."""
    directory = directory / "cluster" / "node1"
    directory.mkdir(parents=True)
    return str(directory)


def raw_calls_in_pyfakefs(_directory: Path, running: int) -> RawCalls:
    """Make the yardstick for a private pyfakefs root."""
    fake_os = new_fake_os()
    fake_os.makedirs("/cluster/node1")  # as deep as ours
    return RawCalls(fake_os, "/cluster/node1", running)


@dataclass(frozen=True)
class Kind:
    """A contender of any number of instances.

    Attributes:
        name: in the tables.
        make: makes one in an empty directory.
        needs: the module without which there is none.
        how_to_get: the commands that get it.
    """

    name: str
    make: Callable[[Path, int], Contender]
    needs: str = "os"
    how_to_get: str = ""

    @property
    def absence(self) -> str | None:
        """Why there is none here; None if there is."""
        try:
            import_module(self.needs)
        except ImportError as error:
            return str(error)
        return None


RAW = Kind("raw system calls", raw_calls)
ATOMIC = Kind("raw system calls, atomic", atomic_raw_calls)
SAFE = Kind("raw system calls, atomic and locked", safe_raw_calls)
PYFAKEFS = Kind("raw calls, pyfakefs's fake os", raw_calls_in_pyfakefs)
ON_FILES = Kind("ours, files", Ours.on_files)
IN_PYFAKEFS = Kind("ours, private pyfakefs", Ours.in_private_pyfakefs)
IN_MEMORY = Kind(
    "ours, memory",
    Ours.in_memory,
    needs="pytest_fakehv.storage.memory",
    how_to_get="pip install -U pytest-fakehv",
)
GANETI = Kind(
    "Ganeti's own fake",
    GanetisFake,
    needs="ganeti.hypervisor.hv_fake",
    how_to_get="""\
apt-get download ganeti-3.0 && dpkg-deb -x ganeti-3.0_*.deb ganeti
pip install simplejson pyparsing pyOpenSSL pycurl paramiko bitarray psutil pyinotify
export PYTHONPATH=ganeti/usr/share/ganeti/3.0""",
)
LIBVIRT = Kind(
    "libvirt's test driver",
    LibvirtsTestDriver,
    needs="libvirt",
    how_to_get="""\
apt-get install python3-libvirt
/usr/bin/python3 -m venv --system-site-packages with-libvirt && with-libvirt/bin/pip install -e .""",
)
