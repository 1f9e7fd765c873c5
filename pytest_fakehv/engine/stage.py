"""What a test does to a node and to a whole cluster alike: it says how things are to go, and steps in."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pytest_fakehv.engine.clock import Clock
from pytest_fakehv.engine.constants import HV_MIGRATION_MODE
from pytest_fakehv.engine.errors import DeclarationError
from pytest_fakehv.engine.journal import Journal
from pytest_fakehv.engine.migration import Migration, MigrationSpec, Outcome
from pytest_fakehv.engine.objects import InstanceLike, InstanceSpec, name_of
from pytest_fakehv.engine.text import listed, shown
from pytest_fakehv.engine.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_fakehv.engine.hypervisor import FakeHypervisor

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


class Stage(ABC):
    """One or more nodes, as the test that sets the scene and directs it sees them."""

    traffic: Traffic
    declared: dict[str, InstanceSpec]

    @property
    @abstractmethod
    def journal(self) -> Journal:
        """The calls of the interface, in order."""

    @property
    @abstractmethod
    def migrations(self) -> list[Migration]:
        """The migrations, in the order in which they began."""

    @abstractmethod
    def _nodes(self) -> "Sequence[FakeHypervisor]":
        """Return the nodes that the test sees."""

    @property
    def clock(self) -> Clock:
        """The time that migrations run on."""
        return self.traffic.clock

    def script_migration(
        self,
        instance: str | InstanceLike,
        *,
        outcome: Outcome = "completed",
        at: float | None = None,
        polls: int | None = None,
        bandwidth: float = 1024,
        dirty_rate: float = 0,
        max_downtime: float = 0.3,
        postcopy: int | None = None,
        times: int | None = None,
    ) -> None:
        """Say how an instance's next migrations go. What is not scripted completes at the first poll.

        A script without ``times`` stands until the next one; those with it are used up one after another.

        Args:
            instance: which, by name or as the object that the interface takes.
            outcome: as in `MigrationSpec`.
            at: as in `MigrationSpec`.
            polls: as in `MigrationSpec`.
            bandwidth: as in `MigrationSpec`, in MiB a second.
            dirty_rate: as in `MigrationSpec`, in MiB a second.
            max_downtime: as in `MigrationSpec`, in seconds.
            postcopy: as in `MigrationSpec`, a count of rounds.
            times: as in `MigrationSpec`.

        Raises:
            DeclarationError: an argument is wrong, two contradict each other, or there is no such instance;
                the message names them.
        """
        spec = MigrationSpec(
            name_of(instance),
            outcome=outcome,
            at=at,
            polls=polls,
            bandwidth=bandwidth,
            dirty_rate=dirty_rate,
            max_downtime=max_downtime,
            postcopy=postcopy,
            times=times,
        )
        self._check_script(spec)
        self.traffic.script(spec)

    def cancel_migration(self, instance: str | InstanceLike) -> None:
        """Cancel a migration that is under way; the next status call says so.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or goes on as postcopy, which can't be cancelled.
        """
        self.traffic.cancel(name_of(instance))

    def fail_migration(self, instance: str | InstanceLike) -> None:
        """Make a migration that is under way fail; in postcopy, that loses the instance.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self.traffic.fail(name_of(instance))

    def complete_migration(self, instance: str | InstanceLike) -> None:
        """Complete a migration that is under way at once, however much RAM is left to send.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating.
        """
        self.traffic.complete(name_of(instance))

    def start_postcopy(self, instance: str | InstanceLike) -> None:
        """Let a scripted, live migration that is under way go on as postcopy from now on.

        Args:
            instance: which, by name or as the object that the interface takes.

        Raises:
            DeclarationError: it isn't migrating, or not in a way that can go on so.
        """
        self.traffic.start_postcopy(name_of(instance))

    def _check_script(self, spec: MigrationSpec) -> None:
        name, declared = spec.instance, self.declared
        if name not in declared and not any(name in node.instance_names for node in self._nodes()):
            there = f"there are: {listed(declared)}" if declared else "none is declared"
            raise DeclarationError(f"no instance is named {shown(name)}; {there}")
        if spec.postcopy is not None and name in declared:
            mode = declared[name].hvparams.get(HV_MIGRATION_MODE, "live")
            if mode == "non-live":
                raise DeclarationError(
                    f"postcopy needs a live migration, but {name} has {HV_MIGRATION_MODE}={mode!r}"
                )
