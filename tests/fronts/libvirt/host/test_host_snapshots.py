"""Snapshots inside the disks of domains."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='{0}'/><source file='/srv/images/{1}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
QCOW2 = DISK.format("qcow2", "a")
ALL_DISKS = "internal and full system snapshots require all disks to be selected for snapshot"
TRANSIENT = "transient domain needs to request run or pause to revert to inactive snapshot"
REDEFINE, CURRENT, NO_METADATA, HALT, QUIESCE, LIVE = 1, 2, 4, 8, 64, 256


def snapshot_xml(name, rest=""):
    return f"<domainsnapshot><name>{name}</name>{rest}</domainsnapshot>"


def names(snapshots):
    return [each.getName() for each in snapshots]


def no_snapshot(name):
    return 72, 10, f"Domain snapshot not found: no domain snapshot with matching name '{name}'"


@pytest.fixture
def images(node1):
    """A pool with a volume that can have snapshots."""
    xml = "<pool type='dir'><name>images</name><target><path>/srv/images</path></target></pool>"
    pool = node1.storagePoolCreateXML(xml, 1)
    pool.createXML(
        "<volume><name>a</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>"
    )
    return pool


@pytest.fixture
def web1(node1, told):
    """A domain with a disk that can have snapshots."""
    domain = node1.defineXML(domain_xml("web1", devices=QCOW2))
    told()
    return domain


@pytest.fixture
def tree(web1):
    """Snapshots: one, two and three one after another, and four beside two."""
    found = {name: web1.snapshotCreateXML(snapshot_xml(name)) for name in ("one", "two", "three")}
    web1.revertToSnapshot(found["one"])
    found["four"] = web1.snapshotCreateXML(snapshot_xml("four"))
    return found


class TestTaken:
    def test_of_what_is_shut_off(self, web1, told):
        one = web1.snapshotCreateXML(snapshot_xml("one", "<description>first</description>"))
        assert (told(), web1.state()) == ([], [5, 0])
        said = one.getXMLDesc()
        assert said.startswith(
            "<domainsnapshot>\n  <name>one</name>\n  <description>first</description>\n"
            "  <state>shutoff</state>\n"
        )
        assert (
            "  <memory snapshot='no'/>\n  <disks>\n    <disk name='vda' snapshot='internal'/>\n  </disks>\n"
            "  <domain type='qemu'>\n    <name>web1</name>\n"
        ) in said
        assert "inactiveDomain" not in said

    def test_of_what_runs(self, web1, told):
        web1.create()
        told()
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        assert (told(), web1.state()) == (["web1 1 suspended", "web1 1 resumed"], [1, 5])
        said = one.getXMLDesc()
        assert "<state>running</state>" in said
        assert "<memory snapshot='internal'/>" in said
        assert "<inactiveDomain type='qemu'>" in said
        assert said.endswith("</cpu>\n    <slirpHelper/>\n  </cookie>\n</domainsnapshot>\n")
        web1.suspend()
        told()
        assert "<state>paused</state>" in web1.snapshotCreateXML(snapshot_xml("two")).getXMLDesc()
        assert told() == []

    def test_and_it_may_be_stopped(self, web1, told, cluster):
        web1.create()
        told()
        web1.snapshotCreateXML(snapshot_xml("one"), HALT)
        assert told() == ["web1 1 suspended", "web1 1 stopped by a snapshot"]
        assert web1.state() == [5, 7]
        cluster.assert_consistent()

    def test_without_a_name_the_time_is_one(self, web1):
        unnamed = [web1.snapshotCreateXML("<domainsnapshot/>") for _ in range(2)]
        assert names(unnamed) == ["0", "1"]
        assert "<creationTime>0</creationTime>" in unnamed[1].getXMLDesc()

    def test_and_not_noted(self, web1):
        web1.snapshotCreateXML(snapshot_xml("one"), NO_METADATA)
        assert web1.snapshotNum() == 0

    @pytest.mark.parametrize(
        ("rest", "flags", "refused"),
        [
            ("", QUIESCE, (8, 10, None)),
            ("", LIVE, (84, 10, None)),
            ("", 1024, (8, 10, "unsupported flags (0x400) in function qemuSnapshotCreateXML")),
            ("<memory snapshot='external'/>", 0, (27, 35, None)),
            ("<memory file='/x' snapshot='internal'/>", 0, (27, 35, None)),
            ("<memory file='/x'/>", 0, (27, 35, None)),
            ("<disks><disk/></disks>", 0, (1, 35, None)),
            (
                "<disks><disk name='vdb'/></disks>",
                0,
                (67, 35, "unsupported configuration: no disk named 'vdb'"),
            ),
            ("<disks><disk name='vda'/><disk name='vda'/></disks>", 0, (67, 35, None)),
            ("<disks><disk name='vda' snapshot='no'/></disks>", 0, (67, 35, None)),
        ],
    )
    def test_not_as_it_is_wanted(self, web1, rest, flags, refused):
        found = refusal(web1.snapshotCreateXML, snapshot_xml("one", rest), flags)
        assert found == (*refused[:2], refused[2] or found[2])
        assert web1.snapshotNum() == 0

    def test_a_name_is_one_snapshots(self, web1, tree):
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one")) == (
            9,
            20,
            "operation failed: domain moment one already exists",
        )

    def test_of_what_runs_there_is_always_the_memory(self, web1):
        web1.create()
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one", "<memory snapshot='no'/>")) == (
            84,
            10,
            "Operation not supported: internal snapshot of a running VM must include the memory state",
        )
        web1.undefine()
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one"), HALT) == (
            55,
            10,
            "Requested operation is not valid: cannot halt after transient domain snapshot",
        )

    def test_a_disk_must_be_able_to_have_one(self, node1):
        raw = node1.defineXML(domain_xml("raw", devices=DISK.format("raw", "b")))
        assert refusal(raw.snapshotCreateXML, snapshot_xml("one")) == (
            67,
            10,
            "unsupported configuration: internal snapshot for disk vda unsupported for storage type raw",
        )
        bare = node1.defineXML(domain_xml("bare"))
        assert refusal(bare.snapshotCreateXML, snapshot_xml("one")) == (
            67,
            10,
            "unsupported configuration: nothing selected for snapshot",
        )
        bare.create()
        assert refusal(bare.snapshotCreateXML, snapshot_xml("one")) == (
            67,
            10,
            f"unsupported configuration: {ALL_DISKS}",
        )


class TestListed:
    def test_as_a_tree(self, web1, tree):
        assert (web1.snapshotNum(), web1.snapshotListNames()) == (4, ["one", "two", "three", "four"])
        assert names(web1.listAllSnapshots()) == ["one", "two", "three", "four"]
        assert names(web1.listAllSnapshots(1)) == ["one"]
        one = tree["one"]
        assert (one.numChildren(), one.listChildrenNames()) == (2, ["two", "four"])
        assert names(one.listAllChildren(1)) == ["two", "three", "four"]
        assert tree["three"].getParent().getName() == "two"
        assert refusal(one.getParent) == (
            72,
            10,
            "Domain snapshot not found: snapshot 'one' does not have a parent",
        )
        assert web1.snapshotLookupByName("two").getName() == "two"
        assert refusal(web1.snapshotLookupByName, "five") == no_snapshot("five")

    def test_by_what_they_are(self, web1, tree):
        web1.create()
        web1.snapshotCreateXML(snapshot_xml("live"))
        for flags, found in {
            4: ["three", "live"],
            8: ["one", "two", "four"],
            16: [],
            32: ["one", "two", "three", "four"],
            64: ["live"],
            128: [],
            256: ["one", "two", "three", "four", "live"],
            512: [],
        }.items():
            assert names(web1.listAllSnapshots(flags)) == found

    def test_with_the_one_that_it_goes_on_from(self, node1, web1):
        assert web1.hasCurrentSnapshot() == 0
        assert refusal(web1.snapshotCurrent) == (
            72,
            10,
            "Domain snapshot not found: the domain does not have a current snapshot",
        )
        assert node1.listAllDomains(4096) == []
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        assert (web1.snapshotCurrent().getName(), one.isCurrent(), one.hasMetadata()) == ("one", 1, 1)
        assert node1.listAllDomains(8192) == []

    def test_to_a_fault_of_the_test(self, web1, tree, cluster):
        cluster.fault("virDomainListAllSnapshots", result=[tree["two"]], times=1)
        assert names(web1.listAllSnapshots()) == ["two"]
        cluster.fault("virDomainSnapshotDelete", instance="web1", error="busy", times=1)
        assert refusal(tree["two"].delete) == (9, 10, "operation failed: busy")
        assert str(cluster.journal[-1]).startswith("virDomainSnapshotDelete('web1', 'two', 0)")


class TestReverted:
    @pytest.mark.parametrize(
        ("taken", "now", "flags", "events", "state"),
        [
            ("off", "off", 0, ["-1 defined by a snapshot"], [5, 0]),
            (
                "off",
                "off",
                1,
                ["1 resumed", "1 started from a snapshot", "1 defined by a snapshot"],
                [1, 1],
            ),
            (
                "off",
                "on",
                2,
                [
                    "-1 stopped by a snapshot",
                    "2 started from a snapshot",
                    "2 suspended by a snapshot",
                    "2 defined by a snapshot",
                ],
                [3, 1],
            ),
            ("off", "on", 0, ["-1 stopped by a snapshot", "-1 defined by a snapshot"], [5, 7]),
            (
                "on",
                "on",
                0,
                [
                    "-1 stopped by a snapshot",
                    "2 started from a snapshot",
                    "2 resumed from a snapshot",
                    "2 defined by a snapshot",
                ],
                [1, 4],
            ),
            (
                "on",
                "off",
                2,
                ["2 started from a snapshot", "2 suspended by a snapshot", "2 defined by a snapshot"],
                [3, 7],
            ),
        ],
    )
    def test_the_domain_does_what_it_did_then_or_as_it_is_told(
        self, web1, told, cluster, taken, now, flags, events, state
    ):
        if taken == "on":
            web1.create()
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        if (taken, now) == ("on", "off"):
            web1.destroy()
        if (taken, now) == ("off", "on"):
            web1.create()
        told()
        web1.revertToSnapshot(one, flags)
        assert told() == [f"web1 {each}" for each in events]
        assert (web1.state(), one.isCurrent()) == (state, 1)
        cluster.assert_consistent()

    def test_both_definitions_are_as_they_were(self, web1):
        web1.create()
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        web1.setMetadata(1, "new", None, None, 3)
        web1.setMemory(32 * 1024)
        web1.revertToSnapshot(one)
        assert "<title>" not in web1.XMLDesc() + web1.XMLDesc(2)
        assert web1.info()[2] == 64 * 1024

    def test_so_is_what_is_on_its_disk(self, node1, images, web1):
        def written(text=None):
            stream, volume = node1.newStream(), images.storageVolLookupByName("a")
            if text:
                volume.upload(stream, 65536, len(text))
                stream.send(text)
                stream.finish()
                return None
            volume.download(stream, 65536, 3)
            found = stream.recv(3)
            stream.finish()
            return found

        empty = web1.snapshotCreateXML(snapshot_xml("empty"))
        node1.storageVolLookupByPath("/srv/images/a").upload(stream := node1.newStream(), 0, 4)
        stream.send(b"QFI\xfb")
        stream.finish()
        written(b"one")
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        written(b"two")
        web1.revertToSnapshot(one)
        assert written() == b"one"
        web1.revertToSnapshot(empty)
        assert (empty_disk := written()) != b"one"
        said = one.getXMLDesc()
        one.delete()
        web1.snapshotCreateXML(said, REDEFINE)
        web1.revertToSnapshot(one)
        assert written() == empty_disk
        empty.delete()

    def test_of_one_that_is_transient(self, node1, told):
        job = node1.createXML(domain_xml("job", devices=QCOW2))
        one = job.snapshotCreateXML(snapshot_xml("one"))
        told()
        job.revertToSnapshot(one)
        assert told() == [
            "job -1 stopped by a snapshot",
            "job 2 started from a snapshot",
            "job 2 resumed from a snapshot",
        ]
        assert (job.isPersistent(), job.snapshotNum()) == (0, 1)

    def test_a_transient_one_must_run_then(self, node1):
        web1 = node1.defineXML(domain_xml("web1", devices=QCOW2))
        one = web1.snapshotCreateXML(snapshot_xml("one"))
        web1.create()
        web1.undefine()
        assert refusal(web1.revertToSnapshot, one) == (
            55,
            10,
            f"Requested operation is not valid: {TRANSIENT}",
        )
        assert refusal(web1.revertToSnapshot, one, 16) == (
            8,
            10,
            "unsupported flags (0x10) in function qemuSnapshotRevert",
        )


class TestDeleted:
    def test_what_goes_on_from_it_goes_on_from_its_parent(self, web1, tree):
        tree["two"].delete()
        assert tree["three"].getParent().getName() == "one"
        tree["four"].delete()
        assert web1.snapshotCurrent().getName() == "one"
        for call in (tree["two"].getXMLDesc, tree["two"].delete, tree["two"].isCurrent):
            assert refusal(call) == no_snapshot("two")

    def test_with_what_goes_on_from_it(self, web1, tree):
        tree["two"].delete(1)
        assert web1.snapshotListNames() == ["one", "four"]

    def test_or_that_alone(self, web1, tree):
        tree["one"].delete(4)
        assert (web1.snapshotListNames(), web1.snapshotCurrent().getName()) == (["one"], "one")

    def test_what_is_in_the_disk_may_stay(self, web1, tree, images):
        tree["two"].delete(2)
        assert web1.snapshotNum() == 3
        assert refusal(tree["one"].delete, 8) == (
            8,
            10,
            "unsupported flags (0x8) in function qemuSnapshotDelete",
        )


class TestRedefined:
    def test_all_of_a_tree(self, node1, web1, tree):
        web1.create()
        live = web1.snapshotCreateXML(snapshot_xml("live"))
        kept = [each.getXMLDesc() for each in web1.listAllSnapshots()]
        live_xml = live.getXMLDesc()
        web1.destroy()
        web1.undefineFlags(2)
        again = node1.defineXML(domain_xml("web1", devices=QCOW2))
        assert again.snapshotNum() == 0
        for xml in kept:
            again.snapshotCreateXML(xml, REDEFINE)
        assert again.hasCurrentSnapshot() == 0
        again.snapshotCreateXML(live_xml, REDEFINE | CURRENT)
        assert again.snapshotCurrent().getXMLDesc() == live_xml
        assert [each.getXMLDesc() for each in again.listAllSnapshots()] == kept

    def test_one_keeps_its_place(self, web1, tree):
        said = (
            tree["one"]
            .getXMLDesc()
            .replace("<name>one</name>", "<name>one</name><description>d</description>", 1)
        )
        web1.snapshotCreateXML(said, REDEFINE)
        assert "<description>d</description>" in tree["one"].getXMLDesc()
        assert names(tree["one"].listAllChildren()) == ["two", "four"]
        said = tree["four"].getXMLDesc()
        web1.snapshotCreateXML(said, REDEFINE)
        assert tree["four"].isCurrent() == 1

    @pytest.mark.parametrize(
        ("old", "new", "refused"),
        [
            (
                "<creationTime>0</creationTime>",
                "",
                "internal error: missing creationTime from existing snapshot",
            ),
            ("<state>shutoff</state>", "", "internal error: missing state from existing snapshot"),
            (
                "<state>shutoff</state>",
                "<state>x</state>",
                "unsupported configuration: Invalid state 'x' in domain snapshot XML",
            ),
            (
                "<name>one</name>",
                "<name>one</name><parent><name>one</name></parent>",
                "invalid argument: cannot set moment one as its own parent",
            ),
            (
                "<name>one</name>",
                "<name>one</name><parent><name>x</name></parent>",
                "invalid argument: parent x for moment one not found",
            ),
            (
                "<name>one</name>",
                "<name>one</name><parent><name>three</name></parent>",
                "invalid argument: parent three would create cycle to one",
            ),
            (
                uuid_of("web1"),
                uuid_of("db1"),
                f"invalid argument: definition for snapshot one must use uuid {uuid_of('db1')}",
            ),
        ],
    )
    def test_not_without_what_belongs_to_it(self, web1, tree, old, new, refused):
        said = tree["one"].getXMLDesc()
        assert refusal(web1.snapshotCreateXML, said.replace(old, new, 1), REDEFINE)[2] == refused

    def test_not_without_its_domain(self, web1):
        rest = "<state>shutoff</state><creationTime>1</creationTime>"
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one", rest), REDEFINE) == (
            1,
            35,
            "internal error: missing domain in snapshot",
        )


class TestKept:
    def test_a_definition_goes_only_with_them(self, web1, tree):
        assert refusal(web1.undefine) == (
            55,
            10,
            "Requested operation is not valid: cannot delete inactive domain with 4 snapshots",
        )
        web1.undefineFlags(2)

    def test_they_don_t_migrate(self, web1, tree, connect):
        web1.create()
        assert refusal(web1.migrate3, connect("node2"), {}, 1) == (
            55,
            10,
            "Requested operation is not valid: cannot migrate domain with 4 snapshots",
        )

    def test_they_outlive_their_hosts_crash(self, web1, tree, connect, cluster):
        cluster["node1"].crash()
        cluster["node1"].boot()
        assert connect().lookupByName("web1").snapshotNum() == 4
