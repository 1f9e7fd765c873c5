"""Ganeti's own migration and failover, over fake nodes: how they end, and what they leave behind.

Where Ganeti's master leaves something wrong, the test says so by ``allow``, and why.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("pytest_fakehv.fronts.ganeti", exc_type=ImportError)

from ganeti.cmdlib.instance_migration import TLMigrateInstance
from ganeti.errors import ECODE_ENVIRON, ECODE_NORES, ECODE_STATE, OpExecError, OpPrereqError
from master import Master

pytestmark = [pytest.mark.fakehv_instance("web1", memory=1024), pytest.mark.fakehv(clock="manual")]

BEGINNING = [
    "Migrating instance web1",
    "* checking disk consistency between source and target",
    "* closing instance disks on node node2",
    "* opening instance disks on node node1 in shared mode",
    "* opening instance disks on node node2 in shared mode",
    "* preparing node2 to accept the instance",
]
ABORT = [
    "* closing instance disks on node node2",
    "* opening instance disks on node node1 in exclusive mode",
]
LOOKING = [
    " - INFO: Not checking memory on the secondary node as instance will not be started",
    "Migrating instance web1",
    "* checking where the instance actually runs (if this hangs, the hypervisor might be in a bad state)",
]
ABORT_CALLS = [("FinalizeMigrationDst", "node2"), ("FinalizeMigrationSource", "node1")]
SOURCE_FAILS = (
    "node1: Failed to finalize the migration on the source node: "
    "Injected fault: FinalizeMigrationSource on node1"
)
TARGET_FAILS = (
    "node2: Failed to finalize migration on the target node: Injected fault: FinalizeMigrationDst on node2"
)
NOWHERE = (
    "Instance does not seem to be running at all; in this case it's safer to repair by running "
    "'gnt-instance stop' to ensure disk shutdown, and then restarting it"
)


@pytest.fixture
def master(fakehv_ganeti, monkeypatch, tmp_path):
    return Master(fakehv_ganeti, monkeypatch, tmp_path)


def message(action, *arguments, kind=OpExecError, **options):
    """Return the whole message of an action that fails."""
    with pytest.raises(kind) as caught:
        action(*arguments, **options)
    assert type(caught.value) is kind
    text, *code = caught.value.args
    return (text, *code) if code else text


def migrate(master):
    return message(master.migrate, "web1", to="node2")


def clean_up(master):
    """Return what `gnt-instance migrate --cleanup` tells the user."""
    master.feedback.clear()
    master.migrate("web1", to="node2", cleanup=True)
    return master.feedback


def assert_on_source(cluster, master):
    cluster.assert_placement({"web1": "node1"})
    assert master.primary_node("web1") == "node1"


def assert_on_target(cluster, master):
    cluster.assert_placement({"web1": "node2"})
    assert master.primary_node("web1") == "node2"


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
