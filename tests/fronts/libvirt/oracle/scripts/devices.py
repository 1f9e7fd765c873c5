"""Devices that are plugged in, changed, and plugged out: in every state, in both definitions."""

import libvirt

from oracle.definitions import changed, disk_xml, xml
from oracle.scripts.plugging import (
    CHANNEL,
    DIMM,
    INPUT,
    NIC,
    PCI_HOSTDEV,
    RNG,
    WATCHDOG,
    both,
    buses_xml,
    has_images,
    slots_xml,
)
from oracle.scripts.states import AFFECTS

CURRENT, LIVE, CONFIG, BOTH = AFFECTS
FORCE = libvirt.VIR_DOMAIN_DEVICE_MODIFY_FORCE


def script(ask):
    connection = ask.connect()
    ask.watch_devices(connection)
    has_images(ask, connection)
    domain = ask(connection.defineXML, buses_xml("web1"))
    shut_off(ask, domain)
    ask(domain.undefine)
    domain = ask(connection.defineXML, buses_xml("web1"))
    ask(domain.create)
    ask.await_guest("web1")
    running(ask, domain)
    media(ask, domain)
    links(ask, domain)
    plugged_out(ask, domain)
    ask(domain.suspend)
    ask(domain.attachDevice, disk_xml("sdf", "scsi", "d11"))
    ask(domain.detachDevice, disk_xml("sdf", "scsi", "d11"))
    ask(domain.destroy)
    both(ask, domain)
    ask(domain.undefine)
    transient(ask, connection)
    memory(ask, connection)
    vcpus(ask, connection)


def shut_off(ask, domain):
    """Change what doesn't run."""
    for place, flags in enumerate((CURRENT, CONFIG), 1):
        ask(domain.attachDeviceFlags, disk_xml(f"sd{'xab'[place]}", "scsi", f"d{place}"), flags)
    for device in (
        disk_xml("vda", "virtio", "d3"), disk_xml("sdk", "usb", "d4"), disk_xml("sdc", "sata", "d5"),
        NIC.format("<model type='virtio'/>"), NIC.format("").replace("01", "02"),
        "<serial type='pty'/>", CHANNEL.format("unix", "org.a.0"), CHANNEL.format("pty", "org.b.0"),
        RNG.format("/dev/urandom"), WATCHDOG.format("reset"), INPUT.format("keyboard", "virtio"),
        "<controller type='scsi' model='virtio-scsi'/>", "<graphics type='vnc' port='-1'/>",
        "<sound model='ich6'/>", "<video><model type='vga'/></video>",
        "<filesystem type='mount'><source dir='/tmp'/><target dir='x'/></filesystem>",
        PCI_HOSTDEV,
    ):  # fmt: skip
        ask(domain.attachDeviceFlags, device, CONFIG)
    ask(domain.XMLDesc)
    for device in (
        disk_xml("sda", "scsi", "d6", "<serial>a</serial>"), disk_xml("hdc", "ide", "d7", device="cdrom"),
        NIC.format("<model type='virtio'/><link state='down'/>"),
    ):  # fmt: skip
        ask(domain.updateDeviceFlags, device, CONFIG)
    ask(domain.XMLDesc)
    for device in (
        disk_xml("vda", "virtio", "d3"), "<disk><target dev='sdk'/></disk>", disk_xml("sdc", "sata", "d5"),
        NIC.format(""), NIC.format("").replace("01", "02"), "<serial type='pty'/>",
        CHANNEL.format("unix", "org.a.0"), CHANNEL.format("pty", "org.b.0"),
        RNG.format("/dev/urandom"), WATCHDOG.format("reset"), INPUT.format("keyboard", "virtio"),
        "<controller type='scsi' index='1'/>", "<sound model='ich6'/>",
        "<filesystem type='mount'><source dir='/tmp'/><target dir='x'/></filesystem>",
        PCI_HOSTDEV,
        disk_xml("hdc", "ide", device="cdrom"), disk_xml("sda", "scsi", "d6"), disk_xml("sdb", "scsi", "d2"),
    ):  # fmt: skip
        ask(domain.detachDeviceFlags, device, CONFIG)
    ask(domain.XMLDesc)
    ask(domain.attachDeviceFlags, disk_xml("hdc", "ide", device="cdrom"), CURRENT)


def running(ask, domain):
    """Plug into what runs."""
    for place, flags in enumerate(AFFECTS, 1):
        ask(domain.attachDeviceFlags, disk_xml(f"sd{'xabcd'[place]}", "scsi", f"d{place}"), flags)
    both(ask, domain)
    for device in (
        disk_xml("sdk", "usb", "d5"), INPUT.format("tablet", "usb"), INPUT.format("keyboard", "virtio"),
        disk_xml("vda", "virtio", "d6", "<serial>abc</serial>"),
        disk_xml("sde", "scsi", "d7", device="cdrom"),
        CHANNEL.format("unix", "org.a.0"), CHANNEL.format("unix", "org.qemu.guest_agent.0"),
        CHANNEL.format("pty", "org.b.0"), "<console type='pty'><target type='virtio'/></console>",
        NIC.format("<model type='virtio'/>"), NIC.format("").replace("01", "02"),
        RNG.format("/dev/urandom"), WATCHDOG.format("reset"),
        "<controller type='scsi' model='virtio-scsi'/>",
        "<serial type='pty'><target type='pci-serial'/></serial>",
    ):  # fmt: skip
        ask(domain.attachDeviceFlags, device, BOTH if "mac" in device else LIVE)
    both(ask, domain)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_MIGRATABLE)


def media(ask, domain):
    """Change what is in a drive."""
    cdrom = {"device": "cdrom"}
    for image, flags in (
        ("d8", LIVE), ("d8", LIVE), ("d9", LIVE), (None, LIVE), (None, LIVE), ("d8", BOTH), ("d9", CONFIG),
        ("d9", CURRENT), (None, LIVE | FORCE), ("d10", LIVE | FORCE),
    ):  # fmt: skip
        ask(domain.updateDeviceFlags, disk_xml("hdc", "ide", image, **cdrom), flags)
        ask(domain.XMLDesc)
    ask(domain.updateDeviceFlags, disk_xml("fda", "fdc", "d10", "<readonly/>", device="floppy"), LIVE)
    ask(domain.updateDeviceFlags, disk_xml("sda", "scsi", "d1"), LIVE)
    both(ask, domain)


def links(ask, domain):
    """Change an interface."""
    model = "<model type='virtio'/>"
    for rest, flags in (
        ("<link state='down'/>", LIVE), ("<link state='up'/>", LIVE), ("<link state='down'/>", CONFIG),
        ("<link state='down'/>", BOTH), ("", LIVE), ("", BOTH), ("<link state='down'/>", CURRENT),
    ):  # fmt: skip
        ask(domain.updateDeviceFlags, NIC.format(model + rest), flags)
        both(ask, domain)


def plugged_out(ask, domain):
    """Take out what a guest need not let go, in every way."""
    for name, flags in (("a", CURRENT), ("b", LIVE), ("c", CONFIG), ("d", BOTH), ("b", CONFIG)):
        ask(domain.detachDeviceFlags, f"<disk><target dev='sd{name}'/></disk>", flags)
    ask(domain.detachDevice, disk_xml("sdk", "usb", "d5"))
    ask(domain.detachDeviceFlags, disk_xml("sde", "scsi", device="cdrom"), LIVE)
    for alias in ("input2", "channel1", "channel0", "channel2"):
        ask(domain.detachDeviceAlias, alias, LIVE, until="device removed")
    for device in (
        INPUT.format("tablet", "usb"),
        disk_xml("sdb", "scsi", "d2"),
        disk_xml("sdl", "usb", "d5"),
    ):
        ask(domain.attachDeviceFlags, device, LIVE)
    both(ask, domain)
    ask(domain.attachDevice, CHANNEL.format("unix", "org.c.0"))
    ask(domain.detachDeviceAlias, "usb-disk11", until="device removed")


def transient(ask, connection):
    """Do the same with a domain that has no other definition."""
    domain = ask(connection.createXML, buses_xml("job1"))
    ask.await_guest("job1")
    for place, flags in enumerate(AFFECTS):
        ask(domain.attachDeviceFlags, disk_xml(f"sd{'abcd'[place]}", "scsi", f"d{place + 1}"), flags)
    for place, flags in enumerate(AFFECTS):
        ask(domain.updateDeviceFlags, disk_xml(f"sd{'abcd'[place]}", "scsi", f"d{place + 1}"), flags)
    both(ask, domain)
    for place, flags in enumerate(AFFECTS):
        ask(domain.detachDeviceFlags, disk_xml(f"sd{'abcd'[place]}", "scsi", f"d{place + 1}"), flags)
    for flags in AFFECTS:
        ask(domain.detachDeviceAlias, "nosuch", flags)
    both(ask, domain)
    ask(domain.destroy)


def memory(ask, connection):
    """Plug in memory."""
    domain = ask(connection.defineXML, slots_xml("big1"))
    ask(domain.attachDeviceFlags, DIMM.format(128, 0), CONFIG)
    ask(domain.XMLDesc)
    ask(domain.info)
    ask(domain.create)
    ask.await_guest("big1")
    ask(domain.XMLDesc)
    for size, flags in ((128, LIVE), (64, BOTH), (64, CONFIG)):
        ask(domain.attachDeviceFlags, DIMM.format(size, 0), flags)
        both(ask, domain)
        ask(domain.info)
        ask(domain.memoryStats)
        ask(domain.maxMemory)
    for size in (64, 256):
        ask(domain.attachDeviceFlags, DIMM.format(size, 0), LIVE)
    ask(domain.attachDeviceFlags, DIMM.format(64, 0), CONFIG)
    ask(domain.attachDeviceFlags, DIMM.format(64, 0), CONFIG)
    for size in (128, 64, 64, 64, 32):
        ask(domain.detachDeviceFlags, DIMM.format(size, 0), CONFIG)
    both(ask, domain)
    ask(domain.destroy)
    ask(domain.info)
    ask(domain.undefine)


def vcpus(ask, connection):
    """Plug CPUs in, one by one."""
    domain = ask(connection.defineXML, xml("cpu1", vcpus=1, maximum=4))
    for given in (("1", 1, 1), ("2", 1, 2), ("1", 1, 0), ("1", 0, 0), ("1", 1, 3)):
        ask(domain.setVcpu, *given)
    ask(domain.XMLDesc)
    ask(domain.setGuestVcpus, "1", 1)
    ask(domain.create)
    ask.await_guest("cpu1")
    both(ask, domain)
    for given in (
        ("0", 1, 1), ("1", 1, 1), ("1-2", 1, 1), ("9", 1, 1), ("x", 1, 1), ("", 1, 1),
        ("2", 0, 2), ("1", 1, 2), ("0", 0, 2), ("9", 1, 2), ("1", 2, 1), ("1", 1, 8), ("1,3", 1, 2),
        ("3", 1, 3), ("3", 1, 0),
    ):  # fmt: skip
        ask(domain.setVcpu, *given)
    both(ask, domain)
    ask(domain.vcpusFlags, 1)
    ask(domain.vcpusFlags, 2)
    ask(domain.setVcpusFlags, 4, 3)
    both(ask, domain)
    for given in (("1", 1, 0), ("1", 0, 0), ("1", 2, 0), ("1", 1, 1), ("x", 1, 0)):
        ask(domain.setGuestVcpus, *given)
    ask(domain.destroy)
    ask(domain.XMLDesc)
    ask(domain.undefine)
    several_cpus(ask, connection)


def several_cpus(ask, connection):
    """Do the same with a domain that starts with several, or says of each whether it is there."""
    domain = ask(connection.defineXML, xml("cpu2", vcpus=2, maximum=4))
    ask(domain.create)
    ask.await_guest("cpu2")
    for given in (("1", 0, 1), ("1", 0, 2), ("3", 1, 1), ("3", 1, 2), ("1", 0, 2)):
        ask(domain.setVcpu, *given)
        both(ask, domain)
    for count, flags in ((3, 2), (1, 2), (2, 2), (3, 2 | 16), (1, 2 | 16), (2, 2 | 16), (1, 1)):
        ask(domain.setVcpusFlags, count, flags)
        ask(domain.XMLDesc, 2)
    ask(domain.destroy)
    ask(domain.setVcpu, "2", 1, 2)
    ask(domain.create)
    ask(domain.XMLDesc)
    ask(domain.destroy)
    for each in (
        "<vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='2' enabled='yes' hotpluggable='yes'/>",
        "<vcpu id='9' enabled='yes'/>", "<vcpu id='1' enabled='odd'/>", "<vcpu id='x' enabled='yes'/>",
        "<vcpu enabled='yes'/>", "<vcpu id='1'/>", "<vcpu id='0' enabled='no'/>",
        "<vcpu id='1' enabled='yes' hotpluggable='odd'/>", "<vcpu id='1' enabled='yes' order='x'/>", "",
    ):  # fmt: skip
        definition = xml("cpu2", vcpus=2, maximum=4)
        ask(connection.defineXML, changed(definition, "<os>", f"<vcpus>{each}</vcpus><os>"))
        ask(domain.XMLDesc, 2)
    ask(domain.undefine)
