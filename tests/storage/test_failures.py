"""Calls in whose middle the filesystem fails: they happen, or they come to nothing, and all agree on it."""

import errno
import itertools
import os
from contextlib import suppress
from types import SimpleNamespace

import pytest
from processes import make
from system_failures import ERRORS, WELL_FORMED, Failure, Place

from pytest_fakehv import DeclarationError, FakeHypervisor, HypervisorError, NodeSpec
from pytest_fakehv.storage.disk import Disk

STRICT = tuple(NodeSpec(name, memory=8192, overcommit=False) for name in ("node1", "node2"))


class OwnHooks(FakeHypervisor):
    def _MarkUp(self, instance, memory):
        super()._MarkUp(instance, memory)

    def _MarkDown(self, instance_name):
        super()._MarkDown(instance_name)


@pytest.fixture(params=["disk", "named", "own hooks", "private", "fs"])
def place(request, tmp_path, monkeypatch):
    """The disk with and without files that have no name, with a class's own hooks, and both fake ones."""
    if request.param == "fs":
        return Place("fs", "/roots", request.getfixturevalue("fs"))
    if request.param == "named":
        monkeypatch.setattr(Disk, "_nameless", 0)
    return Place(request.param, "/roots" if request.param == "private" else str(tmp_path))


WEB1, WEB2 = make("web1"), make("web2")
RANGE = make("web1")
RANGE.beparams["maxmem"] = 4096


def nothing(_node1, _node2):
    pass


def running(node1, _node2):
    for name in ("web1", "web2"):
        node1.StartInstance(make(name), [], False)


def paused(node1, node2):
    running(node1, node2)
    node1.pause("web1")


def another(node1, _node2):
    node1.StartInstance(WEB2, [], False)


def counted(node1, _node2):
    """Have seen both, and believe to know what is free."""
    running(node1, _node2)
    node1.StartInstance(make("web3"), [], False)


def accepted(node1, node2):
    running(node1, node2)
    node2.AcceptInstance(WEB1, "", "node2")


def migrating(node1, node2, *, live=True):
    accepted(node1, node2)
    node1.MigrateInstance("cluster", WEB1, "node2", live)


def migrating_non_live(node1, node2):
    migrating(node1, node2, live=False)


def completed(node1, node2):
    migrating(node1, node2)
    node1.GetMigrationStatus(WEB1)


def completed_non_live(node1, node2):
    migrating_non_live(node1, node2)
    node1.GetMigrationStatus(WEB1)


def left(node1, node2):
    completed(node1, node2)
    node1.FinalizeMigrationSource(WEB1, True, True)


def arrived(node1, node2):
    completed(node1, node2)
    node2.FinalizeMigrationDst(WEB1, "", True)


def scripted(**script):
    def prepare(node1, node2):
        accepted(node1, node2)
        node1.cluster.script_migration("web1", **script)
        node1.MigrateInstance("cluster", WEB1, "node2", True)

    return prepare


CALLS = {
    "start": (nothing, lambda one, _: one.StartInstance(WEB1, [], False), "start instance web1"),
    "start paused": (another, lambda one, _: one.StartInstance(WEB1, [], True), "start instance web1"),
    "start with what is free": (
        another,
        lambda one, _: one.StartInstance(RANGE, [], False),
        "start instance web1",
    ),
    "place": (another, lambda one, _: one.add_instance("web1", memory=5), "place web1 on node1"),
    "stop": (running, lambda one, _: one.StopInstance(WEB1), "stop instance web1"),
    "stop what is counted": (counted, lambda one, _: one.StopInstance(WEB1), "stop instance web1"),
    "balloon": (
        running,
        lambda one, _: one.BalloonInstanceMemory(WEB1, 600),
        "balloon memory for web1",
    ),
    "balloon what is counted": (
        counted,
        lambda one, _: one.BalloonInstanceMemory(WEB1, 2000),
        "balloon memory for web1",
    ),
    "powercycle": (running, lambda one, _: one.PowercycleNode(), "powercycle the node"),
    "crash": (running, lambda one, _: one.crash(), "crash node1"),
    "pause": (running, lambda one, _: one.pause("web1"), "pause web1 on node1"),
    "pause what migrates": (
        scripted(dirty_rate=2048),
        lambda one, _: one.pause("web1"),
        "pause web1 on node1",
    ),
    "resume": (paused, lambda one, _: one.resume("web1"), "resume web1 on node1"),
    "kill": (running, lambda one, _: one.kill("web1"), "kill web1 on node1"),
    "kill what is counted": (counted, lambda one, _: one.kill("web1"), "kill web1 on node1"),
    "kill what migrates": (migrating, lambda one, _: one.kill("web1"), "kill web1 on node1"),
    "list": (running, lambda one, _: one.ListInstances(), "list the instances"),
    "info": (running, lambda one, _: one.GetInstanceInfo("web1"), "get info of instance web1"),
    "infos": (running, lambda one, _: one.GetAllInstancesInfo(), "get info of all instances"),
    "node": (running, lambda one, _: one.GetNodeInfo(), "get node info"),
    "verify": (running, lambda one, _: one.Verify(), "verify the hypervisor"),
    "accept": (running, lambda _, two: two.AcceptInstance(WEB1, "", "node2"), "accept instance web1"),
    "migrate": (
        accepted,
        lambda one, _: one.MigrateInstance("cluster", WEB1, "node2", True),
        "migrate instance web1",
    ),
    "migrate non-live": (
        accepted,
        lambda one, _: one.MigrateInstance("cluster", WEB1, "node2", False),
        "migrate instance web1",
    ),
    "status": (
        migrating,
        lambda one, _: one.GetMigrationStatus(WEB1),
        "get the migration status of web1",
    ),
    "leave": (
        completed,
        lambda one, _: one.FinalizeMigrationSource(WEB1, True, True),
        "finalize the migration of web1 on the source",
    ),
    "leave after it arrived": (
        arrived,
        lambda one, _: one.FinalizeMigrationSource(WEB1, True, True),
        "finalize the migration of web1 on the source",
    ),
    "stay": (
        migrating,
        lambda one, _: one.FinalizeMigrationSource(WEB1, False, True),
        "finalize the migration of web1 on the source",
    ),
    "stay non-live": (
        migrating_non_live,
        lambda one, _: one.FinalizeMigrationSource(WEB1, False, False),
        "finalize the migration of web1 on the source",
    ),
    "arrive": (
        left,
        lambda _, two: two.FinalizeMigrationDst(WEB1, "", True),
        "finalize the migration of web1 on the target",
    ),
    "arrive first, non-live": (
        completed_non_live,
        lambda _, two: two.FinalizeMigrationDst(WEB1, "", True),
        "finalize the migration of web1 on the target",
    ),
    "abort on the target": (
        migrating,
        lambda _, two: two.FinalizeMigrationDst(WEB1, "", False),
        "finalize the migration of web1 on the target",
    ),
    "start elsewhere": (
        running,
        lambda _, two: two.StartInstance(WEB1, [], False),
        "start instance web1",
    ),
    "leave too early": (
        migrating,
        lambda one, _: one.FinalizeMigrationSource(WEB1, True, True),
        "finalize the migration of web1 on the source",
    ),
    "arrive too early": (
        migrating,
        lambda _, two: two.FinalizeMigrationDst(WEB1, "", True),
        "finalize the migration of web1 on the target",
    ),
    "take away from the target": (
        arrived,
        lambda _, two: two.FinalizeMigrationDst(WEB1, "", False),
        "finalize the migration of web1 on the target",
    ),
}
"""What comes before, the call, and what it says that it failed to do."""


def contents(place, cluster):
    """Return what the files say; each is an instance's, and well-formed."""
    found = {}
    for node in cluster:
        for name, content in place.files(node).items():
            assert "\n" not in name
            assert WELL_FORMED.fullmatch(content)
            found[node.name, name] = content
    return found


def check_agreement(place, cluster):
    """Check that the report, the lists and the figures say what the files say."""
    files = contents(place, cluster)
    for node in cluster:
        names = sorted(name for each, name in files if each == node.name)
        lines = [line.split() for line in node.describe().splitlines() if line.startswith("  web")]
        assert (
            sorted(words[0] for words in lines if words[1] in ("running,", "paused,", "malformed")) == names
        )
        if not node.is_down:
            assert sorted(node.ListInstances()) == names
        for info in node.instances.values():
            figures = f"0\n{info.memory}\n{info.vcpus}\n".encode()
            assert files[node.name, info.name].startswith(figures)
            assert info.paused is (files[node.name, info.name] != figures)
        assert node.instances.keys() == {*names}
        place.check_unlocked(node)
    return files


def alarms(cluster):
    return sorted(each.what for each in cluster.violations())


def attempt(place, cluster, call, failure):
    """Make a call in which the filesystem fails, and return its error."""
    before = place.open_files()
    try:
        with place.failing(failure):
            call(*cluster)
    except (HypervisorError, DeclarationError) as caught:
        error = caught
    else:
        error = None
    assert place.open_files() == before
    return error


def check_message(error, what, failure, root):
    assert type(error) in (HypervisorError, DeclarationError)
    reasons = {
        f"Failed to {what}: {os.strerror(each.errno)}: '{place}{end}'"
        for each in failure.raised
        for end in ("", "/node1", "/node2", "/node1/web1", "/node1/web2", "/node2/web1")
        for place in (root, os.path.dirname(root))
    }
    assert str(error) in reasons
    causes = []
    cause = error.__cause__
    while cause:
        causes.append(cause)
        cause = cause.__cause__
    assert any(cause in failure.raised for cause in causes)


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_in_which_the_filesystem_fails_happens_or_does_not(place, name, lasts):
    prepare, call, what = CALLS[name]
    hypervisor = OwnHooks if place.kind == "own hooks" else FakeHypervisor
    specs = STRICT if "start with" not in name else ()
    may_take_some = name in ("powercycle", "crash")

    def fresh():
        cluster = place.cluster(*specs, hypervisor=hypervisor)
        prepare(*cluster)
        return cluster

    def outcome(cluster):
        return contents(place, cluster), alarms(cluster), cluster.migrations

    cluster = fresh()
    before = outcome(cluster)
    call(*cluster)
    after = outcome(cluster)
    for number in itertools.count(1):
        # Elsewhere the same code is in the middle.
        for error in ERRORS if place.kind == "disk" and not lasts else [ERRORS[number % len(ERRORS)]]:
            cluster = fresh()
            failure = Failure(number, error, lasts=lasts)
            caught = attempt(place, cluster, call, failure)
            if not failure.raised:
                break
            files = check_agreement(place, cluster)
            if caught is None:
                assert outcome(cluster) == after
                continue
            check_message(caught, what, failure, cluster._root.path)
            if may_take_some:
                assert after[0].items() <= files.items() <= before[0].items()
                assert alarms(cluster) == []
            else:
                assert outcome(cluster) == before
            call(*cluster)
            assert check_agreement(place, cluster) == after[0]
            assert outcome(cluster) == after
        if not failure.raised:
            break
    assert number > 1 or place.kind == "private"


@pytest.mark.parametrize("name", ["powercycle", "crash"])
def test_what_failed_half_way_excuses_what_it_took_and_no_more(place, name):
    prepare, call, _ = CALLS[name]
    partly = False
    for number in itertools.count(1):
        cluster = place.cluster()
        prepare(*cluster)
        failure = Failure(number, errno.EIO)
        caught = attempt(place, cluster, call, failure)
        if not failure.raised:
            break
        left = [name for _, name in contents(place, cluster)]
        partly |= len(left) == 1
        assert caught or not left
        for instance in ("web1", "web2"):
            cluster["node2"].StartInstance(make(instance), [], False)
        found = [(each.invariant, each.instance) for each in cluster.violations()]
        assert found == [(kind, name) for name in sorted(left) for kind in ("double-start", "split-brain")]
    assert partly or place.kind == "private"


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "lasting"])
def test_an_instance_that_moves_behind_everybodys_back_is_somewhere(place, lasts):
    """Unless neither node's disk takes it: then that is nobody's fault."""
    lost = 0
    for number in itertools.count(1):
        cluster = place.cluster()
        node1, node2 = cluster
        scripted(outcome="failed_but_moved", polls=1)(node1, node2)
        failure = Failure(number, errno.ENOSPC, lasts=lasts)
        caught = attempt(place, cluster, lambda one, _: one.GetMigrationStatus(WEB1), failure)
        assert caught is None
        files = check_agreement(place, cluster)
        where = [node for node, name in files if name == "web1"]
        assert cluster.migrations[0].outcome == "failed"
        assert cluster.migrations[0].migrated is (where == ["node2"])
        has_moved = where == ["node2"]
        node1.FinalizeMigrationSource(WEB1, has_moved, True)
        node2.FinalizeMigrationDst(WEB1, "", has_moved)
        assert contents(place, cluster) == files
        cluster.assert_consistent()
        if not failure.raised:
            assert has_moved
            break
        if not where:
            lost += 1
    assert lost == 0 if not lasts else lost >= 1


def test_what_fails_in_postcopy_and_can_not_be_taken_away_runs_on(place):
    for number in itertools.count(1):
        cluster = place.cluster()
        node1, node2 = cluster
        scripted(outcome="failed", postcopy=1, polls=12, bandwidth=100, dirty_rate=50)(node1, node2)
        failure = Failure(number, errno.EROFS)
        for _ in range(13):
            assert attempt(place, cluster, lambda one, _: one.GetMigrationStatus(WEB1), failure) is None
        files = check_agreement(place, cluster)
        assert cluster.migrations[0].outcome == "failed"
        assert cluster.migrations[0].postcopy
        node2.FinalizeMigrationDst(WEB1, "", False)
        node1.FinalizeMigrationSource(WEB1, False, True)
        assert contents(place, cluster) == files
        cluster.assert_consistent()
        if not failure.raised:
            assert ("node1", "web1") not in files
            break


def test_a_root_whose_mode_can_not_be_set_is_not_left_there(tmp_path):
    cluster = Place("disk", str(tmp_path)).cluster()

    def refuse(path, mode):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    old = os.umask(0o077)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "chmod": refuse}))
            with pytest.raises(HypervisorError) as caught:
                cluster["node1"].ListInstances()
        assert str(caught.value) == (f"Failed to list the instances: Permission denied: '{tmp_path}/1/node1'")
        assert os.listdir(tmp_path / "1") == []
        cluster["node1"].ListInstances()
    finally:
        os.umask(old)
    assert (tmp_path / "1" / "node1").stat().st_mode & 0o777 == 0o775


def test_a_file_that_can_neither_be_closed_nor_taken_away_is_an_instance(tmp_path, monkeypatch):
    hv = FakeHypervisor(tmp_path, spec=STRICT[0])

    def refuse(*args):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def close(descriptor):
        os.close(descriptor)
        refuse()

    monkeypatch.setattr(Disk, "os", SimpleNamespace(**{**vars(os), "close": close, "unlink": refuse}))
    hv.StartInstance(WEB1, [], False)
    monkeypatch.undo()
    assert hv.ListInstances() == ["web1"]
    hv.StopInstance(WEB1)


def test_what_could_not_be_read_once_is_counted_again(place):
    """Else a node that does not overcommit would, from then on."""
    cluster = place.cluster(*STRICT)
    node1, _ = cluster
    node1.StartInstance(make("web1", 5000), [], False)
    for number in itertools.count(1):
        node1.StopInstance(make("web1"))
        node1.StartInstance(make("web1", 5000), [], False)
        # By another object, which has seen nothing yet.
        other = FakeHypervisor(cluster._root.child("node1"), spec=STRICT[0])
        failure = Failure(number, errno.EMFILE)
        with place.failing(failure), suppress(HypervisorError):
            other.StartInstance(make("web2", 1000), [], False)
        with pytest.raises(HypervisorError, match=r"does not overcommit: 4000 MiB are needed"):
            other.StartInstance(make("web3", 4000), [], False)
        with suppress(HypervisorError):
            other.StopInstance(make("web2"))
        if not failure.raised:
            break


def test_what_is_stopped_is_no_longer_reported_as_unreadable(place):
    cluster = place.cluster()
    node1, _ = cluster
    running(*cluster)
    for number in itertools.count(1):
        failure = Failure(number, errno.EIO)
        with place.failing(failure), suppress(HypervisorError):
            node1.GetAllInstancesInfo()
        if not failure.raised or "malformed" in node1.describe():
            break
    node1.StopInstance(WEB1)
    node1.StopInstance(WEB2)
    assert "malformed" not in node1.describe()
