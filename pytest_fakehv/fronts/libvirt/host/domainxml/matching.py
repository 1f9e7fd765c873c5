"""Which of a domain's devices a description means, to take it out or to change it."""

from collections.abc import Callable, Mapping
from typing import Final

from pytest_fakehv.fronts.libvirt.errors import Code, LibvirtError, Origin, failure
from pytest_fakehv.fronts.libvirt.host.domainxml.interfaces import written_mac
from pytest_fakehv.fronts.libvirt.host.domainxml.memorydevices import complete_memory
from pytest_fakehv.fronts.libvirt.host.domainxml.parts import part_of
from pytest_fakehv.fronts.libvirt.host.domainxml.plugging import LINES
from pytest_fakehv.fronts.libvirt.host.domainxml.running import devices_of
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import Element

_LETTING_GO: Final = ("virtio", "usb", "scsi")
"""The buses that disks can leave while the domain runs."""

_NOT_PRESENT: Final = "device not present in domain configuration"


def by_alias(domain: Element, alias: str) -> Element:
    """Return the device of a name.

    Raises:
        LibvirtError: There is none.
    """
    for each in devices_of(domain).children:
        if part_of(each, "alias", "name") == alias:
            return each
    raise failure(Code.INTERNAL_ERROR, f"no device found with alias {alias}", origin=Origin.DOMAIN)


def to_take_out(domain: Element, device: Element, *, is_live: bool) -> Element:
    """Return the device of a domain that is meant by its description.

    Args:
        domain: The domain, completed; where it runs, pinned, and with what it is given as it runs.
        device: The description.
        is_live: Whether the domain runs by this.

    Raises:
        LibvirtError: There is none, or there are several, or none of its kind can ever go.
    """
    find = (_LIVE if is_live else _CONFIG).get(device.name)
    if find is None:
        how = "live" if is_live else "persistent"
        raise _never(f"{how} detach of device '{device.name}' is not supported")
    return find(domain, device)


def check_lets_go(domain: Element, device: Element) -> None:
    """Refuse to take out of a domain that runs what never can be.

    Args:
        domain: The domain.
        device: One of its devices.

    Raises:
        LibvirtError: It is such a one.
    """
    match device.name:
        case "disk":
            bus, kind = part_of(device, "target", "bus"), device.attributes["device"]
            if bus not in _LETTING_GO:
                if kind == "disk":
                    raise _never("This type of disk cannot be hot unplugged")
                raise _never(f"disk device type '{kind}' cannot be detached")
        case "controller":
            _check_is_free(domain, device)
        case "input" if device.attributes.get("bus") == "ps2":
            raise _never("input device on bus 'ps2' cannot be detached")
        case "serial" | "parallel" if device.child("address") is None:
            problem = "unable to execute QEMU command 'device_del': Bus 'isa.0' does not support hotplugging"
            raise failure(Code.INTERNAL_ERROR, problem)
        case kind if kind not in _LIVE:
            raise _never(f"live detach of device '{kind}' is not supported")
        case _:
            pass


def _check_is_free(domain: Element, controller: Element) -> None:
    kind, index = controller.attributes["type"], controller.attributes["index"]
    if kind != "scsi":
        raise _never(f"'{kind}' controller cannot be hot unplugged.")
    for disk in devices_of(domain).named("disk"):
        if (part_of(disk, "target", "bus"), part_of(disk, "address", "controller")) == (kind, index):
            raise failure(Code.OPERATION_FAILED, "device cannot be detached: device is busy")


def needs_guest(device: Element) -> bool:
    """Whether a device goes once the guest has let go of it alone: others are pulled out."""
    address = device.child("address")
    return address is not None and address.attributes.get("type") in {"pci", "dimm"}


def disk_of(domain: Element, device: Element) -> Element | None:
    """Return the disk that has the name that another one is to have."""
    target = part_of(device, "target", "dev")
    same = (each for each in devices_of(domain).named("disk") if part_of(each, "target", "dev") == target)
    return next(same, None)


def interface_of(domain: Element, device: Element) -> Element:
    """Return the interface that a description means: by its MAC address, and where it is, and its name.

    Raises:
        LibvirtError: There is none, or there are several.
    """
    given = part_of(device, "mac", "address")
    mac = given and written_mac(given)
    alias, address = part_of(device, "alias", "name"), device.child("address")
    found = [
        each
        for each in devices_of(domain).named("interface")
        if mac in (None, part_of(each, "mac", "address"))
        and alias in (None, part_of(each, "alias", "name"))
        and (address is None or _pci(address) == _pci(each.child("address")))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        many = (
            f"multiple devices matching MAC address {mac} found" if mac else "multiple matching devices found"
        )
        raise failure(Code.OPERATION_FAILED, many, origin=Origin.DOMAIN)
    at, mac, alias = (each or "(<null>)" for each in (_pci(address), mac, alias))
    problem = f"no device found at address '{at}' matching MAC address '{mac}' and alias '{alias}'"
    raise _missing(problem, Origin.DOMAIN)


def _pci(address: Element | None) -> str | None:
    if address is None or address.attributes.get("type") != "pci":
        return None
    said = (address.attributes.get(name, "0") for name in ("domain", "bus", "slot", "function"))
    try:
        return "{:04x}:{:02x}:{:02x}.{:x}".format(*(int(each, 0) for each in said))
    except ValueError:  # it was defined so
        return None


def _same(one: Element, other: Element, *attributes: str) -> bool:
    return all(one.attributes.get(each) == other.attributes.get(each) for each in attributes)


def _first(domain: Element, device: Element, is_meant: Callable[[Element], bool]) -> Element | None:
    return next(filter(is_meant, devices_of(domain).named(device.name)), None)


# -- Each kind


def _disk(words: str) -> Callable[[Element, Element], Element]:
    def find(domain: Element, device: Element) -> Element:
        if found := disk_of(domain, device):
            return found
        raise _missing(words.format(part_of(device, "target", "dev")))

    return find


def _line(domain: Element, device: Element, error: LibvirtError) -> Element:
    def is_meant(each: Element) -> bool:
        is_alike = _same(each, device.defaulting(type="pty"), "type")
        return is_alike and _ends(each) == _ends(device) and _source(each) == _source(device)

    found = _first(domain, device, is_meant)
    if found is None:
        raise error
    return found


def _ends(line: Element) -> dict[str, str]:
    target = line.child("target")
    return {name: value for name, value in target.attributes.items() if name != "state"} if target else {}


def _source(line: Element) -> dict[str, str]:
    source = line.child("source")
    return dict(source.attributes) if source else {}


def _live_line(domain: Element, device: Element) -> Element:
    return _line(domain, device, _missing(f"chr type '{device.name}' {_NOT_PRESENT}"))


def _config_line(domain: Element, device: Element) -> Element:
    return _line(domain, device, failure(Code.INVALID_ARG, _NOT_PRESENT))


def _rng(words: str) -> Callable[[Element, Element], Element]:
    def find(domain: Element, device: Element) -> Element:
        if found := _first(domain, device, lambda each: _backend(each) == _backend(device)):
            return found
        raise _missing(words.format(part_of(device, "backend", "model")))

    return find


def _backend(rng: Element) -> tuple[object, ...]:
    backend = rng.child("backend")
    said = (backend.attributes.get("model"), backend.text) if backend else ()
    return (rng.attributes.get("model"), *said)


def _live_watchdog(domain: Element, device: Element) -> Element:
    there = devices_of(domain).child("watchdog")
    if there is None:
        raise _missing(f"watchdog {_NOT_PRESENT}")
    is_alike = _same(there, device.defaulting(action="reset"), "model", "action")
    if not is_alike or _pci(there.child("address")) != _pci(device.child("address")):
        raise _missing(f"model '{device.attributes['model']}' watchdog {_NOT_PRESENT}")
    return there


def _config_watchdog(domain: Element, _device: Element) -> Element:
    if there := devices_of(domain).child("watchdog"):
        return there
    raise _missing("domain has no watchdog")


def _input(domain: Element, device: Element) -> Element:
    usual = {"tablet": "usb"}.get(device.attributes["type"], "ps2")
    wanted = device.defaulting(bus=usual)
    if found := _first(domain, device, lambda each: _same(each, wanted, "type", "bus")):
        return found
    raise _missing("matching input device not found")


def _memory(words: str) -> Callable[[Element, Element], Element]:
    def find(domain: Element, device: Element) -> Element:
        (wanted,) = complete_memory([device])

        def is_meant(each: Element) -> bool:
            address = device.child("address")
            is_there = address is None or part_of(each, "address", "slot") == address.attributes.get("slot")
            return is_there and each.child("target") == wanted.child("target")

        if found := _first(domain, device, is_meant):
            return found
        raise _missing(words.format(device.attributes["model"]))

    return find


def _live_controller(domain: Element, device: Element) -> Element:
    kind = device.attributes["type"]
    if kind != "scsi":
        raise _never(f"'{kind}' controller cannot be hot unplugged.")
    if found := _first(domain, device, lambda each: _same(each, device, "type", "index")):
        return found
    raise _missing(f"controller {kind}:{device.attributes.get('index', '-1')} not found")


def _alike(*attributes: str) -> Callable[[Element, Element], Element]:
    def find(domain: Element, device: Element) -> Element:
        if found := _first(domain, device, lambda each: _same(each, device, *attributes)):
            return found
        raise _missing(_NOT_PRESENT)

    return find


def _hostdev(domain: Element, device: Element) -> Element | None:
    return _first(domain, device, lambda each: _on_host(each) == _on_host(device))


def _on_host(device: Element) -> object:
    source = device.child("source") or Element("source")
    address = source.child("address")
    if device.attributes["type"] == "pci" and address:
        return _pci(address.having(type="pci"))
    return device.attributes["type"], source


def _config_hostdev(domain: Element, device: Element) -> Element:
    if found := _hostdev(domain, device):
        return found
    raise _missing(_NOT_PRESENT)


def _live_hostdev(domain: Element, device: Element) -> Element:
    if found := _hostdev(domain, device):
        return found
    kind, source = device.attributes["type"], device.child("source") or Element("source")
    whose = f"vendor={part_of(source, 'vendor', 'id')} product={part_of(source, 'product', 'id')}"
    if kind == "pci":
        whose = str(_on_host(device))
    raise _missing(f"host {kind} device {whose} not found")


def _live_redirdev(domain: Element, device: Element) -> Element:
    if found := _redirdev(domain, device):
        return found
    raise failure(Code.OPERATION_INVALID, "no matching redirdev was not found")


def _config_redirdev(domain: Element, device: Element) -> Element:
    if found := _redirdev(domain, device):
        return found
    raise _missing("no matching redirdev was not found")


def _redirdev(domain: Element, device: Element) -> Element | None:
    return _first(
        domain, device, lambda each: _same(each, device, "bus", "type") and _source(each) == _source(device)
    )


def _filesystem(words: str) -> Callable[[Element, Element], Element]:
    def find(domain: Element, device: Element) -> Element:
        target = part_of(device, "target", "dir")
        if found := _first(domain, device, lambda each: part_of(each, "target", "dir") == target):
            return found
        raise _missing(words)

    return find


Finders = Mapping[str, Callable[[Element, Element], Element]]

_LIVE: Final[Finders] = {
    "disk": _disk("disk {} not found"),
    "interface": interface_of,
    **dict.fromkeys(LINES, _live_line),
    "rng": _rng(f"model '{{}}' RNG {_NOT_PRESENT}"),
    "watchdog": _live_watchdog,
    "input": _input,
    "memory": _memory("model '{}' memory device not present in the domain configuration"),
    "controller": _live_controller,
    "hostdev": _live_hostdev,
    "redirdev": _live_redirdev,
    "filesystem": _filesystem("matching filesystem not found"),
}

_CONFIG: Final[Finders] = {
    "disk": _disk("no target device {}"),
    "interface": interface_of,
    **dict.fromkeys(LINES, _config_line),
    "rng": _rng("no matching RNG device was found"),
    "watchdog": _config_watchdog,
    "input": _input,
    "memory": _memory("matching memory device was not found"),
    "controller": _alike("type", "index"),
    "sound": _alike("model"),
    "hostdev": _config_hostdev,
    "redirdev": _config_redirdev,
    "filesystem": _filesystem("no matching filesystem device was found"),
}


def _missing(problem: str, origin: Origin = Origin.QEMU) -> LibvirtError:
    return failure(Code.DEVICE_MISSING, problem, origin=origin)


def _never(problem: str) -> LibvirtError:
    return failure(Code.OPERATION_UNSUPPORTED, problem)
