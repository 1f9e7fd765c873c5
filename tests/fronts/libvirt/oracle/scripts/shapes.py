"""Definitions of many shapes: what comes back of what a user wrote, and what is added."""

import libvirt

from oracle.definitions import uuid
from oracle.recording import Definition

DISK = """\
<disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='/var/lib/libvirt/images/guest.img'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
    </disk>"""
CDROM = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
CARD = """\
<interface type='user'>
      <mac address='52:54:00:00:00:01'/>
      <model type='virtio'/>
    </interface>"""
ON_NETWORK = """\
<interface type='network'>
      <source network='default'/>
      <mac address='52:54:00:00:00:02'/>
    </interface>"""
AGENT = """\
<channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>"""
SCREEN = "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>"
OTHERS = """\
<serial type='pty'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <watchdog model='i6300esb' action='reset'/>
    <input type='tablet' bus='usb'/>
    <sound model='ich6'/>"""

SHAPES = {
    "q35": ("<os><type arch='x86_64' machine='q35'>hvm</type></os>", ""),
    "server": ("", DISK + CARD + AGENT + SCREEN),
    "many": ("", DISK + CDROM + CARD + ON_NETWORK + OTHERS),
    "q35server": ("<os><type machine='q35'>hvm</type></os>", DISK + CDROM + CARD + AGENT + SCREEN + OTHERS),
    "model": ("<cpu mode='custom' match='exact'><model fallback='allow'>Haswell</model></cpu>", ""),
    "topology": ("<vcpu>4</vcpu><cpu><topology sockets='2' dies='1' cores='2' threads='1'/></cpu>", ""),
    "badtopology": ("<vcpu>3</vcpu><cpu><topology sockets='2' dies='1' cores='2' threads='1'/></cpu>", ""),
    "passthrough": ("<cpu mode='host-passthrough'/>", ""),
    "hostmodel": ("<cpu mode='host-model'/>", ""),
    "gib": ("<memory unit='GiB'>1</memory>", ""),
    "kb": ("<memory unit='KB'>100000</memory>", ""),
    "bytes": ("<memory unit='b'>67108865</memory>", ""),
    "odd": ("<memory>65537</memory>", ""),
    "more": ("<memory unit='MiB'>64</memory><currentMemory unit='MiB'>128</currentMemory>", ""),
    "slots": ("<maxMemory slots='4' unit='MiB'>1024</maxMemory>", ""),
    "local": ("<clock offset='localtime'><timer name='rtc' tickpolicy='catchup'/></clock>", ""),
    "badclock": ("<clock offset='moon'/>", ""),
    "actions": ("<on_poweroff>restart</on_poweroff><on_reboot>destroy</on_reboot>", ""),
    "pm": ("<pm><suspend-to-mem enabled='yes'/><suspend-to-disk enabled='no'/></pm>", ""),
    "boots": ("<os><type>hvm</type><boot dev='network'/><boot dev='hd'/><bootmenu enable='yes'/></os>", ""),
    "kernel": ("<os><type>hvm</type><kernel>/k</kernel><cmdline>a &amp; b</cmdline></os>", ""),
    "features": ("<features><acpi/><apic/><pae/></features>", ""),
    "tune": ("<cputune><shares>512</shares></cputune><memtune><hard_limit>99999</hard_limit></memtune>", ""),
    "numa": ("<numatune><memory mode='strict' nodeset='0'/></numatune>", ""),
    "backing": ("<memoryBacking><nosharepages/><locked/></memoryBacking>", ""),
    "genid": ("<genid>aaaaaaaa-0000-4000-8000-000000000000</genid>", ""),
    "text": ("<title>a &lt;b&gt; 'c' \"d\"</title><description> kept &amp; \n as it is </description>", ""),
    "comment": ("<!-- nobody sees this --><unknown a='b'/>", ""),
    "cdata": ("<title><![CDATA[<raw>]]></title>", ""),
    "noballoon": ("", "<memballoon model='none'/>"),
    "twice": ("", "<memballoon model='virtio'/><memballoon model='virtio'/>"),
    "sametarget": ("", DISK + DISK),
    "notarget": ("", "<disk type='file'><source file='/x'/></disk>"),
    "badbus": ("", "<disk type='file'><source file='/x'/><target dev='vda' bus='train'/></disk>"),
    "badmac": ("", "<interface type='user'><mac address='none'/></interface>"),
    "badnic": ("", "<interface type='carrier-pigeon'/>"),
    "badusb": ("", "<controller type='usb' model='none'/><input type='tablet' bus='usb'/>"),
}


def shape(name):
    """Return the definition of a shape."""
    head, devices = SHAPES[name]
    memory = (
        ""
        if "<memory>" in head or "<memory " in head.replace("<memory mode", "")
        else "<memory unit='MiB'>64</memory>"
    )
    system = "" if "<os>" in head else "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
    definition = Definition(
        f"<domain type='qemu'>\n  <name>{name}</name>\n  <uuid>{uuid(name)}</uuid>\n"
        f"  {head}{memory}{system}\n  <devices>{devices}</devices>\n</domain>"
    )
    definition.shown = name
    return definition


def script(ask):
    connection = ask.connect()
    for name in SHAPES:
        domain = ask(connection.defineXML, shape(name))
        if domain is not None:
            ask(domain.XMLDesc)
    for name in ("q35", "server", "q35server", "more", "noballoon"):
        domain = ask(connection.lookupByName, name)
        ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
        ask(domain.XMLDesc)
        ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        ask(domain.info)
        ask(domain.setMemory, 32 * 1024)
        ask(connection.domainListGetStats, [domain], 0, 0)
        ask(domain.destroy)
