"""What has become of a guest by what its agent did."""

from dataclasses import dataclass, field


@dataclass
class Guest:
    """A guest, wherever it runs; changed under the cluster's lock.

    Attributes:
        frozen: where the filesystems are mounted that are frozen.
        offline: the numbers of the CPUs that it doesn't use.
        ahead: by how much its clock is ahead of the cluster's, in ns.
        keys: the public keys with which one can log in, by the user.
    """

    frozen: set[str] = field(default_factory=set)
    offline: set[int] = field(default_factory=set)
    ahead: int = 0
    keys: dict[str, list[str]] = field(default_factory=dict)

    def boots(self) -> None:
        """Forget what a guest doesn't have on a disk."""
        self.frozen.clear()
        self.offline.clear()
        self.ahead = 0
