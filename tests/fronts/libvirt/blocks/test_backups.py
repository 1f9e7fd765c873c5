"""Backups of domains, as a backup program makes them through libvirt-python."""

import os

import pytest
from disk_work import FOLDER, MIB, disk_xml, made, target_xml
from test_checkpoints import SCHEMA, checkpoint_xml, disks
from told_by_hosts import domain_xml, refusal

COMPLETED, KEEP = 1, 2
REUSE = 1
LOCKED = "cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)"
BUSY = (68, 0, f"Timed out during operation: {LOCKED}")
NONE = (104, 10, "Domain backup job id not found: no domain backup job present")
NO_CHECKPOINT = "Checkpoint 'c1' for incremental backup of disk 'vda' not found"
NEEDS_ONE = "'incremental' backup mode of disk 'vda' requires setting 'incremental' field for disk or backup"
GONE = "unsupported configuration: "


def backup_xml(rest="", mode=None):
    said = f" mode='{mode}'" if mode else ""
    return f"<domainbackup{said}>{rest}</domainbackup>"


def target(name="vda", file="copy", form=None, more="", kind="file", place="file"):
    driver = f"<driver type='{form}'/>" if form else ""
    there = f"<target {place}='{FOLDER}/{file}'/>"
    return f"<disk name='{name}' backup='yes' type='{kind}'{more}>{driver}{there}</disk>"


def to_the_end(domain):
    """Ask until a backup has ended; return what was said."""
    said = []
    while (stats := domain.jobStats())["type"]:
        said.append(stats)
    return said


@pytest.fixture
def data(images, upload):
    """Make a volume that has something in it, of 512 MiB as far as its place is concerned."""
    volume = made(images, "new", form="raw", size=4 * MIB, allocation=4 * MIB)
    data = os.urandom(4 * MIB)
    upload(volume, data)
    return data


@pytest.fixture
def web1(node1, images, data):
    """A domain that runs, with a disk of a volume, one that no pool has, and one that is read-only."""
    more = "<disk type='file' device='cdrom'><source file='/iso'/><target dev='hda'/></disk>"
    devices = disk_xml("new", form="raw") + disk_xml("/mnt/b", "vdb", "raw") + more
    domain = node1.defineXML(domain_xml("web1", devices=devices))
    domain.create()
    return domain


class TestPushed:
    @pytest.mark.parametrize("form", ["raw", "qcow2"])
    def test_a_disk(self, web1, images, data, download, told, form):
        web1.backupBegin(backup_xml(disks(target(form=form))), None)
        assert told() == []
        xml = web1.backupGetXMLDesc()
        assert xml == (
            "<domainbackup mode='push'>\n  <disks>\n"
            "    <disk name='vda' backup='yes' type='file' backupmode='full' index='4'>\n"
            f"      <driver type='{form}'/>\n      <target file='{FOLDER}/copy'/>\n    </disk>\n"
            "    <disk name='vdb' backup='no'/>\n    <disk name='hda' backup='no'/>\n"
            "  </disks>\n</domainbackup>\n"
        )
        assert to_the_end(web1) == []
        assert told() == ["job 9 done", "new backup completed", "vda backup completed"]
        assert web1.jobStats(COMPLETED | KEEP) == {
            "type": 3,
            "operation": 9,
            "time_elapsed": 1000,
            "disk_total": 4 * MIB,
            "disk_processed": 4 * MIB,
            "disk_remaining": 0,
            "success": True,
        }
        assert web1.jobStats(COMPLETED)["success"]
        assert web1.jobStats(COMPLETED) == {"type": 0}
        images.refresh()
        copy = images.storageVolLookupByName("copy")
        assert f"<format type='{form}'/>" in copy.XMLDesc()
        if form == "raw":
            assert download(copy) == data

    def test_all_disks_that_can_be_written_to(self, web1, images, told):
        web1.backupBegin(backup_xml(), None)
        assert "<target file='/mnt/b.0'/>" in web1.backupGetXMLDesc()
        assert web1.jobInfo()[:3] == [2, 1000, 0]
        assert web1.jobStats() == {
            "type": 2,
            "operation": 9,
            "time_elapsed": 2000,
            "disk_total": 1024 * MIB + 4 * MIB,
            "disk_processed": 512 * MIB + 4 * MIB,
            "disk_remaining": 512 * MIB,
        }
        assert len(to_the_end(web1)) == 1
        assert told() == [
            "new backup completed",
            "vda backup completed",
            "job 9 done",
            "b backup completed",
            "vdb backup completed",
        ]
        images.refresh()
        assert images.listVolumes() == ["new", "new.0"]

    def test_to_files_that_are_there(self, web1, images, data, download):
        made(images, "copy", form="raw", allocation=0)
        given = backup_xml(disks(target(form="raw")), "push")
        problem = f"invalid argument: store '{FOLDER}/copy' for backup of 'vda' exists"
        assert refusal(web1.backupBegin, given, None) == (8, 10, problem)
        web1.backupBegin(given, None, REUSE)
        to_the_end(web1)
        assert download(images.storageVolLookupByName("copy")) == data
        web1.backupBegin(given, None, REUSE)
        web1.abortJob()
        images.refresh()
        assert "copy" in images.listVolumes()
        problem = (
            "internal error: unable to execute QEMU command 'blockdev-add': "
            f"Could not open '{FOLDER}/none': No such file or directory"
        )
        given = backup_xml(disks(target(file="none")))
        assert refusal(web1.backupBegin, given, None, REUSE) == (1, 10, problem)

    def test_to_a_device(self, web1):
        web1.backupBegin(
            backup_xml(disks(target("vdb", kind="block", place="dev").replace(FOLDER, "/dev"))), None
        )
        assert "<target dev='/dev/copy'/>" in web1.backupGetXMLDesc()
        assert len(to_the_end(web1)) == 3

    def test_what_was_written_since_a_checkpoint(self, node1, images, told):
        made(images, "noted", compat="1.1")
        domain = node1.createXML(domain_xml("web2", devices=disk_xml("noted")), 0)
        domain.backupBegin(backup_xml(disks(target(file="full"))), checkpoint_xml("c1"))
        to_the_end(domain)
        given = backup_xml(f"<incremental>c1</incremental>{disks(target(file='part'))}")
        domain.backupBegin(given, checkpoint_xml("c2"))
        assert told()[-3:] == ["job 9 done", "noted backup completed", "vda backup completed"]
        assert domain.jobStats(COMPLETED) == {
            "type": 3,
            "operation": 9,
            "time_elapsed": 0,
            "success": True,
        }
        assert [each.getName() for each in domain.listAllCheckpoints()] == ["c1", "c2"]
        images.refresh()
        assert f"<path>{FOLDER}/noted</path>" in images.storageVolLookupByName("part").XMLDesc()
        more = " backupmode='full'"
        given = backup_xml(f"<incremental>c1</incremental>{disks(target(file='again', more=more))}")
        domain.backupBegin(given, None)
        images.refresh()
        assert "<backingStore>" not in images.storageVolLookupByName("again").XMLDesc()

    def test_what_it_says_of_an_incremental_one(self, node1, images, cluster):
        made(images, "noted", compat="1.1")
        devices = disk_xml("noted") + disk_xml("/b", "vdb", "raw")
        domain = node1.createXML(domain_xml("web2", devices=devices), 0)
        domain.checkpointCreateXML(checkpoint_xml("c1", disks("<disk name='vda'/>")))
        more = " backupmode='incremental' incremental='c1'"
        both = disks(target(more=more), target("vdb", "b"))
        domain.backupBegin(backup_xml(both), None)
        assert "backupmode='incremental' incremental='c1'" in domain.backupGetXMLDesc()
        to_the_end(domain)
        given = backup_xml(f"<incremental>c1</incremental>{disks(target(file='x'), target('vdb', 'y'))}")
        problem = "checkpoint inconsistent: missing or broken bitmap 'c1' for disk 'vdb'"
        assert refusal(domain.backupBegin, given, None) == (109, 10, problem)


class TestMeanwhile:
    def test_what_has_to_wait(self, web1, front):
        web1.backupBegin(backup_xml(disks(target("vdb"))), None)
        assert refusal(web1.backupBegin, backup_xml(), None) == BUSY
        assert refusal(web1.migrateToURI3, front.uri("node2"), {}, 3) == BUSY
        problem = "Operation not supported: disk 'vdb' already in active block job"
        assert refusal(web1.blockPull, "vdb") == (84, 10, problem)
        assert web1.blockJobInfo("vdb")["type"] == 5

    def test_aborted(self, web1, images, told):
        both = disks(target(file="a"), target("vdb", "b"))
        web1.backupBegin(backup_xml(both), None)
        web1.abortJob()
        assert told() == [
            "b backup canceled",
            "vdb backup canceled",
            "job 9 not done",
            "new backup canceled",
            "vda backup canceled",
        ]
        stats = web1.jobStats(COMPLETED)
        assert (stats["type"], stats["success"], stats["errmsg"]) == (5, False, "Operation canceled")
        assert refusal(web1.backupGetXMLDesc) == NONE
        images.refresh()
        assert images.listVolumes() == ["new"]
        problem = "Requested operation is not valid: no job is active on the domain"
        assert refusal(web1.abortJob) == (55, 10, problem)

    def test_the_domain_stops(self, web1, images, told):
        web1.backupBegin(backup_xml(disks(target())), None)
        web1.destroy()
        assert told() == ["job 9 not done"]
        assert web1.jobStats(COMPLETED) == {
            "type": 5,
            "operation": 9,
            "time_elapsed": 0,
            "success": False,
        }
        images.refresh()
        assert images.listVolumes() == ["new"]

    def test_a_disk_that_has_a_job(self, web1):
        web1.blockCopy("vda", target_xml("other"), {"bandwidth": MIB}, 4)
        problem = "block copy still active: disk 'vda' already in active block job"
        assert refusal(web1.backupBegin, backup_xml(disks(target())), None) == (83, 10, problem)


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "wrong"),
        [
            (backup_xml(mode="x"), "Invalid attribute mode for element domainbackup\n"),
            (backup_xml(mode="pull"), "Invalid attribute mode for element domainbackup\n"),
            (backup_xml("<server transport='unix'/>", "pull"), "server"),
            (backup_xml("<server transport='unix' socket='/x'/>"), "server"),
            (backup_xml("<disks/>"), "disks"),
            (backup_xml(disks("<disk backup='yes'/>")), "disks"),
            (backup_xml(disks("<disk name='vda' backup='x'/>")), "disks"),
            (backup_xml(disks("<disk name='vda'/>")), "disks"),
            (backup_xml(disks(target(more=" backupmode='x'"))), "disks"),
            (backup_xml(disks(target(form="x"))), "disks"),
        ],
    )
    def test_what_its_schema_does_not_allow(self, web1, given, wrong):
        if " " not in wrong:
            wrong = f"Extra element {wrong} in interleave\nElement domainbackup failed to validate content\n"
        problem = f"{SCHEMA}schemas/domainbackup.rng\n{wrong}"
        assert refusal(web1.backupBegin, given, None) == (92, 5, problem)

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            (disks("<disk name='vda' backup='no'/>"), (67, 10, f"{GONE}no disks selected for backup")),
            (disks(target("vdx")), (67, 20, f"{GONE}no disk named 'vdx'")),
            (disks(target() * 2), (67, 20, f"{GONE}disk 'vda' specified twice")),
            (disks(target(more=" backupmode='incremental'")), (67, 20, f"{GONE}{NEEDS_ONE}")),
            (
                "<incremental>c1</incremental>" + disks(target()),
                (103, 10, f"Domain checkpoint not found: {NO_CHECKPOINT}"),
            ),
        ],
    )
    def test_what_the_domain_has_not(self, web1, given, error):
        assert refusal(web1.backupBegin, backup_xml(given), None) == error

    def test_one_that_clients_pull(self, web1):
        given = backup_xml("<server transport='unix' socket='/run/nbd'/>", "pull")
        problem = (
            "Operation not supported: pull mode backup needs an NBD server, and no guest of this host has one"
        )
        assert refusal(web1.backupBegin, given, None) == (84, 10, problem)

    def test_of_a_domain_that_is_shut_off(self, web1):
        web1.destroy()
        problem = "Operation not supported: cannot perform disk backup for inactive domain"
        assert refusal(web1.backupBegin, backup_xml(), None) == (84, 10, problem)
        assert refusal(web1.backupGetXMLDesc) == NONE
