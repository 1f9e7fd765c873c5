"""How long a migration takes: the closed form against simulations of what QEMU describes, step by step.

The simulations know nothing of the closed form: they send, dirty, and count rounds. In exact arithmetic, so
that a round too many or too few can't hide behind a rounding.
"""

import gc
import sys
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Inexact, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_fakehv import FakeCluster
from pytest_fakehv.checks import exact
from pytest_fakehv.migration.precopy import Precopy

LARGEST = 2**63 - 1
MOST_ROUNDS = 25
"""How far a migration without an end is simulated."""

CLOSE = Fraction(1, 10**30)
"""Relative. The closed form is exact for short powers, and has at least so many digits for long ones."""


@dataclass(frozen=True)
class Setting:
    ram: Fraction
    bandwidth: Fraction
    dirty_rate: Fraction
    max_downtime: Fraction

    @property
    def model(self):
        return Precopy(**vars(self))

    @property
    def kinds(self):
        """What is special of it; the strategy has to bring all of these about."""
        ratio = self.dirty_rate / self.bandwidth
        fits = self.bandwidth * self.max_downtime
        return {
            kind
            for kind, applies in {
                "idle": ratio == 0,
                "slower": 0 < ratio <= Fraction(99, 100),
                "very near": Fraction(99, 100) < ratio < 1,
                "within 1e-9": 1 - Fraction(1, 10**9) <= ratio < 1,
                "as fast": ratio == 1,
                "faster": ratio > 1,
                "more than twice as fast": ratio > 2,
                "without an end": ratio >= 1 and self.ram > fits,
                "fast, but all RAM fits": ratio >= 1 and self.ram <= fits,
                "all RAM fits": self.ram <= fits,
                "all RAM just fits": self.ram == fits,
                "the rest just fits": 0 < ratio < 1 and self.ram > fits and is_power(fits / self.ram, ratio),
                "tiny RAM": self.ram == 1,
                "huge RAM": self.ram > 2**60,
            }.items()
            if applies
        }


KINDS = {
    "idle", "slower", "very near", "within 1e-9", "as fast", "faster", "more than twice as fast",
    "without an end", "fast, but all RAM fits", "all RAM fits", "all RAM just fits", "the rest just fits",
    "tiny RAM", "huge RAM",
}  # fmt: skip


def is_power(number, base):
    while number < 1:
        number /= base
    return number == 1


def rates():
    """Rates as a test gives them: whole numbers, and what is written with a few digits."""
    return st.one_of(
        st.integers(1, 10_000),
        st.integers(1, LARGEST),
        st.floats(1e-3, 1e4),
        st.integers(1, 999).map(lambda number: number / 100),
    ).map(exact)


@st.composite
def some_settings(draw, most_rounds=20):
    """A mix of everything, special cases as often as others.

    Where it converges, the allowed downtime is chosen so that it does within a number of rounds that can
    be simulated: between what is left after one round and after the next, or just that.
    """
    sizes = (st.just(1), st.integers(2, 2**20), st.integers(2**60, LARGEST), st.integers(1, LARGEST))
    ram = Fraction(draw(st.one_of(*sizes)))
    bandwidth = draw(rates())
    below = st.integers(1, 999).map(lambda share: Fraction(share, 1000))
    ratio = draw(
        st.one_of(
            st.just(Fraction(0)),
            below,
            st.integers(3, 18).map(lambda digits: 1 - Fraction(1, 10**digits)),
            st.just(Fraction(1)),
            below.map(lambda share: 1 + share),
            st.integers(1, 10**6).map(lambda times: 2 + Fraction(times, 7)),
        )
    )
    rest = ram
    if ratio == 0:
        rest *= draw(st.sampled_from([Fraction(1, 10**9), Fraction(1)]))
    elif ratio < 1:
        rest *= ratio ** draw(st.integers(0, most_rounds))
    if ratio < 1:  # from just what is left to more than was left a round before
        rest *= 1 + (1 - ratio) * draw(st.sampled_from([0, Fraction(1, 2), 1, 7]))
    else:  # all RAM may fit, or may not
        rest *= draw(st.sampled_from([Fraction(1, 3), Fraction(999, 1000), 1, 2]))
    return Setting(ram, bandwidth, bandwidth * ratio, rest / bandwidth)


@dataclass
class Seen:
    """What a simulation saw: the times at which rounds ended, what was left then, and the end, if any."""

    ends: list
    rests: list
    moments: list  # of (time, rounds over, RAM that would be left to send)
    duration: Fraction | None = None

    @property
    def converged(self):
        return self.duration is not None


def in_steps(setting, *, steps_in_a_round=4, most_rounds=MOST_ROUNDS):
    """Simulate a migration in small steps of time.

    Steps grow shorter with the rounds, so that there are as many in each, and the last of a round is cut
    short. Within a step nothing but sums is needed: RAM is sent and dirtied evenly.
    """
    now, rounds = Fraction(0), 0
    left, dirtied = setting.ram, Fraction(0)
    seen = Seen([Fraction(0)], [setting.ram], [])
    running = True
    step = left / setting.bandwidth / steps_in_a_round * Fraction(97, 100)
    while True:
        sent = min(left, setting.bandwidth * step)
        passed = sent / setting.bandwidth
        now += passed
        left -= sent
        if running:
            dirtied = min(setting.ram, dirtied + setting.dirty_rate * passed)
        if left:
            seen.moments.append((now, rounds, min(setting.ram, left + dirtied)))
            continue
        if not running:
            seen.duration = now
            seen.moments.append((now, rounds, Fraction(0)))
            return seen
        rounds += 1
        left, dirtied = dirtied, Fraction(0)
        seen.ends.append(now)
        seen.rests.append(left)
        seen.moments.append((now, rounds, left))
        if left <= setting.bandwidth * setting.max_downtime:
            running = False
            if not left:
                seen.duration = now
                return seen
        elif rounds == most_rounds:
            return seen
        step = left / setting.bandwidth / steps_in_a_round * Fraction(97, 100)


def in_rounds(setting, *, most_rounds):
    """Simulate a migration round by round; return how long each took, the last for the rest, if it ends."""
    lasted, rest = [], setting.ram
    while len(lasted) < most_rounds:
        lasted.append(rest / setting.bandwidth)
        rest = min(setting.ram, setting.dirty_rate * lasted[-1])
        if rest <= setting.bandwidth * setting.max_downtime:
            return [*lasted, rest / setting.bandwidth], True
    return lasted, False


def close(one, other, share=CLOSE):
    return abs(one - other) <= share * max(abs(one), abs(other))


def assert_all_kinds(seen):
    assert seen.keys() == KINDS
    assert min(seen.values()) >= 5, seen


class TestClosedForm:
    def test_it_agrees_with_a_simulation_in_small_steps_of_time(self):
        kinds = Counter()

        @settings(max_examples=1000, deadline=None)
        @given(some_settings(most_rounds=8))
        def agree(setting):
            kinds.update(setting.kinds)
            seen, model = in_steps(setting), setting.model
            assert (model.rounds is not None) == seen.converged
            if seen.converged:
                assert model.rounds == len(seen.ends) - 1
                assert close(model.duration, seen.duration)
                assert close(model.downtime, seen.duration - seen.ends[-1])
            else:
                assert (model.duration, model.downtime) == (None, None)
            for rounds, (end, rest) in enumerate(zip(seen.ends, seen.rests, strict=True)):
                assert close(model.time_of(rounds), end)
                assert close(model.rest_after(rounds), rest)
                assert model.rounds_at(end) == rounds
            for time, rounds, rest in seen.moments:
                assert model.rounds_at(time) == rounds
                assert abs(model.rest_at(time) - rest) <= CLOSE * setting.ram

        agree()
        assert_all_kinds(kinds)

    def test_it_agrees_with_a_simulation_of_round_after_round(self):
        kinds = Counter()

        @settings(max_examples=1000, deadline=None)
        @given(some_settings(most_rounds=60))
        def agree(setting):
            kinds.update(setting.kinds)
            lasted, ends = in_rounds(setting, most_rounds=65)
            model = setting.model
            if ends:
                *running, downtime = lasted
                assert model.rounds == len(running)
                assert close(model.duration, sum(lasted))
                assert close(model.downtime, downtime)
                assert model.downtime <= setting.max_downtime
            else:
                running = lasted
                assert (model.rounds, model.duration, model.downtime) == (None, None, None)
            now = Fraction(0)
            for rounds, duration in enumerate(running):
                assert close(model.time_of(rounds), now)
                assert close(model.rest_after(rounds), duration * setting.bandwidth)
                # The structure exactly: a round is over at its end, and not the least before.
                assert model.rounds_at(now) == rounds
                assert model.rounds_at(now + duration / 2) == rounds
                now += duration
                assert model.rounds_at(now - duration / 10**12) == rounds
            assert model.rounds_at(now) == len(running)

        agree()
        assert_all_kinds(kinds)

    @pytest.mark.parametrize(
        ("ratio", "rounds"),
        [(0.99, 900), (0.999, 5_000), (0.9999, 5_000), (1 - 1e-6, 20_000), (1 - 1e-8, 9_999)],
    )
    def test_it_agrees_after_thousands_of_rounds(self, ratio, rounds):
        """Simulated with floats, in steps, each of which may lose a digit of sixteen."""
        ram, bandwidth = 4096.0, 1000.0
        dirty_rate = bandwidth * ratio
        fits = ram * ratio ** (rounds - 0.5)
        now, left, dirtied, over = 0.0, ram, 0.0, 0
        while over == 0 or left > fits:
            step = left / bandwidth / 2
            for _ in range(2):
                now += step
                dirtied = min(ram, dirtied + dirty_rate * step)
            left, dirtied, over = dirtied, 0.0, over + 1
        model = Precopy(
            ram=exact(ram),
            bandwidth=exact(bandwidth),
            dirty_rate=exact(dirty_rate),
            max_downtime=exact(fits / bandwidth),
        )
        assert model.rounds == over == rounds
        assert float(model.time_of(over)) == pytest.approx(now, rel=1e-10)
        assert float(model.duration) == pytest.approx(now + left / bandwidth, rel=1e-10)
        assert float(model.rest_at(model.time_of(over))) == pytest.approx(left, rel=1e-10)
        assert model.rounds_at(exact(now * (1 - 1e-8))) == over - 1

    @settings(max_examples=300, deadline=None)
    @given(
        ram=st.integers(1, LARGEST),
        bandwidth=st.integers(2, LARGEST),
        near=st.integers(1, 19),
        max_downtime=st.floats(5e-324, 1e-3, exclude_min=False),
    )
    def test_its_number_of_rounds_is_the_first_after_which_the_rest_fits(
        self, ram, bandwidth, near, max_downtime
    ):
        """However many those are: a power between a lower and an upper bound, in whole numbers, proves it."""
        dirty_rate = bandwidth - max(1, bandwidth // 10**near)
        fits = bandwidth * exact(max_downtime)
        assume(ram > fits)
        model = Setting(Fraction(ram), Fraction(bandwidth), Fraction(dirty_rate), exact(max_downtime)).model
        assert ram * power_within(dirty_rate, bandwidth, model.rounds)[1] <= fits
        if model.rounds > 1:
            assert fits < ram * power_within(dirty_rate, bandwidth, model.rounds - 1)[0]
        low, high = power_within(dirty_rate, bandwidth, model.rounds + 1)
        seconds = ram / Fraction(bandwidth - dirty_rate)
        assert (1 - high) * seconds * (1 - CLOSE) <= model.duration <= (1 - low) * seconds * (1 + CLOSE)

    def test_it_does_not_depend_on_how_the_test_reckons_with_decimals(self):
        """The context of a thread is its user's, who may want few digits, or an error where some are lost."""
        setting = Setting(Fraction(900), Fraction(300), Fraction(100), Fraction(1, 27))
        with localcontext() as context:
            context.prec = 2
            context.traps[Inexact] = True
            model = setting.model
            assert (model.rounds, model.duration, model.downtime) == (4, Fraction(121, 27), Fraction(1, 27))
            assert model.rounds_at(Fraction(13, 3)) == 3
            assert model.rest_after(10**6) > 0

    def test_once_the_instance_is_stopped_it_writes_no_more(self):
        """Ten seconds for the first round, five for the rest."""
        model = Setting(Fraction(1000), Fraction(100), Fraction(50), Fraction(5)).model
        assert [model.rest_at(Fraction(second)) for second in (0, 8, 10, 12, 14, 15, 16)] == [
            1000, 600, 500, 300, 100, 0, 0,
        ]  # fmt: skip


def power_within(numerator, denominator, exponent, bits=4000):
    """Return a lower and an upper bound of a power of a share, by squaring in whole numbers."""
    one = 1 << bits
    low, high = one, one
    low_square, high_square = numerator * one // denominator, -(-numerator * one // denominator)
    while exponent:
        if exponent & 1:
            low, high = low * low_square >> bits, -(-high * high_square >> bits)
        low_square, high_square = low_square**2 >> bits, -(-(high_square**2) >> bits)
        exponent >>= 1
    return Fraction(low, one), Fraction(high, one)


# Through the public interface


def start(cluster, *, ram=1024, name="web1", **script):
    """Begin a scripted migration and return the instance."""
    instance = cluster.add_instance(name, memory=ram)
    cluster.script_migration(name, **script)
    cluster["node1"].MigrateInstance("cluster", instance, "node2", True)
    return instance


def migrated(**script):
    """Return the record of a migration after all the time that a clock can be advanced at once."""
    with FakeCluster.temporary(clock="manual") as cluster:
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
        setting = Setting(Fraction(ram), *map(exact, script.values()))
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
        with FakeCluster.temporary(clock="manual") as cluster:
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
        with FakeCluster.temporary(clock="manual") as cluster:
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
        with FakeCluster.temporary(clock="manual") as cluster:
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
        with FakeCluster.temporary(clock="manual") as cluster:
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
        with FakeCluster.temporary(clock="manual") as cluster:
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
