"""What the cluster does shows as on a real host, on each backend; and instances are shown as declared."""

import pytest
from pyfakefs.fake_filesystem_unittest import Patcher
from told_by_hosts import domain_xml, refusal, uuid_of

from pytest_fakehv import DeclarationError, FakeCluster, FakeHypervisor, InstanceSpec, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

NODES = NodeSpec("node1", memory=8192, cpus=4), NodeSpec("node2", memory=8192, cpus=4)
MIB = 1024


@pytest.fixture(params=["files", "memory", "pyfakefs"])
def cluster(request, tmp_path):
    if request.param == "memory":
        yield FakeCluster.in_memory(*NODES)
    elif request.param == "files":
        yield FakeCluster(tmp_path / "root", *NODES)
    else:
        with Patcher() as patcher:
            patcher.fs.create_dir("/dev/shm/root")
            yield FakeCluster("/dev/shm/root", *NODES)


def listed(connection):
    """Return what a host has: state, reason and whether it is persistent, by name."""
    return {each.name(): (*each.state(), each.isPersistent()) for each in connection.listAllDomains()}


class TestDeeds:
    def test_a_guest_is_killed(self, web1, cluster, told):
        web1.create()
        told()
        cluster.kill("web1")
        assert (web1.state(), told()) == ([5, 3], ["web1 1 failed"])

    def test_a_transient_one_is_killed(self, node1, cluster):
        job1 = node1.createXML(domain_xml("job1"), 0)
        cluster.kill("job1")
        assert refusal(job1.state)[0] == 42

    def test_it_pauses_by_itself(self, node1, cluster, told):
        disk = "<source file='/web1.img'/><target dev='vda' bus='virtio'/>"
        devices = f"<disk type='file' device='disk'>{disk}</disk>"
        web1 = node1.createXML(domain_xml("web1", devices=devices), 0)
        told()
        cluster.pause("web1")
        assert web1.state() == [3, 5]
        assert told() == [
            "web1 1 error /web1.img virtio-disk0 1",
            "web1 1 reason /web1.img virtio-disk0 1 ",
            "web1 1 stopped by an error",
        ]
        cluster.resume("web1")
        assert (web1.state(), told()) == ([1, 5], ["web1 1 resumed"])

    def test_it_pauses_without_a_disk(self, web1, cluster, told):
        web1.create()
        told()
        cluster.pause("web1")
        assert (web1.state(), told()) == ([3, 5], ["web1 1 stopped by an error"])

    def test_of_what_is_shut_off_nothing_is_told(self, web1, cluster, told):
        cluster.add_instance("other", node="node2")
        cluster.pause("other")
        cluster.resume("other")
        assert (web1.state(), told()) == ([5, 0], [])

    def test_its_host_crashes_and_boots(self, libvirt, front, cluster):
        node = cluster["node1"]
        connection = libvirt.open(front.uri("node1"))
        for name in "web1", "web2":
            connection.defineXML(domain_xml(name)).create()
        connection.lookupByName("web2").setAutostart(1)
        connection.createXML(domain_xml("job1"), 0)
        node.crash()
        assert refusal(connection.listAllDomains)[1] == 7
        node.boot()
        connection = libvirt.open(front.uri("node1"))
        assert listed(connection) == {"web1": (5, 0, 1), "web2": (1, 1, 1)}
        assert connection.lookupByName("web2").ID() == 1
        connection.close()

    def test_one_that_is_up_does_not_boot_and_starts_nothing(self, libvirt, front, cluster):
        connection = libvirt.open(front.uri("node1"))
        connection.defineXML(domain_xml("web1")).setAutostart(1)
        cluster["node1"].boot()
        assert listed(connection) == {"web1": (5, 0, 1)}
        connection.close()

    def test_what_can_not_start_with_its_host_does_not(self, libvirt, cluster):
        cluster.add_node("small", memory=128, overcommit=False)
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri("small"))
            for name, memory in ("a", 256), ("b", 64):
                connection.defineXML(domain_xml(name, memory=memory)).setAutostart(1)
            cluster["small"].crash()
            cluster["small"].boot()
            connection = libvirt.open(front.uri("small"))
            assert listed(connection) == {"a": (5, 0, 1), "b": (1, 1, 1)}
            connection.close()

    def test_its_power_is_cycled(self, libvirt, front, cluster, capsys):
        connection = libvirt.open(front.uri("node1"))
        connection.defineXML(domain_xml("web1")).setAutostart(1)
        connection.createXML(domain_xml("job1"), 0)
        cluster["node1"].PowercycleNode()
        cluster["node2"].PowercycleNode()  # of which nobody has asked anything
        assert refusal(connection.listAllDomains)[1] == 7
        connection = libvirt.open(front.uri("node1"))
        assert listed(connection) == {"web1": (1, 1, 1)}
        connection.close()
        capsys.readouterr()

    def test_its_node_leaves_the_cluster(self, libvirt, front, cluster):
        connection = libvirt.open(front.uri("node2"))
        cluster.remove_node("node2")
        assert refusal(connection.listAllDomains)[1] == 7

    def test_it_is_cut_off_and_back(self, connect, cluster):
        connection = connect("node2")
        cluster["node2"].disconnect()
        cluster["node2"].reconnect()
        assert listed(connection) == {}


class TestTheInterface:
    def test_starts_and_stops(self, node1, cluster, told):
        node = cluster["node1"]
        instance = cluster.instance("web1", memory=512, vcpus=2)
        node.StartInstance(instance, [], startup_paused=False)
        web1 = node1.lookupByName("web1")
        assert (web1.state(), web1.isPersistent(), web1.info()[1:4]) == ([1, 1], 1, [512 * MIB, 512 * MIB, 2])
        node.BalloonInstanceMemory(instance, 256)
        assert web1.info()[1:4] == [512 * MIB, 256 * MIB, 2]
        node.StopInstance(instance)
        assert web1.state() == [5, 2]
        node.StartInstance(instance, [], startup_paused=True)
        assert web1.state() == [3, 1]
        assert told() == [
            "web1 -1 defined",
            "web1 1 resumed",
            "web1 1 started",
            f"web1 1 balloon {256 * MIB}",
            "web1 1 is shut down",
            "web1 -1 destroyed",
            "web1 2 started",
            "web1 2 suspended",
        ]

    def test_an_instance_has_grown_beyond_its_definition(self, node1, web1, cluster):
        cluster["node1"].StartInstance(
            cluster.instance("web1", memory=512, vcpus=4), [], startup_paused=False
        )
        assert web1.info()[1:4] == [512 * MIB, 512 * MIB, 4]
        assert web1.vcpusFlags(4) == 4

    def test_a_balloon_of_what_no_host_was_asked_about(self, cluster, front):
        cluster.add_instance("web1", node="node2", memory=512)
        cluster["node2"].BalloonInstanceMemory(cluster.instance("web1"), 256)
        assert cluster["node2"].instances["web1"].memory == 256

    def test_a_live_migration(self, connect, cluster, watch):
        node1, node2 = connect("node1"), connect("node2")
        source, target = watch("node1"), watch("node2")
        web1 = node1.defineXML(domain_xml("web1", current=32 * MIB))
        web1.create()
        source.told()
        cluster.migrate("web1", to="node2")
        assert listed(node1) == {"web1": (5, 4, 1)}
        assert listed(node2) == {"web1": (1, 2, 0)}
        there = node2.lookupByName("web1")
        assert (there.UUIDString(), there.info()[1:3]) == (uuid_of("web1"), [64 * MIB, 32 * MIB])
        assert source.told() == ["web1 -1 left"]
        assert target.told() == ["web1 1 arrived", "web1 1 resumed from a migration"]

    def test_a_migration_that_is_not_live(self, connect, cluster, watch):
        node1 = connect("node1")
        node2 = connect("node2")
        source, _target = watch("node1"), watch("node2")
        job1 = node1.createXML(domain_xml("job1"), 0)
        source.told()
        cluster.migrate("job1", to="node2", live=False)
        assert (listed(node1), listed(node2)) == ({}, {"job1": (1, 2, 0)})
        assert refusal(job1.state)[0] == 42
        assert source.told() == ["job1 1 suspended to migrate", "job1 -1 left"]

    def test_one_that_is_paused_migrates(self, connect, cluster, watch):
        node1, node2, target = connect("node1"), connect("node2"), watch("node2")
        node1.createXML(domain_xml("job1"), 1)
        cluster.migrate("job1", to="node2")
        assert listed(node2) == {"job1": (3, 1, 0)}
        assert target.told() == ["job1 1 arrived", "job1 1 suspended"]

    def test_a_migration_that_fails(self, connect, cluster, watch):
        node1, source = connect("node1"), watch("node1")
        job1 = node1.createXML(domain_xml("job1"), 0)
        cluster.script_migration("job1", outcome="failed")
        source.told()
        cluster.migrate("job1", to="node2", live=False)
        assert job1.state() == [1, 6]
        assert source.told() == ["job1 1 suspended to migrate", "job1 1 resumed from a migration"]


class TestDeclared:
    def test_before_and_after_the_front_is_up(self, cluster, libvirt):
        cluster.add_instance("running", memory=512, min_memory=256, vcpus=2)
        cluster.add_instance("paused", state="paused")
        cluster.add_instance("stopped", state="stopped")
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri("node1"))
            assert listed(connection) == {"running": (1, 1, 1), "paused": (3, 1, 1), "stopped": (5, 0, 1)}
            assert connection.lookupByName("running").info()[1:4] == [512 * MIB, 512 * MIB, 2]
            cluster.add_instance("late")
            cluster.add_instance("later", state="stopped")
            assert connection.lookupByName("late").state() == [1, 1]
            assert connection.lookupByName("later").state() == [5, 0]
            again = connection.lookupByUUIDString(connection.lookupByName("later").UUIDString())
            assert again.name() == "later"
            connection.close()

    def test_each_is_found_by_its_uuid(self, cluster, connect):
        first, second = connect("node1"), connect("node2")
        cluster.add_instance("web1", state="stopped")
        key = first.lookupByName("web1").UUIDString()
        cluster.add_instance("web1", state="stopped", node="node2")
        assert second.lookupByUUIDString(key).name() == "web1"

    def test_undefined_on_one_node_it_is_still_declared_on_the_other(self, cluster, web1, connect):
        cluster.add_instance("web1", state="stopped", node="node2")
        web1.undefine()
        assert listed(connect("node2")) == {"web1": (5, 0, 1)}

    def test_on_a_node_that_is_down(self, cluster, front, libvirt):
        cluster.add_instance("web1", state="stopped")
        cluster["node1"].crash()
        uri = front.uri("node1")
        cluster["node1"].boot()
        connection = libvirt.open(uri)
        assert listed(connection) == {"web1": (5, 0, 1)}
        connection.close()

    def test_undefined_they_are_gone(self, cluster, node1):
        cluster.add_instance("web1", state="stopped")
        node1.lookupByName("web1").undefine()
        assert listed(node1) == {}
        assert refusal(node1.lookupByName, "web1")[0] == 42

    def test_an_instance_that_was_described_nowhere(self, cluster, connect):
        class Anything:
            name, hvparams, beparams = "web1", {}, {"minmem": 256, "maxmem": 256, "vcpus": 1}

        cluster["node2"].StartInstance(Anything(), [], startup_paused=False)
        assert connect("node2").lookupByName("web1").info()[1:4] == [256 * MIB, 256 * MIB, 1]

    def test_xml_of_ones_own(self, cluster, libvirt):
        cluster.add_instance("web1", xml="<domain type='qemu'><title>Shop</title></domain>")
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri())
            web1 = connection.lookupByName("web1")
            assert (web1.metadata(1, None), web1.maxMemory()) == ("Shop", 1024 * MIB)
            cluster.add_instance("web2", memory=64, xml="<domain><title>Other</title></domain>")
            assert connection.lookupByName("web2").metadata(1, None) == "Other"
            connection.close()

    def test_a_wrong_xml_is_refused_where_it_is_declared(self, cluster, front):
        with pytest.raises(DeclarationError) as caught:
            cluster.add_instance("web1", xml="<domain><name>web2</name></domain>")
        assert str(caught.value) == (
            "xml of instance 'web1' is wrong: it says name 'web2', the instance has 'web1'"
        )
        assert cluster.placement() == {}
        assert "web1" not in cluster._shared.declared

    def test_no_two_have_one_uuid(self, cluster, front):
        xml = f"<domain><uuid>{uuid_of('web1')}</uuid></domain>"
        for _ in range(2):
            cluster.add_instance("web1", state="stopped", xml=xml)
        with pytest.raises(DeclarationError) as caught:
            cluster.add_instance("web2", xml=xml)
        assert str(caught.value) == "xml of instance 'web2' is wrong: its uuid is web1's"

    def test_who_has_another_name_now_keeps_its_uuid(self, cluster, node1):
        cluster.add_instance("web1", state="stopped")
        web1 = node1.lookupByName("web1")
        key = web1.UUIDString()
        web1.rename("web2")
        cluster["node1"].StartInstance(cluster.instance("web1"), [], startup_paused=False)
        again = node1.lookupByName("web1")
        assert again.UUIDString() != key
        assert node1.lookupByUUIDString(key).name() == "web2"
        again.destroy()
        assert listed(node1) == {"web1": (5, 2, 1), "web2": (5, 0, 1)}

    def test_or_where_the_front_first_needs_it(self, cluster):
        cluster.add_instance("web1", xml="<domain")
        with pytest.raises(DeclarationError) as caught:
            FakeLibvirt(cluster)
        assert str(caught.value) == (
            "xml of instance 'web1' is wrong: (domain_definition):1: Couldn't find end of Start Tag domain "
            "line 1\n<domain\n-------^"
        )

    def test_no_xml(self):
        with pytest.raises(DeclarationError) as caught:
            InstanceSpec("web1", xml=b"<domain/>")
        assert str(caught.value) == "xml must be a text, not b'<domain/>'"


class TestBehindItsBack:
    @pytest.fixture
    def cluster(self, tmp_path):
        return FakeCluster(tmp_path / "root", *NODES)

    def test_another_program_changes_it(self, web1, tmp_path):
        web1.create()
        (tmp_path / "root/node1/web1").write_text("0\n32\n4\n")
        assert web1.info()[1:4] == [64 * MIB, 32 * MIB, 4]
        assert f"<currentMemory unit='KiB'>{32 * MIB}</currentMemory>" in web1.XMLDesc()
        assert web1.vcpusFlags(0) == 4

    def test_or_takes_it_away(self, node1, web1, tmp_path, told):
        web1.create()
        (tmp_path / "root/node1/web1").unlink()
        assert web1.info()[1:4] == [64 * MIB, 64 * MIB, 1]
        assert listed(node1) == {"web1": (5, 3, 1)}
        assert told()[2:] == ["web1 1 failed"]

    def test_and_somebody_starts_it_anew(self, node1, web1, tmp_path, told, cluster):
        web1.create()
        told()
        (tmp_path / "root/node1/web1").unlink()
        cluster["node1"].StartInstance(cluster.instance("web1"), [], startup_paused=False)
        assert told() == ["web1 1 failed", "web1 2 resumed", "web1 2 started"]

    def test_or_has_started_it_before(self, node1, web1, tmp_path):
        (tmp_path / "root/node1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "root/node1/web1").write_text("0\n64\n1\n")
        assert refusal(web1.create) == (55, 10, "Requested operation is not valid: domain is already running")
        assert listed(node1) == {"web1": (1, 1, 1)}

    def test_it_stops_what_another_program_has_started(self, node1, tmp_path, cluster, told):
        assert listed(node1) == {}
        for name in "new", "newer":
            (tmp_path / f"root/node1/{name}").write_text("0\n32\n4\n")
        cluster["node1"].BalloonInstanceMemory(cluster.instance("new"), 16)
        cluster["node1"].StopInstance(cluster.instance("newer"))
        assert told() == []
        assert listed(node1) == {"new": (1, 1, 1)}

    def test_it_resumes_what_another_program_has_paused(self, web1, tmp_path, cluster, told):
        web1.create()
        (tmp_path / "root/node1/web1").write_text("0\n64\n1\npaused\n")
        cluster.resume("web1")
        assert web1.state() == [1, 1]
        assert told()[2:] == []

    def test_or_puts_one_there(self, node1, tmp_path):
        assert listed(node1) == {}
        (tmp_path / "root/node1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "root/node1/new").write_text("0\n32\n4\n")
        (tmp_path / "root/node1/broken").write_text("nonsense")
        assert listed(node1) == {"new": (1, 1, 1), "broken": (1, 1, 1)}


def test_a_class_that_starts_nothing(libvirt):
    class Idle(FakeHypervisor):
        def StartInstance(self, instance, block_devices, startup_paused):
            """Say that it worked."""

    cluster = FakeCluster.in_memory(NodeSpec("node1"), hypervisor=Idle)
    with FakeLibvirt(cluster) as front:
        connection = libvirt.open(front.uri())
        connection.createXML(domain_xml("job1"), 0)
        web1 = connection.defineXML(domain_xml("web1"))
        web1.create()
        assert listed(connection) == {"web1": (5, 0, 1)}
        connection.close()


def test_what_starts_with_its_host_and_runs_elsewhere_by_now(node1, web1, cluster, connect):
    web1.setAutostart(1)
    cluster["node1"].crash()
    connect("node2").createXML(domain_xml("web1"), 0)
    cluster["node1"].boot()
    with pytest.raises(AssertionError) as caught:
        cluster.assert_consistent()
    message, since, advice = str(caught.value).splitlines()
    assert message == (
        "split-brain: web1 ran on node2 and node1 at once: node1 started it by itself as it booted"
    )
    assert since.startswith("  since call 3, virDomainSetAutostart('web1', 1) on node1 at ")
    assert advice == (
        "  a correct program starts an instance, or lets it arrive, only where it is known to run "
        "nowhere else"
    )
