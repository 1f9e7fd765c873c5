"""Two drains of one node at once, in 500 random interleavings: no deadlock, nothing lost, no false alarm.

Of two threads one runs at a time, and they take turns at the calls of the interface; whose turn is next is
drawn from a generator with a seed. So each interleaving can be had again.
"""

import random
import threading

import pytest
from orchestrators import Orchestrator, RacesItself

from pytest_fakehv import FakeCluster, FakeHypervisor, InstanceSpec, NodeSpec

SEEDS = range(500)
PATIENCE = 30
"""Seconds of the machine's time, after which a thread that has a turn and doesn't end it hangs."""


class Worker(threading.Thread):
    """A thread that goes on when it is given a turn, as far as its next call of the interface."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.error = None
        self.is_done = False
        self._turn = threading.Semaphore(0)
        self._end_of_turn = threading.Semaphore(0)

    def run(self):
        self._turn.acquire()
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001  # raised where the thread is waited for
            self.error = error
        self.is_done = True
        self._end_of_turn.release()

    def end_turn(self):
        """Called by the thread itself."""
        self._end_of_turn.release()
        self._turn.acquire()

    def take_turn(self):
        """Called by the scheduler; returns when the turn has ended."""
        self._turn.release()
        assert self._end_of_turn.acquire(timeout=PATIENCE), "deadlock: it waits for one that has no turn"
        if self.error:
            raise self.error


def taking_turns(method):
    def call(self, *arguments, **keywords):
        thread = threading.current_thread()
        if isinstance(thread, Worker):
            thread.end_turn()
        return getattr(super(Scheduled, self), method)(*arguments, **keywords)

    return call


class Scheduled(FakeHypervisor):
    """A node whose calls each wait for a turn, behind the door and before their effect."""

    ListInstances = taking_turns("ListInstances")
    StartInstance = taking_turns("StartInstance")
    StopInstance = taking_turns("StopInstance")
    MigrationInfo = taking_turns("MigrationInfo")
    AcceptInstance = taking_turns("AcceptInstance")
    MigrateInstance = taking_turns("MigrateInstance")
    GetMigrationStatus = taking_turns("GetMigrationStatus")
    FinalizeMigrationSource = taking_turns("FinalizeMigrationSource")
    FinalizeMigrationDst = taking_turns("FinalizeMigrationDst")


def interleave(seed, *works):
    """Let functions run at once, each in a thread, in an interleaving that the seed decides."""
    generator = random.Random(seed)
    workers = [Worker(work) for work in works]
    for worker in workers:
        worker.start()
    while waiting := [worker for worker in workers if not worker.is_done]:
        generator.choice(waiting).take_turn()
    for worker in workers:
        worker.join(timeout=PATIENCE)
        assert not worker.is_alive()


def drain_twice(seed, make):
    """Drain node1 twice at once: web1 converges after a while, web2 must be failed over, web3 just moves.

    Returns:
        The cluster, what the two drains could not do, and every call, in order.
    """
    nodes = [NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3")]
    instances = [InstanceSpec(f"web{number}") for number in (1, 2, 3)]
    with FakeCluster.temporary(*nodes, instances=instances, hypervisor=Scheduled) as cluster:
        cluster.script_migration("web1", bandwidth=512, dirty_rate=64)
        cluster.script_migration("web2", outcome="failed", polls=2)
        orchestrator = make()
        orchestrator.adopt(cluster)
        problems = []

        def drain():
            problems.extend(orchestrator.drain(cluster, "node1"))

        interleave(seed, drain, drain)
        violations = {each.invariant for each in cluster.violations()}
        return cluster.placement(), violations, problems, [str(call) for call in cluster.journal]


def test_no_interleaving_of_two_correct_drains_goes_wrong():
    orders = set()
    for seed in SEEDS:
        placement, violations, problems, calls = drain_twice(seed, Orchestrator)
        # Each runs once, and elsewhere; a name that is on two nodes has a tuple of them.
        assert placement.keys() == {"web1", "web2", "web3"}, f"seed {seed}"
        assert set(placement.values()) <= {"node2", "node3"}, f"seed {seed}"
        assert violations == set(), f"seed {seed}"
        busy = {f"{name}: somebody else is busy with {name}" for name in placement}
        assert set(problems) <= busy, f"seed {seed}"
        orders.add(tuple(calls))
    assert len(orders) > len(SEEDS) * 0.9


@pytest.mark.parametrize("make", [Orchestrator, RacesItself])
def test_a_seed_decides_on_an_interleaving(make):
    assert drain_twice(7, make) == drain_twice(7, make)


def test_interleavings_find_drains_that_race():
    found = [drain_twice(seed, RacesItself)[1] for seed in SEEDS[:50]]
    assert {"double-start", "split-brain"} in found


def test_a_thread_that_hangs_in_its_turn_is_found(monkeypatch):
    monkeypatch.setattr("test_interleavings.PATIENCE", 0.01)
    lock = threading.Lock()
    with lock, pytest.raises(AssertionError, match="deadlock: it waits for one that has no turn"):
        interleave(0, lock.acquire)


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        interleave(0, lambda: 1 / 0)
