"""What domains and hosts say of themselves, as on a real host."""

import pytest
from small_host import Client
from told_by_hosts import domain_xml, refusal

from pytest_fakehv import FakeCluster, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt
from pytest_fakehv.fronts.libvirt.values import DomainRef

OFF = (55, 20, "Requested operation is not valid: domain is not running")
NOT_RUNNING = (55, 10, "Requested operation is not valid: domain is not running")
NO_AGENT = (74, 10, "argument unsupported: QEMU guest agent is not configured")
NOT_CONNECTED = (86, 10, "Guest agent is not responding: QEMU guest agent is not connected")
S = 10**9
STARTED = 100_000_000
EMULATOR = "/usr/bin/qemu-system-x86_64"

DEVICES = (
    "<disk type='file' device='disk'><source file='/web1.img'/><target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>"
    "<interface type='user'><mac address='52:54:00:00:00:02'/></interface>"
)
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


@pytest.fixture
def rich(node1):
    return node1.defineXML(domain_xml("rich", devices=DEVICES))


def stats_of(connection, domain, group):
    ((_, stats),) = connection.domainListGetStats([domain], group)
    return stats


class TestDomains:
    def test_control(self, web1):
        assert refusal(web1.controlInfo) == OFF
        web1.create()
        assert web1.controlInfo() == [0, 0, 0]

    def test_what_nothing_is_said_of(self, web1):
        assert (web1.isUpdated(), web1.messages(), web1.securityLabel()) == (0, [], ["", False])
        assert (web1.hasManagedSaveImage(), web1.hasCurrentSnapshot()) == (0, 0)
        assert (web1.snapshotNum(), web1.listAllSnapshots()) == (0, [])
        assert refusal(web1.snapshotLookupByName, "s") == (
            72,
            10,
            "Domain snapshot not found: no domain snapshot with matching name 's'",
        )
        assert refusal(web1.snapshotCurrent) == (
            72,
            10,
            "Domain snapshot not found: the domain does not have a current snapshot",
        )

    def test_it_was_not_saved(self, libvirt, web1):
        with pytest.raises(libvirt.libvirtError) as caught:
            web1.managedSaveRemove()
        text = (
            "Failed to remove managed save file '/var/lib/libvirt/qemu/save/web1.save': "
            "No such file or directory"
        )
        assert caught.value.err == (38, 10, text, 2, "%s", text, None, 2, -1)

    def test_jobs(self, web1):
        assert refusal(web1.jobInfo) == OFF
        assert refusal(web1.jobStats) == OFF
        assert web1.jobStats(1) == {"type": 0}
        assert refusal(web1.abortJob) == OFF
        web1.create()
        assert (web1.jobInfo(), web1.jobStats()) == ([0] * 12, {"type": 0})
        no_job = (55, 10, "Requested operation is not valid: no job is active on the domain")
        assert refusal(web1.abortJob) == refusal(web1.abortJobFlags, 0) == no_job
        assert refusal(web1.abortJobFlags, 1) == (
            55,
            10,
            "Requested operation is not valid: current job is not outgoing migration in post-copy mode",
        )

    def test_what_leaves_no_trace(self, web1):
        assert (
            refusal(web1.injectNMI) == refusal(web1.sendKey, 0, 0, [30], 1) == refusal(web1.pMWakeup) == OFF
        )
        web1.create()
        assert (web1.injectNMI(), web1.sendKey(0, 0, [30], 1)) == (0, 0)
        assert refusal(web1.pMWakeup) == (
            1,
            10,
            (
                "internal error: unable to execute QEMU command 'system_wakeup': Unable to wake up: "
                "guest is not in suspended state"
            ),
        )


class TestAgents:
    CALLS = (
        lambda domain: domain.hostname(),
        lambda domain: domain.getTime(),
        lambda domain: domain.setTime({"seconds": 1, "nseconds": 0}),
        lambda domain: domain.fsFreeze(),
        lambda domain: domain.fsThaw(),
        lambda domain: domain.fsInfo(),
        lambda domain: domain.setUserPassword("root", "x"),
        lambda domain: domain.interfaceAddresses(1),
    )
    OTHERS = (
        lambda domain: domain.fSTrim(None, 0),
        lambda domain: domain.guestInfo(),
        lambda domain: domain.pMSuspendForDuration(0, 0),
    )

    def test_there_is_none(self, web1):
        assert {refusal(call, web1) for call in self.CALLS} == {OFF}
        assert {refusal(call, web1) for call in self.OTHERS} == {NOT_RUNNING}
        web1.create()
        assert {refusal(call, web1) for call in self.CALLS + self.OTHERS} == {NO_AGENT}
        web1.suspend()
        assert {refusal(call, web1) for call in self.CALLS + self.OTHERS} == {NOT_RUNNING}
        assert web1.agentSetResponseTimeout(5) == 0

    def test_nobody_knows_its_name(self, web1):
        assert refusal(web1.hostname, 1) == OFF
        web1.create()
        unknown = (108, 10, "no hostname found: no hostname found for domain web1")
        assert refusal(web1.hostname, 1) == unknown
        assert refusal(web1.hostname, 3) == NO_AGENT

    def test_or_it_does_not_answer(self, node1):
        web1 = node1.createXML(domain_xml("web1", devices=AGENT), 0)
        assert {refusal(call, web1) for call in self.CALLS + self.OTHERS} == {NOT_CONNECTED}


class TestDefinitions:
    def test_of_one_that_runs(self, rich):
        assert rich.XMLDesc().startswith("<domain type='qemu'>")
        rich.create()
        assert rich.XMLDesc().startswith("<domain type='qemu' id='1'>")
        assert "<target dev='vnet0'/>" in rich.XMLDesc()
        assert "<target dev='vnet0'/>" not in rich.XMLDesc(2)

    def test_of_a_transient_one_there_is_no_other(self, node1):
        job1 = node1.createXML(domain_xml("job1", devices=DEVICES), 0)
        assert job1.XMLDesc(2) == job1.XMLDesc().replace(" id='1'", "", 1)

    def test_readers_see_no_passwords(self, web1, connect):
        reader = connect(read_only=True).lookupByName("web1")
        forbidden = (29, 20, "operation forbidden: virDomainGetXMLDesc with secure flag")
        assert refusal(reader.XMLDesc, 1) == refusal(reader.XMLDesc, 8) == forbidden
        assert reader.XMLDesc() == web1.XMLDesc()
        assert web1.XMLDesc(1) == web1.XMLDesc()

    @pytest.mark.parametrize("flags", [1, 8])
    def test_nor_do_those_who_do_not_ask_their_own_library(self, web1, front, flags):
        with Client(front.socket(), flags=1) as client:
            ref = DomainRef(web1.name(), web1.UUID(), -1)
            said = client.call("virDomainGetXMLDesc", ref, flags)
        assert said[:3] == (29, 20, "operation forbidden: virDomainGetXMLDesc with secure flag")

    def test_running_ones_share_nothing(self, node1):
        devices = (
            "<interface type='bridge'><source bridge='br0'/></interface>"
            "<serial type='pty'/><graphics type='vnc' autoport='yes'/>"
        )
        domains = [node1.createXML(domain_xml(name, devices=devices), 0) for name in ("a", "b", "c")]
        domains[1].destroy()
        domains.append(node1.createXML(domain_xml("d", devices=devices), 0))
        xml = {each.name(): each.XMLDesc() for each in node1.listAllDomains()}
        for name, tap, port, terminal in ("a", 0, 5900, 0), ("c", 2, 5902, 2), ("d", 3, 5901, 1):
            assert f"<target dev='vnet{tap}'/>" in xml[name]
            assert f"port='{port}'" in xml[name]
            assert f"path='/dev/pts/{terminal}'" in xml[name]

    def test_several_ports_of_one_are_in_a_row(self, node1):
        one, two = ("<graphics type='vnc' autoport='yes'/>", "<graphics type='spice' autoport='yes'/>")
        domains = [node1.createXML(domain_xml(name, devices=one), 0) for name in ("a", "b", "c")]
        domains[1].destroy()
        several = node1.createXML(domain_xml("d", devices=one + two), 0).XMLDesc()
        assert [f"port='{number}'" in several for number in range(5900, 5906)] == [
            *[False] * 3,
            True,
            True,
            False,
        ]


class TestStatistics:
    def test_of_devices(self, node1, rich):
        assert refusal(rich.blockStats, "vda") == refusal(rich.interfaceStats, "vnet0") == OFF
        assert refusal(rich.diskErrors) == refusal(rich.interfaceAddresses, 0) == OFF
        rich.create()
        assert rich.blockStats("vda") == rich.blockStats("/web1.img") == (0, 0, 0, 0, -1)
        assert refusal(rich.blockStats, "vdb") == (8, 10, "invalid argument: invalid path: vdb")
        assert rich.interfaceStats("vnet0") == rich.interfaceStats("52:54:00:00:00:01") == (0,) * 8
        no_device = (1, 0, "internal error: Interface name not provided")
        assert refusal(rich.interfaceStats, "52:54:00:00:00:02") == no_device
        unknown = (8, 20, "invalid argument: 'vnet9' is not a known interface")
        assert refusal(rich.interfaceStats, "vnet9") == unknown
        assert (rich.diskErrors(), rich.interfaceAddresses(0), rich.ioThreadInfo()) == ({}, {}, [])

    def test_of_cpus(self, web1, cluster, watch):
        assert refusal(web1.getCPUStats, True) == OFF
        web1.create()
        cluster.clock.advance(1)
        time = web1.info()[4]
        system = time // 4
        assert web1.getCPUStats(True) == [
            {"cpu_time": time, "user_time": time - system, "system_time": system}
        ]
        assert web1.getCPUStats(False) == [{"cpu_time": time // 4}] * 4

    def test_all_groups_of_one_that_is_shut_off(self, node1, rich):
        assert stats_of(node1, rich, 0) == {
            "state.state": 5,
            "state.reason": 0,
            "cpu.time": 0,
            "cpu.user": 0,
            "cpu.system": 0,
            "balloon.current": 65536,
            "balloon.maximum": 65536,
            "vcpu.current": 1,
            "vcpu.maximum": 1,
            "block.count": 2,
            "block.0.name": "vda",
            "block.0.path": "/web1.img",
            "block.0.allocation": 0,
            "block.0.capacity": 0,
            "block.0.physical": 0,
            "block.1.name": "sda",
        }

    def test_groups_of_one_that_runs(self, node1, rich):
        rich.create()
        assert stats_of(node1, rich, 1) == {"state.state": 1, "state.reason": 1}
        assert stats_of(node1, rich, 2) == {
            "cpu.time": STARTED,
            "cpu.user": STARTED * 3 // 4,
            "cpu.system": STARTED // 4,
            "cpu.cache.monitor.count": 0,
            "cpu.haltpoll.success.time": 0,
            "cpu.haltpoll.fail.time": 0,
        }
        assert stats_of(node1, rich, 4) == {
            "balloon.current": 65536,
            "balloon.maximum": 65536,
            "balloon.last-update": 0,
            "balloon.rss": 65536,
        }
        assert stats_of(node1, rich, 8) == {
            "vcpu.current": 1,
            "vcpu.maximum": 1,
            "vcpu.0.state": 1,
            "vcpu.0.time": STARTED,
            "vcpu.0.wait": 0,
            "vcpu.0.delay": 0,
        }
        assert stats_of(node1, rich, 16) == {
            "net.count": 2,
            "net.0.name": "vnet0",
            **{
                f"net.0.{way}.{what}": 0 for way in ("rx", "tx") for what in ("bytes", "pkts", "errs", "drop")
            },
        }
        block = stats_of(node1, rich, 32)
        assert (block["block.0.rd.bytes"], block["block.0.backingIndex"]) == (0, 2)
        assert "block.1.backingIndex" not in block
        assert stats_of(node1, rich, 512)["dirtyrate.calc_mode"] == "page-sampling"
        assert stats_of(node1, rich, 64) == {}

    def test_of_many(self, node1, web1, rich):
        web1.create()
        assert [each.name() for each, _ in node1.getAllDomainStats(1)] == ["web1", "rich"]
        assert [each.name() for each, _ in node1.getAllDomainStats(1, 2)] == ["rich"]
        unknown = (
            74,
            10,
            "argument unsupported: Stats types bits 0x100000 are not supported by this daemon or QEMU",
        )
        assert refusal(node1.getAllDomainStats, 1 << 20, 1 << 31) == unknown
        assert [stats for _, stats in node1.getAllDomainStats(1 << 20)] == [{}, {}]
        rich.undefine()
        assert node1.domainListGetStats([rich], 1) == []


class TestHosts:
    def test_what_it_is(self, node1):
        assert (node1.getType(), node1.getVersion(), node1.getLibVersion()) == ("QEMU", 7_002_022, 9_000_000)
        assert (node1.getHostname(), node1.isSecure(), node1.isEncrypted()) == ("node1", 1, 0)
        assert node1.getInfo() == ["x86_64", 8192, 4, 2600, 1, 1, 4, 1]
        assert node1.getSecurityModel() == ["none", "0"]
        assert node1.getCapabilities().startswith("<capabilities>")
        assert "<entry name='serial'>node1</entry>" in node1.getSysinfo()
        assert node1.getCPUMap() == (4, [True] * 4, 4)

    @pytest.mark.parametrize(
        ("version", "number"), [("8.2.1", 8_002_001), ("8.2", 7_002_022), ("x.y.z", 7_002_022)]
    )
    def test_its_version(self, libvirt, version, number):
        with FakeLibvirt(FakeCluster.in_memory(NodeSpec("node1", version=version))) as front:
            connection = libvirt.open(front.uri())
            assert connection.getVersion() == number
            connection.close()

    def test_how_many_cpus_a_domain_may_have(self, node1):
        assert [node1.getMaxVcpus(kind) for kind in (None, "qemu", "kvm")] == [16, 16, 1024]
        assert refusal(node1.getMaxVcpus, "xen") == (8, 10, "invalid argument: unknown type 'xen'")

    def test_what_a_domain_can_have(self, node1):
        text = node1.getDomainCapabilities()
        assert text.startswith(
            "<domainCapabilities>\n"
            "  <path>/usr/bin/qemu-system-x86_64</path>\n"
            "  <domain>kvm</domain>\n"
            "  <machine>pc-i440fx-7.2</machine>\n"
            "  <arch>x86_64</arch>\n"
            "  <vcpu max='255'/>\n"
        )
        assert "<mode name='host-passthrough' supported='yes'>" in text
        other = node1.getDomainCapabilities("/usr/bin/qemu-system-i386", "i686", "q35", "qemu")
        assert "<machine>pc-q35-7.2</machine>\n  <arch>i686</arch>\n  <vcpu max='288'/>" in other
        assert "<mode name='host-passthrough' supported='no'/>" in other

    @pytest.mark.parametrize(
        ("given", "refused"),
        [
            ((None, "vax"), (8, 10, "invalid argument: unknown architecture: vax")),
            (("/no",), (38, 10, "Cannot check QEMU binary /no: No such file or directory")),
            ((None, None, None, "xen"), (8, 10, "invalid argument: unknown virttype: xen")),
            (
                (None, None, "virt"),
                (8, 10, f"invalid argument: the machine 'virt' is not supported by emulator '{EMULATOR}'"),
            ),
        ],
    )
    def test_what_none_can_have(self, node1, given, refused):
        assert refusal(node1.getDomainCapabilities, *given) == refused

    def test_its_memory(self, node1):
        node1.createXML(domain_xml("web1"), 0)
        free = 8128 * 2**20
        assert node1.getFreeMemory() == free
        assert node1.getCellsFreeMemory(0, 8) == [free]
        assert refusal(node1.getCellsFreeMemory, 1, 1) == (
            1,
            0,
            "internal error: start cell 1 out of range (0-0)",
        )
        assert node1.getMemoryStats(-1) == {
            "total": 8192 * 1024,
            "free": free // 1024,
            "buffers": 0,
            "cached": 0,
        }
        assert node1.getMemoryStats(0) == {"total": 8192 * 1024, "free": free // 1024}
        assert refusal(node1.getMemoryStats, 7) == (
            8,
            0,
            "cellNum in virHostMemGetStats must be less than or equal to 0",
        )

    def test_its_cpus(self, node1, cluster):
        node1.createXML(domain_xml("web1"), 0)
        cluster.clock.advance(4)
        domain = node1.lookupByName("web1")
        busy = domain.info()[4] - STARTED
        kernel = busy // 4
        expected = {"kernel": kernel, "user": busy - kernel, "idle": 16 * S - busy, "iowait": 0}
        assert node1.getCPUStats(-1) == expected
        share = busy // 4
        assert node1.getCPUStats(0) == {
            "kernel": share // 4,
            "user": share - share // 4,
            "idle": 4 * S - share,
            "iowait": 0,
        }
        domain.destroy()
        assert node1.getCPUStats(-1) == expected
        assert refusal(node1.getCPUStats, 99) == (8, 0, "Invalid cpuNum in virHostCPUGetStatsLinux")

    @pytest.mark.parametrize(
        ("call", "function"),
        [
            (lambda host: host.getCPUMap(1), "virHostCPUGetMap"),
            (lambda host: host.getMemoryStats(-1, 1), "virHostMemGetStats"),
            (lambda host: host.getCPUStats(-1, 1), "virHostCPUGetStats"),
        ],
    )
    def test_flags_that_nobody_knows(self, node1, call, function):
        assert refusal(call, node1) == (8, 0, f"unsupported flags (0x1) in function {function}")


class TestEvents:
    def test_of_one_domain_alone(self, node1, web1, watch):
        mine = watch(about=web1)
        node1.createXML(domain_xml("job1"), 0)
        web1.create()
        assert mine.told() == ["web1 2 resumed", "web1 2 started"]

    def test_no_more(self, web1, watch):
        watcher = watch()
        watcher.forget(0)
        web1.create()
        assert watcher.told() == []
        assert watcher.forget(0)[:3] == (8, 7, "invalid argument: domain event callback 0 not registered")

    def test_of_what_there_is_not(self, node1, watch):
        client = watch()._client
        assert client.call("virConnectDomainEventRegisterAny", 99, None)[:3] == (
            8,
            0,
            "unsupported event ID 99",
        )
        assert client.call("virConnectGetURI") == ("qemu:///system",)
