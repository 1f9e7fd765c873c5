"""The README's table of differences from Ganeti's fake hypervisor: a test for each row."""

import os
import stat
import subprocess
import sys
import threading
from enum import Enum

import pytest

from pytest_fakehv import FakeHypervisor, HypervisorError, Instance, NodeSpec


def make(name="web1", **beparams):
    return Instance(name, beparams={"minmem": 512, "maxmem": 1024, "vcpus": 2, **beparams})


def failure(function, *args):
    with pytest.raises(HypervisorError) as caught:
        function(*args)
    assert type(caught.value) is HypervisorError
    return caught.value


@pytest.fixture
def files(hv, filesystem):
    """List the root as somebody else would."""
    return lambda: sorted(filesystem.os.listdir(hv.root))


@pytest.fixture
def hv(root):
    return FakeHypervisor(root, spec=NodeSpec("node1"))


@pytest.fixture
def disk_hv(tmp_path):
    return FakeHypervisor(tmp_path / "root", spec=NodeSpec("node1"))


def test_powercycle_is_of_the_fake_node_alone(tmp_path):
    """The interpreter itself reports what could reach the machine: nothing but files in the root."""
    code = """
import os, sys
from pytest_fakehv import FakeHypervisor, NodeSpec

root = sys.argv[1]
hv = FakeHypervisor(root, spec=NodeSpec("node1"))
hv.add_instance("web1")

watching = True

def watch(event, args):
    kinds = ("os.", "subprocess.", "socket.", "fcntl.", "open", "ctypes.", "signal.")
    if watching and event.startswith(kinds):
        place = str(args[0]) if args else ""
        print(event if place.startswith(root) or event.startswith("fcntl.") else f"{event} {args}")

sys.addaudithook(watch)
hv.PowercycleNode()
watching = False
"""
    root = tmp_path / "root"
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert set(done.stdout.split("\n")) <= {"open", "os.listdir", "os.remove", "os.utime", "fcntl.flock", ""}
    assert "os.remove" in done.stdout
    assert list(root.iterdir()) == []


def test_of_concurrent_starts_exactly_one_wins(hv):
    barrier = threading.Barrier(8)
    outcomes = []

    def start():
        barrier.wait()
        try:
            hv.StartInstance(make(), [], False)
        except HypervisorError as error:
            outcomes.append(str(error))
        else:
            outcomes.append("started")

    for _ in range(50):
        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["Failed to start instance web1: already running"] * 7 + ["started"]
        outcomes.clear()
        hv.StopInstance(make())


@pytest.mark.parametrize("key", ["minmem", "maxmem", "vcpus"])
@pytest.mark.parametrize("value", [0, -5, True, 1.5, "1024", None, 2**63])
def test_a_failed_start_leaves_no_trace(hv, files, key, value):
    assert str(failure(hv.StartInstance, make(**{key: value}), [], False)) == (
        f"Failed to start instance web1: beparams[{key!r}] must be a positive integer, not {value!r}"
    )
    assert files() == []
    instance = make()
    del instance.beparams[key]
    rest = ", ".join(sorted(instance.beparams))
    assert str(failure(hv.StartInstance, instance, [], False)) == (
        f"Failed to start instance web1: beparams lack {key!r}; they have: {rest}"
    )
    assert str(failure(hv.StartInstance, Instance("web1"), [], False)) == (
        "Failed to start instance web1: beparams lack 'minmem'; they have: nothing"
    )
    assert str(failure(hv.StartInstance, Instance("web1", beparams=None), [], False)) == (
        "Failed to start instance web1: beparams lack 'minmem'; they have: nothing"
    )
    assert files() == []


@pytest.mark.parametrize(
    ("wrong", "beparams"),
    [
        ("minmem", {"minmem": 1024.5}),
        ("minmem", {"minmem": 1024.0, "maxmem": 1024.0}),
        ("minmem", {"minmem": 1024.0, "maxmem": 1024.0, "vcpus": 2.0}),
        ("maxmem", {"minmem": 1024, "maxmem": 0}),
        ("vcpus", {"minmem": 1024, "vcpus": 0}),
    ],
)
def test_so_does_one_that_would_get_its_minimum_whatever_is_free(hv, files, wrong, beparams):
    assert str(failure(hv.StartInstance, make(**beparams), [], False)) == (
        f"Failed to start instance web1: beparams[{wrong!r}] must be a positive integer, "
        f"not {beparams[wrong]!r}"
    )
    assert files() == []


@pytest.mark.parametrize("value", [0, -5, True, 1.5, "1024", None, 2**63])
def test_a_failed_balloon_leaves_the_instance_as_it_was(hv, files, value):
    hv.StartInstance(make(), [], True)
    assert str(failure(hv.BalloonInstanceMemory, make(), value)) == (
        f"Failed to balloon memory for web1: memory must be a positive integer, not {value!r}"
    )
    assert str(failure(hv.BalloonInstanceMemory, make(vcpus=value), 5)) == (
        f"Failed to balloon memory for web1: beparams['vcpus'] must be a positive integer, not {value!r}"
    )
    assert files() == ["web1"]
    assert hv.instances == {"web1": ("web1", "0", 1024, 2, 0, 0)}


def test_a_balloon_needs_no_other_beparams(hv):
    hv.StartInstance(make(), [], False)
    hv.BalloonInstanceMemory(Instance("web1", beparams={"vcpus": 3}), 5)
    assert hv.instances == {"web1": ("web1", "0", 5, 3, 0, 0)}


NAMES = [
    ("a/b", "'a/b': it contains '/'"),
    ("../x", "'../x': it contains '/'"),
    ("..", "'..': it names a directory"),
    (".", "'.': it names a directory"),
    ("", "'': it is empty"),
    ("a\0b", "'a\\x00b': it contains a NUL"),
    ("a\nb", "'a\\nb': it contains a newline"),
    ("x" * 256, f"'{'x' * 59}...{'x' * 16}': it has 256 bytes, the most is 255"),
    ("é" * 128, f"'{'é' * 59}...{'é' * 16}': it has 256 bytes, the most is 255"),
    ("a\ud800", "'a\\ud800': it can't be written as UTF-8"),
]


@pytest.mark.parametrize(("name", "text"), NAMES)
def test_an_invalid_name_touches_no_file(hv, files, name, text, tmp_path):
    instance = make(name)
    assert files() == []
    before = sorted(tmp_path.rglob("*"))
    for function, *args in (
        (hv.StartInstance, instance, [], False),
        (hv.StopInstance, instance),
        (hv.GetInstanceInfo, name),
        (hv.BalloonInstanceMemory, instance, 5),
        (hv.AcceptInstance, instance, "", "node1"),
        (hv.FinalizeMigrationSource, instance, True, True),
        (hv.FinalizeMigrationDst, instance, "", True),
        (hv.FinalizeMigrationDst, instance, "", False),
    ):
        assert str(failure(function, *args)) == f"Invalid instance name {text}"
    if name:
        assert str(failure(hv.StopInstance, None, False, False, name)) == f"Invalid instance name {text}"
    assert files() == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_that_is_no_text(hv):
    text = "Invalid instance name 5: it is of type int, not a text"
    assert str(failure(hv.StopInstance, make(5))) == text


def test_a_name_that_is_a_text_of_a_kind_of_its_own(hv, files):
    class Escaping(str):
        __slots__ = ()

        def __format__(self, spec):
            return "../../escaped"

        def __str__(self):
            return "../../escaped"

    class Kind(str, Enum):  # noqa: UP042  # which formats itself otherwise than a StrEnum
        WEB = "web2"

    hv.StartInstance(make(Escaping("web1")), [], False)
    hv.StartInstance(make(Kind.WEB), [], False)
    assert files() == ["web1", "web2"]
    hv.assert_running("web2")
    assert [call.instance for call in hv.journal] == ["web1", "web2"]
    assert {type(call.instance) for call in hv.journal} == {str}


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "..a", "a b", "-rf", "*", "\t"])
def test_odd_names_that_are_valid(hv, name):
    hv.StartInstance(make(name), [], False)
    assert hv.GetInstanceInfo(name) == (name, "0", 1024, 2, 0, 0)
    assert hv.ListInstances() == [name]
    hv.StopInstance(make(name))
    assert hv.ListInstances() == []


def test_system_errors_say_which_operation_on_which_instance(hv, filesystem):
    hv.StartInstance(make(), [], False)
    root = hv.root
    filesystem.os.unlink(f"{root}/web1")
    filesystem.os.rmdir(root)
    web1 = make()
    for function, args, what in (
        (hv.StartInstance, (web1, [], False), "start instance web1"),
        (hv.StopInstance, (web1,), "stop instance web1"),
        (hv.GetInstanceInfo, ("web1",), "get info of instance web1"),
        (hv.GetAllInstancesInfo, (), "get info of all instances"),
        (hv.ListInstances, (), "list the instances"),
        (hv.GetNodeInfo, (), "get node info"),
        (hv.BalloonInstanceMemory, (web1, 5), "balloon memory for web1"),
        (hv.AcceptInstance, (web1, "", "node1"), "accept instance web1"),
        (
            hv.FinalizeMigrationSource,
            (web1, True, True),
            "finalize the migration of web1 on the source",
        ),
        (
            hv.FinalizeMigrationDst,
            (web1, "", True),
            "finalize the migration of web1 on the target",
        ),
        (
            hv.FinalizeMigrationDst,
            (web1, "", False),
            "finalize the migration of web1 on the target",
        ),
        (hv.PowercycleNode, (), "powercycle the node"),
    ):
        error = failure(function, *args)
        assert str(error) == f"Failed to {what}: No such file or directory: '{root}'"
        assert isinstance(error.__cause__, FileNotFoundError)


def malformed_text(path, size, start):
    return (
        f"malformed instance file '{path}' ({size}, starting with {start!r}); "
        "it should have the lines '0', memory in MiB and vcpus"
    )


@pytest.mark.parametrize(
    ("content", "size"),
    [
        (b"", "0 bytes"),
        (b"\xff\xfe\0binary", "9 bytes"),
        (b"0\n1024\n", "7 bytes"),
        (b"0\n1024\n-2\n", "10 bytes"),
        (b"0\n1024\n\npaused\n", "15 bytes"),
        (b"0\n1024\n2 nonsense\n", "18 bytes"),
        (b"1\n1024\n2\n", "9 bytes"),
        (b"0\n" + b"9" * 1000 + b"\n2\n", "256 bytes or more"),
    ],
)
def test_one_bad_file_is_one_problem(hv, put, content, size):
    hv.StartInstance(make("web1"), [], False)
    put("bad", content)
    text = malformed_text(f"{hv.root}/bad", size, content[:16])
    assert str(failure(hv.GetInstanceInfo, "bad")) == f"Failed to get info of instance bad: {text}"
    assert str(failure(hv.GetAllInstancesInfo)) == f"Failed to get info of all instances: {text}"
    assert str(failure(hv.GetNodeInfo)) == f"Failed to get node info: {text}"
    assert str(failure(hv.BalloonInstanceMemory, make("bad"), 5)) == (
        f"Failed to balloon memory for bad: {text}"
    )
    hv.StartInstance(make("web2"), [], False)
    hv.BalloonInstanceMemory(make("web1"), 5)
    assert hv.GetInstanceInfo("web1") == ("web1", "0", 5, 2, 0, 0)
    assert sorted(hv.ListInstances()) == ["bad", "web1", "web2"]
    hv.PowercycleNode()
    assert hv.ListInstances() == ["bad"]
    hv.StopInstance(make("bad"))
    assert hv.GetAllInstancesInfo() == []


def test_a_huge_file_is_not_read_to_its_end(disk_hv):
    hv = disk_hv
    with open(f"{hv.root}/bad", "wb") as file:
        file.truncate(2**30)
    text = malformed_text(f"{hv.root}/bad", "256 bytes or more", b"\0" * 16)
    assert str(failure(hv.GetInstanceInfo, "bad")) == f"Failed to get info of instance bad: {text}"


def test_an_unreadable_file(fs):
    from pyfakefs.fake_filesystem import set_uid

    hv = FakeHypervisor("/root", spec=NodeSpec("node1"))
    hv.StartInstance(make("web1"), [], False)
    fs.create_file("/root/bad", contents="0\n1\n1\n", st_mode=0o100000)
    fs.chmod("/root", 0o777)
    set_uid(1000)
    try:
        for function, args, what in (
            (hv.GetInstanceInfo, ("bad",), "get info of instance bad"),
            (hv.GetAllInstancesInfo, (), "get info of all instances"),
            (hv.GetNodeInfo, (), "get node info"),
        ):
            error = failure(function, *args)
            assert str(error) == f"Failed to {what}: Permission denied: '/root/bad'"
            assert isinstance(error.__cause__, PermissionError)
        hv.StartInstance(make("web2"), [], False)
        assert hv.GetInstanceInfo("web2") == ("web2", "0", 1024, 2, 0, 0)
    finally:
        set_uid(0)


def test_what_is_no_regular_file_is_no_instance(disk_hv):
    hv, root = disk_hv, disk_hv.root
    hv.StartInstance(make("web1"), [], False)
    os.symlink("web1", f"{root}/link")
    os.symlink("nowhere", f"{root}/dangling")
    os.mkfifo(f"{root}/pipe")
    os.mkdir(f"{root}/folder")
    writer = os.open(f"{root}/pipe", os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, b"0\n10\n1\n")
    os.mknod(f"{root}/socket", stat.S_IFSOCK | 0o600)
    for name in ("link", "dangling", "pipe", "folder", "socket"):
        assert hv.GetInstanceInfo(name) is None
        assert str(failure(hv.StopInstance, make(name))) == f"Failed to stop instance {name}: not running"
        assert str(failure(hv.BalloonInstanceMemory, make(name), 5)) == (
            f"Failed to balloon memory for {name}: not running"
        )
        assert str(failure(hv.StartInstance, make(name), [], False)) == (
            f"Failed to start instance {name}: its file's name is taken"
        )
    assert hv.ListInstances() == ["web1"]
    assert hv.GetAllInstancesInfo() == [("web1", "0", 1024, 2, 0, 0)]
    assert hv.GetNodeInfo()["memory_free"] == 65536 - 1024
    hv.StartInstance(make("web2"), [], False)
    hv.PowercycleNode()
    assert os.read(writer, 100) == b"0\n10\n1\n"  # nobody took it out of the pipe
    os.close(writer)
    assert sorted(os.listdir(root)) == ["dangling", "folder", "link", "pipe", "socket"]


def test_links_and_folders_in_a_fake_filesystem(fs):
    hv = FakeHypervisor("/root", spec=NodeSpec("node1"))
    hv.StartInstance(make("web1"), [], False)
    fs.create_symlink("/root/link", "/root/web1")
    fs.create_dir("/root/folder")
    for name in ("link", "folder"):
        assert hv.GetInstanceInfo(name) is None
        assert str(failure(hv.StopInstance, make(name))) == f"Failed to stop instance {name}: not running"
    assert hv.ListInstances() == ["web1"]
    assert hv.GetAllInstancesInfo() == [("web1", "0", 1024, 2, 0, 0)]


def test_an_existing_root_keeps_its_mode(tmp_path):
    (tmp_path / "old").mkdir(mode=0o700)
    old = os.umask(0o077)
    try:
        for name in ("old", "new", "deep/new"):
            FakeHypervisor(tmp_path / name, spec=NodeSpec("node1"))
    finally:
        os.umask(old)
    modes = {name: (tmp_path / name).stat().st_mode & 0o7777 for name in ("old", "new", "deep/new")}
    assert modes == {"old": 0o700, "new": 0o775, "deep/new": 0o775}


def test_a_test_can_see_that_an_instance_was_started_paused(hv):
    hv.StartInstance(make(), [], True)
    hv.assert_paused("web1")
    assert hv.instances["web1"].paused


def test_a_nodes_size_is_its_specs(tmp_path):
    hv = FakeHypervisor(tmp_path, spec=NodeSpec("node1", memory=777, cpus=3))
    info = hv.GetNodeInfo()
    assert (info["memory_total"], info["memory_free"], info["cpu_total"]) == (777, 777, 3)


def test_what_runs_on_the_target_already_is_not_given_its_memory_anew(hv):
    hv.StartInstance(make(), [], True)
    hv.FinalizeMigrationDst(make(minmem=2048, maxmem=2048), "", True)
    assert hv.instances == {"web1": ("web1", "0", 1024, 2, 0, 0)}
    hv.assert_paused("web1")


@pytest.mark.parametrize(
    ("method", "rest"),
    [("StartInstance", ([], False)), ("RebootInstance", ()), ("HotAddDevice", ("disk", None, None, 0))],
)
@pytest.mark.parametrize("given", ["web1", None, 5])
def test_what_is_no_instance(hv, method, rest, given):
    with pytest.raises(TypeError) as caught:
        getattr(hv, method)(given, *rest)
    assert str(caught.value) == (
        f"{method} takes an instance, an object with name, hvparams and beparams, not {given!r}"
        + ("; make one: fakehv.instance('web1')" if given == "web1" else "")
    )


@pytest.mark.parametrize("timeout", [0, 5])
def test_a_stop_with_a_timeout_but_without_a_word_about_force(hv, timeout):
    hv.StartInstance(make(), [], False)
    for arguments in ((make(), None, False, None, timeout), (None, None, False, "web1", timeout)):
        assert str(failure(hv.StopInstance, *arguments)) == (
            "Failed to stop instance web1: a timeout goes with force True or False, not None"
        )
    hv.assert_running("web1")
    hv.StopInstance(make(), force=None)
    hv.assert_stopped("web1")


def test_wrong_hvparams(hv):
    for check in (hv.CheckParameterSyntax, hv.ValidateParameters):
        assert str(failure(check, {})) == "Parameter 'migration_mode' is missing"
        for value in (None, ""):
            assert str(failure(check, {"migration_mode": value})) == (
                "Parameter 'migration_mode' is required but is currently not defined"
            )
    assert str(failure(hv.CheckParameterSyntax, {"migration_mode": ["live"]})) == (
        "Parameter 'migration_mode' fails syntax check: invalid migration mode (current value: '['live']')"
    )
