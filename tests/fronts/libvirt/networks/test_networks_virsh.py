"""virsh's commands for networks, and virt-install, in processes of their own."""

import shutil
import subprocess

import pytest
from connected import domain, network, nic, uuid_of

pytestmark = pytest.mark.skipif(
    not shutil.which("virsh"), reason="needs virsh: apt-get install libvirt-clients"
)

LAN = network("lan", dhcp="<range start='10.1.0.2' end='10.1.0.9'/>")


@pytest.fixture
def virsh(front, monkeypatch):
    """Run commands of virsh's in a row; return what it printed, without blanks and lines that lay it out."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("LC_ALL", "C")

    def virsh(*commands):
        command = ["virsh", "-c", front.uri("node1"), "; ".join(commands)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        said = done.stdout + done.stderr
        return [" ".join(line.split()) for line in said.splitlines() if line.strip(" -")]

    return virsh


def test_a_network_is_defined_started_and_taken_down(virsh, tmp_path):
    file = tmp_path / "lan.xml"
    file.write_text(LAN)
    assert virsh(
        f"net-define {file}", "net-autostart lan", "net-start lan", "net-list", "net-info lan",
        "net-uuid lan", f"net-name {uuid_of('lan')}", "net-autostart lan --disable", "net-destroy lan",
        "net-list --inactive", "net-undefine lan", "net-list --all --name",
    ) == [
        f"Network lan defined from {file}",
        "Network lan marked as autostarted",
        "Network lan started",
        "Name State Autostart Persistent",
        "default active yes yes",
        "lan active yes yes",
        "Name: lan",
        f"UUID: {uuid_of('lan')}",
        "Active: yes",
        "Persistent: yes",
        "Autostart: yes",
        "Bridge: virbr1",
        uuid_of("lan"),
        "lan",
        "Network lan unmarked as autostarted",
        "Network lan destroyed",
        "Name State Autostart Persistent",
        "lan inactive no yes",
        "Network lan has been undefined",
        "default",
    ]  # fmt: skip


def test_a_network_is_created_and_updated(virsh, tmp_path):
    file = tmp_path / "lan.xml"
    file.write_text(LAN)
    host = "<host mac='52:54:00:00:00:01' ip='10.1.0.77'/>"
    assert virsh(
        f"net-create {file}", f'net-update lan add ip-dhcp-host "{host}" --live',
        f'net-update lan delete ip-dhcp-host "{host}"', "net-destroy lan", "net-info lan",
    ) == [
        f"Network lan created from {file}",
        "Updated network lan live state",
        "Updated network lan live state",
        "Network lan destroyed",
        "error: failed to get network 'lan'",
        "error: Network not found: no network with matching name 'lan'",
    ]  # fmt: skip


def test_a_network_is_edited(virsh, default, monkeypatch):
    monkeypatch.setenv("EDITOR", "sed -i s/122.254/122.200/")
    assert virsh("net-edit default") == ["Network default XML configuration edited."]
    assert ["122.200" in default.XMLDesc(flags) for flags in (0, 1)] == [False, True]


def test_the_addresses_of_a_guest(virsh, node1):
    node1.createXML(domain("web1", nic(1)))
    assert virsh(
        "net-dhcp-leases default", "domifaddr web1", "domifaddr web1 --source arp", "domiflist web1"
    ) == [
        "Expiry Time MAC address Protocol IP address Hostname Client ID or DUID",
        "1970-01-01 01:00:00 52:54:00:00:00:01 ipv4 192.168.122.151/24 web1 01:52:54:00:00:00:01",
        "Name MAC address Protocol Address",
        "vnet0 52:54:00:00:00:01 ipv4 192.168.122.151/24",
        "Name MAC address Protocol Address",
        "vnet0 52:54:00:00:00:01 ipv4 192.168.122.151/0",
        "Interface Type Source Model MAC",
        "vnet0 network default rtl8139 52:54:00:00:00:01",
    ]
    assert virsh("domifaddr web1 --source agent") == [
        "error: Failed to query for interfaces addresses",
        "error: argument unsupported: QEMU guest agent is not configured",
    ]


def test_a_network_as_xml(virsh, default):
    assert virsh("net-dumpxml default --inactive") == list(map(str.strip, default.XMLDesc(1).splitlines()))


def test_what_is_not_there_is_refused_by_its_name(virsh):
    assert virsh("net-port-list default") == [
        "error: this function is not supported by the connection driver: virNetworkListAllPorts",
    ]


@pytest.mark.skipif(not shutil.which("virt-install"), reason="needs virt-install: apt-get install virtinst")
def test_virt_install_finds_a_network_and_its_guest_gets_an_address(front, node1):
    command = [
        "virt-install", "--connect", front.uri("node1"), "--name", "web1", "--memory", "512", "--import",
        "--disk", "none", "--graphics", "none", "--noautoconsole", "--osinfo", "detect=off,require=off",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [each["hostname"] for each in node1.networkLookupByName("default").DHCPLeases()] == ["web1"]
