"""Domains' disks and the volumes that they are: beside the records, what a fake cluster alone has."""

import pytest
from stored import GIB, MIB, nfs_xml, pool_xml, volume_xml
from told_by_hosts import refusal

UPLOAD = b"boot" * 128


def domain_xml(name, *disks):
    """Return a domain's XML."""
    return (
        f"<domain type='kvm'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{''.join(disks)}</devices></domain>"
    )


def disk(path, target="vda", *, form="raw", kind="file", device="disk", more="", policy=""):
    """Return the XML of a disk that is what is at a path."""
    source = "dev" if kind == "block" else "file"
    return (
        f"<disk type='{kind}' device='{device}'><driver name='qemu' type='{form}'/>"
        f"<source {source}='{path}'{policy}/><target dev='{target}'/>{more}</disk>"
    )


def volume(name, pool="images", target="vda"):
    """Return the XML of a disk that is a volume of a pool."""
    return (
        f"<disk type='volume' device='disk'><driver name='qemu' type='raw'/>"
        f"<source pool='{pool}' volume='{name}'/><target dev='{target}'/></disk>"
    )


def missing(path):
    """Return how a start is refused of which a file isn't there."""
    return 38, 18, f"Cannot access storage file '{path}': No such file or directory"


def in_use(said, path):
    """Return how a start ends of which an image is in use."""
    return (
        1,
        10,
        (
            "internal error: process exited while connecting to monitor: 1970-01-01T00:00:00.000000Z "
            f'qemu-system-x86_64: {said}: Failed to get "write" lock\n'
            f"Is another process using the image [{path}]?"
        ),
    )


def figures(domain):
    """Return the sizes of its first disk that are among a domain's figures: as `blockInfo`'s."""
    [(_domain, found)] = domain.connect().domainListGetStats([domain])
    return [found[f"block.0.{what}"] for what in ("capacity", "allocation", "physical")]


VDA = (
    '-device {"driver":"virtio-blk-pci","bus":"pci.0","addr":"0x2","drive":"libvirt-1-format",'
    '"id":"virtio-disk0"}'
)


def node(number, read_only, beneath="null", cache=""):
    """Return the option by which QEMU opens an image of the format qcow2."""
    return (
        f'-blockdev {{"node-name":"libvirt-{number}-format","read-only":{read_only},{cache}"driver":"qcow2",'
        f'"file":"libvirt-{number}-storage","backing":{beneath}}}'
    )


class TestThere:
    def test_what_lies_in_no_pool_is_there(self, node1, images):
        domain = node1.createXML(domain_xml("web1", disk("/srv/elsewhere/a"), disk("/srv/images/a/b", "vdb")))
        assert domain.state() == [1, 1]

    def test_what_lies_in_a_pool_is_its_volume(self, node1, images):
        domain = node1.defineXML(domain_xml("web1", disk("/srv/images//a")))
        assert refusal(domain.create) == missing("/srv/images/a")
        assert domain.state() == [5, 6]
        images.createXML(volume_xml("a"), 0)
        domain.create()
        assert domain.ID() == 2

    def test_a_folder_is_there_without_its_pool(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        images.destroy()
        node1.createXML(domain_xml("web1", disk("/srv/images/a")))
        assert refusal(node1.createXML, domain_xml("web2", disk("/srv/images/b"))) == missing("/srv/images/b")

    def test_what_is_mounted_is_not(self, node1):
        pool = node1.storagePoolDefineXML(nfs_xml("nfs"), 0)
        pool.create(1)
        pool.createXML(volume_xml("a"), 0)
        pool.destroy()
        domain = node1.defineXML(domain_xml("web1", disk("/srv/nfs/a")))
        assert refusal(domain.create) == missing("/srv/nfs/a")
        pool.create(0)
        domain.create()

    def test_a_logical_volume(self, node1):
        pool = node1.storagePoolCreateXML(pool_xml("vg", kind="logical"), 0)
        domain = node1.defineXML(domain_xml("web1", disk("/dev/vg/a", kind="block")))
        assert refusal(domain.create) == missing("/dev/vg/a")
        pool.createXML(volume_xml("a", GIB), 0)
        domain.create()
        assert domain.blockInfo("vda") == [GIB, 0, GIB]  # nothing was written to it
        assert figures(domain) == [GIB, 0, GIB]
        domain.blockResize("vda", GIB // 2, 1)
        assert refusal(domain.blockResize, "vda", 2 * GIB // 1024, 0) == (
            1,
            10,
            "internal error: unable to execute QEMU command 'block_resize': Cannot grow device files",
        )
        domain.destroy()
        assert domain.blockInfo("vda") == [GIB, GIB, GIB]
        assert figures(domain) == [GIB, GIB, GIB]
        domain.create()
        assert figures(domain) == [GIB, 0, GIB]

    def test_a_chain_that_leaves_the_pools(self, node1, images):
        node1.storagePoolCreateXML(pool_xml("other"), 1).createXML(volume_xml("base", form="qcow2"), 0)
        backing = "<backingStore><path>/srv/other/base</path><format type='qcow2'/></backingStore>"
        images.createXML(volume_xml("over", form="qcow2", more=backing), 0)
        other = node1.storagePoolLookupByName("other")
        other.destroy()  # which forgets it
        assert node1.createXML(domain_xml("web1", disk("/srv/images/over", form="qcow2"))).isActive()

    @pytest.mark.parametrize("policy", ["mandatory", "requisite", "optional"])
    def test_a_disc_that_may_be_missing(self, node1, images, policy):
        given = disk("/srv/images/cd", "hda", device="cdrom", policy=f" startupPolicy='{policy}'")
        domain = node1.defineXML(domain_xml("web1", given, disk("/srv/a")))
        if policy != "optional":
            assert refusal(domain.create) == missing("/srv/images/cd")
            return
        domain.create()
        assert "/srv/images/cd" not in domain.XMLDesc(0)
        assert "<source file='/srv/a'" in domain.XMLDesc(0)
        assert "/srv/images/cd" in domain.XMLDesc(2)

    def test_what_starts_with_its_host(self, cluster, connect, node1, images):
        for name in ("a", "b"):
            images.createXML(volume_xml(name), 0)
        images.setAutostart(1)
        for name, path in (("web1", "a"), ("web2", "b"), ("web3", "a")):
            domain = node1.defineXML(domain_xml(name, disk(f"/srv/images/{path}")))
            domain.setAutostart(1)
        images.storageVolLookupByName("b").delete(0)
        cluster["node1"].crash()
        cluster["node1"].boot()
        assert [each.name() for each in connect().listAllDomains(1)] == ["web1"]

    def test_what_an_image_is_the_difference_to(self, node1, images):
        images.createXML(volume_xml("base", form="qcow2"), 0)
        backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
        images.createXML(volume_xml("over", form="qcow2", more=backing), 0)
        domain = node1.defineXML(domain_xml("web1", disk("/srv/images/over", form="qcow2")))
        domain.create()
        domain.destroy()
        images.storageVolLookupByName("base").delete(0)
        assert refusal(domain.create) == (
            38,
            18,
            (
                "Cannot access backing file '/srv/images/base' of storage file '/srv/images/over' "
                "(as uid:0, gid:0): No such file or directory"
            ),
        )

    def test_what_is_the_difference_to_itself(self, node1, images):
        images.createXML(volume_xml("a", form="qcow2"), 0)
        for name, beneath in (("b", "a"), ("a", "b")):
            if name == "a":
                images.storageVolLookupByName("a").delete(0)
            more = f"<backingStore><path>/srv/images/{beneath}</path><format type='qcow2'/></backingStore>"
            images.createXML(volume_xml(name, form="qcow2", more=more), 0)
        assert node1.createXML(domain_xml("web1", disk("/srv/images/a", form="qcow2"))).isActive()

    def test_a_volume_of_a_pool(self, node1, images):
        domain = node1.defineXML(domain_xml("web1", volume("a")))
        no_volume = "Storage volume not found: no storage vol with matching name 'a'"
        assert refusal(domain.create) == (50, 18, no_volume)
        images.createXML(volume_xml("a"), 0)
        assert refusal(domain.blockInfo, "vda") == (
            1,
            18,
            "internal error: missing storage backend for 'volume' storage",
        )
        domain.create()
        assert domain.blockInfo("vda") == [10 * MIB] * 3
        assert refusal(domain.blockInfo, "a")[0] == 8  # which is no path
        domain.destroy()
        images.destroy()
        assert refusal(domain.create) == (
            67,
            20,
            "unsupported configuration: storage pool 'images' containing volume 'a' is not active",
        )
        images.undefine()
        no_pool = "Storage pool not found: no storage pool with matching name 'images'"
        assert refusal(domain.create) == (49, 18, no_pool)

    def test_what_is_not_what_it_is_said_to_be(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        for given, said in (
            (
                disk("/srv/images/a", kind="block"),
                (
                    '-blockdev {"driver":"host_device","filename":"/srv/images/a",'
                    '"node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"}: '
                    "'host_device' driver requires '/srv/images/a' to be either a character or block device"
                ),
            ),
            (disk("/srv/images/a", form="qcow2"), f"{node(1, 'false')}: Image is not in qcow2 format"),
        ):
            assert refusal(node1.createXML, domain_xml("web1", given), 0)[2].endswith(f": {said}")


class TestInUse:
    def test_by_a_domain_of_the_same_host(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        node1.createXML(domain_xml("web1", disk("/srv/images/a")))
        other = node1.defineXML(domain_xml("web2", disk("/srv/images/a")))
        assert refusal(other.create) == in_use(VDA, "/srv/images/a")
        assert other.state() == [5, 6]
        node1.lookupByName("web1").destroy()
        other.create()

    @pytest.mark.parametrize(
        ("one", "two", "why"),
        [
            ("<readonly/>", "<readonly/>", None),
            ("<shareable/>", "<shareable/>", None),
            ("<readonly/>", "", "write"),
            ("", "<readonly/>", "shared"),
            ("<shareable/>", "", "shared"),
            ("<shareable/>", "<readonly/>", "shared"),
            ("", "<shareable/>", "write"),
        ],
    )
    def test_as_one_lets_the_other(self, node1, images, one, two, why):
        images.createXML(volume_xml("a"), 0)
        node1.createXML(domain_xml("web1", disk("/srv/images/a", more=one)))
        second = domain_xml("web2", disk("/srv/images/a", more=two))
        if why is None:
            node1.createXML(second)
            return
        said = f'Failed to get {"shared " if why == "shared" else ""}"write" lock'
        assert said in refusal(node1.createXML, second)[2]

    def test_twice_by_itself(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        twice = disk("/srv/images/a") + disk("/srv/images/a", "vdb")
        assert '"id":"virtio-disk1"' in refusal(node1.createXML, domain_xml("web1", twice))[2]

    def test_an_image_and_what_it_is_the_difference_to(self, node1, images):
        images.createXML(volume_xml("base", form="qcow2"), 0)
        backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
        images.createXML(volume_xml("over", form="qcow2", more=backing), 0)
        base, over = (disk(f"/srv/images/{name}", form="qcow2") for name in ("base", "over"))
        first = node1.createXML(domain_xml("web1", over))
        said = in_use(node(1, "false"), "/srv/images/base")
        assert refusal(node1.createXML, domain_xml("web2", base)) == said
        said = in_use(node(1, "false", '"libvirt-2-format"'), "/srv/images/over")
        assert refusal(node1.createXML, domain_xml("web2", over)) == said
        node1.createXML(domain_xml("web2", disk("/srv/images/base", form="qcow2", more="<readonly/>")))
        first.destroy()
        node1.lookupByName("web2").destroy()
        first = node1.createXML(domain_xml("web1", base))
        code, origin, text = in_use(node(2, "true"), "/srv/images/base")
        said = code, origin, text.replace("get ", "get shared ")
        assert refusal(node1.createXML, domain_xml("web2", over)) == said
        first.destroy()
        node1.createXML(domain_xml("web1", over))
        images.storageVolLookupByName("base").delete(0)
        assert refusal(node1.createXML, domain_xml("web2", over))[0] == 38
        node1.createXML(domain_xml("web2", disk("/srv/elsewhere")))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (
                disk("/srv/images/a", "hda"),
                '{"driver":"ide-hd","bus":"ide.0","unit":0,"drive":"libvirt-1-format","id":"ide0-0-0"}',
            ),
            (
                disk("/srv/images/a", "sda"),
                (
                    '{"driver":"scsi-hd","bus":"scsi0.0","scsi-id":0,"device_id":"drive-scsi0-0-0",'
                    '"drive":"libvirt-1-format","id":"scsi0-0-0"}'
                ),
            ),
            (
                disk("/srv/images/a", "sdb' bus='sata"),
                '{"driver":"ide-hd","bus":"sata0.1","drive":"libvirt-1-format","id":"sata0-0-1"}',
            ),
            (
                disk("/srv/images/a", more="<serial>x</serial>").replace(
                    "type='raw'", "type='raw' cache='writethrough'"
                ),
                (
                    '{"driver":"virtio-blk-pci","bus":"pci.0","addr":"0x2","drive":"libvirt-1-format",'
                    '"id":"virtio-disk0","write-cache":"off","serial":"x"}'
                ),
            ),
        ],
        ids=["ide", "scsi", "sata", "cache"],
    )
    def test_as_a_device(self, node1, images, given, said):
        images.createXML(volume_xml("a"), 0)
        node1.createXML(domain_xml("web1", disk("/srv/images/a")))
        assert refusal(node1.createXML, domain_xml("web2", given)) == in_use(
            f"-device {said}", "/srv/images/a"
        )

    def test_shared_without_a_cache(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        domain = node1.createXML(domain_xml("web1", disk("/srv/images/a", more="<shareable/>")))
        assert "<driver name='qemu' type='raw' cache='none'/>" in domain.XMLDesc(0)

    def test_through_a_pool_that_was_stopped(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        node1.createXML(domain_xml("web1", volume("a")))
        images.destroy()
        said = refusal(node1.createXML, domain_xml("web2", disk("/srv/images/a")))
        assert said == in_use(VDA, "/srv/images/a")

    def test_not_what_lies_in_no_pool(self, node1):
        for name in ("web1", "web2"):
            node1.createXML(domain_xml(name, disk("/srv/a")))

    def test_not_on_another_host(self, connect, node1):
        node2 = connect("node2")
        for connection in (node1, node2):
            pool = connection.storagePoolDefineXML(nfs_xml("nfs"), 0)
            pool.create(1)
            if connection is node1:
                pool.createXML(volume_xml("a"), 0)
            pool.refresh(0)
        node1.createXML(domain_xml("web1", disk("/srv/nfs/a")))
        assert node2.createXML(domain_xml("web2", disk("/srv/nfs/a"))).isActive()

    def test_on_another_bus(self, node1, images):
        images.createXML(volume_xml("a"), 0)
        node1.createXML(domain_xml("web1", disk("/srv/images/a")))
        said = refusal(node1.createXML, domain_xml("web2", disk("/srv/images/a", "sda' bus='usb")))
        given = '-device {"driver":"usb-hd","bus":"usb.0","unit":0,"drive":"libvirt-1-format","id":"'
        assert given in said[2]


class TestFigures:
    @pytest.fixture
    def domain(self, node1, images):
        """One that runs, with a disk of each kind."""
        images.createXML(volume_xml("a", MIB), 0)
        images.createXML(volume_xml("b", MIB, form="qcow2"), 0)
        images.createXML(volume_xml("cd", MIB), 0)
        empty = "<disk type='file' device='cdrom'><target dev='hdb'/></disk>"
        given = (
            disk("/srv/images/a"),
            disk("/srv/images/b", "vdb", form="qcow2"),
            disk("/srv/images/cd", "hda", device="cdrom"),
        )
        domain = node1.defineXML(domain_xml("web1", *given, empty))
        domain.create()
        return domain

    def test_sizes(self, domain, images):
        assert domain.blockInfo("/srv/images/a") == [MIB, MIB, MIB]
        domain.blockResize("vda", 2 * MIB // 1024, 0)
        assert domain.blockInfo("vda") == [2 * MIB, MIB, 2 * MIB]
        domain.blockResize("vdb", MIB - 1, 1)
        assert domain.blockInfo("vdb")[0] == images.storageVolLookupByName("b").info()[1] == MIB
        images.storageVolLookupByName("a").delete(0)
        gone = "Failed to open file '/srv/images/a': No such file or directory"
        assert refusal(domain.blockInfo, "vda") == (38, 10, gone)
        assert refusal(domain.blockPeek, "vda", 0, 1) == (38, 18, gone)

    @pytest.mark.parametrize(
        ("method", "arguments", "said"),
        [
            ("blockInfo", ["vdz"], (8, 10, "invalid argument: invalid path vdz not assigned to domain")),
            (
                "blockInfo",
                ["hdb"],
                (8, 10, "invalid argument: disk 'hdb' does not currently have a source assigned"),
            ),
            (
                "blockResize",
                ["vdz", 1, 1],
                (8, 10, "invalid argument: disk 'vdz' was not found in the domain config"),
            ),
            (
                "blockResize",
                ["hda", 1, 1],
                (84, 10, "Operation not supported: can't resize empty or readonly disk 'hda'"),
            ),
            (
                "blockResize",
                ["hdb", 1, 1],
                (84, 10, "Operation not supported: can't resize empty or readonly disk 'hdb'"),
            ),
            (
                "blockResize",
                ["vda", 2**54, 0],
                (82, 10, "numerical overflow: size must be less than 18014398509481983"),
            ),
            (
                "blockResize",
                ["vda", 2**50, 1],
                (
                    1,
                    10,
                    (
                        "internal error: unable to execute QEMU command 'block_resize': "
                        "Could not resize file: File too large"
                    ),
                ),
            ),
            ("blockPeek", ["vdz", 0, 1], (8, 10, "invalid argument: disk 'vdz' not found in domain")),
            (
                "blockPeek",
                ["vdb", 0, 1],
                (
                    84,
                    10,
                    (
                        "Operation not supported: peeking is only supported for disk with 'raw' format "
                        "not 'qcow2'"
                    ),
                ),
            ),
            (
                "blockPeek",
                ["hdb", 0, 1],
                (
                    84,
                    10,
                    (
                        "Operation not supported: peeking is only supported for disk with 'raw' format "
                        "not 'none'"
                    ),
                ),
            ),
            (
                "blockPeek",
                ["vda", MIB - 4, 16],
                (8, 10, f"invalid argument: 'vda' starting from {MIB - 4} has only 4 bytes available"),
            ),
            (
                "blockPeek",
                ["vda", 0, 0],
                (38, 18, "cannot read header '/srv/images/a': Invalid argument"),
            ),
        ],
    )
    def test_what_is_refused(self, domain, method, arguments, said):
        assert refusal(getattr(domain, method), *arguments) == said

    def test_while_it_is_shut_off(self, domain):
        domain.destroy()
        not_running = "Requested operation is not valid: domain is not running"
        assert refusal(domain.blockResize, "vda", 1, 1) == (55, 20, not_running)
        assert refusal(domain.blockPeek, "hdb", 0, 1) == (
            38,
            18,
            "Failed to open file '(null)': Bad address",
        )

    def test_of_what_lies_in_no_pool(self, node1):
        domain = node1.createXML(domain_xml("web1", disk("/srv/a")))
        nobody = (
            84,
            10,
            (
                "Operation not supported: "
                "nobody knows what '/srv/a' is, which lies in no storage pool of this host"
            ),
        )
        assert refusal(domain.blockInfo, "vda") == nobody
        assert refusal(domain.blockResize, "vda", MIB, 1) == nobody
        assert refusal(domain.blockPeek, "vda", 0, 4) == nobody

    def test_what_was_written_is_read(self, node1, images):
        found = images.createXML(volume_xml("a", MIB), 0)
        stream = node1.newStream()
        found.upload(stream, 512, len(UPLOAD), 0)
        stream.send(UPLOAD)
        stream.finish()
        domain = node1.createXML(domain_xml("web1", disk("/srv/images/a")))
        assert domain.blockPeek("vda", 508, 8) == b"\0\0\0\0boot"
        domain.blockResize("/srv/images/a", 514, 1)
        assert domain.blockInfo("vda") == [1024, 514, 514]
        assert found.info() == [0, 514, 514]
        assert domain.blockPeek("vda", 510, 4) == b"\0\0bo"

    def test_a_folder_has_no_bytes(self, node1, images):
        images.createXML(volume_xml("folder", form="dir"), 0)
        domain = node1.defineXML(domain_xml("web1", disk("/srv/images/folder")))
        assert refusal(domain.blockPeek, "vda", 0, 0)[0] == 38

    def test_a_volume_of_a_format(self, node1, images):
        logical = node1.storagePoolCreateXML(pool_xml("vg", kind="logical"), 0)
        image = images.createXML(volume_xml("a", MIB, form="qcow2"), 0)
        stream = node1.newStream()
        image.download(stream, 0, 0, 0)
        data = stream.recv(2**20)
        stream.finish()
        plain = logical.createXML(volume_xml("b", 4 * MIB), 0)
        given = domain_xml("web1", disk("/dev/vg/b", form="qcow2", kind="block"))
        assert "Image is not in qcow2 format" in refusal(node1.createXML, given)[2]
        stream = node1.newStream()
        plain.upload(stream, 0, 0, 0)
        stream.send(data)
        stream.finish()
        assert node1.createXML(given).isActive()
