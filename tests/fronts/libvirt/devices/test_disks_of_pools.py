"""Disks and media that are plugged in from pools: they are there, are what they say, and nobody else's."""

import pytest
from plugs import BOTH, CONFIG, INACTIVE, LIVE, domain, found, refusal

FOLDER = "/srv/images"
VOLUME = (
    "<volume><name>{0}</name><capacity>1048576</capacity>{2}<target><format type='{1}'/></target></volume>"
)
POOL = f"<pool type='dir'><name>images</name><target><path>{FOLDER}</path></target></pool>"
ENDS = "internal error: unable to execute QEMU command '{}': Failed to get {}\"write\" lock"


def disk(name, target="vdb", form="qcow2", rest=""):
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/><source file='{FOLDER}/{name}'/>"
        f"<target dev='{target}' bus='virtio'/>{rest}</disk>"
    )


def drive(name=""):
    source = f"<source file='{FOLDER}/{name}'/>" if name else ""
    return f"<disk type='file' device='cdrom'>{source}<target dev='hdc' bus='ide'/><readonly/></disk>"


def of_pool(pool, volume):
    return (
        "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source pool='{pool}' volume='{volume}'/><target dev='vdb' bus='virtio'/></disk>"
    )


@pytest.fixture
def running(node1):
    """Two domains that run, on two of the volumes of a pool."""
    pool = node1.storagePoolCreateXML(POOL, 1)
    for name in ("a", "b", "c"):
        pool.createXML(VOLUME.format(name, "qcow2", ""))
    pool.createXML(VOLUME.format("raw", "raw", ""))
    backing = f"<backingStore><path>{FOLDER}/c</path><format type='qcow2'/></backingStore>"
    pool.createXML(VOLUME.format("overlay", "qcow2", backing))
    return [
        node1.createXML(domain("web1", disk("a", "vda"), drive())),
        node1.createXML(domain("web2", disk("b", "vda"), disk("raw", "vdc", "raw"))),
    ]


@pytest.mark.parametrize(
    ("device", "refused"),
    [
        (
            disk("no"),
            (
                38,
                18,
                f"Cannot access storage file '{FOLDER}/no' (as uid:0, gid:0): No such file or directory",
            ),
        ),
        (
            disk("no", form="raw"),
            (38, 18, f"Cannot access storage file '{FOLDER}/no': No such file or directory"),
        ),
        (
            of_pool("images", "no"),
            (50, 18, "Storage volume not found: no storage vol with matching name 'no'"),
        ),
        (of_pool("no", "a"), (49, 18, "Storage pool not found: no storage pool with matching name 'no'")),
        (disk("b"), (1, 10, ENDS.format("blockdev-add", ""))),
        (of_pool("images", "b"), (1, 10, ENDS.format("blockdev-add", ""))),
        (disk("a"), (1, 10, ENDS.format("blockdev-add", ""))),
        (disk("a", rest="<readonly/>"), (1, 10, ENDS.format("blockdev-add", "shared "))),
        (disk("raw", form="raw"), (1, 10, ENDS.format("device_add", ""))),
        (disk("raw", form="raw", rest="<readonly/>"), (1, 10, ENDS.format("device_add", "shared "))),
        (
            disk("raw"),
            (
                1,
                10,
                "internal error: unable to execute QEMU command 'blockdev-add': Image is not in qcow2 format",
            ),
        ),
    ],
)
def test_a_disk_that_cannot_come(running, device, refused):
    web1, _ = running
    assert refusal(web1.attachDeviceFlags, device, LIVE) == refused
    assert len(found(web1.XMLDesc(), "disk")) == 2


def test_what_is_only_defined_need_not_be_there(node1):
    node1.storagePoolCreateXML(POOL, 1)
    web1 = node1.defineXML(domain("web1"))
    web1.create()
    assert refusal(web1.attachDeviceFlags, disk("no"), BOTH)[0] == 38
    assert found(web1.XMLDesc(INACTIVE), "disk") == []
    web1.attachDeviceFlags(disk("no"), CONFIG)
    assert len(found(web1.XMLDesc(INACTIVE), "disk")) == 1


def test_a_disk_comes_with_what_is_beneath_it_and_is_nobody_elses_then(running):
    web1, web2 = running
    web1.attachDeviceFlags(disk("overlay"), LIVE)
    (_, there, _) = found(web1.XMLDesc(), "disk")
    assert (
        f"<source file='{FOLDER}/overlay' index='3'/><backingStore type='file' index='4'>"
        f"<format type='qcow2'/><source file='{FOLDER}/c'/><backingStore/></backingStore>"
    ) in there
    for name in ("overlay", "c"):
        assert refusal(web2.attachDeviceFlags, disk(name), LIVE) == (1, 10, ENDS.format("blockdev-add", ""))
    web1.blockCommit("vdb", None, None, 0, 4)
    web1.blockJobAbort("vdb", 2)
    web1.detachDeviceFlags(disk("c"), LIVE)
    web2.attachDeviceFlags(disk("c"), LIVE)


def test_a_medium_that_cannot_come(running):
    web1, _ = running
    missing = f"Cannot access storage file '{FOLDER}/no': No such file or directory"
    assert refusal(web1.updateDeviceFlags, drive("no"), LIVE) == (38, 18, missing)
    taken = ENDS.format("blockdev-insert-medium", "shared ")
    assert refusal(web1.updateDeviceFlags, drive("b"), LIVE) == (1, 10, taken)
    web1.updateDeviceFlags(drive("c"), LIVE)
    assert f"<source file='{FOLDER}/c' index='3'/>" in found(web1.XMLDesc(), "disk")[1]
