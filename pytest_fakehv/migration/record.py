"""One migration: how a test scripts it, the course that follows from that, and the record of it."""

import dataclasses
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

from pytest_fakehv.checks import DeclarationError, check_amount, check_choice, check_number, exact, name_fault
from pytest_fakehv.interface.constants import MigrationState
from pytest_fakehv.migration.precopy import Precopy
from pytest_fakehv.text import printable, shown

__tracebackhide__ = True  # a wrong declaration is shown at the line that made it

Outcome = Literal["completed", "failed", "cancelled", "failed_but_moved", "completed_but_lost"]


@dataclass(frozen=True)
class MigrationSpec:
    """How a test wants the migrations of an instance to go.

    Args:
        instance: its name.
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
        if fault := name_fault(self.instance):
            raise DeclarationError(f"instance is invalid: {shown(self.instance)}: {fault}")
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


@dataclass(frozen=True)
class Course:
    """How a scripted migration goes if nothing intervenes; all times in seconds since it began.

    Attributes:
        model: what is sent when.
        lasts: when it ends; None if only its status calls end it, or nothing does.
        downtime: how long the instance is stopped in the end, by the model; None if that doesn't count.
        postcopy_after: when it goes on as postcopy; None for never.
    """

    model: Precopy
    lasts: Fraction | None
    downtime: Fraction | None
    postcopy_after: Fraction | None = None

    def with_postcopy(self, after: Fraction) -> "Course":
        """Return the same, but going on as postcopy from a time on: then nothing is sent twice."""
        lasts = after + self.model.rest_at(after) / self.model.bandwidth
        return replace(self, lasts=lasts, downtime=None, postcopy_after=after)

    def cut_short(self) -> "Course":
        """Return the same, but ending half-way through its postcopy or, if it has none, through the RAM."""
        if self.postcopy_after is None or self.lasts is None:
            end = self.model.ram / self.model.bandwidth / 2
        else:
            end = (self.postcopy_after + self.lasts) / 2
        return replace(self, lasts=end, downtime=None)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One migration as it stands at the moment, whoever drives it.

    Attributes:
        number: its place among the cluster's migrations, from 1.
        instance: the instance's name.
        source: the name of the node that it leaves.
        target: the name of the node that it moves to.
        live: whether the instance runs meanwhile.
        outcome: "active", or how it ended as its status says: "completed", "failed" or "cancelled".
        reason: in words, what ended it, where that was not its own course.
        polls: how many status calls there were until the one that reported its end.
        started: when it began, in seconds of the cluster's clock.
        duration: how long it took, or takes so far, in seconds.
        total_ram: the instance's memory when it began, in MiB.
        transferred_ram: how much RAM was sent, in MiB: more than all where some had to be sent again, or
            where the script lets it go on; None where it was not scripted.
        rounds: how many rounds were sent while the instance ran on the source; 0 where it was not scripted.
        downtime: how long the instance was stopped for it, in seconds.
        postcopy: whether it went on as postcopy: from then on the instance runs on the target.
        finalized_on_source: with what ``success`` it was finalized there; None if it was not.
        finalized_on_target: likewise on the target.
        migrated: whether the instance has moved, whatever the status says: it was finalized with success
            on both nodes, or has in truth moved and wasn't aborted on the target.
    """

    number: int
    instance: str
    source: str
    target: str
    live: bool
    outcome: MigrationState
    reason: str | None
    polls: int
    started: float
    duration: float
    total_ram: int
    transferred_ram: int | None
    rounds: int
    downtime: float
    postcopy: bool
    finalized_on_source: bool | None
    finalized_on_target: bool | None
    migrated: bool

    def __str__(self) -> str:
        """Show its course: ``web1 node1 -> node2 live: 40 % at poll 3, failed, aborted``."""
        way = f"{printable(self.instance)} {self.source} -> {printable(self.target)}"
        kind = "live" if self.live else "non-live"
        when = f"at poll {self.polls}" if self.polls else "before any poll"
        progress = self._progress
        if progress is None:
            return f"{way} {kind}: {self._outcome} {when}{self._ending}"
        return f"{way} {kind}: {progress} {when}, {self._outcome}{self._ending}"

    @property
    def percent(self) -> int | None:
        """How much of the RAM was sent, from 0 to 100; None where that is not known, or is more than all.

        Only all of it is 100. What is more than all had to be sent again, and says nothing of what was left.
        """
        sent, total = self.transferred_ram, self.total_ram
        if sent is None or sent > total:
            return None
        return 100 if sent == total else min(99, round(sent * 100 / total))

    @property
    def _progress(self) -> str | None:
        if self.percent is not None:
            return f"{self.percent} %"
        return f"{self.rounds} rounds" if self.rounds > 1 else None

    @property
    def _outcome(self) -> str:
        if self.outcome == "active":
            return "postcopy under way" if self.postcopy else "under way"
        why = f" ({self.reason})" if self.reason else ""
        return f"{self.outcome}{' in postcopy' if self.postcopy else ''}{why}"

    @property
    def _ending(self) -> str:
        """How it was finalized, where that is not just what its outcome asks for."""
        ends = {self.source: self.finalized_on_source, self.target: self.finalized_on_target}
        words = {True: "finalized", False: "aborted"}
        done = [(words[success], node) for node, success in ends.items() if success is not None]
        match [*ends.values()]:
            case [True, True]:
                return "" if self.outcome == "completed" else ", yet finalized with success"
            case _ if self.migrated:
                return ", but has moved"
            case [False, False]:
                return ", aborted"
            case [None, None]:
                return "" if self.outcome == "active" else ", not finalized"
            case [None, _] | [_, None]:
                return f", {done[0][0]} on {done[0][1]} alone"
            case _:
                return "".join(f", {word} on {node}" for word, node in done)
