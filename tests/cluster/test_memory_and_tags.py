"""Memory as texts with a unit, and tags, wherever nodes and instances are declared."""

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    Instance,
    InstanceSpec,
    NodeSpec,
    Topology,
)


def said(function, *args, **kwargs):
    with pytest.raises(DeclarationError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


class TestMemory:
    @pytest.mark.parametrize(
        ("text", "mib"),
        [
            ("512M", 512),
            ("24G", 24576),
            ("1T", 1048576),
            ("24Gi", 24576),
            ("24GiB", 24576),
            ("24 GiB", 24576),
            ("512 MiB", 512),
            ("1.5G", 1536),
            ("0.25 TiB", 262144),
            ("007M", 7),
            ("1M", 1),
        ],
    )
    def test_a_text_is_mib_everywhere(self, text, mib):
        assert NodeSpec("n", memory=text).memory == mib
        assert NodeSpec("n", memory="2T", reserved_memory=text).info()["memory_dom0"] == mib
        spec = InstanceSpec("i", memory=text, min_memory=text)
        assert (spec.memory, spec.min_memory) == (mib, mib)
        assert spec.instance().beparams == {"minmem": mib, "maxmem": mib, "vcpus": 1}
        cluster = FakeCluster.in_memory(NodeSpec("node1", memory="2T"))
        node = cluster.add_node("node2", memory=text)
        assert node.GetNodeInfo()["memory_total"] == mib
        cluster.add_instance("web1", memory=text)
        cluster.assert_running("web1", memory=mib)
        cluster.assert_running("web1", memory=text)
        assert cluster.instance("web2", memory=text).beparams["maxmem"] == mib
        assert Topology.of({"node": [{"name": "n", "memory": text}]}).nodes[0].memory == mib

    @pytest.mark.parametrize(
        "text",
        [
            "24GB",
            "24g",
            "24K",
            "24",
            "G",
            "-1G",
            "1.G",
            ".5G",
            "1e3M",
            "24  G",
            "24G ",
            "0G",
            "9000000000000T",
            "",
        ],
    )
    def test_another_text_is_refused(self, text):
        kinds = "of MiB, or a text like '512M', '24G' or '1.5 TiB'"
        assert said(NodeSpec, "n", memory=text) == (
            f"memory must be a positive integer, {kinds}, not {text!r}"
        )
        assert said(InstanceSpec, "n", min_memory=text) == (
            f"min_memory must be a positive integer, {kinds}, not {text!r}"
        )

    def test_a_part_of_a_mib_is_refused(self):
        assert said(NodeSpec, "n", memory="1.3G") == "memory must be whole MiB, which '1.3G' is not"

    def test_nothing_reserved(self):
        assert NodeSpec("n", reserved_memory="0M").reserved_memory == 0
        assert said(NodeSpec, "n", reserved_memory="1GB") == (
            "reserved_memory must be an integer that is not negative, of MiB, or a text like '512M', '24G' "
            "or '1.5 TiB', not '1GB'"
        )

    def test_what_does_not_go_together_is_said_in_mib(self):
        assert said(NodeSpec, "n", memory="1G", reserved_memory="2G") == (
            "reserved_memory (2048) is more than memory (1024)"
        )
        assert said(InstanceSpec, "n", memory="1G", min_memory="2G") == (
            "min_memory (2048) is more than memory (1024)"
        )

    def test_wrong_figures_are_said_in_mib(self):
        cluster = FakeCluster.in_memory()
        cluster.add_instance("web1", memory="1G")
        with pytest.raises(
            AssertionError, match=r"^web1 has on node1 memory 1024, not 2048; no call was about it$"
        ):
            cluster.assert_running("web1", memory="2G")

    def test_the_interface_takes_numbers_alone(self):
        hv = FakeHypervisor.in_memory(spec=NodeSpec("node1"))
        web1 = hv.add_instance("web1")
        with pytest.raises(Exception, match="memory must be a positive integer, not '1G'"):
            hv.BalloonInstanceMemory(web1, "1G")


class TestTags:
    def test_of_a_node(self):
        cluster = FakeCluster.in_memory(NodeSpec("node1", tags=["ssd", "rack1"]), NodeSpec("node2"))
        cluster.add_node("node3", tags=("rack2",))
        assert {node.name: node.tags for node in cluster} == {
            "node1": ("ssd", "rack1"),
            "node2": (),
            "node3": ("rack2",),
        }

    def test_of_a_node_of_the_machines_size(self):
        assert FakeHypervisor.in_memory().tags == ()

    def test_of_an_instance(self):
        cluster = FakeCluster.in_memory(instances=[InstanceSpec("web1", tags=set("hgfedcba"))])
        assert cluster.add_instance("db1", tags=["db"]).tags == ("db",)
        assert cluster.instance("web1").tags == tuple("abcdefgh")
        assert cluster["node1"].instance("db1", memory="2G").tags == ("db",)
        assert cluster.instance("db1", tags=[]).tags == ()
        assert cluster.instance("other").tags == ()

    def test_of_an_instance_that_is_given_as_itself(self):
        cluster, other = FakeCluster.in_memory(), FakeCluster.in_memory()
        web1 = cluster.add_instance("web1", tags=["a"])
        assert other.add_instance(web1).tags == ("a",)
        untagged = Instance("web1", {}, {"minmem": 5, "maxmem": 5, "vcpus": 1})
        assert other["node2"].add_instance(untagged).tags == ("a",)

    def test_in_a_topology(self):
        topology = Topology.of(
            {
                "node": [{"name": "node{n}", "count": 2, "tags": ["rack{n}", "ssd"]}],
                "instance": [{"name": "web1", "tags": ["web"]}],
            }
        )
        assert [node.tags for node in topology.nodes] == [("rack1", "ssd"), ("rack2", "ssd")]
        assert topology.instances[0].tags == ("web",)

    def test_a_number_in_one_needs_a_count(self):
        assert said(Topology.of, {"node": [{"name": "node", "tags": ["rack{n}"]}]}) == (
            "[[node]] number 1: tags ['rack{n}'] has a number, which needs a count"
        )

    @pytest.mark.parametrize("given", ["ssd", ["ssd", 5], ["ssd", ""], None, 5, {"ssd": 1}])
    @pytest.mark.parametrize("make", [NodeSpec, InstanceSpec])
    def test_wrong_ones(self, make, given):
        assert said(make, "n", tags=given) == (
            f"tags must be a list of texts that are not empty, not {given!r}"
        )
