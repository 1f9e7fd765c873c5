"""What a domain's definition says, how it changes, and how it looks while the domain runs."""

import pickle
import random
import re
import uuid
from functools import partial, reduce

import pytest
from documents import NOVA, OF_PROGRAMS, PLAIN, VIRT_INSTALL, parsed

from pytest_fakehv.fronts.libvirt.errors import LibvirtError
from pytest_fakehv.fronts.libvirt.host.definition import INACTIVE, MIGRATABLE, SECURE, Definition
from pytest_fakehv.fronts.libvirt.host.domainxml.running import Place
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import read


def with_devices(devices: str) -> Definition:
    inner = f"<memory>65536</memory><os><type>hvm</type></os><devices>{devices}</devices>"
    return parsed(f"<domain type='kvm'><name>web1</name>{inner}</domain>")


def devices_of(xml: str, *kinds: str) -> str:
    """Return the lines of a domain's devices of some kinds, without addresses."""
    lines, keeps = [], False
    for line in xml.splitlines():
        if line.startswith("    <") and not line.startswith("    </"):
            keeps = line[5:].partition(" ")[0].partition(">")[0] in kinds
        if keeps and line.startswith("    ") and "<address" not in line:
            lines.append(line[4:])
    return "\n".join(lines)


def test_what_it_says():
    definition = parsed(VIRT_INSTALL)
    assert definition.name == "web1"
    assert definition.uuid == uuid.UUID("7b55704c-29f4-11b2-a85c-9dc6ff50623f").bytes
    assert (definition.type, definition.os_type) == ("kvm", "hvm")
    assert (definition.architecture, definition.machine) == ("x86_64", "pc-q35-7.2")
    assert (definition.memory, definition.current_memory, definition.most_memory) == (2097152, 2097152, None)
    assert (definition.vcpus, definition.most_vcpus) == (2, 2)
    actions = (definition.on_poweroff, definition.on_reboot, definition.on_crash)
    assert actions == ("destroy", "restart", "destroy")
    assert (definition.title, definition.description) == (None, None)
    assert [each[:4] for each in definition.disks] == [("vda", "/images/web1.qcow2", "file", "disk")]
    assert definition.interfaces == (("52:54:00:7c:1f:2a", None, "network", "default", "virtio"),)
    assert definition.has_agent


def test_what_it_says_of_what_others_write():
    definition = parsed(OF_PROGRAMS["oVirt"])
    assert (definition.vcpus, definition.most_vcpus, definition.most_memory) == (2, 16, 33554432)
    assert not definition.has_agent
    nova = parsed(NOVA)
    assert [each[:4] for each in nova.disks] == [("vda", "vms/0f3a_disk", "network", "disk")]
    assert nova.interfaces == (("fa:16:3e:0b:12:34", "tap5f3c0d2e-9a", "bridge", "br-int", "virtio"),)
    empty = with_devices("<disk device='cdrom'><target dev='hdc'/></disk><interface type='user'/>")
    assert [each[:4] for each in empty.disks] == [("hdc", None, "file", "cdrom")]
    assert empty.interfaces[0][2:] == ("user", None, "rtl8139")
    dhcp = with_devices("<disk device='cdrom'><target dev='hdc'/><source startupPolicy='optional'/></disk>")
    assert dhcp.disks[0].source is None


def test_its_uuid_is_drawn_by_whoever_reads_it():
    xml = VIRT_INSTALL.replace("<uuid>7b55704c-29f4-11b2-a85c-9dc6ff50623f</uuid>", "")
    one, same, other = (
        Definition.parse(xml, partial(random.Random(seed).randbytes, 16)) for seed in (1, 1, 2)
    )
    assert one == same != other


def test_addresses_of_interfaces_follow_from_the_uuid_and_the_place():
    devices = "<interface/><interface/>"
    first, second = (each.mac for each in with_devices(devices).interfaces)
    assert first.startswith("52:54:00:")
    assert second.startswith("52:54:00:")
    assert first != second
    assert with_devices(devices) == with_devices(devices)
    other = Definition.parse(with_devices(devices).xml().replace("0000-00", "0000-01"), lambda: b"")
    assert other.interfaces[0].mac == first  # which once was drawn stays


def test_what_libvirt_does_not_know_of_a_device_is_read_again_as_it_is_written():
    devices = (
        "<interface type='user'><what/></interface><disk><what/><target dev='vda'/><source file='/a'/></disk>"
    )
    definition = with_devices(devices + "<console type='pty'><what/></console>")
    assert parsed(definition.xml()) == definition


def test_it_can_be_sent_to_another_process():
    definition = parsed(VIRT_INSTALL)
    definition.xml()
    assert pickle.loads(pickle.dumps(definition)) == definition


UNITS = {
    "b": 1, "byte": 1, "bytes": 1, "KB": 10**3, "k": 2**10, "KiB": 2**10, "MB": 10**6, "M": 2**20,
    "MiB": 2**20,
    "GB": 10**9, "G": 2**30, "GiB": 2**30, "TB": 10**12, "T": 2**40, "TiB": 2**40, "PiB": 2**50, "gib": 2**30,
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_memory_in_any_unit_is_rounded_up_to_kib(unit):
    size = 3 * 10**6 if UNITS[unit] < 10**6 else 3
    element = f"<memory unit='{unit}'>{size}</memory>"
    xml = f"<domain type='kvm'><name>a</name>{element}<os><type>hvm</type></os></domain>"
    assert parsed(xml).memory == -(-size * UNITS[unit] // 1024)


LONG = "n" * 248
FILE_OF_LONG = f"/etc/libvirt/qemu/{LONG}.xml.new"


class TestACopyThatDiffers:
    definition = parsed(PLAIN)

    def test_in_memory(self):
        assert self.definition.with_memory(131072).xml() == PLAIN.replace(
            "<memory unit='KiB'>65536<", "<memory unit='KiB'>131072<"
        )
        assert self.definition.with_memory(1024).current_memory == 1024
        assert self.definition.with_current_memory(1024).xml() == PLAIN.replace(
            "<currentMemory unit='KiB'>65536<", "<currentMemory unit='KiB'>1024<"
        )

    def test_in_virtual_cpus(self):
        more = self.definition.with_most_vcpus(4)
        assert (more.vcpus, more.most_vcpus) == (1, 4)
        assert "  <vcpu placement='static' current='1'>4</vcpu>\n" in more.xml()
        assert "  <vcpu placement='static'>4</vcpu>\n" in more.with_vcpus(4).xml()
        assert more.with_vcpus(4).with_most_vcpus(2).vcpus == 2

    def test_in_title_and_description(self):
        told = self.definition.with_title("A title").with_description("a\nb")
        assert (told.title, told.description) == ("A title", "a\nb")
        assert "</uuid>\n  <title>A title</title>\n  <description>a\nb</description>\n  <mem" in told.xml()
        assert told.with_title("").with_description(None) == self.definition

    def test_in_name(self):
        assert self.definition.renamed("web2").xml() == PLAIN.replace("<name>plain<", "<name>web2<")

    @pytest.mark.parametrize(
        ("name", "code", "origin", "message"),
        [
            ("a/b", 27, 10, "XML error: name a/b cannot contain '/'"),
            ("a\nb", 35, 5, "invalid char in name: \n"),
            (".", 38, 0, "Cannot delete directory '/var/lib/libvirt/qemu/snapshot/.': Invalid argument"),
            (LONG, 38, 0, f"Failed to create file '{FILE_OF_LONG}': File name too long"),
        ],
    )
    def test_in_a_name_that_no_domain_has(self, name, code, origin, message):
        with pytest.raises(LibvirtError) as caught:
            self.definition.renamed(name)
        error = caught.value
        assert (error.code, error.domain, error.message) == (code, origin, message)


class TestMetadata:
    definition = parsed(PLAIN)

    @pytest.mark.parametrize(
        ("given", "kept", "told"),
        [
            ("<x/>", '<k:x xmlns:k="urn:a"/>', "<x/>"),
            ("<x a='1'><y/>t</x>", '<k:x xmlns:k="urn:a" a="1"><k:y/>t</k:x>', '<x a="1"><y/>t</x>'),
            (" <x> a </x> ", '<k:x xmlns:k="urn:a"> a </k:x>', "<x> a </x>"),
            (
                "<x><y xmlns='urn:q'><z/></y></x>",
                '<k:x xmlns:k="urn:a">\n      <y xmlns="urn:q">\n        <z/>\n      </y>\n    </k:x>',
                '<x>\n  <y xmlns="urn:q">\n    <z/>\n  </y>\n</x>',
            ),
            (
                "<p:x xmlns:p='urn:z'><p:y/></p:x>",
                '<p:x xmlns:k="urn:a" xmlns:p="urn:z">\n      <p:y/>\n    </p:x>',
                None,
            ),
        ],
    )
    def test_an_element_is_kept_under_its_prefix_and_told_without(self, given, kept, told):
        definition = self.definition.with_metadata("urn:a", "k", given)
        assert f"</uuid>\n  <metadata>\n    {kept}\n  </metadata>\n  <memory" in definition.xml()
        assert definition.metadata("urn:a") == told

    def test_each_namespace_has_one(self):
        both = self.definition.with_metadata("urn:a", "a", "<x/>").with_metadata("urn:b", "b", "<y/>")
        assert both.metadata("urn:a") == "<x/>"
        assert both.with_metadata("urn:a", "a", "<z/>").metadata("urn:a") == "<z/>"
        assert both.with_metadata("urn:a", "a", None).metadata("urn:a") is None
        assert both.with_metadata("urn:a", "a", None).metadata("urn:b") == "<y/>"
        assert both.with_metadata("urn:a", "a", None).with_metadata("urn:b", "b", None) == self.definition
        assert self.definition.metadata("urn:a") is None

    def test_what_a_user_wrote_is_told(self):
        metadata = "<metadata><a:x><a:y b:k='1'/></a:x><z xmlns='urn:z'><w/></z><nobodys/></metadata>"
        xml = PLAIN.replace(
            "<domain type='qemu'>", "<domain type='qemu' xmlns:a='urn:a' xmlns:b='urn:b' xmlns:c='urn:c'>"
        ).replace("  <memory", f"  {metadata}\n  <memory")
        definition = parsed(xml)
        assert definition.metadata("urn:a") == '<x>\n  <y b:k="1"/>\n</x>'
        assert definition.metadata("urn:z") == "<z>\n  <w/>\n</z>"
        assert '  <metadata xmlns:a="urn:a" xmlns:b="urn:b">\n    <a:x>\n' in definition.xml()
        assert "nobodys" not in definition.xml()

    @pytest.mark.parametrize(
        ("given", "key", "code", "origin", "message"),
        [
            ("<a", "k", 35, 20, "(metadata_xml):1: Couldn't find end of Start Tag a line 1\n<a\n--^"),
            ("", "k", 35, 20, "(metadata_xml):1: Document is empty\n(null)\n^"),
            ("<x/>", "a b", 1, 5, "internal error: failed to validate prefix for a new XML namespace"),
            ("<x xmlns:k='urn:b'/>", "k", 1, 5, "internal error: failed to create a new XML namespace"),
        ],
    )
    def test_a_wrong_one_is_refused(self, given, key, code, origin, message):
        with pytest.raises(LibvirtError) as caught:
            self.definition.with_metadata("urn:a", key, given)
        error = caught.value
        assert (error.code, error.domain, error.message) == (code, origin, message)


class TestWhileItRuns:
    def test_it_has_an_id_and_labels(self):
        text = parsed(PLAIN).xml(place=Place(7))
        assert text.startswith("<domain type='qemu' id='7'>\n")
        assert "</vcpu>\n  <resource>\n    <partition>/machine</partition>\n  </resource>\n  <os>\n" in text
        assert text.endswith(
            "  </devices>\n"
            "  <seclabel type='dynamic' model='dac' relabel='yes'>\n"
            "    <label>+64055:+64055</label>\n"
            "    <imagelabel>+64055:+64055</imagelabel>\n"
            "  </seclabel>\n"
            "</domain>\n"
        )

    def test_what_the_user_says_of_them_stays(self):
        xml = PLAIN.replace("  <os>", "  <resource><partition>/x</partition></resource>\n  <os>").replace(
            "  </devices>\n", "  </devices>\n  <seclabel type='none'/>\n"
        )
        text = parsed(xml).xml(place=Place(1))
        assert "/machine" not in text
        assert text.endswith("  </devices>\n  <seclabel type='none' model='none'/>\n</domain>\n")

    def test_interfaces_have_devices_on_the_host(self):
        bridge = "<interface type='bridge'><source bridge='br0'/></interface>"
        named = bridge.replace("<source", "<target dev='tap9'/><source")
        direct = "<interface type='direct'><source dev='eth0'/><alias name='ua-d'/></interface>"
        definition = with_devices(bridge + named + direct + "<interface type='user'/>" + bridge)
        text = devices_of(definition.xml(place=Place(1, tap=3)), "interface")
        assert [line.strip() for line in text.splitlines() if "target" in line or "alias" in line] == [
            "<target dev='vnet3'/>",
            "<alias name='net0'/>",
            "<target dev='tap9'/>",
            "<alias name='net1'/>",
            "<target dev='macvtap4'/>",
            "<alias name='ua-d'/>",
            "<alias name='net3'/>",
            "<target dev='vnet5'/>",
            "<alias name='net4'/>",
        ]
        assert definition.taps == 3

    def test_lines_have_terminals_and_channels_sockets(self):
        definition = with_devices(
            "<serial type='pty'/><console type='pty'><target type='virtio'/></console><parallel type='pty'/>"
            "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
            "<channel type='unix'><source path='/x'/><target type='virtio'/></channel>"
            "<channel type='unix'><target type='virtio'/></channel>"
            "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
            "<graphics type='spice'/>"
        )
        text = devices_of(
            definition.xml(place=Place(2, terminal=4)), "serial", "parallel", "console", "channel"
        )
        assert (
            text
            == """\
<serial type='pty'>
  <source path='/dev/pts/4'/>
  <target type='isa-serial' port='0'>
    <model name='isa-serial'/>
  </target>
  <alias name='serial0'/>
</serial>
<parallel type='pty'>
  <source path='/dev/pts/5'/>
  <target port='0'/>
  <alias name='parallel0'/>
</parallel>
<console type='pty' tty='/dev/pts/4'>
  <source path='/dev/pts/4'/>
  <target type='serial' port='0'/>
  <alias name='serial0'/>
</console>
<console type='pty' tty='/dev/pts/6'>
  <source path='/dev/pts/6'/>
  <target type='virtio' port='0'/>
  <alias name='console1'/>
</console>
<channel type='unix'>
  <source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-2-web1/org.qemu.guest_agent.0'/>
  <target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>
  <alias name='channel0'/>
</channel>
<channel type='unix'>
  <source path='/x'/>
  <target type='virtio'/>
  <alias name='channel1'/>
</channel>
<channel type='unix'>
  <source mode='bind' path='/var/lib/libvirt/qemu/channel/target/domain-2-web1/channel'/>
  <target type='virtio'/>
  <alias name='channel2'/>
</channel>
<channel type='spicevmc'>
  <target type='virtio' name='com.redhat.spice.0'/>
  <alias name='channel3'/>
</channel>"""
        )
        assert definition.terminals == 3

    def test_a_serial_line_to_a_file_has_no_terminal(self):
        definition = with_devices("<serial type='file'><source path='/log'/></serial>")
        assert devices_of(definition.xml(place=Place(1)), "console") == (
            "<console type='file'>\n  <source path='/log'/>\n  <target type='serial' port='0'/>\n"
            "  <alias name='serial0'/>\n</console>"
        )
        assert definition.terminals == 0

    def test_screens_have_ports(self):
        definition = with_devices(
            "<graphics type='vnc' passwd='hush'/><graphics type='spice' autoport='yes' listen='::'/>"
            "<graphics type='vnc' port='5999'/><graphics type='vnc' socket='/s'/><graphics type='sdl'/>"
        )
        assert (
            devices_of(definition.xml(flags=SECURE, place=Place(1, port=5903)), "graphics")
            == """\
<graphics type='vnc' port='5903' autoport='yes' listen='127.0.0.1' passwd='hush'>
  <listen type='address' address='127.0.0.1'/>
</graphics>
<graphics type='spice' port='5904' autoport='yes' listen='::'>
  <listen type='address' address='::'/>
</graphics>
<graphics type='vnc' port='5999' autoport='no' listen='127.0.0.1'>
  <listen type='address' address='127.0.0.1'/>
</graphics>
<graphics type='vnc' socket='/s'>
  <listen type='socket' socket='/s'/>
</graphics>
<graphics type='sdl'/>"""
        )
        assert definition.ports == 2

    def test_disks_and_controllers_are_named(self):
        definition = with_devices(
            "<disk><source file='/a'/><target dev='vdb'/></disk>"
            "<disk device='cdrom'><target dev='hdc'/></disk>"
            "<disk><source file='/b'/><target dev='sdb'/></disk>"
            "<controller type='pci' index='1' model='pci-bridge'/>"
        )
        text = devices_of(definition.xml(place=Place(1)), "disk", "controller")
        assert [line for line in text.splitlines() if "alias" in line] == [
            f"  <alias name='{name}'/>"
            for name in ("virtio-disk1", "ide0-1-0", "scsi0-0-1", "pci.1", "usb", "scsi0", "ide")
        ]
        assert "<driver name='qemu'/>\n  <target dev='hdc'" in text  # nothing is in it that has a format
        q35 = devices_of(parsed(VIRT_INSTALL).xml(place=Place(1)), "controller")
        assert re.findall("alias name='(.*)'", q35) == ["usb", "pcie.0", "pci.1", "ide", "virtio-serial0"]

    def test_sources_of_disks_are_numbered_from_the_last(self):
        empty = "<disk device='cdrom'><target dev='hdc'/></disk>"
        disks = f"<disk><source file='/a'/><target dev='vda'/></disk>{empty}"
        kept = "<disk><source file='/b'/><backingStore type='file'/><target dev='vdb'/></disk>"
        text = devices_of(with_devices(disks + kept).xml(place=Place(1)), "disk")
        assert re.findall("<(?:source|backing).*", text) == [
            "<source file='/a' index='3'/>",
            "<backingStore/>",
            "<source file='/b' index='2'/>",
            "<backingStore type='file'/>",
        ]

    @pytest.mark.parametrize(
        ("cpu", "runs"),
        [
            ("", ["qemu64", "hypervisor", "lahf_lm"]),
            ("<cpu><model>EPYC</model></cpu>", ["EPYC", "hypervisor"]),
            ("<cpu><model>EPYC</model><feature name='hypervisor'/></cpu>", ["EPYC", "hypervisor"]),
            ("<cpu check='partial'><model>EPYC</model></cpu>", ["EPYC"]),
            ("<cpu mode='host-model'/>", []),
        ],
    )
    def test_qemu_says_what_the_cpu_has(self, cpu, runs):
        xml = f"<domain type='qemu'><name>a</name><memory>1</memory><os><type>hvm</type></os>{cpu}</domain>"
        found = read(parsed(xml).xml(place=Place(1))).child("cpu")
        assert (found.attributes.get("check") == "full") == ("hypervisor" in runs)
        assert [each.text or each.attributes["name"] for each in found.children] == runs

    def test_what_has_no_name_has_none(self):
        text = with_devices("<panic model='isa'/><lease/>").xml(place=Place(1))
        assert "    <panic model='isa'/>\n" in text
        assert "    <lease/>\n" in text

    @pytest.mark.parametrize("program", OF_PROGRAMS)
    def test_defined_anew_it_is_as_it_was(self, program):
        definition = parsed(OF_PROGRAMS[program])
        text = definition.xml(flags=SECURE, place=Place(3))
        again = parsed(text.replace(" check='full'>", " check='none'>"))
        may_stay = (
            "  <resource>\n    <partition>/machine</partition>\n  </resource>\n",
            "  <seclabel type='dynamic' model='dac' relabel='yes'/>\n",
            " listen='127.0.0.1'",
            " address='127.0.0.1'",
            "      <backingStore/>\n",
            "    <feature policy='require' name='hypervisor'/>\n",
            "    <feature policy='require' name='lahf_lm'/>\n",
        )
        old, new = (
            reduce(lambda text, each: text.replace(each, ""), may_stay, each.xml(flags=SECURE))
            for each in (definition, again)
        )
        assert new == old


class TestFlags:
    definition = with_devices("<graphics type='vnc' passwd='hush'/>")
    place = Place(1)

    @pytest.mark.parametrize(
        ("flags", "runs", "has_password"),
        [(0, True, False), (SECURE, True, True), (INACTIVE, False, False), (MIGRATABLE, False, True)],
    )
    def test_what_they_show_of_one_that_runs(self, flags, runs, has_password):
        text = self.definition.xml(flags, self.place)
        assert text.startswith("<domain type='kvm' id='1'>\n") == ("vnc' port='5900'" in text) == runs
        assert (" passwd='hush'" in text) == has_password

    def test_it_is_written_once(self):
        text = self.definition.xml(0, self.place)
        assert self.definition.xml(0, self.place) is text
        for number in range(10):
            self.definition.xml(0, Place(number))
        assert self.definition.xml(0, self.place) == text


class TestSlots:
    def test_where_all_are_taken_devices_have_none(self):
        text = with_devices("<interface/>" * 40).xml()
        slots = re.findall("slot='(0x..)'", text)
        assert slots == [*(f"0x{slot:02x}" for slot in (1, *range(2, 32)))]

    def test_what_is_no_number_takes_none(self):
        text = with_devices("<interface><address type='pci' slot='first'/></interface><interface/>").xml()
        assert re.findall("slot='(.*?)'", text) == ["0x01", "first", "0x02", "0x03"]


class TestAsAnotherHostTakesItOver:
    def test_what_every_host_has_is_left_out(self):
        definition = parsed(PLAIN)
        text = definition.xml(MIGRATABLE)
        assert devices_of(text, "controller", "input", "audio", "memballoon") == (
            "<input type='mouse' bus='ps2'/>\n<memballoon model='virtio'>\n</memballoon>"
        )
        assert "/machine" not in text
        assert "<partition>/machine</partition>" in definition.xml(MIGRATABLE, Place(1))
        assert "id=" not in definition.xml(MIGRATABLE, Place(1)).splitlines()[0]

    def test_disks_of_one_that_runs_have_nothing_beneath(self):
        disk = "<disk><source file='/a'/><target dev='vda'/></disk>"
        definition = with_devices(f"{disk}<disk device='cdrom'><target dev='hdc'/></disk>")
        assert "backingStore" not in definition.xml(MIGRATABLE)
        assert devices_of(definition.xml(MIGRATABLE, Place(1)), "disk") == (
            "<disk type='file' device='disk'>\n"
            "  <driver name='qemu' type='raw'/>\n"
            "  <source file='/a'/>\n"
            "  <backingStore/>\n"
            "  <target dev='vda' bus='virtio'/>\n"
            "</disk>\n"
            "<disk type='file' device='cdrom'>\n"
            "  <driver name='qemu' type='raw'/>\n"
            "  <target dev='hdc' bus='ide'/>\n"
            "  <readonly/>\n"
            "</disk>"
        )
