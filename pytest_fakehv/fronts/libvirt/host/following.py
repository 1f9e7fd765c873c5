"""What the thread does that sends a domain: it follows the migration, and lets the time pass.

Where the cluster's clock goes by polls, each question how far a migration is moves it by a second.
Where nobody asks for a while, the thread lets the time pass by itself, until the next thing happens.
"""

from queue import Empty
from typing import Final

from pytest_fakehv.fronts.libvirt.crossing import Crossing
from pytest_fakehv.fronts.libvirt.host.apis import APIS
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.moves import Outgoing, figures
from pytest_fakehv.fronts.libvirt.host.words import (
    EventKind,
    Lifecycle,
    Paused,
    Resumed,
    Running,
    Suspended,
)
from pytest_fakehv.fronts.libvirt.values import Parameter
from pytest_fakehv.interface.constants import MIGRATION_ACTIVE_STATES

__tracebackhide__ = True  # a failed call is shown at the line that made it

_PATIENCE: Final = 0.1
"""How long the first question is waited for, in seconds of the machine's time."""

_LONG_PATIENCE: Final = 2.0
"""How long the next one is: clients ask every half a second."""

_NO_PATIENCE: Final = 0.001
"""The same, once nobody has asked for so long."""

_GLANCE: Final = 0.02
"""How often a clock is looked at that goes on by itself."""


def follow(host: Host, domain: Domain, outgoing: Outgoing, crossing: Crossing) -> str:
    """Wait for the end of a migration, and return how it ended.

    Raises:
        HypervisorError: nobody can tell how far it is.
    """
    follower = _Follower(host, domain, outgoing, crossing)
    with crossing.watched(follower.look):
        outgoing.has_begun = outgoing.is_performing = True
        try:
            status = follower.follow()
        finally:
            outgoing.stop_answering()
        if status == "completed":
            follower.stops()
    return status


class _Follower:
    """The thread that follows one migration."""

    def __init__(self, host: Host, domain: Domain, outgoing: Outgoing, crossing: Crossing) -> None:
        self._host = host
        self._domain = domain
        self._outgoing = outgoing
        self._crossing = crossing
        self._patience = _PATIENCE

    def follow(self) -> str:
        """Take steps until it ends, and return how."""
        with self._host.machine.lock:
            self.look()
        status = self._step()
        while status in MIGRATION_ACTIVE_STATES:
            status = self._next(status)
        return status

    def _next(self, status: str) -> str:
        """Wait for something to do, and do it."""
        crossing = self._crossing
        try:
            answer = self._outgoing.asked.get(timeout=self._how_long())
        except Empty:
            crossing.look()
            run = crossing.leaving
            has_ended = run is None or not run.is_active
            if has_ended or crossing.go_on() or crossing.waits_for_questions:
                self._patience = _NO_PATIENCE
                return self._step()
            self._patience = _PATIENCE
            return status
        if answer is None:  # it has ended
            return self._step()
        self._patience = _LONG_PATIENCE
        try:
            return self._step()
        finally:
            answer.put(self._figures())

    def _figures(self) -> list[Parameter]:
        host = self._host
        with host.machine.lock:
            return figures(self._crossing.leaving, host.machine.now - self._outgoing.began)

    def _how_long(self) -> float | None:
        return _GLANCE if self._crossing.goes_by_itself else self._patience

    def _step(self) -> str:
        status = str(getattr(self._crossing.status(), "status", None))  # which a lie may have made anything
        with self._host.machine.lock:
            self.look()
        return status

    def look(self) -> None:
        """Tell what has come about since it was looked at last; under the lock."""
        run, outgoing = self._crossing.leaving, self._outgoing
        if run is None:
            return
        if (run.is_active and not run.is_copying) or run.outcome == "completed":
            self._tell_iterations(run.snapshot().rounds + (1 if run.is_active else 0))
        if run.is_postcopy and self._domain.is_active and not outgoing.is_postcopy:
            self._goes_on_as_postcopy(run.target_name)
        if not run.is_active and outgoing.is_performing:
            outgoing.asked.put(None)

    def _tell_iterations(self, until: int) -> None:
        while self._outgoing.iterations < until:
            self._outgoing.iterations += 1
            self._host.tell(self._domain, EventKind.MIGRATION_ITERATION, self._outgoing.iterations)

    def _goes_on_as_postcopy(self, target: str) -> None:
        host, domain = self._host, self._domain
        self._outgoing.is_postcopy = True
        domain.pauses(Paused.POSTCOPY)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.SUSPENDED, Suspended.MIGRATED)
        host.tell(domain, EventKind.LIFECYCLE, Lifecycle.SUSPENDED, Suspended.POSTCOPY)
        self._tell_iterations(self._outgoing.iterations + 1)
        peer = host.find_peer(target)
        there = peer.known(domain.uuid) if peer else None
        if peer and there and there.incoming:
            there.incoming.is_postcopy = True
            there.incoming.keep()
            there.doing = APIS["virDomainMigrateFinish3Params"].remote_name
            there.resumes(Running.POSTCOPY)
            peer.tell(there, EventKind.LIFECYCLE, Lifecycle.RESUMED, Resumed.POSTCOPY)
            peer.agent_changed(there.name)

    def stops(self) -> None:
        """Pause the domain here, as all of it is there."""
        self._crossing.note_sent()
        if self._outgoing.is_postcopy:
            return
        self._crossing.hold_still()
        with self._host.machine.lock:
            self._tell_iterations(self._outgoing.iterations + 1)
