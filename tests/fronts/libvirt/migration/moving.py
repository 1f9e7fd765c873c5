"""Two hosts, between which domains move."""

import shutil
import threading

import pytest

libvirt = pytest.importorskip(
    "libvirt", reason="needs libvirt-python: apt-get install libvirt-dev, pip install libvirt-python"
)

XML = (
    "<domain type='kvm'><name>{}</name><memory>65536</memory><vcpu>1</vcpu><os><type>hvm</type></os></domain>"
)

WAIT = 20
"""Seconds at most for a thread that has nothing to wait for."""


class Pair:
    """Two hosts, A and B, with a connection to each."""

    def __init__(self, cluster, front):
        self.cluster = cluster
        self.front = front
        self.a = libvirt.open(front.uri("A"))
        self.b = libvirt.open(front.uri("B"))

    def connect(self, name):
        """Connect once more to a host."""
        return libvirt.open(self.front.uri(name))

    def domain(self, *, persistent=True, running=True, paused=False, name="web1"):
        """Have a domain on A."""
        if not persistent:
            return self.a.createXML(XML.format(name), libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)
        domain = self.a.defineXML(XML.format(name))
        if running:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED if paused else 0)
        return domain

    def on(self, connection, name="web1"):
        """Return state, reason and whether it is persistent of a domain on a host; None for none."""
        try:
            domain = connection.lookupByName(name)
            return [*domain.state(), bool(domain.isPersistent())]
        except libvirt.libvirtError:  # it may go between two calls, too
            return None

    @property
    def ends(self):
        """Both sides, A and B."""
        return self.on(self.a), self.on(self.b)

    def move(self, domain, way="managed", flags=libvirt.VIR_MIGRATE_LIVE, parameters=None):
        """Migrate a domain from A to B."""
        parameters = parameters or {}
        if way == "managed":
            domain.migrate3(self.b, parameters, flags)
            return
        flags |= libvirt.VIR_MIGRATE_PEER2PEER
        if way == "tunnelled":
            flags |= libvirt.VIR_MIGRATE_TUNNELLED
        domain.migrateToURI3(self.front.uri("B"), parameters, flags)


def its_disk_fails_once(pair, monkeypatch):
    """Let B fail to remove the next file that it is to."""
    store = pair.cluster["B"]._inner.store
    remove, failed = store.remove, []

    def fails_once(path):
        if not failed:
            failed.append(path)
            raise OSError(5, "Input/output error")
        remove(path)

    monkeypatch.setattr(store, "remove", fails_once)


NEEDS_VIRSH = pytest.mark.skipif(
    not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients"
)


END_OF_FILE = 38, 7, "End of file while reading data: Input/output error"
HUNG_UP = [
    (1, 7, f"internal error: received {what} event on socket")
    for what in ("hangup", "hangup / error", "error")
]
"""What libvirt's library says, too, of a connection that is gone, as its threads come to it."""


class Begun:
    """What another thread does meanwhile, and how that ended."""

    def __init__(self, function, *arguments):
        self.error = self.result = None
        self._function = function
        self._arguments = arguments
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.result = self._function(*self._arguments)
        except libvirt.libvirtError as error:
            self.error = error

    @property
    def is_alive(self):
        """Whether it goes on."""
        return self._thread.is_alive()

    def wait(self):
        """Wait until it is done, and return how that failed, if it did: code, domain, message."""
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
        found = said(self.error) if self.error else None
        return END_OF_FILE if found in HUNG_UP else found


class Ear:
    """A client that hears of both hosts' domains, as long as they speak."""

    is_read_only, peer = False, 0

    def __init__(self, front, name):
        self.heard = []
        self._host = front._hosts[name]
        self._host.audience.add(self)
        self._host.answer(self, "virConnectDomainEventRegisterAny", (0, None))

    def send_event(self, _number, event):
        if not self._host.is_silent:
            self.heard.append(",".join(map(str, event.details)))

    def silence(self):
        pass

    speak = silence


def said(error):
    """Return code, domain and message of an error."""
    return error.get_error_code(), error.get_error_domain(), error.get_error_message()


def refused(function, *arguments):
    """Call a function that fails, and return code, domain and message of its error."""
    with pytest.raises(libvirt.libvirtError) as caught:
        function(*arguments)
    return said(caught.value)
