"""Jobs of disks, as a backup program or a deployer leads them through libvirt-python."""

import pytest
from disk_work import FOLDER, MIB, chain_of, disk_xml, made, mirror_of, target_xml
from small_host import Client
from told_by_hosts import domain_xml, refusal

from pytest_fakehv.fronts.libvirt.values import DomainRef, Parameter

GIB = 2**30
ACTIVE, DELETE = 4, 2
PIVOT = 2
REUSE, TRANSIENT, SHALLOW = 2, 4, 1
NO_CHAIN = (8, 18, "invalid argument: could not find base image in chain for 'vda'")
BUSY = (84, 10, "Operation not supported: disk 'vda' already in active block job")
MIRRORED = (83, 10, "block copy still active: disk 'vda' already in active block job")


def to_the_end(domain, disk="vda"):
    """Ask until a job has ended, or waits to be told what comes of it; return how often."""
    for number in range(100):
        info = domain.blockJobInfo(disk)
        if not info or info["cur"] == info["end"]:
            return number
    raise AssertionError


class TestChains:
    def test_what_is_beneath_is_found_by_looking_into_the_volumes(self, web1):
        assert chain_of(web1) == "top mid base |"
        assert chain_of(web1, 2) == "top"
        assert chain_of(web1, 8) == "top"

    def test_numbers_are_the_daemons(self, node1, images, chain):
        made(images, "other", form="raw")
        devices = disk_xml("top") + disk_xml("other", "vdb", "raw") + "<disk device='cdrom'>"
        devices += "<target dev='hda'/></disk>"
        node1.createXML(domain_xml("web1", devices=devices), 0)
        xml = node1.lookupByName("web1").XMLDesc()
        assert f"<source file='{FOLDER}/top' index='3'/>" in xml or f"{FOLDER}/top' index='2'" in xml
        assert f"{FOLDER}/other' index='1'" in xml or f"{FOLDER}/other' index='2'" in xml
        assert "<backingStore type='file' index='4'>" in xml
        assert "<backingStore type='file' index='5'>" in xml

    def test_what_is_defined_by_the_xml_of_one_that_runs_has_none_of_that(self, node1, web1):
        xml = web1.XMLDesc()
        web1.destroy()
        node1.defineXML(xml)
        assert chain_of(web1) == "top"
        assert f"<source file='{FOLDER}/top'/>" in web1.XMLDesc()

    def test_what_the_definition_says_counts(self, node1, images):
        beneath = "<format type='raw'/><source file='/mine'/><backingStore/>"
        beneath = f"<backingStore type='file'>{beneath}</backingStore>"
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("/top", more=beneath)), 0)
        assert chain_of(domain) == "top mine |"

    def test_a_disk_that_names_a_pools_volume(self, node1, chain, told):
        disk = (
            "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
            "<source pool='images' volume='top'/><target dev='vda' bus='virtio'/></disk>"
        )
        domain = node1.createXML(domain_xml("web1", devices=disk), 0)
        assert chain_of(domain) == "images mid base |"
        domain.blockPull("vda")
        assert to_the_end(domain) == 0
        assert told() == ["top pull completed", "vda pull completed"]
        assert chain_of(domain) == "images |"

    def test_a_volume_that_is_the_difference_to_itself(self, node1, images, upload):
        volume = made(images, "loop2", form="raw")
        made(images, "loop", backing="loop2")
        volume.delete()
        made(images, "loop2", backing="loop")
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("loop")), 0)
        assert chain_of(domain) == "loop loop2 |"

    def test_a_migration_is_refused_meanwhile(self, web1, front):
        web1.blockPull("vda", 1)
        given = (web1.migrateToURI3, front.uri("node2"), {}, 3)
        problem = "Requested operation is not valid: domain has active block job"
        assert refusal(*given) == (55, 10, problem)
        web1.blockJobAbort("vda")
        web1.migrateToURI3(front.uri("node2"), {}, 3 | 512)  # though it isn't safe


class TestPulls:
    def test_all(self, web1, images, told):
        web1.blockPull("vda", 1)
        assert web1.blockJobInfo("vda") == {"type": 1, "bandwidth": 1, "cur": MIB, "end": 4 * MIB}
        assert web1.blockJobInfo("vda", 1) == {"type": 1, "bandwidth": MIB, "cur": 2 * MIB, "end": 4 * MIB}
        assert (chain_of(web1), told()) == ("top mid base |", [])
        assert to_the_end(web1) == 1
        assert told() == ["top pull completed", "vda pull completed"]
        assert (chain_of(web1), chain_of(web1, 2)) == ("top |", "top")
        assert "<backingStore>" not in images.storageVolLookupByName("top").XMLDesc()
        assert web1.blockJobInfo("vda") == {}

    def test_down_to_a_file(self, web1, images, told):
        web1.blockRebase("vda", f"{FOLDER}/base")
        assert (chain_of(web1), told()) == ("top base |", ["top pull completed", "vda pull completed"])
        assert f"<path>{FOLDER}/base</path>" in images.storageVolLookupByName("top").XMLDesc()

    def test_its_time_is_the_clocks(self, web1, cluster, told):
        web1.blockPull("vda", MIB, 1)
        cluster.clock.advance(3)
        assert told() == []
        cluster.clock.advance(1)
        assert told() == ["top pull completed", "vda pull completed"]

    def test_its_speed(self, web1):
        web1.blockPull("vda", 1)
        web1.blockJobSetSpeed("vda", 2)
        assert web1.blockJobInfo("vda")["cur"] == 2 * MIB
        web1.blockJobSetSpeed("vda", 100, 1)
        assert web1.blockJobInfo("vda", 1) == {
            "type": 1,
            "bandwidth": 100,
            "cur": 2 * MIB + 100,
            "end": 4 * MIB,
        }
        problem = "numerical overflow: bandwidth must be less than 8796093022207"
        assert refusal(web1.blockJobSetSpeed, "vda", 2**43) == (82, 10, problem)

    def test_aborted(self, web1, told):
        web1.blockPull("vda", 1)
        problem = "block copy still active: block job 'pull-vda-libvirt-1-format' not ready for pivot yet"
        assert refusal(web1.blockJobAbort, "vda", PIVOT) == (83, 10, problem)
        assert refusal(web1.blockPull, "vda") == BUSY
        web1.blockJobAbort("vda")
        assert told() == ["top pull canceled", "vda pull canceled"]
        problem = "invalid argument: disk vda does not have an active block job"
        assert refusal(web1.blockJobAbort, "vda") == (8, 10, problem)
        assert chain_of(web1) == "top mid base |"

    def test_the_domain_stops(self, web1, cluster, told):
        web1.blockPull("vda", 1)
        web1.destroy()
        cluster.clock.advance(10)
        assert told() == []
        web1.create()
        assert (web1.blockJobInfo("vda"), chain_of(web1)) == ({}, "top mid base |")

    def test_of_two_disks(self, node1, images, chain, told):
        made(images, "other", backing="mid")
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("top") + disk_xml("other", "vdb")), 0)
        domain.blockCopy("vdb", target_xml("copy"), {}, 0)
        domain.blockPull("vda", 1)
        to_the_end(domain, "vdb")
        told()
        domain.blockJobAbort("vdb", PIVOT)
        assert (chain_of(domain, target="vdb"), told()) == (
            "copy |",
            ["copy copy completed", "vdb copy completed"],
        )
        assert to_the_end(domain) == 2
        assert told() == ["top pull completed", "vda pull completed"]

    def test_the_host_crashes(self, web1, cluster):
        web1.blockPull("vda", 1)
        cluster["node1"].crash()
        cluster.clock.advance(10)
        cluster["node1"].boot()

    def test_a_disk_that_no_pool_has(self, node1, told):
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("/a.raw", form="raw")), 0)
        domain.blockPull("/a.raw")
        assert told() == ["a.raw pull completed", "vda pull completed"]
        top = "<backingStore type='file'><format type='raw'/><source file='/b'/></backingStore>"
        other = node1.createXML(domain_xml("web2", devices=disk_xml("/b.qcow2", more=top)), 0)
        other.blockPull("vda")
        assert other.blockJobInfo("vda") == {"type": 1, "bandwidth": 0, "cur": GIB // 4, "end": GIB}
        assert to_the_end(other) == 2
        assert chain_of(other) == "b.qcow2 |"

    def test_what_is_refused(self, web1):
        assert refusal(web1.blockPull, "vdx") == (8, 10, "invalid argument: disk 'vdx' not found in domain")
        for base, problem in {
            "vda[9]": "could not find backing store index '9' in chain for 'vda'",
            "vdb[1]": "requested target 'vdb' does not match target 'vda'",
            "/x": f"could not find image '/x' beneath '{FOLDER}/top' in chain for 'vda'",
        }.items():
            assert refusal(web1.blockRebase, "vda", base) == (8, 18, f"invalid argument: {problem}")
        problem = "invalid argument: flag VIR_DOMAIN_BLOCK_REBASE_RELATIVE is valid only with non-null base"
        assert refusal(web1.blockRebase, "vda", None, 0, 16) == (8, 10, problem)
        problem = "Requested operation is not valid: can't keep relative backing relationship"
        assert refusal(web1.blockRebase, "vda", f"{FOLDER}/base", 0, 16) == (55, 10, problem)
        web1.destroy()
        problem = "Requested operation is not valid: domain is not running"
        assert refusal(web1.blockPull, "vda") == (55, 20, problem)


class TestCommits:
    def test_the_active_layer(self, web1, images, told):
        web1.blockCommit("vda", None, None, 0, ACTIVE)
        assert told() == ["top active commit ready", "vda active commit ready"]
        assert web1.blockJobInfo("vda") == {"type": 4, "bandwidth": 0, "cur": 1, "end": 1}
        assert mirror_of(web1) == ("active-commit", "base", "yes")
        assert refusal(web1.blockCommit, "vda", None, None, 0, ACTIVE) == MIRRORED
        web1.blockJobAbort("vda", PIVOT)
        assert told() == ["base active commit completed", "vda active commit completed"]
        assert (mirror_of(web1), chain_of(web1), chain_of(web1, 2)) == (False, "base |", "base |")
        assert "<driver name='qemu' type='raw'/>" in web1.XMLDesc(2)
        assert images.listVolumes() == ["base", "mid", "top"]
        web1.destroy()
        web1.create()
        assert chain_of(web1) == "base |"

    def test_to_the_one_beneath_and_the_other_is_deleted(self, web1, images):
        web1.blockCommit("vda", None, None, 0, ACTIVE | DELETE | 1)
        web1.blockJobAbort("vda", PIVOT)
        images.refresh()
        assert images.listVolumes() == ["base", "mid"]
        assert (chain_of(web1), chain_of(web1, 2)) == ("mid base |", "mid")

    def test_aborted(self, web1, told):
        web1.blockCommit("vda", "vda[2]", None, 0, ACTIVE)
        told()
        web1.blockJobAbort("vda")
        assert told() == ["top active commit canceled", "vda active commit canceled"]
        assert (mirror_of(web1), chain_of(web1)) == (False, "top mid base |")

    @pytest.mark.parametrize("deletes", [False, True])
    def test_one_in_the_middle(self, web1, images, told, deletes):
        web1.blockCommit("vda", f"{FOLDER}/base", f"{FOLDER}/mid", 0, DELETE * deletes)
        assert told() == ["top commit completed", "vda commit completed"]
        assert chain_of(web1) == "top base |"
        images.refresh()
        assert images.listVolumes() == ["base", *([] if deletes else ["mid"]), "top"]
        assert f"<path>{FOLDER}/base</path>" in images.storageVolLookupByName("top").XMLDesc()

    def test_in_the_middle_of_a_longer_chain(self, node1, images, chain):
        made(images, "more", backing="top")
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("more")), 0)
        domain.blockCommit("vda", f"{FOLDER}/mid", f"{FOLDER}/top")
        assert chain_of(domain) == "more mid base |"
        domain.blockCommit("vda", f"{FOLDER}/mid", None, 0, ACTIVE)
        domain.blockJobAbort("vda", PIVOT)
        assert chain_of(domain) == "mid base |"

    def test_of_what_no_pool_has(self, node1):
        deeper = "<backingStore type='file'><format type='raw'/><source file='/c'/></backingStore>"
        more = f"<backingStore type='file'><format type='qcow2'/><source file='/b'/>{deeper}</backingStore>"
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("/a", more=more)), 0)
        domain.blockCommit("vda", None, "/b", 0, DELETE)
        assert to_the_end(domain) == 3
        domain.blockCommit("vda", None, None, 0, ACTIVE)
        assert mirror_of(domain) == ("active-commit", "c", None)
        assert to_the_end(domain) == 3
        domain.blockJobAbort("vda", PIVOT)
        assert chain_of(domain) == "c |"

    def test_what_is_refused(self, web1, images):
        for base, top, flags, problem in (
            (None, None, 0, "commit of 'vda' active layer requires active flag"),
            (None, "vda[2]", 4, f"active commit requested but '{FOLDER}/mid' is not active"),
            (
                f"{FOLDER}/base",
                "vda",
                5,
                f"base '{FOLDER}/base' is not immediately below '{FOLDER}/top' in chain for '{FOLDER}/top'",
            ),
        ):
            given = ("vda", base, top, 0, flags)
            assert refusal(web1.blockCommit, *given) == (8, 10, f"invalid argument: {problem}")
        problem = "invalid argument: could not find image '/x' in chain for 'vda'"
        assert refusal(web1.blockCommit, "vda", None, "/x") == (8, 18, problem)
        problem = "Requested operation is not valid: can't keep relative backing relationship"
        assert refusal(web1.blockCommit, "vda", None, f"{FOLDER}/mid", 0, 8) == (55, 10, problem)
        web1.destroy()
        assert refusal(web1.blockCommit, "vda", None, None, 0, ACTIVE) == NO_CHAIN


class TestCopies:
    def test_a_full_one(self, web1, images, told):
        web1.blockCopy("vda", target_xml("copy"), {"bandwidth": MIB}, TRANSIENT)
        assert mirror_of(web1) == ("copy", "copy", None)
        problem = "block copy still active: block job 'copy-vda-libvirt-1-format' not ready for pivot yet"
        assert refusal(web1.blockJobAbort, "vda", PIVOT) == (83, 10, problem)
        assert web1.blockJobInfo("vda") == {"type": 2, "bandwidth": 1, "cur": MIB, "end": 4 * MIB}
        assert to_the_end(web1) == 2
        assert told() == ["top copy ready", "vda copy ready"]
        assert mirror_of(web1) == ("copy", "copy", "yes")
        assert web1.blockJobInfo("vda")["cur"] == 4 * MIB
        web1.blockJobAbort("vda", PIVOT)
        assert told() == ["copy copy completed", "vda copy completed"]
        assert (chain_of(web1), chain_of(web1, 2)) == ("copy |", "copy |")
        images.refresh()
        xml = images.storageVolLookupByName("copy").XMLDesc()
        assert "<format type='qcow2'/>" in xml
        assert "<backingStore>" not in xml

    def test_a_shallow_one(self, brief, images):
        brief.blockCopy("vda", target_xml("copy"), {"granularity": 4096, "buf-size": MIB}, SHALLOW)
        assert mirror_of(brief) == ("copy", "copy", "yes")
        brief.blockJobAbort("vda", PIVOT)
        assert (chain_of(brief), chain_of(brief, 2)) == ("copy mid base |", "copy")
        images.refresh()
        assert f"<path>{FOLDER}/mid</path>" in images.storageVolLookupByName("copy").XMLDesc()

    def test_a_shallow_one_of_what_stands_alone(self, node1, images):
        made(images, "alone", form="raw")
        domain = node1.createXML(domain_xml("web1", devices=disk_xml("alone", form="raw")), 0)
        domain.blockCopy("vda", target_xml("copy"), {}, SHALLOW)
        assert to_the_end(domain) == 0
        domain.blockJobAbort("vda", PIVOT)
        assert chain_of(domain) == "copy |"

    def test_ended_with_the_disk_as_it_was(self, brief, told):
        brief.blockCopy("vda", target_xml("copy"), {}, 0)
        brief.blockJobAbort("vda")
        assert told() == ["top copy canceled", "vda copy canceled"]
        assert (mirror_of(brief), chain_of(brief)) == (False, "top mid base |")
        problem = (
            "unsupported configuration: external destination file for disk vda already exists and is not a "
            f"block device: {FOLDER}/copy"
        )
        assert refusal(brief.blockCopy, "vda", target_xml("copy"), {}) == (67, 10, problem)
        brief.blockCopy("vda", target_xml("copy"), {}, REUSE)
        assert "index='5'" in brief.XMLDesc()

    def test_by_the_older_function(self, brief, images):
        brief.blockRebase("vda", f"{FOLDER}/copy", 0, 8 | 4)
        assert to_the_end(brief) == 0
        brief.blockJobAbort("vda", PIVOT)
        images.refresh()
        assert "<format type='raw'/>" in images.storageVolLookupByName("copy").XMLDesc()
        brief.blockRebase("vda", "/dev/vg/copy", 0, 8 | 32)
        to_the_end(brief)
        brief.blockJobAbort("vda", PIVOT)
        assert "<source dev='/dev/vg/copy' index='5'/>" in brief.XMLDesc()

    def test_to_where_no_pool_is(self, brief):
        brief.blockCopy("vda", target_xml("", path="/mnt/copy"), {}, 0)
        to_the_end(brief)
        brief.blockJobAbort("vda", PIVOT)
        assert chain_of(brief) == "copy |"

    def test_the_persistent_definition_has_another_disk_by_now(self, node1, web1):
        node1.defineXML(domain_xml("web1", devices=disk_xml("/other")))
        web1.blockCopy("vda", target_xml("copy"), {}, TRANSIENT)
        to_the_end(web1)
        web1.blockJobAbort("vda", PIVOT)
        assert (chain_of(web1), chain_of(web1, 2)) == ("copy |", "other")

    def test_what_is_refused(self, web1):
        copy = target_xml("copy")
        for given, flags, error in (
            (copy, 0, (55, 10, "Requested operation is not valid: domain is not transient")),
            ("<x/>", 4, (27, 5, "XML error: expecting root element of 'disk', not 'x'")),
            ("<disk/>", 4, (19, 20, "missing source information for device")),
            (
                copy,
                6,
                (
                    38,
                    10,
                    f"missing destination file for disk vda: {FOLDER}/copy: No such file or directory",
                ),
            ),
        ):
            assert refusal(web1.blockCopy, "vda", given, {}, flags) == error
        problem = "invalid argument: granularity must be power of 2"
        assert refusal(web1.blockCopy, "vda", copy, {"granularity": 3}, 4) == (8, 10, problem)

    def test_a_parameter_that_nobody_knows(self, front, libvirt, web1):
        client, ref = Client(front.socket("node1")), DomainRef(web1.name(), web1.UUID(), web1.ID())
        said = client.call("virDomainBlockCopy", ref, "vda", target_xml("copy"), [Parameter("x", 4, 1)], 4)
        assert said[:3] == (74, 0, "argument unsupported: parameter 'x' not supported")
        client.socket.close()
