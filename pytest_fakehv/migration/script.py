"""How a test scripts an instance's migrations, and the course that each takes then."""

import dataclasses
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypedDict, get_args

from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, check_number, exact
from pytest_fakehv.interface.objects import name_of
from pytest_fakehv.migration.precopy import Precopy
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import shown_arguments

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

Outcome = Literal["completed", "failed", "cancelled", "failed_but_moved", "completed_but_lost"]


class MigrationOptions(TypedDict, total=False):
    """The keywords of `MigrationSpec`, for what hands them on to it."""

    outcome: Outcome
    at: float | None
    polls: int | None
    bandwidth: float
    dirty_rate: float
    max_downtime: float
    postcopy: int | None
    times: int | None


@dataclass(frozen=True)
class MigrationSpec:
    """How a test wants the migrations of an instance to go.

    Args:
        instance: its name, or that itself.
        outcome: how it ends. "completed", "failed" and "cancelled" are what they say. Two lie: with
            "failed_but_moved" the status says failed, and in truth the instance has left the source and
            runs on the target; with "completed_but_lost" the status says completed, and the target's
            finalize raises.
        at: the share of the RAM, from 0 to 1, at which it ends; None for when the RAM model says, or for
            one that fails or is cancelled, half-way.
        polls: the number of the status call that reports the end, from 1; in place of ``at``.
        bandwidth: what is sent, in MiB a second.
        dirty_rate: what the instance writes to meanwhile, in MiB a second.
        max_downtime: how long it may be stopped in the end, in seconds.
        postcopy: after how many rounds it goes on as postcopy, unless it has converged by then: the
            instance runs on the target from then on, and is lost if the migration fails; None for never.
        times: how many migrations go like this; None for all that follow.

    Raises:
        DeclarationError: an argument is wrong, or two contradict each other; the message names them.

    Source of the rounds: QEMU's precopy, see `pytest_fakehv.migration.precopy`.
    """

    instance: str
    _: dataclasses.KW_ONLY
    outcome: Outcome = "completed"
    at: float | None = None
    polls: int | None = None
    bandwidth: float = 1024
    dirty_rate: float = 0
    max_downtime: float = 0.3
    postcopy: int | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        """Check every argument, and each beside the others."""
        object.__setattr__(self, "instance", name_of(self.instance))  # a marker may have the instance itself
        check_choice("outcome", self.outcome, get_args(Outcome))
        if self.at is not None:
            check_number("at", self.at, most=1)
        check_number("bandwidth", self.bandwidth, zero=False)
        check_number("dirty_rate", self.dirty_rate)
        check_number("max_downtime", self.max_downtime, zero=False)
        for key, least in (("polls", 1), ("postcopy", 0), ("times", 1)):
            if getattr(self, key) is not None:
                check_amount(key, getattr(self, key), least=least)
        if self.at is not None and self.polls is not None:
            raise DeclarationError("at and polls both say when it ends; give one of them")
        if self.postcopy is not None and self.outcome == "cancelled":
            raise DeclarationError("postcopy can't be cancelled; the outcome may be 'failed'")
        if self.postcopy and self.at is not None:
            raise DeclarationError(
                f"at={self.at} ends it in the first round, so that postcopy={self.postcopy} never begins; "
                "say with polls when it ends, or begin with postcopy=0"
            )

    def __str__(self) -> str:
        """Show it as it was declared."""
        return f"script_migration({shown_arguments(self)})"

    @property
    def ends_with_ram(self) -> bool:
        """Whether a migration ends once all RAM is sent, and nothing else says when."""
        return self.at is None and self.polls is None and self.outcome not in {"failed", "cancelled"}

    def course(self, ram: int, *, runs: bool) -> "Course":
        """Return how one migration will go.

        Args:
            ram: the instance's memory, in MiB.
            runs: whether the instance runs meanwhile, and so writes to its RAM.
        """
        model = Precopy(
            ram=exact(ram),
            bandwidth=exact(self.bandwidth),
            dirty_rate=exact(self.dirty_rate if runs else 0),
            max_downtime=exact(self.max_downtime),
            link=exact(self.bandwidth),
        )
        course = Course(model, lasts=model.duration, downtime=model.downtime)
        if self.postcopy is not None and (model.rounds is None or self.postcopy < model.rounds):
            course = course.with_postcopy(model.time_of(self.postcopy))
        if self.polls is not None:
            return replace(course, lasts=None, downtime=None)
        if self.at is not None:
            return replace(course, lasts=exact(self.at) * model.ram / model.bandwidth, downtime=None)
        if self.outcome in {"failed", "cancelled"}:
            return course.cut_short()
        return course


class Script:
    """A script in force, and what came of it.

    Attributes:
        spec: how migrations go by it.
        origin: where it was declared, in words.
        used: how many went by it.
        is_replaced: whether a later one stands in its place.
    """

    def __init__(self, spec: MigrationSpec, origin: str) -> None:
        self.spec = spec
        self.origin = origin
        self.used = 0
        self.is_replaced = False

    @property
    def is_used_up(self) -> bool:
        """Whether it has served for as many migrations as it is for."""
        return self.spec.times is not None and self.used >= self.spec.times


class Scripts:
    """The scripts of one cluster, and which of them an instance's next migration goes by.

    Args:
        lock: the cluster's.

    Attributes:
        every: all that there were, in the order in which they were declared.
    """

    def __init__(self, lock: Lock) -> None:
        self.every: list[Script] = []
        self._lock = lock
        self._in_force: dict[str, deque[Script]] = {}

    def add(self, spec: MigrationSpec, origin: str) -> None:
        """Take a script: after those of limited ``times``, and in place of one without a limit.

        Args:
            spec: how migrations are to go.
            origin: where it was declared, in words.
        """
        script = Script(spec, origin)
        with self._lock:
            scripts = self._in_force.setdefault(spec.instance, deque())
            if scripts and scripts[-1].spec.times is None:
                scripts.pop().is_replaced = True
            scripts.append(script)
            self.every.append(script)

    def next_of(self, instance: str) -> Script | None:
        """Return the script by which an instance's next migration goes; None for none."""
        return self._in_force[instance][0] if self._in_force.get(instance) else None

    def use(self, script: Script) -> None:
        """Note that a migration goes by the next script of its instance."""
        script.used += 1
        if script.is_used_up:
            self._in_force[script.spec.instance].popleft()


@dataclass(frozen=True)
class Course:
    """How a scripted migration goes if nothing intervenes; all times in seconds since it began.

    Attributes:
        model: what is sent when.
        lasts: when it ends; None if only its status calls end it, or nothing does.
        downtime: how long the instance is stopped in the end, by the model; None if that doesn't count.
        postcopy_after: when it goes on as postcopy; None for never.
        since: from when on the model counts; before, it went at another pace.
        sent_before: what was sent by then, in MiB.
        rounds_before: how many rounds were over by then.
        copying: until when disks are copied, before any RAM is sent.
        stilled_after: when the instance was paused, and so writes no more; None for never.
    """

    model: Precopy
    lasts: Fraction | None
    downtime: Fraction | None
    postcopy_after: Fraction | None = None
    since: Fraction = Fraction(0)
    sent_before: Fraction = Fraction(0)
    rounds_before: int = 0
    copying: Fraction = Fraction(0)
    stilled_after: Fraction | None = None

    def sent_at(self, time: Fraction) -> Fraction:
        """Return what is sent by a time, in MiB."""
        sent = self.sent_before + max(Fraction(0), time - self.since) * self.model.bandwidth
        if self._stops is not None and time > self._stops:
            sent += (time - self._stops) * (self.model.link - self.model.bandwidth)
        return sent

    @property
    def _stops(self) -> Fraction | None:
        """When the instance is stopped in the end, by the model; None if that doesn't count."""
        return None if self.lasts is None or self.downtime is None else self.lasts - self.downtime

    def rest_at(self, time: Fraction) -> Fraction:
        """Return what would be left to send at a time if the instance wrote no more from then on, in MiB."""
        still = self._still_from
        if still is None or time <= still:
            return self.model.rest_at(max(Fraction(0), time - self.since))
        still = max(still, self.since)
        return max(
            Fraction(0), self.model.rest_at(still - self.since) - (time - still) * self.model.bandwidth
        )

    def writes_at(self, time: Fraction) -> Fraction:
        """Return what the instance writes to in a second at a time, on the source, in MiB."""
        still = self._still_from
        return self.model.dirty_rate if still is None or time < still else Fraction(0)

    @property
    def _still_from(self) -> Fraction | None:
        """When the instance writes no more on the source: it is paused, or runs on the target."""
        return min(
            (each for each in (self.stilled_after, self.postcopy_after) if each is not None), default=None
        )

    def rounds_at(self, time: Fraction) -> int:
        """Return how many rounds in which the instance runs are over at a time."""
        return self.rounds_before + (self.model.rounds_at(time - self.since) if time >= self.since else 0)

    def at_pace(
        self, time: Fraction, *, bandwidth: Fraction, max_downtime: Fraction, ends_with_ram: bool
    ) -> "Course":
        """Return the same, going on at another pace from a time on.

        Args:
            time: from when on.
            bandwidth: what is sent in a second then.
            max_downtime: how long the instance may be stopped in the end.
            ends_with_ram: whether nothing but that says when it ends: no share of the RAM, and no polls.
        """
        if self._stops is not None and time >= self._stops:  # the rest is sent as fast as it goes
            return self
        time = max(time, self.since)  # while disks are copied, that is not yet of the RAM
        rest, sent = self.rest_at(time), self.sent_at(time)
        if not rest:
            return self
        model = replace(self.model, ram=rest, bandwidth=bandwidth, max_downtime=max_downtime)
        lasts, downtime = self.lasts, None
        is_postcopy = self.postcopy_after is not None and time >= self.postcopy_after
        if ends_with_ram and not is_postcopy:
            downtime = model.downtime
            lasts = None if model.duration is None else time + model.duration
        elif lasts is not None:
            lasts = time + (self.sent_at(lasts) - sent) / bandwidth
        rounds = self.rounds_at(time if self.postcopy_after is None else min(time, self.postcopy_after))
        return Course(model, lasts, downtime, self.postcopy_after, time, sent, rounds, self.copying)

    def after_copying(self, amount: Fraction) -> "Course":
        """Return the same, but after so many MiB of disks are copied, at its bandwidth."""
        takes = amount / self.model.bandwidth
        return replace(
            self,
            lasts=None if self.lasts is None else self.lasts + takes,
            postcopy_after=None if self.postcopy_after is None else self.postcopy_after + takes,
            since=self.since + takes,
            copying=self.since + takes,
        )

    def with_postcopy(self, after: Fraction) -> "Course":
        """Return the same, but going on as postcopy from a time on: then nothing is sent twice."""
        after = max(after, self.since)
        lasts = after + self.rest_at(after) / self.model.bandwidth
        return replace(self, lasts=lasts, downtime=None, postcopy_after=after)

    def without_writes(self, after: Fraction) -> "Course":
        """Return the same, of an instance that writes nothing from a time on: what is left is sent once."""
        if self._stops is not None and after >= self._stops:  # it writes nothing as it is
            return self
        after = max(after, self.since)
        lasts = after + self.rest_at(after) / self.model.bandwidth
        return replace(self, lasts=lasts, downtime=None, stilled_after=after)

    def cut_short(self) -> "Course":
        """Return the same, but ending half-way through its postcopy or, if it has none, through the RAM."""
        if self.postcopy_after is None or self.lasts is None:
            end = self.model.ram / self.model.bandwidth / 2
        else:
            end = (self.postcopy_after + self.lasts) / 2
        return replace(self, lasts=end, downtime=None)
