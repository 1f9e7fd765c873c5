"""12. A watchdog: test code that uses libvirt, and starts again what is down, but never twice.

You learn to

- run code that calls libvirt, as it is, on several hosts: ``fakehv_libvirt``;
- let a domain die, pause or be shut down, and its host go down or be cut off;
- let a call fail when it has had its effect: ``fault(..., when="after", code=...)``;
- see what the plugin says of a domain that runs twice, without being asked.

It needs libvirt's Python binding, and no daemon: ``apt-get install libvirt-dev pkg-config gcc``, and then
``pip install -e '.[libvirt]'``. Without the binding, it is skipped.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("libvirtmod", reason="needs libvirt-python: pip install 'pytest-fakehv[libvirt]'")

import libvirt

if TYPE_CHECKING:
    from pytest_fakehv import FakeCluster
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

# The code under test: in your project it is a module of its own.

PowerOff = Callable[[str], bool]
"""Switches a host off by its management board, and tells whether it is off for certain."""

BY_HAND = {libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED}
"""Why a domain is shut off that somebody wants to be so."""


def find(name: str, host: str) -> Any:
    """Return a domain as one host has it."""
    return libvirt.open(f"qemu+ssh://{host}/system").lookupByName(name)


def start(name: str, hosts: Sequence[str]) -> str | None:
    """Start a domain on the first host that takes it, and return which that is."""
    for host in hosts:
        try:
            find(name, host).create()
        except libvirt.libvirtError:
            continue
        return host
    return None


def naive_watch(name: str, hosts: Sequence[str], power_off: PowerOff) -> str | None:
    """Start a domain again that runs nowhere; return where."""
    for host in hosts:
        try:
            state, _ = find(name, host).state()
        except libvirt.libvirtError:
            power_off(host)
            continue
        if state == libvirt.VIR_DOMAIN_RUNNING:
            return None
    return start(name, hosts)


def watch(name: str, hosts: Sequence[str], power_off: PowerOff) -> str | None:
    """Start a domain again that is down, and that nobody has shut down.

    Args:
        name: the domain's; it is defined on each of the hosts.
        hosts: where it may run, the preferred one first.
        power_off: switches a host off.

    Returns:
        Where it was started; None where it wasn't.
    """
    up = []
    for host in hosts:
        try:
            state, reason = find(name, host).state()
        except libvirt.libvirtError:
            # A host that doesn't answer may be down; or it is just cut off, and the domain runs on.
            if not power_off(host):
                return None
            continue
        # One that is paused, or that shuts down, has its disks: it is there, though it does not run.
        if state != libvirt.VIR_DOMAIN_SHUTOFF or reason in BY_HAND:
            return None
        up.append(host)
    # If a start fails, the domain may run all the same: that shall be looked at first, the next time.
    return start(name, up[:1])


# The tests

XML = "<domain type='kvm'><name>db1</name><memory unit='GiB'>2</memory><os><type>hvm</type></os></domain>"

HOSTS = ["node1", "node2"]

Watch = Callable[[str, Sequence[str], PowerOff], str | None]
both = pytest.mark.parametrize("watch", [naive_watch, watch])


@pytest.fixture
def cluster(fakehv_libvirt: "FakeLibvirt") -> "FakeCluster":
    """Two hosts that have the same domain, which runs on the first one."""
    libvirt.registerErrorHandler(lambda *_: None, None)  # libvirt shall not print what it raises
    for host in HOSTS:
        libvirt.open(f"qemu+ssh://{host}/system").defineXML(XML)
    find("db1", "node1").create()
    return fakehv_libvirt.cluster


def run(cluster: "FakeCluster", watch: Watch, *, board_works: bool = True) -> str | None:
    """Let a watchdog look once."""

    def power_off(host: str) -> bool:
        if board_works:
            cluster[host].crash()
        return board_works

    return watch("db1", HOSTS, power_off)


@both
def test_what_runs_is_left_alone(cluster: "FakeCluster", watch: Watch) -> None:
    """The usual case."""
    assert run(cluster, watch) is None
    cluster.assert_running("db1", on="node1")


@both
def test_what_has_died_is_started_again(cluster: "FakeCluster", watch: Watch) -> None:
    """The case that the watchdog was written for."""
    cluster.kill("db1")
    assert run(cluster, watch) == "node1"
    cluster.assert_running("db1", on="node1")


@both
def test_a_host_that_is_down(cluster: "FakeCluster", watch: Watch) -> None:
    """It has taken the domain with it."""
    cluster["node1"].crash()
    assert run(cluster, watch) == "node2"
    cluster.assert_running("db1", on="node2")


def pause(cluster: "FakeCluster") -> None:
    """A disk is full, or an administrator looks at something."""
    cluster.pause("db1")


def cut_off(cluster: "FakeCluster") -> None:
    """A switch breaks: neither node1 nor its board can be reached, and the domain runs on."""
    cluster["node1"].disconnect()


def late(cluster: "FakeCluster") -> None:
    """The domain has died, and when it is started again, that takes longer than somebody waits."""
    cluster.kill("db1")
    cluster.fault(
        "virDomainCreate", node="node1", when="after", times=1, code=libvirt.VIR_ERR_OPERATION_TIMEOUT
    )


@pytest.mark.parametrize("befall", [pause, cut_off, late])
@pytest.mark.fakehv(allow=["double-start", "split-brain"])  # else the plugin fails it, without being asked
def test_the_naive_watchdog_makes_two_copies(
    cluster: "FakeCluster", befall: Callable[["FakeCluster"], None]
) -> None:
    """To it, what does not run can be started; what can't be started here can be there."""
    befall(cluster)
    assert run(cluster, naive_watch, board_works=False) == "node2"
    assert [each.invariant for each in cluster.violations()][:1] == ["double-start"]


@pytest.mark.parametrize("befall", [pause, cut_off, late])
def test_it_runs_once(cluster: "FakeCluster", befall: Callable[["FakeCluster"], None]) -> None:
    """The same circumstances."""
    befall(cluster)
    assert run(cluster, watch, board_works=False) is None
    cluster["node1"].reconnect()
    assert list(cluster.placement().values()) == ["node1"]


def test_the_naive_watchdog_knows_better_than_an_administrator(cluster: "FakeCluster") -> None:
    """It starts what was shut down for a repair."""
    find("db1", "node1").shutdown()
    assert run(cluster, naive_watch) == "node1"


def test_what_was_shut_down_stays_so(cluster: "FakeCluster") -> None:
    """The reason of a state says who wanted it."""
    find("db1", "node1").shutdown()
    assert run(cluster, watch) is None
    cluster.assert_stopped("db1")
