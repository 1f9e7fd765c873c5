"""What is said of a fault that is wrongly declared, and of one that never fired."""

import pytest
from striking import declared, fails
from wrong_faults import WRONG

from pytest_fakehv import FakeCluster


@pytest.mark.parametrize(("args", "kwargs", "text"), WRONG, ids=map(str, range(len(WRONG))))
def test_a_wrong_argument(cluster, args, kwargs, text):
    assert declared(cluster.fault, *args, **kwargs) == text
    assert cluster.faults == []


def test_a_node_knows_itself_alone(node1):
    assert declared(node1.fault, "ListInstances", node="node2") == (
        "node1 knows of itself alone; ask the cluster of node2"
    )


def test_a_wrong_seed(root):
    for seed in (-1, True, "7"):
        assert declared(FakeCluster, root, seed=seed) == (
            f"seed must be an integer that is not negative, not {seed!r}"
        )


class TestUnfired:
    def what(self, cluster):
        """Return what is said, with the faults' origins left out."""
        found = cluster.violations()
        assert {each.invariant for each in found} <= {"unfired"}
        texts = []
        for each in found:
            assert each.call is each.instance is None
            assert each.fault in cluster.faults
            texts.append(each.what.replace(f" at {each.fault.origin}", ""))
        return texts

    def test_the_call_never_came(self, cluster):
        cluster.fault("StartInstance", instance="web1")
        assert self.what(cluster) == [
            "fault('StartInstance', instance='web1') never fired: no such call came"
        ]

    def test_where_it_was_declared(self, cluster):
        fault = cluster.fault("StartInstance")
        assert fault.origin.startswith("tests/calls/test_fault_declarations.py:")
        (found,) = cluster.violations()
        assert found.what == f"fault('StartInstance') at {fault.origin} never fired: no such call came"

    def test_it_came_on_other_nodes(self, cluster, node1):
        cluster.fault("ListInstances", node="node2")
        node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances', node='node2') never fired: no such call came, "
                "though ListInstances was called on node1"
            )
        ]

    @pytest.mark.parametrize(("calls", "often"), [(1, "once"), (2, "2 times")])
    def test_too_few_came(self, cluster, node1, calls, often):
        cluster.fault("ListInstances", after=2)
        for _ in range(calls):
            node1.ListInstances()
        assert self.what(cluster) == [
            f"fault('ListInstances', after=2) never fired: such a call came {often} alone, and 2 were to pass"
        ]

    def test_it_was_never_its_turn(self, cluster, node1):
        cluster.fault("ListInstances", probability=0)
        for _ in range(3):
            node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances', probability=0) never fired: "
                "such a call came 3 times; the last time, chance spared it, at a probability of 0"
            )
        ]

    def test_a_narrower_one_struck_instead(self, cluster, node1):
        cluster.fault("ListInstances")
        cluster.fault("ListInstances", node="node1")
        fails(node1.ListInstances)
        assert self.what(cluster) == [
            (
                "fault('ListInstances') never fired: such a call came once; "
                "the last time, fault('ListInstances', node='node1') struck instead"
            )
        ]

    def test_the_call_itself_raised(self, cluster, node1):
        cluster.fault("StopInstance", when="after")
        fails(node1.StopInstance, node1.instance("nobody"))
        assert self.what(cluster) == [
            (
                "fault('StopInstance', when='after') never fired: such a call came once; "
                "the last time, the call itself raised"
            )
        ]

    def test_one_that_fired_is_quiet(self, cluster, node1):
        cluster.fault("ListInstances", times=1)
        fails(node1.ListInstances)
        assert self.what(cluster) == []

    def test_an_optional_one_is_quiet(self, cluster):
        cluster.fault("ListInstances", optional=True)
        assert self.what(cluster) == []

    def test_one_that_was_withdrawn_counts(self, cluster, node1):
        with cluster.fault("ListInstances"):
            pass
        node1.ListInstances()
        assert self.what(cluster) == [
            (
                "fault('ListInstances') never fired: no such call came, "
                "though ListInstances was called on node1"
            )
        ]

    def test_the_assertion(self, cluster):
        fault = cluster.fault("ListInstances")
        with pytest.raises(AssertionError) as caught:
            cluster.assert_consistent()
        assert str(caught.value) == (
            f"unfired: fault('ListInstances') at {fault.origin} never fired: no such call came\n"
            "  a correct test has its fault strike a call that is made; one that may never fire has "
            "optional=True"
        )
        cluster.assert_consistent(allow=["unfired"])


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (
            "virDomainCrate",
            {"code": "NO_DOMAIN"},
            "libvirt's front has no function 'virDomainCrate'; nearest: virDomainCreate",
        ),
        ("create", {}, "the interface has no method 'create'; nearest: virDomainCreate"),
        (
            "virDomainCreate",
            {"code": "VIR_ERR_NO_DOMAN"},
            (
                "code must be the number or the name of an error of libvirt's, not 'VIR_ERR_NO_DOMAN'; "
                "nearest: VIR_ERR_NO_DOMAIN"
            ),
        ),
        (
            "StartInstance",
            {"code": 42},
            "code=42 goes with a function of libvirt's, not StartInstance",
        ),
        (
            "StratInstance",
            {"code": 42},
            "the interface has no method 'StratInstance'; nearest: StartInstance",
        ),
        (
            "virDomainCreate",
            {"code": "OK"},
            "code must be the number or the name of an error of libvirt's, not 'OK'",
        ),
        (
            "virDomainCreate",
            {"code": 0},
            "code must be the number or the name of an error of libvirt's, not 0",
        ),
        (
            "virDomainCreate",
            {"code": True},
            "code must be the number or the name of an error of libvirt's, not True",
        ),
        (
            "virDomainCreate",
            {"code": 42, "error": ValueError("x")},
            "code goes with a text as the error: an exception has its own",
        ),
        (
            "virDomainCreate",
            {"code": 42, "effect": False},
            "effect=False goes without an error: a call answers or raises",
        ),
    ],
    ids=[
        "function",
        "method of the binding",
        "spelling",
        "interface",
        "no method",
        "OK",
        "number",
        "boolean",
        "exception",
        "lie",
    ],
)
def test_a_code_of_libvirts_that_cannot_be(method, options, message):
    cluster = FakeCluster.in_memory()
    assert declared(cluster.fault, method, **options) == message
    assert not cluster.faults
