"""The root directory: among threads, among processes, after a kill, under somebody else's hands."""

import errno
import gc
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from contextlib import suppress
from types import SimpleNamespace

import pytest

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, Instance, NodeSpec
from pytest_fakehv.storage.filesystem import Disk, Root, current_filesystem

SPEC = NodeSpec("node1")
WELL_FORMED = re.compile(rb"0\n\d+\n\d+\n(paused\n)?")


def make(name="web1", memory=1024):
    return Instance(name, beparams={"minmem": memory, "maxmem": memory, "vcpus": 2})


def failure(function, *args):
    with pytest.raises(HypervisorError) as caught:
        function(*args)
    return caught.value


def run(code, *args):
    """Start another process that has `hv`, `make` and the arguments."""
    prelude = (
        "import sys\n"
        "from pytest_fakehv import FakeHypervisor, HypervisorError, Instance, NodeSpec\n"
        "hv = FakeHypervisor(sys.argv[1], spec=NodeSpec('node1'))\n"
        "def make(name, memory=1024):\n"
        "    return Instance(name, beparams={'minmem': memory, 'maxmem': memory, 'vcpus': 2})\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *map(str, args)], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("action", ["start", "stop"])
def test_of_many_processes_exactly_one_wins(tmp_path, action):
    names = [f"web{number}" for number in range(200)]
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    if action == "stop":
        for name in names:
            hv.StartInstance(make(name), [], False)
    code = f"""
for number in range(200):
    web = make(f"web{{number}}")
    try:
        {"hv.StartInstance(web, [], False)" if action == "start" else "hv.StopInstance(web)"}
    except HypervisorError:
        continue
    print(web.name)
"""
    processes = [run(code, tmp_path) for _ in range(4)]
    winners = Counter(name for process in processes for name in process.communicate()[0].split())
    assert [process.returncode for process in processes] == [0] * 4
    assert winners == Counter(names)
    assert sorted(os.listdir(tmp_path)) == (sorted(names) if action == "start" else [])


def test_threads_on_every_backend(hv):
    """What is atomic on the disk is so on a fake filesystem."""
    errors, wins = [], Counter()

    def work():
        for number in range(30):
            web = make(f"web{number}")
            try:
                with suppress(HypervisorError):
                    hv.StartInstance(web, [], False)
                    wins[web.name] += 1
                with suppress(HypervisorError):
                    hv.BalloonInstanceMemory(web, 7)
                hv.GetAllInstancesInfo()
                hv.ListInstances()
                hv.GetNodeInfo()
            except Exception as error:
                errors.append(error)
                raise

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert wins == Counter({f"web{number}": 1 for number in range(30)})
    assert {info.memory for info in hv.instances.values()} == {7}


def test_nodes_on_one_fake_root_share_a_lock(fs):
    first, second = (FakeHypervisor("/root", spec=SPEC) for _ in range(2))
    errors, stop = [], threading.Event()

    def balloon():
        while not stop.is_set():
            try:
                second.BalloonInstanceMemory(make(), 7)
            except HypervisorError as error:
                if str(error) != "Failed to balloon memory for web1: not running":
                    errors.append(error)

    thread = threading.Thread(target=balloon)
    thread.start()
    for _ in range(100):
        first.StartInstance(make(), [], False)
        first.StopInstance(make())
        assert first.ListInstances() == []
    stop.set()
    thread.join()
    assert errors == []


def test_threads_give_a_strict_nodes_memory_away_once(root):
    hv = FakeHypervisor(root, spec=NodeSpec("node1", memory=10, overcommit=False))
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait()
        for each in range(10):
            with suppress(HypervisorError):
                hv.StartInstance(make(f"web{number}-{each}", 1), [], False)

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hv.ListInstances()) == 10


def test_processes_give_a_strict_nodes_memory_away_once(tmp_path):
    code = """
hv = FakeHypervisor(sys.argv[1], spec=NodeSpec("node1", memory=100, overcommit=False))
for number in range(60):
    try:
        hv.StartInstance(make(f"{sys.argv[2]}-{number}", 1), [], False)
    except HypervisorError:
        break
"""
    processes = [run(code, tmp_path, number) for number in range(3)]
    for process in processes:
        process.communicate()
    assert len(os.listdir(tmp_path)) == 100


def test_a_reader_never_sees_an_instance_torn_or_gone_during_a_balloon(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], False)
    code = """
print("ready", flush=True)
for number in range(1500):
    hv.BalloonInstanceMemory(make("web1"), 10 ** (number % 12))
"""
    process = run(code, tmp_path)
    process.stdout.readline()
    contents, names = Counter(), set()
    while process.poll() is None:
        contents[(tmp_path / "web1").read_bytes()] += 1
        names.update(hv.ListInstances())
        assert hv.GetInstanceInfo("web1").vcpus == 2
    process.communicate()
    assert len(contents) > 1
    assert contents.keys() <= {b"0\n%d\n2\n" % memory for memory in [1024, *(10**n for n in range(12))]}
    assert names == {"web1"}


def test_a_balloon_never_brings_back_what_another_process_stopped(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    code = """
while True:
    try:
        hv.BalloonInstanceMemory(make("web1"), 7)
    except HypervisorError:
        print("absent", flush=True)
"""
    process = run(code, tmp_path)
    try:
        for _ in range(300):
            hv.StartInstance(make(), [], False)
            hv.StopInstance(make())
            process.stdout.readline()
            assert hv.ListInstances() == []
    finally:
        process.kill()
        process.communicate()


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


def test_a_loser_says_why_even_when_the_winner_has_stopped_meanwhile(hv, monkeypatch):
    """Between a start's failed link and its look at what is there, another process stops the instance."""
    web1 = make()

    def stop_first(path, look=hv._storage.holds_something_else):
        hv._storage.remove(path)
        return look(path)

    hv.StartInstance(web1, [], False)
    monkeypatch.setattr(hv, "_IsAlive", lambda name: False)  # another program, which takes no lock, is faster
    monkeypatch.setattr(hv._storage, "holds_something_else", stop_first)
    assert str(failure(hv.StartInstance, web1, [], False)) == (
        "Failed to start instance web1: already running"
    )


def test_a_child_forked_in_the_middle_of_a_call_is_not_blocked(tmp_path):
    """The thread that was in the call, and held the locks, does not exist in the child."""
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], False)
    inside, done = threading.Event(), threading.Event()

    def hold():
        with hv._storage.exclusive():
            inside.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:  # pragma: no cover  # the child ends without writing what it covered
        signal.alarm(20)
        hv.GetNodeInfo()
        hv.StartInstance(make("web2"), [], False)
        os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(hv.ListInstances()) == ["web1", "web2"]


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
            f"node1 does not overcommit: {free + 1} MiB more are needed, {free} MiB are free"
        )


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
        "Failed to start instance web4: node1 does not overcommit: 1024 MiB more are needed, 0 MiB are free"
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
    assert list(hv.last_seen.instances) == ["web1"]
    assert hv.describe().splitlines()[1] == "  web1 running, 1024 MiB, 2 vcpus"
    hv.StopInstance(make())
    assert hv.violations() == []


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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
def test_a_fork_while_another_thread_finds_the_root(tmp_path):
    inside, done = threading.Event(), threading.Event()

    def find():
        inside.set()
        done.wait()
        return Disk(), str(tmp_path / "root")

    root = Root(find)
    thread = threading.Thread(target=root.get)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:  # pragma: no cover  # the child ends without writing what it covered
        signal.alarm(20)
        done.set()
        os._exit(0 if root.path == str(tmp_path / "root") else 1)
    done.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


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


def test_starts_ballons_and_stops_keep_the_sum(hv):
    """A start's memory follows every call of ours, also one that failed."""
    chance = random.Random(2)
    for _ in range(300):
        web = make(f"web{chance.randrange(5)}", chance.randrange(1, 2000))
        with suppress(HypervisorError):
            match chance.randrange(4):
                case 0:
                    hv.StartInstance(web, [], False)
                case 1:
                    hv.StopInstance(web)
                case 2:
                    hv.BalloonInstanceMemory(web, chance.randrange(1, 2000))
                case 3:
                    hv.FinalizeMigrationDst(web, "", chance.random() < 0.5)
        probe = Instance("probe", beparams={"minmem": 1, "maxmem": 10_000, "vcpus": 1})
        used = sum(info.memory for info in hv.instances.values())
        hv.StartInstance(probe, [], False)
        assert hv.instances["probe"].memory == max(1, 7168 - used)
        hv.StopInstance(probe)


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
    @pytest.mark.parametrize("root", [5, None, b"/tmp", ["a"], "", "a\0b"])
    def test_no_path(self, root):
        with pytest.raises(DeclarationError) as caught:
            FakeHypervisor(root)
        assert str(caught.value) == f"root must be a path, not {root!r}"

    def test_a_file(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("mine")
        for root, problem in ((path, "File exists"), (path / "below", "Not a directory")):
            with pytest.raises(DeclarationError) as caught:
                FakeHypervisor(root)
            assert str(caught.value) == f"root can't be made: '{root}': {problem}"
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
        text = f"File exists: '{hv._storage.root}'"
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
        patch.setattr(hv._storage.filesystem.os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hv.StartInstance(make(), [], False)
    assert os.listdir("/root") == []
    hv.StartInstance(make(), [], False)


class TestOpenDirectories:
    """A directory that was locked is kept open for the next time."""

    @staticmethod
    def descriptors():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    @pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody says what is open")
    def test_not_many_are_and_none_of_a_cluster_that_is_gone(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Disk, "_idle", {})  # not those of other tests
        before = self.descriptors()
        cluster = FakeCluster(tmp_path, *(NodeSpec(f"node{number}") for number in range(40)))
        for node in cluster:
            node.StartInstance(make(), [], False)
            node.StopInstance(make())
        assert before < self.descriptors() <= before + 16
        del cluster, node
        assert self.descriptors() == before

    def test_one_whose_lock_was_interrupted_blocks_nobody(self, tmp_path, monkeypatch):
        first, second = (FakeHypervisor(tmp_path, spec=SPEC) for _ in range(2))
        first.StartInstance(make(), [], False)
        lock = Disk._flock

        def interrupted(descriptor, operation):
            lock(descriptor, operation)
            if operation == Disk._exclusive:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Disk, "_flock", staticmethod(interrupted))
            with pytest.raises(KeyboardInterrupt):
                first.StopInstance(make())
        second.StopInstance(make())
        first.StartInstance(make(), [], False)

    def test_two_nodes_on_one_directory_wait_for_one_another(self, tmp_path):
        first, second = (FakeHypervisor(tmp_path, spec=SPEC) for _ in range(2))
        first.StartInstance(make(), [], False)
        second.StartInstance(make("web2"), [], False)
        opened = threading.Event()
        thread = threading.Thread(target=second.StopInstance, args=[make("web2")])
        with pytest.MonkeyPatch.context() as patch, first._storage.exclusive():

            def open_and_tell(*args):
                descriptor = os.open(*args)
                opened.set()
                return descriptor

            patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "open": open_and_tell}))
            thread.start()
            opened.wait()
            assert first.ListInstances()
            first.StopInstance(make())
        thread.join()
        assert first.ListInstances() == []

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

    @staticmethod
    def inodes():
        found = set()
        for descriptor in range(256):
            with suppress(OSError):
                found.add(os.fstat(descriptor).st_ino)
        return found


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
        "Failed to start instance web5: node1 does not overcommit: 1024 MiB more are needed, 0 MiB are free"
    )


class TestWhatDependsOnWhatIsFree:
    """Only such a start counts; among those that don't, it counts all the same what they took."""

    def test_among_others(self, hv):
        hv.StartInstance(make("web1", 1000), [], False)
        hv.StartInstance(Instance("web2", beparams={"minmem": 1, "maxmem": 2000, "vcpus": 1}), [], False)
        hv.StartInstance(make("web3", 1000), [], False)
        hv.StartInstance(Instance("web4", beparams={"minmem": 1, "maxmem": 9999, "vcpus": 1}), [], False)
        assert hv.instances["web2"].memory == 2000
        assert hv.instances["web4"].memory == 7168 - 4000

    def test_a_node_that_counts_is_declared_nothing_twice(self, root):
        hv = FakeHypervisor(root, spec=NodeSpec("node1", overcommit=False))
        hv.add_instance("web1")
        with pytest.raises(DeclarationError) as caught:
            hv.add_instance("web1")
        assert str(caught.value) == "Failed to place web1 on node1: already running"

    def test_what_is_wrong_is_said_of_one_that_runs_in_the_same_order(self, hv):
        hv.StartInstance(make("web1"), [], False)
        for beparams in ({}, {"minmem": 0, "maxmem": 5, "vcpus": 1}, {"minmem": 5, "maxmem": 5}):
            error = failure(hv.StartInstance, Instance("web1", beparams=beparams), [], False)
            assert str(error) == "Failed to start instance web1: already running"
