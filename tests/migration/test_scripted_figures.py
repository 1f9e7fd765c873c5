"""What the figures of a script come to, through the public interface: shape, end and cost."""

import gc
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulations import LARGEST, Setting, in_rounds

from pytest_fakehv import FakeCluster
from pytest_fakehv.checks import exact


def start(cluster, *, ram=1024, name="web1", **script):
    """Begin a scripted migration and return the instance."""
    instance = cluster.add_instance(name, memory=ram)
    cluster.script_migration(name, **script)
    cluster["node1"].MigrateInstance("cluster", instance, "node2", True)
    return instance


def migrated(**script):
    """Return the record of a migration after all the time that a clock can be advanced at once."""
    with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
        start(cluster, **script)
        cluster.clock.advance(LARGEST)
        (record,) = cluster.migrations
        return record


def ends(record):
    return record.outcome == "completed"


def duration(record):
    return record.duration if ends(record) else float("inf")


@st.composite
def scripts(draw):
    """What a test may give, converging or not; the slowest are over before the end of a clock's time."""
    bandwidth = draw(st.one_of(st.integers(1, 100_000), st.floats(0.01, 1e5)))
    share = draw(
        st.one_of(
            st.sampled_from([0, 1, 0.5, 2, 1 - 1e-12, 1 + 1e-12]), st.floats(0, 1.5), st.floats(0.99, 1)
        )
    )
    dirty_rate = bandwidth if share == 1 else bandwidth * share
    ram = draw(st.one_of(st.sampled_from([1, 2**40]), st.integers(1, 2**20)))
    max_downtime = draw(st.one_of(st.floats(1e-6, 100), st.just(0.3), st.just(max(ram / bandwidth, 1e-9))))
    return {"ram": ram, "bandwidth": bandwidth, "dirty_rate": dirty_rate, "max_downtime": max_downtime}


def more():
    return st.one_of(st.floats(1, 1000), st.sampled_from([1 + 1e-9, 2]))


class TestShape:
    """What QEMU's documentation of precopy leads its readers to expect.

    Each holds in the model by a sum: round i lasts ram / bandwidth * (dirty_rate / bandwidth) ** i.
    """

    @settings(max_examples=150, deadline=None)
    @given(scripts(), more())
    def test_more_bandwidth_never_lengthens_it_nor_keeps_it_from_converging(self, script, times):
        """Fewer rounds are needed, since more fits in the downtime and less is dirtied; each is shorter."""
        slow = migrated(**script)
        fast = migrated(**script | {"bandwidth": script["bandwidth"] * times})
        assert duration(fast) <= duration(slow)
        if ends(slow):
            assert ends(fast)
            assert fast.rounds <= slow.rounds
            assert fast.downtime <= script["max_downtime"]

    @settings(max_examples=150, deadline=None)
    @given(scripts(), more())
    def test_a_higher_dirty_rate_never_shortens_it(self, script, times):
        calm = migrated(**script)
        busy = migrated(**script | {"dirty_rate": script["dirty_rate"] * times})
        assert duration(busy) >= duration(calm)
        if ends(busy):
            assert ends(calm)
            assert busy.rounds >= calm.rounds

    @settings(max_examples=150, deadline=None)
    @given(scripts(), more())
    def test_more_ram_never_shortens_it(self, script, times):
        small = migrated(**script)
        big = migrated(**script | {"ram": int(script["ram"] * times) + 1})
        if ends(small):
            assert duration(big) > duration(small)
        else:
            assert not ends(big)
        if ends(big):
            assert big.rounds >= small.rounds

    @settings(max_examples=150, deadline=None)
    @given(scripts(), more())
    def test_a_longer_downtime_allowed_never_lengthens_it_and_is_never_exceeded(self, script, times):
        """The rounds are a beginning of the same rounds, and then the rest is sent, as the next round would.

        The downtime itself, being the rest after fewer rounds, never gets shorter by it.
        """
        short = migrated(**script)
        long = migrated(**script | {"max_downtime": script["max_downtime"] * times})
        assert duration(long) <= duration(short)
        assert short.downtime <= script["max_downtime"]
        assert long.downtime <= script["max_downtime"] * times
        if ends(short):
            assert long.rounds <= short.rounds
            assert long.downtime >= short.downtime
            # Not the sum alone: also the time until it is stopped.
            assert long.duration - long.downtime <= (short.duration - short.downtime) * (1 + 1e-12)

    @settings(max_examples=150, deadline=None)
    @given(
        ram=st.integers(1, 2**20),
        bandwidth=st.integers(1, 5000),
        dirty_rate=st.integers(0, 6000),
        max_downtime=st.floats(1e-6, 100),
        factor=st.integers(2, 10**6),
    )
    def test_scaling_ram_and_both_rates_leaves_all_times_as_they_are(
        self, ram, bandwidth, dirty_rate, max_downtime, factor
    ):
        once = migrated(ram=ram, bandwidth=bandwidth, dirty_rate=dirty_rate, max_downtime=max_downtime)
        scaled = migrated(
            ram=ram * factor,
            bandwidth=bandwidth * factor,
            dirty_rate=dirty_rate * factor,
            max_downtime=max_downtime,
        )
        sent = (once.transferred_ram * factor, (once.transferred_ram + 1) * factor)
        assert sent[0] <= scaled.transferred_ram < sent[1]
        assert scaled == replace(
            once, total_ram=once.total_ram * factor, transferred_ram=scaled.transferred_ram
        )

    @settings(max_examples=150, deadline=None)
    @given(
        ram=st.integers(1, 2**20),
        bandwidth=st.integers(1, 5000),
        dirty_rate=st.integers(0, 6000),
        max_downtime=st.integers(1, 100),
        doublings=st.integers(1, 20),
    )
    def test_scaling_ram_and_downtime_scales_all_times(
        self, ram, bandwidth, dirty_rate, max_downtime, doublings
    ):
        """By powers of two, which floats can be multiplied by exactly."""
        factor = 2**doublings
        once = migrated(ram=ram, bandwidth=bandwidth, dirty_rate=dirty_rate, max_downtime=max_downtime)
        scaled = migrated(
            ram=ram * factor, bandwidth=bandwidth, dirty_rate=dirty_rate, max_downtime=max_downtime * factor
        )
        assert (scaled.outcome, scaled.downtime) == (once.outcome, once.downtime * factor)
        if ends(once):
            assert (scaled.rounds, scaled.duration) == (once.rounds, once.duration * factor)

    @settings(max_examples=150, deadline=None)
    @given(
        ram=st.integers(1, 2**20),
        bandwidth=st.integers(1, 5000),
        share=st.floats(0, 0.95),
        max_downtime=st.floats(1e-3, 100),
    )
    def test_what_was_sent_is_what_the_line_can_send_in_that_time(self, ram, bandwidth, share, max_downtime):
        """All RAM once, and what was dirtied in each round; the last MiB counts when it is whole."""
        script = {"bandwidth": bandwidth, "dirty_rate": bandwidth * share, "max_downtime": max_downtime}
        record = migrated(ram=ram, **script)
        setting = Setting(Fraction(ram), *map(exact, script.values()), link=Fraction(bandwidth))
        lasted, _ = in_rounds(setting, most_rounds=1000)
        assert record.rounds == len(lasted) - 1
        assert record.duration == float(sum(lasted))
        assert record.downtime == float(lasted[-1])
        assert record.transferred_ram == int(sum(lasted) * bandwidth)
        assert record.transferred_ram >= ram

    @settings(max_examples=150, deadline=None)
    @given(scripts())
    def test_it_lasts_at_least_one_pass_and_at_most_as_many_as_there_were(self, script):
        record = migrated(**script)
        one_pass = float(exact(script["ram"]) / exact(script["bandwidth"]))
        assert one_pass <= duration(record)
        if ends(record):
            assert record.rounds >= 1
            assert record.duration <= one_pass * (record.rounds + 1) * (1 + 1e-12)

    @settings(max_examples=100, deadline=None)
    @given(scripts())
    def test_an_instance_that_writes_nothing_is_sent_once_and_not_stopped(self, script):
        record = migrated(**script | {"dirty_rate": 0})
        assert (record.outcome, record.rounds, record.downtime) == ("completed", 1, 0)
        assert record.transferred_ram == record.total_ram
        assert record.duration == float(exact(script["ram"]) / exact(script["bandwidth"]))

    @settings(max_examples=100, deadline=None)
    @given(
        ram=st.integers(1, 2**40),
        bandwidth=st.integers(1, 10**6),
        times=st.sampled_from([1, 1 + 1e-9, 2, 1000]),
        fits=st.booleans(),
    )
    def test_writing_as_fast_as_is_sent_it_ends_only_if_all_ram_fits(self, ram, bandwidth, times, fits):
        """And where it does not end, each pass is one of all RAM."""
        dirty_rate = bandwidth * times
        # A second more or less than what all RAM takes.
        max_downtime = -(-ram // bandwidth) + 1 if fits else ram // bandwidth - 1
        assume(max_downtime > 0)
        with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
            start(cluster, ram=ram, bandwidth=bandwidth, dirty_rate=dirty_rate, max_downtime=max_downtime)
            cluster.clock.advance(10 * (ram // bandwidth + 1))
            (record,) = cluster.migrations
        one_pass = Fraction(ram, bandwidth)
        if fits:
            assert (record.outcome, record.rounds) == ("completed", 1)
            assert (record.duration, record.downtime) == (float(2 * one_pass), float(one_pass))
        else:
            assert record.outcome == "active"
            assert record.rounds == Fraction(record.duration) // one_pass


class TestExactEnd:
    @settings(max_examples=200, deadline=None)
    @given(
        denominator=st.integers(2, 30),
        numerator=st.integers(1, 29),
        rounds=st.integers(1, 6),
        times=st.integers(1, 100),
    )
    def test_what_takes_whole_seconds_ends_at_that_very_second(self, denominator, numerator, rounds, times):
        """Also where the share of a round is a third, which no number of digits is."""
        assume(numerator < denominator)
        # Each round lasts whole seconds: the first times * denominator ** rounds, and so on, and the rest
        # after the last is just what is allowed.
        lasted = [times * denominator ** (rounds - n) * numerator**n for n in range(rounds + 1)]
        with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
            web1 = start(
                cluster,
                ram=denominator * lasted[0],
                bandwidth=denominator,
                dirty_rate=numerator,
                max_downtime=lasted[-1],
            )
            for seconds in lasted[:-1]:
                cluster.clock.advance(seconds - 1)
                before = cluster.migrations[0].rounds
                cluster.clock.advance(1)
                assert cluster.migrations[0].rounds == before + 1
            cluster.clock.advance(lasted[-1] - 1)
            assert cluster["node1"].GetMigrationStatus(web1).status == "active"
            cluster.clock.advance(1)
            assert cluster["node1"].GetMigrationStatus(web1).status == "completed"
            (record,) = cluster.migrations
        assert (record.rounds, record.duration) == (rounds, sum(lasted))
        assert record.downtime == lasted[-1]
        assert record.transferred_ram == sum(lasted) * denominator

    def test_the_poll_of_that_second_says_so(self):
        """Three seconds for all RAM, and one for the third of it that was dirtied."""
        with FakeCluster.temporary() as cluster:
            web1 = start(cluster, ram=900, bandwidth=300, dirty_rate=100, max_downtime=1)
            statuses = [cluster["node1"].GetMigrationStatus(web1) for _ in range(5)]
        assert [each.status for each in statuses] == ["active"] * 3 + ["completed"] * 2
        assert [each.transferred_ram for each in statuses] == [300, 600, 900, 1200, 1200]

    @pytest.mark.parametrize("postcopy", [1, 2, 3])
    def test_postcopy_begins_just_after_so_many_rounds(self, postcopy):
        """Rounds of 27, 9, 3 and 1 seconds."""
        with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
            web1 = start(cluster, ram=81, bandwidth=3, dirty_rate=1, max_downtime=0.01, postcopy=postcopy)
            cluster.clock.advance(sum([27, 9, 3][:postcopy]) - 1)
            assert cluster["node1"].GetMigrationStatus(web1).postcopy_status is None
            cluster.clock.advance(1)
            assert cluster["node1"].GetMigrationStatus(web1).postcopy_status == "postcopy-active"
            rest = [9, 3, 1][postcopy - 1]
            cluster.clock.advance(rest - 0.5)
            assert cluster["node1"].GetMigrationStatus(web1).status == "active"
            cluster.clock.advance(0.5)
            assert cluster["node1"].GetMigrationStatus(web1).status == "completed"
            assert cluster.migrations[0].rounds == postcopy

    def test_postcopy_that_starts_while_the_instance_is_stopped_makes_nothing_longer(self):
        """Ten seconds for the first round, then it is stopped, and five for the rest."""
        with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
            start(cluster, ram=1000, bandwidth=100, dirty_rate=50, max_downtime=5)
            cluster.clock.advance(14)
            cluster.start_postcopy("web1")
            cluster.clock.advance(0.9)
            assert cluster.migrations[0].outcome == "active"
            cluster.clock.advance(0.1)
            assert (cluster.migrations[0].outcome, cluster.migrations[0].duration) == ("completed", 15)


class Work:
    """Counts what is done, which is the same on any machine: lines of Python, and calls of Python and C."""

    def __init__(self):
        self.lines = self.calls = 0

    def of(self, function):
        """Return what a call of a function does. No collector may do anything of its own meanwhile."""
        self.lines = self.calls = 0
        tracer, profiler, collects = sys.gettrace(), sys.getprofile(), gc.isenabled()
        gc.disable()
        sys.setprofile(self._profile)
        sys.settrace(self._trace)
        try:
            function()
        finally:
            sys.settrace(tracer)  # coverage may have one
            sys.setprofile(profiler)
            if collects:
                gc.enable()
        return self.lines, self.calls

    def _trace(self, frame, event, argument):
        self.lines += event == "line"
        return self._trace

    def _profile(self, frame, event, argument):
        self.calls += event in {"call", "c_call"}


class TestCost:
    """A status call does as much at the ten thousandth poll as at the first, whatever the model is."""

    POLLS = (1, 2, 100, 10_000)

    SCRIPTS = (
        pytest.param({"bandwidth": 1024, "dirty_rate": 2048}, id="without an end"),
        pytest.param({"bandwidth": 1024, "dirty_rate": 1024}, id="as fast as is sent"),
        # A round takes a millisecond in the beginning, so that there are thousands between two polls.
        pytest.param(
            {"ram": 2, "bandwidth": 1000, "dirty_rate": 999.9999, "max_downtime": 1e-9},
            id="thousands of rounds a poll",
        ),
        pytest.param({"dirty_rate": 1023.9999, "max_downtime": 1e-6}, id="a round a poll"),
        pytest.param({"polls": 20_000}, id="as many polls as are scripted"),
        pytest.param({"dirty_rate": 2000, "outcome": "failed", "polls": 20_000}, id="to fail"),
    )

    @staticmethod
    def work(*, look, script, clock="polls", step=None):
        """Return what a look takes at each of the polls that count."""
        found = {}
        with FakeCluster.temporary(clock=clock) as cluster:
            web1 = start(cluster, **script)
            cluster.journal.keep(1)
            for poll in range(1, TestCost.POLLS[-1] + 1):
                if step is not None:
                    cluster.clock.advance(step)
                if poll in TestCost.POLLS:
                    found[poll] = Work().of(lambda: look(cluster, web1))
                else:
                    cluster["node1"].GetMigrationStatus(web1)
            assert cluster.migrations[0].outcome == "active"
        return found

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_of_a_poll(self, script):
        found = self.work(look=lambda cluster, web1: cluster["node1"].GetMigrationStatus(web1), script=script)
        assert set(found.values()) == {found[1]}

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_of_a_poll_when_the_clock_has_moved_by_parts_of_seconds(self, script):
        """Adding fractions takes a line less or more where they have a factor in common."""
        found = self.work(
            look=lambda cluster, web1: cluster["node1"].GetMigrationStatus(web1),
            script=script,
            clock="manual",
            step=0.1,
        )
        lines, calls = zip(*found.values(), strict=True)
        assert max(lines) - min(lines) <= 10
        assert max(calls) - min(calls) <= 10

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_of_a_record(self, script):
        """Its rounds are not counted one by one. The bound is as for parts of seconds."""
        found = self.work(look=lambda cluster, web1: cluster.migrations, script=script)
        lines, calls = zip(*found.values(), strict=True)
        assert max(lines) - min(lines) <= 10
        assert max(calls) - min(calls) <= 10

    def test_of_the_last_poll_of_many(self):
        """The one that reports the end does some more, those after it no more than those before."""
        with FakeCluster.temporary() as cluster:
            web1 = start(cluster, bandwidth=1000, ram=10_000_000)
            cluster.journal.keep(1)
            works = [Work().of(lambda: cluster["node1"].GetMigrationStatus(web1)) for _ in range(10_002)]
        assert len(set(works[:9_999])) == 1
        assert works[9_999] > works[0]
        assert works[10_000] == works[10_001] < works[0]

    def test_of_the_beginning_does_not_grow_with_the_number_of_rounds(self):
        """From one to 10 ** 13; the bound is for short powers, which are exact, and long ones."""
        works = []
        for dirty_rate in (1, 512, 1023, 1023.999, 1023.9999999, 1023.9999999999):
            with FakeCluster.temporary() as cluster:
                web1 = cluster.add_instance("web1", memory=1024)
                cluster.script_migration("web1", dirty_rate=dirty_rate, max_downtime=1e-3)
                works.append(
                    Work().of(lambda: cluster["node1"].MigrateInstance("", web1, "node2", True))  # noqa: B023
                )
        lines, calls = zip(*works, strict=True)
        assert max(lines) - min(lines) <= 60
        assert max(calls) - min(calls) <= 60

    def test_of_the_numbers_themselves(self):
        """A clock's fractions stay as short as what it was advanced by."""
        with FakeCluster.temporary(clock="manual", max_time=LARGEST) as cluster:
            web1 = start(cluster, ram=1000, bandwidth=7, dirty_rate=7)
            times = []
            for _ in range(10_000):
                cluster.clock.advance(0.1)
                cluster.clock.advance(0.25)
                cluster["node1"].GetMigrationStatus(web1)
                times.append(cluster.clock.exact_now)
        assert times[-1] == 3500
        assert max(time.denominator for time in times) == 20
        assert {later - earlier for earlier, later in pairwise(times)} == {Fraction(7, 20)}
