"""17. A backup: test code that reads a running domain's disk out, and puts everything back as it was.

You learn to

- test the whole round of a snapshot beside a disk: the guest goes on in an overlay, its file is read, and the
  overlay is committed back, which takes its time on the cluster's clock;
- let the round fail at each of its steps: ``fault`` on a volume, on a stream, on a job;
- ask what is left: the chain of files in a domain's XML, and volumes that nobody uses.

As example 12, it needs libvirt's Python binding, and is skipped without.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("libvirtmod", reason="needs libvirt-python: pip install 'pytest-fakehv[libvirt]'")

import libvirt

if TYPE_CHECKING:
    from pytest_fakehv import FakeCluster
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

# The code under test: in your project it is a module of its own.

SNAPSHOT = """
<domainsnapshot>
  <name>backup</name>
  <disks><disk name='vda' snapshot='external'><source file='{overlay}'/></disk></disks>
</domainsnapshot>
"""

ALONE = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
)


def source(domain: Any) -> str:
    """Return the file that a domain's disk is written to."""
    return str(re.findall(r"<source file='([^']*)'", domain.XMLDesc())[0])


def read_out(connection: Any, path: str) -> bytes:
    """Return what is in a volume."""
    parts: list[bytes] = []
    stream = connection.newStream()
    connection.storageVolLookupByPath(path).download(stream, 0, 0)
    stream.recvAll(lambda _stream, data, found: found.append(data), parts)
    stream.finish()
    return b"".join(parts)


def put_back(connection: Any, domain: Any, overlay: str) -> None:
    """Bring what was written meanwhile into the disk's own file, and delete the overlay."""
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
    domain.blockCommit("vda", None, None, 0, flags)
    while (info := domain.blockJobInfo("vda")) and info["cur"] < info["end"]:
        pass  # each question takes a second of the cluster's clock; in production, sleep here
    domain.blockJobAbort("vda", libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
    disk = connection.storageVolLookupByPath(source(domain))
    disk.storagePoolLookupByVolume().refresh()  # which has not heard of the overlay yet
    connection.storageVolLookupByPath(overlay).delete()


def naive_backup(uri: str, name: str) -> bytes:
    """Return what was in a running domain's disk at one moment."""
    connection = libvirt.open(uri)
    domain = connection.lookupByName(name)
    disk = source(domain)
    overlay = f"{disk}.backup"
    domain.snapshotCreateXML(SNAPSHOT.format(overlay=overlay), ALONE)
    content = read_out(connection, disk)
    put_back(connection, domain, overlay)
    return content


def backup(uri: str, name: str) -> bytes:
    """Return the same; whatever happens, the domain does not stay in the overlay."""
    connection = libvirt.open(uri)
    domain = connection.lookupByName(name)
    disk = source(domain)
    overlay = f"{disk}.backup"
    domain.snapshotCreateXML(SNAPSHOT.format(overlay=overlay), ALONE)
    try:
        return read_out(connection, disk)
    finally:
        try:
            put_back(connection, domain, overlay)
        except libvirt.libvirtError:
            with suppress(libvirt.libvirtError):  # it may not have begun
                domain.blockJobAbort("vda", 0)
            put_back(connection, domain, overlay)


# The tests

Backup = Callable[[str, str], bytes]
URI = "qemu+ssh://node1/system"
DISK = "/var/lib/libvirt/images/images/db1.img"
CONTENT = b"a guest's files" * 1000

every = pytest.mark.parametrize("backup", [naive_backup, backup])

DB1 = f"""
<domain type='qemu'>
  <name>db1</name>
  <memory unit='MiB'>512</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{DISK}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def cluster(fakehv_libvirt: "FakeLibvirt") -> "FakeCluster":
    """A host with a pool, and a domain that runs on a volume of it."""
    libvirt.registerErrorHandler(lambda *_: None, None)  # libvirt shall not print what it raises
    fakehv_libvirt.add_pool("images", capacity="100G")
    connection = libvirt.open(URI)
    pool = connection.storagePoolLookupByName("images")
    size = len(CONTENT)
    volume = pool.createXML(f"<volume><name>db1.img</name><capacity unit='bytes'>{size}</capacity></volume>")
    stream = connection.newStream()
    volume.upload(stream, 0, size)
    stream.sendAll(lambda _stream, _size, left: left.pop(0) if left else b"", [CONTENT])
    stream.finish()
    connection.defineXML(DB1).create()
    return fakehv_libvirt.cluster


def is_as_before() -> bool:
    """Tell whether the domain is written to its own file, and no other one is in the pool."""
    connection = libvirt.open(URI)
    pool = connection.storagePoolLookupByName("images")
    pool.refresh()
    return source(connection.lookupByName("db1")) == DISK and pool.listVolumes() == ["db1.img"]


@every
def test_a_disk_is_read_while_its_domain_runs(cluster: "FakeCluster", backup: Backup) -> None:
    """The usual case."""
    assert backup(URI, "db1") == CONTENT
    assert is_as_before()
    cluster.assert_running("db1", on="node1")


@every
def test_a_job_takes_its_time(cluster: "FakeCluster", backup: Backup) -> None:
    """A commit isn't done as soon as it has begun."""
    job = {"type": libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_ACTIVE_COMMIT, "bandwidth": 0, "cur": 1, "end": 2}
    cluster.fault("virDomainGetBlockJobInfo", result=job, times=3)
    assert backup(URI, "db1") == CONTENT
    assert is_as_before()


def test_the_naive_version_leaves_the_domain_in_the_overlay(cluster: "FakeCluster") -> None:
    """The next backup lays another one over that, and so on."""
    cluster.fault(
        "virStorageVolDownload", volume="db1.img", code="OPERATION_FAILED", error="the target is full"
    )
    with pytest.raises(libvirt.libvirtError, match="the target is full"):
        naive_backup(URI, "db1")
    assert source(libvirt.open(URI).lookupByName("db1")) == f"{DISK}.backup"


STEPS = {
    "the volume can't be read": "virStorageVolDownload",
    "the commit can't begin": "virDomainBlockCommit",
    "nobody knows how far it is": "virDomainGetBlockJobInfo",
    "the pivot fails": "virDomainBlockJobAbort",
}


@pytest.mark.parametrize("method", STEPS.values(), ids=STEPS)
def test_the_other_puts_everything_back(cluster: "FakeCluster", method: Any) -> None:
    """Wherever it fails once."""
    cluster.fault(method, code="OPERATION_FAILED", error="try again", times=1)
    with suppress(libvirt.libvirtError):
        backup(URI, "db1")
    assert is_as_before()


@every
def test_what_can_not_be_snapshot_is_left_alone(cluster: "FakeCluster", backup: Backup) -> None:
    """Then nothing has to be put back."""
    cluster.fault("virDomainSnapshotCreateXML", code="OPERATION_FAILED", error="no space left on device")
    with pytest.raises(libvirt.libvirtError, match="no space left on device"):
        backup(URI, "db1")
    assert is_as_before()
