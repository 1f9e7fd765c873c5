"""Which jobs on disks a test lets fail."""

from dataclasses import dataclass

from pytest_fakehv.checks import DeclarationError, check_amount, check_number, name_fault
from pytest_fakehv.fronts.libvirt.host.disks.job import Stop
from pytest_fakehv.text import shown

__tracebackhide__ = True  # a mistake of the test is shown at the test's own line


@dataclass(eq=False)
class Failing:
    """Jobs that a test lets fail.

    Attributes:
        domain: the name of whose disks they are of.
        disk: the disk's name; None for any.
        stop: where they fail.
        left: how many more of them do; None for all.
    """

    domain: str
    disk: str | None
    stop: Stop
    left: int | None

    def __post_init__(self) -> None:
        """Check what the test has said.

        Raises:
            DeclarationError: it is wrong; the message says what.
        """
        if fault := name_fault(self.domain):
            raise DeclarationError(f"no domain can be called {shown(self.domain)}: {fault}")
        if self.disk is not None and not _is_text(self.disk):
            raise DeclarationError(f"disk must be a disk's name, such as 'vda', not {shown(self.disk)}")
        check_number("at", self.stop.at, most=1)
        if not _is_text(self.stop.error):
            raise DeclarationError(f"error must be a text that is not empty, not {shown(self.stop.error)}")
        if self.left is not None:
            check_amount("times", self.left)

    def is_of(self, domain: str, disk: str) -> bool:
        """Tell whether the next job of a disk is one of them."""
        return self.domain == domain and self.disk in (None, disk) and self.left != 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


class Failures:
    """All jobs of a cluster that a test lets fail; changed under the cluster's lock."""

    def __init__(self) -> None:
        self._all: list[Failing] = []

    def declare(self, failing: Failing) -> None:
        """Let jobs fail that begin from now on."""
        self._all.append(failing)

    def take(self, domain: str, disk: str) -> Stop | None:
        """Return where a job fails that begins now; None for one that need not.

        Args:
            domain: the domain's name.
            disk: the disk's.
        """
        for each in self._all:
            if each.is_of(domain, disk):
                if each.left is not None:
                    each.left -= 1
                return each.stop
        return None
