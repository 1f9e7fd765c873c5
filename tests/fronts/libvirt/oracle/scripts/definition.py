"""Domains defined: what is accepted, what is refused, and what is made of it."""

import libvirt

from oracle.definitions import changed, uuid, xml
from oracle.recording import Definition

MINIMAL = """\
<domain type='qemu'>
  <name>small</name>
  <memory>65536</memory>
  <os>
    <type>hvm</type>
  </os>
</domain>
"""

HEAD = """\
<title>A title</title>
  <description>What
for</description>
  <metadata>
    <a:b xmlns:a='http://a/' c='d'>e</a:b>
  </metadata>"""

DEVICES = """\
<graphics type='vnc' port='-1' autoport='yes' passwd='secret'/>
    <serial type='pty'/>
    <console type='pty'/>"""


def script(ask):
    connection = ask.connect()
    refused(ask, connection)
    defined(ask, connection)
    completed(ask, connection)


def refused(ask, connection):
    """Define what is wrong, or strange."""
    for text in (
        "", "<domain>", "<domain type='qemu'><name>x</name>", "<foo/>", "no xml", "<domain/>",
        "<domain type='qemu'/>", "<domain type='bogus'><name>x</name></domain>",
        "<domain type=''><name>x</name></domain>", "<domain type='qemu'><name>x</name></domain>",
        "<domain type='qemu'><name>x</name><os><type>hvm</type></os></domain>",
        "<domain type='qemu'><name>x</name><memory>65536</memory></domain>",
        "<domain type='qemu'><name>x</name><memory>65536</memory><os/></domain>",
        "<domain type='qemu'><memory>65536</memory><os><type>hvm</type></os></domain>",
        "<domain><name>x</name><memory>65536</memory><os><type>hvm</type></os></domain>",
        "<domain type='qemu'><name>x</name><memory>65536</memory><os><type>xen</type></os></domain>",
        "<domain type='qemu'><name>x</name><memory>9</memory><os><type arch='vax'>hvm</type></os></domain>",
    ):  # fmt: skip
        ask(connection.defineXML, text)
    good = xml("web1")
    for old, new in (
        ("<name>web1", "<name>"),
        ("<name>web1", "<name>a/b"),
        ("<name>web1", "<name>."),
        ("<name>web1", "<name>a\tb"),
        ("<name>web1", "<name>a&#10;b"),
        ("<name>web1", "<name> "),
        (uuid("web1"), "1234"),
        (uuid("web1"), ""),
        (uuid("web1"), "00000000-0000-0000-0000-000000000000"),
        ("<memory unit='MiB'>64", "<memory unit='MiB'>"),
        ("<memory unit='MiB'>64", "<memory unit='MiB'>-1"),
        ("<memory unit='MiB'>64", "<memory unit='MiB'>0"),
        ("<memory unit='MiB'>64", "<memory unit='MiB'>many"),
        ("<memory unit='MiB'>64", "<memory unit='parsec'>64"),
        ("<memory unit='MiB'>64", "<memory unit='MiB'>99999999999999999999"),
        ("<vcpu>1", "<vcpu>0"),
        ("<vcpu>1", "<vcpu>two"),
        ("<vcpu>1", "<vcpu current='4'>2"),
        ("<vcpu>1", "<vcpu current='0'>2"),
        ("<vcpu>1", "<vcpu>256"),
        ("<vcpu>1", "<vcpu cpuset='0-999'>1"),
        ("type='qemu'", "type='xen'"),
        ("type='qemu'", "type='kvm'"),
        ("/usr/bin/qemu-system-x86_64", "/no/such"),
        ("machine='pc'", "machine='pdp11'"),
        ("dev='fd'", "dev='tape'"),
        ("<on_crash>destroy", "<on_crash>burn"),
        ("device='floppy'", "device='drum'"),
        ("<memballoon model='virtio'/>", "<memballoon model='rubber'/>"),
        ("<acpi/>", "<acpi/><pae/><apic/>"),
    ):
        ask(connection.defineXML, changed(good, old, new))
    ask(connection.defineXMLFlags, good, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    ask(
        connection.defineXMLFlags, changed(good, "<acpi/>", "<nonsense/>"), libvirt.VIR_DOMAIN_DEFINE_VALIDATE
    )
    ask(connection.defineXMLFlags, good, 1 << 20)
    for domain in sorted(ask(connection.listAllDomains) or [], key=lambda each: each.name()):
        ask(domain.XMLDesc)
        ask(domain.undefine)


def defined(ask, connection):
    """Look at a domain, define it again, and look at it as it runs."""
    domain = ask(connection.defineXML, xml("web1"))
    for method in (
        domain.name, domain.UUIDString, domain.ID, domain.OSType, domain.isActive, domain.isPersistent,
        domain.isUpdated, domain.autostart, domain.info, domain.maxMemory, domain.hasCurrentSnapshot,
        domain.snapshotNum, domain.XMLDesc,
    ):  # fmt: skip
        ask(method)
    ask(connection.lookupByName, "web1")
    ask(connection.lookupByName, "web2")
    ask(connection.lookupByName, "")
    ask(connection.lookupByUUIDString, uuid("web1"))
    ask(connection.lookupByUUIDString, uuid("web2"))
    ask(connection.lookupByUUIDString, "zzz")
    ask(connection.lookupByUUID, bytes(16))
    ask(connection.lookupByID, 1)
    ask(connection.lookupByID, 0)
    ask(connection.lookupByID, -1)
    ask(connection.defineXML, xml("web1", memory=96, vcpus=2, head="<title>Second</title>"))
    ask(domain.XMLDesc)
    ask(connection.defineXML, xml("web1", id=uuid("web2")))
    ask(connection.defineXML, xml("web2", id=uuid("web1")))
    ask(domain.create)
    ask(connection.defineXML, xml("web1", memory=128))
    ask(domain.isUpdated)
    for flags in (0, 1, 2, 3, 8, 1 | 2 | 8, 1 << 20):
        ask(domain.XMLDesc, flags)
    ask(domain.destroy)
    ask(domain.XMLDesc)
    ask(domain.undefine)
    ask(domain.XMLDesc)
    ask(domain.info)
    ask(domain.isActive)
    ask(domain.isPersistent)


def completed(ask, connection):
    """Look at what is made of little, and of much."""
    small = Definition(MINIMAL)
    small.shown = "a minimal definition"
    domain = ask(connection.defineXML, small)
    ask(domain.XMLDesc)
    ask(domain.create)
    ask(domain.XMLDesc)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_MIGRATABLE)
    ask(domain.destroy)
    ask(domain.undefine)

    rich = xml("rich", memory=96, current=64, vcpus=1, maximum=4, head=HEAD, devices=DEVICES)
    domain = ask(connection.defineXML, rich)
    for flags in (0, libvirt.VIR_DOMAIN_XML_SECURE, libvirt.VIR_DOMAIN_XML_MIGRATABLE):
        ask(domain.XMLDesc, flags)
    ask(domain.create, until="balloon")
    for flags in (
        0,
        libvirt.VIR_DOMAIN_XML_SECURE,
        libvirt.VIR_DOMAIN_XML_INACTIVE,
        libvirt.VIR_DOMAIN_XML_MIGRATABLE,
    ):
        ask(domain.XMLDesc, flags)
    ask(domain.destroy)
