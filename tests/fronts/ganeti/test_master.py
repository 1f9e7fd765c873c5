"""Ganeti's own migration, over fake nodes: how it ends, and what it leaves behind.

Where Ganeti's master leaves something wrong, the test says so by ``allow``, and why.
"""

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti.cmdlib.instance_migration import TLMigrateInstance
from ganeti.errors import ECODE_ENVIRON, ECODE_NORES, ECODE_STATE, OpPrereqError
from told import (
    ABORT,
    ABORT_CALLS,
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


class TestMigration:
    def test_success(self, fakehv_ganeti, master):
        master.migrate("web1", to="node2")

        assert master.feedback == [
            *BEGINNING,
            "* migrating instance to node2",
            "* starting memory transfer",
            "* memory transfer complete",
            "* closing instance disks on node node1",
            "* opening instance disks on node node2 in exclusive mode",
            "* done",
        ]
        fakehv_ganeti.assert_migrated("web1", source="node1", target="node2", live=True)
        fakehv_ganeti.assert_running("web1", on="node2", memory=1024)
        assert_on_target(fakehv_ganeti, master)
        assert [(call.method, call.node) for call in fakehv_ganeti.journal.calls()] == [
            ("GetNodeInfo", "node2"),
            ("ListInstances", "node1"),
            ("GetInstanceInfo", "node1"),
            ("GetNodeInfo", "node1"),
            ("GetNodeInfo", "node2"),
            ("MigrationInfo", "node1"),
            ("AcceptInstance", "node2"),
            ("MigrateInstance", "node1"),
            ("GetMigrationStatus", "node1"),
            ("FinalizeMigrationSource", "node1"),
            ("FinalizeMigrationDst", "node2"),
        ]

    def test_there_and_back(self, fakehv_ganeti, master):
        master.migrate("web1", to="node2")
        master.migrate("web1", to="node1")
        assert_on_source(fakehv_ganeti, master)
        assert len(fakehv_ganeti.migrations) == 2

    @pytest.mark.fakehv_node("node1", address="192.0.2.1")
    @pytest.mark.fakehv_node("node2", address="192.0.2.2")
    def test_nodes_are_called_by_their_addresses(self, fakehv_ganeti, master):
        master.migrate("web1", to="node2")
        assert_on_target(fakehv_ganeti, master)
        (accepted,) = fakehv_ganeti.journal.calls("AcceptInstance")
        assert accepted.arguments[2] == "192.0.2.2"

    @pytest.mark.parametrize("options", [{"mode": "non-live"}, {"live": False}], ids=str)
    def test_non_live(self, fakehv_ganeti, master, options):
        master.migrate("web1", to="node2", **options)
        fakehv_ganeti.assert_migrated("web1", live=False)
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.fakehv_migration("web1", outcome="failed")
    def test_a_non_live_one_that_fails_runs_again(self, fakehv_ganeti, master):
        assert message(master.migrate, "web1", to="node2", mode="non-live") == (
            "Could not migrate instance web1: hypervisor returned failure"
        )
        fakehv_ganeti.assert_running("web1", on="node1")

    @pytest.mark.fakehv_migration("web1", bandwidth=64)
    def test_progress(self, fakehv_ganeti, master, monkeypatch):
        monkeypatch.setattr(TLMigrateInstance, "_MIGRATION_FEEDBACK_INTERVAL", 4)
        master.migrate("web1", to="node2")

        assert master.feedback[7:12] == [
            "* starting memory transfer",
            "* memory transfer progress: 31.25 %",
            "* memory transfer progress: 62.50 %",
            "* memory transfer progress: 93.75 %",
            "* memory transfer complete",
        ]
        assert fakehv_ganeti.clock.now == 16
        fakehv_ganeti.assert_called("GetMigrationStatus", node="node1", times=17)

    @pytest.mark.fakehv_migration("web1", dirty_rate=2048, postcopy=2)
    def test_postcopy(self, fakehv_ganeti, master):
        master.migrate("web1", to="node2")
        assert "* memory transfer has switched to postcopy" in master.feedback
        assert fakehv_ganeti.migrations[0].postcopy
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2", memory=768)
    @pytest.mark.fakehv_instance("web1", memory=1024, min_memory=512)
    def test_an_instance_shrinks_to_what_is_free_on_the_target(self, fakehv_ganeti, master):
        master.migrate("web1", to="node2")
        assert "* setting instance memory to 768" in master.feedback
        fakehv_ganeti.assert_running("web1", on="node2", memory=768)
        fakehv_ganeti.assert_call_order("BalloonInstanceMemory", "AcceptInstance", "MigrateInstance")

    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2", memory=768)
    @pytest.mark.fakehv_instance("web1", memory=1024, min_memory=512)
    class TestTooLittleRoom:
        def test_it_must_not_shrink(self, fakehv_ganeti, master):
            assert message(master.migrate, "web1", to="node2", allow_runtime_changes=False) == (
                "Memory ballooning not allowed and not enough free memory to fit instance web1 on target "
                "node node2 (have 768MB, need 1024MB)"
            )
            fakehv_ganeti.assert_not_called("MigrationInfo")
            fakehv_ganeti.assert_running("web1", on="node1", memory=1024)

        def test_it_can_not_shrink(self, fakehv_ganeti, master):
            with fakehv_ganeti.fault("BalloonInstanceMemory"):
                assert migrate(master) == (
                    "Cannot modify instance runtime memory: Failed to balloon instance memory: "
                    "Injected fault: BalloonInstanceMemory on node1"
                )
            fakehv_ganeti.assert_running("web1", on="node1", memory=1024)

        @pytest.mark.fakehv_migration("web1", outcome="failed")
        def test_it_stays_small_where_the_migration_fails(self, fakehv_ganeti, master):
            migrate(master)
            # The abort does not give the memory back.
            fakehv_ganeti.assert_running("web1", on="node1", memory=768)


class TestRefused:
    """Nothing is changed, and no call of the migration itself is made."""

    @pytest.fixture(autouse=True)
    def nothing_happens(self, fakehv_ganeti, master):
        yield
        fakehv_ganeti.assert_not_called("AcceptInstance")
        fakehv_ganeti.assert_not_called("FinalizeMigrationDst")
        assert master.primary_node("web1") == "node1"

    def refusal(self, master, to="node2", **options):
        return message(master.migrate, "web1", to=to, kind=OpPrereqError, **options)

    def test_to_where_it_is(self, master):
        assert self.refusal(master, to="node1") == (
            "Cannot migrate instance web1 to its primary (node1)",
            ECODE_STATE,
        )

    @pytest.mark.fakehv_node("node1")
    @pytest.mark.fakehv_node("node2", memory=512)
    def test_to_where_it_does_not_fit(self, master):
        assert self.refusal(master) == (
            "Not enough memory on node node2 for migrating instance web1: needed 1024 MiB, available 512 MiB",
            ECODE_NORES,
        )

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    def test_to_a_node_that_does_not_answer(self, fakehv_ganeti, master, befall):
        getattr(fakehv_ganeti["node2"], befall)()
        assert self.refusal(master) == (
            "Can't get data from node node2: Error 7: Failed to connect to node2",
            ECODE_ENVIRON,
        )

    def test_what_does_not_run(self, fakehv_ganeti, master):
        node1 = fakehv_ganeti["node1"]
        node1.StopInstance(node1.instance("web1"))
        assert self.refusal(master) == (
            "Can't migrate, please use failover: Instance web1 is not running",
            ECODE_STATE,
        )

    @pytest.mark.fakehv_fault("ListInstances")
    def test_the_node_daemon_does_not_expect_that_listing_fails(self, master):
        text, code = self.refusal(master)
        assert text == (
            "Can't migrate, please use failover: Error while executing backend function: "
            "Injected fault: ListInstances on node1"
        )
        assert code == ECODE_STATE

    @pytest.mark.fakehv_fault("GetInstanceInfo")
    def test_nor_that_asking_for_an_instance_does(self, master):
        assert self.refusal(master) == (
            "Error checking instance on node node1: Error while executing backend function: "
            "Injected fault: GetInstanceInfo on node1"
        )

    @pytest.mark.fakehv_node("node1", version="2.1")
    @pytest.mark.fakehv_node("node2", version="3.0")
    def test_to_another_version(self, master):
        assert migrate(master) == "Unsupported migration between hypervisor versions (2.1 to 3.0)"

    @pytest.mark.fakehv_fault("MigrationInfo")
    def test_without_the_source_s_information(self, master):
        assert migrate(master) == (
            "Failed fetching source migration information from node1: "
            "Failed to fetch migration information: Injected fault: MigrationInfo on node1"
        )


@pytest.mark.fakehv_node("node1", version="2.1")
@pytest.mark.fakehv_node("node2", version="3.0")
def test_another_version_on_request(fakehv_ganeti, master):
    master.migrate("web1", to="node2", ignore_hvversions=True)
    assert "  continuing anyway (told to ignore version mismatch)" in master.feedback
    assert_on_target(fakehv_ganeti, master)


class TestAborted:
    """What fails before the memory has arrived is undone, target first; a cleanup then finds nothing."""

    @pytest.fixture(autouse=True)
    def undone(self, fakehv_ganeti, master):
        yield
        assert_on_source(fakehv_ganeti, master)
        fakehv_ganeti.assert_call_order("AcceptInstance", *ABORT_CALLS)
        for method, node in ABORT_CALLS:
            fakehv_ganeti.assert_called(method, node=node, times=1)
        assert clean_up(master) == [
            *LOOKING,
            "* instance running on: node1",
            "* instance confirmed to be running on its primary node (node1)",
            *ABORT,
            "* done",
        ]
        assert_on_source(fakehv_ganeti, master)
        # The second attempt has its way.
        master.migrate("web1", to="node2")
        assert_on_target(fakehv_ganeti, master)

    @pytest.mark.fakehv_fault("AcceptInstance", times=1)
    def test_accept_fails(self, fakehv_ganeti, master):
        assert migrate(master) == (
            "Could not pre-migrate instance web1: "
            "Failed to accept instance: Injected fault: AcceptInstance on node2"
        )
        assert master.feedback == [*BEGINNING, "Pre-migration failed, aborting", *ABORT]
        fakehv_ganeti.assert_not_called("MigrateInstance")

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_migrate_fails(self, fakehv_ganeti, master, when):
        with fakehv_ganeti.fault("MigrateInstance", when=when):
            assert migrate(master) == (
                "Could not migrate instance web1: "
                "Failed to migrate instance: Injected fault: MigrateInstance on node1"
            )
        assert master.feedback == [
            *BEGINNING,
            "* migrating instance to node2",
            "Migration failed, aborting",
            *ABORT,
        ]
        fakehv_ganeti.assert_not_called("GetMigrationStatus")

    @pytest.mark.fakehv_fault("GetMigrationStatus", after=2, times=1)
    @pytest.mark.fakehv_migration("web1", bandwidth=64, times=1)
    def test_the_status_can_not_be_told(self, fakehv_ganeti, master):
        assert migrate(master) == (
            "Could not migrate instance web1: "
            "Failed to get migration status: Injected fault: GetMigrationStatus on node1"
        )
        fakehv_ganeti.assert_called("GetMigrationStatus", times=3)

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_the_status_says_so(self, fakehv_ganeti, master, outcome):
        fakehv_ganeti.script_migration("web1", outcome=outcome, at=0.6, bandwidth=128, times=1)
        assert migrate(master) == "Could not migrate instance web1: hypervisor returned failure"
        assert master.feedback == [
            *BEGINNING,
            "* migrating instance to node2",
            "* starting memory transfer",
            "Migration failed, aborting",
            *ABORT,
        ]
        assert fakehv_ganeti.migrations[0].outcome == outcome

    @pytest.mark.parametrize("method", ["FinalizeMigrationDst", "FinalizeMigrationSource"])
    @pytest.mark.fakehv_migration("web1", outcome="failed", times=1)
    def test_an_abort_that_fails_after_its_effect_is_not_mentioned(self, fakehv_ganeti, master, method):
        with fakehv_ganeti.fault(method, when="after"):
            assert migrate(master) == "Could not migrate instance web1: hypervisor returned failure"


@pytest.mark.parametrize("method", ["FinalizeMigrationDst", "FinalizeMigrationSource"])
@pytest.mark.fakehv_migration("web1", outcome="failed", times=1)
@pytest.mark.fakehv(allow=["unfinished"])
def test_a_failed_abort_is_for_ever(fakehv_ganeti, master, method):
    """Nobody is told, but for the master's log; and the cleanup does not abort what runs once."""
    with fakehv_ganeti.fault(method):
        assert migrate(master) == "Could not migrate instance web1: hypervisor returned failure"
    clean_up(master)
    assert_on_source(fakehv_ganeti, master)
    assert [each.invariant for each in fakehv_ganeti.violations()] == ["unfinished"]


class TestFinalizeFails:
    def begin(self, cluster, master, *methods, when="before"):
        """Migrate web1, and let these fail at the end; return the message."""
        faults = [cluster.fault(each, when=when, times=1) for each in methods]
        text = migrate(master)
        assert all(fault.fired for fault in faults)
        assert master.feedback[-1] == "* memory transfer complete"
        assert master.primary_node("web1") == "node1"
        cluster.assert_call_order(("FinalizeMigrationSource", "node1"), ("FinalizeMigrationDst", "node2"))
        return text

    def test_on_the_source(self, fakehv_ganeti, master):
        text = self.begin(fakehv_ganeti, master, "FinalizeMigrationSource")
        assert text == f"Could not finalize instance migration: {SOURCE_FAILS}"
        assert fakehv_ganeti.placement() == {"web1": ("node1", "node2")}

        assert clean_up(master) == [
            *LOOKING,
            "* instance running on: node1,node2",
            "Trying to cleanup after failed migration",
            LOOKING[-1],
            "* instance running on: node1",
            "* instance confirmed to be running on its primary node (node1)",
            *ABORT,
            "* done",
        ]
        assert_on_source(fakehv_ganeti, master)

    def test_on_the_source_after_its_effect(self, fakehv_ganeti, master):
        text = self.begin(fakehv_ganeti, master, "FinalizeMigrationSource", when="after")
        assert text == f"Could not finalize instance migration: {SOURCE_FAILS}"
        self.clean_up_what_has_moved(fakehv_ganeti, master)

    def test_on_the_target_after_its_effect(self, fakehv_ganeti, master):
        text = self.begin(fakehv_ganeti, master, "FinalizeMigrationDst", when="after")
        assert text == f"Could not finalize instance migration: {TARGET_FAILS}"
        self.clean_up_what_has_moved(fakehv_ganeti, master)

    def test_on_both_after_their_effect(self, fakehv_ganeti, master):
        both = ("FinalizeMigrationSource", "FinalizeMigrationDst")
        text = self.begin(fakehv_ganeti, master, *both, when="after")
        assert text == f"Could not finalize instance migration: {SOURCE_FAILS} {TARGET_FAILS}"
        self.clean_up_what_has_moved(fakehv_ganeti, master)

    def clean_up_what_has_moved(self, cluster, master):
        cluster.assert_placement({"web1": "node2"})
        assert clean_up(master) == [
            *LOOKING,
            "* instance running on: node2",
            "* instance running on secondary node (node2), updating config",
            "* closing instance disks on node node1",
            # It means the primary node, and still has the old one in mind.
            "* opening instance disks on node node1 in exclusive mode",
            "* done",
        ]
        assert_on_target(cluster, master)
        cluster.assert_migrated("web1", source="node1", target="node2")

    # The source, finalized first, has let go of an instance that then did not arrive.
    @pytest.mark.fakehv(allow=["vanished", "unfinished"])
    def test_on_the_target(self, fakehv_ganeti, master):
        text = self.begin(fakehv_ganeti, master, "FinalizeMigrationDst")
        assert text == f"Could not finalize instance migration: {TARGET_FAILS}"
        fakehv_ganeti.assert_placement({})

        assert message(clean_up, master) == NOWHERE
        assert master.feedback == [*LOOKING, "* instance running on: "]
        fakehv_ganeti.assert_placement({})
        assert master.primary_node("web1") == "node1"
        assert [each.what for each in fakehv_ganeti.violations()] == [
            "web1 runs nowhere: it left node1 and did not arrive on node2",
            "the migration of web1 from node1 to node2 is not finalized on node2",
        ]

    # The cleanup believes that what runs on the source alone has never been migrated.
    @pytest.mark.fakehv(allow=["unfinished"])
    def test_on_both(self, fakehv_ganeti, master):
        text = self.begin(fakehv_ganeti, master, "FinalizeMigrationSource", "FinalizeMigrationDst")
        assert text == f"Could not finalize instance migration: {SOURCE_FAILS} {TARGET_FAILS}"

        assert clean_up(master)[4] == "* instance confirmed to be running on its primary node (node1)"
        assert_on_source(fakehv_ganeti, master)
        assert [each.what for each in fakehv_ganeti.violations()] == [
            "the migration of web1 from node1 to node2 is not finalized on node1, node2"
        ]


class TestLies:
    # The master aborts on the word of the status, and ends the only copy there is.
    @pytest.mark.fakehv(allow=["vanished"])
    @pytest.mark.fakehv_migration("web1", outcome="failed_but_moved")
    def test_failed_but_moved(self, fakehv_ganeti, master):
        assert migrate(master) == "Could not migrate instance web1: hypervisor returned failure"
        fakehv_ganeti.assert_placement({})
        assert message(clean_up, master) == NOWHERE

    # The master lets the source go on the word of the status.
    @pytest.mark.fakehv(allow=["vanished", "unfinished"])
    @pytest.mark.fakehv_migration("web1", outcome="completed_but_lost")
    def test_completed_but_lost(self, fakehv_ganeti, master):
        assert migrate(master) == (
            "Could not finalize instance migration: node2: Failed to finalize migration on the target node: "
            "Failed to finalize the migration of web1 on the target: its memory has not arrived"
        )
        fakehv_ganeti.assert_placement({})
        assert message(clean_up, master) == NOWHERE
