"""Files that can't be read, whatever error that raises: one bad file is one problem."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import failure, make
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from pytest_fakehv import FakeCluster, FakeHypervisor, NodeSpec
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.root import Root

NODES = (NodeSpec("node1", memory=8192, overcommit=False), NodeSpec("node2", memory=8192, overcommit=False))


def put_on_disk(path, monkeypatch):
    """Put a file there that the system opens, and then can't read."""
    with open(path, "wb"):
        pass
    status = os.stat(path)

    def pread(descriptor, most, offset):
        if os.path.samestat(os.fstat(descriptor), status):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.pread(descriptor, most, offset)

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "pread": pread}))


@pytest.fixture(params=["disk", "private", "fs"])
def place(request, tmp_path):
    """A root for a cluster, and what puts a file with that path there that can't be read."""
    if request.param == "disk":
        monkeypatch = request.getfixturevalue("monkeypatch")
        return str(tmp_path / "root"), lambda path: put_on_disk(path, monkeypatch)
    if request.param == "fs":
        fs = request.getfixturevalue("fs")
        return "/root", lambda path: fs.create_file(path, st_size=1000)
    fake = FakeFilesystem()
    disk = PrivateDisk(FakeOsModule(fake))
    return Root(lambda: (disk, "/root")), lambda path: fake.create_file(path, st_size=1000)


def test_one_that_can_not_be_read_is_one_problem(place):
    root, put = place
    cluster = FakeCluster(root, *NODES)
    node1, _ = cluster
    node1.StartInstance(make("web1"), [], False)
    path = f"{node1.root}/bad"
    put(path)
    for function, *args, what in (
        (node1.GetInstanceInfo, "bad", "get info of instance bad"),
        (node1.GetAllInstancesInfo, "get info of all instances"),
        (node1.GetNodeInfo, "get node info"),
        (node1.BalloonInstanceMemory, make("bad"), 5, "balloon memory for bad"),
        (node1.MigrateInstance, "", make("bad"), "node2", True, "migrate instance bad"),
    ):
        error = failure(function, *args)
        assert str(error) == f"Failed to {what}: Input/output error: '{path}'"
        assert isinstance(error.__cause__, OSError)
    assert str(failure(node1.StartInstance, make("bad"), [], False)) == (
        "Failed to start instance bad: already running"
    )
    assert sorted(node1.ListInstances()) == ["bad", "web1"]
    assert node1.GetInstanceInfo("web1") == ("web1", "0", 1024, 2, 0, 0)

    node1.StartInstance(make("web2"), [], False)
    node1.BalloonInstanceMemory(make("web1"), 2048)
    assert cluster.migrate("web1", to="node2").outcome == "completed"
    assert cluster.migrate("web1", to="node1").outcome == "completed"
    node1.StopInstance(make("web1"))
    assert str(failure(node1.StartInstance, make("web3", 8000), [], False)) == (
        "Failed to start instance web3: node1 does not overcommit: 8000 MiB are needed, 7168 MiB are free"
    )
    cluster.assert_consistent()
    assert "  bad malformed or unreadable file" in cluster.describe().splitlines()
    node1.PowercycleNode()
    assert node1.ListInstances() == ["bad"]
    node1.StartInstance(make("web2"), [], False)
    node1.crash()
    node1.boot()
    assert node1.ListInstances() == ["bad"]
    cluster.assert_consistent()
    node1.StopInstance(make("bad"))
    assert node1.GetAllInstancesInfo() == []


def test_a_status_call_says_what_it_could_not_take_away(tmp_path):
    """In postcopy, what is no longer on its source is lost, and nothing of it may stay there."""
    cluster = FakeCluster(tmp_path, *NODES)
    node1 = cluster["node1"]
    web1 = cluster.add_instance("web1", memory=4096)
    cluster.script_migration(web1, dirty_rate=5000, postcopy=0)
    node1.MigrateInstance("", web1, "node2", True)
    root = node1.root
    shutil.rmtree(root)
    Path(root).touch()
    assert str(failure(node1.GetMigrationStatus, web1)) == (
        f"Failed to get the migration status of web1: Not a directory: '{root}'"
    )


def test_any_error_of_the_fake_filesystem_is_the_systems(fs, monkeypatch):
    hv = FakeHypervisor("/root", spec=NODES[0])
    hv.StartInstance(make("web1"), [], False)

    class OddError(Exception):
        pass

    def refuse(self, *args, **keywords):
        raise OddError

    monkeypatch.setattr(FakeOsModule, "read", refuse)
    error = failure(hv.GetNodeInfo)
    assert str(error) == "Failed to get node info: Input/output error: '/root/web1'"
    assert isinstance(error.__cause__.__cause__, OddError)


def test_a_file_that_vanishes_while_a_fake_directory_is_listed(fs, monkeypatch):
    hv = FakeHypervisor("/root", spec=NODES[0])
    hv.StartInstance(make("web1"), [], False)
    listdir = os.listdir

    def listing(path):
        return [*listdir(path), "gone"]

    monkeypatch.setattr(hv._inner.store.filesystem.os, "listdir", listing)
    assert hv.ListInstances() == ["web1"]
    assert hv.GetAllInstancesInfo() == [("web1", "0", 1024, 2, 0, 0)]


def test_odd_things_in_a_root_are_in_nobodys_way(tmp_path):
    """A link to itself, and names that are no text."""
    hv = FakeHypervisor(tmp_path, spec=NODES[0])
    hv.StartInstance(make("web1"), [], False)
    os.symlink("loop", tmp_path / "loop")
    for name in (b"a\nb", b"a\xff", b"\xed\xa0\x80"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
            pass
    assert hv.ListInstances() == ["web1"]
    assert hv.GetNodeInfo()["memory_free"] == 8192 - 1024
    assert hv.GetInstanceInfo("loop") is None
    hv.StartInstance(make("web2"), [], False)
    hv.PowercycleNode()
    assert len(os.listdir(tmp_path)) == 4
