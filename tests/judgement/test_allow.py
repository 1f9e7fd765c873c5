"""What a test allows is not reported."""

import pytest
from advice import ADVICE
from by_hand import accepted
from careless import run, said

from pytest_fakehv import DeclarationError


@pytest.mark.parametrize(
    ("allow", "text"),
    [
        (
            ["vanish"],
            (
                "allow has 'vanish'; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "together, crowded, left-paused, forgotten, orphaned, overcommit, unfired"
            ),
        ),
        (
            ["unfired", 5],
            (
                "allow has 5; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "together, crowded, left-paused, forgotten, orphaned, overcommit, unfired"
            ),
        ),
        (
            [["unfired"]],
            (
                "allow has ['unfired']; valid: split-brain, vanished, unfinished, unearned, double-start, "
                "together, crowded, left-paused, forgotten, orphaned, overcommit, unfired"
            ),
        ),
        ("vanished", "allow must be a list of invariants, not 'vanished'"),
        (5, "allow must be a list of invariants, not 5"),
        (None, "allow must be a list of invariants, not None"),
    ],
)
def test_wrong_names_of_invariants(cluster, allow, text):
    with pytest.raises(DeclarationError) as caught:
        cluster.assert_consistent(allow=allow)
    assert str(caught.value) == text


class TestAllow:
    """A test may excuse what is wrong, of one instance alone or of any."""

    def unfinished(self, cluster):
        return [each.instance for each in cluster.violations() if each.invariant == "unfinished"]

    def test_of_one_instance(self, cluster):
        accepted(cluster, 3)
        cluster.allow("unfinished", instance="db2")
        assert self.unfinished(cluster) == ["db1", "db3"]
        cluster["node1"].allow("unfinished", instance=cluster.instance("db3"))
        assert self.unfinished(cluster["node2"]) == ["db1"]
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        call = cluster.journal[0]
        assert str(caught.value).splitlines() == [
            "unfinished: db1 was accepted on node2 and neither migrated nor aborted",
            f"  since call 1, {call} on node2 at {call.place}",
            f"  {ADVICE['unfinished']}",
        ]
        cluster.assert_consistent(allow=["unfinished"])
        assert [each.what for each in cluster.timeline().troubles] == [
            "db1 was accepted on node2 and neither migrated nor aborted"
        ]

    def test_of_any(self, cluster):
        cluster.allow("unfinished")
        accepted(cluster, 3)
        cluster.assert_consistent()

    def test_several(self, cluster, master):
        cluster["node2"].StartInstance(master.web1, [], False)
        cluster.fault("ListInstances")
        assert [each.invariant for each in cluster.violations()] == [
            "double-start",
            "split-brain",
            "unfired",
        ]
        cluster.allow("split-brain", "double-start", instance="web1")
        assert [each.invariant for each in cluster.violations()] == ["unfired"]
        cluster.allow("unfired", "overcommit")
        cluster.assert_consistent()

    def test_another_instance_or_invariant_is_not_excused(self, cluster):
        accepted(cluster, 1)
        cluster.allow("unfinished", instance="db2")
        cluster.allow("vanished", instance="db1")
        assert self.unfinished(cluster) == ["db1"]

    def test_at_the_end_of_a_test(self, pytester):
        result = run(
            pytester,
            """
@mark.fakehv_instance("web2", node="node1")
def test_some(fakehv_cluster):
    node2 = fakehv_cluster["node2"]
    fakehv_cluster.allow("unfinished", instance="web1")
    for name in ("web1", "web2"):
        node2.AcceptInstance(fakehv_cluster.instance(name), "", "node2")

def test_all(fakehv_cluster):
    fakehv_cluster["node2"].AcceptInstance(fakehv_cluster.instance("web1"), "", "node2")
    fakehv_cluster.allow("unfinished", instance="web1")
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        (lines,) = said(result).values()
        assert [line for line in lines if not line.startswith("  since")] == [
            "unfinished: web2 was accepted on node2 and neither migrated nor aborted",
            f"  {ADVICE['unfinished']}",
        ]

    @pytest.mark.parametrize(
        ("invariants", "instance", "text"),
        [
            ([], None, f"allow needs an invariant; valid: {', '.join(ADVICE)}"),
            (["unfinish"], "web1", f"allow has 'unfinish'; valid: {', '.join(ADVICE)}"),
            ([["vanished"]], None, f"allow has ['vanished']; valid: {', '.join(ADVICE)}"),
            (["vanished"], "", "instance is invalid: '': it is empty"),
            (["vanished"], 5, "an instance is given by its name, or as itself, not as 5"),
            (["vanished", "unfired"], "web1", "unfired is about no instance; allow it without one"),
            (["overcommit"], "web1", "overcommit is about no instance; allow it without one"),
        ],
    )
    def test_wrong_arguments(self, cluster, invariants, instance, text):
        with pytest.raises(DeclarationError) as caught:
            cluster.allow(*invariants, instance=instance)
        assert str(caught.value) == text
        assert cluster._shared.allowed == set()
