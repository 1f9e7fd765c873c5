"""Devices that can't be plugged in, changed or plugged out."""

from oracle.definitions import disk_xml, xml
from oracle.scripts.plugging import (
    CHANNEL,
    DIMM,
    INPUT,
    NIC,
    PCI_HOSTDEV,
    RNG,
    USB_HOSTDEV,
    WATCHDOG,
    buses_xml,
    has_images,
    slots_xml,
)
from oracle.scripts.states import AFFECTS

CURRENT, LIVE, CONFIG, BOTH = AFFECTS

MALFORMED = [
    "", "<", "<disk", "<x/>", "<domain/>", "<redirfilter/>", "<emulator>/bin/true</emulator>",
    "<disk/>", "<disk type='file'><source file='/x'/></disk>", "<disk><target dev='sdq'/></disk>",
    disk_xml("xx", "virtio", "d7"), disk_xml("sdq", "bus", "d7"),
    disk_xml("sdq", "scsi", "d7", device="tape"),
    disk_xml("sdq", "scsi", "d7", driver="type='odd'"), disk_xml("sdq", "scsi", "d7", device="lun"),
    "<interface type='network'/>", "<interface type='train'/>",
    "<interface type='user'><mac address='01:00:00:00:00:00'/></interface>",
    "<channel type='unix'/>", "<input type='pedal'/>", "<rng model='odd'/>", "<watchdog model='odd'/>",
    "<watchdog/>", "<rng/>", "<memory/>", "<memory model='odd'/>", "<controller/>",
    "<controller type='odd'/>", "<hostdev/>", "<hostdev mode='subsystem' type='odd'/>", "<redirdev/>",
    "<redirdev bus='usb' type='odd'/>",
]  # fmt: skip

NOT_LIVE = [
    disk_xml("hda", "ide", "d4"), disk_xml("sdc", "sata", "d5"),
    disk_xml("fdb", "fdc", "d6", device="floppy"),
    disk_xml("hdd", "ide", device="cdrom"), "<serial type='pty'/>", "<parallel type='pty'/>",
    "<console type='pty'/>", "<controller type='usb' model='nec-xhci'/>", "<controller type='ide'/>",
    "<controller type='virtio-serial'/>",
    INPUT.format("mouse", "ps2"), "<sound model='ich6'/>",
    "<video><model type='vga'/></video>", "<graphics type='vnc'/>",
    "<filesystem type='mount'><source dir='/tmp'/><target dir='x'/></filesystem>", "<hub type='usb'/>",
    "<memballoon model='virtio'/>", "<panic model='isa'/>", "<audio id='2' type='none'/>",
    "<redirdev bus='usb' type='spicevmc'/>",
    "<interface type='network'><source network='nosuch'/></interface>",
    USB_HOSTDEV, PCI_HOSTDEV,
    DIMM.format(128, 0),
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    ask.watch_devices(connection)
    has_images(ask, connection)
    domain = ask(connection.defineXML, buses_xml("web1"))
    for state in ("shut off", "running"):
        if state == "running":
            ask(domain.create)
            ask.await_guest("web1")
        of_state(ask, domain)
    of_running(ask, domain)
    without_buses(ask, connection)
    of_memory(ask, connection)
    on_board(ask, connection)
    ask(domain.destroy)
    ask(domain.undefine)
    for method in (domain.attachDeviceFlags, domain.detachDeviceFlags, domain.updateDeviceFlags):
        ask(method, disk_xml("sda", "scsi", "d1"), CURRENT)
    ask(domain.detachDeviceAlias, "nosuch")


def of_state(ask, domain):
    """Ask for what is wrong in every state."""
    for device in MALFORMED:
        ask(domain.attachDeviceFlags, device, CURRENT)
    for device in MALFORMED:
        if device.startswith("<disk") and "<target" not in device:
            continue  # the real one does not survive that
        ask(domain.detachDeviceFlags, device, CURRENT)
        ask(domain.updateDeviceFlags, device, CURRENT)
    for method in (domain.attachDeviceFlags, domain.detachDeviceFlags, domain.updateDeviceFlags):
        for flags in (4, 8, 1 << 20):
            ask(method, disk_xml("sdq", "scsi", "d7"), flags)
    for flags in (*AFFECTS, 4, 1 << 20):
        ask(domain.detachDeviceAlias, "nosuch", flags)
    for flags in AFFECTS:
        for device in (
            disk_xml("sdq", "scsi", "d7"), NIC.format(""), CHANNEL.format("unix", "org.a.0"),
            RNG.format("/dev/urandom"), WATCHDOG.format("reset"), INPUT.format("tablet", "usb"),
            DIMM.format(64, 0), "<controller type='scsi' index='5'/>", "<sound model='ich6'/>",
            "<graphics type='vnc'/>", "<video><model type='vga'/></video>", "<hub type='usb'/>",
            "<memballoon model='virtio'/>", USB_HOSTDEV, PCI_HOSTDEV, "<redirdev bus='usb' type='spicevmc'/>",
            "<serial type='pty'/>", "<filesystem><source dir='/tmp'/><target dir='x'/></filesystem>",
        ):  # fmt: skip
            ask(domain.detachDeviceFlags, device, flags)
            if flags in (LIVE, CONFIG):
                ask(domain.updateDeviceFlags, device, flags)
    ask(domain.attachDevice, "<x/>")
    ask(domain.detachDevice, "<x/>")


def of_running(ask, domain):
    """Ask of what runs for what only can be while it doesn't."""
    for device in NOT_LIVE:
        ask(domain.attachDeviceFlags, device, LIVE)
    for device in (
        disk_xml("sda", "scsi", "d1"), disk_xml("sda", "scsi", "d2"), disk_xml("sda", "usb", "d2"),
        disk_xml("sdk", "usb", "d3"), disk_xml("sdl", "usb", "d4"), disk_xml("sdm", "usb", "d5"),
        CHANNEL.format("unix", "org.a.0"), CHANNEL.format("unix", "org.a.0"),
        WATCHDOG.format("reset"), WATCHDOG.format("reset"), NIC.format(""),
        RNG.format("/dev/urandom"),
    ):  # fmt: skip
        ask(domain.attachDeviceFlags, device, LIVE)
        ask(domain.attachDeviceFlags, device, CONFIG)
        ask(domain.attachDeviceFlags, device, BOTH)
    for device in (
        disk_xml("sda", "scsi", "d9"), disk_xml("sda", "scsi", "d1", driver="type='raw' cache='none'"),
        disk_xml("sda", "scsi", "d1", "<serial>x</serial>"), disk_xml("sda", "usb", "d1"),
        disk_xml("sda", "scsi", "d1", "<readonly/>"), disk_xml("sda", "scsi", "d1", "<boot order='1'/>"),
        disk_xml("sda", "scsi", "d1", driver="type='qcow2'"), disk_xml("sda", "scsi", "d1", device="cdrom"),
        disk_xml("hdd", "ide", "d9", device="cdrom"),
        NIC.format("<model type='virtio'/>"), NIC.format("").replace("01", "99"), "<interface type='user'/>",
        NIC.format("").replace("user'", "network'").replace("<mac", "<source network='x'/><mac"),
        "<graphics type='vnc'/>", RNG.format("/dev/urandom"), CHANNEL.format("unix", "org.a.0"),
        WATCHDOG.format("reset"), WATCHDOG.format("poweroff"), "<memballoon model='virtio'/>",
    ):  # fmt: skip
        ask(domain.updateDeviceFlags, device, LIVE)
    for device in (
        disk_xml("hdc", "ide", device="cdrom"), disk_xml("fda", "fdc", device="floppy"),
        NIC.format("").replace("01", "99"), "<controller type='usb' index='0'/>",
        "<controller type='virtio-serial' index='0'/>", "<controller type='scsi' index='0'/>",
        "<controller type='scsi' index='5'/>", RNG.format("/dev/random"), WATCHDOG.format("poweroff"),
        INPUT.format("mouse", "ps2"), INPUT.format("tablet", "usb"), "<memballoon model='virtio'/>",
        CHANNEL.format("unix", "org.b.0"),
    ):  # fmt: skip
        ask(domain.detachDeviceFlags, device, LIVE)
    for alias in ("ide0-1-0", "fdc0-0-0", "usb", "pci.0", "ide", "balloon0", "input0", "virtio-serial0", ""):
        ask(domain.detachDeviceAlias, alias, LIVE)


def without_buses(ask, connection):
    """Ask the same of a domain that has no buses."""
    domain = ask(connection.defineXML, xml("bare1"))
    for flags in (CONFIG, LIVE):
        if flags == LIVE:
            ask(domain.undefine)
            domain = ask(connection.createXML, xml("bare1"))
            ask.await_guest("bare1")
        for device in (
            disk_xml("sdk", "usb", "d3"), INPUT.format("tablet", "usb"), USB_HOSTDEV, "<hub type='usb'/>",
            "<redirdev bus='usb' type='spicevmc'/>", CHANNEL.format("unix", "org.a.0"),
            "<console type='pty'><target type='virtio'/></console>", DIMM.format(64, 0),
        ):  # fmt: skip
            ask(domain.attachDeviceFlags, device, flags)
    ask(domain.destroy)


def of_memory(ask, connection):
    """Ask for memory that there can't be."""
    domain = ask(connection.defineXML, slots_xml("big1"))
    for state in ("shut off", "running"):
        if state == "running":
            ask(domain.create)
            ask.await_guest("big1")
        for device in (
            DIMM.format(1024, 0), DIMM.format(64, 3),
            "<memory model='dimm'><target><node>0</node></target></memory>",
            "<memory model='dimm'><target><size>x</size><node>0</node></target></memory>",
            "<memory><target><size unit='MiB'>64</size><node>0</node></target></memory>",
            "<memory model='dimm'/>",
        ):  # fmt: skip
            ask(domain.attachDeviceFlags, device, CURRENT)
        if state == "running":  # the other takes it, and doesn't start any more
            ask(domain.attachDeviceFlags, DIMM.format(64, 0).replace("<node>0</node>", ""), CURRENT)
        ask(domain.detachDeviceFlags, DIMM.format(64, 0), CURRENT)
        ask(domain.updateDeviceFlags, DIMM.format(64, 0), CURRENT)
    ask(domain.destroy)
    ask(domain.undefine)


def on_board(ask, connection):
    """Ask for devices that are on the board, and for those of which there are several alike."""
    devices = (
        disk_xml("hda", "ide", "d10") + disk_xml("sda", "sata", "d11") + "<graphics type='vnc' port='-1'/>"
        "<serial type='pty'/>" + 2 * NIC.format("") + RNG.format("/dev/urandom")
    )  # fmt: skip
    domain = ask(connection.defineXML, xml("full1", devices=devices))
    ask(domain.create)
    ask.await_guest("full1")
    controller = "<controller type='scsi' index='0' model='virtio-scsi'/>"
    for flags in (LIVE, CONFIG):
        for device in (
            disk_xml("hdb", "ide", "d12"), disk_xml("sdb", "sata", "d12"), controller, controller,
        ):  # fmt: skip
            if flags == LIVE or device is controller:
                ask(domain.attachDeviceFlags, device, flags)
        for device in (
            "<disk><target dev='hda'/></disk>", "<disk><target dev='sda'/></disk>",
            NIC.format(""), "<interface type='user'/>",
            NIC.format(
                "<address type='pci' domain='0x0000' bus='0x00' slot='0x1e' function='0x0'/>"
            ),
        ):  # fmt: skip
            if flags == LIVE or "interface" in device:
                ask(domain.detachDeviceFlags, device, flags)
    for device in ("<graphics type='vnc' port='-1' passwd='y'/>", "<graphics type='spice'/>"):
        ask(domain.updateDeviceFlags, device, LIVE)
    ask(domain.updateDeviceFlags, "<graphics type='vnc' port='5999' passwd='z'/>", CONFIG)
    ask(domain.setVcpu, "0", 0, 1)
    ask(domain.XMLDesc, 2)
    ask(domain.destroy)
