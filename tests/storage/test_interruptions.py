"""The root directory after a kill or an interrupt, and the files that nobody has to clean up."""

import errno
import itertools
import os
import random
import signal
from contextlib import suppress
from types import SimpleNamespace

import pytest
from processes import SPEC, WELL_FORMED, failure, make, run

from pytest_fakehv import FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.storage.disk import Disk


def test_a_killed_process_leaves_each_instance_before_or_after_and_blocks_nobody(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    chance = random.Random(1)
    code = """
number = 0
while True:
    number += 1
    web = make(f"web{number % 3}")
    hv.StartInstance(web, [], number % 2 == 0)
    print(number, flush=True)
    hv.BalloonInstanceMemory(web, number)
    hv.StopInstance(web)
"""
    for _ in range(15):
        process = run(code, tmp_path)
        for _ in range(chance.randrange(1, 40)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        names = hv.ListInstances()
        assert set(names) <= {"web0", "web1", "web2"}
        assert all(WELL_FORMED.fullmatch((tmp_path / name).read_bytes()) for name in names)
        assert sorted(info.name for info in hv.GetAllInstancesInfo()) == sorted(names)
        for name in names:
            hv.BalloonInstanceMemory(make(name), 5)
            hv.StopInstance(make(name))


def test_a_killed_process_temporary_file_is_no_instance_and_in_nobodys_way(tmp_path, monkeypatch):
    """Whatever number a killed process had reached, its file is skipped."""
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make("web1"), [], False)
    monkeypatch.setattr("pytest_fakehv.storage.filesystem._temporary_numbers", itertools.count())
    for number in range(10):
        (tmp_path / f"\n{os.getpid()}.{number}").touch()
    assert hv.ListInstances() == ["web1"]
    assert hv.GetAllInstancesInfo() == [("web1", "0", 1024, 2, 0, 0)]
    hv.StartInstance(make("web2"), [], False)
    assert sorted(hv.ListInstances()) == ["web1", "web2"]


def test_a_balloon_skips_a_killed_process_temporary_file(tmp_path, monkeypatch):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], False)
    monkeypatch.setattr("pytest_fakehv.storage.filesystem._temporary_numbers", itertools.count())
    for number in range(3):
        (tmp_path / f"\n{os.getpid()}.{number}").touch()
    hv.BalloonInstanceMemory(make(), 7)
    assert hv.GetAllInstancesInfo() == [("web1", "0", 7, 2, 0, 0)]
    assert len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize("operation", ["link", "unlink", "replace", "write", "utime"])
def test_an_interrupted_change_is_counted_as_it_ended(tmp_path, monkeypatch, operation):
    """Ctrl-C may come after any system call: what is free is then counted anew."""
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1", memory=4000, overcommit=False))
    hv.StartInstance(make("web0", 500), [], False)

    def interrupted(*args, **kwargs):
        getattr(os, operation)(*args, **kwargs)
        raise KeyboardInterrupt

    for function, *args in (
        (hv.StartInstance, make("web1", 1000), [], False),
        (hv.BalloonInstanceMemory, make("web0"), 600),
        (hv.StopInstance, make("web0")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), operation: interrupted}))
            with suppress(KeyboardInterrupt, HypervisorError):
                function(*args)
        free = hv.GetNodeInfo()["memory_free"]
        assert free == 4000 - sum(info.memory for info in hv.instances.values())
        error = failure(hv.StartInstance, make("web2", free + 1), [], False)
        assert str(error) == (
            "Failed to start instance web2: "
            f"node1 does not overcommit: {free + 1} MiB are needed, {free} MiB are free"
        )


class TestNamelessFiles:
    """An instance's file is made without a name where that can be done, and else under another one."""

    @pytest.mark.parametrize("lacks", ["filesystem", "system"])
    def test_where_there_are_none(self, tmp_path, monkeypatch, lacks):
        hv = FakeHypervisor(tmp_path, spec=SPEC)

        def refuse(path, flags, mode=0o777):
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
            return os.open(path, flags, mode)

        if lacks == "filesystem":
            monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "open": refuse}))
        else:
            monkeypatch.setattr(Disk, "_nameless", 0)
        hv.StartInstance(make(), [], False)
        assert str(failure(hv.StartInstance, make(), [], False)) == (
            "Failed to start instance web1: already running"
        )
        assert os.listdir(tmp_path) == ["web1"]
        assert (tmp_path / "web1").read_bytes() == b"0\n1024\n2\n"

    @pytest.mark.parametrize("operation", ["open", "write", "link"])
    def test_one_that_can_not_be_made(self, tmp_path, monkeypatch, operation):
        hv = FakeHypervisor(tmp_path, spec=SPEC)

        def refuse(*args, **kwargs):
            raise OSError(errno.EIO, "", args[0])

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), operation: refuse}))
        assert str(failure(hv.StartInstance, make(), [], False)) == (
            f"Failed to start instance web1: Input/output error: '{tmp_path}'"
        )
        assert os.listdir(tmp_path) == []

    def test_one_that_is_written_in_parts(self, tmp_path, monkeypatch):
        hv = FakeHypervisor(tmp_path, spec=SPEC)

        def write(descriptor, content):
            return os.write(descriptor, content[:2])

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "write": write}))
        hv.StartInstance(make(), [], True)
        assert (tmp_path / "web1").read_bytes() == b"0\n1024\n2\npaused\n"


def test_an_interrupted_start_leaves_nothing_in_a_fake_filesystem(fs, monkeypatch):
    hv = FakeHypervisor("/root", spec=SPEC)

    def interrupted(descriptor, content):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hv._inner.store.filesystem.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hv.StartInstance(make(), [], False)
    assert os.listdir("/root") == []
    hv.StartInstance(make(), [], False)


def test_an_interrupted_balloon_is_counted_as_it_ended_in_a_fake_filesystem(fs, monkeypatch):
    """Neither a time nor the number of files tells there that one was replaced."""
    hv = FakeHypervisor("/root", spec=NodeSpec("node1", memory=4000, overcommit=False))
    hv.StartInstance(make("web1", 1000), [], False)
    fake_os = hv._inner.store.filesystem.os
    replace = fake_os.replace

    def interrupted(*args):
        replace(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake_os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hv.BalloonInstanceMemory(make("web1"), 3000)
    assert str(failure(hv.StartInstance, make("web2", 1001), [], False)) == (
        "Failed to start instance web2: node1 does not overcommit: 1001 MiB are needed, 1000 MiB are free"
    )
