"""The record of one migration."""

from dataclasses import dataclass, field
from typing import Any

from pytest_fakehv.interface.constants import MigrationState
from pytest_fakehv.text import printable


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
        finalized_on_source_at: when it was finalized there, in seconds of the cluster's clock; None if it was
            not.
        finalized_on_target_at: likewise on the target.
        migrated: whether the instance has moved, whatever the status says: it was finalized with success
            on both nodes, or has in truth moved and wasn't aborted on the target.
        lie: what is true where its status said otherwise, in words, and where that was scripted; None where
            the status was true. Where two are compared, it does not count.
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
    finalized_on_source_at: float | None
    finalized_on_target_at: float | None
    migrated: bool
    lie: str | None = field(default=None, compare=False)

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
        said = f"{self.outcome}{' in postcopy' if self.postcopy else ''}{why}"
        return f"said {said}, in truth {self.lie}" if self.lie else said

    @property
    def _ending(self) -> str:
        """How it was finalized, where that is not just what its outcome asks for."""
        ends = {self.source: self.finalized_on_source, self.target: self.finalized_on_target}
        words = {True: "finalized", False: "aborted"}
        done = [(words[success], node) for node, success in ends.items() if success is not None]
        match [*ends.values()]:
            case [True, True]:
                return "" if self.outcome == "completed" else ", yet finalized with success"
            case [False, False]:
                return ", aborted"
            case [None, None]:
                return "" if self.outcome == "active" else ", not finalized"
            case [None, _] | [_, None]:
                return f", {done[0][0]} on {done[0][1]} alone"
            case _:
                return "".join(f", {word} on {node}" for word, node in done)


class Migrations(list[Migration]):
    """The records of several migrations: a list whose `IndexError` says how many there are."""

    def __getitem__(self, index: Any) -> Any:
        """Return one of them, or some."""
        try:
            return super().__getitem__(index)
        except IndexError:
            raise IndexError(f"there is no migrations[{index}]; migrations so far: {len(self)}") from None
