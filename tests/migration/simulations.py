"""Migrations as QEMU describes them, simulated step by step, and what was seen of them."""

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import strategies as st

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
    link: Fraction

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
                "held to a limit": self.bandwidth < self.link,
                "not held to a limit": self.bandwidth == self.link,
            }.items()
            if applies
        }


KINDS = {
    "idle", "slower", "very near", "within 1e-9", "as fast", "faster", "more than twice as fast",
    "without an end", "fast, but all RAM fits", "all RAM fits", "all RAM just fits", "the rest just fits",
    "tiny RAM", "huge RAM", "held to a limit", "not held to a limit",
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
    link = bandwidth * draw(st.sampled_from([1, Fraction(4, 3), 128]))
    return Setting(ram, bandwidth, bandwidth * ratio, rest / bandwidth, link)


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
        pace = setting.bandwidth if running else setting.link
        sent = min(left, pace * step)
        passed = sent / pace
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
            return [*lasted, rest / setting.link], True
    return lasted, False


def close(one, other, share=CLOSE):
    return abs(one - other) <= share * max(abs(one), abs(other))


def assert_all_kinds(seen):
    assert seen.keys() == KINDS
    assert min(seen.values()) >= 5, seen
