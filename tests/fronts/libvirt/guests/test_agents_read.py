"""What an agent answers is read as libvirt reads it, whatever that is."""

import pytest
from inhabited import unreadable
from told_by_hosts import refusal

AGENT = 1
VCPUS = 8

INFO = {
    "guest-get-users": 1,
    "guest-get-osinfo": 2,
    "guest-get-timezone": 4,
    "guest-get-host-name": 8,
    "guest-get-fsinfo": 16,
    "guest-get-disks": 32,
    "guest-network-get-interfaces": 64,
}


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        (
            "guest-get-users",
            [{"user": "root", "login-time": 1700000000.5}, {"user": "a", "login-time": 1, "domain": "d"}],
            {
                "user.count": 2,
                "user.0.name": "root",
                "user.0.login-time": 1700000000500,
                "user.1.name": "a",
                "user.1.domain": "d",
                "user.1.login-time": 1000,
            },
        ),
        ("guest-get-osinfo", {"id": "mine", "version": 5}, {"os.id": "mine"}),
        (
            "guest-get-timezone",
            {"zone": "CET", "offset": 3600},
            {"timezone.name": "CET", "timezone.offset": 3600},
        ),
        ("guest-get-timezone", {"offset": 0}, {"timezone.offset": 0}),
        ("guest-get-host-name", {"host-name": "a.b"}, {"hostname": "a.b"}),
        ("guest-get-fsinfo", [], {}),
        ("guest-get-disks", [], {}),
        ("guest-network-get-interfaces", [], {}),
        (
            "guest-get-fsinfo",
            [{"name": "x", "mountpoint": "/", "type": "vfat", "disk": [{"pci-controller": 5}]}],
            {
                "fs.count": 1,
                "fs.0.name": "x",
                "fs.0.mountpoint": "/",
                "fs.0.fstype": "vfat",
                "fs.0.disk.count": 1,
            },
        ),
        (
            "guest-get-disks",
            [{"name": "/dev/vda1", "partition": True, "dependencies": ["/dev/vda"], "alias": "first"}],
            {
                "disk.count": 1,
                "disk.0.name": "/dev/vda1",
                "disk.0.partition": True,
                "disk.0.dependency.count": 1,
                "disk.0.dependency.0.name": "/dev/vda",
                "disk.0.guest_alias": "first",
            },
        ),
        (
            "guest-network-get-interfaces",
            [
                {
                    "name": "eth0",
                    "ip-addresses": [{"ip-address": "::2", "ip-address-type": "ipv6", "prefix": 64}],
                },
                {"name": "eth1", "hardware-address": "52:54:00:00:00:01"},
            ],
            {
                "if.count": 2,
                "if.0.name": "eth0",
                "if.0.hwaddr": "",
                "if.0.addr.count": 1,
                "if.0.addr.0.type": "ipv6",
                "if.0.addr.0.addr": "::2",
                "if.0.addr.0.prefix": 64,
                "if.1.name": "eth1",
                "if.1.hwaddr": "52:54:00:00:00:01",
                "if.1.addr.count": 0,
            },
        ),
    ],
)
def test_what_a_guest_says_of_itself(front, domain, name, said, told):
    front.agent("web1", {name: said})
    assert domain.guestInfo(INFO[name]) == told


@pytest.mark.parametrize(
    ("name", "said", "problem"),
    [
        ("guest-get-users", "x", "guest-get-users reply was missing return data"),
        ("guest-get-users", [1], "guest-get-users reply was missing return data"),
        ("guest-get-users", [{"user": "a"}], "'login-time' missing in reply of guest-get-users"),
        ("guest-get-osinfo", "x", "guest-get-osinfo reply was missing return data"),
        ("guest-get-timezone", "x", "guest-get-timezone reply was missing return data"),
        ("guest-get-timezone", {"zone": "UTC"}, "'offset' missing in reply of guest-get-timezone"),
        ("guest-get-host-name", "x", "'host-name' missing in guest-get-host-name reply"),
        ("guest-get-fsinfo", "x", "Malformed guest-get-fsinfo data array"),
        ("guest-get-fsinfo", [{"name": "x"}], "'mountpoint' missing in reply of guest-get-fsinfo"),
        ("guest-get-disks", "x", "qemu agent didn't return an array of disks"),
        ("guest-get-disks", [{"name": "x"}], "'partition' missing in reply of guest-get-disks"),
        ("guest-network-get-interfaces", "x", "qemu agent didn't return an array of interfaces"),
        ("guest-network-get-interfaces", [{}], "qemu agent didn't provide 'name' field"),
        (
            "guest-network-get-interfaces",
            [{"name": "eth0", "ip-addresses": 5}],
            "qemu agent didn't return an array of IP addresses",
        ),
        (
            "guest-network-get-interfaces",
            [{"name": "eth0", "ip-addresses": [{"ip-address": "x", "ip-address-type": "ipx"}]}],
            "unknown ip address type 'ipx'",
        ),
        (
            "guest-network-get-interfaces",
            [{"name": "eth0", "ip-addresses": [{"ip-address": "x", "ip-address-type": "ipv4"}]}],
            "qemu agent didn't provide 'ip-address' or 'prefix' field for interface 'eth0'",
        ),
    ],
)
def test_what_nobody_can_read_of_that(front, domain, name, said, problem):
    front.agent("web1", {name: said})
    assert refusal(domain.guestInfo, INFO[name]) == unreadable(problem)
    assert refusal(domain.guestInfo, 0) == unreadable(problem)


def test_groups_that_an_agent_does_not_know_are_left_out_of_all(front, domain):
    unknown = NotImplementedError("it is old")
    front.agent("web1", dict.fromkeys(INFO, unknown) | {"guest-get-users": TimeoutError()})
    assert domain.guestInfo() == {}
    assert domain.guestInfo(1) == {}
    assert refusal(domain.guestInfo, 2)[2].endswith("'guest-get-osinfo': it is old")
    assert refusal(domain.guestInfo, 1024) == (
        8,
        10,
        "invalid argument: unsupported guest information types '0x400'",
    )


def test_other_answers_that_nobody_can_read(front, domain):
    wrong = {
        "guest-get-time": domain.getTime,
        "guest-fsfreeze-freeze": domain.fsFreeze,
        "guest-fsfreeze-freeze-list": lambda: domain.fsFreeze(["/"]),
        "guest-fsfreeze-thaw": domain.fsThaw,
    }
    front.agent("web1", dict.fromkeys(wrong, "x"))
    assert {refusal(call) for call in wrong.values()} == {unreadable("malformed return value")}
    front.agent("web1", {"guest-get-fsinfo": [{"name": "x", "mountpoint": "/", "type": "x", "disk": [1]}]})
    assert refusal(domain.fsInfo) == unreadable("Malformed guest-get-fsinfo data array")
    front.agent("web1", {"guest-ssh-get-authorized-keys": []})
    keys = unreadable("qemu agent didn't return an array of keys")
    assert refusal(domain.authorizedSSHKeysGet, "root") == keys


def test_a_name_that_it_does_not_say(front, domain):
    unknown = (108, 10, "no hostname found: no hostname found for domain web1")
    for said in ("x", RuntimeError("no"), TimeoutError()):
        front.agent("web1", {"guest-get-host-name": said})
        assert refusal(domain.hostname) == unknown
    both = "Flags 'VIR_DOMAIN_GET_HOSTNAME_LEASE' and 'VIR_DOMAIN_GET_HOSTNAME_AGENT' are mutually exclusive"
    assert refusal(domain.hostname, 3) == (8, 10, both)


def test_cpus_that_it_does_not_have(front, domain):
    front.agent("web1", {"guest-get-vcpus": "x"})
    missing = unreadable("guest-get-vcpus reply was missing return data")
    assert refusal(domain.vcpusFlags, VCPUS) == missing
    front.agent("web1", {"guest-get-vcpus": [{"logical-id": 0, "online": True}]})
    less = unreadable("guest agent reports less cpu than requested")
    assert refusal(domain.setVcpusFlags, 2, VCPUS) == less
    for count in (0, 3):
        front.agent("web1", {"guest-set-vcpus": count})
        assert refusal(domain.setGuestVcpus, "0-1", 1) == unreadable(
            "guest agent returned malformed or invalid return value"
        )
    asked = []
    front.agent("web1", {"guest-set-vcpus": lambda given: asked.append(len(given["vcpus"])) or 1})
    domain.setGuestVcpus("0-1", 1)
    assert asked == [2, 1]
