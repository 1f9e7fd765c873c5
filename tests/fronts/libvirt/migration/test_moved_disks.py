"""Migrations of domains whose disks lie in pools: shared, refused, or copied."""

import os
import shutil
import subprocess

import pytest
from moving import Begun, libvirt, refused

LIVE = libvirt.VIR_MIGRATE_LIVE
ALL = libvirt.VIR_MIGRATE_NON_SHARED_DISK
INC = libvirt.VIR_MIGRATE_NON_SHARED_INC
UNSAFE = libvirt.VIR_MIGRATE_UNSAFE
POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY
MIB = 2**20

NOT_SAFE = 81, 10, "Unsafe migration: Migration without shared storage is unsafe"


def pool_xml(name="images", more=""):
    """Return the XML of a pool of a folder."""
    return f"<pool type='dir'><name>{name}</name>{more}<target><path>/srv/{name}</path></target></pool>"


def volume_xml(name, mib, form="raw", more=""):
    """Return the XML of a volume."""
    return (
        f"<volume><name>{name}</name><capacity unit='MiB'>{mib}</capacity>{more}"
        f"<target><format type='{form}'/></target></volume>"
    )


def disk(name, target="vda", *, form="raw", more="", kind="file"):
    """Return the XML of a disk that is a file of the pool."""
    path = name if name.startswith("/") else f"/srv/images/{name}"
    source = "dev" if kind == "block" else "file"
    return (
        f"<disk type='{kind}' device='disk'><driver name='qemu' type='{form}'/><source {source}='{path}'/>"
        f"<target dev='{target}'/>{more}</disk>"
    )


def of_volume(name):
    """Return the XML of a disk that is a volume of the pool."""
    return (
        f"<disk type='volume' device='disk'><driver name='qemu' type='raw'/>"
        f"<source pool='images' volume='{name}'/><target dev='vda'/></disk>"
    )


def started(pair, *disks):
    """Start a domain with disks on A."""
    domain = pair.a.defineXML(
        "<domain type='kvm'><name>web1</name><memory>65536</memory><os><type>hvm</type></os>"
        f"<devices>{''.join(disks)}</devices></domain>"
    )
    domain.create()
    return domain


def written(connection, volume, data):
    """Write into a volume."""
    stream = connection.newStream()
    volume.upload(stream, 0, len(data), 0)
    stream.send(data)
    stream.finish()


def read(connection, volume, size):
    """Read a volume's first bytes."""
    stream = connection.newStream()
    volume.download(stream, 0, size, 0)
    data = stream.recv(size)
    stream.finish()
    return data


def pools(pair):
    """Have a pool of the same folder on each host, of its own disk."""
    return [each.storagePoolCreateXML(pool_xml(), 1) for each in (pair.a, pair.b)]


def missing(path):
    return 38, 18, f"Cannot access storage file '{path}': No such file or directory"


class TestSafety:
    @pytest.mark.parametrize("way", ["managed", "p2p", "tunnelled"])
    def test_what_the_target_does_not_share(self, pair, way):
        here, there = pools(pair)
        here.createXML(volume_xml("a", 1), 0)
        domain = started(pair, disk("a"))
        assert refused(pair.move, domain, way) == NOT_SAFE
        assert refused(pair.move, domain, way, LIVE | UNSAFE) == missing("/srv/images/a")
        assert pair.ends == ([1, 1, True], None)
        there.createXML(volume_xml("a", 1), 0)
        pair.move(domain, way, LIVE | UNSAFE)
        assert pair.b.lookupByName("web1").ID() == 2  # the first number is lost
        pair.cluster.assert_consistent()

    def test_what_is_shared(self, pair):
        pair.front.add_pool("images", path="/srv/images")
        pair.a.storagePoolLookupByName("images").createXML(volume_xml("a", 1), 0)
        pair.b.storagePoolLookupByName("images").refresh(0)
        pair.move(started(pair, disk("a"), disk("/elsewhere", "vdb")))
        assert pair.ends == ([5, 4, True], [1, 2, False])

    def test_an_export(self, pair):
        source = "<source><host name='nfs1'/><dir path='/export'/></source>"
        given = pool_xml(more=source).replace("'dir'", "'netfs'")
        here, there = (each.storagePoolCreateXML(given, 1) for each in (pair.a, pair.b))
        here.createXML(volume_xml("a", 1), 0)
        domain = started(pair, disk("a"))
        there.destroy()  # which forgets it: what lies in no pool is there
        pair.move(domain)
        assert pair.ends == ([5, 4, True], [1, 2, False])

    def test_a_device_is_shared_where_it_is_there(self, pair):
        given = "<pool type='logical'><name>vg</name><target><path>/dev/vg</path></target></pool>"
        here, there = (each.storagePoolCreateXML(given, 0) for each in (pair.a, pair.b))
        here.createXML(volume_xml("a", 4), 0)
        domain = started(pair, disk("/dev/vg/a", kind="block"))
        assert refused(pair.move, domain) == missing("/dev/vg/a")
        no_device = "internal error: cannot precreate storage for disk type 'block'"
        assert refused(pair.move, domain, "managed", LIVE | ALL) == (1, 10, no_device)
        there.createXML(volume_xml("a", 4), 0)
        pair.move(domain)

    def test_what_nobody_writes_to(self, pair):
        here, there = pools(pair)
        for each in (here, there):
            each.createXML(volume_xml("a", 1), 0)
        pair.move(started(pair, disk("a", more="<readonly/>")))

    def test_a_definition_alone(self, pair):
        here, _ = pools(pair)
        here.createXML(volume_xml("a", 1), 0)
        flags = libvirt.VIR_MIGRATE_OFFLINE | libvirt.VIR_MIGRATE_PERSIST_DEST
        domain = started(pair, disk("a"))
        assert refused(pair.move, domain, "managed", flags | ALL) == (
            55,
            10,
            "Requested operation is not valid: offline migration cannot handle non-shared storage",
        )
        pair.move(domain, "managed", flags)
        assert pair.ends == ([1, 1, True], [5, 0, True])


class TestCopies:
    @pytest.mark.parametrize("way", ["managed", "p2p"])
    def test_what_is_in_them_arrives(self, pair, way):
        here, there = pools(pair)
        written(pair.a, here.createXML(volume_xml("a", 1), 0), b"boot")
        here.createXML(volume_xml("b", 2, more="<allocation>0</allocation>"), 0)
        domain = started(pair, disk("a"), of_volume("b").replace("vda", "vdb"))
        pair.move(domain, way, LIVE | ALL)
        assert pair.ends == ([5, 4, True], [1, 2, False])
        assert read(pair.b, there.storageVolLookupByName("a"), 4) == b"boot"
        assert there.storageVolLookupByName("b").info() == [0, 2 * MIB, 0]
        stats = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        assert [stats[f"disk_{each}"] for each in ("total", "processed", "remaining")] == [3 * MIB] * 2 + [0]
        assert stats["data_total"] == stats["memory_total"] + 3 * MIB
        there = pair.b.lookupByName("web1").jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        assert there["disk_total"] == 0
        assert there["data_total"] == there["memory_total"]

    @pytest.mark.parametrize("way", ["managed", "p2p"])
    def test_of_some_alone(self, pair, way):
        here, there = pools(pair)
        for each in ("a", "b"):
            here.createXML(volume_xml(each, 1), 0)
        domain = started(pair, disk("a"), disk("b", "vdb"))
        only_b = {"migrate_disks": ["vdb"], "disks_port": 49300}
        assert refused(pair.move, domain, way, LIVE | ALL, only_b) == NOT_SAFE
        assert refused(pair.move, domain, way, LIVE | ALL | UNSAFE, {"migrate_disks": ["vdz"]}) == (
            8,
            10,
            "invalid argument: disk target vdz not found",
        )
        there.createXML(volume_xml("a", 2), 0)
        pair.move(domain, way, LIVE | ALL | UNSAFE, only_b)
        assert sorted(there.listVolumes()) == ["a", "b"]
        stats = domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        assert stats["disk_total"] == MIB
        pair.cluster.assert_consistent()

    def test_of_a_format(self, pair):
        here, there = pools(pair)
        base = here.createXML(volume_xml("base", 1, "qcow2"), 0)
        backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
        here.createXML(volume_xml("over", 1, "qcow2", backing), 0)
        domain = started(pair, disk("over", form="qcow2"))
        assert refused(pair.move, domain, "managed", LIVE | INC) == (
            84,
            10,
            (
                "Operation not supported: "
                "pre-creation of storage targets for incremental storage migration is not supported"
            ),
        )
        pair.move(domain, "managed", LIVE | ALL)
        copy = there.storageVolLookupByName("over")
        assert copy.info() == [0, MIB, MIB + 266240]
        assert "backingStore" not in copy.XMLDesc(0)
        assert "<compat>1.1</compat>" in copy.XMLDesc(0)
        assert refused(read, pair.b, copy, 4)[2].endswith("nobody knows what is in volume 'over'")
        assert base.info()[1] == MIB

    def test_of_what_is_above_alone(self, pair):
        here, there = pools(pair)
        backing = "<backingStore><path>/srv/images/base</path><format type='qcow2'/></backingStore>"
        for each in (here, there):
            each.createXML(volume_xml("base", 1, "qcow2"), 0)
            each.createXML(volume_xml("over", 1, "qcow2", backing), 0)
        before = there.storageVolLookupByName("over").info()
        here.createXML(volume_xml("a", 1), 0)
        there.createXML(volume_xml("a", 1), 0)
        domain = started(pair, disk("over", form="qcow2"), disk("a", "vdb"))
        pair.move(domain, "managed", LIVE | INC)
        assert there.storageVolLookupByName("over").info() == before
        assert domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["disk_total"] == MIB  # of the other

    def test_of_what_is_shared(self, pair):
        pair.front.add_pool("images", path="/srv/images")
        volume = pair.a.storagePoolLookupByName("images").createXML(volume_xml("a", 1), 0)
        written(pair.a, volume, b"boot")
        pair.b.storagePoolLookupByName("images").refresh(0)
        pair.move(started(pair, disk("a")), "managed", LIVE | ALL)
        assert read(pair.a, volume, 4) == b"boot"

    def test_of_nothing_that_anybody_knows(self, pair):
        pair.move(started(pair, disk("/elsewhere")), "managed", LIVE | ALL)
        assert pair.ends == ([5, 4, True], [1, 2, False])

    def test_to_another_path(self, pair):
        here, there = pools(pair)
        written(pair.a, here.createXML(volume_xml("a", 1), 0), b"boot")
        domain = started(pair, disk("a"))
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE).replace("images/a", "images/b")
        pair.move(domain, "managed", LIVE | ALL, {"destination_xml": xml})
        assert read(pair.b, there.storageVolLookupByName("b"), 4) == b"boot"

    def test_to_where_no_pool_takes_them(self, pair):
        pair.a.storagePoolCreateXML(pool_xml(), 1).createXML(volume_xml("a", 1), 0)
        domain = started(pair, disk("a"))
        no_pool = "Storage pool not found: no storage pool with matching "
        assert refused(pair.move, domain, "managed", LIVE | ALL) == (
            49,
            18,
            f"{no_pool}target path '/srv/images'",
        )
        domain.destroy()
        domain.undefine()
        domain = started(pair, of_volume("a"))
        assert refused(pair.move, domain, "managed", LIVE | ALL) == (49, 18, f"{no_pool}name 'images'")
        pair.b.storagePoolDefineXML(pool_xml(), 0)
        inactive = "Requested operation is not valid: storage pool 'images' is not active"
        assert refused(pair.move, domain, "managed", LIVE | ALL) == (55, 18, inactive)
        assert pair.ends == ([1, 1, True], None)

    def test_to_what_is_of_another_size(self, pair):
        here, there = pools(pair)
        here.createXML(volume_xml("a", 1), 0)
        there.createXML(volume_xml("a", 2), 0)
        other = "operation failed: migration of disk vda failed: Source and target image have different sizes"
        assert refused(pair.move, started(pair, disk("a")), "managed", LIVE | ALL) == (9, 10, other)
        assert pair.ends == ([1, 1, True], None)
        pair.cluster.assert_consistent()

    def test_to_where_they_do_not_fit(self, pair):
        here = pair.a.storagePoolCreateXML(pool_xml(), 1)
        there = pair.b.storagePoolCreateXML(pool_xml(more="<capacity unit='MiB'>2</capacity>"), 1)
        here.createXML(volume_xml("a", 4, "qcow2"), 0)
        full = "operation failed: migration of disk vda failed: No space left on device"
        domain = started(pair, disk("a", form="qcow2"))
        assert refused(pair.move, domain, "managed", LIVE | ALL) == (9, 10, full)
        assert there.listVolumes() == ["a"]  # as a daemon leaves it

    def test_through_a_tunnel(self, pair):
        here, there = pools(pair)
        here.createXML(volume_xml("a", 1), 0)
        domain = started(pair, disk("a"))
        no_host = "internal error: argument key 'host' must not have null value"
        assert refused(pair.move, domain, "tunnelled", LIVE | ALL) == (1, 0, no_host)
        assert there.listVolumes() == ["a"]

    def test_from_a_host_that_nobody_names(self, pair):
        """A cookie of no host of ours says nothing of what its disks are."""
        here, _ = pools(pair)
        here.createXML(volume_xml("a", 1), 0)
        xml = started(pair, disk("a")).XMLDesc(0)
        host = pair.front._hosts["B"]
        parameters = [("destination_xml", 7, xml)]
        assert refused_by(host, parameters) == missing("/srv/images/a")


@pytest.mark.skipif(not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients")
def test_virsh(pair):
    """What virsh says and does, in a process of its own."""
    here, there = pools(pair)
    here.createXML(volume_xml("a", 1), 0)
    started(pair, disk("a"))

    def virsh(*command):
        given = ["virsh", "-c", pair.front.uri("A"), *command]
        env = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(given, capture_output=True, text=True, env=env, check=False, timeout=60)
        return done.stdout + done.stderr

    assert virsh("blockresize", "web1", "vda", "2M") == "Block device 'vda' is resized\n"
    shown = virsh("domblkinfo", "web1", "vda").split()
    assert shown == ["Capacity:", "2097152", "Allocation:", "1048576", "Physical:", "2097152"]
    to = pair.front.uri("B")
    assert virsh("migrate", "--live", "web1", to) == f"\nerror: {NOT_SAFE[2]}\n"
    assert virsh("migrate", "--live", "--copy-storage-all", "--migrate-disks", "vda", "web1", to) == "\n"
    assert there.storageVolLookupByName("a").info() == [0, 2 * MIB, MIB]
    assert pair.ends == ([5, 4, True], [1, 2, False])


def refused_by(host, parameters):
    """Return how a host refuses to prepare for what comes from nowhere."""
    from pytest_fakehv.fronts.libvirt.errors import LibvirtError
    from pytest_fakehv.fronts.libvirt.host.asked import Asked
    from pytest_fakehv.fronts.libvirt.host.migration import prepare
    from pytest_fakehv.fronts.libvirt.values import Parameter

    asked = Asked.by([Parameter(*each) for each in parameters], LIVE | ALL, "prepare")
    with pytest.raises(LibvirtError) as caught:
        prepare(host, asked, None, "remoteDispatch", None)
    return caught.value.code, caught.value.domain, caught.value.message


def copying(pair, flags=LIVE | ALL, way="managed", mib=128, **script):
    """Let a domain begin to move whose disk is copied at 64 MiB a second; return it and the thread."""
    here, _ = pools(pair)
    here.createXML(volume_xml("a", mib), 0)
    domain = started(pair, disk("a"))
    pair.cluster.script_migration("web1", bandwidth=64, **script)
    with pair.cluster.hold("GetMigrationStatus") as held:
        begun = Begun(pair.move, domain, way, flags)
        held.wait()
    return pair.connect("A").lookupByName("web1"), begun


def figures(domain, *names):
    """Return some of a job's figures, in MiB."""
    stats = domain.jobStats()
    return [stats[each] // MIB for each in names]


DISK = ["disk_total", "disk_processed", "disk_remaining"]
DATA = ["data_total", "data_processed", "data_remaining"]


class TestUnderWay:
    @pytest.fixture
    def manual(self, pair_of):
        return pair_of("manual")

    def test_the_disks_come_first(self, manual):
        domain, begun = copying(manual, dirty_rate=8)
        assert figures(domain, *DISK, "memory_total") == [128, 0, 128, 0]
        manual.cluster.clock.advance(1)
        assert figures(domain, *DISK, *DATA) == [128, 64, 64] * 2
        assert domain.jobInfo()[3:9] == [128 * MIB, 64 * MIB, 64 * MIB, 0, 0, 0]
        assert len(domain.jobStats()) == 15
        assert manual.cluster.migrations[0].rounds == 0
        manual.cluster.clock.advance(1.5)
        assert figures(domain, *DISK) == [128, 128, 0]
        assert figures(domain, "memory_total", "memory_processed") == [64, 32]
        assert figures(domain, *DATA) == [192, 160, 36]  # 4 of which are written to again
        assert manual.cluster.migrations[0].rounds == 0
        while begun.is_alive:
            manual.cluster.clock.advance(1)
        assert begun.wait() is None
        [record] = manual.cluster.migrations
        assert record.duration == 2 + 1 + 8 / 64
        assert record.rounds == 1

    @pytest.mark.parametrize("way", ["managed", "p2p"])
    def test_aborted(self, manual, way):
        domain, begun = copying(manual, way=way)
        manual.cluster.clock.advance(1)
        domain.abortJob()
        canceled = "operation aborted: migration out: canceled by client"
        assert begun.wait() == (78, 10, canceled)
        assert manual.ends == ([1, 1, True], None)
        assert manual.b.storagePoolLookupByName("images").listVolumes() == ["a"]
        assert domain.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED) == {"type": 0}
        manual.cluster.assert_consistent()

    @pytest.mark.parametrize("way", ["managed", "p2p"])
    def test_destroyed_there(self, manual, way):
        _, begun = copying(manual, way=way)
        manual.connect("B").lookupByName("web1").destroy()
        gone = "Domain not found: no domain with matching name 'web1'"
        assert begun.wait() == (42, 10, gone)
        assert manual.ends == ([1, 1, True], None)

    def test_destroyed_here(self, manual):
        domain, begun = copying(manual)
        domain.destroy()
        assert begun.wait() == (9, 20, "operation failed: domain is not running")
        assert manual.ends == ([5, 2, True], None)

    def test_failed_by_the_test(self, manual):
        _, begun = copying(manual)
        manual.cluster.fail_migration("web1")
        broken = (
            "operation failed: job 'migration out' failed: Unable to write to socket: Bad file descriptor"
        )
        assert begun.wait() == (9, 10, broken)

    @pytest.mark.parametrize("way", ["managed", "p2p"])
    def test_the_target_goes_down(self, manual, way):
        domain, begun = copying(manual, way=way)
        manual.cluster["B"].crash()
        assert begun.wait()[:2] == (9, 10)
        assert domain.state() == [1, 1]

    def test_at_another_pace(self, manual):
        domain, begun = copying(manual)
        domain.migrateSetMaxSpeed(32)  # that of the memory
        manual.cluster.clock.advance(1)
        assert figures(domain, *DISK) == [128, 64, 64]
        manual.cluster.clock.advance(2)
        assert figures(domain, "memory_processed") == [32]
        while begun.is_alive:
            manual.cluster.clock.advance(1)
        assert manual.cluster.migrations[0].duration == 4

    def test_suspended(self, manual):
        domain, begun = copying(manual, dirty_rate=128)
        domain.suspend()
        while begun.is_alive:
            manual.cluster.clock.advance(1)
        assert begun.wait() is None
        assert manual.cluster.migrations[0].duration == 3
        assert manual.ends == ([5, 4, True], [1, 2, False])

    def test_goes_on_as_postcopy(self, manual):
        domain, begun = copying(manual, LIVE | ALL | POSTCOPY, dirty_rate=128)
        domain.migrateStartPostCopy()
        assert domain.state() == [1, 1]
        while begun.is_alive:
            manual.cluster.clock.advance(1)
        assert begun.wait() is None
        assert manual.cluster.migrations[0].duration == 3
        assert manual.cluster.migrations[0].postcopy

    @pytest.mark.parametrize(
        ("script", "takes", "rounds"),
        [({"at": 0.5}, 2.5, 0), ({"postcopy": 1, "dirty_rate": 64}, 4, 1), ({"polls": 3}, 0, 0)],
    )
    def test_as_it_is_scripted(self, manual, script, takes, rounds):
        _, begun = copying(manual, **script)
        while begun.is_alive:
            if takes:
                manual.cluster.clock.advance(0.5)
        assert begun.wait() is None
        [record] = manual.cluster.migrations
        assert (record.duration, record.rounds, record.postcopy) == (takes, rounds, "postcopy" in script)
