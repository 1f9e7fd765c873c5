"""Devices that are plugged out, and those that guests keep."""

import pytest
from plugs import BOTH, CONFIG, INACTIVE, LIVE, disk, domain, found, nic, refusal

from pytest_fakehv.fronts.libvirt import FakeLibvirt

REJECTED = (9, 10, "operation failed: unplug of device was rejected by the guest")


def targets(web1, flags=0):
    """Return what a domain's disks are called."""
    return [each.partition("<target dev='")[2][:3] for each in found(web1.XMLDesc(flags), "disk")]


@pytest.fixture
def stocked(web1):
    """The domain with a disk on each of two buses, in both definitions."""
    for device in (disk("vda", "virtio", "a"), disk("sda", "scsi", "b")):
        web1.attachDeviceFlags(device, BOTH)
    return web1


def test_a_disk_goes_from_what_runs_from_what_is_defined_or_from_both(stocked, told):
    assert told() == []
    stocked.detachDevice("<disk><target dev='vda'/></disk>")
    assert (targets(stocked), targets(stocked, INACTIVE)) == (["sda"], ["vda", "sda"])
    stocked.detachDeviceFlags("<disk><target dev='vda'/></disk>", CONFIG)
    stocked.detachDeviceFlags("<disk><target dev='sda'/></disk>", BOTH)
    assert (targets(stocked), targets(stocked, INACTIVE)) == ([], [])
    assert told() == ["device-removed virtio-disk0", "device-removed scsi0-0-0-0"]


def test_a_guest_that_hangs_keeps_what_it_must_let_go_of(cluster, stocked, told):
    cluster.hang("web1")
    stocked.detachDeviceFlags("<disk><target dev='vda'/></disk>", BOTH)
    stocked.detachDevice("<disk><target dev='sda'/></disk>")
    assert (targets(stocked), targets(stocked, INACTIVE)) == (["vda"], ["sda"])
    assert told() == ["device-removed scsi0-0-0-0"]
    stocked.reset(0)
    stocked.detachDevice("<disk><target dev='vda'/></disk>")
    assert targets(stocked) == []


def test_a_guest_that_is_paused_keeps_it_too(stocked):
    stocked.suspend()
    stocked.detachDevice("<disk><target dev='vda'/></disk>")
    stocked.detachDevice("<disk><target dev='sda'/></disk>")
    assert targets(stocked) == ["vda"]
    stocked.resume()
    stocked.detachDevice("<disk><target dev='vda'/></disk>")
    assert targets(stocked) == []


def test_a_guest_that_clings_says_no(front, stocked, told):
    front.cling("web1")
    for method, device in (
        (stocked.detachDevice, "<disk><target dev='vda'/></disk>"),
        (stocked.detachDeviceAlias, "virtio-disk0"),
    ):
        assert refusal(method, device) == REJECTED
    assert told() == ["device-removal-failed virtio-disk0"] * 2
    assert refusal(stocked.detachDeviceFlags, "<disk><target dev='vda'/></disk>", BOTH) == REJECTED
    assert (targets(stocked), targets(stocked, INACTIVE)) == (["vda", "sda"], ["vda", "sda"])
    stocked.detachDevice("<disk><target dev='sda'/></disk>")
    front.cling("web1", clings=False)
    stocked.detachDevice("<disk><target dev='vda'/></disk>")
    assert targets(stocked) == []


def test_a_fault_lets_a_call_say_that_it_worked(cluster, stocked):
    cluster.fault("virDomainDetachDeviceFlags", instance="web1", effect=False)
    stocked.detachDeviceFlags("<disk><target dev='sda'/></disk>", LIVE)
    assert targets(stocked) == ["vda", "sda"]


def test_what_the_machine_has_anyway_never_goes(web1):
    for device, problem in {
        "<sound model='ich6'/>": "live detach of device 'sound' is not supported",
        "<input type='mouse' bus='ps2'/>": "input device on bus 'ps2' cannot be detached",
        "<controller type='pci' index='0'/>": "'pci' controller cannot be hot unplugged.",
    }.items():
        assert refusal(web1.detachDevice, device) == (84, 10, f"Operation not supported: {problem}")


def test_a_line_on_the_board_never_goes(node1):
    web1 = node1.createXML(domain("web1", "<serial type='pty'/>"))
    qemu = "unable to execute QEMU command 'device_del'"
    problem = f"internal error: {qemu}: Bus 'isa.0' does not support hotplugging"
    assert refusal(web1.detachDeviceAlias, "serial0", LIVE) == (1, 10, problem)


def test_a_line_is_meant_by_all_that_it_leads_to(web1):
    given = "<channel type='unix'><target type='virtio' name='org.a.0'/></channel>"
    web1.attachDevice(given)
    (live,) = found(web1.XMLDesc(), "channel")
    missing = "device not found: chr type 'channel' device not present in domain configuration"
    assert refusal(web1.detachDevice, given) == (99, 10, missing)
    web1.detachDevice(live)
    assert found(web1.XMLDesc(), "channel") == []


def test_devices_are_meant_by_where_they_are(web1):
    for _ in range(2):
        web1.attachDevice(nic(1))
    first, second = found(web1.XMLDesc(), "interface")
    web1.detachDevice(second)
    assert found(web1.XMLDesc(), "interface") == [first]
    web1.attachDevice("<watchdog model='i6300esb'/>")
    (watchdog,) = found(web1.XMLDesc(), "watchdog")
    web1.detachDevice(watchdog)
    assert found(web1.XMLDesc(), "watchdog") == []


def test_devices_led_here_from_elsewhere(web1, told):
    device = "<redirdev bus='usb' type='tcp'><source mode='connect' host='a' service='4000'/></redirdev>"
    web1.attachDeviceFlags(device, BOTH)
    web1.detachDeviceFlags(device, BOTH)
    assert told() == ["device-added redir0", "device-removed redir0"]


def test_a_disk_that_is_being_copied_stays(libvirt, stocked):
    copy = "<disk type='file'><driver type='raw'/><source file='/images/copy'/></disk>"
    stocked.blockCopy("sda", copy, flags=libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB)
    busy = "block copy still active: disk 'sda' already in active block job"
    assert refusal(stocked.detachDevice, "<disk><target dev='sda'/></disk>") == (83, 10, busy)
    stocked.blockJobAbort("sda")
    stocked.detachDevice("<disk><target dev='sda'/></disk>")
    assert targets(stocked) == ["vda"]


def test_a_device_of_the_host_goes(node1, cluster):
    source = "<source><address domain='0' bus='0' slot='0x1f' function='0'/></source>"
    device = f"<hostdev mode='subsystem' type='pci' managed='yes'>{source}</hostdev>"
    cluster.add_instance("given1", memory=64, xml=domain("given1", device))
    given1 = node1.lookupByName("given1")
    given1.detachDevice(device)
    assert found(given1.XMLDesc(), "hostdev") == []


def test_what_is_led_over_a_screen_needs_one(node1):
    device = "<redirdev bus='usb' type='spicevmc'/>"
    web1 = node1.createXML(domain("web1", "<graphics type='spice'/>"))
    web1.attachDevice(device)
    assert "<alias name='redir0'/>" in found(web1.XMLDesc(), "redirdev")[0]


def test_a_controller_goes_once_nothing_is_on_it(web1):
    web1.attachDevice(disk("sda", "scsi", "a"))
    busy = (9, 10, "operation failed: device cannot be detached: device is busy")
    assert refusal(web1.detachDevice, "<controller type='scsi' index='0'/>") == busy
    web1.detachDevice("<disk><target dev='sda'/></disk>")
    web1.detachDevice("<controller type='scsi' index='0'/>")
    web1.attachDevice("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    web1.detachDevice("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")


def test_a_front_of_its_own_clings_alone(cluster, libvirt):
    with FakeLibvirt(cluster) as other:
        other.cling("web1")
        connection = libvirt.open(other.uri("node2"))
        web1 = connection.createXML(domain("web1", nic(1)))
        assert refusal(web1.detachDevice, nic(1)) == REJECTED
        connection.close()
