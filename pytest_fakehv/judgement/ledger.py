"""What a front knows to be wrong of what it has beyond the cluster: how a migration has left a domain."""

from collections.abc import Callable, Collection

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.judgement.violations import Violation
from pytest_fakehv.storage.locks import Lock
from pytest_fakehv.text import printable

__tracebackhide__ = True  # a wrong call is shown at the line that made it


class Ledger:
    """What a migration has left behind, and nobody has put right so far.

    Args:
        current_call: returns the call that the asking thread is in, if any.
        lock: the cluster's.
    """

    def __init__(self, current_call: Callable[[], Call | None], lock: Lock) -> None:
        self._current_call = current_call
        self._lock = lock
        self._paused: dict[tuple[str, str], Call | None] = {}
        self._forgotten: dict[bytes, tuple[str, str, Call | None]] = {}

    def left_paused(self, node: str, instance: str, call: Call | None = None) -> None:
        """Note that a migration has left an instance paused on a node where it ran before.

        Args:
            node: where.
            instance: which.
            call: the call that was to see to that; None for the one that is under way.
        """
        with self._lock:
            self._paused[node, instance] = call or self._current_call()

    def goes_on(self, node: str, instance: str) -> None:
        """Note that an instance on a node runs again, or is there no more."""
        if self._paused:
            with self._lock:
                self._paused.pop((node, instance), None)

    def forgotten(self, node: str, instance: str, uuid: bytes) -> None:
        """Note that a migration has taken an instance's last definition away from a node.

        Args:
            node: which.
            instance: what it is called now.
            uuid: by what it is known, whatever it is called later.
        """
        with self._lock:
            self._forgotten[uuid] = node, instance, self._current_call()

    def defined(self, uuid: bytes) -> None:
        """Note that what is known by a UUID is defined somewhere."""
        if self._forgotten:
            with self._lock:
                self._forgotten.pop(uuid, None)

    def violations(self, unreachable: Collection[str]) -> list[Violation]:
        """Return what is wrong now; called under the lock.

        Args:
            unreachable: the nodes that no program could call now, and so put nothing right there.
        """
        paused = [
            Violation(
                invariant="left-paused",
                what=f"{printable(instance)} ran on {node} before its migration, which left it paused there",
                instance=instance,
                nodes=(node,),
                call=call,
            )
            for (node, instance), call in self._paused.items()
            if node not in unreachable
        ]
        forgotten = [
            Violation(
                invariant="forgotten",
                what=(
                    f"the definition of {printable(instance)} is nowhere any more: its migration undefined "
                    f"it on {node}, and did not make it persistent where it went"
                ),
                instance=instance,
                nodes=(node,),
                call=call,
            )
            for node, instance, call in self._forgotten.values()
        ]
        return paused + forgotten
