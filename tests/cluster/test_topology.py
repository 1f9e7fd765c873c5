"""Topology files: what they declare, where they may stand, and what is said of a bad one."""

import os

import pytest

from pytest_fakehv import DeclarationError, FakeCluster, InstanceSpec, NodeSpec, read_topology

NODE_KEYS = (
    "name, memory, cpus, reserved_memory, overcommit, max_migrations, address, version, cpu_nodes, "
    "cpu_sockets, tags, count"
)
INSTANCE_KEYS = "name, node, memory, min_memory, vcpus, state, hvparams, tags, xml, count"

FILE = """
[[node]]
name = "big{n}"
count = 2
memory = 131072
address = "192.0.2.{n}"

[[node]]
name = "small"
overcommit = false
max_migrations = 2

[[instance]]
name = "web{n:03}"
count = 5
node = "big*"
memory = 512
hvparams = { migration_mode = "live" }

[[instance]]
name = "db"
node = "small"
state = "paused"
"""


@pytest.fixture
def read(tmp_path):
    """Read a file with a content."""

    def read(content: str | bytes):
        path = tmp_path / "t.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_topology(path)

    return read


def test_nodes_and_instances(read):
    topology = read(FILE)
    assert topology.nodes == (
        NodeSpec("big1", memory=131072, address="192.0.2.1"),
        NodeSpec("big2", memory=131072, address="192.0.2.2"),
        NodeSpec("small", overcommit=False, max_migrations=2),
    )
    live = {"migration_mode": "live"}
    assert topology.instances == (
        *(
            InstanceSpec(f"web00{n}", node=node, memory=512, hvparams=live)
            for n, node in enumerate(("big1", "big2", "big1", "big2", "big1"), start=1)
        ),
        InstanceSpec("db", node="small", state="paused"),
    )


def test_an_empty_file(read):
    assert read("") == read("# nothing")
    assert read("").nodes == read("").instances == ()


def test_a_count_of_one_needs_no_number(read):
    assert read("[[node]]\nname='a'\ncount=1").nodes == (NodeSpec("a"),)


def test_an_instance_with_the_number_of_its_node(read):
    topology = read(
        "[[node]]\nname='n{n:02}'\ncount=12\n[[instance]]\nname='vm{n}'\ncount=12\nnode='n{n:02}'\n"
    )
    assert [each.node for each in topology.instances] == [f"n{n:02}" for n in range(1, 13)]


def test_instances_alone_go_to_the_default_nodes(read):
    topology = read("[[instance]]\nname='vm1'\nnode='node2'")
    with FakeCluster.temporary(*topology.nodes, instances=topology.instances) as cluster:
        assert cluster.placement() == {"vm1": "node2"}


def test_a_cluster_for_a_script(read):
    topology = read(FILE)
    with FakeCluster.temporary(*topology.nodes, instances=topology.instances) as cluster:
        assert cluster.placement() == {
            "db": "small",
            "web001": "big1",
            "web002": "big2",
            "web003": "big1",
            "web004": "big2",
            "web005": "big1",
        }


BAD = [
    ("[[nodes]]\nname='a'", "unknown key 'nodes'; valid: [[node]], [[instance]]"),
    ("[node]\nname='a'", "node must be tables, each under a line [[node]]"),
    ("node = 5", "node must be tables, each under a line [[node]]"),
    ("instance = ['a']", "instance must be tables, each under a line [[instance]]"),
    ("[[node]]\nname='a'\nmem=5", f"[[node]] number 1: unknown key 'mem'; valid: {NODE_KEYS}"),
    ("[[node]]\nmemory=5", f"[[node]] number 1: missing key 'name'; valid: {NODE_KEYS}"),
    (
        "[[node]]\nname='a'\n[[node]]\nname='b'\nmemory=0",
        (
            "[[node]] number 2: memory must be a positive integer, of MiB, or a text like '512M', '24G' or "
            "'1.5 TiB', not 0"
        ),
    ),
    ("[[node]]\nname='a'\n[[node]]\nname='a'", "[[node]]: there are two named 'a'"),
    (
        "[[node]]\nname='a'\n[[node]]\nname='b'\naddress='a'",
        "[[node]]: there are two with the address 'a'",
    ),
    ("[[node]]\nname=5", "[[node]] number 1: name is invalid: 5: it is of type int, not a text"),
    ("[[node]]\nname='a'\ncount=2", "[[node]] number 1: name 'a' needs a {n}, as count is 2"),
    ("[[node]]\nname='a{n}'", "[[node]] number 1: name 'a{n}' has a number, which needs a count"),
    (
        "[[node]]\nname='a{n}'\ncount=4000000000",
        "[[node]] number 1: count must be at most 1000000, not 4000000000",
    ),
    ("[[node]]\nname='a'\ncount=1000000", "[[node]] number 1: name 'a' needs a {n}, as count is 1000000"),
    ("a = " + "[" * 50_000, "it is nested too deep"),
    ("[[node]]\nname='a{n}'\ncount=0", "[[node]] number 1: count must be a positive integer, not 0"),
    ("[[node]]\nname='a{n}'\ncount='x'", "[[node]] number 1: count must be a positive integer, not 'x'"),
    ("[[instance]]\nname='i'\nvcpu=2", f"[[instance]] number 1: unknown key 'vcpu'; valid: {INSTANCE_KEYS}"),
    (
        "[[instance]]\nname='i'\nstate='off'",
        "[[instance]] number 1: state must be one of 'running', 'paused', 'stopped', not 'off'",
    ),
    ("[[instance]]\nname='i'\n[[instance]]\nname='i'", "[[instance]]: there are two named 'i'"),
    (
        "[[node]]\nname='a'\n[[instance]]\nname='i'\nnode='b'",
        "[[instance]] 'i': no node matches 'b'; there are: a",
    ),
    (
        "[[node]]\nname='a'\n[[instance]]\nname='i'\nnode='b*'",
        "[[instance]] 'i': no node matches 'b*'; there are: a",
    ),
    ("[[instance]]\nname='i'\nnode='*'", "[[instance]] 'i': no node matches '*'; there are none"),
    ("[[instance]]\nname='i'\nnode=5", "[[instance]] number 1: node must be the name of a node, not 5"),
]


@pytest.mark.parametrize(("content", "problem"), BAD)
def test_a_bad_file(read, tmp_path, content, problem):
    with pytest.raises(DeclarationError) as caught:
        read(content)
    assert str(caught.value) == f"{tmp_path / 't.toml'}: {problem}"


@pytest.mark.parametrize(
    ("content", "start"),
    [
        ("[[node]]\nname=", "Invalid value (at "),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0"),
    ],
)
def test_what_is_no_toml_is_said_with_its_line(read, tmp_path, content, start):
    """The words are Python's, and differ between versions."""
    with pytest.raises(DeclarationError) as caught:
        read(content)
    assert str(caught.value).startswith(f"{tmp_path / 't.toml'}: {start}")


def test_a_file_that_can_not_be_read(tmp_path):
    for path, why in (
        (tmp_path / "none.toml", "No such file or directory"),
        (tmp_path, "it is a folder, not a file"),
    ):
        with pytest.raises(DeclarationError) as caught:
            read_topology(path)
        assert str(caught.value) == f"{path}: {why}"


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, why in (
        (tmp_path / "pipe", "it is a FIFO, not a file"),
        ("/dev/zero", "it is a character device, not a file"),
    ):
        with pytest.raises(DeclarationError) as caught:
            read_topology(path)
        assert str(caught.value) == f"{path}: {why}"
    for path in (5, "", "a\0b", None):
        with pytest.raises(DeclarationError) as caught:
            read_topology(path)
        assert str(caught.value) == f"a topology must be the path of a file, not {path!r}"


def test_a_very_large_file(tmp_path):
    with open(tmp_path / "t.toml", "wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(DeclarationError) as caught:
        read_topology(tmp_path / "t.toml")
    assert str(caught.value) == f"{tmp_path / 't.toml'}: it has 67108865 bytes, the most is 67108864"


TESTS = """
    import pytest

    def test_it(fakehv_cluster):
        assert [node.name for node in fakehv_cluster] == ["big1", "big2", "small"]
        assert len(fakehv_cluster.placement()) == 6

    def test_again(fakehv, fs):
        assert fakehv.name == "big1"
        assert len(fakehv.instances) == 3

    @pytest.mark.fakehv_node("big1", memory=64)
    @pytest.mark.fakehv_node("more")
    @pytest.mark.fakehv_instance("web001", node="more", memory=64)
    @pytest.mark.fakehv_instance("web9", node="small")
    def test_markers_add_and_override(fakehv_cluster):
        assert [node.name for node in fakehv_cluster] == ["big1", "big2", "small", "more"]
        assert fakehv_cluster["big1"].spec.memory == 64
        fakehv_cluster.assert_placement({"web001": "more", "web002": "big2", "web9": "small"}, partial=True)
        fakehv_cluster.assert_running("web001", memory=64)
"""


@pytest.mark.parametrize(
    "args", [(), ("-n", "2"), ("--fakehv-backend=pyfakefs",), ("--fakehv-backend=memory",)]
)
def test_by_option(pytester, args):
    pytester.makepyfile(TESTS)
    (pytester.path / "inventory").mkdir()
    (pytester.path / "inventory" / "t.toml").write_text(FILE)
    result = pytester.runpytest_subprocess("--fakehv-topology=inventory/t.toml", *args)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["fakehv: the topology has 3 nodes and 6 instances"])


def test_by_ini_relative_to_the_rootdir(pytester):
    pytester.makeini("[pytest]\nfakehv_topology = t.toml")
    (pytester.path / "t.toml").write_text(FILE)
    (pytester.path / "below").mkdir()
    pytester.makepyfile(**{"below/test_it": TESTS})
    pytester.chdir()
    result = pytester.runpytest_subprocess("below", "--rootdir=.")
    result.assert_outcomes(passed=3)


def test_by_marker_which_counts_more(pytester):
    (pytester.path / "t.toml").write_text(FILE)
    (pytester.path / "other.toml").write_text("[[node]]\nname='other'")
    pytester.makepyfile(
        TESTS.replace(
            "import pytest", "import pytest\n    pytestmark = pytest.mark.fakehv(topology='t.toml')"
        )
    )
    pytester.runpytest_subprocess("--fakehv-topology=other.toml").assert_outcomes(passed=3)


def test_an_empty_option_means_none(pytester):
    pytester.makeini("[pytest]\nfakehv_topology = t.toml")
    pytester.makepyfile("def test_it(fakehv): assert fakehv.name == 'node1'")
    pytester.runpytest_subprocess("--fakehv-topology=").assert_outcomes(passed=1)


@pytest.mark.parametrize("args", [(), ("-n", "2")])
def test_a_bad_one_stops_the_run(pytester, args):
    path = pytester.path / "t.toml"
    path.write_text("[[node]]\nnam='a'")
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("--fakehv-topology=t.toml", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    problem = f"{path}: [[node]] number 1: unknown key 'nam'; valid: {NODE_KEYS}"
    assert f"ERROR: --fakehv-topology: {problem}" in result.stderr.lines
    pytester.makeini("[pytest]\nfakehv_topology = t.toml")
    result = pytester.runpytest_subprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: fakehv_topology: {problem}" in result.stderr.lines


def test_a_bad_one_of_a_marker_fails_its_test(pytester):
    path = pytester.path / "t.toml"
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.fakehv(topology="t.toml")
        def test_it(fakehv): pass

        def test_other(fakehv): pass
        """
    )
    result = pytester.runpytest()
    result.assert_outcomes(passed=1, errors=1)
    assert f"fakehv(): {path}: No such file or directory" in result.stdout.lines


def test_what_does_not_fit_fails_the_test_that_uses_it(pytester):
    (pytester.path / "t.toml").write_text(
        "[[node]]\nname='a'\nmemory=5\novercommit=false\n[[instance]]\nname='i'\nmemory=6"
    )
    pytester.makepyfile("def test_it(fakehv): pass")
    result = pytester.runpytest("--fakehv-topology=t.toml")
    result.assert_outcomes(errors=1)
    assert (
        "topology: [[instance]] 'i': Failed to place i on a: a does not overcommit: 6 MiB are needed, "
        "5 MiB are free"
    ) in result.stdout.lines
