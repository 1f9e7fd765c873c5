"""Flags and parameters that don't go together, URIs that lead nowhere, and domains that can't move."""

import pytest
from moving import XML, libvirt
from oracle import records
from oracle.scripts.migrate_flags import MEMORY, TOGETHER, WORKING

LIVE = libvirt.VIR_MIGRATE_LIVE
P2P = libvirt.VIR_MIGRATE_PEER2PEER
POSTCOPY = libvirt.VIR_MIGRATE_POSTCOPY
RESUME = libvirt.VIR_MIGRATE_POSTCOPY_RESUME

SAID = [
    line["error"][2]
    for line in records.read("migrate_flags")
    if line["call"].startswith("web1.migrateToURI3(<node2>, ")
][:-1]
TRIED = [
    *(({"migrate_uri": each}, LIVE) for each in MEMORY),
    *(({}, flags) for flags in (POSTCOPY, POSTCOPY | 1024 | 8, 1024)),
    *((params, LIVE | flags) for params, flags in TOGETHER),
]


@pytest.mark.parametrize(
    ("params", "flags", "said"), [(*tried, said) for tried, said in zip(TRIED, SAID, strict=True)], ids=str
)
def test_what_a_real_host_says(pair, params, flags, said):
    domain = pair.domain()
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.migrateToURI3(pair.front.uri("B"), params, flags | P2P)
    assert refused.value.get_error_message() == said
    assert (domain.state()[0], pair.b.listAllDomains()) == (libvirt.VIR_DOMAIN_RUNNING, [])


@pytest.mark.parametrize(("params", "flags"), WORKING, ids=str)
def test_what_goes_together(pair, params, flags):
    pair.move(pair.domain(), flags=LIVE | flags, parameters=params)
    assert pair.on(pair.b)[0] == libvirt.VIR_DOMAIN_RUNNING


def test_what_is_refused_of_a_client_that_leads(pair):
    domain = pair.domain()
    with pytest.raises(libvirt.libvirtError, match="Turn auto convergence on to tune it"):
        domain.migrate3(pair.b, {"auto_converge.initial": 20}, LIVE)
    domain.migrate3(pair.b, {"migrate_uri": "tcp:B:49300"}, LIVE)


def test_memory_by_rdma_needs_a_limit(pair):
    limited = XML.format("web1").replace("<vcpu>", "<memtune><hard_limit>131072</hard_limit></memtune><vcpu>")
    pair.a.createXML(limited, 0).migrate3(pair.b, {"migrate_uri": "rdma://B"}, LIVE)
    assert pair.on(pair.b)


def test_what_was_not_interrupted_is_not_resumed(pair):
    domain = pair.domain()
    with pytest.raises(libvirt.libvirtError, match="domain 'web1' is not being migrated"):
        domain.migrate3(pair.b, {}, LIVE | POSTCOPY | RESUME)


KNOWN = "tls|unix|ssh|ext|tcp|libssh2|libssh"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("qemu+", "xen+", "no connection driver available for xen:///system"),
        ("/system", "/foo", "internal error: unexpected qemu URI path '/foo', try qemu:///system"),
        ("xyz", "xyz", f"invalid argument: remote_open: transport in URL not recognised (should be {KNOWN})"),
    ],
)
def test_where_no_host_of_this_kind_is(pair, old, new, said):
    domain = pair.domain()
    uri = pair.front.uri("B") if old in pair.front.uri("B") else "qemu+xyz://B/system"
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.migrateToURI3(uri.replace(old, new), {}, LIVE | P2P)
    assert refused.value.get_error_message() == said


def test_a_uri_without_a_driver_leads_to_none(pair):
    domain = pair.domain()
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.migrateToURI3("tcp://B", {}, LIVE | P2P)
    assert refused.value.get_error_message() == "no connection driver available for tcp:///"


ADDRESS = "<address type='pci' domain='0' bus='3' slot='0' function='0'/>"
PCI = f"<hostdev mode='subsystem' type='pci'><source>{ADDRESS}</source></hostdev>"
MEDIATED = (
    "<hostdev mode='subsystem' type='mdev' model='vfio-pci'>"
    "<source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"
)
USB = "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>"
CARD = f"<interface type='hostdev'><source>{ADDRESS}</source></interface>"
TEAMED = CARD.replace("</interface>", "<teaming type='transient' persistent='ua-b'/></interface>")
SHARED = "<shmem name='s'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
MASTER = SHARED.replace("name='s'", "name='s' role='master'")
NO_VFIO = "Requested operation is not valid: cannot migrate domain: VFIO device doesn't support migration"
NO_PEER = (
    "Requested operation is not valid: cannot migrate domain: "
    "Migration is disabled when using feature 'peer mode' in device 'ivshmem'"
)
DISK = (
    "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/web1.qcow2'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
INSIDE = "<domainsnapshot><name>s</name></domainsnapshot>"
BESIDE = "<domainsnapshot><name>s</name><memory snapshot='external' file='/srv/memory'/></domainsnapshot>"


def with_devices(devices):
    return XML.format("web1").replace("</os>", f"</os><devices>{devices}</devices>")


@pytest.mark.parametrize(
    ("devices", "said"),
    [(PCI, NO_VFIO), (MEDIATED, NO_VFIO), (CARD, NO_VFIO), (SHARED, NO_PEER), (USB + PCI, NO_VFIO)],
)
def test_what_qemu_keeps_where_it_is(pair, devices, said):
    pair.cluster.add_instance("web1", node="A", xml=with_devices(DISK + devices))  # no host gives them away
    domain = pair.a.lookupByName("web1")
    for method, *arguments in (
        (domain.migrate3, pair.b, {}, LIVE),
        (domain.migrateToURI3, pair.front.uri("B"), {}, LIVE | P2P),
        (domain.save, "/srv/web1.save"),
        (domain.managedSave, 0),
        (domain.snapshotCreateXML, INSIDE, 0),
        (domain.snapshotCreateXML, BESIDE, 0),
        (domain.coreDump, "/srv/web1.core", 0),
    ):
        with pytest.raises(libvirt.libvirtError) as refused:
            method(*arguments)
        assert (refused.value.get_error_message(), refused.value.get_error_code()) == (
            said,
            libvirt.VIR_ERR_OPERATION_INVALID,
        )
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    domain.coreDump("/srv/web1.core", libvirt.VIR_DUMP_MEMORY_ONLY)
    domain.migrate3(pair.b, {}, libvirt.VIR_MIGRATE_OFFLINE | libvirt.VIR_MIGRATE_PERSIST_DEST)
    domain.destroy()
    domain.snapshotCreateXML(INSIDE, 0)


def test_what_moves_all_the_same(pair):
    pair.a.createXML(with_devices(MASTER), 0).migrate3(pair.b, {}, LIVE)
    assert pair.on(pair.b)[0] == libvirt.VIR_DOMAIN_RUNNING


@pytest.mark.parametrize(("devices", "lacks"), [(USB, "/sys/bus/usb/devices"), (TEAMED, "passthrough")])
def test_what_the_target_lacks(pair, devices, lacks):
    pair.cluster.add_instance("web1", node="A", xml=with_devices(devices))
    with pytest.raises(libvirt.libvirtError, match=lacks):
        pair.a.lookupByName("web1").migrate3(pair.b, {}, LIVE)


@pytest.mark.parametrize("devices", [USB, TEAMED, MASTER])
def test_what_qemu_lets_go(pair, devices):
    pair.cluster.add_instance("web1", node="A", xml=with_devices(devices))
    domain = pair.a.lookupByName("web1")
    domain.managedSave(0)
    assert domain.hasManagedSaveImage()
