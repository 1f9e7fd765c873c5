"""Devices that are plugged in: where they come to, what is said of them, what clients are told."""

import pytest
from plugs import BOTH, CONFIG, INACTIVE, LIVE, aliases, disk, domain, found, nic, refusal

DRIVER = "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
IN_SLOT = "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/>"
ON_DRIVE = "<address type='drive' controller='0' bus='0' target='0' unit='0'/>"


def test_a_disk_comes_to_what_runs_to_what_is_defined_or_to_both(web1, told):
    web1.attachDevice(disk("vda", "virtio", "a"))
    web1.attachDeviceFlags(disk("vdb", "virtio", "b"), CONFIG)
    web1.attachDeviceFlags(disk("sda", "scsi", "c"), BOTH)
    assert told() == ["device-added virtio-disk0", "device-added scsi0-0-0-0"]
    sources = [
        f"<source file='/images/{name}' index='{place}'/><backingStore/>" for name, place in ("a1", "c2")
    ]
    live = [
        f"<target dev='vda' bus='virtio'/><alias name='virtio-disk0'/>{IN_SLOT}</disk>",
        f"<target dev='sda' bus='scsi'/><alias name='scsi0-0-0-0'/>{ON_DRIVE}</disk>",
    ]
    later = [
        f"<source file='/images/b'/><target dev='vdb' bus='virtio'/>{IN_SLOT}</disk>",
        f"<source file='/images/c'/><target dev='sda' bus='scsi'/>{ON_DRIVE}</disk>",
    ]
    assert found(web1.XMLDesc(), "disk") == [DRIVER + a + b for a, b in zip(sources, live, strict=True)]
    assert found(web1.XMLDesc(INACTIVE), "disk") == [DRIVER + each for each in later]


def test_what_came_later_is_gone_once_the_domain_has_stopped(web1):
    web1.attachDevice(disk("vda", "virtio", "a"))
    web1.destroy()
    assert found(web1.XMLDesc(), "disk") == []
    web1.create()
    assert found(web1.XMLDesc(), "disk") == []


def test_devices_keep_their_names_whatever_goes_beside_them(web1, told):
    for number in (1, 2):
        web1.attachDevice(nic(number, "<model type='virtio'/>"))
    web1.detachDevice(nic(1))
    web1.attachDevice(nic(3, "<model type='virtio'/>"))
    assert [each for each in aliases(web1.XMLDesc()) if "net" in each] == ["net1", "net2"]
    assert told() == [
        "device-added net0", "device-added net1", "device-removed net0", "device-added net2",
    ]  # fmt: skip


def test_an_interface_without_an_address_gets_one_that_no_other_has(web1):
    given = []
    for _ in range(2):
        web1.attachDeviceFlags("<interface type='user'/>", BOTH)
        live, later = (found(web1.XMLDesc(flags), "interface")[-1] for flags in (0, INACTIVE))
        mac = live.partition("address='")[2][:17]
        assert mac in later
        given.append(mac)
    web1.detachDevice(f"<interface type='user'><mac address='{given[0]}'/></interface>")
    web1.attachDevice("<interface type='user'/>")
    macs = [each.partition("address='")[2][:17] for each in found(web1.XMLDesc(), "interface")]
    assert len(set(macs)) == 2


def test_an_interface_comes_to_a_network_that_is_up(node1, web1):
    web1.attachDevice(nic(1, "<source network='default'/>", type="network"))
    web1.attachDevice(nic(2, "<source bridge='br0'/>", type="bridge"))
    assert [each.partition("<target")[2][:12] for each in found(web1.XMLDesc(), "interface")] == [
        " dev='vnet0'", " dev='vnet1'",
    ]  # fmt: skip
    assert "bridge='virbr0'" in found(web1.XMLDesc(), "interface")[0]
    leases = node1.networkLookupByName("default").DHCPLeases()
    assert [each["mac"] for each in leases] == ["52:54:00:00:00:01"]
    node1.networkLookupByName("default").destroy()
    down = (55, 19, "Requested operation is not valid: network 'default' is not active")
    other = nic(3, "<source network='default'/>", type="network")
    assert refusal(web1.attachDevice, other) == down
    assert (
        refusal(web1.updateDeviceFlags, nic(2, "<source network='default'/>", type="network"), LIVE) == down
    )
    web1.attachDeviceFlags(other, CONFIG)


def test_the_next_domain_has_other_devices_on_its_host(node1, web1):
    web1.attachDevice(nic(1, "<source bridge='br0'/>", type="bridge"))
    web1.attachDevice("<channel type='pty'><target type='virtio' name='a'/></channel>")
    line = "<serial type='pty'/>"
    web2 = node1.createXML(domain("web2", nic(2, "<source bridge='br0'/>", type="bridge"), line))
    assert "<target dev='vnet1'/>" in web2.XMLDesc()
    web2.attachDevice(nic(3))
    web1.destroy()
    assert "<target dev='vnet1'/>" in found(web2.XMLDesc(), "interface")[0]
    web1 = node1.createXML(domain("web3", "<channel type='pty'><target type='virtio' name='a'/></channel>"))
    assert ["<source path='/dev/pts/0'/>" in found(web1.XMLDesc(), "channel")[0]] == [True]
    assert ["<source path='/dev/pts/1'/>" in found(web2.XMLDesc(), "serial")[0]] == [True]


def test_more_disks_than_a_controller_takes_get_another_one(web1):
    for letter in "abcdefgh":
        web1.attachDeviceFlags(disk(f"sd{letter}", "scsi", letter), BOTH)
    models = [
        [each.partition("model='")[2].partition("'")[0] for each in found(web1.XMLDesc(flags), "controller")
         if "'scsi'" in each]
        for flags in (0, INACTIVE)
    ]  # fmt: skip
    assert models == [["virtio-scsi", "virtio-scsi"], ["virtio-scsi", "lsilogic"]]
    assert "scsi1-0-0-0" in aliases(web1.XMLDesc())


def test_a_machine_has_so_many_slots(web1):
    full = (1, 20, "internal error: No more available PCI slots")
    for number in range(27):
        web1.attachDevice(nic(number))
    assert refusal(web1.attachDevice, nic(40)) == full
    assert refusal(web1.attachDevice, nic(40)) == full
    web1.attachDevice(disk("sda", "scsi", "a"))


def test_a_newer_machine_has_a_port_for_each(node1):
    web1 = node1.createXML(domain("web1", machine="q35"))
    web1.attachDevice(nic(1))
    web1.attachDevice("<input type='tablet' bus='usb'/>")
    web1.attachDevice("<input type='tablet' bus='usb'/>")
    assert [each[-29:] for each in found(web1.XMLDesc(), "interface")] == [
        "<alias name='net0'/></interface>"[-29:]
    ]
    assert "<address type='usb' bus='0' port='2'/>" in web1.XMLDesc()
    assert "sata0" not in aliases(web1.XMLDesc())


def test_names_that_a_user_gives_stay(web1, told):
    web1.attachDeviceFlags(nic(1, "<alias name='ua-lan'/>"), BOTH)
    assert [each for each in aliases(web1.XMLDesc()) if "net" in each or "ua" in each] == ["ua-lan"]
    assert aliases(web1.XMLDesc(INACTIVE)) == ["ua-lan"]
    web1.detachDeviceAlias("ua-lan", BOTH)
    assert found(web1.XMLDesc(), "interface") == found(web1.XMLDesc(INACTIVE), "interface") == []
    assert told() == ["device-added ua-lan", "device-removed ua-lan"]


def test_a_serial_line_comes_with_its_console(web1, told):
    web1.attachDevice("<serial type='pty'><target type='pci-serial'/></serial>")
    assert told() == ["device-added serial0"]
    (console,) = found(web1.XMLDesc(), "console")
    assert console == (
        "<console type='pty' tty='/dev/pts/0'><source path='/dev/pts/0'/><target type='serial' port='0'/>"
        f"<alias name='serial0'/>{IN_SLOT}</console>"
    )
    web1.attachDevice("<console type='pty'><target type='virtio'/></console>")
    assert "<alias name='console0'/>" in found(web1.XMLDesc(), "console")[1]
    web1.detachDeviceAlias("serial0", LIVE)
    (left,) = found(web1.XMLDesc(), "console")
    assert "<target type='virtio'" in left


def test_the_migratable_definition_has_no_names(web1):
    web1.attachDevice(nic(1, "<source bridge='br0'/>", type="bridge"))
    xml = web1.XMLDesc(8)
    assert ("alias" in xml, "vnet" in xml, len(found(xml, "interface"))) == (False, False, 1)


def test_a_domain_moves_with_what_was_plugged_in(libvirt, web1, connect):
    web1.attachDevice(disk("sda", "scsi", "a"))
    web1.attachDevice(nic(1))
    moved = web1.migrate(connect("node2"), libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_UNSAFE)
    assert {"scsi0-0-0-0", "net0"} <= set(aliases(moved.XMLDesc()))


NO_FOLDER = "cannot open directory '/sys/bus/{}': No such file or directory"


@pytest.mark.parametrize(
    ("what", "source", "refused"),
    [
        ("usb", "<vendor id='0x1234'/><product id='0x5678'/>", (38, 0, NO_FOLDER.format("usb/devices"))),
        (
            "scsi",
            "<adapter name='scsi_host7'/><address bus='1' target='2' unit='3'/>",
            (38, 0, NO_FOLDER.format("scsi/devices/7:1:2:3/scsi_generic")),
        ),
        (
            "mdev",
            "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/>",
            (67, 10, "unsupported configuration: Mediated host device assignment requires VFIO support"),
        ),
        (
            "scsi_host",
            "",
            (67, 0, "unsupported configuration: vhost-scsi device file '/dev/vhost-scsi' cannot be found"),
        ),
    ],
)
def test_a_device_of_the_host_comes_to_none_that_runs(web1, what, source, refused):
    device = f"<hostdev mode='subsystem' type='{what}'><source>{source}</source></hostdev>"
    assert refusal(web1.attachDevice, device) == refused
    web1.attachDeviceFlags(device, CONFIG)
    web1.detachDeviceFlags(device, CONFIG)


SLOT = "Invalid value for attribute 'slot' in element 'address': 'x'. Expected non-negative integer value"


@pytest.mark.parametrize(
    "device",
    [
        "<hostdev mode='subsystem' type='pci'><source><address slot='x'/></source></hostdev>",
        nic(1, "<address type='pci' slot='x'/>"),
    ],
)
def test_an_address_that_is_none_is_refused(web1, device):
    assert refusal(web1.attachDeviceFlags, device, CONFIG) == (27, 5, f"XML error: {SLOT}")


def test_an_address_that_was_defined_is_nobody_elses(node1):
    web1 = node1.defineXML(domain("web1", nic(1, "<address type='pci' slot='x'/>")))
    missing = "no device found at address '0000:00:05.0' matching MAC address '52:54:00:00:00:01' and alias"
    given = nic(1, "<address type='pci' slot='0x05'/>")
    text = f"device not found: {missing} '(<null>)'"
    assert refusal(web1.detachDeviceFlags, given, CONFIG) == (99, 20, text)


def test_nobody_without_the_right_to_write_plugs_anything_in(connect):
    reader = connect("node2", read_only=True)
    connect("node2").defineXML(domain("web1"))
    web1 = reader.lookupByName("web1")
    denied = "operation forbidden: read only access prevents virDomainAttachDeviceFlags"
    assert refusal(web1.attachDeviceFlags, nic(1), CONFIG) == (29, 20, denied)
