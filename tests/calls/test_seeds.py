"""Random faults in property tests: what Hypothesis runs again decides the same."""

import threading

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st

from pytest_fakehv import FakeCluster, HypervisorError

STILL = settings(max_examples=40, deadline=None, database=None)


def decisions(cluster, count=8):
    """Make calls, and show which of them failed."""
    struck = ""
    for _ in range(count):
        try:
            cluster["node1"].ListInstances()
        except HypervisorError:
            struck += "x"
        else:
            struck += "."
    return struck


def risky(cluster):
    cluster.fault("ListInstances", probability=0.5, optional=True)
    return cluster


def failing(check):
    """Return what a property that fails has said, in one example after another."""
    said = []

    @settings(STILL, report_multiple_bugs=False)
    @given(number=st.integers(0, 3))
    def test(number):
        said.append(check(number))
        assert "x" not in said[-1][1]

    with pytest.raises(AssertionError) as caught:
        test()
    assert "Flaky" not in repr(caught.value)
    return said


def in_memory(number):
    cluster = risky(FakeCluster.in_memory())
    return cluster.seed, decisions(cluster)


def temporary(number):
    with FakeCluster.temporary() as cluster:
        return risky(cluster).seed, decisions(cluster)


@pytest.mark.parametrize("check", [in_memory, temporary])
def test_what_is_run_again_decides_the_same_and_its_seed_brings_it_back(check):
    said = failing(check)
    failed_with, struck = said[-1]
    assert said[-2] == said[-1]
    assert decisions(risky(FakeCluster.in_memory(seed=failed_with))) == struck


@seed(1)
@STILL
@given(number=st.integers(0, 100))
def check_seeds(number, seen):
    clusters = [risky(FakeCluster.in_memory()) for _ in range(3)]
    first, *others = [(cluster.seed, decisions(cluster)) for cluster in clusters]
    assert others == [first] * 2
    seen.add(first)


def test_all_clusters_of_an_example_have_one_seed_and_those_of_others_others():
    seen = set()
    check_seeds(seen=seen)
    assert len({number for number, _ in seen}) > 10
    assert len({struck for _, struck in seen}) > 10


@pytest.mark.parametrize("given_seed", [None, 7])
def test_a_cluster_that_examples_share_begins_anew_in_each(given_seed):
    cluster = risky(FakeCluster.in_memory(seed=given_seed))
    first = decisions(cluster)
    said = set()

    @settings(STILL, suppress_health_check=list(HealthCheck))
    @given(number=st.integers(0, 100))
    def test(number):
        said.add(decisions(cluster))

    test()
    assert said == {first}
    assert decisions(risky(FakeCluster.in_memory(seed=cluster.seed))) == first


def test_a_cluster_of_an_earlier_example_draws_nothing():
    kept = []

    @STILL
    @given(number=st.integers(0, 100))
    def test(number):
        kept.append(kept[0] if kept else FakeCluster.in_memory())
        if len(kept) > 1:
            risky(kept[0])

    test()
    assert len({cluster.seed for cluster in kept}) == 1


def test_a_fault_that_always_strikes_draws_nothing():
    """Hypothesis has seen all that there is to see after one example."""
    struck = []

    @STILL
    @given(number=st.just(1))
    def test(number):
        cluster = FakeCluster.in_memory()
        cluster.fault("ListInstances")
        struck.append(decisions(cluster, 2))

    test()
    assert struck == ["xx"]


def test_an_example_that_the_test_gives():
    numbers = []

    @settings(STILL, max_examples=1)
    @given(number=st.integers(0, 100))
    @example(number=-1)
    def test(number):
        cluster = risky(FakeCluster.in_memory())
        numbers.append(number)
        decisions(cluster)

    test()
    assert numbers[0] == -1


def test_other_threads_of_an_example_go_on():
    @settings(STILL, max_examples=5)
    @given(number=st.integers(0, 100))
    def test(number):
        cluster = risky(FakeCluster.in_memory())
        struck = [decisions(cluster, 4)]
        thread = threading.Thread(target=lambda: struck.append(decisions(cluster, 4)))
        thread.start()
        thread.join()
        struck.append(decisions(cluster, 4))
        assert "".join(struck) == decisions(risky(FakeCluster.in_memory(seed=cluster.seed)), 12)

    test()
