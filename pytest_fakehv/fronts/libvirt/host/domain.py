"""A domain as one host knows it: its definitions, its id, its state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock
from typing import NamedTuple

from pytest_fakehv.calls.journal import Call
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks.checkpoints import Checkpoints
from pytest_fakehv.fronts.libvirt.host.disks.jobs import DiskJobs
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.moves import Incoming, Outgoing
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import Snapshots
from pytest_fakehv.fronts.libvirt.host.words import Paused, Running, Shutoff, State
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.values import NO_ID, DomainRef, Parameter


class Measured(NamedTuple):
    """How it was measured how much of a domain's memory is written to."""

    since: float
    """When that began, in seconds of the cluster's clock."""
    seconds: int
    """How long it takes."""

    @property
    def ends(self) -> float:
        """When that ends, in seconds of the clock."""
        return self.since + self.seconds


@dataclass(eq=False, kw_only=True)
class Domain:
    """A domain of one host; changed under the cluster's lock alone.

    Attributes:
        definition: what counts now: what it runs by, or would.
        config: its persistent definition; None for a transient one.
        was_defined: whether it has, or had, one.
        starting: what it is being started by; None where it isn't.
        starts_by: as if by which call its start is to be told; None for as by the one that is made.
        place: where on the host it runs; None for what is shut off.
        autostart: whether it starts with its host.
        set_by: the call that said so; None for none.
        state: what it does.
        reason: why.
        since: when it was started, in seconds of the cluster's clock.
        clock: what says that clock's time, once a host has the domain.
        measured: how it was measured last, since then, how fast its memory is written to; None for never.
        fixed_vcpus: how many of its CPUs can't be taken away while it runs: as a rule, those at its start.
        sources: how many sources its disks have had since it was started.
        is_tainted: whether a client has sent a command of its own to the agent in its guest.
        lagging: what it has of memory, in KiB, until its guest runs and gives or takes the rest; None where
            it has what it should.
        wanted: how much memory a client is giving it, in KiB; None where none does.
        ends_with: the session with which it ends; None for none.
        job: held by the call that changes it.
        doing: the name of that call.
        lines: what ends whoever is at a console or a channel of it, by its name.
        outgoing: its migration from here; None where it has none.
        incoming: its migration to here, likewise.
        completed: the figures of its last job that has completed; None for none.
        max_speed: at most how much is sent of it in a second, in MiB; None where no client has said that.
        snapshots: those that were taken of it.
        max_downtime: at most how long it is stopped for a migration, in ms; None likewise.
        disk_jobs: what is being done with its disks.
        checkpoints: its checkpoints.
    """

    definition: Definition
    config: Definition | None = None
    was_defined: bool = False
    starting: Definition | None = None
    starts_by: str | None = None
    place: Place | None = None
    autostart: bool = False
    set_by: Call | None = None
    state: State = State.SHUTOFF
    reason: IntEnum = Shutoff.UNKNOWN
    since: float = 0
    clock: Callable[[], float] = field(default=lambda: 0.0)
    measured: Measured | None = None
    fixed_vcpus: int = 0
    sources: int = 0
    is_tainted: bool = False
    lagging: int | None = None
    wanted: int | None = None
    ends_with: Session | None = None
    job: Lock = field(default_factory=Lock)
    doing: str = ""
    lines: dict[str, Callable[[], object]] = field(default_factory=dict)
    outgoing: Outgoing | None = None
    incoming: Incoming | None = None
    completed: list[Parameter] | None = None
    max_speed: int | None = None
    max_downtime: int | None = None
    snapshots: Snapshots = field(default_factory=Snapshots)
    disk_jobs: DiskJobs = field(default_factory=DiskJobs)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    _worked: float = 0
    _goes_on: float = 0
    _ref: DomainRef | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    @property
    def instance(self) -> str:
        """What the cluster calls it: what it was called where it comes from, until it has arrived."""
        return self.incoming.instance if self.incoming else self.name

    @property
    def uuid(self) -> bytes:
        """Its 16 bytes."""
        return self.definition.uuid

    @property
    def id(self) -> int:
        """Its number while it runs; else -1."""
        return self.place.id if self.place else NO_ID

    @property
    def ref(self) -> DomainRef:
        """What clients know it by."""
        known, number = self._ref, self.id
        if known is None or known.id != number or known.name != self.name:
            self._ref = known = DomainRef(self.name, self.uuid, number)
        return known

    @property
    def is_active(self) -> bool:
        """Whether it runs, or is paused."""
        return self.place is not None

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self.state == State.PAUSED

    @property
    def is_stranded(self) -> bool:
        """Whether it can never go on here: as postcopy, it has gone on elsewhere, whatever came of that."""
        return self.is_paused and self.reason in (Paused.POSTCOPY, Paused.POSTCOPY_FAILED)

    @property
    def worked(self) -> float:
        """For how many seconds of the cluster's clock it has run since it was started, without its pauses."""
        return self._worked + max(self.last_at_work - self._goes_on, 0)

    @property
    def last_at_work(self) -> float:
        """When it ran last, in seconds of that clock: now, or when it was paused."""
        return self.clock() if self.state == State.RUNNING else self._goes_on

    @property
    def speed(self) -> int | None:
        """At most how much is sent of it in a second, in MiB; None for as much as goes."""
        return (self.outgoing.speed if self.outgoing else None) or self.max_speed

    @property
    def is_persistent(self) -> bool:
        """Whether it is there when it doesn't run."""
        return self.config is not None

    @property
    def live(self) -> Definition | None:
        """What it runs by; None for what is shut off."""
        return self.definition if self.is_active else None

    def stays(self) -> None:
        """Note that it is moving no more, from here or to here."""
        if (self.outgoing and self.outgoing.holds_job) or self.incoming:
            self.job.release()
        self.outgoing = self.incoming = None

    def defined(self, config: Definition) -> None:
        """Note its persistent definition, from now on."""
        self.config, self.was_defined = config, True
        if not self.is_active:
            self.definition = config

    def runs(self, place: Place, definition: Definition, now: float) -> None:
        """Note that it runs by a definition from now on, at a time of the cluster's."""
        self.place, self.definition, self.since = place, definition, now
        self.state, self.reason = State.RUNNING, Running.BOOTED
        self._worked, self._goes_on, self.measured = 0, now, None
        self.fixed_vcpus = sum(not each.can_go for each in definition.cpus)
        self.lagging, self.max_downtime, self.is_tainted = None, None, False
        self.sources = len(definition.disks)

    def pauses(self, reason: Paused) -> None:
        """Note that it is paused from now on."""
        self._worked, self._goes_on = self.worked, self.last_at_work
        self.state, self.reason = State.PAUSED, reason

    def resumes(self, reason: Running) -> None:
        """Note that it runs again from now on."""
        if self.is_paused:
            self._goes_on = self.clock()
        self.state, self.reason = State.RUNNING, reason

    def stops(self, reason: Shutoff) -> None:
        """Note that it is shut off from now on."""
        self.place, self.ends_with, self.lagging = None, None, None
        self.disk_jobs.lose()
        self.state, self.reason = State.SHUTOFF, reason
        for hangs_up in list(self.lines.values()):
            hangs_up()
        if self.config:
            self.definition = self.config
