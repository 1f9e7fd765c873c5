"""What is in volumes after jobs of disks: what a guest saw before, whatever files it was in."""

import os
import shutil
import struct
import subprocess
import zlib

import pytest
from disk_work import MIB, disk_xml, made, target_xml
from told_by_hosts import domain_xml

from pytest_fakehv.fronts.libvirt.host.blocks import data as blocks_data

CLUSTER = 65536
PIVOT, ACTIVE = 2, 4
RAW = target_xml("copy", "raw")


def qcow2_file(clusters, *, size=4 * MIB, bits=16, version=3):
    """Return a qcow2 file whose clusters are given: bytes, 0 for zeros, or a tuple of bytes to compress."""
    header = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, 0, 0, bits, size, 0, 1, 196608, 65536, 1, 0, 0
    )
    header += struct.pack(">QQQII", 0, 0, 0, 4, 104) if version > 2 else b""
    table, data = bytearray(CLUSTER), bytearray()
    for number, given in clusters.items():
        at = 5 * CLUSTER + len(data)
        if given == 0:
            entry = 1
        elif isinstance(given, tuple):
            packer = zlib.compressobj(wbits=-12)
            packed = packer.compress(given[0]) + packer.flush()
            entry = 1 << 62 | (len(packed) // 512) << 54 | at
            data += packed.ljust(CLUSTER, b"\0")
        else:
            entry = 1 << 63 | at
            data += given
        struct.pack_into(">Q", table, 8 * number, entry)
    first = struct.pack(">Q", 1 << 63 | 4 * CLUSTER).ljust(CLUSTER, b"\0")
    return header.ljust(3 * CLUSTER, b"\0") + first + bytes(table) + bytes(data)


@pytest.fixture
def data(chain, images, upload):
    """Write into the first of three volumes."""
    data = os.urandom(MIB) + bytes(MIB) + os.urandom(2 * MIB)
    upload(images.storageVolLookupByName("base"), data)
    return data


@pytest.fixture
def content(images, download, tmp_path):
    """Return what is in a volume, as QEMU's own tool reads it, if it is no raw one."""

    def content(name):
        images.refresh()
        volume = images.storageVolLookupByName(name)
        said = download(volume)
        if "'raw'" in volume.XMLDesc().partition("<backingStore>")[0]:
            return said
        if not shutil.which("qemu-img"):
            pytest.skip("needs qemu-img")
        given, raw = tmp_path / name, tmp_path / "raw"
        given.write_bytes(said)
        subprocess.run(["qemu-img", "check", "-q", given], check=True)
        subprocess.run(["qemu-img", "convert", "-O", "raw", given, raw], check=True)
        return raw.read_bytes()

    return content


def copied(domain, there, flags=0):
    domain.blockCopy("vda", there, {}, flags)
    while domain.blockJobInfo("vda")["cur"] != domain.blockJobInfo("vda")["end"]:
        pass
    domain.blockJobAbort("vda", PIVOT)


def test_a_pull(brief, data, content):
    brief.blockPull("vda")
    brief.blockJobInfo("vda")
    assert content("top") == data


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_copy(brief, data, content, form):
    copied(brief, target_xml("copy", form))
    assert content("copy") == data


def test_a_large_one(node1, images, upload, content):
    size = 600 * MIB
    volume = made(images, "large", form="raw", size=size, allocation=0)
    for at in (0, 300 * MIB, size - 10):
        upload(volume, b"x" * 10, at=at)
    domain = node1.createXML(domain_xml("web1", devices=disk_xml("large", form="raw")), 0)
    copied(domain, target_xml("copy", "qcow2"))
    assert content("copy")[300 * MIB : 300 * MIB + 12] == b"x" * 10 + bytes(2)


def test_what_is_in_a_layer_is_over_what_is_beneath(node1, images, data, upload, content):
    layer = qcow2_file({0: b"a" * CLUSTER, 1: 0, 2: (b"c" * CLUSTER,)})
    upload(images.storageVolLookupByName("mid"), layer)
    beneath = "<backingStore type='file'><format type='qcow2'/><source file='/srv/images/mid'/>"
    beneath += "<backingStore type='file'><format type='raw'/><source file='/srv/images/base'/>"
    beneath += "<backingStore/></backingStore></backingStore>"
    domain = node1.createXML(domain_xml("web1", devices=disk_xml("top", more=beneath)), 0)
    copied(domain, RAW, 0)
    expected = b"a" * CLUSTER + bytes(CLUSTER) + b"c" * CLUSTER + data[3 * CLUSTER :]
    assert content("copy") == expected


def test_committed_to_one_that_is_a_difference_itself(node1, brief, images, data, upload, download):
    upload(images.storageVolLookupByName("top"), qcow2_file({5: b"t" * CLUSTER}, version=2))
    brief.blockCommit("vda", "vda[3]", None, 0, ACTIVE)
    while brief.blockJobInfo("vda")["cur"] < brief.blockJobInfo("vda")["end"]:
        pass
    brief.blockJobAbort("vda", PIVOT)
    copied(brief, RAW)
    images.refresh()
    said = download(images.storageVolLookupByName("copy"))
    assert said == data[: 5 * CLUSTER] + b"t" * CLUSTER + data[6 * CLUSTER :]


def test_a_file_of_another_kind_is_not_known(libvirt, images, brief, upload, download):
    upload(images.storageVolLookupByName("top"), qcow2_file({}, bits=12))
    copied(brief, RAW)
    images.refresh()
    with pytest.raises(libvirt.libvirtError):
        download(images.storageVolLookupByName("copy"))
    copied(brief, target_xml("again", "qcow2"))
    images.refresh()
    with pytest.raises(libvirt.libvirtError):
        download(images.storageVolLookupByName("again"))


def test_of_another_format(node1, images, download):
    made(images, "a", form="vmdk")
    domain = node1.createXML(domain_xml("web1", devices=disk_xml("a", form="vmdk")), 0)
    copied(domain, RAW)
    images.refresh()
    assert download(images.storageVolLookupByName("copy")) == bytes(4 * MIB)


def test_all_of_a_raw_one_is_over_what_is_beneath(node1, images, data, upload, download):
    made(images, "a", form="raw")
    beneath = "<backingStore type='file'><format type='raw'/><source file='/srv/images/base'/></backingStore>"
    domain = node1.createXML(domain_xml("web1", devices=disk_xml("a", form="raw", more=beneath)), 0)
    copied(domain, RAW)
    images.refresh()
    assert download(images.storageVolLookupByName("copy")) == bytes(4 * MIB)


def test_more_than_a_file_can_have(libvirt, images, brief, data, download, monkeypatch):
    monkeypatch.setattr(blocks_data, "MOST_CLUSTERS", 100)
    copied(brief, target_xml("copy", "qcow2"))
    images.refresh()
    with pytest.raises(libvirt.libvirtError):
        download(images.storageVolLookupByName("copy"))
