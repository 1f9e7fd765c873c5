"""What a domain runs: its operating system's kind, the architecture, the machine, and what it boots from."""

import re
from dataclasses import dataclass
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin
from pytest_fakehv.fronts.libvirt.host.domainxml.firmware import check_loader, complete_firmware
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import check_choice, unsupported, wrong
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order, ranks, words

EMULATORS: Final = {"x86_64": "/usr/bin/qemu-system-x86_64", "i686": "/usr/bin/qemu-system-i386"}
"""The program for each architecture that a host has."""

MACHINES: Final = {"pc": "pc-i440fx-7.2", "q35": "pc-q35-7.2"}
"""What the short names of machines stand for."""

_TYPES: Final = words("hvm xen linux exe uml xenpvh")
_ARCHITECTURES: Final = words(
    "aarch64 alpha armv6l armv7b armv7l cris i686 itanium lm32 loongarch64 m68k microblaze microblazeel mips "
    "mipsel mips64 mips64el openrisc parisc parisc64 ppc ppc64 ppc64le ppcemb riscv32 riscv64 s390 s390x sh4 "
    "sh4eb sparc sparc64 unicore32 x86_64 xtensa xtensaeb"
)
_KNOWN_MACHINE: Final = re.compile(r"(?:pc|q35|isapc|microvm|virt|pseries|s390-ccw)(?:-.*)?")
_BOOTS: Final = ("fd", "hd", "cdrom", "network")
_FIRMWARES: Final = ("bios", "efi")
_PLACES: Final = ranks(
    "type firmware loader nvram init initarg initenv kernel initrd cmdline dtb acpi boot bootmenu bios smbios"
)


@dataclass(frozen=True, slots=True)
class Operating:
    """What a domain runs."""

    element: Element
    """As it is written."""
    type: str
    architecture: str
    machine: str
    """Its whole name."""

    @property
    def is_q35(self) -> bool:
        """Whether the machine is the newer of the two that x86 has."""
        return "q35" in self.machine

    @property
    def emulator(self) -> str:
        """The program for it."""
        return EMULATORS.get(self.architecture, f"/usr/bin/qemu-system-{self.architecture}")


def checked_os(root: Element) -> Operating:
    """Return what a domain runs.

    Raises:
        LibvirtError: It isn't said, or is of no known kind.
    """
    os = root.child("os") or Element("os")
    kind = os.child("type")
    if kind is None or not kind.text:
        raise wrong("an os <type> must be specified")
    if kind.text not in _TYPES:
        raise unsupported(f"unknown OS type '{kind.text}'")
    architecture = kind.attributes.get("arch") or "x86_64"
    if architecture not in _ARCHITECTURES:
        raise unsupported(f"Unknown architecture {architecture}")
    machine = kind.attributes.get("machine") or "pc"
    return Operating(os, kind.text, architecture, MACHINES.get(machine, machine))


def complete_os(os: Operating, name: str, *, boots_by_device: bool) -> Element:
    """Return what a domain runs, with what a user may leave out.

    Args:
        os: It.
        name: The domain's name.
        boots_by_device: Whether its devices say themselves in which order it tries to boot from them.

    Raises:
        LibvirtError: What it boots from is wrong.
    """
    written = os.element
    for boot in written.named("boot"):
        check_choice(boot, "dev", _BOOTS, is_needed=True)
    firmware = written.attributes.get("firmware", "bios")
    if firmware not in _FIRMWARES:
        raise wrong(f"unknown firmware value {firmware}")
    check_loader(written)
    written = complete_firmware(written, name)
    said = (each for each in written.children if each.content or each.attributes)
    parts = [each for each in said if each.name != "type"]
    attributes = {"arch": os.architecture, "machine": os.machine}
    parts.append(Element("type", attributes, (os.type,)))
    if not boots_by_device and written.child("boot") is None:
        parts.append(Element("boot", {"dev": "hd"}))
    return written.holding(*in_order(parts, _PLACES))


def check_emulator(os: Operating, given: str | None) -> None:
    """Refuse a program that can't be one that runs domains, and an architecture for which there is none.

    Args:
        os: What the domain runs.
        given: The program that it names, if it does.
    """
    if given is None and os.architecture not in EMULATORS:
        raise unsupported(f"No emulator found for arch '{os.architecture}'", Origin.QEMU)
    folder, _, program = (given or EMULATORS["x86_64"]).rpartition("/")
    if not folder.startswith("/") or not any(name in program for name in ("qemu", "kvm")):
        text = f"Cannot check QEMU binary {given}: No such file or directory"
        raise LibvirtError(Code.SYSTEM_ERROR, Origin.QEMU, text, "%s", text, int1=2)


def check_machine(os: Operating) -> None:
    """Refuse a machine that no program of QEMU's has; it fails for want of what every known machine has."""
    if not _KNOWN_MACHINE.fullmatch(os.machine):
        raise wrong("No PCI buses available")
