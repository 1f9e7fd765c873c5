"""Devices that are plugged into domains, changed, and plugged out."""

from collections.abc import Callable
from typing import Final

from pytest_fakehv.cluster.inner import NO_ROOM
from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure
from pytest_fakehv.fronts.libvirt.host import needs
from pytest_fakehv.fronts.libvirt.host.apis import api, check_flags
from pytest_fakehv.fronts.libvirt.host.attached import Disk
from pytest_fakehv.fronts.libvirt.host.blocks.jobs import check_is_idle, next_index
from pytest_fakehv.fronts.libvirt.host.checks import affected
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.disks.chain import with_chain
from pytest_fakehv.fronts.libvirt.host.domain import Domain
from pytest_fakehv.fronts.libvirt.host.domainxml.completion import replaced
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import with_mac
from pytest_fakehv.fronts.libvirt.host.domainxml.matching import (
    by_alias,
    check_lets_go,
    needs_guest,
    to_take_out,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import size_of
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.pinned import new_alias, pinned
from pytest_fakehv.fronts.libvirt.host.domainxml.plugging import (
    Plugged,
    check_device,
    plugged,
    read_device,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.running import devices_of, is_twin, running, with_alias
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.domainxml.updating import to_update
from pytest_fakehv.fronts.libvirt.host.host import Host
from pytest_fakehv.fronts.libvirt.host.networks.networks import check_active
from pytest_fakehv.fronts.libvirt.host.storage import disks
from pytest_fakehv.fronts.libvirt.host.words import Affect, EventKind, Tray
from pytest_fakehv.fronts.libvirt.session import Session
from pytest_fakehv.interface.errors import HypervisorError

__tracebackhide__ = True  # a failed call is shown at the line that made it

_EITHER: Final = Affect.LIVE | Affect.CONFIG
_FORCE: Final = 4
"""The flag of an update: a drive opens, whether or not the guest has locked it. None has."""


@api("virDomainAttachDeviceFlags", plain="virDomainAttachDevice", has_job=True, runs_instances=True)
def attach(host: Host, _session: Session, domain: Domain, xml: str, flags: int = Affect.LIVE) -> None:
    """Plug a device in; without flags, into a domain that runs."""
    check_flags(flags, _EITHER, "qemuDomainAttachDeviceLiveAndConfig", Origin.QEMU)
    live, config = affected(domain, flags)
    device = read_device(xml)
    if device.name == "interface":
        given = (each.mac for definition in (live, config) if definition for each in definition.interfaces)
        device = with_mac(device, domain.uuid, set(given))
    later = _attached(host, config.root, device) if config else None
    if live:
        _attach_live(host, domain, device)
    if later:
        host.configure(domain, lambda _given: Definition(later))


def _attached(host: Host, root: Element, device: Element) -> Element:
    """Return a persistent definition to which a device has come."""
    check_device(root, device)
    come = plugged(root, device, is_live=False)
    if come.device.name == "disk":
        disks.check_is_volume(host.pools, Disk.of(come.device))
    return _with_memory(come.domain, size_of(come.device))


def _attach_live(host: Host, domain: Domain, device: Element) -> None:
    """Plug a device into a domain that runs, and tell of it."""
    with host.machine.lock:
        root = _pinned(domain)
        check_device(root, device)
        _check_there(host, device)
        come = plugged(root, device, is_live=True)
        _check_network(host, come.device)
        _check_is_free(host, domain, come.device, come.domain, "device_add")
        before = domain.definition
        come = _named(host, domain, come)
        size = size_of(come.device)
        domain.definition = Definition(_with_memory(come.domain, size))
        host.connects(domain)
    if size:
        try:
            _resize(host, domain)
        except HypervisorError as error:
            with host.machine.lock:
                domain.definition = before
            if NO_ROOM not in str(error):
                raise
            problem = f"cannot set up guest memory 'mem{_alias(come.device)}': Cannot allocate memory"
            command = f"unable to execute QEMU command 'object-add': {problem}"
            raise failure(Code.INTERNAL_ERROR, command) from error
    with host.machine.lock:
        alias = _alias(come.device)
        host.tell(domain, EventKind.DEVICE_ADDED, f"mem{alias}" if size else alias)


def _named(host: Host, domain: Domain, come: Plugged) -> Plugged:
    """Give names to what is new, and where it is on its host."""
    devices = devices_of(come.domain)
    there = devices
    done = come.device
    for each in sorted(come.new, key=lambda new: new.name != "controller"):  # disks are named by theirs
        named = each
        if not is_twin(each):
            others = there.holding(*(one for one in there.children if one is not each))
            named = host.placed(domain, each)
            if named.child("alias") is None and (alias := new_alias(named, others)):
                named = with_alias(named, alias)
        if each.name == "disk":
            named = _come(host, domain, named)
        there = there.exchanging(each, named)
        done = named if each is come.device else done
    root = come.domain.exchanging(devices, there)
    return come._replace(domain=_kept(root, domain), device=done)


def _come(host: Host, domain: Domain, disk: Element) -> Element:
    """Return a disk with its chain, whose files have numbers that no other one of the domain ever has."""

    def number() -> int:
        domain.sources = max(domain.sources + 1, next_index(domain))
        return domain.sources

    return with_chain(disk, host.pools.backing_at, number)


def _check_network(host: Host, interface: Element) -> None:
    """Refuse an interface of a network that isn't up."""
    if interface.name == "interface" and interface.attributes["type"] == "network":
        check_active(host.networks.named(part_of(interface, "source", "network") or ""))


def _check_there(host: Host, device: Element) -> None:
    """Refuse what its host doesn't have: a disk that is to be in a pool, and isn't, say."""
    needs.check_device(device, host.offer)
    if device.name == "disk":
        disk = Disk.of(device.defaulting(device="disk", type="file"))
        disks.check_is_volume(host.pools, disk)
        disks.check_disk_there(host.pools, disk)


def _check_is_free(host: Host, domain: Domain, device: Element, root: Element, command: str) -> None:
    """Refuse a disk that is not what it says, or is in use.

    Args:
        host: where.
        domain: to which it comes.
        device: the disk, or what is none.
        root: what the domain has then.
        command: QEMU's, by which it comes.

    Raises:
        LibvirtError: it is so.
    """
    if device.name == "disk":
        host.opened(domain, Definition(root)).check_disk(part_of(device, "target", "dev") or "", command)


def _with_memory(root: Element, kib: int) -> Element:
    """Return a domain that has more memory, or less."""
    memory = 0
    for name in ("memory", "currentMemory") if kib else ():
        element = root.child(name) or Element(name)
        had = int(element.text)
        left = had + kib
        if left <= 0:  # its guest had given back more than is left without the module
            left = min(had, memory)
        memory = memory or left
        root = replaced(root, name, element.holding(str(left)))
    return root


def _resize(host: Host, domain: Domain) -> None:
    """Let the cluster's instance have what its domain has of memory."""
    host.machine.change(domain.name, domain.definition.current_memory, host.vcpus_of(domain))


def _pinned(domain: Domain) -> Element:
    return _kept(domain.definition.root, domain)


def _kept(root: Element, domain: Domain) -> Element:
    return pinned(root, domain.place) if domain.place else root


def _alias(device: Element) -> str:
    return part_of(device, "alias", "name") or ""


# -- Plugged out


@api("virDomainDetachDeviceFlags", plain="virDomainDetachDevice", has_job=True, runs_instances=True)
def detach(host: Host, _session: Session, domain: Domain, xml: str, flags: int = Affect.LIVE) -> None:
    """Plug a device out; without flags, of a domain that runs."""
    check_flags(flags, _EITHER, "qemuDomainDetachDeviceLiveAndConfig", Origin.QEMU)
    live, config = affected(domain, flags)
    device = read_device(xml)

    def find(root: Element, *, is_live: bool) -> Element:
        return to_take_out(root, device, is_live=is_live)

    _take_out(host, domain, live, config, find)


@api("virDomainDetachDeviceAlias", has_job=True, runs_instances=True)
def detach_alias(host: Host, _session: Session, domain: Domain, alias: str, flags: int) -> None:
    """Plug out the device of a name."""
    check_flags(flags, _EITHER, "qemuDomainDetachDeviceAliasLiveAndConfig", Origin.QEMU)
    live, config = affected(domain, flags)

    def find(root: Element, *, is_live: bool) -> Element:  # noqa: ARG001  # a name is one
        return by_alias(root, alias)

    _take_out(host, domain, live, config, find)


def _take_out(
    host: Host,
    domain: Domain,
    live: Definition | None,
    config: Definition | None,
    find: Callable[..., Element],
) -> None:
    """Plug a device out of what a domain runs by, and of its persistent definition."""
    later = None
    if config:
        gone = find(config.root, is_live=False)
        later = _with_memory(_without(config.root, gone), -size_of(gone))
    if live:
        _take_out_live(host, domain, find)
    if later:
        host.configure(domain, lambda _given: Definition(later))


def _take_out_live(host: Host, domain: Domain, find: Callable[..., Element]) -> None:
    with host.machine.lock:
        root = _pinned(domain)
        shown = running(root, domain.place) if domain.place else root
        found = find(shown, is_live=True)
        check_lets_go(shown, found)
        check_is_idle(domain, part_of(found, "target", "dev") or "")
        places = [place for place, each in enumerate(devices_of(shown).children) if each is found]
        device = devices_of(root).children[places[0]]
        if needs_guest(found) and host.clings(domain.name):
            host.tell(domain, EventKind.DEVICE_REMOVAL_FAILED, _alias(found))
            raise failure(Code.OPERATION_FAILED, "unplug of device was rejected by the guest")
        if needs_guest(found) and (domain.is_paused or host.machine.hangs(domain.instance)):
            return  # it takes no notice; a real daemon waits for some seconds, and says nothing
        size, before = size_of(device), domain.definition
        domain.definition = Definition(_with_memory(_without(root, device), -size))
    if size:
        try:
            _resize(host, domain)
        except BaseException:
            with host.machine.lock:
                domain.definition = before
            raise
    with host.machine.lock:
        host.tell(domain, EventKind.DEVICE_REMOVED, _alias(found))


def _without(root: Element, device: Element) -> Element:
    """Return a domain without a device, and without the console of the line that it is."""
    devices = devices_of(root)
    first = devices.child("serial")
    left = (
        each for each in devices.children if each is not device and not (device is first and is_twin(each))
    )
    return root.exchanging(devices, devices.holding(*left))


# -- Changed


@api("virDomainUpdateDeviceFlags", has_job=True, flags=_EITHER | _FORCE)
def update(host: Host, _session: Session, domain: Domain, xml: str, flags: int) -> None:
    """Let a device be another one."""
    live, config = affected(domain, flags)
    device = read_device(xml)
    later = None
    if config:
        check_device(config.root, device)
        done = to_update(config.root, device, domain.uuid, shown=None)
        later = _exchanged(config.root, done.old, done.new)
    if live:
        _update_live(host, domain, device)
    if later:
        host.configure(domain, lambda _given: Definition(later))


def _update_live(host: Host, domain: Domain, device: Element) -> None:
    with host.machine.lock:
        root = _pinned(domain)
        check_device(root, device)
        shown = running(root, domain.place) if domain.place else root
        done = to_update(root, device, domain.uuid, shown=shown)
        if done.new.name == "interface" and done.new.child("source") != done.old.child("source"):
            _check_network(host, done.new)
        if done.is_new_medium:
            _check_there(host, done.new)
            exchanged = _exchanged(root, done.old, done.new)
            _check_is_free(host, domain, done.new, exchanged, "blockdev-insert-medium")
        new = _come(host, domain, done.new) if done.is_new_medium else done.new
        domain.definition = Definition(_exchanged(root, done.old, new))
        host.connects(domain)
        if done.is_new_medium and new.attributes["device"] == "cdrom":
            for tray in Tray:
                host.tell(domain, EventKind.TRAY_CHANGE, _alias(new), int(tray))


def _exchanged(root: Element, old: Element, new: Element) -> Element:
    devices = devices_of(root)
    return root.exchanging(devices, devices.exchanging(old, new))
