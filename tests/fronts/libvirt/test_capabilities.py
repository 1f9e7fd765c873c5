"""What a host says of itself."""

import uuid
from math import prod

import pytest

from pytest_fakehv.fronts.libvirt.host.capabilities import Hardware
from pytest_fakehv.fronts.libvirt.host.domainxml.tree import read


def hardware(**options) -> Hardware:
    return Hardware(**{"name": "node1", "memory": 65536, "cpus": 16, **options})


@pytest.mark.parametrize(
    ("options", "figures"),
    [
        ({}, ("x86_64", 67108864, 16, 2600, 1, 1, 16, 1)),
        ({"sockets": 2}, ("x86_64", 67108864, 16, 2600, 1, 2, 8, 1)),
        ({"nodes": 2, "sockets": 2}, ("x86_64", 67108864, 16, 2600, 2, 1, 8, 1)),
        ({"nodes": 4, "sockets": 2}, ("x86_64", 67108864, 16, 2600, 4, 1, 4, 1)),
        ({"nodes": 2, "sockets": 4}, ("x86_64", 67108864, 16, 2600, 2, 2, 4, 1)),
        ({"cpus": 6, "nodes": 4}, ("x86_64", 67108864, 6, 2600, 1, 1, 6, 1)),
        ({"cpus": 1, "memory": 1}, ("x86_64", 1024, 1, 2600, 1, 1, 1, 1)),
    ],
)
def test_the_figures_make_up_the_cpus(options, figures):
    assert hardware(**options).figures == figures
    assert prod(figures[4:]) == figures[2]


def test_its_uuid_follows_from_its_name():
    assert hardware().uuid == hardware(memory=1).uuid == uuid.UUID("ce49b8c5-bae8-5ff7-be7a-f9077097a5a2")
    assert hardware(name="node2").uuid != hardware().uuid


def test_the_topology_has_each_cpu_and_all_memory_once():
    host = read(hardware(memory=3, cpus=4, nodes=4, sockets=4).capabilities()).child("host")
    cells = host.at("topology/cells")
    assert cells.attributes == {"num": "4"}
    assert [cell.child("memory").text for cell in cells.children] == ["768"] * 4
    cpus = [cpu.attributes for cell in cells.children for cpu in cell.child("cpus").children]
    assert [cpu["id"] for cpu in cpus] == ["0", "1", "2", "3"]
    assert [cpu["socket_id"] for cpu in cpus] == ["0", "1", "2", "3"]
    uneven = read(hardware(memory=1, cpus=3, nodes=3).capabilities()).at("host/topology/cells")
    assert [cell.child("memory").text for cell in uneven.children] == ["342", "341", "341"]


def test_what_it_can_do():
    text = hardware(cpus=2).capabilities()
    assert text.startswith(
        "<capabilities>\n"
        "\n"
        "  <host>\n"
        "    <uuid>ce49b8c5-bae8-5ff7-be7a-f9077097a5a2</uuid>\n"
        "    <cpu>\n"
        "      <arch>x86_64</arch>\n"
        "      <model>Skylake-Server</model>\n"
        "      <vendor>Intel</vendor>\n"
    )
    assert "    <migration_features>\n      <live/>\n" in text
    assert text.endswith(
        "  <guest>\n"
        "    <os_type>hvm</os_type>\n"
        "    <arch name='x86_64'>\n"
        "      <wordsize>64</wordsize>\n"
        "      <emulator>/usr/bin/qemu-system-x86_64</emulator>\n"
        "      <machine maxCpus='255'>pc-i440fx-7.2</machine>\n"
        "      <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>\n"
        "      <machine maxCpus='288'>pc-q35-7.2</machine>\n"
        "      <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>\n"
        "      <domain type='qemu'/>\n"
        "      <domain type='kvm'/>\n"
        "    </arch>\n"
        "    <features>\n"
        "      <acpi default='on' toggle='yes'/>\n"
        "      <apic default='on' toggle='no'/>\n"
        "      <cpuselection/>\n"
        "      <deviceboot/>\n"
        "      <disksnapshot default='on' toggle='no'/>\n"
        "    </features>\n"
        "  </guest>\n"
        "\n"
        "</capabilities>\n"
    )


def test_what_its_firmware_says():
    assert hardware(name="a<b").sysinfo() == (
        "<sysinfo type='smbios'>\n"
        "  <bios>\n"
        "    <entry name='vendor'>pytest-fakehv</entry>\n"
        "    <entry name='version'>1</entry>\n"
        "  </bios>\n"
        "  <system>\n"
        "    <entry name='manufacturer'>pytest-fakehv</entry>\n"
        "    <entry name='product'>Fake node</entry>\n"
        "    <entry name='serial'>a&lt;b</entry>\n"
        f"    <entry name='uuid'>{hardware(name='a<b').uuid}</entry>\n"
        "  </system>\n"
        "</sysinfo>\n"
    )
