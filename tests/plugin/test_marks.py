"""The markers as functions."""

import re
from typing import get_args

import pytest

from pytest_fakehv import Invariant, marks

SAME = [
    (marks.settings(), pytest.mark.fakehv()),
    (
        marks.settings(backend="memory", strict=False, allow=["vanished"], clock="manual", seed=0),
        pytest.mark.fakehv(backend="memory", strict=False, allow=["vanished"], clock="manual", seed=0),
    ),
    (
        marks.settings(topology="two.toml", max_calls=5, max_time=1.5, routes=False),
        pytest.mark.fakehv(topology="two.toml", max_calls=5, max_time=1.5, routes=False),
    ),
    (marks.node("node1", memory="64G"), pytest.mark.fakehv_node("node1", memory="64G")),
    (
        marks.instance("web1", memory=512, state="paused"),
        pytest.mark.fakehv_instance("web1", node=None, memory=512, state="paused"),
    ),
    (marks.migration("web1", at=0.5), pytest.mark.fakehv_migration("web1", at=0.5)),
    (
        marks.fault("StartInstance", instance="web1", error="no"),
        pytest.mark.fakehv_fault("StartInstance", node=None, instance="web1", error="no"),
    ),
    (marks.apart("db1", "db2"), pytest.mark.fakehv_apart("db1", "db2")),
    (
        marks.pool("images", nodes=["node1"]),
        pytest.mark.fakehv_pool("images", nodes=["node1"], path=None, capacity=None),
    ),
    (marks.at_most(migrations=2), pytest.mark.fakehv_at_most(migrations=2, node=None)),
]


@pytest.mark.parametrize(("ours", "pytests"), SAME, ids=lambda mark: mark.name)
def test_each_is_the_marker(ours, pytests):
    assert ours.mark == pytests.mark


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: marks.node("node1", mem=5), "node() got an unexpected keyword argument 'mem'"),
        (lambda: marks.instance("web1", mem=5), "instance() got an unexpected keyword argument 'mem'"),
        (lambda: marks.migration("web1", ad=1), "migration() got an unexpected keyword argument 'ad'"),
        (lambda: marks.fault("*", odds=1), "fault() got an unexpected keyword argument 'odds'"),
    ],
)
def test_an_argument_that_there_is_not_is_refused_where_it_stands(call, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        call()


def test_they_stand_at_tests_beside_the_markers(pytester):
    pytester.makepyfile("""
        import pytest
        from pytest_fakehv import HypervisorError, marks

        pytestmark = [marks.node("node1", memory="8G"), pytest.mark.fakehv_node("node2", memory="16G")]

        @marks.instance("web1", memory=1024, node="node2")
        @marks.fault("StopInstance", instance="web1", error="no")
        @marks.settings(backend="memory")
        def test_they_count(fakehv_cluster):
            fakehv_cluster.assert_placement({"web1": "node2"})
            with pytest.raises(HypervisorError, match="^no$"):
                fakehv_cluster["node2"].StopInstance(fakehv_cluster.instance("web1"))
            assert fakehv_cluster["node1"].GetNodeInfo()["memory_total"] == 8192

        @marks.instance("web1", memory=0)
        def test_a_wrong_value_fails_its_test(fakehv):
            pass
    """)
    result = pytester.runpytest("-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fakehv_instance('web1'): memory must be *"])


MIGRATION = (
    "@pytest.mark.fakehv_migration(instance: str, *, outcome: 'completed' | 'failed' | 'cancelled' | "
    "'failed_but_moved' | 'completed_but_lost' = 'completed', at: float | None = None, "
    "polls: int | None = None, bandwidth: float = 1024, dirty_rate: float = 0, max_downtime: float = 0.3, "
    "postcopy: int | None = None, times: int | None = None): how an instance's migrations go "
    "in this test; at the share of its memory, from 0 to 1, at which one ends, or polls the number of the "
    "status call that says so, bandwidth and dirty_rate in MiB a second, max_downtime in seconds, postcopy "
    "the number of rounds before it goes on so, times a number of migrations"
)
APART = (
    "@pytest.mark.fakehv_apart(*instances: str | InstanceLike): instances of which never two may be on one "
    "node of this test's cluster"
)


def test_pytest_tells_of_their_types_and_defaults(pytester):
    told = pytester.runpytest("--markers").stdout.str().splitlines()
    assert {MIGRATION, APART} <= set(told)


def test_pytest_tells_of_the_invariants(pytester):
    (told,) = (each for each in pytester.runpytest("--markers").outlines if "mark.fakehv(" in each)
    _, _, meaning = told.partition("whether the invariants are checked at its end (")
    shown, _, rest = meaning.partition(")")
    assert shown.split(", ") == list(get_args(Invariant))
    assert "forbid a list of those that hold only if it is asked for (orphaned), " in rest
