"""What is done by the machine's functions as they were at import, or by those of a test's fake filesystem."""

import os
import tempfile

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, read_topology
from pytest_fakehv.parameters import OPT_DIR_CHECK, OPT_FILE_CHECK
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.filesystem import make_directories
from pytest_fakehv.storage.temporary import temporary_directory


class TestTemporary:
    @pytest.fixture
    def place(self, tmp_path, monkeypatch):
        """Where temporary directories are made."""
        (tmp_path / "temporary").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
        return tmp_path / "temporary"

    def test_it_goes_with_all_that_is_in_it(self, place):
        with FakeCluster.temporary() as cluster:
            cluster.add_instance("web1")
            (directory,) = place.iterdir()
            assert directory.name.startswith("fakehv-")
            assert directory.stat().st_mode & 0o777 == 0o700
            assert cluster.nodes[0].root == f"{directory}/node1"
            (directory / "node1").chmod(0o500)
        assert [*place.iterdir()] == []

    def test_no_link_is_followed(self, place, tmp_path):
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "file").touch()
        with FakeCluster.temporary() as cluster:
            cluster.add_instance("web1")
            os.symlink(tmp_path / "mine", f"{cluster.nodes[0].root}/link")
        assert [*place.iterdir()] == []
        assert (tmp_path / "mine" / "file").exists()

    @pytest.mark.parametrize("make", [os.mkdir, lambda path: os.symlink("..", path)])
    def test_what_has_taken_its_place_stays(self, place, make):
        with FakeCluster.temporary():
            (directory,) = place.iterdir()
            directory.rename(place / "moved")
            make(directory)
        assert sorted(place.iterdir()) == sorted([directory, place / "moved"])

    def test_somebody_has_removed_it(self, place):
        with FakeCluster.temporary():
            (directory,) = place.iterdir()
            directory.rmdir()

    def test_where_it_is_made(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", "/dev/null")
        monkeypatch.setenv("TEMP", "relative")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "relative").mkdir()
        with FakeCluster.temporary() as cluster:
            monkeypatch.chdir("/")
            assert cluster.nodes[0].root.startswith(f"{tmp_path}/relative/fakehv-")
        assert [*(tmp_path / "relative").iterdir()] == []

    @pytest.mark.parametrize("name", ["TMPDIR", "TEMP", "TMP"])
    def test_where_the_environment_names_a_place(self, tmp_path, monkeypatch, name):
        monkeypatch.setattr(tempfile, "tempdir", None)
        for each in ("TMPDIR", "TEMP", "TMP"):
            monkeypatch.delenv(each, raising=False)
        monkeypatch.setenv(name, str(tmp_path))
        with FakeCluster.temporary() as cluster:
            assert cluster.nodes[0].root.startswith(f"{tmp_path}/fakehv-")

    @pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
    def test_where_nothing_names_a_place(self, fs, monkeypatch, place):
        monkeypatch.setattr(tempfile, "tempdir", None)
        for name in ("TMPDIR", "TEMP", "TMP"):
            monkeypatch.delenv(name, raising=False)
        for each in ("/tmp", "/var/tmp"):  # where the system's is, pyfakefs has one
            if os.path.lexists(each):
                fs.remove_object(each)
        with pytest.raises(FileNotFoundError) as caught, FakeCluster.temporary():
            pass
        assert str(caught.value) == ("[Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp']")
        os.makedirs(place)
        with FakeCluster.temporary() as cluster:
            assert cluster.nodes[0].root.startswith(f"{place}/fakehv-")

    def test_one_whose_path_is_as_long_as_it_may_be(self, place):
        most = len(f"{place}/it-0123456789abcdef")
        with temporary_directory("it-", longest=most) as path:
            assert path.startswith(f"{place}/it-")
        with temporary_directory("it-", longest=most - 1) as path:
            assert not path.startswith(str(place))

    def test_in_a_fake_filesystem(self, fs):
        before = os.listdir("/tmp")
        with FakeCluster.temporary() as cluster:
            cluster.add_instance("web1")
            assert os.listdir(cluster.nodes[0].root) == ["web1"]
        assert os.listdir("/tmp") == before


class TestFakeFilesystem:
    """What a test has there comes first; its patches of the fake functions are not for us, either."""

    @pytest.fixture
    def patched(self, fs, monkeypatch):
        def refuse(*args, **keywords):
            raise OSError(5, "it is the test's")

        fs.create_file("/etc/topology.toml", contents="[[node]]\nname = 'fake1'\n")
        fs.create_file("/proc/meminfo", contents="MemTotal: 2048 kB\nMemAvailable: 1024 kB\n")
        for function in ("stat", "lstat", "open", "listdir", "mkdir"):
            monkeypatch.setattr(os, function, refuse)
        monkeypatch.setattr("builtins.open", refuse)

    def test_the_size_of_the_machine(self, patched):
        info = FakeHypervisor.GetLinuxNodeInfo()
        assert (info["memory_total"], info["memory_free"]) == (2, 1)
        assert info["cpu_total"] > 0

    def test_a_topology(self, patched):
        assert [node.name for node in read_topology("/etc/topology.toml").nodes] == ["fake1"]

    def test_files_of_parameters(self, patched):
        paths = ("/etc/topology.toml", "/etc", __file__)
        assert [OPT_FILE_CHECK.node(path) for path in paths] == [True, False, False]
        assert [OPT_DIR_CHECK.node(path) for path in paths] == [False, True, False]


class TestMakeDirectories:
    def test_those_above_it_too(self, tmp_path):
        for _ in range(2):
            make_directories(Disk.os, f"{tmp_path}/a/b/c")
        assert (tmp_path / "a" / "b" / "c").is_dir()

    def test_a_file_is_in_its_place(self, tmp_path):
        (tmp_path / "a").touch()
        with pytest.raises(FileExistsError):
            make_directories(Disk.os, f"{tmp_path}/a")
