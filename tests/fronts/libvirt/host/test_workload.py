"""What guests do while they run shows in their figures, by the cluster's clock, the same in each run."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

S = 10**9
STARTED = 100_000_000
OFF = (55, 20, "Requested operation is not valid: domain is not running")
DEVICES = (
    "<disk type='file' device='disk'><source file='/one.img'/><target dev='vda' bus='virtio'/></disk>"
    "<disk type='file' device='disk'><source file='/two.img'/><target dev='vdb' bus='virtio'/></disk>"
    "<disk type='file' device='cdrom'><source file='/cd.iso'/><target dev='sda' bus='sata'/></disk>"
    "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>"
    "<interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br0'/></interface>"
)


@pytest.fixture
def busy(node1):
    """A domain that runs, with two disks and two interfaces."""
    return node1.createXML(domain_xml("busy", devices=DEVICES), 0)


def figures(domain):
    """Return all figures that move with the clock."""
    return (
        domain.info()[4],
        domain.getCPUStats(True),
        domain.getCPUStats(False),
        [domain.blockStats(name) for name in ("vda", "vdb", "sda", "")],
        [domain.blockStatsFlags(name) for name in ("vda", "vdb", "sda", "")],
        [domain.interfaceStats(name) for name in ("vnet0", "vnet1")],
        domain.memoryStats(),
    )


def a_second(values, before):
    return [now - then for now, then in zip(values, before, strict=True)]


class TestRates:
    def test_a_program_that_takes_two_samples_computes_how_busy_a_domain_is(self, node1, cluster):
        used = {}
        for name in ("web1", "web2"):
            domain = node1.createXML(domain_xml(name), 0)
            first = domain.info()[4]
            cluster.clock.advance(10)
            used[name] = (domain.info()[4] - first) / (10 * S) / domain.info()[3] * 100
        assert used == {"web1": 37.7, "web2": 38.9}

    def test_each_of_a_domains_cpus_has_its_own(self, node1, cluster):
        domain = node1.createXML(domain_xml("web1", vcpus=3), 0)
        assert [each[2] for each in domain.vcpus()[0]] == [STARTED, 0, 0]
        cluster.clock.advance(2)
        first, *others = [each[2] for each in domain.vcpus()[0]]
        times = [first - STARTED, *others]
        assert all(0.1 <= each / (2 * S) <= 0.6 for each in times)
        assert len(set(times)) == 3
        assert domain.info()[4] == STARTED + sum(times)
        ((_, stats),) = node1.domainListGetStats([domain], 8)
        assert [stats[f"vcpu.{number}.time"] for number in range(3)] == [first, *others]

    def test_of_disks(self, busy, cluster):
        before = [busy.blockStatsFlags(name) for name in ("vda", "vdb")]
        assert set(before[0].values()) == {0}
        cluster.clock.advance(10)
        one, other = (busy.blockStatsFlags(name) for name in ("vda", "vdb"))
        assert one.keys() == other.keys()
        assert all(one[key] != other[key] for key in ("rd_bytes", "wr_bytes"))
        for way, least, most in (("rd", 100, 500), ("wr", 50, 300)):
            count = one[f"{way}_operations"]
            assert least <= count <= most
            assert one[f"{way}_bytes"] // count in range(4096, 8 * 4096 + 1, 4096)
            assert 100_000 <= one[f"{way}_total_times"] // count <= 500_000
        assert one["flush_total_times"] == one["flush_operations"] * 1_000_000
        assert set(busy.blockStatsFlags("sda").values()) == {0}
        assert busy.blockStatsFlags("") == {key: one[key] + other[key] for key in one}
        assert busy.blockStats("/one.img") == (
            one["rd_operations"],
            one["rd_bytes"],
            one["wr_operations"],
            one["wr_bytes"],
            -1,
        )

    def test_all_groups_say_the_same(self, node1, busy, cluster):
        cluster.clock.advance(3)
        ((_, stats),) = node1.domainListGetStats([busy], 16 | 32)
        reads, bytes_read, writes, bytes_written, _ = busy.blockStats("vda")
        of_disk = {key: value for key, value in stats.items() if key.startswith("block.0.")}
        whole = busy.blockStatsFlags("vda")
        assert of_disk == {
            "block.0.name": "vda",
            "block.0.path": "/one.img",
            "block.0.backingIndex": 3,
            "block.0.rd.reqs": reads,
            "block.0.rd.bytes": bytes_read,
            "block.0.rd.times": whole["rd_total_times"],
            "block.0.wr.reqs": writes,
            "block.0.wr.bytes": bytes_written,
            "block.0.wr.times": whole["wr_total_times"],
            "block.0.fl.reqs": whole["flush_operations"],
            "block.0.fl.times": whole["flush_total_times"],
            "block.0.allocation": 0,
            "block.0.capacity": 0,
            "block.0.physical": 0,
        }
        received = [stats[f"net.1.{way}.{what}"] for way in ("rx", "tx") for what in FIGURES_OF_INTERFACE]
        assert tuple(received) == busy.interfaceStats("vnet1")

    def test_of_interfaces(self, busy, cluster):
        assert busy.interfaceStats("vnet0") == (0,) * 8
        cluster.clock.advance(10)
        one, other = busy.interfaceStats("vnet0"), busy.interfaceStats("52:54:00:00:00:02")
        for size, packets in (one[:2], one[4:6], other[:2], other[4:6]):
            assert 200 <= packets <= 2000
            assert 100 <= size / packets <= 1000
        assert (one[2:4], one[6:]) == ((0, 0), (0, 0))
        assert one != other

    def test_of_memory_where_the_guest_is_asked_for_it(self, node1, busy, cluster):
        memory = 64 * 1024
        assert busy.memoryStats() == {"actual": memory, "last_update": 0, "rss": memory}
        busy.setMemoryStatsPeriod(5, 1)
        cluster.clock.advance(7)
        told = busy.memoryStats()
        assert list(told) == [
            "actual",
            "swap_in",
            "swap_out",
            "major_fault",
            "minor_fault",
            "unused",
            "available",
            "usable",
            "last_update",
            "disk_caches",
            "rss",
        ]
        assert (told["available"], told["last_update"], told["swap_in"]) == (memory, 7, 0)
        assert 0.4 <= told["usable"] / memory <= 0.7
        assert told["unused"] == told["usable"] - told["disk_caches"]
        assert 7 <= told["major_fault"] <= 35
        ((_, stats),) = node1.domainListGetStats([busy], 4)
        told["last-update"] = told.pop("last_update")
        del told["actual"]
        assert {key: stats[f"balloon.{key}"] for key in told} == told


FIGURES_OF_INTERFACE = ("bytes", "pkts", "errs", "drop")


class TestTime:
    def test_in_each_run_the_same_domain_does_the_same(self, libvirt, busy, cluster):
        from pytest_fakehv import FakeCluster, NodeSpec
        from pytest_fakehv.fronts.libvirt import FakeLibvirt

        cluster.clock.advance(9)
        expected = figures(busy)
        elsewhere = FakeCluster.in_memory(NodeSpec("node7"))
        with FakeLibvirt(elsewhere) as front:
            connection = libvirt.open(front.uri("node7"))
            twin = connection.createXML(domain_xml("busy", devices=DEVICES), 0)
            elsewhere.clock.advance(9)
            assert twin.UUIDString() == uuid_of("busy")
            assert figures(twin)[:2] == expected[:2]
            assert figures(twin)[3:] == expected[3:]
            connection.close()

    def test_what_is_paused_does_nothing(self, busy, cluster):
        busy.setMemoryStatsPeriod(5, 1)
        cluster.clock.advance(5)
        busy.suspend()
        before = figures(busy)
        cluster.clock.advance(60)
        busy.suspend()
        assert figures(busy) == before
        busy.resume()
        assert figures(busy)[:6] == before[:6]
        cluster.clock.advance(5)
        assert (busy.info()[4] - STARTED) == 2 * (before[0] - STARTED)
        assert busy.memoryStats()["last_update"] == 70

    def test_what_is_started_anew_begins_at_nothing(self, node1, web1, cluster):
        web1.create()
        cluster.clock.advance(5)
        web1.destroy()
        assert web1.info()[4] == 0
        web1.create()
        assert web1.info()[4] == STARTED

    def test_what_is_reset_goes_on(self, web1, cluster):
        web1.create()
        cluster.clock.advance(5)
        before = web1.info()[4]
        web1.reset(0)
        assert web1.info()[4] == before

    def test_on_the_target_of_a_migration_it_begins_at_nothing(self, connect, busy, cluster):
        cluster.clock.advance(5)
        there = connect("node2")
        arrived = busy.migrate3(there, {}, 1)
        assert (arrived.info()[4], arrived.blockStats("vda")) == (STARTED, (0, 0, 0, 0, -1))
        cluster.clock.advance(5)
        assert arrived.info()[4] > STARTED

    def test_cpus_that_are_plugged_in_idle_and_nothing_goes_back(self, node1, cluster):
        domain = node1.createXML(domain_xml("web1", vcpus=2, most_vcpus=4), 0)
        cluster.clock.advance(5)
        before = domain.info()[4], domain.vcpus()[0]
        domain.setVcpus(4)
        assert domain.info()[4] == before[0]
        assert [each[2] for each in domain.vcpus()[0]] == [*(each[2] for each in before[1]), 0, 0]


class TestErrors:
    def test_of_disks_where_one_has_paused_it(self, busy, cluster):
        assert busy.diskErrors() == {}
        cluster.pause("busy")
        assert busy.diskErrors() == {"vda": 1}
        busy.resume()
        assert busy.diskErrors() == {}


class TestDirtyRate:
    def test_it_is_measured_for_as_long_as_asked(self, node1, busy, cluster):
        assert dirty(node1, busy) == (0, 0, 0, None)
        cluster.clock.advance(4)
        busy.startDirtyRateCalc(2)
        assert dirty(node1, busy) == (1, 4, 2, None)
        words = "unable to execute QEMU command 'calc-dirty-rate': the dirty rate is already being measured."
        assert refusal(busy.startDirtyRateCalc, 1) == (1, 10, f"internal error: {words}")
        cluster.clock.advance(2)
        assert dirty(node1, busy)[:3] == (2, 4, 2)
        assert 1 <= dirty(node1, busy)[3] <= 32
        busy.startDirtyRateCalc(1)
        assert dirty(node1, busy) == (1, 6, 1, None)

    def test_what_is_refused(self, web1):
        words = "unsupported configuration: seconds=61 is invalid, please choose value within [1, 60]."
        assert refusal(web1.startDirtyRateCalc, 61) == (67, 10, words)
        assert refusal(web1.startDirtyRateCalc, 1) == OFF


def dirty(connection, domain):
    ((_, stats),) = connection.domainListGetStats([domain], 512)
    assert stats["dirtyrate.calc_mode"] == "page-sampling"
    keys = ("calc_status", "calc_start_time", "calc_period", "megabytes_per_second")
    return tuple(stats.get(f"dirtyrate.{key}") for key in keys)


class TestThreadsForInputAndOutput:
    HEAD = (
        "<iothreads>3</iothreads><iothreadids><iothread id='5'/></iothreadids>"
        "<cputune><iothreadpin iothread='5' cpuset='1-2'/></cputune>"
    )

    def test_they_are_numbered_and_pinned(self, node1):
        domain = node1.defineXML(domain_xml("web1").replace("<os>", self.HEAD + "<os>"))
        every = [True] * 4
        five = (5, [False, True, True, False])
        assert domain.ioThreadInfo() == [five, (1, every), (2, every)]
        domain.create()
        assert domain.ioThreadInfo() == [(2, every), (1, every), five]
        ((_, stats),) = node1.domainListGetStats([domain], 128)
        assert stats["iothread.count"] == 3
        assert stats["iothread.5.poll-max-ns"] == 32768

    def test_of_one_without(self, node1, web1):
        web1.create()
        ((_, stats),) = node1.domainListGetStats([web1], 128)
        assert (stats, web1.ioThreadInfo()) == ({}, [])
