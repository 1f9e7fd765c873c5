"""Storage pools that a test declares."""

import re

import pytest
from stored import GIB, pool_xml, volume_xml

from pytest_fakehv import DeclarationError


def test_it_is_there_before_anybody_asks(front, node1, connect):
    front.add_pool("images", capacity="20G")
    for connection in (node1, connect("node2")):
        pool = connection.storagePoolLookupByName("images")
        assert (pool.isActive(), pool.isPersistent(), pool.autostart()) == (1, 1, 1)
        assert pool.info() == [2, 20 * GIB, 0, 20 * GIB]
        assert "<path>/var/lib/libvirt/images/images</path>" in pool.XMLDesc(0)


def test_its_nodes_share_it(front, node1, connect):
    front.add_pool("images", nodes=["node1", front.cluster["node2"]], path="/srv/images")
    here, there = (each.storagePoolLookupByName("images") for each in (node1, connect("node2")))
    here.createXML(volume_xml("a", GIB), 0)
    there.refresh(0)
    assert (there.listVolumes(), there.info()) == (["a"], [2, 100 * GIB, GIB, 99 * GIB])


def test_one_that_is_not_named_has_none(front, node1, connect):
    front.add_pool("images", nodes=["node2"])
    assert node1.listAllStoragePools() == []
    assert [each.name() for each in connect("node2").listAllStoragePools()] == ["images"]


def test_what_lay_there_lies_there_for_all(front, node1, connect):
    before = node1.storagePoolCreateXML(pool_xml("images"), 1)
    before.createXML(volume_xml("a"), 0)
    before.destroy()
    front.add_pool("images", path="/srv/images")
    assert connect("node2").storagePoolLookupByName("images").listVolumes() == ["a"]


def test_on_a_node_that_is_down_it_is_there_when_it_boots(front, cluster, connect):
    cluster["node2"].crash()
    front.add_pool("images")
    cluster["node2"].boot()
    assert connect("node2").storagePoolLookupByName("images").isActive() == 1


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"name": "a/b"}, "there can be no pool 'a/b': XML error: name a/b cannot contain '/'"),
        ({"name": 5}, "name must be a text, not 5"),
        ({"name": "a", "path": 5}, "path must be a text, not 5"),
        ({"name": "a", "path": "srv"}, "path must begin with '/', unlike 'srv'"),
        (
            {"name": "a", "capacity": "x"},
            "capacity must be a positive integer, of MiB, or a text like '512M', '24G' or '1.5 TiB', not 'x'",
        ),
        ({"name": "a", "nodes": "node1"}, "nodes must be a list of nodes, not 'node1'"),
        ({"name": "a", "nodes": []}, "nodes must be a list of nodes, not []"),
        ({"name": "a", "nodes": ["node9"]}, "no node is named 'node9'; there are: node1, node2"),
        (
            {"name": "b"},
            "node2 can't have pool 'b': operation failed: pool 'b' already exists",
        ),
        (
            {"name": "a", "path": "/srv/b"},
            "node2 can't have pool 'a': operation failed: Storage source conflict with pool: 'b'",
        ),
    ],
)
def test_one_that_can_not_be(front, node1, given, problem):
    front.add_pool("b", nodes=["node2"], path="/srv/b")
    with pytest.raises(DeclarationError) as caught:
        front.add_pool(**given)
    assert re.sub(" with uuid .*", "", str(caught.value)) == problem
    assert node1.listAllStoragePools() == []
