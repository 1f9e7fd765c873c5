"""The fixture ``fakehv_ganeti``: the nodes that Ganeti's code finds, and that all is undone."""

import threading

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti import hypervisor
from node_code import failure, here, make

from pytest_fakehv import NodeSpec
from pytest_fakehv.fronts.ganeti import FakeCluster


class TestFixture:
    def test_all_fixtures_give_the_same_cluster(self, fakehv, fakehv_cluster, fakehv_ganeti):
        assert fakehv_cluster is fakehv_ganeti
        assert fakehv is fakehv_ganeti["node1"]

    def test_in_the_other_order(self, fakehv_ganeti, fakehv):
        assert fakehv is fakehv_ganeti["node1"]

    @pytest.mark.fakehv_node("node1", memory=4096)
    @pytest.mark.fakehv_node("node2", memory=2048, overcommit=False)
    @pytest.mark.fakehv_instance("web1", node="node1", memory=1024)
    @pytest.mark.fakehv_fault("StopInstance", node="node1", error="no", times=1)
    def test_markers_count(self, fakehv_ganeti):
        with fakehv_ganeti.on("node1"):
            assert here().GetNodeInfo()["memory_free"] == 3072
            assert str(failure(here().StopInstance, make())) == "no"
            here().StopInstance(make())

    def test_holds_work(self, fakehv_ganeti):
        def start():
            with fakehv_ganeti.on("node1"):
                here().StartInstance(make(), [], False)

        thread = threading.Thread(target=start)
        with fakehv_ganeti.hold("StartInstance") as held:
            thread.start()
            held.wait()
            fakehv_ganeti.assert_stopped("web1")
        thread.join()
        fakehv_ganeti.assert_running("web1", on="node1")

    def test_the_map_is_as_it_was_afterwards(self, pytester):
        pytester.makepyfile("""
            from ganeti import hypervisor
            from ganeti.hypervisor import hv_fake

            def test_1(fakehv_ganeti):
                assert hypervisor.GetHypervisorClass("fake") is not hv_fake.FakeHypervisor
                assert False

            def test_2():
                assert hypervisor.GetHypervisorClass("fake") is hv_fake.FakeHypervisor
        """)
        pytester.runpytest_subprocess().assert_outcomes(passed=1, failed=1)

    def test_the_invariants_are_checked(self, pytester):
        pytester.makepyfile(
            test_twice="""
            from ganeti import hypervisor, objects

            def test_it(fakehv_ganeti):
                beparams = {"minmem": 1, "maxmem": 1, "vcpus": 1}
                web1 = objects.Instance(name="web1", beparams=beparams, hvparams={})
                for node in ("node1", "node2"):
                    with fakehv_ganeti.on(node):
                        hypervisor.GetHypervisor("fake").StartInstance(web1, [], False)
            """
        )
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "double-start: web1 was started on node2 while it ran on node1",
                "  since call 2, StartInstance('web1', [[]], False) on node2 at test_twice.py:8",
            ]
        )

    def test_in_a_fake_filesystem(self, pytester):
        pytester.makepyfile("""
            def test_it(fakehv_ganeti, fs):
                fakehv_ganeti.add_instance("web1", node="node1")
                assert fs.exists("/fakehv/node1/web1")
        """)
        pytester.runpytest_subprocess().assert_outcomes(passed=1)

    def test_an_own_class_that_does_not_suit(self, pytester):
        pytester.makepyfile("""
            import pytest
            from pytest_fakehv import FakeHypervisor

            class Own(FakeHypervisor):
                pass

            @pytest.fixture
            def fakehv_class():
                return Own

            def test_it(fakehv_ganeti):
                pass
        """)
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(errors=1)
        assert (
            "\nthe fixture fakehv_class must return pytest_fakehv.fronts.ganeti.FakeHypervisor "
            "or a subclass of it, not <class 'test_an_own_class_that_does_not_suit.Own'>\n"
        ) in result.stdout.str()
        assert "Traceback" not in result.stdout.str()

    def test_too_late(self, pytester):
        pytester.makepyfile("""
            def test_it(fakehv, request):
                request.getfixturevalue("fakehv_ganeti")
        """)
        result = pytester.runpytest_subprocess()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ["*fakehv_ganeti comes too late: the test's cluster is made already; request it as an argument"]
        )


def test_without_pytest(tmp_path):
    known = hypervisor.GetHypervisorClass("fake")
    with FakeCluster.temporary(NodeSpec("node1", memory=512)) as cluster, cluster.installed():
        assert here().GetNodeInfo()["memory_total"] == 512
    assert hypervisor.GetHypervisorClass("fake") is known
