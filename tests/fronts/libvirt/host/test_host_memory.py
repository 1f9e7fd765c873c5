"""What domains have of memory and of CPUs, and how that is changed, as on a real host."""

import pytest
from told_by_hosts import domain_xml, refusal

OFF = (55, 20, "Requested operation is not valid: domain is not running")
TRANSIENT = (55, 20, "Requested operation is not valid: transient domains do not have any persistent config")
TOO_MUCH = (8, 10, "invalid argument: cannot set memory higher than max memory")
NO_RESIZE = (
    55,
    10,
    "Requested operation is not valid: cannot resize the maximum memory on an active domain",
)
NO_AGENT = (74, 10, "argument unsupported: QEMU guest agent is not configured")
LIVE, CONFIG, MAXIMUM, GUEST = 1, 2, 4, 8
MIB = 1024


def memory(domain):
    return domain.info()[1:3]


@pytest.fixture
def web1(node1):
    return node1.defineXML(domain_xml("web1", most_vcpus=4, vcpus=2))


class TestMemory:
    def test_of_one_that_is_shut_off(self, web1, cluster):
        assert refusal(web1.setMemory, 32 * MIB) == OFF
        assert refusal(web1.setMemoryFlags, 32 * MIB, LIVE) == OFF
        assert refusal(web1.setMemoryFlags, 32 * MIB, LIVE | CONFIG) == OFF
        assert refusal(web1.setMemoryFlags, 65 * MIB, 0) == TOO_MUCH
        web1.setMemoryFlags(32 * MIB, 0)
        assert memory(web1) == [64 * MIB, 32 * MIB]
        web1.setMaxMemory(128 * MIB)
        assert (web1.maxMemory(), memory(web1)) == (128 * MIB, [128 * MIB, 32 * MIB])
        web1.setMemoryFlags(16 * MIB, MAXIMUM | CONFIG)
        assert memory(web1) == [16 * MIB, 16 * MIB]
        assert cluster.instance("web1").beparams["maxmem"] == 16

    def test_of_one_that_runs(self, web1, told, cluster):
        web1.create()
        told()
        web1.setMemory(32 * MIB)
        assert memory(web1) == [64 * MIB, 32 * MIB]
        assert cluster["node1"].instances["web1"].memory == 32
        assert f"<currentMemory unit='KiB'>{32 * MIB}</currentMemory>" in web1.XMLDesc()
        assert told() == [f"web1 1 balloon {32 * MIB}"]
        web1.setMemory(32 * MIB)
        assert told() == []
        assert refusal(web1.setMemory, 65 * MIB) == TOO_MUCH
        assert refusal(web1.setMaxMemory, 65 * MIB) == NO_RESIZE
        web1.setMemoryFlags(48 * MIB, LIVE | CONFIG)
        web1.setMemoryFlags(65 * MIB, MAXIMUM | CONFIG)
        assert memory(web1) == [64 * MIB, 48 * MIB]
        assert told() == [f"web1 1 balloon {48 * MIB}"]
        web1.destroy()
        assert memory(web1) == [65 * MIB, 48 * MIB]

    def test_it_is_exact_though_the_cluster_counts_in_mebibytes(self, web1, cluster, told):
        web1.create()
        web1.setMemory(10_001)
        assert memory(web1) == [64 * MIB, 10_001]
        assert cluster["node1"].instances["web1"].memory == 10
        assert told()[-1] == "web1 1 balloon 10001"

    def test_a_guest_that_is_paused_follows_once_it_runs(self, web1, told):
        web1.createWithFlags(1)
        told()
        web1.setMemory(32 * MIB)
        web1.setMemory(16 * MIB)
        assert (memory(web1), told()) == ([64 * MIB, 64 * MIB], [])
        assert f"<currentMemory unit='KiB'>{64 * MIB}</currentMemory>" in web1.XMLDesc()
        web1.resume()
        assert memory(web1) == [64 * MIB, 16 * MIB]
        assert told() == ["web1 1 resumed", f"web1 1 balloon {16 * MIB}"]
        web1.suspend()
        web1.resume()
        assert told() == ["web1 1 suspended", "web1 1 resumed"]

    def test_a_guest_gives_back_what_it_is_not_to_have(self, node1, told):
        small = node1.defineXML(domain_xml("small", current=32 * MIB))
        small.create()
        assert memory(small) == [64 * MIB, 32 * MIB]
        assert told()[1:] == ["small 1 resumed", "small 1 started", f"small 1 balloon {32 * MIB}"]
        small.destroy()
        small.createWithFlags(1)
        assert memory(small) == [64 * MIB, 64 * MIB]
        small.resume()
        assert memory(small) == [64 * MIB, 32 * MIB]
        assert told()[-2:] == ["small 2 resumed", f"small 2 balloon {32 * MIB}"]

    def test_a_transient_one_has_no_other_definition(self, node1):
        job1 = node1.createXML(domain_xml("job1"), 0)
        assert refusal(job1.setMemoryFlags, 32 * MIB, CONFIG) == TRANSIENT
        assert refusal(job1.setMemoryFlags, 32 * MIB, MAXIMUM | LIVE) == NO_RESIZE
        job1.setMemoryFlags(32 * MIB, 0)
        assert memory(job1) == [64 * MIB, 32 * MIB]

    def test_a_subclass_decides_what_it_gets(self, libvirt, told):
        from pytest_fakehv import FakeCluster, FakeHypervisor, NodeSpec
        from pytest_fakehv.fronts.libvirt import FakeLibvirt

        class Stubborn(FakeHypervisor):
            def BalloonInstanceMemory(self, instance, mem):
                """Give nobody anything."""

        cluster = FakeCluster.in_memory(NodeSpec("node1"), hypervisor=Stubborn)
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri())
            web1 = connection.createXML(domain_xml("web1"), 0)
            assert web1.setMemory(32 * MIB) == 0
            assert memory(web1) == [64 * MIB, 64 * MIB]
            connection.close()

    def test_more_than_its_node_has(self, libvirt):
        from pytest_fakehv import FakeCluster, NodeSpec
        from pytest_fakehv.fronts.libvirt import FakeLibvirt

        cluster = FakeCluster.in_memory(NodeSpec("small", memory=128, overcommit=False))
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri())
            web1 = connection.createXML(domain_xml("web1", current=64 * MIB, memory=256), 0)
            assert refusal(web1.setMemory, 200 * MIB) == (
                9,
                10,
                (
                    "operation failed: Failed to balloon memory for web1: small does not overcommit: "
                    "136 MiB are needed, 64 MiB are free"
                ),
            )
            connection.close()


class TestStatistics:
    def test_of_its_memory(self, web1):
        assert refusal(web1.memoryStats) == OFF
        web1.create()
        web1.setMemory(32 * MIB)
        assert web1.memoryStats() == {"actual": 32 * MIB, "last_update": 0, "rss": 32 * MIB}

    @pytest.mark.parametrize("flags", [0, CONFIG])
    def test_how_often_a_guest_says_what_it_uses(self, web1, flags):
        web1.setMemoryStatsPeriod(5, flags)
        assert "<stats period='5'/>" in web1.XMLDesc()
        web1.setMemoryStatsPeriod(7, flags)
        assert web1.XMLDesc().count("<stats") == 1
        web1.setMemoryStatsPeriod(0, flags)
        assert "<stats" not in web1.XMLDesc()

    def test_how_often_it_does_while_it_runs(self, web1):
        web1.create()
        web1.setMemoryStatsPeriod(5, LIVE)
        assert "<stats period='5'/>" in web1.XMLDesc()
        assert "<stats" not in web1.XMLDesc(2)


class TestCpus:
    def test_of_one_that_is_shut_off(self, web1):
        assert refusal(web1.maxVcpus) == OFF
        assert refusal(web1.vcpus) == (
            55,
            10,
            "Requested operation is not valid: cannot retrieve vcpu information for inactive domain",
        )
        assert [web1.vcpusFlags(each) for each in (0, MAXIMUM, CONFIG, CONFIG | MAXIMUM)] == [2, 4, 2, 4]
        assert refusal(web1.vcpusFlags, LIVE) == OFF
        assert refusal(web1.setVcpus, 3) == OFF
        web1.setVcpusFlags(3, 0)
        web1.setVcpusFlags(8, MAXIMUM | CONFIG)
        assert (web1.info()[3], web1.vcpusFlags(MAXIMUM)) == (3, 8)
        web1.setVcpusFlags(2, MAXIMUM | CONFIG)
        assert (web1.info()[3], web1.vcpusFlags(MAXIMUM)) == (2, 2)
        assert refusal(web1.setVcpusFlags, 3, 0) == (
            8,
            10,
            (
                "invalid argument: requested vcpus is greater than max allowable vcpus for the persistent "
                "domain: 3 > 2"
            ),
        )

    def test_of_one_that_runs(self, web1, cluster):
        web1.create()
        assert (web1.maxVcpus(), web1.vcpusFlags(0)) == (4, 2)
        web1.setVcpus(3)
        assert (web1.vcpusFlags(0), web1.info()[3], web1.vcpusFlags(CONFIG)) == (3, 3, 2)
        assert cluster["node1"].instances["web1"].vcpus == 3
        web1.setVcpus(2)
        assert refusal(web1.setVcpus, 1) == (
            67,
            10,
            (
                "unsupported configuration: failed to find appropriate hotpluggable vcpus to reach the "
                "desired target vcpu count"
            ),
        )
        assert refusal(web1.setVcpus, 5) == (
            8,
            10,
            (
                "invalid argument: requested vcpus is greater than max allowable vcpus for the live "
                "domain: 5 > 4"
            ),
        )
        assert refusal(web1.setVcpusFlags, 5, MAXIMUM | LIVE | CONFIG) == (
            84,
            10,
            "Operation not supported: maximum vcpu count of a live domain can't be modified",
        )
        web1.setVcpusFlags(4, LIVE | CONFIG)
        assert (web1.vcpusFlags(LIVE), web1.vcpusFlags(CONFIG)) == (4, 4)

    def test_other_cpus_leave_the_memory_as_it_is(self, web1, told):
        web1.createWithFlags(1)
        web1.setMemory(32 * MIB)
        web1.setVcpus(3)
        web1.resume()
        assert memory(web1) == [64 * MIB, 32 * MIB]
        assert told()[-1] == f"web1 1 balloon {32 * MIB}"

    def test_the_guest_counts_none(self, web1):
        assert refusal(web1.vcpusFlags, GUEST) == (
            8,
            10,
            "invalid argument: vCPU count provided by the guest agent can only be requested for live domains",
        )
        assert refusal(web1.setVcpusFlags, 1, GUEST) == (*OFF[:1], 10, OFF[2])
        web1.create()
        assert refusal(web1.vcpusFlags, GUEST) == NO_AGENT
        assert refusal(web1.setVcpusFlags, 1, GUEST) == NO_AGENT

    def test_where_they_run(self, web1):
        everywhere = (True,) * 4
        assert web1.vcpuPinInfo() == [everywhere] * 2
        assert web1.emulatorPinInfo() == everywhere
        web1.create()
        running, maps = web1.vcpus()
        assert [each[:2] + each[3:] for each in running] == [(0, 1, 0), (1, 1, 1)]
        assert maps == [everywhere] * 2

    def test_where_they_are_pinned(self, web1):
        assert refusal(web1.pinVcpu, 0, (True, False)) == OFF
        web1.pinVcpuFlags(1, (True, True, False, True), CONFIG)
        web1.pinVcpuFlags(0, (False, False, True, False), CONFIG)
        assert (
            "  <cputune>\n    <vcpupin vcpu='0' cpuset='2'/>\n    <vcpupin vcpu='1' cpuset='0-1,3'/>\n"
            "  </cputune>\n"
        ) in web1.XMLDesc()
        web1.create()
        running, maps = web1.vcpus()
        assert [each[3] for each in running] == [2, 1]
        assert maps == [(False, False, True, False), (True, True, False, True)]
        web1.pinVcpu(1, (True,) * 4)
        assert web1.vcpuPinInfo() == [(False, False, True, False), (True,) * 4]
        assert web1.vcpuPinInfo(CONFIG)[1] == (True, True, False, True)
        assert refusal(web1.pinVcpu, 9, (True,)) == (
            8,
            10,
            "invalid argument: vcpu 9 is out of range of live cpu count 4",
        )
        assert refusal(web1.pinVcpuFlags, 9, (True,), CONFIG) == (
            8,
            10,
            "invalid argument: vcpu 9 is out of range of persistent cpu count 4",
        )
        assert refusal(web1.pinVcpu, 0, (False,)) == (
            8,
            10,
            "invalid argument: Empty cpu list for pinning",
        )

    def test_pins_as_a_user_writes_them(self, node1):
        xml = domain_xml("job1").replace(
            "<os>", "<cputune><shares>9</shares><vcpupin vcpu='0' cpuset='0-3,^1'/></cputune><os>"
        )
        job1 = node1.createXML(xml, 0)
        assert job1.vcpuPinInfo() == [(True, False, True, True)]
        job1.pinVcpu(0, (True,))
        assert "<shares>9</shares>" in job1.XMLDesc()

    def test_pins_that_mean_nothing_here(self, node1):
        pins = "<vcpupin vcpu='9' cpuset='8'/><vcpupin vcpu='1' cpuset='x'/><vcpupin/>"
        xml = domain_xml("job1", vcpus=2).replace("<os>", f"<cputune>{pins}</cputune><os>")
        job1 = node1.createXML(xml, 0)
        assert job1.vcpus()[1] == [(True,) * 4] * 2
