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


def test_names_are_not_broken_at_a_hyphen(root):
    cluster = FakeCluster(root)
    name = "-".join(["web"] * 19)
    start(cluster["node1"], name)
    assert any(f"StartInstance('{name}'," in line for line in cluster.describe().splitlines())


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


def test_calls_that_are_not_shown_before_the_first_that_is(root):
    cluster = FakeCluster(root)
    node1 = cluster["node1"]
    for number in range(5):
        node1.GetInstanceInfo(f"web{number}")
    with pytest.raises(HypervisorError):
        node1.StopInstance(cluster.instance("db1"))
    for number in range(30):
        node1.GetInstanceInfo(f"web{number}")
    lines = cluster.describe().splitlines()
    begin = lines.index("calls, 11 of 36:")
    assert [line.partition(" at ")[0] for line in lines[begin + 1 : begin + 5]] == [
        "  ... 5 calls ...",
        "   6 node1 StopInstance('db1')",
        "      -> HypervisorError: Failed to stop instance db1: not running",
        "  ... 20 calls ...",
    ]


def test_calls_that_are_not_shown_though_all_of_them_raised(root):
    cluster = FakeCluster(root)
    for number in range(30):
        with pytest.raises(HypervisorError):
            cluster["node1"].StopInstance(cluster.instance(f"web{number}"))
    lines = cluster.describe().splitlines()
    begin = lines.index("calls, 16 of 30:")
    gaps = [line for line in lines[begin:] if line.startswith("  ...")]
    assert gaps == ["  ... 14 calls, 14 of which raised ..."]


def test_a_line_that_just_has_room(tmp_path):
    def told(name):
        cluster = FakeCluster(tmp_path / str(len(name)))
        cluster["node1"].GetInstanceInfo(name)
        return [line for line in cluster.describe().splitlines() if "GetInstanceInfo" in line or "->" in line]

    (line,) = told("web")
    name = "w" * (100 - len(line) + len("web"))
    assert list(map(len, told(name))) == [100]
    assert len(told(f"{name}w")) == 2


def test_like_calls_with_other_results(root):
    cluster = FakeCluster(root)
    for name in ("web1", "web2"):
        cluster.add_instance(name)
        cluster["node1"].ListInstances()
    line = cluster.describe().splitlines()[-1]
    assert line == f"  1-2 node1 ListInstances() at {cluster.journal[0].place} -> at last ['web1', 'web2']"


def test_of_many_calls_that_raised_one_with_an_error_of_another_type(root):
    cluster = FakeCluster(root)
    node1 = cluster["node1"]

    def stop(numbers):
        for number in numbers:
            with pytest.raises(HypervisorError):
                node1.StopInstance(cluster.instance(f"web{number}"))

    stop(range(20))
    node1.crash()
    stop([20])
    node1.boot()
    stop(range(21, 41))
    lines = cluster.describe().splitlines()
    assert sum("-> NodeDownError: " in line for line in lines) == 1


def test_like_calls_that_all_raised(root):
    cluster = FakeCluster(root)
    for number in range(40):
        for _ in range(2):
            with pytest.raises(HypervisorError):
                cluster["node1"].StopInstance(cluster.instance(f"web{number}"))
    lines = cluster.describe().splitlines()
    assert [line.partition(" at ")[0] for line in lines if " at " in line][:2] == [
        "    1-2 node1 StopInstance('web0')",
        "    3-4 node1 StopInstance('web1')",
    ]


def test_a_lie_long_ago_is_in_the_timeline_of_the_report(root):
    cluster = FakeCluster(root)
    node1, node2 = cluster
    cluster.fault("ListInstances", node="node1", result=["web9"], times=1)
    node1.ListInstances()
    for _ in range(60):
        node1.GetNodeInfo()
        node2.ListInstances()
    assert "  0 s ?ListInstances" in cluster.describe().splitlines()


def test_an_error_of_another_type_is_in_the_timeline_of_the_report(root):
    cluster = FakeCluster(root)
    node1, node2 = cluster

    def stop(numbers):
        for number in numbers:
            node2.ListInstances()
            with pytest.raises(HypervisorError):
                node1.StopInstance(cluster.instance(f"web{number}"))

    stop(range(10, 50))
    node1.crash()
    stop([99])
    node1.boot()
    stop(range(50, 90))
    assert "  0 s web99 !StopInstance" in cluster.describe().splitlines()


def test_of_what_is_about_something_wrong_as_much_is_shown_as_has_room(root):
    cluster = FakeCluster(root)
    for node in cluster:
        start(node, "web1")
    for _ in range(150):
        for node in cluster:
            node.GetInstanceInfo("web1")
    timeline = cluster.timeline()
    assert [each.invariant for each in cluster.violations()] == ["double-start", "split-brain"]
    assert len(timeline.steps) == 197
