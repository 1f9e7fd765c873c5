"""Volumes through libvirt-python: beside the records, what only a fake cluster has, and corners."""

import re

import pytest
from stored import GIB, MIB, pool_xml, volume_xml
from told_by_hosts import refusal

STORAGE = 18


@pytest.fixture
def small(node1):
    """A pool of 10 GiB."""
    return node1.storagePoolCreateXML(pool_xml("small", more="<capacity unit='GiB'>10</capacity>"), 1)


@pytest.fixture
def logical(node1):
    """A volume group of 10 GiB."""
    given = pool_xml("vg", kind="logical", more="<capacity unit='GiB'>10</capacity>")
    return node1.storagePoolCreateXML(given, 0)


class TestFull:
    def test_a_file_that_does_not_fit(self, small):
        small.createXML(volume_xml("a", 8 * GIB), 0)
        assert refusal(small.createXML, volume_xml("b", 3 * GIB), 0) == (
            38,
            STORAGE,
            f"cannot allocate {3 * GIB} bytes in file '/srv/small/b': No space left on device",
        )
        assert small.listVolumes() == ["a"]
        small.createXML(volume_xml("b", 3 * GIB, allocation=0), 0)
        assert small.info() == [2, 10 * GIB, 8 * GIB, 2 * GIB]

    def test_one_of_a_format(self, small):
        small.createXML(volume_xml("a", 8 * GIB), 0)
        assert refusal(small.createXML, volume_xml("b", 3 * GIB, form="qcow2"), 1) == (
            1,
            0,
            (
                "internal error: Child process (/usr/bin/qemu-img create -f qcow2 /srv/small/b 3145728K) "
                "unexpected exit status 1: qemu-img: /srv/small/b: No space left on device\n"
            ),
        )
        small.createXML(volume_xml("b", 3 * GIB, form="qcow2"), 0)

    def test_a_clone(self, small):
        source = small.createXML(volume_xml("a", 6 * GIB), 0)
        assert refusal(small.createXMLFrom, volume_xml("b", 0), source, 0)[0] == 38
        assert small.createXMLFrom(volume_xml("b", 0, allocation=0), source, 0).info() == [0, 6 * GIB, 0]

    def test_one_that_grows(self, small):
        volume = small.createXML(volume_xml("a", 6 * GIB), 0)
        assert refusal(volume.resize, 12 * GIB, 1) == (
            9,
            STORAGE,
            "operation failed: Not enough space left in storage pool",
        )
        volume.resize(12 * GIB, 0)  # sparse, then
        assert volume.info() == [0, 12 * GIB, 6 * GIB]

    def test_a_logical_volume(self, logical):
        logical.createXML(volume_xml("a", 8 * GIB), 0)
        assert refusal(logical.createXML, volume_xml("b", 3 * GIB), 0) == (
            1,
            0,
            (
                "internal error: Child process (/sbin/lvcreate --name b -L 3145728K vg) unexpected exit "
                'status 5:   Volume group "vg" has insufficient free space (512 extents): 768 required.\n'
            ),
        )


class TestLogical:
    def test_it_has_whole_extents_and_a_key_of_its_own(self, node1, logical):
        volume = logical.createXML(volume_xml("a", 9 * MIB), 0)
        assert (volume.path(), volume.info()) == ("/dev/vg/a", [1, 12 * MIB, 12 * MIB])
        assert re.fullmatch(r"\w{6}(-\w{4}){5}-\w{6}", volume.key())
        assert node1.storageVolLookupByKey(volume.key()).name() == "a"
        text = volume.XMLDesc(0)
        assert text.startswith("<volume type='block'>\n  <name>a</name>\n")
        assert "  <source>\n  </source>\n  <capacity unit='bytes'>12582912</capacity>\n" in text
        assert "<format" not in text

    def test_what_it_can_and_can_not(self, logical):
        volume = logical.createXML(volume_xml("a"), 0)
        assert logical.createXMLFrom(volume_xml("b", 20 * MIB), volume, 0).info() == [1, 20 * MIB, 20 * MIB]
        assert refusal(volume.resize, 20 * MIB, 0) == (
            3,
            STORAGE,
            (
                "this function is not supported by the connection driver: storage pool does not support "
                "changing of volume capacity"
            ),
        )
        volume.wipe()
        assert refusal(volume.delete, 1)[2] == (
            "unsupported flags (0x1) in function virStorageBackendLogicalDeleteVol"
        )
        volume.delete(0)
        assert logical.listVolumes() == ["b"]


def test_what_there_is_of_a_volume(cluster, images):
    cluster.clock.advance(1.5)
    images.createXML(volume_xml("base", form="qcow2"), 0)
    backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
    volume = images.createXML(volume_xml("a.qcow2", form="qcow2", more=backing), 0)
    target = (
        "    <permissions>\n      <mode>0600</mode>\n      <owner>0</owner>\n      <group>0</group>\n"
        "    </permissions>\n    <timestamps>\n      <atime>1.500000000</atime>\n"
        "      <mtime>1.500000000</mtime>\n      <ctime>1.500000000</ctime>\n      <btime>0</btime>\n"
        "    </timestamps>\n"
    )
    assert volume.XMLDesc(0) == (
        "<volume type='file'>\n  <name>a.qcow2</name>\n  <key>/srv/images/a.qcow2</key>\n"
        "  <capacity unit='bytes'>10485760</capacity>\n  <allocation unit='bytes'>200704</allocation>\n"
        "  <physical unit='bytes'>196616</physical>\n"
        f"  <target>\n    <path>/srv/images/a.qcow2</path>\n    <format type='qcow2'/>\n{target}  </target>\n"
        "  <backingStore>\n    <path>/srv/images/base</path>\n    <format type='qcow2'/>\n"
        f"{target}  </backingStore>\n</volume>\n"
    )
    images.storageVolLookupByName("base").delete(0)
    assert "<backingStore/>" in volume.XMLDesc(0)


def test_a_backing_file_in_a_pool_that_is_not_active(node1, images):
    images.createXML(volume_xml("base", form="qcow2"), 0)
    images.destroy()
    other = node1.storagePoolCreateXML(pool_xml("other"), 1)
    backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
    assert other.createXML(volume_xml("a", form="qcow2", more=backing), 0).info()[1] == 10 * MIB


def test_a_backing_file_that_is_in_no_pool(images):
    backing = "<backingStore><path>/nosuch/base</path></backingStore>"
    assert refusal(images.createXML, volume_xml("a", form="qcow2", more=backing), 0) == (
        38,
        STORAGE,
        "inaccessible backing store volume /nosuch/base: No such file or directory",
    )


def test_permissions_that_are_said_in_part(images):
    said = "<target><permissions><mode>0644</mode><owner>-1</owner></permissions></target>"
    volume = images.createXML(f"<volume><name>a</name><capacity>1</capacity>{said}</volume>", 0)
    assert "<mode>0644</mode>\n      <owner>0</owner>\n      <group>0</group>" in volume.XMLDesc(0)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "<encryption format='luks'/>",
            (
                "invalid argument: A single <secret type='passphrase'...> element is expected in encryption "
                "description"
            ),
        ),
        (
            "<encryption><secret type='passphrase' uuid='1'/></encryption>",
            "Secret not found: no secret with matching uuid '1'",
        ),
    ],
)
def test_an_encrypted_one(images, more, problem):
    assert refusal(images.createXML, volume_xml("a", more=more), 0)[2] == problem


def test_one_that_is_as_large_as_no_file_is(images):
    volume = images.createXML(volume_xml("a"), 0)
    assert refusal(volume.resize, 2**60, 0) == (
        38,
        0,
        "Failed to truncate file '/srv/images/a': File too large",
    )
    assert refusal(images.createXML, volume_xml("b", 2**64 - 1), 0) == (
        82,
        0,
        "numerical overflow: value too large: 18446744073709551615",
    )


def test_a_folder_is_cloned_as_what_it_has(images):
    folder = images.createXML(volume_xml("folder", form="dir"), 0)
    assert images.createXMLFrom(volume_xml("a", 0), folder, 0).info() == [0, 0, 0]
    assert images.createXMLFrom(volume_xml("b", 0, form="dir"), folder, 0).info() == [2, 0, 0]


def test_names_are_in_their_natural_order(images):
    for name in ("a10", "a9"):
        images.createXML(volume_xml(name), 0)
    assert images.listVolumes() == ["a9", "a10"]
