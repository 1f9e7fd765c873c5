"""2. Memory: test a balloon loop on a node that is nearly full.

You learn to

- declare a node of the size that the test needs: ``@pytest.mark.fakehv_node``;
- make it refuse what does not fit: ``overcommit=False``;
- declare instances that run when the test begins: ``@pytest.mark.fakehv_instance``;
- pin a bug of the code under test, and see its correction pass under the same circumstances.

All memory is in MiB.
"""

from collections.abc import Mapping, Sequence

import pytest

from pytest_fakehv import BaseHypervisor, FakeHypervisor, HypervisorError, InstanceLike

# The code under test: in your project it is a module of its own.


def wish(instance: InstanceLike, used: int) -> int:
    """Return the memory that an instance should have: what it uses and a quarter more, within limits."""
    least: int = instance.beparams["minmem"]
    most: int = instance.beparams["maxmem"]
    return max(least, min(most, used * 5 // 4))


def memory_now(hypervisor: BaseHypervisor, instance: InstanceLike) -> int:
    """Return the memory that a running instance has."""
    info = hypervisor.GetInstanceInfo(instance.name)
    if info is None:
        raise LookupError(f"{instance.name} does not run")
    _name, _id, memory, _vcpus, _state, _times = info
    return memory


def naive_balance(
    hypervisor: BaseHypervisor, instances: Sequence[InstanceLike], used: Mapping[str, int]
) -> None:
    """Give each instance what it wishes, as far as memory is free."""
    free = hypervisor.GetNodeInfo()["memory_free"]
    for instance in instances:
        most = memory_now(hypervisor, instance) + free
        hypervisor.BalloonInstanceMemory(instance, min(wish(instance, used[instance.name]), most))


def balance(hypervisor: BaseHypervisor, instances: Sequence[InstanceLike], used: Mapping[str, int]) -> None:
    """Shrink the idle instances, then give their memory to the busy ones.

    Args:
        hypervisor: the node's.
        instances: the running instances to balance.
        used: how much memory each uses, by name.
    """

    def growth(instance: InstanceLike) -> int:
        return wish(instance, used[instance.name]) - memory_now(hypervisor, instance)

    # From who gives most to who takes most: what is given must be free before it is taken.
    for instance in sorted(instances, key=growth):
        # Asked anew for each, as the one before has changed it.
        free = hypervisor.GetNodeInfo()["memory_free"]
        if change := min(growth(instance), free):
            hypervisor.BalloonInstanceMemory(instance, memory_now(hypervisor, instance) + change)


# The tests

# The instances share 7168 MiB. Each may have 4096 of it: the first one to start gets all of that, the
# second what is left, 3072. A marker can have a name, to stand at more than one test.
small_node = pytest.mark.fakehv_node("node1", memory=8192, reserved_memory=1024, overcommit=False)
web1 = pytest.mark.fakehv_instance("web1", memory=4096, min_memory=1024)
web2 = pytest.mark.fakehv_instance("web2", memory=4096, min_memory=1024)

NIGHT = {"web1": 500, "web2": 500}
MORNING = {"web1": 3500, "web2": 3500}


@small_node
@web1
@web2
def test_naive_loop_promises_the_same_memory_twice(fakehv: FakeHypervisor) -> None:
    """It looks at the free memory once; when both instances grow, the second one's share is gone."""
    instances = [fakehv.instance("web1"), fakehv.instance("web2")]  # the ones that the markers declare
    naive_balance(fakehv, instances, NIGHT)

    with pytest.raises(HypervisorError, match="balloon memory for web2: node1 does not overcommit"):
        naive_balance(fakehv, instances, MORNING)


@small_node
@web1
@web2
def test_both_grow_as_far_as_memory_is_free(fakehv: FakeHypervisor) -> None:
    """The same night and the same morning: now the second instance takes what is left."""
    instances = [fakehv.instance("web1"), fakehv.instance("web2")]

    balance(fakehv, instances, NIGHT)
    assert [info.memory for info in fakehv.instances.values()] == [1024, 1024]

    balance(fakehv, instances, MORNING)
    assert [info.memory for info in fakehv.instances.values()] == [4096, 3072]


@small_node
@web1
@web2
def test_what_one_gives_another_takes(fakehv: FakeHypervisor) -> None:
    """At the start nothing is free: web2 can grow only if web1 shrinks first, in whatever order they come."""
    assert fakehv.GetNodeInfo()["memory_free"] == 0

    balance(fakehv, [fakehv.instance("web2"), fakehv.instance("web1")], {"web1": 2000, "web2": 3500})

    fakehv.assert_running("web1", memory=2500)
    fakehv.assert_running("web2", memory=4096)


@pytest.mark.fakehv_instance("db1", memory=2048)
def test_never_goes_below_the_minimum(fakehv: FakeHypervisor) -> None:
    """Without ``min_memory``, an instance's minimum is all of its memory: it is not to be ballooned."""
    balance(fakehv, [fakehv.instance("db1")], {"db1": 100})

    fakehv.assert_running("db1", memory=2048)
    # The journal has every call of the interface, in order.
    assert "BalloonInstanceMemory" not in {call.method for call in fakehv.journal}


@pytest.mark.fakehv_instance("web1", memory=4096, min_memory=1024, state="paused")
def test_a_paused_instance_stays_paused(fakehv: FakeHypervisor) -> None:
    """An instance that somebody has paused uses little, and gives its memory to the others meanwhile."""
    balance(fakehv, [fakehv.instance("web1")], {"web1": 500})

    fakehv.assert_paused("web1", memory=1024)
