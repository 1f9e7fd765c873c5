"""What domains and their devices need of their host: its CPUs, its memory, its devices, its secrets.

All here is called under the cluster's lock.
"""

import errno
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, Origin, failure, system_failure
from pytest_fakehv.fronts.libvirt.host import cpumaps
from pytest_fakehv.fronts.libvirt.host.capabilities import PAGES, Hardware
from pytest_fakehv.fronts.libvirt.host.cpumodels import MODELS, hindrance
from pytest_fakehv.fronts.libvirt.host.definition import Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import CPUSET
from pytest_fakehv.fronts.libvirt.host.domainxml.credentials import secrets_of
from pytest_fakehv.fronts.libvirt.host.domainxml.others import no_hostdev
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import unsupported
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element
from pytest_fakehv.fronts.libvirt.host.secrets.definition import number_of
from pytest_fakehv.fronts.libvirt.host.secrets.secrets import Secrets

__tracebackhide__ = True  # a failed call is shown at the line that made it

_PROCESS: Final = 4242
"""The number of a domain's process, which nobody else is told."""


class Offer(NamedTuple):
    """What a host has."""

    hardware: Hardware
    secrets: Secrets


def check(definition: Definition, offer: Offer) -> None:
    """Refuse a domain that needs what its host doesn't have.

    Raises:
        LibvirtError: it does.
    """
    for each in _CHECKS:
        each(definition, offer)


def check_device(device: Element, offer: Offer) -> None:
    """Refuse a device that does.

    Raises:
        LibvirtError: it does.
    """
    if device.name == "disk":
        _check_secrets(device, offer.secrets)
    if device.name == "interface":
        _check_filter(device)


# What a domain may say of its host


def _check_cpu(definition: Definition, _offer: Offer) -> None:
    cpu = definition.root.child("cpu") or Element("cpu")
    mode, model = cpu.attributes.get("mode"), cpu.child("model")
    if mode == "host-passthrough" and definition.type == "qemu":
        what = f"CPU mode '{mode}' for {definition.architecture} qemu domain on x86_64 host"
        raise unsupported(f"{what} is not supported by hypervisor", Origin.QEMU)
    if mode != "custom" or model is None:
        return
    if model.text not in MODELS:
        raise failure(Code.INTERNAL_ERROR, f"Unknown CPU model {model.text}", origin=Origin.CPU)
    if cpu.attributes.get("check") == "partial" and (why := hindrance(cpu)):
        raise failure(Code.CPU_INCOMPATIBLE, why, origin=Origin.CPU)


def _check_nodes(definition: Definition, offer: Offer) -> None:
    tune = definition.root.child("numatune") or Element("numatune")
    for memory in tune.children:
        if memory.attributes.get("placement") == "auto":
            problem = "Failed to query numad for the advisory nodeset"
            raise failure(Code.OPERATION_FAILED, problem, origin=Origin.NONE)
        wanted = _numbers(memory.attributes.get("nodeset", ""))
        if missing := [each for each in wanted if each >= offer.hardware.figures.nodes]:
            raise unsupported(f"NUMA node {missing[0]} is unavailable", Origin.NONE)


def _check_devices(definition: Definition, _offer: Offer) -> None:
    for device in definition.devices_of("hostdev"):
        raise no_hostdev(device)
    for interface in definition.devices_of("interface"):
        if interface.attributes["type"] == "hostdev":
            raise no_hostdev(interface)
    for chip in definition.devices_of("tpm"):
        path = chip.at("backend/device")
        where = path.attributes["path"] if path else "/dev/tpm0"
        raise system_failure(f"Could not open TPM device {where}", errno.ENOENT, origin=Origin.QEMU)


def _check_disks(definition: Definition, offer: Offer) -> None:
    for disk in definition.devices_of("disk"):
        _check_secrets(disk, offer.secrets)


def _check_pages(definition: Definition, _offer: Offer) -> None:
    pages = definition.root.at("memoryBacking/hugepages")
    if pages is None:
        return
    sizes = [each.attributes["size"] for each in pages.named("page")]
    if not sizes or any(each != str(PAGES[0]) for each in sizes):
        problem = "hugetlbfs filesystem is not mounted or disabled by administrator config"
        raise failure(Code.INTERNAL_ERROR, problem)


def _check_interfaces(definition: Definition, _offer: Offer) -> None:
    for interface in definition.devices_of("interface"):
        _check_filter(interface)


def _check_pins(definition: Definition, offer: Offer) -> None:
    there = cpumaps.every(offer.hardware.figures.cpus)
    if any(not cpumaps.read(each) & there for each in _pins(definition)):
        raise system_failure(f"cannot set CPU affinity on process {_PROCESS}", errno.EINVAL)


_CHECKS: Final[tuple[Callable[[Definition, Offer], None], ...]] = (
    _check_cpu, _check_nodes, _check_devices, _check_disks, _check_pages, _check_interfaces, _check_pins,
)  # fmt: skip


def _pins(definition: Definition) -> Iterator[str]:
    """Give where a domain's threads may run, as far as it says so."""
    tune = definition.root.child("cputune") or Element("cputune")
    vcpu = definition.root.child("vcpu") or Element("vcpu")
    elements = (vcpu, *tune.named("emulatorpin"))
    pins = (each.attributes.get("cpuset", "") for each in elements)
    threads = (each or "" for each in definition.io_threads.values())
    yield from filter(CPUSET.fullmatch, (*pins, *threads))
    yield from (cpus for number, cpus in definition.pins.items() if number < definition.vcpus)


def _numbers(text: str) -> list[int]:
    return cpumaps.numbers_of(cpumaps.read(text)) if CPUSET.fullmatch(text) else []


# What a device may say of it


def _check_filter(interface: Element) -> None:
    name = part_of(interface, "filterref", "filter")
    if name is not None:
        problem = f"referenced filter '{name}' is missing"
        raise failure(Code.INTERNAL_ERROR, problem, origin=Origin.NWFILTER)


def _check_secrets(disk: Element, secrets: Secrets) -> None:
    for named, usage in secrets_of(disk):
        _secret(named, secrets, usage)


def _secret(named: Element, secrets: Secrets, usage: str | None) -> bytes:
    """Return what a secret is that a disk names.

    Args:
        named: how it is named.
        secrets: the host's.
        usage: what it must be for; None for anything.

    Raises:
        LibvirtError: it isn't defined, is for something else, or has no value.
    """
    key = named.attributes.get("uuid")
    if key is None:
        secret = secrets.by_usage(number_of(usage or "volume"), named.attributes.get("usage", ""))
    else:
        secret = secrets.by_uuid(UUID(key).bytes)
    if usage and secret.definition.usage != usage:
        what = f"secret with uuid {UUID(bytes=secret.definition.uuid)} is of type"
        problem = f"{what} '{secret.definition.usage or 'none'}' not expected '{usage}' type"
        raise failure(Code.INVALID_ARG, problem, origin=Origin.NONE)
    return secret.known
