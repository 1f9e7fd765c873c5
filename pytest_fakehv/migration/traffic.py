"""The migrations of a cluster: which are under way, where each is, and what its end leaves on the nodes."""

import heapq
import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from operator import attrgetter
from typing import TYPE_CHECKING, Final, Literal

from pytest_fakehv.calls.clock import Clock
from pytest_fakehv.calls.journal import Call
from pytest_fakehv.checks import DeclarationError, is_amount
from pytest_fakehv.interface.constants import MigrationState
from pytest_fakehv.interface.errors import HypervisorError, RefusedError
from pytest_fakehv.interface.objects import MigrationStatus
from pytest_fakehv.migration.record import Migration
from pytest_fakehv.migration.run import Run
from pytest_fakehv.migration.script import Outcome, Scripts
from pytest_fakehv.storage.locks import Lock, under_lock
from pytest_fakehv.storage.store import Record, Store
from pytest_fakehv.text import listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable


__tracebackhide__ = True  # a wrong call is shown at the line that made it

_REPORTED: Final[dict[Outcome, MigrationState]] = {
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "failed_but_moved": "failed",
    "completed_but_lost": "completed",
}
"""What `GetMigrationStatus` says of each outcome in the end."""

_Pause = Literal["paused", "resumed"]


class Traffic:
    """The migrations between one cluster's nodes, and how the next ones are scripted.

    Args:
        clock: what they run on.
        lock: the cluster's: whoever looks at a migration and then acts on what it saw holds it.

    Attributes:
        clock: as given.
        runs: every migration, in the order of their beginning.
        is_acting: whether what happens now is a script's doing or a deed's, in whatever call that shows.
        moved: what scripts have moved behind everybody's back, in MiB, by node and instance.
        on_pause: called with node, instance and its new state, where a migration pauses it or lets it run.
        scripts: how the next ones go.
        on_loss: called with the name of an instance that is lost as the test wanted it.
        listeners: called where the time has moved, or a migration has ended; under the lock.
    """

    def __init__(self, clock: Clock, lock: Lock) -> None:
        self.clock = clock
        self.is_acting = False
        self.moved: dict[tuple[str, str], int] = {}
        self.on_pause: Callable[[str, str, _Pause], None] = lambda _node, _instance, _state: None
        self.on_loss: Callable[[str], None] = lambda _instance: None
        self._lock = lock
        self.runs: list[Run] = []
        self._active: dict[str, Run] = {}
        self._open: dict[str, list[Run]] = {}
        self._latest: dict[str, Run] = {}
        self._leaving: dict[tuple[str, str], Run] = {}
        self._arriving: dict[tuple[str, str], Run] = {}
        self.scripts = Scripts(lock)
        self.listeners: list[Callable[[], None]] = []
        self._due: list[tuple[Fraction, int, Run]] = []
        self._tickets = itertools.count()
        clock._on_move = self.settle

    @under_lock
    def snapshots(self, node: str | None = None) -> list[Migration]:
        """Return every migration in the order in which they began; of a node, those from it and to it."""
        return [
            run.snapshot() for run in self.runs if node is None or node in (run.source_name, run.target_name)
        ]

    @under_lock
    def latest(self, instance: str) -> Migration | None:
        """Return an instance's newest migration, if it had any."""
        run = self._latest.get(instance)
        return run.snapshot() if run else None

    def leaving(self, node: str, instance: str) -> Run | None:
        """Return the newest migration of an instance from a node."""
        return self._leaving.get((node, instance))

    def arriving(self, node: str, instance: str) -> Run | None:
        """Return the newest migration of an instance to a node."""
        return self._arriving.get((node, instance))

    def open_of(self, instance: str) -> Sequence[Run]:
        """Return an instance's migrations that are still to be finalized somewhere, the newest last."""
        return self._open.get(instance, ())

    @property
    def open_runs(self) -> list[Run]:
        """The migrations that are still to be finalized somewhere, in the order of their beginning."""
        with self._lock:
            return sorted(itertools.chain(*self._open.values()), key=attrgetter("number"))

    # The interface's side

    def begin(
        self,
        instance: str,
        *,
        source: Store,
        source_name: str,
        target: Store | None,
        target_name: str,
        live: bool,
        is_accepted: bool,
        call: Call | None,
    ) -> None:
        """Begin a migration; a non-live one pauses the instance first.

        Raises:
            RefusedError: the instance doesn't run on the source, or is migrating already.
            DeclarationError: the test scripted what a non-live migration can't do.
        """
        path = source.path(instance)
        with self._lock:
            record = source.read(path)
            if record is None:
                raise RefusedError("not running")
            if not is_amount(record.memory):  # by a file that somebody else wrote
                raise RefusedError(f"it can't have {record.memory} MiB of memory")
            if instance in self._active:
                raise RefusedError(f"already migrating to {self._active[instance].target_name}")
            last = self.leaving(source_name, instance)
            if last and last.awaits_source:
                raise RefusedError(f"it has migrated to {last.target_name}, and is to be finalized first")
            script = self.scripts.next_of(instance)
            spec = script.spec if script else None
            if spec and spec.postcopy is not None and not live:
                raise DeclarationError(
                    f"the migration of {instance} is scripted as postcopy, which a non-live one can't be"
                )
            if record.is_paused:  # also for an earlier migration, which nobody ended: so it stays
                record = record._replace(pause="paused")
            run = Run(
                number=len(self.runs) + 1,
                instance=instance,
                source=source,
                source_name=source_name,
                target=target,
                target_name=target_name,
                live=live,
                record=record,
                total_ram=record.memory,
                spec=spec,
                origin=script.origin if script else None,
                course=spec.course(record.memory, runs=live and not record.is_paused) if spec else None,
                clock=self.clock,
                started=self.clock.exact_now,
                is_accepted=is_accepted,
                call=call,
            )
            if run.has_paused:
                source.change(path, lambda now: now._replace(pause="migrating"))
                self.on_pause(source_name, instance, "paused")
            if script:
                self.scripts.use(script)
            self.runs.append(run)
            self._active[instance] = self._latest[instance] = run
            self._open.setdefault(instance, []).append(run)
            if last:
                last.successor = call
            self._leaving[source_name, instance] = run
            self._arriving[target_name, instance] = run
            self.schedule(run)

    def resume(self, node: str, store: Store, instance: str) -> None:
        """Let an instance on a node run again that a migration paused, whoever began that.

        Raises:
            OSError: its file can't be read or written.
        """
        path = store.path(instance)
        with self._lock, suppress(RefusedError, FileNotFoundError):  # nothing says of it that it is paused
            if (record := store.read(path)) and record.pause == "migrating":
                store.change(path, lambda now: now._replace(pause=None))
                self.on_pause(node, instance, "resumed")

    def poll(self, node: str, instance: str) -> MigrationStatus:
        """Say, on the source, how far a migration is; one that never began counts as completed.

        The latter is as in Ganeti's fake hypervisor.
        """
        self.clock._poll()  # not under the lock: an event may come due
        with self._lock:
            run = self.leaving(node, instance)
            if run is None:
                return MigrationStatus(status="completed")
            if not run.is_reported:
                run.polls += 1
                if run.is_active and (run.spec is None or run.spec.polls == run.polls):
                    self._finish(run)
                if run.is_active and not run.is_still_there:
                    self._lose(run)
                run.is_reported = not run.is_active
            return run.status

    @under_lock
    def finalize_source(self, run: Run, *, success: bool) -> None:
        """Note that a migration was finalized on the source; the first time counts.

        With success, an instance that is paused for an earlier migration, which nobody ended, stays so.
        """
        if run.is_active and success and run.spec is not None:
            self._end(run, "failed", f"finalized on {run.source_name} before it completed", is_wanted=False)
        else:
            self._end_finalized(run, run.source_name, success=success)
        run.finalize_on_source(success=success)
        for each in self._open.get(run.instance, []):  # forgotten, with nothing else left of them here
            if each.source_name == run.source_name and each is not run and not (success and each.has_paused):
                each.finalize_on_source(success=False)
        self._close(run.instance)

    @under_lock
    def finalize_target(self, run: Run, *, success: bool) -> None:
        """Note that a migration was finalized on the target; the first time counts."""
        if run.spec is None or not success:
            self._end_finalized(run, run.target_name, success=success)
        run.finalize_on_target(success=success)
        for each in self._open.get(run.instance, []):
            if each.target_name == run.target_name and each is not run:
                each.finalize_on_target(success=False)
        self._close(run.instance)

    @under_lock
    def node_went_down(self, node: str) -> None:
        """Note that what ran on a node is gone, and with it what was on the way from or to it."""
        for run in list(self._active.values()):
            if node in (run.source_name, run.target_name):
                self._end(run, "failed", f"{node} went down")
        for run in self.open_runs:
            if node in (run.source_name, run.target_name):
                run.lost_nodes.add(node)
                self._close(run.instance)

    def was_paused(self, node: str, instance: str, *, paused: bool) -> None:
        """Note that the test has paused an instance on a node, or let it run again."""
        with self._lock:
            run = self._active.get(instance)
            if run and run.live and run.source_name == node:
                (run.pause if paused else run.resume)()
                self.schedule(run)

    def was_renamed(self, node: str, instance: str, name: str) -> None:
        """Note that an instance that has come to a node is called something else there; under the lock."""
        if run := self.arriving(node, instance):
            run.renamed = name
            self._arriving[node, name] = run

    def was_killed(self, node: str, instance: str) -> None:
        """Note that what there was of an instance on a node has ended by itself."""
        with self._lock:
            run = self._active.get(instance)
            if run and node in (run.source_name, run.target_name):
                self._end(run, "failed", f"{instance} was killed on {node}")
            elif (run := self.arriving(node, instance)) and run.has_arrived:
                run.lost_nodes.add(node)
                self._close(run.instance)

    def instance_stopped(self, run: Run) -> None:
        """Note that an instance was stopped on the source: even if it is started again, that is another."""
        if run.is_active and not run.is_still_there:
            self._lose(run)

    # The test's side

    def cancel(self, instance: str, by: str = "the test") -> None:
        """Cancel a migration, and note who did."""
        with self._lock:
            run = self._running(instance)
            if run.is_postcopy:
                problem = f"the migration of {instance} goes on as postcopy and can't be cancelled"
                raise DeclarationError(problem)
            self._end(run, "cancelled", f"cancelled by {by}")

    def fail(self, instance: str, reason: str = "failed by the test") -> None:
        """Make a migration fail, and note why."""
        with self._lock:
            self._end(self._running(instance), "failed", reason)

    def complete(self, instance: str) -> None:
        """Complete a migration at once."""
        with self._lock:
            run = self._running(instance)
            if run.is_still_there:
                self._end(run, "completed", "completed by the test")
            else:
                self._lose(run)

    def start_postcopy(self, instance: str) -> None:
        """Let a scripted migration go on as postcopy from now on."""
        with self._lock:
            run = self._running(instance)
            problem = None
            if run.course is None:
                problem = "is not scripted, so that it has no RAM to send"
            elif not run.live:
                problem = "is not live"
            elif run.is_postcopy:
                problem = "is postcopy already"
            if run.course is None or problem:
                raise DeclarationError(f"the migration of {instance} {problem}")
            postcopy = run.course.with_postcopy(run.elapsed)
            if run.spec is None or run.spec.at is not None or run.spec.polls is not None:  # that still counts
                postcopy = replace(postcopy, lasts=run.course.lasts)
            run.course = postcopy
            self.schedule(run)

    @under_lock
    def settle(self) -> None:
        """End what is due."""
        now = self.clock.exact_now
        while self._due and self._due[0][0] <= now:
            due, _, run = self._due[0]
            if run.is_active and run.due == due:
                self._finish(run, due)
            heapq.heappop(self._due)  # not before it has worked
        for each in self.listeners.copy():
            each()

    # Inside

    def _close(self, instance: str) -> None:
        """Forget the migrations that are finalized wherever they can be."""
        self._open[instance] = [run for run in self._open.get(instance, []) if run.open_nodes]
        if not self._open[instance]:
            del self._open[instance]

    def schedule(self, run: Run) -> None:
        """Let a migration end when it is due, which may be now."""
        if run.due is not None:
            heapq.heappush(self._due, (run.due, next(self._tickets), run))
            self.settle()

    def _running(self, instance: str) -> Run:
        self.settle()
        if instance not in self._active:
            others = f"these are: {listed(self._active)}" if self._active else "nothing is"
            raise DeclarationError(f"{shown(instance)} is not migrating; {others}")
        return self._active[instance]

    def _finish(self, run: Run, when: Fraction | None = None) -> None:
        """Let a migration end as it was to end."""
        outcome: Outcome = run.spec.outcome if run.spec else "completed"
        if not run.is_still_there:
            self._lose(run, when)
            return
        try:
            self.is_acting = True
            if outcome == "failed_but_moved":
                run.has_moved = self._move(run)
            run.is_lost = outcome == "completed_but_lost"
            self._end(run, _REPORTED[outcome], None, when)
        finally:
            self.is_acting = False

    def _lose(self, run: Run, when: Fraction | None = None) -> None:
        self._end(run, "failed", f"{run.instance} no longer runs on {run.source_name}", when, is_wanted=False)

    def _move(self, run: Run) -> bool:
        """Move an instance behind everybody's back; tell whether that worked: else it stays where it was."""
        if run.target is None:
            return False
        run.remember()
        try:
            before = run.source.read(run.source.path(run.instance))
            run.drop()
        except (OSError, HypervisorError):  # it can't be taken away
            return False
        try:
            self._put(run.target_name, run.target, run.instance, run.record)
            self.moved[run.target_name, run.instance] = run.record.memory
        except FileExistsError:
            return True  # it meets its like there
        except (OSError, HypervisorError):  # the target is full, read-only, or gone
            try:
                self._put(run.source_name, run.source, run.instance, before or run.record)
            except OSError:  # the source is by now, too
                self.on_loss(run.instance)
            return False
        return True

    def _put(self, node: str, store: Store, instance: str, record: Record) -> None:
        store.create(store.path(instance), record)
        if record.is_paused:
            self.on_pause(node, instance, "paused")

    def _end_finalized(self, run: Run, node: str, *, success: bool) -> None:
        if run.is_active:
            reason = f"finalized on {node} before it ended" if success else None
            self._end(run, "completed" if success else "cancelled", reason, is_wanted=False)

    def _end(
        self,
        run: Run,
        outcome: MigrationState,
        reason: str | None,
        when: Fraction | None = None,
        *,
        is_wanted: bool = True,
    ) -> None:
        """Let a migration end: as the test wanted it, or else by what a call of the program did."""
        # Before anything looks at it: the clock may be far beyond this time.
        run.ended = self.clock.exact_now if when is None else when
        if outcome == "completed":
            run.remember()  # what the source may take with it when it goes down now
        if run.is_postcopy and outcome != "completed" and not run.has_moved:
            # Half of its memory is on each side: nobody can go on with it.
            outcome = "failed"
            try:
                run.drop()
            except OSError:  # it runs on
                if not is_wanted:  # then the call has failed, and the migration goes on
                    run.ended = None
                    raise
            else:
                if is_wanted:
                    self.on_loss(run.instance)
        run.has_lost_instance = outcome != "completed" and not (run.has_moved or run.is_still_there)
        run.outcome, run.reason = outcome, reason
        del self._active[run.instance]
        for each in self.listeners.copy():
            each()
