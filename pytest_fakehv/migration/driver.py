"""The reference driver: how to migrate an instance, or fail it over, by the interface alone.

It does with the two nodes nothing but call the interface's methods, so that it is also the worked example
of what an orchestrator has to do. Whoever drives a migration must bring it to an end whatever happens; so
it goes on where a call raises, and says in the end what went wrong.

Source: the order in which Ganeti's master drives a migration, its cleanup, and a failover.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.holds import HoldError
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.interface.constants import MIGRATION_ACTIVE_STATES, MIGRATION_FAILED_STATES
from pytest_fakehv.interface.contract import BaseHypervisor
from pytest_fakehv.interface.objects import InstanceLike
from pytest_fakehv.text import shown_error

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line

Ending = Literal["completed", "failed", "cancelled"]

SECONDS_BETWEEN_POLLS: Final = 1

LONGEST_MIGRATION: Final = 3600
"""Seconds. The master itself never gives up; a test should end even where its migration does not."""


@dataclass(frozen=True, kw_only=True)
class MigrationResult:
    """What came of an operation of the reference driver.

    Attributes:
        outcome: "completed" only if everything worked, the finalizing on both nodes included; "cancelled"
            if the migration's status said so; else "failed".
        instance: the instance's name.
        source: the name of the node that it was to leave.
        target: the name of the node that it was to move to.
        live: whether it was to keep running meanwhile.
        rounds: how many rounds of RAM were sent while it ran on the source; 0 if that was not scripted.
        downtime: how long it was stopped for it, in seconds of the cluster's clock.
        polls: how many status calls there were.
        duration: how long the whole took, in seconds of the cluster's clock.
        error: in words, all that went wrong; None if nothing did.
    """

    outcome: Ending
    instance: str
    source: str
    target: str
    live: bool
    rounds: int
    downtime: float
    polls: int
    duration: float
    error: str | None


@dataclass
class Driver:
    """One operation on an instance, between two nodes.

    Args:
        instance: which.
        source: the node that it is to leave.
        target: the node that it is to move to.
        target_address: by what the source reaches the target.
        clock: by what it waits between two polls, and gives up.

    Attributes:
        polls: how many status calls there were.
        errors: what went wrong, in order.
    """

    instance: InstanceLike
    source: BaseHypervisor
    target: BaseHypervisor
    target_address: str
    clock: Clock
    polls: int = 0
    errors: list[str] = field(default_factory=list)

    def migrate(self, *, live: bool, timeout: float, cluster_name: str = "fakehv") -> Ending:
        """Migrate the instance.

        Args:
            live: whether it keeps running meanwhile.
            timeout: when to give up and abort it, in seconds of the clock.
            cluster_name: what the nodes call their cluster.
        """
        info = self._try(self.source, "MigrationInfo", self.instance)
        if self.errors:
            return "failed"
        self._try(self.target, "AcceptInstance", self.instance, info, self.target_address)
        if not self.errors:
            self._try(self.source, "MigrateInstance", cluster_name, self.instance, self.target_address, live)
        ending = self._follow(timeout) if not self.errors else "failed"
        if ending == "completed":
            return self._finish(info, live=live)
        self._abort(info, live=live)
        return ending

    def clean_up(self, *, live: bool) -> Ending:
        """Find out what became of a migration that nobody brought to an end, and end it.

        Args:
            live: whether it was a live one.

        Returns:
            "completed" if the instance runs on the target alone, so that it has moved; else "failed": then
            it runs on the source, or nowhere, which is for a person to look after.
        """
        names = [self._try(node, "ListInstances") for node in (self.source, self.target)]
        if self.errors:
            return "failed"
        on_source, on_target = (self.instance.name in each for each in names)
        if on_target and not on_source:
            # It has moved: what is left is to end the migration, if there is one to end.
            return self._finish("", live=live)
        self._abort("", live=live)
        if not on_source:
            self.errors.append(
                f"{self.instance.name} runs neither on {self.source.name} nor on {self.target.name}: "
                "a person must find out why before anybody starts it"
            )
        return "failed"

    def fail_over(self, *, source_is_down: bool) -> Ending:
        """Stop the instance on the source and start it on the target.

        Args:
            source_is_down: whether it is known that nothing runs on the source any more. Only then can it
                be left alone: an instance on a node that just doesn't answer may be running.
        """
        if not source_is_down:
            if self._is_on_source():
                self._try(self.source, "StopInstance", self.instance)
                if not self.errors and self._is_on_source():  # its guest took no notice
                    self._try(self.source, "StopInstance", self.instance, True)
            if not self.errors:
                self._try(self.source, "CleanupInstance", self.instance.name)
        if self.errors:
            return "failed"
        self._try(self.target, "StartInstance", self.instance, [], False)
        return "failed" if self.errors else "completed"

    def _is_on_source(self) -> bool:
        return self.instance.name in (self._try(self.source, "ListInstances") or ())

    def _follow(self, timeout: float) -> Ending:
        """Ask the source how far the migration is, until it is over one way or another."""
        began = self.clock.now
        while True:
            self.polls += 1
            status = self._try(self.source, "GetMigrationStatus", self.instance)
            if self.errors:
                return "failed"
            if status.status in MIGRATION_FAILED_STATES:
                self.errors.append(f"{self.source.name} says that the migration is {status.status}")
                return "cancelled" if status.status == "cancelled" else "failed"
            if status.status not in MIGRATION_ACTIVE_STATES:
                return "completed"
            if self.clock.now - began >= timeout:
                self.errors.append(f"given up: not completed after {timeout:g} s")
                return "failed"
            if self.clock.mode != "polls":  # there, the status call itself takes the time
                self.clock.sleep(SECONDS_BETWEEN_POLLS)

    def _finish(self, info: str, *, live: bool) -> Ending:
        """End a migration that completed: on both nodes, even when one of them can't do it."""
        self._try(self.source, "FinalizeMigrationSource", self.instance, True, live)
        self._try(self.target, "FinalizeMigrationDst", self.instance, info, True)
        return "failed" if self.errors else "completed"

    def _abort(self, info: str, *, live: bool) -> None:
        """End a migration that came to nothing: on both nodes, even when one of them can't do it."""
        self._try(self.target, "FinalizeMigrationDst", self.instance, info, False)
        self._try(self.source, "FinalizeMigrationSource", self.instance, False, live)

    def _try(self, node: BaseHypervisor, method: str, *arguments: Any) -> Any:
        """Call a method of the interface, and note what it raises."""
        try:
            return getattr(node, method)(*arguments)
        except (DeclarationError, HoldError):  # a mistake of the test
            raise
        except Exception as error:  # noqa: BLE001  # as from a remote node, where any error is a failed call
            self.errors.append(f"{method} on {node.name} raised {shown_error(error)}")
            return None
