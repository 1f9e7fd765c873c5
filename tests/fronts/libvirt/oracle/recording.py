"""Runs a script on hosts, and keeps what they said."""

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import libvirt
import libvirt_qemu

from oracle.normal import FLEETING, normal

QUIET = 0.06
"""For how many seconds a real host must have said nothing to be taken to have said all."""

PATIENCE = 0.01
"""For how long nothing has to come before a second of a stand-in's clock passes."""

LONGEST = 20.0
"""For how many seconds what a script waits for may not happen."""

LIFECYCLE = {
    0: ("defined", ("added", "updated", "renamed", "from snapshot")),
    1: ("undefined", ("removed", "renamed")),
    2: ("started", ("booted", "migrated", "restored", "from snapshot", "wakeup")),
    3: (
        "suspended",
        ["paused", "migrated", "ioerror", "watchdog", "restored", "from snapshot", "api error", "postcopy"],
    ),
    4: ("resumed", ("unpaused", "migrated", "from snapshot", "postcopy", "postcopy failed")),
    5: ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot")),
    6: ("shutdown", ("finished", "guest", "host")),
    7: ("suspended by power management", ("memory", "disk")),
    8: ("crashed", ("panicked", "crashloaded")),
}

KINDS = {
    libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: "lifecycle",
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: "reboot",
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: "balloon",
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: "metadata",
}

AGENT = libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE

BLOCK_JOBS = {
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB: "block job",
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: "block job 2",
}

BLOCK_JOB_TYPES = ("unknown", "pull", "copy", "commit", "active commit", "backup")
BLOCK_JOB_STATES = ("completed", "failed", "canceled", "ready")

JOBS = {
    libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION: "iteration",
    libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: "job completed",
}


OF_DEVICES = {
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: "device added",
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: "device removed",
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: "device removal failed",
    libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE: "tray change",
}

NETWORK_LIFECYCLE = ("defined", "undefined", "started", "stopped")
SECRET_LIFECYCLE = ("defined", "undefined")
POOL_LIFECYCLE = ("defined", "undefined", "started", "stopped", "created", "deleted")

OBJECTS = {
    libvirt.virConnect: lambda value: "a connection",
    libvirt.virDomain: lambda value: {
        "domain": value.name(), "uuid": value.UUIDString(), "id": value.ID()
    },
    libvirt.virStream: lambda value: "a stream",
    libvirt.virNetwork: lambda value: {"network": value.name(), "uuid": value.UUIDString()},
    libvirt.virStoragePool: lambda value: {"pool": value.name(), "uuid": value.UUIDString()},
    libvirt.virStorageVol: lambda value: {"volume": value.name(), "key": value.key()},
    libvirt.virSecret: lambda value: {
        "secret": value.UUIDString(), "type": value.usageType(), "usage": value.usageID()
    },
    libvirt.virNodeDevice: lambda value: {"device": value.name()},
    libvirt.virDomainSnapshot: lambda value: {"snapshot": value.getName()},
    libvirt.virDomainCheckpoint: lambda value: {"checkpoint": value.getName()},
}  # fmt: skip
"""What a record shows of objects."""

NAMED = {
    libvirt.virDomain: "domain", libvirt.virNetwork: "network", libvirt.virStoragePool: "pool",
    libvirt.virStorageVol: "volume", libvirt.virDomainCheckpoint: "checkpoint",
    libvirt.virDomainSnapshot: "snapshot", libvirt.virSecret: "secret",
    libvirt.virNodeDevice: "device",
}  # fmt: skip
"""The objects that have names, and what a record calls them."""


class Ended(Exception):  # noqa: N818
    """A script can't go on: something that it needs was refused."""


class Definition(str):
    """A domain's XML, under a name that calls show."""

    __slots__ = ("shown",)


class Recording:
    """What hosts say to one script, as it runs.

    A call waits until its events are there, so that they stand at the call that brought them about. A real
    host sends them when it has time: it is waited for until it is quiet. Where there is a record, that has
    how many there are.

    Args:
        hosts: By name, what has `uri`, `read_only_uri`, `kill(name)` and `await_guest(name)`.
        expected: How many events each call has brought about elsewhere; None: that is to be found out.
    """

    def __init__(self, hosts, expected=None):
        self.hosts = hosts
        self.lines = []
        self._expected = expected
        self._events = []
        self._connections = []
        self._names = {}
        self._threads = ThreadPoolExecutor(50)
        self._timer = libvirt.virEventAddTimeout(-1, lambda *_: None, None)

    # What scripts use.

    def connect(self, host="node1", *, read_only=False, events=True, jobs=False, blocks=False):
        """Open a connection to a host, whose events, and those of jobs, stand at the calls to come.

        Those of jobs of disks by choice, too.
        """
        there = self.hosts[host]
        uri = there.read_only_uri if read_only else there.uri
        self._names[uri] = f"<{host}>"
        connection = self(libvirt.openReadOnly if read_only else libvirt.open, uri)
        name = f"{host} (read-only)" if read_only else host
        if name in self._names.values():
            name = f"{name} #{len(self._connections) + 1}"
        self._names[connection] = name
        if connection is None:
            raise Ended("no connection")
        self._connections.append(connection)
        if events:
            for kind in {**KINDS, **(JOBS if jobs else {}), **(BLOCK_JOBS if blocks else {})}:
                connection.domainEventRegisterAny(None, kind, self._receiver(kind, name), None)
        return connection

    def watch_networks(self, connection):
        """Let the events of networks stand at the calls to come, too."""
        name = self._names[connection]

        def receive(connection, network, event, detail, _):
            self._events.append(f"network {NETWORK_LIFECYCLE[event]}, {detail}: {network.name()} on {name}")

        connection.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE, receive, None)

    def watch_devices(self, connection):
        """Let the events of domains' devices stand at the calls to come, too."""
        for kind in OF_DEVICES:
            receiver = self._receiver(kind, self._names[connection])
            connection.domainEventRegisterAny(None, kind, receiver, None)

    def watch_pools(self, connection):
        """Let the events of storage pools stand at the calls to come, too."""
        for kind in (libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH):
            receiver = self._pool_receiver(self._names[connection])
            connection.storagePoolEventRegisterAny(None, kind, receiver, None)

    def watch_secrets(self, connection):
        """Let the events of secrets stand at the calls to come, too."""
        name = self._names[connection]

        def lifecycle(connection, secret, event, detail, _):
            self._events.append(
                f"secret {SECRET_LIFECYCLE[event]}, {detail}: {secret.UUIDString()} on {name}"
            )

        def changed(connection, secret, _):
            self._events.append(f"secret changed: {secret.UUIDString()} on {name}")

        kinds = libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED
        for kind, callback in zip(kinds, (lifecycle, changed), strict=True):
            connection.secretEventRegisterAny(None, kind, callback, None)

    def watch_agents(self, connection):
        """Let it stand at the calls to come, too, that agents of guests come and go."""
        receiver = self._receiver(libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, self._names[connection])
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, receiver, None)

    def agent(self, name, answers):
        """Let the agent of a domain's guest say other things from now on, and keep what comes of it.

        Args:
            name: The domain's.
            answers: By the name of a command, what it returns, as ``{"return": ...}``; or ``{"error": ...}``;
                or None for no answer. None in place of all: there is no agent.
        """
        for host in self.hosts.values():
            host.agent(name, answers)
        self._keep({"call": f"agent({name!r})", "api": "agent"}, None, None, 0.3)

    def __call__(self, function, *args, until=None, quiet=QUIET):
        """Call a function or a method of libvirt-python's, and keep what comes of it.

        Args:
            function: The function, or an object's method.
            args: Its arguments.
            until: How the event begins to which the call leads in a while ("lifecycle stopped", say).
            quiet: For how many seconds a real host must then have said nothing to be taken to have said all.

        Returns: What the call returned; None if it failed.
        """
        owner, line = self._called(function, args)
        line, result = self._made(line, function, args)
        if "error" in line:
            until = None
        self._keep(line, result if isinstance(result, libvirt.virDomain) else owner, until, quiet)
        return result

    def stream(self, connection):
        """Return a stream of a connection."""
        stream = connection.newStream()
        self._names[stream] = "stream"
        return stream

    def note(self, what, value):
        """Keep what was seen otherwise than by a call."""
        self._keep({"call": what, "api": what, "result": value}, None, None)

    def begin(self, function, *args, until=None, quiet=QUIET):
        """Begin a call that takes its time, and go on meanwhile; what is to come stands at this call's end.

        Args:
            function: The function, or an object's method.
            args: Its arguments.
            until: How the event begins to which the call leads before it has ended.
            quiet: As for other calls.

        Returns: What `end` is to be given.
        """
        owner, line = self._called(function, args)
        making = self._threads.submit(self._made, line, function, args)
        self._keep({**line, "call": f"begin {line['call']}"}, None, until, quiet)
        return owner, making

    def end(self, begun, *, hastened=None, races=False, quiet=QUIET):
        """Wait for the end of a call that was begun, and keep what came of it; return what it returned.

        Args:
            begun: What `begin` returned.
            hastened: What is done first, so that it comes to its end; None for nothing.
            races: Whether it is a race which error a real host has; that there is one is kept alone.
            quiet: As for other calls.
        """
        owner, making = begun
        if hastened:
            hastened()
        while not making.done():
            next(iter(self.hosts.values())).let_pass()
            self._pump(10)
        line, result = making.result()
        if races and "error" in line:
            line["error"] = ["one of several"]
        self._keep(line, owner, None, quiet)
        return result

    def virsh(self, *command, host="node1", until=None, given=None):
        """Run virsh in a process of its own, with what it is given to read, and keep what it printed."""
        env = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
        running = subprocess.Popen(
            ["virsh", "-c", self.hosts[host].uri, *command],
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip
        for _ in range(60):
            try:
                stdout, stderr = running.communicate(given, timeout=1)
                break
            except subprocess.TimeoutExpired:  # it waits for something that takes its time
                self.hosts[host].let_pass()
                given = None  # it has that
        else:
            running.kill()
            raise AssertionError(f"virsh {command} does not end")
        line = {"call": f"virsh {' '.join(map(shown_word, command))}", "api": f"virsh {command[0]}"}
        until = None if running.returncode else until
        self._keep(line | {"status": running.returncode, "stdout": stdout, "stderr": stderr}, None, until)

    def wait(self, until, host="node1"):
        """Let time pass until an event comes that begins so."""
        self._keep({"call": f"wait for {until!r}", "api": "wait"}, None, until)

    def kill(self, name, host="node1", *, until="lifecycle stopped", quiet=QUIET):
        """Let a domain's process end behind the host's back."""
        connection = next(each for each in reversed(self._connections) if self._names[each].startswith(host))
        domain = connection.lookupByName(name)
        self.hosts[host].kill(name)
        self._keep({"call": f"kill({name!r})", "api": "kill"}, domain, until, quiet)

    def await_guest(self, name, host="node1"):
        """Wait until what runs in a domain has come up, where there is something."""
        self.hosts[host].await_guest(name)

    # How it does that.

    def _called(self, function, args):
        """Return whose function it is, and the beginning of the call's line."""
        owner = getattr(function, "__self__", None)
        given = ", ".join(
            self._names.get(each) or shown(each)
            if isinstance(each, (str, libvirt.virConnect))
            else shown(each)
            for each in args
        )
        return owner, {
            "call": f"{self._shown_owner(owner)}.{function.__name__}({given})",
            "api": api(function),
        }

    @staticmethod
    def _made(line, function, args):
        """Make a call, and return its line with what came of it, and what it returned."""
        try:
            result = function(*args)
        except libvirt.libvirtError as error:
            # What Python says by itself has no error of libvirt's behind it.
            return {**line, "error": list(error.err) if error.err else [str(error)]}, None
        except LookupError as error:  # so does the binding, of an argument that it doesn't send
            return {**line, "error": [str(error)]}, None
        return {**line, "result": encoded(result)}, result

    def _shown_owner(self, owner):
        if owner is None:
            return "libvirt"
        return name_of(owner) if isinstance(owner, tuple(NAMED)) else self._names[owner]

    def _receiver(self, kind, place):
        def receive(connection, domain, *details):
            about = event(kind, details[:-1])
            self._events.append(f"{about}: {domain.name()} {domain.ID()} on {place}")

        return receive

    def _pool_receiver(self, place):
        def receive(connection, pool, *details):
            what = POOL_LIFECYCLE[details[0]] if len(details) > 1 else "refreshed"
            self._events.append(f"pool {what}: {pool.name()} on {place}")

        return receive

    def _keep(self, line, subject, until, quiet=QUIET):
        number = len(self.lines)
        wanted = self._expected[number] if self._expected and number < len(self._expected) else None
        self._settle(wanted, until, quiet)
        if isinstance(subject, libvirt.virDomain):
            try:
                line["state"] = subject.state()
            except libvirt.libvirtError:
                line["state"] = None
        asked = [each for host in self.hosts.values() for each in host.asked()]
        if asked:
            line["asked"] = asked
        if self._events:
            # There is an order on one connection alone. A real guest's BIOS resets once or twice more.
            events = sorted(self._events, key=lambda each: each.rpartition(" on ")[2])
            line["events"] = [
                each for each, last in zip(events, [None, *events], strict=False) if each != last
            ]
            self._events = []
        self.lines.append(normal(line))

    def _settle(self, wanted, until, quiet):
        if until == "reboot":
            quiet *= 5  # the BIOS resets once more
        deadline = time.monotonic() + (LONGEST if wanted is None else 0.5)
        last, seen = time.monotonic(), len(self._events)
        passed = last
        while time.monotonic() < deadline:
            self._pump(10 if wanted is None else 1)
            if len(self._events) != seen:
                last, seen = time.monotonic(), len(self._events)
            if wanted is not None:
                if seen >= wanted:
                    break
                # Some seconds alone: else, on a slow machine, much is over before its events are here.
                if until is not None and time.monotonic() - max(last, passed) > PATIENCE:
                    next(iter(self.hosts.values())).let_pass()
                    passed = time.monotonic()
            elif time.monotonic() - last > quiet and (
                until is None or any(each.startswith(until) for each in self._events)
            ):
                break
        else:
            if wanted is None:
                raise AssertionError(f"{until!r} did not happen; events: {self._events}")
        if wanted is not None:
            self._ask_all()

    def _ask_all(self):
        """Let an event too many, which was sent before an answer, be here as well."""
        for connection in self._connections:
            try:
                connection.getLibVersion()
            except libvirt.libvirtError:
                continue
        self._pump(0)

    def _pump(self, patience):
        """Let callbacks be called for at most some milliseconds."""
        libvirt.virEventUpdateTimeout(self._timer, patience)
        libvirt.virEventRunDefaultImpl()
        libvirt.virEventUpdateTimeout(self._timer, -1)

    def close(self):
        """Close what the script has left open."""
        self._threads.shutdown()
        libvirt.virEventRemoveTimeout(self._timer)
        for connection in self._connections:
            try:
                connection.close()
            except libvirt.libvirtError:
                continue


def event(kind, details):
    """Return an event in words."""
    if kind == libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE:
        number, reason = details
        word, reasons = LIFECYCLE[number]
        return f"lifecycle {word}, {reasons[reason]}"
    if kind == libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION:
        return JOBS[kind]  # how many there are is a matter of the machine's speed
    if kind in BLOCK_JOBS:
        disk, type_, status = details
        return f"{BLOCK_JOBS[kind]}, {BLOCK_JOB_TYPES[type_]} {BLOCK_JOB_STATES[status]}, {disk}"
    if kind == libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED:
        (figures,) = details
        count = len(set(figures) - FLEETING)
        return f"{JOBS[kind]}, operation {figures['operation']}, {count} figures"
    if kind == AGENT:
        return " ".join(["agent", *map(str, details)])
    return " ".join([{**KINDS, **OF_DEVICES}[kind], *map(str, details)])


def api(function):
    """Return the name of the C function that a function of libvirt-python's stands for."""
    modules = libvirt.libvirtmod, libvirt_qemu.libvirtmod_qemu
    names = function.__code__.co_names
    return next(each for each in names if any(hasattr(module, each) for module in modules))


def shown(value):
    """Return how a call shows an argument."""
    if isinstance(value, Definition):
        return value.shown
    if isinstance(value, tuple(NAMED)):
        return name_of(value)
    if isinstance(value, list):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {shown(each)}' for key, each in value.items())}}}"
    if callable(value) or isinstance(value, libvirt.virStream):
        return "callback" if callable(value) else "stream"
    text = repr(value)
    return text if len(text) < 70 else f"{text[:60]}..."


def name_of(value):
    """Return an object's name."""
    if isinstance(value, libvirt.virSecret):
        return value.UUIDString()
    return value.getName() if hasattr(value, "getName") else value.name()


def shown_word(word):
    """Return how a command shows a word of it."""
    return word if re.fullmatch(r"[\w./:=-]+", word) else repr(word)


def encoded(value):
    """Return a result as JSON has it."""
    if type(value) in OBJECTS:
        return OBJECTS[type(value)](value)
    if isinstance(value, (list, tuple)):
        parts = [encoded(each) for each in value]
        # A host keeps what it has in no order.
        if parts and all(isinstance(each, tuple(NAMED)) for each in value):
            parts.sort(key=lambda each: each[NAMED[type(value[0])]])
        elif parts and isinstance(parts[0], list) and isinstance(value[0][0], libvirt.virDomain):
            parts.sort(key=lambda each: each[0]["domain"])
        return parts
    if isinstance(value, dict):
        return {str(key): encoded(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value
