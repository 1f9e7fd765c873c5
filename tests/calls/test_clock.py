"""The time that migrations run on, as a test sees it: what makes it go, and what comes about when."""

import os
import sys
import time
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import ClassVar

import pytest

from pytest_fakehv import Clock, DeclarationError, FakeCluster, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.machine import Time
from pytest_fakehv.storage.disk import Disk

LARGEST = 2**63 - 1
CLOCK_MODES = ["polls", "manual", "real"]


@pytest.fixture
def machine(monkeypatch):
    """The machine's time, in the hands of the test: nothing here sleeps, or takes any time."""
    machine = SimpleNamespace(now=12345.5, slept=[])

    def sleep(seconds):
        machine.slept.append(seconds)
        machine.now += seconds

    monkeypatch.setattr(Time, "monotonic", lambda: machine.now)
    monkeypatch.setattr(Time, "sleep", sleep)
    return machine


@pytest.fixture(params=["polls", "manual", "real"])
def any_cluster(request, machine, tmp_path):
    return FakeCluster(tmp_path, clock=request.param)


def make(root, clock="manual"):
    return FakeCluster(root, clock=clock, max_time=LARGEST)


def start(cluster, name="web1", *, memory=1024, to="node2", **script):
    """Begin a scripted migration from the first node and return the instance."""
    instance = cluster.add_instance(name, memory=memory)
    cluster.script_migration(name, **script)
    cluster["node1"].MigrateInstance("cluster", instance, to, True)
    return instance


def status(cluster, instance):
    return cluster["node1"].GetMigrationStatus(instance).status


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return str(caught.value)


class Floating(float):
    """As NumPy's."""


class Whole:
    """As an integer of NumPy's."""

    def __init__(self, value):
        self._value = value

    def __index__(self):
        return self._value

    def __repr__(self):
        return f"Whole({self._value})"


own_sleep = time.sleep
TAKEN = [0, 0.0, -0.0, False, Floating(0), Whole(0)]
REALS = [Fraction(0), Decimal(0)]  # which Python's own takes from 3.15 on
TAKES_REALS = sys.version_info >= (3, 15)
KINDS = "a real number" if TAKES_REALS else "a float or an integer"
REFUSED = [
    (-1, "a number that is not negative, not -1"),
    (-1e-300, "a number that is not negative, not -1e-300"),
    (Floating(-1), "a number that is not negative, not -1.0"),
    (Whole(-1), "a number that is not negative, not -1"),
    (float("nan"), "a number that is not negative, not nan"),
    (float("inf"), "less than 9223372036.854776, not inf"),
    (2**63 / 10**9, "less than 9223372036.854776, not 9223372036.854776"),
    (2**63, "less than 9223372036.854776, not 9223372036854775808"),
    ("1", f"{KINDS}, not '1'"),
    (None, f"{KINDS}, not None"),
    *((each, f"{KINDS}, not {each!r}") for each in REALS if not TAKES_REALS),
]


class TestModes:
    def test_a_cluster_goes_by_polls_unless_told_otherwise(self, root):
        assert FakeCluster(root).clock.mode == "polls"
        assert Clock().mode == "polls"

    def test_all_nodes_of_a_cluster_have_its_clock(self, any_cluster):
        assert {id(node.clock) for node in any_cluster} == {id(any_cluster.clock)}

    def test_a_node_of_no_cluster_has_one_of_its_own(self, tmp_path):
        one, other = (FakeHypervisor(tmp_path / name, spec=NodeSpec(name)) for name in ("a", "b"))
        one.clock.advance(1)
        assert (one.clock.now, other.clock.now) == (1, 0)

    @pytest.mark.parametrize(
        ("mode", "text"),
        [
            ("fast", "'fast'"),
            ("Polls", "'Polls'"),
            ("", "''"),
            (None, "None"),
            (True, "True"),
            (["polls"], "['polls']"),
        ],
    )
    def test_there_are_no_others(self, root, mode, text):
        valid = "'polls', 'manual', 'real', or a function that returns seconds"
        expected = f"clock must be one of {valid}, not {text}"
        assert message(FakeCluster, root, clock=mode) == expected
        assert message(Clock, mode) == expected
        assert message(FakeCluster.temporary(clock=mode).__enter__) == expected

    def test_each_begins_at_zero(self, any_cluster):
        assert any_cluster.clock.now == 0
        assert any_cluster.clock.exact_now == 0

    def test_its_repr_shows_mode_and_time(self, any_cluster, machine):
        mode = any_cluster.clock.mode
        assert repr(any_cluster.clock) == f"<Clock {mode} at 0 s>"
        if mode == "real":
            machine.now += 2.5
        else:
            any_cluster.clock.advance(2.5)
        assert repr(any_cluster.clock) == f"<Clock {mode} at 2.5 s>"


class TestPolls:
    def test_each_poll_takes_a_second_and_answers_after_it(self, root):
        cluster = make(root, "polls")
        web1 = start(cluster, bandwidth=100, memory=250)
        answers = []
        for second in range(1, 5):
            answer = cluster["node1"].GetMigrationStatus(web1)
            answers.append((answer.status, answer.transferred_ram))
            assert cluster.clock.now == second
        assert answers == [("active", 100), ("active", 200), ("completed", 250), ("completed", 250)]

    def test_a_poll_of_what_never_migrated_takes_one_too(self, root):
        cluster = make(root, "polls")
        web1 = cluster.add_instance("web1")
        assert status(cluster, web1) == "completed"
        assert cluster["node2"].GetMigrationStatus(web1).status == "completed"
        assert cluster.clock.now == 2

    def test_a_poll_that_does_not_reach_its_node_takes_none(self, root):
        cluster = make(root, "polls")
        web1 = start(cluster)
        cluster["node1"].disconnect()
        text = message(cluster["node1"].GetMigrationStatus, web1, error=HypervisorError)
        assert text == "node1 does not answer"
        assert cluster.clock.now == 0

    def test_nothing_else_takes_any_time(self, root):
        cluster = make(root, "polls")
        web1 = start(cluster)
        cluster["node1"].ListInstances()
        cluster["node1"].GetAllInstancesInfo()
        cluster["node2"].GetNodeInfo()
        cluster["node1"].BalloonInstanceMemory(web1, 512)
        assert cluster.migrations[0].outcome == "active"
        assert cluster.clock.now == 0

    def test_time_may_pass_between_polls(self, root):
        cluster = make(root, "polls")
        web1 = start(cluster, bandwidth=1, memory=100)
        cluster.clock.advance(98.5)
        assert status(cluster, web1) == "active"
        assert status(cluster, web1) == "completed"
        assert (cluster.clock.now, cluster.migrations[0].duration) == (100.5, 100)

    def test_several_migrations_share_the_time(self, root):
        cluster = make(root, "polls")
        web1 = start(cluster, "web1", bandwidth=1, memory=4)
        web2 = start(cluster, "web2", bandwidth=1, memory=4)
        assert [status(cluster, each) for each in (web1, web2, web1)] == ["active"] * 3
        assert status(cluster, web2) == status(cluster, web1) == "completed"
        assert [each.polls for each in cluster.migrations] == [3, 2]


class TestAdvance:
    @pytest.fixture(params=["polls", "manual"])
    def clock(self, request, root):
        return make(root, request.param).clock

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (-1, "-1"),
            (-1e-300, "-1e-300"),
            (float("nan"), "nan"),
            (float("-inf"), "-inf"),
            ("1", "'1'"),
            (True, "True"),
            (False, "False"),
            (None, "None"),
            (1j, "1j"),
            (Fraction(1, 2), "Fraction(1, 2)"),
            ([1], "[1]"),
        ],
    )
    def test_by_what_is_no_time_is_refused(self, clock, seconds, text):
        clock.advance(3)
        expected = f"seconds must be a number that is not negative, not {text}"
        assert message(clock.advance, seconds) == expected
        assert clock.now == 3

    @pytest.mark.parametrize("seconds", [LARGEST + 1, float("inf"), 1e300])
    def test_by_more_than_can_be_is_refused(self, clock, seconds):
        assert message(clock.advance, seconds) == f"seconds must be at most 2**63 - 1, not {seconds!r}"

    @pytest.mark.parametrize("seconds", [0, 0.0, -0.0, 5e-324, 0.25, 7, LARGEST])
    def test_by_any_other_number_is_just_that(self, clock, seconds):
        clock.advance(seconds)
        assert clock.now == float(seconds)

    def test_by_the_shortest_time_again_and_again_is_not_lost(self, clock):
        clock.advance(LARGEST)
        clock.advance(5e-324)
        clock.advance(5e-324)
        assert clock.exact_now == LARGEST + Fraction(10, 10**324)

    def test_ten_tenths_are_one(self, clock):
        as_floats = 0
        for _ in range(10):
            clock.advance(0.1)
            as_floats += 0.1
        assert as_floats != 1
        assert (clock.now, clock.exact_now) == (1, 1)

    def test_a_tenth_and_two_are_three(self, clock):
        clock.advance(0.1)
        clock.advance(0.2)
        assert (clock.now, clock.exact_now) == (0.3, Fraction(3, 10))

    def test_of_a_real_clock_is_refused(self, root):
        clock = make(root, "real").clock
        for seconds in (0, 1, 0.5):
            assert message(clock.advance, seconds) == (
                "a real clock can't be advanced; choose clock='manual' or 'polls'"
            )
        # What is wrong with any clock comes first.
        assert message(clock.advance, -1) == "seconds must be a number that is not negative, not -1"


class TestSleep:
    """What a program does between two polls."""

    @pytest.mark.parametrize("mode", ["manual", "polls"])
    def test_moves_a_clock_of_its_own(self, machine, root, mode):
        clock = make(root, mode).clock
        clock.sleep(0.5)
        clock.sleep(2)
        assert (clock.now, machine.slept) == (2.5, [])

    def test_sleeps_where_the_time_is_real(self, machine, root):
        clock = make(root, "real").clock
        clock.sleep(2)
        clock.sleep(0.25)
        assert (clock.now, machine.slept) == (2.25, [2, 0.25])

    @pytest.mark.parametrize("mode", CLOCK_MODES)
    @pytest.mark.parametrize("seconds", TAKEN + REALS * TAKES_REALS, ids=repr)
    def test_takes_what_pythons_own_takes(self, machine, root, mode, seconds):
        own_sleep(seconds)
        clock = make(root, mode).clock
        clock.sleep(seconds)
        assert clock.now == 0

    @pytest.mark.parametrize("mode", CLOCK_MODES)
    @pytest.mark.parametrize(("seconds", "problem"), REFUSED, ids=repr)
    def test_refuses_what_pythons_own_refuses(self, machine, root, mode, seconds, problem):
        with pytest.raises((TypeError, ValueError, OverflowError)) as caught:
            own_sleep(seconds)
        clock = make(root, mode).clock
        said = message(clock.sleep, seconds, error=caught.type)
        assert said == message(clock.sleep, seconds) == f"seconds must be {problem}"
        assert (clock.now, machine.slept) == (0, [])

    @pytest.mark.parametrize("mode", CLOCK_MODES)
    def test_for_as_long_as_pythons_own_can(self, machine, root, mode):
        clock = make(root, mode).clock
        clock.sleep(2**63 // 10**9)
        assert clock.now == 9223372036

    def test_of_the_driver_is_a_second_between_two_polls(self, any_cluster, machine):
        any_cluster.add_instance("web1", memory=300)
        any_cluster.script_migration("web1", bandwidth=100)
        result = any_cluster.migrate("web1", to="node2")
        assert result.outcome == "completed"
        # By polls, each takes a second; else the first takes none.
        polls = {"polls": 3, "manual": 4, "real": 4}[any_cluster.clock.mode]
        assert (result.polls, result.duration) == (polls, 3)
        assert machine.slept == ([1] * 3 if any_cluster.clock.mode == "real" else [])

    def test_of_the_driver_comes_to_an_end(self, any_cluster, machine):
        """A migration without an end is given up when a time that is never slept has passed."""
        any_cluster.add_instance("web1")
        any_cluster.script_migration("web1", dirty_rate=1024)
        result = any_cluster.migrate("web1", to="node2", timeout=60)
        assert (result.outcome, result.error) == ("failed", "given up: not completed after 60 s")
        assert result.polls in {60, 61}
        assert machine.slept == ([1] * 60 if any_cluster.clock.mode == "real" else [])


class TestManual:
    def test_polls_do_not_move_it(self, root):
        cluster = make(root)
        web1 = start(cluster)
        assert {status(cluster, web1) for _ in range(100)} == {"active"}
        assert cluster.clock.now == 0
        assert (cluster.migrations[0].polls, cluster.migrations[0].transferred_ram) == (100, 0)

    def test_what_is_not_scripted_ends_at_the_first_poll_whatever_the_time(self, root):
        cluster = make(root)
        web1 = cluster.add_instance("web1")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        cluster.clock.advance(10)
        assert cluster.migrations[0].outcome == "active"
        assert status(cluster, web1) == "completed"
        assert cluster.migrations[0].duration == 10

    def test_a_migration_ends_just_when_it_is_due(self, root):
        cluster = make(root)
        cluster.clock.advance(0.7)
        web1 = start(cluster, bandwidth=1000, memory=300)
        cluster.clock.advance(0.299999)
        assert status(cluster, web1) == "active"
        cluster.clock.advance(0.000001)
        assert status(cluster, web1) == "completed"
        record = cluster.migrations[0]
        assert (record.started, record.duration, record.transferred_ram) == (0.7, 0.3, 300)

    def test_a_migration_that_was_jumped_over_ended_when_it_was_due(self, root):
        cluster = make(root)
        web1 = start(cluster, bandwidth=1000, memory=300)
        cluster.clock.advance(1000)
        assert status(cluster, web1) == "completed"
        record = cluster.migrations[0]
        assert (record.duration, record.transferred_ram, record.polls) == (0.3, 300, 1)

    def test_its_end_needs_no_poll(self, root):
        """Nor anything else: an instance that moved in truth has moved by then."""
        cluster = make(root)
        start(cluster, outcome="failed_but_moved", bandwidth=1000, memory=300)
        cluster.clock.advance(0.29)
        assert cluster.placement() == {"web1": "node1"}
        cluster.clock.advance(0.01)
        assert cluster.placement() == {"web1": "node2"}
        assert (cluster.migrations[0].outcome, cluster.migrations[0].polls) == ("failed", 0)

    def test_of_several_in_one_jump_each_ends_when_it_is_due(self, root):
        cluster = make(root)
        for second, memory in enumerate((500, 100, 300, 200)):
            start(cluster, f"web{second}", bandwidth=100, memory=memory)
            cluster.clock.advance(0.5)
        cluster.clock.advance(100)
        assert [(each.started, each.duration, each.outcome) for each in cluster.migrations] == [
            (0, 5, "completed"),
            (0.5, 1, "completed"),
            (1, 3, "completed"),
            (1.5, 2, "completed"),
        ]

    def test_several_in_one_jump_come_about_in_the_order_in_which_they_are_due(self, tmp_path, monkeypatch):
        """Of those due at once, the first to begin is first. What comes about is seen on the disk."""
        cluster, arrived = make(tmp_path), []
        cluster.add_node("node3")
        for name, memory, to in (
            ("last", 500, "node2"),
            ("first", 100, "node2"),
            ("third", 300, "node3"),
            ("fourth", 300, "node2"),
            ("second", 200, "node3"),
            ("later", 100_000, "node2"),
        ):
            start(cluster, name, memory=memory, to=to, bandwidth=100, outcome="failed_but_moved")

        def link(source, target, **keywords):
            os.link(source, target, **keywords)
            arrived.append(os.path.basename(target))

        monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "link": link}))
        cluster.clock.advance(100)
        assert arrived == ["first", "second", "third", "fourth", "last"]
        assert cluster.placement()["later"] == "node1"

    def test_a_migration_that_was_ended_otherwise_is_not_ended_again(self, root):
        cluster = make(root)
        web1 = start(cluster, outcome="failed_but_moved", bandwidth=100, memory=500)
        cluster.clock.advance(2)
        cluster.cancel_migration("web1")
        cluster.clock.advance(100)
        assert status(cluster, web1) == "cancelled"
        assert cluster.migrations[0].duration == 2
        assert cluster.placement() == {"web1": "node1"}

    def test_the_next_migration_of_an_instance_does_not_end_with_the_last(self, root):
        cluster = make(root)
        web1 = start(cluster, bandwidth=100, memory=500)
        cluster.clock.advance(4)
        cluster.cancel_migration("web1")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        cluster.clock.advance(4.9)
        assert status(cluster, web1) == "active"
        cluster.clock.advance(0.1)
        assert status(cluster, web1) == "completed"
        assert [(each.started, each.duration) for each in cluster.migrations] == [(0, 4), (4, 5)]

    def test_no_time_at_all_changes_nothing(self, root):
        cluster = make(root)
        web1 = start(cluster, bandwidth=100, memory=500)
        cluster.clock.advance(4)
        for _ in range(10):
            cluster.clock.advance(0)
        assert status(cluster, web1) == "active"
        assert cluster.migrations[0].duration == 4


class TestReal:
    """The machine's time moves without telling: what is due has come about whenever anybody looks."""

    @pytest.fixture
    def cluster(self, root, machine):
        return make(root, "real")

    def test_it_goes_by_the_machines_since_the_cluster_was_made(self, cluster, machine):
        machine.now += 3.25
        assert (cluster.clock.now, cluster.clock.exact_now) == (3.25, Fraction(13, 4))

    def test_polls_do_not_move_it(self, cluster, machine):
        web1 = start(cluster)
        assert {status(cluster, web1) for _ in range(10)} == {"active"}
        assert cluster.clock.now == 0

    def test_a_migration_ends_when_it_is_due(self, cluster, machine):
        machine.now += 7
        web1 = start(cluster, bandwidth=1024, memory=3072)
        for sent in (0, 1024, 2048):
            answer = cluster["node1"].GetMigrationStatus(web1)
            assert (answer.status, answer.transferred_ram) == ("active", sent)
            machine.now += 1
        assert status(cluster, web1) == "completed"
        machine.now += 100
        record = cluster.migrations[0]
        assert (record.started, record.duration, record.transferred_ram) == (7, 3, 3072)

    def test_a_poll_that_comes_late_finds_it_ended_in_time(self, cluster, machine):
        web1 = start(cluster, bandwidth=1024, memory=3072)
        machine.now += 1000
        assert status(cluster, web1) == "completed"
        assert cluster.migrations[0].duration == 3

    @pytest.mark.parametrize("look", ["cluster.migrations", "node1.migrations", "describe"])
    def test_a_record_needs_no_poll_to_say_so(self, cluster, machine, look):
        start(cluster, bandwidth=1024, memory=3072)
        machine.now += 1000
        if look == "describe":
            assert "active" not in cluster.describe()
        looked_at = cluster if look == "cluster.migrations" else cluster["node1"]
        (record,) = looked_at.migrations
        assert (record.outcome, record.duration, record.transferred_ram) == ("completed", 3, 3072)

    @pytest.mark.parametrize(
        "look",
        [
            lambda cluster: cluster.placement(),
            lambda cluster: dict.fromkeys(cluster["node2"].ListInstances(), "node2"),
            lambda cluster: dict.fromkeys(cluster["node2"].instances, "node2"),
            lambda cluster: {"web1": "node2"} if cluster["node2"].runs("web1") else {},
            lambda cluster: {"web1": "node2"} if cluster["node2"].instance_info("web1") else {},
        ],
        ids=["placement", "a call", "instances", "runs", "instance_info"],
    )
    def test_an_instance_that_moved_has_moved_whoever_looks_first(self, cluster, machine, look):
        start(cluster, outcome="failed_but_moved", bandwidth=1024, memory=3072)
        machine.now += 3
        assert look(cluster) == {"web1": "node2"}
        assert cluster["node1"].instance_names == []

    def test_what_befalls_a_node_later_does_not_undo_it(self, cluster, machine):
        start(cluster, bandwidth=1024, memory=3072)
        machine.now += 3
        cluster["node1"].crash()
        record = cluster.migrations[0]
        assert (record.outcome, record.reason, record.duration) == ("completed", None, 3)

    def test_nor_does_a_stop_or_a_finalize(self, cluster, machine):
        web1, web2 = (start(cluster, name, bandwidth=1024, memory=3072) for name in ("web1", "web2"))
        machine.now += 3
        cluster["node1"].StopInstance(web1)
        cluster["node1"].FinalizeMigrationSource(web2, True, True)
        assert [(each.outcome, each.reason) for each in cluster.migrations] == [("completed", None)] * 2

    def test_what_has_ended_can_begin_anew(self, cluster, machine):
        web1 = start(cluster, bandwidth=1024, memory=3072)
        machine.now += 2
        text = message(
            cluster["node1"].MigrateInstance, "cluster", web1, "node2", True, error=HypervisorError
        )
        assert text == "Failed to migrate instance web1: already migrating to node2"
        machine.now += 1
        cluster["node1"].FinalizeMigrationSource(web1, False, True)
        cluster["node1"].MigrateInstance("cluster", web1, "node2", True)
        assert [each.outcome for each in cluster.migrations] == ["completed", "active"]

    def test_what_has_ended_can_not_be_cancelled(self, cluster, machine):
        start(cluster, bandwidth=1024, memory=3072)
        machine.now += 3
        assert message(cluster.cancel_migration, "web1") == "'web1' is not migrating; nothing is"


def test_the_time_can_be_asked_while_another_thread_ends_an_event():
    class Ends(Clock):
        """An event is there when it is first asked for, and no more the next time."""

        events: ClassVar = []

        @property
        def _event(self):
            return self.events.pop() if self.events else None

        @_event.setter
        def _event(self, event):
            pass

    clock = Ends("real")
    clock.events.append(SimpleNamespace(_exact_time=Fraction(5)))
    assert clock.now == 5
