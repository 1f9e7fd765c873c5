"""The root directory among threads and among processes."""

import errno
import fcntl
import os
import random
import threading
from collections import Counter
from contextlib import suppress

import pytest
from processes import SPEC, failure, make, run
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from pytest_fakehv import DeclarationError, FakeHypervisor, HypervisorError, Instance, NodeSpec
from pytest_fakehv.machine import Os
from pytest_fakehv.storage.disk import Disk
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.root import Root


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


def test_of_two_starts_in_a_tests_own_filesystem_one_wins(fs):
    hv = FakeHypervisor("/root", spec=SPEC)
    hv.StartInstance(make(), [], False)
    assert str(failure(hv.StartInstance, make(), [], False)) == (
        "Failed to start instance web1: already running"
    )


def test_a_start_that_fails_leaves_no_trace_in_a_private_filesystem(monkeypatch):
    filesystem = PrivateDisk(FakeOsModule(FakeFilesystem()))
    hv = FakeHypervisor(Root(lambda: (filesystem, "/root")), spec=SPEC)
    hv.StartInstance(make("web2"), [], False)

    def refuse(descriptor, content):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(filesystem.os, "write", refuse)
        assert str(failure(hv.StartInstance, make(), [], False)) == (
            "Failed to start instance web1: Input/output error: '/root'"
        )
    assert hv.ListInstances() == ["web2"]


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


def test_a_loser_says_why_even_when_the_winner_has_stopped_meanwhile(hv, monkeypatch):
    """Between a start's failed link and its look at what is there, another process stops the instance."""
    web1 = make()

    def stop_first(path, look=hv._inner.store.holds_something_else):
        hv._inner.store.remove(path)
        return look(path)

    hv.StartInstance(web1, [], False)
    monkeypatch.setattr(hv._inner.store, "holds_something_else", stop_first)
    assert str(failure(hv.StartInstance, web1, [], False)) == (
        "Failed to start instance web1: already running"
    )


@pytest.mark.parametrize(("deed", "is_paused"), [("pause", False), ("resume", True), ("kill", False)])
def test_an_instance_that_another_process_stops_just_before(tmp_path, monkeypatch, deed, is_paused):
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], is_paused)
    lock = Os.flock

    def wait_for_it(descriptor, operation):
        (tmp_path / "web1").unlink(missing_ok=True)
        lock(descriptor, operation)

    monkeypatch.setattr(Os, "flock", wait_for_it)
    assert str(failure(getattr(hv, deed), "web1")) == f"Failed to {deed} web1 on node1: not running"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system can't fork")
def test_a_forked_child_s_own_node_locks_the_root_by_itself(tmp_path):
    """And not by what the parent keeps open, with which both could have the lock."""
    hv = FakeHypervisor(tmp_path, spec=SPEC)
    hv.StartInstance(make(), [], False)
    hv.StopInstance(make())
    kept = Disk._idle[str(tmp_path)]
    (told, tell), (asked, ask) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        own = FakeHypervisor(tmp_path, spec=SPEC)
        own.StartInstance(make(), [], False)

        def look(record):
            os.write(tell, b"x")
            os.read(asked, 1)
            return record

        own._inner.store.change(own._inner.store.path("web1"), look)
        os._exit(0)
    os.read(told, 1)
    with pytest.raises(BlockingIOError):
        fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(ask, b"x")
    assert os.waitpid(child, 0)[1] == 0
    for descriptor in (told, tell, asked, ask):
        os.close(descriptor)


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
