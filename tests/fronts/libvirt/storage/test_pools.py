"""Storage pools through libvirt-python: beside the records, what only a fake cluster has, and corners."""

import pytest
from small_host import Client
from stored import GIB, MIB, nfs_xml, pool_xml, volume_xml
from told_by_hosts import refusal

INVALID = "Requested operation is not valid"
STORAGE = 18


def test_a_pool_has_the_size_that_its_xml_says(node1):
    given = pool_xml("small", more="<capacity unit='GiB'>10</capacity>")
    pool = node1.storagePoolCreateXML(given, 1)
    assert pool.info() == [2, 10 * GIB, 0, 10 * GIB]


def test_any_other_has_100_gib(images):
    assert images.info() == [2, 100 * GIB, 0, 100 * GIB]


def test_what_its_volumes_take_is_taken(images):
    images.createXML(volume_xml("a", 3 * GIB), 0)
    images.createXML(volume_xml("b", 50 * GIB, allocation=GIB), 0)
    assert images.info() == [2, 100 * GIB, 4 * GIB, 96 * GIB]
    images.storageVolLookupByName("a").delete(0)
    assert images.info() == [2, 100 * GIB, GIB, 99 * GIB]


def test_what_lies_in_it_stays_when_it_goes(node1, images):
    images.createXML(volume_xml("a", GIB), 0)
    images.destroy()
    images.undefine()
    again = node1.storagePoolCreateXML(pool_xml("again", path="/srv/images"), 0)
    assert (again.listVolumes(), again.info()) == (["a"], [2, 100 * GIB, GIB, 99 * GIB])


def test_the_folders_that_each_host_has_need_not_be_built(node1):
    for path in "/", "/var/lib/libvirt/images", "/tmp/":
        pool = node1.storagePoolDefineXML(pool_xml("default", path=path), 0)
        pool.create(0)
        volume = pool.createXML(volume_xml("a"), 0)
        assert volume.path() == f"{path.rstrip('/')}/a"
        pool.destroy()
        pool.undefine()


def test_one_that_is_a_folder_of_another_keeps_that(node1, images):
    node1.storagePoolCreateXML(pool_xml("inner", path="/srv/images/inner/most"), 1)
    images.destroy()
    assert refusal(images.delete, 0) == (
        38,
        STORAGE,
        "failed to remove pool '/srv/images': Directory not empty",
    )


def test_a_folder_is_looked_for_by_its_tidy_path(node1, images):
    assert node1.storagePoolLookupByTargetPath("/srv//images/").name() == "images"


def test_a_uuid_that_is_another_ones(node1, images):
    given = pool_xml("images", path="/srv/other").replace("<name>images", "<name>other")
    assert refusal(node1.storagePoolDefineXML, given, 0) == (
        9,
        STORAGE,
        f"operation failed: pool 'images' is already defined with uuid {images.UUIDString()}",
    )


class TestKinds:
    def test_a_logical_one_is_built_of_its_devices_and_deleted(self, node1):
        given = pool_xml("vg", kind="logical", source="<device path='/dev/sdb'/>")
        pool = node1.storagePoolDefineXML(given, 0)
        pool.build(8)
        pool.create(0)
        assert "<path>/dev/vg</path>" in pool.XMLDesc(0)
        pool.createXML(volume_xml("a"), 0)
        pool.destroy()
        pool.delete(0)
        pool.create(0)
        assert pool.listVolumes() == []
        pool.destroy()
        assert refusal(pool.delete, 1) == (
            8,
            STORAGE,
            "unsupported flags (0x1) in function virStorageBackendLogicalDeletePool",
        )

    def test_two_of_one_device_are_refused(self, node1):
        device = "<device path='/dev/sdb'/>"
        node1.storagePoolDefineXML(pool_xml("vg", kind="logical", source=device), 0)
        assert refusal(node1.storagePoolDefineXML, pool_xml("vg2", kind="logical", source=device), 0) == (
            9,
            STORAGE,
            "operation failed: Storage source conflict with pool: 'vg'",
        )

    def test_a_device_that_is_formatted_is_empty(self, node1):
        pool = node1.storagePoolCreateXML(pool_xml("disk", kind="fs", source="<device path='/dev/sdb'/>"), 1)
        pool.createXML(volume_xml("a"), 0)
        pool.destroy()
        given = pool_xml("disk", kind="fs", source="<device path='/dev/sdb'/>")
        for flags, volumes in ((4, ["a"]), (2, [])):
            pool = node1.storagePoolCreateXML(given, flags)
            assert pool.listVolumes() == volumes
            pool.destroy()

    def test_a_mounted_folder_is_empty_without_what_is_mounted(self, node1):
        pool = node1.storagePoolDefineXML(nfs_xml("shared"), 0)
        pool.create(1)
        pool.createXML(volume_xml("a"), 0)
        pool.destroy()
        pool.delete(0)
        assert refusal(pool.create, 0)[2].endswith(
            "mount: /srv/shared: mount point does not exist.\n"
            "       dmesg(1) may have more information after failed mount system call.\n"
        )

    def test_what_a_server_lets_hosts_have(self, node1):
        node1.storagePoolCreateXML(nfs_xml("shared"), 1)
        assert node1.findStoragePoolSources("netfs", "<source><host name='nfs1'/></source>", 0) == (
            "<sources>\n  <source>\n    <host name='nfs1'/>\n    <dir path='/export'/>\n"
            "    <format type='nfs'/>\n  </source>\n</sources>\n"
        )
        assert node1.findStoragePoolSources("netfs", "<source><host name='nfs2'/></source>", 0) == (
            "<sources>\n</sources>\n"
        )
        assert refusal(node1.findStoragePoolSources, "netfs", "<source/>", 0) == (
            8,
            STORAGE,
            "invalid argument: hostname must be specified for netfs sources",
        )


class TestHosts:
    """What several hosts, and a host that goes down, have of pools."""

    def test_each_has_its_own(self, node1, connect, images):
        images.createXML(volume_xml("a"), 0)
        node2 = connect("node2")
        assert node2.listAllStoragePools() == []
        assert node2.storagePoolCreateXML(pool_xml("images"), 1).listVolumes() == []

    def test_what_is_of_one_server_they_share(self, node1, connect):
        here = node1.storagePoolCreateXML(nfs_xml("shared"), 1)
        there = connect("node2").storagePoolCreateXML(nfs_xml("mine"), 1)
        volume = here.createXML(volume_xml("a"), 0)
        assert there.listVolumes() == []  # it has not looked
        assert refusal(there.createXML, volume_xml("a"), 0) == (
            55,
            STORAGE,
            f"{INVALID}: volume target path '/srv/mine/a' already exists",
        )
        there.refresh(0)
        same = there.storageVolLookupByName("a")
        volume.resize(20 * MIB, 0)
        assert same.info() == [0, 20 * MIB, 10 * MIB]
        assert there.info() == here.info()

    def test_what_another_host_has_deleted(self, node1, connect):
        here = node1.storagePoolCreateXML(nfs_xml("shared"), 1)
        there = connect("node2").storagePoolCreateXML(nfs_xml("shared"), 1)
        volume = here.createXML(volume_xml("a"), 0)
        there.refresh(0)
        there.storageVolLookupByName("a").delete(0)
        gone = "Storage volume not found: no storage vol with matching path '/srv/shared/a'"
        for call in (volume.info, lambda: volume.XMLDesc(0), lambda: volume.resize(20 * MIB, 0)):
            assert refusal(call) == (50, STORAGE, gone)
        assert refusal(here.createXMLFrom, volume_xml("b"), volume, 0) == (50, STORAGE, gone)
        assert refusal(volume.wipe) == (
            38,
            STORAGE,
            "Failed to open storage volume with path '/srv/shared/a': No such file or directory",
        )
        assert here.listVolumes() == ["a"]
        volume.delete(0)
        assert here.listVolumes() == []

    def test_a_crash_and_a_boot(self, cluster, connect, images):
        images.setAutostart(1)
        images.createXML(volume_xml("a"), 0)
        node1 = connect()
        node1.storagePoolDefineXML(pool_xml("late"), 0).create(1)
        node1.storagePoolCreateXML(pool_xml("gone"), 1)
        unbuilt = node1.storagePoolDefineXML(pool_xml("unbuilt"), 0)
        unbuilt.setAutostart(1)
        cluster["node1"].crash()
        cluster["node1"].boot()
        node1 = connect()
        assert {each.name(): each.isActive() for each in node1.listAllStoragePools()} == {
            "images": 1,
            "late": 0,
            "unbuilt": 0,
        }
        assert node1.storagePoolLookupByName("images").listVolumes() == ["a"]

    def test_a_host_that_is_another_one(self, cluster, node1, connect, images):
        """It has the name of one that was removed, and shares what that shared."""
        images.createXML(volume_xml("a"), 0)
        node1.storagePoolCreateXML(nfs_xml("shared"), 1).createXML(volume_xml("b"), 0)
        cluster.remove_node("node1")
        cluster.add_node("node1")
        again = connect()
        assert again.listAllStoragePools() == []
        assert again.storagePoolCreateXML(pool_xml("images"), 1).listVolumes() == []
        assert again.storagePoolCreateXML(nfs_xml("shared"), 1).listVolumes() == ["b"]


class TestCalls:
    """What the test sees of calls, and does to them."""

    def test_the_journal_shows_what_they_are_about(self, cluster, node1, images):
        volume = images.createXML(volume_xml("a"), 0)
        volume.resize(20 * MIB, 0)
        images.storageVolLookupByName("a")
        node1.storagePoolLookupByUUID(images.UUID())
        assert [str(each) for each in cluster.journal if each.method.startswith("virStorage")] == [
            "virStoragePoolDefineXML(<definition of images>, 0)",
            "virStoragePoolCreate(<pool images>, 1)",
            "virStorageVolCreateXML(<pool images>, <definition of a>, 0)",
            "virStorageVolResize(<volume images/a>, 20971520, 0)",
            "virStorageVolLookupByName(<pool images>, 'a')",
            f"virStoragePoolLookupByUUID('{images.UUIDString()}')",
        ]

    def test_a_fault(self, cluster, images):
        cluster.fault("virStorageVolCreateXML", error="disk on fire", code="NO_STORAGE_VOL")
        assert refusal(images.createXML, volume_xml("a"), 0) == (
            50,
            STORAGE,
            "Storage volume not found: disk on fire",
        )
        assert images.listVolumes() == []

    def test_faults_lie(self, cluster, node1, images):
        _first, second = (images.createXML(volume_xml(name), 0) for name in "ab")
        other = node1.storagePoolDefineXML(pool_xml("other"), 0)
        for name, result in {
            "virStoragePoolGetInfo": [2, 1, 1, 0],
            "virStoragePoolListVolumes": ["x"],
            "virConnectListAllStoragePools": [other, "images"],
            "virStoragePoolListAllVolumes": [second, "/srv/images/a"],
            "virStoragePoolLookupByName": other,
            "virStorageVolLookupByName": second,
        }.items():
            cluster.fault(name, result=result)
        assert images.info() == [2, 1, 1, 0]
        assert images.listVolumes() == ["x"]
        assert [each.name() for each in node1.listAllStoragePools()] == ["other", "images"]
        assert [each.name() for each in images.listAllVolumes()] == ["b", "a"]
        assert node1.storagePoolLookupByName("images").name() == "other"
        assert images.storageVolLookupByName("a").name() == "b"

    def test_a_lie_that_is_none(self, cluster, node1):
        for result in ("nosuch", None):
            cluster.fault("virStoragePoolLookupByName", result=result, times=1)
            assert refusal(node1.storagePoolLookupByName, "images") == (
                1,
                10,
                (
                    "internal error: a fault's result for virStoragePoolLookupByName must be what "
                    f"libvirt-python returns of it, not {result!r}"
                ),
            )

    def test_a_pool_that_is_gone_meanwhile(self, cluster, node1, images):
        """Its volumes are of a pool that is none."""
        volume = images.createXML(volume_xml("a"), 0)
        images.destroy()
        images.undefine()
        assert refusal(volume.info) == (
            49,
            STORAGE,
            "Storage pool not found: no storage pool with matching name 'images'",
        )


def test_events(front, node1, images):
    """Of pools, of one of them alone, and no longer."""
    client = Client(front.socket())
    try:
        ref = images.name(), images.UUID()
        (every,) = client.call("virConnectStoragePoolEventRegisterAny", 0, None)
        client.call("virConnectStoragePoolEventRegisterAny", 1, ref)
        assert (
            client.call("virConnectStoragePoolEventRegisterAny", 2, None)[2]
            == "unsupported storage pool event ID 2"
        )
        assert client.call("virConnectStoragePoolEventDeregisterAny", every) == ()
        assert client.call("virConnectStoragePoolEventDeregisterAny", every)[2] == (
            f"invalid argument: storage pool event callback {every} not registered"
        )
    finally:
        client.socket.close()


@pytest.mark.parametrize("kind", ["Network", "Domain"])
def test_a_callback_that_nobody_has(front, kind):
    client = Client(front.socket())
    try:
        assert client.call(f"virConnect{kind}EventDeregisterAny", 7)[2] == (
            f"invalid argument: {kind.lower()} event callback 7 not registered"
        )
    finally:
        client.socket.close()


def test_events_of_a_network_that_is_none(cluster, front):
    client = Client(front.socket())
    try:
        assert client.call("virConnectNetworkEventRegisterAny", 0, ("default", bytes(16)))[2] == (
            "Network not found: no network with matching uuid "
            "'00000000-0000-0000-0000-000000000000' (default)"
        )
        assert str(cluster.journal[-1]).startswith("virConnectNetworkEventRegisterAny(0, <network default>)")
    finally:
        client.socket.close()
