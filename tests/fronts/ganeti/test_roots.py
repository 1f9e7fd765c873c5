"""Both ways on disk: each of the two fakes reads what the other wrote, and carries on with it."""

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import errors, objects
from ganeti.hypervisor import hv_base, hv_fake

from pytest_fakehv import NodeSpec
from pytest_fakehv.fronts.ganeti import FakeHypervisor

MEMORY = 8192


def make(name, memory=1024, vcpus=2):
    return objects.Instance(
        name=name,
        hypervisor="fake",
        hvparams={"migration_mode": "live"},
        beparams={"minmem": memory, "maxmem": memory, "vcpus": vcpus},
    )


@pytest.fixture
def ours(tmp_path):
    return FakeHypervisor(root=tmp_path / "root", spec=NodeSpec("node1", memory=MEMORY, cpus=4))


@pytest.fixture
def theirs(ours, monkeypatch):
    """Ganeti's own on the same root, on a machine of the same size."""
    monkeypatch.setattr(
        hv_base.BaseHypervisor, "GetLinuxNodeInfo", staticmethod(lambda: NodeSpec("x", memory=MEMORY).info())
    )
    monkeypatch.setattr(hv_fake.FakeHypervisor, "_ROOT_DIR", ours.root)
    return hv_fake.FakeHypervisor()


@pytest.fixture
def files(tmp_path):
    return lambda: {path.name: path.read_bytes() for path in (tmp_path / "root").iterdir()}


def assert_both_see(ours, theirs, *expected):
    for each in (ours, theirs):
        assert sorted(each.GetAllInstancesInfo()) == sorted(expected)
        assert sorted(each.ListInstances()) == sorted(info[0] for info in expected)
        for info in expected:
            assert each.GetInstanceInfo(info[0]) == info
        assert each.GetNodeInfo()["memory_free"] == MEMORY - sum(info[2] for info in expected)


def test_ganetis_reads_what_we_wrote_and_carries_on(ours, theirs, files):
    ours.StartInstance(make("web1"), [], False)
    ours.StartInstance(make("web2"), [], False)
    ours.BalloonInstanceMemory(make("web2"), 700)
    ours.StartInstance(make("db1", 2048, 1), [], True)
    assert files() == {"web1": b"0\n1024\n2\n", "web2": b"0\n700\n2\n", "db1": b"0\n2048\n1\npaused\n"}
    web2 = ("web2", "0", 700, 2, 0, 0)
    assert_both_see(ours, theirs, ("web1", "0", 1024, 2, 0, 0), web2, ("db1", "0", 2048, 1, 0, 0))

    with pytest.raises(errors.HypervisorError, match=r"^Failed to start instance web1: already running$"):
        theirs.StartInstance(make("web1"), [], False)
    theirs.BalloonInstanceMemory(make("web1"), 512)
    theirs.BalloonInstanceMemory(make("db1", 2048, 1), 1500)
    assert files() == {"web1": b"0\n512\n2\n", "web2": b"0\n700\n2\n", "db1": b"0\n1500\n1\n"}
    ours.assert_running("db1", memory=1500)  # it knows of no pausing
    assert_both_see(ours, theirs, ("web1", "0", 512, 2, 0, 0), web2, ("db1", "0", 1500, 1, 0, 0))

    theirs.StopInstance(make("db1"))
    theirs.FinalizeMigrationSource(make("web2"), True, True)
    assert files() == {"web1": b"0\n512\n2\n"}
    ours.assert_stopped("db1")
    ours.assert_stopped("web2")


def test_we_read_what_ganetis_wrote_and_carry_on(ours, theirs, files):
    theirs.StartInstance(make("web1"), [], False)
    theirs.StartInstance(make("web2"), [], True)
    theirs.BalloonInstanceMemory(make("web2"), 700)
    theirs.FinalizeMigrationDst(make("db1", 2048, 1), "", True)
    assert files() == {"web1": b"0\n1024\n2\n", "web2": b"0\n700\n2\n", "db1": b"0\n2048\n1\n"}
    ours.assert_running("web2", memory=700)
    web1 = ("web1", "0", 1024, 2, 0, 0)
    assert_both_see(ours, theirs, web1, ("web2", "0", 700, 2, 0, 0), ("db1", "0", 2048, 1, 0, 0))

    with pytest.raises(errors.HypervisorError, match=r"^Failed to start instance web1: already running$"):
        ours.StartInstance(make("web1"), [], False)
    ours.BalloonInstanceMemory(make("web2"), 512)
    ours.StopInstance(make("db1"))
    assert files() == {"web1": b"0\n1024\n2\n", "web2": b"0\n512\n2\n"}
    assert_both_see(ours, theirs, web1, ("web2", "0", 512, 2, 0, 0))

    ours.PowercycleNode()
    assert files() == {}
    assert_both_see(ours, theirs)


def test_they_take_turns_at_one_instance(ours, theirs, files):
    for number, (one, other) in enumerate([(ours, theirs), (theirs, ours), (ours, theirs)]):
        one.StartInstance(make("web1"), [], False)
        for memory, each in ((100 + number, other), (200 + number, one)):
            each.BalloonInstanceMemory(make("web1"), memory)
            assert files() == {"web1": b"0\n%d\n2\n" % memory}
            assert_both_see(ours, theirs, ("web1", "0", memory, 2, 0, 0))
        other.StopInstance(make("web1"))
        assert files() == {}
        with pytest.raises(errors.HypervisorError, match=r"^Failed to stop instance web1: not running$"):
            one.StopInstance(make("web1"))
