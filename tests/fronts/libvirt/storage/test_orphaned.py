"""Volumes that a program has made and left: the invariant ``orphaned``, which is off unless asked for."""

import pytest
from stored import nfs_xml, pool_xml, volume_xml
from told_by_hosts import domain_xml, refusal

from pytest_fakehv import DeclarationError
from pytest_fakehv.fronts.libvirt import FakeLibvirt

BACKED = "<backingStore><path>{}</path><format type='raw'/></backingStore>"
BY_PATH = "<disk type='file'><source file='{}'/><target dev='vda'/></disk>"
BY_POOL = "<disk type='volume'><source pool='images' volume='{}'/><target dev='vda'/></disk>"


@pytest.fixture
def strict(cluster):
    """The cluster, which is to have no orphans."""
    cluster.forbid("orphaned")
    return cluster


def left(cluster):
    return [each.volume for each in cluster.violations()]


def test_off_unless_asked_for(cluster, images):
    images.createXML(volume_xml("a"), 0)
    cluster.assert_consistent()
    cluster.forbid("orphaned")
    assert left(cluster) == ["a"]


def test_what_it_says(strict, images):
    images.createXML(volume_xml("a"), 0)
    call = strict.journal[-1]
    with pytest.raises(AssertionError) as caught:
        strict.assert_consistent()
    assert str(caught.value) == (
        "orphaned: volume a of pool images on node1 is left: no domain uses it, and nobody has deleted it\n"
        f"  since call {call.number}, virStorageVolCreateXML(<pool images>, <definition of a>, 0) on node1 "
        f"at {call.place}\n"
        "  a correct program deletes each volume that it has made and that no domain uses any more, "
        "also where what it was made for has failed"
    )
    (violation,) = strict.violations()
    assert (violation.nodes, violation.call, violation.instance) == (("node1",), call, None)
    assert [each.what for each in strict.timeline().troubles] == [violation.what]


def test_what_is_deleted_is_not_left(strict, images):
    images.createXML(volume_xml("a"), 0).delete(0)
    assert left(strict) == []


def test_a_clone_is_one_as_well(strict, images):
    source = images.createXML(volume_xml("a"), 0)
    images.createXMLFrom(volume_xml("b"), source, 0)
    assert left(strict) == ["a", "b"]
    source.delete(0)
    assert left(strict) == ["b"]


def test_a_clone_that_failed_leaves_nothing(strict, images):
    source = images.createXML(volume_xml("a"), 0)
    strict.fault("virStorageVolCreateXMLFrom", volume="b", error="no space")
    assert refusal(images.createXMLFrom, volume_xml("b"), source, 0)[0] == 9
    source.delete(0)
    assert (left(strict), images.listVolumes()) == ([], [])


def test_what_a_domain_uses_is_not_left(strict, node1, images):
    for name in "abc":
        images.createXML(volume_xml(name), 0)
    by_path = node1.defineXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/a")))
    node1.defineXML(domain_xml("web2", devices=BY_POOL.format("b")))
    node1.createXML(domain_xml("web3", devices=BY_PATH.format("/srv/images/c")))
    assert left(strict) == []
    by_path.undefine()
    node1.lookupByName("web3").destroy()
    assert left(strict) == ["a", "c"]


def test_nor_is_what_that_is_the_difference_to(strict, node1, images):
    images.createXML(volume_xml("base"), 0)
    for name, base in (("middle", "base"), ("top", "middle")):
        more = BACKED.format(f"/srv/images/{base}")
        images.createXML(volume_xml(name, form="qcow2", more=more), 0)
    domain = node1.defineXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/top")))
    assert left(strict) == []
    domain.undefine()
    assert left(strict) == ["base", "middle", "top"]


def test_its_pool_may_be_gone(strict, node1, images):
    images.createXML(volume_xml("a"), 0)
    images.createXML(volume_xml("b"), 0)
    node1.defineXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/b")))
    images.destroy()
    images.undefine()
    assert left(strict) == ["a"]


def test_a_path_is_of_its_host(strict, connect, images):
    images.createXML(volume_xml("a"), 0)
    connect("node2").storagePoolCreateXML(pool_xml("images"), 1)
    connect("node2").defineXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/a")))
    assert left(strict) == ["a"]


class TestSharedPools:
    def test_a_volume_is_told_once(self, strict, node1, connect):
        pool = node1.storagePoolCreateXML(nfs_xml("shared"), 1)
        connect("node2").storagePoolCreateXML(nfs_xml("shared"), 1)
        pool.createXML(volume_xml("a"), 0)
        (violation,) = strict.violations()
        assert (violation.what, violation.nodes) == (
            ("volume a of pool shared on node1, node2 is left: no domain uses it, and nobody has deleted it"),
            ("node1", "node2"),
        )

    def test_a_domain_of_another_host_uses_it(self, strict, front, node1, connect):
        front.add_pool("both")
        node1.storagePoolLookupByName("both").createXML(volume_xml("a"), 0)
        path = "/var/lib/libvirt/images/both/a"
        connect("node2").defineXML(domain_xml("web1", devices=BY_PATH.format(path)))
        assert left(strict) == []


class TestWhatIsExcused:
    def test_what_the_test_allows(self, strict, images):
        images.createXML(volume_xml("a"), 0)
        images.createXML(volume_xml("base"), 0)
        strict.allow("orphaned", volume="base")
        assert left(strict) == ["a"]
        strict.allow("orphaned")
        assert left(strict) == []

    def test_what_a_program_was_told_is_not_there(self, strict, images):
        strict.fault("virStorageVolCreateXML", volume="a", when="after", error="timed out")
        assert refusal(images.createXML, volume_xml("a"), 0)[0] == 9
        assert (left(strict), images.listVolumes()) == ([], ["a"])

    def test_what_it_was_told_is_deleted(self, strict, images):
        volume = images.createXML(volume_xml("a"), 0)
        strict.fault("virStorageVolDelete", volume="a", effect=False)
        volume.delete(0)
        assert (left(strict), images.listVolumes()) == ([], ["a"])

    def test_but_not_what_it_was_told_could_not_be_deleted(self, strict, images):
        volume = images.createXML(volume_xml("a"), 0)
        strict.fault("virStorageVolDelete", volume="a", error="busy")
        assert refusal(volume.delete, 0)[0] == 9
        assert left(strict) == ["a"]

    def test_what_is_on_a_host_that_is_down(self, strict, images):
        images.createXML(volume_xml("a"), 0)
        strict["node1"].crash()
        assert left(strict) == []
        strict["node1"].boot()
        assert left(strict) == ["a"]

    def test_what_goes_with_its_host(self, strict, images):
        images.createXML(volume_xml("a"), 0)
        strict.remove_node("node1")
        assert left(strict) == []


def test_a_front_that_is_closed_has_told_of_its_own(strict, libvirt):
    with FakeLibvirt(strict) as front:
        connection = libvirt.open(front.uri("node1"))
        connection.storagePoolCreateXML(pool_xml("images"), 1).createXML(volume_xml("a"), 0)
        connection.close()
    assert left(strict) == ["a"]


def test_wrong_names(cluster):
    for function, arguments, options, text in (
        (cluster.forbid, (), {}, "forbid needs an invariant; valid: orphaned"),
        (cluster.forbid, ("vanished",), {}, "forbid has 'vanished'; valid: orphaned"),
        (
            cluster.allow,
            ("orphaned",),
            {"instance": "a"},
            "orphaned is about no instance; allow it without one",
        ),
        (cluster.allow, ("vanished",), {"volume": "a"}, "vanished is about no volume; allow it without one"),
        (cluster.allow, ("orphaned",), {"volume": 5}, "volume must be the name of a volume, not 5"),
    ):
        with pytest.raises(DeclarationError) as caught:
            function(*arguments, **options)
        assert str(caught.value) == text


ON_QCOW2 = (
    "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/images/{}'/>"
    "<target dev='vda'/></disk>"
)


@pytest.mark.parametrize("path", ["/srv/images/web1.save", "/root/web1.save"])
def test_what_a_domain_uses_that_was_saved_is_not_left(strict, node1, images, path):
    images.createXML(volume_xml("a"), 0)
    node1.createXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/a"))).save(path)
    assert left(strict) == []
    node1.restore(path)
    node1.lookupByName("web1").destroy()
    assert left(strict) == []  # it may be restored once more


def test_nor_what_a_snapshot_goes_back_to(strict, node1, images):
    images.createXML(volume_xml("a", form="qcow2"), 0)
    web1 = node1.defineXML(domain_xml("web1", devices=ON_QCOW2.format("a")))
    snapshot = web1.snapshotCreateXML("<domainsnapshot/>")
    web1.detachDeviceFlags(ON_QCOW2.format("a"), 2)
    assert left(strict) == []
    snapshot.delete()
    assert left(strict) == ["a"]


def test_nor_what_a_backup_is_written_to(strict, node1, images):
    images.createXML(volume_xml("a", form="qcow2"), 0)
    images.createXML(volume_xml("b", form="qcow2"), 0)
    images.createXML(volume_xml("c", capacity=2**30), 0)
    web1 = node1.createXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/c")))
    disk = "<disk name='vda' type='file'><target file='/srv/images/b'/></disk>"
    web1.backupBegin(f"<domainbackup><disks>{disk}</disks></domainbackup>", None, 1)
    assert left(strict) == ["a"]
    while web1.jobStats()["type"]:
        pass
    assert left(strict) == ["a"]
    web1.destroy()
    assert left(strict) == ["a", "c"]


def test_a_backup_that_did_not_end_leaves_what_was_made_for_it(strict, node1, images):
    images.createXML(volume_xml("b", form="qcow2"), 0)
    images.createXML(volume_xml("c", capacity=2**30), 0)
    web1 = node1.createXML(domain_xml("web1", devices=BY_PATH.format("/srv/images/c")))
    disk = "<disk name='vda' type='file'><target file='/srv/images/b'/></disk>"
    web1.backupBegin(f"<domainbackup><disks>{disk}</disks></domainbackup>", None, 1)
    web1.abortJob()
    assert left(strict) == ["b"]
