"""A guest goes on by the definition of the machine in which it has begun, or not at all."""

import json
from pathlib import Path

import pytest
from moving import XML, libvirt
from oracle import records
from oracle.definitions import changed
from oracle.scripts.migrate_another import LARGE, MACHINE, OF_LARGE, OTHERS

OFFLINE = libvirt.VIR_MIGRATE_OFFLINE | libvirt.VIR_MIGRATE_PERSIST_DEST
MIGRATABLE = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE

TRIED = [
    (machine, definition)
    for machine, others in ((MACHINE, OTHERS), (LARGE, OF_LARGE))
    for definition in (machine, *(changed(machine, *each) for each in others))
]
SAID = [
    line.get("error", [None] * 3)[2] for line in records.read("migrate_another") if "migrate3" in line["call"]
]
WRITTEN = json.loads((Path(__file__).parents[1] / "written.json").read_text())


@pytest.fixture
def told(pair):
    """Return what is said of a migration by another definition; None if it works."""

    def told(machine, definition):
        domain = pair.a.defineXML(machine)
        try:
            domain.migrate3(pair.b, {"destination_xml": definition}, OFFLINE)
        except libvirt.libvirtError as error:
            return error.get_error_message()
        return None

    return told


NAMED = "UUID"
"""What records have in place of what nobody has chosen."""


@pytest.mark.parametrize(
    ("machine", "definition", "said"),
    [(*tried, said) for tried, said in zip(TRIED, SAID, strict=False) if NAMED not in str(said)],
    ids=str,
)
def test_what_a_real_host_says(told, machine, definition, said):
    assert told(machine, definition) == said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "iobase='0x506'", "isa address 1286:0 does not match source 1285:0"),
        ("type='isa'", "type='pci'", "address type pci does not match source isa"),
    ],
)
def test_where_a_device_is(told, old, new, said):
    panic = "<panic model='isa'><address type='isa' iobase='0x505'/></panic>"
    machine = XML.format("web1").replace("</os>", f"</os><devices>{panic}</devices>")
    other = machine.replace(old or "iobase='0x505'", new)
    assert told(machine, other) == f"unsupported configuration: Target device {said}"


def test_which_generation_it_is(told):
    genid = "<genid>11111111-2222-4333-8444-555555555555</genid>"
    machine = XML.format("web1").replace("</name>", f"</name>{genid}")
    assert told(machine, machine.replace("5555</genid>", "5556</genid>")) == (
        "unsupported configuration: Target domain genid 11111111-2222-4333-8444-555555555556 "
        "does not match source 11111111-2222-4333-8444-555555555555"
    )


@pytest.mark.parametrize("definition", [each[1] for each in WRITTEN], ids=[each[0] for each in WRITTEN])
def test_what_a_host_says_itself_of_a_domain_is_the_same_machine(pair, definition):
    try:
        domain = pair.a.defineXML(definition)
    except libvirt.libvirtError:
        pytest.skip("no host takes it")
    domain.migrate3(pair.b, {"destination_xml": domain.XMLDesc(MIGRATABLE)}, OFFLINE)
    assert pair.b.lookupByName(domain.name()).isPersistent()


CARD = "<interface type='user'><mac address='52:54:00:11:22:33'/></interface>"
ANOTHER = (
    "unsupported configuration: Target network card mac 52:54:00:11:22:99 "
    "does not match source 52:54:00:11:22:33"
)


def with_a_card():
    return XML.format("web1").replace("</os>", f"</os><devices>{CARD}</devices>")


@pytest.fixture
def carded(pair):
    """A domain that runs and has a network card."""
    return pair.a.createXML(with_a_card(), 0)


@pytest.mark.parametrize("way", ["managed", "p2p"])
def test_what_runs_runs_on_where_its_migration_is_refused(pair, carded, way):
    other = carded.XMLDesc(MIGRATABLE).replace("22:33", "22:99")
    with pytest.raises(libvirt.libvirtError) as refused:
        pair.move(carded, way, parameters={"destination_xml": other})
    assert (refused.value.get_error_message(), refused.value.get_error_code()) == (
        ANOTHER,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    )
    assert (carded.state()[0], pair.b.listAllDomains()) == (libvirt.VIR_DOMAIN_RUNNING, [])


def test_what_a_client_sees_of_what_runs_is_no_definition_to_go_on_by(pair, carded):
    with pytest.raises(libvirt.libvirtError, match="Target CPU check full does not match source none"):
        pair.move(carded, parameters={"destination_xml": carded.XMLDesc(0)})


def test_an_image_keeps_its_machine_and_its_memory(pair, carded):
    file = "/var/lib/libvirt/images/web1.save"
    own = with_a_card().replace("</name>", f"</name><uuid>{carded.UUIDString()}</uuid>")
    with pytest.raises(libvirt.libvirtError, match=ANOTHER):
        carded.saveFlags(file, own.replace("22:33", "22:99"), 0)
    carded.saveFlags(file, own.replace("<vcpu>", "<currentMemory>32768</currentMemory><vcpu>"), 0)
    assert ">65536</currentMemory>" in pair.a.saveImageGetXMLDesc(file)
    less = pair.a.saveImageGetXMLDesc(file).replace(">65536</currentMemory>", ">32768</currentMemory>")
    with pytest.raises(libvirt.libvirtError, match="current memory 32768 does not match source 65536"):
        pair.a.saveImageDefineXML(file, less)


def test_a_snapshot_that_is_described_anew_is_of_the_same_machine(pair):
    domain = pair.a.defineXML(with_a_card())
    said = pair.a.lookupByName("web1").XMLDesc(MIGRATABLE)
    snapshot = (
        "<domainsnapshot><name>s</name><state>shutoff</state><creationTime>1</creationTime>"
        f"<memory snapshot='no'/>{said}</domainsnapshot>"
    )
    redefine = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    domain.snapshotCreateXML(snapshot, redefine)
    domain.snapshotCreateXML(snapshot, redefine)
    with pytest.raises(libvirt.libvirtError, match=ANOTHER):
        domain.snapshotCreateXML(snapshot.replace("22:33", "22:99"), redefine)
    domain.snapshotCreateXML(snapshot.replace("22:33", "22:99").replace("<name>s<", "<name>t<"), redefine)
    assert sorted(domain.snapshotListNames()) == ["s", "t"]
