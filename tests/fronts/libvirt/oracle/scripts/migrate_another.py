"""Migrations, images and snapshots by definitions that make another machine, or the same elsewhere."""

import libvirt

from oracle.definitions import changed, pool_xml, uuid, volume_xml, xml
from oracle.scripts.migrating import LIVE, P2P, PERSIST, both, cleared
from oracle.scripts.saves import FILE, text
from oracle.scripts.snapshots import DISK, QCOW2

OFFLINE = libvirt.VIR_MIGRATE_OFFLINE | PERSIST
REDEFINE = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE

DISKS = """\
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/a.img'/>
<target dev='vda' bus='virtio'/><serial>S1</serial></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/b.img'/>
<target dev='sda' bus='scsi'/><wwn>5000c50015ea71aa</wwn></disk>"""
SCREEN = (
    "<graphics type='vnc'/>"
    "<video><model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1'/></video>"
)
PARALLEL = "<parallel type='null'><target port='0'/></parallel>"
CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
FORWARD = "<channel type='null'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
SHMEM = "<shmem name='shmem0'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>"
BRIDGED = (
    "<interface type='network'><mac address='52:54:00:11:22:35'/><source network='default'/>"
    "<model type='virtio'/><mtu size='9000'/></interface>"
)
HOSTDEV = (
    "<hostdev mode='subsystem' type='pci' managed='yes'>"
    "<source><address domain='0' bus='0' slot='5' function='0'/></source></hostdev>"
)
TPM = "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>"
FILESYSTEM = "<filesystem type='mount'><source dir='/srv'/><target dir='tag1'/></filesystem>"
NIC = "<interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>"
SERIAL = "<serial type='pty'><target port='0'/></serial>"
WATCHDOG = "<watchdog model='i6300esb' action='reset'/>"
VSOCK = "<vsock model='virtio'><cid auto='no' address='7'/></vsock>"

HEAD = """\
<genid>11111111-2222-4333-8444-555555555555</genid>
<sysinfo type='smbios'><bios><entry name='vendor'>b1</entry></bios>
<system><entry name='manufacturer'>m1</entry><entry name='serial'>s1</entry></system>
<baseBoard><entry name='asset'>a1</entry></baseBoard>
<chassis><entry name='sku'>k1</entry></chassis></sysinfo>
<cpu mode='custom' match='exact'><model fallback='forbid'>qemu64</model>
<topology sockets='2' cores='1' threads='1'/><feature policy='disable' name='svm'/></cpu>
<clock offset='utc'><timer name='rtc' tickpolicy='catchup'/><timer name='hpet' present='no'/></clock>"""

MACHINE = changed(
    xml(
        "web1",
        vcpus=2,
        head=HEAD,
        devices=(
            "<controller type='scsi' index='0' model='virtio-scsi'/>"
            f"<controller type='virtio-serial' index='0' ports='16'/>{DISKS}{FILESYSTEM}{NIC}{BRIDGED}"
            f"{SERIAL}{PARALLEL}{CHANNEL}{FORWARD}<input type='tablet' bus='virtio'/>{SCREEN}"
            f"<sound model='ich6'/>{HOSTDEV}{TPM}{WATCHDOG}{RNG}{SHMEM}<panic model='isa'/>{VSOCK}"
        ),
    ),
    "<acpi/>",
    "<acpi/><hyperv><relaxed state='on'/><spinlocks state='on' retries='4096'/></hyperv>"
    "<kvm><hidden state='on'/></kvm>",
)
MACHINE.shown = "the machine"

OTHERS = (
    ("<domain type='qemu'>", "<domain type='kvm'>"),
    (f"<uuid>{uuid('web1')}", f"<uuid>{uuid('web2')}"),
    ("444-555555555555", "444-555555555556"),
    ("<genid>11111111-2222-4333-8444-555555555555</genid>", ""),
    ("<name>web1", "<name>web2"),
    ("unit='MiB'>64<", "unit='MiB'>96<"),
    ("<currentMemory unit='MiB'>64<", "<currentMemory unit='MiB'>32<"),
    ("<vcpu>2", "<vcpu current='1'>2"),
    ("machine='pc'", "machine='pc-i440fx-7.1'"),
    ("<boot dev='fd'/>", "<boot dev='hd'/>"),
    ("<boot dev='fd'/>", "<boot dev='fd'/><smbios mode='sysinfo'/>"),
    ("<boot dev='fd'/>", "<boot dev='fd'/><bootmenu enable='yes'/>"),
    ("<acpi/>", ""),
    *(
        ("<acpi/>", f"<acpi/>{each}")
        for each in (
            "<apic/>", "<apic eoi='on'/>", "<pae/>", "<hap/>", "<pmu state='off'/>", "<vmport state='off'/>",
            "<smm state='off'/>", "<pvspinlock state='off'/>", "<vmcoreinfo state='on'/>", "<privnet/>",
            "<viridian/>", "<ioapic driver='qemu'/>", "<capabilities policy='allow'/>", "<gic version='2'/>",
        )
    ),
    ("<relaxed state='on'/>", "<relaxed state='off'/>"),
    ("<relaxed state='on'/>", "<relaxed state='on'/><vapic state='on'/>"),
    ("retries='4096'", "retries='8192'"),
    ("<hidden state='on'/>", "<hidden state='off'/>"),
    ("<timer name='hpet' present='no'/>", ""),
    ("<timer name='hpet' present='no'/>", "<timer name='pit' present='no'/>"),
    ("<timer name='hpet' present='no'/>", "<timer name='hpet' present='yes'/>"),
    ("tickpolicy='catchup'", "tickpolicy='delay'"),
    ("offset='utc'", "offset='localtime'"),
    ("<cpu mode='custom' match='exact'>", "<cpu mode='maximum'>"),
    ("<cpu mode='custom' match='exact'>", "<cpu mode='custom' match='exact' check='partial'>"),
    ("<cpu mode='custom' match='exact'>", "<cpu mode='custom' match='strict'>"),
    (">qemu64<", ">qemu32<"),
    ("fallback='forbid'>", "fallback='forbid' vendor_id='KVMKVMKVMKVM'>"),
    ("<topology", "<vendor>AMD</vendor><topology"),
    ("<topology", "<maxphysaddr mode='emulate' bits='42'/><topology"),
    ("<topology", "<cache mode='emulate' level='3'/><topology"),
    ("sockets='2' cores='1'", "sockets='1' cores='2'"),
    ("name='svm'", "name='vmx'"),
    ("policy='disable'", "policy='require'"),
    ("<feature policy='disable' name='svm'/>", ""),
    ("<feature", "<numa><cell id='0' cpus='0-1' memory='65536' unit='KiB'/></numa><feature"),
    (">b1<", ">b2<"),
    (">m1<", ">m2<"),
    (">s1<", ">s2<"),
    (">a1<", ">a2<"),
    (">k1<", ">k2<"),
    ("<bios><entry name='vendor'>b1</entry></bios>", ""),
    ("<baseBoard><entry name='asset'>a1</entry></baseBoard>", ""),
    ("<chassis><entry name='sku'>k1</entry></chassis>", ""),
    ("<sysinfo", "<sysinfo type='fwcfg'><entry name='opt/com.example/n'>v</entry></sysinfo><sysinfo"),
    ("<on_crash>destroy", "<on_crash>restart"),
    ("<vcpu>2", "<memoryBacking><source type='memfd'/></memoryBacking><vcpu>2"),
    (DISKS, ""),
    ("dev='vda'", "dev='vdq'"),
    ("dev='vda' bus='virtio'", "dev='vda' bus='sata'"),
    ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/b.img'/>",
     "<disk type='file' device='cdrom'><source file='/srv/b.img'/>"),
    ("<serial>S1", "<serial>S2"),
    ("<serial>S1</serial>", ""),
    ("71aa<", "71ab<"),
    ("<serial>S1", "<readonly/><serial>S1"),
    ("<serial>S1", "<shareable/><serial>S1"),
    ("/srv/a.img", "/srv/c.img"),
    ("dev='sda' bus='scsi'", "dev='sda' bus='scsi' rotation_rate='1'"),
    *(
        ("<driver name='qemu' type='raw'/><source file='/srv/a.img'/>",
         f"<driver name='qemu' type='raw' {each}/><source file='/srv/a.img'/>")
        for each in ("iommu='on'", "ats='on'", "packed='on'", "queues='4'", "cache='none'")
    ),
    ("<serial>S1", "<address type='pci' domain='0' bus='0' slot='0x1d' function='0'/><serial>S1"),
    ("<wwn>", "<address type='drive' controller='0' bus='0' target='0' unit='3'/><wwn>"),
    ("model='virtio-scsi'", "model='lsilogic'"),
    ("<sound", "<controller type='scsi' index='1' model='virtio-scsi'/><sound"),
    ("ports='16'", "ports='8'"),
    ("ports='16'", "ports='16' vectors='4'"),
    ("11:22:33", "11:22:99"),
    ("<mac address='52:54:00:11:22:33'/><model type='virtio'/>",
     "<mac address='52:54:00:11:22:33'/><model type='e1000'/>"),
    ("<mac address='52:54:00:11:22:33'/>", "<mac address='52:54:00:11:22:33'/><driver rx_queue_size='512'/>"),
    ("<mtu size='9000'/>", "<mtu size='1500'/>"),
    (NIC, ""),
    ("<source network='default'/>", "<source network='other'/>"),
    ("<interface type='user'>", "<interface type='ethernet'>"),
    ("<input type='tablet'", "<input type='mouse'"),
    ("<input type='tablet' bus='virtio'/>", ""),
    ("<input type='tablet' bus='virtio'/>", "<input type='tablet' bus='ps2'/>"),
    ("<sound model='ich6'/>", "<sound model='ich9'/>"),
    ("<sound model='ich6'/>", ""),
    ("type='qxl' ram='65536'", "type='vga'"),
    (" ram='65536'", " ram='131072'"),
    (" vram='65536'", " vram='131072'"),
    ("vgamem='16384'", "vgamem='32768'"),
    ("heads='1'", "heads='2'"),
    ("<graphics type='vnc'/>", "<graphics type='vnc' port='5999' autoport='no'/>"),
    (HOSTDEV, ""),
    (HOSTDEV, HOSTDEV.replace("slot='5'", "slot='6'")),
    ("<parallel", "<serial type='null'><target port='1'/></serial><parallel"),
    (SERIAL, "<serial type='pty'><target port='2'/></serial>"),
    (SERIAL, "<serial type='null'><target port='0'/></serial>"),
    (SERIAL, "<serial type='pty'><target type='pci-serial' port='0'/></serial>"),
    ("<parallel type='null'><target port='0'/></parallel>", ""),
    ("<parallel type='null'><target port='0'/>", "<parallel type='null'><target port='1'/>"),
    ("org.qemu.guest_agent.0", "org.other.0"),
    ("port='4600'", "port='4601'"),
    (CHANNEL, ""),
    (WATCHDOG, ""),
    ("action='reset'", "action='poweroff'"),
    ("<memballoon model='virtio'/>", "<memballoon model='none'/>"),
    ("<memballoon model='virtio'/>", "<memballoon model='virtio' autodeflate='on'/>"),
    ("<memballoon model='virtio'/>", "<memballoon model='virtio' freePageReporting='on'/>"),
    ("<memballoon model='virtio'/>", "<memballoon model='virtio'><driver iommu='on'/></memballoon>"),
    ("<rng model='virtio'>", "<rng model='virtio-transitional'>"),
    ("/dev/urandom", "/dev/random"),
    (RNG, RNG * 2),
    ("<panic model='isa'/>", ""),
    ("<panic model='isa'/>", "<panic model='hyperv'/>"),
    ("name='shmem0'", "name='shmem0' role='peer'"),
    ("ivshmem-plain'/>", "ivshmem'/>"),
    ("<size unit='M'>4", "<size unit='M'>8"),
    ("shmem0", "shmem1"),
    ("tpm-tis", "tpm-crb"),
    ("/dev/tpm0", "/dev/tpm1"),
    (TPM, ""),
    ("tag1", "tag2"),
    ("<source dir='/srv'/>", "<source dir='/mnt'/>"),
    (FILESYSTEM, ""),
    ("<vsock model='virtio'>", "<vsock model='virtio-transitional'>"),
    ("address='7'", "address='8'"),
    (VSOCK, ""),
    ("<panic", "<iommu model='virtio'/><panic"),
)  # fmt: skip
"""What is exchanged in its definition."""

NUMA = """\
<maxMemory slots='4' unit='KiB'>1048576</maxMemory><cpu mode='custom' match='exact'><model>qemu64</model>
<numa><cell id='0' cpus='0-3' memory='65536' unit='KiB'/></numa></cpu>"""
LARGE = changed(
    xml(
        "web1",
        memory=128,
        vcpus=4,
        head=NUMA,
        devices="<memory model='dimm'><target><size unit='KiB'>65536</size><node>0</node></target></memory>",
    ),
    "<controller type='usb' model='none'/>",
    "<controller type='usb' model='nec-xhci'/>"
    "<input type='tablet' bus='usb'><address type='usb' bus='0' port='1'/></input>"
    "<redirdev bus='usb' type='tcp'><source mode='connect' host='localhost' service='4000'/>"
    "<address type='usb' bus='0' port='2'/></redirdev>",
)
LARGE.shown = "the large machine"

OF_LARGE = (
    ("1048576", "2097152"),
    ("slots='4'", "slots='8'"),
    ("cpus='0-3'", "cpus='0-2'"),
    ("cpus='0-3' memory='65536'", "cpus='0-3' memory='32768'"),
    ("model='nec-xhci'", "model='qemu-xhci'"),
    ("bus='usb'><address type='usb' bus='0' port='1'/>", "bus='virtio'>"),
    ("type='tcp'", "type='udp'"),
)


def script(ask):
    source, target = both(ask)
    for machine, others in ((MACHINE, OTHERS), (LARGE, OF_LARGE)):
        domain = ask(source.defineXML, machine)
        tried(ask, domain, target, [machine, *(changed(machine, *each) for each in others)])
        ask(domain.undefine)
    running(ask, source, target)
    saved(ask, source)
    redefined(ask, source)


def tried(ask, domain, target, definitions):
    """Migrate what is shut off by each definition."""
    for each in definitions:
        moved = ask(domain.migrate3, target, {"destination_xml": each}, OFFLINE)
        if moved:
            ask(moved.undefine)


def running(ask, source, target):
    """Migrate what runs, led in all ways."""
    nic = xml("web1", devices=NIC)
    for given, flags, way in (
        ({"destination_xml": changed(nic, "22:33", "22:99")}, LIVE, "led"),
        ({"destination_xml": changed(nic, "22:33", "22:99")}, LIVE, "p2p"),
        ({"destination_xml": xml("web1", current=32, devices=NIC)}, LIVE, "led"),
        ({"destination_xml": None}, LIVE, "led"),
        ({"persistent_xml": xml("web1", memory=96, vcpus=3)}, LIVE | PERSIST, "led"),
        ({"persistent_xml": xml("web1", memory=96, vcpus=3)}, LIVE | PERSIST, "p2p"),
    ):
        domain = ask(source.defineXML, nic)
        ask(domain.create)
        ask.await_guest("web1")
        params = {key: value or text(domain.XMLDesc(0), "its XML") for key, value in given.items()}
        if way == "led":
            ask(domain.migrate3, target, params, flags)
        else:
            ask(domain.migrateToURI3, ask.hosts["node2"].uri, params, flags | P2P)
        cleared(ask, source, target)


def saved(ask, source):
    """Change the definitions of images."""
    domain = ask(source.defineXML, xml("web1", devices=NIC))
    ask(domain.create)
    ask.await_guest("web1")
    for other in (changed(xml("web1", devices=NIC), "22:33", "22:99"), xml("web1", current=32, devices=NIC)):
        ask(domain.saveFlags, FILE, other, 0)
    ask(domain.save, FILE)
    for other in (
        changed(xml("web1", devices=NIC), "22:33", "22:99"),
        xml("web1", current=32, devices=NIC),
        xml("web1"),
    ):
        ask(source.saveImageDefineXML, FILE, other, 0)
        ask(source.restoreFlags, FILE, other, 0)
    ask(source.restore, FILE)
    ask(domain.managedSave, 0)
    ask(domain.managedSaveDefineXML, changed(xml("web1", devices=NIC), "22:33", "22:99"), 0)
    ask(domain.managedSaveRemove, 0)
    ask(domain.undefine)


def redefined(ask, source):
    """Describe a snapshot anew, as of another machine."""
    pool = ask(source.storagePoolCreateXML, pool_xml("images"), 1)
    ask(pool.createXML, volume_xml("a.qcow2", target=QCOW2), 0)
    domain = ask(source.defineXML, xml("web1", devices=DISK + NIC))
    ask(domain.snapshotCreateXML, "<domainsnapshot><name>s</name></domainsnapshot>", 0)
    snapshot = domain.snapshotLookupByName("s")
    said = snapshot.getXMLDesc(0)
    for name, old, new in (
        ("the same", "", ""),
        ("another MAC", "22:33", "22:99"),
        ("another memory", "65536", "98304"),
        ("another name", "<name>web1", "<name>web2"),
    ):
        ask(domain.snapshotCreateXML, text(said.replace(old, new) if old else said, name), REDEFINE)
    ask(domain.undefineFlags, libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
