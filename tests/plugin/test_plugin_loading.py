"""What the plugin costs a run that doesn't use it, and the ways in which it can be loaded."""

import json

import pytest

USES_IT = """
    def test_start(fakehv):
        fakehv.StartInstance(fakehv.instance("web1"), [], False)
        fakehv.assert_running("web1")
"""

REPORTS_MODULES = """
    import json
    import sys

    BEFORE = set(sys.modules)

    def pytest_unconfigure(config):
        names = [name for name in sys.modules if name.split(".")[0] in ("pytest_fakehv", "pyfakefs")]
        (config.rootpath / "modules.json").write_text(json.dumps(sorted(names)))
"""


NO_FAKEFS = ["-p", "no:fakefs", "-p", "no:pytest_fakefs"]
"""Without pyfakefs's own plugin, by its name in newer and in older releases."""


@pytest.fixture
def modules_of(pytester):
    """Run pytest, and return the modules of ours and of pyfakefs that it imported."""

    def run(source, *args):
        pytester.makeconftest(REPORTS_MODULES)
        pytester.makepyfile(source)
        pytester.runpytest_subprocess(*NO_FAKEFS, *args).assert_outcomes(passed=1)
        return json.loads((pytester.path / "modules.json").read_text())

    return run


HOOKS = [
    "pytest_fakehv",
    "pytest_fakehv.machine",
    "pytest_fakehv.plugin",
    "pytest_fakehv.plugin.fixtures",
    "pytest_fakehv.plugin.markers",
    "pytest_fakehv.plugin.settings",
]
"""Six modules; more would be felt in every run of everybody who has the plugin installed."""


def test_a_run_without_our_fixtures_imports_nothing_but_the_hooks(modules_of):
    assert modules_of("def test_it(): pass") == HOOKS


def test_a_failed_test_without_our_fixtures_is_judged_by_nobody(pytester):
    pytester.makeconftest(REPORTS_MODULES)
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def broken():
            assert False

        @pytest.fixture
        def late():
            yield
            assert False

        def test_it(): assert False

        def test_set_up(broken): pass

        def test_torn_down(late): pass
        """
    )
    result = pytester.runpytest_subprocess(*NO_FAKEFS)
    result.assert_outcomes(failed=1, passed=1, errors=2)
    assert json.loads((pytester.path / "modules.json").read_text()) == HOOKS
    result.stdout.no_fnmatch_line("*- fakehv*")


def test_a_marker_alone_imports_nothing_either(modules_of):
    source = """
        import pytest

        pytestmark = pytest.mark.fakehv_node("node1", memory=1)

        def test_it():
            pass
    """
    assert modules_of(source) == HOOKS


def test_a_run_on_real_files_never_imports_pyfakefs(modules_of):
    modules = modules_of(USES_IT)
    assert "pytest_fakehv.cluster.cluster" in modules
    assert [name for name in modules if name.startswith("pyfakefs")] == []


def test_a_private_fake_filesystem_needs_pyfakefs_but_not_its_plugin(modules_of):
    assert "pyfakefs.fake_filesystem" in modules_of(USES_IT, "--fakehv-backend=pyfakefs")


def test_collecting_does_not_import_the_engine(pytester):
    pytester.makeconftest(REPORTS_MODULES)
    pytester.makepyfile(USES_IT)
    pytester.runpytest_subprocess(*NO_FAKEFS, "--collect-only")
    assert json.loads((pytester.path / "modules.json").read_text()) == HOOKS


@pytest.mark.parametrize("args", [["--assert=plain"], ["--import-mode=importlib"], ["-n", "2"], ["-s"]])
def test_ways_to_run(pytester, args):
    pytester.makepyfile(USES_IT)
    pytester.runpytest_subprocess(*args).assert_outcomes(passed=1)


def test_messages_are_the_same_with_plain_asserts(pytester):
    pytester.makepyfile("def test_it(fakehv): fakehv.assert_running('web1')")
    result = pytester.runpytest_subprocess("--assert=plain")
    result.stdout.fnmatch_lines(
        ["E  *AssertionError: web1 is not running on node1; nothing runs there; no call was about it"]
    )


def test_switched_off(pytester):
    pytester.makepyfile("def test_it(fakehv): pass")
    result = pytester.runpytest_subprocess("-p", "no:fakehv")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *fixture 'fakehv' not found"])


def test_without_autoload(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(USES_IT)
    pytester.runpytest_subprocess("-p", "pytest_fakehv.plugin").assert_outcomes(passed=1)
    pytester.runpytest_subprocess().assert_outcomes(errors=1)


def test_fixtures_say_what_they_give(pytester):
    result = pytester.runpytest_subprocess("--fixtures", "-p", "fakehv")
    result.stdout.fnmatch_lines_random(
        [
            "fakehv_factory [[]session scope[]] -- *",
            "    Builder of fake clusters, for fixtures of wider scope and for property tests.",
            "fakehv_cluster -- *",
            "    A fake cluster: two equal nodes, unless markers or `fakehv_topology` declare others.",
            "fakehv -- *",
            "    A fake hypervisor: the first node of the test's cluster.",
        ]
    )


def test_markers_are_registered(pytester):
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.fakehv(backend="pyfakefs")
        @pytest.mark.fakehv_node("node1")
        @pytest.mark.fakehv_instance("web1")
        @pytest.mark.fakehv_migration("web1")
        def test_it(fakehv):
            fakehv.assert_running("web1")
        """
    )
    pytester.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("--markers")
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.fakehv(?, backend: *, strict: *, allow: *, forbid: *, clock: *, seed: *): *",
            "@pytest.mark.fakehv_node(name: str, ?, memory: *, cpus: *, reserved_memory: *): *",
            "@pytest.mark.fakehv_instance(name: str, ?, node: *, state: *, memory: *, vcpus: *): *",
            "@pytest.mark.fakehv_migration(instance: str, ?, outcome: *, at: *, polls: *): *",
            "@pytest.mark.fakehv_fault(method: str, ?, node: *, instance: *, pool: *, phase: *): *",
            "@pytest.mark.fakehv_apart(?instances: *): *",
            "@pytest.mark.fakehv_pool(name: str, ?, nodes: *, path: *, capacity: *): *",
            "@pytest.mark.fakehv_at_most(?, migrations: *, node: *): *",
        ]
    )


def test_public_names(pytester):
    import pytest_fakehv

    for name in set(pytest_fakehv.__all__) - {
        "ClockMode",
        "Invariant",
        "MethodName",
        "Outcome",
        "Parameters",
        "TimeFunction",
    }:  # aliases have no home
        assert getattr(pytest_fakehv, name).__module__ == "pytest_fakehv"
    assert pytest_fakehv.__all__ == dir(pytest_fakehv)
    assert {"FakeCluster", "HypervisorError", "read_topology"} <= set(pytest_fakehv.__all__)
    with pytest.raises(AttributeError) as caught:
        pytest_fakehv.Nonsense  # noqa: B018
    assert str(caught.value) == "module 'pytest_fakehv' has no attribute 'Nonsense'"
