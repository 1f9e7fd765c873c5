"""The markers: what they declare, which one counts, and what is said of a wrong one."""

import pytest

PRELUDE = """
import pytest
from pytest import mark

class Bad:
    def __repr__(self):
        raise ValueError

"""


def run(pytester, source, *args):
    pytester.makepyfile(PRELUDE + source)
    return pytester.runpytest_subprocess(*args) if args else pytester.runpytest()


NODE = (
    "name, memory, cpus, reserved_memory, overcommit, max_migrations, address, version, cpu_nodes, "
    "cpu_sockets, tags"
)
INSTANCE = "name, node, memory, min_memory, vcpus, state, hvparams, tags, xml"
FAKEHV = "backend, strict, allow, forbid, clock, seed, topology, max_calls, max_time, routes"
CLOCKS = "'polls', 'manual', 'real', or a function that returns seconds"
MIGRATION = "instance, outcome, at, polls, bandwidth, dirty_rate, max_downtime, postcopy, times"
POSITIVE = "must be a positive integer, not"
IN_MIB = "must be a positive integer, of MiB, or a text like '512M', '24G' or '1.5 TiB', not"

WRONG = [
    ("fakehv_node('n', mem=5)", f"fakehv_node('n'): unknown argument 'mem'; valid: {NODE}"),
    ("fakehv_node()", f"fakehv_node(): missing argument 'name'; valid: {NODE}"),
    ("fakehv_node(memory=5)", f"fakehv_node(): missing argument 'name'; valid: {NODE}"),
    ("fakehv_node('n', name='n')", f"fakehv_node('n'): argument 'name' is given twice; valid: {NODE}"),
    ("fakehv_node('n', 5)", f"fakehv_node('n', 5): argument 5 needs a name; valid: {NODE}"),
    ("fakehv_node(5)", "fakehv_node(5): name is invalid: 5: it is of type int, not a text"),
    ("fakehv_node('a/b')", "fakehv_node('a/b'): name is invalid: 'a/b': it contains '/'"),
    ("fakehv_node('n', memory=0)", f"fakehv_node('n'): memory {IN_MIB} 0"),
    ("fakehv_node(name='n', memory=0)", f"fakehv_node('n'): memory {IN_MIB} 0"),
    (
        "fakehv_node('a\\x1b[1m')",
        "fakehv_node('a\\x1b[1m'): name is invalid: 'a\\x1b[1m': it can't be printed",
    ),
    ("fakehv_node('n', memory=-5)", f"fakehv_node('n'): memory {IN_MIB} -5"),
    ("fakehv_node('n', memory=True)", f"fakehv_node('n'): memory {IN_MIB} True"),
    ("fakehv_node('n', memory=1.5)", f"fakehv_node('n'): memory {IN_MIB} 1.5"),
    ("fakehv_node('n', memory='5')", f"fakehv_node('n'): memory {IN_MIB} '5'"),
    ("fakehv_node('n', cpus=0)", f"fakehv_node('n'): cpus {POSITIVE} 0"),
    (
        "fakehv_node('n', overcommit='no')",
        "fakehv_node('n'): overcommit must be one of True, False, not 'no'",
    ),
    (
        "fakehv_node('n', max_migrations=-1)",
        "fakehv_node('n'): max_migrations must be an integer that is not negative, not -1",
    ),
    ("fakehv_apart()", "fakehv_apart(): at least two instances are kept apart, not 0"),
    ("fakehv_apart('web1')", "fakehv_apart('web1'): at least two instances are kept apart, not 1"),
    (
        "fakehv_apart('web1', 'db1', 'web1')",
        "fakehv_apart('web1', 'db1', 'web1'): 'web1' is given twice",
    ),
    (
        "fakehv_apart(['web1', 'web2'])",
        (
            "fakehv_apart(['web1', 'web2']): an instance is given by its name, or as itself, "
            "not as ['web1', 'web2']"
        ),
    ),
    (
        "fakehv_apart('web1', 'a/b')",
        "fakehv_apart('web1', 'a/b'): instance is invalid: 'a/b': it contains '/'",
    ),
    (
        "fakehv_apart('web1', 'web2', node='node1')",
        "fakehv_apart('web1', 'web2'): unknown argument 'node'; valid: *instances",
    ),
    (
        "fakehv_apart(instances=['web1', 'web2'])",
        "fakehv_apart(): unknown argument 'instances'; valid: *instances",
    ),
    ("fakehv_at_most()", "fakehv_at_most(): missing argument 'migrations'; valid: migrations, node"),
    ("fakehv_at_most(2)", "fakehv_at_most(2): argument 2 needs a name; valid: migrations, node"),
    (
        "fakehv_at_most(migrations='2')",
        "fakehv_at_most(): migrations must be an integer that is not negative, not '2'",
    ),
    (
        "fakehv_at_most(migrations=2, node='node9')",
        "fakehv_at_most: no node is named 'node9'; there are: node1, node2",
    ),
    (
        "fakehv_at_most(migrations=2, node=5)",
        "fakehv_at_most: a node is given by its name or address, or as itself, not as 5",
    ),
    (
        "fakehv_at_most(migrations=2)\n@mark.fakehv_at_most(migrations=3)",
        "fakehv_at_most(): there are two for each node",
    ),
    (
        "fakehv_at_most(migrations=2, node='node1')\n@mark.fakehv_at_most(migrations=3, node='node1')",
        "fakehv_at_most(): there are two for node 'node1'",
    ),
    (
        "fakehv_node('n', memory=5)\n@mark.fakehv_node('n', memory=6)",
        "fakehv_node('n'): there are two of this name",
    ),
    (
        "fakehv_node('a', address='x')\n@mark.fakehv_node('b', address='x')",
        "fakehv_node: 'b' has the address of 'a': 'x'",
    ),
    ("fakehv_instance('i', mem=5)", f"fakehv_instance('i'): unknown argument 'mem'; valid: {INSTANCE}"),
    ("fakehv_instance()", f"fakehv_instance(): missing argument 'name'; valid: {INSTANCE}"),
    (
        "fakehv_instance('i', name='i')",
        f"fakehv_instance('i'): argument 'name' is given twice; valid: {INSTANCE}",
    ),
    ("fakehv_instance('')", "fakehv_instance(''): name is invalid: '': it is empty"),
    ("fakehv_instance('i', memory=0)", f"fakehv_instance('i'): memory {IN_MIB} 0"),
    ("fakehv_instance('i', memory='1')", f"fakehv_instance('i'): memory {IN_MIB} '1'"),
    ("fakehv_instance('i', vcpus=-1)", f"fakehv_instance('i'): vcpus {POSITIVE} -1"),
    ("fakehv_instance('i', vcpus=True)", f"fakehv_instance('i'): vcpus {POSITIVE} True"),
    ("fakehv_instance('i', vcpus=1.0)", f"fakehv_instance('i'): vcpus {POSITIVE} 1.0"),
    (
        "fakehv_instance('i', state='off')",
        "fakehv_instance('i'): state must be one of 'running', 'paused', 'stopped', not 'off'",
    ),
    (
        "fakehv_instance('i', node='n9')",
        "fakehv_instance('i'): 'i' is on an unknown node 'n9'; there are: node1, node2",
    ),
    (
        "fakehv_instance('i', memory=5)\n@mark.fakehv_instance('i', memory=5)",
        "fakehv_instance('i'): there are two of this name",
    ),
    (
        "fakehv_node('n', memory=5, overcommit=False)\n@mark.fakehv_instance('i', memory=6)",
        (
            "fakehv_instance('i'): Failed to place i on n: "
            "n does not overcommit: 6 MiB are needed, 5 MiB are free"
        ),
    ),
    ("fakehv('pyfakefs')", f"fakehv('pyfakefs'): argument 'pyfakefs' needs a name; valid: {FAKEHV}"),
    ("fakehv(backnd='x')", f"fakehv(): unknown argument 'backnd'; valid: {FAKEHV}"),
    ("fakehv(backend='x')", "fakehv(): backend must be one of 'tmp_path', 'pyfakefs', 'memory', not 'x'"),
    ("fakehv(backend=5)", "fakehv(): backend must be one of 'tmp_path', 'pyfakefs', 'memory', not 5"),
    ("fakehv_node('n', memory=Bad())", f"fakehv_node('n'): memory {IN_MIB} <Bad that can't be shown>"),
    ("fakehv(backend=['x'])", "fakehv(): backend must be one of 'tmp_path', 'pyfakefs', 'memory', not ['x']"),
    (
        "fakehv(clock='x')",
        f"fakehv(): clock must be one of {CLOCKS}, not 'x'",
    ),
    (
        "fakehv(clock=1)",
        f"fakehv(): clock must be one of {CLOCKS}, not 1",
    ),
    (
        "fakehv(clock=lambda: 'noon')",
        "fakehv(): clock must be a function that returns seconds, not 'noon'",
    ),
    (
        "fakehv(clock='manual')\n@mark.fakehv(clock='polls', strict=False)",
        "fakehv(): clock is given twice, by two markers in one place",
    ),
    ("fakehv(topology=1)", "fakehv(): topology must be the path of a file, not 1"),
    ("fakehv(topology='')", "fakehv(): topology must be the path of a file, not ''"),
    ("fakehv_migration()", f"fakehv_migration(): missing argument 'instance'; valid: {MIGRATION}"),
    (
        "fakehv_migration('web1', out='failed')",
        f"fakehv_migration('web1'): unknown argument 'out'; valid: {MIGRATION}",
    ),
    (
        "fakehv_migration('web1', outcome='lost')",
        (
            "fakehv_migration('web1'): outcome must be one of 'completed', 'failed', 'cancelled', "
            "'failed_but_moved', 'completed_but_lost', not 'lost'"
        ),
    ),
    (
        "fakehv_migration('web1', at=1.5)",
        "fakehv_migration('web1'): at must be a number from 0 to 1, not 1.5",
    ),
    (
        "fakehv_migration('web1', at=0.5, polls=3)",
        "fakehv_migration('web1'): at and polls both say when it ends; give one of them",
    ),
    (
        "fakehv_migration('web1', bandwidth=-1)",
        "fakehv_migration('web1'): bandwidth must be a positive number, not -1",
    ),
    (
        "fakehv_migration('web1', dirty_rate=-0.5)",
        "fakehv_migration('web1'): dirty_rate must be a number that is not negative, not -0.5",
    ),
    (
        "fakehv_instance('web1')\n@mark.fakehv_migration('web9')",
        "fakehv_migration('web9'): no instance is named 'web9'; there are: web1",
    ),
    ("fakehv_migration('web9')", "fakehv_migration('web9'): no instance is named 'web9'; none is declared"),
    (
        (
            "fakehv_instance('web1', hvparams={'migration_mode': 'non-live'})\n"
            "@mark.fakehv_migration('web1', postcopy=2)"
        ),
        "fakehv_migration('web1'): postcopy needs a live migration, but web1 has migration_mode='non-live'",
    ),
    (
        "fakehv_migration('web1')\n@mark.fakehv_migration('web1', times=1)",
        "fakehv_migration('web1'): there are two of this name; all but the last need times=",
    ),
]


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_wrong_marker_fails_its_test_alone_with_one_line(pytester, args):
    tests = "".join(
        f"@mark.{marker}\ndef test_{number}(fakehv): pass\n\n" for number, (marker, _) in enumerate(WRONG)
    )
    result = run(pytester, f"{tests}\ndef test_good(fakehv): pass\n", *args)
    result.assert_outcomes(passed=1, errors=len(WRONG))
    lines = result.stdout.lines
    said = {}
    for number, line in enumerate(lines):
        if "ERROR at setup of" in line:
            name = line.strip("_ ").split()[-1]
            body = lines[number + 1 :]
            end = next(i for i, each in enumerate(body) if each.startswith(("___", "===")))
            said[name] = [each for each in body[:end] if each and not each.startswith("[gw")]
    assert said == {f"test_{number}": [text] for number, (_, text) in enumerate(WRONG)}


def test_the_first_node_in_reading_order_is_the_hypervisor(pytester):
    run(
        pytester,
        """
pytestmark = [mark.fakehv_node("a", memory=1), mark.fakehv_node("b", memory=2)]

def test_module(fakehv, fakehv_cluster):
    assert fakehv.name == "a"
    assert [node.name for node in fakehv_cluster] == ["a", "b"]

@mark.fakehv_node("d")
@mark.fakehv_node("c")
class TestClass:
    @mark.fakehv_node("f")
    @mark.fakehv_node("e")
    def test_function(self, fakehv_cluster):
        assert [node.name for node in fakehv_cluster] == ["a", "b", "d", "c", "f", "e"]
""",
    ).assert_outcomes(passed=2)


def test_the_closest_wins_by_name(pytester):
    run(
        pytester,
        """
pytestmark = [
    mark.fakehv(backend="tmp_path"),
    mark.fakehv_node("a", memory=1, cpus=5),
    mark.fakehv_instance("web1", memory=1),
]

@mark.fakehv(backend="pyfakefs")
@mark.fakehv_node("a", memory=2)
class TestClass:
    @mark.fakehv_node("a", memory=3)
    @mark.fakehv_instance("web1", memory=2)
    def test_function(self, fakehv):
        assert fakehv.spec.memory == 3
        assert fakehv.spec.cpus == 16
        assert fakehv.instances["web1"].memory == 2
        assert fakehv.root == "/fakehv/a"

    def test_class(self, fakehv):
        assert fakehv.spec.memory == 2
        assert fakehv.instances["web1"].memory == 1
        assert fakehv.root == "/fakehv/a"

    @mark.fakehv()
    @mark.parametrize("memory", [
        pytest.param(7, marks=[mark.fakehv_node("a", memory=7), mark.fakehv_node("b")]),
        pytest.param(8, marks=mark.fakehv_node("a", memory=8)),
        2,
    ])
    def test_parameters(self, fakehv, memory):
        assert fakehv.spec.memory == memory

def test_module(fakehv):
    assert fakehv.spec.memory == 1
    assert fakehv.root != "/fakehv/a"
""",
    ).assert_outcomes(passed=6)


def test_the_settings_come_from_the_closest_place(pytester):
    run(
        pytester,
        """
@mark.fakehv(clock="manual", backend="pyfakefs")
class Base:
    @mark.parametrize("clock", [pytest.param("real", marks=mark.fakehv(clock="real")), "polls"])
    @mark.fakehv(clock="polls")
    def test_it(self, fakehv, clock):
        assert (fakehv.clock.mode, fakehv.root) == (clock, "/fakehv/node1")

@mark.fakehv(clock="real")
class TestDerived(Base):
    def test_own(self, fakehv):
        assert (fakehv.clock.mode, fakehv.root) == ("real", "/fakehv/node1")
""",
    ).assert_outcomes(passed=3)


def test_parameters_override_the_function(pytester):
    run(
        pytester,
        """
@mark.fakehv_node("a", memory=1)
@mark.parametrize("memory", [pytest.param(7, marks=mark.fakehv_node("a", memory=7)), 1])
def test_parameters(fakehv, memory):
    assert fakehv.spec.memory == memory
""",
    ).assert_outcomes(passed=2)


def test_a_class_overrides_its_base_class(pytester):
    run(
        pytester,
        """
class Base:
    pytestmark = mark.fakehv_node("a", memory=1)

@mark.fakehv_node("c")
@mark.fakehv_node("b")
@mark.fakehv_node("a", memory=2)
class TestDerived(Base):
    def test_it(self, fakehv_cluster):
        assert [node.name for node in fakehv_cluster] == ["a", "c", "b"]
        assert fakehv_cluster["a"].spec.memory == 2
""",
    ).assert_outcomes(passed=1)


def test_a_parameter_may_repeat_its_function(pytester):
    run(
        pytester,
        """
@mark.fakehv_node("a", memory=1)
@mark.parametrize("memory", [pytest.param(1, marks=mark.fakehv_node("a", memory=1))])
def test_parameters(fakehv, memory):
    assert fakehv.spec.memory == memory
""",
    ).assert_outcomes(passed=1)


def test_instances(pytester):
    run(
        pytester,
        """
@mark.fakehv_node("node1", memory=8192, cpus=4, reserved_memory=192)
@mark.fakehv_node("node2")
@mark.fakehv_instance("web1", memory=1000, vcpus=2)
@mark.fakehv_instance("web2", node="node2", state="paused", min_memory=5)
@mark.fakehv_instance("web3", state="stopped")
def test_instances(fakehv, fakehv_cluster):
    assert fakehv.instances == {"web1": ("web1", "0", 1000, 2, 0, 0)}
    assert fakehv.GetNodeInfo()["memory_free"] == 7000
    fakehv_cluster["node2"].assert_paused("web2", memory=1024)
    fakehv_cluster.assert_stopped("web3")
    fakehv.StopInstance(fakehv.instance("web1"))
    fakehv.StartInstance(fakehv.instance("web3"), [], False)
    fakehv.assert_running("web3", memory=1024)
    assert fakehv.instance("web2").beparams["minmem"] == 5
""",
    ).assert_outcomes(passed=1)


def test_migrations(pytester):
    """The closest place counts for each instance, as a whole; there, scripts with times come in turn."""
    run(
        pytester,
        """
pytestmark = [
    mark.fakehv_instance("web1", memory=4096),
    mark.fakehv_instance("web2", memory=4096),
    mark.fakehv_migration("web1", outcome="cancelled", polls=7),
    mark.fakehv_migration("web2", outcome="cancelled", at=0.25),
]

@mark.fakehv_migration("web1", outcome="failed", times=2)
@mark.fakehv_migration("web1", bandwidth=2048)
def test_it(fakehv_cluster):
    ends = [fakehv_cluster.migrate("web1", to="node2") for _ in range(3)]
    assert [(end.outcome, end.polls) for end in ends] == [("failed", 2), ("failed", 2), ("completed", 2)]
    end = fakehv_cluster.migrate("web2", to="node2")
    assert (end.outcome, end.polls) == ("cancelled", 1)
""",
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("clock", "polls", "time"), [("polls", 4, 4.0), ("manual", 5, 4.0)], ids=["polls", "manual"]
)
def test_the_clock(pytester, clock, polls, time):
    run(
        pytester,
        f"""
@mark.fakehv(clock="{clock}")
@mark.fakehv_instance("web1", memory=4096)
@mark.fakehv_migration("web1")
def test_it(fakehv_cluster):
    assert fakehv_cluster.clock.mode == "{clock}"
    end = fakehv_cluster.migrate("web1", to="node2")
    assert (end.polls, end.duration, fakehv_cluster.clock.now) == ({polls}, {time}, {time})
""",
    ).assert_outcomes(passed=1)


def test_a_real_clock(pytester):
    run(
        pytester,
        """
from pytest_fakehv.machine import Time

@mark.fakehv(clock="real")
@mark.fakehv_instance("web1", memory=4096)
@mark.fakehv_migration("web1")
def test_it(fakehv_cluster, monkeypatch):
    began = Time.monotonic()
    passed = [0]
    monkeypatch.setattr(Time, "monotonic", lambda: began + passed[0])
    monkeypatch.setattr(Time, "sleep", lambda seconds: passed.__setitem__(0, passed[0] + seconds))
    end = fakehv_cluster.migrate("web1", to="node2")
    assert (end.outcome, end.polls, passed) == ("completed", 5, [4])
""",
    ).assert_outcomes(passed=1)
