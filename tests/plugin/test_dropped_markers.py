"""What a test says to nobody: a marker without a cluster, one of no such name, a parameter, an option."""

import pytest

PRELUDE = """
import unittest
import pytest
from pytest import mark
from pytest_fakehv import FakeCluster, HypervisorError, InstanceSpec, NodeSpec

"""

REQUEST_ONE = "acts on nothing: it is for the cluster of fakehv or fakehv_cluster; request one of them"
OR_THE_FACTORY = f"{REQUEST_ONE}, or say it to what fakehv_factory builds"


@pytest.fixture
def run(pytester):
    def run(source, *args):
        pytester.makepyfile(PRELUDE + source)
        every = ("--fakehv-show=none", "-Wignore::pytest.PytestUnknownMarkWarning", *args)
        return pytester.runpytest_subprocess(*every) if "-n" in args else pytester.runpytest(*every)

    return run


def told(result, phase="at setup of "):
    """Return what is said of each test that failed, by its name: the lines below its title."""
    said, name = {}, None
    for line in result.stdout.lines:
        title = line.strip("_ ").removeprefix("ERROR ")
        if line.startswith("____"):
            name = title.removeprefix(phase).split(".")[-1]
        elif line.startswith("==="):
            name = None
        elif name and line and not line.startswith("[gw"):
            said.setdefault(name, []).append(line)
    return said


MARKERS = {
    "fakehv_node('n')": "fakehv_node('n')",
    "fakehv_instance(name='web1')": "fakehv_instance('web1')",
    "fakehv_migration('web1')": "fakehv_migration('web1')",
    "fakehv_fault('StopInstance')": "fakehv_fault('StopInstance')",
    "fakehv_apart('web1', 'web2')": "fakehv_apart('web1', 'web2')",
    "fakehv_at_most(migrations=2)": "fakehv_at_most()",
    "fakehv(strict=False)": "fakehv()",
    "fakehv(clock='manual')": "fakehv()",
}


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_marker_of_a_test_without_a_cluster(run, args):
    result = run(
        "".join(f"@mark.{each}\ndef test_{number}(): pass\n\n" for number, each in enumerate(MARKERS)),
        *args,
    )
    assert told(result) == {
        f"test_{number}": [f"{label} {REQUEST_ONE}"] for number, label in enumerate(MARKERS.values())
    }


def test_a_test_that_uses_the_factory_alone(run):
    """Which invariants count is said for its clusters, too; the rest is not."""
    result = run("""
@mark.fakehv_node("n")
def test_node(fakehv_factory): pass

@mark.fakehv(strict=False, clock="manual")
def test_clock(fakehv_factory): pass

@mark.fakehv(seed=1)
def test_seed(built): pass

@mark.fakehv(seed=1)
def test_seed_of_one_asked_for_later(request):
    request.getfixturevalue("fakehv_factory")()

@mark.fakehv(allow=["vanished"])
def test_allow(fakehv_factory): pass

@mark.fakehv(strict=False)
def test_strict(built): pass

@mark.fakehv(strict=False)
def test_strict_of_one_asked_for_later(request):
    request.getfixturevalue("fakehv_factory")().fault("StopInstance")

@pytest.fixture
def built(fakehv_factory):
    return fakehv_factory()
""")
    result.assert_outcomes(passed=3, failed=1, errors=3)
    assert told(result) == {
        "test_node": [f"fakehv_node('n') {OR_THE_FACTORY}"],
        "test_clock": [f"fakehv(clock='manual') {OR_THE_FACTORY}"],
        "test_seed": [f"fakehv(seed=1) {OR_THE_FACTORY}"],
        "test_seed_of_one_asked_for_later": [f"fakehv(seed=1) {OR_THE_FACTORY}"],
    }


def test_a_cluster_is_had_in_every_way(run):
    run(
        """
@mark.fakehv_node("n")
@mark.usefixtures("fakehv_cluster")
def test_usefixtures(): pass

@mark.fakehv_node("n")
def test_asked_for_later(request):
    assert request.getfixturevalue("fakehv").name == "n"

@pytest.fixture
def my_cluster(request):
    return request.getfixturevalue("fakehv_cluster")

@mark.fakehv_node("n")
def test_by_a_fixture(my_cluster):
    assert my_cluster.nodes[0].name == "n"

class TestAutouse:
    @pytest.fixture(autouse=True)
    def scene(self, fakehv):
        self.hv = fakehv

    @mark.fakehv_node("n")
    def test_it(self):
        assert self.hv.name == "n"

class TestUnit(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def scene(self, fakehv):
        self.hv = fakehv

    @mark.fakehv_node("n")
    def test_it(self):
        assert self.hv.name == "n"

@mark.usefixtures("fakehv")
class TestUsing(unittest.TestCase):
    @mark.fakehv_node("n")
    def test_it(self): pass

@mark.parametrize("name", [pytest.param("n", marks=mark.fakehv_node("n"))])
def test_parameters(fakehv, name):
    assert fakehv.name == name
""",
        "-n",
        "2",
    ).assert_outcomes(passed=7)


def test_one_that_is_never_asked_for_by_what_could_have(run):
    """A test that has ``request`` fails once it has run, unless it has failed by itself."""
    result = run("""
@mark.fakehv_node("n")
def test_passing(request): pass

@mark.fakehv_node("n")
def test_failing(request):
    pytest.fail("by itself", pytrace=False)

class TestUnit(unittest.TestCase):
    def setUp(self): pass

    @mark.fakehv_node("n")
    def test_unit(self): pass

@mark.parametrize("name", [pytest.param(1, marks=mark.fakehv_node("n")), 2])
def test_parameters(request, name): pass
""")
    result.assert_outcomes(passed=1, failed=3, errors=1)
    dropped = [f"fakehv_node('n') {REQUEST_ONE}"]
    assert told(result) == {
        "test_passing": dropped,
        "test_failing": ["by itself"],
        "test_unit": dropped,
        "test_parameters[1]": dropped,
    }


def test_a_fixture_of_the_users_own_by_the_name_of_ours(run):
    result = run("""
@pytest.fixture
def fakehv_cluster(fakehv_factory):
    return fakehv_factory()

@mark.fakehv_node("n")
def test_it(fakehv_cluster): pass
""")
    result.assert_outcomes(errors=1)
    assert told(result) == {"test_it": [f"fakehv_node('n') {OR_THE_FACTORY}"]}


def test_markers_for_many_tests_are_for_those_that_have_a_cluster(run, pytester):
    pytester.makeconftest("""
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.fakehv(strict=False))
""")
    run("""
pytestmark = mark.fakehv_node("n")

def test_alone(): pass

@mark.fakehv_node("m")
class TestIt:
    def test_alone(self): pass

@mark.fakehv_node("m")
class TestUnit(unittest.TestCase):
    def test_alone(self): pass

@mark.fakehv_node("m")
@mark.skip
def test_skipped(): pass
""").assert_outcomes(passed=3, skipped=1)


NO_SUCH = """
def test_without(): pass

def test_with(fakehv): pass

def test_skipped(fakehv):
    pytest.skip()
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fakehv_nodes", "there is no marker fakehv_nodes; nearest: fakehv_node"),
        ("fakehv_Instance('web1')", "there is no marker fakehv_Instance; nearest: fakehv_instance"),
        ("fakehv0123456789", "there is no marker fakehv0123456789"),
        (
            "fakehv_cluster",
            "fakehv_cluster is a fixture, not a marker; make it an argument of the test",
        ),
    ],
)
def test_a_marker_of_no_such_name(run, name, said):
    result = run(f"pytestmark = mark.{name}\n{NO_SUCH}")
    result.assert_outcomes(errors=3)
    assert told(result) == {"test_without": [said], "test_with": [said], "test_skipped": [said]}


def test_a_marker_of_no_such_name_on_a_class_or_a_function(run):
    """It is told before what follows from it."""
    result = run(
        """
@mark.fakehv_nod("node3")
@mark.fakehv_instance("web1", node="node3")
def test_function(fakehv): pass

@mark.fakehv_nod
class TestIt:
    def test_class(self): pass
""",
        "-n",
        "2",
    )
    result.assert_outcomes(errors=2)
    said = ["there is no marker fakehv_nod; nearest: fakehv_node"]
    assert told(result) == {"test_function": said, "test_class": said}


def test_a_marker_that_somebody_has_registered_is_theirs(run, pytester):
    pytester.makeini("[pytest]\nmarkers =\n    fakehv_slow(reason): takes long\n    fakehv_quick")
    run("""
@mark.fakehv_slow(reason="many")
@mark.fakehv_quick
def test_it(fakehv): pass
""").assert_outcomes(passed=1)


def test_a_parameter_of_a_fixture(run):
    names = ["fakehv", "fakehv_cluster", "fakehv_ganeti", "fakehv_factory", "fakehv_class"]
    result = run(
        "".join(
            f"""
@mark.parametrize("{name}", [1], indirect=True)
def test_{name}({name}): pass

@mark.parametrize("{name}", [1])
def test_direct_{name}({name}):
    assert {name} == 1
"""
            for name in names
        )
    )
    result.assert_outcomes(passed=5, errors=5)
    cure = "give each case its markers: pytest.param(..., marks=pytest.mark.fakehv_node(...))"
    assert told(result) == {f"test_{name}[1]": [f"{name} takes no parameter; {cure}"] for name in names}


def test_a_parameter_of_a_fixture_of_the_whole_session_fails_no_other_test(run):
    result = run("""
@mark.parametrize("fakehv_topology", [1, 2], indirect=True)
def test_first(fakehv): pass

@mark.parametrize("fakehv_topology", [1], indirect=True)
def test_second(fakehv_topology): pass

def test_other(fakehv_topology): pass
""")
    result.assert_outcomes(passed=1, errors=3)
    cure = "give each case its markers: pytest.param(..., marks=pytest.mark.fakehv_node(...))"
    tests = ["test_first[1]", "test_first[2]", "test_second[1]"]
    assert told(result) == {name: [f"fakehv_topology takes no parameter; {cure}"] for name in tests}


def test_a_parameter_of_a_fixture_that_overrides_ours(run):
    run("""
@pytest.fixture
def fakehv_cluster(fakehv_cluster, request):
    fakehv_cluster.add_node(request.param)
    return fakehv_cluster

@mark.parametrize("fakehv_cluster", ["a", "b"], indirect=True)
def test_it(fakehv_cluster, request):
    assert len(fakehv_cluster) == 3

@pytest.fixture(params=["c", "d"])
def fakehv(fakehv_factory, request):
    return request.param

def test_each(fakehv): pass
""").assert_outcomes(passed=4)


TOPOLOGY = """
[[node]]
name = "a"
[[node]]
name = "b"
[[instance]]
name = "web1"
node = "b"
"""


@pytest.mark.parametrize("is_ini", [False, True], ids=["option", "ini"])
def test_a_topology_is_the_factorys_too(run, pytester, is_ini):
    pytester.makefile(".toml", cluster=TOPOLOGY)
    if is_ini:
        pytester.makeini("[pytest]\nfakehv_topology = cluster.toml")
    run(
        """
def test_nothing_given(fakehv_factory):
    assert fakehv_factory().placement() == {"web1": "b"}

def test_instances_given(fakehv_factory):
    assert fakehv_factory(instances=[InstanceSpec("db1", node="a")]).placement() == {"db1": "a"}

def test_nodes_given(fakehv_factory):
    cluster = fakehv_factory(NodeSpec("c"))
    assert [node.name for node in cluster] == ["c"]
    assert cluster.placement() == {}

def test_beside_the_tests_own(fakehv_factory, fakehv_cluster):
    assert fakehv_factory().placement() == fakehv_cluster.placement()

def test_by_hand():
    with FakeCluster.temporary() as cluster:
        assert [node.name for node in cluster] == ["node1", "node2"]
""",
        *([] if is_ini else ["--fakehv-topology=cluster.toml"]),
    ).assert_outcomes(passed=5)


def test_a_class_of_nodes_that_can_not_be_one(run):
    result = run("""
from pytest_fakehv import FakeHypervisor

class TestInstance:
    @pytest.fixture
    def fakehv_class(self):
        return FakeHypervisor.in_memory()

    def test_instance(self, fakehv): pass

class TestOther:
    @pytest.fixture
    def fakehv_class(self):
        return dict

    def test_other(self, fakehv_cluster): pass

class TestNone:
    @pytest.fixture
    def fakehv_class(self):
        pass

    def test_none(self, fakehv): pass
""")
    result.assert_outcomes(errors=3)
    needed = "the fixture fakehv_class must return pytest_fakehv.FakeHypervisor or a subclass of it, not"
    assert told(result) == {
        "test_instance": [f"{needed} <FakeHypervisor localhost>"],
        "test_other": [f"{needed} <class 'dict'>"],
        "test_none": [f"{needed} None"],
    }


def test_a_fault_of_libvirts_is_for_its_fixture(run):
    source = "@mark.fakehv_fault('virDomainCreate', code=42)\ndef test_it(): pass\n"
    assert told(run(source)) == {
        "test_it": [
            (
                "fakehv_fault('virDomainCreate') acts on nothing: it is for the cluster of fakehv_libvirt; "
                "request that"
            )
        ]
    }
