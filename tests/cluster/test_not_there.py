"""What is looked up and is not there: what is said of it."""

import copy
import inspect
import pickle
from pathlib import Path

import pytest

from pytest_fakehv import FakeCluster, InstanceInfo, InstanceSpec, Placement

HERE = "tests/cluster/test_not_there.py"


@pytest.fixture
def cluster(root):
    return FakeCluster(root)


def said(function, key, error=KeyError):
    with pytest.raises(error) as caught:
        function(key)
    (text,) = caught.value.args
    return text.replace(str(Path(__file__)), HERE)


def test_an_instance_that_vanished(cluster):
    node1 = cluster["node1"]
    db1 = cluster.add_instance("db1")
    cluster.add_instance("web1")
    before = cluster.placement()
    node1.StopInstance(db1)
    line = inspect.currentframe().f_lineno - 1
    last = f"last call: StopInstance('db1') at {HERE}:{line}"
    assert before["db1"] == "node1"
    assert said(cluster.placement().__getitem__, "db1") == f"db1 runs nowhere; running: web1; {last}"
    assert said(node1.instances.__getitem__, "db1") == (
        f"db1 does not run on node1; running there: web1; {last}"
    )
    assert said(cluster["node2"].placement().__getitem__, "db1") == (
        f"db1 does not run on node2; nothing runs there; {last}"
    )


def test_an_instance_that_went_down_with_its_node(cluster):
    cluster.add_instance("db1")
    cluster["node1"].crash()
    text = "db1 runs nowhere; it went down with node1; nothing runs; no call was about it"
    assert said(cluster.placement().__getitem__, "db1") == text
    assert "it went down" not in said(cluster["node2"].instances.__getitem__, "db1")
    cluster["node1"].boot()
    cluster["node2"].add_instance("db1")
    text = "db1 does not run on node1; nothing runs there; no call was about it"
    assert said(cluster["node1"].instances.__getitem__, "db1") == text


def test_an_instance_that_was_killed_on_its_way(cluster):
    web1 = cluster.add_instance("web1")
    cluster["node2"].AcceptInstance(web1, "", "node2")
    cluster["node1"].MigrateInstance("c", web1, "node2", True)
    cluster["node1"].GetMigrationStatus(web1)
    cluster.kill("web1")
    line = inspect.currentframe().f_lineno - 1
    with pytest.raises(AssertionError) as caught:
        cluster.assert_running("web1")
    assert f"; it was killed on node1 at {HERE}:{line}; " in str(caught.value)


def test_an_instance_that_runs_and_of_which_nothing_else_is_known(cluster):
    cluster["node1"].StartInstance(InstanceSpec("db1").instance(), [], False)
    cluster.journal.clear()
    with pytest.raises(AssertionError) as caught:
        cluster.assert_stopped("db1")
    assert str(caught.value) == "db1 is running on node1, not stopped; no call was about it"


def test_an_instance_that_never_was(cluster):
    cluster.add_instance("db1")
    assert said(cluster.placement().__getitem__, "db2") == (
        "db2 runs nowhere; running: db1; nearest name: db1; no call was about it"
    )
    assert said(cluster.placement().__getitem__, 5) == "5 is no instance's name"


def test_they_are_dicts_as_any(cluster):
    cluster.add_instance("db1", memory=512)
    placement, instances = cluster.placement(), cluster["node1"].instances
    assert placement == {"db1": "node1"}
    assert instances == {"db1": ("db1", "0", 512, 1, 0, 0)}
    assert repr(placement) == "{'db1': 'node1'}"
    assert placement.get("db2") is None
    assert "db2" not in placement
    for each in (placement, instances):
        for made in (copy.copy(each), copy.deepcopy(each), pickle.loads(pickle.dumps(each))):
            assert made == each
            assert type(made) is type(each)
            assert said(made.__getitem__, "db2") == "'db2' is not there"
    assert isinstance(instances["db1"], InstanceInfo)
    assert Placement({"a": "b"}) == {"a": "b"}


def test_a_call_and_a_migration(cluster):
    assert said(cluster.journal.__getitem__, 0, IndexError) == "there is no journal[0]; calls so far: 0"
    assert said(cluster.migrations.__getitem__, 0, IndexError) == (
        "there is no migrations[0]; migrations so far: 0"
    )
    cluster.add_instance("db1")
    cluster.migrate("db1", to="node2")
    assert said(cluster.journal.__getitem__, 9, IndexError) == "there is no journal[9]; calls so far: 6"
    assert said(cluster.migrations.__getitem__, -2, IndexError) == (
        "there is no migrations[-2]; migrations so far: 1"
    )
    assert cluster.migrations[:1] == [cluster.migrations[0]] == cluster.migrations
    assert cluster.journal[-1].method == "FinalizeMigrationDst"
    assert (cluster.journal.last(0), len(cluster.journal.last(2))) == ([], 2)
