"""A backup of a domain's disks: which it is of, and how far it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_fakehv.fronts.libvirt.host.disks.job import BlockJob
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.values import Kind, Parameter

OPERATION: Final = 9
"""What a job of a domain does that is one."""

CANCELED: Final = "Operation canceled"
"""The error of one that a client has cancelled."""

_MS: Final = 1000


@dataclass(eq=False, kw_only=True)
class Backup:
    """A backup, from its beginning to its end; changed under the cluster's lock alone.

    Attributes:
        root: its XML.
        began: when, in seconds of the cluster's clock.
        jobs: those of its disks, by their names.
        running: the names of the disks that have not ended.
        error: why it has failed, or that it was cancelled; empty for neither.
        tell: called with its figures, where it has ended.
    """

    root: Element
    began: float
    tell: Callable[[list[Parameter]], None]
    jobs: dict[str, BlockJob] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    error: str = ""

    def figures(self, now: float) -> list[Parameter]:
        """Return how far it is."""
        total, processed = (sum(each) for each in zip(*self._amounts(), strict=True))
        return self._figures(now, {"total": total, "processed": processed, "remaining": total - processed})

    def _amounts(self) -> list[tuple[int, int]]:
        return [(each.size, each.current) for each in self.jobs.values()]

    def _figures(self, now: float, amounts: Mapping[str, int]) -> list[Parameter]:
        found = [
            Parameter("operation", Kind.INT, OPERATION),
            Parameter("time_elapsed", Kind.ULLONG, int((now - self.began) * _MS)),
        ]
        if amounts.get("total"):
            found += [Parameter(f"disk_{what}", Kind.ULLONG, amount) for what, amount in amounts.items()]
        return found

    def completed(self, now: float) -> list[Parameter]:
        """Return how it has ended."""
        found = [*self.figures(now), Parameter("success", Kind.BOOLEAN, not self.error)]
        if self.error:
            found.append(Parameter("errmsg", Kind.STRING, self.error))
        return found

    def lost(self, now: float) -> list[Parameter]:
        """Return how it has ended where the domain did; nothing is left of it."""
        for each in self.running:
            self.jobs[each].cancel()
        return [*self._figures(now, {}), Parameter("success", Kind.BOOLEAN, False)]
