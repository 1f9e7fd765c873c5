"""What a test patches of the machine's functions is for its own code: nothing of ours changes.

All of it is still patched when the test has ended and its report is made.
"""

import json

import pytest

TESTS = '''
import builtins
import io
import os
import time

import pytest

from pytest_fakehv import FakeCluster, FakeHypervisor, HypervisorError, read_topology
from pytest_fakehv.parameters import OPT_DIR_CHECK, OPT_FILE_CHECK

NOTHING = os.stat("/dev/null")
NOWHERE = "/dev/null/nowhere"  # where nothing can be made
LIES = {
    # What it returns. Not here, since pytest itself, without any plugin, can't do with it patched:
    # os.dup2: it begins and ends by it to capture what is printed
    # os.fspath: it makes its paths by it
    # os.fstat: it asks it how much there is of what it has captured
    (os, "access"): False,
    (os, "chmod"): None,
    (os, "close"): None,
    (os, "cpu_count"): 0,
    (os, "fdopen"): None,
    (os, "dup"): 0,
    (os, "fsdecode"): NOWHERE,
    (os, "fsync"): None,
    (os, "ftruncate"): None,
    (os, "get_terminal_size"): os.terminal_size((1, 1)),
    (os, "getcwd"): NOWHERE,
    (os, "getenv"): NOWHERE,
    (os, "getpid"): 1,
    (os, "link"): None,
    (os, "listdir"): [],
    (os, "lseek"): 0,
    (os, "lstat"): NOTHING,
    (os, "makedirs"): None,
    (os, "mkdir"): None,
    (os, "open"): 0,
    (os, "pread"): b"",
    (os, "read"): b"",
    (os, "readlink"): NOWHERE,
    (os, "remove"): None,
    (os, "rename"): None,
    (os, "replace"): None,
    (os, "rmdir"): None,
    (os, "scandir"): iter(()),
    (os, "stat"): NOTHING,
    (os, "strerror"): "Success",
    (os, "umask"): 0o777,
    (os, "unlink"): None,
    (os, "urandom"): b"",
    (os, "utime"): None,
    (os, "walk"): iter(()),
    (os, "write"): 1,
    (os.path, "abspath"): NOWHERE,
    (os.path, "basename"): "nothing",
    (os.path, "commonpath"): NOWHERE,
    (os.path, "dirname"): NOWHERE,
    (os.path, "exists"): False,
    (os.path, "expanduser"): NOWHERE,
    (os.path, "isabs"): False,
    (os.path, "isdir"): False,
    (os.path, "isfile"): True,
    (os.path, "islink"): True,
    (os.path, "join"): NOWHERE,
    (os.path, "normpath"): NOWHERE,
    (os.path, "realpath"): NOWHERE,
    (time, "gmtime"): time.gmtime(0),
    (time, "localtime"): time.localtime(0),
    (time, "monotonic"): -1e9,
    (time, "monotonic_ns"): -10**18,
    (time, "perf_counter"): -1e9,
    (time, "perf_counter_ns"): -10**18,
    (time, "process_time"): -1e9,
    (time, "sleep"): None,
    (time, "strftime"): "never",
    (time, "time"): "never",
    (time, "time_ns"): -1,
    (io, "open"): io.StringIO(),
    (builtins, "open"): io.StringIO(),
}


def refuse(*args, **keywords):
    raise OSError(5, "it is the test's")


PATCHES = [
    pytest.param(module, name, function, id=f"{module.__name__}.{name}-{way}")
    for (module, name), value in LIES.items()
    for way, function in (("fails", refuse), ("lies", lambda *args, value=value, **keywords: value))
]


def a_life(cluster):
    """Call what tests call; what comes of it stands in the report."""
    node1, node2, own, *others = cluster
    web1, web2 = (cluster.instance(name, memory=1024) for name in ("web1", "web2"))
    node1.StartInstance(web1, [], False)
    node1.StartInstance(web2, [], True)
    print(sorted(node1.ListInstances()), node1.GetInstanceInfo("web1"), sorted(node1.GetAllInstancesInfo()))
    node1.BalloonInstanceMemory(web1, 2048)
    print(node1.instances, node1.GetNodeInfo(), node1.Verify())
    print(cluster.migrate("web1", to="node2"))
    node2.AcceptInstance(web2, "", "node2")
    node1.MigrateInstance("c", web2, "node2", True)
    print(node1.GetMigrationStatus(web2).status)
    node1.FinalizeMigrationSource(web2, True, True)
    node2.FinalizeMigrationDst(web2, "", True)
    for call in (
        lambda: node2.StartInstance(web1, [], False),
        lambda: node1.StopInstance(web1),
        lambda: own.StartInstance(cluster.instance("big", memory=4096), [], False),
    ):
        with pytest.raises(HypervisorError) as caught:
            call()
        print(caught.value)
    own.StartInstance(cluster.instance("db1", memory=256), [], False)
    own.PowercycleNode()
    print(cluster.placement(), len(cluster.journal))
    node2.StopInstance(web2)
    node1.StartInstance(web1, [], False)  # a second one
    print(cluster.clock.now)


def whatever_else(files):
    """Do what looks at files, and at the machine."""
    print(FakeHypervisor.GetLinuxNodeInfo()["memory_total"], FakeHypervisor.GetLinuxNodeInfo()["cpu_total"])
    print(read_topology(f"{files}/topology.toml"))
    print([check.node(files) for check in (OPT_FILE_CHECK, OPT_DIR_CHECK)])
    with FakeCluster.temporary() as cluster:
        cluster.add_instance("web1")
        cluster.timeline().save(f"{files}/timeline.svg")
        print(cluster.placement())


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    files = tmp_path_factory.mktemp("files")
    (files / "topology.toml").write_text("[[node]]\\nname = 'node1'\\n")
    return str(files)


@pytest.mark.fakehv_node("node1", memory=8192)
@pytest.mark.fakehv_node("node2", memory=8192)
@pytest.mark.fakehv_node("own", memory=1024, overcommit=False)
class TestIt:
    def test_plain(self, fakehv_cluster, files):
        a_life(fakehv_cluster)
        whatever_else(files)

    @pytest.mark.parametrize(("module", "name", "function"), PATCHES)
    def test_patched(self, fakehv_cluster, files, monkeypatch, module, name, function):
        monkeypatch.setattr(module, name, function)
        a_life(fakehv_cluster)
        whatever_else(files)
'''

CONFTEST = """
import json

SEEN = {}


def pytest_runtest_logreport(report):
    if report.when == "call" or report.failed:
        # The log is not ours: a record may get lost that can't ask for the time.
        sections = [section for section in report.sections if "log" not in section[0]]
        name = report.nodeid.rpartition("::")[2]
        SEEN[name] = [report.when, report.outcome, report.longreprtext, sections, report.fakehv_page]


def pytest_unconfigure(config):
    (config.rootpath / "seen.json").write_text(json.dumps(SEEN))
"""


@pytest.mark.parametrize("where", ["tmp_path", "memory"])
def test_no_call_no_verdict_and_no_report_changes(pytester, where):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    pytester.runpytest_subprocess(f"--fakehv-backend={where}", "--fakehv-report=page.html", "-q")
    seen = json.loads((pytester.path / "seen.json").read_text())
    plain = seen.pop("test_plain")
    assert plain[:2] == ["call", "failed"]
    assert plain[2].startswith("double-start: web1 was started on node1 while it ran on node2\n")
    assert len(seen) >= 2 * 40
    assert [name for name, each in seen.items() if each != plain] == []


def test_a_verdict_is_the_same_where_files_stay(pytester):
    pytester.makepyfile(
        """
        import os

        import pytest

        @pytest.mark.fakehv_instance("web1", node="node1")
        def test_no_false_alarm(fakehv_cluster, monkeypatch):
            monkeypatch.setattr(os, "unlink", lambda path: None)
            node1, node2 = fakehv_cluster
            web1 = fakehv_cluster.instance("web1")
            node1.StopInstance(web1)
            node2.StartInstance(web1, [], False)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_page_of_a_run_is_written_though_a_test_has_left_a_patch_behind(pytester):
    pytester.makepyfile(
        """
        import builtins
        import os
        import time

        def refuse(*args, **keywords):
            raise OSError(5, "it is the test's")

        def test_it(fakehv):
            builtins.open = os.replace = os.unlink = time.strftime = refuse
        """
    )
    result = pytester.runpytest_subprocess("--fakehv-report=page.html", "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["fakehv: the report is in *page.html"])
    assert [path.name for path in pytester.path.glob("*.html")] == ["page.html"]


class TestFakeFilesystem:
    """A test's ``fs`` is still in force when its picture is drawn."""

    TESTS = """
        import os

        def test_in_the_fake_filesystem_of_the_test(fs, fakehv):
            fakehv.add_instance("web1")
            assert os.listdir(fakehv.root) == ["web1"]

        def test_afterwards(fakehv):
            fakehv.add_instance("web1")
            assert os.listdir(fakehv.root) == ["web1"]
    """

    @pytest.mark.parametrize("option", ["--html", "--fakehv-report"])
    def test_a_page(self, pytester, option):
        pytester.makepyfile(self.TESTS)
        result = pytester.runpytest_subprocess(f"{option}=page.html")
        result.assert_outcomes(passed=2)
        assert (pytester.path / "page.html").read_text(encoding="utf-8").count("web1") >= 2

    def test_a_picture_that_nobody_prepared(self, pytester):
        """The templates are read from the disk, and the picture is made in the fake filesystem."""
        pytester.makepyfile(
            """
            import io
            import os

            import pytest

            def refuse(*args, **keywords):
                raise OSError(5, "it is the test's")

            def test_it(fs, fakehv_cluster, monkeypatch):
                monkeypatch.setattr(io, "open", refuse)
                monkeypatch.setattr(os, "open", refuse)
                fakehv_cluster.timeline().save("/timeline.svg")
                monkeypatch.undo()
                with open("/timeline.svg") as file:
                    assert file.read(4) == "<svg"

            def test_afterwards(fakehv_cluster, tmp_path):
                assert not os.path.exists("/timeline.svg")
                fakehv_cluster.timeline().save(tmp_path / "timeline.html")
                assert (tmp_path / "timeline.html").read_text().startswith("<!doctype html>")
            """
        )
        pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_the_real_clock_is_the_machines_whoever_freezes_the_tests(pytester):
    pytester.makepyfile(
        """
        import pytest
        from freezegun import freeze_time

        @freeze_time("2024-03-31 01:59:59")
        def test_the_engine_comes_when_the_time_is_frozen(request):
            request.getfixturevalue("fakehv_factory")(clock="real")

        @pytest.mark.fakehv(clock="real", allow=["unfinished"])
        @pytest.mark.fakehv_instance("app1", node="node1", memory=4096)
        @pytest.mark.fakehv_migration("app1", bandwidth=1)
        def test_time_goes_on(fakehv_cluster):
            node1, node2 = fakehv_cluster
            app1 = fakehv_cluster.instance("app1")
            node2.AcceptInstance(app1, "", "node2")
            node1.MigrateInstance("c", app1, "node2", True)
            with freeze_time("2024-03-31 01:59:59"):
                assert 0 <= fakehv_cluster.clock.now < 1000
                assert node1.GetMigrationStatus(app1).status == "active"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
