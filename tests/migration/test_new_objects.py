"""A node whose object is another one for every call, as in Ganeti: it acts on what the files say."""

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.fake_os import FakeOsModule

from pytest_fakehv import FakeHypervisor, Instance, NodeSpec
from pytest_fakehv.storage.fakedisk import PrivateDisk
from pytest_fakehv.storage.root import Root

WEB1 = Instance("web1", beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2})


@pytest.fixture(params=["disk", "pyfakefs", "fs"])
def root(request):
    """A function that returns the root of a node, by the node's name."""
    if request.param == "fs":
        request.getfixturevalue("fs")
        return lambda name: f"/{name}"
    if request.param == "disk":
        tmp_path = request.getfixturevalue("tmp_path")
        return lambda name: str(tmp_path / name)
    filesystem = PrivateDisk(FakeOsModule(FakeFilesystem()))
    return lambda name: Root(lambda: (filesystem, f"/{name}"))


@pytest.fixture
def new(root):
    """Make another object for a node."""
    return lambda name="node1": FakeHypervisor(root(name), spec=NodeSpec(name))


@pytest.fixture
def line(new, get_text):
    """Read the lines of web1's file below the third."""
    return lambda name="node1": get_text(f"{new(name).root}/web1").split("\n")[3:-1]


@pytest.fixture
def get_text(new):
    def read(path):
        return new()._inner.store.filesystem.read(path, 1000).decode()

    return read


@pytest.fixture
def put(new):
    def write(lines):
        filesystem = new()._inner.store.filesystem
        filesystem.put(new().root, f"{new().root}/web1", lines)

    return write


def test_an_abort_lets_run_again_what_a_migration_had_paused(new, line):
    new().StartInstance(WEB1, [], False)
    assert line() == []
    new().MigrateInstance("cluster", WEB1, "node2", False)
    assert line() == ["migrating"]
    new().assert_paused("web1")
    new().BalloonInstanceMemory(WEB1, 600)
    assert line() == ["migrating"]
    node = new()
    node.FinalizeMigrationSource(WEB1, False, False)
    assert line() == []
    node.assert_running("web1", memory=600)


@pytest.mark.parametrize("live", [True, False])
def test_an_abort_leaves_alone_what_its_owner_had_paused(new, line, live):
    new().StartInstance(WEB1, [], True)
    assert line() == ["paused"]
    new().MigrateInstance("cluster", WEB1, "node2", live)
    assert line() == ["paused"]
    new().FinalizeMigrationSource(WEB1, False, live)
    assert line() == ["paused"]
    new().assert_paused("web1")


def test_a_live_migration_pauses_nothing(new, line):
    new().StartInstance(WEB1, [], False)
    new().MigrateInstance("cluster", WEB1, "node2", True)
    assert line() == []
    new().FinalizeMigrationSource(WEB1, False, True)
    new().assert_running("web1")


def test_a_migration_that_another_object_began_is_finalized(new, line):
    new("node1").StartInstance(WEB1, [], False)
    new("node2").AcceptInstance(WEB1, "", "node2")
    new("node1").MigrateInstance("cluster", WEB1, "node2", False)
    new("node1").FinalizeMigrationSource(WEB1, True, False)
    new("node2").FinalizeMigrationDst(WEB1, "", True)
    assert (new("node1").ListInstances(), new("node2").ListInstances()) == ([], ["web1"])
    assert line("node2") == []
    new("node2").FinalizeMigrationDst(WEB1, "", False)
    assert new("node2").ListInstances() == []
    new("node1").FinalizeMigrationSource(WEB1, False, False)
    assert new("node1").ListInstances() == []


def test_what_was_aborted_by_another_object_and_started_paused_is_not_woken(new):
    first = new()
    first.StartInstance(WEB1, [], False)
    first.MigrateInstance("cluster", WEB1, "node2", False)
    new().FinalizeMigrationSource(WEB1, False, False)
    new().StopInstance(WEB1)
    new().StartInstance(WEB1, [], True)
    first.FinalizeMigrationSource(WEB1, False, False)
    first.assert_paused("web1")


@pytest.mark.parametrize(
    ("rest", "paused"),
    [
        (b"", False),
        (b"\n", False),
        (b"\n\n\n", False),
        (b"\npaused", True),
        (b"\npaused\nfurther\n", True),
        (b"\nmigrating\n\xff\x00", True),
        (b"\n\npaused\n", False),
        (b"\npaused too\n", False),
        (b"\n paused\n", False),
        (b"\nnonsense\nmigrating\n", False),
        (b"\n" + b"x" * 1000, False),
    ],
)
def test_what_stands_below_the_third_line_is_ignored_but_for_two_words(new, put, rest, paused):
    put(b"0\n1024\n2" + rest)
    assert new().instances == {"web1": ("web1", "0", 1024, 2, 0, 0)}
    assert new().instances["web1"].paused is paused
    new().FinalizeMigrationSource(WEB1, False, False)
    assert new().instances["web1"].paused is (paused and b"migrating" not in rest)


def test_an_abort_of_a_malformed_file_leaves_it_alone(new, put):
    put(b"0\n1024\n\nmigrating\n")
    new().FinalizeMigrationSource(WEB1, False, False)
    new().StopInstance(WEB1)
