"""Faults, holds and assertions that are narrowed to a storage pool, a volume or a network."""

import threading

import pytest
from stored import pool_xml, volume_xml
from told_by_hosts import refusal

from pytest_fakehv import DeclarationError

FAILED = 9
NETWORK = "<network><name>{}</name><ip address='10.7.0.1' netmask='255.255.255.0'/></network>"


@pytest.fixture
def pools(node1):
    """Two pools with two volumes each of the same names."""
    made = [node1.storagePoolCreateXML(pool_xml(name), 1) for name in ("images", "other")]
    for each in made:
        for name in ("one", "two"):
            each.createXML(volume_xml(name), 0)
    return made


def volumes(pools):
    return [each.listVolumes() for each in pools]


def struck(function, *arguments):
    """Return what a call that a fault strikes says, without where the fault is from."""
    return refusal(function, *arguments)[0]


class TestFaults:
    def test_of_a_volume(self, cluster, pools):
        fault = cluster.fault("virStorageVolDelete", pool="images", volume="two", error="busy")
        images, other = pools
        other.storageVolLookupByName("two").delete(0)
        images.storageVolLookupByName("one").delete(0)
        assert struck(images.storageVolLookupByName("two").delete, 0) == FAILED
        assert (fault.fired, volumes(pools)) == (1, [["two"], ["one"]])

    def test_of_volumes_of_a_name(self, cluster, pools):
        cluster.fault("virStorageVolDelete", volume="two", times=2)
        for pool in pools:
            assert struck(pool.storageVolLookupByName("two").delete, 0) == FAILED
            pool.storageVolLookupByName("one").delete(0)
        assert volumes(pools) == [["two"], ["two"]]

    def test_of_a_pool_and_all_in_it(self, cluster, pools):
        cluster.fault("*", pool="images")
        images, other = pools
        assert struck(images.refresh, 0) == struck(images.listVolumes) == FAILED
        assert struck(images.storageVolLookupByName, "one") == FAILED
        other.refresh(0)
        assert other.storageVolLookupByName("one").name() == "one"

    def test_of_what_is_to_be_made(self, cluster, node1, pools):
        images, _other = pools
        source = images.storageVolLookupByName("one")
        cluster.fault("virStorageVolCreateXML", volume="new")
        cluster.fault("virStorageVolCreateXMLFrom", volume="copy")
        cluster.fault("virStoragePoolDefineXML", pool="third")
        cluster.fault("virNetworkDefineXML", network="lan")
        assert struck(images.createXML, volume_xml("new"), 0) == FAILED
        assert struck(images.createXMLFrom, volume_xml("copy"), source, 0) == FAILED
        assert struck(node1.storagePoolDefineXML, pool_xml("third"), 0) == FAILED
        assert struck(node1.networkDefineXML, NETWORK.format("lan")) == FAILED
        images.createXML(volume_xml("newer"), 0)
        images.createXMLFrom(volume_xml("one2"), source, 0)
        assert images.listVolumes() == ["newer", "one", "one2", "two"]

    def test_of_what_is_looked_for(self, cluster, node1, pools):
        images, _other = pools
        volume = images.storageVolLookupByName("one")
        cluster.fault("virStoragePoolLookupByName", pool="images")
        cluster.fault("virStoragePoolLookupByVolume", pool="images", volume="one")
        cluster.fault("virStorageVolLookupByName", pool="images", volume="one")
        cluster.fault("virStorageVolLookupByPath", volume="one")
        cluster.fault("virNetworkLookupByName", network="default")
        assert struck(node1.storagePoolLookupByName, "images") == FAILED
        assert struck(volume.storagePoolLookupByVolume) == FAILED
        assert struck(images.storageVolLookupByName, "one") == FAILED
        assert struck(node1.storageVolLookupByPath, "/srv/images/one") == FAILED
        assert struck(node1.networkLookupByName, "default") == FAILED
        assert node1.storagePoolLookupByName("other").name() == "other"
        assert node1.storageVolLookupByPath("/srv/other/two").name() == "two"

    def test_of_a_network(self, cluster, node1):
        lan = node1.networkDefineXML(NETWORK.format("lan"))
        cluster.fault("virNetworkDestroy", network="default", node="node1")
        lan.create()
        lan.destroy()
        assert struck(node1.networkLookupByName("default").destroy) == FAILED

    def test_what_has_no_name_is_none_of_them(self, cluster, node1, pools):
        fault = cluster.fault("virStorageVolCreateXML", volume="new", optional=True)
        assert refusal(pools[0].createXML, "<volume/>", 0)[2] == "XML error: missing volume name element"
        assert fault.seen == 0

    def test_the_most_narrowed_one_strikes(self, cluster, pools):
        cluster.fault("virStorageVolDelete", pool="images", error="the pool's", optional=True)
        cluster.fault("virStorageVolDelete", pool="images", volume="one", error="the volume's")
        assert refusal(pools[0].storageVolLookupByName("one").delete, 0)[2].endswith("the volume's")

    def test_a_delay(self, cluster, pools):
        cluster.fault("virStorageVolWipe", volume="one", delay=30)
        before = cluster.clock.now
        pools[0].storageVolLookupByName("two").wipe(0)
        assert cluster.clock.now == before
        pools[0].storageVolLookupByName("one").wipe(0)
        assert cluster.clock.now == before + 30

    def test_one_that_never_fired_says_what_calls_were_about(self, cluster, node1, pools):
        fault = cluster.fault("virStorageVolDelete", volume="three")
        other = cluster.fault("virNetworkDestroy", network="lan")
        pools[1].storageVolLookupByName("two").delete(0)
        node1.networkLookupByName("default").destroy()
        assert [each.what for each in cluster.violations()] == [
            (
                f"fault('virStorageVolDelete', volume='three') at {fault.origin} never fired: no such call "
                "came, though virStorageVolDelete was called about other/two on node1"
            ),
            (
                f"fault('virNetworkDestroy', network='lan') at {other.origin} never fired: no such call "
                "came, though virNetworkDestroy was called about default on node1"
            ),
        ]
        fault.withdraw()


def test_a_hold(cluster, connect, pools):
    thread = threading.Thread(
        target=lambda: connect().storagePoolLookupByName("images").storageVolLookupByName("two").delete(0)
    )
    with cluster.hold("virStorageVolDelete", pool="images", volume="two") as held:
        thread.start()
        held.wait()
        assert (held.call.pool, held.call.volume, held.call.instance) == ("images", "two", None)
        pools[1].storageVolLookupByName("two").delete(0)
        assert volumes(pools) == [["one", "two"], ["one"]]
    thread.join()
    assert volumes(pools) == [["one"], ["one"]]
    with pytest.raises(DeclarationError, match=r"^network='x' can't be: virStorageVolDelete names"):
        cluster.hold("virStorageVolDelete", network="x")


class TestLookingBack:
    def test_the_journal(self, cluster, node1, pools):
        pools[0].storageVolLookupByName("two").delete(0)
        calls = cluster.journal.calls(pool="images", volume="two")
        assert [each.method for each in calls] == [
            "virStorageVolCreateXML",
            "virStorageVolLookupByName",
            "virStorageVolDelete",
        ]
        assert str(calls[-1]) == "virStorageVolDelete(<volume images/two>, 0)"
        node1.networkLookupByName("default")
        (call,) = cluster.journal.calls(network="default")
        assert (call.network, call.pool, call.volume) == ("default", None, None)
        with pytest.raises(DeclarationError, match=r"^pool must be the name of a pool, not 5$"):
            cluster.journal.calls(pool=5)

    def test_assertions(self, cluster, pools):
        pools[0].storageVolLookupByName("two").delete(0)
        node1 = cluster["node1"]
        for each in (cluster, node1):
            each.assert_called("virStorageVolDelete", pool="images", volume="two", times=1)
            each.assert_not_called("virStorageVolDelete", volume="one")
            each.assert_call_order("virStorageVolCreateXML", "virStorageVolDelete", volume="two")
        number, place = cluster.journal[-1].number, cluster.journal[-1].place
        with pytest.raises(AssertionError) as caught:
            cluster.assert_called("virStorageVolDelete", pool="images", volume="one")
        assert str(caught.value) == (
            "virStorageVolDelete for images/one was not called\n"
            "  other calls of it:\n"
            f"    {number} node1 virStorageVolDelete(<volume images/two>, 0) at {place} -> None"
        )
        with pytest.raises(AssertionError) as caught:
            cluster.assert_call_order("virStorageVolDelete", "virStorageVolCreateXML", volume="two")
        assert str(caught.value).startswith(
            f"virStorageVolCreateXML for two was not called after call {number}, "
        )

    def test_what_no_call_can_be_about(self, cluster):
        for function in (cluster.assert_called, cluster.assert_not_called, cluster.assert_call_order):
            with pytest.raises(DeclarationError) as caught:
                function("virStorageVolDelete", network="default")
            assert str(caught.value) == (
                "network='default' can't be: virStorageVolDelete names no network; "
                "narrow it by pool= or volume="
            )


def test_a_call_with_no_instance_to_narrow_it_by(cluster):
    with pytest.raises(DeclarationError) as caught:
        cluster.assert_not_called("virStoragePoolLookupByUUID", pool="images")
    assert str(caught.value) == "pool='images' can't be: virStoragePoolLookupByUUID names no pool"
