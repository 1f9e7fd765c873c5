"""Memory that is plugged in: what a domain has then, and its node."""

import pytest
from plugs import BOTH, CONFIG, INACTIVE, LIVE, SLOTS, dimm, domain, found, refusal

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

MODULE = (
    "<memory model='dimm'><target><size unit='KiB'>131072</size><node>0</node></target>{}"
    "<address type='dimm' slot='{}'{}/></memory>"
)


@pytest.fixture
def big1(node1):
    big1 = node1.defineXML(domain("big1", head=SLOTS))
    big1.create()
    return big1


def test_a_module_is_memory_of_the_domain_and_of_its_node(node1, big1, told):
    free = node1.getFreeMemory()
    big1.attachDeviceFlags(dimm(128), BOTH)
    big1.attachDeviceFlags(dimm(128), LIVE)
    assert told() == ["device-added memdimm0", "device-added memdimm1"]
    assert big1.info()[1:3] == [320 * 1024, 320 * 1024]
    assert free - node1.getFreeMemory() == 256 * 2**20
    assert found(big1.XMLDesc(), "memory") == [
        MODULE.format("<alias name='dimm0'/>", 0, " base='0x100000000'"),
        MODULE.format("<alias name='dimm1'/>", 1, " base='0x108000000'"),
    ]
    assert found(big1.XMLDesc(INACTIVE), "memory") == [MODULE.format("", 0, "")]
    first = found(big1.XMLDesc(), "memory")[0]
    big1.detachDevice(first)
    assert told() == ["device-removed dimm0"]
    assert big1.info()[1:3] == [192 * 1024, 192 * 1024]
    assert free - node1.getFreeMemory() == 128 * 2**20
    big1.attachDevice(dimm(64))
    assert told() == ["device-added memdimm0"]
    big1.destroy()
    assert big1.info()[1:3] == [192 * 1024, 192 * 1024]
    big1.detachDeviceFlags(dimm(128), CONFIG)
    assert big1.info()[1:3] == [64 * 1024, 64 * 1024]


def test_a_guest_that_has_given_memory_back_keeps_that(node1, big1, told):
    big1.setMemory(32 * 1024)
    big1.attachDevice(dimm(64))
    assert big1.info()[1:3] == [128 * 1024, 96 * 1024]
    assert told() == ["balloon-change 32768", "device-added memdimm0"]


def test_a_guest_that_has_less_than_a_module_keeps_what_is_left_without_it(node1, big1, cluster):
    big1.attachDeviceFlags(dimm(128), BOTH)
    big1.setMemoryFlags(100 * 1024, BOTH)
    big1.detachDeviceFlags(dimm(128), BOTH)
    assert big1.info()[1:3] == [64 * 1024, 64 * 1024]
    assert cluster["node1"].instances["big1"].memory == 64
    big1.destroy()
    assert big1.info()[1:3] == [64 * 1024, 64 * 1024]


class Failing(FakeHypervisor):
    """Gives nobody anything who has little."""

    def BalloonInstanceMemory(self, instance, mem):  # the interface's
        """Fail."""
        if mem < 200:
            raise HypervisorError("no")
        super().BalloonInstanceMemory(instance, mem)


def test_what_the_node_does_not_give_does_not_come(libvirt):
    node = NodeSpec("small", memory=2048, cpus=2, overcommit=False)
    with FakeLibvirt(FakeCluster.in_memory(node, hypervisor=Failing)) as front:
        connection = libvirt.open(front.uri("small"))
        big1 = connection.createXML(domain("big1", head=SLOTS.replace(">1024<", ">99999<")))
        qemu = "unable to execute QEMU command 'object-add': cannot set up guest memory 'memdimm0'"
        no_room = (1, 10, f"internal error: {qemu}: Cannot allocate memory")
        assert refusal(big1.attachDevice, dimm(9999)) == no_room
        assert refusal(big1.attachDevice, dimm(32))[:2] == (9, 10)
        assert (found(big1.XMLDesc(), "memory"), big1.info()[1]) == ([], 65536)
        big1.attachDevice(dimm(512))
        assert refusal(big1.detachDevice, dimm(512))[:2] == (9, 10)
        assert (len(found(big1.XMLDesc(), "memory")), big1.info()[1:3]) == (1, [576 * 1024, 576 * 1024])
        connection.close()


@pytest.mark.parametrize("flags", [LIVE, CONFIG])
def test_a_domain_without_slots_takes_none(node1, flags):
    web1 = node1.defineXML(domain("web1", head=SLOTS[SLOTS.index("<cpu>") :]))
    web1.create()
    problem = "cannot use/hotplug a memory device when domain 'maxMemory' is not defined"
    refused = (67, 10, f"unsupported configuration: {problem}")
    assert refusal(web1.attachDeviceFlags, dimm(64), flags) == refused


def test_a_part_of_a_cpu_has_a_number_of_memory(node1):
    given = domain("big1", head=SLOTS.replace("'64'", "'x'"))
    text = "XML error: Invalid value for attribute 'memory' in element 'cell': 'x'."
    assert refusal(node1.defineXML, given) == (27, 5, text)


def test_a_module_is_at_a_number(node1):
    module = dimm(64).replace("</memory>", "<address type='dimm' slot='0' base='x'/></memory>")
    base = "Invalid value for attribute 'base' in element 'address': 'x'. Expected non-negative integer value"
    assert refusal(node1.defineXML, domain("big1", module, head=SLOTS)) == (27, 5, f"XML error: {base}")


def test_other_kinds_are_of_another_qemu(big1):
    other = dimm(64).replace("dimm", "virtio-mem")
    problem = "unsupported configuration: virtio-mem isn't supported by this QEMU binary"
    assert refusal(big1.attachDevice, other) == (67, 10, problem)


def test_modules_are_defined_with_their_domain(node1):
    module = dimm(128).replace("</memory>", "<address type='dimm' slot='1'/></memory>")
    big1 = node1.defineXML(domain("big1", module, dimm(64), dimm(32), head=SLOTS))
    slots = [each.partition("slot='")[2][0] for each in found(big1.XMLDesc(), "memory")]
    assert (slots, big1.maxMemory()) == (["1", "0", "2"], 288 * 1024)
    numa = "initial memory size of a domain with NUMA nodes cannot be modified with this API"
    assert refusal(big1.setMaxMemory, 65536) == (55, 10, f"Requested operation is not valid: {numa}")
    cells = SLOTS.replace(" memory='64' unit='MiB'", "")
    assert node1.defineXML(domain("big2", head=cells)).maxMemory() == 65536
