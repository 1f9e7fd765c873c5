"""What things cost, as far as it can be counted: what is timed stands in ``benchmarks``."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter

import pytest

from pytest_fakehv import FakeCluster, NodeSpec

CALLS = """
import os
import sys

from pytest_fakehv import FakeHypervisor, NodeSpec

hv = FakeHypervisor(sys.argv[1], spec=NodeSpec("node1", overcommit=sys.argv[3] == "True"))
web1 = hv.instance("web1", memory=5)
for number in range(int(sys.argv[2])):
    hv.add_instance(f"other{number}", memory=5)
for is_first in (True, False):
    for name, call in (
        ("start", lambda: hv.StartInstance(web1, [], False)),
        ("info", lambda: hv.GetInstanceInfo("web1")),
        ("balloon", lambda: hv.BalloonInstanceMemory(web1, 6)),
        ("stop", lambda: hv.StopInstance(web1)),
    ):
        if not is_first:
            os.access(f"/begin {name}", 0)
        call()
        if not is_first:
            os.access("/end", 0)
"""


def can_trace():
    command = ["strace", "-o", os.devnull, "true"]
    return shutil.which("strace") is not None and subprocess.run(command, check=False).returncode == 0


def system_calls(running, *, overcommit):
    """Count the system calls of each operation, with so many other instances running."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as directory:
        trace = f"{directory}/trace"
        script = [sys.executable, "-c", CALLS, f"{directory}/root", str(running), str(overcommit)]
        subprocess.run(["strace", "-qq", "-o", trace, *script], check=True)
        with open(trace) as file:
            lines = file.read().splitlines()
    counts, name = Counter(), None
    for line in lines:
        if found := re.search(r'"/begin (\w+)"', line):
            name = found[1]
        elif '"/end"' in line:
            name = None
        elif name and not line.startswith(("---", "brk(", "mmap(", "munmap(", "getpid(", "futex(")):
            counts[name] += 1
    return dict(counts)


@pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here")
class TestSystemCalls:
    """A start makes a file without a name, fills and links it; the others but info lock the directory."""

    @pytest.mark.parametrize("running", [2, 300])
    def test_where_nothing_depends_on_what_is_free(self, running):
        counts = system_calls(running, overcommit=True)
        assert counts == {"start": 4, "info": 3, "balloon": 12, "stop": 5}

    @pytest.mark.parametrize("running", [2, 300])
    def test_on_a_node_that_does_not_overcommit(self, running):
        """What is free is remembered with the directory's time: one call to see it, one to set it."""
        counts = system_calls(running, overcommit=False)
        assert counts == {"start": 11, "info": 3, "balloon": 14, "stop": 7}


def traced(function, times):
    """Return the bytes that so many calls of a function leave behind, of each."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(times):
            function(number)
        return (tracemalloc.get_traced_memory()[0] - before) / times
    finally:
        tracemalloc.stop()


class TestMemory:
    @pytest.fixture
    def hv(self):
        return FakeCluster.in_memory(NodeSpec("node1"), NodeSpec("node2"))["node1"]

    def test_a_declared_instance(self, hv):
        """All that is kept of it."""
        assert traced(lambda number: hv.add_instance(f"declared{number:07}", memory=2048), 20_000) < 400

    def test_a_started_instance(self, hv):
        """All that is kept of it, its declaration included; the journal is not."""

        def start(number):
            hv.StartInstance(hv.instance(f"started{number:07}", memory=2048), [], False)
            hv.journal.clear()

        assert traced(start, 20_000) < 400

    def test_a_call_in_the_journal(self, hv):
        web1 = hv.add_instance("web1")
        assert traced(lambda _number: hv.GetMigrationStatus(web1), 5000) < 350

    def test_a_call_that_returns_something_in_the_journal(self, hv):
        """Python takes 8 bytes more for an object with a dict from 3.12 on, which are none of ours."""
        more = 8 if sys.version_info >= (3, 12) else 0
        hv.add_instance("web1")
        assert traced(lambda _number: hv.GetInstanceInfo("web1"), 5000) < 350 + more


def calls(function):
    """Count the calls of Python's functions while one is called, by their names."""
    counts = Counter()

    def note(frame, event, _argument):
        if event == "call":
            counts[frame.f_code.co_qualname] += 1

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return counts


class TestCalls:
    @pytest.fixture
    def cluster(self):
        cluster = FakeCluster.in_memory()
        cluster.add_instance("web1")
        return cluster

    def test_an_instance_that_is_described_as_before_is_not_checked_again(self, cluster):
        assert calls(lambda: cluster.migrate("web1", to="node2"))["InstanceSpec.__post_init__"] == 0

    def test_an_instance_of_our_own_is_seen_by_its_class(self, cluster):
        node, web1 = cluster.nodes[0], cluster.nodes[0].instance("web1")
        assert not any("genexpr" in name for name in calls(lambda: node.StopInstance(web1)))

    def test_a_migration_to_a_node_that_overcommits_reads_the_file_three_times(self, tmp_path):
        """As it begins, as it ends, and as it is finalized."""
        cluster = FakeCluster(tmp_path)
        cluster.add_instance("web1")
        assert calls(lambda: cluster.migrate("web1", to="node2"))["Disk.read"] == 3

    def test_the_data_of_a_timeline_take_as_many_calls_however_much_is_in_it(self, cluster):
        for _ in range(5):
            cluster.migrate("web1", to="node2")
            cluster.migrate("web1", to="node1")
        assert calls(cluster.timeline().data).total() < 20


COUNTING = """
    import json
    import sys

    SETUPS = []

    def pytest_fixture_setup(fixturedef, request):
        SETUPS.append(fixturedef.argname)

    def pytest_unconfigure(config):
        (config.rootpath / "counted.json").write_text(json.dumps([SETUPS, sorted(sys.modules)]))
"""


def counted(pytester, source, *args):
    """Run a test, and return the fixtures that were set up for it, and the modules that were imported."""
    pytester.makeconftest(COUNTING)
    pytester.makepyfile(source)
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=1)
    setups, modules = json.loads((pytester.path / "counted.json").read_text())
    return setups, set(modules)


def test_the_fixtures_of_a_test(pytester):
    """No ``tmp_path`` is made for a test that doesn't ask for one; where no files are kept, nothing is."""
    once_a_run = ["fakehv_class", "fakehv_topology", "_fakehv_folders", "tmp_path_factory"]
    source = "def test_it(fakehv): fakehv.add_instance('web1')"
    assert counted(pytester, source)[0] == [*once_a_run, "fakehv_cluster", "fakehv"]
    setups, _ = counted(pytester, source, "--fakehv-backend=memory")
    assert setups == [*once_a_run[:3], "fakehv_cluster", "fakehv"]


def test_the_modules_of_a_run_that_does_not_use_it(pytester):
    """Beyond those that pytest and the other plugins import anyway."""
    without, with_it = (
        counted(pytester, "def test_it(): pass", *args)[1] for args in (["-p", "no:fakehv"], [])
    )
    assert len(with_it - without) <= 6


STEPS = """
    import json
    import sys

    import pytest

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(fixturedef, request):
        if fixturedef.argname != "fakehv_cluster":
            return (yield)
        steps = 0

        def step(*_):
            nonlocal steps
            steps += 1
            return step

        sys.settrace(step)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            with (request.config.rootpath / "counted.json").open("w") as file:
                json.dump(steps, file)
"""


def steps_of(pytester, instances):
    """Count the lines that are run to set up a cluster of so many instances that a topology has."""
    blocks = [f'[[instance]]\nname = "web{number}"\nmemory = 1\n' for number in range(instances)]
    (pytester.path / "topology.toml").write_text("\n".join(blocks))
    pytester.makeconftest(STEPS)
    pytester.makepyfile("def test_it(fakehv_cluster): pass")
    options = ("--fakehv-topology=topology.toml", "--fakehv-backend=memory")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)
    return json.loads((pytester.path / "counted.json").read_text())


def test_each_instance_of_a_topology_takes_as_many_steps_as_the_last(pytester):
    few, more, most = (steps_of(pytester, instances) for instances in (100, 200, 400))
    assert most - more < 2.1 * (more - few)


KEPT = """
    import gc
    import json
    from functools import partial

    from pytest_fakehv import FakeCluster

    add_instance = FakeCluster.add_instance

    def counting(self, name, **options):
        if name == "web99":
            partials = [each for each in gc.get_objects() if type(each) is partial]
            kept = [each for each in partials if each.func == self.add_instance]
            with open("counted.json", "w") as file:
                json.dump(len(kept), file)
        return add_instance(self, name, **options)

    FakeCluster.add_instance = counting
"""


def test_what_adds_an_instance_of_a_topology_is_kept_for_none_but_this_one(pytester):
    pytester.makefile(".toml", topology='[[instance]]\nname = "web{n}"\ncount = 100\nmemory = 1')
    pytester.makeconftest(KEPT)
    pytester.makepyfile("def test_it(fakehv_cluster): pass")
    pytester.runpytest_subprocess("--fakehv-topology=topology.toml").assert_outcomes(passed=1)
    assert json.loads((pytester.path / "counted.json").read_text()) == 1


OF_SETTINGS = """
    import json
    import sys

    import pytest

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(item):
        counted = 0

        def note(frame, event, _argument):
            nonlocal counted
            counted += event == "call" and frame.f_code.co_name == "for_test"

        sys.setprofile(note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            (item.config.rootpath / "counted.json").write_text(json.dumps(counted))
"""


def test_the_settings_of_a_test_are_made_once_in_each_phase(pytester):
    pytester.makeconftest(OF_SETTINGS)
    pytester.makepyfile("def test_it(fakehv_cluster): pass")
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    assert json.loads((pytester.path / "counted.json").read_text()) == 3


OF_SIGNATURES = """
    import json
    import sys
    import pytest

    counted = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(item):
        def profile(frame, event, argument):
            is_look = event == "call" and frame.f_code.co_name == "signature"
            counted[item.name] += is_look and frame.f_globals["__name__"] == "inspect"

        counted[item.name] = 0
        sys.setprofile(profile)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            (item.config.rootpath / "counted.json").write_text(json.dumps(counted))
"""


def test_the_signatures_that_a_test_looks_at(pytester):
    """Of the fixtures, one asks for ``request``, which makes pytest look; of markers, each kind is known."""
    pytester.makeconftest(OF_SIGNATURES)
    pytester.makepyfile("""
        import pytest

        @pytest.fixture
        def asking(request): pass

        @pytest.fixture
        def other(asking): pass

        @pytest.mark.parametrize("number", [1, 2])
        def test_other(other, number): pass

        @pytest.mark.fakehv(strict=True)
        @pytest.mark.fakehv_instance("web1")
        @pytest.mark.fakehv_instance("web2")
        @pytest.mark.parametrize("number", [1, 2])
        def test_ours(fakehv, number): pass
    """)
    pytester.runpytest_subprocess("-p", "no:randomly").assert_outcomes(passed=4)
    counted = json.loads((pytester.path / "counted.json").read_text())
    assert counted["test_ours[2]"] == counted["test_other[2]"]
