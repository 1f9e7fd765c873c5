"""The front itself: where it is, and how it ends."""

import os

import pytest

from pytest_fakehv import DeclarationError, FakeCluster
from pytest_fakehv.fronts.libvirt import FakeLibvirt


@pytest.fixture
def cluster():
    return FakeCluster.in_memory()


def test_it_says_whose_it_is(cluster):
    with FakeLibvirt(cluster) as front:
        assert repr(front) == "<FakeLibvirt of <FakeCluster node1, node2>>"


def test_it_is_of_a_cluster_alone():
    with pytest.raises(DeclarationError) as caught:
        FakeLibvirt("node1")
    assert str(caught.value) == "a FakeLibvirt is of a FakeCluster, not of 'node1'"


def test_once_is_enough_to_close_it(cluster):
    front = FakeLibvirt(cluster)
    path = front.socket("node1")
    front.close()
    front.close()
    assert not os.path.exists(path)
    assert not os.path.exists(os.path.dirname(path))


def test_a_folder_relative_to_where_the_program_runs(cluster, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pytest_fakehv.fronts.libvirt.front._LONGEST_DIRECTORY", 200)  # pytest's own is long
    monkeypatch.setattr("pytest_fakehv.fronts.libvirt.front.Server", Listening)
    with FakeLibvirt(cluster, directory="sockets") as front:
        assert front.socket("node1") == f"{tmp_path}/sockets/node1"
    assert not (tmp_path / "sockets").exists()


class Listening:
    """In place of a server: a socket's path has no room for pytest's temporary folder."""

    def __init__(self, *_):
        pass

    def close(self):
        pass


def test_an_unknown_node(cluster):
    with FakeLibvirt(cluster) as front:
        for ask in (front.uri, front.socket):
            with pytest.raises(DeclarationError) as caught:
                ask("node3")
            assert str(caught.value) == "no node is named 'node3'; there are: node1, node2"


def test_where_programs_run_is_for_the_test_to_say(cluster):
    with FakeLibvirt(cluster) as front:
        assert front.here == "node1"
        front.here = cluster["node2"]
        assert front.here == "node2"
        assert front.uri() == front.uri("node2")


def test_its_nodes_are_the_clusters(cluster):
    with FakeLibvirt(cluster) as front:
        nodes = front._routes._nodes
        cluster.add_node("node3", address="10.0.0.3")
        assert len(nodes) == 3
        assert nodes["node3"] == ({"10.0.0.3"}, front.socket("node3"))


def test_a_node_has_its_socket_once_it_is_asked_for(cluster):
    with FakeLibvirt(cluster) as front:
        assert os.listdir(front.directory) == []
        assert front._peer("qemu+ssh://node3/system") is None
        assert os.listdir(front.directory) == []
        assert front.uri("node2") == f"qemu+unix:///system?socket={front.directory}/node2"
        assert os.listdir(front.directory) == ["node2"]


def test_a_forked_child_that_leaves_the_block_does_not_end_it(cluster):
    try:
        with FakeLibvirt(cluster) as front:
            socket = front.socket("node1")
            child = os.fork()
            if child:
                assert os.waitpid(child, 0)[1] == 0
                assert front.socket("node1") == socket
                assert os.path.exists(socket)
    finally:
        if not child:
            os._exit(0)
