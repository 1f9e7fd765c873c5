"""A domain's XML as a user writes it: checked as a daemon with QEMU checks it, and completed as it does."""

import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.cpus import (
    check_topology,
    checked_cpu,
    checked_vcpu,
    complete_cpu,
    counted,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.devices import (
    Machine,
    check_root_of_pci,
    check_together,
    complete,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.disks import check_disk_names
from pytest_fakehv.fronts.libvirt.host.domainxml.eachcpu import (
    check_each,
    each_of,
    how_many,
    is_said,
    said_of_each,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.firmware import check_machine_suits
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import (
    check_nodes,
    complete_backing,
    memory_of_cells,
    size_of,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.metadata import tidy
from pytest_fakehv.fronts.libvirt.host.domainxml.operating import (
    Operating,
    check_emulator,
    check_machine,
    checked_os,
    complete_os,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.others import check_security
from pytest_fakehv.fronts.libvirt.host.domainxml.refusals import (
    check_choice,
    check_root,
    integer,
    memory_kib,
    unsupported,
    wrong,
)
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element, in_order, ranks, words

TYPES: Final = ("qemu", "kvm")
"""The kinds of domain that a host runs."""

MOST_VCPUS: Final = 255
"""Of the machine that x86 has had for long."""
MOST_VCPUS_OF_Q35: Final = 288

_OTHER_TYPES: Final = words("xen kqemu uml lxc openvz test vmware hyperv vbox phyp parallels vz bhyve hvf")
_PLACES: Final = ranks(
    "name uuid genid title description metadata maxMemory memory currentMemory blkiotune memtune "
    "memoryBacking vcpu vcpus iothreads iothreadids defaultiothread cputune numatune resource sysinfo "
    "bootloader bootloader_args os idmap features cpu clock on_poweroff on_reboot on_crash on_lockfailure pm "
    "perf devices seclabel keywrap launchSecurity"
)
_SEVERAL: Final = ("sysinfo", "seclabel")
"""What may stand in a domain more than once."""
_FEATURES: Final = words(
    "acpi apic pae hap viridian privnet hyperv kvm pvspinlock capabilities pmu vmport gic smm ioapic hpt htm "
    "nested-hv msrs vmcoreinfo ccf-assist xen cfpc sbbc ibs tcg async-teardown ras ps2 aia"
)
_CLOCKS: Final = ("utc", "localtime", "variable", "timezone", "absolute")
_ACTIONS: Final = {"on_poweroff": "destroy", "on_reboot": "restart", "on_crash": "destroy"}
"""What comes of a domain if the user doesn't say it."""
_MAY_COME: Final = words("destroy restart preserve rename-restart")
_MAY_COME_OF: Final = {
    "on_poweroff": _MAY_COME,
    "on_reboot": _MAY_COME,
    "on_crash": (*_MAY_COME, "coredump-destroy", "coredump-restart"),
    "on_lockfailure": words("poweroff restart pause ignore"),
}
_UUID: Final = re.compile(r"[0-9A-Fa-f]{32}")
_LONGEST_NAME: Final = 255 - len(".xml.new")
"""Bytes: a daemon keeps a definition in a file of that name."""


def completed(root: Element, key: bytes) -> Element:
    """Check a domain's XML, and add what a user may leave out.

    The checks stand in the order in which a daemon makes them: of several mistakes the same one is told.

    Args:
        root: The outermost element.
        key: The uuid of a domain that has none in there, 16 bytes.

    Returns:
        The domain, in libvirt's order, with amounts of memory in KiB.

    Raises:
        LibvirtError: It is no domain, or there is something wrong in it.
    """
    name = _checked_name(root)
    uuid = checked_uuid(root) or key
    kind = _checked_type(root)
    os = checked_os(root)
    if "\n" in _text(root, "title"):
        raise wrong("Domain title can't contain newlines")
    memory, current, most = (memory_kib(root, each) for each in ("memory", "currentMemory", "maxMemory"))
    if element := root.child("memory"):
        check_choice(element, "dumpCore", ("on", "off"))
    slots = _checked_slots(root)
    vcpu = checked_vcpu(root)
    check_each(root, int(vcpu.text))
    cpus = each_of(root, 0, int(vcpu.text)) if is_said(root) else []
    threads = _text(root, "iothreads")
    if threads and integer(threads) is None:
        raise wrong(f"invalid iothreads count '{threads}'")
    cpu = checked_cpu(root)
    if vcpu.text == "0":
        detail = "CPU IDs in <numa> exceed the <vcpu> count"
        raise failure(Code.INTERNAL_ERROR, detail, origin=Origin.DOMAIN)
    _check_behaviour(root)
    written = [device for devices in root.named("devices") for device in devices.children]
    boots_by_device = any(device.child("boot") for device in written)
    os_element = complete_os(os, name, boots_by_device=boots_by_device)
    machine = Machine(uuid=uuid, emulator=os.emulator, is_q35=os.is_q35)
    devices = Element("devices", {}, tuple(complete(written, machine)))
    check_emulator(os, next((each.text for each in written if each.name == "emulator" and each.text), None))
    vcpu = counted(vcpu, how_many(cpus), len(cpus)) if cpus else vcpu
    if vcpu.attributes.get("current") == "0" or not all(each.is_there for each in cpus[:1]):
        raise unsupported("vcpu 0 can't be offline", Origin.QEMU)
    check_disk_names(devices)
    check_root_of_pci(devices, is_q35=os.is_q35)
    cpu = complete_cpu(cpu, kind, os.architecture)
    modules = list(devices.named("memory"))
    for module in modules:
        check_nodes(cpu, module)
    if cells := memory_of_cells(cpu):
        memory = cells + sum(map(size_of, modules))
    if not memory:
        raise wrong("Memory size must be specified via <memory> or in the <numa> configuration")
    _check_most_memory(most, slots, memory)
    if boots_by_device and os.element.child("boot"):
        raise unsupported("per-device boot elements cannot be used together with os/boot elements")
    check_machine(os)
    _check_for_qemu(root, name, kind, os, int(vcpu.text))
    check_topology(cpu, int(vcpu.text))
    _check_plugging(cpu, most)
    check_together(devices, is_q35=os.is_q35)
    new = [
        Element("name", {}, (name,)),
        Element("uuid", {}, (str(UUID(bytes=uuid)),)),
        *([_amount(root, "maxMemory", most)] if most else []),
        _amount(root, "memory", memory),
        _amount(root, "currentMemory", min(current or memory, memory)),
        vcpu,
        *([said_of_each(cpus)] if cpus else []),
        os_element,
        cpu,
        (root.child("clock") or Element("clock")).defaulting(offset="utc"),
        *(Element(action, {}, (_text(root, action) or usual,)) for action, usual in _ACTIONS.items()),
        devices,
    ]
    content = tuple(in_order(_with_rest(root, new), _PLACES))
    return Element("domain", {"type": kind, **_namespaces(root, content)}, content)


def replaced(domain: Element, name: str, element: Element | None) -> Element:
    """Return a completed domain that holds another element of a name; None takes it away."""
    others = [each for each in domain.children if each.name != name]
    return domain.holding(*in_order([*others, element] if element else others, _PLACES))


def _text(root: Element, name: str) -> str:
    element = root.child(name)
    return element.text if element else ""


# -- One thing each


def _checked_name(root: Element) -> str:
    check_root(root, "domain")
    is_of_others = ":" in root.name or "xmlns" in root.attributes
    name = "" if is_of_others else _text(root, "name")
    if not name:
        raise failure(Code.NO_NAME, origin=Origin.DOMAIN)
    return name


def has_uuid(root: Element) -> bool:
    """Tell whether a domain's XML says its uuid."""
    return bool(_text(root, "uuid").strip())


def checked_uuid(root: Element, origin: Origin = Origin.DOMAIN) -> bytes | None:
    """Return the uuid that a document says, 16 bytes; None where it says none.

    Raises:
        LibvirtError: It is malformed; this part of libvirt says so.
    """
    text = _text(root, "uuid").strip()
    if not text:
        return None
    digits = text.replace("-", "")
    if not _UUID.fullmatch(digits):
        raise failure(Code.INTERNAL_ERROR, "malformed uuid element", origin=origin)
    return bytes.fromhex(digits)


def _checked_type(root: Element) -> str:
    kind = root.attributes.get("type")
    if not kind:
        raise failure(Code.INTERNAL_ERROR, "missing domain type attribute", origin=Origin.DOMAIN)
    if kind not in TYPES and kind not in _OTHER_TYPES:
        raise unsupported(f"invalid domain type {kind}")
    return kind


def _checked_slots(root: Element) -> int:
    element = root.child("maxMemory")
    slots = integer(element.attributes.get("slots", "0")) if element else 0
    if slots is None:
        raise wrong("Failed to parse memory slot count")
    return slots


def _check_most_memory(most: int, slots: int, memory: int) -> None:
    if bool(most) != bool(slots):
        raise wrong("both maximum memory size and memory slot count must be specified")
    if most and most < memory:
        raise wrong("maximum memory size must be equal or greater than the actual memory size")


def _check_plugging(cpu: Element, most: int) -> None:
    if most and cpu.child("numa") is None:
        words = "At least one numa node has to be configured when enabling memory hotplug"
        raise unsupported(words, Origin.QEMU)


def _check_behaviour(root: Element) -> None:
    if features := root.child("features"):
        for feature in features.children:
            if feature.name not in _FEATURES:
                raise unsupported(f"unexpected feature '{feature.name}'")
    for event, allowed in _MAY_COME_OF.items():
        action = _text(root, event)
        if action and action not in allowed:
            raise unsupported(f"unknown {event} action: {action}")
    if clock := root.child("clock"):
        offset = clock.attributes.get("offset", "utc")
        if offset not in _CLOCKS:
            raise unsupported(f"unknown clock offset '{offset}'")


def _check_for_qemu(root: Element, name: str, kind: str, os: Operating, most_vcpus: int) -> None:
    """Make the checks that QEMU's driver makes once it knows all of a domain."""
    if "/" in name:
        raise wrong(f"name {name} cannot contain '/'")
    if kind not in TYPES:
        raise unsupported(f"Emulator '{os.emulator}' does not support virt type '{kind}'", Origin.QEMU)
    if os.type != "hvm":
        raise unsupported(f"Emulator '{os.emulator}' does not support os type '{os.type}'", Origin.QEMU)
    actions = {event: _text(root, event) for event in _ACTIONS}
    whose = "qemu driver doesn't support the"
    if "rename-restart" in actions.values():
        words = f"{whose} 'rename-restart' action for 'on_reboot'/'on_poweroff'/'on_crash'"
        raise unsupported(words, Origin.QEMU)
    if "preserve" in {actions["on_reboot"], actions["on_poweroff"]}:
        raise unsupported(f"{whose} 'preserve' action for 'on_reboot'/'on_poweroff'", Origin.QEMU)
    if (actions["on_reboot"], actions["on_poweroff"]) == ("destroy", "restart"):
        words = "'onReboot' set to 'destroy and 'onPoweroff' set to 'reboot'"
        raise unsupported(f"qemu driver doesn't support {words}", Origin.QEMU)
    limit = MOST_VCPUS_OF_Q35 if os.is_q35 else MOST_VCPUS
    if most_vcpus > limit:
        words = f"Maximum CPUs greater than specified machine type limit {limit}"
        raise unsupported(words, Origin.QEMU)
    check_security(root)
    check_machine_suits(os.element, root.child("features"), is_q35=os.is_q35)


def check_file_of(name: str) -> None:
    """Refuse a domain's name of which no file can be named: neither a daemon's own nor the cluster's.

    A daemon finds out last of all, once it keeps the definition.
    """
    if "\n" in name:
        words = "invalid char in name: \n"
        raise LibvirtError(Code.XML_DETAIL, Origin.XML, words, "%s", words)
    folder = "/var/lib/libvirt/qemu/snapshot"
    words, number = "", 0
    if name == ".":
        words, number = f"Cannot delete directory '{folder}/.': Invalid argument", 22
    elif name == "..":
        words, number = f"Cannot access '{folder}/../dump': No such file or directory", 2
    elif len(name.encode()) > _LONGEST_NAME:
        words, number = f"Failed to create file '/etc/libvirt/qemu/{name}.xml.new': File name too long", 36
    if words:
        raise LibvirtError(Code.SYSTEM_ERROR, Origin.NONE, words, "%s", words, int1=number)


# -- All of it


def _amount(root: Element, name: str, kib: int) -> Element:
    given = root.child(name) or Element(name)
    return Element(name, {**given.attributes, "unit": "KiB"}, (str(kib),))


def _with_rest(root: Element, new: list[Element]) -> Iterator[Element]:
    """Give new elements, and those of the domain as a user wrote it that none of them replaces."""
    done = {"maxMemory", "vcpus", *(each.name for each in new)}
    yield from new
    for each in root.children:
        if each.name in done:
            continue
        if each.name in _PLACES and each.name not in _SEVERAL:
            done.add(each.name)
        if each.text or each.name not in {"title", "description"}:
            yield _complete_rest(each, root)


def _complete_rest(element: Element, root: Element) -> Element:
    """Return something else that a domain holds, with what a user may leave out, as libvirt writes it."""
    match element.name:
        case "metadata":
            return tidy(element, root)
        case "memtune":
            amounts = (
                _amount(element, part.name, memory_kib(element, part.name)) for part in element.children
            )
            return element.holding(*amounts)
        case "features":
            return element.holding(*map(_complete_feature, element.children))
        case "memoryBacking":
            return complete_backing(element, root.child("cpu") or Element("cpu"))
        case "seclabel":
            return _complete_label(element)
        case _:
            return element


def _complete_label(label: Element) -> Element:
    kind = label.attributes.get("type")
    if kind == "none":
        return label.defaulting(type="none", model="none")
    return label.holding() if kind == "dynamic" else label


def _complete_feature(feature: Element) -> Element:
    return feature.defaulting(mode="custom") if feature.name == "hyperv" else feature


def _namespaces(root: Element, content: tuple[Element, ...]) -> dict[str, str]:
    """Return the domain's declarations of the namespaces of what libvirt doesn't define."""
    declarations = {f"xmlns:{each.name.partition(':')[0]}" for each in content if ":" in each.name}
    return {name: uri for name, uri in root.attributes.items() if name in declarations}
