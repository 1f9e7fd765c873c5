"""Domains are saved, and go on later."""

import pytest
from told_by_hosts import domain_xml, refusal, uuid_of

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.fronts.libvirt import FakeLibvirt

FILE = "/var/lib/libvirt/images/web1.save"
MANAGED = "/var/lib/libvirt/qemu/save/web1.save"
UNSUPPORTED = "Operation not supported: kdump-compressed format is only supported with memory-only dump"
OFF = (55, 20, "Requested operation is not valid: domain is not running")
RUNNING, PAUSED = 2, 4
WRITER, FULL = "/usr/lib/libvirt/libvirt_iohelper", "No space left on device"


def missing(path, doing="open"):
    return 38, 10, f"Failed to {doing} file '{path}': No such file or directory"


@pytest.fixture
def running(web1, told):
    web1.create()
    told()
    return web1


def pool(connection, name="images", *, kind="dir", source="", more=""):
    """Have a pool in /srv, and return it."""
    xml = (
        f"<pool type='{kind}'><name>{name}</name>{more}<source>{source}</source>"
        f"<target><path>/srv/{name}</path></target></pool>"
    )
    return connection.storagePoolCreateXML(xml, 1)


NFS = "<host name='nfs1'/><dir path='/export'/><format type='nfs'/>"


class TestFiles:
    def test_a_domain_is_saved_and_restored(self, node1, running, told, cluster):
        running.setMemory(32 * 1024)
        told()
        running.save(FILE)
        assert told() == ["web1 1 suspended", "web1 -1 saved"]
        assert (running.state(), node1.listAllDomains(256)) == ([5, 5], [])
        cluster.assert_stopped("web1")
        node1.restore(FILE)
        assert told() == ["web1 2 restored", "web1 2 resumed from a snapshot"]
        assert (running.state(), running.info()[1:3]) == ([1, 3], [64 * 1024, 32 * 1024])
        assert [call.method for call in cluster.journal if call.method.startswith("virDomain")][-3:] == [
            "virDomainRestore",
            "virDomainGetState",
            "virDomainGetInfo",
        ]

    def test_what_was_paused_is_so_again(self, node1, running, told):
        running.suspend()
        running.save(FILE)
        told()
        node1.restore(FILE)
        assert told() == ["web1 2 restored", "web1 2 suspended as restored"]
        assert running.state() == [3, 2]

    @pytest.mark.parametrize(
        ("saved", "restored", "state"),
        [(RUNNING, 0, [1, 3]), (PAUSED, 0, [3, 2]), (PAUSED, RUNNING, [1, 3]), (1, PAUSED | 8, [3, 2])],
    )
    def test_the_flags_say_what_it_does_then(self, node1, running, saved, restored, state):
        running.saveFlags(FILE, None, saved)
        node1.restoreFlags(FILE, None, restored)
        assert running.state() == state

    def test_parameters_say_the_same(self, node1, running, libvirt):
        running.saveParams({"file": FILE, "dxml": running.XMLDesc(8)}, PAUSED)
        node1.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: FILE})
        assert running.state() == [3, 2]
        running.saveParams({}, 0)
        assert running.hasManagedSaveImage() == 1
        unknown = (74, 0, "argument unsupported: parameter 'nosuch' not supported")
        assert refusal(running.saveParams, {"nosuch": FILE}, 0) == unknown
        assert refusal(node1.restoreParams, {}) == (8, 10, "invalid argument: missing path to restore from")

    def test_what_is_shut_off_is_not_saved(self, web1):
        for call in (web1.save, web1.managedSave, lambda: web1.saveFlags(FILE)):
            assert refusal(call, *([FILE] if call == web1.save else [])) == OFF

    def test_where_nothing_was_saved_nothing_is_restored(self, node1, libvirt):
        assert refusal(node1.restore, FILE) == missing(FILE)
        folder = "/var/lib/libvirt/images"
        assert refusal(node1.restore, folder) == (9, 10, "operation failed: failed to read qemu header")
        assert refusal(node1.saveImageDefineXML, folder, domain_xml("web1")) == (
            38,
            10,
            f"Failed to open file '{folder}': Is a directory",
        )
        images = pool(node1)
        images.createXML("<volume><name>x</name><capacity>100</capacity></volume>")
        wrong = (9, 10, "operation failed: image magic is incorrect")
        assert refusal(node1.restore, "/srv/images/x") == wrong
        stream = node1.newStream()
        libvirt.virStorageVol.upload(images.storageVolLookupByName("x"), stream, 0, 5)
        stream.send(b"hello")
        stream.finish()
        assert refusal(node1.restore, "/srv/images/x") == wrong

    def test_a_save_that_fails_leaves_it_running(self, running, told):
        folder = "/var/lib/libvirt/images"
        assert refusal(running.save, folder) == (38, 10, f"Failed to create file '{folder}': Is a directory")
        assert (told(), running.state()) == (["web1 1 suspended", "web1 1 resumed"], [1, 7])
        assert refusal(running.saveFlags, FILE, domain_xml("web1", memory=128)) == (
            67,
            20,
            "unsupported configuration: Target domain max memory 131072 does not match source 65536",
        )

    @pytest.mark.parametrize(("pauses", "state"), [(False, [1, 7]), (True, [3, 1])])
    def test_so_does_a_hypervisor_that_does_not_stop_it(self, libvirt, pauses, state):
        class Stubborn(FakeHypervisor):
            def StopInstance(self, *given, **named):
                raise HypervisorError("it hangs")

        cluster = FakeCluster.in_memory(NodeSpec("node1"), hypervisor=Stubborn)
        with FakeLibvirt(cluster) as front:
            node1 = libvirt.open(front.uri("node1"))
            web1 = node1.createXML(domain_xml("web1"))
            if pauses:
                web1.suspend()
            assert refusal(web1.save, FILE) == (9, 10, "operation failed: it hangs")
            assert web1.state() == state
            assert refusal(node1.restore, FILE) == missing(FILE)
            node1.close()

    def test_flags_that_no_save_has_are_refused(self, node1, running):
        both = (
            8,
            20,
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive",
        )
        assert refusal(running.saveFlags, FILE, None, 6) == both
        assert refusal(node1.restoreFlags, FILE, None, 6) == both
        assert refusal(node1.restoreFlags, FILE, None, 16) == (
            8,
            10,
            "unsupported flags (0x10) in function qemuDomainRestoreInternal",
        )

    def test_one_that_is_transient_is_so_again(self, node1, told):
        job = node1.createXML(domain_xml("job"))
        told()
        job.save(FILE)
        assert (told(), node1.listAllDomains()) == (["job 1 suspended", "job -1 saved"], [])
        node1.restore(FILE)
        job = node1.lookupByName("job")
        assert (job.isPersistent(), job.state()) == (0, [1, 3])

    def test_what_runs_is_not_restored_once_more(self, node1, running):
        running.save(FILE)
        node1.restore(FILE)
        assert refusal(node1.restore, FILE) == (
            55,
            20,
            "Requested operation is not valid: domain 'web1' is already active",
        )

    def test_it_takes_the_room_of_its_memory(self, node1, running):
        images = pool(node1, more="<capacity unit='MiB'>100</capacity>")
        running.save("/srv/images/a")
        assert images.listVolumes() == []
        images.refresh()
        assert images.listVolumes() == ["a"]
        assert images.info()[2] == 64 * 2**20 + 4096
        node1.restore("/srv/images/a")
        running.save("/srv/images/a")
        node1.restore("/srv/images/a")
        assert refusal(running.save, "/srv/images/b") == (
            9,
            0,
            f"operation failed: {WRITER}: failure with /srv/images/b: Unable to write /srv/images/b: {FULL}",
        )
        assert running.state() == [1, 7]

    def test_a_file_can_be_copied(self, node1, running):
        images = pool(node1)
        running.save("/srv/images/a")
        images.refresh()
        images.createXMLFrom(
            "<volume><name>b</name><capacity>0</capacity></volume>", images.storageVolLookupByName("a")
        )
        images.storageVolLookupByName("a").delete()
        assert refusal(node1.restore, "/srv/images/a") == missing("/srv/images/a")
        node1.restore("/srv/images/b")
        assert running.state() == [1, 3]

    def test_the_host_may_be_another_one_that_shares_the_pool(self, node1, running, connect, cluster):
        node2 = connect("node2")
        for node in (node1, node2):
            node.storagePoolCreateXML(
                "<pool type='netfs'><name>shared</name><source>" + NFS + "</source>"
                "<target><path>/srv/shared</path></target></pool>",
                1,
            )
        running.save("/srv/shared/a")
        node2.restore("/srv/shared/a")
        cluster.assert_running("web1", on="node2")
        cluster.assert_consistent()

    def test_one_that_is_restored_while_it_runs_elsewhere_was_started_twice(
        self, node1, running, connect, cluster
    ):
        node2 = connect("node2")
        for node in (node1, node2):
            node.storagePoolCreateXML(
                "<pool type='netfs'><name>shared</name><source>" + NFS + "</source>"
                "<target><path>/srv/shared</path></target></pool>",
                1,
            )
        running.save("/srv/shared/a")
        node1.restore("/srv/shared/a")
        node2.restore("/srv/shared/a")
        assert [(each.invariant, each.call.method) for each in cluster.violations()] == [
            ("double-start", "virDomainRestore"),
            ("split-brain", "virDomainRestore"),
        ]

    def test_it_outlives_its_hosts_crash(self, node1, running, connect, cluster):
        running.save(FILE)
        cluster["node1"].crash()
        cluster["node1"].boot()
        again = connect()
        again.restore(FILE)
        assert again.lookupByName("web1").state() == [1, 3]


class TestImages:
    def test_what_it_goes_on_by_is_told_and_changed(self, node1, running):
        running.save(FILE)
        said = node1.saveImageGetXMLDesc(FILE, 1)
        assert "<name>web1</name>" in said
        titled = said.replace("  <memory", "  <title>new</title>\n  <memory", 1)
        node1.saveImageDefineXML(FILE, titled, PAUSED)
        assert node1.saveImageGetXMLDesc(FILE) == titled
        node1.restore(FILE)
        assert running.state() == [3, 2]
        assert "<title>new</title>" in running.XMLDesc()
        assert "<title>new</title>" not in running.XMLDesc(2)

    def test_it_stays_the_same_machine(self, node1, running):
        running.save(FILE)
        other = (
            67,
            20,
            (
                f"unsupported configuration: Target domain uuid {uuid_of('web2')} does not match source "
                f"{uuid_of('web1')}"
            ),
        )
        assert refusal(node1.saveImageDefineXML, FILE, domain_xml("web2")) == other
        assert refusal(node1.restoreFlags, FILE, domain_xml("web2")) == other


class TestManaged:
    def test_the_host_saves_it_and_a_start_lets_it_go_on(self, node1, running, told):
        running.managedSave()
        assert told() == ["web1 1 suspended", "web1 -1 saved"]
        assert running.hasManagedSaveImage() == 1
        assert ([each.name() for each in node1.listAllDomains(256)], node1.listAllDomains(512)) == (
            ["web1"],
            [],
        )
        running.create()
        assert told() == ["web1 2 restored", "web1 2 resumed from a snapshot"]
        assert (running.state(), running.hasManagedSaveImage()) == ([1, 3], 0)

    def test_it_can_be_let_go_on_paused(self, running, told):
        running.managedSave()
        told()
        running.createWithFlags(1)
        assert (told(), running.state()) == (["web1 2 restored", "web1 2 suspended"], [3, 2])
        running.managedSave(RUNNING)
        running.create()
        assert running.state() == [1, 3]

    def test_it_can_be_thrown_away(self, running, told):
        running.managedSave()
        running.managedSaveRemove()
        gone = (
            38,
            10,
            f"Failed to remove managed save file '{MANAGED}': No such file or directory",
        )
        assert refusal(running.managedSaveRemove) == gone
        running.create()
        running.managedSave()
        running.createWithFlags(8)
        assert (running.state(), running.hasManagedSaveImage()) == ([1, 1], 0)

    def test_its_xml_is_told_and_changed(self, running, connect):
        nothing = (55, 10, "Requested operation is not valid: domain does not have managed save image")
        assert refusal(running.managedSaveGetXMLDesc) == nothing
        running.managedSave()
        said = running.managedSaveGetXMLDesc()
        running.managedSaveDefineXML(said, PAUSED)
        assert refusal(running.managedSaveDefineXML, said, 16) == (
            8,
            10,
            "unsupported flags (0x10) in function qemuDomainSaveImageDefineXML",
        )
        running.create()
        assert running.state() == [3, 2]
        running.managedSave()
        there = connect(read_only=True).lookupByName("web1")
        assert there.managedSaveGetXMLDesc() == said
        assert refusal(there.managedSaveGetXMLDesc, 1) == (
            29,
            20,
            "operation forbidden: virDomainManagedSaveGetXMLDesc with secure flag",
        )

    def test_a_transient_one_is_not_saved_so(self, node1):
        job = node1.createXML(domain_xml("job"))
        assert refusal(job.managedSave) == (
            55,
            10,
            "Requested operation is not valid: cannot do managed save for transient domain",
        )

    def test_its_definition_goes_only_with_it(self, node1, running):
        running.managedSave()
        assert refusal(running.undefine) == (
            55,
            10,
            "Requested operation is not valid: Refusing to undefine while domain managed save image exists",
        )
        assert refusal(running.rename, "web2") == (
            55,
            10,
            "Requested operation is not valid: domain with a managed saved state can't be renamed",
        )
        running.undefineFlags(1)
        assert node1.defineXML(domain_xml("web1")).hasManagedSaveImage() == 0

    def test_what_fits_no_more_does_not_go_on(self, libvirt):
        cluster = FakeCluster.in_memory(NodeSpec("small", memory=200, overcommit=False))
        with FakeLibvirt(cluster) as front:
            small = libvirt.open(front.uri())
            web1, db1 = (small.defineXML(domain_xml(name, memory=128)) for name in ("web1", "db1"))
            web1.create()
            web1.managedSave()
            db1.create()
            assert refusal(web1.create)[2].endswith(": Cannot allocate memory")
            assert web1.hasManagedSaveImage() == 1
            db1.save(FILE)
            web1.create()
            assert refusal(small.restore, FILE)[2].endswith(": Cannot allocate memory")
            assert (web1.state(), web1.hasManagedSaveImage()) == ([1, 3], 0)
            small.close()

    @pytest.mark.parametrize(("flags", "state"), [(0, [1, 3]), (PAUSED, [3, 2])])
    def test_it_goes_on_as_its_host_boots(self, running, connect, cluster, flags, state):
        running.setAutostart(1)
        running.managedSave(flags)
        cluster["node1"].crash()
        cluster["node1"].boot()
        web1 = connect().lookupByName("web1")
        assert (web1.state(), web1.hasManagedSaveImage()) == (state, 0)


class TestDumps:
    PATH = "/var/lib/libvirt/images/web1.core"

    def test_its_memory_is_written_and_it_goes_on(self, node1, running, told):
        running.coreDump(self.PATH)
        assert (told(), running.state()) == (["web1 1 suspended", "web1 1 resumed"], [1, 5])
        assert running.jobStats(1)["operation"] == 8
        running.coreDump(self.PATH, 2)
        running.coreDump(self.PATH, 16)
        running.suspend()
        told()
        running.coreDump(self.PATH, 2)
        assert (told(), running.state()) == ([], [3, 1])
        assert refusal(node1.restore, self.PATH) == (9, 10, "operation failed: image magic is incorrect")

    def test_it_may_begin_anew_or_end_after_that(self, running, told):
        running.coreDump(self.PATH, 8)
        assert told() == ["web1 1 suspended", "web1 1 reboot", "web1 1 resumed"]
        running.coreDump(self.PATH, 1)
        assert (told(), running.state()) == (["web1 1 suspended", "web1 -1 crashed"], [5, 3])
        assert refusal(running.coreDump, self.PATH) == OFF

    @pytest.mark.parametrize(
        ("form", "flags", "refused"),
        [
            (
                1,
                0,
                (
                    84,
                    10,
                    UNSUPPORTED,
                ),
            ),
            (2, 16, (8, 10, "invalid argument: unsupported dumpformat 'kdump-lzo' for this QEMU binary")),
            (
                4,
                16,
                (
                    9,
                    10,
                    "operation failed: memory-only dump failed: win-dump: invalid vmcoreinfo note size",
                ),
            ),
            (5, 16, (8, 20, "dumpformat '5' is not supported")),
            (0, 3, (8, 20, "Flags 'VIR_DUMP_CRASH' and 'VIR_DUMP_LIVE' are mutually exclusive")),
            (0, 9, (8, 20, "Flags 'VIR_DUMP_CRASH' and 'VIR_DUMP_RESET' are mutually exclusive")),
            (0, 32, (8, 10, "unsupported flags (0x20) in function qemuDomainCoreDumpWithFormat")),
        ],
    )
    def test_not_every_format_can_be_written(self, running, form, flags, refused):
        assert refusal(running.coreDumpWithFormat, self.PATH, form, flags) == refused
        running.coreDumpWithFormat(self.PATH, 1, 16)
