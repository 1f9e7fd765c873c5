"""Saves, snapshots, jobs of disks and names, where they meet."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

FOLDER = "/srv/images"
DISK = (
    f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{FOLDER}/a'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
COPY = f"<disk type='file'><driver type='qcow2'/><source file='{FOLDER}/copy'/></disk>"
TRANSIENT_JOB, FORCE, FORCE_BOOT = 4, 4, 8


def snapshot_xml(name):
    return f"<domainsnapshot><name>{name}</name></domainsnapshot>"


@pytest.fixture
def web1(node1):
    """A domain that is shut off, with a disk that can have snapshots."""
    xml = f"<pool type='dir'><name>images</name><target><path>{FOLDER}</path></target></pool>"
    node1.storagePoolCreateXML(xml, 1).createXML(
        "<volume><name>a</name><capacity>1048576</capacity><target><format type='qcow2'/></target></volume>"
    )
    return node1.defineXML(domain_xml("web1", devices=DISK))


def test_a_domain_goes_back_by_the_name_that_it_has_by_now(node1, web1, cluster):
    off = web1.snapshotCreateXML(snapshot_xml("off"))
    web1.create()
    web1.snapshotCreateXML(snapshot_xml("on"))
    web1.destroy()
    web1.rename("web2")
    web2 = node1.lookupByName("web2")
    web2.revertToSnapshot(web2.snapshotLookupByName(off.getName()))
    assert [(each.name(), each.isActive()) for each in node1.listAllDomains()] == [("web2", 0)]
    web2.revertToSnapshot(web2.snapshotLookupByName("on"))
    assert [(each.name(), each.isActive()) for each in node1.listAllDomains()] == [("web2", 1)]
    cluster.assert_placement({"web2": "node1"})


def test_a_domain_whose_disk_has_a_job_goes_back_to_nothing(web1, cluster):
    web1.create()
    on = web1.snapshotCreateXML(snapshot_xml("on"))
    web1.blockCopy("vda", COPY, {}, TRANSIENT_JOB)
    problem = "Requested operation is not valid: domain has active block job"
    assert refusal(web1.revertToSnapshot, on) == (55, 10, problem)
    cluster.assert_running("web1", on="node1")
    assert web1.blockJobInfo("vda")["type"] == 2
    web1.blockJobAbort("vda")
    web1.revertToSnapshot(on)
    assert web1.state() == [1, 4]


def test_what_was_saved_is_not_lost_on_the_way_to_a_snapshot_without_memory(web1):
    off = web1.snapshotCreateXML(snapshot_xml("off"))
    web1.create()
    on = web1.snapshotCreateXML(snapshot_xml("on"))
    web1.managedSave()
    problem = (
        "revert requires force: snapshot without memory state, removal of existing managed saved state "
        "strongly recommended to avoid corruption"
    )
    assert refusal(web1.revertToSnapshot, off) == (77, 10, problem)
    web1.revertToSnapshot(off, FORCE)
    web1.revertToSnapshot(on)
    assert (web1.state(), web1.hasManagedSaveImage()) == ([1, 4], 1)


def test_a_host_lets_nothing_go_on_from_another_domains_file(node1, web1, cluster):
    web2 = node1.defineXML(domain_xml("web2"))
    web2.setAutostart(1)
    web1.create()
    web1.save("/var/lib/libvirt/qemu/save/web2.save")
    problem = (
        f"operation failed: cannot restore domain 'web2' uuid {uuid_of('web2')} from a file which belongs to "
        f"domain 'web1' uuid {uuid_of('web1')}"
    )
    assert refusal(web2.create) == (9, 10, problem)
    assert (web2.state(), cluster.placement()) == ([5, 0], {})
    cluster["node1"].crash()
    cluster["node1"].boot()
    assert cluster.placement() == {}


def test_a_boot_that_is_forced_throws_that_away(node1, web1, cluster):
    web2 = node1.defineXML(domain_xml("web2"))
    web1.create()
    web1.save("/var/lib/libvirt/qemu/save/web2.save")
    web2.createWithFlags(FORCE_BOOT)
    cluster.assert_placement({"web2": "node1"})
