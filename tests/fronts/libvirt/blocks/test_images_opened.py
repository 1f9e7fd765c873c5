"""Images that come to domains while they run: there, what they say, and free."""

import pytest
from disk_work import FOLDER, chain_of, disk_xml, made, target_xml
from told_by_hosts import domain_xml, refusal

LIVE, CONFIG = 1, 2
ACTIVE = 4
REUSE = 2
DRIVE = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
WRITE = 'Failed to get "write" lock'
SHARED = 'Failed to get shared "write" lock'
NOT_QCOW2 = "Image is not in qcow2 format"


def volume_disk(name, pool="images", target="vdb"):
    """Return the XML of a disk that is a volume of a pool."""
    return (
        f"<disk type='volume' device='disk'><source pool='{pool}' volume='{name}'/>"
        f"<target dev='{target}' bus='virtio'/></disk>"
    )


def medium(source, form="raw", kind="file"):
    """Return the XML of a drive with a medium."""
    return (
        f"<disk type='{kind}' device='cdrom'><driver name='qemu' type='{form}'/><source {source}/>"
        "<target dev='sda' bus='sata'/></disk>"
    )


def refused(command, why):
    """Return how QEMU refuses to do something."""
    return 1, 10, f"internal error: unable to execute QEMU command '{command}': {why}"


def missing(said):
    """Return how a daemon refuses what isn't there."""
    return 38, 18, f"Cannot access {said}: No such file or directory"


@pytest.fixture
def images(images):
    """A pool with volumes: of one, `lost`, what is beneath it is gone."""
    for name in ("raw1", "raw2", "raw3"):
        made(images, name, form="raw")
    for name in ("base", "bad", "own"):
        made(images, name)
    for name, backing in (("over1", "base"), ("over2", "base"), ("lost", "bad")):
        made(images, name, backing=backing)
    images.storageVolLookupByName("bad").delete(0)
    return images


@pytest.fixture
def web1(node1, images):
    """A domain that runs."""
    disks = disk_xml("raw1", form="raw") + disk_xml("over1", "vdb") + disk_xml("own", "vdc")
    return node1.createXML(domain_xml("web1", devices=disks), 0)


@pytest.fixture
def web2(node1, images):
    """Another one."""
    domain = node1.defineXML(domain_xml("web2", devices=disk_xml("raw2", form="raw") + DRIVE))
    domain.create()
    return domain


class TestPluggedIn:
    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (disk_xml("none", "vdb", "raw"), missing(f"storage file '{FOLDER}/none'")),
            (disk_xml("none", "vdb"), missing(f"storage file '{FOLDER}/none' (as uid:0, gid:0)")),
            (
                disk_xml("lost", "vdb"),
                missing(f"backing file '{FOLDER}/bad' of storage file '{FOLDER}/lost' (as uid:0, gid:0)"),
            ),
            (
                volume_disk("none"),
                (50, 18, "Storage volume not found: no storage vol with matching name 'none'"),
            ),
            (
                volume_disk("raw3", "none"),
                (49, 18, "Storage pool not found: no storage pool with matching name 'none'"),
            ),
            (disk_xml("raw3", "vdb"), refused("blockdev-add", NOT_QCOW2)),
            (
                disk_xml("raw3", "vdb", "raw").replace("'file'", "'block'").replace("file=", "dev="),
                refused(
                    "blockdev-add",
                    f"'host_device' driver requires '{FOLDER}/raw3' to be either a character or block device",
                ),
            ),
        ],
    )
    def test_what_is_not_there_or_not_what_it_says(self, web2, given, error):
        assert refusal(web2.attachDeviceFlags, given, LIVE) == error
        assert "vdb" not in web2.XMLDesc()

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (disk_xml("raw1", "vdd", "raw"), refused("device_add", WRITE)),
            (disk_xml("raw1", "vdd", "raw", "<readonly/>"), refused("device_add", SHARED)),
            (disk_xml("raw1", "vdd", "raw", "<shareable/>"), refused("device_add", WRITE)),
            (volume_disk("raw1", target="vdd"), refused("device_add", WRITE)),
            (disk_xml("raw2", "vdd", "raw"), refused("device_add", WRITE)),
            (disk_xml("own", "vdd"), refused("blockdev-add", WRITE)),
            (disk_xml("own", "vdd", more="<readonly/>"), refused("blockdev-add", SHARED)),
            (disk_xml("base", "vdd"), refused("blockdev-add", WRITE)),
            (disk_xml("over1", "vdd"), refused("blockdev-add", WRITE)),
        ],
    )
    def test_what_is_in_use(self, web1, web2, given, error):
        assert refusal(web2.attachDeviceFlags, given, LIVE) == error
        assert "vdd" not in web2.XMLDesc()
        web1.destroy()
        if "raw2" not in given:
            web2.attachDeviceFlags(given, LIVE)

    def test_what_others_use_the_same_base_of(self, web1, web2):
        web2.attachDeviceFlags(disk_xml("over2", "vdd"), LIVE)
        assert chain_of(web2, target="vdd") == "over2 base |"

    def test_what_the_others_are_by_now_does_not_matter(self, images, web1, web2):
        images.storageVolLookupByName("over1").delete(0)
        made(images, "over1", form="raw")
        web1.attachDeviceFlags(disk_xml("raw3", "vdd", "raw"), LIVE)
        assert refusal(web2.attachDeviceFlags, disk_xml("raw3", "vdd", "raw"), LIVE)[0] == 1

    def test_what_comes_with_the_next_start_may_be_missing_but_for_a_volume(self, web2):
        web2.attachDeviceFlags(disk_xml("none", "vdd", "raw"), CONFIG)
        assert refusal(web2.attachDeviceFlags, volume_disk("none"), CONFIG)[0] == 50
        assert "vdb" not in web2.XMLDesc(2)


class TestMedia:
    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (medium(f"file='{FOLDER}/none'"), missing(f"storage file '{FOLDER}/none'")),
            (
                medium("pool='images' volume='none'", kind="volume"),
                (50, 18, "Storage volume not found: no storage vol with matching name 'none'"),
            ),
            (medium(f"file='{FOLDER}/raw1'"), refused("blockdev-insert-medium", SHARED)),
            (medium(f"file='{FOLDER}/raw3'", "qcow2"), refused("blockdev-add", NOT_QCOW2)),
        ],
    )
    def test_refused(self, web1, web2, given, error):
        assert refusal(web2.updateDeviceFlags, given, LIVE) == error
        assert "<source" not in web2.XMLDesc().partition("cdrom")[2].partition("</disk>")[0]
        web2.updateDeviceFlags(medium(f"file='{FOLDER}/raw3'"), LIVE)
        web2.updateDeviceFlags(medium(f"file='{FOLDER}/none'"), CONFIG)

    def test_taken_out(self, web2):
        web2.updateDeviceFlags(medium(f"file='{FOLDER}/raw3'"), LIVE)
        web2.updateDeviceFlags(DRIVE, LIVE)
        assert "raw3" not in web2.XMLDesc()


def test_what_is_beneath_a_disk_is_what_is_said_too(node1, images, web2):
    made(images, "bad", form="raw")
    error = refusal(node1.createXML, domain_xml("web1", devices=disk_xml("lost")), 0)
    assert error[:2] == (1, 10)
    assert error[2].endswith(
        '-blockdev {"node-name":"libvirt-2-format","read-only":true,"driver":"qcow2",'
        f'"file":"libvirt-2-storage","backing":null}}: {NOT_QCOW2}'
    )
    assert refusal(web2.attachDeviceFlags, disk_xml("lost", "vdb"), LIVE) == refused(
        "blockdev-add", NOT_QCOW2
    )


class TestWrittenByJobs:
    @pytest.fixture
    def web3(self, node1, images):
        """A domain over the same base as the first one."""
        return node1.createXML(domain_xml("web3", devices=disk_xml("over2")), 0)

    def test_what_others_are_over_takes_no_commit(self, web1, web3):
        error = refused("block-commit", WRITE)
        assert refusal(web3.blockCommit, "vda", None, None, 0, ACTIVE) == error
        assert web3.blockJobInfo("vda") == {}
        assert chain_of(web3) == "over2 base |"
        web1.destroy()
        web3.blockCommit("vda", None, None, 0, ACTIVE)

    def test_nor_one_from_between(self, web1, web3):
        web3.snapshotCreateXML("<domainsnapshot><name>a</name></domainsnapshot>", 16)
        error = refused("block-commit", WRITE)
        assert refusal(web3.blockCommit, "vda", None, f"{FOLDER}/over2", 0, 0) == error

    def test_what_a_commit_writes_to_is_in_use_until_it_ends(self, node1, web3):
        web3.blockCommit("vda", None, None, 1, ACTIVE)
        other = domain_xml("web4", devices=disk_xml("over1"))
        assert refusal(node1.createXML, other, 0)[2].endswith(
            f'"backing":null}}: {SHARED}\nIs another process using the image [{FOLDER}/base]?'
        )
        web3.blockJobAbort("vda", 0)
        node1.createXML(other, 0)

    def test_what_is_in_no_pool_is_free(self, node1):
        disks = (
            "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/x/a'/>"
            "<backingStore type='file'><format type='qcow2'/><source file='/x/b'/><backingStore/>"
            "</backingStore><target dev='vda' bus='virtio'/></disk>"
        )
        domain = node1.createXML(domain_xml("web5", devices=disks), 0)
        domain.blockCommit("vda", None, None, 1, ACTIVE)
        node1.createXML(domain_xml("web6", devices=disk_xml("/x/b")), 0)

    @pytest.mark.parametrize(
        ("name", "form", "error"),
        [
            ("raw1", "raw", refused("blockdev-mirror", WRITE)),
            ("own", "qcow2", refused("blockdev-add", WRITE)),
            ("raw3", "qcow2", refused("blockdev-add", NOT_QCOW2)),
        ],
    )
    def test_what_a_disk_is_not_copied_to(self, web1, web3, name, form, error):
        assert refusal(web3.blockCopy, "vda", target_xml(name, form), {}, REUSE) == error
        assert web3.blockJobInfo("vda") == {}
        web3.blockCopy("vda", target_xml("raw3", "raw"), {}, REUSE)

    @pytest.mark.parametrize(
        ("name", "form", "error"),
        [
            ("raw1", "raw", refused("transaction", f"Could not create node: {WRITE}")),
            ("own", "qcow2", refused("blockdev-add", WRITE)),
            ("raw3", "qcow2", refused("blockdev-add", NOT_QCOW2)),
        ],
    )
    def test_what_a_disk_is_not_backed_up_to(self, web1, web3, name, form, error):
        def backup(name):
            target = f"<driver type='{form}'/><target file='{FOLDER}/{name}'/>"
            disks = f"<disks><disk name='vda' type='file'>{target}</disk></disks>"
            return f"<domainbackup>{disks}</domainbackup>"

        assert refusal(web3.backupBegin, backup(name), None, 1) == error
        web3.backupBegin(backup("new"), None, 0)

    @pytest.mark.parametrize(
        ("name", "why"), [("over1", WRITE), ("raw3", NOT_QCOW2), ("base", WRITE), ("raw2", NOT_QCOW2)]
    )
    def test_what_does_not_come_above_a_disk(self, web1, web2, name, why):
        above = f"<disk name='vda'><source file='{FOLDER}/{name}'/></disk>"
        given = f"<domainsnapshot><name>a</name><disks>{above}</disks></domainsnapshot>"
        assert refusal(web2.snapshotCreateXML, given, 48) == refused("blockdev-add", why)
        assert chain_of(web2) == "raw2 |"
        assert web2.snapshotNum() == 0

    def test_what_comes_above_a_disk(self, web2):
        above = f"<disk name='vda'><source file='{FOLDER}/own'/></disk>"
        given = f"<domainsnapshot><name>a</name><disks>{above}</disks></domainsnapshot>"
        web2.snapshotCreateXML(given, 48)
        assert chain_of(web2) == "own raw2 |"


def test_what_is_gone_beneath_a_disk_is_in_nobody_s_way(node1, images, web1):
    images.storageVolLookupByName("base").delete(0)
    node1.createXML(domain_xml("web3", devices=disk_xml("raw3", form="raw")), 0)
    assert sorted(each.name() for each in node1.listAllDomains()) == ["web1", "web3"]
