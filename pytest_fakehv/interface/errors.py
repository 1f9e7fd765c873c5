"""What calls of the interface raise."""

from typing import Self


class HypervisorError(Exception):
    """A call of the hypervisor interface failed: the one type that its callers catch."""


class HotplugError(HypervisorError):
    """A device can't be added, removed or changed while the instance runs."""


class NodeDownError(HypervisorError):
    """A node doesn't answer: it crashed, was cut off, or was taken out of the cluster."""

    @classmethod
    def of(cls, node: str) -> Self:
        """Make the error that names a node. Which of the reasons it is, no caller can know."""
        return cls(f"{node} does not answer")


class RefusedError(HypervisorError):
    """Why an operation can't be done, before the operation's own name stands in front of it.

    Raised below the interface; the interface turns it into ``HypervisorError("Failed to ...: why")``.
    It is a ``HypervisorError`` itself, for a subclass that calls the inner methods directly.
    """
