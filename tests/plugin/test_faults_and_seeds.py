"""Faults that markers declare, and where the seed of random ones comes from."""

import pytest
from wrong_faults import WRONG

PRELUDE = """
import pytest
from pytest import mark
from pytest_fakehv import HypervisorError, NodeDownError

class NeedsTwo(Exception):
    def __init__(self, one, two): ...

"""


def run(pytester, source, *args):
    pytester.makepyfile(PRELUDE + source)
    return pytester.runpytest_subprocess("-p", "no:randomly", *args)


def test_markers_declare_faults(pytester):
    run(
        pytester,
        """
pytestmark = mark.fakehv_fault("GetNodeInfo", error="module")

@mark.fakehv_fault("ListInstances", error="class", times=1)
class TestIt:
    @mark.fakehv_fault("ListInstances", error="function", times=1)
    @mark.fakehv_fault("MigrationInfo", node="node2", crash=True)
    def test_it(self, fakehv, fakehv_cluster):
        said = []
        for call in (fakehv.ListInstances, fakehv.ListInstances, fakehv.GetNodeInfo):
            with pytest.raises(HypervisorError) as caught:
                call()
            said.append(str(caught.value))
        assert said == ["class", "function", "module"]
        assert fakehv.ListInstances() == []
        node2 = fakehv_cluster["node2"]
        with pytest.raises(NodeDownError):
            node2.MigrationInfo(node2.instance("web1"))
        places = [fault.origin for fault in fakehv_cluster.faults]
        assert places[:2] == ["its marker in test_markers_declare_faults.py"] * 2
        assert places[2:] == ["test_markers_declare_faults.py:13"] * 2
""",
    ).assert_outcomes(passed=1)


def test_markers_declare_lies_and_deeds(pytester):
    run(
        pytester,
        """
def look(call):
    assert call.method == "GetNodeInfo"
    seen.append(call.node)

seen = []

@mark.fakehv_instance("web1")
@mark.fakehv_fault("StopInstance", effect=False)
@mark.fakehv_fault("ListInstances", result=None)
@mark.fakehv_fault("GetNodeInfo", do=look, crash="node2")
def test_it(fakehv, fakehv_cluster):
    fakehv.StopInstance(fakehv.instance("web1"))
    fakehv.assert_running("web1")
    assert fakehv.ListInstances() is None
    fakehv.GetNodeInfo()
    assert seen == ["node1"]
    assert fakehv_cluster["node2"].is_down
""",
    ).assert_outcomes(passed=1)


def test_a_marker_may_name_nodes_by_their_addresses(pytester):
    run(
        pytester,
        """
@mark.fakehv_node("node1", address="10.0.0.1")
@mark.fakehv_node("node2", address="10.0.0.2")
@mark.fakehv_fault("GetNodeInfo", node="10.0.0.1", crash="10.0.0.2")
def test_it(fakehv_cluster):
    node1, node2 = fakehv_cluster
    node2.GetNodeInfo()
    node1.GetNodeInfo()
    assert node2.is_down
    (fault,) = fakehv_cluster.faults
    assert (fault.spec.node, fault.spec.crash) == ("node1", "node2")
""",
    ).assert_outcomes(passed=1)


FAULT = (
    "method, node, instance, phase, side, pool, volume, network, error, code, result, effect, do, when, "
    "after, times, probability, delay, crash, optional"
)
WRONG_MARKERS = [
    ("fakehv_fault()", f"fakehv_fault(): missing argument 'method'; valid: {FAULT}"),
    ("fakehv_fault('A', 'B')", f"fakehv_fault('A', 'B'): argument 'B' needs a name; valid: {FAULT}"),
    ("fakehv_fault('A', method='B')", f"fakehv_fault('A'): argument 'method' is given twice; valid: {FAULT}"),
    ("fakehv_fault('A', nod=1)", f"fakehv_fault('A'): unknown argument 'nod'; valid: {FAULT}"),
    *(
        (
            f"fakehv_fault({args[0]!r}, {', '.join(f'{key}={value!r}' for key, value in kwargs.items())})",
            f"fakehv_fault({args[0]!r}): {text}",
        )
        for args, kwargs, text in WRONG
        if "nan" not in text and "<class" not in text and not callable(kwargs.get("do"))
    ),
    (
        "fakehv_fault('ListInstances', error=int)",
        (
            "fakehv_fault('ListInstances'): "
            "error must be a text, an exception or a class of exceptions, not <class 'int'>"
        ),
    ),
    (
        "fakehv_fault('ListInstances', error=NeedsTwo)",
        ("fakehv_fault('ListInstances'): error: a NeedsTwo needs arguments; give one that is made already"),
    ),
    ("fakehv(seed=-1)", "fakehv(): seed must be an integer that is not negative, not -1"),
    ("fakehv(seed='7')", "fakehv(): seed must be an integer that is not negative, not '7'"),
    ("fakehv(seed=True)", "fakehv(): seed must be an integer that is not negative, not True"),
]


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_wrong_marker_fails_its_test_alone_with_one_line(pytester, args):
    tests = "".join(
        f"@mark.{marker}\ndef test_{number}(fakehv): pass\n\n"
        for number, (marker, _) in enumerate(WRONG_MARKERS)
    )
    result = run(pytester, f"{tests}\ndef test_good(fakehv): pass\n", *args)
    result.assert_outcomes(passed=1, errors=len(WRONG_MARKERS))
    lines = result.stdout.lines
    said = {}
    for number, line in enumerate(lines):
        if "ERROR at setup of" in line:
            name = line.strip("_ ").split()[-1]
            body = lines[number + 1 :]
            end = next(i for i, each in enumerate(body) if each.startswith(("___", "===")))
            said[name] = [each for each in body[:end] if each and not each.startswith("[gw")]
    assert said == {f"test_{number}": [text] for number, (_, text) in enumerate(WRONG_MARKERS)}


def test_an_unfired_fault_of_a_marker_fails_the_test_with_its_own_lines(pytester):
    result = run(
        pytester,
        """
@mark.fakehv_fault("StartInstance", instance="web1")
def test_it(fakehv): pass

@mark.fakehv_fault("StartInstance", optional=True)
def test_optional(fakehv): pass

@mark.fakehv_fault("StartInstance")
class TestIt:
    def test_without_a_fixture(self): pass
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if line.startswith("____"))
    place = "test_an_unfired_fault_of_a_marker_fails_the_test_with_its_own_lines.py:9"
    assert lines[start + 1 : start + 4] == [
        f"unfired: fault('StartInstance', instance='web1') at {place} never fired: no such call came",
        (
            "  a correct test has its fault strike a call that is made; one that may never fire has "
            "optional=True"
        ),
        "------------------------------------ fakehv ------------------------------------",
    ]
    assert not any("seed of random faults" in line for line in lines)


RANDOM = """
def test_random(fakehv):
    fakehv.fault("ListInstances", probability=0.5, optional=True)
    struck = []
    for _ in range(12):
        try:
            fakehv.ListInstances()
        except HypervisorError:
            struck.append("x")
        else:
            struck.append(".")
    print(f"{fakehv.seed}: {''.join(struck)}")
"""

OF_SEED_7 = "7: xx.x.xx.xxxx"


def printed(result):
    return [line for line in result.stdout.lines if line[:1].isdigit() and ": " in line]


def test_the_seed_of_the_command_line(pytester):
    result = run(pytester, RANDOM, "-rP", "--fakehv-seed=7")
    result.assert_outcomes(passed=1)
    assert printed(result) == [OF_SEED_7]
    assert "fakehv: the seed of random faults is 7" in result.stdout.lines


def test_the_seed_of_the_ini_file(pytester):
    pytester.makeini("[pytest]\nfakehv_seed = 7")
    result = run(pytester, RANDOM, "-rP")
    assert printed(result) == [OF_SEED_7]
    assert "fakehv: the seed of random faults is 7" in result.stdout.lines


def test_the_seed_of_a_marker(pytester):
    result = run(pytester, f"pytestmark = mark.fakehv(seed=7)\n{RANDOM}", "-rP")
    assert printed(result) == [OF_SEED_7]
    assert not any("the seed of random faults" in line for line in result.stdout.lines)


def test_a_marker_counts_more_than_the_command_line_and_that_more_than_the_ini_file(pytester):
    pytester.makeini("[pytest]\nfakehv_seed = 5")
    source = f"{RANDOM}\n@mark.fakehv(seed=7)\ndef test_marked(fakehv): test_random(fakehv)\n"
    result = run(pytester, source, "-rP", "--fakehv-seed=6")
    result.assert_outcomes(passed=2)
    assert "fakehv: the seed of random faults is 6" in result.stdout.lines
    first, second = sorted(printed(result))
    assert first.startswith("6: ")
    assert second == OF_SEED_7


def test_the_seed_of_a_factorys_cluster_is_the_runs_unless_given(pytester):
    run(
        pytester,
        """
def test_it(fakehv_factory):
    assert fakehv_factory().seed == 7
    assert fakehv_factory(seed=8).seed == 8
""",
        "--fakehv-seed=7",
    ).assert_outcomes(passed=1)


def test_without_a_seed_the_header_has_none_and_each_test_a_fresh_one(pytester):
    other = RANDOM.replace("test_random", "test_other")
    result = run(pytester, RANDOM + other, "-rP")
    first, second = printed(result)
    assert first.partition(":")[0] != second.partition(":")[0]
    assert not any("the seed of random faults" in line for line in result.stdout.lines)


def test_a_failure_names_the_option_that_brings_its_faults_back(pytester):
    source = f"{RANDOM}    assert 0, 'the end'\n"
    first = run(pytester, source)
    first.assert_outcomes(failed=1)
    (line,) = [each for each in first.stdout.lines if each.startswith("seed of random faults: ")]
    option = line.removeprefix("seed of random faults: ")
    assert option.startswith("--fakehv-seed=")
    again = run(pytester, source, option)
    assert printed(again) == printed(first)
    assert line in again.stdout.lines


@pytest.mark.parametrize("seed", ["x", "-1", "1.5", "", str(2**63), "9" * 5000], ids=lambda text: text[:9])
@pytest.mark.parametrize("where", ["option", "ini"])
def test_a_wrong_seed_stops_the_run(pytester, where, seed):
    if where == "ini":
        pytester.makeini(f"[pytest]\nfakehv_seed = {seed}")
    result = run(pytester, RANDOM, *[f"--fakehv-seed={seed}"] if where == "option" else [])
    assert result.ret == 4
    origin = "--fakehv-seed" if where == "option" else "fakehv_seed"
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: {origin}: seed must be an integer from 0 to 2**63 - 1, not {seed!r}"
    ]


def test_the_largest_seed(pytester):
    run(pytester, RANDOM, f"--fakehv-seed={2**63 - 1}").assert_outcomes(passed=1)


MANY = "".join(RANDOM.replace("test_random", f"test_{name}") for name in "abcd")


@pytest.mark.parametrize("how", ["in order", "in reverse", "alone", "xdist"])
def test_a_seed_makes_the_same_faults_whatever_runs_before(pytester, how):
    pytester.makepyfile(test_many=PRELUDE + MANY)
    names = {"in reverse": "dcba", "alone": "c"}.get(how, "abcd")
    ids = [f"test_many.py::test_{name}" for name in names]
    parallel = ["-n", "2"] if how == "xdist" else []
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-rP", "--fakehv-seed=7", *parallel, *ids)
    result.assert_outcomes(passed=len(names))
    assert printed(result) == [OF_SEED_7] * len(names)


class TestRandomly:
    """The seed of pytest-randomly is ours where none is given."""

    def run(self, pytester, *args):
        pytester.makepyfile(PRELUDE + MANY)
        result = pytester.runpytest_subprocess("-p", "randomly", "-rP", *args)
        result.assert_outcomes(passed=4)
        is_ours = any("fakehv: the seed" in line for line in result.stdout.lines)
        assert is_ours == any("--fakehv-seed" in each for each in args)
        return printed(result)

    @pytest.fixture(autouse=True)
    def is_there(self):
        pytest.importorskip("pytest_randomly")

    @pytest.mark.parametrize("args", [[], ["-n", "2"]], ids=["alone", "xdist"])
    def test_it_is_taken(self, pytester, args):
        assert self.run(pytester, "--randomly-seed=7", *args) == [OF_SEED_7] * 4

    def test_whatever_it_is(self, pytester):
        (said,) = {*self.run(pytester, "--randomly-seed=-1")}
        assert said.startswith(f"{2**63 - 1}: ")

    def test_one_that_it_has_chosen_itself(self, pytester):
        first = {*self.run(pytester)}
        assert len(first) == 1
        assert {*self.run(pytester, "--randomly-seed=last", "-n", "2")} == first

    def test_ours_counts_more(self, pytester):
        (said,) = {*self.run(pytester, "--randomly-seed=7", "--fakehv-seed=6")}
        assert said.startswith("6: ")


PROPERTY = """
from hypothesis import given, settings, strategies
from pytest_fakehv import InstanceSpec

@settings(max_examples=50, deadline=None, database=None)
@given(number=strategies.integers(0, 3))
def test_property(fakehv_factory, number):
    cluster = fakehv_factory(instances=[InstanceSpec("app1")])
    for _ in range(number):
        fakehv_factory().fault("StopInstance", probability=0.5, optional=True)
    cluster.fault("StopInstance", probability=0.3, optional=True)
    cluster["node1"].StopInstance(cluster.instance("app1"))
"""


@pytest.mark.parametrize("before", ["", "def test_first(fakehv_factory):\n    fakehv_factory()\n"])
def test_a_property_that_fails_names_the_option_that_brings_its_faults_back(pytester, before):
    first = run(pytester, PROPERTY + before)
    first.assert_outcomes(failed=1, passed=1 if before else 0)
    assert "Flaky" not in first.stdout.str()
    options = [line for line in first.stdout.lines if line.startswith("seed of random faults: ")]
    again = run(pytester, PROPERTY + before, options[-1].split()[-1])
    again.assert_outcomes(failed=1, passed=1 if before else 0)
    for result in (first, again):
        assert (
            "E       pytest_fakehv.HypervisorError: Injected fault: StopInstance on node1"
            in result.stdout.lines
        )
        assert "number=0," in result.stdout.str()
