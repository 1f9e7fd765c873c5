"""What a host asks of its node of the cluster for an instance's migration."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import Final

from pytest_fakehv.cluster.inner import rewrite
from pytest_fakehv.fronts.libvirt.translation import Machine, in_libvirts_words
from pytest_fakehv.interface.errors import HypervisorError
from pytest_fakehv.interface.objects import InstanceLike, MigrationStatus
from pytest_fakehv.migration.run import Run

__tracebackhide__ = True  # a failed call is shown at the line that made it

_MS: Final = 1000

_CLUSTER: Final = "libvirt"
"""What callers of the interface say that their cluster is called."""


class Crossing:
    """One instance's migration, as one of its two nodes sees it.

    What the phases of a migration do there goes by the calls of the interface, so that faults, holds and a
    subclass's overrides have their say. What a host does by itself, since a phase has failed, goes by none.

    Args:
        machine: the node.
        name: the instance's name.
    """

    def __init__(self, machine: Machine, name: str) -> None:
        self._node = machine._node
        self._inner = machine._inner
        self._shared = machine._shared
        self._machine = machine
        self._name = name

    @property
    def _instance(self) -> InstanceLike:
        return self._node.instance(self._name)

    # On the source

    @property
    def leaving(self) -> Run | None:
        """The newest one from here; None if there was none."""
        return self._shared.traffic.leaving(self._node.name, self._name)

    def begin(self, target: str, *, live: bool) -> None:
        """Let the instance begin to leave for a node, by its name.

        Raises:
            LibvirtError: it doesn't fit there.
            HypervisorError: it can't.
        """
        with in_libvirts_words(begins=True):
            self._node.MigrateInstance(_CLUSTER, self._instance, target, live)

    def status(self) -> MigrationStatus:
        """Ask how far it is; on a clock that goes by such questions, that takes its time.

        Raises:
            HypervisorError: a fault says so.
        """
        return self._node.GetMigrationStatus(self._instance)

    def note_sent(self) -> None:
        """Note that the host knows that all of it was sent."""
        with self._shared.lock:
            if run := self.leaving:
                run.is_known_sent = True

    def hold_still(self) -> None:
        """Pause it for its migration, be that a live one; where that is aborted, it runs again.

        Raises:
            HypervisorError: it has just been stopped, or its file can't be read or written.
        """
        inner, traffic = self._inner, self._shared.traffic
        with inner.doing(f"pause {self._name} on {inner.name}"), self._shared.lock:
            run, path = self.leaving, inner.store.path(self._name)
            record = inner.store.read(path)
            if run and record and not record.is_paused:
                rewrite(inner.store, path, lambda now: now._replace(pause="migrating"))
                run.is_held_still = True
                traffic.on_pause(inner.name, self._name, "paused")
                traffic.was_paused(inner.name, self._name, paused=True)

    def cancel(self) -> None:
        """Cancel it, if it is under way, and not as postcopy."""
        with self._shared.lock:
            if self.leaving and self.leaving.is_active and not self.leaving.is_postcopy:
                self._shared.traffic.cancel(self._name, "a client")

    def fail(self, reason: str, *, over_on: Machine | None = None) -> None:
        """Let it fail, if it is under way; and be over on its target, where that has ended it before."""
        with self._shared.lock:
            if any(run and run.is_active for run in (self.leaving, self.arriving)):
                self._shared.traffic.fail(self._name, reason)
            if over_on and (run := self.leaving):
                Crossing(over_on, self._name).turn_away(run.name_there)

    def start_postcopy(self) -> None:
        """Let it go on as postcopy, unless it does, or has no script and so nothing left to send."""
        with self._shared.lock:
            run = self.leaving
            if run and run.is_active and run.course and run.live and not run.is_postcopy:
                self._shared.traffic.start_postcopy(self._name)

    def change_pace(self, bandwidth: int | None, max_downtime: int | None) -> None:
        """Let it go on at another pace from now on, as far as its script lets it.

        Args:
            bandwidth: at most what is sent in a second, in MiB; None for what the script says.
            max_downtime: how long the instance may be stopped in the end, in ms; None likewise.
        """
        with self._shared.lock:
            if run := self.leaving:
                run.change_pace(
                    None if bandwidth is None else Fraction(bandwidth),
                    None if max_downtime is None else Fraction(max_downtime, _MS),
                )
                self._shared.traffic.schedule(run)

    def copy_disks(self, size: int) -> None:
        """Let it copy so many bytes of disks before it sends memory."""
        with self._shared.lock:
            if size and (run := self.leaving):
                run.copy_disks(size)
                self._shared.traffic.schedule(run)

    def leave(self, *, success: bool, live: bool) -> None:
        """End it on the source.

        Raises:
            HypervisorError: that failed.
        """
        self._node.FinalizeMigrationSource(self._instance, success, live)

    def stay(self, *, lets_run: bool) -> None:
        """End it on the source by itself, without success, where nobody has.

        Args:
            lets_run: whether the instance runs again, if it was paused for this.
        """
        shared, inner = self._shared, self._inner
        with shared.lock, suppress(OSError, HypervisorError):
            run = self.leaving
            if run is None or run.finalized_on_source is not None:
                return
            if lets_run:
                shared.traffic.resume(inner.name, inner.store, self._name)
            shared.traffic.finalize_source(run, success=False)
            if lets_run:
                shared.watcher.finalized(inner.name, self._name, run, None, is_target=False)
            else:
                run.is_left_paused = True
                self._note_left_paused()

    def strand(self) -> None:
        """End it on the source by itself, where the instance has gone on elsewhere, and never can here."""
        with self._shared.lock:
            with suppress(HypervisorError):
                self.hold_still()
            self.stay(lets_run=False)

    def _note_left_paused(self) -> None:
        """Note that it is over, and has left the instance paused here."""
        record, journal = self._machine.record(self._name), self._shared.door.journal
        if record and record.pause == "migrating":
            self._shared.ledger.left_paused(self._node.name, self._name, journal.last_about(self._name))

    # On the target

    @property
    def arriving(self) -> Run | None:
        """The newest one to here; None if there was none."""
        return self._shared.traffic.arriving(self._node.name, self._name)

    def accept(self) -> None:
        """Get ready for it.

        Raises:
            LibvirtError: it doesn't fit.
            HypervisorError: it can't come here.
        """
        with in_libvirts_words(begins=True):
            self._node.AcceptInstance(self._instance, "", self._node.name)

    def arrive(self, *, success: bool) -> None:
        """End it on the target.

        Raises:
            LibvirtError: it doesn't fit.
            HypervisorError: that failed.
        """
        with in_libvirts_words(begins=True):
            self._node.FinalizeMigrationDst(self._instance, "", success)

    @property
    def can_turn_away(self) -> bool:
        """Whether it is not too late for that: the source has not given the instance away."""
        run = self.arriving
        return run is not None and run.finalized_on_source is None

    def destroyed(self, name: str) -> None:
        """End it on the target by itself, as what there is of it there was destroyed, arrived or not.

        Args:
            name: as for `turn_away`.
        """
        with self._shared.lock:
            self.fail(f"destroyed on {self._inner.name}")
            self._shared.traffic.was_killed(self._inner.name, self._name)  # if it has: nobody may finish it
            self.turn_away(name)

    def turn_away(self, name: str) -> None:
        """End it on the target by itself, without success, and take away what has arrived.

        Args:
            name: what that is called once it is there.
        """
        shared, inner = self._shared, self._inner
        with shared.lock, suppress(OSError, HypervisorError):
            run = self.arriving
            if run and run.finalized_on_target and self.can_turn_away:
                for each in (self._name, name):
                    with suppress(FileNotFoundError):
                        inner.store.remove(inner.store.path(each))
                        break
            if run:
                shared.traffic.finalize_target(run, success=False)
            shared.watcher.finalized(inner.name, self._name, run, None, is_target=True)

    # The time

    @contextmanager
    def watched(self, listener: Callable[[], None]) -> Iterator[None]:
        """Tell somebody, under the lock, whenever the time has moved or a migration has changed meanwhile."""
        listeners = self._shared.traffic.listeners
        listeners.append(listener)
        try:
            yield
        finally:
            listeners.remove(listener)

    @property
    def goes_by_itself(self) -> bool:
        """Whether the time goes on though nobody moves it."""
        return self._shared.clock.mode in {"real", "function"}

    @property
    def waits_for_questions(self) -> bool:
        """Whether it ends by how often somebody has asked."""
        run = self.leaving
        return run is not None and run.spec is not None and run.spec.polls is not None

    def look(self) -> None:
        """Let what is due come about."""
        self._shared.clock._look()

    def let_pass(self, seconds: float) -> None:
        """Let so much time pass, but at most until the migration ends, if only who asks moves it."""
        run = self.leaving or self.arriving
        if run and run.is_active and self._shared.clock.mode == "polls":
            due = seconds if run.due is None else float(run.due - self._shared.clock.exact_now)
            self._shared.clock.advance(max(0.0, min(seconds, due)))

    def go_on(self) -> bool:
        """Let time pass until the next thing happens, if only who asks moves it; tell whether it did."""
        clock, run = self._shared.clock, self.leaving
        if clock.mode != "polls":
            return False
        with self._shared.lock:
            times = [clock._events.next_time(), *(run.milestones if run else ())]
        coming = [each for each in times if each is not None]
        if coming:
            clock.advance(max(0.0, float(min(coming) - clock.exact_now)))
        return bool(coming)
