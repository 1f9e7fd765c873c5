"""15. A rolling reboot by virsh: test a shell script that empties one host after the other, and reboots it.

You learn to

- run what is no Python against the hosts: ``fakehv_libvirt.env``;
- have a script wait for you while a host goes down and comes up again: ``crash`` and ``boot``;
- let a call fail, or a migration, that a subprocess has begun;
- read what an assertion says of a domain that went down with its host.

It needs virsh, and no daemon: ``apt-get install libvirt-clients``. Without it, it is skipped.
"""

import shutil
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_fakehv import FakeCluster
    from pytest_fakehv.fronts.libvirt import FakeLibvirt

# The code under test: in your project these are files of their own.

NAIVE = r"""#!/bin/sh
# Reboot hosts, one after the other: NAME HOST HOST...
for host in "$@"; do
    here=qemu+ssh://$host/system
    for domain in $(virsh -c "$here" list --name); do
        for target in "$@"; do
            [ "$target" != "$host" ] || continue
            virsh -q -c "$here" migrate "$domain" "qemu+ssh://$target/system" \
                --live --p2p --persistent --undefinesource && break
        done
    done
    echo "reboot $host"
    read -r _ # until it is up again
done
"""

MENDED = r"""#!/bin/sh
# Reboot hosts, one after the other: NAME HOST HOST...
# Ends with the first one that can't be emptied, which is left as it is.
for host in "$@"; do
    here=qemu+ssh://$host/system
    for domain in $(virsh -c "$here" list --name); do
        for target in "$@"; do
            [ "$target" != "$host" ] || continue
            virsh -q -c "$here" migrate "$domain" "qemu+ssh://$target/system" \
                --live --p2p --persistent --undefinesource && break
        done
    done
    # Whatever the migrations said, and also if the host does not say: only what is empty may go down.
    left=$(virsh -c "$here" list --name) || exit 1
    for domain in $left; do
        echo "$domain is still on $host" >&2
        exit 1
    done
    echo "reboot $host"
    read -r _ # until it is up again
done
"""

# The tests

pytestmark = [
    pytest.mark.skipif(shutil.which("virsh") is None, reason="needs virsh: apt-get install libvirt-clients"),
    pytest.mark.fakehv(routes=False),  # in the test itself, nothing opens a connection
    pytest.mark.fakehv_node("node1"),
    pytest.mark.fakehv_node("node2"),
    pytest.mark.fakehv_node("node3"),
    pytest.mark.fakehv_instance("db1", node="node1"),
    pytest.mark.fakehv_instance("web1", node="node2"),
]

both = pytest.mark.parametrize("script", [NAIVE, MENDED], ids=["naive", "mended"])


class Run(NamedTuple):
    """What came of a script.

    Attributes:
        status: its exit status.
        rebooted: the hosts that it has had rebooted.
        said: what else it said.
    """

    status: int
    rebooted: list[str]
    said: str


def run(front: "FakeLibvirt", script: str, folder: "Path") -> Run:
    """Run a script on all hosts, and reboot what it asks for."""
    path, rebooted = folder / "rolling-reboot", []
    path.write_text(script)
    command = ["sh", str(path), *(node.name for node in front.cluster)]
    errors = folder / "errors"
    with (
        errors.open("w") as file,
        subprocess.Popen(  # noqa: S603  # it is our own
            command, env=front.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        for line in process.stdout:
            _reboot, host = line.split()
            front.cluster[host].crash()
            front.cluster[host].boot()
            rebooted.append(host)
            process.stdin.write("\n")
            process.stdin.flush()
    return Run(process.returncode, rebooted, errors.read_text())


@both
def test_every_host_is_rebooted(fakehv_libvirt: "FakeLibvirt", script: str, tmp_path: "Path") -> None:
    """On a good day there is no difference: nothing was down meanwhile."""
    assert run(fakehv_libvirt, script, tmp_path) == (0, ["node1", "node2", "node3"], "")

    fakehv_libvirt.cluster.assert_running("db1")
    fakehv_libvirt.cluster.assert_running("web1")


@both
@pytest.mark.fakehv_migration("web1", outcome="failed", polls=1, times=1)
def test_a_migration_that_fails_once(fakehv_libvirt: "FakeLibvirt", script: str, tmp_path: "Path") -> None:
    """It goes somewhere else then."""
    status, rebooted, said = run(fakehv_libvirt, script, tmp_path)

    assert (status, rebooted) == (0, ["node1", "node2", "node3"])
    assert "job 'migration out' unexpectedly failed" in said
    fakehv_libvirt.cluster.assert_running("web1")


def nowhere_to_go(cluster: "FakeCluster") -> None:
    """It can't leave node2, wherever to."""
    cluster.script_migration("web1", outcome="failed", polls=1)


def busy(cluster: "FakeCluster") -> None:
    """When node2 is asked what runs there, it does not say; to a shell, that is nothing."""
    cluster.fault("virConnectListAllDomains", node="node2", times=1, code="VIR_ERR_OPERATION_TIMEOUT")


Befall = Callable[["FakeCluster"], None]


@pytest.mark.parametrize("befall", [nowhere_to_go, busy])
def test_the_naive_script_goes_on(fakehv_libvirt: "FakeLibvirt", befall: Befall, tmp_path: "Path") -> None:
    """Though web1 is still on its host: that goes down, and web1 with it."""
    befall(fakehv_libvirt.cluster)

    status, rebooted, _said = run(fakehv_libvirt, NAIVE, tmp_path)

    assert (status, rebooted) == (0, ["node1", "node2", "node3"])
    message = "web1 is not running on any of node1, node2, node3; it went down with node2"
    with pytest.raises(AssertionError, match=f"^{message}"):
        fakehv_libvirt.cluster.assert_running("web1")


@pytest.mark.parametrize("befall", [nowhere_to_go, busy])
def test_the_mended_script_stops_before_anything_is_lost(
    fakehv_libvirt: "FakeLibvirt", befall: Befall, tmp_path: "Path"
) -> None:
    """The host that is done is done, and the others are as they were."""
    befall(fakehv_libvirt.cluster)

    status, rebooted, said = run(fakehv_libvirt, MENDED, tmp_path)

    assert (status, rebooted) == (1, ["node1"])
    assert said.splitlines()[-1] == "web1 is still on node2"
    fakehv_libvirt.cluster.assert_running("web1", on="node2")


def test_the_mended_script_stops_at_a_host_that_never_says(
    fakehv_libvirt: "FakeLibvirt", tmp_path: "Path"
) -> None:
    """Nobody knows if it is empty."""
    fakehv_libvirt.cluster.fault("virConnectListAllDomains", node="node2", code="VIR_ERR_OPERATION_TIMEOUT")

    status, rebooted, _said = run(fakehv_libvirt, MENDED, tmp_path)

    assert (status, rebooted) == (1, ["node1"])
    fakehv_libvirt.cluster.assert_running("web1", on="node2")
