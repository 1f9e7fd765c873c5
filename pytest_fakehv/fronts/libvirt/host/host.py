"""One host: what its clients ask of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from pytest_fakehv.calls.callers import called_from
from pytest_fakehv.checks import DeclarationError
from pytest_fakehv.fronts.libvirt.errors import Code, ConnectionLost, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host import changes, firmware, lies, needs, saves
from pytest_fakehv.fronts.libvirt.host.apis import APIS, About, Api, Progress
from pytest_fakehv.fronts.libvirt.host.audience import Client
from pytest_fakehv.fronts.libvirt.host.befalling import Befalling
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks.chain import detected
from pytest_fakehv.fronts.libvirt.host.disks.job import Stop
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domains import Known
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.guests.agents import Agents
from pytest_fakehv.fronts.libvirt.host.nodedevices.devices import NodeDevices
from pytest_fakehv.fronts.libvirt.host.registry import no_domain
from pytest_fakehv.fronts.libvirt.host.secrets.secrets import Secrets
from pytest_fakehv.fronts.libvirt.host.snapshots.tree import Snapshot, no_snapshot
from pytest_fakehv.fronts.libvirt.host.storage import disks, opening
from pytest_fakehv.fronts.libvirt.host.storage.pools import Pools
from pytest_fakehv.fronts.libvirt.host.storage.space import Spaces
from pytest_fakehv.fronts.libvirt.host.waiting import acquired
from pytest_fakehv.fronts.libvirt.host.words import Shutoff
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.fronts.libvirt.translation import Machine
from pytest_fakehv.fronts.libvirt.values import Notice, SnapshotRef
from pytest_fakehv.interface.errors import NodeDownError
from pytest_fakehv.storage.locks import under_lock
from pytest_fakehv.story.chronicle import Deed
from pytest_fakehv.text import shown_error

__tracebackhide__ = True  # a failed call is shown at the line that made it

_NOT_DONE: Final = object()
"""Stands for what a call returns that has no effect."""


class Host(Befalling):
    """What one node of the cluster does as a host of libvirt's clients.

    Args:
        machine: as for `Befalling`.
        known: as for `Befalling`.
        agents: as for `Befalling`.
        spaces: where all storage of the cluster's hosts is.

    Attributes:
        pools: its storage pools.
        secrets: its secrets.
        devices: what it has itself, as a machine.
        find_peer: returns the host that a URI, a socket's path or a name means; None for no node's.
        clings: tells whether the guest of a domain, by its name, lets go of no device.
        failing: returns where a job that begins now fails as a test says, by the names of the domain and the
            disk; None for one of which it says nothing.
        all_hosts: returns the cluster's hosts that any client has asked for, this one with them.
    """

    find_peer: Callable[[str], "Host | None"] = staticmethod(lambda _place: None)
    all_hosts: Callable[[], "list[Host]"] = staticmethod(list)
    clings: Callable[[str], bool] = staticmethod(lambda _name: False)
    failing: Callable[[str, str], Stop | None] = staticmethod(lambda _domain, _disk: None)

    def __init__(self, machine: Machine, known: Known, agents: Agents, spaces: Spaces) -> None:
        self.pools = Pools(machine, spaces, self._tell_of_pool)
        super().__init__(machine, known, agents)  # which looks at what runs there by now
        self._tied: dict[Session, WeakKeyDictionary[Domain, None]] = {}
        self.secrets = Secrets(self.audience.tell)
        self.devices = NodeDevices(self.hardware, self.audience.tell)

    def _tell_of_pool(self, notice: Notice) -> None:
        self.audience.tell(notice)  # which isn't there as the pools are made

    def detected(self, definition: Definition) -> Definition:
        """Return by what a domain runs, as far as its pools know what is beneath its disks."""
        return detected(definition, self.pools.backing_at)

    def _placed(self, definition: Definition) -> Place:
        firmware.keep(self.pools, definition, self.machine.now)
        return super()._placed(definition)

    def befell(self, what: Deed) -> None:
        """Note what the test has done to the node; called under the lock."""
        super().befell(what)
        if what in {"crash", "remove_node"}:
            self.pools.goes_down()
            self.secrets.goes_down()
            self.devices.goes_down()
        if what == "remove_node":
            self.pools.leaves()

    def boots(self) -> None:
        """Start what is to start with the host: pools first."""
        with self._lock:
            self.pools.boots()
        super().boots()

    def starts_itself(self, domain: Domain, definition: Definition, *, paused: bool = False) -> None:
        """Start a domain with the host: one that it has saved goes on.

        Raises: as `Befalling.starts_itself`, and LibvirtError as `saves.managed`.
        """
        with self._lock:
            saved = saves.managed(self.pools, domain)
        if saved is None:
            super().starts_itself(domain, definition, paused=paused)
            return
        domain.starting, domain.starts_by = saved.definition, changes.RESTORED
        try:
            super().starts_itself(domain, saved.definition, paused=not saved.runs)
        finally:
            domain.starting = domain.starts_by = None
        with self._lock:
            saves.remove_managed(self.pools, domain)

    def knows(self, name: str) -> bool:
        """Tell whether it does anything for a function of libvirt's."""
        return name in APIS

    def may_block(self, name: str, _arguments: tuple[Any, ...]) -> bool:
        """Tell whether answering a call may wait for something, or run code that isn't ours."""
        api = APIS[name]
        may_wait = self.machine.may_block or api.has_job or api.waits
        return may_wait or (api.runs_instances and self.machine.has_own_code)

    def open(self, session: Session, uri: str | None, flags: int) -> None:
        """Let a client in.

        Raises:
            LibvirtError: a fault says so.
            ConnectionLost: the node does not answer.
        """
        self.audience.add(session)
        try:
            self.answer(session, "virConnectOpen", (uri, flags))
        except BaseException:
            self.audience.remove(session)
            raise

    def tie(self, session: Session | None, domain: Domain) -> bool:
        """Note what of a domain may end with a client, None for none; tell whether that is still there."""
        with self._lock:
            if session and not self.audience.find(session):
                return False
            if session:
                self._tied.setdefault(session, WeakKeyDictionary())[domain] = None
            return True

    def closed(self, session: Session) -> None:
        """Note that a client is gone, by whoever's doing; what was to end with it ends."""
        with self._lock:
            client, tied = self.audience.remove(session), list(self._tied.pop(session, ()))
        if client is None:  # its host went down before
            return
        for domain in filter(self.has, tied):
            with self._lock:
                for move in (domain.outgoing, domain.incoming):
                    if move and move.session is session:
                        move.abandon()
            if domain.ends_with is session and domain.is_active:
                with suppress(LibvirtError, ConnectionLost):
                    self._end(client, domain)

    def answer(self, session: Session, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Do what a client asks for.

        Args:
            session: whose connection it came by.
            name: the function of libvirt's.
            arguments: in the table's order.

        Returns:
            The results, likewise.

        Raises:
            LibvirtError: it can't be done.
            ConnectionLost: the node does not answer.
        """
        api = APIS[name]
        if api.is_free:
            return _results(api.function(self, session, *arguments))
        done: Any = _NOT_DONE

        def effect(_node: object, *_seen: object) -> Any:
            nonlocal done
            api.check(arguments)
            if api.about not in _FINDERS:
                done = api.function(self, session, *arguments)
                return done
            found = self.found(api.about, arguments[0])
            domain = found.domain if api.about == "snapshot" else found
            with self.job(domain, api) if api.has_job else nullcontext():
                done = api.function(self, session, found, *arguments[1:])
            return done

        client = self.audience.find(session)
        if client is None:  # it is over
            raise ConnectionLost(f"{self.name} has closed the connection")
        said = self._pass(client, api, api.seen(arguments), effect)
        if said is done:
            return _results(said)
        try:
            return lies.told(self, api, arguments, said)
        except LibvirtError as error:
            self.machine.halted(DeclarationError(error.str2))
            raise

    def defect(self, api: str, error: Exception) -> None:
        """Let the test fail, whose mistake it is, or ours: its client may ignore what it is told."""
        what = f"{api} on {self.name} could not be answered: {shown_error(error)}"
        self.machine.halted(AssertionError(f"{what}; a fault's result must be what libvirt-python returns"))

    def found(self, about: About, ref: Any) -> Any:
        """Return what a client means: the domain, the storage pool, its volume, the network, the device.

        Args:
            about: which of these it is.
            ref: what refers to it.

        Raises:
            LibvirtError: it is no more.
        """
        return _FINDERS[about](self, ref)

    def _pass(self, client: Client, api: Api, seen: tuple[Any, ...], effect: Callable[..., Any]) -> Any:
        """Let a call of a client's pass the cluster's door.

        Raises:
            LibvirtError: it can't be done.
            ConnectionLost: the node does not answer.
        """
        with called_from(*client.peer.caller(api.name)):
            try:
                return self.pass_door(api, seen, effect)
            except Exception:
                raise
            except BaseException as error:  # it ends more than the call
                self.machine.halted(error)
                client.peer.halt(api.name, error)
                raise

    def pass_door(self, api: Api, seen: tuple[Any, ...], effect: Callable[..., Any]) -> Any:
        """Let a call pass the cluster's door, and undo what is left of one that has failed.

        Of one that only nobody hears the answer to, nothing is undone: whoever is connected is gone soon.

        Raises:
            LibvirtError: it can't be done.
            ConnectionLost: the node does not answer.
        """
        progress: Progress = "before"

        def tracked(*given: Any) -> Any:
            nonlocal progress
            progress = "during"
            result = effect(*given)
            progress = "after"
            return result

        try:
            return self.machine.pass_door(api, seen, tracked if api.undo else effect)
        except NodeDownError as error:
            raise ConnectionLost(str(error)) from error
        except BaseException as error:
            if api.undo:
                api.undo(self, seen, progress)
            if self.is_silent:  # whatever it says, nobody hears it
                raise ConnectionLost(f"{self.name} is cut off") from error
            raise

    def _end(self, client: Client, domain: Domain) -> None:
        """Stop a domain whose client is gone.

        Raises:
            LibvirtError: it can't be stopped.
            ConnectionLost: the node does not answer.
        """
        self._pass(
            client,
            APIS["virDomainDestroy"],
            (domain.name,),
            lambda _node, name: self.machine.stop(name, force=True),
        )

    # What takes a while

    def job(self, domain: Domain, api: Api) -> "_Job":
        """Have, for a ``with`` block, the right to change a domain.

        Raises:
            LibvirtError: somebody else goes on with it too long; or meanwhile it has gone.
        """
        return _Job(self, domain, api)

    def take_job(self, domain: Domain, doing: str) -> None:
        """Have the right to change a domain, until its job is released.

        Args:
            domain: which.
            doing: what is done, in the daemon's words.

        Raises:
            LibvirtError: somebody else goes on with it too long; or meanwhile it has gone.
        """
        if not acquired(domain, self.machine):
            raise failure(
                Code.OPERATION_TIMEOUT,
                f"cannot acquire state change lock (held by monitor={domain.doing})",
                origin=Origin.NONE,
            )
        domain.doing = doing
        if not self.has(domain):
            domain.job.release()
            raise no_domain(domain.ref)

    def start(
        self,
        domain: Domain,
        definition: Definition,
        *,
        paused: bool,
        ends_with: Session | None = None,
        by: str | None = None,
    ) -> None:
        """Start a domain, by the interface's calls.

        Args:
            domain: which; its job is the caller's.
            definition: by what.
            paused: whether it starts paused.
            ends_with: the client with whose connection it ends; None for none.
            by: as if by which call it is to be told; None for as by the one that is made.

        Raises:
            LibvirtError: it runs by now, doesn't fit, or lacks a network or a disk.
            HypervisorError: it can't be started.
        """
        with self._lock:
            definition = disks.without_missing(self.pools, definition)
        domain.starting, domain.starts_by, domain.ends_with = definition, by, ends_with
        self.tie(ends_with, domain)
        try:
            self._check_is_called_alone(domain)
            self._check_starts(domain, definition)
            self.machine.start(domain.name, definition.current_memory, definition.vcpus, paused=paused)
        except BaseException:
            domain.ends_with = None  # whoever starts it later may mean it to stay
            raise
        finally:
            domain.starting = domain.starts_by = None
            self._forget_unless_there(domain)
        if ends_with and not self.audience.find(ends_with):  # it has gone meanwhile
            self.machine.stop(domain.name, force=True)

    def check_can_start(self, definition: Definition) -> None:
        """Refuse a domain that lacks what it needs, or whose disks are in use; called under the lock.

        Raises:
            LibvirtError: it does, or one is.
        """
        self._check_needs(definition)
        opening.check(self.pools, definition, map(_open, self._running()), self.machine.now)

    def opened(self, domain: Domain, definition: Definition | None = None) -> opening.Opened:
        """Return what is open here, to which a domain that runs opens more; called under the lock.

        Args:
            domain: that domain.
            definition: by what it would run; None for that by which it does.
        """
        own, others = _open(domain), (each for each in self._running() if each is not domain)
        own = own._replace(definition=definition or domain.definition)
        return opening.Opened(self.pools, own, tuple(map(_open, others)))

    def _running(self) -> Iterator[Domain]:
        # One that comes here has its disks only once it is here.
        yield from (each for each in self.domains if each.is_active and not each.incoming)

    @under_lock
    def _check_starts(self, domain: Domain, definition: Definition) -> None:
        """Refuse a domain that can't start; it has had a number.

        Raises:
            LibvirtError: it can't.
        """
        try:
            self.check_can_start(definition)
        except LibvirtError:
            self.loses_id()
            domain.reason = Shutoff.FAILED
            raise

    @under_lock
    def check_can_come(self, definition: Definition) -> None:
        """Refuse a domain that is to come here, and lacks what it needs; it has had a number.

        Raises:
            LibvirtError: it does.
        """
        try:
            self._check_needs(definition)
        except LibvirtError:
            self.loses_id()
            raise

    @property
    def offer(self) -> needs.Offer:
        """What the host has that a domain may need."""
        return needs.Offer(self.hardware, self.secrets)

    def loses_id(self) -> None:
        """Give a number to a domain that doesn't come to run; called under the lock."""
        self._places.lose_id()

    def _check_needs(self, definition: Definition) -> None:
        self.networks.check(definition)
        disks.check_there(self.pools, definition)
        needs.check(definition, self.offer)
        firmware.check(self.pools, definition)

    @under_lock
    def _check_is_called_alone(self, domain: Domain) -> None:
        """Refuse to start a domain while another one comes here by its name, and is to get a new one."""
        other = self._registry.of_instance(domain.name)
        if other and other.incoming:
            problem = (
                f"domain '{domain.name}' can't start while another one of that name comes here "
                f"as '{other.name}'"
            )
            raise failure(Code.OPERATION_INVALID, problem)

    @under_lock
    def _forget_unless_there(self, domain: Domain) -> None:
        """Have no domain that was to be there while it runs, if it doesn't."""
        if self.has(domain) and not (domain.is_active or domain.is_persistent):
            self.drop(domain)


def _open(domain: Domain) -> opening.Running:
    """Return what a domain that runs has open."""
    written = tuple(each.writes for each in domain.disk_jobs.running.values() if each.writes)
    return opening.Running(domain.definition, written)


class OfDomain(NamedTuple):
    """What is one domain's: a snapshot of it."""

    domain: Domain
    snapshot: Snapshot


def _find_snapshot(host: Host, ref: SnapshotRef) -> OfDomain:
    """Return the snapshot that a client means.

    Raises:
        LibvirtError: it is no more.
    """
    domain = host.find(ref.domain)
    if snapshot := domain.snapshots.by_name(ref.name):
        return OfDomain(domain, snapshot)
    raise no_snapshot(f"no domain snapshot with matching name '{ref.name}'")


class _Job:
    """The right to change a domain, for a ``with`` block."""

    def __init__(self, host: Host, domain: Domain, api: Api) -> None:
        self._host = host
        self._domain = domain
        self._api = api

    def __enter__(self) -> None:
        self._host.take_job(self._domain, self._api.remote_name)

    def __exit__(self, *_error: object) -> None:
        self._domain.job.release()


_FINDERS: Final[Mapping[About, Callable[[Host, Any], Any]]] = {
    "domain": Host.find,
    "pool": lambda host, ref: host.pools.find(ref),
    "volume": lambda host, ref: host.pools.find_volume(ref),
    "network": lambda host, ref: host.networks.find(ref),
    "secret": lambda host, ref: host.secrets.find(ref),
    "device": lambda host, ref: host.devices.find(ref),
    "snapshot": _find_snapshot,
}
"""How what a client means is found, by what it is."""


def _results(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return value if type(value) is tuple else (value,)
