"""The fixtures, on real files and on fake ones, in every order."""

import os

import pytest

STARTS = """
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    fakehv.assert_running("web1")
"""


def run(pytester, source, *args, **outcomes):
    pytester.makepyfile("import os\nimport pytest\nfrom pathlib import Path\n" + source)
    pytester.runpytest_subprocess("-p", "no:randomly", *args).assert_outcomes(**outcomes or {"passed": 1})


def test_they_are_one_cluster(pytester):
    run(
        pytester,
        """
def test_it(fakehv, fakehv_cluster):
    assert fakehv is fakehv_cluster["node1"]
    assert fakehv.journal is fakehv_cluster.journal
""",
    )


def test_every_test_has_its_own(pytester):
    run(
        pytester,
        """
@pytest.mark.parametrize("number", range(3))
def test_it(fakehv, number):
    assert fakehv.ListInstances() == []
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    assert len(fakehv.journal) == 2
""",
        passed=3,
    )


def test_a_root_is_made_when_it_is_needed(pytester):
    run(
        pytester,
        """
def test_it(fakehv, fakehv_cluster, tmp_path):
    base = tmp_path.parent / "fakehv"
    assert not base.exists()
    assert fakehv.ListInstances() == []
    assert [path.name for path in Path(fakehv.root).parent.iterdir() if path.is_dir()] == ["node1"]
    assert base.exists()
""",
    )


ORDERS = ["fs, fakehv", "fakehv, fs", "tmp_path, fakehv, fs", "fakehv, tmp_path, fs", "fs, fakehv_cluster"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("args", [(), ("--fakehv-backend=pyfakefs",), ("--fakehv-root=out",)])
def test_the_tests_own_fake_filesystem_has_the_root(pytester, order, args):
    run(
        pytester,
        f"""
def test_it({order}):
    if "fakehv_cluster" in locals():
        fakehv = fakehv_cluster["node1"]
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    fakehv.BalloonInstanceMemory(fakehv.instance("web1"), 5)
    assert fs.exists("/fakehv/node1/web1")
    assert Path(fakehv.root, "web1").read_text() == "0\\n5\\n1\\n"
    assert fakehv.GetNodeInfo()["memory_free"] == 65531
    fs.create_file("/fakehv/node1/web2", contents="0\\n7\\n1\\n")
    assert fakehv.instances["web2"].memory == 7
    os.unlink("/fakehv/node1/web1")
    fakehv.assert_stopped("web1")

def test_next(fakehv):
    {STARTS.strip().splitlines()[0]}
    assert Path(fakehv.root, "web1").exists() or fakehv.root == "/fakehv/node1"
""",
        *args,
        passed=2,
    )


@pytest.mark.parametrize("how", ["fs_module", "fixture", "declared"])
def test_a_fake_filesystem_that_comes_by_another_way(pytester, how):
    source = {
        # of wider scope
        "fs_module": "def test_it(fs_module, fakehv): check(fs_module, fakehv)",
        # asked for by a fixture that uses the hypervisor before the test's own comes up
        "fixture": """
@pytest.fixture
def prepared(fakehv):
    fakehv.StartInstance(fakehv.instance("web0"), [], False)

def test_it(prepared, fs, fakehv):
    fakehv.assert_running("web0")
    check(fs, fakehv)
""",
        # markers start instances at set-up
        "declared": """
@pytest.mark.fakehv_instance("web0")
def test_it(fakehv, fs):
    fakehv.assert_running("web0")
    check(fs, fakehv)
""",
    }[how]
    run(
        pytester,
        f"""
def check(fs, fakehv):
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    assert fs.exists("/fakehv/node1/web1")

{source}
""",
    )


def test_declared_instances_bring_up_the_fake_filesystem_after_the_temporary_directory(pytester):
    run(
        pytester,
        """
@pytest.mark.fakehv_instance("web0")
def test_it(fakehv, tmp_path, fs):
    assert fs.exists("/fakehv/node1/web0")
""",
    )


def test_asked_for_in_the_middle_of_a_test_with_a_fake_filesystem(pytester):
    """The engine is then imported late, and must survive the fake filesystem's end."""
    run(
        pytester,
        """
def test_first(fs, request):
    fakehv = request.getfixturevalue("fakehv")
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    assert fs.exists("/fakehv/node1/web1")

def test_second(request):
    from pytest_fakehv import HypervisorError
    fakehv = request.getfixturevalue("fakehv")
    with pytest.raises(HypervisorError):
        fakehv.StopInstance(fakehv.instance("web1"))
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    assert Path(fakehv.root, "web1").exists()
""",
        passed=2,
    )


def test_a_private_fake_filesystem_leaves_the_real_one_alone(pytester):
    run(
        pytester,
        """
@pytest.mark.fakehv(backend="pyfakefs")
def test_it(fakehv, tmp_path):
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    fakehv.BalloonInstanceMemory(fakehv.instance("web1"), 5)
    assert fakehv.root == "/fakehv/node1"
    assert not Path("/fakehv").exists()
    assert type(os).__name__ == "module"
    (tmp_path / "real").write_text("x")
    assert fakehv.instances == {"web1": ("web1", "0", 5, 1, 0, 0)}
""",
    )


def test_a_fixture_named_fs_that_is_something_else(pytester):
    run(
        pytester,
        """
@pytest.fixture
def fs():
    return "my own"

def test_it(fakehv, fs):
    fakehv.StartInstance(fakehv.instance("web1"), [], False)
    assert Path(fakehv.root, "web1").exists()
""",
    )


class TestClass:
    OWN = """
from pytest_fakehv import FakeHypervisor

class Own(FakeHypervisor):
    pass

@pytest.fixture
def fakehv_class():
    return Own
"""

    def test_overriding_it_decides_the_class_of_the_nodes(self, pytester):
        run(
            pytester,
            f"""
{self.OWN}

@pytest.mark.fakehv_node("a", memory=5)
@pytest.mark.fakehv_node("b")
def test_it(fakehv, fakehv_cluster):
    assert {{type(node) for node in fakehv_cluster}} == {{Own}}
    assert type(fakehv) is Own
    assert fakehv.spec.memory == 5
""",
        )


class TestFactory:
    def test_builds_clusters_for_wider_scopes(self, pytester):
        run(
            pytester,
            """
from pytest_fakehv import InstanceSpec, NodeSpec

@pytest.fixture(scope="module")
def cluster(fakehv_factory):
    return fakehv_factory(NodeSpec("a", memory=100), instances=[InstanceSpec("web1", memory=5)])

def test_first(cluster):
    cluster.assert_running("web1")
    cluster["a"].StopInstance(cluster["a"].instance("web1"))

def test_second(cluster):
    cluster.assert_stopped("web1")
""",
            passed=2,
        )

    @pytest.mark.parametrize(
        "args", [(), ("--fakehv-backend=pyfakefs",), ("--fakehv-backend=memory",), ("--fakehv-root=out",)]
    )
    def test_clusters_share_nothing(self, pytester, args):
        run(
            pytester,
            """
def test_it(fakehv_factory, fakehv):
    clusters = [fakehv_factory() for _ in range(3)]
    for cluster in clusters:
        assert [node.name for node in cluster] == ["node1", "node2"]
        cluster.add_instance("web1")
        assert len(cluster["node1"].ListInstances()) == 1
    assert fakehv.ListInstances() == []
""",
            *args,
        )

    def test_in_a_fake_filesystem(self, pytester):
        run(
            pytester,
            """
def test_it(fs, fakehv_factory, fakehv):
    roots = [node.root for node in (fakehv, *(fakehv_factory()["node1"] for _ in range(2)))]
    assert roots == ["/fakehv/node1", "/fakehv~2/node1", "/fakehv~3/node1"]
""",
        )

    def test_a_class_of_the_users_own(self, pytester):
        run(
            pytester,
            """
from pytest_fakehv import FakeHypervisor

class Own(FakeHypervisor):
    pass

def test_it(fakehv_factory):
    assert {type(node) for node in fakehv_factory(hypervisor=Own)} == {Own}
""",
        )

    def test_its_markers_do_not_count(self, pytester):
        run(
            pytester,
            """
pytestmark = pytest.mark.fakehv_node("mine")

def test_it(fakehv_factory):
    assert [node.name for node in fakehv_factory()] == ["node1", "node2"]
""",
        )

    def test_a_property_test_can_build_as_many_as_it_likes(self, pytester):
        run(
            pytester,
            """
from hypothesis import given, strategies

@given(strategies.integers(1, 1000))
def test_it(fakehv_factory, memory):
    hv = fakehv_factory()["node1"]
    hv.add_instance("web1", memory=memory)
    hv.assert_running("web1", memory=memory)
""",
        )


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="nobody says what is open")
def test_no_directory_is_kept_open_after_the_test_that_used_it(pytester):
    pytester.makepyfile(
        """
        import os

        def is_open(path):
            descriptors = os.listdir("/proc/self/fd")
            return path in {os.path.realpath(f"/proc/self/fd/{each}") for each in descriptors}

        ROOTS = []

        def test_uses_it(fakehv):
            fakehv.StartInstance(fakehv.instance("web1"), [], False)
            fakehv.StopInstance(fakehv.instance("web1"))
            ROOTS.append(fakehv.root)
            assert is_open(fakehv.root)

        def test_comes_after():
            assert not is_open(ROOTS[0])
        """
    )
    pytester.runpytest().assert_outcomes(passed=2)
