"""What is shown at the edges: what has just room enough, and what has just no more."""

import pytest
from shown import numbered, start

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, InstanceSpec, NodeSpec
from pytest_fakehv.text import listed, nearest, printable, shown


def test_a_value_is_cut_in_the_middle_where_it_has_no_room():
    assert shown("x" * 78) == f"'{'x' * 78}'"
    assert shown("x" * 79) == f"'{'x' * 59}...{'x' * 16}'"


def test_only_what_can_not_be_seen_is_escaped():
    assert printable("é\\\n") == "é\\\\n"


def test_names_that_just_have_room_are_all_there():
    assert listed(f"web{number}" for number in range(8)) == "web0, web1, web2, web3, web4, web5, web6, web7"


def test_a_result_that_just_has_room(root):
    class Own(FakeHypervisor):
        def ListInstances(self, hvparams=None):
            raise HypervisorError("x" * 283)

    cluster = FakeCluster(root, hypervisor=Own)
    with pytest.raises(HypervisorError):
        cluster["node1"].ListInstances()
    assert cluster.timeline().steps[0].result == f"HypervisorError: {'x' * 283}"


def test_two_hundred_steps_are_all_there(root):
    cluster = FakeCluster(root)
    for _ in range(100):
        for node in cluster:
            node.ListInstances()
    timeline = cluster.timeline()
    assert (len(timeline.steps), timeline.left_out) == (200, [])


def test_a_hold_that_was_made_during_a_call(root):
    class Own(FakeHypervisor):
        def RebootInstance(self, instance):
            self.cluster.hold("ListInstances")

    cluster = FakeCluster(root, hypervisor=Own)
    cluster["node1"].RebootInstance(cluster.instance("web1"))
    assert cluster.timeline().steps[0].notes == ["the cluster: hold('ListInstances')"]


def test_a_call_that_the_test_stepped_into_is_a_step_of_its_own(root):
    class Own(FakeHypervisor):
        def RebootInstance(self, instance):
            if len(self.cluster.journal) == 2:
                self.cluster["node2"].disconnect()

    cluster = FakeCluster(root, hypervisor=Own)
    for _ in range(3):
        cluster["node1"].RebootInstance(cluster.instance("web1"))
    assert [step.numbers for step in cluster.timeline().steps] == ["1", "2", "3"]


def test_very_many_calls_of_one_node_make_no_timeline(root):
    cluster = FakeCluster(root)
    for _ in range(110):
        cluster["node1"].ListInstances()
        cluster["node1"].GetNodeInfo()
    assert str(cluster.timeline()) == ""


def test_a_test_that_calls_nothing_has_no_timeline(root):
    cluster = FakeCluster(root)
    cluster["node2"].disconnect()
    assert str(cluster.timeline()) == ""


def test_a_node_that_stays_down_from_before_the_first_call_is_no_part_of_it(root):
    cluster = FakeCluster(root)
    cluster["node2"].crash()
    cluster["node1"].ListInstances()
    assert str(cluster.timeline()) == ""


def test_four_nodes_have_no_columns(root):
    """Each call names its node, which is cut where it has no room."""
    names = ["n1", "n2", "n" * 79, "n" * 92]
    cluster = FakeCluster(root, *map(NodeSpec, names))
    for node in cluster:
        node.ListInstances()
    assert str(cluster.timeline()).splitlines()[1:] == [
        "  0 s n1 ListInstances",
        "  0 s n2 ListInstances",
        f"  0 s {'n' * 79} ListInstances",
        f"  0 s {'n' * 92}~",
    ]


def test_like_deeds_in_a_row_are_counted(root):
    cluster = FakeCluster(root)
    start(cluster["node1"], "web1")
    start(cluster["node1"], "web2")
    for number in range(3):
        cluster.add_instance(f"db{number}")
    cluster["node2"].crash()
    lines = str(cluster.timeline()).splitlines()
    assert [line.split()[-2:] for line in lines[-2:]] == [["*add_instance", "x3"], ["s", "*crash"]]


def test_names_are_never_broken(root):
    cluster = FakeCluster(root, NodeSpec("n" * 100))
    name = "web-" * 18
    start(cluster["n" * 100], name)
    lines = cluster.describe().splitlines()
    assert any(line.split()[-1] == "n" * 100 for line in lines)
    assert any(f"'{name}'" in line for line in lines)


def test_three_nodes_stay_in_order(root):
    cluster = FakeCluster(root, *numbered(3), instances=[InstanceSpec("web1")])
    with pytest.raises(HypervisorError):
        cluster["node3"].StopInstance(cluster.instance("web1"))
    heads = [line for line in cluster.describe().splitlines() if "MiB free" in line]
    assert [line.partition(":")[0] for line in heads] == ["node1", "node2", "node3"]


def test_twenty_instances_all_have_lines(root):
    names = [f"web{number}" for number in range(20)]
    cluster = FakeCluster(root, instances=map(InstanceSpec, names))
    with pytest.raises(HypervisorError):
        cluster["node2"].StopInstance(cluster.instance("web1"))
    lines = cluster.describe().splitlines()
    assert [line.split()[0] for line in lines[1:21]] == names


def test_of_names_with_a_domain_the_first_one_is_near():
    assert nearest("web1", ["web1.org", "web1.com"]) == ["web1.com"]
