"""How long a live migration takes: the precopy model, in closed form.

Round 0 sends all RAM while the instance runs on; each next round sends what the instance has written to
meanwhile, at most all RAM again. Once that rest can be sent within the allowed downtime, the instance is
stopped and the rest is sent, as fast as it goes: a limit on what is sent in a second is for what runs. Where
the instance writes as fast as RAM is sent, that never comes.

Source: how QEMU's documentation describes precopy. RAM in MiB, time in seconds, rates in MiB a second.
"""

import sys
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Final

from pytest_fakehv.storage.locks import found_once

_DIGITS: Final = Context(prec=60, Emin=-(10**9), Emax=10**9)
"""Logarithms and long powers alone are not exact, but to far more digits than a figure that is given has."""

_SAME: Final = Decimal("1e-40")
"""Counts of rounds that differ by less are the same: the powers of a third have no end in digits."""

_MOST_BITS: Final = 2**13
"""Powers whose denominators are longer are not exact. No time that a clock can show exactly needs them: the
denominator's factors other than 2 and 5, of each round, must all divide the RAM, which has 63 bits."""


@dataclass(frozen=True, kw_only=True)
class Precopy:
    """The course of one migration, if nothing intervenes.

    No figure takes longer to compute for a later round or a later time.

    Args:
        ram: all RAM, more than 0.
        bandwidth: what is sent in a second while the instance runs, more than 0.
        dirty_rate: what the instance writes to in a second, 0 or more.
        max_downtime: how long the instance may be stopped in the end, by that bandwidth, more than 0.
        link: what is sent in a second once it is stopped, as nothing limits that; no less than bandwidth.
    """

    ram: Fraction
    bandwidth: Fraction
    dirty_rate: Fraction
    max_downtime: Fraction
    link: Fraction

    @found_once
    def rounds(self) -> int | None:
        """How many rounds are sent while the instance runs; None if that has no end."""
        fits = self.bandwidth * self.max_downtime
        if not self.dirty_rate or self.ram <= fits:
            return 1
        if self._never_shrinks:
            return None
        return max(1, self._whole_rounds(fits / self.ram, ROUND_CEILING))

    @found_once
    def downtime(self) -> Fraction | None:
        """How long the instance is stopped in the end, in seconds; None if that never comes."""
        return None if self.rounds is None else self.rest_after(self.rounds) / self.link

    @found_once
    def duration(self) -> Fraction | None:
        """How long the whole takes, in seconds; None for ever."""
        if self.rounds is None or self.downtime is None:
            return None
        return self.time_of(self.rounds) + self.downtime

    def time_of(self, rounds: int) -> Fraction:
        """Return how long so many rounds take, in seconds."""
        if self._never_shrinks:
            return rounds * self.ram / self.bandwidth
        return self.ram * (1 - self._share_after(rounds)) / (self.bandwidth - self.dirty_rate)

    def rest_after(self, rounds: int) -> Fraction:
        """Return the RAM, in MiB, that is to be sent after so many rounds."""
        return self.ram * self._share_after(rounds)

    def rounds_at(self, seconds: Fraction) -> int:
        """Return how many of the rounds in which the instance runs are over after so many seconds."""
        if self._never_shrinks:
            over = int(seconds * self.bandwidth / self.ram)
        else:
            share = 1 - seconds * (self.bandwidth - self.dirty_rate) / self.ram
            if share <= 0:  # later than it can take
                over = sys.maxsize
            else:
                over = self._whole_rounds(share, ROUND_FLOOR) if self.dirty_rate else 0
        return over if self.rounds is None else min(over, self.rounds)

    def rest_at(self, seconds: Fraction) -> Fraction:
        """Return the RAM, in MiB, that would be left to send if the instance wrote no more from then on."""
        rounds = self.rounds_at(seconds)
        into_round = seconds - self.time_of(rounds)
        # After the last one it is stopped.
        pace = self.link if rounds == self.rounds else self.bandwidth - self.dirty_rate
        rest = self.rest_after(rounds) - into_round * pace
        return max(Fraction(0), min(self.ram, rest))

    @property
    def _never_shrinks(self) -> bool:
        return self.dirty_rate >= self.bandwidth

    def _share_after(self, rounds: int) -> Fraction:
        """Return the share of the RAM that is to be sent after so many rounds."""
        if self._never_shrinks or not rounds:
            return Fraction(1)
        ratio = self.dirty_rate / self.bandwidth
        if rounds * ratio.denominator.bit_length() <= _MOST_BITS:
            return ratio**rounds
        return Fraction(_DIGITS.power(self._shrinkage, rounds))

    def _whole_rounds(self, share: Fraction, rounding: str) -> int:
        """Return after how many rounds a share of the RAM is to be sent, as a whole number."""
        rounds = _DIGITS.divide(_DIGITS.ln(_decimal(share)), _DIGITS.ln(self._shrinkage))
        # Not by operators, which are of the caller's context: in 28 digits, 1 + 1e-40 is 1.
        nudge = (_DIGITS.subtract if rounding == ROUND_CEILING else _DIGITS.add)(Decimal(1), _SAME)
        return int(_DIGITS.multiply(rounds, nudge).to_integral_value(rounding, _DIGITS))

    @found_once
    def _shrinkage(self) -> Decimal:
        return _decimal(self.dirty_rate / self.bandwidth)


def _decimal(number: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator))
