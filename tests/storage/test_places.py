"""Where something of ours is to be: folders that are made for it, and files that are written for a user."""

import errno
import itertools
import os
from types import SimpleNamespace

import pytest

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.filesystem import make_directories
from pytest_fakehv.storage.places import Output
from pytest_fakehv.storage.root import current_filesystem

TAG = "<svg"


def of_the_system(number, path):
    return OSError(number, os.strerror(number), path)


class TestFolders:
    def test_the_longest_name(self, tmp_path):
        path = tmp_path / ("x" * 255)
        assert FakeHypervisor(path).root == str(path)

    def test_a_path_that_is_just_too_long(self, tmp_path):
        path = f"{tmp_path}{('/' + 'x' * 99) * 50}"[:4095] + "x"
        with pytest.raises(DeclarationError) as caught:
            FakeHypervisor(path)
        assert str(caught.value) == (
            f"root can't be made: '{path}': it has 4096 bytes, the most is 4095; "
            "name a folder, or where one can be made"
        )

    def test_one_that_somebody_uses_at_once_is_left_whatever_fails_then(self, tmp_path, monkeypatch):
        cluster = FakeCluster(tmp_path)

        def refuse(path, mode):
            with open(f"{path}/theirs", "w"):
                raise of_the_system(errno.EACCES, path)

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "chmod": refuse}))
        with pytest.raises(HypervisorError) as caught:
            cluster["node1"].ListInstances()
        assert str(caught.value) == f"Failed to list the instances: Permission denied: '{tmp_path}/node1'"
        assert os.listdir(tmp_path / "node1") == ["theirs"]

    def test_those_above_one_that_can_not_be_made_are_left_where_somebody_uses_them(self, tmp_path):
        def mkdir(path):
            if path == f"{tmp_path}/a/b/c":
                (tmp_path / "a" / "theirs").touch()
                raise of_the_system(errno.ENOSPC, path)
            os.mkdir(path)

        with pytest.raises(OSError, match="No space left on device"):
            make_directories(SimpleNamespace(**{**vars(os), "mkdir": mkdir}), f"{tmp_path}/a/b/c")
        assert os.listdir(tmp_path / "a") == ["theirs"]


class TestOutput:
    def test_whether_it_can_be_written_is_tried_in_the_nearest_folder(self, tmp_path, monkeypatch):
        def refuse(path, flags, mode):
            if path.startswith(str(tmp_path)):
                raise of_the_system(errno.EACCES, path)
            return os.open(path, flags, mode)

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "open": refuse}))
        path = f"{tmp_path}/none/it.svg"
        with pytest.raises(DeclarationError) as caught:
            Output(Disk(), path, TAG).check()
        assert str(caught.value) == (
            f"'{path}' can't be written: Permission denied; name a new file, or one that pytest-fakehv wrote"
        )

    def test_in_the_first_folder_of_all(self, fs):
        before = sorted(os.listdir("/"))
        Output(current_filesystem(), "/it.svg", TAG).check()
        assert sorted(os.listdir("/")) == before

    def test_what_a_killed_process_left_is_in_nobodys_way(self, tmp_path, monkeypatch):
        """Its file is skipped, and the next is like it: hidden, and with the mode of any new file."""
        monkeypatch.setattr("pytest_fakehv.storage.filesystem._temporary_numbers", itertools.count())
        left, hidden = (f".pytest-fakehv-{os.getpid()}.{number}" for number in range(2))
        (tmp_path / left).touch()
        seen = []

        def link(source, target):
            seen.append(source)
            os.link(source, target)

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "link": link}))
        old = os.umask(0o002)
        try:
            Output(Disk(), f"{tmp_path}/it.svg", TAG).write(f"{TAG}/>")
        finally:
            os.umask(old)
        assert seen == [f"{tmp_path}/{hidden}"]
        assert sorted(os.listdir(tmp_path)) == [left, "it.svg"]
        assert (tmp_path / "it.svg").stat().st_mode & 0o777 == 0o664
