"""Domains come, start, stop and go, as on a real host."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

OFF = (55, 20, "Requested operation is not valid: domain is not running")
NOT_RUNNING = (55, 10, "Requested operation is not valid: domain is not running")


def gone(name):
    return 42, 10, f"Domain not found: no domain with matching uuid '{uuid_of(name)}' ({name})"


def invalid(problem, origin=10):
    return 55, origin, f"Requested operation is not valid: {problem}"


class TestDefinitions:
    def test_a_domain_is_defined_and_updated(self, node1, told, cluster):
        web1 = node1.defineXML(domain_xml("web1"))
        assert (web1.name(), web1.UUIDString(), web1.state(), web1.isPersistent()) == (
            "web1",
            uuid_of("web1"),
            [5, 0],
            1,
        )
        node1.defineXMLFlags(domain_xml("web1", memory=128), 1)
        assert web1.maxMemory() == 128 * 1024
        assert told() == ["web1 -1 defined", "web1 -1 updated"]
        assert cluster.instance("web1").beparams["maxmem"] == 128

    def test_one_without_a_uuid_gets_the_same_in_each_run(self, node1):
        xml = domain_xml("web1").replace(f"<uuid>{uuid_of('web1')}</uuid>", "")
        first = node1.defineXML(xml)
        assert len(first.UUID()) == 16
        assert first.UUIDString() != uuid_of("web1")

    def test_a_name_and_a_uuid_are_one_domains(self, node1, web1):
        assert refusal(node1.defineXML, domain_xml("db1", key=uuid_of("web1"))) == (
            9,
            20,
            f"operation failed: domain 'web1' is already defined with uuid {uuid_of('web1')}",
        )
        assert refusal(node1.createXML, domain_xml("web1", key=uuid_of("db1"))) == (
            9,
            20,
            f"operation failed: domain 'web1' already exists with uuid {uuid_of('web1')}",
        )

    def test_it_is_undefined(self, node1, web1, told, cluster):
        web1.setAutostart(1)
        web1.undefine()
        assert refusal(web1.state) == gone("web1")
        assert refusal(node1.lookupByName, "web1") == (
            42,
            10,
            "Domain not found: no domain with matching name 'web1'",
        )
        assert told() == ["web1 -1 undefined"]
        assert node1.listAllDomains() == []

    def test_one_that_runs_is_transient_then(self, node1, web1, told):
        web1.create()
        web1.undefine()
        assert (web1.isPersistent(), web1.isActive(), web1.autostart()) == (0, 1, 0)
        assert refusal(web1.undefine) == invalid("cannot undefine transient domain")
        assert refusal(web1.setAutostart, 1) == invalid("cannot set autostart for transient domain")
        node1.defineXML(domain_xml("web1"))
        web1.undefine()
        web1.destroy()
        assert refusal(web1.destroy) == gone("web1")
        assert told() == [
            "web1 1 resumed",
            "web1 1 started",
            "web1 1 undefined",
            "web1 1 updated",
            "web1 1 undefined",
            "web1 1 is shut down",
            "web1 -1 destroyed",
        ]

    @pytest.mark.parametrize("flags", [1, 2, 4, 8, 16, 32, 64])
    def test_what_there_is_none_of_goes_with_it(self, web1, flags):
        assert web1.undefineFlags(flags) == 0

    def test_flags_that_contradict_each_other(self, web1):
        assert refusal(web1.undefineFlags, 12) == invalid("cannot both keep and delete nvram")

    def test_flags_are_refused_before_anybody_looks_for_the_domain(self, libvirt, web1):
        web1.undefine()
        with pytest.raises(libvirt.libvirtError) as caught:
            web1.undefineFlags(1 << 20)
        assert caught.value.err == (
            8,
            10,
            "unsupported flags (0x100000) in function qemuDomainUndefineFlags",
            2,
            "qemuDomainUndefineFlags",
            "flags",
            None,
            0,
            0,
        )


class TestRenaming:
    def test_a_domain_gets_another_name(self, node1, web1, told, cluster):
        web1.rename("web2")
        assert node1.lookupByUUIDString(uuid_of("web1")).name() == "web2"
        assert refusal(node1.lookupByName, "web1")[0] == 42
        assert told() == ["web1 -1 renamed", "web2 -1 renamed to"]
        web1.create()
        assert cluster.placement() == {"web2": "node1"}

    def test_names_that_it_can_not_get(self, node1, web1):
        node1.defineXML(domain_xml("db1"))
        assert refusal(web1.rename, "web1") == invalid("Can't rename domain to itself", 20)
        assert refusal(web1.rename, "db1") == invalid("domain with name 'db1' already exists", 20)
        assert refusal(web1.rename, "a/b") == (27, 10, "XML error: name a/b cannot contain '/'")
        assert refusal(web1.rename, "web3", 1)[2] == "unsupported flags (0x1) in function qemuDomainRename"
        assert [each.name() for each in node1.listAllDomains()] == ["db1", "web1"]

    def test_one_that_runs_keeps_its_name(self, web1):
        web1.create()
        assert refusal(web1.rename, "web2") == invalid("cannot rename active domain")

    def test_no_name(self, web1, watch):
        from pytest_fakehv.fronts.libvirt.values import DomainRef

        ref = DomainRef(web1.name(), web1.UUID(), -1)
        for nothing in "", None:
            error = watch()._client.call("virDomainRename", ref, nothing, 0)
            assert error[:3] == (8, 20, "string new_name in virDomainRename must not be empty")


class TestStarts:
    def test_a_domain_starts(self, web1, told, cluster):
        assert web1.create() == 0
        assert (web1.state(), web1.ID(), web1.isActive()) == ([1, 1], 1, 1)
        assert told() == ["web1 1 resumed", "web1 1 started"]
        assert cluster.placement() == {"web1": "node1"}
        assert refusal(web1.create) == invalid("domain is already running")

    def test_it_starts_paused(self, web1, told, cluster):
        web1.createWithFlags(1)
        assert web1.state() == [3, 1]
        cluster.assert_paused("web1", on="node1")
        web1.resume()
        assert told() == ["web1 1 started", "web1 1 suspended", "web1 1 resumed"]

    @pytest.mark.parametrize("flags", [4, 8, 32])
    def test_flags_that_make_no_difference_here(self, web1, flags):
        web1.createWithFlags(flags)
        assert web1.state() == [1, 1]

    def test_ids_are_never_used_again(self, web1):
        ids = []
        for _ in range(3):
            web1.create()
            ids.append(web1.ID())
            web1.destroy()
        assert ids == [1, 2, 3]

    def test_a_transient_one_goes_with_its_end(self, node1, told):
        job1 = node1.createXML(domain_xml("job1"), 0)
        assert (job1.isPersistent(), job1.state()) == (0, [1, 1])
        assert refusal(node1.createXML, domain_xml("job1")) == invalid("domain 'job1' is already active", 20)
        job1.shutdown()
        assert refusal(job1.state) == gone("job1")
        assert told() == ["job1 1 resumed", "job1 1 started", "job1 1 shuts down", "job1 1 has shut down"]

    def test_it_becomes_persistent_where_it_is_defined(self, node1, told):
        job1 = node1.createXML(domain_xml("job1"), 1)
        node1.defineXML(domain_xml("job1", memory=96))
        assert (job1.isPersistent(), job1.maxMemory()) == (1, 64 * 1024)
        job1.destroy()
        assert (job1.state(), job1.maxMemory()) == ([5, 2], 96 * 1024)
        assert told()[:3] == ["job1 1 started", "job1 1 suspended", "job1 1 defined"]

    def test_a_persistent_one_runs_by_another_definition_once(self, node1, web1):
        node1.createXML(domain_xml("web1", memory=96), 0)
        assert (web1.isPersistent(), web1.maxMemory()) == (1, 96 * 1024)
        web1.destroy()
        assert web1.maxMemory() == 64 * 1024

    def test_one_ends_with_its_connection(self, connect, node1, told, cluster):
        other = connect()
        other.createXML(domain_xml("job1"), 2)
        node1.createXML(domain_xml("job2"), 0)
        other.close()
        events = told()
        while len(events) < 6:  # the server notes by itself that a connection is closed
            events += told()
        assert events[4:] == ["job1 1 is shut down", "job1 -1 destroyed"]
        assert cluster.placement() == {"job2": "node1"}

    def test_its_end_with_its_connection_may_fail(self, connect, cluster, node1, told):
        other = connect()
        other.createXML(domain_xml("job1"), 2)
        cluster.fault("virDomainDestroy", error="busy")
        other.close()
        while not cluster.faults[0].fired:
            told()
        assert cluster.placement() == {"job1": "node1"}

    def test_one_that_was_not_to_be_started_outlives_who_tried(self, connect, cluster, front):
        cluster.add_node("small", memory=128, overcommit=False)
        cluster.add_instance("big", node="small", memory=128)
        web1 = cluster.add_instance("web1", node="small", memory=64, state="stopped")
        small = cluster["small"]
        assert refusal(connect("small").lookupByName("web1").createWithFlags, 2)[:2] == (1, 10)
        small.StopInstance(cluster.instance("big"), force=True)
        small.StartInstance(web1, [], False)
        front.close()  # which waits until all of a connection's end is done
        assert cluster.placement() == {"web1": "small"}

    def test_one_that_does_not_fit(self, libvirt):
        from pytest_fakehv import FakeCluster, NodeSpec
        from pytest_fakehv.fronts.libvirt import FakeLibvirt

        cluster = FakeCluster.in_memory(NodeSpec("small", memory=128, overcommit=False))
        with FakeLibvirt(cluster) as front:
            connection = libvirt.open(front.uri())
            no_room = (
                1,
                10,
                (
                    "internal error: process exited while connecting to monitor: 1970-01-01T00:00:00.000000Z "
                    "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory"
                ),
            )
            assert refusal(connection.createXML, domain_xml("huge", memory=256)) == no_room
            assert connection.listAllDomains() == []
            huge = connection.defineXML(domain_xml("huge", memory=256))
            assert refusal(huge.create) == no_room
            assert huge.state() == [5, 0]
            connection.close()

    def test_a_start_that_a_fault_refuses(self, libvirt, web1, cluster):
        cluster.fault("virDomainCreate", error="no disk", times=1)
        cluster.fault("virDomainCreate", error=libvirt.libvirtError("no"), times=1)
        assert refusal(web1.create) == (9, 10, "operation failed: no disk")
        assert refusal(web1.create) == (9, 10, "operation failed: no")
        assert web1.state() == [5, 0]
        web1.create()


class TestStops:
    def test_it_is_destroyed(self, web1, told):
        web1.create()
        web1.destroy()
        assert web1.state() == [5, 2]
        assert told()[2:] == ["web1 1 is shut down", "web1 -1 destroyed"]
        assert refusal(web1.destroy) == OFF
        assert refusal(web1.destroyFlags, 1) == OFF
        web1.create()
        assert web1.destroyFlags(3) == 0

    def test_it_shuts_down(self, web1, told):
        web1.create()
        web1.shutdown()
        assert web1.state() == [5, 1]
        assert told()[2:] == ["web1 1 shuts down", "web1 1 has shut down"]
        assert refusal(web1.shutdown) == NOT_RUNNING
        web1.create()
        assert web1.shutdownFlags(3) == 0

    def test_one_that_is_paused_does_not_shut_down(self, web1):
        web1.createWithFlags(1)
        assert refusal(web1.shutdown) == NOT_RUNNING
        assert web1.state() == [3, 1]

    def test_one_that_hangs_takes_no_notice(self, web1, cluster, told):
        web1.create()
        cluster.hang("web1")
        told()
        assert (web1.shutdown(), web1.reboot()) == (0, 0)
        assert (web1.state(), told()) == ([1, 1], [])
        web1.reset()
        assert told() == ["web1 1 reboot"]
        web1.destroy()
        assert web1.state() == [5, 2]

    def test_nobody_is_there_to_ask_but_by_acpi(self, web1):
        web1.create()
        no_agent = (74, 10, "argument unsupported: QEMU guest agent is not configured")
        assert refusal(web1.shutdownFlags, 2) == no_agent
        assert refusal(web1.reboot, 2) == no_agent

    def test_it_reboots(self, web1, told):
        assert refusal(web1.reboot) == OFF
        assert refusal(web1.reset) == OFF
        web1.create()
        told()
        assert (web1.reboot(), web1.reboot(3), web1.reset()) == (0, 0, 0)
        assert (web1.state(), told()) == ([1, 1], ["web1 1 reboot"] * 3)
        web1.suspend()
        told()
        assert (web1.reboot(), web1.reset()) == (0, 0)
        assert told() == ["web1 1 reboot"]
        assert refusal(web1.reset, 1)[2] == "unsupported flags (0x1) in function qemuDomainReset"


class TestActions:
    """What comes of a guest's end, and of its boot, as its definition says."""

    @pytest.fixture
    def made(self, node1, told):
        def make(action, other):
            xml = domain_xml("web1").replace("<devices>", f"<{action}>{other}</{action}><devices>")
            domain = node1.createXML(xml, 0)
            told()
            return domain

        return make

    def test_it_boots_anew_where_it_would_end(self, made, told, cluster):
        web1 = made("on_poweroff", "restart")
        assert (web1.shutdown(), web1.state(), told()) == (0, [1, 1], ["web1 1 reboot"])
        cluster.hang("web1")
        assert (web1.shutdown(), told()) == (0, [])

    def test_it_ends_where_it_would_boot_anew(self, made, told):
        web1 = made("on_reboot", "destroy")
        web1.suspend()
        assert (web1.reboot(), web1.state()) == (0, [3, 1])
        web1.resume()
        told()
        web1.reboot()
        assert told() == ["web1 1 shuts down", "web1 1 has shut down"]

    def test_and_where_it_has_to(self, made, told):
        made("on_reboot", "destroy").reset()
        assert told() == ["web1 1 is shut down", "web1 1 has shut down"]


class TestPauses:
    def test_it_is_paused_and_resumed(self, web1, told, cluster):
        assert (refusal(web1.suspend), refusal(web1.resume)) == (OFF, OFF)
        web1.create()
        assert refusal(web1.resume) == invalid("domain is already running")
        told()
        web1.suspend()
        cluster.assert_paused("web1", on="node1")
        assert (web1.state(), web1.suspend()) == ([3, 1], 0)
        web1.resume()
        assert web1.state() == [1, 5]
        assert told() == ["web1 1 suspended", "web1 1 resumed"]

    @pytest.mark.parametrize("call", ["suspend", "destroy"])
    def test_what_has_gone_meanwhile_does_not_run(self, web1, cluster, call):
        """It ends between the look at its state and the call that the cluster gets."""
        web1.create()
        name = {"suspend": "virDomainSuspend", "destroy": "virDomainDestroy"}[call]
        node = cluster["node1"]
        node._inner.store.on_change = lambda *_: None  # as if another program took it away
        node._inner.store.remove(node._inner.store.path("web1"))
        assert refusal(getattr(web1, call)) == OFF
        assert cluster.journal[-1].method == name
