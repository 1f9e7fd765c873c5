"""One migration under way, or over: what is kept of it."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import exact
from pytest_fakehv.interface.constants import MigrationState
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import MigrationStatus
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.migration.script import Course, MigrationSpec
from pytest_fakehv.storage.store import Record, Store, still_holds

_NOTHING: Final = Fraction(1, 10**30)

_MIB: Final = 2**20


@dataclass(kw_only=True, eq=False, slots=True)
class Run:
    """A migration under way, or over: what is kept of it.

    Attributes:
        number: its place among the migrations, from 1.
        instance: the instance's name.
        source: the store of the node that it leaves.
        source_name: that node's name.
        target: the store of the node that it moves to; None if nothing is known of it but its name.
        target_name: that node's name; or, if nothing else is known of it, what it was called.
        live: whether the instance runs meanwhile.
        record: what the instance was when last looked at, and will be on the target.
        total_ram: its memory when the migration began, in MiB.
        spec: how it is scripted; None if it isn't.
        origin: where that was declared, in words; None if it isn't.
        course: how it goes; None if it isn't scripted.
        unpaused: how it would go had the test not paused the instance; None where it hasn't.
        disks: how much of disks is copied before its RAM is sent, in bytes.
        renamed: what the instance is called on the target since it is there; None where that is as before.
        clock: what it runs on.
        started: when it began.
        ended: when it ended; None before.
        outcome: "active", or what its status says in the end.
        reason: in words, what ended it, if not its own course.
        polls: how many status calls there were until the one that reported the end.
        is_reported: whether a status call has reported the end.
        has_moved: whether in truth the instance runs on the target, whatever the status says.
        is_lost: whether in truth there is nothing to finalize on the target, whatever the status says.
        finalized_on_source: with what ``success``; None if it wasn't.
        finalized_on_target: likewise on the target.
        finalized_on_source_at: when; None if it wasn't.
        finalized_on_target_at: likewise on the target.
        has_lost_instance: whether the instance was lost by the time that it ended.
        is_accepted: whether the target had got ready for it.
        call: the call that began it; None if that was none.
        successor: the call that began the next one from its source; None if none has.
        is_held_still: whether the instance is paused for it though it is a live one, until it is finalized.
        is_known_sent: whether its source, which has asked by itself, knows that it has completed.
        is_left_paused: whether its source has ended it by itself, and left the instance paused there.
        lost_nodes: those of its two nodes that went down since, or where what had arrived was killed.
    """

    number: int
    instance: str
    source: Store
    source_name: str
    target: Store | None
    target_name: str
    live: bool
    record: Record
    total_ram: int
    spec: MigrationSpec | None
    origin: str | None
    course: Course | None
    clock: Clock
    started: Fraction
    ended: Fraction | None = None
    outcome: MigrationState = "active"
    reason: str | None = None
    polls: int = 0
    is_reported: bool = False
    has_moved: bool = False
    is_lost: bool = False
    finalized_on_source: bool | None = None
    finalized_on_target: bool | None = None
    finalized_on_source_at: Fraction | None = None
    finalized_on_target_at: Fraction | None = None
    has_lost_instance: bool = False
    is_accepted: bool = False
    is_held_still: bool = False
    is_known_sent: bool = False
    is_left_paused: bool = False
    call: Call | None = None
    successor: Call | None = None
    lost_nodes: set[str] = field(default_factory=set)
    unpaused: Course | None = None
    renamed: str | None = None
    disks: int = 0

    @property
    def open_nodes(self) -> list[str]:
        """The nodes where it is still to be finalized, in one way or another."""
        ends = {self.source_name: self.finalized_on_source}
        if self.target is not None:  # else nothing is known of what happens there
            ends[self.target_name] = self.finalized_on_target
        return [node for node, success in ends.items() if success is None and node not in self.lost_nodes]

    @property
    def name_there(self) -> str:
        """What the instance is called on the target."""
        return self.renamed or self.instance

    @property
    def places(self) -> set[tuple[str, str]]:
        """Where the instance is, or is to be: each node with its name there."""
        return {(self.source_name, self.instance), (self.target_name, self.name_there)}

    @property
    def is_cut_short(self) -> bool:
        """Whether it is no longer under way, whoever ends it: a node of it is lost, or the instance."""
        return self.has_lost_instance or bool(self.lost_nodes)

    @property
    def has_paused(self) -> bool:
        """Whether the instance is paused for it, until it is finalized on the source."""
        return not self.live and not self.record.is_paused and self.finalized_on_source is None

    @property
    def awaits_source(self) -> bool:
        """Whether it has completed, and is to be finalized on the source."""
        return self.outcome == "completed" and self.finalized_on_source is None and not self.lost_nodes

    @property
    def awaits_target(self) -> bool:
        """Whether it has completed, and is to be finalized on the target."""
        return self.outcome == "completed" and self.target_name in self.open_nodes

    def is_between(self, nodes: Iterable[str]) -> bool:
        """Tell whether these are its two nodes."""
        return {*nodes} == {self.source_name, self.target_name}

    @property
    def is_active(self) -> bool:
        """Whether it is under way."""
        return self.outcome == "active"

    @property
    def is_half_arrived(self) -> bool:
        """Whether the target has some or all of the instance, which is not finalized there yet."""
        return (
            self.target is not None
            and self.finalized_on_target is None
            and not (self.is_lost or self.target_name in self.lost_nodes)
            and self.outcome in {"active", "completed"}
        )

    @property
    def has_arrived(self) -> bool:
        """Whether all of the instance has come to the target, finalized there or not."""
        return (self.outcome == "completed" or self.has_moved) and self.finalized_on_target is not False

    @property
    def was_lost_on_target(self) -> bool:
        """Whether it had completed when the target lost the instance: nobody on the source could save it."""
        return self.outcome == "completed" and self.target_name in self.lost_nodes

    @property
    def elapsed(self) -> Fraction:
        """How long it took, or takes so far, in seconds."""
        return (self.clock.exact_now if self.ended is None else self.ended) - self.started

    @property
    def due(self) -> Fraction | None:
        """When it ends by itself; None for one that waits for its status calls, or for ever."""
        return None if self.course is None or self.course.lasts is None else self.started + self.course.lasts

    @property
    def milestones(self) -> list[Fraction | None]:
        """When it goes on as postcopy, and when it ends by itself; None for never, and for what has come."""
        after = None if self.course is None or self.is_postcopy else self.course.postcopy_after
        return [None if after is None else self.started + after, self.due]

    @property
    def is_postcopy(self) -> bool:
        """Whether it has gone on as postcopy."""
        after = None if self.course is None else self.course.postcopy_after
        return after is not None and self.elapsed >= after

    @property
    def is_copying(self) -> bool:
        """Whether disks are copied, or were when it ended."""
        return self.course is not None and self.elapsed < self.course.copying

    @property
    def copied(self) -> int:
        """How much of disks is copied so far, in bytes."""
        if self.course is None or not self.is_copying:
            return self.disks
        return int(self.disks * self.elapsed / self.course.copying)

    @property
    def transferred_ram(self) -> int | None:
        """The RAM sent so far, in MiB; None if it isn't scripted."""
        if self.course is None:
            return None
        # What came out of a logarithm may lack the last digit of many.
        return int(self.course.sent_at(self.elapsed) + _NOTHING)

    @property
    def status(self) -> MigrationStatus:
        """What a status call says."""
        return MigrationStatus(
            status=self.outcome,
            transferred_ram=self.transferred_ram,
            total_ram=None if self.course is None else self.total_ram,
            postcopy_status="postcopy-active" if self.is_active and self.is_postcopy else None,
        )

    @property
    def is_still_there(self) -> bool:
        """Whether the instance is still on the source; where nobody can tell, it is."""
        return still_holds(self.source, self.instance)

    @property
    def lie(self) -> str | None:
        """What is true where its status says otherwise, in words, and where that was scripted; else None."""
        if not (self.has_moved or self.is_lost):
            return None
        truth = "it had moved" if self.has_moved else "its memory was lost"
        return f"{truth} (script at {self.origin})"

    def finalize_on_source(self, *, success: bool) -> None:
        """Note that it is finalized on the source, and when; the first time counts."""
        if self.finalized_on_source is None:
            self.finalized_on_source, self.finalized_on_source_at = success, self.clock.exact_now

    def finalize_on_target(self, *, success: bool) -> None:
        """Note that it is finalized on the target, likewise."""
        if self.finalized_on_target is None:
            self.finalized_on_target, self.finalized_on_target_at = success, self.clock.exact_now

    def drop(self) -> None:
        """Take the instance off the source, where it is there.

        Raises:
            OSError: it can't be removed, and runs on.
        """
        with suppress(FileNotFoundError):
            self.source.remove(self.source.path(self.instance))

    def pause(self) -> None:
        """Let the instance write nothing from now on, so that it converges, where that says when it ends."""
        if self.course and self.spec and self.spec.ends_with_ram and not self.is_postcopy:
            self.unpaused, self.course = self.course, self.course.without_writes(self.elapsed)

    def change_pace(self, bandwidth: Fraction | None, max_downtime: Fraction | None) -> None:
        """Let it go on at another pace from now on, where it is scripted and the instance runs.

        Args:
            bandwidth: at most what is sent in a second, in MiB; no more than its script has. None for that.
            max_downtime: how long the instance may be stopped in the end, in seconds; None for the script's.
        """
        if not (self.course and self.spec and self.is_active) or self.unpaused:
            return
        most, stopped = exact(self.spec.bandwidth), exact(self.spec.max_downtime)
        self.course = self.course.at_pace(
            self.elapsed,
            bandwidth=most if bandwidth is None else min(most, bandwidth),
            max_downtime=stopped if max_downtime is None else max_downtime,
            ends_with_ram=self.spec.ends_with_ram,
        )

    def copy_disks(self, size: int) -> None:
        """Let it copy so many bytes of disks before it sends RAM; where it has no script, at once."""
        self.disks = size
        if self.course and self.is_active:
            self.course = self.course.after_copying(Fraction(size, _MIB))

    def resume(self) -> None:
        """Let it go on as it would have gone without the pause, but for one that goes on as postcopy."""
        if self.unpaused and not self.is_postcopy:
            self.course = self.unpaused
        self.unpaused = None

    def remember(self) -> None:
        """Take what the instance is on the source now, if it is still there, for what it will be."""
        if self.finalized_on_source is not None:  # what runs there now was started anew
            return
        with suppress(OSError, HypervisorError):
            if now := self.source.read(self.source.path(self.instance)):
                pause = self.record.pause
                if self.live:  # else it is paused for this
                    is_paused = now.is_paused and not (self.is_held_still and now.pause == "migrating")
                    pause = "paused" if is_paused else None
                self.record = Record(now.memory, now.vcpus, pause)

    def snapshot(self) -> Migration:
        """Return what a test may know of it."""
        course, outcome = self.course, self.outcome
        downtime = Fraction(0)
        if not self.live:
            downtime = self.elapsed
        elif course and course.downtime and outcome == "completed" and self.elapsed == course.lasts:
            downtime = course.downtime
        rounds = 0
        if course:
            until = (
                self.elapsed if course.postcopy_after is None else min(self.elapsed, course.postcopy_after)
            )
            rounds = course.rounds_at(until)
        finalized = self.finalized_on_source, self.finalized_on_target
        return Migration(
            number=self.number,
            instance=self.instance,
            source=self.source_name,
            target=self.target_name,
            live=self.live,
            outcome=outcome,
            reason=self.reason,
            polls=self.polls,
            started=float(self.started),
            duration=float(self.elapsed),
            total_ram=self.total_ram,
            transferred_ram=self.transferred_ram,
            rounds=rounds,
            downtime=float(downtime),
            postcopy=self.is_postcopy,
            finalized_on_source=self.finalized_on_source,
            finalized_on_target=self.finalized_on_target,
            finalized_on_source_at=_seconds(self.finalized_on_source_at),
            finalized_on_target_at=_seconds(self.finalized_on_target_at),
            lie=self.lie,
            migrated=finalized == (True, True) or (self.has_moved and self.finalized_on_target is not False),
        )


def _seconds(time: Fraction | None) -> float | None:
    return None if time is None else float(time)
