"""XML of domains: the least, and what programs write."""

from pytest_fakehv.fronts.libvirt.host.definition import Definition

PLAIN = """\
<domain type='qemu'>
  <name>plain</name>
  <uuid>00000000-0000-0000-0000-000000000000</uuid>
  <memory unit='KiB'>65536</memory>
  <currentMemory unit='KiB'>65536</currentMemory>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
    <boot dev='hd'/>
  </os>
  <cpu mode='custom' match='exact' check='none'>
    <model fallback='forbid'>qemu64</model>
  </cpu>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' index='0' model='piix3-uhci'>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x2'/>
    </controller>
    <controller type='pci' index='0' model='pci-root'/>
    <input type='mouse' bus='ps2'/>
    <input type='keyboard' bus='ps2'/>
    <audio id='1' type='none'/>
    <memballoon model='virtio'>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </memballoon>
  </devices>
</domain>
"""
"""What a real daemon makes of the least that a user can write."""


VIRT_INSTALL = """
<domain type="kvm">
  <name>web1</name>
  <uuid>7b55704c-29f4-11b2-a85c-9dc6ff50623f</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory>2097152</memory>
  <currentMemory>2097152</currentMemory>
  <vcpu>2</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <boot dev="hd"/>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode="host-passthrough"/>
  <clock offset="utc">
    <timer name="rtc" tickpolicy="catchup"/>
    <timer name="hpet" present="no"/>
  </clock>
  <pm><suspend-to-mem enabled="no"/></pm>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" discard="unmap"/>
      <source file="/images/web1.qcow2"/>
      <target dev="vda" bus="virtio"/>
    </disk>
    <controller type="usb" model="qemu-xhci" ports="15"/>
    <controller type="pci" model="pcie-root"/>
    <controller type="pci" model="pcie-root-port"/>
    <interface type="network">
      <source network="default"/>
      <mac address="52:54:00:7c:1f:2a"/>
      <model type="virtio"/>
    </interface>
    <console type="pty"/>
    <channel type="unix">
      <source mode="bind"/>
      <target type="virtio" name="org.qemu.guest_agent.0"/>
    </channel>
    <memballoon model="virtio"/>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
  </devices>
</domain>
"""

NOVA = """
<domain type="kvm">
  <uuid>0f3a5b1c-41f7-4fb2-9c0a-3a6f4c1e2d11</uuid>
  <name>instance-0000002a</name>
  <memory>4194304</memory>
  <vcpu>4</vcpu>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:package version="27.1.0"/>
      <nova:name>db &amp; cache</nova:name>
      <nova:flavor name="m1.medium"><nova:memory>4096</nova:memory></nova:flavor>
    </nova:instance>
  </metadata>
  <sysinfo type="smbios"><system><entry name="product">OpenStack Nova</entry></system></sysinfo>
  <os>
    <type machine="pc">hvm</type>
    <boot dev="hd"/>
    <smbios mode="sysinfo"/>
  </os>
  <features><acpi/><apic/><vmcoreinfo state="on"/></features>
  <cputune><shares>4096</shares></cputune>
  <clock offset="utc"><timer name="pit" tickpolicy="delay"/></clock>
  <cpu mode="host-model" match="exact"><topology sockets="4" cores="1" threads="1"/></cpu>
  <devices>
    <disk type="network" device="disk">
      <driver type="raw" cache="writeback"/>
      <source protocol="rbd" name="vms/0f3a_disk"><host name="10.0.0.1" port="6789"/></source>
      <auth username="cinder"><secret type="ceph" uuid="457eb676-33da-42ec-9a8c-9293d545c337"/></auth>
      <target bus="virtio" dev="vda"/>
    </disk>
    <interface type="bridge">
      <mac address="FA:16:3E:0b:12:34"/>
      <model type="virtio"/>
      <source bridge="br-int"/>
      <mtu size="1450"/>
      <target dev="tap5f3c0d2e-9a"/>
      <virtualport type="openvswitch">
        <parameters interfaceid="5f3c0d2e-9a1b-4c5d-8e7f-0a1b2c3d4e5f"/>
      </virtualport>
    </interface>
    <serial type="pty"><log file="/var/lib/nova/console.log" append="off"/></serial>
    <graphics type="vnc" autoport="yes" listen="0.0.0.0"/>
    <video><model type="virtio"/></video>
    <memballoon model="virtio"><stats period="10"/></memballoon>
  </devices>
</domain>
"""

TERRAFORM = """
<domain type="kvm">
  <name>worker-0</name>
  <memory unit="MiB">1536</memory>
  <vcpu>1</vcpu>
  <os><type arch="x86_64" machine="pc">hvm</type></os>
  <features><pae/><acpi/><apic/></features>
  <cpu></cpu>
  <devices>
    <emulator>/usr/bin/kvm</emulator>
    <disk type="volume" device="disk">
      <driver name="qemu" type="qcow2"/>
      <source pool="default" volume="worker-0.qcow2"/>
      <target dev="vda" bus="virtio"/>
    </disk>
    <disk type="file" device="cdrom">
      <driver name="qemu" type="raw"/>
      <source file="/images/cloudinit.iso"/>
      <target dev="hda" bus="ide"/>
      <serial>cloudinit</serial>
    </disk>
    <interface type="network"><source network="k8s"/><model type="virtio"/></interface>
    <console type="pty"><target type="serial" port="0"/></console>
    <channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
    <graphics type="spice" autoport="yes"><listen type="address" address="127.0.0.1"/></graphics>
    <rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
  </devices>
</domain>
"""

OVIRT = """
<domain type="kvm" xmlns:ns0="http://ovirt.org/vm/tune/1.0" xmlns:ovirt-vm="http://ovirt.org/vm/1.0">
  <name>erp</name>
  <uuid>b1f0a6c4-4c8e-4a39-8a35-5f6c7d8e9f00</uuid>
  <memory>8388608</memory>
  <currentMemory>6291456</currentMemory>
  <iothreads>1</iothreads>
  <maxMemory slots="16">33554432</maxMemory>
  <vcpu current="2">16</vcpu>
  <sysinfo type="smbios"><system><entry name="manufacturer">oVirt</entry></system></sysinfo>
  <clock offset="variable" adjustment="0"><timer name="rtc" tickpolicy="catchup"/></clock>
  <features><acpi/></features>
  <cpu match="exact">
    <model>Skylake-Client</model>
    <feature name="pcid" policy="require"/>
    <topology cores="1" threads="1" sockets="16"/>
    <numa><cell id="0" cpus="0-15" memory="8388608"/></numa>
  </cpu>
  <devices>
    <input type="tablet" bus="usb"/>
    <channel type="unix">
      <target type="virtio" name="ovirt-guest-agent.0"/>
      <source type="unix" mode="bind" path="/var/lib/libvirt/qemu/channels/b1f0.ovirt-guest-agent.0"/>
    </channel>
    <controller type="scsi" model="virtio-scsi" index="0">
      <driver iothread="1"/>
      <alias name="ua-1"/>
    </controller>
    <graphics type="vnc" autoport="yes" passwd="*****" passwdValidTo="1970-01-01T00:00:01" keymap="en-us">
      <listen type="network" network="vdsm-ovirtmgmt"/>
    </graphics>
    <interface type="bridge">
      <model type="virtio"/>
      <link state="up"/>
      <source bridge="ovirtmgmt"/>
      <alias name="ua-2"/>
      <boot order="2"/>
      <mac address="56:6f:1a:2b:00:01"/>
    </interface>
    <disk type="block" device="disk" snapshot="no">
      <target dev="sda" bus="scsi"/>
      <source dev="/rhev/data-center/x/y"/>
      <driver name="qemu" io="native" type="raw" error_policy="stop" cache="none"/>
      <boot order="1"/>
      <serial>1d2c3b4a</serial>
    </disk>
  </devices>
  <pm><suspend-to-disk enabled="no"/></pm>
  <os><type arch="x86_64" machine="pc-q35-rhel8.6.0">hvm</type><smbios mode="sysinfo"/></os>
  <metadata>
    <ns0:qos/>
    <ovirt-vm:vm>
      <ovirt-vm:minGuaranteedMemoryMb type="int">1024</ovirt-vm:minGuaranteedMemoryMb>
    </ovirt-vm:vm>
  </metadata>
</domain>
"""

VAGRANT = """
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>box_default</name>
  <title></title>
  <description>Source: /home/me/box/Vagrantfile</description>
  <memory unit='M'>512</memory>
  <vcpu>1</vcpu>
  <cpu mode='host-passthrough'><cache mode='passthrough'/></cpu>
  <os><type>hvm</type><kernel></kernel><initrd></initrd><cmdline></cmdline></os>
  <features><acpi/><apic/><pae/></features>
  <clock offset='utc'></clock>
  <devices>
    <disk type='file' device='disk'>
      <alias name='ua-box-volume-0'/>
      <driver name='qemu' type='qcow2' cache='default'/>
      <source file='/images/box_default.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <alias name='ua-net-0'/>
      <source network='vagrant-libvirt'/>
      <target dev='vnet0'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target port='0'/></console>
    <input type='mouse' bus='ps2'/>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1' keymap='en-us'/>
    <video><model type='cirrus' vram='16384' heads='1'/></video>
  </devices>
  <qemu:commandline><qemu:arg value='-device'/><qemu:arg value='dummy'/></qemu:commandline>
</domain>
"""

OF_PROGRAMS = {
    "virt-install": VIRT_INSTALL,
    "nova": NOVA,
    "terraform": TERRAFORM,
    "oVirt": OVIRT,
    "Vagrant": VAGRANT,
}


def parsed(xml: str) -> Definition:
    return Definition.parse(xml, lambda: bytes(16))
