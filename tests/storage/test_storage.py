"""The root directory under somebody else's hands, and where the system itself refuses."""

import errno
import os
import re
import tempfile
import threading
from collections import defaultdict
from types import SimpleNamespace

import pytest
from processes import SPEC, failure, make

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, Instance, NodeSpec
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.root import Root, current_filesystem


def test_a_node_whose_filesystem_has_gone(tmp_path):
    """It was first used, and so made, in a fake filesystem that is no longer there."""
    from pyfakefs.fake_filesystem_unittest import Patcher

    cluster = FakeCluster(Root(lambda: (current_filesystem(), str(tmp_path))))
    hv = cluster["node1"]
    with Patcher():
        hv.StartInstance(make(), [], False)
    calls = {
        "list the instances": (hv.ListInstances,),
        "get info of instance web1": (hv.GetInstanceInfo, "web1"),
        "balloon memory for web1": (hv.BalloonInstanceMemory, make(), 5),
        "stop instance web1": (hv.StopInstance, make()),
    }
    messages = []
    for function, *args in calls.values():
        try:
            function(*args)
        except HypervisorError as error:
            messages.append(str(error))
    ended = [f"Failed to {what}: No such device: '{tmp_path}/node1'" for what in calls]
    assert messages in (ended, [])  # older releases of pyfakefs keep it in memory


def test_in_a_directory_of_somebody_else(tmp_path, monkeypatch):
    """Where we may write but not set its time, each start counts anew."""
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1", memory=4096, overcommit=False))

    def refuse(path, *, ns):
        raise PermissionError

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "utime": refuse}))
    for number in range(4):
        hv.StartInstance(make(f"web{number}"), [], False)
    assert str(failure(hv.StartInstance, make("web4"), [], False)) == (
        "Failed to start instance web4: node1 does not overcommit: 1024 MiB are needed, 0 MiB are free"
    )


def test_a_replacement_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], False)

    def refuse(source, target):
        raise OSError(errno.EIO, "", source, None, target)

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "replace": refuse}))
    assert str(failure(hv.BalloonInstanceMemory, make(), 5)) == (
        f"Failed to balloon memory for web1: Input/output error: '{tmp_path}'"
    )
    assert os.listdir(tmp_path) == ["web1"]


def test_a_subclass_that_names_an_instances_file_by_another_path(tmp_path):
    class Own(FakeHypervisor):
        def _InstanceFile(self, instance_name):
            return os.path.join(os.path.realpath(self.root), instance_name)

    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    hv = Own(tmp_path / "link", spec=SPEC)
    hv.StartInstance(make(), [], False)
    assert list(hv._inner.last_seen.instances) == ["web1"]
    assert hv.describe().splitlines()[1] == "  web1 running, 1024 MiB, 2 vcpus"
    hv.StopInstance(make())
    assert hv.violations() == []


def test_an_error_without_a_number_in_a_subclass_is_said_in_its_own_words(tmp_path):
    class Own(FakeHypervisor):
        def _MarkUp(self, instance, memory):
            raise OSError("the disk is on fire")

    hv = Own(tmp_path, spec=SPEC)
    assert str(failure(hv.StartInstance, make(), [], False)) == (
        f"Failed to start instance web1: the disk is on fire: '{tmp_path}'"
    )


def test_a_subclass_that_starts_one_instance_while_another_is_ballooned(tmp_path):
    inside, done = threading.Event(), threading.Event()

    class Own(FakeHypervisor):
        def StartInstance(self, instance, block_devices, startup_paused):
            self._MarkUp(instance, 100)

        def _MarkUp(self, instance, memory):
            if memory == 5:
                inside.set()
                done.wait()
            super()._MarkUp(instance, memory)

    hv = Own(tmp_path, spec=SPEC)
    hv.StartInstance(make("web1"), [], False)
    threads = [
        threading.Thread(target=hv.BalloonInstanceMemory, args=[make("web1"), 5]),
        threading.Thread(target=hv.StartInstance, args=[make("web2"), [], False]),
    ]
    threads[0].start()
    inside.wait()
    threads[1].start()
    while len(hv.journal.calls("StartInstance")) < 2:
        pass
    done.set()
    for thread in threads:
        thread.join()
    memory = {name: info.memory for name, info in hv.instances.items()}
    assert memory == {"web1": 5, "web2": 100}


def test_amounts_of_a_kind_of_their_own(tmp_path):
    class Mebibytes(int):
        def __eq__(self, other):
            return int(self) == other

        __hash__ = None

    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(memory=Mebibytes(512)), [], False)
    hv.BalloonInstanceMemory(make(), Mebibytes(256))
    assert hv.GetInstanceInfo("web1") == ("web1", "0", 256, 2, 0, 0)


def test_beparams_that_make_up_what_they_lack(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    web1 = make()
    web1.beparams = defaultdict(int, vcpus=2)
    assert str(failure(hv.StartInstance, web1, [], False)) == (
        "Failed to start instance web1: beparams lack 'minmem'; they have: vcpus"
    )
    assert web1.beparams == {"vcpus": 2}


class TestSomebodyElsesFiles:
    """They count at the very next listing, info and node info."""

    def test_put_there(self, hv, put):
        free = hv.GetNodeInfo()["memory_free"]
        for number in range(50):
            put(f"web{number}", b"0\n10\n1\n")
            assert hv.GetNodeInfo()["memory_free"] == free - 10 * (number + 1)
            assert len(hv.ListInstances()) == number + 1
            assert hv.GetInstanceInfo(f"web{number}") == (f"web{number}", "0", 10, 1, 0, 0)

    def test_changed_in_place(self, hv, put):
        free = hv.GetNodeInfo()["memory_free"]
        for memory in range(1, 50):
            put("web1", b"0\n%d\n1\n" % memory)
            assert hv.GetInstanceInfo("web1").memory == memory
            assert hv.GetAllInstancesInfo()[0].memory == memory
            assert hv.GetNodeInfo()["memory_free"] == free - memory

    def test_taken_out(self, hv, filesystem):
        free = hv.GetNodeInfo()["memory_free"]
        for _ in range(50):
            hv.StartInstance(make(), [], False)
            filesystem.os.unlink(f"{hv.root}/web1")
            assert hv.ListInstances() == []
            assert hv.GetInstanceInfo("web1") is None
            assert hv.GetNodeInfo()["memory_free"] == free

    def test_a_start_counts_what_was_put_there(self, hv, put):
        hv.StartInstance(make("web1"), [], False)
        put("foreign", b"0\n6000\n1\n")
        hv.StartInstance(Instance("web2", beparams={"minmem": 1, "maxmem": 4096, "vcpus": 1}), [], False)
        assert hv.instances["web2"].memory == 7168 - 1024 - 6000

    def test_a_start_counts_what_was_taken_out_at_once(self, tmp_path):
        """Also where a directory's time is too coarse to tell, as in memory."""
        where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
        with tempfile.TemporaryDirectory(dir=where) as directory:
            hv = FakeHypervisor(directory, spec=NodeSpec("node1", memory=4096, overcommit=False))
            for _ in range(20):
                hv.StartInstance(make("web1", 4000), [], False)
                os.unlink(f"{directory}/web1")
                hv.StartInstance(make("web2", 4000), [], False)
                hv.StopInstance(make("web2"))

    def test_a_start_counts_what_was_taken_out(self, hv, put, filesystem):
        put("foreign", b"0\n7000\n1\n")
        hv.StartInstance(make("web1", 100), [], False)
        filesystem.os.unlink(f"{hv.root}/foreign")
        hv.StartInstance(Instance("web2", beparams={"minmem": 1, "maxmem": 7000, "vcpus": 1}), [], False)
        assert hv.instances["web2"].memory == 7000

    def test_a_start_counts_what_was_put_there_after_one_that_was_refused(self, tmp_path):
        hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1", memory=4096, overcommit=False))
        failure(hv.StartInstance, make("web1", 5000), [], False)
        (tmp_path / "foreign").write_bytes(b"0\n4000\n1\n")
        assert str(failure(hv.StartInstance, make("web1", 1000), [], False)) == (
            "Failed to start instance web1: node1 does not overcommit: 1000 MiB are needed, 96 MiB are free"
        )

    def test_a_start_that_counts_nothing_hides_nothing(self, hv, put):
        hv.StartInstance(Instance("web1", beparams={"minmem": 1, "maxmem": 1000, "vcpus": 1}), [], False)
        put("foreign", b"0\n6000\n1\n")
        hv.StartInstance(make("web2", 100), [], False)
        hv.StartInstance(Instance("web3", beparams={"minmem": 1, "maxmem": 7000, "vcpus": 1}), [], False)
        assert hv.instances["web3"].memory == 68

    def test_a_start_counts_what_was_taken_out_after_one_that_counted_nothing(self, hv, filesystem):
        """Also where as many files as before are there again."""
        hv.StartInstance(Instance("web1", beparams={"minmem": 1, "maxmem": 1000, "vcpus": 1}), [], False)
        hv.StartInstance(make("web2", 100), [], False)
        filesystem.os.unlink(f"{hv.root}/web1")
        hv.StartInstance(Instance("web3", beparams={"minmem": 1, "maxmem": 7168, "vcpus": 1}), [], False)
        assert hv.instances["web3"].memory == 7168 - 100

    def test_a_start_counts_what_was_taken_out_right_after_another(self, hv, filesystem):
        for name in ("web1", "web2"):
            hv.StartInstance(Instance(name, beparams={"minmem": 1, "maxmem": 7168, "vcpus": 1}), [], False)
            assert hv.GetInstanceInfo(name).memory == 7168
            filesystem.os.unlink(f"{hv.root}/{name}")

    def test_a_start_counts_what_was_put_there_after_a_stop(self, hv, put):
        for name in ("web1", "web2"):
            hv.StartInstance(Instance(name, beparams={"minmem": 1, "maxmem": 1000, "vcpus": 1}), [], False)
        hv.StopInstance(make("web2"))
        put("foreign", b"0\n6000\n1\n")
        hv.StartInstance(Instance("web3", beparams={"minmem": 1, "maxmem": 7168, "vcpus": 1}), [], False)
        assert hv.instances["web3"].memory == 7168 - 1000 - 6000

    def test_what_was_seen_of_them_is_in_the_description(self, hv, put, filesystem):
        hv.StartInstance(make("web1"), [], False)
        put("foreign", b"0\n10\n1\n")
        filesystem.os.unlink(f"{hv.root}/web1")
        assert hv.GetInstanceInfo("foreign")
        hv.assert_stopped("web1")
        assert [line for line in hv.describe().splitlines() if "MiB," in line] == [
            "  foreign running, 10 MiB, 1 vcpus",
        ]
        filesystem.os.unlink(f"{hv.root}/foreign")
        assert hv.ListInstances() == []
        assert "no instances" in hv.describe()

    def test_a_node_info_puts_right_what_a_start_could_not_see(self, hv, put):
        """Rewriting a file in place doesn't show in the directory."""
        put("foreign", b"0\n1000\n1\n")
        hv.StartInstance(make("web1", 100), [], False)
        put("foreign", b"0\n7000\n1\n")
        hv.GetNodeInfo()
        hv.StartInstance(Instance("web2", beparams={"minmem": 1, "maxmem": 7000, "vcpus": 1}), [], False)
        assert hv.instances["web2"].memory == 68

    def test_files_without_a_last_newline_are_read(self, hv, put):
        put("web1", b"0\n10\n1")
        put("web2", b"0\n10\n1\npaused")
        assert [info.paused for info in hv.instances.values()] == [False, True]


class TestTrouble:
    """The system fails under a running test: a clear error, and what ran still runs."""

    @pytest.fixture
    def hv(self, fs):
        fs.set_disk_usage(60, "/")
        hv = FakeHypervisor("/root", spec=SPEC)
        hv.StartInstance(make("web1"), [], False)
        return hv

    def check(self, hv, error, text, cause):
        assert str(error) == text
        assert isinstance(error.__cause__, cause)
        assert os.listdir("/root") == ["web1"]
        assert hv.instances == {"web1": ("web1", "0", 1024, 2, 0, 0)}

    def test_disk_full(self, hv, fs):
        fs.set_disk_usage(fs.get_disk_usage("/").used + 3, "/")
        for function, args, what in (
            (hv.StartInstance, (make("web2"), [], False), "start instance web2"),
            (hv.BalloonInstanceMemory, (make("web1"), 5), "balloon memory for web1"),
            (
                hv.FinalizeMigrationDst,
                (make("web2"), "", True),
                "finalize the migration of web2 on the target",
            ),
        ):
            error = failure(function, *args)
            text = f"Failed to {what}: No space left on device: '/root'"
            self.check(hv, error, text, OSError)
        hv.StopInstance(make("web1"))
        assert hv.instances == {}

    def test_read_only(self, hv, fs):
        from pyfakefs.fake_filesystem import set_uid

        fs.chmod("/root", 0o555)
        set_uid(1000)
        try:
            for function, args, what in (
                (hv.StartInstance, (make("web2"), [], False), "start instance web2"),
                (hv.BalloonInstanceMemory, (make("web1"), 5), "balloon memory for web1"),
            ):
                error = failure(function, *args)
                text = f"Failed to {what}: Permission denied: '/root'"
                self.check(hv, error, text, PermissionError)
            for function, args, what in (
                (hv.StopInstance, (make("web1"),), "stop instance web1"),
                (hv.PowercycleNode, (), "powercycle the node"),
            ):
                error = failure(function, *args)
                text = f"Failed to {what}: Permission denied: '/root'"
                self.check(hv, error, text, PermissionError)
        finally:
            set_uid(0)


class TestRoot:
    @pytest.mark.parametrize("root", [5, None, b"/tmp", ["a"], "", "a\0b", "a\ud800"])
    def test_no_path(self, root):
        with pytest.raises(DeclarationError) as caught:
            FakeHypervisor(root)
        assert str(caught.value) == f"root must be a path, not {root!r}"

    def test_a_file(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("mine")
        for root, problem in ((path, "it is a file"), (path / "below", f"{str(path)!r} is a file")):
            with pytest.raises(DeclarationError) as caught:
                FakeHypervisor(root)
            assert str(caught.value) == (
                f"root can't be made: '{root}': {problem}; name a folder, or where one can be made"
            )
        assert path.read_text() == "mine"

    def test_any_path_object(self, tmp_path):
        class Own:
            def __fspath__(self):
                return str(tmp_path / "own")

        assert FakeHypervisor(Own()).root == str(tmp_path / "own")

    def test_one_that_is_needed_late_and_can_not_be_made(self, tmp_path):
        cluster = FakeCluster(tmp_path / "c")
        (tmp_path / "c" / "node1").write_text("mine")
        hv = cluster["node1"]
        text = f"File exists: '{hv._inner.store.root}'"
        assert str(failure(hv.ListInstances)) == f"Failed to list the instances: {text}"
        assert str(failure(hv.StartInstance, make(), [], False)) == f"Failed to start instance web1: {text}"
        with pytest.raises(DeclarationError) as caught:
            hv.add_instance("web1")
        assert str(caught.value) == f"Failed to place web1 on node1: {text}"
        with pytest.raises(HypervisorError, match="Failed to make the root directory: File exists"):
            hv.root  # noqa: B018

    def test_its_parent_becomes_a_file(self, tmp_path):
        hv = FakeHypervisor(tmp_path / "parent" / "root", spec=SPEC)
        (tmp_path / "parent" / "root").rmdir()
        (tmp_path / "parent").rmdir()
        (tmp_path / "parent").write_text("mine")
        assert hv.Verify() == f"The required directory '{tmp_path}/parent/root' does not exist"
        (tmp_path / "parent").unlink()
        (tmp_path / "parent").symlink_to("parent")
        assert str(failure(hv.Verify)) == (
            f"Failed to verify the hypervisor: Too many levels of symbolic links: '{tmp_path}/parent/root'"
        )

    def test_relative(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        hv = FakeHypervisor("here", spec=SPEC)
        monkeypatch.chdir("/")
        hv.StartInstance(make(), [], False)
        assert (tmp_path / "here" / "web1").exists()
        assert hv.root == str(tmp_path / "here")

    def test_in_a_fake_filesystem_that_is_in_use(self, fs):
        hv = FakeHypervisor("/somewhere/deep", spec=SPEC)
        hv.StartInstance(make(), [], False)
        with open("/somewhere/deep/web1") as file:
            assert file.read() == "0\n1024\n2\n"

    def test_in_a_fake_filesystem_through_a_link(self, fs):
        """What isn't plainly there is asked for as from the disk."""
        os.mkdir("/real")
        os.symlink("/real", "/link")
        hv = FakeHypervisor("/link/root", spec=NodeSpec("node1", memory=4096, overcommit=False))
        hv.StartInstance(make("web1"), [], True)
        hv.StartInstance(make("web2"), [], False)
        hv.BalloonInstanceMemory(make("web1"), 5)
        info = hv.GetInstanceInfo("web1")
        assert (info.memory, info.paused) == (5, True)
        assert sorted(hv.ListInstances()) == ["web1", "web2"]
        hv.StopInstance(make("web2"))
        assert os.listdir("/real/root") == ["web1"]
        with open("/real/root/web1", "rb") as file:
            assert file.read() == b"0\n5\n2\npaused\n"

    def test_in_a_fake_filesystem_where_not_everybody_may_look(self, fs):
        from pyfakefs.fake_filesystem import set_uid

        os.mkdir("/mine")
        hv = FakeHypervisor("/mine/root", spec=SPEC)
        hv.StartInstance(make("web1"), [], False)
        hv.StartInstance(make("web2"), [], False)
        fs.chmod("/mine/root/web2", 0o600)
        set_uid(1000)
        try:
            text = "Failed to get info of instance web2: Permission denied: '/mine/root/web2'"
            assert str(failure(hv.GetInstanceInfo, "web2")) == text
            assert hv.GetInstanceInfo("web1") == ("web1", "0", 1024, 2, 0, 0)
            fs.chmod("/mine", 0o700)
            assert re.fullmatch(
                r"Failed to list the instances: Permission denied: '/mine(/root)?'",  # as pyfakefs has it
                str(failure(hv.ListInstances)),
            )
        finally:
            set_uid(0)
        assert hv.GetInstanceInfo("web2") == ("web2", "0", 1024, 2, 0, 0)

    def test_a_changed_file_in_a_fake_filesystem_keeps_its_mode_and_moves_its_time(self, fs):
        hv = FakeHypervisor("/root", spec=SPEC)
        hv.StartInstance(make(), [], False)
        os.chmod("/root/web1", 0o640)
        os.utime("/root/web1", (0, 0))
        hv.BalloonInstanceMemory(make(), 5)
        found = os.stat("/root/web1")
        assert (found.st_mode & 0o777, found.st_size, found.st_mtime > 0) == (0o640, 6, True)

    def test_on_the_disk_while_a_fake_filesystem_is_in_use(self, tmp_path, fs):
        """A node stays where it was made."""
        fs.pause()
        hv = FakeHypervisor(tmp_path / "real", spec=SPEC)
        fs.resume()
        hv.StartInstance(make(), [], False)
        hv.BalloonInstanceMemory(make(), 5)
        assert hv.ListInstances() == ["web1"]
        assert not os.path.exists(tmp_path / "real")
        fs.pause()
        assert (tmp_path / "real" / "web1").read_bytes() == b"0\n5\n2\n"

    def test_the_machines_size_in_a_fake_filesystem(self, fs):
        hv = FakeHypervisor("/root")
        assert hv.GetNodeInfo()["memory_total"] > 0
        fs.create_file("/proc/meminfo", contents="MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
        assert hv.GetNodeInfo()["memory_total"] == 4


def test_where_times_are_kept_coarsely_starts_are_counted_all_the_same(tmp_path, monkeypatch):
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1", memory=4096, overcommit=False))

    def coarsely(path, *, ns):
        os.utime(path, ns=(ns[0] // 1000 * 1000, ns[1] // 1000 * 1000))

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "utime": coarsely}))
    for number in range(4):
        hv.StartInstance(make(f"web{number}"), [], False)
    os.unlink(tmp_path / "web0")
    hv.StartInstance(make("web4"), [], False)
    assert str(failure(hv.StartInstance, make("web5"), [], False)) == (
        "Failed to start instance web5: node1 does not overcommit: 1024 MiB are needed, 0 MiB are free"
    )


def test_the_roots_time_is_never_set_back(tmp_path):
    before = os.stat(tmp_path).st_mtime_ns
    FakeHypervisor(tmp_path, spec=NodeSpec("node1", overcommit=False)).StartInstance(make(), [], False)
    assert os.stat(tmp_path).st_mtime_ns >= before


def test_where_an_instance_has_arrived_starts_still_wait_for_nobody(tmp_path, monkeypatch):
    """What it has was settled on the source: nothing is counted, now or later."""
    cluster = FakeCluster(tmp_path)
    cluster["node1"].StartInstance(make(), [], False)
    assert cluster.migrate("web1", to="node2").outcome == "completed"

    def refuse(*args):
        raise AssertionError

    monkeypatch.setattr(Os, "flock", refuse)
    cluster["node2"].StartInstance(make("web2"), [], False)
    assert cluster["node2"].instance_names == ["web1", "web2"]
