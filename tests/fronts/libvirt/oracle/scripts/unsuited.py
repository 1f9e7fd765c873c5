"""Domains and devices that need what their host doesn't have, or can't do."""

import libvirt

from oracle.definitions import changed, disk_xml, secret_xml, uuid, xml

LIVE, CONFIG = libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG
FLAGS = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM

CPU = "<cpu mode='{}'{}>{}</cpu>"
MODEL = "<model>{}</model>"
FEATURE = "<feature name='{}' policy='{}'/>"
CPUS = [
    CPU.format("custom", "", MODEL.format("NoSuchCPU")),
    CPU.format("custom", "", MODEL.format("POWER9")),
    CPU.format("custom", " check='none'", MODEL.format("NoSuchCPU")),
    CPU.format("custom", " check='odd'", ""),
    CPU.format("maximum", " migratable='odd'", ""),
    CPU.format("custom", "", MODEL.format("Nehalem") + FEATURE.format("vmx", "odd")),
    CPU.format("custom", "", MODEL.format("Nehalem") + "<feature policy='require'/>"),
    CPU.format("custom", "", MODEL.format("Nehalem") + 2 * "<feature name='vmx'/>"),
    CPU.format("custom", "", "<feature name='vmx'/>"),
    CPU.format("custom", "", "<model fallback='odd'>Nehalem</model>"),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + FEATURE.format("svm", "optional")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + FEATURE.format("smx", "force")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + FEATURE.format("smx", "require")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + FEATURE.format("sse2", "forbid")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + FEATURE.format("smx", "forbid")),
    CPU.format("custom", " check='partial'", MODEL.format("Nehalem") + "<vendor>Odd</vendor>"),
    *(CPU.format(mode, " match='exact'", "") for mode in ("host-model", "maximum", "host-passthrough")),
    CPU.format("host-model", " match='minimum'", FEATURE.format("vmx", "disable")),
    "<cpu match='exact'/>",
]
MEMORY = [
    "<hugepages/>", "<hugepages><page size='2' unit='M'/></hugepages>",
    "<hugepages><page size='1' unit='G' nodeset='0'/></hugepages>",
    "<hugepages><page size='4'/></hugepages>", "<hugepages><page size='x'/></hugepages>",
    "<hugepages><page/></hugepages>", "<hugepages><page size='0'/></hugepages>",
]  # fmt: skip
CELL = "<cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>"
PLACES = [
    *(f"<numatune><memory mode='{each}' nodeset='5'/></numatune>" for each in ("strict", "preferred")),
    "<numatune><memory mode='strict' nodeset='0-1'/></numatune>",
    f"<numatune><memnode cellid='0' mode='strict' nodeset='5'/></numatune>{CELL}",
    f"<memoryBacking><hugepages><page size='2048' nodeset='0'/></hugepages></memoryBacking>{CELL}",
    "<cputune><emulatorpin cpuset='900'/></cputune>",
    "<cputune><emulatorpin cpuset='0,900'/></cputune>",
    "<cputune><vcpupin vcpu='0' cpuset='900'/></cputune>",
    "<cputune><vcpupin vcpu='0' cpuset='1-900'/></cputune>",
    "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='900'/></cputune>",
]
SECURITY = [
    "<launchSecurity type='sev'><policy>0x0033</policy></launchSecurity>", "<launchSecurity type='sev'/>",
    "<launchSecurity/>", "<launchSecurity type='odd'/>", "<launchSecurity type='s390-pv'/>",
]  # fmt: skip
TPM = "<tpm{}>{}</tpm>"
EMULATOR = "<backend type='emulator' version='{}'/>"
PASSTHROUGH = "<backend type='passthrough'/>"
CHIPS = [
    TPM.format("", EMULATOR.format("2.0")), TPM.format("", EMULATOR.format("1.2")),
    TPM.format("", EMULATOR.format("odd")), TPM.format("", "<backend type='emulator'/>"),
    TPM.format(" model='tpm-crb'", "<backend type='emulator'/>"), TPM.format("", ""),
    TPM.format(" model='odd'", PASSTHROUGH), TPM.format("", "<backend type='odd'/>"),
    TPM.format("", "<backend/>"),
    TPM.format("", "<backend type='external'/>"),
    TPM.format("", "<backend type='external'><source type='unix' mode='connect' path='/x'/></backend>"),
    TPM.format("", PASSTHROUGH), 2 * TPM.format("", PASSTHROUGH),
    2 * TPM.format("", EMULATOR.format("2.0")),
]  # fmt: skip
PCI = "<address type='pci' domain='0' bus='10' slot='0x0b' function='{}'/>"
GIVEN = [
    (
        f"<interface type='hostdev' managed='yes'><mac address='52:54:00:00:00:07'/><source>{PCI.format(1)}"
        "</source></interface>"
    ),
    "<interface type='hostdev'/>",
    "<interface type='hostdev'><source/></interface>",
    (
        "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0' bus='10' slot='11' "
        "function='3'/></source></hostdev>"
    ),
    (
        "<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
        f"<address uuid='{uuid('mdev')}'/></source></hostdev>"
    ),
    (
        "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host7'/>"
        "<address bus='1' target='2' unit='3'/></source></hostdev>"
    ),
    (
        "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5123456789abcde0'/>"
        "</hostdev>"
    ),
]
UNLIKE = ("'mdev'", "'scsi'", "'scsi_host'")
"""Devices that are written otherwise, which is not asked for here."""
FILTER = "<filterref filter='nosuch'/></interface>"
FILTERED = [
    f"<interface type='ethernet'><mac address='52:54:00:00:00:08'/>{FILTER}",
    f"<interface type='user'><mac address='52:54:00:00:00:09'/>{FILTER}",
]
ENCRYPTED = "<encryption format='{}'>{}</encryption>"
PHRASE = f"<secret type='passphrase' uuid='{uuid('phrase')}'/>"
AUTH = "<auth{}>{}</auth>"
USER = " username='cinder'"
CEPH = f"<secret type='ceph' uuid='{uuid('ceph')}'/>"


def luks(rest):
    """Return a disk that says this of its secrets."""
    return disk_xml("vda", "virtio", "guest.img", rest)


def rbd(rest):
    """Return a disk of a server that wants a secret."""
    source = f"<source protocol='rbd' name='pool/volume'><host name='127.0.0.1' port='1'/>{rest}</source>"
    return f"<disk type='network' device='disk'>{source}<target dev='vdb' bus='virtio'/></disk>"


SECRETS = [
    luks(ENCRYPTED.format("luks", PHRASE)), rbd(AUTH.format(USER, CEPH)),
    rbd(AUTH.format(USER, "<secret type='ceph' usage='nosuch'/>")),
]  # fmt: skip
WRONG = [
    luks(ENCRYPTED.format("odd", PHRASE)), luks(ENCRYPTED.format("qcow", PHRASE)),
    rbd(AUTH.format("", CEPH)), rbd(AUTH.format(USER, "")), rbd(AUTH.format(USER, "<secret type='ceph'/>")),
    rbd(AUTH.format(USER, "<secret type='odd'/>")), rbd(AUTH.format(USER, "<secret type='iscsi'/>")),
    rbd(AUTH.format(USER, "<secret type='ceph' uuid='x'/>")),
]  # fmt: skip


def script(ask):
    connection = ask.connect()
    for cpu in CPUS:
        tried(ask, connection, xml("web1", head=cpu))
    for memory in MEMORY:
        tried(ask, connection, xml("web1", head=f"<memoryBacking>{memory}</memoryBacking>"))
    for each in (*PLACES, *SECURITY):
        tried(ask, connection, xml("web1", head=each))
    tried(ask, connection, changed(xml("web1"), "<vcpu>", "<vcpu cpuset='900'>"))
    for device in (*CHIPS, *GIVEN, *FILTERED, *SECRETS, *WRONG):
        tried(ask, connection, xml("web1", devices=device))
    secrets(ask, connection)
    domain = ask(connection.createXML, xml("web1"), 0)
    for device in (CHIPS[0], CHIPS[5], GIVEN[0], *GIVEN[3:6], FILTERED[0], *SECRETS):
        ask(domain.attachDeviceFlags, device, LIVE)
    domain = ask(connection.defineXML, xml("web1"))
    for device in (CHIPS[0], GIVEN[0], GIVEN[1], FILTERED[0], SECRETS[1]):
        ask(domain.attachDeviceFlags, device, CONFIG)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.destroy)


def tried(ask, connection, definition):
    """Ask for a domain, and for its start."""
    domain = ask(connection.defineXML, definition)
    if domain is not None:
        if not any(each in definition for each in UNLIKE):
            ask(domain.XMLDesc, 0)
        ask(domain.create)
        if domain.isActive():
            ask(domain.destroy)
        ask(domain.undefine)


def secrets(ask, connection):
    """Ask for domains whose secrets are there, and something else, or have no value."""
    for name, usage in (("phrase", ""), ("ceph", "<usage type='volume'><volume>/x</volume></usage>")):
        secret = ask(connection.secretDefineXML, secret_xml(name, usage=usage), 0)
        tried(ask, connection, xml("web1", devices=SECRETS[name == "ceph"]))
        ask(secret.undefine)
    secret = ask(
        connection.secretDefineXML, secret_xml("ceph", usage="<usage type='ceph'><name>a</name></usage>")
    )
    tried(ask, connection, xml("web1", devices=SECRETS[1]))
    tried(ask, connection, xml("web1", devices=rbd(AUTH.format(USER, "<secret type='ceph' usage='a'/>"))))
    ask(secret.undefine)
