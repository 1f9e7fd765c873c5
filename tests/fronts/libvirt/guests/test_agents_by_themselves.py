"""What an agent does by itself, through libvirt's functions and by its own commands."""

import pytest
from inhabited import CHANNEL, NO_ANSWER, undone
from told_by_hosts import domain_xml, refusal

FROZEN = "Command {} has been disabled: the agent is in frozen state"
TOO_MANY = "requested vcpu count is greater than the count of enabled vcpus in the domain"
PARAMETER = "Parameter '{}' is missing"


@pytest.fixture(autouse=True)
def _with_an_agent(front, domain):
    front.agent("web1")


def test_who_it_is(domain, command):
    assert domain.hostname() == "web1"
    assert command("guest-ping") == {}
    assert command("guest-sync", id=5) == command("guest-sync-delimited", id=5) == 5
    known = {each["name"]: each for each in command("guest-info")["supported_commands"]}
    assert known["guest-ping"] == {"name": "guest-ping", "enabled": True, "success-response": True}
    assert not known["guest-shutdown"]["success-response"]
    assert "guest-exec" not in known


def test_what_it_says_of_its_guest(libvirt, domain):
    told = domain.guestInfo(0)
    assert {key: told[key] for key in ("user.count", "os.id", "timezone.offset", "hostname")} == {
        "user.count": 0,
        "os.id": "debian",
        "timezone.offset": 0,
        "hostname": "web1",
    }
    assert domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM) == {
        "fs.count": 2,
        "fs.0.name": "sda1",
        "fs.0.mountpoint": "/mnt/sda",
        "fs.0.fstype": "ext4",
        "fs.0.total-bytes": 20 * 2**30,
        "fs.0.used-bytes": 4 * 2**30,
        "fs.0.disk.count": 1,
        "fs.0.disk.0.alias": "sda",
        "fs.0.disk.0.device": "/dev/sda1",
        "fs.1.name": "vda1",
        "fs.1.mountpoint": "/",
        "fs.1.fstype": "ext4",
        "fs.1.total-bytes": 20 * 2**30,
        "fs.1.used-bytes": 4 * 2**30,
        "fs.1.disk.count": 1,
        "fs.1.disk.0.alias": "vda",
        "fs.1.disk.0.serial": "abc",
        "fs.1.disk.0.device": "/dev/vda1",
    }
    assert domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_DISKS) == {
        "disk.count": 2,
        "disk.0.name": "/dev/vda",
        "disk.0.partition": False,
        "disk.0.serial": "abc",
        "disk.0.alias": "vda",
        "disk.1.name": "/dev/sda",
        "disk.1.partition": False,
        "disk.1.alias": "sda",
    }
    assert domain.fsInfo() == [("/mnt/sda", "sda1", "ext4", ["sda"]), ("/", "vda1", "ext4", ["vda"])]


def test_which_addresses_it_has(libvirt, node1, domain):
    given = node1.networkLookupByName("default").DHCPLeases()[0]["ipaddr"]
    source = libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT
    assert domain.interfaceAddresses(source) == {
        "lo": {
            "hwaddr": "00:00:00:00:00:00",
            "addrs": [
                {"addr": "127.0.0.1", "prefix": 8, "type": 0},
                {"addr": "::1", "prefix": 128, "type": 1},
            ],
        },
        "eth0": {
            "hwaddr": "52:54:00:00:00:01",
            "addrs": [{"addr": given, "prefix": 24, "type": 0}],
        },
        "eth1": {"hwaddr": "52:54:00:00:00:02", "addrs": None},
    }


def test_its_clock_is_the_clusters_until_it_is_set(libvirt, front, domain, command):
    front.cluster.clock.advance(100.25)
    assert domain.getTime() == {"seconds": 100, "nseconds": 250_000_000}
    domain.setTime({"seconds": 2000, "nseconds": 5})
    front.cluster.clock.advance(1)
    assert domain.getTime() == {"seconds": 2001, "nseconds": 5}
    domain.setTime(None, libvirt.VIR_DOMAIN_TIME_SYNC)
    assert domain.getTime() == {"seconds": 101, "nseconds": 250_000_000}
    domain.setTime({"seconds": 2000, "nseconds": 5})
    domain.reset(0)
    assert domain.getTime()["seconds"] == 101
    wrong = "Invalid parameter type for 'time', expected: integer"
    assert refusal(lambda: command("guest-set-time", time="now")) == undone("guest-set-time", wrong)


def test_it_freezes_and_thaws(domain, command):
    assert command("guest-fsfreeze-status") == "thawed"
    assert domain.fsFreeze() == 2
    assert command("guest-fsfreeze-status") == "frozen"
    for name, call in (
        ("guest-fsfreeze-freeze", domain.fsFreeze),
        ("guest-get-time", domain.getTime),
        ("guest-shutdown", lambda: domain.shutdownFlags(2)),
    ):
        assert refusal(call) == undone(name, FROZEN.format(name))
    assert domain.guestInfo() == {}
    assert command("guest-ping") == {}
    assert (domain.fsThaw(), domain.fsThaw()) == (2, 0)
    assert domain.fsFreeze(["/", "/nosuch"]) == 1
    domain.reset(0)
    assert domain.fsThaw() == 0
    assert command("guest-fsfreeze-freeze-list") == 2


def test_what_was_frozen_stays_so_until_it_boots_anew(front, domain):
    domain.fsFreeze()
    front.agent("web1")
    assert domain.fsThaw() == 2


def test_a_snapshot_of_disks_freezes_it_meanwhile(libvirt, front, domain):
    asked = []

    def heard(name):
        return lambda _: asked.append(name) or 1

    names = ("guest-fsfreeze-freeze", "guest-fsfreeze-thaw")
    front.agent("web1", {name: heard(name) for name in names})
    disks = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    xml = "<domainsnapshot><name>a</name></domainsnapshot>"
    domain.snapshotCreateXML(xml, disks | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE)
    assert asked == list(names)


def test_it_gives_back_what_it_does_not_use(domain, command):
    assert domain.fSTrim(None, 4096) == 0
    assert command("guest-fstrim") == {
        "paths": [
            {"path": "/", "trimmed": 0, "minimum": 0},
            {"path": "/mnt/sda", "trimmed": 0, "minimum": 0},
        ]
    }
    assert refusal(domain.fSTrim, "/", 0) == (
        74,
        10,
        "argument unsupported: Specifying mount point is not supported for now",
    )
    assert refusal(domain.fsThaw, ["/"]) == (
        74,
        10,
        "argument unsupported: specifying mountpoints is not supported",
    )


def test_which_cpus_it_uses(libvirt, domain, command):
    guest = libvirt.VIR_DOMAIN_VCPU_GUEST
    assert domain.guestVcpus() == {"vcpus": "0-1", "online": "0-1", "offlinable": "1"}
    domain.setGuestVcpus("1", 0)
    assert domain.guestVcpus()["online"] == "0"
    assert domain.vcpusFlags(guest) == 1
    domain.setVcpusFlags(2, guest)
    assert domain.vcpusFlags(guest) == 2
    domain.setVcpusFlags(2, guest)
    domain.setVcpusFlags(1, guest)
    assert domain.guestVcpus()["online"] == "0"
    domain.reset(0)
    assert domain.guestVcpus()["online"] == "0-1"
    assert refusal(domain.setVcpusFlags, 3, guest) == (
        8,
        10,
        f"invalid argument: {TOO_MANY}: 3 > 2",
    )
    for cpus, state, error in (
        ("5-7", 1, (8, 10, "invalid argument: guest is missing vCPUs '5-7'")),
        ("0", 0, (84, 10, "Operation not supported: vCPU '0' is not offlinable")),
        ("x", 0, (8, 0, "invalid argument: Failed to parse bitmap 'x'")),
        ("0" * 4096, 0, (8, 0, f"invalid argument: Failed to parse bitmap '{'0' * 4096}'")),
        ("0", 2, (8, 10, "unsupported state value")),
    ):
        assert refusal(domain.setGuestVcpus, cpus, state) == error
    for vcpus, words in (
        ([1], "Invalid parameter type for 'vcpus', expected: object"),
        ([{"logical-id": 0}], PARAMETER.format("online")),
        ([{"logical-id": 0, "online": False}], "vCPU #0 can't be offlined or onlined"),
        ([{"logical-id": 9, "online": True}], "vCPU #9 can't be offlined or onlined"),
    ):
        problem = undone("guest-set-vcpus", words)
        assert refusal(lambda vcpus=vcpus: command("guest-set-vcpus", vcpus=vcpus)) == problem


def test_who_can_log_in(libvirt, domain, command):
    domain.setUserPassword("root", "secret")
    assert refusal(lambda: command("guest-set-user-password", username="root")) == undone(
        "guest-set-user-password", PARAMETER.format("password")
    )
    append = libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_APPEND
    remove = libvirt.VIR_DOMAIN_AUTHORIZED_SSH_KEYS_SET_REMOVE
    assert domain.authorizedSSHKeysGet("root") == []
    domain.authorizedSSHKeysSet("root", ["a"], append)
    domain.authorizedSSHKeysSet("root", ["b", "a"], append)
    domain.reset(0)
    assert domain.authorizedSSHKeysGet("root") == ["a", "b"]
    domain.authorizedSSHKeysSet("root", ["a"], remove)
    assert domain.authorizedSSHKeysGet("root") == ["b"]
    domain.authorizedSSHKeysSet("root", ["c"], 0)
    assert domain.authorizedSSHKeysGet("root") == ["c"]
    domain.authorizedSSHKeysSet("nobody", ["c"], remove)
    none = "keys in virDomainAuthorizedSSHKeysSet must not be NULL"
    assert refusal(domain.authorizedSSHKeysSet, "root", [], append) == (8, 20, none)
    domain.authorizedSSHKeysSet("root", [], 0)
    assert domain.authorizedSSHKeysGet("root") == []


def test_it_does_not_sleep_by_itself(front, domain):
    words = "The command guest-suspend-{} has not been found"
    for target, name in enumerate(("ram", "disk", "hybrid")):
        problem = undone(f"guest-suspend-{name}", words.format(name))
        assert refusal(domain.pMSuspendForDuration, target, 0) == problem
    front.agent("web1", {"guest-suspend-ram": {}})
    assert domain.pMSuspendForDuration(0, 0) == 0
    assert refusal(domain.pMSuspendForDuration, 3, 0) == (
        8,
        10,
        "invalid argument: Unknown suspend target: 3",
    )
    assert refusal(domain.pMSuspendForDuration, 0, 5) == (
        74,
        10,
        "argument unsupported: Duration not supported. Use 0 for now",
    )


class TestEnds:
    @pytest.mark.parametrize("flags", [0, 1, 2, 3])
    def test_it_lets_its_guest_shut_down(self, domain, told, flags):
        domain.shutdownFlags(flags)
        assert told() == ["web1 1 shuts down", "web1 1 has shut down"]

    def test_or_boot_anew(self, domain, command, told):
        again = ["web1 1 agent 2 2", "web1 1 reboot", "web1 1 agent 1 2"]
        domain.reboot(2)
        assert told() == again
        command("guest-shutdown", mode="reboot")
        assert told() == again

    def test_or_shut_down_by_its_own_command(self, domain, command, told):
        words = "mode 'x' is not supported"
        refused = undone("guest-shutdown", words)
        assert refusal(lambda: command("guest-shutdown", mode="x")) == refused
        assert command("guest-shutdown") == {}
        assert told() == ["web1 1 shuts down", "web1 1 has shut down"]

    def test_as_its_definition_says(self, front, node1, told):
        front.agent("web2")
        web2 = node1.createXML(domain_xml("web2", devices=CHANNEL, on_poweroff="restart"))
        told()
        web2.shutdownFlags(2)
        assert told() == ["web2 2 agent 2 2", "web2 2 reboot", "web2 2 agent 1 2"]

    def test_one_that_can_not_leaves_it_to_the_power_button(self, front, domain, told):
        front.agent("web1", {"guest-shutdown": RuntimeError("no")})
        told()
        assert refusal(domain.shutdownFlags, 2) == undone("guest-shutdown", "no")
        assert told() == []
        domain.shutdown()
        assert told() == ["web1 1 shuts down", "web1 1 has shut down"]

    def test_one_that_a_test_answers_for_does_nothing_else(self, front, domain, told):
        front.agent("web1", {"guest-shutdown": {}})
        told()
        domain.shutdown()
        assert (told(), domain.isActive()) == ([], 1)

    def test_one_whose_guest_hangs(self, front, cluster, domain):
        cluster.hang("web1", node="node1")
        assert refusal(domain.shutdownFlags, 2) == NO_ANSWER
