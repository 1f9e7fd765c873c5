"""The routes to a cluster's own nodes."""

import os
import subprocess
import threading
from time import monotonic

import libvirt
import pytest
from pyfakefs.fake_filesystem_unittest import Pause

from pytest_fakehv import DeclarationError
from pytest_fakehv.fronts.libvirt import FakeLibvirt

NO_ROUTE = "Cannot recv data: ssh: connect to host node1 port 22: No route to host: Connection reset by peer"


def reached(uri):
    connection = libvirt.open(uri)
    try:
        return connection.getHostname()
    finally:
        connection.close()


def error(uri):
    with pytest.raises(libvirt.libvirtError) as caught:
        libvirt.open(uri)
    return str(caught.value)


def virsh(front, *arguments):
    command = ["virsh", "-q", *arguments]
    return subprocess.run(command, env=front.env, capture_output=True, text=True, check=False)


@pytest.mark.fakehv_node("node1", address="192.0.2.1")
@pytest.mark.fakehv_node("Node2", address="192.0.2.2")
@pytest.mark.fakehv_node("env")
def test_a_node_is_reached_by_its_name_and_its_address(fakehv_libvirt):
    for uri, node in (
        ("qemu+ssh://192.0.2.2/system", "Node2"),
        ("qemu+tls://node2/system", "Node2"),
        ("qemu+ssh://env/system", "env"),
        ("qemu:///system", "node1"),
    ):
        assert reached(uri) == node
    for uri, node in (("qemu+ssh://192.0.2.2/system", "Node2"), ("qemu+ssh://env/system", "env")):
        assert virsh(fakehv_libvirt, "-c", uri, "hostname").stdout.strip() == node


def test_a_node_that_comes_later_is_reached(fakehv_libvirt, fakehv_cluster):
    fakehv_cluster.add_node("node3")
    assert reached("qemu+ssh://node3/system") == "node3"
    assert virsh(fakehv_libvirt, "-c", "qemu+ssh://node3/system", "hostname").stdout.strip() == "node3"
    fakehv_cluster.remove_node("node3")
    assert "Could not resolve hostname node3" in error("qemu+ssh://node3/system")


def test_a_node_is_another_one_than_that_of_its_name_that_was_removed(fakehv_libvirt, fakehv_cluster):
    for _ in range(2):
        assert reached("qemu+ssh://node2/system") == "node2"
        fakehv_cluster.remove_node("node2")
        node2 = fakehv_cluster.add_node("node2")
    assert reached(fakehv_libvirt.uri(node2)) == "node2"
    fakehv_cluster.add_instance("web1", node="node2")
    connection = libvirt.open("qemu+ssh://node2/system")
    assert [each.name() for each in connection.listAllDomains()] == ["web1"]
    connection.close()


@pytest.mark.fakehv_instance("web1", node="node1", state="stopped")
def test_a_node_boots_at_once_while_a_call_is_held_there(fakehv_libvirt, fakehv_cluster):
    domain = libvirt.open("qemu+ssh://node1/system").lookupByName("web1")
    told = []

    def create():
        with pytest.raises(libvirt.libvirtError) as caught:
            domain.create()
        told.append(caught.value)

    caller = threading.Thread(target=create)
    with fakehv_cluster.hold("virDomainCreate") as held:
        caller.start()
        held.wait()
        fakehv_cluster["node1"].crash()
        begun = monotonic()
        fakehv_cluster["node1"].boot()
        assert monotonic() - begun < 2
        assert reached("qemu+ssh://node1/system") == "node1"
    caller.join()
    assert len(told) == 1


def test_a_forked_child_is_led_there(fakehv_libvirt):
    child = os.fork()
    if not child:
        status = 1
        try:
            assert reached("qemu+ssh://node1/system") == reached("qemu:///system") == "node1"
            assert reached(fakehv_libvirt.uri("node2")) == "node2"
            with fakehv_libvirt.routed() as led:
                assert led is fakehv_libvirt
                assert reached("qemu+ssh://node2/system") == "node2"
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_front_that_is_closed_has_no_node(fakehv_cluster):
    with FakeLibvirt(fakehv_cluster) as front:
        front.socket("node1")
    for ask in (lambda: front.socket("node1"), lambda: front.uri("node2"), lambda: front.env):
        with pytest.raises(DeclarationError, match="is closed"):
            ask()


@pytest.mark.parametrize(("ends", "comes"), [("crash", "boot"), ("disconnect", "reconnect")])
@pytest.mark.parametrize("is_asked_before", [True, False])
def test_a_node_that_is_down_or_cut_off_is_not(fakehv_libvirt, fakehv_cluster, ends, comes, is_asked_before):
    node = fakehv_cluster["node1"]
    if is_asked_before:
        assert reached("qemu+ssh://node1/system") == "node1"
    getattr(node, ends)()

    assert error("qemu+ssh://node1/system") == NO_ROUTE
    refused = virsh(fakehv_libvirt, "-c", "qemu+ssh://node1/system", "hostname")
    assert refused.stderr == f"error: failed to connect to the hypervisor\nerror: {NO_ROUTE}\n"
    assert reached("qemu+ssh://node2/system") == "node2"

    getattr(node, comes)()
    assert reached("qemu+ssh://node1/system") == "node1"


def test_the_journal_has_the_program(fakehv_libvirt, fakehv_cluster):
    virsh(fakehv_libvirt, "-c", "qemu+ssh://node2/system", "hostname")
    calls = [(call.method, call.node, call.place) for call in fakehv_cluster.journal]
    assert calls == [
        ("virConnectOpen", "node2", "process virsh"),
        ("virConnectGetHostname", "node2", "process virsh"),
    ]


def test_a_fake_filesystem_is_not_in_the_way(fs, fakehv_libvirt):
    assert reached("qemu+ssh://node2/system") == "node2"
    env = fakehv_libvirt.env
    with Pause(fs):  # in it, no process begins
        done = subprocess.run(["virsh", "-c", "qemu+ssh://node2/system", "hostname"], env=env, check=False)
    assert done.returncode == 0
