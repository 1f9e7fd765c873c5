"""Devices that become others: media, cables, passwords."""

import pytest
from plugs import BOTH, CONFIG, FORCE, INACTIVE, LIVE, disk, domain, found, nic, refusal

CDROM = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>"
FLOPPY = disk("fda", "fdc", "a", "<readonly/>", device="floppy")


def medium(name=None):
    return disk("hdc", "ide", name, device="cdrom")


def test_a_medium_is_put_in_changed_and_taken_out(node1, told):
    web1 = node1.createXML(domain("web1", CDROM))
    opened = ["tray-change ide0-1-0 0", "tray-change ide0-1-0 1"]
    for name, events, source in (
        ("a", opened, "<source file='/images/a' index='2'/><backingStore/>"),
        ("a", [], "<source file='/images/a' index='2'/><backingStore/>"),
        ("b", opened, "<source file='/images/b' index='3'/><backingStore/>"),
        (None, opened, "<source index='4'/>"),
        (None, [], "<source index='4'/>"),
    ):
        web1.updateDeviceFlags(medium(name), LIVE | FORCE)
        assert told() == events
        assert source in found(web1.XMLDesc(), "disk")[0]
    assert "<source" not in found(web1.XMLDesc(8), "disk")[0]
    assert (web1.blockStats("hdc"), web1.diskErrors()) == ((0, 0, 0, 0, -1), {})


def test_a_floppy_has_no_tray(node1, told):
    web1 = node1.createXML(domain("web1", FLOPPY))
    web1.updateDeviceFlags(disk("fda", "fdc", "b", "<readonly/>", device="floppy"), 0)
    assert told() == []
    assert "/images/b" in web1.XMLDesc()


def test_what_is_defined_is_replaced(node1):
    web1 = node1.defineXML(domain("web1", CDROM, disk("vda", "virtio", "a"), nic(1)))
    web1.updateDeviceFlags(disk("vda", "virtio", "b", "<serial>x</serial>"), CONFIG)
    web1.updateDeviceFlags(nic(1, "<model type='virtio'/>"), 0)
    assert found(web1.XMLDesc(), "disk")[1] == (
        "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/images/b'/>"
        "<target dev='vda' bus='virtio'/><serial>x</serial>"
        "<address type='pci' domain='0x0000' bus='0x00' slot='0x05' function='0x0'/></disk>"
    )
    address = "<address type='pci' domain='0x0000' bus='0x00' slot='0x09' function='0x0'/>"
    web1.updateDeviceFlags(disk("vda", "virtio", "b", address), 0)
    assert address in found(web1.XMLDesc(), "disk")[1]
    assert "<model type='virtio'/>" in found(web1.XMLDesc(), "interface")[0]


def test_a_cable_is_pulled_and_put_back(web1):
    web1.attachDeviceFlags(nic(1, "<source network='default'/>", type="network"), BOTH)
    (given,) = found(web1.XMLDesc(), "interface")
    web1.updateDeviceFlags(given.replace("<alias", "<link state='down'/><alias"), LIVE)
    assert "<link state='down'/>" in found(web1.XMLDesc(), "interface")[0]
    assert "<link" not in found(web1.XMLDesc(INACTIVE), "interface")[0]
    web1.updateDeviceFlags(nic(1, "<source network='default'/>", type="network"), LIVE)
    assert found(web1.XMLDesc(), "interface") == [given]


def test_an_interface_leads_elsewhere(web1):
    web1.attachDevice(nic(1, "<source network='default'/>", type="network"))
    web1.updateDeviceFlags(nic(1, "<source bridge='br0'/>", type="bridge"), LIVE)
    assert "<source bridge='br0'/>" in found(web1.XMLDesc(), "interface")[0]
    web1.attachDevice(nic(2))
    never = (84, 10, "Operation not supported: cannot change config of 'user' network type")
    assert refusal(web1.updateDeviceFlags, nic(2, "<source bridge='br0'/>", type="bridge"), LIVE) == never
    model = "Operation not supported: cannot modify network device model from rtl8139 to virtio"
    assert refusal(web1.updateDeviceFlags, nic(2, "<model type='virtio'/>"), LIVE) == (84, 10, model)


def test_an_interface_is_not_meant_without_its_address(web1):
    web1.attachDevice(nic(1))
    code, origin, text = refusal(web1.updateDeviceFlags, "<interface type='user'/>", LIVE)
    never = "Operation not supported: cannot change network interface"
    start = f"{never} mac address from 52:54:00:00:00:01 to 52:54:"
    assert (code, origin, text[: len(start)]) == (84, 10, start)


def test_a_screen_has_another_password(node1):
    screen = "<graphics type='vnc' port='-1' passwd='old'/>"
    web1 = node1.defineXML(domain("web1", screen))
    web1.create()
    (shown,) = found(web1.XMLDesc(1), "graphics")
    web1.updateDeviceFlags(shown.replace("old", "new"), LIVE)
    assert "passwd='new'" in web1.XMLDesc(1)
    assert "passwd='old'" in web1.XMLDesc(1 | INACTIVE)
    port = "Operation not supported: cannot change port settings on vnc graphics"
    other = shown.replace("5900", "5999").replace("autoport='yes'", "autoport='no'")
    assert refusal(web1.updateDeviceFlags, other, LIVE) == (84, 10, port)
    listen = "Operation not supported: cannot change listen address setting on 'vnc' graphics"
    assert refusal(web1.updateDeviceFlags, screen, LIVE) == (84, 10, listen)
    web1.updateDeviceFlags("<graphics type='vnc' port='5901' passwd='later'/>", CONFIG)
    assert "port='5901' autoport='no' passwd='later'" in web1.XMLDesc(1 | INACTIVE)


@pytest.mark.parametrize(
    ("flags", "code", "how"),
    [(LIVE, 67, "unsupported configuration: live"), (CONFIG, 84, "Operation not supported: persistent")],
)
def test_what_else_cannot_be_another_one(web1, flags, code, how):
    problem = f"{how} update of device 'chr' is not supported"
    assert refusal(web1.updateDeviceFlags, "<console type='pty'/>", flags) == (code, 10, problem)
