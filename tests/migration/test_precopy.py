"""How long a migration takes: the closed form against simulations of what QEMU describes, step by step."""

import json
from collections import Counter
from decimal import Inexact, localcontext
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulations import CLOSE, LARGEST, Setting, assert_all_kinds, close, in_rounds, in_steps, some_settings

from pytest_fakehv.checks import exact
from pytest_fakehv.migration.precopy import Precopy

MEASURED = Path(__file__).parents[2] / "docs" / "_measured" / "precopy.json"


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
            link=exact(bandwidth),
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
        model = Setting(
            Fraction(ram), Fraction(bandwidth), Fraction(dirty_rate), exact(max_downtime), Fraction(bandwidth)
        ).model
        assert ram * power_within(dirty_rate, bandwidth, model.rounds)[1] <= fits
        if model.rounds > 1:
            assert fits < ram * power_within(dirty_rate, bandwidth, model.rounds - 1)[0]
        low, high = power_within(dirty_rate, bandwidth, model.rounds + 1)
        seconds = ram / Fraction(bandwidth - dirty_rate)
        assert (1 - high) * seconds * (1 - CLOSE) <= model.duration <= (1 - low) * seconds * (1 + CLOSE)

    def test_it_does_not_depend_on_how_the_test_reckons_with_decimals(self):
        """The context of a thread is its user's, who may want few digits, or an error where some are lost."""
        setting = Setting(Fraction(900), Fraction(300), Fraction(100), Fraction(1, 27), Fraction(300))
        with localcontext() as context:
            context.prec = 2
            context.traps[Inexact] = True
            model = setting.model
            assert (model.rounds, model.duration, model.downtime) == (4, Fraction(121, 27), Fraction(1, 27))
            assert model.rounds_at(Fraction(13, 3)) == 3
            assert model.rest_after(10**6) > 0

    def test_once_the_instance_is_stopped_it_writes_no_more(self):
        """Ten seconds for the first round, and for the rest five, or four as nothing limits it any more."""
        for link, rests in ((100, [1000, 600, 500, 300, 100, 0, 0]), (125, [1000, 600, 500, 250, 0, 0, 0])):
            model = Setting(Fraction(1000), Fraction(100), Fraction(50), Fraction(5), Fraction(link)).model
            assert [model.rest_at(Fraction(second)) for second in (0, 8, 10, 12, 14, 15, 16)] == rests

    def test_it_agrees_with_what_qemu_has_taken(self):
        """As the documentation says it does."""
        figures = json.loads(MEASURED.read_text())
        for each in figures["migrations"]:
            given = ("ram", "bandwidth", "dirty_rate", "max_downtime")
            model = Setting(*(exact(each[name]) for name in given), link=exact(figures["link"])).model
            precopy, rest = model.time_of(model.rounds), model.rest_after(model.rounds)
            assert close(precopy, exact(sum(each["rounds"])), Fraction(71, 1000))
            assert close(precopy * model.bandwidth + rest, exact(each["transferred"]), Fraction(24, 1000))
            assert -Fraction(8, 1000) <= exact(each["downtime"]) - model.downtime <= Fraction(31, 1000)
            assert 2 <= len(each["rounds"]) - model.rounds <= 4


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
