"""A domain's definition: what a client wrote, checked and completed, and what is said of it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, Self
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host.attached import Disk, Interface
from pytest_fakehv.fronts.libvirt.host.domainxml import metadata
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import (
    check_file_of,
    completed,
    has_uuid,
    replaced,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.consoles import AGENT
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import CPUSET, counted
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import without_chain
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import (
    Cpu,
    each_of,
    how_many,
    in_turn,
    is_said,
    resized,
    said_of_each,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.running import (
    Place,
    alias_of_disk,
    devices_of,
    migratable,
    needs_port,
    needs_tap,
    needs_terminal,
    running,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.stability import check_stable
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, read, written

SECURE: Final = 1
"""The flag of `Definition.xml`: with the passwords."""
INACTIVE: Final = 2
"""The flag: as it is when the domain doesn't run."""
UPDATE_CPU: Final = 4
"""The flag: with what the CPU has; here it says all that it has anyway."""
MIGRATABLE: Final = 8
"""The flag: as another host takes it over, which is nearly as it is defined, with the passwords."""


@dataclass(frozen=True)
class Definition:
    """A domain as it is defined.

    Attributes:
        root: its XML, completed.
    """

    root: Element
    _texts: dict[tuple[int, Place | None], str] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @staticmethod
    def parse(xml: str, make_uuid: Callable[[], bytes]) -> "Definition":
        """Read a domain's XML as a user writes it.

        Args:
            xml: The document.
            make_uuid: What gives 16 bytes for a domain without a uuid.

        Raises:
            LibvirtError: It is malformed, no domain, or there is something wrong in it; in the words of a
                daemon with QEMU.
        """
        return _parsed(xml, b"" if has_uuid(_read(xml)) else make_uuid())

    # -- What it says

    def _text(self, path: str) -> str:
        element = self.root.at(path)
        return element.text if element else ""

    @cached_property
    def name(self) -> str:
        """The domain's name."""
        return self._text("name")

    @cached_property
    def uuid(self) -> bytes:
        """Its uuid, 16 bytes."""
        return UUID(self._text("uuid")).bytes

    @property
    def type(self) -> str:
        """Its kind: ``qemu`` or ``kvm``."""
        return self.root.attributes["type"]

    @property
    def title(self) -> str | None:
        """A line about it; None: there is none."""
        return self._text("title") or None

    @property
    def description(self) -> str | None:
        """A text about it; None: there is none."""
        return self._text("description") or None

    @cached_property
    def memory(self) -> int:
        """How much memory it may have, in KiB."""
        return int(self._text("memory"))

    @cached_property
    def current_memory(self) -> int:
        """How much memory it has when it starts, in KiB."""
        return int(self._text("currentMemory"))

    @property
    def most_memory(self) -> int | None:
        """How much it could have with all that can be plugged in, in KiB; None: nothing can."""
        return int(self._text("maxMemory") or 0) or None

    @cached_property
    def most_vcpus(self) -> int:
        """How many virtual CPUs it may have."""
        return int(self._text("vcpu"))

    @cached_property
    def vcpus(self) -> int:
        """How many virtual CPUs it has when it starts."""
        return int(self._vcpu.attributes.get("current", self.most_vcpus))

    @property
    def _vcpu(self) -> Element:
        return self.root.child("vcpu") or Element("vcpu")

    @property
    def on_poweroff(self) -> str:
        """What comes of it when it shuts down."""
        return self._text("on_poweroff")

    @property
    def on_reboot(self) -> str:
        """What comes of it when it reboots."""
        return self._text("on_reboot")

    @property
    def on_crash(self) -> str:
        """What comes of it when it crashes."""
        return self._text("on_crash")

    @property
    def os_type(self) -> str:
        """``hvm``."""
        return self._text("os/type")

    def _of_os(self, attribute: str) -> str:
        kind = self.root.at("os/type")
        return kind.attributes[attribute] if kind else ""

    @property
    def architecture(self) -> str:
        """Its CPU's, such as ``x86_64``."""
        return self._of_os("arch")

    @property
    def machine(self) -> str:
        """Its machine's whole name, such as ``pc-i440fx-7.2``."""
        return self._of_os("machine")

    @property
    def pins(self) -> dict[int, str]:
        """On which of the host's CPUs its own may run, as users write that, by number; the others on all."""
        tune = self.root.child("cputune") or Element("cputune")
        given = (
            (each.attributes.get("vcpu", ""), each.attributes.get("cpuset", ""))
            for each in tune.named("vcpupin")
        )
        return {int(vcpu): cpus for vcpu, cpus in given if vcpu.isdecimal() and CPUSET.fullmatch(cpus)}

    @property
    def stats_period(self) -> int:
        """Every how many seconds its guest says what it uses of memory; 0: never."""
        periods = (part_of(each, "stats", "period") or "" for each in self._devices("memballoon"))
        return next((int(each) for each in periods if each.isdecimal()), 0)

    @cached_property
    def io_threads(self) -> dict[int, str | None]:
        """By number, on which of the host's CPUs each of its threads for input and output may run.

        Written as in `pins`; None: on all.
        """
        count = int(self._text("iothreads") or 0)
        given = self.root.child("iothreadids") or Element("iothreadids")
        ids = (each.attributes.get("id", "") for each in given.named("iothread"))
        named = [int(each) for each in ids if each.isdecimal()]
        others = (number for number in range(1, count + len(named) + 1) if number not in named)
        tune = self.root.child("cputune") or Element("cputune")
        pins = {
            each.attributes.get("iothread"): each.attributes.get("cpuset")
            for each in tune.named("iothreadpin")
        }
        return {number: pins.get(str(number)) for number in [*named, *others][:count]}

    def _devices(self, kind: str) -> list[Element]:
        devices = self.root.child("devices")
        return list(devices.named(kind)) if devices else []

    @cached_property
    def disks(self) -> tuple[Disk, ...]:
        """Its disks, in libvirt's order."""
        return tuple(map(Disk.of, self._devices("disk")))

    def devices_of(self, kind: str) -> tuple[Element, ...]:
        """Its devices of a kind as the XML has them, such as ``disk``."""
        return tuple(self._devices(kind))

    @property
    def disk_aliases(self) -> tuple[str, ...]:
        """The names that a daemon gives to its disks, in the same order."""
        devices = devices_of(self.root)
        return tuple(
            part_of(each, "alias", "name") or alias_of_disk(each, devices) for each in self._devices("disk")
        )

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """Its network interfaces."""
        return tuple(map(Interface.of, self._devices("interface")))

    @cached_property
    def has_agent(self) -> bool:
        """Whether there is a channel on which an agent in the guest could listen."""
        return any(part_of(each, "target", "name") == AGENT for each in self._devices("channel"))

    @cached_property
    def taps(self) -> int:
        """How many of its interfaces get a device of the host's while it runs."""
        return sum(map(needs_tap, self._devices("interface")))

    @cached_property
    def ports(self) -> int:
        """How many of its screens get a port while it runs."""
        return sum(map(needs_port, self._devices("graphics")))

    @cached_property
    def terminals(self) -> int:
        """How many of its lines get a terminal while it runs."""
        lines = (
            each for kind in ("serial", "parallel", "console", "channel") for each in self._devices(kind)
        )
        return sum(map(needs_terminal, lines))

    def metadata(self, uri: str) -> str | None:
        """Return the metadata's element of a namespace as a text; None: there is none."""
        return metadata.found(self.root.child("metadata"), uri)

    def check_stable(self, own: "Definition", *, is_saved: bool = False) -> None:
        """Refuse this definition in place of the one by which a guest that goes on has begun.

        Args:
            own: that one.
            is_saved: as for `stability.check_stable`.

        Raises:
            LibvirtError: it is another domain's, or a guest would see another machine.
        """
        check_stable(self.root, own.root, is_saved=is_saved)

    # -- What differs

    def _with(self, name: str, element: Element | None) -> Self:
        """Return a copy with another element in the domain; None takes it away."""
        return type(self)(replaced(self.root, name, element))

    def _with_text(self, name: str, text: str | None) -> Self:
        return self._with(name, Element(name, {}, (text,)) if text else None)

    def with_memory(self, kib: int) -> Self:
        """Return a copy that may have another amount of memory, in KiB, and has no more than that."""
        changed = self._with_amount("memory", kib)
        return changed.with_current_memory(min(self.current_memory, kib))

    def with_current_memory(self, kib: int) -> Self:
        """Return a copy that starts with another amount of memory, in KiB."""
        return self._with_amount("currentMemory", kib)

    def _with_amount(self, name: str, kib: int) -> Self:
        given = self.root.child(name) or Element(name, {"unit": "KiB"})
        return self._with(name, given.holding(str(kib)))

    @property
    def cpus(self) -> list[Cpu]:
        """Its virtual CPUs, also those that aren't there."""
        return each_of(self.root, self.vcpus, self.most_vcpus)

    def with_cpus(self, cpus: list[Cpu]) -> Self:
        """Return a copy that says which CPUs are there."""
        return self._with_counts(how_many(cpus), self.most_vcpus, said_of_each(cpus))

    def _with_counts(self, current: int, most: int, each: Element | None) -> Self:
        vcpus = counted(self._vcpu, current, most)
        return type(self)(replaced(replaced(self.root, "vcpu", vcpus), "vcpus", each))

    def with_vcpus(self, current: int, *, can_go: bool = False) -> Self:
        """Return a copy that has another number of virtual CPUs.

        Args:
            current: How many.
            can_go: Whether those that come can go again while it runs.
        """
        if not is_said(self.root):
            return self._with_counts(current, self.most_vcpus, None)
        cpus = self.cpus
        is_live = any(each.order for each in cpus)
        cpus = resized(cpus, current, can_go=can_go or is_live)
        return self.with_cpus(in_turn(cpus) if is_live else cpus)

    def with_most_vcpus(self, most: int) -> Self:
        """Return a copy that may have another number of virtual CPUs, and has no more than that."""
        return self._with_counts(min(self.vcpus, most), most, None)

    def with_stats_period(self, seconds: int) -> Self:
        """Return a copy whose guest says every so many seconds what it uses of memory; 0: never."""
        devices = self.root.child("devices") or Element("devices")
        told = (Element("stats", {"period": str(seconds)}),) if seconds > 0 else ()
        changed = (
            each.holding(*told, *(part for part in each.children if part.name != "stats"))
            if each.name == "memballoon"
            else each
            for each in devices.children
        )
        return self._with("devices", devices.holding(*changed))

    def with_empty(self, disks: Collection[Disk]) -> Self:
        """Return a copy some of whose disks have nothing in them."""
        devices = self.root.child("devices") or Element("devices")
        emptied = [each.element for each in disks]
        changed = (
            each.holding(*(part for part in each.children if part.name != "source"))
            if each in emptied
            else each
            for each in devices.children
        )
        return self._with("devices", devices.holding(*changed))

    def with_pin(self, number: int, cpus: str) -> Self:
        """Return a copy one of whose CPUs may run on these of the host's alone, written as in `pins`."""
        tune = self.root.child("cputune") or Element("cputune")
        pins = sorted({**self.pins, number: cpus}.items())
        pinned = (Element("vcpupin", {"vcpu": str(vcpu), "cpuset": cpuset}) for vcpu, cpuset in pins)
        others = (each for each in tune.children if each.name != "vcpupin")
        return self._with("cputune", tune.holding(*pinned, *others))

    def with_title(self, title: str | None) -> Self:
        """Return a copy with another title; None or "" takes it away."""
        return self._with_text("title", title)

    def with_description(self, description: str | None) -> Self:
        """Return a copy with another description; None or "" takes it away."""
        return self._with_text("description", description)

    def with_uuid(self, key: bytes) -> Self:
        """Return a copy with another uuid, 16 bytes."""
        return self._with_text("uuid", str(UUID(bytes=key)))

    def renamed(self, name: str) -> Self:
        """Return a copy with another name.

        Raises:
            LibvirtError: No domain can have that name.
        """
        if not name:
            raise failure(Code.NO_NAME, origin=Origin.DOMAIN)
        if "/" in name:
            raise failure(Code.XML_ERROR, f"name {name} cannot contain '/'", origin=Origin.QEMU)
        check_file_of(name)
        return self._with_text("name", name)

    def with_metadata(self, uri: str, key: str, xml: str | None) -> Self:
        """Return a copy with another element of a namespace in its metadata.

        Args:
            uri: The namespace.
            key: The prefix that the element gets.
            xml: The element; None takes it away.

        Raises:
            LibvirtError: It is malformed, or the prefix can't be one.
        """
        return self._with("metadata", metadata.changed(self.root.child("metadata"), uri, key, xml))

    def at(self, place: Place) -> Self:
        """Return a copy that says where on its host everything is while it runs at a place."""
        return type(self)(running(self.root, place))

    def without_id(self) -> Self:
        """Return a copy that doesn't say which number the domain has while it runs, nor chains."""
        parts = (
            each.holding(*(without_chain(part) if part.name == "disk" else part for part in each.children))
            if each.name == "devices"
            else each
            for each in self.root.children
        )
        return type(self)(self.root.having(id=None).holding(*parts))

    def noted(self) -> Element:
        """Return its XML as it is kept of a moment at which it runs."""
        return migratable(self.root, runs=True, keeps_implied=True)

    # -- How it is written

    def xml(self, flags: int = 0, place: Place | None = None) -> str:
        """Write it as libvirt does.

        Args:
            flags: `SECURE`, `INACTIVE`, `UPDATE_CPU`, `MIGRATABLE`.
            place: Where it runs; None: it doesn't.
        """
        flags &= SECURE | INACTIVE | MIGRATABLE
        text = self._texts.get((flags, place))
        if text is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            text = self._texts[flags, place] = written(self._shown(flags, place))
        return text

    def _shown(self, flags: int, place: Place | None) -> Element:
        if flags & MIGRATABLE:
            return migratable(self.root, runs=place is not None)
        root = self.root if place is None or flags & INACTIVE else running(self.root, place)
        return root if flags & SECURE else without_passwords(root)


# A program, and a suite of tests even more, defines the same domains again and again.
_read: Final = lru_cache(maxsize=128)(read)


@lru_cache(maxsize=128)
def _parsed(xml: str, key: bytes) -> Definition:
    made = Definition(completed(_read(xml), key))
    check_file_of(made.name)
    return made


_SECRETS: Final = frozenset({"passwd", "passwdValidTo", "connected"})
"""What only `SECURE` shows of a screen: the password, and what goes with it."""
_MOST_TEXTS: Final = 4
"""How many texts of a definition are kept: those of the places where it once ran need not be."""


def without_passwords(root: Element) -> Element:
    """Return a domain's XML without the passwords of its screens."""
    devices = root.child("devices")
    if devices is None or not any(_SECRETS & each.attributes.keys() for each in devices.named("graphics")):
        return root
    hidden = [
        each.having(**dict.fromkeys(_SECRETS)) if each.name == "graphics" else each
        for each in devices.children
    ]
    return root.holding(*(each.holding(*hidden) if each is devices else each for each in root.children))
