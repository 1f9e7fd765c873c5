"""A directory that was locked is kept open for the next time."""

import errno
import fcntl
import gc
import itertools
import os
import shutil
import sys
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from processes import SPEC, failure, make

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.machine import LOCK, UNLOCK, Os
from pytest_fakehv.storage import disk
from pytest_fakehv.storage.disk import Disk


def wipe(folder):
    shutil.rmtree(folder / "root")
    os.mkdir(folder / "root")


def move_away(folder):
    os.rename(folder / "root", folder / "old")
    os.mkdir(folder / "root")


class TestOpenDirectories:
    """A directory that was locked is kept open for the next time."""

    @staticmethod
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    @pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody says what is open")
    def test_not_many_are_and_all_can_be_let_go(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Disk, "_idle", {})  # not those of other tests
        before = self.descriptors()
        cluster = FakeCluster(tmp_path, *(NodeSpec(f"node{number}") for number in range(40)))
        for node in cluster:
            node.StartInstance(make(), [], False)
            node.StopInstance(make())
        assert before < self.descriptors() <= before + 16
        Disk.forget_idle()
        assert self.descriptors() == before

    def test_one_whose_lock_was_interrupted_blocks_nobody(self, tmp_path, monkeypatch):
        first, second = (FakeHypervisor(tmp_path, spec=SPEC) for _ in range(2))
        first.StartInstance(make(), [], False)
        lock = Os.flock

        def interrupted(descriptor, operation):
            lock(descriptor, operation)
            if operation == LOCK:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Os, "flock", interrupted)
            with pytest.raises(KeyboardInterrupt):
                first.StopInstance(make())
        second.StopInstance(make())
        first.StartInstance(make(), [], False)

    @pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody says what is open")
    def test_none_is_lost_wherever_an_interrupt_comes(self, tmp_path, monkeypatch):
        """Where an interrupt can come: when a function begins, and after each call into C."""
        monkeypatch.setattr(Disk, "_idle", {})
        monkeypatch.setattr(disk, "_MOST_IDLE", 2)
        nodes = [FakeHypervisor(tmp_path / f"node{number}", spec=SPEC) for number in range(4)]
        before = self.descriptors()
        calls = []
        for last in itertools.count():
            calls.clear()
            for node in nodes:
                node.StartInstance(make(), [], False)

            def interrupt(frame, event, _what, last=last):
                if event in ("call", "c_return") and frame.f_code.co_filename == disk.__file__:
                    calls.append(event)
                    if len(calls) == last:
                        raise KeyboardInterrupt

            sys.setprofile(interrupt)
            with suppress(KeyboardInterrupt):
                for node in nodes:
                    node.StopInstance(make())
            sys.setprofile(None)
            for node in nodes:
                with suppress(HypervisorError):
                    node.StopInstance(make())
            assert self.descriptors() <= before + 2
            if last > len(calls):
                break
        assert last > 40

    def test_one_that_the_program_has_closed_is_opened_again(self, tmp_path, monkeypatch):
        """As a program does that closes all descriptors which it has, when it becomes a daemon."""
        monkeypatch.setattr(Disk, "_idle", {})
        monkeypatch.setattr(Disk, "_locks", {})
        hv = FakeHypervisor(tmp_path, spec=SPEC)
        hv.StartInstance(make(), [], False)
        hv.BalloonInstanceMemory(make(), 5)
        (descriptor,) = Disk._idle.values()
        os.close(descriptor)
        assert str(failure(hv.BalloonInstanceMemory, make(), 6)) == (
            f"Failed to balloon memory for web1: Bad file descriptor: '{tmp_path}'"
        )
        assert Disk._locks == {}  # a forked child would close what the program opens under that number
        hv.BalloonInstanceMemory(make(), 7)
        assert hv.instances["web1"].memory == 7

    def test_two_nodes_on_one_directory_wait_for_one_another(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Disk, "_idle", {})
        monkeypatch.setattr(Disk, "_locks", {})
        first, second = (FakeHypervisor(tmp_path, spec=SPEC) for _ in range(2))
        first.StartInstance(make(), [], False)
        second.StartInstance(make("web2"), [], False)
        opened = threading.Event()
        thread = threading.Thread(target=second.StopInstance, args=[make("web2")])
        seen = []

        def look(record):
            """Be in the middle of a change of the first node's."""

            def open_and_tell(*args):
                descriptor = os.open(*args)
                opened.set()
                return descriptor

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "open": open_and_tell}))
                thread.start()
                opened.wait()
                seen.extend(first.ListInstances())
            return record

        first._inner.store.change(first._inner.store.path("web1"), look)
        thread.join()
        assert sorted(seen) == ["web1", "web2"]
        assert first.ListInstances() == ["web1"]
        assert self.inodes().count(os.stat(tmp_path).st_ino) == 1
        assert Disk._locks.keys() == {*Disk._idle.values()}  # as a forked child closes them all

    def test_one_that_is_made_again_is_opened_again(self, tmp_path):
        hv = FakeHypervisor(tmp_path / "root", spec=SPEC)
        for _ in range(2):
            hv.StartInstance(make(), [], False)
            hv.StopInstance(make())
            os.rmdir(tmp_path / "root")
            assert str(failure(hv.StopInstance, make())) == (
                f"Failed to stop instance web1: No such file or directory: '{tmp_path}/root'"
            )
            os.mkdir(tmp_path / "root")
            held = os.stat(tmp_path / "root").st_ino
            assert held not in self.inodes()
            hv.StartInstance(make(), [], False)
            hv.StopInstance(make())
            assert not os.path.isdir("/proc/self/fd") or held in self.inodes()

    @pytest.mark.parametrize("renew", [wipe, move_away])
    def test_one_that_is_made_again_behind_our_back_is_locked_with_others(self, tmp_path, monkeypatch, renew):
        hv = FakeHypervisor(tmp_path / "root", spec=SPEC)
        hv.StartInstance(make(), [], False)
        hv.StopInstance(make())
        renew(tmp_path)
        hv.StartInstance(make(), [], False)
        others = os.open(tmp_path / "root", os.O_RDONLY)
        Os.flock(others, LOCK)
        lock, waits = Os.flock, []

        def look(descriptor, operation):
            """Say that somebody else has the lock, and take it away from there."""
            try:
                lock(descriptor, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                waits.append(sorted(hv.ListInstances()))
                lock(others, UNLOCK)
                lock(descriptor, operation)

        monkeypatch.setattr(Os, "flock", look)
        hv.StopInstance(make())
        os.close(others)
        assert waits == [["web1"]]
        assert hv.ListInstances() == []

    @pytest.mark.parametrize("closes", [False, True], ids=["", "closing all descriptors"])
    @pytest.mark.parametrize("renew", [wipe, move_away])
    def test_one_that_is_made_again_while_we_wait_for_it(self, tmp_path, monkeypatch, renew, closes):
        hv = FakeHypervisor(tmp_path / "root", spec=SPEC)
        lock, operations = Os.flock, []

        def replace_first(descriptor, operation):
            if not operations:
                renew(tmp_path)
                (tmp_path / "root" / "web1").write_text("0\n5\n2\n")
            operations.append(operation)
            if closes and operations == [LOCK, UNLOCK]:
                os.close(descriptor)
            lock(descriptor, operation)

        def look(record):
            others = os.open(tmp_path / "root", os.O_RDONLY)
            with pytest.raises(BlockingIOError):
                lock(others, LOCK | fcntl.LOCK_NB)
            os.close(others)
            return record._replace(memory=record.memory + 1)

        monkeypatch.setattr(Os, "flock", replace_first)
        hv._inner.store.change(hv._inner.store.path("web1"), look)
        assert operations == [LOCK, UNLOCK] * 2
        assert hv.instances["web1"].memory == 6

    def test_a_root_that_nobody_can_tell_of_is_unlocked(self, tmp_path, monkeypatch):
        hv = FakeHypervisor(tmp_path, spec=SPEC)
        hv.StartInstance(make(), [], False)

        def refuse(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

        with monkeypatch.context() as patch:
            patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "stat": refuse}))
            assert str(failure(hv.StopInstance, make())) == (
                f"Failed to stop instance web1: Permission denied: '{tmp_path}'"
            )
        hv.StopInstance(make())

    @staticmethod
    def inodes():
        found = []
        for descriptor in range(4096):  # other tests, in which a close fails, leave some open
            with suppress(OSError):
                found.append(os.fstat(descriptor).st_ino)
        return found
