"""The jobs on the disks of one domain."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_fakehv.fronts.libvirt.host.disks.backup import Backup
from pytest_fakehv.fronts.libvirt.host.disks.job import BlockJob


@dataclass(eq=False)
class DiskJobs:
    """The jobs on the disks of one domain while it runs.

    Attributes:
        running: by the disk's name.
        last_index: the highest number that a file of one of its disks has had.
        backup: the backup that is being made; None for none.
        unwatch: called where none is left to be looked at.
    """

    running: dict[str, BlockJob] = field(default_factory=dict)
    last_index: int = 0
    backup: Backup | None = None
    unwatch: Callable[[], None] = lambda: None

    def ended(self) -> None:
        """Let none be looked at any more, where none is left."""
        if not self.running:
            self.unwatch()
            self.unwatch = lambda: None

    def lose(self) -> None:
        """Note that the domain runs no more: its jobs have ended, and nobody is told."""
        self.running.clear()
        self.ended()
        self.last_index, self.backup = 0, None
