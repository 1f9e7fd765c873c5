"""Jobs on disks that fail: as what they write to has no more room, or as a test says."""

import os

import pytest
from disk_work import FOLDER, MIB, chain_of, disk_xml, made, mirror_of, target_xml
from stored import volume_xml
from told_by_hosts import domain_xml, refusal

from pytest_fakehv import DeclarationError

COMPLETED = 1
REUSE = 1
SMALL = "/srv/small"
KIB = 1024
NO_ROOM = "No space left on device"
ACTIVE = 4
DISK_ONLY = 16


@pytest.fixture
def small(front, node1):
    """A pool of 4 MiB."""
    front.add_pool("small", nodes=["node1"], path=SMALL, capacity=4)
    return node1.storagePoolLookupByName("small")


@pytest.fixture
def web1(node1, images, upload):
    """A domain that runs, with two disks of 8 MiB of data."""
    for name in ("a", "b"):
        upload(made(images, name, form="raw", size=8 * MIB, allocation=0), os.urandom(8 * MIB))
    return node1.createXML(
        domain_xml("web1", devices=disk_xml("a", form="raw") + disk_xml("b", "vdb", "raw")), 0
    )


def full(pool, left):
    """Let a pool have so many bytes left."""
    size = pool.info()[3] - left
    pool.createXML(volume_xml("fat", size, allocation=size, form="raw"), 0)
    assert pool.info()[3] == left


def backup_xml(*disks):
    return f"<domainbackup><disks>{''.join(disks)}</disks></domainbackup>"


def beneath(form, path, more=""):
    return f"<backingStore type='file'><format type='{form}'/><source file='{path}'/>{more}</backingStore>"


def of(name, path, form="raw"):
    return (
        f"<disk name='{name}' backup='yes' type='file'><driver type='{form}'/><target file='{path}'/></disk>"
    )


def names(pool):
    pool.refresh()
    return pool.listVolumes()


class TestBackups:
    @pytest.mark.parametrize(("form", "share"), [("raw", 4 / 8), ("qcow2", None)])
    def test_without_room(self, web1, small, told, cluster, form, share):
        before = web1.XMLDesc()
        web1.backupBegin(backup_xml(of("vda", f"{SMALL}/copy", form)), None)
        assert told() == []
        cluster.clock.advance(1)
        assert told() == ["job 9 not done", "a backup failed", "vda backup failed"]
        figures = web1.jobStats(COMPLETED)
        processed = figures["disk_processed"]
        assert figures == {
            "type": 4,
            "operation": 9,
            "time_elapsed": 1000,
            "disk_total": 8 * MIB,
            "disk_processed": processed,
            "disk_remaining": 8 * MIB - processed,
            "success": False,
            "errmsg": NO_ROOM,
        }
        assert processed == share * 8 * MIB if share else 3 * MIB < processed < 4 * MIB
        assert (web1.jobStats(), web1.XMLDesc()) == ({"type": 0}, before)
        assert (names(small), small.info()[2]) == ([], 0)

    @pytest.mark.parametrize("form", ["raw", "qcow2"])
    def test_of_what_is_allocated(self, node1, images, front, told, cluster, form):
        made(images, "large", form="raw", size=1024 * MIB, allocation=512 * MIB)
        front.add_pool("large", nodes=["node1"], path="/srv/large", capacity=896)
        pool = node1.storagePoolLookupByName("large")
        domain = node1.createXML(domain_xml("web2", devices=disk_xml("large", form="raw")), 0)
        domain.backupBegin(backup_xml(of("vda", "/srv/large/one", form)), None)
        cluster.clock.advance(2)
        assert told()[0] == "job 9 done"
        tables = 266240 if form == "qcow2" else 0
        assert (names(pool), pool.info()[2]) == (["one"], 512 * MIB + tables)
        domain.backupBegin(backup_xml(of("vda", "/srv/large/two", form)), None)
        cluster.clock.advance(1)
        assert told() == []
        cluster.clock.advance(1)
        assert told()[0] == "job 9 not done"
        assert (names(pool), pool.info()[2]) == (["one"], 512 * MIB + tables)

    def test_a_disk_of_two(self, web1, images, small, told, cluster):
        web1.backupBegin(backup_xml(of("vda", f"{SMALL}/a"), of("vdb", f"{FOLDER}/b2")), None)
        cluster.clock.advance(1)
        assert told() == [
            "a backup failed",
            "vda backup failed",
            "job 9 not done",
            "b backup completed",
            "vdb backup completed",
        ]
        assert (names(small), names(images)) == ([], ["a", "b"])
        assert web1.jobStats(COMPLETED)["errmsg"] == NO_ROOM

    def test_two_disks_for_one_of_which_there_is_room(self, web1, front, node1, told, cluster):
        front.add_pool("mid", nodes=["node1"], path="/srv/mid", capacity=12)
        web1.backupBegin(backup_xml(of("vda", "/srv/mid/a"), of("vdb", "/srv/mid/b")), None)
        cluster.clock.advance(1)
        assert told()[2:] == ["job 9 not done", "b backup failed", "vdb backup failed"]
        assert names(node1.storagePoolLookupByName("mid")) == []

    def test_what_was_there_stays(self, web1, small, cluster):
        small.createXML(volume_xml("copy", 8 * MIB, allocation=0), 0)
        web1.backupBegin(backup_xml(of("vda", f"{SMALL}/copy")), None, REUSE)
        cluster.clock.advance(1)
        assert (names(small), small.info()[1:]) == (["copy"], [4 * MIB, 4 * MIB, 0])

    def test_to_what_is_full_from_the_beginning(self, web1, small, told):
        full(small, 0)
        web1.backupBegin(backup_xml(of("vda", f"{SMALL}/copy")), None)
        assert told() == ["job 9 not done", "a backup failed", "vda backup failed"]
        assert web1.jobStats(COMPLETED)["disk_processed"] == 0
        assert names(small) == ["fat"]

    def test_to_new_files_without_room_for_their_heads(self, web1, small, told):
        full(small, 300 * KIB)
        given = backup_xml(of("vda", f"{SMALL}/c", "qcow2"), of("vdb", f"{SMALL}/d", "qcow2"))
        problem = f"operation failed: failed to format image: 'Could not write refcount table: {NO_ROOM}'"
        assert refusal(web1.backupBegin, given, None) == (9, 10, problem)
        assert (told(), names(small), web1.jobStats()) == ([], ["fat"], {"type": 0})

    def test_one_that_is_cancelled_leaves_nothing_of_what_was_done(self, web1, images, upload):
        made(images, "c", form="raw", size=512 * MIB, allocation=512 * MIB)
        web1.attachDevice(disk_xml("c", "vdc", "raw"))
        given = backup_xml(
            of("vda", f"{FOLDER}/a2"), of("vdc", f"{FOLDER}/c2"), "<disk name='vdb' backup='no'/>"
        )
        web1.backupBegin(given, None)
        web1.jobStats()
        web1.abortJob()
        assert web1.jobStats(COMPLETED)["errmsg"] == "Operation canceled"
        assert names(images) == ["a", "b", "c"]


class TestBlockJobs:
    @pytest.mark.parametrize("form", ["raw", "qcow2"])
    def test_a_copy(self, web1, small, told, cluster, form):
        before = web1.XMLDesc()
        web1.blockCopy("vda", target_xml("", form, f"{SMALL}/copy"), {}, 0)
        assert mirror_of(web1) == ("copy", "copy", None)
        cluster.clock.advance(1)
        assert told() == ["a copy failed", "vda copy failed"]
        assert web1.blockJobInfo("vda") == {}
        assert web1.XMLDesc() == before
        problem = "invalid argument: disk vda does not have an active block job"
        assert refusal(web1.blockJobAbort, "vda", 0) == (8, 10, problem)
        assert names(small) == ["copy"]
        assert small.info()[2:] == pytest.approx([4 * MIB, 0], abs=1)

    @pytest.mark.parametrize(
        ("left", "what"),
        [
            (24, "Could not write qcow2 header"),
            (150, "Could not write refcount table"),
            (192, "Could not resize image: Failed to grow the L1 table"),
        ],
    )
    def test_a_copy_to_a_new_file_without_room_for_its_head(self, web1, small, left, what):
        full(small, left * KIB)
        problem = f"operation failed: failed to format image: '{what}: {NO_ROOM}'"
        there = target_xml("", "qcow2", f"{SMALL}/copy")
        assert refusal(web1.blockCopy, "vda", there, {}, 0) == (9, 10, problem)
        assert (names(small), web1.blockJobInfo("vda"), mirror_of(web1)) == (["fat"], {}, False)

    def test_pulling(self, node1, web1, images, small, told, cluster):
        web1.destroy()
        backing = f"<backingStore><path>{FOLDER}/a</path><format type='raw'/></backingStore>"
        small.createXML(volume_xml("top", 8 * MIB, form="qcow2", more=backing), 0)
        domain = node1.createXML(domain_xml("web2", devices=disk_xml(f"{SMALL}/top")), 0)
        before = domain.XMLDesc()
        domain.blockPull("vda")
        cluster.clock.advance(1)
        assert told() == ["top pull failed", "vda pull failed"]
        assert (domain.XMLDesc(), chain_of(domain)) == (before, "top a |")
        assert small.info()[2:] == pytest.approx([4 * MIB, 0], abs=1)

    @pytest.mark.parametrize("is_active", [False, True])
    def test_committing(self, node1, web1, images, small, told, cluster, is_active):
        small.createXML(volume_xml("base", 8 * MIB, allocation=0), 0)
        web1.blockCopy("vda", target_xml("mid", "qcow2"), {}, 0)
        cluster.clock.advance(1)
        web1.destroy()
        middle = beneath("qcow2", f"{FOLDER}/mid", beneath("raw", f"{SMALL}/base"))
        made(images, "top", backing="mid", size=8 * MIB)
        domain = node1.createXML(domain_xml("web2", devices=disk_xml("top", more=middle)), 0)
        before = domain.XMLDesc()
        told()
        if is_active:
            domain.blockCommit("vda", None, None, 0, ACTIVE)
        else:
            domain.blockCommit("vda", None, f"{FOLDER}/mid", 0, 0)
        cluster.clock.advance(1)
        kind = "active commit" if is_active else "commit"
        assert told() == [f"top {kind} failed", f"vda {kind} failed"]
        assert domain.XMLDesc() == before
        assert small.info()[2:] == pytest.approx([4 * MIB, 0], abs=1)

    def test_one_that_has_room(self, web1, images, told, cluster):
        web1.blockCopy("vda", target_xml("copy"), {}, 0)
        cluster.clock.advance(1)
        assert told() == ["a copy ready", "vda copy ready"]


class TestAsATestSays:
    def test_the_next_job_fails_half_way(self, front, web1, images, told, cluster):
        front.fail_job("web1", "vda", error="Input/output error")
        front.fail_job("web2")
        front.fail_job("web1", "vdb")
        web1.blockCopy("vda", target_xml("copy"), {"bandwidth": 2 * MIB}, 0)
        assert web1.blockJobInfo("vda") == {"type": 2, "bandwidth": 2, "cur": 2 * MIB, "end": 8 * MIB}
        assert web1.blockJobInfo("vda") == {}
        assert told() == ["a copy failed", "vda copy failed"]
        assert names(images) == ["a", "b", "copy"]
        web1.blockCopy("vda", target_xml("copy2"), {}, 0)
        cluster.clock.advance(1)
        assert told() == ["a copy ready", "vda copy ready"]

    def test_what_writes_to_no_pool(self, front, web1, told, cluster):
        front.fail_job("web1")
        web1.blockCopy("vda", target_xml("", "raw", "/mnt/copy"), {}, 0)
        cluster.clock.advance(1)
        assert told() == ["a copy failed", "vda copy failed"]

    def test_a_backup(self, front, web1, images, told):
        front.fail_job("web1", at=0.25, error="Input/output error", times=None)
        for _ in range(2):
            web1.backupBegin(backup_xml(of("vda", f"{FOLDER}/copy")), None)
            assert web1.jobStats() == {"type": 0}
            figures = web1.jobStats(COMPLETED)
            assert (figures["type"], figures["disk_processed"]) == (4, 2 * MIB)
            assert (figures["success"], figures["errmsg"]) == (False, "Input/output error")
            assert told() == ["job 9 not done", "a backup failed", "vda backup failed"]
        assert names(images) == ["a", "b"]

    @pytest.mark.parametrize(("at", "error"), [(0.25, "Input/output error"), (0.75, NO_ROOM)])
    def test_what_comes_first_where_there_is_no_room(self, front, web1, small, at, error):
        front.fail_job("web1", at=at, error="Input/output error")
        web1.backupBegin(backup_xml(of("vda", f"{SMALL}/copy")), None)
        web1.jobStats()
        figures = web1.jobStats(COMPLETED)
        assert (figures["disk_processed"], figures["errmsg"]) == (min(at, 0.5) * 8 * MIB, error)

    def test_one_that_has_nothing_to_do(self, front, brief, told):
        front.fail_job("brief", at=1)
        brief.blockCommit("vda", None, f"{FOLDER}/mid", 0, 0)
        assert told() == ["top commit failed", "vda commit failed"]
        assert chain_of(brief) == "top mid base |"

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"domain": ""}, "no domain can be called '': it is empty"),
            ({"disk": ""}, "disk must be a disk's name, such as 'vda', not ''"),
            ({"at": 2}, "at must be a number from 0 to 1, not 2"),
            ({"error": 5}, "error must be a text that is not empty, not 5"),
            ({"times": 0}, "times must be a positive integer, not 0"),
        ],
    )
    def test_what_can_not_be(self, front, given, problem):
        with pytest.raises(DeclarationError) as caught:
            front.fail_job(**{"domain": "web1", **given})
        assert str(caught.value) == problem


class TestOverlays:
    def snapshot_xml(self, *paths):
        disks = "".join(
            f"<disk name='vd{letter}' snapshot='external'><source file='{path}'/></disk>"
            if path
            else f"<disk name='vd{letter}' snapshot='no'/>"
            for letter, path in zip("ab", paths, strict=True)
        )
        return f"<domainsnapshot><name>one</name><disks>{disks}</disks></domainsnapshot>"

    def test_of_a_domain_that_runs(self, web1, images, small):
        full(small, 24 * KIB)
        before = web1.XMLDesc()
        problem = f"operation failed: failed to format image: 'Could not write qcow2 header: {NO_ROOM}'"
        given = self.snapshot_xml(f"{FOLDER}/o", f"{SMALL}/o")
        assert refusal(web1.snapshotCreateXML, given, DISK_ONLY) == (9, 10, problem)
        assert (web1.XMLDesc(), web1.snapshotNum()) == (before, 0)
        assert (names(small), names(images)) == (["fat"], ["a", "b"])

    def test_of_one_that_is_shut_off(self, web1, node1, small):
        full(small, 24 * KIB)
        domain = node1.defineXML(
            domain_xml("web2", devices=disk_xml("a", form="raw") + disk_xml("b", "vdb", "raw"))
        )
        made_by = f"/usr/bin/qemu-img create -f qcow2 -o backing_fmt=raw,backing_file={FOLDER}/b {SMALL}/o"
        why = f"qemu-img: {SMALL}/o: Could not write qcow2 header: {NO_ROOM}\n"
        problem = f"internal error: Child process ({made_by}) unexpected exit status 1: {why}"
        given = self.snapshot_xml(None, f"{SMALL}/o")
        assert refusal(domain.snapshotCreateXML, given, DISK_ONLY) == (1, 0, problem)
        assert (names(small), domain.snapshotNum()) == (["fat"], 0)

    def test_with_room(self, web1, node1, small):
        domain = node1.defineXML(
            domain_xml("web2", devices=disk_xml("a", form="raw") + disk_xml("b", "vdb", "raw"))
        )
        domain.snapshotCreateXML(self.snapshot_xml(None, f"{SMALL}/o"), DISK_ONLY)
        assert names(small) == ["o"]
