"""The assertion helpers: when they pass, and what they say when they fail."""

import inspect
import os

import pytest
from failing import failure, line

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    Instance,
    NodeSpec,
)

HERE = os.path.relpath(__file__)
"""This file as messages show it: from where the run began."""


def test_running(hv):
    hv.add_instance("web1", memory=512, vcpus=3)
    hv.assert_running("web1")
    hv.assert_running("web1", memory=512)
    hv.assert_running("web1", memory=512, vcpus=3)


def test_by_the_object_that_the_interface_takes(hv):
    web1 = hv.add_instance("web1")
    hv.assert_running(web1)
    assert failure(hv.assert_paused, web1) == "web1 is running on node1, not paused; no call was about it"


def test_paused(hv):
    hv.add_instance("web1", memory=512, vcpus=3, state="paused")
    hv.assert_paused("web1")
    hv.assert_paused("web1", memory=512, vcpus=3)


def test_stopped(hv):
    hv.instance("web1")
    hv.assert_stopped("web1")
    hv.add_instance("web1", state="stopped")
    hv.assert_stopped("web1")


def test_not_running_names_what_runs_the_nearest_name_and_the_last_call(hv):
    hv.add_instance("web2")
    hv.add_instance("web10")
    web1 = hv.add_instance("web1")
    hv.StopInstance(web1)
    where = f"{line().rpartition(':')[0]}:{inspect.currentframe().f_lineno - 1}"
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; running there: web2, web10; "
        f"last call: StopInstance('web1') at {where}"
    )


def test_nothing_runs(hv):
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; nothing runs there; no call was about it"
    )
    assert failure(hv.assert_paused, "web1") == (
        "web1 is not paused on node1; nothing runs there; no call was about it"
    )


def test_nearest_name_may_be_one_that_is_only_declared(hv):
    hv.instance("database1")
    assert failure(hv.assert_running, "databse1") == (
        "databse1 is not running on node1; nothing runs there; nearest name: database1; no call was about it"
    )


def test_nearest_name_may_be_the_same_with_a_domain(hv):
    hv.add_instance("web1.example.org")
    hv.add_instance("web2")
    rest = "running there: web1.example.org, web2; nearest name: web1.example.org; no call was about it"
    assert failure(hv.assert_running, "web1") == f"web1 is not running on node1; {rest}"


def test_the_last_call_may_have_failed(hv):
    web1 = hv.instance("web1")
    with pytest.raises(HypervisorError):
        hv.StopInstance(web1, force=True)
    where = f"{HERE}:{inspect.currentframe().f_lineno - 1}"
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on node1; nothing runs there; "
        f"last call: StopInstance('web1', force=True) at {where}, "
        "which raised HypervisorError: Failed to stop instance web1: not running"
    )


def test_wrong_state(hv):
    hv.add_instance("web1")
    hv.add_instance("web2", state="paused")
    rest = "no call was about it"
    assert failure(hv.assert_paused, "web1") == f"web1 is running on node1, not paused; {rest}"
    assert failure(hv.assert_stopped, "web1") == f"web1 is running on node1, not stopped; {rest}"
    assert failure(hv.assert_running, "web2") == f"web2 is paused on node1, not running; {rest}"
    assert failure(hv.assert_stopped, "web2") == f"web2 is paused on node1, not stopped; {rest}"


def test_wrong_figures(hv):
    web1 = hv.add_instance("web1", memory=512, vcpus=3)
    hv.BalloonInstanceMemory(web1, 256)
    where = f"{HERE}:{inspect.currentframe().f_lineno - 1}"
    last = f"last call: BalloonInstanceMemory('web1', 256) at {where}"
    assert failure(hv.assert_running, "web1", memory=512) == (
        f"web1 has on node1 memory 256, not 512; {last}"
    )
    assert failure(hv.assert_running, "web1", vcpus=1) == f"web1 has on node1 vcpus 3, not 1; {last}"
    assert failure(hv.assert_running, "web1", memory=255, vcpus=1) == (
        f"web1 has on node1 memory 256, not 255 and vcpus 3, not 1; {last}"
    )


def test_wrong_figures_of_one_that_is_paused(cluster):
    cluster.add_instance("web1", memory=512, vcpus=3, state="paused")
    assert failure(cluster.assert_paused, "web1", memory=256, vcpus=1) == (
        "web1 has on node1 memory 512, not 256 and vcpus 3, not 1; no call was about it"
    )
    assert failure(cluster.assert_paused, "web1", on="node2") == (
        "web1 is not paused on node2, but is paused on node1; no call was about it"
    )


def test_figures_that_no_instance_has(hv):
    """Nothing is a figure, too: a wrong one."""
    hv.add_instance("web1", memory=512, vcpus=3)
    for figures, text in (
        ({"memory": 0}, "memory 512, not 0"),
        ({"memory": "0M"}, "memory 512, not 0"),
        ({"vcpus": 0}, "vcpus 3, not 0"),
    ):
        assert failure(hv.assert_running, "web1", **figures) == (
            f"web1 has on node1 {text}; no call was about it"
        )


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (
            {"memory": "much"},
            (
                "memory must be an integer that is not negative, of MiB, or a text like '512M', '24G' or "
                "'1.5 TiB', not 'much'"
            ),
        ),
        ({"vcpus": "2"}, "vcpus must be an integer that is not negative, not '2'"),
        ({"vcpus": -1}, "vcpus must be an integer that is not negative, not -1"),
    ],
)
def test_what_is_no_figure(hv, figures, text):
    hv.add_instance("web1")
    for function in (hv.assert_running, hv.assert_paused):
        with pytest.raises(DeclarationError) as caught:
            function("web1", **figures)
        assert str(caught.value) == text


def test_long_lists_are_cut(hv):
    for number in range(11):
        hv.add_instance(f"i{number}")
    assert failure(hv.assert_running, "zzz") == (
        "zzz is not running on node1; running there: i0, i1, i2, i3, i4, i5, i6, i7 and 3 more; "
        "no call was about it"
    )


def test_a_cluster_looks_at_every_node(cluster):
    cluster.add_instance("web1", node="node2")
    cluster.assert_running("web1")
    cluster["node1"].assert_stopped("web1")
    assert failure(cluster["node1"].assert_paused, "web1") == (
        "web1 is not paused on node1, but is running on node2; no call was about it"
    )
    assert failure(cluster.assert_stopped, "web1") == (
        "web1 is running on node2, not stopped; no call was about it"
    )
    assert failure(cluster.assert_running, "web2") == (
        "web2 is not running on any of node1, node2; running there: web1; nearest name: web1; "
        "no call was about it"
    )
    cluster.add_instance("web1", node="node1", state="paused")
    assert failure(cluster.assert_running, "web1") == (
        "web1 is paused on node1 and is running on node2, not running; no call was about it"
    )


def test_one_malformed_file_spoils_no_assertion_on_others(hv, filesystem):
    import os

    hv.add_instance("web1")
    os_module = filesystem.os
    os_module.close(os_module.open(f"{hv.root}/bad", os.O_WRONLY | os.O_CREAT, 0o644))
    hv.assert_running("web1")
    hv.assert_stopped(hv.instance("web2"))
    assert failure(hv.assert_running, "web2") == (
        "web2 is not running on node1; running there: bad, web1; no call was about it"
    )
    with pytest.raises(HypervisorError, match="malformed instance file"):
        hv.assert_running("bad")


def test_they_leave_no_trace_in_the_journal(hv):
    hv.add_instance("web1")
    hv.assert_running("web1")
    assert hv.instances
    assert len(hv.journal) == 0


def test_without_pytest(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("alone"))
    assert failure(hv.assert_running, "web1") == (
        "web1 is not running on alone; nothing runs there; no call was about it"
    )


def test_what_is_said_of_an_unknown_instance_would_test_nothing(cluster):
    cluster.add_instance("web1")
    for function in (
        cluster.assert_stopped,
        cluster.assert_not_migrated,
        lambda name: cluster.assert_not_called("StopInstance", instance=name),
        lambda name: cluster.assert_placement({"web1": "node1", name: None}),
    ):
        with pytest.raises(DeclarationError) as caught:
            function("wbe1")
        assert str(caught.value) == "no instance is named 'wbe1'; nearest: web1"


def test_where_nothing_is_known_it_says_what_is(cluster):
    with pytest.raises(DeclarationError) as caught:
        cluster.assert_stopped("zzz")
    assert str(caught.value) == "no instance is named 'zzz'; none is declared"
    cluster.add_instance("web1")
    cluster["node1"].ListInstances()
    with pytest.raises(DeclarationError) as caught:
        cluster.assert_stopped("zzz")
    assert str(caught.value) == "no instance is named 'zzz'; there are: web1"


def test_what_ran_or_was_asked_for_is_known_though_never_declared(cluster):
    node1 = cluster["node1"]
    node1.GetInstanceInfo("web1")
    cluster.assert_stopped("web1")
    web2 = Instance("web2", beparams={"minmem": 512, "maxmem": 512, "vcpus": 1})
    node1.StartInstance(web2, [], False)
    node1.StopInstance(web2)
    cluster.journal.keep(1)
    node1.ListInstances()
    cluster.assert_stopped("web2")


class TestOn:
    """``on`` names the one node of a cluster where an instance must be."""

    def test_it_is_there(self, cluster):
        cluster.add_instance("web1", node="node2")
        cluster.add_instance("web2", node="node2", state="paused")
        cluster.assert_running("web1", on="node2")
        cluster.assert_paused("web2", on="node2")

    def test_by_address(self, root):
        cluster = FakeCluster(root, NodeSpec("a"), NodeSpec("b", address="192.0.2.2"))
        cluster.add_instance("web1", node="b")
        cluster.assert_running("web1", on="192.0.2.2")

    def test_it_is_elsewhere(self, cluster):
        cluster.add_instance("web1", node="node2")
        assert failure(cluster.assert_running, "web1", on="node1") == (
            "web1 is not running on node1, but is running on node2; no call was about it"
        )

    def test_it_is_elsewhere_too(self, cluster):
        for node in cluster:
            node.add_instance("web1")
        cluster.assert_running("web1")
        assert failure(cluster.assert_running, "web1", on="node2") == (
            "web1 is running on node2 and is running on node1, not running on node2 alone; "
            "no call was about it"
        )

    def test_no_such_node(self, cluster):
        cluster["node1"].ListInstances()
        with pytest.raises(DeclarationError) as caught:
            cluster.assert_running("web1", on="node9")
        assert str(caught.value) == "no node is named 'node9'; there are: node1, node2"


class TestPlacement:
    @pytest.fixture
    def placed(self, cluster):
        cluster.add_instance("web10", node="node2", state="paused")
        cluster.add_instance("web2")
        cluster.add_instance("web3", state="stopped")
        for node in cluster:
            node.add_instance("both")
        return cluster

    @pytest.mark.parametrize("names", [("a", "b"), ("b", "a"), ("node10", "node9")])
    def test_a_placement_on_several_nodes_in_any_order(self, names):
        """Neither of their declaration nor of the assertion."""
        cluster = FakeCluster.in_memory(*map(NodeSpec, names))
        for node in cluster:
            node.add_instance("web1")
        cluster.assert_placement({"web1": names})
        cluster.assert_placement({"web1": names[::-1]})
        with pytest.raises(AssertionError):
            cluster.assert_placement({"web1": names[0]})

    def test_several_nodes_are_said_in_their_order(self):
        cluster = FakeCluster.in_memory(NodeSpec("node10"), NodeSpec("node9"))
        cluster.instance("web1")
        assert failure(cluster.assert_placement, {"web1": ("node10", "node9")}) == (
            "the placement is not as expected:\n  web1: nowhere, expected on node9 and node10"
        )

    def test_nodes_whose_names_have_the_same_letters(self):
        cluster = FakeCluster.in_memory(NodeSpec("node12"), NodeSpec("node21"))
        cluster["node12"].add_instance("web1")
        assert failure(cluster.assert_placement, {"web1": "node21"}) == (
            "the placement is not as expected:\n  web1: on node12, expected on node21"
        )

    def test_placement(self, placed):
        placement = placed.placement()
        assert placement == {"both": ("node1", "node2"), "web2": "node1", "web10": "node2"}
        assert list(placement) == ["both", "web2", "web10"]
        assert placed["node2"].placement() == {"both": "node2", "web10": "node2"}

    def test_as_expected(self, placed):
        placed.assert_placement({"web2": "node1", "web10": "node2", "both": ("node1", "node2"), "web3": None})
        placed.assert_placement({"web2": "node1"}, partial=True)
        placed.assert_placement({}, partial=True)
        placed["node1"].assert_placement({"web2": "node1", "both": "node1"})

    def test_what_went_down_with_a_node_is_said_so(self, cluster):
        node1, node2 = cluster
        for name in ("web1", "web2", "web3", "web4", "web5"):
            cluster.add_instance(name, node="node1")
        cluster.add_instance("web5", node="node2")
        cluster.migrate("web4", to="node2")
        node1.StopInstance(cluster.instance("web2"))
        node1.crash()
        node1.boot()
        node1.StartInstance(cluster.instance("web3"), [], False)
        node1.StopInstance(cluster.instance("web3"))
        node2.PowercycleNode()
        node2.StartInstance(cluster.instance("web5"), [], False)
        expected = dict.fromkeys(["web1", "web2", "web3", "web4", "web5"], "node1")
        assert failure(cluster.assert_placement, expected) == (
            "the placement is not as expected:\n"
            "  web1: nowhere (it went down with node1), expected on node1\n"
            "  web2: nowhere, expected on node1\n"
            "  web3: nowhere, expected on node1\n"
            "  web4: nowhere (it went down with node2), expected on node1\n"
            "  web5: on node2, expected on node1"
        )
        assert failure(node2.assert_placement, {"web1": "node2", "web5": "node2"}) == (
            "the placement is not as expected:\n  web1: nowhere (it went down with node1), expected on node2"
        )

    def test_what_is_lost_as_its_migration_fails_went_down_with_no_node(self, cluster):
        web1 = cluster.add_instance("web1", node="node1")
        cluster.script_migration("web1", postcopy=0, dirty_rate=2048)
        cluster["node1"].MigrateInstance("c", web1, "node2", True)
        cluster["node2"].crash()
        assert failure(cluster.assert_placement, {"web1": "node2"}) == (
            "the placement is not as expected:\n  web1: nowhere, expected on node2"
        )

    def test_the_differences(self, placed):
        expected = {"web2": "node2", "web10": "node2", "web4": "node1", "both": None}
        assert failure(placed.assert_placement, expected, partial=True) == (
            "the placement is not as expected:\n"
            "  both: on node1 and node2, expected nowhere\n"
            "  web2: on node1, expected on node2\n"
            "  web4: nowhere, expected on node1"
        )
        assert failure(placed.assert_placement, {"web2": "node1", "both": ("node1", "node2")}) == (
            "the placement is not as expected:\n  web10: on node2, expected nowhere"
        )

    @pytest.mark.parametrize(("count", "cut"), [(20, []), (21, ["  and 1 more"]), (30, ["  and 10 more"])])
    def test_many_differences_are_cut(self, cluster, count, cut):
        expected = {f"web{number}": "node1" for number in range(count)}
        lines = failure(cluster.assert_placement, expected).splitlines()
        assert lines[20:] == ["  web19: nowhere, expected on node1", *cut]

    def test_other_ways_to_say_it(self, root):
        cluster = FakeCluster(root, NodeSpec("a", address="192.0.2.1"), NodeSpec("b"))
        cluster.add_instance("web1")
        cluster.add_instance("web2", state="stopped")
        cluster.assert_placement({"web1": ["a"], "web2": []})
        cluster.assert_placement({"web1": "192.0.2.1"})
        for wrong, text in (
            ({"web1": "c"}, "no node is named 'c'; there are: a, b"),
            (
                {"web1": ["a", None]},
                "a node is given by its name or address, or as itself, not as None",
            ),
            ([("web1", "a")], "a placement is a mapping of instances to nodes, not [('web1', 'a')]"),
        ):
            with pytest.raises(DeclarationError) as caught:
                cluster.assert_placement(wrong)
            assert str(caught.value) == text

    def test_partial_is_a_truth_value(self, placed):
        with pytest.raises(DeclarationError) as caught:
            placed.assert_placement({"web2": "node1"}, partial="yes")
        assert str(caught.value) == "partial must be one of True, False, not 'yes'"

    def test_a_node_knows_of_itself_alone(self, placed):
        for function in (
            lambda: placed["node1"].assert_running("web2", on="node2"),
            lambda: placed["node1"].assert_placement({"web2": "node2"}),
            lambda: placed["node1"].assert_called("StopInstance", node="node2"),
        ):
            with pytest.raises(DeclarationError) as caught:
                function()
            assert str(caught.value) == "node1 knows of itself alone; ask the cluster of node2"


def test_plain_comparisons_explain_themselves(pytester):
    pytester.makepyfile(
        """
        from dataclasses import replace
        import pytest

        @pytest.fixture(autouse=True)
        def cluster(fakehv_cluster):
            fakehv_cluster.add_instance("web1", memory=512)
            fakehv_cluster.migrate("web1", to="node2")
            return fakehv_cluster

        def test_infos(cluster):
            assert cluster["node2"].instances["web1"] == ("web1", "0", 1024, 1, 0, 0)

        def test_infos_reversed(cluster):
            assert ("web2", "0", 512, 1, 0, 0) == cluster["node2"].GetInstanceInfo("web1")

        def test_placements(cluster):
            assert cluster.placement() == {"web1": "node1", "web2": "node2"}

        def test_placements_reversed(cluster):
            assert {} == cluster.placement()

        def test_a_placement_with_none(cluster):
            assert cluster.placement() == {"web1": "node2", "web2": None}

        def test_migrations(cluster):
            (migration,) = cluster.migrations
            assert migration == replace(migration, outcome="failed", polls=3)

        def test_others(cluster):
            assert cluster.migrations == 5

        def test_plain_tuples(cluster):
            assert (1, 2) == (1, 3)

        def test_plain_tuples_of_six(cluster):
            assert (1, 2, 3, 4, 5, 6) == (1, 2, 3, 4, 5, 7)
        """
    )
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(failed=9)
    result.stdout.fnmatch_lines(
        [
            "E  *assert InstanceInfo('web1', memory=512, vcpus=1) == ('web1', '0', 1024, 1, 0, 0)",
            "E         the instances differ:",
            "E           memory: 512 != 1024",
            "E  *assert ('web2', '0', 512, 1, 0, 0) == InstanceInfo('web1', memory=512, vcpus=1)",
            "E         the instances differ:",
            "E           name: 'web2' != 'web1'",
            "E  *assert the placements differ:",
            "E           web1: on node2, expected on node1",
            "E           web2: nowhere, expected on node2",
            "E  *assert the placements differ:",
            "E           web1: on node2, expected nowhere",
            "E           'web2': leave it out, as it runs nowhere",
            "E *: assert web1 * live: completed at poll 1 == web1 * live: failed at poll 3, yet *",
            "E         the migrations differ:",
            "E           outcome: 'completed' != 'failed'",
            "E           polls: 1 != 3",
            "E  *assert [[]Migration(* == 5",
            "E       assert (1, 2) == (1, 3)",
            "E       assert (1, 2, 3, 4, 5, 6) == (1, 2, 3, 4, 5, 7)",
            "E         At index 5 diff: 6 != 7",
        ]
    )


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ({"web1": ("node1",)}, "'web1': 'node1' != ('node1',)"),
        ({"web1": ["node2"]}, "'web1': 'node1' != ['node2']"),
        ({"web1": (1,)}, "'web1': 'node1' != (1,)"),
        ({"web1": "node1", "web2": ("node2", "node1")}, "'web2': ('node1', 'node2') != ('node2', 'node1')"),
        ({"web1": "node1", "web3": ()}, "'web3': leave it out, as it runs nowhere"),
        ({"web1": "node1", "web3": ["node1"]}, "'web3': nowhere != ['node1']"),
        ({"web1": "node1", 3: "node1"}, "3: nowhere != 'node1'"),
    ],
)
def test_a_placement_that_is_written_otherwise_is_explained_too(pytester, expected, line):
    several = {"web2": ("node1", "node2")} if "web2" in expected else {}
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.fakehv(strict=False)
        def test_it(fakehv_cluster):
            fakehv_cluster.add_instance("web1", node="node1")
            for name in {several.get("web2", ())}:
                node = fakehv_cluster[name]
                node.StartInstance(node.instance("web2"), [], False)
            assert fakehv_cluster.placement() == {expected}
        """
    )
    said = [each for each in pytester.runpytest().outlines if each.startswith("E")]
    assert said == ["E       AssertionError: assert the placements differ:", f"E           {line}"]
