"""What a guest's agent answers, and what becomes of an agent that doesn't."""

import json

import libvirt
import libvirt_qemu

from oracle.definitions import xml
from oracle.scripts.migrating import LIVE, P2P

AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"

DISK = {
    "name": "vda1", "mountpoint": "/", "type": "ext4", "total-bytes": 4000, "used-bytes": 1000,
    "disk": [
        {
            "bus-type": "virtio", "bus": 0, "target": 0, "unit": 0, "dev": "/dev/vda1", "serial": "abc",
            "pci-controller": {"domain": 0, "bus": 0, "slot": 7, "function": 0},
        }
    ],
}  # fmt: skip
BOOT = {"name": "vda2", "mountpoint": "/boot", "type": "vfat", "disk": []}
SOCKETS = [
    {
        "name": "lo",
        "hardware-address": "00:00:00:00:00:00",
        "ip-addresses": [
            {"ip-address": "127.0.0.1", "ip-address-type": "ipv4", "prefix": 8},
            {"ip-address": "::1", "ip-address-type": "ipv6", "prefix": 128},
        ],
    },
    {
        "name": "eth0",
        "hardware-address": "52:54:00:00:00:01",
        "ip-addresses": [{"ip-address": "10.0.0.2", "ip-address-type": "ipv4", "prefix": 24}],
    },
    {"name": "eth1"},
]

GOOD = {
    "guest-ping": {},
    "guest-get-time": 1700000000123456789,
    "guest-set-time": {},
    "guest-get-host-name": {"host-name": "web1.example"},
    "guest-get-osinfo": {
        "id": "debian", "name": "Debian GNU/Linux", "pretty-name": "Debian GNU/Linux 12 (bookworm)",
        "version": "12 (bookworm)", "version-id": "12", "machine": "x86_64",
        "kernel-release": "6.1.0-18-amd64", "kernel-version": "#1 SMP",
    },
    "guest-get-timezone": {"zone": "UTC", "offset": 0},
    "guest-get-users": [
        {"user": "root", "login-time": 1700000000.5}, {"user": "a", "login-time": 1, "domain": "d"},
    ],
    "guest-get-fsinfo": [DISK, BOOT],
    "guest-get-disks": [
        {"name": "/dev/vda1", "partition": True, "dependencies": ["/dev/vda"]},
        {
            "name": "/dev/vda", "partition": False, "dependencies": [], "alias": "disk",
            "address": {"bus-type": "virtio", "bus": 0, "target": 0, "unit": 0, "dev": "/dev/vda",
                        "serial": "abc", "pci-controller": {"domain": 0, "bus": 0, "slot": 7, "function": 0}},
        },
    ],
    "guest-network-get-interfaces": SOCKETS,
    "guest-fsfreeze-freeze": 2,
    "guest-fsfreeze-freeze-list": 1,
    "guest-fsfreeze-thaw": 2,
    "guest-fsfreeze-status": "thawed",
    "guest-fstrim": {"paths": []},
    "guest-get-vcpus": [
        {"logical-id": 0, "online": True, "can-offline": False},
        {"logical-id": 1, "online": True, "can-offline": True},
    ],
    "guest-set-vcpus": 1,
    "guest-set-user-password": {},
    "guest-ssh-get-authorized-keys": {"keys": ["ssh-rsa AAAA a", "ssh-rsa BBBB b"]},
    "guest-ssh-add-authorized-keys": {},
    "guest-ssh-remove-authorized-keys": {},
    "guest-suspend-ram": {},
    "guest-suspend-disk": {},
    "guest-suspend-hybrid": {},
    "guest-shutdown": {},
    "guest-exec": {"pid": 7},
    "guest-info": {"version": "7.2.0", "supported_commands": []},
}  # fmt: skip

FAILS = {command: {"error": {"class": "GenericError", "desc": "it is broken"}} for command in GOOD}
UNKNOWN = {
    command: {"error": {"class": "CommandNotFound", "desc": f"The command {command} has not been found"}}
    for command in GOOD
}
DISABLED = {
    command: {"error": {"class": "CommandDisabled", "desc": f"Command {command} has been disabled"}}
    for command in GOOD
}
WRONG = {command: {"return": "nonsense"} for command in GOOD}
EMPTY = {command: {"return": []} for command in GOOD}
VOID = {command: {"return": {}} for command in GOOD}
SILENT = dict.fromkeys(GOOD)

SOURCE = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
BY_AGENT = libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
SYNC = libvirt.VIR_DOMAIN_TIME_SYNC
GUEST = libvirt.VIR_DOMAIN_VCPU_GUEST


def script(ask):
    connection = ask.connect()
    ask.watch_agents(connection)
    domain = ask(connection.defineXML, xml("web1", vcpus=2, maximum=4, devices=AGENT))
    asked(ask, domain)
    ask(domain.create)
    ask.await_guest("web1")
    ask(domain.XMLDesc)
    asked(ask, domain)
    answering(ask, domain)
    failing(ask, domain)
    answers(ask, GOOD)
    ask(domain.suspend)
    asked(ask, domain)
    ask(domain.XMLDesc)
    ask(domain.resume)
    ask(domain.guestVcpus)
    silent(ask, domain)
    coming(ask, domain)
    reader = ask.connect(read_only=True)
    read = ask(reader.lookupByName, "web1")
    asked(ask, read)
    ask(domain.destroy)
    plain(ask, connection)
    moved(ask, domain)


def answers(ask, given):
    """Let the agent return this."""
    ask.agent("web1", {command: {"return": said} for command, said in given.items()})


def answering(ask, domain):
    """Ask an agent that does as it is told."""
    answers(ask, GOOD)
    ask(domain.XMLDesc)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
    ask(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_MIGRATABLE)
    commands(ask, domain)
    asked(ask, domain)
    groups(ask, domain)
    ask(domain.shutdownFlags, BY_AGENT)
    ask(domain.reboot, BY_AGENT)
    ask(domain.messages)
    ask(domain.shutdown)
    ask(domain.shutdownFlags, BY_AGENT | libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    ask(domain.reboot)


def failing(ask, domain):
    """Ask an agent that can't, or answers what nobody understands: with worse, a real daemon crashes."""
    for said in (FAILS, UNKNOWN, DISABLED, WRONG, EMPTY, VOID):
        ask.agent("web1", said)
        asked(ask, domain)
        groups(ask, domain)
        ask(domain.shutdownFlags, BY_AGENT)
        ask(domain.reboot, BY_AGENT)


def coming(ask, domain):
    """Let an agent come and go, and its guest."""
    ask.agent("web1", None)
    ask(domain.XMLDesc)
    ask(domain.getTime)
    command(ask, domain, "guest-ping")
    ask.agent("web1", {"guest-ping": {"return": {}}})
    command(ask, domain, "guest-ping")
    ask(domain.destroy)
    ask(domain.getTime)
    ask(domain.create)
    ask(domain.XMLDesc)
    command(ask, domain, "guest-ping")
    ask.kill("web1")
    ask(domain.createWithFlags, libvirt.VIR_DOMAIN_START_PAUSED)
    ask(domain.XMLDesc)
    command(ask, domain, "guest-ping")
    ask(domain.resume, quiet=0.3)
    ask(domain.XMLDesc)
    command(ask, domain, "guest-ping")


def moved(ask, domain):
    """Let a domain go to the other host, where its agent answers as well."""
    target = ask.connect("node2")
    ask.watch_agents(target)
    ask(domain.create)
    ask.await_guest("web1")
    command(ask, domain, "guest-ping")
    ask(domain.migrateToURI3, ask.hosts["node2"].uri, {}, LIVE | P2P)
    there = ask(target.lookupByName, "web1")
    ask(there.XMLDesc)
    command(ask, there, "guest-ping")
    ask(there.destroy)


def plain(ask, connection):
    """Ask a domain that has no channel for an agent."""
    domain = ask(connection.createXML, xml("web2"))
    command(ask, domain, "guest-ping")
    ask(domain.authorizedSSHKeysGet, "root")
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 0)
    ask(domain.setGuestVcpus, "0", 1)
    ask(domain.agentSetResponseTimeout, 5)
    ask(domain.agentSetResponseTimeout, -3)
    ask(domain.agentSetResponseTimeout, 5, 1)
    ask(domain.destroy)


def command(ask, domain, name, timeout=2):
    """Send a command to a domain's agent."""
    ask(libvirt_qemu.qemuAgentCommand, domain, json.dumps({"execute": name}), timeout, 0)


def commands(ask, domain):
    """Send what a program sends by itself."""
    for name in ("guest-ping", "guest-get-time", "guest-get-fsinfo", "guest-nonsense", "guest-exec"):
        command(ask, domain, name)
    for text, timeout, flags in (
        ('{"execute": "guest-ping"}', -2, 0),
        ('{"execute": "guest-ping"}', -1, 0),
        ('{"execute": "guest-ping"}', 0, 0),
        ('{"execute": "guest-ping"}', -3, 0),
        ('{"execute": "guest-ping"}', 2, 1),
        ('{"execute": "guest-get-fsinfo", "arguments": {"a": [1, null, true, "\\u00e4"]}}', 2, 0),
        ("nonsense", 2, 0),
        ("", 2, 0),
        ("[]", 2, 0),
        ("{}", 2, 0),
        ('{"execute": 1}', 2, 0),
        ('{"nothing": "guest-ping"}', 2, 0),
    ):
        ask(libvirt_qemu.qemuAgentCommand, domain, text, timeout, flags)


def groups(ask, domain):
    """Ask for all that a guest says of itself, group by group."""
    for kinds in (0, 1, 2, 4, 8, 16, 32, 64, 1 << 10, 3):
        ask(domain.guestInfo, kinds)
    ask(domain.guestInfo, 0, 1)


def silent(ask, domain):
    """Ask an agent that answers nothing."""
    ask(domain.agentSetResponseTimeout, 1)
    ask.agent("web1", SILENT)
    command(ask, domain, "guest-ping", 1)
    ask(domain.getTime)
    ask(domain.hostname)
    ask(domain.guestInfo)
    ask(domain.guestInfo, 1)
    ask(domain.shutdownFlags, BY_AGENT)
    ask.agent("web1", {**SILENT, "guest-sync": None})
    command(ask, domain, "guest-ping", 1)
    ask(domain.getTime)
    ask(domain.fsFreeze)
    ask(domain.XMLDesc)
    ask(domain.agentSetResponseTimeout, libvirt.VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_DEFAULT)
    ask.agent("web1", {"guest-ping": {"return": {}}})
    command(ask, domain, "guest-ping")


def asked(ask, domain):
    """Ask for what a guest's agent does."""
    command(ask, domain, "guest-ping")
    ask(domain.hostname)
    ask(domain.hostname, 2)
    ask(domain.hostname, 3)
    ask(domain.getTime)
    ask(domain.getTime, 1)
    ask(domain.setTime, {"seconds": 1700000000, "nseconds": 5})
    ask(domain.setTime, None, SYNC)
    ask(domain.setTime, {"seconds": 1}, 4)
    ask(domain.fsInfo)
    ask(domain.fsInfo, 1)
    ask(domain.fsFreeze)
    ask(domain.fsFreeze)
    ask(domain.fsThaw)
    ask(domain.fsFreeze, ["/"])
    ask(domain.fsThaw, ["/"])
    ask(domain.fsThaw)
    ask(domain.fsFreeze, [], 1)
    ask(domain.fsThaw, [], 1)
    ask(domain.fSTrim, None, 0)
    ask(domain.fSTrim, None, 4096)
    ask(domain.fSTrim, "/", 0)
    ask(domain.fSTrim, None, 0, 1)
    ask(domain.guestInfo)
    ask(domain.interfaceAddresses, SOURCE)
    ask(domain.setUserPassword, "root", "x")
    ask(domain.setUserPassword, "root", "x", 1)
    ask(domain.setUserPassword, "root", "x", 2)
    ask(domain.guestVcpus)
    ask(domain.guestVcpus, 1)
    for cpus, state in (("1", 0), ("1", 1), ("0", 0), ("0-1", 1), ("5", 1), ("x", 1), ("1", 2)):
        ask(domain.setGuestVcpus, cpus, state)
    ask(domain.setGuestVcpus, "1", 1, 1)
    ask(domain.vcpusFlags, GUEST)
    ask(domain.setVcpusFlags, 1, GUEST)
    ask(domain.setVcpusFlags, 2, GUEST)
    ask(domain.setVcpusFlags, 3, GUEST)
    ask(domain.authorizedSSHKeysGet, "root")
    ask(domain.authorizedSSHKeysGet, "root", 1)
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 0)
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 1)
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 2)
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 3)
    ask(domain.authorizedSSHKeysSet, "root", [], 0)
    ask(domain.authorizedSSHKeysSet, "root", [], 1)
    ask(domain.authorizedSSHKeysSet, "root", ["ssh-rsa CCCC"], 4)
    for target in (0, 1, 2, 3):
        ask(domain.pMSuspendForDuration, target, 0)
    ask(domain.pMSuspendForDuration, 0, 5)
    ask(domain.pMSuspendForDuration, 0, 0, 1)
    ask(domain.agentSetResponseTimeout, -2)
