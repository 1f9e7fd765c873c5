"""13. Drain a host by libvirt: test code that moves everything, and leaves nothing behind, nor loses it.

You learn to

- migrate between hosts as your code does it, from peer to peer: ``migrateToURI3``;
- see what the plugin says of a definition that is nowhere any more, without being asked;
- let one migration of several fail: the marker ``fakehv_migration``;
- see what is left a step later: shut down what has moved, and look for it.

As example 12, it needs libvirt's Python binding, and is skipped without.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("libvirtmod", reason="needs libvirt-python: pip install 'pytest-fakehv[libvirt]'")

import libvirt

if TYPE_CHECKING:
    from pytest_fakehv import FakeCluster
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

# The code under test: in your project it is a module of its own.

ACTIVE = libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE
INACTIVE = libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE

LEAVE = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
"""The source sends it, and keeps no definition: it shall not start there again when the host boots."""


def connect(host: str) -> Any:
    """Return a connection to a host."""
    return libvirt.open(uri(host))


def uri(host: str) -> str:
    """Return how a host is reached, from here and from the other hosts."""
    return f"qemu+ssh://{host}/system"


def naive_drain(source: str, target: str) -> list[str]:
    """Move everything from one host to another, and return what has stayed."""
    stayed = []
    for domain in connect(source).listAllDomains(ACTIVE):
        try:
            domain.migrateToURI3(uri(target), {}, LEAVE | libvirt.VIR_MIGRATE_LIVE)
        except libvirt.libvirtError:
            stayed.append(domain.name())
    return stayed


def drain(source: str, target: str) -> list[str]:
    """Move everything from one host to another, also what is shut off, and return what has stayed."""
    # What moves is transient there unless somebody says that it is to be kept.
    settle = LEAVE | libvirt.VIR_MIGRATE_PERSIST_DEST
    stayed = []
    connection = connect(source)
    for listed, how in ((ACTIVE, libvirt.VIR_MIGRATE_LIVE), (INACTIVE, libvirt.VIR_MIGRATE_OFFLINE)):
        for domain in connection.listAllDomains(listed):
            try:
                domain.migrateToURI3(uri(target), {}, settle | how)
            except libvirt.libvirtError:
                stayed.append(domain.name())
    return stayed


# The tests

pytestmark = [
    pytest.mark.fakehv_instance("db1", node="node1", memory=4096),
    pytest.mark.fakehv_instance("web1", node="node1"),
]

Drain = Callable[[str, str], list[str]]

GONE = (
    "the definition of {} is nowhere any more: its migration undefined it on node1, and did not make it "
    "persistent where it went"
)


@pytest.fixture
def cluster(fakehv_libvirt: "FakeLibvirt") -> "FakeCluster":
    """Two hosts, and the domains of the markers."""
    libvirt.registerErrorHandler(lambda *_: None, None)  # libvirt shall not print what it raises
    return fakehv_libvirt.cluster


def defined(host: str) -> list[str]:
    """Return the names of what a host would still have if it were shut down."""
    return sorted(each.name() for each in connect(host).listAllDomains() if each.isPersistent())


@pytest.mark.fakehv(allow=["forgotten"])  # else the plugin fails it, without being asked
@pytest.mark.parametrize("drain", [naive_drain, drain])
def test_everything_moves(cluster: "FakeCluster", drain: Drain) -> None:
    """Of what most people would check, there is no difference: all runs where it should, and all the time."""
    assert drain("node1", "node2") == []

    cluster.assert_placement({"db1": "node2", "web1": "node2"})
    assert connect("node1").listAllDomains() == []


@pytest.mark.fakehv(allow=["forgotten"])
def test_the_naive_drain_forgets_to_persist(cluster: "FakeCluster") -> None:
    """It has taken every definition away from node1, and none has arrived: that is told at once."""
    naive_drain("node1", "node2")

    assert [each.what for each in cluster.violations()] == [GONE.format("db1"), GONE.format("web1")]
    assert defined("node2") == []


@pytest.mark.fakehv(allow=["forgotten"])
def test_what_has_moved_so_is_gone_at_its_next_shutdown(cluster: "FakeCluster") -> None:
    """That may be months later, and nobody thinks of the drain any more."""
    naive_drain("node1", "node2")
    connect("node2").lookupByName("web1").shutdown()

    with pytest.raises(libvirt.libvirtError, match="no domain with matching name 'web1'"):
        connect("node2").lookupByName("web1")
    cluster.assert_stopped("web1")


def test_what_has_moved_can_be_started_again(cluster: "FakeCluster") -> None:
    """The same circumstances."""
    drain("node1", "node2")
    web1 = connect("node2").lookupByName("web1")
    web1.shutdown()

    web1.create()
    cluster.assert_running("web1", on="node2")


@pytest.mark.fakehv_migration("db1", outcome="failed", polls=1)
def test_what_can_not_move_does_not_keep_the_others(cluster: "FakeCluster") -> None:
    """It stays what and where it was, its definition included."""
    assert drain("node1", "node2") == ["db1"]

    cluster.assert_placement({"db1": "node1", "web1": "node2"})
    assert (defined("node1"), defined("node2")) == (["db1"], ["web1"])


@pytest.mark.fakehv_instance("old1", node="node1", state="stopped")
def test_what_is_shut_off_moves_too(cluster: "FakeCluster") -> None:
    """Of it, only the definition does."""
    assert drain("node1", "node2") == []

    assert (defined("node1"), defined("node2")) == ([], ["db1", "old1", "web1"])
    cluster.assert_stopped("old1")
