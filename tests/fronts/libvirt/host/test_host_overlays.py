"""Snapshots beside disks: what was written stays in the file, and another one has the difference to it."""

import re

import pytest
from told_by_hosts import domain_xml, refusal

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/images/a.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
NO_METADATA, HALT, DISK_ONLY, REUSE_EXT, QUIESCE, LIVE = 4, 8, 16, 32, 64, 256
INACTIVE = 2
NO_NAME = "cannot generate external snapshot name for disk 'vda' on a 'block' device"
THERE = "external snapshot file for disk vda already exists and is not a block device"


def snapshot_xml(name, rest=""):
    return f"<domainsnapshot><name>{name}</name>{rest}</domainsnapshot>"


def overlay(path, more=""):
    return f"<disks><disk name='vda'>{more}<source file='{path}'/></disk></disks>"


def disks(xml):
    """Return what a domain's XML says of its disk, on one line, without what never changes."""
    (found,) = re.findall(r"<disk .*?</disk>", xml, re.DOTALL)
    one = re.sub(r">\s+<", "><", found)
    return re.search("<driver.*<target", one)[0].removesuffix("<target")


def told_of(snapshot):
    """Return what a snapshot's XML says before the domain's, on one line."""
    return re.sub(r">\s+<", "><", snapshot.getXMLDesc().partition("  <domain ")[0])


@pytest.fixture
def images(node1):
    """A pool with a volume."""
    xml = "<pool type='dir'><name>images</name><target><path>/srv/images</path></target></pool>"
    pool = node1.storagePoolCreateXML(xml, 1)
    pool.createXML(
        "<volume><name>a.qcow2</name><capacity>1048576</capacity><target><format type='qcow2'/></target>"
        "</volume>"
    )
    return pool


@pytest.fixture
def web1(node1, images, told):
    """A domain whose disk is that volume."""
    domain = node1.defineXML(domain_xml("web1", devices=DISK))
    told()
    return domain


class TestOfDisks:
    def test_of_what_is_shut_off(self, web1, images, told):
        one = web1.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        assert told_of(one).endswith(
            "<memory snapshot='no'/><disks><disk name='vda' snapshot='external' type='file'>"
            "<driver type='qcow2'/><source file='/srv/images/a.one'/></disk></disks>\n"
        )
        assert disks(web1.XMLDesc()) == "<driver name='qemu' type='qcow2'/><source file='/srv/images/a.one'/>"
        images.refresh()
        said = images.storageVolLookupByName("a.one").XMLDesc()
        assert "<backingStore>\n    <path>/srv/images/a.qcow2</path>\n    <format type='qcow2'/>" in said
        assert "<capacity unit='bytes'>1048576</capacity>" in said
        web1.create()
        assert disks(web1.XMLDesc()) == (
            "<driver name='qemu' type='qcow2'/><source file='/srv/images/a.one' index='1'/>"
            "<backingStore type='file' index='2'><format type='qcow2'/><source file='/srv/images/a.qcow2'/>"
            "<backingStore/></backingStore>"
        )
        assert told() == ["web1 1 resumed", "web1 1 started"]

    def test_of_what_runs(self, web1, told):
        web1.create()
        told()
        one = web1.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        web1.snapshotCreateXML(snapshot_xml("two", overlay("/srv/mine")), DISK_ONLY | NO_METADATA)
        assert (told(), web1.state()) == ([], [1, 1])
        assert "<state>disk-snapshot</state>" in told_of(one)
        assert disks(web1.XMLDesc()) == (
            "<driver name='qemu' type='qcow2'/><source file='/srv/mine' index='3'/>"
            "<backingStore type='file' index='2'><format type='qcow2'/><source file='/srv/images/a.one'/>"
            "<backingStore type='file' index='1'><format type='qcow2'/><source file='/srv/images/a.qcow2'/>"
            "<backingStore/></backingStore></backingStore>"
        )
        assert disks(web1.XMLDesc(INACTIVE)) == (
            "<driver name='qemu' type='qcow2'/><source file='/srv/mine'/>"
            "<backingStore type='file'><format type='qcow2'/><source file='/srv/images/a.one'/>"
            "<backingStore type='file'><format type='qcow2'/><source file='/srv/images/a.qcow2'/>"
            "</backingStore></backingStore>"
        )
        assert [each.getName() for each in web1.listAllSnapshots()] == ["one"]
        for flags, found in {32: 0, 64: 0, 128: 1, 256: 0, 512: 1}.items():
            assert web1.snapshotNum(flags) == found
        web1.destroy()
        web1.create()
        assert "<backingStore type='file' index='3'>" in web1.XMLDesc()

    def test_and_it_may_be_stopped(self, web1, told):
        web1.create()
        told()
        web1.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY | HALT)
        assert (told(), web1.state()) == (["web1 1 stopped by a snapshot"], [5, 7])

    def test_of_a_transient_one(self, node1, images):
        cdrom = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
        job = node1.createXML(domain_xml("job", devices=DISK + cdrom))
        job.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        assert "<source file='/srv/images/a.one' index='3'/>" in job.XMLDesc()

    def test_an_overlay_that_is_there_can_be_used(self, web1, images):
        images.createXML(
            "<volume><name>made</name><capacity>1</capacity><target><format type='qcow2'/></target></volume>"
        )
        there = snapshot_xml("one", overlay("/srv/images/made"))
        assert refusal(web1.snapshotCreateXML, there, DISK_ONLY) == (
            67,
            10,
            f"unsupported configuration: {THERE}: /srv/images/made",
        )
        web1.snapshotCreateXML(there, DISK_ONLY | REUSE_EXT)
        assert "<source file='/srv/images/made'/>" in web1.XMLDesc()
        assert "backingStore" not in images.storageVolLookupByName("made").XMLDesc()
        missing = snapshot_xml("two", overlay("/srv/images/nosuch"))
        assert refusal(web1.snapshotCreateXML, missing, DISK_ONLY | REUSE_EXT) == (
            38,
            10,
            "missing existing file for disk vda: /srv/images/nosuch: No such file or directory",
        )

    @pytest.mark.parametrize(
        ("rest", "flags", "refused"),
        [
            (
                "<disks><disk name='vda' snapshot='internal'/></disks>",
                DISK_ONLY,
                (67, 10, "active qemu domains require external disk snapshots; disk vda requested internal"),
            ),
            (
                "<disks><disk name='vda' snapshot='no'/></disks>",
                DISK_ONLY,
                (67, 10, "nothing selected for snapshot"),
            ),
            (
                overlay("/srv/x", "<driver type='raw'/>"),
                DISK_ONLY,
                (67, 10, "external snapshot format for disk vda is unsupported: raw"),
            ),
            (overlay("/srv/x"), 0, (67, 35, "disk 'vda' must use snapshot mode 'internal'")),
        ],
    )
    def test_not_as_it_is_wanted(self, web1, rest, flags, refused):
        web1.create()
        code, origin, text = refused
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one", rest), flags) == (
            code,
            origin,
            f"unsupported configuration: {text}",
        )
        assert "index='2'" not in web1.XMLDesc()

    def test_no_agent_keeps_still_what_is_written(self, web1):
        web1.create()
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one"), DISK_ONLY | QUIESCE) == (
            74,
            10,
            "argument unsupported: QEMU guest agent is not configured",
        )

    def test_what_is_no_file_has_no_name_for_one(self, node1):
        block = DISK.replace("type='file'", "type='block'").replace("file=", "dev=")
        web2 = node1.defineXML(domain_xml("web2", devices=block))
        assert refusal(web2.snapshotCreateXML, snapshot_xml("one"), DISK_ONLY) == (
            67,
            35,
            f"unsupported configuration: {NO_NAME}",
        )
        web2.snapshotCreateXML(snapshot_xml("one", overlay("/srv/over")), DISK_ONLY)
        assert "<disk type='file' device='disk'>" in web2.XMLDesc()

    def test_what_nobody_knows_has_no_size(self, node1, images):
        web2 = node1.defineXML(domain_xml("web2", devices=DISK.replace("a.qcow2", "unknown")))
        web2.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        images.refresh()
        assert images.storageVolLookupByName("unknown.one").info()[1] == 0

    def test_they_are_not_gone_back_to_and_only_forgotten(self, web1):
        one = web1.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        assert refusal(web1.revertToSnapshot, one) == (
            67,
            10,
            "unsupported configuration: revert to external snapshot not supported yet",
        )
        assert refusal(one.delete)[:2] == (3, 10)
        one.delete(2)
        assert web1.snapshotNum() == 0


class TestWithMemory:
    def test_the_memory_is_in_a_file(self, node1, web1, told):
        web1.create()
        told()
        memory = "<memory snapshot='external' file='/srv/memory'/>"
        one = web1.snapshotCreateXML(snapshot_xml("one", memory))
        assert told() == ["web1 1 suspended", "web1 1 resumed"]
        assert "<state>running</state>" in told_of(one)
        assert memory in told_of(one)
        assert web1.jobStats(1)["operation"] == 6
        web1.snapshotCreateXML(snapshot_xml("two", memory), LIVE)
        web1.destroy()
        node1.restore("/srv/memory")
        assert web1.state() == [1, 3]

    def test_it_is_described_anew(self, node1, web1):
        web1.create()
        memory = "<memory snapshot='external' file='/srv/memory'/>"
        said = web1.snapshotCreateXML(snapshot_xml("one", memory)).getXMLDesc()
        web1.destroy()
        web1.undefineFlags(2)
        again = node1.defineXML(domain_xml("web1", devices=DISK))
        assert again.snapshotCreateXML(said, 1).getXMLDesc() == said

    def test_its_path_is_whole(self, web1):
        web1.create()
        assert refusal(web1.snapshotCreateXML, snapshot_xml("one", "<memory file='x'/>")) == (
            27,
            35,
            "XML error: memory snapshot file path (x) must be absolute",
        )


class TestJobs:
    def test_none_while_a_disk_has_a_job(self, web1):
        web1.create()
        copy = "<disk type='file'><source file='/srv/images/copy'/><driver type='qcow2'/></disk>"
        web1.blockCopy("vda", copy, {}, 4)
        busy = (83, 10, "block copy still active: disk 'vda' already in active block job")
        for flags in (0, DISK_ONLY):
            assert refusal(web1.snapshotCreateXML, snapshot_xml("one"), flags) == busy
        has_job = (55, 10, "Requested operation is not valid: domain has active block job")
        for call in (web1.save, lambda path: web1.coreDump(path, 0), lambda _path: web1.managedSave()):
            assert refusal(call, "/srv/file") == has_job
        web1.coreDump("/srv/file", 16)

    def test_numbers_go_on_after_them(self, web1):
        web1.create()
        web1.blockCopy("vda", "<disk type='file'><source file='/srv/images/copy'/></disk>", {}, 4)
        web1.blockJobAbort("vda", 0)
        web1.snapshotCreateXML(snapshot_xml("one"), DISK_ONLY)
        assert "<source file='/srv/images/a.one' index='3'/>" in web1.XMLDesc()


class TestChains:
    def test_what_is_beneath_is_found_as_it_starts(self, node1, images):
        for number in (1, 2):
            below = "a.qcow2" if number == 1 else "b1"
            images.createXML(
                f"<volume><name>b{number}</name><capacity>1048576</capacity><target><format type='qcow2'/>"
                f"</target><backingStore><path>/srv/images/{below}</path><format type='qcow2'/>"
                "</backingStore></volume>"
            )
        web2 = node1.defineXML(domain_xml("web2", devices=DISK.replace("a.qcow2", "b2")))
        web2.create()
        assert disks(web2.XMLDesc()) == (
            "<driver name='qemu' type='qcow2'/><source file='/srv/images/b2' index='1'/>"
            "<backingStore type='file' index='2'><format type='qcow2'/><source file='/srv/images/b1'/>"
            "<backingStore type='file' index='3'><format type='qcow2'/><source file='/srv/images/a.qcow2'/>"
            "<backingStore/></backingStore></backingStore>"
        )
        assert disks(web2.XMLDesc(INACTIVE)) == (
            "<driver name='qemu' type='qcow2'/><source file='/srv/images/b2'/>"
        )
        assert disks(web2.XMLDesc(8)) == "<driver name='qemu' type='qcow2'/><source file='/srv/images/b2'/>"

    def test_an_end_that_a_user_says_is_one(self, node1, images):
        ended = DISK.replace("<target", "<backingStore/><target")
        web2 = node1.defineXML(domain_xml("web2", devices=ended))
        web2.create()
        assert disks(web2.XMLDesc()).endswith("index='1'/><backingStore/>")
