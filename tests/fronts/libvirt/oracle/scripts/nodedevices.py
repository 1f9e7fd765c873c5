"""The host's devices: what is the same of each host's, and what is refused.

No device on PCI is touched: the real pair's are those of the machine that it runs on.
"""

NAMES = ("computer", "net_lo_00_00_00_00_00_00")
"""Those that each host has."""

ABSENT = ("usb", "ccw", "css", "vdpa", "mdev")
"""What no host has."""


def callback(*_):
    """Be told of something."""


def looked_at(ask, device):
    """Ask all that a device can be asked without changing it."""
    ask(device.name)
    ask(device.parent)
    ask(device.numOfCaps)
    ask(device.listCaps)
    ask(device.isActive)
    ask(device.isPersistent)
    ask(device.autostart)
    ask(device.XMLDesc)
    ask(device.XMLDesc, 1)


def refused(ask, device):
    """Ask what can be done with devices on PCI alone, and with those that a client has made."""
    ask(device.dettach)
    ask(device.detachFlags, None)
    for driver in ("vfio", "kvm", "xen", "nosuch", ""):
        ask(device.detachFlags, driver)
        ask(device.detachFlags, driver, 1)
    ask(device.reAttach)
    ask(device.reset)
    ask(device.setAutostart, 1)
    ask(device.create)
    ask(device.undefine)


def listed(ask, connection):
    """Ask which there are."""
    for capability in ("system", "nosuch", "", *ABSENT):
        ask(connection.numOfDevices, capability)
        ask(connection.listDevices, capability)
    for flags in (1, 2, 2**31):
        ask(connection.numOfDevices, "system", flags)
        ask(connection.listDevices, "system", flags)
    active, inactive = 2**31 - 2**32, 2**30
    for flags in (1, 1 | active, 1 | inactive, 1 | active | inactive, inactive):
        ask(connection.listAllDevices, flags)
    for bit in (*range(2, 4), *range(5, 8), *range(9, 30)):
        ask(connection.listAllDevices, 1 << bit)
        ask(connection.listAllDevices, 1 | 1 << bit)


def found(ask, connection):
    """Look for one, in ways that find it and that don't."""
    for name in ("computer", "nosuch", "", "Computer", "net_lo"):
        ask(connection.nodeDeviceLookupByName, name)
    for flags in (0, 1):
        ask(connection.nodeDeviceLookupSCSIHostByWWN, "2001001b32a9da4e", "2101001b32a9da4e", flags)


def watched(ask, connection, device):
    """Register for events, and deregister."""
    numbers = [
        ask(connection.nodeDeviceEventRegisterAny, about, kind, callback, None)
        for about in (None, device)
        for kind in (0, 1, 2, 3)
    ]
    for number in numbers:
        if number is not None:
            ask(connection.nodeDeviceEventDeregisterAny, number)
    ask(connection.nodeDeviceEventDeregisterAny, 77)


def script(ask):
    connection = ask.connect()
    listed(ask, connection)
    found(ask, connection)
    for name in NAMES:
        device = ask(connection.nodeDeviceLookupByName, name)
        looked_at(ask, device)
        refused(ask, device)
        watched(ask, connection, device)
    for make in (connection.nodeDeviceCreateXML, connection.nodeDeviceDefineXML):
        for flags in (0, 4):
            ask(make, "<device/>", flags)
    reader = ask.connect(read_only=True)
    device = ask(reader.nodeDeviceLookupByName, "computer")
    looked_at(ask, device)
    refused(ask, device)
    watched(ask, reader, device)
    ask.virsh("nodedev-list", "--cap", "system")
    ask.virsh("nodedev-list", "--cap", "system", "--tree")
    ask.virsh("nodedev-list", "--cap", "nosuch")
    ask.virsh("nodedev-list", "--inactive")
    ask.virsh("nodedev-event", "--list")
    ask.virsh("nodedev-info", "computer")
    for name in ("nosuch", "net_lo_00_00_00_00_00_00"):
        for command in ("dumpxml", "info", "detach", "reattach", "reset"):
            ask.virsh(f"nodedev-{command}", name)
