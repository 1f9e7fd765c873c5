"""A topology from code: the fixture `fakehv_topology`, and what counts more and less than it."""

import pytest

from pytest_fakehv import DeclarationError, InstanceSpec, NodeSpec, Topology

TABLES = {
    "node": [{"name": "n{n}", "count": 2, "memory": "24G"}],
    "instance": [{"name": "web1", "node": "n2"}],
}


@pytest.fixture
def run(pytester):
    """Run a file whose fixture gives something."""

    def run(given, tests, *args, scope="function"):
        pytester.makepyfile(
            f"import pytest\nfrom pathlib import Path\nfrom pytest_fakehv import *\nTABLES = {TABLES!r}\n"
            f"@pytest.fixture(scope={scope!r})\ndef fakehv_topology():\n    return {given}\n{tests}"
        )
        return pytester.runpytest_subprocess(*args)

    return run


TWO = """
def test_cluster(fakehv_cluster):
    assert [node.name for node in fakehv_cluster] == ["n1", "n2"]
    assert fakehv_cluster["n1"].spec.memory == 24576
    assert fakehv_cluster.placement() == {"web1": "n2"}

def test_node(fakehv):
    assert fakehv.name == "n1"

@pytest.mark.fakehv_node("n1", memory="1G", tags=["small"])
@pytest.mark.fakehv_instance("web2", node="n1", memory="512M", tags=["web"])
def test_markers_add_and_override(fakehv_cluster):
    assert fakehv_cluster["n1"].spec.memory == 1024
    assert fakehv_cluster["n1"].tags == ("small",)
    assert fakehv_cluster.instance("web2").tags == ("web",)
    assert fakehv_cluster.placement() == {"web1": "n2", "web2": "n1"}

def test_factory(fakehv_factory):
    assert fakehv_factory().placement() == {"web1": "n2"}
    assert fakehv_factory(NodeSpec("a")).placement() == {}
"""


@pytest.mark.parametrize("scope", ["function", "session"])
@pytest.mark.parametrize("given", ["TABLES", "Topology.of(TABLES)", "'t.toml'", "Path('t.toml')"])
def test_what_it_may_give(run, pytester, given, scope):
    (pytester.path / "t.toml").write_text(
        "[[node]]\nname='n{n}'\ncount=2\nmemory='24G'\n[[instance]]\nname='web1'\nnode='n2'\n"
    )
    run(given, TWO, scope=scope).assert_outcomes(passed=4)


@pytest.mark.parametrize("how", ["pytest_plugins = ['shared']", "from shared import fakehv_topology"])
def test_one_that_several_projects_share(pytester, how):
    pytester.makepyfile(
        shared="""
        import pytest

        @pytest.fixture(scope="session")
        def fakehv_topology():
            return {"node": [{"name": "mine"}]}
    """
    )
    pytester.makeconftest(how)
    pytester.makepyfile(
        "def test_it(fakehv_cluster): assert [each.name for each in fakehv_cluster] == ['mine']"
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_none_is_none(run):
    run("None", "def test_it(fakehv): assert fakehv.name == 'node1'").assert_outcomes(passed=1)


def test_what_counts_more_and_less(run, pytester):
    """A marker counts more than the fixture, and that more than the command line, which it may ask for."""
    (pytester.path / "line.toml").write_text("[[node]]\nname='line'")
    (pytester.path / "marker.toml").write_text("[[node]]\nname='marker'")
    tests = """
@pytest.mark.fakehv(topology="marker.toml")
def test_marker(fakehv):
    assert fakehv.name == "marker"

def test_fixture(fakehv, fakehv_factory):
    assert (fakehv.name, fakehv_factory().nodes[0].name) == ("n1", "n1")

class TestLine:
    @pytest.fixture
    def fakehv_topology(self, request):
        return request.config.getoption("--fakehv-topology")

    def test_line(self, fakehv):
        assert fakehv.name == "line"
"""
    run("TABLES", tests, "--fakehv-topology=line.toml").assert_outcomes(passed=3)


def test_it_may_change_what_the_command_line_gives(pytester):
    (pytester.path / "t.toml").write_text("[[node]]\nname='a'")
    pytester.makepyfile("""
import pytest
from pytest_fakehv import NodeSpec, Topology

@pytest.fixture
def fakehv_topology(fakehv_topology):
    return Topology(nodes=(*fakehv_topology.nodes, NodeSpec("b")))

def test_it(fakehv_cluster, fakehv_factory):
    assert [node.name for node in fakehv_cluster] == ["a", "b"]
    assert [node.name for node in fakehv_factory()] == ["a", "b"]
""")
    pytester.runpytest_subprocess("--fakehv-topology=t.toml").assert_outcomes(passed=1)


BAD = [
    ("5", "it must return a Topology, tables, or the path of a file, not 5"),
    ("{'nodes': []}", "unknown key 'nodes'; valid: [[node]], [[instance]]"),
    ("{'node': 5}", "node must be tables, each under a line [[node]]"),
    (
        "{'node': [{'name': 'a', 'memory': '1GB'}]}",
        (
            "[[node]] number 1: memory must be a positive integer, of MiB, or a text like '512M', '24G' or "
            "'1.5 TiB', not '1GB'"
        ),
    ),
    (
        "{'node': [{'name': 'a'}], 'instance': [{'name': 'i', 'node': 'b'}]}",
        "[[instance]] 'i': no node matches 'b'; there are: a",
    ),
]


@pytest.mark.parametrize(("given", "problem"), BAD)
def test_a_bad_one_fails_its_test(run, given, problem):
    result = run(given, "def test_it(fakehv): pass\ndef test_factory(fakehv_factory): fakehv_factory()")
    result.assert_outcomes(errors=1, failed=1)
    assert f"the fixture fakehv_topology: {problem}" in result.stdout.lines
    assert f"E   pytest_fakehv.DeclarationError: the fixture fakehv_topology: {problem}" in " ".join(
        result.stdout.lines
    )


def test_a_file_that_is_not_there(run, pytester):
    result = run("'none.toml'", "def test_it(fakehv): pass")
    problem = f"{pytester.path / 'none.toml'}: No such file or directory"
    assert f"the fixture fakehv_topology: {problem}" in result.stdout.lines


def test_an_instance_that_does_not_fit(run):
    nodes = [{"name": "a", "memory": 5, "overcommit": False}]
    given = {"node": nodes, "instance": [{"name": "i", "memory": 6}]}
    result = run(given, "def test_it(fakehv): pass")
    assert (
        "topology: [[instance]] 'i': Failed to place i on a: a does not overcommit: 6 MiB are needed, "
        "5 MiB are free"
    ) in result.stdout.lines


class TestTheFactory:
    """It gives each caller what that one's own fixture says."""

    def test_in_several_classes(self, run):
        tests = """
class TestOther:
    @pytest.fixture(scope="class")
    def fakehv_topology(self):
        return {"node": [{"name": "other"}]}

    @pytest.fixture(scope="class")
    def cluster(self, fakehv_factory):
        return fakehv_factory()

    def test_other(self, cluster, fakehv_factory):
        assert cluster.nodes[0].name == fakehv_factory().nodes[0].name == "other"

def test_first(fakehv_factory):
    assert fakehv_factory().nodes[0].name == "n1"
"""
        run("TABLES", tests).assert_outcomes(passed=2)

    def test_a_fixture_of_wider_scope_can_not_have_one_tests_own(self, run):
        """It would have that of whichever test comes first."""
        tests = """
@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory()

def test_it(cluster): pass
"""
        result = run("TABLES", tests)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(["ScopeMismatch:*fakehv_topology*"])

    def test_a_test_of_another_kind(self, pytester):
        (pytester.path / "t.toml").write_text("[[node]]\nname='a'")
        pytester.makeconftest("""
import pytest

class Other(pytest.Item):
    def runtest(self):
        assert [node.name for node in FACTORY()] == ["a"]

@pytest.fixture(scope="session", autouse=True)
def keep(fakehv_factory):
    global FACTORY
    FACTORY = fakehv_factory

def pytest_collection_modifyitems(items):
    items.append(Other.from_parent(items[0].parent, name="other"))
""")
        pytester.makepyfile("def test_it(): pass")
        pytester.runpytest_subprocess("--fakehv-topology=t.toml").assert_outcomes(passed=2)


class TestTopology:
    """What a topology that is made by hand is checked for."""

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({"nodes": ["a"]}, "nodes must be a tuple of NodeSpecs, not ['a']"),
            ({"nodes": ("a",)}, "nodes must be a tuple of NodeSpecs, not ('a',)"),
            ({"instances": (NodeSpec("a"),)}, "instances must be a tuple of InstanceSpecs, not (NodeSpec("),
            ({"nodes": (NodeSpec("a"), NodeSpec("a"))}, "[[node]]: there are two named 'a'"),
            (
                {"nodes": (NodeSpec("a"), NodeSpec("b", address="a"))},
                "[[node]]: there are two with the address 'a'",
            ),
            (
                {"instances": (InstanceSpec("a"), InstanceSpec("a"))},
                "[[instance]]: there are two named 'a'",
            ),
        ],
    )
    def test_by_hand(self, arguments, problem):
        with pytest.raises(DeclarationError) as caught:
            Topology(**arguments)
        assert str(caught.value).startswith(problem)

    def test_tables_that_are_none(self):
        with pytest.raises(DeclarationError) as caught:
            Topology.of([])
        assert str(caught.value) == "tables are given as a mapping, by 'node' and 'instance', not []"
