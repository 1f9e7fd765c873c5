"""Ganeti's own cleanup and failover, over fake nodes: after a migration, and when nodes go down.

Where Ganeti's master leaves something wrong, the test says so by ``allow``, and why.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti.errors import ECODE_ENVIRON, OpPrereqError
from told import (
    BEGINNING,
    LOOKING,
    NOWHERE,
    SOURCE_FAILS,
    TARGET_FAILS,
    assert_on_source,
    assert_on_target,
    clean_up,
    message,
    migrate,
)

pytestmark = [pytest.mark.fakehv_instance("web1", memory=1024), pytest.mark.fakehv(clock="manual")]


class TestCleanup:
    # An abort that fails on one node alone is not reported: the report itself fails.
    @pytest.mark.parametrize(
        ("method", "missing"),
        [
            # The source goes on, and the other copy too.
            pytest.param("FinalizeMigrationDst", 1, marks=pytest.mark.fakehv(allow=["split-brain"])),
            # The next cleanup finds it running once, and does not abort it.
            pytest.param("FinalizeMigrationSource", 0, marks=pytest.mark.fakehv(allow=["unfinished"])),
        ],
    )
    def test_an_abort_that_fails_on_one_node(self, fakehv_ganeti, master, method, missing):
        with fakehv_ganeti.fault("FinalizeMigrationSource"):
            migrate(master)
        with fakehv_ganeti.fault(method):
            assert message(clean_up, master, kind=TypeError) == (
                f"sequence item {missing}: expected str instance, NoneType found"
            )
        assert master.feedback[-1] == "Trying to cleanup after failed migration"
        # Once nothing fails any more, another one leaves one copy.
        clean_up(master)
        assert_on_source(fakehv_ganeti, master)

    @pytest.mark.fakehv(allow=["unfinished"])
    def test_an_abort_that_fails_on_both(self, fakehv_ganeti, master):
        with fakehv_ganeti.fault("FinalizeMigrationSource"):
            migrate(master)
        with fakehv_ganeti.fault("FinalizeMigrationSource"), fakehv_ganeti.fault("FinalizeMigrationDst"):
            assert message(clean_up, master) == (
                "Instance migration cleanup failed: "
                f"{TARGET_FAILS.removeprefix('node2: ')},{SOURCE_FAILS.removeprefix('node1: ')}"
            )
        assert fakehv_ganeti.placement() == {"web1": ("node1", "node2")}

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    def test_every_node_must_answer(self, fakehv_ganeti, master, befall):
        with fakehv_ganeti.fault("FinalizeMigrationSource", when="after"):
            migrate(master)
        getattr(fakehv_ganeti["node1"], befall)()
        assert message(clean_up, master) == ("Can't contact node node1: Error 7: Failed to connect to node1")
        assert master.primary_node("web1") == "node1"

    def test_on_a_source_marked_offline_it_fails_when_all_is_done(self, fakehv_ganeti, master):
        with fakehv_ganeti.fault("FinalizeMigrationSource", crash=True):
            migrate(master)
        master.set_offline("node1")
        assert message(clean_up, master) == (
            "Cannot open instance disks on node node1: Node is marked offline"
        )
        assert master.feedback == [
            *LOOKING,
            "* instance running on: node2",
            "* instance running on secondary node (node2), updating config",
            "* closing instance disks on node node1",
            " - WARNING: Could not close instance disks on node node1, proceeding anyway",
            "* opening instance disks on node node1 in exclusive mode",
        ]
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2")
    @pytest.mark.fakehv_node("node3")
    def test_on_a_node_that_nobody_thought_of(self, fakehv_ganeti, master):
        fakehv_ganeti.migrate("web1", to="node3")
        feedback = clean_up(master)
        assert feedback[3:6] == [
            "* instance running on: node3",
            "* instance running on unexpected node (node3), updating as the new secondary",
            "* instance running on secondary node (node3), updating config",
        ]
        assert master.primary_node("web1") == "node3"

    # With another target than the migration had, the second copy is seen, and shown, and nobody's business.
    @pytest.mark.fakehv(allow=["unfinished"])
    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2")
    @pytest.mark.fakehv_node("node3")
    def test_of_another_target(self, fakehv_ganeti, master):
        with fakehv_ganeti.fault("FinalizeMigrationSource"):
            migrate(master)
        master.feedback.clear()
        master.migrate("web1", to="node3", cleanup=True)
        assert master.feedback[3:5] == [
            "* instance running on: node1,node2",
            "* instance confirmed to be running on its primary node (node1)",
        ]
        assert master.feedback[-1] == "* done"
        assert fakehv_ganeti.placement() == {"web1": ("node1", "node2")}


class TestNodesGoDown:
    @pytest.mark.parametrize("method", ["MigrateInstance", "GetMigrationStatus"])
    def test_the_source_while_it_sends(self, fakehv_ganeti, master, method):
        """What is reported is not why the migration failed, but what could not be undone."""
        with fakehv_ganeti.fault(method, crash=True):
            assert migrate(master) == (
                "Cannot open instance disks on node node1: Error 7: Failed to connect to node1"
            )
        fakehv_ganeti.assert_placement({})
        fakehv_ganeti.assert_called("FinalizeMigrationDst", node="node2", times=1)
        assert master.primary_node("web1") == "node1"
        # What is left is to start it elsewhere.
        master.set_offline("node1")
        master.failover("web1", to="node2")
        assert_on_target(fakehv_ganeti, master)

    def test_the_target_when_it_is_to_accept(self, fakehv_ganeti, master):
        with fakehv_ganeti.fault("AcceptInstance", crash=True):
            assert migrate(master) == (
                "Cannot close instance disks on node node2: Error 7: Failed to connect to node2"
            )
        # The source's disks, in shared mode by now, are left so.
        assert master.feedback == [
            *BEGINNING,
            "Pre-migration failed, aborting",
            "* closing instance disks on node node2",
        ]
        assert_on_source(fakehv_ganeti, master)

    @pytest.mark.fakehv_migration("web1", bandwidth=64)
    def test_the_target_in_the_middle(self, fakehv_ganeti, master):
        with ThreadPoolExecutor() as pool, fakehv_ganeti.hold("GetMigrationStatus") as held:
            text = pool.submit(migrate, master)
            held.wait()
            fakehv_ganeti["node2"].crash()
            held.release()
        assert text.result() == (
            "Cannot close instance disks on node node2: Error 7: Failed to connect to node2"
        )
        assert_on_source(fakehv_ganeti, master)
        fakehv_ganeti.assert_migration_failed("web1")

    # The abort does not reach the source; the cleanup does not abort what runs once.
    @pytest.mark.fakehv(allow=["unfinished"])
    @pytest.mark.fakehv_migration("web1", bandwidth=64)
    def test_the_source_is_cut_off_in_the_middle(self, fakehv_ganeti, master):
        with ThreadPoolExecutor() as pool, fakehv_ganeti.hold("GetMigrationStatus", node="node1") as held:
            text = pool.submit(migrate, master)
            held.wait()
            fakehv_ganeti["node1"].disconnect()
            held.release()
        assert text.result() == (
            "Cannot open instance disks on node node1: Error 7: Failed to connect to node1"
        )
        fakehv_ganeti["node1"].reconnect()
        clean_up(master)
        assert_on_source(fakehv_ganeti, master)
        assert [each.what for each in fakehv_ganeti.violations()] == [
            "the migration of web1 from node1 to node2 is not finalized on node1"
        ]

    def test_the_source_when_it_is_to_let_go(self, fakehv_ganeti, master):
        with fakehv_ganeti.fault("FinalizeMigrationSource", crash=True):
            assert migrate(master) == (
                "Could not finalize instance migration: node1: Error 52: Empty reply from server"
            )
        fakehv_ganeti.assert_placement({"web1": "node2"})
        assert master.primary_node("web1") == "node1"
        fakehv_ganeti["node1"].boot()
        clean_up(master)
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_the_target_when_it_is_to_take_over(self, fakehv_ganeti, master, when):
        with fakehv_ganeti.fault("FinalizeMigrationDst", crash=True, when=when):
            assert migrate(master) == (
                "Could not finalize instance migration: node2: Error 52: Empty reply from server"
            )
        fakehv_ganeti.assert_placement({})
        fakehv_ganeti["node2"].boot()
        assert message(clean_up, master) == NOWHERE


FAILOVER = [
    "Failover instance web1",
    "* checking disk consistency between source and target",
    "* shutting down instance on source node",
    "* closing instance disks on node node1",
    "* deactivating the instance's disks on source node",
    "* activating the instance's disks on target node node2",
    "* starting the instance on the target node node2",
]
WARNING = " - WARNING: Could not shutdown instance web1 on node node1, proceeding anyway"


class TestFailover:
    def test_success(self, fakehv_ganeti, master, tmp_path):
        master.failover("web1", to="node2")
        assert master.feedback == FAILOVER
        assert "gnt:daemon:noded:start" in (tmp_path / "web1").read_text()  # and not where Ganeti keeps it
        assert_on_target(fakehv_ganeti, master)
        fakehv_ganeti.assert_call_order(
            ("StopInstance", "node1"), ("CleanupInstance", "node1"), ("StartInstance", "node2")
        )
        fakehv_ganeti.assert_not_called("MigrateInstance")

    def test_as_a_fallback(self, fakehv_ganeti, master):
        node1 = fakehv_ganeti["node1"]
        node1.StopInstance(node1.instance("web1"))
        master.migrate("web1", to="node2", allow_failover=True)
        assert master.feedback == [
            " - INFO: Can't migrate, instance offline, fallback to failover",
            *FAILOVER,
        ]
        assert_on_target(fakehv_ganeti, master)

    # A failover looks at two nodes alone; an earlier migration may have brought the instance to a third.
    @pytest.mark.fakehv(allow=["double-start", "split-brain"])
    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2")
    @pytest.mark.fakehv_node("node3")
    @pytest.mark.parametrize("by", ["failover", "migrate"])
    def test_without_a_cleanup_before(self, fakehv_ganeti, master, by):
        with fakehv_ganeti.fault("FinalizeMigrationDst", when="after"):
            migrate(master)
        if by == "failover":
            master.failover("web1", to="node3")
        else:
            master.migrate("web1", to="node3", allow_failover=True)
        assert not [line for line in master.feedback if "WARNING" in line]
        assert fakehv_ganeti.placement() == {"web1": ("node2", "node3")}
        assert master.primary_node("web1") == "node3"

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    def test_from_a_node_that_does_not_answer(self, fakehv_ganeti, master, befall):
        getattr(fakehv_ganeti["node1"], befall)()
        assert message(master.failover, "web1", to="node2") == (
            "Could not shutdown instance web1 on node node1: Error 7: Failed to connect to node1"
        )
        fakehv_ganeti.assert_not_called("StartInstance")
        assert master.primary_node("web1") == "node1"

    @pytest.mark.parametrize("how", ["ignore_consistency", "offline"])
    def test_from_a_node_that_is_down(self, fakehv_ganeti, master, how):
        fakehv_ganeti["node1"].crash()
        self.in_spite_of_all(master, how)
        assert_on_target(fakehv_ganeti, master)

    # As it warns: who says that the node is down must know.
    @pytest.mark.fakehv(allow=["double-start", "split-brain"])
    @pytest.mark.parametrize("how", ["ignore_consistency", "offline"])
    def test_from_a_node_that_only_seems_to_be_down(self, fakehv_ganeti, master, how):
        fakehv_ganeti["node1"].disconnect()
        self.in_spite_of_all(master, how)
        fakehv_ganeti["node1"].reconnect()
        assert fakehv_ganeti.placement() == {"web1": ("node1", "node2")}

    def in_spite_of_all(self, master, how):
        if how == "offline":
            master.set_offline("node1")
            why = "Node is marked offline"
        else:
            why = "Error 7: Failed to connect to node1"
        master.failover("web1", to="node2", ignore_consistency=how == "ignore_consistency")
        assert master.feedback == [
            *FAILOVER[:3],
            f"{WARNING}; please make sure node node1 is down; error details: {why}",
            FAILOVER[3],
            " - WARNING: Could not close instance disks on node node1, proceeding anyway",
            *FAILOVER[4:],
        ]

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    def test_to_a_node_that_does_not_answer(self, fakehv_ganeti, master, befall):
        getattr(fakehv_ganeti["node2"], befall)()
        assert message(master.failover, "web1", to="node2", kind=OpPrereqError) == (
            "Can't get data from node node2: Error 7: Failed to connect to node2",
            ECODE_ENVIRON,
        )
        assert_on_source(fakehv_ganeti, master)

    @pytest.mark.fakehv_fault("StopInstance", node="node1")
    def test_the_stop_fails(self, fakehv_ganeti, master):
        assert message(master.failover, "web1", to="node2") == (
            "Could not shutdown instance web1 on node node1: "
            "Failed to stop instance 'web1': Injected fault: StopInstance on node1"
        )
        assert_on_source(fakehv_ganeti, master)

    @pytest.mark.fakehv_fault("StopInstance", node="node1", when="after")
    def test_the_node_daemon_looks_whether_a_failed_stop_has_worked(self, fakehv_ganeti, master):
        master.failover("web1", to="node2")
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.parametrize(("when", "where"), [("before", {}), ("after", {"web1": "node2"})])
    def test_the_start_fails(self, fakehv_ganeti, master, when, where):
        with fakehv_ganeti.fault("StartInstance", when=when):
            assert message(master.failover, "web1", to="node2") == (
                "Could not start instance web1 on node node2: "
                "Hypervisor error: Injected fault: StartInstance on node2"
            )
        # The configuration has moved it all the same.
        fakehv_ganeti.assert_placement(where)
        assert master.primary_node("web1") == "node2"
