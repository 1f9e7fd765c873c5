"""What does not hold of a factory's cluster fails the test that brought it about."""

import pytest
from careless import ACCEPTED, ACCEPTS, TWICE, run, said, text


class TestFactory:
    def test_a_cluster_is_checked_in_the_test_that_used_it_and_reported_once(self, pytester):
        result = run(
            pytester,
            """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory()

def test_a(cluster): pass

def test_b(cluster): twice(cluster)

def test_c(cluster): cluster["node1"].ListInstances()

def test_d(fakehv): pass

def test_e(cluster): accept(cluster, "web9")

def test_f(cluster): cluster["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=4, failed=2)
        found = said(result)
        assert found["test_b"] == TWICE
        assert found["test_e"] == text(
            "unfinished",
            "web9 was accepted on node2 and neither migrated nor aborted",
            f"call 3, AcceptInstance('web9', '', 'node2') on node2 at test_it.py:{ACCEPTS}",
        )

    def test_what_is_worded_otherwise_later_is_still_reported_once(self, pytester):
        result = run(
            pytester,
            """
from pytest_fakehv import NodeSpec

@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory(NodeSpec("node1", memory=100, overcommit=False))

def test_a(cluster):
    cluster.fault("StopInstance", after=9)
    Path(cluster["node1"].root, "web1").write_text("0\\n101\\n1\\n")
    cluster["node1"].ListInstances()

def test_b(cluster):
    cluster["node1"].StopInstance(cluster["node1"].instance("web1"))
    Path(cluster["node1"].root, "web1").write_text("0\\n102\\n1\\n")

def test_c(cluster):
    cluster.fault("StopInstance", after=9)
    cluster["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=1, failed=2)
        assert list(said(result)) == ["test_a", "test_c"]

    def test_the_marker_of_the_test_that_used_it_counts(self, pytester):
        run(
            pytester,
            """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory()

@mark.fakehv(allow=["double-start", "split-brain"])
def test_a(cluster): twice(cluster)

def test_b(cluster): cluster["node1"].ListInstances()
""",
        ).assert_outcomes(passed=2)

    def test_beside_the_tests_own_cluster(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_cluster, fakehv_factory):
    other = fakehv_factory()
    twice(other)
    accept(fakehv_cluster)
""",
        )
        result.assert_outcomes(failed=1)
        assert said(result) == {"test_it": [*ACCEPTED, *TWICE]}

    def test_a_cluster_that_nobody_has_any_more(self, pytester):
        result = run(
            pytester,
            """
import gc

def test_it(fakehv_factory):
    twice(fakehv_factory())
    gc.collect()

def test_next(fakehv_factory):
    fakehv_factory()
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        assert said(result) == {"test_it": TWICE}

    def test_an_example_of_a_property_test(self, pytester):
        result = run(
            pytester,
            """
from hypothesis import given, strategies

@given(strategies.integers(0, 20))
def test_one(fakehv_factory, number):
    cluster = fakehv_factory()
    if number == 20:
        twice(cluster)
""",
        )
        result.assert_outcomes(failed=1)
        assert said(result) == {"test_one": TWICE}
        assert sum("- fakehv -" in line for line in result.stdout.lines) == 1

    def test_a_test_answers_for_its_deeds(self, pytester):
        result = run(
            pytester,
            """
from pytest_fakehv import NodeSpec

SCRIPT = {"outcome": "failed", "polls": 1}

@pytest.fixture(scope="module")
def wide(fakehv_factory):
    return fakehv_factory(
        NodeSpec("node1"), NodeSpec("node2"), NodeSpec("node3", memory=4096, overcommit=False), clock="manual"
    )

def look(wide): wide["node1"].ListInstances()

def test_file(wide): Path(wide["node3"].root, "big").write_text("0\\n4097\\n1\\n")
def test_after_file(wide): look(wide)

def test_split(wide): wide.add_instance("one"); wide["node2"].add_instance("one")
def test_after_split(wide): look(wide)

def test_cut_off(wide): accept(wide, "two"); wide["node2"].disconnect()
def test_reconnect(wide): wide["node2"].reconnect()
def test_after_reconnect(wide): look(wide)

def test_fault(wide): wide.fault("StopInstance").withdraw()
def test_after_fault(wide): look(wide)

def test_removed_file(wide): Path(wide["node3"].root, "big").unlink()
def test_file_again(wide): Path(wide["node3"].root, "big").write_text("0\\n4097\\n1\\n")
def test_allow(wide): wide.allow("overcommit")
def test_last(wide): wide["node3"].ListInstances()
""",
        )
        result.assert_outcomes(passed=8, failed=5)
        assert {name: lines[0].partition(":")[0] for name, lines in said(result).items()} == {
            "test_file": "overcommit",
            "test_split": "split-brain",
            "test_reconnect": "unfinished",
            "test_fault": "unfired",
            "test_file_again": "overcommit",
        }

    @pytest.mark.parametrize("deed", ["cluster.clock.advance(100)", "cluster['node2'].reconnect()"])
    def test_a_deed_to_a_cluster_that_the_test_did_not_ask_for(self, pytester, deed):
        result = run(
            pytester,
            f"""
CLUSTERS = []

@pytest.fixture(scope="module")
def wide(fakehv_factory):
    cluster = fakehv_factory(clock="manual")
    cluster.add_instance("web1")
    cluster.script_migration("web1", outcome="failed_but_moved", at=0.5)
    cluster["node2"].disconnect()
    CLUSTERS.append(cluster)

@mark.fakehv(allow=["unfinished"])
def test_first(wide): pass

def test_deed():
    (cluster,) = CLUSTERS
    {deed}
    assert 0

def test_next(wide): pass
""",
        )
        result.assert_outcomes(passed=2, failed=1)
        assert sum("- fakehv -" in line for line in result.stdout.lines) == 1

    def test_a_cluster_of_each_parameter(self, pytester):
        result = run(
            pytester,
            """
@pytest.fixture(scope="module", params=["a", "b"])
def wide(fakehv_factory, request):
    cluster = fakehv_factory()
    yield cluster
    if request.param == "b":
        cluster.add_instance("web1")
        Path(cluster["node2"].root, "web1").write_text("0\\n1\\n1\\n")

def test_one(wide): wide["node1"].ListInstances()

def test_two(wide): Path(wide["node1"].root, "web9").write_text("")
""",
        )
        result.assert_outcomes(passed=4, errors=1)
        assert {name: lines[0] for name, lines in said(result).items()} == {
            "ERROR at teardown of test_two[b]": "split-brain: web1 ran on node1 and node2 at once"
        }

    def test_what_the_test_itself_sets_up_counts(self, pytester):
        result = run(
            pytester,
            """
import pytest

@pytest.fixture(scope="module")
def wide(fakehv_factory):
    return fakehv_factory()

def test_fault(wide): wide.fault("StopInstance")

def test_next(wide): wide["node1"].ListInstances()
""",
        )
        result.assert_outcomes(passed=1, failed=1)
        assert list(said(result)) == ["test_fault"]

    def test_of_many_clusters_a_few_are_reported(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_factory):
    for _ in range(10):
        twice(fakehv_factory())

@mark.parametrize("strict", [True, False])
def test_other(fakehv_factory, strict, request):
    request.applymarker(mark.fakehv(strict=strict))
    for _ in range(10):
        fakehv_factory()
    assert 0
""",
        )
        result.assert_outcomes(failed=3)
        without_advice = [line for line in TWICE if not line.startswith("  a correct")]
        assert said(result)["test_it"] == [
            *without_advice * 2,
            *TWICE,
            "and likewise in 7 more clusters",
        ]
        assert sum("- fakehv -" in line for line in result.stdout.lines) == 9

    def test_of_a_property_test_that_has_failed_the_last_cluster_is_reported(self, pytester):
        result = run(
            pytester,
            """
def test_it(fakehv_factory):
    for _ in range(9):
        twice(fakehv_factory())
    last = fakehv_factory()
    last["node1"].add_instance("last")
    twice(last)
    assert 0
""",
        )
        result.assert_outcomes(failed=1)
        lines = result.stdout.lines
        assert sum(line.startswith("double-start: ") for line in lines) == 1
        assert sum("- fakehv -" in line for line in lines) == 1
        assert "  last running, 1024 MiB, 1 vcpus" in lines
