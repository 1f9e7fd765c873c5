"""The reference driver: each way in which a migration, its cleanup and a failover can go."""

import pytest

from pytest_fakehv import (
    DeclarationError,
    FakeCluster,
    FakeHypervisor,
    HypervisorError,
    InstanceSpec,
    MigrationResult,
    NodeSpec,
)

INFO = ("node1", "MigrationInfo")
ACCEPT = ("node2", "AcceptInstance")
MIGRATE = ("node1", "MigrateInstance")
STATUS = ("node1", "GetMigrationStatus")
BEGIN = [INFO, ACCEPT, MIGRATE]
FINISH = [("node1", "FinalizeMigrationSource", True), ("node2", "FinalizeMigrationDst", True)]
ABORT = [("node2", "FinalizeMigrationDst", False), ("node1", "FinalizeMigrationSource", False)]
LIST = [("node1", "ListInstances"), ("node2", "ListInstances")]
STOP = [("node1", "StopInstance"), ("node1", "CleanupInstance")]
START = ("node2", "StartInstance")

FAILED = "node1 says that the migration is failed"

WHICH_SUCCESS = {"FinalizeMigrationSource": 1, "FinalizeMigrationDst": 2}
"""The place of the argument ``success``."""


def breakable(method):
    """Override a method so that it raises what the node was told, before or after its effect."""

    def call(self, *arguments):
        if method in self.breaks:
            raise self.breaks[method]
        result = getattr(FakeHypervisor, method)(self, *arguments)
        if method in self.breaks_afterwards:
            raise self.breaks_afterwards[method]
        return result

    return call


class Slow(FakeHypervisor):
    """A node on which it takes 5 seconds to start an instance, and to list what runs."""

    def ListInstances(self, *args):
        self.clock.advance(5)
        return super().ListInstances(*args)

    def StartInstance(self, *args):
        self.clock.advance(5)
        super().StartInstance(*args)


class Node(FakeHypervisor):
    """A node on which every call that the driver makes can be made to fail."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.breaks = {}
        self.breaks_afterwards = {}

    MigrationInfo = breakable("MigrationInfo")
    AcceptInstance = breakable("AcceptInstance")
    MigrateInstance = breakable("MigrateInstance")
    GetMigrationStatus = breakable("GetMigrationStatus")
    FinalizeMigrationSource = breakable("FinalizeMigrationSource")
    FinalizeMigrationDst = breakable("FinalizeMigrationDst")
    ListInstances = breakable("ListInstances")
    StopInstance = breakable("StopInstance")
    CleanupInstance = breakable("CleanupInstance")
    StartInstance = breakable("StartInstance")


@pytest.fixture
def cluster(root):
    """Three nodes, on the first of which web1 runs, which is sent in 4 seconds."""
    return FakeCluster(
        root,
        NodeSpec("node1", address="10.0.0.1"),
        NodeSpec("node2", address="10.0.0.2"),
        NodeSpec("node3"),
        instances=[InstanceSpec("web1", memory=4096)],
        hypervisor=Node,
    )


def calls(cluster):
    """Return node and method of each call, and what ``success`` it was given if it is a finalize."""
    return [
        (call.node, call.method, *call.arguments[place : place + 1])
        for call in cluster.journal
        for place in [WHICH_SUCCESS.get(call.method, len(call.arguments))]
    ]


def result(outcome, **changes):
    """Return a result that has nothing to tell but its outcome and the given."""
    values = {
        "instance": "web1",
        "source": "node1",
        "target": "node2",
        "live": True,
        "rounds": 0,
        "downtime": 0.0,
        "polls": 0,
        "duration": 0.0,
        "error": None,
    }
    return MigrationResult(outcome=outcome, **values | changes)


def polled(times, **changes):
    """Return what changes in a result with status calls: each takes a second."""
    return {"polls": times, "duration": float(times)} | changes


def broke(*steps):
    """Return the error of a result for the steps that were made to fail."""
    return "; ".join(f"{method} on {node} raised HypervisorError: it broke" for node, method, *_ in steps)


def make_fail(cluster, *steps, afterwards=False):
    for node, method, *_ in steps:
        hv = cluster[node]
        (hv.breaks_afterwards if afterwards else hv.breaks)[method] = HypervisorError("it broke")


def message(function, *args, error=DeclarationError, **kwargs):
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    return caught.value.args[0]


class TestMigrate:
    def test_an_unscripted_migration_completes_at_the_first_status_call(self, cluster):
        assert cluster.migrate("web1", to="node2") == result("completed", **polled(1))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_what_each_call_is_given(self, cluster):
        cluster.migrate("web1", to="node2")
        assert [call.arguments for call in cluster.journal] == [
            ("web1",),
            ("web1", "", "10.0.0.2"),
            ("fakehv", "web1", "10.0.0.2", True),
            ("web1",),
            ("web1", True, True),
            ("web1", "", True),
        ]

    @pytest.mark.parametrize("success", [True, False])
    def test_a_non_live_migration_is_asked_for_everywhere(self, cluster, success):
        cluster.script_migration("web1", outcome="completed" if success else "failed", polls=1)
        cluster.migrate("web1", to="node2", live=False)
        given = {call.method: call.arguments for call in cluster.journal}
        assert given["MigrateInstance"] == ("fakehv", "web1", "10.0.0.2", False)
        assert given["FinalizeMigrationSource"] == ("web1", success, False)

    @pytest.mark.parametrize("success", [True, False])
    def test_what_the_source_tells_beforehand_reaches_the_target(self, root, success):
        class Telling(FakeHypervisor):
            def MigrationInfo(self, instance):
                return "a word"

        cluster = FakeCluster(root, hypervisor=Telling, instances=[InstanceSpec("web1")])
        cluster.script_migration("web1", outcome="completed" if success else "failed", polls=1)
        cluster.migrate("web1", to="node2")
        given = {call.method: call.arguments for call in cluster.journal}
        assert given["AcceptInstance"] == ("web1", "a word", "node2")
        assert given["FinalizeMigrationDst"] == ("web1", "a word", success)

    @pytest.mark.parametrize("to", ["node2", "10.0.0.2"])
    @pytest.mark.parametrize("source", [None, "node1", "10.0.0.1"])
    def test_nodes_go_by_name_or_address_and_instances_by_name_or_object(self, cluster, to, source):
        web1 = cluster["node1"].instance("web1")
        assert cluster.migrate(web1, to=to, source=source) == result("completed", **polled(1))
        assert cluster.migrate("web1", to="node1") == result(
            "completed", source="node2", target="node1", **polled(1)
        )
        assert cluster.placement() == {"web1": "node1"}

    def test_the_figures_of_a_scripted_migration_are_told(self, cluster):
        cluster.script_migration("web1", dirty_rate=512)
        assert cluster.migrate("web1", to="node2") == result(
            "completed", rounds=4, downtime=0.25, **polled(8)
        )
        assert calls(cluster) == [*BEGIN, *[STATUS] * 8, *FINISH]

    @pytest.mark.parametrize("scripted", [False, True])
    def test_a_non_live_migration_stops_the_instance_for_its_whole_time(self, cluster, scripted):
        if scripted:
            cluster.script_migration("web1", dirty_rate=512)
        seconds = 4 if scripted else 1
        assert cluster.migrate("web1", to="node2", live=False) == result(
            "completed", live=False, rounds=int(scripted), downtime=float(seconds), **polled(seconds)
        )
        assert calls(cluster) == [*BEGIN, *[STATUS] * seconds, *FINISH]
        cluster.assert_running("web1", on="node2")

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize("outcome", ["completed", "failed"])
    def test_a_paused_instance_stays_paused(self, cluster, live, outcome):
        cluster.add_instance("web2", state="paused")
        cluster.script_migration("web2", outcome=outcome)
        cluster.migrate("web2", to="node2", live=live)
        cluster.assert_paused("web2", on="node2" if outcome == "completed" else "node1")

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_a_migration_that_its_status_says_came_to_nothing_is_aborted(self, cluster, outcome):
        cluster.script_migration("web1", outcome=outcome)
        assert cluster.migrate("web1", to="node2") == result(
            outcome, error=f"node1 says that the migration is {outcome}", **polled(2)
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("outcome", ["failed", "cancelled"])
    def test_an_instance_runs_again_after_a_non_live_migration_that_came_to_nothing(self, cluster, outcome):
        cluster.script_migration("web1", outcome=outcome)
        assert cluster.migrate("web1", to="node2", live=False) == result(
            outcome,
            live=False,
            downtime=2.0,
            error=f"node1 says that the migration is {outcome}",
            **polled(2),
        )
        cluster.assert_running("web1", on="node1")
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(
        ("broken", "polls", "expected"),
        [
            (INFO, 0, [INFO]),
            (ACCEPT, 0, [INFO, ACCEPT, *ABORT]),
            (MIGRATE, 0, [*BEGIN, *ABORT]),
            (STATUS, 1, [*BEGIN, STATUS, *ABORT]),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_before_the_end_fails(self, cluster, live, broken, polls, expected):
        make_fail(cluster, broken)
        assert cluster.migrate("web1", to="node2", live=live) == result(
            "failed", live=live, polls=polls, error=broke(broken)
        )
        cluster.assert_running("web1", on="node1")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == expected

    @pytest.mark.parametrize(
        ("broken", "placement"),
        [(FINISH[:1], ("node1", "node2")), (FINISH[1:], None), (FINISH, "node1")],
        ids=["on the source", "on the target", "on both"],
    )
    def test_a_finalize_that_fails_is_not_rolled_back(self, cluster, broken, placement):
        make_fail(cluster, *broken)
        assert cluster.migrate("web1", to="node2") == result("failed", error=broke(*broken), **polled(1))
        assert cluster.placement() == ({"web1": placement} if placement else {})
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    @pytest.mark.parametrize("broken", [ABORT[:1], ABORT[1:], ABORT], ids=["target", "source", "both"])
    @pytest.mark.parametrize("live", [True, False])
    def test_an_abort_goes_on_where_it_fails(self, cluster, live, broken):
        cluster.script_migration("web1", outcome="failed", polls=1)
        make_fail(cluster, *broken)
        assert cluster.migrate("web1", to="node2", live=live) == result(
            "failed",
            live=live,
            downtime=0.0 if live else 1.0,
            error=f"{FAILED}; {broke(*broken)}",
            **polled(1),
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, STATUS, *ABORT]
        # Nobody told the source to let it run again.
        assert cluster["node1"].instances["web1"].paused is (not live and ABORT[1] in broken)

    @pytest.mark.parametrize(
        ("broken", "expected", "placement", "outcome"),
        [
            (ACCEPT, [INFO, ACCEPT, *ABORT], "node1", None),
            (MIGRATE, [*BEGIN, *ABORT], "node1", "cancelled"),
            (STATUS, [*BEGIN, STATUS, *ABORT], "node1", "completed"),
            (FINISH[0], [*BEGIN, STATUS, *FINISH], "node2", "completed"),
            (FINISH[1], [*BEGIN, STATUS, *FINISH], "node2", "completed"),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_had_its_effect_but_is_said_to_have_failed(
        self, cluster, broken, expected, placement, outcome
    ):
        make_fail(cluster, broken, afterwards=True)
        outcome_and_error = cluster.migrate("web1", to="node2")
        assert (outcome_and_error.outcome, outcome_and_error.error) == ("failed", broke(broken))
        assert cluster.placement() == {"web1": placement}
        assert calls(cluster) == expected
        assert [each.outcome for each in cluster.migrations] == ([outcome] if outcome else [])

    def test_any_exception_of_a_node_is_a_failed_call(self, cluster):
        cluster["node1"].breaks["MigrateInstance"] = ConnectionError("no route\nto host")
        cluster["node2"].breaks["FinalizeMigrationDst"] = ZeroDivisionError()
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="MigrateInstance on node1 raised ConnectionError: no route to host; "
            "FinalizeMigrationDst on node2 raised ZeroDivisionError: ",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *ABORT]

    def test_an_interrupt_is_not_held_back(self, cluster):
        cluster["node1"].breaks["MigrateInstance"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            cluster.migrate("web1", to="node2")
        assert calls(cluster) == BEGIN

    def test_a_mistake_of_the_test_is_not_a_failed_call(self, cluster):
        cluster.script_migration("web1", postcopy=0)
        assert message(cluster.migrate, "web1", to="node2", live=False) == (
            "the migration of web1 is scripted as postcopy, which a non-live one can't be"
        )
        assert calls(cluster) == BEGIN
        cluster.assert_running("web1", on="node1")

    @pytest.mark.parametrize(("timeout", "polls"), [(0, 1), (1, 1), (2.5, 3), (3, 3)])
    def test_it_gives_up_after_the_timeout_and_aborts(self, cluster, timeout, polls):
        cluster.script_migration("web1", dirty_rate=1024)
        assert cluster.migrate("web1", to="node2", timeout=timeout) == result(
            "failed", rounds=0, error=f"given up: not completed after {timeout} s", **polled(polls)
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *[STATUS] * polls, *ABORT]
        assert [each.outcome for each in cluster.migrations] == ["cancelled"]

    def test_it_gives_up_after_an_hour_unless_told_otherwise(self, cluster):
        cluster.script_migration("web1", dirty_rate=1024)
        assert cluster.migrate("web1", to="node2") == result(
            "failed", rounds=900, error="given up: not completed after 3600 s", **polled(3600)
        )

    def test_a_migration_that_ends_at_the_timeout_has_ended(self, cluster):
        cluster.script_migration("web1")
        assert cluster.migrate("web1", to="node2", timeout=4) == result("completed", rounds=1, **polled(4))

    def test_giving_up_in_postcopy_loses_the_instance(self, cluster):
        cluster.script_migration("web1", postcopy=0)
        assert cluster.migrate("web1", to="node2", timeout=2) == result(
            "failed", error="given up: not completed after 2 s", **polled(2)
        )
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, STATUS, STATUS, *ABORT]

    @pytest.mark.parametrize("timeout", [-1, None, "1", True, float("nan")])
    def test_a_wrong_timeout(self, cluster, timeout):
        assert message(cluster.migrate, "web1", to="node2", timeout=timeout) == (
            f"timeout must be a number that is not negative, not {timeout!r}"
        )
        assert calls(cluster) == []

    def test_a_manual_clock_goes_on_by_a_second_between_polls(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1", memory=4096)], clock="manual")
        cluster.script_migration("web1", times=1)
        assert cluster.migrate("web1", to="node2") == result("completed", rounds=1, polls=5, duration=4.0)
        assert calls(cluster) == [*BEGIN, *[STATUS] * 5, *FINISH]
        assert cluster.clock.now == 4

        cluster.script_migration("web1", polls=9)
        assert cluster.migrate("web1", to="node1", timeout=3) == result(
            "failed",
            source="node2",
            target="node1",
            polls=4,
            duration=3.0,
            error="given up: not completed after 3 s",
        )

    def test_a_real_clock_needs_no_wait_for_what_completes_at_once(self, root):
        cluster = FakeCluster(root, instances=[InstanceSpec("web1")], clock="real")
        migrated = cluster.migrate("web1", to="node2")
        assert migrated == result("completed", polls=1, duration=migrated.duration)
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_an_instance_on_both_nodes_is_not_accepted_and_the_abort_removes_the_targets(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="AcceptInstance on node2 raised HypervisorError: Can't accept instance, already running",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [INFO, ACCEPT, *ABORT]

    def test_an_instance_that_runs_nowhere_can_not_be_migrated(self, cluster):
        cluster.add_instance("web2", state="stopped")
        assert cluster.migrate("web2", to="node2") == result(
            "failed",
            instance="web2",
            error="MigrateInstance on node1 raised HypervisorError: "
            "Failed to migrate instance web2: not running",
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*BEGIN, *ABORT]

    @pytest.mark.parametrize(
        ("befall", "error", "placement", "ending"),
        [
            (
                lambda cluster: cluster["node2"].disconnect(),
                "FinalizeMigrationDst on node2 raised NodeDownError: node2 does not answer",
                {},
                FINISH,
            ),
            (
                lambda cluster: cluster["node2"].crash(),
                f"{FAILED}; FinalizeMigrationDst on node2 raised NodeDownError: node2 does not answer",
                {"web1": "node1"},
                ABORT,
            ),
            (
                lambda cluster: cluster["node1"].PowercycleNode(),
                FAILED,
                {},
                ABORT,
            ),
            (
                lambda cluster: cluster["node1"].StopInstance(None, name="web1"),
                FAILED,
                {},
                ABORT,
            ),
        ],
        ids=["target cut off", "target down", "source reset", "instance stopped"],
    )
    def test_something_happens_once_the_migration_has_begun(self, root, befall, error, placement, ending):
        class Fateful(FakeHypervisor):
            def GetMigrationStatus(self, instance):
                befall(self.cluster)
                return super().GetMigrationStatus(instance)

        cluster = FakeCluster(root, hypervisor=Fateful, instances=[InstanceSpec("web1")])
        assert cluster.migrate("web1", to="node2") == result("failed", error=error, **polled(1))
        assert cluster.placement() == placement
        assert calls(cluster) == [*BEGIN, STATUS, *ending]

    @pytest.mark.parametrize("befall", ["crash", "disconnect"])
    @pytest.mark.parametrize("node", ["node1", "node2"])
    def test_a_node_that_does_not_answer(self, cluster, node, befall):
        getattr(cluster[node], befall)()
        source_is_lost = (node, befall) == ("node1", "crash")
        steps = [INFO] if node == "node1" else [ACCEPT, ABORT[0]]
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="; ".join(
                f"{method} on {node} raised NodeDownError: {node} does not answer" for _, method, *_ in steps
            ),
        )
        assert cluster.placement() == ({} if source_is_lost else {"web1": "node1"})
        assert calls(cluster) == ([INFO] if node == "node1" else [INFO, ACCEPT, *ABORT])


class TestLies:
    """Whoever believes the status loses the instance, and so does Ganeti's master."""

    def test_a_migration_that_failed_but_moved_is_aborted_on_the_node_where_it_runs(self, cluster):
        cluster.script_migration("web1", outcome="failed_but_moved")
        assert cluster.migrate("web1", to="node2") == result("failed", rounds=1, error=FAILED, **polled(4))
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 4, *ABORT]

    def test_a_migration_that_completed_but_lost_it_leaves_nothing_to_finalize(self, cluster):
        cluster.script_migration("web1", outcome="completed_but_lost", polls=1)
        assert cluster.migrate("web1", to="node2") == result(
            "failed",
            error="FinalizeMigrationDst on node2 raised HypervisorError: "
            "Failed to finalize the migration of web1 on the target: its memory has not arrived",
            **polled(1),
        )
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, STATUS, *FINISH]

    def test_a_cleanup_looks_at_both_nodes_and_so_keeps_what_failed_but_moved(self, cluster):
        cluster.script_migration("web1", outcome="failed_but_moved", polls=1)
        interrupt(cluster, *BEGIN, STATUS)
        assert cluster.clean_up("web1", to="node2") == result("completed")
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]


class TestPostcopy:
    def test_it_completes_though_precopy_never_would(self, cluster):
        cluster.script_migration("web1", dirty_rate=2048, postcopy=1)
        assert cluster.migrate("web1", to="node2") == result("completed", rounds=1, **polled(8))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 8, *FINISH]

    def test_its_failure_loses_the_instance(self, cluster):
        cluster.script_migration("web1", dirty_rate=2048, postcopy=1, outcome="failed")
        assert cluster.migrate("web1", to="node2") == result("failed", rounds=1, error=FAILED, **polled(6))
        assert cluster.placement() == {}
        assert calls(cluster) == [*BEGIN, *[STATUS] * 6, *ABORT]


def interrupt(cluster, *steps):
    """Do some steps of a migration of web1 to node2 and forget their calls."""
    web1 = cluster["node1"].instance("web1")
    arguments = {
        "MigrationInfo": (web1,),
        "AcceptInstance": (web1, "", "node2"),
        "MigrateInstance": ("cluster", web1, "node2", True),
        "GetMigrationStatus": (web1,),
    }
    for node, method, *success in steps:
        if method == "FinalizeMigrationSource":
            given = (web1, *success, True)
        elif method == "FinalizeMigrationDst":
            given = (web1, "", *success)
        else:
            given = arguments[method]
        getattr(cluster[node], method)(*given)
    cluster.journal.clear()


NOWHERE = "web1 runs neither on node1 nor on node2: a person must find out why before anybody starts it"


class TestCleanUp:
    @pytest.mark.parametrize("steps", range(5))
    def test_before_anything_is_finalized_it_aborts(self, cluster, steps):
        interrupt(cluster, *[*BEGIN, STATUS][:steps])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        cluster.assert_running("web1", on="node1")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_an_instance_that_was_paused_for_a_non_live_migration_runs_again(self, cluster):
        web1 = cluster["node1"].instance("web1")
        cluster["node1"].MigrateInstance("cluster", web1, "node2", False)
        cluster.assert_paused("web1", on="node1")
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2", live=False) == result("failed", live=False)
        cluster.assert_running("web1", on="node1")
        assert calls(cluster) == [*LIST, *ABORT]
        assert cluster.journal[-1].arguments == ("web1", False, False)

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(("done", "success"), [(BEGIN, False), ([*BEGIN, STATUS, *FINISH], True)])
    def test_what_each_call_is_given(self, cluster, live, done, success):
        interrupt(cluster, *done)
        cluster.clean_up("web1", to="node2", live=live)
        given = {call.method: call.arguments for call in cluster.journal}
        assert given == {
            "ListInstances": (),
            "FinalizeMigrationSource": ("web1", success, live),
            "FinalizeMigrationDst": ("web1", "", success),
        }

    @pytest.mark.parametrize("order", [FINISH, FINISH[::-1]], ids=["source first", "target first"])
    def test_finalized_on_both_nodes_it_has_moved(self, cluster, order):
        interrupt(cluster, *BEGIN, STATUS, *order)
        assert cluster.clean_up("web1", to="node2") == result("completed")
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]

    @pytest.mark.parametrize("live", [True, False])
    @pytest.mark.parametrize(
        ("done", "outcome"), [(BEGIN, "failed"), ([*BEGIN, STATUS, *FINISH], "completed")]
    )
    def test_it_takes_its_time_but_stops_no_instance(self, root, live, done, outcome):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        interrupt(cluster, *done)
        assert cluster.clean_up("web1", to="node2", live=live) == result(outcome, live=live, duration=10.0)

    def test_finalized_on_the_target_alone_it_runs_on_both_and_stays_on_the_source(self, cluster):
        interrupt(cluster, *BEGIN, STATUS, FINISH[1])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_finalized_on_the_source_alone_it_runs_nowhere_which_is_for_a_person(self, cluster):
        interrupt(cluster, *BEGIN, STATUS, FINISH[0])
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *ABORT]

    @pytest.mark.parametrize("steps", [1, 2])
    def test_an_abort_that_was_interrupted_is_done_again(self, cluster, steps):
        interrupt(cluster, *BEGIN, *ABORT[:steps])
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_started_on_both_nodes_it_stays_on_the_source(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2") == result("failed")
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_stopped_meanwhile_it_runs_nowhere(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster["node1"].StopInstance(cluster["node1"].instance("web1"))
        cluster.journal.clear()
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *ABORT]

    def test_on_the_target_without_any_migration_it_counts_as_moved(self, cluster):
        assert cluster.clean_up("web1", to="node1", source="node2") == result(
            "completed", source="node2", target="node1"
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [
            ("node2", "ListInstances"),
            ("node1", "ListInstances"),
            ("node2", "FinalizeMigrationSource", True),
            ("node1", "FinalizeMigrationDst", True),
        ]

    @pytest.mark.parametrize("broken", [LIST[:1], LIST[1:], LIST], ids=["source", "target", "both"])
    def test_a_node_that_can_not_list_its_instances_lets_nothing_be_changed(self, cluster, broken):
        interrupt(cluster, *BEGIN)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == LIST
        assert [each.outcome for each in cluster.migrations] == ["active"]

    @pytest.mark.parametrize("broken", [ABORT[:1], ABORT[1:], ABORT], ids=["target", "source", "both"])
    def test_an_abort_that_fails_is_told(self, cluster, broken):
        interrupt(cluster, *BEGIN)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == [*LIST, *ABORT]

    @pytest.mark.parametrize("broken", [FINISH[:1], FINISH[1:], FINISH], ids=["source", "target", "both"])
    def test_a_finalize_that_fails_is_told(self, cluster, broken):
        interrupt(cluster, *BEGIN, STATUS, *FINISH)
        make_fail(cluster, *broken)
        assert cluster.clean_up("web1", to="node2") == result("failed", error=broke(*broken))
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [*LIST, *FINISH]

    def test_the_source_went_down_during_the_migration(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster["node1"].crash()
        assert cluster.clean_up("web1", to="node2") == result(
            "failed", error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        cluster["node1"].boot()
        assert cluster.clean_up("web1", to="node2") == result("failed", error=NOWHERE)
        assert cluster.placement() == {}
        assert calls(cluster) == [*LIST, *LIST, *ABORT]

    def test_after_a_cleanup_it_can_be_migrated_again(self, cluster):
        interrupt(cluster, *BEGIN)
        cluster.clean_up("web1", to="node2")
        assert cluster.migrate("web1", to="node2") == result("completed", **polled(1))
        assert [each.outcome for each in cluster.migrations] == ["cancelled", "completed"]

    def test_the_figures_are_not_those_of_the_migration_before(self, cluster):
        cluster.script_migration("web1", dirty_rate=512)
        cluster.migrate("web1", to="node2")
        assert cluster.clean_up("web1", to="node2") == result("completed")


class TestFailover:
    def test_it_stops_here_and_starts_there(self, cluster):
        assert cluster.failover("web1", to="node2") == result("completed", live=False)
        cluster.assert_running("web1", on="node2", memory=4096)
        assert calls(cluster) == [LIST[0], *STOP, START]
        assert cluster.migrations == []

    def test_what_each_call_is_given(self, cluster):
        cluster.failover("web1", to="10.0.0.2")
        assert [(call.arguments, call.keywords) for call in cluster.journal] == [
            ((), {}),
            (("web1",), {}),
            (("web1",), {}),
            (("web1", [], False), {}),
        ]

    def test_the_instance_is_down_all_the_time(self, root):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        assert cluster.failover("web1", to="node2") == result(
            "completed", live=False, downtime=10.0, duration=10.0
        )

    def test_how_long_it_is_down_after_a_failure_nobody_knows(self, root):
        cluster = FakeCluster(root, hypervisor=Slow, clock="manual", instances=[InstanceSpec("web1")])
        cluster["node2"].add_instance("web1")
        assert cluster.failover("web1", to="node2", source="node1") == result(
            "failed",
            live=False,
            duration=10.0,
            error="StartInstance on node2 raised HypervisorError: "
            "Failed to start instance web1: already running",
        )

    def test_an_instance_that_is_stopped_is_started_on_the_target(self, cluster):
        cluster.add_instance("web2", state="stopped")
        assert cluster.failover("web2", to="node2") == result("completed", instance="web2", live=False)
        assert cluster.placement() == {"web1": "node1", "web2": "node2"}
        assert calls(cluster) == [LIST[0], STOP[1], START]

    def test_a_paused_instance_runs_afterwards(self, cluster):
        cluster.add_instance("web2", state="paused")
        cluster.failover("web2", to="node2")
        cluster.assert_running("web2", on="node2")

    def test_a_source_that_does_not_answer_stops_it_since_the_instance_may_run_there(self, cluster):
        cluster["node1"].disconnect()
        assert cluster.failover("web1", to="node2") == result(
            "failed", live=False, error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        assert cluster.placement() == {"web1": "node1"}
        assert calls(cluster) == LIST[:1]

    def test_a_source_that_is_down_stops_it_unless_that_is_known(self, cluster):
        cluster["node1"].crash()
        assert cluster.failover("web1", to="node2") == result(
            "failed", live=False, error="ListInstances on node1 raised NodeDownError: node1 does not answer"
        )
        assert cluster.failover("web1", to="node2", source_is_down=True) == result("completed", live=False)
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [LIST[0], START]

    def test_a_source_wrongly_said_to_be_down_splits_the_brain(self, cluster):
        cluster["node1"].disconnect()
        assert cluster.failover("web1", to="node2", source_is_down=True) == result("completed", live=False)
        assert cluster.placement() == {"web1": ("node1", "node2")}
        assert calls(cluster) == [START]

    @pytest.mark.parametrize(
        ("broken", "expected", "placement"),
        [
            (LIST[0], LIST[:1], "node1"),
            (STOP[0], [LIST[0], STOP[0]], "node1"),
            (STOP[1], [LIST[0], *STOP], None),
            (START, [LIST[0], *STOP, START], None),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else None,
    )
    def test_a_call_fails(self, cluster, broken, expected, placement):
        make_fail(cluster, broken)
        assert cluster.failover("web1", to="node2") == result("failed", live=False, error=broke(broken))
        assert cluster.placement() == ({"web1": placement} if placement else {})
        assert calls(cluster) == expected

    def test_an_instance_that_runs_on_both_nodes_is_stopped_on_the_source_alone(self, cluster):
        cluster["node2"].StartInstance(cluster["node1"].instance("web1"), [], False)
        cluster.journal.clear()
        assert cluster.failover("web1", to="node2") == result(
            "failed",
            live=False,
            error="StartInstance on node2 raised HypervisorError: "
            "Failed to start instance web1: already running",
        )
        assert cluster.placement() == {"web1": "node2"}
        assert calls(cluster) == [LIST[0], *STOP, START]

    def test_a_target_without_room_leaves_it_stopped(self, root):
        cluster = FakeCluster(
            root,
            NodeSpec("node1"),
            NodeSpec("node2", memory=1000, overcommit=False),
            instances=[InstanceSpec("web1")],
        )
        assert cluster.failover("web1", to="node2") == result(
            "failed",
            live=False,
            error="StartInstance on node2 raised HypervisorError: Failed to start instance web1: "
            "node2 does not overcommit: 1024 MiB more are needed, 1000 MiB are free",
        )
        assert cluster.placement() == {}

    def test_in_the_middle_of_a_migration_it_ends_that(self, cluster):
        interrupt(cluster, *BEGIN)
        assert cluster.failover("web1", to="node3") == result("completed", target="node3", live=False)
        assert [(each.outcome, each.reason) for each in cluster.migrations] == [
            ("failed", "web1 no longer runs on node1")
        ]
        assert cluster.migrate("web1", to="node2") == result("completed", source="node3", **polled(1))


OPERATIONS = ["migrate", "clean_up", "failover"]


@pytest.mark.parametrize("operation", OPERATIONS)
class TestWhichNodes:
    def test_to_where_it_is_already(self, cluster, operation):
        for to in ("node1", "10.0.0.1"):
            assert message(getattr(cluster, operation), "web1", to=to) == (
                "'web1' is to move to node1, where it is already"
            )
        assert message(getattr(cluster, operation), "web1", to="node2", source="10.0.0.2") == (
            "'web1' is to move to node2, where it is already"
        )
        assert calls(cluster) == []

    @pytest.mark.parametrize("node", ["node4", "", None])
    def test_to_an_unknown_node(self, cluster, operation, node):
        assert message(getattr(cluster, operation), "web1", to=node) == (
            f"no node is named {node!r}; there are: node1, node2, node3"
        )

    @pytest.mark.parametrize("node", ["node4", ""])
    def test_from_an_unknown_node(self, cluster, operation, node):
        assert message(getattr(cluster, operation), "web1", to="node2", source=node) == (
            f"no node is named {node!r}; there are: node1, node2, node3"
        )

    def test_an_instance_that_nobody_knows(self, cluster, operation):
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "no instance is named 'web2'; nearest: web1"
        )

    def test_an_instance_that_was_described_but_never_ran(self, cluster, operation):
        cluster["node1"].instance("web2")
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "'web2' runs nowhere; say with source= which node it is to leave"
        )

    def test_an_instance_that_runs_on_several_others(self, cluster, operation):
        web2 = cluster["node1"].instance("web2")
        for node in cluster:
            node.StartInstance(web2, [], False)
        assert message(getattr(cluster, operation), "web2", to="node2") == (
            "'web2' runs on node1, node2, node3; say with source= which node it is to leave"
        )

    def test_an_instance_that_the_code_under_test_has_started(self, cluster, operation):
        cluster["node3"].StartInstance(cluster["node1"].instance("web2"), [], False)
        assert getattr(cluster, operation)("web2", to="node2").source == "node3"

    def test_an_instance_on_both_nodes_leaves_the_one_where_it_was_declared(self, cluster, operation):
        for node in ("node2", "node3"):
            cluster[node].StartInstance(cluster["node1"].instance("web1"), [], False)
        assert getattr(cluster, operation)("web1", to="node2").source == "node1"

    def test_an_instance_leaves_the_node_where_it_runs_before_the_one_where_it_was_declared(
        self, cluster, operation
    ):
        web1 = cluster["node1"].instance("web1")
        cluster["node1"].StopInstance(web1)
        cluster["node3"].StartInstance(web1, [], False)
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_leaves_the_node_that_it_has_migrated_to(self, cluster, operation):
        cluster.migrate("web1", to="node3")
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_that_is_stopped_leaves_the_node_that_it_has_migrated_to(self, cluster, operation):
        cluster.migrate("web1", to="node3")
        cluster["node3"].StopInstance(cluster["node3"].instance("web1"))
        assert getattr(cluster, operation)("web1", to="node2").source == "node3"

    def test_an_instance_leaves_the_node_that_it_could_not_leave_before(self, cluster, operation):
        cluster.script_migration("web1", outcome="failed", times=1)
        cluster.migrate("web1", to="node3")
        assert getattr(cluster, operation)("web1", to="node2").source == "node1"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_node_where_an_instance_was_declared_may_have_gone(cluster, operation):
    cluster.failover("web1", to="node2")
    cluster.remove_node("node1")
    assert getattr(cluster, operation)("web1", to="node3").source == "node2"


@pytest.mark.parametrize("operation", ["migrate", "failover"])
@pytest.mark.parametrize("before", ["migrate", "failover"])
def test_an_instance_that_has_moved_does_not_move_there_again(cluster, before, operation):
    getattr(cluster, before)("web1", to="node2")
    cluster.journal.clear()
    assert message(getattr(cluster, operation), "web1", to="node2") == (
        "'web1' is to move to node2, where it is already"
    )
    assert cluster.placement() == {"web1": "node2"}
    assert calls(cluster) == []
