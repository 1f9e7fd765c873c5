"""What hosts say of their memory's pages and of processors, as on a real host."""

import pytest
from told_by_hosts import domain_xml, refusal

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

CPU = "<cpu><arch>x86_64</arch><model>{}</model>{}</cpu>"
INCOMPATIBLE, IDENTICAL, SUPERSET = 0, 1, 2
NOT_FEATURES = "the CPU is incompatible with host CPU: Host CPU does not provide required features"


@pytest.fixture
def of_two_nodes(libvirt):
    """A connection to a host with two NUMA nodes."""
    spec = NodeSpec("big", memory=8192, cpus=4, cpu_nodes=2)
    with FakeLibvirt(FakeCluster.in_memory(spec)) as front:
        connection = libvirt.open(front.uri("big"))
        yield connection
        connection.close()


class TestPages:
    def test_those_that_are_free(self, node1):
        node1.createXML(domain_xml("web1"), 0)
        pages = 8128 * 1024 // 4
        assert node1.getFreePages([4, 2048, 1048576], 0, 1) == {0: {4: pages, 2048: 0, 1048576: 0}}
        assert node1.getFreePages([4], -1, 1) == {-1: {4: pages}}

    def test_of_several_numa_nodes(self, of_two_nodes):
        half = 8192 * 1024 // 4 // 2
        assert of_two_nodes.getFreePages([4], 0, 2) == {0: {4: half}, 1: {4: half}}
        assert of_two_nodes.getFreePages([4], -1, 1) == {-1: {4: 2 * half}}
        assert of_two_nodes.getCapabilities().count("<cell id=") == len(of_two_nodes.getCellsFreeMemory(0, 9))

    def test_what_there_is_not(self, node1):
        size = (9, 0, "operation failed: page size 7 is not available on node 0")
        cell = (1, 0, "internal error: start cell 5 out of range (0-0)")
        assert refusal(node1.getFreePages, [7], 0, 1) == refusal(node1.allocPages, {7: 1}, 0, 1) == size
        assert refusal(node1.getFreePages, [4], 5, 1) == refusal(node1.allocPages, {4: 1}, 5, 1) == cell

    def test_none_are_allocated(self, node1):
        fixed = (84, 0, "Operation not supported: system pages pool can't be modified")
        unsupported = "this function is not supported by the connection driver: virNodeAllocPages"
        assert refusal(node1.allocPages, {4: 1}, 0, 1) == fixed
        assert node1.allocPages({2048: 0}, 0, 1) == 1
        assert refusal(node1.allocPages, {2048: 1}, 0, 1) == (3, 20, unsupported)

    def test_how_they_are_shared(self, node1):
        told = node1.getMemoryParameters()
        assert (told["shm_pages_to_scan"], told["shm_pages_shared"]) == (100, 0)
        node1.setMemoryParameters({"shm_pages_to_scan": 7})
        assert node1.getMemoryParameters() == told | {"shm_pages_to_scan": 7}
        refused = (74, 0, "argument unsupported: parameter 'shm_pages_shared' not supported")
        assert refusal(node1.setMemoryParameters, {"shm_pages_shared": 1}) == refused


class TestModels:
    def test_their_names(self, node1):
        names = node1.getCPUModelNames("x86_64")
        assert (len(names), names[0], "Skylake-Server" in names) == (58, "486", True)
        assert node1.getCPUModelNames("aarch64") == []
        unknown = (8, 10, "invalid argument: cannot find architecture vax")
        words = "'riscv64' architecture is not supported by CPU driver"
        without = (3, 31, f"this function is not supported by the connection driver: {words}")
        assert refusal(node1.getCPUModelNames, "vax") == unknown
        assert refusal(node1.getCPUModelNames, "riscv64") == without

    def test_of_the_wire_alone_how_many_there_are(self, front, node1):
        from small_host import Client

        with Client(front.socket("node1")) as client:
            assert client.call("virConnectGetCPUModelNames", "ppc64", 0, 0) == ([], 7)

    def test_what_a_domain_may_have_of_cpus(self, node1):
        assert node1.getMaxVcpus("QEMU") == node1.getMaxVcpus(None) == 16

    def test_guests_memory_is_not_encrypted(self, node1):
        refused = (84, 10, "Operation not supported: QEMU does not support SEV guest")
        assert refusal(node1.getSEVInfo) == refused


class TestComparing:
    def test_the_hosts_own_is_identical(self, node1):
        from xml.etree import ElementTree as ET

        own = ET.tostring(ET.fromstring(node1.getCapabilities()).find("host/cpu"), "unicode")
        assert node1.compareCPU(own) == IDENTICAL
        features = "".join(f"<feature name='{each}'/>" for each in ("vmx", "ds"))
        assert node1.baselineCPU([own, CPU.format("Skylake-Server", features)]) == (
            "<cpu mode='custom' match='exact'>\n"
            "  <model fallback='allow'>Skylake-Server</model>\n"
            "  <feature policy='require' name='ds'/>\n"
            "  <feature policy='require' name='vmx'/>\n"
            "</cpu>\n"
        )

    @pytest.mark.parametrize(
        ("xml", "found"),
        [
            ("<cpu/>", SUPERSET),
            ("<cpu mode='host-model'/>", SUPERSET),
            (CPU.format("Haswell", ""), SUPERSET),
            (CPU.format("Haswell", "<feature name='vmx'/>"), SUPERSET),
            (CPU.format("Haswell", "<feature name='svm'/>"), INCOMPATIBLE),
            (CPU.format("EPYC", ""), INCOMPATIBLE),
        ],
    )
    def test_it_has_more_than_others_or_lacks_something(self, node1, xml, found):
        assert node1.compareCPU(xml) == found
        assert node1.compareHypervisorCPU(None, None, None, None, xml) == found

    def test_what_is_incompatible_can_be_refused(self, node1):
        xml = CPU.format("Westmere-IBRS", "<feature name='svm'/><feature name='odd'/>")
        assert refusal(node1.compareCPU, xml, 1) == (91, 31, f"{NOT_FEATURES}: spec-ctrl, svm, odd")

    def test_of_a_guests_each_policy_counts(self, node1):
        given = "<cpu match='exact'><model>Nehalem</model>{}</cpu>"
        svm, sse = "<feature name='svm' policy='{}'/>", "<feature name='sse2' policy='forbid'/>"
        for policy in ("optional", "force", "disable", "forbid"):
            assert node1.compareCPU(given.format(svm.format(policy))) == SUPERSET
        assert node1.compareCPU(given.format(svm.format("require"))) == INCOMPATIBLE
        words = "the CPU is incompatible with host CPU: Host CPU provides forbidden features: sse2"
        assert refusal(node1.compareCPU, given.format(sse), 1) == (91, 31, words)
        assert node1.compareCPU(given.format(sse).replace(" match='exact'", "")) == SUPERSET

    def test_its_vendor_counts_where_it_is_said(self, node1):
        given = CPU.format("Nehalem", "<vendor>{}</vendor>")
        assert node1.compareCPU(given.format("Intel")) == SUPERSET
        words = (
            "the CPU is incompatible with host CPU: host CPU vendor does not match required CPU vendor AMD"
        )
        assert refusal(node1.compareCPU, given.format("AMD"), 1) == (91, 31, words)

    def test_another_architectures_is_incompatible(self, node1):
        assert node1.compareCPU("<cpu><arch>ppc64</arch><model>POWER9</model></cpu>") == INCOMPATIBLE

    @pytest.mark.parametrize(
        ("xml", "refused"),
        [
            ("<x/>", (27, 31, "XML error: XML does not contain expected 'cpu' element")),
            ("<cpu><arch>x86_64</arch></cpu>", (27, 31, "XML error: Missing CPU model name")),
            (CPU.format("x", ""), (1, 31, "internal error: Unknown CPU model x")),
            ("<cpu><arch>vax</arch></cpu>", (67, 31, "unsupported configuration: Unknown architecture vax")),
        ],
    )
    def test_what_is_none(self, node1, xml, refused):
        assert refusal(node1.compareCPU, xml) == refused

    def test_what_all_have(self, node1):
        given = [CPU.format("Nehalem", ""), CPU.format("Penryn", "")]
        least = "<cpu mode='custom' match='exact'>\n  <model fallback='{}'>Penryn</model>\n</cpu>\n"
        assert node1.baselineCPU(given) == least.format("allow")
        assert node1.baselineCPU(given[1:]) == least.format("forbid")
        assert node1.baselineHypervisorCPU(None, None, None, None, given) == least.format("forbid")
        assert "<model fallback='forbid'>EPYC</model>" in node1.baselineCPU([CPU.format("EPYC", "")])

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ([], (8, 20, "xmlCPUs in virConnectBaselineCPU must not be NULL")),
            (["<cpu/>"], (27, 31, "XML error: Missing CPU architecture")),
            (
                ["<cpu><arch>x86_64</arch></cpu>"],
                (8, 31, "invalid argument: no CPU model specified at index 0"),
            ),
            (
                [CPU.format("EPYC", ""), CPU.format("Penryn", "")],
                (9, 31, "operation failed: CPUs are incompatible"),
            ),
        ],
    )
    def test_what_none_have(self, node1, given, refused):
        assert refusal(node1.baselineCPU, given) == refused
