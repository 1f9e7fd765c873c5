"""Checkpoints of domains, through libvirt-python."""

import re

import pytest
from disk_work import disk_xml, made
from told_by_hosts import domain_xml, refusal

REDEFINE = 1
CHILDREN, METADATA_ONLY, CHILDREN_ONLY = 1, 2, 4
SCHEMA = "XML document failed to validate against schema: Unable to validate doc against /usr/share/libvirt/"


def checkpoint_xml(name, rest=""):
    said = f"<name>{name}</name>" if name else ""
    return f"<domaincheckpoint>{said}{rest}</domaincheckpoint>"


def disks(*each):
    return f"<disks>{''.join(each)}</disks>"


def names(found):
    return " ".join(each.getName() for each in found)


@pytest.fixture
def web1(node1, images):
    """A domain that runs, with a disk that has room for notes, and an empty one."""
    made(images, "new", compat="1.1")
    devices = disk_xml("new") + "<disk device='cdrom'><target dev='hda'/></disk>"
    screen = "<graphics type='vnc' passwd='secret'/>"
    domain = node1.defineXML(domain_xml("web1", devices=devices + screen))
    domain.create()
    return domain


class TestMade:
    def test_what_it_says(self, web1):
        made = web1.checkpointCreateXML(checkpoint_xml("c1", "<description>first</description>"))
        xml = made.getXMLDesc()
        assert re.sub(r"(?s)  <domain .*</domain>\n", "", xml) == (
            "<domaincheckpoint>\n  <name>c1</name>\n  <description>first</description>\n"
            "  <creationTime>0</creationTime>\n  <disks>\n"
            "    <disk name='vda' checkpoint='bitmap' bitmap='c1'/>\n    <disk name='hda' checkpoint='no'/>\n"
            "  </disks>\n</domaincheckpoint>\n"
        )
        assert "<name>web1</name>" in xml
        assert "secret" not in xml
        assert "secret" in made.getXMLDesc(1)
        assert "<domain " not in made.getXMLDesc(2)
        assert "bitmap='c1' size='0'/>" in made.getXMLDesc(4)
        assert made.getDomain().name() == "web1"

    def test_one_after_the_other(self, web1, connect):
        for name in ("c1", "c2", ""):
            web1.checkpointCreateXML(checkpoint_xml(name))
        assert names(web1.listAllCheckpoints()) == "c1 c2 0"
        assert names(web1.listAllCheckpoints(1)) == "c1"
        assert names(web1.listAllCheckpoints(4)) == "0"
        assert names(web1.listAllCheckpoints(8)) == "c1 c2"
        first = web1.checkpointLookupByName("c1")
        assert (names(first.listAllChildren()), names(first.listAllChildren(1))) == ("c2", "c2 0")
        last = web1.checkpointLookupByName("0")
        assert last.getParent().getName() == "c2"
        assert "<parent>\n    <name>c2</name>\n  </parent>" in last.getXMLDesc(2)
        problem = "Domain checkpoint not found: checkpoint 'c1' does not have a parent"
        assert refusal(first.getParent) == (103, 10, problem)
        reader = connect(read_only=True).lookupByName("web1").checkpointLookupByName("c1")
        problem = "operation forbidden: virDomainCheckpointGetXMLDesc with secure flag"
        assert refusal(reader.getXMLDesc, 1) == (29, 69, problem)

    def test_domains_are_listed_by_whether_they_have_any(self, node1, web1):
        assert [len(node1.listAllDomains(each)) for each in (16384, 32768)] == [0, 1]
        web1.checkpointCreateXML(checkpoint_xml("c1"))
        assert [len(node1.listAllDomains(each)) for each in (16384, 32768)] == [1, 0]

    def test_of_some_disks(self, node1, images):
        for name in ("a", "b"):
            made(images, name, compat="1.1")
        domain = node1.createXML(domain_xml("web2", devices=disk_xml("a") + disk_xml("b", "vdb")), 0)
        given = disks("<disk name='vda' checkpoint='bitmap' bitmap='c1'/>")
        xml = domain.checkpointCreateXML(checkpoint_xml("c1", given)).getXMLDesc(2)
        assert "<disk name='vdb' checkpoint='no'/>" in xml
        given = disks("<disk name='vda' checkpoint='no'/>", "<disk name='vdb'/>")
        xml = domain.checkpointCreateXML(checkpoint_xml("c2", given)).getXMLDesc(2)
        assert "<disk name='vda' checkpoint='no'/>" in xml

    def test_of_a_disk_that_no_pool_has(self, node1):
        domain = node1.createXML(domain_xml("web2", devices=disk_xml("/a")), 0)
        domain.checkpointCreateXML(checkpoint_xml("c1"))

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (checkpoint_xml("c1", disks("<disk name='vdx'/>")), (67, 69, "no disk named 'vdx'")),
            (
                checkpoint_xml("c1", disks("<disk name='vda'/>" * 2)),
                (67, 69, "disk 'vda' specified twice"),
            ),
            (
                checkpoint_xml("c1", disks("<disk name='vda' bitmap='b'/>")),
                (67, 10, "bitmap for disk 'vda' must match checkpoint name 'c1'"),
            ),
        ],
    )
    def test_disks_that_cannot_be(self, web1, given, error):
        code, origin, problem = error
        told = refusal(web1.checkpointCreateXML, given)
        assert told == (code, origin, f"unsupported configuration: {problem}")

    @pytest.mark.parametrize(
        ("given", "extra"),
        [
            (checkpoint_xml("a/b"), "name"),
            ("<domaincheckpoint><name/></domaincheckpoint>", "name"),
            (checkpoint_xml("c1", disks("<disk/>")), "disks"),
            (checkpoint_xml("c1", disks("<disk name='vda' checkpoint='x'/>")), "disks"),
        ],
    )
    def test_what_its_schema_does_not_allow(self, web1, given, extra):
        problem = (
            f"{SCHEMA}schemas/domaincheckpoint.rng\nExtra element {extra} in interleave\n"
            "Element domaincheckpoint failed to validate content\n"
        )
        assert refusal(web1.checkpointCreateXML, given) == (92, 5, problem)

    def test_files_that_have_no_room_for_notes(self, node1, images, chain):
        old = node1.createXML(domain_xml("old", devices=disk_xml("top")), 0)
        problem = (
            "internal error: unable to execute QEMU command 'transaction': Can't make bitmap 'c1' persistent "
            "in 'libvirt-1-format': Cannot store dirty bitmaps in qcow2 v2 files"
        )
        assert refusal(old.checkpointCreateXML, checkpoint_xml("c1")) == (1, 10, problem)
        old.destroy()
        raw = node1.createXML(domain_xml("raw", devices=disk_xml("base", form="raw")), 0)
        problem = "unsupported configuration: checkpoint for disk vda unsupported for storage type raw"
        assert refusal(raw.checkpointCreateXML, checkpoint_xml("c1")) == (67, 10, problem)

    def test_what_is_refused(self, web1):
        web1.checkpointCreateXML(checkpoint_xml("c1"))
        problem = "operation failed: domain moment c1 already exists"
        assert refusal(web1.checkpointCreateXML, checkpoint_xml("c1")) == (9, 20, problem)
        prefix = "VIR_DOMAIN_CHECKPOINT_CREATE_"
        for flags, error in {
            3: (8, 69, f"Flags '{prefix}REDEFINE' and '{prefix}QUIESCE' are mutually exclusive"),
            4: (8, 69, f"Flag '{prefix}REDEFINE' is required by flag '{prefix}REDEFINE_VALIDATE'"),
            2: (8, 10, "unsupported flags (0x2) in function qemuCheckpointCreateXML"),
        }.items():
            assert refusal(web1.checkpointCreateXML, checkpoint_xml("c2"), flags) == error
        web1.destroy()
        problem = "Operation not supported: cannot create checkpoint for inactive domain"
        assert refusal(web1.checkpointCreateXML, checkpoint_xml("c2")) == (84, 10, problem)
        gone = web1.checkpointLookupByName("c1")
        problem = "Requested operation is not valid: domain is not running"
        assert refusal(gone.getXMLDesc, 4) == (55, 20, problem)


class TestEnded:
    def test_what_came_after_it_comes_after_the_one_before(self, web1):
        one, two, three = (web1.checkpointCreateXML(checkpoint_xml(f"c{each}")) for each in (1, 2, 3))
        two.delete()
        assert three.getParent().getName() == "c1"
        problem = "Domain checkpoint not found: no domain checkpoint with matching name 'c2'"
        assert refusal(two.delete) == (103, 10, problem)
        three.delete()
        assert web1.checkpointCreateXML(checkpoint_xml("c2")).getParent().getName() == "c1"
        one.delete(CHILDREN_ONLY)
        assert names(web1.listAllCheckpoints()) == "c1"
        assert web1.checkpointCreateXML(checkpoint_xml("c4")).getParent().getName() == "c1"
        one.delete(CHILDREN)
        assert web1.listAllCheckpoints() == []
        web1.checkpointCreateXML(checkpoint_xml("c1"))

    def test_its_notes_stay_and_it_is_known_again(self, web1):
        one = web1.checkpointCreateXML(checkpoint_xml("c1"))
        two = web1.checkpointCreateXML(checkpoint_xml("c2"))
        xml, later = one.getXMLDesc(), two.getXMLDesc()
        one.delete(CHILDREN | METADATA_ONLY)
        problem = "internal error: unable to execute QEMU command 'transaction': Bitmap already exists: c1"
        assert refusal(web1.checkpointCreateXML, checkpoint_xml("c1")) == (1, 10, problem)
        web1.destroy()
        assert web1.checkpointCreateXML(xml, REDEFINE).getXMLDesc() == xml
        assert web1.checkpointCreateXML(later, REDEFINE | 4).getParent().getName() == "c1"
        problem = "internal error: missing creationTime from existing checkpoint"
        assert refusal(web1.checkpointCreateXML, checkpoint_xml("c3"), REDEFINE) == (1, 69, problem)

    def test_of_a_domain_that_is_shut_off(self, web1):
        one = web1.checkpointCreateXML(checkpoint_xml("c1"))
        prefix = "VIR_DOMAIN_CHECKPOINT_DELETE_"
        problem = f"Flags '{prefix}CHILDREN' and '{prefix}CHILDREN_ONLY' are mutually exclusive"
        assert refusal(one.delete, CHILDREN | CHILDREN_ONLY) == (8, 69, problem)
        web1.destroy()
        problem = "Operation not supported: cannot delete checkpoint for inactive domain"
        assert refusal(one.delete) == (84, 10, problem)
        problem = "Requested operation is not valid: cannot delete inactive domain with 1 checkpoints"
        assert refusal(web1.undefine) == (55, 10, problem)
        web1.undefineFlags(16)
        assert refusal(web1.listAllCheckpoints)[0] == 42

    def test_an_answer_of_a_fault(self, cluster, front, libvirt, web1):
        one = web1.checkpointCreateXML(checkpoint_xml("c1"))
        cluster.fault("virDomainCheckpointLookupByName", result=one)
        assert web1.checkpointLookupByName("other").getName() == "c1"
        cluster.fault("virDomainListAllCheckpoints", result=[one, one])
        assert names(web1.listAllCheckpoints()) == "c1 c1"
        cluster.fault("virDomainCheckpointCreateXML", code=libvirt.VIR_ERR_OPERATION_FAILED, error="no")
        problem = "operation failed: no"
        assert refusal(web1.checkpointCreateXML, checkpoint_xml("c2"))[2] == problem
