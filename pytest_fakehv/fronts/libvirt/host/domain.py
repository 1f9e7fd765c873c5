"""A domain as one host knows it: its definitions, its id, its state."""

from dataclasses import dataclass, field
from enum import IntEnum
from threading import Lock

from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.words import Paused, Running, Shutoff, State
from pytest_fakehv.fronts.libvirt.values import DomainRef


@dataclass(eq=False, kw_only=True)
class Domain:
    """A domain of one host; changed under the cluster's lock alone.

    Attributes:
        name: its name.
        uuid: its 16 bytes.
        config: its persistent definition; None for a transient one.
        live: the definition that it runs by; None for what is shut off.
        id: its number while it runs; else -1.
        autostart: whether it starts with its host.
        state: what it does.
        reason: why.
        since: when it was started, in seconds of the cluster's clock.
        ends_with: the session with which it ends; None for none.
        job: held by the call that changes it.
        doing: the name of that call.
    """

    name: str
    uuid: bytes
    config: Definition | None
    live: Definition | None = None
    id: int = -1
    autostart: bool = False
    state: State = State.SHUTOFF
    reason: IntEnum = Shutoff.UNKNOWN
    since: float = 0
    ends_with: object | None = None
    job: Lock = field(default_factory=Lock)
    doing: str = ""

    @property
    def ref(self) -> DomainRef:
        """What clients know it by."""
        return DomainRef(self.name, self.uuid, self.id)

    @property
    def is_active(self) -> bool:
        """Whether it runs, or is paused."""
        return self.id != -1

    @property
    def is_paused(self) -> bool:
        """Whether it is paused."""
        return self.state == State.PAUSED

    @property
    def is_persistent(self) -> bool:
        """Whether it is there when it doesn't run."""
        return self.config is not None

    @property
    def definition(self) -> Definition:
        """The definition that counts now."""
        definition = self.live or self.config
        assert definition is not None  # one that has neither is no more  # noqa: S101
        return definition

    def runs(self, number: int, definition: Definition, now: float) -> None:
        """Note that it runs from now on, at a time of the cluster's."""
        self.id, self.live, self.since = number, definition, now
        self.state, self.reason = State.RUNNING, Running.BOOTED

    def pauses(self, reason: Paused) -> None:
        """Note that it is paused from now on."""
        self.state, self.reason = State.PAUSED, reason

    def resumes(self, reason: Running) -> None:
        """Note that it runs again from now on."""
        self.state, self.reason = State.RUNNING, reason

    def stops(self, reason: Shutoff) -> None:
        """Note that it is shut off from now on."""
        self.id, self.live, self.ends_with = -1, None, None
        self.state, self.reason = State.SHUTOFF, reason
