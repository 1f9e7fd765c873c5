"""What virsh prints of networks."""

from oracle.definitions import network_xml, xml
from oracle.scripts.networks import nic


def script(ask):
    connection = ask.connect()
    for command in ("net-list", "net-list --all", "net-info default", "net-dumpxml default"):
        ask.virsh(*command.split())
    ask(connection.networkDefineXML, network_xml("lan"))
    for command in (
        "net-start lan", "net-start lan", "net-autostart lan", "net-list", "net-list --autostart",
        "net-list --transient", "net-list --all --uuid", "net-list --name", "net-info lan", "net-uuid lan",
        "net-dumpxml lan", "net-dumpxml lan --inactive", "net-dhcp-leases lan",
        "net-dhcp-leases lan 52:54:00:00:00:01",
    ):  # fmt: skip
        ask.virsh(*command.split())
    host = "<host mac='52:54:00:00:00:01' name='web1' ip='10.1.0.20'/>"
    for how in ("--live", "--config", "--live --config", ""):
        ask.virsh("net-update", "lan", "add", "ip-dhcp-host", host, *how.split())
        ask.virsh("net-update", "lan", "delete", "ip-dhcp-host", host, *how.split())
    ask.virsh("net-update", "lan", "add", "bridge", "<bridge/>")
    ask.virsh("net-update", "lan", "add", "nosuch", "<bridge/>")
    ask(connection.createXML, xml("web1", devices=nic(1, "lan")), 0)
    for command in (
        "net-dumpxml lan", "domiflist web1", "domifaddr web1", "domifaddr web1 --source agent",
        "domifaddr nosuch", "net-autostart lan --disable", "net-destroy lan", "net-destroy lan",
        "net-list --inactive", "net-undefine lan", "net-undefine lan", "net-info lan", "domifaddr web1",
    ):  # fmt: skip
        ask.virsh(*command.split())
