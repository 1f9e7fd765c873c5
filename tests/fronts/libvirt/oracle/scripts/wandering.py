"""Calls by chance, from seeds: whatever comes after whatever."""

import random

import libvirt

from oracle.definitions import xml

NAMES = ("web1", "web2", "web3")
SEEDS = range(4)
STEPS = 110
KIB = 1024
AWHILE = 0.15
"""After so many quiet seconds a guest has done what it was told."""
A_BOOT = 0.7
"""After so many quiet seconds a guest that starts has filled its balloon."""

AFFECTS = (0, 1, 2, 3)


def script(ask):
    for seed in SEEDS:
        Walk(ask, random.Random(seed)).walk()


class Walk:
    """One walk: it knows of each name the object that it was given last, which may have gone stale."""

    def __init__(self, ask, chance):
        self.ask = ask
        self.chance = chance
        self.connection = ask.connect()
        self.known = {}

    def walk(self):
        """Make the calls, and leave nothing behind."""
        for name in NAMES:
            self.define(name)
        for _ in range(STEPS):
            name = self.chance.choice(NAMES)
            step = self.chance.choices(*zip(*self.steps(), strict=True))[0]
            step(name)
        for domain in sorted(self.connection.listAllDomains(), key=lambda each: each.name()):
            self.ask(domain.destroy)
            self.ask(domain.undefine)
        self.ask(self.connection.close)

    def steps(self):
        """Return what may be done next, and how likely."""
        return [
            (self.define, 6), (self.create_transient, 5), (self.look_up, 4), (self.start, 12),
            (self.end, 16), (self.pause, 12), (self.change_memory, 12), (self.change_cpus, 6),
            (self.describe, 6), (self.look, 14), (self.kill, 3), (self.rename, 3), (self.list_all, 3),
        ]  # fmt: skip

    def on(self, name, method, *args, quiet=AWHILE):
        """Call a method of a name's domain, and let its guest come up if it runs then."""
        domain = self.known.get(name)
        if domain is None:
            return
        self.ask(getattr(domain, method), *args, quiet=quiet)
        self.let_run(domain)

    def let_run(self, domain):
        """Wait until a guest that runs has come up."""
        try:
            runs = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        except libvirt.libvirtError:
            return
        if runs:
            self.ask.await_guest(domain.name())

    def keep(self, name, domain):
        """Know a domain that a call has returned."""
        if domain is not None:
            self.known[name] = domain
            self.let_run(domain)

    def define(self, name):
        """Define it, as it was or otherwise."""
        memory = self.chance.choice((64, 64, 96))
        definition = xml(name, memory=memory, vcpus=1, maximum=self.chance.choice((2, 3)))
        self.keep(name, self.ask(self.connection.defineXML, definition))

    def create_transient(self, name):
        """Create it from a definition, without or over one that is kept."""
        flags = self.chance.choice((0, 0, libvirt.VIR_DOMAIN_START_PAUSED))
        definition = xml(name, vcpus=1, maximum=2)
        self.keep(name, self.ask(self.connection.createXML, definition, flags, quiet=A_BOOT))

    def look_up(self, name):
        """Look it up."""
        self.keep(name, self.ask(self.connection.lookupByName, name))

    def start(self, name):
        """Start it."""
        if self.chance.random() < 0.7:
            self.on(name, "create", quiet=A_BOOT)
        else:
            self.on(name, "createWithFlags", libvirt.VIR_DOMAIN_START_PAUSED, quiet=A_BOOT)

    def end(self, name):
        """End it or its definition, or let it start anew."""
        method = self.chance.choice(("shutdown", "destroy", "destroy", "undefine", "reset", "reboot"))
        self.on(name, method, quiet=A_BOOT)

    def pause(self, name):
        """Pause it, or let it go on."""
        self.on(name, self.chance.choice(("suspend", "suspend", "resume", "resume", "resume")), quiet=A_BOOT)

    def change_memory(self, name):
        """Change its memory."""
        size = self.chance.choice((32, 40, 48, 64, 80, 999)) * KIB
        flags = self.chance.choice(AFFECTS) | self.chance.choice((0, 0, libvirt.VIR_DOMAIN_MEM_MAXIMUM))
        self.on(name, "setMemoryFlags", size, flags)

    def change_cpus(self, name):
        """Change how many CPUs its definition has."""
        flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG | self.chance.choice((0, 0, libvirt.VIR_DOMAIN_VCPU_MAXIMUM))
        self.on(name, "setVcpusFlags", self.chance.choice((1, 2, 3)), flags)

    def describe(self, name):
        """Give it another title, or mark it for a start with its host."""
        if self.chance.random() < 0.5:
            self.on(name, "setAutostart", self.chance.choice((0, 1)))
        else:
            title, flags = self.chance.choice(("one", "two", None)), self.chance.choice(AFFECTS)
            self.on(name, "setMetadata", libvirt.VIR_DOMAIN_METADATA_TITLE, title, None, None, flags)

    def look(self, name):
        """Look at it."""
        method, *args = self.chance.choice((
            ("info",), ("state",), ("XMLDesc", 0), ("XMLDesc", 2), ("XMLDesc", 8), ("isPersistent",),
            ("isActive",), ("autostart",), ("maxMemory",), ("vcpusFlags", 2), ("vcpusFlags", 1),
            ("maxVcpus",), ("jobStats",),
            ("metadata", libvirt.VIR_DOMAIN_METADATA_TITLE, None, 0), ("isUpdated",), ("memoryStats",),
        ))  # fmt: skip
        self.on(name, method, *args, quiet=0.03)

    def kill(self, name):
        """Let its process end."""
        try:
            runs = self.connection.lookupByName(name).isActive()
        except libvirt.libvirtError:
            return
        if runs:
            self.ask.kill(name)

    def rename(self, name):
        """Give it another name, and what had it that one's."""
        self.on(name, "rename", f"{name}-new")
        self.on(name, "rename", name)

    def list_all(self, _):
        """List all."""
        self.ask(self.connection.listAllDomains, self.chance.choice((0, 1, 2, 4, 8, 16, 32, 64)))
