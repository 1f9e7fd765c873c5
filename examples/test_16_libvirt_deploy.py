"""16. A deployer: test code that makes a volume of an image, installs a domain on it, and tells its address.

You learn to

- have a storage pool on a host: the marker ``fakehv_pool``, and a volume with content in it;
- let a function of one volume fail, a host run out of space, or a guest without an address: ``fault``;
- see what a failed deployment leaves behind: the invariant ``orphaned``, which ``forbid`` asks for.

As example 12, it needs libvirt's Python binding, and is skipped without.
"""

import time
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

Sleep = Callable[[float], None]

GIB = 2**30
TRIES = 30
"""For how many seconds a guest may be without an address."""

VOLUME = """
<volume>
  <name>{name}.qcow2</name>
  <capacity>{size}</capacity>
  <target><format type='qcow2'/></target>
  <backingStore><path>{image}</path><format type='raw'/></backingStore>
</volume>
"""

DOMAIN = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'><source network='default'/></interface>
  </devices>
</domain>
"""


def upload(connection: Any, pool: Any, name: str, content: bytes) -> Any:
    """Make a volume of an image that is here, and return it."""
    volume = pool.createXML(
        f"<volume><name>{name}</name><capacity unit='bytes'>{len(content)}</capacity></volume>"
    )
    stream = connection.newStream()
    volume.upload(stream, 0, len(content))
    stream.sendAll(lambda _stream, _size, left: left.pop(0) if left else b"", [content])
    stream.finish()
    return volume


def address(domain: Any, sleep: Sleep) -> str:
    """Wait until a guest has an address, and return it."""
    for _ in range(TRIES):
        found = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
        for interface in found.values():
            return str(interface["addrs"][0]["addr"])
        sleep(1)
    raise TimeoutError(f"{domain.name()} has no address")


def naive_deploy(uri: str, name: str, memory: int, sleep: Sleep = time.sleep) -> str:
    """Install a domain on a volume of its own, over the image ``base``; return its address."""
    connection = libvirt.open(uri)
    pool = connection.storagePoolLookupByName("images")
    image = pool.storageVolLookupByName("base.img").path()
    disk = pool.createXML(VOLUME.format(name=name, size=10 * GIB, image=image)).path()
    domain = connection.defineXML(DOMAIN.format(name=name, memory=memory, disk=disk))
    domain.create()
    return address(domain, sleep)


def deploy(uri: str, name: str, memory: int, sleep: Sleep = time.sleep) -> str:
    """Do so, and leave nothing behind where it does not work."""
    connection = libvirt.open(uri)
    pool = connection.storagePoolLookupByName("images")
    image = pool.storageVolLookupByName("base.img").path()
    volume = pool.createXML(VOLUME.format(name=name, size=10 * GIB, image=image))
    domain = None
    try:
        domain = connection.defineXML(DOMAIN.format(name=name, memory=memory, disk=volume.path()))
        domain.create()
        return address(domain, sleep)
    except (libvirt.libvirtError, TimeoutError):
        if domain:
            with suppress(libvirt.libvirtError):  # it has not started
                domain.destroy()
            domain.undefine()
        volume.delete()
        raise


# The tests

Deploy = Callable[[str, str, int, Sleep], str]
URI = "qemu+ssh://node1/system"

every = pytest.mark.parametrize("deploy", [naive_deploy, deploy])

pytestmark = [
    pytest.mark.fakehv_node("node1", memory="8G", overcommit=False),
    pytest.mark.fakehv_pool("images", capacity="100G"),
    pytest.mark.fakehv(forbid=["orphaned"]),
]


@pytest.fixture
def cluster(fakehv_libvirt: "FakeLibvirt") -> "FakeCluster":
    """A host with a pool, and in it an image, which may be there though nothing uses it."""
    libvirt.registerErrorHandler(lambda *_: None, None)  # libvirt shall not print what it raises
    cluster = fakehv_libvirt.cluster
    connection = libvirt.open(URI)
    pool = connection.storagePoolLookupByName("images")
    volume = upload(connection, pool, "base.img", b"a guest's files" * 1000)
    assert volume.info()[1] == 15000
    cluster.allow("orphaned", volume="base.img")
    return cluster


def left() -> list[str]:
    """What is in the pool, and which domains there are."""
    connection = libvirt.open(URI)
    pool = connection.storagePoolLookupByName("images")
    return [*sorted(pool.listVolumes()), *(each.name() for each in connection.listAllDomains())]


@every
def test_a_domain_is_installed_and_has_an_address(cluster: "FakeCluster", deploy: Deploy) -> None:
    """The usual case."""
    assert deploy(URI, "web1", 1024, cluster.clock.sleep).startswith("192.168.122.")
    cluster.assert_running("web1", on="node1", memory=1024)
    assert left() == ["base.img", "web1.qcow2", "web1"]


@every
def test_an_address_takes_a_while(cluster: "FakeCluster", deploy: Deploy) -> None:
    """A guest has to boot first."""
    cluster.fault("virDomainInterfaceAddresses", result={}, times=5)
    assert deploy(URI, "web1", 1024, cluster.clock.sleep).startswith("192.168.122.")


TOO_LARGE = 16 * 1024


def test_the_naive_version_leaves_its_volume_behind(cluster: "FakeCluster") -> None:
    """The host has no memory for it, and the next try finds a volume of that name."""
    cluster.allow("orphaned")  # so that this test may show it
    with pytest.raises(libvirt.libvirtError, match="cannot set up guest memory"):
        naive_deploy(URI, "web1", TOO_LARGE, cluster.clock.sleep)
    assert left() == ["base.img", "web1.qcow2", "web1"]
    with pytest.raises(libvirt.libvirtError, match=r"storage volume 'web1\.qcow2' exists already"):
        naive_deploy(URI, "web1", 1024, cluster.clock.sleep)


def test_the_other_leaves_nothing(cluster: "FakeCluster") -> None:
    """So it can be tried again."""
    with pytest.raises(libvirt.libvirtError, match="cannot set up guest memory"):
        deploy(URI, "web1", TOO_LARGE, cluster.clock.sleep)
    assert left() == ["base.img"]
    assert deploy(URI, "web1", 1024, cluster.clock.sleep).startswith("192.168.122.")


def test_a_guest_without_an_address_is_taken_away(cluster: "FakeCluster") -> None:
    """It never comes up."""
    cluster.fault("virDomainInterfaceAddresses", result={})
    with pytest.raises(TimeoutError, match="web1 has no address"):
        deploy(URI, "web1", 1024, cluster.clock.sleep)
    assert left() == ["base.img"]
    assert cluster.clock.now >= TRIES


def test_a_pool_without_space_has_no_half_of_a_volume(cluster: "FakeCluster") -> None:
    """What the pool refuses has made nothing that would have to be taken away."""
    cluster.fault("virStorageVolCreateXML", volume="web1.qcow2", code="INTERNAL_ERROR", error="no space left")
    with pytest.raises(libvirt.libvirtError, match="no space left"):
        deploy(URI, "web1", 1024, cluster.clock.sleep)
    assert left() == ["base.img"]
