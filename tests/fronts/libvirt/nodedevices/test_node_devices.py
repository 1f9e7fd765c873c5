"""What a host has itself, as a machine: its devices, and which of them it lets go of."""

import shutil
import subprocess
import uuid

import pytest
from small_host import OF_EVENTS, Client
from told_by_hosts import refusal

from pytest_fakehv.fronts.libvirt.values import NodeDeviceRef
from pytest_fakehv.fronts.libvirt.wire.frames import Type
from pytest_fakehv.fronts.libvirt.wire.xdr import decode

CARD, CONTROLLER = "pci_0000_00_02_0", "pci_0000_00_03_0"
LOOPBACK = "net_lo_00_00_00_00_00_00"


def interface(node):
    """Return the name of a node's network card's interface."""
    return next(each for each in node.listDevices("net") if each.startswith("net_eth0_"))


def error(code, origin, problem):
    return code, origin, problem


def names(devices):
    return [each.name() for each in devices]


def test_which_there_are(node1):
    (disk,) = node1.listDevices("storage")
    everything = [
        "computer",
        "pci_0000_00_00_0",
        CARD,
        CONTROLLER,
        LOOPBACK,
        interface(node1),
        disk,
    ]
    assert disk.startswith("block_nvme0n1_SAMSUNG_MZVLB_S")
    assert names(node1.listAllDevices()) == everything
    assert node1.listDevices(None) == everything
    assert node1.numOfDevices(None) == len(everything)
    assert [node1.numOfDevices(kind) for kind in ("system", "pci", "net", "storage", "usb")] == [
        1,
        3,
        2,
        1,
        0,
    ]


def test_each_is_behind_what_it_is_plugged_into(node1):
    parents = {each.name(): each.parent() for each in node1.listAllDevices()}
    (disk,) = node1.listDevices("storage")
    assert parents == {
        "computer": None,
        "pci_0000_00_00_0": "computer",
        CARD: "computer",
        CONTROLLER: "computer",
        LOOPBACK: "computer",
        interface(node1): CARD,
        disk: CONTROLLER,
    }


def test_groups_of_flags_are_anded(libvirt, node1):
    active, inactive = libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM, 2**30
    assert names(node1.listAllDevices(active)) == ["computer"]
    assert names(node1.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE | 1)) == [
        "computer",
        *node1.listDevices("storage"),
    ]
    assert node1.listAllDevices(inactive) == []
    assert len(node1.listAllDevices(inactive | 2**31 - 2**32)) == 7
    problem = "unsupported flags (0x20000000) in function nodeConnectListAllNodeDevices"
    assert refusal(node1.listAllDevices, 2**29) == error(8, 22, problem)


def test_what_nobody_knows_is_refused(front, node1):
    problem = "Node device not found: no node device with matching name 'nosuch'"
    assert refusal(node1.nodeDeviceLookupByName, "nosuch") == error(53, 22, problem)
    problem = "An error occurred, but the cause is unknown"
    assert refusal(node1.nodeDeviceLookupSCSIHostByWWN, "2001", "2101") == error(1, 0, problem)
    problem = "unsupported flags (0x1) in function nodeDeviceLookupSCSIHostByWWN"
    assert refusal(node1.nodeDeviceLookupSCSIHostByWWN, "2001", "2101", 1) == error(8, 22, problem)
    problem = "unsupported flags (0x1) in function nodeNumOfDevices"
    assert refusal(node1.numOfDevices, None, 1) == error(8, 22, problem)
    problem = "unsupported flags (0x1) in function nodeDeviceGetXMLDesc"
    assert refusal(node1.nodeDeviceLookupByName("computer").XMLDesc, 1) == error(8, 22, problem)
    client = Client(front.socket("node1"))
    assert client.call("virNodeListDevices", "pci", 2, 0) == (["pci_0000_00_00_0", CARD],)
    client.socket.close()


def test_the_host_as_a_whole(node1):
    computer = node1.nodeDeviceLookupByName("computer")
    assert computer.XMLDesc() == (
        "<device>\n"
        "  <name>computer</name>\n"
        "  <capability type='system'>\n"
        "    <product>Fake node</product>\n"
        "    <hardware>\n"
        "      <vendor>pytest-fakehv</vendor>\n"
        "      <serial>node1</serial>\n"
        f"      <uuid>{uuid.uuid5(uuid.NAMESPACE_URL, 'pytest-fakehv:node:node1')}</uuid>\n"
        "    </hardware>\n"
        "    <firmware>\n"
        "      <vendor>pytest-fakehv</vendor>\n"
        "      <version>1</version>\n"
        "    </firmware>\n"
        "  </capability>\n"
        "</device>\n"
    )
    assert (computer.numOfCaps(), computer.listCaps()) == (1, ["system"])
    assert (computer.isActive(), computer.isPersistent(), computer.autostart()) == (1, 1, 1)


def test_a_card_and_what_is_behind_it(node1):
    card = node1.nodeDeviceLookupByName(CARD)
    assert card.XMLDesc() == (
        "<device>\n"
        f"  <name>{CARD}</name>\n"
        "  <path>/sys/devices/pci0000:00/0000:00:02.0</path>\n"
        "  <parent>computer</parent>\n"
        "  <driver>\n"
        "    <name>i40e</name>\n"
        "  </driver>\n"
        "  <capability type='pci'>\n"
        "    <class>0x020000</class>\n"
        "    <domain>0</domain>\n"
        "    <bus>0</bus>\n"
        "    <slot>2</slot>\n"
        "    <function>0</function>\n"
        "    <product id='0x1572'>Ethernet Controller X710 for 10GbE SFP+</product>\n"
        "    <vendor id='0x8086'>Intel Corporation</vendor>\n"
        "  </capability>\n"
        "</device>\n"
    )
    assert (card.isActive(), card.isPersistent(), card.autostart()) == (1, 0, 0)
    name = interface(node1)
    mac = name.removeprefix("net_eth0_").replace("_", ":")
    assert node1.nodeDeviceLookupByName(name).XMLDesc().startswith(
        "<device>\n"
        f"  <name>{name}</name>\n"
        "  <path>/sys/devices/pci0000:00/0000:00:02.0/net/eth0</path>\n"
        f"  <parent>{CARD}</parent>\n"
        "  <capability type='net'>\n"
        "    <interface>eth0</interface>\n"
        f"    <address>{mac}</address>\n"
        "    <link speed='10000' state='up'/>\n"
    )  # fmt: skip


def test_the_disk(node1):
    (name,) = node1.listDevices("storage")
    serial = name.rpartition("_")[2]
    assert node1.nodeDeviceLookupByName(name).XMLDesc() == (
        "<device>\n"
        f"  <name>{name}</name>\n"
        "  <path>/sys/devices/pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n1</path>\n"
        "  <devnode type='dev'>/dev/nvme0n1</devnode>\n"
        f"  <parent>{CONTROLLER}</parent>\n"
        "  <capability type='storage'>\n"
        "    <block>/dev/nvme0n1</block>\n"
        "    <drive_type>disk</drive_type>\n"
        "    <model>SAMSUNG MZVLB</model>\n"
        f"    <serial>{serial}</serial>\n"
        "    <size>107374182400</size>\n"
        "    <logical_block_size>512</logical_block_size>\n"
        "    <num_blocks>209715200</num_blocks>\n"
        "  </capability>\n"
        "</device>\n"
    )


def test_each_host_has_its_own(connect):
    assert interface(connect("node1")) != interface(connect("node2"))


def driver(device):
    """Return what drives a device, by its XML."""
    return device.XMLDesc().partition("<driver>\n    <name>")[2].partition("<")[0]


def test_a_host_lets_go_of_a_card_and_has_it_again(node1):
    card, name = node1.nodeDeviceLookupByName(CARD), interface(node1)
    behind = node1.nodeDeviceLookupByName(name)
    for let_go in (
        card.dettach,
        card.dettach,
        lambda: card.detachFlags(None),
        lambda: card.detachFlags("vfio"),
    ):
        assert let_go() == 0
        assert driver(card) == "vfio-pci"
    assert name not in node1.listDevices(None)
    problem = f"Node device not found: no node device with matching name '{name}'"
    assert refusal(behind.XMLDesc) == error(53, 22, problem)
    assert card.reset() == 0
    assert driver(card) == "vfio-pci"
    assert (card.reAttach(), card.reAttach()) == (0, 0)
    assert driver(card) == "i40e"
    assert interface(node1) == name


def test_a_crash_gives_it_back(cluster, connect):
    connect().nodeDeviceLookupByName(CARD).dettach()
    cluster["node1"].crash()
    cluster["node1"].boot()
    assert driver(connect().nodeDeviceLookupByName(CARD)) == "i40e"


def test_what_cant_be_let_go_of(node1):
    computer, card = (node1.nodeDeviceLookupByName(each) for each in ("computer", CARD))
    problem = "invalid argument: device computer is not a PCI device"
    for done in (computer.dettach, computer.reAttach, computer.reset):
        assert refusal(done) == error(8, 20, problem)
    assert refusal(computer.detachFlags, "vfio") == error(8, 20, problem)
    problem = "argument unsupported: KVM device assignment is no longer supported on this system"
    assert refusal(card.detachFlags, "kvm") == error(74, 10, problem)
    problem = "invalid argument: unknown driver name 'xen'"
    assert refusal(card.detachFlags, "xen") == error(8, 10, problem)
    problem = "unsupported flags (0x1) in function qemuNodeDeviceDetachFlags"
    assert refusal(card.detachFlags, None, 1) == error(8, 10, problem)
    assert driver(card) == "i40e"


def test_nobody_makes_one(node1):
    problem = "this function is not supported by the connection driver: virNodeDeviceCreateXML"
    assert refusal(node1.nodeDeviceCreateXML, "<device/>") == error(3, 20, problem)
    problem = "this function is not supported by the connection driver: virNodeDeviceDestroy"
    assert refusal(node1.nodeDeviceLookupByName(CARD).destroy) == error(3, 20, problem)


def test_clients_are_told(front, node1):
    client, name = Client(front.socket("node1")), interface(node1)
    wanted = NodeDeviceRef(node1.listDevices("storage")[0]), NodeDeviceRef(name), None
    about = {
        number: ref
        for ref in wanted
        for number in client.call("virConnectNodeDeviceEventRegisterAny", 0, ref)
    }
    card = node1.nodeDeviceLookupByName(CARD)
    card.dettach()
    card.dettach()
    card.reAttach()
    card.reAttach()
    told = []
    while len(told) < 4:
        header, payload = client.receive()
        if header.type == Type.EVENT:
            number, ref, *details = decode(OF_EVENTS[header.procedure].message, payload)
            told.append((about[number], ref, *details))
    ref = NodeDeviceRef(name)
    assert told == [(ref, ref, 1, 0), (None, ref, 1, 0), (ref, ref, 0, 0), (None, ref, 0, 0)]
    client.call("virConnectNodeDeviceEventDeregisterAny", min(about))
    client.socket.close()


def test_faults_answer_for_them(libvirt, cluster, node1):
    card = node1.nodeDeviceLookupByName(CARD)
    cluster.fault("virNodeDeviceGetParent", result=CONTROLLER, times=1)
    assert card.parent() == CONTROLLER
    cluster.fault("virNodeDeviceGetParent", result=None, times=1)
    assert node1.nodeDeviceLookupByName(CONTROLLER).parent() is None  # the binding keeps what it was told
    cluster.fault("virConnectListAllNodeDevices", result=["computer", card], times=1)
    assert names(node1.listAllDevices()) == ["computer", CARD]
    cluster.fault("virNodeDeviceReset", error="busy", times=1)
    assert refusal(card.reset) == error(9, 22, "operation failed: busy")
    assert cluster.journal.calls("virNodeDeviceReset")[0].arguments == (NodeDeviceRef(CARD),)
    cluster.fault("virNodeDeviceDettach", effect=False, times=1)
    assert (card.dettach(), driver(card)) == (0, "i40e")
    assert repr(NodeDeviceRef(CARD)) == f"<node device {CARD}>"


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
def test_virsh(front, node1):
    def virsh(*words):
        done = subprocess.run(
            ["virsh", "-c", front.uri("node1"), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
        )
        return done.stdout.strip() or done.stderr.strip()

    (disk,) = node1.listDevices("storage")
    assert virsh("nodedev-list", "--cap", "pci").split() == ["pci_0000_00_00_0", CARD, CONTROLLER]
    assert virsh("nodedev-list", "--tree") == (
        "computer\n"
        "  |\n"
        f"  +- {LOOPBACK}\n"
        "  +- pci_0000_00_00_0\n"
        f"  +- {CARD}\n"
        "  |   |\n"
        f"  |   +- {interface(node1)}\n"
        "  |     \n"
        f"  +- {CONTROLLER}\n"
        "      |\n"
        f"      +- {disk}"
    )
    assert virsh("nodedev-dumpxml", CARD) == node1.nodeDeviceLookupByName(CARD).XMLDesc().strip()
    assert virsh("nodedev-detach", CARD) == f"Device {CARD} detached"
    assert virsh("nodedev-reattach", CARD) == f"Device {CARD} re-attached"
    assert virsh("nodedev-reset", CARD) == f"Device {CARD} reset"
    assert virsh("nodedev-event", "--list").split() == ["lifecycle", "update"]
